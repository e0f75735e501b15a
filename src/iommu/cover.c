/*
 * cover.c - the windows of IOVA space, as one binary tree over it. See cover.h. Uses env only.
 *
 * A window is counted at the largest aligned blocks that it is made of: two of each order at most.
 * A node without a count and halves goes; so what is below one is in a window.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/cover.h"

#include "iommu/iova.h"

struct cover_node {
	struct cover_node *half[2];
	uint64_t windows; /* that have all of this block, and not all of the next larger one */
};

void cover_init(struct cover *c)
{
	slab_init(&c->nodes, sizeof(struct cover_node));
	c->root = NULL;
}

struct change {
	pp_iova_t first, last;
	bool more;      /* a window more, or less */
	pp_iova_t done; /* up to here, if there was no memory for the rest */
};

/* In the part of the tree from *at, which is the block at addr. From low addresses to high ones. */
static int change(struct cover *c, struct cover_node **at, pp_iova_t addr, unsigned order,
		  struct change *w)
{
	pp_iova_t end = addr + (1ull << order) - 1;
	int ret = 0;

	if (w->first > end || w->last < addr)
		return 0;
	if (!*at)
		*at = slab_alloc(&c->nodes);
	if (!*at) {
		w->done = addr > w->first ? addr : w->first;
		return -ENOMEM;
	}
	if (w->first <= addr && end <= w->last)
		(*at)->windows += w->more ? 1 : -1ull;
	else
		for (unsigned i = 0; i < 2 && !ret; i++)
			ret = change(c, &(*at)->half[i], addr + ((uint64_t)i << (order - 1)),
				     order - 1, w);
	if (!(*at)->windows && !(*at)->half[0] && !(*at)->half[1]) {
		slab_free(&c->nodes, *at);
		*at = NULL;
	}
	return ret;
}

void cover_remove(struct cover *c, pp_iova_t first, pp_iova_t last)
{
	struct change w = { .first = first, .last = last };

	change(c, &c->root, 0, IOVA_MAX_BITS, &w);
}

int cover_add(struct cover *c, pp_iova_t first, pp_iova_t last)
{
	struct change w = { .first = first, .last = last, .more = true };
	int ret = change(c, &c->root, 0, IOVA_MAX_BITS, &w);

	if (ret && w.done > first) /* of whole blocks of it */
		cover_remove(c, first, w.done - 1);
	return ret;
}

enum overlap cover_on(const struct cover *c, pp_iova_t addr, unsigned order)
{
	const struct cover_node *node = c->root;

	for (unsigned at = IOVA_MAX_BITS; node; at--) {
		if (node->windows)
			return INSIDE;
		if (at == order)
			return IN_PART;
		node = node->half[addr >> (at - 1) & 1];
	}
	return APART;
}
