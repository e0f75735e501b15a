/*
 * vfio_ioas.c - tests of what devices share in an IOVA space of VFIO's (src/iommu/vfio/vfio.h), as
 * far as they need no device: usable ranges rounded to pages, and the ranges common to several
 * sharers.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

#include "unit.h"

#define K4 4096ull
#define GIB (1ull << 30)

/* ---- a space without a kernel ------------------------------------------------------ */

static int fake_open(struct ioas *s, char *error)
{
	(void)s;
	(void)error;
	return 0;
}

static void fake_close(struct ioas *s)
{
	(void)s;
}

static const struct interface fake = { .ioas_open = fake_open, .ioas_close = fake_close };

/* A device that could use [first, last] but for a window of 1 MiB at `window`, if that isn't 0. */
static struct pp_vfio device(const char *address, uint64_t first, uint64_t last, uint64_t window)
{
	struct pp_vfio v = { .iommu.page_sizes = 4096 | 2 << 20 };

	strncpy(v.address, address, sizeof v.address - 1);
	if (window) {
		vfio_range_add(&v.iommu, first, window - 1);
		first = window + (1 << 20);
	}
	vfio_range_add(&v.iommu, first, last);
	return v;
}

static bool has_range(const struct pp_vfio *v, unsigned i, uint64_t first, uint64_t last)
{
	return v->iommu.n_ranges > i && v->iommu.ranges[i].first == first &&
	       v->iommu.ranges[i].last == last;
}

/* ---- ranges ------------------------------------------------------------------------ */

static void ranges_are_cut_to_pages(void)
{
	static const struct {
		uint64_t page_sizes, first, last, cut_first, cut_last;
	} cases[] = {
		{ 4096, 0, UINT64_MAX, 0, UINT64_MAX },
		{ 4096, 1, UINT64_MAX, K4, UINT64_MAX },
		{ 4096, 0, 4095, 0, 4095 },
		{ 4096, 100, 3 * K4 + 99, K4, 3 * K4 - 1 },
		{ 4096, 0, UINT64_MAX - 1, 0, UINT64_MAX - K4 },
		{ 65536, K4, 3 << 16, 1 << 16, (3 << 16) - 1 },
		{ 65536 | 1 << 29, 0, (5 << 16) - 2, 0, (4 << 16) - 1 },
		{ 512 | 4096, 512, 2 * K4 - 1, K4, 2 * K4 - 1 },
		{ 0, 1, 3 * K4, K4, 3 * K4 - 1 },
	};
	static const struct {
		uint64_t first, last;
	} nothing[] = {
		{ 0, 0 },
		{ 0, 100 },
		{ 0, 4094 },
		{ 1, 4096 + 4094 },
		{ K4, K4 - 1 },
		{ 1, 4095 },
		{ UINT64_MAX - 1, UINT64_MAX },
		{ 2 * K4, K4 },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pp_iommu iommu = { .page_sizes = (size_t)cases[i].page_sizes };

		vfio_range_add(&iommu, cases[i].first, cases[i].last);
		check(iommu.n_ranges == 1 && iommu.ranges[0].first == cases[i].cut_first &&
			      iommu.ranges[0].last == cases[i].cut_last,
		      "case %u", i);
	}
	for (unsigned i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
		struct pp_iommu iommu = { .page_sizes = 4096 };

		vfio_range_add(&iommu, nothing[i].first, nothing[i].last);
		check_eq(iommu.n_ranges, 0, "no whole page in 0x%llx to 0x%llx",
			 (unsigned long long)nothing[i].first, (unsigned long long)nothing[i].last);
	}
}

/* ---- sharing ----------------------------------------------------------------------- */

static void sharers_use_what_each_can(void)
{
	struct pp_vfio wide = device("0000:00:01.0", 0, (1ull << 48) - 1, 0xfee00000);
	struct pp_vfio low = device("0000:00:02.0", 0, (1ull << 39) - 1, 0xfee00000);
	struct pp_vfio holed = device("0000:00:03.0", 1 << 20, (1ull << 48) - 1, 5 * GIB);
	char error[PP_VFIO_ERROR] = "";
	struct ioas *s;

	require(!ioas_get(&s, &fake, NULL, error), "a space");
	check_eq(ioas_join(s, &wide, error), 0, "the first sharer");
	check(has_range(&wide, 0, 0, 0xfedfffff) &&
		      has_range(&wide, 1, 0xfef00000, (1ull << 48) - 1),
	      "has what it had");
	check_eq(ioas_join(s, &low, error), 0, "one of 39 bits joins");
	check(has_range(&wide, 1, 0xfef00000, (1ull << 39) - 1), "the first is narrowed");
	holed.iommu.page_sizes = 65536;
	check_eq(ioas_join(s, &holed, error), 0, "one with a window elsewhere, and larger pages");
	for (struct pp_vfio *p = s->sharers; p; p = p->sharer)
		check(p->iommu.page_sizes == 65536 && p->iommu.n_ranges == 3 &&
			      has_range(p, 0, 1 << 20, 0xfedfffff) &&
			      has_range(p, 1, 0xfef00000, 5 * GIB - 1) &&
			      has_range(p, 2, 5 * GIB + (1 << 20), (1ull << 39) - 1),
		      "%s: all have the same three ranges and pages", p->address);
	ioas_leave(s, &low);
	ioas_leave(s, &low);
	ioas_leave(s, &wide);
	ioas_leave(s, &holed);
	check(!s->sharers, "they leave");
	ioas_put(s);
}

static void a_registered_sharer_is_not_narrowed(void)
{
	struct pp_vfio wide = device("0000:00:01.0", 0, (1ull << 48) - 1, 0xfee00000);
	struct pp_vfio same = device("0000:00:02.0", 0, UINT64_MAX, 0xfee00000);
	struct pp_vfio low = device("0000:00:03.0", 0, (1ull << 39) - 1, 0xfee00000);
	struct pp_vfio apart = device("0000:00:04.0", 1ull << 50, (1ull << 51) - 1, 0);
	char error[PP_VFIO_ERROR] = "";
	struct ioas *s;

	require(!ioas_get(&s, &fake, NULL, error), "a space");
	check_eq(ioas_join(s, &wide, error), 0, "the first sharer");
	strcpy(wide.iommu.name, "first"); /* as pp_device_register does */
	check_eq(ioas_join(s, &same, error), 0, "is registered; one that can use more joins");
	check(has_range(&same, 1, 0xfef00000, (1ull << 48) - 1), "with what the first has");
	check_eq(ioas_join(s, &low, error), -ERANGE, "one that can use less is refused");
	check(strstr(error, "0000:00:01.0") && strstr(error, "open both first"),
	      "the sentence names the other, and what to do: %s", error);
	check(has_range(&low, 1, 0xfef00000, (1ull << 39) - 1) && s->sharers == &same &&
		      has_range(&wide, 1, 0xfef00000, (1ull << 48) - 1),
	      "nothing is changed");
	check_eq(ioas_join(s, &apart, error), -EOPNOTSUPP, "so is one that has nothing in common");
	ioas_leave(s, &same);
	ioas_leave(s, &wide);
	check_eq(ioas_join(s, &low, error), 0, "with the others gone it has the space");
	ioas_leave(s, &low);
	ioas_put(s);
}

static void nothing_to_open_is_refused(void)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	char error[PP_VFIO_ERROR];
	struct pp_vfio *v = (void *)1;

	check_eq(pp_vfio_open(NULL, &p, error), -EINVAL, "nowhere to store a device: %s", error);
	check_eq(pp_vfio_open(&v, NULL, error), -EINVAL, "no parameters: %s", error);
	check_eq(pp_vfio_open(&v, &p, error), -EINVAL, "no address: %s", error);
	check(!v, "and there is no device");
}

int main(void)
{
	run(ranges_are_cut_to_pages);
	run(sharers_use_what_each_can);
	run(a_registered_sharer_is_not_narrowed);
	run(nothing_to_open_is_refused);
	return tap_end();
}
