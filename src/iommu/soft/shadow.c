/*
 * shadow.c - memory as an incoherent device sees it. See soft.h. Uses env only; its
 * caller locks.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/soft/soft.h"

#define NEVER_SYNCED 0xDB

static uint64_t bucket_of(const struct shadow *s, pp_iova_t page)
{
	return ((page >> 12) * 0x9E3779B97F4A7C15u >> 20) & (s->n_buckets - 1);
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
			uint64_t b = bucket_of(&bigger, p->iova);

			next = p->next;
			p->next = bigger.bucket[b];
			bigger.bucket[b] = p;
		}
	env_free(s->bucket);
	*s = bigger;
}

struct shadow_page *shadow_of(struct shadow *s, pp_iova_t page)
{
	struct shadow_page *p = NULL;
	uint64_t b;

	if (s->n >= s->n_buckets)
		grow(s);
	if (!s->n_buckets)
		return NULL;
	b = bucket_of(s, page);
	for (p = s->bucket[b]; p; p = p->next)
		if (p->iova == page)
			return p;
	p = env_zalloc(sizeof *p);
	if (!p)
		return NULL;
	p->iova = page;
	memset(p->bytes, NEVER_SYNCED, sizeof p->bytes);
	p->next = s->bucket[b];
	s->bucket[b] = p;
	s->n++;
	return p;
}

uint64_t shadow_lines(size_t off, size_t len)
{
	size_t first = off / 64, last = (off + len - 1) / 64;

	return (last == 63 ? ~0ull : (1ull << (last + 1)) - 1) & ~((1ull << first) - 1);
}

static size_t lines_bytes(uint64_t lines)
{
	return 64 * (size_t)__builtin_popcountll(lines);
}

size_t shadow_sync(struct shadow *s, pp_iova_t iova, char *addr, size_t len, bool for_cpu)
{
	size_t lost = 0;

	while (len) {
		size_t off = iova & (PP_BASE_PAGE - 1);
		size_t n = PP_BASE_PAGE - off < len ? PP_BASE_PAGE - off : len;
		struct shadow_page *p = shadow_of(s, iova - off);

		if (p && for_cpu)
			memcpy(addr, p->bytes + off, n);
		else if (p)
			memcpy(p->bytes + off, addr, n);
		if (p && !for_cpu)
			lost += lines_bytes(p->dirty & shadow_lines(off, n));
		if (p)
			p->dirty &= ~shadow_lines(off, n);
		iova += n;
		addr += n;
		len -= n;
	}
	return lost;
}

/* Take out what lies in a range of one chain and isn't mapped in `but`. */
static size_t drop_from(struct shadow *s, struct shadow_page **p, pp_iova_t iova, size_t len,
			const struct table *but)
{
	struct leaf leaf;
	size_t lost = 0;

	while (*p) {
		struct shadow_page *gone = *p;

		if (gone->iova - iova >= len || (but && table_walk(but, gone->iova, &leaf))) {
			p = &gone->next;
			continue;
		}
		*p = gone->next;
		lost += lines_bytes(gone->dirty);
		env_free(gone);
		s->n--;
	}
	return lost;
}

size_t shadow_drop(struct shadow *s, pp_iova_t iova, size_t len, const struct table *but)
{
	size_t lost = 0;

	if (len / PP_BASE_PAGE > s->n_buckets)
		for (uint64_t i = 0; i < s->n_buckets; i++)
			lost += drop_from(s, &s->bucket[i], iova, len, but);
	else
		for (size_t off = 0; off < len; off += PP_BASE_PAGE)
			lost += drop_from(s, &s->bucket[bucket_of(s, iova + off)], iova + off,
					  PP_BASE_PAGE, but);
	if (!s->n)
		shadow_free(s);
	return lost;
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
