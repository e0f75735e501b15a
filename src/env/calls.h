/*
 * calls.h - lists of callbacks that are called without a lock, and may change the list that they
 * are called from. Uses env.
 *
 * An entry belongs to its owner and must live from calls_add until calls_del returns, which waits
 * for a call that is in progress on another thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_CALLS_H
#define ENV_CALLS_H

#include "env/wait.h"

/* One walk through a list. On the stack of the thread that walks. */
struct calls_walk {
	struct calls_walk *next;
	uint64_t thread;
	void *at;    /* being called; NULL: none */
	void *after; /* called next; moved on if it is taken out of its list */
};

/* Lists of one kind of item. */
struct calls {
	struct env_lock lock; /* protects the lists, their links, and the walks */
	struct env_cond done; /* a call has returned */
	struct calls_walk *walks;
	/* an item's link */
	void *(*next)(const void *item);
	void (*set_next)(void *item, void *next);
};
#define CALLS_INIT(next, set_next)                                                                 \
	{                                                                                          \
		.lock = ENV_LOCK_INIT, .done = ENV_COND_INIT, NULL, next, set_next                 \
	}

/* At the end of a list. 0; -EEXIST: it is there. With the lock held. */
int calls_add(struct calls *calls, void **first, void *item);
/*
 * 0; -ENOENT: it isn't in the list. On return no call of it is in progress, except the one that
 * this is called from. Lock held; it is dropped while waiting for such a call.
 */
int calls_del(struct calls *calls, void **first, void *item);
/* Call fn for each item of a list, in order. Without the lock. */
void calls_each(struct calls *calls, void **first, void (*fn)(void *item, void *ctx), void *ctx);

#endif
