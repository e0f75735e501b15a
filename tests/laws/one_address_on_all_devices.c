/*
 * one_address_on_all_devices.c - Law 9: a page has one DMA address, the same for every device its
 * pool is attached to.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#define DEVICES 3

static struct soft_device dev[DEVICES];
static pp_binding_t binding[DEVICES];

static void bind_all(void)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);

		soft.deferred = i == 1;
		soft_device_init(&dev[i], &soft);
		binding[i] = soft_device_bind(&dev[i]);
	}
}

static void exit_all(void)
{
	for (unsigned i = 0; i < DEVICES; i++)
		soft_device_exit(&dev[i]);
	check_nothing_left("at the end");
}

/* A pool of the first device; one half of its pages is older than the other attachments. */
static struct pp_pool *shared_pool(struct bunch *b)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool = new_pool(binding[0], &p);
	struct bunch more;

	*b = take(pool, 300);
	for (unsigned i = 1; i < DEVICES; i++)
		require(!pp_pool_attach(pool, binding[i]), "attached to device %u", i);
	more = take(pool, 300);
	b->page = realloc(b->page, 600 * sizeof *b->page);
	memcpy(b->page + 300, more.page, 300 * sizeof *b->page);
	b->n = 600;
	free(more.page);
	return pool;
}

/* The device finds, and leaves, each page's own words at its one address. */
static bool reaches(const struct soft_device *d, const struct bunch *b)
{
	for (unsigned i = 0; i < b->n; i += device_step()) {
		uint64_t *word = pp_page_addr(b->page[i]), seen = 0;
		uint64_t written = pattern(b->page[i], 7 + i);

		*word = pattern(b->page[i], i);
		if (pp_soft_read(d->iommu, pp_page_iova(b->page[i]), &seen, 8) || seen != *word)
			return false;
		if (pp_soft_write(d->iommu, pp_page_iova(b->page[i]), &written, 8) ||
		    *word != written)
			return false;
	}
	return true;
}

static bool reaches_nothing(const struct soft_device *d, const struct bunch *b)
{
	return device_can_write(d, b) == 0;
}

static bool iova_unique(struct bunch *b)
{
	check(all_different(b), "the pages are different");
	for (unsigned i = 1; i < b->n; i++)
		for (unsigned k = 0; k < i && k < 40; k++)
			if (pp_page_iova(b->page[i]) == pp_page_iova(b->page[i - 1 - k % i]))
				return false;
	return true;
}

static void one_address_everywhere(void)
{
	struct pp_pool *pool;
	struct bunch b;

	bind_all();
	pool = shared_pool(&b);
	for (unsigned i = 0; i < DEVICES; i++)
		check(reaches(&dev[i], &b), "device %u reaches all pages at their one address", i);
	check(iova_unique(&b), "different pages have different addresses");
	check_eq(pool_stats(pool).attachments, DEVICES, "it is attached to all devices");
	check_eq(pool_stats(pool).bytes_mapped, DEVICES * pool_stats(pool).chunks * 64 * KIB,
		 "every chunk is mapped for each");
	for (unsigned i = 0; i < DEVICES; i++) {
		check_eq(soft_device_domain(&dev[i]).bytes_mapped,
			 pool_stats(pool).chunks * 64 * KIB, "device %u has them all", i);
		check_eq(pp_pool_attach(pool, binding[i]), -EEXIST, "device %u has it already", i);
	}
	put_all(&b);
	pp_pool_destroy(pool);
	for (unsigned i = 0; i < DEVICES; i++)
		domain_is_empty(&dev[i], "the pool destroyed");
	exit_all();
}

/* ---- losing them one by one ---------------------------------------------------------- */

enum loss { DETACH, UNBIND, REMOVE, SURPRISE, N_LOSSES };

static void lose(struct pp_pool *pool, unsigned i, enum loss how)
{
	int ret = how == DETACH ? pp_pool_detach(pool, binding[i]) :
		  how == UNBIND ? pp_device_unbind(dev[i].dev) :
		  how == REMOVE ? pp_device_remove(dev[i].dev, PP_REMOVAL_ORDERLY) :
				  pp_device_remove(dev[i].dev, PP_REMOVAL_SURPRISE);

	check_eq(ret, 0, "device %u is lost", i);
	check_eq(pp_pool_detach(pool, binding[i]), -ENOENT, "and can't be detached once more");
}

/* In every order, each in another way: what is left works, to the last. */
static void lose_in_order(const unsigned order[DEVICES], unsigned first_how)
{
	struct pp_pool *pool;
	struct bunch b, more;

	bind_all();
	pool = shared_pool(&b);
	for (unsigned k = 0; k < DEVICES; k++) {
		unsigned lost = order[k];

		check(!pp_pool_revoked(pool), "the pool lives with %u devices", DEVICES - k);
		lose(pool, lost, (enum loss)((first_how + k) % N_LOSSES));
		domain_is_empty(&dev[lost], "the device that it lost");
		for (unsigned i = 0; i <= k; i++)
			check(reaches_nothing(&dev[order[i]], &b), "device %u reaches nothing",
			      order[i]);
		for (unsigned i = k + 1; i < DEVICES; i++)
			check(reaches(&dev[order[i]], &b), "device %u works on", order[i]);
		check_eq(pool_stats(pool).attachments, DEVICES - 1 - k, "it counts its devices");
		if (k == DEVICES - 1)
			break;
		more = take(pool, 200); /* growth, for those that are left */
		for (unsigned i = k + 1; i < DEVICES; i++)
			check(reaches(&dev[order[i]], &more), "device %u reaches new pages",
			      order[i]);
		check(reaches_nothing(&dev[lost], &more), "the lost one doesn't");
		put_all(&more);
	}
	check(pp_pool_revoked(pool), "with its last device it is revoked");
	check_eq(pp_page_get(&(struct pp_page *){ NULL }, pool), -ENODEV, "and gives no page");
	check_eq(totals().iova_bytes, 0, "its IOVA space is free");
	put_all(&b);
	pp_pool_destroy(pool);
	exit_all();
}

static void revoked_with_the_last_device_only(void)
{
	static const unsigned order[6][DEVICES] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						    { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (unsigned i = 0; i < 6; i++)
		for (unsigned how = 0; how < N_LOSSES; how++)
			lose_in_order(order[i], how);
}

static void attached_again(void)
{
	struct pp_pool *pool;
	struct bunch b;

	bind_all();
	pool = shared_pool(&b);
	for (unsigned round = 0; round < 10; round++) {
		pp_iova_t before = pp_page_iova(b.page[round]);

		pp_pool_detach(pool, binding[0]);
		check_eq(pp_pool_attach(pool, binding[0]), 0, "detached and attached again");
		check(reaches(&dev[0], &b), "the device reaches the pages again");
		check(pp_page_iova(b.page[round]) == before, "where they were");
		pp_device_unbind(dev[1].dev);
		binding[1] = soft_device_bind(&dev[1]);
		check(reaches_nothing(&dev[1], &b), "a new binding has nothing of the old");
		check_eq(pp_pool_attach(pool, binding[1]), 0, "until it is attached");
		check(reaches(&dev[1], &b), "and then reaches them");
	}
	put_all(&b);
	pp_pool_destroy(pool);
	exit_all();
}

/* ---- a device that can't ------------------------------------------------------------------ */

/* A device of 32 bits can't have a pool that lies higher; and a pool made for it lies low. */
static void narrow_devices(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct soft_device wide, narrow;
	struct pp_pool *high, *low;
	pp_binding_t w, n;
	struct bunch b, c;

	soft_device_init(&wide, NULL);
	soft.address_bits = 32;
	soft_device_init(&narrow, &soft);
	w = soft_device_bind(&wide);
	n = soft_device_bind(&narrow);
	high = new_pool(w, &p);
	b = take(high, 100);
	check(pp_page_iova(b.page[0]) >> 32, "a wide device's pool lies high");
	check_eq(pp_pool_attach(high, n), -ERANGE, "too high for 32 bits");
	check_eq(pool_stats(high).attachments, 1, "so it stays with its one device");
	domain_is_empty(&narrow, "the narrow device's domain");
	check_eq(soft_device_stats(&narrow).pools, 0, "which counts no pool");
	check(reaches(&wide, &b), "the wide one isn't hurt");
	low = new_pool(n, &p);
	c = take(low, 100);
	check_eq(pp_pool_attach(low, w), 0, "the narrow one's pool suits the wide one");
	check(reaches(&wide, &c) && reaches(&narrow, &c), "both reach it");
	put_all(&c);
	c = take(low, 2000);
	check(reaches(&wide, &c) && reaches(&narrow, &c), "as they do when it has grown");
	put_all(&b);
	put_all(&c);
	pp_pool_destroy(high);
	pp_pool_destroy(low);
	soft_device_exit(&wide);
	soft_device_exit(&narrow);
	check_nothing_left("at the end");
}

int main(void)
{
	run(one_address_everywhere);
	run(revoked_with_the_last_device_only);
	run(attached_again);
	run(narrow_devices);
	return tap_end();
}
