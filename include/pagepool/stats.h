/*
 * stats.h - statistics: one list for each structure, which also generates the printed and JSON
 * output. Names are the kernel's where the meaning is
 * (Documentation/networking/page_pool.rst).
 *
 * New counters are added at the end only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_STATS_H
#define PAGEPOOL_STATS_H

#include <stdint.h>

/* A pool. X(name, what it counts) */
#define PP_POOL_STATS(X)                                                                           \
	X(alloc_fast, "pages got from the owner's cache or a getter's")                            \
	X(alloc_slow, "pages got from the chunks, by batches into the cache")                      \
	X(alloc_slow_high_order, "chunks added to the pool")                                       \
	X(alloc_empty, "times that cache was empty, even if remote puts refilled it")              \
	X(alloc_refill, "times it was refilled with pages that other threads put")                 \
	X(alloc_failed, "gets that failed: no memory, the limit, revoked")                         \
	X(recycle_cached, "pages put back into the owner's cache or a getter's")                   \
	X(recycle_cache_full, "pages given to their chunks because it was full")                   \
	X(recycle_ring, "pages that other threads put, and the getting thread takes")              \
	X(recycle_ring_full, "pages that found no room there and went to their chunk")             \
	X(pages, "pages in the chunks, free or not")                                               \
	X(in_flight, "pages with a holder")                                                        \
	X(max_pages, "the limit; 0 is none")                                                       \
	X(chunks, "chunks in the pool")                                                            \
	X(chunks_hugetlb, "of these in hugetlb pages")                                             \
	X(chunks_thp, "of these in memory advised for transparent huge pages")                     \
	X(chunks_base, "of these in base pages")                                                   \
	X(chunks_idle, "of these with every page home")                                            \
	X(idle_limit, "idle chunks that a live pool keeps at most")                                \
	X(chunks_released, "chunks that went back to the system")                                  \
	X(bytes_mapped, "bytes mapped, for every device the pool is attached to")                  \
	X(record_bytes, "bytes of metadata for chunks and pages")                                  \
	X(attachments, "devices the pool is attached to")                                          \
	X(revoked, "1 once every mapping has been taken away")                                     \
	X(in_flight_at_revoke, "pages with a holder at that moment")                               \
	X(reserved, "pages that trimming leaves in the pool: pp_pool_reserve")                     \
	X(peak_in_flight, "the most pages with a holder at a time, or up to 512 less per cache")   \
	X(oldest_ns, "ns that the oldest page which is timed has been out; 0: none is")

/* A device. */
#define PP_DEVICE_STATS(X)                                                                                                 \
	X(bindings, "bindings begun")                                                                                      \
	X(late_calls_refused, "calls through a binding that had ended")                                                    \
	X(mappings_forgotten,                                                                                              \
	  "mappings that the driver left behind at unbind; not after a surprise removal")                                  \
	X(pools, "pools attached now")                                                                                     \
	X(unbind_ns,                                                                                                       \
	  "duration of the last unbind, the driver's remove included, or of the revocation of a device that has gone, ns") \
	X(in_flight_at_unbind, "pages its revoked pools had in flight then")

/* A domain. */
#define PP_DOMAIN_STATS(X)                                                                         \
	X(mappings, "mapped ranges")                                                               \
	X(bytes_mapped, "bytes that the device can reach")                                         \
	X(iova_bytes, "bytes of IOVA space that the mappings take")                                \
	X(maps, "map calls made on the back end")                                                  \
	X(unmaps, "unmap calls made on the back end")                                              \
	X(invalidations, "invalidations made")                                                     \
	X(pending_ranges, "ranges unmapped whose invalidation is deferred")                        \
	X(page_table_bytes, "bytes of IOMMU page tables")                                          \
	X(iotlb_entries, "translations that the IOTLB holds")                                      \
	X(shadow_bytes, "bytes of the incoherent mode's shadow memory")                            \
	X(faults, "accesses refused")                                                              \
	X(dma_reads, "accesses of the device that read")                                           \
	X(dma_writes, "accesses of the device that wrote")                                         \
	X(iotlb_misses, "accesses that walked the page table")                                     \
	X(breaches, "times the back end broke its contract")                                       \
	X(bytes_lost,                                                                              \
	  "bytes that it failed to unmap: their IOVA, and a pool's memory there, are not used again")

#define PP_STATS_MEMBER(name, what) uint64_t name; /* what it counts: the list above */
struct pp_pool_stats {
	PP_POOL_STATS(PP_STATS_MEMBER)
};
struct pp_device_stats {
	PP_DEVICE_STATS(PP_STATS_MEMBER)
};
struct pp_domain_stats {
	PP_DOMAIN_STATS(PP_STATS_MEMBER)
};

#endif
