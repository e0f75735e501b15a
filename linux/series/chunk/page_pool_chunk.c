// SPDX-License-Identifier: GPL-2.0
/*
 * page_pool_chunk.c - what a page_pool has mapped, and must unmap
 *
#ifndef STEP_HOME
 * A chunk is memory that is mapped as one: a page of the pool. pool->dma_mapped
 * has an entry for each, and a page that is out carries its chunk's id in
 * pp_magic.
#else
 * A chunk is memory that is mapped as one: a page of the pool, or up to 2 MiB
 * that are split into pages. pool->dma_mapped has an entry for each, and a page
 * that is out carries its chunk's id in pp_magic.
 *
 * A page is out when it is the driver's or the stack's, or in the pool's cache
 * or ring; in-flight is what counts it. Otherwise it is home: free, or busy
 * when somebody else had a reference as the pool last looked at it. A page that
 * is home carries no sign of the pool.
#endif
 *
 * What holds for a chunk:
 *
 *  1. Until it is unmapped it has a reference of its pages, home or out. So no
 *     page reaches the page allocator while the device can reach the page.
 *  2. A page that is out pins its chunk's record.
 *  3. It is unmapped once. Who does that takes it off the list of mapped chunks
 *     first, and is counted until it is done; the scrub unmaps all that are
 *     left, and waits for the others. So nothing is unmapped after
 *     page_pool_destroy() has returned.
 *  4. When it has been unmapped its pages that are home go to the page
 *     allocator at once, and those that are out when they are released.
#ifdef STEP_HOME
 *
 * What holds for a pool: it never has more than the most pages that were out or
 * busy at one time, and 2 * CHUNK_PAGES. It grows only when no page of the node
 * that it wants is free, after a look at each busy one, and when fewer pages of
 * other nodes are free than it would grow by.
#endif
 *
 * Contexts: one consumer at a time allocates, NAPI as a rule; pages are
#ifndef STEP_SHRINKER
 * released from any context but hard interrupt. The lock is not held together
 * with the ring's producer lock; dma_mapped.xa_lock nests inside. Nothing is
 * mapped, unmapped or printed while it is held.
#else
 * released from any context but hard interrupt; the shrinker is reclaim. A
 * pool's lock is taken inside chunk_pools_lock. It is not held together with the
 * ring's producer lock; dma_mapped.xa_lock nests inside. Nothing is mapped,
 * unmapped or printed while it is held.
#endif
 */
#ifdef STEP_HOME
#include <linux/bitmap.h>
#endif
#include <linux/dma-mapping.h>
#ifdef STEP_HOME
#include <linux/find.h>
#endif
#include <linux/list.h>
#ifdef STEP_HOME
#include <linux/log2.h>
#endif
#include <linux/mm.h>
#ifdef STEP_HOME
#include <linux/moduleparam.h>
#endif
#ifdef STEP_SHRINKER
#include <linux/mutex.h>
#endif
#ifdef STEP_HOME
#include <linux/nodemask.h>
#endif
#ifdef STEP_SHRINKER
#include <linux/shrinker.h>
#endif
#include <linux/slab.h>
#ifdef STEP_HOME
#include <linux/topology.h>
#endif
#include <linux/wait.h>
#ifdef STEP_SHRINKER
#include <linux/workqueue.h>
#endif
#include <linux/xarray.h>

#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>

#include "page_pool_priv.h"

#define MAP_ATTRS	(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WEAK_ORDERING)
#ifdef STEP_HOME

#define CHUNK_ORDER	\
	MIN_T(unsigned int, ilog2(SZ_2M) - PAGE_SHIFT, MAX_PAGE_ORDER)
#define CHUNK_PAGES	BIT(CHUNK_ORDER)
#define CHUNK_ORDER_MIN	6		/* of a pool's first chunk */
#define IDLE_PAGES	CHUNK_PAGES	/* with so many idle, no more is kept */
#define PATIENCE	64		/* pages until a larger one is tried */
#define LOOKS_MAX	512		/* busy pages, under one hold of lock */
#define BUSY_SHARE	8		/* keep idle: one in these is busy */
#ifdef STEP_SHRINKER
#define DECAY		(5 * HZ)	/* what was idle so long is given back */
#endif

/* The IOVA allocator has none at hand that is larger (dma_opt_mapping_size()),
 * and a page that stays out keeps its whole chunk in the pool.
 */
static unsigned int chunk_order __read_mostly =
	ilog2(MAX(SZ_128K, PAGE_SIZE)) - PAGE_SHIFT;
module_param_named(order, chunk_order, uint, 0644);
MODULE_PARM_DESC(order, "largest order of chunks, for pools made from now on");

/* How full of home pages a chunk is; struct home has a list for each */
enum home_class {
	HOME_BUSY,			/* some are home, all busy */
	HOME_FEW,			/* so many are free */
	HOME_SOME,
	HOME_MOST,
	HOME_ALL,			/* idle: all are home, and some free */
	HOME_CLASSES,
	HOME_NONE = HOME_CLASSES	/* on no list */
};
#endif

enum chunk_state {
	CHUNK_MAPPED,
	CHUNK_ENDING,			/* somebody is unmapping it */
	CHUNK_UNMAPPED,
};

/**
 * struct chunk - memory that is mapped as one
 * @all:	in page_pool_chunks::mapped while it is CHUNK_MAPPED
#ifdef STEP_HOME
 * @by_home:	in home::chunks[@class] of its node
#endif
 * @first:	its first page
 * @dma:	DMA address of the first page
 * @id:		index in page_pool::dma_mapped
#ifdef STEP_HOME
 * @n:		units that it is split into: pages, or 1 in a pool of a higher
 *		order
 * @n_free:	how many of them are home and free; when unmapped: home
 * @n_busy:	how many are home and busy; does not change when unmapped
 * @nid:	node of the memory
 * @order:	of the allocation
 * @class:	enum home_class
#endif
 * @state:	enum chunk_state
#ifndef STEP_HOME
 * @home:	its page has been released
 *
 * Under page_pool_chunks::lock, apart from what never changes: first, dma, id.
#else
 * @keep:	may be kept when idle: it is not from the emergency reserves,
 *		and does not occupy bounce buffers
 * @bits:	two bitmaps of units: those that are free, those that are busy;
 *		meaningless when unmapped
 *
 * Under page_pool_chunks::lock, apart from what never changes: first, dma, id,
 * n, nid, order, keep.
#endif
 */
struct chunk {
	struct list_head all;
#ifdef STEP_HOME
	struct list_head by_home;
#endif
	struct page *first;
	dma_addr_t dma;
	u32 id;
#ifdef STEP_HOME
	u32 n;
	u32 n_free;
	u32 n_busy;
	int nid;
	u8 order;
	u8 class;
#endif
	u8 state;
#ifndef STEP_HOME
	bool home;
#else
	bool keep;
	unsigned long bits[];
#endif
};
#ifdef STEP_HOME

/**
 * struct home - home pages of a node
 * @chunks:	those with pages home, by enum home_class
 * @n_free:	units in them that are free
 *
 * Under page_pool_chunks::lock.
 */
struct home {
	struct list_head chunks[HOME_CLASSES];
	unsigned int n_free;
};
#endif

/**
 * struct page_pool_chunks - the chunks of a page_pool
 * @pool:	whose they are
#ifdef STEP_HOME
 * @may_bounce:	the device may go through bounce buffers
 * @order_max:	largest chunk that the device can map; the consumer's
 * @order_ok:	order of the chunk that was allocated last; the consumer's
 * @patience:	so many pages later a larger one may be tried; the consumer's
#endif
 * @lock:	protects what follows, and the chunks; BH is off meanwhile
 * @mapped:	all mapped chunks
#ifdef STEP_HOME
 * @recent:	that of the page that was released last, or NULL
 * @n_pages:	pages in mapped chunks
#ifdef STEP_HELD
 * @n_home:	units in mapped chunks that are home
#endif
 * @n_idle:	pages in idle chunks
#ifdef STEP_SHRINKER
 * @idle_low:	the least that @n_idle has been since the last decay
#endif
#endif
 * @n_ending:	chunks that others than the scrub are unmapping
 * @revoked:	the scrub waits for @n_ending to be 0
 * @ended:	where it waits
#ifdef STEP_SHRINKER
 * @link:	in chunk_pools; protected by chunk_pools_lock
 * @round:	when a walk was here; protected by chunk_pools_lock
#endif
#ifdef STEP_HOME
 * @home:	home pages, by node; under @lock
#endif
 */
struct page_pool_chunks {
	struct page_pool *pool;
#ifdef STEP_HOME
	bool may_bounce;
	u8 order_max;
	u8 order_ok;
	unsigned int patience;

#endif
	spinlock_t lock; /* what follows, and the chunks */
	struct list_head mapped;
#ifdef STEP_HOME
	struct chunk *recent;
	unsigned int n_pages;
#ifdef STEP_HELD
	unsigned int n_home;
#endif
	unsigned int n_idle;
#ifdef STEP_SHRINKER
	unsigned int idle_low;
#endif
#endif
	unsigned int n_ending;
	bool revoked;
	wait_queue_head_t ended;
#ifdef STEP_SHRINKER

	struct list_head link;
	unsigned long round;
#endif
#ifdef STEP_HOME

	struct home home[];
#endif
};
#ifdef STEP_SHRINKER

/* Pools that map, for the shrinker and decay. Held while one pool gives idle
 * chunks back or all are counted, never longer, and nothing is allocated
 * meanwhile.
 */
static LIST_HEAD(chunk_pools);
static DEFINE_MUTEX(chunk_pools_lock);
#endif

static bool chunks_lock(struct page_pool_chunks *chunks)
	__acquires(&chunks->lock)
{
	bool in_softirq = in_softirq();

	if (in_softirq)
		spin_lock(&chunks->lock);
	else
		spin_lock_bh(&chunks->lock);
	return in_softirq;
}

static void chunks_unlock(struct page_pool_chunks *chunks, bool in_softirq)
	__releases(&chunks->lock)
{
	if (in_softirq)
		spin_unlock(&chunks->lock);
	else
		spin_unlock_bh(&chunks->lock);
}

/* Under page_pool_chunks::lock, for those who read the count without it */
static void count_add(unsigned int *count, int by)
{
	WRITE_ONCE(*count, *count + by);
}

/* Flags for a record: how the caller may wait, and nothing about pages */
static gfp_t record_gfp(gfp_t gfp)
{
	return gfp & ~(GFP_ZONEMASK | __GFP_COMP | __GFP_ZERO | __GFP_THISNODE);
}

#ifndef STEP_HOME
/* The chunk of a page that is out, which pins its record */
#else
/* The chunk of a page that is out, which pins its record. Pages that come after
 * each other are often of one chunk.
 */
#endif
static struct chunk *chunk_of(struct page_pool_chunks *chunks, u32 id)
{
	lockdep_assert_held(&chunks->lock);

#ifndef STEP_HOME
	return xa_load(&chunks->pool->dma_mapped, id);
#else
	if (!chunks->recent || chunks->recent->id != id)
		chunks->recent = xa_load(&chunks->pool->dma_mapped, id);
	return chunks->recent;
#endif
}

static int chunk_register(struct page_pool *pool, struct chunk *chunk,
			  gfp_t gfp)
{
	int err;

	if (in_softirq())
		err = xa_alloc(&pool->dma_mapped, &chunk->id, chunk,
			       PP_DMA_INDEX_LIMIT, gfp);
	else
		err = xa_alloc_bh(&pool->dma_mapped, &chunk->id, chunk,
				  PP_DMA_INDEX_LIMIT, gfp);
	WARN_ONCE(err && err != -ENOMEM,
		  "couldn't track DMA mapping, please report to netdev@");
	return err;
}

/* Under page_pool_chunks::lock, so that BH is off */
static void chunk_unregister(struct page_pool_chunks *chunks,
			     struct chunk *chunk)
{
	lockdep_assert_held(&chunks->lock);

#ifdef STEP_HOME
	if (chunks->recent == chunk)
		chunks->recent = NULL;
#endif
	xa_lock(&chunks->pool->dma_mapped);
	__xa_erase(&chunks->pool->dma_mapped, chunk->id);
	xa_unlock(&chunks->pool->dma_mapped);
}
#ifndef STEP_HOME

static void chunk_dma_unmap(struct page_pool *pool, const struct chunk *chunk)
{
	dma_unmap_page_attrs(pool->p.dev, chunk->dma,
			     PAGE_SIZE << pool->p.order, pool->p.dma_dir,
			     MAP_ATTRS);
}

static void chunk_join(struct page_pool_chunks *chunks, struct chunk *chunk)
{
	lockdep_assert_held(&chunks->lock);

	list_add(&chunk->all, &chunks->mapped);
}

/* Out of the list, to be unmapped by the caller when it has dropped the lock */
static void chunk_leave(struct page_pool_chunks *chunks, struct chunk *chunk)
{
	lockdep_assert_held(&chunks->lock);

	chunk->state = CHUNK_ENDING;
	list_del(&chunk->all);
}
#else

static size_t chunk_bytes(const struct chunk *chunk)
{
	return PAGE_SIZE << chunk->order;
}

static void chunk_dma_unmap(struct page_pool *pool, const struct chunk *chunk)
{
	dma_unmap_page_attrs(pool->p.dev, chunk->dma, chunk_bytes(chunk),
			     pool->p.dma_dir, MAP_ATTRS);
}

static unsigned long *busy_bits(struct chunk *chunk)
{
	return chunk->bits + BITS_TO_LONGS(chunk->n);
}

static bool all_home(const struct chunk *chunk)
{
	return chunk->n_free + chunk->n_busy == chunk->n;
}

/* Can a home page be given out? It is ours alone, and in order. */
static bool page_free(const struct page *page)
{
	return page_ref_count(page) == 1 && !PageHWPoison(page);
}

/* Count pages of a mapped chunk as free that were not, or no longer. */
static void chunk_count_free(struct page_pool_chunks *chunks,
			     struct chunk *chunk, int more)
{
	chunk->n_free += more;
	count_add(&chunks->home[chunk->nid].n_free, more);
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
	return HOME_FEW +
	       (chunk->n_free * (HOME_ALL - HOME_FEW) >> chunk->order);
}

/* File a chunk under what it has home now. */
static void chunk_file(struct page_pool_chunks *chunks, struct chunk *chunk)
{
	enum home_class class = chunk_class(chunk);
	struct home *home = &chunks->home[chunk->nid];

	lockdep_assert_held(&chunks->lock);

	if (class == chunk->class)
		return;
	if (class == HOME_ALL)
		count_add(&chunks->n_idle, 1 << chunk->order);
#ifndef STEP_SHRINKER
	if (chunk->class == HOME_ALL)
		count_add(&chunks->n_idle, -(1 << chunk->order));
#else
	if (chunk->class == HOME_ALL) {
		count_add(&chunks->n_idle, -(1 << chunk->order));
		chunks->idle_low = min(chunks->idle_low, chunks->n_idle);
	}
#endif
	chunk->class = class;
	if (class == HOME_NONE)
		list_del_init(&chunk->by_home);
	else if (class == HOME_BUSY) /* looked at after those busy for longer */
		list_move_tail(&chunk->by_home, &home->chunks[class]);
	else
		list_move(&chunk->by_home, &home->chunks[class]);
}

static void chunk_join(struct page_pool_chunks *chunks, struct chunk *chunk)
{
	lockdep_assert_held(&chunks->lock);

	list_add(&chunk->all, &chunks->mapped);
	count_add(&chunks->n_pages, 1 << chunk->order);
	count_add(&chunks->home[chunk->nid].n_free, chunk->n_free);
#ifdef STEP_HELD
	count_add(&chunks->n_home, chunk->n_free);
#endif
	chunk_file(chunks, chunk);
}

/* Out of the list, to be unmapped by the caller when it has dropped the lock */
static void chunk_leave(struct page_pool_chunks *chunks, struct chunk *chunk)
{
	lockdep_assert_held(&chunks->lock);

	chunk->state = CHUNK_ENDING;
	chunk_file(chunks, chunk);
	list_del(&chunk->all);
	count_add(&chunks->n_pages, -(1 << chunk->order));
	count_add(&chunks->home[chunk->nid].n_free, -chunk->n_free);
#ifdef STEP_HELD
	count_add(&chunks->n_home, -(chunk->n_free + chunk->n_busy));
#endif
}
#endif

/* The same for one with all pages home: only chunk_end() can reach it now. */
static void chunk_leave_whole(struct page_pool_chunks *chunks,
			      struct chunk *chunk)
{
	chunk_leave(chunks, chunk);
	chunk_unregister(chunks, chunk);
	count_add(&chunks->n_ending, 1);
}
#ifdef STEP_HOME

/* Drop the reference of each page that is home, and not mapped any more. */
static void units_put(struct page *first, const unsigned long *home,
		      unsigned int n)
{
	unsigned int i;

	for_each_set_bit(i, home, n)
		put_page(first + i);
}
#endif

/* Unmap and free what chunk_leave_whole() took out. */
static void chunk_end(struct page_pool_chunks *chunks, struct chunk *chunk)
{
	bool in_softirq;

	chunk_dma_unmap(chunks->pool, chunk);
	in_softirq = chunks_lock(chunks);
	count_add(&chunks->n_ending, -1);
	if (!chunks->n_ending && chunks->revoked)
		wake_up(&chunks->ended);
	chunks_unlock(chunks, in_softirq);

#ifndef STEP_HOME
	put_page(chunk->first);
#else
	bitmap_set(chunk->bits, 0, chunk->n);
	units_put(chunk->first, chunk->bits, chunk->n);
#endif
	kfree(chunk);
}
#ifdef STEP_HOME

/* The record of a chunk of which no page is home */
static struct chunk *chunk_record(struct page *page, dma_addr_t dma,
				  unsigned int n, unsigned int order, gfp_t gfp)
{
	int nid = page_to_nid(page);
	struct chunk *chunk;

	chunk = kzalloc_node(struct_size(chunk, bits, 2 * BITS_TO_LONGS(n)),
			     gfp, nid);
	if (!chunk)
		return NULL;

	chunk->first = page;
	chunk->dma = dma;
	chunk->n = n;
	chunk->nid = nid;
	chunk->order = order;
	chunk->class = HOME_NONE;
	chunk->keep = !page_is_pfmemalloc(page);
	INIT_LIST_HEAD(&chunk->by_home);
	return chunk;
}

/* Through bounce buffers? Also true where that can't be told. */
static bool dma_bounces(const struct page_pool_chunks *chunks, dma_addr_t dma)
{
	return chunks->may_bounce && dma_need_sync(chunks->pool->p.dev, dma);
}
#endif

/**
 * page_pool_chunks_track() - a page has been mapped, and goes out
 * @pool:	whose it is
 * @netmem:	the page
 * @dma:	its DMA address
 * @gfp:	how the caller may wait
 *
 * Return: 0, or -ENOMEM, -EBUSY: nothing has changed.
 */
int page_pool_chunks_track(struct page_pool *pool, netmem_ref netmem,
			   dma_addr_t dma, gfp_t gfp)
{
	struct page_pool_chunks *chunks = pool->chunks;
	struct chunk *chunk;
	bool in_softirq;
	int err;

	if (!PP_DMA_INDEX_BITS)
		return 0;

	gfp = record_gfp(gfp);
#ifndef STEP_HOME
	chunk = kzalloc_obj(*chunk, gfp);
	if (!chunk)
		return -ENOMEM;

	chunk->first = netmem_to_page(netmem);
	chunk->dma = dma;
#else
	chunk = chunk_record(netmem_to_page(netmem), dma, 1, pool->p.order,
			     gfp);
	if (!chunk)
		return -ENOMEM;

	if (dma_bounces(chunks, dma))
		chunk->keep = false;
#endif
	err = chunk_register(pool, chunk, gfp);
	if (err) {
		kfree(chunk);
		return err;
	}

	netmem_set_dma_index(netmem, chunk->id);
#ifdef STEP_HOME
	chunks->patience -= min(chunks->patience, 1U);
#endif
	in_softirq = chunks_lock(chunks);
	chunk_join(chunks, chunk);
	chunks_unlock(chunks, in_softirq);
	return 0;
}
#ifdef STEP_HOME

/* The node, or if it has no memory, the nearest that has */
static int node_with_memory(int nid)
{
	int n, best = NUMA_NO_NODE;

	if (node_state(nid, N_MEMORY))
		return nid;
	for_each_node_state(n, N_MEMORY)
		if (best == NUMA_NO_NODE ||
		    node_distance(nid, n) < node_distance(nid, best))
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

/* Which of the pages at first that bits names are free now? */
static unsigned long pages_settle(struct page *first, unsigned long bits)
{
	unsigned long left, free = 0;

	for (left = bits; left; left &= left - 1) {
		struct page *page = first + __ffs(left);

		if (!page_free(page))
			continue;
		clear_page_pfmemalloc(page); /* pp_magic, others' leftovers */
		free |= left & -left;
	}
	return free;
}

/* Look at a chunk's busy pages. */
static void chunk_settle(struct page_pool_chunks *chunks, struct chunk *chunk)
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
	chunk_count_free(chunks, chunk, found);
	chunk_file(chunks, chunk);
}

/* All pages of a chunk are home: has the pool a use for one more that is idle?
 * If much of it is busy it goes: what others hold goes with it then, and is the
 * pool's no longer.
 */
static bool chunk_keep(struct page_pool_chunks *chunks, struct chunk *chunk)
{
	int nid = READ_ONCE(chunks->pool->p.nid);

	if (!chunk->keep || chunks->n_idle >= IDLE_PAGES)
		return false;
	if (IS_ENABLED(CONFIG_NUMA) && nid != NUMA_NO_NODE &&
	    node_with_memory(nid) != chunk->nid)
		return false;
	if (chunk->n_busy > chunk->n / BUSY_SHARE)
		chunk_settle(chunks, chunk);
	return chunk->n_busy <= chunk->n / BUSY_SHARE;
}

/* Take an idle chunk that is not of node keep out of the pool; chunk_end() is
 * the caller's.
 */
static struct chunk *chunks_leave_idle(struct page_pool_chunks *chunks,
				       int keep)
{
	struct chunk *found = NULL;
	struct list_head *idle;
	bool in_softirq;
	int nid;

	in_softirq = chunks_lock(chunks);
	for (nid = 0; nid < nr_node_ids && !found; nid++) {
		if (nid == keep)
			continue;
		idle = &chunks->home[nid].chunks[HOME_ALL];
		found = list_first_entry_or_null(idle, struct chunk, by_home);
	}
	if (found)
		chunk_leave_whole(chunks, found);
	chunks_unlock(chunks, in_softirq);
	return found;
}

/* Give back idle chunks, of other nodes than keep, until it is so many pages */
static unsigned long chunks_trim(struct page_pool_chunks *chunks,
				 unsigned long pages, int keep)
{
	unsigned long freed = 0;
	struct chunk *chunk;

	while (freed < pages && READ_ONCE(chunks->n_idle)) {
		chunk = chunks_leave_idle(chunks, keep);
		if (!chunk)
			break;
		freed += 1UL << chunk->order;
		chunk_end(chunks, chunk);
	}
	return freed;
}
#ifdef STEP_SHRINKER

/* The next pool that this walk has not seen, or NULL. The lock may be dropped
 * in between. Another walk meanwhile moves and marks pools too: this one may
 * miss some then, or meet some again. So it has an end: as many pools as there
 * were when it began.
 */
static struct page_pool_chunks *pools_next(unsigned long round)
{
	struct page_pool_chunks *chunks;

	lockdep_assert_held(&chunk_pools_lock);

	chunks = list_first_entry_or_null(&chunk_pools,
					  struct page_pool_chunks, link);
	if (!chunks || chunks->round == round)
		return NULL;
	chunks->round = round;
	list_move_tail(&chunks->link, &chunk_pools);
	return chunks;
}

static unsigned long pools_round; /* last walk; under chunk_pools_lock */

static unsigned long shrink_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct page_pool_chunks *chunks;
	unsigned long pages = 0;

	if (!mutex_trylock(&chunk_pools_lock))
		return 0;
	list_for_each_entry(chunks, &chunk_pools, link)
		pages += READ_ONCE(chunks->n_idle);
	mutex_unlock(&chunk_pools_lock);
	return pages ?: SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct page_pool_chunks *chunks;
	unsigned long round, freed = 0;
	size_t left;

	if (!mutex_trylock(&chunk_pools_lock))
		return SHRINK_STOP;
	round = ++pools_round;
	left = list_count_nodes(&chunk_pools);
	while (freed < sc->nr_to_scan && left--) {
		chunks = pools_next(round);
		if (!chunks)
			break;
		freed += chunks_trim(chunks, sc->nr_to_scan - freed,
				     NUMA_NO_NODE);
		mutex_unlock(&chunk_pools_lock);
		if (!mutex_trylock(&chunk_pools_lock))
			return freed;
	}
	mutex_unlock(&chunk_pools_lock);
	return freed ?: SHRINK_STOP;
}

static void pools_decay(struct work_struct *work);
static DECLARE_DELAYED_WORK(decay_work, pools_decay);

/* Some chunk is idle. The work is frozen for suspend: it unmaps, and the device
 * and its IOMMU may be off.
 */
static void decay_start(void)
{
	if (!delayed_work_pending(&decay_work))
		queue_delayed_work(system_freezable_power_efficient_wq,
				   &decay_work, DECAY);
}

/* Give back what was idle in a pool all the time since the last look. */
static void chunks_decay(struct page_pool_chunks *chunks)
{
	unsigned int unused;
	bool in_softirq;

	in_softirq = chunks_lock(chunks);
	unused = chunks->idle_low;
	chunks_unlock(chunks, in_softirq);

	chunks_trim(chunks, unused, NUMA_NO_NODE);

	in_softirq = chunks_lock(chunks);
	chunks->idle_low = chunks->n_idle;
	chunks_unlock(chunks, in_softirq);
}

/* Is some chunk idle, in whatever pool? Asked with the pool's lock: who made
 * one idle before we had it is seen here, and who does so later sees in
 * decay_start() that the work is not pending any more.
 */
static bool pools_idle(void)
{
	struct page_pool_chunks *chunks;
	bool in_softirq, idle = false;

	lockdep_assert_held(&chunk_pools_lock);

	list_for_each_entry(chunks, &chunk_pools, link) {
		in_softirq = chunks_lock(chunks);
		idle = chunks->n_idle;
		chunks_unlock(chunks, in_softirq);
		if (idle)
			break;
	}
	return idle;
}

static void pools_decay(struct work_struct *work)
{
	struct page_pool_chunks *chunks;
	unsigned long round;
	size_t left;
	bool more;

	mutex_lock(&chunk_pools_lock);
	round = ++pools_round;
	left = list_count_nodes(&chunk_pools);
	while (left-- && (chunks = pools_next(round))) {
		chunks_decay(chunks);
		mutex_unlock(&chunk_pools_lock);
		cond_resched();
		mutex_lock(&chunk_pools_lock);
	}
	more = pools_idle(); /* also in those that the walk has missed */
	mutex_unlock(&chunk_pools_lock);
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

/* At the head, as walks move what they have seen to the tail */
static void pools_add(struct page_pool_chunks *chunks)
{
	mutex_lock(&chunk_pools_lock);
	list_add(&chunks->link, &chunk_pools);
	mutex_unlock(&chunk_pools_lock);
}

/* Nobody trims it any more when this has returned. */
static void pools_remove(struct page_pool_chunks *chunks)
{
	mutex_lock(&chunk_pools_lock);
	list_del_init(&chunks->link);
	mutex_unlock(&chunk_pools_lock);
}
#endif

/**
 * page_pool_chunks_update_nid() - the consumer has moved to another node
 * @pool:	whose consumer; it has the new node
 */
void page_pool_chunks_update_nid(struct page_pool *pool)
{
	if (pool->chunks)
		chunks_trim(pool->chunks, ULONG_MAX, preferred_nid(pool));
}

/* A page that was home and free goes out, if it is free still. */
static bool chunk_take_page(struct chunk *chunk, unsigned int bit,
			    netmem_ref *to)
{
	struct page *page = chunk->first + bit;

	if (unlikely(!page_free(page))) {
		__set_bit(bit, busy_bits(chunk));
		chunk->n_busy++;
		return false;
	}
	page_pool_set_dma_addr(page,
			       chunk->dma + ((dma_addr_t)bit << PAGE_SHIFT));
	netmem_set_dma_index(page_to_netmem(page), chunk->id);
	*to = page_to_netmem(page);
	return true;
}

/* Take up to max of a chunk's free pages. */
static unsigned int chunk_take(struct page_pool_chunks *chunks,
			       struct chunk *chunk, netmem_ref *to,
			       unsigned int max)
{
	unsigned int i, bit, looked = 0, n = 0;
	unsigned long left;

	lockdep_assert_held(&chunks->lock);

	for (i = 0; i < BITS_TO_LONGS(chunk->n) && n < max; i++) {
		for (left = chunk->bits[i]; left && n < max; left &= left - 1) {
			bit = i * BITS_PER_LONG + __ffs(left);
			n += chunk_take_page(chunk, bit, to + n);
			looked++;
		}
		chunk->bits[i] = left;
	}
	chunk_count_free(chunks, chunk, -looked);
#ifdef STEP_HELD
	count_add(&chunks->n_home, -n);
#endif
	chunk_file(chunks, chunk);
	return n;
}

/* From those with the fewest pages free, so that others become idle some day */
static unsigned int chunks_take(struct page_pool_chunks *chunks, int nid,
				netmem_ref *to, unsigned int max)
{
	struct list_head *lists = chunks->home[nid].chunks;
	unsigned int n = 0;
	bool in_softirq;
	int class;

	in_softirq = chunks_lock(chunks);
	for (class = HOME_FEW; class < HOME_CLASSES; class++)
		while (n < max && !list_empty(&lists[class]))
			n += chunk_take(chunks,
					list_first_entry(&lists[class],
							 struct chunk, by_home),
					to + n, max - n);
	chunks_unlock(chunks, in_softirq);
	return n;
}

/* Look at each busy page of a node once, until so many pages are free: first in
 * the chunks that were not looked at for the longest time. The consumer's call,
 * which drops the lock now and then.
 */
static void chunks_settle(struct page_pool_chunks *chunks, int nid,
			  unsigned int want)
{
	struct home *home = &chunks->home[nid];
	unsigned int looks = 0;
	struct chunk *chunk;
	LIST_HEAD(todo);
	bool in_softirq;
	int class;

	in_softirq = chunks_lock(chunks);
	/* downwards, as a chunk may go up; those that are idle have few busy */
	for (class = HOME_MOST; class >= HOME_BUSY; class--) {
		list_splice_init(&home->chunks[class], &todo);
		while (home->n_free < want && !list_empty(&todo)) {
			chunk = list_first_entry(&todo, struct chunk, by_home);
			looks += 1 + chunk->n_busy;
			list_move_tail(&chunk->by_home, &home->chunks[class]);
			chunk_settle(chunks, chunk);
			if (looks >= LOOKS_MAX) {
				chunks_unlock(chunks, in_softirq);
				looks = 0;
				in_softirq = chunks_lock(chunks);
			}
		}
		list_splice_init(&todo, &home->chunks[class]);
	}
	chunks_unlock(chunks, in_softirq);
#ifdef STEP_SHRINKER

	if (READ_ONCE(chunks->n_idle)) /* all of it was home, and busy */
		decay_start();
#endif
}

/* For what we can do without: no reclaim, no reserves, no complaint, no other
 * node
 */
static gfp_t opportunistic(gfp_t gfp)
{
	gfp &= ~(__GFP_RECLAIM | __GFP_HIGH | __GFP_MEMALLOC | __GFP_NOFAIL |
		 __GFP_RETRY_MAYFAIL | __GFP_COMP);
	return gfp | __GFP_NOWARN | __GFP_NORETRY | __GFP_NOMEMALLOC |
	       __GFP_THISNODE;
}

/* Can each page's address be kept in struct page? */
static bool chunk_addressable(struct page *first, dma_addr_t dma,
			      size_t bytes)
{
	return !page_pool_set_dma_addr(first, dma) &&
	       !page_pool_set_dma_addr(first, dma + bytes - PAGE_SIZE);
}

/* A large mapping must not bounce: each page would occupy a buffer, home or
 * not, and what makes it bounce may be its size alone.
 */
static bool chunk_map(struct page_pool_chunks *chunks, struct page *page,
		      unsigned int order, dma_addr_t *dma)
{
	struct page_pool *pool = chunks->pool;
	size_t bytes = PAGE_SIZE << order;
	bool fits;

	*dma = dma_map_page_attrs(pool->p.dev, page, 0, bytes, pool->p.dma_dir,
				  MAP_ATTRS | DMA_ATTR_NO_WARN);
	if (dma_mapping_error(pool->p.dev, *dma))
		return false;
	fits = chunk_addressable(page, *dma, bytes);
	page_pool_set_dma_addr(page, 0);
	if (fits && !dma_bounces(chunks, *dma))
		return true;

	chunks->order_max = 0;
	dma_unmap_page_attrs(pool->p.dev, *dma, bytes, pool->p.dma_dir,
			     MAP_ATTRS);
	return false;
}

/* The record of pages that are mapped, all home, and not in the list yet */
static struct chunk *chunk_make(struct page_pool_chunks *chunks,
				struct page *page, dma_addr_t dma,
				unsigned int order, gfp_t gfp)
{
	struct chunk *chunk;

	gfp = record_gfp(gfp);
	chunk = chunk_record(page, dma, 1U << order, order, gfp);
	if (!chunk)
		return NULL;
	if (chunk_register(chunks->pool, chunk, gfp)) {
		kfree(chunk);
		return NULL;
	}
	chunk->n_free = chunk->n;
	bitmap_set(chunk->bits, 0, chunk->n);
	return chunk;
}

/* A mapped chunk with all pages home, which nobody else knows yet */
static struct chunk *chunk_create(struct page_pool_chunks *chunks,
				  unsigned int order, gfp_t gfp)
{
	struct page_pool *pool = chunks->pool;
	unsigned int i, n = 1U << order;
	struct chunk *chunk;
	struct page *page;
	dma_addr_t dma;

	page = alloc_pages_node(preferred_nid(pool), gfp, order);
	if (!page)
		return NULL;
	split_page(page, order);
	for (i = 0; i < n; i++)
		clear_page_pfmemalloc(page + i); /* pp_magic is anything */

	if (!chunk_map(chunks, page, order, &dma))
		goto put;
	chunk = chunk_make(chunks, page, dma, order, gfp);
	if (!chunk)
		goto unmap;
	page_pool_update_dma_sync(pool);
	return chunk;

unmap:
	dma_unmap_page_attrs(pool->p.dev, dma, PAGE_SIZE << order,
			     pool->p.dma_dir, MAP_ATTRS);
put:
	for (i = 0; i < n; i++)
		put_page(page + i);
	return NULL;
}

/* Order of the next chunk: the pool about doubles. pool_size is the driver's
 * word on how many pages it will have out, so the first chunk may be as large.
 */
static unsigned int chunk_order_next(const struct page_pool_chunks *chunks)
{
	unsigned int pages = max3(READ_ONCE(chunks->n_pages),
				  chunks->pool->p.pool_size, 1U);

	return min3(max_t(unsigned int, ilog2(pages), CHUNK_ORDER_MIN),
		    chunks->order_max, chunks->order_ok + !chunks->patience);
}

/* The largest chunk that is to be had, or NULL: single pages then. When memory
 * is fragmented, one order above what was found last is tried again after
 * PATIENCE pages: few vain attempts, and a way back up.
 */
static struct chunk *chunk_create_largest(struct page_pool_chunks *chunks,
					  gfp_t gfp)
{
	struct chunk *chunk = NULL;
	unsigned int order;

	for (order = chunk_order_next(chunks); order; order--) {
		chunk = chunk_create(chunks, order, opportunistic(gfp));
		if (chunk)
			break;
		chunks->patience = PATIENCE;
		if (!chunks->order_max)
			return NULL;
	}
	chunks->order_ok = order;
	if (chunk)
		chunks->patience -= min(chunks->patience, 1U << order);
	return chunk;
}

/* Add chunks until there are max pages to give out. */
static unsigned int chunks_grow(struct page_pool_chunks *chunks, netmem_ref *to,
				unsigned int max, gfp_t gfp)
{
	unsigned int n = 0;
	struct chunk *chunk;
	bool in_softirq;

	while (n < max) {
		chunk = chunk_create_largest(chunks, gfp);
		if (!chunk)
			break;
		in_softirq = chunks_lock(chunks);
		chunk_join(chunks, chunk);
		n += chunk_take(chunks, chunk, to + n, max - n);
		chunks_unlock(chunks, in_softirq);
	}
	return n;
}

/* Pages of other nodes, if as many are free as the pool would grow by: they
 * can't go as long as some of their chunks are out, and what a pool holds and
 * does not use must have an end.
 */
static unsigned int chunks_take_far(struct page_pool_chunks *chunks, int near,
				    netmem_ref *to, unsigned int max)
{
	unsigned int want = 1;
	unsigned int found = 0, n = 0;
	int nid;

	if (!chunks->pool->p.order)
		want = max(want, 1U << chunk_order_next(chunks));
	for (nid = 0; nid < nr_node_ids && found < want; nid++) {
		if (nid == near)
			continue;
		chunks_settle(chunks, nid, want - found);
		found += READ_ONCE(chunks->home[nid].n_free);
	}
	if (found < want)
		return 0;
	for (nid = 0; nid < nr_node_ids && n < max; nid++)
		if (nid != near)
			n += chunks_take(chunks, nid, to + n, max - n);
	return n;
}

/**
 * page_pool_chunks_alloc() - mapped pages that are home, or a new chunk's
 * @pool:	that wants them
 * @to:		where they go, with their DMA address and index
 * @max:	so many at most
 * @gfp:	of the caller
 *
 * If all that is home is used up, the pool grows, even if a few were found:
 * before it does, it looks at each busy page, and that should not come often.
 *
 * Return: how many; with none the caller allocates and maps pages.
 */
unsigned int page_pool_chunks_alloc(struct page_pool *pool, netmem_ref *to,
				    unsigned int max, gfp_t gfp)
{
	struct page_pool_chunks *chunks = pool->chunks;
	int nid = preferred_nid(pool);
	unsigned int n;

#ifdef STEP_UNTRACKED
	/* single pages, for as long as nothing has to be unmapped */
	if (!READ_ONCE(chunks->n_pages) && !page_pool_need_unmap(pool))
		return 0;

#endif
	n = chunks_take(chunks, nid, to, max);
	if (n)
		return n;
	chunks_settle(chunks, nid, max);
	n = chunks_take(chunks, nid, to, max);
	if (n == max)
		return n;

	chunks_trim(chunks, ULONG_MAX, nid);
	n += chunks_take_far(chunks, nid, to + n, max - n);
	if (n == max || pool->p.order)
		return n;
	return n + chunks_grow(chunks, to + n, max - n, gfp);
}

/* Count one more of a chunk's pages as home. */
static void chunk_bring_home(struct page_pool_chunks *chunks,
			     struct chunk *chunk, struct page *page)
{
	unsigned int bit = page - chunk->first;

	lockdep_assert_held(&chunks->lock);

	if (chunk->state == CHUNK_UNMAPPED) {
		chunk->n_free++;
		return;
	}
	if (!page_free(page)) {
		__set_bit(bit, busy_bits(chunk));
		chunk->n_busy++;
	} else {
		__set_bit(bit, chunk->bits);
		chunk->n_free++;
		if (chunk->state == CHUNK_MAPPED)
			count_add(&chunks->home[chunk->nid].n_free, 1);
	}
#ifdef STEP_HELD
	if (chunk->state == CHUNK_MAPPED)
		count_add(&chunks->n_home, 1);
#endif
}
#endif

/**
 * page_pool_chunks_release() - a page is not out any more
 * @pool:	whose it is
 * @netmem:	the page
 *
#ifndef STEP_HOME
 * The chunk's reference of the page is dropped when the mapping is gone: by us,
 * or by the scrub if that is unmapping it.
#else
 * The chunk's reference of the page is dropped when the mapping is gone: with
 * that of its other pages; in an unmapped chunk by the caller.
#endif
 *
 * Return: true if the caller must put the page.
 */
bool page_pool_chunks_release(struct page_pool *pool, netmem_ref netmem)
{
	struct page_pool_chunks *chunks = pool->chunks;
	u32 id = netmem_get_dma_index(netmem);
#ifndef STEP_HOME
	bool in_softirq, unmapped, end;
#else
	bool in_softirq, unmapped, whole, end = false;
#ifdef STEP_SHRINKER
	bool idle;
#endif
#endif
	struct chunk *chunk;

	/* from here on it is a page like any other for who has a reference */
	page_pool_set_dma_addr_netmem(netmem, 0);
	netmem_set_dma_index(netmem, 0);
	page_pool_clear_pp_info(netmem);

	in_softirq = chunks_lock(chunks);
	chunk = chunk_of(chunks, id);
	unmapped = chunk->state == CHUNK_UNMAPPED;
#ifndef STEP_HOME
	end = chunk->state == CHUNK_MAPPED;
	chunk->home = true;
	if (end)
		chunk_leave_whole(chunks, chunk);
	else if (unmapped)
		chunk_unregister(chunks, chunk);
	chunks_unlock(chunks, in_softirq);

	if (end)
		chunk_end(chunks, chunk);
	else if (unmapped)
		kfree(chunk);
#else
	chunk_bring_home(chunks, chunk, netmem_to_page(netmem));
	whole = all_home(chunk);
	if (unlikely(whole)) {
		if (unmapped)
			chunk_unregister(chunks, chunk);
		else if (chunk->state == CHUNK_MAPPED)
			end = !chunk_keep(chunks, chunk);
	}
	if (end)
		chunk_leave_whole(chunks, chunk);
	else
		chunk_file(chunks, chunk);
#ifdef STEP_SHRINKER
	idle = chunk->class == HOME_ALL;
#endif
	chunks_unlock(chunks, in_softirq);

	/* if none of these, whoever brings the last page may free the chunk */
	if (end)
		chunk_end(chunks, chunk);
	else if (whole && unmapped)
		kfree(chunk);
#ifdef STEP_SHRINKER
	else if (idle)
		decay_start();
#endif
#endif
	return unmapped;
}

/* Unmap one chunk of a destroyed pool. Return: there was one */
static bool chunks_revoke_one(struct page_pool_chunks *chunks)
{
#ifdef STEP_HOME
	DECLARE_BITMAP(home, CHUNK_PAGES);
#endif
	struct chunk *chunk;
#ifndef STEP_HOME
	bool in_softirq, home;
#else
	bool in_softirq, last;
	struct page *first;
	unsigned int n;
#endif

	in_softirq = chunks_lock(chunks);
	chunk = list_first_entry_or_null(&chunks->mapped, struct chunk, all);
	if (chunk)
		chunk_leave(chunks, chunk);
	else
		chunks->revoked = true;
	chunks_unlock(chunks, in_softirq);
	if (!chunk)
		return false;

	chunk_dma_unmap(chunks->pool, chunk);

	in_softirq = chunks_lock(chunks);
	chunk->state = CHUNK_UNMAPPED;
#ifndef STEP_HOME
	home = chunk->home;
	if (home)
		chunk_unregister(chunks, chunk);
	chunks_unlock(chunks, in_softirq);

	/* if it is not home, whoever releases it may have freed it by now */
	if (home) {
		put_page(chunk->first);
		kfree(chunk);
	}
#else
	first = chunk->first;
	n = chunk->n;
	bitmap_or(home, chunk->bits, busy_bits(chunk), n);
	last = all_home(chunk);
	if (last)
		chunk_unregister(chunks, chunk);
	chunks_unlock(chunks, in_softirq);

	/* if it is not the last, whoever brings the last home may free it */
	if (last)
		kfree(chunk);
	units_put(first, home, n);
#endif
	return true;
}

/**
 * page_pool_chunks_revoke() - unmap all that is mapped
 * @pool:	that is destroyed; nobody allocates from it any more
 *
 * When this has returned nobody is still unmapping anything.
 */
void page_pool_chunks_revoke(struct page_pool *pool)
{
	struct page_pool_chunks *chunks = pool->chunks;

	if (!chunks)
		return;
#ifdef STEP_SHRINKER
	pools_remove(chunks);
#endif
	while (chunks_revoke_one(chunks))
		cond_resched();
	wait_event(chunks->ended, !READ_ONCE(chunks->n_ending));
}

/**
 * page_pool_chunks_quiesce() - wait until who released the last page is done
 * @pool:	that is freed next if nothing is out
 *
 * It may have the store that unlocks still to make: the count of released
 * pages, which comes after it, is no release operation.
 */
void page_pool_chunks_quiesce(struct page_pool *pool)
{
	struct page_pool_chunks *chunks = pool->chunks;
	bool in_softirq;

	if (!chunks)
		return;
	in_softirq = chunks_lock(chunks);
	chunks_unlock(chunks, in_softirq);
}
#ifdef STEP_HELD

/**
 * page_pool_chunks_held() - how many pages of the pool are home
 * @pool:	whose
 *
 * Return: pages of the pool's order that are mapped and not in flight.
 */
unsigned int page_pool_chunks_held(const struct page_pool *pool)
{
	return pool->chunks ? READ_ONCE(pool->chunks->n_home) : 0;
}
#endif
#ifdef STEP_HOME

/* What is the device able to map? One that may bounce has a limit. */
static void chunks_init_orders(struct page_pool_chunks *chunks)
{
	size_t most = dma_max_mapping_size(chunks->pool->p.dev);
	unsigned int order = ilog2(max(most, PAGE_SIZE)) - PAGE_SHIFT;

	chunks->may_bounce = most != SIZE_MAX;
	chunks->order_max = min3(order, READ_ONCE(chunk_order), CHUNK_ORDER);
	chunks->order_ok = chunks->order_max;
}
#endif

/**
 * page_pool_chunks_init() - for a pool that maps, and tracks what it maps
 * @pool:	being made; one with a memory provider has no chunks
 *
 * Return: 0 or -ENOMEM.
 */
int page_pool_chunks_init(struct page_pool *pool)
{
	struct page_pool_chunks *chunks;
#ifdef STEP_HOME
	int nid, class;
#endif

	if (!PP_DMA_INDEX_BITS || !pool->dma_map || pool->mp_ops)
		return 0;

#ifndef STEP_HOME
	chunks = kzalloc_node(sizeof(*chunks), GFP_KERNEL, pool->p.nid);
#else
	chunks = kzalloc_node(struct_size(chunks, home, nr_node_ids),
			      GFP_KERNEL, pool->p.nid);
#endif
	if (!chunks)
		return -ENOMEM;

	chunks->pool = pool;
	spin_lock_init(&chunks->lock);
	INIT_LIST_HEAD(&chunks->mapped);
	init_waitqueue_head(&chunks->ended);
#ifdef STEP_HOME
	for (nid = 0; nid < nr_node_ids; nid++)
		for (class = 0; class < HOME_CLASSES; class++)
			INIT_LIST_HEAD(&chunks->home[nid].chunks[class]);
	chunks_init_orders(chunks);
#endif
	pool->chunks = chunks;
#ifdef STEP_SHRINKER
	pools_add(chunks);
#endif
	return 0;
}

/**
 * page_pool_chunks_free() - the opposite of page_pool_chunks_init()
 * @pool:	of which nothing is out
 */
void page_pool_chunks_free(struct page_pool *pool)
{
#ifdef STEP_SHRINKER
	if (pool->chunks)
		pools_remove(pool->chunks); /* it may not have been destroyed */
#endif
	kfree(pool->chunks);
}
