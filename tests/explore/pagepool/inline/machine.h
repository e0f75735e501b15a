/*
 * machine.h - the explorer's, found before include/pagepool/inline/machine.h by the include path:
 * get and put use its atomics, a cache that is soon full, and blocks of few pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_INLINE_MACHINE_H
#define PAGEPOOL_INLINE_MACHINE_H

#include "env/atomics.h"

#define pp_load_relaxed(p) env_load_relaxed(p)
#define pp_load_acquire(p) env_load_acquire(p)
#define pp_store_relaxed(p, v) env_store_relaxed(p, v)
#define pp_store_release(p, v) env_store_release(p, v)
#define pp_barrier_light() env_barrier_light()

#define PP_CACHE_PAGES 4u
#define PP_BLOCK_BYTES 128u

#endif
