/*
 * pools.c - pools come and go, from a seed: threads take them over from one another, get, destroy
 * them, and put pages of each other's pools in turn, while threads end and others begin.
 *
 *	stress-pools [ROUNDS [SEED]]      PP_STRESS_SCALE=n: an n-th of the rounds
 *
 * A round is one step of one thread. What is checked: a page has what was written to it by whoever
 * got it, so nobody else has it; and at the end nothing is left of pools, pages and memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pthread.h>
#include <time.h>

#include "dice.h"
#include "soft_device.h"

#define THREADS 4u
#define POOLS 3u
#define BATCH 8u
#define MARKET 24u /* pages that wait for whoever puts them */
#define LIFE 500u  /* steps of a thread, then another one begins */

/* A pool that any thread may take over. */
static struct shelf {
	pthread_mutex_t lock; /* whoever has it is the pool's owner, or becomes that */
	struct pp_pool *pool;
} shelf[POOLS];

/* Pages on their way to a thread that puts them. */
static struct {
	pthread_mutex_t lock;
	struct pp_page *page[MARKET];
	unsigned n;
} market = { .lock = PTHREAD_MUTEX_INITIALIZER };

static unsigned wrong; /* pages whose contents were; atomic */

struct worker {
	struct dice dice;
	bool owns; /* takes pools over; who does not remembers more of those that it puts to */
	unsigned favourite; /* the pool that it takes over most */
	unsigned steps;
};

/* ---- pages ----------------------------------------------------------------------------------- */

static void sign(struct pp_page *page)
{
	uint64_t *word = pp_page_addr(page);

	word[0] = (uintptr_t)page;
	word[511] = ~word[0];
}

static void look(struct pp_page *page)
{
	const uint64_t *word = pp_page_addr(page);

	if (word[0] != (uintptr_t)page || word[511] != ~word[0])
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

/* Away with it, unless the market is full; then it is the caller's to put. */
static bool hand_on(struct pp_page *page)
{
	bool room;

	pthread_mutex_lock(&market.lock);
	room = market.n < MARKET;
	if (room)
		market.page[market.n++] = page;
	pthread_mutex_unlock(&market.lock);
	return room;
}

static void buy_and_put(struct worker *w)
{
	struct pp_page *page[BATCH];
	unsigned n = 0, most = 1 + roll(&w->dice, BATCH);

	pthread_mutex_lock(&market.lock);
	while (n < most && market.n) {
		unsigned i = roll(&w->dice, market.n);

		page[n++] = market.page[i];
		market.page[i] = market.page[--market.n];
	}
	pthread_mutex_unlock(&market.lock);
	for (unsigned i = 0; i < n; i++)
		look(page[i]);
	if (roll(&w->dice, 2)) {
		pp_page_put_batch(page, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		pp_page_put(page[i]);
}

/* ---- pools ----------------------------------------------------------------------------------- */

static void stock(struct shelf *s)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.memory = PP_MEMORY_BASE;
	p.chunk_size = 64 << 10;
	if (pp_pool_create(&s->pool, pp_binding_none(), &p))
		abort();
}

static void get_from(struct shelf *s, struct worker *w)
{
	struct pp_page *page[BATCH];
	int n = pp_page_get_batch(page, 1 + roll(&w->dice, BATCH), s->pool);

	for (int i = 0; i < n; i++) {
		sign(page[i]);
		if (!hand_on(page[i]))
			pp_page_put(page[i]);
	}
}

static void work_on(struct shelf *s, struct worker *w)
{
	pthread_mutex_lock(&s->lock);
	if (!s->pool)
		stock(s);
	else if (pp_pool_own(s->pool))
		abort();
	for (unsigned i = roll(&w->dice, 4); i; i--)
		get_from(s, w);
	if (!roll(&w->dice, 8))
		pp_pool_trim(s->pool, 0);
	if (!roll(&w->dice, 16)) {
		pp_pool_destroy(s->pool);
		s->pool = NULL;
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->steps; i++) {
		if (!w->owns || roll(&w->dice, 2))
			buy_and_put(w);
		else
			work_on(&shelf[roll(&w->dice, 8) ? w->favourite : roll(&w->dice, POOLS)],
				w);
	}
	return NULL;
}

/* One after the other in each place, all places at the same time. */
static void *place(void *arg)
{
	struct worker *w = arg;
	unsigned left = w->steps;
	pthread_t thread;

	while (left) {
		w->steps = left < LIFE ? left : LIFE;
		left -= w->steps;
		if (pthread_create(&thread, NULL, work, w))
			abort();
		pthread_join(thread, NULL);
	}
	return NULL;
}

static void clear(void)
{
	for (unsigned i = 0; i < POOLS; i++)
		if (shelf[i].pool)
			pp_pool_destroy(shelf[i].pool);
	while (market.n) {
		look(market.page[--market.n]);
		pp_page_put(market.page[market.n]);
	}
}

int main(int argc, char **argv)
{
	const char *scale = getenv("PP_STRESS_SCALE");
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 1000000;
	struct worker w[THREADS];
	pthread_t thread[THREADS];
	struct pp_totals t;

	if (argc <= 1 && scale && atoi(scale) > 0)
		rounds /= (unsigned)atoi(scale);
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	printf("# seed %llu: to do it again, stress-pools %u %llu\n", (unsigned long long)seed,
	       rounds, (unsigned long long)seed);
	fflush(stdout);
	for (unsigned i = 0; i < POOLS; i++)
		pthread_mutex_init(&shelf[i].lock, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ dice_for(i), i % 2, i / 2, rounds / THREADS };
		if (pthread_create(&thread[i], NULL, place, &w[i]))
			abort();
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	clear();
	pp_totals(&t, sizeof t);
	check_eq(wrong, 0, "every page is as it was signed, whoever has it");
	check_eq(t.pools, 0, "no pool is left");
	check_eq(t.chunk_bytes, 0, "and no memory");
	return tap_end();
}
