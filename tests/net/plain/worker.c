/*
 * worker.c IFNAME N - examples/6-packets.c, plainly: packets go to a worker by a pipe, and their
 * frames come back by another, for the stack of free ones is the receiver's.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <fcntl.h>
#include <pthread.h>

#include "plain.h"

#define FRAMES 16384u

static struct sock sock;
static int to_worker[2], back[2];
static unsigned long packets, bytes;

static void *work(void *arg)
{
	struct xdp_desc d;

	while (read(to_worker[0], &d, sizeof d) == sizeof d) {
		packets += sock.area[d.addr] || 1;
		bytes += d.len;
		if (write(back[1], &d.addr, sizeof d.addr) != sizeof d.addr)
			break;
	}
	return arg;
}

static void take_back(void)
{
	uint64_t addr;

	while (read(back[0], &addr, sizeof addr) == sizeof addr)
		give(&sock, addr);
}

static unsigned long receive(unsigned long want)
{
	unsigned long got = 0;

	while (got < want && !over) {
		uint32_t idx = 0, n = xsk_ring_cons__peek(&sock.rx, BATCH, &idx);

		for (uint32_t i = 0; i < n; i++, got++)
			if (write(to_worker[1], xsk_ring_cons__rx_desc(&sock.rx, idx + i),
				  sizeof(struct xdp_desc)) < 0)
				err(1, "write");
		xsk_ring_cons__release(&sock.rx, n);
		take_back();
		refill(&sock);
	}
	return got;
}

int main(int argc, char **argv)
{
	unsigned long got;
	pthread_t thread;
	uint32_t lost;

	if (argc != 3)
		errx(2, "worker IFNAME N");
	signal(SIGINT, stop);
	open_sock(&sock, argv[1], 0, FRAMES, 0);
	if (pipe(to_worker) || pipe2(back, O_NONBLOCK) || pthread_create(&thread, NULL, work, NULL))
		err(1, "worker");
	got = receive(strtoul(argv[2], NULL, 10));
	lost = close_sock(&sock); /* the memory must stay: the worker still reads */
	close(to_worker[1]);
	pthread_join(thread, NULL);
	printf("%lu packets received; the worker read %lu, %lu bytes\n", got, packets, bytes);
	printf("%u frames are lost\n", lost);
	return 0;
}
