/*
 * timeline.c - samples of a run, and the HTML page that shows them (page.html).
 *
 * However long the run is, at most SAMPLES are kept: when they are full every other one is dropped
 * and the interval doubles.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "timeline.h"
#include "loop.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "page.h"

#define SAMPLES 2048u
#define MARKS 64u
#define FIRST_INTERVAL_NS 100000u
#define DATA "@DATA@" /* where the page takes them */

struct sample {
	uint64_t time_ns, received, written, in_flight, mapped;
};

struct timeline {
	struct output out;
	uint64_t begun, last, interval;
	struct sample sample[SAMPLES];
	unsigned n, n_marks;
	struct mark {
		uint64_t time_ns;
		char what[80];
	} mark[MARKS];
};

static void add_pool(struct pp_pool *pool, void *ctx)
{
	struct sample *s = ctx;
	struct pp_pool_stats st;

	pp_pool_stats(pool, &st, sizeof st);
	s->in_flight += st.in_flight;
	s->mapped += st.bytes_mapped;
}

static void thin_out(struct timeline *t)
{
	for (unsigned i = 0; i < SAMPLES / 2; i++)
		t->sample[i] = t->sample[2 * i];
	t->n = SAMPLES / 2;
	t->interval *= 2;
}

void timeline_sample(struct timeline *t, uint64_t received, uint64_t written, bool now)
{
	uint64_t time = t ? loop_now() : 0, took;
	struct sample s = { time, received, written, 0, 0 };

	if (!t || (!now && time - t->last < t->interval))
		return;
	pp_pool_each(add_pool, &s);
	s.time_ns -= t->begun;
	if (t->n == SAMPLES)
		thin_out(t);
	t->sample[t->n++] = s;
	t->last = loop_now();
	took = t->last - time;
	if (t->interval < 20 * took) /* a pool of many chunks: looking must not become the work */
		t->interval = 20 * took;
}

void timeline_mark(struct timeline *t, const char *what)
{
	if (!t || t->n_marks == MARKS)
		return;
	if (!t->n && !t->n_marks) /* the run begins */
		t->begun = loop_now();
	t->mark[t->n_marks].time_ns = loop_now() - t->begun;
	snprintf(t->mark[t->n_marks++].what, sizeof t->mark[0].what, "%s", what);
}

/* ---- the file ------------------------------------------------------------------------------ */

/* What exists is overwritten only if it is such a page: a mistyped name must not cost a file. */
static bool may_overwrite(const struct output *o)
{
	static const char begin[] = "<!doctype html>";
	char head[sizeof begin - 1];
	struct stat st;
	ssize_t n;
	int fd;

	if (o->standard || fstat(o->fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		return true;
	fd = open(o->name, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, head, sizeof head) : -1;
	if (fd >= 0)
		close(fd);
	if (n == (ssize_t)sizeof head && !memcmp(head, begin, sizeof head))
		return true;
	say("%s exists and is not an HTML page: --report doesn't overwrite it", o->name);
	return false;
}

static bool same_file(int fd, const char *other)
{
	struct stat a, b;

	if (fstat(fd, &a) || (strcmp(other, "-") ? stat(other, &b) : fstat(STDOUT_FILENO, &b)))
		return false;
	return !S_ISCHR(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int timeline_open(struct timeline **out, const char *path, const char *other)
{
	struct timeline *t = calloc(1, sizeof *t);

	*out = NULL;
	if (!t) {
		say("can't write %s: %s", path, strerror(ENOMEM));
		return -1;
	}
	if (output_open(&t->out, path)) {
		free(t);
		return -1;
	}
	if (same_file(t->out.fd, other))
		say("%s can't be the capture and the report", path);
	else if (may_overwrite(&t->out)) {
		t->interval = FIRST_INTERVAL_NS;
		*out = t;
		return 0;
	}
	output_abandon(&t->out);
	free(t);
	return -1;
}

static json_t *samples_json(const struct timeline *t)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < t->n; i++) {
		const struct sample *s = &t->sample[i];

		json_array_append_new(all,
				      json_pack("[IIIII]", (json_int_t)s->time_ns,
						(json_int_t)s->received, (json_int_t)s->written,
						(json_int_t)s->in_flight, (json_int_t)s->mapped));
	}
	return all;
}

static json_t *marks_json(const struct timeline *t)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < t->n_marks; i++)
		json_array_append_new(all, json_pack("{sI ss}", "time_ns",
						     (json_int_t)t->mark[i].time_ns, "what",
						     t->mark[i].what));
	return all;
}

/* JSON inside of a script element: a name with "</script>" must not end it. */
static int dump(const char *bytes, size_t n, void *ctx)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] == '<' ? fputs("\\u003c", ctx) == EOF : fputc(bytes[i], ctx) == EOF)
			return -1;
	return 0;
}

static void write_page(const struct timeline *t, const struct report *r, FILE *file)
{
	const char *hole = strstr(page_html, DATA);
	json_t *o = json_object();

	json_object_set_new(o, "version", json_string(pp_version()));
	json_object_set_new(o, "report", report_object(r));
	json_object_set_new(o, "samples", samples_json(t));
	json_object_set_new(o, "marks", marks_json(t));
	fwrite(page_html, 1, (size_t)(hole - page_html), file);
	json_dump_callback(o, dump, file, JSON_COMPACT);
	fputs(hole + strlen(DATA), file);
	json_decref(o);
}

int timeline_close(struct timeline *t, const struct report *report)
{
	FILE *file;
	int ret = 0;

	if (!t)
		return 0;
	if (!report) {
		output_abandon(&t->out);
		free(t);
		return 0;
	}
	file = output_begin(&t->out) ? NULL : fdopen(dup(t->out.fd), "w");
	if (file)
		write_page(t, report, file);
	if (!file || (ferror(file) | fclose(file))) {
		say("can't write %s: %s", t->out.name, strerror(errno));
		ret = -1;
	}
	if (ret)
		output_abandon(&t->out); /* half a page is none */
	else
		ret = output_close(&t->out);
	free(t);
	return ret;
}
