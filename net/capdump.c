/*
 * capdump.c - see capdump.h. Each packet is written at once, so that everything added is in the
 * file, and the file can be cut behind the last whole packet if no more can be written. The snap
 * length in the header is corrected when a longer packet comes, if the file permits it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capdump.h"

#include "capio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
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
	int fd;
	char *path;
	bool created, begun;
	bool regular; /* it can be cut */
	bool fixed;   /* what is in the file can't be changed any more */
	off_t base;   /* where the header is */
	off_t whole;  /* where the last packet that is whole ends; only what is regular has that */
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
		d->fd = fd;
		*out = d;
		return 0;
	}
	if (fd == -ECANCELED)
		snprintf(error, CAPFILE_ERROR,
			 "interrupted before anybody opened %.200s to read it", path);
	else
		snprintf(error, CAPFILE_ERROR, "can't write %.200s: %.150s", path, strerror(-fd));
	if (d)
		free(d->path);
	free(d);
	return fd;
}

void capdump_close(struct capdump *d)
{
	if (!d)
		return;
	close(d->fd);
	if (d->created && !d->begun)
		unlink(d->path);
	free(d->path);
	free(d);
}

/* Some of the vectors' bytes; they are moved past these. 0 or a positive errno. */
static int write_some(const struct capdump *d, struct iovec *v, size_t n)
{
	struct pollfd ready = { .fd = d->fd, .events = POLLOUT };
	ssize_t done = writev(d->fd, v, (int)n);

	if (done < 0 && errno == EAGAIN) /* somebody else's descriptor, which doesn't wait */
		return poll(&ready, 1, -1) < 0 && errno != EINTR ? errno : 0;
	if (done < 0)
		return errno == EINTR ? 0 : errno;
	for (size_t i = 0; i < n; i++) {
		size_t here = (size_t)done < v[i].iov_len ? (size_t)done : v[i].iov_len;

		v[i].iov_base = (char *)v[i].iov_base + here;
		v[i].iov_len -= here;
		done -= (ssize_t)here;
	}
	return 0;
}

/* Two pieces, whole or, where the file can be cut, not at all. 0 or a negative errno. */
static int put(struct capdump *d, const void *a, size_t a_len, const void *b, size_t b_len,
	       char *error)
{
	struct iovec v[2] = { { (void *)a, a_len }, { (void *)b, b_len } };

	while (v[0].iov_len || v[1].iov_len) {
		int err = write_some(d, v, 2);

		if (!err)
			continue;
		if (d->regular && ftruncate(d->fd, d->whole))
			err = errno;
		return failed(d, err, error);
	}
	d->whole += (off_t)(a_len + b_len);
	return 0;
}

int capdump_begin(struct capdump *d, uint32_t link_type, char *error)
{
	struct header h = { .magic = 0xa1b23c4d, .major = 2, .minor = 4, .link_type = link_type };
	bool append = fcntl(d->fd, F_GETFL) & O_APPEND;
	struct stat st;

	d->regular = !fstat(d->fd, &st) && S_ISREG(st.st_mode);
	d->fixed = !d->regular || append;
	d->base = d->whole = append && d->regular ? st.st_size : lseek(d->fd, 0, SEEK_CUR);
	if (!d->fixed && ftruncate(d->fd, d->base))
		return failed(d, errno, error);
	h.snaplen = d->snaplen = d->fixed ? capfile_longest(link_type) : SNAPLEN;
	if (put(d, &h, sizeof h, NULL, 0, error))
		return -d->error;
	d->begun = true;
	return 0;
}

/* A longer packet than the header says: who reads the file would cut it. */
static int raise_snaplen(struct capdump *d, uint32_t len, char *error)
{
	d->snaplen = len;
	if (d->fixed)
		return failed(d, EMSGSIZE, error);
	return pwrite(d->fd, &len, sizeof len, d->base + (off_t)offsetof(struct header, snaplen)) ==
			       (ssize_t)sizeof len ?
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
	return put(d, &r, sizeof r, p->bytes, p->len, error);
}
