/*
 * rotate.c - see rotate.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "rotate.h"

#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_FILES 100000u /* that are kept: as dumpcap has it */
#define KB 1000u

/* One word: "filesize:1000". */
static int take(struct rotate *r, const char *word)
{
	static const char *const names[] = { "filesize:", "duration:", "packets:", "files:" };
	uint64_t *const values[] = { &r->bytes, &r->seconds, &r->packets, &r->files };

	for (size_t i = 0; i < 4; i++) {
		size_t n = strlen(names[i]);

		if (strncmp(word, names[i], n))
			continue;
		if (number_parse(word + n, 1, values[i]))
			return 0;
		say("-b %s takes a whole number of at least 1, not \"%s\"", names[i], word + n);
		return -1;
	}
	say("-b takes filesize:KB, duration:SECONDS, packets:N or files:N, not \"%s\"", word);
	return -1;
}

/* Whether files' names can be made from it: "out.pcap", but not "folder/" or "/dev/null". */
static bool can_be_many(const char *path)
{
	size_t n = strlen(path);
	struct stat st;

	if (output_is_standard(path))
		say("-b needs a file name for -w: standard output is a single file");
	else if (!n || path[n - 1] == '/')
		say("-b needs a file name for -w: \"%s\" is none", path);
	else if (!stat(path, &st) && !S_ISREG(st.st_mode))
		say("-b needs a file name for -w: %s exists and is not a regular file", path);
	else
		return true;
	return false;
}

int rotate_open(struct rotate *r, const char *path, const struct option_list *words)
{
	*r = (struct rotate){ 0 };
	for (unsigned i = 0; i < words->n; i++)
		if (take(r, words->value[i]))
			return -1;
	if (!words->n)
		return 0;
	if (!r->bytes && !r->seconds && !r->packets)
		say("-b files: says how many files are kept, not when the next one begins: filesize:, duration: "
		    "or packets: does");
	else if (r->files > MOST_FILES)
		say("-b files: takes no more than %u", MOST_FILES);
	else if (r->bytes > UINT64_MAX / KB)
		say("-b filesize: the number is too large");
	else if (can_be_many(path)) {
		r->bytes *= KB;
		r->path = path;
		r->name = calloc(r->files ? r->files : 1, sizeof *r->name);
		if (r->name)
			return 0;
		say("no memory for the names of %llu files", (unsigned long long)r->files);
	}
	return -1;
}

static char **slot(struct rotate *r)
{
	return &r->name[r->number % (r->files ? r->files : 1)];
}

void rotate_close(struct rotate *r)
{
	for (uint64_t i = 0; r->name && i < (r->files ? r->files : 1); i++)
		free(r->name[i]);
	free(r->name);
	free(r->oldest);
}

/* "out.pcap" becomes "out_00001_20261129083000.pcap". */
const char *rotate_name(struct rotate *r)
{
	const char *last = strrchr(r->path, '/'), *dot;
	size_t size = strlen(r->path) + 64;
	char stamp[32] = "", *name = malloc(size);
	time_t now = time(NULL);
	struct tm tm;

	if (!name)
		return NULL;
	last = last ? last + 1 : r->path;
	dot = strrchr(last, '.');
	if (!dot || dot == last)
		dot = last + strlen(last);
	if (localtime_r(&now, &tm))
		strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S", &tm);
	r->number++;
	snprintf(name, size, "%.*s_%05llu_%s%s", (int)(dot - r->path), r->path,
		 (unsigned long long)r->number, stamp, dot);
	free(r->oldest);
	r->oldest = *slot(r);
	*slot(r) = name;
	return name;
}

void rotate_begun(struct rotate *r)
{
	if (r->files && r->oldest && unlink(r->oldest) && errno != ENOENT)
		say("can't remove %s, the oldest of %llu files: %s", r->oldest,
		    (unsigned long long)r->files, strerror(errno));
}
