/*
 * 2-driver.c - a driver: a ring, a pool, a buffer mapped for one transfer; Linux's names beside.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>
#include <stdio.h>
#include <string.h>

struct desc {
	uint64_t iova, len; /* the device writes len */
};
struct nic {
	struct pp_iommu *iommu; /* what the device's DMA goes through */
	pp_binding_t binding;   /* Linux: struct device * */
	void *ring;             /* of one slot */
	pp_iova_t ring_iova;
	struct pp_pool *pool; /* Linux: struct page_pool * */
};

/* The hardware knows DMA addresses and nothing else. This one receives whatever it sends. */
static void device_loop_back(struct nic *nic, pp_iova_t from, uint64_t len)
{
	char packet[64] = "";
	struct desc d = { 0 };

	pp_soft_read(nic->iommu, from, packet, len);
	pp_soft_read(nic->iommu, nic->ring_iova, &d, sizeof d);
	pp_soft_write(nic->iommu, d.iova, packet, len);
	d.len = len;
	pp_soft_write(nic->iommu, nic->ring_iova, &d, sizeof d);
}

/* Linux: .probe. What is mapped when it fails, the library unmaps. */
static int nic_probe(struct pp_device *dev, pp_binding_t b, void *ctx)
{
	struct pp_pool_params params = pp_pool_defaults();
	struct nic *nic = ctx;
	int ret = pp_dma_set_mask(b, 64); /* Linux: dma_set_mask_and_coherent() */

	(void)dev;
	nic->binding = b;
	params.dir = PP_DMA_FROM_DEVICE;
	if (!ret)
		ret = pp_dma_alloc_coherent(b, sizeof(struct desc), &nic->ring, &nic->ring_iova);
	if (!ret)
		ret = pp_pool_create(&nic->pool, b, &params); /* Linux: page_pool_create() */
	return ret;
}

/* Linux: .remove, but nobody waits for the pages that others hold. */
static void nic_remove(struct pp_device *dev, pp_binding_t b, enum pp_remove_why why, void *ctx)
{
	struct nic *nic = ctx;

	(void)dev;
	pp_pool_destroy(nic->pool);
	if (why == PP_REMOVE_UNBIND) /* the device answers */
		pp_dma_free_coherent(b, sizeof(struct desc), nic->ring, nic->ring_iova);
}

/* Send what is in buf, and return the page with what comes back, for the caller to put. */
static struct pp_page *nic_echo(struct nic *nic, char *buf, size_t len)
{
	struct desc *slot = nic->ring;
	struct pp_page *page;
	pp_iova_t iova;

	if (pp_page_get(&page, nic->pool)) /* Linux: page_pool_dev_alloc_pages() */
		return NULL;
	slot->iova = pp_page_iova(page); /* the device may write there now */
	if (!pp_dma_map(nic->binding, buf, len, PP_DMA_TO_DEVICE, &iova)) { /* dma_map_single() */
		device_loop_back(nic, iova, len);
		pp_dma_unmap(nic->binding, iova, len, PP_DMA_TO_DEVICE);
	}
	pp_page_sync_for_cpu(nic->binding, page, 0, (uint32_t)slot->len);
	return page;
}

int main(void)
{
	struct nic nic = { 0 };
	int ret = pp_soft_create(&nic.iommu, NULL);
	struct pp_device_params params = { sizeof params, .name = "nic0", .iommu = nic.iommu };
	struct pp_driver drv = { "nic", NULL, nic_probe, nic_remove, &nic };
	struct pp_device *dev;
	struct pp_page *page;
	static char hello[] = "hello"; /* not on the stack: the debug mode reports that */

	if (ret || pp_device_register(&dev, &params) || pp_driver_register(&drv) ||
	    pp_device_bind(dev, &drv) || !(page = nic_echo(&nic, hello, sizeof hello)))
		return 1;
	printf("sent \"%s\", received \"%s\"\n", hello, (char *)pp_page_addr(page));
	ret = strcmp(pp_page_addr(page), hello);
	pp_page_put(page);
	pp_driver_unregister(&drv); /* unbinds the device */
	pp_device_unregister(dev);
	return ret != 0;
}
