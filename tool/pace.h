/*
 * pace.h - when the packets of a file are sent.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_PACE_H
#define TOOL_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	bool topspeed, recorded;   /* as soon as there is room; as far apart as the file says */
	uint64_t packets_a_second; /* or so many, */
	uint64_t bits_a_second;    /* or so many; 0: no such limit */
	/* the rest is pace.c's */
	bool begun;
	uint64_t begun_ns, first_ns; /* the clock's and the file's time of the first packet */
	uint64_t due_ns;             /* of the last packet; later ones aren't earlier */
	uint64_t packets, bits;      /* until now */
};

/* False after saying that two of the options can't be combined. */
bool pace_sane(const struct pace *p);
/* The file starts over: its first packet is due when the last one was. */
void pace_again(struct pace *p);
/* When the next packet is due, in CLOCK_MONOTONIC time, as `now` is; 0: at once. */
uint64_t pace_due(struct pace *p, uint64_t now, uint64_t time_ns, uint32_t bytes);

#endif
