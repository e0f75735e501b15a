/*
 * openmetrics.c - a process's statistics as OpenMetrics 1.0 text: families with their type
 * and help, each with its samples in one block, and # EOF.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch.h"

#include <string.h>

/* Which of the statistics only ever grow; the rest are gauges. */
static const char *const counters[] = {
	"alloc_fast",
	"alloc_slow",
	"alloc_slow_high_order",
	"alloc_empty",
	"alloc_refill",
	"alloc_failed",
	"recycle_cached",
	"recycle_cache_full",
	"recycle_ring",
	"recycle_ring_full",
	"chunks_released",
	"bindings",
	"late_calls_refused",
	"mappings_forgotten",
	"maps",
	"unmaps",
	"invalidations",
	"faults",
	"dma_reads",
	"dma_writes",
	"iotlb_misses",
	"breaches",
	"bytes_lost",
	"debug_reports",
};

static bool is_counter(const char *name)
{
	for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
		if (!strcmp(counters[i], name))
			return true;
	return false;
}

static bool is_ns(const char *name)
{
	size_t n = strlen(name);

	return n > 3 && !strcmp(name + n - 3, "_ns");
}

/* Names are printable ASCII here; what is left to escape is the quote and the backslash. */
static void print_label(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s=\"", key);
	for (; *value; value++)
		fprintf(out, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
	fputc('"', out);
}

static void print_labels(FILE *out, const json_t *all, const json_t *o, const char *what)
{
	char text[64];

	if (!what)
		return;
	fputc('{', out);
	print_label(out, what, watch_text(o, "name", text, sizeof text));
	fprintf(out, ",id=\"%llu\"", (unsigned long long)watch_number(o, "id"));
	if (!strcmp(what, "pool")) {
		uint64_t binding = (uint64_t)json_integer_value(
			json_array_get(json_object_get(o, "bindings"), 0));

		fputc(',', out);
		print_label(out, "device", watch_device(all, binding, text, sizeof text));
	}
	fputc('}', out);
}

static void print_value(FILE *out, const char *name, uint64_t value)
{
	if (is_ns(name))
		fprintf(out, " %.9f\n", (double)value / 1e9);
	else
		fprintf(out, " %llu\n", (unsigned long long)value);
}

/*
 * One family: "pagepool_" scope, name; its samples are the members `name` of each object of
 * the list, or of the object inside it that `part` names.
 */
struct family {
	const char *scope, *name, *help;
	const char *list, *part, *label;
};

static void print_family(FILE *out, const json_t *all, const struct family *f)
{
	bool counter = is_counter(f->name);
	char full[96];
	json_t *o;
	size_t i;

	snprintf(full, sizeof full, "pagepool_%s%.*s%s", f->scope,
		 (int)(strlen(f->name) - (is_ns(f->name) ? 3 : 0)), f->name,
		 is_ns(f->name) ? "_seconds" : "");
	fprintf(out, "# TYPE %s %s\n", full, counter ? "counter" : "gauge");
	if (is_ns(f->name))
		fprintf(out, "# UNIT %s seconds\n", full);
	fprintf(out, "# HELP %s %s\n", full, f->help);
	if (!f->list) {
		fprintf(out, "%s%s", full, counter ? "_total" : "");
		print_value(out, f->name, watch_number(json_object_get(all, f->part), f->name));
		return;
	}
	json_array_foreach(json_object_get(all, f->list), i, o)
	{
		fprintf(out, "%s%s", full, counter ? "_total" : "");
		print_labels(out, all, o, f->label);
		print_value(out, f->name, watch_number(json_object_get(o, f->part), f->name));
	}
}

void openmetrics_print(FILE *out, const json_t *now)
{
#define TOTAL(member, what) { "", #member, what, NULL, "totals", NULL },
#define POOL(member, what) { "pool_", #member, what, "pools", "stats", "pool" },
#define DEVICE(member, what) { "device_", #member, what, "devices", "stats", "device" },
#define DOMAIN(member, what) { "domain_", #member, what, "devices", "domain", "device" },
	static const struct family families[] = {
		TOTAL(pools, "pools of the process, zombies too") TOTAL(
			zombies, "revoked pools that wait for their pages")
			TOTAL(zombie_pages, "pages in flight of zombies") TOTAL(
				chunk_bytes, "memory of chunks not given back to the system")
				TOTAL(iova_bytes, "IOVA space in use, all domains") TOTAL(
					oldest_zombie_ns,
					"how long ago the oldest zombie was revoked")
					TOTAL(oldest_zombie_pages,
					      "pages in flight of the oldest zombie")
						TOTAL(debug_reports, "reports of the checker")
							PP_POOL_STATS(POOL) PP_DEVICE_STATS(DEVICE)
								PP_DOMAIN_STATS(DOMAIN)
	};

	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
		print_family(out, now, &families[i]);
	fprintf(out, "# EOF\n");
}
