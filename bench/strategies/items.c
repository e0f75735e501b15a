/*
 * items.c - every page has an item of 16 bytes, in blocks of 4 KiB, and knows it; unbind scans
 * all blocks for items that are mapped. The series that was proposed for Linux and rejected. A
 * put finds the pool through the item's block.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "strategy.h"
#include "stack.h"

struct item {
	struct page *page;
	uint32_t mapped;
};

struct owner { /* what a put must find */
	bool revoked;
};

#define BLOCK_ITEMS ((4096 - 2 * sizeof(void *)) / sizeof(struct item))

struct block {
	struct owner *owner;
	struct block *next;
	struct item item[BLOCK_ITEMS];
};

static struct owner owner;
static struct {
	struct block *blocks; /* the newest first */
	unsigned used;        /* items of the newest */
	uint64_t n;
} record;

static void record_add(struct page *page)
{
	struct item *item;

	if (!record.blocks || record.used == BLOCK_ITEMS) {
		struct block *b = aligned_alloc(4096, 4096);

		if (!b)
			fail("a block");
		b->owner = &owner;
		b->next = record.blocks;
		record.blocks = b;
		record.used = 0;
		record.n++;
	}
	item = &record.blocks->item[record.used++];
	item->page = page;
	item->mapped = 1;
	page->item = item;
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
	const struct block *b;

	if (!page_drop(page))
		return;
	b = (const struct block *)((uintptr_t)page->item & ~4095ul);
	if (!b->owner->revoked)
		stack_push(page);
}

static void strategy_open(uint64_t n)
{
	dma_open(n);
	memory_open(n);
	stack_open(n);
}

static void strategy_unbind(void)
{
	unsigned used = record.used;

	owner.revoked = true;
	for (struct block *b = record.blocks; b; b = b->next, used = BLOCK_ITEMS)
		for (unsigned i = 0; i < used; i++)
			if (b->item[i].mapped) {
				dma_unmap(b->item[i].page->iova, true);
				b->item[i].mapped = 0;
			}
	dma.bound = false;
	/* the blocks stay: a page in flight finds its owner through them */
}

static struct counts strategy_counts(void)
{
	return dma_counts(record.n * sizeof(struct block));
}
