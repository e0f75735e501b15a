/*
 * mappings.c - the record of what is mapped in a binding. See mappings.h.
 *
 * A hash table by order and block: a mapping is found by the block of its order that it begins in.
 * It has 2^order bytes of IOVA and is aligned to its size, so the mapping that holds an address
 * is found with one probe for each order in use; or it is large and has less than twice as many,
 * of any alignment, so that it takes three.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "dma/mappings.h"

#include "env/debug.h"
#include "env/slab.h"

#define HISTORY 64u
#define NOTED 16u /* forgotten mappings shown one by one */

struct mappings {
	struct slab records; /* their records */
	struct hashtab hash;
	uint64_t of_order[64];         /* mappings with such a block */
	uint64_t of_bits[65];          /* and those whose last address has so many bits */
	struct ended history[HISTORY]; /* the newest at n_history - 1; checker only */
	uint64_t n_history;
	struct mapping *ended; /* coherent ones, unmapped; their memory goes with the binding */
};

unsigned mapping_prot(enum pp_dma_dir dir)
{
	static const unsigned prot[] = {
		[PP_DMA_BIDIRECTIONAL] = PP_PROT_READ | PP_PROT_WRITE,
		[PP_DMA_TO_DEVICE] = PP_PROT_READ,
		[PP_DMA_FROM_DEVICE] = PP_PROT_WRITE,
	};

	return prot[dir];
}

const char *mapping_dir_name(enum pp_dma_dir dir)
{
	static const char *const name[] = { "bidirectional", "to device", "from device" };

	return name[dir];
}

const char *mapping_kind_name(enum mapping_kind kind)
{
	static const char *const name[] = { "streaming", "coherent", "a pool's" };

	return name[kind];
}

/* ---- the hash --------------------------------------------------------------------- */

static uint64_t hash_of_block(pp_iova_t block, unsigned order)
{
	return hash_of((block >> order) * 64 + order);
}

static struct mapping *mapping_of(struct hash_node *node)
{
	return node ? env_container_of(node, struct mapping, node) : NULL;
}

static unsigned bits_of(const struct mapping *m)
{
	return 64u - (unsigned)__builtin_clzll(m->block + m->room - 1);
}

/* What ended at addresses that are used again is not what ends there next. */
static void forget(struct mappings *s, const struct mapping *m)
{
	for (uint64_t i = 0; i < s->n_history && i < HISTORY; i++) {
		struct ended *e = &s->history[i];

		if (e->iova - m->block < 1ull << m->order || m->block - e->iova < e->len)
			e->len = 0;
	}
}

static void add(struct binding *b, struct mapping *m)
{
	struct mappings *s = b->dma;

	forget(s, m);
	hashtab_add(&s->hash, &m->node, hash_of_block(m->block, m->order)); /* it has its memory */
	s->of_order[m->order]++;
	s->of_bits[bits_of(m)]++;
	domain_count(&b->domain, 1, m->room);
}

static void del(struct binding *b, struct mapping *m)
{
	struct mappings *s = b->dma;

	hashtab_del(&s->hash, &m->node);
	s->of_order[m->order]--;
	s->of_bits[bits_of(m)]--;
	domain_count(&b->domain, -1, -m->room);
}

/* The mapping of an order that begins in the block of that size at an address, and holds iova. */
static struct mapping *find_in(struct mappings *s, pp_iova_t block, unsigned order, pp_iova_t iova)
{
	struct mapping *m = mapping_of(hashtab_find(&s->hash, hash_of_block(block, order)));

	return m && iova - m->block < m->room ? m : NULL;
}

struct mapping *mappings_find(struct binding *b, pp_iova_t iova)
{
	struct mappings *s = b->dma;

	for (unsigned order = IOVA_MIN_ORDER; s && order < 64; order++) {
		struct mapping *m = NULL;

		if (!s->of_order[order])
			continue;
		m = find_in(s, iova, order, iova);
		for (unsigned back = 1; !m && order >= IOVA_RUN_ORDER && back <= 2; back++)
			if (iova >> order >= back)
				m = find_in(s, iova - ((uint64_t)back << order), order, iova);
		if (m)
			return m;
	}
	return NULL;
}

bool mappings_exceeds(struct binding *b, unsigned bits)
{
	struct mappings *s = b->dma;

	while (s && ++bits <= 64)
		if (s->of_bits[bits])
			return true;
	return false;
}

/* ---- for the checker ----------------------------------------------------------------------- */

static void remember(struct mappings *s, const struct mapping *m, const char *caller)
{
	s->history[s->n_history++ % HISTORY] = (struct ended){
		.iova = m->iova,
		.len = m->len,
		.mapped_at = m->caller,
		.unmapped_at = caller,
		.thread = env_thread_id(),
	};
}

const struct ended *mappings_find_ended(struct binding *b, pp_iova_t iova)
{
	struct mappings *s = b->dma;

	for (uint64_t i = 0; s && i < s->n_history && i < HISTORY; i++) {
		const struct ended *e = &s->history[(s->n_history - 1 - i) % HISTORY];

		if (iova >= e->iova && iova - e->iova < e->len)
			return e;
	}
	return NULL;
}

const struct mapping *mappings_find_overlap(struct binding *b, const char *addr, size_t len)
{
	struct mappings *s = b->dma;

	if (!s)
		return NULL;
	hashtab_for_each(node, &s->hash) {
		const struct mapping *m = mapping_of(node);

		if (addr < m->addr + m->len && m->addr < addr + len)
			return m;
	}
	return NULL;
}

/* ---- the end of a binding ------------------------------------------------------------- */

static void note_forgotten(struct report *r, const struct mapping *m)
{
	debug_note(
		r,
		"  DMA address 0x%llx, %zu bytes at %p, %s, %s, mapped at %s by thread %d, %.3f s ago",
		(unsigned long long)m->iova, m->len, (void *)m->addr, mapping_dir_name(m->dir),
		mapping_kind_name(m->kind), m->caller, m->thread,
		(double)(env_now_ns() - m->time_ns) / 1e9);
}

/* The bytes from its block on that are mapped. */
static size_t mapped_bytes(const struct binding *b, const struct mapping *m)
{
	const size_t page = b->domain.page;

	return ((m->iova - m->block) + m->len + page - 1) & ~(page - 1);
}

/* The domain's part of a mapping that is no pool's. 0, or -EIO as mappings_unmap. */
static int unmap(struct binding *b, struct mapping *m)
{
	int ret = 0;

	/* what an incoherent device wrote is the driver's when the mapping ends */
	if (m->kind == MAPPING_STREAMING && m->dir != PP_DMA_TO_DEVICE)
		ret = domain_sync(&b->domain, m->iova, m->len, true);
	m->lost = domain_unmap(&b->domain, m->block, mapped_bytes(b, m));
	return ret || m->lost ? -EIO : 0;
}

/* What it has, unless the device may still reach it. Its translations have gone. */
static void release(struct mapping *m)
{
	if (m->lost)
		return;
	iova_put(m->owned);
	if (m->kind == MAPPING_COHERENT && m->addr)
		env_unmap(m->addr, m->len);
}

/* Where one of the mappings was made, for the report. */
static const char *first_caller(const struct mappings *s)
{
	struct hash_node *first = hashtab_first(&s->hash);

	return first ? mapping_of(first)->caller : "";
}

/* Before anything is unmapped: what is found out by that comes after it. */
static void report_forgotten(struct binding *b)
{
	struct mappings *s = b->dma;
	struct report *r = debug_report(
		PP_DEBUG_DMA, first_caller(s),
		"device %s: its driver left %llu mapping%s behind:", pp_device_name(b->dev),
		(unsigned long long)s->hash.n, s->hash.n == 1 ? "" : "s");
	struct hash_node *node = r ? hashtab_first(&s->hash) : NULL;

	for (unsigned noted = 0; node && noted < NOTED;
	     noted++, node = hashtab_next(&s->hash, node))
		note_forgotten(r, mapping_of(node));
	debug_done(r);
}

/* The pools are gone from the record; what is left, the driver forgot, or could not undo. */
static void mappings_revoke(struct binding *b)
{
	struct mappings *s = b->dma;
	bool forgot = s->hash.n && !b->surprised;
	struct mapping *gone = NULL;

	if (forgot)
		report_forgotten(b);
	hashtab_for_each(node, &s->hash) {
		struct mapping *m = mapping_of(node);

		b->stats.mappings_forgotten += forgot;
		unmap(b, m);
		m->next = gone;
		gone = m;
	}
	domain_flush(&b->domain);
	while (gone) {
		struct mapping *m = gone;

		gone = m->next;
		del(b, m);
		if (m->kind == MAPPING_COHERENT && !m->lost) {
			iova_put(m->owned);
			m->next = s->ended;
			s->ended = m;
		} else {
			release(m);
			slab_free(&s->records, m);
		}
	}
}

static void mappings_end(struct binding *b)
{
	struct mappings *s = b->dma;

	while (s->ended) {
		struct mapping *m = s->ended;

		s->ended = m->next;
		env_unmap(m->addr, m->len);
		slab_free(&s->records, m);
	}
	slab_keep(&s->records, false);
	hashtab_end(&s->hash);
	env_free(s);
}

static struct mappings *mappings_of(struct binding *b)
{
	struct mappings *s = b->dma;

	if (s)
		return s;
	s = env_zalloc(sizeof *s);
	if (!s)
		return NULL;
	slab_init(&s->records, sizeof(struct mapping));
	slab_keep(&s->records, true);
	if (hashtab_start(&s->hash)) {
		env_free(s);
		return NULL;
	}
	b->dma = s;
	b->dma_revoke = mappings_revoke;
	b->dma_end = mappings_end;
	return s;
}

/* ---- mappings ------------------------------------------------------------------------- */

static struct mapping *mapping_new(struct binding *b, enum mapping_kind kind, void *addr,
				   size_t len, enum pp_dma_dir dir, const char *caller)
{
	struct mappings *s = mappings_of(b);
	struct mapping *m = s ? slab_alloc(&s->records) : NULL;

	if (!m)
		return NULL;
	m->kind = kind;
	m->addr = addr;
	m->len = len;
	m->dir = dir;
	m->caller = caller;
	if (pp_debug_get() & PP_DEBUG_DMA) {
		m->time_ns = env_now_ns();
		m->thread = env_thread_id();
	}
	return m;
}

static void mapping_delete(struct binding *b, struct mapping *m)
{
	struct mappings *s = b->dma;

	slab_free(&s->records, m);
}

/* Where in IOVA space it is: in a block of its order begins what it has of it. */
static void set_room(struct mapping *m, const struct iova *range)
{
	m->block = range->addr;
	m->room = range->len;
	m->order = 63u - (unsigned)__builtin_clzll(range->len);
}

/* Memory for a coherent mapping. */
static int make_memory(struct binding *b, struct mapping *m)
{
	const size_t page = b->domain.page;
	int ret;

	m->len = (m->len + page - 1) & ~(page - 1);
	ret = env_map((void **)&m->addr, m->len, page, PP_MEMORY_BASE, PP_NUMA_ANY);
	if (ret)
		m->addr = NULL;
	else if (b->domain.iommu->pins)
		env_keep_from_fork(m->addr, m->len, true);
	return ret;
}

/* The domain's part. What the device will read is synced; if that fails, nothing is mapped. */
static int map(struct binding *b, struct mapping *m)
{
	bool coherent = m->kind == MAPPING_COHERENT;
	unsigned prot = mapping_prot(m->dir) | (coherent ? PP_PROT_COHERENT : 0);
	size_t len = mapped_bytes(b, m);
	int ret = domain_map(&b->domain, m->block, m->addr - (m->iova - m->block), len,
			     b->domain.page, prot, &m->lost);

	if (ret || coherent || !domain_sync(&b->domain, m->iova, m->len, false))
		return ret;
	m->lost = domain_unmap(&b->domain, m->block, len);
	domain_invalidate(&b->domain, m->block, len);
	return -EIO;
}

int mappings_map(struct binding *b, struct mapping **out, enum mapping_kind kind, void *addr,
		 size_t len, enum pp_dma_dir dir, const char *caller)
{
	struct mapping *m = mapping_new(b, kind, addr, len, dir, caller);
	size_t offset = (uintptr_t)addr & (b->domain.page - 1);
	int ret = 0;

	*out = NULL;
	if (!m)
		return -ENOMEM;
	if (kind == MAPPING_COHERENT)
		ret = make_memory(b, m);
	m->iova = offset;
	if (!ret)
		ret = iova_get_in(&m->owned, mapped_bytes(b, m),
				  b->domain.octaves & iova_below(binding_bits(b)));
	if (!ret) {
		set_room(m, m->owned);
		m->iova = m->block + offset;
		ret = map(b, m);
	}
	if (ret) {
		release(m);
		mapping_delete(b, m);
		return ret;
	}
	add(b, m);
	*out = m;
	return 0;
}

int mappings_unmap(struct binding *b, struct mapping *m, const char *caller)
{
	int ret;

	if (debug_on(PP_DEBUG_DMA))
		remember(b->dma, m, caller);
	ret = unmap(b, m);
	domain_invalidate(&b->domain, m->block, mapped_bytes(b, m));
	del(b, m);
	release(m);
	mapping_delete(b, m);
	return ret;
}

int mappings_add_span(struct binding *b, struct mapping **out, const struct iova *block, void *addr,
		      size_t len, enum pp_dma_dir dir)
{
	struct mapping *m;

	*out = NULL;
	if (binding_bits(b) < 64 && (block->addr + len - 1) >> binding_bits(b))
		return -ERANGE;
	m = mapping_new(b, MAPPING_POOL, addr, len, dir, "a pool");
	if (!m)
		return -ENOMEM;
	m->iova = block->addr;
	set_room(m, block);
	add(b, m);
	*out = m;
	return 0;
}

void mappings_del_span(struct binding *b, struct mapping *m)
{
	del(b, m);
	mapping_delete(b, m);
}
