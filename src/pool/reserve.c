/*
 * reserve.c - pages that a pool has ready before anybody asks for them.
 *
 * The pool grows, and its memory is populated, a few chunks at a time, as in a get: so whoever
 * waits for the lock waits no longer than for one of those.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/debug.h"
#include "pool/grow.h"
#include "pool/holders.h"
#include "pool/reclaim.h"
#include "pool/span.h"

/* Trimming leaves so many pages from now on. Returns how many it left before. */
static uint64_t set_reserved(struct pp_pool *pool, uint64_t n)
{
	uint64_t before;

	pool_lock(pool);
	before = pool->reserved;
	pool->reserved = n;
	pool->n_no_memory = 0; /* whatever came of it before, the system is asked */
	pool_unlock(pool);
	return before;
}

/* A piece of the work. 1: there is more to do; 0: all is there; or an errno. Lock held. */
static int make_ready(struct pp_pool *pool, uint64_t n, uint64_t *added)
{
	uint64_t chunks = pool->n_chunks, per_chunk = chunk_size(pool) / pool->page_size;
	int ret;

	if (pool_is_over(pool))
		return -ENODEV;
	if (!n)
		return 0;
	if (pool->n_pages >= n)
		return pool_populate(pool);
	ret = pool_grow(pool, (n - pool->n_pages + per_chunk - 1) / per_chunk);
	*added += pool->n_chunks - chunks;
	return ret ? ret : 1;
}

/* As it was before: so many chunks fewer. */
static void take_back(struct pp_pool *pool, uint64_t before, uint64_t added)
{
	pool_lock(pool);
	pool->reserved = before;
	if (!pool_is_over(pool) && added)
		pool_shrink(pool, pool_idle(pool) > added ? pool_idle(pool) - added : 0);
	pool_unlock(pool);
}

int pp_pool_reserve(struct pp_pool *pool, uint64_t n)
{
	const void *caller = __builtin_return_address(0);
	uint64_t before, added = 0;
	int ret;

	if (!pool)
		return debug_invalid("pp_pool_reserve: there is no pool");
	if (misuse_destroyed(pool, "reserve", caller))
		return -ENODEV;
	if (pool->tracked)
		misuse_owner(pool, "pages were reserved", caller);
	if (pool->params.max_pages && n > pool->params.max_pages)
		return -ENOBUFS;
	if (n > env_memory_bytes() / pool->page_size) /* it would take minutes to find that out */
		return -ENOMEM;
	before = set_reserved(pool, n); /* first: what is added now isn't trimmed meanwhile */
	do {
		pool_lock(pool);
		ret = make_ready(pool, n, &added);
		pool_unlock(pool);
	} while (ret > 0);
	if (ret)
		take_back(pool, before, added);
	return ret;
}
