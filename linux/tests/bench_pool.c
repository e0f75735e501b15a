// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bench_pool.c - what one page costs on the three ways through a page_pool, with and without a
 * DMA mapping: a page that is alone in the consumer's cache, that takes the ring, and that leaves
 * the pool for good. The device is QEMU's edu, which is only mapped for. A word that is written to
 * /sys/module/bench_pool/parameters/run starts it; the kernel's log then has
 * "bench_pool: WORD NAME MAPPED PAGES NANOSECONDS" lines, several of each. "WORD 1" measures mapped
 * pages only.
 *
 * Like a NIC's driver it does all in softirq context, a batch at a time.
 */
#include <linux/bottom_half.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include "compat.h"

#define BATCH 64
#define REPEATS 3

static unsigned int pages = 1 << 16;
module_param(pages, uint, 0444);

static void back_fast(struct page_pool *pool, struct page *page)
{
	page_pool_recycle_direct(pool, page);
}

static void back_ring(struct page_pool *pool, struct page *page)
{
	page_pool_put_page(pool, page, -1, false);
}

/* with another reference a page isn't recycled: unmapped, and left to who holds the reference */
static void back_slow(struct page_pool *pool, struct page *page)
{
	get_page(page);
	page_pool_put_page(pool, page, -1, false);
	put_page(page);
}

/* pages one at a time: inlined, so that no indirect call is measured */
static __always_inline int laps(struct page_pool *pool, unsigned int n,
				void (*back)(struct page_pool *, struct page *))
{
	unsigned int i;

	while (n) {
		local_bh_disable();
		for (i = 0; i < BATCH; i++) {
			struct page *page = page_pool_alloc_pages(pool, GFP_ATOMIC | __GFP_NOWARN);

			if (unlikely(!page)) {
				local_bh_enable();
				return -ENOMEM;
			}
			back(pool, page);
		}
		local_bh_enable();
		n -= BATCH;
	}
	return 0;
}

static int laps_fast(struct page_pool *pool, unsigned int n) { return laps(pool, n, back_fast); }
static int laps_ring(struct page_pool *pool, unsigned int n) { return laps(pool, n, back_ring); }
static int laps_slow(struct page_pool *pool, unsigned int n) { return laps(pool, n, back_slow); }

static const struct way {
	const char *name;
	int (*laps)(struct page_pool *pool, unsigned int n);
} ways[] = {
	{ "fast", laps_fast },
	{ "ring", laps_ring },
	{ "slow", laps_slow },
};

/* as many pages in the ring as a refill takes */
static int fill(struct page_pool *pool)
{
	struct page *page[BATCH];
	int i, got;

	local_bh_disable();
	for (got = 0; got < BATCH; got++) {
		page[got] = page_pool_alloc_pages(pool, GFP_ATOMIC | __GFP_NOWARN);
		if (!page[got])
			break;
	}
	for (i = 0; i < got; i++)
		page_pool_put_page(pool, page[i], -1, false);
	local_bh_enable();
	return got == BATCH ? 0 : -ENOMEM;
}

static int measure(const char *word, struct device *dev, bool mapped, const struct way *way)
{
	struct page_pool_params params = {
		.flags = mapped ? PP_FLAG_DMA_MAP : 0,
		.pool_size = 1024,
		.nid = NUMA_NO_NODE,
		.dev = dev,
		.dma_dir = DMA_FROM_DEVICE,
	};
	struct page_pool *pool = page_pool_create(&params);
	int i, status;

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	status = fill(pool);
	if (!status)
		status = way->laps(pool, 8 * BATCH); /* warm */
	for (i = 0; !status && i < REPEATS; i++) {
		u64 begun = ktime_get_ns();

		status = way->laps(pool, pages);
		pr_info("bench_pool: %s %s %d %u %llu\n", word, way->name, mapped, pages,
			ktime_get_ns() - begun);
	}
	page_pool_destroy(pool);
	return status;
}

static DEFINE_MUTEX(lock); /* protects the pointer */
static struct pci_dev *bound;

static int run_set(const char *val, const struct kernel_param *param)
{
	int i, mapped = 0, status = -ENODEV;
	char word[16];

	if (sscanf(val, "%15s %d", word, &mapped) < 1 || !pages || pages % BATCH)
		return -EINVAL;
	mutex_lock(&lock);
	if (bound)
		status = dma_set_mask_and_coherent(&bound->dev, DMA_BIT_MASK(32));
	for (; mapped < 2; mapped++)
		for (i = 0; !status && i < ARRAY_SIZE(ways); i++)
			status = measure(word, &bound->dev, mapped, &ways[i]);
	mutex_unlock(&lock);
	return status;
}
static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int status = -EBUSY;

	mutex_lock(&lock);
	if (!bound) {
		bound = pdev;
		status = 0;
	}
	mutex_unlock(&lock);
	return status;
}

static void remove(struct pci_dev *pdev)
{
	mutex_lock(&lock);
	bound = NULL;
	mutex_unlock(&lock);
}

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver bench_driver = {
	.name = "bench_pool",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};
module_pci_driver(bench_driver);

MODULE_DESCRIPTION("What a page of a page_pool costs");
MODULE_LICENSE("Dual BSD/GPL");
