/*
 * device.h - devices, drivers and the bindings between them.
 *
 *  register --> PRESENT --bind--> BOUND --unbind--> PRESENT --> bind: a new binding
 *                  |                |
 *                  +---- remove ----+--> GONE   (surprise removal: without notice)
 *
 * Thread rule: every call here is *control*: it may be made from any thread,
 * calls on one device are serialised, and none may be made from inside a
 * callback for the same device (-EDEADLK). Callbacks run without a lock of the
 * library's, and the thread that a bind, unbind or removal runs on can't be
 * cancelled before it is over.
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
	 * The device answers. Stop its queues, free the rings: DMA calls work, unless the
	 * device goes by surprise meanwhile; from then on they are refused with -ENODEV.
	 */
	PP_REMOVE_UNBIND,
	/**
	 * The device is gone and everything of the binding has been taken back
	 * before this call: DMA calls are refused with -ENODEV. Coherent memory
	 * stays readable for the CPU until remove returns.
	 */
	PP_REMOVE_GONE,
};

/**
 * A driver. The structure belongs to the caller and must live, unchanged, from
 * pp_driver_register to the return of pp_driver_unregister.
 */
struct pp_driver {
	const char *name;
	/**
	 * True if the driver can drive the device. Called from pp_device_bind, for the driver
	 * to look. NULL: only bound when asked for by name.
	 */
	bool (*match)(struct pp_device *dev, void *ctx);
	/**
	 * Take the device. 0, or a negative errno: the binding then ends as by
	 * unbind, without remove being called.
	 */
	int (*probe)(struct pp_device *dev, pp_binding_t binding, void *ctx);
	/** Give the device back. Cannot fail. See enum pp_remove_why. */
	void (*remove)(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
		       void *ctx);
	void *ctx;
};

/**
 * Make a driver known, for pp_device_bind to find. Binds nothing by itself.
 * @return 0; -EINVAL: no name, probe or remove; -EEXIST: known already; -ENOMEM: there
 *         are 64 drivers.
 */
PP_API int pp_driver_register(struct pp_driver *drv);

/**
 * Unbind every device that the driver is bound to, then forget the driver.
 * @return 0; -EINVAL: NULL; -ENOENT: not registered; -EDEADLK: called from a callback of one
 *         of its devices; nothing is changed then.
 */
PP_API int pp_driver_unregister(struct pp_driver *drv);

struct pp_device_params {
	size_t size; /**< of this structure; see PP_PARAMS */
	/** For messages: at most 31 bytes are kept. Required. */
	const char *name;
	/**
	 * The device's IOMMU domain, from a back end's constructor. Required, and no other
	 * device's. The device owns it from a successful registration on, and destroys it.
	 */
	struct pp_iommu *iommu;
	/** What the device really can address, in bits: 32 to 64. 0 is 64. */
	unsigned address_bits;
	/** For the driver: registers, a file descriptor ... Not touched here. */
	void *resource;
};

/**
 * Register a device: it is PRESENT, has a domain that translates nothing, and
 * may be bound. IOVA that its domain can't use and others could is out of use for all of
 * them until it is unregistered: see struct pp_iommu.
 * @param out  the device, for pp_device_unregister.
 * @return 0; -EINVAL: no place for the device, no parameters, name or domain, bits out of range, or a domain that
 *         breaks its contract as far as can be seen: a function or a page size up to
 *         the kernel's missing, ranges that are empty, overlap, don't ascend or have parts of pages (in
 *         debug mode a sentence says which); -EBUSY: another device has the domain;
 *         -E2BIG: see PP_PARAMS; -ENOMEM.
 */
PP_API int pp_device_register(struct pp_device **out, const struct pp_device_params *params);

/**
 * Remove the device if that was not done before, and free it. NULL is allowed.
 * Pages of its pools stay valid for their holders. From one of the device's own callbacks
 * it ends the process: the callback's device would be freed under it.
 */
PP_API void pp_device_unregister(struct pp_device *dev);

/**
 * Bind a driver: a new binding begins, and probe is called with it.
 * @param drv  NULL: the first registered driver whose match accepts the device.
 * @return 0; -EINVAL: no device; -ENOENT: no driver matches, or drv is not registered;
 *         -EBUSY: bound already; -ENODEV: the device is gone, or goes before probe is called;
 *         -EIO: its back end broke its contract, and it stays blocked (iommu.h);
 *         -EDEADLK: called from a callback of this device; or what probe returned.
 */
PP_API int pp_device_bind(struct pp_device *dev, struct pp_driver *drv);

/**
 * End the binding. In this order: it refuses new pools, growth and mappings;
 * the driver's remove stops the queues; every other call through it is late from
 * now on (-ENODEV); every pool is revoked; what the driver mapped and forgot is
 * unmapped, counted, and reported in debug mode; the domain is left blocked; the
 * binding ends. Never waits for pages in flight.
 * @return 0; -EINVAL: no device; -ENODEV: not bound, or gone; -EDEADLK as above.
 */
PP_API int pp_device_unbind(struct pp_device *dev);

enum pp_removal {
	PP_REMOVAL_ORDERLY,  /**< unbind first, with the driver's help */
	PP_REMOVAL_SURPRISE, /**< the device has gone: revoke and block, then tell the driver */
};

/**
 * The device goes, for good. A bound driver's remove is called: before the
 * revocation when orderly, after it when surprised. A surprise blocks the device at
 * once, whatever another thread's bind, unbind or removal of it is doing; then it waits
 * until that is over, as every other call here does, and does the rest.
 * @return 0; -EINVAL: no device, or no such removal; -ENODEV: gone already; -EDEADLK as above.
 */
PP_API int pp_device_remove(struct pp_device *dev, enum pp_removal how);

enum pp_device_state {
	PP_DEVICE_PRESENT,
	PP_DEVICE_BOUND,
	PP_DEVICE_GONE,
};

/** The device's state at this moment. Any thread. */
PP_API enum pp_device_state pp_device_state(const struct pp_device *dev);
/** The current binding, or pp_binding_none(). Any thread. */
PP_API pp_binding_t pp_device_binding(const struct pp_device *dev);
/** The name given at registration. Any thread. */
PP_API const char *pp_device_name(const struct pp_device *dev);
/** The resource given at registration. Any thread. */
PP_API void *pp_device_resource(const struct pp_device *dev);
/** What the device can address, in bits, as given at registration. Any thread. */
PP_API unsigned pp_device_address_bits(const struct pp_device *dev);
/** A pointer of the driver's own, NULL when a binding begins. Probe and remove only. */
PP_API void pp_device_set_data(struct pp_device *dev, void *data);
PP_API void *pp_device_data(const struct pp_device *dev);

/** True while the binding has not ended: what the next call would meet. Any thread. */
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

/** A number that no other device of the process ever has. Any thread. */
PP_API uint64_t pp_device_id(const struct pp_device *dev);
/**
 * Call fn for every registered device, in the order of registration. No lock of the library
 * is held; the device stays for the time of the call, though it may be unregistered
 * meanwhile: its statistics are 0 then, and it has no binding. fn may make any-thread calls on it and no others.
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
	struct pp_notifier *next; /**< the library's */
};

/**
 * Hear of every device. The callback runs on the thread that causes the event, which can't be
 * cancelled meanwhile; it may make no lifecycle call on that device. It may register others, and
 * unregister itself; two callbacks that unregister one another at the same time wait for ever.
 * @return 0; -EINVAL: no callback; -EEXIST: registered already.
 */
PP_API int pp_notifier_register(struct pp_notifier *notifier);
/**
 * @return 0; -EINVAL: NULL; -ENOENT: not registered. After it no callback of it runs, but for the
 *         one that this is called from.
 */
PP_API int pp_notifier_unregister(struct pp_notifier *notifier);

#ifdef __cplusplus
}
#endif
#endif
