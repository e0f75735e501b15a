// The batch takes a run at a time: what is left of the entry, or of the range.
@@
typedef phys_addr_t;
struct pfn_batch *batch;
struct iommu_domain *domain;
identifier iova, phys, page_offset, start_index, last_index;
@@
 batch_from_domain(...)
 {
 ...
	phys_addr_t phys;
+	unsigned long n;
+	size_t len;
 ...
 while (start_index <= last_index) {
-	phys = iommu_iova_to_phys(domain, iova) - page_offset;
-	if (!batch_add_pfn(batch, PHYS_PFN(phys)))
+	phys = domain_iova_to_run(domain, iova, &len) - page_offset;
+	n = clamp((len + page_offset) >> PAGE_SHIFT, 1UL,
+		  last_index - start_index + 1);
+	if (!batch_add_pfn_num(batch, PHYS_PFN(phys), n,
+			       BATCH_CPU_MEMORY))
		return;
-	iova += PAGE_SIZE - page_offset;
+	iova += n * PAGE_SIZE - page_offset;
	page_offset = 0;
-	start_index++;
+	start_index += n;
 }
 ...
 }
