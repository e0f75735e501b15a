/*
 * find.h - pages by an address or an IOVA that lies in them. Uses pool.h. Lock held.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_FIND_H
#define POOL_FIND_H

#include "pool/pool.h"

#define FIND_ALL (PP_FIND_ADDR | PP_FIND_IOVA)

/* Room in the tables for chunks in n slots from lo on. 0; -ENOMEM. */
int find_begin(const struct pp_pool *pool, const struct span *span, unsigned lo, unsigned n);
/* A chunk's pages are found from now on, or are no more. */
void find_add(const struct pp_chunk *c);
void find_remove(const struct pp_chunk *c);
/* Bytes of the tables that a chunk takes. */
size_t find_bytes(const struct pp_pool *pool);

#endif
