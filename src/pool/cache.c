/*
 * cache.c - the owner's side of a pool, from get down to growth: the cache is popped, refilled
 * from what others gave back (remote.c), from the chunks (chunk.c), from new ones (grow.c); and the
 * puts of the owner into it. Each use of the cache ends with a look at the flag: revoke.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/cache.h"

#include "pool/chunk.h"
#include "pool/grow.h"
#include "pool/holders.h"
#include "pool/peak.h"
#include "pool/reclaim.h"
#include "pool/remote.h"

__thread struct pp_self pp_self __attribute__((tls_model("initial-exec")));

/*
 * Pop n of the `count` entries of one of the pool's anchors into out. False: the flag is up, and
 * nothing was popped. Model: revoke.pml, cache_pop.
 */
static inline bool cache_pop(struct pp_pool *pool, struct pp_anchor *anchor, uint32_t count,
			     struct pp_page **out, uint32_t n)
{
	env_copy_relaxed(out, anchor->slot + count - n, n);
	owner_add(&anchor->popped, n);
	if (!revoke_seen(anchor))
		return true;
	pop_raced(pool, anchor, n);
	return false;
}

/* ---- get: refill the empty cache ------------------------------------------------------- */

/* The flag, for an owner, who may be waited for without being in anybody's way. */
static inline bool take_is_over(const struct pp_anchor *anchor)
{
	return env_unlikely(revoke_look(anchor) & ~(uint32_t)ANCHOR_WAITED);
}

/*
 * Fill the empty cache from the remote frees. While `refilling` is up the revoker leaves them
 * to us; what it leaves, we drain when we see the flag. Returns the pages now in the cache.
 * Model: revoke.pml, take_remote.
 */
static uint32_t take_remote(struct pp_pool *pool)
{
	struct pp_anchor *anchor = pool->anchor;
	uint32_t n = 0;

	env_store_release(&pool->refilling, 1);
	if (!take_is_over(anchor)) {
		n = remote_take(pool, anchor->slot, POOL_CACHE);
		env_count(&pool->filled, n);
		owner_add(&anchor->pushed, n);
	}
	env_store_release(&pool->refilling, 0);
	if (!take_is_over(anchor))
		return n;
	take_raced(pool);
	return 0;
}

/*
 * Fill the empty cache from the chunks, or from new ones if `grow`. Returns how many pages
 * are in it now, or an errno. Model: home.pml, refill.
 */
static int refill_from_chunks(struct pp_pool *pool, bool grow)
{
	struct pp_page *pages[POOL_REFILL];
	unsigned n = 0;
	int ret = 0;

	pool_lock(pool);
	if (pool_is_over(pool))
		ret = -ENODEV;
	else
		n = pool_take_free(pool, pages, POOL_REFILL);
	if (!ret && !n && grow) {
		ret = pool_grow(pool, POOL_GROW);
		n = ret ? 0 : pool_take_free(pool, pages, POOL_REFILL);
	}
	/* under the lock, which the revoker needs: so these can't race with it */
	for (unsigned i = 0; i < n; i++) /* lowest address first out */
		env_store_relaxed(&pool->anchor->slot[i], pages[n - 1 - i]);
	env_count(&pool->filled, n);
	owner_add(&pool->anchor->pushed, n);
	pool_unlock(pool);
	env_count(&pool->alloc_slow, n);
	return ret ? ret : (int)n;
}

/*
 * Fill the empty cache: from the remote frees, from the chunks, from new chunks if `grow`. 0, or an
 * errno.
 *
 * Taking pages from an SPSC ring one by one, as soon as they arrive, moves the slots' cache line
 * and those of head and tail between the two threads for each. So a few are left there until they
 * are more, as long as there are pages elsewhere. Model: revoke.pml, owner_get.
 */
static int refill(struct pp_pool *pool, bool grow)
{
	int n = 0;

	if (remote_is_low(pool))
		n = refill_from_chunks(pool, false);
	if (n)
		return n < 0 ? n : 0;
	if (take_remote(pool)) {
		env_count(&pool->alloc_refill, 1);
		return 0;
	}
	n = refill_from_chunks(pool, grow);
	return n > 0 ? 0 : n ? n : -ENOBUFS;
}

/* ---- get ------------------------------------------------------------------------------- */

/* Debug mode `pages`: one page, straight from its chunk, with its holder recorded. */
static int tracked_get(struct pp_page **out, struct pp_pool *pool, bool grow, const void *caller)
{
	int ret;

	*out = NULL;
	if (misuse_handler(pool, "asked for", caller))
		return -EDEADLK; /* whose lock it may be */
	pool_lock(pool);
	ret = misuse_get(pool, caller);
	if (!ret)
		pool_reclaim_complete(pool);
	if (!ret && pool_is_over(pool))
		ret = -ENODEV;
	else if (!ret && !pool_take_free(pool, out, 1))
		ret = grow ? pool_grow(pool, POOL_GROW) : -ENOBUFS;
	if (!ret && !*out)
		pool_take_free(pool, out, 1);
	if (*out)
		holders_got(*out, caller);
	pool_unlock(pool);
	env_count(&pool->alloc_slow, *out != NULL);
	return ret;
}

/* Pages into the cache or, tracked, the page. */
static int find_pages(struct pp_page **out, struct pp_pool *pool, bool grow, const void *caller)
{
	int ret;

	env_count(&pool->alloc_empty, !pool->tracked);
	peak_look(pool);
	do
		ret = pool->tracked ? tracked_get(out, pool, grow, caller) : refill(pool, grow);
	while (ret && ret != -ENODEV && ret != -EDEADLK && wait_begin(pool));
	if (!ret)
		wait_end(pool->anchor); /* before anything is popped, which looks at the flag */
	return ret;
}

int page_get_slow(struct pp_page **out, struct pp_pool *pool, bool grow, const void *caller)
{
	int ret;

	if (anchor_is_foreign(pool->anchor))
		return pool->anchor->copy->get(out, pool, grow, caller);
	ret = find_pages(out, pool, grow, caller);
	if (!ret && !pool->tracked) {
		if (cache_pop(pool, pool->anchor, cache_count(pool->anchor), out, 1))
			env_add_relaxed(&pool->popped_otherwise, 1);
		else
			ret = -ENODEV;
	}
	if (ret) {
		*out = NULL;
		env_count(&pool->alloc_failed, 1);
	} else {
		PP_PROBE2(get, pool, 1);
	}
	return ret;
}

int pp_page_get_slow(struct pp_page **out, struct pp_pool *pool)
{
	return page_get_slow(out, pool, true, __builtin_return_address(0));
}

int page_get(struct pp_page **out, struct pp_pool *pool, const void *caller)
{
	return pp_fast_get(out, pool) ? 0 : page_get_slow(out, pool, true, caller);
}

/* For callers that don't inline it, as is pp_page_put in remote.c. */
int pp_page_get(struct pp_page **out, struct pp_pool *pool)
{
	return page_get(out, pool, __builtin_return_address(0));
}

static inline __attribute__((always_inline)) int get_batch(struct pp_page **out, unsigned n,
							   struct pp_pool *pool, bool grow)
{
	unsigned got = 0;

	while (got < n) {
		struct pp_anchor *anchor = pool->anchor;
		unsigned count = cache_count(anchor), k = n - got < count ? n - got : count;

		if (!k || !cache_pop(pool, anchor, count, out + got, k)) {
			int ret = page_get_slow(out + got, pool, grow, __builtin_return_address(0));

			if (ret)
				return got ? (int)got : ret;
			k = 1;
		} else {
			PP_PROBE2(get, pool, k);
		}
		got += k;
	}
	return (int)got;
}

int pp_page_get_batch(struct pp_page **out, unsigned n, struct pp_pool *pool)
{
	return get_batch(out, n, pool, true);
}

int pp_page_get_nogrow(struct pp_page **out, unsigned n, struct pp_pool *pool)
{
	return get_batch(out, n, pool, false);
}

/* ---- put: the owner's ------------------------------------------------------------------ */

/*
 * The cache is full: its newer half goes home, a few at a time, and no more of it than is needed to
 * make room once chunks have been trimmed. The caller's pages aren't home, so the pool exists.
 */
static void cache_spill(struct pp_pool *pool, struct pp_anchor *anchor, uint32_t room)
{
	uint64_t trimmed = env_load_relaxed(&pool->n_released);
	struct pp_page *pages[POOL_SPILL];
	uint32_t n = 0;

	do {
		env_add_relaxed(&pool->recycle_cache_full, POOL_SPILL);
		if (!cache_pop(pool, anchor, cache_count(anchor), pages, POOL_SPILL)) {
			peak_not_home(pool, POOL_SPILL);
			return;
		}
		env_add_relaxed(&pool->popped_otherwise, POOL_SPILL);
		pool_free_pages(pages, POOL_SPILL);
		n += POOL_SPILL;
	} while (n < POOL_REFILL && (n < room || env_load_relaxed(&pool->n_released) == trimmed));
}

/* Model: revoke.pml and own.pml, cache_put. */
void cache_put_full(struct pp_pool *pool, struct pp_anchor *anchor, struct pp_page *const *pages,
		    uint32_t n, const void *caller)
{
	PP_PROBE2(put, pool, n);
	if (anchor_is_open(anchor)) { /* then it was found full */
		own_inline(anchor);
		cache_spill(pool, anchor, n);
	}
	/* It may be closed by now; the pages aren't home, so the pool is still there. */
	if (anchor_is_open(anchor) && cache_has_room(anchor, n)) {
		cache_push(anchor, pages, n);
		return;
	}
	env_add_relaxed(&pool->recycle_ring_full, n);
	chunk_put_pages(pool, pages, n, caller);
	wait_look(anchor);
}

void pp_page_put_batch(struct pp_page *const *pages, unsigned n)
{
	struct pp_anchor *anchor = pp_self.anchor;
	unsigned done = 0;

	/* as many as go straight into this thread's cache: see pp_page_put */
	if (anchor && env_load_relaxed(&anchor->owner) == pp_self.thread_id &&
	    cache_has_room(anchor, n)) {
		done = put_run(anchor->slot + cache_count(anchor), pages, n, pp_self.owned);
		if (done) {
			PP_PROBE2(put, anchor->pool, done);
			cache_pushed(anchor, done);
		}
	}
	if (env_unlikely(done < n))
		remote_put_batch(pages + done, n - done, __builtin_return_address(0));
}

/* ---- statistics, trimming -------------------------------------------------------------- */

void cache_empty(struct pp_pool *pool)
{
	struct pp_page *pages[POOL_REFILL];

	do {
		uint32_t count = cache_count(pool->anchor);
		uint32_t n = count < POOL_REFILL ? count : POOL_REFILL;

		peak_home(pool, n);
		if (n && cache_pop(pool, pool->anchor, count, pages, n)) {
			env_add_relaxed(&pool->popped_otherwise, n);
			pool_free_pages(pages, n);
		} else {
			peak_not_home(pool, n);
		}
	} while (cache_count(pool->anchor) || (!pool->tracked && take_remote(pool)));
}

uint64_t cache_total(struct pp_pool *pool)
{
	return cache_count(pool->anchor) + remote_count(pool);
}

/* Not below 0: the two are not read at the same moment. */
static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void cache_stats(struct pp_pool *pool, struct pp_pool_stats *s)
{
	const struct pp_anchor *anchor = pool->anchor;

	s->recycle_cached =
		less(env_load_relaxed(&anchor->pushed), env_load_relaxed(&pool->filled));
	s->alloc_fast =
		less(env_load_relaxed(&anchor->popped), env_load_relaxed(&pool->popped_otherwise));
	s->recycle_ring = remote_total(pool);
}
