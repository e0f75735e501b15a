/*
 * home.pml - pages coming home and chunks becoming complete: src/pool/chunk.c, reclaim.c.
 *
 * Cache and remote frees are closed here, as in the debug mode `pages`: every put goes
 * to the chunk, every get takes from it under the pool's lock. The fence has no part in
 * this: all that is shared without the lock is changed by read-modify-writes. So memory
 * is sequentially consistent here.
 *
 * Each statement below is one atomic operation of the C code. What only the lock's holder
 * reads and writes (lists, links that were taken off a stack) is merged with a neighbouring
 * step: no other process can tell.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NC
#define NC 1 /* chunks */
#endif
#ifndef NP
#define NP 1 /* pages in each */
#endif
#ifndef GETS
#define GETS 3 /* calls of get */
#endif
#ifndef PUTTERS
#define PUTTERS 2
#endif
#define NPAGES (NC * NP)
#define NIL 255

/*
 * Broken variants: INBOX_HIGH has CHUNK_COMPLETE above the count, so that a borrow eats it;
 * COLLECT_EARLY calls collect_returned before it clears CHUNK_COMPLETE.
 */

/* n_free: 8 bits for the C code's 32, so that a borrow is what it is there. */
#ifdef INBOX_HIGH /* the flag above the count */
#define COMPLETE 128
#define ONE 1
#define COUNT(x) ((x) & 127)
#define WHOLE(x) (COUNT(x) >= NP)
#else /* the flag below the count, which is signed */
#define COMPLETE 1
#define ONE 2
#define COUNT(x) ((x) >> 1)
#define WHOLE(x) (COUNT(x) >= NP && COUNT(x) < 64)
#endif
#define FLAG_OUT (255 - COMPLETE)

#define NONE 0
#define AVAIL 1
#define IDLE 2
#define FRESH 3

#define CHUNK(p) ((p) / NP)

/* The chunk. */
byte n_free[NC], c_next_complete[NC], c_returned[NC], where[NC];
bit home[NPAGES], queued[NC];
/* The pool. */
byte complete = NIL, returned = NIL, refs;
bit lock, revoked; /* pool->state: POOL_REVOKING or later */
/* What the checks need. */
bit held[NPAGES];    /* in flight: nobody is putting it yet */
bit freed[NC], pool_freed, on_complete[NC];
byte gets_left = GETS;
bit owner_done;

/* Stricter than the damage: a chunk that is listed is on no stack. */
#ifdef COLLECT_EARLY
#define OFF_STACK(x) skip
#else
#define OFF_STACK(x) assert(x)
#endif
#define touch_pool() assert(!pool_freed)
inline touch(c) { assert(!freed[c] && !pool_freed) }

/* pool.c: pool_unref */
inline pool_unref() {
	atomic { assert(refs > 0); refs--;
		if
		:: refs == 0 -> assert(!pool_freed); pool_freed = 1
		:: else
		fi }
}

/* chunk.c: chunk_remove; reclaim.c: chunk_free; lock held, and refs does not become 0 */
inline chunk_free(c) {
	assert(!freed[c]);
	where[c] = NONE; freed[c] = 1;
	assert(refs > 1); refs--
}

/* chunk.c: collect_returned. Links of a stack taken off are the lock holder's. */
inline collect_returned() {
	r = returned; returned = NIL;
	do
	:: r == NIL -> break
	:: else ->
		touch(r);
		OFF_STACK(where[r] == NONE);
		where[r] = AVAIL; r = c_returned[r]
	od;
	r = NIL
}

/* reclaim.c: pool_reclaim_complete; lock held */
inline pool_reclaim_complete() {
	atomic { c1 = complete; complete = NIL };
#ifdef COLLECT_EARLY
	atomic {
		if
		:: c1 != NIL && !revoked -> collect_returned()
		:: else
		fi }
#endif
	do
	:: atomic { c1 == NIL -> break }
	:: atomic { c1 != NIL -> touch(c1); nx = c_next_complete[c1]; on_complete[c1] = 0;
		h = n_free[c1]; n_free[c1] = n_free[c1] & FLAG_OUT; h = h & FLAG_OUT };
		atomic {
			if
			:: revoked && COUNT(h) == NP + 1 -> chunk_free(c1)
			:: !revoked && COUNT(h) == NP ->
#ifndef COLLECT_EARLY
				collect_returned();
#endif
				/* reclaim.c: became_idle */
				OFF_STACK(returned == NIL || returned != c1);
				where[c1] = IDLE;
				if /* reclaim.c: keep_to_limit, pp_pool_trim; or some device was busy */
				:: chunk_free(c1)
				:: skip
				fi
			:: else
			fi;
			c1 = nx; nx = NIL; h = 0
		}
	od
}

/* reclaim.c: pool_try_reclaim */
inline pool_try_reclaim() {
	do
	:: atomic { complete == NIL -> touch_pool(); break }
	:: atomic { complete != NIL && lock -> touch_pool(); break } /* the trylock fails */
	:: atomic { complete != NIL && !lock -> touch_pool(); lock = 1 };
		pool_reclaim_complete();
		atomic { touch_pool(); lock = 0 }
	od
}

/* reclaim.c: pool_lock, pool_unlock */
inline pool_lock() { atomic { !lock -> touch_pool(); lock = 1 } }
inline pool_unlock() { atomic { touch_pool(); assert(lock); lock = 0 }; pool_try_reclaim() }

/* chunk.c: stack_push of the stack of complete chunks. The link is the pusher's until the exchange. */
inline complete_push(c) {
	atomic { touch(c); assert(!on_complete[c]); c_next_complete[c] = complete; complete = c; on_complete[c] = 1 }
}

/* chunk.c: chunk_account, chunk_count_free. The reference and the exchange are two steps. */
inline chunk_account(c, n) {
	hold = 0;
	atomic { touch(c); old = n_free[c] };
	do
	:: atomic { now = (old + (n) * ONE) & 255;
		if
		:: WHOLE(now) -> now = now | COMPLETE;
			if
			:: !hold -> touch_pool(); assert(refs > 0); refs++; hold = 1
			:: else
			fi
		:: else
		fi };
		atomic { touch(c);
			if
			:: n_free[c] == old -> n_free[c] = now; break
			:: else -> old = n_free[c]
			fi }
	od;
	if
	:: atomic { (now & COMPLETE) && !(old & COMPLETE) -> old = 0; now = 0 }; complete_push(c)
	:: atomic { else -> old = 0; now = 0 }
	fi;
	if
	:: hold -> pool_try_reclaim(); atomic { hold = 0; pool_unref() }
	:: else
	fi
}

/* chunk.c: chunk_free_bits */
inline chunk_free_bits(p) {
	atomic { touch(CHUNK(p)); assert(!home[p]); home[p] = 1 };
	atomic { touch(CHUNK(p)); rv = revoked };
	if
	:: !rv ->
		if
		:: atomic { !queued[CHUNK(p)] -> touch(CHUNK(p)) };
			atomic { touch(CHUNK(p)); q = queued[CHUNK(p)]; queued[CHUNK(p)] = 1 };
			if
			:: !q -> atomic { touch(CHUNK(p)); c_returned[CHUNK(p)] = returned;
				returned = CHUNK(p) }
			:: else
			fi
		:: atomic { queued[CHUNK(p)] -> touch(CHUNK(p)) }
		fi
	:: else
	fi;
	atomic { q = 0; rv = 0 };
	chunk_account(CHUNK(p), 1)
}

#if NC * NP == 1
#define some_held() held[0]
#elif NC * NP == 2
#define some_held() (held[0] || held[1])
#else
#define some_held() (held[0] || held[1] || held[2])
#endif
#define LOCALS byte c1 = NIL, nx = NIL, r = NIL, h, old, now, p; bit hold, rv, q

inline pick() {
	if
	:: held[0] -> p = 0
#if NC * NP > 1
	:: held[1] -> p = 1
#endif
#if NC * NP > 2
	:: held[2] -> p = 2
#endif
	fi;
	held[p] = 0
}

/* remote.c: pp_page_put of any thread but the owner */
proctype putter() {
	LOCALS;
	do
	:: atomic { some_held() -> pick() };
pp_page_put:
		chunk_free_bits(p);
		p = 0
	:: atomic { owner_done && !some_held() -> break }
	od
}

/* chunk.c: pool_take_free, take_from, scan_chunk: one page or as many as there are */
inline scan_chunk(c) {
	p = c * NP;
	do
	:: atomic { p < (c + 1) * NP && got < want && home[p] -> touch(c); home[p] = 0;
		mine[p] = 1; got++; p++ }
	:: atomic { p < (c + 1) * NP && got < want && !home[p] -> p++ }
	:: atomic { (p == (c + 1) * NP || got == want) -> p = 0; break }
	od;
	/* one read-modify-write for all of them; the bits' loads above are apart */
	atomic { touch(c); n_free[c] = (n_free[c] + 256 - ((got - before) * ONE)) & 255 };
	if
	:: got == want
	:: else ->
		where[c] = NONE;
		queued[c] = 0;
		p = c * NP;
		do
		:: atomic { p < (c + 1) * NP && home[p] -> q = queued[c]; queued[c] = 1;
			if
			:: !q -> assert(where[c] == NONE); where[c] = AVAIL
			:: else
			fi;
			q = 0; p = 0; break }
		:: atomic { p < (c + 1) * NP && !home[p] -> p++ }
		:: atomic { p == (c + 1) * NP -> p = 0; break }
		od
	fi;
	before = got
}

/* cache.c: refill, tracked_get; then the pages are in flight */
proctype owner() {
	LOCALS;
	byte got, want, before, c;
	bit mine[NPAGES];
	do
	:: atomic { gets_left > 0 -> gets_left-- };
refill:
		pool_lock();
		if
		:: pool_reclaim_complete() /* tracked_get */
		:: skip            /* refill */
		fi;
		if
		:: revoked
		:: else ->
pool_take_free:
			atomic { collect_returned(); got = 0; before = 0;
				if
				:: want = 1
#if NC * NP > 1
				:: want = NPAGES
#endif
				fi };
			do
			:: got == want -> break
			:: else ->
				atomic {
					c = 0;
					do
					:: c < NC && (freed[c] || where[c] != AVAIL) -> c++
					:: else -> break
					od;
					if
					:: c < NC
					:: else ->
						c = 0;
						do
						:: c < NC && (freed[c] || where[c] < IDLE) -> c++
						:: else -> break
						od;
						if
						:: c < NC -> where[c] = AVAIL
						:: else
						fi
					fi;
					if
					:: c == NC -> break
					:: else
					fi
				};
				scan_chunk(c)
			od
		fi;
		atomic { got = 0; before = 0; want = 0; c = 0 };
		pool_unlock();
		/* to whoever puts them */
		atomic { p = 0;
			do
			:: p < NPAGES -> held[p] = held[p] | mine[p]; mine[p] = 0; p++
			:: else -> p = 0; break
			od }
	:: gets_left == 0 -> break
	od;
	owner_done = 1
}

/* pool.c: pp_pool_destroy; revoke.c: pool_revoke, pool_drop_holds. And the handle is dropped */
proctype controller() {
	LOCALS;
	pool_lock();
pool_revoke:
	revoked = 1;
pool_drop_holds:
	p = 0;
	do
	:: p < NC ->
		if
		:: freed[p]
		:: else -> chunk_account(p, 1)
		fi;
		p++
	:: else -> break
	od;
	pool_unlock();
	/* the owner's calls need the handle: it is told before the pool is destroyed */
	owner_done;
	pool_unref()
}

init {
	atomic {
		byte i;
		refs = 1 + NC;
		for (i : 0 .. NC - 1) {
			n_free[i] = NP * ONE; where[i] = FRESH; queued[i] = 1;
			c_next_complete[i] = NIL; c_returned[i] = NIL
		}
		for (i : 0 .. NPAGES - 1) { home[i] = 1 }
		i = 0;
		run owner(); run controller();
		run putter();
#if PUTTERS > 1
		run putter();
#endif
#if PUTTERS > 2
		run putter();
#endif
	}
	/* the end: every page came home, every chunk and the pool went, once */
	_nr_pr == 1;
	assert(pool_freed && refs == 0);
	byte j;
	for (j : 0 .. NC - 1) { assert(freed[j]) }
}
