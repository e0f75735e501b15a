/*
 * returns.c - what other threads put and the owner has not taken yet. The putters' side of
 * the revocation protocol (pool.h, "the one subtle protocol").
 *
 * Each of the first few threads that put has a *lane* of its own, a ring with one writer and
 * one reader, so that its puts need no atomic read-modify-write: that would wait for every
 * store before it, and the one before it is as a rule to a line that another thread reads. All
 * others, and who finds no lane, share a ring, where a place is taken by a compare-and-swap.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

/* Which lane this thread had last, of whichever pool. */
static __thread unsigned lane_hint;

/* ---- a thread's own lane -------------------------------------------------------------- */

/* The calling thread's, or NULL. A lane stays with its thread as long as there is the pool. */
static __attribute__((noinline)) struct lane *find_lane(struct pp_pool *pool)
{
	uint64_t self = env_self();

	for (unsigned i = 0; i < POOL_LANES; i++) {
		uint64_t thread = env_load_relaxed(&pool->lane_thread[i]);

		/* nothing was ever put into a lane that nobody had: no order needed */
		if (thread == self || (!thread && env_cas_relaxed(&pool->lane_thread[i], &thread, self))) {
			lane_hint = i;
			return &pool->lane[i];
		}
	}
	return NULL;
}

/* The lane that the hint is right about, or NULL. */
static inline struct lane *hinted_lane(struct pp_pool *pool)
{
	uint64_t thread = env_load_relaxed(&pool->lane_thread[lane_hint]);

	return env_likely(thread && env_is_self(thread)) ? &pool->lane[lane_hint] : NULL;
}

/* The end of a push of k pages above the tail. They, and the pool, may be gone after it. */
static inline void lane_pushed(struct lane *lane, struct pp_gate *gate, uint64_t tail, unsigned k)
{
	bool tell = (tail ^ (tail + k)) / POOL_TELL;

	if (tell) /* before: the pool may be gone once the tail says that they are there */
		env_store_relaxed(&lane->told, tail + k);
	env_store_release(&lane->tail, tail + k);
	gate_look(gate);
}

/* As returns_push. Model: revoke.pml, lane_push. */
static unsigned lane_push(struct lane *lane, struct pp_gate *gate, struct pp_page *const *pages,
			  unsigned n)
{
	uint64_t tail = env_load_relaxed(&lane->tail);
	unsigned room = (unsigned)(POOL_LANE - (tail - lane->seen));
	unsigned k;

	if (room < n) {
		/* acquire: the slots up to it have been read (lane_take) */
		lane->seen = env_load_acquire(&lane->head);
		room = (unsigned)(POOL_LANE - (tail - lane->seen));
	}
	k = n < room ? n : room;
	if (!k)
		return 0;
	for (unsigned i = 0; i < k; i++)
		env_store_relaxed(&lane->slot[(tail + i) % POOL_LANE], pages[i]);
	lane_pushed(lane, gate, tail, k);
	return k;
}

static unsigned lane_take(struct lane *lane, struct pp_page **out, unsigned n)
{
	uint64_t head = lane->head, there = env_load_acquire(&lane->tail) - head;
	unsigned k = there < n ? (unsigned)there : n;

	for (unsigned i = 0; i < k; i++)
		out[i] = env_load_relaxed(&lane->slot[(head + i) % POOL_LANE]);
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
bool returns_put(struct pp_pool *pool, struct pp_page *page)
{
	struct lane *lane = hinted_lane(pool);
	struct pp_gate *gate = pool->gate;
	uint64_t tail;

	if (env_unlikely(!lane || !env_load_relaxed(&gate->cap)))
		return returns_push(pool, &page, 1);
	tail = env_load_relaxed(&lane->tail);
	if (env_unlikely(tail - lane->seen == POOL_LANE))
		return returns_push(pool, &page, 1);
	env_store_relaxed(&lane->slot[tail % POOL_LANE], page);
	lane_pushed(lane, gate, tail, 1);
	return true;
}

unsigned returns_push(struct pp_pool *pool, struct pp_page *const *pages, unsigned n)
{
	struct pp_gate *gate = pool->gate;
	struct lane *lane;

	if (env_unlikely(!env_load_relaxed(&gate->cap)))
		return 0; /* closed */
	lane = hinted_lane(pool);
	if (!lane)
		lane = find_lane(pool);
	return lane ? lane_push(lane, gate, pages, n) : ring_push(&pool->ring, gate, pages, n);
}

unsigned returns_take(struct pp_pool *pool, struct pp_page **out, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < POOL_LANES && k < n; i++)
		if (env_load_relaxed(&pool->lane_thread[i]))
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
