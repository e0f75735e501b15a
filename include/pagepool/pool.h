/*
 * pool.h - pools of recycled, DMA-mapped pages.
 *
 * A pool carves pages from chunks and maps whole chunks. It keeps no record per page, and
 * revoking it takes a few ranged unmaps.
 *
 * Which calls the caller must serialise (X: not at the same time; blank: safe):
 *
 *                         get  put/ref  attach  unbind  destroy  stats
 *   get, frag, reserve     X                               X
 *   put, ref                                               
 *   attach, detach, trim                                   X
 *   unbind, remove                                         
 *   own                    X                               X        (and own)
 *   destroy                X              X                X       X
 *
 * get, frag and reserve belong to the *owner*, a single thread: the one that created the pool,
 * until another calls pp_pool_own. Other threads get by a getter (pp_getter_create), one each; that
 * needs no serialisation with anything, pp_pool_own and pp_pool_destroy included. put and ref may
 * be called from any thread at any time, even after the pool was destroyed or the device has gone.
 *
 * Signals: a handler must not get, put, ref or take over ownership, because it may have
 * interrupted such a call on its own thread. It may call pp_debug_dump_pages_signal, read a page's
 * address, size and reference count, and find a page by an address or an IOVA. Making it safe would
 * cost each get and put instructions. Debug mode `pages` reports a handler that has interrupted a
 * call with a lock; a get there is -EDEADLK.
 *
 * Fork: the child gets a copy of each pool and both continue, unless a back end pins the memory, or
 * it is shared or the caller's: then the pool stays the parent's. In the child such a pool hands
 * out no pages (-ENODEV) and can't be attached; its pages read as zero or can't be read; the
 * descriptor of its own file is closed; put and destroy are harmless. As POSIX has it, if another
 * thread was inside a call at the time of the fork, the child of a multithreaded process may only
 * put pages and end threads.
 *
 * Cancellation: no call of the library is a cancellation point, and callbacks run with
 * cancellation disabled. A thread that calls the library must not enable asynchronous cancellation.
 *
 * Upper bounds on the work of a call:
 *
 *   get    Nothing but a pop while the cache has pages. Otherwise it takes up to 512 pages that
 *          other threads put, or up to 256 from the chunks, or adds up to 4 chunks: their memory,
 *          metadata and mapping; or, of a pool with getters, takes up to 256 pages from the caches
 *          of others, by one membarrier(2) and after a look at each. It may trim two idle chunks
 *          (pp_pool_params.idle_chunks) before that. A get that fails does no more than that, and
 *          after the first failure tries a single chunk. It may wait for the pool's lock and those
 *          of its devices, which others hold for as long as they take to do the same, to attach,
 *          trim or revoke the pool's chunks, or to make one map or unmap call.
 *   put    Waits only for a revocation of its own pool, which takes time proportional to the
 *          pool's chunks. A page that finds no room elsewhere returns to its chunk; a full owner
 *          cache gives up 256 pages, chunk by chunk, and no more than it must once that has trimmed
 *          chunks. For each chunk that this makes idle, at most two chunks are trimmed: unmapped
 *          and invalidated on each device, and freed; and up to 256 chunks that pages returned to
 *          are listed for the next get. Chunks made idle by puts of other threads at the same
 *          time may be among them. In a zombie, each page frees its own memory, and the last page
 *          of a chunk frees the chunk.
 *          Waits for a short lock and calls pp_pool_notice's function if it is the first since a
 *          get has failed; and for such a lock if others took pages from the thread's cache since
 *          its last call.
 *   trim   The same for each chunk freed, plus up to 64 deferred invalidations per device.
 *   reserve  As get for each four chunks added, and their memory populated.
 *
 * None of these bounds depends on how many pages or chunks this pool or any other has; that of a
 * get whose cache is empty does on the getters of its pool. The exceptions are trim, reserve,
 * attach and the end of a pool, which are proportional to its chunks, and the statistics, which
 * visit every chunk, 256 at a time, between which others have the lock.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_POOL_H
#define PAGEPOOL_POOL_H

#include <pagepool/dma.h>
#include <pagepool/stats.h>
#include <pagepool/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_pool;
struct pp_page;
struct pp_budget;

/** Maximum number of devices that a pool can be attached to. */
#define PP_POOL_DEVICES 16

#define PP_FIND_ADDR 1u /**< pp_page_from_addr finds the pool's pages */
#define PP_FIND_IOVA 2u /**< pp_page_from_iova does */

struct pp_pool_params {
	size_t size;        /**< of this structure; see PP_PARAMS */
	const char *name;   /**< for messages; truncated to 31 bytes; may be NULL */
	uint32_t page_size; /**< in bytes: a power of two, 2048 to chunk_size. 0: 4096 */
	/**
	 * In bytes: a power of two, 4 KiB to 1 GiB. 0: 2 MiB. Rounded up to the kernel's page
	 * size. Hugetlb pages are tried only for chunks of exactly 2 MiB or 1 GiB, of pages as
	 * large as the chunk; transparent huge pages for chunks of 2 MiB or more.
	 */
	uint32_t chunk_size;
	uint64_t max_pages;    /**< limit on pages, in flight or free; 0: none, or the area's */
	enum pp_dma_dir dir;   /**< what devices may do with the pages */
	enum pp_memory memory; /**< the kind of memory to try first; see memory_strict */
	int numa_node;         /**< preferred node, as PP_NUMA_NODE(node); 0: PP_NUMA_ANY */
	/**
	 * How many idle chunks (no page in use) a live pool keeps. Above this limit it is
	 * trimmed to half of it, two chunks for each that becomes idle; one 256th of the pool's
	 * chunks may exceed it until the next get.
	 *
	 * 0: the pool sets the limit by recent use. It keeps as many chunks, idle ones included, as
	 * were in use at the busiest moment of this round of gets or the last one, and always 8
	 * idle ones. A round is 2 * (pages in the pool) + 512 gets. So a peak is forgotten after
	 * two rounds at most: 4 * (pages in the pool) + 1024 gets. What is above the limit then
	 * goes two chunks at a time: with each get that finds the cache empty, which is about one
	 * in 256, and with each chunk that becomes idle. A pool that gets no call, or whose gets
	 * all find pages in the cache, keeps what it has; pp_pool_trim frees it.
	 */
	uint32_t idle_chunks;
	/**
	 * In bytes: a multiple of chunk_size, up to 64 chunks. All of the pool's memory lies in one
	 * area of this size, contiguous in addresses and in IOVA. The first get reserves it and
	 * maps it whole, with one call for each device, and the pool grows within it: for devices
	 * to which no memory can be added later. Until the pool is revoked, all of it counts as
	 * chunk bytes and as mapped, a back end that pins keeps all of it in memory, and no chunk
	 * is trimmed. Hugetlb pages aren't tried. 0: none; the pool grows where it likes.
	 */
	uint64_t area;
	/**
	 * Size in bytes of a private area for each page, for the caller's use, in memory that no
	 * device can reach; rounded up to a multiple of 8, at most 64 KiB. It is zero in a new
	 * page, and the pool never touches it. 0: none.
	 */
	uint32_t user_size;
	/**
	 * What its pages can be found by: an OR of PP_FIND_ADDR and PP_FIND_IOVA. Each costs 8
	 * bytes (with 32-bit addresses 4) for each page, or for each 4 KiB of larger ones, which
	 * count as record_bytes, and for each 4 GiB that they lie in 8 MiB of address space. 0:
	 * nothing.
	 */
	uint32_t find;
	/**
	 * In bytes, less than page_size: where the caller's data begins in each page, as
	 * pp_page_data and pp_page_data_iova tell. What lies before it is part of the page like the
	 * rest. 0: it begins with the page.
	 */
	uint32_t headroom;
	/**
	 * 32 to 64: the pool's IOVAs have no more bits, so that a device that can address no more
	 * can be attached later (32 bits: 4 GiB, which all such pools share). 0: as many as the
	 * devices have that are attached when it grows.
	 */
	uint32_t address_bits;
	/**
	 * All of the pool's memory lies in a file that other processes can map: pp_pool_fd. The
	 * file is the pool's own (memfd_create), grows with it, and can be made smaller by nobody.
	 * With `area` it has that size from the start and can't be made larger, either. A chunk
	 * that is trimmed, and a zombie's pages, go from the file, whoever has it mapped. Hugetlb
	 * pages are tried only with memory_strict. Children of fork have none of it. false: private
	 * memory.
	 */
	bool shared;
	/**
	 * Memory of another kind than `memory` isn't used: a get that would need some fails with
	 * -ENOMEM. Hugetlb pages are of 1 GiB with chunks of 1 GiB, else of 2 MiB; chunks must be
	 * of 2 MiB or 1 GiB or, with `shared`, of 2 MiB at least. Of transparent huge pages it is
	 * only sure that the kernel was asked for them, and that its settings allowed them when the
	 * process made its first pool (/sys/kernel/mm/transparent_hugepage/enabled; with `shared`,
	 * shmem_enabled): where the kernel has no free huge page, it may still use base pages.
	 * false: the next kind is tried.
	 */
	bool memory_strict;
	/**
	 * The pool's memory is an area of the caller's: `area` bytes from here, a multiple of
	 * chunk_size, which can be read and written. `memory` and numa_node are ignored. It must
	 * stay until area_free is called, and no child of fork has it until then. After that
	 * children have it again (MADV_DOFORK), even if the caller had set MADV_DONTFORK: set
	 * that again if need be. NULL: the library's memory.
	 */
	void *area_addr;
	/**
	 * The file that area_addr is mapped from, and where, for pp_page_fd. The descriptor stays
	 * the caller's, who keeps it open. The offset is a multiple of the kernel's page. 0: none.
	 */
	int area_fd;
	uint64_t area_offset;
	/**
	 * Called once, when the pool no longer needs the area: with its handle released and its
	 * last page put, on the thread that does so, with no lock of the library held and
	 * cancellation disabled; it must not call the library. Not called if a device may still
	 * reach the area, as its back end failed to unmap it, nor in a child of fork. NULL: none.
	 */
	void (*area_free)(void *addr, uint64_t len, void *ctx);
	void *area_ctx; /**< what area_free gets */
	/** A limit that it shares with other pools, by pp_budget_create; NULL: none. */
	struct pp_budget *budget;
};

/**
 * A limit on the memory of several pools together: a get that would make a pool grow beyond it
 * fails with -ENOBUFS. Each chunk of these pools, zombies included, counts with its chunk_size from
 * the growth until all of its memory has gone back to the system; the library's records don't. An
 * idle chunk counts until its pool is trimmed; and one that was trimmed, while its invalidation is
 * deferred, until a later call of its own pool completes that: pp_pool_trim does at once. A get
 * that failed isn't told when another pool gives memory back: see pp_pool_notice. Any thread.
 * @return 0; -EINVAL: out is NULL; -ENOMEM.
 */
PP_API int pp_budget_create(struct pp_budget **out, uint64_t bytes);
/** Release the handle; pools that were made with it keep the limit. NULL is allowed. Any thread. */
PP_API void pp_budget_destroy(struct pp_budget *budget);
/** Change the limit, in bytes. Lowering it takes nothing back from the pools. Any thread. */
PP_API void pp_budget_set(struct pp_budget *budget, uint64_t bytes);
/** Bytes in use. Any thread. */
PP_API uint64_t pp_budget_used(const struct pp_budget *budget);

/** The default parameters: 4 KiB pages, 2 MiB chunks, bidirectional, any node. */
PP_API struct pp_pool_params pp_pool_defaults(void);

/**
 * Create a pool (page_pool_create). It has no memory until the first get.
 * @param binding  the device's, or pp_binding_none() for an unmapped pool.
 * @param params   NULL: the defaults.
 * @return 0; -EINVAL: out is NULL, or a parameter is invalid or contradicts another; -E2BIG:
 *         see PP_PARAMS; -EBADF: area_fd isn't open; -ENODEV: the binding has ended or is ending;
 *         -ENOSYS: the kernel lacks expedited membarrier(2), which revocation needs; -EMFILE,
 *         -ENFILE: no descriptor for `shared`; -ENOMEM: also without hugetlb pages for it.
 */
PP_API int pp_pool_create(struct pp_pool **out, pp_binding_t binding,
			  const struct pp_pool_params *params);

/**
 * Revoke the pool and release the handle (page_pool_destroy). Returns at once; the pool is freed
 * with its last page. NULL is allowed. The owner, or any thread while the owner makes no call.
 */
PP_API void pp_pool_destroy(struct pp_pool *pool);

/**
 * Map the pool for another device; its pages have the same DMA addresses there. A pool is
 * revoked when it loses its last device.
 * @return 0; -EINVAL: no pool; -EEXIST: already attached; -ENODEV: the binding has ended or is
 *         ending, or the pool is revoked; -ERANGE: the device can't address the pool's IOVAs;
 *         -ENOSPC: attached to 16 devices already; -ENOMEM; or an error of the back end's map.
 */
PP_API int pp_pool_attach(struct pp_pool *pool, pp_binding_t binding);
/**
 * Unmap it from a device. Any thread with a handle; see the table above.
 * @return 0; -EINVAL: no pool; -ENOENT: not attached.
 */
PP_API int pp_pool_detach(struct pp_pool *pool, pp_binding_t binding);

/**
 * Make the calling thread the owner. The caller must ensure that no owner's call (get, frag,
 * reserve, destroy, own) is in progress and that the last one happened before this (a join, a
 * lock). The previous owner may put pages at any time. The pages in its cache move to the new
 * owner's; a pool keeps about 4 KiB for each living thread that has owned it, or has a getter.
 * @return 0; -EINVAL: no pool; -ENOMEM: the owner is unchanged.
 */
PP_API int pp_pool_own(struct pp_pool *pool);

/**
 * Get a page with one reference (page_pool_alloc_pages). Its contents are undefined. Owner.
 * @return 0; -ENODEV, permanent: the pool is revoked, or the bindings of all its devices are ending
 *         (while one remains, the pool grows for that one); temporary: -ENOBUFS: max_pages are
 *         out, or the budget is used up; -ENOMEM (after 16 such in a row one call in 16 asks the
 *         system again, and pp_pool_reserve in any case); -ENOSPC: no IOVA, or a limit of the
 *         IOMMU; or another error of the back end's map. *out is NULL then.
 */
PP_API int pp_page_get(struct pp_page **out, struct pp_pool *pool);
/**
 * Get up to n pages, n >= 1. Owner.
 * @return how many, 1 to n; if none, an error as pp_page_get. What lies in out behind the pages
 *         that were got is undefined; so it is with every call that gets more than one page or
 *         fragment.
 */
PP_API int pp_page_get_batch(struct pp_page **out, unsigned n, struct pp_pool *pool);
/**
 * The same, but only from pages that the pool already has: it doesn't grow, and waits for no
 * device. Owner.
 * @return how many, 1 to n; -ENOBUFS: no page is free; -ENODEV: the pool is revoked.
 */
PP_API int pp_page_get_nogrow(struct pp_page **out, unsigned n, struct pp_pool *pool);
/**
 * A getter lets a thread that does not own the pool get pages from it. Any number of threads may
 * have one, each with a cache of its own, while the owner, if it gets at all, goes on as before.
 * Puts go to the thread's own cache as the owner's do. A get that finds no page anywhere else takes
 * from the caches of the others: it fails only if none is free. A pool that has had a getter takes
 * a lock once for each 256 pages that a thread gets beyond what it puts; gets and puts from and to
 * a cache cost what the owner's do.
 *
 * A getter belongs to the thread that made it. A thread that ends destroys its getters: what is in
 * their caches comes home. A getter holds a reference to its pool and may outlive the handle. A
 * thread that has two caches in a pool, as its owner and as a getter or by two getters, puts to one
 * of them, as a rule to the later.
 */
struct pp_getter;
/**
 * Make one for the calling thread. Any thread with a handle.
 * @return 0; -EINVAL: no pool, or nowhere to store it; -ENODEV: the pool is revoked; -ENOMEM.
 */
PP_API int pp_getter_create(struct pp_getter **out, struct pp_pool *pool);
/**
 * Destroy it: what is in its cache comes home. Harmless when the pool is revoked or destroyed. The
 * getter's thread; any other's call does nothing, which debug mode reports. NULL: nothing.
 */
PP_API void pp_getter_destroy(struct pp_getter *getter);
/**
 * Get a page with one reference, as pp_page_get. The getter's thread.
 * @return as pp_page_get, and -ENODEV also when the pool was destroyed; -EINVAL: the getter is
 *         another thread's, and that was noticed: always in debug mode `pages`.
 */
PP_API int pp_getter_get(struct pp_page **out, struct pp_getter *getter);
/**
 * Get up to n pages, n >= 1. The getter's thread.
 * @return how many, 1 to n; if none, an error as pp_getter_get; -EINVAL: no getter.
 */
PP_API int pp_getter_get_batch(struct pp_page **out, unsigned n, struct pp_getter *getter);
/**
 * The same, but only from pages that the pool already has. The getter's thread.
 * @return how many, 1 to n; -ENOBUFS: no page is free; -ENODEV: the pool is revoked; -EINVAL: no
 *         getter, or another thread's.
 */
PP_API int pp_getter_get_nogrow(struct pp_page **out, unsigned n, struct pp_getter *getter);
/**
 * Get n contiguous pages: one range of addresses and one of IOVA, out[0] first. Each has its own
 * reference and is put by itself. They come from one chunk, not from the cache; pp_pool_trim sends
 * the pages in the cache and the remote frees back to their chunks. Searches at most 16 chunks that
 * have pages in use before it takes an idle chunk or a new one. Owner.
 * @return 0: all n; -EINVAL: n is 0, or more than the pages of a chunk; -ENOBUFS: no n contiguous
 *         pages are free, and max_pages leaves no room for n more; else as pp_page_get.
 */
PP_API int pp_page_get_contiguous(struct pp_page **out, unsigned n, struct pp_pool *pool);

/**
 * Drop a reference; with the last one the page returns to its pool. Never fails. Any thread, but
 * not a signal handler.
 */
PP_API void pp_page_put(struct pp_page *page);
/**
 * Drop a reference to each of n pages, of any mix of pools. Cheaper than one by one; fragments of
 * one page cost the least if they are adjacent in the array.
 */
PP_API void pp_page_put_batch(struct pp_page *const *pages, unsigned n);
/** Take n more references to a page that the caller holds (get_page). Any thread. */
PP_API void pp_page_ref(struct pp_page *page, unsigned n);
/** Drop n of the caller's references at once (page_pool_unref_page); otherwise as pp_page_put. */
PP_API void pp_page_unref(struct pp_page *page, unsigned n);

/** A piece of a page, with its own reference: put the page to release it. */
struct pp_frag {
	struct pp_page *page;
	void *addr;
	pp_iova_t iova;
	uint32_t offset; /**< in the page, bytes */
	uint32_t len;    /**< as asked for, bytes */
};

/**
 * Get a fragment (page_pool_alloc_frag). It costs the least if the length, rounded up to the
 * alignment, divides the page. Owner.
 * @param len    bytes, 1 to the page size.
 * @param align  a power of two up to the page size, bytes; 0 is 1.
 * @return 0; -EINVAL: len or align is out of range; else as pp_page_get. Even then a smaller
 *         fragment may succeed, if it fits into the current page.
 */
PP_API int pp_frag_get(struct pp_frag *out, struct pp_pool *pool, uint32_t len, uint32_t align);
/**
 * Get up to n fragments, n >= 1, all of this length and alignment. Owner.
 * @return how many, 1 to n; if none, an error as pp_frag_get.
 */
PP_API int pp_frag_get_batch(struct pp_frag *out, unsigned n, struct pp_pool *pool, uint32_t len,
			     uint32_t align);

/**
 * Reserve pages: the pool grows to at least n, in flight or free, everything in it is mapped and
 * populated, and from now on trimming of any kind leaves at least n. The next call replaces n; 0
 * ends the reservation, as does a revocation. Takes time proportional to the pages that it adds;
 * holds the lock for a few chunks at a time. Owner.
 * @return 0; -EINVAL: no pool; -ENOBUFS: n is more than max_pages or the budget; -ENODEV: the pool
 *         is revoked, or the bindings of all its devices are ending; -ENOMEM: also, at once, if n
 *         pages are more than the machine's memory and swap space; -ENOSPC: no IOVA, or a limit of
 *         the IOMMU; or another error of the back end's map. After an error the pool is as before.
 */
PP_API int pp_pool_reserve(struct pp_pool *pool, uint64_t n);

/**
 * Free idle chunks until at most keep are left, or the pages that are reserved. Deferred
 * invalidations are completed, so the memory has been freed on return. Any thread with a handle:
 * the owner's call first brings home what is in its cache and what other threads put, and closes
 * the page that fragments are cut from; another thread's leaves all that to the owner. A getter's
 * thread brings home what is in its cache; and in a pool that has had getters, any thread what
 * others put. On a revoked pool: free the memory of every free page. (Revocation itself frees only
 * the longest free run of each chunk, so that its cost is proportional to the chunks; the rest is
 * freed by this call, or when a neighbouring page is put.)
 * @return the number of chunks freed.
 */
PP_API uint64_t pp_pool_trim(struct pp_pool *pool, uint64_t keep);

/**
 * A holder that can return pages early when asked to: a cache, a queue. Owned by the holder; must
 * live from register to unregister.
 */
struct pp_recall {
	/**
	 * The pool was revoked, or pp_pool_recall was called: put what can be put. Called on the
	 * thread that did so, with cancellation disabled and no lock of the library held: it may
	 * put, register others and unregister itself. Two callbacks that unregister each other at
	 * the same time deadlock.
	 */
	void (*recall)(struct pp_recall *self, const char *pool);
	struct pp_recall *next; /**< private to the library */
	uint64_t pool_id;       /**< private to the library */
};
/**
 * Ask to be called when a pool wants its pages back. Any thread with a handle.
 * @return 0; -EINVAL: no pool or no callback; -EEXIST: already registered, for this pool or
 *         another; -ENODEV: the pool is revoked, so the callback would never run: put what can
 *         be put.
 */
PP_API int pp_recall_register(struct pp_pool *pool, struct pp_recall *recall);
/**
 * Unregister. Valid also after the pool was freed. On return no callback is running, except one
 * that this was called from. Any thread.
 * @return 0; -EINVAL: NULL; -ENOENT: not registered.
 */
PP_API int pp_recall_unregister(struct pp_recall *recall);
/** Call every recall callback of the pool. Any thread with a handle. */
PP_API void pp_pool_recall(struct pp_pool *pool);

/**
 * Request a callback when pages are back: ready(ctx) is called once after a get (pp_page_get,
 * _batch, _nogrow, a fragment, a getter's) has failed, other than with -ENODEV, or has returned
 * fewer than were asked for. The put that brings a page back calls it, on its thread; or the
 * revocation, pp_pool_destroy or pp_pool_own, on theirs. It is called at most once per failure, and
 * not at all if another get of the owner's succeeds first. In a pool that has had getters a get
 * that succeeds may call it, too, for it may have been another thread's that failed. No lock is
 * held and cancellation is disabled: it may put pages, but not get any.
 *
 * Only this pool's own pages cause it. There is no callback when a growth could succeed again: not
 * when another pool gives memory back to a budget that both share, nor when its limit is raised;
 * who must know tries again. Nor is there one when the fragments of the page that the pool cuts
 * from come back: that page is still out. A failure before the registration isn't remembered. Puts
 * cost nothing extra while nobody waits. Any thread with a handle, one call at a time.
 * @param ready  replaces the previous one; NULL: no callback. On return no call of the previous one
 *               is in progress, except one that this was called from. pp_pool_destroy ends it, too.
 *               A child of fork has none.
 * @return 0; -EINVAL: no pool.
 */
PP_API int pp_pool_notice(struct pp_pool *pool, void (*ready)(void *ctx), void *ctx);
/**
 * The same through an eventfd: 1 is added to it. It belongs to the caller and must stay open.
 * @param fd  created with EFD_NONBLOCK; negative: none.
 * @return 0; -EINVAL: no pool, or fd is blocking, or is not an eventfd; -EBADF: it isn't open.
 */
PP_API int pp_pool_notice_fd(struct pp_pool *pool, int fd);

/** The address of the page. This and the following: any thread that holds the page. */
PP_API void *pp_page_addr(const struct pp_page *page);
/** Its DMA address on every device of its pool. A revoke unmaps it but does not change it. */
PP_API pp_iova_t pp_page_iova(const struct pp_page *page);
/** Its size in bytes. */
PP_API uint32_t pp_page_size(const struct pp_page *page);
/**
 * Its area of pp_pool_params.user_size bytes, aligned to 8, which is the caller's as the page is:
 * it stays as it is when the page is put and got again. NULL: the pool was made without.
 */
PP_API void *pp_page_user(const struct pp_page *page);
/**
 * Its index in its pool, for tables of one's own: constant while the page has a holder. Indexes are
 * dense: each is below the most pages that the pool has had at a time, rounded up to whole chunks.
 */
PP_API uint64_t pp_page_index(const struct pp_page *page);
/**
 * The page with that index, without a lock. Any thread that has the handle or holds a page of the
 * pool.
 * @return right for the index of a page that the caller holds. For any other: NULL, or a page that
 *         the pool had during the call.
 */
PP_API struct pp_page *pp_pool_page(const struct pp_pool *pool, uint64_t index);
/** Bytes before the caller's data: pp_pool_params.headroom. */
PP_API uint32_t pp_page_headroom(const struct pp_page *page);
/** Where the caller's data begins: pp_page_addr and pp_page_iova, behind the headroom. */
PP_API void *pp_page_data(const struct pp_page *page);
PP_API pp_iova_t pp_page_data_iova(const struct pp_page *page);
/**
 * The page that an address lies in, of any pool that was made with PP_FIND_ADDR by this copy of the
 * library. Any value may be asked for; bits 48 and above are ignored. Takes no lock, and
 * reads no memory but the library's tables. Any thread, a signal's handler too.
 * @return right for what lies in a page that the caller holds, also when its pool is revoked or
 *         destroyed. For anything else: NULL, or a page that a pool had during the call.
 */
PP_API struct pp_page *pp_page_from_addr(const void *addr);
/**
 * The same for an IOVA and PP_FIND_IOVA. A pool with that keeps its IOVAs out of use until its last
 * page has been put, also when it is revoked: so this is right in zombies, too. What was the IOVA
 * of a revoked pool without it may lead to a page of another pool.
 */
PP_API struct pp_page *pp_page_from_iova(pp_iova_t iova);
/**
 * Call before the CPU reads what the device wrote to a page (page_pool_dma_sync_for_cpu): as
 * pp_dma_sync_for_cpu, in the pool's direction. Any thread that holds the page.
 * @param binding     of a device that the pool is attached to.
 * @param offset,len  bytes, within the page.
 * @return 0; -EINVAL: page is NULL, or not within it; else as pp_dma_sync_for_cpu.
 */
#define pp_page_sync_for_cpu(binding, page, offset, len)                                           \
	pp_page_sync_at((binding), (page), (offset), (len), true, PP_CALLER)
/**
 * Call before the device reads what the CPU wrote to a page, or writes where the CPU wrote, as
 * page_pool does for PP_FLAG_DMA_SYNC_DEV. @return as pp_page_sync_for_cpu.
 */
#define pp_page_sync_for_device(binding, page, offset, len)                                        \
	pp_page_sync_at((binding), (page), (offset), (len), false, PP_CALLER)
PP_API int pp_page_sync_at(pp_binding_t binding, const struct pp_page *page, uint32_t offset,
			   uint32_t len, bool for_cpu, const char *caller);
/** The reference count. A snapshot: only a result of 1 is stable, and only for the holder. */
PP_API uint32_t pp_page_refs(const struct pp_page *page);
/** Debug mode `pages`: record who holds the page now. The string must outlive that. */
PP_API void pp_page_tag(struct pp_page *page, const char *tag);

/**
 * The file that the pool's memory lies in, for other processes to map: pass the descriptor on
 * (SCM_RIGHTS), and for each page its offset. It is valid until the pool is destroyed and its last
 * page put; don't close it. Whoever has it can write to all of the pool's memory: to let another
 * process only read, pass on one opened anew for that, open("/proc/self/fd/N", O_RDONLY). That
 * binds only a process of another user without privileges: the file's mode is 0600, so one of the
 * same user can open it anew for writing. A child of fork doesn't have the descriptor; one that is
 * to have it gets a dup(2) of it. Any thread with a handle.
 * @return the descriptor; -EINVAL: no pool; -ENOENT: its memory lies in no file, or in one of the
 *         parent's.
 */
PP_API int pp_pool_fd(const struct pp_pool *pool);
/**
 * The same, and where the page lies in the file. Constant while the page has a holder. Any thread
 * that holds the page.
 * @param offset  bytes; may be NULL.
 * @return the descriptor; -EINVAL: page is NULL; -ENOENT: its memory lies in no file.
 */
PP_API int pp_page_fd(const struct pp_page *page, uint64_t *offset);

/** True once the pool is revoked and gets fail with -ENODEV. Any thread with a handle. */
PP_API bool pp_pool_revoked(const struct pp_pool *pool);

/**
 * Fill in the statistics. Any thread with a handle. in_flight of a pool of more than 256 chunks is
 * approximate while others get and put, as they have the lock between 256 chunks.
 * @param size  sizeof(*stats).
 */
PP_API void pp_pool_stats(struct pp_pool *pool, struct pp_pool_stats *stats, size_t size);

/** How long a page has been in flight: one of the few that a pool times. */
struct pp_page_age {
	uint64_t index; /**< the page's: pp_page_index */
	uint64_t ns;    /**< time since it was got */
};
#define PP_POOL_AGES 16u /**< a pool times at most so many pages at once */
/**
 * The ages of pages in flight, by sampling, always on. Of the gets that find the getting thread's
 * cache empty, the pool times the page of the first and then of one in 8: up to PP_POOL_AGES pages
 * at once, and while so many are out no other. Each age is exact; other pages may have been out for
 * longer. A fragment's page is timed from when it was got. Pages that pp_page_get_contiguous gives
 * are not timed, nor are those of a pool created in debug mode `pages`, which knows every page:
 * pp_debug_dump_pages. A page may be home by the time the caller looks at its age. Takes no lock.
 * Any thread with a handle, or in pp_pool_each.
 * @param out  room for n, the oldest first; may be NULL if n is 0.
 * @return how many, 0 to n; -EINVAL: no pool, or no room.
 */
PP_API int pp_pool_ages(const struct pp_pool *pool, struct pp_page_age *out, unsigned n);

/** A pool's properties; its counters are in struct pp_pool_stats. New members at the end only. */
struct pp_pool_info {
	char name[32];
	char label[80];                 /**< as in reports: the name and the first device */
	uint64_t id;                    /**< unique within the process, never reused */
	uint32_t page_size, chunk_size; /**< bytes */
	uint32_t dir;                   /**< enum pp_dma_dir */
	uint32_t destroyed;      /**< 1: the handle was released, the pool waits for its pages */
	uint64_t revoked_ago_ns; /**< time since it was revoked; 0: it isn't */
	uint32_t n_bindings;     /**< number of entries in binding */
	uint32_t reserved;
	pp_binding_t binding[PP_POOL_DEVICES]; /**< the devices that it is attached to */
};
/** Fill it in. Any thread with a handle, or in pp_pool_each. @param size  sizeof(*info). */
PP_API void pp_pool_info(struct pp_pool *pool, struct pp_pool_info *info, size_t size);

/**
 * Call fn for every pool of the process, zombies included, in order of creation. No lock of the
 * library is held; pools that are created or freed meanwhile may or may not be seen. The pool
 * exists for the duration of the call: fn may call pp_pool_info, pp_pool_stats, pp_pool_ages and
 * pp_pool_recall on it and nothing else. Any thread.
 */
PP_API void pp_pool_each(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx);

/** Totals of the process: pools (zombies included), zombies, and the latter's pages in flight. */
struct pp_totals {
	uint64_t pools;
	uint64_t zombies;
	uint64_t zombie_pages;
	uint64_t chunk_bytes;         /**< memory of chunks not yet returned to the system */
	uint64_t iova_bytes;          /**< IOVA space in use, all domains */
	uint64_t oldest_zombie_ns;    /**< time since the oldest zombie was revoked */
	uint64_t oldest_zombie_pages; /**< its pages in flight */
};
/** Fill in the totals. Any thread. @param size  sizeof(*totals). */
PP_API void pp_totals(struct pp_totals *totals, size_t size);

#ifdef __cplusplus
}
#endif

#include <pagepool/inline/fast.h>
#include <pagepool/inline/frag.h>
#endif
