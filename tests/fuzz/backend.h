/*
 * backend.h - a back end of the fuzzer's own. The software IOMMU does its work; it adds what
 * that one never is: ranges with gaps, mappings that can't be split, memory that is pinned, no
 * statistics, map calls that fail, answers that break the contract. It holds the library to its
 * part of the contract, and counts what is mapped.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef FUZZ_BACKEND_H
#define FUZZ_BACKEND_H

#include <pagepool/iommu.h>

#include <stdbool.h>

/*
 * Whether unmap may say another size than it unmapped. Where the library ends the process for it,
 * no input may have it so.
 */
#define BACKEND_UNMAP_LIES 0

/*
 * One that uses `soft`, and destroys it with itself. `how` chooses; its ranges are cut off at
 * 2^bits.
 */
struct pp_iommu *backend_create(struct pp_iommu *soft, unsigned how, unsigned bits);
bool backend_has_stats(const struct pp_iommu *iommu);
/* Bytes that are mapped, by its own count. */
uint64_t backend_bytes(const struct pp_iommu *iommu);
/* Between two calls of the library: a map that broke the contract was undone. */
void backend_compare(const struct pp_iommu *iommu);

/* The n-th map from now on fails, of whichever device; for_good: those after it too. */
void backend_fail(unsigned nth, unsigned how, bool for_good);
/* No more of that. What the library may have made of it: an errno, or 0: none failed. */
int backend_failed(bool *broken);

#endif
