/*
 * memory.h - a mempool's memory: pagepool's chunks, and how DPDK is told about them. Private to the
 * handler.
 *
 * A page of the pool is a whole chunk here. Neighbouring chunks form a *run*: one entry in the
 * mempool's list of memory chunks, one registration with the EAL, one mapping.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_DPDK_MEMORY_H
#define PAGEPOOL_DPDK_MEMORY_H

#include <rte_mempool.h>

#include <pagepool/dpdk.h>

extern int pagepool_logtype;
#define LOG(level, ...) rte_log(RTE_LOG_##level, pagepool_logtype, "pagepool: " __VA_ARGS__)

struct memory {
	struct pp_pool *pool;
	size_t chunk; /* bytes; also the size of the pool's pages */
	bool bound;   /* mapped for a binding's device, not for DPDK's */
};

/**
 * Make the pool for a mempool's objects, without memory yet. config may be NULL.
 * @return 0; -EINVAL: as pp_pool_create; -E2BIG: an object is larger than 1 GiB, or the
 *         configuration is newer than the handler; what else pp_pool_create returns.
 */
int memory_init(struct memory *memory, const struct rte_mempool *mp,
		const struct pp_dpdk_config *config);
/** The counterpart. What is not returned yet (memory_free_run) goes when it is. */
void memory_fini(struct memory *memory);

/**
 * Populate n objects: get chunks, add them to mp's list of chunks, and call obj_cb for each
 * object. put is called with objects in arrays.
 * @param io  false: the objects get no DMA address (RTE_BAD_IOVA).
 * @return 0; a negative errno: nothing has been added. Not on two threads at once.
 */
int memory_populate(struct memory *memory, struct rte_mempool *mp, uint32_t n, bool io,
		    rte_mempool_populate_obj_cb_t *obj_cb, void *arg);

#endif
