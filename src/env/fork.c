/*
 * fork.c - env.h for Linux user space: what a child of fork(2) has of its parent. May touch the
 * system; knows nothing of the floors above.
 *
 * Memory that a device works on must not be shared with a child: the first of the two to write
 * would get a copy, and if that is the parent, the device doesn't notice. So the child gets other
 * memory at these addresses, which reads as zero. For hugetlb pages and a file's that is
 * impossible, so their addresses are reserved in the child: otherwise its next mapping could end up
 * there, and the pool's end would unmap it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/fork.h"

#include <sys/mman.h>

#include "env/ranges.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define HUGE_BYTES ((size_t)2 << 20)

static struct ranges missing = RANGES_INIT; /* what a child hasn't at all */

/* ---- forks ---------------------------------------------------------------------------- */

static uint32_t forks; /* that lie between this process and the one that loaded the library */
static bool unnoticed; /* they can't be counted */
static void (*before_fork)(void), (*after_fork)(bool child); /* relaxed */

uint32_t env_forks(void)
{
	return env_load_relaxed(&forks);
}

bool env_notices_forks(void)
{
	return !unnoticed;
}

void env_at_fork(void (*before)(void), void (*after)(bool child))
{
	env_store_relaxed(&after_fork, after);
	env_store_relaxed(&before_fork, before);
}

/*
 * Nobody but the forking thread is left in the child: what another one had locked stays locked
 * there. So what every put and the end of a thread may need is had by this one; all of it leaves.
 */
static void prepare(void)
{
	void (*before)(void) = env_load_relaxed(&before_fork);

	if (before)
		before();
	threads_hold();
	memory_hold();
	env_lock(&missing.lock);
}

static void resume(bool child)
{
	void (*after)(bool) = env_load_relaxed(&after_fork);

	env_unlock(&missing.lock);
	memory_release();
	threads_release();
	if (after)
		after(child);
}

static void in_parent(void)
{
	resume(false);
}

/* Not over what the child has there by now. False: it has something. */
static bool place_one(char *addr, size_t len)
{
	char *p = mmap(addr, len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != addr && p != MAP_FAILED)
		munmap(p, len); /* before Linux 4.17 */
	return p == addr;
}

/* Some of it may be there: addresses without memory are inherited. */
static void place(char *addr, size_t len)
{
	if (place_one(addr, len))
		return;
	for (size_t at = 0; at < len; at += HUGE_BYTES)
		place_one(addr + at, HUGE_BYTES);
}

static void in_child(void)
{
	env_store_relaxed(&forks, forks + 1);
	ranges_each(&missing, place);
	resume(true);
}

/* The C library forgets them when the library is unloaded. */
static __attribute__((constructor)) void hear_of_forks(void)
{
	unnoticed = pthread_atfork(prepare, in_parent, in_child) != 0;
}

static __attribute__((destructor)) void forget_all(void)
{
	if (env_unloads())
		ranges_free(&missing);
}

/* ---- memory ---------------------------------------------------------------------------- */

/* What can't be wiped: hugetlb pages, what is shared. */
static void keep_whole(char *addr, size_t len, bool keep)
{
	if (!keep) {
		madvise(addr, len, MADV_DOFORK);
		ranges_forget(&missing, addr);
	} else if (ranges_note(&missing, addr, len)) {
		madvise(addr, len, MADV_DONTFORK);
	} /* else the kernel copies what is pinned, early, or the fork fails */
}

void env_keep_from_fork(void *addr, size_t len, bool keep)
{
	if (madvise(addr, len, keep ? MADV_WIPEONFORK : MADV_KEEPONFORK) || !keep)
		keep_whole(addr, len, keep); /* it takes back what was never done, too */
}

void fork_unmapped(const void *addr)
{
	ranges_forget(&missing, addr);
}
