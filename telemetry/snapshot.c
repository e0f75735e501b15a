/*
 * snapshot.c - the process's statistics as one line of JSON. Uses only the public API.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "telemetry.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t telemetry_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A null object or value makes each of jansson's calls fail, and the whole NULL at the end. */
static void add(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

/* Names may hold any bytes; what isn't printable ASCII becomes a question mark. */
static void add_text(json_t *o, const char *key, const char *text)
{
	char clean[128];
	size_t n = 0;

	for (; text[n] && n < sizeof clean - 1; n++)
		clean[n] = text[n] >= ' ' && text[n] < 127 ? text[n] : '?';
	clean[n] = 0;
	json_object_set_new(o, key, json_string(clean));
}

#define ADD_STAT(name, what) add(o, #name, s.name);

static json_t *pool_stats(struct pp_pool *pool)
{
	json_t *o = json_object();
	struct pp_pool_stats s;

	pp_pool_stats(pool, &s, sizeof s);
	PP_POOL_STATS(ADD_STAT)
	return o;
}

static json_t *device_stats(struct pp_device *dev)
{
	json_t *o = json_object();
	struct pp_device_stats s;

	pp_device_stats(dev, &s, sizeof s);
	PP_DEVICE_STATS(ADD_STAT)
	return o;
}

static json_t *domain_stats(struct pp_device *dev)
{
	json_t *o = json_object();
	struct pp_domain_stats s;

	pp_domain_stats(dev, &s, sizeof s);
	PP_DOMAIN_STATS(ADD_STAT)
	return o;
}

static void add_pool(struct pp_pool *pool, void *ctx)
{
	static const char *const dir[] = { "bidirectional", "to device", "from device" };
	json_t *o = json_object(), *bindings = json_array();
	struct pp_pool_info i;

	pp_pool_info(pool, &i, sizeof i);
	add_text(o, "name", i.name);
	add_text(o, "label", i.label);
	add(o, "id", i.id);
	add(o, "page_size", i.page_size);
	add(o, "chunk_size", i.chunk_size);
	add_text(o, "dir", i.dir < 3 ? dir[i.dir] : "unknown");
	json_object_set_new(o, "destroyed", json_boolean(i.destroyed));
	add(o, "revoked_ago_ns", i.revoked_ago_ns);
	for (unsigned k = 0; k < i.n_bindings; k++)
		json_array_append_new(bindings, json_integer((json_int_t)i.binding[k].id));
	json_object_set_new(o, "bindings", bindings);
	json_object_set_new(o, "stats", pool_stats(pool));
	json_array_append_new(ctx, o);
}

static void add_device(struct pp_device *dev, void *ctx)
{
	static const char *const state[] = { "present", "bound", "gone" };
	json_t *o = json_object();

	add_text(o, "name", pp_device_name(dev));
	add(o, "id", pp_device_id(dev));
	add_text(o, "state", state[pp_device_state(dev)]);
	add(o, "binding", pp_device_binding(dev).id);
	add(o, "address_bits", pp_device_address_bits(dev));
	json_object_set_new(o, "stats", device_stats(dev));
	json_object_set_new(o, "domain", domain_stats(dev));
	json_array_append_new(ctx, o);
}

static json_t *process_totals(void)
{
	json_t *o = json_object();
	struct pp_totals t;

	pp_totals(&t, sizeof t);
	add(o, "pools", t.pools);
	add(o, "zombies", t.zombies);
	add(o, "zombie_pages", t.zombie_pages);
	add(o, "chunk_bytes", t.chunk_bytes);
	add(o, "iova_bytes", t.iova_bytes);
	add(o, "oldest_zombie_ns", t.oldest_zombie_ns);
	add(o, "oldest_zombie_pages", t.oldest_zombie_pages);
	add(o, "debug_reports", pp_debug_reports());
	return o;
}

char *snapshot_text(enum request request, const char *process, uint64_t started_ns)
{
	uint64_t now = telemetry_now_ns();
	json_t *o = json_object();
	char *text;

	add(o, "protocol", PP_TELEMETRY_PROTOCOL);
	add_text(o, "version", pp_version());
	add(o, "pid", (uint64_t)getpid());
	add_text(o, "process", process);
	add(o, "time_ns", now);
	add(o, "uptime_ns", now - started_ns);
	json_object_set_new(o, "totals", process_totals());
	if (request == REQUEST_ALL) {
		json_t *pools = json_array(), *devices = json_array();

		pp_pool_each(add_pool, pools);
		pp_device_each(add_device, devices);
		json_object_set_new(o, "pools", pools);
		json_object_set_new(o, "devices", devices);
	}
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}
