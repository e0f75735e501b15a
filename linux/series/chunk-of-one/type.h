struct page_pool_chunks;

