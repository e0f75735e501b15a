/*
 * env.h - all of the system that the floors above may use: atomics that name their memory order,
 * locks, memory, time, identity, text.
 *
 * Each environment implements it (user.c and thread.c: Linux user space). Nothing
 * above includes a system header for these things; for text there is stdio.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_ENV_H
#define ENV_ENV_H

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <pagepool/types.h>

/* ThreadSanitizer knows of atomics by their names only. */
#if defined(__SANITIZE_THREAD__)
#define ENV_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ENV_TSAN
#endif
#endif

#define env_likely(x) __builtin_expect(!!(x), 1)
#define env_unlikely(x) __builtin_expect(!!(x), 0)
#define env_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define env_prefetch(p) __builtin_prefetch(p)
/* Before a loop over eight: unrolled. clang does so anyway; before 12 it has no such pragma. */
#ifdef __clang__
#define ENV_UNROLL
#else
#define ENV_UNROLL _Pragma("GCC unroll 8")
#endif
#define ENV_LINE 64 /* bytes of a cache line: what two threads write lies further apart */

/* ---- atomics: on plain integers and pointers, the order in the name --------- */

#define env_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define env_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define env_load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define env_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define env_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define env_xchg_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define env_xchg_seq_cst(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/* true if *p was *expected; else *expected is what it is */
#define env_cas_acq_rel(p, expected, v)                                                            \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define env_cas_relaxed(p, expected, v)                                                            \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
/* these return the old value */
#define env_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define env_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define env_sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define env_and_acq_rel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)
#define env_or_relaxed(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)
#define env_or_seq_cst(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define env_fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* Two pointers in a vector, which moves each of them whole */
#if defined(__SSE2__) && UINTPTR_MAX == UINT64_MAX && !defined(ENV_TSAN)
#define ENV_POINTER_PAIRS
#endif
/* n pointers, each as by a relaxed load and store, in any order */
static inline void env_copy_relaxed(void *out, const void *in, unsigned n)
{
	void **to = out;
	void *const *from = in;

#ifdef ENV_POINTER_PAIRS
	for (; n >= 4; n -= 4, from += 4, to += 4) {
		__m128i a = _mm_loadu_si128((const __m128i *)from);
		__m128i b = _mm_loadu_si128((const __m128i *)(from + 2));

		_mm_storeu_si128((__m128i *)to, a);
		_mm_storeu_si128((__m128i *)(to + 2), b);
	}
#endif
	for (; n; n--)
		env_store_relaxed(to++, env_load_relaxed(from++));
}
/* The same, the last of them first */
static inline void env_copy_backwards(void *out, const void *in, unsigned n)
{
	void **to = out;
	void *const *from = (void *const *)in + n;

#ifdef ENV_POINTER_PAIRS
	for (; n >= 2; n -= 2, to += 2) {
		__m128d pair = _mm_loadu_pd((const double *)(from -= 2));

		_mm_storeu_pd((double *)to, _mm_shuffle_pd(pair, pair, 1));
	}
#endif
	for (; n; n--)
		env_store_relaxed(to++, env_load_relaxed(--from));
}
/* A counter with one writer: no read-modify-write. */
#define env_count(p, v) env_store_relaxed((p), env_load_relaxed(p) + (v))

/*
 * The asymmetric pair. If one thread does  A; light; B  and another C; heavy; D
 * then B sees C or D sees A. Light is free (the compiler's order only); heavy is
 * an expedited membarrier(2), which makes every running thread of the process pass
 * a full barrier.
 */
#define env_barrier_light() __atomic_signal_fence(__ATOMIC_SEQ_CST)
void env_barrier_heavy(void);
/* Call before the first heavy barrier. 0, or -ENOSYS: the kernel has no expedited membarrier(2). */
int env_barrier_init(void);

/* ---- cancellation, locks ------------------------------------------------------ */

/*
 * The library has no cancellation point. Between these two calls, which nest, the thread can't be
 * cancelled. Every lock does this while it is held, and so does every call of something that may be
 * a cancellation point, callbacks and back ends included.
 */
void env_cancel_off(void);
void env_cancel_on(void);

struct env_lock {
	pthread_mutex_t mutex;
};
#define ENV_LOCK_INIT                                                                              \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER                                                          \
	}
void env_lock_init(struct env_lock *lock);
void env_lock_destroy(struct env_lock *lock);
void env_lock(struct env_lock *lock);
bool env_trylock(struct env_lock *lock);
void env_unlock(struct env_lock *lock);
/* True if the calling thread has any, or is in a signal's handler. */
bool env_has_lock(void);
/* From the one to the other a signal's handler uses the library. */
void env_handler_begin(void);
void env_handler_end(void);

/* ---- memory ------------------------------------------------------------------ */

/* Zeroed, aligned to a cache line; NULL when there is none. */
void *env_zalloc(size_t bytes);
void *env_zalloc_aligned(size_t bytes, size_t align);
void env_free(void *p);

/* Find out once what the kernel offers. Call before env_map, with no lock held. */
void env_memory_init(void);
/*
 * The kernel's page size in bytes: 4, 16 or 64 KiB. Memory comes from the system and goes back in
 * multiples of it. Not to be confused with PP_BASE_PAGE, of which IOVAs are multiples.
 */
size_t env_kernel_page(void);
/* All that the machine has, swap space included. */
uint64_t env_memory_bytes(void);
#define ENV_NODES 1024 /* NUMA nodes that can be named */
/*
 * Allocate len bytes, rounded up to the kernel's pages, at a multiple of align, a power of two.
 * They read as zero, and hugetlb pages are really there. 0; -ENOMEM: none of this kind.
 */
int env_map(void **out, size_t len, size_t align, enum pp_memory kind, int numa_node);
/* Addresses only, which nobody may touch. 0; -ENOMEM. */
int env_reserve(void **out, size_t len, size_t align);
/*
 * Put memory of a kind other than hugetlb at addresses that are reserved or had memory before. It
 * reads as zero if it is new or was discarded. 0; -ENOMEM: none of this kind.
 */
int env_commit(void *addr, size_t len, enum pp_memory kind, int numa_node);
/* Free the memory, of any kind, and keep the addresses reserved. 0 or -errno: it is still there. */
int env_decommit(void *addr, size_t len);
/*
 * Populate memory that may be accessed. Its contents don't change, even while others use it. 0;
 * -ENOMEM.
 */
int env_populate(void *addr, size_t len);
/* Addresses and memory. */
void env_unmap(void *addr, size_t len);
/*
 * keep: children of fork don't get the memory, so that copy-on-write can't replace pages that a
 * device works on; false: they get it again. At these addresses a child has zeroes or inaccessible
 * memory of its own; they stay reserved, and it may unmap or discard there as the parent would.
 */
void env_keep_from_fork(void *addr, size_t len, bool keep);
/*
 * Free the contents and keep the addresses. Not for hugetlb pages, which stay reserved for the
 * addresses. Both arguments are multiples of the kernel's page, which rounds up and would take what
 * lies beside. Works on locked memory, too. 0 or -errno: some of it is still there.
 */
int env_discard(void *addr, size_t len);
/*
 * The same for many ranges in few system calls: add each, preferably in order of address, then end,
 * which tells whether any failed.
 */
#define ENV_DISCARDS 256u
struct env_discards {
	unsigned n; /* 0 at the start, */
	int failed; /* and so is this: the first failure */
	struct iovec range[ENV_DISCARDS];
};
void env_discards_add(struct env_discards *d, void *addr, size_t len);
int env_discards_end(struct env_discards *d);
/*
 * Create a memory file without a name that nobody can shrink and no other user can open. huge_page:
 * its page size, 2 MiB or 1 GiB; 0: the kernel's pages. bytes: its final size; 0: it is empty and
 * may be extended. 0; -EMFILE; -ENFILE; -ENOMEM: also if there are no such pages.
 */
int env_file_create(int *out, const char *name, size_t huge_page, uint64_t bytes);
/*
 * As env_commit, for addresses of a file, for which transparent huge pages have a setting of their
 * own. Also for hugetlb pages, which are really there afterwards.
 */
int env_file_commit(void *addr, size_t len, enum pp_memory kind, int numa_node);
/* It has so many bytes from now on, if it had fewer. 0; -ENOMEM. */
int env_file_extend(int fd, uint64_t bytes);
/* 0; -EBADF: it isn't open. */
int env_file_check(int fd);
void env_file_close(int fd);
/*
 * Map the file from offset on. Children of fork would share it: call env_keep_from_fork for all of
 * it. 0; -ENOMEM.
 */
int env_file_map(void **out, size_t len, size_t align, int fd, uint64_t offset);
/* As env_discard, for a file's memory of any kind: it goes for everyone who has it mapped. */
int env_file_discard(void *addr, size_t len);
/*
 * For the checker: what the process may do with all of a range, an OR of ENV_READ and ENV_WRITE.
 * -1: some of it isn't mapped; 0: also if it can't be found out.
 */
#define ENV_READ 1
#define ENV_WRITE 2
int env_memory_access(const void *addr, size_t len);
/* True if a range touches what env_zalloc gave out while checks were on. */
bool env_is_ours(const void *addr, size_t len);
/* True if it lies on the calling thread's stack. */
bool env_is_stack(const void *addr);
/*
 * Reserve addresses, without memory, to be used as unique numbers: nobody else in the process has
 * them, no other copy of the library either. len is a power of two, and they begin at a multiple of
 * it. NULL: none are left. Return them by env_unmap.
 */
void *env_addresses(size_t len);
/* The page size that a kind of memory has at best, in bytes. */
size_t env_page_size(enum pp_memory kind);

/*
 * The caller's errno, which no get or put changes, as it may succeed although something in it
 * failed.
 */
static inline int env_errno(void)
{
	return errno;
}

static inline void env_set_errno(int before)
{
	errno = before;
}

/* ---- time, identity, words ---------------------------------------------------- */

uint64_t env_now_ns(void); /* CLOCK_MONOTONIC */

/*
 * Zeroed memory with a number from 1 to 2^31 - 1 that is unique in the process, across all copies
 * of the library, since both stand for a stretch of address space. Up to ENV_NUMBERED bytes. 0;
 * -ENOMEM.
 */
#define ENV_NUMBERED 5120u
int env_alloc_numbered(void **out, size_t bytes);
uint32_t env_number_of(const void *p);
void env_free_numbered(void *p);

/*
 * The calling thread's number, never 0, which no other thread ever has in any copy of the library.
 */
uint64_t env_self(void);
/* True if a number, not 0, is the calling thread's: one comparison, for the fast paths. */
extern __thread uint64_t env_tls_self
	__attribute__((tls_model("initial-exec"), visibility("hidden")));
#define env_is_self(number) ((number) == env_tls_self)

/*
 * The calling thread's record, which lives as long as the thread or the library. NULL: no memory,
 * or the process is exiting.
 */
struct env_thread {
	void (*at_end)(struct env_thread *thread); /* called as the thread ends */
	struct hlist_node *spsc_rings, *anchors;   /* the pool floor's: heads, see env/list.h */
	struct known *known;                       /* the pool floor's; freed with the record */
	void *text; /* a back end's last word to it; freed with the record */
};
struct env_thread *env_thread(void);
/* For the library's destructors: true if the library is being unloaded and the process goes on. */
bool env_unloads(void);
/* The kernel's number of it, for messages. */
int env_thread_id(void);

/*
 * Check that it can be added to without blocking. 0; -EINVAL: it blocks; -ENOTTY: it is no eventfd;
 * -EBADF: it isn't open.
 */
int env_event_check(int fd);
void env_event_add(int fd); /* 1; no cancellation point where cancellation is off */

/* ---- fork ---------------------------------------------------------------------- */

/* How many lie between this process and the one that loaded the library. */
uint32_t env_forks(void);
/* False: no memory for that; then no pool is made. */
bool env_notices_forks(void);
/* Have these two called before and after each fork, in parent and child. There is one such pair. */
void env_at_fork(void (*before)(void), void (*after)(bool child));

/* The setting of a variable of the environment, or NULL. */
const char *env_setting(const char *name);
/* A code address in words: "function+0x12 (file)". Returns buf. */
const char *env_symbol(const void *code, char *buf, size_t size);
/*
 * Write to a file descriptor: text; a code address as a symbol, with a newline. Async-signal-safe.
 */
void env_write(int fd, const char *text, size_t len);
void env_write_symbol(int fd, const void *code);
/* The last word: print and abort. */
void env_abort(const char *text) __attribute__((noreturn));

/* ---- failures on purpose -------------------------------------------------------- */

/*
 * Called before everything that can fail. In a normal build it is a constant 0; in the test build
 * (-DPP_FAULTS) the test decides.
 */
#ifdef PP_FAULTS
bool env_fault(const char *what);
PP_API void env_fault_set(bool (*decide)(void *ctx, const char *what), void *ctx);
#else
#define env_fault(what) false
#endif

/* ---- parameters that grow --------------------------------------------------------- */

/*
 * Copy a caller's parameter structure, whose first member is its size, into ours. 0; -EINVAL: no
 * size; -E2BIG: it is longer and the rest isn't zero, which debug mode reports.
 */
int env_params(const char *call, void *ours, size_t our_size, const void *theirs);
/* Copy statistics out: as much as the caller has room for, the rest of it zero. */
void env_stats_out(void *theirs, size_t their_size, const void *ours, size_t our_size);

#endif
