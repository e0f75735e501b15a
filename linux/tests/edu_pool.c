// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * edu_pool.c - a PCI driver for QEMU's edu device (QEMU, docs/specs/edu) with a page_pool: what
 * a NIC's driver does with its pages, at the word of a script. The pages that it holds belong to
 * the module and not to the device: they stay in flight when the driver is unbound or the
 * device removed, as pages do that lie in sockets.
 *
 * /sys/kernel/debug/edu_pool/do takes, a line each:
 *   hold N   take N pages from the pool and keep them
 *   dma N    let the device write N of the held pages that it has not written yet
 *   check    compare what the device wrote with what the pages hold now
 *   put [N]  give back N of the pages, the last ones first; or all of them
 *   share N  hold N pages, while somebody else has one that came back: is it kept out of them?
 *   recycle  does a page that goes through the pool's cache show the device what the CPU wrote?
 *   busy N   give back N of the pages, evenly spread, but keep a reference of each, as a socket may
 *   spread N give back N of the pages, evenly spread
 *   unbusy   drop these references
 *   nid N    the pool's consumer has moved to that node
 *   poison   a page that came back while somebody had it is found broken: is it kept out of use?
 * and /sys/kernel/debug/edu_pool/state says what came of it, as "KEY NUMBER" lines.
 *
 * Everything is under one mutex; pages are taken and given back in process context.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>
#include "compat.h"
#ifdef POOL_IS_MODULE
#include "judge.h"
#endif

#define DMA_FROM 0x80
#define DMA_TO 0x88
#define DMA_COUNT 0x90
#define DMA_COMMAND 0x98
#define DMA_START BIT(0)
#define DMA_TO_MEMORY BIT(1)
#define EDU_BUFFER 0x40000
#define EDU_BYTES 2048u /* it has 4,096, but QEMU 7.2 takes all of them for too many */

static unsigned int most = 1 << 17;
module_param(most, uint, 0444);
MODULE_PARM_DESC(most, "how many pages can be held");
static unsigned int order;
module_param(order, uint, 0644);
MODULE_PARM_DESC(order, "order of the pool's pages");
static bool sync;
module_param(sync, bool, 0644);
MODULE_PARM_DESC(sync, "let the pool sync for the device");
static bool late;
module_param(late, bool, 0644);
MODULE_PARM_DESC(late, "let the device write to a held page when the pool has been destroyed");

struct held {
	struct page *page;
	struct page_pool *pool;
	dma_addr_t dma; /* as long as the driver is bound */
	u32 stamp;      /* what the device wrote; 0: nothing yet */
};

/* The device that is bound, if any: one at a time. Netlink shows pools that have an interface. */
struct edu {
	struct pci_dev *pdev;
	struct net_device *netdev;
	void __iomem *mmio;
	struct page_pool *pool;
	struct page *scratch; /* what the device reads before it writes */
};

static DEFINE_MUTEX(lock); /* protects all below */
static struct edu *bound;
static struct held *held;
static unsigned int count;     /* of held[] */
static unsigned int stamped;   /* of them, the first so many */
static u32 last_stamp;
static u64 binds, dmas, wrong; /* wrong: pages that did not hold what they should */
static u64 hold_ns, destroy_ns, put_ns;
static u64 late_dmas, late_written;
static struct page **busy; /* references that are kept, n_busy of them */
static unsigned int n_busy;
static long peak, over; /* the most pages that were out or busy; what was mapped beyond that */

static u64 word(u32 stamp, unsigned int i)
{
	return ((u64)stamp << 32 | i) * 0x9e3779b97f4a7c15ull;
}

/* Ask the device for one DMA and wait for it: 0.1 s, as the guest's clock goes. */
static void edu_dma(struct edu *edu, dma_addr_t dma, bool to_memory)
{
	writeq(to_memory ? EDU_BUFFER : dma, edu->mmio + DMA_FROM);
	writeq(to_memory ? dma : EDU_BUFFER, edu->mmio + DMA_TO);
	writeq(EDU_BYTES, edu->mmio + DMA_COUNT);
	writeq(DMA_START | (to_memory ? DMA_TO_MEMORY : 0), edu->mmio + DMA_COMMAND);
	while (readq(edu->mmio + DMA_COMMAND) & DMA_START)
		msleep(5);
}

/* Fill the device's own buffer with a stamp's pattern, by its DMA from the scratch page. */
static void edu_load(struct edu *edu, u32 stamp)
{
	u64 *at = page_address(edu->scratch);
	dma_addr_t dma = page_pool_get_dma_addr(edu->scratch);
	unsigned int i;

	for (i = 0; i < EDU_BYTES / sizeof(*at); i++)
		at[i] = word(stamp, i);
	dma_sync_single_for_device(&edu->pdev->dev, dma, EDU_BYTES, DMA_BIDIRECTIONAL);
	edu_dma(edu, dma, false);
}

static bool right(const struct held *h)
{
	const u64 *at = page_address(h->page);
	unsigned int i;

	for (i = 0; i < EDU_BYTES / sizeof(*at); i++)
		if (at[i] != word(h->stamp, i))
			return false;
	return true;
}

/*
 * What the pool may hold goes by the most pages that were out at one time, in its cache and ring
 * too, or that others had. What it holds is what is mapped: its DMA layer has counted it.
 */
static void judge_memory(void)
{
#ifdef POOL_IS_MODULE
	struct page_pool *pool = bound->pool;
	long out = (s32)(READ_ONCE(pool->pages_state_hold_cnt) -
			 atomic_read(&pool->pages_state_release_cnt));

	peak = max(peak, out + n_busy);
	over = max(over, atomic_long_read(&judge.mapped) - peak);
#endif
}

static int do_hold(unsigned int n)
{
	u64 begun = ktime_get_ns();
	int status = 0;

	if (!bound)
		return -ENODEV;
	if (n > most - count)
		return -ENOSPC;
	while (n--) {
		struct page *page = page_pool_alloc_pages(bound->pool, GFP_KERNEL);

		if (!page) {
			status = -ENOMEM;
			break;
		}
		held[count++] = (struct held){
			.page = page,
			.pool = bound->pool,
			.dma = page_pool_get_dma_addr(page),
		};
		judge_memory();
	}
	hold_ns = ktime_get_ns() - begun;
	return status;
}

static int do_dma(unsigned int n)
{
	if (!bound)
		return -ENODEV;
	while (n-- && stamped < count) {
		struct held *h = &held[stamped];
		struct device *dev = &bound->pdev->dev;

		if (h->pool != bound->pool)
			return -ESTALE;
		h->stamp = ++last_stamp;
		edu_load(bound, h->stamp);
		dma_sync_single_for_device(dev, h->dma, EDU_BYTES, DMA_BIDIRECTIONAL);
		edu_dma(bound, h->dma, true);
		dma_sync_single_for_cpu(dev, h->dma, EDU_BYTES, DMA_BIDIRECTIONAL);
		wrong += !right(h);
		dmas++;
		stamped++;
	}
	return 0;
}

static int do_check(void)
{
	unsigned int i;

	for (i = 0; i < stamped; i++)
		wrong += !right(&held[i]);
	return 0;
}

static int do_put(unsigned int n)
{
	u64 begun = ktime_get_ns();

	while (n-- && count) {
		struct held *h = &held[--count];

		page_pool_put_full_page(h->pool, h->page, false);
		h->stamp = 0;
	}
	stamped = min(stamped, count);
	put_ns = ktime_get_ns() - begun;
	return 0;
}

/* Give back each so many-th page; the others move up. */
static int do_spread(unsigned int n, bool keep)
{
	unsigned int i, step, left = 0, was = count;

	if (!n)
		return 0;
	if (n > count || (keep && n > most - n_busy))
		return -ENOSPC;
	step = count / n;
	for (i = 0; i < was; i++) {
		struct held *h = &held[i];

		if (i % step || !n) {
			held[left++] = *h;
			continue;
		}
		n--;
		if (keep) {
			get_page(h->page);
			busy[n_busy++] = h->page;
		}
		page_pool_put_full_page(h->pool, h->page, false);
	}
	count = left;
	stamped = 0;
	return 0;
}

static int do_unbusy(void)
{
	while (n_busy)
		put_page(busy[--n_busy]);
	return 0;
}

static int do_nid(unsigned int nid)
{
	if (!bound)
		return -ENODEV;
	if (nid >= nr_node_ids)
		return -EINVAL;
	local_bh_disable(); /* we are the pool's consumer */
	page_pool_update_nid(bound->pool, nid);
	local_bh_enable();
	return 0;
}

/* A page that the pool has again, though somebody else, the caller, still references it. */
static int shared_page(struct page **out)
{
	if (!bound)
		return -ENODEV;
	*out = page_pool_alloc_pages(bound->pool, GFP_KERNEL);
	if (!*out)
		return -ENOMEM;
	get_page(*out);
	page_pool_put_full_page(bound->pool, *out, false);
	return 0;
}

static int do_poison(void)
{
#ifdef CONFIG_MEMORY_FAILURE
	struct page *page;
	unsigned int i;
	int status = shared_page(&page);

	if (status)
		return status;
	SetPageHWPoison(page);
	put_page(page); /* who had it is killed */
	status = do_hold(2000);
	for (i = 0; i < count; i++)
		wrong += held[i].page == page;
	ClearPageHWPoison(page);
	return status;
#else
	return -EOPNOTSUPP;
#endif
}

/* As a page that was released while a socket had it: the pool's again, but not the pool's only */
static int do_share(unsigned int n)
{
	struct page *page;
	unsigned int i;
	int status = shared_page(&page);

	if (status)
		return status;
	status = do_hold(n);
	for (i = 0; i < count; i++)
		wrong += held[i].page == page;
	put_page(page);
	return status;
}

/*
 * The pool syncs a page that comes back, so that a driver need not before it gives the page to the
 * device. With bounce buffers a page that was not synced holds something else after the next
 * sync for the CPU. The cache gives out first what it took last.
 */
static int do_recycle(void)
{
	struct device *dev;
	struct page *page, *again;
	u64 *at;
	unsigned int i;

	if (!bound)
		return -ENODEV;
	dev = &bound->pdev->dev;
	page = page_pool_alloc_pages(bound->pool, GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	at = page_address(page);
	last_stamp++;
	for (i = 0; i < PAGE_SIZE / sizeof(*at); i++)
		at[i] = word(last_stamp, i);
	local_bh_disable(); /* direct: we are the pool's consumer */
	page_pool_put_full_page(bound->pool, page, true);
	local_bh_enable();
	again = page_pool_alloc_pages(bound->pool, GFP_KERNEL);
	if (again != page)
		wrong++;
	if (!again)
		return -ENOMEM;
	dma_sync_single_for_cpu(dev, page_pool_get_dma_addr(again), PAGE_SIZE, DMA_BIDIRECTIONAL);
	at = page_address(again);
	for (i = 0; i < PAGE_SIZE / sizeof(*at) && at[i] == word(last_stamp, i); i++)
		;
	wrong += i < PAGE_SIZE / sizeof(*at);
	page_pool_put_full_page(bound->pool, again, false);
	return 0;
}

static ssize_t do_write(struct file *file, const char __user *from, size_t len, loff_t *at)
{
	char line[32] = "", what[8];
	unsigned int n = UINT_MAX;
	int status = -EINVAL;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, len))
		return -EFAULT;
	if (sscanf(line, "%7s %u", what, &n) < 1)
		return -EINVAL;
	mutex_lock(&lock);
	if (!strcmp(what, "hold"))
		status = do_hold(n);
	else if (!strcmp(what, "dma"))
		status = do_dma(n);
	else if (!strcmp(what, "check"))
		status = do_check();
	else if (!strcmp(what, "put"))
		status = do_put(n);
	else if (!strcmp(what, "share"))
		status = do_share(n);
	else if (!strcmp(what, "recycle"))
		status = do_recycle();
	else if (!strcmp(what, "busy"))
		status = do_spread(n, true);
	else if (!strcmp(what, "spread"))
		status = do_spread(n, false);
	else if (!strcmp(what, "unbusy"))
		status = do_unbusy();
	else if (!strcmp(what, "nid"))
		status = do_nid(n);
	else if (!strcmp(what, "poison"))
		status = do_poison();
	mutex_unlock(&lock);
	return status ?: len;
}

static const struct file_operations do_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = do_write,
};

static int state_show(struct seq_file *m, void *unused)
{
	mutex_lock(&lock);
	seq_printf(m, "bound %d\nbinds %llu\nheld %u\nstamped %u\n", !!bound, binds, count, stamped);
	seq_printf(m, "dmas %llu\nwrong %llu\n", dmas, wrong);
	seq_printf(m, "hold_ns %llu\ndestroy_ns %llu\nput_ns %llu\n", hold_ns, destroy_ns, put_ns);
	seq_printf(m, "late_dmas %llu\nlate_written %llu\n", late_dmas, late_written);
#ifdef POOL_IS_MODULE
	seq_printf(m, "mapped %ld\nmaps %ld\nlarge %ld\nrecords %ld\nentries %ld\n",
		   atomic_long_read(&judge.mapped), atomic_long_read(&judge.maps),
		   atomic_long_read(&judge.large), atomic_long_read(&judge.records),
		   atomic_long_read(&judge.entries));
	seq_printf(m, "peak %ld\nover %ld\n", peak, over);
	if (bound)
		seq_printf(m, "out %d\nheld_pages %u\nidle %u\n",
			   (s32)(bound->pool->pages_state_hold_cnt -
				 atomic_read(&bound->pool->pages_state_release_cnt)),
			   judge_held(bound->pool), judge_idle(bound->pool));
#endif
	mutex_unlock(&lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static netdev_tx_t xmit(struct sk_buff *skb, struct net_device *netdev)
{
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops netdev_ops = {
	.ndo_start_xmit = xmit,
};

static int netdev_add(struct edu *edu)
{
	int status;

	edu->netdev = alloc_etherdev(0);
	if (!edu->netdev)
		return -ENOMEM;
	strscpy(edu->netdev->name, "edu%d", IFNAMSIZ);
	edu->netdev->netdev_ops = &netdev_ops;
	eth_hw_addr_random(edu->netdev);
	SET_NETDEV_DEV(edu->netdev, &edu->pdev->dev);
	status = register_netdev(edu->netdev);
	if (status)
		free_netdev(edu->netdev);
	return status;
}

static void netdev_remove(struct edu *edu)
{
	unregister_netdev(edu->netdev);
	free_netdev(edu->netdev);
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct page_pool_params params = {
		.order = order,
		.flags = PP_FLAG_DMA_MAP | (sync ? PP_FLAG_DMA_SYNC_DEV : 0),
		.pool_size = 1024,
		.nid = NUMA_NO_NODE,
		.dev = &pdev->dev,
		.dma_dir = DMA_BIDIRECTIONAL,
		.max_len = PAGE_SIZE << order,
	};
	struct edu *edu;
	int status;

	if (bound)
		return -EBUSY;
	edu = kzalloc(sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	status = pci_enable_device(pdev);
	if (status)
		goto free;
	status = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	if (status)
		goto disable;
	pci_set_master(pdev);
	edu->mmio = pci_iomap(pdev, 0, 0);
	if (!edu->mmio) {
		status = -ENOMEM;
		goto disable;
	}
	status = netdev_add(edu);
	if (status)
		goto unmap;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	params.netdev = edu->netdev;
#endif
	edu->pool = page_pool_create(&params);
	if (IS_ERR(edu->pool)) {
		status = PTR_ERR(edu->pool);
		goto no_netdev;
	}
	edu->scratch = page_pool_alloc_pages(edu->pool, GFP_KERNEL);
	if (!edu->scratch) {
		status = -ENOMEM;
		goto destroy;
	}
	pci_set_drvdata(pdev, edu);
	mutex_lock(&lock);
	bound = edu;
	peak = over = 0;
	binds++;
	mutex_unlock(&lock);
	return 0;
destroy:
	page_pool_destroy(edu->pool);
no_netdev:
	netdev_remove(edu);
unmap:
	pci_iounmap(pdev, edu->mmio);
disable:
	pci_disable_device(pdev);
free:
	kfree(edu);
	return status;
}

/*
 * What a driver must not do, and hardware that was not stopped does: write to a page that is
 * in flight, when the pool is gone. The page must keep what it holds.
 */
static void write_late(struct edu *edu)
{
	struct held *h = count ? &held[count - 1] : NULL;
	u64 *at;
	unsigned int i;

	if (!h || h->pool != edu->pool)
		return;
	at = page_address(h->page);
	for (i = 0; i < EDU_BYTES / sizeof(*at); i++)
		at[i] = word(0, i);
	edu_dma(edu, h->dma, true); /* what the device holds: the last stamp's pattern */
	late_dmas++;
	for (i = 0; i < EDU_BYTES / sizeof(*at); i++)
		if (at[i] != word(0, i))
			late_written += sizeof(*at);
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);
	u64 begun;

	mutex_lock(&lock);
	bound = NULL;
	if (late)
		edu_load(edu, ++last_stamp);
	page_pool_put_full_page(edu->pool, edu->scratch, false);
	begun = ktime_get_ns();
	page_pool_destroy(edu->pool);
	destroy_ns = ktime_get_ns() - begun;
	if (late)
		write_late(edu);
	mutex_unlock(&lock);
	netdev_remove(edu);
	pci_iounmap(pdev, edu->mmio);
	pci_clear_master(pdev);
	pci_disable_device(pdev);
	kfree(edu);
}

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver driver = {
	.name = "edu_pool",
	.id_table = ids,
	.probe = edu_probe,
	.remove = edu_remove,
};

static struct dentry *dir;

static int __init start(void)
{
	int status;

	held = vzalloc(array_size(most, sizeof(*held)));
	busy = vzalloc(array_size(most, sizeof(*busy)));
	if (!held || !busy) {
		status = -ENOMEM;
		goto free;
	}
	dir = debugfs_create_dir("edu_pool", NULL);
	debugfs_create_file("do", 0200, dir, NULL, &do_fops);
	debugfs_create_file("state", 0400, dir, NULL, &state_fops);
	status = pci_register_driver(&driver);
	if (!status)
		return 0;
	debugfs_remove(dir);
free:
	vfree(busy);
	vfree(held);
	return status;
}
module_init(start);

static void __exit stop(void)
{
	pci_unregister_driver(&driver);
	debugfs_remove(dir);
	mutex_lock(&lock);
	do_put(UINT_MAX);
	do_unbusy();
	mutex_unlock(&lock);
	vfree(busy);
	vfree(held);
}
module_exit(stop);

MODULE_DESCRIPTION("A page_pool on QEMU's edu device, with pages in flight");
MODULE_LICENSE("Dual BSD/GPL");
