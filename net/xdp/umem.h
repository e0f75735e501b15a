/*
 * umem.h - AF_XDP's UMEM as an IOMMU domain, and the sockets that use it.
 *
 * For one interface, the kernel reads from and writes to the UMEM: one area of memory, registered
 * as a whole. So the domain takes a single mapping, which must be all of a pool: the pool has an
 * area (pp_pool_params.area), and grows within it. A DMA address is an offset into the area plus
 * the start of the mapping.
 *
 * The sockets belong to the domain: when it is told to block or to unmap, by whomever, it closes
 * them first, and the kernel has stopped copying when that returns.
 *
 * Uses the public contract (pagepool/iommu.h) and libxdp.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_XDP_UMEM_H
#define NET_XDP_UMEM_H

#include <net/if.h>
#include <pthread.h>
#include <pagepool/pagepool.h>
#include <xdp/xsk.h>

#define XDP_ERROR 500 /* bytes of a sentence; fewer than PP_NET_ERROR */
#define XDP_QUEUES 64u

/* Put a sentence into error (XDP_ERROR bytes). Returns ret. */
int xdp_fail(char *error, int ret, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A socket on one queue of the interface. */
struct xdp_queue {
	struct xsk_socket *socket; /* NULL: closed */
	unsigned id;
	int fd;
	bool cut; /* the rest of a packet comes, of which the beginning was refused */
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
};

struct xdp_umem_params {
	uint32_t frame;      /* bytes of a frame: 2048 or 4096 */
	unsigned bind_flags; /* XDP_COPY, XDP_ZEROCOPY, or neither: what there is */
	unsigned ring;       /* entries of each of a socket's four rings; a power of two */
	bool send_only;      /* nothing is received */
	bool pieces;         /* a packet may lie in several frames */
};

struct xdp_lost {
	uint64_t missed;   /* packets, for want of room or of frames */
	uint64_t too_long; /* packets, for a frame */
	uint64_t refused;  /* descriptors, by the kernel */
};

struct xdp_umem {
	struct pp_iommu iommu; /* the base: first */
	struct xdp_umem_params params;
	/* the one mapping; len 0: there is none */
	char *addr;
	size_t len;
	pp_iova_t iova;
	struct xsk_umem *umem;    /* NULL: not registered with the kernel, or not any more */
	char ifname[IF_NAMESIZE]; /* of the interface, when the sockets are opened */
	struct xdp_queue queue[XDP_QUEUES];
	unsigned n_queues; /* of these, that have a socket */
	/*
	 * A bit for each queue of a closed zero-copy socket that the kernel may have yet to stop.
	 * The driver's, while no socket is open.
	 */
	uint64_t stopping;
	/*
	 * Protects what follows: held while sockets are opened and closed, and by any thread that
	 * counts.
	 */
	pthread_mutex_t lock;
	struct xdp_lost lost;  /* by the closed sockets */
	char error[XDP_ERROR]; /* why the last map or open failed */
};

/* 0 or -ENOMEM. pp_device_register owns it then. */
int xdp_umem_create(struct xdp_umem **out, const struct xdp_umem_params *params);
/*
 * Open a socket on one more of the interface's queues: the area must be mapped. 0, or an errno
 * with a sentence in `error`.
 */
int xdp_umem_open(struct xdp_umem *u, unsigned queue);
/* Close the sockets and take the area back from the kernel. May be called again. */
void xdp_umem_close(struct xdp_umem *u);
/* True while the sockets are open. */
static inline bool xdp_umem_is_open(const struct xdp_umem *u)
{
	return u->n_queues;
}
/* What the sockets have lost since the beginning. */
void xdp_umem_lost(struct xdp_umem *u, struct xdp_lost *lost);
/* True if queue 0 is in zero-copy mode: the kernel copies no packet. */
bool xdp_umem_zero_copy(const struct xdp_umem *u);

#endif
