/*
 * atomics.h - the explorer's atomics and barriers. Included before anything else (-include); the
 * inline functions of pagepool/inline/fast.h use them too (pagepool/inline/machine.h). Each goes to
 * the explorer (explore.h), which decides there who runs next.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_ATOMICS_H
#define ENV_ATOMICS_H

#include "explore.h"

/* ---- atomics ---------------------------------------------------------------------- */

/* The place of an operation in the source, and its order. */
#define ENV_SITE_OF(op, text, order)                                                               \
	__extension__({                                                                            \
		static const struct site site_ __attribute__((section(                             \
			"explore_sites"))) = { op, text, __FILE__, __func__, __LINE__, order };    \
		&site_;                                                                            \
	})
#define ENV_SITE(text) ENV_SITE_OF("", text, 0)

#define ENV_LOAD(op, p, order)                                                                     \
	((__typeof__(*(p)))op_load((p), sizeof *(p), ENV_SITE_OF(op, #p, order)))
#define ENV_STORE(op, p, v, order)                                                                 \
	op_store((p), sizeof *(p), (uintptr_t)(v), ENV_SITE_OF(op, #p, order))
#define ENV_RMW(op, p, how, v, order)                                                              \
	((__typeof__(*(p)))op_rmw((p), sizeof *(p), (how), (uintptr_t)(v),                         \
				  ENV_SITE_OF(op, #p, order)))
#define ENV_CAS(op, p, expected, v, order)                                                         \
	op_cas((p), sizeof *(p), (expected), (uintptr_t)(v), ENV_SITE_OF(op, #p, order))

#define env_load_relaxed(p) ENV_LOAD("load_relaxed", p, RELAXED)
#define env_load_acquire(p) ENV_LOAD("load_acquire", p, ACQUIRE)
#define env_load_seq_cst(p) ENV_LOAD("load_seq_cst", p, SEQ_CST)
#define env_store_relaxed(p, v) ENV_STORE("store_relaxed", p, v, RELAXED)
#define env_store_release(p, v) ENV_STORE("store_release", p, v, RELEASE)
#define env_xchg_acq_rel(p, v) ENV_RMW("xchg_acq_rel", p, RMW_XCHG, v, ACQ_REL)
#define env_xchg_seq_cst(p, v) ENV_RMW("xchg_seq_cst", p, RMW_XCHG, v, SEQ_CST)
#define env_cas_acq_rel(p, expected, v) ENV_CAS("cas_acq_rel", p, expected, v, ACQ_REL)
#define env_cas_relaxed(p, expected, v) ENV_CAS("cas_relaxed", p, expected, v, RELAXED)
#define env_add_relaxed(p, v) ENV_RMW("add_relaxed", p, RMW_ADD, v, RELAXED)
#define env_add_acq_rel(p, v) ENV_RMW("add_acq_rel", p, RMW_ADD, v, ACQ_REL)
#define env_sub_acq_rel(p, v) ENV_RMW("sub_acq_rel", p, RMW_SUB, v, ACQ_REL)
#define env_and_acq_rel(p, v) ENV_RMW("and_acq_rel", p, RMW_AND, v, ACQ_REL)
#define env_or_relaxed(p, v) ENV_RMW("or_relaxed", p, RMW_OR, v, RELAXED)
#define env_or_seq_cst(p, v) ENV_RMW("or_seq_cst", p, RMW_OR, v, SEQ_CST)
#define env_fence_seq_cst() op_fence(ENV_SITE_OF("fence_seq_cst", "fence", SEQ_CST))
#define env_count(p, v) env_store_relaxed((p), env_load_relaxed(p) + (v))
#define env_copy_relaxed(to, from, n)                                                              \
	do                                                                                         \
		for (unsigned i_ = 0; i_ < (n); i_++)                                              \
			env_store_relaxed((to) + i_, env_load_relaxed((from) + i_));               \
	while (0)
#define env_copy_backwards(to, from, n)                                                            \
	do                                                                                         \
		for (unsigned i_ = 0; i_ < (n); i_++)                                              \
			env_store_relaxed((to) + i_, env_load_relaxed((from) + (n)-1 - i_));       \
	while (0)

#define env_barrier_light() __asm__ volatile("" : : : "memory")
#ifdef BROKEN_HEAVY /* left out: an order for the compiler only */
#define env_barrier_heavy() env_barrier_light()
#else
#define env_barrier_heavy() op_heavy(ENV_SITE_OF("barrier_heavy", "heavy barrier", SEQ_CST))
#endif
#define env_barrier_init() 0

/* What is a thread's own: the explorer exchanges it with the thread. */
#define __thread __attribute__((section("explore_tls")))
#define tls_model(how) unused

#endif
