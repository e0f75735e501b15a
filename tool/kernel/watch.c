/*
 * watch.c - pagepool kernel watch: the command. It looks at the pools again and again, and at what
 * the programs of watch.bpf.c counted; changes nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch_run.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
#define EVERY 64

/* The clock of the programs. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ---- what is seen -------------------------------------------------------------------------- */

const struct watched_pool *watch_pool_at(const struct watch_run *w, uint64_t address)
{
	/* from the end: the last one that was made at that address */
	for (size_t i = w->n_pools; address && i-- > 0;)
		if (w->pool[i].now.address == address)
			return &w->pool[i];
	return NULL;
}

bool watch_has_gone(const struct watch_run *w, const struct watched_pool *p)
{
	return p->seen != w->looks;
}

static int larger_first(const void *a, const void *b)
{
	const struct follow_tally *x = *(const struct follow_tally *const *)a,
				  *y = *(const struct follow_tally *const *)b;

	if (x->is.count != y->is.count)
		return x->is.count > y->is.count ? -1 : 1;
	return (x > y) - (x < y);
}

const struct follow_tally **watch_sorted(const struct watch_run *w, enum watch_kind kind, size_t *n)
{
	const struct follow_tally **rows = calloc(w->n_tallies + 1, sizeof *rows);

	*n = 0;
	for (size_t i = 0; rows && i < w->n_tallies; i++)
		if (w->tally[i].key.kind == kind)
			rows[(*n)++] = &w->tally[i];
	if (rows)
		qsort(rows, *n, sizeof *rows, larger_first);
	return rows;
}

uint64_t watch_sum(const struct watch_run *w, enum watch_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->n_tallies; i++)
		if (w->tally[i].key.kind == kind)
			sum += w->tally[i].is.count;
	return sum;
}

bool watch_is_wrong(const struct watch_run *w)
{
	return watch_sum(w, WATCH_LATE) || watch_sum(w, WATCH_NEGATIVE) || watch_sum(w, WATCH_LOST);
}

/* Those in their pools first, the oldest before the others; then those that have left, the same. */
static int older_first(const void *a, const void *b)
{
	const struct watch_page *x = &((const struct follow_page *)a)->is,
				*y = &((const struct follow_page *)b)->is;

	if (!x->left_ns != !y->left_ns)
		return !x->left_ns ? -1 : 1;
	if (x->left_ns != y->left_ns)
		return x->left_ns < y->left_ns ? -1 : 1;
	return (x->taken_ns > y->taken_ns) - (x->taken_ns < y->taken_ns);
}

size_t watch_stack(const struct watch_run *w, int stack, uint64_t frames[WATCH_FRAMES])
{
	static const char *const ours[] = { "bpf_prog_",    "bpf_trace_run", "__bpf_trace_",
					    "__traceiter_", "__probestub_",  "0x" };
	size_t n = follow_stack(w->follow, stack, frames), skip = 0;
	char name[128];

	for (bool own = true; own && skip < n; skip += own) {
		symbols_name(w->symbols, frames[skip], name);
		own = false;
		for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
			own |= !strncmp(name, ours[i], strlen(ours[i]));
	}
	if (skip == n) /* no names at all */
		skip = 0;
	memmove(frames, frames + skip, (n - skip) * sizeof *frames);
	return n - skip;
}

/* ---- looking ------------------------------------------------------------------------------- */

/* What the programs say of the pool at an address; NULL: they haven't seen it take a page. */
static const struct watch_pool *taker(const struct follow_pool *list, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].pool == address)
			return &list[i].is;
	return NULL;
}

/*
 * An address is used again. Where pools have no numbers, the one that took its first page since is
 * another one, unless what we knew there hadn't taken any.
 */
static struct watched_pool *known(struct watch_run *w, const struct pool *is, uint64_t made_ns)
{
	for (size_t i = w->n_pools; i-- > 0;) {
		struct watched_pool *p = &w->pool[i];

		if (p->now.address == is->address && p->now.id == is->id &&
		    (is->id || !p->now.taken || made_ns <= p->noted_ns))
			return p;
	}
	return NULL;
}

static void note_pool(struct watch_run *w, const struct pool *is, const struct watch_pool *taken)
{
	uint64_t made_ns = taken ? taken->made_ns : 0;
	struct watched_pool *p = known(w, is, made_ns);

	if (!p) {
		p = grow(&w->pool, &w->n_pools, sizeof *p);
		if (!p) {
			w->no_memory = true;
			return;
		}
		p->taken_before = is->taken;
		p->given_back_before = is->given_back;
		p->noted_ns = w->now_ns;
		/* where all are listed, what is new is new */
		p->made = made_ns || (w->looks > 1 && w->scan.all_pools);
	}
	/* it may have been noted before it took its first page */
	p->made |= made_ns && p->noted_ns > w->begun_ns;
	if (p->made)
		p->taken_before = p->given_back_before = 0;
	p->now = *is;
	p->seen = w->looks;
}

/*
 * All pools that the scan finds; those that it found earlier, since some are found only by a page
 * that somebody held at that time; and those that were seen to take pages, listed anywhere or not.
 */
static void look_at_pools(struct watch_run *w)
{
	size_t n = 0;
	struct follow_pool *list = w->follow ? follow_pools(w->follow, &n) : NULL;

	for (size_t i = 0; i < w->n_pools; i++)
		if (w->pool[i].seen == w->looks - 1 && w->pool[i].now.address)
			scan_pool_at(&w->scan, w->pool[i].now.address);
	for (size_t i = 0; i < n; i++)
		scan_pool_at(&w->scan, list[i].pool);
	for (size_t i = 0; i < w->scan.n_pools; i++) {
		const struct watch_pool *t = taker(list, n, w->scan.pool[i].address);

		/* what is left in memory of one that has gone looks like one */
		if (!t || !t->gone_ns)
			note_pool(w, &w->scan.pool[i], t);
	}
	free(list);
}

static int look(struct watch_run *w)
{
	int ret;

	scan_clear(&w->scan);
	w->looks++;
	w->now_ns = now_ns();
	/* the first time, those too that only a page in a socket leads to */
	ret = w->follow ? scan_pools(&w->scan) : kernel_scan(&w->scan);
	if (ret)
		return ret;
	look_at_pools(w);
	if (!w->follow)
		return w->no_memory ? -ENOMEM : 0;
	free(w->tally);
	free(w->page);
	w->tally = follow_tallies(w->follow, &w->n_tallies);
	w->page = follow_pages(w->follow, &w->n_pages);
	if (w->n_pages)
		qsort(w->page, w->n_pages, sizeof *w->page, older_first);
	return w->tally && w->page && !w->no_memory ? 0 : -ENOMEM;
}

/* ---- the command --------------------------------------------------------------------------- */

/* As much of the text as the terminal has lines, over what was there. */
static void redraw(const struct watch_run *w)
{
	struct winsize size = { .ws_row = 24 };
	char *text = NULL, *at, *line;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	if (!f)
		return;
	watch_print(f, w);
	fclose(f);
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	printf("\033[H");
	at = text;
	for (int row = 0; row < size.ws_row - 1 && (line = strsep(&at, "\n")); row++)
		printf("%s\033[K\n", line);
	printf("\033[J");
	fflush(stdout);
	free(text);
}

/* Until the time is up, or the user ends it. 0 or a negative errno. */
static int follow_until(struct watch_run *w, uint64_t seconds, bool live)
{
	struct pollfd stop = { .fd = stop_fd(), .events = POLLIN };
	uint64_t end = w->begun_ns + seconds * SECOND;
	int ret = 0;

	while (!ret && !stop_asked() && (!seconds || w->now_ns < end)) {
		uint64_t left = seconds ? end - w->now_ns : SECOND;

		poll(&stop, 1, (int)((left < SECOND ? left : SECOND) / 1000000) + 1);
		ret = look(w);
		if (!ret && live)
			redraw(w);
	}
	if (live)
		printf("\033[H\033[J");
	return ret;
}

static int begin(struct watch_run *w)
{
	char error[PEEK_ERROR];
	int ret = scan_open(&w->scan);

	if (!ret && !w->scan.peek) {
		say("can't watch: %s", w->scan.no_peek);
		return -1;
	}
	ret = ret ? ret : look(w);
	if (ret) {
		say("can't look at the kernel's page pools: %s", strerror(-ret));
		return -1;
	}
	if (follow_open(&w->follow, w->scan.peek, w->every, error)) {
		say("can't watch: %s", error);
		return -1;
	}
	w->symbols = symbols_open();
	w->begun_ns = w->now_ns = now_ns();
	return 0;
}

static void end(struct watch_run *w)
{
	follow_close(w->follow);
	symbols_close(w->symbols);
	scan_close(&w->scan);
	free(w->pool);
	free(w->tally);
	free(w->page);
}

static int watch(struct watch_run *w, uint64_t seconds, bool json)
{
	bool live = !json && isatty(STDOUT_FILENO);
	int ret;

	if (stop_fd_open() < 0 || begin(w))
		return EXIT_ERROR;
	if (!seconds && !live)
		say("watching; Ctrl-C ends it");
	ret = follow_until(w, seconds, live);
	if (ret) {
		say("can't look at the kernel's page pools: %s", strerror(-ret));
		return EXIT_ERROR;
	}
	if (json)
		watch_print_json(stdout, w);
	else
		watch_print(stdout, w);
	return watch_is_wrong(w) ? EXIT_ERROR : EXIT_OK;
}

int kernel_watch_main(int argc, char **argv)
{
	struct watch_run w = { .every = EVERY };
	uint64_t seconds = 0;
	bool json = false;
	const struct option_def defs[] = {
		{ "duration", 'd', "SECONDS", "how long; default: until Ctrl-C", OPTION_COUNT,
		  &seconds },
		{ "sample", 's', "N", "follow one page in N (64)", OPTION_COUNT, &w.every },
		{ "json", 0, NULL, "print all that is known, as JSON, at the end", OPTION_FLAG,
		  &json },
		{ 0 },
	};
	int status;

	if (options_parse(argc, argv, "kernel watch",
			  "Show where pages leave their pools from now on, and what goes wrong.",
			  defs))
		return EXIT_USAGE;
	if (seconds > 31536000) {
		say("--duration is at most 31536000, a year");
		return EXIT_USAGE;
	}
	status = watch(&w, seconds, json);
	end(&w);
	return status;
}
