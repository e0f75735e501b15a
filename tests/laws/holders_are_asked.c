/*
 * holders_are_asked.c - holders are asked to return pages early: when their pool is revoked and
 * when somebody asks, but not for another pool nor after they have unregistered. They are called
 * without a lock, and may do as they please.
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

static void too_late(void)
{
	struct keeper k = { .recall = { .recall = gives_back } };
	struct soft_device d;
	struct pp_pool *pool;

	soft_device_init(&d, NULL);
	pool = kept_pool(soft_device_bind(&d));
	pp_device_unbind(d.dev);
	check_eq(pp_recall_register(pool, &k.recall), -ENODEV, "the pool is revoked already");
	pp_pool_recall(pool);
	check_eq(k.asked, 0, "who was refused isn't asked");
	check_eq(pp_recall_unregister(&k.recall), -ENOENT, "and isn't registered");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
}

/* Registered beside a revocation: refused, or asked. */
struct late {
	struct keeper k;
	struct pp_pool *pool;
	int ready, ret;
};

static void *register_late(void *arg)
{
	struct late *l = arg;

	raise_flag(&l->ready);
	l->ret = pp_recall_register(l->pool, &l->k.recall);
	return NULL;
}

static void just_in_time(void)
{
	unsigned wrong = 0, asked = 0;
	struct soft_device d;

	soft_device_init(&d, NULL);
	for (unsigned i = 0; i < laps(500); i++) {
		struct late l = { .k.recall = { .recall = gives_back } };
		pthread_t t;

		l.pool = kept_pool(soft_device_bind(&d));
		t = start(register_late, &l);
		await_flag(&l.ready);
		for (unsigned n = 0; n < i % 8; n++)
			sched_yield();
		pp_device_unbind(d.dev);
		join(t);
		pp_pool_destroy(l.pool);
		wrong += l.ret ? l.ret != -ENODEV || l.k.asked : l.k.asked != 1;
		asked += l.k.asked;
		if (!l.ret)
			pp_recall_unregister(&l.k.recall);
	}
	check_eq(wrong, 0, "each is refused, or asked once; %u were asked", asked);
	soft_device_exit(&d);
}

static void registered_twice(void)
{
	struct keeper k = { .recall = { .recall = gives_back } };
	struct keeper second = { .recall = { .recall = gives_back } };
	struct pp_pool *pool = kept_pool(pp_binding_none()), *other = kept_pool(pp_binding_none());

	check_eq(pp_recall_register(pool, &k.recall), 0, "registered");
	check_eq(pp_recall_register(pool, &second.recall), 0, "and a second one");
	check_eq(pp_recall_register(pool, &k.recall), -EEXIST, "the same again");
	check_eq(pp_recall_register(other, &k.recall), -EEXIST, "for another pool too");
	check_eq(pp_recall_register(pool, NULL), -EINVAL, "none");
	check_eq(pp_recall_register(NULL, &k.recall), -EINVAL, "no pool");
	check_eq(pp_recall_unregister(NULL), -EINVAL, "none");
	pp_pool_destroy(other);
	pp_pool_destroy(pool);
	check(k.asked == 1 && second.asked == 1, "each is asked once");
	check_eq(pp_recall_unregister(&k.recall), 0, "unregistered");
	check_eq(pp_recall_unregister(&k.recall), -ENOENT, "once");
	check_eq(pp_recall_unregister(&second.recall), 0, "and the second");
}

/* ---- what a callback may do ------------------------------------------------------------- */

static struct keeper newcomer = { .recall = { .recall = gives_back } };
static struct pp_pool *asking;

static void leaves(struct pp_recall *recall, const char *pool)
{
	gives_back(recall, pool);
	check_eq(pp_recall_unregister(recall), 0, "it unregisters itself");
	memset(recall, 0xA5, sizeof *recall); /* its memory is its own again */
}

static void takes_next_out(struct pp_recall *recall, const char *pool)
{
	struct keeper *k = (struct keeper *)recall;

	gives_back(recall, pool);
	if (k->asked > 1)
		return;
	check_eq(pp_recall_unregister(&k[1].recall), 0, "it takes its neighbour out");
	check_eq(pp_recall_register(asking, &newcomer.recall), 0, "and brings another in");
}

static void a_callback_may_change_the_list(void)
{
	struct keeper k[4] = { { .recall = { .recall = leaves } },
			       { .recall = { .recall = takes_next_out } },
			       { .recall = { .recall = gives_back } },
			       { .recall = { .recall = gives_back } } };

	asking = kept_pool(pp_binding_none());
	for (unsigned i = 0; i < 4; i++)
		check_eq(pp_recall_register(asking, &k[i].recall), 0, "registered");
	pp_pool_recall(asking);
	check(k[1].asked == 1 && k[3].asked == 1, "the others are asked");
	check_eq(k[2].asked, 0, "but not the one that was taken out in time");
	pp_pool_destroy(asking);
	check(k[1].asked == 2 && k[3].asked == 2 && newcomer.asked, "and again, with the newcomer");
	check(!pp_recall_unregister(&k[1].recall) && !pp_recall_unregister(&k[3].recall) &&
		      !pp_recall_unregister(&newcomer.recall),
	      "all unregistered");
	check_nothing_left("at the end");
}

static void no_news(struct pp_notifier *self, enum pp_event event, struct pp_device *dev)
{
	(void)self;
	(void)event;
	(void)dev;
}

/* A thread that does what takes each of the library's locks for control. */
static void *does_everything(void *arg)
{
	struct pp_notifier n = { .notify = no_news };
	struct keeper k = { .recall = { .recall = gives_back } };
	struct pp_pool *pool, *theirs = arg;
	struct soft_device d;
	struct pp_page *page;

	soft_device_init(&d, NULL);
	pool = kept_pool(soft_device_bind(&d));
	check(!pp_notifier_register(&n) && !pp_recall_register(pool, &k.recall), "registered");
	check_eq(pp_page_get(&page, pool), 0, "a page is got");
	pp_device_unbind(d.dev);
	pp_page_put(page);
	check_eq(k.asked, 1, "another unbind asks");
	pp_pool_recall(pool);
	pool_stats(theirs);
	check(!pp_notifier_unregister(&n) && !pp_recall_unregister(&k.recall), "and unregistered");
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	return NULL;
}

static void lets_another_work(struct pp_recall *recall, const char *pool)
{
	gives_back(recall, pool);
	join(start(does_everything, asking));
}

/* It would hang. */
static void no_lock_is_held(void)
{
	struct keeper k = { .recall = { .recall = lets_another_work } };
	struct soft_device d;

	soft_device_init(&d, NULL);
	asking = kept_pool(soft_device_bind(&d));
	check_eq(pp_recall_register(asking, &k.recall), 0, "registered");
	pp_device_unbind(d.dev);
	check_eq(k.asked, 1, "while it was asked another thread bound and unbound");
	pp_recall_unregister(&k.recall);
	pp_pool_destroy(asking);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- unregistered while it is asked ------------------------------------------------------- */

struct slow {
	struct pp_recall recall; /* first */
	int begun, go_on, ended, unregistered;
};

static void takes_its_time(struct pp_recall *recall, const char *pool)
{
	struct slow *s = (struct slow *)recall;

	(void)pool;
	raise_flag(&s->begun);
	await_flag(&s->go_on);
	for (unsigned i = 0; i < 200; i++)
		sched_yield();
	check(!flag_up(&s->unregistered), "unregister hasn't returned");
	raise_flag(&s->ended);
}

static void *asks(void *pool)
{
	pp_pool_recall(pool);
	return NULL;
}

static void *unregisters(void *arg)
{
	struct slow *s = arg;

	raise_flag(&s->go_on);
	check_eq(pp_recall_unregister(&s->recall), 0, "unregistered while it is asked");
	check(flag_up(&s->ended), "when it returns, the callback has");
	raise_flag(&s->unregistered);
	return NULL;
}

static void unregistering_waits_for_the_callback(void)
{
	struct slow s = { .recall = { .recall = takes_its_time } };
	struct pp_pool *pool = kept_pool(pp_binding_none());
	pthread_t asker, other;

	check_eq(pp_recall_register(pool, &s.recall), 0, "registered");
	asker = start(asks, pool);
	await_flag(&s.begun);
	other = start(unregisters, &s);
	join(asker);
	join(other);
	pp_pool_destroy(pool);
}

int main(void)
{
	run(asked_at_unbind);
	run(asked_by_anybody);
	run(too_late);
	run(just_in_time);
	run(registered_twice);
	run(a_callback_may_change_the_list);
	run(no_lock_is_held);
	run(unregistering_waits_for_the_callback);
	return tap_end();
}
