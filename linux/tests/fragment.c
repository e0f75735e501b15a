// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * fragment.c - fragment the machine's memory. An order that is written to
 * /sys/module/fragment/parameters/down_to: every free block of more than 2^order pages is taken
 * and split, and of its groups of 2^order pages each second one is given back. What is kept can't
 * be moved, so compaction can't help. -1: all is given back.
 *
 * There may be no memory for a stack then, so a script must not fork. The pages that are kept
 * hold the list of themselves.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define HIGHEST MAX_PAGE_ORDER
#else
#define HIGHEST (MAX_ORDER - 1)
#endif

static DEFINE_MUTEX(lock); /* protects all below */
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

static void split(struct page *block, unsigned int order, int keep)
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

static void fragment(int keep)
{
	struct page *block;
	int order;

	for (order = HIGHEST; order > keep; order--)
		while ((block = alloc_pages(GFP_NOWAIT | __GFP_NOWARN, order))) {
			split(block, order, keep);
			cond_resched();
		}
}

static void give_back(void)
{
	while (first) {
		struct page *page = first;

		first = *(struct page **)page_address(page);
		__free_page(page);
	}
	kept = left = 0;
}

static int down_to_set(const char *val, const struct kernel_param *param)
{
	int keep, status = kstrtoint(val, 10, &keep);

	if (status || keep < -1 || keep > HIGHEST)
		return -EINVAL;
	mutex_lock(&lock);
	give_back();
	if (keep >= 0)
		fragment(keep);
	mutex_unlock(&lock);
	return 0;
}
static const struct kernel_param_ops down_to_ops = { .set = down_to_set };
module_param_cb(down_to, &down_to_ops, NULL, 0200);

static int __init start(void)
{
	return 0;
}
module_init(start);

static void __exit stop(void)
{
	give_back();
}
module_exit(stop);

MODULE_DESCRIPTION("Fragment the memory");
MODULE_LICENSE("Dual BSD/GPL");
