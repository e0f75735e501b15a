/*
 * learn.h - learns which side each sender is on, from the source addresses of the frames that it
 * sends.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_LEARN_H
#define TOOL_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#define LEARN_ADDRESSES 4096u /* that are remembered; a power of two */

/* Zeroed: nothing is known. */
struct learned {
	struct {
		uint64_t address; /* 0: none */
		uint8_t side;
	} slot[LEARN_ADDRESSES];
};

/*
 * Learn from the first bytes of a frame that arrived on a side. True: its receiver is on that side,
 * too.
 */
bool learn(struct learned *l, const uint8_t *frame, uint32_t len, uint8_t side);

#endif
