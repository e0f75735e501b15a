/*
 * slab.c - records of one size. See slab.h. Uses env only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/slab.h"

struct piece {
	struct list link; /* among those with room, if it has */
	void *free;       /* records that were freed, each pointing to the next */
	unsigned used;    /* records in use */
	unsigned fresh;   /* records never used, behind all others */
};

static struct piece *piece_of(void *record)
{
	return (struct piece *)((uintptr_t)record & ~(uintptr_t)(SLAB_BYTES - 1));
}

static unsigned records(const struct slab *s)
{
	return (unsigned)((SLAB_BYTES - sizeof(struct piece)) / s->size);
}

static struct piece *piece_new(struct slab *s)
{
	struct piece *p = env_zalloc_aligned(SLAB_BYTES, SLAB_BYTES);

	if (!p)
		return NULL;
	p->fresh = records(s);
	list_add(&p->link, &s->room);
	s->empty++;
	return p;
}

static void piece_free(struct slab *s, struct piece *p)
{
	list_del(&p->link);
	s->empty--;
	env_free(p);
}

void slab_init(struct slab *s, size_t size)
{
	*s = (struct slab){ .size = size };
	list_init(&s->room);
}

void *slab_alloc(struct slab *s)
{
	struct piece *p;
	void *record;

	if (list_empty(&s->room)) {
		p = piece_new(s);
	} else {
		p = list_entry(s->room.next, struct piece, link);
		if (env_fault("alloc")) /* any record may be the one that isn't there */
			return NULL;
	}
	if (!p)
		return NULL;
	record = p->free;
	if (record)
		p->free = *(void **)record;
	else
		record = (char *)(p + 1) + (records(s) - p->fresh--) * s->size;
	if (!p->used++)
		s->empty--;
	if (p->used == records(s))
		list_del(&p->link);
	return memset(record, 0, s->size);
}

void slab_free(struct slab *s, void *record)
{
	struct piece *p = piece_of(record);

	*(void **)record = p->free;
	p->free = record;
	if (p->used-- == records(s))
		list_add(&p->link, &s->room);
	if (p->used)
		return;
	s->empty++;
	list_del(&p->link);
	list_add_tail(&p->link, &s->room);
	if (s->empty > s->keep)
		piece_free(s, p);
}

void slab_keep(struct slab *s, bool keep)
{
	s->keep = keep;
	while (!keep && s->empty)
		piece_free(s, list_entry(s->room.prev, struct piece, link));
}
