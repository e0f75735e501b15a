/*
 * dpdk.h - DPDK's mempool handler "pagepool": its parameters, and the pool behind a mempool. The
 * handler can be used without this header: see docs/dpdk.md.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_DPDK_H
#define PAGEPOOL_DPDK_H

#include <pagepool/pagepool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_mempool;

/**
 * Optional pool_config of rte_mempool_set_ops_byname(); read when the mempool is first populated.
 * NULL: no device, both directions, hugetlb memory if available.
 */
struct pp_dpdk_config {
	size_t size; /**< of this structure; see PP_PARAMS */
	/**
	 * Map the memory for this binding's device; objects have its DMA address then
	 * (rte_mempool_virt2iova), and DPDK's own devices cannot reach them.
	 * pp_binding_none(): for DPDK's devices.
	 */
	pp_binding_t binding;
	enum pp_dma_dir dir;   /**< what the device may do */
	enum pp_memory memory; /**< the first kind to try */
};

/**
 * The pool behind a mempool: for statistics, or to attach it to more devices. It belongs to the
 * mempool and is freed with it.
 * @return NULL: the mempool has another handler, or was never populated. Any thread.
 */
PP_API struct pp_pool *pp_dpdk_pool(const struct rte_mempool *mp);

/**
 * In place of rte_mempool_free(): free a mempool as soon as all its objects are back, by the put
 * that brings the last one, on whatever thread that is. Until then objects that are out stay as
 * they are, nothing can be got from it, and it must not be used otherwise. Any thread. Others may
 * put to it meanwhile, unless it has DPDK's cache: then no call on the mempool may be under way,
 * and puts may go on when this has returned.
 * @return 0: it is freed; 1: it will be; -EINVAL: it has another handler, or was never populated.
 */
PP_API int pp_dpdk_free(struct rte_mempool *mp);

#ifdef __cplusplus
}
#endif
#endif
