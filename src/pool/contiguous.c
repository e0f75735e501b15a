/*
 * contiguous.c - contiguous pages, got together: they come from one chunk, not from the cache.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/debug.h"
#include "pool/chunk.h"
#include "pool/grow.h"
#include "pool/holders.h"
#include "pool/peak.h"
#include "pool/reclaim.h"

/* Lock held. */
static int get_run(struct pp_pool *pool, struct pp_page **out, uint32_t n)
{
	uint64_t max = pool->params.max_pages;
	int ret;

	if (pool_is_over(pool))
		return -ENODEV;
	if (pool_take_run(pool, out, n))
		return 0;
	if (max && max - pool->n_pages < n) /* or the new chunk would be too short */
		return -ENOBUFS;
	ret = pool_grow(pool, 1);
	if (!ret)
		pool_take_run(pool, out, n);
	return ret;
}

int pp_page_get_contiguous(struct pp_page **out, unsigned n, struct pp_pool *pool)
{
	const void *caller = __builtin_return_address(0);
	int ret;

	if (!n || n > chunk_size(pool) / pool->page_size)
		return debug_invalid(
			"pp_page_get_contiguous: n is %u: it must be 1 to the pages of a "
			"chunk, which are %zu",
			n, chunk_size(pool) / pool->page_size);
	if (pool->tracked && misuse_handler(pool, "asked for", caller))
		return -EDEADLK; /* whose lock it may be */
	pool_lock(pool);
	ret = pool->tracked ? misuse_get(pool, pool->anchor, caller) : 0;
	if (!ret && pool->tracked)
		pool_reclaim_complete(pool);
	if (!ret)
		ret = get_run(pool, out, n);
	for (unsigned i = 0; i < n && !ret && pool->tracked; i++)
		holders_got(out[i], caller);
	env_add_relaxed(&pool->alloc_slow, ret ? 0 : n);
	peak_look_past(pool);
	pool_unlock(pool);
	env_add_relaxed(&pool->alloc_failed, ret != 0);
	if (!ret)
		PP_PROBE2(get, pool, n);
	return ret;
}
