/*
 * capsource.c - see capsource.h. Bytes are read into `raw` and decompressed into `buf`; without a
 * decompressor they are read into `buf`, and `raw` isn't used.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capsource.h"

#include "capio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

/* Bytes read at a time: a packet in each system call would be most of a capture's time. */
#define READ_BYTES (256u << 10)

struct capsource {
	int fd, cancel_fd;
	bool regular; /* never has to be waited for */
	bool ended;   /* the descriptor has no more */
	off_t begin;
	const char *path;
	enum { PLAIN, GZIP, ZSTD } coding;
#ifdef HAVE_ZLIB
	z_stream gzip;
	bool gzip_inside; /* of a member: an end here is one too early */
#endif
#ifdef HAVE_ZSTD
	ZSTD_DStream *zstd;
	size_t zstd_hint; /* 0: between two frames */
#endif
	uint8_t *raw;
	size_t raw_at, raw_n;
	uint8_t *buf;
	size_t at, n, size; /* what hasn't been consumed: buf[at, n) */
};

static int failed(char *error, int err, const char *why)
{
	snprintf(error, CAPSOURCE_ERROR, "%s", why);
	return -err;
}

/* ---- the descriptor --------------------------------------------------------------------- */

/* Bytes; 0: the end; or -errno. */
static ssize_t read_some(struct capsource *s, uint8_t *to, size_t size, char *error)
{
	ssize_t n;

	if (s->ended)
		return 0;
	do {
		if (!s->regular && capio_wait(s->fd, s->cancel_fd))
			return failed(error, ECANCELED, "told to end while waiting for more of it");
		n = read(s->fd, to, size);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return failed(error, errno, strerror(errno));
	s->ended = !n;
	return n;
}

/* ---- decompressors ------------------------------------------------------------------------ */

/* There is a byte in `raw`, or the end of the file is reached. */
static int fill_raw(struct capsource *s, char *error)
{
	ssize_t n;

	if (s->raw_at < s->raw_n)
		return 0;
	n = read_some(s, s->raw, READ_BYTES, error);
	if (n < 0)
		return (int)n;
	s->raw_at = 0;
	s->raw_n = (size_t)n;
	return 0;
}

#ifdef HAVE_ZLIB
static int begin_gzip(struct capsource *s, char *error)
{
	memset(&s->gzip, 0, sizeof s->gzip);
	s->gzip_inside = false;
	return inflateInit2(&s->gzip, 15 + 16) == Z_OK ? 0 : failed(error, ENOMEM, "no memory");
}

static ssize_t read_gzip(struct capsource *s, uint8_t *to, size_t size, char *error)
{
	s->gzip.next_out = to;
	s->gzip.avail_out = (uInt)size;
	while (s->gzip.avail_out == size) {
		int ret = fill_raw(s, error);

		if (ret)
			return ret;
		if (s->raw_at == s->raw_n)
			return s->gzip_inside ?
				       failed(error, EINVAL, "its gzip data end too soon") :
				       0;
		s->gzip.next_in = s->raw + s->raw_at;
		s->gzip.avail_in = (uInt)(s->raw_n - s->raw_at);
		s->gzip_inside = true;
		ret = inflate(&s->gzip, Z_NO_FLUSH);
		s->raw_at = s->raw_n - s->gzip.avail_in;
		if (ret == Z_STREAM_END) {
			s->gzip_inside = false;
			inflateReset(&s->gzip); /* another member may follow */
		} else if (ret != Z_OK && ret != Z_BUF_ERROR) {
			return failed(error, EINVAL, "its gzip data are damaged");
		}
	}
	return (ssize_t)(size - s->gzip.avail_out);
}
#endif

#ifdef HAVE_ZSTD
static int begin_zstd(struct capsource *s, char *error)
{
	s->zstd_hint = 0;
	s->zstd = ZSTD_createDStream();
	return s->zstd ? 0 : failed(error, ENOMEM, "no memory");
}

static ssize_t read_zstd(struct capsource *s, uint8_t *to, size_t size, char *error)
{
	ZSTD_outBuffer out = { to, size, 0 };

	while (!out.pos) {
		ZSTD_inBuffer in;
		int ret = fill_raw(s, error);

		if (ret)
			return ret;
		in = (ZSTD_inBuffer){ s->raw, s->raw_n, s->raw_at };
		if (s->raw_at == s->raw_n && !s->zstd_hint)
			return 0;
		s->zstd_hint = ZSTD_decompressStream(s->zstd, &out, &in);
		if (ZSTD_isError(s->zstd_hint))
			return failed(error, EINVAL, "its zstd data are damaged");
		if (!out.pos && in.pos == s->raw_at && in.size == in.pos)
			return failed(error, EINVAL, "its zstd data end too soon");
		s->raw_at = in.pos;
	}
	return (ssize_t)out.pos;
}
#endif

static void end_decoding(struct capsource *s)
{
#ifdef HAVE_ZLIB
	if (s->coding == GZIP)
		inflateEnd(&s->gzip);
#endif
#ifdef HAVE_ZSTD
	if (s->coding == ZSTD)
		ZSTD_freeDStream(s->zstd);
	s->zstd = NULL;
#endif
	s->coding = PLAIN;
}

static ssize_t decode_some(struct capsource *s, uint8_t *to, size_t size, char *error)
{
	switch (s->coding) {
#ifdef HAVE_ZLIB
	case GZIP: return read_gzip(s, to, size, error);
#endif
#ifdef HAVE_ZSTD
	case ZSTD: return read_zstd(s, to, size, error);
#endif
	default: return read_some(s, to, size, error);
	}
}

/* ---- the buffer --------------------------------------------------------------------------- */

/* Room for more behind what is there, which may have to move. */
static int make_room(struct capsource *s, char *error)
{
	uint8_t *more;

	if (s->at) {
		memmove(s->buf, s->buf + s->at, s->n - s->at);
		s->n -= s->at;
		s->at = 0;
	}
	if (s->n < s->size)
		return 0;
	more = realloc(s->buf, 2 * s->size);
	if (!more)
		return failed(error, ENOMEM, "no memory for a packet so long");
	s->buf = more;
	s->size *= 2;
	return 0;
}

/* What was asked for is rarely much of the buffer: so what is left to move is little. */
int capsource_peek(struct capsource *s, const uint8_t **bytes, size_t *n, char *error)
{
	while (s->n - s->at < *n) {
		ssize_t got;
		int ret = s->n == s->size || s->at == s->n ? make_room(s, error) : 0;

		if (ret)
			return ret;
		got = decode_some(s, s->buf + s->n, s->size - s->n, error);
		if (got < 0)
			return (int)got;
		if (!got)
			break;
		s->n += (size_t)got;
	}
	*bytes = s->buf + s->at;
	*n = s->n - s->at;
	return 0;
}

int capsource_skip(struct capsource *s, uint64_t n, char *error)
{
	while (n) {
		const uint8_t *bytes;
		size_t there = 1, step;
		int ret = capsource_peek(s, &bytes, &there, error);

		if (ret || !there)
			return ret;
		step = n < there ? (size_t)n : there;
		s->at += step;
		n -= step;
	}
	return 0;
}

/* ---- open, close ---------------------------------------------------------------------------- */

/* What the first bytes say about how the file is packed. */
static const struct packing {
	uint8_t magic[6];
	size_t n;
	const char *name, *unpack;
} packings[] = {
	{ { 0x1f, 0x8b }, 2, "gzip", "zcat" },
	{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, "zstd", "zstdcat" },
	{ { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, "xz", "xzcat" },
	{ { 'B', 'Z', 'h' }, 3, "bzip2", "bzcat" },
	{ { 0x04, 0x22, 0x4d, 0x18 }, 4, "lz4", "lz4cat" },
};

/* The bytes that were looked at are packed ones. */
static int unpack(struct capsource *s, char *error)
{
	s->raw = malloc(s->size);
	if (!s->raw)
		return failed(error, ENOMEM, "no memory");
	memcpy(s->raw, s->buf, s->n);
	s->raw_n = s->n;
	s->raw_at = s->at = s->n = 0;
	return 0;
}

static int begin_decoding(struct capsource *s, const struct packing *p, char *error)
{
	int ret = -ENOTSUP;

#ifdef HAVE_ZLIB
	if (!strcmp(p->name, "gzip") && !(ret = begin_gzip(s, error)))
		s->coding = GZIP;
#endif
#ifdef HAVE_ZSTD
	if (!strcmp(p->name, "zstd") && !(ret = begin_zstd(s, error)))
		s->coding = ZSTD;
#endif
	if (ret == -ENOTSUP)
		snprintf(
			error, CAPSOURCE_ERROR,
			"it is compressed by %s; unpack it on the way: %s %.80s | pagepool ..., with - as the "
			"file",
			p->name, p->unpack, s->path);
	return ret ? ret : unpack(s, error);
}

static int look(struct capsource *s, char *error)
{
	const uint8_t *bytes;
	size_t n = 6;
	int ret = capsource_peek(s, &bytes, &n, error);

	for (size_t i = 0; !ret && i < sizeof packings / sizeof packings[0]; i++)
		if (n >= packings[i].n && !memcmp(bytes, packings[i].magic, packings[i].n))
			return begin_decoding(s, &packings[i], error);
	return ret;
}

static int open_fd(struct capsource *s, char *error)
{
	struct stat st;

	s->fd = capio_open_read(s->path);
	if (s->fd < 0)
		return failed(error, -s->fd, strerror(-s->fd));
	if (fstat(s->fd, &st))
		return failed(error, errno, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return failed(error, EISDIR, "it is a directory");
	s->regular = S_ISREG(st.st_mode);
	s->begin = s->regular ? lseek(s->fd, 0, SEEK_CUR) : 0;
	s->cancel_fd = s->regular ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return 0;
}

int capsource_open(struct capsource **out, const char *path, char *error)
{
	struct capsource *s = calloc(1, sizeof *s);
	int ret;

	*out = NULL;
	if (s)
		s->buf = malloc(READ_BYTES);
	if (!s || !s->buf) {
		free(s);
		return failed(error, ENOMEM, "no memory");
	}
	s->size = READ_BYTES;
	s->fd = s->cancel_fd = -1;
	s->path = path;
	ret = open_fd(s, error);
	if (!ret)
		ret = look(s, error);
	if (ret) {
		capsource_close(s);
		return ret;
	}
	*out = s;
	return 0;
}

void capsource_close(struct capsource *s)
{
	if (!s)
		return;
	end_decoding(s);
	if (s->fd >= 0)
		close(s->fd);
	if (s->cancel_fd >= 0)
		close(s->cancel_fd);
	free(s->raw);
	free(s->buf);
	free(s);
}

int capsource_rewind(struct capsource *s, char *error)
{
	if (!s->regular)
		return failed(error, ESPIPE, "it can be read only once, as it is no file");
	if (lseek(s->fd, s->begin, SEEK_SET) < 0)
		return failed(error, errno, strerror(errno));
	end_decoding(s);
	free(s->raw);
	s->raw = NULL;
	s->at = s->n = s->raw_at = s->raw_n = 0;
	s->ended = false;
	return look(s, error);
}

void capsource_cancel(struct capsource *s)
{
	uint64_t one = 1;

	if (s->cancel_fd >= 0 && write(s->cancel_fd, &one, sizeof one) < 0)
		return; /* it is full: readable anyway */
}
