/*
 * pages_are_found.c - from a page to its index and its user's area, and from an index back to the
 * page: right for what is held, in zombies too; for anything else nothing, or a page of the pool.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#define LOOKERS 2

/* ---- what is held --------------------------------------------------------------------------- */

static unsigned not_found(struct pp_pool *pool, const struct bunch *b)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < b->n; i++)
		wrong += pp_pool_page(pool, pp_page_index(b->page[i])) != b->page[i];
	return wrong;
}

/* Each has an index of its own, below `end`. */
static void check_indexes(const struct bunch *b, uint64_t end)
{
	bool *seen = calloc(end, 1);
	unsigned wrong = 0;

	for (unsigned i = 0; i < b->n; i++) {
		uint64_t at = pp_page_index(b->page[i]);

		if (at >= end || seen[at])
			wrong++;
		else
			seen[at] = true;
	}
	check_eq(wrong, 0, "%u pages have indexes of their own below %llu", b->n,
		 (unsigned long long)end);
	free(seen);
}

/* Those that nobody holds, and those that there aren't: never a page that is another's. */
static void check_others(struct pp_pool *pool, const struct bunch *b, uint64_t end)
{
	static const uint64_t far[] = { 1u << 20, 1ull << 33, 1ull << 52, UINT64_MAX >> 1,
					UINT64_MAX };
	unsigned wrong = 0, found = 0;

	for (uint64_t at = 0; at < end + 4096; at++) {
		struct pp_page *page = pp_pool_page(pool, at);

		wrong += page && (at >= end || pp_page_index(page) != at);
		found += page != NULL;
	}
	check(found >= b->n && !wrong, "no index of %llu leads to a page that has another",
	      (unsigned long long)end);
	for (unsigned i = 0; i < sizeof far / sizeof far[0]; i++)
		check(!pp_pool_page(pool, far[i]), "nor does one that is far beyond");
}

/* Pages of each size, the limit so that the last chunk is short. */
static void of_all_sizes(void)
{
	static const struct {
		uint32_t page_size, chunk_size;
		unsigned n;
	} of[] = {
		{ 4096, 2 * MIB, 1300 },  { 2048, 2 * MIB, 1025 }, { 4096, 4096, 100 },
		{ 2048, 64 * KIB, 999 },  { 8192, 16 * KIB, 77 },  { 65536, 512 * KIB, 21 },
		{ 1 * MIB, 4 * MIB, 10 },
	};

	for (unsigned i = 0; i < sizeof of / sizeof of[0]; i++) {
		struct pp_pool_params p = small_chunks(of[i].chunk_size);
		uint64_t per_chunk = of[i].chunk_size / of[i].page_size;
		struct pp_pool *pool;
		struct bunch b;

		p.page_size = of[i].page_size;
		p.max_pages = of[i].n;
		pool = new_pool(pp_binding_none(), &p);
		check(!pp_pool_page(pool, 0), "an empty pool has no page");
		b = take(pool, of[i].n);
		check_indexes(&b, of[i].n + per_chunk - 1);
		check_eq(not_found(pool, &b), 0, "%u pages of %u bytes are found", of[i].n,
			 of[i].page_size);
		check_others(pool, &b, of[i].n);
		put_all(&b);
		pp_pool_destroy(pool);
	}
	check_nothing_left("at the end");
}

/* 16 pages to a chunk; more chunks than there are entries in the first groups. */
static void while_chunks_come_and_go(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool;
	struct bunch b, more;

	p.idle_chunks = 1;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 16 * 200);
	check_eq(not_found(pool, &b), 0, "200 chunks' pages are found");
	check_indexes(&b, 16 * 200 + 64);
	thin_out(&b, 50); /* a page in every fourth chunk or so */
	pp_pool_trim(pool, 0);
	check(pool_stats(pool).chunks < 100, "chunks go");
	check_eq(not_found(pool, &b), 0, "the pages that are left are found");
	check_others(pool, &b, 16 * 204);
	more = take(pool, 16 * 100);
	check_eq(not_found(pool, &b) + not_found(pool, &more), 0, "and those of new chunks");
	check_others(pool, &b, 16 * 204);
	put_all(&more);
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* Those that nobody holds have gone with their chunk, or are the pool's yet. */
static void in_zombies(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;
	uint64_t gone;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 16 * 20);
	pp_device_unbind(d.dev);
	check_eq(not_found(pool, &b), 0, "all are found when the device has gone");
	gone = pp_page_index(b.page[0]);
	while (b.n > 1 && pp_page_index(b.page[b.n - 1]) / 16 != gone / 16)
		pp_page_put(b.page[--b.n]);
	check_eq(not_found(pool, &b), 0, "and those that are left,");
	pp_pool_destroy(pool);
	check_eq(not_found(pool, &b), 0, "without the handle, too");
	put_all(&b);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- the user's area ------------------------------------------------------------------------ */

struct note {
	uint64_t page, times;
};

static struct note *note_of(const struct pp_page *page)
{
	return pp_page_user(page);
}

static void the_users_area_stays(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool;
	unsigned wrong = 0;
	struct bunch b;

	p.user_size = sizeof(struct note) - 3; /* rounded up */
	p.max_pages = 1000;
	p.idle_chunks = 1000; /* none goes */
	pool = new_pool(pp_binding_none(), &p);
	for (unsigned round = 0; round < 5; round++) {
		b = take(pool, 1000);
		for (unsigned i = 0; i < b.n; i++) {
			struct note *note = note_of(b.page[i]);

			wrong += note->times != round ||
				 (round && note->page != (uintptr_t)b.page[i]);
			*note = (struct note){ (uintptr_t)b.page[i], round + 1 };
			memset(pp_page_addr(b.page[i]), 0xFF, pp_page_size(b.page[i]));
		}
		put_all(&b);
	}
	check_eq(wrong, 0, "each page has an area of its own, zero at first, which stays");
	wrong = 0;
	pp_pool_destroy(pool);
	p.user_size = 0;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 200);
	for (unsigned i = 0; i < b.n; i++)
		wrong += pp_page_user(b.page[i]) != NULL;
	check_eq(wrong, 0, "a pool that was made without has none");
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- races ---------------------------------------------------------------------------------- */

static struct {
	struct pp_pool *pool;
	struct bunch held; /* all the time */
	int stop, wrong, rounds;
} race;

/* What is held is found; anything else harms nobody. */
static void *looks(void *arg)
{
	uint64_t x = (uintptr_t)arg * 0x9E3779B97F4A7C15u;

	while (!flag_up(&race.stop)) {
		for (unsigned i = 0; i < 64; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			pp_pool_page(race.pool, x >> 32 & 4095);
		}
		if (not_found(race.pool, &race.held))
			count_up(&race.wrong);
		count_up(&race.rounds);
	}
	return NULL;
}

static void start_looking(pthread_t *t)
{
	race.stop = race.wrong = race.rounds = 0;
	for (unsigned i = 0; i < LOOKERS; i++)
		t[i] = start(looks, (void *)(uintptr_t)(i + 1));
}

static void stop_looking(pthread_t *t)
{
	raise_flag(&race.stop);
	for (unsigned i = 0; i < LOOKERS; i++)
		join(t[i]);
	check(race.rounds && !race.wrong, "what was held was found all the time");
}

static void raced_with_growth_and_trimming(void)
{
	struct pp_pool_params p = small_chunks(16 * KIB);
	struct soft_device d;
	pthread_t t[LOOKERS];
	struct bunch b;

	p.idle_chunks = 1;
	soft_device_init(&d, NULL);
	race.pool = new_pool(soft_device_bind(&d), &p);
	race.held = take(race.pool, 30);
	start_looking(t);
	for (unsigned i = 0; i < 100 || flag_up(&race.rounds) < 100; i++) {
		b = take(race.pool, 600);
		put_all(&b);
		pp_pool_trim(race.pool, 0);
	}
	pp_device_unbind(d.dev);
	for (int seen = flag_up(&race.rounds); flag_up(&race.rounds) < seen + 10;)
		sched_yield();
	stop_looking(t);
	put_all(&race.held);
	pp_pool_destroy(race.pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

int main(void)
{
	run(of_all_sizes);
	run(while_chunks_come_and_go);
	run(in_zombies);
	run(the_users_area_stays);
	run(raced_with_growth_and_trimming);
	pp_debug_set(PP_DEBUG_PAGES);
	run(of_all_sizes);
	run(in_zombies);
	pp_debug_set(0);
	return tap_end();
}
