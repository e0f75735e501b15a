/*
 * counting_iommu.h - a back end that hands every call on to the software IOMMU and counts it: what
 * reached the device, without asking the library.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef COUNTING_IOMMU_H
#define COUNTING_IOMMU_H

#include "soft_device.h"

struct counting_iommu {
	struct pp_iommu iommu; /* what the library has; first */
	struct pp_iommu *soft; /* what the device has */
	unsigned maps, unmaps, invalidations, blocks, syncs;
	int map_error;       /* what map returns instead; 0: what the IOMMU does */
	unsigned map_errors; /* until it has been called so often; 0: always */
};

static inline struct counting_iommu *counting_of(struct pp_iommu *iommu)
{
	return (struct counting_iommu *)iommu;
}

#define count_call(n) __atomic_fetch_add(&(n), 1, __ATOMIC_RELAXED)

static inline unsigned counted_calls(const struct counting_iommu *s)
{
	return __atomic_load_n(&s->maps, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->unmaps, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->invalidations, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->blocks, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->syncs, __ATOMIC_RELAXED);
}

static inline void counting_destroy(struct pp_iommu *iommu)
{
	pp_soft_destroy(counting_of(iommu)->soft);
}

static inline int counting_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
			       size_t page_size, unsigned prot)
{
	struct counting_iommu *s = counting_of(iommu);

	count_call(s->maps);
	if (s->map_error && (!s->map_errors || s->maps < s->map_errors))
		return s->map_error;
	return s->soft->ops->map(s->soft, iova, addr, len, page_size, prot);
}

static inline size_t counting_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct counting_iommu *s = counting_of(iommu);

	count_call(s->unmaps);
	return s->soft->ops->unmap(s->soft, iova, len);
}

static inline void counting_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct counting_iommu *s = counting_of(iommu);

	count_call(s->invalidations);
	s->soft->ops->invalidate(s->soft, iova, len);
}

static inline void counting_block(struct pp_iommu *iommu, bool on)
{
	struct counting_iommu *s = counting_of(iommu);

	s->soft->ops->block(s->soft, on);
	__atomic_fetch_add(&s->blocks, 1, __ATOMIC_RELEASE); /* after it, for who waits for it */
}

static inline int counting_sync(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool for_cpu)
{
	struct counting_iommu *s = counting_of(iommu);

	count_call(s->syncs);
	return s->soft->ops->sync(s->soft, iova, len, for_cpu);
}

static inline void counting_stats(struct pp_iommu *iommu, struct pp_domain_stats *out)
{
	struct counting_iommu *s = counting_of(iommu);

	s->soft->ops->stats(s->soft, out);
}

/* As soft_device_init, with the counting back end between the library and the IOMMU. */
static inline void counting_device_init(struct soft_device *d, struct counting_iommu *counting,
					const struct pp_soft_params *soft)
{
	static const struct pp_iommu_ops ops = {
		.kind = "counting",
		.destroy = counting_destroy,
		.map = counting_map,
		.unmap = counting_unmap,
		.invalidate = counting_invalidate,
		.block = counting_block,
		.sync = counting_sync,
		.stats = counting_stats,
	};
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);

	memset(counting, 0, sizeof *counting);
	if (pp_soft_create(&counting->soft, soft))
		abort();
	counting->iommu = *counting->soft;
	counting->iommu.ops = &ops;
	params.name = "counted0";
	params.iommu = &counting->iommu;
	soft_device_register(d, counting->soft, &params);
}

#endif
