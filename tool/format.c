/*
 * format.c - see format.h. Everything is in the machine's byte order; pcapng as in
 * draft-ietf-opsawg-pcapng, with nanoseconds.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "format.h"

#include <pagepool/pagepool.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000u

enum {
	SECTION_HEADER = 0x0A0D0D0A,
	INTERFACE_DESCRIPTION = 1,
	STATISTICS = 5,
	ENHANCED_PACKET = 6
};
enum { END = 0, COMMENT = 1 }; /* options of any block */
enum { PROGRAM = 4 };          /* of a section */
enum { IF_NAME = 2, IF_TSRESOL = 9, IF_FCSLEN = 13 };
enum { STARTTIME = 2, ENDTIME = 3, IFRECV = 4, IFDROP = 5 };

/* A block that is being put together. */
struct block {
	uint8_t *out;
	unsigned n;
};

static void put(struct block *b, const void *bytes, unsigned n)
{
	memcpy(b->out + b->n, bytes, n);
	b->n += n;
}

static void put16(struct block *b, unsigned v)
{
	uint16_t v16 = (uint16_t)v;

	put(b, &v16, sizeof v16);
}

static void put32(struct block *b, uint32_t v)
{
	put(b, &v, sizeof v);
}

static void begin(struct block *b, uint32_t type)
{
	put32(b, type);
	put32(b, 0);
}

static unsigned padding(uint32_t len)
{
	return -len & 3;
}

static void option(struct block *b, unsigned code, const void *value, unsigned len)
{
	static const uint8_t zeros[4];

	put16(b, code);
	put16(b, len);
	put(b, value, len);
	put(b, zeros, padding(len));
}

/* A time, or a number, in an interface's statistics: times have their upper half first. */
static void option_time(struct block *b, unsigned code, uint64_t ns)
{
	uint32_t halves[2] = { (uint32_t)(ns >> 32), (uint32_t)ns };

	option(b, code, halves, sizeof halves);
}

static void end(struct block *b, unsigned from)
{
	uint32_t len;

	put32(b, END);
	len = b->n - from + 4;
	put32(b, len);
	memcpy(b->out + from + 4, &len, sizeof len);
}

/* ---- files ----------------------------------------------------------------------------- */

static unsigned pcap_file(const struct format_file *f, uint8_t *out)
{
	struct block b = { out, 0 };

	put32(&b, 0xa1b23c4d); /* with nanoseconds */
	put16(&b, 2);
	put16(&b, 4);
	put32(&b, 0);
	put32(&b, 0);
	put32(&b, f->snaplen);
	put32(&b, f->link_type);
	return b.n;
}

static unsigned pcapng_file(const struct format_file *f, uint8_t *out)
{
	const uint32_t unknown[2] = { UINT32_MAX, UINT32_MAX };
	uint8_t nanoseconds = 9, fcs = (uint8_t)((f->link_type >> 28) * 16);
	struct block b = { out, 0 };
	char program[40];
	unsigned from;

	begin(&b, SECTION_HEADER);
	put32(&b, 0x1A2B3C4D);
	put16(&b, 1);
	put16(&b, 0);
	put(&b, unknown, sizeof unknown); /* the section's length */
	option(&b, PROGRAM, program,
	       (unsigned)snprintf(program, sizeof program, "pagepool %.20s", pp_version()));
	end(&b, 0);
	from = b.n;
	begin(&b, INTERFACE_DESCRIPTION);
	put16(&b, f->link_type & 0xffff);
	put16(&b, 0);
	put32(&b, f->snaplen);
	option(&b, IF_NAME, f->interface, (unsigned)strnlen(f->interface, 100));
	option(&b, IF_TSRESOL, &nanoseconds, 1);
	if (f->link_type & 0x04000000)
		option(&b, IF_FCSLEN, &fcs, 1);
	end(&b, from);
	return b.n;
}

unsigned format_file(const struct format_file *f, uint8_t out[FORMAT_FILE])
{
	return f->ng ? pcapng_file(f, out) : pcap_file(f, out);
}

/* ---- packets ------------------------------------------------------------------------------- */

bool format_can_tell(bool ng, uint64_t time_ns)
{
	return ng || time_ns / SECOND <= UINT32_MAX;
}

unsigned format_head(bool ng, uint8_t out[FORMAT_HEAD], uint64_t time_ns, uint32_t len,
		     uint32_t wire_len)
{
	uint32_t head[7];

	if (!ng) {
		bool told = format_can_tell(false, time_ns);

		head[0] = told ? (uint32_t)(time_ns / SECOND) : UINT32_MAX;
		head[1] = told ? (uint32_t)(time_ns % SECOND) : SECOND - 1;
		head[2] = len;
		head[3] = wire_len;
		memcpy(out, head, 16);
		return 16;
	}
	head[0] = ENHANCED_PACKET;
	head[1] = FORMAT_HEAD + len + padding(len) + 4;
	head[2] = 0; /* the interface */
	head[3] = (uint32_t)(time_ns >> 32);
	head[4] = (uint32_t)time_ns;
	head[5] = len;
	head[6] = wire_len;
	memcpy(out, head, sizeof head);
	return sizeof head;
}

unsigned format_tail(bool ng, uint8_t out[FORMAT_TAIL], uint32_t len)
{
	uint32_t all = FORMAT_HEAD + len + padding(len) + 4;

	if (!ng)
		return 0;
	memset(out, 0, padding(len));
	memcpy(out + padding(len), &all, sizeof all);
	return padding(len) + 4;
}

unsigned format_note(const struct format_note *n, uint8_t out[FORMAT_NOTE])
{
	struct block b = { out, 0 };

	begin(&b, STATISTICS);
	put32(&b, 0); /* the interface */
	put32(&b, (uint32_t)(n->now_ns >> 32));
	put32(&b, (uint32_t)n->now_ns);
	if (n->comment)
		option(&b, COMMENT, n->comment, (unsigned)strnlen(n->comment, 160));
	option_time(&b, STARTTIME, n->begun_ns);
	option_time(&b, ENDTIME, n->now_ns);
	option(&b, IFRECV, &n->received, sizeof n->received);
	option(&b, IFDROP, &n->dropped, sizeof n->dropped);
	end(&b, 0);
	return b.n;
}
