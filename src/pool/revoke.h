/*
 * revoke.h - revocation: after it every free page is home, even if the owner never calls again, and
 * get and put pay nothing for that. All of the protocol is in revoke.c. Uses pool.h and owner.h.
 *
 * THE ONE SUBTLE PROTOCOL. A thread that uses a cache, the remote frees or the open page of
 * fragments does so first and then looks at the flag:
 *
 *   owner, putter:  change cache or remote frees; light barrier; load anchor->revoked (revoke_seen)
 *   revoker, lock:  store anchor->revoked; heavy barrier; drain all of them           (pool_revoke)
 *
 * One of the two sees the other (env.h, "the asymmetric pair"). A thread that sees the flag takes
 * the lock, by which time the revoker has drained, and brings home what it still owns (*_raced): an
 * entry that it popped and that is not NULL now was not drained and is its own to bring home; an
 * entry that it pushed is drained once more. Draining exchanges each entry with NULL, so a page is
 * taken out once, by whichever thread is first.
 *
 * ANOTHER OWNER. The previous owner may be in the middle of a put when a thread takes the pool over
 * (pp_pool_own), for any length of time, and assumes that the cache is its own. So the new owner
 * gets an anchor, and a cache, of its own, and the old cache is revoked, as above: the flag of the
 * old anchor is raised, and its pages are drained into the new cache. A pool's anchors stay with it
 * to its end, and a revocation raises the flags of all of them, as each putter looks at the one
 * that it found. Until then an anchor is used again only by the thread that had it or, once that
 * thread has ended, by another.
 *
 * GETTERS. Each has an anchor as the owner has, and is revoked as the owner is. take.h has what a
 * get does that finds no pages but in others' caches.
 *
 * WAITING. The flag is also how a put comes to know, without an instruction more, that somebody
 * waits for pages (notice.c). A get that has failed sets ANCHOR_WAITED, a heavy barrier, and looks
 * whether there are pages; a put brings its page back, and looks at the flag last: so one of the
 * two sees the other. Whoever takes the bit away tells, so there is one notice for one failure: the
 * first put that sees it, the revoker, or the next owner; or nobody, if it is the owner, who has
 * found pages. A getter that fails sets it too, at the owner's anchor; one that finds pages then
 * tells, for it may be another that waits. The pool's other anchors, the getters' and those that
 * were left, get ANCHOR_ASK: a put that sees it there takes it away and looks at the owner's, which
 * needs a lock, as only the lock says whether that pool is there.
 *
 * The protocol has a model, checked exhaustively: tests/model/revoke.pml, and own.pml for another
 * owner. The code itself is run through every schedule by tests/explore/.
 *
 * After a put has pushed its page, page, chunk and pool may be gone: all that it may touch then is
 * the anchor, which is freed only with the library.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef POOL_REVOKE_H
#define POOL_REVOKE_H

#include "pool/owner.h"

/* The end of each use of what a revocation drains: barrier, then look. The values: owner.h. */
static inline uint32_t revoke_look(const struct pp_anchor *anchor)
{
	env_barrier_light(); /* pairs with the heavy ones: pool_revoke, revoke_left, close_others */
	return env_load_relaxed(&anchor->revoked);
}

/* True: the flag is up, and the *_raced is to come. */
static inline bool revoke_seen(const struct pp_anchor *anchor)
{
	return env_unlikely(revoke_look(anchor) != ANCHOR_OPEN);
}

/*
 * A get has failed: whoever brings a page back is to tell. True: nobody will, and it is worth
 * another try, for pages have come in the meantime, or a revocation. Owner or getter, lock not
 * held.
 */
bool wait_begin(struct pp_pool *pool);
/* A get has not failed: nobody need tell. The owner of a pool without getters. */
void wait_end(struct pp_pool *pool, struct pp_anchor *anchor);
/* Pages are back: tell, if somebody waits, behind this anchor or that of the next owner. */
void wait_over(struct pp_anchor *anchor);
/* The same after pages have come home, and the pool may be gone. */
static inline void wait_look(struct pp_anchor *anchor)
{
	if (env_unlikely(revoke_look(anchor) & ANCHOR_WAITING))
		wait_over(anchor);
}

/* After popping n entries of the cache, which lie above the count now: they aren't, any more. */
void pop_raced(struct pp_anchor *anchor, uint32_t n);
/* After a push to the cache: drains whatever pool is behind the anchor. */
void push_raced(struct pp_anchor *anchor);
/* After a push to the remote frees, where a change of owner makes no difference. */
void remote_raced(struct pp_anchor *anchor);
/* After taking from the remote frees into the owner's cache. */
void take_raced(struct pp_pool *pool, struct pp_anchor *anchor);
/* After giving out k fragments of the open page; or none, after opening it. -ENODEV. */
int frag_raced(struct pp_pool *pool, uint32_t k);

/* The revoker: no device has the pool any more, or its handle goes. Lock held. */
void pool_revoke(struct pp_pool *pool);
/* Another owner: the old cache's pages go to the new one. True: tell. Lock held. */
bool revoke_left(struct pp_pool *pool, struct pp_anchor *old, struct pp_anchor *new);

#endif
