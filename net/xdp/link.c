/*
 * link.c - a network interface whose packets go to AF_XDP sockets. See link.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "link.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what is known of it ------------------------------------------------------------------ */

static int fail(char *error, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char *error, int ret, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, XDP_ERROR, format, args);
	va_end(args);
	return ret;
}

/* The interface under the name that it has now. */
static bool current_name(const struct xdp_link *l, struct ifreq *r)
{
	*r = (struct ifreq){ .ifr_ifindex = (int)l->index };
	return !ioctl(l->query, SIOCGIFNAME, r);
}

static bool is_up(const struct xdp_link *l)
{
	struct ifreq r;

	return current_name(l, &r) && !ioctl(l->query, SIOCGIFFLAGS, &r) &&
	       (r.ifr_flags & IFF_UP);
}

/* Receive queues; a driver that doesn't tell has one. */
static unsigned count_queues(const struct xdp_link *l)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq r;
	unsigned n;

	if (!current_name(l, &r))
		return 1;
	r.ifr_data = (void *)&c;
	if (ioctl(l->query, SIOCETHTOOL, &r))
		return 1;
	n = c.combined_count + c.rx_count;
	return n ? n : 1;
}

static int look(struct xdp_link *l, char *error)
{
	struct ifreq r;

	l->index = if_nametoindex(l->name);
	if (!l->index)
		return fail(error, -ENODEV, "there is no interface %s in this network namespace: "
			    "see ip link", l->name);
	l->query = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (l->query < 0)
		return fail(error, -errno, "can't open a socket: %s", strerror(errno));
	if (!current_name(l, &r) || ioctl(l->query, SIOCGIFMTU, &r))
		return fail(error, -errno, "can't ask for the MTU of %s: %s", l->name,
			    strerror(errno));
	l->mtu = (unsigned)r.ifr_mtu;
	l->n_queues = count_queues(l);
	if (!current_name(l, &r) || ioctl(l->query, SIOCGIFHWADDR, &r) ||
	    (r.ifr_hwaddr.sa_family != ARPHRD_ETHER && r.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK))
		return fail(error, -EOPNOTSUPP, "%s has no Ethernet frames", l->name);
	if (!is_up(l))
		return fail(error, -ENETDOWN, "%s is down: ip link set %s up", l->name, l->name);
	return 0;
}

/* ---- is it still there? ---------------------------------------------------------------------- */

static int watch(struct xdp_link *l, char *error)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };

	l->events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (l->events < 0 || bind(l->events, (struct sockaddr *)&addr, sizeof addr))
		return fail(error, -errno, "can't watch for changes of %s: %s", l->name,
			    strerror(errno));
	return 0;
}

bool xdp_link_gone(struct xdp_link *l)
{
	char message[8192];
	bool changed = false;

	if (l->gone)
		return true;
	/* what it says doesn't matter, nor that some was lost: it is a hint to look */
	while (recv(l->events, message, sizeof message, 0) >= 0 || errno == ENOBUFS)
		changed = true;
	if (changed && !is_up(l))
		l->gone = true;
	return l->gone;
}

/* ---- the program ------------------------------------------------------------------------------ */

/* return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS); */
static int load(struct xdp_link *l, char *error)
{
	char log[2048] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = log, .log_size = sizeof log);

	l->sockets = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "pagepool_xsk", sizeof(uint32_t),
				    sizeof(uint32_t), XDP_QUEUES, NULL);
	if (l->sockets >= 0) {
		const struct bpf_insn code[] = {
			{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_2,
			  .src_reg = BPF_REG_1, .off = offsetof(struct xdp_md, rx_queue_index) },
			{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1,
			  .src_reg = BPF_PSEUDO_MAP_FD, .imm = l->sockets },
			{ 0 }, /* the address's upper half */
			{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3,
			  .imm = XDP_PASS },
			{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
			{ .code = BPF_JMP | BPF_EXIT },
		};

		l->program = bpf_prog_load(BPF_PROG_TYPE_XDP, "pagepool", "Dual BSD/GPL", code,
					   sizeof code / sizeof code[0], &options);
	}
	if (l->program >= 0)
		return 0;
	if (errno == EPERM)
		return fail(error, -EPERM, "an XDP program needs the rights CAP_NET_ADMIN and "
			    "CAP_BPF, and AF_XDP sockets CAP_NET_RAW: run this as root");
	return fail(error, -errno, "can't load an XDP program: %s%s%s", strerror(errno),
		    *log ? ": " : "", log);
}

static int attach_as(struct xdp_link *l, unsigned flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);

	l->link = bpf_link_create(l->program, (int)l->index, BPF_XDP, &options);
	return l->link < 0 ? -errno : 0;
}

static int attach(struct xdp_link *l, bool generic, char *error)
{
	int ret = generic ? -EOPNOTSUPP : attach_as(l, XDP_FLAGS_DRV_MODE);

	/* whatever the driver minds, the stack may not */
	l->generic = ret && ret != -EPERM && ret != -EBUSY && ret != -EEXIST;
	if (l->generic)
		ret = attach_as(l, XDP_FLAGS_SKB_MODE);
	switch (ret) {
	case 0:
		return 0;
	case -EBUSY:
	case -EEXIST:
		return fail(error, ret, "another XDP program is on %s: end the program that put "
			    "it there, or take it off (ip link set %s xdp off)", l->name, l->name);
	case -EPERM:
		return fail(error, ret, "an XDP program on %s needs the right CAP_NET_ADMIN: run "
			    "this as root", l->name);
	default:
		return fail(error, ret, "can't attach an XDP program to %s: %s", l->name,
			    strerror(-ret));
	}
}

int xdp_link_steer(struct xdp_link *l, unsigned queue, int socket)
{
	return bpf_map_update_elem(l->sockets, &queue, &socket, 0) ? -errno : 0;
}

void xdp_link_leave(struct xdp_link *l, unsigned queue)
{
	bpf_map_delete_elem(l->sockets, &queue); /* that of a closed socket is gone already */
}

/* ---- open, close --------------------------------------------------------------------------------- */

int xdp_link_open(struct xdp_link *l, const char *name, enum xdp_how how, char *error)
{
	int ret;

	*l = (struct xdp_link){ .sockets = -1, .program = -1, .link = -1, .query = -1,
				.events = -1 };
	if (strlen(name) >= sizeof l->name)
		return fail(error, -EINVAL, "no interface has a name as long as %s", name);
	strcpy(l->name, name);
	ret = watch(l, error); /* first: what changes from now on is seen */
	if (!ret)
		ret = look(l, error);
	if (!ret && how != XDP_NO_PROGRAM)
		ret = load(l, error);
	if (!ret && how != XDP_NO_PROGRAM)
		ret = attach(l, how == XDP_GENERIC, error);
	if (ret)
		xdp_link_close(l);
	return ret;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void xdp_link_close(struct xdp_link *l)
{
	close_one(&l->link);
	close_one(&l->program);
	close_one(&l->sockets);
	close_one(&l->events);
	close_one(&l->query);
}
