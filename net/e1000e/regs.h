/*
 * regs.h - the parts of Intel's 82574L that the driver uses, from the "Intel 82574 GbE Controller
 * Family Datasheet", revision 3.4. Each group names its sections.
 *
 * Registers are 32 bits wide, little-endian, in BAR 0 (section 10.2). All reads return all ones
 * when the device has gone.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_E1000E_REGS_H
#define NIC_E1000E_REGS_H

#include <stdint.h>

#define E1000E_PCI_ID 0x10d38086u /* device and vendor, as configuration space has them */
#define E1000E_BAR_BYTES 0x20000u

enum e1000e_reg {
	/* general: 10.2.2 */
	E1000E_CTRL = 0x0000,
	E1000E_STATUS = 0x0008,
	E1000E_EEC = 0x0010,
	/* interrupts: 10.2.4 */
	E1000E_ICR = 0x00c0, /* causes; writing ones clears them */
	E1000E_IMS = 0x00d0, /* ones let causes interrupt */
	E1000E_IMC = 0x00d8, /* ones mask them */
	/* receive: 10.2.5 */
	E1000E_RCTL = 0x0100,
	E1000E_RDBAL = 0x2800, /* the ring's DMA address */
	E1000E_RDBAH = 0x2804,
	E1000E_RDLEN = 0x2808, /* its bytes, a multiple of 128 */
	E1000E_RDH = 0x2810,   /* the device's next descriptor */
	E1000E_RDT = 0x2818,   /* one past the last that it may use; equal: it has none */
	/* transmit: 10.2.6 */
	E1000E_TCTL = 0x0400,
	E1000E_TDBAL = 0x3800,
	E1000E_TDBAH = 0x3804,
	E1000E_TDLEN = 0x3808,
	E1000E_TDH = 0x3810,
	E1000E_TDT = 0x3818,
	E1000E_TXDCTL = 0x3828,
	/* statistics, cleared by reading: 10.2.7 */
	E1000E_MPC = 0x4010, /* packets missed: no room */
};

/* CTRL, STATUS, EEC: 10.2.2; the order of a reset: 4.6 */
#define E1000E_CTRL_MASTER_DISABLE (1u << 2)   /* begin no more DMA */
#define E1000E_CTRL_SLU (1u << 6)              /* set link up: let MAC and PHY talk */
#define E1000E_CTRL_RST (1u << 26)             /* reset; clears itself */
#define E1000E_STATUS_MASTER_ENABLE (1u << 19) /* DMA may be under way */
#define E1000E_EEC_AUTO_RD (1u << 9)           /* the settings of the EEPROM have been read */

/* causes of interrupts: 10.2.4 */
#define E1000E_CAUSE_TXDW (1u << 0)   /* a descriptor is sent and written back */
#define E1000E_CAUSE_LSC (1u << 2)    /* the link has changed */
#define E1000E_CAUSE_RXDMT0 (1u << 4) /* few receive descriptors are left */
#define E1000E_CAUSE_RXO (1u << 6)    /* there were none */
#define E1000E_CAUSE_RXT0 (1u << 7)   /* packets have been received */

/* RCTL: 10.2.5 */
#define E1000E_RCTL_EN (1u << 1)
#define E1000E_RCTL_UPE (1u << 3)                    /* unicast packets of all addresses */
#define E1000E_RCTL_MPE (1u << 4)                    /* multicast as well */
#define E1000E_RCTL_LPE (1u << 5)                    /* long packets, up to 16384 bytes */
#define E1000E_RCTL_BAM (1u << 15)                   /* broadcast */
#define E1000E_RCTL_BSIZE_4096 (3u << 16 | 1u << 25) /* buffers; with BSEX */
#define E1000E_RCTL_SECRC (1u << 26)                 /* leave the checksum out */
#define E1000E_RX_BUFFER 4096u
#define E1000E_RX_LONGEST 16384u

/* TCTL, TXDCTL: 10.2.6 */
#define E1000E_TCTL_EN (1u << 1)
#define E1000E_TCTL_PSP (1u << 3)       /* pad short packets */
#define E1000E_TCTL_CT(n) ((n) << 4)    /* collisions before it gives up: 15 */
#define E1000E_TCTL_COLD(n) ((n) << 12) /* collision distance, full duplex: 63 */
#define E1000E_TXDCTL_COUNT (1u << 22)  /* count descriptors: has to be set */
#define E1000E_TX_SHORTEST 17u          /* the shortest packet that it pads */
#define E1000E_TX_LONGEST 9230u         /* jumbo frames, without the checksum */
#define E1000E_TX_PIECES 64u            /* descriptors of a packet */

/* Legacy receive descriptor: 7.1. `done` is one word, which the device writes last. */
struct e1000e_rx_desc {
	uint64_t addr; /* driver: DMA address of the buffer */
	uint64_t done; /* driver: 0. device: length, checksum, status, errors, VLAN tag */
};
#define E1000E_RX_LEN(done) ((uint32_t)((done)&0xffff))
#define E1000E_RX_DD (UINT64_C(1) << 32)        /* descriptor done */
#define E1000E_RX_EOP (UINT64_C(1) << 33)       /* end of packet */
#define E1000E_RX_ERRORS (UINT64_C(0x97) << 40) /* RXE, CXE, SEQ, SE, CE */

/* Legacy transmit descriptor: 7.2 */
struct e1000e_tx_desc {
	uint64_t addr;
	uint64_t ctrl; /* driver: length, command. device: status */
};
#define E1000E_TX_EOP (UINT64_C(1) << 24)  /* end of packet */
#define E1000E_TX_IFCS (UINT64_C(1) << 25) /* add the checksum */
#define E1000E_TX_RS (UINT64_C(1) << 27)   /* report status: set DD when it's done */
#define E1000E_TX_DD (UINT64_C(1) << 32)

#endif
