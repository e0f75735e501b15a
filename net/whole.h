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
 * Insert what the head's flags announce, the tag (PP_NET_VLAN) and the checksum
 * (PP_NET_CSUM_PARTIAL), and clear the flags. The packet has n segments: its head and the rest. The
 * caller must be allowed to write to the pages. 0; -EINVAL: the flags can't be right, or there is
 * no room for a tag. A tag that was inserted by then stays.
 */
int whole_make(struct pp_net_seg *head, const struct pp_net_seg *rest, unsigned n);

/*
 * Compute the packet's CRC32c, from `start` to its end. 0; -EINVAL: its place isn't in the packet.
 */
int whole_crc(const struct pp_net_seg *seg, unsigned n, uint32_t start, uint32_t offset);

/*
 * Complete the transport checksum of a packet that came without flags, if the field holds the sum
 * of the pseudo-header, as a stack leaves it that relies on the device for the rest, and that is
 * wrong. A correct packet is never changed. True: it was completed.
 */
bool whole_guess(const struct pp_net_seg *seg, unsigned n);

/* True if the packet must be made whole before it is sent. */
static inline bool whole_is_not(const struct pp_net_seg *seg)
{
	return seg->flags & (PP_NET_VLAN | PP_NET_CSUM_PARTIAL);
}

#endif
