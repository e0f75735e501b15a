/*
 * unplug.c - the device is pulled out: the kernel asks for it, the library takes it away by
 * surprise, the kernel gets it, and who holds pages keeps them.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "edu.h"
#include "tap.h"

static enum pp_remove_why why_removed = PP_REMOVE_UNBIND;
static unsigned removes;

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	(void)dev, (void)ctx;
	return pp_dma_set_mask(binding, 64);
}

static void on_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
		      void *ctx)
{
	(void)dev, (void)binding, (void)ctx;
	removes++;
	why_removed = why;
}

int main(void)
{
	struct pp_driver drv = { .name = "test", .probe = probe, .remove = on_remove };
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_pool_params params = pp_pool_defaults();
	static struct pp_page *page[10000];
	struct pp_domain_stats left;
	struct pp_device *dev;
	struct pp_pool *pool;
	struct pollfd asked;
	struct edu edu;
	uint64_t word = 1;
	unsigned good = 0;

	require(edu_open(&edu, PP_VFIO_ANY, NULL), "a device");
	p.name = pp_vfio_address(edu.vfio);
	p.iommu = pp_vfio_iommu(edu.vfio);
	params.name = "test";
	require(!pp_device_register(&dev, &p) && !pp_driver_register(&drv) &&
			!pp_device_bind(dev, &drv) &&
			!pp_pool_create(&pool, pp_device_binding(dev), &params),
		"bound, with a pool");
	for (unsigned i = 0; i < 10000; i++)
		if (pp_page_get(&page[i], pool))
			abort();
		else
			memset(pp_page_addr(page[i]), (int)i, 4096);
	check(!edu_access(&edu, pp_page_iova(page[0]), &word, sizeof word, true), "it does DMA");
	asked = (struct pollfd){ .fd = pp_vfio_request_fd(edu.vfio), .events = POLLIN };
	check(!pp_vfio_requested(edu.vfio), "nobody wants it");
	printf("# ready to be unplugged\n");
	fflush(stdout);
	check(poll(&asked, 1, -1) == 1 && pp_vfio_requested(edu.vfio), "now the kernel wants it");
	check(!pp_device_remove(dev, PP_REMOVAL_SURPRISE), "removed by surprise");
	check(removes == 1 && why_removed == PP_REMOVE_GONE, "the driver is told so");
	pp_domain_stats(dev, &left, sizeof left);
	check(!left.mappings && !left.bytes_mapped, "nothing is mapped");
	check_eq(edu_left_mapped(&edu), 0, "nor says the kernel so");
	check(edu_access(&edu, pp_page_iova(page[1]), &word, sizeof word, true) != 0,
	      "what it does still is refused");
	pp_device_unregister(dev);
	edu_close(&edu);
	for (unsigned i = 1; i < 10000; i++)
		good += *((unsigned char *)pp_page_addr(page[i]) + 4095) == (i & 0xff) &&
			*(unsigned char *)pp_page_addr(page[i]) == (i & 0xff);
	check_eq(good, 9999, "the pages are whole");
	for (unsigned i = 0; i < 10000; i++)
		pp_page_put(page[i]);
	pp_pool_destroy(pool);
	pp_driver_unregister(&drv);
	return tap_end();
}
