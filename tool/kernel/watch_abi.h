/*
 * watch_abi.h - the interface between watch.bpf.c and follow.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_WATCH_ABI_H
#define KERNEL_WATCH_ABI_H

#define WATCH_PAGES 16384  /* that are followed at one time */
#define WATCH_POOLS 1024   /* that were seen to take pages */
#define WATCH_STACKS 2048  /* different ones, in each of two maps */
#define WATCH_TALLIES 4096 /* different things that are counted */
#define WATCH_FRAMES 24    /* of a stack */
#define WATCH_AGES 41      /* the longest is 2^40 us and more */
#define WATCH_NAME 32

/* Where this kernel's members are; -1: it has none. Set before the programs are loaded. */
struct watch_layout {
	__s32 pool_hold, pool_user_cnt, pool_dev, pool_mapped;
	__u32 pool_mapped_bit; /* of the byte at pool_mapped */
	__s32 dev_driver, dev_bus, dev_name;
	__s32 page_mark, page_pool;
	__u64 mark_mask, mark; /* of the 8 bytes at page_mark: those of a pool's page */
	__u32 page_size;       /* of struct page */
	__u32 limit;           /* pages are followed whose hash is no more than that */
};

/* A page that is followed, by its struct page. */
struct watch_page {
	__u64 pool;
	__u64 taken_ns; /* from the system; 0: before we watched */
	__u64 left_ns;  /* its pool; 0: it is in there */
	__s32 stack;    /* of whom took it */
	__u32 reserved;
};

/* A pool that was seen to take pages. */
struct watch_pool {
	__u64 made_ns; /* 0: before we watched */
	__u64 gone_ns; /* 0: it is there */
};

enum watch_kind {
	WATCH_LEFT = 1, /* a page left its pool, by stack and pool */
	WATCH_FREED,    /* then its last holder let it go, by stack and pool */
	WATCH_AGE,      /* it had been the pool's for 2^stack us at most, by pool */
	WATCH_LINGER,   /* it was held for so long after it had left, by pool */
	WATCH_LATE,     /* DMA unmapped for a device without a driver, by stack and device */
	WATCH_NEGATIVE, /* a pool got back more than it gave out, by stack and pool */
	WATCH_LOST,     /* a page was freed while it was a pool's, by stack and pool */
};

struct watch_key {
	__u64 object; /* pool or device */
	__u32 kind;
	__s32 stack; /* a stack's number; below 0: it wasn't kept; or the age's */
};

struct watch_tally {
	__u64 count;
	__u32 pid; /* of the last one, in the first pid namespace */
	__u32 reserved;
	char comm[16];
	char name[WATCH_NAME]; /* of the device */
};

/* What did not fit. */
struct watch_losses {
	__u64 pages, pools, stacks, tallies;
};

#endif
