/*
 * regs.h - the software NIC's data sheet: what its driver may rely on.
 *
 * Reset first; set the rings' bases and sizes; enable. The device has stopped when CTRL_SEEN equals
 * the value of CTRL that told it to stop. The device takes descriptors from its head up to the tail
 * that the driver writes. It moves every byte by DMA.
 *
 *   RX  The device fills as many descriptors as a packet needs, in order, then writes
 *       them back. A packet is taken only when there are descriptors for all of it.
 *   TX  The device sends packets of one or more descriptors, the last one marked END, and
 *       then writes its new head, as 64 bits, to TX_WRITEBACK.
 *   IRQ Writing IRQ_ARM makes the event descriptor readable once, when something has been
 *       written back since, or at once if STATUS changed.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_SOFT_REGS_H
#define NIC_SOFT_REGS_H

#include <stdint.h>

enum soft_reg {
	SOFT_CTRL,         /* rw: SOFT_CTRL_*; the upper half counts the writes */
	SOFT_CTRL_SEEN,    /* ro: the last value of CTRL that the device has acted upon */
	SOFT_STATUS,       /* ro: SOFT_STATUS_* */
	SOFT_ADDRESS_BITS, /* ro: the device's DMA width */
	SOFT_LINK_TYPE,    /* ro: libpcap's DLT_ number of what it receives and sends */
	SOFT_RX_BASE,      /* rw: DMA address of the ring, 64-byte aligned */
	SOFT_RX_SIZE,      /* rw: descriptors, a power of two */
	SOFT_RX_TAIL,      /* rw: one past the last descriptor posted, counting on for ever */
	SOFT_TX_BASE,
	SOFT_TX_SIZE,
	SOFT_TX_TAIL,
	SOFT_TX_WRITEBACK, /* rw: DMA address, 8-byte aligned */
	SOFT_IRQ_ARM,      /* wo */
	SOFT_REGS,
};

#define SOFT_CTRL_RX 1u    /* receive */
#define SOFT_CTRL_TX 2u    /* send */
#define SOFT_CTRL_RESET 4u /* stop, forget the rings */

#define SOFT_STATUS_END 2u    /* the line is silent for good */
#define SOFT_STATUS_FAILED 4u /* the line broke */
#define SOFT_STATUS_FAULT 8u  /* an access was refused; stopped until reset */
#define SOFT_STATUS_GONE 16u  /* the device has gone */

struct soft_rx_desc {
	uint64_t addr;   /* driver: DMA address of the buffer */
	uint64_t size;   /* driver: its size, bytes. device: length on the wire */
	uint64_t time;   /* device: ns since the epoch */
	uint64_t status; /* driver: 0. device: SOFT_RX_*, and the bytes written << 32 */
};
#define SOFT_RX_DONE 1u
#define SOFT_RX_END 2u /* the packet's last descriptor */

struct soft_tx_desc {
	uint64_t addr; /* driver: DMA address of the data */
	uint64_t ctrl; /* driver: SOFT_TX_*, and the bytes << 32 */
	uint64_t time; /* driver: launch time, ns since the epoch, as the dump of the wire has it */
	uint64_t length; /* driver: the packet's length on the wire */
};
#define SOFT_TX_END 1u

#endif
