/*
 * pace.c - when the packets of a file are sent: at the recorded times, at so many packets or so
 * many bits per second. Lateness is made up for, so that the mean rate holds.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pace.h"

#include "tool.h"

#define SECOND 1000000000u

bool pace_sane(const struct pace *p)
{
	if (p->topspeed + p->recorded + !!p->packets_a_second + !!p->bits_a_second <= 1)
		return true;
	say("--topspeed, --recorded, --pps and --rate can't be combined");
	return false;
}

void pace_again(struct pace *p)
{
	if (p->recorded)
		p->begun = false;
}

/* n / a second, in ns; the longest that there is if that is too long. */
static uint64_t lasts(uint64_t n, uint64_t a_second)
{
	uint64_t whole = n / a_second, rest = n % a_second;

	if (whole > UINT64_MAX / SECOND / 2)
		return UINT64_MAX / 2;
	return whole * SECOND + (uint64_t)((double)rest / (double)a_second * SECOND);
}

uint64_t pace_due(struct pace *p, uint64_t now, uint64_t time_ns, uint32_t bytes)
{
	uint64_t due, after = 0;

	if (p->topspeed)
		return 0;
	if (!p->begun) {
		p->begun_ns = p->recorded && p->due_ns ? p->due_ns : now;
		p->first_ns = time_ns;
		p->begun = true;
	}
	if (p->packets_a_second)
		after = lasts(p->packets, p->packets_a_second);
	else if (p->bits_a_second)
		after = lasts(p->bits, p->bits_a_second);
	else if (time_ns > p->first_ns)
		after = time_ns - p->first_ns;
	p->packets++;
	p->bits += 8 * (uint64_t)bytes;
	due = after > UINT64_MAX - p->begun_ns ? UINT64_MAX : p->begun_ns + after;
	if (due > p->due_ns)
		p->due_ns = due;
	return p->due_ns;
}
