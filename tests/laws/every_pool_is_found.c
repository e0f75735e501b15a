/*
 * every_pool_is_found.c - enumerating pools and devices: every one is found, zombies included, with
 * the right information; and nothing is touched that goes away meanwhile.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#define MANY 32u

struct seen {
	unsigned n;
	struct pp_pool_info pool[MANY];
	uint64_t device[MANY];
	char name[MANY][32];
};

static void see_pool(struct pp_pool *pool, void *ctx)
{
	struct seen *s = ctx;

	if (s->n < MANY)
		pp_pool_info(pool, &s->pool[s->n++], sizeof s->pool[0]);
}

static void see_device(struct pp_device *dev, void *ctx)
{
	struct seen *s = ctx;

	if (s->n == MANY)
		return;
	s->device[s->n] = pp_device_id(dev);
	strcpy(s->name[s->n++], pp_device_name(dev));
}

static struct seen pools(void)
{
	struct seen s = { 0 };

	pp_pool_each(see_pool, &s);
	return s;
}

static struct seen devices(void)
{
	struct seen s = { 0 };

	pp_device_each(see_device, &s);
	return s;
}

static void pools_say_what_they_are(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d;
	struct pp_pool *pool, *other;
	pp_binding_t binding;
	struct pp_page *page;
	struct seen s;

	soft_device_init(&d, NULL);
	binding = soft_device_bind(&d);
	p.name = "rx";
	p.page_size = 8192;
	p.dir = PP_DMA_FROM_DEVICE;
	pool = new_pool(binding, &p);
	other = new_pool(pp_binding_none(), NULL);
	s = pools();
	check_eq(s.n, 2, "both pools are found");
	check(!strcmp(s.pool[0].name, "rx") && s.pool[0].page_size == 8192 &&
		      s.pool[0].chunk_size == 64 * KIB && s.pool[0].dir == PP_DMA_FROM_DEVICE,
	      "the first says what it is");
	check(s.pool[0].n_bindings == 1 && s.pool[0].binding[0].id == binding.id,
	      "and where it is attached");
	check(strstr(s.pool[0].label, pp_device_name(d.dev)) != NULL, "its label names the device");
	check(!s.pool[0].revoked_ago_ns && !s.pool[0].destroyed, "it is alive");
	check(s.pool[1].id > s.pool[0].id && !s.pool[1].n_bindings, "the second is another one");
	check_eq(pp_page_get(&page, pool), 0, "a page is got");
	pp_device_unbind(d.dev);
	pp_pool_destroy(pool);
	s = pools();
	check_eq(s.n, 2, "a zombie is found");
	check(s.pool[0].revoked_ago_ns && s.pool[0].destroyed && !s.pool[0].n_bindings,
	      "it says that it is one");
	pp_page_put(page);
	pp_pool_destroy(other);
	check_eq(pools().n, 0, "and nothing when they have gone");
	soft_device_exit(&d);
}

static void devices_are_found_in_order(void)
{
	struct soft_device a, b;
	struct seen s;

	soft_device_init(&a, NULL);
	soft_device_init(&b, NULL);
	s = devices();
	check_eq(s.n, 2, "both devices are found");
	check(s.device[0] == pp_device_id(a.dev) && s.device[1] == pp_device_id(b.dev) &&
		      s.device[1] > s.device[0],
	      "in the order of registration");
	check(!strcmp(s.name[0], pp_device_name(a.dev)), "with their names");
	soft_device_exit(&a);
	s = devices();
	check(s.n == 1 && s.device[0] == pp_device_id(b.dev),
	      "one that is unregistered isn't found");
	soft_device_exit(&b);
	check_eq(devices().n, 0, "nor anything at the end");
}

/* Unregistered, and its slot used again, while somebody looks at it. */
static void unregister_meanwhile(struct pp_device *dev, void *ctx)
{
	struct soft_device *d = ctx, next;
	struct pp_device_stats s;
	struct pp_domain_stats domain;

	if (dev != d->dev)
		return;
	soft_device_exit(d);
	soft_device_init(&next, NULL);
	soft_device_bind(&next);
	pp_device_stats(dev, &s, sizeof s);
	check_eq(s.bindings, 0, "its statistics are 0, not another device's");
	pp_domain_stats(dev, &domain, sizeof domain);
	check_eq(domain.maps, 0, "and those of its domain");
	check(pp_device_name(dev) != NULL, "it still has its name");
	soft_device_exit(&next);
}

static void a_device_may_go_meanwhile(void)
{
	struct soft_device d;

	soft_device_init(&d, NULL);
	soft_device_bind(&d);
	pp_device_each(unregister_meanwhile, &d);
	check_eq(devices().n, 0, "the list is empty then");
}

/* ---- many threads ------------------------------------------------------------------------ */

static int stop; /* relaxed */

static void look_device(struct pp_device *dev, void *ctx)
{
	struct pp_device_stats s;
	struct pp_domain_stats d;

	pp_device_stats(dev, &s, sizeof s);
	pp_domain_stats(dev, &d, sizeof d);
	*(uint64_t *)ctx += 1 + pp_device_state(dev) + s.pools + d.mappings;
}

static void look_pool(struct pp_pool *pool, void *ctx)
{
	struct pp_pool_info i;
	struct pp_pool_stats s;

	pp_pool_info(pool, &i, sizeof i);
	pp_pool_stats(pool, &s, sizeof s);
	*(uint64_t *)ctx += 1 + s.in_flight;
}

static void *look(void *ctx)
{
	do {
		pp_device_each(look_device, ctx);
		pp_pool_each(look_pool, ctx);
	} while (!__atomic_load_n(&stop, __ATOMIC_RELAXED));
	return NULL;
}

static void *come_and_go(void *ctx)
{
	struct pp_pool_params p = small_chunks(16 * KIB);

	(void)ctx;
	for (unsigned i = 0; i < laps(200); i++) {
		struct soft_device d;
		struct pp_pool *pool;
		struct pp_page *page;

		soft_device_init(&d, NULL);
		if (pp_pool_create(&pool, soft_device_bind(&d), &p) || pp_page_get(&page, pool))
			abort();
		pp_pool_destroy(pool);
		soft_device_exit(&d);
		pp_page_put(page);
	}
	return NULL;
}

/* While one device is looked at it is unregistered, and the next to come is bound. */
static struct soft_device going, coming;

static void *replace(void *arg)
{
	(void)arg;
	soft_device_exit(&going);
	soft_device_init(&coming, NULL);
	soft_device_bind(&coming);
	return NULL;
}

static void looks_at_it(struct pp_device *dev, void *ctx)
{
	pp_binding_t *seen = ctx;

	if (dev != going.dev)
		return;
	join(start(replace, NULL));
	*seen = pp_device_binding(dev);
	check_eq(pp_device_state(dev), PP_DEVICE_GONE, "it has gone");
}

static void a_device_that_has_gone_has_no_binding(void)
{
	pp_binding_t seen = { 1 };

	soft_device_init(&going, NULL);
	soft_device_bind(&going);
	pp_device_each(looks_at_it, &seen);
	check(!seen.id, "it has no binding, and not that of another");
	check(pp_device_binding(coming.dev).id, "which there is");
	soft_device_exit(&coming);
}

static void looking_disturbs_nobody(void)
{
	pthread_t looker[2], mover[2];
	uint64_t n[2] = { 0 };
	struct soft_device stays; /* so that there is something to see */

	soft_device_init(&stays, NULL);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&looker[i], NULL, look, &n[i]);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&mover[i], NULL, come_and_go, NULL);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(mover[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(looker[i], NULL);
	soft_device_exit(&stays);
	check(n[0] && n[1], "both lookers have seen something");
	check(!pools().n && !devices().n, "nothing is left");
}

int main(void)
{
	run(pools_say_what_they_are);
	run(devices_are_found_in_order);
	run(a_device_may_go_meanwhile);
	run(a_device_that_has_gone_has_no_binding);
	run(looking_disturbs_nobody);
	return tap_end();
}
