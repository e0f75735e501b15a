/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * rename.h - a page_pool as a module, beside the kernel's own: its symbols get other names.
 * Included in front of everything, by the module and by the drivers that are to use it.
 */
#define page_pool_alloc_frag		tested_pool_alloc_frag
#define page_pool_alloc_frag_netmem	tested_pool_alloc_frag_netmem
#define page_pool_alloc_netmems		tested_pool_alloc_netmems
#define page_pool_alloc_pages		tested_pool_alloc_pages
#define page_pool_clear_pp_info		tested_pool_clear_pp_info
#define page_pool_create		tested_pool_create
#define page_pool_create_percpu		tested_pool_create_percpu
#define page_pool_destroy		tested_pool_destroy
#define page_pool_disable_direct_recycling tested_pool_disable_direct_recycling
#define page_pool_enable_direct_recycling tested_pool_enable_direct_recycling
#define page_pool_ethtool_stats_get	tested_pool_ethtool_stats_get
#define page_pool_ethtool_stats_get_count tested_pool_ethtool_stats_get_count
#define page_pool_ethtool_stats_get_strings tested_pool_ethtool_stats_get_strings
#define page_pool_get_stats		tested_pool_get_stats
#define page_pool_inflight		tested_pool_inflight
#define page_pool_mem_providers		tested_pool_mem_providers
#define page_pool_put_netmem_bulk	tested_pool_put_netmem_bulk
#define page_pool_put_page_bulk		tested_pool_put_page_bulk
#define page_pool_put_unrefed_netmem	tested_pool_put_unrefed_netmem
#define page_pool_put_unrefed_page	tested_pool_put_unrefed_page
#define page_pool_set_pp_info		tested_pool_set_pp_info
#define page_pool_unlist		tested_pool_unlist
#define page_pool_update_nid		tested_pool_update_nid
#define page_pool_use_xdp_mem		tested_pool_use_xdp_mem
#define net_mp_niov_clear_page_pool	tested_niov_clear_page_pool
#define net_mp_niov_set_page_pool	tested_niov_set_page_pool
#define net_mp_niov_set_dma_addr	tested_niov_set_dma_addr
#define page_pool_detached		tested_pool_detached
#define page_pool_list			tested_pool_list
#define page_pools_lock			tested_pools_lock
#define POOL_IS_MODULE
