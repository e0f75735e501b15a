/*
 * iova.h - the arena of IOVA space: one for the process, so that a page can have the
 * same DMA address on every device.
 *
 * A buddy allocator over the octaves [2^k, 2^(k+1)): an octave is one block of its
 * own order, and "within a mask of m bits" is "in an octave below m". Low addresses
 * are kept for those who need them: the highest octave that will do is tried first.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_IOVA_H
#define IOMMU_IOVA_H

#include "env/list.h"

#define IOVA_MIN_ORDER 12 /* a base page */
#define IOVA_MAX_BITS 48  /* the arena's end: 2^48 */

/* A block of IOVA space, naturally aligned: 2^order bytes at addr. */
struct iova {
	pp_iova_t addr;
	unsigned order;
	/* the arena's */
	bool free;
	struct list link;    /* free: among its octave's and order's */
	struct iova *bucket; /* free: in the index by address and order */
};

/*
 * Take a block for len bytes within the first `bits` bits. Any thread.
 * 0; -ENOSPC: no such block; -ENOMEM.
 */
int iova_get(struct iova **out, size_t len, unsigned bits);
/* Give it back, once no IOTLB can hold a translation of it. NULL is allowed. */
void iova_put(struct iova *iova);
/*
 * Keep [first, last] out of use for good: a window that some device can't use.
 * What is in use at this time stays so (its mapping on that device is refused by
 * the range check of the domain). 0 or -ENOMEM.
 */
int iova_reserve(pp_iova_t first, pp_iova_t last);
/* Bytes in use. */
uint64_t iova_in_use(void);

static inline unsigned iova_order(size_t len)
{
	unsigned order = IOVA_MIN_ORDER;

	while (order < 63 && ((size_t)1 << order) < len)
		order++;
	return order;
}

#endif
