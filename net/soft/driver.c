/*
 * driver.c - the software NIC's driver, on pagepool's public API alone: an example to
 * copy from. Read sheet.h first, then probe, remove, and rx.
 *
 * What a driver has to do about its device's going away is all in remove():
 *   - while the device answers, stop it, and free what was allocated through the binding;
 *   - when it has gone, don't touch it: all mappings have been taken back already, and
 *     what lies in the ring can't be synced any more, so it counts as not received;
 *   - either way, put the pages that were posted, and give up the pools. Pages that others
 *     hold stay theirs. Nothing is waited for.
 *
 * A device is not to be trusted: every length and index that it writes is checked before
 * it is used. See rx_take and tx_reap.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "driver.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING 512u       /* descriptors of each ring */
#define MAX_SEGS 512u  /* of one packet */
#define STOP_SPINS 200000 /* looks at a device that was told to stop, before giving it up */

struct soft_nic {
	struct nic nic; /* the base: first */
	struct soft_model *hw; /* the device's registers */
	char error[SOFT_MODEL_ERROR];

	/* while bound */
	pp_binding_t binding;
	struct soft_rx_desc *rx; /* the rings lie in coherent memory */
	struct soft_tx_desc *tx;
	uint64_t *tx_head; /* where the device writes how far it got */
	pp_iova_t rx_iova, tx_iova, tx_head_iova;
	enum pp_dma_dir rx_dir, tx_dir; /* of the pools */
	struct pp_page *rx_page[RING]; /* what is posted in each slot */
	struct pp_page *tx_page[RING];
	uint64_t tx_ctrl[RING]; /* as posted: what lies in the ring the device may have changed */
	uint64_t rx_next, rx_posted; /* slots looked at next, and posted; counting on for ever */
	uint64_t tx_done, tx_posted;

	/* segments taken from the ring and not yet polled: the packet that is being taken
	 * together, or what was in the ring when the binding ended */
	struct nic_seg held[RING + MAX_SEGS];
	unsigned held_at, held_n;
	bool bad_packet; /* the rest of a packet that is being dropped */
};

static struct soft_nic *soft_of(struct nic *nic)
{
	return (struct soft_nic *)nic;
}

/* ---- receive ---------------------------------------------------------------------------- */

/* Post pages in the free slots, and tell the device. */
static void rx_post(struct soft_nic *s)
{
	uint64_t begun = s->rx_posted;
	struct pp_page *page;

	while (s->rx_posted - s->rx_next < RING) {
		struct soft_rx_desc *d = &s->rx[s->rx_posted % RING];

		if (pp_page_get(&page, s->nic.rx_pool)) {
			s->nic.stats.rx_no_page++;
			break; /* some will be put; the next poll tries again */
		}
		/* the device is going to write: give the page to it */
		pp_dma_sync_for_device(s->binding, pp_page_iova(page), pp_page_size(page),
				       s->rx_dir);
		d->addr = pp_page_iova(page);
		d->size = pp_page_size(page);
		d->time = 0;
		__atomic_store_n(&d->status, 0, __ATOMIC_RELAXED);
		s->rx_page[s->rx_posted++ % RING] = page;
	}
	s->nic.stats.rx_posted = s->rx_posted - s->rx_next;
	if (s->rx_posted != begun)
		soft_reg_write(s->hw, SOFT_RX_TAIL, s->rx_posted); /* release: after the above */
}

/* Forget the segments of an unfinished packet. */
static void rx_drop(struct soft_nic *s, unsigned from)
{
	while (s->held_n > from)
		pp_page_put(s->held[--s->held_n].page);
}

/*
 * Take the next descriptor that the device has written back, if there is one, into
 * `held`. The length is the device's word: a longer one than we posted is a lie, and the
 * packet is dropped whole.
 */
static bool rx_take(struct soft_nic *s, unsigned *packet)
{
	struct soft_rx_desc *d = &s->rx[s->rx_next % RING];
	struct pp_page *page = s->rx_page[s->rx_next % RING];
	uint64_t status;
	uint32_t len;
	bool last;

	if (s->rx_next == s->rx_posted)
		return false;
	status = __atomic_load_n(&d->status, __ATOMIC_ACQUIRE); /* the rest is written before */
	if (!(status & SOFT_RX_DONE))
		return false;
	len = (uint32_t)(status >> 32);
	last = status & SOFT_RX_END;
	s->rx_next++;
	if (len > pp_page_size(page) || s->held_n - *packet == MAX_SEGS)
		s->bad_packet = true;
	if (s->bad_packet) {
		pp_page_put(page);
		rx_drop(s, *packet);
	} else {
		pp_dma_sync_for_cpu(s->binding, pp_page_iova(page), len, s->rx_dir);
		s->held[s->held_n++] = (struct nic_seg){
			.page = page, .len = len, .last = last,
			.wire_len = (uint32_t)d->size, .time_ns = d->time,
		};
	}
	if (!last)
		return true;
	s->nic.stats.rx_refused += s->bad_packet;
	s->nic.stats.rx_packets += !s->bad_packet;
	s->bad_packet = false;
	*packet = s->held_n;
	return true;
}

/* Everything that is complete in the ring, into `held`. */
static void rx_fill(struct soft_nic *s)
{
	unsigned packet = s->held_n = s->held_at = 0;

	/* stop at a packet's end when `held` might not take another one */
	while (packet < RING && rx_take(s, &packet))
		;
	if (s->held_n == packet)
		return;
	/* the device is in the middle of writing a packet back: look again later */
	s->rx_next -= s->held_n - packet;
	s->held_n = packet;
}

static unsigned soft_rx(struct nic *nic, struct nic_seg *seg, unsigned n)
{
	struct soft_nic *s = soft_of(nic);
	unsigned k;

	if (s->held_at == s->held_n && s->rx) {
		rx_fill(s);
		rx_post(s);
	}
	k = s->held_n - s->held_at < n ? s->held_n - s->held_at : n;
	memcpy(seg, s->held + s->held_at, k * sizeof *seg);
	s->held_at += k;
	for (unsigned i = 0; i < k; i++)
		nic->stats.rx_bytes += seg[i].len;
	return k;
}

/* ---- send ---------------------------------------------------------------------------------- */

static unsigned soft_tx(struct nic *nic, const struct nic_seg *seg, unsigned n)
{
	struct soft_nic *s = soft_of(nic);
	unsigned taken = 0, i = 0;

	/* whole packets only: a slot is taken when there is room for its packet's last one */
	for (unsigned k = 0; s->tx && k < n && s->tx_posted + k - s->tx_done < RING; k++)
		if (seg[k].last)
			taken = k + 1;
	for (; i < taken; i++) {
		struct soft_tx_desc *d = &s->tx[s->tx_posted % RING];

		pp_iova_t iova = pp_page_iova(seg[i].page) + seg[i].offset;

		pp_dma_sync_for_device(s->binding, iova, seg[i].len, s->tx_dir);
		d->addr = iova;
		s->tx_ctrl[s->tx_posted % RING] = (uint64_t)seg[i].len << 32 | (seg[i].last ? SOFT_TX_END : 0);
		d->ctrl = s->tx_ctrl[s->tx_posted % RING];
		d->time = seg[i].time_ns;
		d->length = seg[i].wire_len;
		s->tx_page[s->tx_posted++ % RING] = seg[i].page;
	}
	if (taken)
		soft_reg_write(s->hw, SOFT_TX_TAIL, s->tx_posted);
	return taken;
}

/* The head is the device's word: one that isn't between done and posted is a lie. */
static unsigned soft_tx_reap(struct nic *nic)
{
	struct soft_nic *s = soft_of(nic);
	uint64_t head;

	if (!s->tx)
		return 0;
	head = __atomic_load_n(s->tx_head, __ATOMIC_ACQUIRE);
	if (head - s->tx_done > s->tx_posted - s->tx_done) {
		nic->stats.tx_refused++;
		head = s->tx_done;
	}
	while (s->tx_done < head) {
		uint64_t ctrl = s->tx_ctrl[s->tx_done % RING];

		nic->stats.tx_packets += (ctrl & SOFT_TX_END) != 0;
		nic->stats.tx_bytes += ctrl >> 32;
		pp_page_put(s->tx_page[s->tx_done++ % RING]);
	}
	return (unsigned)(s->tx_posted - s->tx_done);
}

/* ---- the binding ------------------------------------------------------------------------------ */

static int make_pools(struct soft_nic *s, pp_binding_t binding)
{
	struct pp_pool_params p = s->nic.wants;
	int ret;

	s->rx_dir = s->tx_dir = PP_DMA_BIDIRECTIONAL;
	if (s->nic.given) {
		ret = pp_pool_attach(s->nic.given, binding);
		if (!ret)
			s->nic.rx_pool = s->nic.tx_pool = s->nic.given;
		return ret;
	}
	p.name = "soft rx";
	p.dir = s->rx_dir = PP_DMA_FROM_DEVICE;
	ret = pp_pool_create(&s->nic.rx_pool, binding, &p);
	if (ret)
		return ret;
	p.name = "soft tx";
	p.dir = s->tx_dir = PP_DMA_TO_DEVICE;
	p.max_pages = 0;
	return pp_pool_create(&s->nic.tx_pool, binding, &p);
}

static int make_rings(struct soft_nic *s, pp_binding_t binding)
{
	int ret = pp_dma_alloc_coherent(binding, RING * sizeof *s->rx, (void **)&s->rx, &s->rx_iova);

	if (!ret)
		ret = pp_dma_alloc_coherent(binding, RING * sizeof *s->tx, (void **)&s->tx,
					    &s->tx_iova);
	if (!ret)
		ret = pp_dma_alloc_coherent(binding, sizeof *s->tx_head, (void **)&s->tx_head,
					    &s->tx_head_iova);
	return ret;
}

static void free_rings(struct soft_nic *s)
{
	if (s->rx)
		pp_dma_free_coherent(s->binding, RING * sizeof *s->rx, s->rx, s->rx_iova);
	if (s->tx)
		pp_dma_free_coherent(s->binding, RING * sizeof *s->tx, s->tx, s->tx_iova);
	if (s->tx_head)
		pp_dma_free_coherent(s->binding, sizeof *s->tx_head, s->tx_head, s->tx_head_iova);
}

static void forget(struct soft_nic *s)
{
	if (s->nic.rx_pool != s->nic.given) { /* that one is the caller's */
		pp_pool_destroy(s->nic.rx_pool);
		pp_pool_destroy(s->nic.tx_pool);
	}
	s->nic.rx_pool = s->nic.tx_pool = NULL;
	s->rx = NULL;
	s->tx = NULL;
	s->tx_head = NULL;
	s->rx_next = s->rx_posted = s->tx_done = s->tx_posted = 0;
	s->bad_packet = false;
	s->binding = pp_binding_none();
}

/* Write CTRL and wait until the device has seen it; one that won't is left to the IOMMU. */
static void command(struct soft_nic *s, uint64_t ctrl)
{
	soft_reg_write(s->hw, SOFT_CTRL, ctrl);
	for (int i = 0; i < STOP_SPINS; i++) {
		if (soft_reg_read(s->hw, SOFT_CTRL_SEEN) == soft_reg_read(s->hw, SOFT_CTRL))
			return;
		sched_yield();
	}
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct soft_nic *s = ctx;
	int ret;

	(void)dev;
	s->binding = binding;
	command(s, SOFT_CTRL_RESET);
	ret = pp_dma_set_mask(binding, (unsigned)soft_reg_read(s->hw, SOFT_ADDRESS_BITS));
	if (!ret)
		ret = make_pools(s, binding);
	if (!ret)
		ret = make_rings(s, binding);
	if (ret) {
		free_rings(s);
		forget(s);
		return ret;
	}
	soft_reg_write(s->hw, SOFT_RX_BASE, s->rx_iova);
	soft_reg_write(s->hw, SOFT_RX_SIZE, RING);
	soft_reg_write(s->hw, SOFT_TX_BASE, s->tx_iova);
	soft_reg_write(s->hw, SOFT_TX_SIZE, RING);
	soft_reg_write(s->hw, SOFT_TX_WRITEBACK, s->tx_head_iova);
	rx_post(s);
	soft_reg_write(s->hw, SOFT_CTRL, SOFT_CTRL_RX | SOFT_CTRL_TX);
	return 0;
}

/* What had arrived, behind what is held already, as far as there is room: who binds again
 * and again and never polls loses the rest. */
static void rx_keep(struct soft_nic *s)
{
	unsigned packet;

	memmove(s->held, s->held + s->held_at, (s->held_n - s->held_at) * sizeof s->held[0]);
	s->held_n -= s->held_at;
	s->held_at = 0;
	packet = s->held_n;
	while (s->held_n < sizeof s->held / sizeof s->held[0] && rx_take(s, &packet))
		;
	rx_drop(s, packet); /* half a packet is none */
}

/* The pages that are posted were never anybody else's. */
static void empty_rings(struct soft_nic *s)
{
	while (s->rx_next < s->rx_posted)
		pp_page_put(s->rx_page[s->rx_next++ % RING]);
	while (s->tx_done < s->tx_posted)
		pp_page_put(s->tx_page[s->tx_done++ % RING]);
}

static void soft_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
			void *ctx)
{
	struct soft_nic *s = ctx;

	(void)dev;
	(void)binding;
	if (why == PP_REMOVE_UNBIND) {
		command(s, 0);
		rx_keep(s);
		soft_tx_reap(&s->nic);
	}
	empty_rings(s);
	if (why == PP_REMOVE_UNBIND)
		free_rings(s);
	forget(s);
}

/* ---- the rest of nic.h ------------------------------------------------------------------------ */

static int soft_event_fd(struct nic *nic)
{
	return soft_model_event_fd(soft_of(nic)->hw);
}

static void soft_arm(struct nic *nic)
{
	soft_reg_write(soft_of(nic)->hw, SOFT_IRQ_ARM, 1);
}

static enum nic_state soft_state(struct nic *nic)
{
	uint64_t status = soft_reg_read(soft_of(nic)->hw, SOFT_STATUS);

	if (status & SOFT_STATUS_GONE)
		return NIC_GONE;
	if (status & SOFT_STATUS_FAILED)
		return NIC_FAILED;
	return status & SOFT_STATUS_END ? NIC_END : NIC_RUNNING;
}

static const char *soft_error(struct nic *nic)
{
	return soft_model_error(soft_of(nic)->hw);
}

static int soft_dlt(struct nic *nic)
{
	return (int)soft_reg_read(soft_of(nic)->hw, SOFT_LINK_TYPE);
}

static bool soft_quiet(struct nic *nic)
{
	soft_model_stop(soft_of(nic)->hw);
	return true;
}

static void soft_close(struct nic *nic)
{
	struct soft_nic *s = soft_of(nic);

	while (s->held_at < s->held_n)
		pp_page_put(s->held[s->held_at++].page);
	soft_model_stop(s->hw);
	pp_device_unregister(nic->dev); /* its domain goes: after the model's last access */
	pp_driver_unregister(&nic->drv);
	soft_model_destroy(s->hw);
	free(s);
}

static const struct nic_ops soft_nic_ops = {
	.rx = soft_rx,
	.tx = soft_tx,
	.tx_reap = soft_tx_reap,
	.event_fd = soft_event_fd,
	.arm = soft_arm,
	.state = soft_state,
	.error = soft_error,
	.dlt = soft_dlt,
	.quiet = soft_quiet,
	.close = soft_close,
};

int soft_nic_open(struct nic **out, const struct soft_model_params *model,
		  const struct soft_driver_params *params, char *error)
{
	struct pp_device_params dev = PP_PARAMS(struct pp_device_params);
	struct soft_nic *s = calloc(1, sizeof *s);
	int ret = s ? 0 : -ENOMEM;

	*out = NULL;
	if (ret)
		goto sentence;
	s->nic.wants = pp_pool_defaults();
	s->nic.wants.max_pages = params->max_pages;
	s->nic.ops = &soft_nic_ops;
	s->nic.rx_ring = RING;
	s->nic.drv = (struct pp_driver){
		.name = "soft", .probe = probe, .remove = soft_remove, .ctx = s
	};
	ret = soft_model_create(&s->hw, model, error);
	if (ret)
		goto free;
	dev.name = "soft";
	dev.iommu = soft_model_iommu(s->hw);
	dev.address_bits = model->address_bits;
	ret = pp_device_register(&s->nic.dev, &dev);
	if (ret)
		goto stop;
	ret = pp_driver_register(&s->nic.drv);
	if (ret)
		goto unregister;
	*out = &s->nic;
	return 0;
unregister:
	pp_device_unregister(s->nic.dev);
	dev.iommu = NULL;
stop:
	soft_model_stop(s->hw);
	pp_soft_destroy(dev.iommu);
	soft_model_destroy(s->hw);
free:
	free(s);
sentence:
	if (ret && !*error)
		snprintf(error, SOFT_MODEL_ERROR, "can't set up the software NIC: %s", strerror(-ret));
	return ret;
}
