/*
 * handler.c - the mempool handler from inside an application: its memory and addresses, what
 * is left when it goes, its device that goes first, and many threads at once.
 *
 * Memory is the C library's, or with the argument `huge` that of huge pages.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/dpdk.h>
#include <pthread.h>
#include <sched.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include "soft_device.h"

#define ROOM RTE_MBUF_DEFAULT_BUF_SIZE

/* A mempool of our handler, not populated. */
static struct rte_mempool *empty_pool(const char *name, unsigned n, unsigned size,
				      struct pp_dpdk_config *config)
{
	struct rte_mempool *mp = rte_mempool_create_empty(name, n, size, 0, 0, SOCKET_ID_ANY, 0);

	require(mp, "a mempool is made");
	require(!rte_mempool_set_ops_byname(mp, "pagepool", config), "with our handler");
	return mp;
}

static struct rte_mempool *pool_of(unsigned n, unsigned size)
{
	struct rte_mempool *mp = empty_pool("test", n, size, NULL);

	require(rte_mempool_populate_default(mp) == (int)n, "of %u objects of %u bytes", n, size);
	return mp;
}

/* The same of packet buffers, for a device. */
static struct rte_mempool *mbufs_for(pp_binding_t binding, unsigned n)
{
	struct pp_dpdk_config config = PP_PARAMS(struct pp_dpdk_config);
	struct rte_mempool *mp;
	struct rte_pktmbuf_pool_private private = { .mbuf_data_room_size = ROOM };

	config.binding = binding;
	mp = rte_mempool_create_empty("mbufs", n, sizeof(struct rte_mbuf) + ROOM, 0, sizeof private,
				      SOCKET_ID_ANY, 0);
	require(mp && !rte_mempool_set_ops_byname(mp, "pagepool", &config), "a pool of mbufs");
	rte_pktmbuf_pool_init(mp, &private);
	require(rte_mempool_populate_default(mp) == (int)n, "is populated");
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

static void check_nothing_left(const struct soft_device *d)
{
	check_eq(totals().pools, 0, "no pool is left");
	check_eq(totals().chunk_bytes, 0, "and no chunk");
	check_eq(totals().iova_bytes, 0, "and no IOVA");
	if (d) {
		check_eq(soft_device_domain(d).mappings, 0, "and the device has no mapping");
		check_eq(soft_device_domain(d).bytes_mapped, 0, "of no byte");
	}
}

/* ---- memory and addresses ------------------------------------------------------------------ */

struct seen {
	size_t bytes;
	unsigned runs;
	bool known;
};

static void see_run(struct rte_mempool *mp, void *arg, struct rte_mempool_memhdr *hdr, unsigned i)
{
	struct seen *seen = arg;

	(void)mp;
	(void)i;
	if (hdr->len <= RTE_CACHE_LINE_SIZE) /* what the mempool library brought */
		return;
	seen->runs++;
	seen->bytes += hdr->len;
	seen->known &= rte_mem_virt2memseg_list(hdr->addr) != NULL;
}

struct lookup {
	const char *obj;
	rte_iova_t iova;
};

static void look_up(struct rte_mempool *mp, void *arg, struct rte_mempool_memhdr *hdr, unsigned i)
{
	struct lookup *l = arg;
	size_t off = (size_t)(l->obj - (const char *)hdr->addr);

	(void)i;
	if (l->obj > (const char *)hdr->addr && off + mp->elt_size <= hdr->len)
		l->iova = hdr->iova + off;
}

/* An object's address is that of the chunk that it lies in whole. */
static void check_object(struct rte_mempool *mp, void *arg, void *obj, unsigned i)
{
	struct lookup l = { .obj = obj, .iova = RTE_BAD_IOVA };
	unsigned *wrong = arg;

	(void)i;
	rte_mempool_mem_iter(mp, look_up, &l);
	*wrong += l.iova == RTE_BAD_IOVA || l.iova != rte_mempool_virt2iova(obj);
}

static void addresses(void)
{
	static const struct {
		unsigned n, size;
	} cases[] = { { 1, 1 }, { 7, 100 }, { 1000, 2048 }, { 5000, 2304 }, { 3, 3 << 20 } };

	/* physical addresses are contiguous within a huge page only: not for the last case */
	for (unsigned i = 0; i < RTE_DIM(cases) - (rte_eal_iova_mode() == RTE_IOVA_PA); i++) {
		struct rte_mempool *mp = pool_of(cases[i].n, cases[i].size);
		struct seen seen = { .known = true };
		unsigned wrong = 0;

		rte_mempool_mem_iter(mp, see_run, &seen);
		check(seen.known, "DPDK knows the memory");
		check_eq(seen.bytes, totals().chunk_bytes,
			 "all of %zu bytes are listed, in %u runs", seen.bytes, seen.runs);
		rte_mempool_obj_iter(mp, check_object, &wrong);
		check_eq(wrong, 0, "each object has its chunk's address");
		check_eq(rte_mempool_avail_count(mp), cases[i].n, "all are free");
		rte_mempool_free(mp);
		check_nothing_left(NULL);
	}
}

static void no_iova(void)
{
	struct rte_mempool *mp = rte_mempool_create_empty("test", 10, 64, 0, 0, SOCKET_ID_ANY,
							  RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	void *obj = NULL;

	require(mp && !rte_mempool_set_ops_byname(mp, "pagepool", NULL), "a pool for no device");
	check_eq(rte_mempool_populate_default(mp), 10, "is populated");
	check(!rte_mempool_get(mp, &obj) && rte_mempool_virt2iova(obj) == RTE_BAD_IOVA,
	      "its objects have no DMA address");
	rte_mempool_free(mp);
	check_nothing_left(NULL);
}

static void own_memory(void)
{
	struct rte_mempool *mp = empty_pool("test", 16, 64, NULL);
	size_t len = 16 * (mp->header_size + mp->elt_size + mp->trailer_size);
	char *mem = rte_zmalloc("test", len, 4096);
	void *obj[16];
	int n = rte_mempool_populate_iova(mp, mem, 0x10000000, len, NULL, NULL);

	check_eq(n, 16, "the application's own memory is used");
	check(!rte_mempool_get_bulk(mp, obj, 16), "for every object");
	for (int i = 0; i < 16; i++)
		if ((char *)obj[i] < mem || (char *)obj[i] > mem + len)
			n = -1;
	check_eq(n, 16, "and no other");
	check_eq(pool_stats(pp_dpdk_pool(mp)).chunks, 0, "the pool brought none");
	rte_mempool_free(mp);
	rte_free(mem);
	check_nothing_left(NULL);
}

/* ---- populate, exhaust, free, again ------------------------------------------------------ */

static void exhaust(struct rte_mempool *mp)
{
	struct rte_mbuf **m = calloc(mp->size, sizeof *m), *more;

	for (unsigned i = 0; i < mp->size; i++) {
		m[i] = rte_pktmbuf_alloc(mp);
		require(m[i], "mbuf %u of %u", i, mp->size);
		memset(rte_pktmbuf_mtod(m[i], char *), 0x5a, 64);
	}
	more = rte_pktmbuf_alloc(mp);
	check(!more, "there is not one more");
	check_eq(rte_mempool_avail_count(mp), 0, "none is free");
	for (unsigned i = 0; i < mp->size; i++)
		rte_pktmbuf_free(m[i]);
	check_eq(rte_mempool_avail_count(mp), mp->size, "all are, later");
	free(m);
}

static void again(void)
{
	struct soft_device d;
	pp_binding_t b;

	soft_device_init(&d, NULL);
	b = soft_device_bind(&d);
	for (int i = 0; i < 3; i++) {
		struct rte_mempool *mp = mbufs_for(b, 3);

		check(soft_device_domain(&d).bytes_mapped > 0, "it is mapped");
		exhaust(mp);
		rte_mempool_free(mp);
		check_nothing_left(&d);
		mp = rte_pktmbuf_pool_create_by_ops("mbufs", 9, 0, 0, ROOM, SOCKET_ID_ANY,
						    "pagepool");
		require(mp, "one that is for DPDK's devices");
		exhaust(mp);
		rte_mempool_free(mp);
		check_nothing_left(&d);
	}
	soft_device_exit(&d);
}

/* ---- freed by the last put --------------------------------------------------------------- */

#define OUT 600u

static void *put_all(void *objects)
{
	void **obj = objects;

	for (unsigned i = 0; obj[i]; i++)
		rte_mempool_put(rte_mempool_from_obj(obj[i]), obj[i]);
	return NULL;
}

static int put_all_here(void *objects)
{
	put_all(objects);
	return 0;
}

/* The objects come back on this lcore, on another one, and on a thread that is none. */
static void freed_by_the_last_put(unsigned cache)
{
	void *obj[3][OUT / 3 + 1] = { { 0 } };
	unsigned lcore = rte_get_next_lcore(-1, 1, 0);
	struct rte_mempool *mp =
		rte_mempool_create_empty("later", 1000, 100, cache, 0, SOCKET_ID_ANY, 0);
	struct pp_totals t;
	pthread_t thread;
	void *more;
	int bad = 0;

	require(mp && !rte_mempool_set_ops_byname(mp, "pagepool", NULL), "a mempool");
	require(rte_mempool_populate_default(mp) == 1000, "is populated");
	for (unsigned i = 0; i < OUT; i++)
		bad |= rte_mempool_get(mp, &obj[i % 3][i / 3]);
	check(!bad, "of which %u objects are taken", OUT);
	if (!cache) /* puts are allowed meanwhile */
		rte_eal_remote_launch(put_all_here, obj[1], lcore);
	check_eq(pp_dpdk_free(mp), 1, "a mempool with objects out will be freed");
	if (cache)
		rte_eal_remote_launch(put_all_here, obj[1], lcore);
	check(rte_mempool_get(mp, &more), "nothing can be got from it");
	for (unsigned i = 0; i < OUT / 3; i++)
		memset(obj[0][i], 0x5a, 100);
	pthread_create(&thread, NULL, put_all, obj[2]);
	pthread_join(thread, NULL);
	rte_eal_wait_lcore(lcore);
	check(rte_mempool_lookup("later") == mp, "it is there while objects are out");
	put_all(obj[0]);
	check(!rte_mempool_lookup("later"), "the last put has freed it");
	pp_totals(&t, sizeof t);
	check_eq(t.pools + t.chunk_bytes, 0, "with its memory");
}

static void freed(void)
{
	struct rte_mempool *mp = pool_of(100, 100);

	check_eq(pp_dpdk_free(mp), 0, "a mempool with none out is freed at once");
	check_nothing_left(NULL);
	mp = rte_mempool_create_empty("other", 10, 100, 0, 0, SOCKET_ID_ANY, 0);
	require(mp, "another one");
	check_eq(pp_dpdk_free(mp), -EINVAL, "one that was never populated isn't");
	rte_mempool_free(mp);
	freed_by_the_last_put(0);
	freed_by_the_last_put(32);
}

/* ---- a device of pagepool's -------------------------------------------------------------- */

static void device(void)
{
	static const char frame[] = "from the device";
	struct soft_device d;
	struct rte_mempool *mp;
	struct rte_mbuf *m[2];
	char back[sizeof frame];

	soft_device_init(&d, NULL);
	mp = mbufs_for(soft_device_bind(&d), 4000);
	for (int i = 0; i < 2; i++)
		require((m[i] = rte_pktmbuf_alloc(mp)), "an mbuf");
	check(!pp_soft_write(d.iommu, rte_mbuf_data_iova(m[0]), frame, sizeof frame),
	      "the device writes to the address that the mbuf tells");
	check(!strcmp(rte_pktmbuf_mtod(m[0], char *), frame), "and it is the mbuf");
	strcpy(rte_pktmbuf_mtod(m[1], char *), "to the device, x");
	check(!pp_soft_read(d.iommu, rte_mbuf_data_iova(m[1]), back, sizeof back) &&
		      !memcmp(back, "to the device, x", sizeof back),
	      "and it reads there");

	check(!pp_device_unbind(d.dev), "the device's driver goes, with mbufs out");
	check_eq(soft_device_domain(&d).mappings, 0, "nothing is mapped any more");
	check_eq(pp_soft_write(d.iommu, rte_mbuf_data_iova(m[0]), "xxx", 3), -EFAULT,
		 "the device can't write any more");
	check(!strcmp(rte_pktmbuf_mtod(m[0], char *), frame), "the mbuf is as it was");
	rte_pktmbuf_free(m[0]);
	rte_pktmbuf_free(m[1]);
	check_eq(rte_mempool_avail_count(mp), 4000, "mbufs come back as ever");
	rte_mempool_free(mp);
	check_nothing_left(&d);
	soft_device_exit(&d);
}

static void refusals(void)
{
	struct pp_dpdk_config config = PP_PARAMS(struct pp_dpdk_config);
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct soft_device d;
	struct rte_mempool *mp;

	soft.address_bits = 32;
	soft_device_init(&d, &soft);
	d.mask_bits = 32;
	config.binding = soft_device_bind(&d);
	mp = empty_pool("large", 3000, 2 << 20, &config);
	check_eq(rte_mempool_populate_default(mp), -ENOBUFS, "6 GB for 32 address bits: refused");
	check(pp_dpdk_pool(mp) && pool_stats(pp_dpdk_pool(mp)).in_flight == 0, "nothing is kept");
	rte_mempool_free(mp);
	check_nothing_left(&d);

	pp_device_unbind(d.dev);
	mp = empty_pool("late", 10, 64, &config);
	check_eq(rte_mempool_populate_default(mp), -ENODEV, "for a binding that has ended");
	rte_mempool_free(mp);
	config = PP_PARAMS(struct pp_dpdk_config);
	config.dir = (enum pp_dma_dir)7;
	mp = empty_pool("odd", 10, 64, &config);
	check_eq(rte_mempool_populate_default(mp), -EINVAL, "for a direction that there isn't");
	rte_mempool_free(mp);
	mp = rte_mempool_create("ring", 10, 64, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
	check(mp && !pp_dpdk_pool(mp), "another handler's mempool has no pool");
	rte_mempool_free(mp);
	check_nothing_left(&d);
	soft_device_exit(&d);
}

/* ---- many threads ------------------------------------------------------------------------ */

static int leave_on_shelf(void *arg)
{
	struct rte_mempool *mp = arg;
	void *obj[64];

	for (int i = 0; i < 4; i++) {
		if (rte_mempool_get_bulk(mp, obj, 64))
			return -1;
		rte_mempool_put_bulk(mp, obj, 64);
	}
	return 0;
}

/* What lies on other lcores' shelves can be had. */
static void take_all(void)
{
	struct rte_mempool *mp = pool_of(1000, 64);
	void *obj[1001];
	int bad = 0;
	unsigned lcore;

	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		rte_eal_remote_launch(leave_on_shelf, mp, lcore);
		bad |= rte_eal_wait_lcore(lcore);
	}
	check(!bad, "each lcore gets and puts");
	check_eq(rte_mempool_avail_count(mp), 1000, "all are free");
	check_eq(rte_mempool_get_bulk(mp, obj, 1001), -ENOBUFS, "not more than there are");
	check_eq(rte_mempool_get_bulk(mp, obj, 1000), 0, "one lcore gets all");
	for (unsigned i = 0; i < 1000; i++)
		rte_mempool_put(mp, obj[i]);
	check_eq(rte_mempool_avail_count(mp), 1000, "and puts them");
	rte_mempool_free(mp);
}

/* An object's first word is 1 while somebody has it: nobody else may get it then. */
struct job {
	struct rte_mempool *mp;
	unsigned rounds;
	unsigned twice;  /* relaxed */
	unsigned failed; /* relaxed */
	unsigned seed;   /* relaxed */
};

static int churn(void *arg)
{
	struct job *job = arg;
	unsigned seed = __atomic_add_fetch(&job->seed, 1, __ATOMIC_RELAXED);
	uint32_t *obj[700];

	for (unsigned i = 0; i < job->rounds; i++) {
		unsigned n = (rand_r(&seed) % 8 ? rand_r(&seed) % 64 : rand_r(&seed) % 700) + 1;

		if (rte_mempool_get_bulk(job->mp, (void **)obj, n)) {
			__atomic_fetch_add(&job->failed, 1, __ATOMIC_RELAXED);
			continue;
		}
		for (unsigned k = 0; k < n; k++)
			if (__atomic_exchange_n(obj[k], 1, __ATOMIC_RELAXED))
				__atomic_fetch_add(&job->twice, 1, __ATOMIC_RELAXED);
		for (unsigned k = 0; k < n; k++)
			__atomic_store_n(obj[k], 0, __ATOMIC_RELAXED);
		for (unsigned k = 0, m; k < n; k += m) {
			m = rand_r(&seed) % (n - k) + 1;
			rte_mempool_put_bulk(job->mp, (void **)obj + k, m);
		}
	}
	return 0;
}

static void *churn_thread(void *arg)
{
	churn(arg);
	return NULL;
}

static void clear(struct rte_mempool *mp, void *arg, void *obj, unsigned i)
{
	(void)arg;
	(void)i;
	memset(obj, 0, mp->elt_size);
}

static void threads(unsigned n, const char *what)
{
	struct job job = { .mp = pool_of(n, 64), .rounds = 100000 };
	pthread_t other;
	unsigned lcore;

	rte_mempool_obj_iter(job.mp, clear, NULL);
	pthread_create(&other, NULL, churn_thread, &job); /* one that is no lcore */
	rte_eal_mp_remote_launch(churn, &job, CALL_MAIN);
	RTE_LCORE_FOREACH_WORKER(lcore)
	rte_eal_wait_lcore(lcore);
	pthread_join(other, NULL);
	printf("# %u lcores and a thread, %u objects, %u gets found too few\n", rte_lcore_count(),
	       n, job.failed);
	check_eq(job.twice, 0, "%s: no object was had twice", what);
	check_eq(rte_mempool_avail_count(job.mp), n, "%s: all came back", what);
	rte_mempool_free(job.mp);
	check_nothing_left(NULL);
}

static void plenty(void)
{
	threads(20000, "plenty");
}

static void scarce(void)
{
	threads(800, "scarce");
}

static bool huge_pages(unsigned long want)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long n, found = 0;
	char line[128];

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "HugePages_Free: %lu", &n) == 1)
			found = n;
	if (f)
		fclose(f);
	return found >= want;
}

/* Four lcores on the first two processors that we may use: they get in each other's way. */
static void lcores(char *out, size_t size)
{
	int cpu[2], n = 0;
	cpu_set_t set;

	sched_getaffinity(0, sizeof set, &set);
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			cpu[n++] = i;
	if (n < 2)
		cpu[1] = cpu[0];
	snprintf(out, size, "0@%d,1@%d,2@%d,3@%d", cpu[0], cpu[1], cpu[0], cpu[1]);
}

int main(int argc, char **argv)
{
	bool huge = argc > 1 && !strcmp(argv[1], "huge");
	char at[64];
	char *eal[] = { argv[0],
			"--lcores",
			at,
			"-m",
			"128",
			"--no-pci",
			"--no-telemetry",
			"--log-level",
			"pagepool:critical",
			"--in-memory",
			NULL,
			NULL };

	if (huge && !huge_pages(160))
		tap_skip_all("no 160 huge pages are free: sysctl vm.nr_hugepages=160");
	lcores(at, sizeof at);
	if (!huge) {
		eal[9] = "--no-huge";
		eal[10] = "--no-shconf";
	}
	require(rte_eal_init(huge ? 10 : 11, eal) >= 0, "the EAL starts");
	printf("# addresses are %s\n", rte_eal_iova_mode() == RTE_IOVA_PA ? "physical" : "virtual");
	run(addresses);
	run(no_iova);
	run(own_memory);
	run(again);
	run(freed);
	run(device);
	run(refusals);
	run(take_all);
	run(plenty);
	run(scarce);
	return tap_end();
}
