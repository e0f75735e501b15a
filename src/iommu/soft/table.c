/*
 * table.c - the software IOMMU's page table: VT-d's four-level second stage, with host
 * addresses in place of physical ones. Uses env only; its caller locks.
 *
 * Invariant: a table has at least one present entry; what leads to it counts them, in bits that
 * hardware ignores; `pages` counts the tables. So an empty domain has no page-table page at all.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/soft/soft.h"

#define ENTRIES TABLE_ENTRIES
#define ENTRY_PROT 0x7ull  /* PP_PROT_*, as in the contract; 0 with no LEAF: not present */
#define ENTRY_LEAF 0x80ull /* the page-size bit; set on 4 KiB leaves too */
#define ENTRY_ADDR (~0xfffull)
#define ENTRY_ONE (1ull << 52) /* of a table: from here on, how many of its entries are present */

static unsigned level_shift(unsigned level) /* 1: 4 KiB leaves, 2: 2 MiB, 3: 1 GiB */
{
	return 12 + 9 * (level - 1);
}

static uint64_t level_size(unsigned level)
{
	return 1ull << level_shift(level);
}

static unsigned level_index(pp_iova_t iova, unsigned level)
{
	return (iova >> level_shift(level)) & (ENTRIES - 1);
}

static uint64_t *entry_table(uint64_t entry)
{
	return (uint64_t *)(uintptr_t)(entry & ENTRY_ADDR & (ENTRY_ONE - 1));
}

static uint64_t *table_new(struct table *t)
{
	uint64_t *page = t->spare;

	if (!page) {
		/* page-aligned, as hardware wants it and as the entry's low bits need it */
		page = env_zalloc_aligned(4096, 4096);
	} else if (env_fault("alloc")) {
		return NULL;
	} else {
		t->spare = (uint64_t *)(uintptr_t)page[0];
		page[0] = 0;
	}
	t->pages += page != NULL;
	return page;
}

/* Its entries are 0. */
static void table_free(struct table *t, uint64_t *page)
{
	t->pages--;
	if (!t->own || page < t->own || page >= t->own + TABLE_OWN * ENTRIES) {
		env_free(page);
		return;
	}
	page[0] = (uintptr_t)t->spare;
	t->spare = page;
}

void table_init(struct table *t, uint64_t *own)
{
	*t = (struct table){ .own = own };
	for (unsigned i = 0; i < TABLE_OWN; i++) {
		own[i * ENTRIES] = (uintptr_t)t->spare;
		t->spare = &own[i * ENTRIES];
	}
}

/* The largest leaf that fits at iova, addr with len left, of memory of page_size. */
static unsigned leaf_level(pp_iova_t iova, const char *addr, uint64_t len, size_t page_size)
{
	unsigned level = 3;

	while (level > 1 && (level_size(level) > page_size || level_size(level) > len ||
			     ((iova | (uintptr_t)addr) & (level_size(level) - 1))))
		level--;
	return level;
}

static int map_leaf(struct table *t, pp_iova_t iova, char *addr, unsigned leaf, unsigned prot)
{
	uint64_t *page = t->root, *up = &t->root_present;

	for (unsigned level = LEVELS; level > leaf; level--) {
		uint64_t *entry = &page[level_index(iova, level)];

		if (*entry & ENTRY_LEAF)
			return -EEXIST;
		if (!*entry) {
			uint64_t *sub = table_new(t);

			if (!sub)
				return -ENOMEM;
			*entry = (uintptr_t)sub;
			*up += ENTRY_ONE;
		}
		up = entry;
		page = entry_table(*entry);
	}
	if (page[level_index(iova, leaf)])
		return -EEXIST;
	page[level_index(iova, leaf)] = (uintptr_t)addr | ENTRY_LEAF | prot;
	*up += ENTRY_ONE;
	return 0;
}

/* Replace a large leaf by a table of the next smaller ones. */
static int split_leaf(struct table *t, uint64_t *entry, unsigned level)
{
	uint64_t *sub = table_new(t);

	if (!sub)
		return -ENOMEM;
	for (unsigned i = 0; i < ENTRIES; i++)
		sub[i] = *entry + i * level_size(level - 1);
	*entry = (uintptr_t)sub | ENTRIES * ENTRY_ONE;
	return 0;
}

/*
 * Unmap [iova, iova + len) below one table, whose entries *up counts; empty subtables are freed.
 * Returns the bytes.
 */
static uint64_t unmap_below(struct table *t, uint64_t *page, uint64_t *up, unsigned level,
			    pp_iova_t iova, uint64_t len)
{
	uint64_t done = 0, unmapped = 0;

	while (done < len) {
		pp_iova_t at = iova + done;
		uint64_t *entry = &page[level_index(at, level)];
		uint64_t here = level_size(level) - (at & (level_size(level) - 1));

		if (here > len - done)
			here = len - done;
		done += here;
		if (!*entry)
			continue;
		if ((*entry & ENTRY_LEAF) && here == level_size(level)) {
			*entry = 0;
			*up -= ENTRY_ONE;
			unmapped += here;
			continue;
		}
		if ((*entry & ENTRY_LEAF) && split_leaf(t, entry, level))
			continue; /* stays mapped: the size returned tells */
		unmapped += unmap_below(t, entry_table(*entry), entry, level - 1, at, here);
		if (*entry < ENTRY_ONE) {
			table_free(t, entry_table(*entry));
			*entry = 0;
			*up -= ENTRY_ONE;
		}
	}
	return unmapped;
}

uint64_t table_unmap(struct table *t, pp_iova_t iova, uint64_t len)
{
	uint64_t unmapped;

	if (!t->root)
		return 0;
	unmapped = unmap_below(t, t->root, &t->root_present, LEVELS, iova, len);
	if (!t->root_present) {
		table_free(t, t->root);
		t->root = NULL;
	}
	return unmapped;
}

/* Below a failed map_leaf tables without an entry may have been left: take them away. */
int table_map(struct table *t, pp_iova_t iova, char *addr, uint64_t len, size_t page_size,
	      unsigned prot)
{
	uint64_t done = 0;
	int ret = 0;

	if (!t->root) {
		t->root = table_new(t);
		if (!t->root)
			return -ENOMEM;
	}
	while (done < len && !ret) {
		unsigned leaf = leaf_level(iova + done, addr + done, len - done, page_size);

		ret = map_leaf(t, iova + done, addr + done, leaf, prot);
		if (!ret)
			done += level_size(leaf);
	}
	if (!ret)
		return 0;
	table_unmap(t, iova, done);
	/* a range that holds nothing: only prunes */
	if (ret == -ENOMEM)
		table_unmap(t, iova + done, level_size(1));
	return ret;
}

bool table_walk(const struct table *t, pp_iova_t iova, struct leaf *out)
{
	const uint64_t *page = t->root;

	for (unsigned level = LEVELS; page && level; level--) {
		uint64_t entry = page[level_index(iova, level)];

		if (!entry)
			return false;
		if (entry & ENTRY_LEAF) {
			out->size = level_size(level);
			out->iova = iova & ~(out->size - 1);
			out->addr = (char *)(uintptr_t)(entry & ENTRY_ADDR);
			out->prot = entry & ENTRY_PROT;
			return true;
		}
		page = entry_table(entry);
	}
	return false;
}
