/*
 * binding.h - a device's slot for its bindings: what a binding's name leads to, what serialises its
 * DMA, and who must be told when it ends.
 *
 * A slot is never freed, only reused for another device, so that a name, however old, can safely be
 * looked up without a lock. Uses env and iommu.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef DEVICE_BINDING_H
#define DEVICE_BINDING_H

#include <pagepool/device.h>

#include "env/list.h"
#include "iommu/domain.h"

/*
 * Something on a floor above that holds mappings of a binding. In the list from binding_add_client
 * until its revoke is called, or binding_del_client.
 */
struct binding_client {
	struct list link;
	const struct binding_client_ops *ops;
};

struct binding_client_ops {
	/* Under the binding's lock: stay in memory until revoke has returned. */
	void (*hold)(struct binding_client *self);
	/*
	 * Without the lock: take every mapping away; then drop the hold. All that was
	 * unmapped is invalidated when it returns.
	 */
	void (*revoke)(struct binding_client *self);
};

struct binding {
	/*
	 * Protects all below but `id` and `late`, the domain and its back end: map,
	 * unmap and growth against the end of the binding. Taken after a pool's lock.
	 */
	struct env_lock lock;
	/*
	 * The name of the binding that is alive, 0 when there is none: its slot and
	 * generation. Stored with release by binding_begin, binding_revoke and binding_end
	 * under the lock; loaded with acquire anywhere.
	 */
	uint64_t id;
	uint64_t late; /* calls refused; relaxed */

	bool open;      /* takes new mappings, pools and growth */
	bool gone;      /* the device has: it is blocked, and no binding begins any more */
	bool surprised; /* the device went first: what is left mapped is nobody's mistake */
	uint64_t first; /* the device's first generation: older names aren't its */
	uint64_t generation;
	uint64_t told; /* the last generation whose driver knows that it is over */
	struct pp_device *dev;
	struct domain domain;
	unsigned mask_bits;           /* what the driver said it can address */
	unsigned device_bits;         /* what the device and its domain can */
	struct list clients;          /* pools before the dma floor: see binding_add_client */
	struct pp_device_stats stats; /* but for `late_calls_refused`, which is `late` */
	bool slow_sync; /* sync has work to do: incoherent, or watched. Constant while bound */

	/* The dma floor's record of this binding's mappings; it ends last of all. */
	void *dma;
	void (*dma_revoke)(struct binding *b);
	void (*dma_end)(struct binding *b);

	unsigned slot;
	struct list link; /* among the free slots */
};

/* A slot for a device; 0 or -ENOMEM. */
int binding_slot_get(struct binding **out, struct pp_device *dev, struct pp_iommu *iommu,
		     unsigned device_bits);
void binding_slot_put(struct binding *b);

/* The lifecycle's steps, each taking the lock. */
/*
 * Unblock the domain and accept calls. 0; -ENODEV: the device has gone; -EIO: its back end no
 * longer knows what the device can reach (domain.h).
 */
int binding_begin(struct binding *b, pp_binding_t *out);
/*
 * Refuse new mappings, pools and growth. *out: its name, which may be dead. False: the device has
 * gone.
 */
bool binding_close(struct binding *b, pp_binding_t *out);
/*
 * Kill the name, then take back what clients and the dma floor have mapped. In this order, so that
 * a call made meanwhile is late, whether or not its mapping is still there.
 */
void binding_revoke(struct binding *b);
/* Block the domain. If the device has gone this comes before the revocation, and kills the name. */
void binding_end(struct binding *b);
/*
 * The device has gone: the same at once, whatever is in progress, and no binding begins any more.
 * Any thread.
 */
void binding_gone(struct binding *b);
bool binding_is_gone(struct binding *b);
/* The last of the dma floor's record goes; the end took so long. */
void binding_finish(struct binding *b, uint64_t ns);

/*
 * Lock the slot that a name leads to. 0; -ENODEV: the binding has ended (counted).
 * With `fresh`, also -ENODEV when it takes nothing new any more (counted likewise).
 */
int binding_enter(struct binding **out, pp_binding_t name, bool fresh);
void binding_leave(struct binding *b);
/*
 * True if a call that was refused as late is its caller's mistake: its driver has been told, or the
 * caller is in the driver's remove. Until then nobody could know.
 */
bool binding_blames(pp_binding_t name);
/* True if the calling thread is in a callback of that device. */
bool device_is_calling(const struct pp_device *dev);
/* The device whose binding it was, or "one that is no more". Returns buf. */
const char *binding_device_name(pp_binding_t name, char *buf, size_t size);
/* Call fn for every binding that is alive, with its lock held. */
void binding_each(void (*fn)(struct binding *b, void *ctx), void *ctx);
/* The slot, if the name is alive, without a lock; else NULL. */
struct binding *binding_peek(pp_binding_t name);

/* In a child of fork: the device is the parent's, see domain_is_parents. */
static inline bool binding_is_parents(const struct binding *b)
{
	return domain_is_parents(&b->domain);
}

/* With the lock held. */
void binding_add_client(struct binding *b, struct binding_client *client);
void binding_del_client(struct binding *b, struct binding_client *client);
/* The width that mappings must lie within, in bits. */
unsigned binding_bits(const struct binding *b);

#endif
