/*
 * zero_copy_pages_wait.c IFNAME - zero-copy mode, in which the kernel stops a card's queue some
 * time after its socket is closed: until then nobody may use a page that was posted. No driver here
 * has that mode, so the interface's sockets are made to claim it, and the test decides when the
 * queue can be bound again.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <pagepool/net.h>
#include <pagepool/pagepool.h>
#include <string.h>
#include <sys/socket.h>

#include "tap.h"

#define PAGES 4096u
#define EVER ~0u

static struct {
	unsigned busy; /* so often the queue can't be had */
	unsigned tried;
	int error;
} kernel;

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int ret = __real_getsockopt(fd, level, name, value, len);

	if (!ret && level == SOL_XDP && name == XDP_OPTIONS)
		((struct xdp_options *)value)->flags |= XDP_OPTIONS_ZEROCOPY;
	return ret;
}

/* The sockets of libxdp are bound there; here those that ask for the queue. */
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (addr->sa_family != AF_XDP)
		return __real_bind(fd, addr, len);
	kernel.tried++;
	if (kernel.busy) {
		kernel.busy -= kernel.busy != EVER;
		errno = EBUSY;
		return -1;
	}
	errno = kernel.error;
	return kernel.error ? -1 : __real_bind(fd, addr, len);
}

static const char *ifname;
static struct pp_net *net;

static void open_net(void)
{
	struct pp_net_params p = PP_PARAMS(struct pp_net_params);
	struct pp_net_xdp_params xdp = PP_PARAMS(struct pp_net_xdp_params);
	char error[PP_NET_ERROR];

	kernel.busy = kernel.tried = 0;
	kernel.error = 0;
	xdp.ifname = ifname;
	p.xdp = &xdp;
	p.max_pages = PAGES;
	require(!pp_net_open(&net, &p, error), "opened: %s", error);
}

static uint64_t bind_net(void)
{
	struct pp_net_stats s;
	int ret = pp_net_bind(net);

	require(!ret, "bound: %s", pp_net_error(net));
	pp_net_stats(net, 0, &s, sizeof s);
	return s.rx_posted;
}

/* Of pools whose binding has ended. */
static uint64_t not_home(void)
{
	struct pp_totals t;

	pp_totals(&t, sizeof t);
	return t.zombie_pages;
}

static void all_gone(void)
{
	struct pp_totals t;

	pp_totals(&t, sizeof t);
	check(!t.pools && !t.chunk_bytes && !t.iova_bytes, "nothing is left");
}

static void quiet_later(void)
{
	uint64_t posted;

	open_net();
	posted = bind_net();
	kernel.busy = 5;
	check_eq(pp_net_unbind(net), 0, "unbound, without a wait");
	check_eq(kernel.tried, 0, "the queue isn't asked for yet");
	check(posted > 100 && not_home() == posted, "all %llu posted frames are nobody's",
	      (unsigned long long)posted);
	check_eq(pp_net_quiet(net), 0, "quiet");
	check_eq(kernel.tried, 6, "once the queue could be had");
	check_eq(not_home(), 0, "then they are home");
	pp_net_close(net);
	all_gone();
}

static void bound_again(void)
{
	uint64_t posted;

	open_net();
	posted = bind_net();
	kernel.busy = EVER;
	pp_net_unbind(net);
	check_eq(not_home(), posted, "unbound: they aren't home");
	bind_net();
	check_eq(not_home(), 0, "who has the queue again knows that it is quiet");
	kernel.busy = 2;
	pp_net_close(net);
	check_eq(not_home(), 0, "a close waits for it");
	all_gone();
}

static void gone(void)
{
	open_net();
	bind_net();
	kernel.error = ENODEV;
	check_eq(pp_net_remove(net), 0, "removed");
	pp_net_close(net);
	check_eq(kernel.tried, 1, "a device that has gone isn't waited for");
	check_eq(not_home(), 0, "its frames are home");
	all_gone();
}

/* Last: what it leaves, stays. */
static void never_quiet(void)
{
	uint64_t posted;

	open_net();
	posted = bind_net();
	kernel.busy = EVER;
	pp_net_unbind(net);
	check_eq(pp_net_quiet(net), -ETIMEDOUT, "it isn't quiet");
	check(strstr(pp_net_error(net), "hasn't stopped the queues"), "... %s", pp_net_error(net));
	pp_net_close(net);
	check_eq(not_home(), posted, "a close gives up: no frame is used again, all are counted");
}

int main(int argc, char **argv)
{
	require(argc == 2, "zero_copy_pages_wait IFNAME");
	ifname = argv[1];
	run(quiet_later);
	run(bound_again);
	run(gone);
	run(never_quiet);
	return tap_end();
}
