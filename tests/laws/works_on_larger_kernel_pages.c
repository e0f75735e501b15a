/*
 * works_on_larger_kernel_pages.c - laws 4 and 5 on a kernel with pages larger than 4 KiB, emulated.
 *
 * works_on_larger_kernel_pages BYTES. libc's functions that allocate memory from the kernel or free
 * it behave as on such a kernel: an address that isn't a multiple of its page size is refused, a
 * length is rounded up. The library must ask for whole pages: it is recorded if it doesn't. Pages
 * larger than the kernel's can be emulated, smaller ones can't.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "../sanitized.h"
#include "laws.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static size_t kernel_page = 4096;
static unsigned odd; /* calls that weren't of whole pages */

static size_t whole(size_t len)
{
	return (len + kernel_page - 1) & ~(kernel_page - 1);
}

/* False: errno is set. */
static bool is_whole(const void *addr, size_t len)
{
	odd += (uintptr_t)addr % kernel_page || len % kernel_page;
	if ((uintptr_t)addr % kernel_page)
		errno = EINVAL;
	return (uintptr_t)addr % kernel_page == 0;
}

long __real_sysconf(int name);
long __wrap_sysconf(int name);
typedef void *map_fn(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
map_fn __real_mmap, __wrap_mmap, __real_mmap64, __wrap_mmap64;
int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);
int __real_mprotect(void *addr, size_t len, int prot);
int __wrap_mprotect(void *addr, size_t len, int prot);
int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);
ssize_t __wrap_process_madvise(int fd, const struct iovec *range, size_t n, int advice,
			       unsigned flags);

UNWATCHED long __wrap_sysconf(int name)
{
	return name == _SC_PAGESIZE ? (long)kernel_page : __real_sysconf(name);
}

/* More than asked for, and both ends cut off: at a multiple of the page. */
static void *map(map_fn *real, void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	char *p;
	size_t head;

	if (addr) {
		if (!is_whole(addr, len))
			return MAP_FAILED;
		return real(addr, whole(len), prot, flags, fd, offset);
	}
	if (flags & MAP_HUGETLB)
		return real(NULL, len, prot, flags, fd, offset);
	len = whole(len);
	p = real(NULL, len + kernel_page, prot, flags, fd, offset);
	if (p == MAP_FAILED)
		return p;
	head = -(uintptr_t)p & (kernel_page - 1);
	if (head)
		__real_munmap(p, head);
	__real_munmap(p + head + len, kernel_page - head);
	return p + head;
}

/* By either name: the size of off_t decides which one is called. */
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return map(__real_mmap, addr, len, prot, flags, fd, offset);
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return map(__real_mmap64, addr, len, prot, flags, fd, offset);
}

int __wrap_munmap(void *addr, size_t len)
{
	return is_whole(addr, len) ? __real_munmap(addr, whole(len)) : -1;
}

int __wrap_mprotect(void *addr, size_t len, int prot)
{
	return is_whole(addr, len) ? __real_mprotect(addr, whole(len), prot) : -1;
}

int __wrap_madvise(void *addr, size_t len, int advice)
{
	return is_whole(addr, len) ? __real_madvise(addr, whole(len), advice) : -1;
}

ssize_t __wrap_process_madvise(int fd, const struct iovec *range, size_t n, int advice,
			       unsigned flags)
{
	ssize_t done = 0;

	(void)fd;
	(void)flags;
	for (size_t i = 0; i < n; i++) {
		if (__wrap_madvise(range[i].iov_base, range[i].iov_len, advice))
			return done ? done : -1;
		done += (ssize_t)range[i].iov_len;
	}
	return done;
}

/* ---- what is there ------------------------------------------------------------------------ */

/* Pages, in the order of their addresses, every one filled. */
static struct bunch filled_pages(struct pp_pool *pool, unsigned n)
{
	struct bunch b = take(pool, n);

	check(all_different(&b), "%u pages", n);
	fill_all(&b, 9);
	return b;
}

static unsigned in_place(const void *addr, uint32_t page_size)
{
	return (unsigned)((uintptr_t)addr % kernel_page / page_size);
}

/*
 * Of each kernel's page the pages are put one by one, in some order: those in flight keep what they
 * hold, and with the last the memory goes.
 */
static void a_zombies_pages(uint32_t page_size, unsigned max_pages, unsigned step)
{
	unsigned together = kernel_page > page_size ? (unsigned)(kernel_page / page_size) : 1;
	unsigned per_chunk = MIB / page_size, lost = 0, early = 0, late = 0;
	struct pp_pool_params p = small_chunks(MIB);
	char *addr[1100]; /* a page's record may go with its put */
	struct pp_pool *pool;
	struct bunch b;

	p.page_size = page_size;
	p.max_pages = max_pages;
	pool = new_pool(pp_binding_none(), &p);
	b = filled_pages(pool, max_pages);
	for (unsigned i = 0; i < b.n; i++)
		addr[i] = pp_page_addr(b.page[i]);
	pp_pool_destroy(pool);
	for (unsigned k = 0; k < together; k++)
		for (unsigned i = 0; i < b.n; i++) {
			bool last =
				i / per_chunk == (b.n - 1) / per_chunk; /* chunk: all of it goes */

			if (in_place(addr[i], page_size) != k * step % together)
				continue;
			lost += !filled(b.page[i], 9);
			early += !in_memory(addr[i]);
			pp_page_put(b.page[i]);
			if (k + 1 == together && !last && i % per_chunk < 3 * together)
				late += in_memory(addr[i]);
		}
	check_eq(lost, 0, "%u pages of %u bytes: none in flight loses what it holds", max_pages,
		 page_size);
	check_eq(early, 0, "none has gone before it is put,");
	check_eq(late, 0, "and all have with the last of a kernel's page");
	free(b.page);
	check_nothing_left("at the end");
}

static void zombies(void)
{
	a_zombies_pages(4096, 512, 1);
	a_zombies_pages(4096, 512 + 5, 7); /* a chunk that ends within a kernel's page */
	a_zombies_pages(2048, 1024, 3);
	a_zombies_pages(16384, 128, 1);
	a_zombies_pages(65536, 32, 1);
}

/* What was free at the revocation, in runs that begin and end anywhere. */
static void free_runs_of_a_zombie(void)
{
	struct pp_pool_params p = small_chunks(2 * MIB);
	unsigned lost = 0, kept = 0;
	struct pp_pool *pool;
	struct soft_device d;
	struct bunch b;

	soft_device_init(&d, NULL);
	pp_debug_set(PP_DEBUG_PAGES); /* no cache: what is put is at home */
	pool = new_pool(soft_device_bind(&d), &p);
	pp_debug_set(0);
	b = filled_pages(pool, 512);
	for (unsigned i = 0; i < b.n; i++)
		if (i % 41)
			pp_page_put(b.page[i]);
	pp_device_unbind(d.dev);
	pp_pool_trim(pool, 0);
	for (unsigned i = 0; i < b.n; i++) {
		unsigned n = (unsigned)(kernel_page / 4096);
		unsigned first = i - in_place(pp_page_addr(b.page[i]), 4096);

		if (i % 41 == 0)
			lost += !filled(b.page[i], 9);
		/* all of its kernel's page is free */
		else if ((first + 40) / 41 * 41 >= first + n)
			kept += in_memory(pp_page_addr(b.page[i]));
	}
	check_eq(lost, 0, "what is in flight is whole");
	check_eq(kept, 0, "what is free, as far as it fills pages of the kernel's, has gone");
	for (unsigned i = 0; i < b.n; i += 41)
		pp_page_put(b.page[i]);
	free(b.page);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* A chunk has pages of the kernel's to itself. */
static void small_chunks_and_trimming(void)
{
	static const uint32_t size[] = { 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB };

	for (unsigned i = 0; i < 4; i++) {
		struct pp_pool_params p = small_chunks(size[i]);
		uint32_t chunk = size[i] < kernel_page ? (uint32_t)kernel_page : size[i];
		struct pp_pool_info info;
		struct soft_device d;
		struct pp_pool *pool;
		struct bunch b;

		p.idle_chunks = 1000;
		soft_device_init(&d, NULL);
		pool = new_pool(soft_device_bind(&d), &p);
		pp_pool_info(pool, &info, sizeof info);
		check_eq(info.chunk_size, chunk, "chunks of %u KiB", size[i] / KIB);
		for (unsigned round = 0; round < 3; round++) {
			b = filled_pages(pool, 15 * (chunk / 4096));
			thin_out(&b, 61); /* some chunks have a page in flight */
			pp_pool_trim(pool, 0);
			check(all_filled(&b, 9), "those in flight keep what they hold");
			put_all(&b);
		}
		pp_pool_trim(pool, 0);
		check_eq(totals().chunk_bytes, 0, "all goes");
		pp_pool_destroy(pool);
		soft_device_exit(&d);
		check_nothing_left("at the end");
	}
}

static void coherent_memory(void)
{
	struct soft_device d;
	pp_binding_t binding;

	soft_device_init(&d, NULL);
	binding = soft_device_bind(&d);
	for (size_t len = 1; len < 300000; len = 3 * len + 1000) {
		pp_iova_t iova;
		void *cpu;

		require(!pp_dma_alloc_coherent(binding, len, &cpu, &iova), "%zu bytes", len);
		memset(cpu, 1, len);
		check_eq(pp_dma_free_coherent(binding, len, cpu, iova), 0, "and free");
	}
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

int main(int argc, char **argv)
{
	kernel_page = argc > 1 ? strtoul(argv[1], NULL, 0) : 65536;
	if (kernel_page <
	    (size_t)__real_sysconf(_SC_PAGESIZE)) /* what is freed would be too much */
		tap_skip_all("this kernel's pages are larger than those to be played");
	printf("# a kernel with pages of %zu bytes\n", kernel_page);
	run(zombies);
	run(free_runs_of_a_zombie);
	run(small_chunks_and_trimming);
	run(coherent_memory);
	check_eq(odd, 0, "the kernel was asked for whole pages only");
	return tap_end();
}
