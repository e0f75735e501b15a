/*
 * memory.h - where a pool's memory comes from: the system; a file of the pool's own, which other
 * processes can map (pp_pool_params.shared); or an area of the caller's (area_addr). Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_MEMORY_H
#define POOL_MEMORY_H

#include "pool/pool.h"

/* 0; -EINVAL, with a sentence: parameters that contradict each other; -EBADF. */
int memory_check(const struct pp_pool_params *p);
/* A pool is made, or is freed. 0; -EMFILE, -ENFILE, -ENOMEM. */
int memory_begin(struct pp_pool *pool);
void memory_end(struct pp_pool *pool);
/* In a child of fork, of a pinned pool: what it has is the parent's. */
void memory_is_parents(struct pp_pool *pool);

static inline bool memory_is_callers(const struct pp_pool *pool)
{
	return pool->params.area_addr;
}

/* A child of fork would share it, or it isn't the library's to copy: it is kept from children. */
static inline bool memory_is_shared(const struct pp_pool *pool)
{
	return pool->file.own || memory_is_callers(pool);
}

/* Are hugetlb pages tried that bring addresses of their own? */
static inline bool memory_may_be_hugetlb(const struct pp_pool *pool)
{
	return pool->params.memory == PP_MEMORY_HUGETLB && !memory_is_shared(pool);
}

/* Lock held: addresses for a span with so many slots, and what lies behind them. 0; -ENOMEM. */
int memory_take(struct pp_pool *pool, struct span *span, uint32_t n);
/* The end of them, and of those that hugetlb pages have brought. Nobody has a page there. */
void memory_give(struct pp_pool *pool, struct span *span);
/* Memory of the best kind there is, or of the one that is insisted on. 0; -ENOMEM. */
int memory_commit(struct pp_pool *pool, void *addr, size_t len, enum pp_memory *kind);
/* It goes; the addresses stay. Any thread. 0 or -errno: it is still there. */
int memory_discard(const struct pp_pool *pool, void *addr, size_t len);

#endif
