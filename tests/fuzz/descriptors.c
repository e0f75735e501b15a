/*
 * descriptors.c - fuzzes the software NIC's driver with a device that is not to be trusted:
 * the real driver (net/soft/driver.c), and in place of the device model this file. The
 * input says what the device writes into the rings, its registers and its word, and what
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

#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RING 512u /* descriptors: what the driver tells the device */
#define HELD 2048

static struct input in;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- the device ----------------------------------------------------------------------------- */

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

/* The other kinds of device are not in this program. */
int vfio_net_open(struct pp_net **out, const struct pp_net_vfio_params *vfio,
		  const struct pp_net_params *params, char *error)
{
	(void)out, (void)vfio, (void)params, (void)error;
	abort();
}

/* ---- the program ----------------------------------------------------------------------------- */

static struct {
	struct pp_net *nic;
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
	unsigned room = 1 + input_below(&in, 64), n = pp_net_receive(run.nic, 0, seg, room);

	/* whole packets, but for one that is longer than there is room */
	must(!n || (seg[n - 1].flags & PP_NET_LAST) || (n == room && !pp_net_packet(seg, n)),
	     "a packet is split where it need not be");

	for (unsigned i = 0; i < n; i++) {
		must(seg[i].len <= pp_page_size(seg[i].page), "a segment is longer than its page");
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
	default: device.reg[SOFT_ADDRESS_BITS] = number(); break; /* when it is asked next */
	}
	if (!pp_net_send_pool(run.nic, 0))
		run.given = 0;
}

/* Before the first step there may be as many pages as the ring takes: few of them is a case too. */
static void open_nic(unsigned how)
{
	struct pp_net_soft_params soft = PP_PARAMS(struct pp_net_soft_params);
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR] = "";

	memset(&run, 0, sizeof run);
	soft.address_bits = how & 1 ? 32 : 64;
	soft.incoherent = how & 2;
	soft.deferred = how & 4;
	params.soft = &soft;
	params.max_pages = how & 8 ? 600 : how & 16 ? 10 : 0;
	must(!pp_net_open(&run.nic, &params, error), error);
	must(!pp_net_bind(run.nic), "the NIC can't be bound");
}

static void step(void)
{
	unsigned what = input_byte(&in);
	struct pp_net_stats stats;

	switch (what % 8) {
	case 0:
	case 1: write_rx(); break;
	case 2: write_anywhere(); break;
	case 3: write_head(run.given); break;
	case 4: poll_rx(); break;
	case 5: send(); break;
	case 6: must(pp_net_reap(run.nic, 0) <= RING, "more is under way than fits"); break;
	default:
		if (what & 0x80)
			change_binding(what >> 3);
		else if (what & 0x40)
			drop(1 + (what & 0x38));
		else
			device.reg[SOFT_STATUS] = number();
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
