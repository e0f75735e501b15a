/*
 * held.c - who holds the pages of the kernel's page pools: searches everything that may hold some,
 * and counts each page once. The searches are in held_socket.c, held_file.c and held_kernel.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "holding.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 4 /* for a queue that changes while it is read */

const char *place_name(enum place place)
{
	static const char *const names[] = {
#define X(id, text) text,
		PLACES(X)
#undef X
	};

	return names[place];
}

/* ---- addresses to numbers ------------------------------------------------------------------ */

static size_t slot_of(const struct seen *s, kaddr_t key)
{
	size_t i = (size_t)(key * 0x9E3779B97F4A7C15ull >> 20) & (s->size - 1);

	while (s->slot[i].key && s->slot[i].key != key)
		i = (i + 1) & (s->size - 1);
	return i;
}

static bool seen_grow(struct seen *s)
{
	struct seen bigger = { .size = s->size ? s->size * 2 : 1024, .used = s->used };

	bigger.slot = calloc(bigger.size, sizeof *bigger.slot);
	if (!bigger.slot)
		return false;
	for (size_t i = 0; i < s->size; i++)
		if (s->slot[i].key)
			bigger.slot[slot_of(&bigger, s->slot[i].key)] = s->slot[i];
	free(s->slot);
	*s = bigger;
	return true;
}

int seen_add(struct seen *s, kaddr_t key, uint32_t *value)
{
	size_t i;

	if (s->used * 2 >= s->size && !seen_grow(s))
		return -ENOMEM;
	i = slot_of(s, key);
	if (s->slot[i].key) {
		*value = s->slot[i].value;
		return 0;
	}
	s->slot[i] = (struct seen_slot){ key, *value };
	s->used++;
	return 1;
}

/* ---- counting ------------------------------------------------------------------------------ */

static struct holding *holding_of(struct held *h, uint32_t holder, int pool, enum place place)
{
	struct holding *x;

	for (size_t i = h->n_holdings; i > 0; i--) {
		x = &h->holding[i - 1];
		if (x->holder != holder)
			break;
		if (x->pool == pool && x->place == place)
			return x;
	}
	x = grow(&h->holding, &h->n_holdings, sizeof *x);
	if (!x) {
		h->error = -ENOMEM;
		return NULL;
	}
	*x = (struct holding){ .holder = holder, .pool = pool, .place = place, .age_s = -1 };
	return x;
}

static void count(struct held *h, uint32_t holder, enum place place, const struct found *f)
{
	int pool = scan_pool_at(h->scan, f->pool);
	struct holding *x = pool >= 0 ? holding_of(h, holder, pool, place) : NULL;
	uint32_t mine, whose;
	int new;

	if (!x)
		return;
	mine = whose = (uint32_t)(x - h->holding);
	new = seen_add(&h->pages, f->page, &whose);
	if (new < 0)
		h->error = new;
	x->pages += new == 1;
	x->shared += whose != mine;
	if (f->age_s < 0)
		x->at_least = true;
	if (f->age_s > x->age_s)
		x->age_s = f->age_s;
}

/* What a walk found is this holder's. */
static void settle(struct held *h, struct walk *w, uint32_t holder, enum place place)
{
	for (size_t i = 0; i < w->n; i++)
		count(h, holder, place, &w->found[i]);
	h->moving += w->stale;
	h->cut += w->cut;
}

/* Walk until nothing has changed meanwhile, a few times at most. */
void held_look(struct held *h, struct walk *w, uint32_t holder, enum place place, walk_fn *fn,
	       kaddr_t from)
{
	for (int try = 0; try < TRIES; try++) {
		walk_reset(w);
		fn(w, from);
		if (!w->stale)
			break;
	}
	settle(h, w, holder, place);
}

/* ---- holders ------------------------------------------------------------------------------- */

int64_t held_add(struct held *h, enum holder_kind kind, kaddr_t object)
{
	struct holder *x = grow(&h->holder, &h->n_holders, sizeof *x);

	if (!x) {
		h->error = -ENOMEM;
		return -1;
	}
	x->kind = kind;
	x->object = object;
	x->net = -1;
	return (int64_t)h->n_holders - 1;
}

/* A holder that turned out to hold nothing is not kept. */
void held_drop_empty(struct held *h, int64_t holder)
{
	if (holder == (int64_t)h->n_holders - 1 &&
	    (!h->n_holdings || h->holding[h->n_holdings - 1].holder != holder))
		h->n_holders--;
}

void held_name_address(char *to, size_t size, int family, const void *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(family, address, text, sizeof text);
	if (port)
		snprintf(to, size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
	else
		snprintf(to, size, "%s", text);
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* A zombie's pages were all taken before its driver let it go. */
static void date_zombies(struct held *h)
{
	for (size_t i = 0; i < h->n_holdings; i++) {
		struct holding *x = &h->holding[i];
		const struct pool *pool = &h->scan->pool[x->pool];

		if (pool->zombie && (double)pool->zombie_s > x->age_s && x->place != PLACE_IDLE) {
			x->age_s = (double)pool->zombie_s;
			x->at_least = true;
		}
	}
}

int held_scan(struct held *h, struct scan *s)
{
	struct walk w = { .held = h };
	int ret;

	memset(h, 0, sizeof *h);
	h->scan = s;
	page_map_find(s->peek, &h->map);
	ret = held_files(h, &w);
	if (!ret)
		held_alone(h, &w);
	for (unsigned i = 0; !ret && i < s->n_nets; i++) {
		held_fragments(h, &w, i, M_net_ipv4_fqdir);
		held_fragments(h, &w, i, M_net_ipv6_fqdir);
	}
	if (!ret) {
		held_cpus(h, &w);
		held_pools(h, &w);
		date_zombies(h);
	}
	free(w.found);
	return ret ? ret : h->error;
}

void held_close(struct held *h)
{
	free(h->holder);
	free(h->owner);
	free(h->holding);
	free(h->pages.slot);
	free(h->objects.slot);
	memset(h, 0, sizeof *h);
}

struct held_sum held_sum(const struct held *h, int pool)
{
	struct peek *p = h->scan->peek;
	kaddr_t at = h->scan->pool[pool].address;
	struct held_sum sum = { .found = 0 };

	for (size_t i = 0; i < h->n_holdings; i++)
		if (h->holding[i].pool == pool && h->holding[i].place == PLACE_IDLE)
			sum.idle += h->holding[i].pages;
		else if (h->holding[i].pool == pool)
			sum.found += h->holding[i].pages;
	sum.in_flight = at ? (int32_t)((uint32_t)member_at(p, at, M_pool_hold) -
				       (uint32_t)member_at(p, at, M_pool_release)) :
			     h->scan->pool[pool].in_flight;
	sum.missing = sum.in_flight - (int64_t)(sum.found + sum.idle);
	return sum;
}
