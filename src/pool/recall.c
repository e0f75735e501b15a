/*
 * recall.c - asking holders to give pages back early.
 *
 * A pool is known by its number here, not by its address: a holder may still be registered
 * when the pool has gone, and must not be asked for another one at the same place.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

static struct {
	struct env_rwlock lock; /* read while the callbacks run, written by (un)register */
	struct pp_recall *first;
} recalls = { .lock = ENV_RWLOCK_INIT };

int pp_recall_register(struct pp_pool *pool, struct pp_recall *recall)
{
	if (!recall || !recall->recall)
		return -EINVAL;
	if (watch_destroyed(pool, "register for recall", __builtin_return_address(0)))
		return -ENODEV;
	env_write_lock(&recalls.lock);
	recall->pool_id = pool->id;
	recall->next = recalls.first;
	recalls.first = recall;
	env_rw_unlock(&recalls.lock);
	return 0;
}

int pp_recall_unregister(struct pp_recall *recall)
{
	struct pp_recall **p = &recalls.first;
	bool found;

	env_write_lock(&recalls.lock);
	while (*p && *p != recall)
		p = &(*p)->next;
	found = *p != NULL;
	if (found)
		*p = recall->next;
	env_rw_unlock(&recalls.lock);
	return found ? 0 : -ENOENT;
}

void recall_ask(uint64_t pool_id, const char *name)
{
	env_read_lock(&recalls.lock);
	for (struct pp_recall *r = recalls.first; r; r = r->next)
		if (r->pool_id == pool_id)
			r->recall(r, name);
	env_rw_unlock(&recalls.lock);
}

void pp_pool_recall(struct pp_pool *pool)
{
	if (!watch_gone(pool, "recall", __builtin_return_address(0)))
		recall_ask(pool->id, pool->name);
}
