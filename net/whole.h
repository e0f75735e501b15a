/*
 * whole.h - completes a packet: inserts into its bytes what is kept beside them, a VLAN tag, and a
 * checksum that was left to a device.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_WHOLE_H
#define NET_WHOLE_H

#include <pagepool/net.h>

#define WHOLE_TAG 4u /* bytes of a VLAN tag */

/*
 * Put the tag (PP_NET_VLAN) and the sum (PP_NET_CSUM_PARTIAL) that the head's flags tell of where
 * they belong, and take the flags away: the packet has n segments, its head and the rest. The
 * pages must be the caller's to write. 0; -EINVAL: the flags can't be true, or there is no room
 * for a tag. A tag that was put in stays in then.
 */
int whole_make(struct pp_net_seg *head, const struct pp_net_seg *rest, unsigned n);

/* Finish the packet's CRC32c, from `start` to its end. 0; -EINVAL: it isn't in the packet. */
int whole_crc(const struct pp_net_seg *seg, unsigned n, uint32_t start, uint32_t offset);

/*
 * Finish the transport checksum of a packet that nothing is known of, if what stands there is the
 * sum of the pseudo-header, which is where a stack begins that leaves the rest to a device, and is
 * wrong. A packet that is right is never changed. True: it has been finished.
 */
bool whole_guess(const struct pp_net_seg *seg, unsigned n);

/* True if the packet must be made whole before it is sent. */
static inline bool whole_is_not(const struct pp_net_seg *seg)
{
	return seg->flags & (PP_NET_VLAN | PP_NET_CSUM_PARTIAL);
}

#endif
