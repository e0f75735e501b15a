/*
 * soft.h - the software IOMMU: a back end that runs anywhere, and the calls with which a software
 * device does its DMA.
 *
 * A faithful model: four levels of page tables as VT-d's second stage has them
 * (48 bits; VT-d specification 3.7), leaves of 4 KiB, 2 MiB and 1 GiB, an IOTLB
 * that serves stale entries until they are invalidated, permissions, a fault log.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_SOFT_H
#define PAGEPOOL_SOFT_H

#include <pagepool/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_soft_params {
	size_t size; /**< of this structure; see PP_PARAMS */
	/** The device's address width, 32 to 64 bits: an access beyond it faults. 0: 64. */
	unsigned address_bits;
	/** Device and CPU each see memory as of the last sync. */
	bool incoherent;
	/** Batch the invalidations of trimming. */
	bool deferred;
};

/**
 * Create a domain of the software IOMMU.
 * @param params  NULL: the defaults, a coherent and strict domain.
 * @return 0; -EINVAL: the width is out of range, the parameters have no size, or out is NULL;
 *         -E2BIG: see PP_PARAMS; -ENOMEM.
 */
PP_API int pp_soft_create(struct pp_iommu **out, const struct pp_soft_params *params);

/** Destroy a domain that no device was registered with. NULL is allowed. */
PP_API void pp_soft_destroy(struct pp_iommu *iommu);

/**
 * A DMA access of the device. Any thread, any number of them. The domain must exist.
 * @param iova,len  any alignment and length, in bytes; performed page by page, up to the first
 *                  fault.
 * @return 0; -EFAULT: a fault, which is logged; -EINVAL: no domain, or no buffer.
 */
PP_API int pp_soft_read(struct pp_iommu *iommu, pp_iova_t iova, void *buf, size_t len);
PP_API int pp_soft_write(struct pp_iommu *iommu, pp_iova_t iova, const void *buf, size_t len);

/** Why an access was refused; the numbers are VT-d's fault reasons where it has one. */
enum pp_soft_fault_reason {
	PP_FAULT_BLOCKED = 2,  /**< the domain is blocked (context entry not present) */
	PP_FAULT_WIDTH = 4,    /**< beyond the domain's or the device's width */
	PP_FAULT_WRITE = 5,    /**< no permission to write */
	PP_FAULT_READ = 6,     /**< no permission to read */
	PP_FAULT_UNMAPPED = 7, /**< nothing is mapped there */
};

struct pp_soft_fault {
	pp_iova_t iova;   /**< the first byte that was refused */
	uint64_t time_ns; /**< CLOCK_MONOTONIC */
	enum pp_soft_fault_reason reason;
	bool write;
};

/** What the log keeps: the newest ones. All are counted (statistic `faults`). */
#define PP_SOFT_FAULT_LOG 256

/** Read the fault log, newest first. Any thread. @return the number of entries filled in. */
PP_API unsigned pp_soft_faults(struct pp_iommu *iommu, struct pp_soft_fault *out, unsigned n);
/** The reason as text. */
PP_API const char *pp_soft_fault_name(enum pp_soft_fault_reason reason);

#ifdef __cplusplus
}
#endif
#endif
