/*
 * machine.h - what get and put are made from: atomics, a compiler barrier, the sizes of the
 * cache and of a block of page states.
 * Not for reading first: fast.h includes it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_INLINE_MACHINE_H
#define PAGEPOOL_INLINE_MACHINE_H

#define pp_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define pp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define pp_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define pp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define pp_barrier_light() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Part of the layout. */
#define PP_CACHE_PAGES 512u  /* in the owner's cache */
#define PP_BLOCK_BYTES 1024u /* of a block of states: a power of two */

#endif
