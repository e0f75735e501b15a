/*
 * page_calls_equal_their_steps.c - calls on pages that do in one step what others do in several: a
 * sync by page and offset, dropping many references at once, getting contiguous pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

/* ---- neighbours ---------------------------------------------------------------------------- */

static bool side_by_side(const struct bunch *b)
{
	bool ok = true;

	for (unsigned i = 1; i < b->n; i++) {
		ok &= (char *)pp_page_addr(b->page[i]) ==
		      (char *)pp_page_addr(b->page[i - 1]) + pp_page_size(b->page[0]);
		ok &= pp_page_iova(b->page[i]) ==
		      pp_page_iova(b->page[i - 1]) + pp_page_size(b->page[0]);
		ok &= pp_page_refs(b->page[i]) == 1;
	}
	return ok;
}

static struct bunch neighbours(struct pp_pool *pool, unsigned n)
{
	struct bunch b = { calloc(n, sizeof *b.page), n };
	int ret = pp_page_get_contiguous(b.page, n, pool);

	require(!ret, "%u neighbours are got (%d)", n, ret);
	check(side_by_side(&b), "%u pages lie side by side, with a reference each", n);
	return b;
}

/* 128 pages to a chunk: two words of free bits. */
static void of_all_numbers(void)
{
	struct pp_pool_params p = small_chunks(512 * KIB);
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b[128], all = { calloc(128 * 129 / 2, sizeof *all.page), 0 };
	unsigned n = 0;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	for (unsigned i = 0; i < 128; i++) {
		b[i] = neighbours(pool, i + 1);
		memcpy(all.page + all.n, b[i].page, b[i].n * sizeof *all.page);
		all.n += b[i].n;
	}
	check(all_different(&all), "none is there twice");
	check_eq(pool_stats(pool).in_flight, all.n, "all are in flight");
	check_eq(pool_stats(pool).alloc_slow, all.n, "and are counted");
	check(device_reads(&d, &all), "the device reaches them");
	for (unsigned i = 0; i < 128; i += 2) {
		n += b[i].n;
		put_all(&b[i]);
	}
	check_eq(pool_stats(pool).in_flight, all.n - n, "each is put by itself");
	for (unsigned i = 1; i < 128; i += 2)
		put_all(&b[i]);
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 0, "and goes home");
	free(all.page);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* 16 pages to a chunk. */
static void from_where_there_are_some(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool;
	struct pp_page *page[17];
	struct bunch b, c;

	p.max_pages = 40; /* the third chunk has 8 */
	pool = new_pool(pp_binding_none(), &p);
	check_eq(pp_page_get_contiguous(page, 0, pool), -EINVAL, "none");
	check_eq(pp_page_get_contiguous(page, 17, pool), -EINVAL, "more than a chunk has");
	check_eq(pool_stats(pool).chunks, 0, "both without growth");
	b = neighbours(pool, 9);
	c = neighbours(pool, 7);
	check_eq(pool_stats(pool).chunks, 1, "two runs of one chunk");
	put_all(&c);
	pp_pool_trim(pool, 0); /* from the cache to the chunk */
	c = neighbours(pool, 7);
	check_eq(pool_stats(pool).chunks, 1, "what has come home is found");
	check_eq(pp_page_get_contiguous(page, 16, pool), 0, "a whole chunk");
	check_eq(pp_page_get_contiguous(page + 1, 9, pool), -ENOBUFS, "more than the limit leaves");
	check_eq(pool_stats(pool).chunks, 2, "adds nothing");
	put_all(&c);
	c = neighbours(pool, 8);
	check_eq(pp_page_get_nogrow(page + 16, 1, pool), 1, "a single one is there,");
	pp_page_put_batch(page, 17);
	put_all(&b);
	put_all(&c);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void not_of_a_revoked_pool(void)
{
	struct pp_page *page[4];
	struct soft_device d;
	struct pp_pool *pool;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), NULL);
	check_eq(pp_page_get_contiguous(page, 4, pool), 0, "four");
	pp_device_unbind(d.dev);
	check_eq(pp_page_get_contiguous(page, 4, pool), -ENODEV, "the pool is revoked");
	pp_page_put_batch(page, 4);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- references -------------------------------------------------------------------------- */

static void *drops_three(void *page)
{
	pp_page_unref(page, 3);
	return NULL;
}

static void many_references_at_once(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct pp_page *page, *again;

	check_eq(pp_page_get(&page, pool), 0, "a page");
	pp_page_ref(page, 9);
	pp_page_unref(page, 0);
	check_eq(pp_page_refs(page), 10, "none is dropped");
	pp_page_unref(page, 4);
	check_eq(pp_page_refs(page), 6, "four are");
	join(start(drops_three, page));
	check_eq(pp_page_refs(page), 3, "and three by another thread");
	check_eq(pool_stats(pool).in_flight, 1, "it is in flight");
	pp_page_unref(page, 3);
	check_eq(pool_stats(pool).in_flight, 0, "and goes home with the last");
	check_eq(pp_page_get(&again, pool), 0, "to be got");
	check_eq(pp_page_refs(again), 1, "with one reference");
	pp_page_ref(again, 2);
	join(start(drops_three, again));
	check_eq(pool_stats(pool).in_flight, 0, "the last three are another thread's");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- sync -------------------------------------------------------------------------------- */

static void synced_by_page_and_offset(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct soft_device d;
	pp_binding_t binding;
	struct pp_pool *pool;
	struct pp_page *page;
	char there[8] = "device", *mine;

	soft.incoherent = true;
	soft_device_init(&d, &soft);
	binding = soft_device_bind(&d);
	pool = new_pool(binding, NULL);
	require(!pp_page_get(&page, pool), "a page");
	mine = pp_page_addr(page);
	memset(mine, 'x', 4096);
	check_eq(pp_page_sync_for_device(binding, page, 0, 4096), 0, "all of it for the device");
	pp_soft_write(d.iommu, pp_page_iova(page) + 100, there, 6);
	check(mine[100] == 'x', "what the device writes isn't seen");
	check_eq(pp_page_sync_for_cpu(binding, page, 100, 6), 0, "before a sync for the CPU");
	check(!memcmp(mine + 99, "xdevicex", 8), "and then it is");
	memcpy(mine + 200, "driver", 6);
	pp_soft_read(d.iommu, pp_page_iova(page) + 200, there, 6);
	check(!memcmp(there, "xxxxxx", 6), "what the CPU writes isn't seen");
	check_eq(pp_page_sync_for_device(binding, page, 200, 6), 0, "before one for the device");
	pp_soft_read(d.iommu, pp_page_iova(page) + 200, there, 6);
	check(!memcmp(there, "driver", 6), "and then it is");
	check_eq(pp_page_sync_for_cpu(binding, page, 4090, 7), -EINVAL, "beyond the page");
	check_eq(pp_page_sync_for_cpu(binding, page, 4097, 0), -EINVAL, "behind it");
	check_eq(pp_page_sync_for_device(binding, page, 1, UINT32_MAX), -EINVAL, "far beyond");
	pp_device_unbind(d.dev);
	check_eq(pp_page_sync_for_cpu(binding, page, 0, 8), -ENODEV, "the binding has ended");
	pp_page_put(page);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

int main(void)
{
	run(of_all_numbers);
	run(from_where_there_are_some);
	run(not_of_a_revoked_pool);
	run(many_references_at_once);
	pp_debug_set(PP_DEBUG_PAGES);
	run(of_all_numbers);
	run(many_references_at_once);
	pp_debug_set(0);
	run(synced_by_page_and_offset);
	return tap_end();
}
