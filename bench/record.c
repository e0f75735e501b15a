/*
 * record.c - what the library keeps: bytes of its own for a pool of a million pages, for a
 * device and for none, whose difference is what is kept in order to know what is mapped; and
 * how far apart two descriptors lie. JSON.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "device.h"

#define PAGES 1000000u

static int by_place(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

/* The stride of the descriptors: the least distance of two. */
static uintptr_t descriptor(void **page)
{
	uintptr_t least = UINTPTR_MAX;

	qsort(page, PAGES, sizeof *page, by_place);
	for (unsigned i = 1; i < PAGES; i++)
		if ((uintptr_t)page[i] - (uintptr_t)page[i - 1] < least)
			least = (uintptr_t)page[i] - (uintptr_t)page[i - 1];
	return least;
}

static struct pp_pool_stats full_pool(pp_binding_t binding, uintptr_t *bytes)
{
	void **page = malloc(PAGES * sizeof *page);
	struct pp_pool_stats s;
	struct pp_pool *pool;

	if (pp_pool_create(&pool, binding, NULL))
		fail("pp_pool_create");
	for (unsigned i = 0; i < PAGES; i++)
		if (pp_page_get((struct pp_page **)&page[i], pool))
			fail("pp_page_get");
	pp_pool_stats(pool, &s, sizeof s);
	*bytes = descriptor(page);
	for (unsigned i = 0; i < PAGES; i++)
		pp_page_put(page[i]);
	free(page);
	pp_pool_destroy(pool);
	return s;
}

int main(void)
{
	struct pp_device *dev = device_open();
	struct pp_pool_stats mapped, unmapped;
	uintptr_t bytes;

	mapped = full_pool(pp_device_binding(dev), &bytes);
	unmapped = full_pool(pp_binding_none(), &bytes);
	printf("{\"descriptor\": %lu, \"record a page\": %.6f, \"all a page\": %.3f}\n", bytes,
	       ((double)mapped.record_bytes - (double)unmapped.record_bytes) / (double)mapped.pages,
	       (double)mapped.record_bytes / (double)mapped.pages);
	pp_device_unregister(dev);
	return 0;
}
