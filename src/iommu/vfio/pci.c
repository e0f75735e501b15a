/*
 * pci.c - what a driver needs from a VFIO device besides DMA: registers, configuration space,
 * interrupts, reset, device-release requests.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "env/debug.h"
#include "iommu/vfio/uapi.h"

_Static_assert(sizeof(off_t) == 8,
	       "regions lie at multiples of 2^40: build with _FILE_OFFSET_BITS=64");

static const uint32_t irq_index[] = {
	[PP_VFIO_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
	[PP_VFIO_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
	[PP_VFIO_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX,
};

/* What the device's file answers, or a negative errno. No cancellation point. */
static int ask(struct pp_vfio *v, unsigned long request, void *arg)
{
	int ret;

	if (vfio_is_parents(v))
		return -ENODEV;
	env_cancel_off();
	ret = ioctl(v->fd, request, arg);
	ret = ret < 0 ? -errno : ret;
	env_cancel_on();
	return ret;
}

static int region_info(struct pp_vfio *v, uint32_t index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){ .argsz = sizeof *info, .index = index };
	return ask(v, VFIO_DEVICE_GET_REGION_INFO, info);
}

/* ---- registers ------------------------------------------------------------------------- */

static int bar_map(struct pp_vfio *v, unsigned i)
{
	struct vfio_region_info info;
	int ret = region_info(v, VFIO_PCI_BAR0_REGION_INDEX + i, &info);
	uint32_t low = 0;
	void *p;

	if (ret)
		return ret;
	ret = pp_vfio_config_read(v, PCI_BASE_ADDRESS_0 + 4 * i, 4, &low);
	if (ret)
		return ret;
	if (!info.size || (low & PCI_BASE_ADDRESS_SPACE_IO))
		return -ENOENT;
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return -EOPNOTSUPP;
	p = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, (off_t)info.offset);
	if (p == MAP_FAILED)
		return -errno;
	v->bar[i] = (struct bar){ p, info.size };
	return 0;
}

int pp_vfio_bar(struct pp_vfio *vfio, unsigned bar, volatile void **mmio, size_t *size)
{
	int ret = 0;

	if (mmio)
		*mmio = NULL;
	if (!vfio || !mmio || bar >= PP_VFIO_BARS)
		return debug_invalid(
			"pp_vfio_bar: there is no device, nowhere to store the address, or bar, "
			"which is %u, is above 5",
			bar);
	env_lock(&vfio->lock);
	if (!vfio->bar[bar].addr)
		ret = bar_map(vfio, bar);
	*mmio = vfio->bar[bar].addr;
	if (size)
		*size = vfio->bar[bar].size;
	env_unlock(&vfio->lock);
	return ret;
}

/* ---- configuration space ------------------------------------------------------------------ */

static bool config_place_valid(unsigned offset, unsigned width)
{
	return (width == 1 || width == 2 || width == 4) && offset % width == 0 && offset < 4096;
}

static int config_invalid(const char *call, bool there, unsigned offset, unsigned width)
{
	if (!there)
		return debug_invalid("%s: there is no device, or nowhere to store the value", call);
	return debug_invalid(
		"%s: width is %u and offset %u: width must be 1, 2 or 4, offset a multiple "
		"of it below 4096",
		call, width, offset);
}

/* How a transfer of width bytes ended. */
static int config_result(ssize_t n, unsigned width)
{
	return n == (ssize_t)width ? 0 : n < 0 ? -errno : -EIO;
}

int pp_vfio_config_read(struct pp_vfio *vfio, unsigned offset, unsigned width, uint32_t *value)
{
	uint8_t byte[4] = { 0 };
	int ret;

	if (value)
		*value = UINT32_MAX;
	if (!vfio || !value || !config_place_valid(offset, width))
		return config_invalid("pp_vfio_config_read", vfio && value, offset, width);
	if (vfio_is_parents(vfio))
		return -ENODEV;
	env_cancel_off();
	ret = config_result(pread(vfio->fd, byte, width, (off_t)(vfio->config + offset)), width);
	env_cancel_on();
	if (!ret)
		*value = byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 |
			 (uint32_t)byte[3] << 24;
	return ret;
}

int pp_vfio_config_write(struct pp_vfio *vfio, unsigned offset, unsigned width, uint32_t value)
{
	uint8_t byte[4] = { value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24 };
	int ret;

	if (!vfio || !config_place_valid(offset, width))
		return config_invalid("pp_vfio_config_write", vfio, offset, width);
	if (vfio_is_parents(vfio))
		return -ENODEV;
	env_cancel_off();
	ret = config_result(pwrite(vfio->fd, byte, width, (off_t)(vfio->config + offset)), width);
	env_cancel_on();
	return ret;
}

int pp_vfio_bus_master(struct pp_vfio *vfio, bool on)
{
	uint32_t command;
	int ret;

	if (!vfio)
		return debug_invalid("pp_vfio_bus_master: there is no device");
	env_lock(&vfio->lock);
	ret = pp_vfio_config_read(vfio, PCI_COMMAND, 2, &command);
	if (!ret) {
		command |= PCI_COMMAND_MEMORY;
		command =
			on ? command | PCI_COMMAND_MASTER : command & ~(uint32_t)PCI_COMMAND_MASTER;
		ret = pp_vfio_config_write(vfio, PCI_COMMAND, 2, command);
	}
	env_unlock(&vfio->lock);
	return ret;
}

int pp_vfio_reset(struct pp_vfio *vfio)
{
	int ret;

	if (!vfio)
		return debug_invalid("pp_vfio_reset: there is no device");
	if (!(vfio->flags & VFIO_DEVICE_FLAGS_RESET))
		return -EOPNOTSUPP;
	ret = pp_vfio_bus_master(vfio, false); /* the kernel restores the command as it was */
	if (ret)
		return ret;
	return ask(vfio, VFIO_DEVICE_RESET, NULL);
}

/* ---- interrupts --------------------------------------------------------------------------- */

#define IRQ_VECTORS 2048u /* MSI-X has no more */

static int set_irqs(struct pp_vfio *v, uint32_t index, uint32_t flags, unsigned n, const int *fd)
{
	size_t bytes = fd ? n * sizeof *fd : 0;
	struct vfio_irq_set *set = env_zalloc(sizeof *set + bytes);
	int ret;

	if (!set)
		return -ENOMEM;
	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof *set + bytes),
		.flags = flags,
		.index = index,
		.count = n,
	};
	if (fd)
		memcpy(set->data, fd, bytes);
	ret = ask(v, VFIO_DEVICE_SET_IRQS, set);
	env_free(set);
	return ret > 0 ? -ENOSPC : ret; /* positive: so many vectors could have been had */
}

unsigned pp_vfio_irq_count(struct pp_vfio *vfio, enum pp_vfio_irq kind)
{
	struct vfio_irq_info info = { .argsz = sizeof info };

	if (!vfio || (unsigned)kind > PP_VFIO_MSIX)
		return 0;
	info.index = irq_index[kind];
	return ask(vfio, VFIO_DEVICE_GET_IRQ_INFO, &info) ? 0 : info.count;
}

int pp_vfio_irq_enable(struct pp_vfio *vfio, enum pp_vfio_irq kind, unsigned n, const int *eventfd)
{
	unsigned count = pp_vfio_irq_count(vfio, kind);
	int ret;

	if (!vfio || !n || n > count || n > IRQ_VECTORS || !eventfd)
		return debug_invalid(
			"pp_vfio_irq_enable: there is no device or no list of descriptors, or "
			"n, which is %u, isn't 1 to %u, what the device has of kind %d",
			n, count, (int)kind);
	env_lock(&vfio->lock);
	if (vfio->irq >= 0 && vfio->irq != (int)kind) {
		ret = -EBUSY;
	} else {
		ret = set_irqs(vfio, irq_index[kind],
			       VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, n, eventfd);
		if (!ret)
			vfio->irq = (int)kind;
	}
	env_unlock(&vfio->lock);
	return ret;
}

void pp_vfio_irq_disable(struct pp_vfio *vfio, enum pp_vfio_irq kind)
{
	if (!vfio)
		return;
	env_lock(&vfio->lock);
	if (vfio->irq == (int)kind) {
		set_irqs(vfio, irq_index[kind],
			 VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, NULL);
		vfio->irq = -1;
	}
	env_unlock(&vfio->lock);
}

int pp_vfio_irq_unmask(struct pp_vfio *vfio)
{
	if (!vfio)
		return debug_invalid("pp_vfio_irq_unmask: there is no device");
	return set_irqs(vfio, VFIO_PCI_INTX_IRQ_INDEX,
			VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 1, NULL);
}

/* ---- letting go ---------------------------------------------------------------------------- */

int pp_vfio_request_fd(struct pp_vfio *vfio)
{
	return vfio ? vfio->request_fd : debug_invalid("pp_vfio_request_fd: there is no device");
}

bool pp_vfio_requested(struct pp_vfio *vfio)
{
	struct pollfd p = { .fd = vfio ? vfio->request_fd : -1, .events = POLLIN };
	bool requested;

	env_cancel_off();
	requested =
		p.fd >= 0 && !vfio_is_parents(vfio) && poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
	env_cancel_on();
	return requested;
}

/* A kernel that doesn't know the request just doesn't tell. */
static void request_open(struct pp_vfio *v)
{
	v->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->request_fd >= 0 &&
	    set_irqs(v, VFIO_PCI_REQ_IRQ_INDEX,
		     VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, &v->request_fd)) {
		close(v->request_fd);
		v->request_fd = -EOPNOTSUPP;
	}
}

/* ---- open, close ---------------------------------------------------------------------------- */

int vfio_pci_open(struct pp_vfio *v, char *error)
{
	struct vfio_device_info info = { .argsz = sizeof info };
	struct vfio_region_info config;
	int ret = ask(v, VFIO_DEVICE_GET_INFO, &info);

	if (!ret && !(info.flags & VFIO_DEVICE_FLAGS_PCI))
		ret = -ENODEV;
	if (!ret)
		ret = region_info(v, VFIO_PCI_CONFIG_REGION_INDEX, &config);
	if (ret)
		return vfio_say(error, ret, "VFIO doesn't show %s as a PCI device: %s", v->address,
				strerror(-ret));
	v->flags = info.flags;
	v->config = config.offset;
	v->irq = -1;
	ret = pp_vfio_bus_master(v, false);
	if (ret)
		return vfio_say(error, ret, "%s doesn't answer: %s", v->address, strerror(-ret));
	request_open(v);
	return 0;
}

void vfio_pci_close(struct pp_vfio *v)
{
	pp_vfio_bus_master(v, false); /* fails for one that has gone: as well */
	if (v->irq >= 0)
		pp_vfio_irq_disable(v, (enum pp_vfio_irq)v->irq);
	for (unsigned i = 0; i < PP_VFIO_BARS; i++)
		if (v->bar[i].addr)
			munmap(v->bar[i].addr, v->bar[i].size);
	if (v->request_fd >= 0)
		close(v->request_fd);
}
