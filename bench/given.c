/*
 * given.c - what it takes to give memory back in an unbind, beside the system's price of it: given
 * PAGES HELD. A pool grows to so many pages, all of them written to, of which HELD are in flight at
 * the unbind. Then a program of its own has the same ranges of the same kind of memory, and gives
 * back what the unbind gave back, by the same calls and nothing else.
 *
 * Prints the nanoseconds of both, and how often another program had our processor meanwhile.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"

static double out_of_reach; /* ns */
#include "unmapping.h"

#define HUGE ((uintptr_t)2 << 20)
#define RANGES (1u << 20)

/* ---- what the unbind asks the system for (link arguments) ------------------------------------ */

enum how { GO_ON, DISCARD, UNMAP }; /* GO_ON: one more range of the call before */

struct range {
	char *at;
	size_t len;
	enum how how;
	bool together; /* by process_madvise */
};

static struct range *range; /* shared with the other program */
static unsigned n_ranges;
static bool watched;

static void note(void *at, size_t len, enum how how, bool together)
{
	if (!watched)
		return;
	if (n_ranges == RANGES)
		fail("keeping so many ranges");
	range[n_ranges++] = (struct range){ at, len, how, together };
}

int __real_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len);
int __real_madvise(void *at, size_t len, int advice);
int __wrap_madvise(void *at, size_t len, int advice);
ssize_t __real_process_madvise(int pid, const struct iovec *v, size_t n, int advice,
			       unsigned flags);
ssize_t __wrap_process_madvise(int pid, const struct iovec *v, size_t n, int advice,
			       unsigned flags);

int __wrap_munmap(void *at, size_t len)
{
	note(at, len, UNMAP, false);
	return __real_munmap(at, len);
}

int __wrap_madvise(void *at, size_t len, int advice)
{
	note(at, len, DISCARD, false);
	return __real_madvise(at, len, advice);
}

/* Where the kernel refuses it, the library goes on to madvise. */
ssize_t __wrap_process_madvise(int pid, const struct iovec *v, size_t n, int advice, unsigned flags)
{
	ssize_t done = __real_process_madvise(pid, v, n, advice, flags);

	for (size_t i = 0; i < n && done >= 0; i++)
		note(v[i].iov_base, v[i].iov_len, i ? GO_ON : DISCARD, true);
	return done;
}

/* ---- the pool -------------------------------------------------------------------------------- */

/* Grown to n pages, of which `stay` are out and far apart. */
static struct pp_device *grown(uint64_t n, uint64_t stay)
{
	struct pp_page **page = malloc(n * sizeof *page);
	struct pp_pool_params params = pp_pool_defaults();
	struct pp_device *dev = device_open(&time_unmapping);
	uint64_t every = n / stay, out = 0;
	struct pp_pool *pool;

	params.memory = PP_MEMORY_THP;
	params.idle_chunks = UINT32_MAX;
	if (pp_pool_create(&pool, pp_device_binding(dev), &params))
		fail("pp_pool_create");
	for (uint64_t i = 0; i < n; i++) {
		if (pp_page_get(&page[i], pool))
			fail("pp_page_get");
		*(char *)pp_page_addr(page[i]) = 1;
	}
	for (uint64_t i = 0; i < n; i++)
		if (i % every || out++ >= stay)
			pp_page_put(page[i]);
	return dev;
}

/* ---- the system alone ------------------------------------------------------------------------ */

static int by_address(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* Memory where the pool's was, and between its ranges; written to. */
static void have_the_same(void)
{
	struct range *r = malloc(n_ranges * sizeof *r);

	memcpy(r, range, n_ranges * sizeof *r);
	qsort(r, n_ranges, sizeof *r, by_address);
	for (unsigned i = 0; i < n_ranges;) {
		char *from = (char *)((uintptr_t)r[i].at & ~(HUGE - 1)), *to = from;

		for (; i < n_ranges && (uintptr_t)r[i].at <= (uintptr_t)to + HUGE; i++)
			to = (char *)(((uintptr_t)r[i].at + r[i].len + HUGE - 1) & ~(HUGE - 1));
		if (mmap(from, (size_t)(to - from), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != from)
			fail("mmap");
		__real_madvise(from, (size_t)(to - from), MADV_HUGEPAGE);
		for (char *p = from; p < to; p += 4096)
			*p = 1;
	}
	free(r);
}

static void call(const struct range *r, const struct iovec *v, unsigned n)
{
	static int self = -1;

	if (self < 0)
		self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (r->how == UNMAP ? __real_munmap(r->at, r->len) :
	    r->together     ? __real_process_madvise(self, v, n, MADV_DONTNEED, 0) < 0 :
			      __real_madvise(r->at, r->len, MADV_DONTNEED))
		fail("giving it back");
}

static double alone(void)
{
	struct iovec v[1024];
	double begun;

	have_the_same();
	begun = now_ns();
	for (unsigned i = 0, n; i < n_ranges; i += n) {
		for (n = 0; i + n < n_ranges && (!n || range[i + n].how == GO_ON); n++)
			v[n] = (struct iovec){ range[i + n].at, range[i + n].len };
		call(&range[i], v, n);
	}
	return now_ns() - begun;
}

/* In a process in which there was no pool. It waits to be told how many ranges there are. */
static void alone_in_a_program(int from, int to)
{
	double took;

	if (read(from, &n_ranges, sizeof n_ranges) != sizeof n_ranges)
		exit(1);
	took = alone();
	if (write(to, &took, sizeof took) != sizeof took)
		exit(1);
	exit(0);
}

int main(int argc, char **argv)
{
	uint64_t n = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
	uint64_t stay = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	int to[2], from[2];
	struct pp_device *dev;
	double ours, theirs;
	long disturbed;

	if (!n || !stay || stay > n)
		fail("arguments: pages, and of these how many stay");
	pin_to(0);
	range = mmap(NULL, RANGES * sizeof *range, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (range == MAP_FAILED || pipe(to) || pipe(from))
		fail("mmap, pipe");
	if (!fork())
		alone_in_a_program(to[0], from[1]);
	dev = grown(n, stay);
	disturbed = preemptions();
	watched = true;
	if (pp_device_unbind(dev))
		fail("pp_device_unbind");
	ours = now_ns() - out_of_reach;
	watched = false;
	disturbed = preemptions() - disturbed;
	if (write(to[1], &n_ranges, sizeof n_ranges) < 0 ||
	    read(from[0], &theirs, sizeof theirs) != sizeof theirs)
		fail("the system alone");
	wait(NULL);
	printf("%.0f %.0f %ld\n", ours, theirs, disturbed);
	return 0;
}
