/*
 * pool.c - a pool's life: create, attach, detach, destroy; and its statistics.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

#include <stdio.h>

#include "env/debug.h"
#include "pool/budget.h"
#include "pool/cache.h"
#include "pool/chunk.h"
#include "pool/find.h"
#include "pool/getter.h"
#include "pool/holders.h"
#include "pool/index.h"
#include "pool/memory.h"
#include "pool/notice.h"
#include "pool/peak.h"
#include "pool/recall.h"
#include "pool/reclaim.h"
#include "pool/remote.h"
#include "pool/sample.h"
#include "pool/span.h"

/* ---- references ------------------------------------------------------------------------ */

void pool_ref(struct pp_pool *pool)
{
	env_add_relaxed(&pool->refs, 1);
}

bool pool_ref_unless_gone(struct pp_pool *pool)
{
	uint32_t refs = env_load_relaxed(&pool->refs);

	while (refs)
		if (env_cas_relaxed(&pool->refs, &refs, refs + 1))
			return true;
	return false;
}

/* Model: revoke.pml, unref; home.pml, pool_unref. */
void pool_unref_many(struct pp_pool *pool, uint32_t n)
{
	if (env_sub_acq_rel(&pool->refs, n) != n)
		return;
	anchors_put(pool);
	remote_end(pool);
	index_end(pool);
	memory_end(pool);
	budget_leave(pool);
	if (pool->tracked) {
		holders_bury(pool);
		return;
	}
	env_lock_destroy(&pool->lock);
	env_free(pool);
}

void pool_unref(struct pp_pool *pool)
{
	pool_unref_many(pool, 1);
}

/* ---- fork, and the end of a thread ----------------------------------------------------- */

/*
 * A child goes on with its own copy of a pool, unless a device has the memory: then that isn't
 * there, and no page is got any more. What is out comes home, as records only, and the pool goes as
 * any zombie. Nobody but the calling thread is left here.
 */
static void is_parents(struct pp_pool *pool, void *ctx)
{
	(void)ctx;
	if (!pool->pinned)
		return;
	memory_is_parents(pool);
	if (!pool_is_over(pool))
		env_store_relaxed(&pool->state, POOL_INHERITED);
	for (struct pp_anchor *a = pool->anchors; a; a = a->next)
		env_store_relaxed(&a->revoked, ANCHOR_REVOKED);
}

/* An eventfd is the parent's, too, and so is whoever waits. */
static void nobody_waits(struct pp_pool *pool, void *ctx)
{
	(void)ctx;
	env_store_relaxed(&pool->noticed, false);
	for (struct pp_anchor *a = pool->anchors; a; a = a->next)
		env_and_acq_rel(&a->revoked, ~(uint32_t)(ANCHOR_WAITED | ANCHOR_MORE));
}

static void fork_before(void)
{
	remote_hold();
	anchors_hold();
}

static void fork_after(bool child)
{
	if (child) {
		anchors_each_pool(nobody_waits, NULL);
		anchors_each_pool(is_parents, NULL);
	}
	anchors_release();
	remote_release();
	if (child)
		pools_each(getters_of_others_end, NULL);
}

void pool_thread_ends(struct env_thread *thread)
{
	getters_thread_ends(thread);
	remote_thread_ends(thread);
	anchors_thread_ends(thread);
}

/* ---- detach ---------------------------------------------------------------------------- */

/* Off one device: unmapped and invalidated there when it returns. */
static void detach(struct pp_pool *pool, unsigned at)
{
	struct binding *b = pool->at[at].binding;

	pool_unmap_all(pool, at);
	env_lock(&b->lock);
	binding_del_client(b, &pool->at[at].client);
	env_unlock(&b->lock);
	pool->at[at].binding = NULL;
	if (--pool->n_at)
		return;
	pool_revoke(pool);
	env_lock(&b->lock);
	if (!b->open) /* the binding is ending: it reports what was in flight */
		b->stats.in_flight_at_unbind += pool->in_flight_at_revoke;
	env_unlock(&b->lock);
}

/* The pool has just been revoked: those who can do something about it hear of it. No lock held. */
static void tell_revoked(struct pp_pool *pool)
{
	if (pool->woken)
		notice_call(pool_anchor(pool)->number);
	recall_ask(pool->id, pool->name);
}

static struct attachment *attachment_of(struct binding_client *client)
{
	return env_container_of(client, struct attachment, client);
}

static void client_hold(struct binding_client *client)
{
	attachment_of(client)->leaving = true;
	pool_ref(attachment_of(client)->pool);
}

static void client_revoke(struct binding_client *client)
{
	struct attachment *a = attachment_of(client);
	struct pp_pool *pool = a->pool;
	bool was_revoked, ask;

	pool_lock(pool);
	was_revoked = pool_is_revoked(pool);
	if (a->binding) /* else a detach or a destroy was faster */
		detach(pool, (unsigned)(a - pool->at));
	a->leaving = false;
	ask = pool_is_revoked(pool) && !was_revoked;
	pool_unlock(pool);
	if (ask)
		tell_revoked(pool);
	pool_unref(pool);
}

static const struct binding_client_ops client_ops = {
	.hold = client_hold,
	.revoke = client_revoke,
};

static int find_attachment(const struct pp_pool *pool, pp_binding_t binding)
{
	for (unsigned i = 0; i < POOL_DEVICES; i++)
		if (pool->at[i].binding && pool->at[i].name.id == binding.id)
			return (int)i;
	return -ENOENT;
}

#define CALLER __builtin_return_address(0)

int pp_pool_detach(struct pp_pool *pool, pp_binding_t binding)
{
	bool ask;
	int at;

	if (!pool)
		return debug_invalid("pp_pool_detach: there is no pool");
	if (misuse_destroyed(pool, "detach", CALLER))
		return -ENOENT;
	pool_lock(pool);
	at = find_attachment(pool, binding);
	ask = at >= 0 && !pool_is_revoked(pool);
	if (at >= 0)
		detach(pool, (unsigned)at);
	ask = ask && pool_is_revoked(pool);
	pool_unlock(pool);
	if (ask)
		tell_revoked(pool);
	return at < 0 ? at : 0;
}

/* ---- attach ---------------------------------------------------------------------------- */

static int attach_locked(struct pp_pool *pool, pp_binding_t binding)
{
	struct attachment *a = NULL;
	struct binding *b;
	int ret;

	if (pool_is_over(pool))
		return -ENODEV;
	if (find_attachment(pool, binding) >= 0)
		return -EEXIST;
	for (unsigned i = 0; i < POOL_DEVICES && !a; i++)
		if (!pool->at[i].binding && !pool->at[i].leaving)
			a = &pool->at[i];
	if (!a)
		return -ENOSPC;
	ret = binding_enter(&b, binding, true);
	if (ret)
		return ret;
	a->binding = b;
	a->name = binding;
	binding_add_client(b, &a->client);
	binding_leave(b);
	pool->n_at++;
	/* an unbind that comes now waits for our lock, and then unmaps what we map here */
	ret = pool_map_all(pool, (unsigned)(a - pool->at));
	env_lock(&b->lock); /* while the client is there, so is the device */
	if (ret)
		binding_del_client(b, &a->client);
	else if (!strcmp(pool->label, pool->name))
		snprintf(pool->label, sizeof pool->label, "%s of device %s", pool->name,
			 pp_device_name(b->dev));
	env_unlock(&b->lock);
	if (ret) {
		a->binding = NULL;
		pool->n_at--;
	}
	return ret;
}

int pp_pool_attach(struct pp_pool *pool, pp_binding_t binding)
{
	int ret;

	if (!pool)
		return debug_invalid("pp_pool_attach: there is no pool");
	if (misuse_destroyed(pool, "attach", CALLER))
		return -ENODEV;
	pool_lock(pool);
	ret = attach_locked(pool, binding);
	pool_unlock(pool);
	return ret;
}

/* ---- create ---------------------------------------------------------------------------- */

struct pp_pool_params pp_pool_defaults(void)
{
	struct pp_pool_params p = PP_PARAMS(struct pp_pool_params);

	p.page_size = PP_BASE_PAGE;
	p.chunk_size = 2u << 20;
	p.dir = PP_DMA_BIDIRECTIONAL;
	p.memory = PP_MEMORY_HUGETLB;
	p.numa_node = PP_NUMA_ANY;
	return p;
}

static bool power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* How many pages come from and go to the system together. */
static uint32_t pages_together(uint32_t page_size)
{
	size_t n = env_kernel_page() / page_size;

	return n > 64 ? 0 : n ? (uint32_t)n : 1;
}

static int check_sizes(const struct pp_pool_params *p)
{
	if (!power_of_two(p->chunk_size) || p->chunk_size < PP_BASE_PAGE ||
	    p->chunk_size > 1u << 30)
		return debug_invalid(
			"pp_pool_create: chunk_size is %u: it must be a power of two from "
			"4096 to 1073741824, or 0 for 2097152",
			p->chunk_size);
	if (!power_of_two(p->page_size) || p->page_size < 2048 || p->page_size > p->chunk_size)
		return debug_invalid(
			"pp_pool_create: page_size is %u: it must be a power of two from "
			"2048 to chunk_size, which is %u, or 0 for 4096",
			p->page_size, p->chunk_size);
	if (p->headroom >= p->page_size)
		return debug_invalid("pp_pool_create: headroom is %u: it must be less than "
				     "page_size, which is %u",
				     p->headroom, p->page_size);
	if (p->user_size > 65536)
		return debug_invalid("pp_pool_create: user_size is %u: it must be from 0 to 65536",
				     p->user_size);
	return 0;
}

static int check_area(const struct pp_pool_params *p)
{
	if (p->area % p->chunk_size || p->area / p->chunk_size > POOL_SPAN)
		return debug_invalid("pp_pool_create: area is %llu: it must be a multiple of "
				     "chunk_size, which is %u, and %u times that at most",
				     (unsigned long long)p->area, p->chunk_size, POOL_SPAN);
	return 0;
}

static int check_kinds(const struct pp_pool_params *p)
{
	if (p->dir != PP_DMA_BIDIRECTIONAL && p->dir != PP_DMA_TO_DEVICE &&
	    p->dir != PP_DMA_FROM_DEVICE)
		return debug_invalid(
			"pp_pool_create: dir is %d: it must be PP_DMA_BIDIRECTIONAL (0), "
			"PP_DMA_TO_DEVICE (1) or PP_DMA_FROM_DEVICE (2)",
			(int)p->dir);
	if (p->memory != PP_MEMORY_HUGETLB && p->memory != PP_MEMORY_THP &&
	    p->memory != PP_MEMORY_BASE)
		return debug_invalid(
			"pp_pool_create: memory is %d: it must be PP_MEMORY_HUGETLB (0), "
			"PP_MEMORY_THP (1) or PP_MEMORY_BASE (2)",
			(int)p->memory);
	if (p->address_bits && (p->address_bits < 32 || p->address_bits > 64))
		return debug_invalid(
			"pp_pool_create: address_bits is %u: it must be 32 to 64, or 0 "
			"for what the devices have",
			p->address_bits);
	if (p->find & ~FIND_ALL)
		return debug_invalid("pp_pool_create: find is %u: it must be an OR of PP_FIND_ADDR "
				     "(1) and PP_FIND_IOVA (2), or 0",
				     p->find);
	return 0;
}

/* The parameters in full, if there is nothing wrong with them. */
static int check_params(struct pp_pool_params *p, const struct pp_pool_params *params)
{
	int ret = params ? env_params("pp_pool_create", p, sizeof *p, params) : 0;

	if (ret == -EINVAL)
		return debug_invalid("pp_pool_create: the parameters don't say their size: see "
				     "PP_PARAMS and pp_pool_defaults");
	if (ret)
		return ret;
	if (!p->page_size)
		p->page_size = PP_BASE_PAGE;
	if (!p->chunk_size)
		p->chunk_size = 2u << 20;
	ret = check_sizes(p);
	if (ret)
		return ret;
	if (p->chunk_size < env_kernel_page()) /* it has pages of the kernel's to itself */
		p->chunk_size = (uint32_t)env_kernel_page();
	p->user_size = (p->user_size + 7) & ~7u;
	ret = check_area(p);
	ret = ret ? ret : check_kinds(p);
	return ret ? ret : memory_check(p);
}

/* What an area, or a file, means for the others. */
static void fit_to_memory(struct pp_pool_params *p)
{
	uint64_t pages = p->area / p->page_size;

	if (p->area && (!p->max_pages || p->max_pages > pages))
		p->max_pages = pages;
	/* it comes with addresses of its own, and a file has one kind of pages */
	if (p->memory == PP_MEMORY_HUGETLB && (p->area || p->shared) && !p->memory_strict)
		p->memory = PP_MEMORY_THP;
}

static uint64_t next_id = 1; /* relaxed */

static void pool_init(struct pp_pool *pool, const struct pp_pool_params *p)
{
	pool->params = *p;
	fit_to_memory(&pool->params);
	pool->params.name = NULL;
	strncpy(pool->name, p->name ? p->name : "unnamed", sizeof pool->name - 1);
	strcpy(pool->label, pool->name);
	pool->id = env_add_relaxed(&next_id, 1);
	pool->page_size = p->page_size;
	pool->together = pages_together(p->page_size);
	pool->refs = 1;
	env_lock_init(&pool->lock);
	pool->most = POOL_SPAN;
	pool->open.unit = 1;
	pool->round_due = p->idle_chunks || p->area ? UINT64_MAX : POOL_CACHE;
	pool->frag_closed = UINT32_MAX;
	list_init(&pool->spans);
	list_init(&pool->holes);
	list_init(&pool->cut);
	for (unsigned i = 0; i < CHUNK_LISTS; i++)
		list_init(&pool->list[i]);
	list_init(&pool->registry);
	for (unsigned i = 0; i < POOL_DEVICES; i++) {
		list_init(&pool->at[i].client.link);
		pool->at[i].client.ops = &client_ops;
		pool->at[i].pool = pool;
	}
	pool->tracked = debug_on(PP_DEBUG_PAGES);
}

/* One that nobody can find yet. */
static int pool_new(struct pp_pool **out, const struct pp_pool_params *p)
{
	struct pp_pool *pool = env_zalloc(sizeof *pool);
	int ret;

	*out = pool;
	if (!pool)
		return -ENOMEM;
	pool_init(pool, p);
	ret = memory_begin(pool);
	if (!ret)
		ret = anchor_get(&pool->anchor, pool);
	if (!ret) {
		budget_join(pool);
		return 0;
	}
	memory_end(pool);
	env_lock_destroy(&pool->lock);
	env_free(pool);
	return ret;
}

int pp_pool_create(struct pp_pool **out, pp_binding_t binding, const struct pp_pool_params *params)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool *pool;
	int ret;

	if (!out)
		return debug_invalid("pp_pool_create: there is nowhere to store the pool");
	*out = NULL;
	ret = check_params(&p, params);
	if (!ret)
		ret = env_barrier_init();
	if (ret)
		return ret;
	env_memory_init();
	ret = pool_new(&pool, &p);
	if (ret)
		return ret;
	env_at_fork(fork_before, fork_after);
	owner_first(pool);
	pool_publish(pool);
	if (binding.id)
		ret = pp_pool_attach(pool, binding);
	if (ret) {
		pp_pool_destroy(pool);
		return ret;
	}
	pool->area_free =
		p.area_free; /* from now on: else the area has been the caller's all along */
	*out = pool;
	return 0;
}

/* ---- destroy, own ---------------------------------------------------------------------- */

void pp_pool_destroy(struct pp_pool *pool)
{
	bool ask;

	if (!pool || misuse_destroyed(pool, "destroy", CALLER))
		return;
	pool_lock(pool);
	ask = !pool_is_revoked(pool);
	for (unsigned i = 0; i < POOL_DEVICES; i++)
		if (pool->at[i].binding)
			detach(pool, i);
	pool_revoke(pool); /* one that was attached nowhere */
	env_store_relaxed(&pool->state, POOL_DESTROYED);
	pool_unlock(pool);
	if (ask)
		tell_revoked(pool);
	notice_end(pool);
	pool_unref(pool);
}

int pp_pool_own(struct pp_pool *pool)
{
	if (!pool)
		return debug_invalid("pp_pool_own: there is no pool");
	return misuse_destroyed(pool, "own", CALLER) ? 0 : owner_change(pool);
}

bool pp_pool_revoked(const struct pp_pool *pool)
{
	return !pool || pool_is_over(pool);
}

/* ---- statistics ------------------------------------------------------------------------ */

#define COUNT 256u /* chunks that are looked at before others get the lock */

/* Of the chunks with the next few numbers. Lock held. */
static uint64_t count_some(const struct pp_pool *pool, uint64_t *number)
{
	uint64_t end = *number + COUNT, n = 0;

	for (; *number < end && *number < pool->numbers.n; ++*number) {
		const struct pp_chunk *c = index_chunk(pool, *number);

		n += c ? chunk_in_flight(c) : 0;
	}
	return n;
}

/*
 * Pages that aren't home, those in cache and rings included until a revocation. Others have the
 * lock in between: what they move then may be counted twice, or not at all. Returns with the lock.
 */
static uint64_t count_in_flight(struct pp_pool *pool)
{
	bool was_revoked = pool_is_revoked(pool);
	uint64_t number = 0, n = 0;

	for (pool_lock(pool);; pool_lock(pool)) {
		n += count_some(pool, &number);
		if (number >= pool->numbers.n)
			break;
		pool_unlock(pool);
	}
	return pool_is_revoked(pool) && !was_revoked ? pool->in_flight_at_revoke : n;
}

static void stats_locked(struct pp_pool *pool, struct pp_pool_stats *s, uint64_t away)
{
	uint64_t cached = cache_total(pool);

	s->alloc_slow = env_load_relaxed(&pool->alloc_slow);
	s->alloc_slow_high_order = pool->n_chunks + pool->n_released;
	s->alloc_empty = env_load_relaxed(&pool->alloc_empty);
	s->alloc_refill = env_load_relaxed(&pool->alloc_refill);
	s->alloc_failed = env_load_relaxed(&pool->alloc_failed);
	s->recycle_cache_full = env_load_relaxed(&pool->recycle_cache_full);
	cache_stats(pool, s);
	s->recycle_ring_full = env_load_relaxed(&pool->recycle_ring_full);
	s->pages = pool->n_pages;
	s->in_flight = pool_is_revoked(pool) || away < cached ? away : away - cached;
	s->max_pages = pool->params.max_pages;
	s->chunks = pool->n_chunks;
	s->chunks_hugetlb = pool->n_memory[PP_MEMORY_HUGETLB];
	s->chunks_thp = pool->n_memory[PP_MEMORY_THP];
	s->chunks_base = pool->n_memory[PP_MEMORY_BASE];
	s->chunks_idle = pool_idle(pool);
	s->idle_limit = pool_idle_limit(pool);
	s->chunks_released = pool->n_released;
	s->bytes_mapped = pool_bytes_mapped(pool);
	s->record_bytes = sizeof *pool + remote_bytes(pool) + pool->record_bytes;
	for (const struct pp_anchor *a = pool->anchors; a; a = a->next)
		s->record_bytes += sizeof *a;
	s->attachments = pool->n_at;
	s->revoked = pool_is_over(pool);
	s->in_flight_at_revoke = pool->in_flight_at_revoke;
	s->reserved = pool->reserved;
	s->peak_in_flight = peak_read(pool);
	s->oldest_ns = sample_oldest(pool);
}

void pp_pool_stats(struct pp_pool *pool, struct pp_pool_stats *stats, size_t size)
{
	struct pp_pool_stats s = { 0 };

	if (pool && !misuse_gone(pool, "statistics", CALLER)) {
		pool_lock(pool);
		pool_reclaim_complete(pool);
		pool_free_spent(pool, UINT32_MAX);
		pool_unlock(pool);
		stats_locked(pool, &s, count_in_flight(pool));
		pool_unlock(pool);
	}
	env_stats_out(stats, size, &s, sizeof s);
}

static void info_locked(const struct pp_pool *pool, struct pp_pool_info *info)
{
	memcpy(info->name, pool->name, sizeof info->name);
	memcpy(info->label, pool->label, sizeof info->label);
	info->id = pool->id;
	info->page_size = pool->page_size;
	info->chunk_size = pool->params.chunk_size;
	info->dir = pool->params.dir;
	info->destroyed = pool->state == POOL_DESTROYED;
	if (pool_is_revoked(pool)) /* never 0, so that it tells one that is revoked */
		info->revoked_ago_ns = env_now_ns() - pool->revoked_ns + 1;
	for (unsigned i = 0; i < POOL_DEVICES; i++)
		if (pool->at[i].binding)
			info->binding[info->n_bindings++] = pool->at[i].name;
}

void pp_pool_info(struct pp_pool *pool, struct pp_pool_info *info, size_t size)
{
	struct pp_pool_info i = { 0 };

	if (pool && !misuse_gone(pool, "information", CALLER)) {
		pool_lock(pool);
		info_locked(pool, &i);
		pool_unlock(pool);
	}
	env_stats_out(info, size, &i, sizeof i);
}

void pp_pool_each(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx)
{
	if (fn)
		pools_each(fn, ctx);
}

struct sum {
	struct pp_totals totals;
	uint64_t now_ns; /* for all of them: or the youngest may look the oldest, if it is late */
};

static void add_to_totals(struct pp_pool *pool, void *ctx)
{
	struct sum *sum = ctx;
	struct pp_totals *t = &sum->totals;
	uint64_t n, age;

	t->pools++;
	if (!pool_is_revoked(pool))
		return;
	n = count_in_flight(pool);
	age = sum->now_ns > pool->revoked_ns ? sum->now_ns - pool->revoked_ns : 1;
	pool_unlock(pool);
	t->zombies++;
	t->zombie_pages += n;
	if (age > t->oldest_zombie_ns) {
		t->oldest_zombie_ns = age;
		t->oldest_zombie_pages = n;
	}
}

void pp_totals(struct pp_totals *totals, size_t size)
{
	struct sum sum = { .now_ns = env_now_ns() };

	pools_each(add_to_totals, &sum);
	sum.totals.chunk_bytes = chunk_bytes_total();
	sum.totals.iova_bytes = iova_in_use();
	env_stats_out(totals, size, &sum.totals, sizeof sum.totals);
}
