/*
 * pool_keeps_its_contract.c - unit tests of src/pool/: parameters, sizes, limits, batches,
 * references, statistics, growth, trimming, owners.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <unistd.h>

static int try_params(const struct pp_pool_params *p)
{
	struct pp_pool *pool = NULL;
	int ret = pp_pool_create(&pool, pp_binding_none(), p);

	if (ret && pool)
		check(false, "a failure gives no pool");
	pp_pool_destroy(pool);
	return ret;
}

static void parameters_that_are_refused(void)
{
	static const struct {
		uint32_t page, chunk;
	} sizes[] = { { 1024, 0 },     { 2047, 0 },        { 3000, 0 },
		      { 4096, 2048 },  { 8192, 4096 },     { 4096, 3u << 20 },
		      { 4u << 20, 0 }, { 4096, 2u << 30 }, { 2048, 2048 } };
	struct pp_pool_params p;
	char longer[sizeof p + 16] = { 0 };

	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		p = pp_pool_defaults();
		p.page_size = sizes[i].page;
		p.chunk_size = sizes[i].chunk;
		check_eq(try_params(&p), -EINVAL, "pages of %u bytes in chunks of %u",
			 sizes[i].page, sizes[i].chunk);
	}
	p = pp_pool_defaults();
	p.dir = (enum pp_dma_dir)3;
	check_eq(try_params(&p), -EINVAL, "a direction that there isn't");
	p = pp_pool_defaults();
	p.memory = (enum pp_memory)7;
	check_eq(try_params(&p), -EINVAL, "a memory that there isn't");
	p = pp_pool_defaults();
	p.size = 0;
	check_eq(try_params(&p), -EINVAL, "no size");
	p = pp_pool_defaults();
	p.size = sizeof longer;
	memcpy(longer, &p, sizeof p);
	check_eq(try_params((void *)longer), 0, "a longer structure with zeros");
	longer[sizeof longer - 1] = 1;
	check_eq(try_params((void *)longer), -E2BIG, "a longer structure with something in it");
	p = pp_pool_defaults();
	p.size = offsetof(struct pp_pool_params, max_pages);
	p.page_size = 8192;
	check_eq(try_params(&p), 0, "a shorter one, of an older program");
	check_eq(try_params(NULL), 0, "none");
	check_eq(try_params(&(struct pp_pool_params){ .size = sizeof p }), 0, "all zero");
	pp_pool_destroy(NULL);
	check_nothing_left("after all that");
}

/* ---- sizes --------------------------------------------------------------------------- */

static void pages_of(uint32_t page_size, uint32_t chunk_size)
{
	struct pp_pool_params p = small_chunks(chunk_size);
	unsigned n = 3 * (chunk_size / page_size), misplaced = 0;
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	p.page_size = page_size;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	check_eq(pool_stats(pool).chunks, 0, "a new pool has no memory");
	b = take(pool, n);
	check(all_different(&b), "%u pages of %u bytes", n, page_size);
	for (unsigned i = 0; i < n; i++) {
		misplaced += (uintptr_t)pp_page_addr(b.page[i]) % page_size != 0;
		misplaced += pp_page_iova(b.page[i]) % page_size != 0;
		misplaced += pp_page_size(b.page[i]) != page_size;
		misplaced += pp_page_refs(b.page[i]) != 1;
	}
	check_eq(misplaced, 0, "each aligned, of its size, with one reference");
	check_eq(device_reads(&d, &b), true, "each within reach of the device");
	check_eq(pool_stats(pool).chunks, 3, "in three chunks");
	check_eq(pool_stats(pool).pages, n, "which they fill");
	check_eq(pool_stats(pool).bytes_mapped, 3ull * chunk_size, "which are mapped");
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void sizes(void)
{
	if (sysconf(_SC_PAGESIZE) == 4096) { /* a chunk is a page of the kernel's at least */
		pages_of(2048, 4096);
		pages_of(4096, 4096);
	}
	pages_of(2048, 64 * KIB);
	pages_of(4096, 2 * MIB);
	pages_of(16384, 64 * KIB);
	pages_of(64 * KIB, 64 * KIB);
	pages_of(2 * MIB, 2 * MIB);
	pages_of(4 * MIB, 16 * MIB);
}

static void exactly_max_pages(void)
{
	static const unsigned limits[] = { 1, 2, 15, 16, 17, 31, 33, 255, 300, 513, 1000, 5000 };

	for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct pp_pool_params p = small_chunks(64 * KIB);
		struct pp_page *more = (void *)&p;
		struct pp_pool *pool;
		struct bunch b;

		p.max_pages = limits[i];
		pool = new_pool(pp_binding_none(), &p);
		b = take(pool, limits[i]);
		check_eq(pp_page_get(&more, pool), -ENOBUFS, "%u pages and no more", limits[i]);
		check(!more, "none is given");
		check_eq(pp_page_get_batch(&more, 1, pool), -ENOBUFS, "nor by a batch");
		check_eq(pool_stats(pool).in_flight, limits[i], "all in flight");
		check_eq(pool_stats(pool).max_pages, limits[i], "the limit is shown");
		check_eq(pool_stats(pool).alloc_failed, 2, "two gets failed");
		pp_page_put(b.page[--b.n]);
		check_eq(pp_page_get(&b.page[b.n++], pool), 0, "one put, one got");
		put_all(&b);
		check_eq(pool_stats(pool).in_flight, 0, "all home");
		pp_pool_destroy(pool);
	}
	check_nothing_left("at the end");
}

/* ---- memory ---------------------------------------------------------------------------- */

static void kinds_of_memory(void)
{
	static const char *const name[] = { "hugetlb", "transparent huge pages", "base pages" };

	for (unsigned kind = 0; kind < 3; kind++) {
		struct pp_pool_params p = pp_pool_defaults();
		struct pp_pool_stats s;
		struct pp_pool *pool;
		struct bunch b;

		p.memory = (enum pp_memory)kind;
		pool = new_pool(pp_binding_none(), &p);
		b = take(pool, 600);
		fill_all(&b, kind);
		check(all_filled(&b, kind), "%s, or what it falls back to, holds its contents",
		      name[kind]);
		s = pool_stats(pool);
		check_eq(s.chunks_hugetlb + s.chunks_thp + s.chunks_base, s.chunks,
			 "each chunk is of one kind");
		check(kind < 1 || !s.chunks_hugetlb, "%s: nothing better than asked for",
		      name[kind]);
		check(kind < 2 || !s.chunks_thp, "%s: the same", name[kind]);
		printf("# %s: %llu, %llu, %llu\n", name[kind], (unsigned long long)s.chunks_hugetlb,
		       (unsigned long long)s.chunks_thp, (unsigned long long)s.chunks_base);
		put_all(&b);
		pp_pool_destroy(pool);
	}
	/* what can't be of huge pages falls back, whatever the machine has */
	for (unsigned kind = 0; kind < 3; kind++) {
		struct pp_pool_params p = small_chunks(64 * KIB);
		struct pp_pool *pool;
		struct bunch b;

		p.memory = (enum pp_memory)kind;
		pool = new_pool(pp_binding_none(), &p);
		b = take(pool, 100);
		check_eq(pool_stats(pool).chunks_base, pool_stats(pool).chunks,
			 "small chunks are of base pages");
		put_all(&b);
		pp_pool_destroy(pool);
	}
	check_nothing_left("at the end");
}

/* ---- batches, references ----------------------------------------------------------------- */

/* Whatever fails inside, and is made up for: huge pages that aren't there, for one. */
static void errno_is_the_callers(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct pp_page *page[1000];
	int got, after;

	errno = 12345;
	got = pp_page_get_batch(page, 1000, pool);
	after = errno;
	check(got == 1000 && after == 12345, "a get that grows leaves errno alone");
	errno = 12345;
	pp_page_put_batch(page, 1000);
	pp_pool_destroy(pool);
	after = errno;
	check_eq(after, 12345, "and so does the end");
}

static void batches(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_page *page[700];
	struct pp_pool *pool, *other;
	struct bunch b;

	p.max_pages = 600;
	pool = new_pool(pp_binding_none(), &p);
	check_eq(pp_page_get_batch(page, 1, pool), 1, "a batch of one");
	check_eq(pp_page_get_batch(page + 1, 599, pool), 599, "a batch beyond the cache");
	check_eq(pp_page_get_batch(page + 600, 5, pool), -ENOBUFS, "a batch of none");
	pp_page_put_batch(page, 0);
	pp_page_put_batch(page + 590, 10);
	check_eq(pp_page_get_batch(page + 590, 50, pool), 10, "as many as there are");
	b = (struct bunch){ page, 600 };
	check(all_different(&b), "all different");
	other = new_pool(pp_binding_none(), &p);
	check_eq(pp_page_get_batch(page + 600, 100, other), 100, "and of another pool");
	for (unsigned i = 0; i < 100; i++) { /* mix them */
		struct pp_page *t = page[6 * i];

		page[6 * i] = page[600 + i];
		page[600 + i] = t;
	}
	pp_page_put_batch(page, 700);
	check_eq(pool_stats(pool).in_flight, 0, "a mixed batch comes home");
	check_eq(pool_stats(other).in_flight, 0, "to both pools");
	pp_pool_destroy(pool);
	pp_pool_destroy(other);
	check_nothing_left("at the end");
}

static void references(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_page *page, *twice[2];
	struct pp_pool *pool;

	p.max_pages = 1;
	pool = new_pool(pp_binding_none(), &p);
	require(!pp_page_get(&page, pool), "a page");
	pp_page_ref(page, 3);
	check_eq(pp_page_refs(page), 4, "four references");
	for (unsigned left = 3; left; left--) {
		pp_page_put(page);
		check_eq(pp_page_refs(page), left, "one less");
		check_eq(pool_stats(pool).in_flight, 1, "still out");
	}
	pp_page_ref(page, 1);
	twice[0] = twice[1] = page;
	pp_page_put_batch(twice, 2);
	check_eq(pool_stats(pool).in_flight, 0, "two references dropped by one batch");
	check_eq(pp_page_get(&page, pool), 0, "and the page can be got");
	check_eq(pp_page_refs(page), 1, "with one reference");
	pp_page_put(page);
	pp_pool_destroy(pool);
}

/* ---- statistics ----------------------------------------------------------------------------- */

static void *puts_all(void *arg)
{
	put_all(arg);
	return NULL;
}

static void statistics_add_up(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	uint64_t got = 0, owner_put = 0, other_put = 0;
	struct pp_pool *pool;
	struct pp_pool_stats s;
	struct bunch b;

	p.idle_chunks = 10000;
	pool = new_pool(pp_binding_none(), &p);
	for (unsigned i = 1; i < 40; i++) {
		b = take(pool, i * 113 % 5000);
		got += b.n;
		s = pool_stats(pool);
		check_eq(s.in_flight, b.n, "in flight is exact: %u", b.n);
		if (i % 2) {
			owner_put += b.n;
			put_all(&b);
		} else {
			other_put += b.n;
			join(start(puts_all, &b));
		}
		s = pool_stats(pool);
		if (s.in_flight)
			check_eq(s.in_flight, 0, "in flight is exact: none");
	}
	check_eq(s.alloc_fast + s.alloc_empty, got,
		 "each get found a page in the cache, or found it empty and filled it");
	check_eq(s.alloc_failed, 0, "none failed");
	check_eq(s.recycle_cached, owner_put, "what the owner put went into the cache");
	check_eq(s.recycle_ring + s.recycle_ring_full, other_put,
		 "what others put, into the ring, or found it full");
	check_eq(s.alloc_slow_high_order, s.chunks + s.chunks_released, "chunks added, and left");
	check_eq(s.pages, s.chunks * 16, "the chunks' pages");
	check(s.chunks_idle <= s.chunks, "not more idle chunks than chunks");
	check_eq(s.chunks_base, s.chunks, "all of base pages");
	check(s.record_bytes >= s.pages * 8, "a word for each page, at least");
	check_eq(s.revoked, 0, "alive");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- reading them keeps nobody from the lock for long ------------------------------------ */

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
static unsigned unlocks;

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	__atomic_add_fetch(&unlocks, 1, __ATOMIC_RELAXED); /* any thread */
	return __real_pthread_mutex_unlock(mutex);
}

static void statistics_let_go_of_the_lock(void)
{
	struct pp_pool_params p = small_chunks(4096);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct bunch b = take(pool, 4000);
	uint64_t chunks = pool_stats(pool).chunks; /* fewer where the kernel's pages are larger */
	unsigned live, zombie;

	check(chunks >= 4000 / 16, "%llu chunks", (unsigned long long)chunks);
	unlocks = 0;
	check_eq(pool_stats(pool).in_flight, 4000, "are counted");
	live = unlocks;
	check(live >= chunks / 256, "and the lock is let go of %u times", live);
	pp_pool_destroy(pool);
	unlocks = 0;
	check_eq(totals().zombie_pages, 4000, "so are a zombie's");
	zombie = unlocks;
	check(zombie >= chunks / 256, "%u times", zombie);
	put_all(&b);
	check_nothing_left("at the end");
}

static void statistics_of_a_revoked_pool(void)
{
	struct pp_pool_params p = small_chunks(MIB);
	struct pp_pool_stats s;
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 7 * 256 + 1); /* with the last come four chunks: some stay fresh */
	check_eq(pool_stats(pool).chunks, 11, "11 chunks");
	check(pool_stats(pool).chunks_idle > 0, "some of them idle");
	check_eq(pool_stats(pool).attachments, 1, "one device");
	pp_device_unbind(d.dev);
	s = pool_stats(pool);
	check_eq(s.revoked, 1, "revoked");
	check(pp_pool_revoked(pool), "as its handle says");
	check_eq(s.in_flight_at_revoke, b.n, "with so many in flight");
	check_eq(s.in_flight, b.n, "who are still");
	check_eq(s.attachments, 0, "attached nowhere");
	check_eq(s.bytes_mapped, 0, "nothing mapped");
	check_eq(s.chunks, 8, "8 chunks have pages out");
	check_eq(s.chunks_idle, 0, "so none is idle");
	put_all(&b);
	s = pool_stats(pool);
	check_eq(s.in_flight, 0, "all home");
	check_eq(s.chunks, 0, "no chunk left");
	check_eq(s.chunks_idle, 0, "nor an idle one");
	check_eq(s.pages, 0, "nor a page");
	check_eq(s.chunks_base, 0, "of whatever kind");
	check_eq(s.chunks_released, 11, "all have gone");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* A structure of an older or newer program. */
static void statistics_of_other_sizes(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct {
		struct pp_pool_stats s;
		uint64_t more[4];
	} longer;
	uint64_t shorter[3] = { 7, 7, 7 };

	memset(&longer, 0xFF, sizeof longer);
	pp_pool_stats(pool, &longer.s, sizeof longer);
	check(!longer.more[0] && !longer.more[3], "what the library doesn't know is zero");
	pp_pool_stats(pool, (struct pp_pool_stats *)shorter, 16);
	check(!shorter[0] && !shorter[1] && shorter[2] == 7,
	      "no more is written than there is room");
	pp_pool_destroy(pool);
}

/* ---- growth and trimming -------------------------------------------------------------------- */

/* One chunk, two, and then four at a time, however many there are: a get waits for no more. */
static void growth_is_bounded(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct bunch b = { calloc(400 * 16, sizeof *b.page), 0 };
	uint64_t chunks = 0, most = 0;

	while (b.n < 400 * 16) {
		uint64_t before = chunks;

		require(!pp_page_get(&b.page[b.n++], pool), "a page");
		chunks = pool_stats(pool).chunks;
		most = chunks - before > most ? chunks - before : most;
		if (b.n == 1 || b.n == 17)
			check_eq(chunks, b.n == 1 ? 1 : 3, "growth to %llu chunks",
				 (unsigned long long)chunks);
	}
	check_eq(most, 4, "a get adds four chunks at most");
	put_all(&b);
	pp_pool_destroy(pool);
}

static void trimming(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	p.idle_chunks = 1000;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 31 * 16);
	check_eq(pp_pool_trim(pool, 0), 0, "with every page out nothing goes");
	put_all(&b);
	check_eq(pp_pool_trim(pool, 40), 0, "not more than asked for");
	check_eq(pool_stats(pool).chunks_idle, 31, "all are idle");
	check_eq(pp_pool_trim(pool, 20), 11, "down to twenty");
	check_eq(pool_stats(pool).chunks, 20, "twenty are left");
	check_eq(soft_device_domain(&d).bytes_mapped, 20 * 64 * KIB, "and mapped");
	b = take(pool, 20 * 16);
	check_eq(pool_stats(pool).chunks, 20, "which serve before there is growth");
	check(device_reads(&d, &b), "and are within reach");
	put_all(&b);
	check_eq(pp_pool_trim(pool, 0), 20, "all");
	domain_is_empty(&d, "trimmed to nothing");
	check_eq(totals().chunk_bytes, 0, "no memory is left");
	b = take(pool, 100);
	check(device_reads(&d, &b), "and the pool works on");
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/*
 * Above the limit it goes down to half, by two chunks for each that becomes idle at most. So a
 * chunk that comes and goes there costs nothing after a while.
 */
static void hysteresis(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	uint64_t most_idle = 0, most_released = 0, released = 0;
	struct pp_pool *pool;
	struct bunch b;

	p.idle_chunks = 16;
	pp_debug_set(PP_DEBUG_PAGES); /* every put goes to its chunk at once */
	pool = new_pool(pp_binding_none(), &p);
	pp_debug_set(0);
	b = take(pool, 63 * 16);
	check(all_different(&b), "63 chunks");
	for (unsigned i = 0; i < b.n; i++) {
		struct pp_pool_stats s;

		pp_page_put(b.page[i]);
		s = pool_stats(pool);
		most_idle = s.chunks_idle > most_idle ? s.chunks_idle : most_idle;
		if (s.chunks_released - released > most_released)
			most_released = s.chunks_released - released;
		released = s.chunks_released;
	}
	check_eq(most_idle, 16, "never more idle than the limit");
	check_eq(most_released, 2, "a put trims two chunks at most");
	check(pool_stats(pool).chunks >= 8, "half of the limit is kept");
	free(b.page);
	b = take(pool, 16);
	for (unsigned round = 0; round < 40; round++) {
		if (round == 20)
			released = pool_stats(pool).chunks_released;
		put_all(&b);
		b = take(pool, 16);
	}
	check_eq(pool_stats(pool).chunks_released, released, "a chunk that comes and goes stays");
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void the_limit_by_default(void)
{
	struct pp_pool *pool = new_pool(
		pp_binding_none(), &(struct pp_pool_params){ .size = sizeof(struct pp_pool_params),
							     .chunk_size = 64 * KIB,
							     .memory = PP_MEMORY_BASE });
	struct pp_pool_stats s;
	struct bunch b;

	check_eq(pool_stats(pool).idle_limit, 8, "eight at least");
	b = take(pool, (127 + 64) * 16);
	check_eq(pool_stats(pool).idle_limit, 8, "while all chunks are in use, too");
	put_all(&b);
	s = pool_stats(pool);
	check_eq(s.chunks, 191, "all stay that were in use at a time");
	check_eq(s.idle_limit, s.chunks_idle, "which the limit lets be idle");
	pp_pool_destroy(pool);
}

/* Bursts of so many pages, until the pool has no more chunks than `enough`. */
static uint64_t bursts_until(struct pp_pool *pool, unsigned pages, uint64_t enough, uint64_t most)
{
	uint64_t gets = 0;

	do {
		struct bunch b = take(pool, pages);

		put_all(&b);
		gets += pages;
	} while (pool_stats(pool).chunks > enough && gets < most);
	return gets;
}

/*
 * What bursts need is kept as long as they come; when fewer pages are in use, what is kept depends
 * on those, and not on how many there once were.
 */
static void bursts_and_after(unsigned chunks)
{
	/* in use at a time: 640 pages; and what the cache holds besides: 512 */
	enum { FEWER = 640, ENOUGH = (640 + 512) / 16 + 8 };
	struct pp_pool_params p = small_chunks(64 * KIB);
	uint64_t pages = chunks * 16, most, gets, released;
	struct soft_device d;
	struct pp_pool *pool;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	gets = bursts_until(pool, (unsigned)pages, 0, 20 * pages);
	check_eq(pool_stats(pool).chunks_released, 0, "%llu gets in bursts of %llu: no chunk went",
		 (unsigned long long)gets, (unsigned long long)pages);
	check(pool_stats(pool).chunks < chunks + 4, "nor came more than one growth brings");
	/* two rounds; then two chunks with one get in 256 */
	most = 4 * pages + 2 * 512 + (chunks + 1) / 2 * 256 + FEWER;
	gets = bursts_until(pool, FEWER, ENOUGH, 2 * most);
	check(gets <= most, "down to %d chunks by %llu gets, %llu at most", ENOUGH,
	      (unsigned long long)gets, (unsigned long long)most);
	released = pool_stats(pool).chunks_released;
	bursts_until(pool, FEWER, 0, 20 * FEWER);
	bursts_until(pool, FEWER, 0, 20 * FEWER);
	check(pool_stats(pool).chunks_released - released <= ENOUGH, "and then they stay");
	pp_pool_trim(pool, 0);
	check_eq(totals().chunk_bytes, 0, "a trim lets all go");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void a_pool_keeps_what_bursts_need(void)
{
	bursts_and_after(200);
	bursts_and_after(1000);
}

static void trim_deferred(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft.deferred = true;
	p.idle_chunks = 8;
	soft_device_init(&d, &soft);
	pool = new_pool(soft_device_bind(&d), &p);
	for (unsigned round = 0; round < 10; round++) {
		b = take(pool, 4000);
		join(start(puts_all, &b));
		pp_pool_trim(pool, round);
		check(pool_stats(pool).chunks <= round, "trim(%u) leaves no more", round);
		check_eq(soft_device_domain(&d).pending_ranges, 0, "and nothing pending");
		check_eq(totals().chunk_bytes, pool_stats(pool).chunks * 64 * KIB, "and no memory");
	}
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- owners ------------------------------------------------------------------------------ */

struct shift {
	struct pp_pool *pool;
	struct bunch b;
};

static void *works_a_shift(void *arg)
{
	struct shift *s = arg;
	struct bunch more;

	pp_pool_own(s->pool);
	more = take(s->pool, 1000);
	put_all(&s->b); /* the last owner's: now into this one's cache */
	s->b = more;
	return NULL;
}

static void owners_change(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct shift s;

	p.max_pages = 2000;
	p.idle_chunks = 1000;
	s.pool = new_pool(pp_binding_none(), &p);
	s.b = take(s.pool, 1000);
	for (unsigned round = 0; round < 20; round++)
		join(start(works_a_shift, &s));
	pp_pool_own(s.pool);
	check_eq(pool_stats(s.pool).in_flight, 1000, "twenty owners later");
	check_eq(pool_stats(s.pool).recycle_ring, 0, "an owner's puts went to the cache");
	put_all(&s.b);
	s.b = take(s.pool, 2000);
	check(all_different(&s.b), "every page is there");
	put_all(&s.b);
	pp_pool_destroy(s.pool);
	check_nothing_left("at the end");
}

/* ---- trimming by another thread ---------------------------------------------------------- */

static void *trims(void *pool)
{
	return (void *)(uintptr_t)pp_pool_trim(pool, 0);
}

static uint64_t trimmed_by_another(struct pp_pool *pool)
{
	void *n;

	pthread_join(start(trims, pool), &n);
	return (uintptr_t)n;
}

/* 16 pages to a chunk. */
static void anyone_trims(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool_stats s;
	struct pp_pool *pool;
	struct pp_frag frag;
	struct bunch b;

	p.idle_chunks = 1000;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 16 * 200);
	check_eq(trimmed_by_another(pool), 0, "of chunks in use none goes");
	put_all(&b);
	check_eq(pp_frag_get(&frag, pool, 8, 8), 0, "a fragment");
	pp_page_put(frag.page);
	check(trimmed_by_another(pool) >= 100, "another thread trims");
	s = pool_stats(pool);
	check(s.chunks && !s.chunks_idle, "all but what the owner has at hand");
	check_eq(s.in_flight, 1, "the open page among it");
	check_eq(pp_frag_get(&frag, pool, 8, 8), 0, "of which the next fragment is cut");
	check_eq(frag.offset, 8, "behind the first one");
	pp_page_put(frag.page);
	b = take(pool, 400);
	check_eq(pool_stats(pool).chunks, s.chunks, "and what is in its cache is there");
	put_all(&b);
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 0, "the owner trims all");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static struct {
	struct pp_pool *pool;
	int stop;
} trimmed;

static void *trims_all_the_time(void *arg)
{
	while (!flag_up(&trimmed.stop))
		pp_pool_trim(trimmed.pool, 0);
	return arg;
}

static void anyone_trims_while_the_owner_works(void)
{
	struct pp_pool_params p = small_chunks(16 * KIB);
	unsigned wrong = 0;
	struct soft_device d;
	struct bunch b;
	pthread_t t;

	p.idle_chunks = 1000;
	soft_device_init(&d, NULL);
	trimmed.pool = new_pool(soft_device_bind(&d), &p);
	t = start(trims_all_the_time, NULL);
	for (unsigned i = 0; i < 100; i++) {
		pp_pool_reserve(trimmed.pool, i % 3 ? 0 : 500);
		b = take(trimmed.pool, 1000);
		fill_all(&b, i);
		wrong += !device_reads(&d, &b) || !all_filled(&b, i);
		if (i % 2)
			pp_pool_trim(trimmed.pool, 0);
		put_all(&b);
	}
	raise_flag(&trimmed.stop);
	join(t);
	check_eq(wrong, 0, "pages are mapped and hold what was written, whoever trims");
	pp_pool_destroy(trimmed.pool);
	domain_is_empty(&d, "at the end");
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

int main(void)
{
	run(parameters_that_are_refused);
	run(sizes);
	run(exactly_max_pages);
	run(kinds_of_memory);
	run(errno_is_the_callers);
	run(batches);
	run(references);
	run(statistics_add_up);
	run(statistics_let_go_of_the_lock);
	run(statistics_of_a_revoked_pool);
	run(statistics_of_other_sizes);
	run(growth_is_bounded);
	run(trimming);
	run(hysteresis);
	run(the_limit_by_default);
	run(a_pool_keeps_what_bursts_need);
	run(trim_deferred);
	run(owners_change);
	run(anyone_trims);
	run(anyone_trims_while_the_owner_works);
	return tap_end();
}
