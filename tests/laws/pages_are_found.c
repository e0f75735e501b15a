/*
 * pages_are_found.c - from a page to its index and its user's area, and back to the page from an
 * index, an address or an IOVA: right for what is held, in zombies too; for anything else nothing,
 * or a page of a pool.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#define LOOKERS 2

/* ---- what is held --------------------------------------------------------------------------- */

static uint32_t find = PP_FIND_ADDR | PP_FIND_IOVA; /* what pools are made with */

/* By a place of the page, from its first byte to its last one: only what it was made with. */
static bool is_found(struct pp_page *page, uint32_t off)
{
	struct pp_page *a = pp_page_from_addr((char *)pp_page_addr(page) + off);
	struct pp_page *b = pp_page_from_iova(pp_page_iova(page) + off);

	return a == (find & PP_FIND_ADDR ? page : NULL) && b == (find & PP_FIND_IOVA ? page : NULL);
}

static unsigned not_found(struct pp_pool *pool, const struct bunch *b)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < b->n; i++) {
		uint32_t size = pp_page_size(b->page[i]);

		wrong += pp_pool_page(pool, pp_page_index(b->page[i])) != b->page[i];
		wrong += !is_found(b->page[i], 0) || !is_found(b->page[i], size - 1);
		wrong += !is_found(b->page[i], i * 64 % size);
	}
	return wrong;
}

/* Where pages were that nobody holds any more, and their chunks are gone. */
struct place {
	char *addr;
	pp_iova_t iova;
};

static struct place *places_of(const struct bunch *b)
{
	struct place *place = calloc(b->n, sizeof *place);

	for (unsigned i = 0; i < b->n; i++)
		place[i] = (struct place){ pp_page_addr(b->page[i]), pp_page_iova(b->page[i]) };
	return place;
}

static void check_nothing_there(struct place *place, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++)
		found += pp_page_from_addr(place[i].addr) || pp_page_from_iova(place[i].iova);
	check_eq(found, 0, "nothing is found where pages were");
	free(place);
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
		struct place *place;
		struct pp_pool *pool;
		struct bunch b;

		p.page_size = of[i].page_size;
		p.max_pages = of[i].n;
		p.find = find;
		pool = new_pool(pp_binding_none(), &p);
		check(!pp_pool_page(pool, 0), "an empty pool has no page");
		b = take(pool, of[i].n);
		check_indexes(&b, of[i].n + per_chunk - 1);
		check_eq(not_found(pool, &b), 0, "%u pages of %u bytes are found", of[i].n,
			 of[i].page_size);
		check_others(pool, &b, of[i].n);
		place = places_of(&b);
		put_all(&b);
		pp_pool_destroy(pool);
		check_nothing_there(place, of[i].n);
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
	p.find = find;
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
	struct pp_pool *pool, *later;
	struct soft_device d;
	struct place *place;
	struct bunch b, c;
	uint64_t gone;

	p.find = find;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 16 * 20);
	place = places_of(&b);
	gone = b.n;
	pp_device_unbind(d.dev);
	check_eq(not_found(pool, &b), 0, "all are found when the device has gone");
	later = new_pool(soft_device_bind(&d), &p);
	c = take(later, 16 * 20);
	check_eq(not_found(pool, &b) + not_found(later, &c), 0, "also if another pool has come");
	put_all(&c);
	pp_pool_destroy(later);
	check_nothing_there(place, 0);
	place = places_of(&b);
	gone = pp_page_index(b.page[0]);
	while (b.n > 1 && pp_page_index(b.page[b.n - 1]) / 16 != gone / 16)
		pp_page_put(b.page[--b.n]);
	check_eq(not_found(pool, &b), 0, "and those that are left,");
	pp_pool_destroy(pool);
	check_eq(not_found(pool, &b), 0, "without the handle, too");
	put_all(&b);
	check_nothing_there(place, 16 * 20);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* All of the address space: there is nothing that can't be asked for. */
static void nothing_faults(void)
{
	unsigned found = 0;

	for (unsigned shift = 0; shift < 64; shift++)
		for (unsigned i = 0; i < 64; i++) {
			uint64_t at = (1ull << shift) + ((uint64_t)i << 57) - i;

			found += pp_page_from_addr((void *)(uintptr_t)at) != NULL;
			found += pp_page_from_iova(at) != NULL;
		}
	check_eq(found, 0, "where no pool is there is nothing");
	check(!pp_page_from_addr(NULL) && !pp_page_from_iova(PP_IOVA_NONE), "nor at NULL");
}

/* Fragments lie in their page; and the caller's data behind the headroom. */
static void what_lies_in_a_page(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool;
	struct pp_page *page;
	struct pp_frag frag;

	p.find = find;
	p.headroom = 256;
	pool = new_pool(pp_binding_none(), &p);
	check_eq(pp_frag_get(&frag, pool, 100, 64), 0, "a fragment");
	check_eq(pp_frag_get(&frag, pool, 100, 64), 0, "and one behind it");
	check(pp_page_from_addr(frag.addr) == frag.page, "its page is found by its address");
	check(pp_page_from_iova(frag.iova + 99) == frag.page, "and by its last byte's IOVA");
	pp_page_put(frag.page);
	pp_page_put(frag.page);
	check_eq(pp_page_get(&page, pool), 0, "a page");
	check_eq(pp_page_headroom(page), 256, "which knows of its headroom");
	check(pp_page_data(page) == (char *)pp_page_addr(page) + 256, "the data's address");
	check(pp_page_data_iova(page) == pp_page_iova(page) + 256, "and IOVA");
	check(pp_page_from_addr(pp_page_data(page)) == page, "by which the page is found");
	pp_page_put(page);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* A child has its own copy of what is found, and of what finds it. */
static void in_a_child_of_fork(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool;
	struct bunch b, more;
	int status = -1;
	pid_t pid;

	p.find = find;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 100);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		more = take(pool, 1000);
		_exit(not_found(pool, &b) || not_found(pool, &more));
	}
	waitpid(pid, &status, 0);
	check_eq(status, 0, "a child finds what it has, and what it gets");
	more = take(pool, 1000);
	check_eq(not_found(pool, &b) + not_found(pool, &more), 0, "and so does its parent");
	put_all(&more);
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* The table's memory goes with the chunks: 4 KiB for 2 MiB, by addresses and by IOVA. */
static void tables_cost_what_is_said(void)
{
	struct pp_pool_params p = small_chunks(2 * MIB);
	uint64_t bytes[2], chunks = 0;
	struct bunch b;

	for (unsigned i = 0; i < 2; i++) {
		struct pp_pool *pool;

		p.find = i ? find : 0;
		pool = new_pool(pp_binding_none(), &p);
		b = take(pool, 512 * 8);
		bytes[i] = pool_stats(pool).record_bytes;
		chunks = pool_stats(pool).chunks;
		put_all(&b);
		pp_pool_destroy(pool);
	}
	check_eq(bytes[1] - bytes[0], chunks * 512 * 2 * sizeof(void *), "a word for a page, each");
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

	do {
		const char *addr = pp_page_addr(race.held.page[0]);
		pp_iova_t iova = pp_page_iova(race.held.page[0]);

		for (unsigned i = 0; i < 64; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			pp_pool_page(race.pool, x >> 32 & 4095);
			pp_page_from_addr(addr + (x >> 32 & (16 * MIB - 1)) - 8 * MIB);
			pp_page_from_iova(iova + (x >> 32 & (16 * MIB - 1)) - 8 * MIB);
		}
		if (not_found(race.pool, &race.held))
			count_up(&race.wrong);
		count_up(&race.rounds);
	} while (!flag_up(&race.stop));
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

static unsigned page_size_of_race;

static void raced_with_growth_and_trimming(void)
{
	struct pp_pool_params p = small_chunks(16 * KIB);
	struct soft_device d;
	pthread_t t[LOOKERS];
	struct bunch b;

	p.idle_chunks = 1;
	p.find = find;
	p.page_size = 2048 << (page_size_of_race++ % 2);
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
	run(nothing_faults);
	run(what_lies_in_a_page);
	run(in_a_child_of_fork);
	run(tables_cost_what_is_said);
	run(the_users_area_stays);
	run(raced_with_growth_and_trimming);
	run(raced_with_growth_and_trimming);
	pp_debug_set(PP_DEBUG_PAGES);
	run(of_all_sizes);
	run(in_zombies);
	pp_debug_set(0);
	for (find = 0; find < (PP_FIND_ADDR | PP_FIND_IOVA); find++)
		run(while_chunks_come_and_go);
	return tap_end();
}
