/*
 * refs.c - references to a page, its accessors, and syncing it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/refs.h"

#include <pagepool/dma.h>

#include "env/debug.h"
#include "pool/holders.h"

void pp_page_ref(struct pp_page *page, unsigned n)
{
	/* relaxed: the caller holds one, there is nothing to order */
	uint64_t state = env_add_relaxed(&page->state, PAGE_REFS(n));

	if (env_unlikely((state >> 32) + n > UINT32_MAX))
		page_bad_refs(page, 0, n, __builtin_return_address(0));
}

void page_bad_refs(struct pp_page *page, uint32_t dropped, uint32_t taken, const void *caller)
{
	env_add_relaxed(&page->state, PAGE_REFS(dropped) - PAGE_REFS(taken));
	misuse_refs(page,
		    dropped ? "was put more often than it had references" :
			      "was to have more references than can be counted",
		    caller);
}

uint32_t pp_page_refs(const struct pp_page *page)
{
	return (uint32_t)(env_load_relaxed(&page->state) >> 32);
}

/* For whoever does not inline them. */
void *pp_page_addr(const struct pp_page *page)
{
	return (void *)(pp_block_of(page)->addr + (uintptr_t)pp_memory_offset(page));
}

pp_iova_t pp_page_iova(const struct pp_page *page)
{
	return pp_block_of(page)->iova + pp_memory_offset(page);
}

uint32_t pp_page_size(const struct pp_page *page)
{
	return (uint32_t)sizeof *page << pp_block_of(page)->page_shift;
}

void *pp_page_user(const struct pp_page *page)
{
	const struct pp_block *block = pp_block_of(page);

	return (void *)(block->user + pp_block_offset(page) * block->user_words);
}

uint64_t pp_page_index(const struct pp_page *page)
{
	return pp_block_of(page)->index + pp_block_offset(page) / sizeof *page;
}

uint32_t pp_page_headroom(const struct pp_page *page)
{
	return pp_block_of(page)->headroom;
}

void *pp_page_data(const struct pp_page *page)
{
	return (char *)pp_page_addr(page) + pp_block_of(page)->headroom;
}

pp_iova_t pp_page_data_iova(const struct pp_page *page)
{
	return pp_page_iova(page) + pp_block_of(page)->headroom;
}

/* The device and its binding are there or not: that is the dma floor's to find out. */
int pp_page_sync_at(pp_binding_t binding, const struct pp_page *page, uint32_t offset, uint32_t len,
		    bool for_cpu, const char *caller)
{
	const struct pp_pool *pool = page ? page_pool(page) : NULL;

	if (!page)
		return debug_invalid("pp_page_sync_for_%s: there is no page",
				     for_cpu ? "cpu" : "device");
	if (offset > pool->page_size || len > pool->page_size - offset)
		return debug_invalid("pp_page_sync_for_%s: %u bytes at %u: the page has %u",
				     for_cpu ? "cpu" : "device", len, offset, pool->page_size);
	return pp_dma_sync_at(binding, pp_page_iova(page) + offset, len, pool->params.dir, for_cpu,
			      caller);
}
