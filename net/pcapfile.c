/*
 * pcapfile.c - reads pcap files: both byte orders, microseconds and nanoseconds, the longer records
 * of a patched libpcap, versions 2.0 to 2.4. A header's snap length isn't believed: some tools
 * write one that their packets exceed.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capformat.h"

#include <errno.h>
#include <string.h>

#define MAGIC 0xa1b2c3d4u
#define MAGIC_NANO 0xa1b23c4du
#define MAGIC_PATCHED 0xa1b2cd34u /* with the interface and more in each record */
#define HEADER 24u
#define RECORD 16u
#define RECORD_PATCHED 24u

static bool known(struct capformat *f, uint32_t magic)
{
	f->nano = magic == MAGIC_NANO;
	f->record = magic == MAGIC_PATCHED ? RECORD_PATCHED : RECORD;
	return magic == MAGIC || magic == MAGIC_NANO || magic == MAGIC_PATCHED;
}

/* Versions that had the two lengths of a packet the other way round, or could not agree. */
static int version(struct capformat *f, unsigned major, unsigned minor)
{
	bool dg_ux = major == 543 && minor == 0;

	if (!dg_ux && (major != 2 || minor > 4))
		return capformat_fail(f, ENOTSUP, "it is a pcap file of version %u.%u, not 2.4",
				      major, minor);
	f->lengths = dg_ux || minor == 3 ? LENGTHS_UNSURE :
		     minor < 3           ? LENGTHS_SWAPPED :
					   LENGTHS_RIGHT;
	return 0;
}

int pcapfile_begin(struct capformat *f)
{
	const uint8_t *at;
	size_t n = HEADER;
	uint32_t magic, snaplen;
	int ret = capsource_peek(f->source, &at, &n, f->why);

	if (ret)
		return ret;
	if (n < HEADER)
		return capformat_fail(f, EINVAL, "it ends in the middle of its header");
	memcpy(&magic, at, sizeof magic);
	f->swapped = !known(f, magic);
	if (f->swapped && !known(f, __builtin_bswap32(magic)))
		return capformat_fail(f, EINVAL, "it is no pcap or pcapng file");
	ret = version(f, capformat_u16(f, at + 4), capformat_u16(f, at + 6));
	if (ret)
		return ret;
	snaplen = capformat_u32(f, at + 16);
	f->link_type = capformat_u32(f, at + 20);
	f->longest = capfile_longest(f->link_type);
	if (snaplen > f->longest && snaplen <= CAPFORMAT_LONGEST)
		f->longest = snaplen;
	return capsource_skip(f->source, HEADER, f->why);
}

/* Which of the two lengths is the one of what is in the file. */
static uint32_t captured(const struct capformat *f, const uint8_t *record, uint32_t *wire)
{
	uint32_t a = capformat_u32(f, record + 8), b = capformat_u32(f, record + 12);
	bool swap = f->lengths == LENGTHS_SWAPPED || (f->lengths == LENGTHS_UNSURE && a > b);

	*wire = swap ? a : b;
	return swap ? b : a;
}

int pcapfile_next(struct capformat *f, struct capformat_packet *out)
{
	const uint8_t *at;
	size_t n = f->record;
	uint32_t len;
	int ret = capsource_skip(f->source, f->pending, f->why);

	f->pending = 0;
	if (!ret)
		ret = capsource_peek(f->source, &at, &n, f->why);
	if (ret || !n)
		return ret;
	if (n < f->record)
		return capformat_fail(f, EINVAL, "it ends in the middle of a packet's header");
	len = captured(f, at, &out->p.wire_len);
	if (len > f->longest)
		return capformat_fail(f, EINVAL, "a packet says that it has %u bytes", len);
	n = f->record + (size_t)len;
	ret = capsource_peek(f->source, &at, &n, f->why);
	if (ret)
		return ret;
	if (n < f->record + (size_t)len)
		return capformat_fail(f, EINVAL, "it ends in the middle of a packet");
	/* a fraction of more than a second is one */
	out->p.time_ns = (uint64_t)capformat_u32(f, at) * 1000000000u +
			 (uint64_t)capformat_u32(f, at + 4) * (f->nano ? 1 : 1000);
	out->p.bytes = at + f->record;
	out->p.len = len;
	out->link_type = f->link_type;
	out->interface = 0;
	f->pending = f->record + (uint64_t)len;
	return 1;
}
