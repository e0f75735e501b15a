/*
 * wait.h - waits for a condition under a lock. Uses env.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_WAIT_H
#define ENV_WAIT_H

#include "env/env.h"

struct env_cond {
	pthread_cond_t cond;
};
#define ENV_COND_INIT                                                                              \
	{                                                                                          \
		PTHREAD_COND_INITIALIZER                                                           \
	}
static inline void env_cond_init(struct env_cond *c)
{
	pthread_cond_init(&c->cond, NULL);
}

static inline void env_cond_destroy(struct env_cond *c)
{
	pthread_cond_destroy(&c->cond);
}

/* Give the lock up until a wake-up, which may be one too many. */
static inline void env_wait(struct env_cond *c, struct env_lock *lock)
{
	pthread_cond_wait(&c->cond, &lock->mutex);
}

/* All that wait. */
static inline void env_wake(struct env_cond *c)
{
	pthread_cond_broadcast(&c->cond);
}

#endif
