/*
 * card.h - what the tests of the cards' drivers share: the open device, its packets, and what must
 * be left at the end. Include it after the emulated card, `hw`.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TESTS_UNIT_CARD_H
#define TESTS_UNIT_CARD_H

#include <pagepool/net.h>
#include <pagepool/pagepool.h>

#include "unit.h"

#define DEBUG (PP_DEBUG_DMA | PP_DEBUG_PAGES | PP_DEBUG_FATAL)

static struct pp_net *nic;
static struct pp_net_seg seg[1024]; /* two receive rings, or more */
static uint64_t max_pages;          /* parameters of the next open */
static bool promiscuous;

static struct pp_net_stats counts(void)
{
	struct pp_net_stats s;

	pp_net_stats(nic, PP_NET_ALL_QUEUES, &s, sizeof s);
	return s;
}

static void put_all(unsigned n)
{
	while (n)
		pp_page_put(seg[--n].page);
}

/* True if the packet in seg is these bytes; puts it. */
static bool is_packet(unsigned n, const uint8_t *bytes, uint32_t len)
{
	bool same = n > 0;
	uint32_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		same &= seg[i].wire_len == len && !!(seg[i].flags & PP_NET_LAST) == (i + 1 == n) &&
			seg[i].offset + seg[i].len <= pp_page_size(seg[i].page) &&
			at + seg[i].len <= len &&
			!memcmp((char *)pp_page_addr(seg[i].page) + seg[i].offset, bytes + at,
				seg[i].len);
		at += seg[i].len;
	}
	put_all(n);
	return same && at == len;
}

/* Close, and see that nothing is left. */
static void close_nic(void)
{
	struct pp_totals left;

	pp_net_close(nic);
	pp_totals(&left, sizeof left);
	check(!left.pools && !left.chunk_bytes && !left.iova_bytes && hw.closed,
	      "nothing is left behind");
}

static void nothing_mapped(const char *when)
{
	struct pp_domain_stats s;

	pp_domain_stats(pp_net_device(nic, 0), &s, sizeof s);
	check(!s.mappings && !s.bytes_mapped, "nothing is mapped %s", when);
}

static bool error_says(const char *text)
{
	printf("# %s\n", pp_net_error(nic));
	return strstr(pp_net_error(nic), text);
}

#endif
