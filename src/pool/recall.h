/*
 * recall.h - asking the registered holders for a pool's pages. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_RECALL_H
#define POOL_RECALL_H

#include "pool/pool.h"

/* No lock held. */
void recall_ask(uint64_t pool_id, const char *name);

#endif
