/*
 * attach_is_all_or_nothing.c - unit tests of pools with several devices: attach, detach, failures,
 * races with unbind.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "counting_iommu.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void arguments(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device a, b;
	pp_binding_t ba, bb;
	struct pp_pool *pool, *plain;
	struct pp_page *page;

	soft_device_init(&a, NULL);
	soft_device_init(&b, NULL);
	ba = soft_device_bind(&a);
	bb = soft_device_bind(&b);
	pool = new_pool(ba, &p);
	check_eq(soft_device_stats(&a).pools, 1, "the device has a pool");
	check_eq(pp_pool_attach(pool, ba), -EEXIST, "attached already");
	check_eq(pp_pool_attach(pool, pp_binding_none()), -ENODEV, "to nobody");
	check_eq(pp_pool_detach(pool, bb), -ENOENT, "not attached");
	check_eq(pp_pool_attach(pool, bb), 0, "to another");
	check_eq(pp_pool_detach(pool, ba), 0, "off the first");
	check_eq(soft_device_stats(&a).pools, 0, "which has none now");
	check(!pp_pool_revoked(pool), "alive");
	check_eq(pp_pool_detach(pool, bb), 0, "off the last");
	check(pp_pool_revoked(pool), "revoked");
	check_eq(pp_pool_attach(pool, ba), -ENODEV, "a revoked pool is attached no more");
	check_eq(pp_page_get(&page, pool), -ENODEV, "nor gives pages");
	pp_pool_destroy(pool);

	plain = new_pool(pp_binding_none(), &p);
	require(!pp_page_get(&page, plain), "a pool that is attached nowhere gives pages");
	check_eq(pp_pool_attach(plain, ba), 0, "and may be attached later");
	check_eq(pp_soft_write(a.iommu, pp_page_iova(page), "x", 1), 0,
		 "its pages are mapped then");
	pp_page_put(page);
	pp_pool_destroy(plain);
	soft_device_exit(&a);
	soft_device_exit(&b);
	check_nothing_left("at the end");
}

static void directions_are_enforced(void)
{
	static const bool reads[] = { true, true, false }, writes[] = { true, false, true };

	for (unsigned dir = 0; dir < 3; dir++) {
		struct pp_pool_params p = small_chunks(64 * KIB);
		struct soft_device d;
		struct pp_pool *pool;
		struct pp_page *page;
		char byte = 1;

		p.dir = (enum pp_dma_dir)dir;
		soft_device_init(&d, NULL);
		pool = new_pool(soft_device_bind(&d), &p);
		require(!pp_page_get(&page, pool), "a page");
		/* Linux's driver of Intel's IOMMU makes all that is mapped readable */
		if (reads[dir] || !strcmp(d.iommu->ops->kind, "soft"))
			check_eq(!pp_soft_read(d.iommu, pp_page_iova(page), &byte, 1), reads[dir],
				 "direction %u: the device %s", dir,
				 reads[dir] ? "reads" : "can't read");
		check_eq(!pp_soft_write(d.iommu, pp_page_iova(page), &byte, 1), writes[dir],
			 "direction %u: the device %s", dir,
			 writes[dir] ? "writes" : "can't write");
		pp_page_put(page);
		pp_pool_destroy(pool);
		soft_device_exit(&d);
	}
}

static void sixteen_devices(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d[17];
	struct pp_pool *pool;
	struct bunch b;

	for (unsigned i = 0; i < 17; i++) {
		soft_device_init(&d[i], NULL);
		soft_device_bind(&d[i]);
	}
	pool = new_pool(pp_device_binding(d[0].dev), &p);
	b = take(pool, 100);
	for (unsigned i = 1; i < 16; i++)
		check_eq(pp_pool_attach(pool, pp_device_binding(d[i].dev)), 0, "device %u", i);
	check_eq(pp_pool_attach(pool, pp_device_binding(d[16].dev)), -ENOSPC, "not a seventeenth");
	domain_is_empty(&d[16], "the seventeenth");
	check_eq(pp_pool_detach(pool, pp_device_binding(d[7].dev)), 0, "one leaves");
	check_eq(pp_pool_attach(pool, pp_device_binding(d[16].dev)), 0, "and makes room");
	for (unsigned i = 0; i < 17; i++)
		check_eq(device_can_write(&d[i], &b), i == 7 ? 0 : 100, "device %u reaches them",
			 i);
	for (unsigned i = 0; i < 17; i++)
		soft_device_exit(&d[i]);
	check(pp_pool_revoked(pool), "all gone: revoked");
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- partly mapped ----------------------------------------------------------------------- */

/* Trimmed spans have holes: an attachment maps what is there, and only that. */
static void attached_with_holes(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device a, b;
	struct pp_pool *pool;
	struct bunch held;
	pp_binding_t bb;

	p.idle_chunks = 1000;
	soft_device_init(&a, NULL);
	soft_device_init(&b, NULL);
	pool = new_pool(soft_device_bind(&a), &p);
	bb = soft_device_bind(&b);
	held = take(pool, 31 * 16);
	check(all_different(&held), "31 chunks");
	for (unsigned i = 0; i < held.n; i++)
		if (i / 16 % 3) /* every third chunk stays */
			pp_page_put(held.page[i]);
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 11, "eleven chunks are left, with holes between");
	check_eq(soft_device_domain(&a).bytes_mapped, 11 * 64 * KIB, "and mapped");
	check_eq(pp_pool_attach(pool, bb), 0, "attached to another");
	check_eq(soft_device_domain(&b).bytes_mapped, 11 * 64 * KIB, "the same is mapped there");
	pp_pool_detach(pool, bb);
	domain_is_empty(&b, "detached");
	pp_pool_attach(pool, bb);
	pp_device_unbind(a.dev);
	domain_is_empty(&a, "unbound");
	pp_device_unbind(b.dev);
	domain_is_empty(&b, "unbound");
	check(pp_pool_revoked(pool), "revoked");
	for (unsigned i = 0; i < held.n; i++)
		if (i / 16 % 3 == 0)
			pp_page_put(held.page[i]);
	free(held.page);
	pp_pool_destroy(pool);
	soft_device_exit(&a);
	soft_device_exit(&b);
	check_nothing_left("at the end");
}

/* A back end that can't split: a map call for each chunk, so that it can be trimmed alone. */
static void a_back_end_that_cannot_split(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;
	struct counting_iommu counting;

	p.idle_chunks = 1000;
	counting_device_init(&d, &counting, NULL);
	counting.iommu.can_split = false;
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 7 * 16);
	put_all(&b);
	pp_pool_trim(pool, 0);
	check_eq(pool_stats(pool).chunks, 0, "all can go");
	check_eq(counting.maps, 7, "they were mapped by one call each");
	check_eq(counting.unmaps, 7, "and unmapped so");
	b = take(pool, 7 * 16);
	pp_device_unbind(d.dev);
	check_eq(counting.maps, 14, "mapped again");
	check_eq(counting.unmaps, 10, "at unbind a call takes a span: of 1, 2 and 4 chunks");
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* ---- failures ------------------------------------------------------------------------------ */

/* Can a child of fork read it? */
static bool child_reads(const struct bunch *b)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(!all_filled(b, 3));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool label_is(struct pp_pool *pool, const char *label)
{
	struct pp_pool_info info;

	pp_pool_info(pool, &info, sizeof info);
	return !strcmp(info.label, label);
}

/* Law 10: a device that pins, and can't be had, leaves no trace: label, memory in children. */
static void a_failed_attach_leaves_no_trace(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	bool kept = kernel_keeps_from_fork();
	struct soft_device wide, narrow;
	struct counting_iommu counting[2];
	struct pp_pool *pool;
	struct bunch b;

	counting_device_init(&wide, &counting[0], NULL);
	counting_device_init(&narrow, &counting[1], NULL);
	counting[0].iommu.pins = counting[1].iommu.pins = true; /* as VFIO's */
	narrow.mask_bits = 32;
	soft_device_bind(&wide);
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 100); /* of no device: above 4 GiB */
	fill_all(&b, 3);
	check_eq(pp_pool_attach(pool, soft_device_bind(&narrow)), -ERANGE, "a narrow device");
	check(label_is(pool, "test"), "the pool has no device's label");
	check_eq(soft_device_stats(&narrow).pools, 0, "the device has no pool");
	check(child_reads(&b), "a child of fork has the memory");
	check_eq(pp_pool_attach(pool, pp_device_binding(wide.dev)), 0, "a wide one");
	check(label_is(pool, "test of device counted0"), "the pool has its label,");
	if (kept)
		check(!child_reads(&b), "a child of fork doesn't have what is pinned,");
	else
		tap_skip("a child of fork doesn't have what is pinned", "this kernel gives it");
	check_eq(pp_pool_attach(pool, pp_device_binding(narrow.dev)), -ERANGE, "nor after another");
	if (kept)
		check(!child_reads(&b), "attach that failed");
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&wide);
	soft_device_exit(&narrow);
	check_nothing_left("at the end");
}

/* ---- races ----------------------------------------------------------------------------------- */

struct racer {
	struct soft_device *d;
	pthread_barrier_t *lap;
	unsigned laps;
};

static void *unbinds_and_binds(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < r->laps; i++) {
		pthread_barrier_wait(r->lap);
		pp_device_unbind(r->d->dev);
		pthread_barrier_wait(r->lap);
		soft_device_bind(r->d); /* abort if it can't */
		pthread_barrier_wait(r->lap);
	}
	return NULL;
}

/*
 * While one device is unbound, the pool is detached from it and attached to a third: the
 * unbind may take away its own attachment only, not what has come in its place.
 */
static void a_place_taken_again_during_unbind(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device keep, lost, next;
	pthread_barrier_t lap;
	struct racer r = { &lost, &lap, laps(3000) };
	pp_binding_t bl, bn;
	unsigned robbed = 0;
	struct pp_pool *pool;
	struct bunch b;
	pthread_t t;

	soft_device_init(&keep, NULL);
	soft_device_init(&lost, NULL);
	soft_device_init(&next, NULL);
	bl = soft_device_bind(&lost);
	bn = soft_device_bind(&next);
	pool = new_pool(bl, &p); /* in the first place */
	pp_pool_attach(pool, soft_device_bind(&keep));
	b = take(pool, 10);
	pthread_barrier_init(&lap, NULL, 2);
	t = start(unbinds_and_binds, &r);
	for (unsigned i = 0; i < r.laps; i++) {
		pthread_barrier_wait(&lap);
		pp_pool_detach(pool, bl);
		if (pp_pool_attach(pool, bn))
			check(false, "lap %u: attached to the third", i);
		pthread_barrier_wait(&lap); /* the unbind has returned */
		robbed += pp_pool_attach(pool, bn) != -EEXIST;
		robbed += device_can_write(&next, &b) != b.n && pp_pool_detach(pool, bn) == 0;
		pp_pool_detach(pool, bn);
		pthread_barrier_wait(&lap);
		bl = pp_device_binding(lost.dev);
		if (pp_pool_attach(pool, bl))
			check(false, "lap %u: attached to the first again", i);
	}
	join(t);
	check_eq(robbed, 0, "no unbind took away another's attachment");
	pthread_barrier_destroy(&lap);
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&keep);
	soft_device_exit(&lost);
	soft_device_exit(&next);
	check_nothing_left("at the end");
}

/* Attach, destroy and growth against unbind: whoever comes first, nothing is left. */
static void *attaches_and_grows(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < r->laps; i++) {
		struct pp_pool_params p = small_chunks(16 * KIB);
		struct pp_pool *pool;
		struct pp_page *page;

		pthread_barrier_wait(r->lap);
		p.name = "race";
		if (!pp_pool_create(&pool, pp_device_binding(r->d->dev), &p)) {
			for (unsigned k = 0; k < 20 + i % 200; k++)
				if (!pp_page_get(&page, pool))
					pp_page_put(page);
			pp_pool_destroy(pool);
		}
		pthread_barrier_wait(r->lap);
	}
	return NULL;
}

static void create_and_destroy_against_unbind(void)
{
	struct soft_device d;
	pthread_barrier_t lap;
	struct racer r = { &d, &lap, laps(2000) };
	unsigned left = 0;
	pthread_t t;

	soft_device_init(&d, NULL);
	soft_device_bind(&d);
	pthread_barrier_init(&lap, NULL, 2);
	t = start(attaches_and_grows, &r);
	for (unsigned i = 0; i < r.laps; i++) {
		pthread_barrier_wait(&lap);
		pp_device_unbind(d.dev);
		left += soft_device_domain(&d).mappings != 0 || soft_device_domain(&d).iova_bytes;
		pthread_barrier_wait(&lap);
		left += !nothing_left();
		soft_device_bind(&d);
	}
	join(t);
	check_eq(left, 0, "%u races of create, growth and destroy against unbind", r.laps);
	pthread_barrier_destroy(&lap);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

int main(void)
{
	run(arguments);
	run(directions_are_enforced);
	run(sixteen_devices);
	run(attached_with_holes);
	run(a_back_end_that_cannot_split);
	run(a_failed_attach_leaves_no_trace);
	run(a_place_taken_again_during_unbind);
	run(create_and_destroy_against_unbind);
	return tap_end();
}
