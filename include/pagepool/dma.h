/*
 * dma.h - map, unmap and sync memory for a device, through a binding.
 *
 * For memory outside pools: descriptor rings, a caller's buffers. Pages of a pool are mapped with
 * their chunk and need only sync.
 *
 * Thread rule: any thread, any time. A call through a binding that has ended fails with -ENODEV,
 * reaches no device, and is counted (late_calls_refused). Whatever the driver left mapped is
 * unmapped when the binding ends. Except in a surprise removal it is counted (mappings_forgotten)
 * and, in debug mode, reported with its call site.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_DMA_H
#define PAGEPOOL_DMA_H

#include <pagepool/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PP_STRINGIFY_(x) #x
#define PP_STRINGIFY(x) PP_STRINGIFY_(x)
/** The call site, as messages show it. */
#define PP_CALLER __FILE__ ":" PP_STRINGIFY(__LINE__)

/**
 * Set the device's DMA mask. It is 32 bits until then, as in Linux (dma_set_mask_and_coherent).
 * @param bits  32 to 64; the smaller of this and the device's own width applies.
 * @return 0; -EINVAL: out of range; -EBUSY: something is mapped beyond it; -ENODEV: the binding
 *         has ended.
 */
PP_API int pp_dma_set_mask(pp_binding_t binding, unsigned bits);

/**
 * Map the caller's memory for the device (dma_map_single). It must exist until it is unmapped or
 * the binding has ended. Whole IOMMU pages are mapped (4 KiB, or up to the kernel's page size): the
 * device can also reach what else is in the first and the last one.
 * @param addr  of any alignment; the DMA address has the same offset in its page.
 * @param len   bytes, not 0.
 * @param dir   enforced: any other access faults.
 * @param out   the DMA address; PP_IOVA_NONE on failure.
 * @return 0; -EINVAL: addr, len or out is 0, the length wraps, or the direction is invalid;
 *         -ENODEV: the binding has ended or is ending; -ENOSPC: no IOVA within the
 *         mask (all devices of 32 bits share 4 GiB of it, see iommu.h); -ERANGE: the domain
 *         can't map the IOVA that was found; -ENOMEM; -EIO: the back end broke its contract;
 *         or what its map returned; in debug mode `dma` also -EFAULT: the memory doesn't exist, is
 *         read-only while the device could write, or belongs to the library.
 */
#define pp_dma_map(binding, addr, len, dir, out)                                                   \
	pp_dma_map_at((binding), (addr), (len), (dir), (out), PP_CALLER)
PP_API int pp_dma_map_at(pp_binding_t binding, void *addr, size_t len, enum pp_dma_dir dir,
			 pp_iova_t *out, const char *caller);

/**
 * Undo pp_dma_map. On return the device can no longer reach the memory.
 * @param iova,len,dir  as passed to and returned by pp_dma_map.
 * @return 0; -ENODEV: the binding has ended; -EINVAL: nothing is mapped there, or the arguments
 *         differ from those of the mapping; nothing is changed then. -EIO: it is unmapped, but the
 *         back end failed to sync what the device wrote, or to unmap it, and the device is blocked
 *         (iommu.h).
 */
#define pp_dma_unmap(binding, iova, len, dir)                                                      \
	pp_dma_unmap_at((binding), (iova), (len), (dir), PP_CALLER)
PP_API int pp_dma_unmap_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
			   const char *caller);

/**
 * Call before the CPU reads what the device wrote. Also for pages of a pool
 * (iova = pp_page_iova(page) + offset).
 * @param len  bytes, within one mapping.
 * @return 0; -ENODEV: the binding has ended; -EINVAL: not within a mapping, or mapped in another
 *         direction (detected only for incoherent devices and in debug mode); -EIO: the back end
 *         returned something that is no errno.
 */
#define pp_dma_sync_for_cpu(binding, iova, len, dir)                                               \
	pp_dma_sync_at((binding), (iova), (len), (dir), true, PP_CALLER)
/**
 * Call before the device reads what the CPU wrote, or writes where the CPU wrote.
 * @return as pp_dma_sync_for_cpu.
 */
#define pp_dma_sync_for_device(binding, iova, len, dir)                                            \
	pp_dma_sync_at((binding), (iova), (len), (dir), false, PP_CALLER)
PP_API int pp_dma_sync_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
			  bool for_cpu, const char *caller);

/**
 * Allocate zeroed memory that CPU and device see alike without sync, for descriptor rings. It
 * belongs to the binding: unless freed before, it is unmapped when the binding ends and freed after
 * the driver's remove.
 * @param len  bytes; rounded up to whole IOMMU pages, and aligned to one.
 * @return 0; -EINVAL: len is 0 or wraps, no cpu or out; else as pp_dma_map.
 */
#define pp_dma_alloc_coherent(binding, len, cpu, out)                                              \
	pp_dma_alloc_coherent_at((binding), (len), (cpu), (out), PP_CALLER)
PP_API int pp_dma_alloc_coherent_at(pp_binding_t binding, size_t len, void **cpu, pp_iova_t *out,
				    const char *caller);
/**
 * @return 0; -ENODEV: the binding has ended; -EINVAL: no such allocation, or cpu is NULL; -EIO: as
 *         for unmap; the memory is not used again.
 */
#define pp_dma_free_coherent(binding, len, cpu, iova)                                              \
	pp_dma_free_coherent_at((binding), (len), (cpu), (iova), PP_CALLER)
PP_API int pp_dma_free_coherent_at(pp_binding_t binding, size_t len, void *cpu, pp_iova_t iova,
				   const char *caller);

#ifdef __cplusplus
}
#endif
#endif
