/*
 * recall.c - holders are asked to give pages back early: when their pool is revoked, when
 * somebody asks, and not for another pool nor after they have unregistered.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

struct keeper {
	struct pp_recall recall; /* first */
	struct pp_page *page[8];
	unsigned n, asked;
};

static void gives_back(struct pp_recall *recall, const char *pool)
{
	struct keeper *k = (struct keeper *)recall;

	check(!strcmp(pool, "kept"), "asked for the right pool");
	k->asked++;
	pp_page_put_batch(k->page, k->n);
	k->n = 0;
}

static struct pp_pool *kept_pool(pp_binding_t binding)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.name = "kept";
	return new_pool(binding, &p);
}

static void keep(struct keeper *k, struct pp_pool *pool)
{
	k->n = 8;
	check_eq(pp_page_get_batch(k->page, 8, pool), 8, "eight pages are kept");
}

static void asked_at_unbind(void)
{
	struct keeper k = { .recall = { .recall = gives_back } };
	struct soft_device d;
	struct pp_pool *pool, *other;

	soft_device_init(&d, NULL);
	pool = kept_pool(soft_device_bind(&d));
	other = kept_pool(pp_binding_none());
	check_eq(pp_recall_register(pool, &k.recall), 0, "registered");
	keep(&k, pool);
	pp_pool_destroy(other);
	check_eq(k.asked, 0, "not asked when another pool goes");
	pp_device_unbind(d.dev);
	check_eq(k.asked, 1, "asked at unbind, once");
	check_eq(pool_stats(pool).in_flight_at_revoke, 8, "which had eight in flight");
	check_eq(pool_stats(pool).in_flight, 0, "and has none any more");
	pp_pool_destroy(pool);
	check_eq(k.asked, 1, "not again when the pool is destroyed");
	check_eq(pp_recall_unregister(&k.recall), 0, "unregistered, though the pool has gone");
	check_eq(pp_recall_unregister(&k.recall), -ENOENT, "once");
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void asked_by_anybody(void)
{
	struct keeper k = { .recall = { .recall = gives_back } };
	struct pp_pool *pool = kept_pool(pp_binding_none());
	struct pp_recall none = { 0 };

	check_eq(pp_recall_register(pool, &none), -EINVAL, "no callback");
	check_eq(pp_recall_register(pool, &k.recall), 0, "registered");
	keep(&k, pool);
	pp_pool_recall(pool);
	check_eq(k.asked, 1, "asked");
	keep(&k, pool);
	check_eq(pp_recall_unregister(&k.recall), 0, "unregistered");
	pp_pool_recall(pool);
	pp_pool_destroy(pool);
	check_eq(k.asked, 1, "not asked any more");
	check_eq(totals().zombie_pages, 8, "so it is a zombie with eight pages");
	check_eq(totals().oldest_zombie_pages, 8, "the oldest one");
	check(totals().oldest_zombie_ns > 0, "of some age");
	pp_page_put_batch(k.page, 8);
	check_nothing_left("at the end");
}

int main(void)
{
	run(asked_at_unbind);
	run(asked_by_anybody);
	return tap_end();
}
