/*
 * remote.c - what other threads give back, and how the owner gets it.
 *
 * Each thread that puts has a *lane* of its own, a ring with one writer and one reader, so that
 * its puts need no atomic read-modify-write: that would wait for every store before it, and the
 * one before it is as a rule to a line that another thread reads. Who finds no lane, because POOL_LANES
 * have one, or without memory, shares a ring with its like, where a place is taken by a
 * compare-and-swap. The owner takes from lanes and ring in turn.
 *
 * A thread has one lane of a pool. It is the thread's until it ends, for nobody else can know that it
 * isn't in the middle of a put; then another one gets it, with what is in it. An idle thread's costs the
 * others nothing, but for its memory.
 *
 * From top to bottom: whose lane is whose; put, by lane or ring; the owner's end. A push ends with a
 * look at the flag: revoke.h, where draining is, too.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/remote.h"

#include "pool/cache.h"
#include "pool/chunk.h"

/* ---- a thread's own lane --------------------------------------------------------------- */

/*
 * The lane that this thread put to last. Right as long as there is a pool at that address and it
 * says so: no thread ever has another's number. It is no owner's, nor of another copy of the library.
 */
static __thread struct {
	const struct pp_pool *pool;
	const uint64_t *thread; /* &pool->lane_thread[...] */
	struct lane *lane;
} lane_mine __attribute__((tls_model("initial-exec")));

static inline bool lane_is_at_hand(const struct pp_pool *pool)
{
	return lane_mine.pool == pool && env_is_self(env_load_relaxed(lane_mine.thread));
}

/* Protects whose lanes are whose: the threads' lists, and changes of pool->lane_thread. A leaf. */
static struct env_lock lanes_lock = ENV_LOCK_INIT;

static char ended; /* lane_mine.lane of a thread that has come to its end: it takes no lane any more */
#define LANE_NEVER ((struct lane *)&ended)

void remote_forget(void)
{
	lane_mine.pool = NULL;
}

void remote_hold(void)
{
	env_lock(&lanes_lock);
}

void remote_release(void)
{
	env_unlock(&lanes_lock);
}

/* Release: with what it did to them. */
void remote_thread_ends(struct env_thread *thread)
{
	struct lane *lane;

	lane_mine.pool = NULL;
	lane_mine.lane = LANE_NEVER;
	env_lock(&lanes_lock);
	while (thread->lanes) {
		lane = list_entry(thread->lanes, struct lane, link);
		hlist_del(&lane->link);
		env_store_release(lane->thread, 0);
	}
	env_unlock(&lanes_lock);
}

/* The pool's, i-th: a lane that is nobody's, or a new one; NULL: there is no memory. Lock held. */
static struct lane *lane_at(struct pp_pool *pool, unsigned i)
{
	struct lane *lane = pool->lane[i];

	if (lane)
		return lane;
	lane = env_zalloc(sizeof *lane);
	if (!lane)
		return NULL;
	lane->thread = &pool->lane_thread[i];
	env_store_release(&pool->lane[i], lane);
	env_or_seq_cst(&pool->lanes, 1ull << i); /* release: pairs with the loads of `lanes` */
	return lane;
}

/*
 * Acquire: what the thread before did to the lane came before. A put doesn't wait: while somebody
 * else is at the lists it goes without a lane.
 */
static struct lane *take_lane(struct pp_pool *pool, uint64_t self, struct env_thread *thread)
{
	struct lane *lane = NULL;
	unsigned i = 0;

	if (!env_trylock(&lanes_lock))
		return NULL;
	while (i < POOL_LANES && env_load_acquire(&pool->lane_thread[i]))
		i++;
	if (i < POOL_LANES)
		lane = lane_at(pool, i);
	if (lane) {
		thread->at_end = pool_thread_ends;
		hlist_add(&lane->link, &thread->lanes);
		env_store_relaxed(&pool->lane_thread[i], self);
	}
	env_unlock(&lanes_lock);
	return lane;
}

/* The calling thread's, or NULL. */
static struct lane *find_lane(struct pp_pool *pool)
{
	uint64_t self = env_self(), all = env_load_acquire(&pool->lanes);
	struct env_thread *thread;
	struct lane *lane = NULL;

	if (lane_mine.lane == LANE_NEVER)
		return NULL;
	for (uint64_t left = all; left && !lane; left &= left - 1) { /* it may have one already */
		unsigned i = (unsigned)__builtin_ctzll(left);

		if (env_load_relaxed(&pool->lane_thread[i]) == self)
			lane = env_load_relaxed(&pool->lane[i]);
	}
	if (!lane) {
		thread = env_thread();
		lane = thread ? take_lane(pool, self, thread) : NULL;
	}
	if (lane) {
		lane_mine.pool = pool;
		lane_mine.thread = lane->thread;
		lane_mine.lane = lane;
	}
	return lane;
}

/* The pool goes, and its lanes with it. */
void remote_end(struct pp_pool *pool)
{
	for (uint64_t left = pool->lanes; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		env_lock(&lanes_lock);
		hlist_del(&pool->lane[i]->link); /* if somebody has it */
		pool->lane_thread[i] = 0;
		env_unlock(&lanes_lock);
		env_free(pool->lane[i]);
	}
	pool->lanes = 0;
}

/* ---- put: into a lane ------------------------------------------------------------------ */

/* The end of a push of k pages above the tail. They, and the pool, may be gone after it. */
static inline void lane_pushed(struct lane *lane, struct pp_gate *gate, uint64_t tail, unsigned k)
{
	bool tell = (tail ^ (tail + k)) / POOL_TELL;

	if (tell) /* before: the pool may be gone once the tail says that they are there */
		env_store_relaxed(&lane->told, tail + k);
	env_store_release(&lane->tail, tail + k);
	if (revoke_seen(gate))
		remote_raced(gate);
}

/* Of n slots from one on, how many lie before the end of the array. */
static unsigned to_end(uint64_t from, unsigned n)
{
	unsigned left = POOL_LANE - (unsigned)(from % POOL_LANE);

	return n < left ? n : left;
}

/*
 * Push up to n pages into the calling thread's lane; returns for how many there was room. Of these
 * none may be touched any more, nor, if it was all, the pool. Model: revoke.pml, lane_push.
 */
static unsigned lane_push(struct lane *lane, struct pp_gate *gate, struct pp_page *const *pages,
			  unsigned n)
{
	uint64_t tail = env_load_relaxed(&lane->tail);
	unsigned room = (unsigned)(POOL_LANE - (tail - lane->seen));
	unsigned k, first;

	if (room < n) {
		/* acquire: the slots up to it have been read (lane_take) */
		lane->seen = env_load_acquire(&lane->head);
		room = (unsigned)(POOL_LANE - (tail - lane->seen));
	}
	k = n < room ? n : room;
	if (!k)
		return 0;
	first = to_end(tail, k);
	env_copy_relaxed(lane->slot + tail % POOL_LANE, pages, first);
	env_copy_relaxed(lane->slot, pages + first, k - first);
	lane_pushed(lane, gate, tail, k);
	return k;
}

/* ---- put: into the shared ring --------------------------------------------------------- */

/*
 * As lane_push. A putter first takes its slots, by moving the tail, then fills them. The owner stops
 * at a slot that isn't filled yet: it never waits for a putter, nor the other way round.
 * Model: revoke.pml, ring_push.
 */
static unsigned ring_push(struct ring *ring, struct pp_gate *gate, struct pp_page *const *pages,
			  unsigned n)
{
	uint64_t tail = env_load_relaxed(&ring->tail);
	uint64_t room;
	unsigned k;

	do {
		/* acquire: the slots up to it have been emptied (ring_take) */
		room = POOL_RING - (tail - env_load_acquire(&ring->head));
		k = n < room ? n : (unsigned)room;
		if (!k || room > POOL_RING) /* a tail that is stale: as good as full */
			return 0;
	} while (!env_cas_acq_rel(&ring->tail, &tail, tail + k));
	for (unsigned i = 0; i < k; i++)
		env_store_release(&ring->slot[(tail + i) % POOL_RING], pages[i]);
	if (revoke_seen(gate))
		remote_raced(gate);
	return k;
}

/* ---- put: where to --------------------------------------------------------------------- */

/* For which there is no room. */
static void put_beyond(struct pp_pool *pool, struct pp_page *const *pages, unsigned n,
		       const void *place)
{
	if (!n)
		return;
	env_add_relaxed(&pool->recycle_ring_full, n);
	chunk_put_home(pool, pages, n, place);
}

/*
 * Pages of another thread's pool, whose lane isn't at hand. Whether they are closed is asked here only:
 * a closed pool gives no lane to anyone, or it is revoked, which is seen after the push. Model: revoke.pml, remote_put.
 */
static __attribute__((noinline)) void remote_put(struct pp_pool *pool, struct pp_gate *gate,
						 struct pp_page *const *pages, unsigned n,
						 const void *place)
{
	struct lane *lane;
	unsigned k = 0;

	if (gate_is_foreign(gate)) {
		gate->copy->put(pages, n, place);
		return;
	}
	PP_PROBE2(put, pool, n); /* before: pages and pool may be gone after it */
	if (gate_is_open(gate)) {
		lane = find_lane(pool);
		k = lane ? lane_push(lane, gate, pages, n) : ring_push(&pool->ring, gate, pages, n);
	}
	put_beyond(pool, pages + k, n - k, place);
}

/* Last references to pages of one pool, of which this thread has no lane at hand. */
static void put_last(struct pp_page *const *pages, unsigned n, const void *place)
{
	struct pp_pool *pool = pages[0]->pool;
	struct pp_gate *gate = pool_gate(pool);

	if (!gate_is_own(gate)) {
		remote_put(pool, gate, pages, n, place);
		return;
	}
	if (!cache_put(gate, pages, n))
		cache_put_full(pool, gate, pages, n, place);
}

/* The same of one that is at hand, and was found full. */
static __attribute__((noinline)) void put_into(struct lane *lane, struct pp_page *const *pages,
					       unsigned n, const void *place)
{
	struct pp_pool *pool = pages[0]->pool;
	unsigned k;

	PP_PROBE2(put, pool, n);
	k = lane_push(lane, pool_gate(pool), pages, n);
	put_beyond(pool, pages + k, n - k, place);
}

void put_pages(struct pp_page *const *pages, unsigned n, const void *place)
{
	if (lane_is_at_hand(pages[0]->pool))
		put_into(lane_mine.lane, pages, n, place);
	else
		put_last(pages, n, place);
}

/* ---- put: one page --------------------------------------------------------------------- */

/* As put_last. */
static __attribute__((noinline)) void put_one(struct pp_page *page, const void *place)
{
	struct pp_pool *pool = page->pool;
	struct pp_gate *gate = pool_gate(pool);

	if (!gate_is_own(gate))
		remote_put(pool, gate, &page, 1, place);
	else if (!cache_put_one(gate, page))
		cache_put_full(pool, gate, &page, 1, place);
}

/* What the inline put did not take. Model: revoke.pml, lane_push. */
static __attribute__((noinline)) void put_slow(struct pp_page *page, const void *place)
{
	struct pp_pool *pool;
	struct pp_gate *gate;
	struct lane *lane;
	uint64_t tail;

	if (!page_drop(page, 1))
		return;
	pool = page->pool;
	if (env_unlikely(!lane_is_at_hand(pool))) {
		put_one(page, place);
		return;
	}
	gate = pool_gate(pool);
	lane = lane_mine.lane;
	tail = env_load_relaxed(&lane->tail);
	if (env_unlikely(tail - lane->seen == POOL_LANE)) {
		put_into(lane, &page, 1, place);
		return;
	}
	PP_PROBE2(put, pool, 1); /* before: page and pool may be gone after it */
	env_store_relaxed(&lane->slot[tail % POOL_LANE], page);
	lane_pushed(lane, gate, tail, 1);
}

void pp_page_put_slow(struct pp_page *page)
{
	put_slow(page, __builtin_return_address(0));
}

/* For whoever doesn't inline it. */
void pp_page_put(struct pp_page *page)
{
	if (!pp_fast_put(page))
		put_slow(page, __builtin_return_address(0));
}

/* ---- put: many pages ------------------------------------------------------------------- */

/* Drop the first one's reference. If it was the last: how many go home with it; else 0. */
static unsigned drop_run(struct pp_page *const *pages, unsigned n)
{
	uint64_t key;
	unsigned k = 1;

	if (!page_drop(pages[0], 1))
		return 0;
	key = PAGE_REFS(1) | pool_gate(pages[0]->pool)->number;
	while (k < n && k < POOL_REFILL && env_load_acquire(&pages[k]->state) == key)
		k++;
	return k;
}

/* The first page, and those that go with it, if no lane is at hand. Returns how many. */
static unsigned put_last_run(struct pp_page *const *pages, unsigned n, const void *place)
{
	unsigned k = drop_run(pages, n);

	if (!k)
		return 1;
	put_last(pages, k, place);
	return k;
}

/* The same if there is one, but it is full, or the page has more references. */
static __attribute__((noinline)) unsigned put_into_run(struct pp_page *const *pages, unsigned n,
						       const void *place)
{
	unsigned k = drop_run(pages, n);

	if (!k)
		return 1;
	put_into(lane_mine.lane, pages, k, place);
	return k;
}

/*
 * As many as go straight into this thread's lane, which is at hand: see put_slow. Model: revoke.pml,
 * lane_push.
 */
static inline unsigned lane_put_run(struct pp_page *const *pages, unsigned n, const void *place)
{
	struct pp_pool *pool = pages[0]->pool;
	struct lane *lane = lane_mine.lane;
	struct pp_gate *gate = pool_gate(pool);
	uint64_t tail = env_load_relaxed(&lane->tail), used;
	unsigned k;

	used = tail - lane->seen > tail % POOL_LANE ? tail - lane->seen : tail % POOL_LANE;
	k = n < POOL_LANE - used ? n : (unsigned)(POOL_LANE - used); /* of what is in one piece */
	k = put_run(lane->slot + tail % POOL_LANE, pages, k, PAGE_REFS(1) | gate->number);
	if (!k)
		return put_into_run(pages, n, place);
	PP_PROBE2(put, pool, k);
	lane_pushed(lane, gate, tail, k);
	return k;
}

/* By runs of last references to pages of one pool. */
void remote_put_batch(struct pp_page *const *pages, unsigned n, const void *place)
{
	while (n) {
		unsigned k = lane_is_at_hand(pages[0]->pool) ? lane_put_run(pages, n, place) :
							       put_last_run(pages, n, place);

		pages += k;
		n -= k;
	}
}

/* ---- the owner's end ------------------------------------------------------------------- */

static unsigned lane_take(struct lane *lane, struct pp_page **out, unsigned n)
{
	uint64_t head = lane->head, there = env_load_acquire(&lane->tail) - head;
	unsigned k = there < n ? (unsigned)there : n, first = to_end(head, k);

	env_copy_relaxed(out, lane->slot + head % POOL_LANE, first);
	env_copy_relaxed(out + first, lane->slot, k - first);
	if (k)
		env_store_release(&lane->head, head + k);
	return k;
}

static unsigned ring_take(struct ring *ring, struct pp_page **out, unsigned n)
{
	uint64_t head = ring->head;
	unsigned k = 0;

	while (k < n) {
		struct pp_page *page = env_load_acquire(&ring->slot[head % POOL_RING]);

		if (!page)
			break;
		env_store_relaxed(&ring->slot[head % POOL_RING], NULL);
		out[k++] = page;
		head++;
	}
	if (k)
		env_store_release(&ring->head, head);
	return k;
}

/*
 * What the owner takes from, as bits: the lanes that there are, those that nobody has, too, and the
 * ring.
 */
#define RING_BIT POOL_LANES

static uint64_t sources(struct pp_pool *pool)
{
	return env_load_acquire(&pool->lanes) | 1ull << RING_BIT;
}

/* In turn: what comes behind the last one first, so that a full lane starves nobody. */
unsigned remote_take(struct pp_pool *pool, struct pp_page **out, unsigned n)
{
	uint64_t all = sources(pool), behind = all & (~0ull << pool->turn);
	unsigned k = 0, i;

	for (unsigned half = 0; half < 2; half++, behind = all & ~behind)
		for (uint64_t left = behind; left && k < n; left &= left - 1) {
			i = (unsigned)__builtin_ctzll(left);
			k += i == RING_BIT ? ring_take(&pool->ring, out + k, n - k)
					   : lane_take(pool->lane[i], out + k, n - k);
			pool->turn = (i + 1) % (RING_BIT + 1);
		}
	return k;
}

bool remote_is_low(struct pp_pool *pool)
{
	uint64_t n = 0;

	for (uint64_t left = env_load_acquire(&pool->lanes); left; left &= left - 1) {
		const struct lane *lane = pool->lane[__builtin_ctzll(left)];

		n += env_load_relaxed(&lane->told) - lane->head;
	}
	/* a lane of which more was taken than was told of counts below 0 */
	return (int64_t)(n + env_load_relaxed(&pool->ring.tail) - pool->ring.head) < (int64_t)POOL_FEW;
}

uint64_t remote_total(struct pp_pool *pool)
{
	uint64_t n = env_load_relaxed(&pool->ring.tail);

	for (uint64_t left = env_load_acquire(&pool->lanes); left; left &= left - 1)
		n += env_load_relaxed(&pool->lane[__builtin_ctzll(left)]->tail);
	return n;
}

uint64_t remote_count(struct pp_pool *pool)
{
	uint64_t taken = env_load_relaxed(&pool->ring.head);
	uint64_t total;

	for (uint64_t left = env_load_acquire(&pool->lanes); left; left &= left - 1)
		taken += env_load_relaxed(&pool->lane[__builtin_ctzll(left)]->head);
	total = remote_total(pool); /* looked at second: not behind what was taken */
	return total > taken ? total - taken : 0;
}

uint64_t remote_bytes(const struct pp_pool *pool)
{
	return (uint64_t)__builtin_popcountll(env_load_relaxed(&pool->lanes)) * sizeof(struct lane);
}
