/*
 * dpdk.c - DPDK: with PKTMBUF, packet buffers, which have a reference count as our pages
 * have; without, the bare mempool below them, which has none. A cache of 256 for each lcore.
 * plain=1: the second thread is none of DPDK's own, and has no cache. sp=1: the pool's ring is told
 * that there is one getter and one putter only (the usual one takes any number). With WORD, a word
 * of each object is read as it is put, as must be where objects have references; with REF, one is
 * dropped there by an atomic subtraction, as by who can't know that it has the last.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#define PEER_OWN_THREADS
#include "peer.h"

#define CACHE 256

static struct rte_mempool *pool;
static bool plain_threads;
static struct {
	void *(*fn)(void *);
	void *arg;
} job[RTE_MAX_LCORE];

static void peer_init(int argc, char **argv)
{
	char lcores[64], *args[] = { argv[0],
				     "--no-huge",
				     "--no-shconf",
				     "--no-pci",
				     "--no-telemetry",
				     "-m",
				     argc > 1 ? argv[1] : "512",
				     "--lcores",
				     lcores,
				     "--log-level=error",
				     NULL };
	int a = processor(0), b = processor(1);

	snprintf(lcores, sizeof lcores, "0@%d,1@%d,2@%d,3@%d,4@%d", a, b, b, b, b);
	if (rte_eal_init(sizeof args / sizeof args[0] - 1, args) < 0)
		fail("rte_eal_init");
}

static void peer_open(const struct command *c)
{
	static unsigned made;
	/* a multiple of the cache, and what the caches of all threads may keep from the owner */
	unsigned n = (unsigned)command_number(c, "pages", 0) + 5 * CACHE * 2;
	unsigned bytes = (unsigned)command_number(c, "bytes", 2048);
	const char *ops = command_number(c, "sp", 0) ? "ring_sp_sc" : "ring_mp_mc";
	char name[32];

	snprintf(name, sizeof name, "pool%u", made++);
#ifdef PKTMBUF
	pool = rte_pktmbuf_pool_create_by_ops(
		name, n, CACHE, 0, (uint16_t)(bytes + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY, ops);
#else
	pool = rte_mempool_create_empty(name, n, bytes, CACHE, 0, SOCKET_ID_ANY, 0);
	if (pool &&
	    (rte_mempool_set_ops_byname(pool, ops, NULL) || rte_mempool_populate_default(pool) < 0))
		pool = NULL;
#endif
	if (!pool)
		fail("the mempool");
}

static void peer_close(void)
{
	rte_mempool_free(pool);
}

#ifdef PKTMBUF
static inline void *peer_get(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (unlikely(!m))
		fail("rte_pktmbuf_alloc");
	return m;
}

static inline void peer_put(void *page)
{
	rte_pktmbuf_free(page);
}

static inline void peer_get_batch(void **out, unsigned n)
{
	if (unlikely(rte_pktmbuf_alloc_bulk(pool, (struct rte_mbuf **)out, n)))
		fail("rte_pktmbuf_alloc_bulk");
}

static inline void peer_put_batch(void **in, unsigned n)
{
	rte_pktmbuf_free_bulk((struct rte_mbuf **)in, n);
}

static inline void *peer_addr(void *page)
{
	return rte_pktmbuf_mtod((struct rte_mbuf *)page, void *);
}
#else
static inline void *peer_get(void)
{
	void *page;

	if (unlikely(rte_mempool_get(pool, &page)))
		fail("rte_mempool_get");
	return page;
}

/* What references would ask for, of an object that is put. */
static inline void count(void *object)
{
#ifdef REF
	__atomic_fetch_sub((uint64_t *)object, 1, __ATOMIC_ACQ_REL);
#elif defined WORD
	(void)*(const volatile uint64_t *)object;
#else
	(void)object;
#endif
}

static inline void peer_put(void *page)
{
	count(page);
	rte_mempool_put(pool, page);
}

static inline void peer_get_batch(void **out, unsigned n)
{
	if (unlikely(rte_mempool_get_bulk(pool, out, n)))
		fail("rte_mempool_get_bulk");
}

static inline void peer_put_batch(void **in, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		count(in[i]);
	rte_mempool_put_bulk(pool, in, n);
}

static inline void *peer_addr(void *page)
{
	return page;
}
#endif

static int lcore_main(void *arg)
{
	(void)arg;
	job[rte_lcore_id()].fn(job[rte_lcore_id()].arg);
	return 0;
}

static void peer_start(unsigned i, void *(*fn)(void *), void *arg, bool plain)
{
	plain_threads = plain;
	if (plain) {
		peer_start_plain(i, fn, arg, false);
		return;
	}
	job[i + 1].fn = fn;
	job[i + 1].arg = arg;
	if (rte_eal_remote_launch(lcore_main, NULL, i + 1))
		fail("rte_eal_remote_launch");
}

static void peer_join(unsigned i)
{
	if (plain_threads)
		peer_start_plain(i, NULL, NULL, true);
	else
		rte_eal_wait_lcore(i + 1);
}

#include "../patterns.h"
