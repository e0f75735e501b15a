/*
 * export.c - export this process's statistics, for pagepool stat and pagepool top.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <string.h>

struct pp_telemetry *export_telemetry(bool wanted)
{
	struct pp_telemetry *t = NULL;
	int ret = wanted ? pp_telemetry_start(&t, NULL) : 0;

	if (ret) /* the run goes on all the same */
		say("pagepool stat won't find this run: %s", strerror(-ret));
	return t;
}
