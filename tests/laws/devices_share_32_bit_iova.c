/*
 * devices_share_32_bit_iova.c - What pagepool/iommu.h states of devices that can address 32 bits:
 * they share 4 GiB of DMA addresses, less the first page. When these are in use, by whichever of
 * them, a map and a growth are refused with -ENOSPC, all is as before, and what is given back is
 * there for the others. A device that can address more isn't concerned.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <sys/mman.h>

#define PIECE (64u * MIB)
#define PIECES 64u /* are 4 GiB */

static struct soft_device first, second, wide;
static char *memory;
static pp_iova_t iova[PIECES];
static unsigned n;

static void begin(struct soft_device *d, unsigned bits)
{
	soft_device_init(d, NULL);
	d->mask_bits = bits;
	soft_device_bind(d);
}

/* By the first device. */
static void use_up(void)
{
	pp_binding_t b = pp_device_binding(first.dev);

	while (n < PIECES && !pp_dma_map(b, memory, PIECE, PP_DMA_TO_DEVICE, &iova[n]))
		n++;
}

static bool as_before(const struct pp_domain_stats *before, uint64_t iova_bytes)
{
	struct pp_domain_stats now = soft_device_domain(&second);

	return now.mappings == before->mappings && now.bytes_mapped == before->bytes_mapped &&
	       now.iova_bytes == before->iova_bytes && totals().iova_bytes == iova_bytes;
}

static void the_second_is_refused(void)
{
	struct pp_domain_stats before = soft_device_domain(&second);
	struct pp_pool_params p = small_chunks(2 * MIB);
	pp_binding_t b = pp_device_binding(second.dev);
	uint64_t bytes = totals().iova_bytes;
	pp_iova_t at = 0;
	struct pp_page *page = NULL;
	struct pp_pool *pool;

	check_eq(pp_dma_map(b, memory, PIECE, PP_DMA_TO_DEVICE, &at), -ENOSPC,
		 "a map of the second: -ENOSPC");
	check(at == PP_IOVA_NONE && as_before(&before, bytes), "all is as before");
	p.chunk_size = PIECE;
	pool = new_pool(b, &p);
	check(pp_page_get(&page, pool) == -ENOSPC && !page, "a get that has to grow: -ENOSPC");
	check(as_before(&before, bytes) && !pool_stats(pool).chunks, "all is as before");
	check_eq(pp_dma_map(pp_device_binding(wide.dev), memory, PIECE, PP_DMA_TO_DEVICE, &at), 0,
		 "who can address more can map");
	check(at >> 32, "above 4 GiB");
	pp_dma_unmap(pp_device_binding(wide.dev), at, PIECE, PP_DMA_TO_DEVICE);
	pp_dma_unmap(pp_device_binding(first.dev), iova[--n], PIECE, PP_DMA_TO_DEVICE);
	check_eq(pp_page_get(&page, pool), 0,
		 "what the first gives back the second's pool can have");
	check(page && !(pp_page_iova(page) >> 32), "within its 32 bits");
	pp_page_put(page);
	pp_pool_destroy(pool);
	check_eq(pp_dma_map(b, memory, PIECE, PP_DMA_TO_DEVICE, &at), 0, "or a map of it");
	pp_dma_unmap(b, at, PIECE, PP_DMA_TO_DEVICE);
}

/* A pool of a wide device, to which one that can address 32 bits is attached when it has grown. */
static void one_is_attached_later(unsigned bits, int want)
{
	struct pp_pool_params p = small_chunks(2 * MIB);
	struct pp_page *page[1000];
	struct pp_pool *pool;

	p.address_bits = bits;
	pool = new_pool(pp_device_binding(wide.dev), &p);
	check_eq(pp_page_get_batch(page, 1000, pool), 1000, "pages of a pool of %u bits", bits);
	check(bits ? !(pp_page_iova(page[999]) >> bits) : pp_page_iova(page[999]) >> 32 != 0,
	      "their IOVAs have as many at most");
	check_eq(pp_pool_attach(pool, pp_device_binding(second.dev)), want,
		 "a device of 32 bits is attached");
	check_eq(soft_device_domain(&second).bytes_mapped,
		 want ? 0 : pool_stats(pool).chunks * 2 * MIB,
		 "and all is mapped for it, or nothing");
	pp_page_put_batch(page, 1000);
	pp_pool_destroy(pool);
}

int main(void)
{
	pp_iova_t at;

	memory = mmap(NULL, PIECE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	require(memory != MAP_FAILED, "memory to be mapped");
	begin(&first, 32);
	begin(&second, 32);
	begin(&wide, 64);
	use_up();
	check(n >= PIECES / 2 && n < PIECES, "one device has %u of %u pieces, and there is no more",
	      n, PIECES);
	run(the_second_is_refused);
	use_up();
	pp_device_unbind(first.dev);
	check_eq(pp_dma_map(pp_device_binding(second.dev), memory, PIECE, PP_DMA_TO_DEVICE, &at), 0,
		 "all of an ended binding is there for the second");
	pp_dma_unmap(pp_device_binding(second.dev), at, PIECE, PP_DMA_TO_DEVICE);
	one_is_attached_later(0, -ERANGE);
	one_is_attached_later(33, -ERANGE);
	one_is_attached_later(32, 0);
	soft_device_exit(&first);
	soft_device_exit(&second);
	soft_device_exit(&wide);
	check_nothing_left("at the end");
	munmap(memory, PIECE);
	return tap_end();
}
