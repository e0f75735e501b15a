/*
 * search.c - the explorer's search: depth first over states. See explore.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define DEPTH 4096             /* steps in a schedule, at most */
#define SAVED (1ull << 30)     /* bytes for the states of one schedule */
#define RANDOM_RUNS 400        /* before the search, to see what is shared */
#define STATES_MAX 60000000ull /* then the search gives up */

/* ---- states met ---------------------------------------------------------------------- */

#define ON_PATH (-1.0) /* schedules: still being counted */

struct met {
	uint64_t hash;
	double schedules; /* from here to an end */
};

static struct met *table;
static uint64_t table_size, table_used;

static void table_clear(uint64_t size)
{
	free(table);
	table = calloc(size, sizeof *table);
	table_size = size;
	table_used = 0;
	if (!table)
		abort();
}

static struct met *table_find(uint64_t hash)
{
	uint64_t i = hash & (table_size - 1);

	while (table[i].hash && table[i].hash != hash)
		i = (i + 1) & (table_size - 1);
	return &table[i];
}

static void table_grow(void)
{
	struct met *old = table;
	uint64_t n = table_size;

	table = NULL;
	table_clear(2 * n);
	for (uint64_t i = 0; i < n; i++)
		if (old[i].hash) {
			*table_find(old[i].hash) = old[i];
			table_used++;
		}
	free(old);
}

/* ---- the state as bytes ------------------------------------------------------------------ */

static char *saved; /* the states of the schedule under way, one after the other */

#define PARTS (REGIONS + THREADS + 7)

struct part {
	void *p;
	size_t len;
};

/* The parts that make a state, and how many of them are compared. */
static unsigned parts(struct part *part, unsigned *compared)
{
	unsigned n = 0;

	part[n++] = (struct part){ &world, sizeof world };
	part[n++] = (struct part){ __start_explore_data, DATA_SIZE };
	part[n++] = (struct part){ __start_explore_bss, BSS_SIZE };
	for (unsigned i = 0; i < REGIONS; i++)
		part[n++] = (struct part){ heap + i * REGION, world.region[i].used };
	for (unsigned t = 0; t < n_threads; t++) {
		char *sp = world.thread[t].sp;

		if (world.thread[t].op.kind != OP_DONE)
			part[n++] = (struct part){ sp, (size_t)(stacks[t] + STACK - sp) };
	}
	*compared = n;
	part[n++] = (struct part){ &late_left, sizeof late_left };
	part[n++] = (struct part){ &clocks, sizeof clocks };
	/* these become more while it is found out what is shared: so they are the last */
	part[n++] = (struct part){ known, world.n_late ? n_races : 0 };
	part[n++] = (struct part){ race, n_races * sizeof *race };
	return n;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m =
		(unsigned __int128)(a ^ 0xa0761d6478bd642f) * (b ^ 0xe7037ed1a0b428db);

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t hash_bytes(uint64_t h, const char *p, size_t len)
{
	uint64_t g = h ^ len, w[4];

	for (; len >= 32; len -= 32, p += 32) {
		memcpy(w, p, 32);
		h = mix(w[0] ^ h, w[1]);
		g = mix(w[2] ^ g, w[3]);
	}
	memset(w, 0, sizeof w);
	memcpy(w, p, len);
	h = mix(w[0] ^ h, w[1]);
	g = mix(w[2] ^ g, w[3]);
	return mix(h, g);
}

static uint64_t state_hash(uint64_t seed)
{
	struct part part[PARTS];
	unsigned n;
	uint64_t h = seed;

	parts(part, &n);
	for (unsigned i = 0; i < n; i++)
		h = hash_bytes(h, part[i].p, part[i].len);
	if (world.n_late)
		h = hash_bytes(h, (char *)known, n_races);
	if (scenario->exact || (exact && !scenario->inexact && scenario->late != NOT_QUICK)) {
		h = hash_bytes(h, (char *)&clocks, sizeof clocks);
		h = hash_bytes(h, (char *)race, n_races * sizeof *race);
	}
	return h;
}

static size_t state_save(char *to)
{
	struct part part[PARTS];
	unsigned compared, n = parts(part, &compared);
	char *p = to;

	for (unsigned i = 0; i < n; i++) {
		memcpy(p, part[i].p, part[i].len);
		p += part[i].len;
	}
	return (size_t)(p - to);
}

static void state_restore(const char *from)
{
	struct part part[PARTS];
	unsigned compared, n;

	if (world.n_late)
		memset(known, 0, n_races);
	memcpy(&world, from, sizeof world); /* it says how long the others are */
	n = parts(part, &compared);
	for (unsigned i = 0; i < n; i++) {
		memcpy(part[i].p, from, part[i].len);
		from += part[i].len;
	}
}

/* ---- failures ------------------------------------------------------------------------------- */

static jmp_buf out;
static char message[256];

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	longjmp(out, 1);
}

static void on_signal(int sig)
{
	fail("signal %d%s%s", sig, running == NOBODY ? "" : " in thread ",
	     running == NOBODY ? "" : scenario->thread_name[running]);
}

static void catch_signals(void)
{
	static char stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER };

	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
}

/* ---- the schedule under way ------------------------------------------------------------------ */

static struct record trace[DEPTH];
static unsigned depth;

static const char *file_of(const struct site *site)
{
	const char *slash = strrchr(site->file, '/');

	return slash ? slash + 1 : site->file;
}

static const char *unnoticed(const struct record *r)
{
	static char text[64];
	int n = 0;

	text[0] = 0;
	for (unsigned t = 0; r->unnoticed && t < n_threads; t++)
		if (r->unnoticed >> t & 1)
			n += snprintf(text + n, sizeof text - (size_t)n, ", unnoticed by %s",
				      scenario->thread_name[t]);
	return text;
}

static void print_trace(void)
{
	static const char *const verb[] = {
		[OP_YIELD] = "",
		[OP_LOAD] = "loads ",

		[OP_RMW] = "changes from ",
		[OP_RMW_RELAXED] = "changes from ",
		[OP_FENCE] = "passes a ",
		[OP_HEAVY] = "passes a ",
		[OP_LOCK] = "locks ",
		[OP_TRYLOCK] = "tries ",
		[OP_DONE] = "",
	};

	for (unsigned i = 0; i < depth; i++) {
		const struct record *r = &trace[i];
		const char *name = scenario->thread_name[r->thread];

		if (!r->site)
			printf("#   %-8s begins\n", name);
		else if (r->flush)
			printf("#   %-8s ... its store of %#llx to %s reaches memory (%s:%d)%s\n",
			       name, (unsigned long long)r->v, r->site->what, file_of(r->site),
			       r->site->line, unnoticed(r));
		else
			printf("#   %-8s %s%s = %#llx (%s:%d)%s\n", name, verb[r->kind],
			       r->site->what, (unsigned long long)r->v, file_of(r->site),
			       r->site->line, r->late ? ", late" : unnoticed(r));
	}
	printf("#   then: %s%s\n", running == NOBODY ? "" : scenario->thread_name[running],
	       running == NOBODY ? message : "");
	if (running != NOBODY)
		printf("#         %s\n", message);
}

/* ---- the end of a run ------------------------------------------------------------------------ */

static void check_end(void)
{
	threads_over();
	scenario->finish();
	records_free();
	if (scenario->left < heap_blocks())
		fail("a leak: %u blocks are left, not %u", heap_blocks(), scenario->left);
}

static bool all_done(void)
{
	for (unsigned t = 0; t < n_threads; t++)
		if (world.thread[t].op.kind != OP_DONE || world.buffer[t].n)
			return false;
	return true;
}

/* ---- the search ------------------------------------------------------------------------------ */

static struct {
	uint64_t states, steps;
	double schedules; /* that the search stands for */
	unsigned depth, restarts;
} result;
unsigned late_most = 1, exact;
static int preemptions = -1; /* at most; -1: without a bound */
static jmp_buf again;

/* A step: a thread goes on, or one of its stores reaches memory. */
struct step {
	uint8_t thread;
	int8_t store; /* -1: the thread */
	uint8_t late; /* late_choice */
};

#define STEPS (THREADS * (STORES + 1) * (1u << THREADS)) /* at one time, at most */

/* The same step, with a late load some time. */
static unsigned add_late(struct step *step, unsigned n, unsigned i)
{
	unsigned t = step[i].thread;
	const struct op *op = &world.thread[t].op;
	const void *p = step[i].store < 0 ? op->p : world.buffer[t].store[step[i].store].p;
	bool stores = step[i].store >= 0 || op->kind == OP_RMW || op->kind == OP_RMW_RELAXED;
	unsigned mask, room = late_left - (unsigned)world.n_late;

	if (step[i].store < 0 && p && late_at(t, p) >= 0 && late_left > world.n_late) {
		step[n] = step[i];
		step[n++].late = 1;
		return n;
	}
	mask = stores ? late_choices(t, p) : 0;
	for (unsigned some = mask; some; some = (some - 1) & mask)
		if ((unsigned)__builtin_popcount(some) <= room) {
			step[n] = step[i];
			step[n++].late = (uint8_t)some;
		}
	return n;
}

static unsigned possible(struct step *step)
{
	unsigned n = 0;

	for (uint8_t t = 0; t < n_threads; t++)
		if (thread_ready(t))
			step[n++] = (struct step){ t, -1, 0 };
	for (uint8_t t = 0; t < n_threads; t++)
		for (int8_t i = 0; i < (int8_t)world.buffer[t].n; i++)
			if (may_reach_memory(t, (unsigned)i))
				step[n++] = (struct step){ t, i, 0 };
	for (unsigned i = 0, usual = n; late_left && i < usual; i++)
		n = add_late(step, n, i);
	return n;
}

static void take(struct step step)
{
	if (depth == DEPTH)
		fail("a schedule is too long");
	record = &trace[depth++];
	*record = (struct record){ .thread = step.thread, .flush = step.store >= 0 };
	late_choice = step.late;
	record->unnoticed = step.late;
	record->kind = (uint8_t)world.thread[step.thread].op.kind;
	result.steps++;
	if (step.store >= 0)
		reach_memory(step.thread, (unsigned)step.store);
	else
		thread_run(step.thread);
	late_choice = 0;
	if (depth > result.depth)
		result.depth = depth;
}

/* Where no step is left: fine if all is done. */
static void at_end(void)
{
	if (!all_done())
		fail("deadlock: no thread can go on");
	check_end();
}

/* With at least as many late loads to come. Else NULL, and the hash with so many as there are. */
static struct met *find_met(uint64_t *hash)
{
	uint64_t bytes = *hash;

	for (unsigned late = late_left; late <= late_most; late++) {
		uint64_t with = mix(bytes, late) | 1;
		struct met *met = table_find(with);

		if (late == late_left) {
			*hash = with;
			if (met->hash && met->schedules == ON_PATH)
				fail("a schedule without an end");
		}
		if (met->hash)
			return met;
	}
	return NULL;
}

/*
 * Search all that follows the state that now is. With a bound, `last` is the thread that
 * ran last and `left` the pre-emptions that are still allowed. Returns the number of
 * schedules.
 */
static double search(char *save, int last, int left)
{
	struct step step[STEPS];
	bool bounded = preemptions >= 0;
	uint64_t hash = state_hash(bounded ? (uint64_t)(last + 2) << 32 | (unsigned)left : 0);
	struct met *met = find_met(&hash);
	double schedules = 0;
	unsigned n;
	size_t size;

	if (met)
		return met->schedules == ON_PATH ? 0 : met->schedules;
	*table_find(hash) = (struct met){ hash, ON_PATH };
	if (++table_used * 2 > table_size)
		table_grow();
	result.states++;
	if (result.states > STATES_MAX)
		fail("too many states");
	n = possible(step);
	size = state_save(save);
	if ((uint64_t)(save + size - saved) > SAVED - sizeof world - sizeof heap - sizeof stacks)
		fail("a schedule is too long");
	for (unsigned i = 0; i < n; i++) {
		unsigned at = depth;
		int now_left = left;

		if (bounded && step[i].store < 0 && last >= 0 && last != step[i].thread &&
		    thread_ready((unsigned)last) && now_left-- == 0)
			continue;
		take(step[i]);
		if (reclassified)
			longjmp(again, 1);
		schedules +=
			search(save + size, step[i].store < 0 ? step[i].thread : last, now_left);
		depth = at;
		state_restore(save);
	}
	if (!n) {
		at_end();
		schedules = 1;
	}
	table_find(hash)->schedules = schedules;
	return schedules;
}

static uint64_t random_state;

static unsigned random_below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 33) % n;
}

/* A run to see what is shared; should it fail, the search will find that. */
static void random_run(void)
{
	struct step step[STEPS];
	unsigned n, stay = 1 + random_below(16);
	struct step last = { 0, -1, 0 };

	while ((n = possible(step))) {
		struct step next = step[random_below(n)];

		for (unsigned i = 0; i < n; i++) /* stay with a thread for a while */
			if (step[i].thread == last.thread && step[i].store < 0 &&
			    random_below(stay))
				next = step[i];
		take(next);
		last = next;
	}
	check_end();
}

/* Of the processor. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *first_data; /* as the linker made it */
static size_t start_size;

static void init(void)
{
	first_data = malloc(DATA_SIZE);
	saved = mmap(NULL, SAVED, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!first_data || saved == MAP_FAILED)
		abort();
	memcpy(first_data, __start_explore_data, DATA_SIZE);
	catch_signals();
}

/* Setup, once; the state after it is saved. False: it failed. */
static bool start(void)
{
	if (!first_data)
		init();
	memcpy(__start_explore_data, first_data, DATA_SIZE);
	memset(__start_explore_bss, 0, BSS_SIZE);
	memset(&world, 0, sizeof world);
	tls_init();
	memset(&clocks, 0, sizeof clocks);
	memset(race, 0, sizeof race);
	memset(place, 0, sizeof place);
	memset(known, 0, sizeof known);
	late_left = late_most;
	n_races = 0;
	running = NOBODY;
	depth = 0;
	if (setjmp(out))
		return false;
	act_as(scenario->as ? scenario->as : 1);
	scenario->setup();
	threads_init();
	start_size = state_save(saved);
	return true;
}

/* Back to where the threads begin. */
static void rewind_all(void)
{
	running = NOBODY;
	depth = 0;
	reclassified = false;
	late_choice = 0;
	state_restore(saved);
	memset(race, 0, sizeof race);
	memset(known, 0, sizeof known);
}

static void look_what_is_shared(void)
{
	random_state = 88172645463325252; /* the same, whatever was searched before */
	for (volatile unsigned i = 0; i < RANDOM_RUNS; i++) {
		rewind_all();
		if (!setjmp(out))
			random_run();
	}
}

static bool search_all(void)
{
	if (setjmp(again))
		result.restarts++;
	rewind_all();
	table_clear(1 << 16);
	result.states = result.steps = 0;
	result.depth = 0;
	start_size = state_save(saved); /* there are more races now */
	if (setjmp(out))
		return false;
	result.schedules = search(saved + start_size, -1, preemptions);
	return true;
}

/* Once more, to tell of a failure with as few pre-emptions as there are. */
static void tell(void)
{
	for (preemptions = 0; preemptions < 6; preemptions++) {
		memset(&result, 0, sizeof result);
		if (!search_all())
			break;
	}
	preemptions = -1;
	print_trace();
}

bool explore(const struct scenario *s, bool print)
{
	double begin = seconds();
	bool held, started;

	memset(&result, 0, sizeof result);
	scenario = s;
	for (n_threads = 0; n_threads < THREADS && s->thread[n_threads];)
		n_threads++;
	held = started = start();
	if (started) {
		look_what_is_shared();
		held = search_all();
	}
	printf("# %s: %u late load%s at most, %llu states, %llu steps, %.2g schedules of up to "
	       "%u steps, %.1f s\n",
	       s->name, late_most, late_most == 1 ? "" : "s", (unsigned long long)result.states,
	       (unsigned long long)result.steps, result.schedules, result.depth, seconds() - begin);
	if (!held && print && result.states > STATES_MAX)
		printf("#   too many states\n");
	else if (!held && print && started)
		tell();
	else if (!started)
		printf("#   setup: %s\n", message);
	fflush(stdout);
	return held;
}
