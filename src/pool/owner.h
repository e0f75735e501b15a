/*
 * owner.h - who owns a pool, and the list of all pools. Uses pool.h.
 *
 * A pool's owner has an anchor (pagepool/inline/fast.h): the cache, and the flag that its users
 * look at last. Anchors outlive pools.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_OWNER_H
#define POOL_OWNER_H

#include "pool/pool.h"

/* ---- copies of the library in one process ---------------------------------------------- */

/*
 * Pages travel, also to code that calls another copy of the library (one in the program, one in a
 * plug-in). A copy that meets another one's pool leaves to that one whatever takes more than page,
 * anchor and pool. No two copies give out the same number for an anchor or a thread (env.h), so the
 * fast paths need not ask: to them it is a page of a pool that isn't theirs.
 */
struct pp_copy {
	void (*put)(struct pp_page *const *pages, unsigned n,
		    const void *caller); /* as put_pages */
	int (*get)(struct pp_page **out, struct pp_pool *pool, bool grow,
		   const void *caller);              /* as page_get_slow */
	void (*get_raced)(struct pp_pool *pool);     /* as pp_page_get_raced */
	void (*put_raced)(struct pp_anchor *anchor); /* as push_raced */
	int (*frag_raced)(struct pp_pool *pool, struct pp_page *page, uint32_t users, uint32_t k);
};
extern const struct pp_copy pool_copy; /* this one */

static inline bool anchor_is_foreign(const struct pp_anchor *anchor)
{
	return env_unlikely(anchor->copy != &pool_copy);
}

/* ---- anchors ----------------------------------------------------------------------------- */

/*
 * anchor->revoked: is the cache open? Changed under the pool's lock, relaxed; every use of cache
 * and remote frees looks at it last (revoke.h).
 *
 *   OPEN ---------> LEFT       another thread owns the pool: nobody would take what is put here
 *     |              |
 *     |              v
 *     +---------> REVOKED <--- TRACKED    debug mode `pages`: never open
 *
 * When the anchor is used again, anchor_open() starts over. Anything but OPEN is closed: gets and
 * puts go through the chunk, and a push or pop that sees it continues in one of revoke.h's *_raced.
 *
 * With OPEN or TRACKED goes a bit, ANCHOR_WAITED: a get has failed, and the next put is to tell. It
 * is set by the owner, and who takes it away again tells (revoke.h, "waiting"). It closes nothing.
 * With LEFT it sends a put that found the old anchor to the owner's, to look there.
 */
enum {
	ANCHOR_OPEN = 0,
	ANCHOR_WAITED = 1,
	ANCHOR_REVOKED = 2,
	ANCHOR_LEFT = 4,
	ANCHOR_TRACKED = 8
};

static inline bool anchor_is_open(const struct pp_anchor *anchor)
{
	return env_likely(!(env_load_relaxed(&anchor->revoked) & ~(uint32_t)ANCHOR_WAITED));
}

#define ANCHOR_NOBODY UINT64_MAX /* no thread's number */

/* Is the calling thread the owner? */
static inline bool anchor_is_own(const struct pp_anchor *anchor)
{
	return env_is_self(env_load_relaxed(&anchor->owner));
}

/* One more anchor for the pool, in the state in which its last user left it. */
int anchor_get(struct pp_anchor **out, struct pp_pool *pool);
void anchors_put(struct pp_pool *pool); /* all of the pool's, which is being freed */
/* Make it the calling thread's, which isn't in a put to it, and open it, with so many popped. */
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
