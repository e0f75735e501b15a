/*
 * vfio_shim.c - linked into the tests of the laws (--wrap), it lets them run on VFIO: instead of a
 * software IOMMU with a device behind it they get an "edu" device of the virtual machine, as long
 * as one is free and they need nothing that only the software IOMMU can do.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edu.h"

int __real_pp_soft_create(struct pp_iommu **out, const struct pp_soft_params *params);
int __wrap_pp_soft_create(struct pp_iommu **out, const struct pp_soft_params *params);
void __real_pp_soft_destroy(struct pp_iommu *iommu);
void __wrap_pp_soft_destroy(struct pp_iommu *iommu);
int __real_pp_soft_read(struct pp_iommu *iommu, pp_iova_t iova, void *buf, size_t len);
int __wrap_pp_soft_read(struct pp_iommu *iommu, pp_iova_t iova, void *buf, size_t len);
int __real_pp_soft_write(struct pp_iommu *iommu, pp_iova_t iova, const void *buf, size_t len);
int __wrap_pp_soft_write(struct pp_iommu *iommu, pp_iova_t iova, const void *buf, size_t len);
unsigned __real_pp_soft_faults(struct pp_iommu *iommu, struct pp_soft_fault *out, unsigned n);
unsigned __wrap_pp_soft_faults(struct pp_iommu *iommu, struct pp_soft_fault *out, unsigned n);

#define EDUS 8

static struct vfio_shim {
	struct edu edu;
	struct pp_iommu *iommu; /* NULL: free */
	const struct pp_iommu_ops *real;
} standing[EDUS];
static struct pp_iommu_ops ops; /* the back end's, but for these two */
static unsigned on_vfio, on_soft;
static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER; /* which of them are free */

static struct vfio_shim *find(const struct pp_iommu *iommu)
{
	for (struct vfio_shim *s = standing; s < standing + EDUS; s++)
		if (s->iommu == iommu)
			return s;
	return NULL;
}

static void destroy(struct pp_iommu *iommu)
{
	struct vfio_shim *s = find(iommu);
	uint64_t left = edu_left_mapped(&s->edu);

	if (left) {
		printf("not ok 1 - the kernel says that nothing is left mapped\n# %llu bytes\n",
		       (unsigned long long)left);
		exit(1);
	}
	s->real->destroy(iommu);
	edu_close(&s->edu);
	pthread_mutex_lock(&taking);
	s->iommu = NULL;
	pthread_mutex_unlock(&taking);
}

static void stats(struct pp_iommu *iommu, struct pp_domain_stats *out)
{
	struct vfio_shim *s = find(iommu);

	out->faults = s->edu.faults;
	out->dma_reads = s->edu.reads;
	out->dma_writes = s->edu.writes;
}

static void report(void)
{
	printf("# domains on VFIO: %u, on the software IOMMU: %u\n", on_vfio, on_soft);
	if (!on_vfio)
		printf("not ok 0 - a device of the machine's was used\n");
}

/* A free one, opened; NULL: there is none, or it can't be opened. */
static struct vfio_shim *take(void)
{
	const char *api = getenv("PP_TEST_API");
	struct vfio_shim *s = find(NULL);

	if (!s ||
	    !edu_open(&s->edu, api && !strcmp(api, "container") ? PP_VFIO_CONTAINER : PP_VFIO_ANY,
		      NULL))
		return NULL;
	s->iommu = pp_vfio_iommu(s->edu.vfio);
	s->real = s->iommu->ops;
	ops = *s->real;
	ops.destroy = destroy;
	ops.stats = stats;
	s->iommu->ops = &ops;
	return s;
}

int __wrap_pp_soft_create(struct pp_iommu **out, const struct pp_soft_params *params)
{
	struct vfio_shim *s = NULL;

	pthread_mutex_lock(&taking);
	if (!on_vfio && !on_soft)
		atexit(report);
	if (!params || (!params->incoherent && !params->deferred))
		s = take();
	*(s ? &on_vfio : &on_soft) += 1;
	pthread_mutex_unlock(&taking);
	if (!s)
		return __real_pp_soft_create(out, params);
	*out = s->iommu;
	return 0;
}

void __wrap_pp_soft_destroy(struct pp_iommu *iommu)
{
	if (iommu && find(iommu))
		destroy(iommu);
	else
		__real_pp_soft_destroy(iommu);
}

int __wrap_pp_soft_read(struct pp_iommu *iommu, pp_iova_t iova, void *buf, size_t len)
{
	struct vfio_shim *s = find(iommu);

	return s ? edu_access(&s->edu, iova, buf, len, false) :
		   __real_pp_soft_read(iommu, iova, buf, len);
}

int __wrap_pp_soft_write(struct pp_iommu *iommu, pp_iova_t iova, const void *buf, size_t len)
{
	struct vfio_shim *s = find(iommu);

	return s ? edu_access(&s->edu, iova, (void *)buf, len, true) :
		   __real_pp_soft_write(iommu, iova, buf, len);
}

unsigned __wrap_pp_soft_faults(struct pp_iommu *iommu, struct pp_soft_fault *out, unsigned n)
{
	return find(iommu) ? 0 : __real_pp_soft_faults(iommu, out, n);
}
