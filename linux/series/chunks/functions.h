unsigned int page_pool_chunks_alloc(struct page_pool *pool, netmem_ref *to,
				    unsigned int max, gfp_t gfp);
void page_pool_chunks_update_nid(struct page_pool *pool);

