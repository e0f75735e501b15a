/*
 * keep.c IFNAME N - examples/8-keep.c, plainly: the last N packets are kept while the interface is
 * deleted.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "plain.h"

static struct sock sock;
static struct xdp_desc *kept; /* a ring */
static uint64_t *sum;
static unsigned long size, n;

static uint64_t sum_of(const struct xdp_desc *d)
{
	const unsigned char *p = (unsigned char *)sock.area + d->addr;
	uint64_t s = d->len;

	for (uint32_t i = 0; i < d->len; i++)
		s = (s ^ p[i]) * 1099511628211u;
	return s;
}

static void keep(const struct xdp_desc *d)
{
	unsigned long i = n++ % size;

	if (n > size)
		give(&sock, kept[i].addr);
	kept[i] = *d;
	sum[i] = sum_of(d);
}

static void receive(const char *ifname)
{
	struct pollfd fd = { xsk_socket__fd(sock.xsk), POLLIN, 0 };

	while (!over && if_nametoindex(ifname)) {
		uint32_t idx = 0, got = xsk_ring_cons__peek(&sock.rx, BATCH, &idx);

		for (uint32_t i = 0; i < got; i++)
			keep(xsk_ring_cons__rx_desc(&sock.rx, idx + i));
		xsk_ring_cons__release(&sock.rx, got);
		refill(&sock);
		if (!got)
			poll(&fd, 1, 1);
	}
}

int main(int argc, char **argv)
{
	unsigned long changed = 0, there;
	uint32_t lost;

	size = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	kept = calloc(size + 1, sizeof *kept);
	sum = calloc(size + 1, sizeof *sum);
	if (!size || !kept || !sum)
		errx(2, "keep IFNAME N");
	signal(SIGINT, stop);
	open_sock(&sock, argv[1], 0, (uint32_t)size + 4096, 0);
	receive(argv[1]);
	there = n < size ? n : size;
	for (unsigned long i = 0; i < there; i++) {
		changed += sum[i] != sum_of(&kept[i]);
		give(&sock, kept[i].addr);
	}
	lost = close_sock(&sock);
	printf("%lu packets; %lu kept, %lu have changed\n", n, there, changed);
	printf("%u frames are lost\n", lost);
	return 0;
}
