/*
 * dma.c - the public calls of dma.h: arguments, the binding, the checks. What they do
 * is space.c's. Uses device, iommu and env.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/dma.h>

#include "dma/space.h"
#include "env/debug.h"

static bool dir_valid(enum pp_dma_dir dir)
{
	return dir == PP_DMA_BIDIRECTIONAL || dir == PP_DMA_TO_DEVICE || dir == PP_DMA_FROM_DEVICE;
}

/* As binding_enter; a call that is refused is reported with its place. */
static int enter(struct binding **out, pp_binding_t binding, bool fresh, const char *call,
		 const char *place)
{
	int ret = binding_enter(out, binding, fresh);
	char name[32];

	if (ret && debug_on(PP_DEBUG_DMA))
		debug_done(debug_report(PP_DEBUG_DMA,
					"device %s: %s at %s through a binding that has ended",
					binding_device_name(binding, name, sizeof name), call, place));
	return ret;
}

int pp_dma_set_mask(pp_binding_t binding, unsigned bits)
{
	struct binding *b;
	int ret;

	if (bits < 32 || bits > 64)
		return -EINVAL;
	ret = binding_enter(&b, binding, false);
	if (ret)
		return ret;
	if (space_exceeds(b, bits))
		ret = -EBUSY;
	else
		b->mask_bits = bits;
	binding_leave(b);
	return ret;
}

int pp_dma_map_at(pp_binding_t binding, void *addr, size_t len, enum pp_dma_dir dir,
		  pp_iova_t *out, const char *place)
{
	struct mapping *m;
	struct binding *b;
	int ret;

	*out = PP_IOVA_NONE;
	if (!addr || !len || !dir_valid(dir) ||
	    len > UINTPTR_MAX - (uintptr_t)addr - PP_BASE_PAGE)
		return -EINVAL;
	ret = enter(&b, binding, true, "map", place);
	if (ret)
		return ret;
	ret = space_map(b, &m, MAPPING_STREAMING, addr, len, dir, place);
	if (!ret)
		*out = m->iova;
	binding_leave(b);
	return ret;
}

/* Say what a call found wrong with a mapping; m may be NULL. */
static void report_mismatch(struct binding *b, const struct mapping *m, const char *call,
			    const char *what, pp_iova_t iova, size_t len, const char *place)
{
	bool begun = debug_report(PP_DEBUG_DMA, "device %s: %s: %s: DMA address 0x%llx, %zu bytes, at %s",
				  pp_device_name(b->dev), call, what, (unsigned long long)iova,
				  len, place);

	if (m)
		debug_note(begun, "  mapped: DMA address 0x%llx, %zu bytes, %s, at %s",
			   (unsigned long long)m->iova, m->len, mapping_dir_name(m->dir), m->place);
	debug_done(begun);
}

/* What is wrong with an unmap of m, or NULL. */
static const char *unmap_mismatch(const struct mapping *m, enum mapping_kind kind, pp_iova_t iova,
				  size_t len)
{
	if (!m || m->iova != iova)
		return "nothing is mapped there";
	if (m->kind != kind)
		return "it is another kind of mapping";
	if (m->len != len)
		return "it was mapped with another size";
	return NULL;
}

int pp_dma_unmap_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
		    const char *place)
{
	struct binding *b;
	struct mapping *m;
	const char *wrong;
	int ret = enter(&b, binding, false, "unmap", place);

	if (ret)
		return ret;
	m = space_find(b, iova);
	wrong = unmap_mismatch(m, MAPPING_STREAMING, iova, len);
	if (!wrong && m->dir != dir)
		wrong = "it was mapped in another direction";
	if (wrong) {
		report_mismatch(b, m, "unmap", wrong, iova, len, place);
		ret = -EINVAL;
	} else {
		space_unmap(b, m);
	}
	binding_leave(b);
	return ret;
}

/* What is wrong with a sync of m, or NULL. */
static const char *sync_mismatch(const struct mapping *m, pp_iova_t iova, size_t len,
				 enum pp_dma_dir dir)
{
	if (!m || iova < m->iova || iova - m->iova >= m->len)
		return "nothing is mapped there";
	if (len > m->len - (iova - m->iova))
		return "it goes past the mapping";
	if (m->dir != PP_DMA_BIDIRECTIONAL && m->dir != dir)
		return "it was mapped in another direction";
	return NULL;
}

/* What an incoherent domain, the checker, or a name that is dead asks for. */
static int sync_slow(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
		     bool for_cpu, const char *place)
{
	struct binding *b;
	struct mapping *m;
	const char *wrong;
	int ret = enter(&b, binding, false, for_cpu ? "sync for CPU" : "sync for device", place);

	if (ret)
		return ret;
	m = space_find(b, iova);
	wrong = sync_mismatch(m, iova, len, dir);
	if (wrong) {
		report_mismatch(b, m, for_cpu ? "sync for CPU" : "sync for device", wrong, iova,
				len, place);
		ret = -EINVAL;
	} else if (b->domain.iommu->incoherent && !(for_cpu && m->dir == PP_DMA_TO_DEVICE)) {
		/* for the CPU only where the device may have written */
		ret = b->domain.iommu->ops->sync(b->domain.iommu, iova, len, for_cpu);
	}
	binding_leave(b);
	return ret;
}

int pp_dma_sync_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
		   bool for_cpu, const char *place)
{
	struct binding *b = binding_peek(binding);

	if (env_likely(b && !env_load_relaxed(&b->slow_sync)))
		return 0;
	return sync_slow(binding, iova, len, dir, for_cpu, place);
}

int pp_dma_alloc_coherent_at(pp_binding_t binding, size_t len, void **cpu, pp_iova_t *out,
			     const char *place)
{
	struct binding *b;
	struct mapping *m;
	int ret;

	*cpu = NULL;
	*out = PP_IOVA_NONE;
	if (!len || len > SIZE_MAX / 2)
		return -EINVAL;
	ret = enter(&b, binding, true, "allocation of coherent memory", place);
	if (ret)
		return ret;
	ret = space_map(b, &m, MAPPING_COHERENT, NULL, len, PP_DMA_BIDIRECTIONAL, place);
	if (!ret) {
		*cpu = m->addr;
		*out = m->iova;
	}
	binding_leave(b);
	return ret;
}

int pp_dma_free_coherent_at(pp_binding_t binding, size_t len, void *cpu, pp_iova_t iova,
			    const char *place)
{
	struct binding *b;
	struct mapping *m;
	const char *wrong;
	int ret = enter(&b, binding, false, "free of coherent memory", place);

	if (ret)
		return ret;
	m = space_find(b, iova);
	len = (len + PP_BASE_PAGE - 1) & ~(size_t)(PP_BASE_PAGE - 1);
	wrong = unmap_mismatch(m, MAPPING_COHERENT, iova, len);
	if (!wrong && m->addr != cpu)
		wrong = "its CPU address is another";
	if (wrong) {
		report_mismatch(b, m, "free of coherent memory", wrong, iova, len, place);
		ret = -EINVAL;
	} else {
		space_unmap(b, m);
	}
	binding_leave(b);
	return ret;
}
