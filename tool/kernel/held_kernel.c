/*
 * held_kernel.c - pages that no process holds: IP fragments waiting for the rest, the CPUs' lists,
 * and pages idle in the pools themselves.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "holding.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- IP fragments -------------------------------------------------------------------------- */

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

void held_fragments(struct held *h, struct walk *w, unsigned net, enum member which)
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
		int64_t holder = held_add(h, HOLDER_FRAGMENTS, queue);
		struct holder *x = holder < 0 ? NULL : &h->holder[holder];

		if (!x)
			return;
		x->net = (int)net;
		snprintf(x->protocol, sizeof x->protocol, v6 ? "IPv6" : "IPv4");
		peek_read(p, queue + offset_of(p, v6 ? M_fq_v6_saddr : M_fq_v4_saddr), from,
			  v6 ? 16 : 4);
		peek_read(p, queue + offset_of(p, v6 ? M_fq_v6_daddr : M_fq_v4_daddr), to,
			  v6 ? 16 : 4);
		held_name_address(x->remote, sizeof x->remote, v6 ? AF_INET6 : AF_INET, from, 0);
		held_name_address(x->local, sizeof x->local, v6 ? AF_INET6 : AF_INET, to, 0);
		held_look(h, w, (uint32_t)holder, PLACE_FRAGMENTS, runs,
			  queue + offset_of(p, M_fq_tree));
		date_fragments(h, dir, queue, holder);
		held_drop_empty(h, holder);
	}
}

/* ---- the CPUs ------------------------------------------------------------------------------ */

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
		held_look(h, w, holder, PLACE_DEFERRED, walk_chain_at,
			  nodes + base + i * size_of(p, T_skb_defer_node) +
				  offset_of(p, M_defer_node_list));
}

static void look_at_cpu(struct held *h, struct walk *w, unsigned cpu, kaddr_t softnet, kaddr_t base)
{
	struct peek *p = h->scan->peek;
	int64_t holder = held_add(h, HOLDER_CPU, softnet);

	if (holder < 0)
		return;
	h->holder[holder].cpu = cpu;
	if (has(p, M_sd_defer))
		held_look(h, w, (uint32_t)holder, PLACE_DEFERRED, walk_chain_at,
			  softnet + offset_of(p, M_sd_defer));
	if (has(p, M_hot_defer_nodes))
		look_at_defer_nodes(h, w, (uint32_t)holder, base);
	held_look(h, w, (uint32_t)holder, PLACE_INPUT, walk_queue,
		  softnet + offset_of(p, M_sd_input));
	held_look(h, w, (uint32_t)holder, PLACE_INPUT, walk_queue,
		  softnet + offset_of(p, M_sd_process));
	held_drop_empty(h, holder);
}

void held_cpus(struct held *h, struct walk *w)
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

/* ---- the pools themselves ------------------------------------------------------------------ */

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

void held_pools(struct held *h, struct walk *w)
{
	for (size_t i = 0; i < h->scan->n_pools; i++) {
		kaddr_t pool = h->scan->pool[i].address;
		int64_t holder = pool ? held_add(h, HOLDER_POOL, pool) : -1;

		if (holder < 0)
			continue;
		held_look(h, w, (uint32_t)holder, PLACE_IDLE, walk_pool, pool);
		held_drop_empty(h, holder);
	}
}
