/*
 * driver.h - the driver for Intel's 82574L: see port.h for its interface.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_E1000E_DRIVER_H
#define NET_E1000E_DRIVER_H

#include "../port.h"

/* True if a PCI device and vendor, as configuration space has them, are an 82574L's. */
bool e1000e_knows(uint32_t id);

/*
 * Take a device of VFIO's and register it, not bound. 0, and close closes vfio too; or an
 * errno with a sentence in error (PP_NET_ERROR bytes).
 */
int e1000e_net_open(struct pp_net **out, struct pp_vfio *vfio, const struct pp_net_vfio_params *set,
		    const struct pp_net_params *params, char *error);

#endif
