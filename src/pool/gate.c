/*
 * gate.c - the gates: what outlives a pool, so that a put may look at it last.
 *
 * The owner's cache is in it, so that neither get nor put need look for that: some 4 KiB for each
 * pool that ever lived at the same time; used again, and freed when the library is unloaded.
 *
 * A gate's number is in its pool's pages, and tells a thread that a page is of its own pool. There
 * may be other copies of the library in the process, with pages of their own: so no number is
 * given by two of them (env_place).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

static struct {
	struct env_lock lock; /* protects everything here, gate->pool, and the registry */
	struct pp_gate *free;
	struct list registry;
} gates = { .lock = ENV_LOCK_INIT, .registry = { &gates.registry, &gates.registry } };

static struct pp_gate *gate_new(void)
{
	struct pp_gate *g;
	uint32_t number;

	_Static_assert(sizeof *g <= ENV_PLACE, "a gate has a place");
	if (env_place((void **)&g, &number, sizeof *g))
		return NULL;
	g->number = number;
	g->copy = &pool_copy;
	return g;
}

/* While the process ends threads may still put, and look at gates. */
static __attribute__((destructor)) void free_gates(void)
{
	while (env_unloads() && gates.free) {
		struct pp_gate *g = gates.free;

		gates.free = g->next;
		env_unplace(g);
	}
}

int gate_get(struct pp_gate **out, struct pp_pool *pool)
{
	struct pp_gate *g;

	env_lock(&gates.lock);
	g = gates.free;
	if (g)
		gates.free = g->next;
	else
		g = gate_new();
	if (g) {
		env_store_relaxed(&g->revoked, 0);
		g->pool = pool;
	}
	env_unlock(&gates.lock);
	*out = g;
	return g ? 0 : -ENOMEM;
}

void pool_publish(struct pp_pool *pool)
{
	env_lock(&gates.lock);
	list_add_tail(&pool->registry, &gates.registry);
	env_unlock(&gates.lock);
}

/* The flag stays up: a put that comes late finds no pool behind it. */
void gate_put(struct pp_gate *g)
{
	env_lock(&gates.lock);
	list_del(&g->pool->registry);
	g->pool = NULL;
	g->next = gates.free;
	gates.free = g;
	env_unlock(&gates.lock);
}

/* Model: revoke.pml, gate_raced. */
void gate_raced(struct pp_gate *g)
{
	struct pp_pool *pool;

	env_lock(&gates.lock);
	pool = g->pool;
	if (pool && !pool_ref_unless_gone(pool))
		pool = NULL;
	env_unlock(&gates.lock);
	if (!pool)
		return; /* the revoker drained our page, and the pool went with its last one */
	/*
	 * If the gate has been used again this is another pool. Then our page came home
	 * long ago, and to drain a revoked pool once more does no harm.
	 */
	pool_lock(pool);
	if (pool->revoked)
		pool_drain(pool);
	pool_unlock(pool);
	pool_unref(pool);
}

/* The first pool behind pos that isn't going, with a reference, or NULL. The lock is held. */
static struct pp_pool *next_pool(struct list *pos)
{
	while ((pos = pos->next) != &gates.registry) {
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
	env_lock(&gates.lock);
	pool = next_pool(&gates.registry);
	env_unlock(&gates.lock);
	for (; pool; pool = next) {
		fn(pool, ctx);
		/* its reference keeps it in the list, until the next one has one of its own */
		env_lock(&gates.lock);
		next = next_pool(&pool->registry);
		env_unlock(&gates.lock);
		pool_unref(pool);
	}
	env_cancel_on();
}

int pools_try_next(uint64_t *id, void (*fn)(struct pp_pool *pool, void *ctx), void *ctx)
{
	struct pp_pool *next = NULL;

	if (!env_trylock(&gates.lock))
		return -EBUSY;
	list_for_each(pos, &gates.registry) {
		struct pp_pool *pool = list_entry(pos, struct pp_pool, registry);

		if (pool->id > *id && (!next || pool->id < next->id))
			next = pool;
	}
	if (next) {
		*id = next->id;
		fn(next, ctx);
	}
	env_unlock(&gates.lock);
	return next ? 1 : 0;
}
