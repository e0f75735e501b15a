/*
 * unit.h - for the unit tests: the nth thing that can fail fails, and numbers that
 * are the same in every run.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef UNIT_H
#define UNIT_H

#include <string.h>

#include "env/env.h"
#include "tap.h"

/* xorshift64: never 0 */
static inline uint64_t unit_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* [0, n) */
static inline uint64_t unit_below(uint64_t *state, uint64_t n)
{
	return unit_random(state) % n;
}

#ifdef PP_FAULTS
/* Let the nth (from 0) of the things called `what` fail; NULL: of all things. */
struct fail {
	const char *what;
	unsigned n, seen;
};

static inline bool fail_decide(void *ctx, const char *what)
{
	struct fail *f = ctx;

	if (f->what && strcmp(f->what, what))
		return false;
	return f->seen++ == f->n;
}

static inline void fail_begin(struct fail *f, const char *what, unsigned n)
{
	*f = (struct fail){ .what = what, .n = n };
	env_fault_set(fail_decide, f);
}

/* False: there was no nth thing, so all have been made to fail before. */
static inline bool fail_end(const struct fail *f)
{
	env_fault_set(NULL, NULL);
	return f->seen > f->n;
}
#endif

#endif
