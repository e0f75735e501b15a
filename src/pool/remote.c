/*
 * remote.c - what other threads put and the owner has not taken yet. The putters' side of
 * the revocation protocol (pool.h, "the one subtle protocol").
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
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

__thread struct lane_mine lane_mine __attribute__((tls_model("initial-exec")));

/* ---- a thread's own lane -------------------------------------------------------------- */

/* Protects whose lanes are whose: the threads' lists, and changes of pool->lane_thread. A leaf. */
static struct env_lock lanes_lock = ENV_LOCK_INIT;

static char ended; /* lane_mine.lane of a thread that has come to its end: it takes no lane any more */
#define LANE_NEVER ((struct lane *)&ended)

void returns_forget(void)
{
	lane_mine.pool = NULL;
}

static void link_to_thread(struct lane *lane, struct env_thread *thread)
{
	lane->next = thread->lanes;
	lane->at = &thread->lanes;
	if (lane->next)
		lane->next->at = &lane->next;
	thread->lanes = lane;
}

static void unlink_from_thread(struct lane *lane)
{
	*lane->at = lane->next;
	if (lane->next)
		lane->next->at = lane->at;
}

void returns_hold(void)
{
	env_lock(&lanes_lock);
}

void returns_release(void)
{
	env_unlock(&lanes_lock);
}

/* Release: with what it did to them. */
void returns_thread_ends(struct env_thread *thread)
{
	struct lane *lane;

	lane_mine = (struct lane_mine){ .lane = LANE_NEVER };
	env_lock(&lanes_lock);
	while ((lane = thread->lanes)) {
		unlink_from_thread(lane);
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
		link_to_thread(lane, thread);
		env_store_relaxed(&pool->lane_thread[i], self);
	}
	env_unlock(&lanes_lock);
	return lane;
}

/* The calling thread's, or NULL. */
static __attribute__((noinline)) struct lane *find_lane(struct pp_pool *pool)
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
	if (lane)
		lane_mine = (struct lane_mine){ pool, lane->thread, lane };
	return lane;
}

/* The pool goes, and its lanes with it. */
void returns_end(struct pp_pool *pool)
{
	for (uint64_t left = pool->lanes; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		env_lock(&lanes_lock);
		if (pool->lane_thread[i])
			unlink_from_thread(pool->lane[i]);
		pool->lane_thread[i] = 0;
		env_unlock(&lanes_lock);
		env_free(pool->lane[i]);
	}
	pool->lanes = 0;
}

bool returns_raced(struct pp_gate *gate)
{
	if (env_load_relaxed(&gate->revoked) == GATE_LEFT)
		return true;
	returns_forget();
	gate_raced(gate);
	return true;
}

/* Of n slots from one on, how many lie before the end of the array. */
static unsigned to_end(uint64_t from, unsigned n)
{
	unsigned left = POOL_LANE - (unsigned)(from % POOL_LANE);

	return n < left ? n : left;
}

/* As returns_push. Model: revoke.pml, lane_push. */
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

static void lane_drain(struct lane *lane)
{
	uint64_t tail = env_load_acquire(&lane->tail);

	for (uint64_t i = env_load_acquire(&lane->head); i != tail; i++) {
		struct pp_page *page = env_xchg_acq_rel(&lane->slot[i % POOL_LANE], NULL);

		if (page)
			pool_bring_home(&page, 1);
	}
}

/* ---- the shared ring --------------------------------------------------------------------- */

/*
 * A putter first takes its slots, by moving the tail, then fills them. The owner stops
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
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (gate_revoked(gate))
		returns_raced(gate);
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

static void ring_drain(struct ring *ring)
{
	for (unsigned i = 0; i < POOL_RING; i++) {
		struct pp_page *page = env_load_relaxed(&ring->slot[i]);

		if (page)
			page = env_xchg_acq_rel(&ring->slot[i], NULL);
		if (page)
			pool_bring_home(&page, 1);
	}
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Model: revoke.pml, returns_push. */
unsigned returns_push(struct pp_pool *pool, struct pp_page *const *pages, unsigned n)
{
	struct pp_gate *gate = pool_gate(pool);
	struct lane *lane;

	if (env_unlikely(!env_load_relaxed(&gate->cap)))
		return 0; /* closed */
	lane = lane_is_at_hand(pool) ? lane_mine.lane : find_lane(pool);
	return lane ? lane_push(lane, gate, pages, n) : ring_push(&pool->ring, gate, pages, n);
}

/*
 * The places that the owner takes from, as bits: the lanes that there are, those that nobody has,
 * too, and the ring.
 */
#define RING_BIT POOL_LANES

static uint64_t places(struct pp_pool *pool)
{
	return env_load_acquire(&pool->lanes) | 1ull << RING_BIT;
}

/* In turn: what comes behind the last place first, so that a full lane starves nobody. */
unsigned returns_take(struct pp_pool *pool, struct pp_page **out, unsigned n)
{
	uint64_t all = places(pool), behind = all & (~0ull << pool->turn);
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

void returns_drain(struct pp_pool *pool)
{
	for (uint64_t left = env_load_acquire(&pool->lanes); left; left &= left - 1)
		lane_drain(pool->lane[__builtin_ctzll(left)]);
	ring_drain(&pool->ring);
}

bool returns_are_few(struct pp_pool *pool)
{
	uint64_t n = 0;

	for (uint64_t left = env_load_acquire(&pool->lanes); left; left &= left - 1) {
		const struct lane *lane = pool->lane[__builtin_ctzll(left)];

		n += env_load_relaxed(&lane->told) - lane->head;
	}
	/* a lane of which more was taken than was told of counts below 0 */
	return (int64_t)(n + env_load_relaxed(&pool->ring.tail) - pool->ring.head) < (int64_t)POOL_FEW;
}

uint64_t returns_total(struct pp_pool *pool)
{
	uint64_t n = env_load_relaxed(&pool->ring.tail);

	for (uint64_t left = env_load_acquire(&pool->lanes); left; left &= left - 1)
		n += env_load_relaxed(&pool->lane[__builtin_ctzll(left)]->tail);
	return n;
}

uint64_t returns_count(struct pp_pool *pool)
{
	uint64_t taken = env_load_relaxed(&pool->ring.head);
	uint64_t total;

	for (uint64_t left = env_load_acquire(&pool->lanes); left; left &= left - 1)
		taken += env_load_relaxed(&pool->lane[__builtin_ctzll(left)]->head);
	total = returns_total(pool); /* looked at second: not behind what was taken */
	return total > taken ? total - taken : 0;
}

uint64_t returns_bytes(const struct pp_pool *pool)
{
	return (uint64_t)__builtin_popcountll(env_load_relaxed(&pool->lanes)) * sizeof(struct lane);
}
