// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * leaf.c - linux/series/iommufd-unmap-by-leaf beside iommu_iova_to_phys(). What that step changes
 * of generic_pt is compiled here once more, in the format of Intel's second stage, and reads the
 * table of a domain that the kernel has made. Loading it checks that both say the same of each page
 * of 2 MiB + 64 KiB, and says what reading back all of it takes, page by page and by runs. The
 * clock counts instructions (-icount).
 */
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#undef EXPORT_SYMBOL_NS_GPL
#define EXPORT_SYMBOL_NS_GPL(symbol, namespace) /* the kernel has these already */
#include "iommu_vtdss.c"

#define START ((unsigned long)SZ_1G)
#define LENGTH ((size_t)SZ_2M + SZ_64K)

static unsigned int wrong;

static phys_addr_t run_at(struct iommu_domain *domain, unsigned long iova, size_t *len)
{
	return NS(iova_to_run)(iommupt_from_domain(domain), iova, len);
}

/* Each page, and a byte in it: the address is the same, and the run ends where the entry does. */
static void compare(struct iommu_domain *domain)
{
	unsigned long iova;
	size_t len, left;

	for (iova = START; iova < START + LENGTH; iova += PAGE_SIZE) {
		left = iova < START + SZ_2M ? START + SZ_2M - iova : PAGE_SIZE;
		len = 0;
		wrong += run_at(domain, iova, &len) != iommu_iova_to_phys(domain, iova) || len != left;
		wrong += run_at(domain, iova + 7, &len) != iommu_iova_to_phys(domain, iova + 7) ||
			 len != left - 7;
	}
	wrong += run_at(domain, START + LENGTH, &len) != 0 || run_at(domain, START - 1, &len) != 0;
}

static void measure(struct iommu_domain *domain, const char *what, size_t length)
{
	phys_addr_t sum = 0;
	unsigned long iova, asked = 0;
	size_t len = PAGE_SIZE;
	u64 pages, runs;

	runs = ktime_get_ns();
	for (iova = START; iova < START + length; iova += len, asked++)
		sum += run_at(domain, iova, &len);
	runs = ktime_get_ns() - runs;
	pages = ktime_get_ns();
	for (iova = START; iova < START + length; iova += PAGE_SIZE)
		sum += iommu_iova_to_phys(domain, iova);
	pages = ktime_get_ns() - pages;
	OPTIMIZER_HIDE_VAR(sum);
	pr_info("leaf: %s: %lu pages, asked %lu times: %llu ns, for each page: %llu ns\n", what,
		length >> PAGE_SHIFT, asked, runs, pages);
}

static int look(struct iommu_domain *domain, struct page *page, struct page *more)
{
	int err = iommu_map(domain, START, page_to_phys(page), SZ_2M, IOMMU_READ, GFP_KERNEL);

	if (err)
		return err;
	/* not behind the first, and in small entries */
	err = iommu_map(domain, START + SZ_2M, page_to_phys(more) + PAGE_SIZE, SZ_64K, IOMMU_READ,
			GFP_KERNEL);
	if (err)
		return err;
	compare(domain);
	measure(domain, "2 MiB", SZ_2M);
	measure(domain, "2 MiB again", SZ_2M);
	measure(domain, "and 64 KiB", LENGTH);
	pr_info("leaf: %u answers are wrong\n", wrong);
	iommu_unmap(domain, START, LENGTH);
	return 0;
}

static int __init leaf_init(void)
{
	struct pci_dev *edu = pci_get_device(0x1234, 0x11e8, NULL);
	struct page *page = alloc_pages(GFP_KERNEL, get_order(SZ_2M));
	struct page *more = alloc_pages(GFP_KERNEL, get_order(SZ_128K));
	struct iommu_domain *domain = ERR_PTR(-ENODEV);
	int err = -ENOMEM;

	if (page && more && edu) {
		domain = iommu_paging_domain_alloc(&edu->dev);
		err = PTR_ERR_OR_ZERO(domain);
	}
	if (!err && !iommupt_from_domain(domain))
		err = -EOPNOTSUPP;
	if (!err)
		err = look(domain, page, more);
	if (!IS_ERR(domain))
		iommu_domain_free(domain);
	if (more)
		__free_pages(more, get_order(SZ_128K));
	if (page)
		__free_pages(page, get_order(SZ_2M));
	pci_dev_put(edu);
	return err ?: wrong ? -EIO : 0;
}
module_init(leaf_init);

static void __exit leaf_exit(void)
{
}
module_exit(leaf_exit);

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
MODULE_DESCRIPTION("What is behind an IOVA, by page and by entry");
MODULE_LICENSE("Dual BSD/GPL");
