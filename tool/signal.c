/*
 * signal.c - a terminal, a user or an init system tells the command to end: the run ends, the file
 * is complete, the report is printed. A second signal ends the process at once.
 *
 * SIGHUP comes twice when a terminal goes, from the kernel and from the shell, so two in short
 * succession count once; under nohup(1) it stays ignored. SIGPIPE means that a reader of our output
 * has gone, which the write reports, too. SIGXFSZ is ignored: the write beyond the limit reports
 * it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <capio.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SAME_HANGUP_NS 2000000000

static int event_fd = -1;
static int64_t asked_ns; /* 0: it wasn't. Relaxed: a handler may run on any thread */

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What comes from now on ends the process as if it didn't know the signal. */
static void let_the_next_kill(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGPIPE, SIG_IGN); /* but the report may still go nowhere */
}

static void on_signal(int number)
{
	uint64_t one = 1;
	int saved = errno;
	int64_t first = 0;

	if (__atomic_compare_exchange_n(&asked_ns, &first, now(), false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED)) {
		let_the_next_kill();
	} else if (number == SIGHUP && now() - first > SAME_HANGUP_NS) {
		signal(SIGHUP, SIG_DFL);
		raise(SIGHUP); /* delivered when this returns */
	}
	if (write(event_fd, &one, sizeof one) < 0)
		errno = saved; /* it was readable already */
	errno = saved;
}

int stop_fd_open(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE };
	struct sigaction act = { .sa_handler = on_signal }, old;

	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0) {
		say("can't watch for signals: %s", strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		if (signals[i] != SIGHUP || sigaction(SIGHUP, NULL, &old) ||
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &act, NULL);
	signal(SIGXFSZ, SIG_IGN);
	capio_stop_on(event_fd);
	return event_fd;
}

int stop_fd(void)
{
	return event_fd;
}

bool stop_asked(void)
{
	return __atomic_load_n(&asked_ns, __ATOMIC_RELAXED);
}
