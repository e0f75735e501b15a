/*
 * peek_abi.h - the interface between peek.bpf.c and peek.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_PEEK_ABI_H
#define KERNEL_PEEK_ABI_H

#define PEEK_BATCH 32  /* requests of one call */
#define PEEK_BYTES 256 /* of one request at most */

struct peek_request {
	__u64 address;
	__u32 len;
	__s32 error; /* 0, or a negative errno */
};

enum { PEEK_SOCKET = 1, PEEK_PIPE, PEEK_TUN, PEEK_SOCKET_ALONE };

/*
 * One open file: object is its private_data (struct socket, pipe_inode_info, tun_file).
 * SOCKET_ALONE has no file here: object is the struct sock, the rest is 0.
 */
struct peek_file {
	__u64 object;
	__u32 kind, pid, fd, reserved;
	char comm[16];
};

#endif
