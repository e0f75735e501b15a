/*
 * tally.c - how many packets have left an interface. See tally.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tally.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void xdp_tally_open(struct xdp_tally *t)
{
	pthread_mutex_init(&t->lock, NULL);
}

void xdp_tally_close(struct xdp_tally *t)
{
	pthread_mutex_destroy(&t->lock);
}

/* Of the last binding. The lock is held. */
static struct xdp_sent sent(const struct xdp_tally *t, uint64_t done)
{
	uint64_t known = t->done_to - t->done_from, out = t->to.tx_packets - t->from.tx_packets;
	uint64_t lost = least(t->to.tx_lost - t->from.tx_lost, known);
	struct xdp_sent s = { .min = known - lost, .max = known - lost };

	s.rx_dropped = t->to.rx_missed - t->from.rx_missed;
	if (out + lost > known)
		s.max = least(known, out); /* others send there too: whose were dropped? */
	else if (t->exact && out + lost < known)
		s.behind = true;
	if (s.behind)
		s.min = least(out, s.min);
	s.max += done - t->done_to; /* since: nobody can be asked any more */
	return s;
}

void xdp_tally_begin(struct xdp_tally *t, struct xdp_link *l, uint64_t done)
{
	struct xdp_counts now;
	int ret = xdp_link_counts(l, &now);

	pthread_mutex_lock(&t->lock);
	if (t->begun) {
		struct xdp_sent s = sent(t, done);

		t->min += s.min;
		t->max += s.max;
		t->rx_dropped += s.rx_dropped;
	}
	if (!ret)
		t->from = t->to = now;
	t->done_from = t->done_to = done;
	t->begun = true;
	pthread_mutex_unlock(&t->lock);
}

void xdp_tally_look(struct xdp_tally *t, struct xdp_link *l, uint64_t done)
{
	struct xdp_counts now;

	if (xdp_link_counts(l, &now))
		return;
	pthread_mutex_lock(&t->lock);
	if (done >= t->done_to) {
		t->to = now;
		t->done_to = done;
	}
	pthread_mutex_unlock(&t->lock);
}

struct xdp_sent xdp_tally_sent(struct xdp_tally *t, uint64_t done)
{
	struct xdp_sent s;

	pthread_mutex_lock(&t->lock);
	s = sent(t, done > t->done_to ? done : t->done_to);
	s.min += t->min;
	s.max += t->max;
	s.rx_dropped += t->rx_dropped;
	pthread_mutex_unlock(&t->lock);
	return s;
}
