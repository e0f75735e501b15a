/*
 * debug.h - how the floors above report bad use. What is checked is said where it is
 * checked.
 *
 * A report: debug_report, any number of debug_note lines, debug_done. Nothing is done
 * while none of the named kinds is switched on: debug_report is then false, and so is
 * everything that follows it. All reports are counted; of those that say the same of the
 * same place only the first is printed.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_DEBUG_H
#define ENV_DEBUG_H

#include <pagepool/debug.h>

#include "env/env.h"

#define DEBUG_PRINTF(n) __attribute__((format(printf, n, n + 1)))

static inline bool debug_on(unsigned kind)
{
	return pp_debug_get() & kind;
}

/*
 * Begin one, about a place: "file:line", or "" where there is none. If true, held until
 * debug_done: reports of several threads don't mix.
 */
bool debug_report(unsigned kind, const char *place, const char *format, ...) DEBUG_PRINTF(3);
/* A further line of it. */
void debug_note(bool begun, const char *format, ...) DEBUG_PRINTF(2);
/* Out it goes; and the end of the process, if reports are fatal. */
void debug_done(bool begun);

#endif
