/*
 * ours.c - this library: chunks are mapped, and pages carved from them. Unbind is all that
 * pp_device_unbind does.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#define STRATEGY_OWN_DMA
#include "../device.h"
#include "strategy.h"
#include "../unmapping.h"

static struct pp_device *dev;
static struct pp_pool *pool;

static void strategy_open(uint64_t n)
{
	struct pp_pool_params p = pp_pool_defaults();

	(void)n;
	p.idle_chunks = UINT32_MAX; /* what is put before the unbind is to stay mapped */
	dev = device_open(&time_unmapping);
	if (pp_pool_create(&pool, pp_device_binding(dev), &p))
		fail("pp_pool_create");
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

/* All that the library has of its own for chunks and pages, but for each page's state word. */
static struct counts strategy_counts(void)
{
	struct pp_domain_stats d;
	struct pp_pool_stats p;

	pp_domain_stats(dev, &d, sizeof d);
	pp_pool_stats(pool, &p, sizeof p);
	return (struct counts){ d.mappings, d.iova_bytes, d.page_table_bytes,
				p.record_bytes - sizeof(struct pp_page) * p.pages };
}

static uint64_t strategy_late_calls(void)
{
	struct pp_device_stats s;

	pp_device_stats(dev, &s, sizeof s);
	return s.late_calls_refused;
}
