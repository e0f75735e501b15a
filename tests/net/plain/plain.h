/*
 * plain.h - AF_XDP as plainly as libxdp's tutorial does it: a UMEM for each socket, whose free
 * frames lie on a stack. What the three plain programs share, to be compared with those of
 * examples/.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PLAIN_H
#define PLAIN_H

#include <err.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define FRAME 4096u
#define BATCH 64u

struct sock {
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	char *area;
	uint64_t *free;
	uint32_t frames, n_free, outstanding;
};

static volatile sig_atomic_t over;

static inline void stop(int signal)
{
	over = signal;
}

static inline void refill(struct sock *s)
{
	uint32_t idx = 0, n = xsk_prod_nb_free(&s->fill, s->n_free);

	n = n < s->n_free ? n : s->n_free;
	if (!n || xsk_ring_prod__reserve(&s->fill, n, &idx) != n)
		return;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, idx + i) = s->free[--s->n_free];
	xsk_ring_prod__submit(&s->fill, n);
}

static inline void give(struct sock *s, uint64_t addr)
{
	s->free[s->n_free++] = addr & ~(uint64_t)(FRAME - 1);
}

/* `frames`, of which `keep` aren't for receiving. */
static inline void open_sock(struct sock *s, const char *ifname, uint32_t queue, uint32_t frames,
			     uint32_t keep)
{
	const struct xsk_socket_config config = { .rx_size = 2048,
						  .tx_size = 2048,
						  .bind_flags = XDP_USE_NEED_WAKEUP };
	size_t len = (size_t)frames * FRAME;
	int ret;

	s->frames = frames;
	s->free = calloc(frames, sizeof *s->free);
	s->area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!s->free || s->area == MAP_FAILED)
		err(1, "memory");
	ret = xsk_umem__create(&s->umem, s->area, len, &s->fill, &s->comp, NULL);
	if (!ret)
		ret = xsk_socket__create(&s->xsk, ifname, queue, s->umem, &s->rx, &s->tx, &config);
	if (ret)
		errx(1, "%s: %s", ifname, strerror(-ret));
	for (uint32_t i = 0; i < frames; i++)
		give(s, (uint64_t)i * FRAME);
	s->n_free -= keep;
	refill(s);
	s->n_free += keep;
}

/* Returns the frames that are lost: it has no list of those in the rings, nor in the kernel. */
static inline uint32_t close_sock(struct sock *s)
{
	uint32_t lost = s->frames - s->n_free;

	xsk_socket__delete(s->xsk);
	xsk_umem__delete(s->umem);
	free(s->free);
	return lost;
}

#endif
