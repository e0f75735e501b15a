/*
 * watch.h - reads the statistics that another process exports (libpagepool-telemetry).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_WATCH_H
#define TOOL_WATCH_H

#include "tool.h"

#include <jansson.h>

/* client.c. The other process isn't trusted: sizes, times and types are checked. */
struct watched {
	int fd;
	int pid;
	char error[300]; /* why the last question has no answer */
};
/*
 * Connect to the process that -p names, or to the only one that there is. 0, or -1: said
 * what is wrong; *usage: it was the caller's spelling.
 */
int watch_open(struct watched *w, const char *pid, bool *usage);
/*
 * Request everything. NULL: an error, see w->error; or the process has exited, then *ended is set.
 */
json_t *watch_ask(struct watched *w, bool *ended);
void watch_close(struct watched *w);

/*
 * A member as a number, or as text without control characters; 0 or "?" if it is missing or of
 * another type.
 */
uint64_t watch_number(const json_t *o, const char *key);
const char *watch_text(const json_t *o, const char *key, char *buf, size_t size);
/* The name of the device that a binding belongs to, or "". */
const char *watch_device(const json_t *all, uint64_t binding, char *buf, size_t size);

/* table.c: human-readable output; with rates if there is an earlier snapshot */
void table_print(FILE *out, const json_t *now, const json_t *before);
/* Human-readable, at most 16 bytes with the NUL: 12.3M; 1.5 MiB; 2.0 min. */
const char *table_brief(double n, char *buf);
const char *table_bytes(uint64_t n, char *buf);
const char *table_ago(uint64_t ns, char *buf);

/* openmetrics.c */
void openmetrics_print(FILE *out, const json_t *now);

int stat_main(int argc, char **argv);
int top_main(int argc, char **argv);
/* kernel/: about the running kernel's own page pools */
int kernel_main(int argc, char **argv);

#endif
