/*
 * As iommu_iova_to_phys(), and how many bytes are contiguous from there on, as
 * far as the page table's entry says; a page where the table can't be asked, or
 * has no entry.
 */
static phys_addr_t domain_iova_to_run(struct iommu_domain *domain,
				      unsigned long iova, size_t *len)
{
	struct pt_iommu *table = iommupt_from_domain(domain);

	*len = PAGE_SIZE;
	if (table)
		return table->ops->iova_to_run(table, iova, len);
	return iommu_iova_to_phys(domain, iova);
}

