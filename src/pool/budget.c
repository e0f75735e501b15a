/*
 * budget.c - a limit that several pools share: bytes of their chunks, zombies' included. A pool
 * takes from it before it grows, and gives to it when the memory has gone back.
 *
 * A budget lives as long as its handle and its pools. It has no lock: what is used never exceeds a
 * limit that hasn't been lowered meanwhile, however many pools grow at a time.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/budget.h"

#include "env/debug.h"

struct pp_budget {
	uint64_t limit, used; /* bytes; relaxed */
	uint32_t refs;        /* the handle, and each pool */
};

static void unref(struct pp_budget *budget)
{
	if (env_sub_acq_rel(&budget->refs, 1) == 1) /* pairs with itself: the last one frees */
		env_free(budget);
}

int pp_budget_create(struct pp_budget **out, uint64_t bytes)
{
	struct pp_budget *budget;

	if (!out)
		return debug_invalid("pp_budget_create: there is nowhere to store the budget");
	budget = env_zalloc(sizeof *budget);
	*out = budget;
	if (!budget)
		return -ENOMEM;
	budget->limit = bytes;
	budget->refs = 1;
	return 0;
}

void pp_budget_destroy(struct pp_budget *budget)
{
	if (budget)
		unref(budget);
}

void pp_budget_set(struct pp_budget *budget, uint64_t bytes)
{
	if (budget)
		env_store_relaxed(&budget->limit, bytes);
}

uint64_t pp_budget_used(const struct pp_budget *budget)
{
	return budget ? env_load_relaxed(&budget->used) : 0;
}

/* ---- the pools' --------------------------------------------------------------------------- */

void budget_join(struct pp_pool *pool)
{
	if (pool->params.budget)
		env_add_relaxed(&pool->params.budget->refs, 1);
}

void budget_leave(struct pp_pool *pool)
{
	if (pool->params.budget)
		unref(pool->params.budget);
}

uint32_t budget_take(struct pp_pool *pool, uint32_t chunks)
{
	struct pp_budget *budget = pool->params.budget;
	uint64_t used, left, n;

	if (!budget)
		return chunks;
	used = env_load_relaxed(&budget->used);
	do {
		left = env_load_relaxed(&budget->limit);
		left = left > used ? (left - used) / pool->params.chunk_size : 0;
		n = left < chunks ? left : chunks;
	} while (n && !env_cas_relaxed(&budget->used, &used, used + n * pool->params.chunk_size));
	return (uint32_t)n;
}

void budget_give(struct pp_pool *pool, uint32_t chunks)
{
	if (pool->params.budget && chunks)
		env_add_relaxed(&pool->params.budget->used,
				-(chunks * (uint64_t)pool->params.chunk_size));
}
