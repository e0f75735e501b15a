/*
 * domain.h - a device's IOVA space: a back end, checked and counted, and the queue of
 * deferred invalidations. Uses env and the contract; knows no pool and no driver.
 *
 * The caller serialises all calls on one domain (the binding's lock does).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_DOMAIN_H
#define IOMMU_DOMAIN_H

#include <pagepool/iommu.h>

#include "env/env.h"

#define DOMAIN_QUEUE 64 /* deferred ranges before a flush: bounds what is held back */

/* A range that is unmapped and waits for its invalidation. The caller's memory. */
struct domain_pending {
	void (*done)(struct domain_pending *self); /* no access can reach it any more */
	struct domain_pending *next;
};

struct domain {
	struct pp_iommu *iommu;
	/* As the back end said at registration: */
	struct pp_iova_range range[PP_IOMMU_RANGES];
	unsigned n_ranges;
	size_t page;      /* what is mapped is a multiple of it; at least a base page */
	uint64_t octaves; /* of IOVA space, that it can use some of: see iova_get_in */

	/* An unmap failed, and nobody knows what the device could reach: it is blocked for good. */
	bool broken;
	uint32_t forks; /* when it was made: see domain_is_parents */
	struct domain_pending *queue;
	/* counted here, but for what the back end adds */
	struct pp_domain_stats stats;
};

void domain_init(struct domain *d, struct pp_iommu *iommu);
/*
 * True in a child of fork if the back end pins memory: the device works on the parent's, so none of
 * the back end's functions is called, as they would reach the parent's device. Maps and syncs are
 * refused with -ENODEV; all else changes only the child's records.
 */
static inline bool domain_is_parents(const struct domain *d)
{
	return d->iommu->pins && d->forks != env_forks();
}
/*
 * The floor above has recorded n more mappings with that many more bytes of IOVA; negative: fewer.
 */
static inline void domain_count(struct domain *d, uint64_t n, uint64_t bytes)
{
	d->stats.mappings += n;
	d->stats.iova_bytes += bytes;
}
/* The address width that all usable ranges lie within, in bits. */
unsigned domain_bits(const struct domain *d);

/* What is wrong with a back end, as text. NULL: as far as can be seen it keeps its contract. */
const char *domain_wrong(const struct pp_iommu *iommu);

/*
 * pp_iommu_ops.map, after checks. -ERANGE: outside the usable ranges; -EINVAL: not a multiple of
 * the domain's page; -EIO: the back end returned nonsense, and nothing is mapped; or it is broken.
 * *lost: it failed and the range is lost, as in domain_unmap.
 */
int domain_map(struct domain *d, pp_iova_t iova, void *addr, size_t len, size_t page_size,
	       unsigned prot, bool *lost);
/*
 * Unmap; the device may use old translations until an invalidation or flush. 0; -EIO: the back end
 * unmapped another size. Then the domain is broken and blocked, and the range is lost: its IOVA and
 * the library's memory there are never used again. The caller counts it as unmapped.
 */
int domain_unmap(struct domain *d, pp_iova_t iova, size_t len);
/* Of an incoherent domain; nothing else has anything to do. 0; -EINVAL: not mapped; -EIO as map. */
int domain_sync(struct domain *d, pp_iova_t iova, size_t len, bool for_cpu);
void domain_invalidate(struct domain *d, pp_iova_t iova, size_t len);
/*
 * Invalidate a range that domain_unmap took, now (a strict domain) or with others
 * (a deferred one), and call done. done may free but may not call the domain.
 */
void domain_retire(struct domain *d, pp_iova_t iova, size_t len, struct domain_pending *pending);
/* Invalidate everything; every pending range is done when it returns. */
void domain_flush(struct domain *d);
void domain_block(struct domain *d, bool on);
void domain_stats(struct domain *d, struct pp_domain_stats *out);

#endif
