/*
 * memory_returns_after_last_use.c - Law 5: memory goes back to the system no earlier than the
 * last reference is put and the last IOTLB entry that could reach it is gone, and, in a zombie
 * pool, no later than the last put of its chunk; the pool itself goes with its last page. No
 * polling, no timer, no helper thread. A live pool keeps idle chunks up to a limit that it
 * states.
 *
 * The test intercepts the library's munmap(2), madvise(2) and process_madvise(2): at the moment
 * when memory is freed, it checks whether the device can reach it, and whether somebody holds it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- the watch on memory that goes ------------------------------------------------------- */

static struct {
	struct soft_device *d;    /* NULL: off */
	const struct bunch *told; /* pages whose addresses the device was told ... */
	char **addr;              /* ... and where they were, and are for the device */
	pp_iova_t *iova;
	const struct bunch *held; /* pages that have a holder: their memory must not go */
	unsigned reachable, held_gone, looked_at;
} watched;

int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);
int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);
ssize_t __real_process_madvise(int fd, const struct iovec *range, size_t n, int advice,
			       unsigned flags);
ssize_t __wrap_process_madvise(int fd, const struct iovec *range, size_t n, int advice,
			       unsigned flags);

static void memory_goes(const char *addr, size_t len)
{
	uint64_t word;

	for (unsigned i = 0; watched.d && i < watched.told->n; i++) {
		if (watched.addr[i] < addr || watched.addr[i] >= addr + len)
			continue;
		watched.looked_at++;
		watched.reachable +=
			!pp_soft_read(watched.d->iommu, watched.iova[i], &word, sizeof word);
	}
	for (unsigned i = 0; watched.d && i < watched.held->n; i++) {
		const char *page = pp_page_addr(watched.held->page[i]);

		watched.held_gone += page >= addr && page < addr + len;
	}
}

int __wrap_munmap(void *addr, size_t len)
{
	memory_goes(addr, len);
	return __real_munmap(addr, len);
}

int __wrap_madvise(void *addr, size_t len, int advice)
{
	if (advice == MADV_DONTNEED)
		memory_goes(addr, len);
	return __real_madvise(addr, len, advice);
}

ssize_t __wrap_process_madvise(int fd, const struct iovec *range, size_t n, int advice,
			       unsigned flags)
{
	for (size_t i = 0; i < n && advice == MADV_DONTNEED; i++)
		memory_goes(range[i].iov_base, range[i].iov_len);
	return __real_process_madvise(fd, range, n, advice, flags);
}

static void watch(struct soft_device *d, const struct bunch *told, const struct bunch *held)
{
	watched.told = told;
	watched.held = held;
	watched.addr = calloc(told->n, sizeof *watched.addr);
	watched.iova = calloc(told->n, sizeof *watched.iova);
	watched.reachable = watched.held_gone = watched.looked_at = 0;
	for (unsigned i = 0; i < told->n; i++) {
		watched.addr[i] = pp_page_addr(told->page[i]);
		watched.iova[i] = pp_page_iova(told->page[i]);
	}
	watched.d = d;
}

static void watch_over(const char *when)
{
	watched.d = NULL;
	free(watched.addr);
	free(watched.iova);
	check(watched.looked_at > 0, "%s: memory that the device knew went (%u pages)", when,
	      watched.looked_at);
	check_eq(watched.reachable, 0, "%s: none of it could be reached at that moment", when);
	check_eq(watched.held_gone, 0, "%s: none of it had a holder", when);
}

/* ---- no earlier than the last IOTLB entry ---------------------------------------------- */

static const struct bunch nobody;

static void *puts_all(void *arg)
{
	put_all(arg);
	return NULL;
}

/* How many of the device's old addresses still work, and serve what was there. */
static unsigned still_reached(struct soft_device *d, uint64_t magic)
{
	unsigned reached = 0;

	for (unsigned i = 0; i < watched.told->n; i++) {
		uint64_t word = 0;

		if (pp_soft_read(d->iommu, watched.iova[i], &word, sizeof word))
			continue;
		reached++;
		if (word != magic)
			check_eq(word, magic, "what the device reaches is what was there");
	}
	return reached;
}

/* Idle chunks above the limit go: at once, or, deferred, when their entries have gone. */
static void trimming_waits_for_the_iotlb(bool deferred)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(64 * KIB);
	uint64_t magic = 0x6d656d6f7279;
	struct bunch b, told;
	struct soft_device d;
	struct pp_pool *pool;

	soft.deferred = deferred;
	p.idle_chunks = 8;
	soft_device_init(&d, &soft);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 5000);
	for (unsigned i = 0; i < b.n; i++)
		memcpy(pp_page_addr(b.page[i]), &magic, sizeof magic);
	told = (struct bunch){ malloc(300 * sizeof *b.page), 300 };
	memcpy(told.page, b.page + b.n - 300, 300 * sizeof *b.page); /* they find the ring full */
	check(device_reads(&d, &told), "the device knows the pages");
	watch(&d, &told, &nobody);
	join(start(puts_all, &b));
	check(pool_stats(pool).chunks_released > 0, "chunks went above the limit");
	printf("# %u of 300 are reached still, %llu ranges pending\n", still_reached(&d, magic),
	       (unsigned long long)soft_device_domain(&d).pending_ranges);
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 0, "pp_pool_trim(0) lets everything go");
	check_eq(soft_device_domain(&d).pending_ranges, 0, "leaves nothing pending");
	check_eq(totals().chunk_bytes, 0, "and the memory is gone when it returns");
	check_eq(still_reached(&d, magic), 0, "the device reaches nothing of it");
	watch_over(deferred ? "deferred trimming" : "strict trimming");
	free(told.page);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void strict_trimming(void)
{
	trimming_waits_for_the_iotlb(false);
}

static void deferred_trimming(void)
{
	trimming_waits_for_the_iotlb(true);
}

/*
 * The heart of it: chunks become idle by another thread's puts, past ring and limit; their
 * unmapping is deferred, so the IOTLB still serves them, so their memory must still be.
 */
static void stale_entries_hit_live_memory(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(64 * KIB);
	uint64_t word = 0, magic = 0x7374616c65, idle;
	unsigned stale = 0;
	struct soft_device d;
	struct pp_pool *pool;
	pp_iova_t iova[200];
	struct bunch b;

	soft.deferred = true;
	p.idle_chunks = 8;
	soft_device_init(&d, &soft);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 2048 + 127 * 16 + 512);
	for (unsigned i = 0; i < 200; i++) {
		/* the last to be put: they find the ring full */
		struct pp_page *page = b.page[b.n - 1 - i];

		iova[i] = pp_page_iova(page);
		memcpy(pp_page_addr(page), &magic, sizeof magic);
		check(!pp_soft_read(d.iommu, iova[i], &word, sizeof word) && word == magic,
		      "the device has read page %u", i);
	}
	idle = totals().chunk_bytes;
	join(start(puts_all, &b));
	check(soft_device_domain(&d).pending_ranges > 0, "chunks were trimmed, deferred (%llu)",
	      (unsigned long long)soft_device_domain(&d).pending_ranges);
	check(pool_stats(pool).chunks_released > 0, "they are out of the pool");
	check_eq(totals().chunk_bytes,
		 pool_stats(pool).chunks * 64 * KIB +
			 soft_device_domain(&d).pending_ranges * 64 * KIB,
		 "but for each pending range its memory is there still (%llu before)",
		 (unsigned long long)idle);
	for (unsigned i = 0; i < 200; i++) {
		word = 0;
		if (pp_soft_read(d.iommu, iova[i], &word, sizeof word))
			continue;
		stale++;
		if (word != magic)
			check_eq(word, magic, "a stale entry serves what was there");
		pp_soft_write(d.iommu, iova[i], &magic, sizeof magic); /* must hit something */
	}
	check(stale > 0, "the IOTLB did serve stale entries (%u)", stale);
	pp_pool_trim(pool, 8);
	check_eq(soft_device_domain(&d).pending_ranges, 0, "trim completes what is pending");
	check_eq(totals().chunk_bytes, pool_stats(pool).chunks * 64 * KIB,
		 "and what was pending went back");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* At every ending, with the IOTLB full: what goes back can't be reached. */
static void no_ending_frees_what_is_reachable(void)
{
	static const char *const name[] = { "unbind", "surprise", "destroy", "detach" };

	for (unsigned how = 0; how < 8; how++) {
		struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
		struct pp_pool_params p = small_chunks(64 * KIB);
		struct bunch told, held, all;
		struct soft_device d;
		struct pp_pool *pool;

		soft.deferred = how / 4;
		p.idle_chunks = 1000;
		soft_device_init(&d, &soft);
		pool = new_pool(soft_device_bind(&d), &p);
		all = take(pool, 4000);
		told = (struct bunch){ all.page + 3800, 200 };
		device_reads(&d, &told);
		/* those held have no chunk in common with those that go; and some that have */
		held = (struct bunch){ all.page + 3700, 150 };
		watch(&d, &told, &held);
		for (unsigned i = 0; i < 3700; i++)
			pp_page_put(all.page[i]);
		for (unsigned i = 3850; i < 4000; i++)
			pp_page_put(all.page[i]);
		if (how % 4 == 0)
			pp_device_unbind(d.dev);
		else if (how % 4 == 1)
			pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
		else if (how % 4 == 3)
			pp_pool_detach(pool, pp_device_binding(d.dev));
		pp_pool_destroy(pool);
		watch_over(name[how % 4]);
		for (unsigned i = 3700; i < 3850; i++)
			pp_page_put(all.page[i]);
		free(all.page);
		soft_device_exit(&d);
		check_nothing_left(name[how % 4]);
	}
}

/* ---- no later than the last put -------------------------------------------------------- */

static void a_zombie_chunk_goes_with_its_last_put(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d;
	struct pp_pool *pool;
	uint64_t bytes;
	struct bunch b;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 31 * 16); /* spans of 1, 2, 4, 8, 16 chunks: all of them */
	check(all_different(&b), "pages in the order of their chunks");
	pp_device_unbind(d.dev);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	bytes = totals().chunk_bytes;
	check_eq(bytes, 31 * 64 * KIB, "31 zombie chunks");
	for (unsigned c = 0; c < 31; c++) {
		for (unsigned i = 0; i < 15; i++)
			pp_page_put(b.page[16 * c + i]);
		check_eq(totals().chunk_bytes, bytes, "chunk %u stays for its last page", c);
		check_eq(totals().pools, 1, "and so does the pool");
		pp_page_put(b.page[16 * c + 15]);
		bytes -= 64 * KIB;
		check_eq(totals().chunk_bytes, bytes, "and goes with it");
	}
	free(b.page);
	check_nothing_left("the pool went with the last page");
}

static void idle_chunks_of_a_zombie_go_at_once(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct bunch b, one;
	struct soft_device d;
	struct pp_pool *pool;

	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 1000);
	one = (struct bunch){ &b.page[500], 1 };
	for (unsigned i = 0; i < b.n; i++)
		if (i != 500)
			pp_page_put(b.page[i]);
	pp_device_unbind(d.dev);
	check_eq(totals().chunk_bytes, 64 * KIB, "one page in flight keeps one chunk");
	check_eq(pool_stats(pool).chunks, 1, "the pool counts it");
	check_eq(pool_stats(pool).chunks_idle, 0, "and no idle one");
	pp_page_put(one.page[0]);
	check_eq(totals().chunk_bytes, 0, "and with it all memory is gone, handle or not");
	check_eq(totals().pools, 1, "the pool stays for its handle");
	pp_pool_destroy(pool);
	free(b.page);
	soft_device_exit(&d);
	check_nothing_left("after destroy");
}

static bool resident(const struct pp_page *page)
{
	unsigned char in[16] = { 0 };

	mincore(pp_page_addr(page), pp_page_size(page), in);
	return in[0] & 1;
}

/* Of 512 pages: those in flight; in `runs` one long run, or else each fourth. */
static bool stays(unsigned i, bool runs)
{
	return runs ? i < 128 : i % 4 == 0;
}

/* Chunks of 512 pages, each of which is one of the kernel's, so that it can be given back alone. */
static struct pp_pool_params kernel_sized_pages(void)
{
	uint32_t size = (uint32_t)sysconf(_SC_PAGESIZE);
	struct pp_pool_params p = small_chunks(512 * size);

	p.page_size = size;
	return p;
}

/* N pages in flight cost N pages: the others of their chunks are given back. */
static void free_pages_of_zombies_are_given_back(bool before, bool runs)
{
	struct pp_pool_params p = kernel_sized_pages();
	unsigned kept = 0, given_back = 0;
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft_device_init(&d, NULL);
	pp_debug_set(before ? PP_DEBUG_PAGES : 0); /* no cache: what is put is at home */
	pool = new_pool(soft_device_bind(&d), &p);
	pp_debug_set(0);
	b = take(pool, 512);
	fill_all(&b, 5);
	for (unsigned i = 0; before && i < b.n; i++)
		if (!stays(i, runs))
			pp_page_put(b.page[i]);
	pp_device_unbind(d.dev);
	for (unsigned i = 0; !before && i < b.n; i++)
		if (!stays(i, runs))
			pp_page_put(b.page[i]);
	if (before && !runs)
		pp_pool_trim(pool, 0);
	for (unsigned i = 0; i < b.n; i++)
		if (!stays(i, runs))
			given_back += !resident(b.page[i]);
		else
			kept += filled(b.page[i], 5);
	check_eq(given_back, 384, "pages put %s are given back, %s", before ? "before" : "after",
		 runs   ? "in a run" :
		 before ? "by trim" :
			  "one by one");
	check_eq(kept, 128, "those in flight are whole");
	for (unsigned i = 0; i < b.n; i++)
		if (stays(i, runs))
			pp_page_put(b.page[i]);
	free(b.page);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* What was free at the revocation in short runs goes when a neighbour comes home. */
static void neighbours_are_given_back(void)
{
	struct pp_pool_params p = kernel_sized_pages();
	unsigned given_back = 0;
	struct pp_pool *pool;
	struct bunch b;

	pp_debug_set(PP_DEBUG_PAGES);
	pool = new_pool(pp_binding_none(), &p);
	pp_debug_set(0);
	b = take(pool, 512);
	fill_all(&b, 5);
	for (unsigned i = 0; i < b.n; i++)
		if (i % 4)
			pp_page_put(b.page[i]);
	pp_pool_destroy(pool);
	pp_page_put(b.page[8]);
	for (unsigned i = 5; i < 12; i++)
		given_back += !resident(b.page[i]);
	check_eq(given_back, 7, "with a page that comes home, its free neighbours");
	check(filled(b.page[4], 5) && filled(b.page[12], 5), "and no further");
	for (unsigned i = 0; i < b.n; i += 4)
		if (i != 8)
			pp_page_put(b.page[i]);
	free(b.page);
	check_nothing_left("at the end");
}

static void n_pages_cost_n_pages(void)
{
	free_pages_of_zombies_are_given_back(true, true);
	free_pages_of_zombies_are_given_back(true, false);
	free_pages_of_zombies_are_given_back(false, true);
	free_pages_of_zombies_are_given_back(false, false);
	neighbours_are_given_back();
}

/* Many threads put the last pages of the same chunks: somebody's put is the last. */
static void the_last_put_of_many_threads(void)
{
	for (unsigned round = 0; round < laps(200); round++) {
		struct pp_pool_params p = small_chunks(16 * KIB);
		struct pp_pool *pool = new_pool(pp_binding_none(), &p);
		struct bunch all = take(pool, 256), part[4];
		pthread_t t[4];

		for (unsigned k = 0; k < 4; k++) {
			part[k] = (struct bunch){ calloc(64, sizeof *all.page), 64 };
			for (unsigned i = 0; i < 64; i++)
				part[k].page[i] = all.page[4 * i + k];
		}
		free(all.page);
		for (unsigned k = 0; k < 4; k++)
			t[k] = start(puts_all, &part[k]);
		pp_pool_destroy(pool);
		for (unsigned k = 0; k < 4; k++)
			join(t[k]);
		if (!nothing_left())
			check_nothing_left("a round");
	}
	check_nothing_left("200 rounds of destroy against four putting threads");
}

/* ---- live pools, threads ----------------------------------------------------------------- */

static void a_live_pool_keeps_to_its_limit(void)
{
	struct pp_pool_params p = small_chunks(16 * KIB);
	struct pp_pool *pool;
	struct bunch b;

	p.idle_chunks = 10;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 6000);
	join(start(puts_all, &b));
	/* what the ring has is at hand, not idle; the rest came home */
	check_eq(pool_stats(pool).idle_limit, 10, "the limit is stated");
	check(pool_stats(pool).chunks_released > 0, "chunks went without being asked to");
	pp_pool_trim(pool, 10);
	check(pool_stats(pool).chunks <= 10, "after trim(10) there are at most ten");
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 0, "after trim(0) none");
	check_eq(totals().chunk_bytes, 0, "and no memory");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static unsigned threads_of_the_process(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	unsigned n = 0;

	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static void no_thread_helps(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	unsigned before = threads_of_the_process();
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft.deferred = true;
	soft_device_init(&d, &soft);
	pool = new_pool(soft_device_bind(&d), NULL);
	b = take(pool, 3000);
	check_eq(threads_of_the_process(), before, "no thread with a pool");
	pp_device_unbind(d.dev);
	pp_pool_destroy(pool);
	check_eq(threads_of_the_process(), before, "none with zombies");
	put_all(&b);
	soft_device_exit(&d);
	check_eq(threads_of_the_process(), before, "none at the end");
}

int main(void)
{
	run(no_thread_helps);
	run(strict_trimming);
	run(deferred_trimming);
	run(stale_entries_hit_live_memory);
	run(no_ending_frees_what_is_reachable);
	run(a_zombie_chunk_goes_with_its_last_put);
	run(idle_chunks_of_a_zombie_go_at_once);
	run(n_pages_cost_n_pages);
	run(the_last_put_of_many_threads);
	run(a_live_pool_keeps_to_its_limit);
	return tap_end();
}
