/*
 * grow.c - how a pool grows: by how much, and in which order resources are taken.
 *
 * A get may have to wait for a growth, so the work is bounded: POOL_GROW chunks at most. Resources
 * are taken cheapest first, so that a failure is cheap: the limit, IOVA, memory, records, and last
 * the mapping. After a failure the pool grows by one chunk at a time, and doesn't try for IOVA
 * again until some has been freed. What memory the system has can't be known without asking, but it
 * is asked seldom by a driver that tries for each packet.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/grow.h"

#include "pool/budget.h"
#include "pool/chunk.h"
#include "pool/find.h"
#include "pool/memory.h"
#include "pool/reclaim.h"
#include "pool/span.h"

#define HUGETLB_AGAIN 64u /* while growths fail, one in so many asks for hugetlb memory */
/* After so many growths in a row that failed for want of memory, one in so many asks for it. */
#define MEMORY_TRIES 16u

/* For whom a pool grows. */
struct reach {
	uint64_t octaves; /* that its IOVA may lie in: see iova_get_in */
	unsigned ending;  /* bit: the attachment's binding takes nothing new */
};

/* Not for those whose binding is ending, unless there is nobody else: -ENODEV. */
static int find_reach(struct pp_pool *pool, struct reach *reach)
{
	struct binding *b;
	unsigned last = 0, n = 0;

	*reach = (struct reach){ .octaves = UINT64_MAX };
	if (pool->params.address_bits)
		reach->octaves = iova_below(pool->params.address_bits);
	for (unsigned at = 0; at < POOL_DEVICES; at++) {
		b = pool->at[at].binding;
		if (!b)
			continue;
		env_lock(&b->lock);
		if (!b->open) {
			reach->ending |= 1u << at;
			last = at;
		} else {
			n++;
			reach->octaves &= spans_octaves(b);
		}
		env_unlock(&b->lock);
	}
	if (n || !reach->ending)
		return 0;
	return binding_enter(&b, pool->at[last].name, true); /* which counts the late call */
}

/* Chunks that the limit leaves room for. */
static uint64_t room(const struct pp_pool *pool)
{
	uint64_t per_chunk = pages_a_chunk(pool), pages;

	if (!pool->params.max_pages)
		return UINT64_MAX;
	pages = pool->params.max_pages - pool->n_pages;
	return pages / per_chunk + (pages % per_chunk != 0);
}

/* Slots of a new span: about as many as there are chunks; or the area's. */
static uint32_t slots_of_span(const struct pp_pool *pool)
{
	uint32_t n = 1;

	if (pool->params.area)
		return (uint32_t)(pool->params.area / pool->params.chunk_size);
	while (n < pool->most && 2 * n <= pool->n_chunks + 1 && 2 * n <= room(pool))
		n *= 2;
	return n;
}

/* Chunks to add now. One will be in use, and the others must not be more than may be idle. */
static uint32_t chunks_now(const struct pp_pool *pool, uint64_t most)
{
	uint32_t n = slots_of_span(pool);

	n = n < POOL_GROW ? n : POOL_GROW;
	n = n < most ? n : (uint32_t)most;
	if (n > pool_idle_limit(pool) + 1)
		n = (uint32_t)pool_idle_limit(pool) + 1;
	return room(pool) < n ? (uint32_t)room(pool) : n;
}

/* The last one may have fewer pages than the others: for the limit. */
static int new_chunks(struct pp_pool *pool, struct pp_chunk **chunk, unsigned n)
{
	uint64_t per_chunk = pages_a_chunk(pool);
	uint64_t left = UINT64_MAX;

	if (pool->params.max_pages)
		left = pool->params.max_pages - pool->n_pages;
	for (unsigned i = 0; i < n; i++) {
		chunk[i] = chunk_new(pool, (uint32_t)(left < per_chunk ? left : per_chunk));
		if (!chunk[i])
			return -ENOMEM;
		left -= chunk[i]->n_pages;
	}
	return 0;
}

/* Chunks into slots that are dead. POOL_AGAIN: one more binding has begun to end. */
static int fill_slots(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n,
		      struct reach *reach)
{
	struct pp_chunk *chunk[POOL_GROW] = { NULL };
	int ret = find_begin(pool, span, lo, n);

	if (!ret)
		ret = span_commit(pool, span, lo, n);
	if (!ret)
		ret = new_chunks(pool, chunk, n);
	if (!ret)
		ret = span_map_new(pool, span, lo, n, &reach->ending);
	if (ret) {
		for (unsigned i = 0; i < n; i++)
			chunk_delete(chunk[i]);
		span_undo(pool, span, lo, n);
		return ret;
	}
	span_fill(pool, span, lo, n);
	for (unsigned i = n; i-- > 0;) /* so that the first is the first to be taken */
		chunk_add(chunk[i], span, lo + i);
	return 0;
}

/*
 * The first span of such with dead slots, unless it is mapped for a device that is ending. An
 * area's slots are mapped already.
 */
static struct span *find_hole(const struct pp_pool *pool, const struct list *holes,
			      const struct reach *reach)
{
	struct span *span = list_entry(holes->next, struct span, hole);

	if (list_empty(holes))
		return NULL;
	if (pool->params.area)
		return span;
	for (unsigned at = 0; at < POOL_DEVICES; at++)
		if (reach->ending >> at & 1 && span->map[at])
			return NULL;
	return span;
}

/* Invalidate what has been trimmed, so that its slots are dead, and what others hold goes too. */
static void complete_trimming(struct pp_pool *pool)
{
	for (unsigned at = 0; at < POOL_DEVICES && pool->n_on[CHUNK_RETIRING]; at++) {
		struct binding *b = pool->at[at].binding;

		if (!b)
			continue;
		env_lock(&b->lock);
		spans_flush(b);
		env_unlock(&b->lock);
	}
	pool_free_spent(pool, UINT32_MAX);
}

static int new_span(struct pp_pool *pool, struct span **out, const struct reach *reach)
{
	uint64_t freed = iova_freed();
	int ret;

	*out = NULL;
	if (pool->params.area && pool->n_chunks)
		return -ENOSPC; /* some slots are lost, or there would be a hole */
	if (pool->no_iova && pool->iova_freed == freed && pool->iova_octaves == reach->octaves)
		return -ENOSPC; /* as before */
	ret = span_start(pool, out, slots_of_span(pool), reach->octaves);
	pool->no_iova = ret == -ENOSPC;
	pool->iova_freed = freed;
	pool->iova_octaves = reach->octaves;
	return ret;
}

/*
 * Hugetlb memory that isn't there is dear to ask for: ten times as much as other memory. So it is
 * asked for seldom while growths fail.
 */
static bool try_hugetlb(const struct pp_pool *pool)
{
	return memory_may_be_hugetlb(pool) && !pool->no_iova && pool->n_failed % HUGETLB_AGAIN == 0;
}

/*
 * Slots for up to n chunks: dead ones first, whose IOVA is there. Hugetlb memory is new IOVA's
 * only, so it comes before the slots that such memory has gone from.
 */
static int find_slots(struct pp_pool *pool, struct span **out, uint32_t n,
		      const struct reach *reach)
{
	bool only = memory_may_be_hugetlb(pool) && pool->params.memory_strict;

	*out = find_hole(pool, &pool->holes, reach);
	if (*out)
		return 0;
	if (only || try_hugetlb(pool)) {
		int ret = span_start_hugetlb(pool, out, n, reach->octaves);

		if (!ret || only)
			return ret;
	}
	*out = find_hole(pool, &pool->cut, reach);
	return *out ? 0 : new_span(pool, out, reach);
}

static bool ask_for_memory(const struct pp_pool *pool)
{
	return pool->n_no_memory < MEMORY_TRIES || pool->n_no_memory % MEMORY_TRIES == 0;
}

/* POOL_AGAIN: it is worth another try. */
static int try_to_grow(struct pp_pool *pool, uint32_t n)
{
	struct reach reach;
	struct span *span;
	unsigned lo;
	int ret = find_reach(pool, &reach);

	if (ret)
		return ret;
	if (!ask_for_memory(pool))
		return -ENOMEM;
	ret = find_slots(pool, &span, n, &reach);
	if (ret == -ENOSPC && pool->n_on[CHUNK_RETIRING]) {
		complete_trimming(pool); /* then there are dead slots */
		return POOL_AGAIN;
	}
	if (ret)
		return ret;
	n = span_hole(span, &lo, n);
	ret = fill_slots(pool, span, lo, n, &reach);
	if (ret)
		span_drop(pool, span);
	return ret;
}

static int grow_by(struct pp_pool *pool, uint32_t n)
{
	uint64_t before = pool->n_chunks;
	uint32_t room = budget_take(pool, n);
	int ret;

	if (!room && pool->n_on[CHUNK_RETIRING]) {
		complete_trimming(pool); /* what that frees is given to the budget */
		room = budget_take(pool, n);
	}
	ret = room ? POOL_AGAIN : -ENOBUFS;
	while (ret == POOL_AGAIN)
		ret = try_to_grow(pool, room);
	budget_give(pool, room - (uint32_t)(pool->n_chunks - before));
	return ret;
}

int pool_grow(struct pp_pool *pool, uint64_t most)
{
	int before = env_errno(), ret; /* which a get leaves alone */
	uint32_t n;

	pool_free_spent(pool, POOL_GROW); /* whose slots are dead then */
	n = chunks_now(pool, most);
	if (!n)
		return -ENOBUFS;
	ret = grow_by(pool, n);
	if (ret && ret != -ENODEV && n > 1) {
		n = 1; /* what can't be had for many may be had for one */
		ret = grow_by(pool, n);
	}
	env_set_errno(before);
	pool->n_failed = ret ? pool->n_failed + 1 : 0;
	pool->n_no_memory = ret == -ENOMEM ? pool->n_no_memory + 1 : 0;
	if (ret)
		pool->most = 1;
	else if (pool->most < POOL_SPAN)
		pool->most *= 2;
	if (!ret)
		PP_PROBE3(grow, pool, n, pool->name);
	return ret;
}
