/*
 * pci.h - a virtio device on PCI (4.1): where its registers are, its reset, the negotiated
 * features, its queues. Locations and sizes that the device reports are checked before they are
 * used.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_VIRTIO_PCI_H
#define NET_VIRTIO_PCI_H

#include "../card.h"

#include "ring.h"

struct virtio_pci {
	struct card *card; /* for its sentences */
	volatile char *common, *device, *notify;
	uint32_t notify_bytes, notify_multiplier;
};

/* Find the registers. 0, or an errno with a sentence. */
int pci_find(struct virtio_pci *p, struct card *card);

uint32_t pci_status(const struct virtio_pci *p);
/* The status with these bits too. */
void pci_status_add(const struct virtio_pci *p, uint32_t bits);
/* A field of the network device's configuration. */
uint32_t pci_config(const struct virtio_pci *p, enum virtio_net_config field);
/* How many queues the device has. */
uint32_t pci_queues(const struct virtio_pci *p);

/* Tell it to reset itself; false: it has gone. */
bool pci_off(const struct virtio_pci *p);
/* The same, and wait for it. 0; -ENODEV, -ETIMEDOUT with a sentence. */
int pci_reset(const struct virtio_pci *p);
/*
 * After a reset: agree on those of the features `wanted` that it offers, all that are `needed`
 * among them. 0, and *features says which; -EOPNOTSUPP with a sentence.
 */
int pci_agree(const struct virtio_pci *p, uint64_t wanted, uint64_t needed, uint64_t *features);

/* Descriptors of a queue: of RING_MOST as many as it can have, `least` at least; else -EPROTO. */
int pci_queue_size(const struct virtio_pci *p, unsigned queue, unsigned least);
/* Hand the ring to the device. `vector` may be VIRTIO_NO_VECTOR. 0, or an errno and a sentence. */
int pci_queue_start(const struct virtio_pci *p, unsigned queue, struct ring *r, unsigned vector);
/* The vector for changes of the configuration, and of the status. */
int pci_config_vector(const struct virtio_pci *p, unsigned vector);

#endif
