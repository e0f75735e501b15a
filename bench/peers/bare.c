/*
 * bare.c - the limits of two threads: pointers are handed from one to the other, and that is
 * all. Nothing comes back; the first takes them from an array, over and over. With back=1 they
 * come back through a ring of the same kind, as a pool's pages do: one thread there and one here.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "peer.h"

static struct {
	uint64_t n, at; /* n is a power of two */
	void **page;
	char *memory;
	bool back;
	struct spsc ring; /* on which they come back */
} from;

static void peer_init(int argc, char **argv)
{
	(void)argc;
	(void)argv;
}

static void peer_open(const struct command *c)
{
	uint64_t bytes = command_number(c, "bytes", 4096);

	/* as few as are in flight at a time: the pages stay in the caches */
	from.n = 2 * SPSC_SLOTS;
	from.at = 0;
	from.page = malloc(from.n * sizeof *from.page);
	from.memory = malloc(from.n * bytes);
	for (uint64_t i = 0; i < from.n; i++)
		from.page[i] = from.memory + i * bytes;
	memset(&from.ring, 0, sizeof from.ring);
	from.back = command_number(c, "back", 0);
	if (from.back)
		spsc_push(&from.ring, from.page, SPSC_SLOTS);
}

static void peer_close(void)
{
	free(from.page);
	free(from.memory);
}

static inline void come_back(void **out, unsigned n)
{
	for (unsigned got = 0; got < n;) {
		unsigned k = spsc_pop(&from.ring, out + got, n - got);

		if (!k)
			pause_cpu();
		got += k;
	}
}

static inline void *peer_get(void)
{
	void *page;

	if (from.back) {
		come_back(&page, 1);
		return page;
	}
	return from.page[from.at++ & (from.n - 1)];
}

static inline void peer_put(void *page)
{
	if (from.back)
		spsc_push(&from.ring, &page, 1);
	else
		keep(page);
}

static inline void peer_get_batch(void **out, unsigned n)
{
	if (from.back) {
		come_back(out, n);
		return;
	}
	memcpy(out, from.page + (from.at & (from.n - 1)), n * sizeof *out);
	from.at += n;
}

static inline void peer_put_batch(void **in, unsigned n)
{
	if (from.back)
		spsc_push(&from.ring, in, n);
	else
		keep_memory(in);
}

static inline void *peer_addr(void *page)
{
	return page;
}

#include "../patterns.h"
