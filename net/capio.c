/*
 * capio.c - see capio.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 50 /* between looks whether a FIFO has a reader */

static int stop_fd = -1;

void capio_stop_on(int fd)
{
	stop_fd = fd;
}

int capio_open_read(const char *path)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) :
				     fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int open_fifo(const char *path)
{
	struct pollfd stop = { .fd = stop_fd, .events = POLLIN };
	int fd;

	while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && errno == ENXIO)
		if (poll(&stop, 1, LOOK_MS) > 0)
			return -ECANCELED;
	if (fd < 0)
		return -errno;
	/* writes may wait: nobody else has this open file */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

int capio_open_write(const char *path, bool *created)
{
	struct stat st;
	int fd;

	*created = false;
	if (!strcmp(path, "-")) {
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	} else if (!stat(path, &st) && S_ISFIFO(st.st_mode)) {
		return open_fifo(path);
	} else {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		*created = fd >= 0;
		if (fd < 0 && errno == EEXIST)
			fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	}
	return fd < 0 ? -errno : fd;
}

int capio_wait(int fd, int cancel)
{
	struct pollfd p[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN },
		{ .fd = cancel, .events = POLLIN },
	};

	for (;;) {
		int n = poll(p, 3, -1);

		if (n > 0 && (p[1].revents || p[2].revents))
			return -ECANCELED;
		if (n > 0 || errno != EINTR)
			return 0; /* an error of poll: the read will tell */
	}
}
