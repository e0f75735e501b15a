/*
 * chunk.c - spans, chunks and the pages' home: growth, coming home, shrinking, and the
 * going away of a zombie's chunks.
 *
 * Invariant, under the pool's lock and with no call under way:
 *   for each chunk: n_home (less the hold, once let go) == bits set in home == n_pages
 *   less what is in flight or in cache and ring.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/pool.h"

#include "env/debug.h"

static uint64_t bytes_total; /* of chunks not given back; relaxed */

uint64_t chunk_bytes_total(void)
{
	return env_load_relaxed(&bytes_total);
}

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

/* Cut the lowest run of ones off bits: n of them from lo up. False: there is none. */
static bool next_run(uint64_t *bits, unsigned *lo, unsigned *n)
{
	uint64_t rest;

	if (!*bits)
		return false;
	*lo = (unsigned)__builtin_ctzll(*bits);
	rest = ~(*bits >> *lo);
	*n = rest ? (unsigned)__builtin_ctzll(rest) : 64;
	*bits &= *lo + *n < 64 ? ~0ull << (*lo + *n) : 0;
	return true;
}

/* A chunk with all of its pages home; its memory is not known yet. */
static struct pp_chunk *chunk_new(struct pp_pool *pool, uint32_t n_pages)
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

static void chunk_delete(struct pp_chunk *c)
{
	if (!c)
		return;
	env_free(c->holder);
	env_free(c);
}

/* Chunks of one span whose memory goes back to the system. */
struct leaving {
	struct span *span;
	uint32_t n;
	uint64_t full; /* bit: not all of it has gone back already */
};

/* All of its pages are home: has the memory of all gone back? */
static bool chunk_is_given(const struct pp_chunk *c)
{
	return !memcmp(c->given, c->home, home_words(c->n_pages) * sizeof *c->home);
}

/*
 * The span goes with its last chunk. Until then the contents of base pages go and the addresses
 * stay: to cut them out one by one costs ten times as much, and a map entry each. A hugetlb page
 * would stay reserved for the addresses. The pool may be gone after this.
 */
static void give_back(struct pp_pool *pool, struct leaving *leaving)
{
	struct span *span = leaving->span;
	bool cut = span->memory == PP_MEMORY_HUGETLB;
	bool last = env_load_acquire(&span->refs) == leaving->n; /* nobody else has any */
	size_t size = chunk_size(pool);
	uint32_t chunks = leaving->n;
	unsigned lo, n;

	while ((cut || !last) && next_run(&leaving->full, &lo, &n))
		(cut ? env_unmap : env_discard)(span->addr + lo * size, n * size);
	env_sub_acq_rel(&bytes_total, chunks * size);
	if (env_sub_acq_rel(&span->refs, chunks) == chunks) {
		iova_put(span->iova);
		if (!cut)
			env_unmap(span->addr, span->n * size);
		env_free(span);
	}
	*leaving = (struct leaving){ 0 };
	pool_unref_many(pool, chunks);
}

/*
 * Nobody has a page of it and no device can reach it: its record goes, and its memory at the
 * next give_back, for many at once. From the lock's holder, or from a deferred invalidation
 * without it. Model: home.pml, chunk_free.
 */
static void chunk_free(struct pp_chunk *c, struct leaving *leaving)
{
	if (leaving->span && leaving->span != c->span)
		give_back(c->pool, leaving);
	leaving->span = c->span;
	leaving->n++;
	if (!chunk_is_given(c))
		leaving->full |= 1ull << c->slot;
	chunk_delete(c);
}

static void chunk_free_one(struct pp_chunk *c)
{
	struct pp_pool *pool = c->pool;
	struct leaving leaving = { 0 };

	chunk_free(c, &leaving);
	give_back(pool, &leaving);
}

static void chunk_invalidated(struct domain_pending *pending)
{
	chunk_free_one(env_container_of(pending, struct pp_chunk, pending));
}

/* ---- mapping ------------------------------------------------------------------------------ */

/* Unmap those of a span's chunks; the caller invalidates. Binding's lock held. */
static void span_unmap(struct pp_pool *pool, struct span *span, struct binding *b, uint64_t live)
{
	unsigned lo, n;

	while (next_run(&live, &lo, &n))
		domain_unmap(&b->domain, span->iova->addr + lo * chunk_size(pool),
			     n * chunk_size(pool));
}

/*
 * What one map call makes: a run of chunks; or, where the back end can't split a mapping, one
 * chunk, for each has to be trimmed by itself.
 */
static bool next_mapping(const struct binding *b, uint64_t *bits, unsigned *lo, unsigned *n)
{
	if (b->domain.iommu->can_split)
		return next_run(bits, lo, n);
	if (!*bits)
		return false;
	*lo = (unsigned)__builtin_ctzll(*bits);
	*n = 1;
	*bits &= *bits - 1;
	return true;
}

/* Map the live chunks, all or none. */
static int span_map_live(struct pp_pool *pool, struct span *span, struct binding *b)
{
	uint64_t live = span->live, done = 0;
	unsigned lo, n;

	while (next_mapping(b, &live, &lo, &n)) {
		size_t offset = lo * chunk_size(pool);
		int ret = domain_map(&b->domain, span->iova->addr + offset, span->addr + offset,
				     n * chunk_size(pool), env_page_size(span->memory),
				     mapping_prot(pool->params.dir));

		if (ret) {
			span_unmap(pool, span, b, done);
			domain_flush(&b->domain);
			return ret;
		}
		done = span->live & ~live;
	}
	return 0;
}

/* Map and record a span for one attachment. */
static int span_map(struct pp_pool *pool, struct span *span, unsigned at)
{
	struct binding *b;
	int ret = binding_enter(&b, pool->at[at].name, true);

	if (ret)
		return ret;
	ret = space_add_span(b, &span->map[at], span->iova, span->addr, span->n * chunk_size(pool),
			     pool->params.dir);
	if (!ret)
		ret = span_map_live(pool, span, b);
	if (ret && span->map[at]) {
		space_del_span(b, span->map[at]);
		span->map[at] = NULL;
	}
	binding_leave(b);
	return ret;
}

/* Off one device, where it is mapped: unmapped, invalidated, forgotten. */
static void span_unmap_at(struct pp_pool *pool, struct span *span, unsigned at)
{
	struct binding *b = pool->at[at].binding;

	env_lock(&b->lock);
	if (span->map[at]) {
		span_unmap(pool, span, b, span->live);
		domain_flush(&b->domain);
		space_del_span(b, span->map[at]);
		span->map[at] = NULL;
	}
	env_unlock(&b->lock);
}

/* Do children of fork get the pool's memory? */
static void keep_all_from_fork(struct pp_pool *pool, bool keep)
{
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);

		env_keep_from_fork(span->addr, span->n * chunk_size(pool), keep);
	}
}

int pool_map_all(struct pp_pool *pool, unsigned at)
{
	/* constant: the attachment's client is there, and so the device */
	bool pins = pool->at[at].binding->domain.iommu->pins && !pool->pinned;
	int ret = 0;

	if (pins)
		keep_all_from_fork(pool, true);
	pool->pinned |= pins;
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);

		ret = span_map(pool, span, at);
		if (ret)
			break;
	}
	if (!ret)
		return 0;
	pool_unmap_all(pool, at);
	if (pins)
		keep_all_from_fork(pool, false);
	pool->pinned &= !pins;
	return ret;
}

void pool_unmap_all(struct pp_pool *pool, unsigned at)
{
	struct binding *b = pool->at[at].binding;

	env_lock(&b->lock);
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);

		if (span->map[at])
			span_unmap(pool, span, b, span->live);
	}
	domain_flush(&b->domain);
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);

		if (span->map[at])
			space_del_span(b, span->map[at]);
		span->map[at] = NULL;
	}
	env_unlock(&b->lock);
}

/* ---- growth ---------------------------------------------------------------------------------- */

/* How many chunks to add: as many as there are, up to a span, within the limit. */
static uint32_t growth(const struct pp_pool *pool)
{
	uint64_t per_chunk = chunk_size(pool) / pool->page_size;
	uint64_t room = UINT64_MAX;
	uint32_t n = 1;

	if (pool->params.max_pages) {
		room = pool->params.max_pages - pool->n_pages;
		room = room / per_chunk + (room % per_chunk != 0);
	}
	while (n < POOL_SPAN && 2 * n <= pool->n_chunks + 1 && 2 * n <= room)
		n *= 2;
	return room ? n : 0;
}

/* The width that the IOVA of a span must lie within. */
static unsigned pool_bits(struct pp_pool *pool)
{
	unsigned bits = 64;

	for (unsigned i = 0; i < POOL_DEVICES; i++) {
		struct binding *b = pool->at[i].binding;

		if (!b)
			continue;
		env_lock(&b->lock);
		if (binding_bits(b) < bits)
			bits = binding_bits(b);
		env_unlock(&b->lock);
	}
	return bits;
}

/* Memory of the best kind there is, for up to n chunks; sets span->n. */
static int span_memory(struct pp_pool *pool, struct span *span, uint32_t n)
{
	for (int kind = (int)pool->params.memory; kind <= PP_MEMORY_BASE; kind++)
		for (span->n = n; span->n; span->n /= 2) {
			span->memory = (enum pp_memory)kind;
			if (!env_map((void **)&span->addr, span->n * chunk_size(pool),
				     chunk_size(pool), span->memory, pool->params.numa_node))
				return 0;
		}
	return -ENOMEM;
}

/* A span with memory and IOVA, mapped for every device the pool is attached to. */
static int span_new(struct pp_pool *pool, struct span **out, uint32_t n)
{
	struct span *span = env_zalloc(sizeof *span);
	unsigned at = 0;
	int ret;

	*out = NULL;
	if (!span)
		return -ENOMEM;
	ret = span_memory(pool, span, n);
	if (ret)
		goto free;
	ret = iova_get(&span->iova, span->n * chunk_size(pool), pool_bits(pool));
	if (ret)
		goto memory;
	if (pool->pinned)
		env_keep_from_fork(span->addr, span->n * chunk_size(pool), true);
	span->refs = span->n;
	span->live = span->n == 64 ? UINT64_MAX : (1ull << span->n) - 1;
	list_init(&span->link);
	for (; at < POOL_DEVICES; at++) {
		ret = pool->at[at].binding ? span_map(pool, span, at) : 0;
		if (ret)
			goto unmap;
	}
	*out = span;
	return 0;
unmap:
	while (at--)
		if (pool->at[at].binding)
			span_unmap_at(pool, span, at);
	iova_put(span->iova);
memory:
	env_unmap(span->addr, span->n * chunk_size(pool));
free:
	env_free(span);
	return ret;
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

static void add_chunk(struct pp_pool *pool, struct pp_chunk *c)
{
	pool_ref(pool);
	c->span->chunk[c->slot] = c;
	list_chunk(c, &pool->fresh, &pool->n_fresh);
	pool->n_chunks++;
	pool->n_pages += c->n_pages;
	pool->n_memory[c->span->memory]++;
	env_add_relaxed(&bytes_total, chunk_size(pool));
}

static int grow_by(struct pp_pool *pool, uint32_t n)
{
	uint64_t per_chunk = chunk_size(pool) / pool->page_size;
	struct pp_chunk *chunk[POOL_SPAN] = { NULL };
	struct span *span = NULL;
	int ret = 0;

	for (uint32_t i = 0; i < n && !ret; i++) {
		uint64_t room = pool->params.max_pages ?
				pool->params.max_pages - pool->n_pages - i * per_chunk : per_chunk;

		chunk[i] = chunk_new(pool, (uint32_t)(room < per_chunk ? room : per_chunk));
		if (!chunk[i])
			ret = -ENOMEM;
	}
	if (!ret)
		ret = span_new(pool, &span, n);
	for (uint32_t i = n; i-- > 0;) { /* so that the first is the first to be taken */
		if (ret || i >= span->n) { /* there was memory for fewer */
			chunk_delete(chunk[i]);
			continue;
		}
		chunk_place(chunk[i], span, i);
		add_chunk(pool, chunk[i]);
	}
	if (!ret)
		list_add_tail(&span->link, &pool->spans);
	return ret;
}

int pool_grow(struct pp_pool *pool)
{
	uint32_t n = growth(pool);
	int ret = -ENOBUFS;

	/* what can't be had for many may be had for fewer */
	for (; n; n /= 2) {
		ret = grow_by(pool, n);
		if (!ret || ret == -ENODEV)
			break;
	}
	if (!ret)
		PP_PROBE3(grow, pool, n, pool->name);
	return ret;
}

/* ---- coming home -------------------------------------------------------------------------------- */

/* Model: home.pml, inbox_push. */
static void stack_push(struct pp_chunk **head, struct pp_chunk *c, struct pp_chunk **link)
{
	struct pp_chunk *old = env_load_relaxed(head);

	do
		*link = old;
	while (!env_cas_acq_rel(head, &old, c)); /* pairs with the exchanges under the lock */
}

/*
 * Under the lock or not: look at the inbox as long as there is one and nobody else does.
 * Model: home.pml, kick.
 */
static void kick(struct pp_pool *pool)
{
	env_fence_seq_cst(); /* the push before the trylock; pairs with pool_unlock */
	while (env_load_seq_cst(&pool->inbox) && env_trylock(&pool->lock)) {
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
static bool chunk_add(struct pp_chunk *c, uint32_t n, struct pp_pool *hold)
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
 * chunk_account, chunk_add included.
 */
static void chunk_account(struct pp_chunk *c, uint32_t n)
{
	struct pp_pool *pool = c->pool;

	if (!chunk_add(c, n, pool))
		return;
	kick(pool);
	pool_unref(pool);
}

static bool can_discard(const struct pp_chunk *c)
{
	return c->span->memory != PP_MEMORY_HUGETLB && c->pool->together;
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
		env_discard(page_addr(c, word * 64 + lo), bytes_of(c, n));
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
	env_discards_end(&many);
}

/* Model: home.pml, chunk_bring_home. */
static void chunk_bring_home(struct pp_chunk *c, unsigned word, uint64_t bits)
{
	struct pp_pool *pool = c->pool;
	bool revoked = env_load_relaxed(&pool->gate->revoked);
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

/* Chunks that pages have returned to, into pool->avail. Model: home.pml, collect_returned. */
static void collect_returned(struct pp_pool *pool)
{
	struct pp_chunk *c = env_xchg_acq_rel(&pool->returned, NULL);

	while (c) {
		struct pp_chunk *next = c->returned;

		list_chunk(c, &pool->avail, NULL);
		c = next;
	}
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

	collect_returned(pool);
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

/* ---- shrinking -------------------------------------------------------------------------------------- */

uint64_t pool_idle_limit(const struct pp_pool *pool)
{
	if (pool->params.idle_chunks)
		return pool->params.idle_chunks;
	return pool->n_chunks / 8 > 8 ? pool->n_chunks / 8 : 8;
}

/* Out of the pool's lists and counts. */
static void remove_chunk(struct pp_pool *pool, struct pp_chunk *c)
{
	unlist(c);
	c->span->live &= ~(1ull << c->slot);
	if (!c->span->live)
		list_del(&c->span->link);
	pool->n_chunks--;
	pool->n_released++;
	pool->n_pages -= c->n_pages;
	pool->n_memory[c->span->memory]--;
}

/*
 * Lock all bindings of the pool. Not waiting, it may fail, and nothing is locked then;
 * waiting, it takes them in the order of their slots, so that two pools can't block each
 * other.
 */
static void unlock_devices(struct pp_pool *pool, unsigned n)
{
	while (n--)
		if (pool->at[n].binding)
			env_unlock(&pool->at[n].binding->lock);
}

static bool try_lock_devices(struct pp_pool *pool)
{
	for (unsigned i = 0; i < POOL_DEVICES; i++)
		if (pool->at[i].binding && !env_trylock(&pool->at[i].binding->lock)) {
			unlock_devices(pool, i);
			return false;
		}
	return true;
}

static void lock_devices(struct pp_pool *pool)
{
	unsigned from = 0;
	struct binding *next;

	do {
		next = NULL;
		for (unsigned i = 0; i < POOL_DEVICES; i++) {
			struct binding *b = pool->at[i].binding;

			if (b && b->slot >= from && (!next || b->slot < next->slot))
				next = b;
		}
		if (next) {
			env_lock(&next->lock);
			from = next->slot + 1;
		}
	} while (next);
}

/*
 * Unmap an idle chunk and let it go: at once, or with a deferred invalidation, which one
 * device may have; the others invalidate at once. The bindings are locked.
 */
static void trim(struct pp_pool *pool, struct pp_chunk *c)
{
	struct span *span = c->span;
	pp_iova_t iova = span->iova->addr + c->slot * chunk_size(pool);
	struct domain *deferred = NULL;

	watch_chunk(c);
	remove_chunk(pool, c);
	for (unsigned i = 0; i < POOL_DEVICES; i++) {
		struct binding *b = pool->at[i].binding;

		if (!b || !span->map[i])
			continue;
		domain_unmap(&b->domain, iova, chunk_size(pool));
		if (deferred)
			domain_invalidate(&b->domain, iova, chunk_size(pool));
		else
			deferred = &b->domain;
		if (!span->live) {
			space_del_span(b, span->map[i]);
			span->map[i] = NULL;
		}
	}
	c->pending.done = chunk_invalidated;
	if (deferred)
		domain_retire(deferred, iova, chunk_size(pool), &c->pending);
	else
		chunk_free_one(c);
}

static uint64_t trim_list(struct pp_pool *pool, struct list *list, uint64_t most)
{
	uint64_t n = 0;

	list_for_each_safe(pos, list) {
		struct pp_chunk *c = list_entry(pos, struct pp_chunk, where);

		if (n == most)
			break;
		/* in the inbox: whoever takes it out decides */
		if (env_load_acquire(&c->n_home) & CHUNK_INBOX)
			continue;
		trim(pool, c);
		n++;
	}
	return n;
}

void pool_shrink(struct pp_pool *pool, uint64_t keep)
{
	uint64_t have = pool->n_idle + pool->n_fresh;
	uint64_t n;

	lock_devices(pool);
	n = have > keep ? trim_list(pool, &pool->idle, have - keep) : 0;
	if (have - n > keep)
		trim_list(pool, &pool->fresh, have - n - keep);
	for (unsigned i = 0; i < POOL_DEVICES; i++)
		if (pool->at[i].binding)
			domain_flush(&pool->at[i].binding->domain);
	unlock_devices(pool, POOL_DEVICES);
}

/*
 * Hysteresis: what is above the limit is trimmed to half of it. A put may come by here, and
 * a put never waits: when a device is busy the next chunk to become idle tries again.
 */
static void keep_to_limit(struct pp_pool *pool)
{
	uint64_t limit = pool_idle_limit(pool);

	if (pool->n_idle <= limit || !try_lock_devices(pool))
		return;
	trim_list(pool, &pool->idle, pool->n_idle - limit / 2);
	unlock_devices(pool, POOL_DEVICES);
}

/* ---- complete chunks ------------------------------------------------------------------------------ */

/* A chunk of a live pool with every page home. */
static void became_idle(struct pp_pool *pool, struct pp_chunk *c)
{
	if (c->counted == &pool->n_idle)
		return;
	list_chunk(c, &pool->idle, &pool->n_idle);
	keep_to_limit(pool);
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
			remove_chunk(pool, c);
			chunk_free(c, &leaving);
		} else if (!pool->revoked && home == c->n_pages) {
			/*
			 * It may be on the other stack, and must not be when it is listed. All of
			 * its pages are home: nobody can push it there any more.
			 */
			collect_returned(pool);
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

		iova_put(span->iova); /* no device has it mapped any more */
		span->iova = NULL;
	}
	for (struct pp_chunk *c; (c = chunk_walk_next(&walk));) {
		uint32_t out = pages_out(c, CHUNK_COUNT(env_load_acquire(&c->n_home)));

		if (out < c->n_pages && can_discard(c))
			discard_longest(&many, c);
		in_flight += out;
		chunk_add(c, 1, NULL); /* whoever unlocks looks at the inbox */
	}
	env_discards_end(&many);
	return in_flight;
}
