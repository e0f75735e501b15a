/*
 * follow.c - loads the programs of watch.bpf.c, tells them the layout of this kernel's structures,
 * and reads what they counted (libbpf).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "follow.h"

#include "pages.h"
#include "watch.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINKS 5

struct follow {
	struct watch_bpf *bpf;
	struct bpf_link *link[LINKS];
	unsigned n_links;
	const char *missing[2];
	unsigned n_missing;
};

/* ---- what this kernel is like -------------------------------------------------------------- */

static int32_t place_of(const struct peek *p, enum member m)
{
	return has(p, m) ? (int32_t)offset_of(p, m) : -1;
}

/* An older kernel unmaps all that is mapped when it leaves, and tells of no unmap. */
static void tell_mapped(const struct peek *p, struct watch_layout *l)
{
	enum member flag = has(p, M_pool_dma_map) ? M_pool_dma_map : M_pool_flags_old;

	l->pool_mapped = -1;
	if (has(p, M_pool_dma_mapped) || !has(p, flag))
		return;
	l->pool_mapped = (int32_t)offset_of(p, flag);
	l->pool_mapped_bit = 1u << (flag == M_pool_dma_map ? bit_of(p, flag) : 0);
}

static void tell_layout(struct peek *p, struct watch_layout *l, uint64_t every, bool tells_unmaps)
{
	struct page_mark mark = pages_mark(p);

	l->pool_hold = place_of(p, M_pool_hold);
	l->pool_user_cnt = place_of(p, M_pool_user_cnt);
	l->pool_dev = place_of(p, M_pool_dev);
	l->dev_driver = place_of(p, M_device_driver);
	l->dev_bus = place_of(p, M_device_bus);
	l->dev_name = place_of(p, M_device_kobj_name);
	l->page_mark = place_of(p, mark.at);
	l->page_pool = place_of(p, mark.pool);
	l->mark_mask = mark.mask;
	l->mark = mark.value;
	l->page_size = (uint32_t)size_of(p, T_page);
	l->limit = every >= UINT32_MAX ? 0 : (uint32_t)(UINT32_MAX / every);
	l->pool_mapped = -1;
	if (!tells_unmaps)
		tell_mapped(p, l);
}

/* ---- begin --------------------------------------------------------------------------------- */

static int attach(struct follow *f, struct bpf_program *prog, const char *trace_point)
{
	struct bpf_link *link = bpf_program__attach_raw_tracepoint(prog, trace_point);

	if (!link)
		return -errno;
	f->link[f->n_links++] = link;
	return 0;
}

static int attach_all(struct follow *f, const char *unmaps)
{
	int ret = attach(f, f->bpf->progs.watch_free, "mm_page_free");

	if (ret)
		f->missing[f->n_missing++] =
			"who frees a page last, and pages freed while they are a pool's, are not "
			"seen: the kernel has no trace point mm_page_free";
	ret = attach(f, f->bpf->progs.watch_release, "page_pool_state_release");
	ret = ret ? ret : attach(f, f->bpf->progs.watch_hold, "page_pool_state_hold");
	ret = ret ? ret : attach(f, f->bpf->progs.watch_gone, "page_pool_release");
	if (!ret && unmaps)
		ret = attach(f, f->bpf->progs.watch_unmap, unmaps);
	else if (!ret && f->bpf->rodata->layout.pool_mapped < 0)
		f->missing[f->n_missing++] =
			"late unmaps are not seen: the kernel has no trace points of DMA (Linux "
			"6.12 and newer have them, with CONFIG_TRACEPOINTS)";
	else if (!ret)
		f->missing[f->n_missing++] =
			"late unmaps are seen of page pools only: the kernel has no trace points of "
			"DMA (Linux 6.12 and newer have them)";
	return ret;
}

static int refuse(int ret, char error[PEEK_ERROR])
{
	if (ret == -ENOENT)
		snprintf(error, PEEK_ERROR,
			 "this kernel has no trace points of page_pool; it takes one with "
			 "CONFIG_PAGE_POOL and CONFIG_TRACEPOINTS");
	else if (ret == -EPERM || ret == -EACCES)
		snprintf(
			error, PEEK_ERROR,
			"no permission to watch trace points; run it as root on the host (CAP_BPF and "
			"CAP_PERFMON, in the first user namespace)");
	else
		snprintf(error, PEEK_ERROR, "the trace points can't be watched: %s",
			 strerror(-ret));
	return ret;
}

int follow_open(struct follow **out, struct peek *p, uint64_t every, char error[PEEK_ERROR])
{
	struct follow *f = calloc(1, sizeof *f);
	const char *unmaps = NULL;
	int ret;

	*out = NULL;
	if (has_trace_point(p, "dma_unmap_phys"))
		unmaps = "dma_unmap_phys"; /* its name since Linux 6.18 */
	else if (has_trace_point(p, "dma_unmap_page"))
		unmaps = "dma_unmap_page";
	if (f)
		f->bpf = watch_bpf__open();
	if (!f || !f->bpf) {
		free(f);
		snprintf(error, PEEK_ERROR, "no memory");
		return -ENOMEM;
	}
	tell_layout(p, (struct watch_layout *)&f->bpf->rodata->layout, every, unmaps);
	ret = watch_bpf__load(f->bpf);
	ret = ret ? ret : attach_all(f, unmaps);
	if (ret) {
		follow_close(f);
		return refuse(ret, error);
	}
	*out = f;
	return 0;
}

void follow_close(struct follow *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n_links; i++)
		bpf_link__destroy(f->link[i]);
	watch_bpf__destroy(f->bpf);
	free(f);
}

const char *follow_missing(const struct follow *f, unsigned i)
{
	return i < f->n_missing ? f->missing[i] : NULL;
}

/* ---- what they counted --------------------------------------------------------------------- */

/*
 * All of a map, as key and value one behind the other. It changes meanwhile: what comes or goes
 * may be missed, and a walk that is thrown back to the beginning ends when the map's size is
 * reached.
 */
static void *dump(const struct bpf_map *map, size_t *n)
{
	size_t key_size = bpf_map__key_size(map), value_size = bpf_map__value_size(map);
	size_t max = bpf_map__max_entries(map);
	char *all = calloc(max, key_size + value_size), *at = all;
	const void *last = NULL;
	int fd = bpf_map__fd(map);

	*n = 0;
	while (all && *n < max && !bpf_map_get_next_key(fd, last, at)) {
		last = at;
		if (bpf_map_lookup_elem(fd, at, at + key_size))
			continue; /* it has gone: the next one comes here */
		at += key_size + value_size;
		++*n;
	}
	return all;
}

struct follow_tally *follow_tallies(const struct follow *f, size_t *n)
{
	return dump(f->bpf->maps.tallies, n);
}

struct follow_page *follow_pages(const struct follow *f, size_t *n)
{
	return dump(f->bpf->maps.pages, n);
}

struct follow_pool *follow_pools(const struct follow *f, size_t *n)
{
	return dump(f->bpf->maps.pools, n);
}

size_t follow_stack(const struct follow *f, int stack, uint64_t frames[WATCH_FRAMES])
{
	const struct bpf_map *map =
		stack < WATCH_STACKS ? f->bpf->maps.stacks : f->bpf->maps.more_stacks;
	uint32_t key = (uint32_t)stack % WATCH_STACKS;
	size_t n = 0;

	memset(frames, 0, WATCH_FRAMES * sizeof *frames);
	if (stack < 0 || bpf_map_lookup_elem(bpf_map__fd(map), &key, frames))
		return 0;
	while (n < WATCH_FRAMES && frames[n])
		n++;
	return n;
}

uint64_t follow_taken(const struct follow *f)
{
	return f->bpf->bss->taken;
}

uint64_t follow_left(const struct follow *f)
{
	return f->bpf->bss->left;
}

struct watch_losses follow_losses(const struct follow *f)
{
	return f->bpf->bss->losses;
}
