/*
 * pages.h - from addresses to pages and their pools; the kernel's hash tables.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_PAGES_H
#define KERNEL_PAGES_H

#include "peek.h"

/* An rhashtable's nodes, one after the other; bounded. */
struct hash_walk {
	struct peek *peek;
	kaddr_t table, node;
	uint64_t size, bucket, steps;
	size_t first;
};
void hash_begin(struct hash_walk *w, struct peek *p, kaddr_t rhashtable);
/* The next node (struct rhash_head), 0: no more. */
kaddr_t hash_next(struct hash_walk *w);

/* Where the kernel keeps its struct page of an address. */
struct page_map {
	bool known;
	kaddr_t first_byte, first_page; /* both 1 GiB aligned; first_page is of first_byte */
};
/* Find it out, and prove it; map->known is false if it can't be. */
void page_map_find(struct peek *p, struct page_map *map);
/* The struct page of an address in the kernel's map of all memory; 0: it isn't there. */
kaddr_t page_of(const struct peek *p, const struct page_map *map, kaddr_t address);

/* How a page says that it is a pool's: a member, masked, is `value`; another is the pool. */
struct page_mark {
	enum member at, pool;
	uint64_t mask, value;
};
struct page_mark pages_mark(const struct peek *p);

struct page_seen {
	kaddr_t page; /* in: any; out: the first of its compound page */
	kaddr_t pool; /* out: the page_pool it says it is of; 0: none */
};
/* Look at some pages at once. */
void pages_look(struct peek *p, struct page_seen *pages, size_t n);

#endif
