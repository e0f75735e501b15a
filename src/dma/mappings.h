/*
 * mappings.h - the record of what is mapped in a binding, and the calls that make and end mappings.
 * Uses device, iommu and env. All calls are made with the binding's lock held.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef DMA_MAPPINGS_H
#define DMA_MAPPINGS_H

#include "device/binding.h"
#include "env/hash.h"
#include "iommu/iova.h"

enum mapping_kind {
	MAPPING_STREAMING, /* pp_dma_map: the caller's memory */
	MAPPING_COHERENT,  /* pp_dma_alloc_coherent: the binding's memory */
	MAPPING_POOL,      /* a pool's span: memory, IOVA and unmapping are the pool's */
};

struct mapping {
	struct hash_node node;
	struct mapping *next; /* of those that have ended */
	pp_iova_t block;      /* the first address of its IOVA */
	uint64_t room;        /* bytes of IOVA: 2^order; of a large one less than twice as many */
	unsigned order;
	struct iova *owned; /* the block, unless a pool owns it */
	bool lost; /* the device may still reach it: IOVA and coherent memory stay out of use */
	enum mapping_kind kind;
	pp_iova_t iova; /* as the driver knows it */
	char *addr;
	size_t len;
	enum pp_dma_dir dir;
	/* for reports */
	const char *caller;
	uint64_t time_ns;
	int thread;
};

unsigned mapping_prot(enum pp_dma_dir dir);
const char *mapping_dir_name(enum pp_dma_dir dir);
const char *mapping_kind_name(enum mapping_kind kind);
/* The mapping that holds an address, or NULL. */
struct mapping *mappings_find(struct binding *b, pp_iova_t iova);

/* A mapping that has ended. While the checker is on, the last few are kept for it. */
struct ended {
	pp_iova_t iova;
	size_t len;
	const char *mapped_at, *unmapped_at;
	int thread;
};
/* The last one that held an address, or NULL. */
const struct ended *mappings_find_ended(struct binding *b, pp_iova_t iova);
/* A mapping of any kind that overlaps the memory, or NULL. Goes through all of them. */
const struct mapping *mappings_find_overlap(struct binding *b, const char *addr, size_t len);

/*
 * Map memory at a new block: memory, IOVA, table or nothing. addr NULL: coherent
 * memory is made. 0, -ENOSPC, -ENOMEM, -ERANGE, -EIO or the back end's.
 */
int mappings_map(struct binding *b, struct mapping **out, enum mapping_kind kind, void *addr,
		 size_t len, enum pp_dma_dir dir, const char *caller);
/*
 * Unmap and invalidate it. 0; -EIO: it is gone, but the back end failed to unmap it, or to sync
 * what the device wrote.
 */
int mappings_unmap(struct binding *b, struct mapping *m, const char *caller);

/*
 * Record a pool's span, so that sync finds it; the pool maps and unmaps it itself.
 * 0; -ENOMEM; -ERANGE: the device can't address it.
 */
int mappings_add_span(struct binding *b, struct mapping **out, const struct iova *block, void *addr,
		      size_t len, enum pp_dma_dir dir);
void mappings_del_span(struct binding *b, struct mapping *m);

/* True if something is mapped that doesn't lie within so many bits. */
bool mappings_exceeds(struct binding *b, unsigned bits);

#endif
