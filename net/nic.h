/*
 * nic.h - what a network driver here offers to a program: packets as segments in pages,
 * received and sent. The drivers are written on the public API alone.
 *
 * Thread rule: one thread polls (the owner of the driver's pools); bind, unbind and
 * remove of the device come from that thread too.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_NIC_H
#define NIC_NIC_H

#include <pagepool/pagepool.h>

/* A piece of a packet. Who has it holds a reference on the page. */
struct nic_seg {
	struct pp_page *page;
	uint32_t len;      /* bytes, from `offset` in the page on */
	uint32_t offset;
	uint32_t wire_len; /* of the whole packet as it was on the wire */
	uint64_t time_ns;  /* since the epoch; of the packet */
	bool last;         /* of the packet */
	uint16_t room;     /* bytes before `offset` that are the holder's to write too */
};

enum nic_state {
	NIC_RUNNING,
	NIC_END,    /* no packet will come any more; all that came can be polled */
	NIC_FAILED, /* as NIC_END, because of an error: nic_ops.error tells */
	NIC_GONE,   /* the device doesn't answer: remove it by surprise */
};

struct nic_stats {
	uint64_t rx_packets, rx_bytes;
	uint64_t rx_refused; /* packets dropped because the device wrote nonsense */
	uint64_t rx_no_page; /* times that no page could be had to post */
	uint64_t rx_posted;  /* pages that wait for packets now */
	uint64_t rx_missed;  /* packets that the device says it had no room for; at unbind */
	uint64_t tx_packets, tx_bytes; /* that the device says it has sent */
	uint64_t tx_refused; /* completions that made no sense */
	uint64_t tx_dropped; /* packets that the device can't send */
};

#define NIC_DLT_ETHERNET 1 /* libpcap's DLT_EN10MB */

struct nic;

struct nic_ops {
	/*
	 * Up to n segments, whole packets only as far as n reaches: a packet may go on in
	 * the next call. Also after unbind, for what had arrived by then. Returns how many.
	 */
	unsigned (*rx)(struct nic *nic, struct nic_seg *seg, unsigned n);
	/* Send whole packets; takes the references. Returns how many segments it took. */
	unsigned (*tx)(struct nic *nic, const struct nic_seg *seg, unsigned n);
	/* Give back the pages of what has been sent. Returns segments still under way. */
	unsigned (*tx_reap)(struct nic *nic);
	/*
	 * Readable, once after each arm, when there is something to poll or the state has
	 * changed. Who waits reads 8 bytes of it; where that fails, arm takes it back.
	 */
	int (*event_fd)(struct nic *nic);
	void (*arm)(struct nic *nic);
	enum nic_state (*state)(struct nic *nic);
	/* What went wrong, in words, or "": now, or in the last bind or unbind; valid until then. */
	const char *(*error)(struct nic *nic);
	int (*dlt)(struct nic *nic); /* libpcap's DLT_ number of the packets */
	/* Not bound any more: see that the device is quiet, for final counts. False: it isn't. */
	bool (*quiet)(struct nic *nic);
	void (*close)(struct nic *nic);
};

struct nic {
	const struct nic_ops *ops;
	struct pp_device *dev;
	struct pp_driver drv;
	struct pp_pool *rx_pool, *tx_pool; /* while bound, else NULL; may be the same */
	/*
	 * Set before bind, or NULL: the pool to receive into and send from instead of pools of
	 * its own. It stays the caller's; its pages may be received by one device and sent by
	 * another. Its polling thread is the owner.
	 */
	struct pp_pool *given;
	/* What a pool that is given should be; the driver's own is like it. */
	struct pp_pool_params wants;
	bool one_chunk; /* all memory is one mapping: such a pool must be wants.chunk_size big */
	unsigned rx_ring; /* pages that the driver wants to have posted */
	/* While packets come: a program may look so often and needn't wait for events. 0: it waits. */
	unsigned rest_ns;
	struct nic_stats stats;
};

#endif
