/*
 * copies_share_a_process.c SHARED-LIBRARY - Law 13, of copies of the library: this program has
 * one in it, and loads another. Pages of each are put by way of the other, and got; none changes
 * hands.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dlfcn.h>

#include "laws.h"

#define N 700u /* more than a cache */

struct copy {
	const char *name;
	int (*create)(struct pp_pool **out, pp_binding_t binding, const struct pp_pool_params *p);
	void (*destroy)(struct pp_pool *pool);
	int (*get)(struct pp_page **out, struct pp_pool *pool);
	int (*get_batch)(struct pp_page **out, unsigned n, struct pp_pool *pool);
	int (*frag)(struct pp_frag *out, struct pp_pool *pool, uint32_t len, uint32_t align);
	void (*put)(struct pp_page *page);
	void (*put_batch)(struct pp_page *const *pages, unsigned n);
	void (*stats)(struct pp_pool *pool, struct pp_pool_stats *stats, size_t size);
	void (*totals)(struct pp_totals *totals, size_t size);
	int (*getter)(struct pp_getter **out, struct pp_pool *pool);
	int (*getter_get)(struct pp_page **out, struct pp_getter *getter);
	int (*getter_batch)(struct pp_page **out, unsigned n, struct pp_getter *getter);
	void (*getter_gone)(struct pp_getter *getter);
	struct pp_pool *pool;
	struct pp_page *page[N];
};

/* As the program itself calls it: the inline get and put, too. */
static int here_get(struct pp_page **out, struct pp_pool *pool)
{
	return pp_page_get(out, pool);
}

static int here_getter_get(struct pp_page **out, struct pp_getter *getter)
{
	return pp_getter_get(out, getter);
}

static void here_put(struct pp_page *page)
{
	pp_page_put(page);
}

static struct copy here = {
	"the program's",
	pp_pool_create,
	pp_pool_destroy,
	here_get,
	pp_page_get_batch,
	pp_frag_get,
	here_put,
	pp_page_put_batch,
	pp_pool_stats,
	pp_totals,
	pp_getter_create,
	here_getter_get,
	pp_getter_get_batch,
	pp_getter_destroy,
	NULL,
	{ NULL },
};

static void *symbol(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	require(p != NULL, "%s is found", name);
	return p;
}

static void find(struct copy *c, void *lib)
{
	*(void **)&c->create = symbol(lib, "pp_pool_create");
	*(void **)&c->destroy = symbol(lib, "pp_pool_destroy");
	*(void **)&c->get = symbol(lib, "pp_page_get");
	*(void **)&c->get_batch = symbol(lib, "pp_page_get_batch");
	*(void **)&c->frag = symbol(lib, "pp_frag_get");
	*(void **)&c->put = symbol(lib, "pp_page_put");
	*(void **)&c->put_batch = symbol(lib, "pp_page_put_batch");
	*(void **)&c->stats = symbol(lib, "pp_pool_stats");
	*(void **)&c->totals = symbol(lib, "pp_totals");
	*(void **)&c->getter = symbol(lib, "pp_getter_create");
	*(void **)&c->getter_get = symbol(lib, "pp_getter_get");
	*(void **)&c->getter_batch = symbol(lib, "pp_getter_get_batch");
	*(void **)&c->getter_gone = symbol(lib, "pp_getter_destroy");
}

static struct pp_pool_stats stats_of(const struct copy *c)
{
	struct pp_pool_stats s;

	c->stats(c->pool, &s, sizeof s);
	return s;
}

static uint64_t pools_of(const struct copy *c)
{
	struct pp_totals t;

	c->totals(&t, sizeof t);
	return t.pools;
}

static void make(struct copy *c)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	p.max_pages = N;
	require(!c->create(&c->pool, pp_binding_none(), &p), "a pool of %s copy", c->name);
}

/* All pages that there are. */
static void get_all(struct copy *c, const struct copy *by)
{
	bool mine = true;

	require(by->get_batch(c->page, N / 2, c->pool) == N / 2, "half of its pages are got");
	for (unsigned i = N / 2; i < N; i++)
		if (by->get(&c->page[i], c->pool))
			require(false, "page %u of %u is got", i, N);
	for (unsigned i = 0; i < N; i++)
		mine = mine && pp_block_of(c->page[i])->pool == c->pool;
	check(mine, "all %u of %s copy are its own", N, c->name);
	check_eq(stats_of(c).in_flight, N, "and in flight");
}

struct putting {
	struct copy *of;
	const struct copy *by;
	bool batch;
};

static void *put_all_by(void *arg)
{
	struct putting *p = arg;
	unsigned n = N / 2;

	if (p->batch)
		p->by->put_batch(p->of->page, n);
	for (unsigned i = p->batch ? n : 0; i < N; i++)
		p->by->put(p->of->page[i]);
	return NULL;
}

static void put_elsewhere(struct putting *p)
{
	pthread_t t;

	if (pthread_create(&t, NULL, put_all_by, p) || pthread_join(t, NULL))
		abort();
}

static const struct pp_anchor *anchor_of(const struct copy *c)
{
	return *(struct pp_anchor *const *)c->pool;
}

/* One thread owns both pools, and uses each by way of its own copy and of the other's in turn. */
static void pages_are_put_by_the_other_copy(struct copy *there)
{
	struct copy *both[2] = { &here, there };

	for (unsigned i = 0; i < 2; i++)
		make(both[i]);
	check(anchor_of(&here)->number != anchor_of(there)->number,
	      "their anchors differ in number");
	check(anchor_of(&here)->owner != anchor_of(there)->owner,
	      "as does what they call the thread");
	for (unsigned round = 0; round < 16; round++) {
		for (unsigned i = 0; i < 2; i++)
			get_all(both[i], both[round >> 3 ^ i]);
		for (unsigned i = 0; i < 2; i++) {
			struct putting p = { both[i], both[(round & 1) ^ i], round & 2 };

			if (round & 4)
				put_elsewhere(&p);
			else
				put_all_by(&p);
		}
		for (unsigned i = 0; i < 2; i++) {
			check_eq(stats_of(both[i]).in_flight, 0, "%s pages have come home",
				 both[i]->name);
			check_eq(stats_of(both[i]).oldest_ns, 0, "and none has an age");
		}
	}
}

static void fragments_too(struct copy *there)
{
	struct copy *both[2] = { &here, there };
	struct pp_frag frag[2];

	for (unsigned i = 0; i < 2; i++)
		require(!both[!i]->frag(&frag[i], both[i]->pool, 100, 0), "a fragment");
	for (unsigned i = 0; i < 2; i++) {
		check(pp_block_of(frag[i].page)->pool == both[i]->pool, "a fragment of %s pool",
		      both[i]->name);
		both[!i]->put(frag[i].page);
	}
}

static void zombies_go_by_the_other_copy(struct copy *there)
{
	struct copy *both[2] = { &here, there };
	struct pp_page *page;

	for (unsigned i = 0; i < 2; i++) {
		struct putting p = { both[i], both[!i], i };

		for (unsigned k = 0; k < N; k++)
			if (both[i]->get(&both[i]->page[k], both[i]->pool)) /* one has a fragment */
				both[i]->page[k] = NULL;
		check(both[!i]->get(&page, both[i]->pool) == -ENOBUFS, "the limit is kept");
		both[i]->destroy(both[i]->pool);
		check_eq(pools_of(both[i]), 1, "%s pool waits for its pages", both[i]->name);
		if (!both[i]->page[N - 1])
			both[i]->page[N - 1] = both[i]->page[0], pp_page_ref(both[i]->page[0], 1);
		put_elsewhere(&p);
		check_eq(pools_of(both[i]), 0, "%s pool goes with the last", both[i]->name);
	}
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	(void)dev, (void)binding, (void)ctx;
	return 0;
}

static void removed(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)dev, (void)binding, (void)why, (void)ctx;
}

/* What it calls is its own, though the program has functions of the same names for all to find. */
static void a_device_of_the_other_copy(struct copy *there, void *lib)
{
	static struct pp_driver drv = { .name = "test", .probe = probe, .remove = removed };
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	int (*soft)(struct pp_iommu **, const struct pp_soft_params *);
	int (*reg)(struct pp_device **, const struct pp_device_params *);
	int (*reg_driver)(struct pp_driver *), (*bind)(struct pp_device *, struct pp_driver *);
	pp_binding_t (*binding)(const struct pp_device *), theirs;
	bool (*alive)(pp_binding_t);
	void (*unreg)(struct pp_device *);
	struct pp_device *dev;
	struct pp_pool_stats s;
	struct soft_device ours;
	pp_binding_t mine;
	struct pp_pool *pool;

	*(void **)&soft = symbol(lib, "pp_soft_create");
	*(void **)&reg = symbol(lib, "pp_device_register");
	*(void **)&reg_driver = symbol(lib, "pp_driver_register");
	*(void **)&bind = symbol(lib, "pp_device_bind");
	*(void **)&binding = symbol(lib, "pp_device_binding");
	*(void **)&unreg = symbol(lib, "pp_device_unregister");
	*(void **)&alive = symbol(lib, "pp_binding_alive");
	p.name = "other";
	require(!soft(&p.iommu, NULL) && !reg(&dev, &p) && !reg_driver(&drv) && !bind(dev, &drv),
		"%s copy has a device", there->name);
	require(!there->create(&there->pool, binding(dev), NULL), "and a pool for it");
	s = stats_of(there);
	check_eq(s.attachments, 1, "which is attached");
	theirs = binding(dev);
	soft_device_init(&ours, NULL);
	mine = soft_device_bind(&ours);
	check(alive(theirs) && !alive(mine), "it refuses the program's binding");
	check(pp_binding_alive(mine) && !pp_binding_alive(theirs), "which refuses its");
	check_eq(pp_pool_create(&pool, theirs, NULL), -ENODEV, "no pool here for its device");
	check_eq(soft_device_stats(&ours).late_calls_refused, 0,
		 "and no late call of the program's");
	soft_device_exit(&ours);
	unreg(dev);
	s = stats_of(there);
	check(s.revoked, "until it goes");
	there->destroy(there->pool);
}

/* ---- a thread's own values --------------------------------------------------------------- */

#define KEYS 8u

static pthread_key_t key[KEYS];
static unsigned ended; /* values that came to their own key's destructor */

static void value_ends(void *value)
{
	ended += *(const char *)value == 'v';
}

static void *has_values(void *arg)
{
	static char value[KEYS + 1] = "vvvvvvvv";
	const struct copy *c = arg;
	unsigned left = 0;

	for (unsigned i = 0; i < KEYS; i++)
		pthread_setspecific(key[i], &value[i]);
	c->put(c->page[0]);
	for (unsigned i = 0; i < KEYS; i++)
		left += pthread_getspecific(key[i]) == &value[i];
	check_eq(left, KEYS, "a thread's values are its own after a put of %s copy", c->name);
	return NULL;
}

/* Also where the copy has another C library, which knows nothing of the program's keys. */
static void a_threads_values_are_left(struct copy *there)
{
	ended = 0;
	make(there);
	require(!there->get(&there->page[0], there->pool), "a page of %s copy", there->name);
	join(start(has_values, there));
	check_eq(ended, KEYS, "and they end as they are");
	there->destroy(there->pool);
}

/* All pages, by a getter, and what is in the owner's cache; each step by one copy or the other. */
static void get_and_put_by_getter(struct copy *c, const struct copy *by, const struct copy *other)
{
	struct pp_getter *getter;
	unsigned n = 1;

	require(!by->getter(&getter, c->pool), "a getter of %s pool, by %s", c->name, by->name);
	require(!other->getter_get(&c->page[0], getter), "a page by it");
	while (n < N && by->getter_batch(&c->page[n], 1, getter) == 1)
		n++;
	check_eq(n, N, "by a getter all pages are got");
	for (unsigned i = 0; i < N; i++)
		(i % 2 ? by : other)->put(c->page[i]);
	require(other->getter_batch(c->page, N, getter) == (int)N, "and again");
	other->getter_gone(getter);
	by->put_batch(c->page, N);
	check_eq(stats_of(c).in_flight, 0, "%s pages have come home", c->name);
}

static void *by_getters(void *both)
{
	struct copy **c = both;

	for (unsigned i = 0; i < 2; i++) {
		get_and_put_by_getter(c[i], c[0], c[1]);
		get_and_put_by_getter(c[i], c[1], c[0]);
	}
	return NULL;
}

static void getters_too(struct copy *there)
{
	struct copy *both[2] = { &here, there };

	for (unsigned i = 0; i < 2; i++) {
		make(both[i]);
		get_all(both[i], both[i]);
		both[i]->put_batch(both[i]->page, N);
	}
	join(start(by_getters, both));
	by_getters(both);
	for (unsigned i = 0; i < 2; i++) {
		both[i]->destroy(both[i]->pool);
		check_eq(pools_of(both[i]), 0, "no pool of %s copy is left", both[i]->name);
	}
}

static void together_with(void *lib, const char *name)
{
	struct copy there = { .name = name };

	require(lib != NULL, "%s copy is loaded", name);
	find(&there, lib);
	require(there.create != here.create, "it is another one");
	a_threads_values_are_left(&there);
	pages_are_put_by_the_other_copy(&there);
	fragments_too(&there);
	zombies_go_by_the_other_copy(&there);
	getters_too(&there);
	a_device_of_the_other_copy(&there, lib);
}

int main(int argc, char **argv)
{
	void *lib;

	if (argc < 2)
		tap_skip_all("no shared library is given");
	for (unsigned i = 0; i < KEYS; i++) /* the first that there are, as a copy's may be */
		if (pthread_key_create(&key[i], value_ends))
			abort();
	lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!lib && strstr(dlerror(), "initial-exec"))
		tap_skip_all("musl loads no library with such thread-local variables at run time");
	together_with(lib, "a plug-in's");
#ifdef LM_ID_NEWLM
	together_with(dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW | RTLD_LOCAL), "a namespace's");
#endif
	return tap_end();
}
