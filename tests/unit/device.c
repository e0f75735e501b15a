/*
 * device.c - tests of devices, drivers and bindings (pagepool/device.h): who may do what and when,
 * the order of callbacks and events, and what is left of a binding after its end.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "soft_device.h"

#include "device/binding.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define PAGE ((size_t)PP_BASE_PAGE)

static char memory[16 * PP_BASE_PAGE] __attribute__((aligned(4096)));

/* ---- what happens, in words, in the order in which it happens -------------------- */

static char told[512];

static void tell(const char *word)
{
	if (told[0])
		strncat(told, " ", sizeof told - strlen(told) - 1);
	strncat(told, word, sizeof told - strlen(told) - 1);
}

/* True if it was just this; then begin anew. */
static bool was_told(const char *expected)
{
	bool ok = !strcmp(told, expected);

	if (!ok)
		printf("# \"%s\", not \"%s\"\n", told, expected);
	told[0] = 0;
	return ok;
}

static void tell_event(struct pp_notifier *self, enum pp_event event, struct pp_device *dev)
{
	/* clang-format off */
	static const char *const word[] = {
		[PP_EVENT_ADD_DEVICE] = "ADD",
		[PP_EVENT_BIND_DRIVER] = "BIND",
		[PP_EVENT_BOUND_DRIVER] = "BOUND",
		[PP_EVENT_DRIVER_NOT_BOUND] = "NOT_BOUND",
		[PP_EVENT_UNBIND_DRIVER] = "UNBIND",
		[PP_EVENT_UNBOUND_DRIVER] = "UNBOUND",
		[PP_EVENT_DEL_DEVICE] = "DEL",
		[PP_EVENT_REMOVED_DEVICE] = "REMOVED",
	};
	/* clang-format on */

	(void)self;
	(void)dev;
	tell(word[event]);
}

static struct pp_notifier listener = { .notify = tell_event };

static int telling_probe(struct soft_device *self, pp_binding_t binding)
{
	(void)self;
	(void)binding;
	tell("probe");
	return 0;
}

static void telling_remove(struct soft_device *self, pp_binding_t binding, enum pp_remove_why why)
{
	(void)self;
	(void)binding;
	tell(why == PP_REMOVE_GONE ? "remove(gone)" : "remove");
}

/* A device with a driver that tells; the registration has been told and forgotten. */
static void telling_device(struct soft_device *self)
{
	soft_device_init(self, NULL);
	self->probe = telling_probe;
	self->remove = telling_remove;
	told[0] = 0;
}

static struct pp_device *plain_device(const char *name)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev;

	params.name = name;
	if (pp_soft_create(&params.iommu, NULL) || pp_device_register(&dev, &params))
		abort();
	return dev;
}

/* ---- registration ---------------------------------------------------------------- */

static void a_registered_device_says_what_it_is(void)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	char name[] = "a name that is longer than thirty-one bytes";
	struct pp_device *dev;

	params.name = name;
	params.address_bits = 40;
	params.resource = memory;
	require(!pp_soft_create(&params.iommu, NULL), "a domain");
	require(!pp_device_register(&dev, &params), "registered");
	check(was_told("ADD"), "that is told");
	name[0] = 'x';
	check(!strcmp(pp_device_name(dev), "a name that is longer than thir"),
	      "31 bytes of its name are kept, and copied");
	check(pp_device_resource(dev) == memory, "its resource");
	check_eq(pp_device_address_bits(dev), 40, "its width");
	check_eq(pp_device_state(dev), PP_DEVICE_PRESENT, "it is present");
	check(!pp_device_binding(dev).id, "and not bound");
	pp_device_unregister(dev);
	check(was_told("DEL REMOVED"), "unregistering it removes it");
	pp_device_unregister(NULL);
}

static void a_device_translates_nothing_until_it_is_bound(void)
{
	struct soft_device sd;
	char byte;

	soft_device_init(&sd, NULL);
	check_eq(pp_soft_read(sd.iommu, 4096, &byte, 1), -EFAULT, "an access");
	check(soft_device_faulted(sd.iommu, PP_FAULT_BLOCKED), "is blocked");
	soft_device_bind(&sd);
	check_eq(pp_soft_read(sd.iommu, 4096, &byte, 1), -EFAULT, "and one when it is bound");
	check(soft_device_faulted(sd.iommu, PP_FAULT_UNMAPPED), "finds nothing");
	pp_device_unbind(sd.dev);
	check_eq(pp_soft_read(sd.iommu, 4096, &byte, 1), -EFAULT, "and one afterwards");
	check(soft_device_faulted(sd.iommu, PP_FAULT_BLOCKED), "is blocked");
	soft_device_exit(&sd);
	told[0] = 0;
}

static void registration_blocks_the_domain(void)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev;
	char byte;

	require(!pp_soft_create(&p.iommu, NULL), "a domain");
	p.name = "dev";
	p.iommu->ops->block(p.iommu, false);
	require(!pp_device_register(&dev, &p), "that was not blocked");
	check_eq(pp_soft_read(p.iommu, 4096, &byte, 1), -EFAULT, "an access");
	check(soft_device_faulted(p.iommu, PP_FAULT_BLOCKED), "is blocked");
	pp_device_unregister(dev);
	told[0] = 0;
}

static void device_parameters_are_checked(void)
{
	struct {
		struct pp_device_params p;
		char tail[16];
	} longer = { .p = { .size = sizeof longer, .name = "longer" } };
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_iommu *iommu;
	struct pp_device *dev = (void *)1;

	require(!pp_soft_create(&iommu, NULL), "a domain");
	p.iommu = iommu;
	check_eq(pp_device_register(&dev, &p), -EINVAL, "no name");
	check(!dev, "and nothing is made");
	p.name = "dev";
	p.iommu = NULL;
	check_eq(pp_device_register(&dev, &p), -EINVAL, "no domain");
	p.iommu = iommu;
	p.address_bits = 31;
	check_eq(pp_device_register(&dev, &p), -EINVAL, "31 bits");
	p.address_bits = 65;
	check_eq(pp_device_register(&dev, &p), -EINVAL, "65 bits");
	p.address_bits = 64;
	p.size = 0;
	check_eq(pp_device_register(&dev, &p), -EINVAL, "no size");
	longer.p.iommu = iommu;
	longer.tail[15] = 1;
	check_eq(pp_device_register(&dev, &longer.p), -E2BIG, "a longer one that wants more");
	check(was_told(""), "none of these is told");
	longer.tail[15] = 0;
	check_eq(pp_device_register(&dev, &longer.p), 0, "a longer one of zeros is fine");
	check_eq(pp_device_address_bits(dev), 64, "0 bits are 64");
	pp_device_unregister(dev); /* and the domain with it */

	require(!pp_soft_create(&p.iommu, NULL), "a domain");
	p.size = offsetof(struct pp_device_params, address_bits);
	p.address_bits = 7; /* beyond its size: not looked at */
	check_eq(pp_device_register(&dev, &p), 0, "a shorter one is fine");
	check_eq(pp_device_address_bits(dev), 64, "what it lacks is zero");
	pp_device_unregister(dev);
	told[0] = 0;
}

static void a_failed_registration_leaves_nothing(void)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_device *held[8], *dev;
	struct pp_iommu *iommu;
	struct fail f;
	unsigned n;

	/* use up the slots that earlier devices have left, so that one must be made */
	for (n = 0; n < 8; n++)
		held[n] = plain_device("held");
	require(!pp_soft_create(&iommu, NULL), "a domain");
	p.name = "dev";
	p.iommu = iommu;
	told[0] = 0;
	for (n = 0;; n++) {
		int ret;

		fail_begin(&f, "alloc", n);
		ret = pp_device_register(&dev, &p);
		if (!fail_end(&f)) {
			check_eq(ret, 0, "with nothing more to fail it works");
			break;
		}
		check(ret == -ENOMEM && !dev, "allocation %u fails: -ENOMEM", n);
		check(was_told(""), "and is not told");
	}
	check_eq(n, 2, "a device and a slot were to be made");
	pp_device_unregister(dev); /* the domain is whole, and the device's now */
	for (n = 0; n < 8; n++)
		pp_device_unregister(held[n]);
	told[0] = 0;
}

static void windows_between_ranges_are_never_used(void)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	const pp_iova_t first = 1ull << 47, last = first + (1ull << 46) - 1;
	struct soft_device sd;
	pp_iova_t iova;

	require(!pp_soft_create(&p.iommu, NULL), "a domain");
	p.name = "windows";
	p.iommu->ranges[1] =
		(struct pp_iova_range){ last + 1, p.iommu->ranges[p.iommu->n_ranges - 1].last };
	p.iommu->n_ranges = 2;
	p.iommu->ranges[0].last = first - 1;
	soft_device_init(&sd, NULL);
	pp_device_unregister(sd.dev);
	require(!pp_device_register(&sd.dev, &p), "a device with a window");
	soft_device_bind(&sd);
	check_eq(pp_dma_map(pp_device_binding(sd.dev), memory, PAGE, PP_DMA_TO_DEVICE, &iova), 0,
		 "mapped");
	check(iova > last, "above the window, not in it");
	soft_device_exit(&sd);
	told[0] = 0;
}

/* How many pages of 1 MiB can be mapped for a device, one after another, and do they lie there? */
static unsigned mappable(pp_binding_t binding, pp_iova_t first, pp_iova_t last)
{
	static pp_iova_t iova[1024];
	void *mib = aligned_alloc(1 << 20, 1 << 20);
	bool inside = true;
	unsigned n = 0;

	require(mib, "memory");
	while (n < 1024 && !pp_dma_map(binding, mib, 1 << 20, PP_DMA_TO_DEVICE, &iova[n])) {
		inside &= iova[n] >= first && iova[n] <= last;
		n++;
	}
	check(inside, "%u mappings from 0x%llx to 0x%llx", n, (unsigned long long)first,
	      (unsigned long long)last);
	for (unsigned i = 0; i < n; i++)
		pp_dma_unmap(binding, iova[i], 1 << 20, PP_DMA_TO_DEVICE);
	free(mib);
	return n;
}

static void ranges_may_end_anywhere(void)
{
	static const struct {
		pp_iova_t first, last;
		unsigned mib;
	} range[] = {
		{ 0x80000000, 0x8fffffff, 256 }, /* the lower part of an octave only */
		{ 0x10000000, 0x2fefffff, 511 }, /* an octave, and a part of the next */
		{ 0x100000000, 0x107ffffff, 128 },
	};
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct soft_device sd, other;

	for (unsigned i = 0; i < 3; i++) {
		soft_device_init(&sd, NULL);
		pp_device_unregister(sd.dev);
		require(!pp_soft_create(&p.iommu, NULL), "a domain");
		p.name = "range";
		p.iommu->ranges[0] = (struct pp_iova_range){ range[i].first, range[i].last };
		p.iommu->n_ranges = 1;
		require(!pp_device_register(&sd.dev, &p), "a device with such a range");
		soft_device_bind(&sd);
		check_eq(mappable(pp_device_binding(sd.dev), range[i].first, range[i].last),
			 range[i].mib, "all of it can be used");
		soft_device_exit(&sd);
	}
	soft_device_init(&other, NULL);
	soft_device_bind(&other);
	require(!pp_dma_set_mask(pp_device_binding(other.dev), 32), "a device of 32 bits");
	check_eq(mappable(pp_device_binding(other.dev), 0x80000000, 0xffffffff), 1024,
		 "the rest of the octave is everybody's again");
	soft_device_exit(&other);
	told[0] = 0;
}

/* ---- what a back end promises ------------------------------------------------------ */

/* A back end of the test's own: it maps nothing, and returns what it is told to. */
struct strange {
	struct pp_iommu iommu; /* first */
	struct pp_iommu_ops ops;
	int map_returns, sync_returns;
	bool maps; /* what it refuses with nonsense it has mapped all the same */
	size_t mapped;
	unsigned destroyed;
};

static int strange_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		       size_t page_size, unsigned prot)
{
	struct strange *s = (struct strange *)iommu;

	(void)iova;
	(void)addr;
	(void)page_size;
	(void)prot;
	if (!s->map_returns || s->maps)
		s->mapped += len;
	return s->map_returns;
}

static size_t strange_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct strange *s = (struct strange *)iommu;
	size_t n = s->mapped < len ? s->mapped : len;

	(void)iova;
	s->mapped -= n;
	return n;
}

static void strange_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	(void)iommu;
	(void)iova;
	(void)len;
}

static void strange_block(struct pp_iommu *iommu, bool on)
{
	(void)iommu;
	(void)on;
}

static int strange_sync(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool for_cpu)
{
	(void)iova;
	(void)len;
	(void)for_cpu;
	return ((struct strange *)iommu)->sync_returns;
}

static void strange_destroy(struct pp_iommu *iommu)
{
	((struct strange *)iommu)->destroyed++;
}

static struct strange strange(void)
{
	return (struct strange){
		.iommu = { .ranges = { { 1 << 20, (1ull << 40) - 1 } },
			   .n_ranges = 1,
			   .page_sizes = 4096 },
		.ops = { "strange", strange_destroy, strange_map, strange_unmap, strange_invalidate,
			 strange_block, strange_sync, NULL },
	};
}

/* Registering it gives an errno; or 0, and it is unregistered again. */
static int try_strange(struct strange *s)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev = (void *)1;
	int ret;

	if (!s->iommu.ops)
		s->iommu.ops = &s->ops;
	p.name = "strange";
	p.iommu = &s->iommu;
	ret = pp_device_register(&dev, &p);
	check(ret ? !dev && !s->destroyed : !!dev, "a device, or none and the domain untouched");
	if (!ret)
		pp_device_unregister(dev);
	return ret;
}

static void a_back_end_must_have_its_functions(void)
{
	struct strange s = strange();

	check_eq(try_strange(&s), 0, "with all of them but stats it is taken");
	check_eq(s.destroyed, 1, "and destroyed with its device");
#define WITHOUT(f, ret)                                                                            \
	do {                                                                                       \
		s = strange();                                                                     \
		s.ops.f = NULL;                                                                    \
		check_eq(try_strange(&s), ret, "without " #f);                                     \
	} while (0)
	WITHOUT(kind, -EINVAL);
	WITHOUT(destroy, -EINVAL);
	WITHOUT(map, -EINVAL);
	WITHOUT(unmap, -EINVAL);
	WITHOUT(invalidate, -EINVAL);
	WITHOUT(block, -EINVAL);
	WITHOUT(sync, 0); /* a coherent one needs none */
	s = strange();
	s.iommu.incoherent = true;
	s.ops.sync = NULL;
	check_eq(try_strange(&s), -EINVAL, "an incoherent one does");
	s = strange();
	s.iommu.page_sizes = 2 << 20;
	check_eq(try_strange(&s), -EINVAL, "without pages of 4 KiB");
	s.iommu.page_sizes = 0;
	check_eq(try_strange(&s), -EINVAL, "or any");
	told[0] = 0;
}

static void ranges_must_ascend_and_be_of_whole_pages(void)
{
	static const struct {
		struct pp_iova_range r[3];
		unsigned n;
		int ret;
		const char *what;
	} cases[] = {
		{ { { 0, UINT64_MAX } }, 1, 0, "all there is" },
		{ { { 4096, 8191 } }, 1, 0, "a page" },
		{ { { 1 << 20, (2 << 20) - 1 }, { 2 << 20, (3 << 20) - 1 } }, 2, 0, "neighbours" },
		{ { { 0 } }, 0, -EINVAL, "none" },
		{ { { 0 } }, PP_IOMMU_RANGES + 1, -EINVAL, "more than there is room for" },
		{ { { 1ull << 40, 4095 } }, 1, -EINVAL, "one that ends before it begins" },
		{ { { 1 << 20, (1 << 20) - 1 } }, 1, -EINVAL, "an empty one" },
		{ { { (1 << 20) + 100, (2 << 20) - 1 } }, 1, -EINVAL, "one that begins in a page" },
		{ { { 1 << 20, (2 << 20) + 100 } }, 1, -EINVAL, "one that ends in a page" },
		{ { { 1 << 20, (2 << 20) - 1 }, { 1 << 20, (4 << 20) - 1 } },
		  2,
		  -EINVAL,
		  "two that overlap" },
		{ { { 2 << 20, (3 << 20) - 1 }, { 1 << 20, (2 << 20) - 1 } },
		  2,
		  -EINVAL,
		  "two in the wrong order" },
		{ { { 0, UINT64_MAX }, { 1 << 20, (2 << 20) - 1 } }, 2, -EINVAL, "one in another" },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct strange s = strange();

		memcpy(s.iommu.ranges, cases[i].r, sizeof cases[i].r);
		s.iommu.n_ranges = cases[i].n;
		check_eq(try_strange(&s), cases[i].ret, "ranges: %s", cases[i].what);
	}
	told[0] = 0;
}

static void a_domain_is_one_device_s(void)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev, *twice = (void *)1;
	struct strange s = strange();

	s.iommu.ops = &s.ops;
	p.name = "once";
	p.iommu = &s.iommu;
	check_eq(pp_device_register(NULL, &p), -EINVAL, "nowhere to store the device");
	check_eq(pp_device_register(&twice, NULL), -EINVAL, "no parameters");
	require(!pp_device_register(&dev, &p), "registered");
	p.name = "twice";
	check_eq(pp_device_register(&twice, &p), -EBUSY, "another device with its domain");
	check(!twice && !s.destroyed && !strcmp(s.iommu.name, "once"), "nothing is changed");
	pp_device_unregister(dev);
	check_eq(s.destroyed, 1, "it goes with its device");
	require(!pp_device_register(&dev, &p), "and may come again");
	pp_device_unregister(dev);
	told[0] = 0;
}

/* A device on a strange back end, bound; its driver can address 64 bits. */
static pp_binding_t bind_strange(struct soft_device *sd, struct strange *s)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);

	soft_device_init(sd, NULL);
	pp_device_unregister(sd->dev);
	s->iommu.ops = &s->ops;
	p.name = "strange";
	p.iommu = &s->iommu;
	require(!pp_device_register(&sd->dev, &p), "a device of another back end");
	return soft_device_bind(sd);
}

static void nonsense_of_a_back_end_is_an_errno(void)
{
	static const int nonsense[] = { 1, 4096, INT_MAX, -4096, INT_MIN };
	struct strange s = strange();
	struct soft_device sd;
	pp_binding_t b;
	pp_iova_t iova;
	void *cpu;

	s.iommu.incoherent = true;
	b = bind_strange(&sd, &s);
	for (unsigned i = 0; i < 2 * sizeof nonsense / sizeof nonsense[0]; i++) {
		struct pp_pool_params p = pp_pool_defaults();
		struct pp_page *page = NULL;
		struct pp_pool *pool;

		s.map_returns = nonsense[i / 2];
		s.maps = i % 2;
		check_eq(pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova), -EIO,
			 "map returns %d, and has%s mapped it: -EIO", s.map_returns,
			 s.maps ? "" : "n't");
		check(iova == PP_IOVA_NONE && !s.mapped, "nothing is mapped");
		check_eq(pp_dma_alloc_coherent(b, PAGE, &cpu, &iova), -EIO, "nor allocated");
		require(!pp_pool_create(&pool, b, &p), "a pool");
		check(pp_page_get(&page, pool) == -EIO && !page, "it gives no page");
		pp_pool_destroy(pool);
		check(!s.mapped && !soft_device_domain(&sd).mappings &&
			      !soft_device_domain(&sd).bytes_mapped,
		      "nothing is left");
	}
	s.maps = false;
	s.map_returns = -ENOSPC;
	check_eq(pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova), -ENOSPC, "an errno is told");
	s.map_returns = 0;
	check_eq(pp_dma_map(b, memory, PAGE, PP_DMA_FROM_DEVICE, &iova), 0,
		 "what is right is right");
	check_eq(pp_dma_sync_for_cpu(b, iova, PAGE, PP_DMA_FROM_DEVICE), 0, "so is a sync");
	s.sync_returns = 7;
	check_eq(pp_dma_sync_for_cpu(b, iova, PAGE, PP_DMA_FROM_DEVICE), -EIO, "it returns 7");
	s.sync_returns = -EINVAL;
	check_eq(pp_dma_sync_for_cpu(b, iova, PAGE, PP_DMA_FROM_DEVICE), -EINVAL, "or an errno");
	check(pp_dma_unmap(b, iova, PAGE, PP_DMA_FROM_DEVICE) == -EIO && !s.mapped,
	      "then an unmap says so, and is done");
	check_eq(pp_dma_map(b, memory, PAGE, PP_DMA_TO_DEVICE, &iova), -EIO,
		 "a map that can't sync fails");
	check(iova == PP_IOVA_NONE && !s.mapped, "with nothing mapped");
	check_eq(soft_device_domain(&sd).breaches, 6 * sizeof nonsense / sizeof nonsense[0] + 1,
		 "nonsense is counted, an errno isn't");
	soft_device_exit(&sd);
	told[0] = 0;
}

/* ---- IOVA space and who is registered ----------------------------------------------- */

/* A device that can use one range of IOVA space. */
static struct pp_device *device_of(struct strange *s, pp_iova_t first, pp_iova_t last)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev;

	*s = strange();
	s->iommu.ranges[0] = (struct pp_iova_range){ first, last };
	s->iommu.ops = &s->ops;
	p.name = "ranged";
	p.iommu = &s->iommu;
	require(!pp_device_register(&dev, &p), "a device that can use 0x%llx to 0x%llx",
		(unsigned long long)first, (unsigned long long)last);
	return dev;
}

/* True, and skipped: what a device can use of IOVA space is not for a test to say. */
static bool kernel_has_the_ranges(void)
{
	struct soft_device sd;
	bool pins;

	soft_device_init(&sd, NULL);
	pins = sd.iommu->pins;
	soft_device_exit(&sd);
	told[0] = 0;
	if (pins)
		tap_skip("windows", "the kernel has the ranges of this IOMMU");
	return pins;
}

/* How many blocks of 16 MiB a device of 32 bits can map. */
static unsigned room_in_32_bits(void)
{
	static pp_iova_t iova[256];
	struct soft_device sd;
	pp_binding_t b;
	unsigned n = 0;

	soft_device_init(&sd, NULL);
	sd.mask_bits = 32;
	b = soft_device_bind(&sd);
	while (n < 256 && !pp_dma_map(b, memory, 16 << 20, PP_DMA_TO_DEVICE, &iova[n]))
		n++;
	for (unsigned i = 0; i < n; i++)
		pp_dma_unmap(b, iova[i], 16 << 20, PP_DMA_TO_DEVICE);
	soft_device_exit(&sd);
	return n;
}

static void a_device_takes_nothing_that_it_cannot_use_from_others_for_good(void)
{
	unsigned all;
	struct strange s;
	struct pp_device *dev;
	struct fail f;

	if (kernel_has_the_ranges())
		return;
	all = room_in_32_bits();
	check_eq(all, 255, "255 blocks of 16 MiB are in 32 bits");
	dev = device_of(&s, 1ull << 32, (1ull << 47) - 1);
	check_eq(room_in_32_bits(), all, "beside a device that begins at 4 GiB as well");
	pp_device_unregister(dev);
	dev = device_of(&s, 5ull << 30, (1ull << 47) - 1);
	check_eq(room_in_32_bits(), all, "beside one that begins at 5 GiB");
	pp_device_unregister(dev);
	dev = device_of(&s, 1ull << 31, (1ull << 47) - 1);
	check_eq(room_in_32_bits(), all, "beside one that begins at 2 GiB");
	pp_device_unregister(dev);
	dev = device_of(&s, 3ull << 30, (1ull << 47) - 1);
	check_eq(room_in_32_bits(), all - 64, "one that begins at 3 GiB takes the GiB below");
	pp_device_unregister(dev);
	check_eq(room_in_32_bits(), all, "while it is there");
	for (unsigned n = 0;; n++) {
		struct pp_device_params p = PP_PARAMS(struct pp_device_params);
		int ret;

		p.name = "failed";
		p.iommu = &s.iommu;
		fail_begin(&f, "alloc", n);
		ret = pp_device_register(&dev, &p);
		if (!fail_end(&f)) {
			require(!ret, "with nothing more to fail it is registered");
			pp_device_unregister(dev);
			break;
		}
		if (ret) /* it does without some of them */
			check(ret == -ENOMEM && !dev && room_in_32_bits() == all,
			      "allocation %u fails, and no window is left", n);
		else
			pp_device_unregister(dev);
	}
	told[0] = 0;
}

/* A window that is in use as the device is registered. */
static void a_window_in_use_is_not_given_to_who_cannot_use_it(void)
{
	struct soft_device sd[2];
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	pp_iova_t used, iova;
	bool ok = true;

	if (kernel_has_the_ranges())
		return;
	soft_device_init(&sd[0], NULL);
	soft_device_bind(&sd[0]);
	require(!pp_dma_map(pp_device_binding(sd[0].dev), memory, PAGE, PP_DMA_TO_DEVICE, &used),
		"one device maps");
	soft_device_init(&sd[1], NULL);
	pp_device_unregister(sd[1].dev);
	require(!pp_soft_create(&p.iommu, NULL), "a domain");
	p.name = "windowed";
	p.iommu->ranges[1] = (struct pp_iova_range){ used + PAGE, p.iommu->ranges[0].last };
	p.iommu->ranges[0].last = used - 1;
	p.iommu->n_ranges = 2;
	require(!pp_device_register(&sd[1].dev, &p), "one that can't use that page is registered");
	soft_device_bind(&sd[1]);
	check_eq(pp_dma_unmap(pp_device_binding(sd[0].dev), used, PAGE, PP_DMA_TO_DEVICE), 0,
		 "then it is unmapped");
	for (unsigned i = 0; i < 100; i++)
		ok = !pp_dma_map(pp_device_binding(sd[1].dev), memory, PAGE, PP_DMA_TO_DEVICE,
				 &iova) &&
		     iova != used && ok;
	check(ok, "100 maps of the other one find their place");
	soft_device_exit(&sd[1]);
	check_eq(pp_dma_map(pp_device_binding(sd[0].dev), memory, PAGE, PP_DMA_TO_DEVICE, &iova), 0,
		 "the other one gone, the page");
	check_eq(iova, used, "is had again");
	soft_device_exit(&sd[0]);
	told[0] = 0;
}

/* ---- the order of events --------------------------------------------------------- */

static void bind_and_unbind_are_told_in_order(void)
{
	struct soft_device sd;

	telling_device(&sd);
	check_eq(pp_device_bind(sd.dev, &sd.drv), 0, "bound");
	check(was_told("BIND probe BOUND"), "told before and after probe");
	check_eq(pp_device_unbind(sd.dev), 0, "unbound");
	check(was_told("UNBIND remove UNBOUND"), "told before and after remove");
	check_eq(pp_device_bind(sd.dev, &sd.drv), 0, "bound again");
	check(was_told("BIND probe BOUND"), "told alike");
	soft_device_exit(&sd);
	check(was_told("DEL UNBIND remove UNBOUND REMOVED"), "unregistering unbinds and removes");
}

static void a_removal_is_told_in_order(void)
{
	struct soft_device sd;

	telling_device(&sd);
	check_eq(pp_device_remove(sd.dev, PP_REMOVAL_ORDERLY), 0, "removed unbound");
	check(was_told("DEL REMOVED"), "nothing between");
	soft_device_exit(&sd);
	check(was_told(""), "unregistering a removed device tells nothing");

	telling_device(&sd);
	soft_device_bind(&sd);
	check(was_told("BIND probe BOUND"), "bound");
	check_eq(pp_device_remove(sd.dev, PP_REMOVAL_ORDERLY), 0, "removed in order");
	check(was_told("DEL UNBIND remove UNBOUND REMOVED"), "with the driver's help");
	soft_device_exit(&sd);

	telling_device(&sd);
	soft_device_bind(&sd);
	check(was_told("BIND probe BOUND"), "bound");
	check_eq(pp_device_remove(sd.dev, PP_REMOVAL_SURPRISE), 0, "removed by surprise");
	check(was_told("DEL remove(gone) UNBOUND REMOVED"), "too late to announce the unbind");
	check(sd.removes == 1 && sd.gones == 1, "remove was called once");
	soft_device_exit(&sd);

	telling_device(&sd);
	check_eq(pp_device_remove(sd.dev, PP_REMOVAL_SURPRISE), 0, "a surprise, unbound");
	check(was_told("DEL REMOVED"), "is told alike");
	soft_device_exit(&sd);
}

static void tell_second(struct pp_notifier *self, enum pp_event event, struct pp_device *dev)
{
	(void)self;
	(void)event;
	(void)dev;
	tell("second");
}

static void listeners_hear_in_the_order_of_registration(void)
{
	struct pp_notifier second = { .notify = tell_second }, none = { 0 };
	struct soft_device sd;

	telling_device(&sd);
	check_eq(pp_notifier_register(&none), -EINVAL, "one without a callback is refused");
	check_eq(pp_notifier_register(NULL), -EINVAL, "so is none");
	check_eq(pp_notifier_unregister(&second), -ENOENT, "one that isn't registered");
	check_eq(pp_notifier_register(&second), 0, "a second one");
	pp_device_bind(sd.dev, &sd.drv);
	check(was_told("BIND second probe BOUND second"), "hears second");
	check_eq(pp_notifier_unregister(&listener), 0, "the first goes");
	pp_device_unbind(sd.dev);
	check(was_told("second remove second"), "the second hears");
	check_eq(pp_notifier_unregister(&second), 0, "and goes");
	check_eq(pp_notifier_unregister(&second), -ENOENT, "once");
	check_eq(pp_notifier_register(&listener), 0, "the first is back");
	soft_device_exit(&sd);
	check(was_told("DEL REMOVED"), "and hears alone");
}

/* In a child: the chain is broken afterwards. */
static void *registers_another(void *arg)
{
	struct pp_notifier n = { .notify = tell_event };

	(void)arg;
	check_eq(pp_notifier_register(&n), 0, "another thread registers a listener meanwhile");
	check_eq(pp_notifier_unregister(&n), 0, "and unregisters it");
	return NULL;
}

/* Hears once: then its memory is its own again. */
static void hears_once(struct pp_notifier *self, enum pp_event event, struct pp_device *dev)
{
	pthread_t thread;

	(void)dev;
	check_eq(event, PP_EVENT_BIND_DRIVER, "told of the bind");
	check(!pthread_create(&thread, NULL, registers_another, NULL) &&
		      !pthread_join(thread, NULL),
	      "no lock is held");
	check_eq(pp_notifier_unregister(self), 0, "it unregisters itself");
	memset(self, 0xA5, sizeof *self);
}

static void a_listener_may_leave_while_it_listens(void)
{
	struct pp_notifier once = { .notify = hears_once }, last = { .notify = tell_event };
	struct soft_device sd;

	telling_device(&sd);
	check(!pp_notifier_register(&once) && !pp_notifier_register(&last), "two listeners");
	soft_device_bind(&sd);
	check(was_told("BIND BIND probe BOUND BOUND"), "the one behind it hears all the same");
	check_eq(pp_notifier_unregister(&last), 0, "unregistered");
	check_eq(pp_notifier_unregister(NULL), -EINVAL, "none");
	soft_device_exit(&sd);
	told[0] = 0;
}

static void a_listener_is_registered_once(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(pp_notifier_register(&listener) != -EEXIST);
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status),
	      "a second time is refused");
}

/* ---- what probe and remove find -------------------------------------------------- */

static int looking_probe(struct soft_device *self, pp_binding_t binding)
{
	check_eq(pp_device_state(self->dev), PP_DEVICE_BOUND, "in probe the device is bound");
	check(pp_device_binding(self->dev).id == binding.id && pp_binding_alive(binding),
	      "by the binding that probe is given");
	check(!pp_device_data(self->dev), "its data is NULL");
	pp_device_set_data(self->dev, self);
	return 0;
}

static void looking_remove(struct soft_device *self, pp_binding_t binding, enum pp_remove_why why)
{
	pp_iova_t iova;
	void *cpu;

	check_eq(why, PP_REMOVE_UNBIND, "remove is told why");
	check(pp_binding_alive(binding), "the binding is alive in it");
	check(pp_device_data(self->dev) == self, "the data is there");
	check_eq(pp_dma_map(binding, memory, PAGE, PP_DMA_TO_DEVICE, &iova), -ENODEV,
		 "it takes no new mapping");
	check_eq(pp_dma_alloc_coherent(binding, PAGE, &cpu, &iova), -ENODEV, "and gives no memory");
	check_eq(pp_dma_sync_for_cpu(binding, *(pp_iova_t *)self->test, PAGE, PP_DMA_TO_DEVICE), 0,
		 "what is mapped can be synced");
	check_eq(pp_dma_unmap(binding, *(pp_iova_t *)self->test, PAGE, PP_DMA_TO_DEVICE), 0,
		 "and unmapped");
}

static void probe_and_remove_find_the_device_as_promised(void)
{
	struct soft_device sd;
	pp_binding_t binding;
	pp_iova_t iova;

	soft_device_init(&sd, NULL);
	sd.probe = looking_probe;
	sd.remove = looking_remove;
	sd.test = &iova;
	for (unsigned i = 1; i <= 2; i++) {
		binding = soft_device_bind(&sd);
		pp_dma_map(binding, memory, PAGE, PP_DMA_TO_DEVICE, &iova);
		check_eq(pp_device_unbind(sd.dev), 0, "unbound");
		check_eq(pp_device_state(sd.dev), PP_DEVICE_PRESENT, "it is present");
		check(!pp_binding_alive(binding) && !pp_device_binding(sd.dev).id,
		      "the binding has ended");
		check_eq(soft_device_stats(&sd).bindings, i, "bindings are counted");
	}
	check_eq(soft_device_stats(&sd).mappings_forgotten, 0, "nothing was forgotten");
	soft_device_exit(&sd);
	told[0] = 0;
}

static void bindings_are_never_used_again(void)
{
	struct soft_device sd;
	pp_binding_t old[100];
	bool distinct = true, dead = true;

	soft_device_init(&sd, NULL);
	for (unsigned i = 0; i < 100; i++) {
		old[i] = soft_device_bind(&sd);
		for (unsigned j = 0; j < i; j++) {
			distinct = old[j].id != old[i].id && distinct;
			dead = !pp_binding_alive(old[j]) && dead;
		}
		pp_device_unbind(sd.dev);
	}
	check(distinct, "100 bindings of one device have 100 names");
	check(dead, "the older ones stay dead");
	check(!pp_binding_alive(pp_binding_none()), "none is never alive");
	soft_device_exit(&sd);
	told[0] = 0;
}

/* A slot has so many. */
static void names_are_used_up(void)
{
	struct soft_device sd;
	struct binding *slot;
	unsigned reports;

	soft_device_init(&sd, NULL);
	slot = binding_peek(soft_device_bind(&sd));
	pp_device_unbind(sd.dev);
	slot->generation = (slot->generation | ((1u << 24) - 1)) - 1;
	check(pp_binding_alive(soft_device_bind(&sd)), "the last name");
	pp_device_unbind(sd.dev);
	pp_debug_set(PP_DEBUG_DMA);
	reports = pp_debug_reports();
	check_eq(pp_device_bind(sd.dev, &sd.drv), -EOVERFLOW, "there is none after it");
	check_eq(pp_debug_reports() - reports, 1, "which is told");
	pp_debug_set(0);
	soft_device_exit(&sd);
	soft_device_init(&sd, NULL);
	check(binding_peek(soft_device_bind(&sd)) != slot, "registered anew it has another slot");
	soft_device_exit(&sd);
	told[0] = 0;
}

/* ---- a failed probe -------------------------------------------------------------- */

struct left {
	pp_binding_t binding;
	pp_iova_t iova, coherent;
	void *cpu;
};

static int failing_probe(struct soft_device *self, pp_binding_t binding)
{
	struct left *left = self->test;
	char byte;

	tell("probe");
	left->binding = binding;
	check(!pp_dma_map(binding, memory, PAGE, PP_DMA_BIDIRECTIONAL, &left->iova) &&
		      !pp_dma_alloc_coherent(binding, PAGE, &left->cpu, &left->coherent),
	      "probe maps memory and coherent memory");
	check(!pp_soft_read(self->iommu, left->iova, &byte, 1) &&
		      !pp_soft_read(self->iommu, left->coherent, &byte, 1),
	      "the device reads both");
	return -EIO;
}

static void a_failed_probe_leaves_nothing_mapped(void)
{
	struct soft_device sd;
	struct left left;
	char byte;

	telling_device(&sd);
	sd.probe = failing_probe;
	sd.test = &left;
	check_eq(pp_device_bind(sd.dev, &sd.drv), -EIO, "bind returns what probe did");
	check(was_told("BIND probe NOT_BOUND"), "it is told; remove is not called");
	check_eq(pp_device_state(sd.dev), PP_DEVICE_PRESENT, "the device is present");
	check(!pp_binding_alive(left.binding) && !pp_device_binding(sd.dev).id, "and not bound");
	check_eq(soft_device_domain(&sd).mappings, 0, "nothing is mapped");
	check_eq(soft_device_domain(&sd).bytes_mapped, 0, "not a byte");
	check_eq(soft_device_domain(&sd).page_table_bytes, 0, "no page table is left");
	check_eq(soft_device_domain(&sd).iotlb_entries, 0, "nor a translation in the IOTLB");
	check_eq(totals().iova_bytes, 0, "nor IOVA space");
	check_eq(pp_soft_read(sd.iommu, left.iova, &byte, 1), -EFAULT, "the device reads neither");
	check_eq(pp_soft_read(sd.iommu, left.coherent, &byte, 1), -EFAULT, "of the two");
	check_eq(pp_dma_unmap(left.binding, left.iova, PAGE, PP_DMA_BIDIRECTIONAL), -ENODEV,
		 "its binding is refused");
	sd.probe = telling_probe;
	check_eq(pp_device_bind(sd.dev, &sd.drv), 0, "it can be bound afterwards");
	check(was_told("BIND probe BOUND"), "as ever");
	soft_device_exit(&sd);
	told[0] = 0;
}

/* ---- surprise removal ------------------------------------------------------------ */

static void gone_remove(struct soft_device *self, pp_binding_t binding, enum pp_remove_why why)
{
	struct left *left = self->test;
	struct pp_domain_stats s = soft_device_domain(self);
	pp_iova_t iova;
	void *cpu;
	char byte;

	tell("remove(gone)");
	check_eq(why, PP_REMOVE_GONE, "remove is told that the device has gone");
	check_eq(binding.id, left->binding.id, "with the binding that was");
	check(!pp_binding_alive(binding), "which is dead");
	check(!s.mappings && !s.bytes_mapped && !s.page_table_bytes && !s.iotlb_entries,
	      "everything has been taken back");
	check_eq(pp_soft_read(self->iommu, left->iova, &byte, 1), -EFAULT,
		 "the device reads nothing");
	check_eq(pp_dma_map(binding, memory, PAGE, PP_DMA_TO_DEVICE, &iova), -ENODEV, "no map");
	check_eq(pp_dma_unmap(binding, left->iova, PAGE, PP_DMA_BIDIRECTIONAL), -ENODEV,
		 "no unmap");
	check_eq(pp_dma_sync_for_cpu(binding, left->iova, 1, PP_DMA_BIDIRECTIONAL), -ENODEV,
		 "no sync");
	check_eq(pp_dma_alloc_coherent(binding, PAGE, &cpu, &iova), -ENODEV, "no allocation");
	check_eq(pp_dma_free_coherent(binding, PAGE, left->cpu, left->coherent), -ENODEV,
		 "no free");
	check(!strcmp(left->cpu, "descriptors"), "coherent memory is still there to read");
	strcpy(left->cpu, "and to write");
	check_eq(soft_device_stats(self).late_calls_refused, 5, "the five calls are counted");
}

static void a_driver_hears_of_a_surprise_after_the_revocation(void)
{
	struct soft_device sd;
	struct left left;
	char byte;

	telling_device(&sd);
	sd.remove = gone_remove;
	sd.test = &left;
	left.binding = soft_device_bind(&sd);
	require(!pp_dma_map(left.binding, memory, PAGE, PP_DMA_BIDIRECTIONAL, &left.iova),
		"mapped");
	require(!pp_dma_alloc_coherent(left.binding, PAGE, &left.cpu, &left.coherent), "allocated");
	strcpy(left.cpu, "descriptors");
	check_eq(pp_soft_read(sd.iommu, left.iova, &byte, 1), 0, "the device reads");
	told[0] = 0;
	check_eq(pp_device_remove(sd.dev, PP_REMOVAL_SURPRISE), 0, "it is pulled");
	check(was_told("DEL remove(gone) UNBOUND REMOVED"), "and that is told");
	check_eq(pp_device_state(sd.dev), PP_DEVICE_GONE, "it is gone");
	check_eq(totals().iova_bytes, 0, "no IOVA space is left");
	check_eq(soft_device_stats(&sd).mappings_forgotten, 0,
		 "what the driver couldn't undo it hasn't forgotten");
	soft_device_exit(&sd);
	told[0] = 0;
}

/* ---- refusals -------------------------------------------------------------------- */

static void calls_in_the_wrong_state_are_refused(void)
{
	struct soft_device sd;
	struct pp_driver other = { .name = "other" };

	telling_device(&sd);
	other.probe = sd.drv.probe;
	other.remove = sd.drv.remove;
	check_eq(pp_device_unbind(sd.dev), -ENODEV, "unbind: not bound");
	check_eq(pp_device_bind(sd.dev, &other), -ENOENT, "bind: the driver isn't registered");
	check_eq(pp_device_bind(sd.dev, NULL), -ENOENT, "bind: no driver matches");
	check(was_told(""), "nothing of it is told");
	soft_device_bind(&sd);
	check(was_told("BIND probe BOUND"), "bound");
	check_eq(pp_device_bind(sd.dev, &sd.drv), -EBUSY, "bind: bound already");
	check_eq(pp_device_bind(sd.dev, NULL), -EBUSY, "whatever the driver");
	check(was_told(""), "nothing of it is told");
	pp_device_remove(sd.dev, PP_REMOVAL_ORDERLY);
	told[0] = 0;
	check_eq(pp_device_bind(sd.dev, &sd.drv), -ENODEV, "bind: gone");
	check_eq(pp_device_unbind(sd.dev), -ENODEV, "unbind: gone");
	check_eq(pp_device_remove(sd.dev, PP_REMOVAL_ORDERLY), -ENODEV, "remove: gone");
	check_eq(pp_device_remove(sd.dev, PP_REMOVAL_SURPRISE), -ENODEV, "surprised or not");
	check(was_told(""), "nothing of it is told");
	soft_device_exit(&sd);
}

static void call_back(struct soft_device *self, const char *from)
{
	check_eq(pp_device_bind(self->dev, NULL), -EDEADLK, "bind from %s", from);
	check_eq(pp_device_unbind(self->dev), -EDEADLK, "unbind from %s", from);
	check_eq(pp_device_remove(self->dev, PP_REMOVAL_ORDERLY), -EDEADLK, "remove from %s", from);
	check_eq(pp_device_remove(self->dev, PP_REMOVAL_SURPRISE), -EDEADLK, "or by surprise");
}

static int probe_calling_back(struct soft_device *self, pp_binding_t binding)
{
	(void)binding;
	call_back(self, "probe");
	return 0;
}

static void remove_calling_back(struct soft_device *self, pp_binding_t binding,
				enum pp_remove_why why)
{
	(void)binding;
	call_back(self, why == PP_REMOVE_GONE ? "remove, gone" : "remove");
}

static bool match_calling_back(struct pp_device *dev, void *ctx)
{
	(void)dev;
	call_back(ctx, "match");
	return true;
}

static struct soft_device *notified;

static void notify_calling_back(struct pp_notifier *self, enum pp_event event,
				struct pp_device *dev)
{
	(void)self;
	(void)dev;
	if (event != PP_EVENT_ADD_DEVICE) /* no lifecycle call is under way then */
		call_back(notified, "a notification");
}

static void a_callback_can_t_change_its_own_device(void)
{
	struct pp_notifier n = { .notify = notify_calling_back };
	struct soft_device sd;

	soft_device_init(&sd, NULL);
	sd.probe = probe_calling_back;
	sd.remove = remove_calling_back;
	sd.drv.match = match_calling_back;
	check_eq(pp_device_bind(sd.dev, NULL), 0, "bound in spite of it");
	notified = &sd;
	pp_notifier_register(&n);
	check_eq(pp_device_unbind(sd.dev), 0, "unbound in spite of it");
	pp_notifier_unregister(&n);
	soft_device_bind(&sd);
	check_eq(pp_device_remove(sd.dev, PP_REMOVAL_SURPRISE), 0, "and removed");
	soft_device_exit(&sd);
	told[0] = 0;
}

static int probe_binding_another(struct soft_device *self, pp_binding_t binding)
{
	struct soft_device *other = self->test;

	(void)binding;
	return pp_device_bind(other->dev, &other->drv);
}

static void a_callback_may_change_another_device(void)
{
	struct soft_device a, b;

	soft_device_init(&a, NULL);
	soft_device_init(&b, NULL);
	a.probe = probe_binding_another;
	a.test = &b;
	check_eq(pp_device_bind(a.dev, &a.drv), 0, "one's probe binds the other");
	check(pp_device_state(a.dev) == PP_DEVICE_BOUND &&
		      pp_device_state(b.dev) == PP_DEVICE_BOUND,
	      "both are bound");
	soft_device_exit(&a);
	soft_device_exit(&b);
	told[0] = 0;
}

/* ---- drivers --------------------------------------------------------------------- */

static void driver_parameters_are_checked(void)
{
	struct soft_device sd;
	struct pp_driver d;

	soft_device_init(&sd, NULL);
	d = sd.drv;
	d.name = NULL;
	check_eq(pp_driver_register(&d), -EINVAL, "no name");
	d = sd.drv;
	d.probe = NULL;
	check_eq(pp_driver_register(&d), -EINVAL, "no probe");
	d = sd.drv;
	d.remove = NULL;
	check_eq(pp_driver_register(&d), -EINVAL, "no remove");
	check_eq(pp_driver_register(NULL), -EINVAL, "no driver");
	check_eq(pp_driver_register(&sd.drv), -EEXIST, "known already");
	check_eq(pp_driver_unregister(&d), -ENOENT, "not known");
	soft_device_exit(&sd);
	told[0] = 0;
}

static bool match_yes(struct pp_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	tell("yes");
	return true;
}

static bool match_no(struct pp_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	tell("no");
	return false;
}

static int naming_probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	(void)dev;
	(void)binding;
	tell(ctx);
	return 0;
}

static void naming_remove(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why,
			  void *ctx)
{
	(void)dev;
	(void)binding;
	(void)why;
	tell(ctx);
}

static struct pp_driver naming_driver(char *name, bool (*match)(struct pp_device *, void *))
{
	return (struct pp_driver){ .name = name,
				   .match = match,
				   .probe = naming_probe,
				   .remove = naming_remove,
				   .ctx = name };
}

static void the_first_driver_that_matches_is_bound(void)
{
	struct pp_driver blind = naming_driver("blind", NULL), no = naming_driver("no", match_no);
	struct pp_driver first = naming_driver("first", match_yes);
	struct pp_driver second = naming_driver("second", match_yes);
	struct pp_device *dev = plain_device("dev");

	check(!pp_driver_register(&blind) && !pp_driver_register(&no) &&
		      !pp_driver_register(&first) && !pp_driver_register(&second),
	      "four drivers");
	pp_notifier_unregister(&listener);
	told[0] = 0;
	check_eq(pp_device_bind(dev, NULL), 0, "bound to the one that matches");
	check(was_told("no yes first"), "asked in the order of registration, up to the first");
	check_eq(pp_driver_unregister(&first), 0, "it goes");
	check(was_told("first"), "unbound");
	check_eq(pp_device_state(dev), PP_DEVICE_PRESENT, "the device is free");
	check_eq(pp_device_bind(dev, NULL), 0, "bound again");
	check(was_told("no yes second"), "to the next");
	pp_device_unbind(dev);
	told[0] = 0;
	check_eq(pp_driver_register(&first), 0, "the first comes back");
	check_eq(pp_device_bind(dev, NULL), 0, "bound");
	check(was_told("no yes second"), "it is the last now");
	pp_device_unbind(dev);
	told[0] = 0;
	check_eq(pp_device_bind(dev, &no), 0, "one that is named");
	check(was_told("no"), "is not asked");
	pp_device_unregister(dev);
	check(!pp_driver_unregister(&blind) && !pp_driver_unregister(&no) &&
		      !pp_driver_unregister(&first) && !pp_driver_unregister(&second),
	      "all go");
	check_eq(pp_driver_unregister(&no), -ENOENT, "once");
	pp_notifier_register(&listener);
	told[0] = 0;
}

static struct pp_driver *matching;

/* Whatever it may do that has to do with drivers and devices, but for its own. */
static bool match_busy(struct pp_device *dev, void *ctx)
{
	struct pp_driver other = naming_driver("other", NULL);
	struct pp_device *second = plain_device("second");

	(void)dev;
	(void)ctx;
	check_eq(pp_driver_unregister(matching), -EDEADLK, "not itself, from its match");
	check_eq(pp_driver_register(&other), 0, "a match may register another driver");
	check_eq(pp_device_bind(second, &other), 0, "bind another device to it");
	pp_device_unregister(second);
	check_eq(pp_driver_unregister(&other), 0, "and unregister it");
	return true;
}

static void a_match_is_asked_without_a_lock(void)
{
	struct pp_driver drv = naming_driver("drv", match_busy);
	struct pp_device *dev = plain_device("dev");

	matching = &drv;
	check_eq(pp_driver_register(&drv), 0, "registered");
	check_eq(pp_device_bind(dev, NULL), 0, "bound");
	check_eq(pp_driver_unregister(&drv), 0, "from elsewhere it can go");
	check_eq(pp_device_state(dev), PP_DEVICE_PRESENT, "unbound");
	pp_device_unregister(dev);
	told[0] = 0;
}

static int match_begun, unregister_begun, unregistered;
static pthread_t unregisterer;

static void *unregisters_driver(void *drv)
{
	__atomic_store_n(&unregister_begun, 1, __ATOMIC_RELEASE);
	unregistered = pp_driver_unregister(drv) ? -1 : 1;
	return NULL;
}

static bool match_slowly(struct pp_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	match_begun++;
	if (pthread_create(&unregisterer, NULL, unregisters_driver, matching))
		abort();
	while (!__atomic_load_n(&unregister_begun, __ATOMIC_ACQUIRE))
		sched_yield();
	for (int i = 0; i < 200; i++)
		sched_yield();
	check_eq(__atomic_load_n(&unregistered, __ATOMIC_ACQUIRE), 0,
		 "unregister waits for a match");
	return true;
}

static void a_driver_that_leaves_while_it_is_asked_is_not_bound(void)
{
	struct pp_driver drv = naming_driver("drv", match_slowly);
	struct pp_device *dev = plain_device("dev");

	matching = &drv;
	check_eq(pp_driver_register(&drv), 0, "registered");
	pp_device_bind(dev, NULL); /* 0: unregister has not begun in earnest, and unbinds it now */
	pthread_join(unregisterer, NULL);
	check_eq(match_begun, 1, "asked once");
	check_eq(unregistered, 1, "unregistered");
	check_eq(pp_device_state(dev), PP_DEVICE_PRESENT, "the device isn't bound to it");
	pp_device_unregister(dev);
	told[0] = 0;
}

static void unregistering_a_driver_unbinds_all_its_devices(void)
{
	struct pp_driver drv = naming_driver("drv", NULL), other = naming_driver("other", NULL);
	struct pp_device *a = plain_device("a"), *b = plain_device("b"), *c = plain_device("c");
	struct pp_device *d = plain_device("d");

	pp_driver_register(&drv);
	pp_driver_register(&other);
	check(!pp_device_bind(a, &drv) && !pp_device_bind(b, &other) && !pp_device_bind(c, &drv),
	      "two devices of it, one of another");
	pp_notifier_unregister(&listener);
	told[0] = 0;
	check_eq(pp_driver_unregister(&drv), 0, "it goes");
	check(was_told("drv drv"), "removed from two devices");
	check(pp_device_state(a) == PP_DEVICE_PRESENT && pp_device_state(c) == PP_DEVICE_PRESENT,
	      "they are free");
	check_eq(pp_device_state(b), PP_DEVICE_BOUND, "the other's is bound");
	check_eq(pp_device_bind(d, &drv), -ENOENT, "it can't be bound any more");
	pp_device_unregister(a);
	pp_device_unregister(b);
	pp_device_unregister(c);
	pp_device_unregister(d);
	pp_driver_unregister(&other);
	pp_notifier_register(&listener);
	told[0] = 0;
}

static int probe_unregistering(struct soft_device *self, pp_binding_t binding)
{
	(void)binding;
	check_eq(pp_driver_unregister(&self->drv), -EDEADLK, "a driver can't go from its probe");
	return 0;
}

static void remove_unregistering(struct soft_device *self, pp_binding_t binding,
				 enum pp_remove_why why)
{
	(void)binding;
	(void)why;
	check_eq(pp_driver_unregister(&self->drv), -EDEADLK, "nor from its remove");
}

static void a_driver_can_t_unregister_itself_from_a_callback(void)
{
	struct soft_device sd;

	soft_device_init(&sd, NULL);
	sd.probe = probe_unregistering;
	soft_device_bind(&sd);
	check_eq(pp_device_state(sd.dev), PP_DEVICE_BOUND, "it is bound");
	check_eq(pp_driver_register(&sd.drv), -EEXIST, "and registered: nothing has changed");
	sd.remove = remove_unregistering;
	pp_device_unbind(sd.dev);
	sd.remove = NULL;
	sd.probe = NULL;
	soft_device_bind(&sd);
	check_eq(pp_driver_unregister(&sd.drv), 0, "from elsewhere it can");
	check_eq(pp_device_state(sd.dev), PP_DEVICE_PRESENT, "which unbinds its device");
	soft_device_exit(&sd);
	told[0] = 0;
}

/* ---- statistics ------------------------------------------------------------------ */

static void statistics_fit_the_caller_s_structure(void)
{
	struct {
		struct pp_device_stats s;
		uint64_t tail;
	} longer = { .tail = 7 };
	struct {
		uint64_t bindings, after;
	} shorter = { 0, 7 };
	struct {
		struct pp_domain_stats s;
		uint64_t tail;
	} domain = { .tail = 7 };
	struct soft_device sd;

	soft_device_init(&sd, NULL);
	soft_device_bind(&sd);
	pp_device_stats(sd.dev, &longer.s, sizeof longer);
	check(longer.s.bindings == 1 && !longer.tail, "a longer tail is zeroed");
	pp_device_stats(sd.dev, (void *)&shorter, sizeof shorter.bindings);
	check(shorter.bindings == 1 && shorter.after == 7, "a shorter one isn't overrun");
	pp_domain_stats(sd.dev, &domain.s, sizeof domain);
	check(!domain.tail, "likewise for a domain");
	pp_device_unbind(sd.dev);
	pp_device_stats(sd.dev, &longer.s, sizeof longer.s);
	check(longer.s.unbind_ns > 0, "the unbind has taken its time");
	soft_device_exit(&sd);
	told[0] = 0;
}

int main(void)
{
	pp_notifier_register(&listener);
	run(a_registered_device_says_what_it_is);
	run(a_device_translates_nothing_until_it_is_bound);
	run(registration_blocks_the_domain);
	run(device_parameters_are_checked);
	run(a_failed_registration_leaves_nothing);
	run(bind_and_unbind_are_told_in_order);
	run(a_removal_is_told_in_order);
	run(listeners_hear_in_the_order_of_registration);
	run(a_listener_may_leave_while_it_listens);
	run(a_listener_is_registered_once);
	run(probe_and_remove_find_the_device_as_promised);
	run(bindings_are_never_used_again);
	run(names_are_used_up);
	run(a_failed_probe_leaves_nothing_mapped);
	run(a_driver_hears_of_a_surprise_after_the_revocation);
	run(calls_in_the_wrong_state_are_refused);
	run(a_callback_can_t_change_its_own_device);
	run(a_callback_may_change_another_device);
	run(driver_parameters_are_checked);
	run(the_first_driver_that_matches_is_bound);
	run(a_match_is_asked_without_a_lock);
	run(a_driver_that_leaves_while_it_is_asked_is_not_bound);
	run(unregistering_a_driver_unbinds_all_its_devices);
	run(a_driver_can_t_unregister_itself_from_a_callback);
	run(statistics_fit_the_caller_s_structure);
	run(windows_between_ranges_are_never_used);
	run(ranges_may_end_anywhere);
	run(a_back_end_must_have_its_functions);
	run(ranges_must_ascend_and_be_of_whole_pages);
	run(a_domain_is_one_device_s);
	run(nonsense_of_a_back_end_is_an_errno);
	run(a_device_takes_nothing_that_it_cannot_use_from_others_for_good);
	run(a_window_in_use_is_not_given_to_who_cannot_use_it);
	pp_notifier_unregister(&listener);
	return tap_end();
}
