/*
 * array.c - the limit of one thread: a stack of pointers in an array. No check, no growth,
 * no reference, nobody else may put. The compiler may keep its depth in a register for as long
 * as the loop runs. With IN_MEMORY it is kept in memory, as that of any pool must be that is
 * called, and not part of the loop.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "peer.h"

static struct {
	uint64_t n;
	void **page;
	char *memory;
} stack;

static void peer_init(int argc, char **argv)
{
	(void)argc;
	(void)argv;
}

static void peer_open(const struct command *c)
{
	uint64_t bytes = command_number(c, "bytes", 4096);

	stack.n = command_number(c, "pages", 0);
	stack.page = malloc(stack.n * sizeof *stack.page);
	stack.memory = malloc(stack.n * bytes);
	for (uint64_t i = 0; i < stack.n; i++)
		stack.page[i] = stack.memory + i * bytes;
}

static void peer_close(void)
{
	free(stack.page);
	free(stack.memory);
}

#ifdef IN_MEMORY
#define settle(value) keep_memory(value)
#else
#define settle(value) keep(value)
#endif

static inline void *peer_get(void)
{
	void *page = stack.page[--stack.n];

	settle(page);
	return page;
}

static inline void peer_put(void *page)
{
	stack.page[stack.n++] = page;
	settle(page);
}

static inline void peer_get_batch(void **out, unsigned n)
{
	stack.n -= n;
	memcpy(out, stack.page + stack.n, n * sizeof *out);
}

static inline void peer_put_batch(void **in, unsigned n)
{
	memcpy(stack.page + stack.n, in, n * sizeof *in);
	stack.n += n;
}

static inline void *peer_addr(void *page)
{
	return page;
}

#include "../patterns.h"
