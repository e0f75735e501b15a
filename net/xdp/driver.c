/*
 * driver.c - a Linux network interface through AF_XDP, on pagepool's public API.
 *
 * The pool is one chunk, and so one mapping: that is the UMEM. Where each frame is, is
 * written down in `frame`, outside of what the kernel can write to. So, when the sockets are
 * closed, it doesn't matter whether a frame is in the fill, RX, TX or completion ring, or in
 * the kernel's hands: every frame that isn't the program's is put.
 *
 * The kernel's word isn't trusted more than a device's: an address that was not posted, or a
 * length that doesn't fit, is dropped and counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "../port.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "link.h"
#include "umem.h"

#define BATCH 64u          /* pages got, or put, at a time */
#define HEADROOM 256u      /* XDP_PACKET_HEADROOM: the kernel begins a packet behind it */
#define OVERHEAD 22u       /* of a packet, beyond the MTU: addresses, type, two VLAN tags */
#define LOOK_AGAIN 64u     /* polls that find packets, before the interface is looked at */
#define WRITER_PAGES 16384u /* that a program may have handed on, beside those it holds */
/*
 * Entries of all receive rings together: at a million packets a second, 8 ms in which the
 * program may be kept from running. Fewer where pages are few.
 */
#define RINGS 8192u
#define MIN_RING 256u
#define REST_NS 50000u      /* and as much again before a timer goes off: 0.1 ms of packets */
#define REST_RING 2048u     /* which a ring must have room for many times */
#define MAX_BYTES (1ull << 30) /* of a chunk */

/* Where a frame is. The page is noted when it is first posted and then stays the same. */
struct frame {
	struct pp_page *page;
	uint32_t len; /* of what was sent last */
	uint16_t rx;  /* 1: posted to receive */
	uint16_t tx;  /* times posted to send */
};

struct xdp_net {
	struct pp_net net; /* the base: first */
	struct port_queue queue;
	struct xdp_link link;
	struct xdp_umem *umem; /* the device's domain */
	bool send_only;
	int epoll, timer;
	unsigned polls; /* since the interface was looked at */
	unsigned turn;  /* the queue to poll first */
	unsigned shift; /* a frame has 1 << shift bytes */

	/* while bound */
	pp_binding_t binding;
	struct frame *frame;
	uint64_t n_frames;
	unsigned rx_posted[XDP_QUEUES]; /* of the queue, whoever has them */
	unsigned tx_posted;

	/* what was in the rings when the binding ended */
	struct pp_net_seg *held;
	unsigned held_at, held_n;
};

static struct xdp_net *xdp_at(struct pp_net *net)
{
	return (struct xdp_net *)net;
}

static struct xdp_net *xdp_of(struct port_queue *q)
{
	return xdp_at(q->net);
}

static unsigned n_queues(const struct xdp_net *x)
{
	return x->umem->params.n_queues;
}

static unsigned ring(const struct xdp_net *x)
{
	return x->umem->params.ring;
}

static uint32_t frame_size(const struct xdp_net *x)
{
	return x->umem->params.frame;
}

/* By shifting: a frame's size is a power of two, which the compiler doesn't know. */
static struct frame *frame_at(const struct xdp_net *x, uint64_t offset)
{
	return &x->frame[offset >> x->shift];
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- receive ---------------------------------------------------------------------------- */

/* Post a page. There is room for it in the ring, at idx. */
static void post(struct xdp_net *x, struct xdp_queue *q, uint32_t idx, struct pp_page *page)
{
	uint64_t offset = pp_page_iova(page) - x->umem->iova;
	struct frame *f = frame_at(x, offset);

	f->page = page;
	f->rx = 1;
	*xsk_ring_prod__fill_addr(&q->fill, idx) = offset;
}

/* Keep the queue supplied with all that its ring takes. */
static void rx_post(struct xdp_net *x, unsigned i)
{
	struct xdp_queue *q = &x->umem->queue[i];
	struct pp_page *page[BATCH];

	while (ring(x) - x->rx_posted[i] >= BATCH) {
		int n = pp_page_get_batch(page, BATCH, x->queue.rx_pool);
		uint32_t idx = 0;

		if (n <= 0) {
			port_count(&x->queue.stats.rx_no_page, 1);
			break; /* some will be put; the next poll tries again */
		}
		/* never more is posted than the ring has entries */
		xsk_ring_prod__reserve(&q->fill, (uint32_t)n, &idx);
		for (int k = 0; k < n; k++)
			post(x, q, idx + (uint32_t)k, page[k]);
		xsk_ring_prod__submit(&q->fill, (uint32_t)n);
		x->rx_posted[i] += (unsigned)n;
		port_count(&x->queue.stats.rx_posted, (unsigned)n);
	}
	if (xsk_ring_prod__needs_wakeup(&q->fill))
		recvfrom(q->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* Take a descriptor: false if it makes no sense. */
static bool rx_take(struct xdp_net *x, const struct xdp_desc *d, uint64_t time, struct pp_net_seg *seg)
{
	uint32_t offset = (uint32_t)d->addr & (frame_size(x) - 1), len = d->len;
	struct frame *f = d->addr < x->umem->len ? frame_at(x, d->addr) : NULL;

	if (!f || !f->rx)
		return false; /* nothing was posted there; what was comes home at the end */
	f->rx = 0;
	if (len > frame_size(x) - offset) {
		pp_page_put(f->page);
		return false;
	}
	*seg = (struct pp_net_seg){
		.page = f->page, .offset = offset, .len = len,
		.wire_len = len, .time_ns = time, .time_source = PP_NET_TIME_POLL,
		.flags = PP_NET_LAST,
		.room = (uint16_t)(offset < HEADROOM ? offset : HEADROOM),
	};
	return true;
}

static unsigned posted_in_all(const struct xdp_net *x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_queues(x); i++)
		n += x->rx_posted[i];
	return n;
}

static unsigned rx_queue(struct xdp_net *x, unsigned i, struct pp_net_seg *seg, unsigned n)
{
	struct xdp_queue *q = &x->umem->queue[i];
	uint32_t idx = 0, got = xsk_ring_cons__peek(&q->rx, n, &idx);
	uint64_t time = got ? now_ns() : 0;
	unsigned taken = 0;

	for (uint32_t k = 0; k < got; k++)
		if (rx_take(x, xsk_ring_cons__rx_desc(&q->rx, idx + k), time, &seg[taken]))
			taken++;
		else
			port_count(&x->queue.stats.rx_refused, 1);
	xsk_ring_cons__release(&q->rx, got);
	x->rx_posted[i] -= got < x->rx_posted[i] ? got : x->rx_posted[i];
	port_set(&x->queue.stats.rx_posted, posted_in_all(x));
	return taken;
}

static unsigned take_held(struct xdp_net *x, struct pp_net_seg *seg, unsigned n)
{
	unsigned k = x->held_n - x->held_at < n ? x->held_n - x->held_at : n;

	memcpy(seg, x->held + x->held_at, k * sizeof *seg);
	x->held_at += k;
	return k;
}

static unsigned poll_queues(struct xdp_net *x, struct pp_net_seg *seg, unsigned n)
{
	unsigned got = 0;

	for (unsigned k = 0; k < n_queues(x); k++) {
		unsigned i = (x->turn + k) % n_queues(x);

		got += rx_queue(x, i, seg + got, n - got);
		rx_post(x, i);
	}
	x->turn++;
	if (!got)
		x->polls = LOOK_AGAIN;
	return got;
}

static unsigned xdp_receive(struct port_queue *q, struct pp_net_seg *seg, unsigned n)
{
	struct xdp_net *x = xdp_of(q);
	uint64_t bytes = 0, packets = 0;
	unsigned got = 0;

	if (x->held_at < x->held_n)
		got = take_held(x, seg, n);
	else if (xdp_umem_is_open(x->umem) && !x->send_only)
		got = poll_queues(x, seg, n);
	for (unsigned i = 0; i < got; i++) {
		bytes += seg[i].len;
		packets += seg[i].flags & PP_NET_LAST;
	}
	port_count(&q->stats.rx_bytes, bytes);
	port_count(&q->stats.rx_packets, packets);
	return got;
}

/* ---- send ---------------------------------------------------------------------------------- */

/* Have the kernel send what is in the ring, as far as it gets. */
static void tx_kick(struct xdp_net *x)
{
	struct xdp_queue *q = &x->umem->queue[0];

	if (!xsk_ring_prod__needs_wakeup(&q->tx))
		return;
	/* kernels that send 32 at a time say EAGAIN until all are sent */
	for (unsigned i = 0; i < ring(x) / 32; i++)
		if (sendto(q->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno != EAGAIN)
			break;
}

/* Post a packet. False: no room. */
static bool tx_post(struct xdp_net *x, const struct pp_net_seg *seg)
{
	struct xdp_queue *q = &x->umem->queue[0];
	uint64_t offset = pp_page_iova(seg->page) - x->umem->iova;
	struct frame *f = frame_at(x, offset);
	struct xdp_desc *d;
	uint32_t idx = 0;

	/* what is under way must find room in the completion ring */
	if (x->tx_posted == ring(x) || !xsk_ring_prod__reserve(&q->tx, 1, &idx))
		return false;
	d = xsk_ring_prod__tx_desc(&q->tx, idx);
	d->addr = offset + seg->offset;
	d->len = seg->len;
	d->options = 0;
	f->page = seg->page;
	f->len = seg->len;
	f->tx++;
	x->tx_posted++;
	return true;
}

/* A packet goes out in one frame of the UMEM. */
static bool can_send(const struct xdp_net *x, const struct pp_net_seg *seg, unsigned n)
{
	uint64_t offset = pp_page_iova(seg->page) - x->umem->iova;

	return n == 1 && offset < x->umem->len && seg->offset < frame_size(x) &&
	       seg->len <= frame_size(x) - seg->offset;
}

static unsigned xdp_send(struct port_queue *q, const struct pp_net_seg *seg, unsigned n)
{
	struct xdp_net *x = xdp_of(q);
	unsigned taken = 0, posted = 0, k;

	if (!xdp_umem_is_open(x->umem))
		return 0;
	while ((k = port_packet(seg + taken, n - taken))) {
		if (!can_send(x, seg + taken, k)) {
			port_refuse(seg + taken, k, &q->stats.tx_malformed);
		} else if (tx_post(x, seg + taken)) {
			posted++;
		} else {
			break;
		}
		taken += k;
	}
	port_count(&q->stats.tx_taken, posted);
	if (posted) {
		xsk_ring_prod__submit(&x->umem->queue[0].tx, posted);
		tx_kick(x);
	}
	return taken;
}

/* The completion ring's addresses are the kernel's word: what was not posted isn't done. */
static unsigned xdp_reap(struct port_queue *port)
{
	struct xdp_net *x = xdp_of(port);
	struct xdp_queue *q = &x->umem->queue[0];
	struct pp_page *page[BATCH];
	uint32_t idx = 0, n;

	if (!xdp_umem_is_open(x->umem))
		return 0;
	while ((n = xsk_ring_cons__peek(&q->comp, BATCH, &idx))) {
		unsigned k = 0;

		for (uint32_t i = 0; i < n; i++) {
			uint64_t addr = *xsk_ring_cons__comp_addr(&q->comp, idx + i);
			struct frame *f = addr < x->umem->len ? frame_at(x, addr) : NULL;

			if (!f || !f->tx) {
				port_count(&port->stats.tx_refused, 1);
				continue;
			}
			f->tx--;
			x->tx_posted--;
			page[k++] = f->page;
			port_count(&port->stats.tx_packets, 1);
			port_count(&port->stats.tx_bytes, f->len);
		}
		xsk_ring_cons__release(&q->comp, n);
		pp_page_put_batch(page, k);
	}
	return x->tx_posted;
}

/* ---- the binding ------------------------------------------------------------------------------ */

/* The pool, and its memory: the first page makes it grow, whole, and so registers the UMEM. */
static int make_pool(struct xdp_net *x, pp_binding_t binding)
{
	struct pp_page *page;
	int ret;

	if (x->queue.given) {
		ret = pp_pool_attach(x->queue.given, binding);
		x->queue.rx_pool = ret ? NULL : x->queue.given;
	} else {
		ret = pp_pool_create(&x->queue.rx_pool, binding, &x->queue.wants);
	}
	if (ret)
		return ret;
	x->queue.tx_pool = x->queue.rx_pool;
	ret = pp_page_get(&page, x->queue.rx_pool);
	if (ret)
		return ret;
	if (pp_page_size(page) != frame_size(x))
		ret = -EINVAL;
	pp_page_put(page);
	return ret;
}

static int make_tables(struct xdp_net *x)
{
	x->n_frames = x->umem->len / frame_size(x);
	x->frame = calloc(x->n_frames, sizeof *x->frame);
	x->held = calloc((size_t)ring(x) * n_queues(x), sizeof *x->held);
	return x->frame && x->held ? 0 : -ENOMEM;
}

/* Sockets on all queues, supplied with frames; only then packets are steered there. */
static int start(struct xdp_net *x)
{
	int ret = xdp_umem_open(x->umem);

	for (unsigned i = 0; i < n_queues(x) && !ret; i++) {
		struct xdp_queue *q = &x->umem->queue[i];
		struct epoll_event event = { .events = EPOLLIN };

		if (x->send_only)
			continue;
		rx_post(x, i);
		if (epoll_ctl(x->epoll, EPOLL_CTL_ADD, q->fd, &event))
			ret = -errno;
		else
			ret = xdp_link_steer(&x->link, q->id, q->fd);
	}
	return ret;
}

/* The sockets are closed: what was posted to them is nobody's. */
static void bring_home(struct xdp_net *x)
{
	for (uint64_t i = 0; x->frame && i < x->n_frames; i++)
		for (struct frame *f = &x->frame[i]; f->rx || f->tx; pp_page_put(f->page))
			if (f->rx)
				f->rx--;
			else
				f->tx--;
}

static void forget(struct xdp_net *x)
{
	bring_home(x);
	if (x->queue.rx_pool != x->queue.given) /* that one is the caller's */
		pp_pool_destroy(x->queue.rx_pool);
	x->queue.rx_pool = x->queue.tx_pool = NULL;
	free(x->frame);
	x->frame = NULL;
	x->n_frames = 0;
	memset(x->rx_posted, 0, sizeof x->rx_posted);
	port_set(&x->queue.stats.rx_posted, 0);
	port_count(&x->queue.stats.tx_unsent, x->tx_posted);
	x->tx_posted = 0;
	x->binding = pp_binding_none();
}

static void drop_held(struct xdp_net *x)
{
	while (x->held_at < x->held_n)
		pp_page_put(x->held[x->held_at++].page);
	free(x->held);
	x->held = NULL;
	x->held_at = x->held_n = 0;
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct xdp_net *x = ctx;
	int ret;

	(void)dev;
	drop_held(x);
	x->binding = binding;
	x->umem->error[0] = 0;
	ret = pp_dma_set_mask(binding, 64);
	if (!ret)
		ret = make_pool(x, binding);
	if (!ret)
		ret = make_tables(x);
	if (!ret)
		ret = start(x);
	if (ret) {
		xdp_umem_close(x->umem);
		forget(x);
	}
	return ret;
}

/* What had arrived. */
static void rx_keep(struct xdp_net *x)
{
	for (unsigned i = 0; i < n_queues(x) && !x->send_only; i++)
		x->held_n += rx_queue(x, i, x->held + x->held_n, ring(x));
}

static void xdp_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
		       void *ctx)
{
	struct xdp_net *x = ctx;

	(void)dev;
	(void)binding;
	if (why == PP_REMOVE_UNBIND && xdp_umem_is_open(x->umem)) {
		for (unsigned i = 0; i < n_queues(x); i++)
			xdp_link_leave(&x->link, x->umem->queue[i].id);
		rx_keep(x);
		xdp_reap(&x->queue);
		xdp_umem_close(x->umem);
	}
	/* if it has gone, the domain has closed the sockets already */
	forget(x);
}

/* ---- the rest of port.h ----------------------------------------------------------------------- */

static int xdp_event_fd(struct port_queue *q)
{
	return xdp_of(q)->epoll;
}

/* The sockets are readable when there are packets; of what is sent there is no event. */
static void xdp_arm(struct port_queue *q)
{
	struct xdp_net *x = xdp_of(q);
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 }, never = { 0 };

	if (xdp_umem_is_open(x->umem) && x->tx_posted)
		tx_kick(x);
	timerfd_settime(x->timer, 0, x->tx_posted ? &soon : &never, NULL);
}

static enum pp_net_state xdp_state(struct pp_net *net)
{
	struct xdp_net *x = xdp_at(net);

	if (!x->link.gone && ++x->polls < LOOK_AGAIN)
		return PP_NET_RUNNING;
	x->polls = 0;
	return xdp_link_gone(&x->link) ? PP_NET_GONE : PP_NET_RUNNING;
}

static const char *xdp_error(struct pp_net *net)
{
	const struct xdp_net *x = xdp_at(net);

	return x->link.gone && !x->umem->error[0] ? "the device has gone" : x->umem->error;
}

static void xdp_stats(struct port_queue *q, struct pp_net_stats *stats)
{
	stats->rx_missed = xdp_umem_missed(xdp_of(q)->umem);
}

static void xdp_info(struct pp_net *net, struct pp_net_info *info)
{
	info->zero_copy = xdp_umem_zero_copy(xdp_at(net)->umem);
}

static bool xdp_quiet(struct pp_net *net)
{
	(void)net;
	return true; /* a closed socket is quiet */
}

static void xdp_close(struct pp_net *net)
{
	struct xdp_net *x = xdp_at(net);

	xdp_link_close(&x->link);
	pp_device_unregister(x->queue.dev); /* and the domain */
	pp_driver_unregister(&net->drv);
	drop_held(x);
	close(x->timer);
	close(x->epoll);
	free(x);
}

static const struct port_ops xdp_ops = {
	.receive = xdp_receive,
	.send = xdp_send,
	.reap = xdp_reap,
	.event_fd = xdp_event_fd,
	.arm = xdp_arm,
	.state = xdp_state,
	.error = xdp_error,
	.stats = xdp_stats,
	.info = xdp_info,
	.quiet = xdp_quiet,
	.close = xdp_close,
};

/* ---- open --------------------------------------------------------------------------------------- */

static int choose_queues(const struct xdp_link *l, const struct pp_net_xdp_params *xdp,
			 struct xdp_umem_params *u, char *error)
{
	unsigned last = xdp->first_queue + (xdp->queue_count ? xdp->queue_count - 1 : 0);

	u->first_queue = xdp->first_queue;
	u->n_queues = xdp->queue_count ? xdp->queue_count : l->n_queues - xdp->first_queue;
	if (last >= l->n_queues)
		snprintf(error, XDP_ERROR, "%s has %u receive queue%s, numbered from 0: there is no "
			 "queue %u", l->name, l->n_queues, l->n_queues == 1 ? "" : "s", last);
	else if (u->first_queue + u->n_queues > XDP_QUEUES)
		snprintf(error, XDP_ERROR, "%s has %u receive queues, of which %u can be served: "
			 "name one, as in xdp:%s:0", l->name, l->n_queues, XDP_QUEUES, l->name);
	else
		return 0;
	return -ENXIO;
}

static int choose_frame(const struct xdp_link *l, uint32_t wish, struct xdp_umem_params *u,
			char *error)
{
	uint32_t need = l->mtu + OVERHEAD + HEADROOM;

	u->frame = wish ? wish : need <= 2048 ? 2048 : 4096;
	if (need <= u->frame)
		return 0;
	snprintf(error, XDP_ERROR, "%s has an MTU of %u, and a frame of %u bytes takes one of %u at "
		 "most: ip link set %s mtu %u%s", l->name, l->mtu, u->frame,
		 u->frame - OVERHEAD - HEADROOM, l->name, u->frame - OVERHEAD - HEADROOM,
		 u->frame == 2048 ? ", or frame=4096" : "");
	return -EMSGSIZE;
}

static void choose_ring(const struct pp_net_params *params, struct xdp_umem_params *u)
{
	uint64_t pages = params->max_pages ? params->max_pages : UINT64_MAX;
	uint64_t spare = pages > params->keep ? (pages - params->keep) / 2 : 0;

	u->ring = RINGS;
	while (u->ring > MIN_RING && (u->ring * u->n_queues > RINGS || u->ring * u->n_queues > spare))
		u->ring /= 2;
}

/* The pool: one chunk, as big as it will ever be. */
static int choose_pool(struct xdp_net *x, const struct pp_net_params *params,
		       const struct xdp_umem_params *u, char *error)
{
	struct pp_pool_params *p = &x->queue.wants;
	uint64_t pages = params->max_pages;
	uint64_t bytes = 2u << 20;

	if (!pages)
		pages = params->keep + 2 * x->net.info.ring + WRITER_PAGES;
	if (pages > MAX_BYTES / u->frame) {
		snprintf(error, XDP_ERROR, "%llu pages are too many for AF_XDP, whose memory is one "
			 "area: %llu of %u bytes at most", (unsigned long long)pages,
			 MAX_BYTES / u->frame, u->frame);
		return -E2BIG;
	}
	while (bytes < pages * u->frame)
		bytes *= 2;
	*p = pp_pool_defaults();
	p->name = "xdp";
	p->page_size = u->frame;
	p->chunk_size = (uint32_t)bytes;
	p->max_pages = params->max_pages ? params->max_pages : bytes / u->frame;
	p->memory = PP_MEMORY_THP;
	x->queue.one_chunk = true;
	return 0;
}

static int choose(struct xdp_net *x, const struct pp_net_xdp_params *xdp,
		  const struct pp_net_params *params, struct xdp_umem_params *u, char *error)
{
	struct pp_net_info *info = &x->net.info;
	int ret = choose_queues(&x->link, xdp, u, error);

	if (!ret)
		ret = choose_frame(&x->link, xdp->frame, u, error);
	x->shift = ret ? 0 : (unsigned)__builtin_ctz(u->frame);
	memcpy(u->ifname, x->link.name, sizeof u->ifname);
	u->bind_flags = (xdp->copy ? XDP_COPY : 0) | (xdp->zero_copy ? XDP_ZEROCOPY : 0);
	choose_ring(params, u);
	info->ring = u->ring * u->n_queues;
	info->rest_ns = u->ring >= REST_RING ? REST_NS : 0;
	info->pieces = 1;
	if (!ret)
		ret = choose_pool(x, params, u, error);
	return ret;
}

static int open_events(struct xdp_net *x)
{
	struct epoll_event event = { .events = EPOLLIN };

	x->epoll = epoll_create1(EPOLL_CLOEXEC);
	x->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (x->epoll < 0 || x->timer < 0 ||
	    epoll_ctl(x->epoll, EPOLL_CTL_ADD, x->timer, &event) ||
	    epoll_ctl(x->epoll, EPOLL_CTL_ADD, x->link.events, &event))
		return -errno;
	return 0;
}

static int register_device(struct xdp_net *x, const struct xdp_umem_params *u)
{
	struct pp_device_params dev = PP_PARAMS(struct pp_device_params);
	char name[32];
	int ret = xdp_umem_create(&x->umem, u);

	if (ret)
		return ret;
	snprintf(name, sizeof name, "xdp:%s", x->link.name);
	dev.name = name;
	dev.iommu = &x->umem->iommu;
	ret = pp_device_register(&x->queue.dev, &dev);
	if (ret) {
		x->umem->iommu.ops->destroy(&x->umem->iommu);
		return ret;
	}
	ret = pp_driver_register(&x->net.drv);
	if (ret)
		pp_device_unregister(x->queue.dev);
	return ret;
}

static void describe(struct xdp_net *x, const char *ifname)
{
	struct pp_net *net = &x->net;

	snprintf(net->name, sizeof net->name, "xdp:%s", ifname);
	net->ops = &xdp_ops;
	net->queue[0] = &x->queue;
	net->n_queues = 1;
	net->drv = (struct pp_driver){
		.name = "xdp", .probe = probe, .remove = xdp_remove, .ctx = x
	};
	net->info = (struct pp_net_info){
		.name = net->name, .link_type = PORT_LINK_ETHERNET,
		.time_source = PP_NET_TIME_POLL, .time_precision_ns = 1,
	};
	x->queue.net = net;
	x->epoll = x->timer = -1;
}

static int open_link(struct xdp_net *x, const struct pp_net_xdp_params *xdp,
		     const struct pp_net_params *params, char *error)
{
	struct xdp_umem_params u = { 0 };
	int ret;

	if (params->link_type && params->link_type != PP_NET_LINK_TYPE(PORT_LINK_ETHERNET)) {
		snprintf(error, XDP_ERROR, "%s has Ethernet frames: it can't send packets of another "
			 "link type", xdp->ifname);
		return -EOPNOTSUPP;
	}
	ret = xdp_link_open(&x->link, xdp->ifname,
			    params->send_only ? XDP_NO_PROGRAM :
			    xdp->generic      ? XDP_GENERIC :
						XDP_BEST, error);
	if (ret)
		return ret;
	ret = choose(x, xdp, params, &u, error);
	if (!ret)
		ret = open_events(x);
	if (!ret)
		ret = register_device(x, &u);
	if (ret)
		xdp_link_close(&x->link);
	return ret;
}

int xdp_net_open(struct pp_net **out, const struct pp_net_xdp_params *xdp,
		 const struct pp_net_params *params, char *error)
{
	struct xdp_net *x = calloc(1, sizeof *x);
	int ret = x ? 0 : -ENOMEM;

	*out = NULL;
	if (x) {
		x->send_only = params->send_only;
		describe(x, xdp->ifname);
		ret = open_link(x, xdp, params, error);
	}
	if (!ret) {
		*out = &x->net;
		return 0;
	}
	if (!*error)
		snprintf(error, XDP_ERROR, "can't set up AF_XDP on %s: %s", xdp->ifname,
			 strerror(-ret));
	if (x && x->timer >= 0)
		close(x->timer);
	if (x && x->epoll >= 0)
		close(x->epoll);
	free(x);
	return ret;
}
