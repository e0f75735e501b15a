/*
 * tx.c - packets into AF_XDP's send rings, and their completion. See driver.c for whom it trusts.
 *
 * What can't be sent is refused here, since the kernel would drop it silently: too long for the
 * MTU, too short for an Ethernet header, no carrier.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/socket.h>

#include "../whole.h"
#include "qp.h"

#define HEADER 14u /* bytes of an Ethernet header */

void xdp_tx_kick(struct xdp_qp *qp)
{
	struct xdp_queue *q = &qp->umem->queue[0];
	unsigned again = qp->x->ring / 32;

	if (!xsk_ring_prod__needs_wakeup(&q->tx))
		return;
	for (unsigned i = 0; i < qp->x->ring; i++) {
		if (sendto(q->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return;
		if (errno == EBUSY) /* it has dropped one: see why, and go on with the next */
			__atomic_store_n(&qp->x->look, true, __ATOMIC_RELAXED);
		else if (errno != EAGAIN || !again--)
			return; /* kernels that send 32 at a time say EAGAIN until all are sent */
	}
}

/* For a packet of n frames: what is under way must find room in the completion ring too. */
static bool has_room(struct xdp_qp *qp, unsigned n)
{
	return qp->tx_posted + n <= qp->x->ring && xsk_prod_nb_free(&qp->umem->queue[0].tx, n) >= n;
}

/* Post a piece of a packet, for which there is room. */
static void tx_post(struct xdp_qp *qp, const struct pp_net_seg *seg, bool last)
{
	struct xdp_queue *q = &qp->umem->queue[0];
	uint64_t offset = pp_page_iova(seg->page) - qp->umem->iova;
	struct xdp_frame *f = xdp_frame_at(qp, offset);
	struct xdp_desc *d;
	uint32_t idx = 0;

	xsk_ring_prod__reserve(&q->tx, 1, &idx);
	d = xsk_ring_prod__tx_desc(&q->tx, idx);
	d->addr = offset + seg->offset;
	d->len = seg->len;
	d->options = last ? 0 : XDP_PKT_CONTD;
	f->page = seg->page;
	f->len += seg->len;
	f->tx++;
	f->last += last;
	qp->tx_posted++;
}

/* Bytes of VLAN tags, which the MTU doesn't count. */
static uint32_t tags(const struct pp_net_seg *seg)
{
	const uint8_t *p = (const uint8_t *)pp_page_addr(seg->page) + seg->offset;
	uint32_t n = 0;

	for (; n < 2 * WHOLE_TAG && HEADER + n <= seg->len; n += WHOLE_TAG) {
		unsigned type = (unsigned)p[12 + n] << 8 | p[13 + n];

		if (type != 0x8100 && type != 0x88a8)
			break;
	}
	return n;
}

/* True if the segment lies in a frame of the UMEM. */
static bool is_in_frame(const struct xdp_qp *qp, const struct pp_net_seg *seg)
{
	return pp_page_iova(seg->page) - qp->umem->iova < qp->umem->len &&
	       seg->offset < xdp_frame_size(qp->x) &&
	       seg->len <= xdp_frame_size(qp->x) - seg->offset;
}

/* Why the packet can't be sent, or NULL. */
static uint64_t *unfit(struct xdp_qp *qp, const struct pp_net_seg *seg, unsigned n)
{
	struct pp_net_stats *stats = &qp->queue.stats;
	uint32_t most = __atomic_load_n(&qp->x->link.mtu, __ATOMIC_RELAXED) + HEADER;
	uint64_t len = port_bytes(seg, n);

	if (len > most && len > most + tags(seg))
		return &stats->tx_too_long;
	if (n > qp->x->pieces)
		return &stats->tx_malformed;
	for (unsigned i = 0; i < n; i++)
		if (!is_in_frame(qp, &seg[i]) || (n > 1 && !seg[i].len))
			return &stats->tx_malformed;
	if (len < HEADER)
		return &stats->tx_too_short;
	/* the kernel takes it for granted that the header is in the first one */
	if (seg->len < HEADER)
		return &stats->tx_malformed;
	if (!__atomic_load_n(&qp->x->link.carrier, __ATOMIC_RELAXED))
		return &stats->tx_no_carrier;
	return NULL;
}

/* Post a packet, or refuse it. False: no room. */
static bool take(struct xdp_qp *qp, const struct pp_net_seg *seg, unsigned n, unsigned *posted)
{
	uint64_t *why = unfit(qp, seg, n);
	struct pp_net_seg head = *seg;

	if (!why && !has_room(qp, n))
		return false;
	if (!why && whole_is_not(seg) && whole_make(&head, seg + 1, n))
		why = &qp->queue.stats.tx_malformed;
	if (why) {
		port_refuse(seg, n, why);
		return true;
	}
	tx_post(qp, &head, n == 1);
	for (unsigned i = 1; i < n; i++)
		tx_post(qp, &seg[i], i == n - 1);
	*posted += n;
	port_count(&qp->queue.stats.tx_taken, 1);
	return true;
}

unsigned xdp_send(struct port_queue *q, const struct pp_net_seg *seg, unsigned n)
{
	struct xdp_qp *qp = xdp_qp(q);
	unsigned taken = 0, posted = 0, k;

	if (!xdp_umem_is_open(qp->umem))
		return 0;
	while ((k = pp_net_packet(seg + taken, n - taken))) {
		if (!take(qp, seg + taken, k, &posted))
			break;
		taken += k;
	}
	if (posted) {
		xsk_ring_prod__submit(&qp->umem->queue[0].tx, posted);
		xdp_tx_kick(qp);
	}
	return taken;
}

/* A piece is done with. Which one of those in the frame, the kernel doesn't tell. */
static void tx_done(struct pp_net_stats *stats, struct xdp_frame *f)
{
	f->tx--;
	if (f->last) {
		f->last--;
		port_count(&stats->tx_packets, 1);
	}
	if (!f->tx) {
		port_count(&stats->tx_bytes, f->len);
		f->len = 0;
	}
}

/*
 * The completion ring's addresses are the kernel's word: what was not posted isn't done. So is how
 * many there are: more than it has room for aren't looked at in one call.
 */
unsigned xdp_reap(struct port_queue *port)
{
	struct xdp_qp *qp = xdp_qp(port);
	struct xdp_queue *q = &qp->umem->queue[0];
	struct pp_page *page[XDP_BATCH];
	uint32_t idx = 0, n, left = qp->x->ring;

	if (!xdp_umem_is_open(qp->umem))
		return 0;
	while ((n = xsk_ring_cons__peek(&q->comp, left < XDP_BATCH ? left : XDP_BATCH, &idx))) {
		unsigned k = 0;

		left -= n;

		for (uint32_t i = 0; i < n; i++) {
			uint64_t addr = *xsk_ring_cons__comp_addr(&q->comp, idx + i);
			struct xdp_frame *f = addr < qp->umem->len ? xdp_frame_at(qp, addr) : NULL;

			if (!f || !f->tx) {
				port_count(&port->stats.tx_refused, 1);
				continue;
			}
			page[k++] = f->page;
			qp->tx_posted--;
			tx_done(&port->stats, f);
		}
		xsk_ring_cons__release(&q->comp, n);
		pp_page_put_batch(page, k);
	}
	return qp->tx_posted;
}
