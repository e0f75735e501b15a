/*
 * pools.c - pagepool kernel pools: the page pools of the machine, as text, JSON and OpenMetrics.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "kernel.h"

#include <string.h>
#include <time.h>

#define SAY_NO_STATS "no rates: this kernel keeps no statistics (CONFIG_PAGE_POOL_STATS)\n"

static const char *const stat_names[] = {
#define X(name, help) #name,
	NETDEV_POOL_STATS(X)
#undef X
};

static const char *const stat_help[] = {
#define X(name, help) help,
	NETDEV_POOL_STATS(X)
#undef X
};

/* ---- for people ----------------------------------------------------------------------------- */

static uint64_t gets(const struct pool *p)
{
	return p->stats[NETDEV_STAT_alloc_fast] + p->stats[NETDEV_STAT_alloc_slow];
}

static uint64_t puts_back(const struct pool *p)
{
	return p->stats[NETDEV_STAT_recycle_cached] + p->stats[NETDEV_STAT_recycle_ring];
}

static const struct pool *same(const struct scan *before, const struct pool *pool)
{
	for (size_t i = 0; before && i < before->n_pools; i++)
		if (before->pool[i].id == pool->id && before->pool[i].address == pool->address)
			return &before->pool[i];
	return NULL;
}

/* Counters since the pool was made; or, with what was before, a second. */
static void print_rates(FILE *out, const struct pool *now, const struct pool *was, double seconds)
{
	char a[16], b[16];

	if (!now->has_stats || (seconds > 0 && (!was || !was->has_stats))) {
		fprintf(out, " %10s %10s", "-", "-");
		return;
	}
	if (seconds > 0)
		fprintf(out, " %10s %10s",
			table_brief((double)(gets(now) - gets(was)) / seconds, a),
			table_brief((double)(puts_back(now) - puts_back(was)) / seconds, b));
	else
		fprintf(out, " %10s %10s", table_brief((double)gets(now), a),
			table_brief((double)puts_back(now), b));
}

static void print_pool(FILE *out, const struct pool *p, const struct scan *before, double seconds,
		       bool rates)
{
	static const char *const mapped[] = { "?", "no", "yes" };
	char name[32], state[40], napi[24] = "-", memory[16];
	const char *interface = p->interface_gone ? "(gone)" : *p->interface ? p->interface : "?";
	int64_t pages = p->in_flight > 0 ? p->in_flight : 0;

	if (p->napi)
		snprintf(napi, sizeof napi, "%llu", (unsigned long long)p->napi);
	fprintf(out, "%-6s %-18s %-12s %7s %-16s %9lld %10s %6s", kernel_pool_name(p, name),
		interface, *p->driver ? p->driver : "-", napi, kernel_pool_state(p, state),
		(long long)p->in_flight, table_bytes((uint64_t)pages * p->page_bytes, memory),
		mapped[p->mapped]);
	if (rates)
		print_rates(out, p, same(before, p), seconds);
	fprintf(out, "\n");
}

static void print_table(FILE *out, const struct scan *s, const struct scan *before, double seconds)
{
	uint64_t bytes = 0, zombies = 0;
	bool rates = false;
	char buf[16];

	for (size_t i = 0; i < s->n_pools; i++) {
		const struct pool *p = &s->pool[i];

		rates |= p->has_stats;
		zombies += p->zombie;
		bytes += p->in_flight > 0 ? (uint64_t)p->in_flight * p->page_bytes : 0;
	}
	fprintf(out, "%zu page pool%s, %llu zombie%s; %s in flight\n", s->n_pools,
		s->n_pools == 1 ? "" : "s", (unsigned long long)zombies, zombies == 1 ? "" : "s",
		table_bytes(bytes, buf));
	if (s->peek && !s->all_pools)
		fprintf(out,
			"not seen: pools that name no interface and of whose pages none is found "
			"in a socket or pipe (no CONFIG_KALLSYMS_ALL)\n");
	if (!s->n_pools)
		return;
	fprintf(out, "\n%-6s %-18s %-12s %7s %-16s %9s %10s %6s", "POOL", "INTERFACE", "DRIVER",
		"NAPI", "STATE", "IN FLIGHT", "MEMORY", "MAPPED");
	fprintf(out, rates ? " %10s %10s\n" : "\n", seconds > 0 ? "GETS/s" : "GETS",
		seconds > 0 ? "PUTS/s" : "PUTS");
	for (size_t i = 0; i < s->n_pools; i++)
		print_pool(out, &s->pool[i], before, seconds, rates);
	if (!rates)
		fprintf(out, "\n" SAY_NO_STATS);
}

/* ---- for programs --------------------------------------------------------------------------- */

static json_t *number_or_null(bool known, int64_t n)
{
	return known ? json_integer(n) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

json_t *kernel_pool_json(const struct pool *p)
{
	json_t *o = json_object(), *stats = p->has_stats ? json_object() : json_null();

	json_object_set_new(o, "id", number_or_null(p->id, (int64_t)p->id));
	json_object_set_new(o, "interface", text_or_null(p->interface));
	json_object_set_new(o, "interface_gone", json_boolean(p->interface_gone));
	json_object_set_new(o, "driver", text_or_null(p->driver));
	json_object_set_new(o, "napi_id", number_or_null(p->napi, (int64_t)p->napi));
	json_object_set_new(o, "state", json_string(p->zombie ? "zombie" : "alive"));
	json_object_set_new(o, "detached_s",
			    number_or_null(p->zombie && p->zombie_s >= 0, p->zombie_s));
	json_object_set_new(o, "in_flight", json_integer(p->in_flight));
	json_object_set_new(o, "page_bytes", number_or_null(p->page_bytes, (int64_t)p->page_bytes));
	json_object_set_new(
		o, "in_flight_bytes",
		json_integer(p->in_flight > 0 ? p->in_flight * (int64_t)p->page_bytes : 0));
	json_object_set_new(o, "mapped",
			    p->mapped == UNKNOWN ? json_null() : json_boolean(p->mapped == YES));
	for (int i = 0; p->has_stats && i < NETDEV_STATS; i++)
		json_object_set_new(stats, stat_names[i], json_integer((int64_t)p->stats[i]));
	json_object_set_new(o, "stats", stats);
	return o;
}

static void print_json(const struct scan *s)
{
	json_t *o = json_object(), *pools = json_array();

	for (size_t i = 0; i < s->n_pools; i++)
		json_array_append_new(pools, kernel_pool_json(&s->pool[i]));
	json_object_set_new(o, "pools", pools);
	json_object_set_new(o, "all_pools", json_boolean(s->all_pools));
	json_object_set_new(o, "notes", kernel_notes(s));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void print_labels(const struct pool *p)
{
	char name[32];

	/* names were made printable when they were read; a quote in one would end the label */
	printf("{pool=\"%s\",interface=\"%.*s\",driver=\"%.*s\"}", kernel_pool_name(p, name),
	       (int)strcspn(p->interface, "\"\\"), p->interface, (int)strcspn(p->driver, "\"\\"),
	       p->driver);
}

static void print_gauge(const struct scan *s, const char *name, const char *help,
			bool (*value)(const struct pool *p, int64_t *v))
{
	int64_t v;

	printf("# TYPE pagepool_kernel_pool_%s gauge\n# HELP pagepool_kernel_pool_%s %s\n", name,
	       name, help);
	for (size_t i = 0; i < s->n_pools; i++) {
		if (!value(&s->pool[i], &v))
			continue;
		printf("pagepool_kernel_pool_%s", name);
		print_labels(&s->pool[i]);
		printf(" %lld\n", (long long)v);
	}
}

static bool in_flight(const struct pool *p, int64_t *v)
{
	*v = p->in_flight;
	return true;
}

static bool in_flight_bytes(const struct pool *p, int64_t *v)
{
	*v = p->in_flight > 0 ? p->in_flight * (int64_t)p->page_bytes : 0;
	return true;
}

static bool zombie(const struct pool *p, int64_t *v)
{
	*v = p->zombie;
	return true;
}

static bool mapped(const struct pool *p, int64_t *v)
{
	*v = p->mapped == YES;
	return p->mapped != UNKNOWN;
}

static bool detached(const struct pool *p, int64_t *v)
{
	*v = p->zombie_s;
	return p->zombie && p->zombie_s >= 0;
}

static void print_openmetrics(const struct scan *s)
{
	print_gauge(s, "in_flight", "pages taken from the system and not given back", in_flight);
	print_gauge(s, "in_flight_bytes", "their memory", in_flight_bytes);
	print_gauge(s, "zombie", "1: its driver has let it go, and it waits for its pages", zombie);
	print_gauge(s, "mapped", "1: its pages are mapped for a device", mapped);
	print_gauge(s, "detached_seconds", "how long ago its driver let it go", detached);
	for (int i = 0; i < NETDEV_STATS; i++) {
		printf("# TYPE pagepool_kernel_pool_%s counter\n# HELP pagepool_kernel_pool_%s "
		       "%s\n",
		       stat_names[i], stat_names[i], stat_help[i]);
		for (size_t j = 0; j < s->n_pools; j++) {
			if (!s->pool[j].has_stats)
				continue;
			printf("pagepool_kernel_pool_%s_total", stat_names[i]);
			print_labels(&s->pool[j]);
			printf(" %llu\n", (unsigned long long)s->pool[j].stats[i]);
		}
	}
	printf("# EOF\n");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int look(struct scan *s)
{
	int ret = scan_open(s);

	ret = ret ? ret : kernel_scan(s);
	if (ret) {
		say("can't list the kernel's page pools: %s", strerror(-ret));
		scan_close(s);
		return EXIT_ERROR;
	}
	scan_sort(s);
	if (s->peek || !*s->no_netlink)
		return EXIT_OK;
	for (unsigned i = 0; kernel_note(s, i); i++)
		say("%s", kernel_note(s, i));
	scan_close(s);
	return EXIT_ERROR;
}

static int list(uint64_t interval, bool json, bool openmetrics)
{
	struct scan s, before = { .n_pools = 0 };
	struct timespec wait = { (time_t)(interval / 1000), (long)(interval % 1000) * 1000000 };
	int ret = interval ? look(&before) : EXIT_OK;

	if (ret != EXIT_OK)
		return ret;
	while (interval && nanosleep(&wait, &wait))
		;
	ret = look(&s);
	if (ret != EXIT_OK) {
		scan_close(&before);
		return ret;
	}
	if (json)
		print_json(&s);
	else if (openmetrics)
		print_openmetrics(&s);
	else
		print_table(stdout, &s, interval ? &before : NULL, (double)interval / 1000);
	for (unsigned i = 0; !json && kernel_note(&s, i); i++)
		say("%s", kernel_note(&s, i));
	scan_close(&before);
	scan_close(&s);
	return EXIT_OK;
}

int kernel_pools_show(FILE *out, struct scan *s, double seconds)
{
	struct scan before = { .pool = s->pool, .n_pools = s->n_pools };
	int ret;

	s->pool = NULL; /* before's now */
	scan_clear(s);
	ret = kernel_scan(s);
	if (!ret) {
		scan_sort(s);
		print_table(out, s, before.n_pools ? &before : NULL, before.n_pools ? seconds : 0);
		for (unsigned i = 0; kernel_note(s, i); i++)
			fprintf(out, "%s\n", kernel_note(s, i));
	}
	scan_clear(&before);
	return ret;
}

int kernel_pools_main(int argc, char **argv)
{
	bool json = false, openmetrics = false;
	uint64_t interval = 0;
	const struct option_def defs[] = {
		{ "json", 0, NULL, "print all that is known, as JSON", OPTION_FLAG, &json },
		{ "openmetrics", 0, NULL, "print it as OpenMetrics text", OPTION_FLAG,
		  &openmetrics },
		{ "interval", 'i', "MS", "take two looks, MS apart, and show rates", OPTION_COUNT,
		  &interval },
		{ 0 },
	};

	if (options_parse(argc, argv, "kernel pools", "List the page pools of the running kernel.",
			  defs))
		return EXIT_USAGE;
	if (json && openmetrics) {
		say("--json and --openmetrics can't be combined");
		return EXIT_USAGE;
	}
	if (interval && (json || openmetrics)) {
		say("--interval is for the table only; --json and --openmetrics have the counters");
		return EXIT_USAGE;
	}
	return list(interval, json, openmetrics);
}
