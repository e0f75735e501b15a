/*
 * fork_child_harms_nobody.c - Law 13, of a child of fork: memory that a device works on stays the
 * parent's. The child has neither that memory nor the device, and can't harm either by putting,
 * unmapping and destroying; nor its own memory, wherever that is. Pools that no device pins
 * continue in both.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sanitized.h"
#include "laws.h"
#include "counting_iommu.h"

#include <pagepool/debug.h>

#define N 40u

int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);

static bool as_hugetlb; /* the kernel can't wipe hugetlb memory in a child */

int __wrap_madvise(void *addr, size_t len, int advice)
{
	if (as_hugetlb && (advice == MADV_WIPEONFORK || advice == MADV_KEEPONFORK)) {
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(addr, len, advice);
}

static struct {
	struct soft_device dev;
	struct counting_iommu counting;
	struct pp_iommu_ops ops; /* the counting back end's, and destroy is counted */
	unsigned destroyed;
	struct pp_pool *pool;
	struct pp_page *page[N];
	pp_binding_t binding;
	char buf[4096];
	pp_iova_t iova, coherent;
	void *cpu;
} w;

static void counted_destroy(struct pp_iommu *iommu)
{
	w.destroyed++;
	counting_destroy(iommu);
}

static void *puts_one(void *page)
{
	pp_page_put(page);
	return NULL;
}

static void put_elsewhere(struct pp_page *page)
{
	pthread_t t;

	if (pthread_create(&t, NULL, puts_one, page) || pthread_join(t, NULL))
		abort();
}

/* Pages in flight, in the cache, in the remote frees and at home; mappings of both kinds. */
static void setup(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	counting_device_init(&w.dev, &w.counting, NULL);
	w.counting.iommu.pins = true;
	w.ops = *w.counting.iommu.ops;
	w.ops.destroy = counted_destroy;
	w.counting.iommu.ops = &w.ops;
	w.binding = soft_device_bind(&w.dev);
	w.pool = new_pool(w.binding, &p);
	for (unsigned i = 0; i < N; i++) {
		if (pp_page_get(&w.page[i], w.pool))
			abort();
		memset(pp_page_addr(w.page[i]), 'p', 64);
	}
	pp_page_put(w.page[N - 1]);
	put_elsewhere(w.page[N - 2]);
	if (pp_dma_map(w.binding, w.buf, sizeof w.buf, PP_DMA_FROM_DEVICE, &w.iova) ||
	    pp_dma_alloc_coherent(w.binding, 4096, &w.cpu, &w.coherent))
		abort();
	memset(w.cpu, 'p', 64);
}

static void teardown(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < N - 2; i++) {
		wrong += *(char *)pp_page_addr(w.page[i]) != 'p';
		pp_page_put(w.page[i]);
	}
	check_eq(wrong, 0, "the parent's pages are as they were");
	check_eq(*(char *)w.cpu, 'p', "and its coherent memory");
	check_eq(pp_dma_unmap(w.binding, w.iova, sizeof w.buf, PP_DMA_FROM_DEVICE), 0,
		 "its mapping is there");
	check_eq(pp_device_unbind(w.dev.dev), 0, "its device is bound");
	pp_pool_destroy(w.pool);
	soft_device_exit(&w.dev);
	check_eq(totals().pools, 0, "no pool is left to it");
}

/* ---- in the child: the status is the number of what is wrong -------------------------------- */

static int status;

#define ok_in_child(cond)                                                                          \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("# in the child, line %d: %s\n", __LINE__, #cond);                  \
			status = 1;                                                                \
		}                                                                                  \
	} while (0)

#define OWN 48u
static char *own[OWN];

/* The child's own memory never lies where a page of the pool was, but may lie beside. */
static void map_own(void)
{
	for (unsigned i = 0; i < OWN; i++) {
		own[i] = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
		ok_in_child(own[i] != MAP_FAILED);
		memset(own[i], 'c', 64 * KIB);
	}
}

static void own_is_as_it_was(void)
{
	for (unsigned i = 0; i < OWN; i++)
		for (unsigned k = 0; k < 64 * KIB; k += 512)
			if (own[i][k] != 'c') {
				ok_in_child(own[i][k] == 'c');
				return;
			}
}

static void parents_memory_is_not_there(void)
{
	for (unsigned i = 0; !as_hugetlb && i < N - 2; i++)
		if (*(char *)pp_page_addr(w.page[i])) {
			ok_in_child(!*(char *)pp_page_addr(w.page[i]));
			return;
		}
}

static void refused(void)
{
	struct pp_page *page;
	struct pp_frag frag;
	pp_iova_t iova;
	void *cpu;

	ok_in_child(pp_pool_revoked(w.pool));
	ok_in_child(pp_page_get(&page, w.pool) == -ENODEV);
	ok_in_child(pp_page_get_batch(&page, 1, w.pool) == -ENODEV);
	ok_in_child(pp_frag_get(&frag, w.pool, 64, 0) == -ENODEV);
	ok_in_child(pp_dma_map(w.binding, w.buf, 64, PP_DMA_TO_DEVICE, &iova) == -ENODEV);
	ok_in_child(pp_dma_alloc_coherent(w.binding, 4096, &cpu, &iova) == -ENODEV);
}

static void without_a_device(void)
{
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft_device_init(&d, NULL);
	ok_in_child(pp_pool_attach(w.pool, soft_device_bind(&d)) == -ENODEV);
	pool = new_pool(pp_device_binding(d.dev), NULL);
	b = take(pool, 600);
	memset(pp_page_addr(b.page[599]), 'c', 64);
	put_elsewhere(b.page[--b.n]);
	put_all(&b);
	ok_in_child(!pool_stats(pool).in_flight);
	soft_device_exit(&d);
	pp_pool_destroy(pool);
}

/* In the order of the number's bits. */
static void end_in_child(unsigned order)
{
	unsigned first = order & 1 ? N / 2 : 0;

	for (unsigned i = 0; i < first; i++)
		pp_page_put(w.page[i]);
	if (order & 2) {
		pp_dma_unmap(w.binding, w.iova, sizeof w.buf, PP_DMA_FROM_DEVICE);
		pp_dma_free_coherent(w.binding, 4096, w.cpu, w.coherent);
		pp_pool_trim(w.pool, 0);
	}
	if (order & 4)
		ok_in_child(!pp_device_unbind(w.dev.dev));
	if (order & 8)
		pp_pool_own(w.pool);
	pp_pool_destroy(w.pool);
	put_elsewhere(w.page[first]);
	for (unsigned i = first + 1; i < N - 2; i++)
		pp_page_put(w.page[i]);
	ok_in_child(order & 4 || !pp_device_unbind(w.dev.dev));
	ok_in_child(pp_device_bind(w.dev.dev, &w.dev.drv) == -ENODEV);
	ok_in_child(soft_device_domain(&w.dev).mappings == 0);
	soft_device_exit(&w.dev);
	ok_in_child(totals().pools == 0);
	ok_in_child(totals().chunk_bytes == 0);
	ok_in_child(totals().iova_bytes == 0);
}

static void child(unsigned order)
{
	unsigned calls = counted_calls(&w.counting), destroyed = w.destroyed;
	int removes = w.dev.removes;
	uint64_t reports = pp_debug_reports();

	map_own();
	parents_memory_is_not_there();
	refused();
	without_a_device();
	end_in_child(order);
	own_is_as_it_was();
	ok_in_child(counted_calls(&w.counting) == calls && w.destroyed == destroyed);
	ok_in_child(w.dev.removes == removes);
	ok_in_child(pp_debug_reports() == reports);
	fflush(stdout);
	_exit(status);
}

/* False: it was killed, or found something wrong. */
static bool ends_well(pid_t pid)
{
	int how;

	waitpid(pid, &how, 0);
	if (how)
		printf("# the child's status is %x\n", (unsigned)how);
	return !how;
}

static void pinned(bool hugetlb, unsigned debug)
{
	printf("# %s, debug mode %u\n", hugetlb ? "as with hugetlb pages" : "base pages", debug);
	as_hugetlb = hugetlb;
	pp_debug_set(debug);
	setup();
	for (unsigned order = 0; order < 16; order++) {
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (!pid)
			child(order);
		check(ends_well(pid), "a child does no harm, nor comes to any (%u)", order);
	}
	teardown();
	pp_debug_set(0);
	as_hugetlb = false;
}

static void pinned_pools(void)
{
	pinned(false, 0);
	pinned(true, 0);
	pinned(false, PP_DEBUG_PAGES);
	pinned(true, PP_DEBUG_PAGES);
}

/* A child of a child, of a pool that the child in between has made. */
static void grandchild(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(STDERR_FILENO, STDOUT_FILENO); /* its checks are none of the parent's */
		setup();
		pid = fork();
		if (!pid)
			child(5);
		ok_in_child(ends_well(pid));
		teardown();
		_exit(status | tap_failed);
	}
	check(ends_well(pid), "a child has pools of its own, and a grandchild hasn't those");
}

/* ---- others are at it while the process forks ------------------------------------------------ */

static bool stop;

static void *busy(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
		struct pp_page *page;

		if (!pp_page_get(&page, pool))
			put_elsewhere(page);
		pp_pool_destroy(pool);
	}
	return NULL;
}

static void puts_in_a_child_of_many_threads(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct pp_page *page[2];
	unsigned bad = 0, n = laps(200);
	pthread_t t[2];

	for (unsigned i = 0; i < 2; i++)
		if (pp_page_get(&page[i], pool) || pthread_create(&t[i], NULL, busy, NULL))
			abort();
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(600); /* for what would never end */
			put_elsewhere(page[0]);
			pp_page_put(page[1]);
			_exit(0);
		}
		bad += !ends_well(pid);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		pp_page_put(page[i]);
	}
	pp_pool_destroy(pool);
	check_eq(bad, 0, "%u children put, whatever other threads of the parent were at", n);
}

int main(void)
{
	if (!kernel_keeps_from_fork())
		tap_skip_all("a child gets all memory here, and qemu-user no thread safely");
	run(pinned_pools);
	run(grandchild);
	if (child_may_start_threads)
		run(puts_in_a_child_of_many_threads);
	else
		tap_skip("children put, whatever other threads of the parent were at",
			 "the sanitizer's own locks don't survive such a fork");
	return tap_end();
}
