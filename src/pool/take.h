/*
 * take.h - pages that lie in other threads' caches, for a get that finds none elsewhere. Uses
 * cache.h.
 *
 * A cache is its thread's: so what is taken from it is taken as a revocation does (revoke.h), and
 * the thread goes on with the rest.
 *
 *   thread:       change the cache; light barrier; load anchor->revoked
 *   (revoke_seen) taker, lock:  set ANCHOR_TAKEN; heavy barrier; take the oldest pages, count them
 *   in `taken`
 *
 * The counts are the thread's, and stay as they are: what is in the cache is their difference
 * less `taken`, and these slots, the lowest, are NULL. The thread's next pop sees the flag, waits
 * for the lock, is taken back, and what is left is moved down to the bottom and the cache opened
 * again (cache_settle). A push does that too, if the lock is free; else the next call does. Until
 * then more may be taken, without another barrier: it can have pushed only, and one pop that it
 * is going to take back; a revocation drains the cache as any. It has a model,
 * tests/model/take.pml.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_TAKE_H
#define POOL_TAKE_H

#include "pool/cache.h"

/* Pages in a cache that others can take; less than 0 as long as a pop isn't taken back. */
static inline int64_t cache_left(const struct pp_anchor *anchor)
{
	return (int64_t)(env_load_relaxed(&anchor->pushed) - env_load_relaxed(&anchor->popped) -
			 env_load_relaxed(&anchor->taken));
}

/* Have others taken pages, and its thread hasn't opened it again? */
static inline bool is_taken_from(const struct pp_anchor *anchor)
{
	return env_load_relaxed(&anchor->revoked) & ANCHOR_TAKEN;
}

/* Has any cache but this one pages that can be taken? */
bool others_have_some(const struct pp_pool *pool, const struct pp_anchor *own);
/*
 * Take up to n pages from all caches but this one: the older half of each, so that their threads
 * needn't come at once to do the same. Lock held.
 */
unsigned take_from_others(struct pp_pool *pool, const struct pp_anchor *own, struct pp_page **out,
			  unsigned n);
/*
 * Of a cache that others took from, or that was drained: its counts say again what is in it, and it
 * is open. The anchor's thread, or the next one that has it. Lock held.
 */
void cache_settle(struct pp_pool *pool, struct pp_anchor *anchor);

#endif
