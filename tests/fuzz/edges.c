/*
 * edges.c - for scripts/fuzz minimise: which edges the last input reached, on standard
 * error, when PAGEPOOL_FUZZ_EDGES is set. libFuzzer keeps them to itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The counters of clang's inline-8bit-counters; the linker names the section's ends. */
extern uint8_t first __asm__("__start___sancov_cntrs");
extern uint8_t end __asm__("__stop___sancov_cntrs");

static __attribute__((destructor)) void tell(void)
{
	if (!getenv("PAGEPOOL_FUZZ_EDGES"))
		return;
	for (const uint8_t *c = &first; c < &end; c++)
		if (*c)
			fprintf(stderr, "edge %zd\n", c - &first);
}
