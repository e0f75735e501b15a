/*
 * virtio_driver.c - the driver for virtio's network device against an emulated one
 * (tests/net/virtio_device.c). The IOMMU is an incoherent one, so that a missing sync shows.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/net.h>
#include <poll.h>
#include <unistd.h>

#include "../../net/virtio/driver.h"
#include "../net/virtio_device.h"
#include "card.h"

#define RING 256u
#define LONGEST 65524u /* in 16 pages, with the header */

static unsigned queues; /* of the next that is opened */
static uint8_t noise[LONGEST + 4096], wire[LONGEST + 4096];
static char error[PP_NET_ERROR];

/* A device as it should be; change it, then open it. */
static void make(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);

	soft.incoherent = true;
	played_make(&soft);
	if (!hw.iommu)
		abort();
}

static int open_made(struct pp_net_vfio_params vfio)
{
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);

	vfio.size = sizeof vfio;
	vfio.vfio = &hw;
	params.vfio = &vfio;
	params.queues = queues;
	params.max_pages = max_pages;
	params.promiscuous = promiscuous;
	return pp_net_open(&nic, &params, error);
}

static void open_nic(struct pp_net_vfio_params vfio)
{
	make();
	if (open_made(vfio))
		abort();
}

static void open_bound(void)
{
	open_nic((struct pp_net_vfio_params){ 0 });
	if (pp_net_bind(nic))
		abort();
}

static unsigned poll_pair(unsigned pair, unsigned n)
{
	return pp_net_receive(nic, pair, seg, n);
}

static bool comes_through(unsigned pair, const uint8_t *bytes, uint32_t len)
{
	return played_arrives(pair, bytes, len) && is_packet(poll_pair(pair, 32), bytes, len);
}

/* ---- as it should be ------------------------------------------------------------------------ */

static void starts_and_stops(void)
{
	struct pp_net_info info;

	check(virtio_knows(0x10411af4) && virtio_knows(0x10001af4) && !virtio_knows(0x10421af4),
	      "virtio's NICs are known, its disks aren't");
	open_nic((struct pp_net_vfio_params){ 0 });
	pp_net_info(nic, &info, sizeof info);
	check(info.queues == 1 && info.ring == RING, "one pair, unless asked for more");
	check(!hw.status && !hw.master, "opened, it does nothing");
	hw.status = 15; /* left running by somebody */
	hw.master = true;
	check_eq(pp_net_bind(nic), 0, "bound");
	check_eq(hw.status, 15, "it is told that it is driven");
	check_eq(hw.agreed,
		 hw.offers & ~(VIRTIO_BIT(0) | VIRTIO_BIT(28) | VIRTIO_BIT(29) | VIRTIO_BIT(34)),
		 "what is agreed on: no checksums, no other rings");
	check_eq(counts().rx_posted, RING, "all pages are posted");
	check(hw.queue[0].told && hw.queue[0].size == RING, "which it is told of");
	check(!hw.promiscuous && hw.all_multicast == 1, "it receives what is for it");
	check(!hw.queue[0].vector && !hw.queue[1].vector && !hw.config_vector && hw.irq_fd[0] >= 0,
	      "it interrupts");
	check(hw.master, "it may do DMA");
	check_eq(pp_net_state(nic), PP_NET_RUNNING, "it runs");
	check_eq(pp_net_unbind(nic), 0, "unbound");
	check(!hw.status && !hw.master, "it is reset, and does no DMA");
	check_eq(hw.irq_fd[0], -1, "no interrupts");
	check_eq(pp_net_state(nic), PP_NET_RUNNING, "it is still there");
	nothing_mapped("after the unbind");
	promiscuous = true;
	close_nic();
	open_bound();
	promiscuous = false;
	check_eq(hw.promiscuous, 1, "all that comes is received, on request");
	close_nic();
}

static void receives(void)
{
	static const uint32_t sizes[] = { 14,   60,   1514, 4083,  4084,   4085,
					  8180, 9018, 9000, 16384, LONGEST };
	unsigned good = 0, n = 0;

	open_bound();
	for (; n < 3 * RING; n++) /* round the ring some times */
		good += comes_through(0, noise + n, sizes[n % (sizeof sizes / sizeof *sizes)]);
	check_eq(good, n, "packets come through");
	check_eq(counts().rx_packets, n, "are counted");
	check_eq(poll_pair(0, 16), 0, "there are no more");
	for (n = 0; played_arrives(0, noise, 60); n++)
		;
	check_eq(n, RING, "a full ring");
	check_eq(poll_pair(0, 2 * RING), RING, "comes through at once");
	check(seg[0].offset == 12 && seg[0].room == 12, "behind the header, which is room");
	put_all(RING);
	close_nic();
}

/* Buffers may be used in any order (2.7.8). */
static void in_any_order(void)
{
	static const uint8_t header[64] = { [10] = 1, [12] = 7 };
	unsigned good = 0;
	int id[8];

	open_bound();
	for (unsigned lap = 0; lap < 100; lap++) {
		for (unsigned i = 0; i < 8; i++)
			id[i] = played_next(0);
		for (unsigned i = 8; i--;) {
			unsigned k = (i * 3 + lap) % 8;

			pp_soft_write(hw.iommu, played_desc(0, (unsigned)id[k]).addr, header,
				      sizeof header);
			played_used(0, (uint32_t)id[k], sizeof header);
		}
		good += poll_pair(0, 16) == 8;
		put_all(8);
	}
	check(good == 100 && counts().rx_posted == RING && !counts().rx_refused,
	      "buffers come back in any order");
	close_nic();
}

static void half_a_packet(void)
{
	static uint8_t first[PLAYED_BUFFER] = { [10] = 2 };

	open_bound();
	played_fill(0, first, sizeof first);
	check(!poll_pair(0, 16) && !poll_pair(0, 16), "half a packet isn't handed out");
	played_fill(0, noise, 1000);
	check_eq(poll_pair(0, 1), 1, "a whole one is, piece by piece if that is asked for");
	check(!(seg[0].flags & PP_NET_LAST) && seg[0].wire_len == 5084,
	      "its length is known from the start");
	put_all(1);
	check(poll_pair(0, 1) == 1 && seg[0].flags & PP_NET_LAST && seg[0].len == 1000,
	      "and the rest");
	put_all(1);
	played_fill(0, first, sizeof first);
	poll_pair(0, 1);
	check(!pp_net_unbind(nic) && !poll_pair(0, 16), "unbound in the middle of one");
	check(!pp_net_bind(nic) && comes_through(0, noise, 100), "bound again, a new one begins");
	close_nic();
}

/* What had arrived stays, however often it is bound again, and in bounds. */
static void leftovers(void)
{
	unsigned arrived = 0, n, packets = 0;

	open_nic((struct pp_net_vfio_params){ 0 });
	for (unsigned lap = 0; lap < 8; lap++) {
		pp_net_bind(nic);
		while (played_arrives(0, noise, 60))
			arrived++;
		pp_net_unbind(nic);
	}
	check_eq(arrived, 4 * RING, "four rings of packets arrived");
	pp_net_bind(nic);
	n = poll_pair(0, 4 * RING);
	for (unsigned i = 0; i < n; i++)
		packets += seg[i].flags & PP_NET_LAST;
	check_eq(packets, arrived, "all are there, from bindings that have ended");
	put_all(n);
	check(!poll_pair(0, 1) && comes_through(0, noise, 60), "after them it receives again");
	close_nic();
}

static unsigned send_packet(unsigned pair, uint32_t len, unsigned pieces)
{
	struct pp_net_seg s[64];
	unsigned n;

	for (unsigned i = 0; i < pieces; i++) {
		uint32_t from = len * i / pieces, to = len * (i + 1) / pieces;

		if (pp_page_get(&s[i].page, pp_net_send_pool(nic, pair)))
			abort();
		memcpy((char *)pp_page_addr(s[i].page) + i, noise + from, to - from);
		s[i].offset = i;
		s[i].len = to - from;
		s[i].flags = i + 1 == pieces ? PP_NET_LAST : 0;
	}
	n = pp_net_send(nic, pair, s, pieces);
	for (unsigned i = n; i < pieces; i++)
		pp_page_put(s[i].page);
	return n;
}

static void transmits(void)
{
	uint32_t id[2];
	unsigned good = 0, n = 0;

	open_bound();
	for (unsigned i = 0; i < 2 * RING; i++) {
		uint32_t len = 14 + i * 9;

		send_packet(0, len, 2 + i % 5);
		memset(wire, 0, sizeof wire);
		good += played_sends(0, wire) == len && !memcmp(wire, noise, len);
		n += !pp_net_reap(nic, 0);
	}
	check_eq(good, 2 * RING, "packets go out as they were");
	check_eq(n, good, "and their pages come back");
	check_eq(counts().tx_packets, good, "they are counted");
	check(send_packet(0, 13, 1) && send_packet(0, 65600, 20) && send_packet(0, 1000, 33) &&
		      counts().tx_too_short == 1 && counts().tx_too_long == 1 &&
		      counts().tx_malformed == 1,
	      "too short, too long, in too many pieces: left out");
	check_eq(played_sends(0, wire), 0, "really");
	send_packet(0, 100, 1), send_packet(0, 200, 2);
	check(played_takes(0, wire, &id[0]) == 100 && played_takes(0, wire, &id[1]) == 200 &&
		      played_used(1, id[1], 0) && pp_net_reap(nic, 0) == 1 &&
		      played_used(1, id[0], 0) && !pp_net_reap(nic, 0),
	      "sent in another order");
	for (n = 0; send_packet(0, 100, 3); n += 3)
		;
	check_eq(n, RING / 4 * 3, "it takes as much as fits into the ring, with headers");
	check_eq(pp_net_reap(nic, 0), n, "which is under way");
	hw.link = 0;
	pp_net_state(nic);
	check(send_packet(0, 100, 1) && counts().tx_no_carrier == 1, "without a link it refuses");
	pp_net_unbind(nic);
	check_eq(counts().tx_unsent, n / 3, "what was not sent is counted");
	nothing_mapped("with packets under way");
	close_nic();
}

static bool wakes(unsigned pair, bool rx)
{
	struct pollfd p = { .fd = pp_net_event_fd(nic, pair), .events = POLLIN };
	uint32_t id;

	if (rx)
		played_arrives(pair, noise, 60);
	else if (!send_packet(pair, 60, 1) || !played_takes(pair, wire, &id) ||
		 !played_used(2 * pair + 1, id, 0))
		abort();
	return poll(&p, 1, 0);
}

static void events(void)
{
	struct pollfd p;
	uint64_t one = 1;

	open_bound();
	p = (struct pollfd){ .fd = pp_net_event_fd(nic, 0), .events = POLLIN };
	check(!wakes(0, true), "no interrupt is asked for at first");
	put_all(poll_pair(0, 16));
	pp_net_arm(nic, 0);
	check(!poll(&p, 1, 0) && wakes(0, true), "armed, a packet wakes");
	pp_net_arm(nic, 0);
	check(!poll(&p, 1, 0), "which arm takes back");
	put_all(poll_pair(0, 16));
	check(!wakes(0, true), "it wakes once");
	put_all(poll_pair(0, 16));
	pp_net_arm(nic, 0);
	check(wakes(0, false), "so does one that was sent");
	pp_net_arm(nic, 0);
	check(write(hw.request_fd, &one, sizeof one) == sizeof one && poll(&p, 1, 0),
	      "the kernel's request wakes as well");
	hw.requested = true;
	check_eq(pp_net_state(nic), PP_NET_GONE, "and the device counts as gone");
	pp_net_remove(nic);
	close_nic();
	open_nic((struct pp_net_vfio_params){ .poll = true });
	pp_net_bind(nic);
	p.fd = pp_net_event_fd(nic, 0);
	pp_net_arm(nic, 0);
	check(poll(&p, 1, 0) && hw.queue[0].vector == VIRTIO_NO_VECTOR && hw.irq_fd[0] < 0,
	      "polling: always ready, no interrupt");
	close_nic();
}

static void pairs(void)
{
	struct pp_pool *pool;

	queues = 3;
	open_bound();
	queues = 0;
	check(hw.pairs_used == 3 && hw.queue[5].enabled && !hw.queue[6].enabled,
	      "three pairs of four are used, which it is told");
	check(pp_net_device(nic, 0) == pp_net_device(nic, 2) &&
		      pp_net_pool(nic, 0) != pp_net_pool(nic, 2),
	      "of one device, with a pool each");
	for (unsigned i = 0; i < 3; i++) {
		played_arrives(i, noise + i, 9018);
		check(is_packet(poll_pair(i, 16), noise + i, 9018), "pair %u receives", i);
		send_packet(i, 1000 + i, 2);
		check(played_sends(i, wire) == 1000 + i && !pp_net_reap(nic, i), "and sends");
	}
	pp_net_arm(nic, 1);
	check(wakes(1, true), "pair 1 wakes by itself");
	check(!pp_net_unbind(nic) && poll_pair(1, 16) == 1, "unbound");
	put_all(1);
	nothing_mapped("then");
	if (pp_net_share_pool(&pool, &nic, 1, 0) || pp_net_use_pool(nic, 1, pool) ||
	    pp_net_use_pool(nic, 2, pool))
		abort();
	check(!pp_net_bind(nic) && comes_through(2, noise, 9018), "all on one pool");
	pp_net_unbind(nic);
	pp_pool_destroy(pool);
	close_nic();
}

static void how_many_pairs(void)
{
	struct pp_net_info info;

	queues = 20;
	make();
	hw.vectors = 2;
	open_made((struct pp_net_vfio_params){ 0 });
	pp_net_info(nic, &info, sizeof info);
	check_eq(info.queues, 2, "as many as there are interrupts for");
	close_nic();
	open_nic((struct pp_net_vfio_params){ .poll = true });
	pp_net_info(nic, &info, sizeof info);
	check_eq(info.queues, 4, "or as it has, by polling");
	close_nic();
	queues = 0;
}

/* A pool that is given to it, as to two devices that forward. */
static void given(void)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool_stats s;
	struct pp_pool *pool;
	unsigned n;

	open_nic((struct pp_net_vfio_params){ 0 });
	p.page_size = 2048;
	if (pp_pool_create(&pool, pp_binding_none(), &p))
		abort();
	pp_net_use_pool(nic, 0, pool);
	check(pp_net_bind(nic) == -EINVAL && error_says("pages of 4096 bytes"),
	      "pages may be too small");
	nothing_mapped("then");
	pp_pool_destroy(pool);
	if (pp_net_share_pool(&pool, &nic, 1, 0))
		abort();
	check_eq(pp_net_bind(nic), 0, "bound with a pool that is given");
	played_arrives(0, noise, 9018);
	n = poll_pair(0, 16);
	check(n == 3 && pp_net_send(nic, 0, seg, n) == n, "a packet is sent from where it lies");
	check(played_sends(0, wire) == 9018 && !memcmp(wire, noise, 9018) && !pp_net_reap(nic, 0),
	      "as it was");
	pp_net_unbind(nic);
	pp_pool_stats(pool, &s, sizeof s);
	check_eq(s.in_flight, 0, "its pages are home");
	pp_pool_destroy(pool);
	close_nic();
}

static void few_pages(void)
{
	max_pages = 10;
	open_bound();
	max_pages = 0;
	check(counts().rx_posted == 10 && counts().rx_no_page,
	      "as many pages as there are, are posted");
	hw.limit = true;
	check(error_says("a limit was met"), "what VFIO says of it is told");
	for (unsigned i = 0; i < 10; i++)
		played_arrives(0, noise, 60);
	check(!played_arrives(0, noise, 60) && poll_pair(0, 16) == 10, "then there is no room");
	check(!played_arrives(0, noise, 60), "as long as they are held");
	put_all(10);
	check(!poll_pair(0, 16) && comes_through(0, noise, 60), "and again when they are put");
	close_nic();
}

/* ---- as it should not be -------------------------------------------------------------------- */

/* A packet with this header, and this length told, is refused. */
static bool refused(const uint8_t *header, uint32_t len)
{
	static uint8_t buffer[PLAYED_BUFFER];
	uint64_t before = counts().rx_refused;
	int id = played_next(0);

	memcpy(buffer, header, VIRTIO_NET_HDR_BYTES);
	pp_soft_write(hw.iommu, played_desc(0, (unsigned)id).addr, buffer,
		      len < sizeof buffer ? len : sizeof buffer);
	played_used(0, (uint32_t)id, len);
	return !poll_pair(0, 16) && counts().rx_refused == before + 1 &&
	       pp_net_state(nic) == PP_NET_RUNNING;
}

static void lies(void)
{
	static uint8_t good[12] = { [10] = 1 }, none[12], many[12] = { [10] = 17 },
		       most[12] = { [10] = 0xff, [11] = 0xff }, partial[12] = { 1, [10] = 1 },
		       segments[12] = { [1] = 1, [10] = 1 }, two[12] = { [10] = 2 };
	uint64_t before;
	unsigned n = 0;

	open_bound();
	check(refused(good, 4097) && refused(good, UINT32_MAX), "longer than the page: refused");
	check(refused(good, 11) && refused(good, 0), "shorter than its header: refused");
	check(refused(good, 12), "no bytes behind it: refused");
	check(refused(none, 100) && refused(many, 100) && refused(most, 100),
	      "in no buffer, or in more than a packet has: refused");
	check(refused(partial, 100) && refused(segments, 100), "not whole: refused");
	before = counts().rx_refused;
	memcpy(wire, two, sizeof two);
	for (unsigned i = 0; i < 2 * RING; i++) { /* each second piece is worth nothing */
		played_fill(0, wire, 4096);
		played_used(0, (uint32_t)played_next(0), 5000);
		n += poll_pair(0, 16);
	}
	check(!n && counts().rx_refused == before + 2 * RING, "a packet with a bad end: refused");
	check_eq(counts().rx_posted, RING, "pages come back");
	before = counts().rx_refused;
	played_used(0, 256, 100);
	played_used(0, UINT32_MAX, 100);
	check(!poll_pair(0, 16) && counts().rx_refused == before + 2, "no such chain: refused");
	before = counts().rx_refused;
	check(comes_through(0, noise, 9018), "a good one comes through");
	check_eq(counts().rx_refused, before, "and nothing is refused");
	close_nic();
}

/* The used ring tells of what the device doesn't have. */
static void lies_of_rings(void)
{
	uint32_t id;

	open_bound();
	send_packet(0, 100, 1);
	check(played_takes(0, wire, &id) == 100 && played_used(1, id, 0) && !pp_net_reap(nic, 0) &&
		      counts().tx_packets == 1,
	      "a packet was sent");
	send_packet(0, 100, 3);
	played_used(1, 200, 0);
	check(pp_net_reap(nic, 0) == 3 && counts().tx_refused == 1, "one that wasn't is refused");
	played_used(1, id, 0);
	pp_net_reap(nic, 0);
	played_index(0, (uint16_t)(hw.queue[0].used + RING + 1));
	check(!poll_pair(0, 16) && counts().rx_refused == 1 && pp_net_state(nic) == PP_NET_FAILED,
	      "more than it has: it has failed");
	check(error_says("buffers that it was never given"), "which is told");
	check(!poll_pair(0, 16) && counts().rx_refused == 1 && pp_net_state(nic) == PP_NET_FAILED,
	      "and not looked at any more");
	pp_net_unbind(nic);
	check(!pp_net_bind(nic) && comes_through(0, noise, 100), "until it is bound again");
	check(pp_net_state(nic) == PP_NET_RUNNING && !*pp_net_error(nic), "and all is well");
	hw.status |= VIRTIO_NEEDS_RESET;
	check(pp_net_state(nic) == PP_NET_FAILED && error_says("needs a reset"),
	      "if it says so itself, it has failed too");
	close_nic();
}

/* Anything in a ring's memory, again and again. */
static void lies_at_random(void)
{
	uint64_t state = 88172645463325252, beyond = 0, packets = 0;

	pp_debug_set(PP_DEBUG_PAGES |
		     PP_DEBUG_FATAL); /* what it writes and doesn't tell of is no report */
	open_bound();
	for (unsigned i = 0; i < 100000; i++) {
		unsigned q = (unsigned)unit_below(&state, 2), n;
		uint64_t word = unit_random(&state);
		static const uint8_t packet[0x2000] = { [10] = 1 };

		if (word & 7)
			played_fill(0, packet, (uint32_t)(word >> 32) & 0x1fff);
		else if (word & 8)
			played_used(q, (uint32_t)(word >> 32) % 300, (uint32_t)word);
		else if (word & 16)
			pp_soft_write(hw.iommu, hw.queue[q].desc + (word >> 32) % 7000, &state, 2);
		else
			played_index(q, (uint16_t)(hw.queue[q].used += (word >> 32) % 8));
		send_packet(0, 60, 1);
		pp_net_reap(nic, 0);
		n = poll_pair(0, (unsigned)unit_below(&state, 8));
		for (unsigned k = 0; k < n; k++) {
			beyond += seg[k].offset + seg[k].len > 4096 || seg[k].wire_len > LONGEST;
			packets += seg[k].flags & PP_NET_LAST;
		}
		put_all(n);
		if (pp_net_state(nic) == PP_NET_FAILED && (pp_net_unbind(nic) || pp_net_bind(nic)))
			check(false, "bound again after lie %u", i);
	}
	check_eq(beyond, 0, "100,000 lies: never more than was posted");
	check(packets <= counts().rx_packets && packets > 1000, "what came through is counted");
	printf("# %llu came through, %llu were refused\n", (unsigned long long)packets,
	       (unsigned long long)counts().rx_refused);
	close_nic();
	pp_debug_set(DEBUG);
}

/* Opening fails, with this errno and this sentence. */
static void wont_open(int ret, const char *says)
{
	int is = open_made((struct pp_net_vfio_params){ 0 });

	printf("# %s\n", error);
	check(is == ret && strstr(error, says) && !hw.master, "not opened: %s", says);
	if (!is) {
		pp_net_close(nic);
	} else {
		struct pp_device_params p = PP_PARAMS(struct pp_device_params);
		struct pp_device *dev;

		p.name = "none";
		p.iommu = hw.iommu; /* is destroyed with its device */
		if (pp_device_register(&dev, &p))
			abort();
		pp_device_unregister(dev);
	}
	make();
}

static void lies_of_itself(void)
{
	make();
	hw.offers &= ~VIRTIO_F_VERSION_1;
	wont_open(-EOPNOTSUPP, "no device of virtio 1.0");
	hw.offers &= ~VIRTIO_F_ACCESS_PLATFORM;
	wont_open(-EOPNOTSUPP, "doesn't go through the IOMMU");
	hw.refuses = true;
	wont_open(-EOPNOTSUPP, "doesn't accept");
	hw.pairs = 0;
	wont_open(-EPROTO, "can't have 0 pairs");
	hw.pairs = 0x8001;
	wont_open(-EPROTO, "can't have 32769 pairs");
	hw.n_queues = 8;
	wont_open(-EPROTO, "it has 8 queues, and tells of 9");
	hw.offers |= VIRTIO_NET_F_MTU;
	hw.mtu = 67;
	wont_open(-EPROTO, "an MTU of 67");
	hw.offers = (hw.offers | VIRTIO_NET_F_MTU) & ~VIRTIO_NET_F_MRG_RXBUF;
	hw.mtu = 9000;
	wont_open(-EOPNOTSUPP, "its MTU is 9000");
	hw.queue[0].most = 0;
	wont_open(-EPROTO, "its queue 0 has 0 descriptors");
	hw.queue[0].most = 255;
	wont_open(-EPROTO, "its queue 0 has 255 descriptors");
	hw.queue[0].most = 32;
	wont_open(-EPROTO, "its queue 0 has 32 descriptors");
	hw.never_resets = true;
	hw.status = 15;
	wont_open(-ETIMEDOUT, "come out of its reset");
	hw.gone = true;
	wont_open(-EOPNOTSUPP, "is a 0000:0000");
}

/* Capabilities: where there is nothing, more than there is, in a circle. */
static void lies_of_places(void)
{
	static const enum virtio_cap types[] = { VIRTIO_CAP_COMMON, VIRTIO_CAP_NOTIFY,
						 VIRTIO_CAP_DEVICE };
	static const struct {
		unsigned at;
		uint8_t is;
	} lie[] = { { VIRTIO_CAP_TYPE, 9 },
		    { VIRTIO_CAP_BAR, 6 },
		    { VIRTIO_CAP_BAR, 0 },
		    { VIRTIO_CAP_OFFSET, 2 },
		    { VIRTIO_CAP_OFFSET + 3, 1 },
		    { VIRTIO_CAP_OFFSET + 1, 0x40 },
		    { VIRTIO_CAP_LENGTH + 1, 0 },
		    { VIRTIO_CAP_LENGTH + 3, 0xff },
		    { 0, 0x11 },
		    { VIRTIO_CAP_NEXT, 0x40 } };

	make();
	for (unsigned t = 0; t < 3; t++)
		for (unsigned i = 0; i < sizeof lie / sizeof *lie; i++) {
			if (types[t] == VIRTIO_CAP_DEVICE && lie[i].at == VIRTIO_CAP_NEXT)
				continue; /* it is the last */
			hw.config[played_cap(types[t]) + lie[i].at] = lie[i].is;
			wont_open(-EOPNOTSUPP, "no registers of virtio 1.0");
		}
	hw.config[6] = 0;
	wont_open(-EOPNOTSUPP, "no registers of virtio 1.0");
}

static void stubborn(void)
{
	unsigned sleeps;

	open_nic((struct pp_net_vfio_params){ 0 });
	hw.silent = true;
	check(pp_net_bind(nic) == -ETIMEDOUT && error_says("does not answer a command"),
	      "one that doesn't answer isn't bound");
	check(!hw.master && !hw.status && hw.irq_fd[0] < 0, "and is off");
	nothing_mapped("then");
	hw.silent = false;
	hw.no_vector = true;
	check(pp_net_bind(nic) == -ENOSPC && error_says("no room for the interrupt"),
	      "nor one without interrupts");
	hw.no_vector = false;
	hw.queue[1].notify_off = 1024;
	check(pp_net_bind(nic) == -EPROTO && error_says("is at offset 4096, of 4096"),
	      "nor one that is to be told elsewhere");
	hw.queue[1].notify_off = 1;
	check(!pp_net_bind(nic) && !*pp_net_error(nic), "bound later, and all is well");
	hw.never_resets = true;
	sleeps = hw.sleeps;
	check_eq(pp_net_unbind(nic), 0, "one that doesn't stop is unbound");
	check(error_says("does not come out of its reset") && !hw.master, "which is told");
	check(hw.sleeps - sleeps < 100000, "waiting is counted");
	nothing_mapped("then");
	check(pp_net_quiet(nic) == -ETIMEDOUT && pp_net_bind(nic) == -ETIMEDOUT,
	      "it isn't quiet, nor bound again");
	hw.never_resets = false;
	check(!pp_net_quiet(nic) && !pp_net_bind(nic), "later it is");
	close_nic();
}

static void left_running(void)
{
	struct pp_domain_stats s;

	open_nic((struct pp_net_vfio_params){ .rogue = true });
	pp_net_bind(nic);
	check(played_arrives(0, noise, 9018), "a packet has arrived");
	pp_net_unbind(nic);
	check(hw.status == 15 && hw.master, "it is left running");
	check(!played_arrives(0, noise, 60), "what it does now faults");
	pp_domain_stats(pp_net_device(nic, 0), &s, sizeof s);
	check(s.faults > 0, "and is logged");
	check(is_packet(poll_pair(0, 16), noise, 9018), "the packet is there");
	check(!pp_net_bind(nic) && comes_through(0, noise + 1, 9018), "bound again, it goes on");
	pp_net_unbind(nic);
	check(!pp_net_quiet(nic) && !hw.status && !hw.master, "quiet stops it");
	close_nic();
}

static bool untouched(void)
{
	for (size_t i = 0; i < sizeof hw.bar; i++)
		if (hw.bar[i] != 0xff)
			return false;
	return true;
}

static void pulled_out(void)
{
	unsigned sleeps;

	open_bound();
	played_arrives(0, noise, 1000);
	memset(hw.bar, 0xff, sizeof hw.bar);
	hw.gone = true;
	check_eq(pp_net_state(nic), PP_NET_GONE, "all ones: it has gone");
	check_eq(pp_net_remove(nic), 0, "removed by surprise");
	check(untouched(), "without a write to it");
	nothing_mapped("then");
	close_nic();
	open_bound();
	played_arrives(0, noise, 1000);
	memset(hw.bar, 0xff, sizeof hw.bar);
	hw.gone = true;
	sleeps = hw.sleeps;
	check(!pp_net_unbind(nic) && untouched(), "gone, and unbound by one who doesn't know");
	check_eq(hw.sleeps, sleeps, "nothing is waited for");
	check(is_packet(poll_pair(0, 16), noise, 1000), "what it had received is there");
	check(pp_net_bind(nic) == -ENODEV && error_says("has gone"), "it can't be bound then");
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
	queues = 2;
	open_nic((struct pp_net_vfio_params){ 0 });
	queues = 0;
	do {
		fail_begin(&fail, NULL, n++);
		ret = pp_net_bind(nic);
		more = fail_end(&fail);
		if (!ret)
			pp_net_unbind(nic);
		else if (hw.master || hw.status || hw.irq_fd[0] >= 0)
			check(false, "failure %u leaves it off", n - 1);
		if (pp_device_state(pp_net_device(nic, 0)) != PP_DEVICE_PRESENT)
			check(false, "failure %u leaves it unbound", n - 1);
	} while (more);
	check(n > 10, "%u failures", n - 1);
	nothing_mapped("after them");
	hw.limit = true;
	fail_begin(&fail, NULL, 0);
	ret = pp_net_bind(nic);
	check(fail_end(&fail) && ret && error_says("a limit was met"),
	      "what VFIO says of it is told");
	check(!pp_net_bind(nic) && comes_through(1, noise, 60), "it works");
	close_nic();
	pp_debug_set(DEBUG);
}

int main(void)
{
	uint64_t state = 1;

	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)unit_random(&state);
	pp_debug_set(DEBUG);
	run(starts_and_stops);
	run(receives);
	run(in_any_order);
	run(half_a_packet);
	run(leftovers);
	run(transmits);
	run(events);
	run(pairs);
	run(how_many_pairs);
	run(given);
	run(few_pages);
	run(lies);
	run(lies_of_rings);
	run(lies_at_random);
	run(lies_of_itself);
	run(lies_of_places);
	run(stubborn);
	run(left_running);
	run(pulled_out);
	run(failures);
	return tap_end();
}
