/*
 * span.h - spans: addresses and IOVA for chunks that lie side by side, the memory in them, and its
 * mapping for devices. Uses pool.h. Lock held.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_SPAN_H
#define POOL_SPAN_H

#include "pool/pool.h"

/* No errno, of which a back end may return any: it is worth another try. */
#define POOL_AGAIN 1
/* Cut the lowest run of ones off bits: n of them from lo up. False: there is none. */
bool next_run(uint64_t *bits, unsigned *lo, unsigned *n);
/*
 * A new span, nothing of it in use, in those octaves of IOVA space: with `slots` slots or, unless
 * it is an area, fewer; or with hugetlb memory for up to so many chunks. 0; -ENOSPC: no IOVA;
 * -ENOMEM.
 */
int span_start(struct pp_pool *pool, struct span **out, uint32_t slots, uint64_t octaves);
int span_start_hugetlb(struct pp_pool *pool, struct span **out, uint32_t chunks, uint64_t octaves);
/* One that was started, if nothing of it is in use. */
void span_drop(struct pp_pool *pool, struct span *span);
/* Dead slots, all with memory or all without: n from lo up, most at most. Returns n. */
unsigned span_hole(const struct span *span, unsigned *lo, unsigned most);
/* The steps of filling those: memory, of the best kind there is, */
int span_commit(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n);
/*
 * the mapping, for all that the pool is attached to but those that are ending, to which it adds who
 * has begun to (POOL_AGAIN: and has the span mapped; -ENODEV: there is nobody else), or
 */
int span_map_new(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n,
		 unsigned *ending);
/* no mapping: what there was before goes back; */
void span_undo(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n);
/* and now they are live. */
void span_fill(struct pp_pool *pool, struct span *span, unsigned lo, unsigned n);
/*
 * Unmap those slots for a device; the caller invalidates. What can't be unmapped is lost. Binding's
 * lock held, too.
 */
void span_unmap_slots(struct pp_pool *pool, struct span *span, struct binding *b, uint64_t slots);
enum pp_memory span_memory(const struct span *span, unsigned slot);
/* Memory of chunks that are freed: back to the system. Span and pool may be gone after it. */
void give_back(struct pp_pool *pool, struct leaving *leaving);
/* At a revocation: the memory that dead slots have kept. */
void spans_give_back_dead(struct pp_pool *pool);
/* Map or unmap every span for one attachment. */
int pool_map_all(struct pp_pool *pool, unsigned at);
void pool_unmap_all(struct pp_pool *pool, unsigned at);
/*
 * The memory of some live slots is there, POOL_GROW at most. 1: there may be others whose memory
 * isn't; 0: there are none; -ENOMEM.
 */
int pool_populate(struct pp_pool *pool);
/* Bytes that devices can reach, for each of them. */
uint64_t pool_bytes_mapped(const struct pp_pool *pool);
uint64_t chunk_bytes_total(void);

#endif
