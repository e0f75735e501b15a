/* From an IOVA on: its output address, and what is left of its entry */
struct pt_iommu_run {
	pt_oaddr_t oa;
	pt_vaddr_t left;
};

