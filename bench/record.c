/*
 * record.c - what the library keeps: bytes of its own for a pool of a million pages, for a
 * device and for none, whose difference is what is kept in order to know what is mapped; the same
 * as malloc(3) sees it, with what that adds; of a pool of one chunk; and how far apart two pages'
 * state words lie. JSON.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <malloc.h>

#include "device.h"

#define PAGES 1000000u

static int by_place(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

/* The stride of the state words: the least distance of two. */
static uintptr_t stride(void **page, unsigned n)
{
	uintptr_t least = UINTPTR_MAX;

	qsort(page, n, sizeof *page, by_place);
	for (unsigned i = 1; i < n; i++)
		if ((uintptr_t)page[i] - (uintptr_t)page[i - 1] < least)
			least = (uintptr_t)page[i] - (uintptr_t)page[i - 1];
	return least;
}

/* What malloc(3) has given out, its own heads included. */
static double allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return (double)(m.uordblks + m.hblkhd);
}

/* A pool of which so many pages are out, and what malloc(3) gave for it. */
static struct pp_pool_stats pool_of(pp_binding_t binding, unsigned n, uintptr_t *bytes,
				    double *taken)
{
	void **page = malloc(PAGES * sizeof *page);
	struct pp_pool_stats s;
	struct pp_pool *pool;
	double before = allocated();

	if (pp_pool_create(&pool, binding, NULL))
		fail("pp_pool_create");
	for (unsigned i = 0; i < n; i++)
		if (pp_page_get((struct pp_page **)&page[i], pool))
			fail("pp_page_get");
	*taken = allocated() - before;
	pp_pool_stats(pool, &s, sizeof s);
	*bytes = stride(page, n);
	for (unsigned i = 0; i < n; i++)
		pp_page_put(page[i]);
	free(page);
	pp_pool_destroy(pool);
	return s;
}

int main(void)
{
	struct pp_device *dev = device_open(NULL);
	struct pp_pool_stats mapped, unmapped, small;
	uintptr_t bytes;
	double taken, none;

	small = pool_of(pp_device_binding(dev), 1, &bytes, &none);
	mapped = pool_of(pp_device_binding(dev), PAGES, &bytes, &taken);
	unmapped = pool_of(pp_binding_none(), PAGES, &bytes, &none);
	printf("{\"state word\": %lu, \"record a page\": %.6f, \"all a page\": %.3f, "
	       "\"allocated a page\": %.3f, \"pool of one chunk\": %lu}\n",
	       bytes,
	       ((double)mapped.record_bytes - (double)unmapped.record_bytes) / (double)mapped.pages,
	       (double)mapped.record_bytes / (double)mapped.pages, taken / (double)mapped.pages,
	       small.record_bytes);
	pp_device_unregister(dev);
	return 0;
}
