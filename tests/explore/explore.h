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
 * before its present one may come after the barrier as well. Loads are not reordered.
 *
 * THE SEARCH (search.c) is depth first over states: the bytes of all memory, stacks,
 * registers and buffers. A state that was met before is not searched again, whichever way it
 * was met; so all schedules are covered. A hash of 64 bits stands for the state.
 *
 * WHAT IS FOUND. Touching freed memory, also by plain accesses (the compiler reports each
 * of them as it does to ThreadSanitizer); freeing twice; leaks; data races of plain accesses
 * (vector clocks; they are no part of the state, so a race that is only seen on one of two
 * ways to the same state may be missed); deadlock; schedules without an end; and what the
 * scenario checks itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- for env/env.h: the operations (machine.c) ------------------------------------------ */

struct site {
	const char *what, *file, *function;
	int line;
};

/* As bits: 1 acquires, 2 releases. Sequentially consistent ones act as the strongest. */
enum order { RELAXED, ACQUIRE, RELEASE, ACQ_REL };
enum rmw { RMW_XCHG, RMW_ADD, RMW_SUB, RMW_AND, RMW_OR };

uint64_t op_load(const void *p, unsigned size, enum order order, const struct site *site);
void op_store(void *p, unsigned size, uint64_t v, enum order order, const struct site *site);
/* Returns the old value. */
uint64_t op_rmw(void *p, unsigned size, enum rmw how, uint64_t v, enum order order,
		const struct site *site);
bool op_cas(void *p, unsigned size, void *expected, uint64_t v, enum order order,
	    const struct site *site);
void op_fence(const struct site *site);
void op_heavy(const struct site *site);

void op_lock(uint32_t *lock, const struct site *site);
bool op_trylock(uint32_t *lock, const struct site *site);
bool op_has_lock(void); /* the thread has any */
void op_unlock(uint32_t *lock, const struct site *site);
void op_lock_destroy(uint32_t *lock, const struct site *site);

/* Freed memory is never used again within a run. */
void *heap_zalloc(size_t bytes);
void heap_free(void *p, const struct site *site);

/* The thread's number; 1 is the first. */
uint64_t thread_self(void);

/* ---- for scenarios -------------------------------------------------------------------- */

#define THREADS 3

struct scenario {
	const char *name;
	const char *thread_name[THREADS];
	void (*thread[THREADS])(void);
	void (*setup)(void);  /* before the threads */
	void (*finish)(void); /* after them; then nothing may be left */
	uint64_t as;          /* the thread that does both; 0: the first */
	unsigned left;        /* blocks of memory that stay: gates, bindings' slots */
};

/* Search; a line of TAP's comments with the figures. False, and the schedule: it failed. */
bool explore(const struct scenario *s, bool print);

/* Setup and finish are this thread from now on: 1 to THREADS + 1. */
void act_as(uint64_t thread);
/* True between setup and finish. */
bool concurrent(void);
/* A place where others may run, and nothing else. */
void op_yield(void);
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
