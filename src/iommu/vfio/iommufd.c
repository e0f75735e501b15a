/*
 * iommufd.c - the newer of the kernel's interfaces: an IOAS of /dev/iommu, to which a
 * device's own file is attached and from which it is detached (blocked).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "iommu/vfio/uapi.h"

static int iommufd_open(struct ioas *s, char *error)
{
	struct iommufd_ioas_alloc alloc = { .size = sizeof alloc };
	int ret;

	s->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return vfio_say_open(error, "/dev/iommu");
	if (ioctl(s->fd, IOMMUFD_IOAS_ALLOC, &alloc)) {
		ret = -errno;
		close(s->fd);
		return vfio_say(error, ret, "iommufd gives no IOVA space: %s", strerror(-ret));
	}
	s->id = alloc.out_ioas_id;
	return 0;
}

static void iommufd_close(struct ioas *s)
{
	close(s->fd); /* the IOAS, and what is mapped in it, goes with it */
}

static int iommufd_attach(struct pp_vfio *v)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof attach,
							.pt_id = v->ioas->id };

	return ioctl(v->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

/* The device's group goes to the kernel's blocking domain. Fails only if not attached. */
static void iommufd_detach(struct pp_vfio *v)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof detach };

	ioctl(v->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
}

static int iommufd_device_open(struct pp_vfio *v, char *error)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof bind, .iommufd = v->ioas->fd };
	char path[VFIO_PATH];
	int ret;

	if (!vfio_device_file(path, v))
		return vfio_say(error, -ENOENT,
				"%s has no file in /dev/vfio/devices: the kernel has no "
				"VFIO_DEVICE_CDEV",
				v->address);
	v->fd = open(path, O_RDWR | O_CLOEXEC);
	if (v->fd < 0)
		return vfio_say_open(error, path);
	if (!ioctl(v->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind)) {
		v->dev_id = bind.out_devid;
		return 0;
	}
	ret = -errno;
	close(v->fd);
	/* EINVAL: its file is open and bound; EPERM: so is a device of its group, elsewhere */
	if (ret == -EBUSY || ret == -EINVAL || ret == -EPERM)
		return vfio_say_busy(error, v);
	return vfio_say(error, ret, "%s can't be bound to iommufd: %s", v->address, strerror(-ret));
}

static void iommufd_device_close(struct pp_vfio *v)
{
	close(v->fd);
}

/* All ranges, ascending, in an array of the caller's to free; the device is attached. */
static int ask_ranges(struct pp_vfio *v, struct iommufd_iova_range **out,
		      struct iommufd_iova_ranges *ask)
{
	*ask = (struct iommufd_iova_ranges){ .size = sizeof *ask, .ioas_id = v->ioas->id };
	*out = NULL;
	if (!ioctl(v->ioas->fd, IOMMUFD_IOVA_RANGES, ask))
		return -ENOSPC; /* not one range */
	if (errno != EMSGSIZE)
		return -errno;
	*out = env_zalloc(ask->num_iovas * sizeof **out);
	if (!*out)
		return -ENOMEM;
	ask->allowed_iovas = (uintptr_t)*out;
	return ioctl(v->ioas->fd, IOMMUFD_IOVA_RANGES, ask) ? -errno : 0;
}

/* The larger leaves, where the kernel tells of the hardware: VT-d's second stage. */
static size_t large_pages(struct pp_vfio *v)
{
	struct iommufd_hw_info_vtd vtd = { 0 };
	struct iommufd_hw_info info = {
		.size = sizeof info,
		.dev_id = v->dev_id,
		.data_len = sizeof vtd,
		.data_uptr = (uintptr_t)&vtd,
	};

	if (ioctl(v->ioas->fd, IOMMUFD_GET_HW_INFO, &info) ||
	    info.out_data_type != IOMMUFD_HW_INFO_VTD)
		return 0;
	return (vtd.cap_reg >> 34 & 1) << 21 | (vtd.cap_reg >> 35 & 1) << 30; /* SLLPS */
}

static int iommufd_limits(struct pp_vfio *v, char *error)
{
	struct iommufd_iova_range *range;
	struct iommufd_iova_ranges ask;
	int ret = iommufd_attach(v); /* its reserved windows count only then */

	if (ret)
		return vfio_say(error, ret, "%s can't be given an IOVA space: %s", v->address,
				strerror(-ret));
	ret = ask_ranges(v, &range, &ask);
	iommufd_detach(v);
	v->iommu.page_sizes = ask.out_iova_alignment | large_pages(v);
	for (uint32_t i = 0; !ret && i < ask.num_iovas; i++)
		vfio_range_add(&v->iommu, range[i].start, range[i].last);
	env_free(range);
	if (ret)
		return vfio_say(error, ret, "the kernel does not report the IOVAs of %s: %s",
				v->address, strerror(-ret));
	return 0;
}

static int iommufd_map(struct ioas *s, pp_iova_t iova, void *addr, size_t len, unsigned prot)
{
	struct iommufd_ioas_map map = {
		.size = sizeof map,
		.flags = IOMMUFD_MAP_FIXED_IOVA | (prot & PP_PROT_READ ? IOMMUFD_MAP_READABLE : 0) |
			 (prot & PP_PROT_WRITE ? IOMMUFD_MAP_WRITEABLE : 0),
		.ioas_id = s->id,
		.user_va = (uintptr_t)addr,
		.length = len,
		.iova = iova,
	};

	return ioctl(s->fd, IOMMUFD_IOAS_MAP, &map) ? -errno : 0;
}

static size_t iommufd_unmap(struct ioas *s, pp_iova_t iova, size_t len)
{
	struct iommufd_ioas_unmap unmap = {
		.size = sizeof unmap, .ioas_id = s->id, .iova = iova, .length = len
	};

	return ioctl(s->fd, IOMMUFD_IOAS_UNMAP, &unmap) ? 0 : unmap.length;
}

const struct interface vfio_iommufd = {
	.api = PP_VFIO_IOMMUFD,
	.ioas_open = iommufd_open,
	.ioas_close = iommufd_close,
	.device_open = iommufd_device_open,
	.device_close = iommufd_device_close,
	.limits = iommufd_limits,
	.attach = iommufd_attach,
	.detach = iommufd_detach,
	.map = iommufd_map,
	.unmap = iommufd_unmap,
};
