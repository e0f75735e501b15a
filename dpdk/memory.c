/*
 * memory.c - a mempool's memory. See memory.h. Uses pagepool's public API and DPDK's.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#define CHUNK (2u << 20) /* the usual one */
#define CHUNK_MAX (1u << 30)

/* Neighbouring chunks, in memory and in IOVA. Owned by its entry in the mempool's list. */
struct run {
	char *addr;
	rte_iova_t iova; /* RTE_BAD_IOVA: not for devices */
	size_t len;
	bool registered, mapped;
	uint32_t n;
	struct pp_page *page[];
};

/* ---- the pool ------------------------------------------------------------------------------ */

static size_t object_size(const struct rte_mempool *mp)
{
	return (size_t)mp->header_size + mp->elt_size + mp->trailer_size;
}

/*
 * An object doesn't straddle chunks that aren't neighbours, so a chunk holds at least one. A
 * mempool of less than a chunk doesn't need a whole one, but where addresses are physical
 * only hugetlb pages, which have 2 MiB, keep theirs.
 */
static size_t chunk_for(const struct rte_mempool *mp)
{
	size_t object = object_size(mp), all = object * mp->size;

	if (rte_eal_iova_mode() == RTE_IOVA_PA || all > CHUNK)
		return rte_align64pow2(RTE_MAX(object, (size_t)CHUNK));
	return rte_align64pow2(RTE_MAX(all, (size_t)PP_BASE_PAGE));
}

/* The configuration as this version knows it: see PP_PARAMS. */
static int config_read(struct pp_dpdk_config *to, const struct pp_dpdk_config *from)
{
	memset(to, 0, sizeof *to);
	if (!from)
		return 0;
	for (size_t i = sizeof *to; i < from->size; i++)
		if (((const char *)from)[i])
			return -E2BIG;
	memcpy(to, from, RTE_MIN(from->size, sizeof *to));
	return 0;
}

int memory_init(struct memory *memory, const struct rte_mempool *mp,
		const struct pp_dpdk_config *from)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_dpdk_config config;
	int ret = config_read(&config, from);

	if (ret)
		return ret;
	memory->chunk = chunk_for(mp);
	if (memory->chunk > CHUNK_MAX)
		return -E2BIG;
	memory->bound = config.binding.id != pp_binding_none().id;
	p.name = mp->name;
	p.page_size = p.chunk_size = (uint32_t)memory->chunk;
	p.dir = config.dir;
	p.memory = config.memory;
	p.numa_node = mp->socket_id < 0 ? PP_NUMA_ANY : PP_NUMA_NODE(mp->socket_id);
	return pp_pool_create(&memory->pool, config.binding, &p);
}

void memory_fini(struct memory *memory)
{
	pp_pool_destroy(memory->pool);
}

/* ---- what the EAL and its devices are told ----------------------------------------------- */

/* Map or unmap a run for every PCI device in use. @return 0, or the first real error. */
static int devices_map(const struct run *run, bool map)
{
	struct rte_dev_iterator it;
	struct rte_device *dev;
	int err = 0;

	RTE_DEV_FOREACH(dev, "bus=pci", &it)
	{
		if (!rte_dev_is_probed(dev))
			continue;
		if (!(map ? rte_dev_dma_map : rte_dev_dma_unmap)(dev, run->addr, run->iova,
								 run->len) ||
		    !map)
			continue;
		/* its driver needs no mapping, or another device of its container has made it */
		if (rte_errno == ENOTSUP || rte_errno == EEXIST || err)
			continue;
		err = rte_errno;
		LOG(ERR, "%zu bytes could not be mapped for device %s: %s\n", run->len,
		    rte_dev_name(dev), rte_strerror(err));
	}
	return -err;
}

/*
 * Make the run known as external memory, and map it. To be known is needed only by devices
 * that must map it; the EAL has a place for about a hundred runs.
 */
static int run_announce(struct run *run, size_t chunk)
{
	rte_iova_t *iova;

	if (run->iova == RTE_BAD_IOVA)
		return 0;
	iova = malloc(run->n * sizeof *iova);
	if (!iova)
		return -ENOMEM;
	for (uint32_t i = 0; i < run->n; i++)
		iova[i] = run->iova + i * chunk;
	run->registered = !rte_extmem_register(run->addr, run->len, iova, run->n, chunk);
	if (!run->registered)
		LOG(DEBUG, "%zu bytes at %p could not be registered: %s\n", run->len,
		    (void *)run->addr, rte_strerror(rte_errno));
	free(iova);
	run->mapped = true;
	return devices_map(run, true);
}

static void run_free(struct run *run)
{
	if (run->mapped)
		devices_map(run, false);
	if (run->registered)
		rte_extmem_unregister(run->addr, run->len);
	pp_page_put_batch(run->page, run->n);
	free(run);
}

static void free_cb(struct rte_mempool_memhdr *hdr, void *opaque)
{
	RTE_SET_USED(hdr);
	run_free(opaque);
}

/* ---- chunks and runs --------------------------------------------------------------------- */

static rte_iova_t chunk_iova(const struct memory *memory, struct pp_page *page)
{
	volatile char *addr = pp_page_addr(page);

	if (memory->bound)
		return pp_page_iova(page);
	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		return (uintptr_t)addr;
	*addr = 0; /* there is no physical page before the first touch */
	return rte_mem_virt2phy((const void *)addr);
}

/* Physical addresses stay as they are for hugetlb pages only. */
static int check_addresses(const struct memory *memory)
{
	struct pp_pool_stats s;

	if (memory->bound || rte_eal_iova_mode() == RTE_IOVA_VA)
		return 0;
	pp_pool_stats(memory->pool, &s, sizeof s);
	if (s.chunks == s.chunks_hugetlb && memory->chunk == CHUNK)
		return 0;
	LOG(ERR, "memory other than 2 MiB huge pages has no lasting physical address: run with "
		 "--iova-mode=va, or reserve huge pages (vm.nr_hugepages)\n");
	return -ENOTSUP;
}

static int get_chunks(struct memory *memory, struct pp_page **page, uint32_t n)
{
	int ret = pp_pool_own(memory->pool); /* populating is the caller's to serialise */

	if (ret)
		return ret;
	for (uint32_t got = 0; got < n; got += (uint32_t)ret) {
		ret = pp_page_get_batch(&page[got], n - got, memory->pool);
		if (ret > 0)
			continue;
		pp_page_put_batch(page, got);
		return ret;
	}
	pp_pool_trim(memory->pool, 0); /* what growth has added beyond what was asked for */
	return 0;
}

static int by_address(const void *a, const void *b)
{
	char *x = pp_page_addr(*(struct pp_page *const *)a);
	char *y = pp_page_addr(*(struct pp_page *const *)b);

	return (x > y) - (x < y);
}

/* A run of the first pages of n that are neighbours, n from 1 up. The pages become its own. */
static struct run *run_new(const struct memory *memory, struct pp_page **page, uint32_t n, bool io)
{
	struct run *run = malloc(sizeof *run + n * sizeof run->page[0]);
	uint32_t i = 0;

	if (!run)
		return NULL;
	*run = (struct run){ .addr = pp_page_addr(page[0]), .iova = RTE_BAD_IOVA };
	if (io)
		run->iova = chunk_iova(memory, page[0]);
	for (; i < n; i++) {
		if ((char *)pp_page_addr(page[i]) != run->addr + run->len ||
		    (io && chunk_iova(memory, page[i]) != run->iova + run->len))
			break;
		run->page[i] = page[i];
		run->len += memory->chunk;
	}
	run->n = i;
	return run;
}

static struct rte_mempool_memhdr *header_new(const struct memory *memory, struct rte_mempool *mp,
					     struct pp_page **page, uint32_t n, bool io)
{
	struct rte_mempool_memhdr *hdr = rte_zmalloc("pagepool run", sizeof *hdr, 0);
	struct run *run = hdr ? run_new(memory, page, n, io) : NULL;

	if (!run) {
		rte_free(hdr);
		return NULL;
	}
	*hdr = (struct rte_mempool_memhdr){ .mp = mp,
					    .addr = run->addr,
					    .iova = run->iova,
					    .len = run->len,
					    .free_cb = free_cb,
					    .opaque = run };
	return hdr;
}

/* ---- populate ---------------------------------------------------------------------------- */

/* Undo runs(): the pages of the runs go home. */
static void runs_free(struct rte_mempool_memhdr_list *list)
{
	struct rte_mempool_memhdr *hdr;

	while ((hdr = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, next);
		run_free(hdr->opaque);
		rte_free(hdr);
	}
}

/* Make runs of n pages, which become theirs; on failure they are put. */
static int runs(const struct memory *memory, struct rte_mempool *mp,
		struct rte_mempool_memhdr_list *list, struct pp_page **page, uint32_t n, bool io)
{
	int ret = check_addresses(memory);

	for (uint32_t i = 0; i < n && !ret;) {
		struct rte_mempool_memhdr *hdr = header_new(memory, mp, &page[i], n - i, io);
		struct run *run;

		if (!hdr) {
			ret = -ENOMEM;
		} else {
			STAILQ_INSERT_TAIL(list, hdr, next);
			run = hdr->opaque;
			i += run->n;
			if (!memory->bound)
				ret = run_announce(run, memory->chunk);
		}
		if (ret)
			pp_page_put_batch(&page[i], n - i);
	}
	if (ret)
		runs_free(list);
	return ret;
}

/* Lay objects out in a run, one after another; at most n. Cannot fail. @return how many. */
static uint32_t carve(struct rte_mempool *mp, const struct run *run, uint32_t n,
		      rte_mempool_populate_obj_cb_t *obj_cb, void *arg)
{
	uint32_t fit = (uint32_t)RTE_MIN((size_t)n, run->len / object_size(mp));

	for (uint32_t i = 0; i < fit; i++) {
		size_t off = i * object_size(mp) + mp->header_size;
		void *obj = run->addr + off;

		obj_cb(mp, arg, obj, run->iova == RTE_BAD_IOVA ? RTE_BAD_IOVA : run->iova + off);
		rte_mempool_ops_enqueue_bulk(mp, &obj, 1);
	}
	return fit;
}

int memory_populate(struct memory *memory, struct rte_mempool *mp, uint32_t n, bool io,
		    rte_mempool_populate_obj_cb_t *obj_cb, void *arg)
{
	uint32_t per_chunk = (uint32_t)(memory->chunk / object_size(mp));
	uint32_t n_pages = (n + per_chunk - 1) / per_chunk;
	struct pp_page **page = malloc(n_pages * sizeof *page);
	struct rte_mempool_memhdr_list list = STAILQ_HEAD_INITIALIZER(list);
	struct rte_mempool_memhdr *hdr;
	int ret = page ? get_chunks(memory, page, n_pages) : -ENOMEM;

	if (!ret) {
		qsort(page, n_pages, sizeof *page, by_address);
		ret = runs(memory, mp, &list, page, n_pages, io);
	}
	free(page);
	if (ret)
		return ret;
	while ((hdr = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, next);
		STAILQ_INSERT_TAIL(&mp->mem_list, hdr, next);
		mp->nb_mem_chunks++;
		n -= carve(mp, hdr->opaque, n, obj_cb, arg);
	}
	return 0;
}
