/*
 * forward_report.c - the report of forwarding, as text and as JSON.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "forward.h"

#include <jansson.h>

static json_t *way_json(const struct forward_way *w)
{
	const struct account *a = &w->account;
	json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "packets", (json_int_t)a->sent,
			      "packets_at_most", (json_int_t)a->sent_at_most, "bytes",
			      (json_int_t)a->bytes_sent, "dropped", (json_int_t)account_not_sent(a),
			      "packets_stayed", (json_int_t)w->stayed, "packets_filtered",
			      (json_int_t)w->filtered);

#define ACCOUNT_JSON(name) json_object_set_new(o, #name, json_integer((json_int_t)a->name));
	ACCOUNT_COUNTS(ACCOUNT_JSON)
	return o;
}

static void print_json(const struct forward_report *r, FILE *out)
{
	uint64_t missed = r->way[0].account.packets_missed + r->way[1].account.packets_missed;
	json_t *o = json_object();

	json_object_set_new(o, "a_to_b", way_json(&r->way[0]));
	json_object_set_new(o, "b_to_a", way_json(&r->way[1]));
	json_object_set_new(o, "packets_missed", json_integer((json_int_t)missed));
#define FORWARD_JSON(name) json_object_set_new(o, #name, json_integer((json_int_t)r->name));
	FORWARD_COUNTS(FORWARD_JSON)
	json_object_set_new(o, "end", json_string(r->end));
	json_dumpf(o, out, 0);
	fputc('\n', out);
	json_decref(o);
}

static void print_way(const struct forward_way *w, FILE *out)
{
	char sent[ACCOUNT_SENT], bytes[GROUPED], dropped[GROUPED], n[GROUPED];

	fprintf(out, "%c to %c    %s packets, %s bytes; %s dropped, %s not for the other side\n",
		w->from, w->to, account_sent(&w->account, sent),
		grouped(w->account.bytes_sent, bytes),
		grouped(account_not_sent(&w->account), dropped), grouped(w->stayed, n));
	if (w->filtered)
		fprintf(out, "filtered  %s packet%s left out by the filter\n",
			grouped(w->filtered, n), w->filtered == 1 ? "" : "s");
	account_print(&w->account, out);
}

void forward_print(const struct forward_report *r, bool json, FILE *out)
{
	char a[GROUPED], b[GROUPED], c[GROUPED], d[GROUPED];

	if (json) {
		print_json(r, out);
		return;
	}
	print_way(&r->way[0], out);
	print_way(&r->way[1], out);
	fprintf(out, "copied    %s packets between pools\n", grouped(r->packets_copied, a));
	if (r->devices_lost)
		fprintf(out, "lost      %s devices, %s came back\n", grouped(r->devices_lost, a),
			grouped(r->devices_back, b));
	fprintf(out,
		"left      %s mappings, %s bytes of IOVA; %s pages leaked; %s late calls refused\n",
		grouped(r->mappings_left, a), grouped(r->iova_left, b), grouped(r->pages_leaked, c),
		grouped(r->late_calls_refused, d));
	fprintf(out, "ended     after %.3f s: %s\n", (double)r->elapsed_ns / 1e9, r->end);
}
