/*
 * iova.c - the arena of IOVA space. See iova.h. Uses env only.
 *
 * Invariant, under `lock`: every address of [2^12, 2^48) lies in exactly one block;
 * blocks that are free and whose buddy of the same order is free too are one block.
 * A block that is in use owns its record, so that giving it back needs no memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/iova.h"

#define BUCKETS 4096 /* of the index; chains grow with the number of free blocks only */

static struct {
	struct env_lock lock; /* protects everything here and every free record */
	bool ready;
	struct list free[IOVA_MAX_BITS][IOVA_MAX_BITS]; /* [octave][order] */
	uint64_t orders[IOVA_MAX_BITS]; /* [octave]: bit o: free[octave][o] isn't empty */
	struct list reserved; /* blocks kept out of use, by iova_reserve */
	struct iova *bucket[BUCKETS];
	struct iova first[IOVA_MAX_BITS]; /* the octaves' own records: never freed */
	uint64_t in_use;
} arena = { .lock = ENV_LOCK_INIT };

static unsigned octave_of(pp_iova_t addr)
{
	return 63u - (unsigned)__builtin_clzll(addr);
}

static struct iova **bucket_of(pp_iova_t addr, unsigned order)
{
	uint64_t h = ((addr >> IOVA_MIN_ORDER) + order) * 0x9E3779B97F4A7C15u;

	return &arena.bucket[h >> 52];
}

static void free_insert(struct iova *b)
{
	unsigned octave = octave_of(b->addr);
	struct iova **bucket = bucket_of(b->addr, b->order);

	b->free = true;
	b->bucket = *bucket;
	*bucket = b;
	list_add(&b->link, &arena.free[octave][b->order]);
	arena.orders[octave] |= 1ull << b->order;
}

static void free_remove(struct iova *b)
{
	unsigned octave = octave_of(b->addr);
	struct iova **p = bucket_of(b->addr, b->order);

	while (*p != b)
		p = &(*p)->bucket;
	*p = b->bucket;
	b->free = false;
	list_del(&b->link);
	if (list_empty(&arena.free[octave][b->order]))
		arena.orders[octave] &= ~(1ull << b->order);
}

static struct iova *free_find(pp_iova_t addr, unsigned order)
{
	struct iova *b = *bucket_of(addr, order);

	while (b && (b->addr != addr || b->order != order))
		b = b->bucket;
	return b;
}

static bool is_octave(const struct iova *b)
{
	return b >= arena.first && b < arena.first + IOVA_MAX_BITS;
}

static void arena_init(void)
{
	if (arena.ready)
		return;
	arena.ready = true;
	list_init(&arena.reserved);
	for (unsigned octave = 0; octave < IOVA_MAX_BITS; octave++)
		for (unsigned order = 0; order < IOVA_MAX_BITS; order++)
			list_init(&arena.free[octave][order]);
	for (unsigned k = IOVA_MIN_ORDER; k < IOVA_MAX_BITS; k++) {
		arena.first[k] = (struct iova){ .addr = 1ull << k, .order = k };
		free_insert(&arena.first[k]);
	}
}

/* Join a free block with its free buddies. The octave's own record always survives. */
static void merge(struct iova *b)
{
	while (b->order < octave_of(b->addr)) {
		struct iova *buddy = free_find(b->addr ^ (1ull << b->order), b->order);
		struct iova *keep = b, *drop = buddy;

		if (!buddy)
			break;
		free_remove(buddy);
		if (is_octave(buddy)) {
			keep = buddy;
			drop = b;
		}
		keep->addr = b->addr & ~(1ull << b->order);
		keep->order++;
		env_free(drop);
		b = keep;
	}
	free_insert(b);
}

/*
 * Cut the block that holds addr (removed from the free ones) down to an order; the
 * halves that are left over are free. -ENOMEM: it is whole and free again.
 */
static int split(struct iova *b, pp_iova_t addr, unsigned order)
{
	while (b->order > order) {
		struct iova *half = env_zalloc(sizeof *half);

		if (!half) {
			merge(b);
			return -ENOMEM;
		}
		b->order--;
		half->order = b->order;
		half->addr = b->addr + (1ull << b->order);
		if (addr >= half->addr) { /* the record goes with the wanted half */
			half->addr = b->addr;
			b->addr += 1ull << b->order;
		}
		free_insert(half);
	}
	return 0;
}

int iova_get(struct iova **out, size_t len, unsigned bits)
{
	unsigned order = iova_order(len);
	int ret = -ENOSPC;

	*out = NULL;
	if (env_fault("iova"))
		return -ENOSPC;
	if (bits > IOVA_MAX_BITS)
		bits = IOVA_MAX_BITS;
	env_lock(&arena.lock);
	arena_init();
	for (unsigned k = bits; k-- > IOVA_MIN_ORDER && k >= order;) {
		uint64_t fitting = arena.orders[k] & ~((1ull << order) - 1);
		struct iova *b;

		if (!fitting)
			continue;
		b = list_entry(arena.free[k][__builtin_ctzll(fitting)].next, struct iova, link);
		free_remove(b);
		ret = split(b, b->addr, order);
		if (!ret) {
			arena.in_use += 1ull << order;
			*out = b;
		}
		break;
	}
	env_unlock(&arena.lock);
	return ret;
}

void iova_put(struct iova *iova)
{
	if (!iova)
		return;
	env_lock(&arena.lock);
	arena.in_use -= 1ull << iova->order;
	merge(iova);
	env_unlock(&arena.lock);
}

/* The free block that holds addr, or NULL. */
static struct iova *free_holding(pp_iova_t addr)
{
	for (unsigned order = IOVA_MIN_ORDER; order <= octave_of(addr); order++) {
		struct iova *b = free_find(addr & ~((1ull << order) - 1), order);

		if (b)
			return b;
	}
	return NULL;
}

static struct iova *reserved_holding(pp_iova_t addr)
{
	list_for_each(pos, &arena.reserved) {
		struct iova *b = list_entry(pos, struct iova, link);

		if (addr - b->addr < 1ull << b->order)
			return b;
	}
	return NULL;
}

/* The largest block that begins at addr and ends by last. */
static unsigned block_order(pp_iova_t addr, pp_iova_t last)
{
	unsigned order = IOVA_MIN_ORDER;

	while (order < octave_of(addr) && !(addr & (1ull << order)) &&
	       addr + (2ull << order) - 1 <= last)
		order++;
	return order;
}

/* Reserve from addr on; *done: how far that went. */
static int reserve_block(pp_iova_t addr, pp_iova_t last, pp_iova_t *done)
{
	struct iova *b = reserved_holding(addr);
	unsigned order = block_order(addr, last);
	int ret;

	if (b) {
		*done = b->addr + (1ull << b->order);
		return 0;
	}
	b = free_holding(addr);
	*done = addr + (1ull << IOVA_MIN_ORDER);
	if (!b)
		return 0; /* in use */
	order = b->order < order ? b->order : order;
	free_remove(b);
	ret = split(b, addr, order);
	if (ret)
		return ret;
	list_add(&b->link, &arena.reserved);
	*done = addr + (1ull << order);
	return 0;
}

int iova_reserve(pp_iova_t first, pp_iova_t last)
{
	pp_iova_t addr = first & ~(pp_iova_t)(PP_BASE_PAGE - 1);
	struct list *before;
	int ret = 0;

	if (addr < PP_BASE_PAGE)
		addr = PP_BASE_PAGE;
	if (last >= 1ull << IOVA_MAX_BITS)
		last = (1ull << IOVA_MAX_BITS) - 1;
	env_lock(&arena.lock);
	arena_init();
	before = arena.reserved.next;
	while (addr <= last && !ret)
		ret = reserve_block(addr, last, &addr);
	while (ret && arena.reserved.next != before) { /* as it was */
		struct iova *b = list_entry(arena.reserved.next, struct iova, link);

		list_del(&b->link);
		merge(b);
	}
	env_unlock(&arena.lock);
	return ret;
}

uint64_t iova_in_use(void)
{
	uint64_t bytes;

	env_lock(&arena.lock);
	bytes = arena.in_use;
	env_unlock(&arena.lock);
	return bytes;
}
