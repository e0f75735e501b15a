/*
 * filter.h - which packets are wanted, in libpcap's language (pcap-filter(7)): a packet is matched
 * where it lies, in its pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_FILTER_H
#define TOOL_FILTER_H

#include <pagepool/net.h>
#include <stdbool.h>

struct filter;

/*
 * Compile an expression, which must stay as it is, for packets of a link type (libpcap's DLT_);
 * NULL: there is none, and *out is NULL, which wants all packets. 0, or -1: said what is wrong, or
 * that a signal has ended it: then the process must end, too.
 */
int filter_open(struct filter **out, const char *expression, int dlt);
/* NULL is allowed. */
void filter_close(struct filter *f);
/* Whether a whole packet of n segments is wanted, as it was on the wire. */
bool filter_wants(struct filter *f, const struct pp_net_seg *seg, unsigned n);

#endif
