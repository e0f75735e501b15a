/*
 * edu.c - QEMU's "edu" device. See edu.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "edu.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "iommu/iova.h"
#include "iommu/vfio/uapi.h"
#include "iommu/vfio/vfio.h"

/* docs/specs/edu: registers, commands, the buffer's place in its own address space */
enum {
	EDU_ID = 0x00,
	EDU_IRQ_STATUS = 0x24,
	EDU_IRQ_ACK = 0x64,
	EDU_DMA_SRC = 0x80,
	EDU_DMA_DST = 0x88,
	EDU_DMA_COUNT = 0x90,
	EDU_DMA_CMD = 0x98,
	EDU_START = 1,
	EDU_TO_MEMORY = 2,
	EDU_INTERRUPT = 4,
	EDU_AT = 0x40000,
};

#define SCRATCH 0x10000 /* where the scratch page is mapped while it is needed */

uint64_t edu_fault_interrupts(void)
{
	FILE *f = fopen("/proc/interrupts", "re");
	unsigned long long n, sum = 0;
	char line[512];

	while (f && fgets(line, sizeof line, f)) {
		char *p = strchr(line, ':'), *end;

		if (!p || !strstr(line, "dmar"))
			continue;
		for (p++; n = strtoull(p, &end, 10), end != p; p = end)
			sum += n;
	}
	if (f)
		fclose(f);
	return sum;
}

long edu_leaves(const char *address)
{
	char path[128], line[256];
	long n = 0;
	FILE *f;

	snprintf(path, sizeof path, "/sys/kernel/debug/iommu/intel/%s/domain_translation_struct",
		 address);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof line, f))
		n += !strncmp(line, "0x", 2);
	fclose(f);
	return n;
}

bool edu_address(char address[16], unsigned nth)
{
	DIR *dir = opendir("/sys/bus/pci/drivers/vfio-pci");
	char path[300], id[16];
	struct dirent *e;
	unsigned found = 0;

	while (dir && found <= nth && (e = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof path, "/sys/bus/pci/drivers/vfio-pci/%s/device", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(id, sizeof id, f) && !strncmp(id, "0x11e8", 6)) {
			snprintf(address, 16, "%.15s", e->d_name);
			found++;
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return found > nth;
}

bool edu_open(struct edu *edu, enum pp_vfio_api api, struct pp_vfio *share)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	char address[16], error[PP_VFIO_ERROR];
	int ret = -ENODEV;

	memset(edu, 0, sizeof *edu);
	p.address = address;
	p.api = api;
	p.share = share;
	for (unsigned i = 0; ret && edu_address(address, i); i++) {
		ret = pp_vfio_open(&edu->vfio, &p, error);
		if (ret && ret != -EBUSY)
			printf("# %s: %s\n", address, error);
	}
	if (ret)
		return false;
	iova_reserve(SCRATCH, SCRATCH + PP_BASE_PAGE - 1);
	pthread_mutex_init(&edu->lock, NULL);
	edu->done = eventfd(0, EFD_CLOEXEC);
	edu->scratch = mmap(NULL, PP_BASE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	if (pp_vfio_bar(edu->vfio, 0, &edu->mmio, NULL) || pp_vfio_bus_master(edu->vfio, true) ||
	    pp_vfio_irq_enable(edu->vfio, PP_VFIO_MSI, 1, &edu->done)) {
		edu_close(edu); /* no memory, on purpose */
		return false;
	}
	if ((pp_vfio_read32(edu->mmio, EDU_ID) & 0xffff) != 0xed)
		abort();
	return true;
}

void edu_close(struct edu *edu)
{
	pp_vfio_close(edu->vfio);
	close(edu->done);
	munmap(edu->scratch, PP_BASE_PAGE);
	pthread_mutex_destroy(&edu->lock);
}

static void write64(struct edu *edu, unsigned at, uint64_t value)
{
	*(volatile uint64_t *)((volatile char *)edu->mmio + at) = value;
}

/* One DMA between its buffer and memory. True: no fault was counted. */
static bool dma(struct edu *edu, pp_iova_t iova, size_t len, bool to_memory)
{
	uint64_t before = edu_fault_interrupts(), times;

	write64(edu, EDU_DMA_SRC, to_memory ? EDU_AT : iova);
	write64(edu, EDU_DMA_DST, to_memory ? iova : EDU_AT);
	write64(edu, EDU_DMA_COUNT, len);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	write64(edu, EDU_DMA_CMD, EDU_START | EDU_INTERRUPT | (to_memory ? EDU_TO_MEMORY : 0));
	if (read(edu->done, &times, sizeof times) != sizeof times)
		abort();
	pp_vfio_write32(edu->mmio, EDU_IRQ_ACK, pp_vfio_read32(edu->mmio, EDU_IRQ_STATUS));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return edu_fault_interrupts() == before;
}

static void scratch_map(struct edu *edu)
{
	if (ioas_map(edu->vfio->ioas, SCRATCH, edu->scratch, PP_BASE_PAGE,
		     PP_PROT_READ | PP_PROT_WRITE))
		abort();
}

static void scratch_unmap(struct edu *edu)
{
	if (ioas_unmap(edu->vfio->ioas, SCRATCH, PP_BASE_PAGE) != PP_BASE_PAGE)
		abort();
}

/*
 * Copy what the CPU sees of what is mapped at an address; false: nothing is. Under the
 * space's lock, as somebody else may be about to unmap and free it.
 */
static bool cpu_view(struct edu *edu, pp_iova_t iova, char *copy, size_t len)
{
	struct ioas *s = edu->vfio->ioas;
	bool found = false;

	env_lock(&s->lock);
	hashtab_for_each(pos, &s->regions) {
		const struct region *r = env_container_of(pos, struct region, node);

		if (iova < r->iova || iova - r->iova >= r->len)
			continue;
		memcpy(copy, (char *)r->addr + (iova - r->iova), len);
		found = true;
		break;
	}
	env_unlock(&s->lock);
	return found;
}

/* Fill its buffer; one that is blocked keeps what it had before. */
static void load(struct edu *edu, const char *from, size_t len, bool complement)
{
	for (size_t i = 0; i < len; i++)
		((char *)edu->scratch)[i] = (char)(complement ? ~from[i] : from[i]);
	dma(edu, SCRATCH, len, false);
}

/*
 * Within a page. What came through is asked from the memory too: once QEMU's IOTLB has a
 * translation for the other direction it refuses without a fault. So what is moved must
 * differ from what is there.
 */
static bool write_piece(struct edu *edu, pp_iova_t iova, const char *buf, size_t len)
{
	char there[EDU_BYTES];

	if (cpu_view(edu, iova, there, len) && !memcmp(there, buf, len)) {
		load(edu, buf, len, true);
		dma(edu, iova, len, true);
		if (!cpu_view(edu, iova, there, len) || !memcmp(there, buf, len))
			return false;
	}
	load(edu, buf, len, false);
	return dma(edu, iova, len, true) && cpu_view(edu, iova, there, len) &&
	       !memcmp(there, buf, len);
}

static bool read_piece(struct edu *edu, pp_iova_t iova, char *buf, size_t len)
{
	char there[EDU_BYTES], *scratch = edu->scratch;
	bool mapped = cpu_view(edu, iova, there, len);

	if (mapped)
		load(edu, there, len, true);
	if (!dma(edu, iova, len, false) || !mapped || !dma(edu, SCRATCH, len, true) ||
	    scratch[0] == (char)~there[0])
		return false;
	memcpy(buf, scratch, len);
	return true;
}

static bool piece(struct edu *edu, pp_iova_t iova, char *buf, size_t len, bool write)
{
	bool ok;

	scratch_map(edu);
	ok = write ? write_piece(edu, iova, buf, len) : read_piece(edu, iova, buf, len);
	scratch_unmap(edu);
	return ok;
}

int edu_access(struct edu *edu, pp_iova_t iova, void *buf, size_t len, bool write)
{
	char *at = buf;
	bool ok = true;

	pthread_mutex_lock(&edu->lock);
	*(write ? &edu->writes : &edu->reads) += 1;
	while (ok && len) {
		size_t n = EDU_BYTES - iova % EDU_BYTES;

		n = n < len ? n : len;
		ok = piece(edu, iova, at, n, write);
		iova += n;
		at += n;
		len -= n;
	}
	edu->faults += !ok;
	pthread_mutex_unlock(&edu->lock);
	return ok ? 0 : -EFAULT;
}

uint64_t edu_left_mapped(struct edu *edu)
{
	struct iommufd_ioas_unmap all = { .size = sizeof all,
					  .ioas_id = edu->vfio->ioas->id,
					  .length = UINT64_MAX };

	if (pp_vfio_api(edu->vfio) != PP_VFIO_IOMMUFD ||
	    ioctl(edu->vfio->ioas->fd, IOMMUFD_IOAS_UNMAP, &all))
		return 0;
	return all.length;
}
