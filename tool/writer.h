/*
 * writer.h - a capture file, written straight from pages. Pages that are handed over are put once
 * they have been written, or writing them has failed.
 *
 * Thread rule: one thread calls all of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_WRITER_H
#define TOOL_WRITER_H

#include "output.h"
#include "rotate.h"

struct writer;

/*
 * Open the file, or, if `rotate` wants several, which is then the writer's to call, the first of
 * them; and leave it as it is. 0, or -1: said what is wrong.
 */
int writer_open(struct writer **out, const char *path, struct rotate *rotate);
struct writer_params {
	uint32_t link_type; /* as capfile_link_type() gives it */
	bool pcapng;
	const char *interface; /* its name: pcapng tells it */
	uint32_t cut_at;       /* bytes of each packet that are written; 0: all */
	bool patient;          /* packets wait for us: little need be under way at a time */
};
/* The run begins: empty the file, write its header. 0, or -1: said what is wrong. */
int writer_begin(struct writer *w, const struct writer_params *params);
/* Instead of writer_close, if the run never began: the file is as it was. NULL is allowed. */
void writer_abandon(struct writer *w);
/* Hand over whole packets of up to WRITER_SEGS segments; blocks when much is under way. */
#define WRITER_SEGS 512u
void writer_add(struct writer *w, const struct pp_net_seg *seg, unsigned n);
/*
 * A note in the file, behind the packets so far: what the interface has counted, and why it is
 * noted. Only pcapng has them.
 */
void writer_note(struct writer *w, const char *comment, uint64_t received, uint64_t dropped);
/* The segment will be handed over soon: fetch what of it will be touched. */
void writer_soon(const struct pp_net_seg *seg);
/*
 * Send what has been handed over on its way, and put the pages of what is written: true, if any
 * are.
 */
bool writer_poll(struct writer *w);
/*
 * The same, but wait for at least one write to complete, if any is under way. When the run is to
 * end and the reader of a pipe doesn't read, that is said.
 */
void writer_wait(struct writer *w);
/* Readable when there is something to poll. */
int writer_event_fd(struct writer *w);
bool writer_busy(const struct writer *w);
/* When writer_poll has to begin the next file, by loop_now; LOOP_NEVER. */
uint64_t writer_due(const struct writer *w);
/*
 * Why the run has to end, in words that are the report's, or NULL. When the next file could not be
 * begun, which has been said, what is handed over still goes to the last one; when a file could not
 * be written, pages are put unwritten.
 */
const char *writer_end(const struct writer *w);
uint64_t writer_packets(const struct writer *w); /* written, all before them too */
uint64_t writer_bytes(const struct writer *w);   /* of the file, of all files */
uint64_t writer_files(const struct writer *w);
/*
 * Wait for all that is under way, leave a file that is valid, close it. 0, or -1: there
 * was an error, which has been said.
 */
int writer_close(struct writer *w);

#endif
