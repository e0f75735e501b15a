/*
 * sync.c - ownership of memory between CPU and device: syncs that match nothing, and missing ones.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "misuse.h"

static struct device dev, other;
static char memory[4 * PP_BASE_PAGE] __attribute__((aligned(PP_BASE_PAGE)));
static char buf[PP_BASE_PAGE];
static pp_iova_t iova;

static pp_binding_t start(void)
{
	return device_start(&dev, "soft0", false);
}

/* A device that sees what was synced for it. */
static pp_binding_t start_incoherent(void)
{
	return device_start(&dev, "soft0", true);
}

/* ---- right -------------------------------------------------------------------------------- */

/* What the device wrote is its own to read, before it was synced and after. */
static void right_both_ways(pp_binding_t binding)
{
	memset(memory, 1, 1500);
	need(!pp_dma_map(binding, memory, 1500, PP_DMA_BIDIRECTIONAL, &iova));
	need(!pp_soft_read(dev.iommu, iova, buf, 1500));
	memset(buf, 2, 100);
	need(!pp_soft_write(dev.iommu, iova + 30, buf, 100));
	need(!pp_soft_read(dev.iommu, iova, buf, 1500));
	need(buf[29] == 1 && buf[30] == 2 && buf[130] == 1);
	need(!pp_dma_sync_for_cpu(binding, iova, 1500, PP_DMA_BIDIRECTIONAL));
	need(memory[29] == 1 && memory[30] == 2);
	memset(memory, 3, 1500);
	need(!pp_dma_sync_for_device(binding, iova, 1500, PP_DMA_BIDIRECTIONAL));
	need(!pp_soft_read(dev.iommu, iova, buf, 1500) && buf[1499] == 3);
	need(!pp_dma_unmap(binding, iova, 1500, PP_DMA_BIDIRECTIONAL));
}

/* The end of a streaming mapping hands it over, and coherent memory needs nothing. */
static void right_without_sync(pp_binding_t binding)
{
	pp_iova_t ring;
	void *cpu;

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_FROM_DEVICE, &iova));
	memset(buf, 4, 1500);
	need(!pp_soft_write(dev.iommu, iova, buf, 1500));
	need(!pp_dma_unmap(binding, iova, 1500, PP_DMA_FROM_DEVICE) && memory[0] == 4);
	need(!pp_dma_alloc_coherent(binding, 100, &cpu, &ring));
	memset(cpu, 5, 100);
	need(!pp_soft_read(dev.iommu, ring, buf, 100) && buf[99] == 5);
	need(!pp_soft_write(dev.iommu, ring, buf, 100));
	need(!pp_dma_free_coherent(binding, 100, cpu, ring));
}

static void right_pool(pp_binding_t binding)
{
	struct pp_pool *pool = pool_new(binding, "rx", PP_DMA_FROM_DEVICE);

	for (unsigned i = 0; i < 3; i++) { /* the third time as the first */
		struct pp_page *page = page_new(pool);

		need(!pp_dma_sync_for_device(binding, pp_page_iova(page), 4096,
					     PP_DMA_FROM_DEVICE));
		memset(buf, 6, 200);
		need(!pp_soft_write(dev.iommu, pp_page_iova(page), buf, 200));
		need(!pp_dma_sync_for_cpu(binding, pp_page_iova(page), 200, PP_DMA_FROM_DEVICE));
		need(((char *)pp_page_addr(page))[199] == 6);
		pp_page_put(page);
	}
	pp_pool_trim(pool, 0);
	pp_pool_destroy(pool);
}

/* What a device wrote before it went by surprise, nobody had the time to sync. */
static void right_surprise(pp_binding_t binding)
{
	struct pp_pool *pool = pool_new(binding, "rx", PP_DMA_FROM_DEVICE);
	struct pp_page *page = page_new(pool);

	need(!pp_soft_write(dev.iommu, pp_page_iova(page), buf, 200));
	need(!pp_device_remove(dev.dev, PP_REMOVAL_SURPRISE));
	pp_page_put(page);
	pp_pool_destroy(pool);
}

static void right(void)
{
	for (int incoherent = 0; incoherent < 2; incoherent++) {
		pp_binding_t binding = device_start(&dev, "soft0", incoherent);

		right_both_ways(binding);
		right_without_sync(binding);
		right_pool(binding);
		right_surprise(binding);
		device_end(&dev);
	}
}

/* ---- what is synced ----------------------------------------------------------------------- */

static void sync_never_mapped(void)
{
	pp_binding_t binding = start();

	pp_dma_sync_for_cpu(binding, 0x123000, 64,
			    PP_DMA_FROM_DEVICE); /* @sync_never_mapped.call */
}

static void sync_failed_map(void)
{
	pp_binding_t binding = start();

	pp_dma_sync_for_cpu(binding, PP_IOVA_NONE, 64,
			    PP_DMA_FROM_DEVICE); /* @sync_failed_map.call */
}

static void sync_unmapped(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_FROM_DEVICE,
			 &iova));                                     /* @sync_unmapped.map */
	need(!pp_dma_unmap(binding, iova, 1500, PP_DMA_FROM_DEVICE)); /* @sync_unmapped.unmap */
	pp_dma_sync_for_cpu(binding, iova, 1500, PP_DMA_FROM_DEVICE); /* @sync_unmapped.call */
}

static void sync_foreign(void)
{
	pp_binding_t binding = start(), others = device_start(&other, "soft1", false);

	need(!pp_dma_map(others, memory, 1500, PP_DMA_FROM_DEVICE, &iova));
	pp_dma_sync_for_cpu(binding, iova, 1500, PP_DMA_FROM_DEVICE); /* @sync_foreign.call */
}

static void sync_foreign_pool(void)
{
	pp_binding_t binding = start(), others = device_start(&other, "soft1", false);
	struct pp_page *page = page_new(pool_new(others, "rx", PP_DMA_FROM_DEVICE));

	pp_dma_sync_for_cpu(binding, pp_page_iova(page), 64,
			    PP_DMA_FROM_DEVICE); /* @sync_foreign_pool.call */
}

/* In the base page that is mapped, but not of what was asked for. */
static void sync_before(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory + 256, 100, PP_DMA_FROM_DEVICE,
			 &iova));                                        /* @sync_before.map */
	pp_dma_sync_for_cpu(binding, iova - 64, 64, PP_DMA_FROM_DEVICE); /* @sync_before.call */
}

static void sync_behind(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 100, PP_DMA_FROM_DEVICE, &iova)); /* @sync_behind.map */
	pp_dma_sync_for_cpu(binding, iova + 100, 64, PP_DMA_FROM_DEVICE);   /* @sync_behind.call */
}

static void sync_past_end(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_FROM_DEVICE,
			 &iova)); /* @sync_past_end.map */
	pp_dma_sync_for_cpu(binding, iova + 1000, 501,
			    PP_DMA_FROM_DEVICE); /* @sync_past_end.call */
}

static void sync_past_pool(void)
{
	pp_binding_t binding = start();
	struct pp_page *page = page_new(pool_new(binding, "rx", PP_DMA_FROM_DEVICE));

	pp_dma_sync_for_cpu(binding, pp_page_iova(page), 17 * PP_BASE_PAGE,
			    PP_DMA_FROM_DEVICE); /* @sync_past_pool.call */
}

static void sync_wraps(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_FROM_DEVICE, &iova));  /* @sync_wraps.map */
	pp_dma_sync_for_cpu(binding, iova + 1, SIZE_MAX, PP_DMA_FROM_DEVICE); /* @sync_wraps.call */
}

/* ---- directions --------------------------------------------------------------------------- */

static void sync_wrong_direction(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_FROM_DEVICE,
			 &iova)); /* @sync_wrong_direction.map */
	pp_dma_sync_for_cpu(binding, iova, 1500,
			    PP_DMA_BIDIRECTIONAL); /* @sync_wrong_direction.call */
}

static void sync_for_cpu_never_written(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_TO_DEVICE,
			 &iova)); /* @sync_for_cpu_never_written.map */
	pp_dma_sync_for_cpu(binding, iova, 1500,
			    PP_DMA_TO_DEVICE); /* @sync_for_cpu_never_written.call */
}

static void sync_for_device_never_read(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_FROM_DEVICE,
			 &iova)); /* @sync_for_device_never_read.map */
	pp_dma_sync_for_device(binding, iova, 1500,
			       PP_DMA_TO_DEVICE); /* @sync_for_device_never_read.call */
}

static void sync_pool_never_read(void)
{
	pp_binding_t binding = start();
	struct pp_page *page = page_new(pool_new(binding, "rx", PP_DMA_FROM_DEVICE));

	pp_dma_sync_for_device(binding, pp_page_iova(page), 64,
			       PP_DMA_TO_DEVICE); /* @sync_pool_never_read.call */
}

/* ---- missing ------------------------------------------------------------------------------ */

static void missing_for_device(void)
{
	pp_binding_t binding = start_incoherent();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_TO_DEVICE, &iova));
	memory[200] = 1;
	pp_soft_read(dev.iommu, iova + 128, buf, 1000);
}

/* The device wrote some of it, and reads more: what the CPU changed is stale all the same. */
static void missing_for_device_beside(void)
{
	pp_binding_t binding = start_incoherent();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_BIDIRECTIONAL, &iova));
	need(!pp_soft_write(dev.iommu, iova + 64, buf, 64));
	memory[200] = 1;
	pp_soft_read(dev.iommu, iova, buf, 1500);
}

/* A page was sent that was never synced for the device. */
static void missing_for_device_pool(void)
{
	pp_binding_t binding = start_incoherent();
	struct pp_page *page = page_new(pool_new(binding, "tx", PP_DMA_TO_DEVICE));

	memset(pp_page_addr(page), 1, 100);
	pp_soft_read(dev.iommu, pp_page_iova(page), buf, 100);
}

static void missing_for_cpu_unmapped(void)
{
	pp_binding_t binding = start_incoherent();
	struct pp_pool *pool = pool_new(binding, "rx", PP_DMA_FROM_DEVICE);
	struct pp_page *page = page_new(pool);

	need(!pp_soft_write(dev.iommu, pp_page_iova(page), buf, 200));
	pp_page_put(page);
	pp_pool_trim(pool, 0);
}

static void missing_for_cpu_unbound(void)
{
	pp_binding_t binding = start_incoherent();
	struct pp_page *page = page_new(pool_new(binding, "rx", PP_DMA_FROM_DEVICE));

	need(!pp_soft_write(dev.iommu, pp_page_iova(page), buf, 200));
	pp_device_unbind(dev.dev);
}

static void missing_for_cpu_overwritten(void)
{
	pp_binding_t binding = start_incoherent();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_FROM_DEVICE, &iova));
	need(!pp_soft_write(dev.iommu, iova + 64, buf, 128));
	pp_dma_sync_for_device(binding, iova, 1500, PP_DMA_FROM_DEVICE);
}

static const struct misuse cases[] = {
	MISUSE(right),
	MISUSE(sync_never_mapped),
	MISUSE(sync_failed_map),
	MISUSE(sync_unmapped),
	MISUSE(sync_foreign),
	MISUSE(sync_foreign_pool),
	MISUSE(sync_before),
	MISUSE(sync_behind),
	MISUSE(sync_past_end),
	MISUSE(sync_past_pool),
	MISUSE(sync_wraps),
	MISUSE(sync_wrong_direction),
	MISUSE(sync_for_cpu_never_written),
	MISUSE(sync_for_device_never_read),
	MISUSE(sync_pool_never_read),
	MISUSE(missing_for_device),
	MISUSE(missing_for_device_beside),
	MISUSE(missing_for_device_pool),
	MISUSE(missing_for_cpu_unmapped),
	MISUSE(missing_for_cpu_unbound),
	MISUSE(missing_for_cpu_overwritten),
};

MISUSE_MAIN(cases)
