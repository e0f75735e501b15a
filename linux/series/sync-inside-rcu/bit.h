	bool dma_sync:1;		/* Perform DMA sync for device */
