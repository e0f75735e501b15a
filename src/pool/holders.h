/*
 * holders.h - debug mode `pages`: who holds each page in flight, and the misuse that it finds. Uses
 * pool.h. caller: the caller's code address.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_HOLDERS_H
#define POOL_HOLDERS_H

#include "pool/pool.h"

void holders_got(struct pp_page *page, const void *caller); /* lock held */
/* Before a page comes home. False: it is home already, and must not come again. */
bool holders_put(struct pp_page *page, const void *caller);
/* Is the caller allowed to get by it? An errno if there is no going on. Lock held. */
int misuse_get(struct pp_pool *pool, const struct pp_anchor *anchor, const void *caller);
/* What only the owner may do was done: tell, if it wasn't by the owner. */
void misuse_owner(struct pp_pool *pool, const char *what, const void *caller);
/* A getter that isn't the calling thread's is used. */
void misuse_getter(const void *caller);
/* True, and told, if it is a signal's handler that has interrupted a call with a lock. */
bool misuse_handler(struct pp_pool *pool, const char *what, const void *caller);
/* True, and told of, if it is the use of a pool that has been destroyed. */
bool misuse_destroyed(const struct pp_pool *pool, const char *what, const void *caller);
/* The same of one that has gone: for the calls that are allowed on a zombie. */
bool misuse_gone(const struct pp_pool *pool, const char *what, const void *caller);
/* Has anybody written to a free page of it? Before its memory goes; lock held. */
void holders_check(struct pp_chunk *c);
/*
 * The same of a pool that is drained, before anybody gives the memory of its free pages back: from
 * pool_drop_holds on a put does so to the neighbours of its page too, and nobody looks any more.
 */
void holders_check_all(struct pp_pool *pool);
/* Keep a pool that has been freed for a while. */
void holders_bury(struct pp_pool *pool);
void misuse_double_put(const struct pp_page *page, const void *caller);
void misuse_refs(const struct pp_page *page, const char *what, const void *caller);
void misuse_frag(struct pp_pool *pool, uint32_t len, uint32_t align, const void *caller);

#endif
