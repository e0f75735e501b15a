/*
 * driver.c - a driver for Intel's 82574L, a gigabit NIC, on pagepool's public API alone. Read
 * regs.h for the device, then probe, remove and rx_look.
 *
 * Packets are received straight into the pages of a pool, which is mapped as long as the device is
 * bound; a packet longer than a page continues in the next one. The rings are in coherent memory.
 * Like every driver here, it waits for nobody when it is unbound: see e1000e_remove.
 *
 * The device is not trusted. Whatever it writes back is read once, into memory that it can't reach,
 * and each length is checked there. It may be unplugged at any time: its registers then read as all
 * ones, which no loop here takes for a value, and every wait is bounded.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "driver.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "../card.h"
#include "regs.h"

#define RING 512u /* descriptors of each ring, 8 KiB; one stays free: full isn't empty */
#define PIECES (E1000E_RX_LONGEST / E1000E_RX_BUFFER) /* of a packet, at most */
#define CAUSES                                                                                     \
	(E1000E_CAUSE_TXDW | E1000E_CAUSE_LSC | E1000E_CAUSE_RXDMT0 | E1000E_CAUSE_RXO |           \
	 E1000E_CAUSE_RXT0)

struct tx_slot {
	struct pp_page *page;
	uint32_t len;
	bool last;
};

struct e1000e {
	struct card card; /* the base: first */
	struct card_queue queue;
	volatile void *regs;

	/* while bound */
	struct e1000e_rx_desc *rx; /* the rings */
	struct e1000e_tx_desc *tx;
	pp_iova_t rx_iova, tx_iova;
	/* Receive descriptors: next to be looked at <= end of those posted. */
	struct pp_page *rx_page[RING];
	uint64_t rx_seen, rx_posted;
	struct tx_slot tx_slot[RING];
	uint64_t tx_done, tx_posted;
};

static struct e1000e *e1000e_at(struct pp_net *net)
{
	return (struct e1000e *)net;
}

static struct e1000e *e1000e_of(struct port_queue *q)
{
	return e1000e_at(q->net);
}

static uint32_t reg_read(const struct e1000e *e, enum e1000e_reg reg)
{
	return pp_vfio_read32(e->regs, reg);
}

static void reg_write(const struct e1000e *e, enum e1000e_reg reg, uint32_t value)
{
	pp_vfio_write32(e->regs, reg, value);
}

static uint32_t read_one(const volatile void *reg)
{
	return pp_vfio_read32(reg, 0);
}

/* Wait until the bits of mask read as value: 0, -ENODEV or -ETIMEDOUT. */
static int wait_for(struct e1000e *e, enum e1000e_reg reg, uint32_t mask, uint32_t value,
		    const char *what)
{
	return card_wait(&e->card, (const volatile char *)e->regs + reg, read_one, mask, value,
			 what);
}

/* ---- receive -------------------------------------------------------------------------------- */

/* Give the device empty pages for the free descriptors. */
static void rx_post(struct e1000e *e)
{
	struct card_queue *q = &e->queue;
	uint64_t begun = e->rx_posted;
	struct pp_page *page;

	while (e->rx_posted - e->rx_seen < RING - 1 && card_room(q, e->rx_posted - e->rx_seen)) {
		struct e1000e_rx_desc *d = &e->rx[e->rx_posted % RING];

		if (pp_page_get(&page, q->port.rx_pool)) {
			port_count(&q->port.stats.rx_no_page, 1);
			break; /* some will be put; the next poll tries again */
		}
		pp_dma_sync_for_device(e->card.binding, pp_page_iova(page), E1000E_RX_BUFFER,
				       q->rx_dir);
		d->addr = htole64(pp_page_iova(page));
		d->done = 0;
		e->rx_page[e->rx_posted++ % RING] = page;
	}
	port_set(&q->port.stats.rx_posted, e->rx_posted - e->rx_seen);
	if (e->rx_posted != begun) /* ordered after the descriptors */
		reg_write(e, E1000E_RDT, (uint32_t)(e->rx_posted % RING));
}

/*
 * Read what the device has written back. A descriptor is read once: it could say something
 * else the next time. The length is refused if it is more than was posted, as is a packet
 * of more pieces than the longest one has, or with an error.
 */
static void rx_look(struct e1000e *e)
{
	struct card_queue *q = &e->queue;
	uint64_t now = card_now();

	while (e->rx_seen < e->rx_posted) {
		uint64_t *word = &e->rx[e->rx_seen % RING].done;
		uint64_t done = le64toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));
		struct card_piece p = { .page = e->rx_page[e->rx_seen % RING], .time_ns = now };

		if (!(done & E1000E_RX_DD))
			break;
		e->rx_seen++;
		p.len = E1000E_RX_LEN(done);
		p.last = done & E1000E_RX_EOP;
		p.bad = p.len > E1000E_RX_BUFFER || (done & E1000E_RX_ERRORS) ||
			q->in.end - q->in.whole >= PIECES;
		if (!p.bad && !q->in.bad && p.len)
			pp_dma_sync_for_cpu(e->card.binding, pp_page_iova(p.page), p.len,
					    q->rx_dir);
		card_arrived(q, &p);
	}
}

static unsigned e1000e_receive(struct port_queue *port, struct pp_net_seg *seg, unsigned n)
{
	struct e1000e *e = e1000e_of(port);
	struct card_queue *q = &e->queue;
	unsigned got;

	if (!e->rx)
		return card_take(q, seg, n); /* what had arrived when it was unbound */
	if (q->in.next == q->in.whole)
		rx_look(e);
	got = card_take(q, seg, n);
	rx_post(e);
	return got;
}

/* ---- send ----------------------------------------------------------------------------------- */

static unsigned tx_room(struct card_queue *q)
{
	const struct e1000e *e = e1000e_of(&q->port);

	return (unsigned)(RING - 1 - (e->tx_posted - e->tx_done));
}

static void tx_post(struct card_queue *q, const struct pp_net_seg *seg, bool first)
{
	struct e1000e *e = e1000e_of(&q->port);
	struct e1000e_tx_desc *d = &e->tx[e->tx_posted % RING];
	uint64_t ctrl = seg->len | E1000E_TX_IFCS;
	bool last = seg->flags & PP_NET_LAST;

	(void)first;
	pp_dma_sync_for_device(e->card.binding, pp_page_iova(seg->page) + seg->offset, seg->len,
			       q->tx_dir);
	d->addr = htole64(pp_page_iova(seg->page) + seg->offset);
	d->ctrl = htole64(last ? ctrl | E1000E_TX_EOP | E1000E_TX_RS : ctrl);
	e->tx_slot[e->tx_posted++ % RING] = (struct tx_slot){ seg->page, seg->len, last };
}

static unsigned e1000e_send(struct port_queue *port, const struct pp_net_seg *seg, unsigned n)
{
	static const struct card_tx tx = { tx_room, tx_post };
	struct e1000e *e = e1000e_of(port);
	uint64_t begun = e->tx_posted;
	unsigned taken = e->tx ? card_send(&e->queue, &tx, seg, n) : 0;

	if (e->tx_posted != begun) /* ordered after the descriptors */
		reg_write(e, E1000E_TDT, (uint32_t)(e->tx_posted % RING));
	return taken;
}

/* True, and where it ends, if the packet at tx_done is sent. The last descriptor tells. */
static bool tx_sent(const struct e1000e *e, uint64_t *end)
{
	uint64_t i = e->tx_done;

	if (i == e->tx_posted)
		return false;
	while (!e->tx_slot[i % RING].last) /* there is one: whole packets were posted */
		i++;
	*end = i + 1;
	return le64toh(__atomic_load_n(&e->tx[i % RING].ctrl, __ATOMIC_ACQUIRE)) & E1000E_TX_DD;
}

static unsigned e1000e_reap(struct port_queue *q)
{
	struct e1000e *e = e1000e_of(q);
	uint64_t end;

	while (e->tx && tx_sent(e, &end)) {
		for (; e->tx_done < end; e->tx_done++) {
			port_count(&q->stats.tx_bytes, e->tx_slot[e->tx_done % RING].len);
			pp_page_put(e->tx_slot[e->tx_done % RING].page);
		}
		port_count(&q->stats.tx_packets, 1);
	}
	return (unsigned)(e->tx_posted - e->tx_done);
}

/* ---- the device ----------------------------------------------------------------------------- */

/* Receive and send no more, and let the DMA that is under way end (4.6). */
static int stop(struct e1000e *e)
{
	reg_write(e, E1000E_IMC, UINT32_MAX);
	reg_write(e, E1000E_RCTL, 0);
	reg_write(e, E1000E_TCTL, E1000E_TCTL_PSP);
	reg_write(e, E1000E_CTRL, reg_read(e, E1000E_CTRL) | E1000E_CTRL_MASTER_DISABLE);
	return wait_for(e, E1000E_STATUS, E1000E_STATUS_MASTER_ENABLE, 0, "end its DMA");
}

/* As after power on; also out of whatever its last driver left behind. */
static int reset(struct e1000e *e)
{
	int ret = pp_vfio_bus_master(e->card.vfio, false);

	if (ret)
		return card_fail(&e->card, ret, "the device doesn't answer: %s", strerror(-ret));
	if (stop(e) == -ENODEV) /* one that doesn't stop is helped by the reset only */
		return -ENODEV;
	reg_write(e, E1000E_CTRL, reg_read(e, E1000E_CTRL) | E1000E_CTRL_RST);
	ret = wait_for(e, E1000E_CTRL, E1000E_CTRL_RST, 0, "come out of its reset");
	if (!ret)
		ret = wait_for(e, E1000E_EEC, E1000E_EEC_AUTO_RD, E1000E_EEC_AUTO_RD,
			       "read its EEPROM");
	if (ret)
		return ret;
	reg_write(e, E1000E_IMC, UINT32_MAX);
	reg_write(e, E1000E_ICR, UINT32_MAX);
	reg_write(e, E1000E_CTRL,
		  (reg_read(e, E1000E_CTRL) | E1000E_CTRL_SLU) & ~E1000E_CTRL_MASTER_DISABLE);
	e->card.error[0] = 0;
	return 0;
}

static void start(struct e1000e *e)
{
	reg_write(e, E1000E_RDBAL, (uint32_t)e->rx_iova);
	reg_write(e, E1000E_RDBAH, (uint32_t)(e->rx_iova >> 32));
	reg_write(e, E1000E_RDLEN, RING * sizeof *e->rx);
	reg_write(e, E1000E_RDH, 0);
	reg_write(e, E1000E_RDT, 0);
	reg_write(e, E1000E_TDBAL, (uint32_t)e->tx_iova);
	reg_write(e, E1000E_TDBAH, (uint32_t)(e->tx_iova >> 32));
	reg_write(e, E1000E_TDLEN, RING * sizeof *e->tx);
	reg_write(e, E1000E_TDH, 0);
	reg_write(e, E1000E_TDT, 0);
	reg_write(e, E1000E_TXDCTL, reg_read(e, E1000E_TXDCTL) | E1000E_TXDCTL_COUNT);
	reg_write(e, E1000E_TCTL,
		  E1000E_TCTL_EN | E1000E_TCTL_PSP | E1000E_TCTL_CT(15u) | E1000E_TCTL_COLD(63u));
	reg_write(e, E1000E_RCTL,
		  E1000E_RCTL_EN | (e->card.promiscuous ? E1000E_RCTL_UPE : 0) | E1000E_RCTL_MPE |
			  E1000E_RCTL_LPE | E1000E_RCTL_BAM | E1000E_RCTL_BSIZE_4096 |
			  E1000E_RCTL_SECRC);
	rx_post(e);
	if (!e->card.poll)
		reg_write(e, E1000E_IMS, CAUSES);
}

/* ---- the binding ---------------------------------------------------------------------------- */

static int make_rings(struct e1000e *e)
{
	int ret = pp_dma_alloc_coherent(e->card.binding, RING * sizeof *e->rx, (void **)&e->rx,
					&e->rx_iova);

	if (!ret)
		ret = pp_dma_alloc_coherent(e->card.binding, RING * sizeof *e->tx, (void **)&e->tx,
					    &e->tx_iova);
	return ret;
}

static void free_rings(struct e1000e *e)
{
	if (e->rx)
		pp_dma_free_coherent(e->card.binding, RING * sizeof *e->rx, e->rx, e->rx_iova);
	if (e->tx)
		pp_dma_free_coherent(e->card.binding, RING * sizeof *e->tx, e->tx, e->tx_iova);
}

/* Nothing of the binding is left, but whole packets that have not been polled. */
static void forget(struct e1000e *e)
{
	struct pp_net_stats *stats = &e->queue.port.stats;

	while (e->rx_posted > e->rx_seen)
		pp_page_put(e->rx_page[--e->rx_posted % RING]);
	e->rx_seen = e->rx_posted = 0;
	port_set(&stats->rx_posted, 0);
	while (e->tx_done < e->tx_posted) {
		port_count(&stats->tx_unsent, e->tx_slot[e->tx_done % RING].last);
		pp_page_put(e->tx_slot[e->tx_done++ % RING].page);
	}
	e->tx_done = e->tx_posted = 0;
	card_forget(&e->queue);
	e->rx = NULL;
	e->tx = NULL;
	e->card.binding = pp_binding_none();
}

/*
 * Reset the device first: until then it may do what it was told by somebody else, and from
 * here on memory is mapped for it.
 */
static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct e1000e *e = ctx;
	int ret;

	(void)dev;
	e->card.binding = binding;
	e->card.error[0] = 0;
	ret = reset(e);
	if (!ret)
		ret = pp_dma_set_mask(binding, 64);
	if (!ret)
		ret = card_pools(&e->card, &e->queue);
	if (!ret)
		ret = make_rings(e);
	if (!ret && !e->card.poll)
		ret = pp_vfio_irq_enable(e->card.vfio, PP_VFIO_MSI, 1, &e->queue.irq_fd);
	if (!ret)
		ret = pp_vfio_bus_master(e->card.vfio, true);
	if (ret) {
		if (!*e->card.error)
			snprintf(e->card.error, sizeof e->card.error, "%s",
				 pp_vfio_error(e->card.vfio));
		pp_vfio_irq_disable(e->card.vfio, PP_VFIO_MSI);
		free_rings(e);
		forget(e);
		return ret;
	}
	start(e);
	return 0;
}

/*
 * While the device answers: stop it, take what it has received and sent, free the rings. If
 * it has gone, all mappings have been taken back already, and its ring is not read any more.
 * Either way pages that others hold stay theirs, and nothing is waited for.
 */
static void e1000e_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
			  void *ctx)
{
	struct e1000e *e = ctx;

	(void)dev, (void)binding;
	e->card.error[0] = 0;
	if (why == PP_REMOVE_UNBIND) {
		if (!e->card.rogue) {
			stop(e); /* if it won't: what it does from now on faults */
			pp_vfio_bus_master(e->card.vfio, false);
			port_count(&e->queue.port.stats.rx_missed,
				   e->card.gone ? 0 : reg_read(e, E1000E_MPC));
		}
		rx_look(e);
	}
	e1000e_reap(&e->queue.port); /* also of one that has gone: what it sent is in memory */
	if (why == PP_REMOVE_UNBIND) {
		free_rings(e);
		if (e->card.rogue) /* and it goes on with all of the ring, which isn't there */
			reg_write(e, E1000E_RDT, (reg_read(e, E1000E_RDH) + RING - 1) % RING);
	}
	pp_vfio_irq_disable(e->card.vfio, PP_VFIO_MSI);
	forget(e);
}

/* ---- the rest of port.h --------------------------------------------------------------------- */

static int e1000e_event_fd(struct port_queue *q)
{
	return card_queue_of(q)->event_fd;
}

/* The read sees to it that the clearing has arrived: what comes later interrupts. */
static void e1000e_arm(struct port_queue *q)
{
	struct e1000e *e = e1000e_of(q);
	eventfd_t drop;

	if (!e->rx || e->card.poll)
		return;
	eventfd_read(e->queue.irq_fd, &drop); /* fails if there is nothing to take back */
	reg_write(e, E1000E_ICR, UINT32_MAX);
	reg_read(e, E1000E_STATUS);
}

static enum pp_net_state e1000e_state(struct pp_net *net)
{
	struct e1000e *e = e1000e_at(net);
	struct card *c = &e->card;

	if (!c->gone)
		c->gone = pp_vfio_requested(c->vfio) || reg_read(e, E1000E_STATUS) == CARD_GONE;
	return c->gone ? PP_NET_GONE : PP_NET_RUNNING;
}

static bool e1000e_quiet(struct pp_net *net)
{
	struct e1000e *e = e1000e_at(net);
	int ret;

	if (e->card.gone || e->rx)
		return e->card.gone;
	ret = stop(e); /* once more, unless it was left running */
	pp_vfio_bus_master(e->card.vfio, false);
	return !ret || e->card.gone;
}

static void e1000e_close(struct pp_net *net)
{
	card_unregister(card_at(net));
	free(net);
}

static const struct port_ops e1000e_ops = {
	.receive = e1000e_receive,
	.send = e1000e_send,
	.reap = e1000e_reap,
	.event_fd = e1000e_event_fd,
	.arm = e1000e_arm,
	.state = e1000e_state,
	.error = card_error,
	.quiet = e1000e_quiet,
	.close = e1000e_close,
};

bool e1000e_knows(uint32_t id)
{
	return id == E1000E_PCI_ID;
}

static int map_registers(struct e1000e *e)
{
	size_t size;
	int ret = pp_vfio_bar(e->card.vfio, 0, &e->regs, &size);

	return ret ? ret : size < E1000E_BAR_BYTES ? -ENXIO : 0;
}

static void describe(struct e1000e *e, struct pp_vfio *vfio, const struct pp_net_vfio_params *set,
		     const struct pp_net_params *params)
{
	struct pp_net_info *info = &e->card.net.info;

	card_describe(&e->card, vfio, set, params, &e1000e_ops);
	e->card.poll |= !pp_vfio_irq_count(vfio, PP_VFIO_MSI);
	info->ring = RING;
	info->shortest = E1000E_TX_SHORTEST;
	info->longest = E1000E_TX_LONGEST;
	info->pieces = E1000E_TX_PIECES;
	info->segments = PIECES;
}

int e1000e_net_open(struct pp_net **out, struct pp_vfio *vfio, const struct pp_net_vfio_params *set,
		    const struct pp_net_params *params, char *error)
{
	struct e1000e *e = calloc(1, sizeof *e);
	const struct pp_driver drv = {
		.name = "e1000e", .probe = probe, .remove = e1000e_remove, .ctx = e
	};
	int ret = e ? 0 : -ENOMEM;

	*out = NULL;
	if (ret)
		goto sentence;
	describe(e, vfio, set, params);
	ret = map_registers(e);
	if (!ret)
		ret = card_add(&e->card, &e->queue, E1000E_RX_BUFFER, params->max_pages);
	if (!ret)
		ret = card_register(&e->card, &drv);
	if (!ret) {
		*out = &e->card.net;
		return 0;
	}
	card_close_queues(&e->card);
	free(e);
sentence:
	snprintf(error, PP_NET_ERROR, "%s can't be set up: %s", pp_vfio_address(vfio),
		 strerror(-ret));
	return ret;
}
