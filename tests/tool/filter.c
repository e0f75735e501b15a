/*
 * filter.c - a filter sees a packet as it was on the wire, whatever pieces it lies in and wherever
 * its VLAN tag does: the judge is libpcap on the same bytes in one piece.
 *
 * Seeded: its argument, or 1.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <filter.h>
#include <pagepool/pagepool.h>
#include <pcap/pcap.h>
#include <string.h>

#include "said.h"
#include "tap.h"

#define MOST 9018u
#define PIECES 64u
#define ROUNDS 4000u

static struct pp_pool *pool;

/* True for some of the packets below, and not for others. */
static const char *const expressions[] = {
	"ip",
	"not ip",
	"udp",
	"tcp or vlan",
	"vlan",
	"vlan 5",
	"vlan 5 and udp",
	"vlan and vlan 7",
	"port 9",
	"greater 1000",
	"less 200",
	"len & 3 = 0",
	"ether[12:2] = 0x8100",
	"ether[20] & 1 = 1",
	"ether[3000] > 128",
	"ether[len - 1] < 128",
	"udp[8] < 100",
	"ip[2:2] > 500",
	"ether host 2:0:0:0:0:1",
};
#define N_EXPRESSIONS (sizeof expressions / sizeof expressions[0])

/* A packet as it was on the wire, with no, one, or two tags. */
struct made {
	uint8_t bytes[MOST];
	unsigned len, wire_len, tags;
};

static void make(struct made *m)
{
	static const uint8_t addresses[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	unsigned ip;

	m->tags = (unsigned)rand() % 3;
	m->len = 64 + (unsigned)rand() % (rand() % 4 ? 200 : MOST - 64);
	m->wire_len = m->len + (rand() % 8 ? 0 : (unsigned)rand() % 1000);
	for (unsigned i = 0; i < m->len; i++)
		m->bytes[i] = (uint8_t)rand();
	memcpy(m->bytes, addresses, sizeof addresses);
	m->bytes[5] = 1 + rand() % 2;
	for (unsigned i = 0; i < m->tags; i++)
		memcpy(m->bytes + 12 + 4 * i, (uint8_t[]){ 0x81, 0, 0, i ? 7 : 5 + rand() % 2 }, 4);
	ip = 14 + 4 * m->tags;
	memcpy(m->bytes + ip - 2, rand() % 4 ? "\x08\x00" : "\x86\xdd", 2);
	m->bytes[ip] = 0x45;
	m->bytes[ip + 6] = m->bytes[ip + 7] = 0;
	m->bytes[ip + 9] = rand() % 2 ? 17 : 6;
	m->bytes[ip + 22] = 0;
	m->bytes[ip + 23] = 9 + rand() % 2;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("Bail out! %s\n", what);
	exit(1);
}

/* In pieces of pages, its outermost tag beside them or not. */
static unsigned lay(struct pp_net_seg *seg, const struct made *m, bool beside)
{
	unsigned skip = beside ? 4 : 0, n = 0, most = rand() % 2 ? 1 : 1 + (unsigned)rand() % 4;
	uint8_t rest[MOST];

	memcpy(rest, m->bytes, 12);
	memcpy(rest + 12, m->bytes + 12 + skip, m->len - 12 - skip);
	for (unsigned done = 0, left = m->len - skip; left; n++) {
		unsigned len = n + 1 < most ? 12 + (unsigned)rand() % 30 :
			       left > 2000  ? 2000 :
					      left;

		len = len < left ? len : left;
		seg[n] =
			(struct pp_net_seg){ .len = len, .offset = 7 + n, .wire_len = m->wire_len };
		must(!pp_page_get(&seg[n].page, pool), "no page");
		memcpy((char *)pp_page_addr(seg[n].page) + seg[n].offset, rest + done, len);
		done += len;
		left -= len;
	}
	seg[n - 1].flags = PP_NET_LAST;
	if (beside) {
		seg[0].flags |= PP_NET_VLAN;
		seg[0].vlan_tpid = 0x8100;
		seg[0].vlan_tci = (uint16_t)(m->bytes[14] << 8 | m->bytes[15]);
	}
	return n;
}

static bool by_libpcap(pcap_t *dead, const char *expression, const struct made *m)
{
	struct pcap_pkthdr head = { .caplen = m->len, .len = m->wire_len };
	struct bpf_program program;
	bool wanted;

	must(!pcap_compile(dead, &program, expression, 0, PCAP_NETMASK_UNKNOWN), expression);
	wanted = pcap_offline_filter(&program, &head, m->bytes);
	pcap_freecode(&program);
	return wanted;
}

static void one(const char *expression, pcap_t *dead)
{
	unsigned wrong = 0, wanted = 0;
	struct pp_net_seg seg[PIECES];
	struct filter *f;
	struct made m;

	must(!filter_open(&f, expression, DLT_ETHERNET), expression);
	for (unsigned i = 0; i < ROUNDS / N_EXPRESSIONS; i++) {
		bool right, beside;
		unsigned n;

		make(&m);
		right = by_libpcap(dead, expression, &m);
		beside = m.tags && rand() % 2;
		n = lay(seg, &m, beside);
		wanted += right;
		wrong += filter_wants(f, seg, n) != right;
		while (n)
			pp_page_put(seg[--n].page);
	}
	filter_close(f);
	check(!wrong && wanted && wanted < ROUNDS / N_EXPRESSIONS, "%s: %u wanted, %u wrong",
	      expression, wanted, wrong);
}

static void none_and_wrong(void)
{
	struct filter *f;
	struct pp_net_seg seg = { .flags = PP_NET_LAST };

	check(!filter_open(&f, NULL, DLT_ETHERNET) && !f && filter_wants(f, &seg, 1),
	      "none wants all");
	filter_close(f);
	check(filter_open(&f, "tcp prot 80", DLT_ETHERNET) && !f && strstr(said, "\"tcp prot 80\""),
	      "nonsense: %s", said);
	check(filter_open(&f, "vlan 9999", DLT_ETHERNET) && !f && !strchr(said, '\n'),
	      "a number too large: %s", said);
}

int main(int argc, char **argv)
{
	struct pp_pool_params p = pp_pool_defaults();
	pcap_t *dead = pcap_open_dead(DLT_ETHERNET, 262144);
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;

	printf("# seed %u\n", seed);
	srand(seed);
	must(dead && !pp_pool_create(&pool, pp_binding_none(), &p), "no pool");
	for (unsigned i = 0; i < N_EXPRESSIONS; i++)
		one(expressions[i], dead);
	none_and_wrong();
	pp_pool_destroy(pool);
	pcap_close(dead);
	return tap_end();
}
