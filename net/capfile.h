/*
 * capfile.h - reads a capture file, pcap or pcapng, whatever wrote it, and also through gzip or
 * zstd if the build has their libraries.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_CAPFILE_H
#define NIC_CAPFILE_H

#include <stddef.h>
#include <stdint.h>

struct capfile;

struct capfile_packet {
	const uint8_t *bytes; /* until the next call */
	uint32_t len;
	uint32_t wire_len;
	uint64_t time_ns; /* since the epoch */
};

#define CAPFILE_ERROR 400

/*
 * Open it and read up to the first packet, which tells its format. "-" is standard input. 0; or
 * -EINVAL, or -ECANCELED (see capio.h), with a sentence in error (CAPFILE_ERROR bytes).
 */
int capfile_open(struct capfile **out, const char *path, char *error);
void capfile_close(struct capfile *file);
/*
 * 1: a packet; 0: the end; or, with a sentence, -EINVAL: the file can't be read any further,
 * -ECANCELED: told to end.
 */
int capfile_next(struct capfile *file, struct capfile_packet *packet, char *error);
/* End a wait for more of the file, and all later ones. Any thread. */
void capfile_cancel(struct capfile *file);
/*
 * Before the first packet: keep what is read in memory, so that reading can start over, if it is at
 * most 64 MiB and there is memory.
 */
void capfile_keep(struct capfile *file);
/* Start over; for a pipe only possible if it was kept in memory. 0, or -EINVAL as capfile_open. */
int capfile_rewind(struct capfile *file, char *error);
/*
 * libpcap's DLT_ number of the packets; if they include their frame check sequence, the upper bits
 * say so as a pcap file's header does.
 */
int capfile_dlt(const struct capfile *file);
#define CAPFILE_DLT(dlt) ((int)((uint32_t)(dlt)&0x03ffffff)) /* without them */
/* Bytes of a frame check sequence at the end of each packet. */
unsigned capfile_fcs_len(int dlt);
/* The number that a file's header has for it: a LINKTYPE_, the same on every system. */
uint32_t capfile_link_type(int dlt);
/* The longest packet that there can be of a link type, in bytes. */
uint32_t capfile_longest(uint32_t link_type);

#endif
