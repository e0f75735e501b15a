/*
 * types.h - types that all other public headers use.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_TYPES_H
#define PAGEPOOL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Exported from the shared library; everything else is hidden. */
#define PP_API __attribute__((visibility("default")))

/** An address as seen by a device (IOVA, DMA address). */
typedef uint64_t pp_iova_t;

/** Never a valid DMA address: a failed map stores it in its out-parameter. */
#define PP_IOVA_NONE (~(pp_iova_t)0)

/**
 * The base page in bytes: mappings, IOVAs and IOMMU leaves are multiples of it. The kernel's pages
 * may be larger.
 */
#define PP_BASE_PAGE 4096u

/**
 * The direction of a mapping. The values are those of Linux's enum dma_data_direction.
 */
enum pp_dma_dir {
	PP_DMA_BIDIRECTIONAL = 0, /**< the device reads and writes */
	PP_DMA_TO_DEVICE = 1,     /**< the device only reads */
	PP_DMA_FROM_DEVICE = 2,   /**< the device only writes */
};

/**
 * A period during which a driver owns a device: a number, not a pointer. It is never reused; a call
 * through one that has ended fails with -ENODEV and is counted, even after the device was bound
 * again. No two copies of the library in a process have the same numbers: each refuses the other's
 * with -ENODEV.
 */
typedef struct pp_binding {
	uint64_t id;
} pp_binding_t;

/** No binding: a pool created with it is not mapped for any device. */
static inline pp_binding_t pp_binding_none(void)
{
	pp_binding_t none = { 0 };
	return none;
}

#define PP_PARAMS_MAX 4096 /**< bytes; longer than any structure of parameters will ever be */
/**
 * Parameter structures begin with their size, so that they can grow: a program built against an
 * older header passes a shorter structure, and members that it lacks are taken as zero. A structure
 * longer than the library knows is refused with -E2BIG unless the rest is zero; one of more than
 * PP_PARAMS_MAX bytes always is, without a look at the rest, because its size can't be right.
 * `struct x p = PP_PARAMS(struct x)` sets the size and zeroes the rest.
 */
#ifdef __cplusplus
#define PP_PARAMS(type) pp_params_zero<type>()
} /* extern "C" */
template <typename T> static inline T pp_params_zero()
{
	T params = T();
	params.size = sizeof(T);
	return params;
}
extern "C" {
#else
#define PP_PARAMS(type) ((type){ .size = sizeof(type) })
#endif

/** Kinds of memory. If one isn't available, the next is tried. */
enum pp_memory {
	PP_MEMORY_HUGETLB, /**< hugetlb pages, 2 MiB or 1 GiB (the default) */
	PP_MEMORY_THP,     /**< advised for transparent huge pages */
	PP_MEMORY_BASE,    /**< base pages */
};

/** Where memory should lie: pp_pool_params.numa_node. */
#define PP_NUMA_ANY 0
#define PP_NUMA_NODE(node) ((node) + 1)

#ifdef __cplusplus
}
#endif
#endif
