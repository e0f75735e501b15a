/*
 * peak.c - the most pages that a pool had in flight at a time, without a word for it in get or put.
 *
 * What is in flight follows from counts that are kept anyway, all of which only grow: pages taken
 * from the chunks, less what has come home from a full cache, from full rings, or otherwise, less
 * what cache and rings hold. Each page is counted as home before it can be taken again, so the
 * difference is never above the truth.
 *
 * It rises by gets only. The owner looks when it finds its cache empty, and what it gets until it
 * looks again was in that cache: so the known peak is at most PP_CACHE_PAGES below the true one. It
 * needn't look before it has got as many pages as were missing to the peak the last time.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/peak.h"

#include "pool/cache.h"
#include "pool/remote.h"

void peak_home(struct pp_pool *pool, uint64_t n)
{
	env_add_relaxed(&pool->home_otherwise, n);
}

void peak_not_home(struct pp_pool *pool, uint64_t n)
{
	env_add_relaxed(&pool->home_otherwise, -n);
}

/* Pages taken that aren't home. */
static uint64_t count_out(const struct pp_pool *pool)
{
	uint64_t taken = env_load_relaxed(&pool->alloc_slow);
	uint64_t home = env_load_relaxed(&pool->recycle_cache_full) +
			env_load_relaxed(&pool->recycle_ring_full) +
			env_load_relaxed(&pool->home_otherwise);

	return taken > home ? taken - home : 0;
}

static void raise(struct pp_pool *pool, uint64_t now)
{
	uint64_t peak = env_load_relaxed(&pool->peak);

	while (now > peak && !env_cas_relaxed(&pool->peak, &peak, now))
		;
}

/* While the owner looks, in flight only falls: so nothing that is counted too late matters. */
static void look(struct pp_pool *pool)
{
	uint64_t out = count_out(pool), free = cache_total(pool);
	uint64_t now = out > free ? out - free : 0;

	raise(pool, now);
	pool->peak_due =
		env_load_relaxed(&pool->anchor->popped) + (env_load_relaxed(&pool->peak) - now);
}

void peak_look(struct pp_pool *pool)
{
	if (pool->tracked || env_load_relaxed(&pool->anchor->popped) >= pool->peak_due)
		look(pool);
}

void peak_look_past(struct pp_pool *pool)
{
	look(pool);
}

/* ---- by a reader -------------------------------------------------------------------------- */

/* What changes whenever a page goes from one place to another. */
static uint64_t moves(struct pp_pool *pool)
{
	const struct pp_anchor *anchor = pool->anchor;

	return env_load_acquire(&anchor->pushed) + env_load_acquire(&anchor->popped) +
	       env_load_relaxed(&pool->alloc_slow) + env_load_relaxed(&pool->recycle_cache_full) +
	       env_load_relaxed(&pool->recycle_ring_full) +
	       env_load_relaxed(&pool->home_otherwise) + remote_total(pool);
}

/*
 * The owner may be at work, and the parts not belong together. They do if nothing has moved
 * meanwhile; but for pages on their way from the rings to the cache.
 */
uint64_t peak_read(struct pp_pool *pool)
{
	if (pool_is_revoked(pool)) /* what came home was not counted */
		raise(pool, pool->in_flight_at_revoke);
	for (unsigned tries = 0; tries < 4 && !pool_is_over(pool); tries++) {
		uint64_t before = moves(pool), free, out;
		bool still = !env_load_acquire(&pool->refilling);

		free = cache_total(pool);
		out = count_out(pool);
		env_fence_seq_cst(); /* the first look before the second */
		if (!still || env_load_acquire(&pool->refilling) || moves(pool) != before)
			continue;
		raise(pool, out > free ? out - free : 0);
		break;
	}
	return env_load_relaxed(&pool->peak);
}
