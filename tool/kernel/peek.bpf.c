/*
 * peek.bpf.c - the part of `pagepool kernel` that runs in the kernel: copy pieces of its memory,
 * and list the open sockets, pipes and tun devices of all tasks. It changes nothing, takes no
 * lock, and one call does a bounded amount of work; whatever follows a pointer is in user space
 * (peek.c), so a queue of any length is read in small steps.
 *
 * Needs Linux 5.14 (programs of type "syscall") and BTF. Reads are fault-tolerant: a pointer
 * that has become stale gives an error or nonsense, never an oops.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "peek_abi.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Requests and answers; user space has this map in its memory. */
struct peek_request requests[PEEK_BATCH];
char answers[PEEK_BATCH][PEEK_BYTES];
__u32 request_count;
__u64 current_task, jiffies_now;
__u32 pid_level;

SEC("syscall")
int peek_memory(void *ctx)
{
	for (__u32 i = 0; i < PEEK_BATCH && i < request_count; i++) {
		__u32 len = requests[i].len;

		if (len > PEEK_BYTES)
			len = PEEK_BYTES;
		requests[i].error =
			bpf_probe_read_kernel(answers[i], len, (const void *)requests[i].address);
	}
	return 0;
}

SEC("syscall")
int peek_now(void *ctx)
{
	current_task = bpf_get_current_task();
	jiffies_now = bpf_jiffies64();
	return 0;
}

/* ---- files: only the members that are used, found by name (CO-RE) ------------------------- */

struct inode {
	unsigned short i_mode;
	__u32 i_rdev;
} __attribute__((preserve_access_index));

struct file {
	void *private_data;
	struct inode *f_inode;
} __attribute__((preserve_access_index));

struct upid {
	int nr;
} __attribute__((preserve_access_index));

struct pid {
	struct upid numbers[1];
} __attribute__((preserve_access_index));

struct task_struct {
	struct task_struct *group_leader;
	struct pid *thread_pid;
	char comm[16];
} __attribute__((preserve_access_index));

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} __attribute__((preserve_access_index));

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFCHR 0020000
#define S_IFIFO 0010000
#define TUN_DEVICE ((10u << 20) | 200u) /* misc, /dev/net/tun */

static __u32 kind_of(struct file *file)
{
	__u32 mode = file->f_inode->i_mode & S_IFMT;

	if (mode == S_IFSOCK)
		return PEEK_SOCKET;
	if (mode == S_IFIFO)
		return PEEK_PIPE;
	if (mode == S_IFCHR && file->f_inode->i_rdev == TUN_DEVICE)
		return PEEK_TUN;
	return 0;
}

/*
 * The process's number in our own pid namespace, which is pid_level below the first. The place is
 * reckoned with numbers: the verifier of Linux 6.1 lets nothing but a constant be added to a
 * pointer.
 */
static __u32 number_of(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	__u64 pid = 0;
	__u32 nr = 0;

	bpf_probe_read_kernel(&pid, sizeof pid, &leader->thread_pid);
	if (pid)
		bpf_probe_read_kernel(
			&nr, sizeof nr,
			(void *)((__u64) &
				 ((struct pid *)pid)->numbers[0].nr +
					 (__u64)pid_level * bpf_core_type_size(struct upid)));
	return nr;
}

SEC("iter/task_file")
int peek_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct peek_file out = {};

	if (!task || !file)
		return 0;
	out.kind = kind_of(file);
	if (!out.kind)
		return 0;
	out.object = (__u64)file->private_data;
	out.pid = number_of(task);
	out.fd = ctx->fd;
	bpf_probe_read_kernel(out.comm, sizeof out.comm, task->group_leader->comm);
	bpf_seq_write(ctx->meta->seq, &out, sizeof out);
	return 0;
}

/* ---- TCP sockets of this network namespace: those that no file descriptor names too -------- */

struct sock_common {
	volatile unsigned char skc_state;
} __attribute__((preserve_access_index));

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} __attribute__((preserve_access_index));

#define TCP_TIME_WAIT 6
#define TCP_NEW_SYN_RECV 12

SEC("iter/tcp")
int peek_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct peek_file out = { .kind = PEEK_SOCKET_ALONE };

	if (!sk || sk->skc_state == TCP_TIME_WAIT || sk->skc_state == TCP_NEW_SYN_RECV)
		return 0; /* these are smaller structures, and hold no data */
	out.object = (__u64)sk;
	bpf_seq_write(ctx->meta->seq, &out, sizeof out);
	return 0;
}
