/*
 * type1.c - the older of the kernel's interfaces: a container of IOMMU groups. A group
 * can't leave its container while a device of it is open, so there is no blocking here:
 * a space in which nothing is mapped translates nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "iommu/vfio/uapi.h"

static int type1_open(struct ioas *s, char *error)
{
	s->fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return vfio_say_open(error, "/dev/vfio/vfio");
	if (ioctl(s->fd, VFIO_GET_API_VERSION) == VFIO_API_VERSION &&
	    ioctl(s->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) > 0)
		return 0;
	close(s->fd);
	return vfio_say(error, -ENOENT, "VFIO here has no type 1 IOMMU: modprobe vfio_iommu_type1");
}

static void type1_close(struct ioas *s)
{
	close(s->fd);
}

/* ---- groups ------------------------------------------------------------------------------ */

/* Open a group and put it into the container, which the first one makes an IOMMU's. */
static int group_open(struct ioas *s, struct pp_vfio *v, struct group *g, char *error)
{
	struct vfio_group_status status = { .argsz = sizeof status };
	char path[VFIO_PATH];
	int ret;

	snprintf(path, sizeof path, "/dev/vfio/%d", v->group);
	g->fd = open(path, O_RDWR | O_CLOEXEC);
	if (g->fd < 0)
		return errno == EBUSY ? vfio_say_busy(error, v) : vfio_say_open(error, path);
	if (ioctl(g->fd, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		ret = vfio_say_busy(error, v);
	} else if (ioctl(g->fd, VFIO_GROUP_SET_CONTAINER, &s->fd)) {
		ret = errno == EBUSY ?
			      vfio_say_busy(error, v) :
			      vfio_say(error, -errno, "group %d can't join the container: %s",
				       v->group, strerror(errno));
	} else if (s->refs == 1 && ioctl(s->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		ret = vfio_say(error, -errno, "the container takes no type 1 IOMMU: %s",
			       strerror(errno));
	} else {
		g->number = v->group;
		return 0;
	}
	close(g->fd); /* leaves the container too */
	return ret;
}

/* The group's entry, opened if need be; NULL: said what is wrong, *ret. Ioas' lock held. */
static struct group *group_get(struct ioas *s, struct pp_vfio *v, int *ret, char *error)
{
	struct group *unused = NULL;

	for (struct group *g = s->group; g < s->group + IOAS_GROUPS; g++) {
		if (g->devices && g->number == v->group)
			return g;
		if (!g->devices)
			unused = g;
	}
	*ret = unused ? group_open(s, v, unused, error) :
			vfio_say(error, -ENOSPC, "%d groups share a space already", IOAS_GROUPS);
	return *ret ? NULL : unused;
}

static void group_put(struct group *g)
{
	if (!g->devices)
		close(g->fd);
}

/* The kernel would open one twice for the same group's file. */
static bool is_open(const struct group *g, const struct pp_vfio *v)
{
	for (const struct pp_vfio *p = g->devices; p; p = p->neighbour)
		if (!strcmp(p->address, v->address))
			return true;
	return false;
}

static int type1_device_open(struct pp_vfio *v, char *error)
{
	struct ioas *s = v->ioas;
	struct group *g;
	int ret = 0;

	env_lock(&s->lock);
	g = group_get(s, v, &ret, error);
	if (g && is_open(g, v)) {
		ret = vfio_say_busy(error, v);
	} else if (g) {
		v->fd = ioctl(g->fd, VFIO_GROUP_GET_DEVICE_FD, v->address);
		if (v->fd < 0) {
			ret = vfio_say(error, -errno, "VFIO doesn't open %s: %s", v->address,
				       strerror(errno));
			group_put(g);
		} else {
			fcntl(v->fd, F_SETFD, FD_CLOEXEC);
			v->neighbour = g->devices;
			g->devices = v;
		}
	}
	env_unlock(&s->lock);
	return ret;
}

static void type1_device_close(struct pp_vfio *v)
{
	struct ioas *s = v->ioas;

	close(v->fd);
	env_lock(&s->lock);
	for (struct group *g = s->group; g < s->group + IOAS_GROUPS; g++) {
		struct pp_vfio **p = &g->devices;

		if (!*p || g->number != v->group)
			continue;
		while (*p != v)
			p = &(*p)->neighbour;
		*p = v->neighbour;
		group_put(g);
	}
	env_unlock(&s->lock);
}

/* ---- limits ------------------------------------------------------------------------------ */

/* The kernel's answer, with its capabilities behind it; the caller frees it. */
static int ask_info(struct ioas *s, struct vfio_iommu_type1_info **out)
{
	struct vfio_iommu_type1_info *info, small = { .argsz = sizeof small };

	*out = NULL;
	if (ioctl(s->fd, VFIO_IOMMU_GET_INFO, &small))
		return -errno;
	info = env_zalloc(small.argsz);
	if (!info)
		return -ENOMEM;
	info->argsz = small.argsz;
	if (ioctl(s->fd, VFIO_IOMMU_GET_INFO, info)) {
		int ret = -errno;

		env_free(info);
		return ret;
	}
	*out = info;
	return 0;
}

static void *capability(struct vfio_iommu_type1_info *info, uint16_t id)
{
	uint32_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

	while (at) {
		struct vfio_info_cap_header *cap = (void *)((char *)info + at);

		if (cap->id == id)
			return cap;
		at = cap->next;
	}
	return NULL;
}

static int type1_limits(struct pp_vfio *v, char *error)
{
	struct vfio_iommu_type1_info_cap_iova_range *ranges;
	struct vfio_iommu_type1_info *info;
	int ret = ask_info(v->ioas, &info);

	if (ret)
		return vfio_say(error, ret, "the container does not report its limits: %s",
				strerror(-ret));
	ranges = capability(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	v->iommu.page_sizes = info->flags & VFIO_IOMMU_INFO_PGSIZES ? info->iova_pgsizes : 0;
	for (uint32_t i = 0; ranges && i < ranges->nr_iovas; i++)
		vfio_range_add(&v->iommu, ranges->iova_ranges[i].start, ranges->iova_ranges[i].end);
	env_free(info);
	if (!v->iommu.n_ranges)
		return vfio_say(error, -EOPNOTSUPP,
				"the kernel does not report which IOVAs %s can use; "
				"Linux 5.4 and later do",
				v->address);
	return 0;
}

/* ---- mappings ---------------------------------------------------------------------------- */

static int type1_attach(struct pp_vfio *v)
{
	(void)v;
	return 0;
}

static void type1_detach(struct pp_vfio *v)
{
	(void)v;
}

static int type1_map(struct ioas *s, pp_iova_t iova, void *addr, size_t len, unsigned prot)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof map,
		.flags = (prot & PP_PROT_READ ? VFIO_DMA_MAP_FLAG_READ : 0u) |
			 (prot & PP_PROT_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0u),
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = len,
	};

	return ioctl(s->fd, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static size_t type1_unmap(struct ioas *s, pp_iova_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof unmap,
						    .iova = iova,
						    .size = len };

	return ioctl(s->fd, VFIO_IOMMU_UNMAP_DMA, &unmap) ? 0 : unmap.size;
}

const struct interface vfio_type1 = {
	.api = PP_VFIO_CONTAINER,
	.ioas_open = type1_open,
	.ioas_close = type1_close,
	.device_open = type1_device_open,
	.device_close = type1_device_close,
	.limits = type1_limits,
	.attach = type1_attach,
	.detach = type1_detach,
	.map = type1_map,
	.unmap = type1_unmap,
};
