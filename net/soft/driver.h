/*
 * driver.h - the software NIC's driver: see nic.h for what it offers.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_SOFT_DRIVER_H
#define NIC_SOFT_DRIVER_H

#include "../nic.h"
#include "model.h"

struct soft_driver_params {
	uint64_t max_pages; /* of the RX pool; 0: no limit */
};

/*
 * Build a software NIC and its driver, registered but not bound: bind nic->dev to
 * &nic->drv. 0, or an errno with a sentence in error (SOFT_MODEL_ERROR bytes).
 */
int soft_nic_open(struct nic **out, const struct soft_model_params *model,
		  const struct soft_driver_params *params, char *error);

#endif
