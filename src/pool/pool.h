/*
 * pool.h - what a pool is made of. Uses dma, device, iommu and env.
 *
 * WHERE A FREE PAGE IS. A page that nobody holds is in exactly one *place*:
 *
 *   cache   the owner's private array: the owner alone, no atomic read-modify-write
 *   returns the pool's lanes and a shared ring (remote.c): any thread puts, the owner takes
 *   chunk   its bit in the chunk's `home` words: any thread puts, the lock's holder takes
 *
 * cache and returns are there for speed; the chunk is where a page is at home and where it
 * is counted. A chunk all of whose pages are home is idle, and in a zombie pool it goes.
 *
 * THE ONE SUBTLE PROTOCOL: REVOCATION. After it the pages in cache and returns must
 * come home though their owner may never call again, and nobody may pay for that before.
 * So whoever uses cache or returns does it first and then looks at the flag:
 *
 *   owner, putter:  change cache or returns; light barrier; load gate->revoked
 *   revoker (lock): store gate->revoked;     heavy barrier; drain cache and returns
 *
 * One of the two sees the other (env.h, "the asymmetric pair"). Who sees the flag takes
 * the lock, by which time the revoker has drained, and settles what it had in hand:
 * an entry that it popped and that is not NULL now was not drained and is its own to
 * bring home; an entry that it pushed is drained once more. Draining is an exchange
 * with NULL for each entry, so a page is taken out of its place once, by whomever.
 *
 * ANOTHER OWNER. The last owner may be in the middle of a put when a thread takes the pool over
 * (pp_pool_own), for as long as it likes, and has the cache to itself. So the new one gets a gate, and a
 * cache, of its own, and the old cache is revoked, as above: the flag of the old gate is raised,
 * and what is in it drained, into the new one. A pool's gates stay with it to its end, and a
 * revocation raises the flags of all, as the putters look at the one that they found; only a
 * thread that had one itself, or the next after it has ended, uses it again.
 *
 * The protocol has a model, checked exhaustively: tests/model/revoke.pml; coming home has
 * another, home.pml. "Model: home.pml, kick." above a function names the label or inline that
 * models it. The code itself is run through every schedule by tests/explore/.
 *
 * After a put has pushed its page, page, chunk and pool may be gone: all that it may
 * touch then is the gate, which goes with the library only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <pagepool/pool.h>

#include "dma/space.h"
#include "env/list.h"

#define POOL_CACHE PP_GATE_PAGES /* pages in the owner's cache */
#ifndef POOL_REFILL /* tests/explore has smaller ones, as of PP_GATE_PAGES */
#define POOL_REFILL 256u  /* taken from the chunks, or put, at a time, at most */
#define POOL_SPILL 32u    /* of these, that a full cache gives up at a time: divides it */
#define POOL_FEW 64u      /* pages in the returns that aren't worth taking if there are others */
#define POOL_TELL 32u     /* a lane's owner is told of so many at a time */
#define POOL_LANES 63u    /* threads at a time that put through a lane of their own, at most */
#define POOL_LANE 1024u   /* pages in a lane; a power of two */
#define POOL_RING 2048u   /* pages in the ring that all others share; a power of two */
#define POOL_DEVICES PP_POOL_DEVICES
#define POOL_SPAN 64u     /* chunks in a span, at most */
#define POOL_GROW 4u      /* chunks that one get adds, at most */
#define POOL_TRIM 2u      /* chunks trimmed for each that becomes idle, at most */
#define POOL_COLLECT 256u /* and chunks listed that pages have come home to, at most */
#endif

/* ---- copies of the library in one process --------------------------------------------- */

/*
 * Pages travel, also to where another copy of the library is called (one in the program, one in a
 * plug-in). Whoever meets a pool of another one lets that do what isn't done by page, gate and
 * pool alone. No number of a gate or thread is given by two copies (env.h), so the fast paths need
 * not ask: to them it is a page of a pool that isn't theirs.
 */
struct pp_copy {
	void (*put)(struct pp_page *const *pages, unsigned n, const void *place); /* as put_home */
	int (*get)(struct pp_page **out, struct pp_pool *pool, const void *place); /* as get_slow */
	void (*get_raced)(struct pp_pool *pool); /* as pp_page_get_raced */
	void (*put_raced)(struct pp_gate *gate);             /* as gate_raced */
	int (*frag_raced)(struct pp_pool *pool, struct pp_page *page, uint32_t users);
};
extern const struct pp_copy pool_copy; /* this one */

/* ---- the gate (pagepool/fast.h): what a put looks at last --------------------------- */

static inline bool gate_is_foreign(const struct pp_gate *gate)
{
	return env_unlikely(gate->copy != &pool_copy);
}

/* One more for the pool, as it was left. */
int gate_get(struct pp_gate **out, struct pp_pool *pool);
void gates_put(struct pp_pool *pool); /* all of the pool's: it goes */
/* The gate is the calling thread's. */
void gate_own(struct pp_gate *gate);
void gates_thread_ends(struct env_thread *thread);
/* Over a fork. In between: fn for every pool. */
void gates_hold(void);
void gates_release(void);
void gates_each_pool(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx);
/* The flag was seen after a push: settle whatever pool is behind the gate. */
void gate_raced(struct pp_gate *gate);

/* What the flag says, beside 0. */
#define GATE_REVOKED 1u
#define GATE_LEFT 2u /* by the owner: what is put into its cache nobody would take */

#define GATE_NOBODY UINT64_MAX /* no thread's number */

/* Is the flag up? */
static inline bool gate_revoked(const struct pp_gate *gate)
{
	return env_unlikely(env_load_relaxed(&gate->revoked));
}

/* The end of a push to the cache. What was pushed, and the pool, may be gone. */
static inline void gate_look(struct pp_gate *gate)
{
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	if (gate_revoked(gate))
		gate_raced(gate);
}

/* ---- pages and chunks ---------------------------------------------------------------- */

/* References are the upper half of pp_page.state. */
#define PAGE_REFS(n) ((uint64_t)(n) << 32)

/* The count would leave its range: it is as it was, and told of. */
void page_bad_refs(struct pp_page *page, uint32_t dropped, uint32_t taken);

/* Drop n references, the caller's; true if they were the last, and the page is to go home. */
static inline bool page_drop(struct pp_page *page, uint32_t n)
{
	/*
	 * With no other references than these nobody can take another: no read-modify-write
	 * needed. Acquire, here and below: what the other holders did came before.
	 */
	uint64_t state = env_load_acquire(&page->state);

	if (state >> 32 == n) {
		if (n == 1)
			return true;
	} else {
		state = env_sub_acq_rel(&page->state, PAGE_REFS(n));
		if (env_unlikely(state >> 32 < n))
			page_bad_refs(page, n, 0);
		if (state >> 32 != n)
			return false;
	}
	env_store_relaxed(&page->state, PAGE_REFS(1) | (uint32_t)state);
	return true;
}

/* Who got a page last, and who put it (debug mode `pages`). */
struct holder {
	/* written by get, under the pool's lock */
	const void *place; /* the caller's code address */
	uint64_t time_ns;
	int thread;
	/* relaxed */
	const char *tag;
	const void *put_place;
	int put_thread;
	uint32_t poisoned; /* the page is free and holds the poison */
};

/*
 * chunk->n_home: a signed count in the upper 31 bits, a flag in the lowest. The owner may
 * take a page whose putter hasn't counted it yet: the count is below the truth for a moment,
 * even negative, never above it, and no borrow reaches the flag.
 */
#define CHUNK_INBOX 1u
#define CHUNK_PAGES(n) ((uint32_t)(n) << 1)
#define CHUNK_COUNT(n_home) ((int32_t)(n_home) >> 1)

struct pp_chunk {
	/* constant */
	struct pp_pool *pool;
	struct span *span;
	char *addr;
	uint32_t n_pages;
	uint32_t slot; /* in the span */
	uint64_t *home; /* a bit for each page that is home; the words are any thread's */
	uint64_t *given; /* of a zombie: a bit for each page whose memory has gone back; relaxed */
	struct holder *holder; /* an entry for each page, or NULL: pool->watch */
	/* under the pool's lock */
	struct list where; /* pool->avail, idle or fresh; alone while none of its pages is home */
	uint64_t *counted; /* which of the pool's n_idle and n_fresh counts it, or NULL */
	struct domain_pending pending;
	/*
	 * Any thread's. n_home counts the pages whose coming home is complete, and in a
	 * zombie pool one more, the pool's own hold. Who adds to it touches the chunk no
	 * more: it may be gone. With CHUNK_INBOX set, the chunk is in pool->inbox, or about
	 * to be put there by the one who set it, and only who takes it out may free it.
	 */
	uint32_t n_home __attribute__((aligned(ENV_LINE)));
	uint32_t queued;          /* in pool->returned, or found in one of the lists */
	struct pp_chunk *returned;   /* link of pool->returned */
	struct pp_chunk *inbox;      /* link of pool->inbox, spent, leaving */
	struct pp_page page[];
};

/* Addresses and IOVA for chunks that lie side by side: span.c. Under the pool's lock. */
struct span {
	struct list link; /* pool->spans, while it has a live slot */
	struct list hole; /* pool->holes or cut, while it has a dead one besides */
	struct iova *iova; /* until the pool is revoked, or the last chunk has gone */
	char *addr;
	bool hugetlb;     /* it was made of such memory */
	size_t leaf;      /* the smallest page that its memory is made of, bytes */
	uint32_t n;       /* slots */
	uint32_t refs;    /* chunks whose memory has not gone back yet, and lost slots */
	struct mapping *map[POOL_DEVICES]; /* for each attachment */
	/* Bit: the slot ... */
	uint64_t live;    /* has a chunk of the pool, and until that is revoked it is mapped */
	uint64_t dead;    /* is free for a growth */
	uint64_t kept;    /* is dead or lost, and its memory could not be given back */
	uint64_t lost;    /* may still be reached by a device: not used again; relaxed */
	uint64_t memory[3]; /* has memory of that kind; what is in it may have gone back */
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

/*
 * A walk over all chunks of a pool; lock held, none added or removed meanwhile. A chunk's record
 * is far from the next one's: those of a span are fetched ahead.
 */
struct chunk_walk {
	const struct list *end, *at;
	uint64_t left; /* of the span's */
};

/* ---- the pool ----------------------------------------------------------------------------- */

struct attachment {
	struct binding_client client;
	struct pp_pool *pool;
	struct binding *binding; /* NULL: not in use */
	/*
	 * The binding has taken the client off its list and is about to revoke it: the place
	 * must not be given to another one before that. Set under the binding's lock.
	 */
	bool leaving;
	pp_binding_t name;
};

/* A ring with one putter. Pages in it: from head up to tail. */
struct lane {
	uint64_t tail __attribute__((aligned(ENV_LINE))); /* the putter's; release */
	uint64_t seen; /* head as the putter last saw it */
	uint64_t *thread; /* pool->lane_thread's of it; constant */
	struct lane *next, **at; /* among its thread's lanes: under lanes_lock */
	/* The tail when it last passed a multiple of POOL_TELL: a hint, on a line that the owner
	 * may look at without taking tail's away from the putter. Relaxed. */
	uint64_t told __attribute__((aligned(ENV_LINE)));
	uint64_t head __attribute__((aligned(ENV_LINE))); /* the owner's; release */
	struct pp_page *slot[POOL_LANE] __attribute__((aligned(ENV_LINE)));
};

/* A ring with many. Pages in it: the slots that aren't NULL. */
struct ring {
	uint64_t tail __attribute__((aligned(ENV_LINE)));
	uint64_t head __attribute__((aligned(ENV_LINE))); /* the owner's; release */
	struct pp_page *slot[POOL_RING] __attribute__((aligned(ENV_LINE)));
};

struct pp_pool {
	/* Read by all, written hardly ever. */
	/* First: pp_page_get. The owner's; changed under the lock, release. */
	struct pp_gate *gate;
	uint32_t page_size;
	uint32_t together; /* pages that share a page of the kernel's; 0: more than a word has bits */
	bool watch; /* debug mode `pages`: cache and returns are closed, so that every get and
		       put takes the way through the chunk, where the watching is */

	/* The owner's. Others read it to drain and for statistics. */
	uint32_t refilling __attribute__((aligned(ENV_LINE))); /* taking from the returns; release */
	uint64_t alloc_slow, alloc_empty, alloc_refill, alloc_failed, recycle_cache_full;
	/* Of what the gate counts: pushed by a refill, popped not by a fast get. The last owner may
	 * add to the latter and to recycle_cache_full, too. */
	uint64_t filled, popped_otherwise;
	struct pp_page *frag_page; /* the page that fragments are cut from; exchanged */
	uint32_t frag_off;
	uint32_t frag_users; /* fragments cut from it so far; release */
	uint32_t turn;       /* the place among the returns to be taken from next */

	/* The putters'. */
	uint64_t lanes __attribute__((aligned(ENV_LINE))); /* bit: there is such a lane; release */
	uint64_t lane_thread[POOL_LANES]; /* 0: nobody's; changed under lanes_lock */
	struct lane *lane[POOL_LANES];    /* made when a thread needs it, freed with the pool */
	struct ring ring;
	struct pp_chunk *returned __attribute__((aligned(ENV_LINE))); /* have pages at home */
	struct pp_chunk *inbox; /* are complete: to be looked at under the lock */
	struct pp_chunk *spent; /* are trimmed and invalidated: to be freed under the lock */
	bool some_kept; /* the memory of some pages that came home could not be given back; relaxed */
	uint64_t recycle_ring_full;

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
	uint64_t id; /* never used again; constant */
	uint64_t revoked_ns; /* when */
	struct pp_gate *gates; /* all that it ever had; under gates.lock too */
	bool destroyed; /* debug mode `pages` keeps it for a while, to tell who comes late */
	bool revoked; /* loaded by anyone, relaxed */
	bool parents; /* this is a child of fork, and the memory is the parent's */
	bool pinned; /* a device is or was attached that pins: the memory is kept from children */
	/* The hold on the chunks has ended: n_home has one more. Read by puts too, relaxed. */
	bool let_go;
	uint32_t frag_closed; /* the frag_users that the revoker closed with */
	uint64_t in_flight_at_revoke;
	uint64_t n_pages, n_chunks, n_idle, n_fresh;
	uint64_t n_released; /* the owner looks at it without the lock; relaxed */
	uint64_t n_memory[3]; /* chunks of each kind of memory */
	uint64_t n_retiring;  /* chunks trimmed and not freed yet */
	uint64_t record_bytes; /* of spans and chunks */
	struct pp_chunk *leaving; /* taken from spent */
	struct pp_chunk *collecting; /* taken from returned, and not listed yet */
	bool trimming; /* there were more idle chunks than the limit: down to half of it */
	/* growth: slots of the next span at most; what came of asking for IOVA the last time */
	uint32_t most;
	bool no_iova;
	uint64_t iova_octaves, iova_freed;
	struct list spans; /* with all chunks */
	struct list holes; /* those with dead slots, */
	struct list cut;   /* and those whose dead slots hugetlb memory has gone from */
	struct list avail; /* chunks with some pages home, */
	struct list idle;  /* with all of them, */
	struct list fresh; /* and such as have never given one */
	struct attachment at[POOL_DEVICES];
	uint32_t n_at;

	struct list registry; /* among all pools: under gates.lock */
};

/* The owner's gate, for who isn't the owner: it may change. */
static inline struct pp_gate *pool_gate(struct pp_pool *pool)
{
	return env_load_acquire(&pool->gate);
}

/* No page is got from it any more. Lock held. */
static inline bool pool_is_over(const struct pp_pool *pool)
{
	return pool->revoked || pool->parents;
}

/* pool.c */
void pool_lock(struct pp_pool *pool);
void pool_unlock(struct pp_pool *pool); /* the caller holds a reference or the handle */
void pool_ref(struct pp_pool *pool);
bool pool_ref_unless_gone(struct pp_pool *pool);
/*
 * For one signal's handler at a time: it neither waits for the lock, nor can it free what a put
 * leaves in the inbox meanwhile. So a zombie's put waits for the lock then, and the handler ends
 * when pool_look_is_waited_for. chunk.c.
 */
bool pool_look_begin(struct pp_pool *pool); /* false: somebody has the lock */
void pool_look_end(struct pp_pool *pool);
bool pool_look_is_waited_for(const struct pp_pool *pool);
void pool_unref(struct pp_pool *pool);
void pool_unref_many(struct pp_pool *pool, uint32_t n);
void pool_drain(struct pp_pool *pool); /* lock held */
/* The flag of a gate of it was seen: drain it if it is revoked, or a cache that isn't its owner's
 * any more. Lock held. */
void pool_settle(struct pp_pool *pool, struct pp_gate *gate);
void pool_thread_ends(struct env_thread *thread); /* the calling one */
/* From now on others find the pool: it has its gate, and all is as in an empty one. */
void pool_publish(struct pp_pool *pool);
/* Call fn for every pool that is published, with a reference. */
void pools_each(void (*fn)(struct pp_pool *pool, void *ctx), void *ctx);
/*
 * The same of the one pool that comes after a number, without waiting for a lock, which fn may not
 * do either. 1; 0: there is none; -EBUSY: the list is being changed.
 */
int pools_try_next(uint64_t *id, void (*fn)(struct pp_pool *pool, void *ctx), void *ctx);

/* grow.c: POOL_GROW chunks at most. 0 or what pp_page_get returns; lock held */
int pool_grow(struct pp_pool *pool);

/* reclaim.c: lock held */
/* Let idle and fresh chunks go until at most keep of them are left, and complete every
 * deferred invalidation. */
void pool_shrink(struct pp_pool *pool, uint64_t keep);
/* A chunk has become idle: a step towards the limit. Does not wait. */
void pool_keep_to_limit(struct pp_pool *pool);
/* Free chunks that are trimmed and invalidated, so many at most. */
void pool_free_spent(struct pp_pool *pool, uint32_t most);
uint64_t pool_idle_limit(const struct pp_pool *pool);

/* span.c: lock held */
/* Cut the lowest run of ones off bits: n of them from lo up. False: there is none. */
bool next_run(uint64_t *bits, unsigned *lo, unsigned *n);
/* No errno, of which a back end may return any: it is worth another try. */
#define POOL_AGAIN 1
/*
 * A new span, nothing of it in use, in those octaves of IOVA space: with `slots` slots, or fewer;
 * or with hugetlb memory for up to so many chunks. 0; -ENOSPC: no IOVA; -ENOMEM.
 */
int span_start(struct pp_pool *pool, struct span **out, uint32_t slots, uint64_t octaves);
int span_start_hugetlb(struct pp_pool *pool, struct span **out, uint32_t chunks,
			uint64_t octaves);
/* One that was started, if nothing of it is in use. */
void span_drop(struct pp_pool *pool, struct span *span);
/* Dead slots, all with memory or all without: n from lo up, most at most. Returns n. */
unsigned span_hole(const struct span *span, unsigned *lo, unsigned most);
/* The steps of filling those: memory, of the best kind there is, */
int span_commit(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n);
/*
 * the mapping, for all that the pool is attached to but those that are ending, to which it adds who
 * has begun to (POOL_AGAIN: and has the span mapped; -ENODEV: there is nobody else), or
 */
int span_map_new(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n, unsigned *ending);
/* no mapping: what there was before goes back; */
void span_undo(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n);
/* and now they are live. */
void span_fill(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n);
enum pp_memory span_memory(const struct span *span, unsigned slot);
/*
 * Unmap those slots for a device; the caller invalidates. What can't be unmapped is lost. Binding's
 * lock held, too.
 */
void span_unmap(struct pp_pool *pool, struct span *span, struct binding *b, uint64_t slots);
/* Memory of chunks that are freed: back to the system. Span and pool may be gone after it. */
void give_back(struct pp_pool *pool, struct leaving *leaving);
/* Map or unmap every span for one attachment. */
int pool_map_all(struct pp_pool *pool, unsigned at);
void pool_unmap_all(struct pp_pool *pool, unsigned at);
/* Bytes that devices can reach, for each of them. */
uint64_t pool_bytes_mapped(const struct pp_pool *pool);
uint64_t chunk_bytes_total(void);

/* chunk.c: lock held unless said otherwise */
/* A chunk with all of its pages home, which has no memory yet; or NULL. */
struct pp_chunk *chunk_new(struct pp_pool *pool, uint32_t n_pages);
void chunk_delete(struct pp_chunk *c);
/* Into the pool, with the memory of a slot that is live; and out of its lists and counts. */
void chunk_add(struct pp_chunk *c, struct span *span, uint32_t slot);
void chunk_remove(struct pp_pool *pool, struct pp_chunk *c);
/* Its record goes, and its memory with the next give_back, for many at once. */
void chunk_free(struct pp_chunk *c, struct leaving *leaving);
/* Onto a stack that is taken as a whole, under the lock. Any thread, no lock needed. */
void stack_push(struct pp_chunk **head, struct pp_chunk *c, struct pp_chunk **link);
/* List chunks that pages have returned to, `most` at most. */
void collect_returned(struct pp_pool *pool, uint32_t most);
/* Take up to n pages from the chunks. */
unsigned pool_take_home(struct pp_pool *pool, struct pp_page **out, unsigned n);
/* Bring pages of one pool home, in any place's stead. Any thread, no lock needed. */
void pool_bring_home(struct pp_page *const *pages, unsigned n);
/* Look at the chunks in the inbox: free, or list as idle and trim towards the limit. */
void pool_process_inbox(struct pp_pool *pool);
/* Of a zombie: give the memory of all its free pages back. */
void pool_discard(struct pp_pool *pool);
/* The pool's own hold on its chunks ends: it is revoked and drained. How many pages are out? */
uint64_t pool_let_go(struct pp_pool *pool);
struct chunk_walk chunk_walk(const struct pp_pool *pool);
struct pp_chunk *chunk_walk_next(struct chunk_walk *walk); /* NULL: there are no more */
/* Pages of a chunk that aren't home: in flight, in cache or ring, or just coming. */
uint32_t chunk_in_flight(const struct pp_chunk *c);

/* cache.c: cache and ring */
/* pp_page_get for a caller of our own; place: its caller. */
int page_get(struct pp_page **out, struct pp_pool *pool, const void *place);
/* The caller is the owner from now on. 0; -ENOMEM: there is no gate for it. */
int place_own(struct pp_pool *pool);
void place_open(struct pp_pool *pool);
/* Bring home what is in the cache of a gate that isn't the owner's any more; lock held. */
void place_left(struct pp_pool *pool, struct pp_gate *gate);
void place_close(struct pp_pool *pool); /* no more pushes; lock held */
void place_drain(struct pp_pool *pool); /* bring all of them home; lock held, revoked */
void place_empty(struct pp_pool *pool); /* the same in a live pool; owner, lock not held */
/* Pages in cache and ring, and what went through them: about, while the pool is in use. */
uint64_t place_count(struct pp_pool *pool);
void place_stats(struct pp_pool *pool, struct pp_pool_stats *s); /* lock held */

/* remote.c */
/*
 * Push up to n pages; returns for how many there was room. Of these none may be touched any
 * more, nor, if it was all, the pool. Any thread.
 */
unsigned returns_push(struct pp_pool *pool, struct pp_page *const *pages, unsigned n);
unsigned returns_take(struct pp_pool *pool, struct pp_page **out, unsigned n); /* owner */
void returns_forget(void); /* that this thread has a lane: it is the owner now */
/* The calling thread: its lanes are for others. */
void returns_thread_ends(struct env_thread *thread);
void returns_hold(void); /* over a fork */
void returns_release(void);
void returns_end(struct pp_pool *pool); /* the pool: nobody has a reference */
uint64_t returns_bytes(const struct pp_pool *pool); /* of the lanes */
bool returns_are_few(struct pp_pool *pool); /* fewer than POOL_FEW, as far as is told; owner */
void returns_drain(struct pp_pool *pool); /* as place_drain, with the owner not in it */
uint64_t returns_count(struct pp_pool *pool); /* pages there now, about */
uint64_t returns_total(struct pp_pool *pool); /* pages that ever went that way */

/*
 * The lane that this thread put to last. Right as long as there is a pool at that address and it
 * says so: no thread ever has another's number.
 */
struct lane_mine {
	const struct pp_pool *pool;
	const uint64_t *thread; /* &pool->lane_thread[...] */
	struct lane *lane;
};
extern __thread struct lane_mine lane_mine
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline bool lane_is_at_hand(const struct pp_pool *pool)
{
	return lane_mine.pool == pool && env_is_self(env_load_relaxed(lane_mine.thread));
}

/*
 * The flag was seen after a push to the returns: but to them it is all the same who is the owner.
 * True, so that it can end its caller.
 */
bool returns_raced(struct pp_gate *gate);

/* The end of a push of k pages above the tail. They, and the pool, may be gone after it. True. */
static inline bool lane_pushed(struct lane *lane, struct pp_gate *gate, uint64_t tail, unsigned k)
{
	bool tell = (tail ^ (tail + k)) / POOL_TELL;

	if (tell) /* before: the pool may be gone once the tail says that they are there */
		env_store_relaxed(&lane->told, tail + k);
	env_store_release(&lane->tail, tail + k);
	env_barrier_light(); /* pairs with the heavy one in pool_revoke */
	return env_unlikely(gate_revoked(gate)) ? returns_raced(gate) : true;
}

/*
 * As returns_push of one page, if this thread's lane is at hand and has room. Whether cache and
 * returns are closed is not asked: a closed pool gave no lane to anyone, or it is revoked, which is
 * seen after the push. Model: revoke.pml, returns_push.
 */
static inline bool returns_put(struct pp_pool *pool, struct pp_page *page)
{
	struct pp_gate *gate;
	struct lane *lane;
	uint64_t tail;

	if (env_unlikely(!lane_is_at_hand(pool)))
		return false;
	gate = pool_gate(pool);
	lane = lane_mine.lane;
	tail = env_load_relaxed(&lane->tail);
	if (env_unlikely(tail - lane->seen == POOL_LANE))
		return false;
	PP_PROBE2(put, pool, 1); /* before: page and pool may be gone after it */
	env_store_relaxed(&lane->slot[tail % POOL_LANE], page);
	return lane_pushed(lane, gate, tail, 1);
}

/* frag.c: the page that fragments are cut from, closed by the revoker. Lock held. */
void frag_revoke(struct pp_pool *pool);
/* The same by the owner, lock not held: it goes home with the last of its fragments. */
void frag_close(struct pp_pool *pool);
int frag_raced(struct pp_pool *pool, struct pp_page *page, uint32_t users);

/* holders.c: debug mode `pages`. place: the caller's code address */
void watch_get(struct pp_page *page, const void *place); /* lock held */
/* Before a page comes home. False: it is home already, and must not come again. */
bool watch_put(struct pp_page *page, const void *place);
/* Is the caller allowed to get? An errno if there is no going on. Lock held. */
int watch_caller(struct pp_pool *pool, const void *place);
/* True, and told, if it is a signal's handler that has interrupted a call with a lock. */
bool watch_handler(struct pp_pool *pool, const char *what, const void *place);
/* True, and told of, if it is the use of a pool that has been destroyed. */
bool watch_destroyed(const struct pp_pool *pool, const char *what, const void *place);
/* The same of one that has gone: for the calls that are allowed on a zombie. */
bool watch_gone(const struct pp_pool *pool, const char *what, const void *place);
/* Has anybody written to a free page of it? Before its memory goes; lock held. */
void watch_chunk(struct pp_chunk *c);
/*
 * The same of a pool that is drained, before anybody gives the memory of its free pages back: from
 * pool_let_go on a put does so to the neighbours of its page too, and nobody looks any more.
 */
void watch_revoked(struct pp_pool *pool);
/* Keep a pool that has been freed for a while. */
void watch_bury(struct pp_pool *pool);
void watch_double_put(const struct pp_page *page, const void *place);
void watch_bad_refs(const struct pp_page *page, const char *what);
void watch_bad_frag(struct pp_pool *pool, uint32_t len, uint32_t align, const void *place);

/* recall.c: ask the registered holders for the pool's pages. No lock held. */
void recall_ask(uint64_t pool_id, const char *name);

#endif
