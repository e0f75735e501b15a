/*
 * watch.bpf.c - the part of `pagepool kernel watch` that runs in the kernel, at its trace points: a
 * page is taken from the system for a pool, leaves it, is freed; DMA is unmapped. It changes
 * nothing. Only a sample of the pages is traced, so most pages cost one multiplication; the records
 * are in maps of a fixed size, and what doesn't fit is counted.
 *
 * Raw trace points: each is attached by itself, and one that a kernel lacks costs only what it
 * would tell. They take no BTF of ours: where members are, user space says (watch_layout).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>
#include <stddef.h>

#include "watch_abi.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct watch_layout layout = { .page_size = 64 };
struct watch_losses losses;
/* Of the sample: pages that were taken, and that left. */
__u64 taken, left;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WATCH_PAGES);
	__type(key, __u64);
	__type(value, struct watch_page);
} pages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WATCH_POOLS);
	__type(key, __u64);
	__type(value, struct watch_pool);
} pools SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WATCH_TALLIES);
	__type(key, struct watch_key);
	__type(value, struct watch_tally);
} tallies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, WATCH_STACKS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, WATCH_FRAMES * sizeof(__u64));
} stacks SEC(".maps"), more_stacks SEC(".maps");

/* Losses and sums are counted on all CPUs at once. */
static void add(__u64 *n)
{
	__sync_fetch_and_add(n, 1);
}

/* An integer of `size` bytes at a place of an object; 0 if it can't be read. */
static __u64 read_at(__u64 object, __s32 place, __u32 size)
{
	__u64 v = 0;

	if (place >= 0)
		bpf_probe_read_kernel(&v, size, (void *)(object + place));
	return v;
}

/*
 * Whether a page is in the sample: by its page frame's number, as the places of all struct pages
 * are in that order. A large page is in or not by its first one.
 */
static bool followed(__u64 page)
{
	__u64 n = page / layout.page_size;

	return (__u32)((n * 0x9e3779b97f4a7c15ull) >> 32) <= layout.limit;
}

/*
 * A stack's number is the hash of it, so two of some dozens may well have the same; the second
 * one is kept in another map, whose numbers follow.
 */
static __s32 stack_of(void *ctx)
{
	__s64 id = bpf_get_stackid(ctx, &stacks, 0);

	if (id < 0) {
		id = bpf_get_stackid(ctx, &more_stacks, 0);
		id += id < 0 ? 0 : WATCH_STACKS;
	}
	if (id < 0)
		add(&losses.stacks);
	return id < 0 ? -1 : (__s32)id;
}

static struct watch_tally *tally(__u32 kind, __u64 object, __s32 stack)
{
	struct watch_key key = { .object = object, .kind = kind, .stack = stack };
	struct watch_tally *t = bpf_map_lookup_elem(&tallies, &key), new = { .count = 0 };

	if (!t) {
		/* another CPU may be first: then the element is there, and that is as well */
		bpf_map_update_elem(&tallies, &key, &new, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&tallies, &key);
	}
	if (!t) {
		add(&losses.tallies);
		return NULL;
	}
	add(&t->count);
	return t;
}

static struct watch_tally *tally_here(__u32 kind, __u64 object, __s32 stack)
{
	struct watch_tally *t = tally(kind, object, stack);

	if (t) {
		t->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(t->comm, sizeof t->comm);
	}
	return t;
}

/* The lowest power of two, in us, that is not below it. */
static void tally_age(__u32 kind, __u64 pool, __u64 ns)
{
	__s32 bucket = 0;

	for (__u64 us = 1; bucket < WATCH_AGES - 1 && us * 1000 < ns; us *= 2)
		bucket++;
	tally(kind, pool, bucket);
}

static void note_pool(__u64 pool, bool made)
{
	struct watch_pool new = { .made_ns = made ? bpf_ktime_get_ns() : 0 };

	/* one that was made begins afresh, even at the address of one that has gone */
	if (bpf_map_update_elem(&pools, &pool, &new, made ? BPF_ANY : BPF_NOEXIST) &&
	    !bpf_map_lookup_elem(&pools, &pool))
		add(&losses.pools);
}

static void note_negative(void *ctx, __u64 pool, __s32 in_flight)
{
	if (in_flight < 0)
		tally_here(WATCH_NEGATIVE, pool, stack_of(ctx));
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* (pool, page, pages that it has ever taken) */
SEC("raw_tp")
int watch_hold(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 pool = ctx->args[0], page = ctx->args[1];
	struct watch_page new = { .pool = pool };

	if ((__u32)ctx->args[2] == 1)
		note_pool(pool, true);
	if (!followed(page))
		return 0;
	add(&taken);
	note_pool(pool, false);
	new.taken_ns = bpf_ktime_get_ns();
	new.stack = stack_of(ctx);
	if (bpf_map_update_elem(&pages, &page, &new, BPF_ANY))
		add(&losses.pages);
	return 0;
}

#define NET_IOV 1 /* memory of a device, not a page */

static bool without_driver(__u64 device)
{
	/* what is on no bus never has one */
	return device && !read_at(device, layout.dev_driver, 8) &&
	       read_at(device, layout.dev_bus, 8);
}

static void note_late(void *ctx, __u64 device)
{
	struct watch_tally *t;
	__u64 name;

	if (!without_driver(device))
		return;
	t = tally_here(WATCH_LATE, device, stack_of(ctx));
	name = read_at(device, layout.dev_name, 8);
	if (t && name)
		bpf_probe_read_kernel_str(t->name, sizeof t->name, (void *)name);
}

static void left_sampled(void *ctx, __u64 pool, __u64 page)
{
	struct watch_page *known = bpf_map_lookup_elem(&pages, &page);
	struct watch_page new = { .pool = pool, .left_ns = bpf_ktime_get_ns() };

	new.stack = stack_of(ctx);
	add(&left);
	tally_here(WATCH_LEFT, pool, new.stack);
	if (known && known->taken_ns && !known->left_ns)
		tally_age(WATCH_AGE, pool, new.left_ns - known->taken_ns);
	if (page & NET_IOV)
		bpf_map_delete_elem(&pages, &page);
	else if (bpf_map_update_elem(&pages, &page, &new, BPF_ANY))
		add(&losses.pages);
}

/* (pool, page, pages that it has ever given back) */
SEC("raw_tp")
int watch_release(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 pool = ctx->args[0], page = ctx->args[1];

	note_negative(ctx, pool,
		      (__s32)((__u32)read_at(pool, layout.pool_hold, 4) - (__u32)ctx->args[2]));
	/* only for kernels that unmap a page when it leaves, come what may, and tell of no unmap */
	if (read_at(pool, layout.pool_mapped, 1) & layout.pool_mapped_bit)
		note_late(ctx, read_at(pool, layout.pool_dev, 8));
	if (followed(page))
		left_sampled(ctx, pool, page);
	return 0;
}

/* (pool, pages in flight, taken, given back): the pool looks whether all are back */
SEC("raw_tp")
int watch_gone(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 pool = ctx->args[0];
	struct watch_pool *known;

	note_negative(ctx, pool, (__s32)ctx->args[1]);
	if ((__s32)ctx->args[1] || read_at(pool, layout.pool_user_cnt, 4))
		return 0;
	note_pool(pool, false);
	known = bpf_map_lookup_elem(&pools, &pool);
	if (known)
		known->gone_ns = bpf_ktime_get_ns();
	return 0;
}

/* ---- the system ------------------------------------------------------------------------------ */

/* (page, order) */
SEC("raw_tp")
int watch_free(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 page = ctx->args[0];
	struct watch_page *known;

	if (!followed(page))
		return 0;
	if ((read_at(page, layout.page_mark, 8) & layout.mark_mask) == layout.mark) {
		tally_here(WATCH_LOST, read_at(page, layout.page_pool, 8), stack_of(ctx));
	} else {
		known = bpf_map_lookup_elem(&pages, &page);
		if (!known)
			return 0;
		if (known->left_ns) {
			tally_here(WATCH_FREED, known->pool, stack_of(ctx));
			tally_age(WATCH_LINGER, known->pool, bpf_ktime_get_ns() - known->left_ns);
		}
	}
	bpf_map_delete_elem(&pages, &page);
	return 0;
}

/* (device, ...) */
SEC("raw_tp")
int watch_unmap(struct bpf_raw_tracepoint_args *ctx)
{
	note_late(ctx, ctx->args[0]);
	return 0;
}
