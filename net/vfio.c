/*
 * vfio.c - a PCI device through VFIO: finds the driver for it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "port.h"

#include <errno.h>
#include <stdio.h>

#include "e1000e/driver.h"
#include "virtio/driver.h"

/* A driver for what it is. */
static int drive(struct pp_net **out, struct pp_vfio *vfio, const struct pp_net_vfio_params *set,
		 const struct pp_net_params *params, char *error)
{
	uint32_t id = 0;

	pp_vfio_config_read(vfio, 0, 4, &id);
	if (e1000e_knows(id))
		return e1000e_net_open(out, vfio, set, params, error);
	if (virtio_knows(id))
		return virtio_net_open(out, vfio, set, params, error);
	snprintf(error, PP_NET_ERROR,
		 "%s is a %04x:%04x; there are drivers for virtio's network device, 1af4:1041 and "
		 "1af4:1000, and Intel's 82574L, 8086:10d3",
		 pp_vfio_address(vfio), id & 0xffff, id >> 16);
	return -EOPNOTSUPP;
}

int vfio_net_open(struct pp_net **out, const struct pp_net_vfio_params *set,
		  const struct pp_net_params *params, char *error)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	struct pp_vfio *vfio = set->vfio;
	char address[PP_VFIO_ADDRESS];
	int ret;

	if (!vfio && !pp_vfio_parse_address(address, set->address))
		return -ENODEV;
	if (params->link_type && params->link_type != PP_NET_LINK_TYPE(PORT_LINK_ETHERNET)) {
		snprintf(error, PP_NET_ERROR,
			 "%s is an Ethernet device: it can't send packets of "
			 "another link type",
			 vfio ? pp_vfio_address(vfio) : address);
		return -EOPNOTSUPP;
	}
	p.address = address;
	p.api = (enum pp_vfio_api)set->api;
	ret = vfio ? 0 : pp_vfio_open(&vfio, &p, error);
	if (ret)
		return ret;
	ret = drive(out, vfio, set, params, error);
	if (ret && !set->vfio)
		pp_vfio_close(vfio);
	return ret;
}
