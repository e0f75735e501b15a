/*
 * frag.h - getting a fragment, inline, and the part of a pool that it uses. Not for reading first:
 * pool.h includes it, and documents the functions. The layout is part of the ABI; programs use the
 * functions, not the members.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_INLINE_FRAG_H
#define PAGEPOOL_INLINE_FRAG_H

#include <pagepool/inline/fast.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PP_OPEN_OFFSET 64 /* of it in a pool; part of the layout */

/**
 * The open page, which a pool cuts fragments from: the owner's. Each fragment is given one of the
 * references that the pool holds, without a store to the page's state.
 *
 * While `held` isn't 0, there are at least as many as fragments of `unit` bytes or more fit behind
 * `end`. So an inline get, which cuts no shorter ones, never runs out of them.
 */
struct pp_open {
	struct pp_page *page;
	char *addr;     /**< of the page */
	pp_iova_t iova; /**< of the page */
	uint32_t size;  /**< of the page, bytes; 0: no page is open */
	uint32_t end;   /**< of the last fragment; bytes */
	uint32_t unit;  /**< bytes */
	uint32_t held; /**< references; 0: all of the page is given out. Release, for the revoker */
};

/*
 * Slow paths, called by the inline only: a fragment that is not simply the next one of the open
 * page; and the flag was seen after cutting one. Both return what pp_frag_get does.
 */
PP_API int pp_frag_get_slow(struct pp_frag *out, struct pp_pool *pool, uint32_t len,
			    uint32_t align);
PP_API int pp_frag_get_raced(struct pp_pool *pool);

/* Cut one from the open page: 0, or what pp_frag_get_raced says; 1: the slow path has to do it. */
PP_INLINE __attribute__((always_inline)) int pp_fast_frag(struct pp_frag *out, struct pp_pool *pool,
							  uint32_t len, uint32_t align)
{
	struct pp_open *open = (struct pp_open *)((char *)pool + PP_OPEN_OFFSET);
	struct pp_anchor *anchor = *(struct pp_anchor *const *)pool; /* its first member */
	uint32_t below = align ? align - 1 : 0, at = (open->end + below) & ~below;

	/* the slow path refuses what is no alignment; beyond the size of a page none fits */
	if (__builtin_expect(len < open->unit, 0) || __builtin_expect(align & below, 0) ||
	    __builtin_expect((uint64_t)at + len > open->size, 0))
		return 1;
	open->end = at + len;
	out->page = open->page;
	out->addr = open->addr + at;
	out->iova = open->iova + at;
	out->offset = at;
	out->len = len;
	pp_store_release(&open->held, pp_load_relaxed(&open->held) - 1);
	pp_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (__builtin_expect(!pp_load_relaxed(&anchor->revoked), 1))
		return 0;
	return pp_frag_get_raced(pool);
}

PP_INLINE int pp_frag_get(struct pp_frag *out, struct pp_pool *pool, uint32_t len, uint32_t align)
{
	int ret = pp_fast_frag(out, pool, len, align);

	return __builtin_expect(ret <= 0, 1) ? ret : pp_frag_get_slow(out, pool, len, align);
}

#ifdef __cplusplus
}
#endif
#endif
