/*
 * hash.c - see hash.h. Linear hashing: the buckets are split in two one after another, and joined
 * in the opposite order. Takes its memory from malloc(3) itself, because it keeps the books on the
 * rest.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/hash.h"

#include <stdlib.h>

#define JOINS 4u /* with each member that goes, so that no more than 4 buckets a member are left */

/* Where a segment is: group 0 has one, and group k has 2^(k - 1). */
static unsigned group_of(uint64_t segment)
{
	return segment ? 64u - (unsigned)__builtin_clzll(segment) : 0;
}

static uint64_t group_first(unsigned group)
{
	return group ? 1ull << (group - 1) : 0;
}

static struct hash_node ***segment_at(const struct hashtab *h, uint64_t segment)
{
	unsigned group = group_of(segment);

	return &h->group[group][segment - group_first(group)];
}

static struct hash_node **bucket_at(const struct hashtab *h, uint64_t i)
{
	return &(*segment_at(h, i / HASH_SEGMENT))[i % HASH_SEGMENT];
}

/* The buckets up to a power of two are split alike: those above have one bit more of the hash. */
static uint64_t index_of(const struct hashtab *h, uint64_t hash)
{
	unsigned bits = 64u - (unsigned)__builtin_clzll(h->n_buckets - 1);
	uint64_t i = hash & ((1ull << bits) - 1);

	return i < h->n_buckets ? i : i ^ 1ull << (bits - 1);
}

static void *zalloc(size_t bytes)
{
	return env_fault("alloc") ? NULL : calloc(1, bytes);
}

/* Room for a segment. False: no memory, and nothing is changed. */
static bool add_segment(struct hashtab *h, uint64_t segment)
{
	unsigned group = group_of(segment);
	bool fresh = !h->group[group];

	if (fresh)
		h->group[group] = zalloc((group ? group_first(group) : 1) * sizeof **h->group);
	if (!h->group[group])
		return false;
	*segment_at(h, segment) = zalloc(HASH_SEGMENT * sizeof ***h->group);
	if (*segment_at(h, segment))
		return true;
	if (fresh) {
		free(h->group[group]);
		h->group[group] = NULL;
	}
	return false;
}

static void drop_segment(struct hashtab *h, uint64_t segment)
{
	unsigned group = group_of(segment);

	free(*segment_at(h, segment));
	*segment_at(h, segment) = NULL;
	if (segment == group_first(group)) { /* the last of it to go */
		free(h->group[group]);
		h->group[group] = NULL;
	}
}

/* One bucket more: some of the members of another one. Stays as it is when there is no memory. */
static void split(struct hashtab *h)
{
	uint64_t new = h->n_buckets;
	unsigned bit = 63u - (unsigned)__builtin_clzll(new);
	struct hash_node **from, **to;

	if (new % HASH_SEGMENT == 0 && !add_segment(h, new / HASH_SEGMENT))
		return;
	h->n_buckets++;
	from = bucket_at(h, new ^ 1ull << bit);
	to = bucket_at(h, new);
	while (*from) {
		struct hash_node *node = *from;

		if (node->hash >> bit & 1) {
			*from = node->next;
			node->next = *to;
			*to = node;
		} else {
			from = &node->next;
		}
	}
}

/* The last bucket's members go back to where they came from. */
static void join(struct hashtab *h)
{
	uint64_t last = h->n_buckets - 1;
	unsigned bit = 63u - (unsigned)__builtin_clzll(last);
	struct hash_node **to = bucket_at(h, last ^ 1ull << bit), **from = bucket_at(h, last);

	while (*to)
		to = &(*to)->next;
	*to = *from;
	*from = NULL;
	h->n_buckets--;
	if (h->n_buckets % HASH_SEGMENT == 0)
		drop_segment(h, h->n_buckets / HASH_SEGMENT);
}

int hashtab_start(struct hashtab *h)
{
	if (h->n_buckets)
		return 0;
	if (!add_segment(h, 0))
		return -ENOMEM;
	h->n_buckets = HASH_SEGMENT;
	return 0;
}

void hashtab_add(struct hashtab *h, struct hash_node *node, uint64_t hash)
{
	struct hash_node **bucket;

	if (h->n >= h->n_buckets)
		split(h);
	bucket = bucket_at(h, index_of(h, hash));
	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	h->n++;
}

void hashtab_del(struct hashtab *h, struct hash_node *node)
{
	struct hash_node **p = bucket_at(h, index_of(h, node->hash));

	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	h->n--;
	for (unsigned i = 0; i < JOINS && h->n_buckets > HASH_SEGMENT && 4 * h->n < h->n_buckets;
	     i++)
		join(h);
}

void hashtab_end(struct hashtab *h)
{
	if (h->n)
		return;
	while (h->n_buckets > HASH_SEGMENT)
		join(h);
	if (h->n_buckets)
		drop_segment(h, 0);
	h->n_buckets = 0;
}

static struct hash_node *with_hash(struct hash_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *hashtab_find(const struct hashtab *h, uint64_t hash)
{
	return h->n ? with_hash(*bucket_at(h, index_of(h, hash)), hash) : NULL;
}

struct hash_node *hashtab_find_next(const struct hash_node *node)
{
	return with_hash(node->next, node->hash);
}

/* The first member of a bucket from i on. */
static struct hash_node *from_bucket(const struct hashtab *h, uint64_t i)
{
	for (; h->n && i < h->n_buckets; i++)
		if (*bucket_at(h, i))
			return *bucket_at(h, i);
	return NULL;
}

struct hash_node *hashtab_first(const struct hashtab *h)
{
	return from_bucket(h, 0);
}

struct hash_node *hashtab_next(const struct hashtab *h, const struct hash_node *node)
{
	return node->next ? node->next : from_bucket(h, index_of(h, node->hash) + 1);
}
