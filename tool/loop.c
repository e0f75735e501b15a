/*
 * loop.c - see loop.h. What arrives between work that finds nothing and the arming of a device
 * causes no event: so work is tried once more after arming, and a device's state compared with the
 * previous one.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "loop.h"

#include "tool.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

/* The devices, and what was known of them at a time. */
struct view {
	struct pp_net *nic[LOOP_DEVICES];
	enum pp_net_state state[LOOP_DEVICES];
	unsigned n;
};

uint64_t loop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void loop_end(struct loop *l, const char *why, int status)
{
	if (l->done)
		return;
	l->done = true;
	l->why = why;
	if (l->status == EXIT_OK)
		l->status = status;
}

static struct view look(const struct loop *l)
{
	struct view v;

	v.n = l->ops->devices(l->ctx, v.nic);
	for (unsigned i = 0; i < v.n; i++) {
		v.state[i] = pp_net_state(v.nic[i]);
		device_notices(v.nic[i]);
	}
	return v;
}

static bool same(const struct view *a, const struct view *b)
{
	for (unsigned i = 0; i < a->n && i < b->n; i++)
		if (a->nic[i] != b->nic[i] || a->state[i] != b->state[i])
			return false;
	return a->n == b->n;
}

/* For an event of a device, a signal, or until it is time. */
static void wait(const struct loop *l, const struct view *v)
{
	struct pollfd fd[2 + LOOP_DEVICES] = {
		{ .fd = stop_fd(), .events = POLLIN },
		{ .fd = l->ops->also ? l->ops->also(l->ctx) : -1, .events = POLLIN },
	};
	uint64_t due = l->ops->due ? l->ops->due(l->ctx) : LOOP_NEVER, now = loop_now(), drop;
	struct timespec t;

	if (l->until < due)
		due = l->until;
	if (due <= now)
		return;
	t = (struct timespec){ (time_t)((due - now) / 1000000000u),
			       (long)((due - now) % 1000000000u) };
	for (unsigned i = 0; i < v->n; i++)
		fd[2 + i] =
			(struct pollfd){ .fd = pp_net_event_fd(v->nic[i], 0), .events = POLLIN };
	if (ppoll(fd, 2 + v->n, due == LOOP_NEVER ? NULL : &t, NULL) <= 0)
		return;
	for (unsigned i = 0; i < v->n; i++)
		if (fd[2 + i].revents && read(fd[2 + i].fd, &drop, sizeof drop) < 0)
			continue; /* one that needs no reading */
}

static void turn(struct loop *l)
{
	struct view before = look(l), now;
	bool worked = l->ops->work(l->ctx);

	if (stop_asked())
		loop_end(l, "interrupted", EXIT_OK);
	if (l->until != LOOP_NEVER && loop_now() >= l->until)
		loop_end(l, "duration reached", EXIT_OK);
	if (worked || l->done || l->ops->idle(l->ctx) || l->done)
		return;
	now = look(l);
	for (unsigned i = 0; i < now.n; i++)
		pp_net_arm(now.nic[i], 0);
	if (l->ops->work(l->ctx) || l->done)
		return;
	now = look(l);
	if (same(&before, &now))
		wait(l, &now);
}

void loop_run(struct loop *l)
{
	uint64_t now = loop_now();

	l->until = LOOP_NEVER;
	if (l->duration && l->duration < (LOOP_NEVER - now) / 1000000000u)
		l->until = now + l->duration * 1000000000u;
	while (!l->done)
		turn(l);
	look(l); /* for the notices of the last turn */
}
