/*
 * held_file.c - the open files of all processes: who has them open, and the pages that pipes and
 * tun devices hold. Sockets: held_socket.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "holding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- pipes, tun ---------------------------------------------------------------------------- */

#define PIPE_MAX (1u << 20)

static void walk_pipe(struct walk *w, kaddr_t pipe)
{
	struct peek *p = w->held->scan->peek;
	uint64_t head = member_at(p, pipe, M_pipe_head), tail = member_at(p, pipe, M_pipe_tail);
	uint64_t size = member_at(p, pipe, M_pipe_ring), mask = size - 1;
	kaddr_t bufs = member_at(p, pipe, M_pipe_bufs);

	if (!size || size > PIPE_MAX || size & mask)
		return;
	w->stale = ((uint32_t)(head - tail)) > size;
	for (; !w->stale && (uint32_t)tail != (uint32_t)head; tail++)
		walk_page(w, member_at(p, bufs + (tail & mask) * size_of(p, T_pipe_buffer),
				       M_pipe_buf_page));
	w->stale |= member_at(p, pipe, M_pipe_head) != head;
}

#define TUN_XDP_FRAME 1u

/* What has the lowest bit is an XDP frame, at the head of its page. */
static void walk_tun_entry(struct walk *w, kaddr_t entry)
{
	if (entry & TUN_XDP_FRAME)
		walk_address(w, entry & ~(kaddr_t)TUN_XDP_FRAME);
	else
		walk_one(w, entry);
}

static void walk_tun(struct walk *w, kaddr_t tun)
{
	const struct ring ring = { tun, M_tun_ring_size, M_tun_ring_head, M_tun_ring_tail,
				   M_tun_ring_queue };

	if (has(w->held->scan->peek, M_tun_ring_queue))
		walk_ring(w, &ring, walk_tun_entry);
}

static void look_at_other_file(struct held *h, struct walk *w, uint32_t kind, kaddr_t object,
			       struct owners owners)
{
	bool pipe = kind == PEEK_PIPE;
	int64_t holder = held_add(h, pipe ? HOLDER_PIPE : HOLDER_TUN, object);

	if (holder < 0)
		return;
	h->holder[holder].first_owner = owners.first;
	h->holder[holder].n_owners = owners.n;
	held_look(h, w, (uint32_t)holder, pipe ? PLACE_PIPE : PLACE_TUN,
		  pipe ? walk_pipe : walk_tun, object);
	held_drop_empty(h, holder);
}

/* ---- files --------------------------------------------------------------------------------- */

void files_note(const struct peek_file *file, void *ctx)
{
	struct files *f = ctx;
	struct peek_file *new = grow(&f->file, &f->n, sizeof *new);

	if (new)
		*new = *file;
	else
		f->no_memory = true;
}

static int by_object(const void *a, const void *b)
{
	const struct peek_file *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->fd > y->fd) - (x->fd < y->fd);
}

static bool add_owner(struct held *h, const struct peek_file *f)
{
	struct owner *o = grow(&h->owner, &h->n_owners, sizeof *o);

	if (!o)
		return false;
	o->pid = f->pid;
	o->fd = f->fd;
	snprintf(o->comm, sizeof o->comm, "%.16s", f->comm);
	for (char *c = o->comm; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return true;
}

int held_files(struct held *h, struct walk *w)
{
	struct files files = { .n = 0 };
	int ret = peek_list(h->scan->peek, PEEK_FILES, files_note, &files);

	if (files.n)
		qsort(files.file, files.n, sizeof *files.file, by_object);
	for (size_t i = 0, next; !ret && i < files.n; i = next) {
		const struct peek_file *f = &files.file[i];
		struct owners owners = { h->n_owners, 0 };

		for (next = i; next < files.n && files.file[next].object == f->object; next++)
			if (add_owner(h, &files.file[next]))
				owners.n++;
		if (f->kind == PEEK_SOCKET)
			held_socket_file(h, w, f->object, owners);
		else
			look_at_other_file(h, w, f->kind, f->object, owners);
	}
	if (files.no_memory)
		h->error = -ENOMEM;
	free(files.file);
	return ret;
}
