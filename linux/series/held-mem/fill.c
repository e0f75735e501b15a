	if (nla_put_uint(rsp, NETDEV_A_PAGE_POOL_HELD_MEM,
			 page_pool_chunks_held(pool) * refsz))
		goto err_cancel;
