/*
 * held.c - who holds the pages of the kernel's page pools: goes through all that may have
 * some, and counts each page once.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "held.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 4 /* for a queue that changes while it is read */

const char *place_name(enum place place)
{
	static const char *const names[] = {
#define X(id, text) text,
		PLACES(X)
#undef X
	};

	return names[place];
}

/* ---- addresses to numbers ---------------------------------------------------------------------
 */

static size_t slot_of(const struct seen *s, kaddr_t key)
{
	size_t i = (size_t)(key * 0x9E3779B97F4A7C15ull >> 20) & (s->size - 1);

	while (s->slot[i].key && s->slot[i].key != key)
		i = (i + 1) & (s->size - 1);
	return i;
}

static bool seen_grow(struct seen *s)
{
	struct seen bigger = { .size = s->size ? s->size * 2 : 1024, .used = s->used };

	bigger.slot = calloc(bigger.size, sizeof *bigger.slot);
	if (!bigger.slot)
		return false;
	for (size_t i = 0; i < s->size; i++)
		if (s->slot[i].key)
			bigger.slot[slot_of(&bigger, s->slot[i].key)] = s->slot[i];
	free(s->slot);
	*s = bigger;
	return true;
}

int seen_add(struct seen *s, kaddr_t key, uint32_t *value)
{
	size_t i;

	if (s->used * 2 >= s->size && !seen_grow(s))
		return -ENOMEM;
	i = slot_of(s, key);
	if (s->slot[i].key) {
		*value = s->slot[i].value;
		return 0;
	}
	s->slot[i] = (struct seen_slot){ key, *value };
	s->used++;
	return 1;
}

/* ---- counting -----------------------------------------------------------------------------------
 */

static struct holding *holding_of(struct held *h, uint32_t holder, int pool, enum place place)
{
	struct holding *x;

	for (size_t i = h->n_holdings; i > 0; i--) {
		x = &h->holding[i - 1];
		if (x->holder != holder)
			break;
		if (x->pool == pool && x->place == place)
			return x;
	}
	x = grow(&h->holding, &h->n_holdings, sizeof *x);
	if (!x) {
		h->error = -ENOMEM;
		return NULL;
	}
	*x = (struct holding){ .holder = holder, .pool = pool, .place = place, .age_s = -1 };
	return x;
}

static void count(struct held *h, uint32_t holder, enum place place, const struct found *f)
{
	int pool = scan_pool_at(h->scan, f->pool);
	struct holding *x = pool >= 0 ? holding_of(h, holder, pool, place) : NULL;
	uint32_t mine, whose;
	int new;

	if (!x)
		return;
	mine = whose = (uint32_t)(x - h->holding);
	new = seen_add(&h->pages, f->page, &whose);
	if (new < 0)
		h->error = new;
	x->pages += new == 1;
	x->shared += whose != mine;
	if (f->age_s < 0)
		x->at_least = true;
	if (f->age_s > x->age_s)
		x->age_s = f->age_s;
}

/* What a walk found is this holder's. */
static void settle(struct held *h, struct walk *w, uint32_t holder, enum place place)
{
	for (size_t i = 0; i < w->n; i++)
		count(h, holder, place, &w->found[i]);
	h->moving += w->stale;
	h->cut += w->cut;
}

typedef void walk_fn(struct walk *w, kaddr_t from);

static void tree(struct walk *w, kaddr_t root)
{
	kaddr_t node = 0;

	peek_read(w->held->scan->peek, root, &node, sizeof node);
	walk_tree(w, node, false);
}

static void chain(struct walk *w, kaddr_t place)
{
	kaddr_t first = 0;

	peek_read(w->held->scan->peek, place, &first, sizeof first);
	walk_chain(w, first);
}

/* Walk until nothing has changed meanwhile, a few times at most. */
static void look(struct held *h, struct walk *w, uint32_t holder, enum place place, walk_fn *fn,
		 kaddr_t from)
{
	for (int try = 0; try < TRIES; try++) {
		walk_reset(w);
		fn(w, from);
		if (!w->stale)
			break;
	}
	settle(h, w, holder, place);
}

/* ---- holders ------------------------------------------------------------------------------------
 */

static int64_t add_holder(struct held *h, enum holder_kind kind, kaddr_t object)
{
	struct holder *x = grow(&h->holder, &h->n_holders, sizeof *x);

	if (!x) {
		h->error = -ENOMEM;
		return -1;
	}
	x->kind = kind;
	x->object = object;
	x->net = -1;
	return (int64_t)h->n_holders - 1;
}

/* A holder that turned out to hold nothing is not kept. */
static void drop_empty(struct held *h, int64_t holder)
{
	if (holder == (int64_t)h->n_holders - 1 &&
	    (!h->n_holdings || h->holding[h->n_holdings - 1].holder != holder))
		h->n_holders--;
}

static void name_address(char *to, size_t size, int family, const void *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(family, address, text, sizeof text);
	if (port)
		snprintf(to, size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
	else
		snprintf(to, size, "%s", text);
}

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
	name_address(x->local, sizeof x->local, (int)family, from, local);
	if (remote)
		name_address(x->remote, sizeof x->remote, (int)family, to, remote);
}

/* ---- sockets ------------------------------------------------------------------------------------
 */

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

	look(h, w, holder, PLACE_RECEIVE, walk_queue, sk + offset_of(p, M_sk_receive));
	look(h, w, holder, PLACE_ERROR, walk_queue, sk + offset_of(p, M_sk_error));
	look(h, w, holder, PLACE_SEND, walk_queue, sk + offset_of(p, M_sk_write));
	look(h, w, holder, PLACE_BACKLOG, chain, sk + offset_of(p, M_sk_backlog));
	if (inet && protocol == IPPROTO_UDP && has(p, M_udp_reader))
		look(h, w, holder, PLACE_RECEIVE, walk_queue, sk + offset_of(p, M_udp_reader));
	if (!inet || protocol != IPPROTO_TCP || type != SOCK_STREAM)
		return;
	look(h, w, holder, PLACE_OUT_OF_ORDER, tree, sk + offset_of(p, M_tcp_ooo));
	look(h, w, holder, PLACE_SEND, tree, sk + offset_of(p, M_sk_rtx));
	date_tcp(h, sk, holder);
}

struct owners {
	size_t first, n;
};

static void add_socket(struct held *h, struct walk *w, kaddr_t sk, struct owners owners, bool waits)
{
	uint32_t any = 0;
	int64_t holder;

	if (!sk || seen_add(&h->objects, sk, &any) != 1)
		return;
	holder = add_holder(h, HOLDER_SOCKET, sk);
	if (holder < 0)
		return;
	h->holder[holder].first_owner = owners.first;
	h->holder[holder].n_owners = owners.n;
	h->holder[holder].waits_for_accept = waits;
	look_at_socket(h, w, (uint32_t)holder);
	if (h->n_holdings && h->holding[h->n_holdings - 1].holder == holder)
		name_socket(h, &h->holder[holder]);
	drop_empty(h, holder);
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

static void look_at_socket_file(struct held *h, struct walk *w, kaddr_t socket,
				struct owners owners)
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

/* ---- pipes, tun ---------------------------------------------------------------------------------
 */

#define PIPE_MAX (1u << 20)

static void walk_pipe(struct walk *w, kaddr_t pipe)
{
	struct peek *p = w->held->scan->peek;
	uint64_t head = member_at(p, pipe, M_pipe_head), tail = member_at(p, pipe, M_pipe_tail);
	uint64_t size = member_at(p, pipe, M_pipe_ring), mask = size - 1;
	kaddr_t bufs = member_at(p, pipe, M_pipe_bufs);

	if (!size || size > PIPE_MAX || size & mask)
		return;
	w->stale = ((uint32_t)(head - tail)) > size;
	for (; !w->stale && (uint32_t)tail != (uint32_t)head; tail++)
		walk_page(w, member_at(p, bufs + (tail & mask) * size_of(p, T_pipe_buffer),
				       M_pipe_buf_page));
	w->stale |= member_at(p, pipe, M_pipe_head) != head;
}

/* ---- rings
 * --------------------------------------------------------------------------------------- */

#define RING_MAX (1u << 20)
#define RING_PIECE 512

struct ring {
	kaddr_t at; /* of what has it */
	enum member size, head, tail, queue;
};

/* A ring of pointers (ptr_ring). What lies from tail to head was taken, and is cleared later. */
static void walk_ring(struct walk *w, const struct ring *r, walk_fn *fn)
{
	struct peek *p = w->held->scan->peek;
	uint64_t size = member_at(p, r->at, r->size), head = member_at(p, r->at, r->head);
	uint64_t tail = member_at(p, r->at, r->tail);
	kaddr_t queue = member_at(p, r->at, r->queue), piece[RING_PIECE];

	for (uint64_t i = 0; queue >> 63 && i < size && i < RING_MAX; i += RING_PIECE) {
		uint64_t n = size - i < RING_PIECE ? size - i : RING_PIECE;

		if (!peek_read(p, queue + 8 * i, piece, n * 8))
			break;
		for (uint64_t j = 0; j < n; j++)
			if (piece[j] && (i + j < tail || i + j >= head))
				fn(w, piece[j]);
	}
	w->stale |= member_at(p, r->at, r->head) != head;
}

#define TUN_XDP_FRAME 1u

/* What has the lowest bit is an XDP frame, at the head of its page. */
static void walk_tun_entry(struct walk *w, kaddr_t entry)
{
	if (entry & TUN_XDP_FRAME)
		walk_address(w, entry & ~(kaddr_t)TUN_XDP_FRAME);
	else
		walk_one(w, entry);
}

static void walk_tun(struct walk *w, kaddr_t tun)
{
	const struct ring ring = { tun, M_tun_ring_size, M_tun_ring_head, M_tun_ring_tail,
				   M_tun_ring_queue };

	if (has(w->held->scan->peek, M_tun_ring_queue))
		walk_ring(w, &ring, walk_tun_entry);
}

static void look_at_other_file(struct held *h, struct walk *w, uint32_t kind, kaddr_t object,
			       struct owners owners)
{
	bool pipe = kind == PEEK_PIPE;
	int64_t holder = add_holder(h, pipe ? HOLDER_PIPE : HOLDER_TUN, object);

	if (holder < 0)
		return;
	h->holder[holder].first_owner = owners.first;
	h->holder[holder].n_owners = owners.n;
	look(h, w, (uint32_t)holder, pipe ? PLACE_PIPE : PLACE_TUN, pipe ? walk_pipe : walk_tun,
	     object);
	drop_empty(h, holder);
}

/* ---- files --------------------------------------------------------------------------------------
 */

struct files {
	struct peek_file *file;
	size_t n;
	bool no_memory;
};

static void note_file(const struct peek_file *file, void *ctx)
{
	struct files *f = ctx;
	struct peek_file *new = grow(&f->file, &f->n, sizeof *new);

	if (new)
		*new = *file;
	else
		f->no_memory = true;
}

static int by_object(const void *a, const void *b)
{
	const struct peek_file *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->fd > y->fd) - (x->fd < y->fd);
}

static bool add_owner(struct held *h, const struct peek_file *f)
{
	struct owner *o = grow(&h->owner, &h->n_owners, sizeof *o);

	if (!o)
		return false;
	o->pid = f->pid;
	o->fd = f->fd;
	snprintf(o->comm, sizeof o->comm, "%.16s", f->comm);
	for (char *c = o->comm; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return true;
}

static int look_at_files(struct held *h, struct walk *w)
{
	struct files files = { .n = 0 };
	int ret = peek_list(h->scan->peek, PEEK_FILES, note_file, &files);

	if (files.n)
		qsort(files.file, files.n, sizeof *files.file, by_object);
	for (size_t i = 0, next; !ret && i < files.n; i = next) {
		const struct peek_file *f = &files.file[i];
		struct owners owners = { h->n_owners, 0 };

		for (next = i; next < files.n && files.file[next].object == f->object; next++)
			if (add_owner(h, &files.file[next]))
				owners.n++;
		if (f->kind == PEEK_SOCKET)
			look_at_socket_file(h, w, f->object, owners);
		else
			look_at_other_file(h, w, f->kind, f->object, owners);
	}
	if (files.no_memory)
		h->error = -ENOMEM;
	free(files.file);
	return ret;
}

/* ---- TCP sockets that no process has open
 * --------------------------------------------------------- */

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

static void look_at_alone(struct held *h, struct walk *w)
{
	struct files files = { .n = 0 };
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; home >= 0 && i < h->scan->n_nets; i++) {
		int fd = open_net(&h->scan->net[i]);

		if (fd >= 0 && !setns(fd, CLONE_NEWNET)) {
			peek_list(h->scan->peek, PEEK_TCP, note_file, &files);
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

/* ---- IP fragments -------------------------------------------------------------------------------
 */

static void runs(struct walk *w, kaddr_t root)
{
	kaddr_t node = 0;

	peek_read(w->held->scan->peek, root, &node, sizeof node);
	walk_tree(w, node, true);
}

/* The queue's timer was set when its first fragment came. */
static void date_fragments(struct held *h, kaddr_t dir, kaddr_t queue, int64_t holder)
{
	struct peek *p = h->scan->peek;
	uint64_t expires = member_at(p, queue, M_fq_expires);
	double age = (double)(int32_t)member_at(p, dir, M_fqdir_timeout) / peek_hz(p) +
		     scan_jiffies_ago(h->scan, expires);

	for (size_t i = 0; i < h->n_holdings; i++)
		if (h->holding[i].holder == holder && age >= 0) {
			h->holding[i].age_s = age;
			h->holding[i].at_least = false;
		}
}

static void look_at_fragments(struct held *h, struct walk *w, unsigned net, enum member which)
{
	struct peek *p = h->scan->peek;
	kaddr_t dir = member_at(p, h->scan->net[net].address, which), node;
	bool v6 = which == M_net_ipv6_fqdir;
	uint8_t from[16], to[16];
	struct hash_walk walk;

	if (!dir)
		return;
	hash_begin(&walk, p, dir + offset_of(p, M_fqdir_table));
	while ((node = hash_next(&walk))) {
		kaddr_t queue = node - offset_of(p, M_fq_node);
		int64_t holder = add_holder(h, HOLDER_FRAGMENTS, queue);
		struct holder *x = holder < 0 ? NULL : &h->holder[holder];

		if (!x)
			return;
		x->net = (int)net;
		snprintf(x->protocol, sizeof x->protocol, v6 ? "IPv6" : "IPv4");
		peek_read(p, queue + offset_of(p, v6 ? M_fq_v6_saddr : M_fq_v4_saddr), from,
			  v6 ? 16 : 4);
		peek_read(p, queue + offset_of(p, v6 ? M_fq_v6_daddr : M_fq_v4_daddr), to,
			  v6 ? 16 : 4);
		name_address(x->remote, sizeof x->remote, v6 ? AF_INET6 : AF_INET, from, 0);
		name_address(x->local, sizeof x->local, v6 ? AF_INET6 : AF_INET, to, 0);
		look(h, w, (uint32_t)holder, PLACE_FRAGMENTS, runs,
		     queue + offset_of(p, M_fq_tree));
		date_fragments(h, dir, queue, holder);
		drop_empty(h, holder);
	}
}

/* ---- the CPUs -----------------------------------------------------------------------------------
 */

/* Linux 6.18 keeps what is to be freed by node of memory, linked by the packet's first member. */
static void look_at_defer_nodes(struct held *h, struct walk *w, uint32_t holder, kaddr_t base)
{
	struct peek *p = h->scan->peek;
	kaddr_t nodes = peek_symbol(p, "net_hotdata");
	unsigned n_nodes = 0;
	char path[64];

	nodes = nodes ? member_at(p, nodes, M_hot_defer_nodes) : 0;
	do {
		snprintf(path, sizeof path, "/sys/devices/system/node/node%u", ++n_nodes);
	} while (!access(path, F_OK));
	for (unsigned i = 0; nodes && i < n_nodes; i++)
		look(h, w, holder, PLACE_DEFERRED, chain,
		     nodes + base + i * size_of(p, T_skb_defer_node) +
			     offset_of(p, M_defer_node_list));
}

static void look_at_cpu(struct held *h, struct walk *w, unsigned cpu, kaddr_t softnet, kaddr_t base)
{
	struct peek *p = h->scan->peek;
	int64_t holder = add_holder(h, HOLDER_CPU, softnet);

	if (holder < 0)
		return;
	h->holder[holder].cpu = cpu;
	if (has(p, M_sd_defer))
		look(h, w, (uint32_t)holder, PLACE_DEFERRED, chain,
		     softnet + offset_of(p, M_sd_defer));
	if (has(p, M_hot_defer_nodes))
		look_at_defer_nodes(h, w, (uint32_t)holder, base);
	look(h, w, (uint32_t)holder, PLACE_INPUT, walk_queue, softnet + offset_of(p, M_sd_input));
	look(h, w, (uint32_t)holder, PLACE_INPUT, walk_queue, softnet + offset_of(p, M_sd_process));
	drop_empty(h, holder);
}

static void look_at_cpus(struct held *h, struct walk *w)
{
	struct peek *p = h->scan->peek;
	kaddr_t softnet = peek_symbol(p, "softnet_data"),
		bases = peek_symbol(p, "__per_cpu_offset"), base;
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	h->no_cpus = !softnet || !bases;
	for (long cpu = 0; !h->no_cpus && cpu < cpus; cpu++)
		if (peek_read(p, bases + 8 * (unsigned long)cpu, &base, sizeof base))
			look_at_cpu(h, w, (unsigned)cpu, softnet + base, base);
}

/* ---- the pools themselves
 * ------------------------------------------------------------------------ */

#define CACHE_MAX 1024

static void walk_pool(struct walk *w, kaddr_t pool)
{
	const struct ring ring = { pool, M_pool_ring_size, M_pool_ring_head, M_pool_ring_tail,
				   M_pool_ring_queue };
	struct peek *p = w->held->scan->peek;
	uint64_t cached = member_at(p, pool, M_pool_cache_count);
	kaddr_t page[CACHE_MAX];

	if (cached <= CACHE_MAX &&
	    peek_read(p, pool + offset_of(p, M_pool_cache), page, cached * 8))
		for (uint64_t i = 0; i < cached; i++)
			walk_page(w, page[i]);
	walk_ring(w, &ring, walk_page);
	walk_page(w, member_at(p, pool, M_pool_frag_page) & ~1ull);
}

static void look_at_pools(struct held *h, struct walk *w)
{
	for (size_t i = 0; i < h->scan->n_pools; i++) {
		kaddr_t pool = h->scan->pool[i].address;
		int64_t holder = pool ? add_holder(h, HOLDER_POOL, pool) : -1;

		if (holder < 0)
			continue;
		look(h, w, (uint32_t)holder, PLACE_IDLE, walk_pool, pool);
		drop_empty(h, holder);
	}
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

/* A zombie's pages were all taken before its driver let it go. */
static void date_zombies(struct held *h)
{
	for (size_t i = 0; i < h->n_holdings; i++) {
		struct holding *x = &h->holding[i];
		const struct pool *pool = &h->scan->pool[x->pool];

		if (pool->zombie && (double)pool->zombie_s > x->age_s && x->place != PLACE_IDLE) {
			x->age_s = (double)pool->zombie_s;
			x->at_least = true;
		}
	}
}

int held_scan(struct held *h, struct scan *s)
{
	struct walk w = { .held = h };
	int ret;

	memset(h, 0, sizeof *h);
	h->scan = s;
	page_map_find(s->peek, &h->map);
	ret = look_at_files(h, &w);
	if (!ret)
		look_at_alone(h, &w);
	for (unsigned i = 0; !ret && i < s->n_nets; i++) {
		look_at_fragments(h, &w, i, M_net_ipv4_fqdir);
		look_at_fragments(h, &w, i, M_net_ipv6_fqdir);
	}
	if (!ret) {
		look_at_cpus(h, &w);
		look_at_pools(h, &w);
		date_zombies(h);
	}
	free(w.found);
	return ret ? ret : h->error;
}

void held_close(struct held *h)
{
	free(h->holder);
	free(h->owner);
	free(h->holding);
	free(h->pages.slot);
	free(h->objects.slot);
	memset(h, 0, sizeof *h);
}

struct held_sum held_sum(const struct held *h, int pool)
{
	struct peek *p = h->scan->peek;
	kaddr_t at = h->scan->pool[pool].address;
	struct held_sum sum = { .found = 0 };

	for (size_t i = 0; i < h->n_holdings; i++)
		if (h->holding[i].pool == pool && h->holding[i].place == PLACE_IDLE)
			sum.idle += h->holding[i].pages;
		else if (h->holding[i].pool == pool)
			sum.found += h->holding[i].pages;
	sum.in_flight = at ? (int32_t)((uint32_t)member_at(p, at, M_pool_hold) -
				       (uint32_t)member_at(p, at, M_pool_release))
			   : h->scan->pool[pool].in_flight;
	sum.missing = sum.in_flight - (int64_t)(sum.found + sum.idle);
	return sum;
}
