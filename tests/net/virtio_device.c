/*
 * virtio_device.c - an emulated virtio network device for tests. See virtio_device.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "virtio_device.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct pp_vfio hw;

#include "vfio_wraps.h"

/* ---- VFIO ----------------------------------------------------------------------------------- */

WRAPS(int, pp_vfio_bar, struct pp_vfio *v, unsigned bar, volatile void **mmio, size_t *size)
{
	*mmio = bar == PLAYED_BAR ? v->bar : NULL;
	*size = sizeof v->bar;
	return bar == PLAYED_BAR ? 0 : -ENOENT;
}

WRAPS(int, pp_vfio_config_read, struct pp_vfio *v, unsigned offset, unsigned width, uint32_t *value)
{
	*value = 0;
	if (v->gone)
		return -ENODEV;
	if (offset % width || offset + width > sizeof v->config)
		return -EINVAL;
	for (unsigned i = 0; i < width; i++)
		*value |= (uint32_t)v->config[offset + i] << 8 * i;
	return 0;
}

WRAPS(unsigned, pp_vfio_irq_count, struct pp_vfio *v, enum pp_vfio_irq kind)
{
	return kind == PP_VFIO_MSIX ? v->vectors : 0;
}

WRAPS(int, pp_vfio_irq_enable, struct pp_vfio *v, enum pp_vfio_irq kind, unsigned n, const int *fd)
{
	for (unsigned i = 0; i < n && i < PLAYED_QUEUES; i++)
		v->irq_fd[i] = fd[i];
	return kind == PP_VFIO_MSIX && n <= v->vectors ? 0 : -EINVAL;
}

WRAPS(void, pp_vfio_irq_disable, struct pp_vfio *v, enum pp_vfio_irq kind)
{
	(void)kind;
	for (unsigned i = 0; i < PLAYED_QUEUES; i++)
		v->irq_fd[i] = -1;
}

WRAPS(int, nanosleep, const struct timespec *how_long, struct timespec *left)
{
	(void)how_long, (void)left;
	hw.sleeps++;
	return 0;
}

/* ---- registers ------------------------------------------------------------------------------ */

static uint32_t read_queue(const struct played_queue *q, uint32_t offset)
{
	switch (offset) {
	case VIRTIO_QUEUE_SIZE: return q->enabled ? q->size : q->most;
	case VIRTIO_QUEUE_VECTOR: return q->vector;
	case VIRTIO_QUEUE_ENABLE: return q->enabled;
	case VIRTIO_QUEUE_NOTIFY_OFF: return q->notify_off;
	}
	return 0;
}

static uint32_t read_common(uint32_t offset)
{
	static const struct played_queue none;

	switch (offset) {
	case VIRTIO_DEVICE_FEATURE:
		return hw.offer_select < 2 ? (uint32_t)(hw.offers >> 32 * hw.offer_select) : 0;
	case VIRTIO_CONFIG_VECTOR: return hw.config_vector;
	case VIRTIO_NUM_QUEUES: return hw.n_queues;
	case VIRTIO_STATUS: return hw.status;
	}
	return read_queue(hw.select < PLAYED_QUEUES ? &hw.queue[hw.select] : &none, offset);
}

uint32_t __wrap_mmio_read(const volatile void *reg, unsigned bits);
uint32_t __wrap_mmio_read(const volatile void *reg, unsigned bits)
{
	uint32_t offset = (uint32_t)((const volatile uint8_t *)reg - hw.bar);

	if (hw.gone)
		return UINT32_MAX >> (32 - bits);
	if (offset < VIRTIO_COMMON_BYTES)
		return read_common(offset);
	switch (offset - PLAYED_NET) {
	case VIRTIO_NET_STATUS: return hw.link;
	case VIRTIO_NET_PAIRS: return hw.pairs;
	case VIRTIO_NET_MTU: return hw.mtu;
	}
	return 0;
}

static void half(uint64_t *word, uint32_t offset, uint32_t value)
{
	unsigned shift = offset & 4 ? 32 : 0;

	*word = (*word & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value << shift;
}

static void write_queue(struct played_queue *q, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_QUEUE_SIZE: q->size = (uint16_t)value; break;
	case VIRTIO_QUEUE_VECTOR:
		q->vector = hw.no_vector ? VIRTIO_NO_VECTOR : (uint16_t)value;
		break;
	case VIRTIO_QUEUE_ENABLE: q->enabled = (uint16_t)value; break;
	case VIRTIO_QUEUE_DESC:
	case VIRTIO_QUEUE_DESC + 4: half(&q->desc, offset, value); break;
	case VIRTIO_QUEUE_DRIVER:
	case VIRTIO_QUEUE_DRIVER + 4: half(&q->driver, offset, value); break;
	case VIRTIO_QUEUE_DEVICE:
	case VIRTIO_QUEUE_DEVICE + 4: half(&q->device, offset, value); break;
	}
}

static void reset(void)
{
	hw.status = 0;
	hw.agreed = 0;
	hw.pairs_used = 1;
	for (unsigned i = 0; i < PLAYED_QUEUES; i++) {
		uint16_t most = hw.queue[i].most, off = hw.queue[i].notify_off;

		hw.queue[i] = (struct played_queue){ .most = most, .notify_off = off };
	}
}

static void write_status(uint32_t value)
{
	if (!value && !hw.never_resets)
		reset();
	else if (value)
		hw.status = hw.refuses ? value & ~VIRTIO_FEATURES_OK : value;
}

/* A command: what it says is kept, and it is answered (5.1.6.5). */
static void obey(void)
{
	int id = played_next(PLAYED_CONTROL);
	struct virtio_desc d, answer;
	uint8_t bytes[4] = { 0 }, ok = VIRTIO_NET_CTRL_OK;

	if (id < 0 || hw.silent)
		return;
	d = played_desc(PLAYED_CONTROL, (unsigned)id);
	answer = played_desc(PLAYED_CONTROL, d.next);
	if (d.len > sizeof bytes || pp_soft_read(hw.iommu, d.addr, bytes, d.len))
		return;
	if (bytes[0] == VIRTIO_NET_CTRL_PAIRS >> 8)
		hw.pairs_used = (uint16_t)(bytes[2] | bytes[3] << 8);
	else if (bytes[1] == VIRTIO_NET_CTRL_PROMISC)
		hw.promiscuous = bytes[2];
	else
		hw.all_multicast = bytes[2];
	pp_soft_write(hw.iommu, answer.addr, &ok, sizeof ok);
	played_used(PLAYED_CONTROL, (uint32_t)id, sizeof ok);
}

static void write_common(uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_DEVICE_FEATURE_SELECT: hw.offer_select = value; break;
	case VIRTIO_DRIVER_FEATURE_SELECT: hw.agree_select = value; break;
	case VIRTIO_DRIVER_FEATURE: half(&hw.agreed, hw.agree_select ? 4 : 0, value); break;
	case VIRTIO_CONFIG_VECTOR: hw.config_vector = (uint16_t)value; break;
	case VIRTIO_STATUS: write_status(value); break;
	case VIRTIO_QUEUE_SELECT: hw.select = (uint16_t)value; break;
	default:
		if (hw.select < PLAYED_QUEUES)
			write_queue(&hw.queue[hw.select], offset, value);
	}
}

void __wrap_mmio_write(volatile void *reg, unsigned bits, uint32_t value);
void __wrap_mmio_write(volatile void *reg, unsigned bits, uint32_t value)
{
	uint32_t offset = (uint32_t)((volatile uint8_t *)reg - hw.bar);

	(void)bits;
	if (hw.gone)
		memset(hw.bar, 0, sizeof hw.bar); /* which a test sees: nobody may */
	else if (offset < VIRTIO_COMMON_BYTES)
		write_common(offset, value);
	else if (offset >= PLAYED_NOTIFY && value < PLAYED_QUEUES)
		hw.queue[value].told++;
	if (!hw.gone && offset >= PLAYED_NOTIFY && value == PLAYED_CONTROL)
		obey();
}

/* ---- as it is made -------------------------------------------------------------------------- */

static void put(unsigned offset, unsigned width, uint32_t value)
{
	for (unsigned i = 0; i < width; i++)
		hw.config[offset + i] = (uint8_t)(value >> 8 * i);
}

unsigned played_cap(enum virtio_cap type)
{
	return 0x40 + 0x14 * (unsigned)type;
}

static void capability(enum virtio_cap type, uint32_t offset, uint32_t bytes, unsigned next)
{
	unsigned at = played_cap(type);

	put(at, 1, VIRTIO_CAP_VENDOR);
	put(at + VIRTIO_CAP_NEXT, 1, next);
	put(at + 2, 1, 0x14);
	put(at + VIRTIO_CAP_TYPE, 1, type);
	put(at + VIRTIO_CAP_BAR, 1, PLAYED_BAR);
	put(at + VIRTIO_CAP_OFFSET, 4, offset);
	put(at + VIRTIO_CAP_LENGTH, 4, bytes);
	if (type == VIRTIO_CAP_NOTIFY)
		put(at + VIRTIO_CAP_MULTIPLIER, 4, 4);
}

void played_make(const struct pp_soft_params *soft)
{
	memset(&hw, 0, sizeof hw);
	put(0, 4, VIRTIO_PCI_ID_NET);
	put(6, 2, 0x10);
	put(0x34, 1, played_cap(VIRTIO_CAP_COMMON));
	capability(VIRTIO_CAP_COMMON, 0, 0x1000, played_cap(VIRTIO_CAP_NOTIFY));
	capability(VIRTIO_CAP_NOTIFY, PLAYED_NOTIFY, 0x1000, played_cap(VIRTIO_CAP_DEVICE));
	capability(VIRTIO_CAP_DEVICE, PLAYED_NET, 0x1000, 0);
	for (unsigned i = 0; i < PLAYED_QUEUES; i++) {
		hw.queue[i].most = i == PLAYED_CONTROL ? 64 : 256;
		hw.queue[i].notify_off = (uint16_t)i;
		hw.irq_fd[i] = -1;
	}
	hw.request_fd = eventfd(0, EFD_NONBLOCK);
	hw.vectors = 10;
	hw.offers = VIRTIO_NET_F_MAC | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS |
		    VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_MQ |
		    VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_BIT(0) /* checksums */ |
		    VIRTIO_BIT(28) /* indirect */ | VIRTIO_BIT(29) /* event index */ |
		    VIRTIO_BIT(34) /* packed */;
	hw.n_queues = PLAYED_QUEUES;
	hw.link = VIRTIO_NET_LINK_UP;
	hw.pairs = 4;
	hw.promiscuous = 1;
	if (pp_soft_create(&hw.iommu, soft))
		hw.iommu = NULL;
}

/* ---- rings ---------------------------------------------------------------------------------- */

struct virtio_desc played_desc(unsigned q, unsigned id)
{
	struct virtio_desc d = { 0 };

	pp_soft_read(hw.iommu, hw.queue[q].desc + 16 * id, &d, sizeof d);
	return (struct virtio_desc){ le64toh(d.addr), le32toh(d.len), le16toh(d.flags),
				     le16toh(d.next) };
}

int played_next(unsigned q)
{
	struct played_queue *k = &hw.queue[q];
	uint16_t idx = k->seen, head;

	if (!k->enabled || pp_soft_read(hw.iommu, k->driver + 2, &idx, 2) ||
	    le16toh(idx) == k->seen ||
	    pp_soft_read(hw.iommu, k->driver + 4 + 2 * (k->seen % k->size), &head, 2))
		return -1;
	k->seen++;
	return le16toh(head);
}

void played_index(unsigned q, uint16_t idx)
{
	idx = htole16(idx);
	pp_soft_write(hw.iommu, hw.queue[q].device + 2, &idx, 2);
}

bool played_used(unsigned q, uint32_t id, uint32_t len)
{
	struct played_queue *k = &hw.queue[q];
	struct virtio_used_elem e = { htole32(id), htole32(len) };
	uint16_t flags = 1;
	uint64_t one = 1;

	if (!k->size ||
	    pp_soft_write(hw.iommu, k->device + 4 + 8 * (k->used % k->size), &e, sizeof e))
		return false;
	played_index(q, ++k->used);
	pp_soft_read(hw.iommu, k->driver, &flags, 2);
	if (!flags && k->vector < PLAYED_QUEUES && hw.irq_fd[k->vector] >= 0)
		return write(hw.irq_fd[k->vector], &one, sizeof one) == sizeof one;
	return true;
}

bool played_fill(unsigned q, const void *bytes, uint32_t len)
{
	int id = played_next(q);

	return id >= 0 && !pp_soft_write(hw.iommu, played_desc(q, (unsigned)id).addr, bytes, len) &&
	       played_used(q, (uint32_t)id, len);
}

bool played_arrives(unsigned pair, const uint8_t *bytes, uint32_t len)
{
	uint8_t buffer[PLAYED_BUFFER] = { 0 };
	uint32_t room = sizeof buffer - VIRTIO_NET_HDR_BYTES, run = len < room ? len : room;

	buffer[10] = (uint8_t)((len + VIRTIO_NET_HDR_BYTES + sizeof buffer - 1) / sizeof buffer);
	memcpy(buffer + VIRTIO_NET_HDR_BYTES, bytes, run);
	if (!played_fill(2 * pair, buffer, run + VIRTIO_NET_HDR_BYTES))
		return false;
	for (bytes += run, len -= run; len; bytes += run, len -= run) {
		run = len < sizeof buffer ? len : sizeof buffer;
		if (!played_fill(2 * pair, bytes, run))
			return false;
	}
	return true;
}

uint32_t played_takes(unsigned pair, uint8_t *bytes, uint32_t *id)
{
	static const uint8_t none[VIRTIO_NET_HDR_BYTES];
	uint8_t header[VIRTIO_NET_HDR_BYTES];
	int head = played_next(2 * pair + 1);
	struct virtio_desc d;
	uint32_t len = 0;

	if (head < 0)
		return 0;
	*id = (uint32_t)head;
	d = played_desc(2 * pair + 1, *id);
	if (d.len != sizeof header || pp_soft_read(hw.iommu, d.addr, header, sizeof header) ||
	    memcmp(header, none, sizeof none))
		return 0;
	while (d.flags & VIRTIO_DESC_NEXT) {
		d = played_desc(2 * pair + 1, d.next);
		if (pp_soft_read(hw.iommu, d.addr, bytes + len, d.len))
			return 0;
		len += d.len;
	}
	return len;
}

uint32_t played_sends(unsigned pair, uint8_t *bytes)
{
	uint32_t id, len = played_takes(pair, bytes, &id);

	return len && played_used(2 * pair + 1, id, 0) ? len : 0;
}
