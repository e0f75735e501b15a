/*
 * qp.h - an AF_XDP device and its queue pairs. A queue pair (qp) is one queue of the program: a
 * device of the library, a UMEM, and sockets on its share of the interface's queues.
 *
 * A queue pair belongs to its thread, except for members that are marked otherwise.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_XDP_QP_H
#define NET_XDP_QP_H

#include "../port.h"
#include "link.h"
#include "tally.h"
#include "umem.h"

#define XDP_BATCH 64u     /* pages got, or put, at a time */
#define XDP_HEADROOM 256u /* XDP_PACKET_HEADROOM: the kernel begins a packet behind it */
#define XDP_PIECES 18u    /* frames of a packet: what copy mode sends, MAX_SKB_FRAGS and one */
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0) /* Linux 6.6: the packet goes on in the next descriptor */
#endif

/* Where a frame is. The page is noted when it is first posted and then stays the same. */
struct xdp_frame {
	struct pp_page *page;
	uint32_t len;  /* bytes posted to send, in all */
	uint16_t rx;   /* 1: posted to receive */
	uint16_t tx;   /* times posted to send, */
	uint16_t last; /* and of these, times as a packet's last piece */
};

struct xdp_qp {
	struct port_queue queue; /* the base: first */
	struct xdp_net *x;
	struct xdp_umem *umem; /* the device's domain */
	int epoll, timer;
	int wake;      /* an eventfd: the state has changed */
	unsigned turn; /* the socket to poll first */
	unsigned seen; /* the interface's queues, when they were looked at last */
	/*
	 * 1 or more: there is a new queue that can't be served. Set here, cleared by whoever reads
	 * the state.
	 */
	unsigned unserved;

	/* while bound */
	pp_binding_t binding;
	struct xdp_frame *frame;
	uint64_t n_frames;
	unsigned rx_posted[XDP_QUEUES]; /* of the socket, whoever has them */
	unsigned tx_posted;

	struct xdp_kept *kept; /* frames of bindings that have ended, that a card may still be at */

	/* what was in the rings when the binding ended, or is left for the next receive */
	struct pp_net_seg *held;
	unsigned held_at, held_n;
};

struct xdp_net {
	struct pp_net net; /* the base: first */
	struct xdp_link link;
	struct xdp_tally tally;
	bool send_only;
	bool every;            /* all of the interface's queues are served, new ones too */
	unsigned first, count; /* else: these */
	unsigned shift;        /* a frame has 1 << shift bytes */
	unsigned pieces;       /* frames of a packet, at most */
	unsigned ring;         /* entries of a socket's ring */
	bool look;           /* at the interface, at the next call of state; set by any, relaxed */
	unsigned polls;      /* of the state, since it was looked at */
	uint64_t closely_ns; /* when it was looked at for what makes no event */
	unsigned n;
	struct xdp_qp qp[];
};

static inline struct xdp_net *xdp_at(struct pp_net *net)
{
	return (struct xdp_net *)net;
}

static inline struct xdp_qp *xdp_qp(struct port_queue *q)
{
	return (struct xdp_qp *)q;
}

static inline uint32_t xdp_frame_size(const struct xdp_net *x)
{
	return 1u << x->shift;
}

static inline struct xdp_frame *xdp_frame_at(const struct xdp_qp *qp, uint64_t offset)
{
	return &qp->frame[offset >> qp->x->shift];
}

/* rx.c */
unsigned xdp_receive(struct port_queue *q, struct pp_net_seg *seg, unsigned n);
/*
 * Open a socket on one of the interface's queues and post pages to it. 0, or an errno; see
 * umem->error.
 */
int xdp_rx_open(struct xdp_qp *qp, unsigned queue);
/* True if the queue pair is to serve that queue of the interface's. */
bool xdp_rx_is_ours(const struct xdp_qp *qp, unsigned queue);
/* Keep what has arrived, for after the end of the binding. */
void xdp_rx_keep(struct xdp_qp *qp);
void xdp_rx_drop_kept(struct xdp_qp *qp);

/* quiet.c */
/* The sockets are closed: put what was posted, or keep it while a card may still use it. */
void xdp_quiet_begin(struct xdp_qp *qp);
/* Put what is kept if all is quiet by now: true, nothing is kept. */
bool xdp_quiet_look(struct xdp_qp *qp);
/* The same, and wait for it, for 3 seconds at most. */
bool xdp_quiet_wait(struct xdp_qp *qp);
/* The same; what is not quiet by then is never used again. */
void xdp_quiet_end(struct xdp_qp *qp);

/* tx.c */
unsigned xdp_send(struct port_queue *q, const struct pp_net_seg *seg, unsigned n);
unsigned xdp_reap(struct port_queue *q);
/* Have the kernel send what is in the ring, as far as it gets. */
void xdp_tx_kick(struct xdp_qp *qp);

#endif
