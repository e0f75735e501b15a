/*
 * walk.c - the pages of packets: of a single packet, and of queues, chains and trees of them.
 * Nothing is locked, so all of it may change meanwhile: each step checks what it can, and the whole
 * is bounded.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SKB_COPY 512
#define SHINFO_COPY 1024
#define FRAGS_MAX 64
#define PACKETS_MAX (1u << 20) /* of one queue */
#define LIST_DEPTH 4

void walk_reset(struct walk *w)
{
	w->n = 0;
	w->packets = 0;
	w->stale = false;
	w->cut = false;
}

static void keep(struct walk *w, kaddr_t page, kaddr_t pool, double age_s)
{
	struct found *f = grow(&w->found, &w->n, sizeof *f);

	if (f)
		*f = (struct found){ page, pool, age_s };
	else
		w->held->error = -ENOMEM;
}

/* Packets are stamped with the time of day when anybody wants it; else it is 0, or another clock.
 */
static double age_of(uint64_t stamp)
{
	struct timespec now, up;
	double age;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	age = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)stamp / 1e9;
	return stamp && age > -1 && age <= (double)up.tv_sec + 1 ? (age > 0 ? age : 0) : -1;
}

static void keep_pages(struct walk *w, struct page_seen *pages, size_t n, double age_s)
{
	pages_look(w->held->scan->peek, pages, n);
	for (size_t i = 0; i < n; i++)
		if (pages[i].pool)
			keep(w, pages[i].page, pages[i].pool, age_s);
}

void walk_page(struct walk *w, kaddr_t page)
{
	struct page_seen seen = { page, 0 };

	if (page)
		keep_pages(w, &seen, 1, -1);
}

void walk_address(struct walk *w, kaddr_t address)
{
	walk_page(w, page_of(w->held->scan->peek, &w->held->map, address));
}

static size_t frag_pages(struct peek *p, const char *shinfo, struct page_seen *pages)
{
	enum member member = has(p, M_frag_netmem) ? M_frag_netmem :
			     has(p, M_frag_page)   ? M_frag_page :
						     M_bio_vec_page;
	size_t size = size_of(p, T_skb_frag) ? size_of(p, T_skb_frag) : size_of(p, T_bio_vec);
	size_t first = offset_of(p, M_shinfo_frags), n = member_in(p, shinfo, M_shinfo_nr_frags),
	       found = 0;

	for (size_t i = 0;
	     i < n && i < FRAGS_MAX && first + (i + 1) * size <= size_of(p, T_skb_shared_info);
	     i++) {
		kaddr_t page = member_in(p, shinfo + first + i * size, member);

		if (page >> 63 && !(page & 1)) /* the lowest bit: memory of a device, no page */
			pages[found++] = (struct page_seen){ page, 0 };
	}
	return found;
}

static void walk_packet(struct walk *w, const char *skb, unsigned depth);

static void walk_list(struct walk *w, kaddr_t first, unsigned depth)
{
	struct peek *p = w->held->scan->peek;
	char skb[SKB_COPY];

	for (kaddr_t at = first; at && !w->stale && !w->cut; at = member_in(p, skb, M_skb_next)) {
		if (!peek_read(p, at, skb, size_of(p, T_sk_buff)))
			w->stale = true;
		else
			walk_packet(w, skb, depth);
	}
}

/* What a packet has: the page of its head, its fragments, the packets on its list. */
static void walk_packet(struct walk *w, const char *skb, unsigned depth)
{
	struct peek *p = w->held->scan->peek;
	kaddr_t head = member_in(p, skb, M_skb_head), end = member_in(p, skb, M_skb_end), list;
	struct page_seen pages[FRAGS_MAX + 1];
	char shinfo[SHINFO_COPY];
	size_t n = 0;

	w->cut = ++w->packets > PACKETS_MAX;
	end = end < head ? head + end : end; /* an offset, or an address */
	if (!(head >> 63) || end - head > 1u << 24 ||
	    !peek_read(p, end, shinfo, size_of(p, T_skb_shared_info))) {
		w->stale = true;
		return;
	}
	pages[n].page = page_of(p, &w->held->map, head);
	n += pages[n].page != 0;
	n += frag_pages(p, shinfo, pages + n);
	keep_pages(w, pages, n, age_of(member_in(p, skb, M_skb_tstamp)));
	list = member_in(p, shinfo, M_shinfo_frag_list);
	if (list >> 63 && depth < LIST_DEPTH)
		walk_list(w, list, depth + 1);
}

void walk_one(struct walk *w, kaddr_t skb)
{
	char copy[SKB_COPY];

	if (peek_read(w->held->scan->peek, skb, copy, size_of(w->held->scan->peek, T_sk_buff)))
		walk_packet(w, copy, 0);
	else
		w->stale = true;
}

void walk_chain(struct walk *w, kaddr_t first)
{
	walk_list(w, first, 0);
}

void walk_queue(struct walk *w, kaddr_t head)
{
	struct peek *p = w->held->scan->peek;
	uint64_t before = member_at(p, head, M_head_qlen), n = 0;
	kaddr_t last = head, at = member_at(p, head, M_head_next);
	char skb[SKB_COPY];

	while (at != head && !w->stale && !w->cut) {
		if (!at || !peek_read(p, at, skb, size_of(p, T_sk_buff)) ||
		    member_in(p, skb, M_skb_prev) != last) {
			w->stale = true;
			return;
		}
		walk_packet(w, skb, 0);
		last = at;
		at = member_in(p, skb, M_skb_next);
		n++;
	}
	w->stale |= !w->cut && (n != before || member_at(p, head, M_head_qlen) != before);
}

/* Fragments that follow each other hang on the first of them, by what is in cb. */
static void walk_run(struct walk *w, const char *skb)
{
	struct peek *p = w->held->scan->peek;
	size_t place = offset_of(p, M_skb_cb) + offset_of(p, M_fragcb_next);
	char copy[SKB_COPY];
	kaddr_t at;

	walk_packet(w, skb, 0);
	memcpy(&at, skb + place, sizeof at);
	while (has(p, M_fragcb_next) && at >> 63 && !w->stale && !w->cut) {
		if (!peek_read(p, at, copy, size_of(p, T_sk_buff))) {
			w->stale = true;
			return;
		}
		walk_packet(w, copy, 0);
		memcpy(&at, copy + place, sizeof at);
	}
}

#define TREE_DEPTH 128

void walk_tree(struct walk *w, kaddr_t node, bool runs)
{
	struct peek *p = w->held->scan->peek;
	kaddr_t stack[TREE_DEPTH];
	unsigned top = 0;
	char skb[SKB_COPY];

	if (node)
		stack[top++] = node;
	while (top && !w->stale && !w->cut) {
		/* the node is the packet's first member */
		if (!peek_read(p, stack[--top], skb, size_of(p, T_sk_buff)) ||
		    top + 2 > TREE_DEPTH) {
			w->stale = true;
			return;
		}
		if (runs)
			walk_run(w, skb);
		else
			walk_packet(w, skb, 0);
		if (member_in(p, skb, M_skb_rb_left))
			stack[top++] = member_in(p, skb, M_skb_rb_left);
		if (member_in(p, skb, M_skb_rb_right))
			stack[top++] = member_in(p, skb, M_skb_rb_right);
	}
}

void walk_tree_at(struct walk *w, kaddr_t root)
{
	kaddr_t node = 0;

	peek_read(w->held->scan->peek, root, &node, sizeof node);
	walk_tree(w, node, false);
}

void walk_chain_at(struct walk *w, kaddr_t place)
{
	kaddr_t first = 0;

	peek_read(w->held->scan->peek, place, &first, sizeof first);
	walk_chain(w, first);
}

/* ---- rings ---------------------------------------------------------------------------------- */

#define RING_MAX (1u << 20)
#define RING_PIECE 512

/* A ring of pointers (ptr_ring). What lies from tail to head was taken, and is cleared later. */
void walk_ring(struct walk *w, const struct ring *r, walk_fn *fn)
{
	struct peek *p = w->held->scan->peek;
	uint64_t size = member_at(p, r->at, r->size), head = member_at(p, r->at, r->head);
	uint64_t tail = member_at(p, r->at, r->tail);
	kaddr_t queue = member_at(p, r->at, r->queue), piece[RING_PIECE];

	for (uint64_t i = 0; queue >> 63 && i < size && i < RING_MAX; i += RING_PIECE) {
		uint64_t n = size - i < RING_PIECE ? size - i : RING_PIECE;

		if (!peek_read(p, queue + 8 * i, piece, n * 8))
			break;
		for (uint64_t j = 0; j < n; j++)
			if (piece[j] && (i + j < tail || i + j >= head))
				fn(w, piece[j]);
	}
	w->stale |= member_at(p, r->at, r->head) != head;
}
