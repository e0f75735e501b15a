/*
 * revoke.h - revocation: after it every free page is home, though the owner may never call again,
 * and nobody has paid for that before. All of the protocol is in revoke.c. Uses pool.h and owner.h.
 *
 * THE ONE SUBTLE PROTOCOL. Who uses a cache, the remote frees or the open page of fragments does it
 * first and then looks at the flag:
 *
 *   owner, putter:  change cache or remote frees; light barrier; load anchor->revoked   (revoke_seen)
 *   revoker (lock): store anchor->revoked;          heavy barrier; drain all of them    (pool_revoke)
 *
 * One of the two sees the other (env.h, "the asymmetric pair"). Who sees the flag takes
 * the lock, by which time the revoker has drained, and settles what it had in hand (*_raced):
 * an entry that it popped and that is not NULL now was not drained and is its own to
 * bring home; an entry that it pushed is drained once more. Draining is an exchange
 * with NULL for each entry, so a page is taken out of its place once, by whomever.
 *
 * ANOTHER OWNER. The last owner may be in the middle of a put when a thread takes the pool over
 * (pp_pool_own), for as long as it likes, and has the cache to itself. So the new one gets an anchor, and a
 * cache, of its own, and the old cache is revoked, as above: the flag of the old anchor is raised,
 * and what is in it drained, into the new one. A pool's anchors stay with it to its end, and a
 * revocation raises the flags of all, as the putters look at the one that they found; only a
 * thread that had one itself, or the next after it has ended, uses it again.
 *
 * The protocol has a model, checked exhaustively: tests/model/revoke.pml, and own.pml for another
 * owner. The code itself is run through every schedule by tests/explore/.
 *
 * After a put has pushed its page, page, chunk and pool may be gone: all that it may
 * touch then is the anchor, which goes with the library only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_REVOKE_H
#define POOL_REVOKE_H

#include "pool/owner.h"

/* The end of each use of what a revocation drains: barrier, then look. What the anchor is, see owner.h. */
static inline uint32_t revoke_look(const struct pp_anchor *anchor)
{
	env_barrier_light(); /* pairs with the heavy ones in pool_revoke and revoke_left */
	return env_load_relaxed(&anchor->revoked);
}

/* True: the flag is up, and the *_raced is to come. */
static inline bool revoke_seen(const struct pp_anchor *anchor)
{
	return env_unlikely(revoke_look(anchor) != ANCHOR_OPEN);
}

/* After popping n entries of the cache, which lie above the count now. */
void pop_raced(struct pp_pool *pool, struct pp_anchor *anchor, uint32_t n);
/* After a push to the cache: settles whatever pool is behind the anchor. */
void push_raced(struct pp_anchor *anchor);
/* After a push to the remote frees: but to them it is all the same who is the owner. */
void remote_raced(struct pp_anchor *anchor);
/* After taking from the remote frees. */
void take_raced(struct pp_pool *pool);
/* After giving out the `users`-th fragment of page, or, 0, after opening it. -ENODEV. */
int frag_raced(struct pp_pool *pool, struct pp_page *page, uint32_t users);

/* The revoker: no device has the pool any more, or its handle goes. Lock held. */
void pool_revoke(struct pp_pool *pool);
/* Another owner: what is in the old cache goes to the new one, which goes on with its counts. Lock held. */
void revoke_left(struct pp_pool *pool, struct pp_anchor *old, struct pp_anchor *new);

#endif
