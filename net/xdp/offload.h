/*
 * offload.h - switches off, for the time of a run, offloads of an interface that keep data beside a
 * packet's bytes. These settings belong to the administrator, so a change is reported and undone.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_XDP_OFFLOAD_H
#define NET_XDP_OFFLOAD_H

#include <net/if.h>
#include <stdbool.h>

#define XDP_FEATURES 2u

struct xdp_features {
	int query;                     /* a socket to ask about interfaces; the owner's */
	const char *off[XDP_FEATURES]; /* switched off by us */
};

/* True if the interface has it switched on. */
bool xdp_feature_is_on(int query, const char *ifname, const char *feature);
/*
 * Make the interface leave VLAN tags in the packets. True: it does; *changed: it didn't before.
 * False: it removes them, and that can't be changed.
 */
bool xdp_features_keep_tags(struct xdp_features *f, const char *ifname, bool *changed);
/* As it was. */
void xdp_features_put_back(struct xdp_features *f, const char *ifname);

#endif
