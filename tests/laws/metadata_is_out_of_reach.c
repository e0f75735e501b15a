/*
 * metadata_is_out_of_reach.c - Law 7: nothing the device can write to holds the library's own
 * metadata: page descriptors live outside DMA memory.
 *
 * The device writes 0xFF over every byte it can reach; then everything must still work.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

/* What the device can reach: the test walks all the IOVA space near a pool's pages. */
static uint64_t overwrite_all(struct soft_device *d, const struct bunch *b, uint32_t chunk_size)
{
	static char ones[2 * MIB];
	pp_iova_t last = PP_IOVA_NONE;
	uint64_t bytes = 0;

	memset(ones, 0xFF, sizeof ones);
	for (unsigned i = 0; i < b->n; i++) {
		pp_iova_t chunk = pp_page_iova(b->page[i]) & ~(pp_iova_t)(chunk_size - 1);

		if (chunk == last)
			continue;
		last = chunk;
		if (!pp_soft_write(d->iommu, chunk, ones, chunk_size))
			bytes += chunk_size;
	}
	return bytes;
}

static bool inside(const void *p, const struct bunch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		const char *addr = pp_page_addr(b->page[i]);

		if ((const char *)p >= addr && (const char *)p < addr + pp_page_size(b->page[i]))
			return true;
	}
	return false;
}

static void descriptors_lie_outside(const struct bunch *b, struct pp_pool *pool)
{
	unsigned in = 0;

	for (unsigned i = 0; i < b->n; i += 7)
		in += inside(b->page[i], b);
	check_eq(in, 0, "no descriptor lies in memory that the device can write to");
	check(!inside(pool, b), "nor does the pool");
}

/* Overwritten in every place where a page can be: held, in the cache, in ring and chunk. */
static void *puts_all(void *arg)
{
	put_all(arg);
	return NULL;
}

static void survives(uint32_t page_size, uint32_t chunk_size, unsigned debug)
{
	bool slow = device_step() > 1; /* less of all, then */
	struct pp_pool_params p;
	unsigned n = (slow ? 256 * KIB : 16 * MIB) / page_size;
	struct bunch all, again, some;
	struct pp_frag frag[32];
	struct soft_device d;
	struct pp_pool *pool;
	uint64_t reports;

	chunk_size = slow ? 64 * KIB : chunk_size;
	p = small_chunks(chunk_size);
	pp_debug_set(debug);
	p.page_size = page_size;
	p.max_pages = n;
	p.idle_chunks = n;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	all = take(pool, n);
	reports = pp_debug_reports();
	descriptors_lie_outside(&all, pool);
	check(all_different(&all), "the pages, in order");
	check_eq(overwrite_all(&d, &all, chunk_size), soft_device_domain(&d).bytes_mapped,
		 "the device writes over every byte that is mapped");
	/* a third to the cache, a third to ring and chunk, a third held */
	some = (struct bunch){ calloc(n, sizeof *all.page), 0 };
	for (unsigned i = 0; i < n; i++)
		if (i % 3 == 0)
			pp_page_put(all.page[i]);
		else if (i % 3 == 1)
			some.page[some.n++] = all.page[i];
	join(start(puts_all, &some));
	check_eq(overwrite_all(&d, &all, chunk_size), soft_device_domain(&d).bytes_mapped,
		 "and again while they are in cache, ring and chunks");
	for (unsigned i = 2; i < n; i += 3)
		pp_page_put(all.page[i]);
	again = take(pool, n);
	check(all_different(&again), "every page can be got again, once");
	check(!memcmp(again.page, all.page, n * sizeof *all.page), "they are the same pages");
	put_all(&again);
	for (unsigned i = 0; i < 32; i++) {
		require(!pp_frag_get(&frag[i], pool, 700, 64), "a fragment");
		memset(frag[i].addr, 0xFF, frag[i].len);
		if (i % 16 == 0 || !slow)
			overwrite_all(&d, &all, chunk_size);
	}
	for (unsigned i = 0; i < 32; i++)
		pp_page_put(frag[i].page);
	again = take(pool, n - 1);
	check(all_different(&again), "and after fragments");
	pp_device_unbind(d.dev);
	pp_pool_destroy(pool);
	put_all(&again);
	free(all.page);
	soft_device_exit(&d);
	if (debug & PP_DEBUG_PAGES) /* free pages hold a poison there */
		check(pp_debug_reports() > reports, "what was written to free pages was told of");
	else
		check_eq(pp_debug_reports(), reports, "nobody complained");
	pp_debug_set(0);
	check_nothing_left("at the end");
}

static void small_pages(void)
{
	survives(2048, 64 * KIB, 0);
}

static void base_pages(void)
{
	survives(4096, 2 * MIB, 0);
}

static void large_pages(void)
{
	survives(64 * KIB, 64 * KIB, 0);
}

static void in_debug_mode(void)
{
	survives(4096, 64 * KIB, PP_DEBUG_DMA | PP_DEBUG_PAGES);
}

int main(void)
{
	run(small_pages);
	run(base_pages);
	run(large_pages);
	run(in_debug_mode);
	return tap_end();
}
