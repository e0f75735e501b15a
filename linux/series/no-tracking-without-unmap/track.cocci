// A mapping that needs no unmap gets no index; the scrub asks for pages, not for entries.
@@
typedef bool, netmem_ref, gfp_t;
identifier pool, netmem, gfp, err, unset_failed;
@@
 static bool page_pool_dma_map(struct page_pool *pool, netmem_ref netmem, gfp_t gfp)
 {
 <...
-	err = page_pool_register_dma_index(pool, netmem, gfp);
-	if (err)
-		goto unset_failed;
+	/* what needs no unmap has no index: there is nothing to track */
+	if (page_pool_need_unmap(pool)) {
+		err = page_pool_register_dma_index(pool, netmem, gfp);
+		if (err)
+			goto unset_failed;
+	}
 ...>
 }

@@
expression pool;
@@
-	if (!xa_empty(&pool->dma_mapped))
+	if (page_pool_inflight(pool, false))
		synchronize_net();
