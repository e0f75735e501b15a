/*
 * 8-keep.c DEVICE N - keep the last N pieces of packets while the device goes: unplugged,
 * deleted, whatever. What is kept stays as it was received, for as long as we like. A packet that
 * fits into a page is one piece.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/net.h>
#include <pagepool/pagepool.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct pp_net_seg *kept; /* a ring */
static uint64_t *sum;           /* of each */
static unsigned long size, n;

static uint64_t sum_of(const struct pp_net_seg *seg)
{
	const unsigned char *p = (unsigned char *)pp_page_addr(seg->page) + seg->offset;
	uint64_t s = seg->len;

	for (uint32_t i = 0; i < seg->len; i++)
		s = (s ^ p[i]) * 1099511628211u;
	return s;
}

static void keep(const struct pp_net_seg *seg)
{
	unsigned long i = n++ % size;

	if (n > size)
		pp_page_put(kept[i].page);
	kept[i] = *seg;
	sum[i] = sum_of(seg);
}

static void receive(struct pp_net *net)
{
	struct pollfd fd = { pp_net_event_fd(net, 0), POLLIN, 0 };
	struct pp_net_seg seg[64];
	enum pp_net_state state;
	uint64_t drop;
	unsigned got;

	do {
		state = pp_net_state(net); /* first: what came before the end is still there */
		got = pp_net_receive(net, 0, seg, 64);
		for (unsigned i = 0; i < got; i++)
			keep(&seg[i]);
		if (got || state != PP_NET_RUNNING)
			continue;
		pp_net_arm(net, 0);
		if (poll(&fd, 1, 1) > 0 && read(fd.fd, &drop, sizeof drop) < 0)
			continue; /* nothing was to be read */
	} while (got || state == PP_NET_RUNNING);
}

int main(int argc, char **argv)
{
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	unsigned long changed = 0, there;
	char error[PP_NET_ERROR];
	struct pp_totals totals;
	struct pp_net *net;
	bool gone;

	size = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	kept = calloc(size + 1, sizeof *kept);
	sum = calloc(size + 1, sizeof *sum);
	if (!size || !kept || !sum)
		return fprintf(stderr, "Usage: 8-keep DEVICE N, as xdp:eth0 50000\n"), 2;
	params.device = argv[1];
	params.keep = size; /* so many pages more than the rings take */
	if (pp_net_open(&net, &params, error))
		return fprintf(stderr, "%s\n", error), 1;
	if (pp_net_bind(net))
		return fprintf(stderr, "%s\n", pp_net_error(net)), 1;
	receive(net);
	gone = pp_net_state(net) == PP_NET_GONE;
	printf("%lu pieces received; the device has %s\n", n, gone ? "gone" : "ended");
	if (gone)
		pp_net_remove(net); /* nothing of it is touched, nobody waits */
	pp_net_close(net);
	there = n < size ? n : size;
	for (unsigned long i = 0; i < there; i++) {
		changed += sum[i] != sum_of(&kept[i]);
		pp_page_put(kept[i].page);
	}
	pp_totals(&totals, sizeof totals);
	printf("%lu kept, %lu have changed, %llu bytes are left\n", there, changed,
	       (unsigned long long)totals.chunk_bytes);
	return changed || totals.chunk_bytes || totals.pools;
}
