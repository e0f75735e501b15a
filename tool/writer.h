/*
 * writer.h - writes a capture file directly from pages. A page that is handed over is put once it
 * has been written, or writing it has failed.
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
 * Open the file, or the first of several if `rotate` asks for them, which only the writer may call
 * from then on. Leaves its contents alone. 0, or -1 after saying what is wrong.
 */
int writer_open(struct writer **out, const char *path, struct rotate *rotate);
struct writer_params {
	uint32_t link_type; /* as capfile_link_type() gives it */
	bool pcapng;
	const char *interface; /* its name: pcapng tells it */
	uint32_t cut_at;       /* bytes of each packet that are written; 0: all */
	bool patient;          /* packets wait for us, so few writes need be in flight */
};
/* The run begins: empty the file, write its header. 0, or -1 after saying what is wrong. */
int writer_begin(struct writer *w, const struct writer_params *params);
/* Instead of writer_close, if the run never began: leaves the file as it was. NULL is allowed. */
void writer_abandon(struct writer *w);
/*
 * Hand over whole packets of up to WRITER_SEGS segments. Blocks while too many writes are in
 * flight.
 */
#define WRITER_SEGS 512u
void writer_add(struct writer *w, const struct pp_net_seg *seg, unsigned n);
/*
 * Add a note to the file after the packets so far: the interface's counters, and the reason for the
 * note. pcapng only.
 */
void writer_note(struct writer *w, const char *comment, uint64_t received, uint64_t dropped);
/* The segment will be handed over soon: prefetch what will be touched. */
void writer_soon(const struct pp_net_seg *seg);
/*
 * Submit what has been handed over, and put the pages that have been written. True if there were
 * any.
 */
bool writer_poll(struct writer *w);
/*
 * The same, but wait for at least one write to complete, if any is in flight. If the run is to end
 * and the reader of a pipe doesn't read, say so.
 */
void writer_wait(struct writer *w);
/* Readable when there is something to poll. */
int writer_event_fd(struct writer *w);
bool writer_busy(const struct writer *w);
/* When writer_poll has to start the next file, in loop_now's time, or LOOP_NEVER. */
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
 * Wait for all writes, leave a valid file, and close it. 0, or -1 after an error, which has been
 * reported.
 */
int writer_close(struct writer *w);

#endif
