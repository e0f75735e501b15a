/*
 * version.c - the release.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>

const char *pp_version(void)
{
	return PP_VERSION;
}
