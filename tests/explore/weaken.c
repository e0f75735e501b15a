/*
 * weaken.c - the library's acquires and fences, by number, and one of them left out: to see
 * whether that is found out. acquires.sh does so with each.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "world.h"

#include <stdio.h>
#include <string.h>

unsigned weakened;

#define SITES 2048

extern const struct site __start_explore_sites[], __stop_explore_sites[];

static uint32_t number[SITES]; /* of those that may be weakened, from 1 on; else 0 */
static bool noted[SITES];      /* by number */

static bool may_be_weakened(const struct site *s)
{
	return s->order & ACQUIRE && !strstr(s->file, "/scenarios.c");
}

/* An inline function's operation has a site for each place where that is inlined. */
static bool same(const struct site *a, const struct site *b)
{
	return a->line == b->line && !strcmp(a->file, b->file) && !strcmp(a->op, b->op) &&
	       !strcmp(a->what, b->what);
}

void weaken_number(void)
{
	const struct site *first = __start_explore_sites;
	uint32_t n = 0;

	if (__stop_explore_sites - first > SITES)
		fail("the explorer's table of operations is too small");
	for (const struct site *s = first; s < __stop_explore_sites; s++) {
		uint32_t *mine = &number[s - first];

		if (!may_be_weakened(s))
			continue;
		for (const struct site *o = first; o < s && !*mine; o++)
			if (number[o - first] && same(o, s))
				*mine = number[o - first];
		if (!*mine)
			*mine = ++n;
	}
}

void weaken_print(void)
{
	uint32_t n = 0;

	for (const struct site *s = __start_explore_sites; s < __stop_explore_sites; s++) {
		const char *slash = strrchr(s->file, '/');

		if (number[s - __start_explore_sites] == n + 1)
			printf("%u\t%s\t%s(%s)\t%s:%u\n", ++n, s->function, s->op, s->what,
			       slash ? slash + 1 : s->file, s->line);
	}
}

static uint32_t number_of(const struct site *s)
{
	return s < __start_explore_sites || s >= __stop_explore_sites ?
		       0 :
		       number[s - __start_explore_sites];
}

/* What it releases stays; of a fence nothing does. */
enum order order_of(const struct site *s)
{
	return (enum order)(weakened && number_of(s) == weakened ? s->order & RELEASE : s->order);
}

void weaken_note(const struct site *s)
{
	noted[number_of(s)] = true;
}

void weaken_print_noted(void)
{
	printf("# taught by:");
	for (uint32_t n = 1; n < SITES; n++)
		if (noted[n])
			printf(" %u", n);
	printf("\n");
	memset(noted, 0, sizeof noted);
}

bool is_left_out(const struct site *s)
{
	return order_of(s) != s->order;
}
