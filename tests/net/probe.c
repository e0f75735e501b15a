/*
 * probe.c - the tests' program on an interface:
 *
 *   probe receive IFNAME [WORD ...]         until SIGINT, or the interface is no more
 *   probe send IFNAME COUNT BYTES [WORD ...]
 *
 * WORDs: generic, promiscuous, show (a line for each packet: queue, bytes, time, source, flags, the
 * bytes), queues=N, first=N, count=N, frame=N, pps=N, piece=N (bytes of a segment that is sent),
 * few (room for one segment in a call of receive), hold (nothing is polled until SIGUSR1 comes),
 * keep=N (so many of queue 0's packets are held until after the close), pages=N (a queue's pool at
 * most). Else SIGUSR1 has it bind again.
 *
 * It says "ready" when it is bound, then what it is told, on standard error; the counters at the
 * end on standard output, one a line.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <pagepool/net.h>
#include <pagepool/pagepool.h>

static struct pp_net *net;
static bool show, hold, over; /* over: relaxed, set by the main thread */
static volatile sig_atomic_t stopped, again;
static unsigned pps, n_queues = 1, piece = UINT32_MAX, room = 64;

#define KEPT 4096u
static struct pp_page *kept[KEPT];
static unsigned keep, n_kept;

static void stop(int sig)
{
	if (sig == SIGUSR1)
		again = 1;
	else
		stopped = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void words(char **argv, struct pp_net_params *p, struct pp_net_xdp_params *xdp)
{
	for (; *argv; argv++) {
		unsigned n = 0;

		if (!strcmp(*argv, "generic"))
			xdp->generic = true;
		else if (!strcmp(*argv, "promiscuous"))
			p->promiscuous = true;
		else if (!strcmp(*argv, "show"))
			show = true;
		else if (!strcmp(*argv, "few"))
			room = 1;
		else if (!strcmp(*argv, "hold"))
			hold = true;
		else if (sscanf(*argv, "queues=%u", &n) == 1)
			p->queues = n_queues = n;
		else if (sscanf(*argv, "first=%u", &n) == 1)
			xdp->first_queue = n;
		else if (sscanf(*argv, "count=%u", &n) == 1)
			xdp->queue_count = n;
		else if (sscanf(*argv, "frame=%u", &n) == 1)
			xdp->frame = n;
		else if (sscanf(*argv, "pps=%u", &n) == 1)
			pps = n;
		else if (sscanf(*argv, "keep=%u", &n) == 1 && n <= KEPT)
			p->keep = keep = n;
		else if (sscanf(*argv, "pages=%u", &n) == 1)
			p->max_pages = n;
		else if (sscanf(*argv, "piece=%u", &n) == 1)
			piece = n;
		else
			die(*argv);
	}
}

static void notices(void)
{
	const char *notice;

	while ((notice = pp_net_notice(net)))
		fprintf(stderr, "notice: %s\n", notice);
}

/* True once there is nothing more to come. Looks at the device, tells what is new. */
static bool ended(void)
{
	enum pp_net_state state = pp_net_state(net);

	notices();
	if (state != PP_NET_RUNNING)
		fprintf(stderr, "state %d: %s\n", state, pp_net_error(net));
	return stopped || state != PP_NET_RUNNING;
}

/* A segment: it begins a line if the one before it has ended a packet. Only queue 0's are shown. */
static void print(const struct pp_net_seg *s)
{
	const uint8_t *p = (const uint8_t *)pp_page_addr(s->page) + s->offset;
	static bool goes_on;

	if (!goes_on)
		printf("%u %u %" PRIu64 " %u %x ", s->queue, s->wire_len, s->time_ns,
		       s->time_source, s->flags | PP_NET_LAST);
	for (uint32_t i = 0; i < s->len; i++)
		printf("%02x", p[i]);
	goes_on = !(s->flags & PP_NET_LAST);
	if (!goes_on)
		printf("\n");
	fflush(stdout);
}

static unsigned take(unsigned queue)
{
	struct pp_net_seg seg[64];
	unsigned n = pp_net_receive(net, queue, seg, room);

	if (room > 1 && n && !(seg[n - 1].flags & PP_NET_LAST))
		die("half a packet, where there was room for all of it");
	for (unsigned i = 0; i < n; i++) {
		if (show)
			print(&seg[i]);
		if (!queue && n_kept < keep)
			kept[n_kept++] = seg[i].page;
		else
			pp_page_put(seg[i].page);
	}
	return n;
}

static void wait_for(unsigned queue)
{
	struct pollfd fd = { .fd = pp_net_event_fd(net, queue), .events = POLLIN };
	uint64_t drop;

	pp_net_arm(net, queue);
	if (!take(queue) && poll(&fd, 1, -1) > 0 && read(fd.fd, &drop, sizeof drop) < 0)
		return;
}

static void *receive_one(void *ctx)
{
	unsigned queue = (unsigned)(uintptr_t)ctx;

	pp_net_own(net, queue);
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
		if (!take(queue))
			wait_for(queue);
	return NULL;
}

static void bind_it(void)
{
	if (pp_net_bind(net))
		die(pp_net_error(net));
	notices();
	fprintf(stderr, "ready\n");
}

static void bind_again(void)
{
	again = 0;
	pp_net_unbind(net);
	take(0);
	bind_it();
}

static void receive(void)
{
	pthread_t thread[64];

	for (uintptr_t i = 1; i < n_queues; i++)
		pthread_create(&thread[i], NULL, receive_one, (void *)i);
	while (hold && !again && !stopped)
		poll(NULL, 0, 10);
	again = hold ? 0 : again;
	while (!ended()) {
		if (again)
			bind_again();
		if (!take(0))
			wait_for(0);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (unsigned i = 1; i < n_queues; i++) {
		pthread_join(thread[i], NULL); /* the watch timer wakes it, if nothing else does */
		pp_net_own(net, i);
	}
}

/* Packet i: a header, its number, and bytes that differ from place to place. */
static void make(uint8_t *p, uint64_t i, unsigned len)
{
	for (unsigned k = 0; k < len; k++)
		p[k] = (uint8_t)(i + k + (k >> 8));
	memcpy(p, "\2\0\0\0\0\2\2\0\0\0\0\1\x88\xb5", 14);
	memcpy(p + 14, &i, sizeof i);
}

static void send_one(uint64_t i, unsigned len)
{
	static uint8_t bytes[65536];
	struct pp_net_seg seg[64] = { 0 };
	unsigned n = 0, done = 0;

	make(bytes, i, len);
	do {
		struct pp_net_seg *s = &seg[n++];

		while (pp_page_get(&s->page, pp_net_send_pool(net, 0)))
			pp_net_reap(net, 0);
		s->len = len - done < piece ? len - done : piece;
		if (s->len > pp_page_size(s->page))
			s->len = pp_page_size(s->page);
		memcpy(pp_page_addr(s->page), bytes + done, s->len);
		done += s->len;
	} while (done < len && n < 64);
	seg[n - 1].flags = PP_NET_LAST;
	while (!pp_net_send(net, 0, seg, n) && !ended())
		pp_net_reap(net, 0);
	pp_net_reap(net, 0);
}

static void send_all(uint64_t count, unsigned len)
{
	struct timespec t = { .tv_nsec = pps ? 1000000000 / (long)pps : 0 };

	for (uint64_t i = 0; i < count && !ended(); i++) {
		send_one(i, len);
		if (pps)
			nanosleep(&t, NULL);
	}
	while (pp_net_reap(net, 0) && !ended())
		pp_net_arm(net, 0);
}

static void print_counts(void)
{
	struct pp_net_stats s;

	pp_net_stats(net, PP_NET_ALL_QUEUES, &s, sizeof s);
#define PRINT(name) printf(#name " %" PRIu64 "\n", s.name)
	PRINT(rx_packets);
	PRINT(rx_missed);
	PRINT(rx_too_long);
	PRINT(rx_dropped);
	PRINT(rx_refused);
	PRINT(tx_taken);
	PRINT(tx_packets);
	PRINT(tx_sent_min);
	PRINT(tx_sent_max);
	PRINT(tx_too_long);
	PRINT(tx_too_short);
	PRINT(tx_no_carrier);
	PRINT(tx_malformed);
	PRINT(tx_unsent);
	for (unsigned i = 0; i < n_queues && n_queues > 1; i++) {
		pp_net_stats(net, i, &s, sizeof s);
		printf("rx_packets_%u %" PRIu64 "\n", i, s.rx_packets);
	}
}

static void settle(void)
{
	struct pp_totals totals;

	if (pp_net_state(net) == PP_NET_GONE)
		pp_net_remove(net);
	else
		pp_net_unbind(net);
	for (unsigned i = 0; i < n_queues; i++)
		while (take(i))
			;
	pp_net_quiet(net);
	notices();
	print_counts();
	pp_net_close(net);
	printf("kept %u\n", n_kept);
	while (n_kept)
		pp_page_put(kept[--n_kept]);
	pp_totals(&totals, sizeof totals);
	printf("left %" PRIu64 "\n", totals.pools + totals.chunk_bytes + totals.iova_bytes);
}

int main(int argc, char **argv)
{
	struct pp_net_params p = PP_PARAMS(struct pp_net_params);
	struct pp_net_xdp_params xdp = PP_PARAMS(struct pp_net_xdp_params);
	char error[PP_NET_ERROR];
	bool sends = argc >= 5 && !strcmp(argv[1], "send");

	if (!sends && (argc < 3 || strcmp(argv[1], "receive")))
		die("probe receive IFNAME | send IFNAME COUNT BYTES");
	signal(SIGINT, stop);
	signal(SIGUSR1, stop);
	p.send_only = sends;
	p.xdp = &xdp;
	xdp.ifname = argv[2];
	words(argv + (sends ? 5 : 3), &p, &xdp);
	if (pp_net_open(&net, &p, error))
		die(error);
	bind_it();
	if (sends)
		send_all(strtoull(argv[3], NULL, 10), (unsigned)atoi(argv[4]));
	else
		receive();
	settle();
	return 0;
}
