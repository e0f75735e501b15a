/*
 * find.c - pages by an address or an IOVA that lies in them: two tables for the process, of pools
 * that were made with PP_FIND_ADDR or PP_FIND_IOVA.
 *
 * A table has an entry for each 4 KiB, a unit: the handle of the page there, or 0. Its root has a
 * leaf for each 4 GiB, reserved when it is first needed and mapped until the library is unloaded:
 * so whatever is looked up, and whatever grows, is trimmed or unmapped meanwhile, there is
 * something to read. The page that is found isn't read: its chunk may be gone. The memory behind a
 * leaf comes with its entries, by the kernel's page, and goes with them.
 *
 * Two pages of 2 KiB share a unit: the second one's handle is in an array of its own, which a leaf
 * has once there was such a page. Only there a lookup takes a second step.
 *
 * Entries are of living chunks only. No two chunks have the same addresses. Nor have they the same
 * IOVAs in here: a zombie that is found by IOVA keeps its own until its last page has gone, see
 * pool_drop_holds. So an entry has one writer at a time, who has its pool's lock; and the next one
 * comes after it, by way of the kernel or the arena of IOVA.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/find.h"

#include "pool/chunk.h"

#define UNIT_BITS 12
#define LEAF_BITS 32
#define SPACE_BITS 48 /* as high as Linux maps unasked, and the arena's end */
#define UNIT (1u << UNIT_BITS)
#define HALF (UNIT / 2)
#define LEAF_UNITS ((size_t)1 << (LEAF_BITS - UNIT_BITS))
#define ROOT_LEAVES ((size_t)1 << (SPACE_BITS - LEAF_BITS))
#define HALVES_BYTES (LEAF_UNITS * sizeof(uintptr_t))

struct leaf {
	uintptr_t entry[LEAF_UNITS]; /* release */
	uintptr_t *second;           /* of the units' second halves; or NULL; release */
};

#define LEAF_WHOLE 1u /* with a leaf's address: no page in it is smaller than a unit */
typedef uintptr_t root[ROOT_LEAVES]; /* 0, or a leaf, once made; release */
static root by_addr, by_iova;

/* ---- looking up --------------------------------------------------------------------------- */

static size_t unit_of(uint64_t at)
{
	return (uint32_t)at >> UNIT_BITS;
}

/* Not inlined: so that what it needs costs the others nothing. */
static __attribute__((noinline)) struct pp_page *find_slowly(uintptr_t word, uint64_t at)
{
	const struct leaf *leaf = (struct leaf *)(word & ~(uintptr_t)LEAF_WHOLE);
	uintptr_t *second, half = 0;

	if (!leaf)
		return NULL;
	second = env_load_acquire(&leaf->second);
	if (second && at & HALF)
		half = env_load_acquire(&second[unit_of(at)]);
	return (struct pp_page *)(half ? half : env_load_acquire(&leaf->entry[unit_of(at)]));
}

/* What lies above SPACE_BITS doesn't count: it costs less than to look at it. */
static inline struct pp_page *find(const root r, uint64_t at)
{
	uintptr_t word = env_load_acquire(&r[at >> LEAF_BITS & (ROOT_LEAVES - 1)]);

	if (env_unlikely(!(word & LEAF_WHOLE)))
		return find_slowly(word, at);
	return (struct pp_page *)env_load_acquire(
		&((struct leaf *)(word - LEAF_WHOLE))->entry[unit_of(at)]);
}

struct pp_page *pp_page_from_addr(const void *addr)
{
	return find(by_addr, (uintptr_t)addr);
}

struct pp_page *pp_page_from_iova(pp_iova_t iova)
{
	return find(by_iova, iova);
}

/* ---- leaves --------------------------------------------------------------------------------- */

/* Memory whose address is put where 0 was, with that bit; unless another thread is faster. */
static int make(uintptr_t *where, size_t bytes, uintptr_t bit)
{
	uintptr_t none = 0;
	void *memory;

	if (env_load_acquire(where))
		return 0;
	/* base pages: a huge one would be there as a whole for a few entries */
	if (env_map(&memory, bytes, env_kernel_page(), PP_MEMORY_BASE, PP_NUMA_ANY))
		return -ENOMEM;
	if (!env_cas_acq_rel(where, &none, (uintptr_t)memory | bit))
		env_unmap(memory, bytes);
	return 0;
}

static struct leaf *leaf_at(const root r, size_t i)
{
	return (struct leaf *)(env_load_acquire(&r[i]) & ~(uintptr_t)LEAF_WHOLE);
}

/* Before there is a page that needs it: who looks that up sees a leaf with the second array. */
static int make_leaf(root r, size_t i, bool halves)
{
	int ret = make(&r[i], sizeof(struct leaf), LEAF_WHOLE);

	if (ret || !halves)
		return ret;
	ret = make((uintptr_t *)&leaf_at(r, i)->second, HALVES_BYTES, 0);
	if (!ret)
		env_and_acq_rel(&r[i], ~(uintptr_t)LEAF_WHOLE);
	return ret;
}

static int make_leaves(root r, uint64_t first, uint64_t last, bool halves)
{
	int ret = 0;

	if (last >> SPACE_BITS)
		return -ENOMEM;
	for (uint64_t i = first >> LEAF_BITS; i <= last >> LEAF_BITS && !ret; i++)
		ret = make_leaf(r, (size_t)i, halves);
	return ret;
}

int find_begin(const struct pp_pool *pool, const struct span *span, unsigned lo, unsigned n)
{
	uint64_t addr = (uintptr_t)span->addr + (uint64_t)lo * chunk_size(pool);
	uint64_t iova = span->iova->addr + (uint64_t)lo * chunk_size(pool);
	uint64_t last = (uint64_t)n * chunk_size(pool) - 1;
	bool halves = pool->page_size < UNIT;
	int ret = 0;

	if (pool->params.find & PP_FIND_ADDR)
		ret = make_leaves(by_addr, addr, addr + last, halves);
	if (!ret && pool->params.find & PP_FIND_IOVA)
		ret = make_leaves(by_iova, iova, iova + last, halves);
	return ret;
}

static void forget(root r)
{
	for (size_t i = 0; i < ROOT_LEAVES; i++) {
		struct leaf *leaf = leaf_at(r, i);

		if (!leaf)
			continue;
		if (!(r[i] & LEAF_WHOLE))
			env_unmap(leaf->second, HALVES_BYTES);
		env_unmap(leaf, sizeof *leaf);
	}
}

/* Threads may outlive the library, but not look anything up in it. */
static __attribute__((destructor)) void forget_all(void)
{
	if (!env_unloads())
		return;
	forget(by_addr);
	forget(by_iova);
}

/* ---- entries -------------------------------------------------------------------------------- */

/* A leaf is as large as four chunks of the largest size: each chunk lies in one. */
static void add(const root r, uint64_t at, const struct pp_chunk *c)
{
	struct leaf *leaf = leaf_at(r, (size_t)(at >> LEAF_BITS));
	uint32_t page_size = c->pool->page_size;

	for (uint32_t i = 0; i < c->n_pages; i++) {
		uintptr_t page = (uintptr_t)chunk_page(c, i);

		if (at & HALF)
			env_store_release(&leaf->second[unit_of(at)], page);
		for (uint32_t k = 0; k < page_size && !(at & HALF); k += UNIT)
			env_store_release(&leaf->entry[unit_of(at + k)], page);
		at += page_size;
	}
}

/* n entries: where they fill pages of the kernel's, these go back. */
static void clear(uintptr_t *entry, size_t n)
{
	size_t page = env_kernel_page(), bytes = n * sizeof *entry;

	if (!((uintptr_t)entry % page) && !(bytes % page) && !env_discard(entry, bytes))
		return;
	for (size_t i = 0; i < n; i++)
		env_store_relaxed(&entry[i], 0);
}

static void del(const root r, uint64_t at, const struct pp_chunk *c)
{
	struct leaf *leaf = leaf_at(r, (size_t)(at >> LEAF_BITS));
	size_t n = chunk_size(c->pool) >> UNIT_BITS;

	clear(&leaf->entry[unit_of(at)], n);
	if (c->pool->page_size < UNIT)
		clear(&leaf->second[unit_of(at)], n);
}

void find_add(const struct pp_chunk *c)
{
	if (c->pool->params.find & PP_FIND_ADDR)
		add(by_addr, (uintptr_t)c->addr, c);
	if (c->pool->params.find & PP_FIND_IOVA)
		add(by_iova, pp_page_iova(chunk_page(c, 0)), c);
}

void find_remove(const struct pp_chunk *c)
{
	if (c->pool->params.find & PP_FIND_ADDR)
		del(by_addr, (uintptr_t)c->addr, c);
	if (c->pool->params.find & PP_FIND_IOVA)
		del(by_iova, pp_page_iova(chunk_page(c, 0)), c);
}

size_t find_bytes(const struct pp_pool *pool)
{
	size_t each = pool->page_size < UNIT ? pool->page_size : UNIT;

	return (size_t)__builtin_popcount(pool->params.find) * (chunk_size(pool) / each) *
	       sizeof(uintptr_t);
}
