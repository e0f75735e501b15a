/*
 * uapi.h - parts of the kernel's interface that Debian 12's headers, which are Linux 6.1's, lack:
 * iommufd, and VFIO's ioctls that belong to it. Numbers and layouts as documented in Linux 6.12
 * (userspace-api/iommufd.rst, driver-api/vfio.rst).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_VFIO_UAPI_H
#define IOMMU_VFIO_UAPI_H

#include <linux/ioctl.h>
#include <linux/vfio.h>
#include <stdint.h>

/* ---- /dev/iommu: each structure begins with its size ------------------------------------ */

#define IOMMUFD_IO(nr) _IO(';', (nr))

struct iommufd_destroy {
	uint32_t size, id;
};
#define IOMMUFD_DESTROY IOMMUFD_IO(0x80)

struct iommufd_ioas_alloc {
	uint32_t size, flags, out_ioas_id;
};
#define IOMMUFD_IOAS_ALLOC IOMMUFD_IO(0x81)

struct iommufd_iova_range {
	uint64_t start, last;
};
struct iommufd_iova_ranges {
	uint32_t size, ioas_id;
	uint32_t num_iovas; /* in: room; out: how many there are (then -EMSGSIZE) */
	uint32_t reserved;
	uint64_t allowed_iovas; /* pointer to iommufd_iova_range[] */
	uint64_t out_iova_alignment;
};
#define IOMMUFD_IOVA_RANGES IOMMUFD_IO(0x84)

struct iommufd_ioas_map {
	uint32_t size, flags, ioas_id, reserved;
	uint64_t user_va, length, iova;
};
#define IOMMUFD_MAP_FIXED_IOVA 1u
#define IOMMUFD_MAP_WRITEABLE 2u
#define IOMMUFD_MAP_READABLE 4u
#define IOMMUFD_IOAS_MAP IOMMUFD_IO(0x85)

struct iommufd_ioas_unmap {
	uint32_t size, ioas_id;
	uint64_t iova, length; /* length: also out, what was unmapped */
};
#define IOMMUFD_IOAS_UNMAP IOMMUFD_IO(0x86)

struct iommufd_hw_info {
	uint32_t size, flags, dev_id, data_len;
	uint64_t data_uptr;
	uint32_t out_data_type;
	uint8_t out_max_pasid_log2, reserved[3];
	uint64_t out_capabilities;
};
#define IOMMUFD_HW_INFO_VTD 1u
struct iommufd_hw_info_vtd {
	uint32_t flags, reserved;
	uint64_t cap_reg, ecap_reg; /* VT-d specification, 11.4.2 and 11.4.3 */
};
#define IOMMUFD_GET_HW_INFO IOMMUFD_IO(0x8a)

/* ---- VFIO's device file ---------------------------------------------------------------- */

#ifndef VFIO_DEVICE_BIND_IOMMUFD
struct vfio_device_bind_iommufd {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t out_devid;
};
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)

struct vfio_device_attach_iommufd_pt {
	uint32_t argsz, flags, pt_id;
};
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)

struct vfio_device_detach_iommufd_pt {
	uint32_t argsz, flags;
};
#define VFIO_DEVICE_DETACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 20)
#endif

#endif
