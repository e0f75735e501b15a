/*
 * vfio.h - real PCI devices: a back end on the kernel's IOMMU, and what a driver needs
 * besides DMA: registers, configuration space, interrupts, reset, the request to let go.
 *
 * The device must be bound to vfio-pci (`pagepool bind`; `pagepool doctor` tells what is
 * missing). iommufd and the device's own file in /dev/vfio/devices are taken where the
 * kernel has them, else the container and group of type 1; a program sees no difference.
 *
 *	char error[PP_VFIO_ERROR];
 *	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
 *
 *	p.address = "0000:00:03.0";
 *	ret = pp_vfio_open(&vfio, &p, error);        then say error, or:
 *	device.iommu = pp_vfio_iommu(vfio);
 *	device.resource = vfio;                      the driver's, pp_device_resource
 *	ret = pp_device_register(&dev, &device);
 *	...
 *	pp_device_unregister(dev);                   first
 *	pp_vfio_close(vfio);                         then
 *
 * What is mapped for the device to write only (PP_DMA_FROM_DEVICE), Linux lets it read too
 * where the IOMMU is Intel's. Memory that isn't the library's is mapped by what it is at
 * that time: a child of fork gets a copy. The device is the parent's: in a child every call for it
 * is refused (-ENODEV, 0 or false), and pp_vfio_close closes the child's copies of its files only.
 *
 * Sources: Documentation/driver-api/vfio.rst, userspace-api/iommufd.rst, linux/vfio.h and
 * linux/iommufd.h of Linux 6.12.
 *
 * Thread rule: any thread, unless said otherwise; open and close are the caller's to
 * order against the rest.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_VFIO_H
#define PAGEPOOL_VFIO_H

#include <pagepool/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A PCI device that is open. */
struct pp_vfio;

/** Which of the kernel's two interfaces is used. */
enum pp_vfio_api {
	PP_VFIO_ANY,       /**< iommufd if it is there, else type 1 */
	PP_VFIO_IOMMUFD,   /**< /dev/iommu and /dev/vfio/devices/vfioN, Linux 6.6 and up */
	PP_VFIO_CONTAINER, /**< /dev/vfio/vfio and /dev/vfio/GROUP: type 1 */
};

struct pp_vfio_params {
	size_t size; /**< of this structure; see PP_PARAMS */
	/** The PCI address: "0000:00:03.0", or "00:03.0" of domain 0. Required. */
	const char *address;
	enum pp_vfio_api api;
	/**
	 * NULL: the device gets an IOVA space of its own. Else: it shares the one of this
	 * device, which must be open. Devices of one IOMMU group have to share. What is
	 * mapped for one can be reached by all of them that are not blocked, until the last
	 * of them has unmapped it. A sharer is blocked when its unbind returns, unless another
	 * device of its IOMMU group isn't: the IOMMU can't tell the two apart, and what is mapped
	 * for any sharer then stays within its reach. So it does with the container, which can't
	 * block one of several. All sharers can use the IOVAs that each of them can; one that
	 * could use fewer than a sharer that is registered is refused.
	 */
	struct pp_vfio *share;
};

/** Bytes of a PCI address in full, its end included. */
#define PP_VFIO_ADDRESS 16

/**
 * Read a PCI address, "0000:00:03.0" or "00:03.0", and write it in full, in lower case.
 * @return false: it isn't one.
 */
PP_API bool pp_vfio_parse_address(char full[PP_VFIO_ADDRESS], const char *text);

/** Bytes for a sentence that says what is wrong and what to do about it. */
#define PP_VFIO_ERROR 400

/**
 * Open a device, give it an IOVA space and ask the kernel for its limits. It is left
 * blocked (nothing translates) and, by the kernel, reset where it can be.
 * @param error  NULL, or where a sentence goes on failure.
 * @return 0; -EINVAL: no such address, or `share` and `api` contradict each other;
 *         -E2BIG: see PP_PARAMS; -ENODEV: no such device, or no IOMMU looks after it;
 *         -ENXIO: not bound to vfio-pci; -ENOENT: the kernel lacks VFIO, or the interface
 *         asked for; -EACCES, -EPERM: no permission; -EBUSY: in use, or its group is
 *         (another member is bound to a driver of the kernel); -ERANGE: it can use fewer IOVAs
 *         than `share`, or one that shares with it, and that one is registered: open both
 *         first; -EOPNOTSUPP: the two have none in common; -ENOMEM, -ENOSPC: a limit,
 *         which the sentence names; -EMFILE; or what the kernel returned.
 */
PP_API int pp_vfio_open(struct pp_vfio **out, const struct pp_vfio_params *params, char *error);

/**
 * Close it: interrupts off, registers unmapped, bus mastering off. Blocks nobody but the
 * kernel, which may be waiting for it (see pp_vfio_request_fd).
 * pre: the device that its back end was registered with is unregistered. NULL is allowed.
 */
PP_API void pp_vfio_close(struct pp_vfio *vfio);

/**
 * The device's back end, for pp_device_params.iommu. One device may be registered with it;
 * pp_device_unregister takes it apart, and pp_vfio_close if none was. Never NULL.
 */
PP_API struct pp_iommu *pp_vfio_iommu(struct pp_vfio *vfio);

/** The address in full: "0000:00:03.0". Valid until close. */
PP_API const char *pp_vfio_address(const struct pp_vfio *vfio);
/** The interface in use: never PP_VFIO_ANY. */
PP_API enum pp_vfio_api pp_vfio_api(const struct pp_vfio *vfio);

/**
 * What went wrong last with this device, in a sentence that names the limit that was met
 * and how to raise it; "" if nothing did. For a failed map: pp_dma_map, pp_pool_create and
 * pp_page_get only return the errno. From the thread that made the call, and until its
 * next one.
 */
PP_API const char *pp_vfio_error(const struct pp_vfio *vfio);

/**
 * How much memory this process may have mapped for its devices at a time: what is mapped is
 * locked, which the kernel limits.
 * @return bytes (RLIMIT_MEMLOCK of getrlimit(2)); UINT64_MAX: no limit, for there is none, or
 *         it doesn't count, as the process has CAP_IPC_LOCK (capabilities(7)).
 */
PP_API uint64_t pp_vfio_locked_limit(void);

/* ---- registers ------------------------------------------------------------------------ */

#define PP_VFIO_BARS 6u

/**
 * Map the registers behind a base address register. Repeated calls give the same mapping.
 * Reads of a device that has gone give all ones. 8, 16, 32 and 64 bits: see pp_vfio_read32.
 * @param bar   0 to 5.
 * @param mmio  where it is mapped, until close.
 * @param size  bytes; NULL is allowed.
 * @return 0; -EINVAL: no device or mmio, or bar is out of range; -ENOENT: it is not implemented, or holds I/O
 *         ports; -EOPNOTSUPP: the kernel can't map it; -ENOMEM.
 */
PP_API int pp_vfio_bar(struct pp_vfio *vfio, unsigned bar, volatile void **mmio, size_t *size);

/*
 * Registers are little-endian. A write to a register is ordered after all earlier writes
 * to memory (descriptors), a read before all later reads, as writel and readl of Linux.
 */
static inline uint32_t pp_vfio_read32(const volatile void *mmio, size_t offset)
{
	uint32_t value = *(const volatile uint32_t *)((const volatile char *)mmio + offset);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	return value;
}

static inline void pp_vfio_write32(volatile void *mmio, size_t offset, uint32_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile uint32_t *)((volatile char *)mmio + offset) = value;
}

/* ---- configuration space ----------------------------------------------------------------- */

/**
 * Read or write configuration space, through the kernel, which guards some of it.
 * @param offset  bytes, below 4096 (256 for a conventional device).
 * @param width   1, 2 or 4 bytes; offset is a multiple of it. value is in the CPU's order.
 * @return 0; -EINVAL: no device or value, width or offset; -EIO: the kernel took or gave less; -ENODEV: gone.
 */
PP_API int pp_vfio_config_read(struct pp_vfio *vfio, unsigned offset, unsigned width,
			       uint32_t *value);
PP_API int pp_vfio_config_write(struct pp_vfio *vfio, unsigned offset, unsigned width,
				uint32_t value);

/**
 * Let the device do DMA (and decode memory accesses), or not: the command register's bus
 * master bit. Off when opened. Off is a courtesy of the device's; what it can reach is up
 * to the IOMMU.
 * @return as pp_vfio_config_write.
 */
PP_API int pp_vfio_bus_master(struct pp_vfio *vfio, bool on);

/**
 * Reset the function, by what means the kernel has (FLR, power state, bus). Interrupts
 * must be off; bus mastering is afterwards.
 * @return 0; -EINVAL: no device; -EOPNOTSUPP: it has none; -ENODEV: gone; or what the kernel returned.
 */
PP_API int pp_vfio_reset(struct pp_vfio *vfio);

/* ---- interrupts -------------------------------------------------------------------------- */

/** Kinds of interrupts; one at a time. */
enum pp_vfio_irq {
	PP_VFIO_INTX, /**< level: masked when it fires, until pp_vfio_irq_unmask */
	PP_VFIO_MSI,
	PP_VFIO_MSIX,
};

/** How many vectors of a kind the device has; 0: it doesn't know the kind. */
PP_API unsigned pp_vfio_irq_count(struct pp_vfio *vfio, enum pp_vfio_irq kind);

/**
 * Let interrupts signal eventfds: vector i adds 1 to eventfd[i].
 * @param eventfd  n descriptors of eventfd(2), the caller's, who closes them after
 *                 pp_vfio_irq_disable or close; -1: none for this vector.
 * @return 0; -EINVAL: no device or eventfd, or n is 0 or more than there are; -EBUSY: another kind is enabled;
 *         -ENOSPC: the kernel had fewer vectors; or what the kernel returned.
 */
PP_API int pp_vfio_irq_enable(struct pp_vfio *vfio, enum pp_vfio_irq kind, unsigned n,
			      const int *eventfd);
/** Off. Also when nothing was enabled. */
PP_API void pp_vfio_irq_disable(struct pp_vfio *vfio, enum pp_vfio_irq kind);
/**
 * After PP_VFIO_INTX has fired and the device's cause is cleared.
 * @return 0; -EINVAL: no device; or what the kernel returned.
 */
PP_API int pp_vfio_irq_unmask(struct pp_vfio *vfio);

/* ---- letting go --------------------------------------------------------------------------- */

/**
 * A descriptor that becomes readable when the kernel asks to have the device back: it is
 * being unplugged, or somebody unbinds vfio-pci. Poll it, don't read it. The answer is
 * pp_device_remove(dev, PP_REMOVAL_SURPRISE), pp_device_unregister and pp_vfio_close; the
 * kernel waits for the close. The library's; valid until close.
 * @return a descriptor; -EINVAL: no device; -EOPNOTSUPP: the kernel does not tell.
 */
PP_API int pp_vfio_request_fd(struct pp_vfio *vfio);
/** True once the kernel has asked. Never blocks. */
PP_API bool pp_vfio_requested(struct pp_vfio *vfio);

#ifdef __cplusplus
}
#endif
#endif
