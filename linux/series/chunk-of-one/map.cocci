// Each mapping that needs an unmap is a chunk.
@@
@@
-static int page_pool_register_dma_index(...)
-{
-...
-}

@@
identifier f;
expression pool, netmem, gfp, err;
@@
 f(...)
 {
 <...
-	err = page_pool_register_dma_index(pool, netmem, gfp);
+	err = page_pool_chunks_track(pool, netmem, dma, gfp);
 ...>
 }

@@
identifier pool, params, cpuid;
@@
 static int page_pool_init(struct page_pool *pool, const struct page_pool_params *params, int cpuid)
 {
 <...
+	err = page_pool_chunks_init(pool);
+	if (err)
+		goto free_ptr_ring;
+
	return 0;
 ...>
 }

@@
identifier pool;
@@
 static void page_pool_uninit(struct page_pool *pool)
 {
 <...
+	page_pool_chunks_free(pool);
	xa_destroy(&pool->dma_mapped);
 ...>
 }
