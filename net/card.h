/*
 * card.h - what the drivers of cards behind VFIO have in common: pools, events, packets that have
 * arrived and were not polled yet, packets to send, waiting for a register, error messages. What is
 * specific to a card, its registers and rings, is in e1000e/ and virtio/.
 *
 * A card is one device of the library, with one binding, however many queues it has.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_CARD_H
#define NET_CARD_H

#include "port.h"

#include <pagepool/vfio.h>

#define CARD_PIECES 1024u    /* posted, and received and not yet polled, together */
#define CARD_GONE UINT32_MAX /* what a register reads when there is no device */

struct card {
	struct pp_net net; /* the base: first */
	struct pp_vfio *vfio;
	bool poll, rogue, promiscuous;
	bool gone;       /* bind, unbind and state find it out */
	bool no_carrier; /* state finds it out, send asks: relaxed */
	char error[PP_VFIO_ERROR];
	pp_binding_t binding; /* while bound, else none */
};

/* A page that has arrived, and what the device said of it, once read. */
struct card_piece {
	struct pp_page *page;
	uint32_t offset, len, wire_len;
	uint64_t time_ns;
	bool last, bad;
};

/*
 * Free-running counts of pieces: next to be polled <= end of the last whole packet <= end. The
 * device can't reach the pieces, and whole packets stay when it is unbound.
 */
struct card_inbox {
	struct card_piece piece[CARD_PIECES];
	uint64_t next, whole, end;
	uint32_t len; /* of the packet from `whole` on */
	bool bad;     /* it is being dropped */
};

struct card_queue {
	struct port_queue port; /* first */
	int irq_fd;             /* counts interrupts */
	int event_fd;           /* epoll: irq_fd, and the kernel's wish to have the device back */
	enum pp_dma_dir rx_dir, tx_dir; /* of the pools */
	struct card_inbox in;
};

static inline struct card *card_at(struct pp_net *net)
{
	return (struct card *)net;
}

static inline struct card_queue *card_queue_of(struct port_queue *q)
{
	return (struct card_queue *)q;
}

/* Keep what went wrong as a sentence, for port_ops.error, until the next bind or unbind. */
int card_fail(struct card *c, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* port_ops.error */
const char *card_error(struct pp_net *net);

/*
 * Wait for at least 0.2 s until the bits of mask read as value. 0; -ENODEV: `read` returns
 * CARD_GONE; -ETIMEDOUT, with the sentence that the device does not `what`.
 */
int card_wait(struct card *c, const volatile void *reg, uint32_t (*read)(const volatile void *reg),
	      uint32_t mask, uint32_t value, const char *what);

/* ---- open and close: control ---------------------------------------------------------------- */

/* Set what every card has: its name and its parameters. card_add adds the queues. */
void card_describe(struct card *c, struct pp_vfio *vfio, const struct pp_net_vfio_params *set,
		   const struct pp_net_params *params, const struct port_ops *ops);
/*
 * One more queue, which is zeroed, with descriptors to wait on: its pages have `bytes`. 0, or an
 * errno; the queue is the card's either way, card_close_queues closes it.
 */
int card_add(struct card *c, struct card_queue *q, uint32_t bytes, uint64_t max_pages);
void card_close_queues(struct card *c);
/* Register driver and device, of which each queue is a part. */
int card_register(struct card *c, const struct pp_driver *drv);
/* Undo that, and close VFIO's device. Pieces that nobody polled are put. */
void card_unregister(struct card *c);

/* ---- the binding ---------------------------------------------------------------------------- */

/* Create its pools, or use the one that was passed in. 0, or an errno, perhaps with a sentence. */
int card_pools(struct card *c, struct card_queue *q);
/* Let pools go, and half a packet. */
void card_forget(struct card_queue *q);

/* ---- packets: the queue's thread ------------------------------------------------------------ */

/* Nanoseconds since the epoch. */
uint64_t card_now(void);
/* Room for one more piece, beside what has arrived and the `posted` ones. */
static inline bool card_room(const struct card_queue *q, uint64_t posted)
{
	return posted + q->in.end - q->in.next < CARD_PIECES;
}
/* A piece has arrived; a packet with a bad one, or without a byte, is refused, and counted. */
void card_arrived(struct card_queue *q, const struct card_piece *piece);
/* Whole packets out of the inbox. */
unsigned card_take(struct card_queue *q, struct pp_net_seg *seg, unsigned n);

struct card_tx {
	/* How many segments of one packet it has room for. */
	unsigned (*room)(struct card_queue *q);
	/* Post one; its flags tell the packet's last. */
	void (*post)(struct card_queue *q, const struct pp_net_seg *seg, bool first);
};
/*
 * Post whole packets; one that the card can't send (struct pp_net_info tells what it can) is put
 * and counted. How many segments were taken.
 */
unsigned card_send(struct card_queue *q, const struct card_tx *tx, const struct pp_net_seg *seg,
		   unsigned n);

#endif
