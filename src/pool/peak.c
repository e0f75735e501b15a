/*
 * peak.c - the most pages that a pool had in flight at a time, without a word for it in get or put.
 *
 * What is in flight follows from counts that are kept anyway: pages taken from the chunks, less
 * what has come home because rings were full, or otherwise, less what cache and rings hold. Each
 * page is counted as home before it can be taken again, so the difference is never above the truth;
 * where a pop counts that has to be taken back (take.h), or not all of its pages go home, they are
 * in the hands of a call for that long.
 *
 * It rises by gets only. A getting thread looks when it finds its cache empty, and what it gets
 * until it looks again was in that cache: so the known peak is at most PP_CACHE_PAGES below the
 * true one for the owner and for each getter. An owner without getters needn't look before it has
 * got as many pages as were missing to the peak the last time. Pages on their way from one cache to
 * another, or from the rings to one, are in neither: whoever moves them, or looks, has the pool's
 * lock, but for the owner of a pool without getters.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/peak.h"

#include "pool/cache.h"
#include "pool/remote.h"

void peak_home(struct pp_pool *pool, uint64_t n)
{
	env_add_relaxed(&pool->home, n);
}

void peak_not_home(struct pp_pool *pool, uint64_t n)
{
	env_add_acq_rel(&pool->home, -n); /* where they are now is to be seen before it */
}

static void raise(struct pp_pool *pool, uint64_t now)
{
	uint64_t peak = env_load_relaxed(&pool->peak);

	while (now > peak && !env_cas_relaxed(&pool->peak, &peak, now))
		;
}

/*
 * At least so many are in flight at some moment of the call: when `home` is read. What left caches,
 * rings and chunks is read before that, what came to the former after it: so a page that moves
 * meanwhile counts as free, perhaps twice. If none does the result is exact.
 */
static uint64_t in_flight_at_least(struct pp_pool *pool)
{
	uint64_t left = remote_taken(pool), taken, home, came = 0, out;
	int64_t free;

	for (const struct pp_anchor *a = first_anchor(pool); a; a = a->next)
		left += env_load_acquire(&a->popped) + env_load_acquire(&a->taken);
	if (env_load_acquire(&pool->refilling)) /* from the rings, and not yet in the cache */
		return 0;
	taken = env_load_acquire(&pool->alloc_slow);
	home = env_load_acquire(&pool->recycle_ring_full) + env_load_acquire(&pool->home);
	for (const struct pp_anchor *a = first_anchor(pool); a; a = a->next)
		came += env_load_acquire(&a->pushed);
	free = (int64_t)(came + remote_total(pool) - left);
	out = taken > home ? taken - home : 0;
	if (free > 0)
		out = out > (uint64_t)free ? out - (uint64_t)free : 0;
	return out;
}

static void look(struct pp_pool *pool)
{
	bool getters = has_getters(pool);
	uint64_t now = in_flight_at_least(pool);

	if (getters != has_getters(pool))
		return; /* a getter may have been moving pages, with a lock that we don't have */
	if (pool_is_over(pool)) /* what was drained came home, and counts as cached still */
		return;
	raise(pool, now);
	if (!getters)
		pool->peak_due = env_load_relaxed(&pool->anchor->popped) +
				 (env_load_relaxed(&pool->peak) - now);
}

void peak_look(struct pp_pool *pool)
{
	if (has_getters(pool) || pool->tracked ||
	    env_load_relaxed(&pool->anchor->popped) >= pool->peak_due)
		look(pool);
}

void peak_look_past(struct pp_pool *pool)
{
	look(pool);
}

uint64_t peak_read(struct pp_pool *pool)
{
	if (pool_is_revoked(pool)) /* as in look() */
		raise(pool, pool->in_flight_at_revoke);
	else if (!pool_is_over(pool))
		raise(pool, in_flight_at_least(pool));
	return env_load_relaxed(&pool->peak);
}
