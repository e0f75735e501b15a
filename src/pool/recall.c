/*
 * recall.c - asking holders to give pages back early.
 *
 * A pool is known by its number here, not by its address: a holder may still be registered
 * when the pool has gone, and must not be asked on behalf of another one at the same address.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/recall.h"

#include "env/calls.h"
#include "env/debug.h"
#include "pool/holders.h"

static void *next_of(const void *item)
{
	return ((const struct pp_recall *)item)->next;
}

static void set_next(void *item, void *next)
{
	((struct pp_recall *)item)->next = next;
}

static struct calls recalls = CALLS_INIT(next_of, set_next);

/* A list for pools of neighbouring numbers each, so that none looks through all others' holders. */
#define LISTS 1024u
static void *first[LISTS]; /* under recalls.lock */

/* Of one that isn't registered the number may be anything: it is in no list, nor in that one. */
static void **list_of(const struct pp_recall *recall)
{
	return &first[recall->pool_id % LISTS];
}

static bool is_in(void *list, const struct pp_recall *recall)
{
	while (list && list != recall)
		list = next_of(list);
	return list;
}

/*
 * The flag goes up before a revoker asks, and asking begins with the lock: a holder that finds it
 * down here will be asked.
 */
static int register_locked(struct pp_pool *pool, struct pp_recall *recall)
{
	if (is_in(*list_of(recall), recall))
		return -EEXIST;
	if (pp_pool_revoked(pool))
		return -ENODEV;
	recall->pool_id = pool->id;
	return calls_add(&recalls, list_of(recall), recall);
}

int pp_recall_register(struct pp_pool *pool, struct pp_recall *recall)
{
	int ret;

	if (!pool || !recall || !recall->recall)
		return debug_invalid(
			"pp_recall_register: there is no pool, no holder or no callback");
	if (misuse_destroyed(pool, "register for recall", __builtin_return_address(0)))
		return -ENODEV;
	env_lock(&recalls.lock);
	ret = register_locked(pool, recall);
	env_unlock(&recalls.lock);
	return ret;
}

int pp_recall_unregister(struct pp_recall *recall)
{
	int ret;

	if (!recall)
		return debug_invalid("pp_recall_unregister: there is no holder");
	env_lock(&recalls.lock);
	ret = calls_del(&recalls, list_of(recall), recall);
	env_unlock(&recalls.lock);
	return ret;
}

struct asked {
	uint64_t pool_id;
	const char *name;
};

static void ask(void *item, void *ctx)
{
	struct pp_recall *recall = item;
	const struct asked *a = ctx;

	if (recall->pool_id == a->pool_id)
		recall->recall(recall, a->name);
}

void recall_ask(uint64_t pool_id, const char *name)
{
	struct asked a = { pool_id, name };

	calls_each(&recalls, &first[pool_id % LISTS], ask, &a);
}

void pp_pool_recall(struct pp_pool *pool)
{
	if (pool && !misuse_gone(pool, "recall", __builtin_return_address(0)))
		recall_ask(pool->id, pool->name);
}
