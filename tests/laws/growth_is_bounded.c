/*
 * growth_is_bounded.c - growing and shrinking: the most that a get, a put and a trim may cost, in
 * steps; where memory comes from and where it goes. Law 12, of the pool.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "counting_iommu.h"

#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* ---- the system, watched and played ---------------------------------------------------------- */

static struct {
	unsigned records; /* allocations */
	unsigned calls;   /* of the system for memory */
	unsigned discards;
	bool used_up; /* no memory is given */
	bool locked;  /* memory is locked: MADV_DONTNEED is refused, */
	bool old;     /* by a kernel that doesn't know MADV_DONTNEED_LOCKED and POPULATE_WRITE */
	bool stuck;   /* nothing helps */
	bool hugetlb; /* there are huge pages: base pages, that look like them */
	unsigned promised; /* more of them are promised than there are: so many can be had, */
	unsigned unlocked, populated;
	bool unpopulated; /* a byte of such memory was handed out that isn't there */
} sys = { .promised = ~0u };

int __real_posix_memalign(void **out, size_t align, size_t bytes);
int __wrap_posix_memalign(void **out, size_t align, size_t bytes);
typedef void *map_fn(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
map_fn __real_mmap, __wrap_mmap, __real_mmap64, __wrap_mmap64;
int __real_mprotect(void *addr, size_t len, int prot);
int __wrap_mprotect(void *addr, size_t len, int prot);
int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);
int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);
int __wrap_munlock(const void *addr, size_t len);

int __wrap_posix_memalign(void **out, size_t align, size_t bytes)
{
	sys.records++;
	return __real_posix_memalign(out, align, bytes);
}

/* A map of huge pages. */
static void *map_huge(map_fn *real, size_t len, int prot)
{
	char *p;

	if (!sys.hugetlb) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	p = real(NULL, len + 2 * MIB, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p + (-(uintptr_t)p & (2 * MIB - 1)); /* the ends stay: a test's memory */
}

static void *no_memory(void)
{
	errno = ENOMEM;
	return MAP_FAILED;
}

/* By either name: the size of off_t decides which one is called. */
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	sys.calls++;
	return sys.used_up         ? no_memory() :
	       flags & MAP_HUGETLB ? map_huge(__real_mmap, len, prot) :
				     __real_mmap(addr, len, prot, flags, fd, offset);
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	sys.calls++;
	return sys.used_up         ? no_memory() :
	       flags & MAP_HUGETLB ? map_huge(__real_mmap64, len, prot) :
				     __real_mmap64(addr, len, prot, flags, fd, offset);
}

static int refused(int error)
{
	errno = error;
	return -1;
}

int __wrap_mprotect(void *addr, size_t len, int prot)
{
	sys.calls++;
	if (sys.used_up && prot != PROT_NONE)
		return refused(ENOMEM);
	return __real_mprotect(addr, len, prot);
}

int __wrap_munmap(void *addr, size_t len)
{
	sys.calls++;
	return __real_munmap(addr, len);
}

int __wrap_madvise(void *addr, size_t len, int advice)
{
	sys.calls++;
	sys.discards += advice == MADV_DONTNEED;
	if (sys.stuck && (advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED))
		return refused(advice == MADV_DONTNEED ? EINVAL : EAGAIN);
	if (advice == MADV_DONTNEED && sys.locked)
		return refused(EINVAL);
	if (sys.old && (advice == MADV_DONTNEED_LOCKED || advice == MADV_POPULATE_WRITE))
		return refused(EINVAL);
	if (advice == MADV_POPULATE_WRITE) {
		if (len / (2 * MIB) > sys.promised)
			return refused(EFAULT);
		sys.promised -= (unsigned)(len / (2 * MIB));
		sys.populated += (unsigned)(len / (2 * MIB));
		for (size_t at = 0; at < len;
		     at += 4096) /* the kernel below may be too old, or qemu-user */
			((volatile char *)addr)[at] = 0;
		return 0;
	}
	/* the memory isn't locked in truth */
	return __real_madvise(addr, len, advice == MADV_DONTNEED_LOCKED ? MADV_DONTNEED : advice);
}

int __wrap_munlock(const void *addr, size_t len)
{
	(void)addr;
	(void)len;
	sys.unlocked++;
	sys.locked = false; /* of the range; the next one is another test's */
	return 0;
}

/* ---- no thread is cancelled in a call of the library ---------------------------------------- */

struct cancelled {
	struct pp_pool *pool;
	int returned;
};

static void *is_cancelled_in_a_get(void *arg)
{
	struct cancelled *c = arg;
	struct pp_page *page;
	int state;

	pp_pool_own(c->pool);
	pthread_cancel(
		pthread_self()); /* at the next cancellation point, which a growth must not be */
	if (!pp_page_get(&page, c->pool))
		pp_page_put(page);
	raise_flag(&c->returned);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* it ends as others do */
	return NULL;
}

static void a_get_is_no_cancellation_point(void)
{
	static const enum pp_memory kinds[] = { PP_MEMORY_HUGETLB, PP_MEMORY_THP, PP_MEMORY_BASE };

	for (unsigned i = 0; i < 3; i++) {
		struct pp_pool_params p = pp_pool_defaults();
		struct cancelled c = { .returned = 0 };
		struct soft_device d;

		p.memory = kinds[i];
		soft_device_init(&d, NULL);
		c.pool = new_pool(soft_device_bind(&d), &p);
		join(start(is_cancelled_in_a_get, &c));
		/* else the pool's lock is locked for ever: it makes no sense to go on */
		require(flag_up(&c.returned),
			"memory of kind %u: the get of a thread that is cancelled "
			"returns first",
			i);
		check_eq(pool_stats(c.pool).in_flight, 0, "its put is counted");
		pp_pool_destroy(c.pool);
		soft_device_exit(&d);
	}
	check_nothing_left("at the end");
}

/* ---- what a get costs ----------------------------------------------------------------------- */

/* Get one page at a time until that fails; returns the errno. */
static int take_all(struct pp_pool *pool, struct bunch *b)
{
	int ret = 0;

	b->page = calloc(5000, sizeof *b->page);
	for (b->n = 0; b->n < 5000 && !ret; b->n += !ret)
		ret = pp_page_get(&b->page[b->n], pool);
	return ret;
}

/*
 * Take the upper half of what 32 bits have: a 32-bit process doesn't have the addresses to use up
 * all of it. Its memory is only named, never touched.
 */
static pp_iova_t take_half(pp_binding_t binding)
{
	pp_iova_t half;

	require(!pp_dma_map(binding, (void *)0x10000000, (size_t)2 << 30, PP_DMA_TO_DEVICE, &half),
		"half of what 32 bits have");
	return half;
}

static void give_half(pp_binding_t binding, pp_iova_t half)
{
	check_eq(pp_dma_unmap(binding, half, (size_t)2 << 30, PP_DMA_TO_DEVICE), 0,
		 "the half goes");
}

/* IOVA is asked for before memory and records, and not again before some has been given back. */
static void a_get_without_iova(void)
{
	struct pp_pool_params p = small_chunks(64 * MIB);
	static char other[PP_BASE_PAGE];
	struct soft_device d;
	pp_binding_t binding;
	struct pp_pool *pool;
	struct pp_page *page;
	pp_iova_t iova, half;
	struct bunch b;
	unsigned steps;
	struct counting_iommu counting;

	p.page_size = 32 * MIB;
	p.idle_chunks = 1000;
	counting_device_init(&d, &counting, NULL);
	if (counting.soft->pins) {
		tap_skip("IOVA space runs out", "this IOMMU pins what it maps: gigabytes");
		soft_device_exit(&d);
		return;
	}
	d.mask_bits = 32;
	binding = soft_device_bind(&d);
	half = take_half(binding);
	require(!pp_dma_map(binding, other, sizeof other, PP_DMA_TO_DEVICE, &iova), "a mapping");
	pool = new_pool(binding, &p);
	check_eq(take_all(pool, &b), -ENOSPC, "%u pages of 32 MiB, and no IOVA for more", b.n);
	steps = sys.records + sys.calls + counted_calls(&counting);
	for (unsigned i = 0; i < 100; i++)
		if (pp_page_get(&page, pool) != -ENOSPC)
			require(false, "a get that fails goes on to fail");
	check_eq(sys.records + sys.calls + counted_calls(&counting), steps,
		 "a hundred more that fail: no record, no memory, no mapping is tried");
	check_eq(pp_dma_unmap(binding, iova, sizeof other, PP_DMA_TO_DEVICE), 0,
		 "some IOVA comes back");
	check_eq(pp_page_get(&b.page[b.n++], pool), 0, "and a get finds it");
	check_eq(pp_page_get(&b.page[b.n++], pool), 0, "a chunk has two pages");
	check_eq(pp_page_get(&page, pool), -ENOSPC, "and that was all");
	pp_page_put(b.page[--b.n]);
	pp_page_put(b.page[--b.n]);
	check_eq(pp_pool_trim(pool, 0), 1, "a chunk goes");
	check_eq(pp_page_get(&b.page[b.n++], pool), 0, "and a get finds its place");
	put_all(&b);
	pp_pool_destroy(pool);
	give_half(binding, half);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* The system has no memory: it is asked by the first gets that fail, and then seldom. */
static void a_get_without_memory(void)
{
	struct pp_pool_params p = small_chunks(2 * MIB);
	struct pp_page *page = NULL;
	struct soft_device d;
	struct pp_pool *pool;
	unsigned calls, n;

	p.idle_chunks = 0;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	for (unsigned round = 0; round < 2; round++) {
		sys.used_up = true;
		for (unsigned i = 0; i < 16; i++) {
			calls = sys.calls;
			if (pp_page_get(&page, pool) != -ENOMEM || sys.calls == calls)
				require(false, "get %u fails, and has asked", i);
		}
		calls = sys.calls;
		for (unsigned i = 0; i < 160; i++)
			if (pp_page_get(&page, pool) != -ENOMEM)
				require(false, "a get that fails goes on to fail");
		check(sys.calls > calls && sys.calls - calls <= 50,
		      "of 160 more, ten ask: %u calls for memory", sys.calls - calls);
		sys.used_up = false;
		for (n = 0; n < 16 && pp_page_get(&page, pool); n++)
			;
		require(page != NULL, "there is memory again: after %u more there is a page", n);
		pp_page_put(page);
		pp_pool_trim(pool, 0);
	}
	sys.used_up = true;
	for (unsigned i = 0; i < 40; i++)
		pp_page_get(&page, pool);
	check_eq(pp_pool_reserve(pool, 1), -ENOMEM, "pages can't be reserved");
	for (unsigned i = 0; i < 40; i++)
		pp_page_get(&page, pool);
	sys.used_up = false;
	check_eq(pp_pool_reserve(pool, 1), 0, "now they can, at once");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* An IOMMU that is full: a get that fails costs no more than one that succeeds. */
static void a_get_with_a_full_iommu(void)
{
	struct pp_pool_params p = small_chunks(MIB);
	unsigned records, calls, maps;
	struct soft_device d;
	struct pp_pool *pool;
	struct pp_page *page;
	struct bunch b;
	struct counting_iommu counting;

	p.page_size = MIB;
	counting_device_init(&d, &counting, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 15);
	records = sys.records;
	calls = sys.calls;
	require(!pp_page_get(&page, pool), "a get that grows");
	pp_page_put(page);
	records = sys.records - records;
	calls = sys.calls - calls;
	put_all(&b);
	b = take(pool, (unsigned)pool_stats(pool).pages);
	counting.map_error = -ENOSPC;
	for (unsigned i = 0; i < 5; i++) {
		unsigned r = sys.records, c = sys.calls, m = counting.maps;

		check_eq(pp_page_get(&page, pool), -ENOSPC, "the IOMMU is full");
		if (!i)
			continue; /* which is not known before: four were tried, and one */
		check(sys.records - r <= records && sys.calls - c <= calls + 1 &&
			      counting.maps - m == 1,
		      "one chunk is tried: %u records, %u calls for memory", sys.records - r,
		      sys.calls - c);
	}
	maps = counting.maps;
	counting.map_error = 0;
	check_eq(pp_page_get(&page, pool), 0, "there is room again");
	check_eq(counting.maps - maps, 1, "for one more chunk, to begin with");
	pp_page_put(page);
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- where a growth goes ----------------------------------------------------------------- */

/* A slow holder's page doesn't keep the IOVA of its chunk's neighbours from the pool. */
static void slots_are_filled_again(bool deferred)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct bunch slow = { calloc(40, sizeof *slow.page), 0 };
	uint64_t iova = 0;
	struct soft_device d;
	struct pp_pool *pool;

	soft.deferred = deferred;
	soft_device_init(&d, &soft);
	pool = new_pool(soft_device_bind(&d), &p);
	for (unsigned round = 0; round < 10; round++) {
		struct bunch b = take(pool, 300 * 16);

		check(device_reads(&d, &b), "round %u: the device reads them all", round);
		if (!round)
			iova = totals().iova_bytes;
		for (unsigned i = 0; i < b.n; i++)
			if (i % (80 * 16) == 5)
				slow.page[slow.n++] = b.page[i];
			else
				pp_page_put(b.page[i]);
		free(b.page);
		/* but for what is pending, and the rest of the last spans */
		check(totals().iova_bytes <= iova + (deferred ? 3 : 1) * 64 * 64 * KIB,
		      "no more IOVA than in the first");
		if (round % 2)
			pp_pool_trim(pool, 0);
	}
	check(all_different(&slow), "what is slow is whole");
	put_all(&slow);
	pp_pool_trim(pool, 0);
	check_eq(totals().chunk_bytes, 0, "all goes");
	domain_is_empty(&d, "trimmed to nothing");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void slots_are_filled_again_either_way(void)
{
	slots_are_filled_again(false);
	slots_are_filled_again(true);
}

/* The last IOVA is that of chunks whose invalidation is pending: it is completed for a get. */
static void a_get_completes_what_is_pending(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(2 * MIB);
	struct soft_device d;
	pp_binding_t binding;
	struct pp_pool *pool;
	pp_iova_t half;
	struct bunch b;
	unsigned n;

	soft.deferred = true;
	p.page_size = 2 * MIB;
	p.idle_chunks = 11;
	soft_device_init(&d, &soft);
	if (d.iommu->pins) {
		tap_skip("IOVA space runs out", "this IOMMU pins what it maps: gigabytes");
		soft_device_exit(&d);
		return;
	}
	d.mask_bits = 32;
	binding = soft_device_bind(&d);
	half = take_half(binding);
	pool = new_pool(binding, &p);
	check_eq(take_all(pool, &b), -ENOSPC, "%u pages of 2 MiB", b.n);
	n = b.n;
	put_all(&b); /* what doesn't fit into the cache is trimmed */
	check(soft_device_domain(&d).pending_ranges > 0, "%llu ranges are pending",
	      (unsigned long long)soft_device_domain(&d).pending_ranges);
	check_eq(take_all(pool, &b), -ENOSPC, "all pages again");
	check_eq(b.n, n, "no less than before");
	put_all(&b);
	pp_pool_destroy(pool);
	give_half(binding, half);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* Never used or used before: not more are idle than the limit says. */
static void fresh_chunks_are_idle(void)
{
	for (unsigned limit = 1; limit < 9; limit++) {
		struct pp_pool_params p = small_chunks(2 * MIB);
		struct bunch b = { calloc(20000, sizeof *b.page), 0 };
		struct pp_pool *pool;
		uint64_t most = 0;

		p.idle_chunks = limit;
		pool = new_pool(pp_binding_none(), &p);
		for (; b.n < 20000; b.n++) {
			if (pp_page_get(&b.page[b.n], pool))
				require(false, "a page");
			if (b.n % 64 == 0 && pool_stats(pool).chunks_idle > most)
				most = pool_stats(pool).chunks_idle;
		}
		check(most <= limit, "%u at most: never more than %llu while it grows", limit,
		      (unsigned long long)most);
		put_all(&b);
		check(pool_stats(pool).chunks_idle <= limit, "nor when all pages are back");
		pp_pool_destroy(pool);
	}
	check_nothing_left("at the end");
}

/* ---- what a put costs -------------------------------------------------------------------- */

/*
 * Of each put, however many chunks there are. A watched pool: each put goes to its chunk. Else,
 * once in a while, 32 of the owner's cache do, which may be as many chunks.
 */
static void a_put_trims_a_little(unsigned pages, bool deferred, bool watched)
{
	struct pp_pool_params p = small_chunks(watched ? 64 * KIB : 4 * KIB);
	unsigned unmaps = 0, discards = 0, most = watched ? 2 : 2 * 32;
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;
	struct counting_iommu counting;

	p.idle_chunks = 8;
	counting_device_init(&d, &counting, NULL);
	counting.iommu.deferred = deferred;
	pp_debug_set(watched ? PP_DEBUG_PAGES : 0);
	pool = new_pool(soft_device_bind(&d), &p);
	pp_debug_set(0);
	b = take(pool, pages);
	for (unsigned i = 0; i < b.n; i++) {
		unsigned u = counting.unmaps, c = sys.discards;

		pp_page_put(b.page[i]);
		unmaps = counting.unmaps - u > unmaps ? counting.unmaps - u : unmaps;
		discards = sys.discards - c > discards ? sys.discards - c : discards;
	}
	check(unmaps && unmaps <= most, "%u pages, %s: the longest put unmapped %u chunks", pages,
	      deferred ? "deferred" : "strict", unmaps);
	check(discards && discards <= most, "and gave the memory of %u back", discards);
	check(pool_stats(pool).chunks_idle <= pool_stats(pool).idle_limit, "the limit is kept");
	free(b.page);
	pp_pool_trim(pool, 0);
	check_eq(totals().chunk_bytes, 0, "trimmed to nothing");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void a_put_is_bounded(void)
{
	for (unsigned watched = 0; watched < 2; watched++) {
		a_put_trims_a_little(1000, false, watched);
		a_put_trims_a_little(20000, false, watched);
		a_put_trims_a_little(20000, true, watched);
	}
}

/*
 * Two pools of a device with deferred invalidations: a put to one doesn't free the other's chunks.
 */
static void a_put_does_no_other_pools_work(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	unsigned most = 0, before;
	struct pp_pool *pool[2];
	struct soft_device d;
	struct bunch b[2];
	struct counting_iommu counting;

	p.idle_chunks = 8;
	counting_device_init(&d, &counting, NULL);
	counting.iommu.deferred = true;
	soft_device_bind(&d);
	pp_debug_set(PP_DEBUG_PAGES);
	for (unsigned i = 0; i < 2; i++) {
		pool[i] = new_pool(pp_device_binding(d.dev), &p);
		b[i] = take(pool[i], 60 * 16);
	}
	pp_debug_set(0);
	put_all(&b[0]); /* some fifty of its chunks are pending */
	before = counting.invalidations;
	for (unsigned i = 0; i < b[1].n; i++) {
		unsigned discards = sys.discards;

		pp_page_put(b[1].page[i]);
		most = sys.discards - discards > most ? sys.discards - discards : most;
	}
	check(counting.invalidations > before,
	      "all that was pending was invalidated by puts to another pool,");
	check(most <= 2, "the longest of which gave the memory of %u chunks back", most);
	free(b[1].page);
	pp_pool_destroy(pool[0]);
	pp_pool_destroy(pool[1]);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- memory ------------------------------------------------------------------------------ */

/* Locked memory that is trimmed goes back too, or is said to be there. */
static void locked_memory(bool old, bool stuck)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	unsigned in = 0, live;
	struct pp_pool *pool;
	char *addr[16 * 63];
	struct bunch b;

	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 16 * 63);
	check(all_different(&b), "63 chunks");
	fill_all(&b, 1);
	for (unsigned i = 0; i < b.n; i++)
		addr[i] = pp_page_addr(b.page[i]);
	thin_out(&b, 100); /* of spans with a page that stays the addresses stay as well */
	sys.locked = true;
	sys.old = old;
	sys.stuck = stuck;
	sys.unlocked = 0;
	pp_pool_trim(pool, 0);
	live = (unsigned)pool_stats(pool).chunks * 16;
	for (unsigned i = 0; i < 16 * 63; i++)
		in += in_memory(addr[i]);
	if (stuck)
		check_eq(totals().chunk_bytes, in * 4096ull, "what can't be given back is counted");
	else
		check_eq(in, live, "what is trimmed has gone, %s",
			 old ? "as an old kernel does it" : "by its own name");
	if (!stuck)
		check_eq(totals().chunk_bytes, live * 4096ull, "as the statistics say");
	check_eq(sys.unlocked != 0, old && !stuck, "it was unlocked only if that is needed");
	check(all_filled(&b, 1), "what stays is whole");
	sys.locked = sys.old = sys.stuck = false;
	put_all(&b);
	b = take(pool, 16 * 63); /* slots whose memory is there still, and others */
	fill_all(&b, 2);
	check_eq(totals().chunk_bytes, pool_stats(pool).chunks * 64 * KIB, "counted once");
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void memory_that_is_locked(void)
{
	locked_memory(false, false);
	locked_memory(true, false);
	locked_memory(false, true);
}

/* The same for pages of a zombie: what could not go with them goes with their chunk. */
static void locked_pages_of_a_zombie(void)
{
	uint32_t size = (uint32_t)sysconf(_SC_PAGESIZE); /* one that can be given back alone */
	struct pp_pool_params p = small_chunks(16 * size);
	struct pp_pool *pool;
	struct bunch b;
	char *addr[32];

	p.page_size = size;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 16 * 3); /* spans of one chunk and of two */
	check(all_different(&b), "three chunks");
	fill_all(&b, 1);
	for (unsigned i = 0; i < 32; i++)
		addr[i] = pp_page_addr(b.page[i]);
	pp_pool_destroy(pool);
	sys.locked = sys.stuck = true;
	for (unsigned i = 0; i < 15; i++)
		pp_page_put(b.page[i]);
	sys.stuck = false;
	check(in_memory(addr[0]), "the memory of a page that came home could not be given back");
	for (unsigned i = 16; i < 31; i++)
		pp_page_put(b.page[i]);
	check(!in_memory(addr[16]), "that of another can");
	pp_page_put(b.page[15]);
	pp_page_put(b.page[31]);
	check_eq(totals().chunk_bytes, 16 * size, "with its last page a chunk goes");
	for (unsigned i = 0; i < 32; i++)
		if (in_memory(addr[i]))
			check(false, "page %u is there still", i);
	sys.locked = false;
	for (unsigned i = 32; i < 48; i++)
		pp_page_put(b.page[i]);
	free(b.page);
	check_nothing_left("at the end");
}

/* A huge page that is promised and isn't there would be a signal later: it is found out before. */
static void huge_pages_are_there(bool old)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool *pool;
	struct bunch b;
	unsigned missing = 0;

	sys.hugetlb = true;
	sys.old = old;
	sys.promised = old ? ~0u : 5;
	sys.populated = 0;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 11 * 512);
	check_eq(pool_stats(pool).chunks_hugetlb, old ? 11 : 5,
		 "chunks of huge pages: as many as there are");
	check_eq(sys.populated, old ? 0 : 5, "each was asked for");
	for (unsigned i = 0; i < b.n; i++)
		if ((uintptr_t)pp_page_addr(b.page[i]) % (2 * MIB) == 0 && i < 512 * 5)
			missing += !in_memory(pp_page_addr(b.page[i]));
	check_eq(missing, 0, "and is there before it is touched");
	check_eq(*(char *)pp_page_addr(b.page[0]), 0, "as zero");
	put_all(&b);
	pp_pool_destroy(pool);
	sys.hugetlb = sys.old = false;
	sys.promised = ~0u;
	check_nothing_left("at the end");
}

static void huge_pages(void)
{
	huge_pages_are_there(false);
	huge_pages_are_there(true);
}

/* A chunk of huge pages that is trimmed beside one that stays. */
static void huge_pages_go_back(void)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool *pool;
	struct soft_device d;
	struct bunch b;

	sys.hugetlb = true;
	p.idle_chunks = 100;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 11 * 512);
	check(all_different(&b), "11 chunks");
	fill_all(&b, 4);
	for (unsigned i = 0; i < 2; i++) {
		thin_out(&b, 700);
		pp_pool_trim(pool, 0);
		check(totals().chunk_bytes == pool_stats(pool).chunks * 2 * MIB,
		      "others are trimmed");
		check_eq(pool_stats(pool).chunks_hugetlb, pool_stats(pool).chunks,
			 "those left are huge");
		check(all_filled(&b, 4), "and whole");
		put_all(&b);
		b = take(pool, 11 * 512);
		fill_all(&b, 4);
		check(device_reads(&d, &b), "and all can be had again");
	}
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	sys.hugetlb = false;
	check_nothing_left("at the end");
}

/* ---- beside another device's end --------------------------------------------------------- */

struct other {
	const struct soft_device *stays; /* or NULL */
	struct pp_pool *pool;
	struct bunch b;
	int ret;
};

/* The driver of a device that ends: the pool's owner goes on, for the other device. */
static void gets_during_remove(struct soft_device *d, pp_binding_t binding, enum pp_remove_why why)
{
	struct other *o = d->test;

	(void)binding;
	(void)why;
	o->b.page = calloc(2000, sizeof *o->b.page);
	for (o->ret = 0; o->b.n < 2000 && !o->ret; o->b.n += !o->ret)
		o->ret = pp_page_get(&o->b.page[o->b.n], o->pool);
	if (o->stays)
		check_eq(pool_stats(o->pool).bytes_mapped,
			 soft_device_domain(o->stays).bytes_mapped +
				 soft_device_domain(d).bytes_mapped,
			 "what is mapped is counted, for one or for both");
}

static void growth_for_those_that_stay(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct other o = { .ret = -1 };
	struct soft_device a, b;
	struct bunch before;

	p.idle_chunks = 1000;
	soft_device_init(&a, NULL);
	soft_device_init(&b, NULL);
	b.test = &o;
	o.stays = &a;
	b.remove = gets_during_remove;
	o.pool = new_pool(soft_device_bind(&a), &p);
	require(!pp_pool_attach(o.pool, soft_device_bind(&b)), "a pool of two devices");
	before = take(o.pool, 1000);
	thin_out(&before, 40);
	pp_pool_trim(o.pool, 0); /* spans with free slots, mapped for both */
	pp_device_unbind(b.dev);
	check_eq(o.ret, 0, "while one is unbound, gets succeed for the other (%u)", o.b.n);
	check(device_reads(&a, &o.b) && device_reads(&a, &before), "which reaches them all");
	check_eq(device_can_write(&b, &o.b), 0, "the one that went reaches none");
	domain_is_empty(&b, "unbound");
	check(!pp_pool_revoked(o.pool), "the pool lives");
	put_all(&o.b);
	before.page = realloc(before.page, 4000 * sizeof *before.page);
	for (; before.n < 4000; before.n++)
		require(!pp_page_get(&before.page[before.n], o.pool), "page %u", before.n);
	check(device_reads(&a, &before), "and goes on");
	b.remove = NULL;
	a.test = &o;
	o.stays = NULL;
	a.remove = gets_during_remove;
	o.b.n = 0;
	pp_device_unbind(a.dev);
	check(o.ret == -ENODEV, "while the last is unbound they fail as for good (%d)", o.ret);
	put_all(&o.b);
	put_all(&before);
	pp_pool_destroy(o.pool);
	soft_device_exit(&a);
	soft_device_exit(&b);
	check_nothing_left("at the end");
}

/* Its errno is the get's, and no word between the parts of the library. */
static void a_get_with_a_back_end_that_says_again(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d;
	struct pp_pool *pool;
	struct pp_page *page;
	struct counting_iommu counting;

	counting_device_init(&d, &counting, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	counting.map_error = -EAGAIN;
	counting.map_errors = 1000; /* or the get would never end */
	check_eq(pp_page_get(&page, pool), -EAGAIN, "a map that says -EAGAIN fails the get");
	check(counting.maps <= 2, "which is tried no more than others (%u maps)", counting.maps);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

int main(void)
{
	run(a_get_is_no_cancellation_point);
	run(a_get_without_iova);
	run(a_get_without_memory);
	run(a_get_with_a_full_iommu);
	run(a_get_with_a_back_end_that_says_again);
	run(slots_are_filled_again_either_way);
	run(a_get_completes_what_is_pending);
	run(fresh_chunks_are_idle);
	run(a_put_is_bounded);
	run(a_put_does_no_other_pools_work);
	run(memory_that_is_locked);
	run(locked_pages_of_a_zombie);
	run(huge_pages);
	run(huge_pages_go_back);
	run(growth_for_those_that_stay);
	return tap_end();
}
