/*
 * device.c - devices, drivers, notifiers: who may drive what, and in which order a
 * binding begins and ends. What a binding holds is binding.c's. Uses iommu and env.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "device/binding.h"

#include "env/calls.h"
#include "env/debug.h"
#include "iommu/window.h"

struct pp_device {
	char name[32];
	void *resource;
	unsigned address_bits;
	struct binding *slot;
	struct pp_iommu *iommu;
	struct windows windows; /* kept out of IOVA space for it */
	struct list link; /* among the devices */

	/*
	 * Serialises the lifecycle; held across the driver's callbacks. `busy` is the
	 * thread that holds it: a callback that calls back is told so instead of hanging.
	 */
	struct env_lock lifecycle;
	uint64_t busy; /* relaxed: a thread only ever asks whether it is itself */

	enum pp_device_state state; /* stored relaxed under lifecycle, loaded anywhere */
	struct pp_driver *drv; /* written under lifecycle and core.lock */
	void *data;
	uint64_t id;
	bool unregistered; /* the handle is gone, or not there yet; under core.lock */
	unsigned refs; /* the handle, and who looks at it for a moment; under core.lock */
};

static struct {
	struct env_lock lock; /* protects the lists; taken after a device's lifecycle */
	struct list devices;
	struct pp_driver *driver[64];
	unsigned n_drivers;
	uint64_t last_id;
} core = { .lock = ENV_LOCK_INIT, .devices = { &core.devices, &core.devices } };

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
		return -EINVAL;
	env_lock(&chain.lock);
	ret = calls_add(&chain, &first_notifier, notifier);
	env_unlock(&chain.lock);
	return ret;
}

int pp_notifier_unregister(struct pp_notifier *notifier)
{
	int ret;

	if (!notifier)
		return -EINVAL;
	env_lock(&chain.lock);
	ret = calls_del(&chain, &first_notifier, notifier);
	env_unlock(&chain.lock);
	return ret;
}

/* ---- the lifecycle's lock ------------------------------------------------------------ */

static int lifecycle_lock(struct pp_device *dev)
{
	if (device_is_calling(dev))
		return -EDEADLK;
	env_lock(&dev->lifecycle);
	env_store_relaxed(&dev->busy, env_self());
	return 0;
}

static void lifecycle_unlock(struct pp_device *dev)
{
	env_store_relaxed(&dev->busy, 0);
	env_unlock(&dev->lifecycle);
}

bool device_is_calling(const struct pp_device *dev)
{
	return env_load_relaxed(&dev->busy) == env_self();
}

static void set_state(struct pp_device *dev, enum pp_device_state state)
{
	env_store_relaxed(&dev->state, state);
}

/* ---- drivers --------------------------------------------------------------------------- */

static int driver_index(const struct pp_driver *drv) /* core.lock held */
{
	for (unsigned i = 0; i < core.n_drivers; i++)
		if (core.driver[i] == drv)
			return (int)i;
	return -ENOENT;
}

int pp_driver_register(struct pp_driver *drv)
{
	int ret = 0;

	if (!drv || !drv->name || !drv->probe || !drv->remove)
		return -EINVAL;
	env_lock(&core.lock);
	if (driver_index(drv) >= 0)
		ret = -EEXIST;
	else if (core.n_drivers == sizeof core.driver / sizeof core.driver[0])
		ret = -ENOMEM;
	else
		core.driver[core.n_drivers++] = drv;
	env_unlock(&core.lock);
	return ret;
}

static int unbind_from(struct pp_device *dev, const struct pp_driver *drv);

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
	env_lock_destroy(&dev->lifecycle);
	env_free(dev);
}

/* A device that the driver is bound to, referenced, or NULL. core.lock held. */
static struct pp_device *driver_device(const struct pp_driver *drv)
{
	list_for_each(pos, &core.devices) {
		struct pp_device *dev = list_entry(pos, struct pp_device, link);

		if (dev->drv != drv)
			continue;
		dev->refs++;
		return dev;
	}
	return NULL;
}

/* True if the calling thread is inside a callback of one of the driver's devices. */
static bool driver_calling(const struct pp_driver *drv)
{
	list_for_each(pos, &core.devices) {
		struct pp_device *dev = list_entry(pos, struct pp_device, link);

		if (dev->drv == drv && device_is_calling(dev))
			return true;
	}
	return false;
}

int pp_driver_unregister(struct pp_driver *drv)
{
	struct pp_device *dev;
	int i;

	env_lock(&core.lock);
	i = driver_index(drv);
	if (i >= 0 && driver_calling(drv))
		i = -EDEADLK;
	if (i >= 0) { /* first, so that nothing binds to it any more */
		memmove(&core.driver[i], &core.driver[i + 1],
			(core.n_drivers - (unsigned)i - 1) * sizeof core.driver[0]);
		core.n_drivers--;
	}
	while (i >= 0 && (dev = driver_device(drv))) {
		env_unlock(&core.lock);
		unbind_from(dev, drv); /* or somebody else was faster */
		device_unref(dev);
		env_lock(&core.lock);
	}
	env_unlock(&core.lock);
	return i < 0 ? i : 0;
}

/*
 * The driver to bind, the one that is asked for or the first that matches, noted in the
 * device: from now on pp_driver_unregister finds it there. NULL: none.
 */
static struct pp_driver *driver_take(struct pp_device *dev, struct pp_driver *asked)
{
	env_lock(&core.lock);
	for (unsigned i = 0; i < core.n_drivers && !dev->drv; i++) {
		struct pp_driver *drv = core.driver[i];

		if (asked ? drv == asked : drv->match && drv->match(dev, drv->ctx))
			dev->drv = drv;
	}
	env_unlock(&core.lock);
	return dev->drv;
}

static void driver_drop(struct pp_device *dev)
{
	env_lock(&core.lock);
	dev->drv = NULL;
	env_unlock(&core.lock);
}

/* ---- bind, unbind ------------------------------------------------------------------------ */

/*
 * End the binding. While the device answers its driver goes first, if it is to be told
 * at all; when it has gone, everything is taken from it before the driver hears of it.
 */
static void end_binding(struct pp_device *dev, bool gone, bool call_remove)
{
	struct pp_driver *drv = dev->drv;
	struct binding *b = dev->slot;
	pp_binding_t binding = pp_device_binding(dev);
	uint64_t begun = env_now_ns(), ns;

	if (gone)
		binding_end(b);
	else
		binding_close(b);
	if (call_remove && !gone)
		drv->remove(dev, binding, PP_REMOVE_UNBIND, drv->ctx);
	binding_revoke(b);
	binding_end(b);
	ns = env_now_ns() - begun;
	if (call_remove && gone)
		drv->remove(dev, binding, PP_REMOVE_GONE, drv->ctx);
	binding_forget(b, ns);
	driver_drop(dev);
	dev->data = NULL;
	set_state(dev, PP_DEVICE_PRESENT);
}

static int bind_locked(struct pp_device *dev, struct pp_driver *asked)
{
	struct pp_driver *drv;
	pp_binding_t binding;
	int ret;

	if (dev->state != PP_DEVICE_PRESENT)
		return dev->state == PP_DEVICE_GONE ? -ENODEV : -EBUSY;
	drv = driver_take(dev, asked);
	if (!drv)
		return -ENOENT;
	notify(dev, PP_EVENT_BIND_DRIVER);
	binding = binding_begin(dev->slot);
	set_state(dev, PP_DEVICE_BOUND);
	ret = drv->probe(dev, binding, drv->ctx);
	if (ret) {
		end_binding(dev, false, false);
		notify(dev, PP_EVENT_DRIVER_NOT_BOUND);
		return ret;
	}
	notify(dev, PP_EVENT_BOUND_DRIVER);
	return 0;
}

int pp_device_bind(struct pp_device *dev, struct pp_driver *drv)
{
	int ret = lifecycle_lock(dev);

	if (ret)
		return ret;
	ret = bind_locked(dev, drv);
	lifecycle_unlock(dev);
	return ret;
}

static void unbind_locked(struct pp_device *dev, bool gone)
{
	if (!gone) /* too late to announce */
		notify(dev, PP_EVENT_UNBIND_DRIVER);
	end_binding(dev, gone, true);
	notify(dev, PP_EVENT_UNBOUND_DRIVER);
}

/* Unbind from a driver, or from whichever it is. */
static int unbind_from(struct pp_device *dev, const struct pp_driver *drv)
{
	int ret = lifecycle_lock(dev);

	if (ret)
		return ret;
	if (dev->state == PP_DEVICE_BOUND && (!drv || dev->drv == drv))
		unbind_locked(dev, false);
	else
		ret = -ENODEV;
	lifecycle_unlock(dev);
	return ret;
}

int pp_device_unbind(struct pp_device *dev)
{
	return unbind_from(dev, NULL);
}

int pp_device_remove(struct pp_device *dev, enum pp_removal how)
{
	int ret = lifecycle_lock(dev);

	if (ret)
		return ret;
	if (dev->state == PP_DEVICE_GONE) {
		ret = -ENODEV;
	} else {
		notify(dev, PP_EVENT_DEL_DEVICE);
		if (dev->state == PP_DEVICE_BOUND)
			unbind_locked(dev, how == PP_REMOVAL_SURPRISE);
		set_state(dev, PP_DEVICE_GONE);
		notify(dev, PP_EVENT_REMOVED_DEVICE);
	}
	lifecycle_unlock(dev);
	return ret;
}

/* ---- register, unregister -------------------------------------------------------------- */

/* -EINVAL, with words in debug mode. */
static int refuse(const struct pp_device_params *p, const char *what)
{
	debug_done(debug_report(PP_DEBUG_DMA, "", "device %s can't be registered: %s",
				p && p->name ? p->name : "without a name", what));
	return -EINVAL;
}

/* The parameters in full, if there is nothing wrong with them. */
static int check_params(struct pp_device_params *p, const struct pp_device_params *params)
{
	const char *wrong;
	int ret;

	if (!params)
		return refuse(NULL, "there are no parameters");
	ret = env_params(p, sizeof *p, params);
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
	bool taken = false;

	env_lock(&core.lock);
	list_for_each(pos, &core.devices)
		taken |= list_entry(pos, struct pp_device, link)->iommu == dev->iommu;
	if (!taken)
		list_add_tail(&dev->link, &core.devices);
	env_unlock(&core.lock);
	return taken ? -EBUSY : 0;
}

/* The domain is nobody's again; of a device whose handle is gone others may have a reference. */
static void disclaim_iommu(struct pp_device *dev)
{
	env_lock(&core.lock);
	dev->iommu = NULL;
	env_unlock(&core.lock);
}

/* Its place in IOVA space and among the bindings. */
static int device_setup(struct pp_device *dev)
{
	struct domain d;
	unsigned bits;
	int ret = windows_reserve(&dev->windows, dev->iommu);

	if (ret)
		return ret;
	domain_init(&d, dev->iommu);
	bits = domain_bits(&d) < dev->address_bits ? domain_bits(&d) : dev->address_bits;
	ret = binding_slot_get(&dev->slot, dev, dev->iommu, bits);
	if (ret)
		windows_release(&dev->windows);
	return ret;
}

static void device_unref(struct pp_device *dev);

int pp_device_register(struct pp_device **out, const struct pp_device_params *params)
{
	struct pp_device_params p;
	struct pp_device *dev;
	int ret;

	if (!out)
		return refuse(NULL, "there is no place for the device");
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
	env_lock_init(&dev->lifecycle);
	list_init(&dev->link);
	ret = claim_iommu(dev);
	if (!ret)
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

	if (!dev)
		return;
	if (pp_device_remove(dev, PP_REMOVAL_ORDERLY) == -EDEADLK)
		env_abort("pagepool: a device is unregistered from one of its own callbacks\n");
	env_lock(&core.lock);
	dev->unregistered = true;
	env_unlock(&core.lock);
	iommu = dev->iommu;
	binding_slot_put(dev->slot); /* first: who asks for statistics finds no domain then */
	windows_release(&dev->windows);
	disclaim_iommu(dev); /* before it goes: another one may come to lie there */
	env_cancel_off();
	iommu->ops->destroy(iommu);
	env_cancel_on();
	device_unref(dev);
}

/* ---- what a device says of itself ------------------------------------------------------- */

enum pp_device_state pp_device_state(const struct pp_device *dev)
{
	return env_load_relaxed(&dev->state);
}

pp_binding_t pp_device_binding(const struct pp_device *dev)
{
	pp_binding_t name = { env_load_acquire(&dev->slot->id) };

	return name;
}

const char *pp_device_name(const struct pp_device *dev)
{
	return dev->name;
}

void *pp_device_resource(const struct pp_device *dev)
{
	return dev->resource;
}

unsigned pp_device_address_bits(const struct pp_device *dev)
{
	return dev->address_bits;
}

void pp_device_set_data(struct pp_device *dev, void *data)
{
	dev->data = data;
}

void *pp_device_data(const struct pp_device *dev)
{
	return dev->data;
}

void pp_device_stats(const struct pp_device *dev, struct pp_device_stats *stats, size_t size)
{
	struct pp_device_stats out = { 0 };

	env_lock(&dev->slot->lock);
	if (dev->slot->dev == dev) { /* else it is unregistered, and looked at by pp_device_each */
		out = dev->slot->stats;
		out.late_calls_refused = env_load_relaxed(&dev->slot->late);
	}
	env_unlock(&dev->slot->lock);
	env_stats_out(stats, size, &out, sizeof out);
}

void pp_domain_stats(const struct pp_device *dev, struct pp_domain_stats *stats, size_t size)
{
	struct pp_domain_stats out = { 0 };

	env_lock(&dev->slot->lock);
	if (dev->slot->dev == dev)
		domain_stats(&dev->slot->domain, &out);
	env_unlock(&dev->slot->lock);
	env_stats_out(stats, size, &out, sizeof out);
}

uint64_t pp_device_id(const struct pp_device *dev)
{
	return dev->id;
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
