/*
 * headers.cc - the public headers in C++: each alone (see headers.c), and a program that
 * uses them from a device's registration to a mapping and a page.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>

#include <cstdio>
#include <cstring>

#define DECLARE(name) extern "C" int header_##name(void);
HEADERS(DECLARE)

static int tests, failed;

static void check(bool ok, const char *what)
{
	std::printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, what);
	failed += !ok;
}

static int probe(struct pp_device *, pp_binding_t, void *)
{
	return 0;
}

static void remove(struct pp_device *, pp_binding_t, enum pp_remove_why, void *)
{
}

static void parameters_have_their_size(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_device_params device = PP_PARAMS(struct pp_device_params);

	check(soft.size == sizeof soft && !soft.address_bits && !soft.incoherent,
	      "PP_PARAMS, soft");
	check(device.size == sizeof device && !device.name && !device.iommu, "PP_PARAMS, device");
	check(pp_pool_defaults().size == sizeof(struct pp_pool_params), "pp_pool_defaults");
	check(pp_binding_none().id == 0, "pp_binding_none");
}

static void a_page_is_mapped(pp_binding_t binding, struct pp_iommu *iommu)
{
	static char buf[100] = "from C++";
	char read[100];
	struct pp_pool *pool;
	struct pp_page *page;
	pp_iova_t iova;

	check(!pp_dma_map(binding, buf, sizeof buf, PP_DMA_TO_DEVICE, &iova), "pp_dma_map");
	check(!pp_soft_read(iommu, iova, read, sizeof read) && !std::strcmp(read, buf),
	      "the device reads it");
	check(!pp_dma_unmap(binding, iova, sizeof buf, PP_DMA_TO_DEVICE), "pp_dma_unmap");
	check(!pp_pool_create(&pool, binding, nullptr), "pp_pool_create");
	check(!pp_page_get(&page, pool), "pp_page_get");
	check(!pp_soft_write(iommu, pp_page_iova(page), "page", 5) &&
	      !std::strcmp(static_cast<char *>(pp_page_addr(page)),
			   "page"), "the device writes it");
	pp_page_put(page);
	pp_pool_destroy(pool);
}

static void a_device_is_driven(void)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_driver drv = { "c++", nullptr, probe, remove, nullptr };
	struct pp_device_stats stats;
	struct pp_device *dev;

	check(!pp_soft_create(&params.iommu, nullptr), "pp_soft_create");
	params.name = "soft0";
	check(!pp_device_register(&dev, &params), "pp_device_register");
	check(!pp_driver_register(&drv), "pp_driver_register");
	check(!pp_device_bind(dev, &drv), "pp_device_bind");
	a_page_is_mapped(pp_device_binding(dev), params.iommu);
	check(!pp_device_unbind(dev), "pp_device_unbind");
	pp_device_stats(dev, &stats, sizeof stats);
	check(stats.bindings == 1 && !stats.mappings_forgotten, "pp_device_stats");
	pp_device_unregister(dev);
	check(!pp_driver_unregister(&drv), "pp_driver_unregister");
}

int main()
{
#define ASK(name) check(header_##name(), "<pagepool/" #name ".h> alone");
	HEADERS(ASK)
	parameters_have_their_size();
	a_device_is_driven();
	std::printf("1..%d\n", tests);
	return failed != 0;
}
