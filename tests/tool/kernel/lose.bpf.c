/*
 * lose.bpf.c - XDP for the tests of pagepool kernel: makes veth take its packets into its page
 * pool, and loses those that would complete something: the last fragment of an IPv4 packet, and
 * TCP segments whose data begins with 0xDD, however often they are sent.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define OFFSET 0x1fff
#define MORE 0x2000
#define LOST 0xdd

static __always_inline int judge(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u16 frag;
	__u8 *first;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5)
		return XDP_PASS;
	frag = bpf_ntohs(ip->frag_off);
	if (frag & OFFSET && !(frag & MORE))
		return XDP_DROP;
	if (ip->protocol != IPPROTO_TCP || (void *)(tcp + 1) > end)
		return XDP_PASS;
	first = (void *)tcp + tcp->doff * 4;
	return (void *)(first + 1) <= end && *first == LOST ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int lose(struct xdp_md *ctx)
{
	return judge(ctx);
}

/* For drivers that take no packet of several pages. */
SEC("xdp")
int lose_single(struct xdp_md *ctx)
{
	return judge(ctx);
}
