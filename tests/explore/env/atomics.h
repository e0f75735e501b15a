/*
 * atomics.h - the explorer's atomics and barriers. Included before anything else (-include),
 * so that the inline functions of pagepool/fast.h use them too. Each goes to the explorer
 * (explore.h), which decides there who runs next.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_ATOMICS_H
#define ENV_ATOMICS_H

#include "explore.h"

/* ---- atomics ---------------------------------------------------------------------- */

/* The place of an operation in the source, for the trace of a failure. */
#define ENV_SITE(text)                                                                             \
	__extension__({                                                                            \
		static const struct site site_ = { text, __FILE__, __func__, __LINE__ };           \
		&site_;                                                                            \
	})

#define ENV_LOAD(p, order) ((__typeof__(*(p)))op_load((p), sizeof *(p), (order), ENV_SITE(#p)))
#define ENV_STORE(p, v, order) op_store((p), sizeof *(p), (uintptr_t)(v), (order), ENV_SITE(#p))
#define ENV_RMW(p, how, v, order)                                                                  \
	((__typeof__(*(p)))op_rmw((p), sizeof *(p), (how), (uintptr_t)(v), (order), ENV_SITE(#p)))
#define ENV_CAS(p, expected, v, order)                                                             \
	op_cas((p), sizeof *(p), (expected), (uintptr_t)(v), (order), ENV_SITE(#p))

#define env_load_relaxed(p) ENV_LOAD(p, RELAXED)
#define env_load_acquire(p) ENV_LOAD(p, ACQUIRE)
#define env_load_seq_cst(p) ENV_LOAD(p, ACQUIRE)
#define env_store_relaxed(p, v) ENV_STORE(p, v, RELAXED)
#define env_store_release(p, v) ENV_STORE(p, v, RELEASE)
#define env_xchg_acq_rel(p, v) ENV_RMW(p, RMW_XCHG, v, ACQ_REL)
#define env_xchg_seq_cst(p, v) ENV_RMW(p, RMW_XCHG, v, ACQ_REL)
#define env_cas_acq_rel(p, expected, v) ENV_CAS(p, expected, v, ACQ_REL)
#define env_cas_relaxed(p, expected, v) ENV_CAS(p, expected, v, RELAXED)
#define env_add_relaxed(p, v) ENV_RMW(p, RMW_ADD, v, RELAXED)
#define env_add_acq_rel(p, v) ENV_RMW(p, RMW_ADD, v, ACQ_REL)
#define env_sub_acq_rel(p, v) ENV_RMW(p, RMW_SUB, v, ACQ_REL)
#define env_and_acq_rel(p, v) ENV_RMW(p, RMW_AND, v, ACQ_REL)
#define env_or_relaxed(p, v) ENV_RMW(p, RMW_OR, v, RELAXED)
#define env_or_seq_cst(p, v) ENV_RMW(p, RMW_OR, v, ACQ_REL)
#define env_fence_seq_cst() op_fence(ENV_SITE("fence"))
#define env_count(p, v) env_store_relaxed((p), env_load_relaxed(p) + (v))
#define env_copy_relaxed(to, from, n)                                                              \
	do                                                                                         \
		for (unsigned i_ = 0; i_ < (n); i_++)                                              \
			env_store_relaxed((to) + i_, env_load_relaxed((from) + i_));               \
	while (0)

#define env_barrier_light() __asm__ volatile("" : : : "memory")
#ifdef BROKEN_HEAVY /* left out: an order for the compiler only */
#define env_barrier_heavy() env_barrier_light()
#else
#define env_barrier_heavy() op_heavy(ENV_SITE("heavy barrier"))
#endif
#define env_barrier_init() 0

/* fast.h */
#define pp_load_relaxed(p) env_load_relaxed(p)
#define pp_load_acquire(p) env_load_acquire(p)
#define pp_store_relaxed(p, v) env_store_relaxed(p, v)
#define pp_store_release(p, v) env_store_release(p, v)
#define pp_barrier_light() env_barrier_light()

/* What is a thread's own: the explorer exchanges it with the thread. */
#define __thread __attribute__((section("explore_tls")))
#define tls_model(how) unused

#endif
