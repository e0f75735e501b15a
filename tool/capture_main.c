/*
 * capture_main.c - pagepool capture: its command line.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capture.h"

static bool options_sane(const struct capture_options *o)
{
	if (!o->device || !o->file)
		say("capture needs -d DEVICE and -w FILE; see pagepool capture --help");
	else if (o->unbind_after && o->remove_after)
		say("--unbind-after and --remove-after can't be combined");
	else if (o->rebind && !o->unbind_after)
		say("--rebind needs --unbind-after: a device that has gone can't be bound again");
	else
		return true;
	return false;
}

int capture_main(int argc, char **argv)
{
	struct capture_options o = { 0 };
	const struct option_def defs[] = {
		{ "device", 'd', "DEVICE",
		  "soft[:pcap=FILE][,loop=N][,rate=PPS][,mask=BITS][,incoherent]\n"
		  "                             [,invalidate=strict|deferred][,rogue][,lies][,gone=N]" DEVICE_VFIO_HELP
			  DEVICE_XDP_HELP,
		  OPTION_STRING, &o.device },
		{ "write", 'w', "FILE", "write the packets to FILE, as pcap; - is standard output",
		  OPTION_STRING, &o.file },
		{ "pcapng", 0, NULL, "write pcapng, even if FILE doesn't end in .pcapng",
		  OPTION_FLAG, &o.pcapng },
		{ "snaplen", 's', "N", "write only the first N bytes of each packet; 0: all of it",
		  OPTION_SIZE, &o.snaplen },
		{ "ring-buffer", 'b', "WHEN",
		  "begin a new file after filesize:KB, duration:SECONDS or\n                             packets:N; keep the last files:N. May be repeated",
		  OPTION_LIST, &o.files },
		OPTIONS_END(&o),
		{ "hold", 0, "N", "keep at least N pages in flight: a slow consumer", OPTION_SIZE,
		  &o.hold },
		{ "unbind-after", 0, "N", "unbind the driver after N packets", OPTION_COUNT,
		  &o.unbind_after },
		{ "remove-after", 0, "N", "remove the device by surprise after N packets",
		  OPTION_COUNT, &o.remove_after },
		{ "rebind", 0, NULL, "after the unbind, bind again and continue", OPTION_FLAG,
		  &o.rebind },
		{ "max-pages", 0, "N", "limit the receive pool to N pages", OPTION_COUNT,
		  &o.max_pages },
		OPTION_JSON(&o),
		{ "report", 0, "FILE", "write an HTML page with a timeline of the run",
		  OPTION_STRING, &o.page },
		OPTIONS_RECEIVE(&o),
		{ 0 },
	};

	if (options_parse(argc, argv, "capture",
			  "Write the packets that a device receives to a file.", defs) ||
	    !options_sane(&o))
		return EXIT_USAGE;
	if (rights_find(&o.rights) || stop_fd_open() < 0)
		return EXIT_ERROR;
	return capture_run(&o);
}
