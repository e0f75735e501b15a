/*
 * loop.h - the event loop of capture, forward and replay: work while there is some, then wait for
 * the devices, a signal, or a timeout; and end for the first reason that occurs.
 *
 * Thread rule: one thread calls all of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_LOOP_H
#define TOOL_LOOP_H

#include <pagepool/net.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOP_DEVICES 2u
#define LOOP_NEVER UINT64_MAX

struct loop_ops {
	/* Do whatever is possible without waiting. True: something was done. */
	bool (*work)(void *ctx);
	/*
	 * There was nothing to do: end the loop if nothing more will come. True: something has
	 * changed, don't wait.
	 */
	bool (*idle)(void *ctx);
	/* The devices that are bound now, and how many. */
	unsigned (*devices)(void *ctx, struct pp_net *nic[LOOP_DEVICES]);
	/* NULL, or returns another descriptor that becomes readable when there is work, or -1. */
	int (*also)(void *ctx);
	/* NULL, or returns when (by loop_now) to run in any case; LOOP_NEVER: no such time. */
	uint64_t (*due)(void *ctx);
};

struct loop {
	const struct loop_ops *ops;
	void *ctx;
	uint64_t duration; /* seconds after which it ends; 0: never */
	/* the rest is loop.c's */
	bool done;
	const char *why; /* it ended */
	uint64_t until;
	int status; /* an error that was set before it ended stays */
};

/* CLOCK_MONOTONIC, in ns. */
uint64_t loop_now(void);
/* Run until loop_end, a signal, or the end of its duration. */
void loop_run(struct loop *l);
/* The first reason counts. */
void loop_end(struct loop *l, const char *why, int status);

#endif
