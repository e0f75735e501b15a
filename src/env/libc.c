/*
 * libc.c - system calls for which the C library has no function: glibc before 2.36, musl. Built
 * only if one is missing. May touch the system.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/libc.h"

#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_process_madvise
#define SYS_process_madvise 440 /* on every machine but alpha */
#endif

ssize_t process_madvise(int pidfd, const struct iovec *range, size_t n, int advice, unsigned flags)
{
	return syscall(SYS_process_madvise, pidfd, range, n, advice, flags);
}
