/*
 * misuse_is_reported.c - Law 11: debug mode reports misuse with a message that names the device,
 * the address, the size, and where it was mapped; it never silently corrupts memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- reports ------------------------------------------------------------------------- */

static char last_report[16384];
static unsigned reports;

static void catch_report(void *ctx, const char *text)
{
	(void)ctx;
	reports++;
	snprintf(last_report, sizeof last_report, "%s", text);
}

/* Exactly one came since the last time. */
static void one_report(const char *what)
{
	check_eq(reports, 1, "%s: one report", what);
	reports = 0;
}

static void no_report(const char *what)
{
	if (!check(reports == 0, "%s: no report", what))
		printf("# %s\n", last_report);
	reports = 0;
}

static bool says(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool says(const char *format, ...)
{
	char words[512];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof words, format, args);
	va_end(args);
	if (strstr(last_report, words))
		return true;
	printf("# no `%s` in: %s\n", words, last_report);
	return false;
}

static char memory[2][3 * PP_BASE_PAGE] __attribute__((aligned(PP_BASE_PAGE)));

static void debug_device(struct soft_device *d, pp_binding_t *binding, unsigned what)
{
	pp_debug_set(what);
	pp_debug_set_report(catch_report, NULL);
	reports = 0;
	soft_device_init(d, NULL);
	*binding = soft_device_bind(d);
}

static void debug_over(struct soft_device *d)
{
	soft_device_exit(d);
	pp_debug_set_report(NULL, NULL);
	pp_debug_set(0);
	check_nothing_left("at the end");
}

/* ---- mappings -------------------------------------------------------------------------- */

static void forgotten_mappings(void)
{
	pp_iova_t iova, coherent;
	struct soft_device d;
	pp_binding_t binding;
	char place[2][256];
	void *cpu;

	debug_device(&d, &binding, PP_DEBUG_DMA);
	pp_dma_map(binding, memory[0] + 8, 5000, PP_DMA_FROM_DEVICE, &iova);
	snprintf(place[0], sizeof place[0], "%s:%d", __FILE__, __LINE__ - 1);
	pp_dma_alloc_coherent(binding, 8192, &cpu, &coherent);
	snprintf(place[1], sizeof place[1], "%s:%d", __FILE__, __LINE__ - 1);
	no_report("so far");
	pp_device_unbind(d.dev);
	one_report("two mappings forgotten");
	check(says("device soft0"), "it names the device");
	check(says("2 mappings"), "and how many");
	check(says("0x%llx, 5000 bytes at %p", (unsigned long long)iova, (void *)(memory[0] + 8)),
	      "DMA address, size, memory of the first");
	check(says("from device"), "its direction");
	check(says("%s", place[0]), "where it was mapped");
	check(says("0x%llx, 8192 bytes at %p", (unsigned long long)coherent, cpu),
	      "DMA address, size, memory of the second");
	check(says("%s", place[1]), "where it was made");
	check(says("by thread %d", (int)gettid()), "by whom");
	check_eq(soft_device_stats(&d).mappings_forgotten, 2, "they are counted");
	domain_is_empty(&d, "and undone");
	debug_over(&d);
}

static void a_clean_driver_is_not_accused(void)
{
	struct soft_device d;
	pp_binding_t binding;
	struct pp_pool *pool;
	struct bunch b;
	pp_iova_t iova;

	debug_device(&d, &binding, PP_DEBUG_DMA | PP_DEBUG_PAGES);
	pool = new_pool(binding, NULL);
	b = take(pool, 100);
	pp_dma_map(binding, memory[0], 100, PP_DMA_TO_DEVICE, &iova);
	pp_dma_sync_for_device(binding, iova + 50, 50, PP_DMA_TO_DEVICE);
	pp_dma_sync_for_cpu(binding, pp_page_iova(b.page[3]) + 5, 100, PP_DMA_BIDIRECTIONAL);
	pp_dma_unmap(binding, iova, 100, PP_DMA_TO_DEVICE);
	pp_device_unbind(d.dev); /* the pages in flight are no fault of the driver */
	put_all(&b);
	pp_pool_destroy(pool);
	debug_over(&d);
	no_report("good use");
}

/* What a report of a wrong call must say. */
static void names_the_call(const char *call, pp_iova_t iova, size_t len, int line)
{
	one_report(call);
	check(says("device soft0"), "%s: it names the device", call);
	check(says("0x%llx", (unsigned long long)iova), "the DMA address");
	check(says("%zu bytes", len), "the size");
	check(says("%s:%d", __FILE__, line), "the place of the call");
}

static void names_the_mapping(pp_iova_t iova, size_t len, int line)
{
	check(says("mapped: DMA address 0x%llx, %zu bytes", (unsigned long long)iova, len),
	      "what was mapped");
	check(says("%s:%d", __FILE__, line), "and where");
}

static void bad_unmaps_and_syncs(void)
{
	struct pp_domain_stats before, after;
	const enum pp_dma_dir dir = PP_DMA_TO_DEVICE;
	pp_iova_t iova, coherent;
	struct soft_device d;
	pp_binding_t binding;
	struct pp_pool *pool;
	struct bunch b;
	uint64_t word = 42, seen = 0;
	int mapped, made;
	void *cpu;

	debug_device(&d, &binding, PP_DEBUG_DMA);
	pool = new_pool(binding, NULL);
	b = take(pool, 10);
	pp_dma_map(binding, memory[0], 5000, dir, &iova);
	mapped = __LINE__ - 1;
	pp_dma_alloc_coherent(binding, 4096, &cpu, &coherent);
	made = __LINE__ - 1;
	memcpy(memory[0], &word, sizeof word);
	before = soft_device_domain(&d);

	check_eq(pp_dma_unmap(binding, iova, 4999, dir), -EINVAL, "another size");
	names_the_call("unmap", iova, 4999, __LINE__ - 1);
	names_the_mapping(iova, 5000, mapped);
	check_eq(pp_dma_unmap(binding, iova, 5000, PP_DMA_BIDIRECTIONAL), -EINVAL, "direction");
	names_the_call("unmap", iova, 5000, __LINE__ - 1);
	names_the_mapping(iova, 5000, mapped);
	check(says("to device"), "and its direction");
	check_eq(pp_dma_unmap(binding, iova + 8, 4992, dir), -EINVAL, "an address in the middle");
	names_the_call("unmap", iova + 8, 4992, __LINE__ - 1);
	check_eq(pp_dma_unmap(binding, 0x123456000, 5000, dir), -EINVAL, "nothing there");
	names_the_call("unmap", 0x123456000, 5000, __LINE__ - 1);
	check_eq(pp_dma_unmap(binding, coherent, 4096, PP_DMA_BIDIRECTIONAL), -EINVAL, "coherent");
	names_the_call("unmap", coherent, 4096, __LINE__ - 1);
	names_the_mapping(coherent, 4096, made);
	check_eq(pp_dma_unmap(binding, pp_page_iova(b.page[0]), 4096, PP_DMA_BIDIRECTIONAL),
		 -EINVAL, "a page of a pool");
	names_the_call("unmap", pp_page_iova(b.page[0]), 4096, __LINE__ - 2);
	check_eq(pp_dma_free_coherent(binding, 4096, memory, iova), -EINVAL, "free a mapping");
	names_the_call("free of coherent memory", iova, 4096, __LINE__ - 1);
	check_eq(pp_dma_free_coherent(binding, 4096, memory, coherent), -EINVAL, "another memory");
	names_the_call("free of coherent memory", coherent, 4096, __LINE__ - 1);

	check_eq(pp_dma_sync_for_cpu(binding, iova, 5001, dir), -EINVAL, "sync past the end");
	names_the_call("sync for CPU", iova, 5001, __LINE__ - 1);
	names_the_mapping(iova, 5000, mapped);
	check_eq(pp_dma_sync_for_device(binding, iova, 8, PP_DMA_FROM_DEVICE), -EINVAL, "the way");
	names_the_call("sync for device", iova, 8, __LINE__ - 1);
	check_eq(pp_dma_sync_for_device(binding, 0x123456000, 8, dir), -EINVAL, "nothing there");
	names_the_call("sync for device", 0x123456000, 8, __LINE__ - 1);

	after = soft_device_domain(&d);
	check(!memcmp(&before, &after, sizeof before), "not one of them changed anything");
	check(!pp_soft_read(d.iommu, iova, &seen, 8) && seen == word, "the device reads on");
	check_eq(pp_dma_unmap(binding, iova, 5000, dir), 0, "the right call works still");
	check_eq(pp_dma_unmap(binding, iova, 5000, dir), -EINVAL, "once");
	names_the_call("unmap", iova, 5000, __LINE__ - 1);
	check_eq(pp_dma_free_coherent(binding, 4096, cpu, coherent), 0, "so does the free");
	put_all(&b);
	pp_pool_destroy(pool);
	debug_over(&d);
}

/* Without debug mode the same is refused as well, if silently. */
static void refused_without_debug_mode_too(void)
{
	struct soft_device d;
	pp_binding_t binding;
	pp_iova_t iova;

	debug_device(&d, &binding, 0);
	pp_dma_map(binding, memory[0], 5000, PP_DMA_TO_DEVICE, &iova);
	check_eq(pp_dma_unmap(binding, iova, 4999, PP_DMA_TO_DEVICE), -EINVAL, "a wrong size");
	check_eq(pp_dma_unmap(binding, iova + 1, 5000, PP_DMA_TO_DEVICE), -EINVAL, "or address");
	pp_device_unbind(d.dev);
	no_report("debug mode off");
	check_eq(soft_device_stats(&d).mappings_forgotten, 1, "but counted");
	debug_over(&d);
}

/* ---- pages put twice ------------------------------------------------------------------------ */

static __attribute__((noinline)) struct pp_page *got_here(struct pp_pool *pool)
{
	struct pp_page *page;

	require(!pp_page_get(&page, pool), "a page");
	__asm__ volatile("" ::: "memory"); /* no tail call: the place is in here */
	return page;
}

static void *puts_one(void *arg)
{
	pp_page_put(arg);
	return NULL;
}

static void a_page_put_twice(bool mapped, bool zombie)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d;
	pp_binding_t binding;
	struct pp_page *page;
	struct pp_pool *pool;
	struct bunch b, rest;
	pp_iova_t iova;
	void *addr;

	debug_device(&d, &binding, PP_DEBUG_PAGES);
	p.name = "rx0";
	p.max_pages = 32;
	pool = new_pool(mapped ? binding : pp_binding_none(), &p);
	rest = take(pool, 4); /* the chunk stays whatever happens */
	page = got_here(pool);
	iova = pp_page_iova(page);
	addr = pp_page_addr(page);
	if (zombie)
		pp_device_unbind(d.dev);
	pp_page_put(page);
	no_report("put once");
	pp_page_put(page);
	one_report("put twice");
	check(says("rx0"), "it names the pool");
	if (mapped && !zombie)
		check(says("soft0"), "and the device");
	check(says("%p", addr), "the page");
	check(says("0x%llx", (unsigned long long)iova), "its DMA address");
	check(says("4096 bytes"), "its size");
	check(says("misuse_is_reported"), "where it was got");
	check(says("by thread %d", (int)gettid()), "and by whom");
	join(start(puts_one, page));
	one_report("put three times, by another thread");
	check_eq(pool_stats(pool).in_flight, 4, "the count is right");
	if (!zombie) {
		b = take(pool, 28);
		check(all_different(&b), "and no page is given out twice");
		check_eq(pp_page_get(&page, pool), -ENOBUFS, "nor is there one too many");
		put_all(&b);
	}
	put_all(&rest);
	pp_pool_destroy(pool);
	debug_over(&d);
}

static void double_puts(void)
{
	a_page_put_twice(true, false);
	a_page_put_twice(false, false);
	a_page_put_twice(true, true);
}

/* In one batch: found in the chunk's own round. */
static void twice_in_one_batch(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_page *page[2];
	struct soft_device d;
	pp_binding_t binding;
	struct pp_pool *pool;
	struct bunch rest;

	debug_device(&d, &binding, PP_DEBUG_PAGES);
	pool = new_pool(binding, &p);
	rest = take(pool, 4);
	page[0] = page[1] = got_here(pool);
	pp_page_put_batch(page, 2);
	one_report("twice in one batch");
	check_eq(pool_stats(pool).in_flight, 4, "counted once");
	put_all(&rest);
	pp_pool_destroy(pool);
	debug_over(&d);
}

/* ---- fatal, parsing ---------------------------------------------------------------------- */

static void fatal_ends_the_process(void)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		struct soft_device d;
		pp_binding_t binding;

		debug_device(&d, &binding, PP_DEBUG_DMA | PP_DEBUG_FATAL);
		signal(SIGABRT, SIG_DFL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		pp_dma_unmap(binding, 0x123456000, 1, PP_DMA_TO_DEVICE);
		_exit(1);
	}
	waitpid(child, &status, 0);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "the first report is the last");
}

/* Two reports of one unbind: what the driver forgot, and what the device wrote there. */
static void forgotten_and_never_synced(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct soft_device d;
	pp_binding_t binding;
	pp_iova_t iova;

	pp_debug_set(PP_DEBUG_DMA);
	pp_debug_set_report(catch_report, NULL);
	soft.incoherent = true;
	soft_device_init(&d, &soft);
	binding = soft_device_bind(&d);
	check(!pp_dma_map(binding, memory[0], 64, PP_DMA_BIDIRECTIONAL, &iova),
	      "64 bytes are mapped");
	reports = 0;
	/* beyond them, in the same base page: reached, and synced by nothing */
	check(!pp_soft_write(d.iommu, (iova | (PP_BASE_PAGE - 1)) - 63, "lost", 4),
	      "the device writes");
	check(!pp_device_unbind(d.dev), "the unbind comes to an end");
	check_eq(reports, 2, "forgotten, and never synced");
	reports = 0;
	debug_over(&d);
}

static void lists_of_words(void)
{
	unsigned what = 99;

	check(!pp_debug_parse("", &what) && what == 0, "nothing");
	check(!pp_debug_parse("dma,pages", &what) && what == (PP_DEBUG_DMA | PP_DEBUG_PAGES),
	      "two words");
	check(!pp_debug_parse("fatal", &what) && what == PP_DEBUG_FATAL, "one");
	check_eq(pp_debug_parse("dma,everything", &what), -EINVAL, "an unknown word");
	check_eq(pp_debug_parse("dm", &what), -EINVAL, "half a word");
	pp_debug_set(PP_DEBUG_DMA);
	check_eq(pp_debug_get(), PP_DEBUG_DMA, "what was set is what is watched");
	pp_debug_set(0);
}

int main(void)
{
	run(forgotten_mappings);
	run(a_clean_driver_is_not_accused);
	run(bad_unmaps_and_syncs);
	run(refused_without_debug_mode_too);
	run(double_puts);
	run(twice_in_one_batch);
	run(forgotten_and_never_synced);
	run(fatal_ends_the_process);
	run(lists_of_words);
	return tap_end();
}
