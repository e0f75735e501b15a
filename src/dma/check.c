/*
 * check.c - the checker of DMA calls. See check.h. The classes are those of the kernel's
 * dma-debug (kernel/dma/debug.c) as far as they have a meaning here, and some more.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "dma/check.h"

#include <stdio.h>

#include "env/debug.h"

/* ---- unmap, sync ------------------------------------------------------------------------ */

static void found(struct finding *f, const char *what, const struct mapping *m)
{
	f->what = what;
	f->have_mapping = m != NULL;
	if (m)
		f->mapping = *m;
}

/* Nothing is mapped at an address: what may be said about it. */
static void found_nothing(struct finding *f, struct binding *b, pp_iova_t iova)
{
	const struct ended *e = mappings_find_ended(b, iova);

	if (iova == PP_IOVA_NONE) {
		f->what = "the address is the error value of a map that failed and wasn't checked";
	} else if (e) {
		f->what = "nothing is mapped there any more";
		f->have_ended = true;
		f->ended = *e;
	} else {
		f->what = "nothing is mapped there";
	}
}

void check_unmap(struct finding *f, struct binding *b, const struct call *c, enum mapping_kind kind)
{
	const struct mapping *m = mappings_find(b, c->iova);

	*f = (struct finding){ 0 };
	if (!m)
		found_nothing(f, b, c->iova);
	else if (m->kind == MAPPING_POOL)
		found(f, "the memory is a pool's", m);
	else if (m->iova != c->iova)
		found(f, "it isn't where the mapping begins", m);
	else if (m->kind != kind)
		found(f,
		      kind == MAPPING_COHERENT ? "it was mapped, not allocated as coherent memory" :
						 "it was allocated as coherent memory, not mapped",
		      m);
	else if (m->len != c->len)
		found(f, "it was mapped with another size", m);
	else if (c->cpu && m->addr != c->cpu)
		found(f, "its CPU address is another", m);
	else if (m->dir != c->dir)
		found(f, "it was mapped in another direction", m);
}

void check_sync(struct finding *f, struct binding *b, const struct call *c, bool for_cpu)
{
	const struct mapping *m = mappings_find(b, c->iova);

	*f = (struct finding){ 0 };
	if (!m || c->iova < m->iova || c->iova - m->iova >= m->len) {
		found_nothing(f, b, c->iova);
		f->have_mapping = m != NULL;
		if (m)
			f->mapping = *m;
	} else if (c->len > m->len - (c->iova - m->iova)) {
		found(f, "it goes past the end of the mapping", m);
	} else if (for_cpu && m->dir == PP_DMA_TO_DEVICE) {
		found(f, "the device never writes there", m);
	} else if (!for_cpu && m->dir == PP_DMA_FROM_DEVICE && c->dir != PP_DMA_FROM_DEVICE) {
		found(f, "the device never reads there", m);
	} else if (m->dir != PP_DMA_BIDIRECTIONAL && m->dir != c->dir) {
		found(f, "it was mapped in another direction", m);
	}
}

/* ---- map ---------------------------------------------------------------------------------- */

bool check_memory(struct finding *f, const struct call *c)
{
	int access = env_memory_access(c->cpu, c->len);

	*f = (struct finding){ 0 };
	if (access < 0)
		f->what = "there is no memory at all of that range";
	else if (c->dir != PP_DMA_TO_DEVICE && access == ENV_READ)
		f->what = "the device could write, and the memory is read-only";
	else if (env_is_ours(c->cpu, c->len))
		f->what = "the memory is the library's own";
	if (f->what)
		return true;
	if (env_is_stack(c->cpu)) /* allowed, but hardly meant */
		f->what = "the memory is on the calling thread's stack";
	return false;
}

void check_overlap(struct finding *f, struct binding *b, const struct call *c)
{
	const struct mapping *m = mappings_find_overlap(b, c->cpu, c->len);

	if (m && (m->dir != PP_DMA_TO_DEVICE || c->dir != PP_DMA_TO_DEVICE))
		found(f, "the memory is mapped already, and one of the two lets the device write",
		      m);
}

/* ---- reporting ------------------------------------------------------------------------- */

struct search {
	pp_iova_t iova;
	pp_binding_t not_in;
	char name[32]; /* the device that has it mapped; "": none */
};

static void look_in(struct binding *b, void *ctx)
{
	struct search *s = ctx;
	const struct mapping *m = b->id == s->not_in.id ? NULL : mappings_find(b, s->iova);

	if (m)
		strncpy(s->name, pp_device_name(b->dev), sizeof s->name - 1);
}

static void note_mapping(struct report *r, const struct mapping *m)
{
	debug_note(r, "  mapped: DMA address 0x%llx, %zu bytes at %p, %s, %s, at %s",
		   (unsigned long long)m->iova, m->len, (void *)m->addr, mapping_dir_name(m->dir),
		   mapping_kind_name(m->kind), m->caller);
}

/* What the call was made with, as far as it has it: address, length, memory, direction. */
static const char *call_words(const struct call *c, char *buf, size_t size)
{
	bool dir_valid = (unsigned)c->dir <= PP_DMA_FROM_DEVICE;
	char iova[40] = "", cpu[32] = "";

	if (c->iova != PP_IOVA_NONE)
		snprintf(iova, sizeof iova, "DMA address 0x%llx, ", (unsigned long long)c->iova);
	if (c->cpu)
		snprintf(cpu, sizeof cpu, " at %p", c->cpu);
	snprintf(buf, size, "%s%zu bytes%s, %s", iova, c->len, cpu,
		 dir_valid ? mapping_dir_name(c->dir) : "no direction");
	return buf;
}

void check_report(const struct finding *f, const struct call *c)
{
	struct search other = { .iova = c->iova, .not_in = c->binding };
	char device[32], words[128], key[256];
	struct report *r;

	if (!f->what || !debug_on(PP_DEBUG_DMA))
		return;
	if (c->iova != PP_IOVA_NONE && !f->have_mapping && !f->have_ended)
		binding_each(look_in, &other);
	binding_device_name(c->binding, device, sizeof device);
	snprintf(key, sizeof key, "%s %s", c->caller, f->what);
	r = debug_report(PP_DEBUG_DMA, key, "device %s: %s: %s: %s, at %s", device, c->name,
			 f->what, call_words(c, words, sizeof words), c->caller);
	if (f->have_mapping)
		note_mapping(r, &f->mapping);
	if (f->have_ended)
		debug_note(r,
			   "  %zu bytes were mapped there at %s, and unmapped at %s by thread %d",
			   f->ended.len, f->ended.mapped_at, f->ended.unmapped_at, f->ended.thread);
	if (other.name[0])
		debug_note(r, "  it is mapped in another binding, of device %s", other.name);
	debug_done(r);
}

void check_say(const struct call *c, const char *what)
{
	struct finding f = { .what = what };

	check_report(&f, c);
}
