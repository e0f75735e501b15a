/*
 * peak.h - the most pages that a pool had in flight at a time. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_PEAK_H
#define POOL_PEAK_H

#include "pool/pool.h"

/* Who gets has found its cache empty; or has taken pages past it. Lock held, if it has getters. */
void peak_look(struct pp_pool *pool);
void peak_look_past(struct pp_pool *pool);
/*
 * Pages come home, other than through a cache or rings that were full: before they do. Any thread.
 */
void peak_home(struct pp_pool *pool, uint64_t n);
/* Some of them didn't. */
void peak_not_home(struct pp_pool *pool, uint64_t n);
/* The peak so far, brought up to date. Lock held. */
uint64_t peak_read(struct pp_pool *pool);

#endif
