/*
 * backend.c - see backend.h. Uses the public headers, and the software IOMMU by its functions.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "calls.h"

struct piece {
	pp_iova_t iova;
	size_t len;
};

struct backend {
	struct pp_iommu iommu; /* first: it is what the library is given */
	struct pp_iommu *soft;
	struct piece *mapped; /* by whole map calls, or what is left of one */
	size_t n, room;
	struct piece
		doubtful; /* len 0: none. A map of it broke the contract: it is to be unmapped */
	bool doubtful_mapped;
	bool blocked;
	unsigned lies; /* each so many unmaps; 0: never */
	unsigned lie;  /* which */
	unsigned unmaps;
	bool lied;
};

static struct backend *backend_of(struct pp_iommu *iommu)
{
	return (struct backend *)iommu;
}

/* ---- failures ------------------------------------------------------------------------------- */

static const struct {
	int said;
	int means; /* to the library */
	bool mapped;
} failures[] = {
	{ -ENOMEM, -ENOMEM, false }, { -ENOSPC, -ENOSPC, false }, { -EEXIST, -EEXIST, false },
	{ -EIO, -EIO, false },       { -EAGAIN, -EAGAIN, false }, { 1, -EIO, false },
	{ 4096, -EIO, true },        { -5000, -EIO, true },
};

static struct {
	unsigned at; /* counts down; 0: none fails */
	unsigned how;
	bool for_good, done;
} failing;

void backend_fail(unsigned nth, unsigned how, bool for_good)
{
	failing.at = nth;
	failing.how = how % 8;
	failing.for_good = for_good;
	failing.done = false;
}

int backend_failed(bool *broken)
{
	int means = failing.done ? failures[failing.how].means : 0;

	*broken = failing.done && failures[failing.how].said != means;
	failing.at = 0;
	failing.done = false;
	return means;
}

static bool fails_now(void)
{
	if (!failing.at || --failing.at)
		return false;
	failing.at = failing.for_good;
	failing.done = true;
	return true;
}

/* ---- the record ---------------------------------------------------------------------------- */

static bool meet(const struct piece *p, pp_iova_t iova, size_t len)
{
	return p->iova < iova + len && iova < p->iova + p->len;
}

static bool in_ranges(const struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	for (unsigned i = 0; i < iommu->n_ranges; i++)
		if (iova >= iommu->ranges[i].first && iova + len - 1 <= iommu->ranges[i].last)
			return true;
	return false;
}

static void must_be_allowed(const struct backend *b, pp_iova_t iova, size_t len)
{
	must(len && !((iova | len) & 4095) && in_ranges(&b->iommu, iova, len),
	     "the back end is called for 0x%llx, %zu bytes", (unsigned long long)iova, len);
}

static void enter(struct backend *b, pp_iova_t iova, size_t len)
{
	if (b->n == b->room) {
		b->room = b->room ? 2 * b->room : 64;
		b->mapped = realloc(b->mapped, b->room * sizeof *b->mapped);
	}
	b->mapped[b->n++] = (struct piece){ iova, len };
}

/* Take [iova, iova + len) out. Returns how much of it there was. */
static size_t take_out(struct backend *b, pp_iova_t iova, size_t len)
{
	size_t found = 0;

	for (size_t i = b->n; i-- > 0;) {
		struct piece p = b->mapped[i];
		pp_iova_t first = p.iova > iova ? p.iova : iova, end = p.iova + p.len;
		pp_iova_t last = end < iova + len ? end : iova + len;

		if (!meet(&p, iova, len))
			continue;
		must(b->iommu.can_split || (first == p.iova && last == end),
		     "a part of 0x%llx, %zu bytes is unmapped, which can't be split",
		     (unsigned long long)p.iova, p.len);
		b->mapped[i] = b->mapped[--b->n];
		if (first > p.iova)
			enter(b, p.iova, first - p.iova);
		if (last < end)
			enter(b, last, end - last);
		found += last - first;
	}
	return found;
}

/* ---- its functions --------------------------------------------------------------------------- */

static int own_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len, size_t page_size,
		   unsigned prot)
{
	struct backend *b = backend_of(iommu);
	int said = 0, ret;

	must_be_allowed(b, iova, len);
	must(!((uintptr_t)addr & 4095) && page_size >= 4096, "memory at %p, pages of %zu", addr,
	     page_size);
	must(prot & (PP_PROT_READ | PP_PROT_WRITE), "it may neither be read nor written");
	for (size_t i = 0; i < b->n; i++)
		must(!meet(&b->mapped[i], iova, len), "0x%llx is mapped twice",
		     (unsigned long long)iova);
	if (fails_now()) {
		said = failures[failing.how].said;
		tell("map says %d%s", said, failing.for_good ? ", for good" : "");
		if (failures[failing.how].means != said)
			b->doubtful = (struct piece){ iova, len };
		b->doubtful_mapped = failures[failing.how].mapped;
		if (!b->doubtful_mapped)
			return said;
	}
	ret = b->soft->ops->map(b->soft, iova, addr, len, page_size, prot);
	if (ret) /* which has no memory for its tables: nothing is mapped */
		b->doubtful.len = 0;
	else if (!said)
		enter(b, iova, len);
	return ret ? ret : said;
}

/* What it lost by that, of all domains. */
static struct piece lost[BACKEND_LIES];
static unsigned n_lost;

/* What it says that it has unmapped. */
static size_t said_of(struct backend *b, pp_iova_t iova, size_t len)
{
	const size_t lies[] = { 0, len - 4096, len + 4096, SIZE_MAX };

	if (!b->lies || ++b->unmaps % b->lies || n_lost == BACKEND_LIES)
		return len;
	b->lied = true;
	ref.lost = true; /* also when its device goes in this very call */
	lost[n_lost++] = (struct piece){ iova, len };
	tell("unmap says %zd, not %zu", lies[b->lie], len);
	return lies[b->lie];
}

static size_t own_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct backend *b = backend_of(iommu);
	size_t n;

	must_be_allowed(b, iova, len);
	if (b->doubtful.len) {
		must(iova == b->doubtful.iova && len == b->doubtful.len,
		     "something else is unmapped first: 0x%llx", (unsigned long long)iova);
		b->doubtful.len = 0;
		return b->doubtful_mapped ? b->soft->ops->unmap(b->soft, iova, len) : 0;
	}
	n = take_out(b, iova, len);
	must(n == len, "%zu bytes of the %zu at 0x%llx are mapped", n, len,
	     (unsigned long long)iova);
	must(b->soft->ops->unmap(b->soft, iova, len) == len, "it is not unmapped");
	return said_of(b, iova, len);
}

static void own_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct backend *b = backend_of(iommu);

	if (len != SIZE_MAX)
		must_be_allowed(b, iova, len);
	b->soft->ops->invalidate(b->soft, iova, len);
}

static void own_block(struct pp_iommu *iommu, bool on)
{
	struct backend *b = backend_of(iommu);

	must(on || !b->lied, "a domain translates that has lost count");
	b->blocked = on;
	b->soft->ops->block(b->soft, on);
}

static int own_sync(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool for_cpu)
{
	struct backend *b = backend_of(iommu);

	return b->soft->ops->sync(b->soft, iova, len, for_cpu);
}

static void own_stats(struct pp_iommu *iommu, struct pp_domain_stats *stats)
{
	struct backend *b = backend_of(iommu);

	b->soft->ops->stats(b->soft, stats);
}

static void own_destroy(struct pp_iommu *iommu)
{
	struct backend *b = backend_of(iommu);

	must(!b->n && b->blocked, "a domain goes with %zu mappings%s", b->n,
	     b->blocked ? "" : ", and translates");
	pp_soft_destroy(b->soft);
	free(b->mapped);
	free(b);
}

#define FUNCTIONS                                                                                  \
	.kind = "fuzz", .destroy = own_destroy, .map = own_map, .unmap = own_unmap,                \
	.invalidate = own_invalidate, .block = own_block, .sync = own_sync

static const struct pp_iommu_ops with_stats = { FUNCTIONS, .stats = own_stats };
static const struct pp_iommu_ops without_stats = { FUNCTIONS };

/* ---- making one -------------------------------------------------------------------------- */

#define LAYOUTS 8
#define TOP UINT64_MAX /* what the device can reach at most */

/* What devices can use: windows at the end, in the middle, nearly everything, next to nothing. */
static const struct pp_iova_range layouts[LAYOUTS][2] = {
	{ { 0, TOP } },
	{ { 0, 0xFEDFFFFF }, { 0xFEF00000, TOP } }, /* where x86 has its interrupts */
	{ { 0x10000000, TOP } },
	{ { 0x100000, 0x17FFFF } },
	{ { 0, 0 } }, /* sixteen, see below */
	{ { 0x80000000, 0xBFFFFFFF } },
	{ { 0x180000, 0x1FFFFF } }, /* all of its octave that the other one can't use */
	{ { 0x40000000, 0x403FFFFF }, { 0x80000000, 0x803FFFFF } },
};

static void set_ranges(struct pp_iommu *iommu, unsigned layout, unsigned bits)
{
	pp_iova_t top = (1ull << bits) - 1;

	iommu->n_ranges = 0;
	for (pp_iova_t i = 1; layout == 4 && i <= PP_IOMMU_RANGES; i++)
		iommu->ranges[iommu->n_ranges++] =
			(struct pp_iova_range){ i * 0xC000000, i * 0xC000000 + 0x7FFFFFF };
	for (unsigned i = 0; i < 2 && layouts[layout][i].last; i++) {
		struct pp_iova_range r = layouts[layout][i];

		r.last = r.last < top ? r.last : top;
		iommu->ranges[iommu->n_ranges++] = r;
	}
}

struct pp_iommu *backend_create(struct pp_iommu *soft, unsigned how, unsigned bits)
{
	static const size_t page_sizes[] = { 4096 | 2u << 20, 4096, 2048 | 4096, 4096 | 65536 };
	struct backend *b = calloc(1, sizeof *b);

	b->soft = soft;
	b->iommu.ops = how & 0x20 ? &without_stats : &with_stats;
	b->iommu.page_sizes = page_sizes[how >> 6 & 3];
	b->iommu.incoherent = soft->incoherent;
	b->iommu.deferred = soft->deferred;
	b->iommu.can_split = how & 8;
	b->iommu.pins = how & 0x10;
	set_ranges(&b->iommu, how % LAYOUTS, bits);
	return &b->iommu;
}

void backend_lie(struct pp_iommu *iommu, unsigned how)
{
	struct backend *b = backend_of(iommu);

	b->lies = 1 + how % 16;
	b->lie = how / 16 % 4;
}

bool backend_lied(const struct pp_iommu *iommu)
{
	return iommu && ((const struct backend *)iommu)->lied;
}

unsigned backend_lies(void)
{
	return n_lost;
}

bool backend_lost(pp_iova_t iova, size_t len)
{
	bool meets = false;

	for (unsigned i = 0; i < n_lost; i++)
		meets |= meet(&lost[i], iova, len);
	return meets;
}

bool backend_has_stats(const struct pp_iommu *iommu)
{
	return iommu->ops->stats;
}

uint64_t backend_bytes(const struct pp_iommu *iommu)
{
	const struct backend *b = (const struct backend *)iommu;
	uint64_t bytes = 0;

	for (size_t i = 0; i < b->n; i++)
		bytes += b->mapped[i].len;
	return bytes;
}

void backend_compare(const struct pp_iommu *iommu)
{
	const struct backend *b = (const struct backend *)iommu;

	must(!b->doubtful.len, "what a broken map may have mapped is left: 0x%llx",
	     (unsigned long long)b->doubtful.iova);
}
