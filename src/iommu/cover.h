/*
 * cover.h - which parts of IOVA space lie in windows. Each window is counted at the few blocks that
 * it consists of, so that a query for a block takes as many steps as there are orders, however many
 * windows there are. The arena's lock serialises all calls. Uses env only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_COVER_H
#define IOMMU_COVER_H

#include <pagepool/types.h>

#include "env/slab.h"

struct cover_node;

struct cover {
	struct slab nodes;
	struct cover_node *root;
};

enum overlap { APART, IN_PART, INSIDE };

void cover_init(struct cover *c);
/* Add a window of whole pages within the arena. 0; -ENOMEM: nothing is changed. */
int cover_add(struct cover *c, pp_iova_t first, pp_iova_t last);
/* One that was added less. */
void cover_remove(struct cover *c, pp_iova_t first, pp_iova_t last);
/* Does a window have some of a block, or does one have all of it? */
enum overlap cover_on(const struct cover *c, pp_iova_t addr, unsigned order);

#endif
