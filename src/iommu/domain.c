/*
 * domain.c - a back end, checked and counted. See domain.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/domain.h"

#include "env/debug.h"
#include "iommu/window.h"

/* What is mapped is a multiple of: the smallest leaf; and no less than a base page. */
static size_t page_of(const struct pp_iommu *iommu)
{
	size_t smallest = iommu->page_sizes & -iommu->page_sizes;

	return smallest > PP_BASE_PAGE ? smallest : PP_BASE_PAGE;
}

/* What is wrong with the ranges, or NULL. */
static const char *ranges_wrong(const struct pp_iommu *iommu)
{
	const pp_iova_t within = page_of(iommu) - 1;

	if (!iommu->n_ranges || iommu->n_ranges > PP_IOMMU_RANGES)
		return "it has no usable ranges, or more than 16";
	for (unsigned i = 0; i < iommu->n_ranges; i++) {
		const struct pp_iova_range *r = &iommu->ranges[i];

		if (r->first > r->last)
			return "a range ends before it begins";
		if ((r->first | (r->last + 1)) & within)
			return "a range has parts of pages";
		if (i && r->first <= r[-1].last)
			return "its ranges overlap, or don't ascend";
	}
	return NULL;
}

const char *domain_wrong(const struct pp_iommu *iommu)
{
	const struct pp_iommu_ops *ops = iommu ? iommu->ops : NULL;

	if (!iommu)
		return "there is no IOMMU domain";
	if (!ops || !ops->kind || !ops->destroy || !ops->map || !ops->unmap || !ops->invalidate ||
	    !ops->block)
		return "the domain lacks one of kind, destroy, map, unmap, invalidate and block";
	if (iommu->incoherent && !ops->sync)
		return "the domain is incoherent and has no sync";
	/* else a leaf would have to hold what isn't side by side in memory */
	if (!iommu->page_sizes || page_of(iommu) > env_kernel_page())
		return "the domain has no pages as small as the kernel's";
	return ranges_wrong(iommu);
}

void domain_init(struct domain *d, struct pp_iommu *iommu)
{
	*d = (struct domain){ .iommu = iommu, .n_ranges = iommu->n_ranges, .forks = env_forks() };
	memcpy(d->range, iommu->ranges, sizeof d->range);
	d->page = page_of(iommu);
	d->octaves = windows_octaves(iommu);
}

unsigned domain_bits(const struct domain *d)
{
	pp_iova_t last = d->range[d->n_ranges - 1].last;

	return 64u - (unsigned)__builtin_clzll(last);
}

static bool in_ranges(const struct domain *d, pp_iova_t iova, size_t len)
{
	for (unsigned i = 0; i < d->n_ranges; i++) {
		const struct pp_iova_range *r = &d->range[i];

		if (iova >= r->first && iova <= r->last && len - 1 <= r->last - iova)
			return true;
	}
	return false;
}

/* What a function of the back end returned: 0, an errno, or nonsense, which is -EIO. */
static int errno_of(struct domain *d, const char *function, int ret)
{
	if (ret <= 0 && ret > -4096)
		return ret;
	d->stats.breaches++;
	debug_done(debug_report(
		PP_DEBUG_DMA, d->iommu->name,
		"device %s: its IOMMU back end (%s) breaks its contract: %s returned %d, "
		"which is neither 0 nor a negative errno",
		d->iommu->name, d->iommu->ops->kind, function, ret));
	return -EIO;
}

/*
 * A back end that unmapped something other than it was told no longer knows what the device can
 * reach: so the device is blocked for good.
 */
static int lose(struct domain *d, pp_iova_t iova, size_t len, size_t unmapped)
{
	d->broken = true;
	domain_block(d, true);
	d->stats.breaches++;
	d->stats.bytes_lost += len;
	debug_done(debug_report(
		PP_DEBUG_DMA, d->iommu->name,
		"device %s: its IOMMU back end (%s) breaks its contract: unmap of DMA address "
		"0x%llx, %zu bytes, returned %zu. The device is blocked, and can't be bound "
		"again; the addresses, and a pool's memory there, are not used again",
		d->iommu->name, d->iommu->ops->kind, (unsigned long long)iova, len, unmapped));
	return -EIO;
}

/*
 * A back end that returned nonsense may have mapped the range or not. Nobody will use it, so unmap
 * whatever is there: all of it was mapped, or nothing.
 */
static int unmap_doubtful(struct domain *d, pp_iova_t iova, size_t len)
{
	size_t unmapped = d->iommu->ops->unmap(d->iommu, iova, len);

	d->iommu->ops->invalidate(d->iommu, iova, len);
	return !unmapped || unmapped == len ? 0 : lose(d, iova, len, unmapped);
}

int domain_map(struct domain *d, pp_iova_t iova, void *addr, size_t len, size_t page_size,
	       unsigned prot, bool *lost)
{
	int said, ret;

	*lost = false;
	if (!in_ranges(d, iova, len))
		return -ERANGE;
	if ((iova | (uintptr_t)addr | len) & (d->page - 1))
		return -EINVAL;
	if (domain_is_parents(d))
		return -ENODEV;
	if (d->broken)
		return -EIO;
	if (env_fault("map"))
		return -ENOMEM;
	said = d->iommu->ops->map(d->iommu, iova, addr, len, page_size, prot);
	ret = errno_of(d, "map", said);
	if (ret != said)
		*lost = unmap_doubtful(d, iova, len);
	if (ret)
		return ret;
	d->stats.maps++;
	d->stats.bytes_mapped += len;
	return 0;
}

int domain_sync(struct domain *d, pp_iova_t iova, size_t len, bool for_cpu)
{
	if (!d->iommu->incoherent)
		return 0;
	if (domain_is_parents(d))
		return -ENODEV;
	return errno_of(d, "sync", d->iommu->ops->sync(d->iommu, iova, len, for_cpu));
}

int domain_unmap(struct domain *d, pp_iova_t iova, size_t len)
{
	size_t unmapped = domain_is_parents(d) ? len : d->iommu->ops->unmap(d->iommu, iova, len);

	d->stats.unmaps++;
	d->stats.bytes_mapped -= len;
	return unmapped == len ? 0 : lose(d, iova, len, unmapped);
}

void domain_invalidate(struct domain *d, pp_iova_t iova, size_t len)
{
	if (!domain_is_parents(d))
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
	if (!domain_is_parents(d))
		d->iommu->ops->block(d->iommu, on);
}

void domain_stats(struct domain *d, struct pp_domain_stats *out)
{
	struct pp_domain_stats theirs = { 0 };

	*out = d->stats;
	if (!d->iommu->ops->stats || domain_is_parents(d))
		return;
	d->iommu->ops->stats(d->iommu, &theirs);
	out->page_table_bytes = theirs.page_table_bytes;
	out->iotlb_entries = theirs.iotlb_entries;
	out->shadow_bytes = theirs.shadow_bytes;
	out->faults = theirs.faults;
	out->dma_reads = theirs.dma_reads;
	out->dma_writes = theirs.dma_writes;
	out->iotlb_misses = theirs.iotlb_misses;
}
