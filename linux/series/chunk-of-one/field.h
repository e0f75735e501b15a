	struct page_pool_chunks *chunks; /* what is mapped and tracked */
