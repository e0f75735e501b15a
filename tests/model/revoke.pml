/*
 * revoke.pml - the revocation protocol (src/pool/revoke.h): an owner who gets and puts, two
 * threads that put through the remote frees, a controller that revokes and destroys. Three
 * pages; a cache and a ring of two entries each. Checked exhaustively by run.sh.
 *
 * Memory is x86-TSO: a store goes into its thread's buffer and reaches memory later, in
 * order; a load looks into the own buffer first; a read-modify-write and a lock wait for
 * the own buffer to be empty. The light barrier is nothing here: the compiler's order is the
 * program's. The heavy one empties everybody's buffer, one after the other.
 *
 * Each label is a function of the C code, and does its atomic operations one by one. How
 * a page comes home and a chunk becomes complete is one step here (free_page): that is
 * done by read-modify-writes alone, and is no part of this protocol.
 *
 * What must hold, as assertions:
 *   a page comes home once and not while somebody holds it;  (none lost, none twice)
 *   no page is handed out after the revocation has returned;
 *   the pool is freed once, and touched by nobody then: only the anchor is.
 * And no process is left waiting (Spin's invalid end states).
 *
 * Variants that must fail: NO_HEAVY, CHECK_BEFORE_PUSH, NO_EXCHANGE, IGNORE_REFILLING,
 * FLAG_IN_POOL.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#define NP 3 /* pages 1 to NP; 0 is none */
#define CACHE 2
#define RING 2
#ifndef OPS
#define OPS 4 /* gets and puts of the owner before it falls quiet */
#endif

/* memory */
#define A_CACHE 0 /* CACHE of them */
#define A_COUNT 2
#define A_SLOT 3 /* RING of them */
#define A_HEAD 5
#define A_REFILLING 6
#define A_FLAG 7 /* anchor->revoked */
#define A_LSLOT 8 /* an SPSC ring of one entry, for each of the first OWN_RINGS putters */
#define A_LTAIL 9
#define A_LHEAD 10
#define WORDS 11
byte mem[WORDS];

#ifndef OWN_RINGS
#define OWN_RINGS 1 /* 0: both putters use the ring */
#endif

#define OWNER 0
#define PUTTERS 2 /* processes 1 and 2 */
#define CONTROL 3
#define DEPTH 4 /* entries of a store buffer; what finds it full waits */
typedef buffer {
	byte a[DEPTH];
	byte v[DEPTH];
	byte n;
}
buffer sb[4];

byte tail;        /* changed by read-modify-writes only */
bit lock;         /* pool->lock; with all that is read and written under it alone: */
bit revoked;
bit home[NP + 1]; /* by read-modify-writes */
byte n_free, refs; /* refs: the handle, the chunk, and who needs the pool for a moment */
bit freed;
/* for the assertions */
bit held[NP + 1]; /* somebody has it */
bit returned;     /* the revocation has */
bit quiet;        /* the owner gets no more */
byte done;

#define ALIVE assert(!freed)

inline st(p, addr, value)
{
	d_step { sb[p].n < DEPTH -> sb[p].a[sb[p].n] = addr; sb[p].v[sb[p].n] = value; sb[p].n++ }
}

/* the newest own store, or memory */
inline ld(p, addr, var)
{
	d_step {
		var = mem[addr];
		i_ = 0;
		do
		:: i_ < sb[p].n ->
			if
			:: sb[p].a[i_] == addr -> var = sb[p].v[i_]
			:: else
			fi;
			i_++
		:: else -> break
		od;
		i_ = 0
	}
}

inline flush_one(p)
{
	mem[sb[p].a[0]] = sb[p].v[0];
	j_ = 1;
	do
	:: j_ < sb[p].n -> sb[p].a[j_ - 1] = sb[p].a[j_]; sb[p].v[j_ - 1] = sb[p].v[j_]; j_++
	:: else -> break
	od;
	sb[p].n--;
	sb[p].a[sb[p].n] = 0;
	sb[p].v[sb[p].n] = 0;
	j_ = 0
}

inline xchg(p, addr, new, old)
{
	d_step { sb[p].n == 0 -> old = mem[addr]; mem[addr] = new }
}

inline take_lock(p) { d_step { lock == 0 && sb[p].n == 0 -> lock = 1 } }
inline drop_lock(p) { d_step { sb[p].n == 0 -> lock = 0 } }

inline unref()
{
	d_step {
		refs--;
		if
		:: refs == 0 -> assert(!freed); freed = 1
		:: else
		fi
	}
}

/* chunk.c: pool_free_pages, chunk_account; and the chunk's end in a zombie pool */
inline free_page(page)
{
	d_step {
		ALIVE;
		assert(!home[page] && !held[page]);
		home[page] = 1;
		n_free++;
		if
		:: n_free == NP + 1 -> /* with the hold: complete */
			refs--;
			if
			:: refs == 0 -> assert(!freed); freed = 1
			:: else
			fi
		:: else
		fi
	}
}

/* revoke.c: drain, cache_drain; lock held */
inline drain(p)
{
	ALIVE;
	ld(p, A_COUNT, n);
	k = 0;
	do
	:: k < n ->
#ifdef NO_EXCHANGE
		ld(p, A_CACHE + k, x);
#else
		xchg(p, A_CACHE + k, 0, x);
#endif
		if
		:: x != 0 -> free_page(x)
		:: else
		fi;
		k++
	:: else -> break
	od;
	ld(p, A_REFILLING, x);
#ifdef IGNORE_REFILLING
	x = 0;
#endif
	if
	:: x == 0 -> /* revoke.c: remote_drain, spsc_drain, mpsc_drain */
#if OWN_RINGS
		ld(p, A_LTAIL, n);
		ld(p, A_LHEAD, k);
		if
		:: k != n ->
			xchg(p, A_LSLOT, 0, x);
			if
			:: x != 0 -> free_page(x)
			:: else
			fi
		:: else
		fi;
#endif
		k = 0;
		do
		:: k < RING ->
			xchg(p, A_SLOT + k, 0, x);
			if
			:: x != 0 -> free_page(x)
			:: else
			fi;
			k++
		:: else -> break
		od
	:: else
	fi;
	k = 0; n = 0; x = 0
}

/* revoke.c: push_raced; owner.c: anchor_pool. The pool behind the anchor, if it is still there */
inline push_raced(p)
{
	d_step {
		sb[p].n == 0;
		k = 0;
		if
		:: !freed -> refs++; k = 1
		:: else
		fi
	}
	if
	:: k ->
		take_lock(p);
		drain(p);
		drop_lock(p);
		unref()
	:: else
	fi;
	k = 0
}

#ifdef FLAG_IN_POOL
#define LOOK(p, var) ALIVE; ld(p, A_FLAG, var)
#else
#define LOOK(p, var) ld(p, A_FLAG, var)
#endif

/*
 * cache.h: cache_put, cache_push; fast.h: pp_fast_push; that does not ask whether the cache is
 * closed. The count is one number here: of the two whose difference it is, a push or a pop changes
 * one.
 */
inline cache_put(page)
{
	ALIVE;
	d_step { held[page] = 0 }
	ld(OWNER, A_COUNT, c);
	ld(OWNER, A_FLAG, x);
	if
	:: c < CACHE ->
cache_push:
#ifdef CHECK_BEFORE_PUSH
		LOOK(OWNER, f);
#endif
		st(OWNER, A_CACHE + c, page);
		st(OWNER, A_COUNT, c + 1);
#ifndef CHECK_BEFORE_PUSH
		LOOK(OWNER, f);
#endif
		if
		:: f -> push_raced(OWNER)
		:: else
		fi
	:: c >= CACHE || x -> free_page(page)
	fi;
	x = 0; c = 0; f = 0
}

/*
 * cache.c: pp_page_get, cache_pop, refill, take_remote; remote.c: spsc_take, mpsc_take. Leaves
 * the page in g, 0: failed.
 */
inline owner_get()
{
	ALIVE;
	late = returned;
	g = 0;
	ld(OWNER, A_COUNT, c);
	if
	:: c == 0 ->
take_remote:
		st(OWNER, A_REFILLING, 1);
		ld(OWNER, A_FLAG, f);
		if
		:: !f ->
#if OWN_RINGS
			ld(OWNER, A_LTAIL, x);
			if
			:: x != spsc ->
				ld(OWNER, A_LSLOT, x);
				st(OWNER, A_CACHE, x);
				c = 1;
				spsc = 1;
				st(OWNER, A_LHEAD, 1)
			:: else
			fi;
#endif
			do
			:: c < CACHE ->
				ld(OWNER, A_SLOT + pos % RING, x);
				if
				:: x == 0 -> break
				:: else
				fi;
				st(OWNER, A_SLOT + pos % RING, 0);
				st(OWNER, A_CACHE + c, x);
				c++;
				pos++
			:: else -> break
			od;
			st(OWNER, A_HEAD, pos);
			st(OWNER, A_COUNT, c)
		:: else
		fi;
		st(OWNER, A_REFILLING, 0);
		ld(OWNER, A_FLAG, f);
		if
		:: f -> take_lock(OWNER); drain(OWNER); drop_lock(OWNER); c = 0
		:: else
		fi;
		if
		:: c == 0 -> /* refill: from the chunks */
			take_lock(OWNER);
			if
			:: !revoked && n_free > 0 ->
				d_step {
					x = 1;
					do
					:: home[x] -> break
					:: else -> x++
					od;
					home[x] = 0;
					n_free--
				}
				st(OWNER, A_CACHE, x);
				st(OWNER, A_COUNT, 1);
				c = 1
			:: else
			fi;
			drop_lock(OWNER)
		:: else
		fi
	:: else
	fi;
	if
	:: c > 0 ->
cache_pop:
		ld(OWNER, A_CACHE + c - 1, g);
		st(OWNER, A_COUNT, c - 1);
		ld(OWNER, A_FLAG, f);
		if
		:: f -> /* revoke.c: pop_raced */
			take_lock(OWNER);
			xchg(OWNER, A_CACHE + c - 1, 0, x);
			if
			:: x != 0 -> free_page(x)
			:: else
			fi;
			drain(OWNER);
			drop_lock(OWNER);
			g = 0
		:: else -> d_step { assert(g != 0 && !held[g] && !home[g]); held[g] = 1 }
		fi
	:: else
	fi;
	assert(!(late && g != 0));
	late = 0; x = 0; c = 0; f = 0
}

proctype owner()
{
	byte c, x, k, n, f, g, pos, ops, i_;
	bit spsc; /* its head */
	byte one, two; /* pages that it has got */
	bit late;

	do
	:: ops < OPS && two == 0 ->
		ops++;
		owner_get();
		d_step {
			if
			:: one == 0 -> one = g
			:: else -> two = g
			fi;
			g = 0
		}
	:: ops < OPS && one != 0 ->
		ops++;
		cache_put(one);
		d_step { one = two; two = 0 }
	:: ops == OPS -> break
	od;
	quiet = 1; /* it puts what it has at any time, also when the handle has gone */
	if
	:: one != 0 -> cache_put(one); one = 0
	:: else
	fi;
	if
	:: two != 0 -> cache_put(two); two = 0
	:: else
	fi;
	done++
}

/* remote.c: put_slow, remote_put; page me + 1 is in its hands */
proctype putter(byte me)
{
	byte t, h, x, k, n, f, i_;

	d_step { held[me + 1] = 0 }
remote_put:
	ALIVE;
	ld(me, A_FLAG, h);
	if
	:: h -> free_page(me + 1); goto end
	:: me <= OWN_RINGS -> goto spsc_push /* put_slow does not ask whether it is closed */
	:: !h && me > OWN_RINGS
	fi;
mpsc_push:
	do
	:: ALIVE;
	   t = tail;
	   ld(me, A_HEAD, h);
	   if
	   :: t - h >= RING -> free_page(me + 1); goto end
	   :: else
	   fi;
	   d_step {
		sb[me].n == 0;
		if
		:: tail == t -> tail++; k = 1
		:: else -> k = 0
		fi
	   }
	   if
	   :: k -> k = 0; break
	   :: else
	   fi
	od;
#ifdef CHECK_BEFORE_PUSH
	LOOK(me, f);
#endif
	st(me, A_SLOT + t % RING, me + 1);
	goto look;
spsc_push:
#ifdef CHECK_BEFORE_PUSH
	LOOK(me, f);
#endif
	st(me, A_LSLOT, me + 1);
	st(me, A_LTAIL, 1);
look:
#ifndef CHECK_BEFORE_PUSH
	LOOK(me, f);
#endif
	if
	:: f -> push_raced(me)
	:: else
	fi;
end:
	done++
}

/* revoke.c: pool_revoke, pool_drop_holds; pool.c: pp_pool_destroy; once the owner is quiet */
proctype control()
{
	byte x, k, n, i_, j_;

pool_revoke:
	take_lock(CONTROL);
	revoked = 1;
	st(CONTROL, A_FLAG, 1);
#ifndef NO_HEAVY
	/* membarrier(2) begins with a full barrier of the caller's own */
	d_step { sb[CONTROL].n == 0 -> k = 0 }
	do
	:: k < 4 ->
		d_step {
			do
			:: sb[k].n > 0 -> flush_one(k)
			:: else -> break
			od;
			k++
		}
	:: else -> break
	od;
#endif
	drain(CONTROL);
pool_drop_holds:
	d_step {
		n_free++;
		if
		:: n_free == NP + 1 -> refs--
		:: else
		fi
	}
	drop_lock(CONTROL);
	returned = 1;
	quiet;
	unref();
	done++
}

/* stores reach memory */
proctype memory()
{
	byte j_;

	do
	:: d_step { sb[0].n > 0 -> flush_one(0) }
	:: d_step { sb[1].n > 0 -> flush_one(1) }
	:: d_step { sb[2].n > 0 -> flush_one(2) }
	:: d_step { sb[3].n > 0 -> flush_one(3) }
	:: done == 4 && sb[0].n + sb[1].n + sb[2].n + sb[3].n == 0 -> break
	od;
	/* the end: all home, the pool gone */
	assert(n_free == NP + 1 && freed && refs == 0)
}

init
{
	d_step {
		mem[A_CACHE] = 1;
		mem[A_COUNT] = 1;
		held[2] = 1;
		held[3] = 1;
		refs = 2
	}
	atomic { run owner(); run putter(1); run putter(2); run control(); run memory() }
}
