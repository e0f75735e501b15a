/*
 * hash.h - a hash table with the links in the members, in which every call is bounded: it grows by
 * one bucket with each member that is added, shrinks by a few with each that is removed, and is
 * never rehashed as a whole. No locking of its own.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_HASH_H
#define ENV_HASH_H

#include "env/env.h"

#define HASH_SEGMENT 256u /* buckets that are allocated together */

struct hash_node {
	struct hash_node *next;
	uint64_t hash; /* of its key, the caller's: all bits count alike */
};

/*
 * Buckets are in segments and segments in groups, each as large as all groups before it together.
 * All zero is an empty table.
 */
struct hashtab {
	struct hash_node ***group[48];
	uint64_t n, n_buckets; /* a bucket for each member at least, HASH_SEGMENT to begin with */
};

/* The key's bits, mixed: no two keys have the same. */
static inline uint64_t hash_of(uint64_t key)
{
	key *= 0x9E3779B97F4A7C15u;
	return key ^ key >> 32;
}

/* Memory for the table, if it has none, until hashtab_end. 0 or -ENOMEM. */
int hashtab_start(struct hashtab *h);
/* Add a member with this hash. If there is no memory to grow, the table keeps its size. */
void hashtab_add(struct hashtab *h, struct hash_node *node, uint64_t hash);
/* It is there. */
void hashtab_del(struct hashtab *h, struct hash_node *node);
/* The memory goes, if the table is empty. */
void hashtab_end(struct hashtab *h);
/* A member with this hash, or NULL. Where hashes aren't unique, find_next gives the others. */
struct hash_node *hashtab_find(const struct hashtab *h, uint64_t hash);
struct hash_node *hashtab_find_next(const struct hash_node *node);
/* Any of them, and another; or NULL. Goes through all. */
struct hash_node *hashtab_first(const struct hashtab *h);
struct hash_node *hashtab_next(const struct hashtab *h, const struct hash_node *node);

#define hashtab_for_each(pos, h)                                                                   \
	for (struct hash_node *pos = hashtab_first(h); pos; pos = hashtab_next(h, pos))

#endif
