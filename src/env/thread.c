/*
 * thread.c - env.h for Linux user space: threads, their locks, and what may happen to them:
 * cancellation, their end, the end of the process. May touch the system; knows nothing of the
 * floors above.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/env.h"

/* ---- cancellation -------------------------------------------------------------- */

/* How often it is held off, and whether it was off before: 2 * times + was. */
static __thread unsigned held_off __attribute__((tls_model("initial-exec")));

void env_cancel_off(void)
{
	int before;

	if (!held_off) {
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
		held_off = before == PTHREAD_CANCEL_DISABLE;
	}
	held_off += 2;
}

/* A signal's handler may come at any point of the two, and leaves both as they were. */
void env_cancel_on(void)
{
	unsigned left = held_off - 2;

	held_off = left < 2 ? 0 : left;
	if (!left)
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
}

/* ---- locks: who holds one can't be cancelled ---------------------------------------- */

void env_lock_init(struct env_lock *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
}

void env_lock_destroy(struct env_lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

void env_lock(struct env_lock *lock)
{
	env_cancel_off();
	pthread_mutex_lock(&lock->mutex);
}

bool env_trylock(struct env_lock *lock)
{
	env_cancel_off();
	if (!pthread_mutex_trylock(&lock->mutex))
		return true;
	env_cancel_on();
	return false;
}

void env_unlock(struct env_lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
	env_cancel_on();
}

void env_read_lock(struct env_rwlock *lock)
{
	env_cancel_off();
	pthread_rwlock_rdlock(&lock->rwlock);
}

void env_write_lock(struct env_rwlock *lock)
{
	env_cancel_off();
	pthread_rwlock_wrlock(&lock->rwlock);
}

void env_rw_unlock(struct env_rwlock *lock)
{
	pthread_rwlock_unlock(&lock->rwlock);
	env_cancel_on();
}

/* ---- identity, and the end -------------------------------------------------------- */

__thread uint64_t env_tls_self; /* 0 until the thread has asked for its number */

uint64_t env_self(void)
{
	static uint64_t last; /* relaxed */

	if (!env_tls_self)
		env_tls_self = env_add_relaxed(&last, 1) + 1;
	return env_tls_self;
}

/* A key's destructor is what the C library calls as a thread ends that has a value of it. */
static struct {
	pthread_once_t once;
	pthread_key_t key;
	bool made;
} at_end = { .once = PTHREAD_ONCE_INIT };

static void run_at_end(void *fn)
{
	((void (*)(void))fn)();
}

static void make_key(void)
{
	at_end.made = !pthread_key_create(&at_end.key, run_at_end);
}

/* Without a key, or memory for it: nothing is called, which must do no harm. */
void env_at_thread_end(void (*fn)(void))
{
	pthread_once(&at_end.once, make_key);
	if (at_end.made)
		pthread_setspecific(at_end.key, (const void *)fn);
}

/* The library may be unloaded while there are such threads. */
static __attribute__((destructor)) void delete_key(void)
{
	if (at_end.made)
		pthread_key_delete(at_end.key);
}
