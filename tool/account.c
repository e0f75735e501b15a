/*
 * account.c - one rule for capture, forward and replay: what became of packets, by the names of
 * pp_net_stats, in words, and what that makes of the exit status.
 *
 *   sent      what the device completed, less what its own counters say it dropped
 *   not sent  under a name each: too long, too short, no carrier, malformed, dropped, unsent
 *   lost      received by nobody: missed (no room in our rings, or for so long a packet), dropped
 *             before them
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <string.h>

void account_add(struct account *a, const struct pp_net_stats *s)
{
	uint64_t most = s->tx_sent_max < s->tx_packets ? s->tx_sent_max : s->tx_packets;
	uint64_t least = s->tx_sent_min < most ? s->tx_sent_min : most;

	a->packets_refused += s->rx_refused;
	a->packets_missed += s->rx_missed + s->rx_too_long;
	a->packets_missed_too_long += s->rx_too_long;
	a->packets_dropped_before += s->rx_dropped;
	a->sent += least;
	a->sent_at_most += most;
	a->bytes_sent += s->tx_bytes;
	a->nonsense += s->tx_refused;
	a->packets_too_long += s->tx_too_long;
	a->packets_too_short += s->tx_too_short;
	a->packets_no_carrier += s->tx_no_carrier;
	a->packets_malformed += s->tx_malformed;
	a->packets_dropped += s->tx_packets - least;
	a->packets_unsent += s->tx_unsent;
}

void account_excuse(struct account *a, const struct pp_net_stats *s)
{
	a->excused += s->tx_no_carrier + s->tx_unsent;
	if (s->tx_sent_max < s->tx_packets)
		a->excused += s->tx_packets - s->tx_sent_max;
}

void account_join(struct account *a, const struct account *b)
{
#define ACCOUNT_JOIN(name) a->name += b->name;
	ACCOUNT_COUNTS(ACCOUNT_JOIN)
	a->sent += b->sent;
	a->sent_at_most += b->sent_at_most;
	a->bytes_sent += b->bytes_sent;
	a->nonsense += b->nonsense;
	a->excused += b->excused;
}

uint64_t account_left_out(const struct account *a)
{
	return a->packets_too_long + a->packets_too_short + a->packets_no_carrier +
	       a->packets_malformed;
}

uint64_t account_not_sent(const struct account *a)
{
	return account_left_out(a) + a->packets_dropped + a->packets_unsent + a->packets_no_room +
	       a->packets_gone;
}

/* Of these it is sure that they are lost, and nothing else tells of it. */
static uint64_t lost(const struct account *a)
{
	uint64_t doubtful = a->sent_at_most - a->sent; /* perhaps those of others */
	uint64_t sure = account_not_sent(a) - a->packets_gone - doubtful;

	return a->packets_missed + (sure > a->excused ? sure - a->excused : 0);
}

static void part(char *text, size_t size, uint64_t n, const char *what)
{
	size_t len = strlen(text);
	char buf[GROUPED];

	if (n)
		snprintf(text + len, size - len, "%s%s %s", len ? ", " : "", grouped(n, buf), what);
}

static void say_lost(const struct account *a)
{
	char parts[600] = "", n[GROUPED];

	part(parts, sizeof parts, a->packets_missed - a->packets_missed_too_long,
	     "for lack of room in the receive rings");
	part(parts, sizeof parts, a->packets_missed_too_long, "longer than can be received");
	part(parts, sizeof parts, a->packets_too_long, "longer than the device can send");
	part(parts, sizeof parts, a->packets_too_short, "shorter than the device can send");
	part(parts, sizeof parts, a->packets_no_carrier, "while the device had no carrier");
	part(parts, sizeof parts, a->packets_malformed, "in more pieces than the device can send");
	part(parts, sizeof parts, a->packets_dropped, "dropped by the interface");
	part(parts, sizeof parts, a->packets_no_room, "for lack of room to queue them");
	part(parts, sizeof parts, a->packets_unsent, "still unsent at the end");
	say("%s packet%s left out or lost: %s", grouped(lost(a), n),
	    lost(a) == 1 ? " was" : "s were", parts);
}

int account_status(const struct account *a, int status)
{
	char sent[ACCOUNT_SENT], n[GROUPED];

	if (status != EXIT_OK)
		return status;
	if (a->nonsense) {
		say("the device completed packets that it was never given: only %s are known to have been sent",
		    account_sent(a, sent));
		return EXIT_ERROR;
	}
	if (lost(a)) {
		say_lost(a);
		return EXIT_ERROR;
	}
	if (!a->packets_dropped_before)
		return EXIT_OK;
	say("packets that the interface dropped before they reached the receive rings: %s",
	    grouped(a->packets_dropped_before, n));
	return EXIT_DROPPED;
}

const char *account_sent(const struct account *a, char buf[ACCOUNT_SENT])
{
	char least[GROUPED], most[GROUPED];

	if (a->sent == a->sent_at_most)
		return grouped(a->sent, buf);
	snprintf(buf, ACCOUNT_SENT, "%s to %s", grouped(a->sent, least),
		 grouped(a->sent_at_most, most));
	return buf;
}

static void line(FILE *out, const char *name, uint64_t n, const char *what)
{
	char buf[GROUPED];

	if (n)
		fprintf(out, "%-9s %s packet%s %s\n", name, grouped(n, buf), n == 1 ? "" : "s",
			what);
}

void account_print(const struct account *a, FILE *out)
{
	line(out, "refused", a->packets_refused, "received with lengths that can't be");
	line(out, "missed", a->packets_missed - a->packets_missed_too_long,
	     "not received: no room in the receive rings");
	line(out, "too long", a->packets_missed_too_long,
	     "not received: longer than the device was given room for");
	line(out, "dropped", a->packets_dropped_before,
	     "not received: the interface dropped them before they reached the receive rings");
	line(out, "too long", a->packets_too_long, "not sent: longer than the device can send");
	line(out, "too short", a->packets_too_short, "not sent: shorter than the device can send");
	line(out, "carrier", a->packets_no_carrier, "not sent: the device had no carrier");
	line(out, "malformed", a->packets_malformed,
	     "not sent: in more pieces than the device can send, or not in its memory");
	line(out, "dropped", a->packets_dropped,
	     a->sent == a->sent_at_most ?
		     "not sent: the interface dropped them" :
		     "possibly not sent: the interface dropped so many, ours or other senders'");
	line(out, "no room", a->packets_no_room,
	     "not sent: no room to queue them, or no free page");
	line(out, "gone", a->packets_gone, "not sent: the device had gone or failed");
	line(out, "unsent", a->packets_unsent, "not sent: still in the rings at the end");
}
