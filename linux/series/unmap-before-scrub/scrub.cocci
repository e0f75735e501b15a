// The scrub waits for whom its walk did not see.
@@
identifier pool, id, ptr;
iterator name xa_for_each;
statement S;
@@
 static void page_pool_scrub(struct page_pool *pool)
 {
 <+...
	xa_for_each(&pool->dma_mapped, id, ptr)
		S
+	page_pool_mapped_wait(pool);
 ...+>
 }
