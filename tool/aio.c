/*
 * aio.c - asynchronous writes by io_uring or, where that is forbidden (many containers' filters,
 * the setting kernel.io_uring_disabled, no memory that may be locked), by a thread that calls
 * pwritev(2).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "aio.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job {
	int fd;
	const struct iovec *iov;
	unsigned n;
	uint64_t offset;
	struct aio_done done;
};

struct aio {
	unsigned depth;
	bool uring;
	struct io_uring ring;
	void **prepared; /* tags of the writes that the kernel hasn't been told of, in order */
	unsigned n_prepared;
	/* Writes that the kernel wouldn't take: over, with an error. */
	struct aio_done *refused;
	unsigned n_refused;

	/* The thread and its jobs: a ring of `depth`, counters that go on for ever. */
	pthread_t thread;
	int event_fd;
	struct job *job;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t work;
	uint64_t put, done, taken;
	bool stop;
};

/* ---- io_uring -------------------------------------------------------------------------- */

static void uring_write(struct aio *a, const struct job *j)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&a->ring); /* `depth` of them: never full */

	io_uring_prep_writev(sqe, j->fd, j->iov, j->n, j->offset);
	io_uring_sqe_set_data(sqe, j->done.tag);
	a->prepared[a->n_prepared++] = j->done.tag;
}

/* Hand the prepared writes to the kernel. Those that it refuses altogether have failed. */
static void uring_flush(struct aio *a)
{
	while (a->n_prepared) {
		int ret = io_uring_submit(&a->ring);

		if (ret > 0) {
			a->n_prepared -= (unsigned)ret;
			memmove(a->prepared, a->prepared + ret,
				a->n_prepared * sizeof *a->prepared);
		} else if (ret != -EINTR && ret != -EAGAIN && ret != -EBUSY) {
			for (unsigned i = 0; i < a->n_prepared; i++) /* the ring goes with us */
				a->refused[a->n_refused++] =
					(struct aio_done){ a->prepared[i], ret ? ret : -EIO };
			a->n_prepared = 0;
		}
	}
}

static bool uring_next(struct aio *a, struct aio_done *done)
{
	struct io_uring_cqe *cqe;

	if (a->n_refused) {
		*done = a->refused[--a->n_refused];
		return true;
	}
	if (io_uring_peek_cqe(&a->ring, &cqe))
		return false;
	*done = (struct aio_done){ io_uring_cqe_get_data(cqe), cqe->res };
	io_uring_cqe_seen(&a->ring, cqe);
	return true;
}

/* ---- a thread ---------------------------------------------------------------------------- */

static int write_now(const struct job *j)
{
	for (;;) {
		ssize_t n = j->offset == AIO_AT_POSITION ?
				    writev(j->fd, j->iov, (int)j->n) :
				    pwritev(j->fd, j->iov, (int)j->n, (off_t)j->offset);

		if (n >= 0)
			return (int)n;
		if (errno == EAGAIN) /* a pipe that somebody made non-blocking */
			poll(&(struct pollfd){ .fd = j->fd, .events = POLLOUT }, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
}

static void *writer(void *arg)
{
	struct aio *a = arg;
	uint64_t one = 1;

	pthread_mutex_lock(&a->lock);
	for (;;) {
		struct job *j = &a->job[a->done % a->depth];
		int result;

		while (a->done == a->put && !a->stop)
			pthread_cond_wait(&a->work, &a->lock);
		if (a->done == a->put)
			break;
		pthread_mutex_unlock(&a->lock);
		result = write_now(j);
		pthread_mutex_lock(&a->lock);
		j->done.result = result;
		a->done++;
		if (write(a->event_fd, &one, sizeof one) < 0)
			continue; /* it is full: readable anyway */
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

static void thread_write(struct aio *a, const struct job *j)
{
	pthread_mutex_lock(&a->lock);
	a->job[a->put++ % a->depth] = *j;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
}

static bool thread_next(struct aio *a, struct aio_done *done)
{
	uint64_t drop;
	bool is;

	pthread_mutex_lock(&a->lock);
	is = a->taken != a->done;
	if (is)
		*done = a->job[a->taken++ % a->depth].done;
	else if (read(a->event_fd, &drop, sizeof drop) < 0)
		is = false; /* nothing was there to be taken back */
	pthread_mutex_unlock(&a->lock);
	return is;
}

/* The program's signals are not for this thread. */
static int start_thread(struct aio *a)
{
	sigset_t all, before;
	int ret;

	a->job = calloc(a->depth, sizeof *a->job);
	a->event_fd = a->job ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (a->event_fd < 0)
		return a->job ? -errno : -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&a->thread, NULL, writer, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!ret)
		return 0;
	close(a->event_fd);
	return -ret;
}

static void stop_thread(struct aio *a)
{
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->work);
	pthread_mutex_destroy(&a->lock);
	close(a->event_fd);
}

/* ---- either ------------------------------------------------------------------------------- */

static void aio_free(struct aio *a)
{
	free(a->prepared);
	free(a->refused);
	free(a->job);
	free(a);
}

int aio_open(struct aio **out, unsigned depth, bool threads)
{
	struct aio *a = calloc(1, sizeof *a);
	int ret = 0;

	*out = NULL;
	if (!a)
		return -ENOMEM;
	a->depth = depth;
	a->prepared = calloc(depth, sizeof *a->prepared);
	a->refused = calloc(depth, sizeof *a->refused);
	if (!a->prepared || !a->refused) {
		aio_free(a);
		return -ENOMEM;
	}
	a->uring = !threads && !io_uring_queue_init(depth, &a->ring, 0);
	if (!a->uring)
		ret = start_thread(a);
	if (ret) {
		aio_free(a);
		return ret;
	}
	*out = a;
	return 0;
}

void aio_close(struct aio *a)
{
	if (!a)
		return;
	if (a->uring)
		io_uring_queue_exit(&a->ring);
	else
		stop_thread(a);
	aio_free(a);
}

void aio_write(struct aio *a, int fd, const struct iovec *iov, unsigned n, uint64_t offset,
	       void *tag)
{
	struct job j = { .fd = fd, .iov = iov, .n = n, .offset = offset, .done = { .tag = tag } };

	if (a->uring)
		uring_write(a, &j);
	else
		thread_write(a, &j);
}

void aio_flush(struct aio *a)
{
	if (a->uring)
		uring_flush(a);
}

bool aio_next(struct aio *a, struct aio_done *done)
{
	return a->uring ? uring_next(a, done) : thread_next(a, done);
}

int aio_fd(const struct aio *a)
{
	return a->uring ? a->ring.ring_fd : a->event_fd;
}
