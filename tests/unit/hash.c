/*
 * hash.c - tests of the hash table (src/env/hash.h): every member is found, whatever else comes and
 * goes; no call looks at more than a few members, however many there are; without memory it
 * continues to work; nothing is left.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/hash.h"

#include "unit.h"

#define MANY 100000u

static struct member {
	struct hash_node node;
	uint64_t key;
	bool in;
} member[MANY];

static void put_in(struct hashtab *h, unsigned i)
{
	member[i].key = i * 4096ull;
	member[i].in = true;
	hashtab_add(h, &member[i].node, hash_of(member[i].key));
}

static void take_out(struct hashtab *h, unsigned i)
{
	member[i].in = false;
	hashtab_del(h, &member[i].node);
}

/* Every member is found, and no other. */
static bool is_right(const struct hashtab *h, unsigned n)
{
	bool ok = true;

	for (unsigned i = 0; i < n; i++)
		ok &= (hashtab_find(h, hash_of(i * 4096ull)) == &member[i].node) == member[i].in;
	return ok;
}

static unsigned walk(const struct hashtab *h)
{
	unsigned n = 0;

	hashtab_for_each(node, h)
		n++;
	return n;
}

static unsigned longest(const struct hashtab *h)
{
	const struct hash_node *last = NULL;
	unsigned n = 0, most = 0;

	hashtab_for_each(node, h) {
		n = last && last->next == node ? n + 1 : 1;
		most = n > most ? n : most;
		last = node;
	}
	return most;
}

static void members_come_and_go(void)
{
	struct hashtab h = { 0 };
	uint64_t seed = 1;
	unsigned in = 0;
	bool ok = true;

	require(!hashtab_start(&h), "a table");
	check(!hashtab_first(&h) && !hashtab_find(&h, hash_of(0)), "is empty");
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = (unsigned)unit_below(&seed, 3000);

		in += member[i].in ? -1u : 1;
		if (member[i].in)
			take_out(&h, i);
		else
			put_in(&h, i);
		if (round % 500 == 0)
			ok &= is_right(&h, 3000) && walk(&h) == in && h.n == in;
	}
	check(ok, "what is in it is found, and nothing else");
	for (unsigned i = 0; i < 3000; i++)
		if (member[i].in)
			take_out(&h, i);
	check(!h.n && h.n_buckets == HASH_SEGMENT, "empty, it is as small as it was");
	hashtab_end(&h);
}

/* By a bucket for each that is added, and back by a few: never by more. */
static void it_grows_and_shrinks_in_pieces(void)
{
	uint64_t before, most = 0, least = 0;
	struct hashtab h = { 0 };

	require(!hashtab_start(&h), "a table");
	for (unsigned i = 0; i < MANY; i++) {
		before = h.n_buckets;
		put_in(&h, i);
		most = h.n_buckets - before > most ? h.n_buckets - before : most;
	}
	check_eq(most, 1, "a member more, a bucket more at most");
	check(h.n_buckets >= MANY && longest(&h) <= 16, "%u of %u in a bucket at most", longest(&h),
	      MANY);
	check(is_right(&h, MANY), "all of them are found");
	for (unsigned i = 0; i < MANY; i++) {
		before = h.n_buckets;
		take_out(&h, i);
		least = before - h.n_buckets > least ? before - h.n_buckets : least;
	}
	check(least <= 4, "a member less, %u buckets less at most", (unsigned)least);
	check_eq(h.n_buckets, HASH_SEGMENT, "empty, it is as small as it was");
	hashtab_end(&h);
}

static bool never(void *ctx, const char *what)
{
	(void)ctx;
	(void)what;
	return true;
}

static void without_memory_it_works_on(void)
{
	struct hashtab h = { 0 };

	env_fault_set(never, NULL);
	check_eq(hashtab_start(&h), -ENOMEM, "no memory for a table");
	env_fault_set(NULL, NULL);
	require(!hashtab_start(&h), "a table");
	env_fault_set(never, NULL);
	for (unsigned i = 0; i < 3000; i++)
		put_in(&h, i);
	check(is_right(&h, 3000) && h.n_buckets == HASH_SEGMENT, "without memory it doesn't grow");
	env_fault_set(NULL, NULL);
	for (unsigned i = 3000; i < 9000; i++)
		put_in(&h, i);
	check(is_right(&h, 9000) && h.n_buckets > 3000, "with memory it goes on");
	for (unsigned i = 0; i < 9000; i++)
		take_out(&h, i);
	hashtab_end(&h);
}

int main(void)
{
	run(members_come_and_go);
	run(it_grows_and_shrinks_in_pieces);
	run(without_memory_it_works_on);
	return tap_end();
}
