/*
 * watch_run.h - what the files watch*.c share: the pools that are watched, and what is counted for
 * their pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_WATCH_RUN_H
#define KERNEL_WATCH_RUN_H

#include "follow.h"
#include "kernel.h"

struct watched_pool {
	struct pool now; /* as it was when it was last seen */
	bool made;       /* while we watched */
	/* what now.taken and now.given_back were when it was first seen; 0 of one that was made */
	uint32_t taken_before, given_back_before;
	uint64_t noted_ns;
	unsigned seen; /* the last look that saw it */
};

struct watch_run {
	struct scan scan;
	struct follow *follow;
	struct symbols *symbols; /* NULL: addresses are shown */
	uint64_t every;          /* one page in so many is followed */
	uint64_t begun_ns, now_ns;
	unsigned looks;
	struct watched_pool *pool;
	size_t n_pools;
	/* as of the last look */
	struct follow_tally *tally;
	struct follow_page *page; /* those in their pools first; the oldest before the others */
	size_t n_tallies, n_pages;
	bool no_memory;
};

/* The pool at an address; NULL: it was never seen. */
const struct watched_pool *watch_pool_at(const struct watch_run *w, uint64_t address);
/* The last look didn't see it. */
bool watch_has_gone(const struct watch_run *w, const struct watched_pool *p);
/* Tallies of a kind, the largest first; to be freed. */
const struct follow_tally **watch_sorted(const struct watch_run *w, enum watch_kind kind,
					 size_t *n);
/* Sum of a kind's. */
uint64_t watch_sum(const struct watch_run *w, enum watch_kind kind);
/* Something is wrong: a late unmap, a page that was freed while a pool's, negative in-flight. */
bool watch_is_wrong(const struct watch_run *w);
/* A stack without the frames of our own programs. */
size_t watch_stack(const struct watch_run *w, int stack, uint64_t frames[WATCH_FRAMES]);

void watch_print(FILE *out, const struct watch_run *w);
void watch_print_json(FILE *out, const struct watch_run *w);

#endif
