/*
 * budget.h - a limit that several pools share (pp_pool_params.budget). A pool without one has no
 * such limit. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_BUDGET_H
#define POOL_BUDGET_H

#include "pool/pool.h"

/* A pool is made with a budget, or is freed. */
void budget_join(struct pp_pool *pool);
void budget_leave(struct pp_pool *pool);
/* Take room for up to so many chunks. Returns for how many; 0: there is none. Any thread. */
uint32_t budget_take(struct pp_pool *pool, uint32_t chunks);
/* Chunks that were taken for have gone, or have not come. Any thread. */
void budget_give(struct pp_pool *pool, uint32_t chunks);

#endif
