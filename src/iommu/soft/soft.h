/*
 * soft.h - the parts of the software IOMMU: its page table (table.c), what a device
 * sees of it (soft.c: IOTLB, faults, access), the incoherent mode's memory (shadow.c).
 * Sees the contract and env only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_SOFT_H
#define IOMMU_SOFT_H

#include <pagepool/iommu.h>
#include <pagepool/inline/probe.h>
#include <pagepool/soft.h>

#include "env/env.h"
#include "env/hash.h"
#include "env/list.h"

#define SOFT_BITS 48

/* ---- table.c: four levels of 512 entries --------------------------------------- */

#define TABLE_ENTRIES 512u
#define TABLE_OWN LEVELS /* as many as a lone page needs */
#define LEVELS 4

/* All zero: an empty one. */
struct table {
	uint64_t *root;        /* NULL while nothing is mapped */
	uint64_t root_present; /* entries of it, as an entry counts those of its table */
	uint64_t pages;        /* tables in use, the root too */
	uint64_t *own, *spare; /* see table_init */
};

/* An empty one that has TABLE_OWN tables of the caller's, zeroed, before it asks for memory. */
void table_init(struct table *t, uint64_t *own);

/* A translation: one leaf. */
struct leaf {
	pp_iova_t iova; /* of the leaf's first byte */
	uint64_t size;  /* 4 KiB, 2 MiB or 1 GiB */
	char *addr;     /* what it translates to */
	unsigned prot;
};

/* Lengths are of IOVA space: 64 bits where size_t has 32. All or nothing: 0, -EEXIST, -ENOMEM. */
int table_map(struct table *t, pp_iova_t iova, char *addr, uint64_t len, size_t page_size,
	      unsigned prot);
/* Unmap what is mapped of the range; returns the bytes. Splits leaves where it must. */
uint64_t table_unmap(struct table *t, pp_iova_t iova, uint64_t len);
/* The leaf that translates an address. */
bool table_walk(const struct table *t, pp_iova_t iova, struct leaf *out);

/* ---- shadow.c: memory as an incoherent device sees it ----------------------------- */

/*
 * Per base page of IOVA space that the device has touched or that was synced for it, a
 * copy of the memory behind it: the device works on the copy, sync moves bytes between the
 * two. What was never synced reads as 0xDB. By IOVA, not by memory: two mappings of the
 * same memory are two views of it, as with bounce buffers.
 */
struct shadow {
	struct hashtab pages; /* by their IOVA; has memory while there are any */
	struct list all;
};

struct shadow_page {
	struct hash_node node;
	struct list link;
	pp_iova_t iova; /* of the page */
	uint64_t dirty; /* a bit for each 64 bytes that the device wrote, not synced for the CPU */
	char bytes[PP_BASE_PAGE];
};

void shadow_init(struct shadow *s);
/* The copy of a page of IOVA space, made if need be; NULL: no memory. */
struct shadow_page *shadow_of(struct shadow *s, pp_iova_t page);
/* Move bytes between memory and copies. Returns how many that the device wrote were lost. */
size_t shadow_sync(struct shadow *s, pp_iova_t iova, char *addr, size_t len, bool for_cpu);
/* Forget the copies of a range, len not 0, but for pages that `but` maps. Returns the same. */
size_t shadow_drop(struct shadow *s, pp_iova_t iova, size_t len, const struct table *but);
/* The lines of a page that hold bytes [off, off + len), as in `dirty`. */
uint64_t shadow_lines(size_t off, size_t len);
void shadow_free(struct shadow *s);
uint64_t shadow_bytes(const struct shadow *s);

#endif
