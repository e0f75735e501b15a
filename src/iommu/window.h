/*
 * window.h - the parts of IOVA space that a domain can't use, which are withheld in the arena while
 * its device is registered. Uses env and the contract.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_WINDOW_H
#define IOMMU_WINDOW_H

#include <pagepool/iommu.h>

/* What one registration keeps out of use: two windows for each gap, at most. */
struct windows {
	unsigned n;
	struct pp_iova_range window[2 * PP_IOMMU_RANGES];
};

/*
 * The octaves that the domain can use some of, a bit for each; as iova_get_in takes them. Of these
 * the windows keep out what it can't use; so that the others stay everybody else's.
 */
uint64_t windows_octaves(const struct pp_iommu *iommu);
/* The arena has a user more, which can't use the domain's windows. 0 or -ENOMEM. */
int windows_reserve(struct windows *w, const struct pp_iommu *iommu);
/* Undo that. */
void windows_release(const struct windows *w);

#endif
