/*
 * pcapng.c - reads the blocks of a pcapng file (draft-ietf-opsawg-pcapng): any number of sections,
 * each in its own byte order, with any number of interfaces, each with its own link type, snap
 * length and clock. Blocks that are no packets are stepped over.
 *
 * Nothing that the file says is trusted: each length is checked against the block's, which is
 * checked against what there is.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capformat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum block {
	SECTION_HEADER = 0x0A0D0D0A,
	INTERFACE_DESCRIPTION = 1,
	OLD_PACKET = 2,
	SIMPLE_PACKET = 3,
	ENHANCED_PACKET = 6,
};

enum { IF_TSRESOL = 9, IF_FCSLEN = 13, IF_TSOFFSET = 14 }; /* options of an interface */

#define BYTE_ORDER_MAGIC 0x1A2B3C4Du
#define FRAME 12u /* type and length in front, length behind */
#define MOST_INTERFACES 65536u
#define LONGEST_HEADER (16u << 20) /* a section's or an interface's, with its options */

/* A block that is wholly there. */
struct body {
	const uint8_t *bytes;
	uint32_t len;
};

static uint64_t u64(const struct capformat *f, const uint8_t *at)
{
	uint64_t a = capformat_u32(f, at), b = capformat_u32(f, at + 4);
	uint32_t one = 1;
	bool little = *(uint8_t *)&one ^ f->swapped;

	return little ? b << 32 | a : a << 32 | b;
}

/* ---- blocks -------------------------------------------------------------------------------- */

/* A section header's byte order is its own. False: it has none that there is. */
static bool learn_order(struct capformat *f, const uint8_t *magic)
{
	uint32_t m;

	memcpy(&m, magic, sizeof m);
	f->swapped = m != BYTE_ORDER_MAGIC;
	return !f->swapped || m == __builtin_bswap32(BYTE_ORDER_MAGIC);
}

/* Bytes that a block must have to be looked at, before it is; 0: it needn't be. */
static uint32_t most_of(uint32_t type)
{
	switch (type) {
	case SECTION_HEADER:
	case INTERFACE_DESCRIPTION: return LONGEST_HEADER;
	case OLD_PACKET:
	case SIMPLE_PACKET:
	case ENHANCED_PACKET: return CAPFORMAT_LONGEST + LONGEST_HEADER;
	default: return 0;
	}
}

/* The type and length of the next block. 1, 0 at the end of the file, or an error. */
static int next_head(struct capformat *f, uint32_t *type, uint32_t *len)
{
	const uint8_t *at;
	size_t n = FRAME;
	int ret = capsource_skip(f->source, f->pending, f->why);

	f->pending = 0;
	if (!ret)
		ret = capsource_peek(f->source, &at, &n, f->why);
	if (ret || !n)
		return ret;
	if (n < FRAME)
		return capformat_fail(f, EINVAL, "it ends in the middle of a block");
	*type = capformat_u32(f, at);
	if (*type == SECTION_HEADER && !learn_order(f, at + 8))
		return capformat_fail(f, EINVAL, "a section's byte order is none");
	*len = capformat_u32(f, at + 4);
	if (*len < FRAME || *len % 4)
		return capformat_fail(f, EINVAL, "a block has a length of %u bytes", *len);
	return 1;
}

/* What is in a block; it must be whole. */
static int read_body(struct capformat *f, uint32_t type, uint32_t len, struct body *out)
{
	const uint8_t *at;
	size_t n = len;
	int ret;

	if (len > most_of(type))
		return capformat_fail(f, EINVAL, "a block has a length of %u bytes", len);
	ret = capsource_peek(f->source, &at, &n, f->why);
	if (ret)
		return ret;
	if (n < len)
		return capformat_fail(f, EINVAL, "it ends in the middle of a block");
	if (capformat_u32(f, at + len - 4) != len)
		return capformat_fail(f, EINVAL, "a block's two lengths differ: %u and %u bytes",
				      len, capformat_u32(f, at + len - 4));
	f->pending = len;
	*out = (struct body){ at + 8, len - FRAME };
	return 0;
}

/* A block that is no concern of ours. */
static int step_over(struct capformat *f, uint32_t len)
{
	const uint8_t *at;
	size_t n = 4;
	int ret = capsource_skip(f->source, len - 4, f->why);

	if (!ret)
		ret = capsource_peek(f->source, &at, &n, f->why);
	if (ret)
		return ret;
	if (n < 4)
		return capformat_fail(f, EINVAL, "it ends in the middle of a block");
	f->pending = 4;
	return capformat_u32(f, at) == len ?
		       0 :
		       capformat_fail(f, EINVAL, "a block's two lengths differ: %u and %u bytes",
				      len, capformat_u32(f, at));
}

/* ---- sections and interfaces ------------------------------------------------------------- */

static int begin_section(struct capformat *f, const struct body *b)
{
	unsigned major, minor;

	if (b->len < 16)
		return capformat_fail(f, EINVAL, "a section's header is too short");
	major = capformat_u16(f, b->bytes + 4);
	minor = capformat_u16(f, b->bytes + 6);
	if (major != 1 || (minor != 0 && minor != 2))
		return capformat_fail(f, ENOTSUP,
				      "a section is of version %u.%u, which is not supported",
				      major, minor);
	f->n_interfaces = 0;
	return 0;
}

/* Ticks a second: the option's 7 bits are an exponent of 10, or of 2. */
static int resolution(struct capformat *f, struct pcapng_interface *i, uint8_t value)
{
	unsigned n = value & 0x7f;

	if (value & 0x80 ? n > 63 : n > 19)
		return capformat_fail(f, ENOTSUP, "an interface's clock ticks %u^%u times a second",
				      value & 0x80 ? 2 : 10, n);
	i->per_second = 1;
	while (n--)
		i->per_second *= value & 0x80 ? 2 : 10;
	return 0;
}

/* One option of an interface. */
static int option(struct capformat *f, struct pcapng_interface *i, unsigned code, const uint8_t *at,
		  unsigned len)
{
	if (code == IF_TSRESOL && len == 1)
		return resolution(f, i, *at);
	if (code == IF_TSOFFSET && len == 8)
		i->offset = (int64_t)u64(f, at);
	if (code == IF_FCSLEN && len == 1 && *at && *at % 16 == 0 && *at / 16 < 16)
		i->link_type |= 0x04000000u | (uint32_t)*at / 16 << 28;
	return 0;
}

static int options(struct capformat *f, struct pcapng_interface *i, const uint8_t *at,
		   uint32_t left)
{
	while (left >= 4) {
		unsigned code = capformat_u16(f, at), len = capformat_u16(f, at + 2);
		uint32_t step = 4 + (len + 3) / 4 * 4;
		int ret;

		if (!code)
			break;
		if (step > left)
			return capformat_fail(f, EINVAL, "an option is longer than its block");
		ret = option(f, i, code, at + 4, len);
		if (ret)
			return ret;
		at += step;
		left -= step;
	}
	return 0;
}

static int add_interface(struct capformat *f, const struct body *b)
{
	struct pcapng_interface i = { .per_second = 1000000 }, *more = f->interface;
	int ret;

	if (b->len < 8)
		return capformat_fail(f, EINVAL, "an interface's block is too short");
	i.link_type = capformat_u16(f, b->bytes);
	i.snaplen = capformat_u32(f, b->bytes + 4);
	ret = options(f, &i, b->bytes + 8, b->len - 8);
	if (ret)
		return ret;
	if (f->n_interfaces == f->room) {
		f->room = f->room ? 2 * f->room : 8;
		more = f->room > MOST_INTERFACES ? NULL : realloc(f->interface, f->room * sizeof i);
	}
	if (!more)
		return capformat_fail(f, ENOMEM, "no memory for so many interfaces");
	f->interface = more;
	f->interface[f->n_interfaces++] = i;
	return 0;
}

/* ---- packets ----------------------------------------------------------------------------- */

/* Ticks of an interface's clock in nanoseconds since the epoch. */
static int stamp(struct capformat *f, const struct pcapng_interface *i, uint64_t ticks,
		 uint64_t *ns)
{
	__int128 sec = (__int128)(ticks / i->per_second) + i->offset;
	__int128 all = sec * 1000000000 +
		       (unsigned __int128)(ticks % i->per_second) * 1000000000u / i->per_second;

	if (all < 0 || all > UINT64_MAX)
		return capformat_fail(f, ENOTSUP,
				      "a packet's time is %s, which can't be represented here",
				      all < 0 ? "before 1970" : "after 2554");
	*ns = (uint64_t)all;
	return 0;
}

/* The packet's bytes lie in the block from `at` on. */
static int take(struct capformat *f, const struct body *b, uint32_t at, uint32_t len,
		struct capformat_packet *out)
{
	if (len > CAPFORMAT_LONGEST || at + len > b->len)
		return capformat_fail(f, EINVAL, "a packet of %u bytes is longer than its block",
				      len);
	out->p.bytes = b->bytes + at;
	out->p.len = len;
	return 1;
}

static int find_interface(struct capformat *f, unsigned number, struct capformat_packet *out)
{
	if (number >= f->n_interfaces)
		return capformat_fail(f, EINVAL,
				      "a packet names interface %u, which the file doesn't have",
				      number);
	out->interface = number;
	out->link_type = f->interface[number].link_type;
	return 0;
}

/* Both kinds: they differ in how the interface is told. */
static int stamped_packet(struct capformat *f, uint32_t type, const struct body *b,
			  struct capformat_packet *out)
{
	uint64_t ticks;
	int ret;

	if (b->len < 20)
		return capformat_fail(f, EINVAL, "a packet's block is too short");
	ret = find_interface(
		f, type == OLD_PACKET ? capformat_u16(f, b->bytes) : capformat_u32(f, b->bytes),
		out);
	ticks = (uint64_t)capformat_u32(f, b->bytes + 4) << 32 | capformat_u32(f, b->bytes + 8);
	if (!ret)
		ret = stamp(f, &f->interface[out->interface], ticks, &out->p.time_ns);
	out->p.wire_len = capformat_u32(f, b->bytes + 16);
	return ret ? ret : take(f, b, 20, capformat_u32(f, b->bytes + 12), out);
}

/* One that has no time, and is of the first interface, whose snap length tells its own. */
static int simple_packet(struct capformat *f, const struct body *b, struct capformat_packet *out)
{
	uint32_t len, snaplen;
	int ret;

	if (b->len < 4)
		return capformat_fail(f, EINVAL, "a packet's block is too short");
	ret = find_interface(f, 0, out);
	if (ret)
		return ret;
	len = out->p.wire_len = capformat_u32(f, b->bytes);
	snaplen = f->interface[0].snaplen;
	out->p.time_ns = 0;
	return take(f, b, 4, snaplen && snaplen < len ? snaplen : len, out);
}

static int read_block(struct capformat *f, uint32_t type, uint32_t len,
		      struct capformat_packet *out)
{
	struct body b = { NULL, 0 };
	int ret = read_body(f, type, len, &b);

	if (ret)
		return ret;
	switch (type) {
	case SECTION_HEADER: return begin_section(f, &b);
	case INTERFACE_DESCRIPTION: return add_interface(f, &b);
	case SIMPLE_PACKET: return simple_packet(f, &b, out);
	default: return stamped_packet(f, type, &b, out);
	}
}

int pcapng_next(struct capformat *f, struct capformat_packet *out)
{
	uint32_t type = 0, len = 0;
	int ret;

	do {
		ret = next_head(f, &type, &len);
		if (ret <= 0)
			return ret;
		ret = most_of(type) ? read_block(f, type, len, out) : step_over(f, len);
	} while (!ret);
	return ret;
}

int pcapng_begin(struct capformat *f)
{
	f->pending = 0;
	f->n_interfaces = 0;
	return 0;
}
