/*
 * iommu.h - the contract of an IOMMU back end: what a domain must do.
 *
 * A back end embeds struct pp_iommu at the head of its own structure, fills it in
 * and hands it to pp_device_register. The library serialises the control calls of
 * one domain. A back end knows nothing of pools or drivers.
 *
 * Addresses come from one space for all domains of the process, so that a page can have the
 * same one on every device; and a page that is mapped for one device only has one that no other
 * device of the process uses. So all devices that can address 32 bits share 4 GiB of IOVA, less
 * its first page and their windows: when that is in use, by whomever, a map returns -ENOSPC.
 *
 * For all calls: iova, addr and len are multiples of 4 KiB and of the smallest page size, len is
 * not 0, and the range lies within one of the domain's ranges.
 *
 * A back end that breaks its contract, as far as that can be seen, is counted (pp_domain_stats:
 * breaches), told in debug mode, and contained:
 *
 *   map, sync: neither 0 nor an errno   -EIO for the caller, with nothing mapped
 *   map, sync: an errno                 the caller's; a sync that fails ends the map that it is
 *                                       part of with -EIO, and an unmap, which is done all the same
 *   unmap: another size than asked      nobody knows what the device can reach: it is blocked, for
 *                                       good. Maps fail with -EIO, and so does the next bind; the
 *                                       DMA addresses of that range, and a pool's or coherent memory
 *                                       there, are never used again (bytes_lost). The process, the
 *                                       pool and its other devices go on
 *
 * That a map which failed has mapped, or that invalidate or block did nothing, can't be seen.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_IOMMU_H
#define PAGEPOOL_IOMMU_H

#include <pagepool/stats.h>
#include <pagepool/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_iommu;

/** What the device may do with a mapping. */
enum pp_prot {
	PP_PROT_READ = 1,     /**< the device may read */
	PP_PROT_WRITE = 2,    /**< the device may write */
	PP_PROT_COHERENT = 4, /**< seen alike by both, on an incoherent domain too */
};

struct pp_iommu_ops {
	/* All are required, but for sync of a coherent domain, and stats. */

	/** Names the kind in messages: "soft", "vfio". */
	const char *kind;
	/** Free everything. Nothing is mapped any more but what unmap has failed to unmap. */
	void (*destroy)(struct pp_iommu *iommu);
	/**
	 * pre: no part of the range is mapped. All or nothing.
	 * @param page_size  the memory's own page size: no leaf may be larger.
	 * @return 0; -ENOMEM; -ENOSPC: a limit of the IOMMU; -EEXIST: something is
	 *         mapped there; or another negative errno. What is neither is taken for -EIO,
	 *         and followed by unmap and invalidate of the range, of which all or nothing
	 *         may be mapped.
	 */
	int (*map)(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		   size_t page_size, unsigned prot);
	/**
	 * pre: the range is mapped, by one or several whole calls of map, or part of
	 * one where can_split is set. Cannot fail.
	 * post: no new translation is made; old ones may be served until invalidate.
	 * @return the bytes that were unmapped: len, or the device is blocked for good.
	 */
	size_t (*unmap)(struct pp_iommu *iommu, pp_iova_t iova, size_t len);
	/**
	 * post: no access that uses an old translation of the range is under way, and
	 * none will be. @param len  SIZE_MAX: the whole domain.
	 */
	void (*invalidate)(struct pp_iommu *iommu, pp_iova_t iova, size_t len);
	/**
	 * Let nothing translate (true) until told otherwise (false); as invalidate, for the
	 * whole domain. The library blocks a domain when it is registered.
	 */
	void (*block)(struct pp_iommu *iommu, bool on);
	/** Of incoherent domains only. @return 0; -EINVAL: not mapped; as map. */
	int (*sync)(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool for_cpu);
	/** Fill in what only the back end knows: page_table_bytes to iotlb_misses. May be NULL. */
	void (*stats)(struct pp_iommu *iommu, struct pp_domain_stats *stats);
};

struct pp_iova_range {
	pp_iova_t first, last; /**< inclusive */
};

#define PP_IOMMU_RANGES 16

struct pp_iommu {
	const struct pp_iommu_ops *ops; /**< static const */
	/**
	 * What the device can use: ascending, apart, of whole pages; read at registration.
	 * Between 2^k and 2^(k+1), for each k, what it can't use is kept from the other devices
	 * too while it is registered, if it can use some; if it can't use any, others can. A
	 * range of others that is in use at that time is kept from use once it is given back.
	 */
	struct pp_iova_range ranges[PP_IOMMU_RANGES];
	unsigned n_ranges;
	/**
	 * The leaves' sizes ORed together. What is mapped is a multiple of the smallest, and of
	 * 4 KiB; so that memory has it side by side, it isn't larger than the kernel's page.
	 */
	size_t page_sizes;
	char name[32];     /**< the device's, for messages; the library fills it in */
	bool incoherent;   /**< needs sync */
	bool deferred;     /**< the invalidations of trimming may be batched */
	bool can_split;    /**< unmap may take a part of what one map call made */
	/**
	 * The device works on the pages that were there when they were mapped, whatever the
	 * addresses mean later. The library keeps its own memory out of a child of fork(2), where
	 * it reads as zero or can't be read; of a caller's memory the kernel gives the child a copy.
	 * No function of such a back end is called in a child, for it would reach the parent's
	 * device: maps are refused there with -ENODEV.
	 */
	bool pins;
};

#ifdef __cplusplus
}
#endif
#endif
