/*
 * grow.h - how a pool grows. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_GROW_H
#define POOL_GROW_H

#include "pool/pool.h"

/* POOL_GROW chunks at most. 0 or what pp_page_get returns; lock held. */
int pool_grow(struct pp_pool *pool);

#endif
