/*
 * libc.h - what the C library may lack; for user.c only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_LIBC_H
#define ENV_LIBC_H

#include <sys/mman.h>
#include <sys/uio.h>

#ifndef HAVE_PROCESS_MADVISE
ssize_t process_madvise(int pidfd, const struct iovec *range, size_t n, int advice, unsigned flags);
#endif

#endif
