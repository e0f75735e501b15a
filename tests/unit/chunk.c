/*
 * chunk.c - pages come home (src/pool/chunk.c): in any order, and no more of them by one put than
 * it takes to trim, whatever a report function does meanwhile. And what that costs others, if it is
 * to many chunks: these wait to be listed, as many as the pool has, and each get or put lists a few
 * of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/chunk.h"
#include "soft_device.h"
#include "unit.h"

#define CHUNKS 1000u
#define EACH 4u /* pages of a chunk */

static struct pp_pool *pool;
static struct pp_page *page[CHUNKS * EACH];

static int by_address(const void *a, const void *b)
{
	const char *x = pp_page_addr(*(struct pp_page *const *)a),
		   *y = pp_page_addr(*(struct pp_page *const *)b);

	return x < y ? -1 : x > y;
}

/* Every page of a new pool, those of a chunk side by side. */
static void begin(void)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.memory = PP_MEMORY_BASE;
	p.chunk_size = EACH * PP_BASE_PAGE;
	p.max_pages = CHUNKS * EACH;
	p.idle_chunks = CHUNKS;
	if (pp_pool_create(&pool, pp_binding_none(), &p))
		abort();
	for (unsigned i = 0; i < CHUNKS * EACH; i++)
		if (pp_page_get(&page[i], pool))
			abort();
	qsort(page, CHUNKS * EACH, sizeof page[0], by_address);
}

/* The first page of every chunk comes home, chunk 0's first of all. */
static void firsts_come_home(void)
{
	for (unsigned c = 0; c < CHUNKS; c++)
		pool_free_pages(&page[c * EACH], 1);
}

static unsigned listed(void)
{
	unsigned n = 0;

	list_for_each(pos, &pool->list[CHUNK_AVAIL])
		n++;
	return n;
}

/* All that is home, and no more: chunks are not added. */
static void all_can_be_got(unsigned n)
{
	struct pp_page *got;
	unsigned i = 0;

	while (i < n && !pp_page_get(&got, pool))
		i++;
	check_eq(i, n, "every page that is home can be got");
	check_eq(pp_page_get(&got, pool), -ENOBUFS, "and no other");
	pp_pool_destroy(pool);
}

static void a_get_lists_what_it_takes(void)
{
	struct pp_page *got;

	begin();
	firsts_come_home();
	require(!pp_page_get(&got, pool), "a get, with pages home in %u chunks", CHUNKS);
	check(listed() <= POOL_REFILL, "lists no more than it takes: %u are left", listed());
	all_can_be_got(CHUNKS - 1);
}

static void a_put_lists_a_few(void)
{
	begin();
	firsts_come_home();
	pool_free_pages(&page[1], EACH - 1);
	check(listed() <= 256, "the put that completes a chunk lists %u", listed());
	check_eq(pool->n_on[CHUNK_IDLE_RETURNED], 1,
		 "the chunk counts as idle, though it is behind the others");
	all_can_be_got(CHUNKS + EACH - 1);
}

static void an_idle_one_behind_others_is_trimmed(void)
{
	begin();
	firsts_come_home();
	pool_free_pages(&page[1], EACH - 1);
	check_eq(pp_pool_trim(pool, 0), 1, "it can be trimmed");
	check_eq(pool->n_on[CHUNK_IDLE_RETURNED] + pool->n_on[CHUNK_IDLE], 0,
		 "and is idle no more");
	check_eq(pool->n_chunks, CHUNKS - 1, "nor there");
	pp_pool_destroy(pool);
}

/* ---- any order ------------------------------------------------------------------------- */

#define LARGE 512u /* pages of a chunk, which has several blocks of states, and words of bits */
#define ALL (3 * LARGE)

static struct pp_page *order[ALL];

/* Where the i-th of the pages that come home is, by address. */
static unsigned up(unsigned i)
{
	return i;
}

static unsigned down(unsigned i)
{
	return ALL - 1 - i;
}

static unsigned there_and_back(unsigned i)
{
	return i / 64 % 2 ? i / 64 * 64 + 63 - i % 64 : i;
}

static unsigned in_pairs(unsigned i)
{
	return i ^ 1;
}

static unsigned in_turn(unsigned i)
{
	return i % 3 * LARGE + i / 3;
}

static unsigned scattered(unsigned i)
{
	return i * 1021 % ALL; /* they have no factor in common */
}

static void begin_large(void)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.memory = PP_MEMORY_BASE;
	p.chunk_size = LARGE * PP_BASE_PAGE;
	p.max_pages = ALL;
	p.idle_chunks = 8;
	if (pp_pool_create(&pool, pp_binding_none(), &p))
		abort();
	for (unsigned i = 0; i < ALL; i++)
		if (pp_page_get(&page[i], pool))
			abort();
	qsort(page, ALL, sizeof page[0], by_address);
}

static unsigned different(void)
{
	unsigned n = 1;

	qsort(page, ALL, sizeof page[0], by_address);
	for (unsigned i = 1; i < ALL; i++)
		n += page[i] != page[i - 1];
	return n;
}

/* So many at a time come home, in that order: each is there once, and can be got again. */
static bool come_home(unsigned (*where)(unsigned), unsigned at_a_time)
{
	for (unsigned i = 0; i < ALL; i++)
		order[i] = page[where(i)];
	for (unsigned i = 0, n; i < ALL; i += n) {
		n = ALL - i < at_a_time ? ALL - i : at_a_time;
		pool_free_pages(order + i, n);
	}
	for (unsigned i = 0; i < ALL; i++)
		if (pp_page_get(&page[i], pool))
			return false;
	return different() == ALL && pp_page_get(&order[0], pool) == -ENOBUFS;
}

static void any_order_will_do(void)
{
	static unsigned (*const orders[])(unsigned) = { up,       down,    there_and_back,
							in_pairs, in_turn, scattered };
	unsigned wrong = 0;

	begin_large();
	for (unsigned o = 0; o < sizeof orders / sizeof *orders; o++)
		for (unsigned n = 1; n <= ALL; n = n < 70 ? n + 1 : n * 2 + 1)
			wrong += !come_home(orders[o], n);
	check_eq(wrong, 0, "pages come home in any order, and any number at a time");
	pp_pool_destroy(pool);
}

/* ---- a put that trims ------------------------------------------------------------------ */

/* All but one of what the cache takes, and one more, which makes it full. */
static void a_put_stops_when_it_has_trimmed(void)
{
	unsigned there = CHUNKS * EACH, i = 0;
	struct pp_pool_stats stats;
	struct pp_page *got;

	begin();
	pool->params.idle_chunks = 2;
	while (i < PP_CACHE_PAGES)
		pp_page_put(page[i++]);
	check_eq(pool->n_chunks, CHUNKS, "a cache that is full keeps what it has");
	pp_page_put(page[i++]);
	check_eq(pool->n_chunks, CHUNKS - 2,
		 "one page more, and it gives up what is to be trimmed");
	check_eq(pool->anchor->pushed - pool->anchor->popped, PP_CACHE_PAGES + 1 - 3 * EACH,
		 "and no more: the rest is in the cache again");
	there -= 2 * EACH;
	for (i = 0; i < PP_CACHE_PAGES + 1 - 2 * EACH; i++)
		if (pp_page_get(&got, pool))
			break;
	check_eq(i, PP_CACHE_PAGES + 1 - 2 * EACH, "all that there is can be got");
	pp_pool_stats(pool, &stats, sizeof stats);
	check_eq(stats.in_flight, there, "and is counted");
	pp_pool_destroy(pool);
}

/* ---- a report function that puts, while a full cache gives up pages --------------------- */

static unsigned reports;

static void put_half_a_cache(void *ctx, const char *text)
{
	struct pp_page **more = ctx;

	(void)text;
	for (unsigned i = 0; i < POOL_REFILL && !reports; i++)
		pp_page_put(more[i]);
	reports++;
}

/*
 * One page is in the cache twice. That is found out when its chunk comes home, which is trimmed
 * then: what is left of the half that the cache gave up would go into it again, and has no room.
 */
static void a_report_fills_the_cache(void)
{
	const unsigned n = PP_CACHE_PAGES - POOL_REFILL; /* of the cache's half that is given up */
	struct pp_page *other, *got;
	unsigned i = 0;

	begin();
	pool->params.idle_chunks = 2;
	pp_debug_set(PP_DEBUG_DMA);
	pp_debug_set_report(put_half_a_cache, &page[2 * PP_CACHE_PAGES]);
	while (i < PP_CACHE_PAGES)
		pp_page_put(page[i++]);
	other = pool->anchor->slot[n + EACH];
	pool->anchor->slot[n + EACH] = pool->anchor->slot[n];
	pp_page_put(page[i++]);
	check_eq(reports, 1, "a page that is in the cache twice is reported");
	check(pool->anchor->pushed - pool->anchor->popped <= PP_CACHE_PAGES,
	      "and the cache holds no more than it can");
	pp_page_put(other);
	pp_debug_set(0);
	pp_debug_set_report(NULL, NULL);
	for (i = 0; i < PP_CACHE_PAGES && !pp_page_get(&got, pool);)
		i++;
	check_eq(i, PP_CACHE_PAGES, "what is in it can be got");
	pp_pool_destroy(pool);
}

int main(void)
{
	run(any_order_will_do);
	run(a_put_stops_when_it_has_trimmed);
	run(a_report_fills_the_cache);
	run(a_get_lists_what_it_takes);
	run(a_put_lists_a_few);
	run(an_idle_one_behind_others_is_trimmed);
	return tap_end();
}
