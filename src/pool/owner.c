/*
 * owner.c - whose a pool is: the gates, which outlive it, so that a put may look at one last; another
 * owner; and the list of all pools.
 *
 * The owner's cache is in its gate, so that neither get nor put need look for that: some 4 KiB for each
 * pool that ever lived at the same time; used again, and freed when the library is unloaded.
 *
 * A gate's number is in its pool's pages, and tells a thread that a page is of its own pool. There
 * may be other copies of the library in the process, with pages of their own: so no number is
 * given by two of them (env_place).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/owner.h"

#include "pool/cache.h"
#include "pool/reclaim.h"
#include "pool/remote.h"
#include "pool/revoke.h"

const struct pp_copy pool_copy = {
	.put = put_pages,
	.get = page_get_slow,
	.get_raced = pp_page_get_raced,
	.put_raced = push_raced,
	.frag_raced = frag_raced,
};

static struct {
	struct env_lock lock; /* protects everything here, the gates' pool and thread, and the registry */
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
	g->place = number;
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
		g->number = pool->gate ? pool->gate->number : g->place;
		g->pool = pool;
		g->next = pool->gates;
		pool->gates = g;
	}
	*out = g; /* before anyone can find the pool by it */
	env_unlock(&gates.lock);
	return g ? 0 : -ENOMEM;
}

/* ---- a thread and its gates ------------------------------------------------------------ */

static struct hlist_node *thread_link(struct pp_gate *g)
{
	_Static_assert(sizeof g->of_thread == sizeof(struct hlist_node), "it is one");
	return (struct hlist_node *)g->of_thread;
}

/* The gate is the calling thread's. */
static void gate_own(struct pp_gate *g)
{
	struct env_thread *thread = env_thread(); /* NULL: nobody will hear of its end */

	env_lock(&gates.lock);
	hlist_del(thread_link(g));
	if (thread) {
		hlist_add(thread_link(g), &thread->gates);
		thread->at_end = pool_thread_ends;
	}
	env_store_relaxed(&g->owner, env_self());
	env_store_relaxed(&g->user, env_self());
	env_unlock(&gates.lock);
}

/* The cache of a pool that is watched or revoked stays closed. */
void gate_open(struct pp_pool *pool, struct pp_gate *gate, uint64_t popped)
{
	gate_own(gate);
	env_store_relaxed(&gate->pushed, popped);
	env_store_relaxed(&gate->popped, popped);
	env_store_relaxed(&gate->revoked, pool_is_over(pool) ? GATE_REVOKED :
					  pool->watch	     ? GATE_WATCHED :
							       GATE_OPEN);
}

/* It is in no put any more, so its gates may be another thread's. */
void gates_thread_ends(struct env_thread *thread)
{
	struct pp_gate *g;

	env_lock(&gates.lock);
	while (thread->gates) {
		g = env_container_of((void **)thread->gates, struct pp_gate, of_thread[0]);
		hlist_del(thread->gates);
		env_store_relaxed(&g->owner, GATE_NOBODY);
		env_store_release(&g->user, GATE_NOBODY); /* its puts came before */
	}
	env_unlock(&gates.lock);
}

/* ---- owners ---------------------------------------------------------------------------- */

/*
 * What the thread knows of itself may be of an earlier pool with this gate, while this one's cache
 * may be closed.
 */
static void forget_self(void)
{
	pp_self = (struct pp_self){ 0 };
	remote_forget();
}

void owner_first(struct pp_pool *pool)
{
	gate_open(pool, pool->gate, 0);
	forget_self();
}

/* No other thread is or will be in a put to its cache. */
static bool is_free_for(const struct pp_gate *gate, uint64_t self)
{
	uint64_t user = env_load_acquire(&gate->user); /* pairs with gates_thread_ends */

	return user == GATE_NOBODY || user == self;
}

/* For a thread that is to be the owner, and isn't. NULL: no memory. Lock held. */
static struct pp_gate *gate_for(struct pp_pool *pool, uint64_t self)
{
	struct pp_gate *g = pool->gates;

	while (g && !is_free_for(g, self))
		g = g->next;
	if (!g)
		gate_get(&g, pool);
	return g;
}

static int own_locked(struct pp_pool *pool)
{
	struct pp_gate *gate = pool->gate, *new;
	uint64_t self = env_self();

	if (env_load_relaxed(&gate->owner) == self)
		return 0;
	/* without a page, or a cache, there can't be a put to it */
	if (is_free_for(gate, self) || !(pool->n_chunks + pool->n_released) || pool->watch) {
		gate_own(gate);
		return 0;
	}
	new = gate_for(pool, self);
	if (!new)
		return -ENOMEM;
	revoke_left(pool, gate, new);
	return 0;
}

int owner_change(struct pp_pool *pool)
{
	int ret;

	pool_lock(pool);
	ret = own_locked(pool);
	pool_unlock(pool);
	forget_self();
	return ret;
}

/* ---- all pools ------------------------------------------------------------------------- */

void pool_publish(struct pp_pool *pool)
{
	env_lock(&gates.lock);
	list_add_tail(&pool->registry, &gates.registry);
	env_unlock(&gates.lock);
}

/*
 * The flags stay up: a put that comes late finds no pool behind its gate. Nobody owns them: who did
 * may take a page of the next pool with such a number for one of the last.
 */
void gates_put(struct pp_pool *pool)
{
	struct pp_gate *g;

	env_lock(&gates.lock);
	list_del(&pool->registry);
	while ((g = pool->gates)) {
		pool->gates = g->next;
		hlist_del(thread_link(g));
		env_store_relaxed(&g->owner, GATE_NOBODY);
		g->pool = NULL;
		g->next = gates.free;
		gates.free = g;
	}
	env_unlock(&gates.lock);
}

struct pp_pool *gate_pool(struct pp_gate *g)
{
	struct pp_pool *pool;

	env_lock(&gates.lock);
	pool = g->pool;
	if (pool && !pool_ref_unless_gone(pool))
		pool = NULL;
	env_unlock(&gates.lock);
	return pool;
}

/* For a fork: the lock, and in between what the caller has to do to the pools. */
void gates_hold(void)
{
	env_lock(&gates.lock);
}

void gates_release(void)
{
	env_unlock(&gates.lock);
}

void gates_each_pool(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx)
{
	list_for_each(pos, &gates.registry)
		fn(list_entry(pos, struct pp_pool, registry), ctx);
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
