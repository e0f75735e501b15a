/*
 * no_mapping_outlives_its_binding.c - Law 1: no DMA mapping outlives the binding it was made in.
 * When unbind returns, the domain holds nothing of it: no IOVA, no page-table page, no IOTLB
 * entry.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

static char own_memory[6][3 * PP_BASE_PAGE]; /* the driver's, mapped and forgotten */

enum ending { UNBIND, REMOVE, SURPRISE, DESTROY_THEN_UNBIND, N_ENDINGS };

static const char *const ending_name[] = { "unbind", "removal", "surprise removal",
					   "destroy, then unbind" };

static void end_binding(struct soft_device *d, enum ending how)
{
	int ret = how == REMOVE   ? pp_device_remove(d->dev, PP_REMOVAL_ORDERLY) :
		  how == SURPRISE ? pp_device_remove(d->dev, PP_REMOVAL_SURPRISE) :
				    pp_device_unbind(d->dev);

	check(!ret, "%s succeeds", ending_name[how]);
}

/* Six mappings of all directions and two of coherent memory; the device uses them. */
static void map_and_forget(struct soft_device *d, pp_binding_t binding)
{
	uint64_t word = 0;
	pp_iova_t iova;
	void *cpu;

	for (unsigned i = 0; i < 6; i++) {
		require(!pp_dma_map(binding, own_memory[i] + 100 * i, 5000,
				    (enum pp_dma_dir)(i % 3), &iova),
			"the driver maps memory of its own");
		pp_soft_read(d->iommu, iova, &word, sizeof word);
		pp_soft_write(d->iommu, iova, &word, sizeof word);
	}
	for (unsigned i = 0; i < 2; i++) {
		require(!pp_dma_alloc_coherent(binding, 10000, &cpu, &iova),
			"the driver takes coherent memory");
		require(!pp_soft_write(d->iommu, iova, &word, sizeof word),
			"the device writes there");
	}
}

/* Let a deferred domain have something pending: idle chunks above the limit go. */
static void leave_pending(struct soft_device *d, struct pp_pool *pool)
{
	struct bunch b = take(pool, 800);

	device_reads(d, &b);
	put_all(&b);
}

static void binding_leaves_nothing(const struct pp_soft_params *soft, enum ending how)
{
	struct pp_pool_params small = small_chunks(64 * KIB), large = pp_pool_defaults();
	struct pp_pool *pool[2];
	struct bunch held[2];
	struct soft_device d;
	pp_binding_t binding;

	soft_device_init(&d, soft);
	binding = soft_device_bind(&d);
	small.idle_chunks = 4;
	pool[0] = new_pool(binding, &small);
	pool[1] = new_pool(binding, &large);
	leave_pending(&d, pool[0]);
	held[0] = take(pool[0], 3000);
	held[1] = take(pool[1], 3000);
	map_and_forget(&d, binding);
	check(device_reads(&d, &held[0]) && device_reads(&d, &held[1]),
	      "the device reaches the pages");
	if (!strcmp(d.iommu->ops->kind, "soft")) /* others don't tell */
		check(soft_device_domain(&d).iotlb_entries > 0, "the IOTLB knows some");
	/* a range that is pending is no mapping any more, but not to be used again yet */
	check(soft_device_domain(&d).iova_bytes == totals().iova_bytes ||
		      (soft_device_domain(&d).pending_ranges &&
		       soft_device_domain(&d).iova_bytes < totals().iova_bytes),
	      "domain and arena agree on the IOVA space in use");
	if (how == DESTROY_THEN_UNBIND)
		pp_pool_destroy(pool[0]);
	end_binding(&d, how);
	domain_is_empty(&d, ending_name[how]);
	check_eq(totals().iova_bytes, 0, "no IOVA is in use in the process");
	check_eq(device_can_write(&d, &held[0]) + device_can_write(&d, &held[1]), 0,
		 "the device reaches none of the pages in flight");
	if (how != SURPRISE)
		check_eq(soft_device_stats(&d).mappings_forgotten, 8,
			 "what was forgotten is counted");
	if (how == UNBIND) {
		soft_device_bind(&d);
		check_eq(device_can_write(&d, &held[0]) + device_can_write(&d, &held[1]), 0,
			 "nor when the device is bound again");
		pp_device_unbind(d.dev);
		domain_is_empty(&d, "the second binding, which mapped nothing");
	}
	put_all(&held[0]);
	put_all(&held[1]);
	if (how != DESTROY_THEN_UNBIND)
		pp_pool_destroy(pool[0]);
	pp_pool_destroy(pool[1]);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void every_ending_of_every_domain(void)
{
	for (unsigned kind = 0; kind < 4; kind++)
		for (unsigned how = 0; how < N_ENDINGS; how++) {
			struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);

			soft.deferred = kind & 1;
			soft.incoherent = kind & 2;
			printf("# %s, %s, %s\n", soft.deferred ? "deferred" : "strict",
			       soft.incoherent ? "incoherent" : "coherent", ending_name[how]);
			binding_leaves_nothing(&soft, (enum ending)how);
		}
}

static int probe_that_fails(struct soft_device *d, pp_binding_t binding)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool = new_pool(binding, &p);
	struct bunch *held = d->test;

	*held = take(pool, 100);
	map_and_forget(d, binding);
	pp_pool_destroy(pool);
	return -EIO;
}

static void a_failed_probe_leaves_nothing(void)
{
	struct soft_device d;
	struct bunch held;

	soft_device_init(&d, NULL);
	d.probe = probe_that_fails;
	d.test = &held;
	check_eq(pp_device_bind(d.dev, &d.drv), -EIO, "the probe fails");
	domain_is_empty(&d, "a failed probe");
	put_all(&held);
	soft_device_exit(&d);
	check_nothing_left("after it");
}

/* ---- against those who map at the same time --------------------------------------- */

struct mapper {
	struct soft_device *d;
	pp_binding_t binding;
	struct pp_pool *pool; /* or NULL: streaming mappings */
	int ready;
	int last; /* what ended it */
	struct bunch held;
};

static void *maps_until_refused(void *arg)
{
	static char memory[PP_BASE_PAGE];
	struct mapper *m = arg;
	pp_iova_t iova;

	do {
		m->last =
			pp_dma_map(m->binding, memory, sizeof memory, PP_DMA_BIDIRECTIONAL, &iova);
		raise_flag(&m->ready);
	} while (!m->last);
	return NULL;
}

static void *grows_until_refused(void *arg)
{
	struct mapper *m = arg;

	pp_pool_own(m->pool);
	do {
		m->last = m->held.n == 20000 ? -ENODEV :
					       pp_page_get(&m->held.page[m->held.n], m->pool);
		m->held.n += !m->last;
		raise_flag(&m->ready);
	} while (!m->last);
	return NULL;
}

static void unbind_against_mappers(enum ending how)
{
	struct pp_pool_params p = small_chunks(16 * KIB);
	struct mapper maps = { 0 }, grows = { 0 };
	struct soft_device d;
	pthread_t t[2];

	soft_device_init(&d, NULL);
	maps.binding = soft_device_bind(&d);
	grows.pool = new_pool(maps.binding, &p);
	grows.held.page = calloc(20000, sizeof *grows.held.page);
	t[0] = start(maps_until_refused, &maps);
	t[1] = start(grows_until_refused, &grows);
	await_flag(&maps.ready);
	await_flag(&grows.ready);
	end_binding(&d, how);
	domain_is_empty(&d, ending_name[how]);
	join(t[0]);
	join(t[1]);
	check_eq(maps.last, -ENODEV, "the mapper was refused in the end");
	check_eq(grows.last, -ENODEV, "so was growth");
	domain_is_empty(&d, "and when both have stopped");
	put_all(&grows.held);
	pp_pool_destroy(grows.pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void nothing_slips_in_while_it_ends(void)
{
	for (unsigned round = 0; round < 20; round++)
		unbind_against_mappers(round % 2 ? UNBIND : SURPRISE);
}

int main(void)
{
	run(every_ending_of_every_domain);
	run(a_failed_probe_leaves_nothing);
	run(nothing_slips_in_while_it_ends);
	return tap_end();
}
