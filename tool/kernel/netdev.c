/*
 * netdev.c - the kernel's own list of its page pools: the generic netlink family "netdev", through
 * libmnl.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "netdev.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct list {
	struct netdev_pool *pool;
	size_t n;
	int error;
};

struct talk {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t sequence;
};

static int keep(const struct nlattr *attr, void *ctx)
{
	const struct nlattr **table = ctx;
	uint16_t type = mnl_attr_get_type(attr);

	if (type < 32)
		table[type] = attr;
	return MNL_CB_OK;
}

/* The kernel's "uint": 4 bytes, or 8 where they are needed. */
static uint64_t number(const struct nlattr *attr)
{
	if (!attr)
		return 0;
	if (mnl_attr_get_payload_len(attr) >= 8)
		return mnl_attr_get_u64(attr);
	return mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : 0;
}

static int family_is(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *attr[32] = { NULL };

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), keep, attr);
	if (attr[CTRL_ATTR_FAMILY_ID])
		*(uint16_t *)ctx = mnl_attr_get_u16(attr[CTRL_ATTR_FAMILY_ID]);
	return MNL_CB_OK;
}

static int pool_is(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *attr[32] = { NULL };
	struct list *l = ctx;
	struct netdev_pool *grown, *p;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), keep, attr);
	if (!attr[NETDEV_POOL_ID])
		return MNL_CB_OK;
	grown = realloc(l->pool, (l->n + 1) * sizeof *l->pool);
	if (!grown) {
		l->error = -ENOMEM;
		return MNL_CB_ERROR;
	}
	l->pool = grown;
	p = &l->pool[l->n++];
	memset(p, 0, sizeof *p);
	p->id = number(attr[NETDEV_POOL_ID]);
	p->ifindex = (uint32_t)number(attr[NETDEV_POOL_IFINDEX]);
	p->napi = number(attr[NETDEV_POOL_NAPI_ID]);
	p->in_flight = number(attr[NETDEV_POOL_INFLIGHT]);
	p->bytes = number(attr[NETDEV_POOL_INFLIGHT_MEM]);
	p->detach_time = number(attr[NETDEV_POOL_DETACH_TIME]);
	return MNL_CB_OK;
}

static int stats_are(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *attr[32] = { NULL }, *info[32] = { NULL };
	struct list *l = ctx;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), keep, attr);
	if (!attr[NETDEV_POOL_STATS_INFO])
		return MNL_CB_OK;
	mnl_attr_parse_nested(attr[NETDEV_POOL_STATS_INFO], keep, info);
	for (size_t i = 0; i < l->n; i++) {
		struct netdev_pool *p = &l->pool[i];

		if (p->id != number(info[NETDEV_POOL_ID]))
			continue;
		p->has_stats = true;
		for (int s = 0; s < NETDEV_STATS; s++)
			p->stats[s] = number(attr[NETDEV_POOL_STATS_FIRST + s]);
	}
	return MNL_CB_OK;
}

/* Ask, and give each message of the answer to fn. 0 or a negative errno. */
static int ask(struct talk *t, struct nlmsghdr *nlh, mnl_cb_t fn, void *ctx)
{
	char buf[32768];
	unsigned port = mnl_socket_get_portid(t->socket);
	int ret = MNL_CB_OK;

	nlh->nlmsg_seq = ++t->sequence;
	if (mnl_socket_sendto(t->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (ret > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(t->socket, buf, sizeof buf);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, (size_t)n, t->sequence, port, fn, ctx);
	}
	return ret < 0 ? -errno : 0;
}

static struct nlmsghdr *request(char *buf, uint16_t family, uint8_t command, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof *genl);

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	genl->cmd = command;
	genl->version = 1;
	return nlh;
}

static int talk_open(struct talk *t)
{
	char buf[MNL_ATTR_HDRLEN + 256];
	struct nlmsghdr *nlh;

	t->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!t->socket)
		return -errno;
	if (mnl_socket_bind(t->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	t->sequence = (uint32_t)time(NULL);
	nlh = request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, "netdev");
	return ask(t, nlh, family_is, &t->family);
}

static int refuse(int ret, char error[NETDEV_ERROR])
{
	if (ret == -ENOENT || ret == -EOPNOTSUPP) {
		snprintf(error, NETDEV_ERROR,
			 "this kernel doesn't list its page pools "
			 "(Linux 6.8 and newer do)");
		return -EOPNOTSUPP;
	}
	snprintf(error, NETDEV_ERROR, "the kernel can't be asked for its page pools: %s",
		 strerror(-ret));
	return ret;
}

int netdev_pools(struct netdev_pool **pools, size_t *n, bool *stats_missing,
		 char error[NETDEV_ERROR])
{
	struct talk t = { .socket = NULL };
	struct list l = { .n = 0 };
	char buf[256];
	int ret = talk_open(&t);

	*pools = NULL;
	*n = 0;
	if (!ret)
		ret = ask(&t, request(buf, t.family, NETDEV_POOL_GET, NLM_F_DUMP), pool_is, &l);
	if (!ret && l.error)
		ret = l.error;
	if (!ret)
		*stats_missing = ask(&t, request(buf, t.family, NETDEV_POOL_STATS_GET, NLM_F_DUMP),
				     stats_are, &l);
	if (t.socket)
		mnl_socket_close(t.socket);
	if (ret) {
		free(l.pool);
		return refuse(ret, error);
	}
	*pools = l.pool;
	*n = l.n;
	return 0;
}
