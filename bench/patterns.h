/*
 * patterns.h - what is done with pages: included by each peer after it has said how it gets
 * and puts one, so that the compiler sees loop and peer together, as in a user's program.
 *
 * A peer defines, before including this file:
 *
 *   peer_open(c)           make a pool: pages=, bytes= of the command
 *   peer_close()           give it up
 *   peer_get(), peer_put(page)
 *   peer_get_batch(out, n), peer_put_batch(in, n)
 *   peer_addr(page)        where its memory is
 *   peer_start(i, fn, arg, plain), peer_join(i)   a thread on the second processor
 *
 * and it may define PEER_ONE_WAY: pages don't come back (a limit, not a pool); and PEER_WORKERS, if
 * a thread that gets, too, has something to make and give up: peer_work_begin(), peer_work_end().
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PATTERNS_H
#define PATTERNS_H

#include "bench.h"

#define TOUCHED 1536 /* bytes of a page, where it is touched: a packet */
#define RETURNERS 4
#define CHUNK_PAGES 512

/* Keep the loop that is counted apart, with a name that callgrind can be told. */
#define MEASURED __attribute__((noinline, noclone))

/* ---- one thread ------------------------------------------------------------------------------ */

static MEASURED void measured_single(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		void *page = peer_get();

		keep(page);
		peer_put(page);
	}
}

static MEASURED void measured_batch(uint64_t n)
{
	void *pages[BATCH];

	for (uint64_t i = 0; i < n; i += BATCH) {
		void **p = pages;

		peer_get_batch(pages, BATCH);
		keep_memory(p);
		peer_put_batch(pages, BATCH);
	}
}

/* The newest of `window` pages is got, the oldest put, and so on. */
static struct {
	void **page;
	uint64_t n, at;
} window;

static void window_fill(uint64_t n)
{
	window.page = malloc(n * sizeof *window.page);
	window.n = n;
	window.at = 0;
	for (uint64_t i = 0; i < n; i++)
		window.page[i] = peer_get();
}

static void window_empty(void)
{
	for (uint64_t i = 0; i < window.n; i++)
		peer_put(window.page[i]);
	free(window.page);
	window.page = NULL;
}

static MEASURED void measured_window(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		peer_put(window.page[window.at]);
		window.page[window.at] = peer_get();
		if (++window.at == window.n)
			window.at = 0;
	}
}

static MEASURED void measured_window_batch(uint64_t n)
{
	for (uint64_t i = 0; i < n; i += BATCH) {
		peer_put_batch(window.page + window.at, BATCH);
		peer_get_batch(window.page + window.at, BATCH);
		window.at += BATCH;
		if (window.at + BATCH > window.n)
			window.at = 0;
	}
}

/* All pages of the window are put, oldest first, and as many got: more than a cache holds. */
static MEASURED void measured_burst(uint64_t n)
{
	for (uint64_t done = 0; done < n; done += window.n) {
		for (uint64_t i = 0; i < window.n; i++)
			peer_put(window.page[i]);
		for (uint64_t i = 0; i < window.n; i++)
			window.page[i] = peer_get();
	}
}

/* ---- two threads ------------------------------------------------------------------------- */

static bool go; /* all threads are there: the time begins */

struct returner {
	struct spsc *ring;
	uint64_t n; /* to come: as many as were handed over, once that is known; relaxed */
	unsigned batch;
	bool touch, share; /* share: other returners run on this processor too */
	int processor;
	bool ready;
	double ended;
};

static uint64_t touch_read(const char *at)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TOUCHED; i += LINE)
		sum += *(const volatile uint64_t *)(at + i);
	return sum;
}

static void touch_write(char *at, uint64_t value)
{
	for (unsigned i = 0; i < TOUCHED; i += LINE)
		*(volatile uint64_t *)(at + i) = value;
}

static inline __attribute__((always_inline)) void return_pages(struct returner *r, unsigned batch)
{
	void *pages[BATCH];
	uint64_t sum = 0;

	for (uint64_t done = 0; done < __atomic_load_n(&r->n, __ATOMIC_RELAXED);) {
		unsigned k = spsc_pop(r->ring, pages, batch);

		if (!k) {
			if (r->share)
				sched_yield();
			else
				pause_cpu();
			continue;
		}
		if (r->touch)
			for (unsigned i = 0; i < k; i++)
				sum += touch_read(peer_addr(pages[i]));
		if (batch == 1)
			peer_put(pages[0]);
		else
			peer_put_batch(pages, k);
		done += k;
	}
	keep(sum);
}

static void *returner_run(void *arg)
{
	struct returner *r = arg;

	pin_to(r->processor);
	if (r->share)
		ordinary();
	__atomic_store_n(&r->ready, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		sched_yield();
	if (r->batch == 1)
		return_pages(r, 1);
	else
		return_pages(r, BATCH);
	r->ended = now_ns();
	return NULL;
}

static struct spsc rings[RETURNERS];

/*
 * Threads that share a processor can get in each other's way for a time slice per call: DPDK's ring
 * waits for a putter that has lost the processor, and is then ten thousand times slower. A sample
 * of those ends after LONGEST_NS with the pages that it has done. Returns how many.
 */
#define LONGEST_NS 1e9
#define LOOK_EACH (64u * BATCH * RETURNERS) /* pages; as many for each thread */

static inline __attribute__((always_inline)) uint64_t hand_over(uint64_t n, unsigned batch,
								unsigned threads, bool touch)
{
	double begun = now_ns();
	void *pages[BATCH];
	unsigned to = 0;
	uint64_t i;

	for (i = 0; i < n; i += batch) {
		if (threads > 1 && i % LOOK_EACH == 0 && now_ns() - begun > LONGEST_NS)
			break;
		if (batch == 1)
			pages[0] = peer_get();
		else
			peer_get_batch(pages, batch);
		if (touch)
			for (unsigned k = 0; k < batch; k++)
				touch_write(peer_addr(pages[k]), i);
		spsc_push(&rings[to], pages, batch);
		if (++to == threads)
			to = 0;
	}
	for (to = 0; to < threads; to++)
		spsc_flush(&rings[to]);
	return i;
}

/* Get here, put there; the nanoseconds. n is a multiple of BATCH * RETURNERS. */
static double cross(uint64_t n, unsigned batch, unsigned threads, bool touch, bool plain)
{
	struct returner r[RETURNERS];
	double begun, ended = 0;
	uint64_t done;

	memset(rings, 0, sizeof rings);
	go = false;
	for (unsigned i = 0; i < threads; i++) {
		r[i] = (struct returner){ .ring = &rings[i],
					  .n = n / threads,
					  .batch = batch,
					  .touch = touch,
					  .share = threads > 1,
					  .processor = 1 };
		peer_start(i, returner_run, &r[i], plain);
	}
	for (unsigned i = 0; i < threads; i++)
		while (!__atomic_load_n(&r[i].ready, __ATOMIC_ACQUIRE))
			sched_yield();
	begun = now_ns();
	__atomic_store_n(&go, true, __ATOMIC_RELEASE);
	done = batch == 1 ? hand_over(n, 1, threads, touch) : hand_over(n, BATCH, threads, touch);
	for (unsigned i = 0; i < threads; i++)
		__atomic_store_n(&r[i].n, done / threads, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < threads; i++) {
		peer_join(i);
		if (r[i].ended > ended)
			ended = r[i].ended;
	}
	return (ended - begun) * (double)n / (double)done;
}

/* ---- several that get and put ------------------------------------------------------------ */

#ifndef PEER_WORKERS
static void peer_work_begin(void)
{
}

static void peer_work_end(void)
{
}
#endif

struct worker {
	uint64_t n;
	unsigned number; /* 0: the main thread */
	bool ready;
	double ended;
};

static MEASURED void measured_work(uint64_t n)
{
	void *pages[BATCH];

	for (uint64_t i = 0; i < n; i += BATCH) {
		for (unsigned k = 0; k < BATCH; k++)
			pages[k] = peer_get();
		for (unsigned k = 0; k < BATCH; k++)
			peer_put(pages[k]);
	}
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	pin_to((int)w->number % 2);
	peer_work_begin();
	measured_work(32 * BATCH);
	__atomic_store_n(&w->ready, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		sched_yield();
	measured_work(w->n);
	w->ended = now_ns();
	peer_work_end();
	return NULL;
}

/* Each gets and puts n pages, at a time: the nanoseconds till the last is done. */
static double work(uint64_t n, unsigned threads)
{
	struct worker w[1 + RETURNERS];
	double begun, ended = 0;

	go = false;
	for (unsigned i = 0; i < threads; i++)
		w[i] = (struct worker){ .n = n, .number = i };
	for (unsigned i = 1; i < threads; i++)
		peer_start(i - 1, worker_run, &w[i], false);
	for (unsigned i = 1; i < threads; i++)
		while (!__atomic_load_n(&w[i].ready, __ATOMIC_ACQUIRE))
			sched_yield();
	peer_work_begin();
	measured_work(32 * BATCH);
	begun = now_ns();
	__atomic_store_n(&go, true, __ATOMIC_RELEASE);
	measured_work(n);
	w[0].ended = now_ns();
	peer_work_end();
	for (unsigned i = 0; i < threads; i++) {
		if (i)
			peer_join(i - 1);
		if (w[i].ended > ended)
			ended = w[i].ended;
	}
	return ended - begun;
}

/* ---- puts alone -------------------------------------------------------------------------- */

#define APART 1024u /* pages: as many as there is room for, wherever they go */

static struct {
	void *page[APART];
	uint64_t left; /* rounds */
	unsigned turn; /* atomic: even: the one who gets; odd: the one who puts */
	double put;
} apart;

static void *apart_run(void *arg)
{
	(void)arg;
	pin_to(1);
	for (unsigned round = 1; apart.left; round += 2) {
		double begun;

		while (__atomic_load_n(&apart.turn, __ATOMIC_ACQUIRE) != round)
			pause_cpu();
		begun = now_ns();
		for (unsigned i = 0; i < APART; i++)
			peer_put(apart.page[i]);
		apart.put += now_ns() - begun;
		apart.left--;
		__atomic_store_n(&apart.turn, round + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Get here, put there, one after the other: the nanoseconds of the puts of n pages or more. */
static double puts_apart(uint64_t n)
{
	uint64_t rounds = (n + APART - 1) / APART;

	apart.left = rounds;
	apart.turn = 0;
	apart.put = 0;
	peer_start(0, apart_run, NULL, true);
	for (unsigned round = 0; rounds--; round += 2) {
		while (__atomic_load_n(&apart.turn, __ATOMIC_ACQUIRE) != round)
			pause_cpu();
		for (unsigned i = 0; i < APART; i++)
			apart.page[i] = peer_get();
		__atomic_store_n(&apart.turn, round + 1, __ATOMIC_RELEASE);
	}
	peer_join(0);
	return apart.put * (double)n / (double)((n + APART - 1) / APART * APART);
}

/* ---- more memory ------------------------------------------------------------------------- */

/* Fresh pages, a word written to each. Nothing comes back before the end of the process. */
static double grow(const struct command *c)
{
	uint64_t n = command_number(c, "pages", 0);
	void **page = malloc(n * sizeof *page);
	double begun;

	memset(page, 0, n * sizeof *page); /* its own memory is not to be counted */
	begun = now_ns();
	peer_open(c);
	for (uint64_t i = 0; i < n; i++) {
		page[i] = peer_get();
		*(volatile uint64_t *)peer_addr(page[i]) = i;
	}
	return (now_ns() - begun) / (double)n;
}

/*
 * Of `pages` pages, those of each 512 that came first stay; the others are put, and then a
 * window moves over what is left.
 */
static void skew(uint64_t pages, uint64_t in_window)
{
	static void **stay;
	void **page = malloc(pages * sizeof *page);

	stay = malloc((pages / CHUNK_PAGES + 1) * sizeof *stay);
	for (uint64_t i = 0; i < pages; i++)
		page[i] = peer_get();
	for (uint64_t i = 0; i < pages; i++)
		if (i % CHUNK_PAGES)
			peer_put(page[i]);
		else
			stay[i / CHUNK_PAGES] = page[i];
	free(page);
	window_fill(in_window);
}

/* ---- what is asked for ------------------------------------------------------------------- */

/* The nanoseconds that n pages took. */
static double once(const struct command *c, uint64_t n)
{
	double begun;

	if (command_is(c, "cross"))
		return cross(n, (unsigned)command_number(c, "batch", 1),
			     (unsigned)command_number(c, "threads", 1),
			     command_number(c, "touch", 0), command_number(c, "plain", 0));
	if (command_is(c, "apart"))
		return puts_apart(n);
	if (command_is(c, "work"))
		return work(n, (unsigned)command_number(c, "threads", 1));
	begun = now_ns();
	if (command_is(c, "single"))
		measured_single(n);
	else if (command_is(c, "batch"))
		measured_batch(n);
	else if (command_is(c, "window") && command_number(c, "batch", 1) > 1)
		measured_window_batch(n);
	else if (command_is(c, "window"))
		measured_window(n);
	else if (command_is(c, "burst"))
		measured_burst(n);
	else
		fail(c->name);
	return now_ns() - begun;
}

/* n, such that it takes some `ms` milliseconds; also warms everything up. */
static uint64_t calibrate(const struct command *c, double ms)
{
	const uint64_t unit = BATCH * RETURNERS;
	uint64_t n = 64 * unit, enough = command_number(c, "least", 0);

	for (;;) {
		double took = once(c, n);

		if (took > ms * 1e6 / 4 && n >= enough) {
			n = (uint64_t)((double)n * ms * 1e6 / took) / unit * unit;
			return n < unit ? unit : n;
		}
		n *= 2;
	}
}

/* A number, and how often we were thrown off a processor meanwhile. */
static void answer_disturbed(double value, long times)
{
	printf("%.4f %ld\n", value, times);
	fflush(stdout);
}

static void answer(double value)
{
	answer_disturbed(value, 0);
}

/* For who counts what memory is touched: one round, warm, between two marks. */
static volatile uint64_t mark;

static void marked(const struct command *c)
{
	struct command what = *c;

	what.name = what.line + strlen("marked ");
	once(&what, 12800);
	mark = 1;
	once(&what, BATCH);
	mark = 2;
	printf("%p %p\n", (void *)&mark, __builtin_frame_address(0));
	fflush(stdout);
}

static void run(const struct command *c)
{
	uint64_t n = command_number(c, "n", 0);
	double took;
	long before;

	if (command_is(c, "calibrate")) {
		struct command what = *c;

		what.name = what.line + strlen("calibrate ");
		answer((double)calibrate(&what, (double)command_number(c, "ms", 20)));
		return;
	}
	before = preemptions();
	took = once(c, n);
	answer_disturbed(took / (double)n, preemptions() - before);
}

int main(int argc, char **argv)
{
	struct command c;

	processor(0);
	peer_init(argc, argv);
	pin_to(0);
	while (command_read(&c)) {
		if (command_is(&c, "open")) {
			peer_open(&c);
			answer(0);
		} else if (command_is(&c, "close")) {
			if (window.page)
				window_empty();
			peer_close();
			answer(0);
		} else if (command_is(&c, "fill")) {
			window_fill(command_number(&c, "window", 0));
			answer(0);
		} else if (command_is(&c, "skew")) {
			skew(command_number(&c, "pages", 0), command_number(&c, "window", 0));
			answer(0);
		} else if (command_is(&c, "grow")) {
			answer(grow(&c));
		} else if (command_is(&c, "marked")) {
			marked(&c);
		} else {
			run(&c);
		}
	}
	return 0;
}
#endif
