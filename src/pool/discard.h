/*
 * discard.h - returns the memory of a zombie's free pages to the system, before their chunk is
 * freed. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_DISCARD_H
#define POOL_DISCARD_H

#include "pool/pool.h"

/* Has a chunk memory that can go by pages? */
bool can_discard(const struct pp_chunk *c);
/* At a revocation: of a chunk one range at most, by `many`. */
void discard_longest(struct env_discards *many, struct pp_chunk *c);
/* These pages of a zombie's have come home, and aren't counted yet. Any thread. */
void discard_coming(struct pp_chunk *c, unsigned word, uint64_t bits);
/* All free pages of a zombie. Lock held. */
void pool_discard(struct pp_pool *pool);

#endif
