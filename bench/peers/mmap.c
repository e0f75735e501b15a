/*
 * mmap.c - the limit of growth: fresh memory from mmap, touched. memory=1: advised for
 * transparent huge pages, and aligned for them; 2: base pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <sys/mman.h>

#include "peer.h"

#define HUGE (2ul << 20)

static char *at;

static void peer_init(int argc, char **argv)
{
	(void)argc;
	(void)argv;
}

static void peer_open(const struct command *c)
{
	size_t len = command_number(c, "pages", 0) * 4096;
	char *p =
		mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	at = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	if (madvise(at, len, command_number(c, "memory", 1) == 1 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		fail("madvise");
}

static void peer_close(void)
{
}

static inline void *peer_get(void)
{
	at += 4096;
	return at - 4096;
}

static inline void peer_put(void *page)
{
	(void)page;
}

static inline void peer_get_batch(void **out, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = peer_get();
}

static inline void peer_put_batch(void **in, unsigned n)
{
	(void)in;
	(void)n;
}

static inline void *peer_addr(void *page)
{
	return page;
}

#include "../patterns.h"
