/*
 * slab.c - tests of records of one size (src/env/slab.h): they are apart and zeroed, as many as
 * requested; an empty piece is freed, or one is kept; the allocation of every record may fail.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/slab.h"

#include "unit.h"

#define MANY 2000u

struct record {
	uint64_t word[9];
};

static struct record *record[MANY];

/* How many pieces have room. */
static unsigned with_room(const struct slab *s)
{
	unsigned n = 0;

	list_for_each(pos, &s->room)
		n++;
	return n;
}

static bool is_zero(const struct record *r)
{
	for (unsigned i = 0; i < 9; i++)
		if (r->word[i])
			return false;
	return true;
}

static bool is_filled(const struct record *r, uint64_t value)
{
	for (unsigned i = 0; i < 9; i++)
		if (r->word[i] != value)
			return false;
	return true;
}

static void fill(struct record *r, uint64_t value)
{
	for (unsigned i = 0; i < 9; i++)
		r->word[i] = value;
}

static void records_are_zeroed_and_apart(void)
{
	struct slab s;
	bool ok = true;
	uint64_t seed = 1;

	slab_init(&s, sizeof(struct record));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			if (record[i])
				continue;
			record[i] = slab_alloc(&s);
			ok = record[i] && is_zero(record[i]) && ok;
			fill(record[i], i + 1);
		}
		for (unsigned i = 0; i < MANY; i++)
			ok = is_filled(record[i], i + 1) && ok;
		for (unsigned i = 0; i < MANY; i++)
			if (unit_below(&seed, 3)) {
				slab_free(&s, record[i]);
				record[i] = NULL;
			}
	}
	check(ok, "%u records, some freed and made again", MANY);
	for (unsigned i = 0; i < MANY; i++) {
		if (record[i])
			slab_free(&s, record[i]);
		record[i] = NULL;
	}
	check_eq(with_room(&s), 0, "freed all, no memory is left");
}

static void one_empty_piece_may_stay(void)
{
	struct slab s;
	struct fail f;

	slab_init(&s, sizeof(struct record));
	slab_keep(&s, true);
	for (unsigned i = 0; i < MANY; i++)
		record[i] = slab_alloc(&s);
	for (unsigned i = 0; i < MANY; i++)
		slab_free(&s, record[i]);
	check_eq(with_room(&s), 1, "one piece stays");
	for (unsigned i = 0; i < 3; i++) {
		record[0] = slab_alloc(&s);
		check_eq(with_room(&s), 1, "for the next record");
		slab_free(&s, record[0]);
	}
	fail_begin(&f, "alloc", 0);
	check(!slab_alloc(&s) && fail_end(&f), "which may be the one that can't be had");
	slab_keep(&s, false);
	check_eq(with_room(&s), 0, "until it isn't wanted any more");
	fail_begin(&f, "alloc", 0);
	check(!slab_alloc(&s) && fail_end(&f), "a piece may be what can't be had");
	check_eq(with_room(&s), 0, "nothing is left of that");
}

int main(void)
{
	run(records_are_zeroed_and_apart);
	run(one_empty_piece_may_stay);
	return tap_end();
}
