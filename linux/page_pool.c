// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_pool that maps by chunk: takes the place of net/core/page_pool.c in Linux 6.12.
 *
 * A pool that maps its pages for DMA (PP_FLAG_DMA_MAP) takes memory in chunks: up to 2 MiB
 * from one allocation, split into pages, mapped by one call. Everything else, the cache, the
 * ring, fragments, statistics, netlink, is what drivers and stack know.
 *
 *	cache, ring	free pages, in the pool's hands; as ever
 *	home		free pages in their chunk: what did not fit into cache or ring, and
 *			what was released while somebody else had a reference
 *	out		all others: given to the driver, or in cache or ring. The pool's hold
 *			and release counters count these, so "in flight" means what it did.
 *
 * A home page is free, or busy: somebody else had a reference when the pool last looked at it.
 *
 * What holds for a chunk:
 *
 *  1. From its making to its unmapping the chunk has one reference of each of its pages, home
 *     or out. So no page reaches the page allocator while the device can reach the page.
 *  2. A page that is home carries no sign of the pool (pp_magic, pp, dma_addr): for others
 *     that have a reference it is a page like any other, as a released page always was. It is
 *     given out again when the chunk's reference is the only one.
 *  3. A page that is out pins its chunk's record, and names it: the bits of the DMA index in
 *     pp_magic hold the chunk's id in pool->dma_mapped, one entry a chunk. Where there are no
 *     such bits, dma_mapped has an entry for each page, by page frame number.
 *  4. A chunk is unmapped once: when all its pages are home and the pool has no use for it, or
 *     at the first scrub of the destroyed pool, which unmaps all that are left. Whoever unmaps
 *     takes the chunk off the pool's list first, and is counted until it is done: the scrub
 *     waits for that count, so nothing reaches the device after page_pool_destroy().
 *  5. When a chunk has been unmapped, its home pages go to the page allocator at once, and
 *     those that are out go one by one, when they are released.
 *
 * What holds for a pool: it never has more pages than were out or busy at one time, and two
 * chunks. It grows only when no page of the node that it wants is free, after a look at each
 * busy one; and when fewer pages of other nodes are free than it would grow by.
 *
 * Contexts: one consumer at a time allocates (NAPI as a rule); pages are returned from any
 * context but hard interrupt; the shrinker is reclaim. cp->lock is taken where the ring's
 * producer lock would be, and is not held together with it. Nothing is mapped, unmapped or
 * printed while it is held.
 */
#include <linux/bitmap.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/error-injection.h>
#include <linux/ethtool.h>
#include <linux/find.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/nodemask.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>
#include <net/page_pool/memory_provider.h>
#include <net/xdp.h>

#include <trace/events/page_pool.h>

#include "dev.h"
#include "netmem_priv.h"
#include "page_pool_priv.h"

/* some pool has a memory provider; netmem.h declares it */
DEFINE_STATIC_KEY_FALSE(page_pool_mem_providers);

#define RING_DEFAULT	1024
#define RING_MAX	16384
#define RETRY_DELAY	HZ		/* between two looks at a destroyed pool */
#define WARN_INTERVAL	(60 * HZ)
#define FRAG_BIAS	(LONG_MAX / 2)	/* references that an open fragment page is given */

#define CHUNK_ORDER	MIN(ilog2(SZ_2M) - PAGE_SHIFT, MAX_PAGE_ORDER)
#define CHUNK_PAGES	(1U << CHUNK_ORDER)
#define CHUNK_ORDER_MIN	MIN(6, CHUNK_ORDER)	/* of a pool's first chunk */
#define IDLE_PAGES	CHUNK_PAGES	/* a pool that has these idle keeps no more */
#define PATIENCE	64
#define BY_INDEX	(PP_DMA_INDEX_BITS > 0)	/* a page that is out carries its chunk's id */
#define LOOKS_MAX	512		/* busy pages that are looked at under one hold of the lock */
#define BUSY_SHARE	8		/* an idle chunk is kept if less than one in these is busy */
#define DECAY		(5 * HZ)	/* idle chunks that a pool did not need so long leave it */

#define MAP_ATTRS	(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WEAK_ORDERING)

/* How full of home pages a chunk is; struct home has a list for each */
enum home_class {
	HOME_BUSY,			/* some of its pages are home, and all of these busy */
	HOME_FEW,			/* so many are free */
	HOME_SOME,
	HOME_MOST,
	HOME_ALL,			/* idle: all are home, and some free */
	HOME_CLASSES,
	HOME_NONE = HOME_CLASSES	/* on no list */
};

enum chunk_state {
	CHUNK_MAPPED,
	CHUNK_ENDING,			/* off all lists; somebody is unmapping it */
	CHUNK_UNMAPPED,
};

/**
 * struct chunk - memory that is mapped as one
 * @all:	in chunk_pool::chunks while it is CHUNK_MAPPED
 * @by_home:	in home::chunks[@class] of its node
 * @first:	its first page
 * @dma:	DMA address of the first page
 * @id:		index in page_pool::dma_mapped
 * @n:		units that it is split into: pages, or 1 in a pool of a higher order
 * @n_free:	how many of them are home and free; when unmapped: home
 * @n_busy:	how many of them are home and busy; when unmapped they stay what they were
 * @nid:	node of the memory
 * @order:	of the allocation
 * @class:	enum home_class
 * @state:	enum chunk_state
 * @keep:	may be kept when idle: it came not from the emergency reserves, and does not
 *		occupy bounce buffers
 * @bits:	two bitmaps of units: those that are free, those that are busy; meaningless when
 *		unmapped
 *
 * Under chunk_pool::lock, apart from what never changes: first, dma, id, n, nid, order, keep.
 */
struct chunk {
	struct list_head all;
	struct list_head by_home;
	struct page *first;
	dma_addr_t dma;
	u32 id;
	u32 n;
	u32 n_free;
	u32 n_busy;
	int nid;
	u8 order;
	u8 class;
	u8 state;
	bool keep;
	unsigned long bits[];
};

/**
 * struct home - home pages of a node
 * @chunks:	those with pages home, by enum home_class
 * @n_free:	units in them that are free
 *
 * Under chunk_pool::lock.
 */
struct home {
	struct list_head chunks[HOME_CLASSES];
	unsigned int n_free;
};

/**
 * struct chunk_pool - a page_pool and its chunks
 * @pub:	what callers see
 * @want_sync:	PP_FLAG_DMA_SYNC_DEV; pub.dma_sync is set when a mapping turns out to need it
 * @may_bounce:	the device may go through bounce buffers
 * @order_max:	largest chunk that the device can map; the consumer's
 * @order_ok:	order of the chunk that was allocated last; the consumer's
 * @patience:	so many pages later a larger one may be tried; the consumer's
 * @lock:	protects what follows up to @home, and the chunks; BH is off while it is held
 * @chunks:	all mapped chunks
 * @n_pages:	pages in mapped chunks
 * @n_idle:	pages in idle chunks
 * @idle_low:	the least that @n_idle has been since the last decay
 * @n_ending:	chunks that others than the scrub are unmapping
 * @revoked:	the scrub waits for @n_ending to be 0
 * @ended:	where it waits
 * @link:	in pools; protected by pools_lock
 * @round:	when a walk of pools was here; protected by pools_lock
 * @home:	home pages, by node; under @lock
 */
struct chunk_pool {
	struct page_pool pub;

	bool want_sync;
	bool may_bounce;
	u8 order_max;
	u8 order_ok;
	unsigned int patience;

	spinlock_t lock;
	struct list_head chunks;
	unsigned int n_pages;
	unsigned int n_idle;
	unsigned int idle_low;
	unsigned int n_ending;
	bool revoked;
	wait_queue_head_t ended;

	struct list_head link;
	unsigned long round;

	struct home home[];
};

/*
 * Pools with chunks, for the shrinker and decay. Order: pools_lock, then a pool's lock. It is
 * held while one pool gives idle chunks back, never longer, and nothing is allocated meanwhile.
 */
static LIST_HEAD(pools);
static DEFINE_MUTEX(pools_lock);

static struct chunk_pool *chunk_pool(struct page_pool *pool)
{
	return container_of(pool, struct chunk_pool, pub);
}

static __always_inline bool has_provider(const struct page_pool *pool)
{
	return static_branch_unlikely(&page_pool_mem_providers) && pool->mp_ops;
}

/* ---- statistics ------------------------------------------------------------------------- */

#ifdef CONFIG_PAGE_POOL_STATS

/* the consumer's own */
#define count_alloc(pool, what)		((pool)->alloc_stats.what++)
/* from any context */
#define count_recycle(pool, what, n)	this_cpu_add((pool)->recycle_stats->what, n)

/* for all pools with PP_FLAG_SYSTEM_POOL together */
static DEFINE_PER_CPU(struct page_pool_recycle_stats, system_recycle_stats);

/* in the order of ethtool's table; all are u64 */
#define STAT(label, member) { "rx_pp_" label, offsetof(struct page_pool_stats, member) }
static const struct {
	char label[ETH_GSTRING_LEN];
	size_t at;
} stat_table[] = {
	STAT("alloc_fast", alloc_stats.fast),
	STAT("alloc_slow", alloc_stats.slow),
	STAT("alloc_slow_ho", alloc_stats.slow_high_order),
	STAT("alloc_empty", alloc_stats.empty),
	STAT("alloc_refill", alloc_stats.refill),
	STAT("alloc_waive", alloc_stats.waive),
	STAT("recycle_cached", recycle_stats.cached),
	STAT("recycle_cache_full", recycle_stats.cache_full),
	STAT("recycle_ring", recycle_stats.ring),
	STAT("recycle_ring_full", recycle_stats.ring_full),
	STAT("recycle_released_ref", recycle_stats.released_refcnt),
};

/**
 * page_pool_get_stats() - add a pool's counters to those of the caller
 * @pool:	the pool
 * @stats:	added to; the caller sets it to zero first
 *
 * Return: false if there is nowhere to add to.
 */
bool page_pool_get_stats(const struct page_pool *pool, struct page_pool_stats *stats)
{
	const struct page_pool_alloc_stats *alloc = &pool->alloc_stats;
	int cpu;

	if (!stats)
		return false;

	stats->alloc_stats.fast += alloc->fast;
	stats->alloc_stats.slow += alloc->slow;
	stats->alloc_stats.slow_high_order += alloc->slow_high_order;
	stats->alloc_stats.empty += alloc->empty;
	stats->alloc_stats.refill += alloc->refill;
	stats->alloc_stats.waive += alloc->waive;

	for_each_possible_cpu(cpu) {
		struct page_pool_recycle_stats *here = per_cpu_ptr(pool->recycle_stats, cpu);

		stats->recycle_stats.cached += here->cached;
		stats->recycle_stats.cache_full += here->cache_full;
		stats->recycle_stats.ring += here->ring;
		stats->recycle_stats.ring_full += here->ring_full;
		stats->recycle_stats.released_refcnt += here->released_refcnt;
	}
	return true;
}
EXPORT_SYMBOL(page_pool_get_stats);

u8 *page_pool_ethtool_stats_get_strings(u8 *data)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stat_table); i++, data += ETH_GSTRING_LEN)
		memcpy(data, stat_table[i].label, ETH_GSTRING_LEN);
	return data;
}
EXPORT_SYMBOL(page_pool_ethtool_stats_get_strings);

int page_pool_ethtool_stats_get_count(void)
{
	return ARRAY_SIZE(stat_table);
}
EXPORT_SYMBOL(page_pool_ethtool_stats_get_count);

u64 *page_pool_ethtool_stats_get(u64 *data, const void *stats)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stat_table); i++)
		*data++ = *(const u64 *)(stats + stat_table[i].at);
	return data;
}
EXPORT_SYMBOL(page_pool_ethtool_stats_get);

static int stats_init(struct page_pool *pool)
{
	pool->system = pool->slow.flags & PP_FLAG_SYSTEM_POOL;
	pool->recycle_stats = pool->system ? &system_recycle_stats :
			      alloc_percpu(struct page_pool_recycle_stats);
	return pool->recycle_stats ? 0 : -ENOMEM;
}

static void stats_free(struct page_pool *pool)
{
	if (!pool->system)
		free_percpu(pool->recycle_stats);
}

#else

#define count_alloc(pool, what)		do { } while (0)
#define count_recycle(pool, what, n)	do { } while (0)

static int stats_init(struct page_pool *pool)
{
	return 0;
}

static void stats_free(struct page_pool *pool)
{
}

#endif

/* ---- counting what is out --------------------------------------------------------------- */

/* The consumer has taken a page out. */
static void count_hold(struct page_pool *pool, netmem_ref netmem)
{
	pool->pages_state_hold_cnt++;
	trace_page_pool_state_hold(pool, netmem, pool->pages_state_hold_cnt);
}

/* It has come back. The pool may be gone afterwards: this is the last that a return does. */
static void count_release(struct page_pool *pool, netmem_ref netmem)
{
	int count = atomic_inc_return_relaxed(&pool->pages_state_release_cnt);

	trace_page_pool_state_release(pool, netmem, count);
}

/* Both counters may wrap; their distance is right up to 2^31. */
s32 page_pool_inflight(const struct page_pool *pool, bool strict)
{
	u32 release = atomic_read(&pool->pages_state_release_cnt);
	u32 hold = READ_ONCE(pool->pages_state_hold_cnt);
	s32 inflight = hold - release;

	if (!strict)
		return max(inflight, 0);

	trace_page_pool_release(pool, inflight, hold, release);
	WARN(inflight < 0, "Negative(%d) inflight packet-pages", inflight);
	return inflight;
}

/* ---- what a page carries while it is out ------------------------------------------------ */

void page_pool_set_pp_info(struct page_pool *pool, netmem_ref netmem)
{
	netmem_set_pp(netmem, pool);
	netmem_or_pp_magic(netmem, PP_SIGNATURE);
	/* one piece, until somebody cuts fragments */
	page_pool_fragment_netmem(netmem, 1);
	if (pool->has_init_callback)
		pool->slow.init_callback(netmem, pool->slow.init_arg);
}

void page_pool_clear_pp_info(netmem_ref netmem)
{
	netmem_clear_pp_magic(netmem);
	netmem_set_pp(netmem, NULL);
}

/* ---- locks that are taken inside softirq and outside ------------------------------------- */

static __always_inline bool bh_safe_lock(spinlock_t *lock)
	__acquires(lock)
{
	bool softirq = in_softirq();

	if (softirq)
		spin_lock(lock);
	else
		spin_lock_bh(lock);
	return softirq;
}

static __always_inline void bh_safe_unlock(spinlock_t *lock, bool softirq)
	__releases(lock)
{
	if (softirq)
		spin_unlock(lock);
	else
		spin_unlock_bh(lock);
}

/* ---- sync for the device ---------------------------------------------------------------- */

/*
 * dma_sync is set only when some mapping of the pool needs syncing, so this asks the pool and
 * not the device: the device is not looked at outside of RCU. Pairs with pool_end_sync().
 */
static __always_inline void sync_for_device(const struct page_pool *pool, netmem_ref netmem,
					    unsigned int len)
{
#if defined(CONFIG_HAS_DMA) && defined(CONFIG_DMA_NEED_SYNC)
	/* a bit-field: one byte, which READ_ONCE() does not take. Its neighbours do not change. */
	if (!data_race(!!pool->dma_sync))
		return;

	rcu_read_lock();
	/* read again: rcu_read_lock() is a compiler barrier at least */
	if (data_race(!!pool->dma_sync))
		__dma_sync_single_for_device(pool->p.dev,
					     page_pool_get_dma_addr_netmem(netmem) + pool->p.offset,
					     min(len, pool->p.max_len), pool->p.dma_dir);
	rcu_read_unlock();
#endif
}

/* No returning thread syncs any more when this has returned. */
static void pool_end_sync(struct chunk_pool *cp)
{
	struct page_pool *pool = &cp->pub;

	if (!pool->dma_sync)
		return;
	pool->dma_sync = false;
	if (!list_empty_careful(&cp->chunks))
		synchronize_net();
}

/* ---- from page to chunk ------------------------------------------------------------------ */

/* Flags for our own records: how the caller may wait, and nothing about the pages' place */
static gfp_t record_gfp(gfp_t gfp)
{
	return gfp & ~(GFP_ZONEMASK | __GFP_COMP | __GFP_ZERO | __GFP_THISNODE);
}

static unsigned long unit_key(const struct chunk *chunk, const struct page *page)
{
	return BY_INDEX ? chunk->id : page_to_pfn(page);
}

/* Chunk of a page that is out, NULL if it is not out. Such a page pins its chunk's record. */
static struct chunk *chunk_of(struct page_pool *pool, struct page *page)
{
	return xa_load(&pool->dma_mapped, BY_INDEX ?
		       netmem_get_dma_index(page_to_netmem(page)) : page_to_pfn(page));
}

static void chunk_unregister(struct page_pool *pool, struct chunk *chunk)
{
	bool softirq;
	u32 i;

	softirq = bh_safe_lock(&pool->dma_mapped.xa_lock);
	for (i = 0; i < (BY_INDEX ? 1 : chunk->n); i++)
		__xa_erase(&pool->dma_mapped, unit_key(chunk, chunk->first + i));
	bh_safe_unlock(&pool->dma_mapped.xa_lock, softirq);
}

/* xa_lock is dropped and taken again where gfp allows to wait; then it was taken with BH off. */
static int chunk_register(struct page_pool *pool, struct chunk *chunk, gfp_t gfp)
{
	bool softirq = in_softirq();
	int err = 0;
	u32 i;

	if (BY_INDEX) {
		err = softirq ?
			xa_alloc(&pool->dma_mapped, &chunk->id, chunk, PP_DMA_INDEX_LIMIT, gfp) :
			xa_alloc_bh(&pool->dma_mapped, &chunk->id, chunk, PP_DMA_INDEX_LIMIT, gfp);
		if (err == -EBUSY)
			pr_warn_once("page_pool: no index left for a DMA mapping\n");
		return err;
	}

	for (i = 0; i < chunk->n && !err; i++) {
		unsigned long key = unit_key(chunk, chunk->first + i);

		err = xa_err(softirq ? xa_store(&pool->dma_mapped, key, chunk, gfp) :
				       xa_store_bh(&pool->dma_mapped, key, chunk, gfp));
	}
	if (err)
		chunk_unregister(pool, chunk);
	return err;
}

/* ---- nodes -------------------------------------------------------------------------------- */

/* The node, or if it has no memory, the nearest that has. */
static int node_with_memory(int nid)
{
	int n, best = NUMA_NO_NODE;

	if (node_state(nid, N_MEMORY))
		return nid;
	for_each_node_state(n, N_MEMORY)
		if (best == NUMA_NO_NODE || node_distance(nid, n) < node_distance(nid, best))
			best = n;
	return best;
}

/* Softirq keeps the consumer on its CPU, so that the node does not change. */
static int preferred_nid(const struct page_pool *pool)
{
	int nid = pool->p.nid;

	if (!IS_ENABLED(CONFIG_NUMA))
		return numa_mem_id();
	return node_with_memory(nid == NUMA_NO_NODE ? numa_mem_id() : nid);
}

/* ---- a chunk's life ---------------------------------------------------------------------- */

static size_t chunk_bytes(const struct chunk *chunk)
{
	return PAGE_SIZE << chunk->order;
}

/* Can each page's address be kept in struct page? Only a 32-bit CPU has trouble with it. */
static bool chunk_addressable(const struct chunk *chunk)
{
	return !page_pool_set_dma_addr(chunk->first, chunk->dma) &&
	       !page_pool_set_dma_addr(chunk->first, chunk->dma + chunk_bytes(chunk) - PAGE_SIZE);
}

/* Its page is one compound page in a pool of a higher order; else it is split into pages. */
static struct page *chunk_pages_alloc(struct page_pool *pool, int nid, unsigned int order,
				      gfp_t gfp)
{
	struct page *page;
	unsigned int i;

	if (pool->p.order)
		return alloc_pages_node(nid, gfp | __GFP_COMP, order);

	page = alloc_pages_node(nid, gfp, order);
	if (!page || !order)
		return page;

	split_page(page, order);
	for (i = 0; i < 1U << order; i++)
		clear_page_pfmemalloc(page + i); /* pp_magic of the tails is anything */
	return page;
}

/* Drop the chunk's reference of each page that is home. It is not mapped any more. */
static void units_put(struct page *first, const unsigned long *home, unsigned int n)
{
	struct page *batch[32];
	unsigned int i, count = 0;

	for_each_set_bit(i, home, n) {
		batch[count++] = first + i;
		if (count == ARRAY_SIZE(batch)) {
			release_pages(batch, count);
			count = 0;
		}
	}
	release_pages(batch, count);
}

static void chunk_dma_unmap(struct chunk_pool *cp, const struct chunk *chunk)
{
	struct page_pool *pool = &cp->pub;

	dma_unmap_page_attrs(pool->p.dev, chunk->dma, chunk_bytes(chunk), pool->p.dma_dir,
			     MAP_ATTRS);
}

/* Through bounce buffers? True also where dma_need_sync() can't tell, and the device may. */
static bool chunk_bounces(const struct chunk_pool *cp, const struct chunk *chunk)
{
	return cp->may_bounce && dma_need_sync(cp->pub.p.dev, chunk->dma);
}

/*
 * Return: it is mapped, and all its addresses can be used. A large chunk must not bounce: each of
 * its pages would occupy a buffer, home or not, and what makes it bounce may be its size alone.
 */
static bool chunk_map(struct chunk_pool *cp, struct chunk *chunk)
{
	struct page_pool *pool = &cp->pub;
	unsigned long attrs = MAP_ATTRS;

	if (chunk->n > 1)
		attrs |= DMA_ATTR_NO_WARN; /* a smaller one is tried next */
	chunk->dma = dma_map_page_attrs(pool->p.dev, chunk->first, 0, chunk_bytes(chunk),
					pool->p.dma_dir, attrs);
	if (dma_mapping_error(pool->p.dev, chunk->dma))
		return false;
	if (chunk_bounces(cp, chunk)) {
		chunk->keep = false;
		if (chunk->n > 1) {
			cp->order_max = 0;
			goto unmap;
		}
	}
	if (WARN_ONCE(!chunk_addressable(chunk), "page_pool: DMA address %pad does not fit\n",
		      &chunk->dma))
		goto unmap;
	page_pool_set_dma_addr(chunk->first, 0);
	return true;

unmap:
	page_pool_set_dma_addr(chunk->first, 0);
	chunk_dma_unmap(cp, chunk);
	return false;
}

/* The record of a chunk that is to be mapped, with all its pages home */
static struct chunk *chunk_record(struct page *page, unsigned int n, unsigned int order, gfp_t gfp)
{
	int nid = page_to_nid(page);
	struct chunk *chunk;

	chunk = kzalloc_node(struct_size(chunk, bits, 2 * BITS_TO_LONGS(n)), gfp, nid);
	if (!chunk)
		return NULL;

	chunk->first = page;
	chunk->n = n;
	chunk->n_free = n;
	chunk->nid = nid;
	chunk->order = order;
	chunk->class = HOME_NONE;
	chunk->keep = !page_is_pfmemalloc(page);
	INIT_LIST_HEAD(&chunk->by_home);
	bitmap_set(chunk->bits, 0, n);
	return chunk;
}

/* A mapped chunk with all pages home, which nobody else knows yet; the consumer's call */
static struct chunk *chunk_create(struct chunk_pool *cp, unsigned int order, gfp_t gfp)
{
	struct page_pool *pool = &cp->pub;
	unsigned int n = pool->p.order ? 1 : 1U << order;
	int nid = preferred_nid(pool);
	struct chunk *chunk;
	struct page *page;

	page = chunk_pages_alloc(pool, nid, order, gfp);
	if (!page)
		return NULL;

	chunk = chunk_record(page, n, order, record_gfp(gfp));
	if (!chunk)
		goto put;
	if (!chunk_map(cp, chunk))
		goto free;
	if (chunk_register(pool, chunk, record_gfp(gfp)))
		goto unmap;

	if (cp->want_sync && dma_dev_need_sync(pool->p.dev))
		pool->dma_sync = true;
	return chunk;

unmap:
	chunk_dma_unmap(cp, chunk);
free:
	kfree(chunk);
put:
	while (n--)
		put_page(page + n);
	return NULL;
}

static unsigned long *busy_bits(struct chunk *chunk)
{
	return chunk->bits + BITS_TO_LONGS(chunk->n);
}

static bool all_home(const struct chunk *chunk)
{
	return chunk->n_free + chunk->n_busy == chunk->n;
}

/* Can a home page be given out? Nobody else has a reference of it, and it is in order. */
static bool page_free(const struct page *page)
{
	return page_ref_count(page) == 1 && !PageHWPoison(page);
}

/* Count pages of a chunk as free that were not, or no longer. */
static void chunk_count_free(struct chunk_pool *cp, struct chunk *chunk, int more)
{
	chunk->n_free += more;
	cp->home[chunk->nid].n_free += more;
}

static enum home_class chunk_class(const struct chunk *chunk)
{
	if (chunk->state != CHUNK_MAPPED || chunk->n_free + chunk->n_busy == 0)
		return HOME_NONE;
	if (!chunk->n_free)
		return HOME_BUSY;
	if (all_home(chunk))
		return HOME_ALL;
	/* more than one page: n is 1 << order */
	return HOME_FEW + (chunk->n_free * (HOME_ALL - HOME_FEW) >> chunk->order);
}

/* File a chunk under what it has home now. */
static void chunk_file(struct chunk_pool *cp, struct chunk *chunk)
{
	enum home_class class = chunk_class(chunk);

	lockdep_assert_held(&cp->lock);

	if (class == chunk->class)
		return;
	if (class == HOME_ALL)
		cp->n_idle += 1U << chunk->order;
	if (chunk->class == HOME_ALL) {
		cp->n_idle -= 1U << chunk->order;
		cp->idle_low = min(cp->idle_low, cp->n_idle);
	}
	chunk->class = class;
	if (class == HOME_NONE)
		list_del_init(&chunk->by_home);
	else if (class == HOME_BUSY) /* it is looked at after those that are busy for longer */
		list_move_tail(&chunk->by_home, &cp->home[chunk->nid].chunks[class]);
	else
		list_move(&chunk->by_home, &cp->home[chunk->nid].chunks[class]);
}

static void chunk_join(struct chunk_pool *cp, struct chunk *chunk)
{
	lockdep_assert_held(&cp->lock);

	list_add(&chunk->all, &cp->chunks);
	cp->n_pages += 1U << chunk->order;
	cp->home[chunk->nid].n_free += chunk->n_free;
	chunk_file(cp, chunk);
}

/* Out of the pool, to be unmapped by the caller when it has dropped the lock. */
static void chunk_leave(struct chunk_pool *cp, struct chunk *chunk)
{
	lockdep_assert_held(&cp->lock);

	chunk->state = CHUNK_ENDING;
	chunk_file(cp, chunk);
	list_del(&chunk->all);
	cp->n_pages -= 1U << chunk->order;
	cp->home[chunk->nid].n_free -= chunk->n_free;
}

/* The same for one that has all pages home. Nobody can reach it any more but by chunk_end(). */
static void chunk_leave_whole(struct chunk_pool *cp, struct chunk *chunk)
{
	chunk_leave(cp, chunk);
	chunk_unregister(&cp->pub, chunk);
	cp->n_ending++;
}

/* Unmap and free what chunk_leave_whole() took out. */
static void chunk_end(struct chunk_pool *cp, struct chunk *chunk)
{
	bool softirq;

	chunk_dma_unmap(cp, chunk);
	softirq = bh_safe_lock(&cp->lock);
	if (!--cp->n_ending && cp->revoked)
		wake_up(&cp->ended);
	bh_safe_unlock(&cp->lock, softirq);

	bitmap_set(chunk->bits, 0, chunk->n);
	units_put(chunk->first, chunk->bits, chunk->n);
	kfree(chunk);
}

/* Which of the pages at first that bits names are free now? */
static unsigned long pages_settle(struct page *first, unsigned long bits)
{
	unsigned long left, free = 0;

	for (left = bits; left; left &= left - 1) {
		struct page *page = first + __ffs(left);

		if (!page_free(page))
			continue;
		clear_page_pfmemalloc(page); /* pp_magic: what others left there */
		free |= left & -left;
	}
	return free;
}

/* Look at a chunk's busy pages. */
static void chunk_settle(struct chunk_pool *cp, struct chunk *chunk)
{
	unsigned long free, *busy = busy_bits(chunk);
	unsigned int i, found = 0;

	for (i = 0; i < BITS_TO_LONGS(chunk->n); i++) {
		free = pages_settle(chunk->first + i * BITS_PER_LONG, busy[i]);
		busy[i] &= ~free;
		chunk->bits[i] |= free;
		found += hweight_long(free);
	}
	chunk->n_busy -= found;
	chunk_count_free(cp, chunk, found);
	chunk_file(cp, chunk);
}

/*
 * All pages of a chunk are home: has the pool a use for one more that is idle? If much of it is
 * busy it goes: what others hold goes with it then, and is the pool's no longer.
 */
static bool chunk_keep(struct chunk_pool *cp, struct chunk *chunk)
{
	int nid = READ_ONCE(cp->pub.p.nid);

	if (!chunk->keep || cp->n_idle >= IDLE_PAGES)
		return false;
	if (IS_ENABLED(CONFIG_NUMA) && nid != NUMA_NO_NODE && node_with_memory(nid) != chunk->nid)
		return false;
	if (chunk->n_busy > chunk->n / BUSY_SHARE)
		chunk_settle(cp, chunk);
	return chunk->n_busy <= chunk->n / BUSY_SHARE;
}

/* ---- giving idle chunks back -------------------------------------------------------------- */

/* Take an idle chunk that is not of node keep out of the pool; chunk_end() is the caller's. */
static struct chunk *pool_leave_idle(struct chunk_pool *cp, int keep)
{
	struct chunk *chunk, *found = NULL;
	bool softirq;
	int nid;

	softirq = bh_safe_lock(&cp->lock);
	for (nid = 0; nid < nr_node_ids && !found; nid++) {
		if (nid == keep)
			continue;
		chunk = list_first_entry_or_null(&cp->home[nid].chunks[HOME_ALL], struct chunk,
						 by_home);
		if (chunk) {
			chunk_leave_whole(cp, chunk);
			found = chunk;
		}
	}
	bh_safe_unlock(&cp->lock, softirq);
	return found;
}

/* Give back idle chunks, of other nodes than keep, until it is so many pages. */
static unsigned long pool_trim(struct chunk_pool *cp, unsigned long pages, int keep)
{
	unsigned long freed = 0;
	struct chunk *chunk;

	while (freed < pages && READ_ONCE(cp->n_idle)) {
		chunk = pool_leave_idle(cp, keep);
		if (!chunk)
			break;
		freed += 1UL << chunk->order;
		chunk_end(cp, chunk);
	}
	return freed;
}

/* ---- giving out what is home, and growing ------------------------------------------------ */

/* A page that was home and free goes out, if it is free still. */
static bool chunk_take_page(struct chunk *chunk, unsigned int bit, netmem_ref *to)
{
	struct page *page = chunk->first + bit;

	if (unlikely(!page_free(page))) {
		__set_bit(bit, busy_bits(chunk));
		chunk->n_busy++;
		return false;
	}
	page_pool_set_dma_addr(page, chunk->dma + ((dma_addr_t)bit << PAGE_SHIFT));
	if (BY_INDEX)
		netmem_set_dma_index(page_to_netmem(page), chunk->id);
	*to = page_to_netmem(page);
	return true;
}

/* Take up to max of a chunk's free pages. */
static unsigned int chunk_take(struct chunk_pool *cp, struct chunk *chunk, netmem_ref *to,
			       unsigned int max)
{
	unsigned int i, looked = 0, n = 0;
	unsigned long left;

	lockdep_assert_held(&cp->lock);

	for (i = 0; i < BITS_TO_LONGS(chunk->n) && n < max; i++) {
		for (left = chunk->bits[i]; left && n < max; left &= left - 1) {
			n += chunk_take_page(chunk, i * BITS_PER_LONG + __ffs(left), to + n);
			looked++;
		}
		chunk->bits[i] = left;
	}
	chunk_count_free(cp, chunk, -looked);
	chunk_file(cp, chunk);
	return n;
}

/* From the chunks with the fewest pages free, so that the others become idle some day */
static unsigned int pool_take(struct chunk_pool *cp, int nid, netmem_ref *to, unsigned int max)
{
	struct list_head *chunks = cp->home[nid].chunks;
	unsigned int n = 0;
	bool softirq;
	int class;

	softirq = bh_safe_lock(&cp->lock);
	for (class = HOME_FEW; class < HOME_CLASSES; class++)
		while (n < max && !list_empty(&chunks[class]))
			n += chunk_take(cp, list_first_entry(&chunks[class], struct chunk, by_home),
					to + n, max - n);
	bh_safe_unlock(&cp->lock, softirq);
	return n;
}

/*
 * Look at each busy page of a node once, until so many pages are free: first in the chunks that
 * were not looked at for the longest time. The consumer's call, which drops the lock now and then.
 */
static void pool_settle(struct chunk_pool *cp, int nid, unsigned int want)
{
	struct home *home = &cp->home[nid];
	unsigned int looks = 0;
	struct chunk *chunk;
	LIST_HEAD(todo);
	bool softirq;
	int class;

	softirq = bh_safe_lock(&cp->lock);
	/* downwards, as a chunk may go up; those that are idle have few busy pages */
	for (class = HOME_MOST; class >= HOME_BUSY; class--) {
		list_splice_init(&home->chunks[class], &todo);
		while (home->n_free < want && !list_empty(&todo)) {
			chunk = list_first_entry(&todo, struct chunk, by_home);
			looks += 1 + chunk->n_busy;
			list_move_tail(&chunk->by_home, &home->chunks[class]);
			chunk_settle(cp, chunk);
			if (looks >= LOOKS_MAX) {
				bh_safe_unlock(&cp->lock, softirq);
				looks = 0;
				softirq = bh_safe_lock(&cp->lock);
			}
		}
		list_splice_init(&todo, &home->chunks[class]);
	}
	bh_safe_unlock(&cp->lock, softirq);
}

/* For what we can do without: no reclaim, no reserves, no complaint, no other node */
static gfp_t opportunistic(gfp_t gfp)
{
	gfp &= ~(__GFP_RECLAIM | __GFP_HIGH | __GFP_MEMALLOC | __GFP_NOFAIL |
		 __GFP_RETRY_MAYFAIL | __GFP_COMP);
	return gfp | __GFP_NOWARN | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_THISNODE;
}

/* For more than the first page */
static gfp_t no_wait(gfp_t gfp)
{
	return (gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN;
}

/*
 * Order of the next chunk: the pool about doubles. pool_size is the driver's word on how many
 * pages it will have out, so the first chunk may be as large.
 */
static unsigned int chunk_order_next(const struct chunk_pool *cp)
{
	unsigned int pages = max3(READ_ONCE(cp->n_pages), cp->pub.p.pool_size, 1U);

	return min3(max_t(unsigned int, ilog2(pages), CHUNK_ORDER_MIN), cp->order_max,
		    cp->order_ok + !cp->patience);
}

/*
 * The largest chunk that is to be had. When memory is fragmented, one order above what was found
 * last is tried again after PATIENCE pages: few vain attempts, and a way back up.
 */
static struct chunk *pool_chunk_create(struct chunk_pool *cp, gfp_t gfp)
{
	unsigned int order = cp->pub.p.order;
	struct chunk *chunk;

	if (order)
		return chunk_create(cp, order, gfp);

	for (order = chunk_order_next(cp); order; order--) {
		chunk = chunk_create(cp, order, opportunistic(gfp));
		if (chunk)
			break;
		cp->patience = PATIENCE;
	}
	if (!order)
		chunk = chunk_create(cp, 0, gfp);
	cp->order_ok = order;
	cp->patience -= min(cp->patience, 1U << order);
	return chunk;
}

/* Add chunks until there are max pages to give out; with no wait for more than the first. */
static unsigned int pool_grow(struct chunk_pool *cp, netmem_ref *to, unsigned int max, gfp_t gfp)
{
	unsigned int n = 0;
	struct chunk *chunk;
	bool softirq;

	do {
		chunk = pool_chunk_create(cp, gfp);
		if (!chunk)
			break;
		softirq = bh_safe_lock(&cp->lock);
		chunk_join(cp, chunk);
		n += chunk_take(cp, chunk, to + n, max - n);
		bh_safe_unlock(&cp->lock, softirq);
		gfp = no_wait(gfp);
	} while (n < max);
	return n;
}

/*
 * Pages of other nodes, if as many are free as the pool would grow by: they can't go as long as
 * some of their chunks are out, and what a pool holds and does not use must have an end.
 */
static unsigned int pool_take_far(struct chunk_pool *cp, int near, netmem_ref *to,
				  unsigned int max)
{
	unsigned int want = cp->pub.p.order ? 1 : 1U << chunk_order_next(cp);
	unsigned int found = 0, n = 0;
	int nid;

	for (nid = 0; nid < nr_node_ids && found < want; nid++) {
		if (nid == near)
			continue;
		pool_settle(cp, nid, want - found);
		found += READ_ONCE(cp->home[nid].n_free);
	}
	if (found < want)
		return 0;
	for (nid = 0; nid < nr_node_ids && n < max; nid++)
		if (nid != near)
			n += pool_take(cp, nid, to + n, max - n);
	return n;
}

/*
 * Up to max pages of a pool that maps. If all that is home is used up, the pool grows, even if a
 * few were found: before it does, it looks at each busy page, and that should not come often.
 */
static unsigned int pool_take_or_grow(struct chunk_pool *cp, netmem_ref *to, unsigned int max,
				      gfp_t gfp)
{
	int nid = preferred_nid(&cp->pub);
	unsigned int n;

	n = pool_take(cp, nid, to, max);
	if (n)
		return n;
	pool_settle(cp, nid, max);
	n = pool_take(cp, nid, to, max);
	if (n == max)
		return n;

	pool_trim(cp, ULONG_MAX, nid);
	n += pool_take_far(cp, nid, to + n, max - n);
	if (n == max)
		return n;
	return n + pool_grow(cp, to + n, max - n, n ? no_wait(gfp) : gfp);
}

/* ---- memory pressure and decay ------------------------------------------------------------- */

/* The next pool that this walk has not seen, or NULL. pools_lock may be dropped in between. */
static struct chunk_pool *pools_next(unsigned long round)
{
	struct chunk_pool *cp = list_first_entry_or_null(&pools, struct chunk_pool, link);

	lockdep_assert_held(&pools_lock);

	if (!cp || cp->round == round)
		return NULL;
	cp->round = round;
	list_move_tail(&cp->link, &pools);
	return cp;
}

static unsigned long pools_round; /* the last walk; protected by pools_lock */

static unsigned long shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long pages = 0;
	struct chunk_pool *cp;

	if (!mutex_trylock(&pools_lock))
		return 0;
	list_for_each_entry(cp, &pools, link)
		pages += READ_ONCE(cp->n_idle);
	mutex_unlock(&pools_lock);
	return pages ?: SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long round, freed = 0;
	struct chunk_pool *cp;

	if (!mutex_trylock(&pools_lock))
		return SHRINK_STOP;
	round = ++pools_round;
	while (freed < sc->nr_to_scan) {
		cp = pools_next(round);
		if (!cp)
			break;
		freed += pool_trim(cp, sc->nr_to_scan - freed, NUMA_NO_NODE);
		mutex_unlock(&pools_lock);
		if (!mutex_trylock(&pools_lock))
			return freed;
	}
	mutex_unlock(&pools_lock);
	return freed ?: SHRINK_STOP;
}

static void pools_decay(struct work_struct *work);
static DECLARE_DELAYED_WORK(decay_work, pools_decay);

/* Some chunk is idle. */
static void decay_start(void)
{
	if (!delayed_work_pending(&decay_work))
		schedule_delayed_work(&decay_work, DECAY);
}

/* Give back what was idle in a pool all the time since it was here last. Return: some is left */
static bool pool_decay(struct chunk_pool *cp)
{
	unsigned int unused;
	bool softirq, more;

	softirq = bh_safe_lock(&cp->lock);
	unused = cp->idle_low;
	bh_safe_unlock(&cp->lock, softirq);

	pool_trim(cp, unused, NUMA_NO_NODE);

	softirq = bh_safe_lock(&cp->lock);
	cp->idle_low = cp->n_idle;
	more = cp->n_idle;
	bh_safe_unlock(&cp->lock, softirq);
	return more;
}

static void pools_decay(struct work_struct *work)
{
	struct chunk_pool *cp;
	unsigned long round;
	bool more = false;

	mutex_lock(&pools_lock);
	round = ++pools_round;
	while ((cp = pools_next(round))) {
		more |= pool_decay(cp);
		mutex_unlock(&pools_lock);
		cond_resched();
		mutex_lock(&pools_lock);
	}
	mutex_unlock(&pools_lock);
	if (more)
		decay_start();
}

static int __init page_pool_shrinker_init(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "page_pool");

	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = shrink_count;
	shrinker->scan_objects = shrink_scan;
	shrinker_register(shrinker);
	return 0;
}
subsys_initcall(page_pool_shrinker_init);

/* Only pools that may have chunks; at the head, as walks move what they have seen to the tail. */
static void pools_add(struct chunk_pool *cp)
{
	if (!cp->pub.dma_map || cp->pub.mp_ops)
		return;
	mutex_lock(&pools_lock);
	list_add(&cp->link, &pools);
	mutex_unlock(&pools_lock);
}

/* Nobody trims it any more when this has returned. */
static void pools_remove(struct chunk_pool *cp)
{
	mutex_lock(&pools_lock);
	list_del_init(&cp->link);
	mutex_unlock(&pools_lock);
}

/* ---- coming home, and the end of all mappings --------------------------------------------- */

/* Count one more of a chunk's pages as home. */
static void chunk_bring_home(struct chunk_pool *cp, struct chunk *chunk, struct page *page)
{
	lockdep_assert_held(&cp->lock);

	if (chunk->state == CHUNK_UNMAPPED) {
		chunk->n_free++;
	} else if (!page_free(page)) {
		__set_bit(page - chunk->first, busy_bits(chunk));
		chunk->n_busy++;
	} else {
		__set_bit(page - chunk->first, chunk->bits);
		if (chunk->state == CHUNK_MAPPED)
			chunk_count_free(cp, chunk, 1);
		else
			chunk->n_free++; /* no longer among those of its node */
	}
}

/*
 * A page comes home. The chunk's reference stays; it is dropped only when the mapping is gone:
 * with that of all pages, or, in an unmapped chunk, page by page. Return: it was out.
 */
static bool pool_bring_home(struct chunk_pool *cp, struct page *page)
{
	struct chunk *chunk = chunk_of(&cp->pub, page);
	bool softirq, whole, unmapped, idle = false, end = false;

	if (WARN_ONCE(!chunk, "page_pool: page %p is released and was not out\n", page))
		return false;

	page_pool_set_dma_addr(page, 0);
	if (BY_INDEX)
		netmem_set_dma_index(page_to_netmem(page), 0);
	page_pool_clear_pp_info(page_to_netmem(page));

	softirq = bh_safe_lock(&cp->lock);
	chunk_bring_home(cp, chunk, page);
	unmapped = chunk->state == CHUNK_UNMAPPED;
	whole = all_home(chunk);
	if (unlikely(whole)) {
		end = chunk->state == CHUNK_MAPPED && !chunk_keep(cp, chunk);
		if (unmapped)
			chunk_unregister(&cp->pub, chunk);
		else if (end)
			chunk_leave_whole(cp, chunk);
		else
			chunk_file(cp, chunk);
		idle = chunk->class == HOME_ALL;
	} else {
		chunk_file(cp, chunk);
	}
	bh_safe_unlock(&cp->lock, softirq);

	if (unmapped)
		put_page(page); /* the others went the same way */
	if (end)
		chunk_end(cp, chunk);
	else if (whole && unmapped)
		kfree(chunk);
	else if (idle)
		decay_start();
	return true;
}

/* Unmap one chunk of a destroyed pool, and give back what is home. Return: there was one */
static bool pool_revoke_chunk(struct chunk_pool *cp)
{
	DECLARE_BITMAP(home, CHUNK_PAGES);
	struct chunk *chunk;
	struct page *first;
	bool softirq, last;
	unsigned int n;

	softirq = bh_safe_lock(&cp->lock);
	chunk = list_first_entry_or_null(&cp->chunks, struct chunk, all);
	if (chunk)
		chunk_leave(cp, chunk);
	else
		cp->revoked = true;
	bh_safe_unlock(&cp->lock, softirq);
	if (!chunk)
		return false;

	chunk_dma_unmap(cp, chunk);

	softirq = bh_safe_lock(&cp->lock);
	chunk->state = CHUNK_UNMAPPED;
	first = chunk->first;
	n = chunk->n;
	bitmap_or(home, chunk->bits, busy_bits(chunk), n);
	last = all_home(chunk);
	if (last)
		chunk_unregister(&cp->pub, chunk);
	bh_safe_unlock(&cp->lock, softirq);

	/* if not the last one: whose pages are all back by now may be freed already */
	if (last)
		kfree(chunk);
	units_put(first, home, n);
	return true;
}

/* Unmap all chunks of a destroyed pool, and see to it that nobody else is still unmapping one. */
static void pool_revoke(struct chunk_pool *cp)
{
	pool_end_sync(cp);
	while (pool_revoke_chunk(cp))
		cond_resched();
	wait_event(cp->ended, !READ_ONCE(cp->n_ending));
}

/* ---- create ------------------------------------------------------------------------------- */

static int params_check(const struct page_pool *pool)
{
	unsigned int flags = pool->slow.flags;

	if (flags & ~PP_FLAG_ALL)
		return -EINVAL;
	if (flags & PP_FLAG_DMA_MAP && pool->p.dma_dir != DMA_FROM_DEVICE &&
	    pool->p.dma_dir != DMA_BIDIRECTIONAL)
		return -EINVAL;
	if (flags & PP_FLAG_DMA_SYNC_DEV && (!(flags & PP_FLAG_DMA_MAP) || !pool->p.max_len))
		return -EINVAL;
	return 0;
}

/* If the receive queue has a memory provider, the pool is a front for it and has no chunks. */
static int provider_init(struct page_pool *pool)
{
	struct netdev_rx_queue *rxq;
	int err;

	if (!(pool->slow.flags & PP_FLAG_ALLOW_UNREADABLE_NETMEM))
		return 0;

	ASSERT_RTNL(); /* the queue's configuration stays as it is */
	rxq = __netif_get_rx_queue(pool->slow.netdev, pool->slow.queue_idx);
	pool->mp_priv = rxq->mp_params.mp_priv;
	pool->mp_ops = rxq->mp_params.mp_ops;
	if (!pool->mp_ops)
		return 0;

	if (!pool->dma_map || !(pool->slow.flags & PP_FLAG_DMA_SYNC_DEV))
		return -EOPNOTSUPP;
	if (WARN_ON(!is_kernel_rodata((unsigned long)pool->mp_ops)))
		return -EFAULT;

	pool->dma_sync = true; /* until the provider says otherwise */
	err = pool->mp_ops->init(pool);
	if (err) {
		pr_warn("page_pool: memory provider gave up with errno %d\n", err);
		return err;
	}
	static_branch_inc(&page_pool_mem_providers);
	return 0;
}

static void chunks_init(struct chunk_pool *cp)
{
	struct page_pool *pool = &cp->pub;
	int nid, class;
	size_t most;

	spin_lock_init(&cp->lock);
	init_waitqueue_head(&cp->ended);
	INIT_LIST_HEAD(&cp->chunks);
	INIT_LIST_HEAD(&cp->link);
	for (nid = 0; nid < nr_node_ids; nid++)
		for (class = 0; class < HOME_CLASSES; class++)
			INIT_LIST_HEAD(&cp->home[nid].chunks[class]);
	xa_init_flags(&pool->dma_mapped, XA_FLAGS_ALLOC1);

	/* a device that goes through bounce buffers has a limit */
	cp->order_max = CHUNK_ORDER;
	if (pool->dma_map && pool->p.dev) {
		most = dma_max_mapping_size(pool->p.dev);
		cp->may_bounce = most != SIZE_MAX;
		cp->order_max = min_t(size_t, CHUNK_ORDER,
				      ilog2(max_t(size_t, most, PAGE_SIZE)) - PAGE_SHIFT);
	}
	cp->order_ok = cp->order_max;
}

static int pool_init(struct chunk_pool *cp, const struct page_pool_params *params, int cpuid)
{
	struct page_pool *pool = &cp->pub;
	int err;

	pool->p = params->fast;
	pool->slow = params->slow;
	pool->cpuid = cpuid;
	pool->dma_sync_for_cpu = true;

	err = params_check(pool);
	if (err)
		return err;
	pool->dma_map = pool->slow.flags & PP_FLAG_DMA_MAP;
	cp->want_sync = pool->slow.flags & PP_FLAG_DMA_SYNC_DEV;
	pool->has_init_callback = !!pool->slow.init_callback;
	refcount_set(&pool->user_cnt, 1); /* page_pool_destroy() */
	chunks_init(cp);

	err = stats_init(pool);
	if (err)
		return err;
	err = ptr_ring_init(&pool->ring, min(pool->p.pool_size ?: RING_DEFAULT, RING_MAX),
			    GFP_KERNEL);
	if (err)
		goto stats;
	err = provider_init(pool);
	if (err)
		goto ring;
	return 0;

ring:
	ptr_ring_cleanup(&pool->ring, NULL);
stats:
	stats_free(pool);
	return err;
}

static void pool_uninit(struct chunk_pool *cp)
{
	struct page_pool *pool = &cp->pub;

	ptr_ring_cleanup(&pool->ring, NULL);
	xa_destroy(&pool->dma_mapped);
	stats_free(pool);
	if (pool->mp_ops) {
		pool->mp_ops->destroy(pool);
		static_branch_dec(&page_pool_mem_providers);
	}
}

/**
 * page_pool_create_percpu() - make a page pool that belongs to a CPU
 * @params:	what pool, see struct page_pool_params
 * @cpuid:	pages that are returned in softirq on this CPU may go into the cache; -1: none
 *
 * Return: the pool, which page_pool_destroy() ends, or an error pointer.
 */
struct page_pool *
page_pool_create_percpu(const struct page_pool_params *params, int cpuid)
{
	struct chunk_pool *cp;
	int err;

	cp = kzalloc_node(struct_size(cp, home, nr_node_ids), GFP_KERNEL, params->nid);
	if (!cp)
		return ERR_PTR(-ENOMEM);

	err = pool_init(cp, params, cpuid);
	if (err)
		goto free;
	err = page_pool_list(&cp->pub);
	if (err)
		goto uninit;
	pools_add(cp);
	return &cp->pub;

uninit:
	pool_uninit(cp);
free:
	pr_warn("page_pool: no pool was created, errno %d\n", err);
	kfree(cp);
	return ERR_PTR(err);
}
EXPORT_SYMBOL(page_pool_create_percpu);

/**
 * page_pool_create() - make a page pool
 * @params:	what pool, see struct page_pool_params
 *
 * Return: the pool, which page_pool_destroy() ends, or an error pointer.
 */
struct page_pool *page_pool_create(const struct page_pool_params *params)
{
	return page_pool_create_percpu(params, -1);
}
EXPORT_SYMBOL(page_pool_create);

/* ---- release: out of cache, ring and count ------------------------------------------------ */

/* Nobody but the caller may use the pool afterwards, as it may have been the last page. */
static void pool_release(struct page_pool *pool, netmem_ref netmem)
{
	bool ours = true;

	if (has_provider(pool)) {
		ours = pool->mp_ops->release_netmem(pool, netmem);
	} else if (pool->dma_map) {
		if (!pool_bring_home(chunk_pool(pool), netmem_to_page(netmem)))
			return;
		ours = false;
	}
	count_release(pool, netmem);
	if (ours) {
		page_pool_clear_pp_info(netmem);
		put_page(netmem_to_page(netmem));
	}
}

static void pool_empty_cache(struct page_pool *pool)
{
	while (pool->alloc.count)
		pool_release(pool, pool->alloc.cache[--pool->alloc.count]);
}

/* ---- allocate ------------------------------------------------------------------------------ */

/* Cache is empty: move pages from the ring, as long as they are of the right node. */
static noinline netmem_ref pool_refill(struct page_pool *pool)
{
	struct pp_alloc_cache *cache = &pool->alloc;
	netmem_ref netmem;
	int nid;

	if (__ptr_ring_empty(&pool->ring)) {
		count_alloc(pool, empty);
		return 0;
	}

	nid = preferred_nid(pool);
	while (cache->count < PP_ALLOC_CACHE_REFILL) {
		netmem = (__force netmem_ref)__ptr_ring_consume(&pool->ring);
		if (!netmem)
			break;
		if (unlikely(!netmem_is_pref_nid(netmem, nid))) {
			/* one at a time, and then to the slow path: it costs more */
			pool_release(pool, netmem);
			count_alloc(pool, waive);
			break;
		}
		cache->cache[cache->count++] = netmem;
	}
	if (unlikely(!cache->count))
		return 0;
	count_alloc(pool, refill);
	return cache->cache[--cache->count];
}

/* Pages of a pool that maps nothing: straight from the page allocator */
static unsigned int pool_pages_alloc(struct page_pool *pool, netmem_ref *to, unsigned int max,
				     gfp_t gfp)
{
	struct page *page;

	if (pool->p.order) {
		page = alloc_pages_node(pool->p.nid, gfp | __GFP_COMP, pool->p.order);
		to[0] = page_to_netmem(page);
		return !!page;
	}
	memset(to, 0, max * sizeof(*to)); /* it fills what is NULL */
	return alloc_pages_bulk_array_node(gfp, pool->p.nid, max, (struct page **)to);
}

static noinline netmem_ref pool_alloc_slow(struct page_pool *pool, gfp_t gfp)
{
	unsigned int max = pool->p.order ? 1 : PP_ALLOC_CACHE_REFILL;
	struct chunk_pool *cp = chunk_pool(pool);
	netmem_ref *to = pool->alloc.cache;
	unsigned int i, n;

	/* out of memory in NAPI is no news */
	if ((gfp & GFP_ATOMIC) == GFP_ATOMIC)
		gfp |= __GFP_NOWARN;

	if (pool->dma_map) {
		n = pool_take_or_grow(cp, to, max, gfp);
	} else {
		n = pool_pages_alloc(pool, to, max, gfp);
	}
	if (unlikely(!n))
		return 0;

	for (i = 0; i < n; i++) {
		sync_for_device(pool, to[i], pool->p.max_len);
		page_pool_set_pp_info(pool, to[i]);
		count_hold(pool, to[i]);
	}
	if (pool->p.order)
		count_alloc(pool, slow_high_order);
	else
		count_alloc(pool, slow);
	pool->alloc.count = n - 1;
	return to[n - 1];
}

/* As page_pool_alloc_pages(), for pools whose memory need not be pages */
netmem_ref page_pool_alloc_netmems(struct page_pool *pool, gfp_t gfp)
{
	netmem_ref netmem;

	if (likely(pool->alloc.count)) {
		count_alloc(pool, fast);
		return pool->alloc.cache[--pool->alloc.count];
	}

	netmem = pool_refill(pool);
	if (likely(netmem))
		return netmem;
	if (has_provider(pool))
		return pool->mp_ops->alloc_netmems(pool, gfp);
	return pool_alloc_slow(pool, gfp);
}
EXPORT_SYMBOL(page_pool_alloc_netmems);

/* For the consumer alone: a page, mapped if the pool maps, or NULL */
struct page *page_pool_alloc_pages(struct page_pool *pool, gfp_t gfp)
{
	return netmem_to_page(page_pool_alloc_netmems(pool, gfp));
}
EXPORT_SYMBOL(page_pool_alloc_pages);
ALLOW_ERROR_INJECTION(page_pool_alloc_pages, NULL);

/* ---- return -------------------------------------------------------------------------------- */

/* Nobody else has a reference, and it is not from the emergency reserves. */
static bool recyclable(netmem_ref netmem)
{
	struct page *page = __netmem_to_page(netmem);

	return netmem_is_net_iov(netmem) ||
	       (page_ref_count(page) == 1 && !page_is_pfmemalloc(page));
}

/* Into the cache; only where the consumer cannot run at the same time */
static bool to_cache(struct page_pool *pool, netmem_ref netmem)
{
	if (unlikely(pool->alloc.count == PP_ALLOC_CACHE_SIZE)) {
		count_recycle(pool, cache_full, 1);
		return false;
	}
	pool->alloc.cache[pool->alloc.count++] = netmem;
	count_recycle(pool, cached, 1);
	return true;
}

/* Return: the page, if it is for the ring now; 0: it is dealt with */
static __always_inline netmem_ref pool_return(struct page_pool *pool, netmem_ref netmem,
					      unsigned int sync_len, bool direct)
{
	lockdep_assert_no_hardirq();

	if (likely(recyclable(netmem))) {
		sync_for_device(pool, netmem, sync_len);
		return direct && to_cache(pool, netmem) ? 0 : netmem;
	}
	count_recycle(pool, released_refcnt, 1);
	pool_release(pool, netmem);
	return 0;
}

static bool to_ring(struct page_pool *pool, netmem_ref netmem)
{
	bool softirq = bh_safe_lock(&pool->ring.producer_lock);
	bool full = __ptr_ring_produce(&pool->ring, (__force void *)netmem);

	if (!full)
		count_recycle(pool, ring, 1);
	bh_safe_unlock(&pool->ring.producer_lock, softirq);
	return !full;
}

/*
 * Is this where the consumer runs, so that it does not at the same time? Under PREEMPT_RT it can
 * preempt a softirq.
 */
static bool consumer_here(const struct page_pool *pool)
{
	const struct napi_struct *napi;
	int cpu;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || unlikely(!in_softirq()))
		return false;

	cpu = smp_processor_id();
	if (READ_ONCE(pool->cpuid) == cpu)
		return true;
	napi = READ_ONCE(pool->p.napi);
	return napi && READ_ONCE(napi->list_owner) == cpu;
}

/* The last of the page pool's references of a page has gone. */
void page_pool_put_unrefed_netmem(struct page_pool *pool, netmem_ref netmem,
				  unsigned int dma_sync_size, bool allow_direct)
{
	if (!allow_direct)
		allow_direct = consumer_here(pool);
	netmem = pool_return(pool, netmem, dma_sync_size, allow_direct);
	if (netmem && !to_ring(pool, netmem)) {
		count_recycle(pool, ring_full, 1);
		pool_release(pool, netmem);
	}
}
EXPORT_SYMBOL(page_pool_put_unrefed_netmem);

void page_pool_put_unrefed_page(struct page_pool *pool, struct page *page,
				unsigned int dma_sync_size, bool allow_direct)
{
	page_pool_put_unrefed_netmem(pool, page_to_netmem(page), dma_sync_size, allow_direct);
}
EXPORT_SYMBOL(page_pool_put_unrefed_page);

/**
 * page_pool_put_page_bulk() - drop a reference of each of several pages
 * @pool:	that they are from
 * @data:	addresses within the pages; overwritten
 * @count:	of them
 *
 * Takes the ring's lock once. What finds the ring full is released.
 */
void page_pool_put_page_bulk(struct page_pool *pool, void **data, int count)
{
	bool direct = consumer_here(pool);
	int i, done, n = 0;
	bool softirq;

	for (i = 0; i < count; i++) {
		netmem_ref netmem = page_to_netmem(virt_to_head_page(data[i]));

		if (!page_pool_is_last_ref(netmem))
			continue;
		netmem = pool_return(pool, netmem, -1, direct);
		if (netmem)
			data[n++] = (__force void *)netmem;
	}
	if (!n)
		return;

	softirq = bh_safe_lock(&pool->ring.producer_lock);
	for (done = 0; done < n; done++)
		if (__ptr_ring_produce(&pool->ring, data[done]))
			break;
	count_recycle(pool, ring, done);
	if (done < n)
		count_recycle(pool, ring_full, 1);
	bh_safe_unlock(&pool->ring.producer_lock, softirq);

	while (done < n)
		pool_release(pool, (__force netmem_ref)data[done++]);
}
EXPORT_SYMBOL(page_pool_put_page_bulk);

/* ---- fragments ------------------------------------------------------------------------------ */

/*
 * The open page has FRAG_BIAS references, so that a fragment costs no atomic operation. Drop
 * those that were not given out. Return: nobody has a fragment of it any more
 */
static bool frag_unbias(struct page_pool *pool, netmem_ref netmem)
{
	return page_pool_unref_netmem(netmem, FRAG_BIAS - pool->frag_users) == 0;
}

/* No room in the open page: close it. Return: the page if it can be opened again at once */
static netmem_ref frag_close(struct page_pool *pool, netmem_ref netmem)
{
	if (likely(!frag_unbias(pool, netmem)))
		return 0;
	if (!recyclable(netmem)) {
		pool_release(pool, netmem);
		return 0;
	}
	sync_for_device(pool, netmem, -1);
	count_alloc(pool, fast);
	return netmem;
}

static void pool_drop_frag(struct page_pool *pool)
{
	netmem_ref netmem = pool->frag_page;

	pool->frag_page = 0;
	if (netmem && frag_unbias(pool, netmem))
		pool_release(pool, netmem);
}

/* For the consumer alone: part of a page, at *offset, or 0 */
netmem_ref page_pool_alloc_frag_netmem(struct page_pool *pool, unsigned int *offset,
				       unsigned int size, gfp_t gfp)
{
	unsigned int whole = PAGE_SIZE << pool->p.order;
	netmem_ref netmem = pool->frag_page;

	if (WARN_ON(size > whole))
		return 0;
	size = ALIGN(size, max_t(unsigned int, dma_get_cache_alignment(),
				 __alignof__(struct skb_shared_info)));

	if (netmem && pool->frag_offset + size <= whole) {
		*offset = pool->frag_offset;
		pool->frag_offset += size;
		pool->frag_users++;
		count_alloc(pool, fast);
		return netmem;
	}

	if (netmem)
		netmem = frag_close(pool, netmem);
	if (!netmem)
		netmem = page_pool_alloc_netmems(pool, gfp);
	pool->frag_page = netmem;
	if (unlikely(!netmem))
		return 0;

	page_pool_fragment_netmem(netmem, FRAG_BIAS);
	pool->frag_users = 1;
	pool->frag_offset = size;
	*offset = 0;
	return netmem;
}
EXPORT_SYMBOL(page_pool_alloc_frag_netmem);

struct page *page_pool_alloc_frag(struct page_pool *pool, unsigned int *offset,
				  unsigned int size, gfp_t gfp)
{
	return netmem_to_page(page_pool_alloc_frag_netmem(pool, offset, size, gfp));
}
EXPORT_SYMBOL(page_pool_alloc_frag);

/* ---- destroy -------------------------------------------------------------------------------- */

static void pool_empty_ring(struct page_pool *pool)
{
	netmem_ref netmem;

	while ((netmem = (__force netmem_ref)ptr_ring_consume_bh(&pool->ring))) {
		if (netmem_ref_count(netmem) != 1)
			pr_crit("page_pool: a page in the ring has %d references\n",
				netmem_ref_count(netmem));
		pool_release(pool, netmem);
	}
}

/*
 * The first time, all mappings are ended: when it has returned, the device may go. Producers may
 * still be there, and put pages into the ring, so that it is emptied each time.
 */
static void pool_scrub(struct page_pool *pool)
{
	struct chunk_pool *cp = chunk_pool(pool);

	if (!pool->destroy_cnt) {
		pool_empty_cache(pool);
		pools_remove(cp);
		if (pool->dma_map)
			pool_revoke(cp);
	}
	pool->destroy_cnt++;
	pool_empty_ring(pool);
}

static void pool_free(struct page_pool *pool)
{
	struct chunk_pool *cp = chunk_pool(pool);

	if (pool->disconnect)
		pool->disconnect(pool);
	page_pool_unlist(pool);
	WARN_ON_ONCE(!xa_empty(&pool->dma_mapped));
	pool_uninit(cp);
	kfree(cp);
}

/* Wait until the lock's holder has let it go for good: its memory may be freed next. */
static void lock_quiesce(spinlock_t *lock)
{
	bool softirq = bh_safe_lock(lock);

	bh_safe_unlock(lock, softirq);
}

/*
 * Return: pages that are still out; with none the pool is gone. Who has put the last page into
 * the ring may still hold its lock; and who has brought the last page home, and counted it, may
 * have the store that unlocks cp->lock still to make: the count is no release operation.
 */
static int pool_end(struct page_pool *pool)
{
	int inflight;

	pool_scrub(pool);
	inflight = page_pool_inflight(pool, true);
	lock_quiesce(&pool->ring.producer_lock);
	lock_quiesce(&chunk_pool(pool)->lock);
	if (!inflight)
		pool_free(pool);
	return inflight;
}

/* A pool that netlink does not show says that it waits. */
static void pool_warn_stalled(struct page_pool *pool, int inflight)
{
	const void *netdev = READ_ONCE(pool->slow.netdev);

	if (time_before(jiffies, pool->defer_warn) || (netdev && netdev != NET_PTR_POISON))
		return;
	pr_warn("%s() stalled pool shutdown: id %u, %d inflight %d sec\n",
		"page_pool_release_retry", pool->user.id, inflight,
		(s32)((u32)jiffies - (u32)pool->defer_start) / HZ);
	pool->defer_warn = jiffies + WARN_INTERVAL;
}

static void page_pool_release_retry(struct work_struct *work)
{
	struct page_pool *pool = container_of(to_delayed_work(work), struct page_pool, release_dw);
	int inflight = pool_end(pool);

	/* 0: it is gone; less: somebody returned a page twice, and it never will be */
	if (inflight <= 0)
		return;
	pool_warn_stalled(pool, inflight);
	schedule_delayed_work(&pool->release_dw, RETRY_DELAY);
}

/* XDP's registration is one more user; disconnect is called when the pool goes. */
void page_pool_use_xdp_mem(struct page_pool *pool, void (*disconnect)(void *),
			   const struct xdp_mem_info *mem)
{
	refcount_inc(&pool->user_cnt);
	pool->disconnect = disconnect;
	pool->xdp_mem_id = mem->id;
}

/* Nothing goes into the cache from elsewhere any more. Pairs with consumer_here(). */
void page_pool_disable_direct_recycling(struct page_pool *pool)
{
	WRITE_ONCE(pool->cpuid, -1);
	if (!pool->p.napi)
		return;
	napi_assert_will_not_race(pool->p.napi);
	WRITE_ONCE(pool->p.napi, NULL);
}
EXPORT_SYMBOL(page_pool_disable_direct_recycling);

/* The last user's call ends all mappings, and then the pool, with its last page. */
void page_pool_destroy(struct page_pool *pool)
{
	if (!pool || !page_pool_put(pool))
		return;

	page_pool_disable_direct_recycling(pool);
	pool_drop_frag(pool);
	if (!pool_end(pool))
		return;

	page_pool_detached(pool);
	pool->defer_start = jiffies;
	pool->defer_warn = jiffies + WARN_INTERVAL;
	INIT_DELAYED_WORK(&pool->release_dw, page_pool_release_retry);
	schedule_delayed_work(&pool->release_dw, RETRY_DELAY);
}
EXPORT_SYMBOL(page_pool_destroy);

/* The consumer has moved to another node. */
void page_pool_update_nid(struct page_pool *pool, int new_nid)
{
	trace_page_pool_update_nid(pool, new_nid);
	WRITE_ONCE(pool->p.nid, new_nid);
	pool_empty_cache(pool); /* a refill looks at the node of what it takes */
	if (pool->dma_map)
		pool_trim(chunk_pool(pool), ULONG_MAX, new_nid);
}
EXPORT_SYMBOL(page_pool_update_nid);
