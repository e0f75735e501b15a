/*
 * every_holder_is_known.c - unit tests of debug mode `pages`: the holder of each page, and the
 * dump.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <signal.h>

#include "laws.h"

#include <unistd.h>

static char dump[65536];

/* Dump into a file; what it says is in `dump`. */
static uint64_t dump_pages(void)
{
	FILE *f = tmpfile();
	uint64_t n;
	size_t len;

	require(f, "a file for the dump");
	n = pp_debug_dump_pages(fileno(f));
	rewind(f);
	len = fread(dump, 1, sizeof dump - 1, f);
	dump[len] = 0;
	fclose(f);
	return n;
}

static unsigned lines(void)
{
	unsigned n = 0;

	for (const char *p = dump; (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

/* The line of the dump that has both words, or NULL. */
static const char *line_with(const char *a, const char *b)
{
	static char copy[sizeof dump];
	char *save = NULL;

	strcpy(copy, dump);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strstr(line, a) && strstr(line, b))
			return line;
	printf("# no line with `%s` and `%s` in:\n# %s\n", a, b, dump);
	return NULL;
}

static struct pp_pool *watched_pool(const char *name, pp_binding_t binding)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool;

	p.name = name;
	pp_debug_set(PP_DEBUG_PAGES);
	pool = new_pool(binding, &p);
	pp_debug_set(0);
	return pool;
}

static __attribute__((noinline)) void get_here(struct pp_pool *pool, struct pp_page **page,
					       unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (pp_page_get(&page[i], pool))
			abort();
}

static __attribute__((noinline)) void get_there(struct pp_pool *pool, struct pp_page **page,
						unsigned n)
{
	if (pp_page_get_batch(page, n, pool) != (int)n)
		abort();
}

static void nobody_holds_anything(void)
{
	struct pp_pool *pool = watched_pool("quiet", pp_binding_none());
	struct pp_page *page[50];

	check_eq(dump_pages(), 0, "nothing in flight");
	check_eq(lines(), 0, "nothing said");
	get_here(pool, page, 50);
	check_eq(dump_pages(), 50, "fifty in flight");
	pp_page_put_batch(page, 50);
	check_eq(dump_pages(), 0, "and put");
	pp_pool_destroy(pool);
}

static void grouped_by_holder(void)
{
	struct pp_pool *pool = watched_pool("rx1", pp_binding_none());
	struct pp_page *page[60];
	const char *line;
	char thread[32];

	get_here(pool, page, 20);
	get_there(pool, page + 20, 40);
	for (unsigned i = 50; i < 60; i++)
		pp_page_tag(page[i], "the stack");
	for (unsigned i = 0; i < 5; i++)
		pp_page_tag(page[i], "capture");
	check_eq(dump_pages(), 60, "sixty in flight");
	check_eq(lines(), 4, "of four holders");
	snprintf(thread, sizeof thread, "by thread %d", (int)gettid());
	check(line_with("rx1", " 10 pages in flight") && line_with("tagged the stack", thread),
	      "ten in the stack");
	check(line_with("tagged capture", " 5 pages"), "five captured");
	check(line_with("rx1", " 15 pages"), "fifteen untagged of the first place");
	check(line_with("rx1", " 30 pages"), "thirty untagged of the second");
	line = line_with(" 15 pages", "got at ");
	check(line && strstr(line, "every_holder_is_known"), "the place is in this program");
	pp_page_put(page[0]);
	check_eq(dump_pages(), 59, "one less");
	check(line_with("tagged capture", " 4 pages"), "one less captured");
	get_here(pool, page, 1);
	check_eq(dump_pages(), 60, "got again");
	check(line_with("rx1", " 16 pages"), "with no tag of before");
	pp_page_put_batch(page, 60);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void zombies_too(void)
{
	struct soft_device d;
	struct pp_pool *pool;
	struct pp_page *page[30];

	soft_device_init(&d, NULL);
	pool = watched_pool("tx7", soft_device_bind(&d));
	get_here(pool, page, 30);
	pp_device_unbind(d.dev);
	check_eq(dump_pages(), 30, "of a revoked pool");
	check(line_with("tx7", "revoked"), "which is said");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	pp_page_put_batch(page, 29);
	pp_page_tag(page[29], "forgotten in a list");
	check_eq(dump_pages(), 1, "of a destroyed pool");
	check(line_with("tx7", "forgotten in a list"), "the last page out has a name");
	pp_page_put(page[29]);
	check_eq(dump_pages(), 0, "all gone");
	check_nothing_left("at the end");
}

static void several_pools(void)
{
	struct pp_pool *a = watched_pool("first", pp_binding_none());
	struct pp_pool *b = watched_pool("second", pp_binding_none());
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_page *page[9];
	struct pp_pool *plain;

	p.name = "unwatched";
	plain = new_pool(pp_binding_none(), &p);
	get_here(a, page, 2);
	get_here(b, page + 2, 3);
	get_here(plain, page + 5, 4);
	pp_page_tag(page[6], "of no use");
	check_eq(dump_pages(), 5, "pools made with `pages` on, and only they");
	check(line_with("first", " 2 pages") && line_with("second", " 3 pages"), "each by itself");
	check(!strstr(dump, "unwatched"), "the other isn't there");
	pp_page_put_batch(page, 9);
	pp_pool_destroy(a);
	pp_pool_destroy(b);
	pp_pool_destroy(plain);
	check_nothing_left("at the end");
}

static void more_holders_than_lines(void)
{
	static char tag[200][16];
	struct pp_pool *pool = watched_pool("many", pp_binding_none());
	struct pp_page *page[200];

	get_here(pool, page, 200);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(tag[i], sizeof tag[i], "holder %u", i);
		pp_page_tag(page[i], tag[i]);
	}
	check_eq(dump_pages(), 200, "every page is counted, however many holders there are");
	check(lines() <= 64, "in %u lines", lines());
	pp_page_put_batch(page, 200);
	pp_pool_destroy(pool);
}

/* A watched pool does what any pool does. */
static void *puts_all(void *arg)
{
	put_all(arg);
	return NULL;
}

static void works_as_any_pool(void)
{
	struct pp_pool *pool = watched_pool("any", pp_binding_none());
	struct pp_frag f[20];
	struct bunch b;

	for (unsigned round = 0; round < 5; round++) {
		b = take(pool, 3000);
		check(all_different(&b), "3,000 pages");
		check_eq(pool_stats(pool).in_flight, 3000, "in flight");
		if (round % 2)
			put_all(&b);
		else
			join(start(puts_all, &b));
		check_eq(pool_stats(pool).in_flight, 0, "and home");
	}
	for (unsigned i = 0; i < 20; i++)
		require(!pp_frag_get(&f[i], pool, 1000, 8), "a fragment");
	check_eq(dump_pages(), 5, "five pages of fragments");
	for (unsigned i = 0; i < 20; i++)
		pp_page_put(f[i].page);
	check(dump_pages() <= 1, "put");
	pp_pool_trim(pool, 0);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* The dump while others get and put: it only has to live. */
struct busy {
	struct pp_pool *pool;
	int stop;
};

static void *gets_and_puts(void *arg)
{
	struct busy *busy = arg;
	struct pp_page *page[16];

	pp_pool_own(busy->pool);
	while (!flag_up(&busy->stop)) {
		get_there(busy->pool, page, 16);
		pp_page_tag(page[3], "busy");
		pp_page_put_batch(page, 16);
	}
	return NULL;
}

static void dump_in_full_run(void)
{
	struct busy busy = { watched_pool("busy", pp_binding_none()), 0 };
	pthread_t t = start(gets_and_puts, &busy);
	uint64_t most = 0;

	for (unsigned i = 0; i < 200; i++) {
		uint64_t n = dump_pages();

		most = n > most ? n : most;
	}
	raise_flag(&busy.stop);
	join(t);
	check(most <= 16, "never more than are in flight");
	pp_pool_destroy(busy.pool);
	check_nothing_left("at the end");
}

/* ---- from a signal handler ------------------------------------------------------------ */

static int signal_fd;
static uint64_t signal_found, signal_most;
static int signals; /* handled so far */

static void on_signal(int number)
{
	(void)number;
	signal_found = pp_debug_dump_pages_signal(signal_fd);
	if (signal_found > signal_most)
		signal_most = signal_found;
	raise_flag(&signals);
}

static void a_signal_handler_may_dump(void)
{
	struct pp_pool *pool = watched_pool("asked", pp_binding_none());
	struct pp_page *page[10];
	FILE *f = tmpfile();
	size_t len;

	require(f, "a file for the dump");
	signal_fd = fileno(f);
	signal(SIGUSR1, on_signal);
	get_here(pool, page, 10);
	pp_page_tag(page[0], "the first");
	raise(SIGUSR1);
	check_eq(signal_found, 10, "it finds the ten in flight");
	rewind(f);
	len = fread(dump, 1, sizeof dump - 1, f);
	dump[len] = 0;
	check(line_with("asked", "9 pages"), "nine of one holder");
	check(line_with("the first", "1 pages"), "and the tagged one");
	pp_page_put_batch(page, 10);
	pp_pool_destroy(pool);
	fclose(f);
	check_nothing_left("at the end");
}

/* The handler interrupts gets and puts, which hold the locks that it would need. */
static void a_signal_handler_waits_for_no_lock(void)
{
	struct busy busy = { watched_pool("busy", pp_binding_none()), 0 };
	FILE *f = tmpfile();
	pthread_t t;

	require(f, "a file for the dump");
	signal_fd = fileno(f);
	signal_most = 0;
	signal(SIGUSR1, on_signal);
	t = start(gets_and_puts, &busy);
	for (unsigned i = 0; i < 300; i++)
		pthread_kill(t, SIGUSR1);
	raise_flag(&busy.stop);
	join(t);
	check(flag_up(&signals), "signals came");
	check(signal_most <= 16, "never more than are in flight");
	pp_pool_destroy(busy.pool);
	fclose(f);
	check_nothing_left("at the end");
}

/* One thread's handler dumps, again and again. */
static void *dumps_in_handler(void *arg)
{
	while (!flag_up((int *)arg))
		raise(SIGUSR1);
	return NULL;
}

/* Law 5, beside a handler that has the pool's lock: a zombie goes with its last page. */
static void a_zombie_goes_during_a_dump(void)
{
	FILE *f = fopen("/dev/null", "w");
	unsigned stranded = 0;
	int stop = 0;
	pthread_t t;

	require(f, "a file for the dump");
	signal_fd = fileno(f);
	signal(SIGUSR1, on_signal);
	t = start(dumps_in_handler, &stop);
	for (unsigned round = 0; round < 300; round++) {
		struct pp_pool *pool = watched_pool("zombie", pp_binding_none());
		struct bunch b = take(pool, 1000);

		pp_pool_destroy(pool);
		put_all(&b);
		stranded += totals().pools != 0;
	}
	raise_flag(&stop);
	join(t);
	check_eq(stranded, 0, "zombies that outlive their last page");
	fclose(f);
	check_nothing_left("at the end");
}

int main(void)
{
	run(nobody_holds_anything);
	run(grouped_by_holder);
	run(zombies_too);
	run(several_pools);
	run(more_holders_than_lines);
	run(works_as_any_pool);
	run(dump_in_full_run);
	run(a_signal_handler_may_dump);
	run(a_signal_handler_waits_for_no_lock);
	run(a_zombie_goes_during_a_dump);
	return tap_end();
}
