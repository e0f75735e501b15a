/* Does a mapping of the pool need syncing? Asked by who has the device for
 * certain: a thread that returns a page may not have it any more. A bounce
 * buffer changes the answer, so this is asked after each mapping.
 */
static inline void page_pool_update_dma_sync(struct page_pool *pool)
{
	if (pool->slow.flags & PP_FLAG_DMA_SYNC_DEV && !pool->dma_sync &&
	    dma_dev_need_sync(pool->p.dev))
		WRITE_ONCE(pool->dma_sync, true);
}

