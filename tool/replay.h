/*
 * replay.h - the options of a replay.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_REPLAY_H
#define TOOL_REPLAY_H

#include "pace.h"
#include "tool.h"

struct replay_options {
	const char *device, *path;
	uint64_t count, duration; /* packets, seconds; 0: no limit */
	uint64_t loops;           /* over the file; 0: no limit */
	struct pace pace;
	bool json, no_telemetry;
};

/*
 * Do the whole run and print its report. Signals are already being watched. Returns the exit
 * status.
 */
int replay_run(const struct replay_options *o);

#endif
