/*
 * forward_main.c - pagepool forward: its command line.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "forward.h"

static bool both(const struct forward_end *end)
{
	return end->unbind_after && end->remove_after;
}

static bool options_sane(const struct forward_options *o)
{
	if (!o->device[0] || !o->device[1])
		say("forward needs -a DEVICE and -b DEVICE; see pagepool forward --help");
	else if (both(&o->end[0]) || both(&o->end[1]))
		say("a device can be unbound or removed, not both");
	else
		return true;
	return false;
}

int forward_main(int argc, char **argv)
{
	struct forward_options o = { 0 };
	const struct option_def defs[] = {
		{ "device-a", 'a', "DEVICE",
		  "soft[:pcap=FILE][,wire=FILE][,rate=PPS] and so on, as for "
		  "capture" DEVICE_VFIO_HELP DEVICE_XDP_HELP,
		  OPTION_STRING, &o.device[0] },
		{ "device-b", 'b', "DEVICE", "the other one", OPTION_STRING, &o.device[1] },
		{ "learn", 0, NULL,
		  "learn which side each address is on; don't forward within a side", OPTION_FLAG,
		  &o.learn },
		{ "wait", 0, NULL, "continue with a lost interface when it comes back", OPTION_FLAG,
		  &o.wait },
		OPTIONS_END(&o),
		{ "unbind-a", 0, "N", "unbind a's driver after N packets; b continues",
		  OPTION_COUNT, &o.end[0].unbind_after },
		{ "unbind-b", 0, "N", "the same for b", OPTION_COUNT, &o.end[1].unbind_after },
		{ "remove-a", 0, "N", "remove a by surprise after N packets", OPTION_COUNT,
		  &o.end[0].remove_after },
		{ "remove-b", 0, "N", "the same for b", OPTION_COUNT, &o.end[1].remove_after },
		OPTION_JSON(&o),
		OPTIONS_RECEIVE(&o),
		{ 0 },
	};

	if (options_parse(argc, argv, "forward", "Forward packets between two devices.", defs) ||
	    !options_sane(&o))
		return EXIT_USAGE;
	if (rights_find(&o.rights) || stop_fd_open() < 0)
		return EXIT_ERROR;
	return forward_run(&o);
}
