/*
 * capdump.c - see capdump.h. What the header says of the longest packet is put right when a longer
 * one comes, where the file allows it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capdump.h"

#include "capio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SNAPLEN 262144u

struct header {
	uint32_t magic;
	uint16_t major, minor;
	int32_t zone;
	uint32_t sigfigs, snaplen, link_type;
};

struct record {
	uint32_t sec, nsec, len, wire_len;
};

struct capdump {
	FILE *file;
	char *path;
	bool created, begun;
	bool fixed; /* what is in the file can't be changed any more */
	off_t base; /* where the header is */
	uint32_t snaplen;
	int error;
};

static int failed(struct capdump *d, int err, char *error)
{
	if (!d->error)
		d->error = err;
	snprintf(error, CAPFILE_ERROR, "can't write %.200s: %.150s", d->path, strerror(d->error));
	return -d->error;
}

int capdump_open(struct capdump **out, const char *path, char *error)
{
	struct capdump *d = calloc(1, sizeof *d);
	int fd = -ENOMEM;

	*out = NULL;
	if (d)
		d->path = strdup(strcmp(path, "-") ? path : "standard output");
	if (d && d->path)
		fd = capio_open_write(path, &d->created);
	if (fd >= 0) {
		d->file = fdopen(fd, "w");
		if (d->file) {
			*out = d;
			return 0;
		}
		close(fd);
		fd = -ENOMEM;
	}
	if (fd == -ECANCELED)
		snprintf(error, CAPFILE_ERROR,
			 "interrupted before anybody opened %.200s to read it", path);
	else
		snprintf(error, CAPFILE_ERROR, "can't write %.200s: %.150s", path, strerror(-fd));
	capdump_close(d);
	return fd;
}

void capdump_close(struct capdump *d)
{
	if (!d)
		return;
	if (d->file)
		fclose(d->file);
	if (d->created && !d->begun)
		unlink(d->path);
	free(d->path);
	free(d);
}

int capdump_begin(struct capdump *d, uint32_t link_type, char *error)
{
	struct header h = { .magic = 0xa1b23c4d, .major = 2, .minor = 4, .link_type = link_type };
	int fd = fileno(d->file);
	struct stat st;

	d->begun = true;
	d->base = lseek(fd, 0, SEEK_CUR);
	d->fixed = fstat(fd, &st) || !S_ISREG(st.st_mode) || (fcntl(fd, F_GETFL) & O_APPEND);
	if (!d->fixed && ftruncate(fd, d->base))
		return failed(d, errno, error);
	h.snaplen = d->snaplen = d->fixed ? capfile_longest(link_type) : SNAPLEN;
	return fwrite(&h, sizeof h, 1, d->file) == 1 ? 0 : failed(d, errno, error);
}

/* A longer packet than the header says: who reads the file would cut it. */
static int raise_snaplen(struct capdump *d, uint32_t len, char *error)
{
	d->snaplen = len;
	if (d->fixed)
		return failed(d, EMSGSIZE, error);
	if (capdump_flush(d, error))
		return -d->error;
	return pwrite(fileno(d->file), &len, sizeof len,
		      d->base + (off_t)offsetof(struct header, snaplen)) == (ssize_t)sizeof len ?
		       0 :
		       failed(d, errno, error);
}

int capdump_add(struct capdump *d, const struct capfile_packet *p, char *error)
{
	struct record r = {
		.sec = (uint32_t)(p->time_ns / 1000000000u),
		.nsec = (uint32_t)(p->time_ns % 1000000000u),
		.len = p->len,
		.wire_len = p->wire_len,
	};

	if (d->error || (p->len > d->snaplen && raise_snaplen(d, p->len, error)))
		return failed(d, d->error, error);
	if (p->time_ns / 1000000000u > UINT32_MAX) {
		d->error = EOVERFLOW;
		snprintf(error, CAPFILE_ERROR,
			 "can't write %.200s any further: a packet has a time after 7 "
			 "February 2106, which pcap can't tell",
			 d->path);
		return -d->error;
	}
	if (fwrite(&r, sizeof r, 1, d->file) != 1 ||
	    (p->len && fwrite(p->bytes, p->len, 1, d->file) != 1))
		return failed(d, errno, error);
	return 0;
}

int capdump_flush(struct capdump *d, char *error)
{
	return d->error || fflush(d->file) ? failed(d, errno, error) : 0;
}
