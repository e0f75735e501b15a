/*
 * crash.c - a process with pools in known states, that stops for a debugger: its tests look at
 * it, and at a core of it, with scripts/gdb/pagepool.py.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static struct pp_pool *pool;
struct pp_page *held[8]; /* what the test asks about by name, */
char *inside;            /* and an address in the first one */

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct pp_pool_params params = pp_pool_defaults();

	(void)dev, (void)ctx;
	params.name = "zombie";
	params.memory = PP_MEMORY_BASE;
	return pp_pool_create(&pool, binding, &params);
}

static void unprobe(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)dev, (void)binding, (void)why, (void)ctx;
	pp_pool_destroy(pool);
}

/* Two pages of a pool whose device was unbound. */
static int zombie(void)
{
	static struct pp_driver drv = { "nic", NULL, probe, unprobe, NULL };
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev;

	params.name = "nic0";
	if (pp_soft_create(&params.iommu, NULL) || pp_device_register(&dev, &params) ||
	    pp_driver_register(&drv) || pp_device_bind(dev, &drv) || pp_page_get(&held[0], pool) ||
	    pp_page_get(&held[1], pool))
		return -1;
	inside = (char *)pp_page_addr(held[0]) + 5;
	return pp_device_unbind(dev);
}

static void *put(void *page)
{
	pp_page_put(page);
	return NULL;
}

/* A living pool: two pages held, one of them by three; one put by another thread. */
static int alive(void)
{
	struct pp_pool_params params = pp_pool_defaults();
	pthread_t thread;

	params.name = "alive";
	params.memory = PP_MEMORY_BASE;
	if (pp_pool_create(&pool, pp_binding_none(), &params))
		return -1;
	for (int i = 2; i < 6; i++)
		if (pp_page_get(&held[i], pool))
			return -1;
	pp_page_ref(held[2], 2);
	pp_page_put(held[4]);
	return pthread_create(&thread, NULL, put, held[5]) || pthread_join(thread, NULL);
}

/* A pool whose holders are noted. */
static int watched(void)
{
	struct pp_pool_params params = pp_pool_defaults();

	params.name = "watched";
	params.memory = PP_MEMORY_BASE;
	pp_debug_set(PP_DEBUG_PAGES);
	if (pp_pool_create(&pool, pp_binding_none(), &params) || pp_page_get(&held[6], pool) ||
	    pp_page_get(&held[7], pool))
		return -1;
	pp_page_tag(held[7], "reassembly");
	return 0;
}

int main(void)
{
	if (zombie() || alive() || watched())
		return 1;
	raise(SIGTRAP);
	return 0;
}
