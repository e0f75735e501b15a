/*
 * notice.h - who is notified when pages are back after a get has failed. Uses pool.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_NOTICE_H
#define POOL_NOTICE_H

#include "pool/pool.h"

/* Tell those of the pool with that number. No lock held; the pool may be gone. */
void notice_call(uint32_t number);
/* Nobody any more; no call is under way, but the one that this is called from. */
void notice_end(struct pp_pool *pool);

#endif
