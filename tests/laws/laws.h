/*
 * laws.h - what the tests of the laws share: pools of small chunks, pages by the
 * thousand, and what "empty" means.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef LAWS_H
#define LAWS_H

#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soft_device.h"

#define KIB 1024u
#define MIB (1024u * KIB)

/* Pages that a test holds. */
struct bunch {
	struct pp_page **page;
	unsigned n;
};

/* Chunks of base pages, so that what the tests see does not hang on the machine's huge pages. */
static inline struct pp_pool_params small_chunks(uint32_t chunk_size)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.name = "test";
	p.chunk_size = chunk_size;
	p.memory = PP_MEMORY_BASE;
	return p;
}

static inline struct pp_pool *new_pool(pp_binding_t binding, const struct pp_pool_params *params)
{
	struct pp_pool *pool;
	int ret = pp_pool_create(&pool, binding, params);

	if (ret == -ENOSYS)
		tap_skip_all("the kernel has no expedited membarrier(2)");
	if (ret)
		require(!ret, "a pool is made (%d)", ret);
	return pool;
}

static inline struct bunch take(struct pp_pool *pool, unsigned n)
{
	struct bunch b = { calloc(n ? n : 1, sizeof *b.page), 0 };

	while (b.n < n) {
		int got = pp_page_get_batch(b.page + b.n, n - b.n, pool);

		if (got <= 0)
			require(got > 0, "a page is got (%d)", got);
		b.n += (unsigned)got;
	}
	return b;
}

static inline void put_all(struct bunch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		pp_page_put(b->page[i]);
	free(b->page);
	*b = (struct bunch){ 0 };
}

/* Put all but every step-th page. */
static inline void thin_out(struct bunch *b, unsigned step)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < b->n; i++)
		if (i % step)
			pp_page_put(b->page[i]);
		else
			b->page[kept++] = b->page[i];
	b->n = kept;
}

static inline int page_order(const void *a, const void *b)
{
	const char *x = pp_page_addr(*(struct pp_page *const *)a);
	const char *y = pp_page_addr(*(struct pp_page *const *)b);

	return x < y ? -1 : x > y;
}

/* No page is there twice, none overlaps another. Sorts them. */
static inline bool all_different(struct bunch *b)
{
	qsort(b->page, b->n, sizeof *b->page, page_order);
	for (unsigned i = 1; i < b->n; i++)
		if ((char *)pp_page_addr(b->page[i - 1]) + pp_page_size(b->page[i - 1]) >
		    (char *)pp_page_addr(b->page[i]))
			return false;
	return true;
}

/* What a page should hold, by its address: so a page mistaken for another is noticed. */
static inline uint64_t pattern(const struct pp_page *page, uint64_t generation)
{
	return ((uintptr_t)pp_page_addr(page) ^ generation) * 0x9E3779B97F4A7C15u;
}

static inline void fill(struct pp_page *page, uint64_t generation)
{
	uint64_t *word = pp_page_addr(page), value = pattern(page, generation);

	for (uint32_t i = 0; i < pp_page_size(page) / 8; i++)
		word[i] = value + i;
}

static inline bool filled(const struct pp_page *page, uint64_t generation)
{
	const uint64_t *word = pp_page_addr(page);
	uint64_t value = pattern(page, generation);

	for (uint32_t i = 0; i < pp_page_size(page) / 8; i++)
		if (word[i] != value + i)
			return false;
	return true;
}

static inline void fill_all(const struct bunch *b, uint64_t generation)
{
	for (unsigned i = 0; i < b->n; i++)
		fill(b->page[i], generation);
}

static inline bool all_filled(const struct bunch *b, uint64_t generation)
{
	for (unsigned i = 0; i < b->n; i++)
		if (!filled(b->page[i], generation))
			return false;
	return true;
}

/* The device reads a word of each page, so that its IOTLB knows them. True: it could. */
static inline bool device_reads(const struct soft_device *d, const struct bunch *b)
{
	uint64_t word;
	bool ok = true;

	for (unsigned i = 0; i < b->n; i += device_step())
		ok &= !pp_soft_read(d->iommu, pp_page_iova(b->page[i]), &word, sizeof word);
	return ok;
}

/* How many of the pages the device can write to, at their old addresses. */
static inline unsigned device_can_write(const struct soft_device *d, const struct bunch *b)
{
	uint64_t word = ~0ull;
	unsigned n = 0, tried = 0;

	for (unsigned i = 0; i < b->n; i += device_step(), tried++)
		n += !pp_soft_write(d->iommu, pp_page_iova(b->page[i]), &word, sizeof word);
	return n == tried ? b->n : n;
}

/* The domain holds nothing. */
static inline void domain_is_empty(const struct soft_device *d, const char *when)
{
	struct pp_domain_stats s = soft_device_domain(d);

	check_eq(s.mappings, 0, "%s: no mapping is left", when);
	check_eq(s.bytes_mapped, 0, "%s: no byte is mapped", when);
	check_eq(s.iova_bytes, 0, "%s: no IOVA is taken", when);
	check_eq(s.page_table_bytes, 0, "%s: there is no page table", when);
	check_eq(s.iotlb_entries, 0, "%s: the IOTLB is empty", when);
	check_eq(s.pending_ranges, 0, "%s: no invalidation is pending", when);
	check_eq(s.shadow_bytes, 0, "%s: no shadow is left", when);
}

static inline bool nothing_left(void)
{
	struct pp_totals t = totals();

	return !t.pools && !t.zombies && !t.zombie_pages && !t.chunk_bytes && !t.iova_bytes;
}

static inline void check_nothing_left(const char *when)
{
	struct pp_totals t = totals();

	if (!check(nothing_left(), "%s: no pool, page, memory or IOVA is left", when))
		printf("# pools %llu, zombies %llu, their pages %llu, memory %llu, IOVA %llu\n",
		       (unsigned long long)t.pools, (unsigned long long)t.zombies,
		       (unsigned long long)t.zombie_pages, (unsigned long long)t.chunk_bytes,
		       (unsigned long long)t.iova_bytes);
}

/*
 * Is there memory at this address? In a page of the real kernel's: where a larger one is played,
 * that kernel still takes the address of a base page.
 */
static inline bool in_memory(const void *addr)
{
	const uintptr_t page = (uintptr_t)addr & ~(uintptr_t)(PP_BASE_PAGE - 1);
	unsigned char in[1] = { 0 };

	if (mincore((void *)page, 1, in))
		mincore((void *)(page & ~(uintptr_t)(getauxval(AT_PAGESZ) - 1)), 1, in);
	return in[0] & 1;
}

static inline pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg))
		abort();
	return t;
}

static inline void join(pthread_t t)
{
	pthread_join(t, NULL);
}

/* Flags between the threads of a test. */
#define raise_flag(p) __atomic_store_n((p), 1, __ATOMIC_RELEASE)
#define flag_up(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define count_up(p) __atomic_fetch_add((p), 1, __ATOMIC_ACQ_REL)

static inline void await_flag(const int *flag)
{
	while (!flag_up(flag))
		sched_yield();
}

/* qemu-user says yes when a file's memory is to go or to come, and does nothing. */
static inline bool kernel_empties_files(void)
{
	int fd = memfd_create("emptied", MFD_CLOEXEC);
	char *p = MAP_FAILED;
	struct stat s;

	if (fd >= 0 && !ftruncate(fd, 65536))
		p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		abort();
	p[0] = 1;
	if (madvise(p, 65536, MADV_REMOVE) || fstat(fd, &s))
		abort();
	munmap(p, 65536);
	close(fd);
	return !s.st_blocks;
}

/* qemu-user gives a child all memory, whatever it is told. */
static inline bool kernel_keeps_from_fork(void)
{
	char *p = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char in;
	int status = -1;
	pid_t pid;

	if (p == MAP_FAILED || madvise(p, 65536, MADV_DONTFORK))
		abort();
	pid = fork();
	if (!pid)
		_exit(mincore(p, 1, &in) == 0); /* else there is nothing */
	waitpid(pid, &status, 0);
	munmap(p, 65536);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

#endif
