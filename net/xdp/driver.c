/*
 * driver.c - a Linux network interface through AF_XDP, on pagepool's public API: opening it, its
 * bindings and its state. rx.c and tx.c have the packets.
 *
 * A queue pair's pool lies in one area, which is mapped by one call: that is the UMEM. The location
 * of each frame is recorded in `frame`, which the kernel can't write to. So when the sockets are
 * closed, it doesn't matter whether a frame is in the fill, RX, TX or completion ring, or inside
 * the kernel: every frame that the program doesn't hold is put.
 *
 * The kernel is trusted no more than a device: an address that was not posted, or a length that
 * doesn't fit, is dropped and counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "qp.h"

#define LARGE_FRAME 4096u
#define OVERHEAD 22u          /* of a packet, beyond the MTU: addresses, type, two VLAN tags */
#define LOOK_AGAIN 64u        /* calls of state, before the interface is looked at */
#define CLOSELY_NS 400000000u /* between looks for what makes no event */
#define WATCH_NS 500000000    /* after which who waits is woken for such a look */
#define SEND_AGAIN_NS 1000000
#define COUNTERS_MS 2500    /* some cards' counters are that late */
#define WRITER_PAGES 16384u /* that a program may have handed on, beside those it holds */
/*
 * Entries of all receive rings together: at a million packets a second, 8 ms in which the
 * program may be kept from running. Fewer where pages are few.
 */
#define RINGS 8192u
#define MIN_RING 256u
#define SEND_RING 1024u /* of one that only sends */
#define REST_NS 50000u  /* and as much again before a timer goes off: 0.1 ms of packets */
#define REST_RING 2048u /* which a ring must have room for many times */
/* The area is of chunks as small as will do, so that each goes back by itself once it is closed. */
#define MIN_CHUNK (2u << 20)
#define MAX_CHUNK (1u << 30)
#define CHUNKS 64u
#define MAX_BYTES ((uint64_t)CHUNKS * MAX_CHUNK)

/* ---- the binding ------------------------------------------------------------------------- */

/* The pool, and its memory: the first page has the area mapped, which registers the UMEM. */
static int make_pool(struct xdp_qp *qp, pp_binding_t binding)
{
	struct pp_page *page;
	int ret;

	if (qp->queue.supplied) {
		ret = pp_pool_attach(qp->queue.supplied, binding);
		qp->queue.rx_pool = ret ? NULL : qp->queue.supplied;
	} else {
		ret = pp_pool_create(&qp->queue.rx_pool, binding, &qp->queue.required);
	}
	if (ret)
		return ret;
	qp->queue.tx_pool = qp->queue.rx_pool;
	ret = pp_page_get(&page, qp->queue.rx_pool);
	if (ret)
		return ret;
	if (pp_page_size(page) != xdp_frame_size(qp->x))
		ret = -EINVAL;
	pp_page_put(page);
	return ret;
}

static int make_table(struct xdp_qp *qp)
{
	qp->n_frames = qp->umem->len >> qp->x->shift;
	qp->frame = calloc(qp->n_frames, sizeof *qp->frame);
	return qp->frame ? 0 : -ENOMEM;
}

/* Sockets on the queue pair's queues, supplied with frames; only then packets are steered there. */
static int start(struct xdp_qp *qp)
{
	unsigned n = __atomic_load_n(&qp->x->link.n_queues, __ATOMIC_RELAXED);
	int ret = 0;

	for (unsigned id = 0; id < n && !ret; id++)
		if (xdp_rx_is_ours(qp, id) && (!qp->x->send_only || !qp->umem->n_queues))
			ret = xdp_rx_open(qp, id);
	qp->seen = n;
	return ret;
}

/* The sockets are closed: what was posted to them is nobody's. */
static void forget(struct xdp_qp *qp)
{
	for (uint64_t i = 0; qp->frame && i < qp->n_frames; i++)
		port_count(&qp->queue.stats.tx_unsent, qp->frame[i].last);
	xdp_quiet_begin(qp);
	if (qp->queue.rx_pool != qp->queue.supplied) /* that one is the caller's */
		pp_pool_destroy(qp->queue.rx_pool);
	qp->queue.rx_pool = qp->queue.tx_pool = NULL;
	memset(qp->rx_posted, 0, sizeof qp->rx_posted);
	port_set(&qp->queue.stats.rx_posted, 0);
	qp->tx_posted = 0;
	qp->binding = pp_binding_none();
}

static struct xdp_qp *qp_of(struct xdp_net *x, const struct pp_device *dev)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->qp[i].queue.dev == dev)
			return &x->qp[i];
	return NULL;
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct xdp_qp *qp = qp_of(ctx, dev);
	int ret;

	xdp_rx_drop_kept(qp);
	qp->binding = binding;
	qp->umem->error[0] = 0;
	ret = pp_dma_set_mask(binding, 64);
	if (!ret)
		ret = make_pool(qp, binding);
	if (!ret)
		ret = make_table(qp);
	if (!ret)
		ret = start(qp);
	xdp_quiet_look(qp);
	if (ret) {
		xdp_umem_close(qp->umem);
		forget(qp);
	}
	return ret;
}

static void xdp_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
		       void *ctx)
{
	struct xdp_qp *qp = qp_of(ctx, dev);

	(void)binding;
	if (why == PP_REMOVE_UNBIND && xdp_umem_is_open(qp->umem)) {
		for (unsigned i = 0; i < qp->umem->n_queues && !qp->x->send_only; i++)
			xdp_link_leave(&qp->x->link, qp->umem->queue[i].id);
		xdp_rx_keep(qp);
		if (qp->tx_posted)
			xdp_tx_kick(qp);
		xdp_reap(&qp->queue);
		xdp_umem_close(qp->umem);
	}
	/* if it has gone, the domain has closed the sockets already */
	forget(qp);
}

/* ---- what was sent ----------------------------------------------------------------------- */

static uint64_t done(const struct xdp_net *x)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < x->n; i++)
		n += __atomic_load_n(&x->qp[i].queue.stats.tx_packets, __ATOMIC_RELAXED);
	return n;
}

static int xdp_begin(struct pp_net *net)
{
	struct xdp_net *x = xdp_at(net);

	for (unsigned i = 0; i < x->n; i++)
		memcpy(x->qp[i].umem->ifname, x->link.name, sizeof x->link.name);
	xdp_tally_begin(&x->tally, &x->link, done(x));
	return 0;
}

static void xdp_end(struct pp_net *net)
{
	struct xdp_net *x = xdp_at(net);

	xdp_tally_look(&x->tally, &x->link, done(x));
}

/* A card's queues may be stopped, and its counters final, some time later. */
static bool xdp_quiet(struct pp_net *net)
{
	struct xdp_net *x = xdp_at(net);
	bool quiet = true;

	for (unsigned i = 0; i < x->n; i++)
		quiet &= xdp_quiet_wait(&x->qp[i]);
	if (!quiet)
		xdp_fail(x->qp[0].umem->error, 0,
			 "the kernel hasn't stopped the queues of %s yet, or another program has "
			 "them: the pages that were posted there aren't free",
			 x->link.name);
	for (unsigned i = 0; i < COUNTERS_MS / 50 && !x->link.gone; i++) {
		if (!xdp_tally_sent(&x->tally, done(x)).behind)
			break;
		poll(NULL, 0, 50);
		xdp_tally_look(&x->tally, &x->link, done(x));
	}
	return quiet;
}

static void xdp_totals(struct pp_net *net, struct pp_net_stats *stats)
{
	struct xdp_net *x = xdp_at(net);
	struct xdp_sent sent;

	if (net->n_bound)
		xdp_tally_look(&x->tally, &x->link, done(x));
	sent = xdp_tally_sent(&x->tally, done(x));
	stats->tx_sent_min = sent.min;
	stats->tx_sent_max = sent.max;
	stats->rx_dropped = sent.rx_dropped;
}

/* Of one queue pair: any of what was dropped may have been its. */
static void xdp_stats(struct port_queue *q, struct pp_net_stats *stats)
{
	struct xdp_net *x = xdp_at(q->net);
	uint64_t all = done(x);
	struct xdp_sent sent = xdp_tally_sent(&x->tally, all);
	uint64_t dropped = all - sent.min;
	struct xdp_lost lost;

	xdp_umem_lost(xdp_qp(q)->umem, &lost);
	stats->rx_missed = lost.missed;
	stats->rx_too_long = lost.too_long;
	stats->tx_sent_min =
		stats->tx_packets - (dropped < stats->tx_packets ? dropped : stats->tx_packets);
	if (sent.max < stats->tx_sent_max)
		stats->tx_sent_max = sent.max;
}

/* ---- how it is --------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int xdp_event_fd(struct port_queue *q)
{
	return xdp_qp(q)->epoll;
}

/*
 * The sockets are readable when there are packets; of what is sent there is no event, nor of a
 * program that is taken off.
 */
static void xdp_arm(struct port_queue *q)
{
	struct xdp_qp *qp = xdp_qp(q);
	struct itimerspec t = { .it_value.tv_nsec = qp->tx_posted ? SEND_AGAIN_NS : WATCH_NS };
	uint64_t drop;

	if (xdp_umem_is_open(qp->umem) && qp->tx_posted)
		xdp_tx_kick(qp);
	__atomic_store_n(&qp->x->look, true, __ATOMIC_RELAXED);
	timerfd_settime(qp->timer, 0, &t, NULL);
	if (read(qp->wake, &drop, sizeof drop) < 0)
		return; /* nothing has happened */
}

static void note_changes(struct xdp_net *x, unsigned changes)
{
	struct xdp_link *k = &x->link;
	unsigned most = x->pieces * (xdp_frame_size(x) - XDP_HEADROOM);

	if (changes & XDP_RENAMED)
		port_notice(&x->net, "%s is %s now, and continues", x->net.name, k->name);
	if ((changes & XDP_MTU_CHANGED) && !x->send_only && k->mtu + OVERHEAD > most)
		port_notice(&x->net,
			    "%s has an MTU of %u now: packets of more than %u bytes can't be "
			    "received any more, and are counted as lost",
			    k->name, k->mtu, most);
	if ((changes & XDP_QUEUES_CHANGED) && k->n_queues > XDP_QUEUES && x->every)
		port_notice(&x->net,
			    "%s has %u receive queues now, of which %u can be served: what "
			    "comes by the others goes to the kernel",
			    k->name, k->n_queues, XDP_QUEUES);
	for (unsigned i = 0; i < x->n; i++) {
		unsigned q = __atomic_exchange_n(&x->qp[i].unserved, 0, __ATOMIC_ACQUIRE);

		if (q && q <= XDP_QUEUES)
			port_notice(&x->net,
				    "what comes by queue %u of %s, which is new, goes to the "
				    "kernel: %s",
				    q - 1, k->name, x->qp[i].umem->error);
	}
}

static void tell_lanes(struct xdp_net *x)
{
	uint64_t one = 1;

	for (unsigned i = 0; i < x->n; i++)
		if (write(x->qp[i].wake, &one, sizeof one) < 0)
			continue; /* it has been told */
}

static enum pp_net_state xdp_state(struct pp_net *net)
{
	struct xdp_net *x = xdp_at(net);
	unsigned changes;
	bool closely;

	if (x->link.gone)
		return PP_NET_GONE;
	if (!__atomic_load_n(&x->look, __ATOMIC_RELAXED) && ++x->polls < LOOK_AGAIN)
		return PP_NET_RUNNING;
	__atomic_store_n(&x->look, false, __ATOMIC_RELAXED);
	x->polls = 0;
	closely = now_ns() - x->closely_ns >= CLOSELY_NS;
	if (closely)
		x->closely_ns = now_ns();
	if (closely && net->n_bound) /* while it can be asked */
		xdp_tally_look(&x->tally, &x->link, done(x));
	if (xdp_link_look(&x->link, closely, &changes)) {
		tell_lanes(x);
		return PP_NET_GONE;
	}
	note_changes(x, changes);
	return PP_NET_RUNNING;
}

static const char *xdp_error(struct pp_net *net)
{
	const struct xdp_net *x = xdp_at(net);

	for (unsigned i = 0; i < x->n && !x->link.gone; i++)
		if (x->qp[i].umem->error[0])
			return x->qp[i].umem->error;
	return x->link.why;
}

static void xdp_info(struct pp_net *net, struct pp_net_info *info)
{
	struct xdp_net *x = xdp_at(net);

	info->longest = __atomic_load_n(&x->link.mtu, __ATOMIC_RELAXED) + OVERHEAD;
	info->zero_copy = xdp_umem_zero_copy(x->qp[0].umem);
	if (x->link.program.wordless && __atomic_load_n(x->link.program.wordless, __ATOMIC_RELAXED))
		info->time_source = PP_NET_TIME_POLL;
}

/* ---- close ------------------------------------------------------------------------------- */

static void close_qp(struct xdp_qp *qp)
{
	if (qp->umem)
		xdp_quiet_end(qp);
	pp_device_unregister(qp->queue.dev); /* and the domain */
	xdp_rx_drop_kept(qp);
	for (unsigned i = 0; i < 3; i++) {
		int fd = i == 0 ? qp->timer : i == 1 ? qp->wake : qp->epoll;

		if (fd >= 0)
			close(fd);
	}
}

static void xdp_close(struct pp_net *net)
{
	struct xdp_net *x = xdp_at(net);

	xdp_link_close(&x->link);
	for (unsigned i = 0; i < x->n; i++)
		close_qp(&x->qp[i]);
	pp_driver_unregister(&net->drv);
	xdp_tally_close(&x->tally);
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
	.totals = xdp_totals,
	.info = xdp_info,
	.begin = xdp_begin,
	.end = xdp_end,
	.quiet = xdp_quiet,
	.close = xdp_close,
};

/* ---- open: what it is to be like --------------------------------------------------------- */

/* The largest MTU whose packets lie in one frame. */
static unsigned whole_mtu(uint32_t frame)
{
	return frame - OVERHEAD - XDP_HEADROOM;
}

static int choose_queues(struct xdp_net *x, const struct pp_net_xdp_params *xdp, char *error)
{
	const struct xdp_link *k = &x->link;
	unsigned last = xdp->first_queue + (xdp->queue_count ? xdp->queue_count - 1 : 0);

	x->first = xdp->first_queue;
	x->count = xdp->queue_count ? xdp->queue_count : k->n_queues - xdp->first_queue;
	x->every = !xdp->queue_count && !xdp->first_queue;
	if (last >= k->n_queues)
		snprintf(error, XDP_ERROR,
			 "%s has %u receive queue%s, numbered from 0: there is no "
			 "queue %u",
			 k->name, k->n_queues, k->n_queues == 1 ? "" : "s", last);
	else if (x->first + x->count > XDP_QUEUES)
		snprintf(error, XDP_ERROR,
			 "%s has %u receive queues, of which %u can be served: "
			 "name one, as in xdp:%s:0",
			 k->name, k->n_queues, XDP_QUEUES, k->name);
	else if (x->n > x->count)
		snprintf(error, XDP_ERROR,
			 "%s has %u receive queue%s for a program that serves %u: "
			 "ethtool -L %s combined %u, or let the program take fewer",
			 k->name, x->count, x->count == 1 ? "" : "s", x->n, k->name, x->n);
	else
		return 0;
	return -ENXIO;
}

static int choose_frame(struct xdp_net *x, uint32_t wish, struct xdp_umem_params *u, char *error)
{
	const struct xdp_link *k = &x->link;
	uint32_t most;

	u->frame = wish ? wish : k->mtu <= whole_mtu(2048) ? 2048 : LARGE_FRAME;
	u->pieces = k->mtu > whole_mtu(u->frame);
	x->shift = (unsigned)__builtin_ctz(u->frame);
	x->pieces = u->pieces ? XDP_PIECES : 1;
	x->net.info.pieces = x->net.info.segments = x->pieces;
	most = XDP_PIECES * (u->frame - XDP_HEADROOM) - OVERHEAD;
	if (k->mtu <= most)
		return 0;
	snprintf(
		error, XDP_ERROR,
		"%s has an MTU of %u, and %u frames of %u bytes, which a packet may have, take one "
		"of %u at most: leave out frame=%u, or ip link set %s mtu %u",
		k->name, k->mtu, XDP_PIECES, u->frame, most, u->frame, k->name, most);
	return -EMSGSIZE;
}

static unsigned choose_ring(const struct xdp_net *x, const struct pp_net_params *params)
{
	uint64_t pages = params->max_pages ? params->max_pages : UINT64_MAX;
	uint64_t spare = pages > params->keep ? (pages - params->keep) / 2 : 0;
	unsigned sockets = (x->count + x->n - 1) / x->n, ring = RINGS;

	if (x->send_only) {
		ring = SEND_RING;
		sockets = 1;
	}
	while (ring > MIN_RING && (ring * sockets > RINGS || ring * sockets > spare))
		ring /= 2;
	return ring;
}

/* The pool, in an area as big as it will ever be. *p: the defaults. */
static int choose_pool(struct xdp_net *x, const struct pp_net_params *params, uint32_t frame,
		       struct pp_pool_params *p, char *error)
{
	uint64_t pages = params->max_pages;
	uint32_t chunk = MIN_CHUNK;

	if (!pages)
		pages = params->keep + (x->send_only ? x->ring + x->ring / 2 :
						       2 * x->net.info.ring + WRITER_PAGES);
	if (pages > MAX_BYTES / frame) {
		snprintf(error, XDP_ERROR,
			 "%llu pages are too many for AF_XDP, whose memory is one "
			 "area: %llu of %u bytes at most",
			 (unsigned long long)pages, (unsigned long long)(MAX_BYTES / frame), frame);
		return -E2BIG;
	}
	while (pages * frame > (uint64_t)CHUNKS * chunk)
		chunk *= 2;
	p->name = "xdp";
	p->page_size = frame;
	p->chunk_size = chunk;
	p->area = (pages * frame + chunk - 1) / chunk * chunk;
	p->max_pages = params->max_pages;
	p->memory = PP_MEMORY_THP;
	return 0;
}

static int choose(struct xdp_net *x, const struct pp_net_xdp_params *xdp,
		  const struct pp_net_params *params, struct xdp_umem_params *u,
		  struct pp_pool_params *pool, char *error)
{
	struct pp_net_info *info = &x->net.info;
	int ret = choose_queues(x, xdp, error);

	if (!ret)
		ret = choose_frame(x, xdp->frame, u, error);
	if (ret)
		return ret;
	x->ring = u->ring = choose_ring(x, params);
	u->bind_flags = (xdp->copy ? XDP_COPY : 0) | (xdp->zero_copy ? XDP_ZEROCOPY : 0);
	u->send_only = x->send_only;
	info->ring = x->send_only ? x->ring : x->ring * ((x->count + x->n - 1) / x->n);
	info->rest_ns = x->ring >= REST_RING ? REST_NS : 0;
	return choose_pool(x, params, u->frame, pool, error);
}

/* ---- open -------------------------------------------------------------------------------- */

static int open_events(struct xdp_qp *qp)
{
	struct epoll_event event = { .events = EPOLLIN };

	qp->epoll = epoll_create1(EPOLL_CLOEXEC);
	qp->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	qp->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (qp->epoll < 0 || qp->timer < 0 || qp->wake < 0 ||
	    epoll_ctl(qp->epoll, EPOLL_CTL_ADD, qp->timer, &event) ||
	    epoll_ctl(qp->epoll, EPOLL_CTL_ADD, qp->wake, &event) ||
	    /* one queue pair's thread is woken to look at the interface, and tells the others */
	    (!qp->queue.index && epoll_ctl(qp->epoll, EPOLL_CTL_ADD, qp->x->link.events, &event)))
		return -errno;
	return 0;
}

static int open_qp(struct xdp_net *x, unsigned i, const struct xdp_umem_params *u,
		   const struct pp_pool_params *pool)
{
	struct pp_device_params dev = PP_PARAMS(struct pp_device_params);
	struct xdp_qp *qp = &x->qp[i];
	char name[32];
	int ret;

	*qp = (struct xdp_qp){ .x = x, .epoll = -1, .timer = -1, .wake = -1 };
	qp->queue = (struct port_queue){ .net = &x->net, .index = i, .required = *pool };
	x->net.queue[i] = &qp->queue;
	ret = open_events(qp);
	if (!ret)
		ret = xdp_umem_create(&qp->umem, u);
	if (!ret) {
		snprintf(name, sizeof name, i ? "xdp:%s.%u" : "xdp:%s", x->link.name, i);
		dev.name = name;
		dev.iommu = &qp->umem->iommu;
		ret = pp_device_register(&qp->queue.dev, &dev);
		if (ret) {
			qp->umem->iommu.ops->destroy(&qp->umem->iommu);
			qp->umem = NULL;
		}
	}
	if (ret)
		close_qp(qp);
	return ret;
}

/* VLAN tags that the interface takes out of the packets, where the program isn't told of them. */
static void keep_tags(struct xdp_net *x)
{
	struct xdp_link *k = &x->link;
	bool changed, kept;

	if (x->send_only || k->program.tags)
		return;
	if (k->generic && !k->physical) {
		if (!xdp_feature_is_on(k->query, k->name, "vlan-challenged"))
			port_notice(&x->net,
				    "VLAN tags that come beside the packets of %s are lost in this "
				    "mode%s",
				    k->name,
				    k->veth ? ": leave out mode=generic, or at the "
					      "other end ethtool -K IFNAME tx-vlan-offload off" :
					      "");
		return;
	}
	kept = xdp_features_keep_tags(&k->features, k->name, &changed);
	if (changed)
		port_notice(&x->net,
			    "%s leaves VLAN tags in the packets now (rx-vlan-offload off), as "
			    "long as this runs",
			    k->name);
	if (!kept)
		port_notice(&x->net,
			    "%s removes VLAN tags from the packets, which can't be "
			    "switched off: they are lost",
			    k->name);
}

static void describe(struct xdp_net *x, const struct pp_net_params *params)
{
	struct pp_net *net = &x->net;

	snprintf(net->name, sizeof net->name, "xdp:%s", x->link.name);
	net->ops = &xdp_ops;
	net->drv =
		(struct pp_driver){ .name = "xdp", .probe = probe, .remove = xdp_remove, .ctx = x };
	net->info = (struct pp_net_info){
		.name = net->name,
		.link_type = PORT_LINK_ETHERNET,
		.shortest = 14,
		.time_source = PP_NET_TIME_KERNEL,
		.time_precision_ns = 1,
	};
	x->send_only = params->send_only;
}

static int open_lanes(struct xdp_net *x, const struct pp_net_xdp_params *xdp,
		      const struct pp_net_params *params, char *error)
{
	struct xdp_umem_params u = { 0 };
	struct pp_pool_params pool = pp_pool_defaults();
	int ret = choose(x, xdp, params, &u, &pool, error);

	if (!ret && params->promiscuous && !x->send_only)
		ret = xdp_link_promiscuous(&x->link, error);
	for (unsigned i = 0; i < x->n && !ret; i++) {
		ret = open_qp(x, i, &u, &pool);
		x->net.n_queues += !ret;
	}
	if (!ret)
		ret = pp_driver_register(&x->net.drv);
	if (!ret)
		return 0;
	while (x->net.n_queues)
		close_qp(&x->qp[--x->net.n_queues]);
	return ret;
}

static int open_link(struct xdp_net *x, const struct pp_net_xdp_params *xdp,
		     const struct pp_net_params *params, char *error)
{
	int ret;

	if (params->link_type && params->link_type != PP_NET_LINK_TYPE(PORT_LINK_ETHERNET)) {
		snprintf(error, XDP_ERROR,
			 "%s has Ethernet frames: it can't send packets of another "
			 "link type",
			 xdp->ifname);
		return -EOPNOTSUPP;
	}
	ret = xdp_link_open(&x->link, xdp->ifname,
			    params->send_only ? XDP_NO_PROGRAM :
			    xdp->generic      ? XDP_GENERIC :
						XDP_BEST,
			    whole_mtu(xdp->frame ? xdp->frame : LARGE_FRAME), error);
	if (ret)
		return ret;
	describe(x, params);
	ret = open_lanes(x, xdp, params, error);
	if (ret)
		xdp_link_close(&x->link);
	else
		keep_tags(x);
	return ret;
}

int xdp_net_open(struct pp_net **out, const struct pp_net_xdp_params *xdp,
		 const struct pp_net_params *params, char *error)
{
	unsigned n = params->queues ? params->queues : 1;
	struct xdp_net *x = n > PORT_QUEUES ? NULL : calloc(1, sizeof *x + n * sizeof x->qp[0]);
	int ret = x ? 0 : n > PORT_QUEUES ? -ENXIO : -ENOMEM;

	*out = NULL;
	if (x) {
		x->n = n;
		xdp_tally_open(&x->tally);
		ret = open_link(x, xdp, params, error);
	}
	if (!ret) {
		*out = &x->net;
		return 0;
	}
	if (!*error)
		snprintf(error, XDP_ERROR, "can't set up AF_XDP on %s: %s", xdp->ifname,
			 strerror(-ret));
	if (x)
		xdp_tally_close(&x->tally);
	free(x);
	return ret;
}
