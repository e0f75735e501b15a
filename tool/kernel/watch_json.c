/*
 * watch_json.c - pagepool kernel watch as JSON.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch_run.h"

#include <stdlib.h>
#include <string.h>

#define SECOND 1e9

static json_t *seconds(uint64_t ns)
{
	return json_real((double)ns / SECOND);
}

static json_t *stack_json(const struct watch_run *w, int stack)
{
	uint64_t frames[WATCH_FRAMES];
	size_t n = watch_stack(w, stack, frames);
	json_t *list = json_array();
	char name[128];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(symbols_name(w->symbols, frames[i], name)));
	return list;
}

/* The pool's number; null: it has none, or was never seen. */
static json_t *id_json(const struct watch_run *w, uint64_t address)
{
	const struct watched_pool *p = watch_pool_at(w, address);

	return p && p->now.id ? json_integer((json_int_t)p->now.id) : json_null();
}

static json_t *address_json(uint64_t address)
{
	char text[24];

	snprintf(text, sizeof text, "%llx", (unsigned long long)address);
	return json_string(text);
}

static json_t *pools_json(const struct watch_run *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < w->n_pools; i++) {
		const struct watched_pool *p = &w->pool[i];
		json_t *o = kernel_pool_json(&p->now);
		uint32_t taken = p->now.taken - p->taken_before,
			 back = p->now.given_back - p->given_back_before;

		json_object_set_new(o, "address", address_json(p->now.address));
		json_object_set_new(o, "made", json_boolean(p->made));
		json_object_set_new(o, "gone", json_boolean(watch_has_gone(w, p)));
		json_object_set_new(o, "taken", json_integer(taken));
		json_object_set_new(o, "given_back", json_integer(back));
		json_array_append_new(list, o);
	}
	return list;
}

/* By stack; what it is counted of is a pool or a device. */
static json_t *rows_json(const struct watch_run *w, enum watch_kind kind)
{
	size_t n;
	const struct follow_tally **rows = watch_sorted(w, kind, &n);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct follow_tally *t = rows[i];
		json_t *o = json_object();

		json_object_set_new(o, "count", json_integer((json_int_t)t->is.count));
		if (kind == WATCH_LATE) {
			json_object_set_new(
				o, "device",
				json_stringn(t->is.name, strnlen(t->is.name, WATCH_NAME)));
		} else {
			json_object_set_new(o, "pool", id_json(w, t->key.object));
			json_object_set_new(o, "pool_address", address_json(t->key.object));
		}
		json_object_set_new(o, "pid", json_integer(t->is.pid));
		json_object_set_new(
			o, "comm",
			json_stringn(t->is.comm, strnlen(t->is.comm, sizeof t->is.comm)));
		json_object_set_new(o, "stack", stack_json(w, t->key.stack));
		json_array_append_new(list, o);
	}
	free(rows);
	return list;
}

static json_t *ages_json(const struct watch_run *w, enum watch_kind kind)
{
	json_t *list = json_array();

	for (size_t i = 0; i < w->n_tallies; i++) {
		const struct follow_tally *t = &w->tally[i];
		json_t *o;

		if (t->key.kind != kind)
			continue;
		o = json_object();
		json_object_set_new(o, "pool", id_json(w, t->key.object));
		json_object_set_new(o, "pool_address", address_json(t->key.object));
		json_object_set_new(o, "at_most_s",
				    json_real((double)(1ull << t->key.stack) / 1e6));
		json_object_set_new(o, "pages", json_integer((json_int_t)t->is.count));
		json_array_append_new(list, o);
	}
	return list;
}

#define OLDEST 100

static json_t *oldest_json(const struct watch_run *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < w->n_pages && json_array_size(list) < OLDEST; i++) {
		const struct watch_page *p = &w->page[i].is;
		json_t *o = json_object();

		json_object_set_new(o, "pool", id_json(w, p->pool));
		json_object_set_new(o, "pool_address", address_json(p->pool));
		json_object_set_new(o, "taken_s",
				    p->taken_ns ? seconds(w->now_ns - p->taken_ns) : json_null());
		json_object_set_new(o, "left_s",
				    p->left_ns ? seconds(w->now_ns - p->left_ns) : json_null());
		json_object_set_new(o, "stack", stack_json(w, p->stack));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *missing_json(const struct watch_run *w)
{
	json_t *list = kernel_notes(&w->scan);
	const char *text;

	for (unsigned i = 0; (text = follow_missing(w->follow, i)); i++)
		json_array_append_new(list, json_string(text));
	return list;
}

void watch_print_json(FILE *out, const struct watch_run *w)
{
	struct watch_losses lost = follow_losses(w->follow);
	json_t *o = json_object();

	json_object_set_new(o, "seconds", seconds(w->now_ns - w->begun_ns));
	json_object_set_new(o, "one_page_in", json_integer((json_int_t)w->every));
	json_object_set_new(o, "pools", pools_json(w));
	json_object_set_new(o, "all_pools", json_boolean(w->scan.all_pools));
	json_object_set_new(o, "taken", json_integer((json_int_t)follow_taken(w->follow)));
	json_object_set_new(o, "left", json_integer((json_int_t)follow_left(w->follow)));
	json_object_set_new(o, "left_by", rows_json(w, WATCH_LEFT));
	json_object_set_new(o, "freed_by", rows_json(w, WATCH_FREED));
	json_object_set_new(o, "ages", ages_json(w, WATCH_AGE));
	json_object_set_new(o, "held_after", ages_json(w, WATCH_LINGER));
	json_object_set_new(o, "followed", json_integer((json_int_t)w->n_pages));
	json_object_set_new(o, "oldest", oldest_json(w));
	json_object_set_new(o, "late_unmaps", rows_json(w, WATCH_LATE));
	json_object_set_new(o, "negative", rows_json(w, WATCH_NEGATIVE));
	json_object_set_new(o, "freed_while_a_pools", rows_json(w, WATCH_LOST));
	json_object_set_new(o, "lost",
			    json_pack("{s:I,s:I,s:I,s:I}", "pages", (json_int_t)lost.pages, "pools",
				      (json_int_t)lost.pools, "stacks", (json_int_t)lost.stacks,
				      "tallies", (json_int_t)lost.tallies));
	json_object_set_new(o, "notes", missing_json(w));
	json_dumpf(o, out, JSON_COMPACT);
	putc('\n', out);
	json_decref(o);
}
