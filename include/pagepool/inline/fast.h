/*
 * fast.h - get and put, inline, and the parts of a page and a pool that they use. Not for reading
 * first: pool.h includes it, and documents the functions. The layouts are part of the ABI; programs
 * use the functions, not the members.
 *
 * Why inline: get and put are some twenty instructions each, and calling them out of line takes up
 * to a third more time (`pagepool` beside `pagepool-shared` in docs/performance.md). Where the
 * compiler does not inline them, or their address is taken, the library's copies of the same code
 * are used.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_INLINE_FAST_H
#define PAGEPOOL_INLINE_FAST_H

#include <pagepool/inline/machine.h>
#include <pagepool/inline/probe.h>
#include <pagepool/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_pool;
struct pp_copy; /* a copy of the library in the process */

/**
 * What a page's handle points to: a word in a block. Eight pages share a cache line, so that a put
 * of a page that has been out for long has little to load.
 */
struct pp_page {
	uint64_t state; /**< references << 32 | sampled << 31 | number of the pool; it stays 1
			     reference while the page is free, so that get need not write it */
};

/**
 * Neighbouring pages of one chunk: a head with what they have in common, then a word for each.
 * Aligned to its size, so that masking a handle finds it: pp_block_of(). A chunk's blocks follow
 * one another, and the last one ends with the last page's word. No device can reach it; all but the
 * words is constant.
 *
 * A page's address, IOVA, index and user area are computed from the offset of its word in the
 * block, pp_block_offset(): each of them grows by one unit from word to word. The head holds the
 * values that a word at offset 0 would have. Any further property of pages belongs in the rest of
 * the head; a property of the chunk, such as a file descriptor and an offset in that file, in
 * struct pp_chunk.
 */
struct pp_block {
	uintptr_t addr;
	pp_iova_t iova;
	struct pp_pool *pool;
	struct pp_chunk *chunk;
	uintptr_t user;      /**< the user areas, which no device can reach either; or 0 */
	uint64_t index;      /**< in the pool: dense, and reused once a chunk is freed */
	uint32_t user_words; /**< 8 bytes each, of a page's area */
	uint32_t page_shift; /**< log2(page size / size of a word) */
	uint32_t headroom;   /**< where the caller's data begins in a page, bytes */
	struct pp_page page[(PP_BLOCK_BYTES - 64) / sizeof(struct pp_page)]
		__attribute__((aligned(64)));
};

/**
 * A thread's cache of a pool's free pages, and the flag that its users look at last. Anchors
 * outlive their pools: they are reused for others, and freed with the library. A pool has one for
 * each living thread that has owned it and one for each getter, all with the pool's number, which
 * is unique in the process, even if there are several copies of the library.
 */
struct pp_anchor {
	/* read by all, written hardly ever; relaxed */
	uint64_t owner;         /**< the number of the thread whose it is, or no thread's */
	uint32_t revoked;       /**< 0 while the cache is open and nobody waits (private) */
	uint32_t number;        /**< the pool's; constant while it is there; relaxed */
	uint64_t epoch;         /**< how many pools had it before; constant while one is there */
	struct pp_pool *pool;   /**< under the library's lock; NULL once the pool is freed */
	struct pp_anchor *next; /**< of the pool's, or of the free ones */
	const struct pp_copy *copy; /**< the copy of the library that made it; constant */
	void *of_thread[2];         /**< link among its thread's; under the library's lock */
	/**
	 * The owner's; release, for whoever drains. Pages ever pushed to the cache and popped from
	 * it; the difference is what it holds, less what others took. Two counts instead of one, so
	 * that a get needn't wait for the store of the put before it, and statistics cost no extra
	 * instruction.
	 */
	uint64_t pushed __attribute__((aligned(64))), popped;
	uint64_t taken; /**< so many of its oldest pages others took; under the pool's lock */
	uint64_t user;  /**< who owns it or did, and may still put into it; or no thread's number */
	uint32_t getter; /**< it is a getter's, which has a reference to the pool; relaxed */
	/** The cache. The owner's, last in, first out; whoever drains takes pages by exchange. */
	struct pp_page *slot[PP_CACHE_PAGES] __attribute__((aligned(64)));
} __attribute__((aligned(64)));

/** The handle by which a thread that doesn't own the pool gets pages from it. */
struct pp_getter {
	struct pp_anchor anchor;
};

/**
 * A thread's own state. A page whose state equals `owned` has one reference and belongs to the pool
 * behind `anchor`: after this one comparison nothing need be loaded through the page, which would
 * stall.
 */
struct pp_self {
	uint64_t owned; /**< 1 << 32 | the pool's number; 0: no anchor yet */
	struct pp_anchor *anchor;
	uint64_t thread_id; /**< this thread's, if there is an anchor */
};
PP_API extern __thread struct pp_self pp_self __attribute__((tls_model("initial-exec")));

/*
 * Slow paths, called by the inlines only. get_slow and get_raced: the owner; they return what
 * pp_page_get does. getter_get_slow: the getter's thread; raced: the flag was seen after a pop.
 * put_slow and put_raced: any thread; they never fail.
 */
PP_API int pp_page_get_slow(struct pp_page **out, struct pp_pool *pool);
PP_API void pp_page_get_raced(struct pp_pool *pool);
PP_API int pp_getter_get_slow(struct pp_page **out, struct pp_getter *getter, bool raced);
PP_API void pp_page_put_slow(struct pp_page *page);
PP_API void pp_page_put_raced(struct pp_anchor *anchor);

/* gnu_inline: inlined, or else the library's is called; no copy is made. */
#define PP_INLINE extern inline __attribute__((gnu_inline))

/*
 * Pop from a cache of the calling thread's. 1; 0: it is empty; -1: its flag is up, and what is
 * called after that (pop_raced) puts the pop right. Model: revoke.pml and take.pml, cache_pop.
 */
PP_INLINE __attribute__((always_inline)) int pp_fast_pop(struct pp_page **out,
							 struct pp_anchor *anchor)
{
	uint64_t pushed = pp_load_relaxed(&anchor->pushed),
		 popped = pp_load_relaxed(&anchor->popped);

	if (__builtin_expect(pushed == popped, 0))
		return 0;
	*out = pp_load_relaxed(&anchor->slot[pushed - popped - 1]);
	pp_store_release(&anchor->popped, popped + 1);
	pp_barrier_light(); /* pairs with the heavy ones in pool_revoke and close_others */
	return __builtin_expect(!pp_load_relaxed(&anchor->revoked), 1) ? 1 : -1;
}

/* The owner's. False: the cache is empty, or was closed. */
PP_INLINE __attribute__((always_inline)) bool pp_fast_get(struct pp_page **out,
							  struct pp_pool *pool)
{
	int popped = pp_fast_pop(out, *(struct pp_anchor *const *)pool); /* its first member */

	if (__builtin_expect(popped > 0, 1)) {
		PP_PROBE2(get, pool, 1);
		return true;
	}
	if (popped < 0)
		pp_page_get_raced(pool);
	return false;
}

/*
 * Push a page to the cache. The caller owns both the cache and the page's last reference. False:
 * there is no room. Model: revoke.pml, cache_push.
 */
PP_INLINE __attribute__((always_inline)) bool pp_fast_push(struct pp_anchor *anchor,
							   struct pp_page *page)
{
	uint64_t pushed = pp_load_relaxed(&anchor->pushed);
	uint64_t n = pushed - pp_load_relaxed(&anchor->popped);

	/* no need to check here whether the cache is closed: the flag says so, below */
	if (__builtin_expect(n >= PP_CACHE_PAGES, 0))
		return false;
	PP_PROBE2(put, anchor->pool, 1);
	pp_store_relaxed(&anchor->slot[n], page);
	pp_store_release(&anchor->pushed, pushed + 1);
	/* from here on only `anchor` may be dereferenced */
	pp_barrier_light(); /* pairs with the heavy ones in pool_revoke and close_others */
	if (__builtin_expect(pp_load_relaxed(&anchor->revoked), 0))
		pp_page_put_raced(anchor);
	return true;
}

/* The same if the page is of the pool that this thread, its owner, put to last. Else false. */
PP_INLINE __attribute__((always_inline)) bool pp_fast_put(struct pp_page *page)
{
	struct pp_anchor *anchor = pp_self.anchor;

	/* acquire: what other holders did came before */
	if (__builtin_expect(pp_load_acquire(&page->state) != pp_self.owned, 0) ||
	    __builtin_expect(pp_load_relaxed(&anchor->owner) != pp_self.thread_id, 0))
		return false;
	return pp_fast_push(anchor, page);
}

PP_INLINE int pp_page_get(struct pp_page **out, struct pp_pool *pool)
{
	struct pp_page *page; /* not *out, which can then live in a register */
	int ret;

	if (__builtin_expect(pp_fast_get(out, pool), 1))
		return 0;
	ret = pp_page_get_slow(&page, pool);
	*out = page;
	return ret;
}

PP_INLINE int pp_getter_get(struct pp_page **out, struct pp_getter *getter)
{
	struct pp_page *page; /* as above */
	int popped = pp_fast_pop(out, &getter->anchor), ret;

	if (__builtin_expect(popped > 0, 1)) {
		PP_PROBE2(get, getter->anchor.pool, 1);
		return 0;
	}
	ret = pp_getter_get_slow(&page, getter, popped < 0);
	*out = page;
	return ret;
}

PP_INLINE void pp_page_put(struct pp_page *page)
{
	if (__builtin_expect(!pp_fast_put(page), 0))
		pp_page_put_slow(page);
}

/* The block that a page's word is in. */
PP_INLINE __attribute__((always_inline)) const struct pp_block *
pp_block_of(const struct pp_page *page)
{
	return (const struct pp_block *)((uintptr_t)page & ~(uintptr_t)(PP_BLOCK_BYTES - 1));
}

/* The offset of its word in that block, in bytes. */
PP_INLINE __attribute__((always_inline)) uintptr_t pp_block_offset(const struct pp_page *page)
{
	return (uintptr_t)page & (PP_BLOCK_BYTES - 1);
}

/* The offset of its memory from the block's `addr` and `iova`, in bytes. */
PP_INLINE __attribute__((always_inline)) uint64_t pp_memory_offset(const struct pp_page *page)
{
	return (uint64_t)pp_block_offset(page) << pp_block_of(page)->page_shift;
}

PP_INLINE void *pp_page_addr(const struct pp_page *page)
{
	return (void *)(pp_block_of(page)->addr + (uintptr_t)pp_memory_offset(page));
}

PP_INLINE pp_iova_t pp_page_iova(const struct pp_page *page)
{
	return pp_block_of(page)->iova + pp_memory_offset(page);
}

PP_INLINE uint32_t pp_page_size(const struct pp_page *page)
{
	return (uint32_t)sizeof *page << pp_block_of(page)->page_shift;
}

/* A block of a pool without such areas has 0 for both: so there is nothing to ask. */
PP_INLINE void *pp_page_user(const struct pp_page *page)
{
	const struct pp_block *block = pp_block_of(page);

	return (void *)(block->user + pp_block_offset(page) * block->user_words);
}

PP_INLINE uint64_t pp_page_index(const struct pp_page *page)
{
	return pp_block_of(page)->index + pp_block_offset(page) / sizeof *page;
}

PP_INLINE uint32_t pp_page_headroom(const struct pp_page *page)
{
	return pp_block_of(page)->headroom;
}

PP_INLINE void *pp_page_data(const struct pp_page *page)
{
	return (void *)(pp_block_of(page)->addr + (uintptr_t)pp_memory_offset(page) +
			pp_block_of(page)->headroom);
}

PP_INLINE pp_iova_t pp_page_data_iova(const struct pp_page *page)
{
	return pp_block_of(page)->iova + pp_memory_offset(page) + pp_block_of(page)->headroom;
}

#ifdef __cplusplus
}
#endif
#endif
