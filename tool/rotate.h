/*
 * rotate.h - a capture in several files: when the next one begins, its name, and which old ones are
 * deleted. Option syntax and file names are dumpcap's (-b).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_ROTATE_H
#define TOOL_ROTATE_H

#include "tool.h"

struct rotate {
	uint64_t bytes, seconds, packets; /* after which the next file begins; 0: not for that */
	uint64_t files;                   /* that are kept; 0: all */
	/* the rest is rotate.c's */
	const char *path; /* as -w has it; NULL: there is one file, of that name */
	uint64_t number;  /* of the last file that was named */
	char **name;      /* of the files that are kept: a ring */
	char *oldest;     /* that made room for the last one, or NULL */
};

/*
 * Parse the arguments of -b; without any, everything goes to one file. 0, or -1 after saying what
 * is wrong.
 */
int rotate_open(struct rotate *r, const char *path, const struct option_list *words);
void rotate_close(struct rotate *r);
/*
 * The next file's path, or `path` if there is only one. Valid until the next call. NULL: no memory.
 */
const char *rotate_name(struct rotate *r);
/* The next file is open: delete the oldest one if there are too many. */
void rotate_begun(struct rotate *r);

#endif
