// SPDX-License-Identifier: GPL-2.0
/*
 * page_pool_chunk_test.c - KUnit tests of what a page_pool maps, and unmaps
 *
 * The device is none: its DMA layer counts what is mapped, and can refuse large
 * mappings, or have a limit as one with bounce buffers has.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <net/page_pool/helpers.h>

#define N_PAGES		(SZ_32M >> PAGE_SHIFT) /* that can be out */
#define TWO_CHUNKS	(2 * SZ_2M >> PAGE_SHIFT)

/**
 * struct pool_test - a pool, its device, and pages of it that are out
 * @dev:	the device
 * @pool:	the pool
 * @page:	pages that are out, @n of them
 * @n:		how many
 * @busy:	pages that were released and have a reference of ours, @n_busy
 * @n_busy:	how many
 * @mapped:	pages that are mapped; the shrinker and a work item unmap, too
 * @maps:	mappings made so far
 * @largest:	bytes of the largest mapping made so far
 * @most:	bytes of the largest mapping that does not fail
 * @bounces:	the device may go through bounce buffers
 * @peak:	the most pages that were out or busy at one time
 * @over:	what was mapped beyond that
 */
struct pool_test {
	struct device *dev;
	struct page_pool *pool;
	struct page **page;
	unsigned int n;
	struct page **busy;
	unsigned int n_busy;
	atomic_long_t mapped;
	long maps;
	size_t largest;
	size_t most;
	bool bounces;
	long peak;
	long over;
};

static dma_addr_t test_map_phys(struct device *dev, phys_addr_t phys,
				size_t size, enum dma_data_direction dir,
				unsigned long attrs)
{
	struct pool_test *t = dev_get_drvdata(dev);

	if (size > t->most)
		return DMA_MAPPING_ERROR;
	t->maps++;
	atomic_long_add(size >> PAGE_SHIFT, &t->mapped);
	t->largest = max(t->largest, size);
	return phys;
}

static void test_unmap_phys(struct device *dev, dma_addr_t dma, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	struct pool_test *t = dev_get_drvdata(dev);

	atomic_long_sub(size >> PAGE_SHIFT, &t->mapped);
}

static size_t test_max_mapping_size(struct device *dev)
{
	struct pool_test *t = dev_get_drvdata(dev);

	return t->bounces ? SZ_256K : SIZE_MAX;
}

/* A DMA layer without this is taken for one that never bounces. */
static void test_sync(struct device *dev, dma_addr_t dma, size_t size,
		      enum dma_data_direction dir)
{
}

static const struct dma_map_ops test_ops = {
	.map_phys = test_map_phys,
	.unmap_phys = test_unmap_phys,
	.sync_single_for_cpu = test_sync,
	.sync_single_for_device = test_sync,
	.max_mapping_size = test_max_mapping_size,
};

static long pages_mapped(const struct pool_test *t)
{
	return atomic_long_read(&t->mapped);
}

/* So many are out, those in cache and ring too. */
static long pages_out(const struct pool_test *t)
{
	return (s32)(READ_ONCE(t->pool->pages_state_hold_cnt) -
		     atomic_read(&t->pool->pages_state_release_cnt));
}

static void pool_start(struct kunit *test, unsigned int order)
{
	struct pool_test *t = test->priv;
	struct page_pool_params params = {
		.order = order,
		.flags = PP_FLAG_DMA_MAP,
		.pool_size = N_PAGES / 8,
		.nid = NUMA_NO_NODE,
		.dev = t->dev,
		.dma_dir = DMA_FROM_DEVICE,
	};

	t->pool = page_pool_create(&params);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->pool);
}

static void pool_end(struct pool_test *t)
{
	page_pool_destroy(t->pool);
	t->pool = NULL;
}

static void take(struct kunit *test, unsigned int n)
{
	struct pool_test *t = test->priv;
	struct page *page;
	long used;

	while (n--) {
		page = page_pool_alloc_pages(t->pool, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, page);
		t->page[t->n++] = page;
		used = pages_out(t) + t->n_busy;
		t->peak = max(t->peak, used);
		t->over = max(t->over, pages_mapped(t) - t->peak);
	}
}

/* Each step-th page is released, and if it is busy, we have a reference. */
static void release_some(struct pool_test *t, unsigned int step, bool busy)
{
	struct page_pool *pool = t->pool;
	unsigned int i, left = 0;

	for (i = 0; i < t->n; i++) {
		if (i % step) {
			t->page[left++] = t->page[i];
			continue;
		}
		if (busy) {
			get_page(t->page[i]);
			t->busy[t->n_busy++] = t->page[i];
		}
		page_pool_put_full_page(pool, t->page[i], false);
	}
	t->n = left;
}

static void drop_busy(struct pool_test *t)
{
	while (t->n_busy)
		put_page(t->busy[--t->n_busy]);
}

static bool is_out(const struct pool_test *t, const struct page *page)
{
	unsigned int i;

	for (i = 0; i < t->n; i++)
		if (t->page[i] == page)
			return true;
	return false;
}

static void a_mapping_is_of_many_pages(struct kunit *test)
{
	struct pool_test *t = test->priv;
	unsigned int i;

	pool_start(test, 0);
	take(test, N_PAGES / 2);
	KUNIT_EXPECT_GE(test, pages_mapped(t), N_PAGES / 2);
	KUNIT_EXPECT_LT(test, t->maps, N_PAGES / 2 * PAGE_SIZE / SZ_64K);
	for (i = 0; i < t->n; i++)
		KUNIT_EXPECT_EQ(test, page_pool_get_dma_addr(t->page[i]),
				page_to_phys(t->page[i]));
}

static void destroy_unmaps_what_is_out(struct kunit *test)
{
	struct pool_test *t = test->priv;
	struct page_pool *pool;

	pool_start(test, 0);
	take(test, N_PAGES / 3);
	pool = t->pool;
	pool_end(t);
	KUNIT_EXPECT_EQ(test, pages_mapped(t), 0);

	/* they are memory still, and the pool is there for them */
	while (t->n) {
		memset(page_address(t->page[--t->n]), 1, PAGE_SIZE);
		page_pool_put_full_page(pool, t->page[t->n], false);
	}
	KUNIT_EXPECT_EQ(test, pages_mapped(t), 0);
}

static void a_page_that_others_have_stays_away(struct kunit *test)
{
	struct pool_test *t = test->priv;
	struct page *page;

	pool_start(test, 0);
	take(test, 1);
	page = t->page[0];
	release_some(t, 1, true);
	take(test, N_PAGES / 2);
	KUNIT_EXPECT_FALSE(test, is_out(t, page));
	KUNIT_EXPECT_EQ(test, page_count(page), 2);
	KUNIT_EXPECT_FALSE(test, page_pool_page_is_pp(page));
}

static void what_is_held_is_bounded(struct kunit *test)
{
	static const unsigned int steps[] = { N_PAGES / 2, N_PAGES / 16, 32, 4 };
	struct pool_test *t = test->priv;
	unsigned int i;

	pool_start(test, 0);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		take(test, N_PAGES / 2 - t->n);
		release_some(t, steps[i], true);
		take(test, N_PAGES / 2);
		release_some(t, 2, false);
		drop_busy(t);
		take(test, N_PAGES / 4);
		release_some(t, 2, false);
	}
	KUNIT_EXPECT_LE(test, t->over, TWO_CHUNKS);
}

static void little_is_idle(struct kunit *test)
{
	struct pool_test *t = test->priv;
	unsigned int tries = 10;
	long idle;

	pool_start(test, 0);
	/* the shrinker may just have taken all of it, but hardly each time */
	do {
		take(test, N_PAGES);
		release_some(t, 1, false);
		idle = pages_mapped(t) - pages_out(t);
		KUNIT_EXPECT_LE(test, idle, TWO_CHUNKS);
	} while (!idle && --tries);
	KUNIT_EXPECT_GT(test, idle, 0);
}

static void single_pages_do(struct kunit *test)
{
	struct pool_test *t = test->priv;

	t->most = PAGE_SIZE;
	pool_start(test, 0);
	take(test, N_PAGES / 8);
	KUNIT_EXPECT_EQ(test, pages_mapped(t), pages_out(t));
	KUNIT_EXPECT_EQ(test, pages_mapped(t), t->maps);
	pool_end(t);
	KUNIT_EXPECT_EQ(test, pages_mapped(t), 0);
}

static void nothing_idle_is_bounced(struct kunit *test)
{
	struct pool_test *t = test->priv;
	long maps;

	t->bounces = true;
	pool_start(test, 0);
	take(test, 64);		/* a large mapping was tried, and undone */
	t->largest = 0;
	maps = t->maps;
	take(test, N_PAGES / 2);
	KUNIT_EXPECT_EQ(test, t->largest, PAGE_SIZE);
	KUNIT_EXPECT_GT(test, t->maps, maps);
	release_some(t, 1, false);
	KUNIT_EXPECT_EQ(test, pages_mapped(t), pages_out(t));
}

static void pages_of_a_higher_order(struct kunit *test)
{
	struct pool_test *t = test->priv;
	unsigned int i;

	pool_start(test, 2);
	take(test, 100);
	for (i = 0; i < t->n; i++)
		KUNIT_EXPECT_EQ(test, compound_order(t->page[i]), 2);
	KUNIT_EXPECT_EQ(test, pages_mapped(t), 4 * pages_out(t));
	pool_end(t);
	KUNIT_EXPECT_EQ(test, pages_mapped(t), 0);
}

static int pool_test_init(struct kunit *test)
{
	struct pool_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->page = kunit_kcalloc(test, N_PAGES, sizeof(*t->page), GFP_KERNEL);
	t->busy = kunit_kcalloc(test, N_PAGES, sizeof(*t->busy), GFP_KERNEL);
	if (!t->page || !t->busy)
		return -ENOMEM;
	t->dev = kunit_device_register(test, "page_pool_chunk");
	if (IS_ERR(t->dev))
		return PTR_ERR(t->dev);
	t->most = SIZE_MAX;
	dev_set_drvdata(t->dev, t);
	set_dma_ops(t->dev, &test_ops);
	test->priv = t;
	return dma_coerce_mask_and_coherent(t->dev, DMA_BIT_MASK(64));
}

static void pool_test_exit(struct kunit *test)
{
	struct pool_test *t = test->priv;
	struct page *page;

	if (!t)
		return;
	drop_busy(t);
	while (t->n) {
		page = t->page[--t->n];
		page_pool_put_full_page(pp_page_to_nmdesc(page)->pp, page,
					false);
	}
	if (!IS_ERR_OR_NULL(t->pool))
		page_pool_destroy(t->pool);
	set_dma_ops(t->dev, NULL);
}

static struct kunit_case pool_test_cases[] = {
	KUNIT_CASE(a_mapping_is_of_many_pages),
	KUNIT_CASE(destroy_unmaps_what_is_out),
	KUNIT_CASE(a_page_that_others_have_stays_away),
	KUNIT_CASE(what_is_held_is_bounded),
	KUNIT_CASE(little_is_idle),
	KUNIT_CASE(single_pages_do),
	KUNIT_CASE(nothing_idle_is_bounced),
	KUNIT_CASE(pages_of_a_higher_order),
	{ }
};

static struct kunit_suite pool_test_suite = {
	.name = "page_pool_chunk",
	.init = pool_test_init,
	.exit = pool_test_exit,
	.test_cases = pool_test_cases,
};

kunit_test_suite(pool_test_suite);

MODULE_DESCRIPTION("KUnit tests of what a page_pool maps");
MODULE_LICENSE("GPL");
