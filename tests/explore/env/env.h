/*
 * env.h - the explorer's environment: found before src/env/env.h by the include path, so
 * that the library's own code is compiled against it, unchanged. Same names, same meaning.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_ENV_H
#define ENV_ENV_H

#include <errno.h>
#include <string.h>

#include "env/atomics.h"

#include <pagepool/pool.h>
#include <pagepool/types.h>

#define env_likely(x) __builtin_expect(!!(x), 1)
#define env_unlikely(x) __builtin_expect(!!(x), 0)
#define env_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ENV_LINE 64

/* ---- locks ------------------------------------------------------------------------ */

struct env_lock {
	uint32_t holder; /* a thread's number */
};
#define ENV_LOCK_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}
#define env_cancel_off() ((void)0)
#define env_cancel_on() ((void)0)
#define env_lock_init(lock) ((void)(*(lock) = (struct env_lock)ENV_LOCK_INIT))
#define env_lock_destroy(lock) op_lock_destroy(&(lock)->holder, ENV_SITE(#lock))
#define env_lock(lock) op_lock(&(lock)->holder, ENV_SITE(#lock))
#define env_trylock(lock) op_trylock(&(lock)->holder, ENV_SITE(#lock))
#define env_has_lock() op_has_lock()
#define env_unlock(lock) op_unlock(&(lock)->holder, ENV_SITE(#lock))

/* ---- memory, time, identity, words -------------------------------------------------- */

#define env_zalloc(bytes) heap_zalloc((bytes), ENV_LINE)
#define env_zalloc_aligned(bytes, align) heap_zalloc((bytes), (align))
#define env_free_numbered(p) env_free(p)
#define env_free(p) heap_free((p), ENV_SITE("free(" #p ")"))

#define env_memory_init() ((void)0)
#define env_kernel_page() ((size_t)PP_BASE_PAGE)
#define env_memory_bytes() UINT64_MAX
int env_map(void **out, size_t len, size_t align, enum pp_memory kind, int numa_node);
void env_unmap(void *addr, size_t len);
#define env_keep_from_fork(addr, len, keep) ((void)(addr), (void)(len), (void)(keep))
int env_reserve(void **out, size_t len, size_t align);
int env_commit(void *addr, size_t len, enum pp_memory kind, int numa_node);
#define env_populate(addr, len) ((void)(addr), (void)(len), 0)
int env_decommit(void *addr, size_t len);
int env_discard(void *addr, size_t len);
struct env_discards {
	char none;
};
#define env_discards_add(d, addr, len) ((void)(d), env_discard(addr, len))
#define env_discards_end(d) ((void)(d), 0)
/* no scenario's pool has a file */
#define env_file_create(out, name, huge_page, bytes)                                               \
	(fail("a file is made"), (void)(huge_page), *(out) = -1)
#define env_file_extend(fd, bytes) ((void)(bytes), -ENOMEM)
#define env_file_check(fd) 0
#define env_file_close(fd) ((void)(fd))
#define env_file_map(out, len, align, fd, offset) ((void)(out), -ENOMEM)
#define env_file_commit(addr, len, kind, node) env_commit(addr, len, kind, node)
#define env_file_discard(addr, len) env_discard(addr, len)
#define ENV_NODES 1
#define env_errno() 0
#define env_set_errno(before) ((void)(before))
#define env_prefetch(p) ((void)(p))
#define ENV_UNROLL
#define env_addresses(len) ((void *)(uintptr_t)(len))
size_t env_page_size(enum pp_memory kind);

#define ENV_NUMBERED 5120u
int env_alloc_numbered(void **out, size_t bytes);
uint32_t env_number_of(const void *p);

#define env_forks() 0u
#define env_at_fork(before, after) ((void)(before), (void)(after))

#define env_now_ns() ((uint64_t)0)
#define env_self() thread_self()
#define env_is_self(number) ((number) == thread_self())
struct env_thread {
	void (*at_end)(struct env_thread *thread); /* scenarios do it themselves */
	struct hlist_node *spsc_rings, *anchors;
	struct known *known;
};
struct env_thread *env_thread(void);
#define env_unloads() false
#define env_abort(text) fail("%s", text)
#define env_fault(what) false

int env_params(const char *call, void *ours, size_t our_size, const void *theirs);
void env_stats_out(void *theirs, size_t their_size, const void *ours, size_t our_size);

#endif
