	/**
	 * @iova_to_run: Return the output address, and how far it goes on
	 * @iommu_table: Table to query
	 * @iova: IO virtual address to query
	 * @len: Bytes from @iova to the end of the entry that translates it;
	 *       not set if there is none
	 *
	 * What is behind @iova is contiguous for @len bytes: who wants more of
	 * it than a page need not ask for each.
	 *
	 * Context: The caller must hold a read range lock that includes the
	 * whole entry.
	 *
	 * Return: 0 if there is no translation for the given iova.
	 */
	phys_addr_t (*iova_to_run)(struct pt_iommu *iommu_table,
				   dma_addr_t iova, size_t *len);

