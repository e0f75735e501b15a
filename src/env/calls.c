/*
 * calls.c - lists of callbacks. See calls.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/calls.h"

int calls_add(struct calls *c, void **first, void *item)
{
	void *last = NULL;

	for (void *i = *first; i; last = i, i = c->next(i))
		if (i == item)
			return -EEXIST;
	c->set_next(item, NULL);
	if (last)
		c->set_next(last, item);
	else
		*first = item;
	return 0;
}

/* Another thread is in a call of it. */
static bool is_called(const struct calls *c, const void *item)
{
	for (const struct calls_walk *w = c->walks; w; w = w->next)
		if (w->at == item && w->thread != env_self())
			return true;
	return false;
}

int calls_del(struct calls *c, void **first, void *item)
{
	void *before = NULL, *i = *first;

	for (; i && i != item; i = c->next(i))
		before = i;
	if (!i)
		return -ENOENT;
	if (before)
		c->set_next(before, c->next(item));
	else
		*first = c->next(item);
	for (struct calls_walk *w = c->walks; w; w = w->next)
		if (w->after == item)
			w->after = c->next(item);
	while (is_called(c, item))
		env_wait(&c->done, &c->lock);
	return 0;
}

static void leave(struct calls *c, const struct calls_walk *walk)
{
	struct calls_walk **p = &c->walks;

	while (*p != walk)
		p = &(*p)->next;
	*p = walk->next;
}

void calls_each(struct calls *c, void **first, void (*fn)(void *item, void *ctx), void *ctx)
{
	struct calls_walk walk = { .thread = env_self() };

	env_cancel_off(); /* the walk is on this thread's stack */
	env_lock(&c->lock);
	walk.after = *first;
	walk.next = c->walks;
	c->walks = &walk;
	while ((walk.at = walk.after)) {
		walk.after = c->next(walk.at);
		env_unlock(&c->lock);
		fn(walk.at, ctx);
		env_lock(&c->lock);
		walk.at = NULL;
		env_wake(&c->done);
	}
	leave(c, &walk);
	env_unlock(&c->lock);
	env_cancel_on();
}
