/*
 * holders.c - pagepool kernel holders: who holds the pages of the kernel's page pools, as text and
 * as JSON.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "held.h"
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- which pools are meant ------------------------------------------------------------------ */

/* An interface is meant with its namespace or, everywhere, without. */
static bool names_interface(const char *interface, const char *asked)
{
	size_t n = strlen(asked);

	return !strncmp(interface, asked, n) && (!interface[n] || interface[n] == '@');
}

static bool is_meant(const struct pool *pool, const char *asked)
{
	char name[32];

	if (!asked)
		return true;
	return !strcmp(kernel_pool_name(pool, name), asked) ||
	       names_interface(pool->interface, asked);
}

static bool is_interface(const struct scan *s, const char *asked)
{
	for (size_t i = 0; i < s->n_devices; i++)
		if (names_interface(s->device[i].name, asked))
			return true;
	return false;
}

/* ---- for people ------------------------------------------------------------------------------ */

static const char *age_text(const struct holding *x, char buf[32])
{
	char age[16];

	if (x->age_s < 0)
		return "-";
	snprintf(buf, 32, "%s%s", x->at_least ? "at least " : "",
		 table_ago((uint64_t)(x->age_s * 1e9), age));
	return buf;
}

static void print_owner(const struct held *h, const struct holder *x)
{
	const struct owner *o = x->n_owners ? &h->owner[x->first_owner] : NULL;

	if (o)
		printf("%s[%u] fd %u, ", o->comm, o->pid, o->fd);
	else if (x->kind == HOLDER_SOCKET)
		printf("no process, ");
	if (x->n_owners > 1)
		printf("open %zu times more, ", x->n_owners - 1);
	if (x->waits_for_accept)
		printf("a connection not yet accepted, ");
}

static void print_holder(const struct held *h, const struct holding *row)
{
	const struct holder *x = &h->holder[row->holder];

	print_owner(h, x);
	if (*x->protocol)
		printf("%s ", x->protocol);
	if (*x->local)
		printf("%s ", x->local);
	if (*x->remote)
		printf("from %s ", x->remote);
	if (x->kind == HOLDER_CPU)
		printf("CPU %u, ", x->cpu);
	printf("%s%s", *x->local || *x->protocol ? "- " : "", place_name(row->place));
	if (x->net >= 0 && *h->scan->net[x->net].name)
		printf(", in %s", h->scan->net[x->net].name);
	if (row->shared && row->place != PLACE_IDLE)
		printf("; parts of %llu page%s counted elsewhere", (unsigned long long)row->shared,
		       row->shared == 1 ? "" : "s");
	printf("\n");
}

/* Idle pages last; else the most first. */
static int most_first(const void *a, const void *b)
{
	const struct holding *x = *(const struct holding *const *)a,
			     *y = *(const struct holding *const *)b;
	bool idle_x = x->place == PLACE_IDLE, idle_y = y->place == PLACE_IDLE;

	if (idle_x != idle_y)
		return idle_x - idle_y;
	if (x->pages != y->pages)
		return x->pages > y->pages ? -1 : 1;
	return (x > y) - (x < y);
}

/* A pool's rows, sorted; to be freed. NULL: no memory, or n is 0. */
static const struct holding **rows_of(const struct held *h, int pool, size_t *n)
{
	const struct holding **rows = calloc(h->n_holdings + 1, sizeof *rows);

	*n = 0;
	for (size_t i = 0; rows && i < h->n_holdings; i++)
		if (h->holding[i].pool == pool && (h->holding[i].pages || h->holding[i].shared))
			rows[(*n)++] = &h->holding[i];
	if (rows)
		qsort(rows, *n, sizeof *rows, most_first);
	return rows;
}

void kernel_print_holders(const struct held *h, int index)
{
	const struct pool *pool = &h->scan->pool[index];
	struct held_sum sum = held_sum(h, index);
	char name[32], state[40], age[32];
	const struct holding **rows;
	size_t n;

	rows = rows_of(h, index, &n);
	printf("pool %s of %s%s%s%s, %s: %lld pages in flight\n", kernel_pool_name(pool, name),
	       pool->interface_gone ? "an interface that has gone" :
	       *pool->interface     ? pool->interface :
				      "an unknown device",
	       *pool->driver ? " (" : "", pool->driver, *pool->driver ? ")" : "",
	       kernel_pool_state(pool, state), (long long)sum.in_flight);
	printf("%9s  %-18s %s\n", "PAGES", "SINCE", "HOLDER");
	for (size_t i = 0; i < n; i++) {
		printf("%9llu  %-18s ", (unsigned long long)rows[i]->pages, age_text(rows[i], age));
		print_holder(h, rows[i]);
	}
	if (sum.missing >= 0)
		printf("%9lld  %-18s not attributed\n", (long long)sum.missing, "-");
	else
		printf("%9s  %-18s it changed while it was looked at: %lld pages found too many\n",
		       "", "-", (long long)-sum.missing);
	free(rows);
}

static void print_limits(const struct held *h)
{
	printf("\nnot looked at: the driver's own receive ring, packets on their way through "
	       "queueing "
	       "disciplines, bridges and other protocols");
	if (h->no_cpus)
		printf(", the CPUs' lists (no CONFIG_KALLSYMS_ALL)");
	if (!h->map.known)
		printf(", the heads of packets (this kernel's map of memory isn't understood)");
	printf(".\n");
	if (h->moving)
		printf("%llu queue%s changed whenever read; their pages are a guess.\n",
		       (unsigned long long)h->moving, h->moving == 1 ? "" : "s");
	if (h->cut)
		printf("%llu queue%s too long to be read whole.\n", (unsigned long long)h->cut,
		       h->cut == 1 ? " was" : "s were");
}

/* ---- for programs -----------------------------------------------------------------------------
 */

static json_t *owners_json(const struct held *h, const struct holder *x)
{
	json_t *list = json_array();

	for (size_t i = 0; i < x->n_owners; i++) {
		const struct owner *o = &h->owner[x->first_owner + i];

		json_array_append_new(list, json_pack("{s:i, s:i, s:s}", "pid", (int)o->pid, "fd",
						      (int)o->fd, "command", o->comm));
	}
	return list;
}

static json_t *row_json(const struct held *h, const struct holding *row)
{
	static const char *const kinds[] = { "socket", "pipe", "tun", "fragments", "cpu", "pool" };
	const struct holder *x = &h->holder[row->holder];
	json_t *o = json_object();

	json_object_set_new(o, "kind", json_string(kinds[x->kind]));
	json_object_set_new(o, "place", json_string(place_name(row->place)));
	json_object_set_new(o, "pages", json_integer((int64_t)row->pages));
	json_object_set_new(o, "shared", json_integer((int64_t)row->shared));
	json_object_set_new(o, "age_s", row->age_s < 0 ? json_null() : json_real(row->age_s));
	json_object_set_new(o, "age_at_least", json_boolean(row->at_least));
	json_object_set_new(o, "owners", owners_json(h, x));
	json_object_set_new(o, "not_accepted", json_boolean(x->waits_for_accept));
	json_object_set_new(o, "protocol", *x->protocol ? json_string(x->protocol) : json_null());
	json_object_set_new(o, "local", *x->local ? json_string(x->local) : json_null());
	json_object_set_new(o, "remote", *x->remote ? json_string(x->remote) : json_null());
	json_object_set_new(o, "namespace",
			    x->net >= 0 ? json_string(h->scan->net[x->net].name) : json_null());
	if (x->kind == HOLDER_CPU)
		json_object_set_new(o, "cpu", json_integer(x->cpu));
	return o;
}

static json_t *pool_json(const struct held *h, int index)
{
	json_t *o = kernel_pool_json(&h->scan->pool[index]), *list = json_array();
	struct held_sum sum = held_sum(h, index);
	const struct holding **rows;
	size_t n;

	rows = rows_of(h, index, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, row_json(h, rows[i]));
	free(rows);
	json_object_set_new(o, "in_flight", json_integer(sum.in_flight));
	json_object_set_new(o, "held", json_integer((int64_t)sum.found));
	json_object_set_new(o, "idle", json_integer((int64_t)sum.idle));
	json_object_set_new(o, "not_attributed", json_integer(sum.missing));
	json_object_set_new(o, "holders", list);
	return o;
}

static void print_json(const struct held *h, const char *asked)
{
	json_t *o = json_object(), *pools = json_array(), *notes = kernel_notes(h->scan);

	for (size_t i = 0; i < h->scan->n_pools; i++)
		if (is_meant(&h->scan->pool[i], asked))
			json_array_append_new(pools, pool_json(h, (int)i));
	json_object_set_new(o, "pools", pools);
	json_object_set_new(o, "packet_heads", json_boolean(h->map.known));
	json_object_set_new(o, "cpu_lists", json_boolean(!h->no_cpus));
	json_object_set_new(o, "queues_moving", json_integer((int64_t)h->moving));
	json_object_set_new(o, "queues_cut", json_integer((int64_t)h->cut));
	json_object_set_new(o, "notes", notes);
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

/* ---- the command -------------------------------------------------------------------------------
 */

/* Zombies first: they are what one looks for. */
static unsigned print_those(const struct held *h, const char *asked, bool zombies, unsigned printed)
{
	for (size_t i = 0; i < h->scan->n_pools; i++) {
		if (h->scan->pool[i].zombie != zombies || !is_meant(&h->scan->pool[i], asked))
			continue;
		printf(printed++ ? "\n" : "");
		kernel_print_holders(h, (int)i);
	}
	return printed;
}

static void print_all(const struct held *h, const char *asked)
{
	unsigned printed = print_those(h, asked, true, 0);

	printed = print_those(h, asked, false, printed);
	if (!printed)
		printf("no page pool%s%s\n", asked ? " of " : "", asked ? asked : "");
	else
		print_limits(h);
}

static int report(struct scan *s, const char *asked, bool json)
{
	struct held h;
	bool known = !asked || is_interface(s, asked);
	int ret = held_scan(&h, s);

	for (size_t i = 0; i < s->n_pools; i++)
		known |= is_meant(&s->pool[i], asked);
	if (ret) {
		say("can't look for who holds the pages: %s", strerror(-ret));
	} else if (!known) {
		say("there is no page pool and no interface \"%s\"; pagepool kernel pools lists "
		    "the pools",
		    asked);
		ret = -ENOENT;
	} else if (json) {
		print_json(&h, asked);
	} else {
		print_all(&h, asked);
	}
	for (unsigned i = 0; !ret && !json && kernel_note(s, i); i++)
		say("%s", kernel_note(s, i));
	held_close(&h);
	return ret ? EXIT_ERROR : EXIT_OK;
}

int kernel_holders_main(int argc, char **argv)
{
	const char *asked = NULL;
	bool json = false;
	const struct option_def defs[] = {
		{ "json", 0, NULL, "print all that is known, as JSON", OPTION_FLAG, &json },
		{ "POOL|IF", 0, "[POOL|IF]", "a pool's number, or an interface; none: all",
		  OPTION_ARGUMENT, &asked },
		{ 0 },
	};
	struct scan s;
	int ret = EXIT_ERROR;

	if (options_parse(argc, argv, "kernel holders",
			  "Show who holds the pages of the kernel's page pools.", defs))
		return EXIT_USAGE;
	if (scan_open(&s))
		say("no memory to look for who holds the pages");
	else if (!s.peek)
		say("can't look for who holds the pages: %s", s.no_peek);
	else if (scan_pools(&s))
		say("no memory to list the kernel's page pools");
	else
		ret = report(&s, asked, json);
	scan_close(&s);
	return ret;
}
