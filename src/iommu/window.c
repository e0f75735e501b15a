/*
 * window.c - the windows of a domain. See window.h. Uses env only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/window.h"

#include "iommu/iova.h"

static pp_iova_t octave_last(unsigned octave)
{
	return (2ull << octave) - 1;
}

static unsigned octave_of(pp_iova_t addr)
{
	return 63u - (unsigned)__builtin_clzll(addr | 1);
}

uint64_t windows_octaves(const struct pp_iommu *iommu)
{
	uint64_t octaves = 0;

	for (unsigned k = IOVA_MIN_ORDER; k < IOVA_MAX_BITS; k++)
		for (unsigned i = 0; i < iommu->n_ranges; i++) {
			const struct pp_iova_range *r = &iommu->ranges[i];

			if (r->first <= octave_last(k) && r->last >= 1ull << k)
				octaves |= 1ull << k;
		}
	return octaves;
}

/* What a gap has of an octave that isn't all of it. */
static void add(struct windows *w, unsigned octave, pp_iova_t first, pp_iova_t last)
{
	pp_iova_t begin = 1ull << octave, end = octave_last(octave);

	if (octave < IOVA_MIN_ORDER || octave >= IOVA_MAX_BITS)
		return;
	if (first < begin)
		first = begin;
	if (last > end)
		last = end;
	if (first > begin || last < end)
		w->window[w->n++] = (struct pp_iova_range){ first, last };
}

/* Octaves that lie wholly in the gap are no window: nothing is taken there for the domain. */
static void add_gap(struct windows *w, pp_iova_t first, pp_iova_t last)
{
	unsigned low = octave_of(first), high = octave_of(last);

	add(w, low, first, last);
	if (high != low)
		add(w, high, first, last);
}

int windows_reserve(struct windows *w, const struct pp_iommu *iommu)
{
	pp_iova_t top = iommu->ranges[iommu->n_ranges - 1].last;
	unsigned done = 0;
	int ret = 0;

	w->n = 0;
	if (iommu->ranges[0].first)
		add_gap(w, 0, iommu->ranges[0].first - 1);
	for (unsigned i = 1; i < iommu->n_ranges; i++)
		if (iommu->ranges[i].first - iommu->ranges[i - 1].last > 1)
			add_gap(w, iommu->ranges[i - 1].last + 1, iommu->ranges[i].first - 1);
	if (top < octave_last(octave_of(top)))
		add(w, octave_of(top), top + 1, octave_last(octave_of(top)));
	iova_use();
	while (!ret && done < w->n) {
		ret = iova_reserve(w->window[done].first, w->window[done].last);
		done += !ret;
	}
	if (ret) {
		w->n = done;
		windows_release(w);
	}
	return ret;
}

void windows_release(const struct windows *w)
{
	for (unsigned i = 0; i < w->n; i++)
		iova_release(w->window[i].first, w->window[i].last);
	iova_unuse();
}
