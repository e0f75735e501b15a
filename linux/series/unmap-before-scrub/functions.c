static void page_pool_dma_unmap(struct page_pool *pool, dma_addr_t dma)
{
	dma_unmap_page_attrs(pool->p.dev, dma, PAGE_SIZE << pool->p.order,
			     pool->p.dma_dir,
			     DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WEAK_ORDERING);
}

/* Who takes a page's entry out of dma_mapped unmaps the page before the lock
 * is dropped: a page that is not in there is not mapped any more, or is being
 * unmapped by the one who holds the lock.
 */
static bool page_pool_mapped_lock(struct page_pool *pool)
	__acquires(&pool->dma_mapped.xa_lock)
{
	bool in_softirq = in_softirq();

	if (in_softirq)
		xa_lock(&pool->dma_mapped);
	else
		xa_lock_bh(&pool->dma_mapped);

	return in_softirq;
}

static void page_pool_mapped_unlock(struct page_pool *pool, bool in_softirq)
	__releases(&pool->dma_mapped.xa_lock)
{
	if (in_softirq)
		xa_unlock(&pool->dma_mapped);
	else
		xa_unlock_bh(&pool->dma_mapped);
}

/* A release may have taken its page's entry before the scrub's walk came by,
 * and be unmapping still. The driver may leave the device when we return.
 */
static void page_pool_mapped_wait(struct page_pool *pool)
{
	bool in_softirq = page_pool_mapped_lock(pool);

	page_pool_mapped_unlock(pool, in_softirq);
}

