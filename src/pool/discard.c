/*
 * discard.c - returns the memory of a zombie's free pages to the system, in whole kernel pages, at
 * the revocation and as pages come home.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/discard.h"

#include "pool/chunk.h"
#include "pool/memory.h"
#include "pool/span.h"

bool can_discard(const struct pp_chunk *c)
{
	return c->pool->together && !memory_is_callers(c->pool) &&
	       span_memory(c->span, c->slot) != PP_MEMORY_HUGETLB &&
	       !(env_load_relaxed(&c->span->lost) >> c->slot & 1);
}

/* From page `from` up to page `to`, of the word that `from` is in. */
static uint64_t bits_of_word(uint32_t from, uint32_t to)
{
	uint64_t bits = ~0ull << from % 64;

	return to / 64 > from / 64 ? bits : bits & ~(~0ull << to % 64);
}

/* Of these pages those that fill pages of the kernel's, with what lies behind the chunk's last. */
static uint64_t whole_pages(const struct pp_chunk *c, unsigned word, uint64_t bits)
{
	unsigned together = c->pool->together;
	uint64_t firsts = together == 64 ? 1 : ~0ull / ((1ull << together) - 1);
	uint64_t pages = bits_of_word(word * 64, c->n_pages);

	bits |= ~pages; /* nobody has those */
	for (unsigned n = 1; n < together; n *= 2)
		bits &= bits >> n;
	bits &= firsts;
	for (unsigned n = 1; n < together; n *= 2)
		bits |= bits << n;
	return bits & pages;
}

/* The memory of pages from a kernel's page's first on; the last may be the chunk's. */
static size_t bytes_of(const struct pp_chunk *c, uint32_t n)
{
	size_t unit = (size_t)c->pool->together * c->pool->page_size;

	return ((size_t)n * c->pool->page_size + unit - 1) / unit * unit;
}

static void discard(struct pp_chunk *c, uint32_t first, uint32_t n)
{
	int before = env_errno(); /* which a put leaves alone */

	if (memory_discard(c->pool, page_addr(c, first), bytes_of(c, n)))
		env_store_relaxed(&c->pool->some_kept, true);
	env_set_errno(before);
}

/*
 * Pages of a zombie have come home: their memory goes back, and with it that of their
 * neighbours in the word that are home and still have theirs. The pages aren't counted yet,
 * so the chunk is there, and what is home stays there. Of pages that share one of the kernel's
 * the last to come sees them all.
 */
void discard_coming(struct pp_chunk *c, unsigned word, uint64_t bits)
{
	uint64_t kept =
		env_load_acquire(&c->free_bits[word]) & ~env_load_relaxed(&c->discarded[word]);
	unsigned lo, n;

	if (!can_discard(c))
		return;
	for (uint64_t before = 0; before != bits;) {
		before = bits;
		bits |= (bits << 1 | bits >> 1) & kept;
	}
	bits = whole_pages(c, word, bits);
	env_or_relaxed(&c->discarded[word], bits);
	while (next_run(&bits, &lo, &n))
		discard(c, word * 64 + lo, n);
}

static void discard_run(struct env_discards *many, struct pp_chunk *c, uint32_t first, uint32_t n)
{
	if (c->pool->file.own) /* of a file it isn't asked for at once */
		discard(c, first, n);
	else
		env_discards_add(many, page_addr(c, first), bytes_of(c, n));
	for (uint32_t i = first; i < first + n; i = i / 64 * 64 + 64) {
		uint64_t bits = bits_of_word(i, first + n);

		if (bits == ~0ull)
			env_store_relaxed(&c->discarded[i / 64], bits); /* cheaper */
		else
			env_or_relaxed(&c->discarded[i / 64], bits);
	}
}

/*
 * At a revocation: the memory of free pages. The time of an unbind is not to depend on how the
 * pages in flight lie: so it is one range a chunk, of the words whose pages are all free. The
 * rest goes when a page next to it comes home.
 */
void discard_longest(struct env_discards *many, struct pp_chunk *c)
{
	uint32_t first = 0, longest = 0, n = 0;

	for (uint32_t i = 0; i < c->n_pages; i += 64) {
		uint64_t all = bits_of_word(i, c->n_pages);

		if (env_load_acquire(&c->free_bits[i / 64]) != all) {
			n = 0;
			continue;
		}
		n += (uint32_t)__builtin_popcountll(all);
		if (n > longest) {
			longest = n;
			first = i + (uint32_t)__builtin_popcountll(all) - n;
		}
	}
	if (longest)
		discard_run(many, c, first, longest);
}

/* Of a run of free pages: as many as fill pages of the kernel's. */
static void discard_whole(struct env_discards *many, struct pp_chunk *c, uint32_t lo, uint32_t n)
{
	uint32_t beyond = c->pool->together - 1, end = lo + n;

	lo = (lo + beyond) & ~beyond;
	if (end < c->n_pages)
		end &= ~beyond;
	if (lo < end)
		discard_run(many, c, lo, end - lo);
}

void pool_discard(struct pp_pool *pool)
{
	struct chunk_walk walk = chunk_walk(pool);
	struct env_discards many = { 0 };

	for (struct pp_chunk *c; (c = chunk_walk_next(&walk));)
		for (uint32_t lo = 0, n = 0; can_discard(c) && chunk_next_free(c, lo + n, &lo, &n);)
			discard_whole(&many, c, lo, n);
	if (env_discards_end(&many))
		env_store_relaxed(&pool->some_kept, true);
}
