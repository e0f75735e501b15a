/*
 * area_is_mapped_as_one.c - a pool whose memory lies in one area: mapped as a whole, with one call
 * for each device, grown within it, given back after its revocation like any other's.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "counting_iommu.h"

#define CHUNK (64 * KIB)
#define CHUNKS 24u
#define AREA ((uint64_t)CHUNKS * CHUNK)
#define PAGES (AREA / PP_BASE_PAGE)

static struct pp_pool_params an_area(void)
{
	struct pp_pool_params p = small_chunks(CHUNK);

	p.area = AREA;
	return p;
}

static uint64_t chunks_of(struct pp_pool *pool)
{
	return pool_stats(pool).chunks;
}

/* ---- growing --------------------------------------------------------------------------------- */

static bool lie_in(const struct bunch *b)
{
	char *lo = pp_page_addr(b->page[0]);
	pp_iova_t iova = pp_page_iova(b->page[0]);
	bool same = true;

	for (unsigned i = 1; i < b->n; i++)
		if ((char *)pp_page_addr(b->page[i]) < lo) {
			lo = pp_page_addr(b->page[i]);
			iova = pp_page_iova(b->page[i]);
		}
	for (unsigned i = 0; i < b->n; i++) {
		uint64_t offset = (uint64_t)((char *)pp_page_addr(b->page[i]) - lo);

		same &= offset < AREA && pp_page_iova(b->page[i]) - iova == offset;
	}
	return same;
}

static void grows_within(void)
{
	struct pp_pool_params p = an_area();
	struct soft_device d;
	struct pp_page *page;
	struct pp_pool *pool;
	struct bunch b;
	struct counting_iommu counting;

	counting_device_init(&d, &counting, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 1);
	check_eq(counting.maps, 1, "the first get maps");
	check_eq(soft_device_domain(&d).bytes_mapped, AREA, "all of the area");
	check_eq(totals().chunk_bytes, AREA, "which counts as the pool's memory");
	check_eq(pool_stats(pool).bytes_mapped, AREA, "and as mapped");
	check(chunks_of(pool) < CHUNKS, "the pool has %llu of %u chunks",
	      (unsigned long long)chunks_of(pool), CHUNKS);
	put_all(&b);
	b = take(pool, (unsigned)PAGES);
	check_eq(counting.maps, 1, "it grows to the end of the area, and maps nothing more");
	check_eq(chunks_of(pool), CHUNKS, "all chunks are there");
	check_eq(totals().chunk_bytes, AREA, "no memory was added");
	check_eq(pp_page_get(&page, pool), -ENOBUFS, "and that is the limit");
	check(all_different(&b) && lie_in(&b), "addresses and IOVAs lie side by side");
	fill_all(&b, 1);
	check_eq(device_can_write(&d, &b), b.n, "the device reaches every page");
	put_all(&b);
	check_eq(pp_pool_trim(pool, 0), 0, "none of it can be trimmed");
	check_eq(pool_stats(pool).idle_limit, CHUNKS, "so says the limit");
	check_eq(counting.unmaps, 0, "nothing was unmapped");
	pp_device_unbind(d.dev);
	check_eq(counting.unmaps, 1, "the unbind unmaps it by one call");
	domain_is_empty(&d, "unbound");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("in the end");
}

/* ---- the end --------------------------------------------------------------------------------- */

static void zombie_gives_back(void)
{
	struct pp_pool_params p = an_area();
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 5 * CHUNK / PP_BASE_PAGE);
	fill_all(&b, 2);
	thin_out(&b, CHUNK / PP_BASE_PAGE);
	pp_device_unbind(d.dev);
	check(totals().chunk_bytes <= 8 * CHUNK,
	      "revoked: what no chunk has used goes back, %llu bytes stay",
	      (unsigned long long)totals().chunk_bytes);
	check_eq(device_can_write(&d, &b), 0, "the device reaches none");
	check(all_filled(&b, 2), "what is held is as it was");
	pp_pool_destroy(pool);
	while (b.n > 1)
		pp_page_put(b.page[--b.n]);
	check_eq(totals().chunk_bytes, CHUNK, "and each chunk goes with its last page");
	put_all(&b);
	soft_device_exit(&d);
	check_nothing_left("with the last page");
}

/* ---- several devices ------------------------------------------------------------------------- */

static void second_device(void)
{
	struct pp_pool_params p = an_area();
	struct soft_device a, z;
	struct counting_iommu counting, other;
	struct pp_pool *pool;
	pp_binding_t binding;
	struct bunch b;

	counting_device_init(&a, &counting, NULL);
	counting_device_init(&z, &other, NULL);
	pool = new_pool(soft_device_bind(&a), &p);
	b = take(pool, 3);
	binding = soft_device_bind(&z);
	check_eq(pp_pool_attach(pool, binding), 0, "a second device is attached");
	check_eq(other.maps, 1, "by one call");
	check_eq(soft_device_domain(&z).bytes_mapped, AREA, "with all of the area");
	put_all(&b);
	b = take(pool, (unsigned)PAGES);
	check_eq(counting.maps + other.maps, 2, "the pool grows for both");
	check_eq(device_can_write(&z, &b), b.n, "the second reaches what came later");
	check_eq(pp_pool_detach(pool, binding), 0, "it is detached");
	check_eq(other.unmaps, 1, "by one call");
	domain_is_empty(&z, "detached");
	check_eq(device_can_write(&a, &b), b.n, "the first still reaches everything");
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&a);
	soft_device_exit(&z);
	check_nothing_left("in the end");
}

/* ---- what fails ------------------------------------------------------------------------------ */

static void map_fails(void)
{
	struct pp_pool_params p = an_area();
	struct soft_device a, z;
	struct counting_iommu counting, other;
	struct pp_page *page;
	struct pp_pool *pool;

	counting_device_init(&a, &counting, NULL);
	counting_device_init(&z, &other, NULL);
	pool = new_pool(soft_device_bind(&a), &p);
	require(!pp_pool_attach(pool, soft_device_bind(&z)), "both are attached");
	other.map_error = -ENOSPC;
	check_eq(pp_page_get(&page, pool), -ENOSPC, "the second device's map fails");
	domain_is_empty(&a, "after it");
	check_eq(totals().chunk_bytes, 0, "no memory stays");
	other.map_error = 0;
	check_eq(pp_page_get(&page, pool), 0, "it works later");
	check_eq(soft_device_domain(&z).bytes_mapped, AREA, "for the second too");
	pp_page_put(page);
	pp_pool_destroy(pool);
	soft_device_exit(&a);
	soft_device_exit(&z);
	check_nothing_left("in the end");
}

static void ending(void)
{
	struct pp_pool_params p = an_area();
	struct soft_device a, z;
	struct pp_pool *pool;
	struct bunch b, more;

	soft_device_init(&a, NULL);
	soft_device_init(&z, NULL);
	pool = new_pool(soft_device_bind(&a), &p);
	b = take(pool, 1);
	require(!pp_pool_attach(pool, soft_device_bind(&z)), "both are attached");
	pp_device_unbind(z.dev);
	domain_is_empty(&z, "one has gone");
	more = take(pool, (unsigned)PAGES - 1);
	check_eq(device_can_write(&a, &more), more.n, "the pool grows for the one that is left");
	put_all(&b);
	put_all(&more);
	pp_pool_destroy(pool);
	soft_device_exit(&a);
	soft_device_exit(&z);
	check_nothing_left("in the end");
}

static void parameters(void)
{
	struct pp_pool_params p = an_area();
	struct pp_page *page;
	struct pp_pool *pool;
	struct bunch b;

	p.area = AREA + 1;
	check_eq(pp_pool_create(&pool, pp_binding_none(), &p), -EINVAL, "no multiple of a chunk");
	p.area = 65 * (uint64_t)CHUNK;
	check_eq(pp_pool_create(&pool, pp_binding_none(), &p), -EINVAL, "65 chunks");
	p.area = 64 * (uint64_t)CHUNK;
	p.max_pages = 3;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 3);
	check_eq(pp_page_get(&page, pool), -ENOBUFS, "a limit below the area's holds");
	pp_pool_destroy(pool);
	check_eq(totals().zombie_pages, 3, "a pool that no device has may have one too");
	put_all(&b);
	check_nothing_left("in the end");
}

int main(void)
{
	run(grows_within);
	run(zombie_gives_back);
	run(second_device);
	run(map_fails);
	run(ending);
	run(parameters);
	return tap_end();
}
