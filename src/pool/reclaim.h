/*
 * reclaim.h - what happens to complete chunks and to idle ones. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_RECLAIM_H
#define POOL_RECLAIM_H

#include "pool/pool.h"

/* ---- the pool's lock: who gives it up looks at complete chunks ------------------------- */

void pool_lock(struct pp_pool *pool);
void pool_unlock(struct pp_pool *pool); /* the caller holds a reference or the handle */
/* Work off the stack of complete chunks, unless another thread is doing so. No lock needed. */
void pool_try_reclaim(struct pp_pool *pool);
/*
 * For one signal handler at a time: it neither waits for the lock, nor can it free what a put
 * leaves on the stack of complete chunks meanwhile. So a zombie's put waits for the lock then, and
 * the handler ends when pool_look_is_waited_for.
 */
bool pool_look_begin(struct pp_pool *pool); /* false: somebody has the lock */
void pool_look_end(struct pp_pool *pool);
bool pool_look_is_waited_for(const struct pp_pool *pool);

/* ---- lock held ------------------------------------------------------------------------- */

/* Take the complete chunks off their stack: free them, or list them as idle and trim. */
void pool_reclaim_complete(struct pp_pool *pool);
/* Free chunks that are trimmed and invalidated, so many at most. */
void pool_free_spent(struct pp_pool *pool, uint32_t most);
/*
 * Free idle and fresh chunks until at most keep of them are left, or what is reserved, and complete
 * every deferred invalidation.
 */
void pool_shrink(struct pp_pool *pool, uint64_t keep);
/* The number of idle chunks, and its limit. */
uint64_t pool_idle(const struct pp_pool *pool);
uint64_t pool_idle_limit(const struct pp_pool *pool);
/* A chunk is in use that was idle. */
void pool_use_rose(struct pp_pool *pool);
/* The owner has found its cache empty. Lock not held. */
void pool_round_look(struct pp_pool *pool);

#endif
