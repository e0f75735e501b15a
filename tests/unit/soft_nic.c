/*
 * soft_nic.c - the software NIC's driver (net/soft/driver.c), bound again and again by a program
 * that never polls: what it keeps of each binding is bounded, and is whole packets. It has one
 * queue, whatever is asked for.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>

#include <pagepool/net.h>
#include <pagepool/pagepool.h>

#include "tap.h"

static struct pp_net_seg seg[4096];

static uint64_t mapped_writes(struct pp_net *nic)
{
	struct pp_domain_stats s;

	pp_domain_stats(pp_net_device(nic, 0), &s, sizeof s);
	return s.dma_writes;
}

static void has_one_queue(struct pp_net *nic)
{
	struct pp_net_info info;

	pp_net_info(nic, &info, sizeof info);
	check(info.queues == 1, "%u queues", info.queues);
	check(!pp_net_own(nic, 0) && pp_net_own(nic, 1) == -EINVAL, "no other can be owned");
}

int main(int argc, char **argv)
{
	struct pp_net_soft_params soft = PP_PARAMS(struct pp_net_soft_params);
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR] = "";
	unsigned n = 0, k, packets = 0;
	struct pp_net_stats stats;
	struct pp_net *nic;

	soft.pcap = argv[1];
	soft.loops = UINT64_MAX;
	params.soft = &soft;
	params.queues = 2;
	require(argc == 2 && !pp_net_open(&nic, &params, error), "a NIC: %s", error);
	has_one_queue(nic);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t before = mapped_writes(nic);

		require(!pp_net_bind(nic), "bound");
		while (mapped_writes(nic) - before < 800) /* the ring is nearly full */
			;
		require(!pp_net_unbind(nic), "unbound");
	}
	while ((k = pp_net_receive(nic, 0, seg + n, 256)))
		n += k;
	for (unsigned i = 0; i < n; i++) {
		packets += seg[i].flags & PP_NET_LAST;
		pp_page_put(seg[i].page);
	}
	check(n > 512 && n <= 1024, "%u pages were kept", n);
	pp_net_stats(nic, 0, &stats, sizeof stats);
	check(seg[n - 1].flags & PP_NET_LAST && packets == stats.rx_packets, "%u whole packets",
	      packets);
	check_eq(stats.rx_posted, 0, "none is posted without a binding");
	pp_net_close(nic);
	return tap_end();
}
