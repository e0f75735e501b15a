/*
 * table.c - a process's statistics as a table: once (stat), or repeatedly (top).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch.h"

#include <string.h>

/* A number in at most six places: 12345, 123.4k, 12.3M */
const char *table_brief(double n, char *buf)
{
	static const char unit[] = " kMGTPE";
	unsigned u = 0;

	while (n >= 99999.5 || (u && n >= 999.95)) {
		n /= 1000;
		u++;
	}
	snprintf(buf, 16, u ? "%.1f%c" : "%.0f", n, unit[u]);
	return buf;
}

const char *table_bytes(uint64_t n, char *buf)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double d = (double)n;
	unsigned u = 0;

	for (; d >= 1024; u++)
		d /= 1024;
	snprintf(buf, 16, u ? "%.1f %s" : "%.0f %s", d, unit[u]);
	return buf;
}

const char *table_ago(uint64_t ns, char *buf)
{
	double s = (double)ns / 1e9;

	if (s < 60)
		snprintf(buf, 16, "%.1f s", s);
	else if (s < 3600)
		snprintf(buf, 16, "%.1f min", s / 60);
	else
		snprintf(buf, 16, "%.1f h", s / 3600);
	return buf;
}

/* The same pool or device a moment ago, or NULL. */
static const json_t *same(const json_t *before, const char *list, uint64_t id)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(before, list), i,
			   o) if (watch_number(o, "id") == id) return o;
	return NULL;
}

/* Of some counters together, a second. */
static double rate(const json_t *now, const json_t *was, double seconds, const char *const *keys)
{
	double n = 0;

	for (; *keys; keys++)
		n += (double)watch_number(now, *keys) - (double)watch_number(was, *keys);
	return seconds > 0 && was && n > 0 ? n / seconds : 0;
}

static void print_pool(FILE *out, const json_t *all, const json_t *p, const json_t *was, double s)
{
	static const char *const gets[] = { "alloc_fast", NULL };
	static const char *const puts[] = { "recycle_cached", "recycle_ring", "recycle_ring_full",
					    NULL };
	static const char *const fails[] = { "alloc_failed", NULL };
	const json_t *st = json_object_get(p, "stats"), *old = json_object_get(was, "stats");
	json_t *bindings = json_object_get(p, "bindings");
	char name[32], dev[32], state[24], a[16], b[16], c[16], d[16], e[16];
	uint64_t revoked = watch_number(p, "revoked_ago_ns");

	watch_device(all, (uint64_t)json_integer_value(json_array_get(bindings, 0)), dev,
		     sizeof dev);
	if (json_array_size(bindings) > 1)
		snprintf(dev, sizeof dev, "%zu devices", json_array_size(bindings));
	snprintf(state, sizeof state, "%s%s", revoked ? "zombie " : "alive",
		 revoked ? table_ago(revoked, a) : "");
	fprintf(out, "%-14.14s %-12.12s %-15s %9s %9s %7s %10s",
		watch_text(p, "name", name, sizeof name), dev[0] ? dev : "-", state,
		table_brief((double)watch_number(st, "in_flight"), a),
		table_brief((double)watch_number(st, "pages"), b),
		table_brief((double)watch_number(st, "chunks"), c),
		table_bytes(watch_number(st, "bytes_mapped"), d));
	if (s > 0)
		fprintf(out, " %8s %8s %7s\n", table_brief(rate(st, old, s, gets), a),
			table_brief(rate(st, old, s, puts), b),
			table_brief(rate(st, old, s, fails), c));
	else
		fprintf(out, " %8s %8s\n", table_brief((double)watch_number(st, "alloc_fast"), a),
			table_brief((double)watch_number(st, "alloc_failed"), e));
}

static void print_device(FILE *out, const json_t *d, const json_t *was, double s)
{
	static const char *const faults[] = { "faults", NULL };
	const json_t *st = json_object_get(d, "stats"), *dom = json_object_get(d, "domain");
	char name[32], state[16], a[16], b[16], c[16], e[16], f[16];

	fprintf(out, "%-14.14s %-12s %8s %9s %10s %9s %9s",
		watch_text(d, "name", name, sizeof name),
		watch_text(d, "state", state, sizeof state),
		table_brief((double)watch_number(st, "bindings"), a),
		table_brief((double)watch_number(dom, "mappings"), b),
		table_bytes(watch_number(dom, "bytes_mapped"), c),
		table_brief((double)watch_number(dom, "faults"), e),
		table_brief((double)watch_number(st, "late_calls_refused"), f));
	if (s > 0)
		fprintf(out, " %9s",
			table_brief(rate(dom, json_object_get(was, "domain"), s, faults), a));
	fprintf(out, "\n");
}

void table_print(FILE *out, const json_t *now, const json_t *before)
{
	const json_t *t = json_object_get(now, "totals");
	double s = before ? (double)watch_number(now, "time_ns") -
				    (double)watch_number(before, "time_ns") :
			    0;
	char name[64], version[32], a[16], b[16], c[16], pools[GROUPED], reports[GROUPED];
	json_t *o;
	size_t i;

	s = s > 0 ? s / 1e9 : 0;
	fprintf(out, "%s, process %llu, up %s, pagepool %s\n",
		watch_text(now, "process", name, sizeof name),
		(unsigned long long)watch_number(now, "pid"),
		table_ago(watch_number(now, "uptime_ns"), a),
		watch_text(now, "version", version, sizeof version));
	fprintf(out, "%s pools; %s of chunks, %s of IOVA; %s reports of the checker\n",
		grouped(watch_number(t, "pools"), pools),
		table_bytes(watch_number(t, "chunk_bytes"), a),
		table_bytes(watch_number(t, "iova_bytes"), b),
		grouped(watch_number(t, "debug_reports"), reports));
	if (watch_number(t, "zombies"))
		fprintf(out, "%s zombies with %s pages; the oldest was revoked %s ago and has %s\n",
			grouped(watch_number(t, "zombies"), pools),
			table_brief((double)watch_number(t, "zombie_pages"), a),
			table_ago(watch_number(t, "oldest_zombie_ns"), b),
			table_brief((double)watch_number(t, "oldest_zombie_pages"), c));
	else
		fprintf(out, "no zombies\n");
	fprintf(out, "\n%-14s %-12s %-15s %9s %9s %7s %10s", "POOL", "DEVICE", "STATE", "IN FLIGHT",
		"PAGES", "CHUNKS", "MAPPED");
	fprintf(out, s > 0 ? " %8s %8s %7s\n" : " %8s %8s\n", s > 0 ? "GETS/s" : "GETS",
		s > 0 ? "PUTS/s" : "FAILED", "FAILS/s");
	json_array_foreach(json_object_get(now, "pools"), i, o)
		print_pool(out, now, o, same(before, "pools", watch_number(o, "id")), s);
	fprintf(out, "\n%-14s %-12s %8s %9s %10s %9s %9s%s\n", "DEVICE", "STATE", "BINDINGS",
		"MAPPINGS", "MAPPED", "FAULTS", "LATE", s > 0 ? "  FAULTS/s" : "");
	json_array_foreach(json_object_get(now, "devices"), i, o)
		print_device(out, o, same(before, "devices", watch_number(o, "id")), s);
}
