/*
 * driver.h - the driver of Intel's 82574L: see nic.h for what it offers.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_E1000E_DRIVER_H
#define NIC_E1000E_DRIVER_H

#include "../nic.h"

struct e1000e_params {
	uint64_t max_pages; /* of the receive pool; 0: no limit */
	bool poll;          /* no interrupt: the event descriptor is always readable */
	bool rogue;         /* for tests: leave the device running when it is unbound */
};

#define E1000E_ERROR 200

/* True if the device is one that the driver knows; its PCI device and vendor go to id. */
bool e1000e_knows(struct pp_vfio *vfio, uint32_t *id);

/*
 * Take a device of VFIO's and register it, not bound: bind nic->dev to &nic->drv. 0, and
 * close closes vfio too; or an errno with a sentence in error (E1000E_ERROR bytes).
 */
int e1000e_nic_open(struct nic **out, struct pp_vfio *vfio, const struct e1000e_params *params,
		    char *error);

#endif
