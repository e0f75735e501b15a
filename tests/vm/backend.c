/*
 * backend.c - the VFIO back end by itself, in the virtual machine: what the kernel tells,
 * map and unmap, blocking, faults, sharing, fork, interrupts, reset, the sentences.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edu.h"
#include "../unit/unit.h"

#define MIB (1024u * 1024u)
#define AT 0x40000000ull /* where the tests map */

static enum pp_vfio_api api = PP_VFIO_IOMMUFD;

static struct edu open_one(struct pp_vfio *share)
{
	struct edu edu;

	require(edu_open(&edu, api, share), "a device is opened");
	return edu;
}

static char *memory(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static int map(struct edu *e, pp_iova_t iova, void *addr, size_t len, unsigned prot)
{
	struct pp_iommu *iommu = pp_vfio_iommu(e->vfio);

	return iommu->ops->map(iommu, iova, addr, len, PP_BASE_PAGE, prot);
}

static size_t unmap(struct edu *e, pp_iova_t iova, size_t len)
{
	struct pp_iommu *iommu = pp_vfio_iommu(e->vfio);

	return iommu->ops->unmap(iommu, iova, len);
}

static void block(struct edu *e, bool on)
{
	struct pp_iommu *iommu = pp_vfio_iommu(e->vfio);

	iommu->ops->block(iommu, on);
}

static bool can_write(struct edu *e, pp_iova_t iova)
{
	uint64_t word = 0x1122334455667788;

	return !edu_access(e, iova, &word, sizeof word, true);
}

static bool can_read(struct edu *e, pp_iova_t iova, uint64_t expected)
{
	uint64_t word = 0;

	return !edu_access(e, iova, &word, sizeof word, false) && word == expected;
}

static void limits_are_asked(void)
{
	struct edu e = open_one(NULL);
	struct pp_iommu *iommu = pp_vfio_iommu(e.vfio);

	check_eq(pp_vfio_api(e.vfio), api, "by the interface that was asked for");
	for (unsigned i = 0; i < iommu->n_ranges; i++)
		printf("# range 0x%llx-0x%llx\n", (unsigned long long)iommu->ranges[i].first,
		       (unsigned long long)iommu->ranges[i].last);
	printf("# page sizes 0x%zx\n", iommu->page_sizes);
	check_eq(iommu->n_ranges, 2, "two ranges");
	check(iommu->ranges[0].last == 0xfedfffff && iommu->ranges[1].first == 0xfef00000,
	      "the interrupts' window (0xfee00000) is left out");
	check(iommu->page_sizes & PP_BASE_PAGE, "there are 4 KiB pages");
	check(iommu->page_sizes & 2 * MIB, "and of 2 MiB");
	edu_close(&e);
}

static void map_and_unmap(void)
{
	struct edu e = open_one(NULL);
	char *p = memory(4 * MIB);

	block(&e, false);
	memset(p, 0x5a, 4 * MIB);
	check_eq(map(&e, AT, p, 2 * MIB, PP_PROT_READ | PP_PROT_WRITE), 0, "2 MiB are mapped");
	check_eq(map(&e, AT + 2 * MIB, p + 2 * MIB, 2 * MIB, PP_PROT_READ), 0, "2 more, to read");
	check(can_read(&e, AT + 2 * MIB - 8, 0x5a5a5a5a5a5a5a5a), "the device reads them");
	check(can_write(&e, AT + MIB), "and writes");
	check_eq(*(uint64_t *)(p + MIB), 0x1122334455667788, "what it wrote is there");
	/* in this order: once QEMU's IOTLB has it to read, it refuses a write without a fault */
	check(!can_write(&e, AT + 3 * MIB), "it faults writing what is to be read only");
	check(can_read(&e, AT + 3 * MIB, 0x5a5a5a5a5a5a5a5a), "and reads it");
	check_eq(*(uint64_t *)(p + 3 * MIB), 0x5a5a5a5a5a5a5a5a, "nothing is changed");
	check(!can_write(&e, AT + 4 * MIB), "it faults beyond");
	check_eq(map(&e, AT + MIB, p, PP_BASE_PAGE, PP_PROT_READ), -EEXIST,
		 "what is taken is taken");
	check_eq(unmap(&e, AT, 4 * MIB), 4 * MIB, "one unmap takes both");
	check(!can_write(&e, AT + MIB), "the device faults then");
	check_eq(edu_left_mapped(&e), 0, "the kernel has nothing left");
	edu_close(&e);
	munmap(p, 4 * MIB);
}

static void blocking(void)
{
	struct edu e = open_one(NULL);
	char *p = memory(MIB);

	if (api == PP_VFIO_CONTAINER) {
		tap_skip("a blocked device faults", "type 1 blocks by unmapping");
		edu_close(&e);
		return;
	}
	check(!can_write(&e, AT), "a device that has just been opened is blocked");
	block(&e, false);
	check_eq(map(&e, AT, p, MIB, PP_PROT_READ | PP_PROT_WRITE), 0, "mapped");
	check(can_write(&e, AT), "let in");
	block(&e, true);
	*p = 7;
	check(!can_write(&e, AT), "blocked while it is mapped, it faults");
	check_eq(*p, 7, "nothing is changed");
	block(&e, false);
	check(can_write(&e, AT), "let in again, it can");
	check_eq(unmap(&e, AT, MIB), MIB, "unmapped");
	edu_close(&e);
	munmap(p, MIB);
}

static void sharing(void)
{
	struct edu a = open_one(NULL), b = open_one(a.vfio);
	char *p = memory(MIB);

	block(&a, false);
	block(&b, false);
	check_eq(map(&a, AT, p, MIB, PP_PROT_READ | PP_PROT_WRITE), 0, "mapped for one");
	check_eq(map(&b, AT, p, MIB, PP_PROT_READ | PP_PROT_WRITE), 0, "and the other");
	check_eq(map(&b, AT, p + PP_BASE_PAGE, PP_BASE_PAGE, PP_PROT_READ), -EEXIST,
		 "at an address there is one memory");
	check(can_write(&a, AT) && can_write(&b, AT), "both can write");
	check_eq(unmap(&a, AT, MIB), MIB, "unmapped for the one");
	check(can_write(&b, AT), "the other can");
	block(&a, true);
	if (api == PP_VFIO_IOMMUFD)
		check(!can_write(&a, AT), "the one, blocked, can't");
	check_eq(unmap(&b, AT, MIB), MIB, "unmapped for the other");
	check(!can_write(&b, AT), "which can't any more");
	check_eq(edu_left_mapped(&b), 0, "the kernel has nothing left");
	edu_close(&a);
	edu_close(&b);
	munmap(p, MIB);
}

static int open_at(struct pp_vfio **v, const char *address, struct pp_vfio *share)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);

	p.address = address;
	p.api = api;
	p.share = share;
	return pp_vfio_open(v, &p, NULL);
}

/* Two functions of one slot, which the IOMMU can't tell apart. */
static void one_group(void)
{
	struct pp_vfio *a, *b;
	struct pp_iommu *ia, *ib;
	char *p = memory(MIB);
	int ret;

	require(!open_at(&a, "0000:00:08.0", NULL), "one of two functions is opened");
	ia = pp_vfio_iommu(a);
	ia->ops->block(ia, false);
	ret = open_at(&b, "0000:00:08.1", NULL);
	check_eq(ret, -EBUSY, "the other one can't have a space of its own");
	check(!ret || !b, "nothing is left of that");
	require(!open_at(&b, "0000:00:08.1", a), "but share it");
	ib = pp_vfio_iommu(b);
	ib->ops->block(ib, false);
	check_eq(ia->ops->map(ia, AT, p, MIB, PP_BASE_PAGE, PP_PROT_READ), 0, "mapped for one");
	check_eq(ib->ops->map(ib, AT, p, MIB, PP_BASE_PAGE, PP_PROT_READ), 0, "and the other");
	check_eq(ia->ops->unmap(ia, AT, MIB), MIB, "unmapped for one");
	check_eq(ib->ops->unmap(ib, AT, MIB), MIB, "and the other");
	pp_vfio_close(a);
	pp_vfio_close(b);
	munmap(p, MIB);
}

/* A pool on the device, through the public API. */
struct bound {
	struct edu edu;
	struct pp_device *dev;
	struct pp_driver drv;
	struct pp_pool *pool;
};

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	(void)dev, (void)ctx;
	return pp_dma_set_mask(binding, 64);
}

static void on_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
		      void *ctx)
{
	(void)dev, (void)binding, (void)why, (void)ctx;
}

static void bound_init(struct bound *b)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_pool_params pool = pp_pool_defaults();

	memset(b, 0, sizeof *b);
	b->edu = open_one(NULL);
	b->drv = (struct pp_driver){ .name = "test", .probe = probe, .remove = on_remove };
	p.name = pp_vfio_address(b->edu.vfio);
	p.iommu = pp_vfio_iommu(b->edu.vfio);
	if (pp_device_register(&b->dev, &p) || pp_driver_register(&b->drv) ||
	    pp_device_bind(b->dev, &b->drv))
		abort();
	pool.name = "test";
	require(!pp_pool_create(&b->pool, pp_device_binding(b->dev), &pool), "a pool is made");
}

static void bound_exit(struct bound *b)
{
	pp_pool_destroy(b->pool);
	pp_device_unregister(b->dev);
	pp_driver_unregister(&b->drv);
	edu_close(&b->edu);
}

/* It has nothing of the parent's page, and what it does doesn't reach the parent's device. */
static int child_of_fork(struct bound *b, struct pp_page *page, const uint64_t *word)
{
	uint64_t there = 0;
	uint32_t id;
	int fd[2];

	if (pipe(fd))
		return 2;
	if (write(fd[1], word, sizeof *word) == sizeof *word && /* else it can't be read */
	    (read(fd[0], &there, sizeof there) != sizeof there || there))
		return 3;
	if (pp_vfio_config_read(b->edu.vfio, 0, 2, &id) != -ENODEV)
		return 4;
	pp_page_put(page);
	pp_pool_destroy(b->pool);
	if (pp_device_unbind(b->dev))
		return 5;
	pp_device_unregister(b->dev);
	pp_vfio_close(b->edu.vfio);
	return 0;
}

/* After a fork the device still works on the memory that the parent sees. */
static void fork_in_between(void)
{
	struct bound b;
	struct pp_page *page;
	uint64_t *word, *own = (uint64_t *)memory(PP_BASE_PAGE), value = 42;
	pp_iova_t iova;
	int status;
	pid_t pid;

	bound_init(&b);
	require(!pp_page_get(&page, b.pool), "a page is got");
	word = pp_page_addr(page);
	*word = 1;
	*own = 1;
	check_eq(pp_dma_map(pp_device_binding(b.dev), own, PP_BASE_PAGE, PP_DMA_BIDIRECTIONAL,
			    &iova),
		 0, "memory of the caller's is mapped");
	pid = fork();
	if (!pid) {
		*own = 99; /* the child's own copy */
		_exit(child_of_fork(&b, page, word));
	}
	*word = 2; /* would be copied on write, if it had been shared */
	*own = 2;
	waitpid(pid, &status, 0);
	check(!edu_access(&b.edu, pp_page_iova(page), &value, sizeof value, true),
	      "the device writes");
	check_eq(*word, 42, "the parent sees it in its page");
	check(!edu_access(&b.edu, iova, &value, sizeof value, true),
	      "the device writes to the other");
	check_eq(*own, 42, "the parent sees it in its own memory");
	check_eq(status, 0, "the child has no pages of the pool, and its end was its own");
	check(!pp_dma_unmap(pp_device_binding(b.dev), iova, PP_BASE_PAGE, PP_DMA_BIDIRECTIONAL),
	      "unmapped");
	pp_page_put(page);
	bound_exit(&b);
	munmap(own, PP_BASE_PAGE);
}

static void reset_and_config(void)
{
	struct edu e = open_one(NULL);
	uint32_t id, command;
	void *keep = (void *)e.mmio;
	volatile void *mmio;
	size_t size;

	check(!pp_vfio_config_read(e.vfio, 0, 4, &id) && id == 0x11e81234, "its name is read");
	check_eq(pp_vfio_config_read(e.vfio, 2, 4, &id), -EINVAL, "an odd place is refused");
	check_eq(pp_vfio_config_read(e.vfio, 4096, 4, &id), -EINVAL, "and one beyond");
	check(!pp_vfio_bar(e.vfio, 0, &mmio, &size) && mmio == keep && size == MIB,
	      "the registers are mapped once");
	check_eq(pp_vfio_bar(e.vfio, 1, &mmio, &size), -ENOENT, "there is no second BAR");
	check_eq(pp_vfio_bar(e.vfio, 6, &mmio, &size), -EINVAL, "nor a seventh at all");
	check(!pp_vfio_bus_master(e.vfio, true) && !pp_vfio_config_read(e.vfio, 4, 2, &command) &&
		      (command & 6) == 6,
	      "bus mastering on");
	check(!pp_vfio_bus_master(e.vfio, false) && !pp_vfio_config_read(e.vfio, 4, 2, &command) &&
		      (command & 6) == 2,
	      "and off");
	check_eq(pp_vfio_irq_count(e.vfio, PP_VFIO_MSI), 1, "it has one MSI vector");
	check_eq(pp_vfio_irq_count(e.vfio, PP_VFIO_MSIX), 0, "and no MSI-X");
	check_eq(pp_vfio_irq_enable(e.vfio, PP_VFIO_MSI, 2, &e.done), -EINVAL, "two are too many");
	check_eq(pp_vfio_irq_enable(e.vfio, PP_VFIO_INTX, 1, &e.done), -EBUSY,
		 "one kind at a time");
	check(pp_vfio_request_fd(e.vfio) >= 0 && !pp_vfio_requested(e.vfio),
	      "nobody wants it back");
	printf("# reset: %d\n", pp_vfio_reset(e.vfio));
	edu_close(&e);
}

static void sentence(const char *address, enum pp_vfio_api how, int expected, const char *part)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	struct pp_vfio *v;
	char error[PP_VFIO_ERROR];
	int ret;

	p.address = address;
	p.api = how;
	ret = pp_vfio_open(&v, &p, error);
	check_eq(ret, expected, "\"%s\" is refused", address);
	if (!check(strstr(error, part), "with a sentence about it"))
		printf("# %s\n", error);
	else
		printf("# %s\n", error);
}

static void refusals(void)
{
	struct edu e = open_one(NULL);

	sentence("", api, -EINVAL, "no PCI address");
	sentence("00:03", api, -EINVAL, "no PCI address");
	sentence("0000:00:03.8", api, -EINVAL, "no PCI address");
	sentence("0000:00:-3.0", api, -EINVAL, "no PCI address");
	sentence("0000:00:03.0x", api, -EINVAL, "no PCI address");
	sentence("0000:77:03.0", api, -ENODEV, "there is no PCI device 0000:77:03.0");
	sentence("00:1f.3", api, -ENXIO, "pagepool bind 0000:00:1f.3");
	sentence(pp_vfio_address(e.vfio), api, -EBUSY, "is in use by a program");
	edu_close(&e);
}

/* As one who may not lock as much as he likes: the child of a process, for good. */
static int memlock_child(void)
{
	struct rlimit limit = { 4 * MIB, 4 * MIB };
	struct edu e;
	char *p = memory(8 * MIB);
	bool told;

	if (!edu_open(&e, api, NULL))
		return 2;
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (pp_vfio_locked_limit() != UINT64_MAX) /* root's doesn't count */
		return 8;
	if (setgid(1) || setuid(1))
		return 3;
	if (pp_vfio_locked_limit() != 4 * MIB)
		return 9;
	block(&e, false);
	if (map(&e, AT, p, MIB, PP_PROT_READ | PP_PROT_WRITE))
		return 4;
	if (map(&e, AT + 8 * MIB, p, 8 * MIB, PP_PROT_READ | PP_PROT_WRITE) != -ENOMEM)
		return 5;
	told = strstr(pp_vfio_error(e.vfio), "RLIMIT_MEMLOCK, 4096 KiB") &&
	       strstr(pp_vfio_error(e.vfio), "8192 KiB more");
	printf("# %s\n", pp_vfio_error(e.vfio));
	if (unmap(&e, AT, MIB) != MIB || edu_left_mapped(&e))
		return 6;
	return told ? 0 : 7;
}

static void locked_memory_limit(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(memlock_child());
	waitpid(pid, &status, 0);
	check_eq(status, 0, "the limit on locked memory is -ENOMEM, and named");
}

/* Map single pages until the kernel has no entry for more. */
static void mapping_limit(void)
{
	struct edu e = open_one(NULL);
	char *p = memory(PP_BASE_PAGE);
	unsigned n = 0;
	int ret = 0;

	if (api == PP_VFIO_IOMMUFD) {
		tap_skip("the limit on mappings", "iommufd has none");
		edu_close(&e);
		return;
	}
	while (n < 70000 &&
	       !(ret = map(&e, AT + n * 2 * PP_BASE_PAGE, p, PP_BASE_PAGE, PP_PROT_READ)))
		n++;
	printf("# after %u mappings: %s\n", n, pp_vfio_error(e.vfio));
	check_eq(ret, -ENOSPC, "the limit on mappings is -ENOSPC");
	check(strstr(pp_vfio_error(e.vfio), "dma_entry_limit"), "and named");
	for (unsigned i = 0; i < n; i++)
		if (unmap(&e, AT + i * 2 * PP_BASE_PAGE, PP_BASE_PAGE) != PP_BASE_PAGE)
			abort();
	check_eq(map(&e, AT, p, PP_BASE_PAGE, PP_PROT_READ), 0, "with those gone it can map again");
	unmap(&e, AT, PP_BASE_PAGE);
	edu_close(&e);
}

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Each allocation of an open fails in turn: it is refused, or does without; nothing stays. */
static void open_fails_cleanly(void)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	char address[PP_VFIO_ADDRESS], error[PP_VFIO_ERROR];
	unsigned before = open_files(), bad = 0, refused = 0, n = 0;
	struct fail fail;
	bool met = true;

	require(edu_address(address, 0), "a device");
	p.address = address;
	p.api = api;
	for (; met; n++) {
		struct pp_vfio *v;
		int ret;

		fail_begin(&fail, NULL, n);
		ret = pp_vfio_open(&v, &p, error);
		pp_vfio_close(v);
		met = fail_end(&fail);
		refused += ret == -ENOMEM;
		bad += (ret && ret != -ENOMEM) || (ret && !*error) || open_files() != before;
	}
	check(refused >= 3, "%u of %u failures are refusals", refused, n - 1);
	check_eq(bad, 0, "nothing stays open after any of them");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "container"))
		api = PP_VFIO_CONTAINER;
	run(limits_are_asked);
	run(map_and_unmap);
	run(blocking);
	run(sharing);
	run(one_group);
	run(fork_in_between);
	run(reset_and_config);
	run(refusals);
	run(locked_memory_limit);
	run(mapping_limit);
	run(open_fails_cleanly);
	return tap_end();
}
