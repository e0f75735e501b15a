/*
 * writer.c - a capture file, written straight from the pool's pages (aio.h).
 *
 * Packets are gathered into batches (batch.h); a batch is one vectored write at its own offset in
 * the file and begins and ends between packets. So, whatever fails, the file can be cut behind the
 * last packet before the failure, and is valid.
 *
 * A capture may be in several files (rotate.h). One is complete before the next begins: writes in
 * progress are waited for, which costs what a synchronous write would cost each time.
 *
 * A file that isn't regular (a pipe), or that is appended to, is written one batch after the other.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "writer.h"

#include "aio.h"
#include "batch.h"
#include "format.h"
#include "loop.h"

#include <capfile.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 32u
#define BATCH_BYTES (1u << 20) /* a batch goes off when it has so many */
/* Of who waits for us: more would leave the processor's cache before it is written. */
#define PATIENT_BATCHES 4u
#define PATIENT_BYTES (256u << 10)
#define SNAPLEN 262144u  /* what readers expect; the header says more when a packet is longer */
#define PATIENCE_MS 1000 /* when the run is to end: after that we say that a reader doesn't read */

struct writer {
	struct aio *aio;
	struct output out;
	struct rotate *rotate;
	struct writer_params params;
	uint64_t begun, in_file,
		before; /* this file: since when, packets; bytes of those before it */
	uint64_t files;
	bool serial; /* one batch at a time, wherever the file's position is */
	char error[ERROR_BYTES];
	bool failed, complained;
	bool last_file; /* the next one could not be begun: all that is left goes to this one */
	struct batch *batch;         /* BATCHES of them */
	struct batch *turn[BATCHES]; /* a ring: [first, first + n) are in use, in order */
	unsigned first, n;
	unsigned most;        /* batches in use */
	uint64_t batch_bytes; /* with so many one goes off */
	unsigned n_busy;
	uint64_t settled;           /* batches whose pages have been put, ever */
	struct pp_page *copied[64]; /* pages whose packets have been copied, to be put together */
	unsigned n_copied;
	bool ng;
	uint32_t cut_at;   /* bytes of each packet that are written; 0: all */
	uint32_t snaplen;  /* as the file's header says */
	uint64_t begun_ns; /* since the epoch */
	uint64_t late;     /* packets whose time the file can't tell */
	uint64_t end;      /* where the next batch goes */
	uint64_t packets;  /* of the batches that are whole and in front */
	uint64_t valid;    /* bytes of the file that are whole */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct batch *batch_at(struct writer *w, unsigned i)
{
	return w->turn[(w->first + i) % BATCHES];
}

static void put_pages(struct writer *w, struct batch *b)
{
	pp_page_put_batch(b->page, b->n_pages);
	b->n_pages = 0;
	w->settled++;
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

/* Batches in front that are settled: count them, up to the first that failed. */
static void retire(struct writer *w)
{
	while (w->n && (batch_at(w, 0)->state == DONE || batch_at(w, 0)->state == FAILED)) {
		struct batch *b = batch_at(w, 0);
		uint64_t bytes;
		unsigned packets = batch_whole(b, &bytes);

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

static void complete(struct writer *w, struct batch *b, int res)
{
	w->n_busy--;
	if (res > 0)
		batch_advance(b, (size_t)res);
	if (b->written == b->bytes) {
		b->state = DONE;
	} else if ((res > 0 || res == -EINTR || res == -EAGAIN) && !w->failed) {
		submit(w, b); /* a short write: the rest, or its error */
		return;
	} else {
		fail(w, res < 0 ? -res : EIO);
		b->state = FAILED;
	}
	put_pages(w, b);
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

		if (b->state != OPEN || !b->n_frames || (may_wait && w->n_busy))
			continue;
		if (w->failed) {
			b->state = FAILED;
			put_pages(w, b);
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

	if (b && b->state == OPEN && batch_has_room(b, n) && b->bytes < w->batch_bytes)
		return b;
	while (w->n >= w->most)
		step(w, true);
	b = batch_at(w, w->n++);
	batch_open(b, w->end);
	dispatch(w); /* the one before it */
	return b;
}

static void put_later(struct writer *w, struct pp_page *page)
{
	w->copied[w->n_copied++] = page;
	if (w->n_copied == sizeof w->copied / sizeof w->copied[0])
		put_copied(w);
}

/* A packet is longer than the header says: who reads the file would cut it. */
static void raise_snaplen(struct writer *w, uint32_t len)
{
	if (!w->out.regular || w->out.append) {
		say("a packet of %u bytes is longer than the header of %s allows, which is already written: "
		    "readers may truncate it to %u",
		    len, w->out.name, w->snaplen);
		w->snaplen = UINT32_MAX; /* said once */
	} else if (pwrite(w->out.fd, &len, sizeof len,
			  (off_t)w->out.base + FORMAT_PCAP_SNAPLEN_AT) != (ssize_t)sizeof len) {
		fail(w, errno);
	} else {
		w->snaplen = len;
	}
}

/* What is to be written of a packet, and its frame. Returns bytes in the file. */
static uint32_t make_frame(struct writer *w, struct packet *p)
{
	unsigned head_len = w->ng ? FORMAT_HEAD : 16;
	uint32_t tagged = batch_restore_tag(p, p->frame->head + head_len), len = tagged;
	uint32_t wire = p->first.wire_len;

	for (unsigned i = 0; i < p->n; i++)
		len += i ? p->seg[i].len : p->first.len;
	if (tagged && wire < len)
		wire = len;
	if (w->cut_at && len > w->cut_at)
		len = w->cut_at;
	if (tagged > len)
		tagged = len;
	if (len > w->snaplen && w->snaplen)
		raise_snaplen(w, len);
	w->late += !format_can_tell(w->ng, p->first.time_ns);
	p->len = len - tagged;
	p->frame->head_len =
		tagged + format_head(w->ng, p->frame->head, p->first.time_ns, len, wire);
	p->frame->tail_len = format_tail(w->ng, p->frame->tail, len);
	return p->frame->head_len + p->len + p->frame->tail_len;
}

/* ---- several files ------------------------------------------------------------------------- */

static bool is_old(const struct writer *w)
{
	uint64_t due = writer_due(w);

	return due != LOOP_NEVER &&
	       loop_now() >= due; /* the clock is asked for a file that has one */
}

/* The file is as full, or as old, as one may be: no more goes there. */
static bool is_over(const struct writer *w)
{
	const struct rotate *r = w->rotate;
	bool full = (r->bytes && w->end >= r->bytes) || (r->packets && w->in_file >= r->packets);

	return (full && w->in_file && !w->failed && !w->last_file) || is_old(w);
}

/* A new file: two runs that begin in the same second have the same names. */
static int open_numbered(struct output *out, struct rotate *rotate)
{
	const char *name = rotate_name(rotate);

	if (!name) {
		say("no memory for the name of the next file");
		return -1;
	}
	if (output_open(out, name))
		return -1;
	if (out->created)
		return 0;
	say("%s already exists, perhaps from another run that began in the same second: give -w another "
	    "name",
	    name);
	output_abandon(out);
	return -1;
}

static int write_header(struct writer *w, const struct output *out)
{
	uint8_t header[FORMAT_FILE];
	struct format_file f = { .ng = w->ng,
				 .link_type = w->params.link_type,
				 .interface = w->params.interface };
	unsigned len;
	ssize_t n;

	/* where it can't be changed any more it has to say the most there can be */
	f.snaplen = w->ng ? 0 : w->serial ? capfile_longest(f.link_type) : SNAPLEN;
	if (w->cut_at)
		f.snaplen = w->cut_at;
	len = format_file(&f, header);
	n = write(out->fd, header, len);
	if (n != (ssize_t)len) {
		say("can't write %s: %s", out->name,
		    strerror(n < 0 ? errno : ENOSPC)); /* a short write: there was no room for it */
		return -1;
	}
	w->snaplen = f.snaplen;
	w->end = w->valid = len;
	return 0;
}

/* Empty a file that has been opened, and go on there. */
static int begin_file(struct writer *w, struct output *out)
{
	if (output_begin(out) || write_header(w, out))
		return -1;
	w->out = *out;
	w->begun = loop_now();
	w->in_file = 0;
	w->files++;
	rotate_begun(w->rotate);
	return 0;
}

/* This file is closed when the next one has begun: else what is still to be written goes here. */
static void next_file(struct writer *w)
{
	struct output next, old;
	uint64_t valid;

	do
		step(w, true);
	while (w->n);
	if (w->failed)
		return;
	old = w->out;
	valid = w->valid;
	w->last_file = true;
	if (open_numbered(&next, w->rotate))
		return;
	if (begin_file(w, &next)) {
		output_abandon(&next);
		return;
	}
	w->before += valid;
	w->last_file = output_close(&old) != 0;
}

uint64_t writer_due(const struct writer *w)
{
	uint64_t seconds = w->rotate->seconds;

	if (!seconds || !w->in_file || w->failed || w->last_file ||
	    seconds > (LOOP_NEVER - w->begun) / 1000000000u)
		return LOOP_NEVER;
	return w->begun + seconds * 1000000000u;
}

static void add_packet(struct writer *w, const struct pp_net_seg *seg, unsigned n)
{
	struct packet p;
	struct frame here; /* of one that is copied */
	struct batch *b;

	if (is_over(w))
		next_file(w);
	b = open_batch(w, n);
	w->in_file++;
	p.first = *seg;
	p.seg = seg;
	p.n = n;
	p.frame = n == 1 && seg->len <= BATCH_COPY ? &here : batch_frame(b);
	w->end += make_frame(w, &p);
	if (batch_add(b, &p))
		put_later(w, seg->page);
}

void writer_note(struct writer *w, const char *comment, uint64_t received, uint64_t dropped)
{
	struct format_note note = {
		.comment = comment,
		.begun_ns = w->begun_ns,
		.now_ns = now_ns(),
		.received = received,
		.dropped = dropped,
	};
	uint8_t bytes[FORMAT_NOTE];
	struct batch *b;
	unsigned size;

	if (!w->ng)
		return;
	b = open_batch(w, 1);
	size = format_note(&note, bytes);
	batch_add_note(b, bytes, size);
	w->end += size;
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
	const char *packet = batch_bytes(seg);

	__builtin_prefetch(seg->len > BATCH_COPY && seg->room ? packet - 1 : packet);
}

bool writer_poll(struct writer *w)
{
	uint64_t before = w->settled;

	if (is_old(w))
		next_file(w);
	step(w, false);
	return w->settled != before;
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

const char *writer_end(const struct writer *w)
{
	return w->failed    ? "the file could not be written" :
	       w->last_file ? "the next file could not be begun" :
			      NULL;
}

uint64_t writer_packets(const struct writer *w)
{
	return w->packets;
}

uint64_t writer_bytes(const struct writer *w)
{
	return w->before + w->valid;
}

uint64_t writer_files(const struct writer *w)
{
	return w->files;
}

static void writer_free(struct writer *w)
{
	aio_close(w->aio);
	free(w->batch);
	free(w);
}

int writer_open(struct writer **out, const char *path, struct rotate *rotate)
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
	w->rotate = rotate;
	if (rotate->path ? open_numbered(&w->out, rotate) : output_open(&w->out, path)) {
		writer_free(w);
		return -1;
	}
	*out = w;
	return 0;
}

int writer_begin(struct writer *w, const struct writer_params *params)
{
	w->params = *params;
	w->ng = params->pcapng;
	w->cut_at = params->cut_at;
	w->most = params->patient ? PATIENT_BATCHES : BATCHES;
	w->batch_bytes = params->patient ? PATIENT_BYTES : BATCH_BYTES;
	w->begun_ns = now_ns();
	w->serial = !w->out.regular || w->out.append;
	return begin_file(w, &w->out);
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
		say("can't truncate %s to its %llu valid bytes: %s", w->out.name,
		    (unsigned long long)w->valid, strerror(errno));
	lseek(w->out.fd, size, SEEK_SET);
}

/* What the file doesn't have. */
static void say_missing(const struct writer *w)
{
	char n[GROUPED];

	if (w->failed)
		say("%s; %s the first %s packets", w->error,
		    w->files > 1 ? "the files hold" : "it holds", grouped(w->packets, n));
	if (w->late)
		say("%s packets have a time after 7 February 2106, which pcap can't represent: they are "
		    "stamped with the last that it can; a .pcapng file keeps their own",
		    grouped(w->late, n));
}

int writer_close(struct writer *w)
{
	int ret;

	do /* also without a batch: pages of copied packets */
		step(w, true);
	while (w->n);
	cut(w);
	say_missing(w);
	ret = output_close(&w->out) || w->failed || w->last_file || w->late ? -1 : 0;
	writer_free(w);
	return ret;
}
