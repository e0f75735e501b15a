/*
 * user.c - env.h for Linux user space: memory, time, text; thread.c has threads and locks, fork.c
 * the child of a fork. May touch the system; knows nothing of the floors above.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/debug.h"
#include "env/fork.h"
#include "env/libc.h"
#include "env/ranges.h"

#include <pagepool/debug.h>

#include <dlfcn.h>
#ifdef HAVE_BACKTRACE
#include <execinfo.h>
#endif
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif
#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB (30 << 26)
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#define HUGE_BYTES (2u << 20)
#define GIANT_BYTES (1u << 30)

/* ---- the asymmetric barrier ---------------------------------------------------- */

static int membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

int env_barrier_init(void)
{
	if (env_fault("membarrier"))
		return -ENOSYS;
	if (!env_notices_forks())
		return -ENOMEM;
	/* Registering twice is harmless. */
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) ? -ENOSYS : 0;
}

void env_barrier_heavy(void)
{
	/* A child of fork must register anew; that can't fail where it worked before. */
	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) &&
	    (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) ||
	     membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)))
		env_abort("pagepool: membarrier(2) stopped working\n");
}

/* ---- memory ------------------------------------------------------------------------- */

/* The library's own memory, for the checker to recognise: filled only while checks are on. */
static struct ranges ours = RANGES_INIT;

static __attribute__((destructor)) void forget_ours(void)
{
	if (env_unloads())
		ranges_free(&ours);
}

void memory_hold(void)
{
	env_lock(&ours.lock);
}

void memory_release(void)
{
	env_unlock(&ours.lock);
}

bool env_is_ours(const void *addr, size_t len)
{
	return ranges_touch(&ours, addr, len);
}

void *env_zalloc_aligned(size_t bytes, size_t align)
{
	void *p = NULL;

	if (env_fault("alloc") || posix_memalign(&p, align, bytes))
		return NULL;
	if (env_unlikely(pp_debug_get()))
		ranges_note(&ours, p, bytes);
	return memset(p, 0, bytes);
}

void *env_zalloc(size_t bytes)
{
	return env_zalloc_aligned(bytes, ENV_LINE);
}

void env_free(void *p)
{
	ranges_forget(&ours, p);
	free(p);
}

static int memory_access(FILE *maps, const void *addr, size_t len)
{
	uintptr_t from = (uintptr_t)addr, to = from + len;
	int access = ENV_READ | ENV_WRITE;
	char line[512], mode[8];
	unsigned long lo, hi;

	while (from < to && fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%lx-%lx %4s", &lo, &hi, mode) != 3 || hi <= from)
			continue;
		if (lo > from)
			break;
		access &= (mode[0] == 'r' ? ENV_READ : 0) | (mode[1] == 'w' ? ENV_WRITE : 0);
		from = hi;
	}
	return from < to ? -1 : access;
}

int env_memory_access(const void *addr, size_t len)
{
	FILE *maps;
	int access = 0;

	env_cancel_off();
	maps = fopen("/proc/self/maps", "re");
	if (maps) {
		access = memory_access(maps, addr, len);
		fclose(maps);
	}
	env_cancel_on();
	return access;
}

bool env_is_stack(const void *addr)
{
	pthread_attr_t attr;
	void *low;
	size_t size;
	bool in;

	if (pthread_getattr_np(pthread_self(), &attr))
		return false;
	in = !pthread_attr_getstack(&attr, &low, &size) && (const char *)addr >= (char *)low &&
	     (const char *)addr < (char *)low + size;
	pthread_attr_destroy(&attr);
	return in;
}

size_t env_kernel_page(void)
{
	static size_t bytes; /* relaxed: 0 until it was asked for */
	size_t page = env_load_relaxed(&bytes);

	if (!page) {
		page = (size_t)sysconf(_SC_PAGESIZE);
		env_store_relaxed(&bytes, page);
	}
	return page;
}

uint64_t env_memory_bytes(void)
{
	struct sysinfo s;

	return sysinfo(&s) ? UINT64_MAX : ((uint64_t)s.totalram + s.totalswap) * s.mem_unit;
}

static size_t kernel_pages(size_t len)
{
	return (len + env_kernel_page() - 1) & ~(env_kernel_page() - 1);
}

/* Addresses at a multiple of align: map more, cut both ends off. */
static void *map_aligned(size_t len, size_t align)
{
	char *p = mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t head;

	if (p == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)p & (align - 1);
	if (head)
		munmap(p, head);
	munmap(p + head + len, align - head);
	return p + head;
}

/* Preferred, not bound: a full node is no failure. */
static void prefer_node(void *p, size_t len, int numa_node)
{
	int node = numa_node - PP_NUMA_NODE(0);
	unsigned long mask[ENV_NODES / 8 / sizeof(unsigned long)] = { 0 };
	unsigned bits = 8 * sizeof mask[0];

	if (node < 0 || node >= ENV_NODES)
		return;
	mask[(unsigned)node / bits] = 1ul << ((unsigned)node % bits);
	syscall(SYS_mbind, p, len, MPOL_PREFERRED, mask, ENV_NODES, 0);
}

/* One byte of each huge page is written by the kernel, which refuses where a program would die. */
static int touch_hugetlb(char *p, size_t len)
{
	for (size_t at = 0; at < len; at += HUGE_BYTES) {
		if (syscall(SYS_getrandom, p + at, 1, GRND_NONBLOCK) != 1)
			return -ENOMEM;
		p[at] = 0;
	}
	return 0;
}

/*
 * A huge page may be promised and not be there when it is touched: a cgroup's limit, a cpuset
 * without any. So all are there before anybody is told.
 */
static int populate_hugetlb(char *p, size_t len)
{
	if (!madvise(p, len, MADV_POPULATE_WRITE))
		return 0;
	return errno == EINVAL ? touch_hugetlb(p, len) : -ENOMEM; /* before Linux 5.14 */
}

/* The kernel aligns them to their size. */
static void *map_hugetlb(size_t len, size_t align, int numa_node)
{
	int size = align == HUGE_BYTES ? MAP_HUGE_2MB : MAP_HUGE_1GB;
	void *p;

	if (len % align || (align != HUGE_BYTES && align != GIANT_BYTES))
		return NULL;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	prefer_node(p, len, numa_node);
	if (populate_hugetlb(p, len)) {
		munmap(p, len);
		return NULL;
	}
	return p;
}

/*
 * What is found out about the kernel once: reading files is slow, and a thread could be cancelled
 * there, which must not be under a lock.
 */
static bool thp_private, thp_files; /* allowed there; relaxed */

/* Whether a setting lets memory that is advised for it be in transparent huge pages. */
static bool thp_allowed(const char *setting)
{
	int fd = open(setting, O_RDONLY | O_CLOEXEC);
	char mode[64];
	ssize_t n = fd < 0 ? -1 : read(fd, mode, sizeof mode - 1);

	if (fd >= 0)
		close(fd);
	mode[n > 0 ? n : 0] = 0;
	return n > 0 && !strstr(mode, "[never]") && !strstr(mode, "[deny]");
}

void env_memory_init(void)
{
	static bool done; /* release: thp_private, thp_files */

	if (env_load_acquire(&done))
		return;
	env_cancel_off();
	env_store_relaxed(&thp_private, thp_allowed("/sys/kernel/mm/transparent_hugepage/enabled"));
	env_store_relaxed(&thp_files,
			  thp_allowed("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
	env_store_release(&done, true);
	env_cancel_on();
}

static int reserve(void **out, size_t len, size_t align)
{
	if (align < env_kernel_page())
		align = env_kernel_page();
	*out = map_aligned(kernel_pages(len), align);
	return *out ? 0 : -ENOMEM;
}

static int commit(void *addr, size_t len, enum pp_memory kind, int numa_node, const bool *allowed)
{
	bool thp = kind == PP_MEMORY_THP;

	len = kernel_pages(len);
	if (kind == PP_MEMORY_HUGETLB) {
		prefer_node(addr, len, numa_node);
		return populate_hugetlb(addr, len);
	}
	if (thp && (((uintptr_t)addr | len) % HUGE_BYTES || !env_load_relaxed(allowed)))
		return -ENOMEM;
	if (mprotect(addr, len, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	/* there may be no transparent huge pages in this kernel: as well for base pages */
	if (madvise(addr, len, thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) && thp)
		return -ENOMEM;
	prefer_node(addr, len, numa_node);
	return 0;
}

int env_map(void **out, size_t len, size_t align, enum pp_memory kind, int numa_node)
{
	int ret;

	*out = NULL;
	if (env_fault("mmap"))
		return -ENOMEM;
	if (kind == PP_MEMORY_HUGETLB) {
		*out = map_hugetlb(len, align, numa_node);
		return *out ? 0 : -ENOMEM;
	}
	ret = reserve(out, len, align);
	if (ret)
		return ret;
	ret = commit(*out, len, kind, numa_node, &thp_private);
	if (ret) {
		munmap(*out, kernel_pages(len));
		*out = NULL;
	}
	return ret;
}

int env_reserve(void **out, size_t len, size_t align)
{
	*out = NULL;
	return env_fault("mmap") ? -ENOMEM : reserve(out, len, align);
}

void *env_addresses(size_t len)
{
	return env_fault("mmap") ? NULL : map_aligned(kernel_pages(len), kernel_pages(len));
}

int env_commit(void *addr, size_t len, enum pp_memory kind, int numa_node)
{
	return env_fault("mmap") ? -ENOMEM : commit(addr, len, kind, numa_node, &thp_private);
}

int env_file_commit(void *addr, size_t len, enum pp_memory kind, int numa_node)
{
	return env_fault("mmap") ? -ENOMEM : commit(addr, len, kind, numa_node, &thp_files);
}

/* Before Linux 5.14: a write that changes nothing, nor takes away what another has written. */
static void touch(char *p, size_t len)
{
	for (size_t at = 0; at < len; at += env_kernel_page()) {
		char there = env_load_relaxed(&p[at]);

		env_cas_relaxed(&p[at], &there, there); /* if it fails, another has written */
	}
}

int env_populate(void *addr, size_t len)
{
	if (env_fault("populate"))
		return -ENOMEM;
	if (!madvise(addr, len, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return -ENOMEM;
	touch(addr, len);
	return 0;
}

int env_decommit(void *addr, size_t len)
{
	void *p = mmap(addr, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

void env_unmap(void *addr, size_t len)
{
	len = kernel_pages(len);
	fork_unmapped(addr);
	/* Fails only where the map count is at its limit and the range is in the middle
	 * of one: then at least the contents go. */
	if (munmap(addr, len))
		env_discard(addr, len);
}

/* Locked memory stays where it is told to go, unless it is told so by another name. */
static int discard_locked(void *addr, size_t len)
{
	if (!madvise(addr, len, MADV_DONTNEED_LOCKED))
		return 0;
	if (errno != EINVAL || munlock(addr, len)) /* before Linux 5.18 */
		return -errno;
	return madvise(addr, len, MADV_DONTNEED) ? -errno : 0;
}

int env_discard(void *addr, size_t len)
{
	if (!madvise(addr, len, MADV_DONTNEED))
		return 0;
	return errno == EINVAL ? discard_locked(addr, len) : -errno;
}

/* Linux 6.13 and later let a process ask this of itself. False: it is to be asked one by one. */
static bool discard_at_once(const struct env_discards *d)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	size_t bytes = 0;
	ssize_t done;

	if (self < 0)
		return false;
	for (unsigned i = 0; i < d->n; i++)
		bytes += d->range[i].iov_len;
	done = process_madvise(self, d->range, d->n, MADV_DONTNEED, 0);
	syscall(SYS_close, self); /* close(3) is a cancellation point, and there are locks */
	return done >= 0 && (size_t)done == bytes;
}

int env_discards_end(struct env_discards *d)
{
	if (d->n < 4 || !discard_at_once(d))
		for (unsigned i = 0; i < d->n; i++) {
			int ret = env_discard(d->range[i].iov_base, d->range[i].iov_len);

			d->failed = d->failed ? d->failed : ret;
		}
	d->n = 0;
	return d->failed;
}

void env_discards_add(struct env_discards *d, void *addr, size_t len)
{
	struct iovec *last = d->n ? &d->range[d->n - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == addr) {
		last->iov_len += len;
		return;
	}
	if (d->n == ENV_DISCARDS)
		env_discards_end(d);
	d->range[d->n++] = (struct iovec){ addr, len };
}

size_t env_page_size(enum pp_memory kind)
{
	return kind == PP_MEMORY_BASE ? env_kernel_page() : HUGE_BYTES;
}

/* ---- events ---------------------------------------------------------------------------- */

/* Where /proc isn't there, each is taken for one. */
static bool is_event(int fd)
{
	char link[64], name[64] = "";

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return readlink(link, name, sizeof name - 1) < 0 || !strcmp(name, "anon_inode:[eventfd]");
}

int env_event_check(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -EBADF;
	return !is_event(fd) ? -ENOTTY : flags & O_NONBLOCK ? 0 : -EINVAL;
}

/* It fails where the number is as high as can be: whoever waits has been woken then. */
void env_event_add(int fd)
{
	const uint64_t one = 1;
	int before = errno;

	if (write(fd, &one, sizeof one) < 0)
		errno = before;
}

/* ---- time, identity, words -------------------------------------------------------------- */

uint64_t env_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int env_thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

const char *env_setting(const char *name)
{
	return secure_getenv(name);
}

const char *env_symbol(const void *code, char *buf, size_t size)
{
	Dl_info info;

	if (!dladdr(code, &info) || !info.dli_fname)
		snprintf(buf, size, "%p", code);
	else if (info.dli_sname)
		snprintf(buf, size, "%s+0x%zx (%s)", info.dli_sname,
			 (size_t)((const char *)code - (const char *)info.dli_saddr),
			 info.dli_fname);
	else
		snprintf(buf, size, "%s+0x%zx", info.dli_fname,
			 (size_t)((const char *)code - (const char *)info.dli_fbase));
	return buf;
}

void env_write(int fd, const char *text, size_t len)
{
	env_cancel_off();
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		text += n;
		len -= (size_t)n;
	}
	env_cancel_on();
}

#ifdef HAVE_BACKTRACE
void env_write_symbol(int fd, const void *code)
{
	void *codes[] = { (void *)(uintptr_t)code };

	env_cancel_off();
	backtrace_symbols_fd(codes, 1, fd);
	env_cancel_on();
}
#else
/* May be called in a signal handler: dladdr is all that it asks of libc, as glibc's does. */
void env_write_symbol(int fd, const void *code)
{
	char text[sizeof "(+0x)" + 2 * sizeof code], *at = text + sizeof text;
	uintptr_t offset = (uintptr_t)code;
	Dl_info info;

	if (dladdr(code, &info) && info.dli_fname) {
		env_write(fd, info.dli_fname, strlen(info.dli_fname));
		offset -= (uintptr_t)info.dli_fbase;
	}
	*--at = '\n';
	*--at = ')';
	do
		*--at = "0123456789abcdef"[offset & 15];
	while (offset >>= 4);
	at -= 4;
	memcpy(at, "(+0x", 4);
	env_write(fd, at, (size_t)(text + sizeof text - at));
}
#endif

void env_abort(const char *text)
{
	env_write(STDERR_FILENO, text, strlen(text));
	abort();
}

/* ---- failures on purpose --------------------------------------------------------------- */

#ifdef PP_FAULTS
static bool (*fault_decide)(void *ctx, const char *what);
static void *fault_ctx;

void env_fault_set(bool (*decide)(void *ctx, const char *what), void *ctx)
{
	fault_ctx = ctx;
	fault_decide = decide;
}

bool env_fault(const char *what)
{
	return fault_decide && fault_decide(fault_ctx, what);
}
#endif

/* ---- parameters that grow --------------------------------------------------------------- */

int env_params(const char *call, void *ours, size_t our_size, const void *theirs)
{
	size_t size, used;
	const char *bytes = theirs;

	memcpy(&size, theirs, sizeof size);
	if (size < sizeof size)
		return -EINVAL;
	if (size > PP_PARAMS_MAX) {
		debug_invalid("%s: the parameters say that they have %zu bytes: set their size, as "
			      "PP_PARAMS does",
			      call, size);
		return -E2BIG;
	}
	for (used = size; used > our_size && !bytes[used - 1];)
		used--;
	if (used > our_size) {
		debug_invalid(
			"%s: the parameters have %zu bytes, of which this version knows %zu and "
			"byte %zu is set: the program was built for a newer one; leave what is new "
			"zero, or use that version",
			call, size, our_size, used - 1);
		return -E2BIG;
	}
	memset(ours, 0, our_size);
	memcpy(ours, theirs, size < our_size ? size : our_size);
	return 0;
}

void env_stats_out(void *theirs, size_t their_size, const void *ours, size_t our_size)
{
	size_t n = their_size < our_size ? their_size : our_size;

	if (!theirs)
		return;
	memcpy(theirs, ours, n);
	memset((char *)theirs + n, 0, their_size - n);
}
