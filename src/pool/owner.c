/*
 * owner.c - whose a pool is: the anchors, which outlive it, so that a put may look at one last;
 * changing the owner; and the list of all pools.
 *
 * The owner's cache is in its anchor, so that neither get nor put need look for it. An anchor takes
 * some 4 KiB. It is used again for later pools, so there are as many as pools and owners at the
 * busiest moment, and freed when the library is unloaded.
 *
 * An anchor's number is in its pool's pages, and tells a thread that a page is of its own pool.
 * There may be other copies of the library in the process, with pages of their own: so no two of
 * them give out the same number (env_number_of).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/owner.h"

#include "pool/cache.h"
#include "pool/getter.h"
#include "pool/known.h"
#include "pool/notice.h"
#include "pool/reclaim.h"
#include "pool/remote.h"
#include "pool/revoke.h"
#include "pool/take.h"

const struct pp_copy pool_copy = {
	.put = put_pages,
	.get = anchor_get_slow,
	.pop_raced = pop_raced,
	.put_raced = push_raced,
	.frag_raced = frag_raced,
	.getter_create = pp_getter_create,
	.getter_destroy = pp_getter_destroy,
};

static struct {
	/* Protects everything here, the anchors' pool and thread, and the registry. */
	struct env_lock lock;
	struct pp_anchor *free;
	struct list registry;
} anchors = { .lock = ENV_LOCK_INIT, .registry = { &anchors.registry, &anchors.registry } };

static struct pp_anchor *anchor_new(void)
{
	struct pp_anchor *anchor;

	_Static_assert(sizeof *anchor <= ENV_NUMBERED, "an anchor fits");
	if (env_alloc_numbered((void **)&anchor, sizeof *anchor))
		return NULL;
	anchor->copy = &pool_copy;
	return anchor;
}

/* While the process ends threads may still put, and look at anchors. */
static __attribute__((destructor)) void free_anchors(void)
{
	while (env_unloads() && anchors.free) {
		struct pp_anchor *anchor = anchors.free;

		anchors.free = anchor->next;
		env_free_numbered(anchor);
	}
}

int anchor_get(struct pp_anchor **out, struct pp_pool *pool)
{
	struct pp_anchor *anchor;

	env_lock(&anchors.lock);
	anchor = anchors.free;
	if (anchor)
		anchors.free = anchor->next;
	else
		anchor = anchor_new();
	if (anchor) {
		env_store_relaxed(&anchor->number,
				  pool->anchor ? pool->anchor->number : env_number_of(anchor));
		env_store_relaxed(&anchor->pushed, 0);
		env_store_relaxed(&anchor->popped, 0);
		env_store_relaxed(&anchor->taken, 0);
		anchor->pool = pool;
		anchor->next = pool->anchors;
		env_store_release(&pool->anchors, anchor); /* pairs with first_anchor */
	}
	*out = anchor; /* before anyone can find the pool by it */
	env_unlock(&anchors.lock);
	return anchor ? 0 : -ENOMEM;
}

/* ---- a thread and its anchors ------------------------------------------------------------ */

static struct hlist_node *thread_link(struct pp_anchor *anchor)
{
	_Static_assert(sizeof anchor->of_thread == sizeof(struct hlist_node), "it is one");
	return (struct hlist_node *)anchor->of_thread;
}

static struct pp_anchor *anchor_at(struct hlist_node *link)
{
	return env_container_of((void **)link, struct pp_anchor, of_thread[0]);
}

/* The anchor is the calling thread's. */
static void anchor_own(struct pp_anchor *anchor)
{
	struct env_thread *thread = env_thread(); /* NULL: nobody will hear of its end */

	env_lock(&anchors.lock);
	hlist_del(thread_link(anchor));
	if (thread) {
		known_begin(thread);
		hlist_add(thread_link(anchor), &thread->anchors);
		thread->at_end = pool_thread_ends;
	}
	env_store_relaxed(&anchor->owner, env_self());
	env_store_relaxed(&anchor->user, env_self());
	env_unlock(&anchors.lock);
}

/* The cache of a pool that is tracked or revoked stays closed. */
void anchor_open(struct pp_pool *pool, struct pp_anchor *anchor)
{
	anchor_own(anchor);
	if (!pool_is_over(pool))
		cache_settle(pool, anchor);
	env_store_relaxed(&anchor->revoked, pool_is_over(pool) ? ANCHOR_REVOKED :
					    pool->tracked      ? ANCHOR_TRACKED :
								 ANCHOR_OPEN);
}

static void disown(struct pp_anchor *anchor)
{
	hlist_del(thread_link(anchor));
	env_store_relaxed(&anchor->getter, 0);
	env_store_relaxed(&anchor->owner, ANCHOR_NOBODY);
	env_store_release(&anchor->user, ANCHOR_NOBODY); /* its puts came before */
}

void anchor_disown(struct pp_anchor *anchor)
{
	env_lock(&anchors.lock);
	disown(anchor);
	env_unlock(&anchors.lock);
}

/* The thread is in no put any more, so its anchors may become another thread's. */
void anchors_thread_ends(struct env_thread *thread)
{
	env_lock(&anchors.lock);
	while (thread->anchors)
		disown(anchor_at(thread->anchors));
	env_unlock(&anchors.lock);
}

struct pp_anchor *anchors_next_getter(struct env_thread *thread)
{
	struct pp_anchor *found = NULL;

	env_lock(&anchors.lock);
	for (struct hlist_node *at = thread->anchors; at && !found; at = at->next) {
		struct pp_anchor *anchor = anchor_at(at);

		if (anchor_is_getters(anchor))
			found = anchor;
	}
	env_unlock(&anchors.lock);
	return found;
}

/* ---- owners ---------------------------------------------------------------------------- */

void owner_first(struct pp_pool *pool)
{
	anchor_open(pool, pool->anchor);
	known_forget();
}

/* No other thread is or will be in a put to its cache. */
static bool is_free_for(const struct pp_anchor *anchor, uint64_t self)
{
	uint64_t user = env_load_acquire(&anchor->user); /* pairs with anchors_thread_ends */

	return user == ANCHOR_NOBODY || user == self;
}

/* It is in no use: the owner's is, whether or not its thread has ended, and each getter's. */
static bool is_spare(struct pp_pool *pool, const struct pp_anchor *anchor, uint64_t self)
{
	return anchor != pool->anchor && !anchor_is_getters(anchor) && is_free_for(anchor, self);
}

struct pp_anchor *anchor_for(struct pp_pool *pool)
{
	struct pp_anchor *anchor = pool->anchors;
	uint64_t self = env_self();

	while (anchor && !is_spare(pool, anchor, self))
		anchor = anchor->next;
	if (!anchor)
		anchor_get(&anchor, pool);
	return anchor;
}

static int own_locked(struct pp_pool *pool, bool *tell)
{
	struct pp_anchor *anchor = pool->anchor, *new;
	uint64_t self = env_self();

	if (env_load_relaxed(&anchor->owner) == self)
		return 0;
	/* where there never was a page, or the cache is closed, no put to it can be in progress */
	if (is_free_for(anchor, self) || !(pool->n_chunks + pool->n_released) || pool->tracked) {
		anchor_own(anchor);
		return 0;
	}
	new = anchor_for(pool);
	if (!new)
		return -ENOMEM;
	*tell = revoke_left(pool, anchor, new);
	pool->peak_due = 0; /* it was by the last one's count */
	return 0;
}

int owner_change(struct pp_pool *pool)
{
	bool tell = false;
	int ret;

	pool_lock(pool);
	ret = own_locked(pool, &tell);
	pool_unlock(pool);
	if (tell) /* what the last owner waited for is the next one's */
		notice_call(pool->anchor->number);
	known_forget();
	return ret;
}

/* ---- all pools ------------------------------------------------------------------------- */

void pool_publish(struct pp_pool *pool)
{
	env_lock(&anchors.lock);
	list_add_tail(&pool->registry, &anchors.registry);
	env_unlock(&anchors.lock);
}

/*
 * The flags stay up: a put that comes late finds no pool behind its anchor. The anchors get no
 * owner: otherwise the last one might take a page of the next pool with that number for one of its
 * own.
 */
void anchors_put(struct pp_pool *pool)
{
	struct pp_anchor *anchor;

	env_lock(&anchors.lock);
	list_del(&pool->registry);
	while ((anchor = pool->anchors)) {
		pool->anchors = anchor->next;
		hlist_del(thread_link(anchor));
		env_store_relaxed(&anchor->owner, ANCHOR_NOBODY);
		/* here and not when it is used again: the number may be before that */
		env_store_relaxed(&anchor->epoch, anchor->epoch + 1);
		anchor->pool = NULL;
		anchor->next = anchors.free;
		anchors.free = anchor;
	}
	env_unlock(&anchors.lock);
}

struct pp_pool *anchor_pool(struct pp_anchor *anchor)
{
	struct pp_pool *pool;

	env_lock(&anchors.lock);
	pool = anchor->pool;
	if (pool && !pool_ref_unless_gone(pool))
		pool = NULL;
	env_unlock(&anchors.lock);
	return pool;
}

/* Over a fork: the lock; in between the caller does what it must to the pools. */
void anchors_hold(void)
{
	env_lock(&anchors.lock);
}

void anchors_release(void)
{
	env_unlock(&anchors.lock);
}

void anchors_each_pool(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx)
{
	list_for_each(pos, &anchors.registry)
		fn(list_entry(pos, struct pp_pool, registry), ctx);
}

/* The first pool after pos that isn't being freed, with a reference, or NULL. Lock held. */
static struct pp_pool *next_pool(struct list *pos)
{
	while ((pos = pos->next) != &anchors.registry) {
		struct pp_pool *pool = list_entry(pos, struct pp_pool, registry);

		if (pool_ref_unless_gone(pool))
			return pool;
	}
	return NULL;
}

void pools_each(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx)
{
	struct pp_pool *pool, *next;

	env_cancel_off(); /* or a reference would be left */
	env_lock(&anchors.lock);
	pool = next_pool(&anchors.registry);
	env_unlock(&anchors.lock);
	for (; pool; pool = next) {
		fn(pool, ctx);
		/* its reference keeps it in the list, until the next one has one of its own */
		env_lock(&anchors.lock);
		next = next_pool(&pool->registry);
		env_unlock(&anchors.lock);
		pool_unref(pool);
	}
	env_cancel_on();
}

int pools_try_next(uint64_t *id, void (*fn)(struct pp_pool *pool, void *ctx), void *ctx)
{
	struct pp_pool *next = NULL;

	if (!env_trylock(&anchors.lock))
		return -EBUSY;
	list_for_each(pos, &anchors.registry) {
		struct pp_pool *pool = list_entry(pos, struct pp_pool, registry);

		if (pool->id > *id && (!next || pool->id < next->id))
			next = pool;
	}
	if (next) {
		*id = next->id;
		fn(next, ctx);
	}
	env_unlock(&anchors.lock);
	return next ? 1 : 0;
}
