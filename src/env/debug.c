/*
 * debug.c - switches the checker on and off, and prints its reports. The checks are where their
 * subjects are.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/debug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SEEN 1024u        /* call sites remembered; once they are used up everything is printed */
#define UNREAD (1u << 31) /* the environment has not been asked yet */

static unsigned flags = UNREAD; /* relaxed: a switch, orders nothing */

struct report {
	struct report *next;
	uint64_t thread;
	bool ready; /* its thread has no lock any more */
	size_t len;
	char text[8192];
};

static struct {
	/* Protects all of it. Not one of env.h's: it is taken where those have been given up. */
	pthread_mutex_t lock;
	pthread_cond_t printed; /* `printer` is 0 */
	uint64_t printer;       /* the thread that prints; 0: none */
	struct report *first;   /* complete, not printed, in order */
	void (*out)(void *ctx, const char *text);
	void *ctx;
	uint64_t seen[SEEN]; /* hashes of what has been printed; 0: free */
	struct report spare;
	bool spare_taken;
} desk = { .lock = PTHREAD_MUTEX_INITIALIZER, .printed = PTHREAD_COND_INITIALIZER };

static uint64_t n_reports; /* all, printed or not; relaxed */
uint32_t debug_waiting;

static void desk_lock(void)
{
	env_cancel_off();
	pthread_mutex_lock(&desk.lock);
}

static void desk_unlock(void)
{
	pthread_mutex_unlock(&desk.lock);
	env_cancel_on();
}

static unsigned flag_of(const char *word, size_t len)
{
	static const struct {
		const char *word;
		unsigned flag;
	} words[] = {
		{ "dma", PP_DEBUG_DMA },
		{ "pages", PP_DEBUG_PAGES },
		{ "fatal", PP_DEBUG_FATAL },
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i].word) == len && !memcmp(words[i].word, word, len))
			return words[i].flag;
	return 0;
}

/* The flags of a list; NULL, or the word that is none. */
static const char *parse(const char *list, unsigned *what)
{
	*what = 0;
	while (*list) {
		size_t len = strcspn(list, ",");
		unsigned flag = flag_of(list, len);

		if (!flag && len)
			return list;
		*what |= flag;
		list += len;
		list += *list == ',';
	}
	return NULL;
}

int pp_debug_parse(const char *list, unsigned *what)
{
	const char *bad;
	unsigned flags_of_list;

	if (!list || !what)
		return debug_invalid(
			"pp_debug_parse: there is no list, or nowhere to store the flags");
	bad = parse(list, &flags_of_list);
	if (bad)
		return debug_invalid(
			"pp_debug_parse: \"%.*s\" is no word of the list: dma, pages and "
			"fatal are, separated by commas",
			(int)strcspn(bad, ","), bad);
	*what = flags_of_list;
	return 0;
}

unsigned pp_debug_get(void)
{
	unsigned now = env_load_relaxed(&flags);
	const char *setting;

	if (env_likely(now != UNREAD))
		return now;
	setting = env_setting("PAGEPOOL_DEBUG");
	if (setting && parse(setting, &now)) {
		static const char text[] =
			"pagepool: PAGEPOOL_DEBUG has an unknown word; it takes dma, pages and "
			"fatal, separated by commas. Debugging stays off.\n";

		env_write(2, text, sizeof text - 1);
		now = 0;
	} else if (!setting) {
		now = 0;
	}
	env_store_relaxed(&flags, now);
	return now;
}

void pp_debug_set(unsigned what)
{
	env_store_relaxed(&flags, what & (PP_DEBUG_DMA | PP_DEBUG_PAGES | PP_DEBUG_FATAL));
}

/* When it returns, what was named before is called no more. */
void pp_debug_set_report(void (*out)(void *ctx, const char *text), void *ctx)
{
	desk_lock();
	while (desk.printer && desk.printer != env_self())
		pthread_cond_wait(&desk.printed, &desk.lock);
	desk.out = out;
	desk.ctx = ctx;
	memset(desk.seen, 0, sizeof desk.seen); /* who asks anew, is told anew */
	desk_unlock();
}

uint64_t pp_debug_reports(void)
{
	return env_load_relaxed(&n_reports);
}

/* ---- writing ------------------------------------------------------------------------- */

static void append(struct report *r, const char *format, va_list args)
{
	size_t room = sizeof r->text - 1 - r->len; /* one is left for the last newline */
	int n = vsnprintf(r->text + r->len, room, format, args);

	if (n > 0)
		r->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void line(struct report *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	append(r, format, args);
	va_end(args);
}

/* True if the same was reported of this call site before; remembers it. */
static bool said_before(const char *caller, const char *format)
{
	uint64_t hash = (uintptr_t)format * 0x9E3779B97F4A7C15u | 1;

	for (; *caller; caller++)
		hash = (hash ^ (unsigned char)*caller) * 0x100000001B3u;
	for (unsigned i = 0; i < SEEN; i++) {
		uint64_t *at = &desk.seen[(hash + i) % SEEN];

		if (*at == hash)
			return true;
		if (!*at) {
			*at = hash;
			return false;
		}
	}
	return false;
}

/*
 * With a lock of the library's, the one at hand: a signal handler may have interrupted malloc(3).
 * NULL: none is needed, or it is in use. The desk's lock is held.
 */
static struct report *take_spare(void)
{
	if (!env_has_lock() || desk.spare_taken)
		return NULL;
	desk.spare_taken = true;
	return &desk.spare;
}

static void report_delete(struct report *r)
{
	if (r != &desk.spare) {
		free(r);
		return;
	}
	desk_lock();
	desk.spare_taken = false;
	desk_unlock();
}

struct report *debug_report(unsigned kind, const char *caller, const char *format, ...)
{
	struct report *r;
	va_list args;
	bool again;

	if (!debug_on(kind))
		return NULL;
	env_add_relaxed(&n_reports, 1);
	desk_lock();
	again = said_before(caller, format);
	r = again ? NULL : take_spare();
	desk_unlock();
	if (!again && !r)
		r = malloc(sizeof *r); /* not one of the library's that a test makes fail */
	if (!r)
		return NULL;
	*r = (struct report){ .thread = env_self() };
	line(r, "pagepool: ");
	va_start(args, format);
	append(r, format, args);
	va_end(args);
	return r;
}

void debug_note(struct report *r, const char *format, ...)
{
	va_list args;

	if (!r)
		return;
	line(r, "\n");
	va_start(args, format);
	append(r, format, args);
	va_end(args);
}

void debug_done(struct report *r)
{
	struct report **last = &desk.first;

	if (!r)
		return;
	desk_lock();
	while (*last)
		last = &(*last)->next;
	*last = r;
	env_add_relaxed(&debug_waiting, 1);
	desk_unlock();
	if (!env_has_lock())
		debug_print_waiting();
}

int debug_invalid(const char *format, ...)
{
	char text[400];
	va_list args;

	if (!debug_on(PP_DEBUG_DMA | PP_DEBUG_PAGES))
		return -EINVAL;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	debug_done(debug_report(PP_DEBUG_DMA | PP_DEBUG_PAGES, text, "%s", text));
	return -EINVAL;
}

/* ---- printing: one thread at a time, and without a lock ------------------------------- */

/* The first that may be printed, out of the queue, or NULL. */
static struct report *next_ready(void)
{
	struct report **p = &desk.first, *r;

	while (*p && !(*p)->ready)
		p = &(*p)->next;
	r = *p;
	if (r)
		*p = r->next;
	return r;
}

/* With the lock, which is given up for the time. */
static void print(struct report *r)
{
	void (*out)(void *ctx, const char *text) = desk.out;
	void *ctx = desk.ctx;

	pthread_mutex_unlock(&desk.lock);
	if (out) {
		out(ctx, r->text);
	} else {
		r->text[r->len] = '\n';
		env_write(2, r->text, r->len + 1);
	}
	report_delete(r);
	env_add_relaxed(&debug_waiting, -1u);
	if (debug_on(PP_DEBUG_FATAL))
		env_abort("pagepool: PAGEPOOL_DEBUG has `fatal`: this was the first report\n");
	pthread_mutex_lock(&desk.lock);
}

/*
 * If another thread prints, it prints these too; if this one does, in a report function that has
 * called the library, that call goes on with them.
 */
void debug_print_waiting(void)
{
	desk_lock();
	for (struct report *r = desk.first; r; r = r->next)
		r->ready |= r->thread == env_self();
	if (!desk.printer) {
		desk.printer = env_self();
		for (struct report *r; (r = next_ready());)
			print(r);
		desk.printer = 0;
		pthread_cond_broadcast(&desk.printed);
	}
	desk_unlock();
}
