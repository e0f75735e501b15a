/*
 * chunk.c - what it costs others that pages have come home to many chunks (src/pool/chunk.c): the
 * chunks wait to be listed, as many as the pool has, and each get or put lists a few of them.
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

int main(void)
{
	run(a_get_lists_what_it_takes);
	run(a_put_lists_a_few);
	run(an_idle_one_behind_others_is_trimmed);
	return tap_end();
}
