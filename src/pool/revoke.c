/*
 * revoke.c - revocation, from the flag to the last page: what the revoker does, what a new owner
 * does, and what a thread does that saw the flag after a push or a pop. See revoke.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/revoke.h"

#include "pool/cache.h"
#include "pool/chunk.h"
#include "pool/discard.h"
#include "pool/frag.h"
#include "pool/getter.h"
#include "pool/holders.h"
#include "pool/known.h"
#include "pool/notice.h"
#include "pool/peak.h"
#include "pool/reclaim.h"
#include "pool/remote.h"
#include "pool/sample.h"
#include "pool/span.h"
#include "pool/take.h"

/* ---- draining: everything goes home. After the heavy barrier only; lock held ----------- */

/* Pages of one pool that were taken out of caches and rings: home they go together. */
struct drained {
	struct pp_pool *pool;
	unsigned n;
	struct pp_page *page[POOL_REFILL];
};

static void drained_begin(struct drained *d, struct pp_pool *pool)
{
	d->pool = pool;
	d->n = 0;
}

static void drained_home(struct drained *d)
{
	peak_home(d->pool, d->n);
	pool_free_pages(d->page, d->n);
	d->n = 0;
}

/* NULL: there was none. */
static void drained_add(struct drained *d, struct pp_page *page)
{
	if (!page)
		return;
	d->page[d->n++] = page;
	if (d->n == POOL_REFILL)
		drained_home(d);
}

/* What n slots of a cache hold. Returns how many pages it was. */
static uint64_t slots_drain(struct drained *d, struct pp_page **slot, uint64_t n)
{
	uint64_t taken = 0;

	for (uint64_t i = 0; i < n; i++) {
		struct pp_page *page = env_xchg_acq_rel(&slot[i], NULL);

		taken += page != NULL;
		drained_add(d, page);
	}
	return taken;
}

/* Take what is in a cache whose flag is up. Returns how many pages it was. */
static uint64_t cache_drain(struct drained *d, struct pp_anchor *anchor)
{
	/*
	 * Acquire: what was pushed is in its slot. The owner changes one of the two counts at most
	 * before it sees the flag and waits for our lock, so they belong together.
	 */
	uint64_t pushed = env_load_acquire(&anchor->pushed);

	return slots_drain(d, anchor->slot, pushed - env_load_acquire(&anchor->popped));
}

static void spsc_drain(struct drained *d, struct spsc_ring *spsc)
{
	uint64_t tail = env_load_acquire(&spsc->tail);

	for (uint64_t i = env_load_acquire(&spsc->head); i != tail; i++)
		drained_add(d, env_xchg_acq_rel(&spsc->slot[i % POOL_SPSC_SLOTS], NULL));
}

static void mpsc_drain(struct drained *d, struct mpsc_ring *mpsc)
{
	for (unsigned i = 0; i < POOL_MPSC_SLOTS; i++)
		if (env_load_relaxed(&mpsc->slot[i]))
			drained_add(d, env_xchg_acq_rel(&mpsc->slot[i], NULL));
}

/*
 * The open page of fragments. If nothing is held of it, it is the fragments' alone. The lock is
 * held: so no pp_page_put here, which might take it on the page's way home.
 */
static void frag_drain(struct pp_pool *pool)
{
	struct pp_page *page = env_xchg_acq_rel(&pool->frag_page, NULL);
	uint32_t held = env_load_acquire(&pool->open.held);

	if (!page)
		return;
	pool->frag_closed = held;
	if (held && page_drop(page, held, NULL)) {
		sample_look(pool, page);
		pool_free_pages(&page, 1);
	}
}

static void remote_drain(struct drained *d)
{
	struct pp_pool *pool = d->pool;

	for (uint64_t left = env_load_acquire(&pool->spsc_made); left; left &= left - 1)
		spsc_drain(d, pool->spsc[__builtin_ctzll(left)]);
	mpsc_drain(d, &pool->mpsc);
}

/* Take everything out of caches and remote frees and bring it home. Model: revoke.pml, drain. */
static void drain(struct pp_pool *pool)
{
	struct drained drained;

	drained_begin(&drained, pool);
	for (struct pp_anchor *a = pool->anchors; a; a = a->next)
		cache_drain(&drained, a);
	/* else the owner is emptying the remote frees, and will see the flag when it is done */
	if (!env_load_acquire(&pool->refilling))
		remote_drain(&drained);
	drained_home(&drained);
	frag_drain(pool);
}

/* ---- the revoker ----------------------------------------------------------------------- */

/*
 * The pool is drained: its own hold on the chunks ends. Returns the number of pages in flight.
 * Model: revoke.pml and home.pml, pool_drop_holds.
 */
static uint64_t pool_drop_holds(struct pp_pool *pool)
{
	struct chunk_walk walk = chunk_walk(pool);
	struct env_discards many = { 0 };
	uint64_t in_flight = 0;

	env_store_relaxed(&pool->state, POOL_ZOMBIE); /* from now on, who puts a page discards it */
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);

		/* by which its pages are found, as long as there are any: span_delete */
		if (env_load_relaxed(&span->lost) || pool->params.find & PP_FIND_IOVA)
			continue;
		iova_put(span->iova); /* no device has it mapped any more */
		span->iova = NULL;
	}
	for (struct pp_chunk *c; (c = chunk_walk_next(&walk));) {
		uint32_t out = pages_out(c, CHUNK_COUNT(env_load_acquire(&c->n_free)));

		if (out < c->n_pages && can_discard(c))
			discard_longest(&many, c);
		in_flight += out;
		/* whoever unlocks looks at the stack of complete chunks */
		chunk_count_free(c, 1, NULL);
	}
	if (env_discards_end(&many))
		env_store_relaxed(&pool->some_kept, true);
	return in_flight;
}

/*
 * No device has the pool any more: it becomes a zombie, which lives as long as its pages
 * in flight. The protocol's revoker: flag, heavy barrier, drain, under the lock.
 * Model: revoke.pml and home.pml, pool_revoke.
 */
void pool_revoke(struct pp_pool *pool)
{
	bool inherited = pool->state == POOL_INHERITED;

	if (pool_is_revoked(pool))
		return;
	env_store_relaxed(&pool->state, POOL_REVOKING);
	pool->revoked_ns = env_now_ns();
	for (struct pp_anchor *a = pool->anchors; a; a = a->next) {
		uint32_t flag = env_xchg_acq_rel(&a->revoked, ANCHOR_REVOKED);

		pool->woken |= flag & ANCHOR_WAITED;
	}
	env_barrier_heavy(); /* pairs with the light ones of revoke_seen */
	drain(pool);
	if (!inherited) /* else the memory may not be there */
		holders_check_all(pool);
	pool_free_spent(pool, UINT32_MAX);
	spans_give_back_dead(pool);
	pool->in_flight_at_revoke = pool_drop_holds(pool);
	PP_PROBE3(revoke, pool, pool->in_flight_at_revoke, pool->name);
}

/* ---- another owner --------------------------------------------------------------------- */

/*
 * All that is in a cache that was left goes to a new one. That may have pages: of a getter that
 * isn't in this child of fork, or put by the function that a notice calls. What doesn't fit goes
 * home. After the barrier.
 */
static void move_cache(struct pp_pool *pool, struct pp_anchor *old, struct pp_anchor *new)
{
	uint64_t pushed = env_load_acquire(&old->pushed), moved = 0;
	uint64_t count = pushed - env_load_acquire(&old->popped);
	uint32_t first = cache_count(new), n = first;
	struct drained drained;

	drained_begin(&drained, pool);
	for (uint64_t i = 0; i < count; i++) {
		struct pp_page *page = env_xchg_acq_rel(&old->slot[i], NULL);

		if (!page)
			continue;
		moved++;
		if (n < POOL_CACHE)
			env_store_relaxed(&new->slot[n++], page);
		else
			drained_add(&drained, page);
	}
	drained_home(&drained);
	env_store_relaxed(&old->taken, old->taken + moved);
	env_add_relaxed(&pool->filled, n - first);
	owner_add(&new->pushed, n - first);
}

/* The revocation of a cache: see revoke.h. Lock held. Model: own.pml, revoke_left. */
bool revoke_left(struct pp_pool *pool, struct pp_anchor *old, struct pp_anchor *new)
{
	uint32_t flag = 0;

	env_store_relaxed(&old->owner, ANCHOR_NOBODY);
	anchor_open(pool, new);
	if (!pool_is_over(pool)) { /* else it is drained, or nobody gets from it */
		flag = env_xchg_acq_rel(&old->revoked, ANCHOR_LEFT);
		env_barrier_heavy(); /* pairs with the light ones of revoke_seen */
		move_cache(pool, old, new);
	}
	env_store_release(&pool->anchor, new);
	return flag & ANCHOR_WAITED;
}

/* What a late put of the previous owner has pushed. Model: own.pml, left_drain. */
static void left_drain(struct pp_pool *pool, struct pp_anchor *anchor)
{
	struct drained drained;
	uint64_t n;

	drained_begin(&drained, pool);
	n = cache_drain(&drained, anchor);
	drained_home(&drained);
	env_store_relaxed(&anchor->taken, anchor->taken + n); /* home first: peak.c */
}

/* ---- waiting for pages ------------------------------------------------------------------ */

/* Take bits away. Those that were there, and that no other has taken. */
static uint32_t take_bits(struct pp_anchor *anchor, uint32_t bits)
{
	if (!(env_load_relaxed(&anchor->revoked) & bits))
		return 0;
	return env_and_acq_rel(&anchor->revoked, ~bits) & bits;
}

/*
 * The pool of a put may have gone, and the anchor be another's: then that one is told, a little
 * early. The number is read last: who waited for a pool that has gone since doesn't wait any more.
 */
static void tell(struct pp_anchor *anchor)
{
	if (take_bits(anchor, ANCHOR_WAITED | ANCHOR_MORE) & ANCHOR_WAITED)
		notice_call(env_load_relaxed(&anchor->number));
}

void wait_over(struct pp_anchor *anchor)
{
	struct pp_pool *pool;

	tell(anchor);
	if (!take_bits(anchor, ANCHOR_ASK))
		return;
	pool = anchor_pool(anchor);
	if (!pool)
		return;
	tell(pool_anchor(pool));
	pool_unref(pool);
}

/*
 * Are there pages now for a get that has just found none? What the owner is taking from the remote
 * frees, without the lock, isn't for a getter: the owner tells when it is done. Lock held.
 */
static bool pages_are_back(struct pp_pool *pool)
{
	bool listed = false;

	for (unsigned on = 0; on < CHUNK_LISTS; on++)
		listed |= !list_empty(&pool->list[on]);
	listed |= pool->collecting || env_load_relaxed(&pool->returned);
	if (!has_getters(pool))
		return listed || remote_has_some(pool);
	return listed || (remote_is_ours(pool) && remote_has_some(pool)) ||
	       others_have_some(pool, NULL);
}

/*
 * Whoever puts is to tell: who found the owner's anchor sees it there, and who has another or found
 * one that was left since is to look there. NULL: the bit is there already; if another set it,
 * which goes on looking, that one is to tell us (ANCHOR_MORE). Lock held.
 */
static struct pp_anchor *set_waited(struct pp_pool *pool)
{
	uint32_t bits = ANCHOR_WAITED | (has_getters(pool) ? ANCHOR_MORE : 0u);

	if (env_or_relaxed(&pool->anchor->revoked, bits) & ANCHOR_WAITED)
		return NULL;
	if (has_getters(pool))
		env_and_acq_rel(&pool->anchor->revoked, ~(uint32_t)ANCHOR_MORE);
	for (struct pp_anchor *a = pool->anchors; a; a = a->next)
		if (a != pool->anchor)
			env_or_relaxed(&a->revoked, ANCHOR_ASK);
	return pool->anchor;
}

/* The one that set the bit has pages, or may have. False: another took it away, and has told. */
static bool stop_waiting(struct pp_anchor *anchor, bool tell_all)
{
	uint32_t bits = take_bits(anchor, ANCHOR_WAITED | ANCHOR_MORE);

	if (bits & ANCHOR_MORE || (bits && tell_all))
		notice_call(env_load_relaxed(&anchor->number));
	return bits & ANCHOR_WAITED;
}

bool wait_begin(struct pp_pool *pool)
{
	struct pp_anchor *anchor;
	bool back;

	if (!env_load_relaxed(&pool->noticed))
		return false; /* nobody wants to know */
	pool_lock(pool);
	back = pool_is_over(pool);
	anchor = back ? NULL : set_waited(pool);
	pool_unlock(pool);
	if (!anchor)
		return back;
	env_barrier_heavy(); /* pairs with the light ones of revoke_look */
	pool_lock(pool);
	back = pages_are_back(pool);
	pool_unlock(pool);
	return back && stop_waiting(anchor, false);
}

/*
 * A first getter may have come since the owner looked, and rely on the bit. It says that it is
 * there before it sets the bit, with a barrier in between.
 */
void wait_end(struct pp_pool *pool, struct pp_anchor *anchor)
{
	if (env_load_acquire(&anchor->revoked) & ANCHOR_WAITED)
		stop_waiting(anchor, has_getters(pool));
}

/* ---- after the flag was seen ------------------------------------------------------------ */

/*
 * The flag of one of the pool's anchors was seen: drain the pool if it is revoked, or else the
 * cache if it is a previous owner's, or open it if others took from it and it is the caller's. Lock
 * held.
 */
static void settle(struct pp_pool *pool, struct pp_anchor *anchor, bool mine)
{
	uint32_t flag = env_load_relaxed(&anchor->revoked);

	if (pool_is_revoked(pool))
		drain(pool);
	else if (flag & ANCHOR_LEFT)
		left_drain(pool, anchor);
	else if (flag & ANCHOR_TAKEN && mine)
		cache_settle(pool, anchor);
}

/*
 * Nothing is handed out any more. Of what was popped, what the drain took is NULL; the rest is
 * ours, and goes home. Model: revoke.pml, cache_pop.
 */
static void popped_home(struct pp_pool *pool, struct pp_anchor *anchor, uint32_t n)
{
	struct drained drained;

	env_add_relaxed(&pool->popped_otherwise, n);
	drained_begin(&drained, pool);
	slots_drain(&drained, anchor->slot + cache_count(anchor), n);
	drained_home(&drained);
}

/* In a live pool the pop is taken back: then what others took is at the bottom. */
void pop_raced(struct pp_anchor *anchor, uint32_t n)
{
	struct pp_pool *pool = anchor->pool;

	if (anchor_is_foreign(anchor)) {
		anchor->copy->pop_raced(anchor, n);
		return;
	}
	pool_lock(pool);
	if (pool_is_over(pool))
		popped_home(pool, anchor, n);
	else
		env_store_release(&anchor->popped, env_load_relaxed(&anchor->popped) - n);
	settle(pool, anchor, true);
	pool_unlock(pool);
	wait_look(anchor);
	wait_look(pool_anchor(pool));
}

/* The flag was seen after a pop. */
void pp_page_get_raced(struct pp_pool *pool)
{
	pop_raced(pool->anchor, 1);
}

/*
 * A put waits for a revocation and a change of owner, but not for who gets or grows: where others
 * only took pages the next call opens the cache. The revoker drains what was pushed before a look
 * that does not see its flag. True: with the lock.
 */
static bool lock_to_settle(struct pp_pool *pool, const struct pp_anchor *anchor)
{
	if (anchor_takes_remote(anchor))
		return env_trylock(&pool->lock);
	pool_lock(pool);
	return true;
}

/* Model: revoke.pml, push_raced. */
void push_raced(struct pp_anchor *anchor)
{
	struct pp_pool *pool;

	if (anchor_is_open(anchor)) { /* it was waited for, and may be still */
		wait_over(anchor);
		return;
	}
	pool = anchor_pool(anchor);
	if (!pool)
		return; /* the revoker drained our page, and the pool went with its last one */
	/*
	 * If the anchor has been used again this is another pool. Then our page came home long ago,
	 * and draining a revoked pool once more does no harm.
	 */
	if (lock_to_settle(pool, anchor)) {
		settle(pool, anchor, anchor_is_own(anchor));
		pool_unlock(pool);
	}
	wait_look(anchor);
	wait_look(pool_anchor(pool));
	pool_unref(pool);
}

/* The flag was seen after a push. If it stays up: no more inline puts to this anchor. */
void pp_page_put_raced(struct pp_anchor *anchor)
{
	if (!anchor_takes_remote(anchor))
		known_forget();
	anchor->copy->put_raced(anchor);
}

void remote_raced(struct pp_anchor *anchor)
{
	if (!anchor_takes_remote(anchor))
		known_forget(); /* the pool has another anchor by now, or takes no more that way */
	if (env_load_relaxed(&anchor->revoked) == ANCHOR_REVOKED)
		push_raced(anchor);
	else
		wait_over(anchor);
}

/* What the revoker left to the owner; or the first getter took from it. */
void take_raced(struct pp_pool *pool, struct pp_anchor *anchor)
{
	pool_lock(pool);
	settle(pool, anchor, true);
	pool_unlock(pool);
}

/*
 * Undo it: either the page is still open, and we close it without the new fragments, or the revoker
 * has closed it, and we drop the fragments' references if they were counted.
 */
int frag_raced(struct pp_pool *pool, uint32_t k)
{
	struct pp_page *page = pool->open.page;
	uint32_t held = env_load_relaxed(&pool->open.held);
	bool ours, counted;

	if (anchor_is_foreign(pool->anchor))
		return pool->anchor->copy->frag_raced(pool, k);
	pool->open.size = 0; /* nothing is cut any more */
	pool_lock(pool);
	ours = env_xchg_acq_rel(&pool->frag_page, NULL) != NULL;
	counted = !ours && k && pool->frag_closed <= held;
	pool_unlock(pool);
	if (ours)
		frag_close_page(page, held + k);
	else if (counted)
		pp_page_unref(page, k);
	return -ENODEV;
}
