/*
 * rings.c - fuzzes AF_XDP's receive and send (net/xdp/rx.c, tx.c) with a kernel that is not to be
 * trusted: the four rings are this file's memory, and the input says what is written into them,
 * into their indices and into the packets, and what the program receives, sends and puts in
 * between.
 *
 * Whatever is written: no segment reaches out of its page, no page is handed out that is out
 * already, no more is under way than the ring has entries, and at the end every page comes home.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <linux/if_xdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xdp/qp.h>

#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RING 128u
#define SHIFT 12u
#define AREA (2u << 20)
#define FRAMES (AREA >> SHIFT)
#define SEGS 64u

static struct input in;
static struct xdp_umem umem;
static struct xdp_net *net;
static struct xdp_qp *qp;
static struct pp_pool *pool;

/* What the kernel shares with the program. */
static struct {
	uint32_t producer[4], consumer[4], flags[4];
	uint64_t fill[RING], comp[RING];
	struct xdp_desc tx[RING], rx[RING];
} shared;

static struct pp_net_seg held[FRAMES];
static unsigned n_held;
static bool out[FRAMES];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- what rx.c and tx.c use of the others ------------------------------------------------ */

int xdp_umem_open(struct xdp_umem *u, unsigned queue)
{
	(void)u;
	(void)queue;
	return -1;
}

int xdp_link_steer(struct xdp_link *l, unsigned queue, int socket)
{
	(void)l;
	(void)queue;
	(void)socket;
	return -1;
}

uint64_t xdp_program_epoch(const struct xdp_program *p)
{
	(void)p;
	return 1;
}

/* ---- the kernel -------------------------------------------------------------------------- */

/* An address: in some frame, or anywhere. */
static uint64_t address(void)
{
	unsigned how = input_byte(&in);

	if (how & 1)
		return (uint64_t)(input_number(&in, 2) % FRAMES) << SHIFT | (how & 2 ? 256 : how);
	return input_number(&in, how & 2 ? 8 : 3);
}

static void write_rx(void)
{
	struct xdp_desc *d = &shared.rx[shared.producer[3] % RING];
	unsigned how = input_byte(&in);

	d->addr = how & 4 ? shared.fill[how % RING] + 256 : address();
	d->len = (uint32_t)input_number(&in, how & 8 ? 4 : 2);
	d->options = how & 3 ? 0 : input_byte(&in);
	shared.producer[3]++;
}

static void write_completion(void)
{
	unsigned how = input_byte(&in);

	shared.comp[shared.producer[2] % RING] = how & 1 ? shared.tx[how % RING].addr : address();
	shared.producer[2]++;
}

static void write_index(void)
{
	unsigned which = input_byte(&in);
	uint32_t *index = which & 4 ? shared.consumer : shared.producer;

	index[which % 4] = (uint32_t)input_number(&in, which & 8 ? 4 : 1);
}

/* It has taken all that is to be filled, or sent. */
static void take_posted(void)
{
	shared.consumer[0] = shared.producer[0];
	shared.consumer[1] = shared.producer[1];
}

/* Bytes of a packet, and of the word before it. */
static void write_bytes(void)
{
	uint64_t at = (uint64_t)(input_number(&in, 2) % FRAMES) << SHIFT;
	unsigned n = input_byte(&in);

	for (unsigned i = 0; i < n; i++)
		umem.addr[at + 256 - sizeof(struct xdp_word) + i] = (char)input_byte(&in);
}

/* ---- the program ------------------------------------------------------------------------- */

static unsigned frame_of(const struct pp_net_seg *seg)
{
	return (unsigned)((pp_page_iova(seg->page) - umem.iova) >> SHIFT);
}

static void receive(void)
{
	struct pp_net_seg seg[SEGS];
	unsigned n = 1 + input_below(&in, SEGS);

	if (n_held + n > FRAMES)
		return;
	n = xdp_receive(&qp->queue, seg, n);
	for (unsigned i = 0; i < n; i++) {
		unsigned f = frame_of(&seg[i]);

		must(f < FRAMES && !out[f], "a page is handed out twice");
		must(seg[i].offset <= 1u << SHIFT && seg[i].len <= (1u << SHIFT) - seg[i].offset,
		     "a segment reaches out of its page");
		must(seg[i].room <= seg[i].offset, "there is no such room before a segment");
		out[f] = true;
		held[n_held++] = seg[i];
	}
}

static void drop(unsigned n)
{
	while (n-- && n_held) {
		out[frame_of(&held[--n_held])] = false;
		pp_page_put(held[n_held].page);
	}
}

/* The last ones held, as one packet, maybe with another length than they came with. */
static void send_held(void)
{
	unsigned n = 1 + input_below(&in, 4), how = input_byte(&in);
	struct pp_net_seg seg[4];

	if (n > n_held)
		return;
	memcpy(seg, &held[n_held - n], n * sizeof *seg);
	for (unsigned i = 0; i < n; i++)
		seg[i].flags &= ~(uint32_t)PP_NET_LAST;
	seg[n - 1].flags |= PP_NET_LAST;
	if (how & 1)
		seg[0].len = (uint32_t)input_number(&in, 2);
	if (xdp_send(&qp->queue, seg, n) != n)
		return;
	for (unsigned i = 0; i < n; i++)
		out[frame_of(&held[--n_held])] = false;
}

static void step(void)
{
	static void (*const kernel[])(void) = { write_rx,    write_completion, write_index,
						take_posted, write_bytes,      receive,
						send_held };
	unsigned what = input_byte(&in) % 9;

	if (what < sizeof kernel / sizeof kernel[0])
		kernel[what]();
	else if (what == 7)
		drop(1 + input_below(&in, 8));
	else
		must(xdp_reap(&qp->queue) <= RING, "more is under way than there is room for");
	must(qp->tx_posted <= RING, "more is under way than there is room for");
}

/* ---- from open to close ------------------------------------------------------------------ */

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct pp_pool_params p = pp_pool_defaults();

	(void)dev;
	(void)ctx;
	p.page_size = 1u << SHIFT;
	p.chunk_size = AREA;
	p.area = AREA;
	p.memory = PP_MEMORY_BASE;
	return pp_pool_create(&pool, binding, &p);
}

static void remove_driver(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
			  void *ctx)
{
	(void)dev;
	(void)binding;
	(void)why;
	(void)ctx;
}

static void find_area(void)
{
	struct pp_page *page[FRAMES];
	int n = pp_page_get_batch(page, FRAMES, pool);

	must(n > 0, "no pages");
	umem.addr = pp_page_addr(page[0]);
	umem.iova = pp_page_iova(page[0]);
	for (int i = 1; i < n; i++)
		if (pp_page_iova(page[i]) < umem.iova) {
			umem.addr = pp_page_addr(page[i]);
			umem.iova = pp_page_iova(page[i]);
		}
	umem.len = AREA;
	pp_page_put_batch(page, (uint32_t)n);
}

/* The indices begin where the input says: they go on for ever, and wrap. */
static void begin_rings(void)
{
	struct xdp_queue *q = &umem.queue[0];
	uint32_t at = (uint32_t)input_number(&in, 1) - 128;

	memset(&shared, 0, sizeof shared);
	for (unsigned i = 0; i < 4; i++)
		shared.producer[i] = shared.consumer[i] = at;
#define BEGIN(member, i, free)                                                                     \
	{ .cached_prod = at,                                                                       \
	  .cached_cons = at + (free),                                                              \
	  .mask = RING - 1,                                                                        \
	  .size = RING,                                                                            \
	  .producer = &shared.producer[i],                                                         \
	  .consumer = &shared.consumer[i],                                                         \
	  .ring = shared.member,                                                                   \
	  .flags = &shared.flags[i] }
	*q = (struct xdp_queue){ .fd = -1 };
	q->fill = (struct xsk_ring_prod)BEGIN(fill, 0, RING);
	q->tx = (struct xsk_ring_prod)BEGIN(tx, 1, RING);
	q->comp = (struct xsk_ring_cons)BEGIN(comp, 2, 0);
	q->rx = (struct xsk_ring_cons)BEGIN(rx, 3, 0);
	umem.n_queues = 1;
}

static void begin_net(void)
{
	static const uint64_t none;
	unsigned how = input_byte(&in);

	net = calloc(1, sizeof *net + sizeof *qp);
	qp = net ? &net->qp[0] : NULL;
	must(qp, "no memory");
	*net = (struct xdp_net){
		.shift = SHIFT, .pieces = how & 1 ? XDP_PIECES : 1, .ring = RING, .count = 1, .n = 1
	};
	net->link.mtu = how & 2 ? 9000 : 1500;
	net->link.n_queues = 1;
	net->link.carrier = true;
	net->link.program.wordless = how & 4 ? (const uint64_t *)"\1\0\0\0\0\0\0" : &none;
	net->link.program.sums = how & 8;
	qp->x = net;
	qp->umem = &umem;
	qp->seen = 1;
	qp->queue.net = &net->net;
	qp->queue.rx_pool = qp->queue.tx_pool = pool;
	qp->n_frames = FRAMES;
	qp->frame = calloc(FRAMES, sizeof *qp->frame);
	qp->held = calloc(RING + XDP_PIECES, sizeof *qp->held);
	must(qp->frame && qp->held, "no memory");
}

/* As the driver does it: whatever the rings say, what isn't the program's comes home. */
static void end_net(void)
{
	xdp_rx_keep(qp);
	xdp_rx_drop_kept(qp);
	for (unsigned i = 0; i < FRAMES; i++) {
		struct xdp_frame *f = &qp->frame[i];

		for (unsigned k = f->rx + f->tx; k; k--)
			pp_page_put(f->page);
	}
	free(qp->frame);
	free(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_driver drv = { .name = "rings", .probe = probe, .remove = remove_driver };
	struct pp_device *dev;
	struct pp_totals t;

	in = (struct input){ data, data + size };
	must(!pp_soft_create(&params.iommu, &soft), "no IOMMU");
	params.name = "rings";
	params.address_bits = 48;
	must(!pp_device_register(&dev, &params) && !pp_driver_register(&drv) &&
		     !pp_device_bind(dev, &drv),
	     "no device");
	find_area();
	begin_rings();
	begin_net();
	while (!input_ended(&in))
		step();
	drop(FRAMES);
	end_net();
	must(!pp_device_unbind(dev), "no unbind");
	pp_pool_destroy(pool);
	pp_device_unregister(dev);
	pp_driver_unregister(&drv);
	pp_totals(&t, sizeof t);
	must(!t.pools && !t.chunk_bytes && !t.iova_bytes, "something is left");
	return 0;
}
