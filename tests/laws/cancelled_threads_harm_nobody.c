/*
 * cancelled_threads_harm_nobody.c - Law 13, of threads: one that is cancelled, at whatever point,
 * or still runs while the process exits, does no harm.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "laws.h"
#include "counting_iommu.h"

#include <pagepool/vfio.h>

/* ---- cancellation: no call is a cancellation point, nor do callbacks have one -------------- */

static struct {
	struct soft_device dev;
	struct counting_iommu counting;
	struct pp_iommu_ops ops; /* the counting back end's; each has a cancellation point */
	struct pp_pool *pool, *watched;
	struct pp_page *page, *watched_page;
	pp_iova_t iova, coherent;
	void *cpu;
	char buf[4096];
	pp_binding_t binding;
	int null;
} w;

static int point_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		     size_t page_size, unsigned prot)
{
	pthread_testcancel();
	return counting_map(iommu, iova, addr, len, page_size, prot);
}

static size_t point_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	pthread_testcancel();
	return counting_unmap(iommu, iova, len);
}

static void point_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	pthread_testcancel();
	counting_invalidate(iommu, iova, len);
}

static void point_block(struct pp_iommu *iommu, bool on)
{
	pthread_testcancel();
	counting_block(iommu, on);
}

static int point_sync(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool for_cpu)
{
	pthread_testcancel();
	return counting_sync(iommu, iova, len, for_cpu);
}

static void point_stats(struct pp_iommu *iommu, struct pp_domain_stats *out)
{
	pthread_testcancel();
	counting_stats(iommu, out);
}

static void point_destroy(struct pp_iommu *iommu)
{
	pthread_testcancel();
	counting_destroy(iommu);
}

static int point_probe(struct soft_device *self, pp_binding_t binding)
{
	(void)self, (void)binding;
	pthread_testcancel();
	return 0;
}

static void point_remove(struct soft_device *self, pp_binding_t binding, enum pp_remove_why why)
{
	(void)self, (void)binding, (void)why;
	pthread_testcancel();
}

static void point_notify(struct pp_notifier *self, enum pp_event event, struct pp_device *dev)
{
	(void)self, (void)event, (void)dev;
	pthread_testcancel();
}

static void point_recall(struct pp_recall *self, const char *pool)
{
	(void)self, (void)pool;
	pthread_testcancel();
}

static void point_pool(struct pp_pool *pool, void *ctx)
{
	(void)pool, (void)ctx;
	pthread_testcancel();
}

static void point_device(struct pp_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	pthread_testcancel();
}

static void point_report(void *ctx, const char *text)
{
	(void)ctx, (void)text;
	pthread_testcancel();
}

static struct pp_notifier notifier = { .notify = point_notify };
static struct pp_recall recall = { .recall = point_recall };

static void do_bind(void)
{
	w.binding = soft_device_bind(&w.dev);
}

static void do_create(void)
{
	struct pp_pool_params p = small_chunks(2 * MIB);

	p.memory = PP_MEMORY_THP; /* asks the system, in files */
	w.pool = new_pool(w.binding, &p);
	pp_debug_set(PP_DEBUG_DMA | PP_DEBUG_PAGES);
	w.watched = new_pool(w.binding, &p);
	pp_pool_own(w.pool);
	pp_pool_own(w.watched);
	pp_recall_register(w.pool, &recall);
}

static void do_get(void)
{
	pp_pool_own(w.pool);
	pp_pool_own(w.watched);
	if (pp_page_get(&w.page, w.pool) || pp_page_get(&w.watched_page, w.watched))
		abort();
}

static void do_dump(void)
{
	pp_debug_dump_pages(w.null);
	pp_debug_dump_pages_signal(w.null);
}

static void do_map(void)
{
	struct pp_frag frag;

	if (pp_dma_map(w.binding, w.buf, sizeof w.buf, PP_DMA_FROM_DEVICE, &w.iova) ||
	    pp_dma_alloc_coherent(w.binding, 4096, &w.cpu, &w.coherent))
		abort();
	pp_dma_sync_for_cpu(w.binding, w.iova, 64, PP_DMA_FROM_DEVICE);
	pp_dma_sync_for_device(w.binding, w.iova, 64, PP_DMA_FROM_DEVICE);
	pp_pool_own(w.pool);
	if (!pp_frag_get(&frag, w.pool, 64, 0))
		pp_page_put(frag.page);
}

static void do_misuse(void)
{
	static char unmapped[4096];

	pp_debug_set_report(NULL, NULL);
	pp_dma_unmap(w.binding, (pp_iova_t)(uintptr_t)unmapped, 64, PP_DMA_FROM_DEVICE);
	pp_debug_set_report(point_report, NULL);
	pp_dma_unmap(w.binding, (pp_iova_t)(uintptr_t)unmapped, 64, PP_DMA_FROM_DEVICE);
	pp_dma_map(w.binding, unmapped, 0, PP_DMA_FROM_DEVICE, &w.iova);
	pp_dma_map(w.binding, (void *)64, 64, PP_DMA_FROM_DEVICE, &w.iova);
}

static void do_unmap(void)
{
	pp_dma_unmap(w.binding, w.iova, sizeof w.buf, PP_DMA_FROM_DEVICE);
	pp_dma_free_coherent(w.binding, 4096, w.cpu, w.coherent);
}

static void do_look(void)
{
	soft_device_domain(&w.dev);
	soft_device_stats(&w.dev);
	pool_stats(w.pool);
	totals();
	pp_pool_each(point_pool, NULL);
	pp_device_each(point_device, NULL);
	pp_vfio_locked_limit();
}

static void do_trim(void)
{
	pp_pool_own(w.pool);
	pp_pool_trim(w.pool, 0);
	pp_pool_recall(w.pool);
}

static void do_unbind(void)
{
	pp_device_unbind(w.dev.dev);
}

static void do_put(void)
{
	pp_page_put(w.page);
	pp_page_put(w.watched_page);
}

static void do_destroy(void)
{
	pp_pool_destroy(w.pool);
	pp_pool_destroy(w.watched);
	pp_recall_unregister(&recall);
}

static void do_vfio(void)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	char error[PP_VFIO_ERROR];
	struct pp_vfio *vfio;

	p.address = "ffff:ff:1f.7";
	if (!pp_vfio_open(&vfio, &p, error))
		abort();
}

static void do_remove(void)
{
	pp_device_remove(w.dev.dev, PP_REMOVAL_SURPRISE);
}

static void do_exit(void)
{
	soft_device_exit(&w.dev);
}

struct call {
	const char *name;
	void (*call)(void);
	int ended;
};

static void *cancelled(void *arg)
{
	struct call *c = arg;
	int state;

	pthread_cancel(
		pthread_self()); /* deferred, as by default: at the next cancellation point */
	c->call();
	c->ended = 1;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	c->ended += state == PTHREAD_CANCEL_ENABLE;
	pthread_testcancel();
	return NULL;
}

/* The program's own choice stays, too. */
static void *uncancellable(void *arg)
{
	struct call *c = arg;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	c->call();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	c->ended = state == PTHREAD_CANCEL_DISABLE;
	return NULL;
}

static void *in_thread(void *(*fn)(void *), struct call *c)
{
	void *result;
	pthread_t t;

	if (pthread_create(&t, NULL, fn, c) || pthread_join(t, &result))
		abort();
	return result;
}

static void every_call_with_a_cancellation_pending(void)
{
	static struct call calls[] = {
		{ "bind", do_bind, 0 },       { "create", do_create, 0 },
		{ "get", do_get, 0 },         { "dump", do_dump, 0 },
		{ "map", do_map, 0 },         { "misuse", do_misuse, 0 },
		{ "unmap", do_unmap, 0 },     { "look", do_look, 0 },
		{ "trim", do_trim, 0 },       { "unbind", do_unbind, 0 },
		{ "put", do_put, 0 },         { "destroy", do_destroy, 0 },
		{ "open VFIO", do_vfio, 0 },  { "bind again", do_bind, 0 },
		{ "surprise", do_remove, 0 }, { "unregister", do_exit, 0 },
	};
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct call look = { "look", do_look, 0 };

	soft.deferred = soft.incoherent = true;
	w.null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	counting_device_init(&w.dev, &w.counting, &soft);
	w.ops = (struct pp_iommu_ops){ "points",         point_destroy, point_map,  point_unmap,
				       point_invalidate, point_block,   point_sync, point_stats };
	w.counting.iommu.ops = &w.ops;
	w.dev.probe = point_probe;
	w.dev.remove = point_remove;
	require(!pp_notifier_register(&notifier), "a listener");
	for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		void *result = in_thread(cancelled, &calls[i]);

		require(calls[i].ended > 0, "%s has no cancellation point", calls[i].name);
		check(calls[i].ended == 2 && result == PTHREAD_CANCELED,
		      "%s leaves the thread to be cancelled after it", calls[i].name);
		if (i == 7) {
			in_thread(uncancellable, &look);
			check(look.ended, "a thread that can't be cancelled stays so");
		}
	}
	pp_notifier_unregister(&notifier);
	pp_debug_set(0);
	pp_debug_set_report(NULL, NULL);
	check_eq(totals().pools, 0, "no pool is left");
	check_eq(totals().chunk_bytes, 0, "no memory is left");
	close(w.null);
}

/* ---- a thread that puts while the process ends ---------------------------------------------- */

static struct {
	struct pp_page *page[3];
	pthread_key_t theirs;
	int wrong;
	bool on;
} last;

static void their_destructor(void *value)
{
	last.wrong = value != &last;
}

static void *puts_last(void *arg)
{
	(void)arg;
	if (pthread_key_create(&last.theirs, their_destructor) ||
	    pthread_setspecific(last.theirs, &last))
		last.wrong = 1;
	pp_page_put(last.page[0]);
	pp_page_put(last.page[1]);
	return NULL;
}

static void *puts_one(void *arg)
{
	pp_page_put(arg);
	return NULL;
}

/* After the library's own destructors, of which another thread need not know. */
static __attribute__((destructor(200))) void at_the_end(void)
{
	pthread_t t;

	if (!last.on)
		return;
	if (pthread_create(&t, NULL, puts_last, NULL) || pthread_join(t, NULL))
		last.wrong = 1;
	pp_page_put(last.page[2]);
	_exit(last.wrong);
}

static void keys_of_others_at_exit(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
		struct bunch b = take(pool, 4);
		pthread_t t;

		memcpy(last.page, b.page, sizeof last.page);
		/* a thread that has an SPSC ring, so that there is a key */
		if (pthread_create(&t, NULL, puts_one, b.page[3]) || pthread_join(t, NULL))
			_exit(3);
		last.on = true;
		exit(2);
	}
	waitpid(pid, &status, 0);
	check_eq(status, 0, "a thread that puts while the process ends sets nobody else's key");
}

int main(void)
{
	run(every_call_with_a_cancellation_pending);
	run(keys_of_others_at_exit);
	return tap_end();
}
