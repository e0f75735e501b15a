/*
 * calls_device.c - the stateful fuzzer's calls of device.h and soft.h: devices, drivers,
 * bindings, listeners.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "calls.h"

struct pp_domain_stats domain_now[DEVICES];

static struct pp_notifier listener[LISTENERS];
static unsigned heard[DEVICES];   /* listeners that have heard a device's first event */
static int gone_binding[DEVICES]; /* the one that a surprise removal ended */
static bool removing[DEVICES];
static uint64_t last_id; /* of the device that was registered last */
static const char *const names[DEVICES] = { "first", "second", "third",
					    "a name of more than 31 bytes, cut" };

static int device_of(const struct pp_device *dev)
{
	return (int)(intptr_t)pp_device_resource(dev) - 1;
}

bool device_broken(int d)
{
	return ref.device[d].there && backend_lied(real.own[d]);
}

bool binding_broken(int b)
{
	return b != NONE && ref.binding[b].alive && device_broken(ref.binding[b].device);
}

bool pool_broken(int p)
{
	bool broken = false;

	for (int i = 0; i < ATTACHMENTS; i++)
		broken |= binding_broken(ref.pool[p].at[i]);
	return broken;
}

bool any_broken(void)
{
	bool broken = false;

	for (int d = 0; d < DEVICES; d++)
		broken |= device_broken(d);
	return broken;
}

/* ---- callbacks --------------------------------------------------------------------------- */

/* Each listener hears each event, in the order in which they were registered. */
static void notified(struct pp_notifier *self, enum pp_event event, struct pp_device *dev)
{
	int d = device_of(dev), i = (int)(self - listener), before = 0, all = 0;
	struct ref_device *r = &ref.device[d];

	must(r->n_events, "device %d: event %d, and none was due", d, event);
	must_be(event, r->event[0], "the event");
	for (int k = 0; k < LISTENERS; k++) {
		all += ref.listener_order[k] != 0;
		before += ref.listener_order[k] && ref.listener_order[k] < ref.listener_order[i];
	}
	must_be(heard[d], before, "how many have heard it before");
	if ((int)++heard[d] < all)
		return;
	heard[d] = 0;
	memmove(r->event, r->event + 1, --r->n_events * sizeof r->event[0]);
}

static bool match(struct pp_device *dev, void *ctx)
{
	return ref.driver[(intptr_t)ctx].accepts >> device_of(dev) & 1;
}

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	int d = device_of(dev), b;
	uint8_t how;

	for (int i = 0; i < ref.n_bindings; i++)
		must(ref.binding[i].name.id != binding.id, "the name of binding %d is used again",
		     i);
	must(!pp_device_data(dev), "a new binding begins with the data of an old one");
	b = ref_begin(d, (int)(intptr_t)ctx, binding);
	how = input_byte(&in);
	if (how & 0x10) {
		ref.binding[b].mask = 64;
		must_be(pp_dma_set_mask(binding, 64), 0, "pp_dma_set_mask()");
	}
	ref.device[d].data = &ref.device[how % DEVICES];
	pp_device_set_data(dev, ref.device[d].data);
	calls_nested();
	if (how < 0xE0) {
		ref_event(d, PP_EVENT_BOUND_DRIVER);
		return 0;
	}
	ref_close(b);
	ref_end(b, false);
	ref_event(d, PP_EVENT_DRIVER_NOT_BOUND);
	return -(int)how;
}

static unsigned mappings_of(int binding)
{
	unsigned n = 0;

	for (int i = 0; i < MAPPINGS; i++)
		n += ref.mapping[i].there && ref.mapping[i].binding == binding;
	return n;
}

static void removed(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	int d = device_of(dev), b = why == PP_REMOVE_GONE ? gone_binding[d] : ref.device[d].binding;

	must_be((intptr_t)ctx, ref.device[d].driver, "the driver");
	must(b >= 0 && binding.id == ref.binding[b].name.id, "another binding is being removed");
	must(pp_device_data(dev) == ref.device[d].data, "the driver's data is another");
	ref.device[d].busy = thread;
	if (why == PP_REMOVE_UNBIND)
		ref_close(b);
	else
		mappings_compare(); /* what is coherent is readable yet */
	calls_nested();
	if (why == PP_REMOVE_UNBIND) {
		if (mappings_of(b) && (ref.debug & PP_DEBUG_DMA) && report_expected == REPORT_NONE)
			report_expected = REPORT_SOME;
		ref_end(b, false);
	}
	ref_event(d, PP_EVENT_UNBOUND_DRIVER);
	if (removing[d])
		ref_event(d, PP_EVENT_REMOVED_DEVICE);
}

/* ---- the lifecycle ------------------------------------------------------------------------- */

/* A call on it would wait for the other thread, which waits for us. */
static bool would_hang(int d)
{
	return ref.device[d].busy != NONE && ref.device[d].busy != thread;
}

/* Its domain, of whichever back end: what the library is given, or NULL. */
static struct pp_iommu *add_domain(int d, unsigned how, unsigned address_bits)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct ref_device *r = &ref.device[d];
	struct pp_iommu *iommu;
	int ret;

	soft.address_bits = address_bits;
	soft.incoherent = how & 1;
	soft.deferred = how & 2;
	faults_begin();
	ret = pp_soft_create(&real.iommu[d], &soft);
	if (faults_end()) {
		must(ret == -ENOMEM && !real.iommu[d], "pp_soft_create() is %d", ret);
		return NULL;
	}
	must_be(ret, 0, "pp_soft_create()");
	*r = (struct ref_device){
		.serial = (unsigned)++ref.serial,
		.bits = address_bits && address_bits < 48 ? address_bits : 48,
		.incoherent = soft.incoherent,
		.deferred = soft.deferred,
		.state = PP_DEVICE_PRESENT,
		.binding = NONE,
		.driver = NONE,
		.busy = NONE,
	};
	iommu = real.iommu[d];
	real.own[d] = NULL;
	if (how & 0x20)
		iommu = real.own[d] = backend_create(real.iommu[d], input_byte(&in), r->bits);
	if (real.own[d] && how & 0x10)
		backend_lie(real.own[d], input_byte(&in));
	memcpy(r->range, iommu->ranges, sizeof r->range);
	r->n_ranges = iommu->n_ranges;
	return iommu;
}

static void add_device(int d, unsigned how)
{
	static const unsigned widths[] = { 0, 32, 36, 64 };
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	int ret;

	p.address_bits = widths[how >> 2 & 3];
	p.name = names[d];
	p.iommu = add_domain(d, how, p.address_bits);
	p.resource = (void *)(intptr_t)(d + 1);
	if (!p.iommu)
		return;
	heard[d] = 0;
	ref_event(d, PP_EVENT_ADD_DEVICE);
	note("pp_device_register(%d%s%s%s, %u bits, %u ranges from 0x%llx on)", d,
	     real.own[d] ? ", the fuzzer's" : "", ref.device[d].incoherent ? ", incoherent" : "",
	     ref.device[d].deferred ? ", deferred" : "", p.address_bits, p.iommu->n_ranges,
	     (unsigned long long)p.iommu->ranges[0].first);
	faults_begin();
	ret = pp_device_register(&real.device[d], &p);
	if (faults_end() && ret) {
		must(fault_errno(ret) && !real.device[d], "pp_device_register() is %d", ret);
		ref.device[d].n_events = 0;
		p.iommu->ops->block(p.iommu, true);
		p.iommu->ops->destroy(p.iommu);
		return;
	}
	must_be(ret, 0, "pp_device_register()");
	ref.device[d].there = true;
	must_be(pp_device_address_bits(real.device[d]), p.address_bits ? p.address_bits : 64,
		"pp_device_address_bits()");
	must(pp_device_id(real.device[d]) > last_id, "an id that was there before");
	last_id = real.device_id[d] = pp_device_id(real.device[d]);
	must_be(ref.device[d].n_events, 0, "events that nobody heard");
}

static void bind(int d, int asked)
{
	int driver = ref_bind(d, asked, thread), ret;

	if (would_hang(d) || device_broken(d) || (driver >= 0 && ref.n_bindings == BINDINGS))
		return;
	note("pp_device_bind(%d, %d)", d, asked);
	if (driver >= 0) {
		ref.device[d].busy = thread;
		ref.device[d].driver = driver;
		ref_event(d, PP_EVENT_BIND_DRIVER);
	}
	ret = pp_device_bind(real.device[d], asked == NONE ? NULL : &real.driver[asked]);
	if (driver < 0) {
		must_be(ret, driver, "pp_device_bind()");
		return;
	}
	ref.device[d].busy = NONE;
	must(!ret || ret <= -0xE0, "pp_device_bind() is %d", ret); /* what probe returned */
	must_be(!ret, ref.device[d].binding != NONE, "whether it is bound");
	if (ret)
		ref_ended(d);
}

/* Nothing of what the device was given can be reached any more. */
static void must_reach_nothing(int d)
{
	for (int i = 0; i < ref.n_pages && i < 8; i++)
		must_fault(d, ref.page[i].iova, PP_FAULT_BLOCKED);
	for (int i = 0; i < MAPPINGS; i++)
		if (ref.mapping[i].iova && ref.binding[ref.mapping[i].binding].device == d)
			must_fault(d, ref.mapping[i].iova, PP_FAULT_BLOCKED);
}

static void unbind(int d)
{
	int want = ref_unbind(d, thread);

	if (would_hang(d))
		return;
	note("pp_device_unbind(%d)", d);
	if (want) {
		must_be(pp_device_unbind(real.device[d]), want, "pp_device_unbind()");
		return;
	}
	ref.device[d].busy = thread;
	ref_event(d, PP_EVENT_UNBIND_DRIVER);
	must_be(pp_device_unbind(real.device[d]), 0, "pp_device_unbind()");
	ref.device[d].busy = NONE;
	must_reach_nothing(d);
	ref_ended(d);
}

/* The reference's part of a removal, before the call. */
static void begin_removal(int d, bool surprise)
{
	ref_event(d, PP_EVENT_DEL_DEVICE);
	removing[d] = true;
	ref.device[d].busy = thread;
	if (ref.device[d].state != PP_DEVICE_BOUND) {
		ref_event(d, PP_EVENT_REMOVED_DEVICE);
	} else if (!surprise) {
		ref_event(d, PP_EVENT_UNBIND_DRIVER);
	} else {
		gone_binding[d] = ref.device[d].binding;
		ref_end(gone_binding[d], true);
	}
}

static void end_removal(int d)
{
	removing[d] = false;
	ref.device[d].busy = NONE;
	if (ref.device[d].state == PP_DEVICE_BOUND)
		ref_ended(d);
	ref.device[d].state = PP_DEVICE_GONE;
}

static void remove_device(int d, bool surprise)
{
	int want = ref_remove(d, thread);

	if (would_hang(d))
		return;
	note("pp_device_remove(%d, %s)", d, surprise ? "surprise" : "orderly");
	if (!want)
		begin_removal(d, surprise);
	must_be(pp_device_remove(real.device[d],
				 surprise ? PP_REMOVAL_SURPRISE : PP_REMOVAL_ORDERLY),
		want, "pp_device_remove()");
	if (want)
		return;
	must_reach_nothing(d);
	end_removal(d);
}

static void unregister_device(int d)
{
	if (ref.device[d].busy != NONE)
		return;
	note("pp_device_unregister(%d)", d);
	if (ref.device[d].state != PP_DEVICE_GONE)
		begin_removal(d, false);
	pp_device_unregister(real.device[d]);
	end_removal(d);
	must_be(ref.device[d].n_events, 0, "events that nobody heard");
	ref.device[d].there = false;
}

/* ---- drivers, listeners ---------------------------------------------------------------------- */

static void register_driver(int i, unsigned how)
{
	int want = ref.driver[i].order ? -EEXIST : 0;

	note("pp_driver_register(%d)", i);
	if (!want) {
		ref.driver[i] = (struct ref_driver){ ++ref.n_registered, how & 1, how >> 1 };
		real.driver[i] = (struct pp_driver){ "driver", how & 1 ? match : NULL, probe,
						     removed, (void *)(intptr_t)i };
	}
	must_be(pp_driver_register(&real.driver[i]), want, "pp_driver_register()");
}

static void unregister_driver(int i)
{
	int want = ref_driver_unregister(i, thread);
	bool was_quiet = quiet_callbacks;

	for (int d = 0; d < DEVICES; d++)
		if (ref.device[d].there && ref.device[d].driver == i && would_hang(d))
			return;
	note("pp_driver_unregister(%d)", i);
	for (int d = 0; d < DEVICES && !want; d++)
		if (ref.device[d].there && ref.device[d].driver == i)
			ref_event(d, PP_EVENT_UNBIND_DRIVER);
	quiet_callbacks = true;
	must_be(pp_driver_unregister(&real.driver[i]), want, "pp_driver_unregister()");
	quiet_callbacks = was_quiet;
	if (want)
		return;
	ref.driver[i].order = 0;
	for (int d = 0; d < DEVICES; d++)
		if (ref.device[d].there && ref.device[d].driver == i) {
			must(ref.device[d].binding == NONE, "device %d is bound to it still", d);
			ref.device[d].busy = NONE;
			must_reach_nothing(d);
			ref_ended(d);
		}
}

static void change_listener(int i, bool add)
{
	bool there = ref.listener_order[i] != 0;

	for (int d = 0; d < DEVICES; d++)
		if (ref.device[d].n_events) /* an outer call's: who is to hear them is settled */
			return;
	if (add) {
		note("pp_notifier_register(%d)", i);
		if (!there) /* what is registered already may not be changed */
			listener[i] = (struct pp_notifier){ .notify = notified };
		must_be(pp_notifier_register(&listener[i]), there ? -EEXIST : 0,
			"pp_notifier_register()");
		if (!there)
			ref.listener_order[i] = ++ref.n_registered;
	} else {
		note("pp_notifier_unregister(%d)", i);
		must_be(pp_notifier_unregister(&listener[i]), there ? 0 : -ENOENT,
			"pp_notifier_unregister()");
		ref.listener_order[i] = 0;
	}
}

/* ---- what must be refused -------------------------------------------------------------------- */

static void bad_parameters(unsigned how)
{
	struct {
		struct pp_device_params p;
		uint64_t more;
	} longer = { .p = PP_PARAMS(struct pp_device_params), .more = how & 8 };
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_driver driver = { "driver", NULL, probe, removed, NULL };
	struct pp_notifier deaf = { 0 };
	struct pp_device *dev = (void *)1;
	struct pp_iommu *iommu = (void *)1;

	note("bad parameters %u", how);
	must_be(pp_notifier_register(&deaf), -EINVAL, "pp_notifier_register() without a callback");
	must_be(pp_notifier_register(NULL), -EINVAL, "pp_notifier_register(NULL)");
	driver.name = how % 3 == 0 ? NULL : driver.name;
	driver.probe = how % 3 == 1 ? NULL : probe;
	driver.remove = how % 3 == 2 ? NULL : removed;
	must_be(pp_driver_register(&driver), -EINVAL, "pp_driver_register() of half a driver");
	must_be(pp_driver_unregister(&driver), -ENOENT, "pp_driver_unregister() of an unknown one");
	longer.p.size = how & 8 ? sizeof longer : how & 4 ? 3 : longer.p.size;
	must_be(pp_device_register(&dev, &longer.p), how & 8 ? -E2BIG : -EINVAL,
		"pp_device_register()");
	must(!dev, "a failed call left a device");
	expect_sentence();
	soft.address_bits = how & 1 ? 31 : 65;
	must_be(pp_soft_create(&iommu, &soft), -EINVAL, "pp_soft_create()");
	must(!iommu, "a failed call left a domain");
	pp_device_unregister(NULL);
	pp_soft_destroy(NULL);
	must_be(pp_soft_create(&iommu, NULL), 0, "pp_soft_create() with the defaults");
	pp_soft_destroy(iommu);
}

/* A domain that isn't as it has to be, or another device's, is refused. */
static void bad_domain(unsigned how)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_iommu_ops ops = { 0 };
	struct pp_iommu wrong = { .n_ranges = 2, .page_sizes = 4096 };
	struct pp_device *dev = (void *)1;

	p.name = "wrong";
	p.iommu = &wrong;
	wrong.ops = how & 8 ? NULL : &ops;
	wrong.ranges[0] = (struct pp_iova_range){ 0, 0xFFFF };
	wrong.ranges[1] = (struct pp_iova_range){ 0x20000, 0x2FFFF };
	for (int d = 0; d < DEVICES && how < 0x20; d++)
		if (ref.device[d].there)
			p.iommu = real.own[d] ? real.own[d] : real.iommu[d];
	for (int d = 0; d < DEVICES; d++)
		if (ref.device[d].there && how >= 0x20)
			ops = *real.iommu[d]->ops;
	switch (how & 7) {
	case 0: wrong.n_ranges = how & 8 ? 0 : PP_IOMMU_RANGES + 1; break;
	case 1: wrong.ranges[1].first = 0x30000; break; /* ends before it begins */
	case 2: wrong.ranges[1].last = 0x2FFFE; break;
	case 3: wrong.ranges[1].first = 0xF000; break; /* overlaps the first */
	case 4: wrong.page_sizes = how & 8 ? 0 : 2u << 20; break;
	case 5: ops.unmap = NULL; break;
	case 6:
		wrong.incoherent = true;
		ops.sync = NULL;
		break;
	default: ops.kind = NULL; break;
	}
	note("pp_device_register() of a bad domain, %u", how);
	must_be(pp_device_register(&dev, &p), p.iommu == &wrong ? -EINVAL : -EBUSY,
		"pp_device_register()");
	must(!dev, "a failed call left a device");
	expect_sentence();
}

bool call_device(unsigned which)
{
	unsigned b = input_byte(&in);
	int d = (int)(b % DEVICES);
	bool there = ref.device[d].there;

	switch (which) {
	case 0:
		if (!there)
			add_device(d, b / DEVICES);
		return !there;
	case 5: register_driver((int)(b % DRIVERS), b / DRIVERS); return true;
	case 6: unregister_driver((int)(b % DRIVERS)); return true;
	case 7: change_listener((int)(b % LISTENERS), b & 8); return true;
	case 8:
		bad_parameters(b);
		bad_domain(b);
		return true;
	default: break;
	}
	if (!there)
		return false;
	switch (which) {
	case 1: unregister_device(d); break;
	case 2: bind(d, b & 0x80 ? NONE : (int)(b / DEVICES % DRIVERS)); break;
	case 3: unbind(d); break;
	default: remove_device(d, b & 0x80); break;
	}
	return true;
}

/* ---- the beginning, the end, what can be seen ------------------------------------------------ */

/* Some devices and a driver, so that the first calls of an input have something to do. */
void devices_begin(void)
{
	static const unsigned kinds[] = { 0, 2, 1, 3 };
	unsigned b = input_byte(&in);

	if (b & 1)
		register_driver(0, 0x1F);
	for (int d = 0; d < DEVICES; d++)
		if (b >> (d + 1) & 1)
			add_device(d, kinds[d] | 0xC);
	for (int d = 0; d < DEVICES; d++)
		if (ref.device[d].there && b & 0x20)
			bind(d, NONE);
}

void devices_end(void)
{
	for (int d = 0; d < DEVICES; d++)
		if (ref.device[d].there)
			unregister_device(d);
	for (int i = 0; i < DRIVERS; i++)
		if (ref.driver[i].order)
			unregister_driver(i);
	for (int i = 0; i < LISTENERS; i++)
		if (ref.listener_order[i])
			change_listener(i, false);
}

/* Each registered device, in the order of registration. */
static void see_device(struct pp_device *dev, void *ctx)
{
	uint64_t *before = ctx;
	int d = device_of(dev);

	must(ref.device[d].there && real.device[d] == dev, "a device that isn't registered");
	must_be(pp_device_id(dev), real.device_id[d], "pp_device_id()");
	must(real.device_id[d] > before[0], "not in the order of registration");
	before[0] = real.device_id[d];
	before[1]++;
}

void devices_each(void)
{
	uint64_t seen[2] = { 0, 0 }, there = 0;

	for (int d = 0; d < DEVICES; d++)
		there += ref.device[d].there;
	pp_device_each(see_device, seen);
	must_be(seen[1], there, "devices that pp_device_each() showed");
}

/* What only the back end knows. */
static void compare_back_end(int d, const struct pp_domain_stats *s)
{
	const struct ref_device *r = &ref.device[d];
	bool tells = !real.own[d] || backend_has_stats(real.own[d]);

	must_be(s->page_table_bytes > 0, tells && s->bytes_mapped > 0,
		"whether there are page tables");
	must_be(s->dma_reads, tells ? r->reads : 0, "accesses that read");
	must_be(s->dma_writes, tells ? r->writes : 0, "accesses that wrote");
	must_be(s->faults, tells ? r->faults : 0, "faults");
	if (!real.own[d])
		return;
	must_be(backend_bytes(real.own[d]), s->bytes_mapped, "bytes that the back end has mapped");
	backend_compare(real.own[d]);
}

static void compare_domain(int d)
{
	const struct ref_device *r = &ref.device[d];
	/* what pools grow by while it is ending isn't mapped for it */
	bool ending = r->binding != NONE && !ref.binding[r->binding].open;
	uint64_t bytes = 0, least, n = 0, chunks = 0;
	struct pp_domain_stats s;

	pp_domain_stats(real.device[d], &s, sizeof s);
	domain_now[d] = s;
	for (int i = 0; i < MAPPINGS; i++)
		if (ref.mapping[i].there && ref.mapping[i].binding == r->binding) {
			n++;
			bytes += ref_whole(&ref.mapping[i]);
		}
	least = bytes;
	for (int p = 0; p < POOLS; p++)
		if (ref.pool[p].handle && ref_attachment(&ref.pool[p], r->binding) >= 0) {
			chunks += pool_now[p].chunks;
			bytes += pool_bytes(p);
		}
	least = ending ? least : bytes;
	must(s.bytes_mapped >= least && s.bytes_mapped <= bytes,
	     "the device can reach %llu bytes, not %llu to %llu",
	     (unsigned long long)s.bytes_mapped, (unsigned long long)least,
	     (unsigned long long)bytes);
	must(s.mappings >= n + (chunks > 0 && !ending) && s.mappings <= n + chunks,
	     "%llu mappings, not %llu to %llu", (unsigned long long)s.mappings,
	     (unsigned long long)n, (unsigned long long)(n + chunks));
	must(s.iova_bytes >= s.bytes_mapped, "less IOVA than what is mapped");
	must(r->deferred || !s.pending_ranges, "deferred invalidations in a strict domain");
	compare_back_end(d, &s);
	if (r->binding != NONE || (r->busy != NONE && r->state == PP_DEVICE_BOUND))
		return;
	must(!s.mappings && !s.iova_bytes && !s.pending_ranges && !s.iotlb_entries &&
		     !s.shadow_bytes,
	     "a domain without a binding holds %llu mappings, %llu bytes of IOVA, %llu pending, "
	     "%llu translations, %llu bytes of shadow",
	     (unsigned long long)s.mappings, (unsigned long long)s.iova_bytes,
	     (unsigned long long)s.pending_ranges, (unsigned long long)s.iotlb_entries,
	     (unsigned long long)s.shadow_bytes);
}

void device_compare(int d)
{
	const struct ref_device *r = &ref.device[d];
	const struct pp_device *dev = real.device[d];
	struct pp_device_stats s;
	uint64_t pools = 0;

	must_be(pp_device_state(dev), r->state, "pp_device_state()");
	must(pp_device_binding(dev).id ==
		     (r->binding == NONE ? 0 : ref.binding[r->binding].name.id),
	     "the device has another binding");
	must(!strncmp(pp_device_name(dev), names[d], 31) && strlen(pp_device_name(dev)) < 32,
	     "the name is %s", pp_device_name(dev));
	must_be(device_of(dev), d, "the resource");
	for (int p = 0; p < POOLS; p++)
		pools += ref.pool[p].there && ref_attachment(&ref.pool[p], r->binding) >= 0;
	pp_device_stats(dev, &s, sizeof s);
	must_be(s.bindings, r->bindings, "bindings");
	must_be(s.late_calls_refused, r->late, "late calls refused");
	must_be(s.mappings_forgotten, r->forgotten, "mappings forgotten");
	must_be(s.pools, pools, "pools");
	must_be(s.in_flight_at_unbind, r->in_flight_at_unbind, "pages in flight at unbind");
	must(r->busy != NONE || !r->n_events, "events that nobody heard");
	compare_domain(d);
}
