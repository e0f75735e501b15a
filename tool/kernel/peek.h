/*
 * peek.h - reading the running kernel's memory: bytes at an address, and members of its
 * structures by name. One thread.
 *
 * Everything read is a snapshot without a lock: it may be stale, or change between two reads.
 * Whoever follows pointers bounds the walk, and checks what it came to.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_PEEK_H
#define KERNEL_PEEK_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peek_abi.h"

typedef uint64_t kaddr_t; /* an address in the kernel; 0: none */

struct peek;

#define PEEK_ERROR 400

/*
 * Load the BPF programs and the kernel's BTF. 0; -EPERM: no rights; -ENOENT: no BTF; or another
 * negative errno. `error` then has one sentence: what is missing and what to do about it.
 */
int peek_open(struct peek **out, char error[PEEK_ERROR]);
void peek_close(struct peek *p);

struct peek_part {
	kaddr_t address;
	void *to;
	uint32_t len; /* PEEK_BYTES at most */
	bool ok;      /* set by peek_parts */
};
/* Copy some pieces, in calls of PEEK_BATCH. Those that can't be read are zeroed. */
void peek_parts(struct peek *p, struct peek_part *parts, size_t n);
/* Copy any number of bytes; false: part of it can't be read, and all is zero. */
bool peek_read(struct peek *p, kaddr_t address, void *to, size_t len);
/* A string, always terminated; "" if it can't be read. */
void peek_string(struct peek *p, kaddr_t address, char *to, size_t size);
/*
 * The address of one of the kernel's symbols that peek.c lists; 0: the kernel doesn't show it, or
 * not to us.
 */
kaddr_t peek_symbol(struct peek *p, const char *name);
/* This thread's struct task_struct. */
kaddr_t peek_current(struct peek *p);
/* The kernel's jiffies, as 64 bits, and how many there are a second. */
uint64_t peek_jiffies(struct peek *p);
unsigned peek_hz(struct peek *p);
/*
 * Call fn for each open socket, pipe and tun device of the tasks that this process can see
 * (PEEK_TCP: for each TCP socket of this network namespace). 0 or a negative errno.
 */
enum peek_list { PEEK_FILES, PEEK_TCP };
int peek_list(struct peek *p, enum peek_list what,
	      void (*fn)(const struct peek_file *file, void *ctx), void *ctx);

/* ---- layout.c: where the members of this kernel's structures are -------------------------- */

/*
 * The members that are used: what they are called here; structure and member. A path with dots goes
 * into structures; what is in structures and unions without a name is found as it is in C.
 * Any may be missing, as kernels differ: see has().
 */
/* clang-format off */
#define MEMBERS(X)                                                                                 \
	X(task_nsproxy, "task_struct", "nsproxy")                                                  \
	X(task_files, "task_struct", "files")                                                      \
	X(task_pid, "task_struct", "thread_pid")                                                   \
	X(pid_level, "pid", "level")                                                               \
	X(nsproxy_net, "nsproxy", "net_ns")                                                        \
	X(files_fdt, "files_struct", "fdt")                                                        \
	X(fdt_fd, "fdtable", "fd")                                                                 \
	X(file_private, "file", "private_data")                                                    \
	X(net_list, "net", "list.next")                                                            \
	X(net_inum, "net", "ns.inum")                                                              \
	X(net_devices, "net", "dev_base_head")                                                     \
	X(net_ipv4_fqdir, "net", "ipv4.fqdir")                                                     \
	X(net_ipv6_fqdir, "net", "ipv6.fqdir")                                                     \
	X(dev_list, "net_device", "dev_list")                                                      \
	X(dev_name, "net_device", "name")                                                          \
	X(dev_ifindex, "net_device", "ifindex")                                                    \
	X(dev_pools, "net_device", "page_pools.first")                                             \
	X(dev_parent, "net_device", "dev.parent")                                                  \
	X(dev_net, "net_device", "nd_net.net")                                                     \
	X(dev_link_ops, "net_device", "rtnl_link_ops")                                             \
	X(dev_rx_queues, "net_device", "num_rx_queues")                                            \
	X(dev_device, "net_device", "dev")                                                         \
	X(link_ops_kind, "rtnl_link_ops", "kind")                                                  \
	X(device_driver, "device", "driver")                                                       \
	X(device_parent, "device", "parent")                                                       \
	X(device_bus, "device", "bus")                                                             \
	X(device_kobj_name, "device", "kobj.name")                                                 \
	X(driver_name, "device_driver", "name")                                                    \
	X(veth_rq, "veth_priv", "rq")                                                              \
	X(veth_rq_pool, "veth_rq", "page_pool")                                                    \
	X(veth_rq_dev, "veth_rq", "dev")                                                           \
	X(pool_order, "page_pool", "p.order")                                                      \
	X(pool_dev, "page_pool", "p.dev")                                                          \
	X(pool_dma_dir, "page_pool", "p.dma_dir")                                                  \
	X(pool_flags_old, "page_pool", "p.flags")                                                  \
	X(pool_flags, "page_pool", "slow.flags")                                                   \
	X(pool_dma_map, "page_pool", "dma_map")                                                    \
	X(pool_dma_mapped, "page_pool", "dma_mapped")                                              \
	X(pool_netdev, "page_pool", "slow.netdev")                                                 \
	X(pool_hold, "page_pool", "pages_state_hold_cnt")                                          \
	X(pool_release, "page_pool", "pages_state_release_cnt.counter")                            \
	X(pool_cache_count, "page_pool", "alloc.count")                                            \
	X(pool_cache, "page_pool", "alloc.cache")                                                  \
	X(pool_ring_size, "page_pool", "ring.size")                                                \
	X(pool_ring_queue, "page_pool", "ring.queue")                                              \
	X(pool_ring_head, "page_pool", "ring.consumer_head")                                       \
	X(pool_ring_tail, "page_pool", "ring.consumer_tail")                                       \
	X(pool_frag_page, "page_pool", "frag_page")                                                \
	X(pool_user_cnt, "page_pool", "user_cnt.refs.counter")                                     \
	X(pool_destroy_cnt, "page_pool", "destroy_cnt")                                            \
	X(pool_defer_start, "page_pool", "defer_start")                                            \
	X(pool_xdp_mem_id, "page_pool", "xdp_mem_id")                                              \
	X(pool_user_list, "page_pool", "user.list")                                                \
	X(pool_detach_time, "page_pool", "user.detach_time")                                       \
	X(pool_napi_id, "page_pool", "user.napi_id")                                               \
	X(pool_napi, "page_pool", "p.napi")                                                        \
	X(pool_id, "page_pool", "user.id")                                                         \
	X(pool_stats, "page_pool", "alloc_stats.fast")                                             \
	X(napi_id, "napi_struct", "napi_id")                                                       \
	X(xa_head, "xarray", "xa_head")                                                            \
	X(xa_node_shift, "xa_node", "shift")                                                       \
	X(xa_node_slots, "xa_node", "slots")                                                       \
	X(mem_pool, "xdp_mem_allocator", "page_pool")                                              \
	X(mem_type, "xdp_mem_allocator", "mem.type")                                               \
	X(mem_node, "xdp_mem_allocator", "node")                                                   \
	X(page_pp_magic, "page", "pp_magic")                                                       \
	X(page_pp, "page", "pp")                                                                   \
	X(desc_pp_magic, "netmem_desc", "pp_magic")                                                \
	X(desc_pp, "netmem_desc", "pp")                                                            \
	X(page_head, "page", "compound_head")                                                      \
	X(page_head_info, "page", "compound_info")                                                 \
	X(page_type, "page", "page_type")                                                          \
	X(slab_cache, "slab", "slab_cache")                                                        \
	X(slab_cache_old, "page", "slab_cache")                                                    \
	X(skb_next, "sk_buff", "next")                                                             \
	X(skb_prev, "sk_buff", "prev")                                                             \
	X(skb_rb_left, "sk_buff", "rbnode.rb_left")                                                \
	X(skb_rb_right, "sk_buff", "rbnode.rb_right")                                              \
	X(skb_head, "sk_buff", "head")                                                             \
	X(skb_end, "sk_buff", "end")                                                               \
	X(skb_len, "sk_buff", "len")                                                               \
	X(skb_tstamp, "sk_buff", "tstamp")                                                         \
	X(skb_cb, "sk_buff", "cb")                                                                 \
	X(shinfo_nr_frags, "skb_shared_info", "nr_frags")                                          \
	X(shinfo_frag_list, "skb_shared_info", "frag_list")                                        \
	X(shinfo_frags, "skb_shared_info", "frags")                                                \
	X(frag_netmem, "skb_frag", "netmem")                                                       \
	X(frag_page, "skb_frag", "bv_page")                                                        \
	X(bio_vec_page, "bio_vec", "bv_page")                                                      \
	X(socket_sk, "socket", "sk")                                                               \
	X(sk_family, "sock", "__sk_common.skc_family")                                             \
	X(sk_state, "sock", "__sk_common.skc_state")                                               \
	X(sk_daddr, "sock", "__sk_common.skc_daddr")                                               \
	X(sk_saddr, "sock", "__sk_common.skc_rcv_saddr")                                           \
	X(sk_dport, "sock", "__sk_common.skc_dport")                                               \
	X(sk_num, "sock", "__sk_common.skc_num")                                                   \
	X(sk_v6_daddr, "sock", "__sk_common.skc_v6_daddr")                                         \
	X(sk_v6_saddr, "sock", "__sk_common.skc_v6_rcv_saddr")                                     \
	X(sk_net, "sock", "__sk_common.skc_net.net")                                               \
	X(sk_protocol, "sock", "sk_protocol")                                                      \
	X(sk_type, "sock", "sk_type")                                                              \
	X(sk_socket, "sock", "sk_socket")                                                          \
	X(sk_receive, "sock", "sk_receive_queue")                                                  \
	X(sk_error, "sock", "sk_error_queue")                                                      \
	X(sk_write, "sock", "sk_write_queue")                                                      \
	X(sk_backlog, "sock", "sk_backlog.head")                                                   \
	X(sk_rtx, "sock", "tcp_rtx_queue.rb_node")                                                 \
	X(tcp_ooo, "tcp_sock", "out_of_order_queue.rb_node")                                       \
	X(udp_reader, "udp_sock", "reader_queue")                                                  \
	X(icsk_lrcvtime, "inet_connection_sock", "icsk_ack.lrcvtime")                              \
	X(icsk_accept, "inet_connection_sock", "icsk_accept_queue.rskq_accept_head")               \
	X(req_next, "request_sock", "dl_next")                                                     \
	X(req_sk, "request_sock", "sk")                                                            \
	X(head_next, "sk_buff_head", "next")                                                       \
	X(head_qlen, "sk_buff_head", "qlen")                                                       \
	X(fqdir_table, "fqdir", "rhashtable")                                                      \
	X(table_tbl, "rhashtable", "tbl")                                                          \
	X(bucket_size, "bucket_table", "size")                                                     \
	X(bucket_nest, "bucket_table", "nest")                                                     \
	X(bucket_next, "bucket_table", "future_tbl")                                               \
	X(bucket_first, "bucket_table", "buckets")                                                 \
	X(fq_node, "inet_frag_queue", "node")                                                      \
	X(fq_tree, "inet_frag_queue", "rb_fragments.rb_node")                                      \
	X(fq_expires, "inet_frag_queue", "timer.expires")                                          \
	X(fq_v4_saddr, "inet_frag_queue", "key.v4.saddr")                                          \
	X(fq_v4_daddr, "inet_frag_queue", "key.v4.daddr")                                          \
	X(fq_v6_saddr, "inet_frag_queue", "key.v6.saddr")                                          \
	X(fq_v6_daddr, "inet_frag_queue", "key.v6.daddr")                                          \
	X(fqdir_timeout, "fqdir", "timeout")                                                       \
	X(fragcb_next, "ipfrag_skb_cb", "next_frag")                                               \
	X(pipe_head, "pipe_inode_info", "head")                                                    \
	X(pipe_tail, "pipe_inode_info", "tail")                                                    \
	X(pipe_ring, "pipe_inode_info", "ring_size")                                               \
	X(pipe_bufs, "pipe_inode_info", "bufs")                                                    \
	X(pipe_buf_page, "pipe_buffer", "page")                                                    \
	X(sd_defer, "softnet_data", "defer_list")                                                  \
	X(sd_input, "softnet_data", "input_pkt_queue")                                             \
	X(sd_process, "softnet_data", "process_queue")                                             \
	X(hot_defer_nodes, "net_hotdata", "skb_defer_nodes")                                       \
	X(defer_node_list, "skb_defer_node", "defer_list")                                         \
	X(tun_ring_size, "tun_file", "tx_ring.size")                                               \
	X(tun_ring_head, "tun_file", "tx_ring.consumer_head")                                      \
	X(tun_ring_tail, "tun_file", "tx_ring.consumer_tail")                                      \
	X(tun_ring_queue, "tun_file", "tx_ring.queue")
/* clang-format on */

enum member {
#define X(id, type, path) M_##id,
	MEMBERS(X)
#undef X
		N_MEMBERS
};

/* Structures whose size is used. */
/* clang-format off */
#define TYPES(X) X(net_device) X(page) X(page_pool) X(sk_buff) X(skb_shared_info) X(skb_frag) \
	X(bio_vec) X(veth_rq) X(pipe_buffer) X(sock) X(skb_defer_node)
/* clang-format on */

enum type {
#define X(name) T_##name,
	TYPES(X)
#undef X
		N_TYPES
};

bool has(const struct peek *p, enum member m);
/* Bytes from the structure's start; 0 if it has no such member. */
size_t offset_of(const struct peek *p, enum member m);
/* Of a bit-field: its lowest bit in the byte at offset_of(). */
unsigned bit_of(const struct peek *p, enum member m);
size_t size_of(const struct peek *p, enum type t);
/* The value of an enumerator, or -1 if the kernel has none of that name. */
int64_t enumerator(const struct peek *p, const char *type, const char *name);
/* Whether the kernel has a trace point. */
bool has_trace_point(const struct peek *p, const char *name);
/* A member, of a copy of the structure, as an unsigned number; 0 if there is none. */
uint64_t member_in(const struct peek *p, const void *copy, enum member m);
/* The same of the structure at an address; 0 if it can't be read. */
uint64_t member_at(struct peek *p, kaddr_t object, enum member m);

struct layout;
/* NULL: the kernel has no BTF, or it can't be read (errno). */
struct layout *layout_open(void);
void layout_close(struct layout *l);
bool layout_has(const struct layout *l, enum member m);
const struct layout *peek_layout(const struct peek *p);

#endif
