/*
 * frag.c - fragments: pieces of one page, each with a reference of its own.
 *
 * The owner holds the page with a large stock of references and gives one to each
 * fragment without touching the count; when the page is used up it drops what is left of
 * the stock at once. The open page is one more place that a revocation must empty: the
 * protocol is that of revoke.h, the thing exchanged is frag_page.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/frag.h"

#include "pool/cache.h"
#include "pool/holders.h"

void frag_close_page(struct pp_page *page, uint32_t users)
{
	if (page_drop(page, FRAG_STOCK - users)) /* nobody is left: ours is the last one */
		pp_page_put(page);
}

/* The flag, also in a tracked pool, whose cache is never open. */
static inline bool frag_revoked(const struct pp_pool *pool)
{
	return env_unlikely(revoke_look(pool->anchor) == ANCHOR_REVOKED);
}

/* The owner takes the open page out of frag_page, unless there is none or the revoker has it. */
static struct pp_page *take_out(struct pp_pool *pool)
{
	return env_xchg_acq_rel(&pool->frag_page, NULL);
}

void frag_close(struct pp_pool *pool)
{
	struct pp_page *page = take_out(pool);

	if (page)
		frag_close_page(page, env_load_relaxed(&pool->frag_users));
}

/* The page is in frag_page again, for the owner or the revoker to take out. */
static void put_back(struct pp_pool *pool, struct pp_page *page)
{
	env_store_release(&pool->frag_page, page);
	if (frag_revoked(pool))
		frag_close(pool);
}

/*
 * A page to cut from its start: the open one, if all of its fragments have come back, or another.
 * That one is got before the open page is closed, so that a failure leaves all as it was.
 */
static int next_page(struct pp_page **out, struct pp_pool *pool, const void *caller)
{
	struct pp_page *old = take_out(pool);
	uint32_t users = env_load_relaxed(&pool->frag_users);
	int ret;

	*out = old;
	/* acquire: what the fragments' holders did came before */
	if (old && env_load_acquire(&old->state) >> 32 == FRAG_STOCK - users)
		return 0;
	ret = page_get(out, pool, caller);
	if (old && ret)
		put_back(pool, old);
	else if (old)
		frag_close_page(old, users);
	return ret;
}

static int open_page(struct pp_pool *pool, const void *caller)
{
	struct pp_page *page;
	int ret = next_page(&page, pool, caller);

	if (ret)
		return ret;
	env_store_relaxed(&page->state, PAGE_REFS(FRAG_STOCK) | pool->anchor->number);
	env_store_release(&pool->frag_users, 0);
	pool->frag_off = 0;
	pool->frag_addr = pp_page_addr(page);
	pool->frag_iova = pp_page_iova(page);
	env_store_release(&pool->frag_page, page);
	if (frag_revoked(pool))
		return frag_raced(pool, page, 0, 0);
	return 0;
}

/* How many of n, each at a multiple of align, fit behind off, where one does. */
static uint32_t how_many(const struct pp_pool *pool, uint32_t off, uint32_t len, uint32_t align,
			 unsigned n)
{
	uint32_t step = (len + align - 1) & ~(align - 1);
	uint32_t k = (pool->page_size - off - len) / step + 1;

	return k < n ? k : n;
}

/* Up to n of one page, 1 at least; or an errno. */
static inline __attribute__((always_inline)) int cut(struct pp_frag *out, unsigned n,
						     struct pp_pool *pool, uint32_t len,
						     uint32_t align, const void *caller)
{
	struct pp_page *page = env_load_relaxed(&pool->frag_page);
	uint32_t off, users, k;
	int ret;

	align = align ? align : 1;
	if (!len || len > pool->page_size || align > pool->page_size || (align & (align - 1))) {
		misuse_frag(pool, len, align, caller);
		return -EINVAL;
	}
	off = (pool->frag_off + align - 1) & ~(align - 1);
	if (!page || off > pool->page_size - len) {
		ret = open_page(pool, caller);
		if (ret)
			return ret;
		page = env_load_relaxed(&pool->frag_page);
		if (!page)
			return -ENODEV; /* revoked in between, and closed for us */
		off = 0;
	}
	k = n == 1 ? 1 : how_many(pool, off, len, align, n);
	users = env_load_relaxed(&pool->frag_users) + k;
	for (uint32_t i = 0; i < k; i++, off = (off + len + align - 1) & ~(align - 1)) {
		pool->frag_off = off + len;
		out[i] = (struct pp_frag){ page, pool->frag_addr + off, pool->frag_iova + off, off,
					   len };
	}
	env_store_release(&pool->frag_users, users);
	return frag_revoked(pool) ? frag_raced(pool, page, users, k) : (int)k;
}

int pp_frag_get(struct pp_frag *out, struct pp_pool *pool, uint32_t len, uint32_t align)
{
	int ret = cut(out, 1, pool, len, align, __builtin_return_address(0));

	return ret < 0 ? ret : 0;
}

int pp_frag_get_batch(struct pp_frag *out, unsigned n, struct pp_pool *pool, uint32_t len,
		      uint32_t align)
{
	unsigned got = 0;

	while (got < n) {
		int ret = cut(out + got, n - got, pool, len, align, __builtin_return_address(0));

		if (ret < 0)
			return got ? (int)got : ret;
		got += (unsigned)ret;
	}
	return (int)got;
}
