/*
 * vfio.h - real PCI devices: a back end on the kernel's IOMMU. Whatever else a driver needs from
 * its device (registers, interrupts, reset) is in pci.h.
 *
 * The device must be bound to vfio-pci (`pagepool bind`; `pagepool doctor` checks the
 * prerequisites). iommufd and the device's file in /dev/vfio/devices are used where the kernel has
 * them, else a type 1 container and group; a program sees no difference.
 *
 *	char error[PP_VFIO_ERROR];
 *	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
 *
 *	p.address = "0000:00:03.0";
 *	ret = pp_vfio_open(&vfio, &p, error);        on failure print error, else:
 *	device.iommu = pp_vfio_iommu(vfio);
 *	device.resource = vfio;                      for the driver: pp_device_resource
 *	ret = pp_device_register(&dev, &device);
 *	...
 *	pp_device_unregister(dev);                   first
 *	pp_vfio_close(vfio);                         then
 *
 * On Intel IOMMUs, Linux lets the device also read what is mapped for it to write
 * (PP_DMA_FROM_DEVICE). Of memory that isn't the library's, the physical pages that it has at the
 * time of the call are mapped: a child of fork gets a copy. The device stays the parent's: in a
 * child every call for it fails (-ENODEV, 0 or false), and pp_vfio_close closes only the child's
 * file descriptors.
 *
 * Sources: Documentation/driver-api/vfio.rst, userspace-api/iommufd.rst, linux/vfio.h and
 * linux/iommufd.h of Linux 6.12.
 *
 * Thread rule: any thread unless stated otherwise; the caller orders open and close against all
 * other calls.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_VFIO_H
#define PAGEPOOL_VFIO_H

#include <pagepool/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open PCI device. */
struct pp_vfio;

/** The kernel interface to use. */
enum pp_vfio_api {
	PP_VFIO_ANY,       /**< iommufd if available, else type 1 */
	PP_VFIO_IOMMUFD,   /**< /dev/iommu and /dev/vfio/devices/vfioN, Linux 6.6 and up */
	PP_VFIO_CONTAINER, /**< /dev/vfio/vfio and /dev/vfio/GROUP: type 1 */
};

struct pp_vfio_params {
	size_t size; /**< of this structure; see PP_PARAMS */
	/** The PCI address: "0000:00:03.0", or "00:03.0" in domain 0. Required. */
	const char *address;
	enum pp_vfio_api api;
	/**
	 * NULL: the device gets an IOVA space of its own. Otherwise it shares that of this open
	 * device; devices of one IOMMU group must share. Memory mapped for one is reachable by all
	 * sharers that aren't blocked, until the last one has unmapped it. A sharer is blocked when
	 * its unbind returns, unless another device of its IOMMU group isn't: the IOMMU can't tell
	 * the two apart, and the sharers' mappings stay within its reach. The same goes for the
	 * container interface, which can't block one device of several. The sharers use only IOVAs
	 * that all of them can; a device that can use fewer than a registered sharer is refused.
	 */
	struct pp_vfio *share;
};

/** Size of a full PCI address, including the terminating NUL. */
#define PP_VFIO_ADDRESS 16

/**
 * Parse a PCI address, "0000:00:03.0" or "00:03.0", and write its full form in lower case.
 * @return false if it isn't one.
 */
PP_API bool pp_vfio_parse_address(char full[PP_VFIO_ADDRESS], const char *text);

/** Size of an error message, which says what is wrong and how to fix it. */
#define PP_VFIO_ERROR 400

/**
 * Open a device, give it an IOVA space and query the kernel's limits. The device is left blocked
 * (nothing translates), and the kernel resets it if it can.
 * @param error  NULL, or PP_VFIO_ERROR bytes for a message on failure.
 * @return 0; -EINVAL: no such address, or `share` and `api` contradict each other;
 *         -E2BIG: see PP_PARAMS; -ENODEV: no such device, or no IOMMU translates for it;
 *         -ENXIO: not bound to vfio-pci; -ENOENT: the kernel lacks VFIO, or the interface
 *         asked for; -EACCES, -EPERM: no permission; -EBUSY: it, or its group, is in use
 *         (another member is bound to a kernel driver); -ERANGE: it can use fewer IOVAs than a
 *         registered device that it is to share with: open both before registering either;
 *         -EOPNOTSUPP: the two have none in common; -ENOMEM, -ENOSPC: a limit, which the
 *         message names; -EMFILE; or an error of the kernel.
 */
PP_API int pp_vfio_open(struct pp_vfio **out, const struct pp_vfio_params *params, char *error);

/**
 * Close it: disable interrupts, unmap the registers, disable bus mastering. The kernel may be
 * waiting for this (see pp_vfio_request_fd). NULL is allowed.
 * pre: the device that was registered with its back end is unregistered.
 */
PP_API void pp_vfio_close(struct pp_vfio *vfio);

/**
 * The device's back end, for pp_device_params.iommu. One device may be registered with it;
 * pp_device_unregister destroys it, or pp_vfio_close if none was. Never NULL.
 */
PP_API struct pp_iommu *pp_vfio_iommu(struct pp_vfio *vfio);

/** The full address, "0000:00:03.0". Valid until close. */
PP_API const char *pp_vfio_address(const struct pp_vfio *vfio);
/** The interface in use: never PP_VFIO_ANY. */
PP_API enum pp_vfio_api pp_vfio_api(const struct pp_vfio *vfio);

/**
 * The last error of this device as a message, which names the limit that was hit and how to raise
 * it; "" if there was none. For failed maps, of which pp_dma_map, pp_pool_create and pp_page_get
 * return only the errno. Call it on the thread that made the failed call; valid until the next.
 */
PP_API const char *pp_vfio_error(const struct pp_vfio *vfio);

/**
 * How much memory the process may have mapped for its devices at a time: mapped memory is locked,
 * which the kernel limits.
 * @return bytes (RLIMIT_MEMLOCK, getrlimit(2)); UINT64_MAX: there is no limit, or it doesn't apply
 *         because the process has CAP_IPC_LOCK (capabilities(7)).
 */
PP_API uint64_t pp_vfio_locked_limit(void);

#ifdef __cplusplus
}
#endif
#endif
