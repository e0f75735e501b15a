/*
 * malloc.c - a general allocator: glibc's, jemalloc's or mimalloc's, depending on what it is linked
 * with. Plain malloc of the size, although a pool's pages are aligned: that is the faster call.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifdef WITH_MIMALLOC
#include <mimalloc.h>
#define get mi_malloc
#define put mi_free
#elif defined(WITH_JEMALLOC)
#include <jemalloc/jemalloc.h>
#define get(n) mallocx(n, 0)
#define put(p) sdallocx(p, bytes, 0) /* told the size: its fastest */
#else
#include <malloc.h>
#define get malloc
#define put free
#define WITH_GLIBC
#endif

#include "peer.h"

static size_t bytes;

static void peer_init(int argc, char **argv)
{
	(void)argc;
	(void)argv;
}

static void peer_open(const struct command *c)
{
	bytes = command_number(c, "bytes", 4096);
#ifdef WITH_GLIBC
	mallopt(M_TRIM_THRESHOLD, 1 << 30); /* or it gives memory back with nearly every put */
#endif
}

static void peer_close(void)
{
}

static inline void *peer_get(void)
{
	return get(bytes);
}

static inline void peer_put(void *page)
{
	put(page);
}

static inline void peer_get_batch(void **out, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = get(bytes);
}

static inline void peer_put_batch(void **in, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put(in[i]);
}

static inline void *peer_addr(void *page)
{
	return page;
}

#include "../patterns.h"
