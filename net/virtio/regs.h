/*
 * regs.h - the parts of "Virtual I/O Device (VIRTIO) Version 1.2", OASIS Committee Specification,
 * that the driver uses. Each group names its sections; all fields are little-endian.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_VIRTIO_REGS_H
#define NET_VIRTIO_REGS_H

#include <stdint.h>

/* PCI: device and vendor, as configuration space has them (4.1.2); the second is transitional. */
#define VIRTIO_PCI_ID_NET 0x10411af4u
#define VIRTIO_PCI_ID_NET_TRANSITIONAL 0x10001af4u

/* Structures are found by vendor-specific capabilities (4.1.4). Offsets within one: */
#define VIRTIO_CAP_VENDOR 0x09u /* its ID */
enum {
	VIRTIO_CAP_NEXT = 1,
	VIRTIO_CAP_TYPE = 3,
	VIRTIO_CAP_BAR = 4,
	VIRTIO_CAP_OFFSET = 8,
	VIRTIO_CAP_LENGTH = 12,
	VIRTIO_CAP_MULTIPLIER = 16, /* of a VIRTIO_CAP_NOTIFY (4.1.4.4) */
};
enum virtio_cap {
	VIRTIO_CAP_COMMON = 1,
	VIRTIO_CAP_NOTIFY = 2,
	VIRTIO_CAP_DEVICE = 4,
};

/* The common configuration (4.1.4.3): offsets. Each is read and written in its own width. */
enum virtio_common {
	VIRTIO_DEVICE_FEATURE_SELECT = 0x00, /* 32 */
	VIRTIO_DEVICE_FEATURE = 0x04,        /* 32 */
	VIRTIO_DRIVER_FEATURE_SELECT = 0x08, /* 32 */
	VIRTIO_DRIVER_FEATURE = 0x0c,        /* 32 */
	VIRTIO_CONFIG_VECTOR = 0x10,         /* 16 */
	VIRTIO_NUM_QUEUES = 0x12,            /* 16 */
	VIRTIO_STATUS = 0x14,                /* 8 */
	VIRTIO_QUEUE_SELECT = 0x16,          /* 16; those below are of the queue selected */
	VIRTIO_QUEUE_SIZE = 0x18,            /* 16 */
	VIRTIO_QUEUE_VECTOR = 0x1a,          /* 16 */
	VIRTIO_QUEUE_ENABLE = 0x1c,          /* 16 */
	VIRTIO_QUEUE_NOTIFY_OFF = 0x1e,      /* 16 */
	VIRTIO_QUEUE_DESC = 0x20,            /* 32, and 32 */
	VIRTIO_QUEUE_DRIVER = 0x28,          /* 32, and 32 */
	VIRTIO_QUEUE_DEVICE = 0x30,          /* 32, and 32 */
	VIRTIO_COMMON_BYTES = 0x38,
};
#define VIRTIO_NO_VECTOR 0xffffu /* 4.1.5.1.2 */

/* The device status (2.1); writing 0 resets, which is done when 0 is read (4.1.4.3.2). */
#define VIRTIO_ACKNOWLEDGE 1u
#define VIRTIO_DRIVER 2u
#define VIRTIO_DRIVER_OK 4u
#define VIRTIO_FEATURES_OK 8u
#define VIRTIO_NEEDS_RESET 64u

/* Feature bits: 5.1.3 of a network device, 6 of any. */
#define VIRTIO_BIT(n) (UINT64_C(1) << (n))
#define VIRTIO_NET_F_MTU VIRTIO_BIT(3)
#define VIRTIO_NET_F_MAC VIRTIO_BIT(5)
#define VIRTIO_NET_F_MRG_RXBUF VIRTIO_BIT(15) /* a packet may go on in the next buffer */
#define VIRTIO_NET_F_STATUS VIRTIO_BIT(16)
#define VIRTIO_NET_F_CTRL_VQ VIRTIO_BIT(17)
#define VIRTIO_NET_F_CTRL_RX VIRTIO_BIT(18)
#define VIRTIO_NET_F_MQ VIRTIO_BIT(22)
#define VIRTIO_F_VERSION_1 VIRTIO_BIT(32)
#define VIRTIO_F_ACCESS_PLATFORM VIRTIO_BIT(33) /* DMA goes through the IOMMU */
#define VIRTIO_F_ORDER_PLATFORM VIRTIO_BIT(36)  /* and is ordered as a card's is */

/* The network device's configuration (5.1.4): offsets of 16-bit fields */
enum virtio_net_config {
	VIRTIO_NET_STATUS = 6, /* if VIRTIO_NET_F_STATUS */
	VIRTIO_NET_PAIRS = 8,  /* if VIRTIO_NET_F_MQ: how many queue pairs it has */
	VIRTIO_NET_MTU = 10,   /* if VIRTIO_NET_F_MTU */
	VIRTIO_NET_CONFIG_BYTES = 12,
};
#define VIRTIO_NET_LINK_UP 1u
#define VIRTIO_NET_PAIRS_MAX 0x8000u
#define VIRTIO_NET_MTU_MIN 68u

/* A split virtqueue (2.7): descriptors, */
struct virtio_desc { /* 2.7.5 */
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
#define VIRTIO_DESC_NEXT 1u
#define VIRTIO_DESC_WRITE 2u /* by the device */

/* what the driver makes available, */
struct virtio_avail { /* 2.7.6 */
	uint16_t flags;
	uint16_t idx; /* where the next one goes, counting on, modulo the size */
	uint16_t head[];
};
#define VIRTIO_AVAIL_NO_INTERRUPT 1u

/* and what the device has used. */
struct virtio_used { /* 2.7.8 */
	uint16_t flags;
	uint16_t idx;
	struct virtio_used_elem {
		uint32_t id;  /* of the chain's first descriptor */
		uint32_t len; /* bytes written */
	} elem[];
};
#define VIRTIO_USED_NO_NOTIFY 1u

/* Before each packet (5.1.6); without offloads all zeros but num_buffers. */
struct virtio_net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
	uint16_t num_buffers; /* received: that the packet lies in; sent: 0 */
};
#define VIRTIO_NET_HDR_NEEDS_CSUM 1u
#define VIRTIO_NET_HDR_BYTES 12u

/* Commands of the control queue (5.1.6.5): class and command, what they take, and an answer */
#define VIRTIO_NET_CTRL_PROMISC 0x0000u  /* 5.1.6.5.1: one byte, on or off */
#define VIRTIO_NET_CTRL_ALLMULTI 0x0001u /* the same */
#define VIRTIO_NET_CTRL_PAIRS 0x0400u    /* 5.1.6.5.5: 16 bits */
#define VIRTIO_NET_CTRL_OK 0u

#endif
