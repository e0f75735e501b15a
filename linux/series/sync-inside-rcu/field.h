	u8 dma_sync;			/* bool: Perform DMA sync for device */
