/*
 * sanitized.h - what a test needs to know of the sanitizer that it is built with.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef SANITIZED_H
#define SANITIZED_H

#include <stdbool.h>

#ifndef __has_feature
#define __has_feature(what) 0
#endif

/*
 * AddressSanitizer's allocator is locked for ever in a child whose parent forked while another of
 * its threads allocated; ThreadSanitizer refuses to start a thread in such a child.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
static const bool child_may_start_threads = false;
#else
static const bool child_may_start_threads = true;
#endif

/* For what stands in for a function of libc's: clang's runtimes are linked statically, and call it
 * before they are ready to be told of a call. */
#if __has_feature(thread_sanitizer)
#define UNWATCHED __attribute__((disable_sanitizer_instrumentation))
#else
#define UNWATCHED
#endif

#endif
