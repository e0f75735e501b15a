/*
 * program.h - the XDP program of an interface: it redirects each packet of a queue that has a
 * socket to that socket, with metadata in front of the packet's first byte: the time of arrival,
 * and what the kernel keeps beside the bytes. Uses libbpf.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_XDP_PROGRAM_H
#define NET_XDP_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

/* What lies before a packet's first byte. The program's word, which is the kernel's. */
struct xdp_word {
	uint64_t time;                    /* xdp_program_time makes it one since the epoch */
	uint32_t flags;                   /* XDP_WORD_... */
	uint16_t tci;                     /* of a VLAN tag; host order */
	uint16_t tpid;                    /* big-endian */
	uint16_t csum_start, csum_offset; /* the kernel's: from the packet's first byte */
	uint32_t reserved;
};
#define XDP_WORD_VLAN 1u    /* tci and tpid are a tag that isn't in the packet */
#define XDP_WORD_PARTIAL 2u /* the transport checksum isn't finished */
#define XDP_WORD_CRC 4u     /* and it is a CRC32c, SCTP's */

/* What a program is to tell of, as far as the kernel has it. */
struct xdp_program_wish {
	unsigned bound_to; /* an interface whose driver is asked for tags; 0: none is asked */
	bool veth;         /* that interface is one end of a veth pair: ask its sk_buff for sums */
	bool tai;
	bool pieces; /* it must take packets of several pieces */
};

struct xdp_program {
	int fd;
	int sockets; /* the map: queue to socket */
	int counts;
	const uint64_t *wordless;     /* in `counts`: packets that had no room for a word */
	bool tai;                     /* times are CLOCK_TAI's; else CLOCK_MONOTONIC's */
	bool tags;                    /* it tells of VLAN tags */
	bool sums;                    /* it tells of unfinished checksums */
	struct xdp_program_wish wish; /* that it was loaded by */
};

/* The maps. 0, or an errno with a sentence in error (XDP_ERROR bytes). */
int xdp_program_open(struct xdp_program *p, unsigned queues, char *error);
/*
 * Load it with these features, in place of one loaded before. 0; -EOPNOTSUPP: the kernel can't
 * provide one of them; or another errno with a sentence in error.
 */
int xdp_program_load(struct xdp_program *p, const struct xdp_program_wish *wish, char *error);
/* Load it once more, as it was. The descriptor, or an errno. */
int xdp_program_again(const struct xdp_program *p);
void xdp_program_close(struct xdp_program *p);
/* The offset to add to a word's time. Valid until the clock is set: ask again for each batch. */
uint64_t xdp_program_epoch(const struct xdp_program *p);

#endif
