/*
 * stress.c - everything at once, from a seed: an owner, two holders, a device's engine, and
 * a controller that ends bindings, devices and pools under them.
 *
 *	stress [ROUNDS [SEED]]      PP_STRESS_SCALE=n: an n-th of the rounds
 *
 * A round is the life of one pool. What is checked:
 *   contents   each page in flight carries a pattern made of its address and a generation;
 *              whoever is handed it, and whoever puts it, checks that first. A page that
 *              has two holders, or that a device wrote to when it had no right to, shows.
 *   device     the engine writes the pages that the owner posts to it. When a binding has
 *              ended it writes to every address that it was ever told in that round: each
 *              write must fault.
 *   leaks      at the end nothing is left of pools, pages, memory and IOVA space.
 *
 * Nobody sleeps: progress is counted in what others have done.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "dice.h"
#include "soft_device.h"

#define DEVICES 2
#define HOLDERS 2
#define ITEMS 1024u /* items on the way from one thread to another */
#define STASH 600u  /* items that a holder keeps */
#define POSTED 64u  /* pages posted to the device at a time */
#define TOLD 1024u  /* addresses that the engine remembers */

#define load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)

/* ---- what is handed around ------------------------------------------------------------- */

/* A reference to a page, for a piece of it. */
struct item {
	struct pp_page *page;
	uint64_t *addr;
	uint32_t words;
	bool shared; /* others may be reading it: read only */
	uint64_t generation;
};

static uint64_t spoiled, checked; /* items; relaxed */

/*
 * References put so far, by each thread for itself: its place is the thread's alone to write, so
 * that counting orders nothing.
 */
#define COUNTERS (HOLDERS + 1)
static struct {
	uint64_t puts __attribute__((aligned(64)));
} counter[COUNTERS]; /* the holders', and the owner's */

static void count_puts(unsigned of, unsigned n)
{
	__atomic_store_n(&counter[of].puts, counter[of].puts + n, __ATOMIC_RELAXED);
}

static uint64_t all_puts(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < COUNTERS; i++)
		n += __atomic_load_n(&counter[i].puts, __ATOMIC_RELAXED);
	return n;
}

static uint64_t pattern(const struct item *it)
{
	return ((uintptr_t)it->addr ^ it->generation << 20) * 0x9E3779B97F4A7C15u;
}

static void write_item(struct item *it)
{
	uint64_t value = pattern(it);

	for (uint32_t i = 0; i < it->words; i++)
		it->addr[i] = value + i;
}

static void check_item(const struct item *it)
{
	uint64_t value = pattern(it);
	uint32_t bad = 0;

	for (uint32_t i = 0; i < it->words; i++)
		bad += it->addr[i] != value + i;
	add(&checked, 1);
	if (bad && add(&spoiled, 1) < 10)
		printf("# spoiled: %p, %u of %u words, generation %llu, first 0x%llx\n",
		       (void *)it->addr, bad, it->words, (unsigned long long)it->generation,
		       (unsigned long long)it->addr[0]);
}

/* From one thread to one other. */
struct spsc_ring {
	struct item slot[ITEMS];
	unsigned head __attribute__((aligned(64)));
	unsigned tail __attribute__((aligned(64)));
};

static bool spsc_send(struct spsc_ring *l, const struct item *it)
{
	if (l->head - load(&l->tail) == ITEMS)
		return false;
	l->slot[l->head % ITEMS] = *it;
	store(&l->head, l->head + 1);
	return true;
}

static bool spsc_receive(struct spsc_ring *l, struct item *it)
{
	if (l->tail == load(&l->head))
		return false;
	*it = l->slot[l->tail % ITEMS];
	store(&l->tail, l->tail + 1);
	return true;
}

/* ---- the engine of the devices ------------------------------------------------------------ */

static struct soft_device device[DEVICES];

static struct {
	/* the owner's post: items to be written by a device */
	struct item post[POSTED];
	bool written[POSTED];
	unsigned n, by;
	uint64_t posted, completed;
	/* the rogue: devices that write to all they were told. The controller's. */
	int rogue[DEVICES];
	uint64_t sweeps; /* complete ones of all rogues */
	uint64_t forget; /* rounds begun: what was told before doesn't count */
	int stop;
	uint64_t refused, got_through;
	/* the engine's own */
	pp_iova_t told[TOLD];
	unsigned n_told;
	uint64_t forgot;
} engine;

static void remember(pp_iova_t iova)
{
	engine.told[engine.n_told++ % TOLD] = iova;
}

static void serve_post(void)
{
	static uint64_t buf[64 * 1024 / 8];

	for (unsigned i = 0; i < engine.n; i++) {
		const struct item *it = &engine.post[i];
		pp_iova_t iova = pp_page_iova(it->page) +
				 (pp_iova_t)((char *)it->addr - (char *)pp_page_addr(it->page));
		uint64_t value = pattern(it);

		for (uint32_t w = 0; w < it->words; w++)
			buf[w] = value + w;
		remember(iova);
		engine.written[i] =
			!pp_soft_write(device[engine.by].iommu, iova, buf, it->words * 8ul);
	}
	store(&engine.completed, engine.posted);
}

static void sweep(unsigned dev)
{
	static const uint64_t poison[8] = { 0x0bad, 0x0bad, 0x0bad, 0x0bad };
	unsigned n = engine.n_told < TOLD ? engine.n_told : TOLD;

	for (unsigned i = 0; i < n; i++)
		if (pp_soft_write(device[dev].iommu, engine.told[i], poison, sizeof poison))
			engine.refused++;
		else
			engine.got_through++;
}

static void *run_engine(void *arg)
{
	(void)arg;
	while (!load(&engine.stop)) {
		if (engine.forgot != load(&engine.forget)) {
			engine.forgot = load(&engine.forget);
			engine.n_told = 0;
		}
		if (load(&engine.posted) != engine.completed)
			serve_post();
		for (unsigned i = 0; i < DEVICES; i++)
			if (load(&engine.rogue[i]))
				sweep(i);
		store(&engine.sweeps, engine.sweeps + 1);
		sched_yield();
	}
	return NULL;
}

/* What the rogues do from now on has been done at least once when it returns. */
static void await_sweep(void)
{
	uint64_t from = load(&engine.sweeps);

	while (load(&engine.sweeps) < from + 2)
		sched_yield();
}

/* ---- holders ----------------------------------------------------------------------------- */

static struct spsc_ring to_holder[HOLDERS], across[HOLDERS];

struct holder {
	unsigned me;
	struct dice dice;
	struct item stash[STASH];
	unsigned n;
	int *stop;
};

static struct item take_one(struct holder *h)
{
	unsigned i = roll(&h->dice, h->n);
	struct item it = h->stash[i];

	h->stash[i] = h->stash[--h->n];
	check_item(&it);
	return it;
}

static void drop(unsigned who, const struct item *it)
{
	count_puts(who, 1);
	pp_page_put(it->page);
}

static void put_some(struct holder *h, unsigned n)
{
	struct pp_page *page[64];
	unsigned k = 0;

	while (k < n && h->n)
		page[k++] = take_one(h).page;
	count_puts(h->me, k);
	if (k == 1)
		pp_page_put(page[0]);
	else
		pp_page_put_batch(page, k);
}

static void receive(struct holder *h, struct spsc_ring *spsc)
{
	struct item it;

	while (h->n < STASH && spsc_receive(spsc, &it)) {
		check_item(&it);
		h->stash[h->n++] = it;
	}
}

static void pass_on(struct holder *h)
{
	struct item it = take_one(h);

	if (!spsc_send(&across[!h->me], &it))
		drop(h->me, &it);
}

/* Write it anew, if nobody else reads it. */
static void rewrite(struct holder *h)
{
	struct item *it = &h->stash[roll(&h->dice, h->n)];

	check_item(it);
	if (it->shared)
		return;
	it->generation += 1000000;
	write_item(it);
}

/* Both holders have it from now on. */
static void share(struct holder *h)
{
	struct item *it = &h->stash[roll(&h->dice, h->n)];

	it->shared = true;
	pp_page_ref(it->page, 1);
	if (!spsc_send(&across[!h->me], it))
		drop(h->me, it);
}

static void *run_holder(void *arg)
{
	struct holder *h = arg;

	while (!load(h->stop)) {
		unsigned what = roll(&h->dice, 100);

		receive(h, &to_holder[h->me]);
		receive(h, &across[h->me]);
		if (!h->n)
			sched_yield();
		else if (what < 30)
			put_some(h, 1);
		else if (what < 45)
			put_some(h, 1 + roll(&h->dice, 64));
		else if (what < 65)
			pass_on(h);
		else if (what < 80)
			rewrite(h);
		else if (what < 90)
			share(h);
		else if (what < 91)
			put_some(h, 64);
		/* else keep them */
		if (h->n > STASH * 3 / 4)
			put_some(h, 32);
	}
	return NULL;
}

static void finish_holder(struct holder *h)
{
	struct item it;

	while (h->n)
		put_some(h, 64);
	while (spsc_receive(&to_holder[h->me], &it) || spsc_receive(&across[h->me], &it)) {
		check_item(&it);
		drop(h->me, &it);
	}
}

/* ---- the owner --------------------------------------------------------------------------- */

enum order { ORDER_NONE, ORDER_MAKE, ORDER_DESTROY, ORDER_STOP };

static struct {
	/* from the controller: an order stands until the owner takes it away */
	int order;
	pp_binding_t binding[DEVICES];
	unsigned attach;      /* devices, the first included */
	struct pp_pool *pool; /* NULL: none */
	struct dice dice;
	uint64_t generation;
	uint64_t done; /* operations */
	uint64_t made, failed, frags, trims, dma_written, dma_refused;
} owner;

static void hand_over(struct item *it)
{
	unsigned to = roll(&owner.dice, HOLDERS);

	it->shared = false;
	if (roll(&owner.dice, 8) == 0) { /* to both */
		it->shared = true;
		pp_page_ref(it->page, 1);
		if (!spsc_send(&to_holder[!to], it))
			drop(HOLDERS, it);
	}
	if (roll(&owner.dice, 10) == 0 || !spsc_send(&to_holder[to], it)) {
		check_item(it);
		drop(HOLDERS, it); /* the owner's own put */
	}
}

/* Let the device write them; what it can't, the owner writes. */
static void fill_by_device(struct item *it, unsigned n)
{
	memcpy(engine.post, it, n * sizeof *it);
	engine.n = n;
	engine.by = roll(&owner.dice, owner.attach);
	store(&engine.posted, engine.posted + 1);
	while (load(&engine.completed) != engine.posted)
		sched_yield();
	for (unsigned i = 0; i < n; i++) {
		owner.dma_written += engine.written[i];
		owner.dma_refused += !engine.written[i];
		if (!engine.written[i])
			write_item(&it[i]);
	}
}

static void fill_items(struct item *it, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		it[i].generation = ++owner.generation;
	if (roll(&owner.dice, 2)) {
		fill_by_device(it, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		write_item(&it[i]);
}

static struct item whole(struct pp_page *page)
{
	struct item it = { .page = page,
			   .addr = pp_page_addr(page),
			   .words = pp_page_size(page) / 8 };

	if (it.words > 512 && roll(&owner.dice, 16)) /* mostly just the start of a large one */
		it.words = 64;
	return it;
}

/* Get up to n items of one kind. */
static unsigned get_items(struct item *it, unsigned n)
{
	struct pp_page *page[POSTED];
	unsigned what = roll(&owner.dice, 3), got = 0;
	struct pp_frag frag;
	int ret = 0;

	if (what == 0) {
		ret = pp_page_get_batch(page, n, owner.pool);
		for (int i = 0; i < ret; i++)
			it[got++] = whole(page[i]);
	} else if (what == 1) {
		while (got < n && !(ret = pp_page_get(page, owner.pool)))
			it[got++] = whole(page[0]);
	} else {
		while (got < n &&
		       !(ret = pp_frag_get(&frag, owner.pool, 8 + 8 * roll(&owner.dice, 128), 8)))
			it[got++] = (struct item){ .page = frag.page,
						   .addr = frag.addr,
						   .words = frag.len / 8 };
		owner.frags += got;
	}
	owner.failed += ret < 0;
	return got;
}

static void work(void)
{
	struct item it[POSTED];
	unsigned n = get_items(it, 1 + roll(&owner.dice, POSTED));

	if (!n) {
		sched_yield(); /* revoked, or all pages are out */
	} else {
		fill_items(it, n);
		for (unsigned i = 0; i < n; i++)
			hand_over(&it[i]);
	}
	if (roll(&owner.dice, 200) == 0) {
		pp_pool_trim(owner.pool, roll(&owner.dice, 10));
		owner.trims++;
	}
	if (roll(&owner.dice, 50) == 0)
		pool_stats(owner.pool);
	store(&owner.done, owner.done + 1);
}

static struct pp_pool_params random_params(void)
{
	static const uint32_t page[] = { 2048, 4096, 4096, 4096, 16384 };
	static const uint32_t chunk[] = { 4096, 16384, 65536, 262144 };
	struct pp_pool_params p = pp_pool_defaults();

	p.name = "stress";
	p.page_size = page[roll(&owner.dice, 5)];
	p.chunk_size = chunk[roll(&owner.dice, 4)];
	if (p.chunk_size < p.page_size)
		p.chunk_size = p.page_size;
	p.memory = PP_MEMORY_BASE;
	p.max_pages = roll(&owner.dice, 3) ? 64 + roll(&owner.dice, 8000) : 0;
	p.idle_chunks = roll(&owner.dice, 2) ? 1 + roll(&owner.dice, 32) : 0;
	return p;
}

static void make_pool(void)
{
	struct pp_pool_params p = random_params();

	if (pp_pool_create(&owner.pool, owner.binding[0], &p))
		abort();
	for (unsigned i = 1; i < owner.attach; i++)
		if (pp_pool_attach(owner.pool, owner.binding[i]))
			abort();
	owner.made++;
}

static void *run_owner(void *arg)
{
	(void)arg;
	if (owner.pool)
		pp_pool_own(owner.pool);
	for (;;) {
		int order = load(&owner.order);

		if (order == ORDER_MAKE)
			make_pool();
		if (order == ORDER_DESTROY) {
			pp_pool_destroy(owner.pool);
			owner.pool = NULL;
		}
		if (order)
			store(&owner.order, ORDER_NONE);
		if (order == ORDER_STOP)
			return NULL;
		if (owner.pool)
			work();
		else
			sched_yield();
	}
}

static void tell_owner(int order)
{
	store(&owner.order, order);
	while (load(&owner.order))
		sched_yield();
}

static void let_owner_work(uint32_t operations)
{
	uint64_t until = load(&owner.done) + operations;

	while (load(&owner.done) < until)
		sched_yield();
}

/* ---- the controller ---------------------------------------------------------------------- */

static char drivers_own[4][5000];

/* The driver maps what it then forgets. */
static int careless_probe(struct soft_device *self, pp_binding_t binding)
{
	pp_iova_t iova;
	void *cpu;

	(void)self;
	for (unsigned i = 0; i < 4; i++)
		if (pp_dma_map(binding, drivers_own[i], 5000, PP_DMA_BIDIRECTIONAL, &iova))
			return -EIO;
	return pp_dma_alloc_coherent(binding, 8192, &cpu, &iova);
}

static void device_up(unsigned i, struct dice *dice)
{
	if (!device[i].dev) {
		struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);

		soft.deferred = roll(dice, 2);
		soft_device_init(&device[i], &soft);
		device[i].probe = careless_probe;
	}
	if (pp_device_state(device[i].dev) == PP_DEVICE_PRESENT)
		soft_device_bind(&device[i]);
	owner.binding[i] = pp_device_binding(device[i].dev);
}

static uint64_t domain_not_empty; /* ends of bindings that left something */

static void must_be_empty(unsigned i)
{
	struct pp_domain_stats s = soft_device_domain(&device[i]);

	if (s.mappings || s.bytes_mapped || s.iova_bytes || s.page_table_bytes || s.iotlb_entries ||
	    s.pending_ranges)
		domain_not_empty++;
}

/* A device loses the pool, in one of many ways, with owner and holders at work. */
static void lose_device(unsigned i, struct dice *dice)
{
	switch (roll(dice, 5)) {
	case 0:
	case 1:
		pp_device_unbind(device[i].dev);
		must_be_empty(i);
		break;
	case 2:
		pp_device_remove(device[i].dev, PP_REMOVAL_SURPRISE);
		must_be_empty(i);
		break;
	case 3:
		pp_device_remove(device[i].dev, PP_REMOVAL_ORDERLY);
		must_be_empty(i);
		break;
	case 4: pp_pool_detach(owner.pool, owner.binding[i]); break;
	}
	store(&engine.rogue[i], 1); /* from here on it must not get through */
}

/* The same by the handle's end: the owner destroys it. */
static void destroy_now(void)
{
	tell_owner(ORDER_DESTROY);
	for (unsigned i = 0; i < owner.attach; i++)
		store(&engine.rogue[i], 1);
}

static void replace_owner(pthread_t *thread)
{
	tell_owner(ORDER_STOP);
	pthread_join(*thread, NULL);
	if (pthread_create(thread, NULL, run_owner, NULL))
		abort();
}

static void one_round(struct dice *dice, pthread_t *owner_thread)
{
	unsigned first = roll(dice, DEVICES);

	store(&engine.forget, engine.forget + 1);
	await_sweep();
	for (unsigned i = 0; i < DEVICES; i++)
		device_up(i, dice);
	owner.attach = 1 + roll(dice, DEVICES);
	tell_owner(ORDER_MAKE);
	let_owner_work(roll(dice, 150));
	if (roll(dice, 4) == 0)
		replace_owner(owner_thread);
	totals();
	if (roll(dice, 4) == 0) {
		destroy_now();
	} else if (owner.attach == 1) {
		lose_device(0, dice);
	} else {
		lose_device(first, dice);
		let_owner_work(roll(dice, 100)); /* on the device that is left */
		lose_device(!first, dice);
	}
	await_sweep();
	if (owner.pool) {
		let_owner_work(roll(dice, 5)); /* all of it in vain */
		tell_owner(ORDER_DESTROY);
		await_sweep();
	}
	for (unsigned i = 0; i < DEVICES; i++)
		store(&engine.rogue[i], 0);
	await_sweep(); /* nobody uses the devices now */
	for (unsigned i = 0; i < DEVICES; i++)
		if (pp_device_state(device[i].dev) == PP_DEVICE_GONE || roll(dice, 5) == 0) {
			soft_device_exit(&device[i]);
			device[i].dev = NULL;
		}
}

static void tell_what_happened(unsigned rounds)
{
	printf("# %u rounds: %llu pools, %llu operations of the owner, %llu fragments, %llu trims, "
	       "%llu gets failed\n",
	       rounds, (unsigned long long)owner.made, (unsigned long long)owner.done,
	       (unsigned long long)owner.frags, (unsigned long long)owner.trims,
	       (unsigned long long)owner.failed);
	printf("# device: %llu pages written, %llu refused; rogue: %llu refused\n",
	       (unsigned long long)owner.dma_written, (unsigned long long)owner.dma_refused,
	       (unsigned long long)engine.refused);
	printf("# %llu references put, %llu checks of contents\n", (unsigned long long)all_puts(),
	       (unsigned long long)checked);
}

/* For who waits: every hundredth of a long run. */
static void tell_progress(unsigned done, unsigned rounds)
{
	struct timespec used;

	if (rounds < 10000 || done % (rounds / 100))
		return;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	printf("# %u of %u rounds, %llu references put, %lld s of processor time\n", done, rounds,
	       (unsigned long long)all_puts(), (long long)used.tv_sec);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *scale = getenv("PP_STRESS_SCALE");
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 1000;
	struct holder *holder = calloc(HOLDERS, sizeof *holder);
	pthread_t owner_thread, engine_thread, holder_thread[HOLDERS];
	struct dice dice;
	struct pp_totals t;
	int stop = 0;

	if (argc <= 1 && scale && atoi(scale) > 0)
		rounds /= (unsigned)atoi(scale);
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	printf("# seed %llu: to do it again, stress %u %llu\n", (unsigned long long)seed, rounds,
	       (unsigned long long)seed);
	fflush(stdout);
	dice = dice_for(1);
	owner.dice = dice_for(2);
	if (pthread_create(&engine_thread, NULL, run_engine, NULL) ||
	    pthread_create(&owner_thread, NULL, run_owner, NULL))
		abort();
	for (unsigned i = 0; i < HOLDERS; i++) {
		holder[i] = (struct holder){ .me = i, .dice = dice_for(10 + i), .stop = &stop };
		if (pthread_create(&holder_thread[i], NULL, run_holder, &holder[i]))
			abort();
	}
	for (unsigned i = 0; i < rounds; i++) {
		one_round(&dice, &owner_thread);
		tell_progress(i + 1, rounds);
	}
	tell_owner(ORDER_STOP);
	pthread_join(owner_thread, NULL);
	store(&engine.stop, 1);
	pthread_join(engine_thread, NULL);
	store(&stop, 1);
	for (unsigned i = 0; i < HOLDERS; i++)
		pthread_join(holder_thread[i], NULL);
	for (unsigned i = 0; i < HOLDERS; i++)
		finish_holder(&holder[i]);
	free(holder);
	for (unsigned i = 0; i < DEVICES; i++)
		if (device[i].dev)
			soft_device_exit(&device[i]);
	t = totals();
	tell_what_happened(rounds);
	check_eq(spoiled, 0, "every page held what its holders wrote");
	check_eq(engine.got_through, 0, "no device wrote through an ended binding");
	check_eq(domain_not_empty, 0, "no ended binding left anything in its domain");
	check(rounds < 10 || owner.dma_written > 0, "devices did write");
	check_eq(t.pools, 0, "no pool is left");
	check_eq(t.zombies, 0, "no zombie");
	check_eq(t.zombie_pages, 0, "no page");
	check_eq(t.chunk_bytes, 0, "no memory");
	check_eq(t.iova_bytes, 0, "no IOVA space");
	return tap_end();
}
