/*
 * iova.c - the arena of IOVA space. See iova.h. Uses env only.
 *
 * Every octave is the root of a binary tree: a block that is split has two halves, which lie
 * side by side in one record, so that a block finds its other half, and the whole, without
 * looking for them.
 *
 * Invariants, under `lock`: every address of [2^12, 2^48) lies in exactly one block that is not
 * split; of two halves never both are free (IOVA_KEPT is not IOVA_FREE); no address of a
 * window lies in a free block, once its iova_reserve has returned.
 *
 * A block that is in use owns its record, so that freeing it needs no memory. The exception is a
 * window that reaches into it: without memory the whole block is withheld, until a window of it
 * goes.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/iova.h"

#include "env/hash.h"
#include "env/slab.h"
#include "iommu/cover.h"

#define KEPT 4u     /* blocks of an octave and order that aren't joined */
#define PIECE 64u   /* blocks of a window for which the lock is held */
#define RUN_UNITS 3 /* a range of several blocks is 2^3 units at most ... */
#define RUN_SPACE 5 /* ... of a space of 2^(5 + 3): in a larger one there are large blocks ... */
#define RUN_BITS 40 /* ... and from here on there is room for all the memory of a machine */

#define ALL_OCTAVES (iova_below(IOVA_MAX_BITS) & ~iova_below(IOVA_MIN_ORDER))

struct iova_pair {
	struct iova half[2];
	struct iova *whole;
};

struct window {
	struct hash_node node;
	pp_iova_t first, last; /* whole pages */
	unsigned count;        /* calls of iova_reserve */
};

static struct {
	struct env_lock lock; /* protects everything here but `windows`, and every record */
	bool ready;
	struct iova octave[IOVA_MAX_BITS];
	struct list free[IOVA_MAX_BITS][IOVA_MAX_BITS]; /* [octave][order] */
	uint64_t orders[IOVA_MAX_BITS]; /* [octave]: bit o: free[octave][o] isn't empty */
	struct iova *kept[IOVA_MAX_BITS][IOVA_MAX_BITS];
	unsigned char n_kept[IOVA_MAX_BITS][IOVA_MAX_BITS];
	uint64_t kept_orders[IOVA_MAX_BITS];
	struct slab pairs;
	unsigned users;
	struct hashtab windows; /* by their bounds, while there are any */
	struct cover cover;     /* the same, for what is asked of a block */
	uint64_t in_use;
	struct iova_counts counts;
	uint64_t steps_before; /* the lock was taken */
} arena = { .lock = ENV_LOCK_INIT };

/* Taken before the arena's: one window comes or goes at a time. Protects arena.windows, too. */
static struct env_lock windows_lock = ENV_LOCK_INIT;

/* ---- records ------------------------------------------------------------------------- */

static unsigned octave_of(pp_iova_t addr)
{
	return 63u - (unsigned)__builtin_clzll(addr);
}

static pp_iova_t last_of(const struct iova *b)
{
	return b->addr + (1ull << b->order) - 1;
}

static struct iova_pair *pair_of(struct iova *b)
{
	return env_container_of(b - (b->addr >> b->order & 1), struct iova_pair, half[0]);
}

static void arena_init(void)
{
	if (arena.ready)
		return;
	arena.ready = true;
	cover_init(&arena.cover);
	slab_init(&arena.pairs, sizeof(struct iova_pair));
	for (unsigned octave = 0; octave < IOVA_MAX_BITS; octave++)
		for (unsigned order = 0; order < IOVA_MAX_BITS; order++)
			list_init(&arena.free[octave][order]);
	for (unsigned char k = IOVA_MIN_ORDER; k < IOVA_MAX_BITS; k++) {
		struct iova *b = &arena.octave[k];

		*b = (struct iova){ .addr = 1ull << k, .order = k };
		list_add(&b->link, &arena.free[k][k]);
		arena.orders[k] = 1ull << k;
	}
}

static void arena_lock(void)
{
	env_lock(&arena.lock);
	arena_init();
	arena.steps_before = arena.counts.steps;
}

static void arena_unlock(void)
{
	uint64_t steps = arena.counts.steps - arena.steps_before;

	if (steps > arena.counts.longest)
		arena.counts.longest = steps;
	env_unlock(&arena.lock);
}

/* ---- free blocks: joined, cut -------------------------------------------------------- */

static void free_insert(struct iova *b)
{
	unsigned octave = octave_of(b->addr);

	b->state = IOVA_FREE;
	list_add(&b->link, &arena.free[octave][b->order]);
	arena.orders[octave] |= 1ull << b->order;
}

static void free_remove(struct iova *b)
{
	unsigned octave = octave_of(b->addr);

	b->state = IOVA_USED;
	list_del(&b->link);
	if (list_empty(&arena.free[octave][b->order]))
		arena.orders[octave] &= ~(1ull << b->order);
}

/* A block is free: it is one with its other half, if that is free too, and so on. */
static void make_free(struct iova *b)
{
	while (b->order < octave_of(b->addr)) {
		struct iova_pair *pair = pair_of(b);
		struct iova *other = b == &pair->half[0] ? &pair->half[1] : &pair->half[0];

		arena.counts.steps++;
		if (other->state != IOVA_FREE)
			break;
		free_remove(other);
		b = pair->whole;
		slab_free(&arena.pairs, pair);
		arena.counts.joins++;
	}
	free_insert(b);
}

/* Cut a block in two; the halves are in no list. False: no memory. */
static bool cut(struct iova *b)
{
	struct iova_pair *pair = slab_alloc(&arena.pairs);
	unsigned char order = b->order - 1;

	if (!pair)
		return false;
	pair->whole = b;
	for (unsigned i = 0; i < 2; i++)
		pair->half[i] = (struct iova){ .addr = b->addr + ((uint64_t)i << order),
					       .order = order,
					       .state = IOVA_USED };
	b->state = IOVA_SPLIT;
	b->halves = pair;
	arena.counts.splits++;
	return true;
}

/*
 * The part of an order that holds addr, cut out of a block that is in no list; what is left
 * over is free. NULL: no memory; the block is whole and free again.
 */
static struct iova *cut_out(struct iova *b, pp_iova_t addr, unsigned order)
{
	while (b->order > order) {
		unsigned upper;

		arena.counts.steps++;
		if (!cut(b)) {
			make_free(b);
			return NULL;
		}
		upper = addr >> (b->order - 1) & 1;
		free_insert(&b->halves->half[!upper]);
		b = &b->halves->half[upper];
	}
	return b;
}

/* The block that holds an address; not cut further than to an order. */
static struct iova *holding(pp_iova_t addr, unsigned order)
{
	struct iova *b = &arena.octave[octave_of(addr)];

	for (; b->state == IOVA_SPLIT && b->order > order; arena.counts.steps++)
		b = &b->halves->half[addr >> (b->order - 1) & 1];
	return b;
}

/* ---- kept blocks: what is mapped and unmapped in turn isn't joined and cut each time --- */

static bool keep(struct iova *b)
{
	unsigned octave = octave_of(b->addr);

	if (!arena.users || arena.n_kept[octave][b->order] == KEPT)
		return false;
	b->state = IOVA_KEPT;
	b->next = arena.kept[octave][b->order];
	arena.kept[octave][b->order] = b;
	arena.n_kept[octave][b->order]++;
	arena.kept_orders[octave] |= 1ull << b->order;
	return true;
}

static struct iova *take_kept(unsigned octave, unsigned order)
{
	struct iova *b = arena.kept[octave][order];

	if (!b)
		return NULL;
	b->state = IOVA_USED;
	arena.kept[octave][order] = b->next;
	if (!--arena.n_kept[octave][order])
		arena.kept_orders[octave] &= ~(1ull << order);
	return b;
}

static void join_kept(unsigned octave)
{
	while (arena.kept_orders[octave]) {
		unsigned order = (unsigned)__builtin_ctzll(arena.kept_orders[octave]);

		make_free(take_kept(octave, order));
	}
}

static void join_kept_in(uint64_t octaves)
{
	for (; octaves; octaves &= octaves - 1)
		join_kept((unsigned)__builtin_ctzll(octaves));
}

/* ---- get ----------------------------------------------------------------------------- */

/* A block of an octave, in no list any more, that is as large as that or larger. */
static struct iova *take(unsigned octave, unsigned order)
{
	struct iova *b = take_kept(octave, order);
	uint64_t fitting = arena.orders[octave] & ~((1ull << order) - 1);

	if (b)
		return b;
	if (!fitting && arena.kept_orders[octave]) {
		join_kept(octave);
		fitting = arena.orders[octave] & ~((1ull << order) - 1);
	}
	if (!fitting)
		return NULL;
	b = list_entry(arena.free[octave][__builtin_ctzll(fitting)].next, struct iova, link);
	free_remove(b);
	return b;
}

/*
 * One block, of the highest octave that has it. In small spaces from the octave's top, so that what
 * is left for large ranges is side by side, over all octaves.
 */
static int get_block(struct iova **out, unsigned order, uint64_t octaves)
{
	struct iova *b = NULL;
	bool top;

	octaves &= ~((1ull << order) - 1);
	while (octaves && !b) {
		unsigned highest = octave_of(octaves);

		arena.counts.steps++;
		b = take(highest, order);
		octaves ^= 1ull << highest;
	}
	if (!b)
		return -ENOSPC;
	top = octave_of(b->addr) < RUN_BITS;
	b = cut_out(b, top ? last_of(b) : b->addr, order);
	if (!b)
		return -ENOMEM;
	b->len = 1ull << order;
	*out = b;
	return 0;
}

static bool unit_is_free(pp_iova_t addr, unsigned order, uint64_t octaves)
{
	return octaves >> octave_of(addr) & 1 && holding(addr, order)->state == IOVA_FREE;
}

/* The highest n units side by side that are free and begin at such an order's multiple; or 0. */
static pp_iova_t find_run(unsigned order, unsigned n, unsigned align, uint64_t octaves)
{
	const uint64_t unit = 1ull << order;
	unsigned found = 0;

	for (pp_iova_t addr = 2ull << octave_of(octaves); (addr -= unit) >= unit;) {
		arena.counts.steps++;
		found = unit_is_free(addr, order, octaves) ? found + 1 : 0;
		if (found >= n && !(addr & ((1ull << align) - 1)))
			return addr;
	}
	return 0;
}

/* The order of the largest block that begins at addr and ends by last. */
static unsigned block_order(pp_iova_t addr, pp_iova_t last)
{
	unsigned order = IOVA_MIN_ORDER;

	while (order < octave_of(addr) && !(addr & (1ull << order)) &&
	       addr + (2ull << order) - 1 <= last)
		order++;
	return order;
}

/* Make the blocks of a range free that are in use or were just cut out. */
static void give(pp_iova_t addr, uint64_t len);

/* Take what find_run has found. */
static int take_run(struct iova **out, pp_iova_t addr, uint64_t len)
{
	struct iova *first = NULL;

	for (pp_iova_t at = addr; at - addr < len;) {
		struct iova *b = holding(at, 0);
		unsigned order = block_order(at, addr + len - 1);

		free_remove(b);
		b = cut_out(b, at, order < b->order ? order : b->order);
		if (!b) {
			give(addr, at - addr);
			return -ENOMEM;
		}
		if (!first)
			first = b;
		at = last_of(b) + 1;
	}
	first->len = len;
	*out = first;
	return 0;
}

/*
 * Several blocks side by side: in a small space half of it can't be had as one block once
 * something lies in each half. What may be made of the largest leaves begins at a multiple of
 * 1 GiB, if there is room.
 */
static int get_run(struct iova **out, uint64_t len, uint64_t octaves)
{
	unsigned order = iova_order(len) - RUN_UNITS;
	unsigned n = (unsigned)((len + (1ull << order) - 1) >> order);
	pp_iova_t addr = 0;

	join_kept_in(octaves);
	if (!(len & ((1ull << IOVA_RUN_ORDER) - 1)))
		addr = find_run(order, n, IOVA_RUN_ORDER, octaves);
	if (!addr)
		addr = find_run(order, n, order, octaves);
	return addr ? take_run(out, addr, (uint64_t)n << order) : -ENOSPC;
}

static uint64_t freed; /* how often something was given back; relaxed */

uint64_t iova_freed(void)
{
	return env_load_relaxed(&freed);
}

int iova_get_in(struct iova **out, uint64_t len, uint64_t octaves)
{
	unsigned order = iova_order(len);
	int ret;

	*out = NULL;
	if (env_fault("iova")) {
		env_add_relaxed(&freed, 1); /* it isn't true */
		return -ENOSPC;
	}
	octaves &= ALL_OCTAVES;
	if (!octaves || order >= IOVA_MAX_BITS || order > octave_of(octaves) + 1)
		return -ENOSPC;
	arena_lock();
	if (order > IOVA_RUN_ORDER && octave_of(octaves) < order + RUN_SPACE &&
	    octave_of(octaves) < RUN_BITS)
		ret = get_run(out, len, octaves);
	else
		ret = get_block(out, order, octaves);
	if (!ret)
		arena.in_use += (*out)->len;
	arena_unlock();
	return ret;
}

/* ---- put ----------------------------------------------------------------------------- */

/* A block that is nobody's, and in no list: free, but for what lies in windows. */
static void settle(struct iova *b)
{
	enum overlap overlap = cover_on(&arena.cover, b->addr, b->order);
	struct iova_pair *halves;

	b->marked = false;
	if (overlap == APART) {
		make_free(b);
	} else if (overlap == INSIDE || !cut(b)) {
		b->state = IOVA_BARRED;
	} else {
		halves = b->halves; /* they are never joined: some of them is in a window */
		settle(&halves->half[0]);
		settle(&halves->half[1]);
	}
}

static void give(pp_iova_t addr, uint64_t len)
{
	for (pp_iova_t at = addr; at - addr < len;) {
		struct iova *b = holding(at, 0);

		at = last_of(b) + 1;
		if (b->marked)
			settle(b);
		else
			make_free(b);
	}
}

void iova_put(struct iova *iova)
{
	uint64_t len;

	if (!iova)
		return;
	arena_lock();
	len = iova->len;
	arena.in_use -= len;
	if (len > 1ull << iova->order || iova->marked || !keep(iova))
		give(iova->addr, len);
	arena_unlock();
	env_add_relaxed(&freed, 1); /* after it: who sees the count finds what was given back */
}

/* ---- windows ------------------------------------------------------------------------- */

/* Whole pages within the arena. False: there are none. */
static bool clamp(pp_iova_t *first, pp_iova_t *last)
{
	const pp_iova_t page = 1ull << IOVA_MIN_ORDER;

	*first &= ~(page - 1);
	if (*first < page)
		*first = page;
	*last |= page - 1;
	if (*last >> IOVA_MAX_BITS)
		*last = (1ull << IOVA_MAX_BITS) - 1;
	return *first <= *last;
}

static uint64_t hash_of_window(pp_iova_t first, pp_iova_t last)
{
	return hash_of(hash_of(first) + last);
}

/* With the windows' lock. */
static struct window *find_window(pp_iova_t first, pp_iova_t last)
{
	struct hash_node *node = hashtab_find(&arena.windows, hash_of_window(first, last));

	for (; node; node = hashtab_find_next(node)) {
		struct window *w = env_container_of(node, struct window, node);

		if (w->first == first && w->last == last)
			return w;
	}
	return NULL;
}

/* Put the block at addr, up to last, out of use, now or once it is given back; *next: behind it. */
static int bar(pp_iova_t addr, pp_iova_t last, pp_iova_t *next)
{
	struct iova *b = holding(addr, 0);
	unsigned order = block_order(addr, last);

	if (b->state == IOVA_FREE) {
		free_remove(b);
		b = cut_out(b, addr, order < b->order ? order : b->order);
		if (!b)
			return -ENOMEM;
		b->state = IOVA_BARRED;
	} else if (b->state == IOVA_USED) {
		b->marked = true;
	}
	*next = last_of(b) + 1;
	return 0;
}

/* Put a block that is out of use back into it, but for what lies in other windows. */
static int unbar(pp_iova_t addr, pp_iova_t last, pp_iova_t *next)
{
	struct iova *b = holding(addr, 0);

	(void)last;
	*next = last_of(b) + 1;
	if (b->state == IOVA_BARRED)
		settle(b);
	return 0;
}

/* Block by block, with the lock given up now and then. */
static int walk(const struct window *w, int (*fn)(pp_iova_t addr, pp_iova_t last, pp_iova_t *next))
{
	const uint64_t octaves =
		iova_below(octave_of(w->last) + 1) & ~iova_below(octave_of(w->first));
	pp_iova_t addr = w->first;
	int ret = 0;

	while (addr <= w->last && !ret) {
		arena_lock();
		join_kept_in(octaves);
		for (unsigned i = 0; i < PIECE && addr <= w->last && !ret; i++)
			ret = fn(addr, w->last, &addr);
		arena_unlock();
	}
	return ret;
}

static void forget_window(struct window *w)
{
	arena_lock(); /* first: what is given back meanwhile is free */
	cover_remove(&arena.cover, w->first, w->last);
	arena_unlock();
	hashtab_del(&arena.windows, &w->node);
	hashtab_end(&arena.windows);
	walk(w, unbar);
	env_free(w);
}

/* Into the books. 0 or -ENOMEM. */
static int note_window(struct window *w)
{
	int ret = hashtab_start(&arena.windows);

	if (ret)
		return ret;
	arena_lock();
	ret = cover_add(&arena.cover, w->first, w->last);
	arena_unlock();
	if (!ret)
		hashtab_add(&arena.windows, &w->node, hash_of_window(w->first, w->last));
	else
		hashtab_end(&arena.windows);
	return ret;
}

/* With the windows' lock. */
static int new_window(pp_iova_t first, pp_iova_t last)
{
	struct window *w = env_zalloc(sizeof *w);
	int ret;

	if (!w)
		return -ENOMEM;
	*w = (struct window){ .first = first, .last = last, .count = 1 };
	ret = note_window(w); /* first: what is given back meanwhile is seen */
	if (ret) {
		env_free(w);
		return ret;
	}
	ret = walk(w, bar);
	if (ret)
		forget_window(w);
	return ret;
}

int iova_reserve(pp_iova_t first, pp_iova_t last)
{
	struct window *w;
	int ret = 0;

	if (!clamp(&first, &last))
		return 0;
	env_lock(&windows_lock);
	w = find_window(first, last);
	if (w)
		w->count++;
	else
		ret = new_window(first, last);
	env_unlock(&windows_lock);
	return ret;
}

void iova_release(pp_iova_t first, pp_iova_t last)
{
	struct window *w;

	if (!clamp(&first, &last))
		return;
	env_lock(&windows_lock);
	w = find_window(first, last);
	if (w && !--w->count)
		forget_window(w);
	env_unlock(&windows_lock);
	env_add_relaxed(&freed, 1);
}

/* ---- users, counts ------------------------------------------------------------------- */

void iova_use(void)
{
	arena_lock();
	arena.users++;
	slab_keep(&arena.pairs, true);
	arena_unlock();
}

void iova_unuse(void)
{
	arena_lock();
	if (!--arena.users) {
		join_kept_in(ALL_OCTAVES);
		slab_keep(&arena.pairs, false);
	}
	arena_unlock();
}

uint64_t iova_in_use(void)
{
	uint64_t bytes;

	arena_lock();
	bytes = arena.in_use;
	arena_unlock();
	return bytes;
}

void iova_counts(struct iova_counts *out)
{
	arena_lock();
	*out = arena.counts;
	arena_unlock();
}
