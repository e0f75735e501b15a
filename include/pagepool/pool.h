/*
 * pool.h - pools of recycled, DMA-mapped pages.
 *
 * A pool carves pages from chunks and maps whole chunks, so that nothing need be
 * recorded per page and revocation is a few ranged unmaps.
 *
 * Who may call what, and against what it must be serialised by the caller
 * (X = not at the same time; blank = safe):
 *
 *                         get  put/ref  attach  unbind  destroy  stats
 *   get, frag, trim        X                               X
 *   put, ref                                               
 *   attach, detach                                         X
 *   unbind, remove                                         
 *   own                    X                               X        (and own)
 *   destroy                X              X                X       X
 *
 * get, frag and trim are the *owner's*: one thread. The creator owns the pool
 * until another thread calls pp_pool_own. put and ref are any thread's, at any
 * time, also after the pool has been destroyed or the device has gone.
 *
 * Signals: a handler may not get, put, ref or take over: it would do so in the middle of its own
 * thread's. Of all calls it may make pp_debug_dump_pages_signal, and ask a page for its address,
 * size and references. To make it safe would cost each get and put instructions. Debug mode `pages`
 * tells of a handler that has interrupted a call with a lock; a get there is -EDEADLK.
 *
 * Fork: a child has a copy of each pool, and both go on, unless a back end pins its memory: such a
 * pool is the parent's. In the child it gives no page (-ENODEV) and can't be attached; a page of it
 * reads as zero, or can't be read; put and destroy are harmless. A child of a process of several
 * threads, as POSIX has it, may only put, and end threads, if another one was in a call at that time.
 *
 * Cancellation: no call of the library is a cancellation point; callbacks run with cancellation
 * held off. (Asynchronous cancellation is for no thread that calls it.)
 *
 * What a call may have to do, at most:
 *
 *   get    Pages in the cache: nothing. Else it takes up to 512 pages from the returns, or up to
 *          256 from the chunks, or adds up to 4 chunks: their memory, records and mapping. One
 *          that fails tries no more, and after the first no more than one chunk. It may wait for
 *          the pool's lock and those of its devices, which are held for so much by others, for
 *          the chunks of an attach, a trim or the revocation, and for a map or unmap call.
 *   put    Waits for nothing but a revocation of its pool that it runs into, which goes with
 *          the pool's chunks. A page that finds no room in cache and returns goes to its chunk; the
 *          owner's cache, being full, gives up 256 pages, 32 at a time, and no more than it must once
 *          that has chunks trimmed. For each chunk that so becomes idle at most two are: unmapped
 *          and invalidated for each device, and given back; and up to 256 others, that pages have
 *          come home to, are listed for the next get. Chunks that other threads' puts make
 *          idle at the same time may be among them. Of a zombie: a page gives back its memory, and
 *          the last of a chunk the chunk's.
 *   trim   As much for each chunk that goes, and 64 deferred invalidations of each device.
 *
 * None depends on how many pages or chunks a pool has, or others have, but trim, attach and the end
 * of a pool, which go with its chunks, and statistics, which look at all of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_POOL_H
#define PAGEPOOL_POOL_H

#include <pagepool/stats.h>
#include <pagepool/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_pool;
struct pp_page;

/** Devices that one pool may be attached to. */
#define PP_POOL_DEVICES 16

struct pp_pool_params {
	size_t size;          /**< of this structure; see PP_PARAMS */
	const char *name;     /**< for messages; at most 31 bytes are kept; may be NULL */
	uint32_t page_size;   /**< bytes: a power of two, 2048 to chunk_size. 0 is 4096 */
	/**
	 * Bytes: a power of two, 4 KiB to 1 GiB. 0 is 2 MiB. A smaller one than the kernel's
	 * page is made as large as that. Hugetlb pages are tried for chunks of 2 MiB only,
	 * transparent huge pages from 2 MiB up.
	 */
	uint32_t chunk_size;
	uint64_t max_pages;   /**< 0: no limit but memory */
	enum pp_dma_dir dir;  /**< what devices may do with the pages */
	enum pp_memory memory; /**< the first kind to try */
	int numa_node;        /**< the node to prefer, from 1 up: node + 1. 0 is PP_NUMA_ANY */
	/**
	 * Idle chunks (every page home, or never used) that a live pool keeps, at most. When
	 * there are more they are trimmed, down to half of it, by two for each that becomes
	 * idle; a 256th of its chunks may stay beyond that until the next get. 0: an eighth of
	 * its chunks, at least 8.
	 */
	uint32_t idle_chunks;
};

/** Parameters with every default: 4 KiB pages, 2 MiB chunks, both directions, any node. */
PP_API struct pp_pool_params pp_pool_defaults(void);

/**
 * Make a pool (page_pool_create). It has no memory until the first get.
 * @param binding  the device's, or pp_binding_none() for a pool that is not mapped.
 * @param params   NULL: the defaults.
 * @return 0; -EINVAL: no place for it, or a size, direction or kind of memory that is not
 *         allowed; -E2BIG: see PP_PARAMS; -ENODEV: the binding has ended or is ending; -ENOSYS: the
 *         kernel has no expedited membarrier(2), which revocation needs; -ENOMEM.
 */
PP_API int pp_pool_create(struct pp_pool **out, pp_binding_t binding,
			  const struct pp_pool_params *params);

/**
 * Give the pool up (page_pool_destroy): it is revoked, and goes away with its last
 * page. Returns at once. NULL is allowed. Owner, or control with the owner quiet.
 */
PP_API void pp_pool_destroy(struct pp_pool *pool);

/**
 * Map the pool for one more device; its pages have the same DMA address there.
 * A pool is revoked when it loses its last device.
 * @return 0; -EINVAL: no pool; -EEXIST: attached already; -ENODEV: the binding has ended or is
 *         ending, or the pool is revoked; -ERANGE: the device can't address the
 *         pool's IOVAs; -ENOSPC: it has 16 devices; -ENOMEM; or what the back end's map
 *         returned.
 */
PP_API int pp_pool_attach(struct pp_pool *pool, pp_binding_t binding);
/** Unmap it there again. @return 0; -EINVAL: no pool; -ENOENT: not attached. Control. */
PP_API int pp_pool_detach(struct pp_pool *pool, pp_binding_t binding);

/**
 * Make the calling thread the owner. The caller sees to it that no other call of the owner's
 * (get, frag, trim, destroy, own) is under way, and that the last one happened before (a join,
 * a lock). The last owner may go on putting, at any time. What is in its cache is the
 * new one's; a pool has some 4 KiB for each living thread that has owned it.
 * @return 0; -ENOMEM: the owner is as before.
 */
PP_API int pp_pool_own(struct pp_pool *pool);

/**
 * Get a page with one reference (page_pool_alloc_pages). Its contents are whatever
 * they were. Owner.
 * @return 0; -ENODEV: for good: revoked, or the bindings of all its devices are ending (if
 *         others stay, it grows for those); and for now: -ENOBUFS: max_pages are out; -ENOMEM:
 *         no memory; -ENOSPC: no IOVA, or the IOMMU is full; or what else the back end's map
 *         returned. *out is NULL then.
 */
PP_API int pp_page_get(struct pp_page **out, struct pp_pool *pool);
/**
 * Get up to n pages, n from 1 up. Owner.
 * @return how many, 1 to n; or an errno as pp_page_get when it is none.
 */
PP_API int pp_page_get_batch(struct pp_page **out, unsigned n, struct pp_pool *pool);

/** Drop a reference; the last one sends the page home. Any thread, no signal handler; never fails. */
PP_API void pp_page_put(struct pp_page *page);
/** Drop a reference of each, of any mixture of pools. Cheaper than one by one. */
PP_API void pp_page_put_batch(struct pp_page *const *pages, unsigned n);
/** Take n more references on a page that the caller holds (get_page). Any thread. */
PP_API void pp_page_ref(struct pp_page *page, unsigned n);

/** A piece of a page, with a reference of its own: put the page to give it back. */
struct pp_frag {
	struct pp_page *page;
	void *addr;
	pp_iova_t iova;
	uint32_t offset; /**< in the page, bytes */
	uint32_t len;    /**< as asked for, bytes */
};

/**
 * Get a fragment (page_pool_alloc_frag). Owner.
 * @param len    bytes, 1 to the page size.
 * @param align  a power of two up to the page size, bytes; 0 is 1.
 * @return 0; -EINVAL: len or align out of range; else as pp_page_get: then a smaller one that
 *         fits into the open page can still be had.
 */
PP_API int pp_frag_get(struct pp_frag *out, struct pp_pool *pool, uint32_t len, uint32_t align);

/**
 * Give idle chunks back to the system until at most keep are left; the page that fragments are
 * cut from is closed. Completes deferred invalidations, so the memory is gone when it returns. Owner.
 * Of a revoked pool: give back the memory of every page that is free. (A revocation does so
 * for the longest run of a chunk only, so that it takes no longer than its chunks; the rest
 * goes with a call of this, or when a page next to it comes home.)
 * @return how many chunks went.
 */
PP_API uint64_t pp_pool_trim(struct pp_pool *pool, uint64_t keep);

/**
 * A holder that can give pages back before it is done with them, when asked to: a cache, a
 * queue. Owned by the holder; lives from register to unregister.
 */
struct pp_recall {
	/**
	 * The pool has been revoked, or pp_pool_recall was called: put what can be put. Runs
	 * on that thread, which can't be cancelled meanwhile, and without a lock of the
	 * library's: it may put, register others, and unregister itself. Two callbacks that
	 * unregister one another at the same time wait for one another for ever.
	 */
	void (*recall)(struct pp_recall *self, const char *pool);
	struct pp_recall *next; /**< the library's */
	uint64_t pool_id;       /**< the library's */
};
/**
 * Begin to be asked for a pool's pages. Any thread with a handle.
 * @return 0; -EINVAL: no pool or no callback; -EEXIST: registered already, for whichever
 *         pool; -ENODEV: the pool is revoked, and nobody is asked any more: put what can be put.
 */
PP_API int pp_recall_register(struct pp_pool *pool, struct pp_recall *recall);
/**
 * Not any more; the pool may have gone. @return 0; -EINVAL: NULL; -ENOENT: not registered.
 * After it no callback runs, but for the one that this is called from. Any thread.
 */
PP_API int pp_recall_unregister(struct pp_recall *recall);
/** Ask all who are registered for the pool. Any thread with a handle. */
PP_API void pp_pool_recall(struct pp_pool *pool);

/** Where the page is. Any thread that holds it; as are all of these. */
PP_API void *pp_page_addr(const struct pp_page *page);
/** Its DMA address, on every device of its pool; it stays, unmapped, after a revoke. */
PP_API pp_iova_t pp_page_iova(const struct pp_page *page);
/** Its size in bytes. */
PP_API uint32_t pp_page_size(const struct pp_page *page);
/** References held now: only 1 is certain, to the one who holds it. */
PP_API uint32_t pp_page_refs(const struct pp_page *page);
/** Debug mode `pages`: note who holds the page now. The string must outlive it. */
PP_API void pp_page_tag(struct pp_page *page, const char *tag);

/** True once the pool is revoked: gets fail with -ENODEV. Any thread with a handle. */
PP_API bool pp_pool_revoked(const struct pp_pool *pool);

/** Fill in the statistics. Any thread with a handle. @param size  sizeof(*stats). */
PP_API void pp_pool_stats(struct pp_pool *pool, struct pp_pool_stats *stats, size_t size);

/** What a pool is; its counters are in struct pp_pool_stats. New members at the end only. */
struct pp_pool_info {
	char name[32];
	char label[80]; /**< as reports have it: the name and the first device */
	uint64_t id;    /**< no other pool of the process ever has it */
	uint32_t page_size, chunk_size; /**< bytes */
	uint32_t dir;       /**< enum pp_dma_dir */
	uint32_t destroyed; /**< 1: the handle is gone, the pool waits for its pages */
	uint64_t revoked_ago_ns; /**< 0: it is not revoked */
	uint32_t n_bindings;     /**< devices that it is attached to, */
	uint32_t reserved;
	pp_binding_t binding[PP_POOL_DEVICES]; /**< and their bindings */
};
/** Fill it in. Any thread with a handle, or in pp_pool_each. @param size  sizeof(*info). */
PP_API void pp_pool_info(struct pp_pool *pool, struct pp_pool_info *info, size_t size);

/**
 * Call fn for every pool of the process, zombies too, in the order of their making. No lock
 * of the library is held; pools that are made or go meanwhile may be seen or not. The pool
 * stays for the time of the call: fn may ask for its info, statistics and recall, and make
 * no other call on it. Any thread.
 */
PP_API void pp_pool_each(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx);

/** Of the process: pools alive (zombies too), zombies, and their pages in flight. */
struct pp_totals {
	uint64_t pools;
	uint64_t zombies;
	uint64_t zombie_pages;
	uint64_t chunk_bytes; /**< memory of chunks not yet given back to the system */
	uint64_t iova_bytes;  /**< IOVA space in use, all domains */
	uint64_t oldest_zombie_ns;    /**< how long ago the oldest zombie was revoked */
	uint64_t oldest_zombie_pages; /**< and its pages in flight */
};
/** Any thread. @param size  sizeof(*totals). */
PP_API void pp_totals(struct pp_totals *totals, size_t size);

#ifdef __cplusplus
}
#endif

#include <pagepool/fast.h>
#endif
