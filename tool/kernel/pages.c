/*
 * pages.c - from addresses to pages and their pools; the kernel's hash tables.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pages.h"

#include <string.h>
#include <unistd.h>

#define GIB (1ull << 30)
#define PAGE_COPY 128 /* at least a struct page */

/* ---- hash tables --------------------------------------------------------------------------- */

#define BUCKETS_MAX (1u << 24)
#define STEPS_MAX (1u << 22)

static void enter_table(struct hash_walk *w, kaddr_t table)
{
	w->table = table;
	w->bucket = 0;
	w->node = 0;
	w->size = member_at(w->peek, table, M_bucket_size);
	/* a table of tables is what the kernel makes when it is short of memory */
	if (!table || w->size > BUCKETS_MAX || member_at(w->peek, table, M_bucket_nest))
		w->size = 0;
}

void hash_begin(struct hash_walk *w, struct peek *p, kaddr_t rhashtable)
{
	*w = (struct hash_walk){ .peek = p, .first = offset_of(p, M_bucket_first) };
	enter_table(w, rhashtable ? member_at(p, rhashtable, M_table_tbl) : 0);
}

kaddr_t hash_next(struct hash_walk *w)
{
	/* an entry's lowest bit: in a bucket, it is locked; in a chain, this is its end */
	while (w->steps++ < STEPS_MAX) {
		if (w->node && peek_read(w->peek, w->node, &w->node, sizeof w->node) &&
		    !(w->node & 1) && w->node)
			return w->node;
		w->node = 0;
		if (w->bucket >= w->size) {
			kaddr_t next = w->table ? member_at(w->peek, w->table, M_bucket_next) : 0;

			if (!next)
				return 0;
			enter_table(w, next);
			continue;
		}
		peek_read(w->peek, w->table + w->first + 8 * w->bucket++, &w->node, sizeof w->node);
		w->node &= ~1ull;
		if (w->node)
			return w->node;
	}
	return 0;
}

/* ---- the map of all memory ----------------------------------------------------------------- */

kaddr_t page_of(const struct peek *p, const struct page_map *map, kaddr_t address)
{
	static unsigned shift;

	if (!shift)
		shift = (unsigned)__builtin_ctzl((unsigned long)sysconf(_SC_PAGESIZE));
	if (!map->known || address < map->first_byte)
		return 0;
	return map->first_page + ((address - map->first_byte) >> shift) * size_of(p, T_page);
}

/* The first page of the compound page that one is of. */
static kaddr_t head_in(struct peek *p, kaddr_t page, const void *copy)
{
	uint64_t head = member_in(p, copy, M_page_head);

	if (!head)
		head = member_in(p, copy, M_page_head_info);
	if (!(head & 1))
		return page;
	/* newer kernels keep a mask here: its high bits are all set, an address's are not */
	return head >> 32 == UINT32_MAX ? page & (head & ~1ull) : head & ~1ull;
}

/* The slab cache that an object is of, if the map is right. */
static kaddr_t cache_of(struct peek *p, const struct page_map *map, kaddr_t object)
{
	enum member cache = has(p, M_slab_cache) ? M_slab_cache : M_slab_cache_old;
	kaddr_t page = page_of(p, map, object);
	char copy[PAGE_COPY];

	if (!page || !peek_read(p, page, copy, size_of(p, T_page)))
		return 0;
	page = head_in(p, page, copy);
	return member_at(p, page, cache);
}

/*
 * The proof: the object's cache is an object itself, of the cache of caches; and that one is
 * of itself. Anything but the right map comes to nothing, or to nonsense.
 */
static bool proves(struct peek *p, const struct page_map *map, kaddr_t object)
{
	kaddr_t cache = cache_of(p, map, object), caches;

	if (!(cache >> 63))
		return false;
	caches = cache_of(p, map, cache);
	return caches >> 63 && caches != cache && cache_of(p, map, caches) == caches;
}

/* Some page's structure: that of a pipe of our own. */
static kaddr_t any_page(struct peek *p)
{
	kaddr_t files = member_at(p, peek_current(p), M_task_files), table, file = 0, pipe,
		page = 0;
	int fd[2];

	if (pipe2(fd, 0x80000 /* O_CLOEXEC */))
		return 0;
	if (write(fd[1], "", 1) == 1) {
		table = member_at(p, member_at(p, files, M_files_fdt), M_fdt_fd);
		peek_read(p, table + 8 * (unsigned)fd[0], &file, sizeof file);
		pipe = member_at(p, file, M_file_private);
		page = member_at(p, member_at(p, pipe, M_pipe_bufs), M_pipe_buf_page);
	}
	close(fd[0]);
	close(fd[1]);
	return page;
}

void page_map_find(struct peek *p, struct page_map *map)
{
	uint64_t gibs = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / GIB;
	kaddr_t page = any_page(p), object = peek_current(p);
	uint64_t pages_gibs =
		(gibs * 2 + 8) * size_of(p, T_page) / (uint64_t)sysconf(_SC_PAGESIZE) + 1;

	map->known = page && object && size_of(p, T_page) && size_of(p, T_page) <= PAGE_COPY;
	for (uint64_t j = 0; map->known && j < pages_gibs; j++) {
		map->first_page = (page & ~(GIB - 1)) - j * GIB;
		for (uint64_t k = 0; k < gibs * 2 + 8; k++) {
			map->first_byte = (object & ~(GIB - 1)) - k * GIB;
			if (proves(p, map, object))
				return;
		}
	}
	map->known = false;
}

/* ---- what pool a page is of ---------------------------------------------------------------- */

#if defined(__x86_64__) || defined(__aarch64__) || (defined(__riscv) && __riscv_xlen == 64)
#define POISON_DELTA 0xdead000000000000ull
#elif defined(__powerpc64__)
#define POISON_DELTA 0x5deadbeef0000000ull
#else
#define POISON_DELTA 0ull
#endif
#define SIGNATURE (0x40ull + POISON_DELTA)
#define INDEX_SHIFT 7

/*
 * The bits of the signature that may be anything: the two lowest, and, since the kernel
 * notes what is mapped (6.16), the page's number in that list.
 */
static uint64_t any_bits(const struct peek *p)
{
	int bits =
		POISON_DELTA ? __builtin_ctzll(POISON_DELTA ? POISON_DELTA : 1) - INDEX_SHIFT : 0;

	if (!has(p, M_pool_dma_mapped))
		bits = 0;
	return 3 | (((1ull << (bits < 32 ? bits : 32)) - 1) << INDEX_SHIFT);
}

struct page_mark pages_mark(const struct peek *p)
{
	bool described = !has(p, M_page_pp_magic);
	int64_t type = enumerator(p, "pagetype", "PGTY_netpp");
	struct page_mark mark = { .pool = described ? M_desc_pp : M_page_pp };

	if (type > 0) {
		mark.at = M_page_type;
		mark.mask = 0xff000000;
		mark.value = (uint64_t)type << 24;
	} else {
		mark.at = described ? M_desc_pp_magic : M_page_pp_magic;
		mark.mask = ~any_bits(p);
		mark.value = SIGNATURE;
	}
	return mark;
}

static kaddr_t pool_in(struct peek *p, const void *copy)
{
	static struct page_mark mark;

	if (!mark.value)
		mark = pages_mark(p);
	if ((member_in(p, copy, mark.at) & mark.mask) != mark.value)
		return 0;
	return member_in(p, copy, mark.pool);
}

static void look(struct peek *p, struct page_seen *pages, size_t n)
{
	char copy[PEEK_BATCH][PAGE_COPY];
	struct peek_part part[PEEK_BATCH];
	bool again = false;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < n; i++)
			part[i] = (struct peek_part){ pages[i].page, copy[i],
						      (uint32_t)size_of(p, T_page), false };
		peek_parts(p, part, n);
		for (size_t i = 0; i < n; i++) {
			kaddr_t head = part[i].ok ? head_in(p, pages[i].page, copy[i]) : 0;

			again |= head != pages[i].page;
			pages[i].page = head;
			pages[i].pool = head ? pool_in(p, copy[i]) : 0;
		}
		if (!again)
			break;
	}
}

void pages_look(struct peek *p, struct page_seen *pages, size_t n)
{
	for (size_t i = 0; i < n; i += PEEK_BATCH)
		look(p, pages + i, n - i < PEEK_BATCH ? n - i : PEEK_BATCH);
}
