/*
 * stack.h - for the page-wise strategies: descriptors, and the free pages of one owner.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef STACK_H
#define STACK_H

struct item;

struct page {
	char *addr;
	pp_iova_t iova;
	union {
		uint64_t id;       /* in a record, if the strategy has one */
		struct item *item; /* likewise */
	};
	uint32_t refs;
};

static struct {
	struct page *all, *next;
	struct page **free;
	uint64_t n_free;
	bool revoked; /* the driver has gone */
} pool;

static void stack_open(uint64_t n)
{
	pool.all = pool.next = array_of(n, sizeof *pool.all);
	pool.free = array_of(n, sizeof *pool.free);
}

/* A free page, or NULL: there must be a new one. */
static inline struct page *stack_pop(void)
{
	return pool.n_free ? pool.free[--pool.n_free] : NULL;
}

static inline void stack_push(struct page *page)
{
	pool.free[pool.n_free++] = page;
}

static struct page *page_new(void)
{
	struct page *page = pool.next++;

	page->addr = memory_page();
	page->refs = 1;
	return page;
}

/* True for the last reference; it stays 1, as the page's next user has it. */
static inline bool page_drop(struct page *page)
{
	if (__atomic_load_n(&page->refs, __ATOMIC_ACQUIRE) == 1)
		return true;
	if (__atomic_sub_fetch(&page->refs, 1, __ATOMIC_ACQ_REL))
		return false;
	page->refs = 1;
	return true;
}
#endif
