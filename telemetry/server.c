/*
 * server.c - the socket and its clients. One thread, all descriptors non-blocking.
 *
 * What a client can cost is bounded, whatever it does:
 *   time      a round looks at each client once: one read of a line's length, one write; all
 *             writes of a round together are at most BUDGET bytes; after a round that had
 *             something to do the thread sleeps for PAUSE_MS
 *   the pools' locks   a snapshot serves everybody for FRESH_NS, or 20 times as long as its
 *             making kept a processor busy if that is more
 *   memory    CLIENTS, each with a line and a reference to an answer; of answers that are
 *             not the newest at most OLD_TEXTS are kept, then whoever reads the oldest goes
 *   places    when all are taken and somebody knocks, the one that has been idle longest goes
 *
 * The thread keeps its normal priority: it takes pools' locks, and whoever waits for one
 * must not wait for a thread that is never scheduled.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "telemetry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 256u
#define LINE 128u
#define BUDGET (256u << 10)
#define PAUSE_MS 10
#define FRESH_NS 100000000u
#define OLD_TEXTS 8u
#define STALL_NS 10000000000u /* a client that reads nothing of its answer for so long goes */
#define IDLE_NS 1000000000u   /* one may have to make room when it has been idle for so long */

/* An answer. The newest of each request is kept; the others as long as somebody reads them. */
struct text {
	unsigned refs;
	uint64_t made_ns;
	size_t len;
	struct text *next; /* all texts, newest first */
	char bytes[];
};

struct client {
	int fd;
	unsigned n_in;
	bool overlong; /* dropping the rest of a line that was too long */
	bool ended;    /* it sends no more */
	char in[LINE];
	struct text *out;
	size_t sent;
	uint64_t active_ns;
};

struct pp_telemetry {
	pthread_t thread;
	pid_t pid;
	int listen_fd, stop_fd;
	uint64_t started_ns;
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
	char process[64];
	/* the thread's */
	struct client client[CLIENTS];
	struct pollfd poll[CLIENTS + 2];
	unsigned n, first; /* clients, and which is looked at first: each in turn */
	size_t budget;
	struct text *texts, *newest[REQUESTS];
	uint64_t fresh_until[REQUESTS];
};

/* ---- answers ------------------------------------------------------------------------- */

static struct text *text_new(struct pp_telemetry *t, const char *line)
{
	size_t len = strlen(line);
	struct text *x = malloc(sizeof *x + len + 1);

	if (!x)
		return NULL;
	*x = (struct text){
		.refs = 1, .made_ns = telemetry_now_ns(), .len = len + 1, .next = t->texts
	};
	memcpy(x->bytes, line, len);
	x->bytes[len] = '\n';
	t->texts = x;
	return x;
}

static void text_put(struct pp_telemetry *t, struct text *x)
{
	struct text **p = &t->texts;

	if (!x || --x->refs)
		return;
	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	free(x);
}

static void hang_up(struct pp_telemetry *t, unsigned i)
{
	close(t->client[i].fd);
	text_put(t, t->client[i].out);
	t->client[i] = t->client[--t->n];
}

/* Readers of the oldest answers make room for new ones. They are found out at their poll. */
static void limit_texts(struct pp_telemetry *t)
{
	struct text *oldest = NULL;
	unsigned n = 0;

	for (struct text *x = t->texts; x; x = x->next, n++)
		oldest = x;
	if (n < OLD_TEXTS + REQUESTS)
		return;
	for (unsigned i = 0; i < t->n; i++)
		if (t->client[i].out == oldest)
			shutdown(t->client[i].fd, SHUT_RDWR);
}

/* What this thread has spent: waiting, for a processor or a lock, costs the process nothing. */
static uint64_t spent_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct text *answer(struct pp_telemetry *t, enum request r)
{
	uint64_t now = telemetry_now_ns(), cost = spent_ns();
	struct text *x;
	char *line;

	if (!t->newest[r] || now >= t->fresh_until[r]) {
		limit_texts(t);
		line = snapshot_text(r, t->process, t->started_ns);
		cost = spent_ns() - cost;
		x = line ? text_new(t, line) : NULL;
		free(line);
		if (!x)
			return NULL;
		text_put(t, t->newest[r]);
		t->newest[r] = x;
		t->fresh_until[r] = now + (20 * cost > FRESH_NS ? 20 * cost : FRESH_NS);
	}
	t->newest[r]->refs++;
	return t->newest[r];
}

static struct text *refusal(struct pp_telemetry *t, const char *why)
{
	char line[160];

	snprintf(line, sizeof line, "{\"protocol\":%d,\"error\":\"%s\"}", PP_TELEMETRY_PROTOCOL,
		 why);
	return text_new(t, line);
}

static struct text *respond(struct pp_telemetry *t, const char *request)
{
	static const char *const name[REQUESTS] = REQUEST_NAMES;
	struct text *x;

	for (unsigned r = 0; r < REQUESTS; r++) {
		if (strcmp(request, name[r]))
			continue;
		x = answer(t, r);
		return x ? x : refusal(t, "no memory for an answer");
	}
	return refusal(t, "there are the requests all and totals, one a line");
}

/* ---- one client -------------------------------------------------------------------------- */

/* Take one line, if it is whole, and answer it. False: no memory even to refuse. */
static bool next_request(struct pp_telemetry *t, struct client *c)
{
	char *end = memchr(c->in, '\n', c->n_in);
	unsigned used;

	if (!end && c->n_in < LINE)
		return true;
	if (!end) {
		c->overlong = true;
		c->n_in = 0;
		return true;
	}
	used = (unsigned)(end + 1 - c->in);
	if (end > c->in && end[-1] == '\r')
		end--;
	*end = 0;
	c->out = c->overlong ? refusal(t, "the line is too long") : respond(t, c->in);
	c->overlong = false;
	c->sent = 0;
	c->n_in -= used;
	memmove(c->in, c->in + used, c->n_in);
	return c->out != NULL;
}

/* False: it is to be hung up on. */
static bool client_read(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->n_in, LINE - c->n_in, MSG_DONTWAIT);

	if (n > 0)
		c->n_in += (unsigned)n;
	c->ended |= !n;
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static bool client_write(struct pp_telemetry *t, struct client *c)
{
	size_t left = c->out->len - c->sent;
	ssize_t n = send(c->fd, c->out->bytes + c->sent, left < t->budget ? left : t->budget,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	t->budget -= (size_t)n;
	c->sent += (size_t)n;
	if (c->sent == c->out->len) {
		text_put(t, c->out);
		c->out = NULL;
	}
	return true;
}

/* One step. False: it is to be hung up on. */
static bool client_step(struct pp_telemetry *t, struct client *c, short events, uint64_t now)
{
	if (events & (POLLERR | POLLNVAL))
		return false;
	if (events & (POLLIN | POLLOUT | POLLHUP))
		c->active_ns = now;
	if (!c->out && (events & (POLLIN | POLLHUP)) && !client_read(c))
		return false;
	if (!c->out && !next_request(t, c))
		return false;
	if (c->out && t->budget && !client_write(t, c))
		return false;
	if (c->out)
		return now - c->active_ns < STALL_NS;
	return !c->ended || memchr(c->in, '\n', c->n_in);
}

/* ---- all of them --------------------------------------------------------------------------- */

/* True if there is a place: perhaps that of the client that has been idle longest. */
static bool make_room(struct pp_telemetry *t, uint64_t now)
{
	unsigned oldest = 0;

	if (t->n < CLIENTS)
		return true;
	for (unsigned i = 1; i < t->n; i++)
		if (t->client[i].active_ns < t->client[oldest].active_ns)
			oldest = i;
	if (now - t->client[oldest].active_ns < IDLE_NS)
		return false;
	hang_up(t, oldest);
	return true;
}

static void accept_clients(struct pp_telemetry *t, uint64_t now)
{
	for (unsigned i = 0; i < 32 && make_room(t, now); i++) {
		int fd = accept4(t->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return; /* nobody any more, or no descriptor: the pause is long enough */
		t->client[t->n++] = (struct client){ .fd = fd, .active_ns = now };
	}
}

/* Fill in the poll set. Returns how long to wait at most, ms; -1: for ever. */
static int prepare(struct pp_telemetry *t)
{
	int wait = -1;

	t->poll[0] = (struct pollfd){ .fd = t->stop_fd, .events = POLLIN };
	t->poll[1] = (struct pollfd){ .fd = t->listen_fd, .events = POLLIN };
	for (unsigned i = 0; i < t->n; i++) {
		const struct client *c = &t->client[i];

		t->poll[2 + i] =
			(struct pollfd){ .fd = c->fd, .events = c->out ? POLLOUT : POLLIN };
		if (c->out && wait)
			wait = 1000; /* it may stall */
		else if (!c->out && memchr(c->in, '\n', c->n_in))
			wait = 0; /* it has asked for more already */
	}
	return wait;
}

static void round_of_all(struct pp_telemetry *t)
{
	uint64_t now = telemetry_now_ns();
	unsigned n = t->n;
	bool drop[CLIENTS] = { false };

	t->budget = BUDGET;
	for (unsigned k = 0; k < n; k++) {
		unsigned i = (t->first + k) % n;

		drop[i] = !client_step(t, &t->client[i], t->poll[2 + i].revents, now);
	}
	t->first++;
	for (unsigned i = n; i--;)
		if (drop[i])
			hang_up(t, i);
	if (t->poll[1].revents)
		accept_clients(t, now);
}

static void *serve(void *arg)
{
	struct pp_telemetry *t = arg;
	struct pollfd stop = { .fd = t->stop_fd, .events = POLLIN };

	for (;;) {
		int wait = prepare(t), ret = poll(t->poll, 2 + t->n, wait);

		if (ret > 0 && t->poll[0].revents)
			break;
		if (ret >= 0) /* 0: a client may have stalled, or have asked for more already */
			round_of_all(t);
		ret = poll(&stop, 1, PAUSE_MS);
		if (ret > 0)
			break;
		if (ret < 0) /* no memory for now: the pause all the same */
			nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000 }, NULL);
	}
	while (t->n)
		hang_up(t, t->n - 1);
	for (unsigned r = 0; r < REQUESTS; r++)
		text_put(t, t->newest[r]);
	return NULL;
}

/* ---- start, stop ---------------------------------------------------------------------------- */

static int choose_path(struct pp_telemetry *t, const char *path)
{
	char dir[sizeof t->path];
	int ret = 0;

	if (!path) {
		ret = path_folder(dir, sizeof dir - 32);
		pp_telemetry_list(NULL, 0); /* what others have left there goes */
		if (!ret)
			snprintf(t->path, sizeof t->path, "%.*s/%d.sock", (int)sizeof dir - 32, dir,
				 getpid());
	} else if (strlen(path) >= sizeof t->path) {
		ret = -ENAMETOOLONG;
	} else {
		strcpy(t->path, path);
	}
	return ret;
}

static int listen_at(struct pp_telemetry *t)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int ret;

	strcpy(a.sun_path, t->path);
	t->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode first: Linux gives it to the file, and nobody is let in before. */
	if (t->listen_fd < 0 || fchmod(t->listen_fd, 0600))
		return -errno;
	ret = bind(t->listen_fd, (void *)&a, sizeof a) ? -errno : 0;
	if (ret == -EADDRINUSE && path_is_deaf(t->path) && !unlink(t->path))
		ret = bind(t->listen_fd, (void *)&a, sizeof a) ? -errno : 0;
	if (ret) {
		t->path[0] = 0; /* not ours to remove */
		return ret;
	}
	return listen(t->listen_fd, 128) ? -errno : 0;
}

/* The program's signals are not for this thread. */
static int start_thread(struct pp_telemetry *t)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&t->thread, NULL, serve, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!ret)
		pthread_setname_np(t->thread, "pp-telemetry");
	return -ret;
}

static void discard(struct pp_telemetry *t)
{
	if (t->listen_fd >= 0)
		close(t->listen_fd);
	if (t->stop_fd >= 0)
		close(t->stop_fd);
	if (t->path[0] && t->pid == getpid())
		unlink(t->path);
	free(t);
}

/* As the library does it: what a shorter structure doesn't have is zero. */
static int read_params(struct pp_telemetry_params *p, const struct pp_telemetry_params *theirs)
{
	if (!theirs)
		return 0;
	if (theirs->size < sizeof theirs->size)
		return -EINVAL;
	if (theirs->size > PP_PARAMS_MAX)
		return -E2BIG;
	for (size_t i = sizeof *p; i < theirs->size; i++)
		if (((const char *)theirs)[i])
			return -E2BIG;
	memcpy(p, theirs, theirs->size < sizeof *p ? theirs->size : sizeof *p);
	return 0;
}

int pp_telemetry_start(struct pp_telemetry **out, const struct pp_telemetry_params *params)
{
	struct pp_telemetry_params p = { 0 };
	struct pp_telemetry *t;
	int ret = out ? read_params(&p, params) : -EINVAL;

	if (out)
		*out = NULL;
	if (ret)
		return ret;
	t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->listen_fd = -1;
	t->pid = getpid();
	t->started_ns = telemetry_now_ns();
	snprintf(t->process, sizeof t->process, "%s",
		 p.name ? p.name : program_invocation_short_name);
	t->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = t->stop_fd < 0 ? -errno : choose_path(t, p.path);
	if (!ret)
		ret = listen_at(t);
	if (!ret)
		ret = start_thread(t);
	if (ret) {
		discard(t);
		return ret;
	}
	*out = t;
	return 0;
}

void pp_telemetry_stop(struct pp_telemetry *t)
{
	uint64_t one = 1;

	if (!t)
		return;
	if (t->pid == getpid()) {
		if (write(t->stop_fd, &one, sizeof one) != sizeof one)
			abort(); /* an eventfd of ours that was 0 takes it */
		pthread_join(t->thread, NULL);
	} else {
		for (unsigned i = 0; i < t->n; i++)
			close(t->client[i].fd);
	}
	discard(t);
}

const char *pp_telemetry_path(const struct pp_telemetry *t)
{
	return t ? t->path : "";
}
