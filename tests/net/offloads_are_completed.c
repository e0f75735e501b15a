/*
 * offloads_are_completed.c - tags and checksums that are kept beside a packet are inserted as the
 * kernel's stack, or a card, would do it, however the packet is divided; a packet that is right is
 * never changed. The reference adds byte by byte.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/net.h>
#include <pagepool/pagepool.h>
#include <string.h>
#include <unistd.h>
#include <whole.h>

#include "tap.h"

#define MAX 1600u
#define TCP 6
#define UDP 17

static struct pp_pool *pool;

static uint8_t *at(const struct pp_net_seg *s)
{
	return (uint8_t *)pp_page_addr(s->page) + s->offset;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The one's complement sum, added up byte by byte. */
static unsigned plain_sum(const uint8_t *p, unsigned n, unsigned sum)
{
	for (unsigned i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (unsigned)p[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A packet as a stack leaves it to a device. */
struct made {
	uint8_t bytes[MAX];
	unsigned len, start, offset, pseudo;
	int kind;
};

static struct made make(int version, int kind, unsigned payload, unsigned tags)
{
	struct made m = { .kind = kind };
	unsigned ip = 14 + 4 * tags, head = kind == TCP ? 20 : 8, l4 = head + payload;

	for (unsigned i = 0; i < MAX; i++)
		m.bytes[i] = (uint8_t)rand();
	for (unsigned i = 0; i < tags; i++)
		put16(m.bytes + 12 + 4 * i, i ? 0x8100 : 0x88a8);
	put16(m.bytes + ip - 2, version == 4 ? 0x800 : 0x86dd);
	m.start = ip + (version == 4 ? 20 : 40);
	m.len = m.start + l4;
	m.offset = kind == TCP ? 16 : 6;
	if (version == 4) {
		m.bytes[ip] = 0x45;
		put16(m.bytes + ip + 2, 20 + l4);
		put16(m.bytes + ip + 6, 0x4000);
		m.bytes[ip + 9] = (uint8_t)kind;
		m.pseudo = plain_sum(m.bytes + ip + 12, 8, (unsigned)kind + l4);
	} else {
		put16(m.bytes + ip + 4, l4);
		m.bytes[ip + 6] = (uint8_t)kind;
		m.pseudo = plain_sum(m.bytes + ip + 8, 32, (unsigned)kind + l4);
	}
	put16(m.bytes + m.start + m.offset, m.pseudo);
	return m;
}

/* True if the transport checksum of these bytes is right. */
static bool is_right(const struct made *m, const uint8_t *bytes, unsigned shift)
{
	return plain_sum(bytes + m->start + shift, m->len - m->start, m->pseudo) == 0xffff;
}

/* As segments of these lengths, the last one of the rest; each begins at an odd place. */
static unsigned cut(struct pp_net_seg *seg, const struct made *m, const unsigned *lens)
{
	unsigned n = 0;

	for (unsigned done = 0; done < m->len; n++) {
		unsigned len = lens[n] && lens[n] < m->len - done ? lens[n] : m->len - done;

		seg[n] = (struct pp_net_seg){ .len = len, .offset = 65 + n, .wire_len = m->len };
		if (pp_page_get(&seg[n].page, pool))
			abort();
		memcpy(at(&seg[n]), m->bytes + done, len);
		done += len;
	}
	seg[n - 1].flags = PP_NET_LAST;
	return n;
}

static unsigned gather(uint8_t *to, const struct pp_net_seg *seg, unsigned n)
{
	unsigned len = 0;

	for (unsigned i = 0; i < n; i++) {
		memcpy(to + len, at(&seg[i]), seg[i].len);
		len += seg[i].len;
		pp_page_put(seg[i].page);
	}
	return len;
}

static const unsigned cuts[][4] = {
	{ 0 }, { 33, 0 }, { 54, 7, 0 }, { 64, 1, 1, 0 }, { 80, 200, 0 }
};
#define N_CUTS (sizeof cuts / sizeof cuts[0])

/* All versions, kinds, lengths, tags, pieces: fn is true for each. */
static bool all(bool (*fn)(const struct made *m, const unsigned *lens))
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < 2 * 2 * 3 * N_CUTS * 24; i++) {
		unsigned tags = i / 4 % 3, pieces = i / 12 % N_CUTS;
		struct made m =
			make(i & 1 ? 4 : 6, i & 2 ? TCP : UDP, (unsigned)rand() % 1400, tags);

		wrong += !fn(&m, cuts[pieces]);
	}
	if (wrong)
		printf("# %u are wrong\n", wrong);
	return !wrong;
}

static bool finished_where_told(const struct made *m, const unsigned *lens)
{
	uint8_t got[MAX + 8];
	struct pp_net_seg seg[8];
	unsigned n = cut(seg, m, lens), len;
	int ret;

	seg[0].flags |= PP_NET_CSUM_PARTIAL;
	seg[0].csum_start = (uint16_t)m->start;
	seg[0].csum_offset = (uint16_t)m->offset;
	ret = whole_make(seg, seg + 1, n);
	len = gather(got, seg, n);
	/* its two bytes may be in two pieces: then it is refused, and still told of */
	if (ret)
		return seg[0].flags & PP_NET_CSUM_PARTIAL;
	return len == m->len && is_right(m, got, 0) && !(seg[0].flags & PP_NET_CSUM_PARTIAL) &&
	       !memcmp(got, m->bytes, m->start + m->offset);
}

static bool guessed(const struct made *m, const unsigned *lens)
{
	uint8_t got[MAX];
	struct pp_net_seg seg[8];
	unsigned n = cut(seg, m, lens);
	bool in_first = seg[0].len >= m->start + m->offset + 2;
	bool done = whole_guess(seg, n);

	gather(got, seg, n);
	return done ? is_right(m, got, 0) : !in_first && !memcmp(got, m->bytes, m->len);
}

/* A right packet whose checksum is the pseudo-header's sum by chance. */
static bool chance_left_alone(const struct made *m, const unsigned *lens)
{
	struct made right = *m;
	uint8_t got[MAX];
	struct pp_net_seg seg[8];
	unsigned n, at_even = right.start + (right.kind == TCP ? 20 : 8);
	bool done;

	if (m->len < at_even + 2)
		return true;
	put16(right.bytes + at_even, 0);
	put16(right.bytes + at_even,
	      0xffff - plain_sum(right.bytes + m->start, m->len - m->start, m->pseudo));
	if (!is_right(m, right.bytes, 0))
		return false;
	n = cut(seg, &right, lens);
	done = whole_guess(seg, n);
	gather(got, seg, n);
	return !done && !memcmp(got, right.bytes, m->len);
}

/* One that was finished, or broken, on its way. */
static bool others_left_alone(const struct made *m, const unsigned *lens)
{
	struct made other = *m;
	uint8_t got[MAX];
	struct pp_net_seg seg[8];
	unsigned n;
	bool done;

	put16(other.bytes + m->start + m->offset,
	      rand() % 2 ? (m->pseudo + 1 + (unsigned)rand() % 65000) & 0xffff :
			   0xffff - plain_sum(m->bytes + m->start, m->len - m->start, 0));
	if (get16(other.bytes + m->start + m->offset) == m->pseudo)
		return true;
	n = cut(seg, &other, lens);
	done = whole_guess(seg, n);
	gather(got, seg, n);
	return !done && !memcmp(got, other.bytes, m->len);
}

static bool tagged(const struct made *m, const unsigned *lens)
{
	uint8_t got[MAX + 8];
	struct pp_net_seg seg[8];
	unsigned n = cut(seg, m, lens), room = rand() % 2 ? 60 : 0, len;
	int ret;

	seg[0].flags |= PP_NET_VLAN | PP_NET_CSUM_PARTIAL;
	seg[0].vlan_tci = 0x6123;
	seg[0].vlan_tpid = 0x88a8;
	seg[0].room = (uint16_t)room;
	seg[0].csum_start = (uint16_t)m->start;
	seg[0].csum_offset = (uint16_t)m->offset;
	ret = whole_make(seg, seg + 1, n);
	len = gather(got, seg, n);
	return !(seg[0].flags & PP_NET_VLAN) && len == m->len + 4 && !memcmp(got, m->bytes, 12) &&
	       !memcmp(got + 12, "\x88\xa8\x61\x23", 4) && !memcmp(got + 16, m->bytes + 12, 22) &&
	       seg[0].wire_len == m->len + 4 && (ret || is_right(m, got, 4));
}

static void nonsense(void)
{
	struct made m = make(4, UDP, 100, 0);
	struct pp_net_seg seg[8];

	cut(seg, &m, cuts[0]);
	seg[0].flags |= PP_NET_CSUM_PARTIAL;
	seg[0].csum_start = (uint16_t)m.len;
	check(whole_make(seg, NULL, 1) && !memcmp(at(seg), m.bytes, m.len), "a sum behind the end");
	seg[0].csum_start = (uint16_t)(m.len - 6);
	seg[0].csum_offset = 5;
	check(whole_make(seg, NULL, 1) && !memcmp(at(seg), m.bytes, m.len), "... across it");
	seg[0].csum_start = 65535;
	seg[0].csum_offset = 65535;
	check(whole_make(seg, NULL, 1) && !memcmp(at(seg), m.bytes, m.len), "... far away");
	seg[0].flags = PP_NET_LAST | PP_NET_VLAN;
	seg[0].len = 11;
	check(whole_make(seg, NULL, 1), "a tag for less than two addresses");
	seg[0].len = pp_page_size(seg[0].page) - seg[0].offset;
	seg[0].room = 3;
	check(whole_make(seg, NULL, 1), "a tag for which there is no room");
	pp_page_put(seg[0].page);
}

/* CRC-32C by division from the high bit, all turned round: its check value is e3069283. */
static uint32_t plain_crc(const uint8_t *p, unsigned n)
{
	uint32_t crc = UINT32_MAX, turned = 0;

	for (unsigned i = 0; i < 8 * n; i++) {
		uint32_t bit = p[i / 8] >> i % 8 & 1;

		crc = crc << 1 ^ (crc >> 31 ^ bit ? 0x1edc6f41u : 0);
	}
	for (unsigned i = 0; i < 32; i++)
		turned |= (crc >> i & 1) << (31 - i);
	return ~turned;
}

static void crc(void)
{
	struct made m = make(4, UDP, 300, 0), zeroed = m;
	struct pp_net_seg seg[8];
	uint8_t got[MAX];
	uint32_t want;
	unsigned n;

	require(plain_crc((const uint8_t *)"123456789", 9) == 0xe3069283, "the judge");
	memset(zeroed.bytes + m.start + 8, 0, 4);
	want = plain_crc(zeroed.bytes + m.start, m.len - m.start);
	n = cut(seg, &m, (unsigned[]){ 77, 3, 0 });
	check(!whole_crc(seg, n, m.start, 8), "a CRC");
	check(whole_crc(seg, n, m.start, 41) && whole_crc(seg, n, m.len, 0),
	      "... where it can't be");
	gather(got, seg, n);
	for (unsigned i = 0; i < 4; i++)
		zeroed.bytes[m.start + 8 + i] = (uint8_t)(want >> 8 * i);
	check(!memcmp(got, zeroed.bytes, m.len), "... is right, and nothing else has changed");
}

/* What is sent leaves whole, by a device that can't do it. */
static void sent(const char *file)
{
	struct pp_net_soft_params soft = PP_PARAMS(struct pp_net_soft_params);
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	struct made m = make(4, TCP, 333, 0);
	uint8_t got[24 + 16 + MAX];
	struct pp_net_seg seg = { .len = m.len, .offset = 64, .room = 64, .wire_len = m.len };
	struct pp_net *nic;
	FILE *f;

	soft.wire = file;
	params.soft = &soft;
	require(!pp_net_open(&nic, &params, NULL) && !pp_net_bind(nic), "a NIC");
	require(!pp_page_get(&seg.page, pp_net_send_pool(nic, 0)), "a page");
	memcpy(at(&seg), m.bytes, m.len);
	seg.flags = PP_NET_LAST | PP_NET_VLAN | PP_NET_CSUM_PARTIAL;
	seg.vlan_tci = 5;
	seg.csum_start = (uint16_t)m.start;
	seg.csum_offset = (uint16_t)m.offset;
	require(pp_net_send(nic, 0, &seg, 1) == 1, "sent");
	while (pp_net_reap(nic, 0))
		;
	pp_net_close(nic);
	f = fopen(file, "rb");
	require(f && fread(got, 1, sizeof got, f) == 40 + m.len + 4, "%s has one packet", file);
	fclose(f);
	check(!memcmp(got + 40 + 12, "\x81\0\0\5", 4) && is_right(&m, got + 40, 4),
	      "what is sent has its tag and its sum");
}

int main(int argc, char **argv)
{
	struct pp_pool_params p = pp_pool_defaults();
	char file[] = "/tmp/pagepool-whole.XXXXXX";

	(void)argv;
	require(argc == 1 && !pp_pool_create(&pool, pp_binding_none(), &p), "a pool");
	srand(1);
	check(all(finished_where_told), "a sum is finished where the flags say");
	check(all(guessed), "... and where a stack left it to a device");
	check(all(chance_left_alone), "... but not where it is right by chance");
	check(all(others_left_alone), "... nor where something else stands");
	check(all(tagged), "a tag is put in, before or behind what is there");
	nonsense();
	crc();
	close(mkstemp(file));
	sent(file);
	unlink(file);
	pp_pool_destroy(pool);
	return tap_end();
}
