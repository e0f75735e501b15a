/*
 * said.h - what the command's parts say (errors.c), kept for a test to look at.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef SAID_H
#define SAID_H

#include <stdarg.h>
#include <tool.h>

static char said[2000];

/* In place of errors.c. */
void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof said, format, args);
	va_end(args);
}

#endif
