/*
 * debug.h - how the floors above report misuse. The checks, and the words for them, are where their
 * subjects are.
 *
 * A report is debug_report, any number of debug_note lines, and debug_done. If none of the named
 * kinds is switched on, debug_report returns NULL and the others do nothing. All reports are
 * counted; of those that say the same about the same caller only the first is printed.
 *
 * A report may be made under any lock. Its thread prints it once it holds none.
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

struct report;

/* Begin one, about a caller: "file:line", or "" where there is none. */
struct report *debug_report(unsigned kind, const char *caller, const char *format, ...)
	DEBUG_PRINTF(3);
/* A further line of it. */
void debug_note(struct report *report, const char *format, ...) DEBUG_PRINTF(2);
/* It is complete. */
void debug_done(struct report *report);

/*
 * Returns -EINVAL. In any debug mode, prints a sentence: the call, what is wrong, what is allowed.
 * There is no caller to tell reports apart by, so each distinct sentence is printed once.
 */
int debug_invalid(const char *format, ...) DEBUG_PRINTF(1);

/* Print the reports of the calling thread, which holds no lock, and abort if they are fatal. */
extern uint32_t debug_waiting; /* reports not printed yet; relaxed */
void debug_print_waiting(void);
static inline void debug_print(void)
{
	if (env_unlikely(env_load_relaxed(&debug_waiting)))
		debug_print_waiting();
}

#endif
