/*
 * below.h - what lies below the pool while it is explored: memory and an IOMMU that check their
 * use, and next to nothing else.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef BELOW_H
#define BELOW_H

#include <pagepool/iommu.h>
#include <pagepool/pool.h>

extern struct pp_iommu below_iommu;
extern unsigned below_debug; /* what pp_debug_get says */

/*
 * What a holder does: the shadow map of who has which page. Who gets it, or its first fragment,
 * writes to its memory, and whoever puts it has read there.
 */
void below_got(struct pp_page *page, bool fragment, bool first);
void below_ref(struct pp_page *page, unsigned n);
bool below_put(struct pp_page *page); /* true: it was the last reference */
/* Pages held by anyone. */
unsigned below_held(void);
/* How often it was told that pages are back. */
unsigned below_told(void);
/* Nothing is mapped in the device; no memory is left either. */
void below_device_sees_nothing(void);
void below_nothing_left(void);

#endif
