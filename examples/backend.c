/*
 * backend.c - an IOMMU of one's own in one file: the contract of pagepool/iommu.h, and a
 * pool on top of it.
 *
 * This one is a list of ranges: enough to see what each operation must do. A real one
 * would write page tables, or call a kernel. docs/architecture.md has the rules.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/pagepool.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGES 64

struct tiny {
	struct pp_iommu iommu; /* first: the library gives us this back */
	/*
	 * The library calls the operations one at a time; the device comes when it likes.
	 * This lock is what makes it see all or nothing, so that there is never an old
	 * translation to invalidate.
	 */
	pthread_mutex_t lock;
	bool blocked;
	unsigned n;
	struct range {
		pp_iova_t iova;
		char *addr;
		size_t len;
		unsigned prot;
	} range[RANGES];
	uint64_t faults;
};

static struct tiny *tiny_of(struct pp_iommu *iommu)
{
	return (struct tiny *)iommu;
}

static void tiny_destroy(struct pp_iommu *iommu)
{
	pthread_mutex_destroy(&tiny_of(iommu)->lock);
	free(iommu);
}

/* All or nothing. A limit that is reached is -ENOSPC, which the pool's get passes on. */
static int tiny_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len, size_t page_size,
		    unsigned prot)
{
	struct tiny *t = tiny_of(iommu);
	int ret = -ENOSPC;

	(void)page_size; /* we have no leaves that could be too large */
	pthread_mutex_lock(&t->lock);
	if (t->n < RANGES) {
		t->range[t->n++] = (struct range){ iova, addr, len, prot };
		ret = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return ret;
}

/* One or several whole calls of map: we don't say can_split. Returns what was unmapped. */
static size_t tiny_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct tiny *t = tiny_of(iommu);
	size_t done = 0;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->n;)
		if (t->range[i].iova >= iova && t->range[i].iova - iova < len) {
			done += t->range[i].len;
			t->range[i] = t->range[--t->n];
		} else {
			i++;
		}
	pthread_mutex_unlock(&t->lock);
	return done;
}

static void tiny_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	(void)iommu; /* nothing is cached: see the lock */
	(void)iova;
	(void)len;
}

static void tiny_block(struct pp_iommu *iommu, bool on)
{
	struct tiny *t = tiny_of(iommu);

	pthread_mutex_lock(&t->lock);
	t->blocked = on;
	pthread_mutex_unlock(&t->lock);
}

static void tiny_stats(struct pp_iommu *iommu, struct pp_domain_stats *stats)
{
	struct tiny *t = tiny_of(iommu);

	pthread_mutex_lock(&t->lock);
	stats->page_table_bytes = t->n * sizeof t->range[0];
	stats->faults = t->faults;
	pthread_mutex_unlock(&t->lock);
}

static const struct pp_iommu_ops tiny_ops = {
	.kind = "tiny",
	.destroy = tiny_destroy,
	.map = tiny_map,
	.unmap = tiny_unmap,
	.invalidate = tiny_invalidate,
	.block = tiny_block,
	.stats = tiny_stats,
};

static struct pp_iommu *tiny_create(void)
{
	struct tiny *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	t->iommu.ops = &tiny_ops;
	t->iommu.ranges[0] = (struct pp_iova_range){ 1u << 20, (1ull << 39) - 1 };
	t->iommu.n_ranges = 1;
	t->iommu.page_sizes = 4096;
	return &t->iommu;
}

/* What the device does. 0, or -EFAULT: refused, and counted. */
static int device_write(struct pp_iommu *iommu, pp_iova_t iova, const void *bytes, size_t len)
{
	struct tiny *t = tiny_of(iommu);
	int ret = -EFAULT;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->n && !t->blocked; i++) {
		struct range *r = &t->range[i];

		if (iova < r->iova || iova - r->iova + len > r->len || !(r->prot & PP_PROT_WRITE))
			continue;
		memcpy(r->addr + (iova - r->iova), bytes, len);
		ret = 0;
	}
	t->faults += ret != 0;
	pthread_mutex_unlock(&t->lock);
	return ret;
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct pp_pool_params params = pp_pool_defaults();

	(void)dev;
	params.name = "tiny";
	params.dir = PP_DMA_FROM_DEVICE;
	return pp_pool_create(ctx, binding, &params);
}

static void gone(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)dev;
	(void)binding;
	(void)why;
	pp_pool_destroy(*(struct pp_pool **)ctx);
}

int main(void)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_iommu *iommu = tiny_create();
	struct pp_pool *pool;
	struct pp_driver drv = { "example", NULL, probe, gone, &pool };
	struct pp_domain_stats s;
	struct pp_device *dev;
	struct pp_page *page;
	int before, after;

	params.name = "tiny0";
	params.iommu = iommu;
	if (!iommu || pp_device_register(&dev, &params) || pp_driver_register(&drv) ||
	    pp_device_bind(dev, &drv) || pp_page_get(&page, pool))
		return 1;
	before = device_write(iommu, pp_page_iova(page), "here", 5);
	pp_device_unbind(dev);
	after = device_write(iommu, pp_page_iova(page), "gone", 5);
	pp_domain_stats(dev, &s, sizeof s);
	printf("while bound the device writes (%d); afterwards it can't (%d): %llu faults, %llu bytes of "
	       "tables, and the page holds \"%s\"\n", before, after, (unsigned long long)s.faults,
	       (unsigned long long)s.page_table_bytes, (char *)pp_page_addr(page));
	after = before || after != -EFAULT || s.faults != 1 || s.page_table_bytes ||
		strcmp(pp_page_addr(page), "here");
	pp_page_put(page);
	pp_device_unregister(dev);
	pp_driver_unregister(&drv);
	return after;
}
