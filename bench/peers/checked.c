/*
 * checked.c - the floor of a pool with references, an owner and a bound: the array stack with its
 * depth in memory, which asks what such a pool must ask. Is there a page? Is the reference that is
 * given up the last one? Is the caller the owner? Is there room? Not: has the pool been revoked? It
 * can't be, nobody else may put, and it does not grow.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "peer.h"

struct page {
	uint64_t refs;
	char *addr;
} __attribute__((aligned(64)));

static struct stack {
	uint64_t owner, room;
	uint64_t pushed __attribute__((aligned(64))), popped;
	struct page **page;
	struct page *all;
	char *memory;
} stack;

/* A pool is known by its handle: where it lies must be read anew in each call. */
static struct stack *volatile handle = &stack;

static __thread struct {
	uint64_t one, number;
} self = { 1, 7 };

static void peer_init(int argc, char **argv)
{
	(void)argc;
	(void)argv;
}

static void peer_open(const struct command *c)
{
	uint64_t bytes = command_number(c, "bytes", 4096), n = command_number(c, "pages", 0);

	stack.owner = self.number;
	stack.room = stack.pushed = n;
	stack.popped = 0;
	stack.page = malloc(n * sizeof *stack.page);
	stack.all = aligned_alloc(64, n * sizeof *stack.all);
	stack.memory = malloc(n * bytes);
	for (uint64_t i = 0; i < n; i++) {
		stack.all[i] = (struct page){ 1, stack.memory + i * bytes };
		stack.page[i] = &stack.all[i];
	}
}

static void peer_close(void)
{
	free(stack.page);
	free(stack.all);
	free(stack.memory);
}

static inline void *peer_get(void)
{
	struct stack *s = handle;
	uint64_t depth = s->pushed - s->popped;
	struct page *page;

	if (__builtin_expect(!depth, 0))
		fail("an empty stack");
	page = s->page[depth - 1];
	s->popped++;
	keep_memory(page);
	return page;
}

static inline void peer_put(void *p)
{
	struct stack *s = handle;
	uint64_t depth = s->pushed - s->popped;
	struct page *page = p;

	if (__builtin_expect(page->refs != self.one || s->owner != self.number || depth == s->room,
			     0))
		fail("a page that is not the owner's");
	s->page[depth] = page;
	s->pushed++;
	keep_memory(page);
}

static inline void peer_get_batch(void **out, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = peer_get();
}

static inline void peer_put_batch(void **in, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		peer_put(in[i]);
}

static inline void *peer_addr(void *page)
{
	return ((struct page *)page)->addr;
}

#include "../patterns.h"
