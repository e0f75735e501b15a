/*
 * symbols.c - the kernel's functions by address, from /proc/kallsyms: read once, sorted.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTION_MAX (1u << 20) /* bytes; farther from its beginning an address is of no function */

struct symbol {
	uint64_t address;
	char *name;
};

struct symbols {
	struct symbol *symbol;
	size_t n, room;
};

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct symbol *)a)->address, y = ((const struct symbol *)b)->address;

	return (x > y) - (x < y);
}

/* "ffffffff81000000 T name\t[module]". False: no memory. */
static bool add(struct symbols *s, const char *line)
{
	char name[128], module[64] = "", both[256];
	unsigned long long address;
	struct symbol *grown;
	char kind;
	int n = sscanf(line, "%llx %c %127s %63s", &address, &kind, name, module);

	if (n < 3 || !address || !strchr("tTwW", kind))
		return true;
	if (s->n == s->room) {
		grown = realloc(s->symbol, (s->room ? s->room * 2 : 1 << 16) * sizeof *grown);
		if (!grown)
			return false;
		s->symbol = grown;
		s->room = s->room ? s->room * 2 : 1 << 16;
	}
	snprintf(both, sizeof both, "%s%s%s", name, *module ? " " : "", module);
	s->symbol[s->n].name = strdup(both);
	s->symbol[s->n].address = address;
	s->n += !!s->symbol[s->n].name;
	return true;
}

struct symbols *symbols_open(void)
{
	struct symbols *s = calloc(1, sizeof *s);
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512];
	bool ok = s && f;

	while (ok && fgets(line, sizeof line, f))
		ok = add(s, line);
	if (f)
		fclose(f);
	if (!ok) {
		symbols_close(s);
		return NULL;
	}
	if (s->n)
		qsort(s->symbol, s->n, sizeof *s->symbol, by_address);
	return s;
}

void symbols_close(struct symbols *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		free(s->symbol[i].name);
	if (s)
		free(s->symbol);
	free(s);
}

const char *symbols_name(const struct symbols *s, uint64_t address, char buf[128])
{
	size_t low = 0, high = s ? s->n : 0;

	while (low < high) { /* below low: at or before it; from high on: behind it */
		size_t middle = low + (high - low) / 2;

		if (s->symbol[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && address - s->symbol[low - 1].address < FUNCTION_MAX)
		snprintf(buf, 128, "%.127s", s->symbol[low - 1].name);
	else
		snprintf(buf, 128, "0x%llx", (unsigned long long)address);
	return buf;
}
