/*
 * ring.h - the driver's side of a split virtqueue (2.7): chains of buffers that the device is
 * given, and that it returns in any order.
 *
 * The device can write to all of the ring's memory. So the driver keeps its own record of each
 * chain elsewhere, in slots, and reads from the ring only what the device has to report: which
 * chain it has used, and how much it has written; each is read once, and checked.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_VIRTIO_RING_H
#define NET_VIRTIO_RING_H

#include <pagepool/pagepool.h>

#include "regs.h"

#define RING_MOST 512u /* descriptors; a power of two */

/* A descriptor, as the driver knows it. */
struct ring_slot {
	struct pp_page *page; /* or NULL */
	uint32_t len;
	uint16_t next; /* of its chain, or of the free ones */
	bool write;    /* by the device */
	bool more;     /* the chain goes on with next */
	bool given;    /* the first of a chain that the device has */
};

struct ring {
	struct virtio_desc *desc; /* NULL: there is none */
	struct virtio_avail *avail;
	struct virtio_used *used;
	pp_iova_t desc_iova, avail_iova, used_iova;
	unsigned size;
	volatile void *notify; /* the register to tell the device */
	unsigned index;        /* what to write there */

	struct ring_slot slot[RING_MOST];
	unsigned free, n_free;      /* the first free one; how many */
	unsigned chains, pages;     /* that the device has */
	unsigned head, tail;        /* of the chain that is being made */
	uint16_t n_avail, notified; /* made available, and announced to the device; counting on */
	uint16_t n_used;            /* taken back */
};

/* In coherent memory, with `size` descriptors, a power of two up to RING_MOST. 0, or an errno. */
int ring_make(struct ring *r, pp_binding_t binding, unsigned size);
/* Only while the binding lasts; the slots are left. */
void ring_free(struct ring *r, pp_binding_t binding);
/* Put all pages that the device had. How many chains there were. */
unsigned ring_forget(struct ring *r);

/* One more buffer of a chain; first: a chain begins. There must be a free descriptor. */
void ring_add(struct ring *r, bool first, pp_iova_t addr, uint32_t len, bool write,
	      struct pp_page *page);
/* The chain is whole. */
void ring_end(struct ring *r);
/* Tell the device of the chains, if there are any that it wasn't told of. */
void ring_tell(struct ring *r);
/* Tell it in any case. */
void ring_poke(const struct ring *r);
/* Whether the device should interrupt. Turned on, look once more: no order is promised before. */
void ring_interrupts(struct ring *r, bool on);

/* How many chains the device says it has used; -1: more than it has. */
int ring_look(const struct ring *r);
/*
 * The next of these: its first descriptor, and what was written, which nobody has checked. -1:
 * there is no such chain, or the device doesn't have it.
 */
int ring_take(struct ring *r, uint32_t *len);
/* Its descriptors are free, its pages put. How many bytes they held. */
uint64_t ring_drop(struct ring *r, unsigned head);
/* The page of a chain of one buffer, whose descriptor is free then. */
struct pp_page *ring_page(struct ring *r, unsigned head);

#endif
