/*
 * doctor.c - pagepool doctor: check the prerequisites for real devices, and print the fixes.
 * Changes nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct visit {
	unsigned missing;           /* things without which no device can be opened */
	unsigned count;             /* of dir_each */
	char only[PP_VFIO_ADDRESS]; /* the one device asked about, or "" */
};

static void line(const char *mark, const char *format, va_list args)
{
	printf("%-8s", mark);
	vprintf(format, args);
	printf("\n");
}

static void good(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void hint(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void missing(struct visit *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void type(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void good(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line("ok", format, args);
	va_end(args);
}

/* Works, but could be better. */
static void hint(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line("hint", format, args);
	va_end(args);
}

static void missing(struct visit *v, const char *format, ...)
{
	va_list args;

	v->missing++;
	va_start(args, format);
	line("MISSING", format, args);
	va_end(args);
}

/* What mends the line before. */
static void type(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line("", format, args);
	va_end(args);
}

static bool count_one(const char *name, void *ctx)
{
	struct visit *v = ctx;

	(void)name;
	v->count++;
	return true;
}

static unsigned count_dir(struct visit *v, const char *path)
{
	v->count = 0;
	dir_each(path, count_one, v);
	return v->count;
}

/* ---- the machine ---------------------------------------------------------------------------- */

static void look_at_iommu(struct visit *v)
{
	unsigned units = count_dir(v, "/sys/class/iommu");
	unsigned groups = count_dir(v, "/sys/kernel/iommu_groups");

	if (groups) {
		good("IOMMU: on, %u unit%s, %u groups", units, units == 1 ? "" : "s", groups);
		return;
	}
	missing(v, "IOMMU: off or not present");
	type("enable VT-d (Intel) or AMD-Vi in the firmware; then, for Intel:");
	type("  sed -i 's/^GRUB_CMDLINE_LINUX=\"/&intel_iommu=on /' /etc/default/grub && "
	     "update-grub && reboot");
}

static bool can_open(const char *path)
{
	return !access(path, R_OK | W_OK);
}

static void look_at_vfio(struct visit *v)
{
	bool iommufd = !access("/dev/iommu", F_OK), container = !access("/dev/vfio/vfio", F_OK);

	if (access("/sys/bus/pci/drivers/vfio-pci", F_OK)) {
		missing(v, "VFIO: the vfio-pci driver is not loaded");
		type("modprobe vfio-pci");
		type("echo vfio-pci > /etc/modules-load.d/vfio-pci.conf   (from the next boot on)");
		return;
	}
	if (!iommufd && !container) {
		missing(v, "VFIO: neither /dev/iommu nor /dev/vfio/vfio exists");
		type("modprobe vfio_iommu_type1 || modprobe iommufd");
	} else if (iommufd && can_open("/dev/iommu")) {
		good("VFIO: iommufd (/dev/iommu)");
	} else if (container && can_open("/dev/vfio/vfio")) {
		good("VFIO: the type-1 container (/dev/vfio/vfio)%s",
		     iommufd ? "; no permission to open /dev/iommu" :
			       "; this kernel has no iommufd");
	} else {
		missing(v, "VFIO: no permission for %s", iommufd ? "/dev/iommu" : "/dev/vfio/vfio");
		type("chown %u %s   (as root)", (unsigned)getuid(),
		     iommufd ? "/dev/iommu" : "/dev/vfio/vfio");
	}
}

#define MEMLOCK_WANTED (256ull << 20) /* 128 chunks */

static void look_at_memlock(void)
{
	uint64_t limit = pp_vfio_locked_limit();
	char n[GROUPED];

	if (limit == UINT64_MAX) {
		good("locked memory: no limit");
	} else if (limit < MEMLOCK_WANTED) {
		hint("locked memory: at most %s KiB can be mapped for devices",
		     grouped(limit / 1024, n));
		type("ulimit -l unlimited   (or LimitMEMLOCK=infinity, or memlock in "
		     "/etc/security/limits.conf)");
	} else {
		good("locked memory: the limit is high enough");
	}
}

static void look_at_pages(void)
{
	char text[128];

	if (file_line(text, sizeof text,
		      "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") &&
	    atoi(text)) {
		good("huge pages: %s of 2 MiB are free", text);
		return;
	}
	if (file_line(text, sizeof text, "/sys/kernel/mm/transparent_hugepage/enabled") &&
	    !strstr(text, "[never]"))
		hint("huge pages: none reserved; transparent ones will do, if memory isn't "
		     "fragmented");
	else
		hint("huge pages: none; each chunk takes 512 IOMMU entries instead of 1");
	type("sysctl vm.nr_hugepages=128");
}

static void look_at_entries(void)
{
	char text[32];

	if (file_line(text, sizeof text, "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"))
		good("mappings per container: at most %s", text);
}

/* ---- devices --------------------------------------------------------------------------------- */

struct group {
	const char *address;
	char number[16];
	unsigned in_the_way;
};

static bool look_at_neighbour(const char *address, void *ctx)
{
	struct group *g = ctx;
	char driver[64];

	if (!strcmp(address, g->address) || !pci_link(driver, sizeof driver, address, "driver") ||
	    strstr(driver, "vfio") || !strcmp(driver, "pcieport"))
		return true;
	if (!g->in_the_way++)
		printf("        its group %s can't be used while these have other drivers:\n",
		       g->number);
	type("  pagepool bind %s   (now: %s)", address, driver);
	return true;
}

static void look_at_group(struct visit *v, const char *address, const char *number)
{
	struct group g = { .address = address };
	char path[PCI_PATH];

	snprintf(g.number, sizeof g.number, "%.15s", number);
	snprintf(path, sizeof path, "/sys/kernel/iommu_groups/%s/devices", g.number);
	dir_each(path, look_at_neighbour, &g);
	v->missing += g.in_the_way && *v->only;
}

/* Bound to vfio-pci: the proof is to open it. It is reset by that, if nobody has it. */
static void try_open(struct visit *v, const char *address)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	char error[PP_VFIO_ERROR];
	struct pp_vfio *vfio;
	int ret;

	p.address = address;
	ret = pp_vfio_open(&vfio, &p, error);
	if (!ret)
		good("%s: can be opened, by %s", address,
		     pp_vfio_api(vfio) == PP_VFIO_IOMMUFD ? "iommufd" : "the container");
	else if (ret == -EBUSY)
		hint("%s", error);
	else
		missing(v, "%s", error);
	pp_vfio_close(vfio);
}

static void look_at_device(struct visit *v, const char *address)
{
	char driver[64] = "", group[64] = "", interface[32];
	bool route = pci_has_default_route(interface, sizeof interface, address);

	pci_link(driver, sizeof driver, address, "driver");
	if (!pci_link(group, sizeof group, address, "iommu_group")) {
		printf("device  %s: driver %s, no IOMMU group\n", address,
		       *driver ? driver : "none");
		v->missing += *v->only != 0;
		return;
	}
	printf("device  %s: driver %s, IOMMU group %s%s%s\n", address, *driver ? driver : "none",
	       group, route ? ", carries the default route by " : "", route ? interface : "");
	look_at_group(v, address, group);
	if (strstr(driver, "vfio"))
		try_open(v, address);
	else if (*v->only)
		missing(v, "%s is not bound to vfio-pci", address);
	if (!strstr(driver, "vfio"))
		type("pagepool bind %s%s", address,
		     route ? " --force   (this machine may become unreachable)" : "");
}

/* Network devices, and what vfio-pci has already. */
static bool look_at_nic(const char *address, void *ctx)
{
	char path[PCI_PATH], class[16], driver[64] = "";

	pci_path(path, address, "class");
	pci_link(driver, sizeof driver, address, "driver");
	if ((file_line(class, sizeof class, path) && !strncmp(class, "0x02", 4)) ||
	    !strcmp(driver, "vfio-pci"))
		look_at_device(ctx, address);
	return true;
}

int doctor_main(int argc, char **argv)
{
	struct visit v = { .missing = 0 };
	const char *only = NULL;
	const struct option_def defs[] = {
		{ "ADDRESS", 0, "[ADDRESS]", "the PCI device to check; none: all network devices",
		  OPTION_ARGUMENT, &only },
		{ 0 },
	};

	if (options_parse(argc, argv, "doctor",
			  "Check the prerequisites for real devices and print the fixes.", defs))
		return EXIT_USAGE;
	if (only && !pp_vfio_parse_address(v.only, only)) {
		say("\"%s\" is not a PCI address, such as 0000:00:03.0", only);
		return EXIT_USAGE;
	}
	if (only && !pci_exists(v.only)) {
		say("there is no PCI device %s; lspci -D lists them", v.only);
		return EXIT_ERROR;
	}
	look_at_iommu(&v);
	look_at_vfio(&v);
	look_at_memlock();
	look_at_pages();
	look_at_entries();
	if (only)
		look_at_device(&v, v.only);
	else
		dir_each("/sys/bus/pci/devices", look_at_nic, &v);
	if (v.missing)
		printf("\n%u prerequisite%s missing.\n", v.missing,
		       v.missing == 1 ? " is" : "s are");
	return v.missing ? EXIT_ERROR : EXIT_OK;
}
