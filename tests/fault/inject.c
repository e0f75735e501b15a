/*
 * inject.c - failures on purpose, for the whole command: what can fail is counted, and the
 * n-th is made to.
 *
 * Linked with the command's own objects and the library built with PP_FAULTS. The
 * library's own points (allocation, mmap, IOVA, map, membarrier) come through env_fault;
 * those of command and NIC are libc's and liburing's functions, wrapped by the linker.
 *
 *   PP_FAULT_NTH=N    which one fails, from 1; 0: none
 *   PP_FAULT_ONWARDS  if set, all from the N-th on
 *   PP_FAULT_COUNT=F  at the end the number of points passed is written there
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "env/env.h"

static unsigned long nth, passed; /* passed: atomic, threads fail too */
static bool onwards;
static const char *count_file;

static bool decide(void *ctx, const char *what)
{
	unsigned long n = __atomic_add_fetch(&passed, 1, __ATOMIC_RELAXED);
	bool fail = nth && (n == nth || (onwards && n > nth));

	(void)ctx;
	if (n == nth)
		fprintf(stderr, "# failing: %s\n", what);
	return fail;
}

static __attribute__((constructor)) void begin(void)
{
	const char *n = getenv("PP_FAULT_NTH");

	nth = n ? strtoul(n, NULL, 10) : 0;
	onwards = getenv("PP_FAULT_ONWARDS") != NULL;
	count_file = getenv("PP_FAULT_COUNT");
	env_fault_set(decide, NULL);
}

static __attribute__((destructor)) void end(void)
{
	FILE *f = count_file ? fopen(count_file, "w") : NULL;

	if (!f)
		return;
	fprintf(f, "%lu\n", __atomic_load_n(&passed, __ATOMIC_RELAXED));
	fclose(f);
}

/* Not the eight bytes of an event: that is a wire of the hardware's, it can't fail. */
ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	if (n != sizeof(uint64_t) && decide(NULL, "write")) {
		errno = EIO;
		return -1;
	}
	return __real_write(fd, buf, n);
}

/* A function of the command's that can fail: name, arguments, and how it does. */
#define WRAP(type, name, args, call, error, value)                                                 \
	type __real_##name args;                                                                   \
	type __wrap_##name args;                                                                   \
	type __wrap_##name args                                                                    \
	{                                                                                          \
		if (decide(NULL, #name)) {                                                         \
			errno = error;                                                             \
			return value;                                                              \
		}                                                                                  \
		return __real_##name call;                                                         \
	}

WRAP(void *, malloc, (size_t n), (n), ENOMEM, NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), ENOMEM, NULL)
WRAP(char *, strdup, (const char *s), (s), ENOMEM, NULL)
WRAP(int, eventfd, (unsigned n, int flags), (n, flags), EMFILE, -1)
WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg),
     (t, a, fn, arg), EAGAIN, EAGAIN)
WRAP(int, io_uring_queue_init, (unsigned n, struct io_uring *ring, unsigned flags),
     (n, ring, flags), ENOMEM, -ENOMEM)
WRAP(int, io_uring_submit, (struct io_uring * ring), (ring), ENOMEM, -ENOMEM)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), EIO, -1)

/* Of the run's own thread: how often another one polls hangs on time, and would be counted. */
int __real_poll(struct pollfd *fd, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fd, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fd, nfds_t n, int timeout)
{
	if (gettid() == getpid() && decide(NULL, "poll")) {
		errno = ENOMEM;
		return -1;
	}
	return __real_poll(fd, n, timeout);
}
