/*
 * ranges.c - see ranges.h. Has its memory from malloc(3) itself, as it keeps books of the rest.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/ranges.h"

#include <stdlib.h>

static struct range *slot_of(const struct ranges *r, const char *addr)
{
	size_t i = ((uintptr_t)addr >> 6) * 0x9E3779B97F4A7C15u >> 16;

	while (r->entry[i % r->size].addr && r->entry[i % r->size].addr != addr)
		i++;
	return &r->entry[i % r->size];
}

static bool grow(struct ranges *r)
{
	struct ranges old = *r;
	size_t size = old.size ? 2 * old.size : 1024;
	struct range *entry = calloc(size, sizeof *entry);

	if (!entry)
		return false;
	r->entry = entry;
	r->size = size;
	r->n = 0;
	for (size_t i = 0; i < old.size; i++)
		if (old.entry[i].len) {
			*slot_of(r, old.entry[i].addr) = old.entry[i];
			r->n++;
		}
	free(old.entry);
	return true;
}

bool ranges_note(struct ranges *r, void *addr, size_t len)
{
	bool room;

	env_lock(&r->lock);
	room = 2 * r->n < r->size || grow(r);
	if (room) {
		struct range *slot = slot_of(r, addr);

		r->n += !slot->addr;
		*slot = (struct range){ addr, len };
		env_store_relaxed(&r->used, true);
	}
	env_unlock(&r->lock);
	return room;
}

void ranges_forget(struct ranges *r, const void *addr)
{
	if (env_likely(!env_load_relaxed(&r->used)) || !addr)
		return;
	env_lock(&r->lock);
	slot_of(r, addr)->len = 0;
	env_unlock(&r->lock);
}

bool ranges_touch(struct ranges *r, const void *addr, size_t len)
{
	const char *from = addr;
	bool found = false;

	env_lock(&r->lock);
	for (size_t i = 0; i < r->size && !found; i++) {
		const struct range *o = &r->entry[i];

		found = o->len && from < o->addr + o->len && o->addr < from + len;
	}
	env_unlock(&r->lock);
	return found;
}

void ranges_each(struct ranges *r, void (*fn)(char *addr, size_t len))
{
	for (size_t i = 0; i < r->size; i++)
		if (r->entry[i].len)
			fn(r->entry[i].addr, r->entry[i].len);
}

void ranges_free(struct ranges *r)
{
	env_store_relaxed(&r->used, false);
	free(r->entry);
	r->entry = NULL;
	r->n = r->size = 0;
}
