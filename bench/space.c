/*
 * space.c - what a call costs beside what others have, and one that fails of one that succeeds:
 * told on its standard input what to run, as the peers are (patterns.h).
 *
 *	open [beside=N] [gib=N]   N other mappings; N GiB of a pool of another device
 *	map        map and unmap 4 KiB
 *	register   a device that can't use a part of the IOVA space where the others are
 *	get        one that grows by a chunk; with lack=iova, lack=memory one that fails; only=memory:
 *	           no pool, but as much memory as a chunk's, mapped and populated
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "device.h"

static struct pp_device *dev;
static char memory[4096] __attribute__((aligned(4096)));

static double map(uint64_t n)
{
	pp_binding_t b = pp_device_binding(dev);
	double begun = now_ns();
	pp_iova_t iova;

	for (uint64_t i = 0; i < n; i++)
		if (pp_dma_map(b, memory, sizeof memory, PP_DMA_BIDIRECTIONAL, &iova) ||
		    pp_dma_unmap(b, iova, sizeof memory, PP_DMA_BIDIRECTIONAL))
			fail("pp_dma_map, pp_dma_unmap");
	return now_ns() - begun;
}

/*
 * It can use all but 64 GiB from 2^47 on, where the pool's are: the highest octave is taken first.
 */
static double register_one(uint64_t n)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_device *other;
	double took = 0, begun;

	params.name = "soft1";
	for (uint64_t i = 0; i < n; i++) {
		if (pp_soft_create(&params.iommu, NULL))
			fail("pp_soft_create");
		params.iommu->ranges[0].last = (1ull << 47) - 1;
		params.iommu->ranges[1] =
			(struct pp_iova_range){ (1ull << 47) + (1ull << 36), (1ull << 48) - 1 };
		params.iommu->n_ranges = 2;
		begun = now_ns();
		if (pp_device_register(&other, &params))
			fail("pp_device_register");
		took += now_ns() - begun;
		pp_device_unregister(other);
	}
	return took;
}

/* ---- gets ----------------------------------------------------------------------------------- */

static struct pp_pool *pool;

static struct pp_pool *new_pool(pp_binding_t binding)
{
	struct pp_pool *p;

	if (pp_pool_create(&p, binding, NULL))
		fail("pp_pool_create");
	return p;
}

/* Each is a new pool's first one: that adds one chunk. */
static double get_that_grows(uint64_t n)
{
	double took = 0, begun;
	struct pp_page *page;

	for (uint64_t i = 0; i < n; i++) {
		struct pp_pool *p = new_pool(pp_device_binding(dev));

		begun = now_ns();
		if (pp_page_get(&page, p))
			fail("pp_page_get");
		took += now_ns() - begun;
		pp_page_put(page);
		pp_pool_destroy(p);
	}
	return took;
}

static double get_that_fails(uint64_t n)
{
	double begun = now_ns();
	struct pp_page *page;

	for (uint64_t i = 0; i < n; i++)
		if (!pp_page_get(&page, pool))
			fail("the failure of pp_page_get");
	return now_ns() - begun;
}

/* As a pool has it by default: aligned for huge pages, and advised. */
static double memory_alone(uint64_t n)
{
	const size_t len = 2ul << 20;
	double took = 0, begun;

	for (uint64_t i = 0; i < n; i++) {
		char *p, *at;

		begun = now_ns();
		p = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			fail("mmap");
		at = (char *)(((uintptr_t)p + len - 1) & ~(len - 1));
		if (madvise(at, len, MADV_HUGEPAGE))
			fail("madvise");
		for (size_t k = 0; k < len; k += 4096)
			at[k] = 1;
		took += now_ns() - begun;
		munmap(p, 2 * len);
	}
	return took;
}

static void use_up(int want)
{
	struct pp_page *page;
	int ret;

	do
		ret = pp_page_get(&page, pool);
	while (!ret);
	if (ret != want)
		fail("using all up");
}

/* A device of 16 MiB of IOVA, all of them in use. */
static void lack_iova(void)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_device *narrow;

	params.name = "soft2";
	if (pp_soft_create(&params.iommu, NULL))
		fail("pp_soft_create");
	params.iommu->ranges[0] = (struct pp_iova_range){ 16ul << 20, (32ul << 20) - 1 };
	if (pp_device_register(&narrow, &params) || pp_device_bind(narrow, &driver))
		fail("the narrow device");
	pool = new_pool(pp_device_binding(narrow));
	use_up(-ENOSPC);
}

/* No more addresses for the process than it has, and some for stdio. */
static void lack_memory(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	pool = new_pool(pp_device_binding(dev));
	if (!f || fscanf(f, "%lu", &pages) != 1)
		fail("/proc/self/statm");
	fclose(f);
	limit.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE) + (64ul << 20);
	if (setrlimit(RLIMIT_AS, &limit))
		fail("setrlimit");
	use_up(-ENOMEM);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void open_it(const struct command *c)
{
	struct pp_pool_params params = pp_pool_defaults();
	uint64_t beside = command_number(c, "beside", 0), gib = command_number(c, "gib", 0);
	pp_iova_t iova;
	struct pp_page *page;

	for (uint64_t i = 0; i < beside; i++)
		if (pp_dma_map(pp_device_binding(dev), memory, sizeof memory, PP_DMA_BIDIRECTIONAL,
			       &iova))
			fail("pp_dma_map");
	params.page_size = params.chunk_size = 256u << 20;
	params.memory = PP_MEMORY_BASE; /* not touched */
	if (gib && pp_pool_create(&pool, pp_device_binding(dev), &params))
		fail("pp_pool_create");
	for (uint64_t i = 0; i < 4 * gib; i++)
		if (pp_page_get(&page, pool))
			fail("pp_page_get");
	if (strstr(c->line, " lack=iova"))
		lack_iova();
	if (strstr(c->line, " lack=memory"))
		lack_memory();
}

/* ns for n of what the line says. */
static double once(const struct command *c, uint64_t n)
{
	if (command_is(c, "map"))
		return map(n);
	if (command_is(c, "register"))
		return register_one(n);
	if (command_is(c, "get") && strstr(c->line, " only=memory"))
		return memory_alone(n);
	if (command_is(c, "get"))
		return strstr(c->line, " lack=") ? get_that_fails(n) : get_that_grows(n);
	fail(c->line);
	return 0;
}

static void run(const struct command *c)
{
	struct command what = *c;
	uint64_t n = command_number(c, "n", 1);
	long before = preemptions();
	double took;

	if (command_is(c, "calibrate")) {
		what.name = what.line + strlen("calibrate ");
		do
			took = once(&what, n *= 2);
		while (took < (double)command_number(c, "ms", 20) * 1e6);
		printf("%llu\n", (unsigned long long)n);
	} else {
		took = once(c, n);
		printf("%.4f %ld\n", took / (double)n, preemptions() - before);
	}
}

int main(void)
{
	struct command c;

	pin_to(0);
	dev = device_open(NULL);
	while (command_read(&c)) {
		if (command_is(&c, "open"))
			open_it(&c);
		if (command_is(&c, "open") || command_is(&c, "close"))
			printf("0\n"); /* what is open goes with the process */
		else
			run(&c);
		fflush(stdout);
	}
	return 0;
}
