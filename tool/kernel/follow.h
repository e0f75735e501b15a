/*
 * follow.h - traces a sample of the pages of the kernel's page pools, with the programs of
 * watch.bpf.c. One thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_FOLLOW_H
#define KERNEL_FOLLOW_H

#include "peek.h"
#include "watch_abi.h"

struct follow;

/*
 * Begin to follow one page in `every`. 0, or a negative errno: `error` then has one sentence,
 * what is missing and what to do about it.
 */
int follow_open(struct follow **out, struct peek *p, uint64_t every, char error[PEEK_ERROR]);
void follow_close(struct follow *f);
/* The i-th thing that can't be seen on this kernel, and why, as text; NULL: no more. */
const char *follow_missing(const struct follow *f, unsigned i);

struct follow_tally {
	struct watch_key key;
	struct watch_tally is;
};
struct follow_page {
	uint64_t page;
	struct watch_page is;
};
struct follow_pool {
	uint64_t pool;
	struct watch_pool is;
};
/* All that is counted now; pages that are followed; pools. To be freed; NULL and 0: none. */
struct follow_tally *follow_tallies(const struct follow *f, size_t *n);
struct follow_page *follow_pages(const struct follow *f, size_t *n);
struct follow_pool *follow_pools(const struct follow *f, size_t *n);
/* A stack's addresses, innermost first; how many. */
size_t follow_stack(const struct follow *f, int stack, uint64_t frames[WATCH_FRAMES]);
/* Of the sample: pages taken from the system, pages that left their pool; what didn't fit. */
uint64_t follow_taken(const struct follow *f);
uint64_t follow_left(const struct follow *f);
struct watch_losses follow_losses(const struct follow *f);

/* ---- symbols.c: the kernel's functions by address ------------------------------------------ */

struct symbols;
/* NULL: they can't be read. Call it after the programs are loaded, since these have symbols too. */
struct symbols *symbols_open(void);
void symbols_close(struct symbols *s);
/* "tcp_recvmsg", "xmit [veth]"; in hexadecimal if it isn't known. */
const char *symbols_name(const struct symbols *s, uint64_t address, char buf[128]);

#endif
