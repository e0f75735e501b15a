/*
 * soft_table.c - tests of the software IOMMU's page table (src/iommu/soft/soft.h): which leaves it
 * chooses, what a walk finds, partial unmaps, its size, and that neither a conflict nor a failed
 * allocation leaves a trace. Memory is only named, never touched.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/soft/soft.h"

#include "unit.h"

#define K4 (4ull << 10)
#define M2 (2ull << 20)
#define G1 (1ull << 30)
#define RW (PP_PROT_READ | PP_PROT_WRITE)

static char *memory(uint64_t at)
{
	return (char *)(uintptr_t)at;
}

static bool gone(const struct table *t)
{
	return !t->pages && !t->root;
}

/* The leaf's size at an address; 0: nothing. Checks that it translates to `to`. */
static uint64_t leaf_at(const struct table *t, pp_iova_t iova, uint64_t to)
{
	struct leaf leaf;

	if (!table_walk(t, iova, &leaf))
		return 0;
	if (leaf.iova > iova || iova - leaf.iova >= leaf.size ||
	    leaf.addr + (iova - leaf.iova) != memory(to))
		return 1; /* no leaf is that small: a check of the size fails */
	return leaf.size;
}

/* ---- the leaves ------------------------------------------------------------------ */

static void leaves_fit_alignment_length_and_page_size(void)
{
	static const struct {
		uint64_t iova, addr, len, page_size, leaf, tables;
		const char *why;
	} cases[] = {
		{ G1, 4 * G1, G1, G1, G1, 2, "all allow 1 GiB" },
		{ G1, 4 * G1, G1, M2, M2, 3, "the memory has 2 MiB pages" },
		{ G1, 4 * G1, M2, G1, M2, 3, "the length allows 2 MiB" },
		{ G1 + M2, 4 * G1 + M2, G1 - M2, G1, M2, 3, "the IOVA allows 2 MiB" },
		{ G1, 4 * G1 + M2, G1, G1, M2, 3, "the address allows 2 MiB" },
		{ G1, 4 * G1, M2, K4, K4, 4, "the memory has base pages" },
		{ G1, 4 * G1, M2, 64 << 10, K4, 4, "the memory's pages are no leaf's" },
		{ G1, 4 * G1, M2 - K4, G1, K4, 4, "the length allows 4 KiB" },
		{ G1 + K4, 4 * G1 + K4, M2 - K4, G1, K4, 4, "the IOVA allows 4 KiB" },
		{ G1, 4 * G1 + K4, M2, G1, K4, 4, "the address allows 4 KiB" },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct table t = { 0 };

		require(!table_map(&t, cases[i].iova, memory(cases[i].addr), cases[i].len,
				   cases[i].page_size, RW),
			"mapped: %s", cases[i].why);
		check_eq(leaf_at(&t, cases[i].iova, cases[i].addr), cases[i].leaf,
			 "the first leaf: %s", cases[i].why);
		check_eq(leaf_at(&t, cases[i].iova + cases[i].len - 1,
				 cases[i].addr + cases[i].len - 1),
			 cases[i].leaf, "and the last");
		check_eq(t.pages, cases[i].tables, "in %llu tables",
			 (unsigned long long)cases[i].tables);
		check_eq(table_unmap(&t, cases[i].iova, cases[i].len), cases[i].len,
			 "all is unmapped");
		check(gone(&t), "and no table left");
	}
}

static void one_range_has_leaves_of_all_sizes(void)
{
	const uint64_t iova = 3 * G1 - M2 - K4, addr = 7 * G1 - M2 - K4;
	const uint64_t len = K4 + M2 + G1 + M2 + K4;
	struct table t = { 0 };
	uint64_t at = 0, seen[5];

	require(!table_map(&t, iova, memory(addr), len, G1, RW), "mapped");
	for (unsigned i = 0; i < 5; i++) {
		seen[i] = leaf_at(&t, iova + at, addr + at);
		at += seen[i];
	}
	check(seen[0] == K4 && seen[1] == M2 && seen[2] == G1 && seen[3] == M2 && seen[4] == K4,
	      "4 KiB, 2 MiB, 1 GiB, 2 MiB, 4 KiB");
	check_eq(at, len, "and nothing else");
	check(!leaf_at(&t, iova - 1, 0) && !leaf_at(&t, iova + len, 0), "nothing around it");
	check_eq(table_unmap(&t, iova, len), len, "unmapped");
	check(gone(&t), "no table is left");
}

static void a_walk_finds_nothing_in_nothing(void)
{
	struct table t = { 0 };
	struct leaf leaf;

	check(!table_walk(&t, 0, &leaf), "not at 0");
	check(!table_walk(&t, (1ull << SOFT_BITS) - 1, &leaf), "not at the end");
	check_eq(table_unmap(&t, 0, 1ull << SOFT_BITS), 0, "and unmapping it is 0 bytes");
	check(gone(&t), "without a table");
}

static void both_ends_of_the_space_can_be_mapped(void)
{
	const uint64_t last = (1ull << SOFT_BITS) - K4;
	struct table t = { 0 };

	require(!table_map(&t, 0, memory(G1), K4, K4, RW), "the first page");
	require(!table_map(&t, last, memory(2 * G1), K4, K4, RW), "the last page");
	check_eq(leaf_at(&t, 0, G1), K4, "the first translates");
	check_eq(leaf_at(&t, last + 4095, 2 * G1 + 4095), K4, "the last one too");
	check_eq(t.pages, 7, "they share the root only");
	check_eq(table_unmap(&t, last, K4), K4, "the last goes");
	check_eq(t.pages, 4, "with its tables");
	check_eq(table_unmap(&t, 0, 1ull << SOFT_BITS), K4, "the whole space holds one page more");
	check(gone(&t), "no table is left");
}

/* A leaf has its permissions, whole or split. */
static bool keeps_prot(uint64_t size, unsigned prot)
{
	struct table t = { 0 };
	struct leaf leaf = { .prot = 99 };
	bool ok = !table_map(&t, G1, memory(G1), size, G1, prot) && table_walk(&t, G1, &leaf) &&
		  leaf.prot == prot && leaf.size == size;

	if (size > K4)
		ok = table_unmap(&t, G1, K4) == K4 && table_walk(&t, G1 + K4, &leaf) &&
		     leaf.prot == prot && leaf.size < size && ok;
	table_unmap(&t, G1, size);
	return ok && gone(&t);
}

static void permissions_are_the_leaf_s(void)
{
	for (unsigned prot = 0; prot < 8; prot++)
		check(keeps_prot(K4, prot) && keeps_prot(M2, prot) && keeps_prot(G1, prot),
		      "permissions %u are kept by leaves of every size, split or not", prot);
}

/* ---- conflicts ------------------------------------------------------------------- */

static void a_conflict_leaves_the_table_as_it_was(void)
{
	/* mapped before: 4 KiB at 1 GiB + 6 MiB, 2 MiB at 1 GiB + 8 MiB, 1 GiB at 2 GiB */
	static const struct {
		uint64_t iova, len;
		const char *what;
	} cases[] = {
		{ G1 + 3 * M2, K4, "a page where one is" },
		{ G1 + 3 * M2, M2, "2 MiB where a page is" },
		{ G1, G1, "1 GiB where smaller leaves are" },
		{ G1 + 4 * M2 + K4, K4, "a page in a leaf of 2 MiB" },
		{ 2 * G1 + 5 * M2, K4, "a page in a leaf of 1 GiB" },
		{ 2 * G1 + 5 * M2, M2, "2 MiB in a leaf of 1 GiB" },
		{ 2 * G1, G1, "1 GiB where one is" },
		{ G1 + 3 * M2 - 5 * K4, 6 * K4, "a range whose last page is taken" },
		{ G1 + 2 * M2, M2 + K4, "2 MiB, then a page that is taken" },
		{ G1 + 5 * M2, G1 - 5 * M2 + K4, "much, then a leaf of 1 GiB" },
		{ 2 * G1 - 3 * K4, 3 * K4 + G1, "pages, then 1 GiB where one is" },
	};
	struct table t = { 0 };
	uint64_t tables;

	table_map(&t, G1 + 3 * M2, memory(5 * G1), K4, K4, RW);
	table_map(&t, G1 + 4 * M2, memory(6 * G1), M2, M2, RW);
	table_map(&t, 2 * G1, memory(7 * G1), G1, G1, RW);
	tables = t.pages;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		/* at the same offset in 1 GiB, so that leaves are as large as they can be */
		char *addr = memory(8 * G1 + cases[i].iova % G1);

		check_eq(table_map(&t, cases[i].iova, addr, cases[i].len, G1, RW), -EEXIST, "%s",
			 cases[i].what);
		check_eq(t.pages, tables, "no table comes or goes");
		check(leaf_at(&t, G1 + 3 * M2, 5 * G1) == K4 &&
			      leaf_at(&t, G1 + 4 * M2, 6 * G1) == M2 &&
			      leaf_at(&t, 2 * G1, 7 * G1) == G1,
		      "what was there is there");
	}
	check_eq(table_unmap(&t, 0, 1ull << SOFT_BITS), K4 + M2 + G1, "and nothing else is");
	check(gone(&t), "no table is left");
}

/* ---- partial unmaps -------------------------------------------------------------- */

static void a_hole_splits_a_leaf_of_2_mib(void)
{
	struct table t = { 0 };

	table_map(&t, G1, memory(4 * G1), M2, M2, RW);
	check_eq(t.pages, 3, "a leaf of 2 MiB in three tables");
	check_eq(table_unmap(&t, G1 + 7 * K4, 2 * K4), 2 * K4, "two pages of it go");
	check_eq(t.pages, 4, "that takes one table more");
	check(!leaf_at(&t, G1 + 7 * K4, 0) && !leaf_at(&t, G1 + 9 * K4 - 1, 0), "they are gone");
	check_eq(leaf_at(&t, G1 + 7 * K4 - 1, 4 * G1 + 7 * K4 - 1), K4, "the byte before stays");
	check_eq(leaf_at(&t, G1 + 9 * K4, 4 * G1 + 9 * K4), K4, "the byte behind too");
	check_eq(leaf_at(&t, G1 + M2 - 1, 4 * G1 + M2 - 1), K4, "and the last one");
	check_eq(table_unmap(&t, G1, M2), M2 - 2 * K4, "the rest is so many bytes");
	check(gone(&t), "no table is left");
}

static void a_hole_splits_a_leaf_of_1_gib_twice(void)
{
	const uint64_t hole = 100 * M2 + 3 * K4;
	struct table t = { 0 };

	table_map(&t, G1, memory(4 * G1), G1, G1, RW);
	check_eq(table_unmap(&t, G1 + hole, K4), K4, "one page of it goes");
	check_eq(t.pages, 4, "that takes two tables more");
	check(!leaf_at(&t, G1 + hole, 0), "it is gone");
	check_eq(leaf_at(&t, G1 + hole + K4, 4 * G1 + hole + K4), K4, "its neighbours are pages");
	check_eq(leaf_at(&t, G1 + 101 * M2, 4 * G1 + 101 * M2), M2, "all else is 2 MiB");
	check_eq(leaf_at(&t, G1, 4 * G1), M2, "from the start");
	check_eq(leaf_at(&t, 2 * G1 - 1, 5 * G1 - 1), M2, "to the end");
	check_eq(table_unmap(&t, G1, G1), G1 - K4, "the rest is so many bytes");
	check(gone(&t), "no table is left");
}

static void an_unmap_counts_what_was_mapped_only(void)
{
	struct table t = { 0 };

	table_map(&t, G1, memory(4 * G1), M2, M2, RW);
	table_map(&t, G1 + M2, memory(8 * G1), M2, M2, RW);
	check_eq(table_unmap(&t, G1 + M2 - K4, 2 * K4), 2 * K4, "across two leaves");
	check_eq(table_unmap(&t, G1 + M2 - 2 * K4, 4 * K4), 2 * K4, "around a hole");
	check_eq(table_unmap(&t, G1 + M2 - 2 * K4, 4 * K4), 0, "in a hole");
	check_eq(table_unmap(&t, 9 * G1, G1), 0, "elsewhere");
	check_eq(table_unmap(&t, 0, 4 * G1), 2 * M2 - 4 * K4, "the rest");
	check(gone(&t), "no table is left");
}

static void an_emptied_split_leaf_gives_its_table_back(void)
{
	struct table t = { 0 };

	table_map(&t, G1, memory(4 * G1), 2 * M2, M2, RW);
	for (unsigned i = 0; i < 512; i++)
		if (table_unmap(&t, G1 + i * K4, K4) != K4)
			check(false, "page %u goes", i);
	check_eq(t.pages, 3, "page by page, and the table of pages goes with the last");
	check_eq(leaf_at(&t, G1 + M2, 4 * G1 + M2), M2, "the leaf beside it is whole");
	check_eq(table_map(&t, G1, memory(6 * G1), M2, M2, RW), 0, "its place takes a leaf again");
	check_eq(leaf_at(&t, G1, 6 * G1), M2, "of 2 MiB");
	table_unmap(&t, G1, 2 * M2);
	check(gone(&t), "no table is left");
}

/* ---- failures -------------------------------------------------------------------- */

/* Make each allocation of a map fail; all must be as before. Returns how many there were. */
static unsigned fail_each(struct table *t, uint64_t iova, uint64_t len, uint64_t other)
{
	const struct table before = *t;
	struct fail f;

	for (unsigned n = 0;; n++) {
		int ret;

		fail_begin(&f, "alloc", n);
		ret = table_map(t, iova, memory(5 * G1 + iova % G1), len, G1, RW);
		if (!fail_end(&f)) {
			check_eq(ret, 0, "with nothing more to fail it works");
			check_eq(table_unmap(t, iova, len), len, "and is undone");
			check(t->root == before.root && t->pages == before.pages, "to the last");
			return n;
		}
		check(ret == -ENOMEM && t->root == before.root && t->pages == before.pages &&
			      !leaf_at(t, iova, 0) && !leaf_at(t, iova + len - 1, 0) &&
			      (!other || leaf_at(t, other, 4 * G1) == K4),
		      "allocation %u fails, and nothing has changed", n);
	}
}

static void a_failed_allocation_changes_nothing(void)
{
	struct table t = { 0 };

	check_eq(fail_each(&t, G1, K4, 0), 4, "four tables for a page");
	check(gone(&t), "none before, none after");
	/* pages, 2 MiB leaves and a 1 GiB leaf, on both sides of a boundary of 512 GiB */
	check_eq(fail_each(&t, 512 * G1 - M2 - K4, K4 + M2 + G1 + M2 + K4, 0), 7,
		 "seven for all sizes of leaves");
	check(gone(&t), "none before, none after");

	require(!table_map(&t, G1, memory(4 * G1), K4, K4, RW), "beside a page that is mapped");
	check_eq(fail_each(&t, G1 + K4, K4, G1), 0, "its neighbour needs no table");
	check_eq(fail_each(&t, G1 + M2 - K4, 2 * K4, G1), 1, "two more need one");
	check_eq(fail_each(&t, 2 * G1 - K4, 3 * K4, G1), 3, "across 2 GiB it is three");
	check_eq(table_unmap(&t, G1, K4), K4, "the page goes");
	check(gone(&t), "no table is left");
}

/* A domain's own tables come first, and are there again; what a lone page takes is all of them. */
static void a_lone_page_asks_for_no_memory(void)
{
	static uint64_t own[TABLE_OWN][TABLE_ENTRIES] __attribute__((aligned(4096)));
	struct table t;
	struct fail f;

	table_init(&t, own[0]);
	for (unsigned i = 0; i < 3; i++) {
		check_eq(table_map(&t, G1 * (1 + 100 * i), memory(4 * G1), K4, K4, RW), 0,
			 "mapped");
		check(t.root >= own[0] && t.root < own[0] + TABLE_OWN * TABLE_ENTRIES,
		      "in tables of its own");
		check_eq(t.pages, 4, "which count");
		check_eq(table_map(&t, 300 * G1, memory(4 * G1), K4, K4, RW), 0,
			 "another one, elsewhere");
		check_eq(t.pages, 6, "takes two more");
		check_eq(table_unmap(&t, G1 * (1 + 100 * i), K4), K4, "the first goes");
		check_eq(table_unmap(&t, 300 * G1, K4), K4, "the other one too");
		check(gone(&t), "no table is left");
	}
	check_eq(fail_each(&t, G1, K4, 0), 4, "each may be the one that can't be had");
	fail_begin(&f, "alloc", 4);
	table_map(&t, G1, memory(4 * G1), K4, K4, RW);
	table_map(&t, 300 * G1, memory(4 * G1), K4, K4, RW);
	check(fail_end(&f) && t.pages == 4, "nor can more than these: the page stays alone");
	table_unmap(&t, G1, K4);
	check(gone(&t), "no table is left");
}

static void an_unmap_that_cannot_split_tells_by_its_size(void)
{
	struct table t = { 0 };
	struct fail f;
	size_t ret;

	table_map(&t, G1, memory(4 * G1), G1, G1, RW);
	for (unsigned n = 0; n < 2; n++) {
		fail_begin(&f, "alloc", n);
		ret = table_unmap(&t, G1 + K4, K4);
		fail_end(&f);
		check_eq(ret, 0, "split %u fails: no byte is unmapped", n);
		check(leaf_at(&t, G1 + K4, 4 * G1 + K4) > K4, "the page still translates");
		table_unmap(&t, G1, G1);
		table_map(&t, G1, memory(4 * G1), G1, G1, RW);
	}
	table_unmap(&t, G1, G1);
	check(gone(&t), "no table is left");
}

/* ---- against a naive model: an array of pages ------------------------------------ */

#define PAGES 4096u /* 16 MiB, across a boundary of 512 GiB */
#define BASE (512 * G1 - 4 * M2)

struct model_page {
	uint64_t addr; /* 0: not mapped */
	unsigned prot;
};

static unsigned mapped_in(const struct model_page *model, unsigned first, unsigned n)
{
	unsigned mapped = 0;

	for (unsigned i = first; i < first + n; i++)
		mapped += model[i].addr != 0;
	return mapped;
}

static bool same(const struct table *t, const struct model_page *model, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		uint64_t size = leaf_at(t, BASE + i * K4, model[i].addr);
		struct leaf leaf;

		if (model[i].addr ? size < K4 : size != 0)
			return false;
		if (size && (!table_walk(t, BASE + i * K4, &leaf) || leaf.prot != model[i].prot))
			return false;
	}
	return true;
}

static bool map_as_model(struct table *t, struct model_page *model, unsigned first, unsigned n,
			 uint64_t addr, unsigned prot)
{
	uint64_t page_size = addr & 1 << 12 ? K4 : M2;
	int ret = table_map(t, BASE + first * K4, memory(addr), n * K4, page_size, prot);

	if (mapped_in(model, first, n))
		return ret == -EEXIST;
	for (unsigned i = 0; i < n; i++)
		model[first + i] = (struct model_page){ addr + i * K4, prot };
	return !ret;
}

static bool unmap_as_model(struct table *t, struct model_page *model, unsigned first, unsigned n)
{
	size_t expected = mapped_in(model, first, n) * K4;

	memset(&model[first], 0, n * sizeof *model);
	return table_unmap(t, BASE + first * K4, n * K4) == expected;
}

static bool random_step(struct table *t, struct model_page *model, uint64_t *seed)
{
	/* half of the ranges are made of whole 2 MiB, so that there is something to split */
	unsigned unit = unit_below(seed, 2) ? 512 : 1;
	unsigned first = (unsigned)unit_below(seed, PAGES / unit) * unit;
	unsigned n = (1 + (unsigned)unit_below(seed, unit > 1 ? 3 : 64)) * unit;
	uint64_t addr = (1 + unit_below(seed, 1 << 20)) * M2 + first % 512 * K4;

	if (n > PAGES - first)
		n = PAGES - first;
	if (unit == 1 && unit_below(seed, 4) == 0)
		addr += K4;
	if (unit_below(seed, 5) < 2)
		return unmap_as_model(t, model, first, n) && same(t, model, first, n);
	return map_as_model(t, model, first, n, addr, (unsigned)unit_below(seed, 8)) &&
	       same(t, model, first, n);
}

static void random_maps_and_unmaps_do_what_an_array_says(void)
{
	static struct model_page model[PAGES];
	struct table t = { 0 };
	uint64_t seed = 4711;
	bool ok = true;

	for (unsigned step = 0; step < 20000 && ok; step++)
		ok = random_step(&t, model, &seed) && (step % 64 || same(&t, model, 0, PAGES));
	check(ok, "20000 steps, each as the model says");
	check(same(&t, model, 0, PAGES), "and every page in the end");
	check(unmap_as_model(&t, model, 0, PAGES), "all is unmapped, to the byte");
	check(gone(&t), "no table is left");
}

int main(void)
{
	run(leaves_fit_alignment_length_and_page_size);
	run(one_range_has_leaves_of_all_sizes);
	run(a_walk_finds_nothing_in_nothing);
	run(both_ends_of_the_space_can_be_mapped);
	run(permissions_are_the_leaf_s);
	run(a_conflict_leaves_the_table_as_it_was);
	run(a_hole_splits_a_leaf_of_2_mib);
	run(a_hole_splits_a_leaf_of_1_gib_twice);
	run(an_unmap_counts_what_was_mapped_only);
	run(an_emptied_split_leaf_gives_its_table_back);
	run(a_failed_allocation_changes_nothing);
	run(a_lone_page_asks_for_no_memory);
	run(an_unmap_that_cannot_split_tells_by_its_size);
	run(random_maps_and_unmaps_do_what_an_array_says);
	return tap_end();
}
