/*
 * fragments_hold_their_page.c - unit tests of fragments: pieces of a page, each with a reference of
 * its own.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

static void arguments(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct pp_frag f;

	check_eq(pp_frag_get(&f, pool, 0, 0), -EINVAL, "no length");
	check_eq(pp_frag_get(&f, pool, 4097, 0), -EINVAL, "longer than a page");
	check_eq(pp_frag_get(&f, pool, 10, 3), -EINVAL, "an alignment that is no power of two");
	check_eq(pp_frag_get(&f, pool, 10, 8192), -EINVAL, "or larger than a page");
	check_eq(pool_stats(pool).chunks, 0, "all without growth");
	check_eq(pp_frag_get(&f, pool, 4096, 4096), 0, "a whole page");
	check_eq(f.offset, 0, "from its start");
	pp_page_put(f.page);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static int by_address(const void *a, const void *b)
{
	const struct pp_frag *x = a, *y = b;

	return (char *)x->addr < (char *)y->addr ? -1 : (char *)x->addr > (char *)y->addr;
}

/* Of all lengths and alignments: in their page, aligned, not overlapping. */
static void lengths_and_alignments(uint32_t page_size)
{
	enum { N = 3000 };
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_frag *f = calloc(N, sizeof *f);
	unsigned bad = 0, overlap = 0, n = 0;
	struct soft_device d;
	struct pp_pool *pool;

	p.page_size = page_size;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	for (; n < N; n++) {
		uint32_t len = 1 + (n * 7919) % (n % 10 ? page_size / 4 : page_size);
		uint32_t align = n % 3 ? 1u << n % 9 : 0;

		require(!pp_frag_get(&f[n], pool, len, align), "a fragment");
		bad += f[n].len != len || f[n].offset + len > page_size;
		bad += align && (f[n].offset & (align - 1));
		bad += align && ((uintptr_t)f[n].addr & (align - 1));
		bad += align && (f[n].iova & (align - 1));
		bad += f[n].addr != (char *)pp_page_addr(f[n].page) + f[n].offset;
		bad += f[n].iova != pp_page_iova(f[n].page) + f[n].offset;
		memset(f[n].addr, (int)n, len);
	}
	check_eq(bad, 0, "%u-byte pages: every fragment is where and what it says", page_size);
	for (n = 0, bad = 0; n < N; n++) {
		unsigned char seen = 0;

		bad += ((unsigned char *)f[n].addr)[0] != (unsigned char)n;
		bad += ((unsigned char *)f[n].addr)[f[n].len - 1] != (unsigned char)n;
		bad += n % device_step() == 0 &&
		       (pp_soft_read(d.iommu, f[n].iova, &seen, 1) || seen != (unsigned char)n);
	}
	check_eq(bad, 0, "and holds what was written, for CPU and device");
	qsort(f, N, sizeof *f, by_address);
	for (n = 1; n < N; n++)
		overlap += (char *)f[n - 1].addr + f[n - 1].len > (char *)f[n].addr;
	check_eq(overlap, 0, "none overlaps another");
	for (n = 0; n < N; n++)
		pp_page_put(f[n].page);
	check(pool_stats(pool).in_flight <= 1, "all come home, but for the page that is open");
	pp_pool_destroy(pool);
	free(f);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void every_length(void)
{
	lengths_and_alignments(2048);
	lengths_and_alignments(4096);
	lengths_and_alignments(64 * KIB);
}

/* ---- the last put --------------------------------------------------------------------- */

static void put_in_order(struct pp_frag *f, unsigned n, unsigned order)
{
	for (unsigned i = 0; i < n; i++)
		pp_page_put(f[order == 0 ? i : order == 1 ? n - 1 - i : i * 7 % n].page);
}

static void in_any_order(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_frag f[64];

	p.max_pages = 4; /* 64 fragments of 256 bytes */
	for (unsigned order = 0; order < 3; order++) {
		struct pp_pool *pool = new_pool(pp_binding_none(), &p);
		struct bunch b;

		for (unsigned round = 0; round < 50; round++) {
			for (unsigned i = 0; i < 64; i++)
				if (pp_frag_get(&f[i], pool, 256, 256))
					require(false, "fragment %u of round %u", i, round);
			put_in_order(f, 64, order);
		}
		check(pool_stats(pool).in_flight <= 1,
		      "order %u: all pages were used again and again", order);
		b = take(pool, 3);
		check(all_different(&b), "and can be got");
		put_all(&b);
		pp_pool_destroy(pool);
		check_nothing_left("destroyed with an open page");
	}
}

/* Put before the page is used up: it may not go home under the next fragment. */
static void an_open_page_stays(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct pp_frag a, b;
	struct bunch others;

	require(!pp_frag_get(&a, pool, 100, 0), "a fragment");
	pp_page_put(a.page);
	others = take(pool, 700);
	for (unsigned i = 0; i < others.n; i++)
		if (others.page[i] == a.page)
			check(false, "the open page is not given out");
	require(!pp_frag_get(&b, pool, 100, 0), "the next");
	check(b.page == a.page && b.offset == 100, "is of the same page, behind the first");
	pp_page_put(b.page);
	pp_pool_destroy(pool);
	check_eq(totals().zombie_pages, 700, "the open page isn't kept by a destroyed pool");
	put_all(&others);
	check_nothing_left("at the end");
}

/* Fragments that fill their page: the pool keeps nothing of it. */
static void a_page_that_is_used_up_goes_home(void)
{
	static const struct {
		uint32_t len, align, left;
	} of[] = { { 256, 0, 0 },     { 1000, 8, 1 }, { 1024, 1024, 0 },
		   { 2000, 2048, 0 }, { 2048, 0, 0 }, { 4096, 0, 0 } };
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct pp_frag f[16];

	for (unsigned i = 0; i < sizeof of / sizeof of[0]; i++) {
		unsigned n = 4096 / of[i].len;

		for (unsigned k = 0; k < n; k++)
			require(!pp_frag_get(&f[k], pool, of[i].len, of[i].align), "a fragment");
		check(f[n - 1].page == f[0].page, "%u of %u bytes in a page", n, of[i].len);
		put_in_order(f, n, i % 3);
		check_eq(pool_stats(pool).in_flight, of[i].left, "put, the page is %s",
			 of[i].left ? "open for shorter ones" : "home");
		pp_pool_trim(pool, 0);
	}
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* More of them than the page was opened for. */
static void shorter_than_the_first(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct pp_frag f[6];

	require(!pp_frag_get(&f[0], pool, 2048, 0), "a half");
	require(!pp_frag_get(&f[1], pool, 1024, 0), "a quarter");
	for (unsigned i = 2; i < 6; i++)
		require(!pp_frag_get(&f[i], pool, 256, 0), "a sixteenth");
	check(f[5].page == f[0].page && f[5].offset == 3840, "all of one page");
	pp_page_put_batch((struct pp_page *[]){ f[0].page, f[1].page, f[2].page }, 3);
	check_eq(pool_stats(pool).in_flight, 1, "some are out");
	pp_pool_destroy(pool);
	check_eq(totals().zombie_pages, 1, "of a destroyed pool, too");
	pp_page_put_batch((struct pp_page *[]){ f[3].page, f[4].page, f[5].page }, 3);
	check_nothing_left("at the end");
}

/* A batch of which many are one page, and some are whole pages. */
static void neighbours_are_put_together(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct pp_page *pages[66];
	struct pp_frag f[32];
	struct bunch b;
	unsigned n = 0;

	check_eq(pp_frag_get_batch(f, 32, pool, 256, 0), 32, "the fragments of two pages");
	for (unsigned i = 0; i < 32; i++) {
		pages[n++] = f[i].page;
		if (i % 8 != 7)
			continue;
		require(!pp_page_get(&pages[n++], pool), "a page");
	}
	pp_page_ref(f[31].page, 2);
	pp_page_put_batch(pages, n);
	check_eq(pool_stats(pool).in_flight, 1, "all home, but for what has further references");
	pp_page_put_batch((struct pp_page *[]){ f[31].page, f[31].page }, 2);
	check_eq(pool_stats(pool).in_flight, 0, "which were its last");
	b = take(pool, 16);
	check(all_different(&b), "none is there twice");
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void further_references(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct pp_frag f, g;

	require(!pp_frag_get(&f, pool, 4000, 0) && !pp_frag_get(&g, pool, 4000, 0), "two pages");
	pp_page_ref(f.page, 2);
	pp_page_put(f.page);
	pp_page_put(f.page);
	check_eq(pool_stats(pool).in_flight, 2, "a reference is left");
	pp_page_put(f.page);
	check_eq(pool_stats(pool).in_flight, 1, "the last one gone");
	pp_pool_destroy(pool);
	check_eq(totals().zombie_pages, 1, "a fragment keeps its page");
	memset(g.addr, 1, g.len);
	pp_page_put(g.page);
	check_nothing_left("to the end");
}

/* ---- failures, and the open page ---------------------------------------------------------- */

static void a_failure_leaves_the_open_page(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_frag a, b, c;
	struct pp_pool *pool;

	p.max_pages = 1;
	pool = new_pool(pp_binding_none(), &p);
	require(!pp_frag_get(&a, pool, 1000, 64), "a fragment of the only page");
	for (unsigned i = 0; i < 3; i++)
		check_eq(pp_frag_get(&b, pool, 4000, 64), -ENOBUFS,
			 "a larger one than what is left");
	check_eq(pp_frag_get(&c, pool, 1000, 64), 0, "one that fits can be had after it,");
	check(c.page == a.page && c.offset == 1024, "behind the first");
	pp_page_put(a.page);
	pp_page_put(c.page);
	check_eq(pp_frag_get(&b, pool, 4000, 64), 0, "all have come back: the page begins anew,");
	check(b.page == a.page && !b.offset, "for there is no other");
	check_eq(pp_page_get(&a.page, pool), -ENOBUFS, "it is out");
	check_eq(pool_stats(pool).in_flight, 1, "and counted once");
	pp_page_put(b.page);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void trim_gives_the_open_page_back(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct pp_frag a, b;

	require(!pp_frag_get(&a, pool, 100, 0), "a fragment");
	pp_page_put(a.page);
	check_eq(pp_pool_trim(pool, 0), 1, "its chunk goes, with the page that was open");
	check_eq(pool_stats(pool).chunks, 0, "no chunk is left");
	check_eq(pool_stats(pool).in_flight, 0, "no page either");
	require(!pp_frag_get(&a, pool, 100, 0), "another can be had");
	check_eq(pp_pool_trim(pool, 0), 0, "which keeps its chunk");
	require(!pp_frag_get(&b, pool, 100, 0), "and the next");
	check(b.page != a.page && !b.offset, "is of another page");
	pp_page_put(a.page);
	pp_page_put(b.page);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- revocation in the middle ----------------------------------------------------------- */

static void revoked_between_fragments(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	for (unsigned n = 0; n < 20; n++) { /* fragments given out when it comes */
		struct pp_frag f[20], late;
		struct soft_device d;
		struct pp_pool *pool;

		soft_device_init(&d, NULL);
		pool = new_pool(soft_device_bind(&d), &p);
		for (unsigned i = 0; i < n; i++)
			require(!pp_frag_get(&f[i], pool, 500, 4), "a fragment");
		pp_device_unbind(d.dev);
		check_eq(pool_stats(pool).in_flight, (n + 7) / 8, "%u fragments: their pages", n);
		check_eq(pp_frag_get(&late, pool, 500, 4), -ENODEV, "no fragment after it");
		check_eq(pp_frag_get(&late, pool, 4000, 4), -ENODEV, "nor one of a new page");
		for (unsigned i = 0; i < n; i++) {
			memset(f[i].addr, 0x55, f[i].len);
			pp_page_put(f[i].page);
		}
		check_eq(pool_stats(pool).in_flight, 0, "all home");
		check_eq(pool_stats(pool).chunks, 0, "and gone");
		pp_pool_destroy(pool);
		soft_device_exit(&d);
	}
}

struct cutter {
	struct pp_pool *pool;
	int cutting;
	unsigned got;
	struct pp_frag f[200000];
};

static void *cuts_until_refused(void *arg)
{
	struct cutter *c = arg;

	pp_pool_own(c->pool);
	while (c->got < 200000 && !pp_frag_get(&c->f[c->got], c->pool, 1 + c->got % 1000, 8)) {
		raise_flag(&c->cutting);
		/* every other one at once: the open page's count is on the move */
		if (c->got % 2)
			pp_page_put(c->f[c->got].page);
		else
			c->got++;
	}
	raise_flag(&c->cutting);
	return NULL;
}

/* The revoker against the owner in the middle of it: no page is lost, none put twice. */
static void revoked_while_cutting(void)
{
	struct cutter *c = calloc(1, sizeof *c);

	for (unsigned round = 0; round < laps(200); round++) {
		struct pp_pool_params p = small_chunks(64 * KIB);
		struct soft_device d;
		pthread_t t;

		soft_device_init(&d, NULL);
		c->pool = new_pool(soft_device_bind(&d), &p);
		c->got = 0;
		c->cutting = 0;
		t = start(cuts_until_refused, c);
		await_flag(&c->cutting);
		if (round % 2)
			pp_device_unbind(d.dev);
		else
			pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
		join(t);
		for (unsigned i = 0; i < c->got; i++)
			pp_page_put(c->f[i].page);
		if (pool_stats(c->pool).in_flight || pool_stats(c->pool).chunks)
			check_eq(pool_stats(c->pool).in_flight, 0, "round %u: all come home",
				 round);
		pp_pool_destroy(c->pool);
		soft_device_exit(&d);
	}
	free(c);
	check(true, "revocations in the middle of fragments");
}

/* The same as one by one: as many as fit into each page, aligned, none overlapping. */
static void in_batches(void)
{
	enum { N = 500 };
	static const uint32_t lens[] = { 1, 100, 128, 1500, 2048, 2049, 4096 };
	struct pp_frag f[N];
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	unsigned bad = 0;

	for (unsigned i = 0; i < sizeof lens / sizeof lens[0]; i++)
		for (uint32_t align = 1; align <= 128; align *= 128) {
			check_eq(pp_frag_get_batch(f, N, pool, lens[i], align), N,
				 "%d fragments of %u bytes", N, lens[i]);
			for (unsigned n = 0; n < N; n++) {
				bad += f[n].len != lens[i] || f[n].offset + lens[i] > 4096;
				bad += f[n].offset % align != 0;
				bad += f[n].addr != (char *)pp_page_addr(f[n].page) + f[n].offset;
				bad += n && f[n].page == f[n - 1].page &&
				       f[n].offset !=
					       ((f[n - 1].offset + lens[i] + align - 1) & -align);
				memset(f[n].addr, (int)n, lens[i]);
			}
			for (unsigned n = 0; n < N; n++) {
				bad += ((unsigned char *)f[n].addr)[lens[i] - 1] !=
				       (unsigned char)n;
				pp_page_put(f[n].page);
			}
		}
	check_eq(bad, 0, "each lies behind the one before, and holds what was written");
	check(pool_stats(pool).in_flight <= 1, "all come home, but for the page that is open");
	check_eq(pp_frag_get_batch(f, 1, pool, 4097, 0), -EINVAL, "longer than a page");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void a_batch_up_to_the_limit(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_frag f[64];
	struct pp_pool *pool;

	p.max_pages = 16;
	pool = new_pool(pp_binding_none(), &p);
	check_eq(pp_frag_get_batch(f, 64, pool, 1024, 0), 64, "all of 16 pages");
	check_eq(pp_frag_get_batch(f, 64, pool, 1024, 0), -ENOBUFS, "and there are no more");
	for (unsigned n = 0; n < 6; n++)
		pp_page_put(f[n].page);
	check_eq(pp_frag_get_batch(f, 64, pool, 1024, 0), 4, "a page is back, for four");
	pp_pool_destroy(pool);
	for (unsigned n = 0; n < 64; n++)
		if (n != 4 && n != 5)
			pp_page_put(f[n].page);
	check_nothing_left("at the end");
}

int main(void)
{
	run(arguments);
	run(every_length);
	run(in_any_order);
	run(an_open_page_stays);
	run(a_page_that_is_used_up_goes_home);
	run(shorter_than_the_first);
	run(neighbours_are_put_together);
	run(further_references);
	run(a_failure_leaves_the_open_page);
	run(trim_gives_the_open_page_back);
	run(revoked_between_fragments);
	run(revoked_while_cutting);
	check_nothing_left("at the end");
	run(in_batches);
	run(a_batch_up_to_the_limit);
	return tap_end();
}
