/*
 * domain.c - a back end, checked and counted. See domain.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/domain.h"

void domain_init(struct domain *d, struct pp_iommu *iommu)
{
	*d = (struct domain){ .iommu = iommu };
}

unsigned domain_bits(const struct domain *d)
{
	pp_iova_t last = d->iommu->ranges[d->iommu->n_ranges - 1].last;

	return last == UINT64_MAX ? 64 : 63u - (unsigned)__builtin_clzll(last + 1);
}

static bool in_ranges(const struct domain *d, pp_iova_t iova, size_t len)
{
	for (unsigned i = 0; i < d->iommu->n_ranges; i++) {
		const struct pp_iova_range *r = &d->iommu->ranges[i];

		if (iova >= r->first && iova <= r->last && len - 1 <= r->last - iova)
			return true;
	}
	return false;
}

int domain_map(struct domain *d, pp_iova_t iova, void *addr, size_t len, size_t page_size,
	       unsigned prot)
{
	int ret;

	if (!in_ranges(d, iova, len))
		return -ERANGE;
	if (env_fault("map"))
		return -ENOMEM;
	ret = d->iommu->ops->map(d->iommu, iova, addr, len, page_size, prot);
	if (ret)
		return ret;
	d->stats.maps++;
	d->stats.bytes_mapped += len;
	return 0;
}

void domain_unmap(struct domain *d, pp_iova_t iova, size_t len)
{
	/*
	 * A back end that unmaps something else than it was told has lost count of
	 * what the device can reach: there is no safe way on.
	 */
	if (d->iommu->ops->unmap(d->iommu, iova, len) != len)
		env_abort("pagepool: the IOMMU back end unmapped another size than asked\n");
	d->stats.unmaps++;
	d->stats.bytes_mapped -= len;
}

void domain_invalidate(struct domain *d, pp_iova_t iova, size_t len)
{
	d->iommu->ops->invalidate(d->iommu, iova, len);
	d->stats.invalidations++;
}

void domain_retire(struct domain *d, pp_iova_t iova, size_t len, struct domain_pending *pending)
{
	if (!d->iommu->deferred) {
		domain_invalidate(d, iova, len);
		pending->done(pending);
		return;
	}
	pending->next = d->queue;
	d->queue = pending;
	if (++d->stats.pending_ranges >= DOMAIN_QUEUE)
		domain_flush(d);
}

void domain_flush(struct domain *d)
{
	struct domain_pending *p = d->queue;

	domain_invalidate(d, 0, SIZE_MAX);
	d->queue = NULL;
	d->stats.pending_ranges = 0;
	while (p) {
		struct domain_pending *next = p->next;

		p->done(p);
		p = next;
	}
}

void domain_block(struct domain *d, bool on)
{
	d->iommu->ops->block(d->iommu, on);
}

void domain_stats(struct domain *d, struct pp_domain_stats *out)
{
	*out = d->stats;
	d->iommu->ops->stats(d->iommu, out);
}
