/*
 * owner.h - who owns a pool, and the list of all pools. Uses pool.h.
 *
 * A pool's owner has an anchor (pagepool/inline/fast.h): the cache, and the flag that its users
 * look at last. So has each getter (getter.h). Anchors outlive pools.
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
	int (*get)(struct pp_page **out, struct pp_pool *pool, struct pp_anchor *anchor, bool grow,
		   const void *caller); /* as anchor_get_slow */
	void (*pop_raced)(struct pp_anchor *anchor, uint32_t n);
	void (*put_raced)(struct pp_anchor *anchor); /* as push_raced */
	int (*frag_raced)(struct pp_pool *pool, uint32_t k);
	int (*getter_create)(struct pp_getter **out, struct pp_pool *pool);
	void (*getter_destroy)(struct pp_getter *getter);
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
 *   TAKEN <-------> OPEN ---------> LEFT     another thread owns the pool: nobody would take what
 *     |              |               |       is put here
 *     |              v               |
 *     +---------> REVOKED <----------+
 *                    ^
 *                 TRACKED                    debug mode `pages`: never open
 *
 * TAKEN: other threads took pages; its thread opens it again when it sees that (take.h). When the
 * anchor is used again, anchor_open() starts over. Anything but OPEN is closed: gets and puts go
 * through the chunk, and a push or pop that sees it continues in one of revoke.h's *_raced.
 *
 * Three bits go with these and close nothing (revoke.h, "waiting"). ANCHOR_WAITED, of the owner's
 * anchor: a get has failed, and the next put is to tell. Who takes it away tells, unless it is who
 * set it; and that one does if there is ANCHOR_MORE: another get has failed meanwhile. ANCHOR_ASK,
 * of the other anchors: a put here is to look at the owner's.
 */
enum {
	ANCHOR_OPEN = 0,
	ANCHOR_WAITED = 1,
	ANCHOR_REVOKED = 2,
	ANCHOR_LEFT = 4,
	ANCHOR_TRACKED = 8,
	ANCHOR_TAKEN = 16,
	ANCHOR_ASK = 32,
	ANCHOR_MORE = 64
};
#define ANCHOR_WAITING ((uint32_t)(ANCHOR_WAITED | ANCHOR_ASK | ANCHOR_MORE))

static inline bool anchor_is_open(const struct pp_anchor *anchor)
{
	return env_likely(!(env_load_relaxed(&anchor->revoked) & ~ANCHOR_WAITING));
}

/* Puts that found this anchor use the remote frees. */
static inline bool anchor_takes_remote(const struct pp_anchor *anchor)
{
	return env_likely(!(env_load_relaxed(&anchor->revoked) &
			    (ANCHOR_REVOKED | ANCHOR_LEFT | ANCHOR_TRACKED)));
}

#define ANCHOR_NOBODY UINT64_MAX /* no thread's number */

/* Is it the calling thread's? */
static inline bool anchor_is_own(const struct pp_anchor *anchor)
{
	return env_is_self(env_load_relaxed(&anchor->owner));
}

/* All that a pool ever had. None leaves before the pool is freed: so the lock isn't needed. */
static inline struct pp_anchor *first_anchor(const struct pp_pool *pool)
{
	return env_load_acquire(&pool->anchors);
}

/* Is there a getter, or was there one? */
static inline bool has_getters(const struct pp_pool *pool)
{
	return env_unlikely(env_load_relaxed(&pool->has_getters));
}

/* A getter has it: the others are the owner's, and those that were left. */
static inline bool anchor_is_getters(const struct pp_anchor *anchor)
{
	return env_load_relaxed(&anchor->getter);
}

/* The calling thread's, one of them; NULL: it has neither the pool nor a getter of it. */
static inline struct pp_anchor *own_anchor(struct pp_pool *pool)
{
	struct pp_anchor *anchor = pool_anchor(pool);

	if (!has_getters(pool))
		return anchor_is_own(anchor) ? anchor : NULL;
	anchor = first_anchor(pool);
	while (anchor && !anchor_is_own(anchor))
		anchor = anchor->next;
	return anchor;
}

/* One more anchor for the pool, with an empty cache. */
int anchor_get(struct pp_anchor **out, struct pp_pool *pool);
void anchors_put(struct pp_pool *pool); /* all of the pool's, which is being freed */
/* One that the calling thread may have, which isn't in a put to it. NULL: no memory. Lock held. */
struct pp_anchor *anchor_for(struct pp_pool *pool);
/* Make it the calling thread's, and open it. What was in the cache has been drained. */
void anchor_open(struct pp_pool *pool, struct pp_anchor *anchor);
/* It is nobody's any more. The calling thread's; its cache is empty. */
void anchor_disown(struct pp_anchor *anchor);
/* The pool behind it, with a reference; NULL: it has gone. */
struct pp_pool *anchor_pool(struct pp_anchor *anchor);
void anchors_thread_ends(struct env_thread *thread);
/* An anchor of the calling thread's that is a getter's; NULL: there is none. */
struct pp_anchor *anchors_next_getter(struct env_thread *thread);
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
