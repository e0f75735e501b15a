/*
 * device.c - devices, drivers, notifiers: who may drive what, and in which order a
 * binding begins and ends. What a binding holds is binding.c's. Uses iommu and env.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "device/binding.h"

#include "env/calls.h"
#include "env/debug.h"
#include "env/hash.h"
#include "iommu/window.h"

struct pp_device {
	char name[32];
	void *resource;
	unsigned address_bits;
	struct binding *slot;
	struct pp_iommu *iommu;
	struct windows windows;    /* kept out of IOVA space for it */
	struct list link;          /* among the devices */
	struct hash_node of_iommu; /* core.iommus, while the domain is its own */

	/*
	 * Serialises the lifecycle: one call at a time, its driver's and listeners' callbacks
	 * included, which run without a lock. `busy` is the thread that makes it: a callback
	 * that calls back is told so instead of hanging.
	 */
	struct env_lock lock; /* protects the stores of `busy`, and waiting for its end */
	struct env_cond idle;
	uint64_t busy; /* loaded relaxed: a thread only ever asks whether it is itself */

	enum pp_device_state state; /* stored relaxed by the busy thread, loaded anywhere */
	void *data;
	uint64_t id;
	/* under core.lock */
	struct driver *driver; /* that it is bound to, or that is asked; by the busy thread only */
	struct list of_driver; /* link of driver->devices */
	bool asking;           /* the driver's match is being called */
	bool unregistered;     /* the handle is gone, or not there yet; loaded relaxed too */
	unsigned refs;         /* the handle, and who looks at it for a moment */
};

struct driver {
	struct pp_driver *drv; /* NULL: free */
	uint64_t serial;       /* the order of registration */
	bool leaving;          /* no device is bound to it any more */
	struct list devices;
};

#define DRIVERS 64u

static struct {
	struct env_lock lock;  /* protects all of it; a leaf */
	struct env_cond asked; /* a driver's match has returned */
	struct list devices;
	struct hashtab iommus; /* that a device has, or is being registered with */
	struct driver driver[DRIVERS];
	uint64_t last_driver, last_id;
} core = {
	.lock = ENV_LOCK_INIT,
	.asked = ENV_COND_INIT,
	.devices = { &core.devices, &core.devices },
};

/* ---- notifiers ------------------------------------------------------------------ */

static void *notifier_next(const void *item)
{
	return ((const struct pp_notifier *)item)->next;
}

static void notifier_set_next(void *item, void *next)
{
	((struct pp_notifier *)item)->next = next;
}

static struct calls chain = CALLS_INIT(notifier_next, notifier_set_next);
static void *first_notifier; /* in the order of registration, as in Linux; under chain.lock */

struct news {
	struct pp_device *dev;
	enum pp_event event;
};

static void tell(void *item, void *ctx)
{
	struct pp_notifier *n = item;
	const struct news *news = ctx;

	n->notify(n, news->event, news->dev);
}

static void notify(struct pp_device *dev, enum pp_event event)
{
	struct news news = { dev, event };

	calls_each(&chain, &first_notifier, tell, &news);
}

int pp_notifier_register(struct pp_notifier *notifier)
{
	int ret;

	if (!notifier || !notifier->notify)
		return debug_invalid(
			"pp_notifier_register: there is no notifier, or it has no callback");
	env_lock(&chain.lock);
	ret = calls_add(&chain, &first_notifier, notifier);
	env_unlock(&chain.lock);
	return ret;
}

int pp_notifier_unregister(struct pp_notifier *notifier)
{
	int ret;

	if (!notifier)
		return debug_invalid("pp_notifier_unregister: there is no notifier");
	env_lock(&chain.lock);
	ret = calls_del(&chain, &first_notifier, notifier);
	env_unlock(&chain.lock);
	return ret;
}

/* ---- one lifecycle call at a time ---------------------------------------------------- */

bool device_is_calling(const struct pp_device *dev)
{
	return env_load_relaxed(&dev->busy) == env_self();
}

static int lifecycle_begin(struct pp_device *dev)
{
	if (device_is_calling(dev))
		return -EDEADLK;
	env_cancel_off(); /* or nobody could end what has begun */
	env_lock(&dev->lock);
	while (dev->busy)
		env_wait(&dev->idle, &dev->lock);
	env_store_relaxed(&dev->busy, env_self());
	env_unlock(&dev->lock);
	return 0;
}

static void lifecycle_end(struct pp_device *dev)
{
	env_lock(&dev->lock);
	env_store_relaxed(&dev->busy, 0);
	env_wake(&dev->idle);
	env_unlock(&dev->lock);
	env_cancel_on();
}

static void set_state(struct pp_device *dev, enum pp_device_state state)
{
	env_store_relaxed(&dev->state, state);
}

/* ---- drivers --------------------------------------------------------------------------- */

static struct driver *driver_find(const struct pp_driver *drv) /* core.lock held */
{
	for (unsigned i = 0; i < DRIVERS; i++)
		if (drv && core.driver[i].drv == drv)
			return &core.driver[i];
	return NULL;
}

/* The first one that was registered after that, or NULL. core.lock held. */
static struct driver *driver_after(uint64_t serial)
{
	struct driver *next = NULL;

	for (unsigned i = 0; i < DRIVERS; i++) {
		struct driver *d = &core.driver[i];

		if (d->drv && !d->leaving && d->serial > serial &&
		    (!next || d->serial < next->serial))
			next = d;
	}
	return next;
}

static int driver_add(struct pp_driver *drv) /* core.lock held */
{
	struct driver *d = &core.driver[0];

	if (driver_find(drv))
		return -EEXIST;
	while (d < core.driver + DRIVERS && d->drv)
		d++;
	if (d == core.driver + DRIVERS)
		return -ENOMEM;
	*d = (struct driver){ .drv = drv, .serial = ++core.last_driver };
	list_init(&d->devices);
	return 0;
}

int pp_driver_register(struct pp_driver *drv)
{
	int ret;

	if (!drv || !drv->name || !drv->probe || !drv->remove)
		return debug_invalid("pp_driver_register: %s",
				     !drv        ? "there is no driver" :
				     !drv->name  ? "the driver has no name" :
				     !drv->probe ? "the driver has no probe" :
						   "the driver has no remove");
	env_lock(&core.lock);
	ret = driver_add(drv);
	env_unlock(&core.lock);
	return ret;
}

static int unbind_from(struct pp_device *dev, const struct driver *driver);

static void device_unref(struct pp_device *dev)
{
	bool last;

	env_lock(&core.lock);
	last = !--dev->refs;
	if (last)
		list_del(&dev->link);
	env_unlock(&core.lock);
	if (!last)
		return;
	env_lock_destroy(&dev->lock);
	env_cond_destroy(&dev->idle);
	env_free(dev);
}

/* True if the calling thread is inside a callback of one of the driver's devices. */
static bool driver_calling(const struct driver *d)
{
	list_for_each(pos, &d->devices)
		if (device_is_calling(list_entry(pos, struct pp_device, of_driver)))
			return true;
	return false;
}

/* Until no device has it. core.lock is held, and given up for a time. */
static void driver_leave(struct driver *d)
{
	d->leaving = true; /* first, so that nothing binds to it any more */
	while (!list_empty(&d->devices)) {
		struct pp_device *dev = list_entry(d->devices.next, struct pp_device, of_driver);

		if (dev->asking) {
			env_wait(&core.asked, &core.lock);
			continue;
		}
		dev->refs++;
		env_unlock(&core.lock);
		unbind_from(dev, d); /* or somebody else was faster */
		device_unref(dev);
		env_lock(&core.lock);
	}
	d->drv = NULL;
}

int pp_driver_unregister(struct pp_driver *drv)
{
	struct driver *d;
	int ret = 0;

	if (!drv)
		return debug_invalid("pp_driver_unregister: there is no driver");
	env_lock(&core.lock);
	d = driver_find(drv);
	if (!d || d->leaving)
		ret = -ENOENT;
	else if (driver_calling(d))
		ret = -EDEADLK;
	else
		driver_leave(d);
	env_unlock(&core.lock);
	return ret;
}

/* From now on pp_driver_unregister finds the device there. core.lock held; busy. */
static void driver_note(struct pp_device *dev, struct driver *d)
{
	dev->driver = d;
	list_add_tail(&dev->of_driver, &d->devices);
}

static void driver_forget(struct pp_device *dev)
{
	dev->driver = NULL;
	list_del(&dev->of_driver);
}

/* Does it match? Asked without the lock; the driver stays meanwhile. */
static bool driver_matches(struct pp_device *dev, struct driver *d)
{
	struct pp_driver *drv = d->drv;
	bool yes;

	if (!drv->match)
		return false;
	driver_note(dev, d);
	dev->asking = true;
	env_unlock(&core.lock);
	yes = drv->match(dev, drv->ctx);
	env_lock(&core.lock);
	dev->asking = false;
	env_wake(&core.asked);
	driver_forget(dev);
	return yes && !d->leaving;
}

/* The driver to bind: the one that is asked for, or the first that matches. NULL: none. */
static struct pp_driver *driver_take(struct pp_device *dev, struct pp_driver *asked)
{
	struct driver *d;

	env_lock(&core.lock);
	d = asked ? driver_find(asked) : driver_after(0);
	if (asked && d && d->leaving)
		d = NULL;
	while (!asked && d && !driver_matches(dev, d))
		d = driver_after(d->serial);
	if (d)
		driver_note(dev, d);
	env_unlock(&core.lock);
	return d ? d->drv : NULL;
}

static void driver_drop(struct pp_device *dev)
{
	env_lock(&core.lock);
	driver_forget(dev);
	env_unlock(&core.lock);
}

/* ---- bind, unbind ------------------------------------------------------------------------ */

/*
 * End the binding. While the device answers its driver goes first, if it is to be told
 * at all; when it has gone, everything is taken from it before the driver hears of it.
 */
static void end_binding(struct pp_device *dev, bool call_remove)
{
	struct pp_driver *drv = dev->driver->drv;
	struct binding *b = dev->slot;
	uint64_t begun = env_now_ns(), ns;
	pp_binding_t binding;
	bool gone = !binding_close(b, &binding);

	call_remove = call_remove && !binding_is_parents(b);
	if (call_remove && !gone)
		drv->remove(dev, binding, PP_REMOVE_UNBIND, drv->ctx);
	binding_revoke(b);
	binding_end(b);
	ns = env_now_ns() - begun;
	if (call_remove && gone)
		drv->remove(dev, binding, PP_REMOVE_GONE, drv->ctx);
	binding_finish(b, ns);
	driver_drop(dev);
	dev->data = NULL;
	set_state(dev, PP_DEVICE_PRESENT);
}

static void say_why_not(const struct pp_device *dev, int ret)
{
	if (ret == -EOVERFLOW)
		debug_done(debug_report(PP_DEBUG_DMA, dev->name,
					"pp_device_bind: device %s has been bound so often that "
					"there are no numbers left for its bindings: unregister "
					"it, and register it again",
					dev->name));
	if (ret == -EIO)
		debug_done(debug_report(
			PP_DEBUG_DMA, dev->name,
			"pp_device_bind: device %s stays blocked, for its IOMMU back end has "
			"broken its contract: unregister it, and register it with another "
			"domain",
			dev->name));
}

static int probe(struct pp_device *dev, struct pp_driver *drv)
{
	pp_binding_t binding;
	int ret = binding_is_parents(dev->slot) ? -ENODEV : binding_begin(dev->slot, &binding);

	if (ret) {
		driver_drop(dev);
		say_why_not(dev, ret);
		return ret;
	}
	set_state(dev, PP_DEVICE_BOUND);
	ret = drv->probe(dev, binding, drv->ctx);
	if (ret)
		end_binding(dev, false);
	return ret;
}

static int bind_locked(struct pp_device *dev, struct pp_driver *asked)
{
	struct pp_driver *drv;
	int ret;

	if (dev->state != PP_DEVICE_PRESENT)
		return dev->state == PP_DEVICE_GONE ? -ENODEV : -EBUSY;
	drv = driver_take(dev, asked);
	if (!drv)
		return -ENOENT;
	notify(dev, PP_EVENT_BIND_DRIVER);
	ret = probe(dev, drv);
	notify(dev, ret ? PP_EVENT_DRIVER_NOT_BOUND : PP_EVENT_BOUND_DRIVER);
	return ret;
}

int pp_device_bind(struct pp_device *dev, struct pp_driver *drv)
{
	int ret;

	if (!dev)
		return debug_invalid("pp_device_bind: there is no device");
	ret = lifecycle_begin(dev);
	if (ret)
		return ret;
	ret = bind_locked(dev, drv);
	lifecycle_end(dev);
	return ret;
}

static void unbind_locked(struct pp_device *dev)
{
	if (!binding_is_gone(dev->slot)) /* else it is too late to announce */
		notify(dev, PP_EVENT_UNBIND_DRIVER);
	end_binding(dev, true);
	notify(dev, PP_EVENT_UNBOUND_DRIVER);
}

/* Unbind from a driver, or from whichever it is. */
static int unbind_from(struct pp_device *dev, const struct driver *driver)
{
	int ret = lifecycle_begin(dev);

	if (ret)
		return ret;
	if (dev->state == PP_DEVICE_BOUND && (!driver || dev->driver == driver))
		unbind_locked(dev);
	else
		ret = -ENODEV;
	lifecycle_end(dev);
	return ret;
}

int pp_device_unbind(struct pp_device *dev)
{
	return dev ? unbind_from(dev, NULL) : debug_invalid("pp_device_unbind: there is no device");
}

/*
 * A device that has gone is blocked at once, whatever its driver is doing; the rest waits its turn.
 */
int pp_device_remove(struct pp_device *dev, enum pp_removal how)
{
	int ret;

	if (!dev)
		return debug_invalid("pp_device_remove: there is no device");
	if (how != PP_REMOVAL_ORDERLY && how != PP_REMOVAL_SURPRISE)
		return debug_invalid(
			"pp_device_remove: how is %d: it must be PP_REMOVAL_ORDERLY (%d) "
			"or PP_REMOVAL_SURPRISE (%d)",
			(int)how, PP_REMOVAL_ORDERLY, PP_REMOVAL_SURPRISE);
	if (device_is_calling(dev))
		return -EDEADLK;
	if (how == PP_REMOVAL_SURPRISE)
		binding_gone(dev->slot);
	ret = lifecycle_begin(dev);
	if (ret)
		return ret;
	if (dev->state == PP_DEVICE_GONE) {
		ret = -ENODEV;
	} else {
		notify(dev, PP_EVENT_DEL_DEVICE);
		if (dev->state == PP_DEVICE_BOUND)
			unbind_locked(dev);
		set_state(dev, PP_DEVICE_GONE);
		notify(dev, PP_EVENT_REMOVED_DEVICE);
	}
	lifecycle_end(dev);
	return ret;
}

/* ---- register, unregister -------------------------------------------------------------- */

/* -EINVAL, with words in debug mode. */
static int refuse(const struct pp_device_params *p, const char *what)
{
	return debug_invalid("pp_device_register: device %s can't be registered: %s",
			     p && p->name ? p->name : "without a name", what);
}

/* The parameters in full, if there is nothing wrong with them. */
static int check_params(struct pp_device_params *p, const struct pp_device_params *params)
{
	const char *wrong;
	int ret;

	if (!params)
		return refuse(NULL, "there are no parameters");
	ret = env_params("pp_device_register", p, sizeof *p, params);
	if (ret == -EINVAL)
		return refuse(NULL, "the parameters don't say their size");
	if (ret)
		return ret;
	if (!p->address_bits)
		p->address_bits = 64;
	if (!p->name)
		return refuse(p, "it has no name");
	if (p->address_bits < 32 || p->address_bits > 64)
		return refuse(p, "address_bits is out of range, 32 to 64");
	wrong = domain_wrong(p->iommu);
	return wrong ? refuse(p, wrong) : 0;
}

/* Into the list, looked over until it is ready; -EBUSY: another device has the domain. */
static int claim_iommu(struct pp_device *dev)
{
	uint64_t hash = hash_of((uintptr_t)dev->iommu);
	int ret;

	env_lock(&core.lock);
	ret = hashtab_find(&core.iommus, hash) ? -EBUSY : hashtab_start(&core.iommus);
	if (!ret) {
		hashtab_add(&core.iommus, &dev->of_iommu, hash);
		list_add_tail(&dev->link, &core.devices);
	}
	env_unlock(&core.lock);
	return ret;
}

/* The domain is free again. A device whose handle has gone may still be referenced by others. */
static void disclaim_iommu(struct pp_device *dev)
{
	env_lock(&core.lock);
	hashtab_del(&core.iommus, &dev->of_iommu);
	hashtab_end(&core.iommus);
	env_unlock(&core.lock);
}

/* Its place among the devices, in IOVA space and among the bindings. */
static int device_setup(struct pp_device *dev)
{
	struct domain d;
	unsigned bits;
	int ret = claim_iommu(dev);

	if (ret)
		return ret;
	domain_init(&d, dev->iommu);
	bits = domain_bits(&d) < dev->address_bits ? domain_bits(&d) : dev->address_bits;
	ret = windows_reserve(&dev->windows, dev->iommu);
	if (!ret) {
		ret = binding_slot_get(&dev->slot, dev, dev->iommu, bits);
		if (ret)
			windows_release(&dev->windows);
	}
	if (ret)
		disclaim_iommu(dev);
	return ret;
}

static void device_unref(struct pp_device *dev);

int pp_device_register(struct pp_device **out, const struct pp_device_params *params)
{
	struct pp_device_params p;
	struct pp_device *dev;
	int ret;

	if (!out)
		return refuse(NULL, "there is nowhere to store the device");
	*out = NULL;
	ret = check_params(&p, params);
	if (ret)
		return ret;
	dev = env_zalloc(sizeof *dev);
	if (!dev)
		return -ENOMEM;
	strncpy(dev->name, p.name, sizeof dev->name - 1);
	dev->iommu = p.iommu;
	dev->resource = p.resource;
	dev->address_bits = p.address_bits;
	dev->unregistered = true;
	dev->refs = 1;
	env_lock_init(&dev->lock);
	env_cond_init(&dev->idle);
	list_init(&dev->of_driver);
	list_init(&dev->link);
	ret = device_setup(dev);
	if (ret) {
		device_unref(dev);
		return ret;
	}
	memcpy(p.iommu->name, dev->name, sizeof dev->name);
	env_lock(&core.lock);
	dev->id = ++core.last_id;
	dev->unregistered = false;
	env_unlock(&core.lock);
	*out = dev;
	notify(dev, PP_EVENT_ADD_DEVICE);
	return 0;
}

void pp_device_unregister(struct pp_device *dev)
{
	struct pp_iommu *iommu;
	bool parents;

	if (!dev)
		return;
	if (pp_device_remove(dev, PP_REMOVAL_ORDERLY) == -EDEADLK)
		env_abort("pagepool: a device is unregistered from one of its own callbacks\n");
	env_lock(&core.lock);
	env_store_relaxed(&dev->unregistered, true);
	env_unlock(&core.lock);
	iommu = dev->iommu;
	parents = binding_is_parents(dev->slot);
	binding_slot_put(dev->slot); /* first: who asks for statistics finds no domain then */
	windows_release(&dev->windows);
	disclaim_iommu(dev); /* before it goes: another one may come to lie there */
	env_cancel_off();
	if (!parents)
		iommu->ops->destroy(iommu);
	env_cancel_on();
	device_unref(dev);
}

/* ---- what a device says of itself ------------------------------------------------------- */

enum pp_device_state pp_device_state(const struct pp_device *dev)
{
	return dev ? env_load_relaxed(&dev->state) : PP_DEVICE_GONE;
}

pp_binding_t pp_device_binding(const struct pp_device *dev)
{
	pp_binding_t name;

	if (!dev)
		return pp_binding_none();
	name.id = env_load_acquire(&dev->slot->id);
	/* the slot may be another device's by now, which it became later than this */
	return env_load_relaxed(&dev->unregistered) ? pp_binding_none() : name;
}

const char *pp_device_name(const struct pp_device *dev)
{
	return dev ? dev->name : "";
}

void *pp_device_resource(const struct pp_device *dev)
{
	return dev ? dev->resource : NULL;
}

unsigned pp_device_address_bits(const struct pp_device *dev)
{
	return dev ? dev->address_bits : 0;
}

void pp_device_set_data(struct pp_device *dev, void *data)
{
	if (dev)
		dev->data = data;
}

void *pp_device_data(const struct pp_device *dev)
{
	return dev ? dev->data : NULL;
}

/*
 * The device's slot, locked, if the device is still registered. NULL: the slot is another's by now,
 * or dev is NULL.
 */
static struct binding *slot_lock(const struct pp_device *dev)
{
	struct binding *b = dev ? dev->slot : NULL;

	if (!b)
		return NULL;
	env_lock(&b->lock);
	if (b->dev == dev)
		return b;
	env_unlock(&b->lock);
	return NULL;
}

void pp_device_stats(const struct pp_device *dev, struct pp_device_stats *stats, size_t size)
{
	struct pp_device_stats out = { 0 };
	struct binding *b = slot_lock(dev);

	if (b) {
		out = b->stats;
		out.late_calls_refused = env_load_relaxed(&b->late);
		env_unlock(&b->lock);
	}
	env_stats_out(stats, size, &out, sizeof out);
}

void pp_domain_stats(const struct pp_device *dev, struct pp_domain_stats *stats, size_t size)
{
	struct pp_domain_stats out = { 0 };
	struct binding *b = slot_lock(dev);

	if (b) {
		domain_stats(&b->domain, &out);
		env_unlock(&b->lock);
	}
	env_stats_out(stats, size, &out, sizeof out);
}

uint64_t pp_device_id(const struct pp_device *dev)
{
	return dev ? dev->id : 0;
}

/* The first device behind pos that is registered, with a reference, or NULL. core.lock is held. */
static struct pp_device *next_device(struct list *pos)
{
	while ((pos = pos->next) != &core.devices) {
		struct pp_device *dev = list_entry(pos, struct pp_device, link);

		if (!dev->unregistered) {
			dev->refs++;
			return dev;
		}
	}
	return NULL;
}

void pp_device_each(void (*fn)(struct pp_device *dev, void *ctx), void *ctx)
{
	struct pp_device *dev, *next;

	if (!fn)
		return;
	env_cancel_off(); /* or a reference would be left */
	env_lock(&core.lock);
	dev = next_device(&core.devices);
	env_unlock(&core.lock);
	for (; dev; dev = next) {
		fn(dev, ctx);
		/* its reference keeps it in the list, until the next one has one of its own */
		env_lock(&core.lock);
		next = next_device(&dev->link);
		env_unlock(&core.lock);
		device_unref(dev);
	}
	env_cancel_on();
}
