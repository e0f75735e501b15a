/*
 * telemetry.h - what the files of this library share.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TELEMETRY_TELEMETRY_H
#define TELEMETRY_TELEMETRY_H

#include <pagepool/pagepool.h>
#include <pagepool/telemetry.h>

/* What can be asked for. */
enum request { REQUEST_ALL, REQUEST_TOTALS, REQUESTS };
#define REQUEST_NAMES                                                                              \
	{                                                                                          \
		"all", "totals"                                                                    \
	}

/* path.c: a folder that is this user's alone, made if need be. 0 or a negative errno. */
int path_folder(char *path, size_t size);
/* True if it is a socket that nobody listens at. */
bool path_is_deaf(const char *path);

/* snapshot.c: one line of JSON, to be freed; NULL: no memory. */
char *snapshot_text(enum request request, const char *process, uint64_t started_ns);
uint64_t telemetry_now_ns(void); /* CLOCK_MONOTONIC */

#endif
