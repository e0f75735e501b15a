/*
 * driver.h - a Linux network interface through AF_XDP: see nic.h for what it offers.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_XDP_DRIVER_H
#define NIC_XDP_DRIVER_H

#include "../nic.h"
#include "umem.h"


struct xdp_nic_params {
	const char *ifname;
	int queue;          /* -1: all of the interface's */
	uint32_t frame;     /* bytes: 2048, 4096; 0: the smaller one that the MTU allows */
	uint64_t max_pages; /* of its pool, which can't grow; 0: what `keep` and the rings take */
	uint64_t keep;      /* pages that the program will hold */
	bool send_only;     /* leave what is received to the stack */
	bool generic;       /* run the XDP program in the stack, not in the driver */
	bool copy, zero_copy; /* insist on one; neither: what there is */
};

/*
 * Attach to the interface; registered but not bound: bind nic->dev to &nic->drv. 0, or an
 * errno with a sentence in error (XDP_ERROR bytes). A bind that fails may leave one in
 * nic_ops.error.
 */
int xdp_nic_open(struct nic **out, const struct xdp_nic_params *params, char *error);

#endif
