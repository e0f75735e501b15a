/*
 * shadow.c - memory as an incoherent device sees it. See soft.h. Uses env only; its caller locks.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/soft/soft.h"

#define NEVER_SYNCED 0xDB

void shadow_init(struct shadow *s)
{
	*s = (struct shadow){ 0 };
	list_init(&s->all);
}

static struct shadow_page *find(const struct shadow *s, pp_iova_t page)
{
	struct hash_node *node = hashtab_find(&s->pages, hash_of(page));

	return node ? env_container_of(node, struct shadow_page, node) : NULL;
}

static struct shadow_page *add(struct shadow *s, pp_iova_t page)
{
	struct shadow_page *p;

	if (hashtab_start(&s->pages))
		return NULL;
	p = env_zalloc(sizeof *p);
	if (!p) {
		hashtab_end(&s->pages);
		return NULL;
	}
	p->iova = page;
	memset(p->bytes, NEVER_SYNCED, sizeof p->bytes);
	hashtab_add(&s->pages, &p->node, hash_of(page));
	list_add(&p->link, &s->all);
	return p;
}

static void del(struct shadow *s, struct shadow_page *p)
{
	hashtab_del(&s->pages, &p->node);
	list_del(&p->link);
	env_free(p);
	hashtab_end(&s->pages);
}

struct shadow_page *shadow_of(struct shadow *s, pp_iova_t page)
{
	struct shadow_page *p = find(s, page);

	return p ? p : add(s, page);
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

/* Unless it is mapped in `but`. Returns how many bytes that the device wrote were lost. */
static size_t drop(struct shadow *s, struct shadow_page *p, const struct table *but)
{
	size_t lost = lines_bytes(p->dirty);
	struct leaf leaf;

	if (but && table_walk(but, p->iova, &leaf))
		return 0;
	del(s, p);
	return lost;
}

size_t shadow_drop(struct shadow *s, pp_iova_t iova, size_t len, const struct table *but)
{
	size_t lost = 0;

	if (len / PP_BASE_PAGE <= s->pages.n) {
		for (size_t off = 0; off < len; off += PP_BASE_PAGE) {
			struct shadow_page *p = find(s, iova + off);

			lost += p ? drop(s, p, but) : 0;
		}
		return lost;
	}
	list_for_each_safe(pos, &s->all) {
		struct shadow_page *p = list_entry(pos, struct shadow_page, link);

		if (p->iova - iova < len)
			lost += drop(s, p, but);
	}
	return lost;
}

void shadow_free(struct shadow *s)
{
	list_for_each_safe(pos, &s->all)
		del(s, list_entry(pos, struct shadow_page, link));
}

uint64_t shadow_bytes(const struct shadow *s)
{
	return s->pages.n * sizeof(struct shadow_page) + s->pages.n_buckets * sizeof(void *);
}
