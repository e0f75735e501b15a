/*
 * sample.c - how long pages have been out, by sampling, without an instruction in get or put.
 *
 * Of the pages that slow gets hand out, one in many is timed. Its state differs from the others' in
 * one bit, so each comparison by which a put is quick fails; and where a put ends up that knows
 * neither a cache nor a ring for its page, it looks for that bit.
 *
 * A pool times a few pages at once, and begins with no other while those are out. So it knows the
 * ages of the oldest of those that it came upon.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/sample.h"

#include <pagepool/pool.h>

#include "env/debug.h"
#include "pool/holders.h"
#include "pool/owner.h"

/* Any number of getters at once: whose exchange succeeds has the slot. */
void sample_begin(struct pp_pool *pool, struct pp_page *page)
{
	uint64_t now = env_now_ns() ?: 1; /* 0 is a free slot */

	for (struct sample *s = pool->sample; s < pool->sample + PP_POOL_AGES; s++) {
		uint64_t free = 0;

		if (env_load_relaxed(&s->since_ns) || !env_cas_acq_rel(&s->since_ns, &free, now))
			continue;
		env_store_release(&s->index, pp_page_index(page)); /* pairs with read_sample */
		env_store_release(&s->page, page);
		env_store_relaxed(&page->state, env_load_relaxed(&page->state) | PAGE_SAMPLED);
		return;
	}
}

/* A page of another copy of the library's: that one is handed the put, and comes here, too. */
void sample_end(struct pp_pool *pool, struct pp_page *page)
{
	struct sample *s = pool->sample;

	if (anchor_is_foreign(pool_anchor(pool)))
		return;
	env_store_relaxed(&page->state, env_load_relaxed(&page->state) & ~PAGE_SAMPLED);
	while (s < pool->sample + PP_POOL_AGES && env_load_relaxed(&s->page) != page)
		s++;
	if (s == pool->sample + PP_POOL_AGES)
		return; /* put twice at once, which may be told of later */
	env_store_relaxed(&s->page, NULL);
	env_store_release(&s->since_ns, 0); /* pairs with the exchange */
}

/*
 * False: the slot is free, or becomes so meanwhile. What is read while the time stays the same is
 * of one page: each of the stores that follow the next exchange would bring that along. The page
 * itself may have gone.
 */
static bool read_sample(const struct sample *s, struct pp_page_age *age, uint64_t now)
{
	uint64_t since = env_load_acquire(&s->since_ns);

	if (!since || !env_load_acquire(&s->page))
		return false;
	age->index = env_load_acquire(&s->index);
	age->ns = now > since ? now - since : 0;
	return env_load_relaxed(&s->since_ns) == since;
}

/* The oldest first. How many. */
static unsigned read_samples(const struct pp_pool *pool, struct pp_page_age *ages)
{
	uint64_t now = env_now_ns();
	struct pp_page_age age;
	unsigned n = 0, at;

	for (unsigned i = 0; i < PP_POOL_AGES; i++) {
		if (!read_sample(&pool->sample[i], &age, now))
			continue;
		for (at = n++; at && ages[at - 1].ns < age.ns; at--)
			ages[at] = ages[at - 1];
		ages[at] = age;
	}
	return n;
}

uint64_t sample_oldest(const struct pp_pool *pool)
{
	struct pp_page_age ages[PP_POOL_AGES];

	return read_samples(pool, ages) ? ages[0].ns : 0;
}

int pp_pool_ages(const struct pp_pool *pool, struct pp_page_age *out, unsigned n)
{
	struct pp_page_age ages[PP_POOL_AGES];
	unsigned there;

	if (!pool || (n && !out))
		return debug_invalid("pp_pool_ages: there is no %s", pool ? "room" : "pool");
	if (misuse_gone(pool, "ages", __builtin_return_address(0)))
		return 0;
	there = read_samples(pool, ages);
	n = n < there ? n : there;
	if (n)
		memcpy(out, ages, n * sizeof *out);
	return (int)n;
}
