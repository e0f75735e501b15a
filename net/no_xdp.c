/*
 * no_xdp.c - replaces xdp/ in a build without libxdp and libbpf.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "port.h"

#include <errno.h>
#include <stdio.h>

int xdp_net_open(struct pp_net **out, const struct pp_net_xdp_params *xdp,
		 const struct pp_net_params *params, char *error)
{
	(void)xdp;
	(void)params;
	*out = NULL;
	snprintf(error, PP_NET_ERROR,
		 "this build of pagepool has no AF_XDP: it needs libxdp and "
		 "libbpf");
	return -EOPNOTSUPP;
}
