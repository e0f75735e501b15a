/*
 * pool.h - what a pool is made of: the structures of this floor, and who may touch what of them.
 * Uses dma, device, iommu and env.
 *
 * WHERE A FREE PAGE IS. A page that nobody holds is in exactly one *location*:
 *
 *   cache         a private array, the owner's or a getter's: its thread alone, no atomic
 *                 read-modify-write (cache.h); others take from it when pages are short (take.h)
 *   remote frees  an SPSC ring for each putting thread, and an MPSC ring that the others share: any
 *                 thread puts, the owner takes (remote.h); of a pool with getters, who has the lock
 *   chunk         its bit in the chunk's `free_bits` words: any thread puts, the lock's holder
 *                 takes (chunk.h)
 *
 * Cache and remote frees are there for speed; the chunk is where a page is at home and where it is
 * counted. A chunk all of whose pages are home is idle, and in a zombie pool it is freed
 * (reclaim.h). A revocation brings all pages home: revoke.h has the protocol.
 *
 * Coming home has a model, tests/model/home.pml. "Model: home.pml, pool_try_reclaim." above a
 * function names the label or inline that models it. The code itself is run through every schedule
 * by tests/explore/.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <pagepool/pool.h>

#include "dma/spans.h"
#include "env/list.h"

#define POOL_CACHE PP_CACHE_PAGES /* pages in a cache */
#define BLOCK_PAGES                                                                                \
	((uint32_t)((PP_BLOCK_BYTES - offsetof(struct pp_block, page)) / sizeof(struct pp_page)))
#ifndef POOL_REFILL      /* tests/explore has smaller ones, as of PP_CACHE_PAGES */
#define POOL_REFILL 256u /* taken from the chunks, or brought home, at a time, at most */
#define POOL_FEW 64u  /* pages in the remote frees that aren't worth taking if there are others */
#define POOL_HINT 32u /* an SPSC ring's owner is told of so many at a time */
#define POOL_SPSC_RINGS 63u   /* threads that have an SPSC ring of their own at a time, at most */
#define POOL_SPSC_SLOTS 1024u /* pages in an SPSC ring; a power of two */
#define POOL_MPSC_SLOTS 2048u /* pages in the ring that all others share; a power of two */
#define POOL_DEVICES PP_POOL_DEVICES
#define POOL_SPAN 64u     /* chunks in a span, at most */
#define POOL_GROW 4u      /* chunks that one get adds, at most */
#define POOL_TRIM 2u      /* chunks trimmed for each that becomes idle, at most */
#define POOL_RUN 16u      /* chunks of a list that are looked through for neighbours, at most */
#define POOL_COLLECT 256u /* and chunks listed that pages have come home to, at most */
#endif

/* Bits of a word of 64: n, 1 at least, from lo on. */
static inline uint64_t bits_of(unsigned lo, unsigned n)
{
	return (~0ull >> (64 - n)) << lo;
}

/* ---- pages and chunks ------------------------------------------------------------------ */

/* Who got a page last, and who put it (debug mode `pages`). */
struct holder {
	/* written by get, under the pool's lock */
	const void *caller; /* the caller's code address */
	uint64_t time_ns;
	int thread;
	/* relaxed */
	const char *tag;
	const void *put_caller;
	int put_thread;
	uint32_t poisoned; /* the page is free and holds the poison */
};

/*
 * chunk->n_free: a signed count in the upper 31 bits, a flag in the lowest. The owner may
 * take a page whose putter hasn't counted it yet: the count is below the truth for a moment,
 * even negative, never above it, and no borrow reaches the flag.
 */
#define CHUNK_COMPLETE 1u
#define CHUNK_PAGES(n) ((uint32_t)(n) << 1)
#define CHUNK_COUNT(n_free) ((int32_t)(n_free) >> 1)

/*
 * Which list of the pool a chunk is on. Under its lock; chunk_move() is the one way from one to
 * another.
 *
 *   FRESH ---> AVAIL <-------> NONE       a page goes out, the last one that it had; one has come
 *     |         |  ^            |         home
 *     |         v  |            v
 *     |        IDLE <--- IDLE_RETURNED    all pages are home; while it is on the stack of those
 *     that v         |                         pages have returned to, it can't be listed
 *   RETIRING <--+                         trimmed: invalidated, freed
 *
 * From any of the first five a zombie's goes to NONE, and is freed.
 */
enum chunk_on {
	CHUNK_AVAIL,              /* some of its pages are home */
	CHUNK_IDLE,               /* all of them, */
	CHUNK_FRESH,              /* and it has never given one */
	CHUNK_LISTS,              /* so many have a list */
	CHUNK_NONE = CHUNK_LISTS, /* no page of it is home, as far as the lock's holder knows */
	CHUNK_IDLE_RETURNED,
	CHUNK_RETIRING,
	CHUNK_STATES
};

/*
 * In one piece of memory: the blocks, which lead it, this, free_bits, discarded, the user's areas.
 */
struct pp_chunk {
	/* constant */
	struct span *span;
	char *addr;
	struct pp_block *block; /* of its first BLOCK_PAGES pages; the others follow */
	uint64_t first;         /* the index in the pool of its first page: index.c */
	uint32_t slot;          /* in the span */
	uint64_t *free_bits;    /* a bit for each page that is home; the words are any thread's */
	uint64_t *discarded; /* of a zombie: a bit for each page whose memory was freed; relaxed */
	struct holder *holder; /* an entry for each page, or NULL: pool->tracked */
	/* under the pool's lock */
	enum chunk_on on;
	struct list where; /* link of pool->list[on]; alone if there is none of that */
	struct domain_pending pending;
	/*
	 * Any thread's. n_free counts the pages whose coming home is complete, and in a
	 * zombie pool one more, the pool's own hold. Who adds to it touches the chunk no
	 * more: it may be gone. With CHUNK_COMPLETE set, the chunk is in pool->complete, or about
	 * to be put there by the one who set it, and only who takes it out may free it.
	 */
	uint32_t n_free __attribute__((aligned(ENV_LINE)));
	uint32_t n_pages;               /* constant, and here because a revocation looks at both */
	struct pp_pool *pool;           /* constant */
	uint32_t queued;                /* in pool->returned, or found in one of the lists */
	struct pp_chunk *returned;      /* link of pool->returned */
	struct pp_chunk *next_complete; /* link of pool->complete, spent, leaving */
};

/* Addresses and IOVA for chunks that lie side by side: span.h. Under the pool's lock. */
struct span {
	struct list link;  /* pool->spans, while it has a live slot */
	struct list hole;  /* pool->holes or cut, while it has a dead one besides */
	struct iova *iova; /* until the pool is revoked, or the last chunk has gone */
	char *addr;
	uint64_t offset;       /* in the pool's file, of what is at addr */
	struct extent *extent; /* of the file that the pool has made: where that is */
	bool hugetlb;          /* it was made of such memory */
	size_t leaf;           /* the smallest page that its memory is made of, bytes */
	uint32_t n;            /* slots */
	uint32_t refs;         /* chunks whose memory has not gone back yet, and lost slots */
	struct mapping *map[POOL_DEVICES]; /* for each attachment */
	/* Bit: the slot ... */
	uint64_t live;      /* has a chunk of the pool, and until that is revoked it is mapped */
	uint64_t dead;      /* is free for a growth */
	uint64_t kept;      /* is dead or lost, and its memory could not be given back */
	uint64_t lost;      /* may still be reached by a device: not used again; relaxed */
	uint64_t memory[3]; /* has memory of that kind; what is in it may have gone back */
	uint64_t populated; /* is live, and all of its memory is there */
	struct pp_chunk *chunk[POOL_SPAN];
	struct span *next_lost;
};

/* Chunks of one span whose memory goes back to the system. */
struct leaving {
	struct span *span;
	uint32_t n;
	uint64_t slots; /* theirs; */
	uint64_t full;  /* not all of it has gone back already */
};

/* The numbers of a pool's chunks, and where to find a chunk by its number: index.c. */
struct numbers {
	uint64_t n;           /* that were given; under the pool's lock */
	uint64_t spare;       /* one more than the first to be used again; 0: there is none */
	uintptr_t *group[32]; /* entries, which stay until the pool is freed; release */
};

/* A piece of a pool's file, for a span, or spare: memory.c. */
struct extent {
	struct extent *next;
	uint64_t offset;
};

/* The file that a pool's memory lies in: memory.c. */
struct file {
	int fd;       /* -1: there is none; constant, until a child of fork closes the pool's own */
	bool own;     /* the pool has made it; constant */
	bool parents; /* what is in it is the parent's, in a child of fork; constant there */
	/* under the pool's lock */
	uint64_t bytes;                      /* that it has */
	struct extent *spare[POOL_SPAN + 1]; /* of a span with so many slots */
};

/* Whom a pool tells that pages are back: notice.c. Under its lock. */
struct notice {
	struct notice *next;
	uint32_t number; /* the pool's */
	void (*ready)(void *ctx);
	void *ctx;
};

/* ---- the pool -------------------------------------------------------------------------- */

struct attachment {
	struct binding_client client;
	struct pp_pool *pool;
	struct binding *binding; /* NULL: not in use */
	/*
	 * The binding has taken the client off its list and is about to revoke it: until that is
	 * done this entry must not be used for another binding. Set under the binding's lock.
	 */
	bool leaving;
	pp_binding_t name;
};

/* A ring with a single producer. Pages in it: from head up to tail. */
struct spsc_ring {
	uint64_t tail __attribute__((aligned(ENV_LINE))); /* the putter's; release */
	uint64_t cached_head;                             /* head as the putter last saw it */
	uint64_t *thread;                                 /* pool->spsc_thread's of it; constant */
	struct hlist_node link; /* among its thread's SPSC rings: under spsc_lock */
	/* The tail when it last passed a multiple of POOL_HINT: a hint, on a cache line that the
	 * owner may read without taking tail's away from the putter. Relaxed. */
	uint64_t tail_hint __attribute__((aligned(ENV_LINE)));
	uint64_t head __attribute__((aligned(ENV_LINE))); /* the owner's; release */
	struct pp_page *slot[POOL_SPSC_SLOTS] __attribute__((aligned(ENV_LINE)));
};

/* A ring with many producers. Pages in it: the slots that aren't NULL. */
struct mpsc_ring {
	uint64_t tail __attribute__((aligned(ENV_LINE)));
	uint64_t head __attribute__((aligned(ENV_LINE))); /* the owner's; release */
	struct pp_page *slot[POOL_MPSC_SLOTS] __attribute__((aligned(ENV_LINE)));
};

/* A page in flight that is timed: sample.c. Also an index, so that nobody need look at the page. */
struct sample {
	uint64_t since_ns;    /* 0: free; set by exchange; release */
	struct pp_page *page; /* release; NULL while the slot is free, or is being filled */
	uint64_t index;       /* release */
};

/*
 * What a pool is. It only ever goes on to a later one, under the lock (in a child of fork: before
 * there is anybody else).
 *
 *   LIVE ------------> REVOKING ------> ZOMBIE ------> DESTROYED ------> freed
 *     |                    ^        drained: its   the handle has    with its last
 *     |  fork, and a       |        hold on the    gone              reference
 *     |  device had the    |        chunks ends
 *     |  memory            |
 *     +----> INHERITED ----+  the last device is detached or unbound, or the pool destroyed
 *
 * The other flags are not states: `tracked` and `pinned` are properties of the pool. Of the words
 * of the revocation protocol, which are loaded and stored without the lock, anchor->revoked is the
 * one that a put may read when the pool is gone, with a state of its own (owner.h); `refilling`
 * says who has the remote frees at the moment; and `frag_closed` is a count.
 */
enum pool_state {
	POOL_LIVE,
	POOL_INHERITED, /* the memory is the parent's: no page is got any more, what is out comes home */
	POOL_REVOKING, /* the flags are up; everything comes home. The lock is held all the time */
	POOL_ZOMBIE,   /* n_free of each chunk has one more; it goes as it becomes complete */
	POOL_DESTROYED, /* the same; debug mode `pages` keeps it for a while, to tell who comes late */
};

struct pp_pool {
	/* Read by all, written hardly ever. */
	/* First: pp_page_get. The owner's; changed under the lock, release. */
	struct pp_anchor *anchor;
	uint32_t page_size;
	uint32_t together; /* pages in one page of the kernel's; 0: more than a word has bits */
	bool tracked; /* debug mode `pages`: cache and remote frees are closed, so that every get and
		       put takes the way through the chunk, where it is recorded */
	uint32_t has_getters; /* there is or was a getter: getter.c; set under the lock, relaxed */

	/* The owner's. Others read it to drain and for statistics. */
	struct pp_open open __attribute__((aligned(ENV_LINE))); /* pp_frag_get */
	struct pp_page *frag_page; /* the open page; who exchanges it for NULL closes it */
	uint32_t refilling;        /* taking from the remote frees; release */
	/* Relaxed, and added to by whoever gets. */
	uint64_t alloc_slow, alloc_empty, alloc_refill, alloc_failed, recycle_cache_full;
	uint64_t n_slow; /* slow gets that gave a page: sample.h */
	/* Of what the anchors count: what a refill pushed, and what was popped by anything but a
	 * fast get. */
	uint64_t filled, popped_otherwise;
	uint32_t turn;     /* which SPSC ring to take from next, or the MPSC ring */
	uint64_t peak_due; /* the anchor's popped, when the peak is to be looked at: peak.c */
	/* Gets, when use is to be looked at, or something trimmed: reclaim.c. Changed under the
	 * lock; relaxed. */
	uint64_t round_due;

	/* The putters'. */
	/* Bit: there is such an SPSC ring; release. */
	uint64_t spsc_made __attribute__((aligned(ENV_LINE)));
	uint64_t spsc_thread[POOL_SPSC_RINGS]; /* 0: nobody's; changed under spsc_lock */
	/* Made when a thread needs it, freed with the pool. */
	struct spsc_ring *spsc[POOL_SPSC_RINGS];
	struct mpsc_ring mpsc;
	struct pp_chunk *returned __attribute__((aligned(ENV_LINE))); /* have pages at home */
	struct pp_chunk *complete; /* are complete: to be looked at under the lock */
	struct pp_chunk *spent;    /* are trimmed and invalidated: to be freed under the lock */
	bool some_lost;            /* some slot is; under the lock */
	bool some_kept; /* the memory of some pages that came home could not be given back; relaxed */
	uint64_t recycle_ring_full;
	/* Pages that came home in other ways than it says; and the most that were in flight at a
	 * time, as far as is known. Their order: peak.c. */
	uint64_t home, peak;
	struct sample sample[PP_POOL_AGES]; /* filled by slow gets, emptied by puts */

	/*
	 * The handle, each chunk not freed yet, and whoever needs the pool for a moment.
	 */
	uint32_t refs;

	uint32_t dumps; /* odd while a signal's handler looks, perhaps with the lock; release */

	/* Protects all that follows, and what says so above. Before a binding's lock. */
	struct env_lock lock;
	struct pp_pool_params params;
	char name[32];
	char label[80]; /* for reports: the name and the first device; constant once attached */
	uint64_t id;    /* never used again; constant */
	uint64_t revoked_ns;       /* when */
	struct pp_anchor *anchors; /* all that it ever had; under anchors.lock too; release */
	enum pool_state state;     /* loaded by anyone, relaxed */
	/* The memory is kept from children: a device is or was attached that pins, or a child would
	 * share it. */
	bool pinned;
	/* open.held as the revoker closed the open page; UINT32_MAX until then */
	uint32_t frag_closed;
	uint64_t in_flight_at_revoke;
	uint64_t n_pages, n_chunks;
	uint64_t reserved; /* pages that trimming leaves */
	struct numbers numbers;
	struct file file;
	void (*area_free)(void *addr, uint64_t len, void *ctx); /* params.area_free, once created */
	uint64_t n_released;         /* the owner looks at it without the lock; relaxed */
	uint64_t n_on[CHUNK_STATES]; /* chunks */
	uint64_t n_memory[3];        /* chunks of each kind of memory */
	uint64_t record_bytes;       /* of spans and chunks */
	struct pp_chunk *leaving;    /* taken from spent */
	struct pp_chunk *collecting; /* taken from returned, and not listed yet */
	bool trimming;               /* there were more idle chunks than the limit */
	/*
	 * the most chunks in use at a time, in this round of gets and in the last; the round's end
	 */
	uint64_t most_used, most_used_last, round_end;
	/* growth: slots of the next span at most; what came of asking for IOVA the last time */
	uint32_t most;
	uint32_t n_failed;    /* growths, since the last that succeeded */
	uint32_t n_no_memory; /* of these, the last ones in a row for want of memory */
	bool no_iova;
	uint64_t iova_octaves, iova_freed;
	struct list spans;             /* with all chunks */
	struct list holes;             /* those with dead slots, */
	struct list cut;               /* and those whose dead slots hugetlb memory has gone from */
	struct list list[CHUNK_LISTS]; /* chunks, the last used first */
	struct attachment at[POOL_DEVICES];
	uint32_t n_at;

	struct notice notice;
	bool noticed; /* there is one; relaxed */
	bool woken;   /* the revocation came while one was waited for */

	struct list registry; /* among all pools: under anchors.lock */
};

/* Of a chunk that is whole: the last one may have fewer. */
static inline uint64_t pages_a_chunk(const struct pp_pool *pool)
{
	return pool->params.chunk_size / pool->page_size;
}

_Static_assert(offsetof(struct pp_pool, open) == PP_OPEN_OFFSET, "the inline get finds it");

static inline struct pp_pool *page_pool(const struct pp_page *page)
{
	return pp_block_of(page)->pool;
}

static inline struct pp_chunk *page_chunk(const struct pp_page *page)
{
	return pp_block_of(page)->chunk;
}

/* The owner's anchor, for a thread that isn't the owner: it may change. */
static inline struct pp_anchor *pool_anchor(struct pp_pool *pool)
{
	return env_load_acquire(&pool->anchor);
}

/* Without the lock: it may be so by now, and never ceases to be. */
static inline bool pool_is_over(const struct pp_pool *pool) /* no page is got any more */
{
	return env_load_relaxed(&pool->state) != POOL_LIVE;
}

static inline bool pool_is_revoked(const struct pp_pool *pool)
{
	return env_load_relaxed(&pool->state) >= POOL_REVOKING;
}

static inline bool pool_is_zombie(const struct pp_pool *pool)
{
	return env_load_relaxed(&pool->state) >= POOL_ZOMBIE;
}

static inline size_t chunk_size(const struct pp_pool *pool)
{
	return pool->params.chunk_size;
}

/* References to the pool: pool.c. Lock not needed. */
void pool_ref(struct pp_pool *pool);
bool pool_ref_unless_gone(struct pp_pool *pool);
void pool_unref(struct pp_pool *pool);
void pool_unref_many(struct pp_pool *pool, uint32_t n);

void pool_thread_ends(struct env_thread *thread); /* the calling one */

#endif
