/*
 * capdump.h - writes a pcap file with nanosecond timestamps, packet by packet.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_CAPDUMP_H
#define NIC_CAPDUMP_H

#include "capfile.h"

struct capdump;

/*
 * Open the file, "-" is standard output, and leave what is in it. 0, or -errno with a sentence in
 * error (CAPFILE_ERROR bytes).
 */
int capdump_open(struct capdump **out, const char *path, char *error);
/* Close it; if it never began and wasn't there before, it goes. NULL is allowed. */
void capdump_close(struct capdump *d);
/*
 * All of these: 0, or -errno with a sentence, the same for all calls after the first that fails.
 * Begin: empty the file, write its header. `link_type` as capfile_link_type() gives it.
 */
int capdump_begin(struct capdump *d, uint32_t link_type, char *error);
/* The packet is in the file when this returns 0; else the file has those before it, whole. */
int capdump_add(struct capdump *d, const struct capfile_packet *packet, char *error);

#endif
