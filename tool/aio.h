/*
 * aio.h - asynchronous writes to a file.
 *
 * Thread rule: one thread calls all of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_AIO_H
#define TOOL_AIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct aio;

#define AIO_AT_POSITION UINT64_MAX /* as an offset: wherever the file's position is */

/* A write that is over. */
struct aio_done {
	void *tag;
	int result; /* bytes written, or -errno */
};

/* Up to `depth` writes in flight. `threads`: don't try io_uring. Returns 0 or -errno. */
int aio_open(struct aio **out, unsigned depth, bool threads);
/* No write may be under way. NULL is allowed. */
void aio_close(struct aio *a);
/* Queue a write. The vectors must not change until it has completed. */
void aio_write(struct aio *a, int fd, const struct iovec *iov, unsigned n, uint64_t offset,
	       void *tag);
/* Send what is prepared on its way. */
void aio_flush(struct aio *a);
/* The next write that is over. False: none is. */
bool aio_next(struct aio *a, struct aio_done *done);
/* Readable when a write may be over. */
int aio_fd(const struct aio *a);

#endif
