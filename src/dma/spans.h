/*
 * spans.h - what a pool maps in a binding: the one way from a pool to a domain. mappings.h has the
 * record of it. Uses device and iommu. All calls are made with the binding's lock held.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef DMA_SPANS_H
#define DMA_SPANS_H

#include "dma/mappings.h"

/* A part of what one call mapped may be unmapped. */
static inline bool spans_can_split(const struct binding *b)
{
	return b->domain.iommu->can_split;
}

/* The device works on memory, not addresses. Constant: no lock needed. */
static inline bool spans_pin(const struct binding *b)
{
	return b->domain.iommu->pins;
}

/* Of the octaves of IOVA space, those that a span may lie in: see iova_get_in. */
static inline uint64_t spans_octaves(const struct binding *b)
{
	return b->domain.octaves & iova_below(binding_bits(b));
}

/* As domain_map. */
static inline int spans_map(struct binding *b, pp_iova_t iova, void *addr, size_t len, size_t leaf,
			    enum pp_dma_dir dir, bool *lost)
{
	return domain_map(&b->domain, iova, addr, len, leaf, mapping_prot(dir), lost);
}

/* As domain_unmap: the device may use old translations until one of the next three. */
static inline int spans_unmap(struct binding *b, pp_iova_t iova, size_t len)
{
	return domain_unmap(&b->domain, iova, len);
}

static inline void spans_invalidate(struct binding *b, pp_iova_t iova, size_t len)
{
	domain_invalidate(&b->domain, iova, len);
}

/* Now or with others: see domain_retire. */
static inline void spans_retire(struct binding *b, pp_iova_t iova, size_t len,
				struct domain_pending *pending)
{
	domain_retire(&b->domain, iova, len, pending);
}

static inline void spans_flush(struct binding *b)
{
	domain_flush(&b->domain);
}

#endif
