/*
 * below.c - see below.h. The code of binding and domain is the library's own.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "below.h"

#include "device/binding.h"
#include "dma/mappings.h"
#include "env/debug.h"
#include "pool/chunk.h"
#include "pool/find.h"
#include "pool/holders.h"
#include "pool/notice.h"
#include "pool/peak.h"
#include "pool/recall.h"

/* ---- the shadow map: who has which page ------------------------------------------------ */

#define HELD 8

static struct held {
	struct pp_page *page;
	char *addr;
	uint64_t size;
	uint32_t n, fragment;
} held[HELD] STATE = { { NULL, NULL, 0, 0, 0 } };

static struct held *find(const struct pp_page *page)
{
	for (unsigned i = 0; i < HELD; i++)
		if (held[i].n && held[i].page == page)
			return &held[i];
	return NULL;
}

/* A page's memory: its user's area stands in for it, which the library doesn't use. */
static const void *memory_of(const struct pp_page *page)
{
	const struct pp_block *block = pp_block_of(page);

	return (const void *)(block->user + pp_block_offset(page) * block->user_words);
}

/* All pages that anybody ever had, in the order of their handles. */
static struct pp_page *ever[2 * HELD] STATE = { NULL };

static void note(struct pp_page *page)
{
	unsigned i = 0;

	while (i < 2 * HELD && ever[i] && ever[i] < page)
		i++;
	for (struct pp_page *next; page && i < 2 * HELD && ever[i] != page; page = next, i++) {
		next = ever[i];
		ever[i] = page;
	}
}

/* What was in that memory goes. What was in that of a chunk which is freed went with it. */
static void discard_memory(const char *addr, size_t len)
{
	for (unsigned i = 0; i < 2 * HELD && ever[i]; i++)
		if (heap_is_live(ever[i]) && (size_t)((char *)pp_page_addr(ever[i]) - addr) < len)
			op_touch(memory_of(ever[i]), TOUCH_DISCARD);
}

void below_got(struct pp_page *page, bool fragment, bool first)
{
	struct held *h = find(page);

	if (h && !(fragment && h->fragment))
		fail("a page is handed out twice");
	for (unsigned i = 0; !h && i < HELD; i++)
		if (!held[i].n) {
			h = &held[i];
			*h = (struct held){ page, pp_page_addr(page), pp_page_size(page), 0,
					    fragment };
		}
	if (!h)
		fail("the explorer's shadow map is too small");
	if (first)
		op_touch(memory_of(page), TOUCH_WRITE);
	h->n++;
	note(page);
}

void below_ref(struct pp_page *page, unsigned n)
{
	find(page)->n += n;
}

bool below_put(struct pp_page *page)
{
	struct held *h = find(page);

	if (!h)
		fail("the scenario puts a page that it does not have");
	op_touch(memory_of(page), TOUCH_READ);
	if (--h->n)
		return false;
	memset(h, 0, sizeof *h);
	return true;
}

unsigned below_held(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < HELD; i++)
		n += held[i].n != 0;
	return n;
}

/* ---- what a thread has --------------------------------------------------------------------- */

static struct env_thread record[THREADS + 2] STATE = { { NULL } };

struct env_thread *env_thread(void)
{
	return &record[thread_self()];
}

void records_free(void)
{
	for (unsigned t = 0; t < THREADS + 2; t++)
		env_free(record[t].known);
}

/* Numbers as different as what they are of. */
int env_alloc_numbered(void **out, size_t bytes)
{
	*out = env_zalloc(bytes);
	return 0;
}

uint32_t env_number_of(const void *p)
{
	return (uint32_t)(uintptr_t)p;
}

/* ---- memory for devices: addresses and nothing behind them ------------------------------- */

#define PAGES 16 /* base pages there are at most; all below is in those */
#define MEMORY 0x100000000000ull
#define IOVA 0x10000000ull

static char *memory[PAGES] STATE = { NULL };

/* What a device can reach: mapped, or unmapped and not invalidated yet. */
static struct reach {
	pp_iova_t iova;
	char *addr; /* NULL: nothing */
	uint64_t stale;
} reach[PAGES] STATE = { { 0, NULL, 0 } };

/* Addresses that no two threads share, whatever the schedule. */
static uint64_t fresh(uint64_t *used, size_t len)
{
	unsigned t = concurrent() ? (unsigned)thread_self() - 1 : THREADS;
	uint64_t at = t * 0x1000000ull + used[t];

	used[t] += (len + 0xffff) & ~0xffffull;
	return at;
}

static uint64_t reserved STATE = 0; /* bytes of addresses */

int env_reserve(void **to, size_t len, size_t align)
{
	static uint64_t used[THREADS + 1] STATE = { 0 };

	(void)align;
	*to = (char *)(uintptr_t)(MEMORY + fresh(used, len));
	reserved += len;
	return 0;
}

int env_commit(void *addr, size_t len, enum pp_memory kind, int numa_node)
{
	(void)kind;
	(void)numa_node;
	for (size_t done = 0, i = 0; done < len; done += PP_BASE_PAGE) {
		while (i < PAGES && memory[i])
			i++;
		if (i == PAGES)
			fail("the explorer has too little memory");
		memory[i] = (char *)addr + done;
	}
	return 0;
}

int env_map(void **to, size_t len, size_t align, enum pp_memory kind, int numa_node)
{
	env_reserve(to, len, align);
	return env_commit(*to, len, kind, numa_node);
}

static char **memory_at(const char *addr, const char *what)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (memory[i] == addr)
			return &memory[i];
	fail("%s: no memory is there", what);
}

/* What was there is gone: nobody may have it, no device may reach it. */
static void check_unused(const char *addr, const char *what)
{
	memory_at(addr, what);
	for (unsigned i = 0; i < PAGES; i++)
		if (reach[i].addr == addr)
			fail("%s: memory goes while the device can reach it", what);
	for (unsigned i = 0; i < HELD; i++)
		if (held[i].n && held[i].addr < addr + PP_BASE_PAGE &&
		    addr < held[i].addr + held[i].size)
			fail("%s: a page is there that someone holds", what);
}

static bool is_memory(const char *addr)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (memory[i] == addr)
			return true;
	return false;
}

int env_decommit(void *start, size_t len)
{
	for (char *addr = start; addr < (char *)start + len; addr += PP_BASE_PAGE) {
		check_unused(addr, "decommit");
		*memory_at(addr, "decommit") = NULL;
	}
	return 0;
}

/* Some of the addresses may be reserved only. */
void env_unmap(void *start, size_t len)
{
	for (char *addr = start; addr < (char *)start + len; addr += PP_BASE_PAGE)
		if (is_memory(addr))
			env_decommit(addr, PP_BASE_PAGE);
	reserved -= len;
}

int env_discard(void *start, size_t len)
{
	for (char *addr = start; addr < (char *)start + len; addr += PP_BASE_PAGE)
		check_unused(addr, "discard");
	discard_memory(start, len);
	return 0;
}

size_t env_page_size(enum pp_memory kind)
{
	(void)kind;
	return PP_BASE_PAGE;
}

/* ---- the IOMMU ---------------------------------------------------------------------------- */

static int iommu_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		     size_t page_size, unsigned prot)
{
	(void)iommu;
	(void)page_size;
	(void)prot;
	for (size_t done = 0, i = 0; done < len; done += PP_BASE_PAGE) {
		for (unsigned j = 0; j < PAGES; j++)
			if (reach[j].addr && reach[j].iova == iova + done)
				fail("an address is mapped that the device can use already");
		while (i < PAGES && reach[i].addr)
			i++;
		if (i == PAGES)
			fail("the explorer's IOMMU is too small");
		reach[i] = (struct reach){ iova + done, (char *)addr + done, 0 };
	}
	return 0;
}

static size_t iommu_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	size_t n = 0;

	(void)iommu;
	for (unsigned i = 0; i < PAGES; i++)
		if (reach[i].addr && !reach[i].stale && reach[i].iova - iova < len) {
			reach[i].stale = 1;
			n += PP_BASE_PAGE;
		}
	if (n != len)
		fail("something is unmapped that isn't mapped");
	return n;
}

static void iommu_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	(void)iommu;
	for (unsigned i = 0; i < PAGES; i++)
		if (reach[i].stale && reach[i].iova - iova < len)
			memset(&reach[i], 0, sizeof reach[i]);
}

static void iommu_block(struct pp_iommu *iommu, bool on)
{
	(void)iommu;
	(void)on;
}

static const struct pp_iommu_ops iommu_ops = {
	.kind = "explorer",
	.map = iommu_map,
	.unmap = iommu_unmap,
	.invalidate = iommu_invalidate,
	.block = iommu_block,
};

struct pp_iommu below_iommu = {
	.ops = &iommu_ops,
	.ranges = { { 0, UINT64_MAX } },
	.n_ranges = 1,
	.page_sizes = PP_BASE_PAGE,
	.deferred = true,
	.can_split = true,
};

void below_device_sees_nothing(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (reach[i].addr)
			fail("the device can reach memory after the revocation");
}

void below_nothing_left(void)
{
	below_device_sees_nothing();
	for (unsigned i = 0; i < PAGES; i++)
		if (memory[i])
			fail("a leak: memory is left");
	if (reserved)
		fail("a leak: addresses are left");
}

/* ---- IOVA, records of mappings ------------------------------------------------------------- */

int iova_get_in(struct iova **to, uint64_t len, uint64_t octaves)
{
	static uint64_t used[THREADS + 1] STATE = { 0 };

	(void)octaves;
	*to = env_zalloc(sizeof **to);
	(*to)->addr = IOVA + fresh(used, len);
	(*to)->order = (unsigned char)iova_order(len);
	(*to)->len = 1ull << (*to)->order;
	return 0;
}

void iova_put(struct iova *iova)
{
	for (unsigned i = 0; iova && i < PAGES; i++)
		if (reach[i].addr && reach[i].iova - iova->addr < iova->len)
			fail("an IOVA is given back while the device can use it");
	env_free(iova);
}

uint64_t iova_freed(void)
{
	return 0;
}

uint64_t iova_in_use(void)
{
	return 0;
}

uint64_t windows_octaves(const struct pp_iommu *iommu)
{
	(void)iommu;
	return UINT64_MAX;
}

int mappings_add_span(struct binding *b, struct mapping **to, const struct iova *block, void *addr,
		      size_t len, enum pp_dma_dir dir)
{
	(void)b;
	(void)block;
	(void)addr;
	(void)len;
	(void)dir;
	*to = env_zalloc(sizeof **to);
	return 0;
}

void mappings_del_span(struct binding *b, struct mapping *m)
{
	(void)b;
	env_free(m);
}

unsigned mapping_prot(enum pp_dma_dir dir)
{
	return (unsigned)dir;
}

const char *pp_device_name(const struct pp_device *dev)
{
	(void)dev;
	return "explored";
}

bool device_is_calling(const struct pp_device *dev)
{
	(void)dev;
	return false;
}

/* ---- nothing is found by address, and nobody counts -------------------------------------- */

int find_begin(const struct pp_pool *pool, const struct span *span, unsigned lo, unsigned n)
{
	(void)pool, (void)span, (void)lo, (void)n;
	return 0;
}

void find_add(const struct pp_chunk *c)
{
	(void)c;
}

void find_remove(const struct pp_chunk *c)
{
	(void)c;
}

size_t find_bytes(const struct pp_pool *pool)
{
	(void)pool;
	return 0;
}

void peak_look(struct pp_pool *pool)
{
	(void)pool;
}

void peak_look_past(struct pp_pool *pool)
{
	(void)pool;
}

void peak_home(struct pp_pool *pool, uint64_t n)
{
	(void)pool, (void)n;
}

void peak_not_home(struct pp_pool *pool, uint64_t n)
{
	(void)pool, (void)n;
}

uint64_t peak_read(struct pp_pool *pool)
{
	(void)pool;
	return 0;
}

void sample_begin(struct pp_pool *pool, struct pp_page *page)
{
	(void)pool, (void)page;
}

void sample_end(struct pp_pool *pool, struct pp_page *page)
{
	(void)pool, (void)page;
	fail("a page is sampled");
}

uint64_t sample_oldest(const struct pp_pool *pool)
{
	(void)pool;
	return 0;
}

/* ---- debug mode: holders.c and recall.c have no part in this ----------------------------- */

unsigned below_debug STATE = 0;

unsigned pp_debug_get(void)
{
	return below_debug;
}

struct report *debug_report(unsigned kind, const char *place, const char *format, ...)
{
	(void)kind;
	(void)place;
	(void)format;
	return NULL;
}

void debug_done(struct report *report)
{
	(void)report;
}

int debug_invalid(const char *format, ...)
{
	(void)format;
	return -EINVAL;
}

void holders_got(struct pp_page *page, const void *place)
{
	(void)page;
	(void)place;
}

bool holders_put(struct pp_page *page, const void *place)
{
	(void)page;
	(void)place;
	return true;
}

int misuse_get(struct pp_pool *pool, const struct pp_anchor *anchor, const void *place)
{
	(void)pool;
	(void)anchor;
	(void)place;
	return 0;
}

void misuse_getter(const void *place)
{
	(void)place;
	fail("a getter is used by a thread whose it isn't");
}

void misuse_owner(struct pp_pool *pool, const char *what, const void *place)
{
	(void)pool;
	(void)what;
	(void)place;
}

bool misuse_handler(struct pp_pool *pool, const char *what, const void *place)
{
	(void)pool;
	(void)what;
	(void)place;
	return false;
}

bool misuse_destroyed(const struct pp_pool *pool, const char *what, const void *place)
{
	(void)pool;
	(void)what;
	(void)place;
	return false;
}

bool misuse_gone(const struct pp_pool *pool, const char *what, const void *place)
{
	(void)pool;
	(void)what;
	(void)place;
	return false;
}

void holders_check(struct pp_chunk *c)
{
	(void)c;
}

void holders_check_all(struct pp_pool *pool)
{
	(void)pool;
}

void holders_bury(struct pp_pool *pool)
{
	env_lock_destroy(&pool->lock);
	env_free(pool);
}

void misuse_double_put(const struct pp_page *page, const void *place)
{
	(void)page;
	(void)place;
	fail("a page comes home twice");
}

void misuse_refs(const struct pp_page *page, const char *what, const void *place)
{
	(void)place;
	(void)page;
	fail("a page %s", what);
}

void misuse_frag(struct pp_pool *pool, uint32_t len, uint32_t align, const void *place)
{
	(void)pool;
	(void)place;
	fail("the scenario asks for a bad fragment: %u, %u", len, align);
}

static unsigned told STATE = 0;

void notice_call(uint32_t number)
{
	(void)number;
	told++;
}

void notice_end(struct pp_pool *pool)
{
	pool->noticed = false;
}

unsigned below_told(void)
{
	return told;
}

void recall_ask(uint64_t pool_id, const char *name)
{
	(void)pool_id;
	(void)name;
}

int pp_dma_sync_at(pp_binding_t binding, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
		   bool for_cpu, const char *caller)
{
	(void)iova, (void)len, (void)dir, (void)for_cpu, (void)caller;
	fail("the scenario syncs by binding %llu", (unsigned long long)binding.id);
}

/* ---- parameters ------------------------------------------------------------------------------ */

int env_params(const char *call, void *ours, size_t our_size, const void *theirs)
{
	(void)call;
	memcpy(ours, theirs, our_size);
	return 0;
}

void env_stats_out(void *theirs, size_t their_size, const void *ours, size_t our_size)
{
	memcpy(theirs, ours, their_size < our_size ? their_size : our_size);
}
