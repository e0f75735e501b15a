/*
 * late.c - mapped when a page joins the pool, unmapped when it leaves it, whenever that is:
 * Linux's page_pool before 6.16. Nothing is recorded, so unbind can unmap only what is home.
 * What is in flight is unmapped by its put, through a device that has no driver any more.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "strategy.h"
#include "stack.h"

static CALLED struct page *page_get(void)
{
	struct page *page = stack_pop();

	if (!page) {
		page = page_new();
		page->iova = dma_map(page->addr);
	}
	return page;
}

static CALLED void page_handed_on(struct page *page)
{
	(void)page;
}

static CALLED void page_put(struct page *page)
{
	if (!page_drop(page))
		return;
	if (!pool.revoked)
		stack_push(page);
	else
		dma_unmap(page->iova, true); /* the late call */
}

static void strategy_open(uint64_t n)
{
	dma_open(n);
	memory_open(n);
	stack_open(n);
}

static void strategy_unbind(void)
{
	struct page *page;

	pool.revoked = true;
	while ((page = stack_pop()))
		dma_unmap(page->iova, true);
	dma.bound = false;
}

static struct counts strategy_counts(void)
{
	return dma_counts(0);
}
