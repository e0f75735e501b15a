/*
 * machine.c - the explorer's threads, memory and operations; search.c has the search. See
 * explore.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world world;
struct clocks clocks;
struct race race[RACES];
unsigned n_races;
char heap[REGIONS * REGION] __attribute__((aligned(4096)));
char stacks[THREADS][STACK] __attribute__((aligned(4096)));
struct place place[PLACES];
struct record *record;
const struct scenario *scenario;
unsigned n_threads;
bool reclassified;
int running = NOBODY;
uint64_t may_wait STATE = 0;

static void *search_sp;
static uint64_t setup_as = 1, began_as;

/* ---- coroutines --------------------------------------------------------------------- */

/* Push what the ABI keeps over calls, exchange the stacks, pop it. */
void switch_stack(void **save, void *sp);
__asm__(".text\n"
	".type switch_stack, @function\n"
	"switch_stack:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n"
	"	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n"
	"	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	ret\n"
	".size switch_stack, . - switch_stack\n");

/* What is a thread's own is here while it runs. */
extern char __start_explore_tls[], __stop_explore_tls[];
#define TLS_SIZE ((size_t)(__stop_explore_tls - __start_explore_tls))

static void tls_in(uint64_t thread)
{
	if (TLS_SIZE > TLS)
		fail("the explorer has too little room for what is a thread's own");
	memcpy(__start_explore_tls, world.tls[thread - 1], TLS_SIZE);
}

static void tls_out(uint64_t thread)
{
	memcpy(world.tls[thread - 1], __start_explore_tls, TLS_SIZE);
}

/* Before the setup: each thread's own is as the compiler wrote it. */
void tls_init(void)
{
	static char *first;

	if (!first) {
		first = malloc(TLS_SIZE);
		memcpy(first, __start_explore_tls, TLS_SIZE);
	}
	memcpy(__start_explore_tls, first, TLS_SIZE);
	for (uint64_t t = 1; t <= THREADS + 1; t++)
		tls_out(t);
}

static void stop(void)
{
	switch_stack(&world.thread[running].sp, search_sp);
}

static void thread_main(void)
{
	scenario->thread[running]();
	world.thread[running].op = (struct op){ .kind = OP_DONE };
	stop();
	__builtin_unreachable();
}

void threads_init(void)
{
	tls_out(setup_as);
	began_as = setup_as;
	for (unsigned t = 0; t < n_threads; t++) {
		void **sp = (void **)(stacks[t] + STACK) - 8;

		memset(stacks[t], 0, STACK);
		sp[6] = (void *)thread_main; /* returned to; sp[7] would be its caller */
		world.thread[t].sp = sp;
		world.thread[t].op = (struct op){ .kind = OP_YIELD };
		clocks.now[t][t] = 1;
	}
}

/* Who did the setup goes on, with what is its own. */
void threads_over(void)
{
	setup_as = began_as;
	tls_in(setup_as);
}

/* Run a thread up to its next stop. */
void thread_run(unsigned t)
{
	char *sp = world.thread[t].sp;
	size_t below = (size_t)(sp - stacks[t]);
	size_t wipe = below < WIPE ? below : WIPE;

	for (unsigned i = 0; i < world.buffer[t].n; i++)
		world.buffer[t].store[i].fresh = 0;
	memset(sp - wipe, 0, wipe); /* what ended calls left there is no part of the state */
	running = (int)t;
	tls_in(t + 1);
	switch_stack(&search_sp, sp);
	tls_out(t + 1);
	running = NOBODY;
}

bool concurrent(void)
{
	return running != NOBODY;
}

uint64_t thread_self(void)
{
	return running == NOBODY ? setup_as : (uint64_t)running + 1;
}

void act_as(uint64_t thread)
{
	tls_out(setup_as);
	tls_in(thread);
	setup_as = thread;
}

void must_not_wait(bool on)
{
	if (concurrent())
		world.thread[running].hurry = on;
}

/* ---- places: who touches what ---------------------------------------------------------- */

/* The number of a byte that can be shared, or -1. */
static int place_of(const void *p)
{
	uintptr_t a = (uintptr_t)p;
	size_t at = sizeof heap;

	if (a - (uintptr_t)heap < sizeof heap)
		return (int)(a - (uintptr_t)heap);
	if (a - (uintptr_t)__start_explore_data < DATA_SIZE)
		return (int)(at + a - (uintptr_t)__start_explore_data);
	at += DATA_SIZE;
	if (at + BSS_SIZE > PLACES)
		fail("the explorer's table of places is too small");
	if (a - (uintptr_t)__start_explore_bss < BSS_SIZE)
		return (int)(at + a - (uintptr_t)__start_explore_bss);
	return -1;
}

/* A variable is known by its first byte; a larger access is one to every byte. */
static unsigned places_in(unsigned size)
{
	return size <= 8 ? 1 : size;
}

static bool is_shared(const struct place *p)
{
	unsigned all = p->readers | p->writers;

	return p->writers && (all & (all - 1));
}

/* Note an access. The first time that makes a place a shared one, the search begins anew. */
static void note(int at, bool write)
{
	struct place *p = &place[at];
	bool was = is_shared(p);

	*(write ? &p->writers : &p->readers) |= (uint8_t)(1u << running);
	if (is_shared(p) && !was) {
		reclassified = true;
		p->race = (uint16_t)n_races++;
		if (n_races > RACES)
			fail("the explorer's table of races is too small");
	}
}

/* Must the search decide when this access is made? */
static bool visible(const void *p, unsigned size, bool write)
{
	int at = place_of(p);

	if (running == NOBODY || at < 0)
		return false;
	for (unsigned i = 0; i < places_in(size); i++)
		note(at + (int)i, write);
	return is_shared(&place[at]);
}

/* Of atomic ones: they may be late. */
static void note_load(const void *p)
{
	int at = place_of(p);

	if (running == NOBODY || at < 0 || place[at].loaders >> running & 1)
		return;
	place[at].loaders |= (uint8_t)(1u << running);
	if (is_shared(&place[at]))
		reclassified = true;
}

bool loads_at(unsigned t, const void *p)
{
	int at = place_of(p);

	return at >= 0 && is_shared(&place[at]) && place[at].loaders >> t & 1;
}

/* The block on the heap that p is in, and where in it. */
static const struct block *block_of(const void *p, size_t *at)
{
	size_t off = (size_t)((const char *)p - heap);
	const struct region *r = &world.region[off / REGION];

	off %= REGION;
	for (unsigned i = 0; i < r->n; i++)
		if (off >= r->block[i].at && off < r->block[i].at + r->block[i].len) {
			*at = off - r->block[i].at;
			return &r->block[i];
		}
	return NULL;
}

bool heap_is_live(const void *p)
{
	size_t at;

	return !block_of(p, &at)->freed;
}

static void check_live(const void *p, const char *what)
{
	const struct block *b;
	size_t at;

	if ((size_t)((const char *)p - heap) >= sizeof heap)
		return;
	b = block_of(p, &at);
	if (!b)
		fail("%s: touches memory that nobody has allocated", what);
	if (b->freed)
		fail("%s: touches freed memory (a block of %u bytes, at %zu)", what, b->len, at);
}

/* ---- data races ---------------------------------------------------------------------------- */

static void races_with(const uint16_t *past, const char *what)
{
	for (unsigned t = 0; t < n_threads; t++)
		if ((int)t != running && past[t] > clocks.now[running][t])
			fail("data race: %s, and thread %s before it", what,
			     scenario->thread_name[t]);
}

static void race_access(const void *p, unsigned size, bool write, bool atomic, const char *what)
{
	int at = place_of(p);

	if (running == NOBODY || at < 0)
		return;
	for (unsigned i = 0; i < places_in(size); i++, at++) {
		struct race *r = &race[place[at].race];
		uint16_t now = clocks.now[running][running];

		if (!is_shared(&place[at]))
			continue;
		races_with(r->wrote, what);
		if (write)
			races_with(r->read, what);
		if (!atomic) {
			races_with(r->wrote_atomic, what);
			if (write)
				races_with(r->read_atomic, what);
		}
		if (atomic)
			(write ? r->wrote_atomic : r->read_atomic)[running] = now;
		else
			(write ? r->wrote : r->read)[running] = now;
	}
}

static void join(uint16_t *into, const uint16_t *from)
{
	for (unsigned t = 0; t < THREADS; t++)
		if (from[t] > into[t])
			into[t] = from[t];
}

static struct race *race_of(const void *p)
{
	int at = place_of(p);

	return running == NOBODY || at < 0 || !is_shared(&place[at]) ? NULL : &race[place[at].race];
}

/* It makes a difference whether the thread acquires that, and what `by` knows; or it may. */
static void note_taught(const struct site *site, const uint16_t *sync, uint8_t by)
{
	bool taught = by & ~world.knows.now[running];

	for (unsigned t = 0; t < THREADS; t++)
		taught |= sync[t] > clocks.now[running][t];
	if (taught || (site->order & SEQ_CST_ONLY && (world.n_late || late_choice)))
		weaken_note(site);
}

static void acquire(const void *p, enum order order, const struct site *site)
{
	struct race *r = race_of(p);

	if (!r)
		return;
	note_taught(site, r->sync, known[r - race]);
	join(order & ACQUIRE ? clocks.now[running] : clocks.loaded[running], r->sync);
	late_load((unsigned)running, p, known[r - race], order);
}

/* What a store of this order hands on; to be called once for each store. */
static void release(uint16_t *sync, enum order order)
{
	if (running == NOBODY)
		return;
	if (order & RELEASE)
		memcpy(sync, clocks.now[running], sizeof clocks.now[running]);
	else
		memcpy(sync, clocks.fenced[running], sizeof clocks.fenced[running]);
	clocks.now[running][running]++;
}

/* ---- the compiler's reports of plain accesses -------------------------------------------- */

extern char __executable_start[], _end[];

void op_touch(const void *p, enum touch how)
{
	static const char *const what[] = { "a page's memory is read", "a page's memory is written",
					    "a page's memory is discarded" };

	check_live(p, what[how]);
	visible(p, 8, how != TOUCH_READ);
	race_access(p, 8, how != TOUCH_READ, how == TOUCH_DISCARD, what[how]);
}

static void plain(const void *p, unsigned size, bool write, const void *code)
{
	uintptr_t a = (uintptr_t)p;
	char what[64];
	int at = place_of(p);

	if (at < 0 && running != NOBODY &&
	    (a < (uintptr_t)__executable_start || a > (uintptr_t)_end))
		fail("plain access to %p, code at %p", p, code);
	if (at < 0)
		return;
	snprintf(what, sizeof what, "plain %s, code at %p", write ? "store" : "load", code);
	check_live(p, what);
	visible(p, size, write);
	race_access(p, size, write, false, what);
}

#define PLAIN(n)                                                                                   \
	void __tsan_read##n(void *p);                                                              \
	void __tsan_write##n(void *p);                                                             \
	void __tsan_read##n(void *p)                                                               \
	{                                                                                          \
		plain(p, n, false, __builtin_return_address(0));                                   \
	}                                                                                          \
	void __tsan_write##n(void *p)                                                              \
	{                                                                                          \
		plain(p, n, true, __builtin_return_address(0));                                    \
	}
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *p, size_t size);
void __tsan_write_range(void *p, size_t size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *p, size_t size)
{
	plain(p, (unsigned)size, false, __builtin_return_address(0));
}

void __tsan_write_range(void *p, size_t size)
{
	plain(p, (unsigned)size, true, __builtin_return_address(0));
}

/* ---- memory and store buffers ------------------------------------------------------------ */

static uint64_t peek(const void *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static uint64_t cut(uint64_t v, unsigned size)
{
	return size == 8 ? v : v & ((1ull << 8 * size) - 1);
}

/* The newest store to p that the thread has not made known yet, or -1. */
static int pending(unsigned t, const void *p)
{
	const struct buffer *b = &world.buffer[t];

	for (int i = (int)b->n - 1; i >= 0; i--)
		if (b->store[i].p == p)
			return i;
	return -1;
}

bool stores_at(unsigned t, const void *p)
{
	return pending(t, p) >= 0;
}

bool may_reach_memory(unsigned t, unsigned i)
{
	const struct buffer *b = &world.buffer[t];

	for (unsigned k = 0; k < i; k++)
		if (b->store[i].release || b->store[k].p == b->store[i].p)
			return false;
	return i < b->n;
}

void reach_memory(unsigned t, unsigned i)
{
	struct buffer *b = &world.buffer[t];
	struct store s = b->store[i];
	struct race *r;

	for (unsigned k = 0; k < i; k++)
		b->store[k].fresh = 0; /* this one has happened, so they have */

	check_live(s.p, s.site->what);
	running = (int)t;
	r = race_of(s.p);
	running = NOBODY;
	if (r) {
		late_store(t, s.p, s.size, r);
		memcpy(r->sync, clocks.stored[t][i], sizeof r->sync);
		known[r - race] = world.knows.stored[t][i];
		late_stored(t, s.p, i + 1, false);
	}
	memcpy(s.p, &s.v, s.size);
	record->site = s.site;
	record->v = s.v;
	b->n--;
	memmove(&b->store[i], &b->store[i + 1], (b->n - i) * sizeof s);
	memmove(&clocks.stored[t][i], &clocks.stored[t][i + 1],
		(b->n - i) * sizeof clocks.stored[t][i]);
	memmove(&world.knows.stored[t][i], &world.knows.stored[t][i + 1], b->n - i);
	world.knows.stored[t][b->n] = 0;
	memset(&b->store[b->n], 0, sizeof s);
}

/* ---- operations ------------------------------------------------------------------------------ */

/* May the thread go on with what it is about to do? */
bool thread_ready(unsigned t)
{
	const struct op *op = &world.thread[t].op;
	const uint32_t *lock = op->p;

	switch (op->kind) {
	case OP_RMW_RELAXED: return pending(t, op->p) < 0;
	case OP_RMW:
	case OP_FENCE: return !world.buffer[t].n;
	case OP_LOCK: return !world.buffer[t].n && !*lock;
	case OP_TRYLOCK:
		return !world.buffer[t].n || (*lock && *lock != t + 1) || late_at(t, lock) >= 0;
	case OP_HEAVY:
		for (unsigned i = 0; i < n_threads; i++)
			for (unsigned k = 0; k < world.buffer[i].n; k++)
				if (i == t || !world.buffer[i].store[k].fresh)
					return false;
		return true;
	case OP_DONE: return false;
	default: return true;
	}
}

/* Stop before an operation. */
static void before(enum op_kind kind, const void *p, const struct site *site)
{
	world.thread[running].op = (struct op){ .kind = kind, .p = p, .site = site };
	stop();
}

/* The same, if there is a reason to. */
static void before_access(enum op_kind kind, const void *p, unsigned size, bool write,
			  const struct site *site)
{
	if (running == NOBODY)
		return;
	if (visible(p, size, write) || (kind >= OP_RMW && world.buffer[running].n))
		before(kind, p, site);
}

/* For the trace: what the thread had stopped before. */
static void did(const struct site *site, uint64_t v)
{
	if (running != NOBODY && !record->site) {
		record->site = site;
		record->v = v;
	}
}

/* A load of what was there before a store that the thread hasn't noticed. */
static bool late(const void *p, enum order order, uint64_t *v, const struct site *site)
{
	int i = running == NOBODY ? -1 : late_at((unsigned)running, p);

	if (i < 0 || !late_can_load((unsigned)running, p, order))
		return false;
	note_taught(site, clocks.late[i], world.late[i].known);
	*v = world.late[i].v;
	join(order & ACQUIRE ? clocks.now[running] : clocks.loaded[running], clocks.late[i]);
	late_take((unsigned)running, p, order);
	if (!record->site)
		record->late = 1;
	return true;
}

uint64_t op_load(const void *p, unsigned size, const struct site *site)
{
	enum order order = order_of(site);
	int own = running == NOBODY ? -1 : pending((unsigned)running, p);
	uint64_t v;

	if (own < 0) {
		note_load(p);
		before_access(OP_LOAD, p, size, false, site);
	}
	check_live(p, site->what);
	race_access(p, size, false, true, site->what);
	if (own >= 0)
		return world.buffer[running].store[own].v;
	if (!late(p, order, &v, site)) {
		acquire(p, order, site);
		v = peek(p, size);
	}
	did(site, v);
	return v;
}

static void store(void *p, unsigned size, uint64_t v, enum order order, const struct site *site)
{
	bool shared = visible(p, size, true);
	struct buffer *b;
	struct race *r;

	v = cut(v, size);
	check_live(p, site->what);
	race_access(p, size, true, true, site->what);
	if (!shared) {
		memcpy(p, &v, size);
		r = race_of(p);
		if (r)
			release(r->sync, order);
		did(site, v);
		return;
	}
	b = &world.buffer[running];
	if (b->n == STORES)
		fail("the explorer's store buffers are too small");
	b->store[b->n] = (struct store){ p, v, site, size, order & RELEASE, 1 };
	release(clocks.stored[running][b->n], order);
	late_new_store((unsigned)running, p, (unsigned)b->n, order);
	b->n++;
	did(site, v);
}

void op_store(void *p, unsigned size, uint64_t v, const struct site *site)
{
	store(p, size, v, order_of(site), site);
}

static uint64_t rmw(void *p, unsigned size, uint64_t v, enum order order)
{
	struct race *r = race_of(p);
	uint16_t mine[THREADS];

	if (r) { /* goes on with the release sequence */
		late_store((unsigned)running, p, size, r);
		release(mine, order);
		join(r->sync, mine);
		known[r - race] |= late_released((unsigned)running, order);
		late_stored((unsigned)running, p, STORES, order & SEQ_CST_ONLY);
	}
	memcpy(p, &v, size);
	return v;
}

uint64_t op_rmw(void *p, unsigned size, enum rmw how, uint64_t v, const struct site *site)
{
	enum order order = order_of(site);
	uint64_t old;

	before_access(!(order & RELEASE) ? OP_RMW_RELAXED : OP_RMW, p, size, true, site);
	check_live(p, site->what);
	race_access(p, size, true, true, site->what);
	acquire(p, order, site);
	old = peek(p, size);
	did(site, old);
	switch (how) {
	case RMW_XCHG: break;
	case RMW_ADD: v = old + v; break;
	case RMW_SUB: v = old - v; break;
	case RMW_AND: v = old & v; break;
	case RMW_OR: v = old | v; break;
	}
	rmw(p, size, cut(v, size), order);
	return old;
}

/* An exchange that fails is a load. */
static bool fails_late(const void *p, uint64_t expected, enum order order, uint64_t *old,
		       const struct site *site)
{
	int i = running == NOBODY ? -1 : late_at((unsigned)running, p);

	return i >= 0 && world.late[i].v != expected && late(p, order, old, site);
}

bool op_cas(void *p, unsigned size, void *expected, uint64_t v, const struct site *site)
{
	enum order order = order_of(site);
	uint64_t old;

	note_load(p);
	before_access(!(order & RELEASE) ? OP_RMW_RELAXED : OP_RMW, p, size, true, site);
	check_live(p, site->what);
	race_access(p, size, true, true, site->what);
	if (fails_late(p, peek(expected, size), order, &old, site)) {
		memcpy(expected, &old, size);
		did(site, old);
		return false;
	}
	acquire(p, order, site);
	old = peek(p, size);
	did(site, old);
	if (old != peek(expected, size)) {
		memcpy(expected, &old, size);
		return false;
	}
	rmw(p, size, cut(v, size), order);
	return true;
}

void op_fence(const struct site *site)
{
	if (running == NOBODY || is_left_out(site))
		return;
	weaken_note(site);
	before(OP_FENCE, NULL, site);
	join(clocks.now[running], clocks.loaded[running]);
	memcpy(clocks.fenced[running], clocks.now[running], sizeof clocks.now[running]);
	clocks.now[running][running]++;
	late_fence((unsigned)running);
	did(site, 0);
}

void op_heavy(const struct site *site)
{
	if (running == NOBODY || is_left_out(site))
		return;
	weaken_note(site);
	before(OP_HEAVY, NULL, site);
	join(clocks.now[running], clocks.loaded[running]);
	memcpy(clocks.fenced[running], clocks.now[running], sizeof clocks.now[running]);
	clocks.now[running][running]++;
	late_heavy((unsigned)running);
	did(site, 0);
}

void op_yield(void)
{
	static const struct site site = { "", "begins a call", "scenarios.c", "", 0, 0 };

	if (running != NOBODY) {
		before(OP_YIELD, NULL, &site);
		did(&site, 0);
	}
}

/* ---- locks ----------------------------------------------------------------------------------- */

static uint32_t n_locks[THREADS + 3] STATE = { 0 }; /* of each thread, by its number */

bool op_has_lock(void)
{
	return n_locks[thread_self()];
}

static void locked(uint32_t *lock, const struct site *site)
{
	if (*lock)
		fail("deadlock: %s is held by thread %u", site->what, *lock - 1);
	race_access(lock, sizeof *lock, true, true, site->what);
	acquire(lock, ACQUIRE, site);
	if (running != NOBODY && race_of(lock))
		late_stored((unsigned)running, lock, STORES, false);
	*lock = (uint32_t)thread_self();
	n_locks[*lock]++;
	did(site, 1);
}

void op_lock(uint32_t *lock, const struct site *site)
{
	if (running != NOBODY && world.thread[running].hurry && !(may_wait >> running & 1))
		fail("a call that must not wait waits for %s", site->what);
	before_access(OP_LOCK, lock, sizeof *lock, true, site);
	check_live(lock, site->what);
	locked(lock, site);
}

bool op_trylock(uint32_t *lock, const struct site *site)
{
	uint64_t holder;

	note_load(lock);
	before_access(OP_TRYLOCK, lock, sizeof *lock, true, site);
	check_live(lock, site->what);
	if (fails_late(lock, 0, RELAXED, &holder, site) || *lock) {
		if (running != NOBODY && !record->late)
			late_load((unsigned)running, lock, 0, RELAXED);
		did(site, 0);
		return false;
	}
	locked(lock, site);
	return true;
}

void op_unlock(uint32_t *lock, const struct site *site)
{
	check_live(lock, site->what);
	if (*lock != thread_self() || (running != NOBODY && pending((unsigned)running, lock) >= 0))
		fail("%s is unlocked by who does not hold it", site->what);
	n_locks[thread_self()]--;
	store(lock, sizeof *lock, 0, RELEASE, site);
}

void op_lock_destroy(uint32_t *lock, const struct site *site)
{
	check_live(lock, site->what);
	if (*lock)
		fail("%s is destroyed while it is held", site->what);
}

/* ---- the heap: a region for each thread, and one for setup and finish ------------------------ */

void *heap_zalloc(size_t bytes, size_t align)
{
	unsigned at = running == NOBODY ? THREADS : (unsigned)running;
	struct region *r = &world.region[at];
	size_t len = (bytes + 63) & ~(size_t)63;
	char *p;

	r->used += -r->used & ((uint32_t)align - 1);
	p = heap + at * REGION + r->used;
	if (r->n == BLOCKS || r->used + len > REGION)
		fail("the explorer's heap is too small");
	r->block[r->n++] = (struct block){ r->used, (uint32_t)len, 0 };
	r->used += (uint32_t)len;
	return memset(p, 0, len);
}

void heap_free(void *p, const struct site *site)
{
	size_t off = (size_t)((char *)p - heap);
	struct region *r = &world.region[off / REGION];

	if (!p)
		return;
	if (off >= sizeof heap)
		fail("%s: not a block", site->what);
	for (unsigned i = 0; i < r->n; i++) {
		struct block *b = &r->block[i];

		if (b->at != off % REGION)
			continue;
		if (b->freed)
			fail("%s: freed twice", site->what);
		for (unsigned k = 0; running != NOBODY && k < b->len; k++) {
			const struct place *at = &place[place_of((char *)p + k)];

			if (!at->readers && !at->writers)
				continue; /* nobody has looked at it in any schedule yet */
			visible((char *)p + k, 1, true);
			race_access((char *)p + k, 1, true, false, site->what);
		}
		b->freed = 1;
		memset(p, 0xa5, b->len);
		return;
	}
	fail("%s: not a block", site->what);
}

unsigned heap_blocks(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < REGIONS; i++)
		for (unsigned k = 0; k < world.region[i].n; k++)
			n += !world.region[i].block[k].freed;
	return n;
}
