/*
 * every_getter_finds_free_pages.c - any number of threads get from a pool, each by a cache of its
 * own: no page is lost or handed out twice, one that is free can be got by any of them, and what
 * holds of an owner holds of them: revocation, statistics, notices, fork, the end of a thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

static struct pp_getter *new_getter(struct pp_pool *pool)
{
	struct pp_getter *getter;
	int ret = pp_getter_create(&getter, pool);

	if (ret)
		require(!ret, "a getter is made (%d)", ret);
	return getter;
}

static struct pp_pool *limited(pp_binding_t binding, uint64_t pages)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	p.max_pages = pages;
	return new_pool(binding, &p);
}

/* All that it can get. */
static struct bunch take_by(struct pp_getter *getter, unsigned most)
{
	struct bunch b = { calloc(most, sizeof *b.page), 0 };
	int got;

	while (b.n < most && (got = pp_getter_get_batch(b.page + b.n, most - b.n, getter)) > 0)
		b.n += (unsigned)got;
	return b;
}

/* ---- threads that get, hold and put, all at a time ------------------------------------------- */

#define PAGES 1500u /* fewer than the caches of all, and what they hold, would take */
#define THREADS 4u
#define HELD 600u

static struct {
	struct pp_pool *pool;
	int out[PAGES + 64];        /* by a page's index: it has a holder; atomic */
	struct pp_page *passed[64]; /* from one to another; atomic */
	uint64_t gets, puts, twice; /* atomic */
	int started, end;           /* atomic */
} it;

static void count_out(struct pp_page *page)
{
	if (__atomic_exchange_n(&it.out[pp_page_index(page)], 1, __ATOMIC_ACQ_REL))
		count_up(&it.twice);
	count_up(&it.gets);
}

static void put_back(struct pp_page *page)
{
	__atomic_store_n(&it.out[pp_page_index(page)], 0, __ATOMIC_RELEASE);
	count_up(&it.puts);
	pp_page_put(page);
}

struct worker {
	unsigned number;
	/* gets by the pool itself; leaves its getter to the thread's end; has one all the time */
	bool owner, keeps, stays;
	uint64_t random;
	struct pp_page *held[HELD];
	unsigned n;
};

static uint64_t below(struct worker *w, uint64_t n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (w->random >> 33) % n;
}

static int get_some(struct worker *w, struct pp_getter *getter, unsigned n)
{
	int got;

	if (w->owner)
		got = n > 1 ? pp_page_get_batch(w->held + w->n, n, it.pool) :
			      pp_page_get(w->held + w->n, it.pool);
	else if (n > 1)
		got = pp_getter_get_batch(w->held + w->n, n, getter);
	else
		got = pp_getter_get(w->held + w->n, getter);
	if (got < 0)
		return got;
	got = n > 1 ? got : 1;
	for (int i = 0; i < got; i++)
		count_out(w->held[w->n++]);
	return got;
}

/* Some of what it holds; others put what it passes on. */
static void put_some(struct worker *w, unsigned n)
{
	for (; n && w->n; n--) {
		struct pp_page *page = w->held[--w->n];

		if (!below(w, 4))
			page = __atomic_exchange_n(&it.passed[below(w, 64)], page,
						   __ATOMIC_ACQ_REL);
		if (page)
			put_back(page);
	}
}

static void *works(void *arg)
{
	struct worker *w = arg;
	struct pp_getter *getter = NULL;

	if (w->owner)
		pp_pool_own(it.pool);
	else
		getter = new_getter(it.pool);
	count_up(&it.started);
	while (!flag_up(&it.end)) {
		unsigned n = below(w, 3) ? 1 : 1 + (unsigned)below(w, 300);

		if (w->n + n > HELD || !below(w, 3))
			put_some(w, 1 + (unsigned)below(w, HELD));
		else if (get_some(w, getter, n) == -ENODEV)
			break;
		if (!w->owner && !w->stays && !below(w, 200)) {
			pp_getter_destroy(getter);
			if (pp_getter_create(&getter, it.pool))
				break;
		}
	}
	put_some(w, w->n);
	while (w->n)
		put_back(w->held[--w->n]);
	if (!w->keeps)
		pp_getter_destroy(getter);
	return NULL;
}

static void run_begin(struct pp_pool *pool)
{
	memset(&it, 0, sizeof it);
	it.pool = pool;
}

static void start_workers(struct worker *w, pthread_t *t, unsigned owner, unsigned round, bool stay)
{
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .number = i,
					.owner = i == owner,
					.keeps = i & 1,
					.stays = stay,
					.random = round * THREADS + i };
		t[i] = start(works, &w[i]);
	}
	while (__atomic_load_n(&it.started, __ATOMIC_ACQUIRE) < (int)THREADS)
		sched_yield();
}

static void join_workers(pthread_t *t)
{
	raise_flag(&it.end);
	for (unsigned i = 0; i < THREADS; i++)
		join(t[i]);
	for (unsigned i = 0; i < 64; i++)
		if (it.passed[i])
			put_back(it.passed[i]);
}

/* All pages can be got by one, and the counts are those of what was done. */
static bool all_there(struct pp_pool *pool)
{
	struct pp_pool_stats s = pool_stats(pool);
	struct pp_getter *getter = new_getter(pool);
	struct bunch b = take_by(getter, PAGES + 1);
	bool ok = b.n == PAGES && all_different(&b) && !s.in_flight;

	ok = ok && s.alloc_fast + s.alloc_empty - s.alloc_failed == it.gets;
	ok = ok && s.recycle_cached + s.recycle_ring + s.recycle_ring_full == it.puts;
	if (!ok)
		printf("# %u pages, %llu in flight; %llu + %llu - %llu gets, not %llu; "
		       "%llu + %llu + %llu puts, not %llu\n",
		       b.n, (unsigned long long)s.in_flight, (unsigned long long)s.alloc_fast,
		       (unsigned long long)s.alloc_empty, (unsigned long long)s.alloc_failed,
		       (unsigned long long)it.gets, (unsigned long long)s.recycle_cached,
		       (unsigned long long)s.recycle_ring, (unsigned long long)s.recycle_ring_full,
		       (unsigned long long)it.puts);
	put_all(&b);
	pp_getter_destroy(getter);
	return ok;
}

static void all_at_a_time(void)
{
	unsigned bad = 0, rounds = laps(60);

	for (unsigned round = 0; round < rounds; round++) {
		struct pp_pool *pool = limited(pp_binding_none(), PAGES);
		struct worker w[THREADS];
		pthread_t t[THREADS];

		run_begin(pool);
		/* every second time with an owner that gets too */
		start_workers(w, t, round % 2 ? 0 : THREADS, round, false);
		while (__atomic_load_n(&it.gets, __ATOMIC_RELAXED) < 20000)
			sched_yield();
		join_workers(t);
		bad += it.twice || !all_there(pool);
		pp_pool_destroy(pool);
	}
	check_eq(bad, 0, "%u times %u threads: every page is there, and once, and counted", rounds,
		 THREADS);
	check_nothing_left("at the end");
}

/* The device has gone while all are at work: what is in any cache comes home. */
static void revoked_at_work(void)
{
	unsigned left = 0, rounds = laps(60);
	struct soft_device d;

	soft_device_init(&d, NULL);
	for (unsigned round = 0; round < rounds; round++) {
		struct pp_pool *pool = limited(soft_device_bind(&d), PAGES);
		struct pp_getter *getter = new_getter(pool);
		struct worker w[THREADS];
		struct pp_page *page;
		pthread_t t[THREADS];

		run_begin(pool);
		/* an owner, and who makes getters, needs the handle */
		start_workers(w, t, round % 6 == 1 ? 0 : THREADS, round, round % 3 == 0);
		while (__atomic_load_n(&it.gets, __ATOMIC_RELAXED) < 500 + 100 * round)
			sched_yield();
		pp_device_unbind(d.dev);
		left += pp_getter_get(&page, getter) != -ENODEV;
		left += soft_device_domain(&d).bytes_mapped != 0;
		if (round % 3 == 0)
			pp_pool_destroy(pool); /* they go on, and it isn't theirs to know */
		join_workers(t);
		left += it.twice != 0;
		left += pp_getter_get(&page, getter) != -ENODEV;
		if (round % 3 == 1)
			pp_getter_destroy(getter);
		if (round % 3)
			pp_pool_destroy(pool);
		if (round % 3 != 1)
			pp_getter_destroy(getter);
		left += !nothing_left();
	}
	check_eq(left, 0, "%u revocations under %u threads: nothing is left", rounds, THREADS);
	soft_device_exit(&d);
}

/* ---- what lies in others' caches --------------------------------------------------------- */

/* A thread that does what it is told. */
struct helper {
	struct pp_pool *pool;
	struct pp_getter *getter;
	void (*job)(struct helper *h); /* atomic; NULL: it is done */
	struct bunch b;
	int ret;
	pthread_t thread;
};

static void nothing(struct helper *h)
{
	(void)h;
}

static void ends(struct helper *h)
{
	(void)h;
}

static void *helps(void *arg)
{
	struct helper *h = arg;
	void (*job)(struct helper * h);

	h->getter = new_getter(h->pool);
	do {
		while (!(job = __atomic_load_n(&h->job, __ATOMIC_ACQUIRE)))
			sched_yield();
		job(h);
		__atomic_store_n(&h->job, NULL, __ATOMIC_RELEASE);
	} while (job != ends);
	return NULL;
}

static void tell(struct helper *h, void (*job)(struct helper *h))
{
	__atomic_store_n(&h->job, job, __ATOMIC_RELEASE);
	while (__atomic_load_n(&h->job, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void begin(struct helper *h, struct pp_pool *pool)
{
	*h = (struct helper){ .pool = pool };
	h->thread = start(helps, h);
	tell(h, nothing); /* it has its getter */
}

static void finish(struct helper *h)
{
	tell(h, ends);
	join(h->thread);
}

static void takes(struct helper *h)
{
	h->b = take_by(h->getter, 5000);
}

static void takes_one(struct helper *h)
{
	h->b = take_by(h->getter, 1);
}

static void puts_all(struct helper *h)
{
	for (unsigned i = 0; i < h->b.n; i++)
		pp_page_put(h->b.page[i]);
	free(h->b.page);
	h->b = (struct bunch){ 0 };
}

static void found_in_caches(void)
{
	enum { N = 1200 };
	struct pp_pool *pool = limited(pp_binding_none(), N);
	struct pp_getter *getter;
	struct helper h[3];
	struct bunch b;

	for (unsigned i = 0; i < 3; i++)
		begin(&h[i], pool);
	tell(&h[0], takes);
	check_eq(h[0].b.n, N, "a getter gets all");
	tell(&h[1], takes);
	check_eq(h[1].b.n, 0, "another finds none");
	free(h[1].b.page);
	tell(&h[0], puts_all);
	tell(&h[1], takes);
	check_eq(h[1].b.n, N, "it gets all that the first one has put");
	tell(&h[1], puts_all);
	getter = new_getter(pool);
	b = take_by(getter, N);
	check_eq(b.n, N, "so does one of the owner's thread,");
	put_all(&b);
	pp_getter_destroy(getter);
	tell(&h[2], takes);
	check_eq(h[2].b.n, N, "one that comes later,");
	tell(&h[2], puts_all);
	b = take(pool, N);
	check(all_different(&b), "and the owner");
	put_all(&b);
	/* the others' caches were closed; now they go on */
	for (unsigned i = 0; i < 3; i++) {
		tell(&h[i], takes_one);
		check_eq(h[i].b.n, 1, "each goes on");
		tell(&h[i], puts_all);
	}
	check_eq(pool_stats(pool).in_flight, 0, "all are back");
	for (unsigned i = 0; i < 3; i++)
		finish(&h[i]);
	b = take(pool, N);
	check(all_different(&b), "whose threads have ended, have left all their pages");
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* Without growth, too, and where growth fails. */
static void not_by_growth(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 64);
	struct pp_getter *getter = new_getter(pool);
	struct pp_page *page[64], *more;
	struct helper h;

	begin(&h, pool);
	tell(&h, takes);
	tell(&h, puts_all);
	check_eq(pp_getter_get_nogrow(page, 64, getter), 64, "all without growth");
	check_eq(pp_getter_get_nogrow(&more, 1, getter), -ENOBUFS, "one more isn't there");
	check_eq(pp_getter_get(&more, getter), -ENOBUFS, "nor by growth");
	pp_page_put_batch(page, 64);
	pp_getter_destroy(getter);
	finish(&h);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* Trimming: what its thread can bring home. */
static void trimmed(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 0);
	struct pp_getter *getter = new_getter(pool);
	struct bunch b = take_by(getter, 3000);
	struct helper h;

	begin(&h, pool);
	tell(&h, takes_one);
	tell(&h, puts_all);
	put_all(&b);
	finish(&h);
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 0, "a trim by the thread brings home what it has");
	pp_getter_destroy(getter);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- notices ----------------------------------------------------------------------------- */

static int calls; /* atomic */

static void count(void *ctx)
{
	(void)ctx;
	count_up(&calls);
}

static int called(void)
{
	return __atomic_exchange_n(&calls, 0, __ATOMIC_ACQ_REL);
}

static void puts_one(struct helper *h)
{
	pp_page_put(h->b.page[--h->b.n]);
}

static void noticed(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 32);
	struct pp_getter *getter = new_getter(pool);
	struct helper h, late;
	struct pp_page *page;
	struct bunch b;

	pp_pool_notice(pool, count, NULL);
	begin(&h, pool);
	tell(&h, takes);
	check_eq(called(), 0, "nobody is told of what has not come back");
	check_eq(pp_getter_get(&page, getter), -ENOBUFS, "a getter fails");
	tell(&h, puts_one);
	check_eq(called(), 1, "another's put into its own cache tells");
	tell(&h, puts_one);
	check_eq(called(), 0, "once");
	check_eq(pp_getter_get(&page, getter), 0, "the page is got");
	pp_page_put(page);
	b = take_by(getter, 3);
	check_eq(b.n, 2, "no more than two are");
	check_eq(called(), 0, "nobody is told");
	begin(&late, pool);
	tell(&late, takes);
	check_eq(late.b.n, 0, "one that comes later finds none");
	free(late.b.page);
	put_all(&b);
	check_eq(called(), 1, "the put of who has failed tells the other, once");
	check_eq(pp_getter_get(&page, getter), 0, "it is got");
	check_eq(called(), 0, "and nobody told");
	pp_page_put(page);
	tell(&h, puts_all);
	finish(&late);
	finish(&h);
	pp_getter_destroy(getter);
	pp_pool_destroy(pool);
	check_eq(called(), 0, "nobody waits at the end");
	check_nothing_left("at the end");
}

/* ---- the peak ---------------------------------------------------------------------------- */

static void peak(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 0);
	struct helper h[3];
	uint64_t most = 0, now, low = 0, high = 0;

	for (unsigned i = 0; i < 3; i++)
		begin(&h[i], pool);
	for (unsigned turn = 0; turn < 30; turn++) {
		struct helper *of = &h[turn % 3];

		tell(of, of->b.n ? puts_all : takes);
		now = h[0].b.n + h[1].b.n + h[2].b.n;
		most = now > most ? now : most;
		high += pool_stats(pool).peak_in_flight > most;
		low += pool_stats(pool).peak_in_flight + 4 * PP_CACHE_PAGES < most;
	}
	check_eq(high, 0, "the peak is never above the truth");
	check_eq(low, 0, "nor further below it than a cache for each getter");
	for (unsigned i = 0; i < 3; i++) {
		if (h[i].b.n)
			tell(&h[i], puts_all);
		finish(&h[i]);
	}
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- whose a getter is ------------------------------------------------------------------- */

static void gets_by_it(struct helper *h)
{
	struct pp_page *page;

	h->ret = pp_getter_get_nogrow(&page, 1, h->getter);
	pp_getter_destroy(h->getter);
}

static void its_threads_alone(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 64);
	struct pp_getter *getter = new_getter(pool), *mine, *gone;
	struct pp_page *page;
	struct helper h;

	begin(&h, pool);
	mine = h.getter;
	h.getter = getter;
	tell(&h, gets_by_it);
	check_eq(h.ret, -EINVAL, "another thread's is refused");
	check_eq(pp_getter_get(&page, getter), 0, "and isn't destroyed by it");
	pp_page_put(page);
	h.getter = mine;
	finish(&h);
	pp_getter_destroy(getter);
	pp_getter_destroy(getter);
	check_eq(pp_getter_get_nogrow(&page, 1, getter), -EINVAL, "one that is gone is refused");
	pp_getter_destroy(NULL);
	check_eq(pp_getter_create(&gone, NULL), -EINVAL, "no pool");
	check_eq(pp_getter_create(NULL, pool), -EINVAL, "no place");
	getter = new_getter(pool);
	pp_pool_destroy(pool);
	check_eq(totals().pools, 1, "a getter keeps its pool,");
	check_eq(totals().chunk_bytes, 0, "not its memory");
	check_eq(pp_getter_get(&page, getter), -ENODEV, "which gives no page");
	pp_getter_destroy(getter);
	check_nothing_left("at the end");
}

/* An owner that hands the pool on, and comes back, while getters are there. */
static void beside_owners(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 2000);
	struct pp_getter *getter = new_getter(pool);
	struct bunch b = take(pool, 600), more;
	struct helper h;

	begin(&h, pool);
	put_all(&b); /* into the getter's cache, the later one */
	tell(&h, takes);
	check_eq(h.b.n, 2000, "another getter gets all");
	tell(&h, puts_all);
	b = take(pool, 1000);
	more = take_by(getter, 1000);
	check_eq(b.n + more.n, 2000, "the owner and its own getter share all");
	put_all(&b);
	put_all(&more);
	pp_getter_destroy(getter);
	b = take(pool, 2000);
	check(all_different(&b), "all are there when it has gone");
	put_all(&b);
	finish(&h);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void *own_and_get(void *pool)
{
	struct bunch b;

	if (pp_pool_own(pool))
		abort();
	b = take(pool, 700);
	put_all(&b);
	return NULL;
}

static void owners_change(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 2000);
	struct pp_getter *getter = new_getter(pool);
	struct bunch b;

	for (unsigned i = 0; i < 20; i++) {
		b = take(pool, 300);
		put_all(&b);
		join(start(own_and_get, pool));
		if (i % 2)
			pp_pool_own(pool);
		b = take_by(getter, 2000);
		if (b.n != 2000 || !all_different(&b))
			check(false, "%u of 2000 pages are there", b.n);
		put_all(&b);
		pp_pool_own(pool);
	}
	check_eq(pool_stats(pool).in_flight, 0, "owners come and go, and all pages are there");
	pp_getter_destroy(getter);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- a child of fork --------------------------------------------------------------------- */

static int in_child(struct pp_pool *pool, struct pp_getter *getter)
{
	struct bunch b = take_by(getter, 1000);
	bool ok = b.n == 1000 && all_different(&b); /* what the other thread's cache has, too */

	put_all(&b);
	pp_getter_destroy(getter);
	pp_pool_destroy(pool);
	return ok && nothing_left() ? 0 : 1;
}

static void forked(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 1000);
	struct pp_getter *getter = new_getter(pool);
	struct helper h;
	int status = -1;
	pid_t pid;

	begin(&h, pool);
	tell(&h, takes);
	tell(&h, puts_all);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(in_child(pool, getter));
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status), "a child has all pages of its copy");
	finish(&h);
	pp_getter_destroy(getter);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* In a child whose only thread is neither the owner nor has a getter. */
static void *forks(void *arg)
{
	struct pp_pool *pool = arg;
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		bool ok = !pp_pool_own(pool);
		struct bunch b = take(pool, 1000);

		ok = ok && b.n == 1000 && all_different(&b);
		put_all(&b);
		pp_pool_destroy(pool);
		_exit(ok && nothing_left() ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status), "a child that takes over has all pages");
	return NULL;
}

static void forked_by_another(void)
{
	struct pp_pool *pool = limited(pp_binding_none(), 1000);
	struct bunch b;
	struct helper h;

	begin(&h, pool);
	tell(&h, takes);
	tell(&h, puts_all);
	b = take(pool, 100);
	put_all(&b); /* into the owner's cache */
	fflush(stdout);
	join(start(forks, pool));
	finish(&h);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

int main(void)
{
	run(found_in_caches);
	run(not_by_growth);
	run(trimmed);
	run(noticed);
	run(peak);
	run(its_threads_alone);
	run(beside_owners);
	run(owners_change);
	run(forked);
	run(forked_by_another);
	run(all_at_a_time);
	run(revoked_at_work);
	return tap_end();
}
