/*
 * rx.c - packets from AF_XDP's receive rings. See driver.c for whom it trusts.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "../whole.h"
#include "qp.h"

#define AHEAD 12u /* packets whose words are fetched before they are needed */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- posting ------------------------------------------------------------------------------ */

/* Post a page. There is room for it in the ring, at idx. */
static void post(struct xdp_qp *qp, struct xdp_queue *q, uint32_t idx, struct pp_page *page)
{
	uint64_t offset = pp_page_iova(page) - qp->umem->iova;
	struct xdp_frame *f = xdp_frame_at(qp, offset);

	f->page = page;
	f->rx = 1;
	*xsk_ring_prod__fill_addr(&q->fill, idx) = offset;
}

/* Keep the socket supplied with all that its ring takes. */
static void rx_post(struct xdp_qp *qp, unsigned i)
{
	struct xdp_queue *q = &qp->umem->queue[i];
	struct pp_page *page[XDP_BATCH];

	while (qp->x->ring - qp->rx_posted[i] >= XDP_BATCH) {
		int n = pp_page_get_batch(page, XDP_BATCH, qp->queue.rx_pool);
		uint32_t idx = 0;

		if (n <= 0) {
			port_count(&qp->queue.stats.rx_no_page, 1);
			break; /* some will be put; the next poll tries again */
		}
		/* never more is posted than the ring has entries */
		xsk_ring_prod__reserve(&q->fill, (uint32_t)n, &idx);
		for (int k = 0; k < n; k++)
			post(qp, q, idx + (uint32_t)k, page[k]);
		xsk_ring_prod__submit(&q->fill, (uint32_t)n);
		qp->rx_posted[i] += (unsigned)n;
		port_count(&qp->queue.stats.rx_posted, (unsigned)n);
	}
	if (xsk_ring_prod__needs_wakeup(&q->fill))
		recvfrom(q->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* ---- taking ------------------------------------------------------------------------------- */

/* What a lot of packets has in common. */
struct lot {
	bool words;     /* the program's word lies before each */
	uint64_t epoch; /* what makes its time one since the epoch; without words: the time */
	bool guess;     /* nobody tells of unfinished checksums */
};

static struct lot begin_lot(const struct xdp_net *x)
{
	const struct xdp_program *p = &x->link.program;
	struct lot lot = { .guess = !p->sums && !x->link.physical };

	/* the program counts before it hands on: while there are none, each has its word */
	lot.words = !__atomic_load_n(p->wordless, __ATOMIC_ACQUIRE);
	lot.epoch = lot.words ? xdp_program_epoch(p) : now_ns();
	return lot;
}

/* A packet whose tag and sum lie beside it. What can't be true stays in its flags. */
static void make_whole(struct pp_net_seg *seg, unsigned n, const struct xdp_word *w)
{
	if (w->flags & XDP_WORD_VLAN) {
		seg->flags |= PP_NET_VLAN;
		seg->vlan_tci = w->tci;
		seg->vlan_tpid = ntohs(w->tpid);
	}
	if ((w->flags & XDP_WORD_PARTIAL) && (w->flags & XDP_WORD_CRC)) {
		whole_crc(seg, n, w->csum_start, w->csum_offset);
	} else if (w->flags & XDP_WORD_PARTIAL) {
		seg->flags |= PP_NET_CSUM_PARTIAL;
		seg->csum_start = w->csum_start;
		seg->csum_offset = w->csum_offset;
	}
	whole_make(seg, seg + 1, n);
}

static void complete(const struct lot *lot, struct pp_net_seg *seg, unsigned n)
{
	struct xdp_word w;

	seg->time_ns = lot->epoch;
	seg->time_source = PP_NET_TIME_POLL;
	if (lot->words && seg->offset >= sizeof w) {
		memcpy(&w, (char *)pp_page_addr(seg->page) + seg->offset - sizeof w, sizeof w);
		seg->time_ns += w.time;
		seg->time_source = PP_NET_TIME_KERNEL;
		if (w.flags)
			make_whole(seg, n, &w);
	}
	if (lot->guess)
		whole_guess(seg, n);
}

/* Take a descriptor: false if it makes no sense. */
static bool rx_take(struct xdp_qp *qp, const struct xdp_desc *d, struct pp_net_seg *seg)
{
	uint32_t size = xdp_frame_size(qp->x), offset = (uint32_t)d->addr & (size - 1),
		 len = d->len;
	struct xdp_frame *f = d->addr < qp->umem->len ? xdp_frame_at(qp, d->addr) : NULL;

	if (!f || !f->rx)
		return false; /* nothing was posted there; what was comes home at the end */
	f->rx = 0;
	if (len > size - offset) {
		pp_page_put(f->page);
		return false;
	}
	*seg = (struct pp_net_seg){
		.page = f->page,
		.offset = offset,
		.len = len,
		.room = (uint16_t)(offset < XDP_HEADROOM ? offset : XDP_HEADROOM),
	};
	return true;
}

static bool goes_on(struct xdp_queue *q, uint32_t idx)
{
	return xsk_ring_cons__rx_desc(&q->rx, idx)->options & XDP_PKT_CONTD;
}

/* Take a packet of n descriptors. Returns how many segments it has: 0 if it makes no sense. */
static unsigned rx_packet(struct xdp_qp *qp, struct xdp_queue *q, uint32_t idx, unsigned n,
			  const struct lot *lot, struct pp_net_seg *seg)
{
	bool ends = !goes_on(q, idx + n - 1), sane = ends && !q->cut && n <= qp->x->pieces;
	unsigned taken = 0;

	q->cut = !ends;
	for (unsigned i = 0; i < n; i++)
		taken += rx_take(qp, xsk_ring_cons__rx_desc(&q->rx, idx + i), &seg[taken]);
	if (taken < n || !sane) {
		while (taken)
			pp_page_put(seg[--taken].page);
		port_count(&qp->queue.stats.rx_refused, ends);
		return 0;
	}
	seg[n - 1].flags = PP_NET_LAST;
	seg->wire_len = (uint32_t)port_bytes(seg, n);
	seg->queue = (uint16_t)q->id;
	complete(lot, seg, n);
	return n;
}

/* Descriptors of the packet at the front, of `got`: one whose end isn't there has all. */
static uint32_t span(struct xdp_queue *q, uint32_t idx, uint32_t got)
{
	uint32_t n = 1;

	while (n < got && goes_on(q, idx + n - 1))
		n++;
	return n;
}

/*
 * Of `got` descriptors, those that are whole packets. The caller has no room for the rest of one
 * that doesn't end, and it is left in the ring; unless it is longer than a packet may be.
 */
static uint32_t whole(const struct xdp_qp *qp, struct xdp_queue *q, uint32_t idx, uint32_t got)
{
	uint32_t n = got;

	while (n && goes_on(q, idx + n - 1))
		n--;
	return got - n < qp->x->pieces ? n : got;
}

static unsigned posted_in_all(const struct xdp_qp *qp)
{
	unsigned n = 0;

	for (unsigned i = 0; i < qp->umem->n_queues; i++)
		n += qp->rx_posted[i];
	return n;
}

/* The word of a packet, and what follows, was written by another processor. */
static void fetch(const struct xdp_qp *qp, struct xdp_queue *q, uint32_t idx)
{
	uint64_t at = xsk_ring_cons__rx_desc(&q->rx, idx)->addr;

	if (at >= sizeof(struct xdp_word) && at < qp->umem->len)
		__builtin_prefetch(qp->umem->addr + at - sizeof(struct xdp_word), 1);
}

static unsigned rx_queue(struct xdp_qp *qp, unsigned i, struct pp_net_seg *seg, unsigned n)
{
	struct xdp_queue *q = &qp->umem->queue[i];
	uint32_t idx = 0, there = xsk_ring_cons__peek(&q->rx, n, &idx);
	uint32_t got = whole(qp, q, idx, there), k = 0;
	unsigned taken = 0;
	struct lot lot;

	xsk_ring_cons__cancel(&q->rx, there - got);
	if (!got)
		return 0;
	lot = begin_lot(qp->x);
	for (; k < got && k < AHEAD; k++)
		fetch(qp, q, idx + k);
	for (k = 0; k < got;) {
		uint32_t here = span(q, idx + k, got - k);

		for (uint32_t i = k + AHEAD; i < k + AHEAD + here && i < got; i++)
			fetch(qp, q, idx + i);
		taken += rx_packet(qp, q, idx + k, here, &lot, &seg[taken]);
		k += here;
	}
	xsk_ring_cons__release(&q->rx, got);
	qp->rx_posted[i] -= got < qp->rx_posted[i] ? got : qp->rx_posted[i];
	port_set(&qp->queue.stats.rx_posted, posted_in_all(qp));
	return taken;
}

/* ---- the queue pair's queues ------------------------------------------------------------- */

bool xdp_rx_is_ours(const struct xdp_qp *qp, unsigned queue)
{
	const struct xdp_net *x = qp->x;

	return queue >= x->first && (x->every || queue - x->first < x->count) &&
	       (queue - x->first) % x->n == qp->queue.index;
}

int xdp_rx_open(struct xdp_qp *qp, unsigned queue)
{
	struct epoll_event event = { .events = EPOLLIN };
	unsigned i = qp->umem->n_queues;
	struct pp_net_seg *held;
	int ret;

	/* the kept packets of all sockets must have room at the end, behind what waits */
	held = realloc(qp->held, ((size_t)qp->x->ring * (i + 1) + XDP_PIECES) * sizeof *held);
	if (!held)
		return -ENOMEM;
	qp->held = held;
	ret = xdp_umem_open(qp->umem, queue);
	if (ret || qp->x->send_only)
		return ret;
	qp->rx_posted[i] = 0;
	rx_post(qp, i);
	if (epoll_ctl(qp->epoll, EPOLL_CTL_ADD, qp->umem->queue[i].fd, &event))
		return -errno;
	return xdp_link_steer(&qp->x->link, queue, qp->umem->queue[i].fd);
}

/* The interface has got more queues: serve them too. */
static void serve_new(struct xdp_qp *qp, unsigned n)
{
	for (unsigned id = qp->seen; id < n; id++) {
		int ret = -E2BIG;

		if (!xdp_rx_is_ours(qp, id))
			continue;
		for (unsigned i = 0; i < qp->umem->n_queues; i++)
			if (qp->umem->queue[i].id == id)
				ret = 0; /* it was there before, and has come back */
		if (ret && id < XDP_QUEUES)
			ret = xdp_rx_open(qp, id);
		if (ret)
			__atomic_store_n(&qp->unserved, id + 1, __ATOMIC_RELEASE);
	}
	qp->seen = n;
}

/* ---- receive ------------------------------------------------------------------------------- */

static unsigned take_held(struct xdp_qp *qp, struct pp_net_seg *seg, unsigned n)
{
	unsigned k = port_whole(qp->held + qp->held_at, qp->held_n - qp->held_at, n);

	memcpy(seg, qp->held + qp->held_at, k * sizeof *seg);
	qp->held_at += k;
	if (qp->held_at == qp->held_n)
		qp->held_at = qp->held_n = 0;
	return k;
}

static unsigned poll_queues(struct xdp_qp *qp, struct pp_net_seg *seg, unsigned n)
{
	unsigned n_queues = __atomic_load_n(&qp->x->link.n_queues, __ATOMIC_RELAXED), got = 0;

	if (qp->seen != n_queues && qp->x->every)
		serve_new(qp, n_queues);
	for (unsigned k = 0; k < qp->umem->n_queues; k++) {
		unsigned i = (qp->turn + k) % qp->umem->n_queues;

		got += rx_queue(qp, i, seg + got, n - got);
		rx_post(qp, i);
	}
	qp->turn++;
	return got;
}

unsigned xdp_receive(struct port_queue *q, struct pp_net_seg *seg, unsigned n)
{
	struct xdp_qp *qp = xdp_qp(q);
	bool open = xdp_umem_is_open(qp->umem) && !qp->x->send_only;

	if (open && !qp->held_n && n >= qp->x->pieces)
		return port_received(q, seg, poll_queues(qp, seg, n));
	if (open && !qp->held_n) /* there may be no room for a packet */
		qp->held_n = poll_queues(qp, qp->held, qp->x->pieces);
	return port_received(q, seg, take_held(qp, seg, n));
}

void xdp_rx_keep(struct xdp_qp *qp)
{
	for (unsigned i = 0; i < qp->umem->n_queues && !qp->x->send_only; i++)
		qp->held_n += rx_queue(qp, i, qp->held + qp->held_n, qp->x->ring);
}

void xdp_rx_drop_kept(struct xdp_qp *qp)
{
	while (qp->held_at < qp->held_n)
		pp_page_put(qp->held[qp->held_at++].page);
	free(qp->held);
	qp->held = NULL;
	qp->held_at = qp->held_n = 0;
}
