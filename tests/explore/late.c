/*
 * late.c - loads that are late: stores that have reached memory and that a thread has not noticed
 * yet. See explore.h.
 *
 * A thread may load what was there before a store as long as it doesn't *know* of the store. It
 * knows of what it has stored or loaded itself there, and of what those knew whose stores it has
 * acquired: so knowledge goes the ways that happens-before goes, and along the order of a place's
 * stores, as the C11 model has it. Here are one bit for each such store, and who knows of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "world.h"

#include <string.h>

uint8_t known[RACES]; /* by what a place holds: who acquires that knows it */
unsigned late_left;
unsigned late_choice;

int late_at(unsigned t, const void *p)
{
	for (unsigned i = 0; i < world.n_late; i++)
		if (world.late[i].thread == t && world.late[i].p == p)
			return (int)i;
	return -1;
}

/* The bits of all that is late at p. */
static uint8_t all_at(const void *p)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < world.n_late; i++)
		bits |= (unsigned)(world.late[i].p == p) << i;
	return (uint8_t)bits;
}

/* Close the gap that the i-th left. */
static void cut_bit(uint8_t *bits, size_t n, unsigned i)
{
	unsigned low = (1u << i) - 1;

	for (; n--; bits++)
		*bits = (uint8_t)((*bits & low) | (*bits >> 1 & ~low));
}

static void forget(unsigned i)
{
	struct late *l = &world.late[i];
	unsigned behind = (unsigned)--world.n_late - i;

	if (behind)
		l[1].same = 0;
	memmove(l, l + 1, behind * sizeof *l);
	memmove(&clocks.late[i], &clocks.late[i + 1], behind * sizeof clocks.late[i]);
	memset(&l[behind], 0, sizeof *l);
	for (unsigned k = 0; k < world.n_late; k++)
		cut_bit(&world.late[k].known, 1, i);
	cut_bit((uint8_t *)&world.knows, sizeof world.knows, i);
	cut_bit(known, n_races, i);
}

/* What a thread knows of is late no more. */
static void settle(void)
{
	for (unsigned i = (unsigned)world.n_late; i--;)
		if (world.knows.now[world.late[i].thread] >> i & 1)
			forget(i);
}

void late_load(unsigned t, const void *p, uint8_t by, enum order order)
{
	if (!world.n_late)
		return;
	world.knows.now[t] |= all_at(p);
	*(order & ACQUIRE ? &world.knows.now[t] : &world.knows.loaded[t]) |= by;
	settle();
}

bool late_can_load(unsigned t, const void *p, enum order order)
{
	int i = late_at(t, p);

	return i >= 0 && !(order & SEQ_CST_ONLY && world.knows.fences >> i & 1);
}

void late_take(unsigned t, const void *p, enum order order)
{
	unsigned i = (unsigned)late_at(t, p);
	const struct late *l = &world.late[i];
	uint8_t *knows = order & ACQUIRE ? &world.knows.now[t] : &world.knows.loaded[t];
	bool keep = late_choice;

	*knows |= l->known;
	for (unsigned k = 0; k < i;
	     k++) /* what it loads is there since a store that others may miss */
		if (world.late[k].p == p && !l->same)
			world.knows.now[t] |= (uint8_t)(1u << k);
	late_left--;
	late_choice = 0;
	if (!keep || !late_left)
		forget(i);
	settle();
}

void late_store(unsigned t, const void *p, unsigned size, const struct race *r)
{
	for (unsigned u = 0, first = 1; u < n_threads; u++) {
		struct late *l = &world.late[world.n_late];

		if (u == t || !(late_choice >> u & 1))
			continue;
		*l = (struct late){ .p = p, .size = size, .thread = (uint8_t)u };
		memcpy(&l->v, p, size);
		l->known = known[r - race];
		l->same = !first;
		memcpy(clocks.late[world.n_late], r->sync, sizeof r->sync);
		world.n_late++;
		first = 0;
	}
	late_choice = 0;
}

void late_stored(unsigned t, const void *p, unsigned later, bool seq_cst)
{
	uint8_t bits = all_at(p);
	const struct buffer *b = &world.buffer[t];

	if (!bits)
		return;
	world.knows.now[t] |= bits;
	if (seq_cst)
		world.knows.fences |= bits;
	for (unsigned i = later; i < b->n; i++)
		if (b->store[i].release)
			world.knows.stored[t][i] |= bits;
	settle();
}

uint8_t late_released(unsigned t, enum order order)
{
	return order & RELEASE ? world.knows.now[t] : world.knows.fenced[t];
}

void late_fence(unsigned t)
{
	struct knows *k = &world.knows;

	k->now[t] |= k->loaded[t] | k->fences;
	k->fences = k->fenced[t] = k->now[t];
	settle();
}

/* A fence of t, then one of each other thread, in no order among them, then one of t. */
void late_heavy(unsigned t)
{
	struct knows *k = &world.knows;
	uint8_t all;

	k->now[t] |= k->loaded[t] | k->fences;
	all = k->now[t];
	for (unsigned u = 0; u < n_threads; u++) {
		if (u != t)
			k->now[u] |= k->loaded[u] | k->now[t];
		k->fenced[u] = k->now[u];
		all |= k->now[u];
		for (unsigned i = 0; i < world.buffer[u].n; i++) /* those that come after it */
			k->stored[u][i] |= k->now[u];
	}
	k->now[t] = k->fenced[t] = k->fences = all;
	settle();
}

void late_new_store(unsigned t, const void *p, unsigned i, enum order order)
{
	int own;

	world.knows.stored[t][i] = late_released(t, order);
	while ((own = late_at(t, p)) >= 0) /* from now on it loads its own */
		forget((unsigned)own);
}

unsigned late_choices(unsigned t, const void *p)
{
	unsigned mask = 0;

	if (late_left <= world.n_late || world.n_late == LATE)
		return 0;
	for (unsigned u = 0; u < n_threads; u++)
		if (u != t && world.thread[u].op.kind != OP_DONE && loads_at(u, p) &&
		    !stores_at(u, p))
			mask |= 1u << u;
	return mask;
}
