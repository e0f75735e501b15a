/*
 * ours.c - this library: chunks are mapped, and pages carved from them. Unbind is all that
 * pp_device_unbind does.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#define STRATEGY_OWN_DMA
#include "strategy.h"

static struct pp_device *dev;
static struct pp_pool *pool;

static int probe(struct pp_device *d, pp_binding_t binding, void *ctx)
{
	(void)d;
	(void)ctx;
	return pp_dma_set_mask(binding, 64);
}

static void removed(struct pp_device *d, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)d;
	(void)binding;
	(void)why;
	(void)ctx;
}

static struct pp_driver driver = { .name = "bench", .probe = probe, .remove = removed };

static void strategy_open(uint64_t n)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_pool_params p = pp_pool_defaults();

	(void)n;
	params.name = "soft0";
	p.idle_chunks = UINT32_MAX; /* what is put before the unbind is to stay mapped */
	if (pp_soft_create(&params.iommu, NULL) || pp_device_register(&dev, &params) ||
	    pp_driver_register(&driver) || pp_device_bind(dev, &driver) ||
	    pp_pool_create(&pool, pp_device_binding(dev), &p))
		fail("the device");
}

static inline struct page *page_get(void)
{
	struct pp_page *page;

	if (pp_page_get(&page, pool))
		fail("pp_page_get");
	return (struct page *)page;
}

static inline void page_handed_on(struct page *page)
{
	(void)page;
}

static inline void page_put(struct page *page)
{
	pp_page_put((struct pp_page *)page);
}

static void strategy_unbind(void)
{
	if (pp_device_unbind(dev))
		fail("pp_device_unbind");
}

/* All that the library has of its own for chunks and pages, but for 64 bytes a page. */
static struct counts strategy_counts(void)
{
	struct pp_domain_stats d;
	struct pp_pool_stats p;

	pp_domain_stats(dev, &d, sizeof d);
	pp_pool_stats(pool, &p, sizeof p);
	return (struct counts){ d.mappings, d.iova_bytes, d.page_table_bytes,
				p.record_bytes - 64 * p.pages };
}

static uint64_t strategy_late_calls(void)
{
	struct pp_device_stats s;

	pp_device_stats(dev, &s, sizeof s);
	return s.late_calls_refused;
}
