/*
 * capfile.h - reading a capture file, pcap or pcapng, whoever wrote it (libpcap).
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
	uint64_t time_ns;
};

#define CAPFILE_ERROR 400

/* 0, or -EINVAL with a sentence in error (CAPFILE_ERROR bytes). */
int capfile_open(struct capfile **out, const char *path, char *error);
void capfile_close(struct capfile *file);
/* 1: a packet; 0: the end; -EINVAL: the file is broken from here on, with a sentence. */
int capfile_next(struct capfile *file, struct capfile_packet *packet, char *error);
/*
 * Before the first packet: keep what is read in memory for when it begins again, if the file is
 * small enough (64 MiB) and there is memory.
 */
void capfile_keep(struct capfile *file);
/* Begin again. 0 or -EINVAL as capfile_open. */
int capfile_rewind(struct capfile *file, char *error);
/* libpcap's DLT_ number of the packets. */
int capfile_dlt(const struct capfile *file);
/* What a file's header says for it: a LINKTYPE_ number, the same on every system. */
uint32_t capfile_link_type(int dlt);
/* The longest packet that there can be of a link type, in bytes. */
uint32_t capfile_longest(uint32_t link_type);

#endif
