/*
 * check.c - pagepool kernel check: whether this kernel unmaps its page pools' pages when a driver
 * goes, whether that matters here, what has piled up, and what to do about it. Changes nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "held.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct visit {
	struct scan scan;
	unsigned problems;
	unsigned mapped;     /* pools that are mapped for a device */
	unsigned translated; /* devices of theirs behind an IOMMU */
};

static void print_line(const char *mark, const char *format, va_list args)
{
	printf("%-8s", mark);
	vprintf(format, args);
	printf("\n");
}

static void good(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void problem(struct visit *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void advice(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void good(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("ok", format, args);
	va_end(args);
}

static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("note", format, args);
	va_end(args);
}

static void problem(struct visit *v, const char *format, ...)
{
	va_list args;

	v->problems++;
	va_start(args, format);
	print_line("PROBLEM", format, args);
	va_end(args);
}

/* What to do about the line before. */
static void advice(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("", format, args);
	va_end(args);
}

/* ---- the kernel -------------------------------------------------------------------------------
 */

/* struct page_pool says it: the array dma_mapped came with the fix. It takes no rights to read. */
static void look_at_kernel(struct visit *v)
{
	struct layout *l = layout_open();
	struct utsname u;

	uname(&u);
	if (!l) {
		note("Linux %s: can't tell whether it unmaps pages in time; it has no BTF "
		     "(CONFIG_DEBUG_INFO_BTF)",
		     u.release);
		advice("Linux 6.16 and newer do, and the later ones of the stable series 6.12");
	} else if (!layout_has(l, M_pool_hold)) {
		good("Linux %s: has no page_pool (CONFIG_PAGE_POOL)", u.release);
	} else if (layout_has(l, M_pool_dma_mapped)) {
		good("Linux %s: unmaps a pool's pages when its driver goes (page_pool.dma_mapped)",
		     u.release);
	} else {
		problem(v,
			"Linux %s: unmaps pages when they come back, even if their driver has gone "
			"by then",
			u.release);
		advice("that can crash the machine, or corrupt or leak mappings, when a device is "
		       "unbound or");
		advice("pulled while pages of its pools are held; Linux 6.16 and newer, and the "
		       "later ones");
		advice("of the stable series 6.12, unmap them in time");
		advice("until then: pagepool kernel unbind, which waits for the pages");
	}
	layout_close(l);
}

/* ---- pools and their drivers --------------------------------------------------------------------
 */

static bool seen_before(const struct scan *s, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(s->pool[j].driver, s->pool[i].driver) &&
		    s->pool[j].mapped == s->pool[i].mapped)
			return true;
	return false;
}

/* One line a driver, and whether it maps. */
static void look_at_drivers(struct visit *v)
{
	const struct scan *s = &v->scan;

	for (size_t i = 0; i < s->n_pools; i++) {
		unsigned n = 0;

		v->mapped += s->pool[i].mapped == YES;
		if (seen_before(s, i))
			continue;
		for (size_t j = i; j < s->n_pools; j++)
			n += !strcmp(s->pool[j].driver, s->pool[i].driver) &&
			     s->pool[j].mapped == s->pool[i].mapped;
		note("driver %s: %u page pool%s, %s",
		     *s->pool[i].driver ? s->pool[i].driver : "(not known)", n, n == 1 ? "" : "s",
		     s->pool[i].mapped == YES ? "mapped for its device" :
		     s->pool[i].mapped == NO  ? "not mapped by page_pool" :
						"mapped or not isn't known");
	}
	if (!s->n_pools)
		note("%s; a driver makes its pools when its interface goes up",
		     s->peek ? "no page pool at this time" : "no page pool is listed");
}

static void look_at_zombies(struct visit *v)
{
	const struct scan *s = &v->scan;
	unsigned zombies = 0, negative = 0;
	int64_t pages = 0;

	for (size_t i = 0; i < s->n_pools; i++) {
		zombies += s->pool[i].zombie;
		pages += s->pool[i].zombie && s->pool[i].in_flight > 0 ? s->pool[i].in_flight : 0;
		negative += s->pool[i].in_flight < 0;
	}
	if (zombies) {
		problem(v, "%u pool%s: the driver has let go, and waits for %lld pages", zombies,
			zombies == 1 ? " is a zombie" : "s are zombies", (long long)pages);
		advice("who has them: pagepool kernel holders");
	} else {
		good("no pool waits for its pages");
	}
	if (negative) {
		problem(v,
			"%u pool%s got back more pages than it gave out: a page was freed twice, "
			"or put into",
			negative, negative == 1 ? " has" : "s have");
		advice("the wrong pool; that is an error in a driver or in the kernel: report it");
	}
}

/* ---- the IOMMU ----------------------------------------------------------------------------------
 */

/* sysfs: the type of the group that a device is in; false: it is in none. */
static bool group_type(const char *bus, char *type, size_t size)
{
	char path[PCI_PATH];

	snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/iommu_group/type", bus);
	return file_line(type, size, path);
}

static void look_at_device(struct visit *v, const struct device *d)
{
	char type[32];

	if (!group_type(d->bus, type, sizeof type)) {
		note("%s (%s): no IOMMU; mapping is only an address, and a late unmap does no harm "
		     "unless the memory is bounced (swiotlb)",
		     d->name, d->bus);
	} else if (!strcmp(type, "identity")) {
		note("%s (%s): the IOMMU passes it through (identity)", d->name, d->bus);
	} else {
		v->translated++;
		note("%s (%s): behind an IOMMU, %s", d->name, d->bus,
		     !strcmp(type, "DMA-FQ") ? "unmapped in batches (DMA-FQ): a page can be "
					       "reached some 10 ms longer" :
					       type);
	}
}

static void look_at_devices(struct visit *v)
{
	const struct scan *s = &v->scan;

	for (size_t i = 0; i < s->n_devices; i++) {
		bool pool = false;

		for (size_t j = 0; j < s->n_pools && *s->device[i].bus; j++)
			pool |= s->pool[j].mapped == YES &&
				!strcmp(s->pool[j].interface, s->device[i].name);
		if (pool)
			look_at_device(v, &s->device[i]);
	}
}

static bool count_name(const char *name, void *ctx)
{
	(void)name;
	++*(unsigned *)ctx;
	return true;
}

static void look_at_iommu(struct visit *v)
{
	unsigned groups = 0;

	dir_each("/sys/kernel/iommu_groups", count_name, &groups);
	if (groups)
		note("IOMMU: on, %u groups", groups);
	else
		note("IOMMU: none, or off");
	look_at_devices(v);
}

/* ---- what has piled up
 * --------------------------------------------------------------------------- */

/* /proc/slabinfo: name, objects in use, objects, bytes of one */
static bool slab(const char *name, unsigned long long *objects, unsigned long long *bytes)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512], word[64];
	unsigned long long used, all, size;
	bool found = false;

	while (f && !found && fgets(line, sizeof line, f))
		found = sscanf(line, "%63s %llu %llu %llu", word, &used, &all, &size) == 4 &&
			!strcmp(word, name);
	if (f)
		fclose(f);
	if (found) {
		*objects = used;
		*bytes = all * size;
	}
	return found;
}

/* The number after a name at a line's beginning, in /proc/meminfo or /proc/vmstat. */
static bool counter(const char *path, const char *name, unsigned long long *n)
{
	FILE *f = fopen(path, "re");
	char line[256];
	size_t len = strlen(name);
	bool found = false;

	while (f && !found && fgets(line, sizeof line, f))
		found = !strncmp(line, name, len) && sscanf(line + len, " %llu", n) == 1;
	if (f)
		fclose(f);
	return found;
}

static void look_at_memory(void)
{
	unsigned long long n, bytes;
	char text[16];

	if (access("/proc/slabinfo", R_OK))
		note("IOVA caches: /proc/slabinfo is for root only");
	if (slab("iommu_iova", &n, &bytes))
		note("IOVA ranges in use: %llu (%s)", n, table_bytes(bytes, text));
	if (slab("iommu_iova_magazine", &n, &bytes))
		note("IOVA caches: %llu magazines of up to 127 ranges (%s)", n,
		     table_bytes(bytes, text));
	if (counter("/proc/vmstat", "nr_iommu_pages ", &n))
		note("IOMMU page tables: %s",
		     table_bytes(n * (unsigned long long)sysconf(_SC_PAGESIZE), text));
	else if (counter("/proc/meminfo", "SecPageTables:", &n))
		note("page tables of IOMMU and KVM together: %s", table_bytes(n * 1024, text));
}

/* ---- the log
 * ------------------------------------------------------------------------------------- */

/* One line of the kernel's log a read: "6,1234,567,-;text". */
static void look_at_log(struct visit *v)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[8192], last[256] = "";
	unsigned stalled = 0, leaked = 0;
	ssize_t n;

	while (fd >= 0 &&
	       ((n = read(fd, line, sizeof line - 1)) > 0 || (n < 0 && errno == EPIPE))) {
		line[n > 0 ? n : 0] = 0;
		leaked += strstr(line, "page_pool leak") != NULL;
		if (!strstr(line, "stalled pool shutdown") || !strchr(line, ';'))
			continue;
		stalled++;
		snprintf(last, sizeof last, "%.*s", (int)strcspn(strchr(line, ';') + 1, "\n"),
			 strchr(line, ';') + 1);
	}
	if (fd < 0)
		note("the kernel's log can't be read: %s", strerror(errno));
	else
		close(fd);
	if (stalled) {
		note("the log has %u \"stalled pool shutdown\"; the last is", stalled);
		advice("%s", last);
	}
	if (leaked) {
		problem(v,
			"the log has %u \"page_pool leak\": pages were freed while they were a "
			"pool's",
			leaked);
		advice("that is an error in a driver or in the kernel: report it");
	}
}

/* ---- the command
 * ---------------------------------------------------------------------------------- */

static int look(struct visit *v)
{
	struct scan *s = &v->scan;
	int ret = scan_open(s);

	ret = ret ? ret : kernel_scan(s);
	if (ret) {
		say("can't look at the kernel's page pools: %s", strerror(-ret));
		return EXIT_ERROR;
	}
	look_at_kernel(v);
	look_at_drivers(v);
	look_at_zombies(v);
	look_at_iommu(v);
	look_at_memory();
	look_at_log(v);
	for (unsigned i = 0; kernel_note(s, i); i++)
		note("%s", kernel_note(s, i));
	if (v->problems)
		printf("\n%u problem%s.\n", v->problems, v->problems == 1 ? "" : "s");
	return v->problems ? EXIT_ERROR : EXIT_OK;
}

int kernel_check_main(int argc, char **argv)
{
	const struct option_def defs[] = { { 0 } };
	struct visit v = { .problems = 0 };
	int ret;

	if (options_parse(
		    argc, argv, "kernel check",
		    "Check whether this kernel unmaps page pools in time, and what has piled up.",
		    defs))
		return EXIT_USAGE;
	ret = look(&v);
	scan_close(&v.scan);
	return ret;
}
