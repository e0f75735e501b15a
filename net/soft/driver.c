/*
 * driver.c - the software NIC's driver, on pagepool's public API alone: an example to copy from.
 * Read regs.h first, then probe, remove, and rx.
 *
 * All that a driver has to do when its device goes away is in remove():
 *
 *   - while the device still responds, stop it, and free what was allocated through the binding;
 *   - when it has gone, don't access it: all mappings have been removed already, and the contents
 *     of the ring can't be synced any more, so they count as not received;
 *   - either way, put the pages that were posted, and destroy the pools. Pages that others hold
 *     stay theirs. Nothing is waited for.
 *
 * The device is not trusted: every length and index that it writes is checked before it is used.
 * See rx_take and tx_reap.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "../port.h"
#include "../whole.h"
#include "model.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING 512u         /* descriptors of each ring */
#define MAX_SEGS 512u     /* of one packet */
#define REST_NS 300000u   /* in which the device may fill its ring, and need wake nobody */
#define STOP_SPINS 200000 /* looks at a device that was told to stop, before giving it up */

struct soft_net {
	struct pp_net net; /* the base: first */
	struct port_queue queue;
	struct soft_model *hw; /* the device's registers */
	char *input, *output;  /* the names of the files that it reads and writes, or NULL */

	/* while bound */
	pp_binding_t binding;
	struct soft_rx_desc *rx; /* the rings lie in coherent memory */
	struct soft_tx_desc *tx;
	uint64_t *tx_head; /* where the device writes how far it got */
	pp_iova_t rx_iova, tx_iova, tx_head_iova;
	enum pp_dma_dir rx_dir, tx_dir; /* of the pools */
	struct pp_page *rx_page[RING];  /* what is posted in each slot */
	struct pp_page *tx_page[RING];
	uint64_t tx_ctrl[RING]; /* as posted: what lies in the ring the device may have changed */
	uint64_t rx_next, rx_posted; /* slots looked at next, and posted; counting on for ever */
	uint64_t tx_done, tx_posted;

	/* segments taken from the ring and not yet polled: the packet that is being taken
	 * together, or what was in the ring when the binding ended */
	struct pp_net_seg held[RING + MAX_SEGS];
	unsigned held_at, held_n;
	bool bad_packet; /* the rest of a packet that is being dropped */
};

static struct soft_net *soft_at(struct pp_net *net)
{
	return (struct soft_net *)net;
}

static struct soft_net *soft_of(struct port_queue *q)
{
	return soft_at(q->net);
}

/* ---- receive ---------------------------------------------------------------------------- */

/* Post pages in the free slots, and tell the device. */
static void rx_post(struct soft_net *s)
{
	uint64_t begun = s->rx_posted;
	struct pp_page *page;

	while (s->rx_posted - s->rx_next < RING) {
		struct soft_rx_desc *d = &s->rx[s->rx_posted % RING];

		if (pp_page_get(&page, s->queue.rx_pool)) {
			port_count(&s->queue.stats.rx_no_page, 1);
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
	port_set(&s->queue.stats.rx_posted, s->rx_posted - s->rx_next);
	if (s->rx_posted != begun)
		soft_reg_write(s->hw, SOFT_RX_TAIL, s->rx_posted); /* release: after the above */
}

/* Forget the segments of an unfinished packet. */
static void rx_drop(struct soft_net *s, unsigned from)
{
	while (s->held_n > from)
		pp_page_put(s->held[--s->held_n].page);
}

/*
 * Take the next descriptor that the device has written back, if there is one, into
 * `held`. The length is the device's word: a longer one than we posted is a lie, and the
 * packet is dropped whole.
 */
static bool rx_take(struct soft_net *s, unsigned *packet)
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
		s->held[s->held_n++] = (struct pp_net_seg){
			.page = page,
			.len = len,
			.flags = last ? PP_NET_LAST : 0,
			.wire_len = (uint32_t)d->size,
			.time_ns = d->time,
			.time_source = PP_NET_TIME_FILE,
		};
	}
	if (!last)
		return true;
	port_count(&s->queue.stats.rx_refused, s->bad_packet);
	s->bad_packet = false;
	*packet = s->held_n;
	return true;
}

/* Everything that is complete in the ring, into `held`. */
static void rx_fill(struct soft_net *s)
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

static unsigned soft_receive(struct port_queue *q, struct pp_net_seg *seg, unsigned n)
{
	struct soft_net *s = soft_of(q);
	unsigned k;

	if (s->held_at == s->held_n && s->rx) {
		rx_fill(s);
		rx_post(s);
	}
	k = port_whole(s->held + s->held_at, s->held_n - s->held_at, n);
	memcpy(seg, s->held + s->held_at, k * sizeof *seg);
	s->held_at += k;
	return port_received(q, seg, k);
}

/* ---- send ---------------------------------------------------------------------------------- */

static void tx_post(struct soft_net *s, const struct pp_net_seg *seg)
{
	struct soft_tx_desc *d = &s->tx[s->tx_posted % RING];
	bool last = seg->flags & PP_NET_LAST;
	pp_iova_t iova = pp_page_iova(seg->page) + seg->offset;

	pp_dma_sync_for_device(s->binding, iova, seg->len, s->tx_dir);
	d->addr = iova;
	s->tx_ctrl[s->tx_posted % RING] = (uint64_t)seg->len << 32 | (last ? SOFT_TX_END : 0);
	d->ctrl = s->tx_ctrl[s->tx_posted % RING];
	d->time = seg->time_ns;
	d->length = seg->wire_len;
	s->tx_page[s->tx_posted++ % RING] = seg->page;
}

/* Post a packet, made whole. False: it can't be. */
static bool tx_packet(struct soft_net *s, const struct pp_net_seg *seg, unsigned n)
{
	struct pp_net_seg head = *seg;

	if (whole_is_not(seg) && whole_make(&head, seg + 1, n))
		return false;
	tx_post(s, &head);
	for (unsigned i = 1; i < n; i++)
		tx_post(s, &seg[i]);
	return true;
}

static unsigned soft_send(struct port_queue *q, const struct pp_net_seg *seg, unsigned n)
{
	struct soft_net *s = soft_of(q);
	uint64_t begun = s->tx_posted;
	unsigned taken = 0, packets = 0, k;

	/* whole packets only: when there is room for the last piece */
	while (s->tx && (k = pp_net_packet(seg + taken, n - taken))) {
		if (k <= RING && s->tx_posted + k - s->tx_done > RING)
			break;
		if (k <= RING && tx_packet(s, seg + taken, k))
			packets++;
		else
			port_refuse(seg + taken, k, &q->stats.tx_malformed);
		taken += k;
	}
	port_count(&q->stats.tx_taken, packets);
	if (s->tx_posted != begun)
		soft_reg_write(s->hw, SOFT_TX_TAIL, s->tx_posted);
	return taken;
}

/* The head is the device's word: one that isn't between done and posted is a lie. */
static unsigned soft_reap(struct port_queue *q)
{
	struct soft_net *s = soft_of(q);
	uint64_t head, bytes = 0, packets = 0;

	if (!s->tx)
		return 0;
	head = __atomic_load_n(s->tx_head, __ATOMIC_ACQUIRE);
	if (head - s->tx_done > s->tx_posted - s->tx_done) {
		port_count(&q->stats.tx_refused, 1);
		head = s->tx_done;
	}
	while (s->tx_done < head) {
		uint64_t ctrl = s->tx_ctrl[s->tx_done % RING];

		packets += (ctrl & SOFT_TX_END) != 0;
		bytes += ctrl >> 32;
		pp_page_put(s->tx_page[s->tx_done++ % RING]);
	}
	port_count(&q->stats.tx_packets, packets);
	port_count(&q->stats.tx_bytes, bytes);
	return (unsigned)(s->tx_posted - s->tx_done);
}

/* ---- the binding ------------------------------------------------------------------------- */

static int make_pools(struct soft_net *s, pp_binding_t binding)
{
	struct pp_pool_params p = s->queue.required;
	int ret;

	s->rx_dir = s->tx_dir = PP_DMA_BIDIRECTIONAL;
	if (s->queue.supplied) {
		ret = pp_pool_attach(s->queue.supplied, binding);
		if (!ret)
			s->queue.rx_pool = s->queue.tx_pool = s->queue.supplied;
		return ret;
	}
	p.name = "soft rx";
	p.dir = s->rx_dir = PP_DMA_FROM_DEVICE;
	ret = pp_pool_create(&s->queue.rx_pool, binding, &p);
	if (ret)
		return ret;
	p.name = "soft tx";
	p.dir = s->tx_dir = PP_DMA_TO_DEVICE;
	p.max_pages = 0;
	return pp_pool_create(&s->queue.tx_pool, binding, &p);
}

static int make_rings(struct soft_net *s, pp_binding_t binding)
{
	int ret =
		pp_dma_alloc_coherent(binding, RING * sizeof *s->rx, (void **)&s->rx, &s->rx_iova);

	if (!ret)
		ret = pp_dma_alloc_coherent(binding, RING * sizeof *s->tx, (void **)&s->tx,
					    &s->tx_iova);
	if (!ret)
		ret = pp_dma_alloc_coherent(binding, sizeof *s->tx_head, (void **)&s->tx_head,
					    &s->tx_head_iova);
	return ret;
}

static void free_rings(struct soft_net *s)
{
	if (s->rx)
		pp_dma_free_coherent(s->binding, RING * sizeof *s->rx, s->rx, s->rx_iova);
	if (s->tx)
		pp_dma_free_coherent(s->binding, RING * sizeof *s->tx, s->tx, s->tx_iova);
	if (s->tx_head)
		pp_dma_free_coherent(s->binding, sizeof *s->tx_head, s->tx_head, s->tx_head_iova);
}

static void forget(struct soft_net *s)
{
	if (s->queue.rx_pool != s->queue.supplied) { /* that one is the caller's */
		pp_pool_destroy(s->queue.rx_pool);
		pp_pool_destroy(s->queue.tx_pool);
	}
	s->queue.rx_pool = s->queue.tx_pool = NULL;
	s->rx = NULL;
	s->tx = NULL;
	s->tx_head = NULL;
	s->rx_next = s->rx_posted = s->tx_done = s->tx_posted = 0;
	s->bad_packet = false;
	s->binding = pp_binding_none();
}

/* Write CTRL and wait until the device has seen it; one that won't is left to the IOMMU. */
static void command(struct soft_net *s, uint64_t ctrl)
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
	struct soft_net *s = ctx;
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
static void rx_keep(struct soft_net *s)
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
static void empty_rings(struct soft_net *s)
{
	while (s->rx_next < s->rx_posted)
		pp_page_put(s->rx_page[s->rx_next++ % RING]);
	port_set(&s->queue.stats.rx_posted, 0);
	while (s->tx_done < s->tx_posted) {
		port_count(&s->queue.stats.tx_unsent, s->tx_ctrl[s->tx_done % RING] & SOFT_TX_END);
		pp_page_put(s->tx_page[s->tx_done++ % RING]);
	}
}

static void soft_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
			void *ctx)
{
	struct soft_net *s = ctx;

	(void)dev;
	(void)binding;
	if (why == PP_REMOVE_UNBIND) {
		command(s, 0);
		rx_keep(s);
	}
	soft_reap(&s->queue); /* also of one that has gone: what it sent is in memory */
	empty_rings(s);
	if (why == PP_REMOVE_UNBIND)
		free_rings(s);
	forget(s);
}

/* ---- the rest of port.h ------------------------------------------------------------------ */

static int soft_event_fd(struct port_queue *q)
{
	return soft_model_event_fd(soft_of(q)->hw);
}

static void soft_arm(struct port_queue *q)
{
	soft_reg_write(soft_of(q)->hw, SOFT_IRQ_ARM, 1);
}

static enum pp_net_state soft_state(struct pp_net *net)
{
	uint64_t status = soft_reg_read(soft_at(net)->hw, SOFT_STATUS);

	if (status & SOFT_STATUS_GONE)
		return PP_NET_GONE;
	if (status & SOFT_STATUS_FAILED)
		return PP_NET_FAILED;
	return status & SOFT_STATUS_END ? PP_NET_END : PP_NET_RUNNING;
}

static const char *soft_error(struct pp_net *net)
{
	enum pp_net_state state = soft_state(net);

	return state == PP_NET_GONE ? "the device has gone" : soft_model_error(soft_at(net)->hw);
}

static bool soft_quiet(struct pp_net *net)
{
	soft_model_stop(soft_at(net)->hw);
	return true;
}

static void soft_close(struct pp_net *net)
{
	struct soft_net *s = soft_at(net);

	while (s->held_at < s->held_n)
		pp_page_put(s->held[s->held_at++].page);
	soft_model_stop(s->hw);
	pp_device_unregister(s->queue.dev); /* its domain goes: after the model's last access */
	pp_driver_unregister(&net->drv);
	soft_model_destroy(s->hw);
	free(s->input);
	free(s->output);
	free(s);
}

static const struct port_ops soft_ops = {
	.receive = soft_receive,
	.send = soft_send,
	.reap = soft_reap,
	.event_fd = soft_event_fd,
	.arm = soft_arm,
	.state = soft_state,
	.error = soft_error,
	.quiet = soft_quiet,
	.close = soft_close,
};

static void describe(struct soft_net *s, const struct pp_net_params *params)
{
	struct pp_net *net = &s->net;

	strcpy(net->name, "soft");
	net->ops = &soft_ops;
	net->queue[0] = &s->queue;
	net->n_queues = 1;
	net->drv = (struct pp_driver){
		.name = "soft", .probe = probe, .remove = soft_remove, .ctx = s
	};
	net->info = (struct pp_net_info){
		.name = net->name,
		.input = s->input,
		.output = s->output,
		.ring = RING,
		.pieces = RING,
		.segments = MAX_SEGS,
		.time_source = PP_NET_TIME_FILE,
		.time_precision_ns = 1,
		.rest_ns = REST_NS,
	};
	s->queue.net = net;
	s->queue.required = pp_pool_defaults();
	s->queue.required.max_pages = params->max_pages;
}

static int register_device(struct soft_net *s, unsigned address_bits)
{
	struct pp_device_params dev = PP_PARAMS(struct pp_device_params);
	int ret;

	dev.name = "soft";
	dev.iommu = soft_model_iommu(s->hw);
	dev.address_bits = address_bits;
	ret = pp_device_register(&s->queue.dev, &dev);
	if (ret) {
		soft_model_stop(s->hw); /* before its domain goes */
		pp_soft_destroy(dev.iommu);
		return ret;
	}
	ret = pp_driver_register(&s->net.drv);
	if (!ret)
		return 0;
	soft_model_stop(s->hw);
	pp_device_unregister(s->queue.dev);
	return ret;
}

int soft_net_open(struct pp_net **out, const struct pp_net_soft_params *soft,
		  const struct pp_net_params *params, char *error)
{
	struct soft_model_params model = {
		.pcap = soft->pcap,
		.wire = soft->wire,
		.rate = soft->rate,
		.lies = soft->lies,
		.dlt = params->link_type ? params->link_type - 1 : PORT_LINK_ETHERNET,
		.loops = !soft->loops              ? 1 :
			 soft->loops == UINT64_MAX ? 0 :
						     soft->loops,
		.address_bits = soft->address_bits ? soft->address_bits : 64,
		.incoherent = soft->incoherent,
		.deferred = soft->deferred,
		.rogue = soft->rogue,
		.gone_after = soft->gone_after,
	};
	struct soft_net *s = NULL;
	int ret = 0;

	*out = NULL;
	if (!(s = calloc(1, sizeof *s)))
		ret = -ENOMEM;
	if (!ret && model.pcap && !(s->input = strdup(model.pcap)))
		ret = -ENOMEM;
	if (!ret && model.wire && !(s->output = strdup(model.wire)))
		ret = -ENOMEM;
	if (!ret) {
		describe(s, params);
		ret = soft_model_create(&s->hw, &model, error);
	}
	if (!ret)
		ret = register_device(s, model.address_bits);
	if (!ret) {
		s->net.info.link_type = (int)soft_reg_read(s->hw, SOFT_LINK_TYPE);
		*out = &s->net;
		return 0;
	}
	if (!*error)
		snprintf(error, SOFT_MODEL_ERROR, "can't set up the software NIC: %s",
			 strerror(-ret));
	if (s) {
		soft_model_destroy(s->hw);
		free(s->input);
		free(s->output);
	}
	free(s);
	return ret;
}
