/*
 * calls.h - the stateful fuzzer: what its parts share. An input is a list of calls; each is
 * made on pagepool and on the reference, and then all that can be seen is compared.
 *
 * The files: calls.c reads the list and compares; calls_device.c, calls_dma.c and
 * calls_pool.c each know the calls of one public header; crowd.c has the threads that make
 * them, backend.c the back end that is none of the library's.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef FUZZ_CALLS_H
#define FUZZ_CALLS_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "input.h"
#include "reference.h"

extern struct input in;

/* What the reference's records stand for. */
struct real {
	struct pp_device *device[DEVICES];
	struct pp_iommu
		*iommu[DEVICES];       /* the software IOMMU, through which a device does its DMA */
	struct pp_iommu *own[DEVICES]; /* backend.h's, which has it then; or NULL */
	struct pp_driver driver[DRIVERS];
	struct pp_pool *pool[POOLS];
	struct pp_getter *getter[GETTERS];
	uint64_t device_id[DEVICES], pool_id[POOLS];
	uint8_t *buffer[BUFFERS], *buffer_copy[BUFFERS];
	struct pp_budget *budget; /* of the pools that have one */
	uint64_t limit;
	unsigned n_areas; /* of the fuzzer's own memory that pools have */
};
extern struct real real;

/* The thread of control that is calling: 0, or one of the crowd's. */
extern __thread int thread;
/*
 * The crowd: real threads, numbered from 1 on, more than a pool has SPSC rings. They make calls by
 * turns, so that an input does the same each time.
 */
#define CROWD 70
/* Have one of them do it, while the calling one waits. False: it is in a call itself. */
bool crowd_do(int number, void (*what)(void));
/* Some of them, from a first one on, come to their end; those in a call don't. */
void crowd_leave(int first, int n);
void crowd_end(void);
/* No calls from inside callbacks: the outer call's effects must not be mixed up. */
extern bool quiet_callbacks;
/* The calls of a callback. */
void calls_nested(void);

/* Say, when PAGEPOOL_FUZZ_TRACE is set, what is called; what failed last is at the end. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* And what happens in it. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
void failed(const char *file, int line, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5), noreturn));
#define must(cond, ...)                                                                            \
	do {                                                                                       \
		if (!(cond))                                                                       \
			failed(__FILE__, __LINE__, #cond, __VA_ARGS__);                            \
	} while (0)
#define must_be(got, want, what)                                                                   \
	do {                                                                                       \
		long long g_ = (long long)(got), w_ = (long long)(want);                           \
		must(g_ == w_, "%s is %lld (0x%llx), and must be %lld (0x%llx)", (what), g_,       \
		     (unsigned long long)g_, w_, (unsigned long long)w_);                          \
	} while (0)

/* Whether the checker must report the call: checked when it is on. */
enum { REPORT_NONE, REPORT_SOME, REPORT_MAYBE };
extern int report_expected;
/* A parameter is refused with -EINVAL: debug mode of any kind says why. */
static inline void expect_sentence(void)
{
	if (ref.debug && report_expected == REPORT_NONE)
		report_expected = REPORT_SOME;
}

/*
 * Let the n-th thing that can fail in the next call fail, as the input wants it: begun
 * before the call, ended after it. faults_end: true if one did fail.
 */
void faults_begin(void);
bool faults_end(void);
/* What a call may return when something failed in it. */
extern int fault_said; /* by a back end's map, as the library is to take it; or 0 */
static inline bool fault_errno(int ret)
{
	return ret == -ENOMEM || ret == -ENOSPC || ret == -ENOSYS || (ret && ret == fault_said);
}

/* One of the bindings that ever were (often one that is alive); NONE: another number. */
int pick_binding(pp_binding_t *name);
int pick_device(void); /* that is registered, or NONE */
int pick_pool(void);   /* that has a handle, or NONE */

/* Its back end has lost count of what it can reach: it is blocked, and nothing new is mapped. */
bool device_broken(int device);
bool binding_broken(int binding);
bool pool_broken(int pool); /* one of its devices is */
bool any_broken(void);

/* Each makes one call, as the input says; false: it makes no sense now. */
bool call_device(unsigned which);
bool call_dma(unsigned which);
bool call_pool(unsigned which);
bool call_pool_more(unsigned which);
bool call_getter(unsigned which);
bool call_crowd(unsigned which);
void one_call(void);
#define CALLS_DEVICE 9
#define CALLS_DMA 9
#define CALLS_POOL 16
#define CALLS_POOL_MORE 6
#define CALLS_GETTER 4

/* calls_device.c */
void devices_begin(void);
void devices_end(void); /* everything goes */
void devices_each(void);
void device_compare(int device);
extern struct pp_domain_stats domain_now[DEVICES]; /* by the last device_compare */
/* calls_dma.c */
void mappings_compare(void);
/* One access of a device that must be refused so. */
void must_fault(int device, pp_iova_t iova, enum pp_soft_fault_reason why);
enum pp_soft_fault_reason fault_unless_mapped(int device, pp_iova_t iova);
/* calls_pool.c */
void pools_begin(void);
void pools_end(void);
void pools_compare(void);
void pools_each_compare(void); /* the list of them, zombies too */
void pages_compare(bool all);
extern struct pp_pool_stats pool_now[POOLS]; /* by the last pools_compare */
/* Bytes of its chunks, or of its area. */
uint64_t pool_bytes(int i);
uint8_t *page_copy(struct ref_page *page);
uint8_t *page_view(struct ref_page *page, int device);
/* Put one reference that is held, of a page of that pool, if there is one. */
bool page_put(int pool, unsigned from);
void recalls_compare(void);

#endif
