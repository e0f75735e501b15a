/*
 * pci.c - a virtio device on PCI. See pci.h.
 *
 * Uses the public headers and libc.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pci.h"

#include <errno.h>
#include <string.h>

#include "mmio.h"

#define PCI_STATUS 0x06u
#define PCI_STATUS_CAPABILITIES 0x10u
#define PCI_CAPABILITIES 0x34u
#define CAPABILITIES 48u /* as many have room in 256 bytes; more: they go round in a circle */

/* ---- where it is ---------------------------------------------------------------------------- */

/* A field of configuration space; 0 if it can't be read, which none of those asked for may be. */
static uint32_t config(const struct virtio_pci *p, unsigned offset, unsigned width)
{
	uint32_t value;

	return pp_vfio_config_read(p->card->vfio, offset, width, &value) ? 0 : value;
}

/* The structure that a capability tells of, if it is where it can be reached, and whole. */
static volatile char *structure(const struct virtio_pci *p, unsigned cap, uint32_t least,
				uint32_t *bytes)
{
	unsigned bar = config(p, cap + VIRTIO_CAP_BAR, 1);
	uint32_t offset = config(p, cap + VIRTIO_CAP_OFFSET, 4);
	volatile void *mmio;
	size_t size;

	*bytes = config(p, cap + VIRTIO_CAP_LENGTH, 4);
	if (bar >= PP_VFIO_BARS || offset % 4 || *bytes < least ||
	    pp_vfio_bar(p->card->vfio, bar, &mmio, &size) || offset > size ||
	    *bytes > size - offset)
		return NULL;
	return (volatile char *)mmio + offset;
}

/* The first of each kind that can be used (4.1.4.1). */
static void look_at(struct virtio_pci *p, unsigned cap)
{
	uint32_t bytes;

	switch (config(p, cap + VIRTIO_CAP_TYPE, 1)) {
	case VIRTIO_CAP_COMMON:
		if (!p->common)
			p->common = structure(p, cap, VIRTIO_COMMON_BYTES, &bytes);
		break;
	case VIRTIO_CAP_DEVICE:
		if (!p->device)
			p->device = structure(p, cap, VIRTIO_NET_CONFIG_BYTES, &bytes);
		break;
	case VIRTIO_CAP_NOTIFY:
		if (p->notify)
			break;
		p->notify = structure(p, cap, 2, &p->notify_bytes);
		p->notify_multiplier = config(p, cap + VIRTIO_CAP_MULTIPLIER, 4);
		break;
	}
}

int pci_find(struct virtio_pci *p, struct card *card)
{
	unsigned cap;

	*p = (struct virtio_pci){ .card = card };
	cap = config(p, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES ? config(p, PCI_CAPABILITIES, 1) :
								   0;
	for (unsigned i = 0; i < CAPABILITIES && cap >= 0x40 && cap < 0xff; i++) {
		cap &= ~3u;
		if (config(p, cap, 1) == VIRTIO_CAP_VENDOR)
			look_at(p, cap);
		cap = config(p, cap + VIRTIO_CAP_NEXT, 1);
	}
	if (p->common && p->device && p->notify)
		return 0;
	return card_fail(card, -EOPNOTSUPP,
			 "it has no registers of virtio 1.0 that can be mapped (in QEMU, "
			 "disable-legacy=on)");
}

/* ---- registers ------------------------------------------------------------------------------ */

static uint32_t get(const struct virtio_pci *p, enum virtio_common reg, unsigned bits)
{
	return mmio_read(p->common + reg, bits);
}

static void set(const struct virtio_pci *p, enum virtio_common reg, unsigned bits, uint32_t value)
{
	mmio_write(p->common + reg, bits, value);
}

static void set64(const struct virtio_pci *p, enum virtio_common reg, uint64_t value)
{
	mmio_write(p->common + reg, 32, (uint32_t)value);
	mmio_write(p->common + reg + 4, 32, (uint32_t)(value >> 32));
}

/* All ones: the device has gone, as card_wait knows it. */
static uint32_t read_status(const volatile void *reg)
{
	uint32_t status = mmio_read(reg, 8);

	return status == 0xff ? CARD_GONE : status;
}

uint32_t pci_status(const struct virtio_pci *p)
{
	return read_status(p->common + VIRTIO_STATUS);
}

void pci_status_add(const struct virtio_pci *p, uint32_t bits)
{
	set(p, VIRTIO_STATUS, 8, get(p, VIRTIO_STATUS, 8) | bits);
}

uint32_t pci_config(const struct virtio_pci *p, enum virtio_net_config field)
{
	return mmio_read(p->device + field, 16);
}

uint32_t pci_queues(const struct virtio_pci *p)
{
	return get(p, VIRTIO_NUM_QUEUES, 16);
}

/* ---- reset, features ------------------------------------------------------------------------ */

/* Nothing is written to what isn't there. */
bool pci_off(const struct virtio_pci *p)
{
	p->card->gone |= pci_status(p) == CARD_GONE;
	if (!p->card->gone)
		set(p, VIRTIO_STATUS, 8, 0);
	return !p->card->gone;
}

/* The device may take its time, and is then in no use (4.1.4.3.2). */
int pci_reset(const struct virtio_pci *p)
{
	if (!pci_off(p))
		return card_fail(p->card, -ENODEV, "the device has gone");
	return card_wait(p->card, p->common + VIRTIO_STATUS, read_status, UINT32_MAX, 0,
			 "come out of its reset");
}

static uint64_t offered(const struct virtio_pci *p)
{
	uint64_t low;

	set(p, VIRTIO_DEVICE_FEATURE_SELECT, 32, 0);
	low = get(p, VIRTIO_DEVICE_FEATURE, 32);
	set(p, VIRTIO_DEVICE_FEATURE_SELECT, 32, 1);
	return low | (uint64_t)get(p, VIRTIO_DEVICE_FEATURE, 32) << 32;
}

/* The order of 3.1.1. */
int pci_agree(const struct virtio_pci *p, uint64_t wanted, uint64_t needed, uint64_t *features)
{
	pci_status_add(p, VIRTIO_ACKNOWLEDGE);
	pci_status_add(p, VIRTIO_DRIVER);
	*features = offered(p) & wanted;
	if (needed & ~*features & VIRTIO_F_VERSION_1)
		return card_fail(p->card, -EOPNOTSUPP, "it is no device of virtio 1.0 or newer");
	if (needed & ~*features)
		return card_fail(p->card, -EOPNOTSUPP,
				 "its DMA doesn't go through the IOMMU: "
				 "VIRTIO_F_ACCESS_PLATFORM is not offered (in QEMU, "
				 "iommu_platform=on)");
	if (!(*features & VIRTIO_NET_F_CTRL_VQ)) /* what depends on it (5.1.3.1) */
		*features &= ~(VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_MQ);
	set(p, VIRTIO_DRIVER_FEATURE_SELECT, 32, 0);
	set(p, VIRTIO_DRIVER_FEATURE, 32, (uint32_t)*features);
	set(p, VIRTIO_DRIVER_FEATURE_SELECT, 32, 1);
	set(p, VIRTIO_DRIVER_FEATURE, 32, (uint32_t)(*features >> 32));
	pci_status_add(p, VIRTIO_FEATURES_OK);
	if (!(get(p, VIRTIO_STATUS, 8) & VIRTIO_FEATURES_OK))
		return card_fail(p->card, -EOPNOTSUPP,
				 "it doesn't accept the features %#llx, which it offers",
				 (unsigned long long)*features);
	return 0;
}

/* ---- queues --------------------------------------------------------------------------------- */

int pci_queue_size(const struct virtio_pci *p, unsigned queue, unsigned least)
{
	uint32_t size;

	set(p, VIRTIO_QUEUE_SELECT, 16, queue);
	size = get(p, VIRTIO_QUEUE_SIZE, 16);
	if (size < least || (size & (size - 1)))
		return card_fail(p->card, -EPROTO,
				 "its queue %u has %u descriptors, no power of two from %u up",
				 queue, size, least);
	return (int)(size < RING_MOST ? size : RING_MOST);
}

/* Where the device is told of a queue's chains (4.1.4.4). */
static int find_notify(const struct virtio_pci *p, unsigned queue, struct ring *r)
{
	uint64_t at = (uint64_t)get(p, VIRTIO_QUEUE_NOTIFY_OFF, 16) * p->notify_multiplier;

	if (at % 2 || at + 2 > p->notify_bytes)
		return card_fail(
			p->card, -EPROTO,
			"the doorbell of its queue %u is at offset %llu, of %u bytes of registers",
			queue, (unsigned long long)at, p->notify_bytes);
	r->notify = p->notify + at;
	r->index = queue;
	return 0;
}

static int take_vector(const struct virtio_pci *p, enum virtio_common reg, unsigned vector)
{
	set(p, reg, 16, vector);
	if (get(p, reg, 16) != vector)
		return card_fail(p->card, -ENOSPC, "it has no room for the interrupt %u", vector);
	return 0;
}

int pci_queue_start(const struct virtio_pci *p, unsigned queue, struct ring *r, unsigned vector)
{
	int ret;

	set(p, VIRTIO_QUEUE_SELECT, 16, queue);
	ret = find_notify(p, queue, r);
	if (!ret)
		ret = take_vector(p, VIRTIO_QUEUE_VECTOR, vector);
	if (ret)
		return ret;
	set(p, VIRTIO_QUEUE_SIZE, 16, r->size);
	set64(p, VIRTIO_QUEUE_DESC, r->desc_iova);
	set64(p, VIRTIO_QUEUE_DRIVER, r->avail_iova);
	set64(p, VIRTIO_QUEUE_DEVICE, r->used_iova);
	set(p, VIRTIO_QUEUE_ENABLE, 16, 1);
	return 0;
}

int pci_config_vector(const struct virtio_pci *p, unsigned vector)
{
	return take_vector(p, VIRTIO_CONFIG_VECTOR, vector);
}
