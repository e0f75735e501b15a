// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * pool.c - a page_pool as a module: tested.c, which is the kernel's file or ours, with other
 * names (rename.h), without what a module can't have (trace points, netlink's list of pools), and
 * with a DMA layer in front of it that counts (judge.h), and can behave as one that bounces what
 * is larger than a page. Its records are counted too, and whether its array of mappings is empty in
 * the end.
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/xarray.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>
#include <net/page_pool/memory_provider.h>
#include <net/xdp.h>
#include "page_pool_priv.h"
#include "judge.h"

struct judge judge;
EXPORT_SYMBOL_GPL(judge);

static bool bounce_large;
module_param(bounce_large, bool, 0644);
MODULE_PARM_DESC(bounce_large, "let a mapping of more than a page look as if it were bounced");

static DEFINE_XARRAY_FLAGS(bounced, XA_FLAGS_LOCK_BH); /* by page frame of the DMA address */

static __maybe_unused dma_addr_t judge_map(struct device *dev, struct page *page, size_t offset, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t dma = dma_map_page_attrs(dev, page, offset, size, dir, attrs);

	atomic_long_inc(&judge.maps);
	if (dma_mapping_error(dev, dma))
		return dma;
	atomic_long_add(size >> PAGE_SHIFT, &judge.mapped);
	if (size == PAGE_SIZE)
		return dma;
	atomic_long_inc(&judge.large);
	if (bounce_large)
		xa_store(&bounced, dma >> PAGE_SHIFT, page, GFP_ATOMIC);
	return dma;
}

static __maybe_unused void judge_unmap(struct device *dev, dma_addr_t dma, size_t size,
			enum dma_data_direction dir, unsigned long attrs)
{
	dma_unmap_page_attrs(dev, dma, size, dir, attrs);
	atomic_long_sub(size >> PAGE_SHIFT, &judge.mapped);
	if (size == PAGE_SIZE)
		return;
	atomic_long_dec(&judge.large);
	if (bounce_large)
		xa_erase(&bounced, dma >> PAGE_SHIFT);
}

static __maybe_unused size_t judge_max(struct device *dev)
{
	return bounce_large ? SZ_256K : dma_max_mapping_size(dev);
}

static __maybe_unused bool judge_need_sync(struct device *dev, dma_addr_t dma)
{
	return xa_load(&bounced, dma >> PAGE_SHIFT) || dma_need_sync(dev, dma);
}

static __maybe_unused void *judge_kzalloc_node(size_t size, gfp_t gfp, int nid)
{
	void *at = kzalloc_node(size, gfp, nid);

	if (at)
		atomic_long_inc(&judge.records);
	return at;
}

static __maybe_unused void judge_kfree(const void *at)
{
	if (at)
		atomic_long_dec(&judge.records);
	kfree(at);
}

static __maybe_unused void judge_xa_destroy(struct xarray *array)
{
	if (!xa_empty(array))
		atomic_long_inc(&judge.entries);
	xa_destroy(array);
}

#ifndef NO_JUDGE
#undef dma_map_page_attrs
#define dma_map_page_attrs judge_map
#undef dma_unmap_page_attrs
#define dma_unmap_page_attrs judge_unmap
#define dma_max_mapping_size judge_max
#define dma_need_sync judge_need_sync
#undef kzalloc_node
#define kzalloc_node judge_kzalloc_node
#define kfree judge_kfree
#define xa_destroy judge_xa_destroy
#endif

/* netlink knows the kernel's own pools only */
DEFINE_MUTEX(page_pools_lock);
int page_pool_list(struct page_pool *pool) { return 0; }
void page_pool_detached(struct page_pool *pool) {}
void page_pool_unlist(struct page_pool *pool) {}

/* its trace points are the kernel's, and not exported */
#define _TRACE_PAGE_POOL_H
#define trace_page_pool_release(...) do { } while (0)
#define trace_page_pool_state_release(pool, netmem, count) ((void)(count))
#define trace_page_pool_state_hold(...) do { } while (0)
#define trace_page_pool_update_nid(...) do { } while (0)

#include "dev.h"
#undef napi_assert_will_not_race
#define napi_assert_will_not_race(napi) ((void)(napi))
/* for memory providers, of which there is none here */
#define is_kernel_rodata(at) ((void)(at), true)

#include "tested.c"

unsigned int judge_held(const struct page_pool *pool)
{
#ifdef POOL_HAS_CHUNKS
	if (pool->chunks)
		return READ_ONCE(pool->chunks->n_pages);
#endif
	return READ_ONCE(pool->pages_state_hold_cnt) - atomic_read(&pool->pages_state_release_cnt);
}
EXPORT_SYMBOL_GPL(judge_held);

unsigned int judge_idle(const struct page_pool *pool)
{
#if !defined(POOL_HAS_CHUNKS)
	return 0;
#else
	return pool->chunks ? READ_ONCE(pool->chunks->n_idle) : 0;
#endif
}
EXPORT_SYMBOL_GPL(judge_idle);

MODULE_DESCRIPTION("A page_pool beside the kernel's own");
MODULE_LICENSE("Dual BSD/GPL");
