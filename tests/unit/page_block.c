/*
 * page_block.c - the layout of what belongs to a page: its state word in a block, and what is
 * computed from that word's offset (pagepool/inline/fast.h, src/pool/chunk.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/chunk.h"
#include "soft_device.h"
#include "unit.h"

#define MOST 4096u

static struct pp_pool *pool;
static struct pp_page *page[MOST];
static bool index_seen[2 * MOST];

static void begin(uint32_t page_size, uint32_t chunk_size, uint64_t max_pages, uint32_t user_size)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.memory = PP_MEMORY_BASE;
	p.page_size = page_size;
	p.chunk_size = chunk_size;
	p.max_pages = max_pages;
	p.idle_chunks = 1;
	p.user_size = user_size;
	require(!pp_pool_create(&pool, pp_binding_none(), &p), "a pool");
}

static void get(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		require(!pp_page_get(&page[i], pool), "page %u", i);
}

static void put(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		pp_page_put(page[i]);
}

/* Each has an index of its own, below `end`. */
static void check_indexes(unsigned n, uint64_t end)
{
	unsigned wrong = 0;

	memset(index_seen, 0, sizeof index_seen);
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = pp_page_index(page[i]);

		if (at >= end || index_seen[at])
			wrong++;
		else
			index_seen[at] = true;
	}
	check_eq(wrong, 0, "%u pages have indexes of their own below %llu", n,
		 (unsigned long long)end);
}

/* Address, DMA address, index and user's area of each page fit those of its chunk's first one. */
static void check_places(unsigned n, uint32_t page_size, uint32_t user_size)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct pp_chunk *c = page_chunk(page[i]);
		const struct pp_page *first = chunk_page(c, 0);
		uint32_t at = page_in_chunk(page[i], c);

		wrong += chunk_page(c, at) != page[i] || page_pool(page[i]) != pool;
		wrong += (char *)pp_page_addr(page[i]) != c->addr + (size_t)at * page_size;
		wrong += pp_page_iova(page[i]) != pp_page_iova(first) + (uint64_t)at * page_size;
		wrong += pp_page_index(page[i]) != pp_page_index(first) + at;
		wrong += pp_pool_page(pool, pp_page_index(page[i])) != page[i];
		wrong += (char *)pp_page_user(page[i]) !=
			 (char *)pp_page_user(first) + (size_t)at * user_size;
		wrong += pp_page_size(page[i]) != page_size;
	}
	check_eq(wrong, 0, "what %u pages of %u bytes say of themselves", n, page_size);
}

static void places(void)
{
	static const struct {
		uint32_t page_size, chunk_size, user_size;
		unsigned n;
	} of[] = {
		{ 4096, 2u << 20, 0, 1300 },       /* some blocks, the last one cut off */
		{ 4096, 2u << 20, 24, 1300 },      /* and areas */
		{ 2048, 2u << 20, 8, 2000 },       /* many blocks */
		{ 4096, 4096, 64, 100 },           /* a page a chunk */
		{ 1u << 20, 16u << 20, 65536, 20 } /* few, large */
	};

	for (unsigned i = 0; i < sizeof of / sizeof of[0]; i++) {
		begin(of[i].page_size, of[i].chunk_size, of[i].n, of[i].user_size);
		get(0, of[i].n);
		check_places(of[i].n, of[i].page_size, of[i].user_size);
		put(0, of[i].n);
		pp_pool_destroy(pool);
	}
}

/* Of chunks that have gone: the pool has had 8 at most. */
static void indexes_are_used_again(void)
{
	begin(PP_BASE_PAGE, 16 * PP_BASE_PAGE, 8 * 16, 0);
	for (unsigned round = 0; round < 5; round++) {
		get(0, 8 * 16);
		check_indexes(8 * 16, 8 * 16);
		put(round * 16, 8 * 16);
		check(pp_pool_trim(pool, 0) > 0, "chunks go");
		get(round * 16, 8 * 16);
		check_indexes(8 * 16, 8 * 16);
		put(0, 8 * 16);
		pp_pool_trim(pool, 0);
	}
	pp_pool_destroy(pool);
}

/* Every byte of every area is the user's: zero at first, it stays as it is over put and get. */
static void areas(void)
{
	unsigned wrong = 0;

	begin(PP_BASE_PAGE, 2u << 20, 1000, 20); /* rounded up to 24 */
	get(0, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < 24; k++)
			wrong += ((char *)pp_page_user(page[i]))[k] != 0;
		memset(pp_page_user(page[i]), (int)(i % 255 + 1), 24);
	}
	check_eq(wrong, 0, "they are zero in new pages");
	for (unsigned i = 0; i < 1000; i++)
		for (unsigned k = 0; k < 24; k++)
			wrong += ((char *)pp_page_user(page[i]))[k] != (char)(i % 255 + 1);
	check_eq(wrong, 0, "and no two are the same");
	check_places(1000, PP_BASE_PAGE, 24);
	for (unsigned i = 0; i < 1000; i++)
		wrong += pp_page_refs(page[i]) != 1;
	check_eq(wrong, 0, "nor part of a state");
	put(0, 1000);
	pp_pool_destroy(pool);
	check_eq(pp_pool_create(&pool, pp_binding_none(),
				&(struct pp_pool_params){ .size = sizeof(struct pp_pool_params),
							  .user_size = 65537 }),
		 -EINVAL, "no larger ones than 64 KiB");
}

static void small_metadata(void)
{
	struct pp_pool_stats s;
	uint64_t fixed;

	begin(PP_BASE_PAGE, 2u << 20, 0, 0);
	pp_pool_stats(pool, &s, sizeof s);
	fixed = s.record_bytes;
	get(0, MOST);
	pp_pool_stats(pool, &s, sizeof s);
	check(s.record_bytes - fixed <= 12 * s.pages, "%llu bytes for %llu pages",
	      (unsigned long long)(s.record_bytes - fixed), (unsigned long long)s.pages);
	put(0, MOST);
	pp_pool_destroy(pool);
}

int main(void)
{
	run(places);
	run(indexes_are_used_again);
	run(areas);
	run(small_metadata);
	return tap_end();
}
