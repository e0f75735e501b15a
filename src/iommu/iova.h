/*
 * iova.h - the arena of IOVA space: one for the process, so that a page can have the
 * same DMA address on every device.
 *
 * A buddy allocator over the octaves [2^k, 2^(k+1)): an octave is one block of its
 * own order, and "within a mask of m bits" is "in an octave below m". Low addresses
 * are kept for those who need them: the highest octave that will do is tried first. What is
 * larger than 1 GiB is made of several blocks, where one block of its size would take a large
 * part of the space.
 *
 * The cost of a call doesn't depend on how much is in use, or by whom: a get or put takes at most
 * as many steps as there are orders, times the few blocks that a range has. The exception are the
 * blocks of a window, which are cut by whoever frees them. A window that comes or goes is processed
 * by the blocks that are in it, a few at a time. Memory is needed only where a block is cut.
 *
 * Uses env only. Any thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_IOVA_H
#define IOMMU_IOVA_H

#include "env/list.h"

#define IOVA_MIN_ORDER 12 /* a base page */
#define IOVA_MAX_BITS 48  /* the arena's end: 2^48 */
#define IOVA_RUN_ORDER 30 /* ranges with more may be made of several blocks */

enum iova_state {
	IOVA_FREE,   /* in a list, by octave and order */
	IOVA_KEPT,   /* free, and not joined with its neighbour: for the next one of its order */
	IOVA_USED,   /* somebody's */
	IOVA_SPLIT,  /* two halves instead */
	IOVA_BARRED, /* some of it lies in a window that a device can't use */
};

/*
 * A block of IOVA space, naturally aligned: 2^order bytes at addr. A range that was given
 * out begins with one, and may go on with more.
 */
struct iova {
	pp_iova_t addr;
	unsigned char order;
	/* the arena's */
	unsigned char state; /* enum iova_state */
	bool marked;         /* USED: a window reaches into it */
	union {
		uint64_t len; /* the range's, bytes: of the first block of one in use */
		/* the arena's */
		struct list link;         /* FREE */
		struct iova *next;        /* KEPT */
		struct iova_pair *halves; /* SPLIT */
	};
};

/* The octaves below 2^bits, a bit for each: bit k is [2^k, 2^(k+1)). */
static inline uint64_t iova_below(unsigned bits)
{
	return bits < 64 ? (1ull << bits) - 1 : UINT64_MAX;
}

/* Allocate a range for len bytes within these octaves. 0; -ENOSPC: there is none; -ENOMEM. */
int iova_get_in(struct iova **out, uint64_t len, uint64_t octaves);
/* The same within the first `bits` bits. */
static inline int iova_get(struct iova **out, uint64_t len, unsigned bits)
{
	return iova_get_in(out, len, iova_below(bits));
}
/* Give it back, once no IOTLB can hold a translation of it. NULL is allowed. */
void iova_put(struct iova *iova);

/*
 * Withhold [first, last], a window that some device can't use. What is in use at this time stays so
 * (the domain's range check refuses to map it for that device) and is withheld once it is freed.
 * Windows of several devices may overlap: they are counted. The arena is locked for a few blocks at
 * a time. 0 or -ENOMEM.
 */
int iova_reserve(pp_iova_t first, pp_iova_t last);
/* Undo one call of iova_reserve with the same window. */
void iova_release(pp_iova_t first, pp_iova_t last);

/*
 * While there are users, a few freed blocks of each order are kept for reuse, and some memory. What
 * is neither in use nor withheld is freed with the last user.
 */
void iova_use(void);
void iova_unuse(void);

/*
 * How often a range or a window was freed: if it has changed, an allocation that failed may be
 * worth another try. Any thread.
 */
uint64_t iova_freed(void);
/* Bytes in use. */
uint64_t iova_in_use(void);

/* For tests: what the arena has done since the process began. */
struct iova_counts {
	uint64_t splits;  /* blocks cut in two: each asks for memory */
	uint64_t joins;   /* halves joined */
	uint64_t steps;   /* blocks looked at, on ways up and down included */
	uint64_t longest; /* the most steps with the lock held */
};
void iova_counts(struct iova_counts *out);

static inline unsigned iova_order(uint64_t len)
{
	unsigned order = IOVA_MIN_ORDER;

	while (order < 63 && (1ull << order) < len)
		order++;
	return order;
}

#endif
