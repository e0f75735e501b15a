/*
 * wait.c - unbind waits until the last page is home, and unmaps each as it comes. That it ends
 * at all is up to the holders: here another thread has the pages, and puts them after HOLD_MS.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#define STRATEGY_OWN_LATE
#include "strategy.h"
#include "stack.h"

#define HOLD_MS 100

static struct {
	pthread_mutex_t lock; /* the pages that came home meanwhile, and how many are to come */
	pthread_cond_t came;
	struct page **home;
	uint64_t n_home, out;
	bool waiting;
} back = { .lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER };

static CALLED struct page *page_get(void)
{
	struct page *page = stack_pop();

	if (!page) {
		page = page_new();
		page->iova = dma_map(page->addr);
	}
	return page;
}

static CALLED void page_handed_on(struct page *page)
{
	(void)page;
}

static CALLED void page_put(struct page *page)
{
	if (page_drop(page))
		stack_push(page);
}

static void strategy_open(uint64_t n)
{
	dma_open(n);
	memory_open(n);
	stack_open(n);
	back.home = array_of(n, sizeof *back.home);
}

/* The holder, on the other processor. */
static void *hold(void *arg)
{
	struct timespec t = { 0, HOLD_MS * 1000000 };

	(void)arg;
	pin_to(1);
	nanosleep(&t, NULL);
	for (uint64_t i = 0, n = back.out; i < n; i++) {
		if (!page_drop(held[i]))
			continue;
		pthread_mutex_lock(&back.lock);
		back.home[back.n_home++] = held[i];
		if (back.waiting)
			pthread_cond_signal(&back.came);
		pthread_mutex_unlock(&back.lock);
	}
	return NULL;
}

static void before_unbind(uint64_t n)
{
	pthread_t thread;

	back.out = n;
	if (pthread_create(&thread, NULL, hold, NULL))
		fail("pthread_create");
	pthread_detach(thread);
}

static void strategy_unbind(void)
{
	uint64_t done = 0, ready, out = back.out;
	struct page *page;

	while ((page = stack_pop()))
		dma_unmap(page->iova, true);
	while (done < out) {
		pthread_mutex_lock(&back.lock);
		back.waiting = true;
		while (back.n_home == done)
			pthread_cond_wait(&back.came, &back.lock);
		back.waiting = false;
		ready = back.n_home;
		pthread_mutex_unlock(&back.lock);
		for (; done < ready; done++)
			dma_unmap(back.home[done]->iova, true);
	}
	dma.bound = false;
}

static void put_late(uint64_t n)
{
	(void)n; /* they are home */
}

static struct counts strategy_counts(void)
{
	return dma_counts(0);
}
