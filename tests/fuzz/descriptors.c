/*
 * descriptors.c - fuzzes drivers of network devices with a device that is not to be trusted: the
 * software NIC's driver (net/soft/driver.c), and in place of the device model this file; virtio's
 * (net/virtio), and in place of VFIO and the device tests/net/virtio_device.c. The input says
 * which of the two, what the device writes into the rings, its registers and its word, and what
 * the program polls, sends, and does to the binding in between.
 *
 * Whatever the device writes: no segment is longer than its page, no page is handed out
 * that is out already, nothing is told as sent that was not given to send, and at the end
 * every page has come home.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/net.h>
#include <port.h>
#include <soft/model.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/virtio_device.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RING 512u /* descriptors: what the software NIC's driver tells the device; virtio's less */
#define HELD 2048

static struct input in;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- the software NIC ----------------------------------------------------------------------- */

struct soft_model {
	struct pp_iommu *iommu;
	uint64_t reg[SOFT_REGS];
};
static struct soft_model device;

int soft_model_create(struct soft_model **out, const struct soft_model_params *params, char *error)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);

	(void)error;
	memset(&device, 0, sizeof device);
	soft.address_bits = params->address_bits;
	soft.incoherent = params->incoherent;
	soft.deferred = params->deferred;
	device.reg[SOFT_ADDRESS_BITS] = params->address_bits;
	*out = &device;
	return pp_soft_create(&device.iommu, &soft);
}

void soft_model_stop(struct soft_model *m)
{
	(void)m;
}

void soft_model_destroy(struct soft_model *m)
{
	(void)m;
}

struct pp_iommu *soft_model_iommu(struct soft_model *m)
{
	return m->iommu;
}

const char *soft_model_error(struct soft_model *m)
{
	(void)m;
	return "an error";
}

uint64_t soft_reg_read(struct soft_model *m, enum soft_reg reg)
{
	return m->reg[reg];
}

void soft_reg_write(struct soft_model *m, enum soft_reg reg, uint64_t value)
{
	m->reg[reg] = value;
	if (reg == SOFT_CTRL)
		m->reg[SOFT_CTRL_SEEN] = value;
}

int soft_model_event_fd(struct soft_model *m)
{
	(void)m;
	return -1;
}

/* A number as a device may write one: small, about a page, or anything. */
static uint64_t number(void)
{
	unsigned how = input_byte(&in);

	return how < 128 ? how : how < 192 ? 4090 + how % 16 : input_number(&in, 1 + how % 8);
}

/* Write a descriptor back, in earnest or not. */
static void write_rx(void)
{
	unsigned n = 1 + input_below(&in, 8), at = (unsigned)input_number(&in, 2),
		 how = input_byte(&in);
	uint64_t words[3] = { number(), number(), number() << 32 | SOFT_RX_DONE };

	if (how & 1)
		words[2] |= SOFT_RX_END;
	if (how & 2)
		words[2] ^= number();
	if (how & 4)
		n *= 64; /* many at once */
	for (; n--; at++)
		pp_soft_write(device.iommu,
			      device.reg[SOFT_RX_BASE] + at % RING * sizeof(struct soft_rx_desc) +
				      8,
			      words, sizeof words);
}

/* Write anywhere in the two rings, where no device has to write. */
static void write_anywhere(void)
{
	unsigned how = input_byte(&in);
	uint64_t base = device.reg[how & 1 ? SOFT_TX_BASE : SOFT_RX_BASE], word = number();
	uint64_t at = how & 2 ? input_byte(&in) : input_number(&in, 2);

	if (how & 4)
		word <<= 32;
	pp_soft_write(device.iommu, base + at % (RING * 32 / 8) * 8, &word, sizeof word);
}

static void write_head(uint64_t last)
{
	unsigned how = input_byte(&in);
	uint64_t head = how & 1 ? number() : last + how / 2;

	pp_soft_write(device.iommu, device.reg[SOFT_TX_WRITEBACK], &head, sizeof head);
}

static void soft_status(void)
{
	device.reg[SOFT_STATUS] = number();
}

static void soft_change(void)
{
	device.reg[SOFT_ADDRESS_BITS] = number(); /* when it is asked next */
}

/* ---- virtio's ---------------------------------------------------------------------------- */

/* A buffer of a pair is used, in earnest or not. */
static void virtio_write_rx(void)
{
	unsigned how = input_byte(&in), n = how & 4 ? 64 : 1, q = how & 8 ? 2 : 0;
	uint8_t bytes[64] = { 0 };
	uint32_t len = (uint32_t)number();

	bytes[10] = how & 1 ? 1 : input_byte(&in);
	if (how & 2)
		bytes[input_below(&in, VIRTIO_NET_HDR_BYTES)] = input_byte(&in);
	while (n--) {
		int id = played_next(q);

		if (id >= 0)
			pp_soft_write(hw.iommu, played_desc(q, (unsigned)id).addr, bytes,
				      sizeof bytes);
		played_used(q, how & 16 ? (uint32_t)number() : (uint32_t)id, how & 32 ? len : 64);
	}
}

/* Anywhere in a ring's memory. */
static void virtio_write_anywhere(void)
{
	unsigned how = input_byte(&in), q = how % PLAYED_QUEUES;
	uint64_t word = number();

	pp_soft_write(hw.iommu, hw.queue[q].desc + input_number(&in, 2) % 6668, &word,
		      1 + how / PLAYED_QUEUES % 8);
}

/* What is sent is told of, or more. */
static void virtio_write_head(uint64_t last)
{
	unsigned how = input_byte(&in), q = how & 2 ? 3 : 1;
	int id;

	(void)last;
	if (how & 1)
		played_index(q - (how >> 2 & 1), (uint16_t)(hw.queue[q].used += how >> 3));
	else
		while ((id = played_next(q)) >= 0)
			played_used(q, how & 4 ? (uint32_t)number() : (uint32_t)id, 0);
}

static void virtio_status(void)
{
	hw.status = (uint32_t)number() & 0xff;
	hw.link = input_byte(&in);
}

/* What is asked when it is bound next: often as it was, else it never is. */
static void virtio_change(void)
{
	struct pp_vfio *v = &hw;
	unsigned how = input_byte(&in);

	v->offers ^= how & 1 ? UINT64_C(1) << input_below(&in, 64) : 0;
	v->pairs = how & 2 ? (uint16_t)number() : 4;
	v->mtu = (uint16_t)number();
	v->n_queues = how & 4 ? (uint16_t)number() : PLAYED_QUEUES;
	v->queue[how % PLAYED_QUEUES].most = how & 8 ? (uint16_t)number() : 256;
	v->queue[how % PLAYED_QUEUES].notify_off = how & 16 ? (uint16_t)number() : 0;
	v->silent = how & 32;
	v->never_resets = how & 64;
	v->gone = how == 0xff;
}

/* ---- either ------------------------------------------------------------------------------ */

struct kind {
	void (*write_rx)(void), (*write_anywhere)(void), (*write_head)(uint64_t last);
	void (*status)(void), (*change)(void);
};
static const struct kind soft_kind = { write_rx, write_anywhere, write_head, soft_status,
				       soft_change };
static const struct kind virtio_kind = { virtio_write_rx, virtio_write_anywhere, virtio_write_head,
					 virtio_status, virtio_change };

/* ---- the program ----------------------------------------------------------------------------- */

static struct {
	const struct kind *kind;
	struct pp_net *nic;
	unsigned queues;
	struct pp_page *held[HELD];
	unsigned n_held;
	uint64_t given_packets, given_bytes, given; /* sent: segments, in this binding */
} run;

static void hold(struct pp_page *page)
{
	for (unsigned i = 0; i < run.n_held; i++)
		must(run.held[i] != page, "a page was handed out twice");
	run.held[run.n_held++] = page;
}

static void drop(unsigned n)
{
	while (n-- && run.n_held) {
		memset(pp_page_addr(run.held[--run.n_held]), 0x77,
		       pp_page_size(run.held[run.n_held]));
		pp_page_put(run.held[run.n_held]);
	}
}

static void poll_rx(void)
{
	struct pp_net_seg seg[64];
	unsigned how = input_byte(&in), queue = how / 64 % run.queues, room = 1 + how % 64;
	unsigned n = pp_net_receive(run.nic, queue, seg, room);

	/* whole packets, but for one that is longer than there is room */
	must(!n || (seg[n - 1].flags & PP_NET_LAST) || (n == room && !pp_net_packet(seg, n)),
	     "a packet is split where it need not be");

	for (unsigned i = 0; i < n; i++) {
		must((uint64_t)seg[i].offset + seg[i].len <= pp_page_size(seg[i].page),
		     "a segment is longer than its page");
		must(pp_page_refs(seg[i].page) == 1,
		     "a segment's page has another number of references");
		hold(seg[i].page);
	}
	if (run.n_held > HELD - 64)
		drop(HELD);
}

static void send(void)
{
	struct pp_net_seg seg[16];
	unsigned n = 1 + input_below(&in, 16), taken;

	if (!pp_net_send_pool(run.nic, 0))
		return;
	for (unsigned i = 0; i < n; i++) {
		if (pp_page_get(&seg[i].page, pp_net_send_pool(run.nic, 0)))
			abort();
		seg[i] = (struct pp_net_seg){ .page = seg[i].page,
					      .len = input_byte(&in),
					      .wire_len = 1,
					      .flags = input_byte(&in) & PP_NET_LAST };
	}
	taken = pp_net_send(run.nic, 0, seg, n);
	must(taken <= n && (!taken || seg[taken - 1].flags & PP_NET_LAST),
	     "half a packet was taken");
	for (unsigned i = 0; i < n; i++) {
		run.given_packets += i < taken && seg[i].flags & PP_NET_LAST;
		run.given_bytes += i < taken ? seg[i].len : 0;
		run.given += i < taken;
		if (i >= taken)
			pp_page_put(seg[i].page);
	}
}

static void change_binding(unsigned how)
{
	switch (how % 4) {
	case 0: pp_net_unbind(run.nic); break;
	case 1: pp_net_remove(run.nic); break;
	case 2: pp_net_bind(run.nic); break;
	default: run.kind->change(); break;
	}
	if (!pp_net_send_pool(run.nic, 0))
		run.given = 0;
}

static void open_soft(unsigned how, struct pp_net_params *params)
{
	struct pp_net_soft_params soft = PP_PARAMS(struct pp_net_soft_params);
	char error[PP_NET_ERROR] = "";

	soft.address_bits = how & 1 ? 32 : 64;
	soft.incoherent = how & 2;
	soft.deferred = how & 4;
	params->soft = &soft;
	must(!pp_net_open(&run.nic, params, error), error);
}

static void open_virtio(unsigned how, struct pp_net_params *params)
{
	struct pp_net_vfio_params vfio = PP_PARAMS(struct pp_net_vfio_params);
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	char error[PP_NET_ERROR] = "";

	soft.incoherent = how & 2;
	soft.deferred = how & 4;
	played_make(&soft);
	must(hw.iommu, "there is no IOMMU");
	vfio.vfio = &hw;
	params->vfio = &vfio;
	params->queues = how & 1 ? 2 : 1;
	must(!pp_net_open(&run.nic, params, error), error);
}

/* Before the first step there may be as many pages as the ring takes: few of them is a case too. */
static void open_nic(unsigned how)
{
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	bool virtio = how & 0x20;

	memset(&run, 0, sizeof run);
	run.kind = virtio ? &virtio_kind : &soft_kind;
	run.queues = virtio && how & 1 ? 2 : 1;
	params.max_pages = how & 8 ? 600 : how & 16 ? 10 : 0;
	if (virtio)
		open_virtio(how, &params);
	else
		open_soft(how, &params);
	must(!pp_net_bind(run.nic), "the NIC can't be bound");
}

static void step(void)
{
	unsigned what = input_byte(&in);
	struct pp_net_stats stats;

	switch (what % 8) {
	case 0:
	case 1: run.kind->write_rx(); break;
	case 2: run.kind->write_anywhere(); break;
	case 3: run.kind->write_head(run.given); break;
	case 4: poll_rx(); break;
	case 5: send(); break;
	case 6: must(pp_net_reap(run.nic, 0) <= RING, "more is under way than fits"); break;
	default:
		if (what & 0x80)
			change_binding(what >> 3);
		else if (what & 0x40)
			drop(1 + (what & 0x38));
		else
			run.kind->status();
	}
	pp_net_state(run.nic);
	pp_net_stats(run.nic, 0, &stats, sizeof stats);
	must(stats.tx_packets <= run.given_packets && stats.tx_bytes <= run.given_bytes,
	     "more is told as sent than was given to send");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pp_totals t;

	in = (struct input){ data, data + size };
	open_nic(input_byte(&in));
	while (!input_ended(&in))
		step();
	pp_net_unbind(run.nic);
	while (run.n_held)
		drop(HELD);
	pp_net_close(run.nic);
	pp_totals(&t, sizeof t);
	must(!t.pools && !t.chunk_bytes && !t.iova_bytes, "something is left");
	return 0;
}
