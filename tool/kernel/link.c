/*
 * link.c - sets a network interface down, and up again as it was, through rtnetlink (libmnl).
 *
 * What the kernel drops when an interface goes down is kept in the form of the messages in which it
 * was reported: they are sent back as requests to create it again.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ATTRS 64

struct keep {
	struct link_state *link;
	int error;
};

int link_is_up(const struct link_state *l)
{
	struct ifreq r = { .ifr_flags = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	memcpy(r.ifr_name, l->name, sizeof r.ifr_name);
	ret = ioctl(fd, SIOCGIFFLAGS, &r) ? -errno : !!(r.ifr_flags & IFF_UP);
	close(fd);
	return ret;
}

/* ---- talking to the kernel ----------------------------------------------------------------- */

/* Send, and give each message of the answer to fn. 0 or a negative errno. */
static int ask(struct nlmsghdr *request, mnl_cb_t fn, void *ctx)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buf[32768];
	int ret = MNL_CB_OK;

	if (!s)
		return -errno;
	request->nlmsg_seq = 1;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(s, request, request->nlmsg_len) < 0)
		ret = MNL_CB_ERROR;
	while (ret > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(s, buf, sizeof buf);

		if (n < 0 && errno == EINTR)
			continue;
		ret = n < 0 ? MNL_CB_ERROR :
			      mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(s), fn, ctx);
	}
	ret = ret < 0 ? -errno : 0;
	mnl_socket_close(s);
	return ret;
}

/* Only the flag IFF_UP. */
static int set_up(const struct link_state *l, bool up)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info->ifi_index = (int)l->index;
	info->ifi_change = IFF_UP;
	info->ifi_flags = up ? IFF_UP : 0;
	return ask(nlh, NULL, NULL);
}

/* ---- what the kernel will forget ------------------------------------------------------------- */

static int note_attr(const struct nlattr *attr, void *ctx)
{
	const struct nlattr **table = ctx;

	if (mnl_attr_get_type(attr) < ATTRS)
		table[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* True if one of a route's several next hops is over the interface. The hops' state is cleared. */
static bool hops_over(struct nlattr *multipath, unsigned index)
{
	struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);
	bool found = false;

	for (; left >= (int)sizeof *hop && hop->rtnh_len >= sizeof *hop && hop->rtnh_len <= left;
	     left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		found |= hop->rtnh_ifindex == (int)index;
		hop->rtnh_flags &= RTNH_F_ONLINK;
	}
	return found;
}

/* Those that the kernel makes itself, or hears from a router, come again by themselves. */
static bool keep_route(const struct nlmsghdr *nlh, unsigned index)
{
	struct rtmsg *r = mnl_nlmsg_get_payload(nlh);
	struct nlattr *attr[ATTRS] = { NULL };

	if (r->rtm_protocol == RTPROT_KERNEL || r->rtm_protocol == RTPROT_RA ||
	    r->rtm_protocol == RTPROT_REDIRECT || r->rtm_flags & RTM_F_CLONED)
		return false;
	mnl_attr_parse(nlh, sizeof *r, note_attr, attr);
	r->rtm_flags &= RTNH_F_ONLINK;
	if (attr[RTA_MULTIPATH])
		return hops_over(attr[RTA_MULTIPATH], index);
	return attr[RTA_OIF] && mnl_attr_get_u32(attr[RTA_OIF]) == index;
}

static bool keep_neighbour(const struct nlmsghdr *nlh, unsigned index)
{
	const struct ndmsg *n = mnl_nlmsg_get_payload(nlh);

	return n->ndm_ifindex == (int)index && n->ndm_state & NUD_PERMANENT &&
	       (n->ndm_family == AF_INET || n->ndm_family == AF_INET6);
}

/* IPv4 addresses stay. */
static bool keep_address(const struct nlmsghdr *nlh, unsigned index)
{
	const struct ifaddrmsg *a = mnl_nlmsg_get_payload(nlh);

	return a->ifa_index == index && a->ifa_family == AF_INET6;
}

static int keep_message(const struct nlmsghdr *nlh, void *ctx)
{
	struct keep *k = ctx;
	struct link_state *l = k->link;
	size_t len = MNL_ALIGN(nlh->nlmsg_len);
	char *grown;

	if (nlh->nlmsg_type == RTM_NEWROUTE ? !keep_route(nlh, l->index) :
	    nlh->nlmsg_type == RTM_NEWNEIGH ? !keep_neighbour(nlh, l->index) :
					      !keep_address(nlh, l->index))
		return MNL_CB_OK;
	grown = realloc(l->saved, l->len + len);
	if (!grown) {
		k->error = -ENOMEM;
		return MNL_CB_OK;
	}
	l->saved = grown;
	memset(grown + l->len, 0, len);
	memcpy(grown + l->len, nlh, nlh->nlmsg_len);
	l->len += len;
	return MNL_CB_OK;
}

static int save(struct link_state *l, uint16_t type, uint8_t family, size_t header)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct keep k = { .link = l };
	int ret;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* each kind's header begins with the family */
	*(uint8_t *)mnl_nlmsg_put_extra_header(nlh, header) = family;
	ret = ask(nlh, keep_message, &k);
	return ret ? ret : k.error;
}

/* In the order in which they can be made again. */
static int save_all(struct link_state *l)
{
	int ret = save(l, RTM_GETADDR, AF_INET6, sizeof(struct ifaddrmsg));

	if (!ret || ret == -EAFNOSUPPORT)
		ret = save(l, RTM_GETNEIGH, AF_UNSPEC, sizeof(struct ndmsg));
	if (!ret)
		ret = save(l, RTM_GETROUTE, AF_INET, sizeof(struct rtmsg));
	if (!ret)
		ret = save(l, RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg));
	return ret == -EAFNOSUPPORT ? 0 : ret;
}

/* ---- down, and up again -------------------------------------------------------------------- */

int link_down(struct link_state *l)
{
	int ret = save_all(l);

	if (!ret)
		ret = set_up(l, false);
	if (ret)
		link_forget(l);
	l->down_by_us = !ret;
	return ret;
}

/* Those that the kernel doesn't take. A route may need one that comes behind it. */
static unsigned send_back(const struct link_state *l)
{
	unsigned refused = 0;

	for (size_t at = 0; at < l->len;) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)(void *)(l->saved + at);
		int ret;

		at += MNL_ALIGN(nlh->nlmsg_len);
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE |
				   (nlh->nlmsg_type == RTM_NEWROUTE ? NLM_F_APPEND : 0);
		nlh->nlmsg_pid = 0;
		ret = ask(nlh, NULL, NULL);
		refused += ret && ret != -EEXIST;
	}
	return refused;
}

int link_restore(struct link_state *l, unsigned *lost)
{
	int ret = set_up(l, true);

	*lost = 0;
	if (ret)
		return ret;
	if (send_back(l))
		*lost = send_back(l);
	link_forget(l);
	l->down_by_us = false;
	return 0;
}

void link_forget(struct link_state *l)
{
	free(l->saved);
	l->saved = NULL;
	l->len = 0;
}
