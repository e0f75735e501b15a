/*
 * tally.h - how many of the packets given to an interface have left it: AF_XDP reports when it is
 * done with a packet, even if that was dropped; the interface's own counters report drops, of
 * everybody who uses it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_XDP_TALLY_H
#define NET_XDP_TALLY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "link.h"

struct xdp_tally {
	pthread_mutex_t lock; /* held while what follows is used: any thread may ask */
	bool begun;
	bool exact;                 /* each packet is counted by the interface, sooner or later */
	struct xdp_counts from, to; /* when the last binding began; when they were last looked at */
	uint64_t done_from, done_to;   /* packets done with, by then; in all bindings */
	uint64_t min, max, rx_dropped; /* of the bindings before */
};

struct xdp_sent {
	uint64_t min, max; /* packets that have left */
	uint64_t rx_dropped;
	bool behind; /* the interface's counters haven't got there yet */
};

void xdp_tally_open(struct xdp_tally *t);
/* A binding begins; `done` packets are done with until now. */
void xdp_tally_begin(struct xdp_tally *t, struct xdp_link *l, uint64_t done);
/* Look at the counters, if the interface is there. `done`: read before. */
void xdp_tally_look(struct xdp_tally *t, struct xdp_link *l, uint64_t done);
struct xdp_sent xdp_tally_sent(struct xdp_tally *t, uint64_t done);
void xdp_tally_close(struct xdp_tally *t);

#endif
