/*
 * device.c - from a device's name on the command line to a device of libpagepool-net.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <errno.h>

/* What it writes itself is kept apart from what is for people. */
static void opened(struct pp_net *nic)
{
	struct pp_net_info info;

	pp_net_info(nic, &info, sizeof info);
	if (info.output)
		packets_go_to(info.output);
	device_notices(nic);
}

int device_open(struct pp_net **out, const char *spec, const struct device_wish *wish, bool *usage)
{
	struct pp_net_params p = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR];
	int ret;

	p.device = spec;
	p.max_pages = wish->max_pages;
	p.keep = wish->hold;
	p.send_only = wish->send_only;
	p.promiscuous = wish->promiscuous;
	p.link_type = PP_NET_LINK_TYPE(wish->dlt);
	p.reads = wish->reads;
	p.writes = wish->writes;
	ret = pp_net_open(out, &p, error);
	*usage = ret == -EINVAL;
	if (!ret)
		opened(*out);
	else if (*usage || !wish->quiet)
		say("%s", error);
	return ret ? -1 : 0;
}

void device_notices(struct pp_net *nic)
{
	const char *notice;

	while ((notice = pp_net_notice(nic)))
		say("%s", notice);
}

int device_bind(struct pp_net *nic)
{
	int ret = pp_net_bind(nic);

	if (ret)
		say("%s", pp_net_error(nic));
	device_notices(nic);
	return ret ? -1 : 0;
}
