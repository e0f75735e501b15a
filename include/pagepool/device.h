/*
 * device.h - devices, drivers and the bindings between them.
 *
 *  register --> PRESENT --bind--> BOUND --unbind--> PRESENT --> bind: a new binding
 *                  |                |
 *                  +---- remove ----+--> GONE   (surprise removal: without notice)
 *
 * Thread rule: every call here is *control*: it may be made from any thread, the library
 * serialises calls on one device, and none may be made from a callback for the same device
 * (-EDEADLK). Callbacks run with no lock of the library held. A thread can't be cancelled during a
 * bind, unbind or removal.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_DEVICE_H
#define PAGEPOOL_DEVICE_H

#include <pagepool/stats.h>
#include <pagepool/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_device;
struct pp_iommu;

/** Why a driver's remove is called. */
enum pp_remove_why {
	/**
	 * The device still responds. Stop its queues and free the rings: DMA calls work, unless
	 * the device disappears meanwhile; from then on they fail with -ENODEV.
	 */
	PP_REMOVE_UNBIND,
	/**
	 * The device is gone, and everything that was mapped through the binding was unmapped
	 * before this call: DMA calls fail with -ENODEV. Coherent memory stays readable for the
	 * CPU until remove returns.
	 */
	PP_REMOVE_GONE,
};

/**
 * A driver. The caller owns the structure and must keep it unchanged from pp_driver_register
 * until pp_driver_unregister returns.
 */
struct pp_driver {
	const char *name;
	/**
	 * True if the driver supports the device. Called by pp_device_bind. NULL: the driver is
	 * bound only if pp_device_bind names it.
	 */
	bool (*match)(struct pp_device *dev, void *ctx);
	/**
	 * Take over the device. 0, or a negative errno: the binding then ends as in an unbind,
	 * but without a call of remove.
	 */
	int (*probe)(struct pp_device *dev, pp_binding_t binding, void *ctx);
	/** Release the device. Cannot fail. See enum pp_remove_why. */
	void (*remove)(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
		       void *ctx);
	void *ctx;
};

/**
 * Register a driver for pp_device_bind to find. Binds nothing by itself.
 * @return 0; -EINVAL: no name, probe or remove; -EEXIST: already registered; -ENOMEM: 64 drivers
 *         are registered.
 */
PP_API int pp_driver_register(struct pp_driver *drv);

/**
 * Unbind the driver from all its devices and unregister it.
 * @return 0; -EINVAL: NULL; -ENOENT: not registered; -EDEADLK: called from a callback of one of
 *         its devices; nothing is changed then.
 */
PP_API int pp_driver_unregister(struct pp_driver *drv);

struct pp_device_params {
	size_t size; /**< of this structure; see PP_PARAMS */
	/** For messages; truncated to 31 bytes. Required. */
	const char *name;
	/**
	 * The device's IOMMU domain, from a back end's constructor; not shared with another
	 * device. Required. Successful registration passes ownership to the device, which
	 * destroys it.
	 */
	struct pp_iommu *iommu;
	/** The device's address width in bits, 32 to 64. 0: 64. */
	unsigned address_bits;
	/** For the driver's use: registers, a file descriptor. Not interpreted. */
	void *resource;
};

/**
 * Register a device. It is then PRESENT, its domain is blocked, and it may be bound. IOVA ranges
 * that its domain can't use are withheld from other devices until it is unregistered: see struct
 * pp_iommu.
 * @param out  the device, to be passed to pp_device_unregister.
 * @return 0; -EINVAL: out is NULL, no parameters, name or domain, the width is out of range, or the
 *         domain visibly breaks its contract: a function is missing, it has no page size up to the
 *         kernel's, or its ranges are empty, overlap, don't ascend or contain partial pages (in
 *         debug mode a message says which); -EBUSY: another device has the domain; -E2BIG: see
 *         PP_PARAMS; -ENOMEM.
 */
PP_API int pp_device_register(struct pp_device **out, const struct pp_device_params *params);

/**
 * Remove the device unless that was done before, and free it. NULL is allowed. Pages of its pools
 * stay valid for their holders. Aborts the process when called from one of the device's own
 * callbacks, whose device it would free.
 */
PP_API void pp_device_unregister(struct pp_device *dev);

/**
 * Bind a driver: begin a new binding and call probe with it.
 * @param drv  NULL: the first registered driver whose match accepts the device.
 * @return 0; -EINVAL: no device; -ENOENT: no driver matches, or drv is not registered; -EBUSY:
 *         already bound; -ENODEV: the device is gone, or disappeared before probe was called;
 *         -EIO: its back end broke its contract, and it stays blocked (iommu.h);
 *         -EOVERFLOW: it has been bound some 16 million times, which exhausts its binding numbers:
 *         unregister it and register it again; -EDEADLK: called from a callback of this device;
 *         or what probe returned.
 */
PP_API int pp_device_bind(struct pp_device *dev, struct pp_driver *drv);

/**
 * End the binding, in this order: it refuses new pools, growth and mappings; the driver's remove
 * stops the queues; from here on any call through it is late and fails with -ENODEV; all pools are
 * revoked; mappings that the driver left behind are unmapped, counted and, in debug mode,
 * reported; the domain is blocked; the binding has ended. Never waits for pages in flight.
 * @return 0; -EINVAL: no device; -ENODEV: not bound, or gone; -EDEADLK as above.
 */
PP_API int pp_device_unbind(struct pp_device *dev);

enum pp_removal {
	PP_REMOVAL_ORDERLY,  /**< unbind first: the driver stops the device */
	PP_REMOVAL_SURPRISE, /**< the device has gone: block and revoke, then call the driver */
};

/**
 * Remove the device for good. A bound driver's remove is called: before the revocation in an
 * orderly removal, after it in a surprise removal. A surprise removal blocks the device at once,
 * even during a bind, unbind or removal on another thread; then, like every other call here, it
 * waits for that to finish and does the rest.
 * @return 0; -EINVAL: no device, or no such removal; -ENODEV: already gone; -EDEADLK as above.
 */
PP_API int pp_device_remove(struct pp_device *dev, enum pp_removal how);

enum pp_device_state {
	PP_DEVICE_PRESENT,
	PP_DEVICE_BOUND,
	PP_DEVICE_GONE,
};

/** The device's current state. Any thread. */
PP_API enum pp_device_state pp_device_state(const struct pp_device *dev);
/** The current binding, or pp_binding_none(). Any thread. */
PP_API pp_binding_t pp_device_binding(const struct pp_device *dev);
/** The name given at registration. Any thread. */
PP_API const char *pp_device_name(const struct pp_device *dev);
/** The resource given at registration. Any thread. */
PP_API void *pp_device_resource(const struct pp_device *dev);
/** The address width given at registration, in bits. Any thread. */
PP_API unsigned pp_device_address_bits(const struct pp_device *dev);
/** The driver's private pointer, NULL when a binding begins. Probe and remove only. */
PP_API void pp_device_set_data(struct pp_device *dev, void *data);
PP_API void *pp_device_data(const struct pp_device *dev);

/** True while the binding hasn't ended. A snapshot: only the next call is certain. Any thread. */
PP_API bool pp_binding_alive(pp_binding_t binding);

/**
 * Fill in the device's statistics. Any thread.
 * @param size  sizeof(*stats) of the caller; a longer tail is zeroed.
 */
PP_API void pp_device_stats(const struct pp_device *dev, struct pp_device_stats *stats,
			    size_t size);
/** The same of its domain: mappings, IOVA, page tables, IOTLB, faults. Any thread. */
PP_API void pp_domain_stats(const struct pp_device *dev, struct pp_domain_stats *stats,
			    size_t size);

/** The device's number, unique within the process and never reused. Any thread. */
PP_API uint64_t pp_device_id(const struct pp_device *dev);
/**
 * Call fn for every registered device, in order of registration. No lock of the library is held.
 * The device exists for the duration of the call; if it is unregistered meanwhile, its statistics
 * are 0 and it has no binding. fn may make only those calls on it that are marked "any thread".
 * Any thread.
 */
PP_API void pp_device_each(void (*fn)(struct pp_device *dev, void *ctx), void *ctx);

/* The driver core's notifications, in the order in which Linux has them
 * (enum bus_notifier_event, drivers/base/{core,dd}.c). */
enum pp_event {
	PP_EVENT_ADD_DEVICE,       /**< registered */
	PP_EVENT_BIND_DRIVER,      /**< before probe */
	PP_EVENT_BOUND_DRIVER,     /**< probe succeeded */
	PP_EVENT_DRIVER_NOT_BOUND, /**< probe failed; all it mapped is undone */
	PP_EVENT_UNBIND_DRIVER,    /**< before remove: the driver still works */
	PP_EVENT_UNBOUND_DRIVER,   /**< the binding has ended */
	PP_EVENT_DEL_DEVICE,       /**< removal begins */
	PP_EVENT_REMOVED_DEVICE,   /**< removal is complete */
};

/** A listener. Owned by the caller; lives from register to unregister. */
struct pp_notifier {
	void (*notify)(struct pp_notifier *self, enum pp_event event, struct pp_device *dev);
	struct pp_notifier *next; /**< private to the library */
};

/**
 * Subscribe to the events of all devices. The callback runs on the thread that causes the event,
 * with cancellation disabled; it must not make lifecycle calls on that device. It may register
 * others and unregister itself; two callbacks that unregister each other at the same time deadlock.
 * @return 0; -EINVAL: no callback; -EEXIST: already registered.
 */
PP_API int pp_notifier_register(struct pp_notifier *notifier);
/**
 * Unsubscribe. On return no callback of it is running, except one that this was called from.
 * @return 0; -EINVAL: NULL; -ENOENT: not registered.
 */
PP_API int pp_notifier_unregister(struct pp_notifier *notifier);

#ifdef __cplusplus
}
#endif
#endif
