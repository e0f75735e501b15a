/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* judge.h - what the DMA layer in front of a page_pool that is a module has counted. */
#ifndef JUDGE_H
#define JUDGE_H

#include <linux/atomic.h>

/**
 * struct judge
 * @mapped:	pages that are mapped now, of all pools
 * @maps:	calls so far
 * @large:	mappings of several pages that there are now
 * @records:	what was allocated for pools and chunks and is not freed yet
 * @entries:	pools that were freed with something in their array of mappings
 */
struct judge {
	atomic_long_t mapped;
	atomic_long_t maps;
	atomic_long_t large;
	atomic_long_t records;
	atomic_long_t entries;
};

extern struct judge judge;

struct page_pool;

/* pages that the pool has, in flight or not */
unsigned int judge_held(const struct page_pool *pool);

/* pages in chunks that are wholly home; a page_pool without chunks has none */
unsigned int judge_idle(const struct page_pool *pool);

#endif
