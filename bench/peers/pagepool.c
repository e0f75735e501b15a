/*
 * pagepool.c - this library, as a user's program has it: public headers, a pool on a device
 * of the software IOMMU. mapped=0: a pool for no device; keep=1: one that gives no
 * memory back; memory=1, 2: see enum pp_memory. With FRAGMENTS, pieces of pages. With TURNS, pages
 * of so many pools (pools=2), one of each in turn. With GETTERS, each thread that works gets by a
 * getter; with OWNERS, from a pool of its own.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "../device.h"
#include "peer.h"

static struct pp_device *dev;
#define POOLS 4
static struct pp_pool *pools[POOLS];
static uint32_t bytes;
static unsigned n_pools, turn;

static void peer_init(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	dev = device_open(NULL);
}

static void peer_open(const struct command *c)
{
	struct pp_pool_params params = pp_pool_defaults();
	pp_binding_t b =
		command_number(c, "mapped", 1) ? pp_device_binding(dev) : pp_binding_none();

	bytes = (uint32_t)command_number(c, "bytes", 4096);
	if (command_number(c, "keep", 0))
		params.idle_chunks = UINT32_MAX;
	params.memory = (enum pp_memory)command_number(c, "memory", PP_MEMORY_HUGETLB);
	n_pools = (unsigned)command_number(c, "pools", 1);
	for (unsigned i = 0; i < n_pools; i++)
		if (i == POOLS || pp_pool_create(&pools[i], b, &params))
			fail("pp_pool_create");
}

static void peer_close(void)
{
	for (unsigned i = 0; i < n_pools; i++)
		pp_pool_destroy(pools[i]);
}

static inline struct pp_pool *next_pool(void)
{
#ifdef TURNS
	turn = turn + 1 < n_pools ? turn + 1 : 0;
	return pools[turn];
#else
	(void)turn;
	return pools[0];
#endif
}

#ifdef GETTERS
#define PEER_WORKERS
static __thread struct pp_getter *getter;

static void peer_work_begin(void)
{
	if (pp_getter_create(&getter, pools[0]))
		fail("pp_getter_create");
}

static void peer_work_end(void)
{
	pp_getter_destroy(getter);
}

static inline int get_page(struct pp_page **page)
{
	return pp_getter_get(page, getter);
}
#elif defined OWNERS
#define PEER_WORKERS
static __thread struct pp_pool *pool;

static void peer_work_begin(void)
{
	if (pp_pool_create(&pool, pp_device_binding(dev), NULL))
		fail("pp_pool_create");
}

static void peer_work_end(void)
{
	pp_pool_destroy(pool);
}

static inline int get_page(struct pp_page **page)
{
	return pp_page_get(page, pool);
}
#else
static inline int get_page(struct pp_page **page)
{
	return pp_page_get(page, next_pool());
}
#endif

#ifdef FRAGMENTS
static inline void *peer_get(void)
{
	struct pp_frag frag;

	if (__builtin_expect(pp_frag_get(&frag, pools[0], bytes, 64), 0))
		fail("pp_frag_get");
	return frag.page;
}

static inline void peer_get_batch(void **out, unsigned n)
{
	struct pp_frag frags[BATCH];

	if (__builtin_expect(pp_frag_get_batch(frags, n, pools[0], bytes, 64) != (int)n, 0))
		fail("pp_frag_get_batch");
	for (unsigned i = 0; i < n; i++)
		out[i] = frags[i].page;
}
#else
static inline void *peer_get(void)
{
	struct pp_page *page;

	if (__builtin_expect(get_page(&page), 0))
		fail("pp_page_get");
	return page;
}

static inline void peer_get_batch(void **out, unsigned n)
{
	if (__builtin_expect(pp_page_get_batch((struct pp_page **)out, n, pools[0]) != (int)n, 0))
		fail("pp_page_get_batch");
}
#endif

static inline void peer_put(void *page)
{
	pp_page_put(page);
}

static inline void peer_put_batch(void **in, unsigned n)
{
	pp_page_put_batch((struct pp_page *const *)in, n);
}

static inline void *peer_addr(void *page)
{
	return pp_page_addr(page);
}

#include "../patterns.h"
