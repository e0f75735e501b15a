/*
 * mapping_costs_no_instruction.c - Law 8: with no pages mapped and no unbind going on, DMA
 * mapping costs the fast path no instruction: get and put run the same code for a mapped pool as
 * for an unmapped one.
 *
 * Here: both do the same, step by step, as their statistics tell, and neither get nor put
 * calls the back end, whatever the size of a burst. Instructions are counted by bench/.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "counting_iommu.h"

typedef void (*workload)(struct pp_pool *pool);

static void one_at_a_time(struct pp_pool *pool)
{
	struct pp_page *page;

	for (unsigned i = 0; i < laps(1000000); i++) {
		if (pp_page_get(&page, pool))
			abort();
		pp_page_put(page);
	}
}

static void by_batches(struct pp_pool *pool)
{
	struct pp_page *page[64];

	for (unsigned i = 0; i < laps(1000000 / 64); i++) {
		unsigned n = 0;

		while (n < 64)
			n += (unsigned)pp_page_get_batch(page + n, 64 - n, pool);
		pp_page_put_batch(page, 64);
	}
}

/* More than the cache takes: through the chunks, by batches. */
static void by_bursts(struct pp_pool *pool)
{
	for (unsigned i = 0; i < laps(500); i++) {
		struct bunch b = take(pool, 2000);

		put_all(&b);
	}
}

static void *puts_all(void *arg)
{
	put_all(arg);
	return NULL;
}

/* Through the return ring, and past it. */
static void by_another_thread(struct pp_pool *pool)
{
	for (unsigned i = 0; i < laps(100); i++) {
		struct bunch b = take(pool, 4000);

		join(start(puts_all, &b));
	}
}

static void with_references(struct pp_pool *pool)
{
	struct pp_page *page;

	for (unsigned i = 0; i < laps(100000); i++) {
		if (pp_page_get(&page, pool))
			abort();
		pp_page_ref(page, 2);
		pp_page_put(page);
		pp_page_put(page);
		pp_page_put(page);
	}
}

static void by_fragments(struct pp_pool *pool)
{
	struct pp_frag frag;

	for (unsigned i = 0; i < laps(200000); i++) {
		if (pp_frag_get(&frag, pool, 1 + i % 1500, 64))
			abort();
		pp_page_put(frag.page);
	}
}

/* What differs by what the pool is, not by what it does. */
static void leave_out_the_mapping(struct pp_pool_stats *s)
{
	s->bytes_mapped = 0;
	s->attachments = 0;
}

static bool same_stats(const struct pp_pool_stats *a, const struct pp_pool_stats *b)
{
	bool same = true;

#define SAME(name, what)                                                                           \
	if (a->name != b->name) {                                                                  \
		printf("# " #name ": %llu mapped, %llu not\n", (unsigned long long)a->name,        \
		       (unsigned long long)b->name);                                               \
		same = false;                                                                      \
	}
	PP_POOL_STATS(SAME)
#undef SAME
	return same;
}

static void mapped_and_not(workload work, const char *name)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool_stats with, without;
	struct pp_pool *mapped, *plain;
	struct pp_domain_stats before, after;
	struct soft_device d;
	unsigned calls;
	struct counting_iommu counting;
	struct bunch b;

	p.max_pages = 8192;
	p.idle_chunks = 8192; /* nothing is trimmed: that is not the fast path */
	counting_device_init(&d, &counting, NULL);
	mapped = new_pool(soft_device_bind(&d), &p);
	plain = new_pool(pp_binding_none(), &p);
	b = take(mapped, 8192);
	put_all(&b);
	b = take(plain, 8192);
	put_all(&b);
	calls = counted_calls(&counting);
	before = soft_device_domain(&d);
	work(mapped);
	work(plain);
	after = soft_device_domain(&d);
	check_eq(counted_calls(&counting), calls, "%s: no call reaches the back end", name);
	check(after.maps == before.maps && after.unmaps == before.unmaps &&
		      after.invalidations == before.invalidations,
	      "%s: the domain says so too", name);
	with = pool_stats(mapped);
	without = pool_stats(plain);
	leave_out_the_mapping(&with);
	leave_out_the_mapping(&without);
	check(same_stats(&with, &without), "%s: both pools did the same", name);
	pp_pool_destroy(mapped);
	pp_pool_destroy(plain);
	soft_device_exit(&d);
	check_nothing_left(name);
}

#define MAPPED_AND_NOT(work) mapped_and_not(work, #work)

int main(void)
{
	MAPPED_AND_NOT(one_at_a_time);
	MAPPED_AND_NOT(by_batches);
	MAPPED_AND_NOT(by_bursts);
	MAPPED_AND_NOT(by_another_thread);
	MAPPED_AND_NOT(with_references);
	MAPPED_AND_NOT(by_fragments);
	return tap_end();
}
