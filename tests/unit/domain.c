/*
 * domain.c - a back end with its own page size, on a kernel whose pages are as large: the size is
 * the argument. Only whole pages are mapped, unmapped and invalidated.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "soft_device.h"

#include <unistd.h>

#include "../sanitized.h"
#include "unit.h"

static size_t kernel_page = 4096;
/* Aligned at run time: glibc before 2.35 loads a program without regard to more than a page. */
#define ALIGNED 65536u
static char room[(1 << 20) + ALIGNED], *memory;

long __real_sysconf(int name);
long __wrap_sysconf(int name);

UNWATCHED long __wrap_sysconf(int name)
{
	return name == _SC_PAGESIZE ? (long)kernel_page : __real_sysconf(name);
}

/* ---- the software IOMMU, with another page size ------------------------------------- */

struct coarse {
	struct pp_iommu iommu; /* what the library has; first */
	struct pp_iommu *soft; /* what the device has */
	unsigned calls, odd;
};

static struct coarse *coarse_of(struct pp_iommu *iommu)
{
	return (struct coarse *)iommu;
}

static void look(struct coarse *c, uint64_t bits)
{
	c->calls++;
	c->odd += (bits & (c->iommu.page_sizes - 1)) != 0;
}

static int coarse_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		      size_t page_size, unsigned prot)
{
	struct coarse *c = coarse_of(iommu);

	look(c, iova | (uintptr_t)addr | len);
	return c->soft->ops->map(c->soft, iova, addr, len, page_size, prot);
}

static size_t coarse_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct coarse *c = coarse_of(iommu);

	look(c, iova | len);
	return c->soft->ops->unmap(c->soft, iova, len);
}

static void coarse_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct coarse *c = coarse_of(iommu);

	look(c, len == SIZE_MAX ? 0 : iova | len);
	c->soft->ops->invalidate(c->soft, iova, len);
}

static void coarse_block(struct pp_iommu *iommu, bool on)
{
	coarse_of(iommu)->soft->ops->block(coarse_of(iommu)->soft, on);
}

static void coarse_destroy(struct pp_iommu *iommu)
{
	pp_soft_destroy(coarse_of(iommu)->soft);
}

static const struct pp_iommu_ops coarse_ops = {
	.kind = "coarse",
	.destroy = coarse_destroy,
	.map = coarse_map,
	.unmap = coarse_unmap,
	.invalidate = coarse_invalidate,
	.block = coarse_block,
};

static void coarse_init(struct coarse *c, size_t page_sizes)
{
	memset(c, 0, sizeof *c);
	if (pp_soft_create(&c->soft, NULL))
		abort();
	c->iommu = *c->soft;
	c->iommu.ops = &coarse_ops;
	c->iommu.page_sizes = page_sizes;
}

static int enroll(struct coarse *c, struct pp_device **dev)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);

	p.name = "coarse0";
	p.iommu = &c->iommu;
	return pp_device_register(dev, &p);
}

/* ---- tests -------------------------------------------------------------------------- */

static void pages_are_no_larger_than_the_kernel_s(void)
{
	for (size_t page = 512; page <= 2 << 20; page *= 2)
		for (unsigned more = 0; more < 2; more++) {
			struct pp_device *dev;
			struct coarse c;
			int ret;

			coarse_init(&c, more ? page | 1 << 30 : page);
			ret = enroll(&c, &dev);
			check_eq(ret, page <= kernel_page ? 0 : -EINVAL, "pages of %zu%s", page,
				 more ? " and larger" : "");
			if (ret)
				pp_soft_destroy(c.soft);
			else
				pp_device_unregister(dev);
		}
}

static void ranges_are_of_such_pages(void)
{
	struct pp_device *dev;
	struct coarse c;
	int ret;

	coarse_init(&c, kernel_page);
	c.iommu.ranges[0].first = 4096;
	ret = enroll(&c, &dev);
	check_eq(ret, kernel_page > 4096 ? -EINVAL : 0, "a range that begins at 4096");
	if (ret)
		pp_soft_destroy(c.soft);
	else
		pp_device_unregister(dev);
}

static void map_some(struct coarse *c, pp_binding_t b)
{
	static const struct {
		size_t at, len;
	} some[] = {
		{ 0, 1 },     { 4096, 4096 },    { 4095, 2 },
		{ 65535, 2 }, { 12345, 100000 }, { 65536, 65536 },
	};
	char byte = 0;

	for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
		char *addr = memory + some[i].at;
		pp_iova_t iova;

		addr[0] = 1;
		addr[some[i].len - 1] = (char)(2 + i);
		check_eq(pp_dma_map(b, addr, some[i].len, PP_DMA_TO_DEVICE, &iova), 0,
			 "%zu bytes at %zu", some[i].len, some[i].at);
		check_eq(iova % kernel_page, some[i].at % kernel_page, "its offset in the page");
		check(!pp_soft_read(c->soft, iova + some[i].len - 1, &byte, 1) &&
			      byte == (char)(2 + i),
		      "the device reads its end");
		check_eq(pp_dma_unmap(b, iova, some[i].len, PP_DMA_TO_DEVICE), 0, "unmapped");
		check_eq(pp_soft_read(c->soft, iova, &byte, 1), -EFAULT, "it reads no more");
	}
}

static void mappings_are_of_such_pages(void)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct soft_device sd;
	struct pp_page *page;
	struct pp_pool *pool;
	struct coarse c;
	pp_binding_t b;
	pp_iova_t iova;
	void *cpu;

	soft_device_init(&sd, NULL);
	pp_device_unregister(sd.dev);
	coarse_init(&c, kernel_page);
	require(!enroll(&c, &sd.dev), "a device whose pages are the kernel's");
	b = soft_device_bind(&sd);
	map_some(&c, b);
	for (size_t len = 1; len < 300000; len = 3 * len + 1) {
		check_eq(pp_dma_alloc_coherent(b, len, &cpu, &iova), 0, "%zu bytes coherent", len);
		check(!(iova % kernel_page) && !((uintptr_t)cpu % kernel_page), "at whole pages");
		check_eq(pp_dma_free_coherent(b, len, cpu, iova), 0, "and freed");
	}
	p.chunk_size = 4096;
	p.memory = PP_MEMORY_BASE;
	require(!pp_pool_create(&pool, b, &p), "a pool of the smallest chunks");
	check_eq(pp_page_get(&page, pool), 0, "gives a page");
	pp_page_put(page);
	pp_pool_trim(pool, 0);
	pp_pool_destroy(pool);
	pp_dma_map(b, memory + 1, 5000, PP_DMA_BIDIRECTIONAL, &iova);
	pp_device_unbind(sd.dev);
	check(c.calls > 20, "%u calls of the back end", c.calls);
	check_eq(c.odd, 0, "none of them with less than a page");
	soft_device_exit(&sd);
}

int main(int argc, char **argv)
{
	kernel_page = argc > 1 ? strtoul(argv[1], NULL, 0) : 4096;
	memory = room + (-(uintptr_t)room & (ALIGNED - 1));
	printf("# a kernel with pages of %zu bytes\n", kernel_page);
	run(pages_are_no_larger_than_the_kernel_s);
	run(ranges_are_of_such_pages);
	run(mappings_are_of_such_pages);
	return tap_end();
}
