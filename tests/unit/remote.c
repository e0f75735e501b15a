/*
 * remote.c - the SPSC rings of remote puts (src/pool/remote.c): a thread has one in each pool that
 * it puts to, idle threads don't keep others from having one, the owner takes from them in turn,
 * and they are inherited.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <sched.h>

#include "pool/known.h"
#include "pool/pool.h"
#include "soft_device.h"
#include "unit.h"

#define IDLE 12u

static struct pp_pool *pool_new(void)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool *pool;

	p.memory = PP_MEMORY_BASE;
	if (pp_pool_create(&pool, pp_binding_none(), &p))
		abort();
	return pool;
}

static struct pp_page *get(struct pp_pool *pool)
{
	struct pp_page *page;

	if (pp_page_get(&page, pool))
		abort();
	return page;
}

/* SPSC rings that threads have, all or those of one. */
static unsigned taken(const struct pp_pool *pool, uint64_t thread)
{
	unsigned n = 0;

	for (unsigned i = 0; i < POOL_SPSC_RINGS; i++)
		n += thread ? env_load_relaxed(&pool->spsc_thread[i]) == thread :
			      env_load_relaxed(&pool->spsc_thread[i]) != 0;
	return n;
}

/* ---- a thread that does what it is told, and is idle in between ------------------------- */

struct putter {
	pthread_t thread;
	struct pp_page **page;
	unsigned n; /* to put; 0 once that is done */
	bool end;
	uint64_t self; /* its number */
};

static void *putter(void *arg)
{
	struct putter *p = arg;

	p->self = env_self();
	while (!__atomic_load_n(&p->end, __ATOMIC_ACQUIRE)) {
		unsigned n = __atomic_load_n(&p->n, __ATOMIC_ACQUIRE);

		for (unsigned i = 0; i < n; i++)
			pp_page_put(p->page[i]);
		if (n)
			__atomic_store_n(&p->n, 0, __ATOMIC_RELEASE);
		sched_yield();
	}
	return NULL;
}

static void begin(struct putter *p)
{
	*p = (struct putter){ .end = false };
	if (pthread_create(&p->thread, NULL, putter, p))
		abort();
}

static void put_by(struct putter *p, struct pp_page **page, unsigned n)
{
	p->page = page;
	__atomic_store_n(&p->n, n, __ATOMIC_RELEASE);
	while (__atomic_load_n(&p->n, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void put_one_by(struct putter *p, struct pp_pool *pool)
{
	struct pp_page *page = get(pool);

	put_by(p, &page, 1);
}

static void end(struct putter *p)
{
	__atomic_store_n(&p->end, true, __ATOMIC_RELEASE);
	pthread_join(p->thread, NULL);
}

/* ---- the tests ---------------------------------------------------------------------------- */

/* Also where one with a lower number has become free since it took its own. */
static void one_spsc_ring_of_a_pool(void)
{
	struct pp_pool *a = pool_new(), *b = pool_new();
	struct putter first[3], p;

	for (unsigned i = 0; i < 3; i++) {
		begin(&first[i]);
		put_one_by(&first[i], a);
	}
	begin(&p);
	put_one_by(&p, a);
	check_eq(taken(a, 0), 4, "four threads that put have four SPSC rings");
	for (unsigned i = 3; i-- > 0;) {
		end(&first[i]);
		put_one_by(&p, b);
		put_one_by(&p, a);
	}
	check_eq(taken(a, p.self), 1,
		 "a thread that puts in turn to two pools has one SPSC ring of the one");
	check_eq(taken(b, p.self), 1, "and one of the other");
	check_eq(taken(a, 0), 1, "those that have ended have none");
	end(&p);
	check_eq(taken(a, 0) + taken(b, 0), 0, "nobody has any");
	pp_pool_destroy(a);
	pp_pool_destroy(b);
}

static void idle_threads_are_in_nobodys_way(void)
{
	struct pp_pool *pool = pool_new();
	struct putter idle[IDLE], p;

	for (unsigned i = 0; i < IDLE; i++) {
		begin(&idle[i]);
		put_one_by(&idle[i], pool);
	}
	begin(&p);
	put_one_by(&p, pool);
	check_eq(taken(pool, p.self), 1,
		 "a thread gets an SPSC ring while %u idle ones have theirs", IDLE);
	end(&p);
	for (unsigned i = 0; i < IDLE; i++)
		end(&idle[i]);
	pp_pool_destroy(pool);
}

/* What the owner gets of those that others keep full, a turn at a time. */
static void taken_from_in_turn(void)
{
	static struct pp_page *page[POOL_SPSC_RINGS + 1][POOL_SPSC_SLOTS];
	struct pp_pool *pool = pool_new();
	struct putter p[POOL_SPSC_RINGS + 1];
	struct pp_page *got[POOL_CACHE];
	unsigned left = 0, again = 0;

	for (unsigned i = 0; i <= POOL_SPSC_RINGS; i++)
		for (unsigned k = 0; k < POOL_SPSC_SLOTS; k++)
			page[i][k] = get(pool);
	while (env_load_relaxed(&pool->anchor->pushed) != env_load_relaxed(&pool->anchor->popped))
		get(pool);
	for (unsigned i = 0; i <= POOL_SPSC_RINGS; i++) {
		begin(&p[i]);
		put_by(&p[i], page[i], POOL_SPSC_SLOTS);
	}
	check_eq(taken(pool, 0), POOL_SPSC_RINGS, "%u threads have an SPSC ring", POOL_SPSC_RINGS);
	check_eq(pool->mpsc.tail, POOL_SPSC_SLOTS, "the next one puts into the ring");
	for (unsigned round = 0; round <= POOL_SPSC_RINGS; round++) {
		if (pp_page_get_batch(got, POOL_CACHE, pool) != (int)POOL_CACHE)
			abort();
		put_by(&p[0], got, POOL_CACHE); /* the first SPSC ring is full again */
	}
	for (unsigned i = 0; i < POOL_SPSC_RINGS; i++)
		left += !pool->spsc[i]->head;
	check_eq(left, 0,
		 "so many refills take from every SPSC ring, though the first is always full");
	check(pool->mpsc.head, "and from the ring");
	again = taken(pool, p[POOL_SPSC_RINGS].self);
	end(&p[1]);
	put_one_by(&p[POOL_SPSC_RINGS], pool);
	check(!again && taken(pool, p[POOL_SPSC_RINGS].self),
	      "who has none gets one that becomes free");
	for (unsigned i = 0; i <= POOL_SPSC_RINGS; i++)
		if (i != 1)
			end(&p[i]);
	pp_pool_destroy(pool);
}

/* Its SPSC rings are for others when it has ended, also those of a pool that goes at that time. */
static void pool_or_thread_goes_first(void)
{
	struct pp_pool *a = pool_new(), *b = pool_new(), *c = pool_new();
	struct putter p;

	begin(&p);
	put_one_by(&p, a);
	put_one_by(&p, b);
	put_one_by(&p, c);
	pp_pool_destroy(b);
	b = pool_new(); /* as a rule where the last one was */
	put_one_by(&p, b);
	check_eq(taken(b, p.self), 1, "a pool that follows another gives SPSC rings of its own");
	pp_pool_destroy(a);
	end(&p);
	check_eq(taken(b, 0) + taken(c, 0), 0, "the thread has given up all that are left");
	pp_pool_destroy(b);
	pp_pool_destroy(c);
}

/* More of them than a thread knows at a time, of its own and of others'. */
static void many_pools_in_turn(void)
{
	enum { POOLS = 2 * KNOWN_RINGS, ROUNDS = 20 };
	struct pp_pool *pool[POOLS];
	uint64_t ring = 0, cached = 0;
	struct putter p;

	begin(&p);
	for (unsigned i = 0; i < POOLS; i++)
		pool[i] = pool_new();
	for (unsigned i = 0; i < ROUNDS * POOLS; i++) {
		put_one_by(&p, pool[i % POOLS]);
		pp_page_put(get(pool[i % POOLS]));
	}
	for (unsigned i = 0; i < POOLS; i++) {
		struct pp_pool_stats s = pool_stats(pool[i]);

		ring += s.recycle_ring == ROUNDS;
		cached += s.recycle_cached == ROUNDS && !s.in_flight;
	}
	check_eq(ring, POOLS, "each pool has what another thread put to it");
	check_eq(cached, POOLS, "and what its owner did");
	end(&p);
	for (unsigned i = 0; i < POOLS; i++)
		pp_pool_destroy(pool[i]);
}

/* A thread's entry of a pool that has gone is none of the pool with the same anchor. */
static void known_is_forgotten_with_its_pool(void)
{
	struct pp_pool *pool = pool_new();
	struct pp_anchor *anchor = pool->anchor;
	unsigned again = 0, landed = 0;
	struct putter p;

	begin(&p);
	for (unsigned i = 0; i < 20; i++) {
		put_one_by(&p, pool);
		landed += pool_stats(pool).recycle_ring == 1 && taken(pool, p.self) == 1;
		pp_pool_destroy(pool);
		pool = pool_new();
		again += pool->anchor == anchor;
	}
	check_eq(again, 20, "each pool has the anchor of the one before");
	check_eq(landed, 20, "the thread's put goes to its own ring of the one that is there");
	end(&p);
	pp_pool_destroy(pool);
}

/* A pool's second anchor has the first one's number. When it has gone, they are two pools'. */
static void *own_and_follow(void *arg)
{
	struct pp_pool *first = arg, *pool[2];
	struct putter p;

	begin(&p);
	pp_pool_own(first);
	pp_page_put(get(first));
	put_one_by(&p, first);
	pp_pool_destroy(first);
	for (unsigned i = 0; i < 2; i++) {
		pool[i] = pool_new();
		put_one_by(&p, pool[i]);
		check_eq(pool_stats(pool[i]).recycle_ring, 1,
			 "another thread puts a page to the pool that it is of");
	}
	for (unsigned i = 0; i < 2; i++) {
		pp_page_put(get(pool[i]));
		check_eq(pool_stats(pool[i]).recycle_cached, 1,
			 "so does the owner, and to none with an anchor of before");
	}
	end(&p);
	for (unsigned i = 0; i < 2; i++)
		pp_pool_destroy(pool[i]);
	return NULL;
}

static void known_is_forgotten_by_a_new_owner(void)
{
	struct pp_pool *pool = pool_new();
	pthread_t thread;

	pp_page_put(get(pool)); /* or the anchor would be the next owner's */
	if (pthread_create(&thread, NULL, own_and_follow, pool))
		abort();
	pthread_join(thread, NULL);
}

#ifdef PP_FAULTS
static void without_memory(void)
{
	struct pp_pool *pool = pool_new();
	struct pp_page *page;
	struct putter p;
	struct fail f;
	unsigned n = 0;

	for (bool more = true; more; n++) {
		page = get(pool);
		begin(&p);
		fail_begin(&f, "alloc", n);
		put_by(&p, &page, 1);
		more = fail_end(&f);
		end(&p);
		check_eq(pool_stats(pool).in_flight, 0, "the page is back, whatever %u failed", n);
	}
	check(n > 2, "%u things can fail", n - 1);
	pp_pool_destroy(pool);
	check_eq(totals().pools, 0, "nothing is left");
}
#endif

int main(void)
{
	run(one_spsc_ring_of_a_pool);
	run(idle_threads_are_in_nobodys_way);
	run(taken_from_in_turn);
	run(pool_or_thread_goes_first);
	run(many_pools_in_turn);
	run(known_is_forgotten_with_its_pool);
	run(known_is_forgotten_by_a_new_owner);
#ifdef PP_FAULTS
	run(without_memory);
#endif
	return tap_end();
}
