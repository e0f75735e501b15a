/*
 * remote.c - pages that other threads put, and how the owner gets them.
 *
 * Each thread that puts has an *SPSC ring* of its own, with one producer and one consumer, so that
 * its puts need no atomic read-modify-write: that would wait for every store before it, and the
 * last of these is usually to a cache line that another thread reads. Threads that find no SPSC
 * ring, because POOL_SPSC_RINGS threads have one or there is no memory, share an MPSC ring, in
 * which a slot is taken by a compare-and-swap. The owner takes from the SPSC rings and the MPSC
 * ring in turn.
 *
 * A thread has one SPSC ring in each pool that it puts to. It keeps the ring until the thread ends,
 * for nobody else can know that it isn't in the middle of a put; then another thread gets it, with
 * what is in it. An idle thread's ring costs the others nothing but memory.
 *
 * From top to bottom: which thread has which SPSC ring; put, into SPSC or MPSC ring; the owner's
 * end. A push ends with a look at the flag: revoke.h, which also has draining.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/remote.h"

#include "pool/cache.h"
#include "pool/chunk.h"
#include "pool/known.h"
#include "pool/sample.h"

/* ---- a thread's own SPSC ring ---------------------------------------------------------- */

/* Which thread has which ring: protects the threads' lists, stores to pool->spsc_thread. A leaf. */
static struct env_lock spsc_lock = ENV_LOCK_INIT;

void remote_hold(void)
{
	env_lock(&spsc_lock);
}

void remote_release(void)
{
	env_unlock(&spsc_lock);
}

/* Release: what the thread did to its rings comes before their next owner's use. */
void remote_thread_ends(struct env_thread *thread)
{
	struct spsc_ring *spsc;

	known_end(); /* it takes no SPSC ring any more */
	env_lock(&spsc_lock);
	while (thread->spsc_rings) {
		spsc = list_entry(thread->spsc_rings, struct spsc_ring, link);
		hlist_del(&spsc->link);
		env_store_release(spsc->thread, 0);
	}
	env_unlock(&spsc_lock);
}

/* The pool's i-th SPSC ring, which is nobody's, or a new one; NULL: no memory. Lock held. */
static struct spsc_ring *spsc_at(struct pp_pool *pool, unsigned i)
{
	struct spsc_ring *spsc = pool->spsc[i];

	if (spsc)
		return spsc;
	spsc = env_zalloc(sizeof *spsc);
	if (!spsc)
		return NULL;
	spsc->thread = &pool->spsc_thread[i];
	env_store_release(&pool->spsc[i], spsc);
	/* release: pairs with the loads of `spsc_made` */
	env_or_seq_cst(&pool->spsc_made, 1ull << i);
	return spsc;
}

/*
 * Acquire: what the previous thread did to the SPSC ring came before. A put doesn't wait: while
 * another thread has the lock it does without an SPSC ring.
 */
static struct spsc_ring *take_spsc(struct pp_pool *pool, uint64_t self, struct env_thread *thread)
{
	struct spsc_ring *spsc = NULL;
	unsigned i = 0;

	if (!env_trylock(&spsc_lock))
		return NULL;
	while (i < POOL_SPSC_RINGS && env_load_acquire(&pool->spsc_thread[i]))
		i++;
	if (i < POOL_SPSC_RINGS)
		spsc = spsc_at(pool, i);
	if (spsc) {
		thread->at_end = pool_thread_ends;
		known_begin(thread);
		hlist_add(&spsc->link, &thread->spsc_rings);
		env_store_relaxed(&pool->spsc_thread[i], self);
	}
	env_unlock(&spsc_lock);
	return spsc;
}

/* The calling thread's, or NULL. anchor: the pool's, this copy's of the library. */
static struct spsc_ring *find_spsc(struct pp_pool *pool, struct pp_anchor *anchor)
{
	uint64_t self = env_self(), all = env_load_acquire(&pool->spsc_made);
	struct env_thread *thread;
	struct spsc_ring *spsc = NULL;

	if (known_has_ended())
		return NULL;
	for (uint64_t left = all; left && !spsc; left &= left - 1) { /* it may have one already */
		unsigned i = (unsigned)__builtin_ctzll(left);

		if (env_load_relaxed(&pool->spsc_thread[i]) == self)
			spsc = env_load_relaxed(&pool->spsc[i]);
	}
	if (!spsc) {
		thread = env_thread();
		spsc = thread ? take_spsc(pool, self, thread) : NULL;
	}
	if (spsc)
		known_add_ring(anchor, spsc);
	return spsc;
}

/* The pool is freed, and its SPSC rings with it. */
void remote_end(struct pp_pool *pool)
{
	for (uint64_t left = pool->spsc_made; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		env_lock(&spsc_lock);
		hlist_del(&pool->spsc[i]->link); /* if a thread has it */
		pool->spsc_thread[i] = 0;
		env_unlock(&spsc_lock);
		env_free(pool->spsc[i]);
	}
	pool->spsc_made = 0;
}

/* ---- put: into an SPSC ring ------------------------------------------------------------ */

/* The end of a push of k pages above the tail. They, and the pool, may be gone after it. */
static inline void spsc_pushed(struct spsc_ring *spsc, struct pp_anchor *anchor, uint64_t tail,
			       unsigned k)
{
	bool tell = (tail ^ (tail + k)) / POOL_HINT;

	if (tell) /* before: the pool may be gone once the tail is stored */
		env_store_relaxed(&spsc->tail_hint, tail + k);
	env_store_release(&spsc->tail, tail + k);
	if (revoke_seen(anchor))
		remote_raced(anchor);
}

/* How many of n slots from `from` on lie before the end of the array. */
static unsigned to_end(uint64_t from, unsigned n)
{
	unsigned left = POOL_SPSC_SLOTS - (unsigned)(from % POOL_SPSC_SLOTS);

	return n < left ? n : left;
}

/*
 * Push up to n pages into the calling thread's SPSC ring; returns how many had room. Those must not
 * be touched any more and, if it was all of them, neither must the pool.
 * Model: revoke.pml, spsc_push.
 */
static unsigned spsc_push(struct spsc_ring *spsc, struct pp_anchor *anchor,
			  struct pp_page *const *pages, unsigned n)
{
	uint64_t tail = env_load_relaxed(&spsc->tail);
	unsigned room = (unsigned)(POOL_SPSC_SLOTS - (tail - spsc->cached_head));
	unsigned k, first;

	if (room < n) {
		/* acquire: the slots up to it have been read (spsc_take) */
		spsc->cached_head = env_load_acquire(&spsc->head);
		room = (unsigned)(POOL_SPSC_SLOTS - (tail - spsc->cached_head));
	}
	k = n < room ? n : room;
	if (!k)
		return 0;
	first = to_end(tail, k);
	env_copy_relaxed(spsc->slot + tail % POOL_SPSC_SLOTS, pages, first);
	env_copy_relaxed(spsc->slot, pages + first, k - first);
	spsc_pushed(spsc, anchor, tail, k);
	return k;
}

/* ---- put: into the shared MPSC ring ---------------------------------------------------- */

/*
 * As spsc_push. A putter first takes its slots, by moving the tail, then fills them. The owner
 * stops at a slot that isn't filled yet: neither ever waits for the other.
 * Model: revoke.pml, mpsc_push.
 */
static unsigned mpsc_push(struct mpsc_ring *mpsc, struct pp_anchor *anchor,
			  struct pp_page *const *pages, unsigned n)
{
	uint64_t tail = env_load_relaxed(&mpsc->tail);
	uint64_t room;
	unsigned k;

	do {
		/* acquire: the slots up to it have been emptied (mpsc_take) */
		room = POOL_MPSC_SLOTS - (tail - env_load_acquire(&mpsc->head));
		k = n < room ? n : (unsigned)room;
		if (!k || room > POOL_MPSC_SLOTS) /* a tail that is stale: as good as full */
			return 0;
	} while (!env_cas_acq_rel(&mpsc->tail, &tail, tail + k));
	for (unsigned i = 0; i < k; i++)
		env_store_release(&mpsc->slot[(tail + i) % POOL_MPSC_SLOTS], pages[i]);
	if (revoke_seen(anchor))
		remote_raced(anchor);
	return k;
}

/* ---- put: where to --------------------------------------------------------------------- */

/* Pages for which there is no room. */
static void put_beyond(struct pp_pool *pool, struct pp_anchor *anchor, struct pp_page *const *pages,
		       unsigned n, const void *caller)
{
	if (!n)
		return;
	env_add_relaxed(&pool->recycle_ring_full, n);
	chunk_put_pages(pool, pages, n, caller);
	wait_look(anchor);
}

/*
 * Pages of another thread's pool, for which no ring is known. Whether the remote frees are
 * closed is checked only here: a closed pool gives no thread an SPSC ring, unless it was closed by
 * a revocation, which is seen after the push. Model: revoke.pml, remote_put.
 */
static __attribute__((noinline)) void remote_put(struct pp_pool *pool, struct pp_anchor *anchor,
						 struct pp_page *const *pages, unsigned n,
						 const void *caller)
{
	struct spsc_ring *spsc;
	unsigned k = 0;

	if (anchor_is_foreign(anchor)) {
		anchor->copy->put(pages, n, caller);
		return;
	}
	PP_PROBE2(put, pool, n); /* before: pages and pool may be gone after it */
	if (anchor_takes_remote(anchor)) {
		spsc = find_spsc(pool, anchor);
		k = spsc ? spsc_push(spsc, anchor, pages, n) :
			   mpsc_push(&pool->mpsc, anchor, pages, n);
	}
	put_beyond(pool, anchor, pages + k, n - k, caller);
}

/*
 * Last references to pages of one pool, for which no ring is known. None but the first is sampled:
 * the others were found by their state.
 */
static void put_last(struct pp_page *const *pages, unsigned n, const void *caller)
{
	struct pp_pool *pool = page_pool(pages[0]);
	struct pp_anchor *own = own_anchor(pool);

	sample_look(pool, pages[0]);
	if (!own)
		remote_put(pool, pool_anchor(pool), pages, n, caller);
	else if (!cache_put(own, pages, n))
		cache_put_full(pool, own, pages, n, caller);
}

/* The same with a ring that is known, for many pages or one that was found full. */
static __attribute__((noinline)) void
put_into(const struct known_ring *to, struct pp_page *const *pages, unsigned n, const void *caller)
{
	struct pp_pool *pool = page_pool(pages[0]);
	struct pp_anchor *anchor = to->anchor;
	unsigned k;

	PP_PROBE2(put, pool, n);
	k = spsc_push(to->spsc, anchor, pages, n);
	put_beyond(pool, anchor, pages + k, n - k, caller);
}

void put_pages(struct pp_page *const *pages, unsigned n, const void *caller)
{
	const struct known_ring *to = known_ring(known_pools, env_load_relaxed(&pages[0]->state));

	if (to)
		put_into(to, pages, n, caller);
	else
		put_last(pages, n, caller);
}

/* ---- put: one page --------------------------------------------------------------------- */

/* As put_last. */
static __attribute__((noinline)) void put_one(struct pp_page *page, const void *caller)
{
	struct pp_pool *pool;
	struct pp_anchor *own;

	if (!page_drop(page, 1, caller)) /* it has none */
		return;
	pool = page_pool(page);
	own = own_anchor(pool);
	sample_look(pool, page);
	if (!own)
		remote_put(pool, pool_anchor(pool), &page, 1, caller);
	else if (!cache_put_one(own, page))
		cache_put_full(pool, own, &page, 1, caller);
}

/* Into a ring that is known, and full. */
static __attribute__((noinline)) void put_full(const struct known_ring *to, struct pp_page *page,
					       const void *caller)
{
	put_into(to, &page, 1, caller);
}

/* Into a ring that is known. Model: revoke.pml, spsc_push. */
static inline void spsc_put_one(const struct known_ring *to, struct pp_page *page,
				const void *caller)
{
	struct spsc_ring *spsc = to->spsc;
	uint64_t tail = env_load_relaxed(&spsc->tail);

	if (env_unlikely(tail - spsc->cached_head == POOL_SPSC_SLOTS)) {
		put_full(to, page, caller);
		return;
	}
	PP_PROBE2(put, page_pool(page), 1); /* before: page and pool may be gone after it */
	env_store_relaxed(&spsc->slot[tail % POOL_SPSC_SLOTS], page);
	spsc_pushed(spsc, to->anchor, tail, 1);
}

/* A page that had others' references a moment ago, and has none now, or had none at all. */
static __attribute__((noinline)) void put_shared_last(struct pp_page *page, uint64_t state,
						      const void *caller)
{
	if (page_dropped(page, state, 1, caller))
		put_pages(&page, 1, caller);
}

/* One that has others' references. */
static inline void put_shared(struct pp_page *page, const void *caller)
{
	uint64_t state = env_sub_acq_rel(&page->state, PAGE_REFS(1));

	if (env_unlikely(!page_is_shared(state)))
		put_shared_last(page, state, caller);
}

/*
 * What the inline put did not take: fragments, pages of another thread's pool, and of a pool of the
 * caller's that isn't the one it put to last.
 */
static __attribute__((noinline)) void put_slow(struct pp_page *page, const void *caller)
{
	/* acquire: what other holders did came before */
	uint64_t state = env_load_acquire(&page->state);
	const struct known *known = known_pools;
	const struct known_ring *to;

	if (env_unlikely(page_is_shared(state))) {
		put_shared(page, caller);
		return;
	}
	if (known_own_put(known, page, state))
		return;
	to = known_ring(known, state);
	if (to)
		spsc_put_one(to, page, caller);
	else
		put_one(page, caller);
}

void pp_page_put_slow(struct pp_page *page)
{
	put_slow(page, __builtin_return_address(0));
}

/* For whoever doesn't inline it. */
void pp_page_put(struct pp_page *page)
{
	if (!pp_fast_put(page))
		put_slow(page, __builtin_return_address(0));
}

void pp_page_unref(struct pp_page *page, unsigned n)
{
	const void *caller = __builtin_return_address(0);

	if (n && page_drop(page, n, caller))
		put_pages(&page, 1, caller);
}

/* ---- put: many pages ------------------------------------------------------------------- */

/* Neighbours in the array that are one page: fragments that were cut together. */
static unsigned count_same(struct pp_page *const *pages, unsigned n)
{
	unsigned k = 1;

	while (k < n && pages[k] == pages[0])
		k++;
	return k;
}

/* The first page, and those that it was the last reference to and that go with it. */
static unsigned count_run(struct pp_page *const *pages, unsigned n)
{
	uint64_t key = PAGE_REFS(1) | pool_anchor(page_pool(pages[0]))->number;
	unsigned k = 1;

	while (k < n && k < POOL_REFILL && env_load_acquire(&pages[k]->state) == key)
		k++;
	return k;
}

/* The first page, however often it comes, and those that go with it. Returns how many. */
static __attribute__((noinline)) unsigned put_last_run(struct pp_page *const *pages, unsigned n,
						       const void *caller)
{
	/* not more than it has: a page that is put twice is found out behind this */
	uint64_t refs = env_load_relaxed(&pages[0]->state) >> 32;
	unsigned same = count_same(pages, refs < n ? (unsigned)refs : n), k;

	if (!page_drop(pages[0], same, caller))
		return same;
	pages += same - 1;
	k = count_run(pages, n - same + 1);
	put_pages(pages, k, caller);
	return same - 1 + k;
}

/*
 * As many as go straight into a ring that is known: see spsc_put_one. None, if it is full.
 * Model: revoke.pml, spsc_push.
 */
static inline unsigned spsc_put_run(const struct known_ring *to, struct pp_page *const *pages,
				    unsigned n)
{
	struct spsc_ring *spsc = to->spsc;
	uint64_t tail = env_load_relaxed(&spsc->tail), used;
	unsigned k;

	used = tail - spsc->cached_head > tail % POOL_SPSC_SLOTS ? tail - spsc->cached_head :
								   tail % POOL_SPSC_SLOTS;
	/* of what is in one piece */
	k = n < POOL_SPSC_SLOTS - used ? n : (unsigned)(POOL_SPSC_SLOTS - used);
	k = put_run(spsc->slot + tail % POOL_SPSC_SLOTS, pages, k, to->key);
	if (k) {
		PP_PROBE2(put, page_pool(pages[0]), k);
		spsc_pushed(spsc, to->anchor, tail, k);
	}
	return k;
}

/* By runs of last references to pages of one pool. */
void remote_put_batch(struct pp_page *const *pages, unsigned n, const void *caller)
{
	while (n) {
		const struct known_ring *to =
			known_ring(known_pools, env_load_relaxed(&pages[0]->state));
		unsigned k = to ? spsc_put_run(to, pages, n) : 0;

		if (!k)
			k = put_last_run(pages, n, caller);
		pages += k;
		n -= k;
	}
}

/* ---- the owner's end ------------------------------------------------------------------- */

static unsigned spsc_take(struct spsc_ring *spsc, struct pp_page **out, unsigned n)
{
	uint64_t head = spsc->head, there = env_load_acquire(&spsc->tail) - head;
	unsigned k = there < n ? (unsigned)there : n, first = to_end(head, k);

	env_copy_relaxed(out, spsc->slot + head % POOL_SPSC_SLOTS, first);
	env_copy_relaxed(out + first, spsc->slot, k - first);
	if (k)
		env_store_release(&spsc->head, head + k);
	return k;
}

static unsigned mpsc_take(struct mpsc_ring *mpsc, struct pp_page **out, unsigned n)
{
	uint64_t head = mpsc->head;
	unsigned k = 0;

	while (k < n) {
		struct pp_page *page = env_load_acquire(&mpsc->slot[head % POOL_MPSC_SLOTS]);

		if (!page)
			break;
		env_store_relaxed(&mpsc->slot[head % POOL_MPSC_SLOTS], NULL);
		out[k++] = page;
		head++;
	}
	if (k)
		env_store_release(&mpsc->head, head);
	return k;
}

/*
 * What the owner takes from, as bits: the SPSC rings that exist, whether or not a thread has them,
 * and the MPSC ring.
 */
#define RING_BIT POOL_SPSC_RINGS

static uint64_t sources(struct pp_pool *pool)
{
	return env_load_acquire(&pool->spsc_made) | 1ull << RING_BIT;
}

/* In turn, starting after the last one, so that a full SPSC ring starves no other. */
unsigned remote_take(struct pp_pool *pool, struct pp_page **out, unsigned n)
{
	uint64_t all = sources(pool), behind = all & (~0ull << pool->turn);
	unsigned k = 0, i;

	for (unsigned half = 0; half < 2; half++, behind = all & ~behind)
		for (uint64_t left = behind; left && k < n; left &= left - 1) {
			i = (unsigned)__builtin_ctzll(left);
			k += i == RING_BIT ? mpsc_take(&pool->mpsc, out + k, n - k) :
					     spsc_take(pool->spsc[i], out + k, n - k);
			pool->turn = (i + 1) % (RING_BIT + 1);
		}
	return k;
}

bool remote_has_some(struct pp_pool *pool)
{
	const struct mpsc_ring *mpsc = &pool->mpsc;
	/* a slot that isn't filled yet: its putter looks at the flag after that */
	bool some = env_load_relaxed(&mpsc->slot[env_load_relaxed(&mpsc->head) % POOL_MPSC_SLOTS]);

	for (uint64_t left = env_load_acquire(&pool->spsc_made); left; left &= left - 1) {
		const struct spsc_ring *spsc = pool->spsc[__builtin_ctzll(left)];

		some |= env_load_relaxed(&spsc->tail) != env_load_relaxed(&spsc->head);
	}
	return some;
}

bool remote_is_low(struct pp_pool *pool)
{
	uint64_t n = 0;

	for (uint64_t left = env_load_acquire(&pool->spsc_made); left; left &= left - 1) {
		const struct spsc_ring *spsc = pool->spsc[__builtin_ctzll(left)];

		n += env_load_relaxed(&spsc->tail_hint) - env_load_relaxed(&spsc->head);
	}
	/* an SPSC ring from which more was taken than its hint said counts below 0 */
	n += env_load_relaxed(&pool->mpsc.tail) - env_load_relaxed(&pool->mpsc.head);
	return (int64_t)n < (int64_t)POOL_FEW;
}

uint64_t remote_total(struct pp_pool *pool)
{
	uint64_t n = env_load_relaxed(&pool->mpsc.tail);

	for (uint64_t left = env_load_acquire(&pool->spsc_made); left; left &= left - 1)
		n += env_load_relaxed(&pool->spsc[__builtin_ctzll(left)]->tail);
	return n;
}

uint64_t remote_taken(struct pp_pool *pool)
{
	uint64_t n = env_load_acquire(&pool->mpsc.head);

	for (uint64_t left = env_load_acquire(&pool->spsc_made); left; left &= left - 1)
		n += env_load_acquire(&pool->spsc[__builtin_ctzll(left)]->head);
	return n;
}

uint64_t remote_count(struct pp_pool *pool)
{
	uint64_t taken = remote_taken(pool);
	uint64_t total = remote_total(pool); /* looked at second: not behind what was taken */

	return total > taken ? total - taken : 0;
}

uint64_t remote_bytes(const struct pp_pool *pool)
{
	return (uint64_t)__builtin_popcountll(env_load_relaxed(&pool->spsc_made)) *
	       sizeof(struct spsc_ring);
}
