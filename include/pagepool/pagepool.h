/*
 * pagepool.h - all of the public API.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_PAGEPOOL_H
#define PAGEPOOL_PAGEPOOL_H

#include <pagepool/debug.h>
#include <pagepool/device.h>
#include <pagepool/dma.h>
#include <pagepool/iommu.h>
#include <pagepool/pool.h>
#include <pagepool/soft.h>
#include <pagepool/stats.h>
#include <pagepool/types.h>
#include <pagepool/vfio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The library's version, as in "0.1.0". */
PP_API const char *pp_version(void);

#ifdef __cplusplus
}
#endif
#endif
