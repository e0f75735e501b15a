/*
 * timeline.h - the course of a run, and a page that shows it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_TIMELINE_H
#define TOOL_TIMELINE_H

#include "tool.h"

struct timeline;

/*
 * Open the page's file, so that what is wrong with it is known before the run. `other` is
 * the capture's. 0, or -1 after saying what is wrong.
 */
int timeline_open(struct timeline **out, const char *path, const char *other);
/* Take a sample of the run if one is due, or in any case with `now`. NULL is allowed. */
void timeline_sample(struct timeline *t, uint64_t received, uint64_t written, bool now);
/* Something has happened. NULL is allowed. */
void timeline_mark(struct timeline *t, const char *what);
/* Write the page, if there is a report. 0, or -1 after saying what is wrong. NULL is allowed. */
int timeline_close(struct timeline *t, const struct report *report);

#endif
