/*
 * driver.c - a complete driver in one file, on the public API and the software IOMMU.
 * It is unbound while one of its pages is in flight, and the page outlives that.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>
#include <stdio.h>
#include <string.h>

struct desc { /* the descriptor ring has one slot */
	uint64_t iova;
	uint32_t len;
	uint32_t done; /* the device writes it last */
};
struct nic {
	struct pp_iommu *iommu; /* what the device's DMA goes through */
	pp_iova_t ring_iova;    /* the device's only register */
	struct desc *ring;
	struct pp_pool *pool;
	struct pp_page *posted; /* the device may write to it */
	pp_binding_t binding;
};

/* ---- the device: it knows DMA addresses and nothing else ------------------------------ */

static int device_receive(struct nic *nic, const char *packet)
{
	uint32_t len = (uint32_t)strlen(packet) + 1;
	struct desc d;
	int ret = pp_soft_read(nic->iommu, nic->ring_iova, &d, sizeof d);

	if (!ret)
		ret = pp_soft_write(nic->iommu, d.iova, packet, len);
	d.len = len;
	d.done = 1;
	return ret ? ret : pp_soft_write(nic->iommu, nic->ring_iova, &d, sizeof d);
}

/* ---- the driver ----------------------------------------------------------------------- */

static void nic_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
		       void *ctx)
{
	struct nic *nic = ctx;

	(void)dev; /* a real driver first stops the device's queues */
	if (nic->posted)
		pp_page_put(nic->posted);
	pp_pool_destroy(nic->pool); /* does not wait for the pages that others hold */
	if (nic->ring && why == PP_REMOVE_UNBIND)
		pp_dma_free_coherent(binding, sizeof *nic->ring, nic->ring, nic->ring_iova);
}

static int nic_probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct pp_pool_params params = pp_pool_defaults();
	struct nic *nic = ctx;
	void *ring;
	int ret = pp_dma_set_mask(binding, 64);

	params.name = "rx";
	params.dir = PP_DMA_FROM_DEVICE;
	nic->binding = binding;
	if (!ret)
		ret = pp_dma_alloc_coherent(binding, sizeof *nic->ring, &ring, &nic->ring_iova);
	if (!ret) {
		nic->ring = ring;
		ret = pp_pool_create(&nic->pool, binding, &params);
	}
	if (!ret)
		ret = pp_page_get(&nic->posted, nic->pool);
	if (ret)
		nic_remove(dev, binding, PP_REMOVE_UNBIND, nic);
	else
		nic->ring->iova = pp_page_iova(nic->posted);
	return ret;
}

/* A page with a packet, for the caller to put; NULL: nothing has come. */
static struct pp_page *nic_poll(struct nic *nic)
{
	struct pp_page *page = nic->posted;

	if (!__atomic_load_n(&nic->ring->done, __ATOMIC_ACQUIRE) ||
	    pp_dma_sync_for_cpu(nic->binding, nic->ring->iova, nic->ring->len, PP_DMA_FROM_DEVICE))
		return NULL;
	nic->posted = NULL;
	return page;
}

int main(void)
{
	struct nic nic = { 0 };
	struct pp_driver drv = { "nic", NULL, nic_probe, nic_remove, &nic };
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_domain_stats domain;
	struct pp_device *dev;
	struct pp_page *page;
	int late;

	if (pp_soft_create(&nic.iommu, NULL))
		return 1;
	params.name = "nic0";
	params.iommu = nic.iommu;
	if (pp_device_register(&dev, &params) || pp_driver_register(&drv) ||
	    pp_device_bind(dev, &drv) || device_receive(&nic, "hello") || !(page = nic_poll(&nic)))
		return 1;
	pp_device_unbind(dev);
	pp_domain_stats(dev, &domain, sizeof domain);
	late = device_receive(&nic, "too late");
	printf("unbound with a page in flight: %llu mappings left, a late DMA gets error %d\n",
	       (unsigned long long)domain.mappings, late);
	printf("the consumer reads \"%s\"\n", (char *)pp_page_addr(page));
	late = !late || domain.mappings || strcmp(pp_page_addr(page), "hello");
	pp_page_put(page); /* and with it go its chunk and the pool */
	pp_device_unregister(dev);
	pp_driver_unregister(&drv);
	return late;
}
