/*
 * span.c - spans: addresses and IOVA for chunks that lie side by side, the memory in them, and its
 * mapping for devices.
 *
 * A span is a row of slots, one for each chunk. A slot is
 *
 *   live      the pool has its chunk; it is mapped for every device that the span is mapped for
 *   retiring  its chunk is unmapped, and its memory waits for the invalidation (trimming)
 *   dead      free for a growth: nothing is mapped, no IOTLB knows it, its memory has gone back
 *   lost      a device may still reach it, for its back end did not unmap it: it is not used again
 *
 * A slot is filled in pieces, and filled again when it is dead: so IOVA, of which there may be
 * little, isn't lost to the neighbours of a chunk that lives long. All with the pool's lock held.
 *
 * The one span of a pool that has an area is mapped whole, dead slots too, by one call: they have
 * memory, which is `kept` until the pool is revoked.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/span.h"

#include "pool/budget.h"
#include "pool/memory.h"

static uint64_t bytes_total; /* of chunks not given back; relaxed */

uint64_t chunk_bytes_total(void)
{
	return env_load_relaxed(&bytes_total);
}

bool next_run(uint64_t *bits, unsigned *lo, unsigned *n)
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

enum pp_memory span_memory(const struct span *span, unsigned slot)
{
	for (int kind = PP_MEMORY_HUGETLB; kind < PP_MEMORY_BASE; kind++)
		if (span->memory[kind] >> slot & 1)
			return (enum pp_memory)kind;
	return PP_MEMORY_BASE;
}

/* ---- mapping ------------------------------------------------------------------------------ */

/* Of a span that is mapped for a device, the slots that are. */
static uint64_t mapped_slots(const struct pp_pool *pool, const struct span *span)
{
	return pool->params.area ? bits_of(0, span->n) : span->live;
}

/* Spans with a lost slot, which outlive their pool. Pushed by any thread, never taken out. */
static struct span *lost_spans;

static void list_hole(struct pp_pool *pool, struct span *span);

/*
 * A device may still reach those slots: their memory and IOVA stay out of use, and count as being
 * there. The reference that a chunk has of its span is the slot's then.
 */
static void lose(struct pp_pool *pool, struct span *span, uint64_t slots)
{
	uint64_t dead = slots & span->dead;

	if (!span->lost) {
		span->next_lost = env_load_relaxed(&lost_spans);
		while (!env_cas_acq_rel(&lost_spans, &span->next_lost, span))
			;
	}
	env_or_relaxed(&span->lost, slots);
	pool->some_lost = true;
	span->refs += (unsigned)__builtin_popcountll(dead);
	span->dead &= ~dead;
	env_add_relaxed(&bytes_total,
			(size_t)__builtin_popcountll(dead & ~span->kept) * chunk_size(pool));
	span->kept |= dead;
	list_hole(pool, span);
}

void span_unmap_slots(struct pp_pool *pool, struct span *span, struct binding *b, uint64_t slots)
{
	unsigned lo, n;

	while (next_run(&slots, &lo, &n))
		if (spans_unmap(b, span->iova->addr + lo * chunk_size(pool), n * chunk_size(pool)))
			lose(pool, span, bits_of(lo, n));
}

/*
 * What one map call makes: a run of chunks; or, where the back end can't split a mapping, one
 * chunk, for each has to be trimmed by itself, unless it is an area's.
 */
static bool next_mapping(const struct pp_pool *pool, const struct binding *b, uint64_t *bits,
			 unsigned *lo, unsigned *n)
{
	if (pool->params.area || spans_can_split(b))
		return next_run(bits, lo, n);
	if (!*bits)
		return false;
	*lo = (unsigned)__builtin_ctzll(*bits);
	*n = 1;
	*bits &= *bits - 1;
	return true;
}

/* Map slots, all or none. Binding's lock held. */
static int map_slots(struct pp_pool *pool, struct span *span, struct binding *b, uint64_t slots)
{
	uint64_t left = slots, done = 0;
	unsigned lo, n;

	while (next_mapping(pool, b, &left, &lo, &n)) {
		size_t offset = lo * chunk_size(pool);
		bool lost;
		int ret = spans_map(b, span->iova->addr + offset, span->addr + offset,
				    n * chunk_size(pool), span->leaf, pool->params.dir, &lost);

		if (lost)
			lose(pool, span, bits_of(lo, n));
		if (ret) {
			span_unmap_slots(pool, span, b, done);
			spans_flush(b);
			return ret;
		}
		done = slots & ~left;
	}
	return 0;
}

/* Map slots for one attachment, and record the span there if it isn't yet. Binding's lock held. */
static int span_map(struct pp_pool *pool, struct span *span, unsigned at, struct binding *b,
		    uint64_t slots)
{
	bool known = span->map[at];
	int ret = 0;

	if (pool->params.area)
		slots = known ? 0 : bits_of(0, span->n);
	if (!known)
		ret = mappings_add_span(b, &span->map[at], span->iova, span->addr,
					span->n * chunk_size(pool), pool->params.dir);
	if (!ret)
		ret = map_slots(pool, span, b, slots);
	if (ret && !known && span->map[at]) {
		mappings_del_span(b, span->map[at]);
		span->map[at] = NULL;
	}
	return ret;
}

/* Slots off one device again, where they are mapped; its record goes with the last of them. */
static void span_unmap_at(struct pp_pool *pool, struct span *span, unsigned at, uint64_t slots)
{
	struct binding *b = pool->at[at].binding;

	if (pool->params.area)
		slots = span->live ? 0 : mapped_slots(pool, span);
	env_lock(&b->lock);
	span_unmap_slots(pool, span, b, slots);
	spans_flush(b);
	if (!span->live) {
		mappings_del_span(b, span->map[at]);
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
	bool pins = spans_pin(pool->at[at].binding) && !pool->pinned;
	struct binding *b;
	int ret = 0;

	if (pins)
		keep_all_from_fork(pool, true);
	pool->pinned |= pins;
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);

		ret = binding_enter(&b, pool->at[at].name, true);
		if (ret)
			break;
		ret = span_map(pool, span, at, b, span->live);
		binding_leave(b);
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
			span_unmap_slots(pool, span, b, mapped_slots(pool, span));
	}
	spans_flush(b);
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);

		if (span->map[at])
			mappings_del_span(b, span->map[at]);
		span->map[at] = NULL;
	}
	env_unlock(&b->lock);
}

uint64_t pool_bytes_mapped(const struct pp_pool *pool)
{
	uint64_t chunks = 0;

	list_for_each(pos, &pool->spans) {
		const struct span *span = list_entry(pos, const struct span, link);

		for (unsigned at = 0; at < POOL_DEVICES; at++)
			if (span->map[at])
				chunks += (unsigned)__builtin_popcountll(mapped_slots(pool, span));
	}
	return chunks * chunk_size(pool);
}

/* ---- making ------------------------------------------------------------------------------- */

/* Hugetlb memory comes with its addresses: for as many of n chunks as there is. */
static int take_hugetlb(struct pp_pool *pool, struct span *span, uint32_t n)
{
	int ret = -ENOMEM;

	for (span->n = 2 * n; ret && span->n > 1;) {
		span->n /= 2;
		ret = env_map((void **)&span->addr, span->n * chunk_size(pool), chunk_size(pool),
			      PP_MEMORY_HUGETLB, pool->params.numa_node);
	}
	if (ret)
		return ret;
	span->hugetlb = true;
	span->memory[PP_MEMORY_HUGETLB] = bits_of(0, span->n);
	span->leaf = env_page_size(PP_MEMORY_HUGETLB);
	if (pool->pinned)
		env_keep_from_fork(span->addr, span->n * chunk_size(pool), true);
	return 0;
}

/* A span with n slots, all of them dead; or fewer, for as many as there is hugetlb memory. */
static int span_new(struct pp_pool *pool, struct span **out, uint32_t n, uint64_t octaves,
		    bool hugetlb)
{
	struct span *span;
	struct iova *iova;
	int ret = iova_get_in(&iova, n * chunk_size(pool), octaves); /* first: it is the cheapest */

	*out = NULL;
	if (ret)
		return ret;
	span = env_zalloc(sizeof *span);
	ret = !span ? -ENOMEM : hugetlb ? take_hugetlb(pool, span, n) : memory_take(pool, span, n);
	if (ret) {
		iova_put(iova);
		env_free(span);
		return ret;
	}
	span->iova = iova;
	span->dead = bits_of(0, span->n);
	list_init(&span->link);
	list_init(&span->hole);
	pool->record_bytes += sizeof *span;
	*out = span;
	return 0;
}

/* Nothing is mapped any more, and no chunk has any of its memory. */
static void span_delete(struct pp_pool *pool, struct span *span)
{
	iova_put(span->iova);
	memory_give(pool, span);
	if (span->kept)
		env_sub_acq_rel(&bytes_total,
				(size_t)__builtin_popcountll(span->kept) * chunk_size(pool));
	pool->record_bytes -= sizeof *span;
	list_del(&span->hole);
	env_free(span);
}

int span_start(struct pp_pool *pool, struct span **out, uint32_t slots, uint64_t octaves)
{
	int ret = span_new(pool, out, slots, octaves, false);

	if (pool->params.area) /* whole, or not at all */
		return ret;
	while (ret && (slots /= 2)) /* what can't be had for many may be had for fewer */
		ret = span_new(pool, out, slots, octaves, false);
	return ret;
}

int span_start_hugetlb(struct pp_pool *pool, struct span **out, uint32_t chunks, uint64_t octaves)
{
	return span_new(pool, out, chunks, octaves, true);
}

void span_drop(struct pp_pool *pool, struct span *span)
{
	if (!span->refs)
		span_delete(pool, span);
}

/* ---- filling ------------------------------------------------------------------------------ */

static uint64_t with_memory(const struct span *span)
{
	return span->memory[PP_MEMORY_HUGETLB] | span->memory[PP_MEMORY_THP] |
	       span->memory[PP_MEMORY_BASE];
}

/* Dead slots, without those that hugetlb memory has gone from: it won't come there again. */
static uint64_t good_slots(const struct span *span)
{
	return span->hugetlb ? span->dead & with_memory(span) : span->dead;
}

/* Into the right list of those with dead slots. */
static void list_hole(struct pp_pool *pool, struct span *span)
{
	list_del(&span->hole);
	if (span->live && span->dead)
		list_add(&span->hole, good_slots(span) ? &pool->holes : &pool->cut);
}

unsigned span_hole(const struct span *span, unsigned *lo, unsigned most)
{
	uint64_t bits = good_slots(span) ? good_slots(span) : span->dead;
	uint64_t alike = with_memory(span);
	unsigned n = 0;

	/* all with memory, or all without */
	bits &= alike >> __builtin_ctzll(bits) & 1 ? alike : ~alike;
	next_run(&bits, lo, &n);
	return n < most ? n : most;
}

int span_commit(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n)
{
	enum pp_memory kind;
	char *addr;
	size_t len;
	int ret;

	if (with_memory(span) >> lo & 1) /* what was given back comes again when it is touched */
		return 0;
	if (pool->params.area) {
		lo = 0;
		n = span->n;
	}
	addr = span->addr + lo * chunk_size(pool);
	len = n * chunk_size(pool);
	ret = memory_commit(pool, addr, len, &kind);
	if (ret)
		return ret;
	span->memory[kind] |= bits_of(lo, n);
	if (env_page_size(kind) < span->leaf)
		span->leaf = env_page_size(kind);
	if (pool->pinned && !memory_is_shared(pool)) /* which is kept whole */
		env_keep_from_fork(addr, len, true);
	return 0;
}

/* Is there nobody left for whom the pool could grow? */
static bool all_end(const struct pp_pool *pool, unsigned ending)
{
	for (unsigned at = 0; at < POOL_DEVICES; at++)
		if (pool->at[at].binding && !(ending >> at & 1))
			return false;
	return pool->n_at;
}

int span_map_new(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n, unsigned *ending)
{
	uint64_t slots = bits_of(lo, n);
	unsigned mapped = 0;
	int ret = 0;

	for (unsigned at = 0; at < POOL_DEVICES && !ret; at++) {
		struct binding *b;

		if (!pool->at[at].binding || *ending >> at & 1)
			continue;
		if (binding_enter(&b, pool->at[at].name, true)) {
			*ending |= 1u << at;
			ret = span->map[at] ? POOL_AGAIN : 0;
			continue;
		}
		ret = span_map(pool, span, at, b, slots);
		binding_leave(b);
		mapped |= (unsigned)!ret << at;
	}
	if (!ret && all_end(pool, *ending))
		ret = -ENODEV;
	for (; ret && mapped; mapped &= mapped - 1)
		span_unmap_at(pool, span, (unsigned)__builtin_ctz(mapped), slots);
	return ret;
}

/* Dead slots of an area have memory too, which counts as being there. */
static void keep_dead(struct pp_pool *pool, struct span *span)
{
	uint64_t more = span->dead & ~span->kept;

	span->kept |= more;
	env_add_relaxed(&bytes_total, (size_t)__builtin_popcountll(more) * chunk_size(pool));
}

void span_fill(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n)
{
	uint64_t slots = bits_of(lo, n);
	unsigned kept = (unsigned)__builtin_popcountll(span->kept & slots);

	span->refs += n;
	span->live |= slots;
	span->dead &= ~slots;
	span->kept &= ~slots;
	env_add_relaxed(&bytes_total, (n - kept) * chunk_size(pool));
	if (list_empty(&span->link))
		list_add_tail(&span->link, &pool->spans);
	if (pool->params.area)
		keep_dead(pool, span);
	list_hole(pool, span);
}

int pool_populate(struct pp_pool *pool)
{
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);
		/* hugetlb memory is there from the start */
		uint64_t bits = span->live & ~span->populated & ~span->memory[PP_MEMORY_HUGETLB];
		unsigned lo, n;
		int ret;

		if (!next_run(&bits, &lo, &n))
			continue;
		n = n < POOL_GROW ? n : POOL_GROW;
		ret = env_populate(span->addr + lo * chunk_size(pool), n * chunk_size(pool));
		if (ret)
			return ret;
		span->populated |= bits_of(lo, n);
		return 1;
	}
	return 0;
}

/* ---- giving back -------------------------------------------------------------------------- */

/*
 * Memory goes, addresses stay: to cut them out costs ten times as much, and a map entry for each
 * piece. Only hugetlb pages would stay promised to the addresses; a file's don't, but must be there
 * before they are touched again. What can't be given back is counted as being there.
 */
static void give_back_slots(struct pp_pool *pool, struct span *span, uint64_t slots)
{
	size_t size = chunk_size(pool);
	unsigned lo, n;

	for (int hugetlb = 0; hugetlb < 2; hugetlb++) {
		uint64_t huge = span->memory[PP_MEMORY_HUGETLB];
		uint64_t of = slots & (hugetlb ? huge : ~huge);

		while (next_run(&of, &lo, &n)) {
			char *addr = span->addr + lo * size;
			int ret = span->hugetlb && hugetlb ? env_decommit(addr, n * size) :
							     memory_discard(pool, addr, n * size);

			if (ret)
				span->kept |= bits_of(lo, n);
			else if (hugetlb)
				span->memory[PP_MEMORY_HUGETLB] &= ~bits_of(lo, n);
		}
	}
}

void span_undo(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n)
{
	uint64_t slots = bits_of(lo, n);

	/* An area is mapped still. Hugetlb memory that came with its span goes with it. */
	if (!span->live || pool->params.area || span->lost & slots ||
	    (span->hugetlb && span->memory[PP_MEMORY_HUGETLB] & slots))
		return;
	if (!memory_discard(pool, span->addr + lo * chunk_size(pool), n * chunk_size(pool)))
		span->memory[PP_MEMORY_HUGETLB] &= ~slots;
}

void spans_give_back_dead(struct pp_pool *pool)
{
	list_for_each(pos, &pool->spans) {
		struct span *span = list_entry(pos, struct span, link);
		uint64_t dead = span->dead & span->kept;

		span->kept &= ~dead;
		give_back_slots(pool, span, dead);
		dead &= ~span->kept;
		env_sub_acq_rel(&bytes_total,
				(size_t)__builtin_popcountll(dead) * chunk_size(pool));
	}
}

void give_back(struct pp_pool *pool, struct leaving *leaving)
{
	int before = env_errno(); /* which a put leaves alone */
	struct span *span = leaving->span;
	uint64_t lost = leaving->slots & span->lost;
	uint32_t chunks = leaving->n, kept;
	bool last = span->refs == chunks && !lost;

	if (!last)
		give_back_slots(pool, span, leaving->full & ~lost);
	span->kept |= lost;
	kept = (uint32_t)__builtin_popcountll(span->kept & leaving->slots);
	env_sub_acq_rel(&bytes_total, (chunks - kept) * chunk_size(pool));
	span->refs -= chunks - (uint32_t)__builtin_popcountll(lost);
	span->dead |= leaving->slots & ~lost;
	span->populated &= ~leaving->slots;
	if (last)
		span_delete(pool, span);
	else
		list_hole(pool, span);
	env_set_errno(before);
	budget_give(pool, chunks);
	*leaving = (struct leaving){ 0 };
	pool_unref_many(pool, chunks);
}
