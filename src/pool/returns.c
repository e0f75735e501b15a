/*
 * returns.c - what other threads put and the owner has not taken yet. The putters' side of
 * the revocation protocol (pool.h, "the one subtle protocol").
 *
 * Each of a few threads that put has a *lane* of its own, a ring with one writer and
 * one reader, so that its puts need no atomic read-modify-write: that would wait for every
 * store before it, and the one before it is as a rule to a line that another thread reads. All
 * others, and who finds no lane, share a ring, where a place is taken by a compare-and-swap.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

__thread struct lane_mine lane_mine __attribute__((tls_model("initial-exec")));

/* ---- a thread's own lane -------------------------------------------------------------- */

void returns_forget(void)
{
	lane_mine.pool = NULL;
}

/* The calling thread's of one pool are anybody's again. Release: with what it did to them. */
static void leave_lanes(struct pp_pool *pool, void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < POOL_LANES; i++)
		if (env_is_self(env_load_relaxed(&pool->lane_thread[i])))
			env_store_release(&pool->lane_thread[i], 0);
}

void returns_thread_ends(struct env_thread *thread)
{
	(void)thread;
	pools_each(leave_lanes, NULL);
}

/* The calling thread's, or NULL. A lane stays with its thread as long as there are both. */
static __attribute__((noinline)) struct lane *find_lane(struct pp_pool *pool)
{
	struct env_thread *thread_record = env_thread();
	uint64_t self = env_self();

	if (!thread_record)
		return NULL; /* who would give the lane up? */
	thread_record->at_end = returns_thread_ends;
	for (unsigned i = 0; i < POOL_LANES; i++) {
		uint64_t thread = env_load_relaxed(&pool->lane_thread[i]);

		/* acquire: what the thread before us did to the lane came before (leave_lanes) */
		if (!thread && env_cas_acq_rel(&pool->lane_thread[i], &thread, self))
			thread = self;
		if (thread == self) {
			lane_mine = (struct lane_mine){ pool, &pool->lane_thread[i], &pool->lane[i] };
			return lane_mine.lane;
		}
	}
	return NULL;
}

bool lane_raced(struct pp_gate *gate)
{
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
	gate_look(gate);
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
	struct pp_gate *gate = pool->gate;
	struct lane *lane;

	if (env_unlikely(!env_load_relaxed(&gate->cap)))
		return 0; /* closed */
	lane = lane_is_at_hand(pool) ? lane_mine.lane : find_lane(pool);
	return lane ? lane_push(lane, gate, pages, n) : ring_push(&pool->ring, gate, pages, n);
}

unsigned returns_take(struct pp_pool *pool, struct pp_page **out, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < POOL_LANES && k < n; i++) /* those that nobody has, too */
		k += lane_take(&pool->lane[i], out + k, n - k);
	return k < n ? k + ring_take(&pool->ring, out + k, n - k) : k;
}

void returns_drain(struct pp_pool *pool)
{
	for (unsigned i = 0; i < POOL_LANES; i++)
		lane_drain(&pool->lane[i]);
	ring_drain(&pool->ring);
}

bool returns_are_few(struct pp_pool *pool)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < POOL_LANES; i++)
		n += env_load_relaxed(&pool->lane[i].told) - pool->lane[i].head;
	/* a lane of which more was taken than was told of counts below 0 */
	return (int64_t)(n + env_load_relaxed(&pool->ring.tail) - pool->ring.head) < (int64_t)POOL_FEW;
}

uint64_t returns_total(struct pp_pool *pool)
{
	uint64_t n = env_load_relaxed(&pool->ring.tail);

	for (unsigned i = 0; i < POOL_LANES; i++)
		n += env_load_relaxed(&pool->lane[i].tail);
	return n;
}

uint64_t returns_count(struct pp_pool *pool)
{
	uint64_t taken = env_load_relaxed(&pool->ring.head);
	uint64_t total;

	for (unsigned i = 0; i < POOL_LANES; i++)
		taken += env_load_relaxed(&pool->lane[i].head);
	total = returns_total(pool); /* looked at second: not behind what was taken */
	return total > taken ? total - taken : 0;
}
