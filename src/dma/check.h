/*
 * check.h - the checker of DMA calls: what is wrong with one, and the message for it. Uses device,
 * iommu and env. Called only on slow paths: when a call is refused anyway, or while PP_DEBUG_DMA is
 * on.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef DMA_CHECK_H
#define DMA_CHECK_H

#include "dma/mappings.h"

/* A call as the driver made it. */
struct call {
	const char *name; /* "unmap" */
	pp_binding_t binding;
	void *cpu; /* NULL: it has none */
	pp_iova_t iova;
	size_t len;
	enum pp_dma_dir dir;
	const char *caller;
};

/* What was found wrong: copies, so that it can be reported without the binding's lock. */
struct finding {
	const char *what; /* NULL: nothing */
	bool have_mapping, have_ended;
	struct mapping mapping; /* what is mapped there, or in the way */
	struct ended ended;     /* what was mapped there until lately */
};

/* With the binding's lock held. A find means that the call is refused. */
void check_unmap(struct finding *f, struct binding *b, const struct call *c,
		 enum mapping_kind kind);
void check_sync(struct finding *f, struct binding *b, const struct call *c, bool for_cpu);
/*
 * Memory that is about to be mapped is mapped already. That is allowed, and reported in debug mode
 * only.
 */
void check_overlap(struct finding *f, struct binding *b, const struct call *c);

/* The same for what the memory is; without the lock, as it asks the system. True: don't map it. */
bool check_memory(struct finding *f, const struct call *c);

/* Tell what was found, if anything. Without the lock. */
void check_report(const struct finding *f, const struct call *c);
/* The same for a finding that is just a sentence. */
void check_say(const struct call *c, const char *what);

#endif
