/*
 * port.c - a kernel driver's receive path, ported from page_pool. Each function first says
 * what a driver for Linux calls, then does it here. docs/kernel-names.md has the whole list.
 *
 * What goes away: the pool's own unmapping, the wait for pages at remove, and everything
 * that kept the device alive until the last page was back.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/pagepool.h>
#include <stdio.h>
#include <string.h>

#define RING 8u

struct desc {
	uint64_t iova;
	uint32_t len;
	uint32_t owner; /* 1: the device's */
};
struct port {
	pp_binding_t binding; /* where Linux has struct device * */
	struct pp_pool *pool; /* struct page_pool * */
	struct desc *ring;
	pp_iova_t ring_iova;
	struct pp_page *page[RING];
	unsigned next;
};

/* Linux: page_pool_dev_alloc_pages(), page_pool_get_dma_addr(), dma_sync_single_for_device() */
static int rx_refill(struct port *p, unsigned i)
{
	int ret = pp_page_get(&p->page[i], p->pool);

	if (ret)
		return ret; /* -ENODEV: the binding is ending, which Linux could not tell */
	p->ring[i].iova = pp_page_iova(p->page[i]);
	pp_dma_sync_for_device(p->binding, p->ring[i].iova, pp_page_size(p->page[i]), PP_DMA_FROM_DEVICE);
	__atomic_store_n(&p->ring[i].owner, 1, __ATOMIC_RELEASE); /* dma_wmb() and the store */
	return 0;
}

/*
 * Linux: the NAPI poll: dma_sync_single_for_cpu(), napi_build_skb(),
 * skb_mark_for_recycle(), napi_gro_receive(). Here the page itself goes up, and who has it
 * puts it, from any thread, whenever. NULL: nothing has come.
 */
static struct pp_page *rx_poll(struct port *p, uint32_t *len)
{
	struct desc *d = &p->ring[p->next % RING];
	struct pp_page *page = p->page[p->next % RING];

	if (!page) /* the last refill of this slot had failed */
		rx_refill(p, p->next % RING);
	if (!page || __atomic_load_n(&d->owner, __ATOMIC_ACQUIRE)) /* dma_rmb() */
		return NULL;
	*len = d->len;
	if (*len > pp_page_size(page)) /* the device may write anything there */
		*len = 0;
	pp_dma_sync_for_cpu(p->binding, pp_page_iova(page), *len, PP_DMA_FROM_DEVICE);
	rx_refill(p, p->next++ % RING);
	return page;
}

/* Linux: .remove: napi_disable(), page_pool_put_full_page(), page_pool_destroy(). */
static void port_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	struct port *p = ctx;

	(void)dev;
	for (unsigned i = 0; i < RING; i++)
		if (p->page[i])
			pp_page_put(p->page[i]);
	pp_pool_destroy(p->pool); /* pages that are out stay with whoever has them */
	if (p->ring && why == PP_REMOVE_UNBIND)
		pp_dma_free_coherent(binding, RING * sizeof *p->ring, p->ring, p->ring_iova);
}

/*
 * Linux: .probe: dma_set_mask_and_coherent(), dma_alloc_coherent(), page_pool_create()
 * with PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV, .dev, .dma_dir, .napi.
 */
static int port_probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct pp_pool_params params = pp_pool_defaults();
	struct port *p = ctx;
	void *ring = NULL;
	int ret = pp_dma_set_mask(binding, 64);

	memset(p, 0, sizeof *p);
	p->binding = binding;
	params.name = "rx";
	params.dir = PP_DMA_FROM_DEVICE;
	if (!ret)
		ret = pp_dma_alloc_coherent(binding, RING * sizeof *p->ring, &ring, &p->ring_iova);
	p->ring = ring;
	if (!ret)
		ret = pp_pool_create(&p->pool, binding, &params); /* this thread is its NAPI context */
	for (unsigned i = 0; i < RING && !ret; i++)
		ret = rx_refill(p, i);
	if (ret)
		port_remove(dev, binding, PP_REMOVE_UNBIND, p);
	return ret;
}

/* The hardware: it reads a descriptor, writes the packet, gives the descriptor back. */
static int hardware(struct pp_iommu *iommu, struct port *p, unsigned slot, const char *packet)
{
	pp_iova_t at = p->ring_iova + slot % RING * sizeof(struct desc);
	uint32_t len = (uint32_t)strlen(packet) + 1;
	struct desc d;

	if (pp_soft_read(iommu, at, &d, sizeof d) || !d.owner || pp_soft_write(iommu, d.iova, packet, len))
		return -EFAULT;
	d.len = len;
	d.owner = 0;
	return pp_soft_write(iommu, at, &d, sizeof d);
}

int main(void)
{
	struct port p;
	struct pp_driver drv = { "port", NULL, port_probe, port_remove, &p };
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_page *held[3 * RING];
	struct pp_iommu *iommu;
	struct pp_device *dev;
	unsigned n = 0, bad = 0;
	uint32_t len;

	if (pp_soft_create(&iommu, NULL))
		return 1;
	params.name = "nic0";
	params.iommu = iommu;
	if (pp_device_register(&dev, &params) || pp_driver_register(&drv) || pp_device_bind(dev, NULL) != -ENOENT ||
	    pp_device_bind(dev, &drv))
		return 1;
	while (n < 3 * RING) {
		char packet[32];

		snprintf(packet, sizeof packet, "packet %u", n);
		if (hardware(iommu, &p, n, packet))
			return 1;
		held[n++] = rx_poll(&p, &len); /* the stack keeps it */
	}
	pp_device_unbind(dev); /* Linux before 6.16: these pages are unmapped later, without a driver */
	for (unsigned i = 0; i < n; i++) {
		char packet[32];

		snprintf(packet, sizeof packet, "packet %u", i);
		bad += strcmp(packet, pp_page_addr(held[i])) != 0;
		pp_page_put(held[i]);
	}
	printf("%u packets were read after the unbind, %u of them wrong\n", n, bad);
	pp_device_unregister(dev);
	pp_driver_unregister(&drv);
	return bad != 0;
}
