/*
 * budget_is_kept.c - a limit that several pools share (pp_budget): together they never have more,
 * on any number of threads; zombies count until their memory has gone; and what one gives back
 * another can have.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#define CHUNK (64 * KIB)
#define PER_CHUNK (CHUNK / PP_BASE_PAGE)

static struct pp_budget *new_budget(uint64_t chunks)
{
	struct pp_budget *budget;

	require(!pp_budget_create(&budget, chunks * CHUNK), "a budget of %llu chunks",
		(unsigned long long)chunks);
	return budget;
}

static struct pp_pool *pool_of(struct pp_budget *budget, pp_binding_t binding)
{
	struct pp_pool_params p = small_chunks(CHUNK);

	p.budget = budget;
	return new_pool(binding, &p);
}

/* As many as there are. */
static struct bunch take_all(struct pp_pool *pool)
{
	struct bunch b = { calloc(10000, sizeof *b.page), 0 };

	while (b.n < 10000 && !pp_page_get(&b.page[b.n], pool))
		b.n++;
	return b;
}

static void two_pools_share_it(void)
{
	struct pp_budget *budget = new_budget(20);
	struct pp_pool *a = pool_of(budget, pp_binding_none());
	struct pp_pool *z = pool_of(budget, pp_binding_none());
	struct bunch of_a = take(a, 12 * PER_CHUNK), of_z = take_all(z), more;
	struct pp_page *page;

	check_eq(pp_budget_used(budget), 20 * CHUNK, "all of it is in use");
	check_eq(of_z.n + pool_stats(a).pages, 20 * PER_CHUNK, "and no more");
	check_eq(pp_page_get(&page, z), -ENOBUFS, "one pool can't grow,");
	more = take_all(a);
	check_eq(pp_page_get(&page, a), -ENOBUFS, "nor the other");
	check_eq(pp_pool_reserve(z, 16 * PER_CHUNK), -ENOBUFS, "nor reserve");
	put_all(&of_a);
	put_all(&more);
	check_eq(pp_page_get(&page, z), -ENOBUFS, "what is idle is its pool's");
	pp_pool_trim(a, 0);
	check_eq(pp_budget_used(budget), of_z.n / PER_CHUNK * CHUNK, "until it is trimmed");
	more = take_all(z);
	check_eq(of_z.n + more.n, 20 * PER_CHUNK, "then the other has it");
	put_all(&of_z);
	put_all(&more);
	pp_pool_destroy(a);
	pp_pool_destroy(z);
	check_eq(pp_budget_used(budget), 0, "in the end nothing is in use");
	pp_budget_destroy(budget);
	check_nothing_left("at the end");
}

static void zombies_count(void)
{
	struct pp_budget *budget = new_budget(10);
	struct soft_device d;
	struct pp_pool *pool, *next;
	struct bunch b, more;

	soft_device_init(&d, NULL);
	pool = pool_of(budget, soft_device_bind(&d));
	b = take(pool, 6 * PER_CHUNK);
	pp_device_unbind(d.dev);
	pp_pool_destroy(pool);
	next = pool_of(budget, pp_binding_none());
	more = take_all(next);
	check_eq(more.n, 10 * PER_CHUNK - b.n / PER_CHUNK * PER_CHUNK,
		 "a zombie's chunks are in use");
	put_all(&b);
	b = take_all(next);
	check_eq(b.n + more.n, 10 * PER_CHUNK, "until its pages are put");
	pp_budget_destroy(budget); /* its pools go on with it */
	put_all(&b);
	put_all(&more);
	pp_pool_destroy(next);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/*
 * Chunks that a pool has trimmed, and whose invalidation is deferred, don't keep it from growing.
 */
static void trimmed_chunks_are_room(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(CHUNK);
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft.deferred = true;
	soft_device_init(&d, &soft);
	p.budget = new_budget(60);
	p.idle_chunks = 2;
	pool = new_pool(soft_device_bind(&d), &p);
	for (unsigned i = 0; i < 3; i++) {
		b = take_all(pool);
		check_eq(b.n, 60 * PER_CHUNK, "all of it");
		put_all(&b);
	}
	check(pool_stats(pool).chunks_released > 0, "chunks were trimmed");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_eq(pp_budget_used(p.budget), 0, "and nothing is in use");
	pp_budget_destroy(p.budget);
	check_nothing_left("at the end");
}

static void can_be_changed(void)
{
	struct pp_budget *budget = new_budget(0);
	struct pp_pool *pool = pool_of(budget, pp_binding_none());
	struct pp_page *page;
	struct bunch b;

	check_eq(pp_page_get(&page, pool), -ENOBUFS, "there is none");
	pp_budget_set(budget, 5 * CHUNK + CHUNK / 2);
	b = take_all(pool);
	check_eq(b.n, 5 * PER_CHUNK, "five chunks and a half are five");
	pp_budget_set(budget, CHUNK);
	put_all(&b);
	b = take_all(pool);
	check_eq(b.n, 5 * PER_CHUNK, "what a pool has it keeps");
	put_all(&b);
	pp_pool_trim(pool, 0);
	b = take_all(pool);
	check_eq(b.n, PER_CHUNK, "but it gets no more than that again");
	put_all(&b);
	pp_pool_destroy(pool);
	pp_budget_destroy(budget);
	check_nothing_left("at the end");
}

/* ---- many at a time ------------------------------------------------------------------------- */

static struct pp_budget *shared;
static unsigned exceeded;

/* Grow as far as it goes, look, and give it back. */
static void *grows(void *arg)
{
	for (unsigned i = 0; i < laps(200); i++) {
		struct pp_pool *pool = pool_of(shared, pp_binding_none());
		struct bunch b = take_all(pool);

		if (pp_budget_used(shared) > 16 * CHUNK || b.n > 16 * PER_CHUNK)
			__atomic_add_fetch(&exceeded, 1, __ATOMIC_RELAXED);
		if (i % 2)
			pp_pool_destroy(pool);
		put_all(&b);
		if (!(i % 2))
			pp_pool_destroy(pool);
	}
	return arg;
}

static void many_grow_at_a_time(void)
{
	pthread_t t[4];

	shared = new_budget(16);
	for (unsigned i = 0; i < 4; i++)
		t[i] = start(grows, NULL);
	for (unsigned i = 0; i < 4; i++)
		join(t[i]);
	check_eq(exceeded, 0, "four threads: it was never exceeded");
	check_eq(pp_budget_used(shared), 0, "and all of it came back");
	pp_budget_destroy(shared);
	check_nothing_left("at the end");
}

int main(void)
{
	run(two_pools_share_it);
	run(zombies_count);
	run(trimmed_chunks_are_room);
	run(can_be_changed);
	run(many_grow_at_a_time);
	return tap_end();
}
