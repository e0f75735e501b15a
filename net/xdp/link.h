/*
 * link.h - a network interface whose packets go to AF_XDP sockets: what is known of it, the
 * XDP program on it, and whether it is still there.
 *
 * The program hangs on the interface by a link that ends with the process, however that
 * ends. A queue without a socket goes on to the kernel's stack.
 *
 * Uses libbpf.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_XDP_LINK_H
#define NIC_XDP_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "umem.h"

struct xdp_link {
	char name[IF_NAMESIZE]; /* as it was given */
	unsigned index;         /* the kernel's, never used again */
	unsigned mtu, n_queues;
	bool generic; /* the program runs in the stack, not in the driver */
	int sockets;  /* the map: queue to socket */
	int program, link;
	int query;  /* a socket to ask about it */
	int events; /* readable when some interface has changed */
	bool gone;
};

enum xdp_how {
	XDP_BEST,       /* in the driver if that can, else in the stack */
	XDP_GENERIC,    /* in the stack */
	XDP_NO_PROGRAM, /* nothing will be received */
};

/*
 * Look at the interface, attach the program. 0, or an errno with a sentence in error
 * (XDP_ERROR bytes).
 */
int xdp_link_open(struct xdp_link *l, const char *name, enum xdp_how how, char *error);
/* Detach the program. */
void xdp_link_close(struct xdp_link *l);
/* A queue's packets go to the socket. 0 or an errno. */
int xdp_link_steer(struct xdp_link *l, unsigned queue, int socket);
/* They go on to the stack again. */
void xdp_link_leave(struct xdp_link *l, unsigned queue);
/* True once it is down, deleted, or in another namespace. Cheap while nothing changes. */
bool xdp_link_gone(struct xdp_link *l);

#endif
