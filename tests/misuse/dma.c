/*
 * dma.c - map and unmap, each misused in one way.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "misuse.h"

#include <sys/mman.h>

static struct device dev, other;
static char memory[16 * PP_BASE_PAGE] __attribute__((aligned(PP_BASE_PAGE)));

static pp_binding_t start(void)
{
	return device_start(&dev, "soft0", false);
}

/* What only a wrong call needs: room for what comes out of it. */
static pp_iova_t iova;
static void *cpu;

static void *some_pages(size_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(p != MAP_FAILED);
	return p;
}

/* ---- right -------------------------------------------------------------------------------- */

static void right(void)
{
	pp_binding_t binding = start();
	char *page = some_pages(PP_BASE_PAGE, PROT_READ),
	     *gone = some_pages(PP_BASE_PAGE, PROT_READ);
	struct pp_pool *pool = pool_new(binding, "rx", PP_DMA_FROM_DEVICE);
	struct pp_page *of_pool = page_new(pool);
	pp_iova_t again;

	need(!pp_dma_map(binding, memory + 64, 1500, PP_DMA_FROM_DEVICE, &iova));
	/* a neighbour in the same base page is no overlap, and reading twice no conflict */
	need(!pp_dma_map(binding, memory + 1600, 1500, PP_DMA_TO_DEVICE, &again));
	need(!pp_dma_unmap(binding, again, 1500, PP_DMA_TO_DEVICE));
	need(!pp_dma_unmap(binding, iova, 1500, PP_DMA_FROM_DEVICE));
	need(!pp_dma_map(binding, memory, sizeof memory, PP_DMA_TO_DEVICE, &iova));
	need(!pp_dma_map(binding, memory + 64, 64, PP_DMA_TO_DEVICE, &again));
	need(!pp_dma_unmap(binding, iova, sizeof memory, PP_DMA_TO_DEVICE));
	need(!pp_dma_unmap(binding, again, 64, PP_DMA_TO_DEVICE));
	/* read-only memory, for a device that reads */
	need(!pp_dma_map(binding, page, PP_BASE_PAGE, PP_DMA_TO_DEVICE, &iova));
	need(!pp_dma_unmap(binding, iova, PP_BASE_PAGE, PP_DMA_TO_DEVICE));
	need(!pp_dma_alloc_coherent(binding, 100, &cpu, &iova));
	need(!pp_dma_free_coherent(binding, 100, cpu, iova));
	need(!pp_dma_alloc_coherent(binding, 3 * PP_BASE_PAGE, &cpu, &iova));
	need(!pp_dma_free_coherent(binding, 3 * PP_BASE_PAGE, cpu, iova));
	munmap(page, PP_BASE_PAGE);
	munmap(gone, PP_BASE_PAGE);
	pp_page_put(of_pool);
	pp_pool_destroy(pool);
	device_end(&dev);
}

/* ---- unmap -------------------------------------------------------------------------------- */

static void unmap_never(void)
{
	pp_binding_t binding = start();

	pp_dma_unmap(binding, 0x123000, 1500, PP_DMA_TO_DEVICE); /* @unmap_never.call */
}

static void unmap_double(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_TO_DEVICE, &iova)); /* @unmap_double.map */
	need(!pp_dma_unmap(binding, iova, 1500, PP_DMA_TO_DEVICE));        /* @unmap_double.first */
	pp_dma_unmap(binding, iova, 1500, PP_DMA_TO_DEVICE);               /* @unmap_double.call */
}

static void unmap_foreign(void)
{
	pp_binding_t binding = start(), others = device_start(&other, "soft1", false);

	need(!pp_dma_map(others, memory, 1500, PP_DMA_TO_DEVICE, &iova));
	pp_dma_unmap(binding, iova, 1500, PP_DMA_TO_DEVICE); /* @unmap_foreign.call */
}

/* The map fails without a word, as it does without the checker. */
static void unmap_failed_map(void)
{
	pp_binding_t binding = start();
	unsigned debug = pp_debug_get();

	pp_debug_set(0);
	pp_dma_map(binding, memory, 0, PP_DMA_TO_DEVICE, &iova);
	pp_debug_set(debug);
	pp_dma_unmap(binding, iova, 1500, PP_DMA_TO_DEVICE); /* @unmap_failed_map.call */
}

static void unmap_wrong_size(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_TO_DEVICE,
			 &iova));                            /* @unmap_wrong_size.map */
	pp_dma_unmap(binding, iova, 1400, PP_DMA_TO_DEVICE); /* @unmap_wrong_size.call */
}

static void unmap_wrong_direction(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_TO_DEVICE,
			 &iova));                              /* @unmap_wrong_direction.map */
	pp_dma_unmap(binding, iova, 1500, PP_DMA_FROM_DEVICE); /* @unmap_wrong_direction.call */
}

static void unmap_inside(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_TO_DEVICE, &iova)); /* @unmap_inside.map */
	pp_dma_unmap(binding, iova + 64, 1436, PP_DMA_TO_DEVICE);          /* @unmap_inside.call */
}

static void unmap_coherent(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_alloc_coherent(binding, 4096, &cpu, &iova)); /* @unmap_coherent.map */
	pp_dma_unmap(binding, iova, 4096, PP_DMA_BIDIRECTIONAL);  /* @unmap_coherent.call */
}

static void unmap_pool(void)
{
	pp_binding_t binding = start();
	struct pp_pool *pool = pool_new(binding, "rx", PP_DMA_FROM_DEVICE);
	struct pp_page *page = page_new(pool);

	pp_dma_unmap(binding, pp_page_iova(page), 4096, PP_DMA_FROM_DEVICE); /* @unmap_pool.call */
}

static void free_streaming(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_map(binding, memory, 4096, PP_DMA_BIDIRECTIONAL,
			 &iova));                          /* @free_streaming.map */
	pp_dma_free_coherent(binding, 4096, memory, iova); /* @free_streaming.call */
}

static void free_wrong_size(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_alloc_coherent(binding, 8192, &cpu, &iova)); /* @free_wrong_size.map */
	pp_dma_free_coherent(binding, 4096, cpu, iova);           /* @free_wrong_size.call */
}

static void free_wrong_cpu_address(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_alloc_coherent(binding, 4096, &cpu, &iova)); /* @free_wrong_cpu_address.map */
	pp_dma_free_coherent(binding, 4096, memory, iova);        /* @free_wrong_cpu_address.call */
}

static void free_double(void)
{
	pp_binding_t binding = start();

	need(!pp_dma_alloc_coherent(binding, 4096, &cpu, &iova)); /* @free_double.map */
	need(!pp_dma_free_coherent(binding, 4096, cpu, iova));    /* @free_double.first */
	pp_dma_free_coherent(binding, 4096, cpu, iova);           /* @free_double.call */
}

/* ---- map ---------------------------------------------------------------------------------- */

static void map_null(void)
{
	pp_binding_t binding = start();

	pp_dma_map(binding, NULL, 1500, PP_DMA_TO_DEVICE, &iova); /* @map_null.call */
}

static void map_zero(void)
{
	pp_binding_t binding = start();

	pp_dma_map(binding, memory, 0, PP_DMA_TO_DEVICE, &iova); /* @map_zero.call */
}

static void map_wraps(void)
{
	pp_binding_t binding = start();

	pp_dma_map(binding, memory, SIZE_MAX - 100, PP_DMA_TO_DEVICE, &iova); /* @map_wraps.call */
}

static void map_no_direction(void)
{
	pp_binding_t binding = start();
	volatile int dir = 3; /* the kernel's DMA_NONE */

	pp_dma_map(binding, memory, 1500, (enum pp_dma_dir)dir, &iova); /* @map_no_direction.call */
}

static void map_gone(void)
{
	pp_binding_t binding = start();
	char *gone = some_pages(2 * PP_BASE_PAGE, PROT_READ | PROT_WRITE);

	need(!munmap(gone + PP_BASE_PAGE, PP_BASE_PAGE));                /* the first one stays */
	pp_dma_map(binding, gone + 4000, 1500, PP_DMA_TO_DEVICE, &iova); /* @map_gone.call */
}

static void map_read_only(void)
{
	pp_binding_t binding = start();
	char *page = some_pages(PP_BASE_PAGE, PROT_READ);

	pp_dma_map(binding, page, 1500, PP_DMA_FROM_DEVICE, &iova); /* @map_read_only.call */
}

/* A page's record in place of the page. */
static void map_page_record(void)
{
	pp_binding_t binding = start();
	struct pp_page *page = page_new(pool_new(binding, "rx", PP_DMA_FROM_DEVICE));

	pp_dma_map(binding, page, 64, PP_DMA_TO_DEVICE, &iova); /* @map_page_record.call */
}

/* What lies before the first page's record: the chunk's. */
static void map_chunk_record(void)
{
	pp_binding_t binding = start();
	struct pp_page *page = page_new(pool_new(binding, "rx", PP_DMA_FROM_DEVICE));

	pp_dma_map(binding, (char *)page - 64, 64, PP_DMA_TO_DEVICE,
		   &iova); /* @map_chunk_record.call */
}

static void map_pool_record(void)
{
	pp_binding_t binding = start();
	struct pp_pool *pool = pool_new(binding, "rx", PP_DMA_FROM_DEVICE);

	pp_dma_map(binding, pool, 64, PP_DMA_BIDIRECTIONAL, &iova); /* @map_pool_record.call */
}

static void map_stack(void)
{
	pp_binding_t binding = start();
	char packet[64] = { 0 };

	pp_dma_map(binding, packet, 64, PP_DMA_TO_DEVICE, &iova); /* @map_stack.call */
	need(!packet[0]);
}

static void map_overlap(void)
{
	pp_binding_t binding = start();
	pp_iova_t second;

	need(!pp_dma_map(binding, memory, 1500, PP_DMA_FROM_DEVICE, &iova)); /* @map_overlap.map */
	pp_dma_map(binding, memory + 1000, 1500, PP_DMA_TO_DEVICE, &second); /* @map_overlap.call */
}

/* A page of a pool is mapped already. */
static void map_overlap_pool(void)
{
	pp_binding_t binding = start();
	struct pp_page *page = page_new(pool_new(binding, "rx", PP_DMA_FROM_DEVICE));

	pp_dma_map(binding, pp_page_addr(page), 1500, PP_DMA_TO_DEVICE,
		   &iova); /* @map_overlap_pool.call */
}

/* Without pp_dma_set_mask it is 32 bits: three times 1 GiB, for page 0 is nobody's. */
static void map_beyond_mask(void)
{
	pp_binding_t binding = start();
	const size_t len = 1u << 30;
	char *much = some_pages(len, PROT_READ);
	pp_iova_t some[3];

	for (unsigned i = 0; i < 3; i++)
		need(!pp_dma_map(binding, much, len, PP_DMA_TO_DEVICE, &some[i]));
	pp_dma_map(binding, much, len, PP_DMA_TO_DEVICE, &iova); /* @map_beyond_mask.call */
	for (unsigned i = 0; i < 3; i++)
		need(!pp_dma_unmap(binding, some[i], len, PP_DMA_TO_DEVICE));
}

static void alloc_zero(void)
{
	pp_binding_t binding = start();

	pp_dma_alloc_coherent(binding, 0, &cpu, &iova); /* @alloc_zero.call */
}

static void alloc_wraps(void)
{
	pp_binding_t binding = start();

	pp_dma_alloc_coherent(binding, SIZE_MAX - 100, &cpu, &iova); /* @alloc_wraps.call */
}

static const struct misuse cases[] = {
	MISUSE(right),
	MISUSE(unmap_never),
	MISUSE(unmap_double),
	MISUSE(unmap_foreign),
	MISUSE(unmap_failed_map),
	MISUSE(unmap_wrong_size),
	MISUSE(unmap_wrong_direction),
	MISUSE(unmap_inside),
	MISUSE(unmap_coherent),
	MISUSE(unmap_pool),
	MISUSE(free_streaming),
	MISUSE(free_wrong_size),
	MISUSE(free_wrong_cpu_address),
	MISUSE(free_double),
	MISUSE(map_null),
	MISUSE(map_zero),
	MISUSE(map_wraps),
	MISUSE(map_no_direction),
	MISUSE(map_gone),
	MISUSE(map_read_only),
	MISUSE(map_page_record),
	MISUSE(map_chunk_record),
	MISUSE(map_pool_record),
	MISUSE(map_stack),
	MISUSE(map_overlap),
	MISUSE(map_overlap_pool),
	MISUSE(map_beyond_mask),
	MISUSE(alloc_zero),
	MISUSE(alloc_wraps),
};

MISUSE_MAIN(cases)
