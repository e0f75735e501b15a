/*
 * reclaim.c - how a live pool shrinks: idle chunks are unmapped, invalidated, and let go.
 *
 * A put may come by here, so that is a piece of work with a bound: for each chunk that has become
 * idle, at most POOL_TRIM are trimmed and at most as many freed.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

uint64_t pool_idle_limit(const struct pp_pool *pool)
{
	if (pool->params.idle_chunks)
		return pool->params.idle_chunks;
	return pool->n_chunks / 8 > 8 ? pool->n_chunks / 8 : 8;
}

/* Chunks that no page of is out. */
static uint64_t idle(const struct pp_pool *pool)
{
	return pool->n_idle + pool->n_fresh;
}

/*
 * Lock all bindings of the pool. Not waiting, it may fail, and nothing is locked then;
 * waiting, it takes them in the order of their slots, so that two pools can't block each
 * other.
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

/* ---- one chunk ---------------------------------------------------------------------------- */

/*
 * No device can reach the chunk any more. Whoever invalidated may be another pool's thread, with
 * the lock of a binding: it leaves the work to this pool, which the chunk holds until it is done.
 */
static void chunk_invalidated(struct domain_pending *pending)
{
	struct pp_chunk *c = env_container_of(pending, struct pp_chunk, pending);

	stack_push(&c->pool->spent, c, &c->inbox);
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
		pool->leaving = c->inbox;
		pool->n_retiring--;
		chunk_free(c, &leaving);
	}
	if (leaving.span)
		give_back(pool, &leaving);
}

/*
 * Unmap an idle chunk and let it go: at once, or with a deferred invalidation, which one
 * device may have; the others invalidate at once. The bindings are locked.
 */
static void trim(struct pp_pool *pool, struct pp_chunk *c)
{
	struct span *span = c->span;
	pp_iova_t iova = span->iova->addr + c->slot * (pp_iova_t)pool->params.chunk_size;
	struct domain *deferred = NULL;

	watch_chunk(c);
	chunk_remove(pool, c);
	for (unsigned i = 0; i < POOL_DEVICES; i++) {
		struct binding *b = pool->at[i].binding;

		if (!b || !span->map[i])
			continue;
		span_unmap(pool, span, b, 1ull << c->slot);
		if (deferred)
			domain_invalidate(&b->domain, iova, pool->params.chunk_size);
		else
			deferred = &b->domain;
		if (!span->live) {
			space_del_span(b, span->map[i]);
			span->map[i] = NULL;
		}
	}
	pool->n_retiring++;
	c->pending.done = chunk_invalidated;
	if (deferred)
		domain_retire(deferred, iova, pool->params.chunk_size, &c->pending);
	else
		chunk_invalidated(&c->pending);
}

/* ---- many --------------------------------------------------------------------------------- */

/* Those that were used last are kept. Returns how many went. */
static uint64_t trim_list(struct pp_pool *pool, struct list *list, uint64_t most)
{
	uint64_t n = 0;

	for (struct list *pos = list->prev, *before; pos != list && n < most; pos = before) {
		struct pp_chunk *c = list_entry(pos, struct pp_chunk, where);

		before = pos->prev;
		/* in the inbox: whoever takes it out decides */
		if (env_load_acquire(&c->n_home) & CHUNK_INBOX)
			continue;
		trim(pool, c);
		n++;
	}
	return n;
}

/* As many as are above keep, most at most. The bindings are locked. */
static void trim_above(struct pp_pool *pool, uint64_t keep, uint64_t most)
{
	uint64_t above = idle(pool) > keep ? idle(pool) - keep : 0;
	uint64_t n = above < most ? above : most;

	n -= trim_list(pool, &pool->idle, n);
	trim_list(pool, &pool->fresh, n);
}

void pool_shrink(struct pp_pool *pool, uint64_t keep)
{
	collect_returned(pool, UINT32_MAX);
	lock_devices(pool);
	trim_above(pool, keep, UINT64_MAX);
	for (unsigned i = 0; i < POOL_DEVICES; i++)
		if (pool->at[i].binding)
			domain_flush(&pool->at[i].binding->domain);
	unlock_devices(pool, POOL_DEVICES);
	pool_free_spent(pool, UINT32_MAX);
}

/*
 * Hysteresis: once above the limit, the pool is trimmed to half of it. A put never waits: when a
 * device is busy the next chunk to become idle tries again.
 */
void pool_keep_to_limit(struct pp_pool *pool)
{
	uint64_t limit = pool_idle_limit(pool);

	if (idle(pool) > limit)
		pool->trimming = true;
	if (pool->trimming && try_lock_devices(pool)) {
		trim_above(pool, limit / 2, POOL_TRIM);
		pool->trimming = idle(pool) > limit / 2;
		unlock_devices(pool, POOL_DEVICES);
	}
	pool_free_spent(pool, POOL_TRIM);
}
