/*
 * replay_main.c - pagepool replay: its command line.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "replay.h"

int replay_main(int argc, char **argv)
{
	struct replay_options o = { .loops = 1 };
	const struct option_def defs[] = {
		{ "device", 'd', "DEVICE",
		  "soft[:rate=PPS][,mask=BITS][,incoherent][,rogue][,lies]\n                             [,wire=FILE]: what is sent is written there" DEVICE_VFIO_HELP
			  DEVICE_XDP_HELP,
		  OPTION_STRING, &o.device },
		{ "read", 'r', "FILE", "the capture file", OPTION_STRING, &o.path },
		OPTIONS_END(&o),
		{ "loop", 0, "N", "send the file N times; 0: until interrupted", OPTION_SIZE,
		  &o.loops },
		{ "topspeed", 't', NULL, "as fast as the device accepts them (default for soft)",
		  OPTION_FLAG, &o.pace.topspeed },
		{ "recorded", 0, NULL,
		  "at the intervals of the file's time stamps (default otherwise)", OPTION_FLAG,
		  &o.pace.recorded },
		{ "pps", 'p', "N", "send N packets per second", OPTION_COUNT,
		  &o.pace.packets_a_second },
		{ "rate", 0, "N", "send N bits per second", OPTION_COUNT, &o.pace.bits_a_second },
		OPTION_JSON(&o),
		OPTION_NO_TELEMETRY(&o),
		{ 0 },
	};

	if (options_parse(argc, argv, "replay", "Send the packets of a file through a device.",
			  defs))
		return EXIT_USAGE;
	if (!o.device || !o.path) {
		say("replay needs -d DEVICE and -r FILE; see pagepool replay --help");
		return EXIT_USAGE;
	}
	if (!pace_sane(&o.pace))
		return EXIT_USAGE;
	if (stop_fd_open() < 0)
		return EXIT_ERROR;
	return replay_run(&o);
}
