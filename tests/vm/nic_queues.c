/*
 * nic_queues.c - a NIC with two queues, each with a thread of its own: what comes in by one goes
 * out by it again, from the pages that it lies in.
 *
 *	vm-nic_queues ADDRESS PACKETS
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <pagepool/net.h>

#include "tap.h"

#define QUEUES 2u
#define SOME 64u

static const uint8_t sender[6] = { 2, 0, 0, 0, 0, 1 };
static struct pp_net *nic;
static uint64_t wanted, echoed; /* of the sender's packets; any thread */

/* The packet's own; what the host's stack sends besides isn't counted. */
static bool is_senders(const struct pp_net_seg *seg)
{
	return !memcmp((char *)pp_page_addr(seg->page) + seg->offset + 6, sender, sizeof sender);
}

/* Send what was received: whole packets, as they come; how many of them are the sender's. */
static unsigned echo(unsigned queue, const struct pp_net_seg *seg, unsigned n)
{
	unsigned sent = 0, packets = 0;
	bool first = true;

	for (unsigned i = 0; i < n; i++) {
		packets += first && is_senders(&seg[i]);
		first = seg[i].flags & PP_NET_LAST;
	}
	while (sent < n) {
		sent += pp_net_send(nic, queue, seg + sent, n - sent);
		pp_net_reap(nic, queue);
	}
	return packets;
}

/* Segments up to the last packet's end. */
static unsigned whole(const struct pp_net_seg *seg, unsigned n)
{
	while (n && !(seg[n - 1].flags & PP_NET_LAST))
		n--;
	return n;
}

static void rest(unsigned queue)
{
	struct pollfd p = { .fd = pp_net_event_fd(nic, queue), .events = POLLIN };

	poll(&p, 1, 1000); /* the other one may have had the last packet */
}

static void *serve(void *arg)
{
	unsigned queue = *(unsigned *)arg, n = 0, end;
	struct pp_net_seg seg[SOME];
	uint64_t mine = 0;

	if (pp_net_own(nic, queue))
		abort();
	while (__atomic_load_n(&echoed, __ATOMIC_RELAXED) < wanted) {
		unsigned before = n;

		n += pp_net_receive(nic, queue, seg + n, SOME - n);
		pp_net_reap(nic, queue);
		end = whole(seg, n);
		before = n - before;
		if (end) {
			unsigned own = echo(queue, seg, end);

			mine += own;
			__atomic_fetch_add(&echoed, own, __ATOMIC_RELAXED);
		}
		memmove(seg, seg + end, (n -= end) * sizeof *seg);
		if (before)
			continue;
		pp_net_arm(nic, queue);
		before = n;
		n += pp_net_receive(nic, queue, seg + n, SOME - n);
		if (n == before && !pp_net_reap(nic, queue))
			rest(queue);
	}
	while (n)
		pp_page_put(seg[--n].page);
	while (pp_net_reap(nic, queue) && pp_net_state(nic) == PP_NET_RUNNING)
		;
	return (void *)(uintptr_t)mine;
}

static void run_queues(void)
{
	static unsigned number[QUEUES];
	pthread_t thread[QUEUES];
	void *count;

	for (unsigned i = 0; i < QUEUES; i++) {
		number[i] = i;
		if (pthread_create(&thread[i], NULL, serve, &number[i]))
			abort();
	}
	for (unsigned i = 0; i < QUEUES; i++) {
		pthread_join(thread[i], &count);
		check((uintptr_t)count > wanted / 10, "queue %u had %u packets", i,
		      (unsigned)(uintptr_t)count);
	}
}

int main(int argc, char **argv)
{
	struct pp_net_vfio_params set = PP_PARAMS(struct pp_net_vfio_params);
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR] = "";
	struct pp_net_stats stats;
	struct pp_net_info info;
	struct pp_totals left;

	set.address = argc > 1 ? argv[1] : "0000:00:03.0";
	wanted = argc > 2 ? (uint64_t)atoi(argv[2]) : 1000;
	params.vfio = &set;
	params.queues = QUEUES;
	params.promiscuous = true;
	if (pp_net_open(&nic, &params, error)) {
		printf("Bail out! %s\n", error);
		return 1;
	}
	pp_net_info(nic, &info, sizeof info);
	check_eq(info.queues, QUEUES, "queues");
	if (pp_net_bind(nic)) {
		printf("Bail out! %s\n", pp_net_error(nic));
		return 1;
	}
	printf("# ready for frames\n");
	fflush(stdout);
	run_queues();
	pp_net_stats(nic, PP_NET_ALL_QUEUES, &stats, sizeof stats);
	check(stats.rx_packets == stats.tx_taken && stats.tx_packets == stats.tx_taken &&
		      !stats.rx_refused && !stats.tx_refused,
	      "%llu packets came, and all were sent", (unsigned long long)stats.rx_packets);
	check(!pp_net_unbind(nic), "unbound");
	pp_net_close(nic);
	pp_totals(&left, sizeof left);
	check(!left.pools && !left.chunk_bytes && !left.iova_bytes, "nothing is left");
	return tap_end();
}
