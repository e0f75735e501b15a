// The scrub unmaps chunks.
@@
identifier pool, id, ptr;
iterator name xa_for_each;
statement S;
@@
 static void page_pool_scrub(struct page_pool *pool)
 {
-	unsigned long id;
-	void *ptr;
-
 <+...
-	xa_for_each(&pool->dma_mapped, id, ptr)
-		S
-	page_pool_mapped_wait(pool);
+	page_pool_chunks_revoke(pool);
 ...+>
 }
