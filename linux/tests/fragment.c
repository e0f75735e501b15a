// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * fragment.c - fragment the machine's memory while it is loaded: every free block of more than
 * 2^keep pages is taken and split, and of its groups of 2^keep pages each second one is given
 * back. What is kept can't be moved, so compaction can't help.
 *
 * The pages that are kept hold the list of themselves.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define HIGHEST MAX_PAGE_ORDER
#else
#define HIGHEST (MAX_ORDER - 1)
#endif

static unsigned int keep;
module_param(keep, uint, 0444);
MODULE_PARM_DESC(keep, "order of the groups of pages that are left free");

static struct page *first;
static unsigned long kept, left;
module_param(kept, ulong, 0444);
module_param(left, ulong, 0444);

static void take(struct page *page)
{
	*(struct page **)page_address(page) = first;
	first = page;
	kept++;
}

static void split(struct page *block, unsigned int order)
{
	unsigned long i;

	split_page(block, order);
	for (i = 0; i < 1ul << order; i++)
		if (i >> keep & 1) {
			take(block + i);
		} else {
			left++;
		}
	/* only now: a neighbour that is free already would be merged with */
	for (i = 0; i < 1ul << order; i++)
		if (!(i >> keep & 1))
			__free_page(block + i);
}

static int __init start(void)
{
	int order;

	for (order = HIGHEST; order > (int)keep; order--) {
		struct page *block;

		while ((block = alloc_pages(GFP_NOWAIT | __GFP_NOWARN, order))) {
			split(block, order);
			cond_resched();
		}
	}
	return 0;
}
module_init(start);

static void __exit stop(void)
{
	while (first) {
		struct page *page = first;

		first = *(struct page **)page_address(page);
		__free_page(page);
	}
}
module_exit(stop);

MODULE_DESCRIPTION("Fragment the memory");
MODULE_LICENSE("Dual BSD/GPL");
