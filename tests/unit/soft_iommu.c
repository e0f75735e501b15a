/*
 * soft_iommu.c - tests of the software IOMMU as a device sees it (pagepool/soft.h), driven
 * through the back-end contract (pagepool/iommu.h): blocking, stale translations,
 * permissions, widths, the fault log, accesses over several leaves, the incoherent mode.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/pagepool.h>
#include <string.h>

#include "unit.h"

#define PAGE ((size_t)PP_BASE_PAGE)
#define M2 ((size_t)2 << 20)
#define IOVA 0x10000000ull /* a multiple of 2 MiB */
#define RW (PP_PROT_READ | PP_PROT_WRITE)

static char memory[512 * PP_BASE_PAGE] __attribute__((aligned(4096)));

/* ---- the contract, in short ------------------------------------------------------ */

static struct pp_iommu *domain_with(const struct pp_soft_params *params)
{
	struct pp_iommu *iommu;

	memset(memory, 0, sizeof memory);
	if (pp_soft_create(&iommu, params))
		abort();
	iommu->ops->block(iommu, false);
	return iommu;
}

static struct pp_iommu *incoherent_domain(void)
{
	struct pp_soft_params params = PP_PARAMS(struct pp_soft_params);

	params.incoherent = true;
	return domain_with(&params);
}

static int map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len, unsigned prot)
{
	return iommu->ops->map(iommu, iova, addr, len, PAGE, prot);
}

static size_t unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	return iommu->ops->unmap(iommu, iova, len);
}

static void invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	iommu->ops->invalidate(iommu, iova, len);
}

static struct pp_domain_stats stats(struct pp_iommu *iommu)
{
	struct pp_domain_stats s = { 0 };

	iommu->ops->stats(iommu, &s);
	return s;
}

/* The newest fault is this one. */
static bool faulted(struct pp_iommu *iommu, pp_iova_t iova, enum pp_soft_fault_reason reason,
		    bool write)
{
	struct pp_soft_fault f;

	return pp_soft_faults(iommu, &f, 1) == 1 && f.iova == iova && f.reason == reason &&
	       f.write == write;
}

static int read_byte(struct pp_iommu *iommu, pp_iova_t iova)
{
	unsigned char byte;
	int ret = pp_soft_read(iommu, iova, &byte, 1);

	return ret ? ret : byte;
}

static int write_byte(struct pp_iommu *iommu, pp_iova_t iova, int byte)
{
	char c = (char)byte;

	return pp_soft_write(iommu, iova, &c, 1);
}

/* ---- creation -------------------------------------------------------------------- */

static void parameters_are_checked(void)
{
	struct {
		struct pp_soft_params p;
		char tail[16];
	} longer = { .p = { .size = sizeof longer } };
	struct pp_soft_params p = PP_PARAMS(struct pp_soft_params);
	struct pp_iommu *iommu = (void *)1;

	p.address_bits = 31;
	check_eq(pp_soft_create(&iommu, &p), -EINVAL, "31 bits are too few");
	check(!iommu, "and nothing is made");
	p.address_bits = 65;
	check_eq(pp_soft_create(&iommu, &p), -EINVAL, "65 are too many");
	p = (struct pp_soft_params){ 0 };
	check_eq(pp_soft_create(&iommu, &p), -EINVAL, "a size must be said");
	check_eq(pp_soft_create(&iommu, &longer.p), 0, "a longer structure of zeros is fine");
	pp_soft_destroy(iommu);
	longer.tail[15] = 1;
	check_eq(pp_soft_create(&iommu, &longer.p), -E2BIG, "one that wants more is refused");
	p.size = offsetof(struct pp_soft_params, incoherent);
	p.address_bits = 40;
	p.incoherent = true; /* beyond its size: not looked at */
	require(!pp_soft_create(&iommu, &p), "a shorter one is fine");
	check(!iommu->incoherent && !iommu->deferred, "what it lacks is zero");
	check_eq(pp_soft_read(iommu, IOVA, NULL, 1), -EINVAL, "an access without a buffer");
	check_eq(pp_soft_write(NULL, IOVA, &p, 1), -EINVAL, "or without a domain");
	check_eq(pp_soft_faults(NULL, NULL, 1), 0, "no domain has no faults");
	check_eq(pp_soft_create(NULL, NULL), -EINVAL, "nowhere to store a domain");
	pp_soft_destroy(iommu);
	pp_soft_destroy(NULL);
}

static void the_domain_describes_itself(void)
{
	struct pp_soft_params p = PP_PARAMS(struct pp_soft_params);
	struct pp_iommu *iommu;

	p.deferred = p.incoherent = true;
	require(!pp_soft_create(&iommu, &p), "created");
	check(!strcmp(iommu->ops->kind, "soft"), "its kind is soft");
	check(iommu->n_ranges == 1 && iommu->ranges[0].first == 0 &&
		      iommu->ranges[0].last == (1ull << 48) - 1,
	      "it spans 48 bits");
	check_eq(iommu->page_sizes, 1ull << 12 | 1ull << 21 | 1ull << 30, "its three leaf sizes");
	check(iommu->deferred && iommu->incoherent && iommu->can_split, "and its nature");
	pp_soft_destroy(iommu);
}

/* ---- blocking -------------------------------------------------------------------- */

static void a_new_domain_is_blocked(void)
{
	struct pp_iommu *iommu;

	require(!pp_soft_create(&iommu, NULL), "created");
	map(iommu, IOVA, memory, PAGE, RW);
	check_eq(read_byte(iommu, IOVA), -EFAULT, "what is mapped can't be read");
	check(faulted(iommu, IOVA, PP_FAULT_BLOCKED, false), "as blocked");
	iommu->ops->block(iommu, false);
	check_eq(read_byte(iommu, IOVA), 0, "until it is let");
	check_eq(stats(iommu).iotlb_entries, 1, "now the IOTLB holds it");
	iommu->ops->block(iommu, true);
	check_eq(write_byte(iommu, IOVA, 1), -EFAULT, "blocked again, the IOTLB is no way in");
	check(faulted(iommu, IOVA, PP_FAULT_BLOCKED, true), "as blocked");
	check_eq(memory[0], 0, "nothing was written");
	unmap(iommu, IOVA, PAGE);
	pp_soft_destroy(iommu);
}

/* ---- the IOTLB ------------------------------------------------------------------- */

static void a_stale_translation_is_served_until_it_is_invalidated(void)
{
	struct pp_iommu *iommu = domain_with(NULL);

	map(iommu, IOVA, memory, PAGE, RW);
	check_eq(write_byte(iommu, IOVA, 1), 0, "the device writes");
	check_eq(unmap(iommu, IOVA, PAGE), PAGE, "it is unmapped");
	check_eq(stats(iommu).page_table_bytes, 0, "the table is empty");
	check_eq(write_byte(iommu, IOVA + 1, 2), 0, "the device writes still");
	check_eq(memory[1], 2, "to the memory");
	invalidate(iommu, IOVA + PAGE, PAGE);
	check_eq(write_byte(iommu, IOVA + 2, 3), 0, "another range's invalidation is no matter");
	invalidate(iommu, IOVA, PAGE);
	check_eq(write_byte(iommu, IOVA + 3, 4), -EFAULT, "its own ends it");
	check(faulted(iommu, IOVA + 3, PP_FAULT_UNMAPPED, true), "nothing is mapped there");
	check_eq(memory[3], 0, "and nothing written");
	check_eq(stats(iommu).iotlb_entries, 0, "the IOTLB is empty");
	pp_soft_destroy(iommu);
}

static void what_the_iotlb_never_held_ends_with_the_unmap(void)
{
	struct pp_iommu *iommu = domain_with(NULL);

	map(iommu, IOVA, memory, PAGE, RW);
	unmap(iommu, IOVA, PAGE);
	check_eq(read_byte(iommu, IOVA), -EFAULT, "it faults at once");
	pp_soft_destroy(iommu);
}

static void a_stale_translation_hides_the_new_one(void)
{
	struct pp_iommu *iommu = domain_with(NULL);

	memory[0] = 1;
	memory[PAGE] = 2;
	map(iommu, IOVA, memory, PAGE, RW);
	check_eq(read_byte(iommu, IOVA), 1, "the first memory");
	unmap(iommu, IOVA, PAGE);
	map(iommu, IOVA, memory + PAGE, PAGE, PP_PROT_READ);
	check_eq(read_byte(iommu, IOVA), 1, "mapped anew without invalidation: the first still");
	invalidate(iommu, 0, SIZE_MAX);
	check_eq(stats(iommu).iotlb_entries, 0, "SIZE_MAX empties the IOTLB");
	check_eq(read_byte(iommu, IOVA), 2, "then it is the second");
	unmap(iommu, IOVA, PAGE);
	pp_soft_destroy(iommu);
}

static void a_page_s_invalidation_drops_the_large_leaf_around_it(void)
{
	struct pp_iommu *iommu = domain_with(NULL);
	char *large = aligned_alloc(M2, M2);

	memset(large, 7, M2);
	iommu->ops->map(iommu, IOVA, large, M2, M2, RW);
	check_eq(read_byte(iommu, IOVA), 7, "2 MiB are mapped");
	check_eq(stats(iommu).page_table_bytes, 3 * 4096, "by one leaf");
	check_eq(read_byte(iommu, IOVA + M2 - 1), 7, "their end is read");
	check_eq(stats(iommu).iotlb_misses, 1, "by the same entry");
	check_eq(unmap(iommu, IOVA + 5 * PAGE, PAGE), PAGE, "a page of it is unmapped");
	check_eq(read_byte(iommu, IOVA + 5 * PAGE), 7, "and still served");
	invalidate(iommu, IOVA + 5 * PAGE, PAGE);
	check_eq(stats(iommu).iotlb_entries, 0, "its invalidation drops the entry");
	check_eq(read_byte(iommu, IOVA + 5 * PAGE), -EFAULT, "the page is gone");
	check_eq(read_byte(iommu, IOVA + 6 * PAGE), 7, "its neighbour isn't");
	check_eq(unmap(iommu, IOVA, M2), M2 - PAGE, "the rest goes");
	pp_soft_destroy(iommu);
	free(large);
}

static void the_iotlb_is_small_and_that_shows_in_misses_only(void)
{
	struct pp_iommu *iommu = domain_with(NULL);
	const unsigned n = sizeof memory / PAGE;
	bool ok = true;

	map(iommu, IOVA, memory, sizeof memory, RW);
	for (unsigned i = 0; i < n; i++)
		memory[i * PAGE] = (char)(i % 100);
	for (unsigned i = 0; i < n; i++)
		ok = read_byte(iommu, IOVA + i * PAGE) == (int)(i % 100) && ok;
	check(ok, "512 pages are read right");
	check_eq(stats(iommu).iotlb_misses, n, "each with a miss");
	check(stats(iommu).iotlb_entries > 0 && stats(iommu).iotlb_entries < n,
	      "more than the IOTLB holds");
	ok = true;
	for (unsigned i = n; i-- > n - 8;)
		ok = read_byte(iommu, IOVA + i * PAGE) == (int)(i % 100) && ok;
	check_eq(stats(iommu).iotlb_misses, n, "the last ones are in it");
	for (unsigned i = 0; i < 8; i++)
		ok = read_byte(iommu, IOVA + i * PAGE) == (int)(i % 100) && ok;
	check_eq(stats(iommu).iotlb_misses, n + 8, "the first ones aren't");
	check(ok, "all is read right again");
	unmap(iommu, IOVA, sizeof memory);
	pp_soft_destroy(iommu);
}

/* ---- permissions, widths --------------------------------------------------------- */

static void permissions_are_enforced(void)
{
	struct pp_iommu *iommu = domain_with(NULL);

	map(iommu, IOVA, memory, PAGE, PP_PROT_READ);
	map(iommu, IOVA + PAGE, memory + PAGE, PAGE, PP_PROT_WRITE);
	map(iommu, IOVA + 2 * PAGE, memory + 2 * PAGE, PAGE, RW);
	check_eq(read_byte(iommu, IOVA), 0, "may read: reads");
	check_eq(write_byte(iommu, IOVA + 5, 1), -EFAULT, "may read: doesn't write");
	check(faulted(iommu, IOVA + 5, PP_FAULT_WRITE, true), "no permission to write");
	check_eq(memory[5], 0, "and nothing written");
	check_eq(read_byte(iommu, IOVA + PAGE), -EFAULT, "may write: doesn't read");
	check(faulted(iommu, IOVA + PAGE, PP_FAULT_READ, false), "no permission to read");
	check_eq(write_byte(iommu, IOVA + PAGE, 1), 0, "may write: writes");
	check_eq(write_byte(iommu, IOVA + 2 * PAGE, 9), 0, "may both: writes");
	check_eq(read_byte(iommu, IOVA + 2 * PAGE), 9, "may both: reads");
	unmap(iommu, IOVA, 3 * PAGE);
	pp_soft_destroy(iommu);
}

static void beyond_the_device_s_width_is_a_fault(void)
{
	struct pp_soft_params p = PP_PARAMS(struct pp_soft_params);
	const pp_iova_t end = 1ull << 32;
	struct pp_iommu *iommu;
	char buf[64];

	p.address_bits = 32;
	iommu = domain_with(&p);
	map(iommu, end - PAGE, memory, 2 * PAGE, RW);
	check_eq(read_byte(iommu, end - 1), 0, "the last byte of 32 bits");
	check_eq(read_byte(iommu, end), -EFAULT, "and the next");
	check(faulted(iommu, end, PP_FAULT_WIDTH, false), "too wide");
	memset(buf, 5, sizeof buf);
	check_eq(pp_soft_write(iommu, end - 32, buf, 64), -EFAULT, "a write across");
	check(faulted(iommu, end, PP_FAULT_WIDTH, true), "faults where it is too wide");
	check(memory[PAGE - 1] == 5 && memory[PAGE] == 0, "and has written up to there");
	unmap(iommu, end - PAGE, 2 * PAGE);
	pp_soft_destroy(iommu);
}

static void beyond_the_domain_s_width_is_a_fault(void)
{
	struct pp_iommu *iommu = domain_with(NULL);
	const pp_iova_t last = (1ull << 48) - PAGE;

	map(iommu, last, memory, PAGE, RW);
	check_eq(read_byte(iommu, last + PAGE - 1), 0, "the last byte of 48 bits");
	check_eq(read_byte(iommu, last + PAGE), -EFAULT, "and the next");
	check(faulted(iommu, last + PAGE, PP_FAULT_WIDTH, false), "too wide");
	/* with its upper bits cut off this would be mapped */
	check_eq(read_byte(iommu, 1ull << 63 | last), -EFAULT, "no bit is left out");
	check(faulted(iommu, 1ull << 63 | last, PP_FAULT_WIDTH, false), "too wide");
	check_eq(read_byte(iommu, PP_IOVA_NONE), -EFAULT, "PP_IOVA_NONE is no address");
	unmap(iommu, last, PAGE);
	pp_soft_destroy(iommu);
}

/* ---- the fault log --------------------------------------------------------------- */

static void the_log_is_newest_first(void)
{
	struct pp_iommu *iommu = domain_with(NULL);
	struct pp_soft_fault log[8];

	check_eq(pp_soft_faults(iommu, log, 8), 0, "it begins empty");
	map(iommu, IOVA, memory, PAGE, PP_PROT_READ);
	read_byte(iommu, IOVA + PAGE);
	write_byte(iommu, IOVA + 1, 1);
	write_byte(iommu, 1ull << 50, 1);
	check_eq(pp_soft_faults(iommu, log, 8), 3, "three faults");
	check(log[0].iova == 1ull << 50 && log[0].reason == PP_FAULT_WIDTH && log[0].write,
	      "first the last");
	check(log[1].iova == IOVA + 1 && log[1].reason == PP_FAULT_WRITE && log[1].write,
	      "then the one before");
	check(log[2].iova == IOVA + PAGE && log[2].reason == PP_FAULT_UNMAPPED && !log[2].write,
	      "then the first");
	check(log[2].time_ns && log[2].time_ns <= log[1].time_ns &&
		      log[1].time_ns <= log[0].time_ns,
	      "their times are in that order");
	check_eq(pp_soft_faults(iommu, log, 2), 2, "no more than asked for");
	check(log[1].iova == IOVA + 1, "are the newest");
	check_eq(pp_soft_faults(iommu, log, 0), 0, "none if none");
	unmap(iommu, IOVA, PAGE);
	pp_soft_destroy(iommu);
}

static void a_full_log_keeps_the_newest_and_counts_all(void)
{
	static struct pp_soft_fault log[PP_SOFT_FAULT_LOG + 1];
	const unsigned n = 2 * PP_SOFT_FAULT_LOG + 44;
	struct pp_iommu *iommu = domain_with(NULL);
	bool ok = true;

	for (unsigned i = 0; i < n; i++)
		read_byte(iommu, IOVA + i);
	check_eq(stats(iommu).faults, n, "all are counted");
	check_eq(pp_soft_faults(iommu, log, PP_SOFT_FAULT_LOG + 1), PP_SOFT_FAULT_LOG,
		 "as many are kept as it holds");
	for (unsigned i = 0; i < PP_SOFT_FAULT_LOG; i++)
		ok = log[i].iova == IOVA + n - 1 - i && ok;
	check(ok, "the newest, newest first");
	pp_soft_destroy(iommu);
}

static void reasons_have_words(void)
{
	static const enum pp_soft_fault_reason r[] = { PP_FAULT_BLOCKED, PP_FAULT_WIDTH,
						       PP_FAULT_WRITE, PP_FAULT_READ,
						       PP_FAULT_UNMAPPED };
	bool differ = true;

	for (unsigned i = 0; i < 5; i++)
		for (unsigned j = 0; j < i; j++)
			differ = strcmp(pp_soft_fault_name(r[i]), pp_soft_fault_name(r[j])) &&
				 differ;
	check(differ, "each its own");
	check(pp_soft_fault_name((enum pp_soft_fault_reason)0) != NULL, "and none is NULL");
}

/* ---- accesses -------------------------------------------------------------------- */

static void fill(char *buf, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)(i * 31 + seed + i / 251);
}

static void an_access_crosses_leaves(void)
{
	struct pp_iommu *iommu = domain_with(NULL);
	static char buf[3 * PP_BASE_PAGE], back[3 * PP_BASE_PAGE];
	const size_t at = 1000, len = 2 * PAGE + 500;

	/* neighbours for the device, scattered and in another order in memory */
	map(iommu, IOVA, memory + 7 * PAGE, PAGE, RW);
	map(iommu, IOVA + PAGE, memory + 2 * PAGE, PAGE, RW);
	map(iommu, IOVA + 2 * PAGE, memory + 5 * PAGE, PAGE, RW);
	fill(buf, len, 1);
	check_eq(pp_soft_write(iommu, IOVA + at, buf, len), 0, "a write over three leaves");
	check(!memcmp(memory + 7 * PAGE + at, buf, PAGE - at), "its beginning");
	check(!memcmp(memory + 2 * PAGE, buf + PAGE - at, PAGE), "its middle");
	check(!memcmp(memory + 5 * PAGE, buf + 2 * PAGE - at, len - (2 * PAGE - at)), "its end");
	check(!memory[7 * PAGE + at - 1] && !memory[5 * PAGE + len + at - 2 * PAGE],
	      "nothing before and behind");
	check_eq(pp_soft_read(iommu, IOVA + at, back, len), 0, "read back");
	check(!memcmp(buf, back, len), "as it was written");
	check(stats(iommu).dma_writes == 1 && stats(iommu).dma_reads == 1,
	      "one write and one read of the device");
	unmap(iommu, IOVA, 3 * PAGE);
	pp_soft_destroy(iommu);
}

static void an_access_crosses_from_a_page_into_a_large_leaf(void)
{
	struct pp_iommu *iommu = domain_with(NULL);
	char *large = aligned_alloc(M2, M2), buf[200], back[200];

	memset(large, 0, M2);
	map(iommu, IOVA - PAGE, memory, PAGE, RW);
	iommu->ops->map(iommu, IOVA, large, M2, M2, RW);
	fill(buf, sizeof buf, 9);
	check_eq(pp_soft_write(iommu, IOVA - 100, buf, 200), 0, "a write over both");
	check(!memcmp(memory + PAGE - 100, buf, 100) && !memcmp(large, buf + 100, 100),
	      "is in both");
	check_eq(pp_soft_read(iommu, IOVA - 100, back, 200), 0, "read back");
	check(!memcmp(buf, back, 200), "as it was written");
	unmap(iommu, IOVA - PAGE, PAGE + M2);
	pp_soft_destroy(iommu);
	free(large);
}

/* Descriptors are moved word by word where they are aligned: every length and offset. */
static void small_accesses_of_every_shape_are_right(void)
{
	struct pp_iommu *iommu = domain_with(NULL);
	char buf[80], back[80];
	bool ok = true;

	map(iommu, IOVA, memory, PAGE, RW);
	for (size_t len = 0; len <= 72; len++)
		for (size_t at = 64; at < 80; at++) {
			memset(memory, 0x55, 256);
			fill(buf, sizeof buf, (unsigned)(len + at));
			memset(back, 0x66, sizeof back);
			ok = !pp_soft_write(iommu, IOVA + at, buf, len) &&
			     !memcmp(memory + at, buf, len) && memory[at - 1] == 0x55 &&
			     memory[at + len] == 0x55 &&
			     !pp_soft_read(iommu, IOVA + at, back, len) &&
			     !memcmp(back, buf, len) && back[len] == 0x66 && ok;
		}
	check(ok, "lengths 0 to 72 at 16 offsets");
	unmap(iommu, IOVA, PAGE);
	pp_soft_destroy(iommu);
}

static void an_access_is_done_up_to_its_first_fault(void)
{
	struct pp_iommu *iommu = domain_with(NULL);
	static char buf[3 * PP_BASE_PAGE];

	map(iommu, IOVA, memory, PAGE, RW);
	map(iommu, IOVA + 2 * PAGE, memory + 2 * PAGE, PAGE, RW);
	memset(buf, 3, sizeof buf);
	check_eq(pp_soft_write(iommu, IOVA + 100, buf, 2 * PAGE), -EFAULT, "a hole in the middle");
	check(faulted(iommu, IOVA + PAGE, PP_FAULT_UNMAPPED, true), "the fault is the hole's");
	check_eq(stats(iommu).faults, 1, "it is one fault");
	check(memory[100] == 3 && memory[PAGE - 1] == 3, "up to there it is written");
	check(!memory[99] && !memory[2 * PAGE], "before and behind it isn't");
	memset(buf, 0, sizeof buf);
	check_eq(pp_soft_read(iommu, IOVA + 100, buf, 2 * PAGE), -EFAULT, "a read likewise");
	check(buf[0] == 3 && buf[PAGE - 101] == 3 && !buf[PAGE - 100], "has read up to there");
	unmap(iommu, IOVA, PAGE);
	unmap(iommu, IOVA + 2 * PAGE, PAGE);
	pp_soft_destroy(iommu);
}

/* ---- the incoherent mode --------------------------------------------------------- */

static int sync_for(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool cpu)
{
	return iommu->ops->sync(iommu, iova, len, cpu);
}

static void a_missing_sync_for_the_device_shows(void)
{
	struct pp_iommu *iommu = incoherent_domain();

	map(iommu, IOVA, memory, 2 * PAGE, RW);
	memory[0] = 1;
	check_eq(read_byte(iommu, IOVA), 0xDB, "never synced: not what the CPU wrote");
	check_eq(sync_for(iommu, IOVA, 1, false), 0, "synced");
	check_eq(read_byte(iommu, IOVA), 1, "the device reads it");
	memory[0] = 2;
	check_eq(read_byte(iommu, IOVA), 1, "written again: the device reads the old one");
	memory[1] = 3;
	sync_for(iommu, IOVA + 1, 1, false);
	check_eq(read_byte(iommu, IOVA), 1, "a sync of the byte beside it changes nothing");
	check_eq(read_byte(iommu, IOVA + 1), 3, "but that byte");
	memory[PAGE - 1] = 4;
	memory[PAGE] = 5;
	check_eq(sync_for(iommu, IOVA, 2 * PAGE, false), 0, "a sync over two leaves");
	check(read_byte(iommu, IOVA) == 2 && read_byte(iommu, IOVA + PAGE - 1) == 4 &&
		      read_byte(iommu, IOVA + PAGE) == 5,
	      "brings all");
	unmap(iommu, IOVA, 2 * PAGE);
	pp_soft_destroy(iommu);
}

static void a_missing_sync_for_the_cpu_shows(void)
{
	struct pp_iommu *iommu = incoherent_domain();
	static char buf[2 * PP_BASE_PAGE];

	map(iommu, IOVA, memory, 2 * PAGE, RW);
	memset(buf, 6, sizeof buf);
	check_eq(pp_soft_write(iommu, IOVA, buf, sizeof buf), 0, "the device writes");
	check(!memory[0] && !memory[PAGE], "the CPU reads the old bytes");
	check_eq(read_byte(iommu, IOVA), 6, "the device its own");
	check_eq(sync_for(iommu, IOVA + 10, 5, true), 0, "some are synced");
	check(!memory[9] && memory[10] == 6 && memory[14] == 6 && !memory[15],
	      "the CPU reads these");
	check_eq(sync_for(iommu, IOVA, sizeof buf, true), 0, "all are synced");
	check(!memcmp(memory, buf, sizeof buf), "the CPU reads all");
	unmap(iommu, IOVA, 2 * PAGE);
	pp_soft_destroy(iommu);
}

static void coherent_memory_needs_no_sync(void)
{
	struct pp_iommu *iommu = incoherent_domain();

	map(iommu, IOVA, memory, PAGE, RW | PP_PROT_COHERENT);
	memory[0] = 1;
	check_eq(read_byte(iommu, IOVA), 1, "the device reads what the CPU wrote");
	write_byte(iommu, IOVA + 1, 2);
	check_eq(memory[1], 2, "and the CPU what the device did");
	check_eq(stats(iommu).shadow_bytes, 0, "there is no shadow");
	check_eq(sync_for(iommu, IOVA, PAGE, true), 0, "a sync is allowed");
	check(memory[0] == 1 && memory[1] == 2 && !stats(iommu).shadow_bytes, "and does nothing");
	unmap(iommu, IOVA, PAGE);
	pp_soft_destroy(iommu);
}

static void a_sync_of_nothing_is_refused(void)
{
	struct pp_iommu *iommu = incoherent_domain();

	check_eq(sync_for(iommu, IOVA, 1, true), -EINVAL, "nothing is mapped");
	map(iommu, IOVA, memory, PAGE, RW);
	check_eq(sync_for(iommu, IOVA + 1, PAGE, false), -EINVAL, "or its last byte isn't");
	unmap(iommu, IOVA, PAGE);
	pp_soft_destroy(iommu);
}

static void shadows_go_with_the_mapping(void)
{
	struct pp_iommu *iommu = incoherent_domain();

	map(iommu, IOVA, memory, sizeof memory, RW);
	check_eq(sync_for(iommu, IOVA, sizeof memory, false), 0, "512 pages are synced");
	check(stats(iommu).shadow_bytes >= sizeof memory, "each has a shadow");
	check_eq(unmap(iommu, IOVA, sizeof memory / 2), sizeof memory / 2, "half is unmapped");
	check(stats(iommu).shadow_bytes < sizeof memory, "with its shadows");
	check_eq(read_byte(iommu, IOVA + sizeof memory / 2), 0, "the others stay");
	unmap(iommu, IOVA + sizeof memory / 2, sizeof memory / 2);
	check_eq(stats(iommu).shadow_bytes, 0, "all is unmapped: no shadow is left");
	pp_soft_destroy(iommu);
}

/* Two mappings may share a base page: two small buffers of a driver do. */
static void an_unmap_leaves_the_other_mapping_of_the_page(void)
{
	struct pp_iommu *iommu = incoherent_domain();

	map(iommu, IOVA, memory, PAGE, RW);
	map(iommu, IOVA + 8 * PAGE, memory, PAGE, RW);
	memory[100] = 1;
	sync_for(iommu, IOVA + 8 * PAGE, PAGE, false);
	write_byte(iommu, IOVA + 8 * PAGE + 200, 2);
	unmap(iommu, IOVA, PAGE);
	invalidate(iommu, IOVA, PAGE);
	check(read_byte(iommu, IOVA + 8 * PAGE + 100) == 1,
	      "what was synced through the other one stays");
	sync_for(iommu, IOVA + 8 * PAGE, PAGE, true);
	check(memory[200] == 2, "what the device wrote through it isn't lost");
	unmap(iommu, IOVA + 8 * PAGE, PAGE);
	check_eq(stats(iommu).shadow_bytes, 0, "with the last one the shadow goes");
	pp_soft_destroy(iommu);
}

static void a_stale_access_leaves_no_shadow(void)
{
	struct pp_iommu *iommu = incoherent_domain();

	map(iommu, IOVA, memory, PAGE, RW);
	read_byte(iommu, IOVA); /* the IOTLB holds it */
	unmap(iommu, IOVA, PAGE);
	check_eq(read_byte(iommu, IOVA), 0xDB, "unmapped, it is served still");
	invalidate(iommu, IOVA, PAGE);
	check(stats(iommu).shadow_bytes == 0, "invalidated, no shadow is left");
	pp_soft_destroy(iommu);
}

static void a_stale_shadow_goes_when_its_entry_makes_room(void)
{
	struct pp_iommu *iommu = incoherent_domain();
	const size_t set = 64 * PAGE; /* so far apart, pages are in one set of the IOTLB */

	map(iommu, IOVA, memory, PAGE, RW);
	for (unsigned i = 1; i <= 4; i++)
		map(iommu, IOVA + i * set, memory + i * PAGE, PAGE, RW);
	write_byte(iommu, IOVA, 1);
	unmap(iommu, IOVA, PAGE);
	check_eq(write_byte(iommu, IOVA, 2), 0, "unmapped, it is served still");
	for (unsigned i = 1; i <= 4; i++)
		write_byte(iommu, IOVA + i * set, 3);
	check_eq(write_byte(iommu, IOVA, 4), -EFAULT, "until others need its place");
	for (unsigned i = 1; i <= 4; i++)
		unmap(iommu, IOVA + i * set, PAGE);
	check_eq(stats(iommu).shadow_bytes, 0, "nothing is mapped: no shadow is left");
	invalidate(iommu, 0, SIZE_MAX);
	check_eq(stats(iommu).shadow_bytes, 0, "nor after the flush");
	pp_soft_destroy(iommu);
}

/* A page of a leaf of 2 MiB is unmapped, the others stay; the device uses both. */
static void part_of_a_leaf_goes(size_t gone, size_t stays)
{
	struct pp_iommu *iommu = incoherent_domain();
	char *large = aligned_alloc(M2, M2);

	iommu->ops->map(iommu, IOVA, large, M2, M2, RW);
	read_byte(iommu, IOVA); /* the IOTLB holds the leaf */
	check_eq(unmap(iommu, IOVA + gone, PAGE), PAGE, "one page of 512 goes");
	write_byte(iommu, IOVA + gone, 5);
	write_byte(iommu, IOVA + stays, 6);
	invalidate(iommu, IOVA + gone, PAGE);
	check_eq(read_byte(iommu, IOVA + gone), -EFAULT, "then it faults");
	check_eq(sync_for(iommu, IOVA + stays, 1, true), 0, "another one is synced");
	check_eq(large[stays], 6, "and what the device wrote there is there");
	if (gone)
		unmap(iommu, IOVA, gone);
	if (gone + PAGE < M2)
		unmap(iommu, IOVA + gone + PAGE, M2 - gone - PAGE);
	check_eq(stats(iommu).shadow_bytes, 0, "with the rest the last shadow goes");
	pp_soft_destroy(iommu);
	free(large);
}

static void an_invalidation_takes_the_shadows_of_what_is_gone_only(void)
{
	part_of_a_leaf_goes(0, 3 * PAGE);
	part_of_a_leaf_goes(3 * PAGE, 0);
	part_of_a_leaf_goes(M2 - PAGE, PAGE);
}

/* ---- statistics ------------------------------------------------------------------ */

static void everything_is_counted(void)
{
	struct pp_iommu *iommu = domain_with(NULL);

	check_eq(stats(iommu).page_table_bytes, 0, "no table at first");
	map(iommu, IOVA, memory, PAGE, RW);
	check_eq(stats(iommu).page_table_bytes, 4 * 4096, "four for a page");
	map(iommu, IOVA + PAGE, memory + PAGE, PAGE, RW);
	check_eq(stats(iommu).page_table_bytes, 4 * 4096, "its neighbour needs none");
	read_byte(iommu, IOVA);
	read_byte(iommu, IOVA + 1);
	write_byte(iommu, IOVA + PAGE, 1);
	read_byte(iommu, IOVA + 2 * PAGE);
	check_eq(stats(iommu).dma_reads, 3, "reads, one that faulted among them");
	check_eq(stats(iommu).dma_writes, 1, "writes");
	check_eq(stats(iommu).iotlb_misses, 3, "walks: two pages and one fault");
	check_eq(stats(iommu).iotlb_entries, 2, "translations held");
	check_eq(stats(iommu).faults, 1, "faults");
	check_eq(unmap(iommu, IOVA, 2 * PAGE), 2 * PAGE, "all is unmapped");
	invalidate(iommu, IOVA, 2 * PAGE);
	check_eq(stats(iommu).page_table_bytes, 0, "no table is left");
	check_eq(stats(iommu).iotlb_entries, 0, "no translation either");
	pp_soft_destroy(iommu);
}

static void a_conflict_is_refused_and_changes_nothing(void)
{
	struct pp_iommu *iommu = domain_with(NULL);

	map(iommu, IOVA + PAGE, memory, PAGE, RW);
	check_eq(map(iommu, IOVA, memory + PAGE, 2 * PAGE, RW), -EEXIST,
		 "a page is mapped already");
	check_eq(read_byte(iommu, IOVA), -EFAULT, "the one before it isn't now");
	unmap(iommu, IOVA + PAGE, PAGE);
	check_eq(stats(iommu).page_table_bytes, 0, "no table is left");
	pp_soft_destroy(iommu);
}

int main(void)
{
	run(parameters_are_checked);
	run(the_domain_describes_itself);
	run(a_new_domain_is_blocked);
	run(a_stale_translation_is_served_until_it_is_invalidated);
	run(what_the_iotlb_never_held_ends_with_the_unmap);
	run(a_stale_translation_hides_the_new_one);
	run(a_page_s_invalidation_drops_the_large_leaf_around_it);
	run(the_iotlb_is_small_and_that_shows_in_misses_only);
	run(permissions_are_enforced);
	run(beyond_the_device_s_width_is_a_fault);
	run(beyond_the_domain_s_width_is_a_fault);
	run(the_log_is_newest_first);
	run(a_full_log_keeps_the_newest_and_counts_all);
	run(reasons_have_words);
	run(an_access_crosses_leaves);
	run(an_access_crosses_from_a_page_into_a_large_leaf);
	run(small_accesses_of_every_shape_are_right);
	run(an_access_is_done_up_to_its_first_fault);
	run(a_missing_sync_for_the_device_shows);
	run(a_missing_sync_for_the_cpu_shows);
	run(coherent_memory_needs_no_sync);
	run(a_sync_of_nothing_is_refused);
	run(shadows_go_with_the_mapping);
	run(an_unmap_leaves_the_other_mapping_of_the_page);
	run(a_stale_access_leaves_no_shadow);
	run(a_stale_shadow_goes_when_its_entry_makes_room);
	run(an_invalidation_takes_the_shadows_of_what_is_gone_only);
	run(everything_is_counted);
	run(a_conflict_is_refused_and_changes_nothing);
	return tap_end();
}
