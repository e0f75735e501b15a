/*
 * soft_device.h - for tests: a device on the software IOMMU with a driver that does
 * nothing, or what the test tells it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef SOFT_DEVICE_H
#define SOFT_DEVICE_H

#include <errno.h>
#include <pagepool/pagepool.h>
#include <string.h>

#include "tap.h"

/* How often a race is run: PP_TEST_LAPS percent, for devices that take their time. */
static inline unsigned laps(unsigned n)
{
	const char *percent = getenv("PP_TEST_LAPS");

	return percent ? (n * (unsigned)atoi(percent) + 99) / 100 : n;
}

/* Every how manieth thing a device is tried on: PP_TEST_STEP, for those that take their time. */
static inline unsigned device_step(void)
{
	const char *step = getenv("PP_TEST_STEP");

	return step ? (unsigned)atoi(step) : 1;
}

struct soft_device {
	struct pp_iommu *iommu;
	struct pp_device *dev;
	struct pp_driver drv;
	int (*probe)(struct soft_device *self, pp_binding_t binding);
	void (*remove)(struct soft_device *self, pp_binding_t binding, enum pp_remove_why why);
	unsigned mask_bits; /* what the driver sets; 0: leaves it at 32 */
	int removes, gones;
	void *test; /* the test's own */
};

static inline int soft_device_probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct soft_device *self = ctx;

	(void)dev;
	if (self->mask_bits)
		pp_dma_set_mask(binding, self->mask_bits);
	return self->probe ? self->probe(self, binding) : 0;
}

static inline void soft_device_remove(struct pp_device *dev, pp_binding_t binding,
				      enum pp_remove_why why, void *ctx)
{
	struct soft_device *self = ctx;

	(void)dev;
	self->removes++;
	self->gones += why == PP_REMOVE_GONE;
	if (self->remove)
		self->remove(self, binding, why);
}

/* Registered as the parameters say, with a driver, not bound yet. `iommu`: what the device has, on
 * which a test's own back end may stand. */
static inline void soft_device_register(struct soft_device *self, struct pp_iommu *iommu,
					const struct pp_device_params *params)
{
	memset(self, 0, sizeof *self);
	self->iommu = iommu;
	self->mask_bits = 64;
	self->drv.name = "test";
	self->drv.probe = soft_device_probe;
	self->drv.remove = soft_device_remove;
	self->drv.ctx = self;
	if (pp_device_register(&self->dev, params) || pp_driver_register(&self->drv))
		abort();
}

static inline void soft_device_init(struct soft_device *self, const struct pp_soft_params *soft)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);

	if (pp_soft_create(&params.iommu, soft))
		abort();
	params.name = "soft0";
	params.address_bits = soft ? soft->address_bits : 0;
	soft_device_register(self, params.iommu, &params);
}

static inline pp_binding_t soft_device_bind(struct soft_device *self)
{
	if (pp_device_bind(self->dev, &self->drv))
		abort();
	return pp_device_binding(self->dev);
}

static inline void soft_device_exit(struct soft_device *self)
{
	pp_device_unregister(self->dev);
	pp_driver_unregister(&self->drv);
}

/* The last access was refused for that reason. A real IOMMU does not tell us why. */
static inline bool soft_device_faulted(struct pp_iommu *iommu, enum pp_soft_fault_reason reason)
{
	struct pp_soft_fault f;

	return iommu->pins || (pp_soft_faults(iommu, &f, 1) == 1 && f.reason == reason);
}

static inline struct pp_domain_stats soft_device_domain(const struct soft_device *self)
{
	struct pp_domain_stats s;

	pp_domain_stats(self->dev, &s, sizeof s);
	return s;
}

static inline struct pp_device_stats soft_device_stats(const struct soft_device *self)
{
	struct pp_device_stats s;

	pp_device_stats(self->dev, &s, sizeof s);
	return s;
}

static inline struct pp_pool_stats pool_stats(struct pp_pool *pool)
{
	struct pp_pool_stats s;

	pp_pool_stats(pool, &s, sizeof s);
	return s;
}

static inline struct pp_totals totals(void)
{
	struct pp_totals t;

	pp_totals(&t, sizeof t);
	return t;
}

#endif
