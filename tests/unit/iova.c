/*
 * iova.c - tests of the arena of IOVA space (src/iommu/iova.h): where blocks lie, that
 * they never overlap, that what is given back is whole again, that a window that was
 * reserved never comes, and that a failure changes nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/iova.h"

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
		size_t len;
		unsigned order;
	} cases[] = {
		{ 1, 12 },          { 4096, 12 },    { 4097, 13 },          { 8192, 13 },
		{ 12288, 14 },      { 2 << 20, 21 }, { (2 << 20) + 1, 22 }, { 1ull << 40, 40 },
		{ 1ull << 47, 47 },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct iova *b;

		check_eq(iova_order(cases[i].len), cases[i].order, "order of %zu", cases[i].len);
		require(!iova_get(&b, cases[i].len, 48), "a block for %zu bytes", cases[i].len);
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
	check_eq(iova_get(&b, SIZE_MAX, 64), -ENOSPC, "nor as large as that");
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
			size_t len = 1 + unit_below(&seed, 1ull << (12 + unit_below(&seed, 15)));
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
static unsigned fail_each(size_t len, unsigned bits, size_t whole, pp_iova_t at)
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
			check(false, "failure %u of a get of %zu bytes changes nothing", n, len);
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

/* ---- windows. Last: what is reserved is reserved for good ------------------------ */

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
}

static void a_window_takes_whole_pages(void)
{
	const pp_iova_t first = 0x5800, last = 0x7000; /* of pages 5, 6 and 7 */

	check_eq(take_all(PAGE, 16, 0, 0), 15, "15 pages are below 2^16");
	require(!iova_reserve(first, last), "of three of them a part is reserved");
	check_eq(take_all(PAGE, 16, first, last), 12, "the other 12 come");
	check_eq(take_all(PAGE, 16, first, last), 12, "and again");
}

static void a_failed_reservation_changes_nothing(void)
{
	const pp_iova_t first = 0x9000, last = 0xafff;
	size_t before = take_all(PAGE, 16, 0, 0);
	struct fail f;

	/* three splits for the first page, a fourth for the second */
	for (unsigned n = 0; n < 4; n++) {
		int ret;

		fail_begin(&f, "alloc", n);
		ret = iova_reserve(first, last);
		check(fail_end(&f) && ret == -ENOMEM, "allocation %u fails", n);
		check_eq(take_all(PAGE, 16, 0, 0), before, "and changes nothing");
	}
	check_eq(iova_reserve(first, last), 0, "then it works");
	check_eq(take_all(PAGE, 16, first, last), before - 2, "the others come");
}

static void a_window_may_go_past_both_ends(void)
{
	struct iova *b;

	require(!iova_reserve(0, 0x1fff), "the first two pages");
	check_eq(take_all(PAGE, 16, 0, 0x1fff), 9, "one more is gone: page 0 never was there");
	require(!iova_reserve(0xc00000000000, UINT64_MAX), "the upper half of the last octave");
	check_eq(iova_get(&b, 1ull << 47, 48), -ENOSPC, "it is whole no more");
	require(!iova_get(&b, 1ull << 46, 48), "half of it is left");
	check_eq(b->addr, 1ull << 47, "the lower one");
	iova_put(b);
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
	run(a_reserved_window_never_comes);
	run(a_window_takes_whole_pages);
	run(a_failed_reservation_changes_nothing);
	run(a_window_may_go_past_both_ends);
	return tap_end();
}
