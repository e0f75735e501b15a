/*
 * explore.h - an explorer of C code: threads that are coroutines of one process, memory with
 * store buffers, and a search through every schedule.
 *
 * THREADS. A scenario has two or three. Each runs until it is about to do something that
 * another one could notice: there it stops, and the search decides who goes on. What no two
 * threads ever share in any schedule, and what none of them changes, is no reason to stop;
 * which those are is found out on the way: when a place turns out to be shared the search
 * begins anew. Plain accesses are no reason either, but it is checked that they do not race.
 *
 * MEMORY. A store goes to its thread's store buffer and reaches memory at some later time,
 * which the search chooses too; the thread's own loads see it at once. Stores of one thread
 * reach memory in order, except that a relaxed one may overtake others (as on Arm; on x86
 * none does). An atomic read-modify-write, a fence and the taking of a lock wait until the
 * thread's buffer is empty; a relaxed read-modify-write only for its own address. The heavy
 * barrier waits until everybody's is: but a store is no stop, so those that a thread did just
 * before its present one may come after the barrier as well.
 *
 * LATE LOADS. A load may return what was there before a store of another thread, as long as
 * nothing that happens before it, nor what the thread itself has loaded or stored there, tells it
 * of that store (late.c): so of the C11 model what is left out is that a load sees what is stored
 * later than a store behind it (load buffering). An exchange that fails and a trylock that fails
 * are loads. A schedule has late_most late loads at most.
 *
 * THE SEARCH (search.c) is depth first over states: the bytes of all memory, stacks,
 * registers and buffers. A state that was met before is not searched again, whichever way it
 * was met; so all schedules are covered. A hash of 64 bits stands for the state.
 *
 * WHAT IS FOUND. Touching freed memory, also by plain accesses (the compiler reports each
 * of them as it does to ThreadSanitizer); freeing twice; leaks; data races of plain accesses
 * (vector clocks; they are part of the state in the smaller scenarios only, so in the others a race
 * that is only seen on one of two ways to the same state may be missed); deadlock; schedules
 * without an end; and what the scenario checks itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- for env/env.h: the operations (machine.c) ------------------------------------------ */

/* Where an operation is in the source. They lie side by side, as an array. */
struct site {
	const char *op, *what, *file, *function;
	uint32_t line, order;
} __attribute__((aligned(64)));

/* As bits: 1 acquires, 2 releases, 4 is sequentially consistent. */
enum order { RELAXED, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST_ONLY, SEQ_CST = 7 };
enum rmw { RMW_XCHG, RMW_ADD, RMW_SUB, RMW_AND, RMW_OR };

uint64_t op_load(const void *p, unsigned size, const struct site *site);
void op_store(void *p, unsigned size, uint64_t v, const struct site *site);
/* Returns the old value. */
uint64_t op_rmw(void *p, unsigned size, enum rmw how, uint64_t v, const struct site *site);
bool op_cas(void *p, unsigned size, void *expected, uint64_t v, const struct site *site);
void op_fence(const struct site *site);
void op_heavy(const struct site *site);

void op_lock(uint32_t *lock, const struct site *site);
bool op_trylock(uint32_t *lock, const struct site *site);
bool op_has_lock(void); /* the thread has any */
void op_unlock(uint32_t *lock, const struct site *site);
void op_lock_destroy(uint32_t *lock, const struct site *site);

/* Freed memory is never used again within a run. */
void *heap_zalloc(size_t bytes, size_t align);
void heap_free(void *p, const struct site *site);
bool heap_is_live(const void *p);

/* The thread's number; 1 is the first. */
uint64_t thread_self(void);

/* ---- for scenarios -------------------------------------------------------------------- */

#define THREADS 3
enum { BY_THREADS, NOT_QUICK, ALWAYS };

struct scenario {
	const char *name;
	const char *thread_name[THREADS];
	void (*thread[THREADS])(void);
	void (*setup)(void);  /* before the threads */
	void (*finish)(void); /* after them; then nothing may be left */
	uint64_t as;          /* the thread that does both; 0: the first */
	unsigned left;        /* blocks of memory that stay: anchors, bindings' slots */
	bool exact;           /* what each thread knows is part of the state: no race is missed */
	bool inexact;         /* it never is: there would be more states than the search can hold */
	unsigned late;        /* late loads: NOT_QUICK or ALWAYS; else if there are two threads */
};

/* Search; a line of TAP's comments with the figures. False, and the schedule: it failed. */
bool explore(const struct scenario *s, bool print);
/* Late loads in a schedule, at most: LATE (world.h), or less. */
extern unsigned late_most;
extern unsigned exact; /* every scenario is, but for those that are NOT_QUICK or inexact */

/* Setup and finish are this thread from now on: 1 to THREADS + 1. */
void act_as(uint64_t thread);
/* At the end: what threads' records have is freed with them. */
void records_free(void);
/* True between setup and finish. */
bool concurrent(void);
/* A place where others may run, and nothing else. */
void op_yield(void);
/*
 * A plain access to 8 bytes that may be shared; or what was there goes, which may be done by
 * several at once.
 */
enum touch { TOUCH_READ, TOUCH_WRITE, TOUCH_DISCARD };
void op_touch(const void *p, enum touch how);
/* Until it is taken back the calling thread must not take a lock that it may have to wait
 * for, unless its bit is set in may_wait: 1 for the first thread. */
void must_not_wait(bool on);
extern uint64_t may_wait;
/* Blocks that were allocated and not freed. */
unsigned heap_blocks(void);
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* What a scenario or a stand-in keeps must be part of the state. */
#define STATE __attribute__((section("explore_data")))

#endif
