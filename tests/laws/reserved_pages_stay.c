/*
 * reserved_pages_stay.c - pages that are there before they are asked for: pp_pool_reserve, and
 * pp_page_get_nogrow, which takes only such pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

/* 16 pages to a chunk. */
static struct pp_pool *pool_of(pp_binding_t binding, uint64_t max_pages, uint32_t idle_chunks)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	p.max_pages = max_pages;
	p.idle_chunks = idle_chunks;
	return new_pool(binding, &p);
}

/* qemu-user says yes to an madvise() that it doesn't know, and does nothing. */
static bool populates(void)
{
	void *p = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool does = p == MAP_FAILED || madvise(p, 64 * KIB, 23 /* MADV_POPULATE_WRITE */) ||
		    in_memory(p);

	if (p != MAP_FAILED)
		munmap(p, 64 * KIB);
	return does;
}

/* Pages without memory, where a program can ask for that. */
static unsigned absent(const struct bunch *b)
{
	unsigned n = 0;

	if (!populates())
		return 0;
	for (unsigned i = 0; i < b->n; i++)
		n += !in_memory(pp_page_addr(b->page[i]));
	return n;
}

static void mapped_and_populated(void)
{
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft_device_init(&d, NULL);
	pool = pool_of(soft_device_bind(&d), 0, 0);
	b = take(pool, 1); /* a chunk that is there already is not left out */
	put_all(&b);
	check_eq(pp_pool_reserve(pool, 1000), 0, "reserved");
	check_eq(pool_stats(pool).pages, 1008, "pages of 63 chunks");
	check_eq(pool_stats(pool).reserved, 1000, "are counted");
	check_eq(pool_stats(pool).bytes_mapped, 63 * 64 * KIB, "and mapped");
	b = take(pool, 1008);
	check_eq(pool_stats(pool).alloc_slow_high_order, 63, "they are got without growth,");
	check_eq(absent(&b), 0, "and all of their memory is there");
	fill_all(&b, 1);
	check_eq(pp_pool_reserve(pool, 2000), 0, "more, with all of those in flight");
	check(all_filled(&b, 1), "whose contents are as they were");
	put_all(&b);
	b = take(pool, 2000);
	check_eq(absent(&b), 0, "the others are there, too");
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void trimming_leaves_it(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 0, 4);
	struct bunch b;

	check_eq(pp_pool_reserve(pool, 16 * 20 - 3), 0, "20 chunks, where 4 may be idle");
	b = take(pool, 16 * 40);
	check(pool_stats(pool).chunks >= 40, "it grows beyond that");
	put_all(&b);
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 20, "trimmed by itself and by a call, it has 20");
	check_eq(pool_stats(pool).chunks_idle, 20, "all of them idle");
	check_eq(pp_pool_reserve(pool, 16 * 10), 0, "half of it");
	check_eq(pool_stats(pool).chunks, 20, "nothing goes yet");
	check_eq(pp_pool_trim(pool, 0), 10, "but now");
	check_eq(pp_pool_reserve(pool, 0), 0, "nothing");
	check_eq(pp_pool_trim(pool, 0), 10, "and the rest");
	check_eq(pool_stats(pool).reserved, 0, "which the statistics say");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* The last chunk is shorter, for the limit: it counts as what it has. */
/* The limit allows less than a chunk. */
static void no_others_stay(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 2, 0);
	struct pp_page *page[2];

	check_eq(pp_page_get_batch(page, 2, pool), 2, "all there are");
	pp_page_put_batch(page, 2);
	check_eq(pp_pool_reserve(pool, 1), 0, "one is reserved");
	check_eq(pp_pool_trim(pool, 0), 0, "trimming leaves the chunk");
	check_eq(pp_pool_reserve(pool, 0), 0, "none is");
	check_eq(pp_pool_trim(pool, 0), 1, "trimming takes it");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void as_many_as_the_limit(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 40, 1);
	struct bunch b;

	check_eq(pp_pool_reserve(pool, 41), -ENOBUFS, "more than the limit");
	check_eq(pool_stats(pool).chunks, 0, "adds nothing");
	check_eq(pp_pool_reserve(pool, 40), 0, "the limit");
	check_eq(pool_stats(pool).pages, 40, "is there");
	b = take(pool, 40);
	put_all(&b);
	check_eq(pp_pool_trim(pool, 0), 0, "and stays");
	pp_pool_destroy(pool);
}

/* A number that can't be a number of pages: refused at once, and nothing was tried. */
static void not_more_than_there_is(void)
{
	static const uint64_t numbers[] = { UINT64_MAX, UINT64_MAX / 4096, 1ull << 44, 1ull << 36 };
	struct pp_pool *pool = pool_of(pp_binding_none(), 0, 0);

	check_eq(pp_pool_reserve(pool, 16), 0, "16 pages");
	for (unsigned i = 0; i < 4; i++)
		check_eq(pp_pool_reserve(pool, numbers[i]), -ENOMEM, "%llu pages",
			 (unsigned long long)numbers[i]);
	check_eq(pool_stats(pool).reserved, 16, "what was reserved is reserved still");
	check_eq(pool_stats(pool).alloc_slow_high_order, 1, "and no chunk was added");
	pp_pool_destroy(pool);
}

static void until_it_is_revoked(void)
{
	struct soft_device d;
	struct pp_pool *pool;

	soft_device_init(&d, NULL);
	pool = pool_of(soft_device_bind(&d), 0, 0);
	check_eq(pp_pool_reserve(pool, 500), 0, "reserved");
	pp_device_unbind(d.dev);
	check_eq(pool_stats(pool).chunks, 0, "a revocation takes all of it");
	check_eq(pp_pool_reserve(pool, 500), -ENODEV, "and there is no more");
	check_eq(pp_pool_reserve(pool, 0), -ENODEV, "not even to none");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- beside an unbind ------------------------------------------------------------------------ */

struct reserving {
	struct pp_pool *pool;
	int begun, ret;
};

static void *reserves(void *arg)
{
	struct reserving *r = arg;

	pp_pool_own(r->pool);
	raise_flag(&r->begun);
	r->ret = pp_pool_reserve(r->pool, 16 * 400);
	return NULL;
}

static void beside_an_unbind(void)
{
	unsigned wrong = 0, late = 0;
	struct soft_device d;

	soft_device_init(&d, NULL);
	for (unsigned i = 0; i < laps(100); i++) {
		struct reserving r = { .pool = pool_of(soft_device_bind(&d), 0, 0) };
		pthread_t t = start(reserves, &r);

		await_flag(&r.begun);
		for (unsigned n = 0; n < i % 16; n++)
			sched_yield();
		pp_device_unbind(d.dev);
		join(t);
		wrong += r.ret && r.ret != -ENODEV;
		late += r.ret == -ENODEV;
		pp_pool_destroy(r.pool);
	}
	check_eq(wrong, 0, "each is done, or -ENODEV: %u", late);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- a get that never grows -------------------------------------------------------------- */

static void never_grows(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 0, 0);
	struct pp_page *page[64];

	memset(page, 0xA5, sizeof page);
	check_eq(pp_page_get_nogrow(page, 1, pool), -ENOBUFS, "a pool that has none");
	check(!page[0], "gives none");
	check_eq(pool_stats(pool).chunks, 0, "and grows by none");
	check_eq(pool_stats(pool).alloc_failed, 1, "a get that has failed");
	check_eq(pp_pool_reserve(pool, 48), 0, "48 pages");
	check_eq(pp_page_get_nogrow(page, 64, pool), 48, "are got,");
	check_eq(pp_page_get_nogrow(page + 48, 1, pool), -ENOBUFS, "and there is no other");
	check_eq(pp_page_get(&page[48], pool), 0, "but by a get that grows");
	pp_page_put_batch(page, 49);
	check_eq(pp_page_get_nogrow(page, 64, pool), 64, "what it has is got again");
	pp_page_put_batch(page, 64);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void *puts_both(void *arg)
{
	pp_page_put_batch(arg, 2);
	return NULL;
}

static void finds_what_others_put(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 2, 0);
	struct pp_page *page[2];

	check_eq(pp_page_get_batch(page, 2, pool), 2, "all there are");
	join(start(puts_both, page));
	check_eq(pp_page_get_nogrow(page, 2, pool), 2, "what another thread has put");
	pp_page_put_batch(page, 2);
	pp_pool_destroy(pool);
}

static void not_after_a_revocation(void)
{
	struct soft_device d;
	struct pp_pool *pool;
	struct pp_page *page;

	soft_device_init(&d, NULL);
	pool = pool_of(soft_device_bind(&d), 0, 0);
	check_eq(pp_pool_reserve(pool, 16), 0, "reserved");
	pp_device_unbind(d.dev);
	check_eq(pp_page_get_nogrow(&page, 1, pool), -ENODEV, "the pool is revoked");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
}

int main(void)
{
	run(mapped_and_populated);
	run(trimming_leaves_it);
	run(no_others_stay);
	run(as_many_as_the_limit);
	run(not_more_than_there_is);
	run(until_it_is_revoked);
	run(beside_an_unbind);
	run(never_grows);
	run(finds_what_others_put);
	pp_debug_set(PP_DEBUG_PAGES);
	run(never_grows);
	run(finds_what_others_put);
	pp_debug_set(0);
	run(not_after_a_revocation);
	return tap_end();
}
