/*
 * whole.c - inserts VLAN tags and checksums that are kept beside a packet into its bytes. See
 * whole.h. Uses the public headers and libc.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "whole.h"

#include <errno.h>
#include <string.h>

#define MACS 12u /* bytes of a packet before a tag */
#define TYPE_VLAN 0x8100u
#define TYPE_SERVICE 0x88a8u
#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu
#define IP_TCP 6u
#define IP_UDP 17u

/* A packet: its first segment, and the others, which are never changed. */
struct packet {
	const struct pp_net_seg *head, *rest;
	unsigned n; /* segments */
};

static const struct pp_net_seg *segment(const struct packet *k, unsigned i)
{
	return i ? &k->rest[i - 1] : k->head;
}

static uint8_t *bytes(const struct pp_net_seg *seg)
{
	return (uint8_t *)pp_page_addr(seg->page) + seg->offset;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t length(const struct packet *k)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < k->n; i++)
		len += segment(k, i)->len;
	return len;
}

/* ---- sums ------------------------------------------------------------------------------------ */

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The one's complement sum of len bytes, taken as big-endian words. */
static uint16_t sum_bytes(const uint8_t *p, uint32_t len)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; len >= 4; len -= 4, p += 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	word = 0;
	memcpy(&word, p, len); /* the last one is filled with zeros behind */
	sum += word;
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(fold(sum)) : fold(sum);
}

/* Call fn for each run of the packet's bytes from `start` on, len of them. */
static void each(const struct packet *k, uint32_t start, uint32_t len,
		 void (*fn)(void *ctx, const uint8_t *p, uint32_t len), void *ctx)
{
	for (unsigned i = 0; i < k->n && len; i++) {
		uint32_t there = segment(k, i)->len, run;

		if (start >= there) {
			start -= there;
			continue;
		}
		run = there - start < len ? there - start : len;
		fn(ctx, bytes(segment(k, i)) + start, run);
		start = 0;
		len -= run;
	}
}

struct sum {
	uint32_t sum;
	bool odd; /* an odd number of bytes came before */
};

static void add(void *ctx, const uint8_t *p, uint32_t len)
{
	struct sum *s = ctx;
	uint16_t one = sum_bytes(p, len);

	s->sum += s->odd ? __builtin_bswap16(one) : one;
	s->odd ^= len & 1;
}

static uint16_t sum_packet(const struct packet *k, uint32_t start, uint32_t len)
{
	struct sum s = { 0 };

	each(k, start, len, add, &s);
	return fold(s.sum);
}

/* The place of two, or four, bytes that lie in one segment; NULL: they don't. */
static uint8_t *place(const struct packet *k, uint64_t at, uint32_t size)
{
	for (unsigned i = 0; i < k->n; i++) {
		uint32_t len = segment(k, i)->len;

		if (at + size <= len)
			return bytes(segment(k, i)) + at;
		if (at < len)
			return NULL;
		at -= len;
	}
	return NULL;
}

/* Summing all that is there, with the pseudo-header's sum in the field, gives the checksum. */
static int finish(const struct packet *k, uint32_t start, uint32_t len, uint32_t offset)
{
	uint8_t *to = place(k, (uint64_t)start + offset, 2);
	uint16_t sum;

	if (!to || offset + 2 > len)
		return -EINVAL;
	sum = (uint16_t)~sum_packet(k, start, len);
	put16(to, sum ? sum : 0xffff); /* 0 would say that there is none */
	return 0;
}

struct crc {
	uint32_t crc;
};

/* Castagnoli's, bit by bit from the low one. */
static void add_crc(void *ctx, const uint8_t *p, uint32_t len)
{
	struct crc *c = ctx;

	for (; len; len--, p++) {
		c->crc ^= *p;
		for (int bit = 0; bit < 8; bit++)
			c->crc = c->crc >> 1 ^ (c->crc & 1 ? 0x82f63b78u : 0);
	}
}

int whole_crc(const struct pp_net_seg *seg, unsigned n, uint32_t start, uint32_t offset)
{
	const struct packet k = { seg, seg + 1, n };
	uint8_t *to = place(&k, (uint64_t)start + offset, 4);
	struct crc c = { UINT32_MAX };
	uint32_t len = length(&k);

	if (!to || start > len)
		return -EINVAL;
	memset(to, 0, 4);
	each(&k, start, len - start, add_crc, &c);
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(~c.crc >> 8 * i);
	return 0;
}

/* ---- what the flags tell ----------------------------------------------------------------- */

/*
 * Make room for a tag behind the addresses: move these forward if the room before the packet is its
 * own, else move the rest back.
 */
static int insert_tag(struct pp_net_seg *seg)
{
	uint8_t *p = bytes(seg);
	uint64_t end = (uint64_t)seg->offset + seg->len;

	if (seg->len < MACS)
		return -EINVAL;
	if (seg->room >= WHOLE_TAG && seg->offset >= WHOLE_TAG) {
		memmove(p - WHOLE_TAG, p, MACS);
		seg->offset -= WHOLE_TAG;
		seg->room = (uint16_t)(seg->room - WHOLE_TAG);
	} else if (end + WHOLE_TAG <= pp_page_size(seg->page)) {
		memmove(p + MACS + WHOLE_TAG, p + MACS, seg->len - MACS);
	} else {
		return -EINVAL;
	}
	seg->len += WHOLE_TAG;
	seg->wire_len += seg->wire_len ? WHOLE_TAG : 0;
	put16(bytes(seg) + MACS, seg->vlan_tpid ? seg->vlan_tpid : TYPE_VLAN);
	put16(bytes(seg) + MACS + 2, seg->vlan_tci);
	return 0;
}

int whole_make(struct pp_net_seg *head, const struct pp_net_seg *rest, unsigned n)
{
	const struct packet k = { head, rest, n };
	uint32_t start = head->csum_start, len;
	int ret = 0;

	if (head->flags & PP_NET_VLAN) {
		ret = insert_tag(head);
		start += WHOLE_TAG;
		head->flags &= ret ? head->flags : ~(uint32_t)PP_NET_VLAN;
	}
	len = length(&k);
	if (!ret && (head->flags & PP_NET_CSUM_PARTIAL))
		ret = start < len ? finish(&k, start, len - start, head->csum_offset) : -EINVAL;
	if (!ret)
		head->flags &= ~(uint32_t)PP_NET_CSUM_PARTIAL;
	return ret;
}

/* ---- what nobody tells ------------------------------------------------------------------- */

/* A TCP or UDP packet in the first segment: where its checksum is, and of what. */
struct transport {
	uint32_t start, len, offset;
	uint16_t pseudo; /* the sum of the pseudo-header */
};

static bool parse_ipv4(const uint8_t *p, uint32_t at, uint32_t left, struct transport *t,
		       uint8_t *kind)
{
	uint32_t head = left >= 20 ? (p[0] & 15) * 4u : 0, total = left >= 20 ? get16(p + 2) : 0;

	if (head < 20 || total < head || (get16(p + 6) & 0x3fff)) /* nor of a fragment */
		return false;
	*kind = p[9];
	t->start = at + head;
	t->len = total - head;
	t->pseudo = fold((uint64_t)sum_bytes(p + 12, 8) + *kind + t->len);
	return true;
}

static bool parse_ipv6(const uint8_t *p, uint32_t at, uint32_t left, struct transport *t,
		       uint8_t *kind)
{
	if (left < 40)
		return false;
	*kind = p[6];
	t->start = at + 40;
	t->len = get16(p + 4);
	t->pseudo = fold((uint64_t)sum_bytes(p + 8, 32) + *kind + t->len);
	return true;
}

static bool parse(const struct pp_net_seg *seg, struct transport *t)
{
	const uint8_t *p = bytes(seg);
	uint32_t at = MACS;
	uint16_t type = 0;
	uint8_t kind = 0;
	bool known;

	for (unsigned tags = 0; at + 2 <= seg->len; tags++, at += WHOLE_TAG) {
		type = get16(p + at);
		if ((type != TYPE_VLAN && type != TYPE_SERVICE) || tags == 2)
			break;
	}
	at += 2;
	if (at > seg->len)
		return false;
	known = type == TYPE_IPV4 ? parse_ipv4(p + at, at, seg->len - at, t, &kind) :
		type == TYPE_IPV6 ? parse_ipv6(p + at, at, seg->len - at, t, &kind) :
				    false;
	t->offset = kind == IP_TCP ? 16 : 6;
	return known && (kind == IP_TCP || kind == IP_UDP) && t->len >= t->offset + 2;
}

bool whole_guess(const struct pp_net_seg *seg, unsigned n)
{
	const struct packet k = { seg, seg + 1, n };
	struct transport t = { 0 };
	const uint8_t *sum;

	if (!parse(seg, &t) || (uint64_t)t.start + t.len > length(&k))
		return false;
	sum = place(&k, (uint64_t)t.start + t.offset, 2);
	if (!sum || get16(sum) != t.pseudo || !t.pseudo)
		return false;
	if (fold((uint64_t)t.pseudo + sum_packet(&k, t.start, t.len)) == 0xffff)
		return false; /* it is right as it is, by chance */
	return !finish(&k, t.start, t.len, t.offset);
}
