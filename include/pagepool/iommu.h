/*
 * iommu.h - the contract of an IOMMU back end: what a domain must do.
 *
 * A back end embeds struct pp_iommu as the first member of its own structure, fills it in and
 * passes it to pp_device_register. The library serialises the calls for one domain. A back end
 * knows nothing of pools or drivers.
 *
 * IOVAs are allocated from one space for all domains of the process, so that a page can have the
 * same address on every device; no two mappings of the process overlap in it, whichever devices
 * they are for. So all 32-bit devices share 4 GiB of IOVA, less its first page and the reserved
 * windows. When that is used up, a map returns -ENOSPC.
 *
 * For all calls: iova, addr and len are multiples of 4 KiB and of the smallest page size, len is
 * not 0, and the range lies within one of the domain's ranges.
 *
 * Breaches of the contract, as far as they can be detected, are counted (pp_domain_stats:
 * breaches), reported in debug mode, and contained:
 *
 *   map, sync: neither 0 nor an errno   the caller gets -EIO, and nothing is mapped
 *   map, sync: an errno                 the caller gets it. A failed sync makes the map that it is
 *                                       part of fail with -EIO; an unmap returns -EIO, but is done
 *   unmap: another size than asked      nobody knows what the device can reach, so it is blocked
 *                                       for good. Maps fail with -EIO, and so does the next bind;
 *                                       the DMA addresses of that range, and a pool's or coherent
 *                                       memory there, are never used again (bytes_lost). The
 *                                       process, the pool and its other devices continue
 *
 * A failed map that did map something, and an invalidate or block that did nothing, can't be
 * detected.
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
	PP_PROT_COHERENT = 4, /**< needs no sync, even in an incoherent domain */
};

struct pp_iommu_ops {
	/* All are required, except stats, and sync in a coherent domain. */

	/** The kind of back end, for messages: "soft", "vfio". */
	const char *kind;
	/** Free everything. Nothing is mapped any more, except what unmap failed to unmap. */
	void (*destroy)(struct pp_iommu *iommu);
	/**
	 * pre: no part of the range is mapped. Maps all of it or nothing.
	 * @param page_size  the page size of the memory: no leaf may be larger.
	 * @return 0; -ENOMEM; -ENOSPC: a limit of the IOMMU; -EEXIST: something is mapped there; or
	 *         another negative errno. Anything else is treated as -EIO, and followed by unmap
	 *         and invalidate of the range, of which all or nothing may be mapped.
	 */
	int (*map)(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len, size_t page_size,
		   unsigned prot);
	/**
	 * pre: the range was mapped by one or more whole calls of map or, with can_split, is part
	 * of one. Cannot fail.
	 * post: no new translation is made; cached ones may be used until invalidate.
	 * @return the number of bytes unmapped: len, or the device is blocked for good.
	 */
	size_t (*unmap)(struct pp_iommu *iommu, pp_iova_t iova, size_t len);
	/**
	 * post: no access that uses an old translation of the range is in progress or will
	 * follow. @param len  SIZE_MAX: the whole domain.
	 */
	void (*invalidate)(struct pp_iommu *iommu, pp_iova_t iova, size_t len);
	/**
	 * Enter (true) or leave (false) the blocked state, in which nothing translates; entering it
	 * includes an invalidation of the whole domain. The library blocks a domain when it is
	 * registered.
	 */
	void (*block)(struct pp_iommu *iommu, bool on);
	/** Incoherent domains only. @return 0; -EINVAL: not mapped; else as map. */
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
	 * The IOVAs that the device can use: ascending, disjoint, of whole pages; read at
	 * registration. In each octave (2^k to 2^(k+1)) of which the device can use only a part,
	 * the rest is withheld from all devices while it is registered; an octave of which it can
	 * use nothing stays available to others. IOVAs that others use at that time are withheld
	 * once they are freed.
	 */
	struct pp_iova_range ranges[PP_IOMMU_RANGES];
	unsigned n_ranges;
	/**
	 * The supported leaf sizes, ORed together. Mappings are multiples of the smallest and of
	 * 4 KiB. The smallest must not exceed the kernel's page size, up to which memory is
	 * physically contiguous.
	 */
	size_t page_sizes;
	char name[32];   /**< the device's name, for messages; set by the library */
	bool incoherent; /**< needs sync */
	bool deferred;   /**< invalidations of trimming may be batched */
	bool can_split;  /**< unmap accepts a part of what one call of map mapped */
	/**
	 * Memory is pinned: the device accesses the physical pages that were there at the time of
	 * the map. The library keeps its own memory out of children of fork(2), where it reads as
	 * zero or can't be read; of a caller's memory the child gets a copy. In a child no function
	 * of such a back end is called, since it would reach the parent's device: maps fail there
	 * with -ENODEV.
	 */
	bool pins;
};

#ifdef __cplusplus
}
#endif
#endif
