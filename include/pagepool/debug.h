/*
 * debug.h - the checker: what it watches, and where its reports go.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_DEBUG_H
#define PAGEPOOL_DEBUG_H

#include <pagepool/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pp_debug {
	PP_DEBUG_DMA = 1,   /**< mappings: what is forgotten, where it was made */
	PP_DEBUG_PAGES = 2, /**< pages: who holds each, since when */
	PP_DEBUG_FATAL = 4, /**< abort after the first report */
};

/**
 * Choose what is watched: an OR of enum pp_debug. `fatal` counts from now on, `dma` from
 * the next mapping and, for sync, the next binding on, `pages` for pools created from now on.
 * Until the first call it is what the environment variable PAGEPOOL_DEBUG says: a list such as
 * "dma,pages".
 * Control.
 */
PP_API void pp_debug_set(unsigned what);
PP_API unsigned pp_debug_get(void);
/**
 * Read such a list. @return 0, and the flags in *what; -EINVAL: an unknown word, or NULL;
 *         the flags are as they were.
 */
PP_API int pp_debug_parse(const char *list, unsigned *what);

/**
 * Send reports elsewhere than to standard error: one call a report, one or more
 * lines without the last newline. It runs without a lock of the library's, on a thread that can't
 * be cancelled meanwhile; calls of it never overlap: what other threads have to report while one
 * is at it, this one reports. It may call the library, on the understanding that it may come from
 * inside any call. NULL: standard error again. Either way what was named before is called no more
 * when this returns, but for a call that this comes from, and what was printed before may be
 * printed again. Control.
 */
PP_API void pp_debug_set_report(void (*report)(void *ctx, const char *text), void *ctx);
/**
 * Reports made since the start of the process, the repeated ones included, which are not
 * printed: of what is said of one place only the first is. Any thread.
 */
PP_API uint64_t pp_debug_reports(void);

/**
 * Print every page in flight of pools made with `pages` on, grouped by holder:
 * pool, where it was got, tag, how many, age of the oldest. Zombies too.
 * Any thread. @return the number of pages in flight that were found.
 */
PP_API uint64_t pp_debug_dump_pages(int fd);
/**
 * The same from a signal handler, or where the process hangs: it waits for no lock. A pool
 * that is being worked on at this moment is named instead of dumped, and so is one that a put
 * waits for, which only a zombie's put does, for a chunk's pages to be looked at.
 */
PP_API uint64_t pp_debug_dump_pages_signal(int fd);

#ifdef __cplusplus
}
#endif
#endif
