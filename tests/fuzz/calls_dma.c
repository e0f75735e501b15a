/*
 * calls_dma.c - the stateful fuzzer's calls of dma.h, and what the devices do: DMA at
 * addresses that they were given, that were taken from them, and that they made up.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "calls.h"

/* A checked call through a binding that the reference refused, or accepted. */
static void expect_report(int want)
{
	if (ref.debug & PP_DEBUG_DMA)
		report_expected = report_expected == REPORT_MAYBE ? REPORT_MAYBE :
				  want                            ? REPORT_SOME :
								    REPORT_NONE;
}

/* ---- mappings -------------------------------------------------------------------------------- */

static struct ref_mapping *free_mapping(void)
{
	for (int i = 0; i < MAPPINGS; i++)
		if (!ref.mapping[i].there && !ref.mapping[i].ended)
			return &ref.mapping[i];
	return NULL;
}

static struct ref_mapping *pick_mapping(void)
{
	unsigned b = input_byte(&in);

	for (unsigned i = 0; i < MAPPINGS; i++)
		if (ref.mapping[(b + i) % MAPPINGS].there)
			return &ref.mapping[(b + i) % MAPPINGS];
	return NULL;
}

/* Memory that is mapped in the binding already. */
static bool overlaps(int binding, const uint8_t *addr, size_t len)
{
	for (int i = 0; i < MAPPINGS; i++) {
		const struct ref_mapping *m = &ref.mapping[i];

		if (m->there && !m->coherent && m->binding == binding && addr < m->cpu + m->len &&
		    m->cpu < addr + len)
			return true;
	}
	return false;
}

/* With so little IOVA space for it, and some in use, that there is none is to be expected. */
static bool is_scarce(int binding)
{
	struct pp_totals t;

	pp_totals(&t, sizeof t);
	return binding != NONE && ref_room(&binding, 1) < ROOMY && t.iova_bytes;
}

static bool may_be_scarce(int binding, int want, int ret)
{
	return (!want || want == -EIO) && ret == -ENOSPC && is_scarce(binding);
}

/* As ref_enter; and there may be none at all. */
static int enter_fresh(int binding)
{
	int ret = ref_enter(binding, true);

	if (!ret && binding_broken(binding) && ref_room(&binding, 1))
		return -EIO;
	return ret || ref_room(&binding, 1) ? ret : -ENOSPC;
}

static void check_new(const struct ref_mapping *m)
{
	pp_iova_t first = m->iova & ~4095ull, end = first + ref_whole(m);

	must(m->iova && m->iova != PP_IOVA_NONE, "no address");
	must(!backend_lost(first, end - first), "0x%llx was never unmapped",
	     (unsigned long long)m->iova);
	must(ref_reaches(m->binding, first, end - first) && ref_outside_windows(first, end - first),
	     "0x%llx is beyond the device's reach, or in another's window",
	     (unsigned long long)m->iova);
	for (int i = 0; i < MAPPINGS; i++) {
		const struct ref_mapping *o = &ref.mapping[i];

		must(!o->there || o == m || end <= (o->iova & ~4095ull) ||
			     (o->iova & ~4095ull) + ref_whole(o) <= first,
		     "0x%llx is in use", (unsigned long long)m->iova);
	}
	for (int i = 0; i < ref.n_pages; i++)
		must(ref.pool[ref.page[i].pool].revoked || end <= ref.page[i].iova ||
			     ref.page[i].iova + ref.pool[ref.page[i].pool].params.page_size <=
				     first,
		     "0x%llx is a page's", (unsigned long long)m->iova);
}

static void finish_mapping(struct ref_mapping *m)
{
	const struct ref_device *d = &ref.device[ref.binding[m->binding].device];

	check_new(m);
	if (!d->incoherent || m->coherent)
		return;
	m->view = malloc(ref_whole(m));
	memset(m->view, NEVER_SYNCED, ref_whole(m));
	memcpy(m->view + (m->iova & 4095), m->copy, m->len);
}

static bool map(void)
{
	struct ref_mapping *m = free_mapping();
	pp_binding_t name;
	int b = pick_binding(&name), k = (int)input_below(&in, BUFFERS), want, ret;
	unsigned how = input_byte(&in), dir = how & 3;
	size_t offset = input_number(&in, 2) % BUFFER_BYTES,
	       len = 1 + input_number(&in, 2) % BUFFER_BYTES;
	pp_iova_t iova = 1;
	bool bad, twice, fault;

	if (!m)
		return false;
	len = len < BUFFER_BYTES - offset ? len : BUFFER_BYTES - offset;
	len = how >= 0xF8 ? SIZE_MAX - (how & 7) * 4096 : how >= 0xF4 ? 0 : len;
	bad = how >= 0xF0 || dir == 3;
	twice = !bad && b != NONE && overlaps(b, real.buffer[k] + offset, len);
	if (twice && ref.device[ref.binding[b].device].incoherent)
		return false; /* which of two views the memory gets in the end isn't told */
	want = bad ? -EINVAL : enter_fresh(b);
	expect_report(want);
	if (bad)
		expect_sentence();
	if (twice && ref.debug) /* allowed, and told */
		report_expected = REPORT_MAYBE;
	note("pp_dma_map(binding %d, buffer %d + %zu, %zu bytes, direction %u)", b, k, offset, len,
	     dir);
	faults_begin();
	ret = pp_dma_map(name, how >> 2 == 0xF0 >> 2 ? NULL : real.buffer[k] + offset, len,
			 (enum pp_dma_dir)dir, &iova);
	fault = faults_end();
	if ((fault || ret == -ENOSPC) && ref.debug)
		report_expected = REPORT_MAYBE;
	must(ret == want || (fault && fault_errno(ret)) || may_be_scarce(b, want, ret),
	     "pp_dma_map() is %d, not %d", ret, want);
	if (fault && !ret && ref.device[ref.binding[b].device].incoherent) {
		/* the software device had no memory for its view of it: nothing can be told */
		must_be(pp_dma_unmap(name, iova, len, (enum pp_dma_dir)dir), 0, "pp_dma_unmap()");
		memcpy(real.buffer[k], real.buffer_copy[k], BUFFER_BYTES);
		return true;
	}
	must_be(ret != 0, iova == PP_IOVA_NONE, "whether the address is none");
	if (ret)
		return true;
	must_be((uintptr_t)(real.buffer[k] + offset) % 4096, iova % 4096,
		"the offset in the base page");
	*m = (struct ref_mapping){ .there = true,
				   .binding = b,
				   .dir = (enum pp_dma_dir)dir,
				   .iova = iova,
				   .len = len,
				   .cpu = real.buffer[k] + offset,
				   .copy = real.buffer_copy[k] + offset };
	finish_mapping(m);
	return true;
}

static bool alloc_coherent(void)
{
	struct ref_mapping *m = free_mapping();
	pp_binding_t name;
	int b = pick_binding(&name), want, ret;
	unsigned how = input_byte(&in);
	size_t len = how >= 0xF8 ? SIZE_MAX - how : how >= 0xF0 ? 0 : 1 + how * 100;
	void *cpu = (void *)1;
	pp_iova_t iova = 1;
	bool fault;

	if (!m)
		return false;
	want = how >= 0xF0 ? -EINVAL : enter_fresh(b);
	expect_report(want == -ENOSPC || want == -EIO ? 0 : want);
	if (want == -EINVAL)
		expect_sentence();
	note("pp_dma_alloc_coherent(binding %d, %zu bytes)", b, len);
	faults_begin();
	ret = pp_dma_alloc_coherent(name, len, &cpu, &iova);
	fault = faults_end();
	must(ret == want || (fault && fault_errno(ret)) || may_be_scarce(b, want, ret),
	     "pp_dma_alloc_coherent() is %d, not %d", ret, want);
	must(!ret || (!cpu && iova == PP_IOVA_NONE), "a failed call left an address");
	if (ret)
		return true;
	must(!((uintptr_t)cpu % 4096 || iova % 4096), "not aligned");
	len = (len + 4095) & ~(size_t)4095;
	*m = (struct ref_mapping){ .there = true,
				   .coherent = true,
				   .binding = b,
				   .iova = iova,
				   .len = len,
				   .cpu = cpu,
				   .copy = calloc(1, len) };
	finish_mapping(m);
	return true;
}

/* Unmap or free: as it should be, or with one thing wrong. */
static bool unmap(bool coherent)
{
	struct ref_mapping *m = pick_mapping();
	unsigned wrong = input_byte(&in), dir;
	int b, want, ret, d;
	pp_binding_t name;
	pp_iova_t iova;
	size_t len;

	if (!m)
		return false;
	wrong = wrong < 0xC0 ? 0 : wrong & 7;
	b = m->binding;
	name = ref.binding[b].name;
	iova = m->iova;
	len = m->len;
	dir = m->dir;
	if (wrong == 1)
		len += 4096;
	if (wrong == 2)
		dir = coherent ? dir : (dir + 1) % 4;
	if (wrong == 3)
		iova ^= 1;
	if (wrong == 4)
		iova = PP_IOVA_NONE;
	if (wrong == 5)
		b = pick_binding(&name);
	want = ref_enter(b, false);
	if (!want && (iova != m->iova || len != m->len || dir != m->dir || b != m->binding ||
		      coherent != m->coherent || (coherent && wrong == 6)))
		want = -EINVAL;
	expect_report(want);
	d = ref.binding[m->binding].device;
	if (ref.device[d].incoherent && ref.debug)
		report_expected = REPORT_MAYBE; /* what it wrote, and nobody synced */
	note("pp_dma_%s(binding %d, 0x%llx, %zu bytes, direction %u)",
	     coherent ? "free_coherent" : "unmap", b, (unsigned long long)iova, len, dir);
	if (coherent)
		ret = pp_dma_free_coherent(name, len, wrong == 6 ? (void *)m : m->cpu, iova);
	else
		ret = pp_dma_unmap(name, iova, len, (enum pp_dma_dir)dir);
	if (!want && ret == -EIO && device_broken(d))
		ret = 0; /* it is unmapped, and the device blocked */
	must_be(ret, want, "the result");
	if (ret)
		return true;
	ref_unmap(m, false);
	must_fault(d, iova, PP_FAULT_UNMAPPED);
	must_fault(d, (iova & ~4095ull) + ref_whole(m) - 1, PP_FAULT_UNMAPPED);
	return true;
}

static bool set_mask(void)
{
	pp_binding_t name;
	int b = pick_binding(&name), want, ret;
	unsigned bits = 30 + input_below(&in, 37);
	bool unsure = false;

	want = bits < 32 || bits > 64 ? -EINVAL : ref_enter(b, false);
	for (int i = 0; i < MAPPINGS && !want && bits < 64; i++)
		if (ref.mapping[i].there && ref.mapping[i].binding == b &&
		    ref.mapping[i].iova >> bits)
			want = -EBUSY;
	for (int i = 0; i < ref.n_pages && !want && bits < 64; i++)
		if (ref_attachment(&ref.pool[ref.page[i].pool], b) >= 0 && ref.page[i].iova >> bits)
			want = -EBUSY;
	for (int p = 0; p < POOLS && !want; p++) /* free pages may lie beyond */
		unsure |= ref.pool[p].there && ref_attachment(&ref.pool[p], b) >= 0;
	note("pp_dma_set_mask(binding %d, %u)", b, bits);
	ret = pp_dma_set_mask(name, bits);
	if (want == -EINVAL)
		expect_sentence();
	must(ret == want || (unsure && ret == -EBUSY), "pp_dma_set_mask() is %d, not %d", ret,
	     want);
	if (!ret)
		ref.binding[b].mask = bits;
	return true;
}

static bool sync(void)
{
	struct ref_mapping *m = pick_mapping();
	unsigned how = input_byte(&in), dir = how & 3;
	bool for_cpu = how & 4;
	size_t off, len;
	int b, want, ret;
	pp_binding_t name;

	if (!m)
		return false;
	off = input_number(&in, 2) % (m->len + 8);
	len = input_number(&in, 2) % (m->len + 8);
	if (how & 8)
		len = off < m->len ? m->len - off : 0;
	dir = how & 0x10 ? m->dir : dir;
	b = m->binding;
	name = ref.binding[b].name;
	if (how >= 0xF0)
		b = pick_binding(&name);
	want = ref_enter(b, false);
	if (!want && ref.binding[b].checked)
		want = b == m->binding ?
			       ref_sync(m, m->iova + off, len, (enum pp_dma_dir)dir, for_cpu) :
			       -EINVAL;
	expect_report(want);
	if (!want && ref.debug && ref.device[ref.binding[m->binding].device].incoherent)
		report_expected = REPORT_MAYBE;
	note("pp_dma_sync(binding %d, 0x%llx + %zu, %zu bytes, direction %u, for %s)", b,
	     (unsigned long long)m->iova, off, len, dir, for_cpu ? "CPU" : "device");
	ret = for_cpu ? pp_dma_sync_for_cpu(name, m->iova + off, len, (enum pp_dma_dir)dir) :
			pp_dma_sync_for_device(name, m->iova + off, len, (enum pp_dma_dir)dir);
	must_be(ret, want, "the result");
	if (ret || !m->view || b != m->binding)
		return true; /* another binding's may succeed, unchecked, and does nothing here */
	if (for_cpu)
		memcpy(m->copy + off, m->view + (m->iova & 4095) + off, len);
	else
		memcpy(m->view + (m->iova & 4095) + off, m->copy + off, len);
	return true;
}

static bool cpu_writes(void)
{
	struct ref_mapping *m = pick_mapping();
	size_t off, len = 1 + input_byte(&in);
	uint8_t value = input_byte(&in);

	if (!m)
		return false;
	off = input_number(&in, 2) % m->len;
	len = len < m->len - off ? len : m->len - off;
	note("the CPU writes to 0x%llx + %zu, %zu bytes", (unsigned long long)m->iova, off, len);
	memset(m->cpu + off, value, len);
	memset(m->copy + off, value, len);
	return true;
}

/* ---- devices --------------------------------------------------------------------------------- */

enum pp_soft_fault_reason fault_unless_mapped(int d, pp_iova_t iova)
{
	if (ref.device[d].binding == NONE || device_broken(d))
		return PP_FAULT_BLOCKED;
	return iova >> ref.device[d].bits ? PP_FAULT_WIDTH : PP_FAULT_UNMAPPED;
}

static void check_fault(int d, pp_iova_t iova, enum pp_soft_fault_reason why, bool write)
{
	struct pp_soft_fault f;

	must_be(pp_soft_faults(real.iommu[d], &f, 1), 1, "faults in the log");
	must(f.iova == iova && f.reason == why && f.write == write,
	     "the log says 0x%llx, reason %d, %s, and not 0x%llx, %d, %s",
	     (unsigned long long)f.iova, f.reason, f.write ? "write" : "read",
	     (unsigned long long)iova, why, write ? "write" : "read");
}

void must_fault(int d, pp_iova_t iova, enum pp_soft_fault_reason why)
{
	uint8_t byte;

	why = device_broken(d) ? PP_FAULT_BLOCKED : why;
	ref.device[d].reads++;
	ref.device[d].faults++;
	must(pp_soft_read(real.iommu[d], iova, &byte, 1) == -EFAULT,
	     "device %d reads at 0x%llx, which was taken from it", d, (unsigned long long)iova);
	check_fault(d, iova, why, false);
}

/*
 * An access to [iova, iova + len), of which the reference says: the first `ok` bytes are
 * reached, and are what is in `bytes`; then comes a fault for that reason.
 */
static void access_device(int d, pp_iova_t iova, size_t len, bool write, uint8_t *bytes, size_t ok,
			  enum pp_soft_fault_reason why)
{
	static uint8_t buf[3 * BUFFER_BYTES];
	uint8_t value = input_byte(&in);
	int ret;

	if (device_broken(d)) {
		ok = 0;
		why = PP_FAULT_BLOCKED;
	}
	ref.device[d].faults += ok < len;
	if (ref.debug && ref.device[d].incoherent)
		report_expected = REPORT_MAYBE; /* what wasn't synced for it */
	ref.unsynced |= write && ref.device[d].incoherent;
	note("device %d %s 0x%llx, %zu bytes", d, write ? "writes" : "reads",
	     (unsigned long long)iova, len);
	memset(buf, value, len);
	if (write) {
		ref.device[d].writes++;
		ret = pp_soft_write(real.iommu[d], iova, buf, len);
		if (ok)
			memcpy(bytes, buf, ok);
	} else {
		ref.device[d].reads++;
		ret = pp_soft_read(real.iommu[d], iova, buf, len);
		must(!ok || !memcmp(buf, bytes, ok), "the device reads other bytes");
	}
	must_be(ret, ok < len ? -EFAULT : 0, "the access");
	if (ok < len)
		check_fault(d, iova + ok, why, write);
}

/* What a device may do with memory that is mapped for it so. */
static bool may(enum pp_dma_dir dir, bool write, enum pp_soft_fault_reason *why)
{
	*why = write ? PP_FAULT_WRITE : PP_FAULT_READ;
	return ref_may(dir, write);
}

static bool access_mapping(void)
{
	struct ref_mapping *m = pick_mapping();
	unsigned how = input_byte(&in);
	enum pp_soft_fault_reason why;
	size_t whole, off, len = 1 + input_byte(&in), ok;
	bool write = how & 1;
	uint8_t *bytes;
	int d;

	if (!m)
		return false;
	d = ref.binding[m->binding].device;
	whole = ref_whole(m);
	off = input_number(&in, 2) % whole;
	if (how >= 0xE0)
		len = 4096 + len; /* more than a page at once */
	if (how & 2)
		off = whole - 1 - off % 16;
	ok = len < whole - off ? len : whole - off;
	if (!may(m->dir, write, &why))
		ok = 0;
	else if (ok < len && !ref_nothing_at(d, (m->iova & ~4095ull) + whole))
		len = ok; /* what follows isn't known */
	else if (ok < len)
		why = fault_unless_mapped(d, (m->iova & ~4095ull) + whole);
	bytes = (m->view ? m->view : m->copy - (m->iova & 4095)) + off;
	access_device(d, (m->iova & ~4095ull) + off, len, write, bytes, ok, why);
	return true;
}

/* The first page from a random one on, or NULL. */
static struct ref_page *pick_page(void)
{
	unsigned n = (unsigned)input_number(&in, 2);

	for (int i = 0; i < ref.n_pages; i++) {
		struct ref_page *page = &ref.page[(n + (unsigned)i) % (unsigned)ref.n_pages];

		if (page->held)
			return page;
	}
	return NULL;
}

static bool access_page(void)
{
	struct ref_page *page = pick_page();
	int d = pick_device();
	unsigned how = input_byte(&in);
	size_t size, off = input_number(&in, 2), len = 1 + input_byte(&in);
	bool write = how & 1;
	enum pp_soft_fault_reason why;
	uint8_t *bytes;

	if (!page || d == NONE)
		return false;
	size = ref.pool[page->pool].params.page_size;
	off %= size;
	len = len < size - off ? len : size - off;
	if (ref_attachment(&ref.pool[page->pool], ref.device[d].binding) < 0) {
		/* not this device's; its address may be something else's by now */
		if (ref.device[d].binding == NONE || ref_nothing_at(d, page->iova + off))
			access_device(d, page->iova + off, len, write, NULL, 0,
				      fault_unless_mapped(d, page->iova));
		return true;
	}
	bytes = ref.device[d].incoherent ? page_view(page, d) : page_copy(page);
	access_device(d, page->iova + off, len, write, bytes + off,
		      may(ref.pool[page->pool].params.dir, write, &why) ? len : 0, why);
	return true;
}

/* An address that the device made up. */
static bool access_wild(void)
{
	int d = pick_device();
	unsigned how = input_byte(&in);
	pp_iova_t iova = input_number(&in, 1 + how % 8) << (how >> 3 & 15);
	enum pp_soft_fault_reason why;
	uint8_t byte;

	if (d == NONE)
		return false;
	why = fault_unless_mapped(d, iova);
	if (why != PP_FAULT_UNMAPPED || ref_nothing_at(d, iova)) {
		note("device %d reads at 0x%llx", d, (unsigned long long)iova);
		must_fault(d, iova, why);
		return true;
	}
	/* perhaps a pool's free page: readable or not, but there */
	note("device %d may read at 0x%llx", d, (unsigned long long)iova);
	ref.device[d].reads++;
	ref.device[d].faults += pp_soft_read(real.iommu[d], iova, &byte, 1) != 0;
	if (ref.debug)
		report_expected = REPORT_MAYBE;
	return true;
}

bool call_dma(unsigned which)
{
	switch (which) {
	case 0: return map();
	case 1: return unmap(false);
	case 2: return sync();
	case 3: return alloc_coherent();
	case 4: return unmap(true);
	case 5: return set_mask();
	case 6: return access_mapping();
	case 7: return input_byte(&in) & 1 ? cpu_writes() : access_wild();
	default: return access_page();
	}
}

/* ---- what can be seen ------------------------------------------------------------------------ */

void mappings_compare(void)
{
	for (int i = 0; i < MAPPINGS; i++) {
		const struct ref_mapping *m = &ref.mapping[i];

		if (m->coherent && (m->there || m->ended))
			must(!memcmp(m->cpu, m->copy, m->len),
			     "coherent memory at 0x%llx has other contents",
			     (unsigned long long)m->iova);
	}
	for (int i = 0; i < BUFFERS; i++)
		must(!memcmp(real.buffer[i], real.buffer_copy[i], BUFFER_BYTES),
		     "buffer %d has other contents", i);
}
