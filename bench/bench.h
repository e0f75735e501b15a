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
	uint64_t tail __attribute__((aligned(2 * LINE)));
	uint64_t head_seen;
	/* the consumer's */
	uint64_t head __attribute__((aligned(2 * LINE)));
	uint64_t tail_seen;
	void *slot[SPSC_SLOTS] __attribute__((aligned(2 * LINE)));
};

/* All n, at most SPSC_SLOTS; waits for room. */
static inline void spsc_push(struct spsc *r, void *const *in, unsigned n)
{
	uint64_t tail = r->tail;

	while (tail + n - r->head_seen > SPSC_SLOTS) {
		r->head_seen = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
		if (tail + n - r->head_seen > SPSC_SLOTS)
			pause_cpu();
	}
	for (unsigned i = 0; i < n; i++)
		r->slot[(tail + i) % SPSC_SLOTS] = in[i];
	__atomic_store_n(&r->tail, tail + n, __ATOMIC_RELEASE);
}

/* Up to n; 0 if there are none. */
static inline unsigned spsc_pop(struct spsc *r, void **out, unsigned n)
{
	uint64_t head = r->head;

	if (r->tail_seen == head) {
		r->tail_seen = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
		if (r->tail_seen == head)
			return 0;
	}
	if (n > r->tail_seen - head)
		n = (unsigned)(r->tail_seen - head);
	for (unsigned i = 0; i < n; i++)
		out[i] = r->slot[(head + i) % SPSC_SLOTS];
	__atomic_store_n(&r->head, head + n, __ATOMIC_RELEASE);
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
