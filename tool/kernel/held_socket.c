/*
 * held_socket.c - pages that sockets hold: in their queues, in connections that a listener hasn't
 * accepted, and in TCP sockets that no process has open.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "holding.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *protocol_name(uint64_t family, uint64_t type, uint64_t protocol, char *buf,
				 size_t size)
{
	bool inet = family == AF_INET || family == AF_INET6;

	if (inet && protocol == IPPROTO_TCP && type == SOCK_STREAM)
		snprintf(buf, size, "TCP");
	else if (inet && protocol == IPPROTO_UDP)
		snprintf(buf, size, "UDP");
	else if (inet)
		snprintf(buf, size, "IP %u", (unsigned)protocol & 0xffff);
	else if (family == AF_PACKET)
		snprintf(buf, size, "AF_PACKET");
	else if (family == AF_UNIX)
		snprintf(buf, size, "AF_UNIX");
	else if (family == AF_NETLINK)
		snprintf(buf, size, "AF_NETLINK");
	else
		snprintf(buf, size, "family %u", (unsigned)family & 0xff);
	return buf;
}

static void name_socket(struct held *h, struct holder *x)
{
	struct peek *p = h->scan->peek;
	kaddr_t sk = x->object;
	uint64_t family = member_at(p, sk, M_sk_family);
	uint16_t local = (uint16_t)member_at(p, sk, M_sk_num);
	uint16_t remote = ntohs((uint16_t)member_at(p, sk, M_sk_dport));
	uint8_t from[16], to[16];
	enum member s = family == AF_INET6 ? M_sk_v6_saddr : M_sk_saddr;
	enum member d = family == AF_INET6 ? M_sk_v6_daddr : M_sk_daddr;
	size_t size = family == AF_INET6 ? 16 : 4;

	protocol_name(family, member_at(p, sk, M_sk_type), member_at(p, sk, M_sk_protocol),
		      x->protocol, sizeof x->protocol);
	x->net = scan_net_at(h->scan, member_at(p, sk, M_sk_net));
	if ((family != AF_INET && family != AF_INET6) || !has(p, s) || !has(p, d))
		return;
	peek_read(p, sk + offset_of(p, s), from, size);
	peek_read(p, sk + offset_of(p, d), to, size);
	held_name_address(x->local, sizeof x->local, (int)family, from, local);
	if (remote)
		held_name_address(x->remote, sizeof x->remote, (int)family, to, remote);
}

/* ---- sockets ------------------------------------------------------------------------------- */

/* No stamp: what came last came then, so the oldest is at least as old. */
static void date_tcp(struct held *h, kaddr_t sk, uint32_t holder)
{
	struct peek *p = h->scan->peek;
	uint32_t last = (uint32_t)member_at(p, sk, M_icsk_lrcvtime);
	double age = (double)(int32_t)((uint32_t)peek_jiffies(p) - last) / peek_hz(p);

	for (size_t i = 0; i < h->n_holdings; i++) {
		struct holding *x = &h->holding[i];

		if (x->holder == holder && last && age > x->age_s &&
		    (x->place == PLACE_RECEIVE || x->place == PLACE_OUT_OF_ORDER) && x->at_least)
			x->age_s = age;
	}
}

static void look_at_socket(struct held *h, struct walk *w, uint32_t holder)
{
	struct peek *p = h->scan->peek;
	kaddr_t sk = h->holder[holder].object;
	uint64_t family = member_at(p, sk, M_sk_family), protocol = member_at(p, sk, M_sk_protocol);
	uint64_t type = member_at(p, sk, M_sk_type);
	bool inet = family == AF_INET || family == AF_INET6;

	held_look(h, w, holder, PLACE_RECEIVE, walk_queue, sk + offset_of(p, M_sk_receive));
	held_look(h, w, holder, PLACE_ERROR, walk_queue, sk + offset_of(p, M_sk_error));
	held_look(h, w, holder, PLACE_SEND, walk_queue, sk + offset_of(p, M_sk_write));
	held_look(h, w, holder, PLACE_BACKLOG, walk_chain_at, sk + offset_of(p, M_sk_backlog));
	if (inet && protocol == IPPROTO_UDP && has(p, M_udp_reader))
		held_look(h, w, holder, PLACE_RECEIVE, walk_queue, sk + offset_of(p, M_udp_reader));
	if (!inet || protocol != IPPROTO_TCP || type != SOCK_STREAM)
		return;
	held_look(h, w, holder, PLACE_OUT_OF_ORDER, walk_tree_at, sk + offset_of(p, M_tcp_ooo));
	held_look(h, w, holder, PLACE_SEND, walk_tree_at, sk + offset_of(p, M_sk_rtx));
	date_tcp(h, sk, holder);
}

static void add_socket(struct held *h, struct walk *w, kaddr_t sk, struct owners owners, bool waits)
{
	uint32_t any = 0;
	int64_t holder;

	if (!sk || seen_add(&h->objects, sk, &any) != 1)
		return;
	holder = held_add(h, HOLDER_SOCKET, sk);
	if (holder < 0)
		return;
	h->holder[holder].first_owner = owners.first;
	h->holder[holder].n_owners = owners.n;
	h->holder[holder].waits_for_accept = waits;
	look_at_socket(h, w, (uint32_t)holder);
	if (h->n_holdings && h->holding[h->n_holdings - 1].holder == holder)
		name_socket(h, &h->holder[holder]);
	held_drop_empty(h, holder);
}

#define TCP_LISTEN 10
#define ACCEPT_MAX 65536

/* Connections that the listener's process hasn't taken yet are nobody's else. */
static void look_at_listener(struct held *h, struct walk *w, kaddr_t sk, struct owners owners)
{
	struct peek *p = h->scan->peek;
	kaddr_t request = member_at(p, sk, M_icsk_accept);

	for (unsigned i = 0; request && i < ACCEPT_MAX; i++) {
		add_socket(h, w, member_at(p, request, M_req_sk), owners, true);
		request = member_at(p, request, M_req_next);
	}
}

void held_socket_file(struct held *h, struct walk *w, kaddr_t socket, struct owners owners)
{
	struct peek *p = h->scan->peek;
	kaddr_t sk = member_at(p, socket, M_socket_sk);
	uint64_t family = member_at(p, sk, M_sk_family);

	if (!sk || member_at(p, sk, M_sk_socket) != socket)
		return; /* closed meanwhile */
	add_socket(h, w, sk, owners, false);
	if ((family == AF_INET || family == AF_INET6) &&
	    member_at(p, sk, M_sk_type) == SOCK_STREAM &&
	    member_at(p, sk, M_sk_protocol) == IPPROTO_TCP &&
	    member_at(p, sk, M_sk_state) == TCP_LISTEN)
		look_at_listener(h, w, sk, owners);
}

/* ---- TCP sockets that no process has open -------------------------------------------------- */

/* A way into a network namespace: by its name, or through a process that is in it. */
static int open_net(const struct net *net)
{
	char path[300];
	DIR *proc;
	struct dirent *e;
	struct stat st;
	int fd = -1;

	snprintf(path, sizeof path, "/run/netns/%s", net->name);
	if (!strchr(net->name, '[') && *net->name)
		return open(path, O_RDONLY | O_CLOEXEC);
	proc = opendir("/proc");
	while (proc && fd < 0 && (e = readdir(proc))) {
		snprintf(path, sizeof path, "/proc/%s/ns/net", e->d_name);
		if (!stat(path, &st) && st.st_ino == net->inode)
			fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (proc)
		closedir(proc);
	return fd;
}

void held_alone(struct held *h, struct walk *w)
{
	struct files files = { .n = 0 };
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; home >= 0 && i < h->scan->n_nets; i++) {
		int fd = open_net(&h->scan->net[i]);

		if (fd >= 0 && !setns(fd, CLONE_NEWNET)) {
			peek_list(h->scan->peek, PEEK_TCP, files_note, &files);
			if (setns(home, CLONE_NEWNET))
				abort(); /* our own namespace can't be refused, and all later work
					    is in it */
		}
		if (fd >= 0)
			close(fd);
	}
	if (home >= 0)
		close(home);
	for (size_t i = 0; i < files.n; i++)
		add_socket(h, w, files.file[i].object, (struct owners){ 0, 0 }, false);
	free(files.file);
}
