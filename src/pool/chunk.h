/*
 * chunk.h - chunks: the free bits of their pages, the lists that they are in, coming home and
 * going out. Uses pool.h. Lock held unless said otherwise.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_CHUNK_H
#define POOL_CHUNK_H

#include "pool/pool.h"

static inline unsigned free_words(uint32_t n_pages)
{
	return (n_pages + 63) / 64;
}

static inline struct pp_page *chunk_page(const struct pp_chunk *c, uint32_t i)
{
	return &c->block[i / BLOCK_PAGES].page[i % BLOCK_PAGES];
}

/* Which of its chunk's pages a page is. */
static inline uint32_t page_in_chunk(const struct pp_page *page, const struct pp_chunk *c)
{
	return (uint32_t)(pp_block_of(page)->index + pp_block_offset(page) / sizeof *page -
			  c->first);
}

static inline void *page_addr(const struct pp_chunk *c, uint32_t index)
{
	return c->addr + (size_t)index * c->pool->page_size;
}

/* How many pages of a chunk aren't home if its n_free stands for so many. */
static inline uint32_t pages_out(const struct pp_chunk *c, int32_t home)
{
	return home < 0 ? c->n_pages : c->n_pages - (uint32_t)home;
}

/* Pages of a chunk that aren't home: in flight, in cache or remote frees, or just coming. */
uint32_t chunk_in_flight(const struct pp_chunk *c);

/*
 * A walk over all chunks of a pool; lock held, none added or removed meanwhile. A chunk's record
 * is far from the next one's: those of a span are fetched ahead.
 */
struct chunk_walk {
	const struct list *end, *at;
	uint64_t left; /* of the span's */
};
struct chunk_walk chunk_walk(const struct pp_pool *pool);
struct pp_chunk *chunk_walk_next(struct chunk_walk *walk); /* NULL: there are no more */

/* ---- records --------------------------------------------------------------------------- */

/* A chunk with all of its pages home, which has no memory yet; or NULL. */
struct pp_chunk *chunk_new(struct pp_pool *pool, uint32_t n_pages);
void chunk_delete(struct pp_chunk *c);
/* Into the pool, with the memory of a slot that is live; and out of its lists and counts. */
void chunk_add(struct pp_chunk *c, struct span *span, uint32_t slot);
void chunk_remove(struct pp_pool *pool, struct pp_chunk *c);

/* ---- lists ----------------------------------------------------------------------------- */

/* Onto another list, at its front. */
void chunk_move(struct pp_chunk *c, enum chunk_on to);
/* Onto a stack that is taken as a whole, under the lock. Any thread, no lock needed. */
void stack_push(struct pp_chunk **head, struct pp_chunk *c, struct pp_chunk **link);
/* List chunks that pages have returned to, `most` at most. */
void collect_returned(struct pp_pool *pool, uint32_t most);

/* ---- coming home, going out ------------------------------------------------------------ */

/*
 * n more are home, or the hold has ended. The thread whose addition makes the chunk complete pushes
 * it to the stack of complete chunks; all others must not touch it any more. True: it was complete,
 * at least for a moment, and `hold`, if any, was referenced before anyone could see that. Any
 * thread, no lock needed.
 */
bool chunk_count_free(struct pp_chunk *c, uint32_t n, struct pp_pool *hold);
/* Bring pages of one pool home, from wherever they were. Any thread, no lock needed. */
void pool_free_pages(struct pp_page *const *pages, unsigned n);
/* The same for pages that are put and found no room elsewhere; caller: the caller of the put. */
void chunk_put_pages(struct pp_pool *pool, struct pp_page *const *pages, uint32_t n,
		     const void *caller);
/* Only the first of the pages, and those behind it that are of its chunk. Returns how many. */
unsigned pool_free_some(struct pp_page *const *pages, unsigned n);
/* Take up to n pages from the chunks. */
unsigned pool_take_free(struct pp_pool *pool, struct pp_page **out, unsigned n);
/* Take n neighbours, if there are such in the few chunks of each list that are looked at. */
bool pool_take_run(struct pp_pool *pool, struct pp_page **out, uint32_t n);
/* The next run of pages that are home, from `from` on. False: there is none. */
bool chunk_next_free(const struct pp_chunk *c, uint32_t from, uint32_t *lo, uint32_t *n);

#endif
