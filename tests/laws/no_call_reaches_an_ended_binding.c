/*
 * no_call_reaches_an_ended_binding.c - Law 2: no map, unmap or sync ever reaches a device through
 * a binding that has ended, not even after the device is bound again. It is refused with -ENODEV,
 * and counted.
 *
 * A counting back end sits between library and IOMMU and counts what arrives.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "counting_iommu.h"

static char memory[2 * PP_BASE_PAGE];

/* What the old binding had. */
struct old {
	pp_binding_t binding;
	pp_iova_t iova, coherent, page_iova;
	void *cpu;
	struct pp_pool *pool;  /* the binding's: revoked */
	struct pp_pool *other; /* attached nowhere */
	struct bunch held;
};

static void use_it_all(struct soft_device *d, struct old *o)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	o->binding = soft_device_bind(d);
	o->pool = new_pool(o->binding, &p);
	o->other = new_pool(pp_binding_none(), &p);
	o->held = take(o->pool, 40);
	o->page_iova = pp_page_iova(o->held.page[0]);
	require(!pp_dma_map(o->binding, memory, sizeof memory, PP_DMA_BIDIRECTIONAL, &o->iova) &&
			!pp_dma_alloc_coherent(o->binding, 4096, &o->cpu, &o->coherent),
		"the binding has mappings");
}

typedef int (*late_call)(struct old *o);

static int late_set_mask(struct old *o)
{
	return pp_dma_set_mask(o->binding, 40);
}

static int late_map(struct old *o)
{
	pp_iova_t iova = 0;
	int ret = pp_dma_map(o->binding, memory, sizeof memory, PP_DMA_BIDIRECTIONAL, &iova);

	return iova == PP_IOVA_NONE ? ret : 0;
}

static int late_unmap(struct old *o)
{
	return pp_dma_unmap(o->binding, o->iova, sizeof memory, PP_DMA_BIDIRECTIONAL);
}

static int late_sync_for_cpu(struct old *o)
{
	return pp_dma_sync_for_cpu(o->binding, o->page_iova, 64, PP_DMA_BIDIRECTIONAL);
}

static int late_sync_for_device(struct old *o)
{
	return pp_dma_sync_for_device(o->binding, o->iova, 64, PP_DMA_BIDIRECTIONAL);
}

static int late_alloc_coherent(struct old *o)
{
	pp_iova_t iova = 0;
	void *cpu = o;
	int ret = pp_dma_alloc_coherent(o->binding, 4096, &cpu, &iova);

	return iova == PP_IOVA_NONE && !cpu ? ret : 0;
}

static int late_free_coherent(struct old *o)
{
	return pp_dma_free_coherent(o->binding, 4096, o->cpu, o->coherent);
}

static int late_pool(struct old *o)
{
	struct pp_pool *pool = o->other;
	int ret = pp_pool_create(&pool, o->binding, NULL);

	return pool ? 0 : ret;
}

static int late_attach(struct old *o)
{
	return pp_pool_attach(o->other, o->binding);
}

static const struct {
	late_call call;
	const char *name;
} late_calls[] = {
	{ late_set_mask, "set mask" },
	{ late_map, "map" },
	{ late_unmap, "unmap" },
	{ late_sync_for_cpu, "sync for CPU" },
	{ late_sync_for_device, "sync for device" },
	{ late_alloc_coherent, "alloc coherent" },
	{ late_free_coherent, "free coherent" },
	{ late_pool, "pool create" },
	{ late_attach, "pool attach" },
};

#define N_LATE (sizeof late_calls / sizeof late_calls[0])

/* Each call in turn. dev NULL: the device isn't there to count. */
static void all_refused(struct old *o, struct soft_device *d, const struct counting_iommu *counting,
			const char *when)
{
	for (unsigned i = 0; i < N_LATE; i++) {
		uint64_t late = d ? soft_device_stats(d).late_calls_refused : 0;
		unsigned calls = counting ? counted_calls(counting) : 0;

		check_eq(late_calls[i].call(o), -ENODEV, "%s: %s is refused", when,
			 late_calls[i].name);
		if (d)
			check_eq(soft_device_stats(d).late_calls_refused, late + 1,
				 "%s: %s is counted", when, late_calls[i].name);
		if (counting)
			check_eq(counted_calls(counting), calls, "%s: %s reaches no device", when,
				 late_calls[i].name);
	}
}

/* The pool of the ended binding doesn't grow, at whichever device. */
static void no_growth(struct old *o, const struct counting_iommu *counting, const char *when)
{
	unsigned calls = counted_calls(counting);
	struct pp_page *page = o->held.page[0];

	check_eq(pp_page_get(&page, o->pool), -ENODEV, "%s: a get is refused", when);
	check(!page, "%s: and gives no page", when);
	check_eq(counted_calls(counting), calls, "%s: and reaches no device", when);
	check_eq(pp_pool_trim(o->pool, 0), 0, "%s: nothing is trimmed", when);
	check_eq(counted_calls(counting), calls, "%s: trimming reaches no device", when);
}

static void put_back(struct old *o)
{
	put_all(&o->held);
	pp_pool_destroy(o->pool);
	pp_pool_destroy(o->other);
}

static void after_every_ending(bool incoherent)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct soft_device d, second;
	struct counting_iommu counting, second_counting;
	pp_binding_t fresh;
	unsigned calls;
	struct old o;

	soft.incoherent = incoherent;
	counting_device_init(&d, &counting, &soft);
	use_it_all(&d, &o);
	pp_device_unbind(d.dev);
	all_refused(&o, &d, &counting, "after unbind");
	no_growth(&o, &counting, "after unbind");

	fresh = soft_device_bind(&d);
	check(fresh.id != o.binding.id, "a new binding has a new name");
	all_refused(&o, &d, &counting, "bound again");
	no_growth(&o, &counting, "bound again");
	check(pp_binding_alive(fresh) && !pp_binding_alive(o.binding), "the new one is alive only");
	check(!pp_dma_map(fresh, memory, sizeof memory, PP_DMA_BIDIRECTIONAL, &o.iova),
	      "the new one maps");
	all_refused(&o, &d, &counting, "bound again, and something mapped at the address");

	pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
	all_refused(&o, &d, &counting, "after removal");
	o.binding = fresh;
	all_refused(&o, &d, &counting, "after removal, through the binding that it ended");
	soft_device_exit(&d);
	all_refused(&o, NULL, NULL, "the device unregistered");

	/* whoever has the slot now must not pay for the dead */
	counting_device_init(&second, &second_counting, &soft);
	soft_device_bind(&second);
	calls = counted_calls(&second_counting);
	all_refused(&o, NULL, &second_counting, "another device in its place");
	check_eq(soft_device_stats(&second).late_calls_refused, 0, "which isn't charged for it");
	check_eq(counted_calls(&second_counting), calls, "nor reached");
	soft_device_exit(&second);
	put_back(&o);
	check_nothing_left("at the end");
}

static void coherent_device(void)
{
	after_every_ending(false);
}

static void incoherent_device(void)
{
	after_every_ending(true);
}

/* ---- inside of remove ---------------------------------------------------------------- */

static void remove_after_the_device_has_gone(struct soft_device *d, pp_binding_t binding,
					     enum pp_remove_why why)
{
	struct old *o = d->test;

	(void)binding;
	check_eq(why, PP_REMOVE_GONE, "the driver is told that the device has gone");
	all_refused(o, d, NULL, "in remove");
	check_eq(*(char *)o->cpu, 'x', "coherent memory is still there for the CPU");
}

static void a_surprised_driver_is_refused_too(void)
{
	struct soft_device d;
	struct counting_iommu counting;
	struct old o;

	counting_device_init(&d, &counting, NULL);
	d.remove = remove_after_the_device_has_gone;
	d.test = &o;
	use_it_all(&d, &o);
	*(char *)o.cpu = 'x';
	pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
	check_eq(d.gones, 1, "remove was called");
	soft_device_exit(&d);
	put_back(&o);
}

static void remove_that_looks_around(struct soft_device *d, pp_binding_t binding,
				     enum pp_remove_why why)
{
	struct old *o = d->test;

	(void)why;
	check_eq(late_pool(o), -ENODEV, "an ending binding takes no new pool");
	check_eq(late_attach(o), -ENODEV, "nor an attachment");
	check_eq(late_map(o), -ENODEV, "nor a mapping");
	check_eq(late_alloc_coherent(o), -ENODEV, "nor coherent memory");
	check_eq(late_sync_for_cpu(o), 0, "but it can be worked with: sync");
	check_eq(pp_dma_unmap(binding, o->iova, sizeof memory, PP_DMA_BIDIRECTIONAL), 0, "unmap");
	check_eq(pp_dma_free_coherent(binding, 4096, o->cpu, o->coherent), 0, "free");
}

static void an_ending_binding_takes_nothing_new(void)
{
	struct soft_device d;
	struct counting_iommu counting;
	struct old o;

	counting_device_init(&d, &counting, NULL);
	d.remove = remove_that_looks_around;
	d.test = &o;
	use_it_all(&d, &o);
	pp_device_unbind(d.dev);
	check_eq(d.removes, 1, "remove was called");
	check_eq(soft_device_stats(&d).mappings_forgotten, 0, "and forgot nothing");
	soft_device_exit(&d);
	put_back(&o);
	check_nothing_left("at the end");
}

int main(void)
{
	run(coherent_device);
	run(incoherent_device);
	run(a_surprised_driver_is_refused_too);
	run(an_ending_binding_takes_nothing_new);
	return tap_end();
}
