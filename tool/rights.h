/*
 * rights.h - a run that root begins and that continues as another user (-Z): its files belong to
 * that user, and of root's capabilities only those remain without which a network device can't be
 * driven or restored.
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

/* Look the user up. 0, or -1: said what is wrong. */
int rights_find(struct rights *r);
/* From now on, and until the same with false, files are opened as the user. 0, or -1: said. */
int rights_borrow(const struct rights *r, bool borrow);
/* For ever. 0, or -1: said what is wrong; then the run must not go on. */
int rights_drop(const struct rights *r);

#endif
