/*
 * frag.c - fragments: pieces of one page, each with a reference of its own.
 *
 * The owner holds the open page with a stock of references, and gives one to each fragment without
 * touching the count. If the fragments are all of a length that fills the page, the stock is as
 * many as it has room for: the last one takes the last reference, and there is nothing left to
 * drop. Otherwise it is large, and what is left of it is dropped when another page is opened.
 *
 * The open page is one more place that a revocation must empty: the protocol is that of revoke.h,
 * the thing exchanged is frag_page. A page that is used up stays there, with nothing held of it,
 * until the owner opens the next one: page_get comes between the two, and looks at the flag; so a
 * revoker that still finds the old page finds nothing held.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/frag.h"

#include "pool/cache.h"
#include "pool/holders.h"
#include "pool/sample.h"

void frag_close_page(struct pp_page *page, uint32_t held)
{
	if (page_drop(page, held, NULL)) /* nobody is left: ours is the last one */
		pp_page_put(page);
}

/* The flag, also in a tracked pool, whose cache is never open. */
static inline bool frag_revoked(const struct pp_pool *pool)
{
	return env_unlikely(revoke_look(pool->anchor) & ANCHOR_REVOKED);
}

/*
 * The owner takes the open page out of frag_page. NULL: there is none, it is used up, or the
 * revoker has it.
 */
static struct pp_page *take_out(struct pp_pool *pool)
{
	if (env_load_relaxed(&pool->open.held))
		return env_xchg_acq_rel(&pool->frag_page, NULL);
	env_store_relaxed(&pool->frag_page, NULL);
	return NULL;
}

/* No fragment is cut until a page is opened. `held` is the revoker's, if it has the page. */
void frag_close(struct pp_pool *pool)
{
	struct pp_page *page = take_out(pool);
	uint32_t held = env_load_relaxed(&pool->open.held);

	pool->open.size = 0;
	if (!page)
		return;
	env_store_relaxed(&pool->open.held, 0);
	frag_close_page(page, held);
}

/* The page is in frag_page again, for the owner or the revoker to take out. 0; -ENODEV. */
static int put_back(struct pp_pool *pool, struct pp_page *page)
{
	env_store_release(&pool->frag_page, page);
	if (!frag_revoked(pool))
		return 0;
	frag_close(pool);
	return -ENODEV;
}

/*
 * A page to cut from its start: the open one, if all of its fragments have come back, or another.
 * That one is got before the open page is closed, so that a failure leaves all as it was.
 */
static int next_page(struct pp_page **out, struct pp_pool *pool, const void *caller)
{
	struct pp_page *old = take_out(pool);
	uint32_t held = env_load_relaxed(&pool->open.held);
	int ret;

	*out = old;
	/* acquire: what the fragments' holders did came before */
	if (old && env_load_acquire(&old->state) >> 32 == held) {
		sample_look(pool, old); /* nobody has kept it */
		return 0;
	}
	ret = page_get(out, pool, caller);
	if (old && ret)
		put_back(pool, old);
	else if (old)
		frag_close_page(old, held);
	return ret;
}

/* A multiple of align, a power of two. */
static uint32_t align_up(uint32_t n, uint32_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/* The stock of a page, which nobody else has, for fragments of this length. */
static void stock(struct pp_pool *pool, struct pp_page *page, uint32_t len, uint32_t align)
{
	struct pp_open *open = &pool->open;
	uint32_t most = pool->page_size / len;
	bool fill = (uint64_t)most * align_up(len, align) == pool->page_size && !pool->tracked;
	uint32_t held = fill ? most : FRAG_STOCK;

	env_store_relaxed(&page->state, PAGE_REFS(held) | (uint32_t)env_load_relaxed(&page->state));
	open->page = page;
	open->addr = pp_page_addr(page);
	open->iova = pp_page_iova(page);
	open->size = pool->page_size;
	open->end = 0;
	open->unit = fill ? len : 1;
	env_store_release(&open->held, held);
}

static int open_page(struct pp_pool *pool, uint32_t len, uint32_t align, const void *caller)
{
	struct pp_page *page;
	int ret = next_page(&page, pool, caller);

	if (ret)
		return ret;
	stock(pool, page, len, align);
	env_store_release(&pool->frag_page, page);
	return frag_revoked(pool) ? frag_raced(pool, 0) : 0;
}

/* The open page has room for more fragments than are held references, if they are short. */
static int add_stock(struct pp_pool *pool)
{
	struct pp_open *open = &pool->open;
	struct pp_page *page = take_out(pool);

	if (!page)
		return -ENODEV;
	env_add_relaxed(&page->state, PAGE_REFS(FRAG_STOCK - env_load_relaxed(&open->held)));
	open->unit = 1;
	env_store_release(&open->held, FRAG_STOCK);
	return put_back(pool, page);
}

/*
 * The open page has room for such a fragment and, if that is short, references for more; or -errno.
 */
static int make_room(struct pp_pool *pool, uint32_t len, uint32_t align, const void *caller)
{
	const struct pp_open *open = &pool->open;

	align = align ? align : 1;
	if (!len || len > pool->page_size || align > pool->page_size || (align & (align - 1))) {
		misuse_frag(pool, len, align, caller);
		return -EINVAL;
	}
	if (!env_load_relaxed(&open->held) ||
	    (uint64_t)align_up(open->end, align) + len > open->size)
		return open_page(pool, len, align, caller);
	return len < open->unit ? add_stock(pool) : 0;
}

/* How many of n, each at a multiple of align, fit behind `at`, where one does. */
static uint32_t how_many(const struct pp_pool *pool, uint32_t at, uint32_t len, uint32_t align,
			 unsigned n)
{
	uint32_t k = (pool->page_size - at - len) / align_up(len, align) + 1;

	return k < n ? k : n;
}

/* Up to n of the open page, where one fits. Returns how many; or -ENODEV. */
static int cut(struct pp_frag *out, unsigned n, struct pp_pool *pool, uint32_t len, uint32_t align)
{
	struct pp_open *open = &pool->open;
	uint32_t at = align_up(open->end, align), k = how_many(pool, at, len, align, n);

	for (uint32_t i = 0; i < k; i++, at = align_up(open->end, align)) {
		open->end = at + len;
		out[i] = (struct pp_frag){ open->page, open->addr + at, open->iova + at, at, len };
	}
	env_store_release(&open->held, env_load_relaxed(&open->held) - k);
	return frag_revoked(pool) ? frag_raced(pool, k) : (int)k;
}

static int cut_one(struct pp_frag *out, struct pp_pool *pool, uint32_t len, uint32_t align,
		   const void *caller)
{
	int ret = make_room(pool, len, align, caller);

	return ret ? ret : pp_fast_frag(out, pool, len, align);
}

int pp_frag_get_slow(struct pp_frag *out, struct pp_pool *pool, uint32_t len, uint32_t align)
{
	return cut_one(out, pool, len, align, __builtin_return_address(0));
}

int pp_frag_get_raced(struct pp_pool *pool)
{
	return frag_revoked(pool) ? frag_raced(pool, 1) : 0;
}

/* For callers that don't inline it. */
int pp_frag_get(struct pp_frag *out, struct pp_pool *pool, uint32_t len, uint32_t align)
{
	int ret = pp_fast_frag(out, pool, len, align);

	return ret <= 0 ? ret : cut_one(out, pool, len, align, __builtin_return_address(0));
}

int pp_frag_get_batch(struct pp_frag *out, unsigned n, struct pp_pool *pool, uint32_t len,
		      uint32_t align)
{
	unsigned got = 0;

	while (got < n) {
		int ret = make_room(pool, len, align, __builtin_return_address(0));

		if (!ret)
			ret = cut(out + got, n - got, pool, len, align ? align : 1);

		if (ret < 0)
			return got ? (int)got : ret;
		got += (unsigned)ret;
	}
	return (int)got;
}
