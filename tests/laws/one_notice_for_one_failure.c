/*
 * one_notice_for_one_failure.c - whoever asked for it is notified when pages are back after a get
 * has failed: once per failure, whoever brings them back, and never without reason.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

static struct pp_pool *pool_of(pp_binding_t binding, uint64_t max_pages)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool;

	p.max_pages = max_pages;
	pool = new_pool(binding, &p);
	check_eq(pp_pool_notice(pool, count, NULL), 0, "a notice");
	return pool;
}

static void *puts_it(void *page)
{
	pp_page_put(page);
	return NULL;
}

static void once_for_a_failure(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 4);
	struct pp_page *page[5], *more;
	struct bunch b = take(pool, 4);

	memcpy(page, b.page, sizeof page[0] * 4);
	pp_page_put(page[0]);
	check_eq(pp_page_get(&page[0], pool), 0, "a get that hasn't failed");
	check_eq(called(), 0, "nobody is told");
	check_eq(pp_page_get(&more, pool), -ENOBUFS, "a get fails");
	check_eq(pp_page_get(&more, pool), -ENOBUFS, "and another");
	check_eq(called(), 0, "nobody is told yet");
	pp_page_put(page[0]);
	check_eq(called(), 1, "the owner's put tells");
	pp_page_put(page[1]);
	join(start(puts_it, page[2]));
	check_eq(called(), 0, "the next ones don't");
	check_eq(pp_page_get_batch(page, 4, pool), 3, "fewer than were asked for");
	join(start(puts_it, page[0]));
	check_eq(called(), 1, "another thread's put tells");
	check_eq(pp_page_get(&page[0], pool), 0, "the page is got");
	check_eq(pp_page_get_nogrow(&more, 1, pool), -ENOBUFS, "no other is there");
	check_eq(pp_page_get_contiguous(&more, 1, pool), -ENOBUFS, "nor a neighbour");
	pp_page_put_batch(page, 2);
	check_eq(called(), 1, "a batch tells once");
	check_eq(pp_page_get_batch(page, 2, pool), 2, "all again");
	check_eq(pp_page_get(&more, pool), -ENOBUFS, "a get fails");
	check_eq(pp_pool_notice(pool, NULL, NULL), 0, "no notice any more");
	pp_page_put_batch(page, 3);
	pp_page_put(b.page[3]);
	check_eq(called(), 0, "nobody is told");
	free(b.page);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* A thread that has no ring puts into the chunk, when the others are full. */
static void *puts_all(void *bunch)
{
	put_all(bunch);
	return NULL;
}

static void beyond_the_rings(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 5008);
	struct bunch b = take(pool, 5008);
	struct pp_page *page;
	unsigned told = 0;

	for (unsigned i = 0; i < 4; i++) {
		struct bunch part = { calloc(1252, sizeof *part.page), 1252 };

		b.n -= part.n;
		memcpy(part.page, b.page + b.n, part.n * sizeof *part.page);
		if (pp_page_get_nogrow(&page, 1, pool) == 1)
			pp_page_put(page);
		join(start(puts_all, &part));
		told += (unsigned)called();
	}
	check_eq(told, 1, "of all that are put, the first tells");
	free(b.page);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void by_a_revocation(void)
{
	struct soft_device d;
	struct pp_pool *pool;
	struct pp_page *page;
	struct bunch b;

	soft_device_init(&d, NULL);
	for (unsigned how = 0; how < 3; how++) {
		pool = pool_of(soft_device_bind(&d), 16);
		b = take(pool, 16);
		check_eq(pp_page_get(&page, pool), -ENOBUFS, "a get fails");
		if (how == 0)
			pp_pool_detach(pool, pp_device_binding(d.dev));
		else if (how == 1)
			pp_device_unbind(d.dev);
		else
			pp_pool_destroy(pool);
		check_eq(called(), 1, "a revocation of kind %u tells", how);
		if (how < 2) {
			check_eq(pp_page_get(&page, pool), -ENODEV, "a get fails for good");
			pp_pool_destroy(pool);
		}
		put_all(&b);
		check_eq(called(), 0, "once");
		if (how != 1)
			pp_device_unbind(d.dev);
	}
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void *takes_over(void *pool)
{
	struct pp_page *page;

	check_eq(pp_pool_own(pool), 0, "another owner");
	check_eq(called(), 1, "which tells");
	check_eq(pp_page_get(&page, pool), -ENOBUFS, "its get fails, too");
	return NULL;
}

static void another_owner(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 16);
	struct bunch b = take(pool, 16);
	struct pp_page *page;

	check_eq(pp_page_get(&page, pool), -ENOBUFS, "a get fails");
	join(start(takes_over, pool));
	check_eq(called(), 0, "nobody is told");
	put_all(&b);
	check_eq(called(), 1, "until a page is back");
	check_eq(pp_pool_own(pool), 0, "the first owner again");
	check_eq(called(), 0, "finds nobody waiting");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- eventfd ----------------------------------------------------------------------------- */

static void an_eventfd(void)
{
	struct pp_pool *pool = pool_of(pp_binding_none(), 16);
	struct bunch b = take(pool, 16);
	int fd = eventfd(0, EFD_NONBLOCK), blocking = eventfd(0, 0);
	struct pp_page *page;
	uint64_t n = 0;

	check_eq(pp_pool_notice_fd(pool, blocking), -EINVAL, "a put could block on it");
	close(blocking);
	check_eq(pp_pool_notice_fd(pool, blocking), -EBADF, "it isn't open");
	check_eq(pp_pool_notice_fd(pool, fd), 0, "one that doesn't");
	check_eq(pp_page_get(&page, pool), -ENOBUFS, "a get fails");
	check_eq(read(fd, &n, sizeof n), -1, "nothing yet");
	put_all(&b);
	check_eq(read(fd, &n, sizeof n), sizeof n, "told");
	check_eq(n, 1, "once");
	check_eq(called(), 0, "and by no other way");
	check_eq(pp_pool_notice_fd(pool, -1), 0, "no more");
	pp_pool_destroy(pool);
	close(fd);
	check_nothing_left("at the end");
}

/* ---- no wake-up is lost ------------------------------------------------------------------ */

enum { RACES = 1000, PAGES = 2, PUTTERS = 2 };

struct race {
	struct pp_pool *pool;
	struct pp_page *passed[PUTTERS]; /* atomic */
	int fd, over;
};
struct putter {
	struct race *race;
	unsigned i;
};

static void *puts_what_is_passed(void *arg)
{
	struct putter *p = arg;
	struct pp_page *page;

	while (!flag_up(&p->race->over)) {
		page = __atomic_exchange_n(&p->race->passed[p->i], NULL, __ATOMIC_ACQ_REL);
		if (page)
			pp_page_put(page);
		else
			sched_yield();
	}
	return NULL;
}

/* It would hang. */
static void no_wake_up_is_lost(void)
{
	struct race r = { .pool = pool_of(pp_binding_none(), PAGES),
			  .fd = eventfd(0, EFD_NONBLOCK) };
	struct putter putter[PUTTERS];
	uint64_t failures = 0, told = 0, n;
	pthread_t t[PUTTERS];

	check_eq(pp_pool_notice_fd(r.pool, r.fd), 0, "an eventfd");
	for (unsigned i = 0; i < PUTTERS; i++) {
		putter[i] = (struct putter){ &r, i };
		t[i] = start(puts_what_is_passed, &putter[i]);
	}
	for (unsigned i = 0; i < laps(RACES);) {
		struct pollfd ready = { .fd = r.fd, .events = POLLIN };
		struct pp_page *page, *none = NULL;

		if (pp_page_get(&page, r.pool)) {
			failures++;
			while (poll(&ready, 1, -1) != 1)
				;
			if (read(r.fd, &n, sizeof n) == sizeof n)
				told += n;
			continue;
		}
		while (!__atomic_compare_exchange_n(&r.passed[i % PUTTERS], &none, page, false,
						    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			none = NULL;
			sched_yield();
		}
		i++;
	}
	raise_flag(&r.over);
	for (unsigned i = 0; i < PUTTERS; i++)
		join(t[i]);
	for (unsigned i = 0; i < PUTTERS; i++)
		if (r.passed[i])
			pp_page_put(r.passed[i]);
	check_eq(told, failures, "one for each failure");
	check(read(r.fd, &n, sizeof n) < 0, "and none besides");
	pp_pool_destroy(r.pool);
	close(r.fd);
	check_nothing_left("at the end");
}

/* ---- what a callback may do -------------------------------------------------------------- */

static struct pp_pool *asked;
static struct pp_page *kept;

static void puts_and_ends(void *ctx)
{
	count(ctx);
	pp_page_put(kept);
	check_eq(pp_pool_notice(asked, NULL, NULL), 0, "it ends itself");
	pool_stats(asked);
}

static void a_callback_may_put_and_end_itself(void)
{
	struct pp_page *page[2], *more;

	asked = pool_of(pp_binding_none(), 2);
	check_eq(pp_page_get_batch(page, 2, asked), 2, "all there are");
	kept = page[1];
	check_eq(pp_pool_notice(asked, puts_and_ends, NULL), 0, "a notice");
	check_eq(pp_page_get(&more, asked), -ENOBUFS, "a get fails");
	join(start(puts_it, page[0]));
	check_eq(called(), 1, "told, with no lock held");
	check_eq(pp_page_get_batch(page, 2, asked), 2, "both pages are back");
	pp_page_put_batch(page, 2);
	pp_pool_destroy(asked);
	check_nothing_left("at the end");
}

int main(void)
{
	run(once_for_a_failure);
	run(beyond_the_rings);
	run(by_a_revocation);
	run(another_owner);
	run(an_eventfd);
	run(a_callback_may_put_and_end_itself);
	run(no_wake_up_is_lost);
	pp_debug_set(PP_DEBUG_PAGES);
	run(once_for_a_failure);
	run(by_a_revocation);
	run(no_wake_up_is_lost);
	pp_debug_set(0);
	return tap_end();
}
