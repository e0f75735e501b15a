/*
 * 7-forward.c A B [QUEUES] - a forwarder: each queue has a thread, and a pool for both devices.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <err.h>
#include <pagepool/net.h>
#include <pagepool/pagepool.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct pp_net *net[2];
static atomic_int over;

static void stop(int signal)
{
	over = signal;
}

/* What has come on one side goes to the other; what finds no room there is dropped. */
static unsigned pump(struct pp_net *from, struct pp_net *to, unsigned queue)
{
	struct pp_net_seg seg[64];
	unsigned n = pp_net_receive(from, queue, seg, 64);

	for (unsigned i = pp_net_send(to, queue, seg, n); i < n; i++)
		pp_page_put(seg[i].page);
	pp_net_reap(to, queue);
	return n;
}

static void *forward(void *arg)
{
	unsigned q = (unsigned)(uintptr_t)arg;
	struct pollfd fd[2];
	uint64_t drop;

	for (unsigned i = 0; i < 2; i++) {
		fd[i] = (struct pollfd){ pp_net_event_fd(net[i], q), POLLIN, 0 };
		pp_net_own(net[i], q); /* main made the pools */
	}
	for (;;) {
		bool last = over; /* what came before is forwarded still */
		if (pump(net[0], net[1], q) + pump(net[1], net[0], q))
			continue;
		if (last)
			return NULL;
		pp_net_arm(net[0], q), pp_net_arm(net[1], q);
		if (pump(net[0], net[1], q) + pump(net[1], net[0], q) || poll(fd, 2, -1) < 0)
			continue;                /* it came while we armed */
		for (unsigned i = 0; i < 2; i++) /* what was to be read, or nothing */
			(void)!read(fd[i].fd, &drop, fd[i].revents ? 8 : 0);
	}
}

int main(int argc, char **argv)
{
	unsigned n = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	struct pp_totals left;
	struct pp_pool *pool[64];
	char error[PP_NET_ERROR];
	pthread_t thread[64];

	if (argc < 3 || !n || n > 64)
		errx(1, "Usage: 7-forward A B [QUEUES], as xdp:eth0 xdp:eth1 4");
	signal(SIGINT, stop), params.queues = n;
	for (unsigned i = 0; i < 2; i++) {
		params.device = argv[1 + i];
		if (pp_net_open(&net[i], &params, error))
			errx(1, "%s", error);
	}
	for (unsigned q = 0; q < n; q++)
		if (pp_net_share_pool(&pool[q], net, 2, q))
			errx(1, "the two can't share a pool");
	for (unsigned i = 0; i < 2; i++)
		if (pp_net_bind(net[i]))
			errx(1, "%s", pp_net_error(net[i]));
	for (uintptr_t q = 0; q < n; q++)
		if (pthread_create(&thread[q], NULL, forward, (void *)q))
			errx(1, "there can't be so many threads");
	while (!over && !pp_net_state(net[0]) && !pp_net_state(net[1])) /* PP_NET_RUNNING is 0 */
		poll(NULL, 0, 100);
	over = 1; /* the threads look twice a second at least */
	for (unsigned q = 0; q < n; q++)
		pthread_join(thread[q], NULL);
	for (unsigned i = 0; i < 2; i++)
		pp_net_close(net[i]); /* every frame is home */
	for (unsigned q = 0; q < n; q++)
		pp_pool_destroy(pool[q]);
	pp_totals(&left, sizeof left);
	printf("%llu frames are lost\n", (unsigned long long)left.zombie_pages);
	return left.chunk_bytes != 0;
}
