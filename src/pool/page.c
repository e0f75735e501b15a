/*
 * page.c - get and put: the owner's cache, the return ring, references. The fast paths,
 * and their side of the revocation protocol (pool.h, "the one subtle protocol").
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

#define RING_CLOSED (1ull << 63)

static bool gate_revoked(const struct gate *gate)
{
	return env_unlikely(env_load_relaxed(&gate->revoked));
}

static bool is_owner(const struct pp_pool *pool)
{
	return env_is_self(env_load_relaxed(&pool->owner));
}

/* ---- cache: the owner's side ------------------------------------------------------- */

/*
 * The flag was seen after popping n entries from `lo` up. What the drain took is NULL;
 * the rest is ours, and goes home, as nothing is handed out any more.
 */
static __attribute__((noinline)) void pop_raced(struct pp_pool *pool, uint32_t lo, uint32_t n)
{
	pool_lock(pool);
	for (uint32_t i = lo; i < lo + n; i++) {
		struct pp_page *page = env_xchg_acq_rel(&pool->cache[i], NULL);

		if (page)
			pool_bring_home(&page, 1);
	}
	pool_drain(pool);
	pool_unlock(pool);
}

/* Pop n entries, which are there, into out. False: revoked, and nothing was popped. */
static inline bool cache_pop(struct pp_pool *pool, struct pp_page **out, uint32_t n)
{
	uint32_t lo = env_load_relaxed(&pool->count) - n;

	for (uint32_t i = 0; i < n; i++)
		out[i] = env_load_relaxed(&pool->cache[lo + i]);
	env_store_release(&pool->count, lo);
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (!gate_revoked(pool->gate))
		return true;
	pop_raced(pool, lo, n);
	return false;
}

/* Push pages for which there is room. They, and the pool, may be gone after it. */
static inline void cache_push(struct pp_pool *pool, struct pp_page *const *pages, uint32_t n)
{
	struct gate *gate = pool->gate;
	uint32_t count = env_load_relaxed(&pool->count);

	for (uint32_t i = 0; i < n; i++)
		env_store_relaxed(&pool->cache[count + i], pages[i]);
	env_store_release(&pool->count, count + n);
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (gate_revoked(gate))
		gate_raced(gate);
}

static inline bool cache_has_room(const struct pp_pool *pool, uint32_t n)
{
	return env_load_relaxed(&pool->count) + n <= env_load_relaxed(&pool->cap);
}

/* Pages that have no other place go home; in a watched pool all of them do. */
static void bring_home(struct pp_pool *pool, struct pp_page *const *pages, uint32_t n,
		       const void *place)
{
	if (!pool->watch) {
		pool_bring_home(pages, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++) /* the pool is there until the last of them is home */
		if (watch_put(pages[i], place))
			pool_bring_home(pages + i, 1);
}

/* The cache is full: the newer half goes home. */
static void cache_spill(struct pp_pool *pool)
{
	struct pp_page *pages[POOL_REFILL];

	env_count(&pool->recycle_cache_full, POOL_REFILL);
	if (cache_pop(pool, pages, POOL_REFILL))
		pool_bring_home(pages, POOL_REFILL);
}

/* The owner puts pages for which there is no room: the cache is full, or closed for good. */
static __attribute__((noinline)) void cache_overflow(struct pp_pool *pool,
						     struct pp_page *const *pages, uint32_t n,
						     const void *place)
{
	if (env_load_relaxed(&pool->cap) && env_load_relaxed(&pool->count) >= POOL_REFILL)
		cache_spill(pool);
	/* the pages aren't home, so the pool is still there; it may be revoked by now */
	if (!cache_has_room(pool, n)) {
		bring_home(pool, pages, n, place);
		return;
	}
	env_count(&pool->recycle_cached, n);
	cache_push(pool, pages, n);
}

/* At most POOL_REFILL pages. */
static inline void owner_put(struct pp_pool *pool, struct pp_page *const *pages, uint32_t n,
			     const void *place)
{
	if (env_unlikely(!cache_has_room(pool, n))) {
		cache_overflow(pool, pages, n, place);
		return;
	}
	env_count(&pool->recycle_cached, n);
	cache_push(pool, pages, n);
}

/* ---- ring: any thread puts, the owner takes ------------------------------------------ */

/*
 * Push up to n pages; returns how many there was room for. Of these none may be touched
 * any more, nor, if it was all, the pool.
 *
 * A putter first takes its slots, by moving the tail, then fills them. The owner stops
 * at a slot that isn't filled yet: it never waits for a putter, nor the other way round.
 */
static unsigned ring_push(struct pp_pool *pool, struct pp_page *const *pages, unsigned n)
{
	struct gate *gate = pool->gate;
	uint64_t tail = env_load_relaxed(&pool->ring_tail);
	uint64_t room;
	unsigned k;

	do {
		if (tail & RING_CLOSED)
			return 0;
		/* acquire: the slots up to it have been emptied (ring_take) */
		room = POOL_RING - (tail - env_load_acquire(&pool->ring_head));
		k = n < room ? n : (unsigned)room;
		if (!k || room > POOL_RING) /* a tail that is stale: as good as full */
			return 0;
	} while (!env_cas_acq_rel(&pool->ring_tail, &tail, tail + k));
	for (unsigned i = 0; i < k; i++)
		env_store_release(&pool->ring[(tail + i) % POOL_RING], pages[i]);
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (gate_revoked(gate))
		gate_raced(gate);
	return k;
}

/*
 * Fill the empty cache from the ring. While `refilling` is up the revoker leaves the ring
 * to us; what it leaves, we drain when we see the flag. Returns the pages now in the cache.
 */
static uint32_t ring_take(struct pp_pool *pool)
{
	uint64_t pos = pool->ring_pos;
	uint32_t n = 0;

	env_store_release(&pool->refilling, 1);
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (!gate_revoked(pool->gate)) {
		struct pp_page *page;

		while (n < POOL_CACHE &&
		       (page = env_load_acquire(&pool->ring[pos % POOL_RING]))) {
			env_store_relaxed(&pool->ring[pos % POOL_RING], NULL);
			env_store_relaxed(&pool->cache[n++], page);
			pos++;
		}
		pool->ring_pos = pos;
		env_store_release(&pool->ring_head, pos);
		env_store_release(&pool->count, n);
	}
	env_store_release(&pool->refilling, 0);
	env_barrier_light(); /* the same, for the end of it */
	if (!gate_revoked(pool->gate))
		return n;
	pool_lock(pool);
	pool_drain(pool);
	pool_unlock(pool);
	return 0;
}

/* ---- the revoker's side, lock held -------------------------------------------------------- */

/* Close cache and ring for good: gets and puts go the long way. */
void place_close(struct pp_pool *pool)
{
	env_store_relaxed(&pool->cap, 0);
	env_or_seq_cst(&pool->ring_tail, RING_CLOSED);
}

/* Take everything out of the places and bring it home. After the heavy barrier only. */
void place_drain(struct pp_pool *pool)
{
	uint32_t count = env_load_acquire(&pool->count);

	for (uint32_t i = 0; i < count; i++) {
		struct pp_page *page = env_xchg_acq_rel(&pool->cache[i], NULL);

		if (page)
			pool_bring_home(&page, 1);
	}
	if (env_load_acquire(&pool->refilling))
		return; /* the owner is at the ring, and will see the flag when it is done */
	for (uint32_t i = 0; i < POOL_RING; i++) {
		struct pp_page *page = env_load_relaxed(&pool->ring[i]);

		if (page)
			page = env_xchg_acq_rel(&pool->ring[i], NULL);
		if (page)
			pool_bring_home(&page, 1);
	}
}

void place_empty(struct pp_pool *pool)
{
	struct pp_page *pages[POOL_REFILL];

	do {
		uint32_t count = env_load_relaxed(&pool->count);
		uint32_t n = count < POOL_REFILL ? count : POOL_REFILL;

		if (n && cache_pop(pool, pages, n))
			pool_bring_home(pages, n);
	} while (env_load_relaxed(&pool->count) || (!pool->watch && ring_take(pool)));
}

uint64_t place_ring_total(struct pp_pool *pool)
{
	return env_load_relaxed(&pool->ring_tail) & ~RING_CLOSED;
}

uint64_t place_count(struct pp_pool *pool)
{
	uint64_t tail = place_ring_total(pool);
	uint64_t head = env_load_relaxed(&pool->ring_head);

	return env_load_relaxed(&pool->count) + (tail > head ? tail - head : 0);
}

/* ---- get ------------------------------------------------------------------------------------ */

/* Fill the empty cache: from the ring, from the chunks, from new chunks. Or an errno. */
static int refill(struct pp_pool *pool)
{
	struct pp_page *pages[POOL_REFILL];
	unsigned n;
	int ret = 0;

	env_count(&pool->alloc_empty, 1);
	n = ring_take(pool);
	if (n) {
		env_count(&pool->alloc_refill, 1);
		return 0;
	}
	pool_lock(pool);
	if (pool->revoked)
		ret = -ENODEV;
	n = ret ? 0 : pool_take_home(pool, pages, POOL_REFILL);
	if (!ret && !n) {
		ret = pool_grow(pool);
		n = ret ? 0 : pool_take_home(pool, pages, POOL_REFILL);
	}
	/* under the lock, which the revoker needs: no race for these */
	for (unsigned i = 0; i < n; i++)
		env_store_relaxed(&pool->cache[i], pages[n - 1 - i]); /* lowest address first out */
	if (n)
		env_store_release(&pool->count, n);
	pool_unlock(pool);
	env_count(&pool->alloc_slow, n);
	return ret;
}

/* Debug mode `pages`: one page, straight from its chunk, noting who has it. */
static int watched_get(struct pp_page **out, struct pp_pool *pool, const void *place)
{
	int ret;

	*out = NULL;
	pool_lock(pool);
	ret = watch_caller(pool, place);
	if (!ret)
		pool_process_inbox(pool);
	if (!ret && pool->revoked)
		ret = -ENODEV;
	else if (!ret && !pool_take_home(pool, out, 1))
		ret = pool_grow(pool);
	if (!ret && !*out)
		pool_take_home(pool, out, 1);
	if (*out)
		watch_get(*out, place);
	pool_unlock(pool);
	env_count(&pool->alloc_slow, *out != NULL);
	return ret;
}

static __attribute__((noinline)) int get_slow(struct pp_page **out, struct pp_pool *pool,
					      const void *place)
{
	int ret = pool->watch ? watched_get(out, pool, place) : refill(pool);

	if (!ret && !pool->watch && !cache_pop(pool, out, 1))
		ret = -ENODEV;
	if (ret) {
		*out = NULL;
		env_count(&pool->alloc_failed, 1);
	}
	return ret;
}

static inline bool get_fast(struct pp_page **out, struct pp_pool *pool)
{
	if (!env_likely(env_load_relaxed(&pool->count)) || !env_likely(cache_pop(pool, out, 1)))
		return false;
	env_count(&pool->alloc_fast, 1);
	return true;
}

int pp_page_get(struct pp_page **out, struct pp_pool *pool)
{
	if (get_fast(out, pool))
		return 0;
	return get_slow(out, pool, __builtin_return_address(0));
}

int page_get(struct pp_page **out, struct pp_pool *pool, const void *place)
{
	return get_fast(out, pool) ? 0 : get_slow(out, pool, place);
}

int pp_page_get_batch(struct pp_page **out, unsigned n, struct pp_pool *pool)
{
	unsigned got = 0;

	while (got < n) {
		unsigned count = env_load_relaxed(&pool->count);
		unsigned k = n - got < count ? n - got : count;

		if (k && cache_pop(pool, out + got, k)) {
			env_count(&pool->alloc_fast, k);
		} else {
			int ret = get_slow(out + got, pool, __builtin_return_address(0));

			if (ret)
				return got ? (int)got : ret;
			k = 1;
		}
		got += k;
	}
	return (int)got;
}

/* ---- put -------------------------------------------------------------------------------------- */

/* Drop a reference; true if it was the last, and the page is to go home. */
static inline bool drop_ref(struct pp_page *page)
{
	/*
	 * With one reference, ours, nobody can take another: no read-modify-write needed.
	 * Acquire, here and below: what the other holders did came before.
	 */
	if (env_likely(env_load_acquire(&page->refs) == 1))
		return true;
	if (env_sub_acq_rel(&page->refs, 1) != 1)
		return false;
	env_store_relaxed(&page->refs, 1);
	return true;
}

/* Pages of one pool whose last reference is gone. */
static inline void put_home(struct pp_page *const *pages, unsigned n, const void *place)
{
	struct pp_pool *pool = pages[0]->pool;
	unsigned k;

	if (is_owner(pool)) {
		owner_put(pool, pages, n, place);
		return;
	}
	k = ring_push(pool, pages, n);
	if (k == n)
		return;
	env_add_relaxed(&pool->recycle_ring_full, n - k);
	bring_home(pool, pages + k, n - k, place);
}

void pp_page_put(struct pp_page *page)
{
	if (drop_ref(page))
		put_home(&page, 1, __builtin_return_address(0));
}

void pp_page_put_batch(struct pp_page *const *pages, unsigned n)
{
	struct pp_page *run[64]; /* last references of one pool */
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!drop_ref(pages[i]))
			continue;
		if (k == sizeof run / sizeof run[0] || (k && run[0]->pool != pages[i]->pool)) {
			put_home(run, k, __builtin_return_address(0));
			k = 0;
		}
		run[k++] = pages[i];
	}
	if (k)
		put_home(run, k, __builtin_return_address(0));
}

void pp_page_ref(struct pp_page *page, unsigned n)
{
	env_add_relaxed(&page->refs, n); /* the caller holds one: nothing to order */
}

/* ---- what a page says of itself ------------------------------------------------------------ */

void *pp_page_addr(const struct pp_page *page)
{
	return page->addr;
}

pp_iova_t pp_page_iova(const struct pp_page *page)
{
	return page->iova;
}

uint32_t pp_page_size(const struct pp_page *page)
{
	return page->pool->page_size;
}

uint32_t pp_page_refs(const struct pp_page *page)
{
	return env_load_relaxed(&page->refs);
}
