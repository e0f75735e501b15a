/*
 * scenarios.c - what is explored: two or three threads over one small pool, and what must be
 * true whatever the schedule.
 *
 * explore [late=N] [exact=1] [without=N] [taught=1] [quick | NAME ...]: the scenarios of two
 * threads, or these, or all. TAP. late: so many late loads in a schedule, at most. exact: in all of
 * them no race is missed. without: one of the acquires is left out, by its number of `explore
 * acquires`. taught: name those that make a difference in a scenario, the only ones to leave out
 * there.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <stdio.h>
#include <stdlib.h>

#include <pagepool/debug.h>

#include "below.h"
#include "device/binding.h"
#include "pool/owner.h"
#include "pool/reclaim.h"
#include "world.h"

#define EVERYBODY UINT64_MAX /* may wait: there is a revocation */

static struct {
	struct pp_pool *pool, *other;
	struct binding *slot;
	pp_binding_t binding;              /* its number: atomic where it is passed on */
	struct pp_page *page[8];           /* held when the threads begin */
	uint64_t revoked, destroyed;       /* a revocation has returned; the handle is gone */
	uint64_t gets, puts;               /* that succeeded; of last references */
	uint64_t empty;                    /* gets that failed, and not for a revocation */
	uint64_t told_before;              /* what others were told before the last that failed */
	uint64_t frags;                    /* fragments are cut: gets and puts aren't all known */
	struct pp_page *passed;            /* from one thread to another; atomic */
	struct pp_page *kept;              /* held to the end */
	struct pp_page *shared;            /* of which two threads have references */
	uint64_t owner;                    /* who has taken the pool over; 0: nobody */
	struct pp_getter *getter[THREADS]; /* the threads', by which they get */
	uint64_t enough;                   /* for all that get: none may fail */
} g STATE = { .pool = NULL };

/* ---- calls, with their checks ---------------------------------------------------------- */

static void check_get(int ret, bool late)
{
	if (!ret && late)
		fail("a get that began after the revocation succeeded");
	if (ret == -ENODEV && may_wait != EVERYBODY)
		fail("a get is refused without a revocation");
	if (ret && ret != -ENODEV && ret != -ENOBUFS)
		fail("a get returned %d", ret);
}

/* By the thread's getter, if it has one. */
static struct pp_page *get(void)
{
	struct pp_getter *getter;
	struct pp_page *page;
	uint64_t told;
	bool late;
	int ret;

	op_yield();
	late = g.revoked;
	told = below_told();
	getter = g.getter[thread_self() - 1];
	ret = getter ? pp_getter_get(&page, getter) : pp_page_get(&page, g.pool);
	check_get(ret, late);
	if (ret == -ENOBUFS && g.enough)
		fail("a get fails though pages are free");
	g.empty += ret == -ENOBUFS;
	if (ret == -ENOBUFS && told > g.told_before)
		g.told_before = told;
	if (ret)
		return NULL;
	g.gets++;
	below_got(page, false, true);
	return page;
}

/* A put waits for no lock unless there is a revocation. */
static void put_batch(struct pp_page *const *pages, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		g.puts += below_put(pages[i]);
	must_not_wait(true);
	if (n == 1)
		pp_page_put(pages[0]);
	else
		pp_page_put_batch(pages, n);
	must_not_wait(false);
}

static void put(struct pp_page *page)
{
	if (page)
		put_batch(&page, 1);
}

static struct pp_page *frag(uint32_t len)
{
	struct pp_frag f;
	bool late;
	int ret;

	op_yield();
	g.frags = 1;
	late = g.revoked;
	ret = pp_frag_get(&f, g.pool, len, 1);
	check_get(ret, late);
	if (ret)
		return NULL;
	below_got(f.page, true, !f.offset);
	return f.page;
}

static void destroy(void)
{
	op_yield();
	may_wait = EVERYBODY;
	pp_pool_destroy(g.pool);
	g.destroyed = 1;
	g.revoked = 1;
	below_device_sees_nothing();
}

/* What pp_device_unbind does to the pools (device.c). */
static void unbind(void)
{
	op_yield();
	may_wait = EVERYBODY;
	binding_close(g.slot, &(pp_binding_t){ 0 });
	binding_revoke(g.slot);
	below_device_sees_nothing();
	binding_end(g.slot);
	g.revoked = 1;
}

/* What pp_device_remove does when the device has gone already. */
static void removal(void)
{
	op_yield();
	may_wait = EVERYBODY;
	binding_end(g.slot);
	binding_revoke(g.slot);
	below_device_sees_nothing();
	g.revoked = 1;
}

static void detach(void)
{
	op_yield();
	may_wait = EVERYBODY;
	pp_pool_detach(g.pool, g.binding);
	below_device_sees_nothing();
	g.revoked = 1;
}

/* Another thread is the owner; the last one puts what it has. */
static void own(void)
{
	op_yield();
	may_wait |= 1; /* the last owner, once */
	if (pp_pool_own(g.pool))
		fail("no anchor");
	g.owner = thread_self();
}

static void make_getter(void)
{
	op_yield();
	if (may_wait != EVERYBODY)
		may_wait =
			7; /* a put, for a lock that is held for a moment, to ask whose a cache is */
	if (pp_getter_create(&g.getter[thread_self() - 1], g.pool) && may_wait != EVERYBODY)
		fail("no getter");
}

static void destroy_getter(void)
{
	struct pp_getter *getter = g.getter[thread_self() - 1];

	op_yield();
	g.getter[thread_self() - 1] = NULL;
	pp_getter_destroy(getter);
}

static void trim(void)
{
	op_yield();
	pp_pool_trim(g.pool, 0);
}

static void look_at_pool(struct pp_pool *pool, void *ctx)
{
	struct pp_pool_stats s;

	(void)ctx;
	pp_pool_stats(pool, &s, sizeof s);
	if (s.in_flight > s.pages)
		fail("statistics: %llu in flight of %llu pages", (unsigned long long)s.in_flight,
		     (unsigned long long)s.pages);
}

static void look_at_all(void)
{
	op_yield();
	pp_pool_each(look_at_pool, NULL);
}

static void look_at_stats(void)
{
	struct pp_totals t;

	op_yield();
	look_at_pool(g.pool, NULL);
	pp_totals(&t, sizeof t);
}

static void handler_looks(struct pp_pool *pool, void *ctx)
{
	(void)ctx;
	if (!pool_look_begin(pool))
		return;
	pool_look_is_waited_for(pool);
	pool_look_end(pool);
}

/* What a dump in a signal's handler does to the pool. */
static void look_in_handler(void)
{
	uint64_t id = 0;

	op_yield();
	pools_try_next(&id, handler_looks, NULL);
}

/* ---- setup ----------------------------------------------------------------------------------- */

/* Chunks of so many pages, as far as there is room in a pool of so many. */
static void create(pp_binding_t binding, unsigned pages, unsigned pages_a_chunk)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.memory = PP_MEMORY_BASE;
	p.page_size = PP_BASE_PAGE;
	p.chunk_size = pages_a_chunk * PP_BASE_PAGE;
	p.max_pages = pages;
	p.user_size = 8; /* for below.c */
	p.idle_chunks = 1;
	if (pp_pool_create(&g.pool, binding, &p))
		fail("no pool");
}

static void create_mapped(unsigned pages, unsigned pages_a_chunk)
{
	if (binding_slot_get(&g.slot, NULL, &below_iommu, 64))
		fail("no slot");
	binding_begin(g.slot, &g.binding);
	create(g.binding, pages, pages_a_chunk);
}

static void hold(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!(g.page[i] = get()))
			fail("no page");
}

/* As another thread would. */
static void put_remotely(struct pp_page *page)
{
	uint64_t self = thread_self();

	act_as(self == 1 ? 2 : 1);
	put(page);
	act_as(self);
}

static void two_held(void)
{
	create(pp_binding_none(), 2, 2);
	hold(2);
}

static void none_held(void)
{
	create_mapped(2, 2);
}

static void one_held(void)
{
	create_mapped(2, 2);
	hold(1);
}

static void one_cached(void)
{
	one_held();
	put(g.page[0]);
}

static void one_of_one(void)
{
	create(pp_binding_none(), 1, 1);
	hold(1);
}

/* The same, and the owner wants to be told when pages are back. */
static void one_waited(void)
{
	one_of_one();
	g.pool->noticed = true;
}

static void one_watched_waited(void)
{
	below_debug = PP_DEBUG_PAGES; /* pages come home, and nowhere else */
	one_waited();
}

static void one_held_waited(void)
{
	create_mapped(1, 1);
	hold(1);
	g.pool->noticed = true;
}

static void one_kept_waited(void)
{
	one_held_waited();
	g.kept = g.page[0];
}

static void two_waited(void)
{
	create(pp_binding_none(), 2, 2);
	hold(2);
	g.pool->noticed = true;
}

static void two_held_mapped(void)
{
	create_mapped(2, 2);
	hold(2);
}

static void one_held_one_cached(void)
{
	two_held_mapped();
	put(g.page[1]);
}

static void three_held(void)
{
	create_mapped(3, 4);
	hold(3);
}

/* Two held, and the cache full. */
static void cache_full(void)
{
	create_mapped(POOL_CACHE + 2, 8);
	hold(POOL_CACHE + 2);
	for (unsigned i = 2; i < POOL_CACHE + 2; i++)
		put(g.page[i]);
}

/*
 * One held, and the cache full: the next put gives up two pages, stops when the chunk of the first
 * one, whose other pages are home, is trimmed, and puts the second into the cache again.
 */
static void cache_full_trimming(void)
{
	create_mapped(8, 4);
	hold(8);
	for (unsigned i = 5; i < 8; i++)
		put(g.page[i]);
	pp_pool_trim(g.pool, UINT64_MAX);
	put(g.page[1]);
	put(g.page[2]);
	put(g.page[4]);
	put(g.page[3]);
	g.pool->trimming = true;
}

/* Two held; the only SPSC ring is a third thread's, with a page in it. */
static void ring_taken(void)
{
	create_mapped(3, 4);
	hold(3);
	act_as(3);
	put(g.page[2]);
	act_as(scenario->as ? scenario->as : 1);
}

/* The cache empty, one page held, another with the others. */
static void one_returned(void)
{
	create_mapped(2, 2);
	hold(2);
	put_remotely(g.page[1]);
}

/* Two, and there are no others. */
static void two_returned(void)
{
	create_mapped(2, 2);
	hold(2);
	put_remotely(g.page[0]);
	put_remotely(g.page[1]);
}

/* Two, the first with a second reference. */
static void two_references(void)
{
	create_mapped(2, 2);
	hold(2);
	g.shared = g.page[0];
	pp_page_ref(g.shared, 1);
	below_ref(g.shared, 1);
}

/* The putter knows its ring, and has put the other page before. */
static void two_references_known(void)
{
	create_mapped(2, 2);
	hold(2);
	put_remotely(g.page[1]);
	g.kept = get();
	g.shared = g.page[0];
	pp_page_ref(g.shared, 1);
	below_ref(g.shared, 1);
}

static void two_references_1_kept(void)
{
	two_references();
	g.kept = g.page[1];
}

/* As before, and the owner has put. */
static void two_references_inline(void)
{
	create_mapped(2, 2);
	hold(2);
	put(g.page[0]);
	hold(1);
	g.shared = g.page[0];
	pp_page_ref(g.shared, 1);
	below_ref(g.shared, 1);
}

static void zombie(void)
{
	create(pp_binding_none(), 2, 2);
	hold(2);
	destroy();
}

/* A zombie whose handle is still there. */
static void unbound(void)
{
	two_held_mapped();
	unbind();
}

static void two_references_inline_1_kept(void)
{
	two_references_inline();
	g.kept = g.page[1];
}

/* With cache and ring closed: all pages come home and go out by the chunks. */
static void watched(unsigned pages, unsigned pages_a_chunk)
{
	below_debug = PP_DEBUG_PAGES;
	create_mapped(pages, pages_a_chunk);
	hold(pages);
}

static void watched_one_chunk(void)
{
	watched(2, 2);
}

static void watched_one_kept(void)
{
	watched(2, 2);
	g.kept = g.page[1];
}

static void watched_one_page(void)
{
	watched(1, 1);
}

static void watched_none_held(void)
{
	watched(1, 1);
	put(g.page[0]);
}

static void watched_two_chunks(void)
{
	watched(2, 1);
}

/* Three chunks of which one may be idle, and is: the next two are trimmed. */
static void watched_trimming(void)
{
	watched(3, 1);
	put(g.page[2]);
}

/* Two in one span, of which one is idle: the slot of that one is free when it is trimmed. */
static void watched_with_hole(void)
{
	watched(3, 1);
	put(g.page[2]);
	g.kept = g.page[1];
}

/* Two chunks trimmed and not invalidated yet; the second thread has a pool of the same device. */
static void watched_not_invalidated(void)
{
	struct pp_pool *first;

	watched(3, 1);
	put(g.page[2]);
	put(g.page[1]);
	first = g.pool;
	act_as(2);
	create(g.binding, 1, 1);
	act_as(1);
	g.other = g.pool;
	g.pool = first;
}

static void getters(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		act_as(i + 1);
		make_getter();
	}
}

/* Two pages, both in the first thread's cache, and two that get one each. */
static void two_getters(void)
{
	create_mapped(2, 2);
	getters(2);
	act_as(1);
	hold(2);
	put(g.page[0]);
	put(g.page[1]);
	g.enough = 1;
}

/* The same, and while the one ends, what it brings home is nowhere. */
static void two_getters_one_ends(void)
{
	two_getters();
	g.enough = 0;
}

/* The same, one of the pages held by the second. */
static void two_getters_one_held(void)
{
	two_getters();
	act_as(2);
	hold(1);
	act_as(1);
}

/* One page, which only one of the two can have. */
static void getters_one_page(void)
{
	create_mapped(1, 1);
	getters(2);
	act_as(1);
	hold(1);
	put(g.page[0]);
}

/* Three in the first one's cache: of which one stays there when the other takes. */
static void getters_three_pages(void)
{
	create_mapped(3, 4);
	getters(2);
	act_as(1);
	hold(3);
	for (unsigned i = 0; i < 3; i++)
		put(g.page[i]);
	g.enough = 1;
}

/* Both pages in the owner's cache, who is a third thread; a getter of each of two others. */
static void owner_and_two_getters(void)
{
	create_mapped(2, 2);
	hold(2);
	put(g.page[0]);
	put(g.page[1]);
	getters(2);
	g.enough = 1;
}

/* Three pages, of which a third thread has one. */
static void two_getters_one_put(void)
{
	create_mapped(3, 4);
	getters(2);
	act_as(1);
	hold(3);
	put(g.page[1]);
	put(g.page[2]);
	g.enough = 1;
}

/* One page, which the first thread has, and the second wants to be told of. */
static void two_getters_waited(void)
{
	create(pp_binding_none(), 1, 1);
	getters(2);
	act_as(1);
	hold(1);
	g.pool->noticed = true;
}

/* One page, which a third thread has, and two wait for. */
static void two_getters_wait(void)
{
	create(pp_binding_none(), 1, 1);
	hold(1);
	getters(2);
	g.pool->noticed = true;
}

static void half_fragment(void)
{
	create_mapped(2, 1);
	g.page[0] = frag(2048);
}

static void odd_fragment(void)
{
	create_mapped(2, 1);
	g.page[0] = frag(3000);
}

/* ---- finish ---------------------------------------------------------------------------------- */

/* 1: the pool keeps the page that fragments are cut from. */
static unsigned open_page(void)
{
	return g.pool->open.held && !g.revoked;
}

static void add_up(void)
{
	struct pp_pool_stats s;

	pp_pool_stats(g.pool, &s, sizeof s);
	if (s.in_flight != below_held() + open_page())
		fail("statistics: %llu pages in flight, not %u", (unsigned long long)s.in_flight,
		     below_held());
	if (g.revoked || g.frags || below_debug)
		return;
	if (s.recycle_cached + s.recycle_ring + s.recycle_ring_full != g.puts)
		fail("statistics: %llu + %llu + %llu puts, not %llu",
		     (unsigned long long)s.recycle_cached, (unsigned long long)s.recycle_ring,
		     (unsigned long long)s.recycle_ring_full, (unsigned long long)g.puts);
	if (s.alloc_fast + s.alloc_empty - s.alloc_failed != g.gets)
		fail("statistics: %llu + %llu - %llu gets, not %llu",
		     (unsigned long long)s.alloc_fast, (unsigned long long)s.alloc_empty,
		     (unsigned long long)s.alloc_failed, (unsigned long long)g.gets);
}

/* None is lost: a live pool gives out as many as it may have. */
static void get_all(void)
{
	struct pp_page *page[8];
	unsigned n = 0;

	while (n < 8 && (page[n] = get()))
		n++;
	if (below_held() != g.pool->params.max_pages - open_page())
		fail("a page is lost: %u can be got", n);
	while (n)
		put(page[--n]);
}

/* The threads have put all that they had. What a zombie had must have gone with it. */
static void finish(void)
{
	if (g.owner)
		act_as(g.owner);
	put(g.passed);
	if (!g.destroyed) {
		add_up();
		if (!g.revoked)
			get_all();
		destroy();
	}
	put(g.kept);
	pp_pool_destroy(g.other);
	if (below_held())
		fail("the scenario still holds pages");
	below_nothing_left();
}

/* Each thread's getter first; by now it may have been taken from. */
static void getters_go(void)
{
	for (uint64_t i = 0; i < THREADS; i++)
		if (g.getter[i]) {
			act_as(i + 1);
			destroy_getter();
		}
	g.enough = 0;
	act_as(scenario->as ? scenario->as : 1);
}

static void finish_getters(void)
{
	getters_go();
	finish();
}

/* Of a binding alone. */
static void finish_binding(void)
{
	binding_revoke(g.slot);
	binding_end(g.slot);
}

/* ---- the threads' parts ---------------------------------------------------------------------- */

/* Once for each get that has failed: for all pages are back, or the pool is revoked. */
static void finish_told(void)
{
	if (below_told() != g.empty)
		fail("%u are told of %llu failures", below_told(), (unsigned long long)g.empty);
	finish();
}

/*
 * The same where several may fail before they are told, all at once; and where a get that succeeds
 * may tell, as it may have been another's that failed.
 */
static void finish_both_told(void)
{
	getters_go();
	if (below_told() > g.empty + g.gets || (g.empty && below_told() <= g.told_before))
		fail("%u are told of %llu failures, %llu of them earlier", below_told(),
		     (unsigned long long)g.empty, (unsigned long long)g.told_before);
	finish();
}

static void finish_getters_told(void)
{
	getters_go();
	finish_told();
}

static void put_0(void)
{
	put(g.page[0]);
}

/* By a thread that ends. */
static void put_0_end(void)
{
	put(g.page[0]);
	pool_thread_ends(env_thread());
}

/* The page of which another thread has a reference, too. */
static void put_shared(void)
{
	put(g.shared);
}

static void put_1(void)
{
	put(g.page[1]);
}

static void put_0_1(void)
{
	put(g.page[0]);
	put(g.page[1]);
}

static void batch_0_1(void)
{
	put_batch(g.page, 2);
}

static void batch_1_2(void)
{
	put_batch(g.page + 1, 2);
}

static void get_put(void)
{
	put(get());
}

static void get_put_end(void)
{
	put(get());
	pool_thread_ends(env_thread());
	g.getter[thread_self() - 1] = NULL;
}

static void getter_get_put(void)
{
	make_getter();
	put(get());
	destroy_getter();
}

static void own_get_put(void)
{
	own();
	put(get());
}

/* A putter may have found the last owner's anchor. */
static void own_and_unbind(void)
{
	own();
	unbind();
}

static void own_get_get_put(void)
{
	struct pp_page *a, *b;

	own();
	a = get();
	b = get();
	put(a);
	put(b);
}

static void get_put_put_0(void)
{
	put(get());
	put(g.page[0]);
}

static void put_0_get_put(void)
{
	put(g.page[0]);
	put(get());
}

static void batch_get_get_put(void)
{
	struct pp_page *a, *b;

	put_batch(g.page, 2);
	a = get();
	b = get();
	put(a);
	put(b);
}

/* The page that another thread has, too, is the second. */
static void batch_1_0_get_get_put(void)
{
	struct pp_page *page = g.page[0];

	g.page[0] = g.page[1];
	g.page[1] = page;
	batch_get_get_put();
}

static void get_put_twice(void)
{
	put(get());
	put(get());
}

static void get_get_put(void)
{
	struct pp_page *a = get(), *b = get();

	put(a);
	put(b);
}

/* Get a page for another thread to put; if it has not taken the last one, put that. */
static void get_pass(void)
{
	struct pp_page *page = get();

	if (page)
		put(env_xchg_acq_rel(&g.passed, page));
}

static void take_put(void)
{
	put(env_xchg_acq_rel(&g.passed, NULL));
}

static void get_pass_3(void)
{
	get_pass();
	get_pass();
	get_pass();
}

static void get_pass_4(void)
{
	get_pass();
	get_pass_3();
}

static void get_pass_2_trim_get(void)
{
	get_pass();
	get_pass();
	trim();
	put(get());
}

static void take_put_2(void)
{
	take_put();
	take_put();
}

static void trim_get_put(void)
{
	trim();
	put(get());
}

static void trim_get_get_put(void)
{
	trim();
	get_get_put();
}

static void trim_get_get_put_0(void)
{
	trim_get_get_put();
	put(g.page[0]);
}

static void cut_one(void)
{
	put(frag(1024));
}

/* Shorter than what the page was opened for, and shorter still. */
static void cut_short(void)
{
	put(g.page[0]);
	put(frag(1024));
	put(frag(512));
}

/* Longer than what is left of a page that they don't fill. */
static void cut_past_the_rest(void)
{
	struct pp_page *a = frag(1000), *b = frag(2000);

	put(g.page[0]);
	put(a);
	put(b);
}

static void cut_the_rest(void)
{
	struct pp_page *a = frag(1000);

	put(frag(2000));
	put(a);
}

/* From its start, if all that was cut from the page has come back. */
static void cut_whole(void)
{
	put(frag(4096));
}

static void put_0_cut_two(void)
{
	struct pp_page *a = frag(2048), *b = frag(4096);

	put(g.page[0]);
	put(a);
	put(b);
}

/* A pool comes and goes. */
static void make_and_destroy(void)
{
	create(pp_binding_none(), 1, 1);
	destroy();
}

static void nothing(void)
{
}

/* A binding begins whose domain is incoherent; its number gets about before that is known. */
static void begin_binding(void)
{
	static struct pp_iommu incoherent;
	pp_binding_t name;

	op_yield();
	incoherent = below_iommu;
	incoherent.incoherent = true;
	if (binding_slot_get(&g.slot, NULL, &incoherent, 64) || binding_begin(g.slot, &name))
		fail("no binding");
	env_store_relaxed(&g.binding.id, name.id);
}

static void nothing_of(struct binding *b, void *ctx)
{
	(void)b;
	(void)ctx;
}

/* As a sync does, a map, and a dump. */
static void look_up_binding(void)
{
	pp_binding_t name;
	struct binding *b;
	bool alive;

	op_yield();
	name.id = env_load_relaxed(&g.binding.id);
	alive = pp_binding_alive(name);
	b = binding_peek(name);
	if (alive && !b)
		fail("a binding that is alive isn't found");
	if (b && !env_load_relaxed(&b->slow_sync))
		fail("a sync does nothing");
	binding_each(nothing_of, NULL);
}

static void enter_binding(void)
{
	pp_binding_t name;
	struct binding *b;

	op_yield();
	name.id = env_load_relaxed(&g.binding.id);
	if (!binding_enter(&b, name, false))
		binding_leave(b);
}

static void trim_other(void)
{
	op_yield();
	pp_pool_trim(g.other, 0);
}

/* The pool goes; another comes, which may well have its anchor; and goes. */
static void destroy_and_again(void)
{
	struct pp_page *page;

	destroy();
	g.destroyed = g.revoked = 0;
	below_debug =
		PP_DEBUG_PAGES; /* fewer stores at once: cache and remote frees have no part */
	create(pp_binding_none(), 1, 1);
	page = get();
	if (!page)
		fail("the new pool gives no page");
	destroy();
	put(page);
}

/* ---- the scenarios ------------------------------------------------------------------------- */

#define O "owner"
#define P "putter"
#define Q "putter2"
#define C "control"
#define D "control2"
#define FREE .finish = finish, .left = 1        /* an anchor stays */
#define TWO_ANCHORS .finish = finish, .left = 2 /* two, if the first was still in use */
#define TWO_ANCHORS_MAPPED .finish = finish, .left = 3
#define TOLD .finish = finish_told, .left = 1
#define TOLD_2 .finish = finish_told, .left = 2
#define MAPPED .finish = finish, .left = 2          /* an anchor, and a slot for bindings */
#define GETTERS .finish = finish_getters, .left = 4 /* three anchors, and a slot for bindings */
#define GETTER .finish = finish_getters, .left = 3
#define GETTERS_TOLD .finish = finish_getters_told, .left = 3
#define AWAY .as = THREADS + 1 /* the owner, who is the first thread otherwise */

static const struct scenario scenarios[] = {
	/* the owner against a revocation */
	{ "put-destroy", { O, C }, { put_0_1, destroy }, two_held, FREE },
	{ "get-unbind", { O, C }, { get_put_twice, unbind }, one_cached, MAPPED },
	{ "grow-unbind", { O, C }, { get_put, unbind }, none_held, MAPPED },
	{ "grow-removal", { O, C }, { get_put, removal }, none_held, MAPPED },
	{ "spill-unbind", { O, C }, { batch_0_1, unbind }, cache_full, MAPPED },
	{ "spill-trim-unbind",
	  { O, C },
	  { put_0, unbind },
	  cache_full_trimming,
	  MAPPED,
	  .late = NOT_QUICK },
	{ "refill-unbind", { O, C }, { get_put_put_0, unbind }, one_returned, MAPPED },
	{ "trim-detach", { O, C }, { trim_get_put, detach }, one_cached, MAPPED },
	{ "cut-unbind",
	  { O, C },
	  { put_0_cut_two, unbind },
	  half_fragment,
	  MAPPED,
	  .late = NOT_QUICK },
	{ "cut-short-unbind", { O, C }, { cut_short, unbind }, half_fragment, MAPPED },
	{ "cut-odd-unbind",
	  { O, C },
	  { cut_past_the_rest, unbind },
	  odd_fragment,
	  MAPPED,
	  .late = NOT_QUICK },
	/* other threads' puts against it */
	{ "remote-destroy", { P, C }, { put_0, destroy }, one_of_one, FREE, AWAY },
	{ "batch-unbind",
	  { P, C },
	  { batch_0_1, unbind },
	  two_held_mapped,
	  MAPPED,
	  AWAY,
	  .exact = true },
	{ "anchor-again",
	  { P, C },
	  { put_0, destroy_and_again },
	  one_of_one,
	  TWO_ANCHORS,
	  AWAY,
	  .late = NOT_QUICK },
	{ "zombie", { P, Q }, { put_0, put_1 }, zombie, FREE, AWAY },
	{ "zombie-dump",
	  { P, C },
	  { put_0_1, look_in_handler },
	  zombie,
	  FREE,
	  AWAY,
	  .exact = true },
	{ "trim-zombie", { O, P }, { trim, put_0_1 }, unbound, MAPPED },
	{ "references",
	  { O, P },
	  { put_0_get_put, put_0 },
	  two_references_1_kept,
	  MAPPED,
	  .exact = true },
	{ "references-inline",
	  { O, P },
	  { put_0_get_put, put_0 },
	  two_references_inline_1_kept,
	  MAPPED,
	  .exact = true },
	{ "references-batch",
	  { O, P },
	  { batch_get_get_put, put_0 },
	  two_references_inline,
	  MAPPED,
	  .exact = true },
	{ "references-by-hand",
	  { O, P },
	  { batch_1_0_get_get_put, put_shared },
	  two_references,
	  MAPPED,
	  .exact = true },
	/* the owner against other threads' puts */
	{ "cut", { O, P }, { cut_whole, put_0 }, half_fragment, MAPPED, .exact = true },
	{ "cut-odd", { O, P }, { cut_the_rest, put_0 }, odd_fragment, MAPPED, .exact = true },
	{ "refill", { O, P }, { get_get_put, put_0 }, one_returned, MAPPED, .exact = true },
	{ "trim", { O, P }, { trim_get_put, batch_0_1 }, two_held_mapped, MAPPED, .exact = true },
	{ "home", { O, P }, { get_put_twice, put_0_1 }, watched_one_chunk, MAPPED },
	{ "home-one", { O, P }, { get_put, put_0 }, watched_one_kept, MAPPED, .exact = true },
	{ "home-relay", { O, P }, { get_pass_4, take_put_2 }, watched_none_held, MAPPED },
	{ "trimming", { P, Q }, { put_0, put_1 }, watched_trimming, MAPPED, AWAY },
	{ "regrow",
	  { O, P },
	  { trim_get_get_put, put_0 },
	  watched_with_hole,
	  MAPPED,
	  .inexact = true },
	{ "regrow-unbind",
	  { O, C },
	  { trim_get_get_put_0, unbind },
	  watched_with_hole,
	  MAPPED,
	  .late = NOT_QUICK },
	{ "stats",
	  { C, P },
	  { look_at_stats, put_0_1 },
	  two_held_mapped,
	  MAPPED,
	  AWAY,
	  .exact = true },
	{ "mpsc", { O, P }, { get_get_put, put_0_1 }, ring_taken, MAPPED },
	{ "mpsc-unbind", { P, C }, { batch_0_1, unbind }, ring_taken, MAPPED, AWAY },
	{ "invalidated-by-another",
	  { O, C },
	  { get_put_put_0, trim_other },
	  watched_not_invalidated,
	  .finish = finish,
	  .left = 3 },
	{ "binding-found",
	  { C, P },
	  { begin_binding, look_up_binding },
	  nothing,
	  .finish = finish_binding,
	  .left = 1,
	  .exact = true },
	{ "binding-entered",
	  { C, P },
	  { begin_binding, enter_binding },
	  nothing,
	  .finish = finish_binding,
	  .left = 1,
	  .exact = true },
	/* the last owner against the next */
	{ "own", { O, P }, { put_0_1, own_get_get_put }, two_held, TWO_ANCHORS },
	{ "own-away",
	  { P, Q },
	  { batch_0_1, own_and_unbind },
	  two_held_mapped,
	  TWO_ANCHORS_MAPPED,
	  AWAY },
	{ "own-ended",
	  { O, P },
	  { put_0_end, own_get_put },
	  one_held_one_cached,
	  TWO_ANCHORS_MAPPED,
	  .exact = true },
	{ "own-cached",
	  { O, P },
	  { put_0, own_get_put },
	  one_held_one_cached,
	  TWO_ANCHORS_MAPPED,
	  .exact = true },
	{ "own-spill-trim",
	  { O, P },
	  { put_0, own_get_put },
	  cache_full_trimming,
	  TWO_ANCHORS_MAPPED,
	  .exact = true },
	{ "own-spill",
	  { O, P },
	  { batch_0_1, own_get_put },
	  cache_full,
	  TWO_ANCHORS_MAPPED,
	  .exact = true },
	/* who waits for pages against the last put, and who revokes */
	{ "wait", { O, P }, { get_put, put_0 }, one_waited, TOLD, .exact = true },
	{ "wait-home", { O, P }, { get_put, put_0 }, one_watched_waited, TOLD },
	{ "wait-batch", { O, P }, { get_put, batch_0_1 }, two_waited, TOLD, .exact = true },
	{ "wait-own-put", { O, P }, { get_put_put_0, put_1 }, two_waited, TOLD },
	{ "wait-unbind", { O, C }, { get_put, unbind }, one_kept_waited, TOLD_2, .exact = true },
	{ "wait-own", { P, Q }, { put_0, own_get_put }, one_waited, TOLD_2, AWAY },
	/* getters, whose pages lie in the other's cache */
	{ "take", { "getter", "getter2" }, { get_put, get_put }, two_getters, GETTERS, AWAY },
	{ "take-one",
	  { "getter", "getter2" },
	  { get_put, get_put },
	  getters_one_page,
	  GETTERS,
	  AWAY },
	{ "take-half",
	  { "getter", "getter2" },
	  { get_put, get_pass },
	  getters_three_pages,
	  GETTERS,
	  AWAY },
	{ "take-held",
	  { "getter", "getter2" },
	  { get_put, put_0_get_put },
	  two_getters_one_held,
	  GETTERS,
	  AWAY },
	{ "take-unbind", { "getter", C }, { get_put_twice, unbind }, two_getters, GETTERS, AWAY },
	{ "take-owners",
	  { "getter", O },
	  { get_put, get_put },
	  owner_and_two_getters,
	  GETTERS,
	  .as = 2 },
	{ "take-end",
	  { "getter", "getter2" },
	  { get_put_end, get_put },
	  two_getters_one_ends,
	  GETTERS,
	  AWAY },
	{ "take-wait",
	  { "getter", "getter2" },
	  { put_0, get_put },
	  two_getters_waited,
	  GETTERS_TOLD,
	  AWAY },
	{ "share",
	  { O, "getter" },
	  { get_put_put_0, getter_get_put },
	  one_returned,
	  GETTER,
	  .inexact = true },
	{ "share-left",
	  { O, "getter" },
	  { get_put, getter_get_put },
	  two_returned,
	  GETTER,
	  .inexact = true },
	{ "come-look", { O, C }, { make_and_destroy, look_at_all }, nothing, FREE, .exact = true },
	/* three */
	{ "all", { O, P, C }, { get_put, put_0, unbind }, one_held_one_cached, MAPPED },
	{ "refill-all", { O, P, C }, { get_put, put_0, unbind }, one_returned, MAPPED },
	{ "two-putters", { P, Q, C }, { put_0, put_1, destroy }, two_held, FREE, AWAY },
	{ "two-ends", { P, C, D }, { put_0, unbind, destroy }, one_held, MAPPED, AWAY },
	{ "take-wait-both",
	  { "getter", "getter2", P },
	  { get_put, get_put, put_0 },
	  two_getters_wait,
	  .finish = finish_both_told,
	  .left = 3,
	  AWAY },
	{ "references-three",
	  { O, P, Q },
	  { get_put, put_0, put_0 },
	  two_references_1_kept,
	  MAPPED,
	  .late = ALWAYS,
	  .exact = true },
	{ "references-known",
	  { O, P, Q },
	  { get_put, put_0, put_0 },
	  two_references_known,
	  MAPPED,
	  .late = ALWAYS,
	  .exact = true },
	{ "references-spsc",
	  { O, P, Q },
	  { get_put_twice, put_0, batch_0_1 },
	  two_references,
	  MAPPED,
	  .late = ALWAYS },
	{ "stats-all",
	  { O, P, C },
	  { get_put, put_0, look_at_stats },
	  one_held_one_cached,
	  MAPPED },
	{ "wait-two", { O, P, Q }, { get_put, put_0, put_1 }, two_waited, TOLD },
	{ "wait-all", { O, P, C }, { get_put, put_0, unbind }, one_held_waited, TOLD_2 },
	{ "ring-full",
	  { O, P, Q },
	  { get_put, put_0, batch_1_2 },
	  three_held,
	  MAPPED,
	  .late = ALWAYS },
	{ "spsc-handed", { P, Q, C }, { put_0_end, put_1, destroy }, two_held, FREE, AWAY },
	{ "spsc-handed-on",
	  { O, P, Q },
	  { get_put, put_0_end, batch_1_2 },
	  three_held,
	  MAPPED,
	  .late = ALWAYS },
	{ "home-three",
	  { O, P, Q },
	  { get_put, put_0, put_1 },
	  watched_one_chunk,
	  MAPPED,
	  .late = ALWAYS },
	{ "relay", { O, P, Q }, { get_pass_3, take_put_2, take_put }, watched_none_held, MAPPED },
	{ "relay-trim",
	  { O, P, Q },
	  { get_pass_2_trim_get, put_0, take_put },
	  watched_one_page,
	  MAPPED },
	{ "home-two-chunks", { O, P, Q }, { get_put, put_0, put_1 }, watched_two_chunks, MAPPED },
	{ "own-three", { O, P, Q }, { put_0, own_get_put, put_1 }, two_held, TWO_ANCHORS },
	{ "own-unbind",
	  { O, P, C },
	  { put_0, own_get_put, unbind },
	  one_held_one_cached,
	  TWO_ANCHORS_MAPPED },
	{ "take-all",
	  { "getter", "getter2", C },
	  { get_put, get_put, unbind },
	  two_getters,
	  GETTERS,
	  AWAY },
	{ "take-three",
	  { "getter", "getter2", P },
	  { get_put, get_put, put_0 },
	  two_getters_one_put,
	  GETTERS,
	  AWAY },
	{ "cut-three", { O, P, C }, { cut_one, put_0, unbind }, half_fragment, MAPPED },
};

static bool chosen(const struct scenario *s, char **names, bool quick)
{
	if (!*names)
		return !quick || !s->thread[2] || s->late == ALWAYS;
	for (; *names; names++)
		if (!strcmp(*names, s->name))
			return true;
	return false;
}

/* How many loads may be late: more make the search too large. */
static unsigned late_of(const struct scenario *s, bool quick)
{
	if (s->late == BY_THREADS)
		return !s->thread[2];
	return s->late == ALWAYS || !quick;
}

/* NAME=NUMBER as the first argument: taken off. */
static bool option(int *argc, char ***argv, const char *name, unsigned *number)
{
	size_t len = strlen(name);

	if (*argc < 2 || strncmp((*argv)[1], name, len) || (*argv)[1][len] != '=')
		return false;
	*number = (unsigned)atoi((*argv)[1] + len + 1);
	--*argc;
	++*argv;
	return true;
}

int main(int argc, char **argv)
{
	unsigned n = 0, failed = 0, late = 0, taught = 0;
	bool late_given = option(&argc, &argv, "late", &late);
	bool quick;

	weaken_number();
	option(&argc, &argv, "exact", &exact);
	option(&argc, &argv, "without", &weakened);
	option(&argc, &argv, "taught", &taught);
	if (argc > 1 && !strcmp(argv[1], "acquires")) {
		weaken_print();
		return 0;
	}
	quick = argc > 1 && !strcmp(argv[1], "quick");
	for (unsigned i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
		const struct scenario *s = &scenarios[i];
		bool held;

		if (!chosen(s, argv + 1 + quick, quick))
			continue;
		late_most = late_given ? late : late_of(s, quick);
		held = explore(s, true);
		failed += !held;
		if (taught)
			weaken_print_noted();
		printf("%s %u - %s\n", held ? "ok" : "not ok", ++n, s->name);
		fflush(stdout);
	}
	printf("1..%u\n", n);
	return failed || !n;
}
