/*
 * put_from_any_thread.c - Law 6: putting a page is allowed from any thread at any time, and never
 * blocks or fails. And nothing is lost: what was put can be got again.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#define PAGES 8192 /* four times what the return ring takes */
#define PUTTERS 4

struct putter {
	struct bunch part;
	bool batched;
};

static void *puts_part(void *arg)
{
	struct putter *p = arg;

	for (unsigned i = 0; i < p->part.n;) {
		unsigned n = p->batched ? 1 + i % 97 : 1;

		if (n > p->part.n - i)
			n = p->part.n - i;
		if (p->batched)
			pp_page_put_batch(p->part.page + i, n);
		else
			pp_page_put(p->part.page[i]);
		i += n;
	}
	return NULL;
}

/* Split among the putters, chunk by chunk or page by page, and put. */
static void put_by_threads(struct bunch *b, bool interleaved)
{
	struct putter p[PUTTERS];
	pthread_t t[PUTTERS];
	unsigned each = b->n / PUTTERS;

	for (unsigned k = 0; k < PUTTERS; k++) {
		p[k].batched = k % 2;
		p[k].part = (struct bunch){ calloc(each, sizeof *b->page), each };
		for (unsigned i = 0; i < each; i++)
			p[k].part.page[i] = b->page[interleaved ? i * PUTTERS + k : k * each + i];
	}
	for (unsigned k = 0; k < PUTTERS; k++)
		t[k] = start(puts_part, &p[k]);
	for (unsigned k = 0; k < PUTTERS; k++) {
		join(t[k]);
		free(p[k].part.page);
	}
	free(b->page);
}

static struct pp_pool_params all_pages(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	p.max_pages = PAGES;
	p.idle_chunks = PAGES;
	return p;
}

/* Every page can be got, once; one more can't. */
static struct bunch everything(struct pp_pool *pool, const char *when)
{
	struct bunch b = take(pool, PAGES);
	struct pp_page *more;

	check(all_different(&b), "%s: every page can be got, once", when);
	check_eq(pp_page_get(&more, pool), -ENOBUFS, "%s: and not one more", when);
	check_eq(pool_stats(pool).in_flight, PAGES, "%s: and that is what is in flight", when);
	return b;
}

static void nothing_is_lost(void)
{
	struct pp_pool_params p = all_pages();
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct bunch b = everything(pool, "at first");
	uint64_t ring_full;

	for (unsigned round = 0; round < 20; round++) {
		put_by_threads(&b, round % 2);
		check_eq(pool_stats(pool).in_flight, 0, "all have come back");
		b = everything(pool, round % 2 ? "after threads of mixed pages" : "after threads");
	}
	ring_full = pool_stats(pool).recycle_ring_full;
	/*
	 * an SPSC ring of 1024 pages for each putter that runs at the same time; the next has it,
	 * full
	 */
	check(ring_full >= 20 * (PAGES - PUTTERS * 1024), "there was no room for most (%llu)",
	      (unsigned long long)ring_full);
	put_all(&b); /* the owner: cache, and past it */
	b = everything(pool, "after the owner's puts");
	pp_pool_destroy(pool);
	put_by_threads(&b, true);
	check_nothing_left("put by threads after destroy");
}

/* ---- the owner gets while others put ---------------------------------------------------- */

#define QUEUES 3
#define QUEUE_DEPTH 1024u

struct queue { /* from the owner to one holder; one writer, one reader */
	struct pp_page *slot[QUEUE_DEPTH];
	unsigned head, tail;
	int closed;
	unsigned put;
};

static void *puts_what_comes(void *arg)
{
	struct queue *queue = arg;

	for (;;) {
		bool closed = flag_up(&queue->closed);
		unsigned head = __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE);

		while (queue->tail != head) {
			pp_page_put(queue->slot[queue->tail % QUEUE_DEPTH]);
			__atomic_store_n(&queue->tail, queue->tail + 1, __ATOMIC_RELEASE);
			queue->put++;
		}
		if (closed)
			return NULL;
		sched_yield();
	}
}

static bool send(struct queue *queue, struct pp_page *page)
{
	if (queue->head - __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE) == QUEUE_DEPTH)
		return false;
	queue->slot[queue->head % QUEUE_DEPTH] = page;
	__atomic_store_n(&queue->head, queue->head + 1, __ATOMIC_RELEASE);
	return true;
}

static unsigned share_out(struct pp_pool *pool, struct queue *queue, unsigned n)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pp_page *page;

		if (pp_page_get(&page, pool)) {
			/* not each time: on a busy machine a call is a time slice of another's */
			if (i % 64 == 0)
				sched_yield();
			continue;
		}
		if (send(&queue[i % QUEUES], page))
			sent++;
		else
			pp_page_put(page); /* the owner's own */
	}
	return sent;
}

/*
 * With one page a chunk every put completes its chunk and every get opens one. A watched
 * pool has neither cache nor ring, so that all threads meet at the chunks.
 */
static void puts_against_gets(uint32_t chunk_size, uint64_t max_pages, uint32_t idle_chunks,
			      bool watched)
{
	struct pp_pool_params p = small_chunks(chunk_size);
	struct queue *queue = calloc(QUEUES, sizeof *queue);
	unsigned sent = 0, put = 0, too_many = 0;
	struct pp_pool *pool;
	pthread_t t[QUEUES];
	struct bunch b;

	p.max_pages = max_pages;
	p.idle_chunks = idle_chunks;
	pp_debug_set(watched ? PP_DEBUG_PAGES : 0);
	pool = new_pool(pp_binding_none(), &p);
	pp_debug_set(0);
	for (unsigned k = 0; k < QUEUES; k++)
		t[k] = start(puts_what_comes, &queue[k]);
	for (unsigned i = 0; i < 100; i++) {
		sent += share_out(pool, queue, 2000);
		/* a page that is coming home may count as in flight, not more */
		too_many += pool_stats(pool).in_flight > max_pages + QUEUES;
	}
	check_eq(too_many, 0, "in flight was never more than there are pages");
	for (unsigned k = 0; k < QUEUES; k++)
		raise_flag(&queue[k].closed);
	for (unsigned k = 0; k < QUEUES; k++) {
		join(t[k]);
		put += queue[k].put;
	}
	free(queue);
	check_eq(put, sent, "%u KiB chunks: holders put what they were sent", chunk_size / KIB);
	check_eq(pool_stats(pool).in_flight, 0, "nothing is in flight");
	b = take(pool, (unsigned)max_pages);
	check(all_different(&b), "all %u can be got again", b.n);
	put_all(&b);
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 0, "every chunk was found idle");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void others_put_while_the_owner_gets(void)
{
	puts_against_gets(4 * KIB, 64, 64, false);
	puts_against_gets(4 * KIB, 4096, 4096, false);
	puts_against_gets(64 * KIB, 4096, 4096, false);
	puts_against_gets(4 * KIB, 8, 8, true);
	puts_against_gets(4 * KIB, 512, 512, true);
	puts_against_gets(64 * KIB, 64, 64, true);
	puts_against_gets(4 * KIB, 8, 1, true); /* and chunks come and go */
	puts_against_gets(16 * KIB, 64, 2, true);
}

/* ---- whoever comes by ---------------------------------------------------------------------- */

static void *makes_a_pool(void *arg)
{
	struct pp_pool_params p = all_pages();
	struct pp_pool **pool = arg;

	*pool = new_pool(pp_binding_none(), &p);
	return NULL;
}

static void *puts_one(void *arg)
{
	pp_page_put(*(struct pp_page **)arg);
	return NULL;
}

/*
 * A thread that has never had to do with the pool is not its owner, though the owner has
 * ended and the thread got its stack and thread-local memory. It matters as soon as
 * somebody else calls pp_pool_own: two would work on the owner's cache without a lock.
 */
static void a_new_thread_is_not_a_dead_owner(void)
{
	uint64_t cached = 0, by_ring = 0;

	for (unsigned round = 0; round < 20; round++) {
		struct pp_page *page;
		struct pp_pool *pool;

		join(start(makes_a_pool, &pool));
		pp_pool_own(pool);
		require(!pp_page_get(&page, pool), "a page");
		join(start(puts_one, &page));
		by_ring += pool_stats(pool).recycle_ring;
		pp_pool_destroy(pool);
	}
	check_eq(by_ring, 20, "a stranger's put goes through the ring");
	by_ring = 0;
	for (unsigned round = 0; round < 20; round++) {
		struct pp_page *page;
		struct pp_pool *pool, *other;
		struct pp_pool_params p = all_pages();

		/* the page is got by a thread that is the owner for a moment */
		pool = new_pool(pp_binding_none(), &p);
		require(!pp_page_get(&page, pool), "a page");
		join(start(makes_a_pool, &other)); /* leaves its stack to the next thread */
		pp_pool_destroy(other);
		join(start(puts_one, &page));
		by_ring += pool_stats(pool).recycle_ring;
		cached += pool_stats(pool).recycle_cached;
		pp_pool_destroy(pool);
	}
	check_eq(cached, 0, "nothing went to the owner's cache by a stranger");
	check_eq(by_ring, 20, "but through the ring");
}

struct hand_over {
	struct pp_pool *pool;
	struct pp_page *page;
};

static void *owns_gets_ends(void *arg)
{
	struct hand_over *h = arg;

	pp_pool_own(h->pool);
	require(!pp_page_get(&h->page, h->pool), "a page");
	return NULL;
}

static void a_thread_in_a_dead_owners_place(void)
{
	struct pp_pool_params p = all_pages();
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct hand_over h = { pool, NULL };

	for (unsigned round = 0; round < 20; round++) {
		join(start(owns_gets_ends, &h));
		join(start(puts_one, &h.page)); /* most likely where the owner was */
	}
	check_eq(pool_stats(pool).recycle_cached, 0,
		 "a thread in a dead owner's place isn't the owner");
	check_eq(pool_stats(pool).recycle_ring, 20, "its puts are any thread's");
	check_eq(pool_stats(pool).in_flight, 0, "and are not lost");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

static void *owns(void *arg)
{
	pp_pool_own(arg);
	return NULL;
}

/*
 * An owner remembers its pool's cache (fast.h, pp_self): not any more when another thread owns
 * the pool.
 */
static void the_last_owner_is_any_thread(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct bunch b = take(pool, 4);

	pp_page_put(b.page[0]);
	pp_page_put(b.page[1]);
	check_eq(pool_stats(pool).recycle_cached, 2, "the owner's puts go to the cache");
	join(start(owns, pool));
	pp_page_put(b.page[2]);
	pp_page_put_batch(b.page + 3, 1);
	check_eq(pool_stats(pool).recycle_cached, 2, "those of the last owner do not,");
	check_eq(pool_stats(pool).recycle_ring, 2, "but the way of any thread's");
	pp_pool_own(pool);
	free(b.page);
	b = take(pool, 1);
	pp_page_put(b.page[0]);
	check_eq(pool_stats(pool).recycle_cached, 3, "and the owner's again");
	free(b.page);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- references ----------------------------------------------------------------------------- */

static void *drops_many(void *arg)
{
	for (unsigned i = 0; i < 1000; i++)
		pp_page_put(arg);
	return NULL;
}

static void the_last_of_many_references(void)
{
	struct pp_pool_params p = all_pages();
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct pp_page *page;
	pthread_t t[4];

	for (unsigned round = 0; round < 50; round++) {
		require(!pp_page_get(&page, pool), "a page");
		pp_page_ref(page, 4000);
		for (unsigned i = 0; i < 4; i++)
			t[i] = start(drops_many, page);
		if (round == 49)
			pp_pool_destroy(pool);
		for (unsigned i = 0; i < 4; i++)
			join(t[i]);
		if (pp_page_refs(page) != 1)
			check_eq(pp_page_refs(page), 1, "the owner's own reference is left");
		pp_page_put(page);
		if (round < 49 && pool_stats(pool).in_flight)
			check_eq(pool_stats(pool).in_flight, 0, "it has come home");
	}
	check_nothing_left("after 50 rounds of 4,000 references");
}

/* By a thread that has the pool's cache at hand, as it has put to it before. */
static void a_page_with_a_holder_stays_out(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct bunch b = take(pool, 40);
	struct pp_page *kept = b.page[1];

	pp_page_put(b.page[0]);
	pp_page_ref(kept, 2);
	pp_page_put(kept);
	check_eq(pool_stats(pool).in_flight, 39, "a page with references left is not free,");
	pp_page_put_batch(b.page + 1, 39);
	check_eq(pool_stats(pool).in_flight, 1, "nor in a batch of others");
	free(b.page);
	b = take(pool, 600);
	for (unsigned i = 0; i < b.n; i++)
		require(b.page[i] != kept, "nobody else gets it");
	put_all(&b);
	check_eq(pp_page_refs(kept), 1, "one is left,");
	pp_page_put(kept);
	check_eq(pool_stats(pool).in_flight, 0, "which was the last");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- destroy in the middle --------------------------------------------------------------- */

static void destroy_against_putters(void)
{
	for (unsigned round = 0; round < 100; round++) {
		struct pp_pool_params p = all_pages();
		struct pp_pool *pool = new_pool(pp_binding_none(), &p);
		struct queue *queue = calloc(QUEUES, sizeof *queue);
		pthread_t t[QUEUES];

		for (unsigned k = 0; k < QUEUES; k++)
			t[k] = start(puts_what_comes, &queue[k]);
		share_out(pool, queue, 50 * round);
		pp_pool_destroy(pool);
		for (unsigned k = 0; k < QUEUES; k++)
			raise_flag(&queue[k].closed);
		for (unsigned k = 0; k < QUEUES; k++)
			join(t[k]);
		free(queue);
		if (!nothing_left())
			check_nothing_left("a round");
	}
	check_nothing_left("100 pools destroyed while three threads put");
}

int main(void)
{
	run(nothing_is_lost);
	run(others_put_while_the_owner_gets);
	run(a_new_thread_is_not_a_dead_owner);
	run(a_thread_in_a_dead_owners_place);
	run(the_last_owner_is_any_thread);
	run(the_last_of_many_references);
	run(a_page_with_a_holder_stays_out);
	run(destroy_against_putters);
	return tap_end();
}
