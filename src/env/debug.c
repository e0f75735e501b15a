/*
 * debug.c - the checker's switch and its voice. What is checked is said where it is
 * checked.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/debug.h"

#include <stdarg.h>
#include <stdio.h>

#define SEEN 1024u /* places remembered; when they are used up everything is printed */
#define UNREAD (1u << 31) /* the environment has not been asked yet */

static unsigned flags = UNREAD; /* relaxed: a switch, orders nothing */

static struct {
	struct env_lock lock; /* protects what follows; held from debug_report to debug_done */
	char text[8192];
	size_t len;
	void (*out)(void *ctx, const char *text);
	void *ctx;
	uint64_t n; /* all, printed or not; relaxed */
	uint64_t seen[SEEN]; /* hashes of what has been printed; 0: free */
} report = { .lock = ENV_LOCK_INIT };

int pp_debug_parse(const char *list, unsigned *what)
{
	static const struct {
		const char *word;
		unsigned flag;
	} words[] = {
		{ "dma", PP_DEBUG_DMA },
		{ "pages", PP_DEBUG_PAGES },
		{ "fatal", PP_DEBUG_FATAL },
	};

	*what = 0;
	while (*list) {
		size_t len = strcspn(list, ",");
		unsigned flag = 0;

		for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
			if (strlen(words[i].word) == len && !memcmp(words[i].word, list, len))
				flag = words[i].flag;
		if (!flag && len)
			return -EINVAL;
		*what |= flag;
		list += len;
		list += *list == ',';
	}
	return 0;
}

unsigned pp_debug_get(void)
{
	unsigned now = env_load_relaxed(&flags);
	const char *setting;

	if (env_likely(now != UNREAD))
		return now;
	setting = env_setting("PAGEPOOL_DEBUG");
	if (setting && pp_debug_parse(setting, &now)) {
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

void pp_debug_set_report(void (*out)(void *ctx, const char *text), void *ctx)
{
	env_lock(&report.lock);
	report.out = out;
	report.ctx = ctx;
	memset(report.seen, 0, sizeof report.seen); /* who asks anew, is told anew */
	env_unlock(&report.lock);
}

uint64_t pp_debug_reports(void)
{
	return env_load_relaxed(&report.n);
}

static void append(const char *format, va_list args)
{
	size_t room = sizeof report.text - report.len;
	int n = vsnprintf(report.text + report.len, room, format, args);

	if (n > 0)
		report.len += (size_t)n < room ? (size_t)n : room - 1;
}

static void line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	append(format, args);
	va_end(args);
}

/* True if the same was said of the same place before; remembers it. */
static bool said_before(const char *place, const char *format)
{
	uint64_t hash = (uintptr_t)format * 0x9E3779B97F4A7C15u | 1;

	for (; *place; place++)
		hash = (hash ^ (unsigned char)*place) * 0x100000001B3u;
	for (unsigned i = 0; i < SEEN; i++) {
		uint64_t *at = &report.seen[(hash + i) % SEEN];

		if (*at == hash)
			return true;
		if (!*at) {
			*at = hash;
			return false;
		}
	}
	return false;
}

bool debug_report(unsigned kind, const char *place, const char *format, ...)
{
	va_list args;

	if (!debug_on(kind))
		return false;
	env_lock(&report.lock);
	env_add_relaxed(&report.n, 1);
	if (said_before(place, format)) {
		env_unlock(&report.lock);
		return false;
	}
	report.len = 0;
	line("pagepool: ");
	va_start(args, format);
	append(format, args);
	va_end(args);
	return true;
}

void debug_note(bool begun, const char *format, ...)
{
	va_list args;

	if (!begun)
		return;
	line("\n");
	va_start(args, format);
	append(format, args);
	va_end(args);
}

void debug_done(bool begun)
{
	if (!begun)
		return;
	if (report.out) {
		report.out(report.ctx, report.text);
	} else {
		line("\n");
		env_write(2, report.text, report.len);
	}
	env_unlock(&report.lock);
	if (debug_on(PP_DEBUG_FATAL))
		env_abort("pagepool: PAGEPOOL_DEBUG has `fatal`: this was the first report\n");
}
