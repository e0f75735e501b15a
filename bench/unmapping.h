/*
 * unmapping.h - when nothing was mapped any more, nor cached: the software domain with a look at
 * the clock behind each invalidation of what was unmapped. Sets out_of_reach, which who includes it
 * has.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef UNMAPPING_H
#define UNMAPPING_H

#include <pagepool/pagepool.h>

#include "bench.h"

static const struct pp_iommu_ops *timed_domain;
static bool timed_unmapped;

static size_t timed_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	timed_unmapped = true;
	return timed_domain->unmap(iommu, iova, len);
}

static void timed_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	timed_domain->invalidate(iommu, iova, len);
	if (timed_unmapped)
		out_of_reach = now_ns();
	timed_unmapped = false;
}

static void time_unmapping(struct pp_iommu *iommu)
{
	static struct pp_iommu_ops ops;

	timed_domain = iommu->ops;
	ops = *timed_domain;
	ops.unmap = timed_unmap;
	ops.invalidate = timed_invalidate;
	iommu->ops = &ops;
}

#endif
