/*
 * counts.c - the checker's output: every report is counted, only the first of each caller is
 * printed; where it goes; what is the same with the checker off. And "who holds my page?": the
 * dump, the oldest zombie, recall.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <ctype.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "soft_device.h"

static char memory[4 * PP_BASE_PAGE] __attribute__((aligned(PP_BASE_PAGE)));

/* ---- hearing ------------------------------------------------------------------------------ */

static struct {
	unsigned n;
	char last[4096];
} heard;

static void hear(void *ctx, const char *text)
{
	heard.n += ctx == &heard ? 1 : 1000000;
	snprintf(heard.last, sizeof heard.last, "%s", text);
}

static uint64_t counted_before;

/* From now on, with nothing heard yet. */
static void listen(unsigned what)
{
	pp_debug_set(what);
	pp_debug_set_report(hear, &heard);
	heard.n = 0;
	heard.last[0] = 0;
	counted_before = pp_debug_reports();
}

static unsigned counted(void)
{
	return (unsigned)(pp_debug_reports() - counted_before);
}

static void listen_no_more(void)
{
	pp_debug_set_report(NULL, NULL);
	pp_debug_set(0);
}

/* What is written to standard error from here on, until said_on_stderr. */
static int real_stderr, stderr_file;

static void catch_stderr(void)
{
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	stderr_file = memfd_create("stderr", MFD_CLOEXEC);
	require(real_stderr >= 0 && stderr_file >= 0, "standard error is caught");
	dup2(stderr_file, STDERR_FILENO);
}

/* What it was; valid until the next call. */
static const char *said_on_stderr(void)
{
	static char text[8192];
	ssize_t n;

	fflush(stderr);
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	n = pread(stderr_file, text, sizeof text - 1, 0);
	close(stderr_file);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static unsigned times_in(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

/* ---- counted, and printed once ------------------------------------------------------------- */

static void unmap_wrong_here(pp_binding_t b, pp_iova_t iova)
{
	pp_dma_unmap(b, iova, 64, PP_DMA_TO_DEVICE);
}

static void unmap_wrong_there(pp_binding_t b, pp_iova_t iova)
{
	pp_dma_unmap(b, iova, 64, PP_DMA_TO_DEVICE);
}

static void all_are_counted_and_the_first_of_each_place_is_printed(void)
{
	struct soft_device sd;
	pp_binding_t b;
	char first[sizeof heard.last];

	listen(PP_DEBUG_DMA);
	soft_device_init(&sd, NULL);
	b = soft_device_bind(&sd);
	for (unsigned i = 0; i < 5; i++)
		unmap_wrong_here(b, 0x1000 * (i + 1));
	check_eq(heard.n, 1, "five wrong calls of one place are printed once");
	check_eq(counted(), 5, "and counted five times");
	check(strstr(heard.last, "DMA address 0x1000,"), "the first of them");
	strcpy(first, heard.last);
	for (unsigned i = 0; i < 5; i++)
		unmap_wrong_there(b, 0x1000 * (i + 1));
	check_eq(heard.n, 2, "of another place the first is printed too");
	check_eq(counted(), 10, "and all are counted");
	check(strcmp(first, heard.last), "the two name different places");
	unmap_wrong_here(b, 0x1000);
	unmap_wrong_there(b, 0x1000);
	check_eq(heard.n, 2, "neither is printed again, in whatever order they come");
	check_eq(counted(), 12, "but counted");
	unmap_wrong_here(b, PP_IOVA_NONE);
	check_eq(heard.n, 3, "something else that is wrong at a known place is printed");
	check_eq(counted(), 13, "and counted");

	pp_debug_set_report(hear, &heard);
	unmap_wrong_here(b, 0x1000);
	check_eq(heard.n, 4, "who asks for reports anew is told anew");
	unmap_wrong_here(b, 0x1000);
	check_eq(heard.n, 4, "once");
	check_eq(counted(), 15, "all are counted, since the start of the process");
	soft_device_exit(&sd);
	listen_no_more();
}

/* The same of pages, whose place is a code address: one, however the loop is unrolled. */
static __attribute__((noinline)) void put_again(struct pp_page *page)
{
	pp_page_put(page);
	heard.last[sizeof heard.last - 1] = 0; /* no tail call: the place is here */
}

static void of_pages_too(void)
{
	struct pp_pool *pool;
	struct pp_page *page;

	listen(PP_DEBUG_PAGES);
	require(!pp_pool_create(&pool, pp_binding_none(), NULL), "a pool");
	require(!pp_page_get(&page, pool), "a page");
	pp_page_put(page);
	for (unsigned i = 0; i < 4; i++)
		put_again(page);
	check_eq(heard.n, 1, "four puts too many at one place are printed once");
	check_eq(counted(), 4, "and counted four times");
	check_eq(pool_stats(pool).in_flight, 0, "and the page is home once");
	pp_page_put(page);
	check_eq(heard.n, 2, "another place");
	check(!pp_page_get(&page, pool), "the pool can be used");
	pp_page_put(page);
	pp_pool_destroy(pool);
	check_eq(counted(), 5, "and nothing else is found");
	listen_no_more();
}

static void more_places_than_are_remembered(void)
{
	struct soft_device sd;
	pp_binding_t b;
	static char place[3000][16]; /* as places are: there for good */

	listen(PP_DEBUG_DMA);
	soft_device_init(&sd, NULL);
	b = soft_device_bind(&sd);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(place[i], sizeof place[i], "a.c:%u", i);
		pp_dma_unmap_at(b, 0x1000, 64, PP_DMA_TO_DEVICE, place[i]);
	}
	check_eq(heard.n, 3000, "none of 3000 places is left out");
	check_eq(counted(), 3000, "nor uncounted");
	soft_device_exit(&sd);
	listen_no_more();
}

#define THREADS 4
#define EACH 500

static void *unmap_often(void *arg)
{
	pp_binding_t *b = arg;

	for (unsigned i = 0; i < EACH; i++)
		unmap_wrong_here(*b, 0x1000);
	return NULL;
}

static void of_many_threads(void)
{
	pthread_t thread[THREADS];
	struct soft_device sd;
	pp_binding_t b;

	listen(PP_DEBUG_DMA);
	soft_device_init(&sd, NULL);
	b = soft_device_bind(&sd);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, unmap_often, &b);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	check_eq(counted(), THREADS * EACH, "the reports of all threads are counted");
	check_eq(heard.n, 1, "and one is printed");
	soft_device_exit(&sd);
	listen_no_more();
}

static void without_a_listener_it_is_standard_error(void)
{
	struct soft_device sd;
	pp_binding_t b;
	const char *said;

	listen(PP_DEBUG_DMA);
	pp_debug_set_report(NULL, NULL);
	soft_device_init(&sd, NULL);
	b = soft_device_bind(&sd);
	catch_stderr();
	unmap_wrong_here(b, 0x1000);
	unmap_wrong_here(b, 0x1000);
	said = said_on_stderr();
	check_eq(times_in(said, "pagepool: "), 1, "one report is printed");
	check(!strncmp(said, "pagepool: device soft0: unmap: ", 31), "it begins with the library");
	check(said[strlen(said) - 1] == '\n', "and ends its line");
	check_eq(heard.n, 0, "the listener hears nothing any more");
	check_eq(counted(), 2, "both are counted");
	soft_device_exit(&sd);
	listen_no_more();
}

/* ---- on and off: the same errors ----------------------------------------------------------- */

#define WRONG_CALLS 19

/* Wrong calls of all kinds: what each returns. */
static void call_wrong(int ret[WRONG_CALLS])
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params params = pp_pool_defaults();
	struct soft_device sd;
	struct pp_pool *pool;
	struct pp_frag frag;
	pp_iova_t iova, ring, other;
	pp_binding_t b;
	void *cpu, *no;
	unsigned n = 0;

	soft.incoherent = true; /* so that sync looks at all */
	soft_device_init(&sd, &soft);
	b = soft_device_bind(&sd);
	params.memory = PP_MEMORY_BASE;
	require(!pp_dma_map(b, memory, 1500, PP_DMA_FROM_DEVICE, &iova) &&
			!pp_dma_alloc_coherent(b, 4096, &cpu, &ring) &&
			!pp_pool_create(&pool, b, &params),
		"a mapping, coherent memory, a pool");
	ret[n++] = pp_dma_map(b, NULL, 64, PP_DMA_TO_DEVICE, &other);
	ret[n++] = pp_dma_map(b, memory, 0, PP_DMA_TO_DEVICE, &other);
	ret[n++] = pp_dma_map(b, memory, SIZE_MAX, PP_DMA_TO_DEVICE, &other);
	ret[n++] = pp_dma_unmap(b, 0x1000, 64, PP_DMA_TO_DEVICE);
	ret[n++] = pp_dma_unmap(b, PP_IOVA_NONE, 64, PP_DMA_TO_DEVICE);
	ret[n++] = pp_dma_unmap(b, iova, 64, PP_DMA_FROM_DEVICE);
	ret[n++] = pp_dma_unmap(b, iova, 1500, PP_DMA_TO_DEVICE);
	ret[n++] = pp_dma_unmap(b, ring, 4096, PP_DMA_BIDIRECTIONAL);
	ret[n++] = pp_dma_free_coherent(b, 4096, memory, iova);
	ret[n++] = pp_dma_free_coherent(b, 4096, memory, ring);
	ret[n++] = pp_dma_sync_for_cpu(b, 0x1000, 64, PP_DMA_FROM_DEVICE);
	ret[n++] = pp_dma_sync_for_cpu(b, iova, 1501, PP_DMA_FROM_DEVICE);
	ret[n++] = pp_dma_sync_for_device(b, iova, 1500, PP_DMA_TO_DEVICE);
	ret[n++] = pp_dma_alloc_coherent(b, 0, &no, &other);
	ret[n++] = pp_frag_get(&frag, pool, 0, 0);
	ret[n++] = pp_frag_get(&frag, pool, 64, 3);
	require(!pp_dma_unmap(b, iova, 1500, PP_DMA_FROM_DEVICE), "the mapping is as it was");
	ret[n++] = pp_dma_unmap(b, iova, 1500, PP_DMA_FROM_DEVICE);
	/* the ring stays: forgotten */
	pp_device_unbind(sd.dev);
	ret[n++] = pp_dma_unmap(b, iova, 1500, PP_DMA_FROM_DEVICE);
	ret[n++] = pp_dma_map(b, memory, 64, PP_DMA_TO_DEVICE, &other);
	check_eq(n, WRONG_CALLS, "every call was made");
	check_eq(soft_device_stats(&sd).mappings_forgotten, 1, "what is forgotten is counted");
	check_eq(soft_device_stats(&sd).late_calls_refused, 2, "and what is late");
	pp_pool_destroy(pool);
	soft_device_exit(&sd);
}

static void off_it_is_silent_and_the_errors_are_the_same(void)
{
	int off[WRONG_CALLS], on[WRONG_CALLS];
	const char *said;

	listen(0);
	call_wrong(off);
	check_eq(heard.n, 0, "off, nothing is reported");
	check_eq(counted(), 0, "nor counted");
	pp_debug_set_report(NULL, NULL);
	catch_stderr();
	call_wrong(off);
	said = said_on_stderr();
	check(!said[0], "nor printed");
	listen(PP_DEBUG_DMA | PP_DEBUG_PAGES);
	call_wrong(on);
	check_eq(heard.n, WRONG_CALLS + 1, "on, each is, and what was forgotten");
	check_eq(counted(), WRONG_CALLS + 1, "and counted");
	for (unsigned i = 0; i < WRONG_CALLS; i++)
		check(off[i] < 0 && off[i] == on[i], "call %u fails alike: %d", i, off[i]);
	listen_no_more();
}

/* ---- recall -------------------------------------------------------------------------------- */

struct asked {
	struct pp_recall recall;
	unsigned n;
	char pool[64];
	struct pp_page *page; /* to be put when asked, or NULL */
};

static void note_asked(struct pp_recall *self, const char *pool)
{
	struct asked *a = (struct asked *)self;

	a->n++;
	snprintf(a->pool, sizeof a->pool, "%s", pool);
	if (a->page)
		pp_page_put(a->page);
	a->page = NULL;
}

static struct pp_pool *named_pool(pp_binding_t b, const char *name)
{
	struct pp_pool_params params = pp_pool_defaults();
	struct pp_pool *pool;

	params.name = name;
	params.memory = PP_MEMORY_BASE;
	params.chunk_size = 16 * PP_BASE_PAGE;
	require(!pp_pool_create(&pool, b, &params), "pool %s", name);
	return pool;
}

static struct pp_page *page_of(struct pp_pool *pool)
{
	struct pp_page *page;

	require(!pp_page_get(&page, pool), "a page");
	return page;
}

static void holders_are_asked_once(void)
{
	struct asked a = { .recall.recall = note_asked }, b = a, other = a, no = { .n = 0 };
	struct soft_device sd;
	struct pp_pool *rx, *tx;

	soft_device_init(&sd, NULL);
	rx = named_pool(soft_device_bind(&sd), "rx");
	tx = named_pool(pp_device_binding(sd.dev), "tx");
	check_eq(pp_recall_register(rx, &no.recall), -EINVAL, "no callback, no holder");
	check_eq(pp_recall_register(rx, NULL), -EINVAL, "nor without a structure");
	check_eq(pp_recall_unregister(&a.recall), -ENOENT, "who isn't registered can't go");
	check(!pp_recall_register(rx, &a.recall) && !pp_recall_register(rx, &b.recall) &&
		      !pp_recall_register(tx, &other.recall),
	      "two holders of rx, one of tx");
	a.page = page_of(rx);
	pp_pool_recall(rx);
	check(a.n == 1 && b.n == 1, "pp_pool_recall asks both holders, once");
	check(!strcmp(a.pool, "rx"), "and names the pool");
	check_eq(other.n, 0, "not the other pool's");
	check_eq(pool_stats(rx).in_flight, 0, "one gave its page back");
	check_eq(pp_recall_unregister(&b.recall), 0, "one goes");
	check_eq(pp_recall_unregister(&b.recall), -ENOENT, "once");
	a.page = page_of(rx);
	other.page = page_of(tx);
	pp_device_unbind(sd.dev);
	check_eq(a.n, 2, "the revocation asks who is still there, once");
	check_eq(b.n, 1, "not who has gone");
	check_eq(other.n, 1, "and the other pool's, which is revoked as well");
	check(!strcmp(other.pool, "tx"), "of its pool");
	check_eq(totals().zombie_pages, 0, "all pages came back");
	pp_pool_destroy(rx);
	pp_pool_destroy(tx);
	check(a.n == 2 && other.n == 1, "to destroy what is revoked asks no more");
	check(!pp_recall_unregister(&a.recall) && !pp_recall_unregister(&other.recall),
	      "a holder may outlive its pool");
	soft_device_exit(&sd);
}

static void destroy_asks_too(void)
{
	struct asked a = { .recall.recall = note_asked };
	struct soft_device sd;
	struct pp_pool *pool;

	soft_device_init(&sd, NULL);
	for (int bound = 0; bound < 2; bound++) {
		if (bound)
			soft_device_bind(&sd);
		pool = named_pool(pp_device_binding(sd.dev), "rx");
		a.n = 0;
		a.page = page_of(pool);
		check(!pp_recall_register(pool, &a.recall), "a holder of a pool%s",
		      bound ? "" : " without a device");
		pp_pool_destroy(pool);
		check_eq(a.n, 1, "destroy asks it once");
		check_eq(totals().pools, 0, "its page was the last: the pool has gone");
		/* a new pool may lie where the old one was, and is not meant */
		pool = named_pool(pp_device_binding(sd.dev), "rx");
		pp_pool_recall(pool);
		pp_pool_destroy(pool);
		check_eq(a.n, 1, "of the next pool it is not asked");
		check(!pp_recall_unregister(&a.recall), "it goes");
	}
	soft_device_exit(&sd);
}

/* A pool on a device of its own, with a holder of one page who is registered. */
static struct pp_pool *held_pool(struct soft_device *sd, struct asked *a)
{
	struct pp_pool *pool;

	soft_device_init(sd, NULL);
	pool = named_pool(soft_device_bind(sd), "rx");
	a->page = page_of(pool);
	check(!pp_recall_register(pool, &a->recall), "a holder");
	return pool;
}

static void a_surprise_asks_too(void)
{
	struct asked a = { .recall.recall = note_asked };
	struct soft_device sd;
	struct pp_pool *pool;

	pool = held_pool(&sd, &a);
	pp_device_remove(sd.dev, PP_REMOVAL_SURPRISE);
	check_eq(a.n, 1, "is asked when the device goes");
	check_eq(totals().zombie_pages, 0, "and gave its page back");
	pp_recall_unregister(&a.recall);
	pp_pool_destroy(pool);
	soft_device_exit(&sd);
}

/* A pool that loses its last device is revoked. */
static void detach_asks_too(void)
{
	struct asked a = { .recall.recall = note_asked };
	struct soft_device sd;
	struct pp_pool *pool;

	pool = held_pool(&sd, &a);
	check(!pp_pool_detach(pool, pp_device_binding(sd.dev)), "the last device goes");
	check_eq(a.n, 1, "it is asked");
	check_eq(totals().zombie_pages, 0, "and gave its page back");
	pp_pool_destroy(pool);
	check_eq(a.n, 1, "once");
	pp_recall_unregister(&a.recall);
	soft_device_exit(&sd);
}

/* ---- zombies ------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The age that totals tell lies between those of the moments around the revocation. */
static bool age_is_that_of(uint64_t before, uint64_t after)
{
	uint64_t least = now_ns() - after, age = totals().oldest_zombie_ns;

	return age >= least && age <= now_ns() - before;
}

static bool clock_runs_away; /* by a second each time that it is looked at */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static time_t ahead;
	int ret = (int)syscall(SYS_clock_gettime, clock, t);

	if (clock_runs_away)
		t->tv_sec += ++ahead;
	return ret;
}

static void the_oldest_zombie_is_told(void)
{
	struct pp_pool *old = named_pool(pp_binding_none(), "old");
	struct pp_pool *young = named_pool(pp_binding_none(), "young");
	struct pp_page *old_page[3], *young_page[5];
	uint64_t t[4];

	check(!totals().oldest_zombie_ns && !totals().oldest_zombie_pages,
	      "none, no age, no pages");
	require(pp_page_get_batch(old_page, 3, old) == 3, "three pages of one pool");
	require(pp_page_get_batch(young_page, 5, young) == 5, "five of another");
	check(!totals().oldest_zombie_ns, "a live pool is none");
	t[0] = now_ns();
	pp_pool_destroy(old);
	t[1] = now_ns();
	check(age_is_that_of(t[0], t[1]), "the first has the age of its revocation");
	check_eq(totals().oldest_zombie_pages, 3, "and its pages");
	t[2] = now_ns();
	pp_pool_destroy(young);
	t[3] = now_ns();
	check(age_is_that_of(t[0], t[1]), "it stays the oldest");
	check_eq(totals().oldest_zombie_pages, 3, "whose pages they are");
	check_eq(totals().zombie_pages, 8, "all of them are more");
	clock_runs_away = true;
	check_eq(totals().oldest_zombie_pages, 3, "also to who looks at them slowly");
	clock_runs_away = false;
	pp_page_put(old_page[0]);
	check_eq(totals().oldest_zombie_pages, 2, "one less");
	pp_page_put_batch(old_page + 1, 2);
	check(age_is_that_of(t[2], t[3]), "then the second is the oldest");
	check_eq(totals().oldest_zombie_pages, 5, "with its pages");
	pp_page_put_batch(young_page, 5);
	check(!totals().oldest_zombie_ns && !totals().oldest_zombie_pages, "and then none");
}

/* ---- who holds the pages ------------------------------------------------------------------- */

/* What the dump prints, and how many it found. */
static const char *dump(uint64_t *n)
{
	static char text[8192];
	int fd = memfd_create("dump", MFD_CLOEXEC);
	ssize_t len;

	*n = pp_debug_dump_pages(fd);
	len = pread(fd, text, sizeof text - 1, 0);
	text[len > 0 ? len : 0] = 0;
	close(fd);
	return text;
}

/* The line that has a word, copied; "" if there is none. */
static const char *line_with(const char *text, const char *word)
{
	static char line[1024];
	const char *at = strstr(text, word), *end;

	line[0] = 0;
	if (!at)
		return line;
	while (at > text && at[-1] != '\n')
		at--;
	end = strchr(at, '\n');
	snprintf(line, sizeof line, "%.*s", (int)(end - at), at);
	return line;
}

static double age_in(const char *line)
{
	const char *at = strstr(line, "the oldest ");

	return at ? strtod(at + 11, NULL) : -1;
}

static struct pp_pool *held;

struct taken {
	struct pp_page *page[4];
	int thread;
};

static __attribute__((noinline)) int get_held(struct pp_page **page)
{
	int ret = pp_page_get(page, held);

	return ret ? -1 : 0;
}

static void take(struct taken *t, unsigned n, const char *tag)
{
	t->thread = (int)syscall(SYS_gettid);
	for (unsigned i = 0; i < n; i++) {
		require(!get_held(&t->page[i]), "a page");
		if (tag)
			pp_page_tag(t->page[i], tag);
	}
}

static void *take_two(void *arg)
{
	pp_pool_own(held);
	take(arg, 2, "reassembly");
	return NULL;
}

static bool line_names(const char *line, int thread)
{
	char word[32];

	snprintf(word, sizeof word, "by thread %d", thread);
	return strstr(line, word) && !isdigit((unsigned char)strstr(line, word)[strlen(word)]);
}

static void holders_are_grouped(void)
{
	struct taken main_thread, other;
	struct pp_page *third;
	struct soft_device sd;
	pthread_t thread;
	uint64_t n, begun;
	const char *text, *line;

	pp_debug_set(PP_DEBUG_PAGES);
	soft_device_init(&sd, NULL);
	held = named_pool(soft_device_bind(&sd), "rx");
	begun = now_ns();
	take(&main_thread, 3, NULL);
	third = page_of(held);
	pthread_create(&thread, NULL, take_two, &other);
	pthread_join(thread, NULL);
	text = dump(&n);
	check_eq(n, 6, "six pages are held");
	check_eq(times_in(text, "\n"), 3, "by three: two places, one of them with a tag too");
	check(!strstr(text, "(revoked)"), "of a live pool");
	pp_page_put(third);
	pp_device_unbind(sd.dev);
	pp_pool_destroy(held);
	text = dump(&n);
	check_eq(n, 5, "the zombie's five pages are found as well");
	check_eq(times_in(text, "\n"), 2, "in two groups");
	check_eq(times_in(text, "pool rx"), 2, "of that pool");
	check_eq(times_in(text, " (revoked): "), 2, "which is revoked");
	check_eq(times_in(text, "/misuse-counts"), 2, "each with its place");
	line = line_with(text, "3 pages in flight");
	check(line[0] && !strstr(line, "tagged"), "three without a tag");
	check(line_names(line, main_thread.thread), "of the thread that got them");
	check(age_in(line) >= 0 && age_in(line) <= (double)(now_ns() - begun) / 1e9 + 0.001,
	      "with an age: %s", line);
	line = line_with(text, "2 pages in flight");
	check(strstr(line, ", tagged reassembly;"), "two with theirs");
	check(line_names(line, other.thread), "of the other thread");
	pp_page_tag(main_thread.page[0], "cache");
	text = dump(&n);
	check(strstr(line_with(text, "1 pages in flight"), ", tagged cache;"),
	      "a tag may be set later");
	pp_page_put_batch(main_thread.page, 3);
	pp_page_put_batch(other.page, 2);
	text = dump(&n);
	check(!n && !text[0], "nobody holds any: nothing is printed");
	soft_device_exit(&sd);
	pp_debug_set(0);
}

static void off_nobody_is_noted(void)
{
	struct pp_page *page;
	const char *text;
	uint64_t n;

	pp_debug_set(0);
	held = named_pool(pp_binding_none(), "rx");
	page = page_of(held);
	pp_page_tag(page, "nothing");
	text = dump(&n);
	check(!n && !text[0], "off, the dump knows nothing");
	pp_page_put(page);
	pp_pool_destroy(held);
}

int main(void)
{
	run(all_are_counted_and_the_first_of_each_place_is_printed);
	run(of_pages_too);
	run(more_places_than_are_remembered);
	run(of_many_threads);
	run(without_a_listener_it_is_standard_error);
	run(off_it_is_silent_and_the_errors_are_the_same);
	run(holders_are_asked_once);
	run(destroy_asks_too);
	run(a_surprise_asks_too);
	run(detach_asks_too);
	run(the_oldest_zombie_is_told);
	run(holders_are_grouped);
	run(off_nobody_is_noted);
	return tap_end();
}
