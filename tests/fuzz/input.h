/*
 * input.h - a fuzzer's bytes, read one after the other. Past the end all of them are 0.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *at, *end;
};

static inline bool input_ended(const struct input *in)
{
	return in->at == in->end;
}

static inline uint8_t input_byte(struct input *in)
{
	return input_ended(in) ? 0 : *in->at++;
}

/* One of n, 256 at most. */
static inline unsigned input_below(struct input *in, unsigned n)
{
	return input_byte(in) % n;
}

static inline uint64_t input_number(struct input *in, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | input_byte(in);
	return n;
}

#endif
