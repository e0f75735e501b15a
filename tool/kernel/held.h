/*
 * held.h - who holds the pages of the kernel's page pools: sockets, pipes, tun devices, IP
 * fragments that wait for the rest, the CPUs' lists, the pools themselves.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_HELD_H
#define KERNEL_HELD_H

#include "pages.h"
#include "scan.h"

/* Addresses to numbers. */
struct seen {
	struct seen_slot {
		kaddr_t key; /* 0: free */
		uint32_t value;
	} * slot;
	size_t size, used;
};
/* 1: it had no number, and has this one now; 0: it had one, which *value is now; or -ENOMEM. */
int seen_add(struct seen *s, kaddr_t key, uint32_t *value);

struct owner {
	uint32_t pid, fd;
	char comm[17];
};

enum holder_kind {
	HOLDER_SOCKET,
	HOLDER_PIPE,
	HOLDER_TUN,
	HOLDER_FRAGMENTS,
	HOLDER_CPU,
	HOLDER_POOL,
};

struct holder {
	enum holder_kind kind;
	kaddr_t object;
	size_t first_owner, n_owners; /* in held.owner; none: no process has it open */
	bool waits_for_accept; /* a connection that its listener, the owner's, hasn't accepted yet */
	int net;               /* in scan.net, or -1 */
	unsigned cpu;
	char protocol[12];
	char local[56], remote[56]; /* "10.0.0.1:80", "[::1]:80", or "" */
};

/* The ways in which one can hold a page; the names of the rows' "where". */
#define PLACES(X)                                                                                  \
	X(RECEIVE, "receive queue")                                                                \
	X(OUT_OF_ORDER, "out-of-order queue")                                                      \
	X(ERROR, "error queue")                                                                    \
	X(BACKLOG, "backlog")                                                                      \
	X(SEND, "send queue")                                                                      \
	X(PIPE, "pipe")                                                                            \
	X(TUN, "queue of the tun device")                                                          \
	X(FRAGMENTS, "IP fragments that wait for the rest")                                        \
	X(DEFERRED, "list of packets to be freed")                                                 \
	X(INPUT, "input queue")                                                                    \
	X(IDLE, "idle in the pool")

enum place {
#define X(id, text) PLACE_##id,
	PLACES(X)
#undef X
		N_PLACES
};
const char *place_name(enum place place);

/* What one holder has of one pool in one place. */
struct holding {
	uint32_t holder;
	int pool; /* in scan.pool */
	enum place place;
	uint64_t pages;  /* that nobody before it was found to have */
	uint64_t shared; /* of which another part is counted elsewhere */
	double age_s;    /* of the oldest; below 0: not known */
	bool at_least;   /* it is no less; else it is right */
};

struct held {
	struct scan *scan;
	struct page_map map;
	struct holder *holder;
	struct owner *owner;
	struct holding *holding;
	size_t n_holders, n_owners, n_holdings;
	struct seen pages, objects;
	uint64_t moving; /* queues that changed whenever they were read */
	uint64_t cut;    /* queues longer than what is read */
	bool no_cpus;    /* the CPUs' lists can't be found */
	int error;       /* -ENOMEM: the picture isn't whole */
};

/*
 * Look at all that may hold a page. The scan has been made (scan_pools) and can look; pools
 * that are found by their pages are added to it. 0 or a negative errno.
 */
int held_scan(struct held *h, struct scan *s);
void held_close(struct held *h);
/*
 * A pool's pages in flight now; how many of these were found, and how many are idle in the pool
 * itself.
 */
struct held_sum {
	int64_t in_flight;
	uint64_t found, idle;
	int64_t missing; /* in_flight less found and idle; below 0: it changed meanwhile */
};
struct held_sum held_sum(const struct held *h, int pool);

/* ---- walk.c: packets and queues ----------------------------------------------------------- */

struct found {
	kaddr_t page, pool;
	double age_s; /* below 0: no stamp */
};

/* The pages that a walk came by. */
struct walk {
	struct held *held;
	struct found *found;
	size_t n;
	unsigned packets; /* looked at */
	bool stale;       /* what was read can't be right: it changed meanwhile */
	bool cut;
};
void walk_reset(struct walk *w);
/* A queue (struct sk_buff_head). */
void walk_queue(struct walk *w, kaddr_t head);
/* One packet (struct sk_buff). */
void walk_one(struct walk *w, kaddr_t skb);
/* A chain by `next`, from its first packet. */
void walk_chain(struct walk *w, kaddr_t first);
/* A tree of packets from its root's node; with runs: each is the first of a run of fragments. */
void walk_tree(struct walk *w, kaddr_t node, bool runs);
/* The page of an address of the kernel's map; a page. */
void walk_address(struct walk *w, kaddr_t address);
void walk_page(struct walk *w, kaddr_t page);

typedef void walk_fn(struct walk *w, kaddr_t from);
/* A tree, a chain, by the address of the pointer to its root's node, to its first packet. */
void walk_tree_at(struct walk *w, kaddr_t root);
void walk_chain_at(struct walk *w, kaddr_t place);
/* A ring of pointers (ptr_ring), by its members; fn is called for each pointer in it. */
struct ring {
	kaddr_t at; /* of what has it */
	enum member size, head, tail, queue;
};
void walk_ring(struct walk *w, const struct ring *r, walk_fn *fn);

#endif
