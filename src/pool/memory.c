/*
 * memory.c - where a pool's memory comes from: the system; a file of the pool's own, which other
 * processes can map; or an area of the caller's.
 *
 * A pool has one file, and a span an extent of it: so a page's place in the file is its place in
 * the span. The file grows by an extent for each span for which no spare one is left. An extent is
 * of no use to spans of another size, of which there are few, mostly 1, 2, 4 and so on up to
 * POOL_SPAN chunks: so the file is little longer than the memory that the pool had at a time. What
 * isn't in use has no memory behind it.
 *
 * A child of fork would share a file's memory with its parent, and the pool's copy there would take
 * the same pages for its own. So the child doesn't get it, as with memory that a device pins; nor
 * does its descriptor keep the file when the parent has ended.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/memory.h"

#include "env/debug.h"
#include "pool/holders.h"

#define MIB_2 (2u << 20)
#define GIB (1u << 30)

/* ---- parameters --------------------------------------------------------------------------- */

static int check_strict(const struct pp_pool_params *p)
{
	bool huge = p->memory == PP_MEMORY_HUGETLB;

	if (!p->memory_strict)
		return 0;
	if (huge && p->area && !p->shared)
		return debug_invalid("pp_pool_create: memory_strict is set for hugetlb pages in an "
				     "area: that needs `shared`");
	if (huge && !p->shared && p->chunk_size != MIB_2 && p->chunk_size != GIB)
		return debug_invalid("pp_pool_create: memory_strict is set for hugetlb pages, and "
				     "chunk_size is %u: it must be 2097152 or 1073741824",
				     p->chunk_size);
	if (p->memory != PP_MEMORY_BASE && p->chunk_size < MIB_2)
		return debug_invalid("pp_pool_create: memory_strict is set for huge pages, and "
				     "chunk_size is %u: it must be 2097152 at least",
				     p->chunk_size);
	return 0;
}

static int check_callers(const struct pp_pool_params *p)
{
	if (!p->area_addr && (p->area_fd || p->area_offset || p->area_free || p->area_ctx))
		return debug_invalid("pp_pool_create: area_fd, area_offset, area_free or area_ctx "
				     "is set, and area_addr is not");
	if (!p->area_addr)
		return 0;
	if (!p->area || (uintptr_t)p->area_addr % p->chunk_size)
		return debug_invalid("pp_pool_create: area_addr is %p, and area %llu: neither may "
				     "be 0, and both must be multiples of chunk_size, which is %u",
				     p->area_addr, (unsigned long long)p->area, p->chunk_size);
	if (p->shared || p->memory_strict)
		return debug_invalid("pp_pool_create: %s is set, and the memory is the caller's: "
				     "area_addr",
				     p->shared ? "shared" : "memory_strict");
	if (p->area_fd < 0 || p->area_offset % env_kernel_page())
		return debug_invalid("pp_pool_create: area_fd is %d, and area_offset %llu: neither "
				     "may be negative, and the offset must be a multiple of %zu",
				     p->area_fd, (unsigned long long)p->area_offset,
				     env_kernel_page());
	return p->area_fd ? env_file_check(p->area_fd) : 0;
}

int memory_check(const struct pp_pool_params *p)
{
	int ret = check_strict(p);

	if (p->numa_node < 0 || p->numa_node > PP_NUMA_NODE(ENV_NODES - 1))
		return debug_invalid("pp_pool_create: numa_node is %d: it must be PP_NUMA_ANY or "
				     "PP_NUMA_NODE(0) to PP_NUMA_NODE(%d)",
				     p->numa_node, ENV_NODES - 1);
	return ret ? ret : check_callers(p);
}

/* ---- the file ----------------------------------------------------------------------------- */

static size_t huge_page(const struct pp_pool_params *p)
{
	if (p->memory != PP_MEMORY_HUGETLB)
		return 0;
	return p->chunk_size < GIB ? MIB_2 : GIB;
}

int memory_begin(struct pp_pool *pool)
{
	struct pp_pool_params *p = &pool->params;
	int ret;

	pool->file.fd = p->area_fd ? p->area_fd : -1;
	if (p->shared) {
		ret = env_file_create(&pool->file.fd, pool->name, huge_page(p), p->area);
		if (ret)
			return ret;
		pool->file.own = true;
	}
	pool->pinned = memory_is_shared(pool);
	return 0;
}

/* The area is the caller's again, unless a device may still reach it. */
static void end_area(struct pp_pool *pool)
{
	const struct pp_pool_params *p = &pool->params;

	if (!pool->area_free || pool->some_lost || pool->file.parents)
		return;
	env_cancel_off();
	pool->area_free(p->area_addr, p->area, p->area_ctx);
	env_cancel_on();
}

void memory_end(struct pp_pool *pool)
{
	struct file *file = &pool->file;

	for (unsigned n = 0; n <= POOL_SPAN; n++)
		for (struct extent *e = file->spare[n], *next; e; e = next) {
			next = e->next;
			env_free(e);
		}
	if (file->own && file->fd >= 0)
		env_file_close(file->fd);
	end_area(pool);
}

void memory_is_parents(struct pp_pool *pool)
{
	struct file *file = &pool->file;

	file->parents = true;
	if (!file->own || file->fd < 0)
		return;
	env_file_close(file->fd);
	file->fd = -1;
}

/* At the end of the file: 0; -ENOMEM. */
static int add_extent(struct file *file, struct extent **out, uint64_t bytes)
{
	struct extent *e = env_zalloc(sizeof *e);

	*out = e;
	if (!e)
		return -ENOMEM;
	if (env_file_extend(file->fd, file->bytes + bytes)) {
		env_free(e);
		return -ENOMEM;
	}
	e->offset = file->bytes;
	file->bytes += bytes;
	return 0;
}

static int take_extent(struct pp_pool *pool, struct extent **out, uint32_t n)
{
	struct file *file = &pool->file;

	*out = file->spare[n];
	if (!*out)
		return add_extent(file, out, n * (uint64_t)chunk_size(pool));
	file->spare[n] = (*out)->next;
	return 0;
}

static void give_extent(struct pp_pool *pool, struct extent *e, uint32_t n)
{
	e->next = pool->file.spare[n];
	pool->file.spare[n] = e;
}

/* ---- spans -------------------------------------------------------------------------------- */

static int take_of_file(struct pp_pool *pool, struct span *span, uint32_t n)
{
	int ret = take_extent(pool, &span->extent, n);

	if (ret)
		return ret;
	span->offset = span->extent->offset;
	ret = env_file_map((void **)&span->addr, n * chunk_size(pool), chunk_size(pool),
			   pool->file.fd, span->offset);
	if (ret)
		give_extent(pool, span->extent, n);
	return ret;
}

int memory_take(struct pp_pool *pool, struct span *span, uint32_t n)
{
	int ret = 0;

	span->n = n;
	span->leaf = SIZE_MAX;
	if (memory_is_callers(pool)) {
		span->addr = pool->params.area_addr;
		span->offset = pool->params.area_offset;
	} else if (pool->file.own) {
		ret = take_of_file(pool, span, n);
	} else {
		ret = env_reserve((void **)&span->addr, n * chunk_size(pool), chunk_size(pool));
	}
	if (!ret && memory_is_shared(pool))
		env_keep_from_fork(span->addr, n * chunk_size(pool), true);
	return ret;
}

void memory_give(struct pp_pool *pool, struct span *span)
{
	size_t len = span->n * chunk_size(pool);

	if (memory_is_callers(pool)) {
		env_keep_from_fork(span->addr, len, false);
		return;
	}
	if (pool->file.own) { /* whoever else has it mapped keeps nothing of it */
		memory_discard(pool, span->addr, len);
		give_extent(pool, span->extent, span->n);
	}
	env_unmap(span->addr, len);
}

static int commit(const struct pp_pool *pool, void *addr, size_t len, enum pp_memory kind)
{
	int node = pool->params.numa_node;

	return pool->file.own ? env_file_commit(addr, len, kind, node) :
				env_commit(addr, len, kind, node);
}

int memory_commit(struct pp_pool *pool, void *addr, size_t len, enum pp_memory *kind)
{
	const struct pp_pool_params *p = &pool->params;
	int ret;

	*kind = memory_is_callers(pool)	       ? PP_MEMORY_BASE :
		memory_may_be_hugetlb(pool) ? PP_MEMORY_THP : /* hugetlb has its own addresses */
						 p->memory;
	if (memory_is_callers(pool))
		return 0;
	ret = commit(pool, addr, len, *kind);
	if (!ret || *kind != PP_MEMORY_THP || p->memory_strict)
		return ret;
	*kind = PP_MEMORY_BASE;
	return commit(pool, addr, len, *kind);
}

int memory_discard(const struct pp_pool *pool, void *addr, size_t len)
{
	if (memory_is_callers(pool))
		return -EPERM;
	if (pool->file.own && !pool->file.parents)
		return env_file_discard(addr, len);
	return env_discard(addr, len);
}

/* ---- for other processes ------------------------------------------------------------------ */

static int fd_of(const struct pp_pool *pool)
{
	return pool->file.fd < 0 ? -ENOENT : pool->file.fd;
}

int pp_pool_fd(const struct pp_pool *pool)
{
	if (!pool)
		return debug_invalid("pp_pool_fd: there is no pool");
	if (misuse_destroyed(pool, "file descriptor", __builtin_return_address(0)))
		return -EINVAL;
	return fd_of(pool);
}

int pp_page_fd(const struct pp_page *page, uint64_t *offset)
{
	const struct span *span = page ? page_chunk(page)->span : NULL;

	if (!page)
		return debug_invalid("pp_page_fd: there is no page");
	if (offset)
		*offset = span->offset + (uint64_t)((char *)pp_page_addr(page) - span->addr);
	return fd_of(page_pool(page));
}
