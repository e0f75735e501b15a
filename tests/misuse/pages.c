/*
 * pages.c - pages put too often, used too late, requested by the wrong thread or from a pool that
 * has gone.
 *
 * Nothing here is a function's last call: a place in a message is the caller's, and a tail
 * call has none.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "misuse.h"

#include <signal.h>

static struct device dev;
static struct pp_pool *pool;
static struct pp_page *page;
static int ret; /* what a call returned, and then no tail call is possible */
static volatile int after;

static pp_binding_t start(void)
{
	pp_binding_t b = device_start(&dev, "soft0", false);

	pool = pool_new(b, "rx", PP_DMA_BIDIRECTIONAL);
	return b;
}

/* ---- right -------------------------------------------------------------------------------- */

static void *put_here(void *arg)
{
	pp_page_put(arg);
	return NULL;
}

static void *own_and_get(void *arg)
{
	struct pp_page *got;

	(void)arg;
	pp_pool_own(pool);
	got = page_new(pool);
	pp_page_put(got);
	return NULL;
}

/* What pp_pool_each allows, zombies too. */
static void look_at(struct pp_pool *any, void *ctx)
{
	struct pp_pool_info info;
	struct pp_pool_stats s;

	pp_pool_info(any, &info, sizeof info);
	pp_pool_stats(any, &s, sizeof s);
	pp_pool_recall(any);
	*(uint64_t *)ctx += s.in_flight;
}

static void *get_by_getter(void *arg)
{
	struct pp_getter *its;
	struct pp_page *got;

	(void)arg;
	need(!pp_getter_create(&its, pool));
	need(!pp_getter_get(&got, its));
	pp_page_put(got);
	return NULL; /* which destroys it */
}

static void right(void)
{
	uint64_t in_flight = 0;
	struct pp_page *batch[40];
	struct pp_frag frag[5];

	start();
	page = page_new(pool);
	pp_page_ref(page, 2);
	elsewhere(put_here, page);
	elsewhere(get_by_getter, NULL);
	pp_page_put(page);
	memset(pp_page_addr(page), 1, pp_page_size(page)); /* there is one reference left */
	need(!pp_soft_write(dev.iommu, pp_page_iova(page), "x", 1));
	pp_page_put(page);
	/* the same pages again and again, written by both */
	for (unsigned round = 0; round < 3; round++) {
		need(pp_page_get_batch(batch, 40, pool) == 40);
		for (unsigned i = 0; i < 40; i++) {
			memset(pp_page_addr(batch[i]), (int)i, pp_page_size(batch[i]));
			need(!pp_soft_write(dev.iommu, pp_page_iova(batch[i]), "x", 1));
		}
		pp_page_put_batch(batch, 40);
	}
	for (unsigned i = 0; i < 5; i++)
		need(!pp_frag_get(&frag[i], pool, 1500, 64));
	need(frag[0].page != frag[4].page);
	for (unsigned i = 0; i < 5; i++) {
		memset(frag[i].addr, 1, frag[i].len);
		pp_page_put(frag[i].page);
	}
	elsewhere(own_and_get, NULL);
	pp_pool_own(pool);
	/* a zombie's pages may be used and put */
	page = page_new(pool);
	pp_pool_destroy(pool);
	memset(pp_page_addr(page), 1, pp_page_size(page));
	pp_pool_each(look_at, &in_flight);
	need(in_flight == 1);
	pp_page_put(page);
	device_end(&dev);
}

/* ---- put too often ------------------------------------------------------------------------ */

static void put_twice(void)
{
	start();
	need(!pp_page_get(&page, pool)); /* @put_twice.get */
	pp_page_put(page);               /* @put_twice.first */
	pp_page_put(page);               /* @put_twice.call */
	after = 1;
}

static void *put_again(void *arg)
{
	pp_page_put(arg); /* @put_twice_elsewhere.call */
	after = 1;
	return NULL;
}

static void put_twice_elsewhere(void)
{
	start();
	need(!pp_page_get(&page, pool)); /* @put_twice_elsewhere.get */
	pp_page_put(page);               /* @put_twice_elsewhere.first */
	elsewhere(put_again, page);
}

static void put_after_last(void)
{
	start();
	need(!pp_page_get(&page, pool)); /* @put_after_last.get */
	pp_page_ref(page, 2);
	pp_page_put(page);
	pp_page_put(page);
	pp_page_put(page); /* @put_after_last.first */
	pp_page_put(page); /* @put_after_last.call */
	after = 1;
}

static void put_twice_in_batch(void)
{
	struct pp_page *batch[3];

	start();
	need(pp_page_get_batch(batch, 2, pool) == 2); /* @put_twice_in_batch.get */
	batch[2] = batch[0];
	pp_page_put_batch(batch, 3); /* @put_twice_in_batch.call */
	after = 1;
}

/* The pool lives on for the sake of another page. */
static void put_twice_zombie(void)
{
	struct pp_page *held;

	start();
	held = page_new(pool);
	need(!pp_page_get(&page, pool)); /* @put_twice_zombie.get */
	pp_pool_destroy(pool);
	pp_page_put(page); /* @put_twice_zombie.first */
	pp_page_put(page); /* @put_twice_zombie.call */
	after = pp_page_size(held) != 0;
}

/* A fragment's reference, put once more when the page that it was cut from has gone home. */
static void put_fragment_twice(void)
{
	struct pp_frag first, second;

	start();
	need(!pp_frag_get(&first, pool, 4096, 0));  /* @put_fragment_twice.get */
	need(!pp_frag_get(&second, pool, 4096, 0)); /* the first page is used up now */
	pp_page_put(first.page);                    /* @put_fragment_twice.first */
	pp_page_put(first.page);                    /* @put_fragment_twice.call */
	after = 1;
}

/* While the page is open for more; told of when it is closed. */
static void put_fragments_too_often(void)
{
	struct pp_frag f;

	start();
	need(!pp_frag_get(&f, pool, 100, 0));
	for (unsigned i = 0; i < 3; i++)
		pp_page_put(f.page);
	after = pp_frag_get(&f, pool, 4096, 0);
}

static void too_many_references(void)
{
	start();
	page = page_new(pool);
	pp_page_ref(page, ~0u); /* @too_many_references.call */
	pp_page_put(page);      /* the only one still */
	after = pp_page_size(page) != 0;
}

static void unref_too_many(void)
{
	start();
	page = page_new(pool);
	pp_page_ref(page, 2);
	pp_page_unref(page, 5); /* @unref_too_many.call */
	after = pp_page_size(page) != 0;
}

/* ---- used after put ----------------------------------------------------------------------- */

static void write_after_put(void)
{
	char *memory;

	start();
	page = page_new(pool);
	memory = pp_page_addr(page);
	pp_page_put(page); /* @write_after_put.put */
	memset(memory + 104, 1, 16);
	ret = pp_page_get(&page, pool);
}

static void device_write_after_put(void)
{
	pp_iova_t iova;

	start();
	page = page_new(pool);
	iova = pp_page_iova(page);
	pp_page_put(page); /* @device_write_after_put.put */
	need(!pp_soft_write(dev.iommu, iova + 4088, "12345678", 8));
	ret = pp_page_get(&page, pool);
}

/* Put by another thread, found by a batch. */
static void *put_elsewhere(void *arg)
{
	pp_page_put(arg); /* @write_after_put_elsewhere.put */
	after = 2;        /* unlike put_again, lest the compiler make one of the two */
	return NULL;
}

static void write_after_put_elsewhere(void)
{
	struct pp_page *batch[16];
	char *memory;

	start();
	page = page_new(pool);
	memory = pp_page_addr(page);
	elsewhere(put_elsewhere, page);
	memory[0] = 1;
	ret = pp_page_get_batch(batch, 16, pool);
}

/* ---- fragments ---------------------------------------------------------------------------- */

static struct pp_frag frag;

static void fragment_empty(void)
{
	start();
	ret = pp_frag_get(&frag, pool, 0, 1); /* @fragment_empty.call */
}

static void fragment_too_long(void)
{
	start();
	ret = pp_frag_get(&frag, pool, 4097, 1); /* @fragment_too_long.call */
}

static void fragment_align_odd(void)
{
	start();
	ret = pp_frag_get(&frag, pool, 100, 48); /* @fragment_align_odd.call */
}

static void fragment_align_too_large(void)
{
	start();
	ret = pp_frag_get(&frag, pool, 100, 8192); /* @fragment_align_too_large.call */
}

/* ---- who may get -------------------------------------------------------------------------- */

static void *get_as_stranger(void *arg)
{
	(void)arg;
	ret = pp_page_get(&page, pool); /* @get_elsewhere.call */
	return NULL;
}

static void get_elsewhere(void)
{
	start();
	elsewhere(get_as_stranger, NULL);
}

static struct pp_getter *getter;

static void *getter_as_stranger(void *arg)
{
	(void)arg;
	ret = pp_getter_get(&page, getter); /* @getter_elsewhere.call */
	return NULL;
}

static void start_getter(void)
{
	start();
	need(!pp_getter_create(&getter, pool));
}

static void getter_elsewhere(void)
{
	start_getter();
	elsewhere(getter_as_stranger, NULL);
}

static void *getter_batch_as_stranger(void *arg)
{
	(void)arg;
	ret = pp_getter_get_batch(&page, 1, getter); /* @getter_batch_elsewhere.call */
	return NULL;
}

static void getter_batch_elsewhere(void)
{
	start_getter();
	elsewhere(getter_batch_as_stranger, NULL);
}

static void *destroy_getter_as_stranger(void *arg)
{
	(void)arg;
	pp_getter_destroy(getter); /* @getter_destroy_elsewhere.call */
	after++;
	return NULL;
}

static void getter_destroy_elsewhere(void)
{
	start_getter();
	elsewhere(destroy_getter_as_stranger, NULL);
}

static void getter_destroyed(void)
{
	start_getter();
	pp_getter_destroy(getter);
	ret = pp_getter_get(&page, getter); /* @getter_destroyed.call */
}

static void *get_batch_as_stranger(void *arg)
{
	(void)arg;
	ret = pp_page_get_batch(&page, 1, pool); /* @get_batch_elsewhere.call */
	return NULL;
}

static void *reserve_here(void *arg)
{
	ret = pp_pool_reserve(arg, 16); /* @reserve_elsewhere.call */
	return NULL;
}

static void reserve_elsewhere(void)
{
	start();
	elsewhere(reserve_here, pool);
	after = 1;
}

static void get_batch_elsewhere(void)
{
	start();
	elsewhere(get_batch_as_stranger, NULL);
}

static void *get_fragment_as_stranger(void *arg)
{
	(void)arg;
	ret = pp_frag_get(&frag, pool, 100, 0); /* @get_fragment_elsewhere.call */
	return NULL;
}

static void get_fragment_elsewhere(void)
{
	start();
	elsewhere(get_fragment_as_stranger, NULL);
}

/* Not the owner any more: another thread has taken it over. */
static void *own_it(void *arg)
{
	(void)arg;
	pp_pool_own(pool);
	return NULL;
}

static void get_after_handover(void)
{
	start();
	elsewhere(own_it, NULL);
	ret = pp_page_get(&page, pool); /* @get_after_handover.call */
}

static void get_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	ret = pp_page_get(&page, pool); /* @get_destroyed.call */
}

/* The same while a page keeps the pool alive. */
static void get_destroyed_zombie(void)
{
	start();
	page = page_new(pool);
	pp_pool_destroy(pool);
	ret = pp_page_get(&page, pool); /* @get_destroyed_zombie.call */
}

static void get_fragment_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	ret = pp_frag_get(&frag, pool, 100, 0); /* @get_fragment_destroyed.call */
}

static void attach_destroyed(void)
{
	pp_binding_t b = start();

	pp_pool_destroy(pool);
	ret = pp_pool_attach(pool, b); /* @attach_destroyed.call */
}

static void detach_destroyed(void)
{
	pp_binding_t b = start();

	pp_pool_destroy(pool);
	ret = pp_pool_detach(pool, b); /* @detach_destroyed.call */
}

static void destroy_destroyed(void)
{
	start();
	page = page_new(pool);
	pp_pool_destroy(pool);
	pp_pool_destroy(pool); /* @destroy_destroyed.call */
}

static void own_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	pp_pool_own(pool); /* @own_destroyed.call */
}

static void trim_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	ret = (int)pp_pool_trim(pool, 0); /* @trim_destroyed.call */
}

static void stats_destroyed(void)
{
	struct pp_pool_stats s;

	start();
	pp_pool_destroy(pool);
	pp_pool_stats(pool, &s, sizeof s); /* @stats_destroyed.call */
}

static void recall_nothing(struct pp_recall *self, const char *name)
{
	(void)self, (void)name;
}

static void info_destroyed(void)
{
	struct pp_pool_info i;

	start();
	pp_pool_destroy(pool);
	pp_pool_info(pool, &i, sizeof i); /* @info_destroyed.call */
}

static void ages_destroyed(void)
{
	struct pp_page_age age;

	start();
	pp_pool_destroy(pool);
	ret = pp_pool_ages(pool, &age, 1); /* @ages_destroyed.call */
}

static void fd_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	ret = pp_pool_fd(pool); /* @fd_destroyed.call */
}

static void notice_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	ret = pp_pool_notice(pool, NULL, NULL); /* @notice_destroyed.call */
}

static void notice_fd_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	ret = pp_pool_notice_fd(pool, -1); /* @notice_fd_destroyed.call */
}

static void reserve_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	ret = pp_pool_reserve(pool, 1); /* @reserve_destroyed.call */
}

static void getter_of_destroyed(void)
{
	struct pp_getter *getter;

	start();
	pp_pool_destroy(pool);
	ret = pp_getter_create(&getter, pool); /* @getter_of_destroyed.call */
}

static void get_contiguous_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	ret = pp_page_get_contiguous(&page, 1, pool); /* @get_contiguous_destroyed.call */
}

static void recall_register_destroyed(void)
{
	static struct pp_recall recall;

	start();
	recall.recall = recall_nothing;
	pp_pool_destroy(pool);
	ret = pp_recall_register(pool, &recall); /* @recall_register_destroyed.call */
}

static void recall_destroyed(void)
{
	start();
	pp_pool_destroy(pool);
	pp_pool_recall(pool); /* @recall_destroyed.call */
}

/* ---- written after the put, and never got again --------------------------------------------- */

static void write_after_put_trim(void)
{
	char *memory;

	start();
	page = page_new(pool);
	memory = pp_page_addr(page);
	pp_page_put(page); /* @write_after_put_trim.put */
	memory[100] = 1;
	ret = (int)pp_pool_trim(pool, 0);
}

static void write_after_put_destroy(void)
{
	char *memory;

	start();
	page = page_new(pool);
	memory = pp_page_addr(page);
	pp_page_put(page); /* @write_after_put_destroy.put */
	memory[100] = 1;
	pp_pool_destroy(pool);
}

/* A handler interrupts a get in the middle: while the back end maps what the pool grows by. */
static void (*in_handler)(void);
static const struct pp_iommu_ops *soft_ops;

static void handle(int signal)
{
	(void)signal;
	in_handler();
}

static int map_interrupted(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
			   size_t page_size, unsigned prot)
{
	raise(SIGUSR1);
	return soft_ops->map(iommu, iova, addr, len, page_size, prot);
}

static void interrupt_a_get(void (*by)(void))
{
	static struct pp_iommu_ops ops;
	struct pp_page *more;

	start();
	page = page_new(pool);
	soft_ops = dev.iommu->ops;
	ops = *soft_ops;
	ops.map = map_interrupted;
	dev.iommu->ops = &ops;
	in_handler = by;
	signal(SIGUSR1, handle);
	for (unsigned i = 0; i < 16; i++)
		ret = pp_page_get(&more, pool);
}

static void put_it(void)
{
	pp_page_put(page); /* @put_in_handler.call */
	after++;
}

static void put_in_handler(void)
{
	interrupt_a_get(put_it);
}

static void get_another(void)
{
	struct pp_page *got;

	ret = pp_page_get(&got, pool); /* @get_in_handler.call */
	need(ret == -EDEADLK && !got);
}

static void get_in_handler(void)
{
	interrupt_a_get(get_another);
}

static const struct misuse cases[] = {
	MISUSE(right),
	MISUSE(put_twice),
	MISUSE(put_twice_elsewhere),
	MISUSE(put_after_last),
	MISUSE(put_twice_in_batch),
	MISUSE(put_twice_zombie),
	MISUSE(put_fragment_twice),
	MISUSE(put_fragments_too_often),
	MISUSE(too_many_references),
	MISUSE(unref_too_many),
	MISUSE(write_after_put),
	MISUSE(device_write_after_put),
	MISUSE(write_after_put_elsewhere),
	MISUSE(fragment_empty),
	MISUSE(fragment_too_long),
	MISUSE(fragment_align_odd),
	MISUSE(fragment_align_too_large),
	MISUSE(get_elsewhere),
	MISUSE(get_batch_elsewhere),
	MISUSE(getter_elsewhere),
	MISUSE(getter_batch_elsewhere),
	MISUSE(getter_destroy_elsewhere),
	MISUSE(getter_destroyed),
	MISUSE(reserve_elsewhere),
	MISUSE(get_fragment_elsewhere),
	MISUSE(get_after_handover),
	MISUSE(get_destroyed),
	MISUSE(get_destroyed_zombie),
	MISUSE(get_fragment_destroyed),
	MISUSE(attach_destroyed),
	MISUSE(detach_destroyed),
	MISUSE(destroy_destroyed),
	MISUSE(own_destroyed),
	MISUSE(trim_destroyed),
	MISUSE(stats_destroyed),
	MISUSE(info_destroyed),
	MISUSE(ages_destroyed),
	MISUSE(fd_destroyed),
	MISUSE(notice_destroyed),
	MISUSE(notice_fd_destroyed),
	MISUSE(reserve_destroyed),
	MISUSE(getter_of_destroyed),
	MISUSE(get_contiguous_destroyed),
	MISUSE(recall_register_destroyed),
	MISUSE(recall_destroyed),
	MISUSE(write_after_put_trim),
	MISUSE(write_after_put_destroy),
	MISUSE(put_in_handler),
	MISUSE(get_in_handler),
};

MISUSE_MAIN(cases)
