/*
 * no_call_scales_with_others.c - Law 12: no call scales with what other devices, pools or threads
 * have. A child makes each call first alone, then beside a thousand devices, each with a window,
 * mappings and a pool, and about a hundred threads that put; its parent single-steps the call and
 * counts instructions. 20 % and a few hundred more are tolerated, for the allocator and longer
 * paths in tables: one instruction for each of the others would be a thousand.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OTHERS 1000u
#define MAPPINGS 20u
#define THREADS 100u

/*
 * The real clock is read again when the kernel has changed it meanwhile: for who is stepped through
 * on a busy machine, again and again.
 */
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){ 1000, 0 };
	return 0;
}

/* ---- the others ---------------------------------------------------------------------------- */

struct other {
	struct soft_device d;
	struct pp_pool *pool;
	struct pp_page *page;
};

static struct other other[OTHERS];
static char memory[64 * KIB] __attribute__((aligned(65536)));
static sem_t put, over;

static void need(bool ok)
{
	if (!ok)
		_exit(1);
}

/* It can't use a range of its own. */
static struct pp_iommu *domain(unsigned number)
{
	pp_iova_t hole = (8ull << 30) + number * 131072ull;
	struct pp_iommu *iommu;

	need(!pp_soft_create(&iommu, NULL));
	iommu->n_ranges = 2;
	iommu->ranges[1] = (struct pp_iova_range){ hole + 65536, iommu->ranges[0].last };
	iommu->ranges[0].last = hole - 1;
	return iommu;
}

static struct pp_device *device(struct pp_iommu *iommu)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev;

	p.name = "flat0";
	p.iommu = iommu;
	need(!pp_device_register(&dev, &p));
	return dev;
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	(void)dev;
	(void)ctx;
	return pp_dma_set_mask(binding, 64);
}

static void removed(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)dev;
	(void)binding;
	(void)why;
	(void)ctx;
}

static struct pp_driver driver = { .name = "flat", .probe = probe, .remove = removed };

static void *puts_and_waits(void *page)
{
	pp_page_put(page);
	sem_post(&put);
	sem_wait(&over);
	return NULL;
}

static void make_others(unsigned n, unsigned threads)
{
	struct pp_pool_params p = small_chunks(64 * KIB);

	sem_init(&put, 0, 0);
	sem_init(&over, 0, 0);
	for (unsigned i = 0; i < n; i++) {
		struct other *o = &other[i];
		pp_binding_t b;
		pp_iova_t iova;

		o->d.dev = device(domain(1 + i));
		need(!pp_device_bind(o->d.dev, &driver));
		b = pp_device_binding(o->d.dev);
		for (unsigned j = 0; j < MAPPINGS; j++)
			need(!pp_dma_map(b, memory, sizeof memory, PP_DMA_TO_DEVICE, &iova));
		need(!pp_pool_create(&o->pool, b, &p));
		need(!pp_page_get(&o->page, o->pool));
		if (i < threads)
			start(puts_and_waits, o->page);
	}
	for (unsigned i = 0; i < threads && i < n; i++)
		sem_wait(&put);
}

/* ---- the calls ------------------------------------------------------------------------------ */

static const char *const names[] = {
	"pp_device_register",
	"pp_device_bind",
	"pp_dma_map",
	"pp_dma_alloc_coherent",
	"pp_pool_create",
	"pp_pool_attach",
	"a get that grows",
	"pp_pool_stats",
	"pp_device_stats",
	"pp_domain_stats",
	"pp_page_put",
	"a put of all",
	"pp_pool_trim",
	"pp_pool_own",
	"pp_pool_detach",
	"pp_dma_free_coherent",
	"pp_dma_unmap",
	"pp_device_unbind",
	"the last put of a zombie",
	"pp_pool_destroy",
	"pp_device_unregister",
};
#define CALLS (sizeof names / sizeof names[0])

static struct pp_device *dev, *second;
static struct pp_pool *pool;
static struct bunch held;
static void (*begin)(void), (*end)(void);

#define COUNTED(call)                                                                              \
	do {                                                                                       \
		begin();                                                                           \
		call;                                                                              \
		end();                                                                             \
	} while (0)

static void begin_step(void)
{
	raise(SIGUSR1);
}

static void end_step(void)
{
	raise(SIGUSR2);
}

static void nothing(void)
{
}

/* The order is that of `names`. */
static void grow_and_shrink(pp_binding_t b, pp_binding_t b2)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_device_stats device_stats;
	struct pp_domain_stats domain_stats;
	struct pp_pool_stats stats;

	COUNTED(need(!pp_pool_create(&pool, b, &p)));
	COUNTED(need(!pp_pool_attach(pool, b2)));
	held = (struct bunch){ calloc(64, sizeof *held.page), 64 };
	COUNTED(need(!pp_page_get(&held.page[0], pool)));
	for (unsigned i = 1; i < 64; i++)
		need(!pp_page_get(&held.page[i], pool));
	COUNTED(pp_pool_stats(pool, &stats, sizeof stats));
	COUNTED(pp_device_stats(dev, &device_stats, sizeof device_stats));
	COUNTED(pp_domain_stats(dev, &domain_stats, sizeof domain_stats));
	COUNTED(pp_page_put(held.page[--held.n]));
	COUNTED(pp_page_put_batch(held.page + 1, held.n - 1));
	COUNTED(pp_pool_trim(pool, 0));
	COUNTED(pp_pool_own(pool));
	COUNTED(pp_pool_detach(pool, b2));
}

static void all_calls(void)
{
	struct pp_iommu *iommu = domain(OTHERS + 1);
	pp_iova_t iova, ring;
	pp_binding_t b;
	void *cpu;

	second = device(domain(OTHERS + 2));
	need(!pp_device_bind(second, &driver));
	COUNTED(dev = device(iommu));
	COUNTED(need(!pp_device_bind(dev, &driver)));
	b = pp_device_binding(dev);
	COUNTED(need(!pp_dma_map(b, memory, 5000, PP_DMA_TO_DEVICE, &iova)));
	COUNTED(need(!pp_dma_alloc_coherent(b, 5000, &cpu, &ring)));
	grow_and_shrink(b, pp_device_binding(second));
	COUNTED(need(!pp_dma_free_coherent(b, 5000, cpu, ring)));
	COUNTED(need(!pp_dma_unmap(b, iova, 5000, PP_DMA_TO_DEVICE)));
	need(!pp_dma_map(b, memory, 5000, PP_DMA_TO_DEVICE, &iova));
	COUNTED(need(!pp_device_unbind(dev)));
	COUNTED(pp_page_put(held.page[0]));
	COUNTED(pp_pool_destroy(pool));
	COUNTED(pp_device_unregister(dev));
	pp_device_unregister(second);
	free(held.page);
}

/* Twice: the first time makes what stays. */
static void child(unsigned others)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	need(!pp_driver_register(&driver));
	make_others(others, THREADS);
	begin = end = nothing;
	all_calls();
	begin = begin_step;
	end = end_step;
	all_calls();
	_exit(0);
}

/* ---- counting ---------------------------------------------------------------------------- */

/* From the stop by one signal to that by the other. */
static unsigned steps(pid_t pid)
{
	unsigned n = 0;
	int status;

	for (;; n++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return 0;
		if (WSTOPSIG(status) == SIGUSR2)
			return n;
	}
}

static void count(unsigned others, unsigned n[CALLS])
{
	unsigned call = 0;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		child(others);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGUSR1 && call < CALLS)
			n[call++] = steps(pid);
		if (ptrace(PTRACE_CONT, pid, NULL, NULL))
			break;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		tap_skip_all("no process can be stepped through here");
	require(WIFEXITED(status) && !WEXITSTATUS(status) && call == CALLS,
		"counted beside %u others", others);
}

int main(void)
{
	unsigned alone[CALLS], among[CALLS];

	count(0, alone);
	count(OTHERS, among);
	for (unsigned i = 0; i < CALLS; i++)
		check(alone[i] && among[i] <= alone[i] + alone[i] / 5 + 300,
		      "%s: %u instructions alone, %u among %u devices", names[i], alone[i],
		      among[i], OTHERS);
	return tap_end();
}
