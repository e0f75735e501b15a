/*
 * cache.c - get and put: the owner's cache, references. The fast paths,
 * and their side of the revocation protocol (pool.h, "the one subtle protocol").
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

__thread struct pp_self pp_self __attribute__((tls_model("initial-exec")));

static bool is_owner(const struct pp_gate *gate)
{
	return env_is_self(env_load_relaxed(&gate->owner));
}

/* ---- cache: the owner's side ------------------------------------------------------- */

static inline uint32_t cache_count(const struct pp_gate *gate)
{
	return (uint32_t)(env_load_relaxed(&gate->pushed) - env_load_relaxed(&gate->popped));
}

static inline bool cache_has_room(const struct pp_gate *gate, uint32_t n)
{
	return cache_count(gate) + n <= env_load_relaxed(&gate->cap);
}

/* A count of the owner's goes up by n. Release: for whoever drains. */
static inline void owner_add(uint64_t *count, uint32_t n)
{
	env_store_release(count, env_load_relaxed(count) + n);
}

/*
 * The flag was seen after popping n entries, which lie above the count now. What the drain
 * took is NULL; the rest is ours, and goes home, as nothing is handed out any more.
 * Model: revoke.pml, cache_pop.
 */
static __attribute__((noinline)) void pop_raced(struct pp_pool *pool, struct pp_gate *gate, uint32_t n)
{
	uint32_t lo = cache_count(gate);

	pool_lock(pool);
	/* if the gate is left: the new one goes on with the counts as they were then */
	if (gate == pool->gate || gate->left == env_load_relaxed(&gate->popped))
		env_add_relaxed(&pool->popped_otherwise, n);
	for (uint32_t i = lo; i < lo + n; i++) {
		struct pp_page *page = env_xchg_acq_rel(&gate->slot[i], NULL);

		if (page)
			pool_bring_home(&page, 1);
	}
	pool_settle(pool, gate);
	pool_unlock(pool);
}

/*
 * Pop n entries of a gate of the pool, which are there, into out. False: the flag is up, and nothing
 * was popped. Model: revoke.pml, cache_pop.
 */
static inline bool cache_pop(struct pp_pool *pool, struct pp_gate *gate, struct pp_page **out,
			     uint32_t n)
{
	struct pp_page **from = gate->slot + cache_count(gate) - n;

	env_copy_relaxed(out, from, n);
	owner_add(&gate->popped, n);
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (!gate_revoked(gate))
		return true;
	pop_raced(pool, gate, n);
	return false;
}

/* The end of a push of n entries above the count. They, and the pool, may be gone after it. */
static inline void cache_pushed(struct pp_gate *gate, uint32_t n)
{
	owner_add(&gate->pushed, n);
	gate_look(gate);
}

/* Push pages for which there is room. Model: revoke.pml, cache_push. */
static inline void cache_push(struct pp_gate *gate, struct pp_page *const *pages, uint32_t n)
{
	env_copy_relaxed(gate->slot + cache_count(gate), pages, n);
	cache_pushed(gate, n);
}

/* Pages that have no other place go home; in a watched pool all of them do. */
static void bring_home(struct pp_pool *pool, struct pp_page *const *pages, uint32_t n,
		       const void *place)
{
	if (!pool->watch) {
		pool_bring_home(pages, n);
		return;
	}
	watch_handler(pool, "put", place);
	for (uint32_t i = 0; i < n; i++) /* the pool is there until the last of them is home */
		if (watch_put(pages[i], place))
			pool_bring_home(pages + i, 1);
}

/* From now on the owner's puts to this pool, whose cache is open, are the inline ones. */
static inline void own_inline(struct pp_gate *gate)
{
	pp_self = (struct pp_self){ PAGE_REFS(1) | gate->number, gate, env_load_relaxed(&gate->owner) };
}

/*
 * The cache is full: the newer half goes home, a few at a time; no more than there has to be room for,
 * once that has chunks trimmed. What the caller puts isn't home, so the pool is there.
 */
static void cache_spill(struct pp_pool *pool, struct pp_gate *gate, uint32_t room)
{
	uint64_t trimmed = env_load_relaxed(&pool->n_released);
	struct pp_page *pages[POOL_SPILL];
	uint32_t n = 0;

	do {
		env_add_relaxed(&pool->recycle_cache_full, POOL_SPILL);
		if (!cache_pop(pool, gate, pages, POOL_SPILL))
			return;
		env_add_relaxed(&pool->popped_otherwise, POOL_SPILL);
		pool_bring_home(pages, POOL_SPILL);
		n += POOL_SPILL;
	} while (n < POOL_REFILL && (n < room || env_load_relaxed(&pool->n_released) == trimmed));
}

/*
 * The owner puts pages, POOL_REFILL at most, or who was it a moment ago. Model: revoke.pml and
 * own.pml, owner_put.
 */
static void owner_put(struct pp_pool *pool, struct pp_gate *gate, struct pp_page *const *pages,
		      uint32_t n, const void *place)
{
	if (env_load_relaxed(&gate->cap))
		own_inline(gate);
	/* in this order: what is closed in between may be empty */
	if (!cache_has_room(gate, n) && env_load_relaxed(&gate->cap))
		cache_spill(pool, gate, n);
	/*
	 * There is no room still if the cache is closed: watched, revoked by now, or left. The
	 * pages aren't home, so the pool is still there.
	 */
	if (cache_has_room(gate, n)) {
		cache_push(gate, pages, n);
		return;
	}
	env_add_relaxed(&pool->recycle_ring_full, n);
	bring_home(pool, pages, n, place);
}

/* ---- returns: what other threads put, the owner takes --------------------------------- */

/*
 * Fill the empty cache from the returns. While `refilling` is up the revoker leaves them
 * to us; what it leaves, we drain when we see the flag. Returns the pages now in the cache.
 * Model: revoke.pml, take_returns.
 */
static uint32_t take_returns(struct pp_pool *pool)
{
	struct pp_gate *gate = pool->gate;
	uint32_t n = 0;

	env_store_release(&pool->refilling, 1);
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (!gate_revoked(gate)) {
		n = returns_take(pool, gate->slot, POOL_CACHE);
		env_count(&pool->filled, n);
		owner_add(&gate->pushed, n);
	}
	env_store_release(&pool->refilling, 0);
	env_barrier_light(); /* the same, for the end of it */
	if (!gate_revoked(gate))
		return n;
	pool_lock(pool);
	pool_drain(pool);
	pool_unlock(pool);
	return 0;
}

/* ---- the revoker's side, lock held -------------------------------------------------------- */

/* Bring home what is in a cache whose flag is up. Returns how many pages it was. */
static uint64_t cache_drain(struct pp_gate *gate)
{
	/*
	 * Acquire: what was pushed is in its slot. The owner changes one of the two counts at most
	 * before it sees the flag and waits for our lock, so they belong together.
	 */
	uint64_t pushed = env_load_acquire(&gate->pushed);
	uint64_t count = pushed - env_load_acquire(&gate->popped), n = 0;

	for (uint64_t i = 0; i < count; i++) {
		struct pp_page *page = env_xchg_acq_rel(&gate->slot[i], NULL);

		if (page)
			pool_bring_home(&page, 1);
		n += page != NULL;
	}
	return n;
}

/*
 * What the thread knows of itself may be of an earlier pool with this gate, while this one's cache
 * may be closed.
 */
static void forget_self(void)
{
	pp_self = (struct pp_self){ 0 };
	returns_forget();
}

/*
 * A gate for the calling thread, who isn't in a put to it. The cache of a pool that is watched or
 * revoked stays closed.
 */
static void gate_open(struct pp_pool *pool, struct pp_gate *gate, uint64_t popped)
{
	gate_own(gate);
	env_store_relaxed(&gate->cap, pool->watch || pool_is_over(pool) ? 0 : POOL_CACHE);
	env_store_relaxed(&gate->pushed, popped);
	env_store_relaxed(&gate->popped, popped);
	env_store_relaxed(&gate->revoked, pool_is_over(pool) ? GATE_REVOKED : 0);
}

/* Before the pool is known to anyone else. */
void place_open(struct pp_pool *pool)
{
	gate_open(pool, pool->gate, 0);
	forget_self();
}

/* ---- another owner ------------------------------------------------------------------------ */

/* No other thread is or will be in a put to its cache. */
static bool is_free_for(const struct pp_gate *gate, uint64_t self)
{
	uint64_t user = env_load_acquire(&gate->user); /* pairs with gates_thread_ends */

	return user == GATE_NOBODY || user == self;
}

/* For a thread that is to be the owner, and isn't. NULL: no memory. Lock held. */
static struct pp_gate *gate_for(struct pp_pool *pool, uint64_t self)
{
	struct pp_gate *g = pool->gates;

	while (g && !is_free_for(g, self))
		g = g->next;
	if (!g)
		gate_get(&g, pool);
	return g;
}

/*
 * The revocation of a cache: see pool.h. What is in it goes to the new gate, which goes on with
 * the counts. Lock held. Model: own.pml, hand_over.
 */
static void hand_over(struct pp_pool *pool, struct pp_gate *old, struct pp_gate *new)
{
	uint64_t popped, count;
	uint32_t n = 0;

	env_store_relaxed(&old->cap, 0);
	env_store_relaxed(&old->owner, GATE_NOBODY);
	if (!pool_is_over(pool)) { /* else it is drained, or nobody gets from it */
		env_store_relaxed(&old->revoked, GATE_LEFT);
		env_barrier_heavy(); /* pairs with the light ones after each use of the cache */
	}
	popped = env_load_acquire(&old->popped);
	old->left = popped;
	count = pool_is_over(pool) ? 0 : env_load_acquire(&old->pushed) - popped;
	gate_open(pool, new, popped);
	for (uint64_t i = 0; i < count; i++) {
		struct pp_page *page = env_xchg_acq_rel(&old->slot[i], NULL);

		if (page)
			env_store_relaxed(&new->slot[n++], page);
	}
	owner_add(&new->pushed, n);
	env_store_release(&pool->gate, new);
}

static int own_locked(struct pp_pool *pool)
{
	struct pp_gate *gate = pool->gate, *new;
	uint64_t self = env_self();

	if (env_load_relaxed(&gate->owner) == self)
		return 0;
	/* without a page, or a cache, there can't be a put to it */
	if (is_free_for(gate, self) || !(pool->n_chunks + pool->n_released) || pool->watch) {
		gate_own(gate);
		return 0;
	}
	new = gate_for(pool, self);
	if (!new)
		return -ENOMEM;
	hand_over(pool, gate, new);
	return 0;
}

int place_own(struct pp_pool *pool)
{
	int ret;

	pool_lock(pool);
	ret = own_locked(pool);
	pool_unlock(pool);
	forget_self();
	return ret;
}

/* What a late put of the last owner has pushed. Model: own.pml, place_left. */
void place_left(struct pp_pool *pool, struct pp_gate *gate)
{
	uint64_t n = cache_drain(gate);

	if (n) /* as others whose place was closed */
		env_add_relaxed(&pool->recycle_ring_full, n);
}

/*
 * Close cache and returns for good: gets and puts go the long way.
 * Model: revoke.pml, place_close.
 */
void place_close(struct pp_pool *pool)
{
	env_store_relaxed(&pool->gate->cap, 0);
}

/*
 * Take everything out of the places and bring it home. After the heavy barrier only.
 * Model: revoke.pml, place_drain.
 */
void place_drain(struct pp_pool *pool)
{
	for (struct pp_gate *g = pool->gates; g; g = g->next)
		cache_drain(g);
	if (!env_load_acquire(&pool->refilling)) /* else the owner is at the returns, and will */
		returns_drain(pool);             /* see the flag when it is done */
}

void place_empty(struct pp_pool *pool)
{
	struct pp_page *pages[POOL_REFILL];

	do {
		uint32_t count = cache_count(pool->gate);
		uint32_t n = count < POOL_REFILL ? count : POOL_REFILL;

		if (n && cache_pop(pool, pool->gate, pages, n)) {
			env_add_relaxed(&pool->popped_otherwise, n);
			pool_bring_home(pages, n);
		}
	} while (cache_count(pool->gate) || (!pool->watch && take_returns(pool)));
}

uint64_t place_count(struct pp_pool *pool)
{
	return cache_count(pool->gate) + returns_count(pool);
}

/* Not below 0: the two are not read at the same moment. */
static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void place_stats(struct pp_pool *pool, struct pp_pool_stats *s)
{
	const struct pp_gate *gate = pool->gate;

	s->recycle_cached = less(env_load_relaxed(&gate->pushed), env_load_relaxed(&pool->filled));
	s->alloc_fast = less(env_load_relaxed(&gate->popped), env_load_relaxed(&pool->popped_otherwise));
	s->recycle_ring = returns_total(pool);
}

/* ---- get ------------------------------------------------------------------------------------ */

/*
 * Fill the empty cache from the chunks, or from new ones if `grow`. Returns how many pages
 * are in it now, or an errno. Model: home.pml, refill.
 */
static int refill_home(struct pp_pool *pool, bool grow)
{
	struct pp_page *pages[POOL_REFILL];
	unsigned n = 0;
	int ret = 0;

	pool_lock(pool);
	if (pool_is_over(pool))
		ret = -ENODEV;
	else
		n = pool_take_home(pool, pages, POOL_REFILL);
	if (!ret && !n && grow) {
		ret = pool_grow(pool);
		n = ret ? 0 : pool_take_home(pool, pages, POOL_REFILL);
	}
	/* under the lock, which the revoker needs: no race for these */
	for (unsigned i = 0; i < n; i++) /* lowest address first out */
		env_store_relaxed(&pool->gate->slot[i], pages[n - 1 - i]);
	env_count(&pool->filled, n);
	owner_add(&pool->gate->pushed, n);
	pool_unlock(pool);
	env_count(&pool->alloc_slow, n);
	return ret ? ret : (int)n;
}

/*
 * Fill the empty cache: from the returns, from the chunks, from new chunks. 0, or an errno.
 *
 * Each page that is taken from the returns as soon as it is there costs both threads the
 * moving of its cache line and of the lane's ends. So a few are left there, to become more,
 * as long as there are others. Model: revoke.pml, owner_get.
 */
static int refill(struct pp_pool *pool)
{
	int n = 0;

	env_count(&pool->alloc_empty, 1);
	if (returns_are_few(pool))
		n = refill_home(pool, false);
	if (n)
		return n < 0 ? n : 0;
	if (take_returns(pool)) {
		env_count(&pool->alloc_refill, 1);
		return 0;
	}
	n = refill_home(pool, true);
	return n < 0 ? n : 0;
}

/* Debug mode `pages`: one page, straight from its chunk, noting who has it. */
static int watched_get(struct pp_page **out, struct pp_pool *pool, const void *place)
{
	int ret;

	*out = NULL;
	if (watch_handler(pool, "asked for", place))
		return -EDEADLK; /* whose lock it may be */
	pool_lock(pool);
	ret = watch_caller(pool, place);
	if (!ret)
		pool_process_inbox(pool);
	if (!ret && pool_is_over(pool))
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

static int get_slow(struct pp_page **out, struct pp_pool *pool, const void *place)
{
	int ret;

	if (gate_is_foreign(pool->gate))
		return pool->gate->copy->get(out, pool, place);
	ret = pool->watch ? watched_get(out, pool, place) : refill(pool);
	if (!ret && !pool->watch) {
		if (cache_pop(pool, pool->gate, out, 1))
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
	return get_slow(out, pool, __builtin_return_address(0));
}

/* The flag was seen after a pop. */
void pp_page_get_raced(struct pp_pool *pool)
{
	if (gate_is_foreign(pool->gate))
		pool->gate->copy->get_raced(pool);
	else
		pop_raced(pool, pool->gate, 1);
}

int page_get(struct pp_page **out, struct pp_pool *pool, const void *place)
{
	return pp_fast_get(out, pool) ? 0 : get_slow(out, pool, place);
}

/* For whoever doesn't inline it; so are pp_page_put, _addr and _iova. */
int pp_page_get(struct pp_page **out, struct pp_pool *pool)
{
	return page_get(out, pool, __builtin_return_address(0));
}

int pp_page_get_batch(struct pp_page **out, unsigned n, struct pp_pool *pool)
{
	unsigned got = 0;

	while (got < n) {
		unsigned count = cache_count(pool->gate);
		unsigned k = n - got < count ? n - got : count;

		if (!k || !cache_pop(pool, pool->gate, out + got, k)) {
			int ret = get_slow(out + got, pool, __builtin_return_address(0));

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

/* ---- put -------------------------------------------------------------------------------------- */

/* Pages of one pool whose last reference is gone. Model: revoke.pml, putter. */
static void put_home(struct pp_page *const *pages, unsigned n, const void *place)
{
	struct pp_pool *pool = pages[0]->pool;
	struct pp_gate *gate = pool_gate(pool);
	unsigned k;

	if (gate_is_foreign(gate)) {
		gate->copy->put(pages, n, place);
		return;
	}
	PP_PROBE2(put, pool, n); /* before: pages and pool may be gone after it */
	if (is_owner(gate)) {
		owner_put(pool, gate, pages, n, place);
		return;
	}
	k = returns_push(pool, pages, n);
	if (k == n)
		return;
	env_add_relaxed(&pool->recycle_ring_full, n - k);
	bring_home(pool, pages + k, n - k, place);
}

/* An owner's put after one to another of its pools. False: not the owner, or no room. */
static inline bool cache_put(struct pp_gate *gate, struct pp_page *page)
{
	if (!is_owner(gate) || !cache_has_room(gate, 1))
		return false;
	own_inline(gate);
	PP_PROBE2(put, page->pool, 1);
	env_store_relaxed(&gate->slot[cache_count(gate)], page);
	cache_pushed(gate, 1);
	return true;
}

static __attribute__((noinline)) void put_one(struct pp_page *page, const void *place)
{
	if (!cache_put(pool_gate(page->pool), page))
		put_home(&page, 1, place);
}

static __attribute__((noinline)) void put_slow(struct pp_page *page, const void *place)
{
	if (page_drop(page, 1) && !returns_put(page->pool, page))
		put_one(page, place);
}

void pp_page_put_slow(struct pp_page *page)
{
	put_slow(page, __builtin_return_address(0));
}

void pp_page_put(struct pp_page *page)
{
	if (!pp_fast_put(page))
		put_slow(page, __builtin_return_address(0));
}

/* The flag was seen after a push, and is there to stay: no more inline puts to this gate. */
void pp_page_put_raced(struct pp_gate *gate)
{
	pp_self = (struct pp_self){ 0 };
	gate->copy->put_raced(gate);
}

/* Copy pages with this key; up to the first that has another, or n. */
static inline unsigned put_run(struct pp_page **to, struct pp_page *const *pages, unsigned n,
			       uint64_t key)
{
	struct pp_page *const *p = pages, *const *end = pages + n;

	for (; end - p >= 8; p += 8, to += 8) {
#pragma GCC unroll 8
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

/*
 * As many as go straight into this thread's lane, if it is at hand: see returns_put. Model:
 * revoke.pml, lane_push.
 */
static inline unsigned lane_put_run(struct pp_page *const *pages, unsigned n)
{
	struct pp_pool *pool = pages[0]->pool;
	struct lane *lane = lane_mine.lane;
	struct pp_gate *gate;
	uint64_t tail, used;

	if (!lane_is_at_hand(pool))
		return 0;
	gate = pool_gate(pool);
	tail = env_load_relaxed(&lane->tail);
	used = tail - lane->seen > tail % POOL_LANE ? tail - lane->seen : tail % POOL_LANE;
	if (n > POOL_LANE - used) /* of what is in one piece */
		n = (unsigned)(POOL_LANE - used);
	n = put_run(lane->slot + tail % POOL_LANE, pages, n, PAGE_REFS(1) | gate->number);
	if (n) {
		PP_PROBE2(put, pool, n);
		lane_pushed(lane, gate, tail, n);
	}
	return n;
}

/* The first page and, if it goes home, those behind it that go with it; returns how many. */
static unsigned put_by_hand(struct pp_page *const *pages, unsigned n, const void *place)
{
	uint64_t key;
	unsigned k = 1;

	if (!page_drop(pages[0], 1))
		return 1;
	key = PAGE_REFS(1) | pool_gate(pages[0]->pool)->number;
	while (k < n && k < POOL_REFILL && env_load_acquire(&pages[k]->state) == key)
		k++;
	put_home(pages, k, place);
	return k;
}

/* By runs of last references to pages of one pool. */
static __attribute__((noinline)) void put_rest(struct pp_page *const *pages, unsigned n,
					       const void *place)
{
	while (n) {
		unsigned k = lane_put_run(pages, n);

		if (!k)
			k = put_by_hand(pages, n, place);
		pages += k;
		n -= k;
	}
}

void pp_page_put_batch(struct pp_page *const *pages, unsigned n)
{
	struct pp_gate *gate = pp_self.gate;
	unsigned done = 0;

	/* as many as go straight into this thread's cache: see pp_page_put */
	if (gate && env_load_relaxed(&gate->owner) == pp_self.number && cache_has_room(gate, n)) {
		done = put_run(gate->slot + cache_count(gate), pages, n, pp_self.key);
		if (done) {
			PP_PROBE2(put, pages[0]->pool, done);
			cache_pushed(gate, done);
		}
	}
	if (env_unlikely(done < n))
		put_rest(pages + done, n - done, __builtin_return_address(0));
}

void pp_page_ref(struct pp_page *page, unsigned n)
{
	/* relaxed: the caller holds one, there is nothing to order */
	uint64_t state = env_add_relaxed(&page->state, PAGE_REFS(n));

	if (env_unlikely((state >> 32) + n > UINT32_MAX))
		page_bad_refs(page, 0, n);
}

void page_bad_refs(struct pp_page *page, uint32_t dropped, uint32_t taken)
{
	env_add_relaxed(&page->state, PAGE_REFS(dropped) - PAGE_REFS(taken));
	watch_bad_refs(page, dropped ? "was put more often than it had references" :
				       "was to have more references than can be counted");
}

const struct pp_copy pool_copy = {
	.put = put_home,
	.get = get_slow,
	.get_raced = pp_page_get_raced,
	.put_raced = gate_raced,
	.frag_raced = frag_raced,
};

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
	return (uint32_t)(env_load_relaxed(&page->state) >> 32);
}
