/*
 * device.h - the device that this library's programs of the benchmark drive: the software
 * IOMMU with its defaults, bound to a driver that does nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <pagepool/pagepool.h>

#include "bench.h"

static int probe(struct pp_device *d, pp_binding_t binding, void *ctx)
{
	(void)d;
	(void)ctx;
	return pp_dma_set_mask(binding, 64);
}

static void removed(struct pp_device *d, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)d;
	(void)binding;
	(void)why;
	(void)ctx;
}

static struct pp_driver driver = { .name = "bench", .probe = probe, .remove = removed };

/* Registered and bound. prepare: what is to be done with its domain first, or NULL. */
static struct pp_device *device_open(void (*prepare)(struct pp_iommu *iommu))
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev;

	params.name = "soft0";
	if (pp_soft_create(&params.iommu, NULL))
		fail("the domain");
	if (prepare)
		prepare(params.iommu);
	if (pp_device_register(&dev, &params) || pp_driver_register(&driver) ||
	    pp_device_bind(dev, &driver))
		fail("the device");
	return dev;
}

#endif
