/*
 * radix.c - every mapped page is recorded in a radix tree when it joins the pool, and unbind
 * walks the tree: Linux's page_pool since 6.16, with its xarray. The tree is Judy's, the only
 * radix tree of integers to pointers among Debian's C libraries; like the xarray it is compact
 * where the indices are dense, and ours are: numbers in the order of mapping, used again.
 *
 * With BEST it is better than Linux's: the IOTLB is flushed once, at the end of the walk, and
 * not for each page; and the walk is backwards, so that the software IOMMU, which looks from a
 * table's start for entries that are left, finds one at once.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <Judy.h>

#include "strategy.h"
#include "stack.h"

#ifdef BEST
#define FLUSH_EACH false
#define BEGIN (Word_t) - 1
#define FIRST JudyLLast
#define NEXT JudyLPrev
#else
#define FLUSH_EACH true
#define BEGIN 0
#define FIRST JudyLFirst
#define NEXT JudyLNext
#endif

static struct {
	pthread_spinlock_t lock; /* the tree; taken as the xarray's own is */
	Pvoid_t tree;
	uint64_t next_id;
} record;

static void record_add(struct page *page)
{
	Word_t *entry;

	pthread_spin_lock(&record.lock);
	page->id = record.next_id++;
	entry = (Word_t *)JudyLIns(&record.tree, page->id, NULL);
	if (!entry)
		fail("JudyLIns");
	*entry = (Word_t)page;
	pthread_spin_unlock(&record.lock);
}

static CALLED struct page *page_get(void)
{
	struct page *page = stack_pop();

	if (!page) {
		page = page_new();
		page->iova = dma_map(page->addr);
		record_add(page);
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
	/* revoked: it was unmapped by the walk, and is only memory now */
}

static void strategy_open(uint64_t n)
{
	dma_open(n);
	memory_open(n);
	stack_open(n);
	pthread_spin_init(&record.lock, PTHREAD_PROCESS_PRIVATE);
}

static void strategy_unbind(void)
{
	Word_t id = BEGIN, *entry;

	pool.revoked = true;
	pthread_spin_lock(&record.lock);
	for (entry = (Word_t *)FIRST(record.tree, &id, NULL); entry;
	     entry = (Word_t *)NEXT(record.tree, &id, NULL))
		dma_unmap(((struct page *)*entry)->iova, FLUSH_EACH);
	JudyLFreeArray(&record.tree, NULL);
	pthread_spin_unlock(&record.lock);
	if (!FLUSH_EACH)
		dma_flush();
	dma.bound = false;
}

static struct counts strategy_counts(void)
{
	return dma_counts(JudyLMemUsed(record.tree));
}
