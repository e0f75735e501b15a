/*
 * chunk.c - chunks and the pages' home: coming home, going out, and the going away of a zombie's
 * chunks.
 *
 * Invariant, under the pool's lock and with no call under way:
 *   for each chunk: n_home (less the hold, once let go) == bits set in home == n_pages
 *   less what is in flight or in cache and ring.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

#include "env/debug.h"

static unsigned home_words(uint32_t n_pages)
{
	return (n_pages + 63) / 64;
}

/* How many pages of a chunk aren't home if its n_home stands for so many. */
static uint32_t pages_out(const struct pp_chunk *c, int32_t home)
{
	return home < 0 ? c->n_pages : c->n_pages - (uint32_t)home;
}

uint32_t chunk_in_flight(const struct pp_chunk *c)
{
	return pages_out(c, CHUNK_COUNT(env_load_acquire(&c->n_home)) - c->pool->let_go);
}

static size_t chunk_size(const struct pp_pool *pool)
{
	return pool->params.chunk_size;
}

/* ---- walking ------------------------------------------------------------------------------ */

/* If there is a span at this place of the list: fetch the records of its chunks. */
static void prefetch_records(const struct list *at, const struct list *end)
{
	const struct span *span = list_entry(at, const struct span, link);

	for (uint64_t left = at != end ? span->live : 0; left; left &= left - 1) {
		const struct pp_chunk *c = span->chunk[__builtin_ctzll(left)];

		env_prefetch(c);
		env_prefetch(&c->n_home);
	}
}

/* And of those that have pages home, the bits. */
static void prefetch_bits(const struct span *span)
{
	for (uint64_t left = span->live; left; left &= left - 1) {
		const struct pp_chunk *c = span->chunk[__builtin_ctzll(left)];

		if (CHUNK_COUNT(env_load_relaxed(&c->n_home)) <= 0)
			continue;
		env_prefetch(c->home);
		env_prefetch(c->given);
	}
}

struct chunk_walk chunk_walk(const struct pp_pool *pool)
{
	const struct list *end = &pool->spans;

	prefetch_records(end->next, end);
	return (struct chunk_walk){ .end = end, .at = end };
}

struct pp_chunk *chunk_walk_next(struct chunk_walk *walk)
{
	const struct span *span = list_entry(walk->at, const struct span, link);
	unsigned slot;

	while (!walk->left) {
		walk->at = walk->at->next;
		if (walk->at == walk->end)
			return NULL;
		span = list_entry(walk->at, const struct span, link);
		walk->left = span->live;
		prefetch_records(walk->at->next, walk->end); /* while this one's are worked on */
		prefetch_bits(span);
	}
	slot = (unsigned)__builtin_ctzll(walk->left);
	walk->left &= walk->left - 1;
	return span->chunk[slot];
}

/* ---- making and freeing ------------------------------------------------------------------ */

static size_t record_bytes(const struct pp_pool *pool, uint32_t n_pages)
{
	return sizeof(struct pp_chunk) + n_pages * sizeof(struct pp_page) +
	       2 * home_words(n_pages) * sizeof(uint64_t) +
	       (pool->watch ? n_pages * sizeof(struct holder) : 0);
}

struct pp_chunk *chunk_new(struct pp_pool *pool, uint32_t n_pages)
{
	size_t bits = 2 * home_words(n_pages) * sizeof(uint64_t);
	size_t pages = sizeof(struct pp_chunk) + n_pages * sizeof(struct pp_page);
	struct pp_chunk *c = env_zalloc(pages + bits);

	if (!c)
		return NULL;
	c->pool = pool;
	c->n_pages = n_pages;
	c->n_home = CHUNK_PAGES(n_pages);
	c->queued = 1; /* it will be in one of the lists */
	c->home = (uint64_t *)((char *)c + pages);
	c->given = c->home + home_words(n_pages);
	list_init(&c->where);
	if (pool->watch) {
		c->holder = env_zalloc(n_pages * sizeof *c->holder);
		if (!c->holder) {
			env_free(c);
			return NULL;
		}
	}
	pool->record_bytes += record_bytes(pool, n_pages);
	for (uint32_t i = 0; i < n_pages; i++) {
		c->home[i / 64] |= 1ull << i % 64;
		c->page[i].pool = pool;
		c->page[i].chunk = c;
		c->page[i].state = PAGE_REFS(1) | pool->gate->number;
		c->page[i].index = i;
	}
	return c;
}

static void *page_addr(const struct pp_chunk *c, uint32_t index)
{
	return c->addr + (size_t)index * c->pool->page_size;
}

/* Give it its memory. */
static void chunk_place(struct pp_chunk *c, struct span *span, uint32_t slot)
{
	struct pp_pool *pool = c->pool;
	size_t offset = slot * chunk_size(pool);

	c->span = span;
	c->slot = slot;
	c->addr = span->addr + offset;
	for (uint32_t i = 0; i < c->n_pages; i++) {
		c->page[i].addr = page_addr(c, i);
		c->page[i].iova = span->iova->addr + offset + (size_t)i * pool->page_size;
	}
}

void chunk_delete(struct pp_chunk *c)
{
	if (!c)
		return;
	c->pool->record_bytes -= record_bytes(c->pool, c->n_pages);
	env_free(c->holder);
	env_free(c);
}

/* All of its pages are home: has the memory of all gone back? */
static bool chunk_is_given(const struct pp_chunk *c)
{
	return !env_load_relaxed(&c->pool->some_kept) &&
	       !memcmp(c->given, c->home, home_words(c->n_pages) * sizeof *c->home);
}

/* Nobody has a page of it and no device can reach it. Model: home.pml, chunk_free. */
void chunk_free(struct pp_chunk *c, struct leaving *leaving)
{
	if (leaving->span && leaving->span != c->span)
		give_back(c->pool, leaving);
	leaving->span = c->span;
	leaving->n++;
	leaving->slots |= 1ull << c->slot;
	if (!chunk_is_given(c))
		leaving->full |= 1ull << c->slot;
	chunk_delete(c);
}

/* Out of the list that it is in, if any. */
static void unlist(struct pp_chunk *c)
{
	list_del(&c->where);
	if (c->counted)
		--*c->counted;
	c->counted = NULL;
}

/* Into a list, to be counted there or not. */
static void list_chunk(struct pp_chunk *c, struct list *list, uint64_t *counted)
{
	unlist(c);
	list_add(&c->where, list);
	c->counted = counted;
	if (counted)
		++*counted;
}

void chunk_add(struct pp_chunk *c, struct span *span, uint32_t slot)
{
	struct pp_pool *pool = c->pool;

	chunk_place(c, span, slot);
	pool_ref(pool);
	span->chunk[slot] = c;
	list_chunk(c, &pool->fresh, &pool->n_fresh);
	pool->n_chunks++;
	pool->n_pages += c->n_pages;
	pool->n_memory[span_memory(span, slot)]++;
}

void chunk_remove(struct pp_pool *pool, struct pp_chunk *c)
{
	unlist(c);
	c->span->live &= ~(1ull << c->slot);
	if (!c->span->live) {
		list_del(&c->span->link);
		list_del(&c->span->hole);
	}
	pool->n_chunks--;
	env_store_relaxed(&pool->n_released, pool->n_released + 1);
	pool->n_pages -= c->n_pages;
	pool->n_memory[span_memory(c->span, c->slot)]--;
}

/* ---- coming home -------------------------------------------------------------------------------- */

/* Model: home.pml, inbox_push. */
void stack_push(struct pp_chunk **head, struct pp_chunk *c, struct pp_chunk **link)
{
	struct pp_chunk *old = env_load_relaxed(head);

	do
		*link = old;
	while (!env_cas_acq_rel(head, &old, c)); /* pairs with the exchanges under the lock */
}

bool pool_look_begin(struct pp_pool *pool)
{
	uint32_t dumps = env_load_relaxed(&pool->dumps);

	env_store_relaxed(&pool->dumps, dumps + 1);
	env_fence_seq_cst(); /* before the trylock; pairs with lock_to_kick */
	if (env_trylock(&pool->lock))
		return true;
	env_store_release(&pool->dumps, dumps + 2);
	return false;
}

void pool_look_end(struct pp_pool *pool)
{
	env_unlock(&pool->lock);
	env_store_release(&pool->dumps, env_load_relaxed(&pool->dumps) + 1); /* after the unlock */
}

bool pool_look_is_waited_for(const struct pp_pool *pool)
{
	return env_load_relaxed(&pool->inbox);
}

/*
 * Whoever has the lock kicks after its unlock, but for a signal's handler: if it may have been one
 * that was in the way, wait for it. Not so who has a lock already, which may be this one.
 */
static bool lock_to_kick(struct pp_pool *pool)
{
	uint32_t dumps = env_load_seq_cst(&pool->dumps);

	if (env_trylock(&pool->lock))
		return true;
	env_fence_seq_cst(); /* after the trylock; pairs with pool_look_begin */
	if (env_likely(!(dumps & 1) && env_load_seq_cst(&pool->dumps) == dumps))
		return false;
	if (!env_load_relaxed(&pool->let_go) || env_has_lock())
		return false;
	env_lock(&pool->lock);
	return true;
}

/*
 * Under the lock or not: look at the inbox as long as there is one and nobody else does.
 * Model: home.pml, kick.
 */
static void kick(struct pp_pool *pool)
{
	env_fence_seq_cst(); /* the push before the trylock; pairs with pool_unlock */
	while (env_load_seq_cst(&pool->inbox) && lock_to_kick(pool)) {
		pool_process_inbox(pool);
		env_unlock(&pool->lock);
		env_fence_seq_cst();
	}
}

/* Model: home.pml, pool_unlock. */
void pool_unlock(struct pp_pool *pool)
{
	env_unlock(&pool->lock);
	kick(pool);
}

/*
 * n more are home, or the hold has ended. Who adds the one that makes the chunk complete puts it
 * into the inbox; all others touch it no more. True: it was complete, at least for a moment, and
 * `hold`, if any, was referenced before anyone could see that.
 */
static bool count_home(struct pp_chunk *c, uint32_t n, struct pp_pool *hold)
{
	struct pp_pool *pool = c->pool;
	uint32_t old = env_load_relaxed(&c->n_home);
	bool complete = false;
	uint32_t now;

	do {
		now = old + CHUNK_PAGES(n);
		if (CHUNK_COUNT(now) >= (int32_t)c->n_pages) {
			now |= CHUNK_INBOX;
			if (hold && !complete)
				pool_ref(hold);
			complete = true;
		}
	} while (!env_cas_acq_rel(&c->n_home, &old, now));
	if (now & ~old & CHUNK_INBOX)
		stack_push(&pool->inbox, c, &c->inbox);
	return complete;
}

/*
 * Without the lock. The pool is there: what is added isn't counted yet. Model: home.pml,
 * chunk_account, count_home included.
 */
static void chunk_account(struct pp_chunk *c, uint32_t n)
{
	struct pp_pool *pool = c->pool;

	if (!count_home(c, n, pool))
		return;
	kick(pool);
	pool_unref(pool);
}

static bool can_discard(const struct pp_chunk *c)
{
	return c->pool->together && span_memory(c->span, c->slot) != PP_MEMORY_HUGETLB &&
	       !(env_load_relaxed(&c->span->lost) >> c->slot & 1);
}

/* From page `from` up to page `to`, of the word that `from` is in. */
static uint64_t bits_of_word(uint32_t from, uint32_t to)
{
	uint64_t bits = ~0ull << from % 64;

	return to / 64 > from / 64 ? bits : bits & ~(~0ull << to % 64);
}

/* Of these pages those that fill pages of the kernel's, with what lies behind the chunk's last. */
static uint64_t whole_pages(const struct pp_chunk *c, unsigned word, uint64_t bits)
{
	unsigned together = c->pool->together;
	uint64_t firsts = together == 64 ? 1 : ~0ull / ((1ull << together) - 1);
	uint64_t pages = bits_of_word(word * 64, c->n_pages);

	bits |= ~pages; /* nobody has those */
	for (unsigned n = 1; n < together; n *= 2)
		bits &= bits >> n;
	bits &= firsts;
	for (unsigned n = 1; n < together; n *= 2)
		bits |= bits << n;
	return bits & pages;
}

/* The memory of pages from a kernel's page's first on; the last may be the chunk's. */
static size_t bytes_of(const struct pp_chunk *c, uint32_t n)
{
	size_t unit = (size_t)c->pool->together * c->pool->page_size;

	return ((size_t)n * c->pool->page_size + unit - 1) / unit * unit;
}

/*
 * Pages of a zombie have come home: their memory goes back, and with it that of their
 * neighbours in the word that are home and still have theirs. The pages aren't counted yet,
 * so the chunk is there, and what is home stays there. Of pages that share one of the kernel's
 * the last to come sees them all.
 */
static void discard_coming(struct pp_chunk *c, unsigned word, uint64_t bits)
{
	uint64_t kept = env_load_acquire(&c->home[word]) & ~env_load_relaxed(&c->given[word]);
	unsigned lo, n;

	if (!can_discard(c))
		return;
	for (uint64_t before = 0; before != bits;) {
		before = bits;
		bits |= (bits << 1 | bits >> 1) & kept;
	}
	bits = whole_pages(c, word, bits);
	env_or_relaxed(&c->given[word], bits);
	while (next_run(&bits, &lo, &n))
		if (env_discard(page_addr(c, word * 64 + lo), bytes_of(c, n)))
			env_store_relaxed(&c->pool->some_kept, true);
}

/* The next run of pages that are home, from `from` on. False: there is none. */
static bool next_home(const struct pp_chunk *c, uint32_t from, uint32_t *lo, uint32_t *n)
{
	uint32_t i = from;

	while (i < c->n_pages && !(env_load_acquire(&c->home[i / 64]) >> i % 64)) /* none in it */
		i = i / 64 * 64 + 64;
	if (i >= c->n_pages)
		return false;
	i += (uint32_t)__builtin_ctzll(env_load_acquire(&c->home[i / 64]) >> i % 64);
	*lo = i;
	while (i < c->n_pages) {
		uint64_t gap = ~(env_load_acquire(&c->home[i / 64]) >> i % 64);
		uint32_t ones = gap ? (uint32_t)__builtin_ctzll(gap) : 64;

		if (ones < 64 - i % 64) {
			i += ones;
			break;
		}
		i = i / 64 * 64 + 64;
	}
	*n = (i < c->n_pages ? i : c->n_pages) - *lo;
	return true;
}

static void discard_run(struct env_discards *many, struct pp_chunk *c, uint32_t first, uint32_t n)
{
	env_discards_add(many, page_addr(c, first), bytes_of(c, n));
	for (uint32_t i = first; i < first + n; i = i / 64 * 64 + 64) {
		uint64_t bits = bits_of_word(i, first + n);

		if (bits == ~0ull)
			env_store_relaxed(&c->given[i / 64], bits); /* cheaper */
		else
			env_or_relaxed(&c->given[i / 64], bits);
	}
}

/*
 * At a revocation: the memory of free pages. The time of an unbind is not to depend on how the
 * pages in flight lie: so it is one range a chunk, of the words whose pages are all free. The
 * rest goes when a page next to it comes home.
 */
static void discard_longest(struct env_discards *many, struct pp_chunk *c)
{
	uint32_t first = 0, longest = 0, n = 0;

	for (uint32_t i = 0; i < c->n_pages; i += 64) {
		uint64_t all = bits_of_word(i, c->n_pages);

		if (env_load_acquire(&c->home[i / 64]) != all) {
			n = 0;
			continue;
		}
		n += (uint32_t)__builtin_popcountll(all);
		if (n > longest) {
			longest = n;
			first = i + (uint32_t)__builtin_popcountll(all) - n;
		}
	}
	if (longest)
		discard_run(many, c, first, longest);
}

/* Of a run of free pages: as many as fill pages of the kernel's. */
static void discard_whole(struct env_discards *many, struct pp_chunk *c, uint32_t lo, uint32_t n)
{
	uint32_t beyond = c->pool->together - 1, end = lo + n;

	lo = (lo + beyond) & ~beyond;
	if (end < c->n_pages)
		end &= ~beyond;
	if (lo < end)
		discard_run(many, c, lo, end - lo);
}

void pool_discard(struct pp_pool *pool)
{
	struct chunk_walk walk = chunk_walk(pool);
	struct env_discards many = { 0 };

	for (struct pp_chunk *c; (c = chunk_walk_next(&walk));)
		for (uint32_t lo = 0, n = 0; can_discard(c) && next_home(c, lo + n, &lo, &n);)
			discard_whole(&many, c, lo, n);
	if (env_discards_end(&many))
		env_store_relaxed(&pool->some_kept, true);
}

/* Model: home.pml, chunk_bring_home. */
static void chunk_bring_home(struct pp_chunk *c, unsigned word, uint64_t bits)
{
	struct pp_pool *pool = c->pool;
	bool revoked = env_load_relaxed(&pool->revoked);
	uint64_t twice;

	twice = env_or_seq_cst(&c->home[word], bits) & bits;
	if (env_unlikely(twice)) {
		watch_double_put(&c->page[word * 64 + (unsigned)__builtin_ctzll(twice)], NULL);
		bits &= ~twice;
	}
	/* while it is being drained pool_let_go will do that, for many at once */
	if (revoked && bits && env_load_relaxed(&pool->let_go))
		discard_coming(c, word, bits);
	/* so that the owner finds it; pairs with scan_chunk */
	if (!revoked && !env_load_seq_cst(&c->queued) && !env_xchg_seq_cst(&c->queued, 1))
		stack_push(&pool->returned, c, &c->returned);
	if (bits)
		chunk_account(c, (uint32_t)__builtin_popcountll(bits));
}

/* Model: revoke.pml, bring_home. */
void pool_bring_home(struct pp_page *const *pages, unsigned n)
{
	/* neighbours that come together are counted together */
	for (unsigned i = 0; i < n;) {
		struct pp_chunk *c = pages[i]->chunk;
		unsigned word = pages[i]->index / 64;
		uint64_t bits = 0;

		for (; i < n && pages[i]->chunk == c && pages[i]->index / 64 == word; i++) {
			uint64_t bit = 1ull << pages[i]->index % 64;

			if (bits & bit)
				break; /* put twice: found out by the next round */
			bits |= bit;
		}
		chunk_bring_home(c, word, bits);
	}
}

/* ---- going out ------------------------------------------------------------------------------------ */

/*
 * Chunks that pages have returned to go into their list, `most` at most: there may be as many as
 * the pool has, and a put comes by here. The stack is taken as a whole, the rest of it later.
 * Model: home.pml, collect_returned.
 */
void collect_returned(struct pp_pool *pool, uint32_t most)
{
	struct pp_chunk *c = pool->collecting;
	bool rest = c;

	if (!rest)
		c = env_xchg_acq_rel(&pool->returned, NULL);
	for (; c && most; most--) {
		struct pp_chunk *next = c->returned;

		/* one that has become idle meanwhile is counted so */
		list_chunk(c, c->counted ? &pool->idle : &pool->avail, c->counted);
		c = next;
		if (!c && rest) {
			c = env_xchg_acq_rel(&pool->returned, NULL);
			rest = false;
		}
	}
	pool->collecting = c;
}

/* Take pages that are home in one chunk. */
static unsigned take_from(struct pp_chunk *c, struct pp_page **out, unsigned n)
{
	unsigned got = 0;

	for (unsigned w = 0; w < home_words(c->n_pages) && got < n; w++) {
		uint64_t bits = env_load_seq_cst(&c->home[w]), taken = 0;

		for (; bits && got < n; bits &= bits - 1, got++) {
			unsigned bit = (unsigned)__builtin_ctzll(bits);

			taken |= 1ull << bit;
			out[got] = &c->page[w * 64 + bit];
		}
		if (taken)
			env_and_acq_rel(&c->home[w], ~taken); /* pairs with chunk_bring_home */
	}
	if (got)
		env_sub_acq_rel(&c->n_home, CHUNK_PAGES(got));
	return got;
}

/*
 * As take_from; a chunk that has no more is in no list, and will be queued when it has.
 * Model: home.pml, scan_chunk.
 */
static unsigned scan_chunk(struct pp_pool *pool, struct pp_chunk *c, struct pp_page **out, unsigned n)
{
	unsigned got = take_from(c, out, n);

	if (got == n)
		return got; /* there may be more */
	unlist(c);
	env_xchg_seq_cst(&c->queued, 0);
	/* A page that came home just now saw `queued` up, or we see its bit. */
	for (unsigned w = 0; w < home_words(c->n_pages); w++)
		if (env_load_seq_cst(&c->home[w]) && !env_xchg_seq_cst(&c->queued, 1)) {
			list_chunk(c, &pool->avail, NULL);
			break;
		}
	return got;
}

/* Model: home.pml, pool_take_home. */
unsigned pool_take_home(struct pp_pool *pool, struct pp_page **out, unsigned n)
{
	unsigned got = 0;

	collect_returned(pool, n); /* each has a page at least */
	while (got < n) {
		struct list *from = !list_empty(&pool->avail) ? &pool->avail :
				    !list_empty(&pool->idle)  ? &pool->idle :
								&pool->fresh;
		struct pp_chunk *c;

		if (list_empty(from))
			break;
		c = list_entry(from->next, struct pp_chunk, where);
		if (from != &pool->avail) /* some of its pages go out: not whole any more */
			list_chunk(c, &pool->avail, NULL);
		got += scan_chunk(pool, c, out + got, n - got);
	}
	return got;
}

/* ---- complete chunks ------------------------------------------------------------------------------ */

/*
 * A chunk of a live pool with every page home. It may still be on the stack of those that pages
 * have returned to, and must not be there when it is listed, as it is trimmed from the list: so it
 * is counted, and listed once it is taken off. All of its pages are home: nobody can push it there
 * any more.
 */
static void became_idle(struct pp_pool *pool, struct pp_chunk *c)
{
	if (c->counted == &pool->n_idle)
		return;
	collect_returned(pool, POOL_COLLECT);
	if (!list_empty(&c->where)) {
		list_chunk(c, &pool->idle, &pool->n_idle);
	} else {
		c->counted = &pool->n_idle;
		pool->n_idle++;
	}
	pool_keep_to_limit(pool);
}

/* Model: home.pml, pool_process_inbox. */
void pool_process_inbox(struct pp_pool *pool)
{
	struct pp_chunk *c = env_xchg_acq_rel(&pool->inbox, NULL);
	struct leaving leaving = { 0 };

	while (c) {
		struct pp_chunk *next = c->inbox;
		uint32_t home = (uint32_t)CHUNK_COUNT(env_and_acq_rel(&c->n_home, ~CHUNK_INBOX));

		if (pool->revoked && home == c->n_pages + 1) {
			chunk_remove(pool, c);
			chunk_free(c, &leaving);
		} else if (!pool->revoked && home == c->n_pages) {
			became_idle(pool, c);
		}
		c = next;
	}
	if (leaving.span)
		give_back(pool, &leaving);
}

/* Model: revoke.pml and home.pml, pool_let_go. */
uint64_t pool_let_go(struct pp_pool *pool)
{
	struct chunk_walk walk = chunk_walk(pool);
	struct env_discards many = { 0 };
	uint64_t in_flight = 0;

	env_store_relaxed(&pool->let_go, true); /* from now on, who puts a page discards it */
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);

		if (env_load_relaxed(&span->lost))
			continue;
		iova_put(span->iova); /* no device has it mapped any more */
		span->iova = NULL;
	}
	for (struct pp_chunk *c; (c = chunk_walk_next(&walk));) {
		uint32_t out = pages_out(c, CHUNK_COUNT(env_load_acquire(&c->n_home)));

		if (out < c->n_pages && can_discard(c))
			discard_longest(&many, c);
		in_flight += out;
		count_home(c, 1, NULL); /* whoever unlocks looks at the inbox */
	}
	if (env_discards_end(&many))
		env_store_relaxed(&pool->some_kept, true);
	return in_flight;
}
