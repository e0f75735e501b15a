/*
 * sample.h - how long pages have been out, by sampling: sample.c. Uses refs.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_SAMPLE_H
#define POOL_SAMPLE_H

#include "pool/refs.h"

/* Of the gets that find the cache empty, and a page, the first and then one in so many. */
#define SAMPLE_EVERY 8u

void sample_begin(struct pp_pool *pool, struct pp_page *page);
void sample_end(struct pp_pool *pool, struct pp_page *page);

/* A slow get's page, which is nobody's but the caller's yet. */
static inline void sample_some(struct pp_pool *pool, struct pp_page *page)
{
	if (!pool->tracked && env_add_relaxed(&pool->n_slow, 1) % SAMPLE_EVERY == 0)
		sample_begin(pool, page);
}

/* A page that goes home: the caller has its last reference. Any thread. */
static inline void sample_look(struct pp_pool *pool, struct pp_page *page)
{
	if (env_unlikely(page_is_sampled(env_load_relaxed(&page->state))))
		sample_end(pool, page);
}

/* The longest that a sampled page has been out so far, ns; 0: there is none. Any thread. */
uint64_t sample_oldest(const struct pp_pool *pool);

#endif
