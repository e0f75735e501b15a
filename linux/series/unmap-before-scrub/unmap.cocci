// The page is unmapped while the lock of its entry is held.
@@
identifier pool, netmem, old, page, id, dma;
@@
 static void __page_pool_unmap_netmem_dma(struct page_pool *pool, netmem_ref netmem)
 {
 ...
	dma_addr_t dma;
+	bool in_softirq;
 ...
	if (likely(PP_DMA_INDEX_BITS)) {
 ...
-		if (in_softirq())
-			old = xa_cmpxchg(&pool->dma_mapped, id, page, NULL, 0);
-		else
-			old = xa_cmpxchg_bh(&pool->dma_mapped, id, page, NULL, 0);
-		if (old != page)
-			return;
+		in_softirq = page_pool_mapped_lock(pool);
+		old = __xa_cmpxchg(&pool->dma_mapped, id, page, NULL, 0);
+		if (old == page)
+			page_pool_dma_unmap(pool, dma);
+		page_pool_mapped_unlock(pool, in_softirq);
+		return;
	}
-	dma_unmap_page_attrs(...);
+	page_pool_dma_unmap(pool, dma);
 }
