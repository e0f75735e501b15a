/*
 * plain.c - AF_XDP as plainly as libxdp's tutorial does it, to measure against:
 *
 *   plain rx IFNAME [HOLD [FILE]]  receive and drop, until a signal; print how many
 *   plain forward A B              copy each packet from one interface's memory to the other's
 *
 * Each socket has 4096 frames of 4 KiB, of which a stack holds the free ones; it receives 64
 * at a time and drops or copies them at once. With HOLD it has as many frames more, and drops
 * a packet only when so many newer ones have come. With FILE what it drops is written first,
 * as pcap: copied behind each other, and by one write for each lot.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define FRAMES 4096u
#define FRAME 4096u
#define BATCH 64u
#define LOT (256u << 10) /* bytes of a write: they stay in the processor's cache */

struct record {
	uint32_t sec, nsec, len, wire_len;
};

struct sock {
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	char *area;
	uint64_t *free;
	uint32_t n_free, outstanding;
	struct xdp_desc *held; /* a ring, full when n_held is `hold` */
	uint32_t hold, n_held, oldest;
	int file; /* or -1 */
	char lot[LOT];
	uint32_t lot_bytes;
	uint64_t packets;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static void die(const char *what, int ret)
{
	fprintf(stderr, "plain: %s: %s\n", what, strerror(-ret));
	exit(1);
}

static void refill(struct sock *s)
{
	uint32_t idx = 0, n = xsk_prod_nb_free(&s->fill, s->n_free);

	if (n > s->n_free)
		n = s->n_free;
	if (!n || xsk_ring_prod__reserve(&s->fill, n, &idx) != n)
		return;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, idx + i) = s->free[--s->n_free];
	xsk_ring_prod__submit(&s->fill, n);
}

/* keep: frames that are not for receiving */
static void open_socket(struct sock *s, const char *ifname, uint32_t keep)
{
	const struct xsk_socket_config config = {
		.rx_size = XSK_RING_CONS__DEFAULT_NUM_DESCS,
		.tx_size = XSK_RING_PROD__DEFAULT_NUM_DESCS,
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	uint32_t frames = FRAMES + s->hold;
	size_t len = (size_t)frames * FRAME;
	int ret;

	s->free = calloc(frames, sizeof *s->free);
	s->held = calloc(s->hold + 1, sizeof *s->held);
	if (!s->free || !s->held)
		die("calloc", -ENOMEM);
	s->area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->area == MAP_FAILED)
		die("mmap", -errno);
	ret = xsk_umem__create(&s->umem, s->area, len, &s->fill, &s->comp, NULL);
	if (ret)
		die("xsk_umem__create", ret);
	ret = xsk_socket__create(&s->xsk, ifname, 0, s->umem, &s->rx, &s->tx, &config);
	if (ret)
		die("xsk_socket__create", ret);
	for (uint32_t i = 0; i < frames; i++)
		s->free[s->n_free++] = (uint64_t)i * FRAME;
	s->n_free -= keep;
	refill(s);
	s->n_free += keep;
}

static void complete(struct sock *s)
{
	uint32_t idx = 0, n;

	if (!s->outstanding)
		return;
	sendto(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
	n = xsk_ring_cons__peek(&s->comp, XSK_RING_CONS__DEFAULT_NUM_DESCS, &idx);
	for (uint32_t i = 0; i < n; i++)
		s->free[s->n_free++] = *xsk_ring_cons__comp_addr(&s->comp, idx + i);
	xsk_ring_cons__release(&s->comp, n);
	s->outstanding -= n;
}

static void send_copy(struct sock *to, const void *packet, uint32_t len)
{
	struct xdp_desc *d;
	uint32_t idx = 0;

	if (!to->n_free || xsk_ring_prod__reserve(&to->tx, 1, &idx) != 1)
		return; /* dropped */
	d = xsk_ring_prod__tx_desc(&to->tx, idx);
	d->addr = to->free[--to->n_free];
	d->len = len;
	d->options = 0;
	memcpy(to->area + d->addr, packet, len);
	xsk_ring_prod__submit(&to->tx, 1);
	to->outstanding++;
}

static void write_lot(struct sock *s)
{
	if (write(s->file, s->lot, s->lot_bytes) != (ssize_t)s->lot_bytes)
		die("write", -errno);
	s->lot_bytes = 0;
}

static void save(struct sock *s, const struct xdp_desc *d, const struct timespec *now)
{
	struct record r = { (uint32_t)now->tv_sec, (uint32_t)now->tv_nsec, d->len, d->len };

	if (s->lot_bytes + sizeof r + d->len > LOT)
		write_lot(s);
	memcpy(s->lot + s->lot_bytes, &r, sizeof r);
	memcpy(s->lot + s->lot_bytes + sizeof r, s->area + d->addr, d->len);
	s->lot_bytes += (uint32_t)sizeof r + d->len;
}

/* Hold a packet back; *d is then the oldest one. False: none has to go yet. */
static bool hold_back(struct sock *s, struct xdp_desc *d)
{
	struct xdp_desc newest = *d;

	if (!s->hold)
		return true;
	if (s->n_held < s->hold) {
		s->held[s->n_held++] = newest;
		return false;
	}
	*d = s->held[s->oldest];
	s->held[s->oldest] = newest;
	s->oldest = s->oldest + 1 < s->hold ? s->oldest + 1 : 0;
	return true;
}

/* to: NULL to drop */
static void receive(struct sock *s, struct sock *to)
{
	uint32_t idx = 0, n = xsk_ring_cons__peek(&s->rx, BATCH, &idx);
	struct timespec now = { 0 };

	if (s->file >= 0)
		clock_gettime(CLOCK_REALTIME, &now);
	for (uint32_t i = 0; i < n; i++) {
		struct xdp_desc d = *xsk_ring_cons__rx_desc(&s->rx, idx + i);

		if (to)
			send_copy(to, s->area + d.addr, d.len);
		if (!hold_back(s, &d))
			continue;
		if (s->file >= 0)
			save(s, &d, &now);
		s->free[s->n_free++] = d.addr & ~(uint64_t)(FRAME - 1);
	}
	xsk_ring_cons__release(&s->rx, n);
	s->packets += n;
	refill(s);
	if (to)
		complete(to);
}

static void finish(struct sock *s)
{
	for (uint32_t i = 0; s->file >= 0 && i < s->n_held; i++)
		save(s, &s->held[(s->oldest + i) % s->n_held], &(struct timespec){ 0 });
	if (s->lot_bytes)
		write_lot(s);
	xsk_socket__delete(s->xsk);
	xsk_umem__delete(s->umem);
	free(s->held);
	free(s->free);
}

/* The file, with pcap's header in it. */
static int open_file(const char *path)
{
	static const uint32_t header[6] = { 0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1 };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0 || write(fd, header, sizeof header) != sizeof header)
		die(path, -errno);
	return fd;
}

int main(int argc, char **argv)
{
	static struct sock a = { .file = -1 }, b = { .file = -1 };
	bool forward = argc == 4 && !strcmp(argv[1], "forward");
	struct pollfd fd[2];

	if (!forward && (argc < 3 || argc > 5 || strcmp(argv[1], "rx"))) {
		fprintf(stderr, "plain rx IFNAME [HOLD [FILE]] | plain forward A B\n");
		return 2;
	}
	if (!forward && argc > 3)
		a.hold = (uint32_t)atoi(argv[3]);
	if (!forward && argc > 4)
		a.file = open_file(argv[4]);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	open_socket(&a, argv[2], forward ? FRAMES / 2 : 0);
	fd[0] = (struct pollfd){ .fd = xsk_socket__fd(a.xsk), .events = POLLIN };
	if (forward) {
		open_socket(&b, argv[3], FRAMES / 2);
		fd[1] = (struct pollfd){ .fd = xsk_socket__fd(b.xsk), .events = POLLIN };
	}
	fprintf(stderr, "ready\n");
	while (!stop) {
		if (poll(fd, forward ? 2 : 1, 100) <= 0)
			continue;
		receive(&a, forward ? &b : NULL);
		if (forward)
			receive(&b, &a);
	}
	printf("%llu\n", (unsigned long long)(a.packets + b.packets));
	finish(&a);
	if (forward)
		finish(&b);
	return 0;
}
