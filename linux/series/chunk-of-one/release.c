/* Return: false if the page stays. It is mapped, or somebody is unmapping it;
 * its chunk has the reference.
 */
static bool page_pool_release_netmem_dma(struct page_pool *pool,
					 netmem_ref netmem)
{
	if (!pool->dma_map)
		return true;

	if (!PP_DMA_INDEX_BITS)
		dma_unmap_page_attrs(pool->p.dev,
				     page_pool_get_dma_addr_netmem(netmem),
				     PAGE_SIZE << pool->p.order,
				     pool->p.dma_dir,
				     DMA_ATTR_SKIP_CPU_SYNC |
				     DMA_ATTR_WEAK_ORDERING);
	else if (netmem_get_dma_index(netmem))
		return page_pool_chunks_release(pool, netmem);

	page_pool_set_dma_addr_netmem(netmem, 0);
	return true;
}

