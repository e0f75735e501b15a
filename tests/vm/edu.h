/*
 * edu.h - QEMU's "edu" PCI device through VFIO: a device that does one DMA at a time, as
 * it is told, and interrupts when it is done (QEMU, docs/specs/edu).
 *
 * Whether an access was refused is asked from the guest's kernel: its IOMMU driver counts
 * the fault interrupts in /proc/interrupts.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef VM_EDU_H
#define VM_EDU_H

#include <pagepool/pagepool.h>
#include <pthread.h>

/* Bytes at a time: it has 4,096 of its own, but QEMU 7.2 takes all of them for too many. */
#define EDU_BYTES 2048u

struct edu {
	struct pp_vfio *vfio;
	volatile void *mmio;
	int done;             /* eventfd */
	pthread_mutex_t lock; /* one DMA at a time */
	void *scratch;        /* a page */
	uint64_t faults;      /* accesses that were refused */
	uint64_t reads, writes;
};

/* Open the first that is bound to vfio-pci and not in use. False: there is none. */
bool edu_open(struct edu *edu, enum pp_vfio_api api, struct pp_vfio *share);
/* An address that edu devices are at, the nth; false: there are no more. */
bool edu_address(char address[16], unsigned nth);
void edu_close(struct edu *edu);
/* Read or write memory as the device: 0, or -EFAULT: the kernel counted a fault. */
int edu_access(struct edu *edu, pp_iova_t iova, void *buf, size_t len, bool write);
/* The kernel's own count of what is still mapped, in bytes (iommufd); it unmaps it. */
uint64_t edu_left_mapped(struct edu *edu);
/*
 * Leaves of a device's page table, as the kernel's IOMMU driver has it in debugfs; 0: it has
 * none, or is blocked; -1: this kernel doesn't show it.
 */
long edu_leaves(const char *address);
/* Fault interrupts of all IOMMUs that the kernel has handled. */
uint64_t edu_fault_interrupts(void);

#endif
