/*
 * getter.h - getters: threads that get from a pool without owning it, each by an anchor of its own.
 * Uses owner.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_GETTER_H
#define POOL_GETTER_H

#include "pool/owner.h"

/*
 * Do the remote frees belong to whoever has the lock? Acquire: pairs with the release in
 * take_remote; the rings' heads are as it left them.
 */
static inline bool remote_is_ours(const struct pp_pool *pool)
{
	return has_getters(pool) && !env_load_acquire(&pool->refilling);
}

/* It is the calling thread's. False, and told: it isn't; or NULL. */
bool getter_is_usable(const struct pp_getter *getter, const void *caller);
/* The calling thread ends: its getters go, and what is in their caches comes home. */
void getters_thread_ends(struct env_thread *thread);
/*
 * In a child of fork: those of the threads that aren't there go. Others take what is in the caches.
 */
void getters_of_others_end(struct pp_pool *pool, void *ctx);

#endif
