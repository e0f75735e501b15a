/*
 * path.c - where the sockets are. Others may write to /tmp, so a directory counts only if it
 * belongs to the user and nobody else may write to it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "telemetry.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FOLDERS 4u
#define BEGINS_S 10 /* nobody takes longer from making the socket to listening */

/* The i-th folder for a user's sockets. 0; -ENOENT: there is none; -ENAMETOOLONG. */
static int folder(char *path, size_t size, uid_t uid, unsigned i)
{
	const char *xdg = uid == geteuid() ? secure_getenv("XDG_RUNTIME_DIR") : NULL;
	const char *only = secure_getenv("PAGEPOOL_RUNTIME_DIR");
	int n = -1;

	switch (only && *only ? FOLDERS + i : i) {
	case FOLDERS: n = snprintf(path, size, "%s", only); break;
	case 0:
		if (xdg && *xdg == '/')
			n = snprintf(path, size, "%s/pagepool", xdg);
		break;
	case 1: n = snprintf(path, size, "/run/user/%u/pagepool", uid); break;
	case 2:
		if (!uid)
			n = snprintf(path, size, "/run/pagepool");
		break;
	case 3: n = snprintf(path, size, "/tmp/pagepool-%u", uid); break;
	}
	if (n < 0)
		return -ENOENT;
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static bool is_safe(const char *path, uid_t uid)
{
	struct stat st;

	return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == uid && !(st.st_mode & 022);
}

int path_folder(char *path, size_t size)
{
	for (unsigned i = 0; i < FOLDERS; i++)
		if (!folder(path, size, geteuid(), i) && (!mkdir(path, 0700) || errno == EEXIST) &&
		    is_safe(path, geteuid()))
			return 0;
	return -ENOTDIR;
}

int pp_telemetry_find(char *path, size_t size, pid_t pid)
{
	char proc[32], where[512];
	struct stat st;

	if (!path)
		return -EINVAL;
	snprintf(proc, sizeof proc, "/proc/%d", pid);
	if (pid <= 0 || stat(proc, &st))
		return -ESRCH;
	for (unsigned i = 0; i < FOLDERS; i++) {
		struct stat sock;
		char full[600];

		if (folder(where, sizeof where, st.st_uid, i) || !is_safe(where, st.st_uid))
			continue;
		snprintf(full, sizeof full, "%s/%d.sock", where, pid);
		if (lstat(full, &sock) || !S_ISSOCK(sock.st_mode))
			continue;
		if (strlen(full) >= size)
			return -ENAMETOOLONG;
		strcpy(path, full);
		return 0;
	}
	return -ENOENT;
}

/* PID of "PID.sock"; 0: it is something else. */
static pid_t pid_of(const char *name)
{
	char *end;
	long pid = strtol(name, &end, 10);

	return *name >= '1' && *name <= '9' && pid <= 0x7fffffff && !strcmp(end, ".sock") ?
		       (pid_t)pid :
		       0;
}

bool path_is_deaf(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	bool deaf;
	int fd;

	if (strlen(path) >= sizeof a.sun_path || lstat(path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	deaf = fd >= 0 && connect(fd, (const void *)&a, sizeof a) && errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return deaf;
}

/* True if nobody is behind the socket of a process. What one that has ended left is removed. */
static bool is_left_over(const char *where, pid_t pid)
{
	char path[600];
	struct stat st;

	snprintf(path, sizeof path, "%s/%d.sock", where, pid);
	if (!path_is_deaf(path))
		return false;
	/* it may have been made just now, by a process that is about to listen */
	if ((kill(pid, 0) && errno == ESRCH) ||
	    (!lstat(path, &st) && time(NULL) - st.st_mtime > BEGINS_S))
		unlink(path);
	return true;
}

unsigned pp_telemetry_list(pid_t *pid, unsigned n)
{
	unsigned found = 0;

	n = pid ? n : 0;
	for (unsigned i = 0; i < FOLDERS; i++) {
		struct dirent *e;
		char where[512];
		DIR *dir;

		if (folder(where, sizeof where, geteuid(), i) || !is_safe(where, geteuid()))
			continue;
		dir = opendir(where);
		while (dir && (e = readdir(dir))) {
			pid_t p = pid_of(e->d_name);
			bool known = !p;

			for (unsigned k = 0; k < found && k < n; k++)
				known |= pid[k] == p; /* two of the folders may be one */
			if (known || is_left_over(where, p))
				continue;
			if (found < n)
				pid[found] = p;
			found++;
		}
		if (dir)
			closedir(dir);
	}
	return found;
}
