// dma_sync says whether syncing is needed; the device isn't asked where pages are returned.
// The first look, on the way of each page, is a plain one, which costs no instruction more.
@@
expression pool;
statement S;
@@
-	if (pool->dma_sync && dma_dev_need_sync(pool->p.dev)) {
+	/* a hint: set before we got the page, if that needs syncing */
+	if (data_race(pool->dma_sync)) {
		rcu_read_lock();
-		if (pool->dma_sync)
+		if (READ_ONCE(pool->dma_sync))
			S
		rcu_read_unlock();
	}

@@
identifier pool;
@@
 static void page_pool_scrub(struct page_pool *pool)
 {
 <...
-	pool->dma_sync = false;
+	WRITE_ONCE(pool->dma_sync, false);
 ...>
 }

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
