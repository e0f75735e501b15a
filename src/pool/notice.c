/*
 * notice.c - who is notified when pages are back after a get has failed: one party for each pool.
 * revoke.c finds out when.
 *
 * A pool is identified by its number here, not by its address: whoever brings a page back has only
 * the anchor, and the pool may be gone. The notices are called without a lock.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/notice.h"

#include "env/calls.h"
#include "env/debug.h"
#include "pool/holders.h"

static void *next_of(const void *item)
{
	return ((const struct notice *)item)->next;
}

static void set_next(void *item, void *next)
{
	((struct notice *)item)->next = next;
}

static struct calls notices = CALLS_INIT(next_of, set_next);

/* Lists for pools of neighbouring numbers each, so that none looks through all others'. */
#define LISTS 1024u
static void *first[LISTS]; /* under notices.lock */

static void call(void *item, void *ctx)
{
	const struct notice *n = item;

	if (n->number == *(const uint32_t *)ctx)
		n->ready(n->ctx);
}

void notice_call(uint32_t number)
{
	calls_each(&notices, &first[number % LISTS], call, &number);
}

/* One in place of what there is, if any. */
static void set(struct pp_pool *pool, void (*ready)(void *ctx), void *ctx)
{
	struct notice *n = &pool->notice;
	void **list;

	env_lock(&notices.lock);
	n->number = pool_anchor(pool)->number; /* of all its anchors */
	list = &first[n->number % LISTS];
	env_store_relaxed(&pool->noticed, false);
	calls_del(&notices, list, n); /* waits until no call is under way */
	if (ready) {
		n->ready = ready;
		n->ctx = ctx;
		calls_add(&notices, list, n);
		env_store_relaxed(&pool->noticed, true);
	}
	env_unlock(&notices.lock);
}

void notice_end(struct pp_pool *pool)
{
	set(pool, NULL, NULL);
}

int pp_pool_notice(struct pp_pool *pool, void (*ready)(void *ctx), void *ctx)
{
	if (!pool)
		return debug_invalid("pp_pool_notice: there is no pool");
	if (!misuse_destroyed(pool, "notice", __builtin_return_address(0)))
		set(pool, ready, ctx);
	return 0;
}

static void add_to_fd(void *ctx)
{
	env_event_add((int)(intptr_t)ctx);
}

int pp_pool_notice_fd(struct pp_pool *pool, int fd)
{
	int ret = fd < 0 ? 0 : env_event_check(fd);

	if (!pool)
		return debug_invalid("pp_pool_notice_fd: there is no pool");
	if (ret == -EINVAL || ret == -ENOTTY)
		return debug_invalid("pp_pool_notice_fd: fd %d %s: it must be an eventfd with "
				     "EFD_NONBLOCK",
				     fd, ret == -EINVAL ? "may block" : "is not an eventfd");
	if (ret)
		return ret;
	if (!misuse_destroyed(pool, "notice", __builtin_return_address(0)))
		set(pool, fd < 0 ? NULL : add_to_fd, (void *)(intptr_t)fd);
	return 0;
}
