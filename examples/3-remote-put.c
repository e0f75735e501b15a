/*
 * 3-remote-put.c - pages put by another thread while the pool goes on giving them out: the
 * owner gets a page and writes into its user's area, a worker reads that and puts it, 10,000 times.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/pagepool.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define MESSAGES 10000u
#define PAGES 64u /* of the one chunk that the pool has */

/* Pages on their way to the worker. It never overflows: there are no more pages than slots. */
struct queue {
	pthread_mutex_t lock; /* protects head and tail */
	pthread_cond_t more;
	struct pp_page *slot[PAGES];
	unsigned head, tail;
	unsigned wrong; /* the worker's, until it is joined */
};

static void send_page(struct queue *q, struct pp_page *page)
{
	pthread_mutex_lock(&q->lock);
	q->slot[q->tail++ % PAGES] = page;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
}

static struct pp_page *next_page(struct queue *q)
{
	struct pp_page *page;

	pthread_mutex_lock(&q->lock);
	while (q->head == q->tail)
		pthread_cond_wait(&q->more, &q->lock);
	page = q->slot[q->head++ % PAGES];
	pthread_mutex_unlock(&q->lock);
	return page;
}

/* Any thread may put any page at any time: it needs no handle of the pool, and never waits. */
static void *work(void *arg)
{
	struct queue *q = arg;

	for (unsigned i = 0; i < MESSAGES; i++) {
		struct pp_page *page = next_page(q);

		q->wrong += *(unsigned *)pp_page_user(page) != i;
		pp_page_put(page);
	}
	return NULL;
}

/* The owner: the only thread that gets pages. -ENOBUFS: all of them are with the worker. */
static int produce(struct queue *q, struct pp_pool *pool)
{
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct pp_page *page;
		int ret;

		while ((ret = pp_page_get(&page, pool)) == -ENOBUFS)
			sched_yield();
		if (ret)
			return ret;
		*(unsigned *)pp_page_user(page) = i; /* where no device can reach it */
		send_page(q, page);
	}
	return 0;
}

int main(void)
{
	struct queue q = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };
	struct pp_pool_params params = pp_pool_defaults();
	struct pp_pool_stats s;
	struct pp_pool *pool;
	pthread_t worker;

	params.name = "messages";
	params.max_pages = PAGES;
	params.chunk_size = PAGES * 4096;
	params.user_size = sizeof(unsigned);
	if (pp_pool_create(&pool, pp_binding_none(), &params) ||
	    pthread_create(&worker, NULL, work, &q) || produce(&q, pool))
		return 1;
	pthread_join(worker, NULL);
	pp_pool_stats(pool, &s, sizeof s);
	printf("%u messages in %llu pages: %u wrong, %llu pages in flight\n", MESSAGES,
	       (unsigned long long)s.pages, q.wrong, (unsigned long long)s.in_flight);
	printf("put by the worker: %llu pages\n",
	       (unsigned long long)(s.recycle_ring + s.recycle_ring_full));
	pp_pool_destroy(pool);
	return q.wrong || s.in_flight || s.pages != PAGES;
}
