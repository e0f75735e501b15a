/*
 * unload_leaves_nothing.c SHARED-LIBRARY - a plug-in that brings the library is loaded and unloaded
 * while a thread that used it lives on: nothing is left, neither memory nor address space nor a
 * handler.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <malloc.h>
#include <pagepool/pagepool.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define N 600u
#define TIMES 100u
#define LEAST sizeof(void *[4]) /* bytes that a block of the heap takes at least */

static struct {
	int (*create)(struct pp_pool **out, pp_binding_t binding, const struct pp_pool_params *p);
	void (*destroy)(struct pp_pool *pool);
	int (*get_batch)(struct pp_page **out, unsigned n, struct pp_pool *pool);
	void (*put)(struct pp_page *page);
	int (*soft)(struct pp_iommu **out, const struct pp_soft_params *p);
	int (*device_register)(struct pp_device **out, const struct pp_device_params *p);
	void (*device_unregister)(struct pp_device *dev);
	int (*driver_register)(struct pp_driver *drv);
	int (*driver_unregister)(struct pp_driver *drv);
	int (*bind)(struct pp_device *dev, struct pp_driver *drv);
	pp_binding_t (*binding)(const struct pp_device *dev);
	int (*map)(pp_binding_t binding, void *addr, size_t len, enum pp_dma_dir dir,
		   pp_iova_t *out, const char *place);
	void (*debug_set)(unsigned what);
} pp;

static struct pp_page *page[2 * N];
static pthread_barrier_t meet;

static void *symbol(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p)
		require(p != NULL, "%s is found", name);
	return p;
}

static void *load(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		require(lib != NULL, "the library is loaded: %s", dlerror());
	*(void **)&pp.create = symbol(lib, "pp_pool_create");
	*(void **)&pp.destroy = symbol(lib, "pp_pool_destroy");
	*(void **)&pp.get_batch = symbol(lib, "pp_page_get_batch");
	*(void **)&pp.put = symbol(lib, "pp_page_put");
	*(void **)&pp.soft = symbol(lib, "pp_soft_create");
	*(void **)&pp.device_register = symbol(lib, "pp_device_register");
	*(void **)&pp.device_unregister = symbol(lib, "pp_device_unregister");
	*(void **)&pp.driver_register = symbol(lib, "pp_driver_register");
	*(void **)&pp.driver_unregister = symbol(lib, "pp_driver_unregister");
	*(void **)&pp.bind = symbol(lib, "pp_device_bind");
	*(void **)&pp.binding = symbol(lib, "pp_device_binding");
	*(void **)&pp.map = symbol(lib, "pp_dma_map_at");
	*(void **)&pp.debug_set = symbol(lib, "pp_debug_set");
	return lib;
}

static void put_some(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		pp.put(page[i]);
}

/* Lives longer than the library. */
static void *stays(void *arg)
{
	(void)arg;
	put_some(0, N / 2);
	pthread_barrier_wait(&meet);
	pthread_barrier_wait(&meet); /* it is gone */
	return NULL;
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

static struct pp_driver drv = { .name = "test", .probe = probe, .remove = removed };

static struct pp_device *make_device(void)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev;

	p.name = "comes and goes";
	if (pp.soft(&p.iommu, NULL) || pp.device_register(&dev, &p) || pp.driver_register(&drv) ||
	    pp.bind(dev, &drv))
		abort();
	return dev;
}

/* All of the library is used; debug mode, too, if it says so. */
static void use(unsigned debug)
{
	static char buf[4096];
	struct pp_pool_params p = PP_PARAMS(struct pp_pool_params);
	struct pp_device *dev = make_device();
	struct pp_pool *pool[2];
	pp_iova_t iova;

	p.chunk_size = 64 << 10;
	p.memory = PP_MEMORY_BASE;
	p.find = PP_FIND_ADDR | PP_FIND_IOVA;
	pp.debug_set(debug);
	for (unsigned i = 0; i < 2; i++)
		if (pp.create(&pool[i], pp.binding(dev), &p) ||
		    pp.get_batch(page + i * N, N, pool[i]) != (int)N)
			abort();
	if (pp.map(pp.binding(dev), buf, sizeof buf, PP_DMA_FROM_DEVICE, &iova, "here"))
		abort();
	pp.debug_set(0);
	pthread_barrier_wait(&meet); /* the other thread puts the first pool's */
	put_some(N / 2, N);
	pp.destroy(pool[0]);
	pp.device_unregister(dev);
	pp.driver_unregister(&drv);
	put_some(N, 2 * N);
	pp.destroy(pool[1]);
}

static void *begins(void *arg)
{
	pthread_barrier_wait(&meet);
	return stays(arg);
}

static void comes_and_goes(const char *path, unsigned debug)
{
	void *lib = load(path);
	pthread_t t;

	if (pthread_create(&t, NULL, begins, NULL))
		abort();
	use(debug);
	pthread_barrier_wait(&meet); /* it has put */
	dlclose(lib);
	if (dlopen(path, RTLD_NOW | RTLD_NOLOAD))
		require(false, "it is unloaded");
	pthread_barrier_wait(&meet);
	pthread_join(t, NULL);
}

/* Bytes of address space that are mapped; files' too. */
static uint64_t mapped(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	uint64_t lo, hi, bytes = 0;
	char line[512];

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &lo, &hi) == 2)
			bytes += hi - lo;
	if (f)
		fclose(f);
	return bytes;
}

/* Bytes of the heap that are in use after so many times and weren't before. */
static size_t left_of_many(const char *path, unsigned debug, uint64_t *was)
{
	struct mallinfo2 before = mallinfo2();

	malloc_trim(0);
	*was = mapped();
	for (unsigned i = 0; i < TIMES; i++)
		comes_and_goes(path, debug);
	return mallinfo2().uordblks - before.uordblks;
}

static void nothing_is_left(const char *path, unsigned debug)
{
	size_t left;
	uint64_t was;
	unsigned rounds = 0;

	for (unsigned i = 0; i < TIMES / 2; i++) /* then what the C library keeps is there; */
		comes_and_goes(path, debug);
	/*
	 * but for threads that end late it keeps more stacks, with their tables (often under
	 * qemu-user), and once only: what the library left it would leave in each round
	 */
	do
		left = left_of_many(path, debug, &was);
	while (left >= TIMES * LEAST && ++rounds < 3);
	if (!check(left < TIMES * LEAST,
		   "%u times loaded and unloaded, debug mode %u: nothing is left", TIMES, debug))
		printf("# %zu bytes of the heap\n", left);
	malloc_trim(0); /* the heap may differ by a page; what is left each time makes many */
	if (!check(mapped() < was + TIMES * 4096ull, "nor is any mapped"))
		printf("# %" PRIu64 " bytes more\n", mapped() - was);
}

/* Handlers of the library's that are called afterwards would be in memory that is gone. */
static void fork_and_exit_afterwards(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		exit(0);
	waitpid(pid, &status, 0);
	check_eq(status, 0, "afterwards the process forks, and its child exits");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		tap_skip_all("no shared library is given");
	if (!getenv("GLIBC_TUNABLES")) { /* what is freed counts as used as long as it is in there */
		setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1", 1);
		execv("/proc/self/exe", argv);
	}
	pthread_barrier_init(&meet, NULL, 2);
	nothing_is_left(argv[1], 0);
	nothing_is_left(argv[1], PP_DEBUG_DMA | PP_DEBUG_PAGES);
	fork_and_exit_afterwards();
	return tap_end();
}
