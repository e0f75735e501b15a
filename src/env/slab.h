/*
 * slab.h - records of one size, many to a piece of memory, for objects that come and go by the
 * million. A record that is freed among others that stay is not returned to malloc(3), whose next
 * caller would have to sort it. Every call takes bounded time; no locking of its own.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_SLAB_H
#define ENV_SLAB_H

#include "env/list.h"

struct slab {
	struct list room; /* pieces with a free record, the empty ones last */
	size_t size;      /* of a record, bytes: a multiple of 8 */
	unsigned empty;   /* pieces without a record in use */
	bool keep;        /* one of them stays */
};

/* A piece: its head, then the records. Aligned to its size. */
#define SLAB_BYTES 8192u

void slab_init(struct slab *s, size_t size);
/* A zeroed record; NULL: no memory. */
void *slab_alloc(struct slab *s);
void slab_free(struct slab *s, void *record);
/* Keep one empty piece, so that a single record that comes and goes needs no allocation. */
void slab_keep(struct slab *s, bool keep);

#endif
