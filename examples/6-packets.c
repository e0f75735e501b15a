/*
 * 6-packets.c DEVICE N - a packet program on libpagepool-net: receive N packets, hand each to a
 * worker thread, close the device while the worker is still reading.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/net.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct worker {
	int pipe[2]; /* packets on their way: descriptions only, the bytes stay in their pages */
	unsigned long packets, bytes;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pp_net_seg seg; /* a packet, or a piece of one that is longer than a page */

	while (read(w->pipe[0], &seg, sizeof seg) == sizeof seg) {
		const unsigned char *bytes = (unsigned char *)pp_page_addr(seg.page) + seg.offset;

		if (!w->packets)
			printf("the first packet is for %02x:%02x:%02x:%02x:%02x:%02x\n", bytes[0],
			       bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
		w->bytes += seg.len;
		w->packets += (seg.flags & PP_NET_LAST) != 0;
		pp_page_put(seg.page); /* on this thread, though the device may have gone */
	}
	return NULL;
}

/* The queue's thread polls; one that has other work waits for pp_net_event_fd. */
static unsigned long receive(struct pp_net *net, struct worker *w, unsigned long n)
{
	unsigned long got = 0;
	struct pp_net_seg seg;

	while (got < n) {
		enum pp_net_state state = pp_net_state(net); /* first: it may end meanwhile */

		if (!pp_net_receive(net, 0, &seg, 1)) { /* a real program takes 32 at once */
			if (state != PP_NET_RUNNING)
				break;
			continue;
		}
		got += (seg.flags & PP_NET_LAST) != 0;
		if (write(w->pipe[1], &seg, sizeof seg) != sizeof seg)
			pp_page_put(seg.page); /* who has a segment puts its page */
	}
	return got;
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, got;
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	struct worker w = { .packets = 0 };
	char error[PP_NET_ERROR];
	struct pp_net *net;
	pthread_t thread;

	if (!n) {
		fprintf(stderr, "Usage: 6-packets DEVICE N, as in 6-packets soft:pcap=FILE 1000\n");
		return 2;
	}
	params.device = argv[1];
	if (pp_net_open(&net, &params, error)) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	if (pp_net_bind(net)) { /* this thread owns the queue's pool */
		fprintf(stderr, "%s\n", pp_net_error(net));
		return 1;
	}
	if (pipe(w.pipe) || pthread_create(&thread, NULL, work, &w))
		return 1;
	got = receive(net, &w, n);
	pp_net_close(net); /* unbinds it: nothing stays mapped, and nobody waits for the worker */
	close(w.pipe[1]);
	pthread_join(thread, NULL);
	printf("%lu packets received; the worker read %lu, %lu bytes\n", got, w.packets, w.bytes);
	return got != n || w.packets != n;
}
