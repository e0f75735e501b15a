/*
 * late.c - stands in front of calls of the command, by LD_PRELOAD: a write is over exactly when the
 * command has looked at the clock so many times since it began (PP_LATE), which it does once each
 * time that it looks for work; or when it sleeps. Until then, and a little longer so that the
 * device has used up all that it was given, there is no room for more. So it is tried what a
 * completion does at each place of the loop.
 *
 * io_uring is refused, for then a thread of the command's own calls pwritev.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct io_uring;

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static int looks;                      /* at the clock, since the last write began */
static unsigned begun, allowed, ended; /* writes: one at a time */
static bool asleep;                    /* the command waits: no write has to */
static __thread bool writer;           /* this thread has written, and not told yet */

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static bool main_thread(void)
{
	return gettid() == getpid();
}

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	(void)entries;
	(void)ring;
	(void)flags;
	return -EPERM;
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t offset)
{
	ssize_t (*real_pwritev)(int, const struct iovec *, int, off64_t);

	*(void **)&real_pwritev = real("pwritev64");
	pthread_mutex_lock(&lock);
	begun++;
	looks = 0;
	if (asleep)
		allowed = begun;
	while (allowed < begun)
		pthread_cond_wait(&change, &lock);
	pthread_mutex_unlock(&lock);
	writer = true;
	return real_pwritev(fd, iov, n, offset);
}

/* To the eventfd, by which the thread tells that a write is over. */
ssize_t write(int fd, const void *bytes, size_t n)
{
	ssize_t (*real_write)(int, const void *, size_t);
	ssize_t ret;

	*(void **)&real_write = real("write");
	ret = real_write(fd, bytes, n);
	if (!writer)
		return ret;
	writer = false;
	pthread_mutex_lock(&lock);
	ended++;
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&lock);
	return ret;
}

/* If a write waits, and it is time: return when it is over and the command can know it. */
static void finish_write(bool now)
{
	const struct timespec little = { .tv_nsec = 1000000 };

	pthread_mutex_lock(&lock);
	if (begun > ended && (++looks >= atoi(getenv("PP_LATE")) || now)) {
		nanosleep(&little,
			  NULL); /* not for the test: so that the device has no room left */
		allowed = begun;
		pthread_cond_broadcast(&change);
		while (ended < allowed)
			pthread_cond_wait(&change, &lock);
	}
	asleep = now;
	pthread_mutex_unlock(&lock);
}

static void woken(void)
{
	pthread_mutex_lock(&lock);
	asleep = false;
	pthread_mutex_unlock(&lock);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock == CLOCK_MONOTONIC && main_thread())
		finish_write(false);
	return (int)syscall(SYS_clock_gettime, clock, t);
}

int ppoll(struct pollfd *fd, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	int (*real_ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	int ret;

	*(void **)&real_ppoll = real("ppoll");
	if (!main_thread() || n == 1) /* one: a rest while packets gather */
		return real_ppoll(fd, n, timeout, mask);
	finish_write(true);
	ret = real_ppoll(fd, n, timeout, mask);
	woken();
	return ret;
}

int poll(struct pollfd *fd, nfds_t n, int timeout)
{
	int (*real_poll)(struct pollfd *, nfds_t, int);
	int ret;

	*(void **)&real_poll = real("poll");
	if (!main_thread())
		return real_poll(fd, n, timeout);
	finish_write(true);
	ret = real_poll(fd, n, timeout);
	woken();
	return ret;
}
