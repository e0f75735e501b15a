/*
 * driver.c - a driver for virtio's network device, which every virtual machine has, on pagepool's
 * public API alone. Read regs.h for the device and ring.h for its rings, then probe, virtio_remove
 * and rx_look.
 *
 * Packets are received straight into the pages of a pool, behind the header that virtio puts before
 * each; a packet longer than a page continues in the next one (VIRTIO_NET_F_MRG_RXBUF). Checksum
 * and segmentation offloads are not used: packets are complete both ways. Each queue of the program
 * is one pair of the device's queues.
 *
 * The device is not trusted. Whatever it writes back is read once, and each index, length, number
 * of buffers and configuration value is checked. It may be unplugged at any time: its registers
 * then read as all ones, and every wait is bounded.
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
#include "pci.h"
#include "ring.h"

#define BUFFER 4096u /* of a page */
#define HEADER VIRTIO_NET_HDR_BYTES
#define ETHERNET 18u      /* of a frame, beside the MTU, with a tag */
#define RX_LONGEST 65536u /* of a frame that is received, and its header */
#define PIECES (RX_LONGEST / BUFFER)
#define TX_SHORTEST 14u /* an Ethernet header */
#define TX_LONGEST (65535u + ETHERNET)
#define TX_PIECES 32u  /* segments of a packet */
#define PAIR_LEAST 64u /* descriptors that a queue must have: these, and one for the header */
#define COMMAND_LEAST 2u
#define WANTED                                                                                     \
	(VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS |      \
	 VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_MQ | VIRTIO_F_VERSION_1 |      \
	 VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM)
#define NEEDED (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)

struct pair {
	struct card_queue queue; /* first */
	struct virtio *v;
	struct ring rx, tx;
	unsigned rx_left; /* buffers that the packet from queue.in.whole on still has */
	bool quiet;       /* interrupts are turned off */
	bool failed;      /* what a ring tells makes no sense: written by its thread, relaxed */
};

/* What the device reads beside rings and pages, and one word that it writes. Coherent memory. */
struct shared {
	struct virtio_net_hdr none; /* before each packet that is sent */
	uint16_t command;           /* class, then command */
	uint8_t value[2];
	uint8_t answer;
};

struct virtio {
	struct card card; /* the base: first */
	struct virtio_pci pci;
	uint64_t features;
	unsigned device_pairs; /* that the device has; the program uses net.n_queues */
	uint32_t mtu;
	struct pair *pair[PORT_QUEUES];
	char says_failed[PP_VFIO_ERROR], says_reset[PP_VFIO_ERROR];
	const char *why; /* one of these: found out by state, relaxed */

	/* while bound */
	bool bound;
	struct ring control;
	struct shared *shared;
	pp_iova_t shared_iova;
};

static struct virtio *virtio_at(struct pp_net *net)
{
	return (struct virtio *)net;
}

static struct pair *pair_of(struct port_queue *q)
{
	return (struct pair *)q;
}

static bool has(const struct virtio *v, uint64_t feature)
{
	return v->features & feature;
}

/* The ring is looked at no more, until the next bind. */
static int ring_ready(struct pair *p, const struct ring *r, uint64_t *refused)
{
	int n = p->failed ? 0 : ring_look(r);

	if (n >= 0)
		return n;
	__atomic_store_n(&p->failed, true, __ATOMIC_RELAXED);
	port_count(refused, 1);
	return 0;
}

/* There was something: until the program is about to wait, no interrupt is of use. */
static void hush(struct pair *p)
{
	if (p->quiet)
		return;
	p->quiet = true;
	ring_interrupts(&p->rx, false);
	ring_interrupts(&p->tx, false);
}

/* ---- receive -------------------------------------------------------------------------------- */

/* Give the device empty pages for the free descriptors. */
static void rx_post(struct pair *p)
{
	struct port_queue *q = &p->queue.port;
	struct pp_page *page;

	while (p->rx.n_free && card_room(&p->queue, p->rx.pages)) {
		if (pp_page_get(&page, q->rx_pool)) {
			port_count(&q->stats.rx_no_page, 1);
			break; /* some will be put; the next poll tries again */
		}
		pp_dma_sync_for_device(p->v->card.binding, pp_page_iova(page), BUFFER,
				       p->queue.rx_dir);
		ring_add(&p->rx, true, pp_page_iova(page), BUFFER, true, page);
		ring_end(&p->rx);
	}
	port_set(&q->stats.rx_posted, p->rx.pages);
	ring_tell(&p->rx);
}

/*
 * In how many buffers the packet lies, by its header; 0: it isn't as agreed. DATA_VALID may be set
 * in the flags, agreed on or not; that the packet isn't whole may not.
 */
static unsigned buffers(const struct pair *p, const struct pp_page *page)
{
	const volatile struct virtio_net_hdr *hdr = pp_page_addr(page);
	unsigned n = le16toh(hdr->num_buffers);

	if ((hdr->flags & VIRTIO_NET_HDR_NEEDS_CSUM) || hdr->gso_type)
		return 0;
	return n <= (has(p->v, VIRTIO_NET_F_MRG_RXBUF) ? PIECES : 1) ? n : 0;
}

/* One buffer is back, with so many bytes written, says the device. */
static void rx_buffer(struct pair *p, struct pp_page *page, uint32_t len, uint64_t now)
{
	bool first = !p->rx_left;
	struct card_piece piece = { .page = page, .time_ns = now, .offset = first ? HEADER : 0 };

	piece.bad = len > BUFFER || len < piece.offset;
	if (len)
		pp_dma_sync_for_cpu(p->v->card.binding, pp_page_iova(page),
				    len < BUFFER ? len : BUFFER, p->queue.rx_dir);
	if (first) {
		p->rx_left = piece.bad ? 0 : buffers(p, page);
		piece.bad = !p->rx_left;
		p->rx_left += piece.bad; /* nothing of what it says is believed: it is the last */
	}
	piece.last = !--p->rx_left;
	piece.len = piece.bad ? 0 : len - piece.offset;
	card_arrived(&p->queue, &piece);
}

/* Take what the device has used; a chain that it doesn't have is refused. */
static void rx_look(struct pair *p)
{
	struct port_queue *q = &p->queue.port;
	int n = ring_ready(p, &p->rx, &q->stats.rx_refused);
	uint64_t now = n ? card_now() : 0;

	if (n)
		hush(p);
	while (n--) {
		struct pp_page *page;
		uint32_t len;
		int id = ring_take(&p->rx, &len);

		if (id < 0) {
			port_count(&q->stats.rx_refused, 1);
			continue;
		}
		page = ring_page(&p->rx, (unsigned)id);
		rx_buffer(p, page, len, now);
	}
}

static unsigned virtio_receive(struct port_queue *q, struct pp_net_seg *seg, unsigned n)
{
	struct pair *p = pair_of(q);
	unsigned got;

	if (!p->rx.desc)
		return card_take(&p->queue, seg, n); /* what had arrived when it was unbound */
	if (p->queue.in.next == p->queue.in.whole)
		rx_look(p);
	got = card_take(&p->queue, seg, n);
	rx_post(p);
	return got;
}

/* ---- send ----------------------------------------------------------------------------------- */

/* A packet takes one descriptor more, for its header. */
static unsigned tx_room(struct card_queue *q)
{
	const struct pair *p = pair_of(&q->port);

	return p->tx.n_free ? p->tx.n_free - 1 : 0;
}

static void tx_post(struct card_queue *q, const struct pp_net_seg *seg, bool first)
{
	struct pair *p = pair_of(&q->port);
	pp_iova_t addr = pp_page_iova(seg->page) + seg->offset;

	pp_dma_sync_for_device(p->v->card.binding, addr, seg->len, q->tx_dir);
	if (first)
		ring_add(&p->tx, true, p->v->shared_iova + offsetof(struct shared, none), HEADER,
			 false, NULL);
	ring_add(&p->tx, false, addr, seg->len, false, seg->page);
	if (seg->flags & PP_NET_LAST)
		ring_end(&p->tx);
}

static unsigned virtio_send(struct port_queue *q, const struct pp_net_seg *seg, unsigned n)
{
	static const struct card_tx tx = { tx_room, tx_post };
	struct pair *p = pair_of(q);
	unsigned taken = p->tx.desc ? card_send(&p->queue, &tx, seg, n) : 0;

	if (taken)
		ring_tell(&p->tx);
	return taken;
}

static unsigned virtio_reap(struct port_queue *q)
{
	struct pair *p = pair_of(q);
	int n = p->tx.desc ? ring_ready(p, &p->tx, &q->stats.tx_refused) : 0;

	if (n)
		hush(p);
	while (n--) {
		uint32_t len; /* nothing is written to what is sent */
		int id = ring_take(&p->tx, &len);

		if (id < 0) {
			port_count(&q->stats.tx_refused, 1);
			continue;
		}
		port_count(&q->stats.tx_bytes, ring_drop(&p->tx, (unsigned)id));
		port_count(&q->stats.tx_packets, 1);
	}
	return p->tx.pages;
}

/* ---- the device ----------------------------------------------------------------------------- */

/* What the device says of itself, once it has agreed. */
static int look_at_config(struct virtio *v)
{
	unsigned queues = pci_queues(&v->pci), need;

	v->device_pairs = has(v, VIRTIO_NET_F_MQ) ? pci_config(&v->pci, VIRTIO_NET_PAIRS) : 1;
	v->mtu = has(v, VIRTIO_NET_F_MTU) ? pci_config(&v->pci, VIRTIO_NET_MTU) : 0;
	if (!v->device_pairs || v->device_pairs > VIRTIO_NET_PAIRS_MAX ||
	    v->device_pairs < v->card.net.n_queues)
		return card_fail(&v->card, -EPROTO, "it can't have %u pairs of queues",
				 v->device_pairs);
	if (has(v, VIRTIO_NET_F_MTU) && v->mtu < VIRTIO_NET_MTU_MIN)
		return card_fail(&v->card, -EPROTO, "it can't have an MTU of %u bytes", v->mtu);
	if (!has(v, VIRTIO_NET_F_MRG_RXBUF) && v->mtu + ETHERNET + HEADER > BUFFER)
		return card_fail(&v->card, -EOPNOTSUPP,
				 "its MTU is %u bytes, and without VIRTIO_NET_F_MRG_RXBUF a packet "
				 "must lie in one page",
				 v->mtu);
	need = 2 * v->device_pairs + has(v, VIRTIO_NET_F_CTRL_VQ);
	if (queues < need)
		return card_fail(&v->card, -EPROTO, "it has %u queues, and tells of %u", queues,
				 need);
	return 0;
}

/*
 * Reset the device first: until then it may do what it was told by somebody else, and from
 * here on memory is mapped for it. Then agree on features.
 */
static int greet(struct virtio *v)
{
	int ret = pp_vfio_bus_master(v->card.vfio, false);

	if (ret)
		return card_fail(&v->card, ret, "the device doesn't answer: %s", strerror(-ret));
	ret = pci_reset(&v->pci);
	if (!ret)
		ret = pci_agree(&v->pci, WANTED, NEEDED, &v->features);
	return ret ? ret : look_at_config(v);
}

static uint32_t used_index(const volatile void *idx)
{
	return le16toh(__atomic_load_n((const volatile uint16_t *)idx, __ATOMIC_ACQUIRE));
}

/* Give a command of one or two bytes, and wait for the answer (5.1.6.5). */
static int command(struct virtio *v, uint16_t what, uint16_t value, unsigned bytes)
{
	struct ring *r = &v->control;
	pp_iova_t at = v->shared_iova;
	uint32_t len;
	int ret;

	v->shared->command = htobe16(what);
	v->shared->value[0] = (uint8_t)value;
	v->shared->value[1] = (uint8_t)(value >> 8);
	v->shared->answer = 0xff;
	ring_add(r, true, at + offsetof(struct shared, command), 2 + bytes, false, NULL);
	ring_add(r, false, at + offsetof(struct shared, answer), 1, true, NULL);
	ring_end(r);
	ring_tell(r);
	ret = card_wait(&v->card, &r->used->idx, used_index, UINT32_MAX, r->n_avail,
			"answer a command");
	if (ret)
		return ret;
	ret = ring_take(r, &len);
	if (ret >= 0)
		ring_drop(r, (unsigned)ret);
	if (ret < 0 || __atomic_load_n(&v->shared->answer, __ATOMIC_RELAXED) != VIRTIO_NET_CTRL_OK)
		return card_fail(&v->card, -EPROTO, "the device refuses the command %#06x, %u",
				 what, value);
	return 0;
}

/*
 * Which packets it receives, and by how many pairs. A device without VIRTIO_NET_F_CTRL_RX knows
 * by itself which are for it.
 */
static int configure(struct virtio *v)
{
	unsigned pairs = v->card.net.n_queues;
	int ret = 0;

	if (has(v, VIRTIO_NET_F_CTRL_RX)) {
		ret = command(v, VIRTIO_NET_CTRL_PROMISC, v->card.promiscuous, 1);
		if (!ret)
			ret = command(v, VIRTIO_NET_CTRL_ALLMULTI, 1, 1);
	}
	if (!ret && pairs > 1)
		ret = command(v, VIRTIO_NET_CTRL_PAIRS, (uint16_t)pairs, 2);
	return ret;
}

/* ---- the binding ---------------------------------------------------------------------------- */

static int start_queue(struct virtio *v, unsigned queue, struct ring *r, unsigned least,
		       unsigned vector)
{
	int size = pci_queue_size(&v->pci, queue, least), ret;

	if (size < 0)
		return size;
	ret = ring_make(r, v->card.binding, (unsigned)size);
	return ret ? ret : pci_queue_start(&v->pci, queue, r, vector);
}

static int start_pair(struct virtio *v, unsigned i)
{
	unsigned vector = v->card.poll ? VIRTIO_NO_VECTOR : i;
	struct pair *p = v->pair[i];
	int ret = card_pools(&v->card, &p->queue);

	p->quiet = true;
	p->failed = false;
	if (!ret)
		ret = start_queue(v, 2 * i, &p->rx, PAIR_LEAST, vector);
	return ret ? ret : start_queue(v, 2 * i + 1, &p->tx, PAIR_LEAST, vector);
}

/* A change of the configuration wakes who waits for the first queue. */
static int start_interrupts(struct virtio *v)
{
	unsigned n = v->card.net.n_queues;
	int fd[PORT_QUEUES], ret;

	if (v->card.poll)
		return pci_config_vector(&v->pci, VIRTIO_NO_VECTOR);
	for (unsigned i = 0; i < n; i++)
		fd[i] = v->pair[i]->queue.irq_fd;
	ret = pp_vfio_irq_enable(v->card.vfio, PP_VFIO_MSIX, n, fd);
	return ret ? ret : pci_config_vector(&v->pci, 0);
}

static int start(struct virtio *v)
{
	int ret = pp_dma_alloc_coherent(v->card.binding, sizeof *v->shared, (void **)&v->shared,
					&v->shared_iova);

	if (ret)
		return ret;
	memset(v->shared, 0, sizeof *v->shared);
	ret = start_interrupts(v);
	for (unsigned i = 0; i < v->card.net.n_queues && !ret; i++)
		ret = start_pair(v, i);
	if (!ret && has(v, VIRTIO_NET_F_CTRL_VQ))
		ret = start_queue(v, 2 * v->device_pairs, &v->control, COMMAND_LEAST,
				  VIRTIO_NO_VECTOR);
	if (!ret)
		ret = pp_vfio_bus_master(v->card.vfio, true);
	if (ret)
		return ret;
	pci_status_add(&v->pci, VIRTIO_DRIVER_OK);
	return configure(v);
}

/* While the binding lasts. */
static void free_rings(struct virtio *v)
{
	for (unsigned i = 0; i < v->card.net.n_queues; i++) {
		ring_free(&v->pair[i]->rx, v->card.binding);
		ring_free(&v->pair[i]->tx, v->card.binding);
	}
	ring_free(&v->control, v->card.binding);
	if (v->shared)
		pp_dma_free_coherent(v->card.binding, sizeof *v->shared, v->shared, v->shared_iova);
}

/* Nothing of the binding is left, but whole packets that have not been polled. */
static void forget(struct virtio *v)
{
	for (unsigned i = 0; i < v->card.net.n_queues; i++) {
		struct pair *p = v->pair[i];
		struct pp_net_stats *stats = &p->queue.port.stats;

		ring_forget(&p->rx);
		port_set(&stats->rx_posted, 0);
		port_count(&stats->tx_unsent, ring_forget(&p->tx));
		p->rx_left = 0;
		card_forget(&p->queue);
	}
	ring_forget(&v->control);
	v->shared = NULL;
	v->bound = false;
	v->card.binding = pp_binding_none();
}

/* As after power on, and no more DMA. If it won't: what it does from now on faults. */
static int stop(struct virtio *v)
{
	int ret = pci_reset(&v->pci);

	pp_vfio_bus_master(v->card.vfio, false);
	return ret;
}

/* It can't be bound: as it was before. */
static void abandon(struct virtio *v)
{
	pci_off(&v->pci);
	pp_vfio_bus_master(v->card.vfio, false);
	pp_vfio_irq_disable(v->card.vfio, PP_VFIO_MSIX);
	free_rings(v);
	forget(v);
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct virtio *v = ctx;
	int ret;

	(void)dev;
	v->card.binding = binding;
	v->card.error[0] = 0;
	v->why = NULL;
	v->card.no_carrier = false;
	ret = greet(v);
	if (!ret)
		ret = pp_dma_set_mask(binding, 64);
	if (!ret)
		ret = start(v);
	if (ret) {
		char *error = v->card.error;

		if (!*error)
			snprintf(error, sizeof v->card.error, "%s", pp_vfio_error(v->card.vfio));
		abandon(v);
		return ret;
	}
	for (unsigned i = 0; i < v->card.net.n_queues; i++)
		rx_post(v->pair[i]);
	v->bound = true;
	return 0;
}

/*
 * While the device answers: stop it, take what it has received and sent, free the rings. If
 * it has gone, all mappings have been taken back already, and its rings are not read any more.
 * Either way pages that others hold stay theirs, and nothing is waited for.
 */
static void virtio_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
			  void *ctx)
{
	struct virtio *v = ctx;

	(void)dev, (void)binding;
	v->card.error[0] = 0;
	if (why == PP_REMOVE_UNBIND) {
		if (!v->card.rogue)
			stop(v);
		for (unsigned i = 0; i < v->card.net.n_queues; i++)
			rx_look(v->pair[i]);
	}
	/* also of one that has gone: what it sent is in memory */
	for (unsigned i = 0; i < v->card.net.n_queues; i++)
		virtio_reap(&v->pair[i]->queue.port);
	if (why == PP_REMOVE_UNBIND) {
		free_rings(v);
		if (v->card.rogue) /* and it goes on with a ring that isn't there */
			ring_poke(&v->pair[0]->rx);
	}
	pp_vfio_irq_disable(v->card.vfio, PP_VFIO_MSIX);
	forget(v);
}

/* ---- the rest of port.h --------------------------------------------------------------------- */

static int virtio_event_fd(struct port_queue *q)
{
	return card_queue_of(q)->event_fd;
}

static void virtio_arm(struct port_queue *q)
{
	struct pair *p = pair_of(q);
	eventfd_t drop;

	if (!p->rx.desc || p->v->card.poll)
		return;
	eventfd_read(p->queue.irq_fd, &drop); /* fails if there is nothing to take back */
	p->quiet = false;
	ring_interrupts(&p->rx, true);
	ring_interrupts(&p->tx, true);
}

/* Why it is of no use any more, or NULL. */
static const char *failure(const struct virtio *v, uint32_t status)
{
	for (unsigned i = 0; i < v->card.net.n_queues; i++)
		if (__atomic_load_n(&v->pair[i]->failed, __ATOMIC_RELAXED))
			return v->says_failed;
	return status & VIRTIO_NEEDS_RESET || !(status & VIRTIO_DRIVER_OK) ? v->says_reset : NULL;
}

static enum pp_net_state virtio_state(struct pp_net *net)
{
	struct virtio *v = virtio_at(net);
	struct card *c = &v->card;
	uint32_t status = c->gone ? CARD_GONE : pci_status(&v->pci);
	const char *why;

	c->gone |= status == CARD_GONE || pp_vfio_requested(c->vfio);
	if (c->gone)
		return PP_NET_GONE;
	if (!v->bound)
		return PP_NET_RUNNING;
	if (has(v, VIRTIO_NET_F_STATUS))
		__atomic_store_n(&c->no_carrier,
				 !(pci_config(&v->pci, VIRTIO_NET_STATUS) & VIRTIO_NET_LINK_UP),
				 __ATOMIC_RELAXED);
	why = failure(v, status);
	if (why)
		__atomic_store_n(&v->why, why, __ATOMIC_RELAXED);
	return why ? PP_NET_FAILED : PP_NET_RUNNING;
}

static const char *virtio_error(struct pp_net *net)
{
	const struct virtio *v = virtio_at(net);
	const char *why = __atomic_load_n(&v->why, __ATOMIC_RELAXED);

	return why && v->bound && !v->card.gone ? why : card_error(net);
}

static bool virtio_quiet(struct pp_net *net)
{
	struct virtio *v = virtio_at(net);

	if (v->card.gone || v->bound)
		return v->card.gone;
	return !stop(v) || v->card.gone; /* once more, unless it was left running */
}

static void free_all(struct virtio *v)
{
	for (unsigned i = 0; i < v->card.net.n_queues; i++)
		free(v->pair[i]);
	free(v);
}

static void virtio_close(struct pp_net *net)
{
	card_unregister(card_at(net));
	free_all(virtio_at(net));
}

static const struct port_ops virtio_ops = {
	.receive = virtio_receive,
	.send = virtio_send,
	.reap = virtio_reap,
	.event_fd = virtio_event_fd,
	.arm = virtio_arm,
	.state = virtio_state,
	.error = virtio_error,
	.quiet = virtio_quiet,
	.close = virtio_close,
};

bool virtio_knows(uint32_t id)
{
	return id == VIRTIO_PCI_ID_NET || id == VIRTIO_PCI_ID_NET_TRANSITIONAL;
}

static int add_pair(struct virtio *v, uint64_t max_pages)
{
	struct pair *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->v = v;
	v->pair[v->card.net.n_queues] = p;
	return card_add(&v->card, &p->queue, BUFFER, max_pages);
}

/* As many pairs as the program asks for, the device has, and there are interrupts for. */
static int add_pairs(struct virtio *v, const struct pp_net_params *params)
{
	unsigned n = params->queues ? params->queues : 1;
	unsigned vectors = pp_vfio_irq_count(v->card.vfio, PP_VFIO_MSIX);
	int ret = 0;

	v->card.poll |= !vectors;
	if (n > v->device_pairs)
		n = v->device_pairs;
	if (n > PORT_QUEUES)
		n = PORT_QUEUES;
	if (!v->card.poll && n > vectors)
		n = vectors;
	while (v->card.net.n_queues < n && !ret)
		ret = add_pair(v, params->max_pages);
	return ret;
}

/* The limits that only the device knows. */
static int describe(struct virtio *v)
{
	struct pp_net_info *info = &v->card.net.info;
	int ring = pci_queue_size(&v->pci, 0, PAIR_LEAST);

	if (ring < 0)
		return ring;
	info->ring = (uint32_t)ring;
	info->shortest = TX_SHORTEST;
	info->longest = v->mtu ? v->mtu + ETHERNET : TX_LONGEST;
	info->pieces = TX_PIECES;
	info->segments = PIECES;
	card_fail(&v->card, 0, "the device gives back buffers that it was never given");
	memcpy(v->says_failed, v->card.error, sizeof v->says_failed);
	card_fail(&v->card, 0, "the device has failed, and needs a reset");
	memcpy(v->says_reset, v->card.error, sizeof v->says_reset);
	v->card.error[0] = 0;
	return 0;
}

static int set_up(struct virtio *v, const struct pp_net_params *params)
{
	const struct pp_driver drv = {
		.name = "virtio", .probe = probe, .remove = virtio_remove, .ctx = v
	};
	int ret = pci_find(&v->pci, &v->card);

	if (!ret)
		ret = greet(v);
	if (!ret)
		ret = describe(v);
	if (!ret)
		ret = add_pairs(v, params);
	if (!ret && !pci_off(&v->pci)) /* until it is bound */
		ret = -ENODEV;
	return ret ? ret : card_register(&v->card, &drv);
}

int virtio_net_open(struct pp_net **out, struct pp_vfio *vfio, const struct pp_net_vfio_params *set,
		    const struct pp_net_params *params, char *error)
{
	struct virtio *v = calloc(1, sizeof *v);
	int ret = -ENOMEM;

	*out = NULL;
	if (v) {
		card_describe(&v->card, vfio, set, params, &virtio_ops);
		ret = set_up(v, params);
	}
	if (!ret) {
		*out = &v->card.net;
		return 0;
	}
	if (v && *v->card.error)
		snprintf(error, PP_NET_ERROR, "%s", v->card.error);
	else
		snprintf(error, PP_NET_ERROR, "%s can't be set up: %s", pp_vfio_address(vfio),
			 strerror(-ret));
	if (v) {
		card_close_queues(&v->card);
		free_all(v);
	}
	return ret;
}
