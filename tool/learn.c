/*
 * learn.c - see learn.h. A table of fixed size: when it is full a new address replaces another one,
 * which is then forwarded like an unknown one.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "learn.h"

#include <string.h>

#define PROBES 8u

static uint64_t address_at(const uint8_t *bytes)
{
	uint64_t address = 0;

	memcpy(&address, bytes, 6);
	return address;
}

/* The slot of an address, or the one that it may have. */
static unsigned find(const struct learned *l, uint64_t address)
{
	uint64_t hash = (address * 0x9E3779B97F4A7C15u) >> 40;
	unsigned i, at = 0;

	for (i = 0; i < PROBES; i++) {
		at = (unsigned)(hash + i) & (LEARN_ADDRESSES - 1);
		if (l->slot[at].address == address || !l->slot[at].address)
			break;
	}
	return at; /* the last one, of another, if all are taken */
}

bool learn(struct learned *l, const uint8_t *frame, uint32_t len, uint8_t side)
{
	uint64_t to, from;
	unsigned at;

	if (len < 12)
		return false;
	to = address_at(frame);
	from = address_at(frame + 6);
	if (!(frame[6] & 1)) { /* groups don't send */
		at = find(l, from);
		l->slot[at].address = from;
		l->slot[at].side = side;
	}
	if (frame[0] & 1)
		return false;
	at = find(l, to);
	return l->slot[at].address == to && l->slot[at].side == side;
}
