/*
 * getter.c - getters (src/pool/getter.c) and what is taken from their caches (src/pool/take.c): how
 * many anchors there are and whose, how much is taken and how a cache goes on, what a flag says.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/getter.h"
#include "pool/reclaim.h"
#include "pool/take.h"
#include "soft_device.h"
#include "unit.h"

static struct pp_pool *pool_of(uint64_t pages)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool *pool;

	p.memory = PP_MEMORY_BASE;
	p.max_pages = pages;
	if (pp_pool_create(&pool, pp_binding_none(), &p))
		abort();
	return pool;
}

static struct pp_getter *getter_of(struct pp_pool *pool)
{
	struct pp_getter *getter;

	if (pp_getter_create(&getter, pool))
		abort();
	return getter;
}

static unsigned anchors(const struct pp_pool *pool)
{
	unsigned n = 0;

	for (const struct pp_anchor *a = pool->anchors; a; a = a->next)
		n++;
	return n;
}

static uint32_t flag_of(const struct pp_getter *getter)
{
	return env_load_relaxed(&getter->anchor.revoked);
}

/* Get so many, and put them: into the cache, as far as there is room. */
static void warm(struct pp_getter *getter, unsigned n)
{
	struct pp_page *page[PP_CACHE_PAGES];

	if (pp_getter_get_batch(page, n, getter) != (int)n)
		abort();
	pp_page_put_batch(page, n);
}

/* ---- a thread that makes a getter, and what else it is told ------------------------------ */

struct other {
	pthread_t thread;
	struct pp_pool *pool;
	struct pp_getter *getter;
	unsigned warm;
	bool keeps;
	int step; /* atomic: 1: it is ready; 2: it may end */
};

static void *other_main(void *arg)
{
	struct other *o = arg;

	o->getter = getter_of(o->pool);
	if (o->warm)
		warm(o->getter, o->warm);
	__atomic_store_n(&o->step, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&o->step, __ATOMIC_ACQUIRE) < 2)
		sched_yield();
	if (!o->keeps)
		pp_getter_destroy(o->getter);
	return NULL;
}

static void begin(struct other *o, struct pp_pool *pool, unsigned n, bool keeps)
{
	*o = (struct other){ .pool = pool, .warm = n, .keeps = keeps };
	if (pthread_create(&o->thread, NULL, other_main, o))
		abort();
	while (!__atomic_load_n(&o->step, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void end(struct other *o)
{
	__atomic_store_n(&o->step, 2, __ATOMIC_RELEASE);
	pthread_join(o->thread, NULL);
}

/* ---- the tests --------------------------------------------------------------------------- */

static void anchors_are_used_again(void)
{
	struct pp_pool *pool = pool_of(0);
	struct pp_getter *getter;
	struct other o[3];

	check(!pool->has_getters, "a pool without getters isn't shared");
	for (unsigned i = 0; i < 100; i++) {
		getter = getter_of(pool);
		warm(getter, 32);
		pp_getter_destroy(getter);
	}
	check_eq(anchors(pool), 2, "a hundred getters of a thread, one by one: one anchor");
	check_eq(pool->refs, 1 + pool->n_chunks, "and no reference is left");
	for (unsigned i = 0; i < 100; i++) {
		begin(&o[0], pool, 32, i % 2);
		end(&o[0]);
	}
	check_eq(anchors(pool), 2, "and of a hundred threads");
	check_eq(pool->refs, 1 + pool->n_chunks, "whether or not they end theirs");
	for (unsigned i = 0; i < 3; i++)
		begin(&o[i], pool, 32, false);
	check_eq(anchors(pool), 4, "three at a time have three");
	for (unsigned i = 0; i < 3; i++)
		end(&o[i]);
	check(pool->has_getters, "it is shared from the first one on");
	pp_pool_destroy(pool);
}

static void puts_go_inline(void)
{
	struct pp_pool *pool = pool_of(0);
	struct pp_getter *getter = getter_of(pool);
	struct pp_page *page;

	check(pp_self.anchor == &getter->anchor,
	      "a thread's puts are inline from the first one on");
	if (pp_getter_get(&page, getter))
		abort();
	check(!pp_fast_put(page), "but for that of a page that is sampled, the first");
	pp_page_put(page);
	if (pp_getter_get(&page, getter))
		abort();
	check(pp_fast_put(page), "the next one is");
	check_eq(cache_left(&getter->anchor), 256, "and goes into the getter's cache");
	pp_getter_destroy(getter);
	check(!pp_self.anchor, "none is when the getter has gone");
	pp_pool_destroy(pool);
}

/* The older half goes; then the thread has the rest, in the order in which it was. */
static void half_is_taken(void)
{
	struct pp_pool *pool = pool_of(300);
	struct pp_getter *getter = getter_of(pool);
	struct pp_page *page[300], *newest;
	struct other o;

	if (pp_getter_get_batch(page, 300, getter) != 300)
		abort();
	pp_page_put_batch(page, 300);
	newest = page[299];
	begin(&o, pool, 1, false); /* it finds none elsewhere */
	check_eq(flag_of(getter), ANCHOR_TAKEN, "the cache is closed,");
	check_eq(getter->anchor.taken, 150, "and its older half has gone");
	check_eq(cache_left(&getter->anchor), 150, "150 are left");
	check_eq(pool_stats(pool).in_flight, 0, "none of which is in flight");
	if (pp_getter_get(&page[0], getter))
		abort();
	check(page[0] == newest, "the newest is the next one out");
	check_eq(flag_of(getter), ANCHOR_OPEN, "which opens the cache");
	check_eq(getter->anchor.taken, 0, "and settles its counts:");
	check_eq(cache_left(&getter->anchor), 149, "149 are left");
	pp_page_put(page[0]);
	check_eq(pp_getter_get_batch(page, 300, getter), 300, "all are found");
	pp_page_put_batch(page, 300);
	end(&o);
	pp_getter_destroy(getter);
	pp_pool_destroy(pool);
}

/* While another has the lock, it leaves the cache closed. */
static void a_put_waits_for_no_get(void)
{
	struct pp_pool *pool = pool_of(64);
	struct pp_getter *getter = getter_of(pool);
	struct pp_page *page[64];
	struct other o;

	if (pp_getter_get_batch(page, 64, getter) != 64)
		abort();
	pp_page_put_batch(page, 32);
	begin(&o, pool, 1, false);
	check_eq(flag_of(getter), ANCHOR_TAKEN, "the cache is closed");
	pool_lock(pool);
	pp_page_put(page[32]);
	check_eq(flag_of(getter), ANCHOR_TAKEN, "a put beside a lock leaves it so");
	check_eq(cache_left(&getter->anchor), 17, "and the page is in it");
	pool_unlock(pool);
	pp_page_put(page[33]);
	check_eq(flag_of(getter), ANCHOR_OPEN, "the next one opens it");
	check_eq(cache_left(&getter->anchor), 18, "with both");
	pp_page_put_batch(page + 34, 30);
	end(&o);
	pp_getter_destroy(getter);
	pp_pool_destroy(pool);
}

/* What a revocation finds in a cache that others took from. */
static void revoked_half_taken(void)
{
	struct pp_pool *pool = pool_of(64);
	struct pp_getter *getter = getter_of(pool);
	struct pp_page *page;
	struct other o;

	warm(getter, 64);
	begin(&o, pool, 1, false);
	pp_pool_destroy(pool);
	check_eq(totals().chunk_bytes, 0, "a revocation brings all home");
	check_eq(pp_getter_get(&page, getter), -ENODEV, "the getter gets none");
	end(&o);
	pp_getter_destroy(getter);
	check_eq(totals().pools, 0, "the pool goes with its last getter");
}

int main(void)
{
	run(anchors_are_used_again);
	run(puts_go_inline);
	run(half_is_taken);
	run(a_put_waits_for_no_get);
	run(revoked_half_taken);
	return tap_end();
}
