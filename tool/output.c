/*
 * output.c - the file that a run writes. It is opened first, so that an error is reported before a
 * device is touched, and truncated last, when everything else is known to work.
 *
 * Whether reports or messages go to the same file is decided by the file, not by its name: "-",
 * /dev/stdout, /proc/self/fd/1 and the name of the file that a shell redirected to are one.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "output.h"

#include <capio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What is written to the null device never meets. */
static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* True if the descriptor can be written to and is this file. */
static bool is_file_of(int fd, const struct stat *st)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat other;

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && !fstat(fd, &other) &&
	       !is_null(st) && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* ---- what is for people ------------------------------------------------------------------ */

static bool stdout_taken;

/*
 * Packets go to this file. If it is standard output, reports don't; if it is standard error,
 * nothing is said any more, and the exit status has to do.
 */
static void keep_apart(const struct stat *st)
{
	int null;

	if (is_file_of(STDOUT_FILENO, st))
		stdout_taken = true;
	if (!is_file_of(STDERR_FILENO, st))
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDERR_FILENO);
		close(null);
	}
}

void packets_go_to(const char *path)
{
	struct stat st;

	if (strcmp(path, "-") ? !stat(path, &st) : !fstat(STDOUT_FILENO, &st))
		keep_apart(&st);
	if (!strcmp(path, "-"))
		stdout_taken = true;
}

FILE *report_stream(void)
{
	return stdout_taken ? stderr : stdout;
}

/* ---- the file ------------------------------------------------------------------------------ */

static bool look_at(struct output *o)
{
	struct stat st;

	if (fstat(o->fd, &st))
		return false;
	o->regular = S_ISREG(st.st_mode);
	o->append = o->regular && (fcntl(o->fd, F_GETFL) & O_APPEND);
	if (o->regular && o->standard) /* a file that others write to before and after us */
		o->base = o->append ? (uint64_t)st.st_size : (uint64_t)lseek(o->fd, 0, SEEK_CUR);
	keep_apart(&st);
	return true;
}

bool output_is_standard(const char *path)
{
	struct stat st;

	return !strcmp(path, "-") || (!stat(path, &st) && is_file_of(STDOUT_FILENO, &st));
}

int output_open(struct output *o, const char *path)
{
	bool standard = output_is_standard(path);

	*o = (struct output){ .fd = -ENOMEM, .standard = standard };
	o->name = strdup(strcmp(path, "-") ? path : "standard output");
	if (o->name)
		o->fd = capio_open_write(standard ? "-" : path, &o->created);
	if (o->fd >= 0 && look_at(o)) {
		stdout_taken |= standard;
		return 0;
	}
	if (o->fd == -ECANCELED)
		say("interrupted before anybody opened %s to read it", path);
	else
		say("can't write %s: %s", o->name ? o->name : path,
		    strerror(o->fd < 0 ? -o->fd : errno));
	output_abandon(o);
	return -1;
}

int output_begin(struct output *o)
{
	if (!o->regular || o->standard || !ftruncate(o->fd, 0))
		return 0;
	say("can't empty %s: %s", o->name, strerror(errno));
	return -1;
}

void output_abandon(struct output *o)
{
	struct stat ours, there;

	if (o->fd >= 0 && o->created && !fstat(o->fd, &ours) && !lstat(o->name, &there) &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlink(o->name);
	output_close(o);
}

int output_close(struct output *o)
{
	int ret = o->fd >= 0 ? close(o->fd) : 0;

	if (ret)
		say("can't write %s: %s", o->name, strerror(errno));
	free(o->name);
	o->fd = -1;
	o->name = NULL;
	return ret;
}
