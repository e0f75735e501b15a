/*
 * watch.c - debug mode `pages`: who holds each page in flight, and since when.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

#include <stdio.h>

#include "env/debug.h"

static struct holder *holder_of(const struct pp_page *page)
{
	return page->chunk->holder ? &page->chunk->holder[page->index] : NULL;
}

void watch_get(struct pp_page *page, const void *place)
{
	struct holder *h = holder_of(page);

	h->place = place;
	h->time_ns = env_now_ns();
	h->thread = env_thread_id();
	env_store_relaxed(&h->tag, NULL);
}

void pp_page_tag(struct pp_page *page, const char *tag)
{
	struct holder *h = holder_of(page);

	if (h)
		env_store_relaxed(&h->tag, tag);
}

void watch_double_put(const struct pp_page *page)
{
	const struct holder *h = holder_of(page);
	char where[256];
	bool begun = debug_report(PP_DEBUG_PAGES | PP_DEBUG_DMA,
				  "pool %s: page %p, DMA address 0x%llx, %u bytes, was put twice",
				  page->pool->name, (void *)page->addr,
				  (unsigned long long)page->iova, page->pool->page_size);

	if (h)
		debug_note(begun, "  got last at %s by thread %d",
			   env_symbol(h->place, where, sizeof where), h->thread);
	debug_done(begun);
}

/* ---- the dump: pages in flight by holder ------------------------------------------------ */

struct group {
	const void *place;
	const char *tag;
	uint64_t n, oldest;
	int thread; /* of the oldest */
};

#define GROUPS 64 /* what has more holders than that is summed up in the last one */

struct dump {
	int fd;
	uint64_t total;
};

static void group_add(struct group *group, unsigned *n, const struct holder *h)
{
	const char *tag = env_load_relaxed(&h->tag);
	unsigned i = 0;

	while (i < *n && i < GROUPS - 1 && (group[i].place != h->place || group[i].tag != tag))
		i++;
	if (i == *n)
		group[(*n)++] = (struct group){ h->place, tag, 0, h->time_ns, h->thread };
	group[i].n++;
	if (h->time_ns < group[i].oldest) {
		group[i].oldest = h->time_ns;
		group[i].thread = h->thread;
	}
}

static unsigned group_pages(struct pp_pool *pool, struct group *group)
{
	unsigned n = 0;

	list_for_each(pos, &pool->chunks) {
		struct chunk *c = list_entry(pos, struct chunk, link);

		for (uint32_t i = 0; i < c->n_pages; i++)
			if (!(env_load_acquire(&c->home[i / 64]) >> i % 64 & 1))
				group_add(group, &n, &c->holder[i]);
	}
	return n;
}

static void dump_pool(struct pp_pool *pool, void *ctx)
{
	struct group group[GROUPS];
	struct dump *dump = ctx;
	char text[640], where[256];
	uint64_t now = env_now_ns();
	unsigned n;

	if (!pool->watch)
		return;
	pool_lock(pool);
	n = group_pages(pool, group);
	for (unsigned i = 0; i < n; i++) {
		int len = snprintf(text, sizeof text,
				   "pool %s%s: %llu pages in flight, got at %s%s%s; the oldest %.3f s ago by thread %d\n",
				   pool->name, pool->revoked ? " (revoked)" : "",
				   (unsigned long long)group[i].n,
				   env_symbol(group[i].place, where, sizeof where),
				   group[i].tag ? ", tagged " : "", group[i].tag ? group[i].tag : "",
				   (double)(now - group[i].oldest) / 1e9, group[i].thread);

		env_write(dump->fd, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
		dump->total += group[i].n;
	}
	pool_unlock(pool);
}

uint64_t pp_debug_dump_pages(int fd)
{
	struct dump dump = { .fd = fd };

	pools_each(dump_pool, &dump);
	return dump.total;
}
