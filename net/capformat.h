/*
 * capformat.h - the interface between capfile.c and the readers of the two formats; private to
 * them.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_CAPFORMAT_H
#define NIC_CAPFORMAT_H

#include "capfile.h"
#include "capsource.h"

#include <stdbool.h>

#define CAPFORMAT_LONGEST (128u << 20) /* of any packet: longer ones are lies */
#define CAPFORMAT_WHY 250

/* An interface of a pcapng section. */
struct pcapng_interface {
	uint32_t link_type;  /* as in a pcap header: with FCS bits */
	uint32_t snaplen;    /* 0: none */
	uint64_t per_second; /* ticks */
	int64_t offset;      /* seconds */
};

struct capformat {
	struct capsource *source;
	bool swapped;
	/* pcap */
	uint32_t link_type, longest;
	bool nano;
	unsigned record; /* bytes before a packet */
	enum { LENGTHS_RIGHT, LENGTHS_SWAPPED, LENGTHS_UNSURE } lengths;
	/* pcapng */
	struct pcapng_interface *interface; /* of this section */
	unsigned n_interfaces, room;
	uint64_t pending; /* bytes of the block that has been looked at: to be skipped next */
	char why[CAPFORMAT_WHY];
};

/* A packet and what it is of. */
struct capformat_packet {
	struct capfile_packet p;
	uint32_t link_type;
	unsigned interface;
};

/*
 * At the file's first byte. 0: the header has been read; -EINVAL and others: it can't be, see
 * `why`.
 */
int pcapfile_begin(struct capformat *f);
int pcapng_begin(struct capformat *f);
/*
 * 1: a packet; 0: the end; -EINVAL: damaged; -ENOTSUP: valid, but not supported; others; see `why`.
 */
int pcapfile_next(struct capformat *f, struct capformat_packet *out);
int pcapng_next(struct capformat *f, struct capformat_packet *out);

/* For both. */
int capformat_fail(struct capformat *f, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
uint16_t capformat_u16(const struct capformat *f, const uint8_t *at);
uint32_t capformat_u32(const struct capformat *f, const uint8_t *at);

#endif
