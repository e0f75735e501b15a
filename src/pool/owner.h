/*
 * owner.h - whose a pool is, and the list of all pools. Uses pool.h.
 *
 * A pool's owner has an anchor (pagepool/fast.h): the cache, and the flag that its users look at last.
 * Anchors outlive pools.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_OWNER_H
#define POOL_OWNER_H

#include "pool/pool.h"

/* ---- copies of the library in one process ---------------------------------------------- */

/*
 * Pages travel, also to where another copy of the library is called (one in the program, one in a
 * plug-in). Whoever meets a pool of another one lets that do what isn't done by page, anchor and
 * pool alone. No number of an anchor or thread is given by two copies (env.h), so the fast paths need
 * not ask: to them it is a page of a pool that isn't theirs.
 */
struct pp_copy {
	void (*put)(struct pp_page *const *pages, unsigned n,
		    const void *caller); /* as put_pages */
	int (*get)(struct pp_page **out, struct pp_pool *pool,
		   const void *caller);              /* as page_get_slow */
	void (*get_raced)(struct pp_pool *pool);     /* as pp_page_get_raced */
	void (*put_raced)(struct pp_anchor *anchor); /* as push_raced */
	int (*frag_raced)(struct pp_pool *pool, struct pp_page *page, uint32_t users);
};
extern const struct pp_copy pool_copy; /* this one */

static inline bool anchor_is_foreign(const struct pp_anchor *anchor)
{
	return env_unlikely(anchor->copy != &pool_copy);
}

/* ---- anchors ----------------------------------------------------------------------------- */

/*
 * anchor->revoked: is the cache open? Changed under the pool's lock, relaxed; every use of cache and
 * remote frees looks at it last (revoke.h).
 *
 *   OPEN ---------> LEFT       another thread owns the pool: what is put here nobody would take
 *     |              |
 *     |              v
 *     +---------> REVOKED <--- WATCHED    debug mode `pages`: open never
 *
 * When the anchor is used again, anchor_open() begins anew. Not OPEN is closed: gets and puts go the
 * way of the chunk, and who sees it after a push or a pop is one of revoke.h's *_raced.
 */
enum { ANCHOR_OPEN, ANCHOR_REVOKED, ANCHOR_LEFT, ANCHOR_TRACKED };

static inline bool anchor_is_open(const struct pp_anchor *anchor)
{
	return env_likely(env_load_relaxed(&anchor->revoked) == ANCHOR_OPEN);
}

#define ANCHOR_NOBODY UINT64_MAX /* no thread's number */

/* Is the calling thread the owner? */
static inline bool anchor_is_own(const struct pp_anchor *anchor)
{
	return env_is_self(env_load_relaxed(&anchor->owner));
}

/* One more for the pool, as it was left. */
int anchor_get(struct pp_anchor **out, struct pp_pool *pool);
void anchors_put(struct pp_pool *pool); /* all of the pool's: it goes */
/* The calling thread's, who isn't in a put to it, open from now on, with so many pages popped. */
void anchor_open(struct pp_pool *pool, struct pp_anchor *anchor, uint64_t popped);
/* The pool behind it, with a reference; NULL: it has gone. */
struct pp_pool *anchor_pool(struct pp_anchor *anchor);
void anchors_thread_ends(struct env_thread *thread);
/* Over a fork. In between: fn for every pool. */
void anchors_hold(void);
void anchors_release(void);
void anchors_each_pool(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx);

/* ---- owners ---------------------------------------------------------------------------- */

/* The calling thread owns the pool, which is known to nobody else yet. */
void owner_first(struct pp_pool *pool);
/* The caller is the owner from now on. 0; -ENOMEM: there is no anchor for it. */
int owner_change(struct pp_pool *pool);

/* ---- all pools ------------------------------------------------------------------------- */

/* From now on others find the pool: it has its anchor, and all is as in an empty one. */
void pool_publish(struct pp_pool *pool);
/* Call fn for every pool that is published, with a reference. */
void pools_each(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx);
/*
 * The same of the one pool that comes after a number, without waiting for a lock, which fn may not
 * do either. 1; 0: there is none; -EBUSY: the list is being changed.
 */
int pools_try_next(uint64_t *id, void (*fn)(struct pp_pool *pool, void *ctx), void *ctx);

#endif
