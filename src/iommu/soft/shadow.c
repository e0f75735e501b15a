/*
 * shadow.c - memory as an incoherent device sees it. See soft.h. Uses env only; its
 * caller locks.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/soft/soft.h"

#define NEVER_SYNCED 0xDB

struct shadow_page {
	struct shadow_page *next;
	const char *of; /* the page of memory it shadows */
	char bytes[PP_BASE_PAGE];
};

static uint64_t bucket_of(const struct shadow *s, const char *page)
{
	return (((uintptr_t)page >> 12) * 0x9E3779B97F4A7C15u >> 20) & (s->n_buckets - 1);
}

/* Twice the buckets; stays as it is when there is no memory. */
static void grow(struct shadow *s)
{
	struct shadow bigger = { .n = s->n, .n_buckets = s->n_buckets ? 2 * s->n_buckets : 64 };

	bigger.bucket = env_zalloc(bigger.n_buckets * sizeof(void *));
	if (!bigger.bucket)
		return;
	for (uint64_t i = 0; i < s->n_buckets; i++)
		for (struct shadow_page *p = s->bucket[i], *next; p; p = next) {
			uint64_t b = bucket_of(&bigger, p->of);

			next = p->next;
			p->next = bigger.bucket[b];
			bigger.bucket[b] = p;
		}
	env_free(s->bucket);
	*s = bigger;
}

char *shadow_of(struct shadow *s, const char *page)
{
	struct shadow_page *p = NULL;
	uint64_t b;

	if (s->n >= s->n_buckets)
		grow(s);
	if (!s->n_buckets)
		return NULL;
	b = bucket_of(s, page);
	for (p = s->bucket[b]; p; p = p->next)
		if (p->of == page)
			return p->bytes;
	p = env_zalloc(sizeof *p);
	if (!p)
		return NULL;
	p->of = page;
	memset(p->bytes, NEVER_SYNCED, sizeof p->bytes);
	p->next = s->bucket[b];
	s->bucket[b] = p;
	s->n++;
	return p->bytes;
}

void shadow_sync(struct shadow *s, char *addr, size_t len, bool for_cpu)
{
	while (len) {
		size_t off = (uintptr_t)addr & (PP_BASE_PAGE - 1);
		size_t n = PP_BASE_PAGE - off < len ? PP_BASE_PAGE - off : len;
		char *copy = shadow_of(s, addr - off);

		if (copy && for_cpu)
			memcpy(addr, copy + off, n);
		else if (copy)
			memcpy(copy + off, addr, n);
		addr += n;
		len -= n;
	}
}

void shadow_drop(struct shadow *s, const char *addr, size_t len)
{
	for (size_t off = 0; off < len && s->n; off += PP_BASE_PAGE) {
		struct shadow_page **p = &s->bucket[bucket_of(s, addr + off)];

		while (*p && (*p)->of != addr + off)
			p = &(*p)->next;
		if (*p) {
			struct shadow_page *gone = *p;

			*p = gone->next;
			env_free(gone);
			s->n--;
		}
	}
	if (!s->n)
		shadow_free(s);
}

void shadow_free(struct shadow *s)
{
	for (uint64_t i = 0; i < s->n_buckets; i++)
		while (s->bucket[i]) {
			struct shadow_page *gone = s->bucket[i];

			s->bucket[i] = gone->next;
			env_free(gone);
		}
	env_free(s->bucket);
	*s = (struct shadow){ 0 };
}

uint64_t shadow_bytes(const struct shadow *s)
{
	return s->n * sizeof(struct shadow_page) + s->n_buckets * sizeof(void *);
}
