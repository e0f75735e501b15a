/*
 * telemetry.c - tests of starting and stopping libpagepool-telemetry: where the socket is and who
 * may use it, what is left behind, and that nothing is left half-started.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <fcntl.h>
#include <pagepool/telemetry.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static char dir[] = "/tmp/pagepool-test.XXXXXX", path[64];

static int call(const char *where)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, where);
	if (!connect(fd, (void *)&a, sizeof a))
		return fd;
	close(fd);
	return -1;
}

/* Ask, and read one line into buf. */
static bool ask(int fd, const char *request, char *buf, size_t size)
{
	size_t n = 0;

	if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		return false;
	while (n < size - 1) {
		ssize_t got = read(fd, buf + n, 1);

		if (got != 1)
			return false;
		if (buf[n] == '\n')
			break;
		n++;
	}
	buf[n] = 0;
	return true;
}

static int start_at(struct pp_telemetry **t, const char *where)
{
	struct pp_telemetry_params p = PP_PARAMS(struct pp_telemetry_params);

	p.path = where;
	p.name = "a \"test\"\n";
	return pp_telemetry_start(t, &p);
}

static void it_starts_and_stops(void)
{
	struct pp_telemetry *t;
	char line[8192];
	struct stat st;
	mode_t mask = umask(0);
	int fd;

	require(!start_at(&t, path), "started");
	umask(mask);
	check(!strcmp(pp_telemetry_path(t), path), "it says where");
	check(!stat(path, &st) && (st.st_mode & 07777) == 0600, "of mode 0600 whatever the umask");
	fd = call(path);
	check(fd >= 0 && ask(fd, "totals\n", line, sizeof line), "it answers");
	check(!strncmp(line, "{\"protocol\":1,", 14), "with its version");
	check(strstr(line, "a \\\"test\\\"?") != NULL,
	      "a name is quoted, and of its control characters freed");
	check(!strstr(line, "\"devices\""), "totals are no more than that");
	check(ask(fd, "all\r\n", line, sizeof line) && strstr(line, "\"pools\":["),
	      "all, with a carriage return");
	check(ask(fd, "nonsense\n", line, sizeof line) && strstr(line, "\"error\":"),
	      "what it doesn't know it says");
	pp_telemetry_stop(t);
	check(read(fd, line, 1) == 0, "it hangs up at the end");
	close(fd);
	check(stat(path, &st) && errno == ENOENT, "and removes the socket");
	pp_telemetry_stop(NULL);
}

static void a_bad_start_leaves_nothing(void)
{
	struct pp_telemetry_params p = { 0 };
	struct pp_telemetry *t = (void *)1, *other;
	char too_long[200];
	int fd;

	check(pp_telemetry_start(&t, &p) == -EINVAL && !t, "parameters without a size");
	memset(too_long, 'x', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = 0;
	check_eq(start_at(&t, too_long), -ENAMETOOLONG, "a path that is too long");
	check_eq(start_at(&t, "/nonexistent/x"), -ENOENT, "a folder that isn't there");
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	check_eq(start_at(&t, path), -EADDRINUSE, "a file is in the way");
	check(!unlink(path), "and is still there");
	check_eq(start_at(&t, path), 0, "one starts");
	check_eq(start_at(&other, path), -EADDRINUSE, "a second one at the same place doesn't");
	fd = call(path);
	check(fd >= 0, "and the first isn't disturbed");
	close(fd);
	pp_telemetry_stop(t);
}

static void a_dead_process_s_socket_is_taken_over(void)
{
	struct pp_telemetry *t;
	pid_t pid = fork();

	if (!pid)
		_exit(start_at(&t, path) != 0);
	waitpid(pid, NULL, 0);
	check(!access(path, F_OK), "a process ended without stopping");
	check_eq(start_at(&t, path), 0, "its socket is taken over");
	pp_telemetry_stop(t);
}

static void a_child_leaves_it_to_its_parent(void)
{
	struct pp_telemetry *t;
	char line[8192];
	int status, fd;
	pid_t pid;

	require(!start_at(&t, path), "started");
	pid = fork();
	if (!pid) {
		pp_telemetry_stop(t);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && !status, "a child stops its copy");
	fd = call(path);
	check(fd >= 0 && ask(fd, "totals\n", line, sizeof line), "the parent still answers");
	close(fd);
	pp_telemetry_stop(t);
}

static void it_is_found_by_its_number(void)
{
	struct pp_telemetry *t;
	char found[128];
	pid_t pid[64];
	unsigned n;
	bool listed = false;

	setenv("XDG_RUNTIME_DIR", dir, 1);
	check_eq(pp_telemetry_find(found, sizeof found, getpid()), -ENOENT,
		 "nothing is offered yet");
	check_eq(pp_telemetry_find(found, sizeof found, 0), -ESRCH, "there is no process 0");
	check_eq(pp_telemetry_find(NULL, sizeof found, getpid()), -EINVAL,
		 "nowhere to store the path");
	check_eq(pp_telemetry_start(NULL, NULL), -EINVAL, "nowhere to store it");
	check(!pp_telemetry_path(NULL)[0], "nothing has no path");
	check_eq(pp_telemetry_list(NULL, 9), pp_telemetry_list(NULL, 0), "none is filled in");
	require(!pp_telemetry_start(&t, NULL), "started at the usual place");
	check(!pp_telemetry_find(found, sizeof found, getpid()) &&
		      !strcmp(found, pp_telemetry_path(t)),
	      "it is found there");
	check_eq(pp_telemetry_find(found, 10, getpid()), -ENAMETOOLONG,
		 "a short buffer is not overrun");
	n = pp_telemetry_list(pid, 64);
	for (unsigned i = 0; i < n && i < 64; i++)
		listed |= pid[i] == getpid();
	check(listed, "and listed");
	pp_telemetry_stop(t);
	snprintf(found, sizeof found, "%s/pagepool", dir);
	chmod(found, 0777);
	require(!pp_telemetry_start(&t, NULL), "started, though others may write to the folder");
	check(strncmp(pp_telemetry_path(t), dir, strlen(dir)) != 0, "somewhere else");
	pp_telemetry_stop(t);
	rmdir(found);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/sock", dir);
	run(it_starts_and_stops);
	run(a_bad_start_leaves_nothing);
	run(a_dead_process_s_socket_is_taken_over);
	run(a_child_leaves_it_to_its_parent);
	run(it_is_found_by_its_number);
	rmdir(dir);
	return tap_end();
}
