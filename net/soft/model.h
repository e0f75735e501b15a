/*
 * model.h - the software NIC as hardware: a device that runs on its own thread and does
 * DMA through the software IOMMU only. Its driver sees regs.h and the register calls.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_SOFT_MODEL_H
#define NIC_SOFT_MODEL_H

#include <pagepool/pagepool.h>

#include "regs.h"

struct soft_model;

struct soft_model_params {
	const char *pcap;          /* what it receives; NULL: nothing, for ever */
	const char *wire;          /* where it dumps what it sends; NULL: nowhere */
	int dlt;                   /* libpcap's DLT_ number of its line, unless `pcap` says */
	uint64_t loops;            /* how often it plays the file; 0: for ever */
	uint64_t rate;             /* packets per second, received and sent; 0: full speed */
	unsigned address_bits;     /* 32 to 64 */
	bool incoherent, deferred; /* of its IOMMU */
	bool rogue;                /* goes on doing DMA when it has been told to stop */
	bool lies;                 /* now and then writes lengths and indices that are none */
	uint64_t gone_after;       /* vanishes after so many packets; 0: never */
};

#define SOFT_MODEL_ERROR 500 /* at most PP_NET_ERROR */

/*
 * Build the device and its IOMMU domain, which pp_device_register then owns. Its thread
 * begins to run. 0, or an errno with a sentence in error (SOFT_MODEL_ERROR bytes).
 */
int soft_model_create(struct soft_model **out, const struct soft_model_params *params, char *error);
/* Stop the thread. Before the domain goes. Again does nothing. */
void soft_model_stop(struct soft_model *m);
/* Free it. NULL is allowed. */
void soft_model_destroy(struct soft_model *m);
struct pp_iommu *soft_model_iommu(struct soft_model *m);
/* What broke the line, in words: when STATUS has FAILED. */
const char *soft_model_error(struct soft_model *m);

/* The driver's window. */
uint64_t soft_reg_read(struct soft_model *m, enum soft_reg reg);
void soft_reg_write(struct soft_model *m, enum soft_reg reg, uint64_t value);
int soft_model_event_fd(struct soft_model *m);

#endif
