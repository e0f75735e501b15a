/*
 * lifecycle.c - what a driver must have undone when its binding ends, and what it must not do
 * afterwards.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "misuse.h"

static struct device dev;
static char memory[4 * PP_BASE_PAGE] __attribute__((aligned(PP_BASE_PAGE)));
static pp_iova_t iova, ring;
static void *cpu;

static void start(void)
{
	device_start(&dev, "soft0", false);
}

/* ---- right -------------------------------------------------------------------------------- */

static int take_all(struct device *self)
{
	need(!pp_dma_map(self->binding, memory, 1500, PP_DMA_TO_DEVICE, &iova));
	need(!pp_dma_alloc_coherent(self->binding, 4096, &cpu, &ring));
	return 0;
}

static void give_all(struct device *self, enum pp_remove_why why)
{
	if (why == PP_REMOVE_GONE)
		return; /* all has been taken back, and that is no mistake */
	need(!pp_dma_unmap(self->binding, iova, 1500, PP_DMA_TO_DEVICE));
	need(!pp_dma_free_coherent(self->binding, 4096, cpu, ring));
}

static int take_and_fail(struct device *self)
{
	take_all(self);
	give_all(self, PP_REMOVE_UNBIND);
	return -EIO;
}

static void right(void)
{
	struct pp_pool *pool;
	struct pp_page *page;

	device_new(&dev, "soft0", false);
	dev.probe = take_and_fail;
	dev.remove = give_all;
	need(pp_device_bind(dev.dev, &dev.drv) == -EIO);
	dev.probe = take_all;
	device_bind(&dev);
	need(!pp_device_unbind(dev.dev));
	device_bind(&dev);
	/* a page in flight when its device goes is what the library is for */
	pool = pool_new(dev.binding, "rx", PP_DMA_FROM_DEVICE);
	page = page_new(pool);
	need(!pp_device_remove(dev.dev, PP_REMOVAL_SURPRISE));
	memset(pp_page_addr(page), 1, pp_page_size(page));
	need(pp_page_get(&page, pool) == -ENODEV);
	pp_pool_destroy(pool);
	device_end(&dev);
}

/* ---- forgotten ---------------------------------------------------------------------------- */

static void forgot_streaming(void)
{
	start();
	need(!pp_dma_map(dev.binding, memory, 1500, PP_DMA_TO_DEVICE,
			 &iova)); /* @forgot_streaming.map */
	pp_device_unbind(dev.dev);
}

static void forgot_coherent(void)
{
	start();
	need(!pp_dma_alloc_coherent(dev.binding, 100, &cpu, &ring)); /* @forgot_coherent.map */
	pp_device_unbind(dev.dev);
}

static void forgot_three(void)
{
	start();
	for (unsigned i = 0; i < 3; i++) {
		need(!pp_dma_map(dev.binding, memory + i * PP_BASE_PAGE, 1500, PP_DMA_FROM_DEVICE,
				 &iova)); /* @forgot_three.map */
	}
	pp_device_remove(dev.dev, PP_REMOVAL_ORDERLY);
}

static int fail_with_streaming(struct device *self)
{
	need(!pp_dma_map(self->binding, memory, 1500, PP_DMA_TO_DEVICE,
			 &iova)); /* @failed_probe_streaming.map */
	return -EIO;
}

static void failed_probe_streaming(void)
{
	device_new(&dev, "soft0", false);
	dev.probe = fail_with_streaming;
	pp_device_bind(dev.dev, &dev.drv);
}

static int fail_with_coherent(struct device *self)
{
	need(!pp_dma_alloc_coherent(self->binding, 4096, &cpu,
				    &ring)); /* @failed_probe_coherent.map */
	return -EIO;
}

static void failed_probe_coherent(void)
{
	device_new(&dev, "soft0", false);
	dev.probe = fail_with_coherent;
	pp_device_bind(dev.dev, &dev.drv);
}

/* ---- late --------------------------------------------------------------------------------- */

/* The binding has ended, and nothing was forgotten; what was mapped is left in `iova`. */
static pp_binding_t ended(void)
{
	pp_binding_t binding;

	device_new(&dev, "soft0", false);
	dev.probe = take_all;
	dev.remove = give_all;
	binding = device_bind(&dev);
	need(!pp_device_unbind(dev.dev));
	return binding;
}

static void late_map(void)
{
	pp_binding_t binding = ended();

	pp_dma_map(binding, memory, 1500, PP_DMA_TO_DEVICE, &iova); /* @late_map.call */
}

static void late_unmap(void)
{
	pp_binding_t binding = ended();

	pp_dma_unmap(binding, iova, 1500, PP_DMA_TO_DEVICE); /* @late_unmap.call */
}

static void late_sync_for_cpu(void)
{
	pp_binding_t binding = ended();

	pp_dma_sync_for_cpu(binding, iova, 1500, PP_DMA_TO_DEVICE); /* @late_sync_for_cpu.call */
}

static void late_sync_for_device(void)
{
	pp_binding_t binding = ended();

	pp_dma_sync_for_device(binding, iova, 1500,
			       PP_DMA_TO_DEVICE); /* @late_sync_for_device.call */
}

static void late_alloc(void)
{
	pp_binding_t binding = ended();

	pp_dma_alloc_coherent(binding, 4096, &cpu, &ring); /* @late_alloc.call */
}

static void late_free(void)
{
	pp_binding_t binding = ended();

	pp_dma_free_coherent(binding, 4096, cpu, ring); /* @late_free.call */
}

/* The device has the next binding, and something is mapped in that one. */
static void late_unmap_rebound(void)
{
	pp_binding_t binding = ended();

	device_bind(&dev);
	pp_dma_unmap(binding, iova, 1500, PP_DMA_TO_DEVICE); /* @late_unmap_rebound.call */
}

static void late_sync_rebound(void)
{
	pp_binding_t binding = ended();

	device_bind(&dev);
	pp_dma_sync_for_cpu(binding, iova, 1500, PP_DMA_TO_DEVICE); /* @late_sync_rebound.call */
}

static void late_unmap_unregistered(void)
{
	pp_binding_t binding = ended();

	device_end(&dev);
	pp_dma_unmap(binding, iova, 1500, PP_DMA_TO_DEVICE); /* @late_unmap_unregistered.call */
}

static void no_binding(void)
{
	pp_dma_map(pp_binding_none(), memory, 1500, PP_DMA_TO_DEVICE, &iova); /* @no_binding.call */
}

static void map_again(struct device *self, enum pp_remove_why why)
{
	(void)why;
	pp_dma_map(self->binding, memory, 1500, PP_DMA_TO_DEVICE, &iova); /* @map_in_remove.call */
}

static void map_in_remove(void)
{
	start();
	dev.remove = map_again;
	pp_device_unbind(dev.dev);
}

static const struct misuse cases[] = {
	MISUSE(right),
	MISUSE(forgot_streaming),
	MISUSE(forgot_coherent),
	MISUSE(forgot_three),
	MISUSE(failed_probe_streaming),
	MISUSE(failed_probe_coherent),
	MISUSE(late_map),
	MISUSE(late_unmap),
	MISUSE(late_sync_for_cpu),
	MISUSE(late_sync_for_device),
	MISUSE(late_alloc),
	MISUSE(late_free),
	MISUSE(late_unmap_rebound),
	MISUSE(late_sync_rebound),
	MISUSE(late_unmap_unregistered),
	MISUSE(no_binding),
	MISUSE(map_in_remove),
};

MISUSE_MAIN(cases)
