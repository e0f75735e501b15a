/*
 * dma.h - map, unmap and sync memory for a device, through a binding.
 *
 * For memory that is not a pool's: descriptor rings, a caller's buffers. Pages of
 * a pool are mapped with their chunk and need sync only.
 *
 * Thread rule: any thread, any time. A call through a binding that has ended is
 * refused with -ENODEV, reaches no device, and is counted (late_calls_refused).
 * Whatever the driver leaves mapped is unmapped when the binding ends. Unless the device
 * has gone by surprise, that is counted (mappings_forgotten), and in debug mode reported
 * with its place.
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
/** The place of a call, as messages show it. */
#define PP_PLACE __FILE__ ":" PP_STRINGIFY(__LINE__)

/**
 * State what the driver can make the device address. 32 bits until then, as in
 * Linux (dma_set_mask_and_coherent).
 * @param bits  32 to 64; the smaller of it and the device's own width counts.
 * @return 0; -EINVAL: out of range; -EBUSY: something is mapped beyond it;
 *         -ENODEV: the binding has ended.
 */
PP_API int pp_dma_set_mask(pp_binding_t binding, unsigned bits);

/**
 * Map memory of the caller for the device (dma_map_single). The memory must stay
 * until it is unmapped or the binding has ended. Whole pages of the IOMMU
 * (4 KiB, or the kernel's page at most) are mapped: the device can reach what else lies in
 * the first and the last one.
 * @param addr  any alignment; iova keeps the offset in the page.
 * @param len   bytes, not 0.
 * @param dir   enforced: the device's other accesses fault.
 * @param out   the DMA address; PP_IOVA_NONE on failure.
 * @return 0; -EINVAL: no address, length or out, a length that wraps, a bad direction;
 *         -ENODEV: the binding has ended or is ending; -ENOSPC: no IOVA within the
 *         mask (all devices of 32 bits share 4 GiB of it, see iommu.h); -ERANGE: the domain
 *         can't map the IOVA that was found; -ENOMEM; -EIO: the back end broke its contract;
 *         or what its map returned.
 */
#define pp_dma_map(binding, addr, len, dir, out) \
	pp_dma_map_at((binding), (addr), (len), (dir), (out), PP_PLACE)
PP_API int pp_dma_map_at(pp_binding_t binding, void *addr, size_t len, enum pp_dma_dir dir,
			 pp_iova_t *out, const char *place);

/**
 * Undo pp_dma_map; when it returns, no access of the device can reach the memory.
 * @param iova,len,dir  as given to and by pp_dma_map.
 * @return 0; -ENODEV: the binding has ended; -EINVAL: nothing is mapped there, or
 *         it is not what was mapped; nothing is changed then. -EIO: it is unmapped, but the back
 *         end failed to sync what the device wrote, or to unmap it, and the device is blocked
 *         (iommu.h).
 */
#define pp_dma_unmap(binding, iova, len, dir) \
	pp_dma_unmap_at((binding), (iova), (len), (dir), PP_PLACE)
PP_API int pp_dma_unmap_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
			   const char *place);

/**
 * Before the CPU reads what the device wrote. Also for pages of a pool
 * (iova = pp_page_iova(page) + offset).
 * @param len  bytes, within one mapping.
 * @return 0; -ENODEV: the binding has ended; -EINVAL: not within a mapping, or mapped in
 *         another direction (found out only where the device is incoherent, or in debug
 *         mode).
 */
#define pp_dma_sync_for_cpu(binding, iova, len, dir) \
	pp_dma_sync_at((binding), (iova), (len), (dir), true, PP_PLACE)
/**
 * Before the device reads what the CPU wrote, or writes where the CPU did.
 * @return as pp_dma_sync_for_cpu.
 */
#define pp_dma_sync_for_device(binding, iova, len, dir) \
	pp_dma_sync_at((binding), (iova), (len), (dir), false, PP_PLACE)
PP_API int pp_dma_sync_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
			  bool for_cpu, const char *place);

/**
 * Zeroed memory that CPU and device see alike without sync: descriptor rings.
 * It belongs to the binding: what is not freed by then is unmapped when the
 * binding ends and goes back to the system after the driver's remove.
 * @param len  bytes; rounded up to pages of the IOMMU, aligned to one.
 * @return 0; -EINVAL: len is 0 or wraps, no cpu or out; else as pp_dma_map.
 */
#define pp_dma_alloc_coherent(binding, len, cpu, out) \
	pp_dma_alloc_coherent_at((binding), (len), (cpu), (out), PP_PLACE)
PP_API int pp_dma_alloc_coherent_at(pp_binding_t binding, size_t len, void **cpu, pp_iova_t *out,
				    const char *place);
/**
 * @return 0; -ENODEV: the binding has ended; -EINVAL: not such an allocation, or cpu is NULL; -EIO:
 *         as for unmap; the memory is not used again.
 */
#define pp_dma_free_coherent(binding, len, cpu, iova) \
	pp_dma_free_coherent_at((binding), (len), (cpu), (iova), PP_PLACE)
PP_API int pp_dma_free_coherent_at(pp_binding_t binding, size_t len, void *cpu, pp_iova_t iova,
				   const char *place);

#ifdef __cplusplus
}
#endif
#endif
