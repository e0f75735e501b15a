/*
 * report.c - the report of a run, as text and as JSON.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <inttypes.h>
#include <jansson.h>

static void worst(uint64_t *kept, uint64_t now)
{
	if (now > *kept)
		*kept = now;
}

void report_left(struct report *r, struct pp_device *dev)
{
	struct pp_domain_stats d;
	struct pp_totals t;

	pp_domain_stats(dev, &d, sizeof d);
	pp_totals(&t, sizeof t);
	worst(&r->mappings_left, d.mappings);
	worst(&r->iova_left, t.iova_bytes > d.iova_bytes ? t.iova_bytes : d.iova_bytes);
	worst(&r->page_table_bytes_left, d.page_table_bytes);
}

const char *grouped(uint64_t n, char buf[GROUPED])
{
	char plain[24];
	int len = snprintf(plain, sizeof plain, "%" PRIu64, n);
	char *out = buf;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*out++ = ',';
		*out++ = plain[i];
	}
	*out = 0;
	return buf;
}

void report_print(const struct report *r, FILE *out)
{
	char a[32], b[32], c[32];

	fprintf(out, "%s packets received from %s, %s written to %s (%s bytes), in %.3f s: %s\n",
		grouped(r->packets_received, a), r->device, grouped(r->packets_written, b), r->file,
		grouped(r->bytes_written, c), (double)r->elapsed_ns / 1e9, r->end);
	if (r->files > 1)
		fprintf(out, "files     %s\n", grouped(r->files, a));
	if (r->packets_filtered)
		fprintf(out, "filtered  %s packet%s left out by the filter\n",
			grouped(r->packets_filtered, a), r->packets_filtered == 1 ? "" : "s");
	account_print(&r->account, out);
	if (r->chunks)
		fprintf(out,
			"pool      %s chunks, %s bytes mapped (%s in hugetlb pages, %s in "
			"transparent ones)\n",
			grouped(r->chunks, a), grouped(r->page_bytes_mapped, b),
			r->chunks_hugetlb == r->chunks ? "all" :
			r->chunks_hugetlb              ? "some" :
							 "none",
			r->chunks_thp == r->chunks ? "all" :
			r->chunks_thp              ? "some" :
						     "none");
	if (r->unbind_asked)
		fprintf(out, "%s   in %.1f us, with %s pages in flight%s\n",
			r->removed ? "removed" : "unbound", (double)r->unbind_ns / 1e3,
			grouped(r->in_flight_at_unbind, a), r->rebound ? "; then bound again" : "");
	fprintf(out, "left      %s mappings, %s bytes of IOVA, %s bytes of page tables",
		grouped(r->mappings_left, a), grouped(r->iova_left, b),
		grouped(r->page_table_bytes_left, c));
	fprintf(out, "; %s pages leaked\n", grouped(r->pages_leaked, a));
	fprintf(out, "faults    %s before, %s after the unbind; %s late calls refused\n",
		grouped(r->faults_before_unbind, a), grouped(r->faults_after_unbind, b),
		grouped(r->late_calls_refused, c));
}

/* A text that isn't UTF-8 (a file's name may be anything) can't be in JSON. */
static json_t *text(const char *s)
{
	json_t *t = json_string(s);

	return t ? t : json_string("(not UTF-8)");
}

json_t *report_object(const struct report *r)
{
	json_t *o = json_object();

#define REPORT_JSON(name) json_object_set_new(o, #name, json_integer((json_int_t)r->name));
	REPORT_COUNTS(REPORT_JSON)
#define ACCOUNT_JSON(name) json_object_set_new(o, #name, json_integer((json_int_t)r->account.name));
	ACCOUNT_COUNTS(ACCOUNT_JSON)
	json_object_set_new(o, "device", text(r->device));
	json_object_set_new(o, "file", text(r->file));
	json_object_set_new(o, "end", text(r->end));
	return o;
}

void report_json(const struct report *r, FILE *out)
{
	json_t *o = report_object(r);

	json_dumpf(o, out, 0);
	fputc('\n', out);
	json_decref(o);
}
