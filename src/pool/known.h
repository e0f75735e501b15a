/*
 * known.h - the pools that a thread puts to, a few of them at a time: how its puts go, so that
 * neither the page's block nor the pool need be looked at. Uses pool.h and refs.h.
 *
 * Of other threads' pools: a table by the pool's number, so that any number of them cost the same.
 * An entry holds as long as its anchor is the same pool's: anchors outlive pools, are used again,
 * and count the pools that have gone. Who puts a page has a reference to it, so its pool is there;
 * if the page's state has the number in the entry, and none of the anchor's pools has gone since,
 * the anchor is that pool's.
 *
 * Of the thread's own pools: a list, each as pp_self is for the one that the inline put takes. It
 * is gone through by comparing, not looked up: the processor then knows the cache before it has the
 * page, as in the inline put. A get waits for the put before it, so this is what counts.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_KNOWN_H
#define POOL_KNOWN_H

#include "pool/refs.h"

#ifndef KNOWN_RINGS    /* the explorer has fewer */
#define KNOWN_RINGS 8u /* neighbouring pools' numbers differ by one */
#define KNOWN_OWN 4u
#endif

struct known_ring {
	uint64_t key; /* the state of the pool's pages that have one reference; 0: no entry */
	uint64_t epoch;
	struct pp_anchor *anchor;
	struct spsc_ring *spsc; /* the thread's */
};

struct known {
	struct known_ring ring[KNOWN_RINGS];
	struct pp_self own[KNOWN_OWN + 1]; /* from the first on; `owned` of the others is 0 */
	unsigned next_own;
};

/* The thread's. A thread that has no room for entries, or is ending, has none. */
extern __thread struct known *known_pools __attribute__((tls_model("initial-exec")));

/* How to put pages in this state, the last reference. NULL: it isn't known. */
static inline const struct known_ring *known_ring(const struct known *known, uint64_t state)
{
	const struct known_ring *to = &known->ring[state % KNOWN_RINGS];

	if (env_unlikely(to->key != state) ||
	    env_unlikely(env_load_relaxed(&to->anchor->epoch) != to->epoch))
		return NULL;
	return to;
}

/*
 * Put a page in this state, which was acquired, to a pool of the thread's own, if that is known,
 * and the page's last reference.
 */
static inline bool known_own_put(const struct known *known, struct pp_page *page, uint64_t state)
{
	for (const struct pp_self *own = known->own; env_unlikely(own->owned); own++)
		if (state == own->owned && env_load_relaxed(&own->anchor->owner) == own->thread_id)
			return pp_fast_push(own->anchor, page);
	return false;
}

/* Room for entries, freed with the thread's record. If there is no memory, it does without. */
void known_begin(struct env_thread *thread);
void known_end(void); /* the thread is ending */
bool known_has_ended(void);

/* This copy's pools. The caller's ring; a pool that it owns. */
void known_add_ring(struct pp_anchor *anchor, struct spsc_ring *spsc);
void known_add_own(const struct pp_self *self);
void known_forget(void); /* all, pp_self too */

#endif
