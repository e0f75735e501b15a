/*
 * measure.c - what mapping costs on the kernel's IOMMU: page by page, as page_pool and a
 * naive VFIO program do it; chunk by chunk; and a pool's spans with their ranged unmap.
 * Then unbind, against the number of pages in flight. Judges the ratios; the figures are
 * for people.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "edu.h"
#include "tap.h"

#define MIB (1024ull * 1024)
#define CHUNK (2 * MIB)
#define AT (1ull << 34)

static struct edu edu;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What the kernel has in IOMMU page tables, KiB. */
static uint64_t table_kib(void)
{
	FILE *refresh = fopen("/proc/sys/vm/stat_refresh", "re"), *f = NULL;
	unsigned long long n = 0;
	char line[128];

	/* reading it gathers what the CPUs have counted (admin-guide/sysctl/vm.rst) */
	if (!refresh || fread(line, 1, sizeof line, refresh))
		abort();
	fclose(refresh);
	f = fopen("/proc/vmstat", "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "nr_iommu_pages %llu", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n * 4;
}

/* ---- map and unmap, in pieces ------------------------------------------------------------ */

struct cost {
	uint64_t map_ns, unmap_ns;
	uint64_t table_kib, left_kib; /* while mapped, and when all is unmapped again */
};

/* Touched. flags: mmap's more; advice: madvise's, or -1. NULL: there is no such memory. */
static char *memory(size_t len, int flags, int advice)
{
	size_t align = len < 1024 * MIB ? CHUNK : 1024 * MIB; /* as the IOMMU's leaves need it */
	char *p = mmap(NULL, len + (flags ? 0 : align), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (!flags) /* else it is */
		p += -(uintptr_t)p & (align - 1);
	if (advice >= 0)
		madvise(p, len, advice);
	memset(p, 1, len);
	return p;
}

static struct cost once(char *p, size_t len, size_t piece, size_t unmap_piece)
{
	struct pp_iommu *iommu = pp_vfio_iommu(edu.vfio);
	uint64_t before, t0, t1, t2, peak, after;

	iommu->ops->block(iommu, false); /* a fresh domain */
	before = table_kib();
	t0 = now_ns();
	for (size_t at = 0; at < len; at += piece)
		if (iommu->ops->map(iommu, AT + at, p + at, piece, piece < CHUNK ? 4096 : CHUNK,
				    PP_PROT_READ | PP_PROT_WRITE))
			abort();
	t1 = now_ns();
	peak = table_kib();
	for (size_t at = 0; at < len; at += unmap_piece)
		if (iommu->ops->unmap(iommu, AT + at, unmap_piece) != unmap_piece)
			abort();
	t2 = now_ns();
	after = table_kib();
	iommu->ops->block(iommu, true);
	return (struct cost){ t1 - t0, t2 - t1, peak - before, after - before };
}

/* The least of three: what the kernel does in the background comes into one of them. */
static struct cost in_pieces(char *p, size_t len, size_t piece, size_t unmap_piece)
{
	struct cost least = once(p, len, piece, unmap_piece);

	for (unsigned i = 1; i < 3; i++) {
		struct cost c = once(p, len, piece, unmap_piece);

		if (c.map_ns < least.map_ns)
			least.map_ns = c.map_ns;
		if (c.unmap_ns < least.unmap_ns)
			least.unmap_ns = c.unmap_ns;
	}
	return least;
}

static void print(const char *how, size_t len, struct cost c)
{
	double pages = (double)len / 4096;

	printf("# %5llu MiB  %-28s map %9.3f ms %9.1f ns/page  unmap %9.3f ms %9.1f ns/page  "
	       "tables %5llu KiB, then %5llu\n",
	       (unsigned long long)(len / MIB), how, (double)c.map_ns / 1e6,
	       (double)c.map_ns / pages, (double)c.unmap_ns / 1e6, (double)c.unmap_ns / pages,
	       (unsigned long long)c.table_kib, (unsigned long long)c.left_kib);
}

static void mapping(size_t len)
{
	char *p = memory(len, 0, MADV_NOHUGEPAGE);
	struct cost page = in_pieces(p, len, 4096, 4096), chunk, ours;

	print("page by page, 4 KiB memory", len, page);
	munmap(p, len);
	p = memory(len, 0, MADV_HUGEPAGE);
	chunk = in_pieces(p, len, CHUNK, CHUNK);
	print("chunk by chunk, 2 MiB", len, chunk);
	ours = in_pieces(p, len, CHUNK, len);
	print("the same, one ranged unmap", len, ours);
	munmap(p, len);
	check(ours.map_ns * 100 <= page.map_ns, "%zu MiB: mapping costs a hundredth",
	      len / (size_t)MIB);
	/* not a hundredth: to unpin, the kernel asks its page table for each 4 KiB */
	check(ours.unmap_ns * 30 <= page.unmap_ns, "%zu MiB: unmapping costs a thirtieth",
	      len / (size_t)MIB);
	check(ours.table_kib * 8 <= page.table_kib, "%zu MiB: the tables are an eighth",
	      len / (size_t)MIB);
	/* the kernel frees the topmost ones with the domain only */
	check(ours.left_kib <= 8, "%zu MiB: two tables are left at most", len / (size_t)MIB);
}

/* What an unmap's cost hangs on: the kind of memory, the size of a mapping, the leaf's level. */
static void kinds(void)
{
	static const struct {
		const char *name;
		size_t len, piece;
		int flags, advice;
	} kind[] = {
		{ "4 KiB memory, by chunks", 1024 * MIB, CHUNK, 0, MADV_NOHUGEPAGE },
		{ "transparent 2 MiB, spans", 1024 * MIB, 128 * MIB, 0, MADV_HUGEPAGE },
		{ "hugetlb 2 MiB, by chunks", 1024 * MIB, CHUNK, MAP_HUGETLB | 21 << 26, -1 },
		{ "hugetlb 2 MiB, spans", 1024 * MIB, 128 * MIB, MAP_HUGETLB | 21 << 26, -1 },
		{ "hugetlb 1 GiB, one mapping", 1024 * MIB, 1024 * MIB, MAP_HUGETLB | 30 << 26,
		  -1 },
	};

	for (unsigned i = 0; i < sizeof kind / sizeof kind[0]; i++) {
		char *p = memory(kind[i].len, kind[i].flags, kind[i].advice);

		if (!p) {
			printf("# %s: there is no such memory\n", kind[i].name);
			continue;
		}
		print(kind[i].name, kind[i].len,
		      in_pieces(p, kind[i].len, kind[i].piece, kind[i].len));
		munmap(p, kind[i].len);
	}
}

/* ---- unbind ------------------------------------------------------------------------------- */

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	(void)dev, (void)ctx;
	return pp_dma_set_mask(binding, 64);
}

static void on_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
		      void *ctx)
{
	(void)dev, (void)binding, (void)why, (void)ctx;
}

static struct pp_page *page[200000];
static uint64_t tables_left; /* KiB after unbinds */

struct unbound {
	uint64_t ns, chunks;
};

/* Unbind a pool that has `most` pages' chunks and n of the pages in flight. */
static struct unbound unbind(struct pp_device *dev, struct pp_driver *drv, unsigned n,
			     unsigned most, bool print_it)
{
	struct pp_pool_params params = pp_pool_defaults();
	struct pp_device_stats device;
	struct pp_pool_stats stats;
	struct pp_domain_stats domain;
	struct pp_pool *pool;
	uint64_t tables = table_kib(), mapped;

	params.name = "measured";
	params.idle_chunks = 1000;
	if (pp_device_bind(dev, drv) || pp_pool_create(&pool, pp_device_binding(dev), &params))
		abort();
	for (unsigned i = 0; i < most; i++)
		if (pp_page_get(&page[i], pool))
			abort();
	for (unsigned i = n; i < most; i++)
		pp_page_put(page[i]);
	pp_pool_stats(pool, &stats, sizeof stats);
	mapped = table_kib() - tables;
	if (pp_device_unbind(dev))
		abort();
	pp_device_stats(dev, &device, sizeof device);
	pp_domain_stats(dev, &domain, sizeof domain);
	tables_left += table_kib() - tables;
	if (domain.bytes_mapped || edu_left_mapped(&edu))
		abort();
	for (unsigned i = 0; i < n; i++)
		pp_page_put(page[i]);
	pp_pool_destroy(pool);
	if (print_it)
		printf("# unbind  %6u in flight of %6llu, %3llu chunks (%llu THP): %9.3f ms, "
		       "tables were %llu KiB\n",
		       n, (unsigned long long)stats.pages, (unsigned long long)stats.chunks,
		       (unsigned long long)stats.chunks_thp, (double)device.unbind_ns / 1e6,
		       (unsigned long long)mapped);
	return (struct unbound){ device.unbind_ns, stats.chunks };
}

static void unbinding(bool all)
{
	struct pp_driver drv = { .name = "test", .probe = probe, .remove = on_remove };
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	static const unsigned n[] = { 1000, 10000, 50000, 100000, 200000 };
	unsigned last = all ? 4 : 2;
	struct unbound grown[5], few, many;
	struct pp_device *dev;

	p.name = pp_vfio_address(edu.vfio);
	p.iommu = pp_vfio_iommu(edu.vfio);
	if (pp_device_register(&dev, &p) || pp_driver_register(&drv))
		abort();
	unbind(dev, &drv, 1000, 1000, false); /* once to warm up */
	printf("# as many chunks as the pages take:\n");
	for (unsigned i = 0; i <= last; i++)
		grown[i] = unbind(dev, &drv, n[i], n[i], true);
	printf("# the chunks of %u pages, whatever is in flight:\n", n[last]);
	few = unbind(dev, &drv, n[0], n[last], true);
	many = unbind(dev, &drv, n[last], n[last], true);
	check_eq(tables_left, 0, "after unbind the kernel has no page table left");
	check(many.ns <= few.ns * 3 / 2,
	      "%u times the pages in flight cost no more than half as much again", n[last] / n[0]);
	check(grown[last].ns * grown[0].chunks <= grown[0].ns * grown[last].chunks * 3 / 2,
	      "what it costs is the chunks: %u times of them, no more than so many times the cost "
	      "and a half",
	      (unsigned)(grown[last].chunks / grown[0].chunks));
	pp_device_unregister(dev);
	pp_driver_unregister(&drv);
}

/* vm-measure [all] [container] */
int main(int argc, char **argv)
{
	enum pp_vfio_api api = PP_VFIO_ANY;
	bool all = false;

	for (int i = 1; i < argc; i++) {
		all |= !strcmp(argv[i], "all");
		api = strcmp(argv[i], "container") ? api : PP_VFIO_CONTAINER;
	}
	require(edu_open(&edu, api, NULL), "a device");
	for (size_t len = 64 * MIB; len <= (all ? 1024 : 64) * MIB; len *= 4)
		mapping(len);
	if (all)
		kinds();
	unbinding(all);
	edu_close(&edu);
	return tap_end();
}
