/*
 * held_pages_stay_usable.c - Law 4: a page in flight stays readable and writable for its holder
 * until its holder puts it, whatever became of device, binding, driver, pool handle.
 *
 * All the while a DMA engine of the device keeps accessing the addresses that it was given before.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <time.h>

enum { QUIET_GENERATION = 1, TARGET_GENERATION = 2, LATER_GENERATION = 3 };

/* ---- the engine ------------------------------------------------------------------------ */

struct engine {
	struct soft_device *d;
	const pp_iova_t *iova;
	unsigned n, step; /* it goes over every step-th of them */
	int stop;
	unsigned rounds; /* complete ones */
	int counting;    /* from now on each success counts: it must not be */
	unsigned successes;
};

static void *hammers(void *arg)
{
	struct engine *e = arg;
	char poison[256];

	memset(poison, 0xEE, sizeof poison);
	while (!flag_up(&e->stop)) {
		int counting = flag_up(&e->counting);

		for (unsigned i = 0; i < e->n; i += e->step)
			if (!pp_soft_write(e->d->iommu, e->iova[i] + i % 7 * 256, poison,
					   sizeof poison) &&
			    counting)
				count_up(&e->successes);
		count_up(&e->rounds);
	}
	return NULL;
}

/* The engine has gone over all addresses at least once more. Asleep: a device may take its time. */
static void await_rounds(const struct engine *e)
{
	const struct timespec tick = { .tv_nsec = 100000 };
	unsigned from = __atomic_load_n(&e->rounds, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&e->rounds, __ATOMIC_ACQUIRE) < from + 2)
		nanosleep(&tick, NULL);
}

/* ---- the stages of decay ----------------------------------------------------------------- */

struct scene {
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch quiet;  /* never told to the device; hold a pattern from before */
	struct bunch target; /* told to it: it writes there while it may */
	struct engine engine;
	pp_iova_t *iova;
	pthread_t thread;
};

static void set_up(struct scene *s, bool deferred, uint32_t page_size)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(64 * KIB);

	memset(s, 0, sizeof *s);
	soft.deferred = deferred;
	p.page_size = page_size;
	soft_device_init(&s->d, &soft);
	s->pool = new_pool(soft_device_bind(&s->d), &p);
	/* neighbours, so that what is done to the one shows in the other */
	s->quiet = take(s->pool, 600);
	s->target = (struct bunch){ calloc(300, sizeof *s->quiet.page), 300 };
	for (unsigned i = 0; i < 300; i++) {
		s->target.page[i] = s->quiet.page[2 * i + 1];
		s->quiet.page[i] = s->quiet.page[2 * i];
	}
	s->quiet.n = 300;
	fill_all(&s->quiet, QUIET_GENERATION);
	s->iova = calloc(s->target.n, sizeof *s->iova);
	for (unsigned i = 0; i < s->target.n; i++)
		s->iova[i] = pp_page_iova(s->target.page[i]);
	s->engine = (struct engine){ .d = &s->d,
				     .iova = s->iova,
				     .n = s->target.n,
				     .step = device_step() < 32 ? device_step() : 32 };
	check_eq(device_can_write(&s->d, &s->target), s->target.n, "the device reaches its pages");
	s->thread = start(hammers, &s->engine);
	await_rounds(&s->engine);
}

/* Nothing translates any more: from here on not one byte may change. */
static void all_faults_from_here(struct scene *s, const char *when)
{
	uint64_t faults;

	fill_all(&s->target, TARGET_GENERATION);
	await_rounds(&s->engine);
	faults = soft_device_domain(&s->d).faults;
	raise_flag(&s->engine.counting);
	await_rounds(&s->engine);
	check_eq(__atomic_load_n(&s->engine.successes, __ATOMIC_ACQUIRE), 0,
		 "%s: every access of the engine is refused", when);
	check(soft_device_domain(&s->d).faults >= faults + s->target.n / s->engine.step,
	      "%s: and logged", when);
}

static void contents_stand(struct scene *s, const char *when)
{
	check(all_filled(&s->quiet, QUIET_GENERATION), "%s: what was there before is there", when);
	check(all_filled(&s->target, TARGET_GENERATION), "%s: what was written since is there",
	      when);
}

static void stop_engine(struct scene *s)
{
	raise_flag(&s->engine.stop);
	join(s->thread);
}

static void holders_finish(struct scene *s)
{
	contents_stand(s, "device and handle gone");
	fill_all(&s->quiet, LATER_GENERATION);
	check(all_filled(&s->quiet, LATER_GENERATION), "and the pages can be written still");
	check_eq(totals().zombie_pages, s->quiet.n + s->target.n, "all of them are zombies");
	/* one goes: the others stay what they are */
	for (unsigned i = 0; i < s->target.n; i++)
		pp_page_put(s->target.page[i]);
	check(all_filled(&s->quiet, LATER_GENERATION), "while others are put");
	for (unsigned i = s->quiet.n; i-- > 1;) {
		pp_page_put(s->quiet.page[i]);
		if (i % 50 == 0)
			check(filled(s->quiet.page[0], LATER_GENERATION), "to the last");
	}
	pp_page_put(s->quiet.page[0]);
	free(s->target.page);
	free(s->quiet.page);
	free(s->iova);
	check_nothing_left("when all are put");
}

/* Unbind, then bind again, then the device goes, then the pool's handle. */
static void unbind_rebind_unregister_destroy(bool deferred)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *next;
	struct bunch fresh;
	struct scene s;

	set_up(&s, deferred, 4096);
	pp_device_unbind(s.d.dev);
	all_faults_from_here(&s, "unbind");
	contents_stand(&s, "unbind");
	/* the engine's addresses may be the new pool's now: that is between these two */
	next = new_pool(soft_device_bind(&s.d), &p);
	fresh = take(next, 1000);
	await_rounds(&s.engine);
	contents_stand(&s, "bound again, a new pool at work");
	put_all(&fresh);
	pp_pool_destroy(next);
	contents_stand(&s, "the new pool destroyed");
	stop_engine(&s);
	soft_device_exit(&s.d);
	contents_stand(&s, "device and driver unregistered");
	pp_pool_destroy(s.pool);
	holders_finish(&s);
}

static void surprise_destroy_unregister(bool deferred)
{
	struct scene s;

	set_up(&s, deferred, 4096);
	pp_device_remove(s.d.dev, PP_REMOVAL_SURPRISE);
	all_faults_from_here(&s, "surprise removal");
	contents_stand(&s, "surprise removal");
	pp_pool_destroy(s.pool);
	await_rounds(&s.engine);
	contents_stand(&s, "pool destroyed");
	stop_engine(&s);
	soft_device_exit(&s.d);
	holders_finish(&s);
}

static void destroy_under_a_living_binding(bool deferred)
{
	struct scene s;

	set_up(&s, deferred, 8192);
	pp_pool_destroy(s.pool);
	all_faults_from_here(&s, "pool destroyed, device bound");
	contents_stand(&s, "pool destroyed, device bound");
	domain_is_empty(&s.d, "the pool's domain");
	pp_device_unbind(s.d.dev);
	await_rounds(&s.engine);
	contents_stand(&s, "unbind after destroy");
	stop_engine(&s);
	soft_device_exit(&s.d);
	holders_finish(&s);
}

static void detached(bool deferred)
{
	struct scene s;

	set_up(&s, deferred, 2048);
	pp_pool_detach(s.pool, pp_device_binding(s.d.dev));
	all_faults_from_here(&s, "detached");
	contents_stand(&s, "detached");
	pp_device_remove(s.d.dev, PP_REMOVAL_ORDERLY);
	pp_pool_destroy(s.pool);
	stop_engine(&s);
	soft_device_exit(&s.d);
	holders_finish(&s);
}

static void strict_domain(void)
{
	unbind_rebind_unregister_destroy(false);
	surprise_destroy_unregister(false);
	destroy_under_a_living_binding(false);
	detached(false);
}

static void deferred_domain(void)
{
	unbind_rebind_unregister_destroy(true);
	surprise_destroy_unregister(true);
	destroy_under_a_living_binding(true);
	detached(true);
}

int main(void)
{
	run(strict_domain);
	run(deferred_domain);
	return tap_end();
}
