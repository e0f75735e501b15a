// SPDX-License-Identifier: GPL-2.0
/*
 * late_unmap.c - is a page of a page_pool still being unmapped when page_pool_destroy() has
 * returned?
 *
 * A thread releases a page that somebody else has a reference of, so that the pool unmaps it. A
 * kprobe stops this thread where it is about to call into the DMA API, until page_pool_destroy()
 * has returned on another CPU, or for WAIT_MS if it does not: then it waits for the thread, as it
 * should. In real life it is an interrupt or a hypervisor that stops the thread, and what follows
 * page_pool_destroy() is the end of the driver's binding.
 *
 * Loading the module runs the test; "late" among its parameters is the number of pages that were
 * unmapped after page_pool_destroy() had returned, of those that "orders" tries.
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <net/page_pool/helpers.h>

#define WAIT_MS 1000

static unsigned int orders = 2;
module_param(orders, uint, 0444);
MODULE_PARM_DESC(orders, "try pages of this many orders, from 0 on");
static unsigned int unmapped;
module_param(unmapped, uint, 0444);
MODULE_PARM_DESC(unmapped, "releases that were stopped before they unmapped");
static unsigned int late;
module_param(late, uint, 0444);
MODULE_PARM_DESC(late, "how many of them came after page_pool_destroy()");

static struct task_struct *releaser; /* set before the kprobe, and the same until it is gone */
static bool stopped; /* or it has nothing to unmap */
static bool destroyed;

struct release {
	struct page_pool *pool;
	struct page *page;
	struct completion done;
};

/* It takes no lock: where the kprobe is an int3 it is like an NMI, which may come while a lock is
 * held. And it cannot sleep: int3 is an interrupt gate, so interrupts are off for up to WAIT_MS;
 * with ftrace it is preemption.
 */
static int before_unmap(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned int i;

	if (current != releaser)
		return 0;
	unmapped++;
	WRITE_ONCE(stopped, true);
	for (i = 0; i < WAIT_MS * 10 && !READ_ONCE(destroyed); i++)
		udelay(100);
	late += READ_ONCE(destroyed);
	return 0;
}

static struct kprobe probe;

static int release_page(void *data)
{
	struct release *release = data;

	page_pool_put_full_page(release->pool, release->page, false);
	WRITE_ONCE(stopped, true);
	complete(&release->done);
	return 0;
}

/* On another CPU than ours, which we do not leave */
static int start_releaser(struct release *release)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	struct task_struct *task;

	if (cpu >= nr_cpu_ids)
		return -ENXIO;
	task = kthread_create(release_page, release, "late_unmap");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	releaser = task;
	return 0;
}

static int try_order(struct device *dev, unsigned int order)
{
	struct page_pool_params params = {
		.order = order,
		.flags = PP_FLAG_DMA_MAP,
		.pool_size = 64,
		.nid = NUMA_NO_NODE,
		.dev = dev,
		.dma_dir = DMA_FROM_DEVICE,
	};
	struct release release = { };
	int err;

	release.pool = page_pool_create(&params);
	if (IS_ERR(release.pool))
		return PTR_ERR(release.pool);
	release.page = page_pool_alloc_pages(release.pool, GFP_KERNEL);
	if (!release.page) {
		page_pool_destroy(release.pool);
		return -ENOMEM;
	}
	get_page(release.page);
	init_completion(&release.done);
	WRITE_ONCE(stopped, false);
	WRITE_ONCE(destroyed, false);

	err = start_releaser(&release);
	if (err) {
		page_pool_put_full_page(release.pool, release.page, false);
		page_pool_destroy(release.pool);
		goto put;
	}
	probe = (struct kprobe){ /* afresh: it remembers that it was unregistered */
		.symbol_name = "dma_unmap_page_attrs",
		.pre_handler = before_unmap,
	};
	err = register_kprobe(&probe);
	if (err)
		goto stop;
	wake_up_process(releaser);
	while (!READ_ONCE(stopped))
		usleep_range(100, 200);
	page_pool_destroy(release.pool);
	WRITE_ONCE(destroyed, true);
	wait_for_completion(&release.done);
	unregister_kprobe(&probe);
	goto put;

stop:
	kthread_stop(releaser); /* it was never woken, and does not run */
	page_pool_put_full_page(release.pool, release.page, false);
	page_pool_destroy(release.pool);
put:
	put_page(release.page);
	return err;
}

static int __init late_unmap_init(void)
{
	struct platform_device *pdev;
	unsigned int order;
	int err;

	pdev = platform_device_register_simple("late_unmap", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	err = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	dma_reset_need_sync(&pdev->dev); /* or its mappings might need no unmap */
	for (order = 0; !err && order < orders; order++) {
		migrate_disable();
		err = try_order(&pdev->dev, order);
		migrate_enable();
	}
	platform_device_unregister(pdev);
	if (err)
		return err;
	pr_info("late_unmap: %u of %u pages were unmapped after page_pool_destroy()\n", late,
		unmapped);
	return 0;
}
module_init(late_unmap_init);

static void __exit late_unmap_exit(void)
{
}
module_exit(late_unmap_exit);

MODULE_DESCRIPTION("Unmapping of a page_pool's page after page_pool_destroy()");
MODULE_LICENSE("GPL");
