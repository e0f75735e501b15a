/*
 * cache.c - the getting thread's side, which is the owner's or a getter's, from get down to growth:
 * to be read upwards from pp_page_get, as what is called stands above its caller. Its cache is
 * popped, and refilled from what others gave back (remote.c), from the chunks (chunk.c), from new
 * ones (grow.c), or from the caches of others (take.c); its puts go there. Each use of the cache
 * ends with a look at the flag: revoke.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/cache.h"

#include "pool/chunk.h"
#include "pool/getter.h"
#include "pool/grow.h"
#include "pool/holders.h"
#include "pool/peak.h"
#include "pool/reclaim.h"
#include "pool/remote.h"
#include "pool/sample.h"
#include "pool/take.h"

__thread struct pp_self pp_self __attribute__((tls_model("initial-exec")));

/*
 * Pop n of the `count` entries of one of the pool's anchors into out. False: the flag is up, and
 * nothing was popped. Model: revoke.pml and take.pml, cache_pop.
 */
static inline bool cache_pop(struct pp_anchor *anchor, uint32_t count, struct pp_page **out,
			     uint32_t n)
{
	env_copy_relaxed(out, anchor->slot + count - n, n);
	owner_add(&anchor->popped, n);
	if (!revoke_seen(anchor))
		return true;
	pop_raced(anchor, n);
	return false;
}

/* ---- get: refill the empty cache ------------------------------------------------------- */

/* The flag, for an owner, who may be waited for without being in anybody's way. */
static inline bool take_is_over(const struct pp_anchor *anchor)
{
	return env_unlikely(revoke_look(anchor) & ~ANCHOR_WAITING);
}

/*
 * Fill the empty cache of the owner from the remote frees, without the lock: of a pool without
 * getters. While `refilling` is up the revoker leaves them to us, and so do the first getters; what
 * the revoker leaves, we drain when we see the flag. Returns the pages now in the cache.
 * Model: revoke.pml, take_remote.
 */
static uint32_t take_remote(struct pp_pool *pool)
{
	struct pp_anchor *anchor = pool->anchor;
	uint32_t n = 0;

	env_store_release(&pool->refilling, 1);
	if (!take_is_over(anchor) && !has_getters(pool)) { /* which come after the light barrier */
		n = remote_take(pool, anchor->slot, POOL_CACHE);
		env_add_relaxed(&pool->filled, n);
		owner_add(&anchor->pushed, n);
	}
	env_store_release(&pool->refilling, 0);
	if (!take_is_over(anchor))
		return n;
	take_raced(pool, anchor); /* the cache may have fewer now */
	return pool_is_over(pool) ? 0 : cache_count(anchor);
}

/* Of a pool with getters. Lock held. */
static unsigned refill_remote(struct pp_pool *pool, struct pp_page **out)
{
	unsigned n = remote_take(pool, out, POOL_REFILL);

	env_add_relaxed(&pool->alloc_refill, n != 0);
	return n;
}

static unsigned take_free(struct pp_pool *pool, struct pp_page **out)
{
	unsigned n = pool_take_free(pool, out, POOL_REFILL);

	env_add_relaxed(&pool->alloc_slow, n);
	return n;
}

/*
 * Up to POOL_REFILL pages, from where they are to be had at the least cost. How many, or an errno.
 * Lock held.
 */
static int find_some(struct pp_page **out, struct pp_anchor *anchor, bool grow)
{
	struct pp_pool *pool = anchor->pool;
	bool remote = remote_is_ours(pool);
	unsigned n = 0;
	int ret = -ENOBUFS;

	if (pool_is_over(pool))
		return -ENODEV;
	if (remote && !remote_is_low(pool))
		n = refill_remote(pool, out);
	if (!n)
		n = take_free(pool, out);
	if (!n && remote)
		n = refill_remote(pool, out);
	if (!n && grow) {
		ret = pool_grow(pool, POOL_GROW);
		n = ret ? 0 : take_free(pool, out);
	}
	if (!n && has_getters(pool))
		n = take_from_others(pool, anchor, out, POOL_REFILL);
	return n ? (int)n : ret;
}

/*
 * Push them, and pop one for the caller, which nobody can take then. With the lock, which is needed
 * to revoke and to take: so these can't race with either.
 */
static void fill(struct pp_page **out, struct pp_anchor *anchor, struct pp_page *const *pages,
		 unsigned n)
{
	env_copy_backwards(anchor->slot, pages, n); /* the first to be the first out */
	env_add_relaxed(&anchor->pool->filled, n);
	owner_add(&anchor->pushed, n);
	*out = pages[0];
	owner_add(&anchor->popped, 1);
	env_add_relaxed(&anchor->pool->popped_otherwise, 1);
}

/* With the lock: so no page is on its way between caches. */
static void look_with_getters(struct pp_pool *pool)
{
	if (has_getters(pool))
		peak_look(pool);
}

/* Pages in a cache of the caller's, which is open now if others took from it. Lock held. */
static uint32_t settled_count(struct pp_pool *pool, struct pp_anchor *anchor)
{
	if (pool_is_over(pool))
		return 0;
	if (is_taken_from(anchor))
		cache_settle(pool, anchor);
	return cache_count(anchor);
}

/* A page, and more for the cache, unless it has some. 0, or an errno. Model: home.pml, refill. */
static int refill_locked(struct pp_page **out, struct pp_anchor *anchor, bool grow)
{
	struct pp_page *pages[POOL_REFILL];
	struct pp_pool *pool = anchor->pool;
	int ret = 0;

	pool_lock(pool);
	look_with_getters(pool);
	if (!settled_count(pool, anchor))
		ret = find_some(pages, anchor, grow);
	if (ret > 0)
		fill(out, anchor, pages, (unsigned)ret);
	pool_unlock(pool);
	return ret < 0 ? ret : 0;
}

/*
 * Fill the empty cache: from the remote frees, from the chunks, from new chunks if `grow`, from
 * others' caches. 0, or an errno. *out: a page, unless it is to be popped.
 *
 * Taking pages from an SPSC ring one by one, as soon as they arrive, moves the slots' cache line
 * and those of head and tail between the two threads for each. So a few are left there until they
 * are more, as long as there are pages elsewhere. Model: revoke.pml, owner_get.
 */
static int refill(struct pp_page **out, struct pp_pool *pool, struct pp_anchor *anchor, bool grow)
{
	int ret = -ENOBUFS;

	pool_round_look(pool);
	if (has_getters(pool))
		return refill_locked(out, anchor, grow);
	if (remote_is_low(pool))
		ret = refill_locked(out, anchor, false);
	if (ret != -ENOBUFS)
		return ret;
	if (take_remote(pool)) {
		env_add_relaxed(&pool->alloc_refill, 1);
		return 0;
	}
	return refill_locked(out, anchor, grow);
}

/* ---- get ------------------------------------------------------------------------------- */

/* Debug mode `pages`: one page, straight from its chunk, with its holder recorded. */
static int tracked_get(struct pp_page **out, struct pp_pool *pool, struct pp_anchor *anchor,
		       bool grow, const void *caller)
{
	int ret;

	if (misuse_handler(pool, "asked for", caller))
		return -EDEADLK; /* whose lock it may be */
	pool_round_look(pool);
	pool_lock(pool);
	look_with_getters(pool);
	ret = misuse_get(pool, anchor, caller);
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
	env_add_relaxed(&pool->alloc_slow, *out != NULL);
	return ret;
}

/* The page or, if *out is NULL, pages into the cache, which is empty. */
static int find_pages(struct pp_page **out, struct pp_pool *pool, struct pp_anchor *anchor,
		      bool grow, const void *caller)
{
	int ret;

	if (!has_getters(pool))
		peak_look(pool);
	do
		ret = pool->tracked ? tracked_get(out, pool, anchor, grow, caller) :
				      refill(out, pool, anchor, grow);
	while (ret && ret != -ENODEV && ret != -EDEADLK && wait_begin(pool));
	if (!ret && has_getters(pool))
		wait_look(anchor); /* who has failed may find what is in our cache now */
	else if (!ret)
		wait_end(pool, anchor); /* before anything is popped, which looks at the flag */
	return ret;
}

static bool pop_one(struct pp_page **out, struct pp_anchor *anchor)
{
	uint32_t count = cache_count(anchor);

	if (!count || !cache_pop(anchor, count, out, 1))
		return false;
	env_add_relaxed(&anchor->pool->popped_otherwise, 1);
	return true;
}

/* What one finds, another may take before it is popped; but not the page that comes by *out. */
static int get_anyhow(struct pp_page **out, struct pp_pool *pool, struct pp_anchor *anchor,
		      bool grow, const void *caller)
{
	int ret;

	for (;;) {
		if (pop_one(out, anchor)) /* it was closed, and isn't empty */
			return 0;
		*out = NULL;
		if (cache_count(anchor) && !pool_is_over(pool))
			continue;
		ret = find_pages(out, pool, anchor, grow, caller);
		if (ret || *out)
			return ret;
	}
}

int anchor_get_slow(struct pp_page **out, struct pp_pool *pool, struct pp_anchor *anchor, bool grow,
		    const void *caller)
{
	int ret;

	if (anchor_is_foreign(anchor))
		return anchor->copy->get(out, pool, anchor, grow, caller);
	env_add_relaxed(&pool->alloc_empty, !pool->tracked);
	ret = get_anyhow(out, pool, anchor, grow, caller);
	if (ret) {
		*out = NULL;
		env_add_relaxed(&pool->alloc_failed, 1);
	} else {
		PP_PROBE2(get, pool, 1);
		sample_some(pool, *out);
	}
	return ret;
}

int pp_page_get_slow(struct pp_page **out, struct pp_pool *pool)
{
	return anchor_get_slow(out, pool, pool->anchor, true, __builtin_return_address(0));
}

int page_get(struct pp_page **out, struct pp_pool *pool, const void *caller)
{
	return pp_fast_get(out, pool) ? 0 : anchor_get_slow(out, pool, pool->anchor, true, caller);
}

/* For callers that don't inline it, as is pp_page_put in remote.c. */
int pp_page_get(struct pp_page **out, struct pp_pool *pool)
{
	return page_get(out, pool, __builtin_return_address(0));
}

/* What the cache has, n at most. */
static inline unsigned pop_some(struct pp_page **out, unsigned n, struct pp_anchor *anchor)
{
	unsigned count = cache_count(anchor), k = n < count ? n : count;

	if (!k || !cache_pop(anchor, count, out, k))
		return 0;
	PP_PROBE2(get, anchor->pool, k);
	return k;
}

/* `got` of n are there. */
static __attribute__((noinline)) int get_rest(struct pp_page **out, unsigned got, unsigned n,
					      struct pp_pool *pool, struct pp_anchor *anchor,
					      bool grow, const void *caller)
{
	while (got < n) {
		int ret = anchor_get_slow(out + got, pool, anchor, grow, caller);

		if (ret)
			return got ? (int)got : ret;
		got++;
		got += pop_some(out + got, n - got, anchor);
	}
	return (int)got;
}

static inline __attribute__((always_inline)) int get_batch(struct pp_page **out, unsigned n,
							   struct pp_pool *pool,
							   struct pp_anchor *anchor, bool grow)
{
	unsigned got = pop_some(out, n, anchor);

	if (env_likely(got == n))
		return (int)n;
	return get_rest(out, got, n, pool, anchor, grow, __builtin_return_address(0));
}

int pp_getter_get_batch(struct pp_page **out, unsigned n, struct pp_getter *getter)
{
	return getter_is_usable(getter, __builtin_return_address(0)) ?
		       get_batch(out, n, getter->anchor.pool, &getter->anchor, true) :
		       -EINVAL;
}

int pp_getter_get_nogrow(struct pp_page **out, unsigned n, struct pp_getter *getter)
{
	return getter_is_usable(getter, __builtin_return_address(0)) ?
		       get_batch(out, n, getter->anchor.pool, &getter->anchor, false) :
		       -EINVAL;
}

int pp_page_get_batch(struct pp_page **out, unsigned n, struct pp_pool *pool)
{
	return get_batch(out, n, pool, pool->anchor, true);
}

int pp_page_get_nogrow(struct pp_page **out, unsigned n, struct pp_pool *pool)
{
	return get_batch(out, n, pool, pool->anchor, false);
}

/* ---- put: into one's own cache --------------------------------------------------------- */

/* If others took from it, and nobody has the lock: a put doesn't wait for gets. */
static void cache_reopen(struct pp_pool *pool, struct pp_anchor *anchor)
{
	if (!is_taken_from(anchor) || !env_trylock(&pool->lock))
		return;
	settled_count(pool, anchor);
	pool_unlock(pool);
}

/*
 * Pages that were popped, and counted as home, needn't go: into the cache again, if it's open, and
 * has room still, as what came home may have called a report function that puts. Returns how many
 * went home.
 */
static uint32_t spill_back(struct pp_pool *pool, struct pp_anchor *anchor,
			   struct pp_page *const *pages, uint32_t n)
{
	if (!anchor_is_open(anchor) || !cache_has_room(anchor, n)) {
		pool_free_pages(pages, n);
		return n;
	}
	env_add_relaxed(&pool->filled, n);
	cache_push(anchor, pages, n);
	peak_not_home(pool, n);
	return 0;
}

/*
 * The cache is full: its newer half goes home, chunk by chunk, and no more of it than is needed to
 * make room once chunks have been trimmed. The caller's pages aren't home, so the pool exists.
 */
static void cache_spill(struct pp_pool *pool, struct pp_anchor *anchor, uint32_t room)
{
	uint64_t trimmed = env_load_relaxed(&pool->n_released);
	struct pp_page *pages[POOL_REFILL];
	uint32_t n = 0;

	peak_home(pool, POOL_REFILL);
	if (!cache_pop(anchor, cache_count(anchor), pages, POOL_REFILL)) {
		peak_not_home(pool, POOL_REFILL);
		return;
	}
	env_add_relaxed(&pool->popped_otherwise, POOL_REFILL);
	do
		n += pool_free_some(pages + n, POOL_REFILL - n);
	while (n < POOL_REFILL && (n < room || env_load_relaxed(&pool->n_released) == trimmed));
	if (n < POOL_REFILL)
		n += spill_back(pool, anchor, pages + n, POOL_REFILL - n);
	env_add_relaxed(&pool->recycle_cache_full, n);
}

/* Model: revoke.pml and own.pml, cache_put. */
void cache_put_full(struct pp_pool *pool, struct pp_anchor *anchor, struct pp_page *const *pages,
		    uint32_t n, const void *caller)
{
	PP_PROBE2(put, pool, n);
	cache_reopen(pool, anchor);
	if (anchor_is_open(anchor)) {
		own_inline(anchor);
		if (!cache_has_room(anchor, n))
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

void cache_empty(struct pp_pool *pool, struct pp_anchor *anchor)
{
	struct pp_page *pages[POOL_REFILL];
	uint32_t count;

	while ((count = cache_count(anchor))) {
		uint32_t n = count < POOL_REFILL ? count : POOL_REFILL;

		peak_home(pool, n);
		if (cache_pop(anchor, count, pages, n)) {
			env_add_relaxed(&pool->popped_otherwise, n);
			pool_free_pages(pages, n);
		} else {
			peak_not_home(pool, n);
		}
	}
	if (has_getters(pool))
		wait_look(anchor);
}

/* The remote frees of a pool with getters, which any thread may take with the lock. */
static void empty_remote_locked(struct pp_pool *pool)
{
	struct pp_page *pages[POOL_REFILL];
	unsigned n;

	do {
		pool_lock(pool);
		n = 0;
		if (!pool_is_over(pool) && remote_is_ours(pool))
			n = remote_take(pool, pages, POOL_REFILL);
		peak_home(pool, n);
		pool_free_pages(pages, n);
		pool_unlock(pool);
	} while (n);
	wait_look(pool_anchor(pool));
}

void cache_empty_remote(struct pp_pool *pool)
{
	while (!pool->tracked && !has_getters(pool) && take_remote(pool))
		cache_empty(pool, pool->anchor);
	if (has_getters(pool))
		empty_remote_locked(pool);
}

uint64_t cache_total(struct pp_pool *pool)
{
	int64_t n = 0;

	for (const struct pp_anchor *a = first_anchor(pool); a; a = a->next)
		n += cache_left(a);
	return (n > 0 ? (uint64_t)n : 0) + remote_count(pool);
}

/* Not below 0: the two are not read at the same moment. */
static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void cache_stats(struct pp_pool *pool, struct pp_pool_stats *s)
{
	uint64_t pushed = 0, popped = 0;

	for (const struct pp_anchor *a = pool->anchors; a; a = a->next) {
		pushed += env_load_relaxed(&a->pushed);
		popped += env_load_relaxed(&a->popped);
	}
	s->recycle_cached = less(pushed, env_load_relaxed(&pool->filled));
	s->alloc_fast = less(popped, env_load_relaxed(&pool->popped_otherwise));
	s->recycle_ring = remote_total(pool);
}
