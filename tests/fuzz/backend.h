/*
 * backend.h - the fuzzer's own back end. The software IOMMU does its work; it adds what that one
 * never is: ranges with gaps, mappings that can't be split, pinned memory, no statistics, failing
 * map calls, answers that break the contract. It holds the library to its part of the contract, and
 * counts what is mapped.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef FUZZ_BACKEND_H
#define FUZZ_BACKEND_H

#include <pagepool/iommu.h>

#include <stdbool.h>

/*
 * How often unmap may say another size than it unmapped. What the library loses by it, it loses for
 * good, so a process has so many lies and then no more: else one input would fail for what others
 * did.
 */
#define BACKEND_LIES 256u

/*
 * One that uses `soft`, and destroys it with itself. `how` chooses; its ranges are cut off at
 * 2^bits.
 */
struct pp_iommu *backend_create(struct pp_iommu *soft, unsigned how, unsigned bits);
/* From now on each n-th unmap says another size: n and size by `how`. */
void backend_lie(struct pp_iommu *iommu, unsigned how);
/* How often all of them have. */
unsigned backend_lies(void);
/* Has it done so? Then it is blocked for good. */
bool backend_lied(const struct pp_iommu *iommu);
/* Was that said, by whomever, when some of this was unmapped? Then it is never used again. */
bool backend_lost(pp_iova_t iova, size_t len);
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
