/*
 * ranges.c - see ranges.h. Takes its memory from malloc(3) itself, because it keeps the books on
 * the rest.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/ranges.h"

#include <stdlib.h>

struct range {
	struct hash_node node;
	char *addr;
	size_t len;
};

static struct range *range_of(struct hash_node *node)
{
	return env_container_of(node, struct range, node);
}

static struct range *find(const struct ranges *r, const void *addr)
{
	struct hash_node *node = hashtab_find(&r->hash, hash_of((uintptr_t)addr));

	return node ? range_of(node) : NULL;
}

static struct range *add(struct ranges *r, char *addr)
{
	struct range *range = NULL;

	if (!hashtab_start(&r->hash))
		range = malloc(sizeof *range);
	if (!range)
		return NULL;
	range->addr = addr;
	hashtab_add(&r->hash, &range->node, hash_of((uintptr_t)addr));
	env_store_relaxed(&r->used, true);
	return range;
}

bool ranges_note(struct ranges *r, void *addr, size_t len)
{
	struct range *range;

	env_lock(&r->lock);
	range = find(r, addr);
	if (!range)
		range = add(r, addr);
	if (range)
		range->len = len;
	env_unlock(&r->lock);
	return range;
}

static void forget(struct ranges *r, struct range *range)
{
	hashtab_del(&r->hash, &range->node);
	free(range);
}

void ranges_forget(struct ranges *r, const void *addr)
{
	struct range *range;

	if (env_likely(!env_load_relaxed(&r->used)) || !addr)
		return;
	env_lock(&r->lock);
	range = find(r, addr);
	if (range)
		forget(r, range);
	env_unlock(&r->lock);
}

bool ranges_touch(struct ranges *r, const void *addr, size_t len)
{
	const char *from = addr;
	bool found = false;

	env_lock(&r->lock);
	hashtab_for_each(node, &r->hash) {
		const struct range *o = range_of(node);

		found |= from < o->addr + o->len && o->addr < from + len;
	}
	env_unlock(&r->lock);
	return found;
}

void ranges_each(struct ranges *r, void (*fn)(char *addr, size_t len))
{
	hashtab_for_each(node, &r->hash)
		fn(range_of(node)->addr, range_of(node)->len);
}

void ranges_free(struct ranges *r)
{
	struct hash_node *node;

	env_store_relaxed(&r->used, false);
	while ((node = hashtab_first(&r->hash)))
		forget(r, range_of(node));
	hashtab_end(&r->hash);
}
