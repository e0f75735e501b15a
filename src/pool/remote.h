/*
 * remote.h - puts by other threads: every put that the inline one doesn't handle, and the remote
 * frees, from which the owner takes. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_REMOTE_H
#define POOL_REMOTE_H

#include "pool/pool.h"

/*
 * Pages of one pool whose last references are gone. Any thread; also another copy of the library.
 */
void put_pages(struct pp_page *const *pages, unsigned n, const void *caller);
/* pp_page_put_batch for pages that do not go straight into the caller's cache. */
void remote_put_batch(struct pp_page *const *pages, unsigned n, const void *caller);

/*
 * The one consumer (getter.c): take up to n; are there any, with the lock, so that nobody else is
 * it; and are there fewer than POOL_FEW, going by the hints?
 */
unsigned remote_take(struct pp_pool *pool, struct pp_page **out, unsigned n);
bool remote_has_some(struct pp_pool *pool);
bool remote_is_low(struct pp_pool *pool);

uint64_t remote_count(struct pp_pool *pool);       /* pages there now, about */
uint64_t remote_total(struct pp_pool *pool);       /* pages that ever went that way */
uint64_t remote_taken(struct pp_pool *pool);       /* of these, that were taken */
uint64_t remote_bytes(const struct pp_pool *pool); /* of the SPSC rings */

/* The calling thread ends: its SPSC rings are free for others. */
void remote_thread_ends(struct env_thread *thread);
void remote_end(struct pp_pool *pool); /* the pool: nobody has a reference */
void remote_hold(void);                /* over a fork */
void remote_release(void);

#endif
