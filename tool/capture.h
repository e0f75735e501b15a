/*
 * capture.h - the options of a capture.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_CAPTURE_H
#define TOOL_CAPTURE_H

#include "rights.h"
#include "tool.h"

struct capture_options {
	const char *device, *file, *page, *expression;
	uint64_t count, duration; /* packets, seconds; 0: no limit */
	uint64_t hold, max_pages, snaplen;
	uint64_t unbind_after, remove_after; /* 0: never */
	bool rebind, json, no_telemetry, pcapng, no_promiscuous;
	struct option_list files; /* -b */
	struct rights rights;
};

/*
 * Do the whole run and print its report. Signals are already being watched. Returns the exit
 * status.
 */
int capture_run(const struct capture_options *o);

#endif
