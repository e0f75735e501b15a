/*
 * driver.c - a driver for Intel's 82574L, a gigabit NIC, on pagepool's public API alone.
 * Read regs.h for the device, then probe, remove and rx_look.
 *
 * Packets are received straight into pages of a pool, which is mapped for as long as the
 * device is bound; one that is longer than a page goes on in the next. The rings lie in
 * coherent memory. As every driver here, it waits for nobody when it is unbound: see
 * e1000e_remove.
 *
 * A device is not to be trusted. What it writes back is read once, into memory that it
 * can't reach, and each length is checked there. And it may be pulled out at any time:
 * then its registers read as all ones, which no loop here takes for a value, and each
 * wait is counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "driver.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../whole.h"
#include "regs.h"

#define RING 512u        /* descriptors of each ring, 8 KiB; one stays free: full isn't empty */
#define SLOTS (2 * RING) /* received and not yet polled, and posted */
#define PIECES (E1000E_RX_LONGEST / E1000E_RX_BUFFER) /* of a packet, at most */
#define LOOKS 20000                                   /* at a register that is waited for, ... */
#define LOOK_NS 10000                                 /* ... so far apart, at least: 0.2 s in all */
#define GONE UINT32_MAX /* what a register reads when there is no device */
#define CAUSES                                                                                     \
	(E1000E_CAUSE_TXDW | E1000E_CAUSE_LSC | E1000E_CAUSE_RXDMT0 | E1000E_CAUSE_RXO |           \
	 E1000E_CAUSE_RXT0)

/* A page in the receive ring, and what the device said of it, once read. */
struct rx_slot {
	struct pp_page *page;
	uint32_t len, wire_len;
	uint64_t time_ns;
	bool last, bad;
};

struct tx_slot {
	struct pp_page *page;
	uint32_t len;
	bool last;
};

struct e1000e {
	struct pp_net net; /* the base: first */
	struct port_queue queue;
	bool poll, rogue, promiscuous;
	struct pp_vfio *vfio;
	volatile void *regs;
	int irq_fd;   /* counts interrupts */
	int event_fd; /* epoll: irq_fd, and the kernel's wish to have the device back */
	char error[PP_VFIO_ERROR];
	bool gone;

	/* while bound */
	pp_binding_t binding;
	struct e1000e_rx_desc *rx; /* the rings */
	struct e1000e_tx_desc *tx;
	pp_iova_t rx_iova, tx_iova;
	enum pp_dma_dir rx_dir, tx_dir; /* of the pools */

	/*
	 * Receive slots, counting on for ever: next to be polled <= end of the last whole
	 * packet <= next to be looked at <= end of those posted. The ring began at rx_base.
	 * The whole packets stay when the device is unbound.
	 */
	struct rx_slot rx_slot[SLOTS];
	uint64_t rx_next, rx_whole, rx_seen, rx_posted, rx_base;
	uint32_t rx_len; /* of the packet from rx_whole on */
	bool rx_bad;     /* it is being dropped */

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

/* What goes wrong is kept as a sentence, for port_ops.error, until the next bind or unbind. */
static int fail(struct e1000e *e, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct e1000e *e, int ret, const char *format, ...)
{
	int n = snprintf(e->error, sizeof e->error, "%s: ", pp_vfio_address(e->vfio));
	va_list args;

	va_start(args, format);
	vsnprintf(e->error + n, sizeof e->error - (size_t)n, format, args);
	va_end(args);
	return ret;
}

/* Wait until the bits of mask read as value: 0, -ENODEV or -ETIMEDOUT. */
static int wait_for(struct e1000e *e, enum e1000e_reg reg, uint32_t mask, uint32_t value,
		    const char *what)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };

	for (unsigned i = 0; i < LOOKS; i++) {
		uint32_t now;

		nanosleep(&pause, NULL);
		now = reg_read(e, reg);
		if (now == GONE) {
			e->gone = true;
			return fail(e, -ENODEV, "the device has gone");
		}
		if ((now & mask) == value)
			return 0;
	}
	return fail(e, -ETIMEDOUT, "the device does not %s, after %d looks", what, LOOKS);
}

/* ---- receive --------------------------------------------------------------------------------- */

/* Give the device empty pages for the free descriptors. */
static void rx_post(struct e1000e *e)
{
	uint64_t begun = e->rx_posted;
	struct pp_page *page;

	while (e->rx_posted - e->rx_seen < RING - 1 && e->rx_posted - e->rx_next < SLOTS) {
		struct e1000e_rx_desc *d = &e->rx[(e->rx_posted - e->rx_base) % RING];

		if (pp_page_get(&page, e->queue.rx_pool)) {
			port_count(&e->queue.stats.rx_no_page, 1);
			break; /* some will be put; the next poll tries again */
		}
		pp_dma_sync_for_device(e->binding, pp_page_iova(page), E1000E_RX_BUFFER, e->rx_dir);
		d->addr = htole64(pp_page_iova(page));
		d->done = 0;
		e->rx_slot[e->rx_posted++ % SLOTS].page = page;
	}
	port_set(&e->queue.stats.rx_posted, e->rx_posted - e->rx_seen);
	if (e->rx_posted != begun) /* ordered after the descriptors */
		reg_write(e, E1000E_RDT, (uint32_t)((e->rx_posted - e->rx_base) % RING));
}

/* The packet ends before slot `end`, or is given up there. */
static void rx_close(struct e1000e *e, uint64_t end, uint64_t time_ns)
{
	bool bad = e->rx_bad || !e->rx_len;

	for (; e->rx_whole < end; e->rx_whole++) {
		struct rx_slot *s = &e->rx_slot[e->rx_whole % SLOTS];

		s->bad = bad;
		s->wire_len = e->rx_len;
		s->time_ns = time_ns;
	}
	e->rx_len = 0;
}

/*
 * Read what the device has written back. A descriptor is read once: it could say something
 * else the next time. The length is refused if it is more than was posted, as is a packet
 * of more pieces than the longest one has, or with an error.
 */
static void rx_look(struct e1000e *e)
{
	struct timespec now;
	uint64_t now_ns;

	clock_gettime(CLOCK_REALTIME, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	while (e->rx_seen < e->rx_posted) {
		struct rx_slot *s = &e->rx_slot[e->rx_seen % SLOTS];
		uint64_t *word = &e->rx[(e->rx_seen - e->rx_base) % RING].done;
		uint64_t done = le64toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));

		if (!(done & E1000E_RX_DD))
			break;
		e->rx_seen++;
		s->len = E1000E_RX_LEN(done);
		s->last = done & E1000E_RX_EOP;
		e->rx_len += s->len;
		e->rx_bad |= s->len > E1000E_RX_BUFFER || (done & E1000E_RX_ERRORS) ||
			     e->rx_seen - e->rx_whole > PIECES;
		if (!e->rx_bad && s->len)
			pp_dma_sync_for_cpu(e->binding, pp_page_iova(s->page), s->len, e->rx_dir);
		if (s->last || e->rx_bad) /* a bad one's pages are free again at once */
			rx_close(e, e->rx_seen, now_ns);
		if (s->last) {
			port_count(&e->queue.stats.rx_refused,
				   e->rx_slot[(e->rx_seen - 1) % SLOTS].bad);
			e->rx_bad = false;
		}
	}
}

/* Whole packets out of the slots, which the device can't change any more. */
static unsigned rx_take(struct e1000e *e, struct pp_net_seg *seg, unsigned n)
{
	uint64_t packets = 0, bytes = 0;
	unsigned got = 0;

	while (got < n && e->rx_next < e->rx_whole) {
		struct rx_slot *s = &e->rx_slot[e->rx_next++ % SLOTS];

		if (s->bad) {
			pp_page_put(s->page);
			continue;
		}
		seg[got++] = (struct pp_net_seg){
			.page = s->page,
			.len = s->len,
			.wire_len = s->wire_len,
			.time_ns = s->time_ns,
			.flags = s->last ? PP_NET_LAST : 0,
			.time_source = PP_NET_TIME_POLL,
		};
		packets += s->last;
		bytes += s->len;
	}
	port_count(&e->queue.stats.rx_packets, packets);
	port_count(&e->queue.stats.rx_bytes, bytes);
	return got;
}

static unsigned e1000e_receive(struct port_queue *q, struct pp_net_seg *seg, unsigned n)
{
	struct e1000e *e = e1000e_of(q);
	unsigned got;

	if (!e->rx)
		return rx_take(e, seg, n); /* what had arrived when it was unbound */
	if (e->rx_next == e->rx_whole)
		rx_look(e);
	got = rx_take(e, seg, n);
	rx_post(e);
	return got;
}

/* ---- send ------------------------------------------------------------------------------------ */

/* Segments of the first packet, or 0 if its end isn't there; its bytes. */
static unsigned tx_packet(const struct pp_net_seg *seg, unsigned n, uint64_t *bytes)
{
	*bytes = 0;
	for (unsigned i = 0; i < n; i++) {
		*bytes += seg[i].len;
		if (seg[i].flags & PP_NET_LAST)
			return i + 1;
	}
	return 0;
}

static void tx_post(struct e1000e *e, const struct pp_net_seg *seg)
{
	struct e1000e_tx_desc *d = &e->tx[e->tx_posted % RING];
	uint64_t ctrl = seg->len | E1000E_TX_IFCS;
	bool last = seg->flags & PP_NET_LAST;

	pp_dma_sync_for_device(e->binding, pp_page_iova(seg->page) + seg->offset, seg->len,
			       e->tx_dir);
	d->addr = htole64(pp_page_iova(seg->page) + seg->offset);
	d->ctrl = htole64(last ? ctrl | E1000E_TX_EOP | E1000E_TX_RS : ctrl);
	e->tx_slot[e->tx_posted++ % RING] = (struct tx_slot){ seg->page, seg->len, last };
}

/* Why the device can't send a packet, or NULL. */
static uint64_t *unfit(struct pp_net_stats *stats, unsigned pieces, uint64_t bytes)
{
	if (bytes < E1000E_TX_SHORTEST)
		return &stats->tx_too_short;
	if (bytes > E1000E_TX_LONGEST)
		return &stats->tx_too_long;
	return pieces > E1000E_TX_PIECES ? &stats->tx_malformed : NULL;
}

/* Post a packet, made whole. False: it can't be. */
static bool tx_whole(struct e1000e *e, const struct pp_net_seg *seg, unsigned n)
{
	struct pp_net_seg head = *seg;

	if (whole_is_not(seg) && whole_make(&head, seg + 1, n))
		return false;
	tx_post(e, &head);
	for (unsigned i = 1; i < n; i++)
		tx_post(e, &seg[i]);
	return true;
}

static unsigned e1000e_send(struct port_queue *q, const struct pp_net_seg *seg, unsigned n)
{
	struct e1000e *e = e1000e_of(q);
	uint64_t begun = e->tx_posted, bytes;
	unsigned taken = 0, packets = 0, k;

	while (e->tx && (k = tx_packet(seg + taken, n - taken, &bytes))) {
		uint64_t *why = unfit(&q->stats, k, bytes);

		if (!why && e->tx_posted + k - e->tx_done > RING - 1)
			break;
		if (!why && !tx_whole(e, &seg[taken], k))
			why = &q->stats.tx_malformed;
		if (why)
			port_refuse(seg + taken, k, why);
		packets += !why;
		taken += k;
	}
	port_count(&q->stats.tx_taken, packets);
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

/* ---- the device ------------------------------------------------------------------------------ */

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
	int ret = pp_vfio_bus_master(e->vfio, false);

	if (ret)
		return fail(e, ret, "the device doesn't answer: %s", strerror(-ret));
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
	e->error[0] = 0;
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
		  E1000E_RCTL_EN | (e->promiscuous ? E1000E_RCTL_UPE : 0) | E1000E_RCTL_MPE |
			  E1000E_RCTL_LPE | E1000E_RCTL_BAM | E1000E_RCTL_BSIZE_4096 |
			  E1000E_RCTL_SECRC);
	rx_post(e);
	if (!e->poll)
		reg_write(e, E1000E_IMS, CAUSES);
}

/* ---- the binding ----------------------------------------------------------------------------- */

/* Another's pool, if its pages are big enough. */
static int take_pool(struct e1000e *e)
{
	struct pp_page *page;
	int ret = pp_pool_attach(e->queue.given, e->binding);

	if (ret)
		return ret;
	e->queue.rx_pool = e->queue.tx_pool = e->queue.given;
	e->rx_dir = e->tx_dir = PP_DMA_BIDIRECTIONAL;
	ret = pp_page_get(&page, e->queue.given);
	if (ret)
		return ret;
	if (pp_page_size(page) < E1000E_RX_BUFFER)
		ret = fail(e, -EINVAL, "it needs a pool with pages of %u bytes", E1000E_RX_BUFFER);
	pp_page_put(page);
	return ret;
}

static int make_pools(struct e1000e *e)
{
	struct pp_pool_params p = e->queue.wants;
	int ret;

	if (e->queue.given)
		return take_pool(e);
	p.name = "e1000e rx";
	p.dir = e->rx_dir = PP_DMA_FROM_DEVICE;
	ret = pp_pool_create(&e->queue.rx_pool, e->binding, &p);
	if (ret)
		return ret;
	p.name = "e1000e tx";
	p.dir = e->tx_dir = PP_DMA_TO_DEVICE;
	p.max_pages = 0;
	return pp_pool_create(&e->queue.tx_pool, e->binding, &p);
}

static int make_rings(struct e1000e *e)
{
	int ret = pp_dma_alloc_coherent(e->binding, RING * sizeof *e->rx, (void **)&e->rx,
					&e->rx_iova);

	if (!ret)
		ret = pp_dma_alloc_coherent(e->binding, RING * sizeof *e->tx, (void **)&e->tx,
					    &e->tx_iova);
	return ret;
}

static void free_rings(struct e1000e *e)
{
	if (e->rx)
		pp_dma_free_coherent(e->binding, RING * sizeof *e->rx, e->rx, e->rx_iova);
	if (e->tx)
		pp_dma_free_coherent(e->binding, RING * sizeof *e->tx, e->tx, e->tx_iova);
}

/* Nothing of the binding is left, but whole packets that have not been polled. */
static void forget(struct e1000e *e)
{
	while (e->rx_posted > e->rx_whole) /* posted, or half a packet */
		pp_page_put(e->rx_slot[--e->rx_posted % SLOTS].page);
	e->rx_seen = e->rx_base = e->rx_posted;
	e->rx_len = 0;
	e->rx_bad = false;
	port_set(&e->queue.stats.rx_posted, 0);
	while (e->tx_done < e->tx_posted) {
		port_count(&e->queue.stats.tx_unsent, e->tx_slot[e->tx_done % RING].last);
		pp_page_put(e->tx_slot[e->tx_done++ % RING].page);
	}
	e->tx_done = e->tx_posted = 0;
	if (e->queue.rx_pool != e->queue.given) { /* that one is the caller's */
		pp_pool_destroy(e->queue.rx_pool);
		pp_pool_destroy(e->queue.tx_pool);
	}
	e->queue.rx_pool = e->queue.tx_pool = NULL;
	e->rx = NULL;
	e->tx = NULL;
	e->binding = pp_binding_none();
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
	e->binding = binding;
	e->error[0] = 0;
	ret = reset(e);
	if (!ret)
		ret = pp_dma_set_mask(binding, 64);
	if (!ret)
		ret = make_pools(e);
	if (!ret)
		ret = make_rings(e);
	if (!ret && !e->poll)
		ret = pp_vfio_irq_enable(e->vfio, PP_VFIO_MSI, 1, &e->irq_fd);
	if (!ret)
		ret = pp_vfio_bus_master(e->vfio, true);
	if (ret) {
		if (!*e->error)
			snprintf(e->error, sizeof e->error, "%s", pp_vfio_error(e->vfio));
		pp_vfio_irq_disable(e->vfio, PP_VFIO_MSI);
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
	e->error[0] = 0;
	if (why == PP_REMOVE_UNBIND) {
		if (!e->rogue) {
			stop(e); /* if it won't: what it does from now on faults */
			pp_vfio_bus_master(e->vfio, false);
			port_count(&e->queue.stats.rx_missed,
				   e->gone ? 0 : reg_read(e, E1000E_MPC));
		}
		rx_look(e);
		e1000e_reap(&e->queue);
		free_rings(e);
		if (e->rogue) /* and it goes on with all of the ring, which isn't there */
			reg_write(e, E1000E_RDT, (reg_read(e, E1000E_RDH) + RING - 1) % RING);
	}
	pp_vfio_irq_disable(e->vfio, PP_VFIO_MSI);
	forget(e);
}

/* ---- the rest of port.h ---------------------------------------------------------------------- */

static int e1000e_event_fd(struct port_queue *q)
{
	return e1000e_of(q)->event_fd;
}

/* The read sees to it that the clearing has arrived: what comes later interrupts. */
static void e1000e_arm(struct port_queue *q)
{
	struct e1000e *e = e1000e_of(q);
	eventfd_t drop;

	if (!e->rx || e->poll)
		return;
	eventfd_read(e->irq_fd, &drop); /* fails if there is nothing to take back */
	reg_write(e, E1000E_ICR, UINT32_MAX);
	reg_read(e, E1000E_STATUS);
}

static enum pp_net_state e1000e_state(struct pp_net *net)
{
	struct e1000e *e = e1000e_at(net);

	if (!e->gone)
		e->gone = pp_vfio_requested(e->vfio) || reg_read(e, E1000E_STATUS) == GONE;
	return e->gone ? PP_NET_GONE : PP_NET_RUNNING;
}

static const char *e1000e_error(struct pp_net *net)
{
	struct e1000e *e = e1000e_at(net);

	if (e->gone && !*e->error)
		return "the device has gone";
	/* while it is bound, what may have gone wrong is a mapping: a limit of the kernel's */
	return e->rx && !*e->error ? pp_vfio_error(e->vfio) : e->error;
}

static bool e1000e_quiet(struct pp_net *net)
{
	struct e1000e *e = e1000e_at(net);
	int ret;

	if (e->gone || e->rx)
		return e->gone;
	ret = stop(e); /* once more, unless it was left running */
	pp_vfio_bus_master(e->vfio, false);
	return !ret || e->gone;
}

static void close_files(struct e1000e *e)
{
	if (e->irq_fd >= 0)
		close(e->irq_fd);
	if (e->event_fd >= 0)
		close(e->event_fd);
}

static void e1000e_close(struct pp_net *net)
{
	struct e1000e *e = e1000e_at(net);
	struct pp_net_seg seg;

	pp_device_unregister(e->queue.dev);
	pp_driver_unregister(&net->drv);
	while (rx_take(e, &seg, 1))
		pp_page_put(seg.page);
	pp_vfio_close(e->vfio);
	close_files(e);
	free(e);
}

static const struct port_ops e1000e_ops = {
	.receive = e1000e_receive,
	.send = e1000e_send,
	.reap = e1000e_reap,
	.event_fd = e1000e_event_fd,
	.arm = e1000e_arm,
	.state = e1000e_state,
	.error = e1000e_error,
	.quiet = e1000e_quiet,
	.close = e1000e_close,
};

bool e1000e_knows(struct pp_vfio *vfio, uint32_t *id)
{
	return !pp_vfio_config_read(vfio, 0, 4, id) && *id == E1000E_PCI_ID;
}

static int watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* One descriptor for interrupts and for the kernel's request; polling: always readable. */
static int make_events(struct e1000e *e)
{
	int request = pp_vfio_request_fd(e->vfio), ret;

	e->irq_fd = eventfd(e->poll, EFD_NONBLOCK | EFD_CLOEXEC);
	e->event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (e->irq_fd < 0 || e->event_fd < 0)
		return -errno;
	ret = watch(e->event_fd, e->irq_fd);
	return ret || request < 0 ? ret : watch(e->event_fd, request);
}

static int map_registers(struct e1000e *e)
{
	size_t size;
	int ret = pp_vfio_bar(e->vfio, 0, &e->regs, &size);

	return ret ? ret : size < E1000E_BAR_BYTES ? -ENXIO : 0;
}

static void describe(struct e1000e *e, uint64_t max_pages)
{
	struct pp_net *net = &e->net;

	snprintf(net->name, sizeof net->name, "vfio:%s", pp_vfio_address(e->vfio));
	net->ops = &e1000e_ops;
	net->queue[0] = &e->queue;
	net->n_queues = 1;
	net->drv = (struct pp_driver){
		.name = "e1000e", .probe = probe, .remove = e1000e_remove, .ctx = e
	};
	net->info = (struct pp_net_info){
		.name = net->name,
		.link_type = PORT_LINK_ETHERNET,
		.ring = RING,
		.shortest = E1000E_TX_SHORTEST,
		.longest = E1000E_TX_LONGEST,
		.pieces = E1000E_TX_PIECES,
		.time_source = PP_NET_TIME_POLL,
		.time_precision_ns = 1,
	};
	e->queue.net = net;
	e->queue.wants = pp_pool_defaults();
	e->queue.wants.page_size = E1000E_RX_BUFFER;
	e->queue.wants.max_pages = max_pages;
}

static int register_device(struct e1000e *e)
{
	struct pp_device_params dev = PP_PARAMS(struct pp_device_params);
	int ret = pp_driver_register(&e->net.drv);

	if (ret)
		return ret;
	dev.name = pp_vfio_address(e->vfio);
	dev.iommu = pp_vfio_iommu(e->vfio);
	dev.resource = e->vfio;
	ret = pp_device_register(&e->queue.dev, &dev);
	if (ret)
		pp_driver_unregister(&e->net.drv);
	return ret;
}

int e1000e_net_open(struct pp_net **out, struct pp_vfio *vfio, const struct pp_net_vfio_params *set,
		    const struct pp_net_params *params, char *error)
{
	struct e1000e *e = calloc(1, sizeof *e);
	int ret = e ? 0 : -ENOMEM;

	*out = NULL;
	if (ret)
		goto sentence;
	e->poll = set->poll || !pp_vfio_irq_count(vfio, PP_VFIO_MSI);
	e->rogue = set->rogue;
	e->promiscuous = params->promiscuous;
	e->vfio = vfio;
	e->irq_fd = e->event_fd = -1;
	describe(e, params->max_pages);
	ret = map_registers(e);
	if (!ret)
		ret = make_events(e);
	if (!ret)
		ret = register_device(e);
	if (!ret) {
		*out = &e->net;
		return 0;
	}
	close_files(e);
	free(e);
sentence:
	snprintf(error, PP_NET_ERROR, "%s can't be set up: %s", pp_vfio_address(vfio),
		 strerror(-ret));
	return ret;
}
