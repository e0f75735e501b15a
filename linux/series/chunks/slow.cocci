// The slow path asks for chunks first.
@@
expression pool, gfp;
symbol netmem, pp_order;
statement S;
@@
	if ((gfp & GFP_ATOMIC) == GFP_ATOMIC)
		S
+
+	if (pool->chunks) {
+		netmem = page_pool_alloc_mapped(pool, gfp);
+		if (netmem)
+			return netmem;
+	}
	if (unlikely(pp_order))
		return page_to_netmem(__page_pool_alloc_page_order(pool, gfp));

@@
identifier pool, new;
@@
 void page_pool_update_nid(struct page_pool *pool, int new)
 {
 <...
-	pool->p.nid = new;
+	WRITE_ONCE(pool->p.nid, new);
 ...>
 }

@@
identifier pool, new;
statement S;
@@
 void page_pool_update_nid(struct page_pool *pool, int new)
 {
 ...
	while (pool->alloc.count) S
+
+	page_pool_chunks_update_nid(pool);
 }
