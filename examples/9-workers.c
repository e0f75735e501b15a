/*
 * 9-workers.c - a transmit pool that workers share: each gets pages by a getter of its own, writes
 * a packet and sends it; a reaper puts what has been sent, as a driver's completions would. There
 * are fewer pages than the workers' caches could hold: those that lie in another's are found.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/pagepool.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define WORKERS 3u
#define PACKETS 20000u /* of each worker */
#define PAGES 512u     /* of the one chunk that the pool has: all that may be in flight */

/* What is on its way. It never overflows: there are no more pages than slots. */
static struct {
	pthread_mutex_t lock; /* protects the rest */
	struct pp_page *slot[PAGES];
	unsigned head, tail;
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void send_page(struct pp_page *page)
{
	pthread_mutex_lock(&ring.lock);
	ring.slot[ring.tail++ % PAGES] = page;
	pthread_mutex_unlock(&ring.lock);
}

static unsigned reap(struct pp_page **done, unsigned n)
{
	unsigned k = 0;

	pthread_mutex_lock(&ring.lock);
	while (k < n && ring.head != ring.tail)
		done[k++] = ring.slot[ring.head++ % PAGES];
	pthread_mutex_unlock(&ring.lock);
	return k;
}

/* -ENOBUFS: all pages are on their way. */
static void *work(void *pool)
{
	struct pp_getter *getter;
	struct pp_page *page, *dropped;
	int ret = pp_getter_create(&getter, pool);

	for (unsigned i = 0; i < PACKETS && !ret; i++) {
		while ((ret = pp_getter_get(&page, getter)) == -ENOBUFS)
			sched_yield();
		if (ret)
			break;
		*(unsigned *)pp_page_addr(page) = i;
		send_page(page);
		if (i % 4 == 0 && !pp_getter_get(&dropped, getter))
			pp_page_put(dropped); /* back into this worker's cache */
	}
	pp_getter_destroy(getter);
	return ret ? pool : NULL;
}

int main(void)
{
	struct pp_pool_params params = pp_pool_defaults();
	struct pp_page *done[32];
	struct pp_pool_stats s;
	struct pp_pool *pool;
	pthread_t worker[WORKERS];
	unsigned sent = 0, failed = 0;
	void *result;

	params.name = "transmit";
	params.max_pages = PAGES;
	if (pp_pool_create(&pool, pp_binding_none(), &params))
		return 1;
	for (unsigned i = 0; i < WORKERS; i++)
		if (pthread_create(&worker[i], NULL, work, pool))
			return 1;
	while (sent < WORKERS * PACKETS) {
		unsigned n = reap(done, 32);

		pp_page_put_batch(done, n);
		sent += n;
		if (!n)
			sched_yield();
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(worker[i], &result);
		failed += result != NULL;
	}
	pp_pool_stats(pool, &s, sizeof s);
	printf("%u packets by %u workers in %llu pages, %llu in flight\n", sent, WORKERS,
	       (unsigned long long)s.pages, (unsigned long long)s.in_flight);
	pp_pool_destroy(pool);
	return failed || s.in_flight || s.pages != PAGES;
}
