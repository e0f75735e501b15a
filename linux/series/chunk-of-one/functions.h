int page_pool_chunks_init(struct page_pool *pool);
void page_pool_chunks_free(struct page_pool *pool);
int page_pool_chunks_track(struct page_pool *pool, netmem_ref netmem,
			   dma_addr_t dma, gfp_t gfp);
bool page_pool_chunks_release(struct page_pool *pool, netmem_ref netmem);
void page_pool_chunks_revoke(struct page_pool *pool);
void page_pool_chunks_quiesce(struct page_pool *pool);

