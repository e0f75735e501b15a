/*
 * frag.h - fragments: the page that they are cut from. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_FRAG_H
#define POOL_FRAG_H

#include "pool/pool.h"

/* References that an open page has: more than it has bytes, which are 1 GiB at most. */
#define FRAG_STOCK (1u << 31)

/* Drop the references that are held of it still. */
void frag_close_page(struct pp_page *page, uint32_t held);
/* The owner, lock not held: the open page goes home with the last of its fragments. */
void frag_close(struct pp_pool *pool);

#endif
