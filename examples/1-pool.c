/*
 * 1-pool.c - a pool by itself: no device and no driver, only recycled pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>
#include <stdio.h>
#include <string.h>

#define BATCH 32u

/* The page that was put last is still warm in the CPU's caches, so it is the next one out. */
static int one_page(struct pp_pool *pool)
{
	struct pp_page *first, *second;

	if (pp_page_get(&first, pool))
		return -1;
	printf("a page of %u bytes, %u reference\n", pp_page_size(first), pp_page_refs(first));
	strcpy(pp_page_addr(first), "anything");
	pp_page_ref(first, 1); /* a second holder, ... */
	pp_page_put(first);    /* ... which drops its reference: the page stays ours */
	pp_page_put(first);    /* the last reference: the page goes back to the pool */
	if (pp_page_get(&second, pool))
		return -1;
	printf("the page put last is got first: %s\n", first == second ? "yes" : "no");
	pp_page_put(second);
	return first == second ? 0 : -1;
}

/* Packets smaller than a page can share one. Each fragment holds a reference on its page. */
static int fragments(struct pp_pool *pool)
{
	struct pp_frag a, b;
	int same;

	if (pp_frag_get(&a, pool, 1500, 64) || pp_frag_get(&b, pool, 1500, 64))
		return -1;
	same = a.page == b.page;
	printf("two fragments of 1,500 bytes share a page: %s\n", same ? "yes" : "no");
	pp_page_put(a.page);
	pp_page_put(b.page);
	pp_pool_trim(pool, 0); /* closes the page that fragments are cut from */
	return same ? 0 : -1;
}

static int batch(struct pp_pool *pool)
{
	struct pp_page *page[BATCH];
	struct pp_pool_stats stats;
	int n = pp_page_get_batch(page, BATCH, pool);

	if (n < 1)
		return -1;
	pp_pool_stats(pool, &stats, sizeof stats);
	printf("a batch: %llu pages in flight, of %llu in %llu chunk\n",
	       (unsigned long long)stats.in_flight, (unsigned long long)stats.pages,
	       (unsigned long long)stats.chunks);
	pp_page_put_batch(page, (unsigned)n);
	return n == BATCH && stats.in_flight == BATCH ? 0 : -1;
}

int main(void)
{
	struct pp_pool_params params = pp_pool_defaults(); /* 4 KiB pages, 2 MiB chunks */
	struct pp_totals totals;
	struct pp_pool *pool;
	int ret;

	params.name = "first";
	ret = pp_pool_create(&pool, pp_binding_none(), &params); /* not mapped for any device */
	if (ret) {
		fprintf(stderr, "no pool: %s\n", strerror(-ret));
		return 1;
	}
	ret = one_page(pool) || batch(pool) || fragments(pool);
	pp_pool_destroy(pool);
	pp_totals(&totals, sizeof totals);
	printf("destroyed: %llu pools and %llu bytes of chunks are left\n",
	       (unsigned long long)totals.pools, (unsigned long long)totals.chunk_bytes);
	return ret || totals.pools || totals.chunk_bytes;
}
