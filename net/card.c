/*
 * card.c - what the drivers of cards behind VFIO have in common. See card.h.
 *
 * Uses the public headers and libc.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "card.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "whole.h"

#define LOOKS 20000   /* at a register that is waited for, ... */
#define LOOK_NS 10000 /* ... so far apart, at least: 0.2 s in all */

int card_fail(struct card *c, int ret, const char *format, ...)
{
	int n = snprintf(c->error, sizeof c->error, "%s: ", pp_vfio_address(c->vfio));
	va_list args;

	va_start(args, format);
	vsnprintf(c->error + n, sizeof c->error - (size_t)n, format, args);
	va_end(args);
	return ret;
}

const char *card_error(struct pp_net *net)
{
	struct card *c = card_at(net);

	if (c->gone && !*c->error)
		return "the device has gone";
	/* while it is bound, what may have gone wrong is a mapping: a limit of the kernel's */
	return net->n_bound && !*c->error ? pp_vfio_error(c->vfio) : c->error;
}

int card_wait(struct card *c, const volatile void *reg, uint32_t (*read)(const volatile void *reg),
	      uint32_t mask, uint32_t value, const char *what)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };

	for (unsigned i = 0; i < LOOKS; i++) {
		uint32_t now;

		nanosleep(&pause, NULL);
		now = read(reg);
		if (now == CARD_GONE) {
			c->gone = true;
			return card_fail(c, -ENODEV, "the device has gone");
		}
		if ((now & mask) == value)
			return 0;
	}
	return card_fail(c, -ETIMEDOUT, "the device does not %s, after %d looks", what, LOOKS);
}

/* ---- open and close ------------------------------------------------------------------------- */

void card_describe(struct card *c, struct pp_vfio *vfio, const struct pp_net_vfio_params *set,
		   const struct pp_net_params *params, const struct port_ops *ops)
{
	struct pp_net *net = &c->net;

	c->vfio = vfio;
	c->poll = set->poll;
	c->rogue = set->rogue;
	c->promiscuous = params->promiscuous;
	snprintf(net->name, sizeof net->name, "vfio:%s", pp_vfio_address(vfio));
	net->ops = ops;
	net->info = (struct pp_net_info){
		.name = net->name,
		.link_type = PORT_LINK_ETHERNET,
		.time_source = PP_NET_TIME_POLL,
		.time_precision_ns = 1,
	};
}

static int watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* One descriptor for interrupts and for the kernel's request; polling: always readable. */
static int make_events(const struct card *c, struct card_queue *q)
{
	int request = pp_vfio_request_fd(c->vfio), ret;

	q->irq_fd = eventfd(c->poll, EFD_NONBLOCK | EFD_CLOEXEC);
	q->event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (q->irq_fd < 0 || q->event_fd < 0)
		return -errno;
	ret = watch(q->event_fd, q->irq_fd);
	return ret || request < 0 ? ret : watch(q->event_fd, request);
}

int card_add(struct card *c, struct card_queue *q, uint32_t bytes, uint64_t max_pages)
{
	struct pp_net *net = &c->net;

	q->irq_fd = q->event_fd = -1;
	q->port.net = net;
	q->port.index = net->n_queues;
	q->port.required = pp_pool_defaults();
	q->port.required.page_size = bytes;
	q->port.required.max_pages = max_pages;
	net->queue[net->n_queues++] = &q->port;
	return make_events(c, q);
}

void card_close_queues(struct card *c)
{
	for (unsigned i = 0; i < c->net.n_queues; i++) {
		const struct card_queue *q = card_queue_of(c->net.queue[i]);

		if (q->irq_fd >= 0)
			close(q->irq_fd);
		if (q->event_fd >= 0)
			close(q->event_fd);
	}
}

int card_register(struct card *c, const struct pp_driver *drv)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev;
	int ret;

	c->net.drv = *drv;
	ret = pp_driver_register(&c->net.drv);
	if (ret)
		return ret;
	params.name = pp_vfio_address(c->vfio);
	params.iommu = pp_vfio_iommu(c->vfio);
	params.resource = c->vfio;
	ret = pp_device_register(&dev, &params);
	if (ret)
		pp_driver_unregister(&c->net.drv);
	for (unsigned i = 0; i < c->net.n_queues && !ret; i++)
		c->net.queue[i]->dev = dev;
	return ret;
}

void card_unregister(struct card *c)
{
	struct pp_net_seg seg;

	pp_device_unregister(c->net.queue[0]->dev);
	pp_driver_unregister(&c->net.drv);
	for (unsigned i = 0; i < c->net.n_queues; i++)
		while (card_take(card_queue_of(c->net.queue[i]), &seg, 1))
			pp_page_put(seg.page);
	pp_vfio_close(c->vfio);
	card_close_queues(c);
}

/* ---- the binding ---------------------------------------------------------------------------- */

/* Another's pool, if its pages are big enough. Two queues may have been given the same. */
static int take_pool(struct card *c, struct card_queue *q)
{
	struct pp_page *page;
	int ret = pp_pool_attach(q->port.supplied, c->binding);

	if (ret && ret != -EEXIST)
		return ret;
	q->port.rx_pool = q->port.tx_pool = q->port.supplied;
	q->rx_dir = q->tx_dir = PP_DMA_BIDIRECTIONAL;
	ret = pp_page_get(&page, q->port.supplied);
	if (ret)
		return ret;
	if (pp_page_size(page) < q->port.required.page_size)
		ret = card_fail(c, -EINVAL, "it needs a pool with pages of %u bytes",
				(unsigned)q->port.required.page_size);
	pp_page_put(page);
	return ret;
}

int card_pools(struct card *c, struct card_queue *q)
{
	struct pp_pool_params p = q->port.required;
	char name[32];
	int ret;

	if (q->port.supplied)
		return take_pool(c, q);
	snprintf(name, sizeof name, "%s rx", c->net.drv.name);
	p.name = name;
	p.dir = q->rx_dir = PP_DMA_FROM_DEVICE;
	ret = pp_pool_create(&q->port.rx_pool, c->binding, &p);
	if (ret)
		return ret;
	snprintf(name, sizeof name, "%s tx", c->net.drv.name);
	p.dir = q->tx_dir = PP_DMA_TO_DEVICE;
	p.max_pages = 0;
	return pp_pool_create(&q->port.tx_pool, c->binding, &p);
}

void card_forget(struct card_queue *q)
{
	struct card_inbox *in = &q->in;

	while (in->end > in->whole)
		pp_page_put(in->piece[--in->end % CARD_PIECES].page);
	in->len = 0;
	in->bad = false;
	if (q->port.rx_pool != q->port.supplied) { /* that one is the caller's */
		pp_pool_destroy(q->port.rx_pool);
		pp_pool_destroy(q->port.tx_pool);
	}
	q->port.rx_pool = q->port.tx_pool = NULL;
}

/* ---- packets -------------------------------------------------------------------------------- */

uint64_t card_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The packet ends here, or is given up: a bad one's pages are free again at once. */
static void close_packet(struct card_inbox *in, uint64_t time_ns)
{
	bool bad = in->bad || !in->len;

	for (; in->whole < in->end; in->whole++) {
		struct card_piece *p = &in->piece[in->whole % CARD_PIECES];

		p->bad = bad;
		p->wire_len = in->len;
		p->time_ns = time_ns;
	}
	in->len = 0;
}

void card_arrived(struct card_queue *q, const struct card_piece *piece)
{
	struct card_inbox *in = &q->in;
	struct card_piece *p = &in->piece[in->end++ % CARD_PIECES];

	*p = *piece;
	in->len += p->len;
	in->bad |= p->bad;
	if (!p->last && !in->bad)
		return;
	close_packet(in, p->time_ns);
	if (p->last) {
		port_count(&q->port.stats.rx_refused, p->bad);
		in->bad = false;
	}
}

unsigned card_take(struct card_queue *q, struct pp_net_seg *seg, unsigned n)
{
	struct card_inbox *in = &q->in;
	unsigned got = 0, whole;

	while (got < n && in->next < in->whole) {
		const struct card_piece *p = &in->piece[in->next++ % CARD_PIECES];

		if (p->bad) {
			pp_page_put(p->page);
			continue;
		}
		seg[got++] = (struct pp_net_seg){
			.page = p->page,
			.offset = p->offset,
			.room = (uint16_t)p->offset,
			.len = p->len,
			.wire_len = p->wire_len,
			.time_ns = p->time_ns,
			.flags = p->last ? PP_NET_LAST : 0,
			.queue = (uint16_t)q->port.index,
			.time_source = PP_NET_TIME_POLL,
		};
	}
	whole = port_whole(seg, got, n);
	in->next -= got - whole; /* the next call has room for it */
	return port_received(&q->port, seg, whole);
}

/* Why the card can't send a packet, or NULL. */
static uint64_t *unfit(struct card_queue *q, const struct pp_net_seg *seg, unsigned pieces)
{
	const struct pp_net_info *info = &q->port.net->info;
	struct pp_net_stats *stats = &q->port.stats;
	uint64_t bytes = port_bytes(seg, pieces);

	if (__atomic_load_n(&card_at(q->port.net)->no_carrier, __ATOMIC_RELAXED))
		return &stats->tx_no_carrier;
	if (bytes < info->shortest)
		return &stats->tx_too_short;
	if (bytes > info->longest)
		return &stats->tx_too_long;
	return pieces > info->pieces ? &stats->tx_malformed : NULL;
}

/* Post a packet, made whole. False: it can't be. */
static bool post(struct card_queue *q, const struct card_tx *tx, const struct pp_net_seg *seg,
		 unsigned n)
{
	struct pp_net_seg head = *seg;

	if (whole_is_not(seg) && whole_make(&head, seg + 1, n))
		return false;
	tx->post(q, &head, true);
	for (unsigned i = 1; i < n; i++)
		tx->post(q, &seg[i], false);
	return true;
}

unsigned card_send(struct card_queue *q, const struct card_tx *tx, const struct pp_net_seg *seg,
		   unsigned n)
{
	unsigned taken = 0, packets = 0, k;

	while ((k = pp_net_packet(seg + taken, n - taken))) {
		uint64_t *why = unfit(q, seg + taken, k);

		if (!why && k > tx->room(q))
			break;
		if (!why && !post(q, tx, &seg[taken], k))
			why = &q->port.stats.tx_malformed;
		if (why)
			port_refuse(seg + taken, k, why);
		packets += !why;
		taken += k;
	}
	port_count(&q->port.stats.tx_taken, packets);
	return taken;
}
