/*
 * memory_is_shared.c - a pool whose memory lies in a file (pp_pool_params.shared) or in an area of
 * the caller's (area_addr): pages are where pp_page_fd says; nobody can make the file smaller; its
 * memory goes back as any pool's does (law 5), and the area when nobody needs it any more; a child
 * of fork does nothing to either. And memory_strict: no other kind of memory is used.
 *
 * The file itself is asked how much memory it has: nobody else on the machine changes that.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct pp_pool_params shared(uint32_t chunk_size)
{
	struct pp_pool_params p = small_chunks(chunk_size);

	p.shared = true;
	return p;
}

static struct stat stat_of(int fd)
{
	struct stat s;

	require(!fstat(fd, &s), "the file can be looked at");
	return s;
}

/* Bytes of memory behind the file. */
static uint64_t memory_of(int fd)
{
	return 512 * (uint64_t)stat_of(fd).st_blocks;
}

/* What another process reads at the page's place in the file is what is in the page. */
static bool reads_as(const struct pp_page *page, const void *copy)
{
	char buf[65536];
	uint64_t offset;
	int fd = pp_page_fd(page, &offset);
	ssize_t size = (ssize_t)pp_page_size(page);

	return pread(fd, buf, (size_t)size, (off_t)offset) == size &&
	       !memcmp(buf, copy, (size_t)size);
}

static unsigned not_in_file(const struct bunch *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++)
		n += !reads_as(b->page[i], pp_page_addr(b->page[i]));
	return n;
}

/* ---- where pages lie ------------------------------------------------------------------------- */

static void pages_lie_in_the_file(uint32_t page_size, uint64_t area)
{
	struct pp_pool_params p = shared(64 * KIB);
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	p.page_size = page_size;
	p.area = area;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, (unsigned)(40 * 64 * KIB / page_size));
	fill_all(&b, 1);
	check_eq(not_in_file(&b), 0,
		 "%u pages of %u bytes, with an area of %llu: each is in the file", b.n, page_size,
		 (unsigned long long)area);
	check(all_different(&b), "and no two are the same");
	check_eq(device_can_write(&d, &b), b.n, "the device can write there");
	check_eq(not_in_file(&b), 0, "and the file has that, too");
	check_eq(pp_pool_fd(pool), pp_page_fd(b.page[0], NULL), "the pool's file is the pages'");
	put_all(&b);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

static void pages_of_all_sizes(void)
{
	pages_lie_in_the_file(2048, 0);
	pages_lie_in_the_file(4096, 0);
	pages_lie_in_the_file(65536, 0);
	pages_lie_in_the_file(4096, 50 * 64 * KIB);
}

/* With `private` nothing is told of a file. */
static void no_file(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct bunch b = take(pool, 1);

	check_eq(pp_pool_fd(pool), -ENOENT, "a pool of private memory has no file");
	check_eq(pp_page_fd(b.page[0], NULL), -ENOENT, "nor have its pages");
	put_all(&b);
	pp_pool_destroy(pool);
}

/* ---- seals ------------------------------------------------------------------------------- */

static void cannot_be_made_smaller(void)
{
	struct pp_pool_params p = shared(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct bunch b = take(pool, 100), more;
	int fd = dup(pp_pool_fd(pool)); /* another process's */
	off_t size = stat_of(fd).st_size;

	check(ftruncate(fd, size - 65536) && errno == EPERM, "it can't be made smaller");
	check(ftruncate(fd, 0) && errno == EPERM, "nor emptied");
	check(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) && errno == EPERM, "nor kept from growing");
	check(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) && errno == EPERM, "nor from writes");
	check_eq(ftruncate(fd, size + 10 * (off_t)MIB), 0, "it can be made larger,");
	more = take(pool, 1000);
	fill_all(&more, 3);
	check_eq(not_in_file(&more), 0, "which is no harm to the pool");
	put_all(&b);
	put_all(&more);
	pp_pool_destroy(pool);
	close(fd);

	p.area = 8 * 64 * KIB;
	pool = new_pool(pp_binding_none(), &p);
	fd = pp_pool_fd(pool);
	check_eq(stat_of(fd).st_size, (long long)p.area, "with an area it has that size");
	check(ftruncate(fd, (off_t)p.area + 4096) && errno == EPERM, "and keeps it");
	check(ftruncate(fd, 0) && errno == EPERM, "either way");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* By /proc, say: who has it for reading only could else open it for writing. */
static void others_cannot_open_it(void)
{
	struct pp_pool_params p = shared(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);

	check_eq(stat_of(pp_pool_fd(pool)).st_mode & 07777, 0600, "the mode of the file");
	pp_pool_destroy(pool);
}

/* Opened anew for reading, it can be neither written nor emptied. */
static void can_be_read_only(void)
{
	struct pp_pool_params p = shared(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct bunch b = take(pool, 1);
	char name[64], *map;
	int fd;

	snprintf(name, sizeof name, "/proc/self/fd/%d", pp_pool_fd(pool));
	fd = open(name, O_RDONLY | O_CLOEXEC);
	check(fd >= 0, "the file is opened for reading");
	check(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED, "not for writing");
	check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), "nor emptying");
	map = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
	check(map != MAP_FAILED, "it is mapped");
	fill_all(&b, 7);
	check(!memcmp(map, pp_page_addr(b.page[0]), 4096), "and shows what the page holds");
	munmap(map, 65536);
	close(fd);
	put_all(&b);
	pp_pool_destroy(pool);
}

/* ---- memory goes back -------------------------------------------------------------------- */

static void *puts_all(void *arg)
{
	put_all(arg);
	return NULL;
}

static void live(bool other_thread)
{
	struct pp_pool_params p = shared(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	int fd = dup(pp_pool_fd(pool));
	off_t size = 0;

	for (unsigned i = 0; i < 4; i++) {
		struct bunch b = take(pool, 3000);

		fill_all(&b, i);
		if (other_thread)
			join(start(puts_all, &b));
		else
			put_all(&b);
		pp_pool_trim(pool, 0);
		if (!i)
			size = stat_of(fd).st_size;
	}
	check_eq(memory_of(fd), 0, "trimmed, the file has no memory");
	check_eq(stat_of(fd).st_size, (long long)size, "and is no longer than it was at first");
	pp_pool_destroy(pool);
	close(fd);
	check_nothing_left("at the end");
}

static void trimming_empties_it(void)
{
	live(false);
	live(true);
}

/* Each page's memory goes as it is put, unless pages share one of the kernel's. */
static void zombie(uint64_t area, bool locked)
{
	struct pp_pool_params p = shared(64 * KIB);
	unsigned wrong = 0;
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;
	int fd;

	p.area = area;
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	fd = dup(pp_pool_fd(pool));
	b = take(pool, 300);
	fill_all(&b, 5);
	if (locked)
		for (unsigned i = 0; i < b.n; i++)
			wrong += mlock(pp_page_addr(b.page[i]), 4096) != 0;
	check_eq(wrong, 0, "%s, area %llu", locked ? "locked" : "not locked",
		 (unsigned long long)area);
	thin_out(&b, 3);
	pp_device_unbind(d.dev);
	pp_pool_trim(pool, 0);
	check_eq(memory_of(fd), 100 * 4096,
		 "revoked: it has the memory of the pages that are held");
	pp_pool_destroy(pool);
	while (b.n > 0) {
		wrong += !filled(b.page[b.n - 1], 5) ||
			 !reads_as(b.page[b.n - 1], pp_page_addr(b.page[b.n - 1]));
		pp_page_put(b.page[--b.n]);
		wrong += memory_of(fd) != b.n * 4096ull;
	}
	check_eq(wrong, 0, "each held what it had, and its memory went as it was put");
	put_all(&b);
	close(fd);
	soft_device_exit(&d);
	check_nothing_left("with the last page");
}

static void zombies_empty_it(void)
{
	if (getauxval(AT_PAGESZ) != 4096) {
		tap_skip("a page's memory goes as it is put", "pages share one of the kernel's");
		return;
	}
	zombie(0, false);
	zombie(40 * 64 * KIB, false);
	zombie(0, true);
}

/* ---- a child of fork --------------------------------------------------------------------- */

/* Puts what it has and ends the pool, as if it were its own; whose own file it doesn't have. */
static void child(struct pp_pool *pool, struct bunch *b, int file)
{
	struct pp_page *page;
	bool refused = pp_page_get(&page, pool) == -ENODEV;

	refused &= !file || (pp_pool_fd(pool) == -ENOENT && fcntl(file, F_GETFD) < 0);
	pp_pool_trim(pool, 0);
	put_all(b);
	pp_pool_destroy(pool);
	_exit(refused && nothing_left() ? 0 : 1);
}

static void child_does_no_harm(void)
{
	struct pp_pool_params p = shared(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);
	struct bunch b = take(pool, 1000);
	int fd = pp_pool_fd(pool), how = -1;
	uint64_t before;
	pid_t pid;

	fill_all(&b, 4);
	before = memory_of(fd);
	fflush(stdout);
	pid = fork();
	if (!pid)
		child(pool, &b, fd);
	waitpid(pid, &how, 0);
	check_eq(how, 0, "a child puts all and ends the pool; it gets none");
	check_eq(memory_of(fd), (long long)before, "the parent's file is as it was");
	check(all_filled(&b, 4), "and so is what is in it");
	check_eq(not_in_file(&b), 0, "which its pages still show");
	put_all(&b);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- reserved, tracked ------------------------------------------------------------------- */

static void reserve_populates_it(void)
{
	struct pp_pool_params p = shared(64 * KIB);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);

	check_eq(pp_pool_reserve(pool, 1000), 0, "1,000 pages are reserved");
	check(memory_of(pp_pool_fd(pool)) >= 1000 * 4096, "and the file has their memory");
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* ---- an area of the caller's ------------------------------------------------------------- */

#define AREA (24ull * 64 * KIB)

struct lent {
	char *addr;
	int fd, freed;
	bool as_lent;
};

static void freed(void *addr, uint64_t len, void *ctx)
{
	struct lent *l = ctx;

	l->freed++;
	l->as_lent = addr == l->addr && len == AREA;
}

/* At a multiple of a chunk's size. */
static struct pp_pool_params lend(struct lent *l, bool file)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	char *all = mmap(NULL, AREA + 64 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(l, 0, sizeof *l);
	l->addr = all + (-(uintptr_t)all & (64 * KIB - 1));
	l->fd = file ? memfd_create("test", MFD_CLOEXEC) : -1;
	require(!file || !ftruncate(l->fd, AREA + 65536), "a file");
	require(mmap(l->addr, AREA, PROT_READ | PROT_WRITE,
		     MAP_FIXED | (file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), l->fd,
		     file ? 65536 : 0) != MAP_FAILED,
		"an area");
	p.area = AREA;
	p.area_addr = l->addr;
	p.area_fd = file ? l->fd : 0;
	p.area_offset = file ? 65536 : 0;
	p.area_free = freed;
	p.area_ctx = l;
	return p;
}

static void take_back(struct lent *l)
{
	munmap(l->addr, AREA);
	if (l->fd >= 0)
		close(l->fd);
}

static bool lies_in(const struct bunch *b, const char *addr)
{
	bool in = true;

	for (unsigned i = 0; i < b->n; i++)
		in &= (char *)pp_page_addr(b->page[i]) >= addr &&
		      (char *)pp_page_addr(b->page[i]) < addr + AREA;
	return in;
}

static void area(bool file)
{
	struct soft_device d;
	struct lent l;
	struct pp_pool_params p = lend(&l, file);
	struct pp_pool *pool;
	struct pp_page *page;
	struct bunch b;
	int how = -1;
	pid_t pid;

	printf("# %s\n", file ? "of a file" : "private");
	soft_device_init(&d, NULL);
	pool = new_pool(soft_device_bind(&d), &p);
	b = take(pool, AREA / 4096);
	check(lies_in(&b, l.addr) && all_different(&b), "all pages lie in the area");
	check_eq(pp_page_get(&page, pool), -ENOBUFS, "which is all there is");
	fill_all(&b, 6);
	check_eq(pp_page_fd(b.page[0], NULL), file ? l.fd : -ENOENT, "its file is the caller's");
	check(!file || !not_in_file(&b), "where each page lies");
	check_eq(device_can_write(&d, &b), b.n, "the device reaches them");
	fill_all(&b, 6);
	fflush(stdout);
	pid = fork();
	if (!pid)
		child(pool, &b, 0);
	waitpid(pid, &how, 0);
	check_eq(how, 0, "a child ends its copy of the pool,");
	check(all_filled(&b, 6) && !l.freed, "and the area is as it was");
	pp_device_unbind(d.dev);
	thin_out(&b, 2);
	pp_pool_destroy(pool);
	check(all_filled(&b, 6), "what is held is as it was");
	check_eq(l.freed, 0, "pages are out: the area is needed");
	while (b.n > 1)
		pp_page_put(b.page[--b.n]);
	check_eq(l.freed, 0, "to the last");
	put_all(&b);
	check(l.freed == 1 && l.as_lent, "and then it is free");
	soft_device_exit(&d);
	check_nothing_left("the pool has gone");
	memset(l.addr, 1, AREA); /* it is there, for the caller and its children */
	pid = fork();
	if (!pid)
		_exit(l.addr[AREA - 1] == 1 ? 0 : 1);
	waitpid(pid, &how, 0);
	check_eq(how, 0, "a child has it again");
	take_back(&l);
}

static void areas_of_the_callers(void)
{
	area(false);
	area(true);
}

/* One that was never used is free, too; but not if there is no pool. */
static void area_without_a_page(void)
{
	pp_binding_t ended;
	struct soft_device d;
	struct lent l;
	struct pp_pool_params p = lend(&l, false);
	struct pp_pool *pool = new_pool(pp_binding_none(), &p);

	pp_pool_destroy(pool);
	check_eq(l.freed, 1, "free with the pool's handle");
	soft_device_init(&d, NULL);
	ended = soft_device_bind(&d);
	pp_device_unbind(d.dev);
	check_eq(pp_pool_create(&pool, ended, &p), -ENODEV, "no pool is made");
	check_eq(l.freed, 1, "and the area was the caller's all along");
	soft_device_exit(&d);
	take_back(&l);
}

/* ---- no other kind of memory ------------------------------------------------------------- */

/* A file's memory has a setting of its own; without such a kernel there are none. */
static bool files_have_thp(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");
	char mode[64] = "";
	bool told = f && fgets(mode, sizeof mode, f);

	if (f)
		fclose(f);
	return told && !strstr(mode, "[never]") && !strstr(mode, "[deny]");
}

static void strict(enum pp_memory kind, bool file)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool_stats s;
	struct pp_pool *pool;
	struct pp_page *page;
	int ret;

	p.memory = kind;
	p.memory_strict = true;
	p.shared = file;
	ret = pp_pool_create(&pool, pp_binding_none(), &p);
	if (ret == -ENOMEM && file) {
		tap_skip("a file of hugetlb pages", "the kernel has no such file");
		return;
	}
	require(!ret, "a pool is made");
	ret = pp_page_get(&page, pool);
	s = pool_stats(pool);
	check(ret == 0 || ret == -ENOMEM, "kind %d%s: %s", kind, file ? ", in a file" : "",
	      ret ? "there is none" : "there is a page");
	if (kind == PP_MEMORY_THP && file && !files_have_thp())
		check_eq(ret, -ENOMEM, "shmem_enabled forbids them");
	check_eq(s.chunks_hugetlb, kind == PP_MEMORY_HUGETLB ? s.chunks : 0, "hugetlb chunks");
	check_eq(s.chunks_thp, kind == PP_MEMORY_THP ? s.chunks : 0, "THP chunks");
	check_eq(s.chunks, !ret, "no other");
	if (!ret && file) {
		struct bunch b = { &page, 1 };

		fill(page, 8);
		check_eq(not_in_file(&b), 0, "the page is in the file");
	}
	if (!ret)
		pp_page_put(page);
	pp_pool_trim(pool, 0);
	check(!file || !memory_of(pp_pool_fd(pool)), "trimmed, nothing is left of it");
	ret = pp_page_get(&page, pool);
	check(ret == 0 || ret == -ENOMEM, "and again");
	if (!ret)
		pp_page_put(page);
	pp_pool_destroy(pool);
	check_nothing_left("at the end");
}

/* Not strict: as the kernel's settings have it, and the statistics tell. */
static void falls_back(void)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool_stats s;
	struct pp_pool *pool;
	struct bunch b;

	p.memory = PP_MEMORY_THP;
	p.shared = true;
	pool = new_pool(pp_binding_none(), &p);
	b = take(pool, 1);
	s = pool_stats(pool);
	check_eq(files_have_thp() ? s.chunks_thp : s.chunks_base, s.chunks, "of the right kind");
	put_all(&b);
	pp_pool_destroy(pool);
}

static void no_other_kind(void)
{
	strict(PP_MEMORY_HUGETLB, false);
	strict(PP_MEMORY_HUGETLB, true);
	strict(PP_MEMORY_THP, false);
	strict(PP_MEMORY_THP, true);
	strict(PP_MEMORY_BASE, false);
	strict(PP_MEMORY_BASE, true);
}

int main(void)
{
	bool empties = kernel_empties_files();

	run(pages_of_all_sizes);
	run(no_file);
	run(cannot_be_made_smaller);
	run(others_cannot_open_it);
	run(can_be_read_only);
	if (empties) {
		run(trimming_empties_it);
		run(zombies_empty_it);
		run(reserve_populates_it);
		run(no_other_kind); /* huge pages that aren't there are not refused either */
	}
	if (kernel_keeps_from_fork())
		run(child_does_no_harm);
	run(areas_of_the_callers);
	run(area_without_a_page);
	run(falls_back);
	pp_debug_set(PP_DEBUG_PAGES);
	run(pages_of_all_sizes);
	if (empties) {
		run(trimming_empties_it);
		run(zombies_empty_it);
	}
	run(areas_of_the_callers);
	return tap_end();
}
