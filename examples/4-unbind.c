/*
 * 4-unbind.c - the device goes while pages are in flight: nothing stays mapped, late DMA
 * faults, a cache gives its pages back when asked to, and a reader finishes in its own time.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>
#include <pthread.h>
#include <stdio.h>

#define PAGES 100u
#define CACHED 40u /* of these the consumer could do without */

struct consumer {
	struct pp_recall recall; /* first: see give_back */
	struct pp_page *page[PAGES];
	unsigned first, wrong; /* first: of those that it still has */
};
static struct pp_pool *pool;

/* The pool is revoked: until its pages come back, they cost memory that nobody else gets. */
static void give_back(struct pp_recall *recall, const char *name)
{
	struct consumer *c = (struct consumer *)recall;

	printf("pool %s asks for its pages: %u go back at once\n", name, CACHED);
	pp_page_put_batch(c->page, CACHED);
	c->first = CACHED;
}

static void *read_queue(void *arg)
{
	struct consumer *c = arg;

	for (unsigned i = c->first; i < PAGES; i++) {
		c->wrong += *(unsigned *)pp_page_addr(c->page[i]) != i;
		pp_page_put(c->page[i]); /* the last one takes the pool along */
	}
	return NULL;
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct pp_pool_params params = pp_pool_defaults();

	(void)dev, (void)ctx;
	params.name = "rx";
	return pp_pool_create(&pool, binding, &params);
}

static void unprobe(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)dev, (void)binding, (void)why, (void)ctx;
	pp_pool_destroy(pool); /* waits for nobody */
}

/* What a device and its driver do: each page gets a number, by DMA. */
static int receive(struct pp_iommu *iommu, struct consumer *c)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (pp_page_get(&c->page[i], pool) ||
		    pp_soft_write(iommu, pp_page_iova(c->page[i]), &i, sizeof i))
			return -1;
	return 0;
}

int main(void)
{
	struct pp_driver drv = { "example", NULL, probe, unprobe, NULL };
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct consumer c = { .recall = { .recall = give_back } };
	struct pp_domain_stats domain;
	struct pp_totals before, after;
	struct pp_device *dev;
	pthread_t reader;
	int late;

	params.name = "nic0";
	if (pp_soft_create(&params.iommu, NULL) || pp_device_register(&dev, &params) ||
	    pp_driver_register(&drv) || pp_device_bind(dev, &drv) ||
	    pp_recall_register(pool, &c.recall) || receive(params.iommu, &c))
		return 1;
	pp_device_unbind(dev);
	pp_domain_stats(dev, &domain, sizeof domain);
	late = pp_soft_write(params.iommu, pp_page_iova(c.page[CACHED]), "too late", 8);
	pp_totals(&before, sizeof before);
	printf("unbound: %llu mappings left, %llu pages in flight, late DMA %s\n",
	       (unsigned long long)domain.mappings, (unsigned long long)before.zombie_pages,
	       late ? "faults" : "GOES THROUGH");
	pp_driver_unregister(&drv);
	pp_device_unregister(dev); /* neither driver nor device is left */
	if (pthread_create(&reader, NULL, read_queue, &c))
		return 1;
	pthread_join(reader, NULL);
	pp_recall_unregister(&c.recall);
	pp_totals(&after, sizeof after);
	printf("all read, %u wrong: %llu pools left\n", c.wrong, (unsigned long long)after.pools);
	return c.wrong || !late || before.zombie_pages != PAGES - CACHED || after.pools;
}
