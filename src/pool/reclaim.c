/*
 * reclaim.c - chunks of which no page is out. In a zombie they are freed; in a live pool they are
 * idle, and above a limit they are unmapped, invalidated and freed.
 *
 * A put or a get may end up here, so the work is bounded: for each chunk that has become idle, and
 * for a get that looks, at most POOL_TRIM are trimmed and at most as many freed.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/reclaim.h"

#include "pool/cache.h"
#include "pool/chunk.h"
#include "pool/discard.h"
#include "pool/frag.h"
#include "pool/holders.h"
#include "pool/span.h"

/* ---- freeing --------------------------------------------------------------------------- */

/* All of its pages are home: has the memory of all gone back? */
static bool chunk_is_discarded(const struct pp_chunk *c)
{
	return !env_load_relaxed(&c->pool->some_kept) &&
	       !memcmp(c->discarded, c->free_bits, free_words(c->n_pages) * sizeof *c->free_bits);
}

/*
 * Free its record, and its memory with the next give_back, for many at once. Nobody has a page of
 * it and no device can reach it. Model: home.pml, chunk_free.
 */
static void chunk_free(struct pp_chunk *c, struct leaving *leaving)
{
	if (leaving->span && leaving->span != c->span)
		give_back(c->pool, leaving);
	leaving->span = c->span;
	leaving->n++;
	leaving->slots |= 1ull << c->slot;
	if (!chunk_is_discarded(c))
		leaving->full |= 1ull << c->slot;
	chunk_delete(c);
}

void pool_free_spent(struct pp_pool *pool, uint32_t most)
{
	struct leaving leaving = { 0 };

	while (most--) {
		struct pp_chunk *c = pool->leaving;

		if (!c && env_load_relaxed(&pool->spent))
			c = env_xchg_acq_rel(&pool->spent, NULL);
		if (!c)
			break;
		pool->leaving = c->next_complete;
		chunk_free(c, &leaving);
	}
	if (leaving.span)
		give_back(pool, &leaving);
}

/* ---- trimming one chunk ---------------------------------------------------------------- */

/*
 * No device can reach the chunk any more. Whoever invalidated may be another pool's thread, with
 * the lock of a binding: it leaves the work to this pool, which the chunk holds until it is done.
 */
static void chunk_invalidated(struct domain_pending *pending)
{
	struct pp_chunk *c = env_container_of(pending, struct pp_chunk, pending);

	stack_push(&c->pool->spent, c, &c->next_complete);
}

/*
 * Unmap an idle chunk and free it: at once, or with a deferred invalidation, of which one device
 * may have one; the others invalidate at once. The bindings are locked.
 */
static void trim(struct pp_pool *pool, struct pp_chunk *c)
{
	struct span *span = c->span;
	pp_iova_t iova = span->iova->addr + c->slot * (pp_iova_t)pool->params.chunk_size;
	struct binding *deferred = NULL;

	holders_check(c);
	chunk_remove(pool, c);
	for (unsigned i = 0; i < POOL_DEVICES; i++) {
		struct binding *b = pool->at[i].binding;

		if (!b || !span->map[i])
			continue;
		span_unmap_slots(pool, span, b, 1ull << c->slot);
		if (deferred)
			spans_invalidate(b, iova, pool->params.chunk_size);
		else
			deferred = b;
		if (!span->live) {
			mappings_del_span(b, span->map[i]);
			span->map[i] = NULL;
		}
	}
	chunk_move(c, CHUNK_RETIRING);
	c->pending.done = chunk_invalidated;
	if (deferred)
		spans_retire(deferred, iova, pool->params.chunk_size, &c->pending);
	else
		chunk_invalidated(&c->pending);
}

/* ---- trimming many --------------------------------------------------------------------- */

/*
 * Lock all bindings of the pool. try_lock_devices doesn't wait; if it fails, nothing is locked.
 * lock_devices takes them in the order of their slots, so that two pools can't deadlock.
 */
static void unlock_devices(struct pp_pool *pool, unsigned n)
{
	while (n--)
		if (pool->at[n].binding)
			env_unlock(&pool->at[n].binding->lock);
}

static bool try_lock_devices(struct pp_pool *pool)
{
	for (unsigned i = 0; i < POOL_DEVICES; i++)
		if (pool->at[i].binding && !env_trylock(&pool->at[i].binding->lock)) {
			unlock_devices(pool, i);
			return false;
		}
	return true;
}

static void lock_devices(struct pp_pool *pool)
{
	unsigned from = 0;
	struct binding *next;

	do {
		next = NULL;
		for (unsigned i = 0; i < POOL_DEVICES; i++) {
			struct binding *b = pool->at[i].binding;

			if (b && b->slot >= from && (!next || b->slot < next->slot))
				next = b;
		}
		if (next) {
			env_lock(&next->lock);
			from = next->slot + 1;
		}
	} while (next);
}

#define IDLE 8u  /* chunks that are kept in any case, by default */
#define ROUND 2u /* of gets: so many times the pool's pages, and POOL_CACHE */

static uint64_t pool_used(const struct pp_pool *pool)
{
	return pool->n_chunks - pool_idle(pool);
}

/* What is idle now and was in use at the busiest moment of this round of gets, or of the last. */
static uint64_t limit_by_use(const struct pp_pool *pool)
{
	uint64_t used = pool_used(pool), most = pool->most_used;

	if (pool->most_used_last > most)
		most = pool->most_used_last;
	return most > used + IDLE ? most - used : IDLE;
}

uint64_t pool_idle_limit(const struct pp_pool *pool)
{
	if (pool->params.area) /* it is mapped whole: none of it can go */
		return pool->params.area / pool->params.chunk_size;
	if (pool->params.idle_chunks)
		return pool->params.idle_chunks;
	return limit_by_use(pool);
}

uint64_t pool_idle(const struct pp_pool *pool)
{
	return pool->n_on[CHUNK_IDLE] + pool->n_on[CHUNK_IDLE_RETURNED] + pool->n_on[CHUNK_FRESH];
}

/* What is reserved stays. */
static bool can_spare(const struct pp_pool *pool, uint64_t pages)
{
	return pool->n_pages >= pool->reserved + pages;
}

/* Those that were used last are kept, and what is reserved. Returns how many went. */
static uint64_t trim_list(struct pp_pool *pool, enum chunk_on on, uint64_t most)
{
	struct list *list = &pool->list[on];
	uint64_t n = 0;

	for (struct list *pos = list->prev, *before; pos != list && n < most; pos = before) {
		struct pp_chunk *c = list_entry(pos, struct pp_chunk, where);

		before = pos->prev;
		if (!can_spare(pool, c->n_pages))
			break;
		/* on the stack of complete chunks: whoever takes it off decides */
		if (env_load_acquire(&c->n_free) & CHUNK_COMPLETE)
			continue;
		trim(pool, c);
		n++;
	}
	return n;
}

/* As many as are above keep, most at most. The bindings are locked. */
static void trim_above(struct pp_pool *pool, uint64_t keep, uint64_t most)
{
	uint64_t above = pool_idle(pool) > keep ? pool_idle(pool) - keep : 0;
	uint64_t n = above < most ? above : most;

	n -= trim_list(pool, CHUNK_IDLE, n);
	trim_list(pool, CHUNK_FRESH, n);
}

/*
 * One step towards the limit. Hysteresis: once above a limit that the user has set, the pool is
 * trimmed to half of it; the one by use is what is left of use that has gone. Nobody waits: when a
 * device is busy the next chunk to become idle tries again.
 */
static void keep_to_limit(struct pp_pool *pool)
{
	uint64_t limit = pool_idle_limit(pool);
	uint64_t keep = pool->params.idle_chunks ? limit / 2 : limit;

	if (pool_idle(pool) > limit)
		pool->trimming = true;
	if (pool->trimming && try_lock_devices(pool)) {
		trim_above(pool, keep, POOL_TRIM);
		pool->trimming = pool_idle(pool) > keep &&
				 (!pool->reserved || can_spare(pool, pages_a_chunk(pool)));
		unlock_devices(pool, POOL_DEVICES);
	}
	pool_free_spent(pool, POOL_TRIM);
}

/* ---- rounds of gets --------------------------------------------------------------------- */

/*
 * A limit by use needs to know what was used lately, without a clock: time is counted in gets. A
 * round is as many as let each page of the pool be got twice, so bursts that come again and again
 * find their chunks, and who doesn't need them any more gives them back after two rounds.
 */
void pool_use_rose(struct pp_pool *pool)
{
	if (pool_used(pool) > pool->most_used)
		pool->most_used = pool_used(pool);
}

static uint64_t count_gets(const struct pp_pool *pool)
{
	uint64_t n = 0;

	if (pool->tracked)
		return env_load_relaxed(&pool->alloc_slow);
	for (const struct pp_anchor *a = first_anchor(pool); a; a = a->next)
		n += env_load_relaxed(&a->popped);
	return n;
}

static void next_round(struct pp_pool *pool, uint64_t gets)
{
	pool->most_used_last = pool->most_used;
	pool->most_used = pool_used(pool);
	pool->round_end = gets + ROUND * pool->n_pages + POOL_CACHE;
}

void pool_round_look(struct pp_pool *pool)
{
	uint64_t gets = count_gets(pool);

	if (env_likely(gets < env_load_relaxed(&pool->round_due)))
		return;
	pool_lock(pool);
	if (gets >= pool->round_end)
		next_round(pool, gets);
	if (!pool_is_over(pool))
		keep_to_limit(pool);
	env_store_relaxed(&pool->round_due, pool->trimming ? gets + POOL_REFILL : pool->round_end);
	pool_unlock(pool);
}

void pool_shrink(struct pp_pool *pool, uint64_t keep)
{
	collect_returned(pool, UINT32_MAX);
	lock_devices(pool);
	trim_above(pool, keep, UINT64_MAX);
	for (unsigned i = 0; i < POOL_DEVICES; i++)
		if (pool->at[i].binding)
			spans_flush(pool->at[i].binding);
	unlock_devices(pool, POOL_DEVICES);
	pool_free_spent(pool, UINT32_MAX);
}

/*
 * The calling thread's caches, and the remote frees if it may take from them. Whose a pool of
 * another copy of the library is can't be told: its threads have other numbers.
 */
static void empty_own(struct pp_pool *pool)
{
	struct pp_anchor *owners = pool_anchor(pool);
	bool own = anchor_is_own(owners) || anchor_is_foreign(owners);

	if (own) {
		frag_close(pool);
		cache_empty(pool, owners);
	}
	for (struct pp_anchor *a = first_anchor(pool); a; a = a->next)
		if (a != owners && anchor_is_own(a))
			cache_empty(pool, a);
	if (own || has_getters(pool))
		cache_empty_remote(pool);
}

uint64_t pp_pool_trim(struct pp_pool *pool, uint64_t keep)
{
	uint64_t before, n = 0;

	if (!pool || misuse_destroyed(pool, "trim", __builtin_return_address(0)))
		return 0;
	pool_lock(pool);
	before = pool->n_released; /* what comes home may make chunks idle beyond the limit */
	pool_unlock(pool);
	empty_own(pool);
	pool_lock(pool);
	pool_reclaim_complete(pool);
	if (pool_is_revoked(pool)) {
		pool_discard(pool);
	} else {
		pool_shrink(pool, pool->params.area ? UINT64_MAX : keep);
		n = pool->n_released - before;
	}
	pool_unlock(pool);
	return n;
}

/* ---- complete chunks ------------------------------------------------------------------- */

/*
 * A chunk of a live pool with every page home. It may still be on the stack of those that pages
 * have returned to, and must not be there when it is listed, as it is trimmed from the list: so it
 * is counted, and listed once it is taken off. All of its pages are home: nobody can push it there
 * any more.
 */
static void became_idle(struct pp_pool *pool, struct pp_chunk *c)
{
	if (c->on == CHUNK_IDLE || c->on == CHUNK_IDLE_RETURNED)
		return;
	collect_returned(pool, POOL_COLLECT);
	chunk_move(c, c->on == CHUNK_NONE ? CHUNK_IDLE_RETURNED : CHUNK_IDLE);
	keep_to_limit(pool);
}

/* Model: home.pml, pool_reclaim_complete. */
void pool_reclaim_complete(struct pp_pool *pool)
{
	struct pp_chunk *c = env_xchg_acq_rel(&pool->complete, NULL);
	struct leaving leaving = { 0 };

	while (c) {
		struct pp_chunk *next = c->next_complete;
		uint32_t home = (uint32_t)CHUNK_COUNT(env_and_acq_rel(&c->n_free, ~CHUNK_COMPLETE));

		if (pool_is_revoked(pool) && home == c->n_pages + 1) {
			chunk_remove(pool, c);
			chunk_free(c, &leaving);
		} else if (!pool_is_revoked(pool) && home == c->n_pages) {
			became_idle(pool, c);
		}
		c = next;
	}
	if (leaving.span)
		give_back(pool, &leaving);
}

/* ---- the lock -------------------------------------------------------------------------- */

void pool_lock(struct pp_pool *pool)
{
	env_lock(&pool->lock);
}

bool pool_look_begin(struct pp_pool *pool)
{
	uint32_t dumps = env_load_relaxed(&pool->dumps);

	env_store_relaxed(&pool->dumps, dumps + 1);
	env_fence_seq_cst(); /* before the trylock; pairs with lock_to_reclaim */
	if (env_trylock(&pool->lock))
		return true;
	env_store_release(&pool->dumps, dumps + 2);
	return false;
}

void pool_look_end(struct pp_pool *pool)
{
	env_unlock(&pool->lock);
	env_store_release(&pool->dumps, env_load_relaxed(&pool->dumps) + 1); /* after the unlock */
}

bool pool_look_is_waited_for(const struct pp_pool *pool)
{
	return env_load_relaxed(&pool->complete);
}

/*
 * Whoever holds the lock tries to reclaim after its unlock, except a signal handler: if one may
 * have been in the way, wait for it. But don't wait with a lock held, which may be this one.
 */
static bool lock_to_reclaim(struct pp_pool *pool)
{
	uint32_t dumps = env_load_seq_cst(&pool->dumps);

	if (env_trylock(&pool->lock))
		return true;
	env_fence_seq_cst(); /* after the trylock; pairs with pool_look_begin */
	if (env_likely(!(dumps & 1) && env_load_seq_cst(&pool->dumps) == dumps))
		return false;
	if (!pool_is_zombie(pool) || env_has_lock())
		return false;
	env_lock(&pool->lock);
	return true;
}

/*
 * Called with another pool's lock held, or none.
 * Model: home.pml, pool_try_reclaim.
 */
void pool_try_reclaim(struct pp_pool *pool)
{
	env_fence_seq_cst(); /* the push before the trylock; pairs with pool_unlock */
	while (env_load_seq_cst(&pool->complete) && lock_to_reclaim(pool)) {
		pool_reclaim_complete(pool);
		env_unlock(&pool->lock);
		env_fence_seq_cst();
	}
}

/* Model: home.pml, pool_unlock. */
void pool_unlock(struct pp_pool *pool)
{
	env_unlock(&pool->lock);
	pool_try_reclaim(pool);
}
