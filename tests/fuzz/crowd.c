/*
 * crowd.c - the stateful fuzzer's other threads, see calls.h, and the calls that need many of
 * them: puts from more threads than a pool has SPSC rings, threads that end and others that come
 * after them.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "calls.h"

#include <pthread.h>
#include <semaphore.h>

static struct member {
	pthread_t id;
	bool started, busy;
	void (*what)(void); /* NULL: come to an end */
	sem_t call, done;
} crowd[CROWD + 1]; /* by number, from 1 on */

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem)) /* libFuzzer's clock rings */
		;
}

static void *member_main(void *arg)
{
	struct member *m = arg;

	thread = (int)(m - crowd);
	for (;;) {
		wait_for(&m->call);
		if (!m->what)
			return NULL;
		m->what();
		sem_post(&m->done);
	}
}

bool crowd_do(int number, void (*what)(void))
{
	struct member *m = &crowd[number];

	if (m->busy)
		return false;
	if (!m->started) {
		sem_init(&m->call, 0, 0);
		sem_init(&m->done, 0, 0);
		must(!pthread_create(&m->id, NULL, member_main, m), "no thread");
		m->started = true;
	}
	m->busy = true;
	m->what = what;
	sem_post(&m->call);
	wait_for(&m->done);
	m->busy = false;
	return true;
}

/* What it owned is nobody's who will come back. */
static void leave(int number)
{
	struct member *m = &crowd[number];

	if (!m->started || m->busy || number == thread)
		return;
	m->what = NULL;
	sem_post(&m->call);
	pthread_join(m->id, NULL);
	m->started = false;
	ref_getters_end(number);
	for (int p = 0; p < POOLS; p++)
		if (ref.pool[p].there && ref.pool[p].owner == number)
			ref.pool[p].owner = NOBODY;
}

void crowd_leave(int first, int n)
{
	for (int i = first; i < first + n && i <= CROWD; i++)
		leave(i);
}

void crowd_end(void)
{
	crowd_leave(1, CROWD);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static struct {
	int pool;
	unsigned from;
	bool done;
} job;

static void put_one(void)
{
	job.done = page_put(job.pool, job.from);
}

/* Each of them in turn puts a page of one pool. */
static bool put_by_many(void)
{
	static const int amounts[] = { 2, 5, 20, CROWD };
	int first = 1 + (int)input_below(&in, CROWD), n = amounts[input_below(&in, 4)];

	job.pool = pick_pool();
	job.from = (unsigned)input_number(&in, 2);
	job.done = job.pool != NONE;
	note("%d threads from %d on put a page each of pool %d", n, first, job.pool);
	for (int i = first; i < first + n && i <= CROWD && job.done; i++)
		crowd_do(i, put_one);
	return job.done;
}

bool call_crowd(unsigned which)
{
	int number = 1 + (int)input_below(&in, CROWD);

	switch (which) {
	case 0:
	case 1: return put_by_many();
	case 2: return crowd_do(number, one_call);
	default:
		note("threads from %d on come to their end", number);
		crowd_leave(number, 1 + (int)input_below(&in, CROWD));
		return true;
	}
}
