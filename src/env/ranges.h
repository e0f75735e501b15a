/*
 * ranges.h - a table of memory ranges, by start address. Uses env.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_RANGES_H
#define ENV_RANGES_H

#include "env/hash.h"

struct ranges {
	struct env_lock lock; /* protects all of it */
	struct hashtab hash;  /* by address */
	bool used;            /* relaxed: something was ever noted */
};
#define RANGES_INIT                                                                                \
	{                                                                                          \
		.lock = ENV_LOCK_INIT                                                              \
	}

/* False: there is no memory for it. */
bool ranges_note(struct ranges *r, void *addr, size_t len);
/* One that begins there, if it was noted. */
void ranges_forget(struct ranges *r, const void *addr);
/* Is anything of this in one of them? */
bool ranges_touch(struct ranges *r, const void *addr, size_t len);
/* Without the lock: nobody else is at it any more. */
void ranges_each(struct ranges *r, void (*fn)(char *addr, size_t len));
void ranges_free(struct ranges *r);

#endif
