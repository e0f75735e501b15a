/*
 * calls_pool.c - the stateful fuzzer's calls of pool.h: pools, pages, fragments, recall. The
 * pages hold a stamp at both ends, or, once more has been written to one, what the
 * reference's copy says; it is looked at until the last reference is put.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "calls.h"

#include <sys/mman.h>
#include <unistd.h>

struct pp_pool_stats pool_now[POOLS];

/* How often each pool's notice was called; atomic, as puts of a crowd call it. */
static uint64_t told[POOLS];

/* Gets and puts are calls that may take many pages. */
static const unsigned amounts[] = { 1, 2, 3, 9, 17, 64, 300, 2100 };

/* ---- what is in a page --------------------------------------------------------------------- */

/* What the user's area of a page holds: for ever, once it was got. */
static uint64_t owner_of(const struct ref_page *page)
{
	return (uintptr_t)page->real * 0x9E3779B97F4A7C15u;
}

static uint32_t size_of(const struct ref_page *page)
{
	return ref.pool[page->pool].params.page_size;
}

static void contents_compare(const struct ref_page *page)
{
	uint32_t size = size_of(page);

	if (page->copy)
		must(!memcmp(page->addr, page->copy, size), "a page of pool %d has other contents",
		     page->pool);
	else
		must(!memcmp(page->addr, &page->stamp, 8) &&
			     !memcmp(page->addr + size - 8, &page->stamp, 8),
		     "a page of pool %d has lost its stamp", page->pool);
}

/* By any place in it, if its pool was made for that. */
static void finding_compare(const struct ref_page *page)
{
	const struct pp_pool_params *p = &ref.pool[page->pool].params;
	uint32_t at = (uint32_t)page->stamp * 64 % p->page_size;

	must(pp_page_from_addr(page->addr + at) == (p->find & PP_FIND_ADDR ? page->real : NULL),
	     "a page of pool %d is found by its address, or is not", page->pool);
	/* another pool may have the IOVA of a revoked one that isn't found by it */
	must((ref.pool[page->pool].revoked && !(p->find & PP_FIND_IOVA)) ||
		     pp_page_from_iova(page->iova + at) ==
			     (p->find & PP_FIND_IOVA ? page->real : NULL),
	     "a page of pool %d is found by its IOVA, or is not", page->pool);
	must((uint8_t *)pp_page_data(page->real) == page->addr + p->headroom &&
		     pp_page_data_iova(page->real) == page->iova + p->headroom,
	     "the headroom of a page of pool %d", page->pool);
}

/* In its pool's file it is what it is in memory. */
static void file_compare(const struct ref_page *page)
{
	const struct pp_pool_params *p = &ref.pool[page->pool].params;
	uint64_t offset = 0, there = 0;
	int fd = pp_page_fd(page->real, &offset);

	if (!p->shared) {
		must_be(fd, -ENOENT, "a file of private memory");
		return;
	}
	must(fd >= 0, "no file");
	must(pread(fd, &there, 8, (off_t)(offset + p->page_size - 8)) == 8 &&
		     !memcmp(&there, page->addr + p->page_size - 8, 8),
	     "a page of pool %d is not what is in its file", page->pool);
}

/* By its index it is found, whatever became of its pool. */
static void place_compare(const struct ref_page *page)
{
	const struct ref_pool *p = &ref.pool[page->pool];

	finding_compare(page);
	file_compare(page);

	must(pp_pool_page(real.pool[page->pool], pp_page_index(page->real)) == page->real,
	     "a page of pool %d is not found by its index", page->pool);
	must(!p->params.user_size || *(uint64_t *)pp_page_user(page->real) == owner_of(page),
	     "a page of pool %d has another's area", page->pool);
}

static void page_compare(const struct ref_page *page)
{
	contents_compare(page);
	place_compare(page);
	must(page->open || pp_page_refs(page->real) == page->held, "%u references, not %u",
	     pp_page_refs(page->real), page->held);
}

void pages_compare(bool all)
{
	static int next;

	for (int i = 0; i < (all ? ref.n_pages : 4) && ref.n_pages; i++, next++)
		page_compare(&ref.page[next % ref.n_pages]);
}

uint8_t *page_copy(struct ref_page *page)
{
	page_compare(page);
	if (page->copy)
		return page->copy;
	page->copy = malloc(size_of(page));
	return memcpy(page->copy, page->addr, size_of(page));
}

/* The page as an incoherent device sees it; if that isn't known, it is made known. */
uint8_t *page_view(struct ref_page *page, int device)
{
	if (page->view[device])
		return page->view[device];
	page_copy(page);
	must_be(pp_dma_sync_for_device(ref.binding[ref.device[device].binding].name, page->iova,
				       size_of(page), ref.pool[page->pool].params.dir),
		0, "a sync of a whole page");
	page->view[device] = malloc(size_of(page));
	return memcpy(page->view[device], page->copy, size_of(page));
}

/* Every device that it is mapped for can be given its address. */
static void must_reach(const struct ref_page *page)
{
	const struct ref_pool *p = &ref.pool[page->pool];

	for (int i = 0; i < ATTACHMENTS; i++)
		must(p->at[i] == NONE || !ref.binding[p->at[i]].open ||
			     ref_reaches(p->at[i], page->iova, p->params.page_size),
		     "0x%llx is beyond binding %d's reach", (unsigned long long)page->iova,
		     p->at[i]);
}

/* The user's area: zero until it was written, at the page's first get. */
static void area_got(const struct ref_page *page)
{
	uint64_t *area = pp_page_user(page->real);

	must(!area == !ref.pool[page->pool].params.user_size, "whether there is an area");
	must(!area || !*area || *area == owner_of(page), "an area is not as it was left");
	if (area)
		*area = owner_of(page);
}

/* A page has been got: it is nobody else's, and lies where it says. */
static struct ref_page *page_got(int pool, struct pp_page *real_page)
{
	static uint64_t stamps = 0x5A5A000000000000u;
	const struct pp_pool_params *p = &ref.pool[pool].params;
	struct ref_page *page;

	must(real_page, "no page");
	must(!ref_page_find(real_page), "a page that is in flight was handed out again");
	page = ref_page_new(pool, real_page);
	page->addr = pp_page_addr(real_page);
	page->iova = pp_page_iova(real_page);
	must_reach(page);
	page->stamp = ++stamps;
	must_be(pp_page_size(real_page), p->page_size, "pp_page_size()");
	must(!p->address_bits || p->address_bits >= 48 || !(page->iova >> p->address_bits),
	     "an IOVA of more than %u bits", p->address_bits);
	must(page->addr && page->iova && page->iova != PP_IOVA_NONE, "no address");
	must(!((uintptr_t)page->addr % p->page_size || page->iova % p->page_size), "not aligned");
	memcpy(page->addr, &page->stamp, 8);
	memcpy(page->addr + p->page_size - 8, &page->stamp, 8);
	area_got(page);
	return page;
}

/* ---- pools ----------------------------------------------------------------------------------- */

/* The pool whose memory it is has gone. */
static void area_back(void *addr, uint64_t len, void *ctx)
{
	must(ctx == (char *)addr + len, "an area is given back as another");
	munmap(addr, len);
	real.n_areas--;
}

/* Memory of the fuzzer's own for the pool's area. */
static void own_area(struct pp_pool_params *p)
{
	uint64_t chunk = p->chunk_size ? p->chunk_size : 2u << 20;
	char *at = mmap(NULL, p->area + chunk, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *area = (char *)(((uintptr_t)at + chunk - 1) & ~(chunk - 1));

	must(at != MAP_FAILED, "no memory for an area");
	if (area > at)
		munmap(at, (size_t)(area - at));
	if (area < at + chunk)
		munmap(area + p->area, (size_t)(at + chunk - area));
	p->area_addr = area;
	p->area_free = area_back;
	p->area_ctx = area + p->area;
	real.n_areas++;
}

static void choose_params(struct pp_pool_params *p)
{
	static const uint32_t page_sizes[] = { 0, 2048, 4096, 8192, 65536, 1024, 3000, 4096 };
	static const uint32_t chunk_sizes[] = { 4096, 8192, 16384, 65536, 0, 65536, 2048, 12288 };
	static const uint64_t limits[] = { 0, 1, 3, 8, 100, 0, 0, 0 };
	static const uint64_t areas[] = { 1, 0, 2, 64, 7, 65, 16, 5 };
	unsigned b = input_byte(&in), c = input_byte(&in);

	p->page_size = page_sizes[b & 7];
	p->chunk_size = chunk_sizes[b >> 3 & 7];
	p->dir = (enum pp_dma_dir)(b >> 6 & 3);
	p->max_pages = limits[c & 7];
	p->idle_chunks = c >> 3 & 3;
	p->memory = c & 0x20 ? PP_MEMORY_BASE : c & 0x40 ? PP_MEMORY_THP : PP_MEMORY_HUGETLB;
	p->numa_node = c & 0x80 ? PP_NUMA_NODE(0) : PP_NUMA_ANY;
	p->user_size = c & 0x40 ? 7 * (b >> 6 & 3) : 0;
	p->find = c == 0xFE ? 4 : (b >> 3 ^ c) & 3;
	p->address_bits = c == 0xFC ? 31 : (b >> 2 ^ c) & 7 ? 0 : 32 + (b >> 4);
	p->headroom = c == 0xFD ? 65536 : (b ^ c >> 3) & 7 ? 0 : 192;
	if (c == 0xFF)
		p->memory = (enum pp_memory)3;
	if (p->idle_chunks == 3)
		p->area = areas[c & 7] * (p->chunk_size ? p->chunk_size : 2u << 20) + (c == 0x1F);
	p->shared = ((b >> 1 ^ c) & 3) == 1;
	/* whether there are hugetlb pages isn't known here */
	p->memory_strict = ((b ^ c >> 1) & 7) == 5 && (p->memory || p->chunk_size);
	p->budget = ((b ^ c >> 2) & 7) == 3 ? real.budget : NULL;
	if (p->area && !p->shared && !p->memory_strict && (b >> 4 & 1) && !(c & 0x20) &&
	    p->chunk_size != 2048 && p->chunk_size != 12288 && c != 0x1F)
		own_area(p);
}

static bool create(void)
{
	static const char *const names[] = { "pool", NULL, "rx",
					     "a name that is longer than what is kept of it" };
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool *pool = (void *)1;
	static uint64_t last_id;
	struct pp_pool_info info;
	pp_binding_t name;
	int b = pick_binding(&name), want, ret, i = 0;
	bool fault;

	while (i < POOLS && ref.pool[i].there)
		i++;
	if (i == POOLS)
		return false;
	choose_params(&p);
	p.name = names[ref.serial++ % 4];
	note("pp_pool_create(%d, binding %d, pages %u, chunks %u, direction %d, limit %llu, idle "
	     "%u, area %llu%s%s, user's %u, found by %u, headroom %u)",
	     i, b, p.page_size, p.chunk_size, p.dir, (unsigned long long)p.max_pages, p.idle_chunks,
	     (unsigned long long)p.area,
	     p.shared    ? ", shared" :
	     p.area_addr ? " of one's own" :
			   "",
	     p.budget ? ", a budget" : "", p.user_size, p.find, p.headroom);
	faults_begin();
	ret = pp_pool_create(&pool, name, &p);
	fault = faults_end();
	p.page_size = p.page_size ? p.page_size : 4096;
	p.chunk_size = p.chunk_size ? p.chunk_size : 2u << 20;
	want = ref_check_params(&p);
	if (want)
		expect_sentence();
	if (!want && !(fault && fault_errno(ret)) && name.id)
		want = ref_enter(b, true);
	must(ret == want || (fault && fault_errno(ret)), "pp_pool_create() is %d, not %d", ret,
	     want);
	must_be(pool != NULL, !ret, "whether there is a pool");
	if (ret && p.area_addr) /* it is ours still */
		area_back(p.area_addr, p.area, p.area_ctx);
	if (ret)
		return true;
	if (p.area && (!p.max_pages || p.max_pages > p.area / p.page_size))
		p.max_pages = p.area / p.page_size;
	must_be(ref_pool_new(&p, p.name ? p.name : "unnamed", thread), i, "the pool's place");
	if (name.id)
		ref.pool[i].at[0] = b;
	real.pool[i] = pool;
	told[i] = 0;
	pp_pool_info(pool, &info, sizeof info);
	must(info.id > last_id, "an id that was there before");
	last_id = real.pool_id[i] = info.id;
	return true;
}

static void destroy_getter(int g)
{
	note("pp_getter_destroy(of pool %d)", ref.getter[g].pool);
	ref.getter[g].there = false;
	pp_getter_destroy(real.getter[g]);
}

/* The calling thread's go; false: others have some. */
static bool getters_gone(int pool)
{
	bool others = false;

	for (int g = 0; g < GETTERS; g++) {
		if (!ref.getter[g].there || ref.getter[g].pool != pool)
			continue;
		if (ref.getter[g].thread == thread)
			destroy_getter(g);
		else
			others = true;
	}
	return !others;
}

static bool destroy(void)
{
	int i = pick_pool();

	if (i == NONE) {
		pp_pool_destroy(NULL);
		return false;
	}
	if (!getters_gone(i)) /* which would keep the pool */
		return false;
	note("pp_pool_destroy(%d)", i);
	ref_destroy(i);
	pp_pool_destroy(real.pool[i]);
	return true;
}

static bool attach(void)
{
	int i = pick_pool(), b, want, ret;
	pp_binding_t name;
	bool fault, beyond = false, unsure;

	b = pick_binding(&name);
	if (i == NONE)
		return false;
	unsure = pool_now[i].chunks; /* one may lie where this device can't reach */
	note("pp_pool_attach(%d, binding %d)", i, b);
	faults_begin();
	ret = pp_pool_attach(real.pool[i], name);
	fault = faults_end();
	want = ref_attach(i, b);
	for (int k = 0; k < ref.n_pages && !want; k++)
		beyond |= ref.page[k].pool == i && !ref_reaches(b, ref.page[k].iova, 1);
	if (!want && ret &&
	    ((fault && fault_errno(ret)) || ((beyond || unsure) && ret == -ERANGE) ||
	     (unsure && binding_broken(b) && ret == -EIO))) {
		ref.pool[i].at[ref_attachment(&ref.pool[i], b)] = NONE;
		return true;
	}
	must_be(ret, want ? want : beyond ? -ERANGE : 0, "pp_pool_attach()");
	return true;
}

static bool detach(void)
{
	int i = pick_pool(), b, want;
	pp_binding_t name;

	b = pick_binding(&name);
	if (i == NONE)
		return false;
	note("pp_pool_detach(%d, binding %d)", i, b);
	want = ref_detach(i, b);
	must_be(pp_pool_detach(real.pool[i], name), want, "pp_pool_detach()");
	for (int k = 0, n = 0; k < ref.n_pages && !want && n < 8; k++)
		if (ref.page[k].pool == i) {
			must_fault(ref.binding[b].device, ref.page[k].iova,
				   fault_unless_mapped(ref.binding[b].device, ref.page[k].iova));
			n++;
		}
	return true;
}

static void own(int i)
{
	if (ref.pool[i].owner == thread)
		return;
	pp_pool_own(real.pool[i]);
	ref.pool[i].owner = thread;
}

/* ---- get ------------------------------------------------------------------------------------- */

/* Its budget has not so many bytes left. */
static bool budget_lacks(int i, uint64_t bytes)
{
	uint64_t used = pp_budget_used(ref.pool[i].params.budget);

	return ref.pool[i].params.budget && (used > real.limit || real.limit - used < bytes);
}

/*
 * What a get of n pages must give: so many, or an errno. A pool can't grow while all of
 * its bindings are ending; that it tried is a late call, unless its budget didn't let it.
 */
static int expect_got(int i, unsigned n)
{
	const struct ref_pool *p = &ref.pool[i];
	uint64_t left = ref_available(p), have = pool_now[i].pages - p->in_flight;
	uint64_t most = n < left ? n : left;
	int ending = ref_all_ending(p);

	if (p->revoked)
		return -ENODEV;
	if (ending != NONE && n > have && left > have) {
		bool poor = budget_lacks(i, p->params.chunk_size);

		if (!poor)
			ref_enter(ending, true);
		return have ? (int)have : poor ? -ENOBUFS : -ENODEV;
	}
	return most ? (int)most : -ENOBUFS;
}

/* Sixteen growths have failed for want of memory: of the next fifteen the system needn't hear. */
static bool not_asked(struct ref_pool *p)
{
	return ref.faults >= 16 && ++p->refused < 16;
}

/*
 * For want of IOVA, of budget or of memory not long ago, or because of a device whose back end is
 * broken.
 */
static bool can_t_grow(int i, int got, int have, int want)
{
	bool scarce = ref_pool_room(&ref.pool[i]) < ROOMY, broken = pool_broken(i);
	bool poor = budget_lacks(i, ref.pool[i].params.chunk_size);

	if (got > 0)
		return got >= have && got < want &&
		       (scarce || broken || poor || not_asked(&ref.pool[i]));
	return !have && ((scarce && got == -ENOSPC) || (broken && got == -EIO) ||
			 (poor && got == -ENOBUFS) || (got == -ENOMEM && not_asked(&ref.pool[i])));
}

/* By the owner, or by a getter. */
static int get_pages(struct pp_page **pages, unsigned n, int i, struct pp_getter *getter,
		     bool batch)
{
	int ret;

	if (batch)
		return getter ? pp_getter_get_batch(pages, n, getter) :
				pp_page_get_batch(pages, n, real.pool[i]);
	ret = getter ? pp_getter_get(pages, getter) : pp_page_get(pages, real.pool[i]);
	must_be(pages[0] != NULL, !ret, "whether there is a page");
	return ret ? ret : 1;
}

static bool get_by(int i, struct pp_getter *getter, bool batch)
{
	static struct pp_page *pages[2100];
	unsigned n = batch ? amounts[input_below(&in, 8)] : 1;
	int got, want, have;
	bool fault;

	if (ref.n_pages + (int)n > PAGES)
		return false;
	want = expect_got(i, n);
	have = (int)(pool_now[i].pages - ref.pool[i].in_flight);
	have = have < want ? have : want;
	note("pp_%s_get%s(pool %d, %u)", getter ? "getter" : "page", batch ? "_batch" : "", i, n);
	if (ref_ending(&ref.pool[i]) == NONE) /* two reasons to fail at once: which came first? */
		faults_begin();
	got = get_pages(pages, n, i, getter, batch);
	fault = faults_end();
	must(got == want || (fault && (fault_errno(got) || (got > 0 && got < want))) ||
		     can_t_grow(i, got, have, want),
	     "the result is %d, not %d; %d are there", got, want, have);
	for (int k = 0; k < got; k++)
		page_got(i, pages[k]);
	return true;
}

static bool get(bool batch)
{
	int i = pick_pool();

	if (i == NONE)
		return false;
	own(i);
	return get_by(i, NULL, batch);
}

/* The same of the pages that are there. */
static bool get_nogrow_by(int i, struct pp_getter *getter)
{
	static struct pp_page *pages[2100];
	unsigned n = amounts[input_below(&in, 8)];
	int got, want;

	if (ref.n_pages + (int)n > PAGES)
		return false;
	want = (int)(pool_now[i].pages - ref.pool[i].in_flight);
	want = ref.pool[i].revoked ? -ENODEV : want < (int)n ? want : (int)n;
	note("pp_%s_get_nogrow(pool %d, %u)", getter ? "getter" : "page", i, n);
	got = getter ? pp_getter_get_nogrow(pages, n, getter) :
		       pp_page_get_nogrow(pages, n, real.pool[i]);
	must_be(got, want ? want : -ENOBUFS, "a get without growth");
	for (int k = 0; k < got; k++)
		page_got(i, pages[k]);
	return true;
}

static bool get_nogrow(void)
{
	int i = pick_pool();

	if (i == NONE)
		return false;
	own(i);
	return get_nogrow_by(i, NULL);
}

/* ---- getters --------------------------------------------------------------------------------- */

/* One of the calling thread's, or NONE. */
static int pick_getter(void)
{
	int first = (int)input_below(&in, GETTERS);

	for (int k = 0; k < GETTERS; k++) {
		int g = (first + k) % GETTERS;

		if (ref.getter[g].there && ref.getter[g].thread == thread)
			return g;
	}
	return NONE;
}

static bool make_getter(void)
{
	int i = pick_pool(), g = 0, ret;
	bool fault;

	while (g < GETTERS && ref.getter[g].there)
		g++;
	if (i == NONE || g == GETTERS)
		return false;
	note("pp_getter_create(pool %d)", i);
	faults_begin();
	ret = pp_getter_create(&real.getter[g], real.pool[i]);
	fault = faults_end();
	must(ret == (ref.pool[i].revoked ? -ENODEV : 0) || (fault && ret == -ENOMEM),
	     "pp_getter_create() is %d", ret);
	must_be(real.getter[g] != NULL, !ret, "whether there is a getter");
	if (ret)
		return true;
	ref.getter[g] = (struct ref_getter){ true, i, thread };
	ref.pool[i].shared = true;
	return true;
}

static bool use_getter(void)
{
	int g = pick_getter();

	if (g == NONE)
		return make_getter();
	switch (input_below(&in, 8)) {
	case 0: destroy_getter(g); return true;
	case 1: return get_nogrow_by(ref.getter[g].pool, real.getter[g]);
	case 2:
	case 3: return get_by(ref.getter[g].pool, real.getter[g], false);
	default: return get_by(ref.getter[g].pool, real.getter[g], true);
	}
}

/* Of the chunks that it takes to have n pages. */
static uint64_t bytes_for(int i, uint64_t n)
{
	const struct pp_pool_params *p = &ref.pool[i].params;
	uint64_t each = p->chunk_size / p->page_size, has = pool_now[i].pages;

	return n > has ? (n - has + each - 1) / each * p->chunk_size : 0;
}

static bool reserve(void)
{
	static const uint64_t numbers[] = { 0, 1, 5, 40, 300 };
	uint64_t n = numbers[input_below(&in, 5)];
	int i = pick_pool(), ret, want = 0, ending;
	struct pp_pool_stats s;
	bool fault;

	if (i == NONE)
		return false;
	own(i);
	ending = ref_all_ending(&ref.pool[i]);
	note("pp_pool_reserve(%d, %llu)", i, (unsigned long long)n);
	if (ref_ending(&ref.pool[i]) == NONE)
		faults_begin();
	ret = pp_pool_reserve(real.pool[i], n);
	fault = faults_end();
	if (ref.pool[i].params.max_pages && n > ref.pool[i].params.max_pages)
		want = -ENOBUFS;
	else if (ref.pool[i].revoked)
		want = -ENODEV;
	else if (ending != NONE && n > pool_now[i].pages)
		want = ret == -ENOBUFS && budget_lacks(i, bytes_for(i, n)) ?
			       ret :
			       ref_enter(ending, true);
	must(ret == want || (fault && fault_errno(ret)) || can_t_grow(i, ret, 0, 1) ||
		     (ret == -ENOBUFS && budget_lacks(i, bytes_for(i, n))),
	     "pp_pool_reserve() is %d, not %d", ret, want);
	pp_pool_stats(real.pool[i], &s, sizeof s);
	if (!ret)
		ref.pool[i].reserved = n;
	must(ret ? s.chunks == pool_now[i].chunks : s.pages >= n || ref.pool[i].revoked,
	     "%llu pages", (unsigned long long)s.pages);
	return true;
}

/* Neighbours, from one chunk: they aren't among the gets by way of the cache. */
static bool get_contiguous(void)
{
	static const unsigned numbers[] = { 1, 2, 3, 4, 8, 16, 0, 513 };
	struct pp_page *pages[513];
	unsigned n = numbers[input_below(&in, 8)];
	int i = pick_pool(), ret;
	struct ref_pool *p;
	uint64_t max;
	bool fault;

	if (i == NONE || ref.n_pages + (int)n > PAGES)
		return false;
	p = &ref.pool[i];
	max = p->params.max_pages;
	own(i);
	note("pp_page_get_contiguous(pool %d, %u)", i, n);
	if (ref_ending(p) == NONE)
		faults_begin();
	ret = pp_page_get_contiguous(pages, n, real.pool[i]);
	fault = faults_end();
	if (!n || n > p->params.chunk_size / p->params.page_size) {
		must_be(ret, -EINVAL, "pp_page_get_contiguous()");
		expect_sentence();
		return true;
	}
	if (ret == -ENODEV && !p->revoked && ref_all_ending(p) != NONE)
		ref_enter(ref_all_ending(p), true);
	else
		must(p->revoked ? ret == -ENODEV :
		     ret == -ENOBUFS ?
				  (max && max - pool_now[i].pages < n) || can_t_grow(i, ret, 0, 1) :
				  !ret || (fault && fault_errno(ret)) || can_t_grow(i, ret, 0, 1),
		     "pp_page_get_contiguous() is %d", ret);
	for (unsigned k = 0; k < n && !ret; k++) {
		page_got(i, pages[k]);
		must(!k || ((char *)pp_page_addr(pages[k]) - (char *)pp_page_addr(pages[k - 1]) ==
				    (ptrdiff_t)p->params.page_size &&
			    pp_page_iova(pages[k]) - pp_page_iova(pages[k - 1]) ==
				    p->params.page_size),
		     "they don't lie side by side");
	}
	p->gets -= ret ? 1 : n;
	return true;
}

static void check_frag(int i, struct ref_page *page, const struct pp_frag *f, uint32_t len,
		       uint32_t align)
{
	uint32_t size = ref.pool[i].params.page_size;

	must(f->len == len && f->offset <= size && len <= size - f->offset, "%u bytes at %u",
	     f->len, f->offset);
	must(f->addr == page->addr + f->offset && f->iova == page->iova + f->offset, "addresses");
	must(!(f->offset % (align ? align : 1)), "offset %u, aligned to %u", f->offset, align);
	for (uint32_t k = f->offset; k < f->offset + len; k++) {
		must(!page->cut[k], "byte %u was given out already", k);
		page->cut[k] = 1;
	}
}

/* The open page is cut from its start again. */
static void reopen(struct ref_page *page, uint32_t size)
{
	must(!page->held, "it begins anew, and %u fragments are out", page->held);
	memset(page->cut, 0, size);
}

/* A fragment has been got: of the open page, or of another, which is the open one now. */
static void frag_got(int i, const struct pp_frag *f, uint32_t len, uint32_t align)
{
	struct ref_pool *p = &ref.pool[i];
	struct ref_page *page = p->open == NONE ? NULL : &ref.page[p->open];
	uint32_t size = p->params.page_size;

	if (page && f->page == page->real) {
		if (!f->offset) /* it had no room: then it begins anew once all of it has been put */
			reopen(page, size);
		page->held++;
		check_frag(i, page, f, len, align);
		ref_frag_cut(page, !f->offset, len, align);
		return;
	}
	must(!page || page->held, "another page, though all of the open one has been put");
	ref_frag_close(i, thread); /* it had no room; after a failure it stays */
	page = page_got(i, f->page);
	page->open = true;
	page->cut = calloc(1, size);
	p->open = (int)(page - ref.page);
	check_frag(i, page, f, len, align);
	ref_frag_cut(page, true, len, align);
}

/* A fragment: of the open page, or of a new one, when that has no room. */
static bool get_frag(void)
{
	static const uint32_t aligns[] = { 0, 1, 8, 64, 512, 2048, 3, 1u << 20 };
	int i = pick_pool(), ret, ending;
	unsigned how = input_byte(&in);
	uint32_t align = aligns[how & 7], len, size;
	struct pp_frag f = { 0 };
	struct ref_pool *p;
	struct ref_page *page;
	bool fault;
	uint64_t left, have;

	if (i == NONE || ref.n_pages == PAGES)
		return false;
	p = &ref.pool[i];
	size = p->params.page_size;
	len = how >= 0xF0 ? (how & 8 ? 0 : size + 1) : (uint32_t)input_number(&in, 2) % size + 1;
	own(i);
	note("pp_frag_get(pool %d, %u bytes, aligned to %u)", i, len, align);
	if (ref_ending(p) == NONE)
		faults_begin();
	ret = pp_frag_get(&f, real.pool[i], len, align);
	fault = faults_end();
	if (!len || len > size || align > size || (align & (align - 1))) {
		must_be(ret, -EINVAL, "pp_frag_get()");
		expect_sentence();
		return true;
	}
	page = p->open == NONE ? NULL : &ref.page[p->open];
	if (!ret && page && f.page == page->real) {
		frag_got(i, &f, len, align);
		return true;
	}
	left = ref_available(p);
	have = pool_now[i].pages - p->in_flight;
	ending = ref_all_ending(p);
	if (ret) {
		if (ret == -ENODEV && !p->revoked && ending != NONE && !have && left)
			ref_enter(ending, true);
		else
			must(fault && !p->revoked ? fault_errno(ret) || !left :
			     ret == -ENOSPC || ret == -EIO || ret == -ENOMEM ?
						    can_t_grow(i, ret, (int)have, 1) :
						    ret == (p->revoked ? -ENODEV : -ENOBUFS) &&
							    (p->revoked || !left ||
							     can_t_grow(i, ret, (int)have, 1)),
			     "pp_frag_get() is %d", ret);
		return true;
	}
	must(!p->revoked && left, "a fragment of a pool that has no page left");
	frag_got(i, &f, len, align);
	return true;
}

static bool get_frags(void)
{
	static struct pp_frag f[300];
	unsigned n = amounts[input_below(&in, 7)];
	int i = pick_pool(), ret;
	uint32_t align = 1u << input_below(&in, 8), len;
	const struct ref_pool *p;

	if (i == NONE || ref.n_pages + (int)n > PAGES || ref_ending(&ref.pool[i]) != NONE)
		return false;
	p = &ref.pool[i];
	len = (uint32_t)input_number(&in, 2) % p->params.page_size + 1;
	own(i);
	note("pp_frag_get_batch(pool %d, %u of %u bytes, aligned to %u)", i, n, len, align);
	ret = pp_frag_get_batch(f, n, real.pool[i], len, align);
	for (int k = 0; k < ret; k++)
		frag_got(i, &f[k], len, align);
	if (ret <= 0)
		must(p->revoked ?
			     ret == -ENODEV :
			     (ret == -ENOBUFS && !ref_available(p)) || can_t_grow(i, ret, 0, 1),
		     "pp_frag_get_batch() is %d", ret);
	return true;
}

/* After it, at most `keep` idle chunks: and those that went can't be reached any more. */
static bool trim(void)
{
	static const uint64_t keeps[] = { 0, 0, 1, 3, UINT64_MAX };
	int i = pick_pool();
	uint64_t keep = keeps[input_below(&in, 5)], before, n, reserved, per_chunk;
	struct pp_pool_stats s;
	bool whole, owner;

	if (i == NONE)
		return false;
	if (ref.serial & 1)
		own(i);
	owner = ref.pool[i].owner == thread;
	before = pool_now[i].chunks;
	note("pp_pool_trim(%d, %llu)%s", i, (unsigned long long)keep, owner ? "" : ", another's");
	if (owner)
		ref_frag_close(i, thread); /* what nobody holds of the open page is to go too */
	n = pp_pool_trim(real.pool[i], keep);
	pp_pool_stats(real.pool[i], &s, sizeof s);
	must_be(before - s.chunks, n, "chunks that went");
	reserved = ref.pool[i].reserved;
	per_chunk = ref.pool[i].params.chunk_size / ref.pool[i].params.page_size;
	whole = ref.pool[i].revoked || ref.pool[i].params.area; /* nothing of it can be trimmed */
	must(whole ? !n : s.chunks_idle <= keep || s.pages < reserved + per_chunk,
	     "%llu idle chunks are left", (unsigned long long)s.chunks_idle);
	must(!n || s.pages >= reserved, "%llu pages are left of %llu that are reserved",
	     (unsigned long long)s.pages, (unsigned long long)reserved);
	if (owner && !keep && !reserved && !whole && ref.pool[i].in_flight < 100 &&
	    !ref.pool[i].shared) /* others' caches may hold some */
		must_be(s.chunks, ref_chunks(i), "chunks that are left");
	for (int d = 0; d < DEVICES; d++) {
		struct pp_domain_stats domain;

		if (!ref.device[d].there || ref_attachment(&ref.pool[i], ref.device[d].binding) < 0)
			continue;
		pp_domain_stats(real.device[d], &domain, sizeof domain);
		must_be(domain.pending_ranges, 0, "invalidations that are pending after a trim");
	}
	return true;
}

/* ---- put ------------------------------------------------------------------------------------- */

static struct ref_page *held_page(unsigned n)
{
	for (unsigned i = 0; i < (unsigned)ref.n_pages; i++) {
		struct ref_page *page = &ref.page[(n + i) % (unsigned)ref.n_pages];

		if (page->held)
			return page;
	}
	return NULL;
}

/* A trimmed or zombie chunk's last page, which is put twice, would be memory long gone. */
static bool chunk_stays(const struct ref_page *page)
{
	uintptr_t mask = ~((uintptr_t)ref.pool[page->pool].params.chunk_size - 1);

	for (int i = 0; i < ref.n_pages; i++)
		if (&ref.page[i] != page && ref.page[i].pool == page->pool &&
		    !(((uintptr_t)ref.page[i].addr ^ (uintptr_t)page->addr) & mask))
			return true;
	return false;
}

bool page_put(int pool, unsigned from)
{
	for (unsigned i = 0; i < (unsigned)ref.n_pages; i++) {
		struct ref_page *page = &ref.page[(from + i) % (unsigned)ref.n_pages];
		struct pp_page *real_page = page->real;

		if (page->pool != pool || !page->held)
			continue;
		page_compare(page);
		ref_put(page, thread);
		pp_page_put(real_page);
		return true;
	}
	return false;
}

static bool put(bool twice)
{
	struct ref_page *page = held_page((unsigned)input_number(&in, 2));
	struct pp_page *real_page;

	if (!page)
		return false;
	twice = twice && ref.pool[page->pool].watched && !ref.pool[page->pool].revoked &&
		page->held == 1 && !page->open && chunk_stays(page);
	note("pp_page_put(pool %d)%s", page->pool, twice ? ", twice" : "");
	page_compare(page);
	real_page = page->real;
	ref_put(page, thread);
	pp_page_put(real_page);
	if (!twice)
		return true;
	pp_page_put(real_page);
	report_expected = report_expected == REPORT_MAYBE ? REPORT_MAYBE : REPORT_SOME;
	return true;
}

static bool put_batch(void)
{
	static struct pp_page *pages[2100];
	unsigned n = amounts[input_below(&in, 8)], from = (unsigned)input_number(&in, 2), k;

	for (k = 0; k < n; k++) {
		struct ref_page *page = held_page(from + k);

		if (!page)
			break;
		contents_compare(page); /* one may be there more than once */
		pages[k] = page->real;
		ref_put(page, thread);
	}
	if (!k)
		return false;
	note("pp_page_put_batch(%u)", k);
	pp_page_put_batch(pages, k);
	return true;
}

static bool take_ref(void)
{
	struct ref_page *page = held_page((unsigned)input_number(&in, 2));
	unsigned n = input_below(&in, 5);

	if (!page)
		return false;
	note("pp_page_ref(pool %d, %u)", page->pool, n);
	pp_page_ref(page->real, n);
	page->held += n;
	return true;
}

static bool drop_refs(void)
{
	struct ref_page *page = held_page((unsigned)input_number(&in, 2));
	unsigned n = input_below(&in, 5);
	struct pp_page *real_page;

	if (!page)
		return false;
	n = n < page->held ? n : page->held;
	note("pp_page_unref(pool %d, %u)", page->pool, n);
	page_compare(page);
	real_page = page->real;
	for (unsigned k = 0; k < n; k++)
		ref_put(page, thread);
	pp_page_unref(real_page, n);
	return true;
}

/* ---- use ------------------------------------------------------------------------------------- */

static bool sync_page(struct ref_page *page, int d, uint32_t off, uint32_t len, bool for_cpu)
{
	const struct ref_pool *p = &ref.pool[page->pool];
	uint8_t *view;

	if (d == NONE || ref_attachment(p, ref.device[d].binding) < 0 ||
	    ref_sync_dir(p->params.dir, p->params.dir, for_cpu))
		return false;
	view = ref.device[d].incoherent ? page_view(page, d) : NULL;
	note("pp_page_sync_for_%s(page of pool %d, %u bytes)", for_cpu ? "cpu" : "device",
	     page->pool, len);
	must_be(pp_page_sync_at(ref.binding[ref.device[d].binding].name, page->real, off, len,
				for_cpu, PP_CALLER),
		0, "a sync of a page");
	if (ref.debug && view)
		report_expected = REPORT_MAYBE;
	if (view && for_cpu)
		memcpy(page->copy + off, view + off, len);
	else if (view)
		memcpy(view + off, page->copy + off, len);
	return true;
}

static bool use_page(void)
{
	struct ref_page *page = held_page((unsigned)input_number(&in, 2));
	unsigned how = input_byte(&in);
	uint32_t off = (uint32_t)input_number(&in, 2), len = 1u + input_byte(&in);

	if (!page)
		return false;
	off %= size_of(page);
	len = len < size_of(page) - off ? len : size_of(page) - off;
	if (how & 1)
		return sync_page(page, pick_device(), off, len, how & 2);
	if (how & 4) {
		note("pp_page_tag(pool %d)", page->pool);
		pp_page_tag(page->real, "a tag");
		return true;
	}
	note("the CPU writes to a page of pool %d, %u bytes", page->pool, len);
	memset(page_copy(page) + off, (int)how, len);
	memset(page->addr + off, (int)how, len);
	return true;
}

/* ---- recall ---------------------------------------------------------------------------------- */

static struct pp_recall holder[RECALLS];
static int holder_pool[RECALLS]; /* for which it was registered last */

/* Asked: put some of the pool's pages. */
static void recalled(struct pp_recall *self, const char *name)
{
	int r = (int)(self - holder);
	unsigned n = input_below(&in, 4);

	must(ref.recall_due[r], "holder %d is asked, and nothing was revoked", r);
	ref.recall_due[r]--;
	must(!strcmp(name, ref.pool[holder_pool[r]].name), "it is asked for pool %s", name);
	for (int i = ref.n_pages; i-- > 0 && n;)
		if (i < ref.n_pages && ref.page[i].pool == holder_pool[r] && ref.page[i].held) {
			struct pp_page *real_page = ref.page[i].real;

			page_compare(&ref.page[i]);
			ref_put(&ref.page[i], thread);
			pp_page_put(real_page);
			n--;
		}
}

static bool change_recall(void)
{
	int r = (int)input_below(&in, RECALLS), i = pick_pool();
	struct pp_recall deaf = { 0 };

	if (i == NONE)
		return false;
	if (input_byte(&in) & 1 || ref.recall_pool[r] != NONE) {
		note("pp_recall_unregister(%d)", r);
		must_be(pp_recall_unregister(&holder[r]), ref.recall_pool[r] == NONE ? -ENOENT : 0,
			"pp_recall_unregister()");
		ref.recall_pool[r] = NONE;
		return true;
	}
	note("pp_recall_register(%d, pool %d)", r, i);
	expect_sentence();
	must_be(pp_recall_register(real.pool[i], &deaf), -EINVAL,
		"pp_recall_register() without a callback");
	must_be(pp_recall_register(real.pool[i], NULL), -EINVAL, "pp_recall_register(NULL)");
	holder[r].recall = recalled;
	if (ref.pool[i].revoked) {
		must_be(pp_recall_register(real.pool[i], &holder[r]), -ENODEV,
			"pp_recall_register() of a revoked pool");
		return true;
	}
	must_be(pp_recall_register(real.pool[i], &holder[r]), 0, "pp_recall_register()");
	must_be(pp_recall_register(real.pool[i], &holder[r]), -EEXIST,
		"pp_recall_register() again");
	ref.recall_pool[r] = holder_pool[r] = i;
	return true;
}

static bool ask(void)
{
	int i = pick_pool();

	if (i == NONE)
		return false;
	note("pp_pool_recall(%d)", i);
	for (int r = 0; r < RECALLS; r++)
		ref.recall_due[r] += ref.recall_pool[r] == i;
	pp_pool_recall(real.pool[i]);
	return true;
}

void recalls_compare(void)
{
	for (int r = 0; r < RECALLS; r++)
		must(!ref.recall_due[r], "holder %d was not asked", r);
}

bool call_pool(unsigned which)
{
	int i;

	switch (which) {
	case 0: return create();
	case 1: return destroy();
	case 2: return attach();
	case 3: return detach();
	case 4:
		i = pick_pool();
		if (i == NONE)
			return false;
		note("pp_pool_own(%d)", i);
		own(i);
		return true;
	case 5: return get(false);
	case 6: return get(true);
	case 7: return put(false);
	case 8: return put_batch();
	case 9: return take_ref();
	case 10: return get_frag();
	case 11: return trim();
	case 12: return change_recall();
	case 13: return ask();
	case 14: return use_page();
	default: return put(true);
	}
}

/* ---- notice ---------------------------------------------------------------------------------- */

static void pages_are_back(void *ctx)
{
	__atomic_fetch_add(&told[(intptr_t)ctx], 1, __ATOMIC_RELAXED);
}

static bool change_notice(void)
{
	unsigned how = input_byte(&in);
	bool on = how & 3;
	int i = pick_pool();

	if ((how & 12) == 12) {
		real.limit = (uint64_t)(how >> 4) << 20;
		note("pp_budget_set(%u MiB)", how >> 4);
		pp_budget_set(real.budget, real.limit);
	}
	if (i == NONE)
		return false;
	note("pp_pool_notice(%d, %s)", i, on ? "a function" : "nobody");
	must_be(pp_pool_notice(real.pool[i], on ? pages_are_back : NULL, (void *)(intptr_t)i), 0,
		"pp_pool_notice()");
	return true;
}

bool call_pool_more(unsigned which)
{
	switch (which) {
	case 0: return get_nogrow();
	case 1: return get_contiguous();
	case 2: return get_frags();
	case 3: return drop_refs();
	case 4: return change_notice();
	default: return reserve();
	}
}

bool call_getter(unsigned which)
{
	return which ? use_getter() : make_getter();
}

/* ---- the beginning, the end, what can be seen ------------------------------------------------ */

void pools_begin(void)
{
	for (int i = 0; i < BUFFERS; i++) {
		if (!real.buffer[i]) {
			real.buffer[i] = aligned_alloc(4096, BUFFER_BYTES);
			real.buffer_copy[i] = malloc(BUFFER_BYTES);
		}
		memset(real.buffer[i], 0x10 + i, BUFFER_BYTES);
		memset(real.buffer_copy[i], 0x10 + i, BUFFER_BYTES);
	}
	real.limit = 5u << 20;
	must_be(pp_budget_create(&real.budget, real.limit), 0, "pp_budget_create()");
}

void pools_end(void)
{
	for (int r = 0; r < RECALLS; r++)
		if (ref.recall_pool[r] != NONE) {
			must_be(pp_recall_unregister(&holder[r]), 0, "pp_recall_unregister()");
			ref.recall_pool[r] = NONE;
		}
	for (int g = 0; g < GETTERS; g++)
		if (ref.getter[g].there && ref.getter[g].thread == thread)
			destroy_getter(g);
		else if (ref.getter[g].there)
			crowd_leave(ref.getter[g].thread, 1);
	for (int i = 0; i < POOLS; i++)
		if (ref.pool[i].handle) {
			ref_destroy(i);
			pp_pool_destroy(real.pool[i]);
		}
	while (ref.n_pages) {
		struct pp_page *real_page = ref.page[0].real;

		page_compare(&ref.page[0]);
		ref_put(&ref.page[0], thread);
		pp_page_put(real_page);
	}
	if (!ref.lost) {
		must_be(pp_budget_used(real.budget), 0, "of a budget that nobody uses");
		must_be(real.n_areas, 0, "areas that pools have not given back");
	}
	real.n_areas = 0;
	pp_budget_destroy(real.budget);
}

/* While a pool lives, what went in and out of it is known. */
static void compare_flow(const struct ref_pool *p, const struct pp_pool_stats *s)
{
	if (p->watched || p->revoked)
		return;
	must_be(s->alloc_fast + s->alloc_empty - s->alloc_failed, p->gets,
		"pages got, fast and not");
	/* a cache that others took from is closed to a put until its thread gets */
	if (p->shared) {
		must_be(s->recycle_cached + s->recycle_ring + s->recycle_ring_full,
			p->puts_owner + p->puts_other, "pages put");
	} else {
		must_be(s->recycle_cached, p->puts_owner, "pages put by the owner");
		must_be(s->recycle_ring + s->recycle_ring_full, p->puts_other,
			"pages put by others");
	}
	must(s->alloc_refill <= s->alloc_empty, "more refills than times the cache was empty");
}

/* Of a pool whose statistics were just read. */
uint64_t pool_bytes(int i)
{
	return ref_bytes(i, pool_now[i].chunks);
}

/* A page that has an age is out, an open one too. */
static void compare_ages(int i)
{
	struct pp_page_age age[32];
	int n = pp_pool_ages(real.pool[i], age, 32);

	must(n >= 0 && n <= 16, "%d ages", n);
	for (int k = 0; k < n; k++) {
		int at = 0;

		while (at < ref.n_pages &&
		       (ref.page[at].pool != i || pp_page_index(ref.page[at].real) != age[k].index))
			at++;
		must(at < ref.n_pages, "page %llu has an age, and nobody has it",
		     (unsigned long long)age[k].index);
		must(!k || age[k].ns <= age[k - 1].ns, "the oldest isn't the first");
	}
}

static void compare_pool(int i)
{
	const struct ref_pool *p = &ref.pool[i];
	struct pp_pool_stats *s = &pool_now[i];
	uint64_t before;
	unsigned n = 0;

	for (int k = 0; k < ATTACHMENTS; k++)
		n += p->at[k] != NONE;
	before = s->alloc_slow_high_order;
	pp_pool_stats(real.pool[i], s, sizeof *s);
	if (s->alloc_slow_high_order != before)
		ref.pool[i].refused = 0; /* it has grown */
	must_be(pp_pool_revoked(real.pool[i]), p->revoked, "pp_pool_revoked()");
	must_be(s->revoked, p->revoked, "revoked");
	must_be(s->in_flight, p->in_flight, "pages in flight");
	must_be(s->in_flight_at_revoke, p->in_flight_at_revoke,
		"pages in flight when it was revoked");
	must_be(s->attachments, n, "attachments");
	must_be(s->max_pages, p->params.max_pages, "the limit");
	must_be(s->reserved, p->reserved, "pages that are reserved");
	must(told[i] <= s->alloc_failed, "it was told of %llu failures of %llu",
	     (unsigned long long)told[i], (unsigned long long)s->alloc_failed);
	must(s->pages >= s->reserved || p->revoked, "fewer pages than are reserved");
	/* chunks that came while a device is ending aren't mapped for it */
	must(s->bytes_mapped == n * pool_bytes(i) ||
		     (ref_ending(p) != NONE && s->bytes_mapped < n * pool_bytes(i)),
	     "%llu bytes mapped", (unsigned long long)s->bytes_mapped);
	must_be(s->chunks, s->chunks_hugetlb + s->chunks_thp + s->chunks_base,
		"chunks of all kinds");
	must_be(s->alloc_slow_high_order, s->chunks + s->chunks_released, "chunks ever added");
	must(s->pages >= p->in_flight && (!p->params.max_pages || s->pages <= p->params.max_pages),
	     "%llu pages", (unsigned long long)s->pages);
	must(s->chunks_idle <= s->chunks && s->record_bytes, "chunks");
	must(s->peak_in_flight <= p->peak &&
		     s->peak_in_flight + PP_CACHE_PAGES * (p->shared ? 1 + GETTERS : 1) >= p->peak,
	     "the peak is %llu, not %llu", (unsigned long long)s->peak_in_flight,
	     (unsigned long long)p->peak);
	if (p->params.area)
		must_be(s->idle_limit, p->params.area / p->params.chunk_size, "chunks of the area");
	else if (p->params.idle_chunks)
		must_be(s->idle_limit, p->params.idle_chunks, "the limit of idle chunks");
	if (p->revoked && p->in_flight < 100)
		must_be(s->chunks, ref_chunks(i), "a zombie's chunks");
	compare_ages(i);
	compare_flow(p, s);
}

struct seen {
	uint64_t last_id, pools;
	uint64_t of_budget; /* bytes of their chunks */
};

static void compare_info(struct pp_pool *pool, void *ctx)
{
	struct seen *before = ctx;
	struct pp_pool_info info;
	struct pp_pool_stats s;
	const struct ref_pool *p;
	unsigned n = 0;
	int i = 0;

	pp_pool_info(pool, &info, sizeof info);
	while (i < POOLS && (!ref.pool[i].there || real.pool_id[i] != info.id))
		i++;
	must(i < POOLS, "a pool that is gone: %llu, %s", (unsigned long long)info.id, info.label);
	p = &ref.pool[i];
	must(info.id > before->last_id, "not in the order of their making");
	before->last_id = info.id;
	before->pools++;
	pp_pool_stats(pool, &s, sizeof s);
	before->of_budget += p->params.budget ? s.chunks * p->params.chunk_size : 0;
	must(!strcmp(info.name, p->name) && !strncmp(info.label, p->name, strlen(p->name)),
	     "the pool is called %s, %s", info.name, info.label);
	must(info.page_size == p->params.page_size && info.chunk_size == p->params.chunk_size &&
		     info.dir == (uint32_t)p->params.dir,
	     "other parameters");
	must_be(info.destroyed, !p->handle, "destroyed");
	must_be(info.revoked_ago_ns != 0, p->revoked, "revoked");
	for (int k = 0; k < ATTACHMENTS; k++)
		if (p->at[k] != NONE)
			must(n < info.n_bindings &&
				     info.binding[n++].id == ref.binding[p->at[k]].name.id,
			     "other bindings");
	must_be(info.n_bindings, n, "bindings");
}

void pools_each_compare(void)
{
	struct seen seen = { 0 };
	uint64_t there = 0, used;

	for (int i = 0; i < POOLS; i++)
		there += ref.pool[i].there;
	pp_pool_each(compare_info, &seen);
	must_be(seen.pools, there, "pools that pp_pool_each() showed");
	used = pp_budget_used(real.budget);
	must(used == seen.of_budget || (ref.lost && used > seen.of_budget),
	     "pools have %llu bytes of a budget of which %llu are used",
	     (unsigned long long)seen.of_budget, (unsigned long long)used);
}

/*
 * A get tries to grow before it takes from others' caches, and what lies in those isn't known here:
 * while all of a pool's bindings are ending, each such try is a late call.
 */
static void count_tries(int i)
{
	int ending = ref_all_ending(&ref.pool[i]), d;
	struct pp_device_stats s;

	if (!ref.pool[i].shared || ending == NONE)
		return;
	d = ref.binding[ending].device;
	pp_device_stats(real.device[d], &s, sizeof s);
	while (ref.device[d].late < s.late_calls_refused)
		ref_enter(ending, true);
}

void pools_compare(void)
{
	for (int i = 0; i < POOLS; i++) {
		if (!ref.pool[i].handle)
			continue;
		count_tries(i);
		compare_pool(i);
	}
}
