/*
 * calls.c - the stateful fuzzer: reads an input as a list of calls, has each made by one of
 * several real threads, and compares pagepool with the reference after every one.
 *
 * Only one thread runs at a time: the others have handed over and wait, so that an input
 * does the same each time. What threads do to each other at the same moment is for
 * tests/stress and tests/model.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "calls.h"

#include <fcntl.h>
#include <unistd.h>

#include "env/env.h"

struct input in;
struct real real;
__thread int thread;
bool quiet_callbacks;
int report_expected;

static unsigned depth; /* of calls: 1, and one more inside each callback */
static unsigned n_calls;
static bool tracing;
static char last[256]; /* the last call */

/* ---- telling ------------------------------------------------------------------------------ */

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last, sizeof last, format, args);
	va_end(args);
	if (tracing)
		fprintf(stderr, "%3u %*s[%d] %s\n", n_calls, 2 * (int)depth, "", thread, last);
}

void failed(const char *file, int line, const char *what, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "call %u, by thread %d: %s\n%s:%d: %s: ", n_calls, thread, last, file, line,
		what);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	abort();
}

void tell(const char *format, ...)
{
	va_list args;

	if (!tracing)
		return;
	va_start(args, format);
	fprintf(stderr, "    ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
}

static void report(void *ctx, const char *text)
{
	(void)ctx;
	tell("%s", text);
}

/* ---- failures on purpose --------------------------------------------------------------------- */

static unsigned fault_at; /* counts down; 0: none */
static bool fault_done;
int fault_said;

static bool decide(void *ctx, const char *what)
{
	(void)ctx;
	if (!fault_at || --fault_at)
		return false;
	tell("failing: %s", what);
	fault_done = true;
	return true;
}

void faults_begin(void)
{
	uint8_t b = input_byte(&in);

	fault_done = false;
	fault_said = 0;
	fault_at = b >= 0xE0 ? b - 0xDFu : 0;
	backend_fail(b >= 0xB0 && b < 0xE0 ? 1 + b % 3 : 0, b / 3, b & 1);
}

bool faults_end(void)
{
	bool broken, done = fault_done;

	fault_at = 0;
	fault_done = false;
	fault_said = backend_failed(&broken);
	if (broken && (ref.debug & PP_DEBUG_DMA) && report_expected == REPORT_NONE)
		report_expected = REPORT_SOME;
	ref.faults += done || fault_said;
	return done || fault_said;
}

/* ---- choosing -------------------------------------------------------------------------------- */

int pick_binding(pp_binding_t *name)
{
	unsigned b = input_byte(&in);
	int i = NONE;

	*name = pp_binding_none();
	if (b < 0xC0) /* of a device, the one that is alive */
		i = ref.device[b % DEVICES].binding;
	if (i == NONE && b < 0xFC && ref.n_bindings)
		i = (int)(b / DEVICES % (unsigned)ref.n_bindings);
	if (i != NONE)
		*name = ref.binding[i].name;
	else if (b & 1)
		name->id = 0x1FFFFu; /* a slot that no device ever had */
	return i;
}

int pick_device(void)
{
	int d = (int)input_below(&in, DEVICES);

	return ref.device[d].there ? d : NONE;
}

int pick_pool(void)
{
	unsigned b = input_byte(&in);

	for (unsigned i = 0; i < POOLS; i++)
		if (ref.pool[(b + i) % POOLS].handle)
			return (int)((b + i) % POOLS);
	return NONE;
}

/* ---- calls of no object ---------------------------------------------------------------------- */

static void compare_dump(void)
{
	static int fd = -1;
	uint64_t watched = 0;

	if (fd < 0)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (int p = 0; p < POOLS; p++)
		watched += ref.pool[p].there && ref.pool[p].watched ? ref.pool[p].in_flight : 0;
	must_be(pp_debug_dump_pages(fd), watched, "what pp_debug_dump_pages counts");
	must_be(pp_debug_dump_pages_signal(fd), watched, "what pp_debug_dump_pages_signal counts");
}

/* A list of the checker's words, and perhaps something that is none. */
static void parse_words(void)
{
	static const char *const word[] = { "dma", "pages", "fatal", "", "page", "dma " };
	char list[64] = "";
	unsigned got = 99, want = 0, n = input_below(&in, 5);
	bool good = true;

	for (unsigned i = 0; i < n; i++) {
		unsigned w = input_below(&in, 6);

		strcat(strcat(list, i ? "," : ""), word[w]);
		want |= w < 3 ? 1u << w : 0;
		good &= w < 4;
	}
	note("pp_debug_parse(\"%s\")", list);
	must_be(pp_debug_parse(list, &got), good ? 0 : -EINVAL, "the result");
	if (!good)
		expect_sentence();
	must(got == (good ? want : 99), "flags %u, not %u", got, want);
}

static bool call_other(unsigned which)
{
	if (which == 0) {
		note("pp_debug_dump_pages()");
		compare_dump();
	} else if (which == 1) {
		parse_words();
	} else if (which == 2) {
		note("pp_device_each(), pp_pool_each()");
		devices_each();
		pools_each_compare();
	} else {
		note("pp_version(), pp_soft_fault_name()");
		must(pp_version()[0], "no version");
		must(pp_soft_fault_name((enum pp_soft_fault_reason)input_byte(&in))[0], "no name");
		must_be(pp_debug_get(), ref.debug, "pp_debug_get()");
	}
	return true;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static struct pp_totals lost_before; /* in other inputs */

static void compare_totals(void)
{
	struct pp_totals t;
	uint64_t pools = 0, zombies = 0, pages = 0, bytes = 0, pending = 0;

	pp_totals(&t, sizeof t);
	for (int i = 0; i < POOLS; i++) {
		const struct ref_pool *p = &ref.pool[i];

		if (!p->there)
			continue;
		pools++;
		zombies += p->revoked;
		pages += p->revoked ? p->in_flight : 0;
		if (p->handle)
			bytes += pool_bytes(i);
		else if (p->in_flight < 100)
			bytes += ref_bytes(i, ref_chunks(i));
		pending += !p->handle && p->in_flight >= 100; /* too many to count each time */
	}
	for (int i = 0; i < DEVICES; i++)
		pending += ref.device[i].there ? domain_now[i].pending_ranges : 0;
	must_be(t.pools, pools, "totals: pools");
	must_be(t.zombies, zombies, "totals: zombies");
	must_be(t.zombie_pages, pages, "totals: zombie pages");
	must(t.oldest_zombie_pages <= pages, "%llu", (unsigned long long)t.oldest_zombie_pages);
	bytes += lost_before.chunk_bytes;
	must(t.chunk_bytes >= bytes && (pending || ref.lost || t.chunk_bytes == bytes),
	     "totals: %llu bytes of chunks, not %llu", (unsigned long long)t.chunk_bytes,
	     (unsigned long long)bytes);
}

static void compare(void)
{
	pools_compare(); /* first: it brings the pools' own records up to date */
	for (int i = 0; i < DEVICES; i++)
		if (ref.device[i].there)
			device_compare(i);
	for (int i = 0; i < ref.n_bindings; i++)
		must_be(pp_binding_alive(ref.binding[i].name), ref.binding[i].alive,
			"pp_binding_alive()");
	mappings_compare();
	pages_compare(depth == 0 && n_calls % 8 == 0);
	compare_totals();
}

/* ---- the list of calls ----------------------------------------------------------------------- */

void one_call(void)
{
	unsigned which = input_byte(&in);

	if (which < 60)
		call_device(which % CALLS_DEVICE);
	else if (which < 140)
		call_dma(which % CALLS_DMA);
	else if (which < 228)
		call_pool(which % CALLS_POOL);
	else if (which < 240)
		call_getter(which % CALLS_GETTER);
	else if (which < 248)
		call_crowd(which % 4);
	else if (which < 252)
		call_other(which % 4);
	else
		call_pool_more(input_below(&in, CALLS_POOL_MORE));
}

static void step(void)
{
	uint64_t reports = pp_debug_reports();

	n_calls++;
	depth++;
	report_expected = depth > 1 ? REPORT_MAYBE : REPORT_NONE;
	if (thread || !(input_byte(&in) & 1) || !crowd_do(1, one_call))
		one_call();
	depth--;
	ref.lost |= any_broken();
	recalls_compare();
	compare();
	if (ref.debug && depth == 0 && report_expected != REPORT_MAYBE && !ref.unsynced &&
	    !ref.lost)
		must((pp_debug_reports() != reports) == (report_expected == REPORT_SOME),
		     "the checker reported %llu times",
		     (unsigned long long)(pp_debug_reports() - reports));
	if (depth) /* what the outer call is to report is not known any more */
		report_expected = REPORT_MAYBE;
}

void calls_nested(void)
{
	unsigned n = quiet_callbacks || depth > 2 ? 0 : input_below(&in, 4);
	char outer[sizeof last];

	fault_at = 0;
	backend_fail(0, 0, false);
	memcpy(outer, last, sizeof last);
	while (n--)
		step();
	memcpy(last, outer, sizeof last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pp_totals t;
	unsigned lies;

	in = (struct input){ data, data + size };
	tracing = getenv("PAGEPOOL_FUZZ_TRACE") != NULL;
	pp_totals(&lost_before, sizeof lost_before);
	lies = backend_lies();
	n_calls = 0;
	pp_self = (struct pp_self){ 0 }; /* what it learned from the last input */
	ref_reset();
	ref.debug = input_byte(&in) & (PP_DEBUG_DMA | PP_DEBUG_PAGES);
	pp_debug_set(ref.debug);
	pp_debug_set_report(report, NULL);
	env_fault_set(decide, NULL);
	pools_begin();
	devices_begin();
	while (!input_ended(&in))
		step();
	note("the end");
	quiet_callbacks = true;
	ref.lost |= any_broken();
	devices_end();
	pools_end();
	quiet_callbacks = false;
	crowd_end();
	pp_totals(&t, sizeof t);
	must(!t.pools && ((t.chunk_bytes == lost_before.chunk_bytes &&
			   t.iova_bytes == lost_before.iova_bytes) ||
			  backend_lies() > lies),
	     "left: %llu pools, %llu bytes, %llu of IOVA", (unsigned long long)t.pools,
	     (unsigned long long)t.chunk_bytes, (unsigned long long)t.iova_bytes);
	return 0;
}
