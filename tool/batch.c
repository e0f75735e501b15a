/*
 * batch.c - frames of a capture file, gathered for one write. See batch.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "batch.h"

#include <string.h>

#define IS_NOTE (1u << 31) /* in a frame's size */

void batch_open(struct batch *b, uint64_t offset)
{
	b->n_frames = b->n_iov = b->n_pages = b->iov_done = b->copied = 0;
	b->bytes = b->written = 0;
	b->offset = offset;
	b->state = OPEN;
}

bool batch_has_room(const struct batch *b, unsigned n)
{
	return b->n_frames < BATCH_PACKETS && b->n_iov + n + 2 <= BATCH_IOV;
}

uint32_t batch_restore_tag(struct packet *p, uint8_t *at)
{
	struct pp_net_seg *seg = &p->first;
	const uint8_t tag[4] = { (uint8_t)(seg->vlan_tpid >> 8), (uint8_t)seg->vlan_tpid,
				 (uint8_t)(seg->vlan_tci >> 8), (uint8_t)seg->vlan_tci };

	if (!(seg->flags & PP_NET_VLAN) || seg->len < 12)
		return 0;
	memcpy(at, batch_bytes(seg), 12);
	memcpy(at + 12, tag, 4);
	seg->offset += 12;
	seg->len -= 12;
	seg->room += 12;
	return BATCH_TAGGED;
}

static void add_vector(struct batch *b, void *bytes, size_t len)
{
	if (len)
		b->iov[b->n_iov++] = (struct iovec){ bytes, len };
}

/* The head goes before the packet, into the page: one vector with it. */
static void add_in_place(struct batch *b, const struct packet *p)
{
	struct frame *f = p->frame;
	char *at = batch_bytes(&p->first) - f->head_len;

	memcpy(at, f->head, f->head_len);
	add_vector(b, at, f->head_len + p->len);
	add_vector(b, f->tail, f->tail_len);
	b->page[b->n_pages++] = p->first.page;
}

/* The head, the packet's pages, the tail as vectors of their own. */
static void add_by_reference(struct batch *b, const struct packet *p)
{
	struct frame *f = p->frame;
	uint32_t left = p->len;

	add_vector(b, f->head, f->head_len);
	for (unsigned i = 0; i < p->n; i++) {
		const struct pp_net_seg *seg = i ? &p->seg[i] : &p->first;
		uint32_t here = seg->len < left ? seg->len : left;

		add_vector(b, batch_bytes(seg), here);
		b->page[b->n_pages++] = seg->page;
		left -= here;
	}
	add_vector(b, f->tail, f->tail_len);
}

static char *append(char *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

/* All copied, behind what was copied last: if nothing came in between it is the same vector. */
static void add_by_copy(struct batch *b, const struct frame *f, const void *bytes, uint32_t len)
{
	char *at = b->copy + b->copied, *end = append(at, f->head, f->head_len);
	struct iovec *last = b->n_iov ? &b->iov[b->n_iov - 1] : NULL;

	end = append(append(end, bytes, len), f->tail, f->tail_len);
	b->copied += (unsigned)(end - at);
	if (last && (char *)last->iov_base + last->iov_len == at)
		last->iov_len += (size_t)(end - at);
	else
		add_vector(b, at, (size_t)(end - at));
}

bool batch_add(struct batch *b, const struct packet *p)
{
	uint32_t size = p->frame->head_len + p->len + p->frame->tail_len;
	bool copied = p->n == 1 && p->len <= BATCH_COPY;

	b->size[b->n_frames++] = size;
	b->bytes += size;
	if (copied)
		add_by_copy(b, p->frame, batch_bytes(&p->first), p->len);
	else if (p->n == 1 && p->first.room >= p->frame->head_len)
		add_in_place(b, p);
	else
		add_by_reference(b, p);
	return copied;
}

void batch_add_note(struct batch *b, const void *bytes, unsigned size)
{
	struct frame none = { .head_len = 0 };

	b->size[b->n_frames++] = size | IS_NOTE;
	b->bytes += size;
	add_by_copy(b, &none, bytes, size);
}

void batch_advance(struct batch *b, size_t n)
{
	b->written += n;
	while (n) {
		struct iovec *v = &b->iov[b->iov_done];

		if (n < v->iov_len) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= n;
			return;
		}
		n -= v->iov_len;
		b->iov_done++;
	}
}

unsigned batch_whole(const struct batch *b, uint64_t *bytes)
{
	unsigned n = 0;

	*bytes = 0;
	for (unsigned i = 0; i < b->n_frames && *bytes + (b->size[i] & ~IS_NOTE) <= b->written;
	     i++) {
		*bytes += b->size[i] & ~IS_NOTE;
		n += !(b->size[i] & IS_NOTE);
	}
	return n;
}
