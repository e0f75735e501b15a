/*
 * kernel.h - pagepool kernel: the commands about the running kernel's own page pools.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "../watch.h"
#include "held.h"

/* The exit status of each. */
int kernel_pools_main(int argc, char **argv);
int kernel_holders_main(int argc, char **argv);
int kernel_check_main(int argc, char **argv);
int kernel_unbind_main(int argc, char **argv);
int kernel_watch_main(int argc, char **argv);

/*
 * Fill a scan that is open with all pools that can be found: where the kernel's own table of
 * them can't be read, those too that only their pages, somewhere, lead to. 0 or a negative errno.
 */
int kernel_scan(struct scan *s);

/* The i-th reason why a part is missing, as text; NULL: no more. */
const char *kernel_note(const struct scan *s, unsigned i);
/* The same as a JSON array. */
json_t *kernel_notes(const struct scan *s);
/* A pool as a JSON object. */
json_t *kernel_pool_json(const struct pool *p);
/* "46", or "@ffff888100000000" for a pool without a number. */
const char *kernel_pool_name(const struct pool *pool, char buf[32]);
/* "alive", "zombie 12.0 s", "zombie" */
const char *kernel_pool_state(const struct pool *pool, char buf[40]);
/*
 * pools.c: refresh an open scan and print the table, with rates if the scan has the pools of an
 * earlier look, that many seconds ago. 0, or a negative errno: nothing was printed.
 */
int kernel_pools_show(FILE *out, struct scan *s, double seconds);
/* holders.c: print who holds a pool's pages, for people. */
void kernel_print_holders(const struct held *h, int pool);

#endif
