/*
 * e1000e_driver.c - the 82574L's driver against a device that this test emulates: registers are
 * memory, DMA goes through the software IOMMU (an incoherent one, so that a missing sync shows),
 * VFIO is a few functions (--wrap). What the device does by itself happens while the driver sleeps.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <endian.h>
#include <poll.h>
#include <pagepool/pagepool.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../../net/e1000e/driver.h"
#include "../../net/e1000e/regs.h"

#define RING 512u
#define JUMBO 9018u

/* ---- the device, and VFIO around it ---------------------------------------------------------- */

struct pp_vfio {
	uint32_t reg[E1000E_BAR_BYTES / 4];
	struct pp_iommu *iommu;
	uint32_t id;
	int irq_fd, request_fd;
	bool master, requested, closed, limit;
	bool never_resets, never_stops; /* what it refuses to do */
	unsigned sleeps;                /* of the driver */
};

static struct pp_vfio hw;

#include "../net/vfio_wraps.h"
#include "card.h"

/* Registers are little-endian, whatever this machine is. */
static uint32_t reg(enum e1000e_reg which)
{
	return le32toh(hw.reg[which / 4]);
}

static void reg_set(enum e1000e_reg which, uint32_t value)
{
	hw.reg[which / 4] = htole32(value);
}

WRAPS(int, pp_vfio_bar, struct pp_vfio *v, unsigned bar, volatile void **mmio, size_t *size)
{
	*mmio = bar ? NULL : v->reg;
	*size = sizeof v->reg;
	return bar ? -ENOENT : 0;
}

WRAPS(int, pp_vfio_config_read, struct pp_vfio *v, unsigned offset, unsigned width, uint32_t *value)
{
	*value = v->id;
	return offset || width != 4 ? -EINVAL : 0;
}

WRAPS(unsigned, pp_vfio_irq_count, struct pp_vfio *v, enum pp_vfio_irq kind)
{
	(void)v;
	return kind == PP_VFIO_MSI;
}

WRAPS(int, pp_vfio_irq_enable, struct pp_vfio *v, enum pp_vfio_irq kind, unsigned n, const int *fd)
{
	v->irq_fd = *fd;
	return kind == PP_VFIO_MSI && n == 1 ? 0 : -EINVAL;
}

WRAPS(void, pp_vfio_irq_disable, struct pp_vfio *v, enum pp_vfio_irq kind)
{
	(void)kind;
	v->irq_fd = -1;
}

WRAPS(int, nanosleep, const struct timespec *how_long, struct timespec *left)
{
	(void)how_long, (void)left;
	hw.sleeps++;
	if (reg(E1000E_CTRL) == UINT32_MAX)
		return 0;
	if ((reg(E1000E_CTRL) & E1000E_CTRL_RST) && !hw.never_resets) {
		memset(hw.reg, 0, sizeof hw.reg);
		reg_set(E1000E_EEC, E1000E_EEC_AUTO_RD);
	}
	if (!(reg(E1000E_CTRL) & E1000E_CTRL_MASTER_DISABLE) || hw.never_stops)
		reg_set(E1000E_STATUS, reg(E1000E_STATUS) | E1000E_STATUS_MASTER_ENABLE);
	else
		reg_set(E1000E_STATUS, reg(E1000E_STATUS) & ~E1000E_STATUS_MASTER_ENABLE);
	return 0;
}

static pp_iova_t ring_of(enum e1000e_reg low, uint32_t i)
{
	return (reg(low) | (uint64_t)reg(low + 4) << 32) + 16 * i;
}

/* The next receive descriptor is written back so; false: there is none, or it faults. */
static bool write_back(uint64_t done)
{
	uint32_t head = reg(E1000E_RDH);

	done = htole64(done);
	if (head == reg(E1000E_RDT) ||
	    pp_soft_write(hw.iommu, ring_of(E1000E_RDBAL, head) + 8, &done, sizeof done))
		return false;
	reg_set(E1000E_RDH, (head + 1) % RING);
	return true;
}

/* A piece of a packet arrives. */
static bool piece(const uint8_t *bytes, uint32_t len, bool last)
{
	uint64_t addr;

	return reg(E1000E_RDH) != reg(E1000E_RDT) &&
	       !pp_soft_read(hw.iommu, ring_of(E1000E_RDBAL, reg(E1000E_RDH)), &addr,
			     sizeof addr) &&
	       !pp_soft_write(hw.iommu, le64toh(addr), bytes, len) &&
	       write_back(len | E1000E_RX_DD | (last ? E1000E_RX_EOP : 0));
}

static bool arrives(const uint8_t *bytes, uint32_t len)
{
	while (len > E1000E_RX_BUFFER) {
		if (!piece(bytes, E1000E_RX_BUFFER, false))
			return false;
		bytes += E1000E_RX_BUFFER;
		len -= E1000E_RX_BUFFER;
	}
	return piece(bytes, len, true);
}

/* Send a packet that was posted: its bytes, or 0 if there is none. Marks it done if told. */
static uint32_t sends(uint8_t *bytes, bool mark)
{
	struct e1000e_tx_desc d;
	uint32_t len = 0;

	while (reg(E1000E_TDH) != reg(E1000E_TDT)) {
		pp_iova_t where = ring_of(E1000E_TDBAL, reg(E1000E_TDH));

		if (pp_soft_read(hw.iommu, where, &d, sizeof d))
			return 0;
		if (pp_soft_read(hw.iommu, le64toh(d.addr), bytes + len, le64toh(d.ctrl) & 0xffff))
			return 0;
		len += le64toh(d.ctrl) & 0xffff;
		reg_set(E1000E_TDH, (reg(E1000E_TDH) + 1) % RING);
		if (!(le64toh(d.ctrl) & E1000E_TX_EOP))
			continue;
		d.ctrl |= htole64(E1000E_TX_DD);
		if (mark && (le64toh(d.ctrl) & E1000E_TX_RS))
			pp_soft_write(hw.iommu, where + 8, &d.ctrl, sizeof d.ctrl);
		return len;
	}
	return 0;
}

/* ---- the test's side ------------------------------------------------------------------------- */

static uint8_t noise[E1000E_RX_LONGEST + 4096];

static void open_nic(struct pp_net_vfio_params vfio)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR];

	soft.incoherent = true;
	memset(&hw, 0, sizeof hw);
	hw.irq_fd = -1;
	hw.request_fd = eventfd(0, EFD_NONBLOCK);
	hw.id = E1000E_PCI_ID;
	vfio.size = sizeof vfio;
	vfio.vfio = &hw;
	params.vfio = &vfio;
	params.max_pages = max_pages;
	params.promiscuous = promiscuous;
	if (pp_soft_create(&hw.iommu, &soft) || pp_net_open(&nic, &params, error))
		abort();
}

static int bind_nic(void)
{
	return pp_net_bind(nic);
}

static unsigned poll_nic(unsigned n)
{
	return pp_net_receive(nic, 0, seg, n);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void receives_all(void)
{
	promiscuous = true;
	open_nic((struct pp_net_vfio_params){ 0 });
	promiscuous = false;
	check_eq(bind_nic(), 0, "bound");
	check(reg(E1000E_RCTL) & E1000E_RCTL_UPE, "all that comes is received, on request");
	close_nic();
}

static void starts_and_stops(void)
{
	open_nic((struct pp_net_vfio_params){ 0 });
	check(!e1000e_knows(0x100e8086), "an 82540EM isn't driven");
	check(e1000e_knows(E1000E_PCI_ID), "an 82574L is");
	reg_set(E1000E_RCTL, E1000E_RCTL_EN); /* left running by somebody */
	hw.master = true;
	check_eq(bind_nic(), 0, "bound");
	check_eq(reg(E1000E_RDLEN), RING * 16, "the receive ring's size");
	check_eq(reg(E1000E_RDT), RING - 1, "all pages are posted but one");
	check(reg(E1000E_RCTL) & E1000E_RCTL_EN, "it receives");
	check(!(reg(E1000E_RCTL) & E1000E_RCTL_UPE), "... what is for it");
	check(reg(E1000E_TCTL) & E1000E_TCTL_EN, "it sends");
	check(reg(E1000E_CTRL) & E1000E_CTRL_SLU, "the link is set up");
	check(reg(E1000E_IMS) & E1000E_CAUSE_RXT0 && hw.irq_fd >= 0, "it interrupts");
	check(hw.master, "it may do DMA");
	check_eq(pp_net_state(nic), PP_NET_RUNNING, "it runs");
	reg_set(E1000E_MPC, 3);
	check_eq(pp_net_unbind(nic), 0, "unbound");
	check(!(reg(E1000E_RCTL) & E1000E_RCTL_EN) && !(reg(E1000E_TCTL) & E1000E_TCTL_EN),
	      "it stopped");
	check(reg(E1000E_CTRL) & E1000E_CTRL_MASTER_DISABLE && !hw.master, "and does no DMA");
	check_eq(hw.irq_fd, -1, "no interrupts");
	check_eq(counts().rx_missed, 3, "what it missed is known");
	nothing_mapped("after the unbind");
	close_nic();
}

static void receives(void)
{
	static const uint32_t sizes[] = {
		60, 64, 1514, 4095, 4096, 4097, 8192, 9000, JUMBO, 16384
	};
	unsigned good = 0, n = 0;

	open_nic((struct pp_net_vfio_params){ 0 });
	bind_nic();
	for (unsigned i = 0; i < 3 * RING; i++) { /* round the ring some times */
		uint32_t len = sizes[i % (sizeof sizes / sizeof *sizes)];

		n += arrives(noise + i, len);
		good += is_packet(poll_nic(16), noise + i, len);
	}
	check_eq(n, 3 * RING, "packets arrived");
	check_eq(good, n, "and came through");
	check_eq(counts().rx_packets, n, "are counted");
	check_eq(poll_nic(16), 0, "there are no more");
	for (n = 0; arrives(noise, 60); n++)
		;
	check_eq(n, RING - 1, "a full ring");
	check_eq(poll_nic(2 * RING), RING - 1, "comes through at once");
	put_all(RING - 1);
	close_nic();
}

static void half_a_packet(void)
{
	open_nic((struct pp_net_vfio_params){ 0 });
	bind_nic();
	piece(noise, 4096, false);
	check_eq(poll_nic(16), 0, "half a packet isn't handed out");
	check_eq(poll_nic(16), 0, "nor later");
	piece(noise + 4096, 1000, true);
	check_eq(poll_nic(1), 1, "a whole one is, piece by piece if that is asked for");
	check(!(seg[0].flags & PP_NET_LAST) && seg[0].wire_len == 5096,
	      "its length is known from the start");
	pp_page_put(seg[0].page);
	reg_set(E1000E_RDH, 1);
	write_back(E1000E_RX_DD | 0xffff); /* it changes its mind */
	check(poll_nic(1) == 1 && seg[0].flags & PP_NET_LAST && seg[0].len == 1000,
	      "what was read once stays");
	pp_page_put(seg[0].page);
	piece(noise, 4096, false);
	check_eq(pp_net_unbind(nic), 0, "unbound in the middle of a packet");
	check_eq(poll_nic(16), 0, "which doesn't come");
	close_nic();
}

static void lies(void)
{
	uint64_t state = 88172645463325252, packets = 0, bytes = 0;
	unsigned n, refused = 0;

	open_nic((struct pp_net_vfio_params){ 0 });
	bind_nic();
	write_back(4097 | E1000E_RX_DD | E1000E_RX_EOP);
	check(!poll_nic(16) && counts().rx_refused == ++refused, "longer than the page: refused");
	write_back(E1000E_RX_DD | E1000E_RX_EOP);
	check(!poll_nic(16) && counts().rx_refused == ++refused, "no bytes at all: refused");
	write_back(100 | E1000E_RX_DD | E1000E_RX_EOP | UINT64_C(1) << 47);
	check(!poll_nic(16) && counts().rx_refused == ++refused, "with an error: refused");
	for (unsigned i = 0; i < 2 * RING; i++) {
		write_back(4096 | E1000E_RX_DD);
		put_all(poll_nic(16));
	}
	check(counts().rx_refused == refused && counts().rx_posted == RING - 1,
	      "a packet without an end keeps no pages");
	write_back(60 | E1000E_RX_DD | E1000E_RX_EOP);
	check(!poll_nic(16) && counts().rx_refused == ++refused, "and is refused at its end");
	check(arrives(noise, JUMBO) && is_packet(poll_nic(16), noise, JUMBO),
	      "a good one comes through");
	packets = counts().rx_packets;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t word = unit_random(&state);

		/* often what it should be, but for something */
		if (word & 1)
			word &= E1000E_RX_EOP | 0x1fff;
		word = word & 6 ? word | E1000E_RX_DD : word & ~E1000E_RX_DD;
		if (write_back(word) && !(word & E1000E_RX_DD)) /* not done: it is later */
			reg_set(E1000E_RDH, (reg(E1000E_RDH) + RING - 1) % RING);
		n = poll_nic(unit_below(&state, 8));
		for (unsigned k = 0; k < n; k++) {
			bytes += seg[k].len > 4096 || seg[k].wire_len > 16384;
			packets += seg[k].flags & PP_NET_LAST;
		}
		put_all(n);
	}
	check_eq(bytes, 0, "100,000 lies: never more than was posted");
	check(packets == counts().rx_packets && packets > 1000, "what came through is counted");
	printf("# %llu came through, %llu were refused\n", (unsigned long long)packets,
	       (unsigned long long)counts().rx_refused);
	close_nic();
}

/* What had arrived stays, however often it is bound again, and in bounds. */
static void leftovers(void)
{
	unsigned arrived = 0, n;

	open_nic((struct pp_net_vfio_params){ 0 });
	for (unsigned lap = 0; lap < 5; lap++) {
		bind_nic();
		while (arrives(noise, 60))
			arrived++;
		pp_net_unbind(nic);
	}
	check(arrived >= 2 * RING - 2 && arrived <= 2 * RING, "%u packets arrived", arrived);
	bind_nic();
	n = poll_nic(2 * RING);
	check_eq(n, arrived, "all of them are there, from bindings that have ended");
	put_all(n);
	check(!poll_nic(1) && arrives(noise, 60) && is_packet(poll_nic(4), noise, 60),
	      "after them it receives again");
	close_nic();
}

static unsigned send_packet(uint32_t len, unsigned pieces)
{
	struct pp_net_seg s[128];

	for (unsigned i = 0; i < pieces; i++) {
		uint32_t from = len * i / pieces, to = len * (i + 1) / pieces;

		if (pp_page_get(&s[i].page, pp_net_send_pool(nic, 0)))
			abort();
		memcpy(pp_page_addr(s[i].page), noise + from, to - from);
		s[i].offset = 0;
		s[i].len = to - from;
		s[i].flags = i + 1 == pieces ? PP_NET_LAST : 0;
	}
	if (pp_net_send(nic, 0, s, pieces) == pieces)
		return pieces;
	for (unsigned i = 0; i < pieces; i++)
		pp_page_put(s[i].page);
	return 0;
}

static void transmits(void)
{
	static uint8_t wire[E1000E_RX_LONGEST];
	unsigned good = 0, n = 0;

	open_nic((struct pp_net_vfio_params){ 0 });
	bind_nic();
	for (unsigned i = 0; i < 2 * RING; i++) {
		uint32_t len = 17 + i * 9 % (JUMBO - 16);

		send_packet(len, 3 + i % 5);
		memset(wire, 0, sizeof wire);
		good += sends(wire, true) == len && !memcmp(wire, noise, len);
		n += !pp_net_reap(nic, 0);
	}
	check_eq(good, 2 * RING, "packets go out as they were");
	check_eq(n, good, "and their pages come back");
	check_eq(counts().tx_packets, good, "they are counted");
	check(send_packet(16, 1) && send_packet(E1000E_TX_LONGEST + 1, 4) &&
		      send_packet(1000, 65) && counts().tx_too_short == 1 &&
		      counts().tx_too_long == 1 && counts().tx_malformed == 1,
	      "too short, too long, in too many pieces: left out");
	check_eq(sends(wire, true), 0, "really");
	for (n = 0; send_packet(100, 2); n += 2)
		;
	check_eq(n, RING - 2, "it takes as much as fits into the ring");
	check_eq(pp_net_reap(nic, 0), n, "which is under way");
	sends(wire, false);
	check_eq(pp_net_reap(nic, 0), n, "until the device says it is sent");
	pp_net_unbind(nic);
	nothing_mapped("with packets under way");
	close_nic();
}

static void events(void)
{
	struct pollfd p;
	uint64_t one = 1;

	open_nic((struct pp_net_vfio_params){ 0 });
	bind_nic();
	p = (struct pollfd){ .fd = pp_net_event_fd(nic, 0), .events = POLLIN };
	check(!poll(&p, 1, 0), "quiet at first");
	check(write(hw.irq_fd, &one, sizeof one) == sizeof one && poll(&p, 1, 0), "an interrupt");
	reg_set(E1000E_ICR, 0);
	pp_net_arm(nic, 0);
	check(!poll(&p, 1, 0) && reg(E1000E_ICR) == UINT32_MAX, "is taken back and cleared by arm");
	check(write(hw.request_fd, &one, sizeof one) == sizeof one && poll(&p, 1, 0),
	      "the kernel's request wakes as well");
	hw.requested = true;
	check_eq(pp_net_state(nic), PP_NET_GONE, "and the device counts as gone");
	pp_net_remove(nic);
	close_nic();
	open_nic((struct pp_net_vfio_params){ .poll = true });
	bind_nic();
	p.fd = pp_net_event_fd(nic, 0);
	pp_net_arm(nic, 0);
	check(poll(&p, 1, 0) && !reg(E1000E_IMS) && hw.irq_fd < 0,
	      "polling: always ready, no interrupt");
	close_nic();
}

static void left_running(void)
{
	struct pp_domain_stats s;

	open_nic((struct pp_net_vfio_params){ .rogue = true });
	bind_nic();
	check(arrives(noise, JUMBO), "a packet has arrived");
	pp_net_unbind(nic);
	check((reg(E1000E_RCTL) & E1000E_RCTL_EN) && hw.master, "it is left running");
	check(reg(E1000E_RDH) != reg(E1000E_RDT) && !arrives(noise, 60), "what it does now faults");
	pp_domain_stats(pp_net_device(nic, 0), &s, sizeof s);
	check_eq(s.faults, 1, "and is logged");
	check(is_packet(poll_nic(16), noise, JUMBO), "the packet is there");
	check_eq(bind_nic(), 0, "bound again");
	check(arrives(noise + 1, JUMBO) && is_packet(poll_nic(16), noise + 1, JUMBO), "it goes on");
	pp_net_unbind(nic);
	check(!pp_net_quiet(nic) && !(reg(E1000E_RCTL) & E1000E_RCTL_EN) && !hw.master,
	      "quiet stops it");
	close_nic();
}

static void stubborn(void)
{
	open_nic((struct pp_net_vfio_params){ 0 });
	hw.never_resets = true;
	check_eq(bind_nic(), -ETIMEDOUT, "one that doesn't come out of its reset isn't bound");
	check(error_says("does not come out of its reset"), "which is told");
	check(hw.sleeps < 100000, "waiting is counted");
	nothing_mapped("then");
	hw.never_resets = false;
	check_eq(bind_nic(), 0, "bound later");
	check(!*pp_net_error(nic), "and all is well");
	hw.never_stops = true;
	check_eq(pp_net_unbind(nic), 0, "one that doesn't stop is unbound");
	check(error_says("does not end its DMA") && pp_net_quiet(nic), "which is told");
	nothing_mapped("then");
	check_eq(bind_nic(), 0, "the reset helps");
	hw.never_stops = false;
	close_nic();
}

static bool untouched(void)
{
	for (size_t i = 0; i < sizeof hw.reg / sizeof *hw.reg; i++)
		if (hw.reg[i] != UINT32_MAX)
			return false;
	return true;
}

static void pulled_out(void)
{
	unsigned sleeps;

	open_nic((struct pp_net_vfio_params){ 0 });
	bind_nic();
	arrives(noise, 1000);
	memset(hw.reg, 0xff, sizeof hw.reg);
	check_eq(pp_net_state(nic), PP_NET_GONE, "all ones: it has gone");
	check(is_packet(poll_nic(16), noise, 1000), "what it had received is there");
	memset(hw.reg, 0xff, sizeof hw.reg);
	check_eq(pp_net_remove(nic), 0, "removed by surprise");
	check(untouched(), "without a write to it");
	nothing_mapped("then");
	close_nic();
	open_nic((struct pp_net_vfio_params){ 0 });
	bind_nic();
	memset(hw.reg, 0xff, sizeof hw.reg);
	sleeps = hw.sleeps;
	check_eq(pp_net_unbind(nic), 0, "gone, and unbound by one who doesn't know");
	check(hw.sleeps - sleeps <= 1, "nothing is waited for");
	check_eq(counts().rx_missed, 0, "ones aren't taken for a count");
	check(bind_nic() == -ENODEV && error_says("has gone"), "it can't be bound then");
	memset(hw.reg, 0xff, sizeof hw.reg);
	check(!pp_net_quiet(nic) && untouched(), "it is quiet enough");
	close_nic();
}

/* Whatever fails in probe, nothing is left; and when nothing does, it works. */
static void failures(void)
{
	struct fail fail;
	unsigned n = 0;
	bool more;
	int ret;

	pp_debug_set(0); /* it would report what fails here on purpose */
	open_nic((struct pp_net_vfio_params){ 0 });
	do {
		fail_begin(&fail, NULL, n++);
		ret = bind_nic();
		more = fail_end(&fail);
		if (!ret)
			pp_net_unbind(nic);
		else if (hw.master || hw.irq_fd >= 0)
			check(false, "failure %u leaves it off", n - 1);
		if (pp_device_state(pp_net_device(nic, 0)) != PP_DEVICE_PRESENT)
			check(false, "failure %u leaves it unbound", n - 1);
	} while (more);
	check(n > 10, "%u failures", n - 1);
	nothing_mapped("after them");
	hw.limit = true;
	fail_begin(&fail, NULL, 0);
	ret = bind_nic();
	check(fail_end(&fail) && ret && error_says("a limit was met"),
	      "what VFIO says of it is told");
	check(!bind_nic() && arrives(noise, 60) && is_packet(poll_nic(4), noise, 60), "it works");
	close_nic();
	pp_debug_set(DEBUG);
}

static void few_pages(void)
{
	max_pages = 10;
	open_nic((struct pp_net_vfio_params){ 0 });
	max_pages = 0;
	bind_nic();
	check_eq(counts().rx_posted, 10, "as many pages as there are, are posted");
	check(counts().rx_no_page > 0, "that there are no more is counted");
	hw.limit = true;
	check(error_says("a limit was met"), "what VFIO says of it is told");
	for (unsigned i = 0; i < 10; i++)
		arrives(noise, 60);
	check(!arrives(noise, 60), "then there is no room");
	check_eq(poll_nic(16), 10, "all come through");
	check(!arrives(noise, 60), "there is none as long as they are held");
	put_all(10);
	check(!poll_nic(16) && arrives(noise, 60), "and again when they are put");
	close_nic();
}

/* A pool that is given to it, as to two devices that forward. */
static void given(void)
{
	struct pp_pool_params p = pp_pool_defaults();
	static uint8_t wire[E1000E_RX_LONGEST];
	struct pp_pool_stats s;
	struct pp_pool *pool;
	unsigned n;

	open_nic((struct pp_net_vfio_params){ 0 });
	p.page_size = 2048;
	if (pp_pool_create(&pool, pp_binding_none(), &p))
		abort();
	pp_net_use_pool(nic, 0, pool);
	check(bind_nic() == -EINVAL && error_says("pages of 4096 bytes"), "pages may be too small");
	nothing_mapped("then");
	pp_pool_destroy(pool);
	p = PP_PARAMS(struct pp_pool_params);
	if (pp_net_pool_params(nic, 0, &p) || pp_pool_create(&pool, pp_binding_none(), &p))
		abort();
	pp_net_use_pool(nic, 0, pool);
	check_eq(bind_nic(), 0, "bound with a pool that is given");
	pp_pool_stats(pool, &s, sizeof s);
	check_eq(s.in_flight, RING - 1, "its pages are posted");
	check(arrives(noise, JUMBO), "a packet arrives");
	n = poll_nic(16);
	check(n == 3 && pp_net_send(nic, 0, seg, n) == n, "and is sent from where it lies");
	check(sends(wire, true) == JUMBO && !memcmp(wire, noise, JUMBO), "as it was");
	check_eq(pp_net_reap(nic, 0), 0, "and done with");
	pp_net_unbind(nic);
	nothing_mapped("after the unbind");
	pp_pool_stats(pool, &s, sizeof s);
	check_eq(s.in_flight, 0, "its pages are home");
	pp_pool_destroy(pool);
	close_nic();
}

int main(void)
{
	uint64_t state = 1;

	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)unit_random(&state);
	pp_debug_set(DEBUG);
	run(starts_and_stops);
	run(receives_all);
	run(receives);
	run(half_a_packet);
	run(lies);
	run(leftovers);
	run(transmits);
	run(events);
	run(left_running);
	run(stubborn);
	run(pulled_out);
	run(failures);
	run(few_pages);
	run(given);
	return tap_end();
}
