/*
 * refs.h - a page's state: its references, and whether it is sampled. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_REFS_H
#define POOL_REFS_H

#include "pool/pool.h"

/* References are the upper half of pp_page.state. */
#define PAGE_REFS(n) ((uint64_t)(n) << 32)

/*
 * The lower half is the pool's number, which is below 2^31, and this bit while the page is sampled:
 * then the state equals none that a quick put looks for. sample.c.
 */
#define PAGE_SAMPLED (UINT64_C(1) << 31)

static inline bool page_is_sampled(uint64_t state)
{
	return state & PAGE_SAMPLED;
}

/* Does a page in this state have several references? */
static inline bool page_is_shared(uint64_t state)
{
	return state >> 33;
}

/*
 * The count would leave its range: it is as it was, and told of. The caller: a code address, or
 * NULL.
 */
void page_bad_refs(struct pp_page *page, uint32_t dropped, uint32_t taken, const void *caller);

/* n references were subtracted from the state; true if they were the last, as of page_drop. */
static inline bool page_dropped(struct pp_page *page, uint64_t state, uint32_t n,
				const void *caller)
{
	if (env_unlikely(state >> 32 < n))
		page_bad_refs(page, n, 0, caller);
	if (state >> 32 != n)
		return false;
	env_store_relaxed(&page->state, PAGE_REFS(1) | (uint32_t)state);
	return true;
}

/* Drop n references, the caller's; true if they were the last, and the page is to go home. */
static inline bool page_drop(struct pp_page *page, uint32_t n, const void *caller)
{
	/*
	 * With no other references than these nobody can take another: no read-modify-write
	 * needed. Acquire, here and where one is: what the other holders did came before.
	 */
	uint64_t state = env_load_acquire(&page->state);

	if (state >> 32 != n)
		return page_dropped(page, env_sub_acq_rel(&page->state, PAGE_REFS(n)), n, caller);
	if (n > 1)
		env_store_relaxed(&page->state, PAGE_REFS(1) | (uint32_t)state);
	return true;
}

#endif
