/*
 * forward.h - the options of forwarding, and its results.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_FORWARD_H
#define TOOL_FORWARD_H

#include "rights.h"
#include "tool.h"

/* End a device's binding after this many packets, counted over both directions; 0: never. */
struct forward_end {
	uint64_t unbind_after, remove_after;
};

struct forward_options {
	const char *device[2], *expression;
	struct forward_end end[2];
	uint64_t count, duration; /* packets, seconds; 0: for ever */
	bool learn, wait, json, no_telemetry, no_promiscuous;
	struct rights rights;
};

/*
 * Do the whole run and print its report. Signals are already being watched. Returns the exit
 * status.
 */
int forward_run(const struct forward_options *o);

/* The keys of --json that are numbers, beside those of each direction. */
#define FORWARD_COUNTS(X)                                                                          \
	X(packets_copied)                                                                          \
	X(devices_lost)                                                                            \
	X(devices_back)                                                                            \
	X(in_flight_at_unbind)                                                                     \
	X(unbind_ns)                                                                               \
	X(mappings_left)                                                                           \
	X(late_calls_refused)                                                                      \
	X(pages_leaked)                                                                            \
	X(iova_left)                                                                               \
	X(elapsed_ns)

/* What became of the packets of a direction: what one side lost, and the other sent. */
struct forward_way {
	char from, to; /* the sides' names */
	struct account account;
	uint64_t stayed,
		filtered; /* not forwarded: the receiver is on this side; the filter leaves it out */
};

struct forward_report {
	struct forward_way way[2];
#define FORWARD_MEMBER(name) uint64_t name;
	FORWARD_COUNTS(FORWARD_MEMBER)
	const char *end; /* how the run ended */
};

void forward_print(const struct forward_report *r, bool json, FILE *out);

#endif
