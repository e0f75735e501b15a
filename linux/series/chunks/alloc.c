/* Pages that are mapped already, or a new chunk's. The cache is empty. */
static noinline netmem_ref page_pool_alloc_mapped(struct page_pool *pool,
						  gfp_t gfp)
{
	unsigned int i, n, max = pool->p.order ? 1 : PP_ALLOC_CACHE_REFILL;
	netmem_ref *cache = pool->alloc.cache;

	n = page_pool_chunks_alloc(pool, cache, max, gfp);
	if (!n)
		return 0;

	for (i = 0; i < n; i++) {
		page_pool_dma_sync_for_device(pool, cache[i], pool->p.max_len);
		page_pool_set_pp_info(pool, cache[i]);
		pool->pages_state_hold_cnt++;
		trace_page_pool_state_hold(pool, cache[i],
					   pool->pages_state_hold_cnt);
	}
	if (pool->p.order)
		alloc_stat_inc(pool, slow_high_order);
	else
		alloc_stat_inc(pool, slow);
	pool->alloc.count = n - 1;
	return cache[n - 1];
}

