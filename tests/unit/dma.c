/*
 * dma.c - tests of mapping through a binding (pagepool/dma.h): where mappings lie and what the
 * device may do with them, refusal of invalid and of late calls, masks, mappings left behind, and
 * what the checker reports.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "soft_device.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define PAGE ((size_t)PP_BASE_PAGE)

static char memory[1024 * PP_BASE_PAGE] __attribute__((aligned(4096)));

static const enum pp_dma_dir dirs[] = { PP_DMA_BIDIRECTIONAL, PP_DMA_TO_DEVICE,
					PP_DMA_FROM_DEVICE };

/* ---- a bound device -------------------------------------------------------------- */

static pp_binding_t bound(struct soft_device *sd)
{
	memset(memory, 0, sizeof memory);
	soft_device_init(sd, NULL);
	return soft_device_bind(sd);
}

static pp_binding_t bound_incoherent(struct soft_device *sd)
{
	struct pp_soft_params params = PP_PARAMS(struct pp_soft_params);

	memset(memory, 0, sizeof memory);
	params.incoherent = true;
	soft_device_init(sd, &params);
	return soft_device_bind(sd);
}

static int device_reads(const struct soft_device *sd, pp_iova_t iova)
{
	unsigned char byte;
	int ret = pp_soft_read(sd->iommu, iova, &byte, 1);

	return ret ? ret : byte;
}

static int device_writes(const struct soft_device *sd, pp_iova_t iova, int byte)
{
	char c = (char)byte;

	return pp_soft_write(sd->iommu, iova, &c, 1);
}

/* Nothing of the device's domain or the process's IOVA space is in use. */
static bool all_is_undone(const struct soft_device *sd)
{
	struct pp_domain_stats s = soft_device_domain(sd);

	return !s.mappings && !s.bytes_mapped && !s.iova_bytes && !s.page_table_bytes &&
	       !s.iotlb_entries && !s.shadow_bytes && !totals().iova_bytes;
}

/* ---- map, unmap ------------------------------------------------------------------ */

static void a_mapping_keeps_the_offset_in_the_page(void)
{
	static const size_t offsets[] = { 0, 1, 123, 2048, 4095 };
	static const size_t lens[] = { 1, 64, 4096, 4097, 10000 };
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	char back[10000];

	for (size_t i = 0; i < sizeof memory; i++)
		memory[i] = (char)(i * 7 + i / 4096);
	for (unsigned i = 0; i < 5; i++)
		for (unsigned j = 0; j < 5; j++) {
			char *addr = memory + 3 * PAGE + offsets[i];
			size_t pages = (offsets[i] + lens[j] + PAGE - 1) / PAGE;
			pp_iova_t iova;

			require(!pp_dma_map(b, addr, lens[j], PP_DMA_TO_DEVICE, &iova),
				"%zu bytes at offset %zu", lens[j], offsets[i]);
			check_eq(iova % PAGE, offsets[i], "the offset is kept");
			check(!pp_soft_read(sd.iommu, iova, back, lens[j]) &&
				      !memcmp(back, addr, lens[j]),
			      "the device reads the bytes");
			check_eq(soft_device_domain(&sd).bytes_mapped, pages * PAGE,
				 "whole pages are mapped");
			check(!pp_dma_unmap(b, iova, lens[j], PP_DMA_TO_DEVICE) &&
				      device_reads(&sd, iova) == -EFAULT,
			      "unmapped, it faults");
			check(all_is_undone(&sd), "nothing is left");
		}
	soft_device_exit(&sd);
}

/* What is mapped so the device can read. */
static bool reads(const struct soft_device *sd, enum pp_dma_dir dir)
{
	/* where the IOMMU is Intel's, what it may write it may read: pagepool/vfio.h */
	return dir != PP_DMA_FROM_DEVICE || sd->iommu->pins;
}

static void directions_are_enforced(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);

	for (unsigned i = 0; i < 3; i++) {
		pp_iova_t iova;

		memory[0] = 5;
		memory[1] = 0;
		require(!pp_dma_map(b, memory, 64, dirs[i], &iova), "direction %d", dirs[i]);
		check_eq(device_reads(&sd, iova), reads(&sd, dirs[i]) ? 5 : -EFAULT, "a read");
		if (!reads(&sd, dirs[i]))
			check(soft_device_faulted(sd.iommu, PP_FAULT_READ),
			      "no permission to read");
		check_eq(device_writes(&sd, iova + 1, 6), dirs[i] == PP_DMA_TO_DEVICE ? -EFAULT : 0,
			 "a write");
		if (dirs[i] == PP_DMA_TO_DEVICE)
			check(soft_device_faulted(sd.iommu, PP_FAULT_WRITE),
			      "no permission to write");
		check_eq(memory[1], dirs[i] == PP_DMA_TO_DEVICE ? 0 : 6, "what the memory says");
		check_eq(pp_dma_unmap(b, iova, 64, dirs[i]), 0, "unmapped");
	}
	soft_device_exit(&sd);
}

static void one_memory_may_be_mapped_twice(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	pp_iova_t first = 0, second = 0;

	memory[0] = 9;
	check(!pp_dma_map(b, memory, 64, PP_DMA_TO_DEVICE, &first) &&
		      !pp_dma_map(b, memory, 64, PP_DMA_TO_DEVICE, &second),
	      "mapped twice");
	check(first != second, "at two addresses");
	check_eq(pp_dma_unmap(b, first, 64, PP_DMA_TO_DEVICE), 0, "the first goes");
	check_eq(device_reads(&sd, first), -EFAULT, "it faults");
	check_eq(device_reads(&sd, second), 9, "the second stays");
	check_eq(pp_dma_unmap(b, second, 64, PP_DMA_TO_DEVICE), 0, "and goes");
	soft_device_exit(&sd);
}

static void wrong_arguments_of_map_are_refused(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	struct {
		void *addr;
		size_t len;
		int dir;
		const char *why;
	} cases[] = {
		{ NULL, 64, PP_DMA_TO_DEVICE, "no address" },
		{ memory, 0, PP_DMA_TO_DEVICE, "no length" },
		{ memory, 64, 3, "a direction that is none" },
		{ memory, 64, -1, "nor is this" },
		{ memory, SIZE_MAX, PP_DMA_TO_DEVICE, "a length that wraps" },
		{ memory, SIZE_MAX - (uintptr_t)memory, PP_DMA_TO_DEVICE, "whose page wraps" },
	};
	pp_iova_t iova;

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		iova = 1;
		check_eq(pp_dma_map(b, cases[i].addr, cases[i].len, (enum pp_dma_dir)cases[i].dir,
				    &iova),
			 -EINVAL, "%s", cases[i].why);
		check(iova == PP_IOVA_NONE, "the address is none");
	}
	check(pp_dma_map(b, (void *)(UINTPTR_MAX - 10), 100, PP_DMA_TO_DEVICE, &iova) == -EINVAL,
	      "a length that wraps in the last page");
	if (iova != PP_IOVA_NONE)
		pp_dma_unmap(b, iova, 100, PP_DMA_TO_DEVICE);
	check(all_is_undone(&sd), "nothing is mapped");
	check_eq(soft_device_stats(&sd).late_calls_refused, 0, "and none was late");
	soft_device_exit(&sd);
}

static void a_wrong_unmap_changes_nothing(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	struct pp_domain_stats before, after;
	pp_iova_t iova, ring;
	void *cpu;

	memory[100] = 4;
	require(!pp_dma_map(b, memory + 100, 3 * PAGE, PP_DMA_TO_DEVICE, &iova), "mapped");
	require(!pp_dma_alloc_coherent(b, PAGE, &cpu, &ring), "allocated");
	before = soft_device_domain(&sd);
	check_eq(pp_dma_unmap(b, iova + 1, 3 * PAGE, PP_DMA_TO_DEVICE), -EINVAL, "another address");
	check_eq(pp_dma_unmap(b, iova - 100, 3 * PAGE, PP_DMA_TO_DEVICE), -EINVAL, "its page");
	check_eq(pp_dma_unmap(b, iova + PAGE, PAGE, PP_DMA_TO_DEVICE), -EINVAL, "a part of it");
	check_eq(pp_dma_unmap(b, iova, 3 * PAGE - 1, PP_DMA_TO_DEVICE), -EINVAL, "another size");
	check_eq(pp_dma_unmap(b, iova, 0, PP_DMA_TO_DEVICE), -EINVAL, "no size");
	check_eq(pp_dma_unmap(b, iova, 3 * PAGE, PP_DMA_FROM_DEVICE), -EINVAL, "another direction");
	check_eq(pp_dma_unmap(b, 1ull << 33, PAGE, PP_DMA_TO_DEVICE), -EINVAL, "nothing there");
	check_eq(pp_dma_unmap(b, PP_IOVA_NONE, PAGE, PP_DMA_TO_DEVICE), -EINVAL, "PP_IOVA_NONE");
	check_eq(pp_dma_unmap(b, ring, PAGE, PP_DMA_BIDIRECTIONAL), -EINVAL, "coherent memory");
	check_eq(pp_dma_free_coherent(b, 3 * PAGE, memory + 100, iova), -EINVAL,
		 "a mapping is not to be freed");
	check_eq(pp_dma_free_coherent(b, PAGE, (char *)cpu + 1, ring), -EINVAL, "another pointer");
	check_eq(pp_dma_free_coherent(b, 2 * PAGE, cpu, ring), -EINVAL, "another size");
	check_eq(pp_dma_free_coherent(b, SIZE_MAX, cpu, ring), -EINVAL, "a size that wraps");
	check_eq(pp_dma_free_coherent(b, PAGE, cpu, ring + PAGE), -EINVAL, "another address");
	after = soft_device_domain(&sd);
	check(!memcmp(&before, &after, sizeof before), "the domain is as it was");
	check(device_reads(&sd, iova) == 4 && device_reads(&sd, ring) == 0,
	      "the device reads both");
	check_eq(pp_dma_unmap(b, iova, 3 * PAGE, PP_DMA_TO_DEVICE), 0, "the right one works");
	check_eq(pp_dma_unmap(b, iova, 3 * PAGE, PP_DMA_TO_DEVICE), -EINVAL, "once");
	check_eq(pp_dma_free_coherent(b, PAGE, cpu, ring), 0, "the right free too");
	check_eq(pp_dma_free_coherent(b, PAGE, cpu, ring), -EINVAL, "once");
	check(all_is_undone(&sd), "nothing is left");
	soft_device_exit(&sd);
}

/* ---- thousands of mappings ------------------------------------------------------- */

#define MANY 6000

struct piece {
	char *addr;
	size_t len;
	enum pp_dma_dir dir;
	pp_iova_t iova;
};

static bool map_piece(pp_binding_t b, struct piece *p, unsigned i, uint64_t *seed)
{
	p->addr = memory + i * 600;
	p->len = 1 + unit_below(seed, 600);
	if (unit_below(seed, 8) == 0)
		p->len += unit_below(seed, 5 * PAGE);
	p->dir = dirs[unit_below(seed, 3)];
	*p->addr = (char)(i % 100);
	return !pp_dma_map(b, p->addr, p->len, p->dir, &p->iova);
}

static bool piece_is_right(const struct soft_device *sd, const struct piece *p)
{
	int expected = reads(sd, p->dir) ? (unsigned char)*p->addr : -EFAULT;

	return device_reads(sd, p->iova) == expected;
}

static void thousands_of_mappings_stay_apart(void)
{
	static struct piece pieces[MANY];
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	uint64_t seed = 99;
	bool ok = true;

	for (unsigned i = 0; i < MANY; i++)
		ok = map_piece(b, &pieces[i], i, &seed) && ok;
	require(ok, "%d are mapped", MANY);
	check_eq(soft_device_domain(&sd).mappings, MANY, "and counted");
	check_eq(totals().iova_bytes, soft_device_domain(&sd).iova_bytes, "with their IOVA space");
	for (unsigned i = 0; i < MANY; i += device_step())
		ok = piece_is_right(&sd, &pieces[i]) && ok;
	check(ok, "each leads to its memory, in its direction");
	for (unsigned n = MANY; n; n--) {
		unsigned i = (unsigned)unit_below(&seed, n);
		struct piece p = pieces[i];

		pieces[i] = pieces[n - 1];
		ok = !pp_dma_unmap(b, p.iova, p.len, p.dir) && ok;
		if (n % device_step())
			continue;
		ok = device_reads(&sd, p.iova) == -EFAULT && ok;
		if (n > 1)
			ok = piece_is_right(&sd, &pieces[unit_below(&seed, n - 1)]) && ok;
	}
	check(ok, "unmapped in another order: each faults, and the others don't");
	check(all_is_undone(&sd), "nothing is left");
	check_eq(soft_device_domain(&sd).maps, MANY, "as many calls of map");
	check_eq(soft_device_domain(&sd).unmaps, MANY, "as of unmap");
	soft_device_exit(&sd);
}

/* ---- coherent memory ------------------------------------------------------------- */

static bool all_zero(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static void coherent_memory_is_shared(void)
{
	static const size_t lens[] = { 1, 4096, 4097, 100000 };
	struct soft_device sd;
	pp_binding_t b = bound(&sd);

	for (unsigned i = 0; i < 4; i++) {
		size_t whole = (lens[i] + PAGE - 1) / PAGE * PAGE;
		pp_iova_t iova;
		void *cpu;

		require(!pp_dma_alloc_coherent(b, lens[i], &cpu, &iova), "%zu bytes", lens[i]);
		check(!((uintptr_t)cpu % PAGE) && !(iova % PAGE), "aligned to a page for both");
		check(all_zero(cpu, whole), "zeroed, up to a whole page");
		check_eq(soft_device_domain(&sd).bytes_mapped, whole, "as mapped");
		((char *)cpu)[0] = 1;
		check_eq(device_reads(&sd, iova), 1, "the device reads what the CPU writes");
		check_eq(device_writes(&sd, iova + whole - 1, 2), 0, "and writes");
		check_eq(((char *)cpu)[whole - 1], 2, "what the CPU reads");
		/* the size as asked for, or rounded as it was */
		check_eq(pp_dma_free_coherent(b, i % 2 ? whole : lens[i], cpu, iova), 0, "freed");
		check_eq(device_reads(&sd, iova), -EFAULT, "it faults");
		check(all_is_undone(&sd), "nothing is left");
	}
	soft_device_exit(&sd);
}

static void wrong_arguments_of_alloc_are_refused(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	pp_iova_t iova = 1;
	void *cpu = &sd;

	check_eq(pp_dma_alloc_coherent(b, 0, &cpu, &iova), -EINVAL, "no bytes");
	check(!cpu && iova == PP_IOVA_NONE, "and none given");
	check_eq(pp_dma_alloc_coherent(b, SIZE_MAX, &cpu, &iova), -EINVAL, "bytes that wrap");
	check(all_is_undone(&sd), "nothing is left");
	soft_device_exit(&sd);
}

/* ---- sync ------------------------------------------------------------------------ */

static void an_incoherent_device_needs_sync(void)
{
	struct soft_device sd;
	pp_binding_t b = bound_incoherent(&sd);
	pp_iova_t iova;

	memory[100] = 1;
	require(!pp_dma_map(b, memory + 100, 64, PP_DMA_BIDIRECTIONAL, &iova), "mapped");
	check_eq(device_reads(&sd, iova), 1, "what was written before the map is there");
	memory[100] = 2;
	check_eq(device_reads(&sd, iova), 1, "what was written after it isn't");
	check_eq(pp_dma_sync_for_device(b, iova, 64, PP_DMA_BIDIRECTIONAL), 0, "synced");
	check_eq(device_reads(&sd, iova), 2, "now it is");
	device_writes(&sd, iova + 63, 3);
	check_eq(memory[163], 0, "what the device writes isn't there");
	check_eq(pp_dma_sync_for_cpu(b, iova + 63, 1, PP_DMA_BIDIRECTIONAL), 0, "synced, one byte");
	check_eq(memory[163], 3, "now it is");
	device_writes(&sd, iova + 10, 4);
	check_eq(pp_dma_unmap(b, iova, 64, PP_DMA_BIDIRECTIONAL), 0, "unmapped");
	check_eq(memory[110], 4, "an unmap syncs for the CPU");
	check(all_is_undone(&sd), "nothing is left, no shadow either");
	soft_device_exit(&sd);
}

static void sync_for_the_cpu_leaves_what_the_device_can_t_write(void)
{
	struct soft_device sd;
	pp_binding_t b = bound_incoherent(&sd);
	pp_iova_t iova;

	memory[0] = 1;
	require(!pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova), "mapped to the device");
	memory[0] = 2; /* not synced: the device's copy is 1 */
	check_eq(pp_dma_sync_for_cpu(b, iova, PAGE, PP_DMA_TO_DEVICE), -EINVAL,
		 "to sync for the CPU makes no sense");
	check_eq(memory[0], 2, "what the CPU wrote is kept");
	check_eq(pp_dma_unmap(b, iova, PAGE, PP_DMA_TO_DEVICE), 0, "unmapped");
	check_eq(memory[0], 2, "then too");
	soft_device_exit(&sd);
}

static void coherent_memory_of_an_incoherent_device_needs_no_sync(void)
{
	struct soft_device sd;
	pp_binding_t b = bound_incoherent(&sd);
	pp_iova_t iova;
	char *cpu;
	void *p;

	require(!pp_dma_alloc_coherent(b, 2 * PAGE, &p, &iova), "allocated");
	cpu = p;
	cpu[PAGE] = 1;
	check_eq(device_reads(&sd, iova + PAGE), 1, "the device reads what the CPU writes");
	device_writes(&sd, iova, 2);
	check_eq(cpu[0], 2, "and the CPU what the device does");
	check_eq(soft_device_domain(&sd).shadow_bytes, 0, "without a shadow");
	check_eq(pp_dma_sync_for_cpu(b, iova, 2 * PAGE, PP_DMA_FROM_DEVICE), 0,
		 "a sync is allowed");
	check_eq(pp_dma_free_coherent(b, 2 * PAGE, p, iova), 0, "freed");
	check(all_is_undone(&sd), "nothing is left");
	soft_device_exit(&sd);
}

static void two_small_buffers_may_share_a_page(void)
{
	struct soft_device sd;
	pp_binding_t b = bound_incoherent(&sd);
	pp_iova_t one, two;

	require(!pp_dma_map(b, memory, 64, PP_DMA_BIDIRECTIONAL, &one) &&
			!pp_dma_map(b, memory + 64, 64, PP_DMA_FROM_DEVICE, &two),
		"two in one page");
	device_writes(&sd, two, 7);
	check_eq(pp_dma_unmap(b, one, 64, PP_DMA_BIDIRECTIONAL), 0, "one is unmapped");
	check_eq(pp_dma_sync_for_cpu(b, two, 64, PP_DMA_FROM_DEVICE), 0, "the other synced");
	check(memory[64] == 7, "what the device wrote to it is there");
	check_eq(pp_dma_unmap(b, two, 64, PP_DMA_FROM_DEVICE), 0, "and unmapped");
	soft_device_exit(&sd);
}

static void a_wrong_sync_is_refused_where_it_is_found_out(void)
{
	struct soft_device sd;
	pp_binding_t b = bound_incoherent(&sd);
	pp_iova_t iova;

	require(!pp_dma_map(b, memory + 100, 200, PP_DMA_FROM_DEVICE, &iova), "mapped");
	device_writes(&sd, iova, 1);
	check_eq(pp_dma_sync_for_cpu(b, iova - 1, 10, PP_DMA_FROM_DEVICE), -EINVAL, "before it");
	check_eq(pp_dma_sync_for_cpu(b, iova, 201, PP_DMA_FROM_DEVICE), -EINVAL, "past its end");
	check_eq(pp_dma_sync_for_cpu(b, iova + 200, 1, PP_DMA_FROM_DEVICE), -EINVAL, "behind it");
	check_eq(pp_dma_sync_for_cpu(b, iova, SIZE_MAX, PP_DMA_FROM_DEVICE), -EINVAL, "wrapping");
	check_eq(pp_dma_sync_for_cpu(b, iova, 10, PP_DMA_TO_DEVICE), -EINVAL, "another direction");
	check_eq(pp_dma_sync_for_device(b, iova + 100 * PAGE, 1, PP_DMA_FROM_DEVICE), -EINVAL,
		 "nothing there");
	check_eq(memory[100], 0, "none of these has moved a byte");
	check_eq(pp_dma_sync_for_cpu(b, iova, 200, PP_DMA_FROM_DEVICE), 0, "the right one does");
	check_eq(memory[100], 1, "move them");
	soft_device_exit(&sd);
}

static void sync_on_a_coherent_device_is_free(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);

	check_eq(pp_dma_sync_for_cpu(b, 0x123456, 7, PP_DMA_FROM_DEVICE), 0,
		 "nothing is looked up");
	check_eq(pp_dma_sync_for_device(b, 0x123456, 7, PP_DMA_FROM_DEVICE), 0, "either way");
	soft_device_exit(&sd);
}

/* ---- bindings that have ended ---------------------------------------------------- */

#define LATE_CALLS 7

/* Every call once; true if each is refused. */
static bool all_refused(pp_binding_t b, pp_iova_t mapped, void *cpu, pp_iova_t ring)
{
	pp_iova_t iova = 0, iova2 = 0;
	void *p = &iova;

	return pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova) == -ENODEV &&
	       iova == PP_IOVA_NONE && pp_dma_unmap(b, mapped, PAGE, PP_DMA_TO_DEVICE) == -ENODEV &&
	       pp_dma_sync_for_cpu(b, mapped, PAGE, PP_DMA_TO_DEVICE) == -ENODEV &&
	       pp_dma_sync_for_device(b, mapped, PAGE, PP_DMA_TO_DEVICE) == -ENODEV &&
	       pp_dma_alloc_coherent(b, PAGE, &p, &iova2) == -ENODEV && !p &&
	       iova2 == PP_IOVA_NONE && pp_dma_free_coherent(b, PAGE, cpu, ring) == -ENODEV &&
	       pp_dma_set_mask(b, 64) == -ENODEV;
}

static void late_calls_are_refused_and_counted(void)
{
	struct soft_device sd;
	pp_binding_t old = bound(&sd), now;
	pp_iova_t iova, ring, iova2;
	void *cpu;

	require(!pp_dma_map(old, memory, PAGE, PP_DMA_TO_DEVICE, &iova) &&
			!pp_dma_alloc_coherent(old, PAGE, &cpu, &ring),
		"mapped");
	pp_device_unbind(sd.dev);
	check(all_refused(old, iova, cpu, ring), "unbound: every call is refused");
	check_eq(soft_device_stats(&sd).late_calls_refused, LATE_CALLS, "and counted");

	now = soft_device_bind(&sd);
	require(!pp_dma_map(now, memory, PAGE, PP_DMA_TO_DEVICE, &iova2), "bound and mapped anew");
	check(all_refused(old, iova2, cpu, ring), "through the old binding still refused");
	check_eq(soft_device_stats(&sd).late_calls_refused, 2 * LATE_CALLS, "and counted");
	check_eq(device_reads(&sd, iova2), 0, "the new binding's mapping is untouched");
	check_eq(soft_device_domain(&sd).mappings, 1, "it is the only one");
	check_eq(pp_dma_unmap(now, iova2, PAGE, PP_DMA_TO_DEVICE), 0, "and its own to unmap");

	pp_device_remove(sd.dev, PP_REMOVAL_SURPRISE);
	check(all_refused(now, iova2, cpu, ring) && all_refused(old, iova, cpu, ring),
	      "gone: refused, whichever");
	check_eq(soft_device_stats(&sd).late_calls_refused, 4 * LATE_CALLS, "and counted");
	soft_device_exit(&sd);
}

static void an_incoherent_device_refuses_them_too(void)
{
	struct soft_device sd;
	pp_binding_t old = bound_incoherent(&sd);

	pp_device_unbind(sd.dev);
	soft_device_bind(&sd);
	check(all_refused(old, 4096, memory, 4096), "every call");
	check_eq(soft_device_stats(&sd).late_calls_refused, LATE_CALLS, "each is counted once");
	soft_device_exit(&sd);
}

static void the_binding_of_a_device_that_was_freed_is_refused(void)
{
	struct soft_device sd;
	pp_binding_t old = bound(&sd), now;

	soft_device_exit(&sd);
	check(all_refused(old, 4096, memory, 4096), "refused with no device");
	check(!pp_binding_alive(old), "it isn't alive");
	now = bound(&sd); /* which takes the slot */
	check(now.id != old.id, "a new device's binding is another");
	check(all_refused(old, 4096, memory, 4096), "refused beside it");
	check_eq(soft_device_stats(&sd).late_calls_refused, 0, "it isn't the new device's call");
	soft_device_exit(&sd);
}

static void no_binding_and_no_one_s_binding_are_refused(void)
{
	pp_binding_t never = { 0x123456789abcull << 16 | 60000 };

	check(all_refused(pp_binding_none(), 4096, memory, 4096), "none");
	check(all_refused(never, 4096, memory, 4096), "one that never was");
	check(!pp_binding_alive(never), "it isn't alive");
}

/* ---- masks ----------------------------------------------------------------------- */

static void a_mask_bounds_the_addresses(void)
{
	static const unsigned bits[] = { 32, 33, 40, 47, 48, 64 };
	struct soft_device sd;
	pp_binding_t b = bound(&sd);

	for (unsigned i = 0; i < 6; i++) {
		unsigned top = bits[i] > 48 ? 48 : bits[i];
		pp_iova_t iova, ring;
		void *cpu;

		check_eq(pp_dma_set_mask(b, bits[i]), 0, "%u bits", bits[i]);
		pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova);
		pp_dma_alloc_coherent(b, PAGE, &cpu, &ring);
		check(iova >> (top - 1) == 1 && ring >> (top - 1) == 1,
		      "mappings lie below, as high as may be");
		pp_dma_unmap(b, iova, PAGE, PP_DMA_TO_DEVICE);
		pp_dma_free_coherent(b, PAGE, cpu, ring);
	}
	check_eq(pp_dma_set_mask(b, 31), -EINVAL, "31 bits are none");
	check_eq(pp_dma_set_mask(b, 65), -EINVAL, "nor are 65");
	soft_device_exit(&sd);
}

static void a_binding_begins_with_32_bits(void)
{
	struct soft_device sd;
	pp_binding_t b;
	pp_iova_t iova;

	soft_device_init(&sd, NULL);
	sd.mask_bits = 0;
	for (unsigned i = 0; i < 2; i++) {
		b = soft_device_bind(&sd);
		pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova);
		check(iova >> 31 == 1, "the first mapping lies in 32 bits");
		check_eq(pp_dma_set_mask(b, 64), 0, "widened");
		pp_device_unbind(sd.dev); /* and that ends with the binding */
	}
	soft_device_exit(&sd);
}

static void the_device_s_width_counts_too(void)
{
	struct pp_soft_params params = PP_PARAMS(struct pp_soft_params);
	struct soft_device sd;
	pp_binding_t b;
	pp_iova_t iova;

	params.address_bits = 36;
	soft_device_init(&sd, &params);
	b = soft_device_bind(&sd); /* its driver says 64 */
	require(!pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova), "mapped");
	check(iova >> 35 == 1, "within 36 bits");
	check_eq(device_reads(&sd, iova), 0, "which the device can reach");
	soft_device_exit(&sd);
}

static void a_mask_can_t_leave_a_mapping_out(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	pp_iova_t iova, second;

	pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova);
	check_eq(pp_dma_set_mask(b, 32), -EBUSY, "something is mapped beyond 32 bits");
	check_eq(pp_dma_set_mask(b, 47), -EBUSY, "and beyond 47");
	pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &second);
	check(second >> 47 == 1, "the mask is as it was");
	check_eq(pp_dma_set_mask(b, 48), 0, "48 bits hold it");
	pp_dma_unmap(b, iova, PAGE, PP_DMA_TO_DEVICE);
	pp_dma_unmap(b, second, PAGE, PP_DMA_TO_DEVICE);
	check_eq(pp_dma_set_mask(b, 32), 0, "with nothing mapped it works");
	pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova);
	check(!(iova >> 32), "and counts");
	check_eq(pp_dma_set_mask(b, 32), 0, "a mapping within is no matter");
	soft_device_exit(&sd);
}

/*
 * Memory that is only named, never touched: on a 32-bit machine there isn't as much. An IOMMU that
 * pins what it maps takes none but what is there.
 */
static char *named(const struct soft_device *sd, size_t len)
{
	void *p = (void *)0x10000000;

	if (sd->iommu->pins)
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(p != MAP_FAILED, "memory of %zu bytes", len);
	return p;
}

static void unname(const struct soft_device *sd, char *memory, size_t len)
{
	if (sd->iommu->pins)
		munmap(memory, len);
}

static void a_full_mask_is_enospc(void)
{
	const size_t len = (2ull << 30) + 1;
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	char *large = named(&sd, len);
	pp_iova_t first, iova;
	void *cpu;

	/* more than half of what 32 bits have */
	pp_dma_set_mask(b, 32);
	check_eq(pp_dma_map(b, large, len, PP_DMA_TO_DEVICE, &first), 0,
		 "2 GiB and a byte fit into 32 bits");
	check(!((first + len - 1) >> 32), "to the last byte");
	check_eq(pp_dma_map(b, large, len, PP_DMA_TO_DEVICE, &iova), -ENOSPC, "once");
	check(iova == PP_IOVA_NONE, "no address is given");
	if (sizeof(size_t) > 4) { /* else it is no length of memory */
		check_eq(pp_dma_alloc_coherent(b, len, &cpu, &iova), -ENOSPC, "coherent or not");
		check(!cpu && iova == PP_IOVA_NONE, "nor memory");
	}
	check_eq(pp_dma_set_mask(b, 33), 0, "the mask can be wider");
	check_eq(pp_dma_set_mask(b, 32), 0, "and as it was");
	check_eq(pp_dma_sync_for_cpu(b, first + len / 2, PAGE, PP_DMA_TO_DEVICE), 0,
		 "its middle can be synced");
	check_eq(pp_dma_unmap(b, first, len, PP_DMA_TO_DEVICE), 0, "it is unmapped");
	check(all_is_undone(&sd), "nothing is left");
	unname(&sd, large, len);
	soft_device_exit(&sd);
}

/* A mapping of several blocks is found by each of its addresses, and by none beside it. */
static void large_ranges_are_found(void)
{
	const size_t len = (1ull << 30) + PAGE;
	struct soft_device sd;
	pp_iova_t iova[3], none;
	pp_binding_t b;
	unsigned n = 3;
	char *large;
	bool ok = true;

	pp_debug_set(PP_DEBUG_DMA); /* so that syncs look for their mapping */
	b = bound(&sd);
	pp_debug_set(0);
	large = named(&sd, len);
	if (sd.iommu->pins)
		n = 2; /* the kernel has some of 32 bits for interrupts */
	pp_dma_set_mask(b, 32);
	for (unsigned i = 0; i < n; i++)
		check_eq(pp_dma_map(b, large, len, PP_DMA_TO_DEVICE, &iova[i]), 0, "mapping %u", i);
	check_eq(pp_dma_map(b, large, len, PP_DMA_TO_DEVICE, &none), -ENOSPC,
		 "another has no room");
	pp_debug_set(PP_DEBUG_DMA);
	for (unsigned i = 0; i < n; i++)
		for (uint64_t at = 0; at < len; at += 1 << 27)
			ok = !pp_dma_sync_for_device(b, iova[i] + at, PAGE, PP_DMA_TO_DEVICE) && ok;
	check(ok, "each can be synced everywhere");
	pp_debug_set(0);
	check_eq(pp_dma_unmap(b, iova[1] + (1ull << 30), len, PP_DMA_TO_DEVICE), -EINVAL,
		 "what is no beginning isn't unmapped");
	for (unsigned i = 0; i < n; i++)
		check_eq(pp_dma_unmap(b, iova[i], len, PP_DMA_TO_DEVICE), 0, "mapping %u goes", i);
	check(all_is_undone(&sd), "nothing is left");
	unname(&sd, large, len);
	soft_device_exit(&sd);
}

/* ---- what is forgotten ----------------------------------------------------------- */

static void what_is_forgotten_is_undone_and_counted(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	pp_iova_t iova[5], ring;
	void *cpu;
	bool faults = true;

	for (unsigned i = 0; i < 5; i++)
		pp_dma_map(b, memory + i * 3000, 5000, dirs[i % 3], &iova[i]);
	pp_dma_alloc_coherent(b, 3 * PAGE, &cpu, &ring);
	for (unsigned i = 0; i < 5; i++)
		device_reads(&sd, iova[i]); /* the IOTLB has them */
	check_eq(soft_device_domain(&sd).mappings, 6, "six mappings");
	check_eq(pp_device_unbind(sd.dev), 0, "unbound");
	check_eq(soft_device_stats(&sd).mappings_forgotten, 6, "are counted as forgotten");
	check(all_is_undone(&sd), "and undone");
	soft_device_bind(&sd);
	for (unsigned i = 0; i < 5; i++)
		faults = device_reads(&sd, iova[i]) == -EFAULT && faults;
	check(faults && device_reads(&sd, ring) == -EFAULT, "in the next binding they fault");
	pp_device_unbind(sd.dev);
	check_eq(soft_device_stats(&sd).mappings_forgotten, 6, "which forgets nothing");
	soft_device_exit(&sd);
}

static void what_an_incoherent_device_wrote_comes_with_the_unbind(void)
{
	struct soft_device sd;
	pp_binding_t b = bound_incoherent(&sd);
	pp_iova_t iova;

	pp_dma_map(b, memory, PAGE, PP_DMA_FROM_DEVICE, &iova);
	device_writes(&sd, iova + 5, 8);
	pp_device_unbind(sd.dev);
	check_eq(memory[5], 8, "the memory is as the device left it");
	check(all_is_undone(&sd), "nothing is left, no shadow either");
	soft_device_exit(&sd);
}

/* ---- the checker ----------------------------------------------------------------- */

static char said[16384];
static unsigned reports;

static void keep_report(void *ctx, const char *text)
{
	check(ctx == said, "a report comes with its context");
	check(text[0] && text[strlen(text) - 1] != '\n', "and without a last newline");
	snprintf(said, sizeof said, "%s", text);
	reports++;
}

static void checker_on(unsigned what)
{
	said[0] = 0;
	reports = 0;
	pp_debug_set_report(keep_report, said);
	pp_debug_set(what);
}

static void checker_off(void)
{
	pp_debug_set(0);
	pp_debug_set_report(NULL, NULL);
}

/* "DMA address 0x...", as reports have it. */
static const char *address_words(pp_iova_t iova)
{
	static char words[64];

	snprintf(words, sizeof words, "DMA address 0x%llx", (unsigned long long)iova);
	return words;
}

static bool says(const char *word)
{
	bool ok = strstr(said, word) != NULL;

	if (!ok)
		printf("# no \"%s\" in: %s\n", word, said);
	return ok;
}

static void forgotten_mappings_are_reported_with_their_caller(void)
{
	struct soft_device sd;
	const char *caller, *ring_caller;
	uint64_t before;
	pp_binding_t b;
	pp_iova_t iova, ring;
	void *cpu;

	checker_on(PP_DEBUG_DMA);
	before = pp_debug_reports();
	b = bound(&sd);
	/* the caller is the line: */
	/* clang-format off */
	caller = PP_CALLER; pp_dma_map(b, memory + 1, 1234, PP_DMA_FROM_DEVICE, &iova);
	ring_caller = PP_CALLER; pp_dma_alloc_coherent(b, 2 * PAGE, &cpu, &ring);
	/* clang-format on */
	pp_device_unbind(sd.dev);
	check_eq(reports, 1, "one report");
	check_eq(pp_debug_reports(), before + 1, "that is counted");
	check(says("soft0"), "names the device");
	check(says("2 mappings"), "says how many");
	check(says(address_words(iova)) && says("1234 bytes") && says("from device") &&
		      says(caller),
	      "address, size, direction and caller of the one");
	check(says(address_words(ring)) && says("8192 bytes") && says("coherent") &&
		      says(ring_caller),
	      "and of the other");
	soft_device_exit(&sd);
	check_eq(reports, 1, "a binding that forgets nothing isn't reported");
	checker_off();
}

static void thousands_of_forgotten_mappings_are_one_report(void)
{
	struct soft_device sd;
	pp_binding_t b;
	pp_iova_t iova;

	checker_on(PP_DEBUG_DMA);
	b = bound(&sd);
	for (unsigned i = 0; i < 3000; i++)
		pp_dma_map(b, memory + i, 64, PP_DMA_TO_DEVICE, &iova);
	pp_device_unbind(sd.dev);
	check_eq(reports, 1, "one");
	check(says("3000 mappings"), "with their number");
	check_eq(soft_device_stats(&sd).mappings_forgotten, 3000, "which is counted");
	check(all_is_undone(&sd), "all are undone");
	soft_device_exit(&sd);
	checker_off();
}

static void a_surprise_is_no_one_s_fault(void)
{
	struct soft_device sd;
	pp_binding_t b;
	pp_iova_t iova;

	checker_on(PP_DEBUG_DMA);
	b = bound(&sd);
	pp_dma_map(b, memory, 64, PP_DMA_TO_DEVICE, &iova);
	pp_device_remove(sd.dev, PP_REMOVAL_SURPRISE);
	check_eq(reports, 0, "what a driver can't unmap isn't reported");
	check_eq(soft_device_stats(&sd).mappings_forgotten, 0, "nor counted");
	check(all_is_undone(&sd), "but undone");
	soft_device_exit(&sd);
	checker_off();
}

/* One bad call, made by the caller of this: reported with these words. */
static void is_reported(const char *what, const char *call, const char *word, pp_iova_t iova,
			const char *caller)
{
	check_eq(reports, 1, "%s: one report", what);
	check(says("soft0") && says(call) && says(word), "that names device and call, and why");
	check(says(address_words(iova)) && says(caller), "with address and caller of the call");
	said[0] = 0;
	reports = 0;
}

static void bad_unmaps_are_reported_and_change_nothing(void)
{
	struct soft_device sd;
	struct pp_domain_stats before, after;
	const char *at, *mapped;
	pp_binding_t b;
	pp_iova_t iova, ring;
	void *cpu;

	checker_on(PP_DEBUG_DMA);
	b = bound(&sd);
	/* the caller is the line: */
	/* clang-format off */
	mapped = PP_CALLER; pp_dma_map(b, memory, 500, PP_DMA_TO_DEVICE, &iova);
	pp_dma_alloc_coherent(b, PAGE, &cpu, &ring);
	before = soft_device_domain(&sd);
	at = PP_CALLER; check_eq(pp_dma_unmap(b, iova, 400, PP_DMA_TO_DEVICE), -EINVAL, "size");
	check(says("400 bytes") && says("500 bytes") && says("to device") && says(mapped),
	      "says what was mapped, and where");
	is_reported("another size", "unmap", "another size", iova, at);
	at = PP_CALLER; check_eq(pp_dma_unmap(b, iova, 500, PP_DMA_FROM_DEVICE), -EINVAL, "dir");
	is_reported("another direction", "unmap", "another direction", iova, at);
	at = PP_CALLER; check_eq(pp_dma_unmap(b, iova + 8, 500, PP_DMA_TO_DEVICE), -EINVAL, "addr");
	is_reported("another address", "unmap", "where the mapping begins", iova + 8, at);
	at = PP_CALLER; check_eq(pp_dma_unmap(b, 0x7000, 500, PP_DMA_TO_DEVICE), -EINVAL, "none");
	is_reported("nothing there", "unmap", "nothing is mapped there", 0x7000, at);
	at = PP_CALLER; check_eq(pp_dma_unmap(b, ring, PAGE, PP_DMA_BIDIRECTIONAL), -EINVAL, "kind");
	is_reported("coherent memory", "unmap", "allocated as coherent memory", ring, at);
	at = PP_CALLER; check_eq(pp_dma_free_coherent(b, PAGE, memory, ring), -EINVAL, "cpu");
	is_reported("another pointer", "free of coherent memory", "CPU address", ring, at);
	/* clang-format on */
	after = soft_device_domain(&sd);
	check(!memcmp(&before, &after, sizeof before), "the domain is as it was");
	check_eq(device_reads(&sd, iova), 0, "the device still reads");
	check_eq(pp_dma_unmap(b, iova, 500, PP_DMA_TO_DEVICE), 0, "the right unmap");
	check_eq(pp_dma_free_coherent(b, PAGE, cpu, ring), 0, "and the right free");
	check_eq(reports, 0, "are not reported");
	soft_device_exit(&sd);
	checker_off();
}

static void bad_syncs_are_reported_on_a_coherent_device_too(void)
{
	const enum pp_dma_dir from = PP_DMA_FROM_DEVICE, to = PP_DMA_TO_DEVICE;
	struct soft_device sd;
	const char *at;
	pp_binding_t b;
	pp_iova_t iova;

	checker_on(PP_DEBUG_DMA);
	b = bound(&sd);
	pp_dma_map(b, memory, 500, from, &iova);
	/* the caller is the line: */
	/* clang-format off */
	at = PP_CALLER; check_eq(pp_dma_sync_for_cpu(b, iova, 501, from), -EINVAL, "len");
	is_reported("too much", "sync for CPU", "past the end of the mapping", iova, at);
	at = PP_CALLER; check_eq(pp_dma_sync_for_device(b, iova, 5, to), -EINVAL, "dir");
	is_reported("another direction", "sync for device", "the device never reads there", iova, at);
	at = PP_CALLER; check_eq(pp_dma_sync_for_cpu(b, 0x7000, 5, from), -EINVAL, "none");
	is_reported("nothing there", "sync for CPU", "nothing is mapped there", 0x7000, at);
	/* clang-format on */
	check_eq(pp_dma_sync_for_cpu(b, iova + 100, 400, from), 0, "a right one");
	check_eq(reports, 0, "is not reported");
	pp_dma_unmap(b, iova, 500, from);
	soft_device_exit(&sd);
	checker_off();
}

static void late_calls_are_reported(void)
{
	struct soft_device sd;
	const char *at;
	pp_binding_t old;
	pp_iova_t iova;

	old = bound(&sd);
	pp_device_unbind(sd.dev);
	soft_device_bind(&sd);
	checker_on(PP_DEBUG_DMA);
	/* the caller is the line: */
	/* clang-format off */
	at = PP_CALLER; check_eq(pp_dma_map(old, memory, 5, PP_DMA_TO_DEVICE, &iova), -ENODEV, "map");
	/* clang-format on */
	check_eq(reports, 1, "is reported");
	check(says("soft0") && says("map: ") && says(at) && says("ended"),
	      "with device and caller");
	check_eq(pp_dma_sync_for_cpu(old, 0x7000, 5, PP_DMA_TO_DEVICE), -ENODEV, "a sync");
	check(reports == 2 && says("sync for CPU"), "too, on a coherent device as well");
	soft_device_exit(&sd);
	check_eq(pp_dma_unmap(old, 0x7000, 5, PP_DMA_TO_DEVICE), -ENODEV, "an unmap");
	check(reports == 3 && says("no more"), "too, when there is no device");
	checker_off();
}

static void the_checker_watches_what_begins_after_it(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);

	checker_on(PP_DEBUG_DMA);
	check_eq(pp_dma_sync_for_cpu(b, 0x7000, 5, PP_DMA_FROM_DEVICE), 0,
		 "a sync through an older binding isn't watched");
	check_eq(pp_dma_unmap(b, 0x7000, 5, PP_DMA_FROM_DEVICE), -EINVAL, "an unmap is");
	check(says("unmap"), "and reported");
	checker_off();
	reports = 0;
	check_eq(pp_dma_unmap(b, 0x7000, 5, PP_DMA_FROM_DEVICE), -EINVAL, "with the checker off");
	check_eq(reports, 0, "it is refused without a word");
	soft_device_exit(&sd);
}

static void silent(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

static void a_fatal_report_is_the_last(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(2);
		pp_debug_set_report(silent, NULL);
		pp_debug_set(PP_DEBUG_DMA | PP_DEBUG_FATAL);
		pp_dma_unmap(b, 0x7000, 5, PP_DMA_FROM_DEVICE);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
	      "the process aborts");
	soft_device_exit(&sd);
}

static void lists_of_words_are_parsed(void)
{
	static const struct {
		const char *list;
		int ret;
		unsigned what;
	} cases[] = {
		{ "", 0, 0 },
		{ "dma", 0, PP_DEBUG_DMA },
		{ "pages", 0, PP_DEBUG_PAGES },
		{ "fatal", 0, PP_DEBUG_FATAL },
		{ "dma,pages", 0, PP_DEBUG_DMA | PP_DEBUG_PAGES },
		{ "fatal,dma,pages", 0, PP_DEBUG_DMA | PP_DEBUG_PAGES | PP_DEBUG_FATAL },
		{ "dma,dma", 0, PP_DEBUG_DMA },
		{ "dma,", 0, PP_DEBUG_DMA },
		{ "dmas", -EINVAL, 0 },
		{ "dm", -EINVAL, 0 },
		{ "dma,page", -EINVAL, 0 },
		{ "dma pages", -EINVAL, 0 },
		{ "DMA", -EINVAL, 0 },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned what = 99;
		int ret = pp_debug_parse(cases[i].list, &what);

		check(ret == cases[i].ret && (ret || what == cases[i].what), "\"%s\"",
		      cases[i].list);
	}
}

/* First of all tests: it is read once. */
static void the_environment_chooses_until_the_program_does(void)
{
	setenv("PAGEPOOL_DEBUG", "dma,pages", 1);
	check_eq(pp_debug_get(), PP_DEBUG_DMA | PP_DEBUG_PAGES, "as PAGEPOOL_DEBUG says");
	pp_debug_set(PP_DEBUG_DMA);
	check_eq(pp_debug_get(), PP_DEBUG_DMA, "as the program says");
	pp_debug_set(~0u);
	check_eq(pp_debug_get(), PP_DEBUG_DMA | PP_DEBUG_PAGES | PP_DEBUG_FATAL,
		 "known flags only");
	pp_debug_set(0);
	check_eq(pp_debug_get(), 0, "or none");
}

/* ---- failures -------------------------------------------------------------------- */

static bool as_before(const struct soft_device *sd, struct pp_domain_stats before)
{
	struct pp_domain_stats now = soft_device_domain(sd);

	now.maps = before.maps; /* calls are calls, undone or not */
	now.unmaps = before.unmaps;
	now.invalidations = before.invalidations;
	return !memcmp(&now, &before, sizeof now) && totals().iova_bytes == before.iova_bytes;
}

/* Make everything fail that a map, or an allocation, asks for. Returns how much that was. */
static unsigned fail_each(const struct soft_device *sd, pp_binding_t b, bool coherent)
{
	struct pp_domain_stats before = soft_device_domain(sd);
	struct fail f;

	for (unsigned n = 0;; n++) {
		pp_iova_t iova = 0;
		void *cpu = NULL;
		int ret;

		fail_begin(&f, NULL, n);
		ret = coherent ? pp_dma_alloc_coherent(b, 3 * PAGE, &cpu, &iova) :
				 pp_dma_map(b, memory + 9, 2 * PAGE, PP_DMA_TO_DEVICE, &iova);
		if (!fail_end(&f)) {
			check_eq(ret, 0, "with nothing more to fail it works");
			ret = coherent ? pp_dma_free_coherent(b, 3 * PAGE, cpu, iova) :
					 pp_dma_unmap(b, iova, 2 * PAGE, PP_DMA_TO_DEVICE);
			check(!ret && as_before(sd, before), "and is undone");
			return n;
		}
		if (!ret) /* growing the hash may fail without harm */
			check(!pp_dma_unmap(b, iova, 2 * PAGE, PP_DMA_TO_DEVICE), "undone");
		else
			check((ret == -ENOMEM || ret == -ENOSPC) && iova == PP_IOVA_NONE && !cpu,
			      "failure %u is told", n);
		check(as_before(sd, before), "and changes nothing");
	}
}

static void every_failure_changes_nothing(void)
{
	struct soft_device sd;
	pp_binding_t b = bound(&sd);
	pp_iova_t iova[255], ring;
	unsigned things;
	void *cpu;

	/* the binding's record is made by the first call and stays, so a second one goes on
	 * where the first left off: the mapping, IOVA, map, 4 tables; on a kernel's IOMMU its
	 * record instead of the tables. IOVA needs no memory: there is a stock for the splits */
	fail_each(&sd, b, false);
	things = sd.iommu->pins ? 4 : 7;
	check_eq(fail_each(&sd, b, false), things, "a first mapping asks for %u things", things);
	check_eq(fail_each(&sd, b, true), things + 1, "coherent memory for one more: the memory");
	pp_dma_alloc_coherent(b, PAGE, &cpu, &ring);
	check(fail_each(&sd, b, false) >= 3, "with another mapped");
	for (unsigned i = 0; i < 255; i++)
		pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova[i]);
	check(fail_each(&sd, b, false) >= 4, "where the record must grow");
	check_eq(soft_device_domain(&sd).mappings, 256, "what was mapped is mapped");
	pp_device_unbind(sd.dev);
	check(all_is_undone(&sd), "and goes with the binding");
	soft_device_exit(&sd);
}

int main(void)
{
	run(the_environment_chooses_until_the_program_does);
	run(a_mapping_keeps_the_offset_in_the_page);
	run(directions_are_enforced);
	run(one_memory_may_be_mapped_twice);
	run(wrong_arguments_of_map_are_refused);
	run(a_wrong_unmap_changes_nothing);
	run(thousands_of_mappings_stay_apart);
	run(coherent_memory_is_shared);
	run(wrong_arguments_of_alloc_are_refused);
	run(an_incoherent_device_needs_sync);
	run(sync_for_the_cpu_leaves_what_the_device_can_t_write);
	run(coherent_memory_of_an_incoherent_device_needs_no_sync);
	run(two_small_buffers_may_share_a_page);
	run(a_wrong_sync_is_refused_where_it_is_found_out);
	run(sync_on_a_coherent_device_is_free);
	run(late_calls_are_refused_and_counted);
	run(an_incoherent_device_refuses_them_too);
	run(the_binding_of_a_device_that_was_freed_is_refused);
	run(no_binding_and_no_one_s_binding_are_refused);
	run(a_mask_bounds_the_addresses);
	run(a_binding_begins_with_32_bits);
	run(the_device_s_width_counts_too);
	run(a_mask_can_t_leave_a_mapping_out);
	run(a_full_mask_is_enospc);
	run(large_ranges_are_found);
	run(what_is_forgotten_is_undone_and_counted);
	run(what_an_incoherent_device_wrote_comes_with_the_unbind);
	run(forgotten_mappings_are_reported_with_their_caller);
	run(thousands_of_forgotten_mappings_are_one_report);
	run(a_surprise_is_no_one_s_fault);
	run(bad_unmaps_are_reported_and_change_nothing);
	run(bad_syncs_are_reported_on_a_coherent_device_too);
	run(late_calls_are_reported);
	run(the_checker_watches_what_begins_after_it);
	run(a_fatal_report_is_the_last);
	run(lists_of_words_are_parsed);
	run(every_failure_changes_nothing);
	return tap_end();
}
