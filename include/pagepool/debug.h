/*
 * debug.h - the checker: what it checks, and where its reports go.
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
	PP_DEBUG_DMA = 1,   /**< DMA calls, and mappings left behind, with their call sites */
	PP_DEBUG_PAGES = 2, /**< pages: who holds each, since when */
	PP_DEBUG_FATAL = 4, /**< abort after the first report */
};

/**
 * Choose the checks: an OR of enum pp_debug. `fatal` takes effect at once, `dma` with the next
 * mapping (for sync, the next binding), `pages` for pools created from now on. Until the first call
 * the environment variable PAGEPOOL_DEBUG applies, a list such as "dma,pages". Any thread.
 */
PP_API void pp_debug_set(unsigned what);
PP_API unsigned pp_debug_get(void);
/**
 * Parse such a list into *what. @return 0; -EINVAL: an unknown word, or NULL; *what is unchanged.
 */
PP_API int pp_debug_parse(const char *list, unsigned *what);

/**
 * Pass reports to a function instead of standard error: one call for each report, which is one or
 * more lines without a final newline. It is called with no lock of the library held and with
 * cancellation disabled. Calls never overlap: while one is in progress, its thread also delivers
 * what other threads report. The function may call the library, but must expect to be called from
 * within any call. NULL: standard error again. On return the previous function is not called any
 * more, except for a call that this was made from; reports that were printed before may be printed
 * again. Any thread.
 */
PP_API void pp_debug_set_report(void (*report)(void *ctx, const char *text), void *ctx);
/**
 * The number of reports since the start of the process, including repeated ones: only the first
 * of each kind at a call site is printed. Any thread.
 */
PP_API uint64_t pp_debug_reports(void);

/**
 * Print all pages in flight of pools created with `pages` on, zombies included, grouped by holder:
 * pool, call site of the get, tag, number of pages, age of the oldest. Any thread.
 * @return the number of pages in flight found.
 */
PP_API uint64_t pp_debug_dump_pages(int fd);
/**
 * The same for a signal handler or a hung process: it waits for no lock. A pool whose lock is taken
 * is named but not dumped; so is a zombie one of whose puts is waiting for this dump to leave a
 * chunk.
 */
PP_API uint64_t pp_debug_dump_pages_signal(int fd);

#ifdef __cplusplus
}
#endif
#endif
