/*
 * take.pml - taking pages from another thread's cache (src/pool/take.h): a getter puts and gets, a
 * taker takes the older half of its cache, twice, and then the pool is revoked. Four pages, a cache
 * of three entries. Checked exhaustively by run.sh.
 *
 * Memory is as in revoke.pml: x86-TSO, a buffer for each; the light barrier is nothing, the heavy
 * one empties everybody's buffer. What goes home is one step. The count is one number here: of the
 * two whose difference it is, a push or a pop changes one.
 *
 * What must hold: no page is got twice, comes home twice or is lost; at the end all have come home.
 * And nobody is left waiting.
 *
 * Variants that must fail: NO_HEAVY, NO_FLAG, POP_KEPT (a pop that saw the flag is not taken back),
 * NOT_MOVED (what is left stays above the hole), NOT_COUNTED (what was taken).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#define NP 4 /* pages 1 to NP; 0 is none. Three are in the cache, one is the getter's */
#define CACHE 4
#ifndef OPS
#define OPS 4
#endif

/* memory */
#define A_CACHE 0 /* CACHE of them */
#define A_COUNT 4
#define A_FLAG 5
#define WORDS 6
byte mem[WORDS];

#define OPEN 0
#define TAKEN 1
#define REVOKED 2

#define GETTER 0
#define TAKER 1
#define DEPTH 4
typedef buffer {
	byte a[DEPTH];
	byte v[DEPTH];
	byte n;
}
buffer sb[2];

bit lock;      /* the pool's; with what is read and written under it alone: */
bit revoked;
byte taken;    /* anchor->taken */
bit home[NP + 1];
bit held[NP + 1];
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

inline heavy()
{
#ifdef NO_HEAVY
	skip
#else
	d_step { sb[TAKER].n == 0 -> k = 0 }
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
	k = 0
#endif
}

inline free_page(page)
{
	d_step { assert(!home[page] && !held[page]); home[page] = 1 }
}

inline got(page)
{
	d_step { assert(page != 0 && !held[page] && !home[page]); held[page] = 1 }
}

/* revoke.c: drain, cache_drain; lock held */
inline drain(p)
{
	ld(p, A_COUNT, n);
	k = 0;
	do
	:: k < n ->
		xchg(p, A_CACHE + k, 0, x);
		if
		:: x != 0 -> free_page(x)
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0; n = 0; x = 0
}

/* take.c; revoke.c: settle; lock held, by the getter */
inline settle()
{
	if
	:: revoked -> drain(GETTER)
	:: else ->
cache_settle:
		ld(GETTER, A_COUNT, n);
#ifndef NOT_MOVED
		k = 0;
		do
		:: k + taken < n ->
			ld(GETTER, A_CACHE + taken + k, x);
			st(GETTER, A_CACHE + k, x);
			k++
		:: else -> break
		od;
#endif
		st(GETTER, A_COUNT, n - taken);
		taken = 0;
		st(GETTER, A_FLAG, OPEN);
		k = 0; n = 0; x = 0
	fi
}

/* fast.h: pp_fast_push; revoke.c: push_raced */
inline cache_push(page)
{
	d_step { held[page] = 0 }
	ld(GETTER, A_COUNT, c);
	ld(GETTER, A_FLAG, f);
	if
	:: c >= CACHE || f == REVOKED -> free_page(page)
	:: else ->
		st(GETTER, A_CACHE + c, page);
		st(GETTER, A_COUNT, c + 1);
		ld(GETTER, A_FLAG, f);
		if
		:: f -> take_lock(GETTER); settle(); drop_lock(GETTER)
		:: f == TAKEN -> skip /* another has the lock: lock_to_settle */
		:: !f
		fi
	fi;
	c = 0; f = 0
}

/* cache.c: cache_pop; fast.h: pp_fast_pop; revoke.c: pop_raced, popped_home. The page in g */
inline cache_pop()
{
	g = 0;
	ld(GETTER, A_COUNT, c);
	if
	:: c > 0 ->
		ld(GETTER, A_CACHE + c - 1, g);
		st(GETTER, A_COUNT, c - 1);
		ld(GETTER, A_FLAG, f);
		if
		:: f ->
			take_lock(GETTER);
			if
			:: revoked ->
				xchg(GETTER, A_CACHE + c - 1, 0, x);
				if
				:: x != 0 -> free_page(x)
				:: else
				fi
			:: else ->
#ifndef POP_KEPT
				st(GETTER, A_COUNT, c)
#else
				skip
#endif
			fi;
			settle();
			drop_lock(GETTER);
			g = 0
		:: else -> got(g)
		fi
	:: else
	fi;
	c = 0; f = 0
}

proctype getter()
{
	byte c, f, g, k, n, x, ops, i_;
	byte one = NP, two, three; /* pages that it has got */

	do
	:: ops < OPS && three == 0 ->
		ops++;
		cache_pop();
		d_step {
			if
			:: one == 0 -> one = g
			:: one != 0 && two == 0 -> two = g
			:: else -> three = g
			fi;
			g = 0
		}
	:: ops < OPS && one != 0 ->
		ops++;
		cache_push(one);
		d_step { one = two; two = three; three = 0 }
	:: ops == OPS -> break
	od;
	do
	:: one != 0 ->
		cache_push(one);
		d_step { one = two; two = three; three = 0 }
	:: else -> break
	od;
	done++
}

/* take.c: take_from_others. What it takes it holds for a moment, and brings home */
inline take()
{
	take_lock(TAKER);
close_others:
#ifndef NO_FLAG
	ld(TAKER, A_FLAG, f);
	if
	:: !f -> st(TAKER, A_FLAG, TAKEN); heavy()
	:: else
	fi;
#endif
take_oldest:
	ld(TAKER, A_COUNT, n);
	n = (n > taken -> (n - taken + 1) / 2 : 0);
	k = 0;
	do
	:: k < n ->
		xchg(TAKER, A_CACHE + taken + k, 0, x);
		got(x);
		d_step { held[x] = 0; home[x] = 1 }
		k++
	:: else -> break
	od;
#ifndef NOT_COUNTED
	taken = taken + n;
#endif
	drop_lock(TAKER);
	k = 0; n = 0; x = 0; f = 0
}

proctype taker()
{
	byte f, k, n, x, i_, j_;

	take();
	take();
	/* revoke.c: pool_revoke */
	take_lock(TAKER);
	revoked = 1;
	st(TAKER, A_FLAG, REVOKED);
	heavy();
	drain(TAKER);
	drop_lock(TAKER);
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
	od;
	assert(home[1] && home[2] && home[3] && home[4])
}

init
{
	d_step {
		mem[A_CACHE] = 1;
		mem[A_CACHE + 1] = 2;
		mem[A_CACHE + 2] = 3;
		mem[A_COUNT] = 3;
		held[NP] = 1
	}
	atomic { run getter(); run taker(); run memory() }
}
