/*
 * index.c - pages by their index in the pool. A chunk has a number, which another has when it has
 * gone; its pages have the indexes from there on, as many for each chunk as a full one has pages.
 *
 * The way back is a table of entries, one for each number. It is read without a lock, whatever
 * chunks come and go meanwhile: so entries stay where they are until the pool is freed, and an
 * entry is all that is read, for the chunk may be gone by then. They are in groups, each with room
 * for as many as all before it and FIRST_GROUP more.
 *
 * An entry is the address of the chunk's first block, with ENTRY_SHORT if it has fewer pages than
 * others; while no chunk of the pool has the number it is odd: ENTRY_SPARE, and above it one more
 * than the next spare number.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/index.h"

#include "pool/chunk.h"

#define FIRST_GROUP 32u
#define ENTRY_SPARE 1u
#define ENTRY_SHORT 2u

static unsigned pages_shift(const struct pp_pool *pool)
{
	return (unsigned)(__builtin_ctz(pool->params.chunk_size) - __builtin_ctz(pool->page_size));
}

static unsigned group_of(uint64_t number)
{
	return 63u - (unsigned)__builtin_clzll(number / FIRST_GROUP + 1);
}

static uint64_t group_begin(unsigned group)
{
	return FIRST_GROUP * ((1ull << group) - 1);
}

/* Of a number that was given. */
static uintptr_t *entry_of(const struct pp_pool *pool, uint64_t number)
{
	unsigned group = group_of(number);

	return env_load_relaxed(&pool->numbers.group[group]) + (number - group_begin(group));
}

static uintptr_t *entry_of_chunk(const struct pp_chunk *c)
{
	return entry_of(c->pool, c->first >> pages_shift(c->pool));
}

/* One more number. */
static bool extend(struct pp_pool *pool)
{
	struct numbers *numbers = &pool->numbers;
	unsigned group = group_of(numbers->n);
	size_t bytes = (size_t)FIRST_GROUP * sizeof(uintptr_t) << group;
	uintptr_t *entries;

	if (numbers->n == group_begin(group)) {
		entries = env_zalloc(bytes);
		if (!entries)
			return false;
		pool->record_bytes += bytes;
		env_store_release(&numbers->group[group], entries);
	}
	env_store_relaxed(entry_of(pool, numbers->n), ENTRY_SPARE);
	numbers->spare = ++numbers->n;
	return true;
}

bool index_take(struct pp_chunk *c)
{
	struct numbers *numbers = &c->pool->numbers;

	if (!numbers->spare && !extend(c->pool))
		return false;
	c->first = (numbers->spare - 1) << pages_shift(c->pool);
	numbers->spare = env_load_relaxed(entry_of_chunk(c)) >> 1;
	return true;
}

void index_give(struct pp_chunk *c)
{
	struct numbers *numbers = &c->pool->numbers;

	env_store_relaxed(entry_of_chunk(c), (uintptr_t)numbers->spare << 1 | ENTRY_SPARE);
	numbers->spare = (c->first >> pages_shift(c->pool)) + 1;
}

void index_add(const struct pp_chunk *c)
{
	uintptr_t is_short = c->n_pages >> pages_shift(c->pool) ? 0 : ENTRY_SHORT;

	env_store_release(entry_of_chunk(c), (uintptr_t)c->block | is_short);
}

void index_remove(const struct pp_chunk *c)
{
	env_store_relaxed(entry_of_chunk(c), ENTRY_SPARE);
}

struct pp_chunk *index_chunk(const struct pp_pool *pool, uint64_t number)
{
	uintptr_t entry = env_load_relaxed(entry_of(pool, number));

	if (entry & ENTRY_SPARE)
		return NULL;
	return ((struct pp_block *)(entry & ~(uintptr_t)ENTRY_SHORT))->chunk;
}

void index_end(struct pp_pool *pool)
{
	uintptr_t *entries;

	for (unsigned i = 0; (entries = env_load_relaxed(&pool->numbers.group[i])); i++)
		env_free(entries);
}

/* Pages of a chunk that has fewer than others: it is the last of what the limit allows. */
static uint64_t short_pages(const struct pp_pool *pool)
{
	return pool->params.max_pages & ((1ull << pages_shift(pool)) - 1);
}

struct pp_page *pp_pool_page(const struct pp_pool *pool, uint64_t index)
{
	uint64_t number, in_chunk, n = 1;
	const uintptr_t *entries;
	uintptr_t entry;

	if (!pool)
		return NULL;
	n <<= pages_shift(pool);
	number = index >> pages_shift(pool);
	in_chunk = index & (n - 1);
	if (number >= group_begin(sizeof pool->numbers.group / sizeof pool->numbers.group[0] - 1))
		return NULL;
	entries = env_load_acquire(&pool->numbers.group[group_of(number)]);
	entry = entries ? env_load_acquire(&entries[number - group_begin(group_of(number))]) : 0;
	if (!entry || entry & ENTRY_SPARE)
		return NULL;
	if (entry & ENTRY_SHORT && in_chunk >= short_pages(pool))
		return NULL;
	return &((struct pp_block *)(entry & ~(uintptr_t)ENTRY_SHORT))[in_chunk / BLOCK_PAGES]
			.page[in_chunk % BLOCK_PAGES];
}
