/*
 * scan.h - a snapshot of this machine's page pools, from the kernel's memory (peek.h) and from
 * netlink (netdev.h): network namespaces, interfaces, pools; then who holds the pools' pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_SCAN_H
#define KERNEL_SCAN_H

#include "netdev.h"
#include "peek.h"

#define NAME_BYTES 64

struct net {
	kaddr_t address;
	uint64_t inode;        /* as /proc/PID/ns/net shows it */
	char name[NAME_BYTES]; /* of /run/netns; "" for ours; "net:[4026532281]" without one */
};

struct device {
	kaddr_t address, parent; /* struct net_device; struct device, or 0 */
	kaddr_t bus_device;      /* parent's parent: virtio maps through it; or 0 */
	unsigned ifindex, net;   /* net: its place in scan.net */
	char name[NAME_BYTES];   /* "veth0", or "veth0@NAMESPACE" when that isn't ours */
	char driver[NAME_BYTES], bus[NAME_BYTES]; /* bus: "0000:00:03.0", or "" */
};

enum answer { UNKNOWN, NO, YES };

struct pool {
	kaddr_t address;                                /* 0: only netlink told of it */
	uint64_t id;                                    /* the kernel's; 0: none (before 6.8) */
	char interface[NAME_BYTES], driver[NAME_BYTES]; /* "" when not known */
	bool interface_gone;
	uint64_t napi;
	uint32_t taken, given_back; /* pages, ever; they wrap; 0: only netlink told of it */
	int64_t in_flight;          /* pages; below 0: the kernel counts wrong */
	uint64_t page_bytes;
	enum answer mapped;
	bool zombie;
	int64_t zombie_s; /* seconds since it was detached; below 0: not known */
	bool has_stats;
	uint64_t stats[NETDEV_STATS];
};

struct scan {
	struct peek *peek; /* NULL: can't look; why is in no_peek */
	char no_peek[PEEK_ERROR], no_netlink[NETDEV_ERROR];
	int no_peek_errno;
	bool stats_missing; /* the kernel keeps no statistics */
	bool all_pools;     /* the kernel's own table of all pools was read */
	struct net *net;
	size_t n_nets;
	struct device *device;
	size_t n_devices;
	struct pool *pool;
	size_t n_pools;
};

/* The scan, empty. What can't be used is noted in it. 0 or -ENOMEM. */
int scan_open(struct scan *s);
void scan_close(struct scan *s);
/* Forget what was found, to look again. */
void scan_clear(struct scan *s);
/* Namespaces, interfaces, and the pools that can be reached from there. 0 or -ENOMEM. */
int scan_pools(struct scan *s);
/* Zombies first, the oldest before the others; then by interface and id. */
void scan_sort(struct scan *s);

/*
 * The pool at an address, that something points to as a pool; added, if it looks like one
 * and the kernel's own table isn't known. Its place in scan.pool, or -1.
 */
int scan_pool_at(struct scan *s, kaddr_t address);
/* The namespace's place in scan.net, or -1. */
int scan_net_at(const struct scan *s, kaddr_t address);
/* Seconds between a moment of the kernel's jiffies and now. */
double scan_jiffies_ago(struct scan *s, uint64_t then);

/* Room for one more at the end of an array: the new element, zeroed; NULL: no memory. */
void *grow(void *array_pointer, size_t *n, size_t size);

#endif
