/*
 * pci.h - what a driver needs from a PCI device besides DMA: registers, configuration space, reset,
 * interrupts, device-release requests. pp_vfio_open (vfio.h) opens the device.
 *
 * The device stays the parent's: in a child of fork every call fails (-ENODEV, 0 or false).
 *
 * Thread rule: any thread unless stated otherwise; the caller orders open and close against all
 * other calls.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_PCI_H
#define PAGEPOOL_PCI_H

#include <pagepool/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_vfio;

/* ---- registers ------------------------------------------------------------------------ */

#define PP_VFIO_BARS 6u

/**
 * Map the registers behind a base address register. Repeated calls return the same mapping. Reads
 * from a device that has gone return all ones. To access them see pp_vfio_read32.
 * @param bar   0 to 5.
 * @param mmio  where it is mapped, until close.
 * @param size  bytes; NULL is allowed.
 * @return 0; -EINVAL: no device or mmio, or bar is out of range; -ENOENT: not implemented, or I/O
 *         ports; -EOPNOTSUPP: the kernel can't map it; -ENOMEM.
 */
PP_API int pp_vfio_bar(struct pp_vfio *vfio, unsigned bar, volatile void **mmio, size_t *size);

/**
 * Read or write a register. Registers are little-endian. As with Linux's readl and writel, a write
 * is ordered after all earlier writes to memory (descriptors), and a read before all later reads.
 */
static inline uint32_t pp_vfio_read32(const volatile void *mmio, size_t offset);
static inline void pp_vfio_write32(volatile void *mmio, size_t offset, uint32_t value);

/* ---- configuration space ----------------------------------------------------------------- */

/**
 * Read or write configuration space through the kernel, which protects parts of it.
 * @param offset  bytes, below 4096 (256 for a conventional device).
 * @param width   1, 2 or 4 bytes; offset is a multiple of it. value is in the CPU's order.
 * @return 0; -EINVAL: no device or value, or an invalid width or offset; -EIO: the kernel
 *         transferred fewer bytes; -ENODEV: the device has gone.
 */
PP_API int pp_vfio_config_read(struct pp_vfio *vfio, unsigned offset, unsigned width,
			       uint32_t *value);
PP_API int pp_vfio_config_write(struct pp_vfio *vfio, unsigned offset, unsigned width,
				uint32_t value);

/**
 * Enable or disable DMA by the device (and memory decoding): the bus master bit of the command
 * register. Disabled after open. The device is trusted to obey; what it can reach is enforced by
 * the IOMMU.
 * @return as pp_vfio_config_write.
 */
PP_API int pp_vfio_bus_master(struct pp_vfio *vfio, bool on);

/**
 * Reset the function by whatever means the kernel has (FLR, power state, bus). Interrupts must be
 * disabled; bus mastering is disabled afterwards.
 * @return 0; -EINVAL: no device; -EOPNOTSUPP: it can't be reset; -ENODEV: it has gone; or an error
 *         of the kernel.
 */
PP_API int pp_vfio_reset(struct pp_vfio *vfio);

/* ---- interrupts -------------------------------------------------------------------------- */

/** Kinds of interrupts; one can be enabled at a time. */
enum pp_vfio_irq {
	PP_VFIO_INTX, /**< level triggered: masked when it fires, until pp_vfio_irq_unmask */
	PP_VFIO_MSI,
	PP_VFIO_MSIX,
};

/** The number of vectors of a kind; 0: the device doesn't support it. */
PP_API unsigned pp_vfio_irq_count(struct pp_vfio *vfio, enum pp_vfio_irq kind);

/**
 * Deliver interrupts to eventfds: vector i adds 1 to eventfd[i].
 * @param eventfd  n descriptors of eventfd(2), which the caller closes after pp_vfio_irq_disable or
 *                 pp_vfio_close; -1: none for this vector.
 * @return 0; -EINVAL: no device or eventfd, or n is 0 or more than there are; -EBUSY: another kind
 *         is enabled; -ENOSPC: the kernel had fewer vectors; or an error of the kernel.
 */
PP_API int pp_vfio_irq_enable(struct pp_vfio *vfio, enum pp_vfio_irq kind, unsigned n,
			      const int *eventfd);
/** Disable them. Allowed when none are enabled. */
PP_API void pp_vfio_irq_disable(struct pp_vfio *vfio, enum pp_vfio_irq kind);
/**
 * Unmask PP_VFIO_INTX, after it fired and the cause was cleared in the device.
 * @return 0; -EINVAL: no device; or an error of the kernel.
 */
PP_API int pp_vfio_irq_unmask(struct pp_vfio *vfio);

/* ---- device-release requests ---------------------------------------------------------------- */

/**
 * A descriptor that becomes readable when the kernel requests the device's release: it is being
 * unplugged, or vfio-pci is being unbound. Poll it, don't read it. Respond with
 * pp_device_remove(dev, PP_REMOVAL_SURPRISE), pp_device_unregister and pp_vfio_close; the kernel
 * waits for the close. Owned by the library; valid until close.
 * @return a descriptor; -EINVAL: no device; -EOPNOTSUPP: the kernel doesn't report requests.
 */
PP_API int pp_vfio_request_fd(struct pp_vfio *vfio);
/** True once the kernel has requested the release. Never blocks. */
PP_API bool pp_vfio_requested(struct pp_vfio *vfio);

#ifdef __cplusplus
}
#endif

#include <pagepool/inline/mmio.h>
#endif
