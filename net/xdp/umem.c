/*
 * umem.c - AF_XDP's UMEM as an IOMMU domain. See umem.h.
 *
 * Invariant: the kernel can reach the memory only between a map and the close, unmap or
 * block that follows it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "umem.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * Attempts, 10 ms apart, at a queue that is still taken: the kernel frees it some time after its
 * last owner closed the socket. On a busy machine that can be seconds, which we wait if that owner
 * may have been us.
 */
#define BUSY_LOOKS 100
#define BUSY_LOOKS_OURS 2000
#define OURS_NS 20000000000u
#define SMALL_RING 64u /* a fill ring that is never used */

static uint64_t closed_ns; /* when this process closed a socket last; relaxed */

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4) /* Linux 6.6 */
#endif
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.18: packets that one sendto sends in copy mode */
#endif

static struct xdp_umem *umem_of(struct pp_iommu *iommu)
{
	return (struct xdp_umem *)iommu;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int xdp_fail(char *error, int ret, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, XDP_ERROR, format, args);
	va_end(args);
	return ret;
}

/* ---- the sockets ------------------------------------------------------------------------ */

/*
 * The kernel counts a packet as dropped that it has no frame for, and one that is longer than a
 * frame (xsk_rcv_check, net/xdp/xsk.c); the first also as one that the fill ring was empty for. A
 * driver that fills its own ring from that one, with zero copy, may find it empty without a packet:
 * then some too long count as missed. Where packets may lie in several frames, none is too long.
 */
static void count(const struct xdp_umem *u, struct xdp_queue *q, struct xdp_lost *lost)
{
	struct xdp_statistics s = { 0 };
	socklen_t len = sizeof s;
	uint64_t too_long = 0;

	if (!q->socket || getsockopt(q->fd, SOL_XDP, XDP_STATISTICS, &s, &len))
		return;
	if (!u->params.pieces && s.rx_dropped > s.rx_fill_ring_empty_descs)
		too_long = s.rx_dropped - s.rx_fill_ring_empty_descs;
	lost->missed += s.rx_dropped - too_long + s.rx_ring_full;
	lost->too_long += too_long;
	lost->refused += s.rx_invalid_descs + s.tx_invalid_descs;
}

void xdp_umem_lost(struct xdp_umem *u, struct xdp_lost *lost)
{
	pthread_mutex_lock(&u->lock);
	*lost = u->lost;
	for (unsigned i = 0; i < u->n_queues; i++)
		count(u, &u->queue[i], lost);
	pthread_mutex_unlock(&u->lock);
}

static bool is_zero_copy(const struct xdp_queue *q)
{
	struct xdp_options options = { 0 };
	socklen_t len = sizeof options;

	return !getsockopt(q->fd, SOL_XDP, XDP_OPTIONS, &options, &len) &&
	       (options.flags & XDP_OPTIONS_ZEROCOPY);
}

bool xdp_umem_zero_copy(const struct xdp_umem *u)
{
	return u->n_queues && is_zero_copy(&u->queue[0]);
}

/* The area, and the first socket with it. */
static void take_back(struct xdp_umem *u)
{
	int fd = xsk_umem__fd(u->umem);

	if (xsk_umem__delete(u->umem))
		close(fd); /* never, as no socket uses it; but the kernel must not keep it */
	u->umem = NULL;
	__atomic_store_n(&closed_ns, now_ns(), __ATOMIC_RELAXED);
}

void xdp_umem_close(struct xdp_umem *u)
{
	pthread_mutex_lock(&u->lock);
	/* the first socket is the area's own (libxdp): it goes last, with it */
	while (u->n_queues) {
		struct xdp_queue *q = &u->queue[--u->n_queues];

		count(u, q, &u->lost);
		if (is_zero_copy(q))
			u->stopping |= 1ull << q->id;
		xsk_socket__delete(q->socket);
		q->socket = NULL;
	}
	/* when the last socket is closed, the kernel has waited for all who copy (RCU) */
	if (u->umem)
		take_back(u);
	pthread_mutex_unlock(&u->lock);
}

/* Why a socket can't be opened. */
static int say_why(struct xdp_umem *u, unsigned queue, int ret)
{
	if (ret == -EINVAL && u->params.pieces)
		return xdp_fail(
			u->error, -EMSGSIZE,
			"the MTU of %s allows packets of several frames, which AF_XDP takes "
			"from Linux 6.6 on: use a smaller MTU",
			u->ifname);
	switch (ret) {
	case -EBUSY:
		return xdp_fail(u->error, ret,
				"queue %u of %s is taken by another AF_XDP socket: end the "
				"program that has it, or take another queue",
				queue, u->ifname);
	case -EPERM:
		return xdp_fail(u->error, ret, "AF_XDP sockets need CAP_NET_RAW: run this as root");
	case -EOPNOTSUPP:
		return xdp_fail(u->error, ret,
				"the driver of %s has no zero-copy mode: leave out "
				"mode=zerocopy",
				u->ifname);
	case -ENODEV:
	case -ENETDOWN:
		return xdp_fail(u->error, ret, "%s has gone or is down: ip link set %s up",
				u->ifname, u->ifname);
	default:
		return xdp_fail(u->error, ret, "can't open an AF_XDP socket on queue %u of %s: %s",
				queue, u->ifname, strerror(-ret));
	}
}

static int open_socket(struct xdp_umem *u, struct xdp_queue *q)
{
	struct xsk_socket_config config = {
		.rx_size = u->params.ring,
		.tx_size = u->params.ring,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = (uint16_t)(u->params.bind_flags | XDP_USE_NEED_WAKEUP |
					 (u->params.pieces ? XDP_USE_SG : 0)),
	};
	uint64_t closed = __atomic_load_n(&closed_ns, __ATOMIC_RELAXED);
	int looks = closed && now_ns() - closed < OURS_NS ? BUSY_LOOKS_OURS : BUSY_LOOKS;
	int budget = (int)u->params.ring, ret = -EBUSY;

	for (int look = 0; look < looks && ret == -EBUSY; look++) {
		if (look)
			poll(NULL, 0, 10);
		ret = xsk_socket__create_shared(&q->socket, u->ifname, q->id, u->umem,
						u->params.send_only ? NULL : &q->rx, &q->tx,
						&q->fill, &q->comp, &config);
	}
	if (ret) {
		q->socket = NULL;
		return say_why(u, q->id, ret);
	}
	q->fd = xsk_socket__fd(q->socket);
	/* older kernels don't know it, and send 32 at a time */
	setsockopt(q->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof budget);
	return 0;
}

int xdp_umem_open(struct xdp_umem *u, unsigned queue)
{
	struct xdp_queue *q = &u->queue[u->n_queues];
	int ret = u->umem ? 0 : -ENODEV;

	pthread_mutex_lock(&u->lock);
	/*
	 * The first queue's rings must be those that the area was registered with: libxdp takes
	 * them down when it fails with others, and doesn't notice when it is tried again.
	 */
	if (u->n_queues)
		*q = (struct xdp_queue){ 0 }; /* libxdp takes rings to be zeroed */
	q->id = queue;
	if (!ret)
		ret = open_socket(u, q);
	if (!ret) {
		u->stopping &= ~(1ull << queue); /* it couldn't be had otherwise */
		__atomic_store_n(&u->n_queues, u->n_queues + 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&u->lock);
	return ret;
}

/* ---- the contract ------------------------------------------------------------------------- */

static int register_area(struct xdp_umem *u, void *addr, size_t len)
{
	struct xsk_umem_config config = {
		.fill_size = u->params.send_only ? SMALL_RING : u->params.ring,
		.comp_size = u->params.ring,
		.frame_size = u->params.frame,
	};
	struct rlimit limit = { 0 };
	int ret;

	u->queue[0] = (struct xdp_queue){ 0 }; /* libxdp takes rings to be zeroed */
	ret = xsk_umem__create(&u->umem, addr, len, &u->queue[0].fill, &u->queue[0].comp, &config);
	if (!ret)
		return 0;
	u->umem = NULL;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	switch (ret) {
	case -EPERM:
		return xdp_fail(u->error, ret, "AF_XDP sockets need CAP_NET_RAW: run this as root");
	case -ENOBUFS:
		return xdp_fail(u->error, -ENOMEM,
				"%zu KiB of pages must be locked in memory, and the limit "
				"is %llu KiB: raise it (ulimit -l)%s run with CAP_IPC_LOCK%s",
				len >> 10, (unsigned long long)limit.rlim_cur >> 10,
				u->params.send_only ? ", or" : ",",
				u->params.send_only ? "" :
						      ", or limit the pool (capture --max-pages)");
	case -EAFNOSUPPORT:
		return xdp_fail(u->error, ret, "this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)");
	default:
		return xdp_fail(u->error, ret, "can't register %zu bytes for AF_XDP on %s: %s", len,
				u->ifname, strerror(-ret));
	}
}

static int umem_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		    size_t page_size, unsigned prot)
{
	struct xdp_umem *u = umem_of(iommu);
	int ret;

	(void)page_size;
	(void)prot; /* the kernel both reads and writes a UMEM */
	if (u->len)
		return xdp_fail(u->error, -ENOSPC,
				"AF_XDP takes one area of memory for an interface: the pool "
				"must have one (area of its parameters), and can't grow beyond");
	ret = register_area(u, addr, len);
	if (ret)
		return ret;
	u->addr = addr;
	u->len = len;
	u->iova = iova;
	return 0;
}

static size_t umem_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct xdp_umem *u = umem_of(iommu);

	if (iova != u->iova || len != u->len)
		return 0; /* never: only whole calls of map are undone */
	xdp_umem_close(u);
	u->addr = NULL;
	u->len = 0;
	u->iova = 0;
	return len;
}

/* Nothing is cached: what is closed is quiet. */
static void umem_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	(void)iommu;
	(void)iova;
	(void)len;
}

static void umem_block(struct pp_iommu *iommu, bool on)
{
	if (on)
		xdp_umem_close(umem_of(iommu));
}

static void umem_stats(struct pp_iommu *iommu, struct pp_domain_stats *stats)
{
	struct xdp_lost lost;

	xdp_umem_lost(umem_of(iommu), &lost);
	stats->faults = lost.refused;
}

static void umem_destroy(struct pp_iommu *iommu)
{
	if (!iommu)
		return;
	xdp_umem_close(umem_of(iommu));
	pthread_mutex_destroy(&umem_of(iommu)->lock);
	free(iommu);
}

static const struct pp_iommu_ops umem_ops = {
	.kind = "xdp",
	.destroy = umem_destroy,
	.map = umem_map,
	.unmap = umem_unmap,
	.invalidate = umem_invalidate,
	.block = umem_block,
	.stats = umem_stats,
};

int xdp_umem_create(struct xdp_umem **out, const struct xdp_umem_params *params)
{
	struct xdp_umem *u = calloc(1, sizeof *u);

	*out = u;
	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->lock, NULL);
	u->params = *params;
	u->iommu.ops = &umem_ops;
	/* an address is an offset: any will do */
	u->iommu.ranges[0] = (struct pp_iova_range){ PP_BASE_PAGE, (1ull << 48) - 1 };
	u->iommu.n_ranges = 1;
	u->iommu.page_sizes = PP_BASE_PAGE;
	return 0;
}
