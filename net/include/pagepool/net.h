/*
 * net.h - network devices that receive into and send from a pool's pages: a Linux interface
 * (AF_XDP), a NIC through VFIO, a software NIC. A separate library, libpagepool-net, because it
 * depends on libpcap and, for AF_XDP, on libxdp and libbpf.
 *
 *   open --> bind --> receive, send, reap ... --> unbind --> (bind again) --> close
 *
 * A packet is one segment, or several if it is longer than a page (pp_net_info.segments tells how
 * many at most). A segment holds a reference to a page: whoever has the segment puts the page. Held
 * pages stay readable whatever happens to the device, the handle or the interface; pages in the
 * device's rings return to their pool when the binding ends. No call blocks on a device that has
 * gone.
 *
 * A device has one queue, or as many as requested (pp_net_params.queues). Each queue has its own
 * pool, or one supplied by the caller, and is used by one thread at a time:
 *
 *   call                                      thread
 *   open                                      any
 *   receive, send, reap, arm, own             the queue's; different queues in parallel
 *   bind, unbind, remove, quiet, use_pool,    control: one at a time, with no queue's call in
 *   share_pool, close                         progress
 *   state, notice                             one thread, that of a queue or another
 *   error, info, stats, event_fd, device,     any, but not during bind, unbind, remove, close
 *   pool, send_pool, pool_params
 *
 * The thread that binds owns the pools; another thread must call pp_net_own to take over a queue.
 *
 * NULL for a required argument, as in pagepool.h: calls that return an errno return -EINVAL; all
 * others do nothing and return 0, NULL, an empty string, or what they return for a dead object
 * (PP_NET_GONE). Debug mode prints no message for these.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_NET_H
#define PAGEPOOL_NET_H

#include <pagepool/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_net;
struct pp_device;
struct pp_vfio;

/** Size of an error message, which says what went wrong and how to fix it. */
#define PP_NET_ERROR 600

/* ---- packets -------------------------------------------------------------------------- */

/**
 * Packet flags, set in the first segment; PP_NET_LAST is set in the last, which is also the first
 * if the packet lies in one page. Received packets are complete: a VLAN tag that the kernel
 * stripped, or a checksum that a sender left to the device, has been inserted. PP_NET_VLAN or
 * PP_NET_CSUM_PARTIAL remains set only where that was impossible. Both may be set in packets to
 * send, which are then completed in place.
 */
enum pp_net_flags {
	PP_NET_LAST = 1,       /**< the packet's last segment */
	PP_NET_CSUM_VALID = 2, /**< the device verified the transport checksum */
	/**
	 * The transport checksum is partial: the sum of the bytes from csum_start to the end of the
	 * packet must be stored at csum_start + csum_offset.
	 */
	PP_NET_CSUM_PARTIAL = 4,
	PP_NET_VLAN = 8,  /**< vlan_tci and vlan_tpid hold a tag that isn't in the data */
	PP_NET_HASH = 16, /**< hash is the device's receive hash */
	PP_NET_CUT = 32,  /**< truncated: wire_len is the original length */
};

/** The source of a time stamp, and how late it may be. */
enum pp_net_time {
	PP_NET_TIME_NONE,   /**< none */
	PP_NET_TIME_POLL,   /**< taken when pp_net_receive found the packet: late by up to the
				 interval between polls */
	PP_NET_TIME_KERNEL, /**< taken by the kernel: late by the time in the device's ring and
				 the interrupt latency, some microseconds */
	PP_NET_TIME_DEVICE, /**< taken by the device */
	PP_NET_TIME_FILE,   /**< from a capture file */
};

/**
 * A segment of a packet, with a reference to its page. To send: zero the unused members. Each
 * segment has its own page, offset, len, room and PP_NET_LAST; the other members describe the whole
 * packet, are valid in its first segment and ignored in the others. New members are taken from
 * `reserved`, and 0 will keep its meaning.
 */
struct pp_net_seg {
	struct pp_page *page;
	uint64_t time_ns;  /**< since the epoch; 0 where time_source is PP_NET_TIME_NONE */
	uint32_t offset;   /**< of the data in the page */
	uint32_t len;      /**< bytes of data in this segment */
	uint32_t wire_len; /**< length of the whole packet on the wire */
	uint32_t hash;
	uint32_t flags;     /**< enum pp_net_flags */
	uint16_t room;      /**< headroom: bytes before offset that the holder may write */
	uint16_t queue;     /**< the device's queue that received it */
	uint16_t vlan_tci;  /**< priority, DEI, VLAN ID; host byte order */
	uint16_t vlan_tpid; /**< 0x8100, 0x88a8; host byte order */
	uint16_t csum_start, csum_offset;
	uint8_t time_source;  /**< enum pp_net_time */
	uint8_t reserved[15]; /**< must be 0 */
};

/** @return the number of segments of the packet at the front; 0: its end is not among the n. */
static inline unsigned pp_net_packet(const struct pp_net_seg *seg, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (seg[i].flags & PP_NET_LAST)
			return i + 1;
	return 0;
}

/* ---- opening --------------------------------------------------------------------------- */

/** A Linux interface, through AF_XDP. */
struct pp_net_xdp_params {
	size_t size; /**< of this structure; see PP_PARAMS */
	const char *ifname;
	unsigned first_queue; /**< the first of the interface's receive queues to use */
	unsigned queue_count; /**< how many; 0: all, from queue 0 */
	uint32_t frame;       /**< page size: 2048 or 4096. 0: as the MTU requires */
	bool generic;         /**< generic XDP: in the stack, not in the driver */
	bool copy, zero_copy; /**< require this mode; neither: the best available */
};

/** A PCI device through VFIO: virtio's network device, or an Intel 82574L. */
struct pp_net_vfio_params {
	size_t size;
	const char *address;  /**< PCI address, as in 0000:00:03.0 */
	struct pp_vfio *vfio; /**< or an open device, which pp_net_close closes */
	uint32_t api;         /**< enum pp_vfio_api */
	bool poll;            /**< no interrupts: the event descriptor is always readable */
	bool rogue;           /**< for tests: don't stop the device on unbind */
};

/** A software NIC behind the software IOMMU. */
struct pp_net_soft_params {
	size_t size;
	const char *pcap;          /**< a capture file to receive packets from; NULL: none */
	const char *wire;          /**< a file to write sent packets to; NULL: none */
	uint64_t loops;            /**< how often to play the file; 0: once; UINT64_MAX: for ever */
	uint64_t rate;             /**< packets per second, received and sent; 0: no limit */
	uint64_t gone_after;       /**< disappear after this many packets; 0: never */
	unsigned address_bits;     /**< 32 to 64; 0: 64 */
	bool incoherent, deferred; /**< properties of its IOMMU */
	bool rogue;                /**< continue DMA after being told to stop */
	bool lies;                 /**< occasionally write invalid lengths and indices */
};

#define PP_NET_LINK_TYPE(dlt) ((dlt) + 1)

struct pp_net_params {
	size_t size; /**< of this structure; see PP_PARAMS */
	/**
	 * The device to open, as on the command line: "xdp:eth0", "xdp:eth0:2,frame=4096",
	 * "vfio:0000:00:03.0", "soft:pcap=in.pcap" (see pagepool(1)). Or NULL, and one of the
	 * three below.
	 */
	const char *device;
	const struct pp_net_xdp_params *xdp;
	const struct pp_net_vfio_params *vfio;
	const struct pp_net_soft_params *soft;
	/**
	 * Queues to serve, each with a pool; 0: one, for all traffic. An interface can have
	 * several, and virtio's network device as many as it has pairs; other devices have one,
	 * whatever is asked for (pp_net_info.queues).
	 */
	unsigned queues;
	uint64_t max_pages; /**< limit on each queue's receive pool; 0: none */
	uint64_t keep;      /**< how many pages of a queue the program will hold */
	bool send_only;     /**< receive nothing: incoming packets are left to others */
	bool promiscuous;   /**< promiscuous mode, until close */
	/** Link type of packets to send: PP_NET_LINK_TYPE of a DLT_ of libpcap; 0: Ethernet. */
	int link_type;
	/**
	 * Files that the program itself uses, or NULL: a device that would write them is refused.
	 */
	const char *reads, *writes;
};

/**
 * Open a device. It is then registered, but not bound.
 * @param error  PP_NET_ERROR bytes for a message on failure, or NULL.
 * @return 0; -EINVAL: the device string or the parameters are invalid; -E2BIG: see PP_PARAMS;
 *         -ENODEV: no such device; -ENETDOWN: the interface is down; -ENXIO: it has no such
 *         queue; -EBUSY: in use; -EPERM, -EACCES: no permission; -EMSGSIZE: its MTU is too
 *         large for a page, and kernel or driver don't support packets in several pages;
 *         -EOPNOTSUPP: it doesn't support what was asked, or this build doesn't support such
 *         devices; -EIO: a file can't be read or written; -EEXIST: one file would be both read and
 *         written, or written twice; -ENOMEM; or another error of the system. *out is NULL then.
 */
PP_API int pp_net_open(struct pp_net **out, const struct pp_net_params *params, char *error);

/**
 * Unbind it if bound, release its pages, and free it. NULL is allowed. Like pp_net_quiet it waits
 * for a card in zero-copy mode, but never for one that has gone; the pages that were posted to a
 * card that isn't quiet after 3 seconds are never used again.
 */
PP_API void pp_net_close(struct pp_net *net);

/** The device kinds that this build supports, as in "soft, vfio:ADDRESS, xdp:IFNAME". */
PP_API const char *pp_net_kinds(void);

/** Properties of a device, most of them known from open on. New members go to the end only. */
struct pp_net_info {
	const char *name;           /**< "xdp:eth0"; valid until close */
	const char *output;         /**< a file that the device itself writes, or NULL */
	int link_type;              /**< DLT_ number of its packets (libpcap) */
	uint32_t fcs_len;           /**< length of the FCS in packets; 0: none, or unknown */
	uint32_t queues;            /**< number of queues that the program serves */
	uint32_t ring;              /**< how many pages a queue keeps posted for receive */
	uint32_t shortest, longest; /**< limits on the length of a sent packet; 0: none */
	uint32_t pieces;            /**< limit on the segments of a sent packet; 0: none */
	/**
	 * Polling interval at which a program under load gets full batches and needn't wait for
	 * events, in ns; 0: it should wait.
	 */
	uint32_t rest_ns;
	uint32_t time_source;       /**< enum pp_net_time of received packets */
	uint32_t time_precision_ns; /**< resolution of that clock */
	uint32_t zero_copy;         /**< 1: bound, and packets aren't copied */
	uint32_t segments;          /**< limit on the segments of a received packet */
	const char *input;          /**< a file that the device's packets come from, or NULL */
};
/** Fill in the properties. @param size  sizeof(*info). */
PP_API void pp_net_info(struct pp_net *net, struct pp_net_info *info, size_t size);

/* ---- pools and binding ------------------------------------------------------------------ */

/**
 * Requirements on a caller-supplied pool: the parameters of the one that the queue would create. If
 * they have an area, the pool must have one, and the same page_size.
 * @param params  PP_PARAMS(struct pp_pool_params), to be filled in.
 * @return 0; -EINVAL: no such queue, or no size.
 */
PP_API int pp_net_pool_params(struct pp_net *net, unsigned queue, struct pp_pool_params *params);
/**
 * Use this pool from the next bind on. It stays the caller's and may be shared between devices, so
 * that one can send pages that another received. NULL: let the queue create its own again. Create
 * it with pp_binding_none(): the bind attaches it. The thread that binds must own the pool.
 * @return 0; -EINVAL: no such queue; -EBUSY: the device is bound.
 */
PP_API int pp_net_use_pool(struct pp_net *net, unsigned queue, struct pp_pool *pool);
/**
 * Create a pool that meets the requirements of the queue on all n devices, and have them use it.
 * Bind the device with the narrowest address width first. NULL entries are skipped.
 * @return 0; -EINVAL: no device, or no such queue; -EXDEV: they need pages of different sizes;
 *         -EBUSY: one is bound; -ENOSYS: no membarrier(2); -ENOMEM.
 */
PP_API int pp_net_share_pool(struct pp_pool **out, struct pp_net *const *nets, unsigned n,
			     unsigned queue);
/** The pools of a bound queue, else NULL; the two may be the same. */
PP_API struct pp_pool *pp_net_pool(struct pp_net *net, unsigned queue);
PP_API struct pp_pool *pp_net_send_pool(struct pp_net *net, unsigned queue);
/** The pp_device of a queue, for its statistics; NULL: no such queue. */
PP_API struct pp_device *pp_net_device(struct pp_net *net, unsigned queue);

/**
 * Start receiving and sending, on all queues or none.
 * @return 0; -EBUSY: already bound, or another program uses the queue; -ENODEV: the device has
 *         gone; -ERANGE, -ENOSPC, -EINVAL: it can't use the supplied pool; -ENOMEM: no memory, or
 *         the locked-memory limit; -ENOSYS: no membarrier(2); -EPERM; or another error of the
 *         system. pp_net_error has a message.
 */
PP_API int pp_net_bind(struct pp_net *net);
/**
 * Stop: see pp_device_unbind. Packets that had arrived can still be received; packets not sent are
 * released and counted. @return 0; -ENODEV: not bound, or gone.
 */
PP_API int pp_net_unbind(struct pp_net *net);
/**
 * The device has gone, or is to be treated as gone: see PP_REMOVAL_SURPRISE.
 * @return as pp_net_unbind.
 */
PP_API int pp_net_remove(struct pp_net *net);
/**
 * After an unbind: wait until the device is quiet and its counters are final, which takes up to 3
 * seconds for a card. Where the kernel stops a card's queue after the unbind (AF_XDP in zero-copy
 * mode), the pages that were posted to it return to their pool in this call, in the next bind or in
 * the close, once it has.
 * @return 0; -EBUSY: it is bound; -ETIMEDOUT: it isn't quiet; pp_net_error has a message.
 */
PP_API int pp_net_quiet(struct pp_net *net);
/**
 * Make the calling thread the owner of the queue's pools: see pp_pool_own. Does nothing while the
 * queue has none.
 * @return 0; -EINVAL: no such queue; -ENOMEM.
 */
PP_API int pp_net_own(struct pp_net *net, unsigned queue);

/* ---- packets, in and out ------------------------------------------------------------------ */

/**
 * Receive up to n segments, of whole packets: only a packet of more than n segments is split, and
 * continues in the next call; that never happens if n is at least pp_net_info.segments. After an
 * unbind this returns what had arrived by then.
 * @return the number of segments; 0: none, or no such queue.
 */
PP_API unsigned pp_net_receive(struct pp_net *net, unsigned queue, struct pp_net_seg *seg,
			       unsigned n);
/**
 * Send whole packets; accepted segments pass their references to the device. A packet that can't be
 * sent (too long, too short, no carrier) is accepted, put, and counted by reason.
 * @return the number of segments accepted; fewer than n: the ring is full, reap and try again.
 */
PP_API unsigned pp_net_send(struct pp_net *net, unsigned queue, const struct pp_net_seg *seg,
			    unsigned n);
/** Put the pages of completed segments. @return the number of segments still in the ring. */
PP_API unsigned pp_net_reap(struct pp_net *net, unsigned queue);
/**
 * A descriptor that becomes readable, once after each arm, when there is something to receive or
 * reap, or the state changes. The waiter reads 8 bytes from it, which may fail. It is the same from
 * open to close. @return the descriptor; -EINVAL: no such queue.
 */
PP_API int pp_net_event_fd(struct pp_net *net, unsigned queue);
/** Call before waiting, then poll once more: what arrived in between causes no event. */
PP_API void pp_net_arm(struct pp_net *net, unsigned queue);

/* ---- state and statistics ------------------------------------------------------------------- */

enum pp_net_state {
	PP_NET_RUNNING,
	PP_NET_END,    /**< no more packets will arrive; those that did can be received */
	PP_NET_FAILED, /**< as PP_NET_END, after an error: see pp_net_error */
	PP_NET_GONE,   /**< no longer usable, pp_net_error says why: call pp_net_remove */
};
/** Cheap enough to call in every iteration of a polling loop. */
PP_API enum pp_net_state pp_net_state(struct pp_net *net);
/**
 * The error of the last bind or unbind, or the reason for the current state, as a message; or "".
 * Valid until the next bind, unbind or close.
 */
PP_API const char *pp_net_error(struct pp_net *net);
/**
 * Warnings for the user: settings of an interface that were changed and will be restored, packets
 * that won't be received. Each is returned once. @return a message, valid until the next call;
 * NULL: none.
 */
PP_API const char *pp_net_notice(struct pp_net *net);

/**
 * Counters since open. Each packet is counted under one name:
 *
 *   received   packets that pp_net_receive has returned: rx_packets
 *   lost       rx_missed, rx_dropped, rx_refused, rx_too_long
 *   sent       of the tx_packets that the device has completed, its own counters say that
 *              tx_sent_min to tx_sent_max left it
 *   not sent   tx_too_long, tx_too_short, tx_no_carrier, tx_malformed: refused by pp_net_send;
 *              tx_unsent: taken, and still in the rings when the binding ended
 *
 * The interface's own counters (tx_sent_min, tx_sent_max, rx_dropped) cover all queues together.
 * For one of several queues, the former are bounds, and rx_dropped is 0.
 *
 * New members go to the end only.
 */
struct pp_net_stats {
	uint64_t rx_packets, rx_bytes;
	uint64_t rx_refused;           /**< invalid descriptors from the device or the kernel */
	uint64_t rx_no_page;           /**< times that no page was available to post */
	uint64_t rx_posted;            /**< pages currently posted */
	uint64_t rx_missed;            /**< packets dropped because the rings were full */
	uint64_t rx_dropped;           /**< packets that the device dropped before the rings */
	uint64_t tx_taken;             /**< packets handed to the device */
	uint64_t tx_packets, tx_bytes; /**< of these, completed by it */
	/** See above; equal unless others' packets are dropped there too, or counts are late. */
	uint64_t tx_sent_min, tx_sent_max;
	uint64_t tx_refused;    /**< invalid completions */
	uint64_t tx_too_long;   /**< longer than the device's MTU */
	uint64_t tx_too_short;  /**< empty, or shorter than it can send */
	uint64_t tx_no_carrier; /**< refused while there was no carrier */
	/** Too many segments, an empty one among several, a first one shorter than the Ethernet
	 * header, or one outside the device's memory. */
	uint64_t tx_malformed;
	uint64_t tx_unsent;   /**< taken, never completed */
	uint64_t rx_too_long; /**< packets dropped as longer than the device was given room for */
};
#define PP_NET_ALL_QUEUES (~0u)
/**
 * Fill in the counters. Some are read from the kernel, so don't call this for each packet.
 * @param queue  or PP_NET_ALL_QUEUES for their sum. @param size  sizeof(*stats).
 */
PP_API void pp_net_stats(struct pp_net *net, unsigned queue, struct pp_net_stats *stats,
			 size_t size);

#ifdef __cplusplus
}
#endif
#endif
