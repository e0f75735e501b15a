/*
 * net.h - network devices whose packets lie in a pool's pages: a Linux interface (AF_XDP), a
 * NIC through VFIO, a NIC in software. A library of its own, libpagepool-net, because it needs
 * libpcap and, for AF_XDP, libxdp and libbpf.
 *
 *   open --> bind --> receive, send, reap ... --> unbind --> (bind again) --> close
 *
 * A packet is one or more segments, and a segment is a reference to a page: who has it puts
 * the page. Pages that are held stay readable whatever becomes of the device, of the library's
 * handle, or of the interface; what lay in a device's rings comes home when the binding ends.
 * No call here blocks for a device that has gone.
 *
 * A device has one queue, or as many as were asked for (pp_net_params.queues). Each queue has a
 * pool of its own, or one that it was told to use, and is one thread's at a time:
 *
 *   call                                      thread
 *   open                                      any
 *   receive, send, reap, arm, own             the queue's; different queues at the same time
 *   bind, unbind, remove, quiet, use_pool,    control: one at a time, and no call of a queue's
 *   share_pool, close                         meanwhile
 *   state, notice                             one thread, that of a queue or another
 *   error, info, stats, event_fd, device,     any, but not during bind, unbind, remove, close
 *   pool, send_pool, pool_params
 *
 * The thread that binds owns the pools; one that takes over a queue calls pp_net_own first.
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

/** Bytes of a sentence that says what went wrong and what to do. */
#define PP_NET_ERROR 600

/* ---- packets -------------------------------------------------------------------------- */

/**
 * What is known of a packet: in its first segment; PP_NET_LAST in its last. A packet that is
 * received is whole: what the kernel keeps beside its bytes, a VLAN tag and a checksum that
 * another stack left to a device, has been put in. PP_NET_VLAN or PP_NET_CSUM_PARTIAL is set
 * only where that couldn't be. In one that is sent both may be set: it is made whole, in its
 * pages.
 */
enum pp_net_flags {
	PP_NET_LAST = 1,          /**< the packet's last segment */
	PP_NET_CSUM_VALID = 2,    /**< the device has verified the transport checksum */
	/**
	 * The transport checksum is not finished: the sum of the bytes from csum_start to the
	 * packet's end is still to be put at csum_start + csum_offset.
	 */
	PP_NET_CSUM_PARTIAL = 4,
	PP_NET_VLAN = 8,          /**< vlan_tci and vlan_tpid are a tag that is not in the data */
	PP_NET_HASH = 16,         /**< hash is the device's receive hash */
	PP_NET_CUT = 32,          /**< bytes at the end are missing: wire_len tells how many */
};

/** Where a time stamp is from: how late it may be. */
enum pp_net_time {
	PP_NET_TIME_NONE,   /**< there is none */
	PP_NET_TIME_POLL,   /**< taken when pp_net_receive found the packet: late by up to the
				 time between two polls */
	PP_NET_TIME_KERNEL, /**< taken when the kernel had the packet in hand: late by what it
				 lay in the device and its interrupt took, some microseconds */
	PP_NET_TIME_DEVICE, /**< the device's own */
	PP_NET_TIME_FILE,   /**< what a capture file says */
};

/** A segment of a packet. Who has it holds a reference on the page. To send: zero the rest. */
struct pp_net_seg {
	struct pp_page *page;
	uint64_t time_ns;     /**< since the epoch; 0 where time_source is PP_NET_TIME_NONE */
	uint32_t offset;      /**< where the bytes begin in the page */
	uint32_t len;         /**< bytes of this segment */
	uint32_t wire_len;    /**< bytes of the whole packet as it was on the wire */
	uint32_t hash;
	uint32_t flags;       /**< enum pp_net_flags */
	uint16_t room;        /**< bytes before offset that are the holder's to write too */
	uint16_t queue;       /**< the device's, which received it */
	uint16_t vlan_tci;    /**< priority, drop eligible, identifier; host order */
	uint16_t vlan_tpid;   /**< 0x8100, 0x88a8; host order */
	uint16_t csum_start, csum_offset;
	uint8_t time_source;  /**< enum pp_net_time */
	uint8_t reserved[15]; /**< 0: for what is to come */
};

/* ---- opening --------------------------------------------------------------------------- */

/** A Linux interface, by AF_XDP. */
struct pp_net_xdp_params {
	size_t size;             /**< of this structure; see PP_PARAMS */
	const char *ifname;
	unsigned first_queue;    /**< of the interface's receive queues, */
	unsigned queue_count;    /**< so many from there on; 0: all, from 0 */
	uint32_t frame;          /**< bytes of a page: 2048 or 4096. 0: what the MTU asks for */
	bool generic;            /**< run the XDP program in the stack, not in the driver */
	bool copy, zero_copy;    /**< insist on one; neither: what there is */
};

/** A PCI device by VFIO: an Intel 82574L. */
struct pp_net_vfio_params {
	size_t size;
	const char *address;     /**< PCI address, as in 0000:00:03.0 */
	struct pp_vfio *vfio;    /**< or a device that is open already: close ends it too */
	uint32_t api;            /**< enum pp_vfio_api */
	bool poll;               /**< no interrupts: the event descriptor is always readable */
	bool rogue;              /**< for tests: leave the device running when it is unbound */
};

/** A NIC in software, behind the software IOMMU. */
struct pp_net_soft_params {
	size_t size;
	const char *pcap;        /**< a capture file that it receives; NULL: nothing */
	const char *wire;        /**< a file that what it sends is written to; NULL: none */
	uint64_t loops;          /**< how often it plays the file; 0: once; UINT64_MAX: for ever */
	uint64_t rate;           /**< packets a second, received and sent; 0: full speed */
	uint64_t gone_after;     /**< it vanishes after so many packets; 0: never */
	unsigned address_bits;   /**< 32 to 64; 0: 64 */
	bool incoherent, deferred; /**< of its IOMMU */
	bool rogue;              /**< goes on doing DMA when it has been told to stop */
	bool lies;               /**< now and then writes lengths and indices that are none */
};

#define PP_NET_LINK_TYPE(dlt) ((dlt) + 1)

struct pp_net_params {
	size_t size; /**< of this structure; see PP_PARAMS */
	/**
	 * What to open, in the words of the command: "xdp:eth0", "xdp:eth0:2,frame=4096",
	 * "vfio:0000:00:03.0", "soft:pcap=in.pcap" (pagepool(1) has them all). Or NULL, and
	 * one of the three below.
	 */
	const char *device;
	const struct pp_net_xdp_params *xdp;
	const struct pp_net_vfio_params *vfio;
	const struct pp_net_soft_params *soft;
	unsigned queues;     /**< that the program serves, each with a pool; 0: 1, which has all */
	uint64_t max_pages;  /**< of a queue's receive pool; 0: no limit of the program's */
	uint64_t keep;       /**< pages of a queue that the program will hold */
	bool send_only;      /**< nothing is to be received: what comes is left to others */
	bool promiscuous;    /**< receive what is for other addresses too, until close */
	/** PP_NET_LINK_TYPE of libpcap's DLT_ number of what will be sent; 0: Ethernet. */
	int link_type;
	/** Files of the program's own, or NULL: a device that would write them is refused. */
	const char *reads, *writes;
};

/**
 * Open a device: it is known and registered, not bound.
 * @param error  PP_NET_ERROR bytes, or NULL: a sentence when it fails.
 * @return 0; -EINVAL: the words, or the parameters, are wrong; -E2BIG: see PP_PARAMS;
 *         -ENODEV: there is no such device; -ENETDOWN: the interface is down; -ENXIO: it has
 *         no such queue; -EBUSY: somebody else has it; -EPERM, -EACCES: a right is missing;
 *         -EMSGSIZE: its MTU is too large; -EOPNOTSUPP: it can't do what was asked, or this
 *         build has no such kind of device; -EIO: a file can't be read or written; -EEXIST: one
 *         file would be both read and written, or written twice; -ENOMEM; or another error of
 *         the system. *out is NULL then.
 */
PP_API int pp_net_open(struct pp_net **out, const struct pp_net_params *params, char *error);

/** Unbind if it is bound, give back all that is the library's, free it. NULL is allowed. */
PP_API void pp_net_close(struct pp_net *net);

/** The kinds of device of this build, as in "soft, vfio:ADDRESS, xdp:IFNAME". */
PP_API const char *pp_net_kinds(void);

/** What the device is: most of it from open on. New members at the end only. */
struct pp_net_info {
	const char *name;        /**< "xdp:eth0"; until close */
	const char *output;      /**< a file that the device itself writes, or NULL */
	int link_type;           /**< libpcap's DLT_ number of its packets */
	uint32_t fcs_len;        /**< bytes of checksum at a packet's end; 0: none, or not known */
	uint32_t queues;         /**< that the program serves */
	uint32_t ring;           /**< pages that a queue wants to have posted to receive */
	uint32_t shortest, longest; /**< bytes of a packet that can be sent; 0: no limit */
	uint32_t pieces;         /**< segments of a packet that can be sent; 0: no limit */
	/**
	 * While packets come, a program that looks so often needn't wait for events: each
	 * time, that many packets have gathered. ns; 0: it should wait.
	 */
	uint32_t rest_ns;
	uint32_t time_source;       /**< enum pp_net_time of what it receives */
	uint32_t time_precision_ns; /**< the clock's step */
	uint32_t zero_copy;         /**< 1: bound, and nobody copies a packet's bytes */
};
/** Fill it in. @param size  sizeof(*info). */
PP_API void pp_net_info(struct pp_net *net, struct pp_net_info *info, size_t size);

/* ---- pools and binding ------------------------------------------------------------------ */

/**
 * What a pool must be like that the queue is to use: the one that it would make itself.
 * @param params     PP_PARAMS(struct pp_pool_params), to be filled in.
 * @param one_chunk  NULL, or set to whether all of the memory must be one chunk, that big or
 *                   bigger.
 * @return 0; -EINVAL: no such queue, or no size.
 */
PP_API int pp_net_pool_params(struct pp_net *net, unsigned queue, struct pp_pool_params *params,
			      bool *one_chunk);
/**
 * From the next bind on, receive into and send from this pool, which stays the caller's and
 * may be that of other devices too: a page that one has received can be sent by another. NULL:
 * make one again. The thread that binds must own it.
 * @return 0; -EINVAL: no such queue; -EBUSY: the device is bound.
 */
PP_API int pp_net_use_pool(struct pp_net *net, unsigned queue, struct pp_pool *pool);
/**
 * Make a pool that suits the queue of all n devices and have them use it. Bind the device that
 * can address least first. NULL entries are passed over.
 * @return 0; -EINVAL: no device, or no such queue; -EXDEV: they need pages of different sizes;
 *         -EBUSY: one is bound; -ENOSYS: no membarrier(2); -ENOMEM.
 */
PP_API int pp_net_share_pool(struct pp_pool **out, struct pp_net *const *nets, unsigned n,
			     unsigned queue);
/** The pools of a queue that is bound, else NULL; both may be one. */
PP_API struct pp_pool *pp_net_pool(struct pp_net *net, unsigned queue);
PP_API struct pp_pool *pp_net_send_pool(struct pp_net *net, unsigned queue);
/** The device of a queue, for its statistics; NULL: no such queue. */
PP_API struct pp_device *pp_net_device(struct pp_net *net, unsigned queue);

/**
 * Begin to receive and send. All queues, or none.
 * @return 0; -EBUSY: bound already, or another program has the device's queue; -ENODEV: it has
 *         gone; -ERANGE, -ENOSPC, -EINVAL: it can't use the pool that it was given; -ENOMEM: no
 *         memory, or a limit of locked memory; -ENOSYS: no membarrier(2); -EPERM; or what else
 *         the system says. pp_net_error has a sentence.
 */
PP_API int pp_net_bind(struct pp_net *net);
/**
 * End it: see pp_device_unbind. What had arrived can still be received; what was not sent comes
 * home and is counted. @return 0; -ENODEV: not bound, or gone.
 */
PP_API int pp_net_unbind(struct pp_net *net);
/** The device has gone, or is to be treated so: see PP_REMOVAL_SURPRISE. @return as pp_net_unbind. */
PP_API int pp_net_remove(struct pp_net *net);
/**
 * Not bound any more: see that the device is quiet, for final counts. Waits for a card's
 * counters, which may be late by 2 seconds.
 * @return 0; -EBUSY: it is bound; -ETIMEDOUT: it isn't quiet; pp_net_error tells.
 */
PP_API int pp_net_quiet(struct pp_net *net);
/** The calling thread owns the queue's pools now: see pp_pool_own. @return 0; -ENOMEM: not all. */
PP_API int pp_net_own(struct pp_net *net, unsigned queue);

/* ---- packets, in and out ------------------------------------------------------------------ */

/**
 * Take up to n segments that have arrived. A packet may go on in the next call. After an
 * unbind: what had arrived by then.
 * @return how many; 0: none now, or no such queue.
 */
PP_API unsigned pp_net_receive(struct pp_net *net, unsigned queue, struct pp_net_seg *seg, unsigned n);
/**
 * Send whole packets, and take the references of what is taken. A packet that the device can't
 * send (too long, too short, no carrier ...) is taken, put, and counted under its reason.
 * @return how many segments were taken; fewer than n: no room now, reap and try again.
 */
PP_API unsigned pp_net_send(struct pp_net *net, unsigned queue, const struct pp_net_seg *seg,
			    unsigned n);
/** Put the pages of what has been sent. @return segments still under way. */
PP_API unsigned pp_net_reap(struct pp_net *net, unsigned queue);
/**
 * A descriptor that is readable, once after each arm, when there is something to receive or
 * reap or the state has changed. Who waits reads 8 bytes of it, which may fail. The same from
 * open to close. @return it; -EINVAL: no such queue.
 */
PP_API int pp_net_event_fd(struct pp_net *net, unsigned queue);
/** Before waiting: then look once more for what came in between, which makes no event. */
PP_API void pp_net_arm(struct pp_net *net, unsigned queue);

/* ---- how it is ------------------------------------------------------------------------------ */

enum pp_net_state {
	PP_NET_RUNNING,
	PP_NET_END,    /**< no packet will come any more; all that came can be received */
	PP_NET_FAILED, /**< as PP_NET_END, because of an error: pp_net_error tells */
	PP_NET_GONE,   /**< it can't be used any more, and pp_net_error says why: pp_net_remove */
};
/** Cheap enough for every turn of a loop. */
PP_API enum pp_net_state pp_net_state(struct pp_net *net);
/** What went wrong, in a sentence, or "": in the last bind or unbind, or why the state is what
 * it is. Until the next bind or unbind, or close. */
PP_API const char *pp_net_error(struct pp_net *net);
/**
 * Something that a user should be told though it goes on: what was changed on an interface and
 * will be put back, what is not received. Each once. @return a sentence, until the next call;
 * NULL: nothing.
 */
PP_API const char *pp_net_notice(struct pp_net *net);

/**
 * Counters, since open. What a packet met is counted under one name:
 *
 *   received   packets that pp_net_receive has returned: rx_packets
 *   lost       rx_missed, rx_dropped, rx_refused
 *   sent       of the tx_packets that the device has completed, its own counters say that
 *              tx_sent_min to tx_sent_max left it
 *   not sent   tx_too_long, tx_too_short, tx_no_carrier, tx_malformed: refused by pp_net_send;
 *              tx_unsent: taken, and still in the rings when the binding ended
 *
 * The interface's own counters (tx_sent_min, tx_sent_max, rx_dropped) are of all queues together.
 * Of one of several, the former are bounds, and rx_dropped is 0.
 *
 * New members at the end only.
 */
struct pp_net_stats {
	uint64_t rx_packets, rx_bytes;
	uint64_t rx_refused;    /**< because the device, or the kernel, wrote nonsense */
	uint64_t rx_no_page;    /**< times that no page could be had to post */
	uint64_t rx_posted;     /**< pages that wait for packets now */
	uint64_t rx_missed;     /**< that there was no room for in the rings */
	uint64_t rx_dropped;    /**< that the device dropped before the rings */
	uint64_t tx_taken;      /**< packets handed to the device */
	uint64_t tx_packets, tx_bytes; /**< of these, completed by it */
	/** See above; alike unless others have packets dropped there too, or counts are late. */
	uint64_t tx_sent_min, tx_sent_max;
	uint64_t tx_refused;    /**< completions that made no sense */
	uint64_t tx_too_long;   /**< for the device's MTU */
	uint64_t tx_too_short;  /**< of no bytes, or fewer than it can send */
	uint64_t tx_no_carrier; /**< while there was none */
	uint64_t tx_malformed;  /**< too many pieces, or not in memory of the device's */
	uint64_t tx_unsent;     /**< taken, never completed */
};
#define PP_NET_ALL_QUEUES (~0u)
/**
 * Fill them in. Some are the kernel's, who is asked: not for each packet.
 * @param queue  or PP_NET_ALL_QUEUES: their sum. @param size  sizeof(*stats).
 */
PP_API void pp_net_stats(struct pp_net *net, unsigned queue, struct pp_net_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif
#endif
