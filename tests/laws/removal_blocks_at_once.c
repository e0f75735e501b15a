/*
 * removal_blocks_at_once.c - Laws 12 and 13: a device that has gone is blocked at once, whatever
 * its driver's probe or remove, or a listener, is doing, from any thread; whatever is in progress
 * completes in order, and no misuse is reported.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"
#include "counting_iommu.h"

static struct soft_device d;
static struct counting_iommu counting;
static char memory[PP_BASE_PAGE];
static pthread_t remover;
static int removed; /* what it got */
static pp_iova_t iova;
static unsigned reports;

static char told[256];

static void tell(const char *word)
{
	if (told[0])
		strncat(told, " ", sizeof told - strlen(told) - 1);
	strncat(told, word, sizeof told - strlen(told) - 1);
}

static void was_told(const char *expected)
{
	if (!check(!strcmp(told, expected), "told: %s", expected))
		printf("# %s\n", told);
	told[0] = 0;
}

static void count_report(void *ctx, const char *text)
{
	(void)ctx;
	reports++;
	printf("# %s\n", text);
}

/* ---- pulled in the midst of a callback ------------------------------------------------------ */

static void *pull(void *arg)
{
	(void)arg;
	removed = pp_device_remove(d.dev, PP_REMOVAL_SURPRISE);
	return NULL;
}

/* Another thread pulls the device; the caller goes on once it is blocked. */
static void pull_now(void)
{
	unsigned before = __atomic_load_n(&counting.blocks, __ATOMIC_RELAXED);

	remover = start(pull, NULL);
	/* acquire: the back end has passed it on */
	while (__atomic_load_n(&counting.blocks, __ATOMIC_ACQUIRE) == before)
		sched_yield();
}

static void nothing_works(pp_binding_t binding)
{
	pp_iova_t none;
	char byte;

	check_eq(pp_soft_read(d.iommu, iova, &byte, 1), -EFAULT, "the device reads nothing");
	check_eq(pp_dma_map(binding, memory, 64, PP_DMA_TO_DEVICE, &none), -ENODEV, "no map");
	check_eq(pp_dma_unmap(binding, iova, 64, PP_DMA_TO_DEVICE), -ENODEV, "no unmap");
	check(!pp_binding_alive(binding), "the binding is dead");
}

static void map_something(pp_binding_t binding)
{
	char byte;

	check_eq(pp_dma_map(binding, memory, 64, PP_DMA_TO_DEVICE, &iova), 0, "mapped");
	check_eq(pp_soft_read(d.iommu, iova, &byte, 1), 0, "the device reads");
}

/* In which callback it is pulled. */
static const char *pulled_in;
static int probe_returns;

static int telling_probe(struct soft_device *self, pp_binding_t binding)
{
	(void)self;
	tell("probe");
	map_something(binding);
	if (!strcmp(pulled_in, "probe")) {
		pull_now();
		nothing_works(binding);
	}
	return probe_returns;
}

static void telling_remove(struct soft_device *self, pp_binding_t binding, enum pp_remove_why why)
{
	(void)self;
	tell(why == PP_REMOVE_GONE ? "remove(gone)" : "remove");
	if (why == PP_REMOVE_UNBIND && !strcmp(pulled_in, "remove")) {
		pull_now();
		nothing_works(binding);
	} else if (why == PP_REMOVE_UNBIND) {
		check_eq(pp_dma_unmap(binding, iova, 64, PP_DMA_TO_DEVICE), 0, "unmapped");
	}
}

static void tell_event(struct pp_notifier *self, enum pp_event event, struct pp_device *dev)
{
	static const char *const word[] = { "ADD",    "BIND",    "BOUND", "NOT_BOUND",
					    "UNBIND", "UNBOUND", "DEL",   "REMOVED" };

	(void)self;
	(void)dev;
	tell(word[event]);
	if (!strcmp(pulled_in, word[event]))
		pull_now();
}

static bool matches(struct pp_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	tell("match");
	pull_now();
	return true;
}

static struct pp_notifier listener = { .notify = tell_event };

static void begin(const char *where)
{
	printf("# pulled in %s\n", where);
	pulled_in = where;
	probe_returns = 0;
	pp_debug_set(PP_DEBUG_DMA);
	pp_debug_set_report(count_report, NULL);
	counting_device_init(&d, &counting, NULL);
	d.probe = telling_probe;
	d.remove = telling_remove;
	pp_notifier_register(&listener);
	told[0] = 0;
}

static void ends(const char *expected)
{
	join(remover);
	check_eq(removed, 0, "it was removed");
	was_told(expected);
	check_eq(pp_device_state(d.dev), PP_DEVICE_GONE, "it is gone");
	check_eq(soft_device_stats(&d).mappings_forgotten, 0, "nothing counts as forgotten");
	check_eq(pp_device_remove(d.dev, PP_REMOVAL_SURPRISE), -ENODEV, "once");
	domain_is_empty(&d, "at the end");
	pp_notifier_unregister(&listener);
	soft_device_exit(&d);
	pp_debug_set_report(NULL, NULL);
	pp_debug_set(0);
	check_eq(reports, 0, "nobody is accused");
	check_nothing_left("at the end");
}

static void in_probe(void)
{
	begin("probe");
	check_eq(pp_device_bind(d.dev, &d.drv), 0, "bind returns what probe did");
	ends("BIND probe BOUND DEL remove(gone) UNBOUND REMOVED");
}

static void in_a_probe_that_fails(void)
{
	begin("probe");
	probe_returns = -EIO;
	check_eq(pp_device_bind(d.dev, &d.drv), -EIO, "bind returns what probe did");
	ends("BIND probe NOT_BOUND DEL REMOVED");
}

static void in_remove(void)
{
	begin("remove");
	soft_device_bind(&d);
	check_eq(pp_device_unbind(d.dev), 0, "unbound");
	ends("BIND probe BOUND UNBIND remove UNBOUND DEL REMOVED");
}

/* From here on the driver hears that it is too late. */
static void before_remove(void)
{
	begin("UNBIND");
	soft_device_bind(&d);
	check_eq(pp_device_unbind(d.dev), 0, "unbound");
	ends("BIND probe BOUND UNBIND remove(gone) UNBOUND DEL REMOVED");
}

static void before_probe(void)
{
	begin("BIND");
	check_eq(pp_device_bind(d.dev, &d.drv), -ENODEV, "not bound any more");
	ends("BIND NOT_BOUND DEL REMOVED");
}

static void in_match(void)
{
	begin("match");
	d.drv.match = matches;
	check_eq(pp_device_bind(d.dev, NULL), -ENODEV, "not bound any more");
	ends("match BIND NOT_BOUND DEL REMOVED");
}

int main(void)
{
	run(in_probe);
	run(in_a_probe_that_fails);
	run(in_remove);
	run(before_remove);
	run(before_probe);
	run(in_match);
	return tap_end();
}
