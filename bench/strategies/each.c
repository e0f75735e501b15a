/*
 * each.c - map for each use and unmap after it, as a driver without a page pool does. What
 * travels is not mapped. At unbind the driver takes back what it has posted to the device.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "strategy.h"
#include "stack.h"

/* Buffers that the device has: a few less than fill a page of the IOMMU's table, or else each
 * page that is mapped alone would cost a table of its own. */
#define POSTED 500

static struct page *posted[POSTED];

static CALLED struct page *page_get(void)
{
	struct page *page = stack_pop();

	if (!page)
		page = page_new();
	page->iova = dma_map(page->addr);
	return page;
}

static CALLED void page_handed_on(struct page *page)
{
	dma_unmap(page->iova, true);
}

static CALLED void page_put(struct page *page)
{
	if (page_drop(page))
		stack_push(page);
}

static void strategy_open(uint64_t n)
{
	dma_open(n);
	memory_open(n);
	stack_open(n);
	for (unsigned i = 0; i < POSTED; i++)
		posted[i] = page_get();
}

static void strategy_unbind(void)
{
	for (unsigned i = 0; i < POSTED; i++) {
		page_handed_on(posted[i]);
		page_put(posted[i]);
	}
	dma.bound = false;
}

static struct counts strategy_counts(void)
{
	return dma_counts(0);
}
