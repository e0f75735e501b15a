/*
 * iova.c - tests of the arena of IOVA space (src/iommu/iova.h): where blocks lie; that they never
 * overlap, that freed ones merge again, that a reserved window isn't handed out until it is
 * released, that a failure changes nothing; and what calls cost, in steps.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/iova.h"

#include <pthread.h>

#include "unit.h"

#define PAGE ((uint64_t)PP_BASE_PAGE)

static uint64_t block_size(const struct iova *b)
{
	return 1ull << b->order;
}

/* True if every octave below 2^bits can be had as one block: nothing is split. */
static bool whole_below(unsigned bits)
{
	struct iova *b[IOVA_MAX_BITS] = { NULL };
	bool ok = true;

	for (unsigned k = bits; k-- > IOVA_MIN_ORDER;)
		ok = !iova_get(&b[k], 1ull << k, bits) && b[k]->addr == 1ull << k && ok;
	for (unsigned k = IOVA_MIN_ORDER; k < bits; k++)
		iova_put(b[k]);
	return ok;
}

static void blocks_are_powers_of_two_and_aligned(void)
{
	static const struct {
		uint64_t len;
		unsigned order;
	} cases[] = {
		{ 1, 12 },          { 4096, 12 },    { 4097, 13 },          { 8192, 13 },
		{ 12288, 14 },      { 2 << 20, 21 }, { (2 << 20) + 1, 22 }, { 1ull << 40, 40 },
		{ 1ull << 47, 47 },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct iova *b;

		check_eq(iova_order(cases[i].len), cases[i].order, "order of %llu",
			 (unsigned long long)cases[i].len);
		require(!iova_get(&b, cases[i].len, 48), "a block for %llu bytes",
			(unsigned long long)cases[i].len);
		check(b->order == cases[i].order && !(b->addr & (block_size(b) - 1)),
		      "it has that order and lies at a multiple of its size");
		check_eq(iova_in_use(), block_size(b), "it is counted");
		iova_put(b);
	}
	check_eq(iova_in_use(), 0, "all is back");
	check(whole_below(48), "and whole");
}

static void every_mask_is_kept_and_its_highest_octave_used(void)
{
	for (unsigned bits = 32; bits <= 48; bits++) {
		struct iova *b;

		require(!iova_get(&b, 3 * PAGE, bits), "a block within %u bits", bits);
		check_eq((b->addr + block_size(b) - 1) >> (bits - 1), 1,
			 "it lies in the highest octave of %u bits", bits);
		iova_put(b);
	}
}

static void wider_masks_end_at_the_arena(void)
{
	struct iova *b;

	require(!iova_get(&b, PAGE, 64), "a block within 64 bits");
	check_eq(b->addr >> 47, 1, "it lies below 2^48");
	iova_put(b);
	check_eq(iova_get(&b, (1ull << 47) + 1, 64), -ENOSPC, "nothing is as large as this");
	check(!b, "and none is given");
	check_eq(iova_get(&b, UINT64_MAX, 64), -ENOSPC, "nor as large as that");
}

static void a_full_octave_leads_to_the_next_lower(void)
{
	struct iova *high, *low;

	require(!iova_get(&high, 1ull << 31, 32), "the whole octave of 2^31");
	require(!iova_get(&low, PAGE, 32), "and a page still");
	check_eq(low->addr >> 30, 1, "from the octave of 2^30");
	iova_put(low);
	iova_put(high);
	check(whole_below(48), "both come back whole");
}

static void an_exhausted_mask_gives_enospc(void)
{
	struct iova *b[IOVA_MAX_BITS] = { NULL }, *more;
	uint64_t before;

	for (unsigned k = 32; k-- > IOVA_MIN_ORDER;)
		require(!iova_get(&b[k], 1ull << k, 32), "octave 2^%u is taken", k);
	before = iova_in_use();
	check_eq(before, (1ull << 32) - PAGE, "32 bits hold all but the first page");
	check_eq(iova_get(&more, PAGE, 32), -ENOSPC, "nothing is left");
	check(!more, "and nothing given");
	check_eq(iova_in_use(), before, "the count is as before");
	check_eq(iova_get(&more, PAGE, 33), 0, "33 bits have room");
	iova_put(more);
	iova_put(b[IOVA_MIN_ORDER]);
	check_eq(iova_get(&b[IOVA_MIN_ORDER], PAGE, 32), 0, "what is put can be had again");
	check_eq(b[IOVA_MIN_ORDER]->addr, PAGE, "the lowest page it is");
	for (unsigned k = IOVA_MIN_ORDER; k < 32; k++)
		iova_put(b[k]);
	check_eq(iova_in_use(), 0, "all is back");
	check(whole_below(48), "and whole");
}

static void page_zero_is_never_given(void)
{
	struct iova *b;

	check_eq(iova_get(&b, PAGE, 12), -ENOSPC, "12 bits hold nothing");
	check_eq(iova_get(&b, PAGE, 0), -ENOSPC, "nor do 0");
	require(!iova_get(&b, PAGE, 13), "13 bits hold a page");
	check_eq(b->addr, PAGE, "the second");
	iova_put(b);
	iova_put(NULL);
	check_eq(iova_in_use(), 0, "putting none is nothing");
}

/* ---- against a naive model: a map of the pages below 2^18 ------------------------ */

#define SMALL_BITS 18
#define SMALL_PAGES (1u << (SMALL_BITS - IOVA_MIN_ORDER))

static bool run_is_free(const bool *used, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (used[first + i])
			return false;
	return true;
}

/* The highest octave with an aligned free run of n pages, as a page number; 0: none. */
static unsigned best_octave(const bool *used, unsigned n, unsigned bits)
{
	for (unsigned octave = 1u << (bits - 1 - IOVA_MIN_ORDER); octave >= n; octave /= 2)
		for (unsigned first = octave; first < 2 * octave; first += n)
			if (run_is_free(used, first, n))
				return octave;
	return 0;
}

static void mark(bool *used, const struct iova *b, bool on)
{
	for (unsigned i = 0; i < block_size(b) / PAGE; i++)
		used[b->addr / PAGE + i] = on;
}

/* True if what the arena does is what the model says; *out is the block or NULL. */
static bool get_as_model(bool *used, struct iova **out, unsigned n, unsigned bits)
{
	unsigned octave = best_octave(used, n, bits), first;
	int ret = iova_get(out, n * PAGE, bits);

	if (ret)
		return ret == -ENOSPC && !octave && !*out;
	first = (unsigned)((*out)->addr / PAGE);
	if (block_size(*out) != n * PAGE || first % n || first < octave || first >= 2 * octave ||
	    !run_is_free(used, first, n))
		return false;
	mark(used, *out, true);
	return true;
}

static void a_small_arena_does_what_a_map_of_pages_says(void)
{
	bool used[SMALL_PAGES] = { true }, ok = true;
	struct iova *live[SMALL_PAGES];
	uint64_t seed = 42, pages = 0;
	unsigned n_live = 0, refused = 0;

	for (unsigned step = 0; step < 20000 && ok; step++) {
		unsigned n = 1u << unit_below(&seed, 5);
		unsigned bits = 13 + (unsigned)unit_below(&seed, SMALL_BITS - 12);

		if (n_live && unit_below(&seed, 9) < 4) {
			unsigned i = (unsigned)unit_below(&seed, n_live);

			mark(used, live[i], false);
			pages -= block_size(live[i]) / PAGE;
			iova_put(live[i]);
			live[i] = live[--n_live];
		} else {
			ok = get_as_model(used, &live[n_live], n, bits);
			if (ok && live[n_live])
				pages += block_size(live[n_live++]) / PAGE;
			else
				refused++;
		}
		ok = ok && iova_in_use() == pages * PAGE;
	}
	check(ok, "20000 steps: every block and every refusal is the model's");
	check(refused > 100, "refusals were among them");
	while (n_live)
		iova_put(live[--n_live]);
	check_eq(iova_in_use(), 0, "all is back");
	check(whole_below(48), "and whole");
}

/* ---- wide, with all masks and sizes: no overlap ---------------------------------- */

#define WIDE 400

static bool overlaps_none(struct iova *const *live, unsigned n, const struct iova *b)
{
	for (unsigned i = 0; i < n; i++)
		if (live[i]->addr < b->addr + block_size(b) &&
		    b->addr < live[i]->addr + block_size(live[i]))
			return false;
	return true;
}

static void random_blocks_never_overlap(void)
{
	struct iova *live[WIDE];
	uint64_t seed = 7, sum = 0;
	unsigned n = 0;
	bool ok = true;

	for (unsigned step = 0; step < 30000 && ok; step++) {
		if (n == WIDE || (n && unit_below(&seed, 2))) {
			unsigned i = (unsigned)unit_below(&seed, n);

			sum -= block_size(live[i]);
			iova_put(live[i]);
			live[i] = live[--n];
		} else {
			unsigned bits = 32 + (unsigned)unit_below(&seed, 17);
			uint64_t len = 1 + unit_below(&seed, 1ull << (12 + unit_below(&seed, 15)));
			struct iova *b;

			ok = !iova_get(&b, len, bits) && block_size(b) >= len && b->addr >= PAGE &&
			     !(b->addr & (block_size(b) - 1)) &&
			     !((b->addr + block_size(b) - 1) >> bits) && overlaps_none(live, n, b);
			sum += ok ? block_size(b) : 0;
			if (ok)
				live[n++] = b;
		}
		ok = ok && iova_in_use() == sum;
	}
	check(ok, "30000 steps: aligned, within the mask, apart, and counted");
	while (n)
		iova_put(live[--n]);
	check_eq(iova_in_use(), 0, "all is back");
	check(whole_below(48), "and whole");
}

/* ---- failures -------------------------------------------------------------------- */

/* Fail each allocation of a get; the block it would have been cut from must stay whole. */
static unsigned fail_each(uint64_t len, unsigned bits, uint64_t whole, pp_iova_t at)
{
	uint64_t before = iova_in_use();
	struct fail f;
	unsigned n;

	for (n = 0;; n++) {
		struct iova *b, *again;
		bool failed;
		int ret;

		fail_begin(&f, "alloc", n);
		ret = iova_get(&b, len, bits);
		failed = fail_end(&f);
		if (!failed) {
			check_eq(ret, 0, "with nothing more to fail it works");
			iova_put(b);
			return n;
		}
		if (ret != -ENOMEM || b || iova_in_use() != before ||
		    iova_get(&again, whole, bits) || again->addr != at) {
			check(false, "failure %u of a get of %llu bytes changes nothing", n,
			      (unsigned long long)len);
			return n;
		}
		iova_put(again);
	}
}

static void a_failed_allocation_changes_nothing(void)
{
	struct iova *page, *b;

	check_eq(fail_each(PAGE, 48, 1ull << 47, 1ull << 47), 35, "each of 35 splits failed");
	require(!iova_get(&page, PAGE, 48), "a page is held");
	check_eq(page->addr, 1ull << 47, "it is the first of its octave");
	/* only blocks of one size each are left: the one of 1 MiB is cut for half a MiB more */
	require(!iova_get(&b, 512 << 10, 48), "512 KiB are held");
	check_eq(fail_each(PAGE * 2, 48, PAGE * 2, (1ull << 47) + PAGE * 2), 0,
		 "a block that fits needs no memory");
	check_eq(fail_each(512 << 10, 48, 1 << 20, (1ull << 47) + (1 << 20)), 1,
		 "one that is cut from 1 MiB needs one record");
	check_eq(fail_each(PAGE, 47, 1ull << 46, 1ull << 46), 34, "each of 34 splits failed");
	iova_put(b);
	iova_put(page);
	check_eq(iova_in_use(), 0, "all is back");
	check(whole_below(48), "and whole");
}

static void no_iova_is_enospc(void)
{
	struct fail f;
	struct iova *b;
	int ret;

	fail_begin(&f, "iova", 0);
	ret = iova_get(&b, PAGE, 48);
	check(fail_end(&f) && ret == -ENOSPC && !b, "made to fail, it is -ENOSPC");
	check_eq(iova_in_use(), 0, "and nothing is in use");
}

/* ---- what it costs: by counts ---------------------------------------------------- */

/* A block that must be had; what is checked is something else. */
static struct iova *take(uint64_t len, unsigned bits)
{
	struct iova *b;

	if (iova_get(&b, len, bits))
		abort();
	return b;
}

static struct iova_counts counts(void)
{
	struct iova_counts c;

	iova_counts(&c);
	return c;
}

/* Take and give back one page n times. Returns the steps, splits and joins of it. */
static uint64_t in_turn(unsigned n, unsigned bits)
{
	struct iova_counts before = counts(), after;

	for (unsigned i = 0; i < n; i++)
		iova_put(take(PAGE, bits));
	after = counts();
	return after.steps - before.steps + after.splits - before.splits + after.joins -
	       before.joins;
}

static void a_lone_page_in_turn_costs_no_more_than_one_beside_another(void)
{
	uint64_t alone, beside;
	struct iova *b;
	struct fail f;

	iova_use();
	in_turn(1, 48);
	alone = in_turn(1000, 48);
	fail_begin(&f, "alloc", 0);
	in_turn(1000, 48);
	check(!fail_end(&f), "no memory is asked for");
	require(!iova_get(&b, PAGE, 48), "another is held");
	in_turn(1, 48);
	beside = in_turn(1000, 48);
	check(alone <= beside, "alone %llu steps, beside another %llu", (unsigned long long)alone,
	      (unsigned long long)beside);
	iova_put(b);
	for (unsigned bits = 32; bits < 48; bits += 4) {
		in_turn(1, bits);
		check(in_turn(1000, bits) <= beside, "within %u bits alike", bits);
	}
	iova_unuse();
	check_eq(iova_in_use(), 0, "all is back");
	check(whole_below(48), "and whole, with the last user");
}

/*
 * Several blocks of several orders in turn: a burst of a driver. Cut and joined a little, not all.
 */
static void a_burst_in_turn_is_not_cut_anew(void)
{
	struct iova_counts before;
	struct iova *b[64], *held;

	iova_use();
	require(!iova_get(&held, PAGE, 48), "something is held");
	before = counts();
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 64; i++)
			b[i] = take(PAGE << i % 3, 48);
		for (unsigned i = 0; i < 64; i++)
			iova_put(b[i]);
	}
	check(counts().splits - before.splits < 100 * 64, "%llu splits for %u blocks",
	      (unsigned long long)(counts().splits - before.splits), 100 * 64);
	iova_put(held);
	iova_unuse();
	check(whole_below(48), "all is back and whole");
}

static struct iova *many[1 << 20];

/* n pages, every other one given back; then one is taken and one given back, in turn. */
static uint64_t steps_among(unsigned n)
{
	struct iova_counts before, after;
	const unsigned turns = 1000;

	for (unsigned i = 0; i < n; i++)
		many[i] = take(PAGE, 48);
	for (unsigned i = 0; i < n; i += 2)
		iova_put(many[i]);
	before = counts();
	for (unsigned i = 0; i < turns; i++) {
		unsigned at = (i * 2 + 1) % n;
		struct iova *b = take(PAGE, 48);

		iova_put(many[at]);
		many[at] = b;
	}
	after = counts();
	for (unsigned i = 1; i < n; i += 2)
		iova_put(many[i]);
	check_eq(iova_in_use(), 0, "all is back");
	return (after.steps - before.steps + after.splits - before.splits) / turns;
}

static void a_call_costs_the_same_among_few_and_many(void)
{
	uint64_t few, lots;

	iova_use();
	few = steps_among(100);
	lots = steps_among(1 << 20);
	check(lots <= few + 1, "%llu steps among 100 pages, %llu among a million",
	      (unsigned long long)few, (unsigned long long)lots);
	iova_unuse();
	check(whole_below(48), "and whole");
}

/* ---- large ranges in a small space ----------------------------------------------- */

#define GIB (1ull << 30)

static void a_small_block_leaves_room_for_a_large_range(void)
{
	static const struct {
		uint64_t len;
		unsigned bits;
	} cases[] = {
		{ GIB + PAGE, 32 },     { 2 * GIB, 32 },     { 2 * GIB + PAGE, 32 },
		{ 3 * GIB, 32 },        { 5 * GIB / 2, 32 }, { 4 * GIB - PAGE, 33 },
		{ 4 * GIB + PAGE, 33 }, { 6 * GIB, 33 },     { 40 * GIB, 36 },
		{ 600 * GIB, 40 },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct iova *ring, *b;

		require(!iova_get(&ring, PAGE, cases[i].bits), "a page is held");
		check_eq(iova_get(&b, cases[i].len, cases[i].bits), 0, "%llu MiB within %u bits",
			 (unsigned long long)(cases[i].len >> 20), cases[i].bits);
		if (!b)
			continue;
		check(b->len >= cases[i].len && b->len < cases[i].len + cases[i].len / 3 &&
			      !((b->addr + b->len - 1) >> cases[i].bits) && b->addr >= PAGE,
		      "that many, not many more, and within");
		check(b->addr + b->len <= ring->addr || ring->addr + PAGE <= b->addr, "beside it");
		check_eq(iova_in_use(), b->len + PAGE, "it is counted");
		iova_put(b);
		iova_put(ring);
		check_eq(iova_in_use(), 0, "all is back");
	}
	check(whole_below(48), "and whole");
}

static void large_ranges_lie_side_by_side(void)
{
	struct iova *b[4] = { NULL };

	for (unsigned i = 0; i < 3; i++)
		require(!iova_get(&b[i], GIB + PAGE, 32), "1 GiB and a page, %u", i);
	check_eq(iova_get(&b[3], GIB + PAGE, 32), -ENOSPC, "a fourth is too much");
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = 0; j < i; j++)
			check(b[i]->addr + b[i]->len <= b[j]->addr ||
				      b[j]->addr + b[j]->len <= b[i]->addr,
			      "%u and %u are apart", i, j);
	iova_put(b[1]);
	check_eq(iova_get(&b[1], GIB + PAGE, 32), 0, "what one leaves another can have");
	for (unsigned i = 0; i < 3; i++)
		iova_put(b[i]);
	check_eq(iova_get(&b[0], 8 * GIB, 32), -ENOSPC, "more than there is");
	check_eq(iova_get(&b[0], 3 * GIB, 20), -ENOSPC, "much more");
	check_eq(iova_get(&b[0], 4 * GIB, 32), -ENOSPC, "all of it: page 0 is nobody's");
	check(whole_below(48), "all is whole");
}

static void a_large_range_that_fails_changes_nothing(void)
{
	struct iova *b;
	struct fail f;
	unsigned n;

	for (n = 0;; n++) {
		int ret;

		fail_begin(&f, "alloc", n);
		ret = iova_get(&b, 5 * GIB / 4, 32);
		if (!fail_end(&f)) {
			check_eq(ret, 0, "with nothing more to fail it works");
			break;
		}
		check(ret == -ENOMEM && !b && !iova_in_use(), "allocation %u fails", n);
		check(whole_below(48), "all is whole");
	}
	check_eq(n, 3, "1 GiB and a quarter above it are cut out by three splits");
	check(b->len == 5 * GIB / 4 && b->addr == 4 * GIB - b->len, "from the top");
	iova_put(b);
	check(whole_below(48), "all is whole");
}

/* What is kept for others of its order is free for all that. */
static void kept_blocks_are_in_nobodys_way(void)
{
	struct iova *b[3];

	iova_use();
	for (unsigned i = 0; i < 3; i++)
		b[i] = take(GIB, 32);
	for (unsigned i = 0; i < 3; i++)
		iova_put(b[i]);
	check_eq(iova_get(&b[0], 3 * GIB, 32), 0, "a range over three that were just given back");
	iova_put(b[0]);
	for (unsigned i = 0; i < 3; i++)
		b[i] = take(PAGE, 13 + i);
	for (unsigned i = 0; i < 3; i++)
		iova_put(b[i]);
	check_eq(iova_get(&b[0], 4 * PAGE, 15), 0, "a block of which a page was");
	iova_put(b[0]);
	iova_unuse();
	check(whole_below(48), "all is whole");
}

static void octaves_can_be_left_out(void)
{
	struct iova *b[2];

	check_eq(iova_get_in(&b[0], PAGE, 0), -ENOSPC, "there is nothing in none");
	check_eq(iova_get_in(&b[0], PAGE, 1ull << 48), -ENOSPC, "nor beyond the end");
	require(!iova_get_in(&b[0], PAGE, 1ull << 30 | 1ull << 40), "a page in one of two");
	check_eq(b[0]->addr >> 40, 1, "in the higher one");
	require(!iova_get_in(&b[1], GIB, 1ull << 30 | 1ull << 29), "1 GiB");
	check_eq(b[1]->addr, GIB, "is an octave");
	iova_put(b[1]);
	require(!iova_get_in(&b[1], 5 * GIB / 4, 1ull << 30 | 1ull << 31),
		"a range over two octaves");
	check(b[1]->addr >= GIB, "lies in both");
	iova_put(b[1]);
	check_eq(iova_get_in(&b[1], 5 * GIB / 4, 1ull << 30 | 1ull << 28), -ENOSPC,
		 "not over one between them that isn't");
	iova_put(b[0]);
	check(whole_below(48), "all is whole");
}

/* ---- windows --------------------------------------------------------------------- */

static bool in_window(const struct iova *b, pp_iova_t first, pp_iova_t last)
{
	return b->addr <= last && first <= b->addr + block_size(b) - 1;
}

/* Take all blocks of a size within a mask; returns how many, SIZE_MAX: one was inside. */
static size_t take_all(size_t len, unsigned bits, pp_iova_t first, pp_iova_t last)
{
	static struct iova *b[8192];
	bool inside = false;
	size_t n = 0;

	while (n < sizeof b / sizeof b[0] && !iova_get(&b[n], len, bits))
		inside = in_window(b[n++], first, last) || inside;
	for (size_t i = 0; i < n; i++)
		iova_put(b[i]);
	return inside ? SIZE_MAX : n;
}

static void a_reserved_window_never_comes(void)
{
	/* x86's interrupt window: 1 MiB */
	const pp_iova_t first = 0xfee00000, last = 0xfeefffff;

	check_eq(take_all(1 << 20, 32, 0, 0), 4095, "4095 blocks of 1 MiB are below 2^32");
	require(!iova_reserve(first, last), "one of them is reserved");
	check_eq(iova_in_use(), 0, "that is no use of it");
	for (unsigned i = 0; i < 3; i++)
		check_eq(take_all(1 << 20, 32, first, last), 4094, "the others come, time %u", i);
	check_eq(iova_reserve(first, last), 0, "reserving it twice is no failure");
	check_eq(take_all(1 << 20, 32, first, last), 4094, "and takes nothing more");
	iova_release(first, last);
	check_eq(take_all(1 << 20, 32, first, last), 4094, "released once, it is out of use still");
	iova_release(first, last);
	check_eq(take_all(1 << 20, 32, 0, 0), 4095, "released twice, it comes again");
	iova_release(first, last);
	check(whole_below(48), "a third time is nothing; all is whole");
}

static void a_window_takes_whole_pages(void)
{
	const pp_iova_t first = 0x5800, last = 0x7000; /* of pages 5, 6 and 7 */

	check_eq(take_all(PAGE, 16, 0, 0), 15, "15 pages are below 2^16");
	require(!iova_reserve(first, last), "of three of them a part is reserved");
	check_eq(take_all(PAGE, 16, first, last), 12, "the other 12 come");
	check_eq(take_all(PAGE, 16, first, last), 12, "and again");
	iova_release(first, last);
	check(whole_below(48), "all is whole");
}

static void a_failed_reservation_changes_nothing(void)
{
	const pp_iova_t first = 0x9000, last = 0xafff;
	size_t before = take_all(PAGE, 16, 0, 0);
	struct fail f;

	/* the window's record, three splits for the first page, a fourth for the second */
	for (unsigned n = 0; n < 5; n++) {
		int ret;

		fail_begin(&f, "alloc", n);
		ret = iova_reserve(first, last);
		check(fail_end(&f) && ret == -ENOMEM, "allocation %u fails", n);
		check_eq(take_all(PAGE, 16, 0, 0), before, "and changes nothing");
		check(whole_below(48), "all is whole");
	}
	check_eq(iova_reserve(first, last), 0, "then it works");
	check_eq(take_all(PAGE, 16, first, last), before - 2, "the others come");
	iova_release(first, last);
}

static void a_window_may_go_past_both_ends(void)
{
	struct iova *b;

	require(!iova_reserve(0, 0x1fff), "the first two pages");
	check_eq(take_all(PAGE, 16, 0, 0x1fff), 14, "one more is gone: page 0 never was there");
	require(!iova_reserve(0xc00000000000, UINT64_MAX), "the upper half of the last octave");
	check_eq(iova_get(&b, 1ull << 47, 48), -ENOSPC, "it is whole no more");
	require(!iova_get(&b, 1ull << 46, 48), "half of it is left");
	check_eq(b->addr, 1ull << 47, "the lower one");
	iova_put(b);
	check_eq(iova_reserve(0, 0xfff), 0, "page 0 alone is no window");
	check_eq(iova_reserve(1ull << 48, UINT64_MAX), 0, "nor what is beyond the end");
	iova_release(0, 0xfff);
	iova_release(1ull << 48, UINT64_MAX);
	iova_release(0, 0x1fff);
	iova_release(0xc00000000000, UINT64_MAX);
	check(whole_below(48), "all is whole");
}

static void what_was_in_use_in_a_window_is_not_given_out_again(void)
{
	for (unsigned users = 0; users < 2; users++) {
		struct iova *page, *large;
		pp_iova_t at, in;

		if (users)
			iova_use();
		require(!iova_get(&large, 1 << 20, 24), "1 MiB is in use");
		require(!iova_get(&page, PAGE, 24), "and a page");
		at = page->addr;
		in = large->addr + (1 << 19);
		require(!iova_reserve(in, in + PAGE - 1), "a page of the 1 MiB is reserved");
		require(!iova_reserve(at, at + PAGE - 1), "and the other page");
		check_eq(iova_in_use(), (1 << 20) + PAGE, "what is in use stays so");
		iova_put(page);
		check_eq(take_all(PAGE, 24, at, at + PAGE - 1), 4095 - 256 - 1,
			 "given back, the page doesn't come again");
		iova_put(large);
		check_eq(take_all(PAGE, 24, in, in + PAGE - 1), 4095 - 2,
			 "of the 1 MiB all but the page does");
		iova_release(at, at + PAGE - 1);
		check_eq(take_all(PAGE, 24, in, in + PAGE - 1), 4095 - 1, "released, it comes");
		iova_release(in, in + PAGE - 1);
		if (users)
			iova_unuse();
		check(whole_below(48), "and so does the other: all is whole");
	}
}

static void a_window_that_goes_first_leaves_no_trace(void)
{
	struct iova *b;
	pp_iova_t at;

	require(!iova_get(&b, 1 << 20, 24), "1 MiB is in use");
	at = b->addr;
	require(!iova_reserve(at + PAGE, at + 2 * PAGE - 1), "a page of it is reserved");
	iova_release(at + PAGE, at + 2 * PAGE - 1);
	iova_put(b);
	check(whole_below(48), "released before it is given back, all is whole");
}

static void windows_that_overlap_are_each_kept(void)
{
	const pp_iova_t a = 0x80000, b = 0x88000, c = 0x90000, d = 0x98000;
	const size_t all = take_all(PAGE, 20, 0, 0);

	require(!iova_reserve(a, c - 1) && !iova_reserve(b, d - 1), "two, which overlap");
	check_eq(take_all(PAGE, 20, a, d - 1), all - 24, "24 pages are theirs");
	iova_release(a, c - 1);
	check_eq(take_all(PAGE, 20, b, d - 1), all - 16, "16 are the second's");
	require(!iova_reserve(a, d - 1), "one around it");
	iova_release(b, d - 1);
	check_eq(take_all(PAGE, 20, a, d - 1), all - 24, "is kept whole without it");
	iova_release(a, d - 1);
	check(whole_below(48), "all is whole");
}

/* Cutting a block that is given back needs memory. */
static void without_memory_a_block_with_a_window_stays_away_whole(void)
{
	const size_t all = take_all(PAGE, 20, 0, 0);
	struct iova *b;
	struct fail f;
	pp_iova_t in;

	for (unsigned n = 0; n < 4; n++) { /* four splits lead from 16 pages to one */
		require(!iova_get(&b, 16 * PAGE, 20), "16 pages are in use");
		in = b->addr + 5 * PAGE;
		require(!iova_reserve(in, in + PAGE - 1), "one of them is reserved");
		fail_begin(&f, "alloc", n);
		iova_put(b);
		check(fail_end(&f), "split %u fails as they are given back", n);
		check_eq(iova_in_use(), 0, "they aren't in use");
		check_eq(take_all(PAGE, 20, in, in + PAGE - 1), all - (16 >> n),
			 "%u of them can't be had, among them the one", 16 >> n);
		iova_release(in, in + PAGE - 1);
		check_eq(take_all(PAGE, 20, 0, 0), all, "released, all can");
		check(whole_below(48), "and are whole");
	}
}

/* 12 GiB in use in a window of 64 GiB, and a million pages in another. */
static void a_window_costs_by_its_blocks_and_the_lock_is_held_shortly(void)
{
	const pp_iova_t first = 1ull << 47;
	struct iova_counts before, after;
	struct iova *b[48];
	unsigned n = 0;

	for (; n < 48; n++)
		require(!iova_get_in(&b[n], 256 << 20, 1ull << 35), "256 MiB");
	before = counts();
	require(!iova_reserve(1ull << 35, (1ull << 36) - 1 - PAGE), "32 GiB are reserved");
	after = counts();
	check(after.steps - before.steps < 48 * 16 + 100, "that takes %llu steps",
	      (unsigned long long)(after.steps - before.steps));
	while (n)
		iova_put(b[--n]);
	iova_release(1ull << 35, (1ull << 36) - 1 - PAGE);
	check(whole_below(48), "given back and released, all is whole");

	for (unsigned i = 0; i < 1 << 16; i++)
		many[i] = take(PAGE, 48);
	require(!iova_reserve(first, (1ull << 48) - 2 * PAGE), "most of the octave is reserved");
	after = counts();
	check(after.longest < 64 * 50, "the lock is held for %llu steps at most",
	      (unsigned long long)after.longest);
	for (unsigned i = 0; i < 1 << 16; i++)
		iova_put(many[i]);
	check_eq(iova_in_use(), 0, "all is given back");
	check_eq(iova_get(&b[0], PAGE, 48), 0, "a page");
	check_eq(b[0]->addr, (1ull << 48) - PAGE, "is the one beside the window");
	iova_put(b[0]);
	iova_release(first, (1ull << 48) - 2 * PAGE);
	check(whole_below(48), "released, all is whole");
}

/* ---- windows come and go at random, against the model ----------------------------- */

#define WINDOWS 4

struct model_window {
	pp_iova_t first, last; /* last 0: none */
};

static bool barred(const struct model_window *w, unsigned page)
{
	for (unsigned i = 0; i < WINDOWS; i++)
		if (w[i].last && page >= w[i].first / PAGE && page <= w[i].last / PAGE)
			return true;
	return false;
}

/* True if a get of n pages does what the map says: there is a run that is nobody's, or not. */
static bool get_beside_windows(bool *used, const struct model_window *w, struct iova **out,
			       unsigned n, unsigned bits)
{
	bool taken[SMALL_PAGES];
	unsigned octave;

	for (unsigned i = 0; i < SMALL_PAGES; i++)
		taken[i] = used[i] || barred(w, i);
	octave = best_octave(taken, n, bits);
	if (iova_get(out, n * PAGE, bits))
		return !octave;
	for (unsigned i = 0; i < n; i++)
		if (taken[(*out)->addr / PAGE + i])
			return false;
	mark(used, *out, true);
	return octave;
}

static void change_window(struct model_window *w, uint64_t *seed)
{
	if (w->last) {
		iova_release(w->first, w->last);
		w->last = 0;
		return;
	}
	w->first = (1 + unit_below(seed, SMALL_PAGES - 10)) * PAGE;
	w->last = w->first + (1 + unit_below(seed, 8)) * PAGE - 1;
	if (iova_reserve(w->first, w->last))
		abort();
}

static void windows_come_and_go_as_a_map_of_pages_says(void)
{
	bool used[SMALL_PAGES] = { true }, ok = true;
	struct model_window w[WINDOWS] = { { 0 } };
	struct iova *live[SMALL_PAGES];
	unsigned n = 0, windows = 0;
	uint64_t seed = 4711;

	iova_use();
	for (unsigned step = 0; step < 20000 && ok; step++) {
		if (!unit_below(&seed, 20)) {
			change_window(&w[unit_below(&seed, WINDOWS)], &seed);
			windows++;
		} else if (n && unit_below(&seed, 9) < 4) {
			unsigned i = (unsigned)unit_below(&seed, n);

			mark(used, live[i], false);
			iova_put(live[i]);
			live[i] = live[--n];
		} else {
			ok = get_beside_windows(used, w, &live[n], 1u << unit_below(&seed, 5),
						13 + (unsigned)unit_below(&seed, SMALL_BITS - 12));
			n += ok && live[n];
		}
	}
	check(ok && windows > 100, "20000 steps: no block in a window, and every refusal is right");
	while (n)
		iova_put(live[--n]);
	for (unsigned i = 0; i < WINDOWS; i++)
		if (w[i].last)
			iova_release(w[i].first, w[i].last);
	iova_unuse();
	check_eq(iova_in_use(), 0, "all is back");
	check(whole_below(48), "and whole");
}

/* ---- threads: no block is two threads' --------------------------------------------- */

static unsigned owner[1 << 12]; /* of each page below 2^24, or 0 */

/* Note whose the pages of a block are. Returns how many were not `before`. */
static uintptr_t own(const struct iova *b, unsigned before, unsigned after)
{
	uintptr_t wrong = 0;

	for (uint64_t i = 0; b && i < b->len / PAGE; i++)
		wrong += env_xchg_acq_rel(&owner[b->addr / PAGE + i], after) != before;
	return wrong;
}

static void *take_and_give(void *arg)
{
	unsigned mine = 1 + (unsigned)(uintptr_t)arg;
	uint64_t seed = mine;
	struct iova *b[16] = { NULL };
	uintptr_t wrong = 0;

	for (unsigned step = 0; step < 20000; step++) {
		struct iova **p = &b[unit_below(&seed, 16)];

		wrong += own(*p, mine, 0);
		iova_put(*p);
		iova_get(p, PAGE << unit_below(&seed, 6), 24);
		wrong += own(*p, 0, mine);
	}
	for (unsigned i = 0; i < 16; i++) {
		wrong += own(b[i], mine, 0);
		iova_put(b[i]);
	}
	return (void *)wrong;
}

static void threads_share_the_arena(void)
{
	uintptr_t wrong = 0;
	pthread_t t[3];

	iova_use();
	for (uintptr_t i = 0; i < 3; i++)
		require(!pthread_create(&t[i], NULL, take_and_give, (void *)i), "a thread");
	for (unsigned i = 0; i < 200; i++) {
		pp_iova_t first = (1 + i * 16 % 4000) * PAGE;

		if (!iova_reserve(first, first + 64 * PAGE))
			iova_release(first, first + 64 * PAGE);
	}
	for (unsigned i = 0; i < 3; i++) {
		void *n;

		pthread_join(t[i], &n);
		wrong += (uintptr_t)n;
	}
	check_eq(wrong, 0,
		 "three threads take and give, and windows come and go: no page was two's");
	iova_unuse();
	check_eq(iova_in_use(), 0, "all is back");
	check(whole_below(48), "and whole");
}

int main(void)
{
	run(blocks_are_powers_of_two_and_aligned);
	run(every_mask_is_kept_and_its_highest_octave_used);
	run(wider_masks_end_at_the_arena);
	run(a_full_octave_leads_to_the_next_lower);
	run(an_exhausted_mask_gives_enospc);
	run(page_zero_is_never_given);
	run(a_small_arena_does_what_a_map_of_pages_says);
	run(random_blocks_never_overlap);
	run(a_failed_allocation_changes_nothing);
	run(no_iova_is_enospc);
	run(a_lone_page_in_turn_costs_no_more_than_one_beside_another);
	run(a_burst_in_turn_is_not_cut_anew);
	run(a_call_costs_the_same_among_few_and_many);
	run(a_small_block_leaves_room_for_a_large_range);
	run(large_ranges_lie_side_by_side);
	run(a_large_range_that_fails_changes_nothing);
	run(kept_blocks_are_in_nobodys_way);
	run(octaves_can_be_left_out);
	run(a_reserved_window_never_comes);
	run(a_window_takes_whole_pages);
	run(a_failed_reservation_changes_nothing);
	run(a_window_may_go_past_both_ends);
	run(what_was_in_use_in_a_window_is_not_given_out_again);
	run(a_window_that_goes_first_leaves_no_trace);
	run(windows_that_overlap_are_each_kept);
	run(without_memory_a_block_with_a_window_stays_away_whole);
	run(a_window_costs_by_its_blocks_and_the_lock_is_held_shortly);
	run(windows_come_and_go_as_a_map_of_pages_says);
	run(threads_share_the_arena);
	return tap_end();
}
