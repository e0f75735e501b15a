/*
 * mmio.h - reading and writing registers, inline. Not for reading first: pci.h includes it, and
 * documents the functions.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_INLINE_MMIO_H
#define PAGEPOOL_INLINE_MMIO_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t pp_vfio_read32(const volatile void *mmio, size_t offset)
{
	uint32_t value = *(const volatile uint32_t *)((const volatile char *)mmio + offset);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	return value;
}

static inline void pp_vfio_write32(volatile void *mmio, size_t offset, uint32_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile uint32_t *)((volatile char *)mmio + offset) = value;
}

#endif
