/*
 * ages_are_true.c - the ages of pages in flight, by sampling: each is that of a page which is out,
 * and not a nanosecond more; whichever way that page comes home, its age ends with it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <time.h>

#include "laws.h"

#define SLOTS PP_POOL_AGES
#define SECOND 1000000000ull

/* The library's clock, ns, which goes only when it is told to. Relaxed. */
static uint64_t now = 1000 * SECOND;

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	uint64_t ns = __atomic_load_n(&now, __ATOMIC_RELAXED);

	if (clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, t);
	*t = (struct timespec){ (time_t)(ns / SECOND), (long)(ns % SECOND) };
	return 0;
}

static void pass(uint64_t ns)
{
	__atomic_fetch_add(&now, ns, __ATOMIC_RELAXED);
}

static struct soft_device device;

static struct pp_pool *a_pool(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	return new_pool(pp_device_binding(device.dev), &p);
}

/* ---- each way home ---------------------------------------------------------------------- */

static void put_one(struct bunch *b)
{
	put_all(b);
}

static void put_batch(struct bunch *b)
{
	pp_page_put_batch(b->page, b->n);
}

static void put_backwards(struct bunch *b)
{
	while (b->n)
		pp_page_put(b->page[--b->n]);
}

static void put_references(struct bunch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		pp_page_ref(b->page[i], 3);
		pp_page_unref(b->page[i], 2);
		pp_page_put(b->page[i]);
		pp_page_unref(b->page[i], 1);
	}
}

static void put_same(struct bunch *b)
{
	struct pp_page *same[3];

	for (unsigned i = 0; i < b->n; i++) {
		same[0] = same[1] = same[2] = b->page[i];
		pp_page_ref(b->page[i], 2);
		pp_page_put_batch(same, 3);
	}
}

static void *another(void *arg)
{
	put_one(arg);
	return NULL;
}

static void *another_by_batch(void *arg)
{
	put_batch(arg);
	return NULL;
}

static void put_elsewhere(struct bunch *b)
{
	join(start(another, b));
}

static void put_batch_elsewhere(struct bunch *b)
{
	join(start(another_by_batch, b));
}

static void put_in_a_zombie(struct bunch *b)
{
	pp_device_unbind(device.dev);
	put_one(b);
}

static void put_in_a_zombie_elsewhere(struct bunch *b)
{
	pp_device_unbind(device.dev);
	put_batch_elsewhere(b);
}

static const struct {
	const char *name;
	void (*put)(struct bunch *b);
} way[] = {
	{ "one by one", put_one },
	{ "by a batch", put_batch },
	{ "the last first", put_backwards },
	{ "by several references", put_references },
	{ "several times in a batch", put_same },
	{ "by another thread", put_elsewhere },
	{ "by another thread's batch", put_batch_elsewhere },
	{ "once revoked", put_in_a_zombie },
	{ "once revoked, by another thread", put_in_a_zombie_elsewhere },
};

static void comes_home(unsigned i)
{
	struct pp_page_age age[SLOTS + 1];
	struct pp_pool *pool = a_pool();
	struct bunch b;
	int n;

	check_eq(pp_pool_ages(pool, age, 1), 0, "nothing is out, and nothing has an age");
	b = take(pool, 3000);
	pass(7 * SECOND);
	n = pp_pool_ages(pool, age, SLOTS + 1);
	check(n > 0 && n <= (int)SLOTS, "pages are timed (%d)", n);
	check_eq(age[0].index, pp_page_index(b.page[0]), "the first page that was got is one");
	check_eq(age[0].ns / SECOND, 7, "and has been out for seven seconds");
	check_eq(pool_stats(pool).oldest_ns, age[0].ns, "the statistics say so, too");
	check_eq(pp_pool_ages(pool, NULL, 0), 0, "none is told where there is no room");
	way[i].put(&b);
	free(b.page);
	check_eq(pp_pool_ages(pool, age, SLOTS), 0, "put %s: no age is left", way[i].name);
	check_eq(pool_stats(pool).oldest_ns, 0, "nor in the statistics");
	pp_pool_destroy(pool);
	if (!pp_binding_alive(pp_device_binding(device.dev)))
		soft_device_bind(&device);
	check_eq(totals().pools, 0, "all pages came home");
}

/* ---- the page that fragments are cut from -------------------------------------------------- */

static void fragments(void)
{
	struct pp_pool *pool = a_pool();
	struct pp_page_age age;
	struct pp_frag frag[40];

	for (unsigned i = 0; i < 40; i++) {
		require(!pp_frag_get(&frag[i], pool, 1000, 8), "a fragment");
		pass(SECOND);
	}
	require(pp_pool_ages(pool, &age, 1) == 1, "a fragment's page is timed");
	check_eq(age.index, pp_page_index(frag[0].page), "the first one");
	check_eq(age.ns / SECOND, 40, "from its get on");
	for (unsigned i = 0; i < 40; i++)
		pp_page_put(frag[i].page);
	check_eq(pp_pool_ages(pool, &age, 1), 0, "its last fragment ends that");
	pp_pool_destroy(pool);
	check_eq(totals().pools, 0, "all pages came home");
}

/* ---- at random, the truth known -------------------------------------------------------------- */

#define PAGES 20000u

static struct {
	struct bunch held;
	uint64_t since[PAGES + 4096]; /* by index; 0: it isn't out */
	uint64_t random;
	uint64_t seen; /* ages */
} it;

static uint64_t below(uint64_t n)
{
	it.random = it.random * 6364136223846793005u + 1442695040888963407u;
	return (it.random >> 33) % n;
}

static void get_some(struct pp_pool *pool)
{
	for (uint64_t n = below(700); n && it.held.n < PAGES; n--) {
		struct pp_page *page;

		if (pp_page_get(&page, pool))
			require(false, "a page is got");
		it.held.page[it.held.n++] = page;
		it.since[pp_page_index(page)] = now;
		pass(below(100));
	}
}

static void put_some(void)
{
	for (uint64_t n = below(700); n && it.held.n; n--) {
		struct pp_page **at = &it.held.page[below(it.held.n)];

		it.since[pp_page_index(*at)] = 0;
		pp_page_put(*at);
		*at = it.held.page[--it.held.n];
		pass(below(100));
	}
}

static void check_ages(const struct pp_pool *pool)
{
	struct pp_page_age age[SLOTS];
	int n = pp_pool_ages(pool, age, SLOTS);

	for (int i = 0; i < n; i++) {
		uint64_t since = it.since[age[i].index], truth = since ? now - since : 0;

		if (!since || age[i].ns != truth)
			require(false, "page %llu has been out for %llu ns, not %llu",
				(unsigned long long)age[i].index, (unsigned long long)truth,
				(unsigned long long)age[i].ns);
		if (i && age[i].ns > age[i - 1].ns)
			require(false, "the oldest comes first");
		it.seen++;
	}
}

static void at_random(void)
{
	struct pp_pool *pool = a_pool();

	it.held.page = calloc(PAGES, sizeof *it.held.page);
	it.random = 11;
	pass(2);
	for (unsigned i = 0; i < 3000; i++) {
		get_some(pool);
		check_ages(pool);
		put_some();
		check_ages(pool);
	}
	check(it.seen > 1000, "%llu ages were told, and right", (unsigned long long)it.seen);
	put_all(&it.held);
	check_eq(pp_pool_ages(pool, NULL, 0), 0, "it can be asked again");
	check_eq(pool_stats(pool).oldest_ns, 0, "all are home");
	pp_pool_destroy(pool);
}

/* ---- several getters, and one who asks -----------------------------------------------------  */

static struct {
	struct pp_pool *pool;
	int stop;
	uint64_t wrong, asked, laps; /* each lap passes 1 of the clock */
} race;

static void *get_and_put(void *arg)
{
	struct pp_getter *getter;
	struct pp_page *page[600];

	(void)arg;
	if (pp_getter_create(&getter, race.pool))
		abort(); /* two threads are here: checks are counted by one at a time */
	for (unsigned lap = 0; lap < 600 || __atomic_load_n(&race.asked, __ATOMIC_RELAXED) < 100;
	     lap++) {
		unsigned n = 0;

		while (n < 600 && !pp_getter_get(&page[n], getter))
			n++;
		__atomic_fetch_add(&race.laps, 1, __ATOMIC_RELAXED);
		pass(1);
		pp_page_put_batch(page, n / 2);
		for (unsigned i = n / 2; i < n; i++)
			pp_page_put(page[i]);
	}
	pp_getter_destroy(getter);
	return NULL;
}

static void *ask(void *arg)
{
	struct pp_page_age age[SLOTS];

	(void)arg;
	while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
		int n = pp_pool_ages(race.pool, age, SLOTS);

		__atomic_fetch_add(&race.asked, 1, __ATOMIC_RELAXED);
		for (int i = 0; i < n; i++)
			race.wrong += age[i].ns > __atomic_load_n(&race.laps, __ATOMIC_RELAXED) ||
				      age[i].index > 1u << 16;
	}
	return NULL;
}

static void raced(void)
{
	pthread_t getter[2], asker;

	race.pool = a_pool();
	asker = start(ask, NULL);
	for (unsigned i = 0; i < 2; i++)
		getter[i] = start(get_and_put, NULL);
	for (unsigned i = 0; i < 2; i++)
		join(getter[i]);
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELAXED);
	join(asker);
	check(!race.wrong, "asked %llu times: no age was wrong", (unsigned long long)race.asked);
	check_eq(pool_stats(race.pool).oldest_ns, 0, "none is left");
	pp_pool_destroy(race.pool);
	check_eq(totals().pools, 0, "all pages came home");
}

/* A page that nobody has but the pool, which cuts it again and again. */
static void cut_again(void)
{
	struct pp_pool *pool = a_pool();
	struct pp_frag frag;

	for (unsigned i = 0; i < 100; i++) {
		require(!pp_frag_get(&frag, pool, 2000, 8), "a fragment");
		pp_page_put(frag.page);
		pass(SECOND);
	}
	check(pool_stats(pool).oldest_ns <= 10 * SECOND, "what is free is not old");
	pp_pool_destroy(pool);
	check_eq(totals().pools, 0, "all pages came home");
}

static void *put_it(void *page)
{
	pp_page_put(page);
	return NULL;
}

/* In a pool that is used up, gets that fail don't count. */
static void gets_that_fail(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_page_age age[SLOTS];
	struct pp_pool *pool;
	struct pp_page *page;
	struct bunch b;
	unsigned timed = 0;

	p.max_pages = 64;
	pool = new_pool(pp_device_binding(device.dev), &p);
	b = take(pool, 64);
	for (unsigned i = 0; i < 400; i++) {
		if (pp_page_get(&page, pool) != -ENOBUFS)
			require(false, "there is none");
		join(start(put_it, b.page[i % 64]));
		if (pp_page_get(&b.page[i % 64], pool))
			require(false, "there is one");
		timed += pp_pool_ages(pool, age, SLOTS) > 1;
	}
	check(timed > 300, "pages are timed (%u times)", timed);
	put_all(&b);
	pp_pool_destroy(pool);
	check_eq(totals().pools, 0, "all pages came home");
}

/* The pool holds the page by itself, and lets go of it when it is revoked. */
static void open_page(void)
{
	struct pp_pool *pool = a_pool();
	struct pp_page_age age;
	struct pp_frag frag;

	require(!pp_frag_get(&frag, pool, 1000, 8), "a fragment");
	pp_page_put(frag.page);
	check_eq(pp_pool_ages(pool, &age, 1), 1, "an open page is timed");
	pp_device_unbind(device.dev);
	check_eq(pp_pool_ages(pool, &age, 1), 0, "and not once it is revoked and at home");
	pp_pool_destroy(pool);
	soft_device_bind(&device);
	check_eq(totals().pools, 0, "all pages came home");
}

int main(void)
{
	struct pp_page_age age;

	soft_device_init(&device, NULL);
	soft_device_bind(&device);
	check_eq(pp_pool_ages(NULL, &age, 1), -EINVAL, "there is no pool");
	for (unsigned i = 0; i < sizeof way / sizeof *way; i++)
		comes_home(i);
	fragments();
	open_page();
	cut_again();
	gets_that_fail();
	at_random();
	raced();
	soft_device_exit(&device);
	return tap_end();
}
