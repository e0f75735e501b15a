/*
 * format.h - the byte layout of a capture file: pcap with nanoseconds, or pcapng.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_FORMAT_H
#define TOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_HEAD 28u           /* the most bytes in front of a packet, */
#define FORMAT_TAIL 8u            /* and behind one */
#define FORMAT_FILE 300u          /* of a file's header */
#define FORMAT_NOTE 280u          /* of a note */
#define FORMAT_PCAP_SNAPLEN_AT 16 /* where a pcap file's header has it */

/* What a file's header says. */
struct format_file {
	bool ng;               /* pcapng */
	uint32_t link_type;    /* as capfile_link_type() gives it */
	uint32_t snaplen;      /* 0: none */
	const char *interface; /* its name; pcapng only */
};

/* What a note in a pcapng file says: at an unbind, and at the end. */
struct format_note {
	const char *comment;
	uint64_t begun_ns, now_ns;  /* since the epoch */
	uint64_t received, dropped; /* by the interface */
};

/* All of them give the number of bytes. */
unsigned format_file(const struct format_file *f, uint8_t out[FORMAT_FILE]);
unsigned format_head(bool ng, uint8_t out[FORMAT_HEAD], uint64_t time_ns, uint32_t len,
		     uint32_t wire_len);
unsigned format_tail(bool ng, uint8_t out[FORMAT_TAIL], uint32_t len);
unsigned format_note(const struct format_note *n, uint8_t out[FORMAT_NOTE]);
/* A pcap file's seconds have 32 bits. */
bool format_can_tell(bool ng, uint64_t time_ns);

#endif
