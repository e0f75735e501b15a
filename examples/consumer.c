/*
 * consumer.c - a consumer that outlives its device: it keeps pages in a queue while the
 * device is pulled out, gives back early what it can when it is asked to, and reads the
 * rest in peace.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PAGES 100
#define CACHED 40 /* the consumer could do without these */

struct consumer {
	struct pp_recall recall; /* first */
	pthread_mutex_t lock;
	struct pp_page *cached[CACHED]; /* read already, kept for the case that ... */
	unsigned n_cached;
	struct pp_page *queue[PAGES - CACHED];
	unsigned errors;
};

/* The pool is revoked: its pages cost memory that nobody else gets. */
static void give_back(struct pp_recall *recall, const char *pool)
{
	struct consumer *c = (struct consumer *)recall;

	pthread_mutex_lock(&c->lock);
	printf("pool %s asks for its pages: %u go back at once\n", pool, c->n_cached);
	pp_page_put_batch(c->cached, c->n_cached);
	c->n_cached = 0;
	pthread_mutex_unlock(&c->lock);
}

/* Another thread, long after: the device and its driver are no more. */
static void *read_on(void *arg)
{
	struct consumer *c = arg;

	for (unsigned i = 0; i < PAGES - CACHED; i++) {
		unsigned number;

		memcpy(&number, pp_page_addr(c->queue[i]), sizeof number);
		c->errors += number != CACHED + i;
		pp_page_put(c->queue[i]); /* the last one takes the pool along */
	}
	return NULL;
}

static struct pp_pool *pool;

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct pp_pool_params params = pp_pool_defaults();

	(void)dev;
	(void)ctx;
	params.name = "rx";
	return pp_pool_create(&pool, binding, &params);
}

static void gone(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)dev;
	(void)binding;
	(void)why;
	(void)ctx;
	pp_pool_destroy(pool); /* waits for nobody */
}

/* As a device and a driver would: pages with something in them. */
static int receive(struct pp_iommu *iommu, struct consumer *c)
{
	for (unsigned i = 0; i < PAGES; i++) {
		struct pp_page *page;

		if (pp_page_get(&page, pool) || pp_soft_write(iommu, pp_page_iova(page), &i, sizeof i))
			return -1;
		if (i < CACHED)
			c->cached[c->n_cached++] = page;
		else
			c->queue[i - CACHED] = page;
	}
	return 0;
}

int main(void)
{
	struct pp_driver drv = { "example", NULL, probe, gone, NULL };
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct consumer c = { .recall = { .recall = give_back }, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct pp_totals then, now;
	struct pp_iommu *iommu;
	struct pp_device *dev;
	pthread_t thread;

	if (pp_soft_create(&iommu, NULL))
		return 1;
	params.name = "nic0";
	params.iommu = iommu;
	if (pp_device_register(&dev, &params) || pp_driver_register(&drv) ||
	    pp_device_bind(dev, &drv) || pp_recall_register(pool, &c.recall) || receive(iommu, &c))
		return 1;
	pp_device_remove(dev, PP_REMOVAL_SURPRISE);
	pp_device_unregister(dev);
	pp_driver_unregister(&drv);
	pp_totals(&then, sizeof then);
	printf("device and driver are gone: %llu zombie with %llu pages\n",
	       (unsigned long long)then.zombies, (unsigned long long)then.zombie_pages);
	if (pthread_create(&thread, NULL, read_on, &c))
		return 1;
	pthread_join(thread, NULL);
	pp_recall_unregister(&c.recall);
	pp_totals(&now, sizeof now);
	printf("all read, %u wrong: %llu pools are left, with %llu bytes\n", c.errors,
	       (unsigned long long)now.pools, (unsigned long long)now.chunk_bytes);
	return c.errors || then.zombie_pages != PAGES - CACHED || c.n_cached || now.pools || now.chunk_bytes;
}
