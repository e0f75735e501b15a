/*
 * netdev.h - the kernel's generic netlink family "netdev" (Linux 6.8 and newer), as far as it
 * is about page pools. Debian 12's kernel headers are older than it, so its numbers are here:
 * they are part of the kernel's stable interface (Documentation/netlink/specs/netdev.yaml).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_NETDEV_H
#define KERNEL_NETDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NETDEV_POOL_GET = 5, NETDEV_POOL_STATS_GET = 9 };

enum {
	NETDEV_POOL_ID = 1,
	NETDEV_POOL_IFINDEX,
	NETDEV_POOL_NAPI_ID,
	NETDEV_POOL_INFLIGHT,
	NETDEV_POOL_INFLIGHT_MEM,
	NETDEV_POOL_DETACH_TIME, /* seconds of CLOCK_BOOTTIME */
	NETDEV_POOL_MAX = NETDEV_POOL_DETACH_TIME,
};

enum { NETDEV_POOL_STATS_INFO = 1, NETDEV_POOL_STATS_FIRST = 8 };

/* The counters, in the order of their attributes from NETDEV_POOL_STATS_FIRST on. */
#define NETDEV_POOL_STATS(X)                                                                       \
	X(alloc_fast, "pages taken from the cache")                                                \
	X(alloc_slow, "pages taken from the system")                                               \
	X(alloc_slow_high_order, "of these, pages of a higher order")                              \
	X(alloc_empty, "times that the ring was empty")                                            \
	X(alloc_refill, "times that the cache was refilled from the ring")                         \
	X(alloc_waive, "pages from the ring that were of another node")                            \
	X(recycle_cached, "pages that came back into the cache")                                   \
	X(recycle_cache_full, "times that the cache was full")                                     \
	X(recycle_ring, "pages that came back into the ring")                                      \
	X(recycle_ring_full, "pages given to the system because the ring was full")                \
	X(recycle_released_refcnt, "pages given up because somebody else held them")

enum {
#define X(name, help) NETDEV_STAT_##name,
	NETDEV_POOL_STATS(X)
#undef X
		NETDEV_STATS
};

struct netdev_pool {
	uint64_t id, napi, in_flight, bytes;
	uint32_t ifindex;     /* 0: its interface has gone */
	uint64_t detach_time; /* 0: it hasn't been detached */
	bool has_stats;
	uint64_t stats[NETDEV_STATS];
};

#define NETDEV_ERROR 400

/*
 * The pools that the kernel lists to this network namespace: those that name one of its
 * interfaces. 0, *pools to be freed, *stats_missing: this kernel keeps no statistics.
 * -EOPNOTSUPP: the kernel lists no pools; or another negative errno. `error`: one sentence.
 */
int netdev_pools(struct netdev_pool **pools, size_t *n, bool *stats_missing,
		 char error[NETDEV_ERROR]);

#endif
