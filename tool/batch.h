/*
 * batch.h - frames of a capture file that go into one vectored write: their headers, trailers and
 * vectors. See writer.c.
 *
 * Small packets are copied: two vectors cost the kernel more than a few cache lines cost us. Others
 * stay in their pages, which the batch has until they are put; where the page has room for it, the
 * head is written in front of the packet, so that they are one vector.
 *
 * Thread rule: one thread calls all of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_BATCH_H
#define TOOL_BATCH_H

#include "format.h"

#include <pagepool/net.h>
#include <sys/uio.h>

#define BATCH_IOV 1024u /* IOV_MAX on Linux: the vectors of one write */
#define BATCH_PACKETS 1024u
#define BATCH_COPY 256u /* packets up to this length are copied, and their pages put at once */

#define BATCH_TAGGED 16u /* two addresses and a VLAN tag */
#define BATCH_HEAD (FORMAT_HEAD + BATCH_TAGGED)

/* What precedes a packet's bytes in the file, and what follows them. */
struct frame {
	uint8_t head[BATCH_HEAD], tail[FORMAT_TAIL];
	unsigned head_len, tail_len;
};

struct batch {
	uint32_t size
		[BATCH_PACKETS]; /* of each frame, in the file; a note has its highest bit set */
	struct frame frame[BATCH_PACKETS]; /* of packets that aren't copied */
	char copy[BATCH_PACKETS *
		  (BATCH_HEAD + BATCH_COPY + FORMAT_TAIL)]; /* small packets, notes */
	unsigned copied;                                    /* bytes of it in use */
	struct iovec iov[BATCH_IOV];
	struct pp_page *page[BATCH_IOV];
	unsigned n_frames, n_iov, n_pages;
	unsigned iov_done; /* vectors written whole */
	uint64_t offset, bytes, written;
	enum { FREE, OPEN, BUSY, DONE, FAILED } state;
};

/* A packet on its way into a batch. */
struct packet {
	struct pp_net_seg first; /* the rest are `seg` */
	const struct pp_net_seg *seg;
	unsigned n;
	uint32_t len; /* bytes of its pages that are to be written */
	struct frame *frame;
};

static inline char *batch_bytes(const struct pp_net_seg *seg)
{
	return (char *)pp_page_addr(seg->page) + seg->offset;
}

/* Begin one, at that offset of the file. */
void batch_open(struct batch *b, uint64_t offset);
/* Whether it takes a packet of n segments. */
bool batch_has_room(const struct batch *b, unsigned n);
/* Where to build the frame of the next packet, if it isn't to be copied. */
static inline struct frame *batch_frame(struct batch *b)
{
	return &b->frame[b->n_frames];
}
/*
 * If the interface removed a VLAN tag: write the packet's addresses to `at`, and the tag behind
 * them; the packet then begins after its addresses. Returns how many bytes were written, or 0.
 */
uint32_t batch_restore_tag(struct packet *p, uint8_t *at);
/*
 * Add a packet whose frame has been built. True: it was copied, and the page is still the caller's.
 */
bool batch_add(struct batch *b, const struct packet *p);
/* Add a block that isn't a packet, of at most FORMAT_NOTE bytes. */
void batch_add_note(struct batch *b, const void *bytes, unsigned size);
/* Move past n bytes that have been written. */
void batch_advance(struct batch *b, size_t n);
/* The packets that lie within the first `written` bytes, and the bytes up to the last one's end. */
unsigned batch_whole(const struct batch *b, uint64_t *bytes);

#endif
