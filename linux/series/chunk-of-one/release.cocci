// A page that is tracked leaves through its chunk, which may keep it.
@@
@@
-static void __page_pool_unmap_netmem_dma(struct page_pool *pool, netmem_ref netmem)
-{
-...
-}

@@
@@
-__page_pool_release_netmem_dma(struct page_pool *pool, netmem_ref netmem)
-{
-...
-}

@@
expression pool, netmem, has;
identifier put;
@@
	put = true;
	if (has)
		put = pool->mp_ops->release_netmem(pool, netmem);
	else
-		__page_pool_release_netmem_dma(pool, netmem);
+		put = page_pool_release_netmem_dma(pool, netmem);

@@
expression pool, softirq, inflight;
@@
	page_pool_producer_unlock(pool, softirq);
+	page_pool_chunks_quiesce(pool);
	if (!inflight)
		__page_pool_destroy(pool);
