/*
 * spy.h - a back end that hands every call on to the software IOMMU and counts it: what
 * reached the device, without asking the library.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef SPY_H
#define SPY_H

#include "soft_device.h"

struct spy {
	struct pp_iommu iommu; /* what the library has; first */
	struct pp_iommu *soft; /* what the device has */
	unsigned maps, unmaps, invalidations, blocks, syncs;
	int map_error;       /* what map returns instead; 0: what the IOMMU does */
	unsigned map_errors; /* until it has been called so often; 0: always */
};

static inline struct spy *spy_of(struct pp_iommu *iommu)
{
	return (struct spy *)iommu;
}

#define spy_count(n) __atomic_fetch_add(&(n), 1, __ATOMIC_RELAXED)

static inline unsigned spy_calls(const struct spy *s)
{
	return __atomic_load_n(&s->maps, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->unmaps, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->invalidations, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->blocks, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->syncs, __ATOMIC_RELAXED);
}

static inline void spy_destroy(struct pp_iommu *iommu)
{
	pp_soft_destroy(spy_of(iommu)->soft);
}

static inline int spy_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
			  size_t page_size, unsigned prot)
{
	struct spy *s = spy_of(iommu);

	spy_count(s->maps);
	if (s->map_error && (!s->map_errors || s->maps < s->map_errors))
		return s->map_error;
	return s->soft->ops->map(s->soft, iova, addr, len, page_size, prot);
}

static inline size_t spy_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct spy *s = spy_of(iommu);

	spy_count(s->unmaps);
	return s->soft->ops->unmap(s->soft, iova, len);
}

static inline void spy_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct spy *s = spy_of(iommu);

	spy_count(s->invalidations);
	s->soft->ops->invalidate(s->soft, iova, len);
}

static inline void spy_block(struct pp_iommu *iommu, bool on)
{
	struct spy *s = spy_of(iommu);

	s->soft->ops->block(s->soft, on);
	__atomic_fetch_add(&s->blocks, 1, __ATOMIC_RELEASE); /* after it, for who waits for it */
}

static inline int spy_sync(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool for_cpu)
{
	struct spy *s = spy_of(iommu);

	spy_count(s->syncs);
	return s->soft->ops->sync(s->soft, iova, len, for_cpu);
}

static inline void spy_stats(struct pp_iommu *iommu, struct pp_domain_stats *out)
{
	struct spy *s = spy_of(iommu);

	s->soft->ops->stats(s->soft, out);
}

/* As soft_device_init, with the spy between the library and the IOMMU. */
static inline void spy_device_init(struct soft_device *d, struct spy *spy,
				   const struct pp_soft_params *soft)
{
	static const struct pp_iommu_ops ops = {
		.kind = "spy",
		.destroy = spy_destroy,
		.map = spy_map,
		.unmap = spy_unmap,
		.invalidate = spy_invalidate,
		.block = spy_block,
		.sync = spy_sync,
		.stats = spy_stats,
	};
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);

	memset(spy, 0, sizeof *spy);
	if (pp_soft_create(&spy->soft, soft))
		abort();
	spy->iommu = *spy->soft;
	spy->iommu.ops = &ops;
	params.name = "spied0";
	params.iommu = &spy->iommu;
	soft_device_register(d, spy->soft, &params);
}

#endif
