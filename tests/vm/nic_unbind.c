/*
 * nic_unbind.c - unbind a NIC that is deliberately left running, with 50,000 received pages
 * in the program's hands, and again: the kernel counts the NIC's faults, no byte of those
 * pages changes; iommufd, debugfs and the kernel's count of page tables say that nothing is left.
 *
 *	vm-nic_unbind ADDRESS LAPS
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pagepool/net.h>

#include "edu.h"
#include "tap.h"

#define HELD 50000u
#define SPARE 16u /* pages of page tables that come and go with other devices */

static struct pp_net *nic;
static struct edu vfio; /* the device, for its count of what is mapped */
static struct pp_net_seg held[HELD + 2048];
static uint64_t sum[HELD + 2048];
static unsigned n_held;

/* All of a page, not just the packet in it. */
static uint64_t page_sum(const struct pp_page *page)
{
	const uint64_t *word = pp_page_addr(page);
	uint64_t s = 14695981039346656037u;

	for (unsigned i = 0; i < pp_page_size(page) / 8; i++)
		s = (s ^ word[i]) * 1099511628211u;
	return s;
}

/*
 * Then poll once more, so that the NIC has pages to write to when it is unbound: while the
 * sums were made, it filled those that it had.
 */
static void receive(void)
{
	struct pp_net_seg spare[256];
	unsigned n;

	while (n_held < HELD)
		n_held += pp_net_receive(nic, 0, held + n_held, 256);
	for (unsigned i = 0; i < n_held; i++)
		sum[i] = page_sum(held[i].page);
	for (unsigned i = 0; i < 4; i++) {
		n = pp_net_receive(nic, 0, spare, 256);
		while (n)
			pp_page_put(spare[--n].page);
	}
}

/*
 * The NIC goes on for as long as frames come: its next fault isn't far. The kernel's log is
 * rate-limited, its count of the IOMMU's interrupts isn't.
 */
static uint64_t wait_for_faults(uint64_t before)
{
	const struct timespec tick = { .tv_nsec = 10000000 };

	for (int i = 0; edu_fault_interrupts() == before && i < 3000; i++)
		nanosleep(&tick, NULL);
	return edu_fault_interrupts() - before;
}

/* What the kernel has in IOMMU page tables, pages. */
static unsigned long long table_pages(void)
{
	FILE *f = fopen("/proc/vmstat", "re");
	unsigned long long n = 0;
	char line[128];

	while (f && fgets(line, sizeof line, f) && sscanf(line, "nr_iommu_pages %llu", &n) != 1)
		;
	if (f)
		fclose(f);
	return n;
}

static bool lap(unsigned i)
{
	static unsigned long long tables;
	struct pp_domain_stats domain;
	struct pp_device_stats device;
	uint64_t before, faults;
	long leaves;
	unsigned long long now;
	unsigned n, changed = 0;
	bool good;

	if (!check(!pp_net_bind(nic), "lap %u: bound", i))
		return false;
	receive();
	before = edu_fault_interrupts();
	leaves = edu_leaves(pp_vfio_address(vfio.vfio));
	good = !pp_net_unbind(nic);
	pp_device_stats(pp_net_device(nic, 0), &device, sizeof device);
	pp_domain_stats(pp_net_device(nic, 0), &domain, sizeof domain);
	now = table_pages();
	tables = tables ? tables : now;
	good = check(good && device.in_flight_at_unbind >= HELD,
		     "lap %u: unbound with %llu pages in flight", i,
		     (unsigned long long)device.in_flight_at_unbind);
	good &= check(!domain.mappings && !domain.bytes_mapped && !edu_left_mapped(&vfio),
		      "lap %u: nothing is mapped, by the library's and iommufd's count", i);
	good &= check(leaves > 0 && !edu_leaves(pp_vfio_address(vfio.vfio)),
		      "lap %u: of %ld leaves in debugfs none is there", i, leaves);
	good &= check(now <= tables + SPARE, "lap %u: nor are more page tables there", i);
	faults = wait_for_faults(before);
	good &= check(faults > 0, "lap %u: the kernel counts faults", i);
	for (unsigned k = 0; k < n_held; k++)
		changed += page_sum(held[k].page) != sum[k];
	good &= check(!changed, "lap %u: no byte of %u pages has changed", i, n_held);
	printf("# unbound in %.1f ms, %llu interrupts for faults, %llu pages of tables\n",
	       (double)device.unbind_ns / 1e6, (unsigned long long)faults, now);
	do /* what the driver still had */
		n_held += n = pp_net_receive(nic, 0, held + n_held, 256);
	while (n);
	while (n_held)
		pp_page_put(held[--n_held].page);
	return good;
}

int main(int argc, char **argv)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	struct pp_net_vfio_params set = PP_PARAMS(struct pp_net_vfio_params);
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR] = "";
	struct pp_totals left;
	unsigned laps = argc > 2 ? (unsigned)atoi(argv[2]) : 1;

	p.address = argc > 1 ? argv[1] : "0000:00:03.0";
	set.rogue = true;
	params.vfio = &set;
	params.promiscuous = true;
	if (pp_vfio_open(&vfio.vfio, &p, error) ||
	    ((set.vfio = vfio.vfio), pp_net_open(&nic, &params, error))) {
		printf("Bail out! %s\n", error);
		return 1;
	}
	printf("# ready for frames\n");
	fflush(stdout);
	for (unsigned i = 1; i <= laps && lap(i); i++)
		;
	pp_net_close(nic);
	pp_totals(&left, sizeof left);
	check(!left.pools && !left.chunk_bytes && !left.iova_bytes, "nothing is left");
	return tap_end();
}
