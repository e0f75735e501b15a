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
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOWER_UP (1u << 16) /* IFF_LOWER_UP: there is a carrier; not in net/if.h */
#define ALT_NAME 128u       /* ALTIFNAMSIZ: with its end; linux/if.h can't be beside net/if.h */
#define ANSWER 32768u       /* bytes of an answer of the kernel's, at most */

/* ---- what rtnetlink tells ---------------------------------------------------------------- */

/* Ask: the answer's header, or NULL and *ret why not. The lock is held. */
static struct nlmsghdr *ask(struct xdp_link *l, void *request, uint32_t len, char *answer, int *ret)
{
	static _Atomic uint32_t count;
	struct nlmsghdr *h = request;
	uint32_t seq = ++count;
	ssize_t n;

	h->nlmsg_len = len;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = seq;
	*ret = send(l->ask, request, len, 0) < 0 ? -errno : 0;
	while (!*ret) {
		n = recv(l->ask, answer, ANSWER, 0);
		h = (struct nlmsghdr *)answer;
		if (n < 0)
			*ret = -errno;
		else if (!NLMSG_OK(h, (size_t)n) || h->nlmsg_seq != seq)
			continue; /* of a question that was given up */
		else if (h->nlmsg_type == NLMSG_ERROR)
			*ret = ((struct nlmsgerr *)NLMSG_DATA(h))->error;
		else
			return h;
	}
	return NULL;
}

/* An attribute behind the message's own structure of `head` bytes, of at least `size` bytes. */
static const void *attribute(const struct nlmsghdr *h, size_t head, unsigned short type,
			     size_t size)
{
	const char *at = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(head);
	size_t left = h->nlmsg_len - (size_t)(at - (const char *)h);

	if (h->nlmsg_len < (size_t)(at - (const char *)h))
		return NULL;
	for (const struct rtattr *a = (const struct rtattr *)at; RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == type && RTA_PAYLOAD(a) >= size)
			return RTA_DATA(a);
	return NULL;
}

/* What is asked of an interface again and again. */
struct facts {
	char name[IF_NAMESIZE];
	unsigned index, flags, type, mtu;
};

/*
 * About the one with the link's index; while that is 0, the one of this name, or alternative name.
 */
static int ask_facts(struct xdp_link *l, const char *by_name, struct facts *f)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg info;
		struct rtattr a;
		char name[ALT_NAME];
	} request = { .h.nlmsg_type = RTM_GETLINK,
		      .info.ifi_index = (int)l->index,
		      .a = { .rta_len = sizeof request.a + sizeof request.name,
			     .rta_type = IFLA_ALT_IFNAME } };
	uint32_t len = l->index ? offsetof(typeof(request), a) : sizeof request;
	const struct ifinfomsg *info;
	char answer[ANSWER];
	const uint32_t *mtu;
	const char *name;
	int ret;
	struct nlmsghdr *h;

	strcpy(request.name, by_name);
	pthread_mutex_lock(&l->lock);
	h = ask(l, &request, len, answer, &ret);
	pthread_mutex_unlock(&l->lock);
	if (!h)
		return ret;
	info = NLMSG_DATA(h);
	mtu = attribute(h, sizeof *info, IFLA_MTU, sizeof *mtu);
	name = attribute(h, sizeof *info, IFLA_IFNAME, 1);
	if (h->nlmsg_type != RTM_NEWLINK || !mtu || !name)
		return -EPROTO;
	*f = (struct facts){ .index = (unsigned)info->ifi_index,
			     .flags = info->ifi_flags,
			     .type = info->ifi_type,
			     .mtu = *mtu };
	snprintf(f->name, sizeof f->name, "%s", name);
	return 0;
}

int xdp_link_counts(struct xdp_link *l, struct xdp_counts *counts)
{
	struct {
		struct nlmsghdr h;
		struct if_stats_msg stats;
	} request = { .h.nlmsg_type = RTM_GETSTATS,
		      .stats = { .ifindex = l->index,
				 .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) } };
	const struct rtnl_link_stats64 *s = NULL;
	char answer[ANSWER];
	struct nlmsghdr *h;
	int ret;

	pthread_mutex_lock(&l->lock);
	h = ask(l, &request, sizeof request, answer, &ret);
	if (h)
		s = attribute(h, sizeof(struct if_stats_msg), IFLA_STATS_LINK_64,
			      offsetof(struct rtnl_link_stats64, rx_compressed));
	if (s)
		*counts = (struct xdp_counts){
			.tx_packets = s->tx_packets,
			.tx_lost = s->tx_dropped + s->tx_errors,
			.rx_missed = s->rx_missed_errors + s->rx_fifo_errors,
		};
	pthread_mutex_unlock(&l->lock);
	return s ? 0 : ret ? ret : -EPROTO;
}

/* ---- what ethtool tells ------------------------------------------------------------------ */

static int ethtool(const struct xdp_link *l, void *command)
{
	struct ifreq r = { 0 };

	strcpy(r.ifr_name, l->name);
	r.ifr_data = command;
	return ioctl(l->query, SIOCETHTOOL, &r) ? -errno : 0;
}

/* Receive queues; a driver that doesn't tell has one. */
static unsigned count_queues(const struct xdp_link *l)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	unsigned n;

	if (ethtool(l, &c))
		return 1;
	n = c.combined_count + c.rx_count;
	return n ? n : 1;
}

/* Drivers whose packets come from a stack like ours, on this machine or its host. */
static bool is_like_a_stack(const char *driver)
{
	return !strcmp(driver, "virtio_net") || !strcmp(driver, "vif");
}

static void ask_driver(struct xdp_link *l)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	if (ethtool(l, &info))
		return;
	info.driver[sizeof info.driver - 1] = 0;
	l->veth = !strcmp(info.driver, "veth");
	l->physical = info.bus_info[0] && !is_like_a_stack(info.driver);
}

/* ---- open: what it is -------------------------------------------------------------------- */

static int open_sockets(struct xdp_link *l, char *error)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };

	l->events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (l->events < 0 || bind(l->events, (struct sockaddr *)&addr, sizeof addr))
		return xdp_fail(error, -errno, "can't watch for changes of interfaces: %s",
				strerror(errno));
	l->query = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	l->ask = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (l->query < 0 || l->ask < 0)
		return xdp_fail(error, -errno, "can't open a socket: %s", strerror(errno));
	l->features.query = l->query;
	return 0;
}

static int look_first(struct xdp_link *l, const char *name, char *error)
{
	struct facts f;
	int ret = strlen(name) < ALT_NAME ? ask_facts(l, name, &f) : -ENODEV;

	if (ret == -ENODEV)
		return xdp_fail(error, ret,
				"there is no interface %s in this network namespace: "
				"see ip link",
				name);
	if (ret)
		return xdp_fail(error, ret, "can't ask what %s is: %s", name, strerror(-ret));
	strcpy(l->name, f.name);
	l->index = f.index;
	l->mtu = f.mtu;
	l->carrier = f.flags & LOWER_UP;
	l->n_queues = count_queues(l);
	ask_driver(l);
	if (f.type != ARPHRD_ETHER && f.type != ARPHRD_LOOPBACK)
		return xdp_fail(error, -EOPNOTSUPP, "%s has no Ethernet frames", l->name);
	if (!(f.flags & IFF_UP))
		return xdp_fail(error, -ENETDOWN, "%s is down: ip link set %s up", l->name,
				l->name);
	return 0;
}

int xdp_link_promiscuous(struct xdp_link *l, char *error)
{
	struct packet_mreq m = { .mr_ifindex = (int)l->index, .mr_type = PACKET_MR_PROMISC };

	/* of no protocol: it gets no packets. The kernel ends it with the socket */
	l->promiscuous = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (l->promiscuous >= 0 &&
	    !setsockopt(l->promiscuous, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m))
		return 0;
	if (errno == EPERM)
		return xdp_fail(error, -EPERM,
				"promiscuous mode of %s, and AF_XDP sockets, need CAP_NET_RAW: "
				"run this as root",
				l->name);
	return xdp_fail(error, -errno, "can't put %s into promiscuous mode: %s", l->name,
			strerror(errno));
}

/* ---- what becomes of it ------------------------------------------------------------------ */

/* An event: is it that the interface is in another namespace now? */
static void note_event(struct xdp_link *l, const char *message, size_t n)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)message;

	for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		const struct ifinfomsg *info = NLMSG_DATA(h);

		if (h->nlmsg_type == RTM_DELLINK && (unsigned)info->ifi_index == l->index)
			l->moved = attribute(h, sizeof *info, IFLA_NEW_NETNSID, 4) ||
				   attribute(h, sizeof *info, IFLA_NEW_IFINDEX, 4);
	}
}

/* True if some interface has changed. That some events were lost doesn't matter: look. */
static bool events(struct xdp_link *l)
{
	char message[ANSWER];
	bool changed = false;
	ssize_t n;

	while ((n = recv(l->events, message, sizeof message, 0)) >= 0 || errno == ENOBUFS) {
		changed = true;
		if (n > 0)
			note_event(l, message, (size_t)n);
	}
	return changed;
}

static bool gone(struct xdp_link *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool gone(struct xdp_link *l, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(l->why, sizeof l->why, format, args);
	va_end(args);
	l->gone = true;
	return true;
}

/* False: it isn't here any more, or is down. */
static bool look_again(struct xdp_link *l, unsigned *changes)
{
	struct facts f;
	int ret = ask_facts(l, l->name, &f);

	if (ret == -ENODEV)
		events(l); /* the one that tells where it went may have come meanwhile */
	if (ret == -ENODEV)
		return !gone(l,
			     l->moved ? "%s has gone to another network namespace" :
					"%s has gone: it was deleted",
			     l->name);
	if (ret) /* no memory: the next look may tell */
		return true;
	if (!(f.flags & IFF_UP))
		return !gone(l, "%s has gone down: ip link set %s up, and begin again", f.name,
			     f.name);
	*changes |= strcmp(f.name, l->name) ? XDP_RENAMED : 0;
	*changes |= f.mtu != l->mtu ? XDP_MTU_CHANGED : 0;
	strcpy(l->name, f.name);
	__atomic_store_n(&l->mtu, f.mtu, __ATOMIC_RELAXED);
	__atomic_store_n(&l->carrier, !!(f.flags & LOWER_UP), __ATOMIC_RELAXED);
	return true;
}

/* False: somebody has taken it off. */
static bool is_attached(const struct xdp_link *l)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof info;

	return l->link < 0 || bpf_obj_get_info_by_fd(l->link, &info, &len) || info.xdp.ifindex;
}

/*
 * There are queues that didn't exist when the program was attached, and veth doesn't run it on
 * them. It does run a program that replaces the first one, which has to be a different one for
 * that.
 */
static void attach_again(struct xdp_link *l)
{
	int fd = l->link < 0 ? -1 : xdp_program_again(&l->program);

	if (fd < 0)
		return;
	if (bpf_link_update(l->link, fd, NULL)) {
		close(fd);
		return;
	}
	close(l->program.fd);
	l->program.fd = fd;
}

bool xdp_link_look(struct xdp_link *l, bool closely, unsigned *changes)
{
	unsigned n;

	*changes = 0;
	if (l->gone)
		return true;
	if (!events(l) && !closely)
		return false;
	if (!look_again(l, changes))
		return true;
	if (!closely)
		return false;
	n = count_queues(l);
	*changes |= n != l->n_queues ? XDP_QUEUES_CHANGED : 0;
	if (n > l->n_queues)
		attach_again(l);
	__atomic_store_n(&l->n_queues, n, __ATOMIC_RELAXED);
	if (is_attached(l))
		return false;
	/* the kernel takes it off an interface that goes, too: by then that can be seen */
	return !look_again(l, changes) ||
	       gone(l,
		    "the XDP program on %s has gone: somebody took it off, and no "
		    "packet comes any more",
		    l->name);
}

/* ---- the program ------------------------------------------------------------------------- */

static int attach_as(struct xdp_link *l, unsigned flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);

	l->link = bpf_link_create(l->program.fd, (int)l->index, BPF_XDP, &options);
	return l->link < 0 ? -errno : 0;
}

/* What another program, or another driver's mode, can't help. */
static bool is_final(int ret)
{
	return !ret || ret == -EPERM || ret == -EBUSY || ret == -EEXIST;
}

/*
 * The program that tells most, of those that the kernel loads: in the driver, or in the stack,
 * where one that is loaded for an interface can't be. Maybe with a sentence in error.
 */
static int attach_best(struct xdp_link *l, bool driver, char *error)
{
	static const struct {
		bool tags, sums, tai;
	} wishes[] = { { 1, 1, 1 }, { 1, 0, 1 }, { 0, 1, 1 }, { 0, 0, 1 }, { 0, 0, 0 } };
	int ret = -EOPNOTSUPP;

	for (unsigned i = 0; i < sizeof wishes / sizeof wishes[0] && !is_final(ret); i++) {
		struct xdp_program_wish w = { .bound_to = wishes[i].tags ? l->index : 0,
					      .veth = wishes[i].sums,
					      .tai = wishes[i].tai,
					      .pieces = l->pieces };

		if ((w.bound_to && !driver) || (w.veth && (!driver || !l->veth)))
			continue;
		ret = xdp_program_load(&l->program, &w, error);
		if (ret && *error)
			break;
		if (!ret)
			ret = attach_as(l, driver ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	}
	return ret;
}

static int attach(struct xdp_link *l, bool generic, char *error)
{
	int ret = generic ? -EOPNOTSUPP : attach_best(l, true, error);

	/* whatever the driver minds, the stack may not */
	l->generic = !*error && !is_final(ret);
	if (l->generic)
		ret = attach_best(l, false, error);
	if (!ret || *error)
		return ret;
	if (l->pieces && !is_final(ret))
		return xdp_fail(error, -EMSGSIZE,
				"%s has an MTU of %u, and this kernel has no XDP for packets of "
				"several frames: use a smaller MTU, or Linux 5.18",
				l->name, l->mtu);
	switch (ret) {
	case -EBUSY:
	case -EEXIST:
		return xdp_fail(error, ret,
				"another XDP program is on %s: end the program that put "
				"it there, or take it off (ip link set %s xdp off)",
				l->name, l->name);
	case -EPERM:
		return xdp_fail(error, ret,
				"an XDP program on %s needs CAP_NET_ADMIN: run "
				"this as root",
				l->name);
	default:
		return xdp_fail(error, ret, "can't attach an XDP program to %s: %s", l->name,
				strerror(-ret));
	}
}

int xdp_link_steer(struct xdp_link *l, unsigned queue, int socket)
{
	return bpf_map_update_elem(l->program.sockets, &queue, &socket, 0) ? -errno : 0;
}

void xdp_link_leave(struct xdp_link *l, unsigned queue)
{
	bpf_map_delete_elem(l->program.sockets,
			    &queue); /* that of a closed socket is gone already */
}

/* ---- open, close ------------------------------------------------------------------------- */

int xdp_link_open(struct xdp_link *l, const char *name, enum xdp_how how, unsigned mtu, char *error)
{
	int ret;

	*l = (struct xdp_link){ .program = { .fd = -1, .sockets = -1, .counts = -1 },
				.link = -1,
				.query = -1,
				.events = -1,
				.ask = -1,
				.promiscuous = -1 };
	pthread_mutex_init(&l->lock, NULL);
	ret = open_sockets(l, error); /* first: what changes from now on is seen */
	if (!ret)
		ret = look_first(l, name, error);
	l->pieces = l->mtu > mtu;
	if (!ret && how != XDP_NO_PROGRAM)
		ret = xdp_program_open(&l->program, XDP_QUEUES, error);
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
	struct facts f;

	if (l->index && !ask_facts(l, l->name, &f))
		xdp_features_put_back(&l->features, f.name);
	close_one(&l->link);
	xdp_program_close(&l->program);
	close_one(&l->promiscuous);
	close_one(&l->events);
	close_one(&l->ask);
	close_one(&l->query);
	pthread_mutex_destroy(&l->lock);
}
