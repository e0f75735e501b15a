/*
 * take.c - taking pages from other threads' caches: see take.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/take.h"

bool others_have_some(const struct pp_pool *pool, const struct pp_anchor *own)
{
	for (const struct pp_anchor *a = pool->anchors; a; a = a->next)
		if (a != own && cache_left(a) > 0 && anchor_takes_remote(a))
			return true;
	return false;
}

/* Raise the flag of those that have pages. Model: take.pml, close_others. */
static bool close_others(struct pp_pool *pool, const struct pp_anchor *own)
{
	bool any = false, raised = false;

	for (struct pp_anchor *a = pool->anchors; a; a = a->next) {
		if (a == own || cache_left(a) <= 0 || !anchor_takes_remote(a))
			continue;
		raised |= !(env_or_relaxed(&a->revoked, ANCHOR_TAKEN) & ANCHOR_TAKEN);
		any = true;
	}
	if (raised)
		env_barrier_heavy(); /* pairs with the light ones of revoke_seen */
	return any;
}

/*
 * The oldest pages of a cache whose flag is up, after the barrier. Acquire: what was pushed is in
 * its slot. The thread may push, but waits for our lock after a pop.
 * Model: take.pml, take_oldest.
 */
static unsigned take_oldest(struct pp_anchor *anchor, struct pp_page **out, unsigned most)
{
	uint64_t pushed = env_load_acquire(&anchor->pushed), taken = anchor->taken;
	int64_t left = (int64_t)(pushed - env_load_acquire(&anchor->popped) - taken);
	unsigned n = left > 0 ? (unsigned)(left + 1) / 2 : 0;

	n = n < most ? n : most;
	for (unsigned i = 0; i < n; i++)
		out[i] = env_xchg_acq_rel(&anchor->slot[taken + i], NULL);
	env_store_relaxed(&anchor->taken, taken + n);
	return n;
}

unsigned take_from_others(struct pp_pool *pool, const struct pp_anchor *own, struct pp_page **out,
			  unsigned n)
{
	unsigned got = 0;

	if (!close_others(pool, own))
		return 0;
	for (struct pp_anchor *a = pool->anchors; a && got < n; a = a->next)
		if (a != own && is_taken_from(a))
			got += take_oldest(a, out + got, n - got);
	return got;
}

/* Model: take.pml, cache_settle. */
void cache_settle(struct pp_pool *pool, struct pp_anchor *anchor)
{
	uint32_t taken = (uint32_t)anchor->taken, left = cache_count(anchor) - taken;

	for (uint32_t i = 0; i < left && taken; i++)
		env_store_relaxed(&anchor->slot[i], env_load_relaxed(&anchor->slot[taken + i]));
	owner_add(&anchor->popped, taken);
	env_add_relaxed(&pool->popped_otherwise, taken);
	env_store_relaxed(&anchor->taken, 0);
	env_and_acq_rel(&anchor->revoked, ~(uint32_t)ANCHOR_TAKEN);
}
