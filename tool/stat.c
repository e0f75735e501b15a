/*
 * stat.c - pagepool stat: the statistics of a running process, once; as text, JSON or OpenMetrics.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch.h"

int stat_main(int argc, char **argv)
{
	bool json = false, openmetrics = false, usage, ended;
	const char *pid = NULL;
	const struct option_def defs[] = {
		{ "pid", 'p', "PID", "the process; not needed if there is only one", OPTION_TEXT,
		  &pid },
		{ "json", 0, NULL, "print everything that the process exports, as JSON",
		  OPTION_FLAG, &json },
		{ "openmetrics", 0, NULL, "print it as OpenMetrics text", OPTION_FLAG,
		  &openmetrics },
		{ 0 },
	};
	struct watched w;
	json_t *o;

	if (options_parse(argc, argv, "stat", "Show the pools and devices of a running process.",
			  defs))
		return EXIT_USAGE;
	if (json && openmetrics) {
		say("--json and --openmetrics can't be combined");
		return EXIT_USAGE;
	}
	if (watch_open(&w, pid, &usage))
		return usage ? EXIT_USAGE : EXIT_ERROR;
	o = watch_ask(&w, &ended);
	if (ended)
		say("process %d has ended", w.pid);
	else if (!o)
		say("%s", w.error);
	watch_close(&w);
	if (!o)
		return EXIT_ERROR;
	if (json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (openmetrics) {
		openmetrics_print(stdout, o);
	} else {
		table_print(stdout, o, NULL);
	}
	json_decref(o);
	return EXIT_OK;
}
