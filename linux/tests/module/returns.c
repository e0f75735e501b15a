// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * returns.c - one consumer, and pages that come back on all processors at once: to the ring, home,
 * or while somebody else has them; in softirq context or not; while the pool is there, while it is
 * destroyed, and when it is gone. Loading the module runs it, with a pool for each round, on a
 * device that no driver is bound to.
 *
 * "owned" has a page as long as somebody else than the pool may touch it: the consumer must not be
 * given such a page.
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/kfifo.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/xarray.h>
#include <net/page_pool/helpers.h>
#include "judge.h"

#define RETURNERS 4
#define KEPT 32 /* pages that a returner still has when they are the pool's again */

static unsigned int rounds = 20;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how many pools");
static unsigned int pages = 20000;
module_param(pages, uint, 0444);
MODULE_PARM_DESC(pages, "how many pages are taken of each");
static unsigned long given_twice, wrong_address, mapped_late, in_flight_at_destroy;
module_param(given_twice, ulong, 0444);
MODULE_PARM_DESC(given_twice, "pages that the consumer got and somebody had");
module_param(wrong_address, ulong, 0444);
MODULE_PARM_DESC(wrong_address, "pages whose DMA address leads elsewhere");
module_param(mapped_late, ulong, 0444);
MODULE_PARM_DESC(mapped_late, "pages that were mapped when page_pool_destroy() had returned");
module_param(in_flight_at_destroy, ulong, 0444);
MODULE_PARM_DESC(in_flight_at_destroy, "pages that were not back yet when it was called, all rounds");

struct returner {
	DECLARE_KFIFO_PTR(fifo, struct page *); /* one writer, one reader */
	struct task_struct *task;
	struct page *kept[KEPT];
	unsigned int n;
	unsigned long returned;
};

static struct returner returners[RETURNERS];
static struct page_pool *pool;
static DEFINE_XARRAY_FLAGS(owned, XA_FLAGS_LOCK_BH); /* by page frame */

static void give_back(struct returner *r, struct page *page)
{
	bool softirq = r->n & 1, keep = r->n % 7 == 0;
	struct page **place = &r->kept[r->n / 7 % KEPT];

	r->n++;
	if (keep) {
		get_page(page);
		if (*place) {
			xa_erase_bh(&owned, page_to_pfn(*place));
			put_page(*place);
		}
		*place = page;
	} else {
		xa_erase_bh(&owned, page_to_pfn(page));
	}
	if (softirq)
		local_bh_disable();
	page_pool_put_full_page(pool, page, false);
	if (softirq)
		local_bh_enable();
	WRITE_ONCE(r->returned, r->returned + 1);
}

static int returner_main(void *data)
{
	struct returner *r = data;
	struct page *page;
	unsigned int i;

	while (!kthread_should_stop() || !kfifo_is_empty(&r->fifo)) {
		if (kfifo_get(&r->fifo, &page))
			give_back(r, page);
		cond_resched();
	}
	for (i = 0; i < KEPT; i++) {
		if (!r->kept[i])
			continue;
		xa_erase_bh(&owned, page_to_pfn(r->kept[i]));
		put_page(r->kept[i]);
		r->kept[i] = NULL;
	}
	return 0;
}

static int returner_start(struct returner *r, unsigned int cpu)
{
	struct task_struct *task = kthread_create(returner_main, r, "returner/%u", cpu);

	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	r->task = task;
	wake_up_process(task);
	return 0;
}

static void returners_stop(void)
{
	unsigned int i;

	for (i = 0; i < RETURNERS; i++) {
		if (returners[i].task)
			kthread_stop(returners[i].task);
		returners[i].task = NULL;
	}
}

static int take(struct device *dev, unsigned int n)
{
	struct page *page = page_pool_alloc_pages(pool, GFP_KERNEL);
	struct returner *r = &returners[n % RETURNERS];
	phys_addr_t at;
	int err;

	if (!page)
		return -ENOMEM;
	at = iommu_iova_to_phys(iommu_get_domain_for_dev(dev), page_pool_get_dma_addr(page));
	wrong_address += at != page_to_phys(page);
	err = xa_insert_bh(&owned, page_to_pfn(page), page, GFP_KERNEL);
	if (err == -EBUSY)
		given_twice++;
	while (!kfifo_put(&r->fifo, page))
		cond_resched();
	return err == -EBUSY ? 0 : err;
}

/* The returners go on while the pool is destroyed, and after that. */
static int one_round(struct device *dev)
{
	struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP,
		.pool_size = 256,
		.nid = NUMA_NO_NODE,
		.dev = dev,
		.dma_dir = DMA_FROM_DEVICE,
	};
	unsigned long taken = 0, returned = 0;
	unsigned int i;
	int err = 0;

	pool = page_pool_create(&params);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	for (i = 0; i < RETURNERS; i++)
		returners[i].returned = 0;
	for (i = 0; i < RETURNERS && !err; i++)
		err = returner_start(&returners[i], i % num_online_cpus());
	for (i = 0; i < pages && !err; i++, taken++)
		err = take(dev, i);
	for (i = 0; i < RETURNERS; i++)
		returned += READ_ONCE(returners[i].returned);
	in_flight_at_destroy += taken - returned;
	page_pool_destroy(pool);
	mapped_late += atomic_long_read(&judge.mapped);
	returners_stop();
	return err;
}

static int __init returns_init(void)
{
	struct pci_dev *edu = pci_get_device(0x1234, 0x11e8, NULL);
	unsigned int i;
	int err = edu ? dma_set_mask_and_coherent(&edu->dev, DMA_BIT_MASK(32)) : -ENODEV;

	for (i = 0; i < RETURNERS && !err; i++)
		err = kfifo_alloc(&returners[i].fifo, 1024, GFP_KERNEL);
	for (i = 0; i < rounds && !err; i++)
		err = one_round(&edu->dev);
	for (i = 0; i < RETURNERS; i++)
		kfifo_free(&returners[i].fifo);
	pci_dev_put(edu);
	return err;
}
module_init(returns_init);

static void __exit returns_exit(void)
{
}
module_exit(returns_exit);

MODULE_DESCRIPTION("Pages of a page_pool that come back on all processors at once");
MODULE_LICENSE("Dual BSD/GPL");
