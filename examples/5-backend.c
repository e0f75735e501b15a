/*
 * 5-backend.c - a back end of your own: pagepool/iommu.h for an IOMMU that maps one range.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/pagepool.h>
#include <stdio.h>
#include <string.h>

/* The device runs on the library's thread here; where it runs beside it, a lock is needed. */
struct tiny {
	struct pp_iommu iommu; /* first: the library hands this back to us */
	bool blocked;
	pp_iova_t iova;
	char *addr;
	size_t len; /* 0: nothing is mapped */
};

static void tiny_destroy(struct pp_iommu *iommu)
{
	((struct tiny *)iommu)->blocked = true; /* the memory is main's */
}

/* All or nothing. -ENOSPC: a limit of the IOMMU, which a pool's get passes on. */
static int tiny_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		    size_t page_size, unsigned prot)
{
	struct tiny *t = (struct tiny *)iommu;

	(void)page_size, (void)prot; /* a page table has leaves and permissions; this has none */
	if (t->len)
		return -ENOSPC;
	t->iova = iova, t->addr = addr, t->len = len;
	return 0;
}

/* What map made, whole, as can_split isn't set. Returns the bytes that were unmapped. */
static size_t tiny_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	(void)iova;
	((struct tiny *)iommu)->len -= len;
	return len;
}

static void tiny_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	(void)iommu, (void)iova, (void)len; /* there is no IOTLB */
}

static void tiny_block(struct pp_iommu *iommu, bool on)
{
	((struct tiny *)iommu)->blocked = on;
}

static const struct pp_iommu_ops tiny_ops = { "tiny",          tiny_destroy, tiny_map, tiny_unmap,
					      tiny_invalidate, tiny_block,   NULL,     NULL };

static bool device_write(struct tiny *t, pp_iova_t iova, const void *bytes, size_t len)
{
	if (t->blocked || iova - t->iova >= t->len)
		return false; /* a fault */
	memcpy(t->addr + (iova - t->iova), bytes, len);
	return true;
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	(void)dev;
	return pp_pool_create(ctx, binding, NULL);
}

static void unprobe(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)dev, (void)binding, (void)why;
	pp_pool_destroy(*(struct pp_pool **)ctx);
}

int main(void)
{
	struct tiny t = { .iommu = { &tiny_ops, { { 0, UINT32_MAX } }, 1, .page_sizes = 4096 } };
	struct pp_device_params params = { sizeof params, "tiny0", &t.iommu, 0, NULL };
	struct pp_pool *pool;
	struct pp_driver drv = { "example", NULL, probe, unprobe, &pool };
	struct pp_device *dev;
	struct pp_page *page;

	if (pp_device_register(&dev, &params) || pp_driver_register(&drv) ||
	    pp_device_bind(dev, &drv) || pp_page_get(&page, pool) ||
	    !device_write(&t, pp_page_iova(page), "in time", 8) || /* bound */
	    pp_device_unbind(dev) || device_write(&t, pp_page_iova(page), "too late", 9))
		return 1;
	printf("%zu bytes are mapped, the page says \"%s\"\n", t.len, (char *)pp_page_addr(page));
	pp_page_put(page);
	pp_driver_unregister(&drv);
	pp_device_unregister(dev);
	return 0;
}
