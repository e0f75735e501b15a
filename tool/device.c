/*
 * device.c - from a device's name on the command line to a device of libpagepool-net.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "loop.h"
#include "tool.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/*
 * For a device that is to send what it has, when the run is to end: until a user may wonder; in all
 */
#define SILENCE_NS 1000000000u
#define PATIENCE_NS 5000000000u

/* What it writes itself is kept apart from what is for people. */
static void opened(struct pp_net *nic)
{
	struct pp_net_info info;

	pp_net_info(nic, &info, sizeof info);
	if (info.output)
		packets_go_to(info.output);
	device_notices(nic);
}

int device_open(struct pp_net **out, const char *spec, const struct device_options *o, bool *usage)
{
	struct pp_net_params p = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR];
	int ret;

	p.device = spec;
	p.max_pages = o->max_pages;
	p.keep = o->hold;
	p.send_only = o->send_only;
	p.promiscuous = o->promiscuous;
	p.link_type = PP_NET_LINK_TYPE(o->dlt);
	p.reads = o->reads;
	p.writes = o->writes;
	ret = pp_net_open(out, &p, error);
	*usage = ret == -EINVAL;
	if (!ret)
		opened(*out);
	else if (*usage || !o->quiet)
		say("%s", error);
	return ret ? -1 : 0;
}

void device_notices(struct pp_net *nic)
{
	const char *notice;

	while ((notice = pp_net_notice(nic)))
		say("%s", notice);
}

void device_close(struct pp_net *nic)
{
	if (nic)
		device_notices(nic);
	pp_net_close(nic);
}

int device_bind(struct pp_net *nic)
{
	int ret = pp_net_bind(nic);

	if (ret)
		say("%s", pp_net_error(nic));
	device_notices(nic);
	return ret ? -1 : 0;
}

/* ---- what is under way --------------------------------------------------------------------- */

/* For the device, or until the run is to end. */
static void wait_device(struct pp_net *nic, bool stopping)
{
	struct pollfd fd[] = {
		{ .fd = pp_net_event_fd(nic, 0), .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
	};
	uint64_t drop;

	if (poll(fd, stopping ? 1 : 2, stopping ? 100 : -1) > 0 && fd[0].revents &&
	    read(fd[0].fd, &drop, sizeof drop) < 0)
		return; /* one that needs no reading */
}

static bool sends(struct pp_net *nic)
{
	enum pp_net_state state = pp_net_state(nic);
	struct pp_net_stats s;

	if (state == PP_NET_FAILED || state == PP_NET_GONE)
		return false;
	pp_net_stats(nic, PP_NET_ALL_QUEUES, &s, sizeof s);
	return !s.tx_refused; /* else what it says is worth nothing */
}

static void say_waiting(struct pp_net *nic)
{
	struct pp_net_info info;

	pp_net_info(nic, &info, sizeof info);
	say("waiting for %s to take what is left; a second signal ends at once, without it",
	    info.output ? info.output : info.name);
}

bool device_drain(struct pp_net *nic, unsigned left)
{
	static uint64_t asked; /* the run's: when the end was asked for, and whether it is told */
	static bool told;
	unsigned before;

	while ((before = pp_net_reap(nic, 0)) > left) {
		bool stopping = stop_asked();

		if (stopping && !asked)
			asked = loop_now();
		if (stopping && loop_now() - asked > PATIENCE_NS)
			break;
		if (stopping && !told && loop_now() - asked > SILENCE_NS) {
			say_waiting(nic);
			told = true;
		}
		pp_net_arm(nic, 0); /* what came before that makes no event */
		if (pp_net_reap(nic, 0) != before)
			continue;
		if (!sends(nic)) /* asked last: it may be that reap which found a lie */
			break;
		wait_device(nic, stopping);
	}
	return before <= left;
}
