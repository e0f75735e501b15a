/*
 * port.h - the interface of a network driver to net.c, which offers it to programs
 * (pagepool/net.h). The drivers use the public API alone.
 *
 * A driver's structure begins with struct pp_net. Its queues are either devices of the library,
 * each with its own domain and binding (xdp), or parts of one device (a card).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_PORT_H
#define NET_PORT_H

#include <pagepool/net.h>
#include <pagepool/pagepool.h>

#define PORT_QUEUES 64u
#define PORT_LINK_ETHERNET 1 /* libpcap's DLT_EN10MB */

struct port_queue {
	struct pp_net *net;
	unsigned index;
	struct pp_device *dev;
	struct pp_pool *rx_pool, *tx_pool; /* while bound, else NULL; may be the same */
	/* The caller's pool, to receive into and send from instead of pools of its own; or NULL. */
	struct pp_pool *supplied;
	struct pp_pool_params required; /* of a pool; those that the queue creates meet it */
	/* Written by the queue's thread (port_count), read by any: relaxed. */
	struct pp_net_stats stats;
};

struct port_ops {
	/* As pp_net_receive, ..., whose queue exists. */
	unsigned (*receive)(struct port_queue *q, struct pp_net_seg *seg, unsigned n);
	unsigned (*send)(struct port_queue *q, const struct pp_net_seg *seg, unsigned n);
	unsigned (*reap)(struct port_queue *q);
	int (*event_fd)(struct port_queue *q);
	void (*arm)(struct port_queue *q);
	enum pp_net_state (*state)(struct pp_net *net);
	/* What went wrong, or "": now, or in the last bind or unbind. */
	const char *(*error)(struct pp_net *net);
	/* Fill in what is only found out when it is asked for; NULL: nothing is. */
	void (*stats)(struct port_queue *q, struct pp_net_stats *stats);
	/* What is known of all queues together only; NULL: the sum is it. */
	void (*totals)(struct pp_net *net, struct pp_net_stats *stats);
	/* What changes after open; NULL: nothing does. */
	void (*info)(struct pp_net *net, struct pp_net_info *info);
	/* Before and after all queues are bound and unbound; NULL: nothing is to be done. */
	int (*begin)(struct pp_net *net);
	void (*end)(struct pp_net *net);
	/* Not bound any more: true if the device does nothing. */
	bool (*quiet)(struct pp_net *net);
	void (*close)(struct pp_net *net);
};

#define PORT_NOTICES 8u

struct pp_net {
	const struct port_ops *ops;
	struct pp_driver drv; /* of all its queues' devices */
	struct pp_net_info info;
	char name[64]; /* info.name */
	struct port_queue *queue[PORT_QUEUES];
	unsigned n_queues;
	unsigned n_bound;
	char error[PP_NET_ERROR]; /* of the last bind; set by net.c if the driver set none */
	char notice[PORT_NOTICES][PP_NET_ERROR];
	unsigned n_notices, n_read;
};

/* Add to a counter, on the queue's thread. */
static inline void port_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline void port_set(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, n, __ATOMIC_RELAXED);
}

/*
 * How many of `have` segments a receive with room for n returns: whole packets, or as much as fits
 * of one that is longer.
 */
static inline unsigned port_whole(const struct pp_net_seg *seg, unsigned have, unsigned n)
{
	unsigned whole = have < n ? have : n;

	while (whole && !(seg[whole - 1].flags & PP_NET_LAST))
		whole--;
	return whole ? whole : have < n ? have : n;
}

/* The packet's length. */
static inline uint64_t port_bytes(const struct pp_net_seg *seg, unsigned n)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += seg[i].len;
	return bytes;
}

/* Count what receive hands out. Returns how many segments that is. */
static inline unsigned port_received(struct port_queue *q, const struct pp_net_seg *seg, unsigned n)
{
	uint64_t bytes = 0, packets = 0;

	for (unsigned i = 0; i < n; i++) {
		bytes += seg[i].len;
		packets += seg[i].flags & PP_NET_LAST;
	}
	port_count(&q->stats.rx_bytes, bytes);
	port_count(&q->stats.rx_packets, packets);
	return n;
}

/* A packet that can't be sent: put its n pages, and count it. */
static inline void port_refuse(const struct pp_net_seg *seg, unsigned n, uint64_t *reason)
{
	for (unsigned i = 0; i < n; i++)
		pp_page_put(seg[i].page);
	port_count(reason, 1);
}

/* Add a notice for the user. If nobody fetches them, those beyond PORT_NOTICES are lost. */
void port_notice(struct pp_net *net, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Copy a caller's parameters into `to`, which has `size` bytes. 0, -EINVAL or -E2BIG. */
int port_params(void *to, size_t size, const void *from);

/* words.c: what a device is called, taken apart. */
struct port_words {
	char *text; /* what the parameters point to; free() */
	struct pp_net_xdp_params xdp;
	struct pp_net_vfio_params vfio;
	struct pp_net_soft_params soft;
	enum { PORT_SOFT, PORT_VFIO, PORT_XDP } kind;
};
/* 0; -EINVAL with a sentence in error (PP_NET_ERROR bytes); -ENOMEM. */
int port_words(struct port_words *w, const char *device, char *error);

/*
 * The drivers. Each opens a device that is registered, not bound. 0, or an errno with a
 * sentence in error (PP_NET_ERROR bytes) or none in it.
 */
int soft_net_open(struct pp_net **out, const struct pp_net_soft_params *soft,
		  const struct pp_net_params *params, char *error);
int vfio_net_open(struct pp_net **out, const struct pp_net_vfio_params *vfio,
		  const struct pp_net_params *params, char *error);
int xdp_net_open(struct pp_net **out, const struct pp_net_xdp_params *xdp,
		 const struct pp_net_params *params, char *error);

#endif
