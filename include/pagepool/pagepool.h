/*
 * pagepool.h - all of the public API.
 *
 * NULL where something must be: a call that returns an errno returns -EINVAL, and any other does
 * nothing and returns 0, NULL, an empty string, false, or what it returns of an object that is no
 * use any more (a device that is gone, a pool that is revoked). In debug mode, of whichever kind,
 * each parameter that is refused with -EINVAL has a sentence that says what is allowed. The calls
 * that are made for every page don't look, so as to take no instruction for it: get, put, ref and
 * frag, one by one or in batches, and what a page says of itself.
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
