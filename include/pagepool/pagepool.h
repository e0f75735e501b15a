/*
 * pagepool.h - all of the public API.
 *
 * NULL for a required argument: calls that return an errno return -EINVAL; all others do nothing
 * and return 0, NULL, an empty string, false, or what they return for a dead object (a device that
 * is gone, a revoked pool). In any debug mode, each -EINVAL for a parameter comes with a message
 * that says what is allowed. The per-page calls save the instructions and do not check: get, put,
 * ref and frag, batched or not, and the accessors of a page.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_PAGEPOOL_H
#define PAGEPOOL_PAGEPOOL_H

#include <pagepool/debug.h>
#include <pagepool/device.h>
#include <pagepool/dma.h>
#include <pagepool/iommu.h>
#include <pagepool/pci.h>
#include <pagepool/pool.h>
#include <pagepool/soft.h>
#include <pagepool/stats.h>
#include <pagepool/types.h>
#include <pagepool/vfio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The library's version, as in "0.2.0". */
PP_API const char *pp_version(void);

#ifdef __cplusplus
}
#endif
#endif
