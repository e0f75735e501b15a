/*
 * tap.h - the Test Anything Protocol, as small as it can be: check() prints a line and
 * goes on; require() gives up. A test program is a list of functions.
 *
 *	static void adds(void) { check(1 + 1 == 2, "one and one"); }
 *	int main(void) { run(adds); return tap_end(); }
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_tests, tap_failed;

static inline bool tap_check(bool ok, const char *file, int line, const char *expr,
			     const char *format, ...) __attribute__((format(printf, 5, 6)));

static inline bool tap_check(bool ok, const char *file, int line, const char *expr,
			     const char *format, ...)
{
	va_list args;

	printf("%sok %d - ", ok ? "" : "not ", ++tap_tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (!ok) {
		tap_failed++;
		printf("# failed at %s:%d: %s\n", file, line, expr);
	}
	fflush(stdout);
	return ok;
}

/* The last line; the exit status. */
static inline int tap_end(void)
{
	printf("1..%d\n", tap_tests);
	return tap_failed != 0;
}

/* The whole program can't run here. */
static inline void tap_skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(0);
}

static inline void tap_skip(const char *what, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_tests, what, why);
}

#define check(cond, ...) tap_check((cond), __FILE__, __LINE__, #cond, __VA_ARGS__)
#define check_eq(a, b, ...)                                                                        \
	do {                                                                                       \
		long long tap_a = (long long)(a), tap_b = (long long)(b);                          \
		if (!tap_check(tap_a == tap_b, __FILE__, __LINE__, #a " == " #b, __VA_ARGS__))     \
			printf("# %lld, not %lld\n", tap_a, tap_b);                                \
	} while (0)
#define require(cond, ...)                                                                         \
	do {                                                                                       \
		if (!check(cond, __VA_ARGS__)) {                                                   \
			printf("Bail out! it makes no sense to go on\n");                          \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)
#define run(test)                                                                                  \
	do {                                                                                       \
		printf("# %s\n", #test);                                                           \
		test();                                                                            \
	} while (0)

#endif
