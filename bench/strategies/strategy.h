/*
 * strategy.h - what the strategies share, so that they differ only in how they keep account
 * of what is mapped: a software IOMMU, IOVAs, memory, a stack of free pages; and the scenario
 * that each is put through.
 *
 *   1. get N pages, none is put: the growth
 *   2. get and put, over and over: what the owner pays
 *   3. count what there is: mappings, IOVA, page tables, records
 *   4. unbind the driver, N pages in flight
 *   5. the holders put their pages, late; count what is left
 *
 * Used as strategy-NAME N [HELD]: after growing to N pages, all but HELD are put again before
 * step 3. Prints one line of JSON. Memory is never touched, so N may be large.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef STRATEGY_H
#define STRATEGY_H

#include <pagepool/pagepool.h>
#include <sys/mman.h>

#include "../bench.h"

#define PAGE 4096ul

struct counts {
	uint64_t mappings, iova_bytes, page_table_bytes;
	uint64_t record_bytes; /* kept to know what is mapped, beyond the descriptors */
};

/* What a strategy defines; page is its own descriptor. */
struct page;
static void strategy_open(uint64_t n);     /* n: the pages there may be */
static struct page *page_get(void);        /* mapped for the device */
static void page_handed_on(struct page *); /* the device has filled it: it travels now */
static void page_put(struct page *);
static void strategy_unbind(void);
static struct counts strategy_counts(void);
static uint64_t strategy_late_calls(void);

/* When nothing was mapped any more, nor cached; where that isn't told, the end of the unbind. */
static double out_of_reach;

#define CALLED __attribute__((noinline, noclone)) /* as from another file */

#ifndef STRATEGY_OWN_DMA
/* ---- the device's address space: one IOMMU mapping a page, IOVAs used again -------------- */

static struct {
	struct pp_iommu *iommu;
	bool bound;
	pp_iova_t next;
	pp_iova_t *free;
	uint64_t n_free, mappings, late_calls;
} dma;

static void dma_open(uint64_t n)
{
	if (pp_soft_create(&dma.iommu, NULL))
		fail("pp_soft_create");
	dma.next = 1ull << 32;
	dma.free = malloc(n * sizeof *dma.free);
	dma.bound = true;
}

static pp_iova_t dma_map(char *addr)
{
	pp_iova_t iova;

	if (dma.n_free) {
		iova = dma.free[--dma.n_free];
	} else {
		iova = dma.next;
		dma.next += PAGE;
	}
	if (dma.iommu->ops->map(dma.iommu, iova, addr, PAGE, PAGE, PP_PROT_READ | PP_PROT_WRITE))
		fail("map");
	dma.mappings++;
	return iova;
}

static void dma_flush(void)
{
	dma.iommu->ops->invalidate(dma.iommu, 0, SIZE_MAX);
}

/*
 * Without `now` the caller flushes before anyone may use memory or IOVA again. False: the
 * device has no driver any more. Linux did not check: it crashed, or unmapped for somebody
 * else. Here it is refused, and the mapping stays.
 */
static bool dma_unmap(pp_iova_t iova, bool now)
{
	if (!dma.bound) {
		dma.late_calls++;
		return false;
	}
	if (dma.iommu->ops->unmap(dma.iommu, iova, PAGE) != PAGE)
		fail("unmap");
	if (now)
		dma.iommu->ops->invalidate(dma.iommu, iova, PAGE);
	dma.free[dma.n_free++] = iova;
	dma.mappings--;
	return true;
}

static struct counts dma_counts(uint64_t record_bytes)
{
	struct pp_domain_stats s;

	memset(&s, 0, sizeof s);
	dma.iommu->ops->stats(dma.iommu, &s);
	return (struct counts){ dma.mappings, dma.mappings * PAGE, s.page_table_bytes,
				record_bytes };
}

static uint64_t strategy_late_calls(void)
{
	return dma.late_calls;
}

/* ---- memory: a region, given out from its start --------------------------------------------- */

static char *memory, *memory_next;

static void memory_open(uint64_t n)
{
	memory = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	memory_next = memory;
}

static char *memory_page(void)
{
	char *p = memory_next;

	memory_next += PAGE;
	return p;
}

/* An array that counts only as far as it is used. */
static void *array_of(uint64_t n, size_t size)
{
	void *p = mmap(NULL, n * size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}
#endif

/* ---- the scenario ------------------------------------------------------------------------ */

static struct page **held;

static double grow(uint64_t n)
{
	double begun = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		held[i] = page_get();
		page_handed_on(held[i]);
	}
	return (now_ns() - begun) / (double)n;
}

/* Put all but `stay` of them, which lie far apart. */
static void put_most(uint64_t n, uint64_t stay)
{
	uint64_t every = n / stay, k = 0;

	for (uint64_t i = 0; i < n; i++)
		if (i % every || k == stay)
			page_put(held[i]);
		else
			held[k++] = held[i];
}

static double get_and_put(void)
{
	double best = 0;

	for (int round = 0; round < 7; round++) {
		const unsigned n = 20000;
		double begun = now_ns(), took;

		for (unsigned i = 0; i < n; i++) {
			struct page *page = page_get();

			page_handed_on(page);
			page_put(page);
		}
		took = (now_ns() - begun) / n;
		if (!round || took < best)
			best = took;
	}
	return best;
}

#ifndef STRATEGY_OWN_LATE
static void put_late(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		page_put(held[i]);
}
static void before_unbind(uint64_t n)
{
	(void)n;
}
#else
static void put_late(uint64_t n);
static void before_unbind(uint64_t n);
#endif

static void print_counts(const char *at, struct counts c)
{
	printf(", \"mappings%s\": %lu, \"iova_bytes%s\": %lu, \"page_table_bytes%s\": %lu", at,
	       c.mappings, at, c.iova_bytes, at, c.page_table_bytes);
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
	uint64_t stay = argc > 2 ? strtoull(argv[2], NULL, 10) : n;
	double growth, each, begun, unbind;
	struct counts c;
	long disturbed;

	if (!n || !stay || stay > n)
		fail("arguments: pages, and of these how many stay");
	processor(0);
	pin_to(0);
	held = malloc(n * sizeof *held);
	memset(held, 0, n * sizeof *held); /* its own faults are not to be counted */
	strategy_open(n + 4096);
	growth = grow(n);
	put_most(n, stay);
	each = get_and_put();
	c = strategy_counts();
	before_unbind(stay);
	disturbed = preemptions();
	out_of_reach = 0;
	begun = now_ns();
	strategy_unbind();
	unbind = now_ns() - begun;
	out_of_reach = out_of_reach ? out_of_reach - begun : unbind;
	disturbed = preemptions() - disturbed;
	printf("{\"pages\": %lu, \"in_flight\": %lu, \"growth_ns\": %.2f, \"get_put_ns\": %.2f, "
	       "\"unmap_ns\": %.0f, \"unbind_ns\": %.0f, \"record_bytes\": %lu",
	       n, stay, growth, each, out_of_reach, unbind, c.record_bytes);
	print_counts("", c);
	put_late(stay);
	print_counts("_left", strategy_counts());
	printf(", \"late_calls_refused\": %lu, \"disturbed\": %ld}\n", strategy_late_calls(),
	       disturbed);
	return 0;
}
#endif
