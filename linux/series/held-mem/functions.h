unsigned int page_pool_chunks_held(const struct page_pool *pool);

