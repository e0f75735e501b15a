/*
 * world.h - what machine.c and search.c share: the state of a run.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef WORLD_H
#define WORLD_H

#include "explore.h"

#define REGIONS (THREADS + 1)
#define REGION 20480u /* bytes of heap for each thread, and for setup and finish */
#define BLOCKS 40u    /* allocations in a region */
#define STACK 16384u
#define WIPE 2048u /* bytes of a stack that are cleared below what is in use */
#define STORES 16u /* in a buffer; a thread that has more is a failure */
#define TLS 64u    /* bytes of it, at most */
#define PLACES (REGIONS * REGION + 16384) /* bytes that can be shared */
#define RACES 4096u
#define NOBODY (-1)

enum op_kind {
	OP_YIELD,
	OP_LOAD,
	OP_RMW_RELAXED,
	OP_RMW,
	OP_FENCE,
	OP_HEAVY,
	OP_LOCK,
	OP_TRYLOCK,
	OP_DONE
};

/* No padding in what follows: it is compared byte for byte. */

/* What a thread is about to do. */
struct op {
	uint64_t kind;
	const void *p;
	const struct site *site;
};

struct thread {
	void *sp;
	struct op op;
	uint64_t hurry; /* it must not wait */
};

struct store {
	void *p;
	uint64_t v;
	const struct site *site;
	uint32_t size;
	uint16_t release;
	uint16_t fresh; /* since the thread's last stop: it may as well not have happened yet */
};

struct buffer {
	uint64_t n;
	struct store store[STORES];
};

#define LATE 2 /* stores that threads haven't noticed, at a time, at most */

/* A store that has reached memory, and that one thread hasn't noticed yet (late.c). */
struct late {
	const void *p;
	uint64_t v; /* what was there before */
	uint32_t size;
	uint8_t thread;
	uint8_t same;  /* it is the same store as the last one's */
	uint8_t known; /* by who acquires what was there before */
	uint8_t none;
};

/* Of which of them who knows, as bits: it can't load what was before them. */
struct knows {
	uint8_t now[THREADS];
	uint8_t loaded[THREADS];         /* by relaxed loads: for a fence */
	uint8_t fenced[THREADS];         /* at the last fence: for relaxed stores */
	uint8_t fences;                  /* who passes a fence, by those before it */
	uint8_t stored[THREADS][STORES]; /* who acquires that, from the buffers */
	uint8_t none[6];
};

struct block {
	uint32_t at, len, freed;
};

struct region {
	uint32_t used, n;
	struct block block[BLOCKS];
};

/* The state, with heap, stacks and the data of the library and the scenarios. */
struct world {
	struct thread thread[THREADS];
	char tls[THREADS + 1][TLS]; /* what is a thread's own */
	struct buffer buffer[THREADS];
	struct region region[REGIONS];
	uint64_t n_late;
	struct late late[LATE];
	struct knows knows;
};

/* Beside the state: it goes back and forth with it, but is not compared. */
struct clocks {
	uint16_t now[THREADS][THREADS];
	uint16_t loaded[THREADS][THREADS];         /* by relaxed loads: for a fence */
	uint16_t fenced[THREADS][THREADS];         /* at the last fence: for relaxed stores */
	uint16_t stored[THREADS][STORES][THREADS]; /* of the stores in a buffer */
	uint16_t late[LATE][THREADS];              /* of what was there before those */
};

/* Of one shared place: when each thread touched it last, and what a load of it acquires. */
struct race {
	uint16_t read[THREADS], wrote[THREADS];
	uint16_t read_atomic[THREADS], wrote_atomic[THREADS];
	uint16_t sync[THREADS];
};

/* Which threads ever touch a byte, in any schedule met so far, as bits. */
struct place {
	uint8_t readers, writers;
	uint8_t loaders; /* by atomic loads */
	uint8_t none;
	uint16_t race;
};

/* One step of the schedule, for the trace. */
struct record {
	uint8_t thread, flush;
	uint8_t late, unnoticed; /* the load; the store, by which threads, as bits */
	uint8_t kind;
	const struct site *site;
	uint64_t v;
};

extern struct world world;
extern struct clocks clocks;
extern struct race race[RACES];
extern unsigned n_races;
extern char heap[REGIONS * REGION];
extern char stacks[THREADS][STACK];
extern struct place place[PLACES];
extern struct record *record; /* of the step under way */
extern const struct scenario *scenario;
extern unsigned n_threads; /* in it */
extern bool reclassified;  /* a place has become shared: what was searched doesn't count */
extern int running;        /* or NOBODY */

/* The data of the library and of the scenarios, made one by the linker. */
extern char __start_explore_data[], __stop_explore_data[];
extern char __start_explore_bss[], __stop_explore_bss[];
#define DATA_SIZE ((size_t)(__stop_explore_data - __start_explore_data))
#define BSS_SIZE ((size_t)(__stop_explore_bss - __start_explore_bss))

/* late.c; t is the thread that does it */
extern uint8_t known[RACES]; /* of which late stores who acquires it knows; for each shared place */
extern unsigned late_left;   /* late loads that the schedule may still have */
extern unsigned
	late_choice; /* of the step under way: who doesn't notice its store, as bits; or: its
				late load may be followed by another there */

/* Which threads may not notice a store to p. */
unsigned late_choices(unsigned t, const void *p);
/* The place in world.late of what t has not noticed at p, or -1. */
int late_at(unsigned t, const void *p);
bool late_can_load(unsigned t, const void *p, enum order order);
/* It loads late. */
void late_take(unsigned t, const void *p, enum order order);
/* It loads what is there now, which `by` knows. */
void late_load(unsigned t, const void *p, uint8_t by, enum order order);
/* A store that reaches memory; before its place's sync and known change, and after. */
void late_store(unsigned t, const void *p, unsigned size, const struct race *r);
void late_stored(unsigned t, const void *p, unsigned later, bool seq_cst);
/* The i-th store of its buffer is a new one. */
void late_new_store(unsigned t, const void *p, unsigned i, enum order order);
uint8_t late_released(unsigned t, enum order order); /* what a store hands on */
void late_fence(unsigned t);
void late_heavy(unsigned t);

/* weaken.c */
extern unsigned weakened; /* the number of the operation that is, or 0 */
void weaken_number(void);
void weaken_print(void);
enum order order_of(const struct site *site);
/* It makes a difference here, or may, that the operation acquires, or that the fence is there. */
void weaken_note(const struct site *s);
void weaken_print_noted(void);             /* the numbers, since the last time */
bool is_left_out(const struct site *site); /* a fence */

/* machine.c */
bool loads_at(unsigned t, const void *p);  /* ever, atomically, from a shared place */
bool stores_at(unsigned t, const void *p); /* it has a store there in its buffer */
void tls_init(void);
void threads_init(void);
void threads_over(void);
void thread_run(unsigned t);
bool thread_ready(unsigned t);
/* May the i-th store in the buffer be the next to reach memory? */
bool may_reach_memory(unsigned t, unsigned i);
void reach_memory(unsigned t, unsigned i);

#endif
