/*
 * stock.c - shelves and depot. See stock.h for the protocol.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "stock.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#define SHELF_MAX 512 /* objects: what DPDK's own cache holds at most */
#define SHELF_MIN 32
#define SHELF_SHARE 3 /* a shelf holds no more than this part of all objects */

/* A call of memcpy costs more than to copy a small bulk in pairs. */
static inline void copy(void **to, void *const *from, uint32_t n)
{
	if (n & 1) {
		to[n - 1] = from[n - 1];
		if (n == 1)
			return;
	}
	if (n > 16) {
		memcpy(to, from, n * sizeof *to);
		return;
	}
	for (uint32_t i = 0; i + 1 < n; i += 2)
		memcpy(&to[i], &from[i], 2 * sizeof *to);
}

/* ---- the shelf: its owner's side -------------------------------------------------------- */

/* Steps 1 and 2. False: it is closed, and may be touched with the lock only. */
static inline bool shelf_enter(struct stock_shelf *shelf)
{
	__atomic_store_n(&shelf->busy, 1, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* pairs with barrier_heavy in shelves_close */
	/* acquire: pairs with the release in shelves_open; count and obj are as they were left */
	if (likely(!__atomic_load_n(&shelf->closed, __ATOMIC_ACQUIRE)))
		return true;
	__atomic_store_n(&shelf->busy, 0, __ATOMIC_RELEASE);
	return false;
}

static inline void shelf_leave(struct stock_shelf *shelf)
{
	__atomic_store_n(&shelf->busy, 0, __ATOMIC_RELEASE); /* pairs with shelf_wait's acquire */
}

/* count is read by others for an estimate, so its accesses are atomic, and relaxed. */
static inline uint32_t shelf_count(const struct stock_shelf *shelf)
{
	return __atomic_load_n(&shelf->count, __ATOMIC_RELAXED);
}

static inline void shelf_set(struct stock_shelf *shelf, uint32_t count)
{
	__atomic_store_n(&shelf->count, count, __ATOMIC_RELAXED);
}

/* The calling lcore's, if it has one. */
static inline struct stock_shelf *shelf_own(struct stock *stock)
{
	unsigned lcore = rte_lcore_id();

	return likely(lcore < RTE_MAX_LCORE) ? stock->shelf[lcore] : NULL;
}

/* The same, made at the first need. NULL: not an lcore, or no memory. With the lock. */
static struct stock_shelf *shelf_make(struct stock *stock)
{
	unsigned lcore = rte_lcore_id();
	struct stock_shelf *shelf;

	if (lcore >= RTE_MAX_LCORE)
		return NULL;
	if (stock->shelf[lcore])
		return stock->shelf[lcore];
	shelf = rte_zmalloc_socket("pagepool shelf",
				   sizeof *shelf + stock->shelf_cap * sizeof shelf->obj[0],
				   RTE_CACHE_LINE_SIZE, stock->socket);
	if (!shelf)
		return NULL;
	shelf->cap = stock->shelf_cap;
	stock->shelf[lcore] = shelf;
	return shelf;
}

/* ---- the depot, with the lock ------------------------------------------------------------- */

/* More than there can be are objects that somebody has put twice: they are left out. */
static void depot_push(struct stock *stock, void *const *obj, uint32_t n)
{
	n = RTE_MIN(n, stock->size - stock->count);
	copy(&stock->obj[stock->count], obj, n);
	stock->count += n;
}

static void depot_pop(struct stock *stock, void **obj, uint32_t n)
{
	stock->count -= n;
	copy(obj, &stock->obj[stock->count], n);
}

/* Move the oldest n objects of a shelf to the depot: the newest are in the cache. */
static void shelf_unload(struct stock *stock, struct stock_shelf *shelf, uint32_t n)
{
	uint32_t rest = shelf_count(shelf) - n;

	depot_push(stock, shelf->obj, n);
	memmove(shelf->obj, &shelf->obj[n], rest * sizeof shelf->obj[0]);
	shelf_set(shelf, rest);
}

static void shelf_load(struct stock *stock, struct stock_shelf *shelf, uint32_t n)
{
	depot_pop(stock, &shelf->obj[shelf_count(shelf)], n);
	shelf_set(shelf, shelf_count(shelf) + n);
}

/* ---- taking from others, with the lock ------------------------------------------------------ */

static void barrier_heavy(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* Objects on the shelves of others: an estimate, but for those who stand still. */
static uint64_t shelves_count(struct stock *stock, const struct stock_shelf *own)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < RTE_MAX_LCORE; i++)
		if (stock->shelf[i] && stock->shelf[i] != own)
			n += shelf_count(stock->shelf[i]);
	return n;
}

/* Steps a and b. */
static void shelves_close(struct stock *stock, const struct stock_shelf *own)
{
	for (unsigned i = 0; i < RTE_MAX_LCORE; i++)
		if (stock->shelf[i] && stock->shelf[i] != own)
			__atomic_store_n(&stock->shelf[i]->closed, 1, __ATOMIC_RELAXED);
	barrier_heavy(); /* pairs with the light one in shelf_enter */
}

static void shelves_open(struct stock *stock, const struct stock_shelf *own)
{
	for (unsigned i = 0; i < RTE_MAX_LCORE; i++)
		if (stock->shelf[i] && stock->shelf[i] != own)
			__atomic_store_n(&stock->shelf[i]->closed, 0, __ATOMIC_RELEASE);
}

/* Step c. The owner is a few instructions from leaving, unless it has lost its processor. */
static void shelf_wait(struct stock_shelf *shelf)
{
	for (unsigned spins = 0; __atomic_load_n(&shelf->busy, __ATOMIC_ACQUIRE); spins++)
		if (spins < 1000)
			rte_pause();
		else
			sched_yield();
}

/*
 * Get the depot to n objects if that can be done: half of each other shelf first, so that
 * their owners needn't come at once to do the same, then all of it.
 */
static void shelves_take(struct stock *stock, const struct stock_shelf *own, uint32_t n)
{
	if (stock->count + shelves_count(stock, own) < n)
		return;
	shelves_close(stock, own);
	for (unsigned part = 2; part > 0 && stock->count < n; part--)
		for (unsigned i = 0; i < RTE_MAX_LCORE && stock->count < n; i++) {
			struct stock_shelf *shelf = stock->shelf[i];

			if (!shelf || shelf == own)
				continue;
			shelf_wait(shelf);
			shelf_unload(stock, shelf, (shelf_count(shelf) + part - 1) / part);
		}
	shelves_open(stock, own);
}

/* ---- get, put, count --------------------------------------------------------------------- */

/* Own shelf or depot are short: trade with the depot, or with others through it. */
static __rte_noinline int get_slow(struct stock *stock, void **obj, uint32_t n)
{
	struct stock_shelf *shelf;
	uint32_t have, rest;
	int ret = -ENOBUFS;

	rte_spinlock_lock(&stock->lock);
	if (stock->retired) {
		rte_spinlock_unlock(&stock->lock);
		return ret;
	}
	shelf = shelf_make(stock);
	/* a bulk that a shelf doesn't usually serve leaves it alone if it can */
	have = shelf && (n <= shelf->cap / 2 || stock->count < n) ? shelf_count(shelf) : 0;
	if (have > n)
		have = n;
	rest = n - have;
	if (stock->count < rest)
		shelves_take(stock, shelf, rest);
	if (stock->count >= rest) {
		depot_pop(stock, obj, rest);
		if (have) {
			shelf_set(shelf, shelf_count(shelf) - have);
			copy(obj + rest, &shelf->obj[shelf_count(shelf)], have);
		}
		if (shelf && n <= shelf->cap / 2 && shelf_count(shelf) < shelf->cap / 2)
			shelf_load(stock, shelf,
				   RTE_MIN(shelf->cap / 2 - shelf_count(shelf), stock->count));
		ret = 0;
	}
	rte_spinlock_unlock(&stock->lock);
	return ret;
}

int stock_get(struct stock *stock, void **obj, uint32_t n)
{
	struct stock_shelf *shelf = shelf_own(stock);

	if (likely(shelf) && likely(shelf_enter(shelf))) {
		uint32_t count = shelf_count(shelf);

		if (likely(count >= n)) {
			copy(obj, &shelf->obj[count - n], n);
			shelf_set(shelf, count - n);
			shelf_leave(shelf);
			return 0;
		}
		shelf_leave(shelf);
	}
	return get_slow(stock, obj, n);
}

/* To a retired stock, with the lock, which is given up. */
static int put_retired(struct stock *stock, void *const *obj, uint32_t n)
{
	void (*full)(void *ctx) = stock->full;
	void *ctx = stock->ctx;
	int ret = stock->count + n > stock->all ? -ENOBUFS : 0;
	bool last;

	if (!ret)
		depot_push(stock, obj, n);
	last = !ret && stock->count == stock->all;
	rte_spinlock_unlock(&stock->lock);
	if (last)
		full(ctx); /* the stock is gone */
	return ret;
}

bool stock_retire(struct stock *stock, uint32_t all, void (*full)(void *ctx), void *ctx)
{
	bool complete;

	rte_spinlock_lock(&stock->lock);
	shelves_close(stock, NULL);
	for (unsigned i = 0; i < RTE_MAX_LCORE; i++)
		if (stock->shelf[i]) {
			shelf_wait(stock->shelf[i]);
			shelf_unload(stock, stock->shelf[i], shelf_count(stock->shelf[i]));
		}
	stock->retired = true;
	stock->all = all;
	stock->full = full;
	stock->ctx = ctx;
	complete = stock->count == all;
	rte_spinlock_unlock(&stock->lock);
	return complete;
}

static __rte_noinline int put_slow(struct stock *stock, void *const *obj, uint32_t n)
{
	struct stock_shelf *shelf;
	int ret = 0;

	rte_spinlock_lock(&stock->lock);
	if (stock->retired)
		return put_retired(stock, obj, n);
	shelf = shelf_make(stock);
	if (stock->count + n + (shelf ? shelf_count(shelf) : 0) > stock->size) {
		ret = -ENOBUFS; /* somebody has put an object twice */
	} else if (!shelf || n > shelf->cap / 2) {
		depot_push(stock, obj, n);
	} else {
		if (shelf_count(shelf) + n > shelf->cap)
			shelf_unload(stock, shelf, shelf->cap / 2);
		copy(&shelf->obj[shelf_count(shelf)], obj, n);
		shelf_set(shelf, shelf_count(shelf) + n);
	}
	rte_spinlock_unlock(&stock->lock);
	return ret;
}

int stock_put(struct stock *stock, void *const *obj, uint32_t n)
{
	struct stock_shelf *shelf = shelf_own(stock);

	if (likely(shelf) && likely(shelf_enter(shelf))) {
		uint32_t count = shelf_count(shelf);

		if (likely(n <= shelf->cap - count)) {
			copy(&shelf->obj[count], obj, n);
			shelf_set(shelf, count + n);
			shelf_leave(shelf);
			return 0;
		}
		shelf_leave(shelf);
	}
	return put_slow(stock, obj, n);
}

uint32_t stock_count(struct stock *stock)
{
	uint32_t n;

	rte_spinlock_lock(&stock->lock);
	n = stock->count + (uint32_t)shelves_count(stock, NULL);
	rte_spinlock_unlock(&stock->lock);
	return n;
}

/* ---- made and gone ----------------------------------------------------------------------- */

int stock_init(struct stock *stock, uint32_t size, int socket)
{
	uint32_t cap = size / SHELF_SHARE;

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		return -ENOSYS;
	stock->size = size;
	stock->socket = socket;
	stock->shelf_cap = RTE_MAX(RTE_MIN(cap, (uint32_t)SHELF_MAX), (uint32_t)SHELF_MIN);
	rte_spinlock_init(&stock->lock);
	stock->obj = rte_malloc_socket("pagepool depot", (size_t)size * sizeof *stock->obj,
				       RTE_CACHE_LINE_SIZE, socket);
	return stock->obj ? 0 : -ENOMEM;
}

void stock_fini(struct stock *stock)
{
	for (unsigned i = 0; i < RTE_MAX_LCORE; i++)
		rte_free(stock->shelf[i]);
	rte_free(stock->obj);
}
