/*
 * holders.h - debug mode `pages`: who holds each page in flight, and the misuse that it finds. Uses
 * pool.h. place: the caller's code address.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_HOLDERS_H
#define POOL_HOLDERS_H

#include "pool/pool.h"

void watch_get(struct pp_page *page, const void *place); /* lock held */
/* Before a page comes home. False: it is home already, and must not come again. */
bool watch_put(struct pp_page *page, const void *place);
/* Is the caller allowed to get? An errno if there is no going on. Lock held. */
int watch_caller(struct pp_pool *pool, const void *place);
/* True, and told, if it is a signal's handler that has interrupted a call with a lock. */
bool watch_handler(struct pp_pool *pool, const char *what, const void *place);
/* True, and told of, if it is the use of a pool that has been destroyed. */
bool watch_destroyed(const struct pp_pool *pool, const char *what, const void *place);
/* The same of one that has gone: for the calls that are allowed on a zombie. */
bool watch_gone(const struct pp_pool *pool, const char *what, const void *place);
/* Has anybody written to a free page of it? Before its memory goes; lock held. */
void watch_chunk(struct pp_chunk *c);
/*
 * The same of a pool that is drained, before anybody gives the memory of its free pages back: from
 * pool_let_go on a put does so to the neighbours of its page too, and nobody looks any more.
 */
void watch_revoked(struct pp_pool *pool);
/* Keep a pool that has been freed for a while. */
void watch_bury(struct pp_pool *pool);
void watch_double_put(const struct pp_page *page, const void *place);
void watch_bad_refs(const struct pp_page *page, const char *what);
void watch_bad_frag(struct pp_pool *pool, uint32_t len, uint32_t align, const void *place);

#endif
