/*
 * layout.c - the layout of this kernel's structures: looks up members by name in its BTF.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "peek.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
	uint32_t bit;  /* from the structure's start */
	uint32_t bits; /* 0: there is no such member */
};

struct layout {
	struct btf *kernel;
	struct place member[N_MEMBERS];
	size_t size[N_TYPES];
};

static const struct {
	const char *type, *path;
} members[] = {
#define X(id, type, path) { type, path },
	MEMBERS(X)
#undef X
};

static const char *const types[] = {
#define X(name) #name,
	TYPES(X)
#undef X
};

/* Typedefs and qualifiers off. */
static const struct btf_type *plain(const struct btf *btf, uint32_t id, uint32_t *out)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t))) {
		id = t->type;
		t = btf__type_by_id(btf, id);
	}
	*out = id;
	return t;
}

/* The member called `name` (of `len` letters) of structure `id`; its type, or 0. */
static uint32_t find(const struct btf *btf, uint32_t id, const char *name, size_t len,
		     struct place *at)
{
	const struct btf_type *t = plain(btf, id, &id);

	if (!t || !btf_is_composite(t))
		return 0;
	for (unsigned i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *m = btf_members(t) + i;
		const char *called = btf__name_by_offset(btf, m->name_off);
		uint32_t bit = btf_member_bit_offset(t, i), type = m->type;
		struct place inner = { 0 };

		if (!*called) {
			type = find(btf, m->type, name, len, &inner);
			if (!type)
				continue;
			bit += inner.bit;
		} else if (strncmp(called, name, len) || called[len]) {
			continue;
		}
		at->bit = bit;
		at->bits = *called ? btf_member_bitfield_size(t, i) : inner.bits;
		return type;
	}
	return 0;
}

static struct place locate(const struct btf *btf, const char *type, const char *path)
{
	int32_t id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	struct place at = { 0 };
	uint32_t in = id > 0 ? (uint32_t)id : 0;

	while (in) {
		size_t len = strcspn(path, ".");
		struct place inner = { 0 };

		in = find(btf, in, path, len, &inner);
		at.bit += inner.bit;
		at.bits = inner.bits;
		if (!path[len])
			break;
		path += len + 1;
	}
	if (in && !at.bits) {
		int64_t size = btf__resolve_size(btf, in);

		/* an array without a size (bucket_table.buckets) is a place all the same */
		at.bits = size > 0 ? (uint32_t)size * 8 : 64;
	}
	return in ? at : (struct place){ 0 };
}

/* What a module has, and the kernel itself hasn't. */
static void add_module(struct layout *l, const char *module)
{
	struct btf *btf = btf__load_module_btf(module, l->kernel);

	if (!btf)
		return;
	for (size_t i = 0; i < N_MEMBERS; i++)
		if (!l->member[i].bits)
			l->member[i] = locate(btf, members[i].type, members[i].path);
	for (size_t i = 0; i < N_TYPES; i++) {
		int32_t id = btf__find_by_name_kind(btf, types[i], BTF_KIND_STRUCT);

		if (!l->size[i] && id > 0)
			l->size[i] = (size_t)btf__resolve_size(btf, (uint32_t)id);
	}
	btf__free(btf);
}

struct layout *layout_open(void)
{
	struct layout *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->kernel = btf__load_vmlinux_btf();
	if (!l->kernel) {
		int error = errno;

		free(l);
		errno = error;
		return NULL;
	}
	for (size_t i = 0; i < N_MEMBERS; i++)
		l->member[i] = locate(l->kernel, members[i].type, members[i].path);
	for (size_t i = 0; i < N_TYPES; i++) {
		int32_t id = btf__find_by_name_kind(l->kernel, types[i], BTF_KIND_STRUCT);

		l->size[i] = id > 0 ? (size_t)btf__resolve_size(l->kernel, (uint32_t)id) : 0;
	}
	add_module(l, "veth");
	add_module(l, "tun");
	return l;
}

void layout_close(struct layout *l)
{
	if (!l)
		return;
	btf__free(l->kernel);
	free(l);
}

bool layout_has(const struct layout *l, enum member m)
{
	return l->member[m].bits;
}

bool has(const struct peek *p, enum member m)
{
	return layout_has(peek_layout(p), m);
}

size_t offset_of(const struct peek *p, enum member m)
{
	return peek_layout(p)->member[m].bit / 8;
}

unsigned bit_of(const struct peek *p, enum member m)
{
	return peek_layout(p)->member[m].bit % 8;
}

size_t size_of(const struct peek *p, enum type t)
{
	return peek_layout(p)->size[t];
}

int64_t enumerator(const struct peek *p, const char *type, const char *name)
{
	const struct btf *btf = peek_layout(p)->kernel;
	int32_t id = btf__find_by_name_kind(btf, type, BTF_KIND_ENUM);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name))
			return btf_enum(t)[i].val;
	return -1;
}

/* BTF has a type for what each of them calls: btf_trace_NAME. */
bool has_trace_point(const struct peek *p, const char *name)
{
	char type[64];

	snprintf(type, sizeof type, "btf_trace_%s", name);
	return btf__find_by_name_kind(peek_layout(p)->kernel, type, BTF_KIND_TYPEDEF) > 0;
}

/* A bit-field counts from the lowest bit on little-endian machines, and lies in 8 bytes. */
static uint64_t extract(const uint8_t *from, struct place at)
{
	unsigned shift = at.bit % 8, bytes = (shift + at.bits + 7) / 8;
	uint64_t v = 0;

	memcpy(&v, from, bytes < 8 ? bytes : 8);
	v >>= shift;
	return at.bits < 64 ? v & ((1ull << at.bits) - 1) : v;
}

uint64_t member_in(const struct peek *p, const void *copy, enum member m)
{
	struct place at = peek_layout(p)->member[m];

	return at.bits ? extract((const uint8_t *)copy + at.bit / 8, at) : 0;
}

uint64_t member_at(struct peek *p, kaddr_t object, enum member m)
{
	struct place at = peek_layout(p)->member[m];
	uint8_t bytes[9] = { 0 };

	if (!at.bits || !object ||
	    !peek_read(p, object + at.bit / 8, bytes,
		       at.bits < 64 ? (at.bits + at.bit % 8 + 7) / 8 : 8))
		return 0;
	return extract(bytes, at);
}
