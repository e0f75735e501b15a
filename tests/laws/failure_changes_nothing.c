/*
 * failure_changes_nothing.c - Law 10: every failure (memory, IOVA space, IOMMU map, device gone)
 * leaves everything as it was before the call.
 *
 * Built on the library with fault points. Each operation is tried with its first fault
 * point failing, then its second, until it has none left; and again with the n-th and all
 * that follow failing. Under AddressSanitizer the leaks show, too.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include "env/env.h"
#include "pool/pool.h"

#include <sys/mman.h>

/* ---- live memory, by the linker's --wrap ------------------------------------------------ */

static long blocks, bytes; /* of the heap; of mmap(2) */

/* mmap by either name: the size of off_t decides which one is called. */
typedef void *map_fn(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
map_fn __real_mmap, __wrap_mmap, __real_mmap64, __wrap_mmap64;
int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);

static void *mapped(void *p, size_t len, int flags)
{
	bytes += p == MAP_FAILED || flags & MAP_FIXED ? 0 : (long)len; /* fixed: in place of some */
	return p;
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mapped(__real_mmap(addr, len, prot, flags, fd, offset), len, flags);
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mapped(__real_mmap64(addr, len, prot, flags, fd, offset), len, flags);
}

int __wrap_munmap(void *addr, size_t len)
{
	int ret = __real_munmap(addr, len);

	bytes -= ret ? 0 : (long)len;
	return ret;
}

int __real_posix_memalign(void **out, size_t align, size_t bytes);
int __wrap_posix_memalign(void **out, size_t align, size_t bytes);
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void __real_free(void *p);
void __wrap_free(void *p);

int __wrap_posix_memalign(void **out, size_t align, size_t bytes)
{
	int ret = __real_posix_memalign(out, align, bytes);

	blocks += !ret;
	return ret;
}

void *__wrap_malloc(size_t bytes)
{
	void *p = __real_malloc(bytes);

	blocks += p != NULL;
	return p;
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	void *p = __real_calloc(n, bytes);

	blocks += p != NULL;
	return p;
}

void __wrap_free(void *p)
{
	blocks -= p != NULL;
	__real_free(p);
}

/* ---- the fault points ---------------------------------------------------------------- */

static struct {
	unsigned n;      /* the one that fails, from 1 */
	bool persistent; /* and all that follow */
	unsigned seen;
	bool hit;
} fault;

static bool decide(void *ctx, const char *what)
{
	(void)ctx;
	(void)what;
	fault.seen++;
	if (fault.seen != fault.n && !(fault.persistent && fault.seen > fault.n))
		return false;
	fault.hit = true;
	return true;
}

/* ---- what must be as it was -------------------------------------------------------------- */

struct all_there_is {
	struct pp_totals totals;
	struct pp_domain_stats domain[2];
	struct pp_device_stats device[2];
	struct pp_pool_stats pool;
	long blocks, bytes;
};

struct world {
	struct soft_device d[2];
	pp_binding_t binding[2];
	struct pp_pool *pool; /* or NULL */
	unsigned devices;
	void *made; /* by the operation, for undo */
	struct pp_iommu *soft;
	pp_iova_t iova;
	struct bunch held;
};

/* Pieces of a pool's file that were made for a span, and are kept for the next. */
static long spare_extents(const struct pp_pool *pool)
{
	long n = 0;

	for (unsigned i = 0; i <= POOL_SPAN; i++)
		for (const struct extent *e = pool->file.spare[i]; e; e = e->next)
			n++;
	return n;
}

static struct all_there_is look(struct world *w)
{
	struct all_there_is all = { .totals = totals() };

	for (unsigned i = 0; i < w->devices; i++) {
		all.domain[i] = soft_device_domain(&w->d[i]);
		/* what was tried counts as tried */
		all.domain[i].maps = all.domain[i].unmaps = all.domain[i].invalidations = 0;
		all.device[i] = soft_device_stats(&w->d[i]);
		all.device[i].unbind_ns = 0;
	}
	if (w->pool) {
		all.pool = pool_stats(w->pool);
		all.pool.alloc_failed = all.pool.alloc_empty = 0;
		all.pool.oldest_ns = 0; /* it passes */
		/* chunks that came and went again have been there */
		all.pool.alloc_slow_high_order -= all.pool.chunks_released;
		all.pool.chunks_released = 0;
	}
	all.blocks = blocks - (w->pool ? spare_extents(w->pool) : 0);
	all.bytes = bytes;
	return all;
}

#define DIFFER(name, what)                                                                         \
	if (a->name != b->name) {                                                                  \
		printf("# " #name ": %llu before, %llu after\n", (unsigned long long)a->name,      \
		       (unsigned long long)b->name);                                               \
		same = false;                                                                      \
	}

static bool same_domain(const struct pp_domain_stats *a, const struct pp_domain_stats *b)
{
	bool same = true;

	PP_DOMAIN_STATS(DIFFER)
	return same;
}

static bool same_device(const struct pp_device_stats *a, const struct pp_device_stats *b)
{
	bool same = true;

	PP_DEVICE_STATS(DIFFER)
	return same;
}

static bool same_pool(const struct pp_pool_stats *a, const struct pp_pool_stats *b)
{
	bool same = true;

	PP_POOL_STATS(DIFFER)
	return same;
}

static bool same_totals(const struct pp_totals *a, const struct pp_totals *b)
{
	bool same = true;

	DIFFER(pools, )
	DIFFER(zombies, )
	DIFFER(zombie_pages, )
	DIFFER(chunk_bytes, )
	DIFFER(iova_bytes, )
	return same;
}

static bool same_memory(const struct all_there_is *a, const struct all_there_is *b)
{
	bool same = a->blocks == b->blocks && a->bytes == b->bytes;

	if (!same)
		printf("# memory: %ld blocks and %ld bytes before, %ld and %ld after\n", a->blocks,
		       a->bytes, b->blocks, b->bytes);
	return same;
}

static bool same_world(const struct all_there_is *a, const struct all_there_is *b)
{
	bool same = same_totals(&a->totals, &b->totals);

	for (unsigned i = 0; i < 2; i++) {
		same &= same_domain(&a->domain[i], &b->domain[i]);
		same &= same_device(&a->device[i], &b->device[i]);
	}
	same &= same_pool(&a->pool, &b->pool);
	return same_memory(a, b) && same;
}

/* ---- the machine ------------------------------------------------------------------------- */

struct operation {
	const char *name;
	unsigned devices; /* that must be registered before; bound, too, unless it is the bind */
	bool unbound;
	void (*prepare)(struct world *w); /* may be NULL */
	int (*call)(struct world *w);
	void (*undo)(struct world *w);     /* when it succeeded */
	void (*clean_up)(struct world *w); /* what prepare did; may be NULL */
	unsigned at_least;                 /* fault points that it is known to have */
};

/*
 * A back end that pins keeps a thread's last failure in words, in memory that is made with the
 * first.
 */
static void fail_to_map(struct world *w)
{
	pp_iova_t iova;

	if (w->d[0].iommu->pins)
		check(pp_dma_map(w->binding[0], (void *)PP_BASE_PAGE, 1, PP_DMA_TO_DEVICE, &iova) <
			      0,
		      "what isn't there can't be mapped");
}

static void make_world(struct world *w, const struct operation *op)
{
	memset(w, 0, sizeof *w);
	w->devices = op->devices;
	for (unsigned i = 0; i < op->devices; i++) {
		soft_device_init(&w->d[i], NULL);
		w->d[i].test = w;
		if (!op->unbound)
			w->binding[i] = soft_device_bind(&w->d[i]);
	}
	if (op->prepare)
		op->prepare(w);
	/* what is made once and kept is made now: with a failure, and once without */
	if (op->devices && !op->unbound)
		fail_to_map(w);
	require(!op->call(w), "%s succeeds", op->name);
	op->undo(w);
}

static void end_world(struct world *w, const struct operation *op)
{
	if (op->clean_up)
		op->clean_up(w);
	for (unsigned i = 0; i < w->devices; i++)
		soft_device_exit(&w->d[i]);
	check_nothing_left(op->name);
}

/* One try. False: no fault point was met. */
static bool fails_cleanly(struct world *w, const struct operation *op)
{
	struct all_there_is before = look(w), after;
	int ret;

	fault.seen = 0;
	fault.hit = false;
	env_fault_set(decide, NULL);
	ret = op->call(w);
	env_fault_set(NULL, NULL);
	if (!ret) {
		op->undo(w); /* it found another way: as good */
		after = look(w);
		if (fault.hit && (!same_totals(&before.totals, &after.totals) ||
				  !same_domain(&before.domain[0], &after.domain[0]) ||
				  !same_domain(&before.domain[1], &after.domain[1]) ||
				  !same_memory(&before, &after)))
			check(false, "%s: got on without point %u, and can be undone", op->name,
			      fault.n);
		return fault.hit;
	}
	after = look(w);
	if (!same_world(&before, &after))
		check(false, "%s: failed at point %u%s (%d), and left something", op->name, fault.n,
		      fault.persistent ? " and after" : "", ret);
	if (ret != -ENOMEM && ret != -ENOSPC && ret != -ENOSYS)
		check_eq(ret, -ENOMEM, "%s: an errno that says why, at point %u", op->name,
			 fault.n);
	return fault.hit;
}

static void every_point(const struct operation *op, bool persistent)
{
	struct world w;

	make_world(&w, op);
	fault.persistent = persistent;
	for (fault.n = 1; fails_cleanly(&w, op); fault.n++)
		;
	check(fault.n > op->at_least, "%s: %u fault points%s, each failed cleanly", op->name,
	      fault.n - 1, persistent ? " and all that follow" : "");
	require(!op->call(&w), "%s: works as ever after that", op->name);
	op->undo(&w);
	end_world(&w, op);
}

/* ---- operations -------------------------------------------------------------------------- */

static int call_register(struct world *w)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev = NULL;
	int ret = pp_soft_create(&w->soft, NULL);

	if (ret)
		return ret;
	params.name = "new";
	params.iommu = w->soft;
	ret = pp_device_register(&dev, &params);
	if (ret)
		pp_soft_destroy(w->soft); /* still ours */
	w->made = dev;
	return ret;
}

static void undo_register(struct world *w)
{
	pp_device_unregister(w->made);
}

static char memory[4][3 * PP_BASE_PAGE];

/* A probe that takes one of everything, and leaves it to the library to undo it. */
static int greedy_probe(struct soft_device *d, pp_binding_t binding)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct world *w = d->test;
	pp_iova_t iova;
	void *cpu;
	int ret = pp_dma_alloc_coherent(binding, 8192, &cpu, &iova);

	for (unsigned i = 0; i < 4 && !ret; i++)
		ret = pp_dma_map(binding, memory[i], sizeof memory[i], PP_DMA_TO_DEVICE, &iova);
	if (!ret)
		ret = pp_pool_create((struct pp_pool **)&w->made, binding, &p);
	if (ret)
		return ret;
	for (unsigned i = 0; i < 40 && !ret; i++) {
		ret = pp_page_get(&w->held.page[i], w->made);
		w->held.n += !ret;
	}
	if (!ret)
		return 0;
	while (w->held.n)
		pp_page_put(w->held.page[--w->held.n]);
	pp_pool_destroy(w->made);
	return ret;
}

static void prepare_bind(struct world *w)
{
	w->d[0].probe = greedy_probe;
	w->held.page = calloc(40, sizeof *w->held.page);
}

/* Bindings begun and mappings forgotten are history, which a failed bind makes, too. */
static int call_bind(struct world *w)
{
	return pp_device_bind(w->d[0].dev, &w->d[0].drv);
}

static void undo_bind(struct world *w)
{
	pp_device_unbind(w->d[0].dev);
	while (w->held.n)
		pp_page_put(w->held.page[--w->held.n]);
	pp_pool_destroy(w->made);
}

static void clean_up_bind(struct world *w)
{
	free(w->held.page);
}

static int create(struct world *w, bool shared)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_pool *pool;
	int ret;

	p.shared = shared;
	ret = pp_pool_create(&pool, w->binding[0], &p);

	if (ret && pool)
		check(false, "create: a failure gives no pool");
	w->made = pool;
	return ret;
}

static int call_create(struct world *w)
{
	return create(w, false);
}

static int call_create_shared(struct world *w)
{
	return create(w, true);
}

static void undo_create(struct world *w)
{
	pp_pool_destroy(w->made);
}

/* A pool of both devices, or of the first. */
static void make_pool(struct world *w, bool shared)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	p.idle_chunks = 1000;
	p.shared = shared;
	w->pool = new_pool(w->binding[0], &p);
	if (w->devices > 1)
		require(!pp_pool_attach(w->pool, w->binding[1]), "attached to both");
	w->held = take(w->pool, 16 * 7); /* three spans, every page out: the next get grows */
}

static void prepare_pool(struct world *w)
{
	make_pool(w, false);
}

static void prepare_shared(struct world *w)
{
	make_pool(w, true);
}

static void clean_up_pool(struct world *w)
{
	put_all(&w->held);
	pp_pool_destroy(w->pool);
}

static int call_grow(struct world *w)
{
	struct pp_page *page;
	int ret = pp_page_get(&page, w->pool);

	if (ret && page)
		check(false, "growth: a failure gives no page");
	w->made = page;
	return ret;
}

static void undo_grow(struct world *w)
{
	pp_page_put(w->made);
	pp_pool_trim(w->pool, 0);
}

static int call_reserve(struct world *w)
{
	return pp_pool_reserve(w->pool, 16 * 17);
}

static void undo_reserve(struct world *w)
{
	check_eq(pp_pool_reserve(w->pool, 0), 0, "reserve: nothing any more");
	pp_pool_trim(w->pool, 0);
}

static void prepare_attach(struct world *w)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	w->pool = new_pool(w->binding[0], &p);
	w->held = take(w->pool, 16 * 7);
}

static int call_attach(struct world *w)
{
	return pp_pool_attach(w->pool, w->binding[1]);
}

static void undo_attach(struct world *w)
{
	pp_pool_detach(w->pool, w->binding[1]);
}

static int call_map(struct world *w)
{
	int ret = pp_dma_map(w->binding[0], memory[0], sizeof memory[0], PP_DMA_BIDIRECTIONAL,
			     &w->iova);

	if (ret && w->iova != PP_IOVA_NONE)
		check(false, "map: a failure gives no address");
	return ret;
}

static void undo_map(struct world *w)
{
	pp_dma_unmap(w->binding[0], w->iova, sizeof memory[0], PP_DMA_BIDIRECTIONAL);
}

static int call_coherent(struct world *w)
{
	int ret = pp_dma_alloc_coherent(w->binding[0], 20000, &w->made, &w->iova);

	if (ret && (w->iova != PP_IOVA_NONE || w->made))
		check(false, "coherent: a failure gives nothing");
	return ret;
}

static void undo_coherent(struct world *w)
{
	pp_dma_free_coherent(w->binding[0], 20000, w->made, w->iova);
}

static const struct operation operations[] = {
	{ "register", 0, true, NULL, call_register, undo_register, NULL, 2 },
	{ "create", 1, false, NULL, call_create, undo_create, NULL, 2 },
	{ "create, shared", 1, false, NULL, call_create_shared, undo_create, NULL, 3 },
	{ "growth, shared", 1, false, prepare_shared, call_grow, undo_grow, clean_up_pool, 7 },
	{ "growth", 1, false, prepare_pool, call_grow, undo_grow, clean_up_pool, 6 },
	{ "reserve", 1, false, prepare_pool, call_reserve, undo_reserve, clean_up_pool, 20 },
	{ "growth on two devices", 2, false, prepare_pool, call_grow, undo_grow, clean_up_pool, 8 },
	{ "attach", 2, false, prepare_attach, call_attach, undo_attach, clean_up_pool, 6 },
	{ "map", 1, false, NULL, call_map, undo_map, NULL, 3 },
	{ "coherent memory", 1, false, NULL, call_coherent, undo_coherent, NULL, 4 },
};

static void one_after_the_other(void)
{
	for (unsigned i = 0; i < sizeof operations / sizeof operations[0]; i++)
		every_point(&operations[i], false);
}

static void from_one_on(void)
{
	for (unsigned i = 0; i < sizeof operations / sizeof operations[0]; i++)
		every_point(&operations[i], true);
}

/*
 * An area is mapped whole. What a growth that failed was to use stays what the device has mapped:
 * had that pinned it, it would go on with memory that isn't there any more.
 */
static void an_area_that_cannot_grow(void)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	uint64_t word = 0x61726561, there = 0;
	struct soft_device d;
	struct pp_pool *pool;
	struct pp_page *page;
	struct bunch b;
	pp_iova_t next;

	p.area = 8 * 64 * KIB;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, 64);
	require(all_different(&b) && pool_stats(pool).pages == 64, "the first four chunks' pages");
	next = pp_page_iova(b.page[0]) + 4 * 64 * KIB;
	check(!pp_soft_write(d.iommu, next, &word, sizeof word), "the device writes behind them");
	fault.n = 1;
	fault.seen = 0;
	fault.persistent = true;
	env_fault_set(decide, NULL);
	check_eq(pp_page_get(&page, pool), -ENOMEM, "a growth fails");
	env_fault_set(NULL, NULL);
	check(!pp_soft_read(d.iommu, next, &there, sizeof there) && there == word,
	      "what the device wrote is there still");
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* A bind makes history even if it fails; apart from that nothing may be left. */
static void a_probe_that_fails_anywhere(void)
{
	static const struct operation bind = { "bind",    1,         true,          prepare_bind,
					       call_bind, undo_bind, clean_up_bind, 10 };
	struct world w;
	int ret = -1;

	make_world(&w, &bind);
	fault.persistent = false;
	for (fault.n = 1; ret; fault.n++) {
		struct all_there_is before = look(&w), after;

		fault.seen = 0;
		fault.hit = false;
		env_fault_set(decide, NULL);
		ret = call_bind(&w);
		env_fault_set(NULL, NULL);
		if (!ret && fault.hit) {
			undo_bind(&w);
			ret = -1;
			continue;
		}
		if (!ret)
			break;
		after = look(&w);
		if (pp_device_state(w.d[0].dev) != PP_DEVICE_PRESENT ||
		    !same_totals(&before.totals, &after.totals) ||
		    !same_domain(&before.domain[0], &after.domain[0]) || after.device[0].pools ||
		    !same_memory(&before, &after))
			check(false, "bind: the probe failed at point %u, and left something",
			      fault.n);
	}
	check(fault.n > bind.at_least, "a probe that takes one of everything: %u points",
	      fault.n - 1);
	undo_bind(&w);
	end_world(&w, &bind);
}

/* ---- failures that need no fault points ------------------------------------------------------ */

/* A device whose space is full: 32 bits of it, in spans of 1 GiB and less. */
static void no_iova_left(void)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct all_there_is before, after;
	struct world w = { .devices = 1 };
	pp_iova_t iova[64];
	unsigned n = 0;
	char *huge;
	int ret;

	soft.address_bits = 32;
	soft_device_init(&w.d[0], &soft);
	if (w.d[0].iommu->pins) {
		tap_skip("IOVA space runs out", "this IOMMU pins what it maps: gigabytes");
		soft_device_exit(&w.d[0]);
		return;
	}
	w.binding[0] = soft_device_bind(&w.d[0]);
	/* never touched: only its addresses are used */
	huge = mmap(NULL, 512 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (huge == MAP_FAILED) {
		tap_skip("IOVA space runs out", "no 512 MiB of address space");
		soft_device_exit(&w.d[0]);
		return;
	}
	do {
		before = look(&w);
		ret = n < 64 ? pp_dma_map(w.binding[0], huge, 512 * MIB - 1, PP_DMA_TO_DEVICE,
					  &iova[n]) :
			       -E2BIG;
		n += !ret;
	} while (!ret);
	after = look(&w);
	check_eq(ret, -ENOSPC, "IOVA space within 32 bits runs out after %u mappings", n);
	check(same_domain(&before.domain[0], &after.domain[0]) &&
		      same_totals(&before.totals, &after.totals) && same_memory(&before, &after),
	      "and the failed one leaves nothing");
	while (n--)
		check_eq(pp_dma_unmap(w.binding[0], iova[n], 512 * MIB - 1, PP_DMA_TO_DEVICE), 0,
			 "those that were made can be undone");
	domain_is_empty(&w.d[0], "all undone");
	munmap(huge, 512 * MIB);
	soft_device_exit(&w.d[0]);
	check_nothing_left("at the end");
}

static void the_device_is_gone(void)
{
	struct world w = { .devices = 1 };
	struct all_there_is before, after;
	struct pp_page *page;

	soft_device_init(&w.d[0], NULL);
	w.binding[0] = soft_device_bind(&w.d[0]);
	prepare_pool(&w);
	pp_device_remove(w.d[0].dev, PP_REMOVAL_SURPRISE);
	before = look(&w);
	check_eq(pp_page_get(&page, w.pool), -ENODEV,
		 "a get from the pool of a device that's gone");
	check_eq(pp_pool_attach(w.pool, w.binding[0]), -ENODEV, "and an attach");
	check_eq(pp_device_bind(w.d[0].dev, &w.d[0].drv), -ENODEV, "and a bind");
	after = look(&w);
	check(same_world(&before, &after), "leave all as it was");
	clean_up_pool(&w);
	soft_device_exit(&w.d[0]);
	check_nothing_left("at the end");
}

int main(void)
{
	run(one_after_the_other);
	run(from_one_on);
	run(an_area_that_cannot_grow);
	run(a_probe_that_fails_anywhere);
	run(no_iova_left);
	run(the_device_is_gone);
	return tap_end();
}
