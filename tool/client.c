/*
 * client.c - the client's end of a telemetry socket.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch.h"

#include <errno.h>
#include <pagepool/telemetry.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)
#define PATIENCE_MS 5000
#define PROCESSES 64u

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	if (fd >= 0 && !connect(fd, (void *)&a, sizeof a))
		return fd;
	err = errno;
	if (fd >= 0)
		close(fd);
	return -err;
}

/* A socket that is left of a process that has ended counts for nothing. */
static int only_process(pid_t *out)
{
	char path[sizeof((struct sockaddr_un *)0)->sun_path], list[400] = "";
	pid_t pid[PROCESSES];
	unsigned n = pp_telemetry_list(pid, PROCESSES), alive = 0;

	for (unsigned i = 0; i < n && i < PROCESSES; i++) {
		int fd = pp_telemetry_find(path, sizeof path, pid[i]) ? -1 : connect_to(path);
		size_t len = strlen(list);

		if (fd < 0)
			continue;
		close(fd);
		alive++;
		*out = pid[i];
		snprintf(list + len, sizeof list - len, " %d", pid[i]);
	}
	if (!alive)
		say("no process of this user exports statistics; -p PID chooses another user's");
	else if (alive > 1)
		say("several processes export statistics; choose one with -p:%s", list);
	return alive == 1 ? 0 : -1;
}

int watch_open(struct watched *w, const char *pid, bool *usage)
{
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
	uint64_t n = 0;
	pid_t only = 0;
	int ret;

	*usage = pid && (!number_parse(pid, 1, &n) || n > 0x7fffffff);
	if (*usage) {
		say("-p takes a process ID, not \"%s\"", pid);
		return -1;
	}
	if (!pid && only_process(&only))
		return -1;
	w->pid = pid ? (int)n : only;
	ret = pp_telemetry_find(path, sizeof path, w->pid);
	w->fd = ret ? ret : connect_to(path);
	if (w->fd >= 0)
		return 0;
	if (w->fd == -ESRCH)
		say("there is no process %d", w->pid);
	else if (w->fd == -ENOENT || w->fd == -ECONNREFUSED)
		say("process %d exports no statistics: only programs that call pp_telemetry_start() do",
		    w->pid);
	else
		say("can't connect to process %d: %s", w->pid, strerror(-w->fd));
	return -1;
}

void watch_close(struct watched *w)
{
	close(w->fd);
}

/* Kept for the caller to say: the screen may be in use. */
static void complain(struct watched *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(struct watched *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->error, sizeof w->error, format, args);
	va_end(args);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * One line into *line, to be freed. Bytes; 0: the process has ended; -1: see w->error.
 */
static ssize_t read_line(struct watched *w, char **line)
{
	int64_t until = now_ms() + PATIENCE_MS;
	size_t n = 0, size = 1u << 16;
	char *buf = malloc(size);

	while (buf) {
		struct pollfd p = { .fd = w->fd, .events = POLLIN };
		int64_t left = until - now_ms();
		ssize_t got;

		if (left <= 0 || !poll(&p, 1, (int)left)) {
			complain(w, "process %d doesn't answer", w->pid);
			break;
		}
		got = recv(w->fd, buf + n, size - n, 0);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0) {
			free(buf);
			return 0;
		}
		n += (size_t)got;
		if (buf[n - 1] == '\n') {
			*line = buf;
			return (ssize_t)n;
		}
		if (n == size && size >= ANSWER_MAX) {
			complain(w, "the reply from process %d is longer than %u bytes", w->pid,
				 ANSWER_MAX);
			break;
		}
		if (n == size) {
			char *more = realloc(buf, size *= 2);

			if (!more)
				free(buf);
			buf = more;
		}
	}
	if (!buf)
		complain(w, "no memory for the reply from process %d", w->pid);
	free(buf);
	return -1;
}

static json_t *parse(struct watched *w, const char *line, size_t n)
{
	json_error_t error;
	json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	char why[200];

	if (!json_is_object(o)) {
		complain(w, "the reply from process %d is not a JSON object", w->pid);
	} else if (watch_number(o, "protocol") != PP_TELEMETRY_PROTOCOL) {
		complain(w, "process %d uses version %llu of the protocol; this command knows %d",
			 w->pid, (unsigned long long)watch_number(o, "protocol"),
			 PP_TELEMETRY_PROTOCOL);
	} else if (json_object_get(o, "error")) {
		complain(w, "process %d says: %s", w->pid, watch_text(o, "error", why, sizeof why));
	} else {
		return o;
	}
	json_decref(o);
	return NULL;
}

json_t *watch_ask(struct watched *w, bool *ended)
{
	char *line;
	ssize_t n = 0;
	json_t *o;

	if (send(w->fd, "all\n", 4, MSG_NOSIGNAL) == 4)
		n = read_line(w, &line);
	*ended = !n;
	if (n <= 0)
		return NULL;
	o = parse(w, line, (size_t)n);
	free(line);
	return o;
}

/* ---- members ------------------------------------------------------------------------------ */

uint64_t watch_number(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

const char *watch_text(const json_t *o, const char *key, char *buf, size_t size)
{
	const char *s = json_string_value(json_object_get(o, key));

	snprintf(buf, size, "%s", s ? s : "?");
	for (char *c = buf; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return buf;
}

const char *watch_device(const json_t *all, uint64_t binding, char *buf, size_t size)
{
	json_t *dev;
	size_t i;

	*buf = 0;
	json_array_foreach(json_object_get(all, "devices"), i,
			   dev) if (binding && watch_number(dev, "binding") ==
						       binding) return watch_text(dev, "name", buf,
										  size);
	return buf;
}
