/*
 * grow.h - how a pool grows. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_GROW_H
#define POOL_GROW_H

#include "pool/pool.h"

/*
 * By `most` chunks at most, and no more than POOL_GROW. 0 or what pp_page_get returns; lock held.
 */
int pool_grow(struct pp_pool *pool, uint64_t most);

#endif
