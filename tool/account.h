/*
 * account.h - what became of a run's packets, counted alike for capture, forward and replay.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_ACCOUNT_H
#define TOOL_ACCOUNT_H

#include <pagepool/net.h>
#include <stdio.h>

/* What became of packets that weren't received or sent. Also keys of --json. */
#define ACCOUNT_COUNTS(X)                                                                          \
	X(packets_refused)         /* received, but nonsense */                                    \
	X(packets_missed)          /* no room in the rings that they are received from, and */     \
	X(packets_missed_too_long) /* of those: longer than what there is to receive one into */   \
	X(packets_dropped_before)  /* by the interface, before those */                            \
	X(packets_too_long)                                                                        \
	X(packets_too_short)                                                                       \
	X(packets_no_carrier)                                                                      \
	X(packets_malformed)                                                                       \
	X(packets_dropped) /* by the interface that was to send them, at most */                   \
	X(packets_no_room) /* no page to copy to, or the other side was behind */                  \
	X(packets_gone)    /* for a device that was not there */                                   \
	X(packets_unsent)  /* still in the rings when the binding ended */

struct account {
#define ACCOUNT_MEMBER(name) uint64_t name;
	ACCOUNT_COUNTS(ACCOUNT_MEMBER)
	/* They differ only where some of the losses may be other senders'. */
	uint64_t sent, sent_at_most;
	uint64_t bytes_sent; /* of what was completed */
	uint64_t nonsense;   /* completions of what was never sent */
	uint64_t excused; /* of those above: due to a device's end, which is reported by itself */
};

/* Add what a device has counted since it was opened: final after unbind and pp_net_quiet. */
void account_add(struct account *a, const struct pp_net_stats *s);
/* Add another one. */
void account_join(struct account *a, const struct account *b);
/*
 * The end of this device was requested, or has an exit status of its own: losses due to it are no
 * error.
 */
void account_excuse(struct account *a, const struct pp_net_stats *s);
/* Packets that the device refused to send. */
uint64_t account_left_out(const struct account *a);
/* Upper bound on the packets that should have been sent and weren't, for whatever reason. */
uint64_t account_not_sent(const struct account *a);
/* The exit status of a run that would otherwise end with `status`; prints why if it differs. */
int account_status(const struct account *a, int status);
/* "1,234", or "1,200 to 1,234". */
#define ACCOUNT_SENT 80
const char *account_sent(const struct account *a, char buf[ACCOUNT_SENT]);
/* A line for each count that isn't 0. */
void account_print(const struct account *a, FILE *out);

#endif
