/*
 * soft.c - the software IOMMU as its two users see it: the library through the
 * contract, a software device through pp_soft_read and pp_soft_write. Sees the
 * contract and env only.
 *
 * Two locks, taken in this order:
 *   tlb    the IOTLB, the blocked flag, the shadow, the counters. An access holds it
 *          from translation to the last byte moved, so that an invalidation, which
 *          takes it too, returns only when no access is under way (VT-d's read and
 *          write drain).
 *   table  the page table: map and unmap against the walks of IOTLB misses.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/soft/soft.h"

#include "env/debug.h"

#define TLB_SETS 64u
#define TLB_WAYS 4u

struct soft {
	struct pp_iommu iommu; /* the contract's base: first */
	unsigned device_bits;

	struct env_lock tlb_lock;
	bool blocked;
	struct leaf tlb[TLB_SETS][TLB_WAYS]; /* size 0: empty */
	unsigned victim[TLB_SETS];
	uint64_t tlb_sizes; /* leaf sizes that the IOTLB has held since it was emptied */
	struct shadow shadow;
	struct pp_domain_stats stats;
	struct pp_soft_fault log[PP_SOFT_FAULT_LOG]; /* newest at stats.faults - 1 */

	struct env_lock table_lock;
	struct table table;
	uint64_t tables[TABLE_OWN][TABLE_ENTRIES] __attribute__((aligned(4096))); /* the table's */
};

static struct soft *soft_of(struct pp_iommu *iommu)
{
	return env_container_of(iommu, struct soft, iommu);
}

/* ---- the library's side: the contract --------------------------------------------- */

static int soft_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		    size_t page_size, unsigned prot)
{
	struct soft *s = soft_of(iommu);
	int ret;

	env_lock(&s->table_lock);
	ret = table_map(&s->table, iova, addr, len, page_size, prot);
	env_unlock(&s->table_lock);
	return ret;
}

/* An incoherent device wrote, and nobody synced for the CPU before it was too late. */
static void say_lost(struct soft *s, const char *how, pp_iova_t iova, size_t len, size_t lost)
{
	debug_done(debug_report(
		PP_DEBUG_DMA, s->iommu.name,
		"device %s: %zu bytes that it wrote were never synced for the CPU, and are "
		"%s now: DMA address 0x%llx, %zu bytes",
		s->iommu.name, lost, how, (unsigned long long)iova, len));
}

/* True if the CPU's view of a page differs where the device's isn't the device's own doing. */
static bool is_stale(const struct shadow_page *p, size_t off, const char *mem, size_t len)
{
	while (len) {
		size_t n = 64 - off % 64 < len ? 64 - off % 64 : len;

		if (!(p->dirty & shadow_lines(off, n)) && memcmp(p->bytes + off, mem, n))
			return true;
		off += n;
		mem += n;
		len -= n;
	}
	return false;
}

/* An incoherent device reads what the CPU has changed since it last synced for it. */
static void check_stale(struct soft *s, pp_iova_t iova, const struct shadow_page *p, size_t off,
			const char *mem, size_t len)
{
	if (debug_on(PP_DEBUG_DMA) && is_stale(p, off, mem, len))
		debug_done(debug_report(
			PP_DEBUG_DMA, s->iommu.name,
			"device %s: it reads what the CPU wrote and didn't sync for it: DMA "
			"address 0x%llx, %zu bytes",
			s->iommu.name, (unsigned long long)iova, len));
}

static size_t soft_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct soft *s = soft_of(iommu);
	size_t unmapped, lost;

	env_lock(&s->tlb_lock);
	env_lock(&s->table_lock);
	unmapped = table_unmap(&s->table, iova, len);
	env_unlock(&s->table_lock);
	lost = s->shadow.pages.n ? shadow_drop(&s->shadow, iova, len, NULL) : 0;
	if (lost && !s->blocked) /* of a device that has gone nobody could sync it any more */
		say_lost(s, "unmapped", iova, len, lost);
	env_unlock(&s->tlb_lock);
	return unmapped;
}

/*
 * An IOTLB entry ends, by invalidation or because another one takes its place: if it was stale it
 * may have made shadows of pages that are mapped no more. A large leaf may be stale in part. The
 * table is locked.
 */
static void drop_stale_shadow(struct soft *s, const struct leaf *e)
{
	struct leaf now;

	if (!e->size || !s->shadow.pages.n)
		return;
	if (!table_walk(&s->table, e->iova, &now) || now.size < e->size)
		shadow_drop(&s->shadow, e->iova, e->size, &s->table);
}

static void soft_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct soft *s = soft_of(iommu);

	env_lock(&s->tlb_lock);
	env_lock(&s->table_lock);
	for (unsigned i = 0; s->tlb_sizes && i < TLB_SETS * TLB_WAYS; i++) {
		struct leaf *e = &s->tlb[0][0] + i;

		if (len != SIZE_MAX && (e->iova >= iova + len || iova >= e->iova + e->size))
			continue;
		drop_stale_shadow(s, e);
		e->size = 0;
	}
	env_unlock(&s->table_lock);
	if (len == SIZE_MAX)
		s->tlb_sizes = 0;
	env_unlock(&s->tlb_lock);
}

static void soft_block(struct pp_iommu *iommu, bool on)
{
	struct soft *s = soft_of(iommu);

	env_lock(&s->tlb_lock);
	s->blocked = on;
	env_unlock(&s->tlb_lock);
}

static int soft_sync(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool for_cpu)
{
	struct soft *s = soft_of(iommu);
	int ret = 0;
	size_t lost = 0;
	pp_iova_t first = iova;

	env_lock(&s->tlb_lock);
	while (len && !ret) {
		struct leaf leaf;
		bool found;
		size_t n;

		env_lock(&s->table_lock);
		found = table_walk(&s->table, iova, &leaf);
		env_unlock(&s->table_lock);
		if (!found) {
			ret = -EINVAL;
			break;
		}
		n = leaf.size - (iova - leaf.iova) < len ? leaf.size - (iova - leaf.iova) : len;
		if (!(leaf.prot & PP_PROT_COHERENT))
			lost += shadow_sync(&s->shadow, iova, leaf.addr + (iova - leaf.iova), n,
					    for_cpu);
		iova += n;
		len -= n;
	}
	if (lost)
		say_lost(s, "overwritten", first, iova - first, lost);
	env_unlock(&s->tlb_lock);
	return ret;
}

static void soft_stats(struct pp_iommu *iommu, struct pp_domain_stats *out)
{
	struct soft *s = soft_of(iommu);

	env_lock(&s->tlb_lock);
	out->faults = s->stats.faults;
	out->dma_reads = s->stats.dma_reads;
	out->dma_writes = s->stats.dma_writes;
	out->iotlb_misses = s->stats.iotlb_misses;
	out->shadow_bytes = shadow_bytes(&s->shadow);
	out->iotlb_entries = 0;
	for (unsigned i = 0; i < TLB_SETS * TLB_WAYS; i++)
		out->iotlb_entries += (&s->tlb[0][0] + i)->size != 0;
	env_lock(&s->table_lock);
	out->page_table_bytes = s->table.pages * 4096;
	env_unlock(&s->table_lock);
	env_unlock(&s->tlb_lock);
}

static void soft_destroy(struct pp_iommu *iommu)
{
	struct soft *s = soft_of(iommu);

	shadow_free(&s->shadow);
	env_lock_destroy(&s->tlb_lock);
	env_lock_destroy(&s->table_lock);
	env_free(s);
}

static const struct pp_iommu_ops soft_ops = {
	.kind = "soft",
	.destroy = soft_destroy,
	.map = soft_map,
	.unmap = soft_unmap,
	.invalidate = soft_invalidate,
	.block = soft_block,
	.sync = soft_sync,
	.stats = soft_stats,
};

int pp_soft_create(struct pp_iommu **out, const struct pp_soft_params *params)
{
	struct pp_soft_params p = PP_PARAMS(struct pp_soft_params);
	struct soft *s;
	int ret = params ? env_params("pp_soft_create", &p, sizeof p, params) : 0;

	if (!out)
		return debug_invalid("pp_soft_create: there is nowhere to store the domain");
	*out = NULL;
	if (ret == -EINVAL)
		return debug_invalid(
			"pp_soft_create: the parameters don't say their size: see PP_PARAMS");
	if (ret)
		return ret;
	if (!p.address_bits)
		p.address_bits = 64;
	if (p.address_bits < 32 || p.address_bits > 64)
		return debug_invalid(
			"pp_soft_create: address_bits is %u: it must be 32 to 64, or 0 for "
			"64",
			p.address_bits);
	s = env_zalloc_aligned(sizeof *s, _Alignof(struct soft));
	if (!s)
		return -ENOMEM;
	env_lock_init(&s->tlb_lock);
	env_lock_init(&s->table_lock);
	table_init(&s->table, s->tables[0]);
	shadow_init(&s->shadow);
	s->blocked = true;
	s->device_bits = p.address_bits;
	s->iommu = (struct pp_iommu){
		.ops = &soft_ops,
		.ranges = { { 0, (1ull << SOFT_BITS) - 1 } },
		.n_ranges = 1,
		.page_sizes = (1ul << 12) | (1ul << 21) | (1ul << 30),
		.incoherent = p.incoherent,
		.deferred = p.deferred,
		.can_split = true,
	};
	*out = &s->iommu;
	return 0;
}

void pp_soft_destroy(struct pp_iommu *iommu)
{
	if (iommu)
		soft_destroy(iommu);
}

/* ---- the device's side -------------------------------------------------------------- */

static int fault(struct soft *s, pp_iova_t iova, bool write, enum pp_soft_fault_reason reason)
{
	s->log[s->stats.faults++ % PP_SOFT_FAULT_LOG] = (struct pp_soft_fault){
		.iova = iova, .time_ns = env_now_ns(), .reason = reason, .write = write
	};
	PP_PROBE3(fault, iova, (int)reason, s->iommu.name);
	return -EFAULT;
}

static struct leaf *tlb_set(struct soft *s, pp_iova_t iova, uint64_t size)
{
	return s->tlb[(iova / size) % TLB_SETS];
}

static struct leaf *tlb_find(struct soft *s, pp_iova_t iova)
{
	for (uint64_t sizes = s->tlb_sizes; sizes; sizes &= sizes - 1) {
		uint64_t size = sizes & -sizes;
		struct leaf *set = tlb_set(s, iova, size);

		for (unsigned way = 0; way < TLB_WAYS; way++)
			if (set[way].size == size && iova - set[way].iova < size)
				return &set[way];
	}
	return NULL;
}

static struct leaf *tlb_fill(struct soft *s, pp_iova_t iova)
{
	struct leaf leaf, *e = NULL;
	unsigned set;
	bool found;

	s->stats.iotlb_misses++;
	env_lock(&s->table_lock);
	found = table_walk(&s->table, iova, &leaf);
	if (found) {
		set = (iova / leaf.size) % TLB_SETS;
		e = &s->tlb[set][s->victim[set]++ % TLB_WAYS];
		drop_stale_shadow(s, e);
		*e = leaf;
		s->tlb_sizes |= leaf.size;
	}
	env_unlock(&s->table_lock);
	return e;
}

/* What the device works on for [iova, ...), and how many bytes of it; NULL: a fault. */
static char *translate(struct soft *s, pp_iova_t iova, bool write, size_t *len)
{
	struct leaf *leaf;
	char *addr;

	if (s->blocked)
		return fault(s, iova, write, PP_FAULT_BLOCKED), NULL;
	if (iova >> SOFT_BITS || (s->device_bits < 64 && iova >> s->device_bits))
		return fault(s, iova, write, PP_FAULT_WIDTH), NULL;
	leaf = tlb_find(s, iova);
	if (!leaf)
		leaf = tlb_fill(s, iova);
	if (!leaf)
		return fault(s, iova, write, PP_FAULT_UNMAPPED), NULL;
	if (!(leaf->prot & (write ? PP_PROT_WRITE : PP_PROT_READ)))
		return fault(s, iova, write, write ? PP_FAULT_WRITE : PP_FAULT_READ), NULL;
	addr = leaf->addr + (iova - leaf->iova);
	if (*len > leaf->size - (iova - leaf->iova))
		*len = leaf->size - (iova - leaf->iova);
	if (s->iommu.incoherent && !(leaf->prot & PP_PROT_COHERENT)) {
		size_t off = iova & (PP_BASE_PAGE - 1);
		struct shadow_page *p = shadow_of(&s->shadow, iova - off);

		if (!p)
			return fault(s, iova, write, PP_FAULT_UNMAPPED), NULL;
		if (*len > PP_BASE_PAGE - off)
			*len = PP_BASE_PAGE - off;
		if (write)
			p->dirty |= shadow_lines(off, *len);
		else
			check_stale(s, iova, p, off, addr, *len);
		return p->bytes + off;
	}
	return addr;
}

/*
 * Move bytes between the device and memory. What is small and aligned, such as a descriptor, goes
 * word by word, upwards, with releasing stores and acquiring loads: a driver that finds the last
 * word of a descriptor written finds all of it, as PCIe's ordering of a single write guarantees.
 */
static void move(char *to, const char *from, size_t len, bool write)
{
	if (len > ENV_LINE || (len | (uintptr_t)(write ? to : from)) % 8) {
		memcpy(to, from, len);
		return;
	}
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word;

		if (write) {
			memcpy(&word, from + i, 8);
			env_store_release((uint64_t *)(to + i), word);
		} else {
			word = env_load_acquire((uint64_t *)(from + i));
			memcpy(to + i, &word, 8);
		}
	}
}

static int soft_access(struct pp_iommu *iommu, pp_iova_t iova, char *buf, size_t len, bool write)
{
	struct soft *s = soft_of(iommu);
	int ret = 0;

	if (!iommu || (!buf && len))
		return debug_invalid("pp_soft_%s: there is no domain, or no buffer",
				     write ? "write" : "read");
	env_lock(&s->tlb_lock);
	if (write)
		s->stats.dma_writes++;
	else
		s->stats.dma_reads++;
	while (len) {
		size_t n = len;
		char *mem = translate(s, iova, write, &n);

		if (!mem) {
			ret = -EFAULT;
			break;
		}
		move(write ? mem : buf, write ? buf : mem, n, write);
		iova += n;
		buf += n;
		len -= n;
	}
	env_unlock(&s->tlb_lock);
	return ret;
}

int pp_soft_read(struct pp_iommu *iommu, pp_iova_t iova, void *buf, size_t len)
{
	return soft_access(iommu, iova, buf, len, false);
}

int pp_soft_write(struct pp_iommu *iommu, pp_iova_t iova, const void *buf, size_t len)
{
	return soft_access(iommu, iova, (char *)buf, len, true); /* only read from */
}

unsigned pp_soft_faults(struct pp_iommu *iommu, struct pp_soft_fault *out, unsigned n)
{
	struct soft *s = soft_of(iommu);
	unsigned i;

	if (!iommu || !out)
		return 0;
	env_lock(&s->tlb_lock);
	for (i = 0; i < n && i < PP_SOFT_FAULT_LOG && i < s->stats.faults; i++)
		out[i] = s->log[(s->stats.faults - 1 - i) % PP_SOFT_FAULT_LOG];
	env_unlock(&s->tlb_lock);
	return i;
}

const char *pp_soft_fault_name(enum pp_soft_fault_reason reason)
{
	switch (reason) {
	case PP_FAULT_BLOCKED: return "the domain is blocked";
	case PP_FAULT_WIDTH: return "beyond the address width";
	case PP_FAULT_WRITE: return "no permission to write";
	case PP_FAULT_READ: return "no permission to read";
	case PP_FAULT_UNMAPPED: return "nothing is mapped there";
	}
	return "unknown";
}
