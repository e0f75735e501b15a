/*
 * probe.h - probes for perf and bpftrace (USDT): a nop each if PP_USDT is defined, which needs
 * <sys/sdt.h>; otherwise nothing at all. docs/telemetry.md has the list. Not for reading first:
 * fast.h includes it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_INLINE_PROBE_H
#define PAGEPOOL_INLINE_PROBE_H

#ifdef PP_USDT
#include <sys/sdt.h>
/* perf drops constants, and wants the same types at all sites of a probe: so n is in a register. */
#define PP_PROBE2(name, a, n)                                                                      \
	do {                                                                                       \
		unsigned int pp_n_ = (n);                                                          \
		__asm__("" : "+r"(pp_n_));                                                         \
		DTRACE_PROBE2(pagepool, name, a, pp_n_);                                           \
	} while (0)
#define PP_PROBE3(name, a, b, c) DTRACE_PROBE3(pagepool, name, a, b, c)
#else
#define PP_PROBE2(name, a, b) ((void)0)
#define PP_PROBE3(name, a, b, c) ((void)0)
#endif

#endif
