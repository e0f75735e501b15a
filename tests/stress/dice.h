/*
 * dice.h - the numbers of a stress test, from a seed: each thread has dice of its own, so that what
 * it does is the same whatever the others do.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TESTS_STRESS_DICE_H
#define TESTS_STRESS_DICE_H

#include <stdint.h>

struct dice {
	uint64_t state;
};

static uint64_t seed;

static inline struct dice dice_for(uint64_t who)
{
	struct dice d = { (seed + who) * 0x9E3779B97F4A7C15u | 1 };

	return d;
}

/* From 0 to n - 1. */
static inline uint32_t roll(struct dice *d, uint32_t n)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (uint32_t)((d->state >> 11) % n);
}

#endif
