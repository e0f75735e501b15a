/*
 * watch_print.c - pagepool kernel watch as text.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch_run.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 5    /* of each list */
#define FRAMES 12 /* of each stack */
#define WIDTH 100
#define INDENT 18

static const char *age(uint64_t ns, char buf[16])
{
	if (ns < 1000000)
		snprintf(buf, 16, "%llu us", (unsigned long long)(ns / 1000));
	else if (ns < 1000000000)
		snprintf(buf, 16, "%llu ms", (unsigned long long)(ns / 1000000));
	else
		table_ago(ns, buf);
	return buf;
}

/* "inner < outer < outermost", broken into lines. */
static void print_stack(FILE *out, const struct watch_run *w, int stack)
{
	uint64_t frames[WATCH_FRAMES];
	size_t n = watch_stack(w, stack, frames);
	int column = 0;
	char name[128];

	for (size_t i = 0; i < n && i < FRAMES; i++) {
		int len = (int)strlen(symbols_name(w->symbols, frames[i], name)) + 3;

		if (!i || column + len > WIDTH) {
			fprintf(out, "%s%*s", i ? "\n" : "", INDENT, "");
			column = INDENT;
		}
		fprintf(out, "%s%s", !i ? "" : column > INDENT ? " < " : "< ", name);
		column += len;
	}
	if (n)
		fprintf(out, "\n");
	else
		fprintf(out, "%*s(its stack wasn't kept)\n", INDENT, "");
}

/* "pool 605 of right@b" */
static void print_pool(FILE *out, const struct watch_run *w, uint64_t address)
{
	const struct watched_pool *p = watch_pool_at(w, address);
	struct pool unknown = { .address = address };
	char name[32];

	fprintf(out, "pool %s", kernel_pool_name(p ? &p->now : &unknown, name));
	if (p && *p->now.interface)
		fprintf(out, " of %s", p->now.interface);
}

/* A kind's rows; what they are counted of is a device, or a pool. */
static void print_rows(FILE *out, const struct watch_run *w, enum watch_kind kind,
		       const char *title)
{
	size_t n;
	const struct follow_tally **rows = watch_sorted(w, kind, &n);

	if (n)
		fprintf(out, "\n%s\n    PAGES\n", title);
	for (size_t i = 0; i < n && i < ROWS; i++) {
		const struct watch_tally *t = &rows[i]->is;

		fprintf(out, "%9llu  ", (unsigned long long)t->count);
		if (kind == WATCH_LATE)
			fprintf(out, "device %.*s", WATCH_NAME,
				*t->name ? t->name : "(without a name)");
		else
			print_pool(out, w, rows[i]->key.object);
		fprintf(out, ", the last one while %.*s[%u] ran\n", (int)sizeof t->comm, t->comm,
			t->pid);
		print_stack(out, w, rows[i]->key.stack);
	}
	if (n > ROWS)
		fprintf(out, "           and %zu ways more; --json has all\n", n - ROWS);
	free(rows);
}

#define BAR 40

static void print_ages(FILE *out, const struct watch_run *w, enum watch_kind kind,
		       const char *title)
{
	uint64_t pages[WATCH_AGES] = { 0 }, most = 0;
	int first = -1, last = -1;
	char text[16];

	for (size_t i = 0; i < w->n_tallies; i++)
		if (w->tally[i].key.kind == kind && w->tally[i].key.stack < WATCH_AGES)
			pages[w->tally[i].key.stack] += w->tally[i].is.count;
	for (int i = 0; i < WATCH_AGES; i++) {
		if (!pages[i])
			continue;
		first = first < 0 ? i : first;
		last = i;
		most = pages[i] > most ? pages[i] : most;
	}
	if (first < 0)
		return;
	fprintf(out, "\n%s\n    PAGES\n", title);
	for (int i = first; i <= last; i++)
		fprintf(out, "%9llu  up to %-9s %.*s\n", (unsigned long long)pages[i],
			age((1ull << i) * 1000, text), (int)((pages[i] * BAR + most - 1) / most),
			"########################################");
}

static void print_pools(FILE *out, const struct watch_run *w)
{
	fprintf(out, "\n%-6s %-18s %-12s %-16s %9s %9s %10s\n", "POOL", "INTERFACE", "DRIVER",
		"STATE", "IN FLIGHT", "TAKEN", "GIVEN BACK");
	for (size_t i = 0; i < w->n_pools; i++) {
		const struct watched_pool *p = &w->pool[i];
		char name[32], state[40];

		fprintf(out, "%-6s %-18s %-12s %-16s %9lld %9u %10u%s\n",
			kernel_pool_name(&p->now, name),
			p->now.interface_gone ? "(gone)" :
			*p->now.interface     ? p->now.interface :
						"?",
			*p->now.driver ? p->now.driver : "-",
			watch_has_gone(w, p) ? "gone" : kernel_pool_state(&p->now, state),
			(long long)p->now.in_flight, p->now.taken - p->taken_before,
			p->now.given_back - p->given_back_before, p->made ? "  new" : "");
	}
	if (!w->scan.all_pools)
		fprintf(out,
			"not seen: pools that name no interface, of whose pages none is found in a "
			"socket or pipe,\nand that take none from the system meanwhile "
			"(no CONFIG_KALLSYMS_ALL)\n");
}

static bool same_way(const struct watch_page *a, const struct watch_page *b)
{
	return a->pool == b->pool && a->stack == b->stack && !a->left_ns == !b->left_ns;
}

/*
 * Pages that are in a pool, or have left theirs and are still held: the oldest of each path, with
 * the number of those that took it. The pages are sorted by age.
 */
static void print_oldest(FILE *out, const struct watch_run *w, bool left, const char *title)
{
	unsigned shown = 0;
	char text[16];

	for (size_t i = 0; i < w->n_pages && shown < ROWS; i++) {
		const struct watch_page *p = &w->page[i].is;
		unsigned long long n = 0;
		bool before = false;

		if (!p->left_ns == left)
			continue;
		for (size_t j = 0; j < i && !before; j++)
			before = same_way(&w->page[j].is, p);
		if (before)
			continue;
		for (size_t j = i; j < w->n_pages; j++)
			n += same_way(&w->page[j].is, p);
		if (!shown++)
			fprintf(out, "\n%s\n    PAGES\n", title);
		fprintf(out, "%9llu  ", n);
		print_pool(out, w, p->pool);
		fprintf(out, ", the oldest since %s\n",
			age(w->now_ns - (left ? p->left_ns : p->taken_ns), text));
		print_stack(out, w, p->stack);
	}
}

static void print_losses(FILE *out, const struct watch_run *w)
{
	struct watch_losses lost = follow_losses(w->follow);
	const char *text;

	if (lost.pages + lost.pools + lost.stacks + lost.tallies)
		fprintf(out,
			"\nnot counted, for want of room: %llu pages, %llu pools, %llu ways; %llu stacks "
			"weren't kept; --sample with a larger number helps\n",
			(unsigned long long)lost.pages, (unsigned long long)lost.pools,
			(unsigned long long)lost.tallies, (unsigned long long)lost.stacks);
	for (unsigned i = 0; (text = follow_missing(w->follow, i)); i++)
		fprintf(out, "%s%s\n", i ? "" : "\n", text);
	for (unsigned i = 0; (text = kernel_note(&w->scan, i)); i++)
		fprintf(out, "%s\n", text);
}

void watch_print(FILE *out, const struct watch_run *w)
{
	char text[16];

	fprintf(out,
		"watched for %s; one page in %llu was followed: %llu were taken from the system, %llu left "
		"their pool\n",
		age(w->now_ns - w->begun_ns, text), (unsigned long long)w->every,
		(unsigned long long)follow_taken(w->follow),
		(unsigned long long)follow_left(w->follow));
	print_rows(out, w, WATCH_LATE, "PROBLEM: DMA was unmapped for a device without a driver");
	print_rows(out, w, WATCH_NEGATIVE, "PROBLEM: a pool got back more pages than it gave out");
	print_rows(out, w, WATCH_LOST, "PROBLEM: a page was freed while it was a pool's");
	print_pools(out, w);
	print_rows(out, w, WATCH_LEFT, "Where they left their pool");
	print_ages(out, w, WATCH_AGE, "For how long they had been the pool's");
	print_rows(out, w, WATCH_FREED, "Who let go of them last");
	print_ages(out, w, WATCH_LINGER, "How long after they had left");
	print_oldest(out, w, false, "In a pool still, and who took them from the system");
	print_oldest(out, w, true, "Held still, and where they left their pool");
	print_losses(out, w);
}
