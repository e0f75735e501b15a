/*
 * window.h - the parts of IOVA space that a domain can't use, which are withheld in the arena while
 * its device is registered. Uses env and the contract.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_WINDOW_H
#define IOMMU_WINDOW_H

#include <pagepool/iommu.h>

/* What one registration withholds: at most two windows for each gap. */
struct windows {
	unsigned n;
	struct pp_iova_range window[2 * PP_IOMMU_RANGES];
};

/*
 * A bit for each octave that the domain can use at least in part, as iova_get_in takes them. Only
 * in these are windows withheld; the others are left to everybody else.
 */
uint64_t windows_octaves(const struct pp_iommu *iommu);
/* Add a user of the arena, who can't use the domain's windows. 0 or -ENOMEM. */
int windows_reserve(struct windows *w, const struct pp_iommu *iommu);
/* Undo that. */
void windows_release(const struct windows *w);

#endif
