/*
 * link.h - a network interface whose packets go to AF_XDP sockets: its properties, the XDP program
 * attached to it, its own counters, and what happens to it.
 *
 * The program is attached by a link that ends with the process, however that ends. Packets of a
 * queue without a socket go on to the kernel's stack. Uses libbpf.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_XDP_LINK_H
#define NET_XDP_LINK_H

#include <net/if.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "offload.h"
#include "program.h"
#include "umem.h"

/* What the interface's own counters say, of all that use it. */
struct xdp_counts {
	uint64_t tx_packets;
	uint64_t tx_lost;   /* dropped, or in error */
	uint64_t rx_missed; /* for want of room in the device */
};

/* What may be found when the interface is looked at; bits. */
enum {
	XDP_RENAMED = 1,
	XDP_MTU_CHANGED = 2,
	XDP_QUEUES_CHANGED = 4,
};

struct xdp_link {
	char name[IF_NAMESIZE]; /* that it has now */
	unsigned index;         /* the kernel's, never used again */
	bool generic;           /* the program runs in the stack, not in the driver */
	bool physical;          /* it is hardware, or looks so */
	bool veth;
	bool pieces; /* the program takes packets in pieces */
	/* Written by who looks (pp_net_state), read by the queues: relaxed. */
	unsigned mtu, n_queues;
	bool carrier;
	struct xdp_program program;
	int link;
	struct xdp_features features;
	int query;  /* a socket to ask about it */
	int events; /* readable when some interface has changed */
	int promiscuous;
	bool gone;
	bool moved;          /* what became of it, if it isn't here any more */
	char why[XDP_ERROR]; /* gone: what happened */
	/* Held while `ask` is used: what is asked for is answered. */
	pthread_mutex_t lock;
	int ask;
};

enum xdp_how {
	XDP_BEST,       /* in the driver if that can, else in the stack */
	XDP_GENERIC,    /* in the stack */
	XDP_NO_PROGRAM, /* nothing will be received */
};

/*
 * Query the interface and attach the program, one for packets of several pages if the MTU is more
 * than `mtu`. 0, or an errno with a sentence in error (XDP_ERROR bytes).
 */
int xdp_link_open(struct xdp_link *l, const char *name, enum xdp_how how, unsigned mtu,
		  char *error);
/* Receive what is for other addresses too, until the close. As above. */
int xdp_link_promiscuous(struct xdp_link *l, char *error);
/* Detach the program. */
void xdp_link_close(struct xdp_link *l);
/* A queue's packets go to the socket. 0 or an errno. */
int xdp_link_steer(struct xdp_link *l, unsigned queue, int socket);
/* They go on to the stack again. */
void xdp_link_leave(struct xdp_link *l, unsigned queue);
/*
 * True once it is down, deleted, in another namespace, or without the program; `why` says which.
 * Else *changes has what else is new. `closely`: also look for changes that cause no event.
 */
bool xdp_link_look(struct xdp_link *l, bool closely, unsigned *changes);
/* Its counters. 0 or an errno: it isn't here any more. Any thread. */
int xdp_link_counts(struct xdp_link *l, struct xdp_counts *counts);

#endif
