/*
 * index.h - pages by their index in the pool. Uses pool.h. Lock held unless said otherwise.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_INDEX_H
#define POOL_INDEX_H

#include "pool/pool.h"

/* Indexes for a chunk's pages, chunk->first and what follows. False: no memory. */
bool index_take(struct pp_chunk *c);
/* Others may have them. */
void index_give(struct pp_chunk *c);
/* Its pages are found by them from now on, or are no more. */
void index_add(const struct pp_chunk *c);
void index_remove(const struct pp_chunk *c);
/* The chunk with that number, below pool->numbers.n; NULL: none has it now. */
struct pp_chunk *index_chunk(const struct pp_pool *pool, uint64_t number);
void index_end(struct pp_pool *pool); /* it has no chunk any more, and is freed; lock not needed */

#endif
