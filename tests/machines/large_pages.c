/*
 * large_pages.c - LD_PRELOAD: a kernel whose pages have $PP_KERNEL_PAGE bytes (16384, 65536), as
 * arm64, ppc64el and loongarch64 kernels may have. What the program asks about memory is answered
 * and rounded as such a kernel does: an address within a page is refused, a length is rounded up.
 * The kernel below has smaller pages, so that what goes beyond the length is really done.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static size_t kernel_page(void)
{
	static size_t bytes;
	const char *set = getenv("PP_KERNEL_PAGE");

	if (!bytes)
		bytes = set ? strtoul(set, NULL, 0) : 65536;
	return bytes;
}

static size_t round_up(size_t n)
{
	return (n + kernel_page() - 1) & ~(kernel_page() - 1);
}

/* True, with errno set, if the kernel would refuse the address. */
static int within_page(const void *addr)
{
	if (!((uintptr_t)addr & (kernel_page() - 1)))
		return 0;
	errno = EINVAL;
	return 1;
}

int getpagesize(void)
{
	return (int)kernel_page();
}

long sysconf(int name)
{
	static long (*next)(int);

	if (name == _SC_PAGESIZE)
		return (long)kernel_page();
	if (!next)
		next = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
	return next(name);
}

unsigned long getauxval(unsigned long type)
{
	static unsigned long (*next)(unsigned long);

	if (type == AT_PAGESZ)
		return kernel_page();
	if (!next)
		next = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
	return next(type);
}

/* A mapping that begins at a page of ours: too large a one, cut at both ends. */
static void *map_aligned(size_t len, int prot, int flags)
{
	size_t whole = round_up(len), extra = kernel_page();
	char *p = (char *)syscall(SYS_mmap, NULL, whole + extra, prot, flags, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return MAP_FAILED;
	before = (size_t)(round_up((uintptr_t)p) - (uintptr_t)p);
	if (before)
		syscall(SYS_munmap, p, before);
	if (extra > before)
		syscall(SYS_munmap, p + before + whole, extra - before);
	return p + before;
}

/* The same of a file: over addresses that are there for that. */
static void *map_file(size_t len, int prot, int flags, int fd, off_t offset)
{
	void *at = map_aligned(len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), *p;

	if (at == MAP_FAILED)
		return MAP_FAILED;
	p = (void *)syscall(SYS_mmap, at, len, prot, flags | MAP_FIXED, fd, offset);
	if (p == MAP_FAILED)
		syscall(SYS_munmap, at, round_up(len));
	return p;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && within_page(addr))
		return MAP_FAILED;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_HUGETLB))
		return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
	if (!(flags & MAP_ANONYMOUS))
		return map_file(len, prot, flags, fd, offset);
	return map_aligned(len, prot, flags);
}

#ifndef mmap64 /* as musl defines it: there is one function */
void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
	return mmap(addr, len, prot, flags, fd, (off_t)offset);
}
#endif

int munmap(void *addr, size_t len)
{
	return within_page(addr) ? -1 : (int)syscall(SYS_munmap, addr, round_up(len));
}

int mprotect(void *addr, size_t len, int prot)
{
	return within_page(addr) ? -1 : (int)syscall(SYS_mprotect, addr, round_up(len), prot);
}

int madvise(void *addr, size_t len, int advice)
{
	return within_page(addr) ? -1 : (int)syscall(SYS_madvise, addr, round_up(len), advice);
}

/* glibc has it from 2.36 on */
ssize_t process_madvise(int pidfd, const struct iovec *range, size_t n, int advice, unsigned flags);

ssize_t process_madvise(int pidfd, const struct iovec *range, size_t n, int advice, unsigned flags)
{
	ssize_t done = 0;

	(void)pidfd;
	(void)flags;
	for (size_t i = 0; i < n; i++) {
		if (madvise(range[i].iov_base, range[i].iov_len, advice))
			return done ? done : -1;
		done += (ssize_t)range[i].iov_len;
	}
	return done;
}
