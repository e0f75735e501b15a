/*
 * options.c - a command's options from one table: parsing, checking, help.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool number_parse(const char *text, uint64_t min, uint64_t *out)
{
	char *end;
	unsigned long long n;

	if (!isdigit((unsigned char)*text)) /* strtoull would take blanks and signs */
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n < min)
		return false;
	*out = n;
	return true;
}

static bool is_argument(const struct option_def *d)
{
	return d->kind == OPTION_ARGUMENT || d->kind == OPTION_WORDS;
}

static void print_help(const char *command, const char *what, const struct option_def *defs)
{
	printf("Usage: pagepool %s", command);
	for (const struct option_def *d = defs; d->name; d++)
		if (d->letter && d->value)
			printf(d->kind == OPTION_STRING ? " -%c %s" : " [-%c %s]", d->letter,
			       d->value);
	printf(" [OPTION ...]");
	for (const struct option_def *d = defs; d->name; d++)
		if (is_argument(d))
			printf(" %s", d->value);
	printf("\n%s\n\n", what);
	for (const struct option_def *d = defs; d->name; d++) {
		char left[64];

		if (is_argument(d)) {
			printf("  %-26s %s\n", d->name, d->help);
			continue;
		}

		snprintf(left, sizeof left, "%c%c%s--%s%s%s", d->letter ? '-' : ' ',
			 d->letter ? d->letter : ' ', d->letter ? ", " : "  ", d->name,
			 d->value ? " " : "", d->value ? d->value : "");
		printf("  %-26s %s\n", left, d->help);
	}
	printf("  %-26s %s\n", "-h, --help", "show this help");
}

static const struct option_def *find(const struct option_def *defs, const char *arg, size_t *len)
{
	*len = 2;
	for (const struct option_def *d = defs; d->name; d++) {
		size_t n = strlen(d->name);

		if (is_argument(d))
			continue;
		if (d->letter && arg[1] == d->letter)
			return d;
		if (arg[1] == '-' && !strncmp(arg + 2, d->name, n) &&
		    (!arg[2 + n] || arg[2 + n] == '=')) {
			*len = 2 + n;
			return d;
		}
	}
	return NULL;
}

static int store_in_list(const struct option_def *d, const char *value)
{
	struct option_list *list = d->out;

	if (list->n == sizeof list->value / sizeof list->value[0]) {
		say("--%s can be given %u times at most", d->name, list->n);
		return -1;
	}
	list->value[list->n++] = value;
	return 0;
}

static int store(const struct option_def *d, const char *value)
{
	uint64_t min = d->kind == OPTION_COUNT;

	if ((d->kind == OPTION_FLAG) == (value != NULL)) {
		say(value ? "--%s takes no value" : "--%s needs a value", d->name);
		return -1;
	}
	if ((d->kind == OPTION_STRING || d->kind == OPTION_TEXT) && !*value) {
		say("--%s needs a value, and \"\" is none", d->name);
		return -1;
	}
	if (d->kind == OPTION_LIST)
		return store_in_list(d, value);
	if (d->kind == OPTION_FLAG) {
		*(bool *)d->out = true;
	} else if (d->kind == OPTION_STRING || d->kind == OPTION_TEXT) {
		*(const char **)d->out = value;
	} else if (!number_parse(value, min, d->out)) {
		say("--%s takes a whole number of at least %d, not \"%s\"", d->name, (int)min,
		    value);
		return -1;
	}
	return 0;
}

/* The place of the next argument without a dash; NULL: there are too many. */
static const struct option_def *find_argument(const struct option_def *defs)
{
	for (const struct option_def *d = defs; d->name; d++)
		if (d->kind == OPTION_WORDS ||
		    (d->kind == OPTION_ARGUMENT && !*(const char **)d->out))
			return d;
	return NULL;
}

/* What isn't an option: a name, or one more word. */
static int store_argument(const struct option_def *d, const char *arg)
{
	static char *words; /* the process's: nobody frees it */
	size_t n = words ? strlen(words) + 1 : 0;
	char *more;

	if (d->kind == OPTION_ARGUMENT) {
		*(const char **)d->out = arg;
		return 0;
	}
	if (!*(const char **)d->out)
		n = 0;
	more = realloc(words, n + strlen(arg) + 1);
	if (!more) {
		say("no memory for a command line this long");
		return -1;
	}
	words = more;
	if (n)
		words[n - 1] = ' ';
	strcpy(words + n, arg);
	*(const char **)d->out = words;
	return 0;
}

int options_parse(int argc, char **argv, const char *command, const char *what,
		  const struct option_def *defs)
{
	bool options = true;

	for (int i = 1; i < argc; i++) {
		const struct option_def *d;
		const char *arg = argv[i], *value = NULL;
		size_t len = 0;

		if (options && !strcmp(arg, "--")) {
			options = false;
			continue;
		}
		if (options && (!strcmp(arg, "-h") || !strcmp(arg, "--help"))) {
			print_help(command, what, defs);
			exit(EXIT_OK);
		}
		d = options && arg[0] == '-' && arg[1] ? find(defs, arg, &len) :
							 find_argument(defs);
		if (d && is_argument(d)) {
			if (store_argument(d, arg))
				return -1;
			continue;
		}
		if (!d) {
			say("%s doesn't know \"%s\"; see pagepool %s --help", command, arg,
			    command);
			return -1;
		}
		if (arg[len])
			value = arg + len + (arg[len] == '=');
		if (d->kind != OPTION_FLAG && !value)
			value = i + 1 < argc ? argv[++i] : NULL;
		if (store(d, value))
			return -1;
	}
	return 0;
}
