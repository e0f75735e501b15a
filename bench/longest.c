/*
 * longest.c - the longest put, or get of memory that was reserved, of so many pages: its
 * instructions in user space, as callgrind counts them, and its system calls, as strace does, which
 * is the same on the busiest machine.
 *
 *	longest HOW PAGES             the calls that took longest, by their place in the order
 *	longest HOW PAGES CALL ...    for each of these a dump of callgrind's counts; for strace
 *	                              each is between two calls of close(-1)
 *
 * Only the calls that are counted are chosen by the clock: of three runs of the same, the least
 * time of each call, so that what disturbed one of them doesn't matter.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "device.h"

#define RUNS 3
#define CHOSEN 32u /* calls of each way that are counted */

static struct pp_pool *pool;
static struct pp_page **page;
static uint64_t n;
static double *least;     /* of each call, ns: shared with the children */
static uint64_t *counted; /* the calls to be counted, ascending, and then UINT64_MAX; or NULL */

static void put(void *arg)
{
	pp_page_put(arg);
}

static void get(void *arg)
{
	if (pp_page_get(arg, pool))
		fail("pp_page_get");
}

/* The i-th call of the way. */
static void measure(uint64_t i, void (*fn)(void *), void *arg)
{
	double took;

	if (!counted) {
		took = now_ns();
		fn(arg);
		took = now_ns() - took;
		if (took < least[i])
			least[i] = took;
	} else if (i == *counted) {
		counted++;
		close(-1);
		CALLGRIND_ZERO_STATS;
		fn(arg);
		CALLGRIND_DUMP_STATS_AT("counted");
		close(-1);
	} else {
		fn(arg);
	}
}

/* A pool's pages, all of them out. `keep`: what comes back stays. */
static void take_all(bool keep)
{
	struct pp_pool_params params = pp_pool_defaults();

	params.memory = PP_MEMORY_BASE; /* the same on every machine, and not touched */
	if (keep)
		params.idle_chunks = UINT32_MAX;
	if (pp_pool_create(&pool, pp_device_binding(device_open(NULL)), &params))
		fail("pp_pool_create");
	for (uint64_t i = 0; i < n; i++)
		get(&page[i]);
}

/* The i-th of an order in which neighbours are far apart; 7,919 is a prime. */
static struct pp_page *scattered(uint64_t i)
{
	return page[i * 7919 % n];
}

static void put_in_order(void)
{
	take_all(false);
	for (uint64_t i = 0; i < n; i++)
		measure(i, put, page[i]);
}

static void put_scattered(void)
{
	take_all(false);
	for (uint64_t i = 0; i < n; i++)
		measure(i, put, scattered(i));
}

static void *put_all(void *arg)
{
	void *volatile first = malloc(1); /* what the C library makes for a thread isn't a put's */

	(void)arg;
	free(first);
	for (uint64_t i = 0; i < n; i++)
		measure(i, put, page[i]);
	return NULL;
}

static void put_elsewhere(void)
{
	pthread_t thread;

	take_all(false);
	if (pthread_create(&thread, NULL, put_all, NULL))
		fail("pthread_create");
	pthread_join(thread, NULL);
}

/* All of it is there, and has come home in no order. */
static void get_reserved(void)
{
	take_all(true);
	for (uint64_t i = 0; i < n; i++)
		put(scattered(i));
	for (uint64_t i = 0; i < n; i++)
		measure(i, get, &page[i]);
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {
	{ "put-in-order", put_in_order },
	{ "put-scattered", put_scattered },
	{ "put-elsewhere", put_elsewhere },
	{ "get-reserved", get_reserved },
};

static void (*way(const char *name))(void)
{
	for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++)
		if (!strcmp(name, ways[i].name))
			return ways[i].run;
	fprintf(stderr,
		"longest put-in-order|put-scattered|put-elsewhere|get-reserved PAGES [CALL ...]\n");
	exit(2);
}

static int longer(const void *a, const void *b)
{
	double x = least[*(const uint64_t *)a], y = least[*(const uint64_t *)b];

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Each run is a process of its own, so that it begins alike. */
static void choose(void (*run)(void))
{
	uint64_t *call = calloc(n, sizeof *call);
	int status;

	for (uint64_t i = 0; i < n; i++) {
		least[i] = 1e30;
		call[i] = i;
	}
	for (unsigned i = 0; i < RUNS; i++) {
		if (!fork()) {
			run();
			_exit(0);
		}
		if (wait(&status) < 0 || status)
			fail("a run");
	}
	qsort(call, n, sizeof *call, longer);
	for (uint64_t i = 0; i < n && i < CHOSEN; i++)
		printf("%llu\n", (unsigned long long)call[i]);
	free(call);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	void (*run)(void) = way(argc > 2 ? argv[1] : "");
	int chosen = argc - 3;

	n = strtoull(argv[2], NULL, 10);
	page = calloc(n, sizeof *page);
	least = mmap(NULL, n * sizeof *least, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (!page || least == MAP_FAILED)
		fail("memory");
	if (!chosen) {
		choose(run);
		return 0;
	}
	counted = calloc((size_t)chosen + 1, sizeof *counted);
	for (int i = 0; i < chosen; i++)
		counted[i] = strtoull(argv[3 + i], NULL, 10);
	qsort(counted, (size_t)chosen, sizeof *counted, ascending);
	counted[chosen] = UINT64_MAX;
	run();
	return 0;
}
