/*
 * stock.h - where a mempool's free objects are kept. Private to the handler.
 *
 * Each lcore has a shelf of its own, an array that it pushes to and pops from without an atomic
 * read-modify-write. Behind the shelves is the depot, an array under a lock: shelves exchange half
 * of themselves with it at a time, and it serves threads that are not lcores and bulks that are too
 * large for a shelf.
 *
 * Every thread can get every free object. An lcore that finds shelf and depot short takes from the
 * shelves of others. The owner of a shelf must not pay for that, so two steps are ordered with a
 * barrier that only the taker pays for:
 *
 *     owner:  1. busy = 1                   taker, with the lock:  a. closed = 1
 *             2. look at closed                                    b. membarrier(2)
 *             3. push or pop; busy = 0                             c. wait until busy is 0
 *
 * Either the owner sees that its shelf is closed and goes for the lock, or the taker sees
 * that the owner is busy and waits for a few instructions.
 *
 * Uses libc and DPDK's EAL; knows nothing of pagepool.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_DPDK_STOCK_H
#define PAGEPOOL_DPDK_STOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_lcore.h>
#include <rte_spinlock.h>

struct stock_shelf {
	uint32_t busy;   /* the owner's: it is changing the shelf */
	uint32_t closed; /* the taker's, under the lock: the owner must keep off */
	uint32_t count;  /* objects; the owner's while busy, the lock holder's while closed */
	uint32_t cap;    /* constant */
	void *obj[] __rte_cache_aligned;
} __rte_cache_aligned;

struct stock {
	/* NULL until the lcore needs it; set once, by the lcore, under the lock */
	struct stock_shelf *shelf[RTE_MAX_LCORE];
	uint32_t shelf_cap; /* constant, as are the next two */
	uint32_t size;      /* objects in all, at most */
	int socket;
	/* for the depot, and for moving anything between it and a shelf */
	rte_spinlock_t lock __rte_cache_aligned;
	uint32_t count;
	void **obj;
	/*
	 * set by stock_retire: nothing can be got any more, and who brings the last of `all` is
	 * told
	 */
	bool retired;
	uint32_t all;
	void (*full)(void *ctx);
	void *ctx;
};

/** Make one for `size` objects. @return 0; -ENOMEM; -ENOSYS: no expedited membarrier(2). */
int stock_init(struct stock *stock, uint32_t size, int socket);
/** The counterpart; what is still in it is forgotten. */
void stock_fini(struct stock *stock);

/** Put n objects, of any thread. @return 0; -ENOBUFS: more than there can be. */
int stock_put(struct stock *stock, void *const *obj, uint32_t n);
/** Get exactly n objects, on any thread. @return 0; -ENOBUFS: not so many are free. */
int stock_get(struct stock *stock, void **obj, uint32_t n);
/**
 * From now on nothing can be got, and all shelves stay closed, so that each put is counted; the put
 * that brings the last of `all` objects calls `full`, with no lock held and as its last act: it may
 * free the stock. Beside puts of any thread. @return true: all are there already, and `full` isn't
 * called.
 */
bool stock_retire(struct stock *stock, uint32_t all, void (*full)(void *ctx), void *ctx);
/** How many are free. Exact if nobody puts or gets meanwhile. Any thread. */
uint32_t stock_count(struct stock *stock);

#endif
