/*
 * mmio.h - registers of 8, 16 and 32 bits: virtio's must be accessed in their own width
 * (4.1.3.1). Ordered as pp_vfio_read32 and pp_vfio_write32.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NET_VIRTIO_MMIO_H
#define NET_VIRTIO_MMIO_H

#include <stdint.h>

/* bits: 8, 16 or 32. */
uint32_t mmio_read(const volatile void *reg, unsigned bits);
void mmio_write(volatile void *reg, unsigned bits, uint32_t value);

#endif
