/*
 * forward.c A B [QUEUES] - examples/7-forward.c, plainly: each packet is copied from one
 * interface's memory to the other's.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pthread.h>

#include "plain.h"

#define FRAMES 4096u

static struct sock sock[2][64];

static void send_copy(struct sock *to, const void *packet, uint32_t len)
{
	uint32_t idx = 0;
	struct xdp_desc *d;

	if (!to->n_free || xsk_ring_prod__reserve(&to->tx, 1, &idx) != 1)
		return; /* dropped */
	d = xsk_ring_prod__tx_desc(&to->tx, idx);
	*d = (struct xdp_desc){ .addr = to->free[--to->n_free], .len = len };
	memcpy(to->area + d->addr, packet, len);
	xsk_ring_prod__submit(&to->tx, 1);
	to->outstanding++;
}

static void complete(struct sock *s)
{
	uint32_t idx = 0, n;

	if (!s->outstanding)
		return;
	sendto(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
	n = xsk_ring_cons__peek(&s->comp, 2048, &idx);
	for (uint32_t i = 0; i < n; i++)
		give(s, *xsk_ring_cons__comp_addr(&s->comp, idx + i));
	xsk_ring_cons__release(&s->comp, n);
	s->outstanding -= n;
}

static uint32_t pump(struct sock *from, struct sock *to)
{
	uint32_t idx = 0, n = xsk_ring_cons__peek(&from->rx, BATCH, &idx);

	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&from->rx, idx + i);

		send_copy(to, from->area + d->addr, d->len);
		give(from, d->addr);
	}
	xsk_ring_cons__release(&from->rx, n);
	refill(from);
	complete(to);
	return n;
}

static void *forward(void *arg)
{
	uintptr_t q = (uintptr_t)arg;
	struct sock *a = &sock[0][q], *b = &sock[1][q];
	struct pollfd fd[2] = { { xsk_socket__fd(a->xsk), POLLIN, 0 },
				{ xsk_socket__fd(b->xsk), POLLIN, 0 } };

	while (!over)
		if (!(pump(a, b) + pump(b, a)))
			poll(fd, 2, a->outstanding || b->outstanding ? 1 : 100);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned n = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	pthread_t thread[64];
	uint32_t lost = 0;

	if (argc < 3 || !n || n > 64)
		errx(2, "forward A B [QUEUES]");
	signal(SIGINT, stop);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned q = 0; q < n; q++)
			open_sock(&sock[i][q], argv[1 + i], q, FRAMES, FRAMES / 2);
	for (uintptr_t q = 0; q < n; q++)
		if (pthread_create(&thread[q], NULL, forward, (void *)q))
			errx(1, "there can't be so many threads");
	while (!over && if_nametoindex(argv[1]) && if_nametoindex(argv[2]))
		poll(NULL, 0, 100);
	over = 1;
	for (unsigned q = 0; q < n; q++)
		pthread_join(thread[q], NULL);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned q = n; q-- > 0;)
			lost += close_sock(&sock[i][q]);
	printf("%u frames are lost\n", lost);
	return 0;
}
