/*
 * dma.c - the public calls of dma.h: arguments, binding, checks. mappings.c does the work; check.c
 * has the messages. Uses device, iommu and env.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/dma.h>

#include "dma/check.h"
#include "dma/mappings.h"
#include "env/debug.h"

static bool dir_valid(enum pp_dma_dir dir)
{
	return dir == PP_DMA_BIDIRECTIONAL || dir == PP_DMA_TO_DEVICE || dir == PP_DMA_FROM_DEVICE;
}

/* binding_enter for a call; one that is refused is told of. */
static int enter(struct binding **out, const struct call *c, bool fresh)
{
	int ret = binding_enter(out, c->binding, fresh);

	if (ret && debug_on(PP_DEBUG_DMA) && binding_blames(c->binding))
		check_say(c, binding_peek(c->binding) ?
				     "the binding is ending: nothing new is mapped" :
				     "the binding has ended");
	return ret;
}

/* The end of a call that a check may have refused. */
static int leave(struct binding *b, const struct finding *f, const struct call *c, int ret)
{
	binding_leave(b);
	check_report(f, c);
	return ret;
}

int pp_dma_set_mask(pp_binding_t binding, unsigned bits)
{
	struct binding *b;
	int ret;

	if (bits < 32 || bits > 64)
		return debug_invalid("pp_dma_set_mask: bits is %u: it must be 32 to 64", bits);
	ret = binding_enter(&b, binding, false);
	if (ret)
		return ret;
	if (mappings_exceeds(b, bits))
		ret = -EBUSY;
	else
		b->mask_bits = bits;
	binding_leave(b);
	return ret;
}

/* -EINVAL, told in any debug mode. */
static int refuse(const struct call *c, const char *what)
{
	if (debug_on(PP_DEBUG_DMA)) {
		check_say(c, what);
		return -EINVAL;
	}
	return debug_invalid("%s: %s: %zu bytes, direction %d, at %s", c->name, what, c->len,
			     (int)c->dir, c->caller);
}

static const char *caller_of(const char *caller)
{
	return caller ? caller : "an unknown call site";
}

/* What is wrong with the arguments of a map, or NULL. */
static const char *map_arguments(const void *addr, size_t len, enum pp_dma_dir dir,
				 const pp_iova_t *out)
{
	if (!out)
		return "there is nowhere to store the DMA address";
	if (!addr)
		return "the memory is NULL";
	if (!len)
		return "the length is 0";
	/* so far that the last base page ends below the top */
	if ((uintptr_t)addr > UINTPTR_MAX - PP_BASE_PAGE ||
	    len > UINTPTR_MAX - PP_BASE_PAGE - (uintptr_t)addr)
		return "the length wraps around";
	if (!dir_valid(dir))
		return "there is no such direction";
	return NULL;
}

int pp_dma_map_at(pp_binding_t binding, void *addr, size_t len, enum pp_dma_dir dir, pp_iova_t *out,
		  const char *caller)
{
	struct call c = { "map", binding, addr, PP_IOVA_NONE, len, dir, caller_of(caller) };
	const char *wrong = map_arguments(addr, len, dir, out);
	bool watched = debug_on(PP_DEBUG_DMA), forbidden;
	struct finding f = { 0 };
	struct mapping *m;
	struct binding *b;
	int ret;

	if (out)
		*out = PP_IOVA_NONE;
	if (wrong)
		return refuse(&c, wrong);
	forbidden = watched && check_memory(&f, &c);
	ret = enter(&b, &c, true);
	if (ret)
		return ret;
	if (forbidden)
		return leave(b, &f, &c, -EFAULT);
	if (watched)
		check_overlap(&f, b, &c);
	ret = mappings_map(b, &m, MAPPING_STREAMING, addr, len, dir, c.caller);
	if (!ret)
		*out = m->iova;
	if (ret == -ENOSPC)
		f.what = "there is no IOVA left within the device's mask";
	return leave(b, &f, &c, ret);
}

/* Unmap or free what passes the check. */
static int end_mapping(struct call *c, enum mapping_kind kind)
{
	struct finding f;
	struct binding *b;
	int ret = enter(&b, c, false);

	if (ret)
		return ret;
	if (kind == MAPPING_COHERENT) /* whole pages were given */
		c->len = (c->len + b->domain.page - 1) & ~(b->domain.page - 1);
	check_unmap(&f, b, c, kind);
	ret = f.what ? -EINVAL : mappings_unmap(b, mappings_find(b, c->iova), c->caller);
	return leave(b, &f, c, ret);
}

int pp_dma_unmap_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
		    const char *caller)
{
	struct call c = { "unmap", binding, NULL, iova, len, dir, caller_of(caller) };

	return end_mapping(&c, MAPPING_STREAMING);
}

/* What an incoherent domain, the checker, or a name that is dead asks for. */
static __attribute__((noinline)) int sync_slow(pp_binding_t binding, pp_iova_t iova, size_t len,
					       enum pp_dma_dir dir, bool for_cpu,
					       const char *caller)
{
	struct call c = { for_cpu ? "sync for CPU" : "sync for device",
			  binding,
			  NULL,
			  iova,
			  len,
			  dir,
			  caller_of(caller) };
	struct finding f;
	struct binding *b;
	int ret = enter(&b, &c, false);

	if (ret)
		return ret;
	check_sync(&f, b, &c, for_cpu);
	if (f.what)
		ret = -EINVAL;
	else
		ret = domain_sync(&b->domain, c.iova, c.len, for_cpu);
	return leave(b, &f, &c, ret);
}

int pp_dma_sync_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
		   bool for_cpu, const char *caller)
{
	struct binding *b = binding_peek(binding);

	if (env_likely(b && !env_load_relaxed(&b->slow_sync)))
		return 0;
	return sync_slow(binding, iova, len, dir, for_cpu, caller);
}

int pp_dma_alloc_coherent_at(pp_binding_t binding, size_t len, void **cpu, pp_iova_t *out,
			     const char *caller)
{
	struct call c = { "allocation of coherent memory",
			  binding,
			  NULL,
			  PP_IOVA_NONE,
			  len,
			  PP_DMA_BIDIRECTIONAL,
			  caller_of(caller) };
	struct binding *b;
	struct mapping *m;
	int ret;

	if (cpu)
		*cpu = NULL;
	if (out)
		*out = PP_IOVA_NONE;
	if (!cpu || !out)
		return refuse(&c, "there is nowhere to store the CPU's address or the DMA address");
	if (!len || len > SIZE_MAX / 2)
		return refuse(&c, "the length is 0 or wraps around");
	ret = enter(&b, &c, true);
	if (ret)
		return ret;
	ret = mappings_map(b, &m, MAPPING_COHERENT, NULL, len, PP_DMA_BIDIRECTIONAL, c.caller);
	if (!ret) {
		*cpu = m->addr;
		*out = m->iova;
	}
	binding_leave(b);
	return ret;
}

int pp_dma_free_coherent_at(pp_binding_t binding, size_t len, void *cpu, pp_iova_t iova,
			    const char *caller)
{
	struct call c = { "free of coherent memory", binding,          cpu, iova, len,
			  PP_DMA_BIDIRECTIONAL,      caller_of(caller) };

	if (!cpu)
		return refuse(&c, "its CPU address is NULL");
	return end_mapping(&c, MAPPING_COHERENT);
}
