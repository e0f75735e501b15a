/*
 * instead.c - stands in front of four functions of DPDK's unmodified test program, by
 * LD_PRELOAD, so that it can be asked for more than its command line knows:
 *
 *   PP_DPDK_OPS=name     what asks for the handler ring_mp_mc gets this one: most mempools of
 *                        DPDK's tests have it by default, whatever --mbuf-pool-ops-name says
 *   PP_DPDK_ROW_MS=ms    mempool_perf_autotest measures for so long a row, not 5 seconds; and
 *   PP_DPDK_ROWS="1 32/32 512"  only those rows: sizes of bulks (get and put alike) / objects
 *                        kept. The others take one turn on one lcore, which cannot be helped.
 *
 * The program divides by 5 seconds in any case, so rates are to be multiplied by 5000 / ms.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rte_mempool;

int rte_mempool_set_ops_byname(struct rte_mempool *mp, const char *name, void *config);
uint64_t rte_get_tsc_hz(void);
int rte_eal_remote_launch(int (*work)(void *), void *arg, unsigned lcore);
int __printf_chk(int flag, const char *format, ...);

int rte_mempool_set_ops_byname(struct rte_mempool *mp, const char *name, void *config)
{
	int (*next)(struct rte_mempool *, const char *, void *) =
		(int (*)(struct rte_mempool *, const char *, void *))dlsym(
			RTLD_NEXT, "rte_mempool_set_ops_byname");
	const char *ops = getenv("PP_DPDK_OPS");

	return next(mp, ops && !strcmp(name, "ring_mp_mc") ? ops : name, config);
}

/* The row that is about to be measured. Written by the main thread before it starts others. */
static enum { NO_ROW, UNWANTED, WANTED } row;

static bool listed(const char *list, unsigned n)
{
	for (char *end; *list && *list != '/'; list = end) {
		if (strtoul(list, &end, 10) == n)
			return true;
		if (end == list)
			break;
	}
	return false;
}

static void note_row(const char *line)
{
	const char *rows = getenv("PP_DPDK_ROWS");
	unsigned cache, cores, get, put, keep, constant;

	if (sscanf(line,
		   "mempool_autotest cache=%u cores=%u n_get_bulk=%u n_put_bulk=%u n_keep=%u "
		   "constant_n=%u",
		   &cache, &cores, &get, &put, &keep, &constant) != 6)
		return;
	row = !rows || (get == put && !constant && listed(rows, get) && strchr(rows, '/') &&
			listed(strchr(rows, '/') + 1, keep)) ?
		      WANTED :
		      UNWANTED;
}

int __printf_chk(int flag, const char *format, ...)
{
	char line[256];
	va_list args, copy;
	int ret;

	(void)flag;
	va_start(args, format);
	va_copy(copy, args);
	vsnprintf(line, sizeof line, format, copy);
	va_end(copy);
	note_row(line);
	ret = vprintf(format, args);
	va_end(args);
	return ret;
}

int rte_eal_remote_launch(int (*work)(void *), void *arg, unsigned lcore)
{
	int (*next)(int (*)(void *), void *, unsigned) =
		(int (*)(int (*)(void *), void *, unsigned))dlsym(RTLD_NEXT,
								  "rte_eal_remote_launch");

	return row == UNWANTED ? 0 : next(work, arg, lcore);
}

/* A row ends when 5 of what this says have gone by. */
uint64_t rte_get_tsc_hz(void)
{
	uint64_t (*next)(void) = (uint64_t(*)(void))dlsym(RTLD_NEXT, "rte_get_tsc_hz");
	const char *ms = getenv("PP_DPDK_ROW_MS");

	if (!ms || row == NO_ROW)
		return next();
	return row == WANTED ? next() * strtoul(ms, NULL, 10) / 5000 : 1;
}
