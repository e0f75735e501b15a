/*
 * mmio.c - registers of 8, 16 and 32 bits; a file of its own so that a test can replace it. See
 * mmio.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "mmio.h"

#include <endian.h>

#include <pagepool/pci.h>

uint32_t mmio_read(const volatile void *reg, unsigned bits)
{
	uint32_t value;

	if (bits == 32)
		return pp_vfio_read32(reg, 0);
	value = bits == 16 ? le16toh(*(const volatile uint16_t *)reg) :
			     *(const volatile uint8_t *)reg;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return value;
}

void mmio_write(volatile void *reg, unsigned bits, uint32_t value)
{
	if (bits == 32) {
		pp_vfio_write32(reg, 0, value);
		return;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (bits == 16)
		*(volatile uint16_t *)reg = htole16((uint16_t)value);
	else
		*(volatile uint8_t *)reg = (uint8_t)value;
}
