/*
 * account.c - what the counters of a device make of a run's status: one table for capture, forward
 * and replay, as all of them ask account.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <string.h>

#include "said.h"
#include "tap.h"

/* All the same number, so that what is said of it can be found. */
#define N 1234

static const struct {
	const char *what;
	struct pp_net_stats stats;
	bool excused; /* the device's end was asked for */
	int status;
	const char *word; /* in what is said; NULL: nothing is */
} table[] = {
	{ "nothing", { 0 }, false, EXIT_OK, NULL },
	{ "all sent",
	  { .tx_packets = N, .tx_sent_min = N, .tx_sent_max = N },
	  false,
	  EXIT_OK,
	  NULL },
	{ "missed in our rings",
	  { .rx_missed = N },
	  false,
	  EXIT_ERROR,
	  "lack of room in the receive rings" },
	{ "... is no matter of a device's end",
	  { .rx_missed = N },
	  true,
	  EXIT_ERROR,
	  "lack of room" },
	{ "longer than can be received",
	  { .rx_too_long = N },
	  false,
	  EXIT_ERROR,
	  "longer than can be received" },
	{ "dropped by the interface before them",
	  { .rx_dropped = N },
	  false,
	  EXIT_DROPPED,
	  "before they reached" },
	{ "both",
	  { .rx_missed = N, .rx_dropped = 7 },
	  false,
	  EXIT_ERROR,
	  "lack of room in the receive rings" },
	{ "received, but nonsense", { .rx_refused = N }, false, EXIT_OK, NULL },
	{ "too long", { .tx_too_long = N }, false, EXIT_ERROR, "longer than" },
	{ "too short", { .tx_too_short = N }, false, EXIT_ERROR, "shorter than" },
	{ "no carrier", { .tx_no_carrier = N }, false, EXIT_ERROR, "no carrier" },
	{ "... of a device that was to go", { .tx_no_carrier = N }, true, EXIT_OK, NULL },
	{ "malformed", { .tx_malformed = N }, false, EXIT_ERROR, "more pieces" },
	{ "unsent", { .tx_unsent = N }, false, EXIT_ERROR, "still unsent" },
	{ "... of a device that was to go", { .tx_unsent = N }, true, EXIT_OK, NULL },
	{ "dropped by the interface",
	  { .tx_packets = 2 * N, .tx_sent_min = N, .tx_sent_max = N },
	  false,
	  EXIT_ERROR,
	  "dropped by the interface" },
	{ "... perhaps those of others",
	  { .tx_packets = N, .tx_sent_min = 0, .tx_sent_max = N },
	  false,
	  EXIT_OK,
	  NULL },
	{ "confirmed, but never given",
	  { .tx_refused = 1, .tx_packets = N, .tx_sent_min = N, .tx_sent_max = N },
	  false,
	  EXIT_ERROR,
	  "never given" },
};

static void one(unsigned i)
{
	struct account a = { 0 }, joined = { 0 };
	int status;

	*said = 0;
	account_add(&a, &table[i].stats);
	if (table[i].excused)
		account_excuse(&a, &table[i].stats);
	account_join(&joined, &a); /* as forward does with two */
	status = account_status(&joined, EXIT_OK);
	check(status == table[i].status, "%s: %d", table[i].what, status);
	check(table[i].word ? strstr(said, table[i].word) && strstr(said, "1,234") : !*said,
	      "... \"%s\"", said);
	check(account_status(&joined, EXIT_LOST) == EXIT_LOST, "... another end comes first");
}

int main(void)
{
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
		one(i);
	return tap_end();
}
