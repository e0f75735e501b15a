/*
 * getter.c - getters: threads that get from a pool without owning it, each by an anchor of its own,
 * which is the handle. Cache, refill and puts are those of the owner (cache.c).
 *
 * A pool that had a getter once has `has_getters` set for good. The remote frees have one consumer
 * at a time: in such a pool whoever has the pool's lock. The owner of any other pool takes from
 * them without the lock, and looks first whether there are getters by now (take_remote); a getter
 * leaves them alone while the owner is at that for the last time.
 *
 * A getter has a reference to its pool: so its calls find a pool, revoked or destroyed.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/getter.h"

#include "env/debug.h"
#include "pool/cache.h"
#include "pool/holders.h"
#include "pool/known.h"
#include "pool/reclaim.h"

/* ---- create, destroy --------------------------------------------------------------------- */

/* Lock held. */
static void has_one_now(struct pp_pool *pool)
{
	if (has_getters(pool))
		return;
	env_store_relaxed(&pool->has_getters, 1);
	env_barrier_heavy(); /* pairs with the light one in take_remote */
}

/* Puts of the new getter's thread are to tell, too, if a get is waiting already. Lock held. */
static int create_locked(struct pp_anchor **out, struct pp_pool *pool)
{
	struct pp_anchor *anchor;

	if (pool_is_over(pool))
		return -ENODEV;
	anchor = anchor_for(pool);
	if (!anchor)
		return -ENOMEM;
	pool_ref(pool); /* first: a fork may come at any point */
	anchor_open(pool, anchor);
	env_store_relaxed(&anchor->getter, 1);
	if (env_load_relaxed(&pool->anchor->revoked) & ANCHOR_WAITED)
		env_or_relaxed(&anchor->revoked, ANCHOR_ASK);
	has_one_now(pool);
	*out = anchor;
	return 0;
}

int pp_getter_create(struct pp_getter **out, struct pp_pool *pool)
{
	struct pp_anchor *anchor = NULL;
	int ret;

	if (!out)
		return debug_invalid("pp_getter_create: there is nowhere to store the getter");
	*out = NULL;
	if (!pool)
		return debug_invalid("pp_getter_create: there is no pool");
	if (misuse_destroyed(pool, "a getter was asked for", __builtin_return_address(0)))
		return -ENODEV;
	if (anchor_is_foreign(pool_anchor(pool)))
		return pool_anchor(pool)->copy->getter_create(out, pool);
	pool_lock(pool);
	ret = create_locked(&anchor, pool);
	pool_unlock(pool);
	if (ret)
		return ret;
	known_forget();
	if (anchor_is_open(anchor))
		own_inline(anchor);
	*out = env_container_of(anchor, struct pp_getter, anchor);
	return 0;
}

/* The calling thread's. In a pool that is over the cache is drained, or will be. */
static void end(struct pp_anchor *anchor)
{
	struct pp_pool *pool = anchor->pool;

	if (!pool_is_over(pool))
		cache_empty(pool, anchor);
	anchor_disown(anchor);
	pool_unref(pool);
}

/*
 * Anchors outlive pools and getters: so whose it is can always be asked; of this copy's, that is.
 */
bool getter_is_usable(const struct pp_getter *getter, const void *caller)
{
	if (getter && (anchor_is_own(&getter->anchor) || anchor_is_foreign(&getter->anchor)))
		return true;
	misuse_getter(caller);
	return false;
}

void pp_getter_destroy(struct pp_getter *getter)
{
	if (!getter)
		return;
	if (!getter_is_usable(getter, __builtin_return_address(0)))
		return;
	if (anchor_is_foreign(&getter->anchor)) {
		getter->anchor.copy->getter_destroy(getter);
	} else {
		end(&getter->anchor);
		known_forget();
	}
}

void getters_thread_ends(struct env_thread *thread)
{
	struct pp_anchor *anchor;

	while ((anchor = anchors_next_getter(thread)))
		end(anchor);
}

void getters_of_others_end(struct pp_pool *pool, void *ctx)
{
	(void)ctx;
	for (struct pp_anchor *a = first_anchor(pool); a; a = a->next)
		if (anchor_is_getters(a) && !anchor_is_own(a)) {
			anchor_disown(a);
			pool_unref(pool); /* the caller has a reference, too */
		}
}

/* ---- get ----------------------------------------------------------------------------------- */

/* The flag was seen after a pop, or the cache is empty. */
int pp_getter_get_slow(struct pp_page **out, struct pp_getter *getter, bool raced)
{
	struct pp_anchor *anchor = &getter->anchor;

	*out = NULL;
	if (!getter_is_usable(getter, __builtin_return_address(0)))
		return -EINVAL;
	if (raced)
		pop_raced(anchor, 1);
	return anchor_get_slow(out, anchor->pool, anchor, true, __builtin_return_address(0));
}

/* For whoever doesn't inline it. */
int pp_getter_get(struct pp_page **out, struct pp_getter *getter)
{
	int popped = pp_fast_pop(out, &getter->anchor);

	return popped > 0 ? 0 : pp_getter_get_slow(out, getter, popped < 0);
}
