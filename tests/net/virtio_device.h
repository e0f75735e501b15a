/*
 * virtio_device.h - an emulated virtio network device for tests: its registers, its side of the
 * rings, and VFIO around it (--wrap). DMA goes through a software IOMMU. What the device does by
 * itself it does when it is notified of a ring; packets come and go when the test says so.
 * Initially it conforms to the specification; each field can be changed.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TESTS_NET_VIRTIO_DEVICE_H
#define TESTS_NET_VIRTIO_DEVICE_H

#include <pagepool/pagepool.h>
#include <pagepool/vfio.h>

#include "../../net/virtio/regs.h"

#define PLAYED_QUEUES 9u /* four pairs, and the control queue */
#define PLAYED_CONTROL 8u
#define PLAYED_BAR 4u
#define PLAYED_BAR_BYTES 0x4000u
#define PLAYED_NET 0x2000u /* in that BAR, as QEMU has them */
#define PLAYED_NOTIFY 0x3000u
#define PLAYED_BUFFER 4096u

struct played_queue {
	uint16_t most, size, vector, enabled, notify_off;
	uint64_t desc, driver, device;
	uint16_t seen, used; /* of the available ring; in the used ring */
	unsigned told;       /* how often it was */
};

struct pp_vfio {
	uint8_t config[256]; /* of PCI */
	uint8_t bar[PLAYED_BAR_BYTES];
	struct pp_iommu *iommu;
	int irq_fd[PLAYED_QUEUES], request_fd;
	unsigned vectors;                              /* of MSI-X */
	bool master, requested, closed, limit, gone;   /* all ones: it isn't there */
	bool never_resets, refuses, silent, no_vector; /* what it doesn't do */
	unsigned sleeps;                               /* of the driver */

	uint64_t offers, agreed;
	uint32_t offer_select, agree_select, status;
	uint16_t config_vector, n_queues, select;
	uint16_t link, pairs, mtu; /* the network device's configuration */
	struct played_queue queue[PLAYED_QUEUES];
	uint16_t pairs_used; /* what it was told by commands */
	uint8_t promiscuous, all_multicast;
};

extern struct pp_vfio hw;

/* As QEMU has it, with the IOMMU of these parameters. */
void played_make(const struct pp_soft_params *soft);
/* A capability of PCI, by its type; where in `config`. */
unsigned played_cap(enum virtio_cap type);

/* The first descriptor of the next chain that queue q has available; -1: none, or it faults. */
int played_next(unsigned q);
struct virtio_desc played_desc(unsigned q, unsigned id);
/* That chain was used, and told of; false: it faults. */
bool played_used(unsigned q, uint32_t id, uint32_t len);
/* The used index reads so. */
void played_index(unsigned q, uint16_t idx);
/* A buffer of receive queue q is filled, and used. */
bool played_fill(unsigned q, const void *bytes, uint32_t len);
/* A packet arrives by pair `pair`. False: no room, or it faults. */
bool played_arrives(unsigned pair, const uint8_t *bytes, uint32_t len);
/* Send a packet that was posted, or take it only: *id is its chain; its bytes, 0: there is none. */
uint32_t played_takes(unsigned pair, uint8_t *bytes, uint32_t *id);
uint32_t played_sends(unsigned pair, uint8_t *bytes);

#endif
