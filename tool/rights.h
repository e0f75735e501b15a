/*
 * rights.h - dropping privileges (-Z): a run started by root continues as another user, who owns
 * its files. Of root's capabilities it keeps only those needed to drive and restore a network
 * device.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_RIGHTS_H
#define TOOL_RIGHTS_H

#include <stdbool.h>

struct rights {
	const char *user; /* NULL: everything stays as it is, and all calls do nothing */
	unsigned uid, gid;
};

/* Look the user up. 0, or -1 after saying what is wrong. */
int rights_find(struct rights *r);
/*
 * Open files as the user from now on; with false, as before again. 0, or -1 after saying what is
 * wrong.
 */
int rights_borrow(const struct rights *r, bool borrow);
/* Become the user for good. 0, or -1 after saying what is wrong: then the run must not go on. */
int rights_drop(const struct rights *r);

#endif
