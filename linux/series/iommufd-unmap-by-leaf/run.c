static phys_addr_t NS(iova_to_run)(struct pt_iommu *iommu_table,
				   dma_addr_t iova, size_t *len)
{
	struct pt_iommu_run run;
	struct pt_range range;

	if (make_range(common_from_iommu(iommu_table), &range, iova, 1) ||
	    pt_walk_range(&range, __iova_to_phys, &run))
		return 0;
	*len = run.left;
	return run.oa;
}

