/*
 * errors.c - the command's messages for people, one sentence at a time.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <stdarg.h>

void say(const char *format, ...)
{
	char text[1200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "pagepool: %s\n", text);
}
