/*
 * signal.c - Ctrl-C and SIGTERM: the run ends, the file is complete. A second one ends
 * the process as usual.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int event_fd = -1;
static volatile sig_atomic_t asked;

static void on_signal(int number)
{
	uint64_t one = 1;
	int saved = errno;

	(void)number;
	asked = 1;
	if (write(event_fd, &one, sizeof one) < 0)
		errno = saved; /* it was readable already */
	errno = saved;
}

int stop_fd_open(void)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0) {
		say("can't watch for signals: %s", strerror(errno));
		return -1;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	return event_fd;
}

bool stop_asked(void)
{
	return asked;
}
