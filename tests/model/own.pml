/*
 * own.pml - another owner (src/pool/revoke.h): the last owner puts two pages at any time, while the
 * next one takes the pool over and gets. Checked exhaustively by run.sh.
 *
 * Memory is as in revoke.pml: x86-TSO, a buffer for each; the light barrier is nothing, the heavy
 * one empties everybody's buffer. Each cache is an anchor's: OLD's, which the last owner writes to, and
 * NEW's. What goes home is one step, and comes out again by the new owner's gets.
 *
 * What must hold: no page is got twice or lost; at the end the new owner gets all of them.
 * And nobody is left waiting.
 *
 * Variants that must fail: IN_PLACE (the cache is handed on as it is), NO_HEAVY, NO_FLAG, NO_EXCHANGE.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#define NP 3 /* pages 1 to NP; 0 is none. One is in the cache, two are the last owner's */
#define CACHE 3

/* memory */
#define A_OLD 0 /* CACHE of them */
#define A_NEW 3
#define A_OLD_COUNT 6
#define A_NEW_COUNT 7
#define A_FLAG 8 /* of the old anchor */
#define A_ANCHOR 9 /* the pool's: 0 old, 1 new */
#define WORDS 10
byte mem[WORDS];

#define LAST 0
#define NEXT 1
#define DEPTH 4
typedef buffer {
	byte a[DEPTH];
	byte v[DEPTH];
	byte n;
}
buffer sb[2];

bit lock; /* the pool's */
bit home[NP + 1];
bit got[NP + 1]; /* by the next owner */
byte done;

inline st(p, addr, value)
{
	d_step { sb[p].n < DEPTH -> sb[p].a[sb[p].n] = addr; sb[p].v[sb[p].n] = value; sb[p].n++ }
}

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

inline free_page(page)
{
	d_step { assert(!home[page] && !got[page]); home[page] = 1 }
}

/* revoke.c: left_drain, settle; lock held */
inline left_drain(p)
{
	ld(p, A_OLD_COUNT, n);
	k = 0;
	do
	:: k < n ->
#ifdef NO_EXCHANGE
		ld(p, A_OLD + k, x);
#else
		xchg(p, A_OLD + k, 0, x);
#endif
		if
		:: x != 0 -> free_page(x)
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0; n = 0; x = 0
}

/* cache.h: cache_put, cache_push; revoke.c: push_raced. He found the old anchor, or finds it isn't his */
inline cache_put(page)
{
	ld(LAST, A_ANCHOR, x);
	ld(LAST, A_FLAG, c);
	if
	:: x == 1 || c -> free_page(page) /* or into the remote frees, which are all the same */
	:: else ->
		ld(LAST, A_OLD_COUNT, c);
		st(LAST, A_OLD + c, page);
		st(LAST, A_OLD_COUNT, c + 1);
		ld(LAST, A_FLAG, f);
		if
		:: f -> take_lock(LAST); left_drain(LAST); drop_lock(LAST)
		:: else
		fi
	fi;
	x = 0; c = 0; f = 0
}

proctype last()
{
	byte c, f, k, n, x, i_;

	cache_put(2);
	cache_put(3);
	done++
}

/* The next owner pops from its cache, or from the chunks under the lock. Leaves the page in x. */
inline get()
{
	ld(NEXT, count, c);
	x = 0;
	if
	:: c > 0 ->
		ld(NEXT, cache + c - 1, x);
		st(NEXT, count, c - 1)
	:: else ->
		take_lock(NEXT);
		d_step {
			k = 1;
			do
			:: k <= NP && !home[k] -> k++
			:: k <= NP && home[k] -> home[k] = 0; x = k; break
			:: else -> break
			od;
			k = 0
		}
		drop_lock(NEXT)
	fi;
	if
	:: x != 0 -> d_step { assert(!got[x] && !home[x]); got[x] = 1 }
	:: else
	fi;
	c = 0
}

/* owner.c: own_locked; revoke.c: revoke_left */
proctype next()
{
	byte c, k, m, n, x, cache, count, i_, j_;

	take_lock(NEXT);
revoke_left:
#ifdef IN_PLACE
	cache = A_OLD;
	count = A_OLD_COUNT;
#else
	cache = A_NEW;
	count = A_NEW_COUNT;
#ifndef NO_FLAG
	st(NEXT, A_FLAG, 1);
#endif
#ifndef NO_HEAVY
	d_step { sb[NEXT].n == 0 -> k = 0 }
	do
	:: k < 2 ->
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
	ld(NEXT, A_OLD_COUNT, n);
	k = 0;
	do
	:: k < n ->
#ifdef NO_EXCHANGE
		ld(NEXT, A_OLD + k, x);
#else
		xchg(NEXT, A_OLD + k, 0, x);
#endif
		if
		:: x != 0 -> st(NEXT, A_NEW + m, x); m++
		:: else
		fi;
		k++
	:: else -> break
	od;
	st(NEXT, A_NEW_COUNT, m);
	st(NEXT, A_ANCHOR, 1);
#endif
	drop_lock(NEXT);
	k = 0; m = 0; n = 0; x = 0;
	get();
	get();
	done == 1; /* then the last owner has put all, */
	get();
	get();
	get();
	/* and none is lost */
	assert(got[1] && got[2] && got[3]);
	done++
}

/* stores reach memory */
proctype memory()
{
	byte j_;

	do
	:: d_step { sb[0].n > 0 -> flush_one(0) }
	:: d_step { sb[1].n > 0 -> flush_one(1) }
	:: done == 2 && sb[0].n + sb[1].n == 0 -> break
	od
}

init
{
	d_step {
		mem[A_OLD] = 1;
		mem[A_OLD_COUNT] = 1
	}
	atomic { run last(); run next(); run memory() }
}
