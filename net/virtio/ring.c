/*
 * ring.c - the driver's side of a split virtqueue. See ring.h.
 *
 * Uses the public headers and libc.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "ring.h"

#include <endian.h>
#include <string.h>

#include "mmio.h"

/* One piece of memory: descriptors, what is available, what is used; aligned as 2.7 asks for. */
static size_t avail_at(unsigned size)
{
	return size * sizeof(struct virtio_desc);
}

static size_t used_at(unsigned size)
{
	return avail_at(size) + (sizeof(struct virtio_avail) + 2 * size + 2 + 3) / 4 * 4;
}

static size_t ring_bytes(unsigned size)
{
	return used_at(size) + sizeof(struct virtio_used) + size * sizeof(struct virtio_used_elem) +
	       2;
}

int ring_make(struct ring *r, pp_binding_t binding, unsigned size)
{
	char *memory;
	int ret;

	memset(r, 0, sizeof *r);
	ret = pp_dma_alloc_coherent(binding, ring_bytes(size), (void **)&memory, &r->desc_iova);
	if (ret)
		return ret;
	r->desc = (struct virtio_desc *)memory;
	r->avail = (struct virtio_avail *)(memory + avail_at(size));
	r->used = (struct virtio_used *)(memory + used_at(size));
	r->avail_iova = r->desc_iova + avail_at(size);
	r->used_iova = r->desc_iova + used_at(size);
	r->size = r->n_free = size;
	for (unsigned i = 0; i < size; i++)
		r->slot[i].next = (uint16_t)(i + 1);
	ring_interrupts(r, false);
	return 0;
}

void ring_free(struct ring *r, pp_binding_t binding)
{
	if (r->desc)
		pp_dma_free_coherent(binding, ring_bytes(r->size), r->desc, r->desc_iova);
	r->desc = NULL;
}

unsigned ring_forget(struct ring *r)
{
	unsigned chains = r->chains;

	for (unsigned i = 0; i < r->size; i++)
		if (r->slot[i].given)
			ring_drop(r, i);
	r->desc = NULL;
	r->chains = r->size = 0;
	return chains;
}

/* ---- given to the device -------------------------------------------------------------------- */

static void chain(struct ring *r, unsigned from, unsigned to)
{
	struct ring_slot *s = &r->slot[from];
	struct virtio_desc *d = &r->desc[from];

	s->more = true;
	s->next = (uint16_t)to;
	d->next = htole16((uint16_t)to);
	d->flags = htole16(VIRTIO_DESC_NEXT | (s->write ? VIRTIO_DESC_WRITE : 0));
}

void ring_add(struct ring *r, bool first, pp_iova_t addr, uint32_t len, bool write,
	      struct pp_page *page)
{
	unsigned id = r->free;
	struct ring_slot *s = &r->slot[id];

	r->free = s->next;
	r->n_free--;
	r->pages += !!page;
	*s = (struct ring_slot){ .page = page, .len = len, .write = write };
	r->desc[id] = (struct virtio_desc){ .addr = htole64(addr),
					    .len = htole32(len),
					    .flags = htole16(write ? VIRTIO_DESC_WRITE : 0) };
	if (first)
		r->head = id;
	else
		chain(r, r->tail, id);
	r->tail = id;
}

void ring_end(struct ring *r)
{
	r->slot[r->head].given = true;
	r->avail->head[r->n_avail++ % r->size] = htole16((uint16_t)r->head);
	r->chains++;
}

/*
 * The device reads the index, then what it tells of (2.7.13): the release pairs with that. And it
 * turns its wish not to be told off, then looks at the index: the fence pairs with that (2.7.13.4).
 */
void ring_tell(struct ring *r)
{
	uint16_t flags;

	if (r->notified == r->n_avail)
		return;
	r->notified = r->n_avail;
	__atomic_store_n(&r->avail->idx, htole16(r->n_avail), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags = le16toh(__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED));
	if (!(flags & VIRTIO_USED_NO_NOTIFY))
		ring_poke(r);
}

void ring_poke(const struct ring *r)
{
	mmio_write(r->notify, 16, r->index);
}

/* The device writes its index, then looks at the flags: the fence pairs with that (2.7.7). */
void ring_interrupts(struct ring *r, bool on)
{
	__atomic_store_n(&r->avail->flags, htole16(on ? 0 : VIRTIO_AVAIL_NO_INTERRUPT),
			 __ATOMIC_RELAXED);
	if (on)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- taken back ----------------------------------------------------------------------------- */

/* The device writes an element, then the index: the acquire pairs with that (2.7.8). */
int ring_look(const struct ring *r)
{
	uint16_t idx = le16toh(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE));
	unsigned n = (uint16_t)(idx - r->n_used);

	return n > r->chains ? -1 : (int)n;
}

int ring_take(struct ring *r, uint32_t *len)
{
	const struct virtio_used_elem *e = &r->used->elem[r->n_used++ % r->size];
	uint32_t id = le32toh(__atomic_load_n(&e->id, __ATOMIC_RELAXED));

	*len = le32toh(__atomic_load_n(&e->len, __ATOMIC_RELAXED));
	if (id >= r->size || !r->slot[id].given)
		return -1;
	r->slot[id].given = false;
	r->chains--;
	return (int)id;
}

static void set_free(struct ring *r, unsigned id)
{
	r->slot[id] = (struct ring_slot){ .next = (uint16_t)r->free };
	r->free = id;
	r->n_free++;
}

uint64_t ring_drop(struct ring *r, unsigned head)
{
	uint64_t bytes = 0;
	bool more = true;

	for (unsigned id = head; more;) {
		const struct ring_slot s = r->slot[id];

		if (s.page) {
			bytes += s.len;
			r->pages--;
			pp_page_put(s.page);
		}
		set_free(r, id);
		more = s.more;
		id = s.next;
	}
	return bytes;
}

struct pp_page *ring_page(struct ring *r, unsigned head)
{
	struct pp_page *page = r->slot[head].page;

	r->pages--;
	set_free(r, head);
	return page;
}
