// The array's flags say how its lock is taken.
@@
expression pool;
@@
-	xa_init_flags(&pool->dma_mapped, XA_FLAGS_ALLOC1);
+	xa_init_flags(&pool->dma_mapped, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH);
