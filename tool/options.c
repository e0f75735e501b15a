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

static void print_help(const char *command, const char *what, const struct option_def *defs)
{
	printf("Usage: pagepool %s", command);
	for (const struct option_def *d = defs; d->name; d++)
		if (d->letter && d->value)
			printf(d->kind == OPTION_STRING ? " -%c %s" : " [-%c %s]", d->letter, d->value);
	printf(" [OPTION ...]");
	for (const struct option_def *d = defs; d->name; d++)
		if (d->kind == OPTION_ARGUMENT)
			printf(" %s", d->value);
	printf("\n%s\n\n", what);
	for (const struct option_def *d = defs; d->name; d++) {
		char left[64];

		if (d->kind == OPTION_ARGUMENT) {
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

		if (d->kind == OPTION_ARGUMENT)
			continue;
		if (d->letter && arg[1] == d->letter)
			return d;
		if (arg[1] == '-' && !strncmp(arg + 2, d->name, n) && (!arg[2 + n] || arg[2 + n] == '=')) {
			*len = 2 + n;
			return d;
		}
	}
	return NULL;
}

static int store(const struct option_def *d, const char *value)
{
	uint64_t min = d->kind == OPTION_COUNT;

	if (d->kind == OPTION_STRING || d->kind == OPTION_TEXT) {
		*(const char **)d->out = value;
	} else if (!number_parse(value, min, d->out)) {
		say("--%s takes a whole number from %d up, not \"%s\"", d->name, (int)min, value);
		return -1;
	}
	return 0;
}

/* The place of the next argument without a dash; NULL: there are too many. */
static const struct option_def *find_argument(const struct option_def *defs)
{
	for (const struct option_def *d = defs; d->name; d++)
		if (d->kind == OPTION_ARGUMENT && !*(const char **)d->out)
			return d;
	return NULL;
}

int options_parse(int argc, char **argv, const char *command, const char *what,
		  const struct option_def *defs)
{
	for (int i = 1; i < argc; i++) {
		const struct option_def *d;
		const char *arg = argv[i], *value = NULL;
		size_t len = 0;

		if (!strcmp(arg, "-h") || !strcmp(arg, "--help")) {
			print_help(command, what, defs);
			exit(EXIT_OK);
		}
		d = arg[0] == '-' && arg[1] ? find(defs, arg, &len) : find_argument(defs);
		if (d && d->kind == OPTION_ARGUMENT) {
			*(const char **)d->out = arg;
			continue;
		}
		if (!d) {
			say("%s doesn't know \"%s\"; see pagepool %s --help", command, arg, command);
			return -1;
		}
		if (arg[len])
			value = arg + len + (arg[len] == '=');
		if (d->kind == OPTION_FLAG && !value) {
			*(bool *)d->out = true;
			continue;
		}
		if (d->kind != OPTION_FLAG && !value)
			value = i + 1 < argc ? argv[++i] : NULL;
		if (d->kind == OPTION_FLAG || !value) {
			say(value ? "--%s takes no value" : "--%s needs a value", d->name);
			return -1;
		}
		if (store(d, value))
			return -1;
	}
	return 0;
}
