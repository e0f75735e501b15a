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
 * Open the file without truncating it; "-" is standard output. 0, or -errno with a sentence in
 * error (CAPFILE_ERROR bytes).
 */
int capdump_open(struct capdump **out, const char *path, char *error);
/* Close it; delete it if it was created but never begun. NULL is allowed. */
void capdump_close(struct capdump *d);
/*
 * All of these return 0, or -errno with a sentence, and after the first failure the same again.
 * Begin: truncate the file and write its header. `link_type` is as from capfile_link_type().
 */
int capdump_begin(struct capdump *d, uint32_t link_type, char *error);
/*
 * When this returns 0 the packet is in the file; otherwise the file has those before it, complete.
 */
int capdump_add(struct capdump *d, const struct capfile_packet *packet, char *error);

#endif
