/*
 * fork.h - what fork.c shares with its neighbours.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_FORK_H
#define ENV_FORK_H

#include "env/env.h"

/* thread.c and user.c: their locks are held over a fork. */
void threads_hold(void);
void threads_release(void);
void memory_hold(void);
void memory_release(void);
/* fork.c: what began there is no more. */
void fork_unmapped(const void *addr);

#endif
