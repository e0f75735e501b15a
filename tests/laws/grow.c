/*
 * grow.c - growing and shrinking: what a get, a put and a trim cost at most, in steps; where memory
 * comes from and where it goes. Law 12, of the pool.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "spy.h"

/* ---- no thread is cancelled in a call of the library ---------------------------------------- */

struct cancelled {
	struct pp_pool *pool;
	int returned;
};

static void *is_cancelled_in_a_get(void *arg)
{
	struct cancelled *c = arg;
	struct pp_page *page;

	pp_pool_own(c->pool);
	pthread_cancel(pthread_self()); /* at the next cancellation point, which a growth must not be */
	if (!pp_page_get(&page, c->pool))
		pp_page_put(page);
	raise_flag(&c->returned);
	pthread_testcancel();
	return NULL;
}

static void a_get_is_no_cancellation_point(void)
{
	static const enum pp_memory kinds[] = { PP_MEMORY_HUGETLB, PP_MEMORY_THP, PP_MEMORY_BASE };

	for (unsigned i = 0; i < 3; i++) {
		struct pp_pool_params p = pp_pool_defaults();
		struct cancelled c = { .returned = 0 };
		struct soft_device d;

		p.memory = kinds[i];
		soft_device_init(&d, NULL);
		c.pool = new_pool(soft_device_bind(&d), &p);
		join(start(is_cancelled_in_a_get, &c));
		/* else the pool's lock is locked for ever: it makes no sense to go on */
		require(flag_up(&c.returned), "memory of kind %u: the get of a thread that is cancelled "
			"returns first", i);
		check_eq(pool_stats(c.pool).in_flight, 0, "its put is counted");
		pp_pool_destroy(c.pool);
		soft_device_exit(&d);
	}
	check_nothing_left("at the end");
}

int main(void)
{
	run(a_get_is_no_cancellation_point);
	return tap_end();
}
