/*
 * writer.c - a capture file, written straight from the pool's pages (aio.h). Only small packets
 * are copied first: two vectors cost the kernel more than a few cache lines cost us.
 *
 * The file is pcap with nanosecond stamps, in this machine's byte order. Packets are
 * gathered into batches; a batch is one vectored write at its own place in the file and
 * begins and ends between packets. So, whatever fails, the file can be cut where the
 * last packet before the failure ends, and is valid.
 *
 * What isn't a regular file (a pipe), or is one to be appended to, is written one batch
 * after the other.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "writer.h"

#include "aio.h"

#include <capfile.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCHES 32u
#define BATCH_IOV 1024u /* IOV_MAX on Linux: the vectors of one write */
#define BATCH_PACKETS 1024u
#define COPY_BYTES 256u /* packets up to this length are copied, and their pages put at once */
#define BATCH_BYTES (1u << 20) /* a batch goes off when it has so many */
#define SNAPLEN 262144u /* what readers expect; the header says more when a packet is longer */
#define PATIENCE_MS 1000 /* when the run is to end: after that we say that a reader doesn't read */

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	int32_t zone;
	uint32_t sigfigs, snaplen, link_type;
};

struct record {
	uint32_t sec, nsec, len, wire_len;
};

struct batch {
	struct record record[BATCH_PACKETS];
	char copy[BATCH_PACKETS * (sizeof(struct record) + COPY_BYTES)]; /* records and packets */
	unsigned copied; /* bytes of it in use */
	struct iovec iov[BATCH_IOV];
	struct pp_page *page[BATCH_IOV];
	unsigned n_packets, n_iov, n_pages;
	unsigned iov_done; /* vectors written whole */
	uint64_t offset, bytes, written;
	enum { FREE, OPEN, BUSY, DONE, FAILED } state;
};

struct writer {
	struct aio *aio;
	struct output out;
	bool serial; /* one batch at a time, wherever the file's position is */
	char error[ERROR_BYTES];
	bool failed, complained;
	struct batch *batch; /* BATCHES of them */
	struct batch *turn[BATCHES]; /* a ring: [first, first + n) are in use, in order */
	unsigned first, n;
	unsigned n_busy;
	struct pp_page *copied[64]; /* pages whose packets have been copied, to be put together */
	unsigned n_copied;
	uint32_t snaplen; /* as the file's header says */
	uint64_t end;     /* where the next batch goes */
	uint64_t packets; /* of the batches that are whole and in front */
	uint64_t valid;   /* bytes of the file that are whole */
};

static struct batch *batch_at(struct writer *w, unsigned i)
{
	return w->turn[(w->first + i) % BATCHES];
}

static void put_pages(struct batch *b)
{
	pp_page_put_batch(b->page, b->n_pages);
	b->n_pages = 0;
}

static void fail(struct writer *w, int err)
{
	if (w->failed)
		return;
	w->failed = true;
	snprintf(w->error, sizeof w->error, "can't write %s: %s", w->out.name, strerror(err));
}

/* ---- batches on their way -------------------------------------------------------------- */

static void submit(struct writer *w, struct batch *b)
{
	aio_write(w->aio, w->out.fd, b->iov + b->iov_done, b->n_iov - b->iov_done,
		  w->serial ? AIO_AT_POSITION : w->out.base + b->offset + b->written, b);
	b->state = BUSY;
	w->n_busy++;
}

/* The packets of a batch that lie within its first `written` bytes, and their bytes. */
static unsigned whole_packets(const struct batch *b, uint64_t written, uint64_t *bytes)
{
	unsigned n = 0;

	*bytes = 0;
	while (n < b->n_packets && *bytes + sizeof(struct record) + b->record[n].len <= written)
		*bytes += sizeof(struct record) + b->record[n++].len;
	return n;
}

/* Batches in front that are settled: count them, up to the first that failed. */
static void retire(struct writer *w)
{
	while (w->n && (batch_at(w, 0)->state == DONE || batch_at(w, 0)->state == FAILED)) {
		struct batch *b = batch_at(w, 0);
		uint64_t bytes;
		unsigned packets = whole_packets(b, b->written, &bytes);

		if (w->valid == b->offset) { /* nothing is missing before it */
			w->packets += packets;
			w->valid += bytes;
		}
		b->state = FREE;
		/* the next one to be opened: it is in the processor's cache */
		w->turn[w->first] = batch_at(w, w->n);
		w->turn[(w->first + w->n) % BATCHES] = b;
		w->first = (w->first + 1) % BATCHES;
		w->n--;
	}
}

/* Move past what has been written. */
static void advance(struct batch *b, size_t n)
{
	b->written += n;
	while (n) {
		struct iovec *v = &b->iov[b->iov_done];

		if (n < v->iov_len) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= n;
			return;
		}
		n -= v->iov_len;
		b->iov_done++;
	}
}

static void complete(struct writer *w, struct batch *b, int res)
{
	w->n_busy--;
	if (res > 0)
		advance(b, (size_t)res);
	if (b->written == b->bytes) {
		b->state = DONE;
	} else if ((res > 0 || res == -EINTR || res == -EAGAIN) && !w->failed) {
		submit(w, b); /* a short write: the rest, or its error */
		return;
	} else {
		fail(w, res < 0 ? -res : EIO);
		b->state = FAILED;
	}
	put_pages(b);
}

/* What is told when a reader keeps the run from ending. */
static void complain(struct writer *w)
{
	if (w->complained)
		return;
	w->complained = true;
	say("waiting for the reader of %s to take what is left; a second signal ends at once, without it",
	    w->out.name);
}

/* Wait until a write may be over. */
static void wait_for_write(struct writer *w)
{
	bool ending = stop_asked();
	struct pollfd fd[] = {
		{ .fd = aio_fd(w->aio), .events = POLLIN },
		{ .fd = ending ? -1 : stop_fd(), .events = POLLIN },
	};

	if (!poll(fd, 2, ending && !w->complained && !w->out.regular ? PATIENCE_MS : -1))
		complain(w);
}

static void reap(struct writer *w, bool wait)
{
	struct aio_done done;

	aio_flush(w->aio);
	for (;;) {
		if (aio_next(w->aio, &done)) {
			complete(w, done.tag, done.result);
			wait = false;
		} else if (wait && w->n_busy) {
			wait_for_write(w);
		} else {
			break;
		}
	}
	retire(w);
	aio_flush(w->aio);
}

/*
 * Send off what may go. The batch that takes more packets waits for them as long as another one
 * is under way: few large writes cost less than many small ones.
 */
static void dispatch(struct writer *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct batch *b = batch_at(w, i);
		bool may_wait = w->serial || i == w->n - 1;

		if (b->state != OPEN || !b->n_packets || (may_wait && w->n_busy))
			continue;
		if (w->failed) {
			b->state = FAILED;
			put_pages(b);
		} else {
			submit(w, b);
		}
	}
	aio_flush(w->aio);
}

static void put_copied(struct writer *w)
{
	pp_page_put_batch(w->copied, w->n_copied);
	w->n_copied = 0;
}

static void step(struct writer *w, bool wait)
{
	put_copied(w);
	dispatch(w);
	reap(w, wait);
	dispatch(w);
}

/* The batch that takes more packets, with room for n segments. */
static struct batch *open_batch(struct writer *w, unsigned n)
{
	struct batch *b = w->n ? batch_at(w, w->n - 1) : NULL;

	if (b && b->state == OPEN && b->n_packets < BATCH_PACKETS &&
	    b->n_iov + n + 1 <= BATCH_IOV && b->bytes < BATCH_BYTES)
		return b;
	while (w->n == BATCHES)
		step(w, true);
	b = batch_at(w, w->n++);
	b->n_packets = b->n_iov = b->n_pages = b->iov_done = b->copied = 0;
	b->bytes = b->written = 0;
	b->offset = w->end;
	b->state = OPEN;
	dispatch(w); /* the one before it */
	return b;
}

static char *bytes_of(const struct pp_net_seg *seg)
{
	return (char *)pp_page_addr(seg->page) + seg->offset;
}

/* The record goes before the packet, into the page: one vector. */
static void add_in_place(struct batch *b, struct record *r, const struct pp_net_seg *seg)
{
	char *at = bytes_of(seg) - sizeof *r;

	r->len = seg->len;
	memcpy(at, r, sizeof *r);
	b->iov[b->n_iov++] = (struct iovec){ at, sizeof *r + seg->len };
	b->page[b->n_pages++] = seg->page;
}

/* The record and the packet's pages, as vectors of their own. */
static void add_by_reference(struct batch *b, struct record *r, const struct pp_net_seg *seg, unsigned n)
{
	b->iov[b->n_iov++] = (struct iovec){ r, sizeof *r };
	for (unsigned i = 0; i < n; i++) {
		r->len += seg[i].len;
		if (seg[i].len)
			b->iov[b->n_iov++] = (struct iovec){ bytes_of(&seg[i]), seg[i].len };
		b->page[b->n_pages++] = seg[i].page;
	}
}

/* Both copied, behind what was copied last: if nothing came in between it is the same vector. */
static void add_by_copy(struct writer *w, struct batch *b, struct record *r, const struct pp_net_seg *seg)
{
	char *at = b->copy + b->copied;
	struct iovec *last = b->n_iov ? &b->iov[b->n_iov - 1] : NULL;

	r->len = seg->len;
	memcpy(at, r, sizeof *r);
	memcpy(at + sizeof *r, bytes_of(seg), seg->len);
	b->copied += sizeof *r + seg->len;
	if (last && (char *)last->iov_base + last->iov_len == at)
		last->iov_len += sizeof *r + seg->len;
	else
		b->iov[b->n_iov++] = (struct iovec){ at, sizeof *r + seg->len };
	w->copied[w->n_copied++] = seg->page;
	if (w->n_copied == sizeof w->copied / sizeof w->copied[0])
		put_copied(w);
}

/* A packet is longer than the header says: who reads the file would cut it. */
static void raise_snaplen(struct writer *w, const struct pp_net_seg *seg, unsigned n)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += seg[i].len;
	if (len <= w->snaplen)
		return;
	if (!w->out.regular || w->out.append) {
		say("a packet of %u bytes is longer than the header of %s says, which is on its way already: "
		    "readers may cut it to %u", len, w->out.name, w->snaplen);
		w->snaplen = UINT32_MAX; /* said once */
	} else if (pwrite(w->out.fd, &len, sizeof len, (off_t)w->out.base +
			  (off_t)offsetof(struct file_header, snaplen)) != (ssize_t)sizeof len) {
		fail(w, errno);
	} else {
		w->snaplen = len;
	}
}

static void add_packet(struct writer *w, const struct pp_net_seg *seg, unsigned n)
{
	struct batch *b = open_batch(w, n);
	struct record *r = &b->record[b->n_packets++];

	*r = (struct record){
		.sec = (uint32_t)(seg->time_ns / 1000000000u),
		.nsec = (uint32_t)(seg->time_ns % 1000000000u),
		.wire_len = seg->wire_len,
	};
	raise_snaplen(w, seg, n);
	if (n == 1 && seg->len <= COPY_BYTES)
		add_by_copy(w, b, r, seg);
	else if (n == 1 && seg->room >= sizeof *r)
		add_in_place(b, r, seg);
	else
		add_by_reference(b, r, seg, n);
	b->bytes += sizeof *r + r->len;
	w->end += sizeof *r + r->len;
}

void writer_add(struct writer *w, const struct pp_net_seg *seg, unsigned n)
{
	unsigned first = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!(seg[i].flags & PP_NET_LAST))
			continue;
		add_packet(w, seg + first, i + 1 - first);
		first = i + 1;
	}
}

void writer_soon(const struct pp_net_seg *seg)
{
	const char *packet = bytes_of(seg);

	__builtin_prefetch(seg->len > COPY_BYTES && seg->room ? packet - 1 : packet);
}

void writer_poll(struct writer *w)
{
	step(w, false);
}

void writer_wait(struct writer *w)
{
	step(w, true);
}

/* ---- open, close --------------------------------------------------------------------------- */

int writer_event_fd(struct writer *w)
{
	return aio_fd(w->aio);
}

bool writer_busy(const struct writer *w)
{
	return w->n != 0;
}

const char *writer_error(const struct writer *w)
{
	return w->failed ? w->error : NULL;
}

uint64_t writer_packets(const struct writer *w)
{
	return w->packets;
}

uint64_t writer_bytes(const struct writer *w)
{
	return w->valid;
}

static int write_header(struct writer *w, uint32_t link_type)
{
	struct file_header h = {
		.magic = 0xa1b23c4d, /* pcap with nanoseconds */
		.major = 2,
		.minor = 4,
		.link_type = link_type,
	};
	ssize_t n;

	/* where it can't be changed any more it has to say the most there can be */
	w->snaplen = w->serial ? capfile_longest(link_type) : SNAPLEN;
	h.snaplen = w->snaplen;
	n = write(w->out.fd, &h, sizeof h);
	if (n != (ssize_t)sizeof h) {
		say("can't write %s: %s", w->out.name, n < 0 ? strerror(errno) : "no room");
		return -1;
	}
	w->end = w->valid = sizeof h;
	return 0;
}

static void writer_free(struct writer *w)
{
	aio_close(w->aio);
	free(w->batch);
	free(w);
}

int writer_open(struct writer **out, const char *path)
{
	struct writer *w = calloc(1, sizeof *w);
	int ret = -ENOMEM;

	*out = NULL;
	if (w)
		w->batch = calloc(BATCHES, sizeof *w->batch);
	if (w && w->batch)
		ret = aio_open(&w->aio, 2 * BATCHES, false);
	if (ret) {
		say("can't prepare to write %s: %s", path, strerror(-ret));
		if (w)
			free(w->batch);
		free(w);
		return -1;
	}
	for (unsigned i = 0; i < BATCHES; i++)
		w->turn[i] = &w->batch[i];
	if (output_open(&w->out, path)) {
		writer_free(w);
		return -1;
	}
	w->serial = !w->out.regular || w->out.append;
	*out = w;
	return 0;
}

int writer_begin(struct writer *w, uint32_t link_type)
{
	return output_begin(&w->out) ? -1 : write_header(w, link_type);
}

void writer_abandon(struct writer *w)
{
	if (!w)
		return;
	output_abandon(&w->out);
	writer_free(w);
}

/* What of the file is whole stays; who writes next to standard output goes on behind it. */
static void cut(struct writer *w)
{
	off_t size = (off_t)(w->out.base + w->valid);

	if (!w->out.regular)
		return;
	if (w->failed && ftruncate(w->out.fd, size))
		say("can't cut %s to its %llu whole bytes: %s", w->out.name,
		    (unsigned long long)w->valid, strerror(errno));
	lseek(w->out.fd, size, SEEK_SET);
}

int writer_close(struct writer *w)
{
	int ret;

	do /* also without a batch: pages of copied packets */
		step(w, true);
	while (w->n);
	cut(w);
	if (w->failed)
		say("%s; it holds the first %llu packets", w->error, (unsigned long long)w->packets);
	ret = output_close(&w->out) || w->failed ? -1 : 0;
	writer_free(w);
	return ret;
}
