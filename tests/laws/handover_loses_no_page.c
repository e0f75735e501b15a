/*
 * handover_loses_no_page.c - Law 6, of a change of owner: the previous owner may put at any time,
 * even while the next one takes over the pool and gets. No page is lost, none is handed out twice.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "pool/pool.h"
#include "unit/unit.h"

#define N 700u /* more than a cache */

static struct pp_pool *limited(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	p.max_pages = 2 * N;
	return new_pool(pp_binding_none(), &p);
}

/* All of 2 * N pages can be got, each once. */
static bool all_there(struct pp_pool *pool)
{
	struct bunch b = take(pool, 2 * N);
	struct pp_page *none;
	bool ok = pp_page_get(&none, pool) == -ENOBUFS;

	ok = all_different(&b) && ok;
	put_all(&b);
	return ok;
}

struct owner {
	struct pp_pool *pool;
	struct bunch b;
	bool batch;
	int phase; /* 1: it begins to put; 2: it has put all; 3: it may end */
};

static void *last_owner(void *arg)
{
	struct owner *o = arg;

	if (pp_pool_own(o->pool))
		abort();
	o->b = take(o->pool, N);
	__atomic_store_n(&o->phase, 1, __ATOMIC_RELEASE);
	if (o->batch)
		for (unsigned i = 0; i < N; i += 50)
			pp_page_put_batch(o->b.page + i, 50);
	for (unsigned i = o->batch ? N : 0; i < N; i++)
		pp_page_put(o->b.page[i]);
	free(o->b.page);
	__atomic_store_n(&o->phase, 2, __ATOMIC_RELEASE);
	return NULL;
}

static void last_owner_puts_while_the_next_gets(void)
{
	unsigned bad = 0, rounds = laps(2000);

	for (unsigned r = 0; r < rounds; r++) {
		struct owner o = { .pool = limited(), .batch = r % 2 };
		struct pp_page *page[2 * N];
		unsigned n = 0;
		pthread_t t;

		if (pthread_create(&t, NULL, last_owner, &o))
			abort();
		while (!__atomic_load_n(&o.phase, __ATOMIC_ACQUIRE))
			sched_yield();
		if (pp_pool_own(o.pool))
			abort();
		while (__atomic_load_n(&o.phase, __ATOMIC_ACQUIRE) < 2)
			if (n < N && !pp_page_get(&page[n], o.pool))
				n++;
		pthread_join(t, NULL);
		while (n)
			pp_page_put(page[--n]);
		bad += !all_there(o.pool) || pool_stats(o.pool).in_flight;
		pp_pool_destroy(o.pool);
	}
	check_eq(bad, 0, "%u times: every page is there, and once", rounds);
	check_eq(totals().pools, 0, "no pool is left");
	check_eq(totals().chunk_bytes, 0, "nor memory");
}

/* ---- what it costs ------------------------------------------------------------------------ */

#define THREADS 3u

static pthread_barrier_t meet;

static unsigned anchors(const struct pp_pool *pool)
{
	unsigned n = 0;

	for (const struct pp_anchor *a = pool->anchors; a; a = a->next)
		n++;
	return n;
}

static void *owns_in_turn(void *arg)
{
	struct owner *o = arg;

	for (unsigned turn = 0; turn < 30; turn++) {
		pthread_barrier_wait(&meet);
		if (turn % THREADS == (unsigned)o->phase) {
			if (pp_pool_own(o->pool))
				abort();
			put_all(&o->b);
			o->b = take(o->pool, 400);
		}
		pthread_barrier_wait(&meet);
	}
	put_all(&o->b);
	return NULL;
}

static void handed_around(void)
{
	struct pp_pool *pool = limited();
	struct owner o[THREADS];
	pthread_t t[THREADS];

	pthread_barrier_init(&meet, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		o[i] = (struct owner){ .pool = pool, .phase = (int)i };
		if (pthread_create(&t[i], NULL, owns_in_turn, &o[i]))
			abort();
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&meet);
	check(anchors(pool) <= THREADS, "%u threads in 30 turns: %u caches", THREADS,
	      anchors(pool));
	if (pp_pool_own(pool))
		abort();
	check(all_there(pool), "and all pages are there");
	pp_pool_destroy(pool);
}

static void owned_by_many_that_end(void)
{
	struct pp_pool *pool = limited();

	for (unsigned i = 0; i < 300; i++) {
		struct owner o = { .pool = pool };
		pthread_t t;

		if (pthread_create(&t, NULL, last_owner, &o) || pthread_join(t, NULL))
			abort();
	}
	check_eq(anchors(pool), 1, "one after the other they have one cache");
	if (pp_pool_own(pool))
		abort();
	check(all_there(pool), "and all pages are there");
	pp_pool_destroy(pool);
}

/* ---- where it isn't as usual ------------------------------------------------------------- */

static void *tries_without_memory(void *arg)
{
	struct owner *o = arg;
	struct fail f;

	fail_begin(&f, "alloc", 0);
	o->phase = pp_pool_own(o->pool);
	fail_end(&f);
	return NULL;
}

static void without_memory(void)
{
	struct owner o = { .pool = limited() };
	struct bunch b = take(o.pool, 10);
	pthread_t t;

	if (pthread_create(&t, NULL, tries_without_memory, &o) || pthread_join(t, NULL))
		abort();
	check_eq(o.phase, -ENOMEM, "without memory for an anchor nobody else becomes the owner");
	put_all(&b);
	check_eq(pool_stats(o.pool).recycle_cached, 10, "the last one still is");
	check(all_there(o.pool), "and all pages are there");
	pp_pool_destroy(o.pool);
}

static void a_revoked_pool_changes_hands(void)
{
	struct soft_device d;
	struct owner o = { .batch = true };
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_page *page;
	pthread_t t;

	soft_device_init(&d, NULL);
	o.pool = new_pool(soft_device_bind(&d), &p);
	if (pthread_create(&t, NULL, last_owner, &o))
		abort();
	while (!__atomic_load_n(&o.phase, __ATOMIC_ACQUIRE))
		sched_yield();
	pp_device_unbind(d.dev);
	check_eq(pp_pool_own(o.pool), 0, "a revoked pool is taken over");
	check_eq(pp_page_get(&page, o.pool), -ENODEV, "it gives no page");
	pthread_join(t, NULL);
	check_eq(pool_stats(o.pool).in_flight, 0, "the last owner's have come home");
	pp_pool_destroy(o.pool);
	soft_device_exit(&d);
	check_eq(totals().pools, 0, "and it is gone");
}

int main(void)
{
	run(without_memory); /* first: anchors that other pools have left would do */
	run(last_owner_puts_while_the_next_gets);
	run(handed_around);
	run(owned_by_many_that_end);
	run(a_revoked_pool_changes_hands);
	return tap_end();
}
