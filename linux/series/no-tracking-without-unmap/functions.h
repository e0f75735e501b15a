/* Does a mapping made so far need an unmap? Without CONFIG_DMA_NEED_SYNC
 * dma_need_unmap() is a stub that says no, even if there is an IOMMU.
 */
static inline bool page_pool_need_unmap(const struct page_pool *pool)
{
	return !IS_ENABLED(CONFIG_DMA_NEED_SYNC) ||
	       dma_need_unmap(pool->p.dev);
}

