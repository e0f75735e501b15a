/*
 * filter.h - packet filter in libpcap's language (pcap-filter(7)). Packets are matched in place, in
 * their pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_FILTER_H
#define TOOL_FILTER_H

#include <pagepool/net.h>
#include <stdbool.h>

struct filter;

/*
 * Compile an expression for packets of a link type (libpcap's DLT_). The expression must outlive
 * the filter. If it is NULL, so is *out, which matches all packets. 0, or -1 after saying what is
 * wrong, or that a signal interrupted it: then the process must exit.
 */
int filter_open(struct filter **out, const char *expression, int dlt);
/* NULL is allowed. */
void filter_close(struct filter *f);
/* True if a packet of n segments matches, as it was on the wire. */
bool filter_wants(struct filter *f, const struct pp_net_seg *seg, unsigned n);

#endif
