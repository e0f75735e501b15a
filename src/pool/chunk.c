/*
 * chunk.c - chunks and the pages' home: coming home, and going out.
 *
 * Invariant, under the pool's lock and with no call under way:
 *   for each chunk: n_free (less the hold, in a zombie) == bits set in free_bits == n_pages less
 *   what is in flight or in cache and remote frees.
 *
 * What becomes of a complete chunk is up to reclaim.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/chunk.h"

#include "pool/discard.h"
#include "pool/find.h"
#include "pool/holders.h"
#include "pool/index.h"
#include "pool/reclaim.h"
#include "pool/refs.h"
#include "pool/span.h"

uint32_t chunk_in_flight(const struct pp_chunk *c)
{
	return pages_out(c, CHUNK_COUNT(env_load_acquire(&c->n_free)) - pool_is_zombie(c->pool));
}

/* ---- walking --------------------------------------------------------------------------- */

/* What is written where pages come home or go out. */
static void prefetch_chunk(const struct pp_chunk *c)
{
	env_prefetch(&c->n_free);
	env_prefetch(c + 1); /* free_bits */
}

/* If there is a span at this position in the list: fetch what counts the pages of its chunks. */
static void prefetch_counts(const struct list *at, const struct list *end)
{
	const struct span *span = list_entry(at, const struct span, link);

	for (uint64_t left = at != end ? span->live : 0; left; left &= left - 1) {
		const struct pp_chunk *c = span->chunk[__builtin_ctzll(left)];

		env_prefetch(&c->n_free);
	}
}

/* And of those that have pages home, the rest, and the bits. */
static void prefetch_bits(const struct span *span)
{
	for (uint64_t left = span->live; left; left &= left - 1) {
		const struct pp_chunk *c = span->chunk[__builtin_ctzll(left)];

		if (CHUNK_COUNT(env_load_relaxed(&c->n_free)) <= 0)
			continue;
		env_prefetch(c);
		env_prefetch(c + 1); /* free_bits, then more of them or discarded */
		env_prefetch((const char *)(c + 1) + ENV_LINE);
	}
}

struct chunk_walk chunk_walk(const struct pp_pool *pool)
{
	const struct list *end = &pool->spans;

	prefetch_counts(end->next, end);
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
		prefetch_counts(walk->at->next, walk->end); /* while this one's are worked on */
		prefetch_bits(span);
	}
	slot = (unsigned)__builtin_ctzll(walk->left);
	walk->left &= walk->left - 1;
	return span->chunk[slot];
}

/* ---- making and freeing ---------------------------------------------------------------- */

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Where what follows lies in a chunk's memory; the last is all of it. */
struct layout {
	size_t chunk, bits, user, end;
};

static struct layout layout_of(const struct pp_pool *pool, uint32_t n_pages)
{
	uint32_t rest = n_pages % BLOCK_PAGES; /* in the last block, unless that is full */
	struct layout at;

	at.chunk = n_pages / BLOCK_PAGES * sizeof(struct pp_block);
	if (rest)
		at.chunk += offsetof(struct pp_block, page) + rest * sizeof(struct pp_page);
	at.chunk = round_up(at.chunk, ENV_LINE);
	at.bits = at.chunk + sizeof(struct pp_chunk);
	at.user = round_up(at.bits + 2 * free_words(n_pages) * sizeof(uint64_t), ENV_LINE);
	at.end = at.user + (size_t)n_pages * pool->params.user_size;
	return at;
}

static size_t record_bytes(const struct pp_pool *pool, uint32_t n_pages)
{
	return layout_of(pool, n_pages).end + find_bytes(pool) +
	       (pool->tracked ? n_pages * sizeof(struct holder) : 0);
}

/* All of the blocks but where the memory is: chunk_locate(). */
static void fill_blocks(struct pp_chunk *c, char *user)
{
	uint64_t state = PAGE_REFS(1) | c->pool->anchor->number;
	uint32_t user_words = c->pool->params.user_size / 8;

	for (uint32_t i = 0; i < c->n_pages; i++) {
		struct pp_block *b = &c->block[i / BLOCK_PAGES];

		b->page[i % BLOCK_PAGES].state = state;
		if (i % BLOCK_PAGES)
			continue;
		b->pool = c->pool;
		b->chunk = c;
		b->index = c->first + i - pp_block_offset(b->page) / sizeof *b->page;
		b->user_words = user_words;
		b->headroom = c->pool->params.headroom;
		b->user = user_words ? (uintptr_t)user + (size_t)i * 8 * user_words -
					       pp_block_offset(b->page) * user_words :
				       0;
		b->page_shift = (uint32_t)__builtin_ctz(c->pool->page_size / sizeof *b->page);
	}
}

/* Without what takes more memory. */
static struct pp_chunk *chunk_alloc(struct pp_pool *pool, uint32_t n_pages)
{
	struct layout at = layout_of(pool, n_pages);
	char *memory = env_zalloc_aligned(at.end, PP_BLOCK_BYTES);
	struct pp_chunk *c;

	if (!memory)
		return NULL;
	c = (struct pp_chunk *)(memory + at.chunk);
	c->pool = pool;
	c->block = (struct pp_block *)memory;
	c->n_pages = n_pages;
	c->n_free = CHUNK_PAGES(n_pages);
	c->queued = 1; /* it will be in one of the lists */
	c->free_bits = (uint64_t *)(memory + at.bits);
	c->discarded = c->free_bits + free_words(n_pages);
	list_init(&c->where);
	c->on = CHUNK_NONE;
	for (uint32_t i = 0; i < n_pages; i++)
		c->free_bits[i / 64] |= 1ull << i % 64;
	return c;
}

struct pp_chunk *chunk_new(struct pp_pool *pool, uint32_t n_pages)
{
	struct pp_chunk *c = chunk_alloc(pool, n_pages);

	if (!c)
		return NULL;
	if (pool->tracked)
		c->holder = env_zalloc(n_pages * sizeof *c->holder);
	if ((pool->tracked && !c->holder) || !index_take(c)) {
		env_free(c->holder);
		env_free(c->block);
		return NULL;
	}
	fill_blocks(c, (char *)c->block + layout_of(pool, n_pages).user);
	pool->record_bytes += record_bytes(pool, n_pages);
	pool->n_on[CHUNK_NONE]++;
	return c;
}

/* Give it its memory. */
static void chunk_locate(struct pp_chunk *c, struct span *span, uint32_t slot)
{
	struct pp_pool *pool = c->pool;
	size_t offset = slot * chunk_size(pool);

	c->span = span;
	c->slot = slot;
	c->addr = span->addr + offset;
	for (uint32_t i = 0; i < c->n_pages; i += BLOCK_PAGES) {
		struct pp_block *b = &c->block[i / BLOCK_PAGES];
		uint64_t before = pp_memory_offset(b->page);

		b->addr = (uintptr_t)page_addr(c, i) - (uintptr_t)before;
		b->iova = span->iova->addr + offset + (size_t)i * pool->page_size - before;
	}
}

void chunk_delete(struct pp_chunk *c)
{
	if (!c)
		return;
	c->pool->record_bytes -= record_bytes(c->pool, c->n_pages);
	c->pool->n_on[c->on]--;
	index_give(c);
	env_free(c->holder);
	env_free(c->block);
}

/* ---- lists ----------------------------------------------------------------------------- */

void chunk_move(struct pp_chunk *c, enum chunk_on to)
{
	struct pp_pool *pool = c->pool;

	list_del(&c->where);
	pool->n_on[c->on]--;
	pool->n_on[to]++;
	c->on = to;
	if (to < CHUNK_LISTS)
		list_add(&c->where, &pool->list[to]);
}

void chunk_add(struct pp_chunk *c, struct span *span, uint32_t slot)
{
	struct pp_pool *pool = c->pool;

	chunk_locate(c, span, slot);
	index_add(c);
	find_add(c);
	pool_ref(pool);
	span->chunk[slot] = c;
	chunk_move(c, CHUNK_FRESH);
	pool->n_chunks++;
	pool->n_pages += c->n_pages;
	pool->n_memory[span_memory(span, slot)]++;
}

void chunk_remove(struct pp_pool *pool, struct pp_chunk *c)
{
	chunk_move(c, CHUNK_NONE);
	index_remove(c);
	find_remove(c);
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

/* Model: home.pml, complete_push. */
void stack_push(struct pp_chunk **head, struct pp_chunk *c, struct pp_chunk **link)
{
	struct pp_chunk *old = env_load_relaxed(head);

	do
		*link = old;
	while (!env_cas_acq_rel(head, &old, c)); /* pairs with the exchanges under the lock */
}

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

		chunk_move(c, c->on == CHUNK_IDLE_RETURNED ? CHUNK_IDLE : CHUNK_AVAIL);
		c = next;
		if (!c && rest) {
			c = env_xchg_acq_rel(&pool->returned, NULL);
			rest = false;
		}
	}
	pool->collecting = c;
}

/* ---- handles side by side -------------------------------------------------------------- */

/* As many as fit into a register. Loops are over eight, and unrolled. */
typedef uintptr_t handles __attribute__((vector_size(16), aligned(sizeof(uintptr_t)), may_alias));
#define HANDLES (sizeof(handles) / sizeof(uintptr_t))

/* `first`, and what is `by` bytes behind it, and so on. Not returned: i386 has no way for that. */
static inline void handles_set(handles *h, uintptr_t first, uintptr_t by)
{
	for (unsigned i = 0; i < HANDLES; i++)
		(*h)[i] = first + i * by;
}

/* How many of n pages, 1 at least, have their words each `by` bytes behind the one before. */
static unsigned count_neighbours(struct pp_page *const *pages, unsigned n, uintptr_t by)
{
	const uintptr_t *at = (const uintptr_t *)pages;
	handles expected, step, off;
	unsigned k = 0;

	handles_set(&expected, at[0], by);
	handles_set(&step, HANDLES * by, 0);
	for (; n - k >= 8; k += 8) {
		handles_set(&off, 0, 0);
		ENV_UNROLL
		for (unsigned i = 0; i < 8; i += HANDLES, expected += step)
			off |= *(const handles *)(at + k + i) ^ expected;
		for (unsigned i = 1; i < HANDLES; i++)
			off[0] |= off[i];
		if (off[0])
			break;
	}
	while (k < n && at[k] == at[0] + k * by)
		k++;
	return k;
}

/* The handles of n pages of which the words are side by side. */
static void fill_neighbours(struct pp_page **out, struct pp_page *first, uint32_t n)
{
	handles h, step;

	handles_set(&h, (uintptr_t)first, sizeof *first);
	handles_set(&step, HANDLES * sizeof *first, 0);
	for (; n >= 8; n -= 8, out += 8, first += 8) {
		ENV_UNROLL
		for (unsigned i = 0; i < 8; i += HANDLES, h += step)
			*(handles *)(out + i) = h;
	}
	while (n--)
		*out++ = first++;
}

/* ---- coming home ----------------------------------------------------------------------- */

bool chunk_count_free(struct pp_chunk *c, uint32_t n, struct pp_pool *hold)
{
	struct pp_pool *pool = c->pool;
	uint32_t old = env_load_relaxed(&c->n_free);
	bool complete = false;
	uint32_t now;

	do {
		now = old + CHUNK_PAGES(n);
		if (CHUNK_COUNT(now) >= (int32_t)c->n_pages) {
			now |= CHUNK_COMPLETE;
			if (hold && !complete)
				pool_ref(hold);
			complete = true;
		}
	} while (!env_cas_acq_rel(&c->n_free, &old, now));
	if (now & ~old & CHUNK_COMPLETE)
		stack_push(&pool->complete, c, &c->next_complete);
	return complete;
}

/*
 * Without the lock. The pool is there: what is added isn't counted yet. Model: home.pml,
 * chunk_account, chunk_count_free included.
 */
static void chunk_account(struct pp_chunk *c, uint32_t n)
{
	struct pp_pool *pool = c->pool;

	if (!chunk_count_free(c, n, pool))
		return;
	pool_try_reclaim(pool);
	pool_unref(pool);
}

/*
 * Set n bits of one word. Returns how many were not, and are to be counted. Model: home.pml,
 * chunk_free_bits.
 */
static uint32_t chunk_free_bits(struct pp_chunk *c, unsigned word, uint64_t bits, uint32_t n)
{
	struct pp_pool *pool = c->pool;
	enum pool_state state;
	uint64_t twice;

	twice = env_or_seq_cst(&c->free_bits[word], bits) & bits;
	if (env_unlikely(twice)) {
		misuse_double_put(chunk_page(c, word * 64 + (unsigned)__builtin_ctzll(twice)),
				  NULL);
		bits &= ~twice;
		n -= (uint32_t)__builtin_popcountll(twice);
	}
	state = env_load_relaxed(&pool->state);
	/* while it is being drained pool_drop_holds will do that, for many at once */
	if (state >= POOL_ZOMBIE && bits)
		discard_coming(c, word, bits);
	/* so that the owner finds it; pairs with scan_chunk */
	if (state < POOL_REVOKING && !env_load_seq_cst(&c->queued) &&
	    !env_xchg_seq_cst(&c->queued, 1))
		stack_push(&pool->returned, c, &c->returned);
	return n;
}

/*
 * Neighbours, upwards or downwards, that have their bits in one word: how many, the lowest. They
 * are in one block, so in one chunk: before a block's first word is its head, which is no page's.
 */
static unsigned count_together(struct pp_page *const *pages, unsigned n, uint32_t at,
			       uint32_t *lowest)
{
	bool down = n > 1 && (uintptr_t)pages[1] < (uintptr_t)pages[0];
	uint32_t room = down ? at % 64 + 1 : 64 - at % 64;
	unsigned k = count_neighbours(pages, n < room ? n : room,
				      down ? -sizeof *pages[0] : sizeof *pages[0]);

	*lowest = down ? at - (k - 1) : at;
	return k;
}

/* What comes together and has its bits in one word of c comes home together. Returns how many. */
static unsigned free_word(struct pp_chunk *c, struct pp_page *const *pages, unsigned n,
			  uint32_t *home)
{
	unsigned word = page_in_chunk(pages[0], c) / 64, i = 0;
	uint64_t bits = 0;

	while (i < n && page_chunk(pages[i]) == c) {
		uint32_t at = page_in_chunk(pages[i], c), lowest;
		uint64_t more;
		unsigned k;

		if (at / 64 != word)
			break;
		k = count_together(pages + i, n - i, at, &lowest);
		more = bits_of(lowest % 64, k);
		if (bits & more)
			break; /* put twice: found out by the next round */
		bits |= more;
		i += k;
	}
	*home += chunk_free_bits(c, word, bits, i);
	return i;
}

/* Those of the first one's chunk are counted by one addition. Model: revoke.pml, free_page. */
unsigned pool_free_some(struct pp_page *const *pages, unsigned n)
{
	struct pp_chunk *c = page_chunk(pages[0]);
	uint32_t home = 0;
	unsigned i = 0;

	prefetch_chunk(c); /* both at once: who writes to one atomically waits for it */
	do
		i += free_word(c, pages + i, n - i, &home);
	while (i < n && page_chunk(pages[i]) == c);
	if (home)
		chunk_account(c, home);
	return i;
}

void pool_free_pages(struct pp_page *const *pages, unsigned n)
{
	for (unsigned i = 0; i < n;)
		i += pool_free_some(pages + i, n - i);
}

void chunk_put_pages(struct pp_pool *pool, struct pp_page *const *pages, uint32_t n,
		     const void *caller)
{
	if (!pool->tracked) {
		pool_free_pages(pages, n);
		return;
	}
	misuse_handler(pool, "put", caller);
	for (uint32_t i = 0; i < n; i++) /* the pool is there until the last of them is home */
		if (holders_put(pages[i], caller))
			pool_free_pages(pages + i, 1);
}

/* ---- going out ------------------------------------------------------------------------- */

bool chunk_next_free(const struct pp_chunk *c, uint32_t from, uint32_t *lo, uint32_t *n)
{
	uint32_t i = from;

	while (i < c->n_pages &&
	       !(env_load_acquire(&c->free_bits[i / 64]) >> i % 64)) /* none in it */
		i = i / 64 * 64 + 64;
	if (i >= c->n_pages)
		return false;
	i += (uint32_t)__builtin_ctzll(env_load_acquire(&c->free_bits[i / 64]) >> i % 64);
	*lo = i;
	while (i < c->n_pages) {
		uint64_t gap = ~(env_load_acquire(&c->free_bits[i / 64]) >> i % 64);
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

/* The k pages from index i on. */
static void neighbours(const struct pp_chunk *c, uint32_t i, struct pp_page **out, uint32_t k)
{
	while (k) {
		struct pp_page *page = chunk_page(c, i);
		uint32_t left = BLOCK_PAGES - i % BLOCK_PAGES, m = k < left ? k : left;

		fill_neighbours(out, page, m);
		out += m;
		i += m;
		k -= m;
	}
}

/* Take pages that are home in one chunk. */
static unsigned take_from(struct pp_chunk *c, struct pp_page **out, unsigned n)
{
	unsigned got = 0;

	for (unsigned w = 0; w < free_words(c->n_pages) && got < n; w++) {
		uint64_t bits = env_load_seq_cst(&c->free_bits[w]), taken = 0;

		while (bits & ~taken && got < n) {
			unsigned bit = (unsigned)__builtin_ctzll(bits & ~taken);
			uint64_t gap = ~(bits >> bit);
			unsigned ones = gap ? (unsigned)__builtin_ctzll(gap) : 64;
			unsigned k = ones < n - got ? ones : n - got;

			neighbours(c, w * 64 + bit, out + got, k);
			taken |= bits_of(bit, k);
			got += k;
		}
		if (taken)
			env_and_acq_rel(&c->free_bits[w], ~taken); /* pairs with chunk_free_bits */
	}
	if (got)
		env_sub_acq_rel(&c->n_free, CHUNK_PAGES(got));
	return got;
}

/*
 * As take_from; a chunk that has no more is in no list, and will be queued when it has.
 * Model: home.pml, scan_chunk.
 */
static unsigned scan_chunk(struct pp_chunk *c, struct pp_page **out, unsigned n)
{
	unsigned got = take_from(c, out, n);

	if (got == n)
		return got; /* there may be more */
	chunk_move(c, CHUNK_NONE);
	env_xchg_seq_cst(&c->queued, 0);
	/* A page that came home just now saw `queued` up, or we see its bit. */
	for (unsigned w = 0; w < free_words(c->n_pages); w++)
		if (env_load_seq_cst(&c->free_bits[w]) && !env_xchg_seq_cst(&c->queued, 1)) {
			chunk_move(c, CHUNK_AVAIL);
			break;
		}
	return got;
}

/* A chunk that was idle gives pages. */
static void chunk_use(struct pp_chunk *c)
{
	chunk_move(c, CHUNK_AVAIL);
	pool_use_rose(c->pool);
}

/* The chunk behind this one in the list, if there is one: this get's next one, or a later get's. */
static void prefetch_next(const struct pp_chunk *c, const struct list *list)
{
	const struct pp_chunk *next;

	if (c->where.next == list)
		return;
	next = list_entry(c->where.next, const struct pp_chunk, where);
	env_prefetch(next);
	env_prefetch(&next->where);
	prefetch_chunk(next);
}

/* Model: home.pml, pool_take_free. */
unsigned pool_take_free(struct pp_pool *pool, struct pp_page **out, unsigned n)
{
	unsigned got = 0;

	collect_returned(pool, n); /* each has a page at least */
	while (got < n) {
		enum chunk_on from = CHUNK_AVAIL; /* then idle, then fresh */
		struct pp_chunk *c;

		while (from < CHUNK_LISTS && list_empty(&pool->list[from]))
			from++;
		if (from == CHUNK_LISTS)
			break;
		c = list_entry(pool->list[from].next, struct pp_chunk, where);
		prefetch_next(c, &pool->list[from]);
		if (from != CHUNK_AVAIL) /* some of its pages go out: not whole any more */
			chunk_use(c);
		got += scan_chunk(c, out + got, n - got);
	}
	return got;
}

/* Clear the bits of n pages that are home, from index lo on, and hand them out. */
static void take_run(struct pp_chunk *c, struct pp_page **out, uint32_t lo, uint32_t n)
{
	for (uint32_t i = lo, k; i < lo + n; i += k) {
		uint32_t left = lo + n - i;

		k = 64 - i % 64 < left ? 64 - i % 64 : left;
		/* pairs with chunk_free_bits */
		env_and_acq_rel(&c->free_bits[i / 64], ~bits_of(i % 64, k));
	}
	neighbours(c, lo, out, n);
	env_sub_acq_rel(&c->n_free, CHUNK_PAGES(n));
}

/* A chunk that gives its last page stays in the list: the next to look there takes it off. */
static bool take_run_of(struct pp_chunk *c, struct pp_page **out, uint32_t n)
{
	uint32_t lo = 0, home = 0;

	while (chunk_next_free(c, lo + home, &lo, &home))
		if (home >= n) {
			if (c->on != CHUNK_AVAIL)
				chunk_use(c);
			take_run(c, out, lo, n);
			return true;
		}
	return false;
}

bool pool_take_run(struct pp_pool *pool, struct pp_page **out, uint32_t n)
{
	collect_returned(pool, POOL_RUN);
	for (enum chunk_on from = CHUNK_AVAIL; from < CHUNK_LISTS; from++) {
		const struct list *list = &pool->list[from], *at = list->next;

		for (unsigned i = 0; i < POOL_RUN && at != list; i++, at = at->next)
			if (take_run_of(list_entry(at, struct pp_chunk, where), out, n))
				return true;
	}
	return false;
}
