/*
 * cache.h - the side of who gets, the owner or a getter's thread, here its anchor's owner: the
 * cache, get, and its own puts. Uses pool.h, owner.h, refs.h and revoke.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_CACHE_H
#define POOL_CACHE_H

#include "pool/known.h"
#include "pool/owner.h"
#include "pool/refs.h"
#include "pool/revoke.h"

/* What the counts say is in the cache; approximate unless the caller is the owner. */
static inline uint32_t cache_count(const struct pp_anchor *anchor)
{
	return (uint32_t)(env_load_relaxed(&anchor->pushed) - env_load_relaxed(&anchor->popped));
}

static inline bool cache_has_room(const struct pp_anchor *anchor, uint32_t n)
{
	return cache_count(anchor) + n <= POOL_CACHE;
}

/* A count of the owner's goes up by n. Release: for whoever drains. */
static inline void owner_add(uint64_t *count, uint32_t n)
{
	env_store_release(count, env_load_relaxed(count) + n);
}

/* The end of a push of n entries above the count. They, and the pool, may be gone after it. */
static inline void cache_pushed(struct pp_anchor *anchor, uint32_t n)
{
	owner_add(&anchor->pushed, n);
	if (revoke_seen(anchor))
		pp_page_put_raced(anchor);
}

/* Push pages for which there is room. Model: revoke.pml, cache_push. */
static inline void cache_push(struct pp_anchor *anchor, struct pp_page *const *pages, uint32_t n)
{
	env_copy_relaxed(anchor->slot + cache_count(anchor), pages, n);
	cache_pushed(anchor, n);
}

/* From now on the owner's puts to this cache, which is open, are the inline ones. */
static inline void own_inline(struct pp_anchor *anchor)
{
	pp_self = (struct pp_self){ PAGE_REFS(1) | anchor->number, anchor,
				    env_load_relaxed(&anchor->owner) };
	known_add_own(&pp_self);
}

/* The owner's put, if the cache is open and has room. */
static inline bool cache_put(struct pp_anchor *anchor, struct pp_page *const *pages, uint32_t n)
{
	if (!cache_has_room(anchor, n) || !anchor_is_open(anchor))
		return false;
	own_inline(anchor);
	PP_PROBE2(put, anchor->pool, n); /* before: pages and pool may be gone after it */
	cache_push(anchor, pages, n);
	return true;
}

static inline bool cache_put_one(struct pp_anchor *anchor, struct pp_page *page)
{
	uint32_t count = cache_count(anchor);

	if (count >= POOL_CACHE || !anchor_is_open(anchor))
		return false;
	own_inline(anchor);
	PP_PROBE2(put, anchor->pool, 1);
	env_store_relaxed(&anchor->slot[count], page);
	cache_pushed(anchor, 1);
	return true;
}

/* The same if not: POOL_REFILL pages at most. The owner, or who was it a moment ago. */
void cache_put_full(struct pp_pool *pool, struct pp_anchor *anchor, struct pp_page *const *pages,
		    uint32_t n, const void *caller);

/* pp_page_get for a caller of our own; caller: its caller. */
int page_get(struct pp_page **out, struct pp_pool *pool, const void *caller);
/*
 * The same by any anchor, when its cache was found empty or closed; also for another copy of the
 * library. Without `grow`, only if the pool has one: else -ENOBUFS.
 */
int anchor_get_slow(struct pp_page **out, struct pp_pool *pool, struct pp_anchor *anchor, bool grow,
		    const void *caller);

/* All that is in the cache of a live pool goes home; and in the remote frees. Lock not held. */
void cache_empty(struct pp_pool *pool, struct pp_anchor *anchor);
void cache_empty_remote(struct pp_pool *pool); /* of a pool with getters, or the caller's */
/* Pages in caches and remote frees, and the counters: approximate while the pool is in use. */
uint64_t cache_total(struct pp_pool *pool);
void cache_stats(struct pp_pool *pool, struct pp_pool_stats *s); /* lock held */

/* Copy pages with this key; up to the first that has another, or n. */
static inline unsigned put_run(struct pp_page **to, struct pp_page *const *pages, unsigned n,
			       uint64_t key)
{
	struct pp_page *const *p = pages, *const *end = pages + n;

	for (; end - p >= 8; p += 8, to += 8) {
		ENV_UNROLL
		for (unsigned i = 0; i < 8; i++) {
			struct pp_page *page = p[i];

			if (env_unlikely(env_load_acquire(&page->state) != key))
				return (unsigned)(p - pages) + i;
			env_store_relaxed(&to[i], page);
		}
	}
	for (; p < end && env_load_acquire(&(*p)->state) == key; p++)
		env_store_relaxed(to++, *p);
	return (unsigned)(p - pages);
}

#endif
