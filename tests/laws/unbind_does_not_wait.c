/*
 * unbind_does_not_wait.c - Law 3: unbind never waits for pages in flight. Its cost grows with the
 * number of chunks, never with the number of pages or holders.
 *
 * Costs are counted, not timed: calls that arrive at the back end.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "counting_iommu.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned discards;

/* The library's madvise(2), by the linker's --wrap. */
int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice)
{
	__atomic_fetch_add(&discards, advice == MADV_DONTNEED, __ATOMIC_RELAXED);
	return __real_madvise(addr, len, advice);
}

struct cost {
	uint64_t chunks, in_flight;
	bool can_split; /* a span is mapped by one call, else by one for each chunk */
	unsigned maps, unmaps, invalidations, discards;
};

/* Unbind with a pool of n pages, of which all but every step-th were put before. */
static struct cost unbind_cost(unsigned n, unsigned step, bool surprise, bool deferred)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(2 * MIB);
	struct cost cost;
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch held;
	struct counting_iommu counting;

	soft.deferred = deferred;
	counting_device_init(&d, &counting, &soft);
	pool = new_pool(soft_device_bind(&d), &p);
	held = take(pool, n);
	if (step > 1)
		thin_out(&held, step);
	cost.can_split = counting.iommu.can_split;
	cost.chunks = pool_stats(pool).chunks;
	cost.in_flight = pool_stats(pool).in_flight;
	cost.maps = counting.maps;
	cost.unmaps = counting.unmaps;
	cost.invalidations = counting.invalidations;
	cost.discards = discards;
	if (surprise)
		pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
	else
		pp_device_unbind(d.dev);
	cost.unmaps = counting.unmaps - cost.unmaps;
	cost.invalidations = counting.invalidations - cost.invalidations;
	cost.discards = discards - cost.discards;
	check_eq(soft_device_stats(&d).in_flight_at_unbind, cost.in_flight,
		 "%llu pages in flight at unbind", (unsigned long long)cost.in_flight);
	put_all(&held);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	return cost;
}

static void show(const char *what, const struct cost *c)
{
	printf("# %s: %llu chunks mapped by %u calls, %llu pages in flight: %u unmaps, "
	       "%u invalidations, %u discards\n",
	       what, (unsigned long long)c->chunks, c->maps, (unsigned long long)c->in_flight,
	       c->unmaps, c->invalidations, c->discards);
}

static void same_for_a_hundred_times_the_pages(bool surprise, bool deferred)
{
	struct cost few = unbind_cost(100000, 100, surprise, deferred);
	struct cost many = unbind_cost(100000, 1, surprise, deferred);
	struct cost less_chunks = unbind_cost(10000, 1, surprise, deferred);

	show("few", &few);
	show("many", &many);
	show("a tenth", &less_chunks);
	check_eq(few.in_flight, 1000, "1,000 pages in flight");
	check_eq(many.in_flight, 100000, "100,000 pages in flight");
	check_eq(few.chunks, many.chunks, "in the same number of chunks");
	check_eq(few.unmaps, many.unmaps, "the same number of unmaps");
	check_eq(few.invalidations, many.invalidations, "and of invalidations");
	check(many.can_split ? many.unmaps <= many.maps : many.maps == many.chunks,
	      "one unmap for each call that mapped, or for many of them");
	check(many.unmaps <= many.chunks / 16, "far fewer than there are chunks");
	check_eq(many.invalidations, less_chunks.invalidations,
		 "invalidations do not even grow with the chunks");
	check(less_chunks.unmaps <= many.unmaps, "unmaps grow with the chunks");
	check(many.invalidations <= 4, "there is a handful of them");
}

static void cost_is_of_chunks_not_pages(void)
{
	same_for_a_hundred_times_the_pages(false, false);
	same_for_a_hundred_times_the_pages(true, false);
	same_for_a_hundred_times_the_pages(false, true);
}

/* ---- holders that never let go -------------------------------------------------------- */

#define HOLDERS 8

struct holder_thread {
	struct bunch held;
	pthread_barrier_t *holding;
	int *release;
	bool intact;
};

static void *holds_for_ever(void *arg)
{
	struct holder_thread *h = arg;

	fill_all(&h->held, 3);
	pthread_barrier_wait(h->holding);
	await_flag(h->release); /* raised after unbind and destroy have returned only */
	h->intact = all_filled(&h->held, 3);
	put_all(&h->held);
	return NULL;
}

/* If unbind waited, this would never end: nobody puts before it has returned. */
static void no_wait_for_holders(bool surprise)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct holder_thread h[HOLDERS];
	pthread_barrier_t holding;
	struct soft_device d;
	struct pp_pool *pool;
	pthread_t t[HOLDERS];
	int release = 0;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	pthread_barrier_init(&holding, NULL, HOLDERS + 1);
	for (unsigned i = 0; i < HOLDERS; i++) {
		h[i] = (struct holder_thread){ take(pool, 200), &holding, &release, false };
		t[i] = start(holds_for_ever, &h[i]);
	}
	pthread_barrier_wait(&holding);
	if (surprise)
		pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
	else
		pp_device_unbind(d.dev);
	check_eq(soft_device_stats(&d).in_flight_at_unbind, 200 * HOLDERS,
		 "unbind returned with every page still held");
	domain_is_empty(&d, "meanwhile");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_eq(totals().zombie_pages, 200 * HOLDERS, "destroy and unregister returned too");
	raise_flag(&release);
	for (unsigned i = 0; i < HOLDERS; i++) {
		join(t[i]);
		check(h[i].intact, "holder %u found its pages as it left them", i);
	}
	pthread_barrier_destroy(&holding);
	check_nothing_left("when they have let go");
}

static void unbind_returns_while_others_hold(void)
{
	no_wait_for_holders(false);
	no_wait_for_holders(true);
}

int main(void)
{
	run(cost_is_of_chunks_not_pages);
	run(unbind_returns_while_others_hold);
	check_nothing_left("at the end");
	return tap_end();
}
