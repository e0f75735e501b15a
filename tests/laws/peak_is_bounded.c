/*
 * peak_is_bounded.c - the most pages in flight at a time, as the statistics have it: never above
 * the truth, at most a cache below it; whichever ways pages go, and whoever reads it when.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#define CACHE PP_CACHE_PAGES

/* ---- one thread at a time, so that the truth is known --------------------------------------- */

static struct {
	struct pp_pool *pool;
	uint64_t now, most;
	struct bunch held;
	uint64_t random;
} it;

static uint64_t below(uint64_t n)
{
	it.random = it.random * 6364136223846793005u + 1442695040888963407u;
	return (it.random >> 33) % n;
}

static void got(uint64_t n)
{
	it.now += n;
	if (it.now > it.most)
		it.most = it.now;
}

static void check_peak(const char *when)
{
	uint64_t peak = pool_stats(it.pool).peak_in_flight;

	if (peak > it.most || peak + CACHE < it.most)
		check(false, "%s: the peak is %llu, and was %llu", when, (unsigned long long)peak,
		      (unsigned long long)it.most);
}

static void need(int ret, int want)
{
	if (ret != want)
		require(ret == want, "pages are got: %d, not %d", ret, want);
}

static void get_some(uint64_t n)
{
	for (; n; n--) {
		need(pp_page_get(&it.held.page[it.held.n++], it.pool), 0);
		got(1);
	}
}

static void get_batch(uint64_t n)
{
	need(pp_page_get_batch(it.held.page + it.held.n, (unsigned)n, it.pool), (int)n);
	it.held.n += (unsigned)n;
	got(n);
}

static void get_neighbours(uint64_t n)
{
	n = n % 16 + 1;
	need(pp_page_get_contiguous(it.held.page + it.held.n, (unsigned)n, it.pool), 0);
	it.held.n += (unsigned)n;
	got(n);
}

static void put_some(uint64_t n)
{
	n = n < it.held.n ? n : it.held.n;
	it.held.n -= (unsigned)n;
	it.now -= n;
	for (uint64_t i = 0; i < n; i++)
		pp_page_put(it.held.page[it.held.n + i]);
}

static void put_batch(uint64_t n)
{
	n = n < it.held.n ? n : it.held.n;
	it.held.n -= (unsigned)n;
	it.now -= n;
	pp_page_put_batch(it.held.page + it.held.n, (unsigned)n);
}

static void *by_another(void *n)
{
	put_some((uintptr_t)n);
	return NULL;
}

static void *by_a_new_owner(void *n)
{
	pp_pool_own(it.pool);
	get_some((uintptr_t)n);
	return NULL;
}

static void step(void)
{
	uint64_t n = below(below(8) ? 600 : 5000);

	switch (below(10)) {
	case 0: get_some(n); break;
	case 1: get_batch(n + 1); break;
	case 2: get_neighbours(n); break;
	case 3: put_some(n); break;
	case 4: put_batch(n); break;
	case 5:
	case 6:
		join(start(by_another,
			   (void *)(uintptr_t)n)); /* with rings, and too many for them */
		break;
	case 7: pp_pool_trim(it.pool, below(3)); break;
	case 8:
		if (below(4))
			break;
		join(start(by_a_new_owner, (void *)(uintptr_t)(n / 8)));
		pp_pool_own(it.pool);
		break;
	default: put_some(UINT64_MAX); break;
	}
	if (it.held.n > 20000)
		put_some(UINT64_MAX);
}

/* Read now and then, or only at the end. */
static void all_ways(unsigned steps, unsigned read_every)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	it.pool = new_pool(pp_binding_none(), &p);
	it.now = it.most = it.held.n = 0;
	it.held.page = calloc(30000, sizeof(struct pp_page *));
	for (unsigned i = 1; i <= steps; i++) {
		step();
		if (i % read_every == 0)
			check_peak("on the way");
	}
	check_peak("at the end");
	put_some(UINT64_MAX);
	get_some(25000); /* no count has drifted away */
	put_some(UINT64_MAX);
	check_peak("after more than ever");
	check(true, "%u steps, read every %u", steps, read_every);
	free(it.held.page);
	pp_pool_destroy(it.pool);
	check_nothing_left("at the end");
}

static void read_while_nobody_is_at_work(void)
{
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b, c;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), NULL);
	check_eq(pool_stats(pool).peak_in_flight, 0, "none yet");
	b = take(pool, 3);
	check_eq(pool_stats(pool).peak_in_flight, 3, "it is exact");
	c = take(pool, 700);
	put_all(&b);
	check_eq(pool_stats(pool).in_flight, 700, "700 are out");
	b = take(pool, 1);
	put_all(&b);
	put_all(&c);
	check(pool_stats(pool).peak_in_flight >= 703 - CACHE, "and stays when they are put");
	check(pool_stats(pool).peak_in_flight <= 703, "never above the truth");
	b = take(pool, 2000);
	pp_device_unbind(d.dev);
	check_eq(pool_stats(pool).peak_in_flight, 2000, "those at the revocation");
	put_all(&b);
	check_eq(pool_stats(pool).peak_in_flight, 2000, "and afterwards");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- many at once: the truth is between two counts ------------------------------------------- */

#define SLOTS 1024
#define PUTTERS 2

static struct {
	struct pp_pool *pool;
	struct pp_page *slot[SLOTS]; /* from the owner to who puts */
	int64_t surely, perhaps;     /* in flight */
	int64_t most_surely, most_perhaps;
	int stop, wrong;
} many;

static void add(int64_t *count, int64_t *most, int64_t n)
{
	int64_t now = __atomic_add_fetch(count, n, __ATOMIC_SEQ_CST);
	int64_t was = __atomic_load_n(most, __ATOMIC_SEQ_CST);

	while (now > was && !__atomic_compare_exchange_n(most, &was, now, false, __ATOMIC_SEQ_CST,
							 __ATOMIC_SEQ_CST))
		;
}

static void put_one(struct pp_page *page)
{
	add(&many.surely, &many.most_surely, -1);
	pp_page_put(page);
	add(&many.perhaps, &many.most_perhaps, -1);
}

static void *puts_what_it_finds(void *arg)
{
	while (!flag_up(&many.stop))
		for (unsigned i = 0; i < SLOTS; i++) {
			struct pp_page *page =
				__atomic_exchange_n(&many.slot[i], NULL, __ATOMIC_ACQ_REL);

			if (page)
				put_one(page);
		}
	return arg;
}

static void *reads(void *arg)
{
	while (!flag_up(&many.stop)) {
		int64_t peak = (int64_t)pool_stats(many.pool).peak_in_flight;

		if (peak > __atomic_load_n(&many.most_perhaps, __ATOMIC_SEQ_CST))
			count_up(&many.wrong);
	}
	return arg;
}

static void get_one(unsigned slot)
{
	struct pp_page *page;

	add(&many.perhaps, &many.most_perhaps, 1);
	need(pp_page_get(&page, many.pool), 0);
	add(&many.surely, &many.most_surely, 1);
	page = __atomic_exchange_n(&many.slot[slot], page, __ATOMIC_ACQ_REL);
	if (page)
		put_one(page);
}

static void read_by_others(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	pthread_t t[PUTTERS + 1];
	int64_t peak;

	memset(&many, 0, sizeof many);
	many.pool = new_pool(pp_binding_none(), &p);
	for (unsigned i = 0; i < PUTTERS; i++)
		t[i] = start(puts_what_it_finds, NULL);
	t[PUTTERS] = start(reads, NULL);
	for (unsigned i = 0; i < 200000; i++)
		get_one((unsigned)below(SLOTS));
	raise_flag(&many.stop);
	for (unsigned i = 0; i <= PUTTERS; i++)
		join(t[i]);
	for (unsigned i = 0; i < SLOTS; i++)
		if (many.slot[i])
			put_one(many.slot[i]);
	peak = (int64_t)pool_stats(many.pool).peak_in_flight;
	check_eq(many.wrong, 0, "while others work it is never above the truth");
	check(peak <= many.most_perhaps && peak + CACHE >= many.most_surely,
	      "and it is near it at the end");
	pp_pool_destroy(many.pool);
	check_nothing_left("at the end");
}

int main(int argc, char **argv)
{
	it.random = argc > 1 ? strtoull(argv[1], NULL, 0) : 17;
	printf("# seed %llu\n", (unsigned long long)it.random);
	run(read_while_nobody_is_at_work);
	all_ways(400, 1000);
	all_ways(400, 7);
	all_ways(400, 1);
	run(read_by_others);
	pp_debug_set(PP_DEBUG_PAGES);
	run(read_while_nobody_is_at_work);
	all_ways(40, 3);
	pp_debug_set(0);
	return tap_end();
}
