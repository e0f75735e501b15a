/*
 * bench.h - what all programs of the benchmark share: the clock, the two processors, the
 * ring that hands pointers from one thread to another, and the way to be told what to run.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define LINE 64
#define BATCH 32

static inline double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void pause_cpu(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

/* The value must be there, in a register. */
#define keep(value) __asm__ volatile("" : "+r"(value))
/* And memory must be as written. */
#define keep_memory(value) __asm__ volatile("" : "+r"(value) : : "memory")

static inline void fail(const char *what)
{
	fprintf(stderr, "bench: %s failed\n", what);
	exit(1);
}

/* The n-th of the processors that we were started on; the last, if there are fewer. */
static inline int processor(int n)
{
	static cpu_set_t all;
	int found = -1;

	if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof all, &all))
		fail("sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && n >= 0; cpu++)
		if (CPU_ISSET(cpu, &all)) {
			found = cpu;
			n--;
		}
	return found;
}

static inline void pin_to(int n)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(processor(n), &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof one, &one))
		fail("pinning");
}

/*
 * No real-time priority for the calling thread, if it has one (chrt bench/run): of those that share
 * a processor one would wait for another that it keeps from running.
 */
static inline void ordinary(void)
{
	struct sched_param none = { 0 };

	if (pthread_setschedparam(pthread_self(), SCHED_OTHER, &none))
		fail("pthread_setschedparam");
}

/* How often another program took a processor from us. */
static inline long preemptions(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_nivcsw;
}

/* ---- one producer, one consumer ------------------------------------------------------------ */

/*
 * Each side keeps a copy of the other's index and looks at the real one only when the copy
 * says that there is no room, or nothing to take: the usual way to write it.
 */
#define SPSC_SLOTS 1024u

struct spsc {
	/* the producer's */
	uint64_t next __attribute__((aligned(2 * LINE)));
	uint64_t head_seen;
	/* the consumer's */
	uint64_t taken __attribute__((aligned(2 * LINE)));
	uint64_t tail_seen;
	/* what each tells the other */
	uint64_t tail __attribute__((aligned(2 * LINE)));
	uint64_t head __attribute__((aligned(2 * LINE)));
	void *slot[SPSC_SLOTS] __attribute__((aligned(2 * LINE)));
};

/*
 * Both ends are told of every 32 entries, as a queue's are as a rule. Told of each single one,
 * a consumer that is faster than the producer reads each line while it is being written, and
 * the ring alone takes 80 ns an entry, or 7 if the consumer is the slower one: then what is
 * measured is which of the two it is.
 */
#define SPSC_TELL 32u

static inline void spsc_flush(struct spsc *r)
{
	__atomic_store_n(&r->tail, r->next, __ATOMIC_RELEASE);
}

static inline void spsc_push(struct spsc *r, void *const *in, unsigned n)
{
	uint64_t next = r->next;

	while (next + n - r->head_seen > SPSC_SLOTS) {
		r->head_seen = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
		if (next + n - r->head_seen > SPSC_SLOTS)
			pause_cpu();
	}
	for (unsigned i = 0; i < n; i++)
		r->slot[(next + i) % SPSC_SLOTS] = in[i];
	r->next = next + n;
	if ((next ^ (next + n)) / SPSC_TELL)
		spsc_flush(r);
}

static inline unsigned spsc_pop(struct spsc *r, void **out, unsigned n)
{
	uint64_t taken = r->taken;

	if (r->tail_seen == taken) {
		r->tail_seen = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
		if (r->tail_seen == taken)
			return 0;
	}
	if (n > r->tail_seen - taken)
		n = (unsigned)(r->tail_seen - taken);
	for (unsigned i = 0; i < n; i++)
		out[i] = r->slot[(taken + i) % SPSC_SLOTS];
	r->taken = taken + n;
	if ((taken ^ (taken + n)) / SPSC_TELL)
		__atomic_store_n(&r->head, taken + n, __ATOMIC_RELEASE);
	return n;
}

/* ---- commands ------------------------------------------------------------------------------- */

/* A line of words on standard input: a name, then key=value. */
struct command {
	char line[512];
	const char *name;
};

static inline bool command_read(struct command *c)
{
	if (!fgets(c->line, sizeof c->line, stdin))
		return false;
	c->line[strcspn(c->line, "\n")] = 0;
	c->name = c->line;
	return true;
}

static inline bool command_is(const struct command *c, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(c->name, name, n) && (c->name[n] == ' ' || !c->name[n]);
}

static inline uint64_t command_number(const struct command *c, const char *key, uint64_t otherwise)
{
	char word[64];
	const char *at;

	snprintf(word, sizeof word, " %s=", key);
	at = strstr(c->line, word);
	return at ? strtoull(at + strlen(word), NULL, 10) : otherwise;
}
#endif
