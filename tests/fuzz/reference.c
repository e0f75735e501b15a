/*
 * reference.c - see reference.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reference ref;

#define HASH 8192u          /* a power of two, more than twice PAGES */
static uint16_t hash[HASH]; /* 1 + the page's number; 0: free */

void ref_reset(void)
{
	memset(&ref, 0, offsetof(struct reference, page));
	memset(ref.mapping, 0, sizeof ref - offsetof(struct reference, mapping));
	memset(hash, 0, sizeof hash);
	for (int i = 0; i < DEVICES; i++)
		ref.device[i].binding = ref.device[i].driver = ref.device[i].busy = NONE;
	for (int i = 0; i < RECALLS; i++)
		ref.recall_pool[i] = NONE;
}

/* ---- devices and bindings -------------------------------------------------------------- */

void ref_event(int device, enum pp_event event)
{
	struct ref_device *d = &ref.device[device];

	for (int i = 0; i < LISTENERS; i++)
		if (ref.listener_order[i]) {
			d->event[d->n_events++] = event;
			return;
		}
}

int ref_bind(int device, int asked, int thread)
{
	const struct ref_device *d = &ref.device[device];
	int found = NONE;

	if (d->busy == thread)
		return -EDEADLK;
	if (d->state != PP_DEVICE_PRESENT)
		return d->state == PP_DEVICE_GONE ? -ENODEV : -EBUSY;
	for (int i = 0; i < DRIVERS; i++) {
		const struct ref_driver *v = &ref.driver[i];

		if (!v->order || (asked != NONE && asked != i))
			continue;
		if (asked == NONE && (!v->matches || !(v->accepts >> device & 1)))
			continue;
		if (found == NONE || v->order < ref.driver[found].order)
			found = i;
	}
	return found == NONE ? -ENOENT : found;
}

int ref_unbind(int device, int thread)
{
	const struct ref_device *d = &ref.device[device];

	if (d->busy == thread)
		return -EDEADLK;
	return d->state == PP_DEVICE_BOUND ? 0 : -ENODEV;
}

int ref_remove(int device, int thread)
{
	const struct ref_device *d = &ref.device[device];

	if (d->busy == thread)
		return -EDEADLK;
	return d->state == PP_DEVICE_GONE ? -ENODEV : 0;
}

int ref_driver_unregister(int driver, int thread)
{
	if (!ref.driver[driver].order)
		return -ENOENT;
	for (int i = 0; i < DEVICES; i++)
		if (ref.device[i].there && ref.device[i].driver == driver &&
		    ref.device[i].busy == thread)
			return -EDEADLK;
	return 0;
}

int ref_begin(int device, int driver, pp_binding_t name)
{
	struct ref_device *d = &ref.device[device];

	d->state = PP_DEVICE_BOUND;
	d->driver = driver;
	d->binding = ref.n_bindings++;
	d->data = NULL;
	d->bindings++;
	d->in_flight_at_unbind = 0;
	ref.binding[d->binding] = (struct ref_binding){
		.name = name,
		.device = device,
		.serial = d->serial,
		.alive = true,
		.open = true,
		.checked = d->incoherent || (ref.debug & PP_DEBUG_DMA),
		.mask = 32,
	};
	return d->binding;
}

void ref_close(int binding)
{
	ref.binding[binding].open = false;
}

static void detach(int pool, int at);

void ref_end(int binding, bool gone)
{
	struct ref_binding *b = &ref.binding[binding];
	struct ref_device *d = &ref.device[b->device];

	b->open = false;
	for (int p = 0; p < POOLS; p++) {
		int at = ref.pool[p].there ? ref_attachment(&ref.pool[p], binding) : NONE;

		if (at >= 0)
			detach(p, at);
	}
	for (int i = 0; i < MAPPINGS; i++)
		if (ref.mapping[i].there && ref.mapping[i].binding == binding) {
			d->forgotten += !gone;
			ref_unmap(&ref.mapping[i], true);
		}
	b->alive = false;
	d->binding = NONE;
}

void ref_ended(int device)
{
	struct ref_device *d = &ref.device[device];

	for (int i = 0; i < MAPPINGS; i++) {
		struct ref_mapping *m = &ref.mapping[i];

		if (!m->ended || ref.binding[m->binding].device != device)
			continue;
		if (m->coherent)
			free(m->copy);
		*m = (struct ref_mapping){ 0 };
	}
	d->state = PP_DEVICE_PRESENT;
	d->driver = NONE;
	d->data = NULL;
}

int ref_enter(int binding, bool fresh)
{
	struct ref_binding *b;
	struct ref_device *d;

	if (binding < 0)
		return -ENODEV;
	b = &ref.binding[binding];
	if (b->alive && (b->open || !fresh))
		return 0;
	d = &ref.device[b->device];
	if (d->there && d->serial == b->serial)
		d->late++;
	return -ENODEV;
}

unsigned ref_bits(int binding)
{
	const struct ref_binding *b = &ref.binding[binding];
	unsigned bits = ref.device[b->device].bits;

	return b->mask < bits ? b->mask : bits;
}

/* ---- pools -------------------------------------------------------------------------------- */

static bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

int ref_check_params(const struct pp_pool_params *p)
{
	if (!power_of_two(p->page_size) || !power_of_two(p->chunk_size) || p->page_size < 2048 ||
	    p->page_size > p->chunk_size || p->chunk_size < 4096 || p->chunk_size > 1u << 30)
		return -EINVAL;
	if (p->area % p->chunk_size || p->area / p->chunk_size > 64)
		return -EINVAL;
	if ((unsigned)p->dir > PP_DMA_FROM_DEVICE || (unsigned)p->memory > PP_MEMORY_BASE)
		return -EINVAL;
	if (p->address_bits && (p->address_bits < 32 || p->address_bits > 64))
		return -EINVAL;
	if (p->find > (PP_FIND_ADDR | PP_FIND_IOVA) || p->headroom >= p->page_size)
		return -EINVAL;
	if (p->memory_strict && p->memory != PP_MEMORY_BASE && p->chunk_size < 2u << 20)
		return -EINVAL;
	if (p->memory_strict && p->memory == PP_MEMORY_HUGETLB && p->area && !p->shared)
		return -EINVAL;
	return 0;
}

int ref_pool_new(const struct pp_pool_params *p, const char *name, int thread)
{
	int i = 0;

	while (ref.pool[i].there)
		i++;
	ref.pool[i] = (struct ref_pool){
		.there = true,
		.handle = true,
		.watched = ref.debug & PP_DEBUG_PAGES,
		.params = *p,
		.owner = thread,
		.open = NONE,
	};
	strncpy(ref.pool[i].name, name, sizeof ref.pool[i].name - 1);
	for (int k = 0; k < ATTACHMENTS; k++)
		ref.pool[i].at[k] = NONE;
	return i;
}

int ref_attachment(const struct ref_pool *p, int binding)
{
	for (int i = 0; i < ATTACHMENTS; i++)
		if (binding >= 0 && p->at[i] == binding)
			return i;
	return NONE;
}

static unsigned n_attached(const struct ref_pool *p)
{
	unsigned n = 0;

	for (int i = 0; i < ATTACHMENTS; i++)
		n += p->at[i] != NONE;
	return n;
}

int ref_attach(int pool, int binding)
{
	struct ref_pool *p = &ref.pool[pool];
	int ret;

	if (p->revoked)
		return -ENODEV;
	if (ref_attachment(p, binding) >= 0)
		return -EEXIST;
	ret = ref_enter(binding, true);
	for (int i = 0; i < ATTACHMENTS && !ret; i++)
		if (p->at[i] == NONE) {
			p->at[i] = binding;
			return 0;
		}
	return ret ? ret : -ENOSPC;
}

static void revoke(int pool)
{
	struct ref_pool *p = &ref.pool[pool];

	if (p->revoked)
		return;
	p->revoked = true;
	ref_frag_close(pool, NONE);
	p->in_flight_at_revoke = p->in_flight;
	for (int i = 0; i < RECALLS; i++)
		ref.recall_due[i] += ref.recall_pool[i] == pool;
}

static void detach(int pool, int at)
{
	struct ref_pool *p = &ref.pool[pool];
	struct ref_binding *b = &ref.binding[p->at[at]];

	p->at[at] = NONE;
	for (int i = 0; i < ref.n_pages; i++)
		if (ref.page[i].pool == pool) {
			free(ref.page[i].view[b->device]);
			ref.page[i].view[b->device] = NULL;
		}
	if (n_attached(p))
		return;
	revoke(pool);
	if (!b->open)
		ref.device[b->device].in_flight_at_unbind += p->in_flight_at_revoke;
}

int ref_detach(int pool, int binding)
{
	int at = ref_attachment(&ref.pool[pool], binding);

	if (at < 0)
		return -ENOENT;
	detach(pool, at);
	return 0;
}

/* A pool is gone with its handle and its last page. */
static void gone(int pool)
{
	struct ref_pool *p = &ref.pool[pool];

	if (p->handle || p->in_flight)
		return;
	p->there = false;
	for (int i = 0; i < RECALLS; i++)
		if (ref.recall_pool[i] == pool)
			ref.recall_pool[i] = -2;
}

void ref_destroy(int pool)
{
	struct ref_pool *p = &ref.pool[pool];

	for (int i = 0; i < ATTACHMENTS; i++)
		if (p->at[i] != NONE)
			detach(pool, i);
	revoke(pool);
	p->handle = false;
	gone(pool);
}

int ref_ending(const struct ref_pool *p)
{
	for (int i = 0; i < ATTACHMENTS; i++)
		if (p->at[i] != NONE && !ref.binding[p->at[i]].open)
			return p->at[i];
	return NONE;
}

int ref_all_ending(const struct ref_pool *p)
{
	for (int i = 0; i < ATTACHMENTS; i++)
		if (p->at[i] != NONE && ref.binding[p->at[i]].open)
			return NONE;
	return ref_ending(p);
}

uint64_t ref_available(const struct ref_pool *p)
{
	return p->params.max_pages ? p->params.max_pages - p->in_flight : UINT64_MAX;
}

/* ---- pages --------------------------------------------------------------------------------- */

static uint16_t *hash_slot(const struct pp_page *real)
{
	unsigned i = (unsigned)(((uintptr_t)real >> 6) * 0x9E3779B97F4A7C15u >> 40);

	while (hash[i % HASH] && ref.page[hash[i % HASH] - 1].real != real)
		i++;
	return &hash[i % HASH];
}

/* Take an entry out, and move those behind it that would not be found any more. */
static void hash_remove(const struct pp_page *real)
{
	unsigned hole = (unsigned)(hash_slot(real) - hash);

	hash[hole] = 0;
	for (unsigned i = (hole + 1) % HASH; hash[i]; i = (i + 1) % HASH) {
		uint16_t moved = hash[i];

		hash[i] = 0;
		*hash_slot(ref.page[moved - 1].real) = moved;
	}
}

struct ref_page *ref_page_find(const struct pp_page *real)
{
	uint16_t n = *hash_slot(real);

	return n ? &ref.page[n - 1] : NULL;
}

struct ref_page *ref_page_new(int pool, struct pp_page *real)
{
	struct ref_page *page = &ref.page[ref.n_pages++];

	*page = (struct ref_page){ .real = real, .pool = pool, .held = 1 };
	*hash_slot(real) = (uint16_t)ref.n_pages;
	ref.pool[pool].gets++;
	if (++ref.pool[pool].in_flight > ref.pool[pool].peak)
		ref.pool[pool].peak = ref.pool[pool].in_flight;
	return page;
}

static void page_free(struct ref_page *page)
{
	struct ref_page *last = &ref.page[ref.n_pages - 1];
	int pool = page->pool;

	free(page->copy);
	free(page->cut);
	for (int i = 0; i < DEVICES; i++)
		free(page->view[i]);
	hash_remove(page->real);
	if (page != last) {
		*hash_slot(last->real) = (uint16_t)(page - ref.page + 1);
		if (last->open)
			ref.pool[last->pool].open = (int)(page - ref.page);
		*page = *last;
	}
	ref.n_pages--;
	ref.pool[pool].in_flight--;
	gone(pool);
}

/* It has a cache in the pool, into which it puts. */
static bool has_cache(int pool, int thread)
{
	bool has = thread == ref.pool[pool].owner;

	for (int i = 0; i < GETTERS; i++)
		has |= ref.getter[i].there && ref.getter[i].pool == pool &&
		       ref.getter[i].thread == thread;
	return has;
}

void ref_getters_end(int thread)
{
	for (int i = 0; i < GETTERS; i++)
		if (ref.getter[i].thread == thread)
			ref.getter[i].there = false;
}

bool ref_put(struct ref_page *page, int thread)
{
	struct ref_pool *p = &ref.pool[page->pool];
	bool own = has_cache(page->pool, thread);

	if (--page->held || page->open)
		return false;
	p->puts_owner += own;
	p->puts_other += !own;
	page_free(page);
	return true;
}

/* If the first one's length fills the page, the pool holds no more of it than there is room for. */
static void stock(struct ref_page *page, uint32_t len, uint32_t align)
{
	const struct ref_pool *p = &ref.pool[page->pool];
	uint64_t size = p->params.page_size, step = align ? (len + align - 1) / align * align : len;
	bool fill = size % step == 0 && size / len == size / step && !p->watched;

	page->stock = fill ? (uint32_t)(size / step) : 0;
	page->unit = fill ? len : 0;
}

void ref_frag_cut(struct ref_page *page, bool first, uint32_t len, uint32_t align)
{
	if (first)
		stock(page, len, align);
	else if (len < page->unit)
		page->stock = page->unit = 0;
	if (!page->stock || --page->stock)
		return;
	page->open = false;
	ref.pool[page->pool].open = NONE;
}

void ref_frag_close(int pool, int thread)
{
	struct ref_pool *p = &ref.pool[pool];
	struct ref_page *page;

	if (p->open == NONE)
		return;
	page = &ref.page[p->open];
	p->open = NONE;
	page->open = false;
	page->held++;
	ref_put(page, thread == NONE ? p->owner : thread);
}

uint64_t ref_chunks(int pool)
{
	static uintptr_t base[PAGES];
	uintptr_t mask = ~((uintptr_t)ref.pool[pool].params.chunk_size - 1);
	uint64_t n = 0, k;

	for (int i = 0; i < ref.n_pages; i++) {
		if (ref.page[i].pool != pool)
			continue;
		for (k = 0; k < n && base[k] != ((uintptr_t)ref.page[i].addr & mask); k++)
			;
		base[k] = (uintptr_t)ref.page[i].addr & mask;
		n += k == n;
	}
	return n;
}

/* Of an area what no chunk has goes back when the pool is revoked; the caller's only as a whole. */
uint64_t ref_bytes(int pool, uint64_t chunks)
{
	const struct ref_pool *p = &ref.pool[pool];

	if (chunks && p->params.area && (!p->revoked || p->params.area_addr))
		return p->params.area;
	return chunks * p->params.chunk_size;
}

/* ---- memory ---------------------------------------------------------------------------------- */

bool ref_may(enum pp_dma_dir dir, bool write)
{
	return dir == PP_DMA_BIDIRECTIONAL || (dir == PP_DMA_FROM_DEVICE) == write;
}

int ref_sync_dir(enum pp_dma_dir mapped, enum pp_dma_dir dir, bool for_cpu)
{
	if (for_cpu && mapped == PP_DMA_TO_DEVICE)
		return -EINVAL;
	return mapped == PP_DMA_BIDIRECTIONAL || mapped == dir ? 0 : -EINVAL;
}

int ref_sync(const struct ref_mapping *m, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
	     bool for_cpu)
{
	if (iova < m->iova || iova - m->iova >= m->len || len > m->len - (iova - m->iova))
		return -EINVAL;
	return ref_sync_dir(m->dir, dir, for_cpu);
}

/* The bytes of the base pages that a mapping lies in: all that the device can reach. */
size_t ref_whole(const struct ref_mapping *m)
{
	return ((m->iova & 4095) + m->len + 4095) & ~(size_t)4095;
}

void ref_unmap(struct ref_mapping *m, bool ended)
{
	/* what an incoherent device wrote is the driver's when the mapping ends */
	if (m->view && m->dir != PP_DMA_TO_DEVICE)
		memcpy(m->copy, m->view + (m->iova & 4095), m->len);
	free(m->view);
	m->view = NULL;
	m->there = false;
	m->ended = ended;
	if (!ended && m->coherent)
		free(m->copy);
}

/* ---- IOVA space ------------------------------------------------------------------------------ */

bool ref_reaches(int binding, pp_iova_t iova, uint64_t len)
{
	const struct ref_device *d = &ref.device[ref.binding[binding].device];
	unsigned bits = ref_bits(binding);

	if (bits < 64 && (iova + len - 1) >> bits)
		return false;
	for (unsigned i = 0; i < d->n_ranges; i++)
		if (iova >= d->range[i].first && iova + len - 1 <= d->range[i].last)
			return true;
	return false;
}

static pp_iova_t larger(pp_iova_t a, pp_iova_t b)
{
	return a > b ? a : b;
}

static pp_iova_t smaller(pp_iova_t a, pp_iova_t b)
{
	return a < b ? a : b;
}

/* Can it use some of [2^octave, 2^(octave + 1))? */
static bool uses_octave(const struct ref_device *d, unsigned octave)
{
	for (unsigned i = 0; d->there && i < d->n_ranges; i++)
		if (d->range[i].first < 2ull << octave && d->range[i].last >= 1ull << octave)
			return true;
	return false;
}

/*
 * Of [first, last] in an octave, what the devices from `device` on leave: those that are needed,
 * a bit for each, can use it, and so can the others that use the octave at all.
 */
static uint64_t room_in(pp_iova_t first, pp_iova_t last, unsigned octave, unsigned needed,
			int device)
{
	const struct ref_device *d = &ref.device[device];
	uint64_t room = 0;

	if (first > last || device == DEVICES)
		return first > last ? 0 : last - first + 1;
	if (!uses_octave(d, octave))
		return needed >> device & 1 ? 0 : room_in(first, last, octave, needed, device + 1);
	for (unsigned i = 0; i < d->n_ranges; i++)
		room += room_in(larger(first, d->range[i].first), smaller(last, d->range[i].last),
				octave, needed, device + 1);
	return room;
}

bool ref_outside_windows(pp_iova_t iova, uint64_t len)
{
	unsigned octave = 63u - (unsigned)__builtin_clzll(iova);

	return room_in(iova, iova + len - 1, octave, 0, 0) == len;
}

/* The same of the first `bits` bits. */
static uint64_t room_below(const int *bindings, unsigned n, unsigned bits)
{
	unsigned needed = 0;
	uint64_t room = 0;

	for (unsigned i = 0; i < n; i++) {
		needed |= 1u << ref.binding[bindings[i]].device;
		bits = ref_bits(bindings[i]) < bits ? ref_bits(bindings[i]) : bits;
	}
	for (unsigned octave = 12; octave < bits; octave++)
		room += room_in(1ull << octave, (2ull << octave) - 1, octave, needed, 0);
	return room;
}

uint64_t ref_room(const int *bindings, unsigned n)
{
	return room_below(bindings, n, 48);
}

uint64_t ref_pool_room(const struct ref_pool *p)
{
	int open[ATTACHMENTS];
	unsigned n = 0;

	for (int i = 0; i < ATTACHMENTS; i++)
		if (p->at[i] != NONE && ref.binding[p->at[i]].open)
			open[n++] = p->at[i];
	return room_below(open, n,
			  p->params.address_bits && p->params.address_bits < 48 ?
				  p->params.address_bits :
				  48);
}

bool ref_nothing_at(int device, pp_iova_t iova)
{
	for (int i = 0; i < MAPPINGS; i++) {
		const struct ref_mapping *m = &ref.mapping[i];

		if (m->there && ref.binding[m->binding].device == device &&
		    iova - (m->iova & ~4095ull) < ref_whole(m))
			return false;
	}
	/* where a pool's free pages lie is not known */
	for (int p = 0; p < POOLS; p++)
		if (ref.pool[p].there &&
		    ref_attachment(&ref.pool[p], ref.device[device].binding) >= 0)
			return false;
	return true;
}
