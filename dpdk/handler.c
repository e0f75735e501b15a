/*
 * handler.c - the mempool handler "pagepool": DPDK's callbacks, from memory.c and stock.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include "memory.h"
#include "stock.h"

RTE_LOG_REGISTER(pagepool_logtype, pagepool, NOTICE);

/* A mempool's pool_data. */
struct handler {
	struct stock stock; /* first: what the fast path uses */
	struct memory memory;
};

/*
 * The mempool library insists on getting memory by itself, and passes it to populate. So it
 * is asked for as little as it can give, one cache line, and what is no larger than that is
 * taken as the request to bring memory of our own. What is larger is the application's own
 * memory (rte_mempool_populate_iova), and is used.
 */
#define TOKEN RTE_CACHE_LINE_SIZE

static int handler_alloc(struct rte_mempool *mp)
{
	struct handler *h;
	int ret;

	if (rte_eal_process_type() == RTE_PROC_SECONDARY) {
		LOG(ERR, "mempool %s: a secondary process cannot use this handler\n", mp->name);
		return -ENOTSUP;
	}
	h = rte_zmalloc_socket("pagepool", sizeof *h, RTE_CACHE_LINE_SIZE, mp->socket_id);
	if (!h)
		return -ENOMEM;
	ret = stock_init(&h->stock, mp->size, mp->socket_id);
	if (!ret)
		ret = memory_init(&h->memory, mp, mp->pool_config);
	if (ret) {
		LOG(ERR, "mempool %s: %s\n", mp->name, rte_strerror(-ret));
		stock_fini(&h->stock);
		rte_free(h);
		return ret;
	}
	mp->pool_data = h;
	return 0;
}

static void handler_free(struct rte_mempool *mp)
{
	struct handler *h = mp->pool_data;

	if (!h)
		return;
	memory_fini(&h->memory);
	stock_fini(&h->stock);
	rte_free(h);
	mp->pool_data = NULL;
}

static int handler_enqueue(struct rte_mempool *mp, void *const *obj, unsigned n)
{
	return stock_put(mp->pool_data, obj, n);
}

static int handler_dequeue(struct rte_mempool *mp, void **obj, unsigned n)
{
	return stock_get(mp->pool_data, obj, n);
}

static unsigned handler_count(const struct rte_mempool *mp)
{
	return stock_count(mp->pool_data);
}

static ssize_t handler_calc(const struct rte_mempool *mp, uint32_t n, uint32_t pg_shift,
			    size_t *min_chunk_size, size_t *align)
{
	RTE_SET_USED(mp);
	RTE_SET_USED(n);
	RTE_SET_USED(pg_shift);
	*min_chunk_size = TOKEN;
	*align = TOKEN;
	return TOKEN;
}

/*
 * The library (22.11) takes a negative result for a number of objects, and frees the memory
 * zone twice; 0 it handles well. So 0 is returned for any failure, and the log says which.
 */
static int handler_populate(struct rte_mempool *mp, unsigned max, void *addr, rte_iova_t iova,
			    size_t len, rte_mempool_populate_obj_cb_t *obj_cb, void *arg)
{
	struct handler *h = mp->pool_data;
	int ret;

	if (len > TOKEN)
		return rte_mempool_op_populate_default(mp, max, addr, iova, len, obj_cb, arg);
	ret = memory_populate(&h->memory, mp, max, iova != RTE_BAD_IOVA, obj_cb, arg);
	if (!ret)
		return (int)max;
	LOG(ERR, "mempool %s: no memory for %u objects: %s\n", mp->name, max, rte_strerror(-ret));
	return 0;
}

static const struct rte_mempool_ops ops_pagepool = {
	.name = "pagepool",
	.alloc = handler_alloc,
	.free = handler_free,
	.enqueue = handler_enqueue,
	.dequeue = handler_dequeue,
	.get_count = handler_count,
	.calc_mem_size = handler_calc,
	.populate = handler_populate,
};

RTE_MEMPOOL_REGISTER_OPS(ops_pagepool)

static void free_now(void *mp)
{
	rte_mempool_free(mp);
}

/* What the caches hold comes back, and from now on they are passed by. */
static void end_caches(struct rte_mempool *mp)
{
	for (unsigned i = 0; i < RTE_MAX_LCORE && mp->cache_size; i++)
		rte_mempool_cache_flush(&mp->local_cache[i], mp);
	mp->cache_size = 0;
}

int pp_dpdk_free(struct rte_mempool *mp)
{
	struct handler *h = mp->pool_data;

	if (!pp_dpdk_pool(mp))
		return -EINVAL;
	end_caches(mp);
	if (!stock_retire(&h->stock, mp->populated_size, free_now, mp))
		return 1;
	rte_mempool_free(mp);
	return 0;
}

struct pp_pool *pp_dpdk_pool(const struct rte_mempool *mp)
{
	const struct handler *h = mp->pool_data;

	if (!h || rte_mempool_get_ops(mp->ops_index)->alloc != handler_alloc)
		return NULL;
	return h->memory.pool;
}
