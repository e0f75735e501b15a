// dma_sync says whether syncing is needed; the device isn't asked where pages are returned.
@@
expression pool;
statement S;
@@
-	if (pool->dma_sync && dma_dev_need_sync(pool->p.dev))
+	if (pool->dma_sync)
		S

@@
expression pool;
@@
-	if (dma_dev_need_sync(pool->p.dev) && !xa_empty(&pool->dma_mapped))
+	if (!xa_empty(&pool->dma_mapped))
		synchronize_net();

@@
typedef bool, netmem_ref, gfp_t;
identifier pool, netmem, gfp;
@@
 static bool page_pool_dma_map(struct page_pool *pool, netmem_ref netmem, gfp_t gfp)
 {
 <...
+	page_pool_update_dma_sync(pool);
	page_pool_dma_sync_for_device(pool, netmem, pool->p.max_len);
 ...>
 }

@@
identifier pool, params, cpuid;
@@
 static int page_pool_init(struct page_pool *pool, const struct page_pool_params *params, int cpuid)
 {
 <...
+	if (pool->dma_sync && !dma_dev_need_sync(pool->p.dev))
+		pool->dma_sync = false;
+
	return 0;
 ...>
 }
