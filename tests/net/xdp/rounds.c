/*
 * rounds.c - an AF_XDP interface opened and closed again and again under traffic:
 *
 *   rounds IFNAME ROUNDS [SEED]
 *
 * In each round frames are in all four rings, in the kernel's hands, and held by the program
 * when the sockets are closed, by an unbind, a removal, or the close of it all. Then what is
 * held must be as it was, and nothing else may be left: no page, no pool, no memory, no IOVA,
 * no file descriptor.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <pagepool/net.h>
#include <pagepool/pagepool.h>

#include "tap.h"

#define HELD 200u

static uint64_t sum(const struct pp_net_seg *s)
{
	const uint8_t *p = (const uint8_t *)pp_page_addr(s->page) + s->offset;
	uint64_t h = 14695981039346656037u;

	for (uint32_t i = 0; i < s->len; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static uint64_t resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * 4;
}

/* What the program holds: some of what came, until the end of the round. */
struct held {
	struct pp_net_seg seg[HELD];
	uint64_t sum[HELD];
	unsigned n;
};

static uint64_t received(struct pp_net *nic)
{
	struct pp_net_stats s;

	pp_net_stats(nic, 0, &s, sizeof s);
	return s.rx_packets;
}

/* Receive for a while: hold some, send some back out, put the rest. */
static uint64_t use(struct pp_net *nic, struct held *held, unsigned want)
{
	uint64_t begun = received(nic);
	struct pp_net_seg seg[64];

	for (unsigned idle = 0; received(nic) - begun < want && idle < 200;) {
		unsigned n = pp_net_receive(nic, 0, seg, 64);

		if (!n) {
			struct pollfd fd = { .fd = pp_net_event_fd(nic, 0), .events = POLLIN };

			idle++;
			pp_net_arm(nic, 0);
			poll(&fd, 1, 5);
		}
		for (unsigned i = 0; i < n; i++) {
			if (held->n < HELD && i % 3 == 0) {
				held->sum[held->n] = sum(&seg[i]);
				held->seg[held->n++] = seg[i];
			} else if (i % 3 != 1 || !pp_net_send(nic, 0, &seg[i], 1)) {
				pp_page_put(seg[i].page);
			}
		}
		if (rand() % 2) /* else what is done stays in the completion ring */
			pp_net_reap(nic, 0);
	}
	return received(nic) - begun;
}

/* What was in the rings comes after the unbind. */
static void drain(struct pp_net *nic)
{
	struct pp_net_seg seg[64];
	unsigned n;

	while ((n = pp_net_receive(nic, 0, seg, 64)))
		while (n)
			pp_page_put(seg[--n].page);
}

static bool settle(struct held *held)
{
	bool intact = true;

	for (unsigned i = 0; i < held->n; i++) {
		intact = intact && sum(&held->seg[i]) == held->sum[i];
		pp_page_put(held->seg[i].page);
	}
	held->n = 0;
	return intact;
}

static bool nothing_left(void)
{
	struct pp_totals t;

	pp_totals(&t, sizeof t);
	if (!t.pools && !t.chunk_bytes && !t.iova_bytes)
		return true;
	printf("# %llu pools, %llu pages of zombies, %llu bytes, %llu of IOVA\n",
	       (unsigned long long)t.pools, (unsigned long long)t.zombie_pages,
	       (unsigned long long)t.chunk_bytes, (unsigned long long)t.iova_bytes);
	return false;
}

struct count {
	uint64_t bindings, packets, empty, changed, left;
};

/* One binding, ended in one of three ways; how: 2 leaves that to the close. */
static bool bind_once(struct pp_net *nic, int how, struct held *held, struct count *c)
{
	struct pp_domain_stats domain;
	uint64_t got;

	if (pp_net_bind(nic)) {
		printf("# bind: %s\n", pp_net_error(nic));
		return false;
	}
	c->bindings++;
	got = use(nic, held, 300);
	c->packets += got;
	c->empty += !got;
	if (how == 2)
		return true;
	if (how)
		pp_net_remove(nic);
	else
		pp_net_unbind(nic);
	pp_domain_stats(pp_net_device(nic, 0), &domain, sizeof domain);
	c->left += domain.mappings != 0 || domain.bytes_mapped != 0;
	drain(nic);
	return true;
}

static bool round_once(const char *ifname, struct count *c)
{
	static struct held held;
	struct pp_net_xdp_params xdp = PP_PARAMS(struct pp_net_xdp_params);
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR] = "";
	struct pp_net *nic;
	bool fine = true;
	int bindings = 1 + rand() % 4, last = rand() % 3;

	xdp.ifname = ifname;
	xdp.frame = rand() % 2 ? 2048 : 4096;
	xdp.generic = rand() % 8 == 0;
	params.xdp = &xdp;
	params.max_pages = 2048;
	params.keep = HELD;
	if (pp_net_open(&nic, &params, error)) {
		printf("# open: %s\n", error);
		return false;
	}
	for (int i = 0; i < bindings && fine; i++) {
		fine = bind_once(nic, i < bindings - 1 ? 0 : last, &held, c);
		if (i < bindings - 1)
			c->changed += !settle(&held);
	}
	pp_net_close(nic);
	c->changed += !settle(&held);
	c->left += !nothing_left();
	return fine;
}

int main(int argc, char **argv)
{
	const char *ifname = argc > 1 ? argv[1] : "mid-a";
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 100, done = 0, fds = 0;
	unsigned seed = argc > 3 ? (unsigned)atoi(argv[3]) : (unsigned)time(NULL);
	uint64_t kib = 0;
	struct count c = { 0 };

	printf("# seed %u\n", seed);
	srand(seed);
	for (; done < rounds; done++) {
		if (!round_once(ifname, &c))
			break;
		if (done == rounds / 10 + 2) {
			fds = count_fds();
			kib = resident_kib();
		}
	}
	printf("# %u rounds, %llu bindings, %llu packets; %llu bindings without one; resident %llu KiB, then %llu\n",
	       done, (unsigned long long)c.bindings, (unsigned long long)c.packets,
	       (unsigned long long)c.empty, (unsigned long long)kib,
	       (unsigned long long)resident_kib());
	check(done == rounds, "every round opens, binds, and ends");
	check(c.packets > rounds * 10ull, "packets came");
	check(!c.changed, "what is held across the end is as it was received");
	check(!c.left, "no page, pool, memory, IOVA or mapping is left after a round");
	check(fds == count_fds(), "no file descriptor is left");
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
	check(resident_kib() < kib + kib / 4 + 1024, "the process doesn't grow");
#endif
	return tap_end();
}
