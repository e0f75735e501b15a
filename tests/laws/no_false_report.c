/*
 * no_false_report.c - Law 11: a correct program is never accused, whatever intervenes: unbinds and
 * removals that a call can't know of yet, addresses that are reused.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <sys/mman.h>
#include <sys/uio.h>

static char last_report[16384];
static unsigned reports;

static void catch_report(void *ctx, const char *text)
{
	(void)ctx;
	count_up(&reports);
	snprintf(last_report, sizeof last_report, "%s", text);
}

static void watch(unsigned what)
{
	pp_debug_set(what);
	pp_debug_set_report(catch_report, NULL);
	reports = 0;
}

static void nobody_was_accused(const char *when)
{
	if (!check(!flag_up(&reports), "%s: no report", when))
		printf("# %s\n", last_report);
	pp_debug_set_report(NULL, NULL);
	pp_debug_set(0);
	check_nothing_left(when);
}

static struct pp_pool *a_pool(pp_binding_t binding)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	return new_pool(binding, &p);
}

/* ---- late, not wrong -------------------------------------------------------------------- */

/* A thread of a driver's that maps and unmaps memory of its own. */
struct worker {
	pthread_t thread;
	pp_binding_t binding;
	char memory[2 * PP_BASE_PAGE];
	int stop, running;
	unsigned wrong, late;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!flag_up(&w->stop)) {
		pp_iova_t iova;
		int ret = pp_dma_map(w->binding, w->memory + 100, PP_BASE_PAGE, PP_DMA_TO_DEVICE,
				     &iova);

		raise_flag(&w->running);
		if (!ret)
			ret = pp_dma_sync_for_device(w->binding, iova, 64, PP_DMA_TO_DEVICE);
		if (!ret)
			ret = pp_dma_unmap(w->binding, iova, PP_BASE_PAGE, PP_DMA_TO_DEVICE);
		w->late += ret == -ENODEV;
		w->wrong += ret && ret != -ENODEV;
	}
	return NULL;
}

static int start_work(struct soft_device *self, pp_binding_t binding)
{
	struct worker *w = self->test;

	*w = (struct worker){ .binding = binding };
	w->thread = start(work, w);
	return 0;
}

/* The device answers: what a worker has mapped it can unmap, and does before it stops. */
static void stop_work(struct soft_device *self, pp_binding_t binding, enum pp_remove_why why)
{
	struct worker *w = self->test;

	(void)binding;
	(void)why;
	raise_flag(&w->stop);
	join(w->thread);
}

/* The driver stops its threads when it is told to: until then they can't know. */
static void until_the_driver_is_told(bool surprise)
{
	unsigned wrong = 0, late = 0, forgotten = 0;

	watch(PP_DEBUG_DMA | PP_DEBUG_PAGES);
	for (unsigned i = 0; i < laps(200); i++) {
		struct soft_device d;
		struct worker w;

		soft_device_init(&d, NULL);
		d.probe = start_work;
		d.remove = stop_work;
		d.test = &w;
		soft_device_bind(&d);
		await_flag(&w.running);
		if (surprise)
			pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
		else
			pp_device_unbind(d.dev);
		wrong += w.wrong;
		late += w.late;
		forgotten += (unsigned)soft_device_stats(&d).mappings_forgotten;
		soft_device_exit(&d);
	}
	check_eq(wrong, 0, "each call works or gets -ENODEV; %u came late", late);
	check_eq(forgotten, 0, "no mapping counts as forgotten");
	nobody_was_accused(surprise ? "a surprise removal beside the driver's calls" :
				      "an unbind beside the driver's calls");
}

static void a_driver_s_threads_can_t_know_of_an_unbind(void)
{
	until_the_driver_is_told(false);
}

static void a_driver_s_threads_can_t_know_of_a_surprise(void)
{
	until_the_driver_is_told(true);
}

/* ---- between the revocation and the end ------------------------------------------------- */

struct asked {
	struct pp_recall recall; /* first */
	pp_binding_t binding;
	pp_iova_t page, mapping;
	int sync, unmap;
};

/* The pool has no mapping any more, and unbind has not returned. */
static void sync_and_unmap(struct pp_recall *recall, const char *pool)
{
	struct asked *a = (struct asked *)recall;

	(void)pool;
	a->sync = pp_dma_sync_for_cpu(a->binding, a->page, 64, PP_DMA_BIDIRECTIONAL);
	a->unmap = pp_dma_unmap(a->binding, a->mapping, 64, PP_DMA_TO_DEVICE);
}

static void a_call_during_the_revocation_is_late(void)
{
	static char memory[64];
	struct asked a = { .recall = { .recall = sync_and_unmap } };
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct soft_device d;
	struct pp_page *page;
	struct pp_pool *pool;

	soft.incoherent = true; /* where a sync is looked at */
	soft_device_init(&d, &soft);
	a.binding = soft_device_bind(&d);
	pool = a_pool(a.binding);
	check_eq(pp_page_get(&page, pool), 0, "a page");
	a.page = pp_page_iova(page);
	check_eq(pp_dma_map(a.binding, memory, 64, PP_DMA_TO_DEVICE, &a.mapping), 0, "a mapping");
	pp_recall_register(pool, &a.recall);
	pp_device_unbind(d.dev);
	check_eq(a.sync, -ENODEV, "a sync of a page whose pool is revoked is late");
	check_eq(a.unmap, -ENODEV, "so is an unmap");
	check_eq(soft_device_stats(&d).late_calls_refused, 2, "both are counted");
	pp_recall_unregister(&a.recall);
	pp_page_put(page);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* What goes on mapping and unmapping, whoever owns the device. */
static void *map_for_ever(void *arg)
{
	struct worker *w = arg;

	while (!flag_up(&w->stop)) {
		pp_binding_t b = { __atomic_load_n(&w->binding.id, __ATOMIC_ACQUIRE) };
		pp_iova_t iova;
		int ret = pp_dma_map(b, w->memory, 64, PP_DMA_TO_DEVICE, &iova);

		if (!ret)
			ret = pp_dma_unmap(b, iova, 64, PP_DMA_TO_DEVICE);
		w->wrong += ret && ret != -ENODEV;
	}
	return NULL;
}

static void an_unmap_beside_unbinds_is_late(void)
{
	static struct worker w[3];
	struct soft_device d;
	unsigned wrong = 0;

	soft_device_init(&d, NULL);
	for (unsigned i = 0; i < 3; i++)
		w[i].thread = start(map_for_ever, &w[i]);
	for (unsigned n = 0; n < laps(2000); n++) {
		pp_binding_t b = soft_device_bind(&d);

		for (unsigned i = 0; i < 3; i++)
			__atomic_store_n(&w[i].binding.id, b.id, __ATOMIC_RELEASE);
		sched_yield();
		pp_device_unbind(d.dev);
	}
	for (unsigned i = 0; i < 3; i++) {
		raise_flag(&w[i].stop);
		join(w[i].thread);
		wrong += w[i].wrong;
	}
	check_eq(wrong, 0, "every unmap works or gets -ENODEV");
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- pages that go home while their pool is revoked ------------------------------------- */

#define HELD 2000u

/* The owner gets and puts, and another thread puts what the owner hands it. */
struct traffic {
	struct pp_pool *pool;
	struct pp_page *page[HELD];
	struct pp_page *handed; /* exchanged */
	int warm, over;
};

static void *put_what_is_handed(void *arg)
{
	struct traffic *t = arg;
	int over;

	do {
		struct pp_page *page;

		over = flag_up(&t->over);
		page = __atomic_exchange_n(&t->handed, NULL, __ATOMIC_ACQ_REL);
		if (page)
			pp_page_put(page);
		else
			sched_yield();
	} while (!over);
	return NULL;
}

static void *get_and_put(void *arg)
{
	struct traffic *t = arg;
	unsigned n = 0, refused = 0;

	pp_pool_own(t->pool);
	while (refused < 300) {
		if (n == HELD) {
			while (n > HELD / 2)
				pp_page_put(t->page[--n]);
			raise_flag(&t->warm);
		} else if (!pp_page_get(&t->page[n], t->pool)) {
			struct pp_page *none = NULL;

			if (__atomic_compare_exchange_n(&t->handed, &none, t->page[n], false,
							__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
				continue;
			n++;
		} else {
			refused++;
			if (n)
				pp_page_put(t->page[--n]);
		}
	}
	while (n)
		pp_page_put(t->page[--n]);
	raise_flag(&t->over);
	return NULL;
}

static void free_pages_of_a_pool_that_is_revoked(bool surprise)
{
	watch(PP_DEBUG_DMA | PP_DEBUG_PAGES);
	for (unsigned i = 0; i < laps(10); i++) {
		static struct traffic t;
		struct soft_device d;
		pthread_t owner, putter;

		soft_device_init(&d, NULL);
		t = (struct traffic){ .pool = a_pool(soft_device_bind(&d)) };
		owner = start(get_and_put, &t);
		putter = start(put_what_is_handed, &t);
		await_flag(&t.warm);
		for (unsigned wait = 0; wait < i % 50; wait++)
			sched_yield();
		if (surprise)
			pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
		else
			pp_device_unbind(d.dev);
		join(owner);
		join(putter);
		pp_pool_destroy(t.pool);
		soft_device_exit(&d);
	}
	nobody_was_accused("pages go home while their pool is revoked");
}

/*
 * The revoker gives the memory of free pages back by many ranges at a time. When it begins, another
 * thread puts a page of the last chunk, and with it goes the memory of the page's neighbours.
 */
#define CHUNKS 300u
#define IN_CHUNK 128u

static struct pp_page *put_meanwhile; /* exchanged */

static void *put_one(void *arg)
{
	pp_page_put(arg);
	return NULL;
}

int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);

int __wrap_madvise(void *addr, size_t len, int advice)
{
	struct pp_page *page = NULL;

	if (advice == MADV_DONTNEED)
		page = __atomic_exchange_n(&put_meanwhile, NULL, __ATOMIC_ACQ_REL);
	if (page)
		join(start(put_one, page));
	return __real_madvise(addr, len, advice);
}

ssize_t __wrap_process_madvise(int pid, const struct iovec *range, size_t n, int advice,
			       unsigned flags);

/* As before Linux 6.13: one by one. */
ssize_t __wrap_process_madvise(int pid, const struct iovec *range, size_t n, int advice,
			       unsigned flags)
{
	(void)pid;
	(void)range;
	(void)n;
	(void)advice;
	(void)flags;
	return -1;
}

static void a_put_in_the_midst_of_a_revocation(void)
{
	struct pp_pool_params p = small_chunks(IN_CHUNK * PP_BASE_PAGE);
	struct pp_page *kept[CHUNKS] = { NULL };
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	watch(PP_DEBUG_PAGES);
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, CHUNKS * IN_CHUNK);
	for (unsigned i = 0; i < b.n; i++)         /* chunk by chunk, each upwards */
		if (i % IN_CHUNK == IN_CHUNK - 10) /* the first 64, a word, are free */
			kept[i / IN_CHUNK] = b.page[i];
		else
			pp_page_put(b.page[i]);
	free(b.page);
	put_meanwhile = kept[CHUNKS - 1];
	pp_device_unbind(d.dev);
	if (!put_meanwhile)
		kept[CHUNKS - 1] = NULL;
	put_meanwhile = NULL;
	for (unsigned i = 0; i < CHUNKS; i++)
		if (kept[i])
			pp_page_put(kept[i]);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	nobody_was_accused("a page is put while the revoker is at work");
}

static void free_pages_at_an_unbind(void)
{
	free_pages_of_a_pool_that_is_revoked(false);
}

static void free_pages_at_a_surprise(void)
{
	free_pages_of_a_pool_that_is_revoked(true);
}

/* ---- addresses that are used again ------------------------------------------------------- */

static void an_unmap_is_not_laid_to_an_older_one(void)
{
	static char memory[64];
	pp_iova_t first, second;
	struct soft_device d;
	pp_binding_t b;

	soft_device_init(&d, NULL);
	watch(PP_DEBUG_DMA);
	b = soft_device_bind(&d);
	pp_dma_map(b, memory, 64, PP_DMA_TO_DEVICE, &first);
	pp_dma_unmap(b, first, 64, PP_DMA_TO_DEVICE);
	pp_debug_set(0); /* what ends now isn't noted */
	pp_dma_map(b, memory, 64, PP_DMA_TO_DEVICE, &second);
	pp_dma_unmap(b, second, 64, PP_DMA_TO_DEVICE);
	pp_debug_set(PP_DEBUG_DMA);
	check(first / PP_BASE_PAGE == second / PP_BASE_PAGE, "the address is used again");
	check_eq(pp_dma_unmap(b, second, 64, PP_DMA_TO_DEVICE), -EINVAL, "unmapped twice");
	check_eq(reports, 1, "which is told");
	if (!check(!strstr(last_report, "were mapped there"),
		   "of an older mapping nothing is said"))
		printf("# %s\n", last_report);
	reports = 0;
	soft_device_exit(&d);
	nobody_was_accused("at the end");
}

int main(void)
{
	run(a_call_during_the_revocation_is_late);
	run(an_unmap_beside_unbinds_is_late);
	run(an_unmap_is_not_laid_to_an_older_one);
	run(a_driver_s_threads_can_t_know_of_an_unbind);
	run(a_driver_s_threads_can_t_know_of_a_surprise);
	run(a_put_in_the_midst_of_a_revocation);
	run(free_pages_at_an_unbind);
	run(free_pages_at_a_surprise);
	return tap_end();
}
